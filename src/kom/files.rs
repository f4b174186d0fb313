//! Finding and reading KOM files: folders recursively, symlinks resolved, each real file once, all within limits.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::yaml::Source;

/// Limits of what is read as KOM; the specification asks for at least these.
#[derive(Debug, Clone, Copy)]
pub struct FileLimits {
    /// Files in all.
    pub files: usize,
    /// Bytes of one file.
    pub file_bytes: usize,
    /// Bytes of all files.
    pub total_bytes: usize,
    /// Folders below a named one.
    pub depth: usize,
}

impl Default for FileLimits {
    fn default() -> Self {
        Self { files: 5_000, file_bytes: 2 * 1024 * 1024, total_bytes: 32 * 1024 * 1024, depth: 10 }
    }
}

/// Folders that hold no KOM, wherever they are.
const SKIPPED: [&str; 8] = [".git", ".github", "node_modules", "vendor", ".direnv", ".venv", "dist", "build"];

/// A path as the user would name it: relative to `base` where that is shorter.
pub(super) fn display_path(path: &Path, base: &Path) -> String {
    let absolute = path.to_string_lossy().into_owned();
    let parts: Vec<Component<'_>> = path.components().collect();
    let base: Vec<Component<'_>> = base.components().collect();
    let common = parts.iter().zip(&base).take_while(|(a, b)| a == b).count();
    // Sharing only the root (or nothing, on another drive) makes no useful relative path.
    if common < 2 {
        return absolute;
    }
    let mut relative: PathBuf = std::iter::repeat_n(Component::ParentDir, base.len() - common).collect();
    relative.extend(parts.get(common..).unwrap_or_default());
    let relative =
        if relative.as_os_str().is_empty() { ".".to_owned() } else { relative.to_string_lossy().into_owned() };
    if relative.len() <= absolute.len() { relative } else { absolute }
}

/// Whether the name ends in `.yml` or `.yaml`.
pub(super) fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml")
}

/// A path that holds KOM, as somebody named it.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// Absolute.
    pub path: PathBuf,
    /// As written.
    pub text: String,
    /// Where it was written; none for a flag or a variable.
    pub location: Option<Location>,
    /// What named it, for messages: `--kom-path`.
    pub origin: &'static str,
}

/// A finding that may have a place in a file.
pub(super) type Finding = (Diagnostic, Option<Location>);

/// Collects the real paths of KOM files.
pub(super) struct Walker<'a> {
    limits: FileLimits,
    /// Messages name paths relative to this.
    cwd: &'a Path,
    /// Where everything must stay, if it must.
    confined_to: Vec<PathBuf>,
    seen: HashSet<PathBuf>,
    files: Vec<PathBuf>,
    findings: Vec<Finding>,
    full: bool,
}

impl<'a> Walker<'a> {
    /// A walker that reports paths relative to `cwd` and, where `confined_to` is not empty, stays inside it.
    pub fn new(limits: FileLimits, cwd: &'a Path, confined_to: Vec<PathBuf>) -> Self {
        let (seen, files, findings) = (HashSet::new(), Vec::new(), Vec::new());
        Self { limits, cwd, confined_to, seen, files, findings, full: false }
    }

    /// The files found, each real path once, and what was wrong.
    pub fn finish(self) -> (Vec<PathBuf>, Vec<Finding>) {
        (self.files, self.findings)
    }

    /// Adds a named file or folder, which must exist.
    pub fn add(&mut self, named: &Named) {
        let real = match named.path.canonicalize() {
            Ok(real) => real,
            Err(error) => {
                let mut diagnostic = Diagnostic::error(
                    "kom-path-missing",
                    format!("{} names \"{}\", which cannot be read: {error}", named.origin, named.text),
                )
                .help(format!("make {} or take it out", display_path(&named.path, self.cwd)));
                if named.text.contains(['*', '?', '[']) {
                    diagnostic = diagnostic.help("globs are not expanded; name the folder");
                }
                if named.text.contains("://") {
                    diagnostic = diagnostic.help("only local paths are read");
                }
                self.findings.push((diagnostic, named.location.clone()));
                return;
            }
        };
        if real.is_dir() {
            self.folder(&real, 0, named);
        } else if is_yaml(&named.path) {
            self.file(real, named);
        } else {
            let message = format!("{} names \"{}\", which is no .yml or .yaml file", named.origin, named.text);
            let help = "name a folder, or a file that ends in .yml or .yaml";
            self.findings.push((Diagnostic::error("kom-path-type", message).help(help), named.location.clone()));
        }
    }

    fn file(&mut self, real: PathBuf, named: &Named) {
        if self.full || !self.inside(&real, named) || !self.seen.insert(real.clone()) {
            return;
        }
        if self.files.len() >= self.limits.files {
            self.full = true;
            let message = format!("there are more than {} KOM files under \"{}\"", self.limits.files, named.text);
            let help = "name the folders that hold KOM, not one above them";
            self.findings.push((Diagnostic::error("kom-limit", message).help(help), named.location.clone()));
            return;
        }
        self.files.push(real);
    }

    fn folder(&mut self, real: &Path, depth: usize, named: &Named) {
        if self.full || !self.inside(real, named) || !self.seen.insert(real.to_owned()) {
            return;
        }
        let shown = display_path(real, self.cwd);
        if depth > self.limits.depth {
            let message = format!("{shown} is more than {} folders below \"{}\"", self.limits.depth, named.text);
            let help = "name the folder that holds KOM, not one far above it";
            self.findings.push((Diagnostic::error("kom-limit", message).help(help), named.location.clone()));
            return;
        }
        let entries = fs::read_dir(real).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(&shown, &error, named),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let kind = match entry.file_type() {
                Ok(kind) => kind,
                Err(error) => return self.unreadable(&display_path(&path, self.cwd), &error, named),
            };
            let wanted = is_yaml(&path);
            // Only a link needs its target looked up; below a real folder everything else is real.
            let (target, is_dir) = if kind.is_symlink() {
                match path.canonicalize() {
                    Ok(target) => {
                        let is_dir = target.is_dir();
                        (target, is_dir)
                    }
                    Err(_) if !wanted => continue,
                    Err(error) => {
                        self.unreadable(&display_path(&path, self.cwd), &error, named);
                        continue;
                    }
                }
            } else {
                (path, kind.is_dir())
            };
            if is_dir {
                if !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                    self.folder(&target, depth + 1, named);
                }
            } else if wanted {
                self.file(target, named);
            }
        }
    }

    fn inside(&mut self, real: &Path, named: &Named) -> bool {
        if self.confined_to.is_empty() || self.confined_to.iter().any(|root| real.starts_with(root)) {
            return true;
        }
        let message = format!(
            "{} \"{}\" leads to {}, which is outside the project",
            named.origin,
            named.text,
            display_path(real, self.cwd)
        );
        let help = "move it inside the project root, or name it with --kom-path or in .kompox/config.yml";
        self.findings.push((Diagnostic::error("kom-path-outside", message).help(help), named.location.clone()));
        false
    }

    fn unreadable(&mut self, shown: &str, error: &std::io::Error, named: &Named) {
        let message = format!("{shown} cannot be read: {error}");
        let help = "check that it exists and that you may read it";
        self.findings.push((Diagnostic::error("kom-read", message).help(help), named.location.clone()));
    }
}

/// Reads files while their sizes stay within the limits.
pub(super) struct FileReader {
    limits: FileLimits,
    cwd: PathBuf,
    total: usize,
}

impl FileReader {
    /// A reader that names files relative to `cwd`.
    pub fn new(limits: FileLimits, cwd: &Path) -> Self {
        Self { limits, cwd: cwd.to_owned(), total: 0 }
    }

    /// The text of a file; none with a diagnostic where it cannot be read.
    pub fn read(&mut self, path: &Path, diagnostics: &mut Diagnostics) -> Option<Source> {
        let name: Arc<str> = display_path(path, &self.cwd).into();
        let mut fail_at = |(line, column), code, message: String, help: &str| {
            let place = Location::new(name.clone(), line, column);
            diagnostics.push(Diagnostic::error(code, message).help(help).at(place, None));
            None
        };
        let mut fail = |code, message, help: &str| fail_at((1, 1), code, message, help);
        // A pipe or device would never end.
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return fail("kom-read", format!("{name} is not a regular file"), "replace it by a file, or take it out");
        }
        let mut bytes = Vec::new();
        let limit = u64::try_from(self.limits.file_bytes).unwrap_or(u64::MAX).saturating_add(1);
        if let Err(error) = fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
            let help = "check that it exists and that you may read it";
            return fail("kom-read", format!("{name} cannot be read: {error}"), help);
        }
        if bytes.len() > self.limits.file_bytes {
            let message = format!("{name} is longer than {} bytes", self.limits.file_bytes);
            return fail("kom-limit", message, "split it into several files");
        }
        self.total = self.total.saturating_add(bytes.len());
        if self.total > self.limits.total_bytes {
            let message =
                format!("the KOM files are longer than {} bytes in all; {name} went past", self.limits.total_bytes);
            return fail("kom-limit", message, "name only the folders that this project needs");
        }
        match String::from_utf8(bytes) {
            Ok(text) => Some(Source::new(name.clone(), text)),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let before = String::from_utf8_lossy(&error.as_bytes()[..valid]);
                let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
                let last = before.rsplit('\n').next().unwrap_or_default();
                let place = (count(before.split('\n').count()), count(last.chars().count() + 1));
                let message = format!("{name} is not UTF-8 (byte {})", valid + 1);
                fail_at(place, "kom-encoding", message, "save it as UTF-8")
            }
        }
    }
}
