//! Mounts of a compose project, as an App can have them: folders on its volumes, and single files as configs and
//! secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::draft::Draft;
use super::survey::{FileUse, Remark};
use super::yaml::{quoted, slug};
use crate::compose::files::{Files, LocalFiles};
use crate::compose::model::is_secret_name;
use crate::compose::syntax;
use crate::compose::tree::Tree;
use crate::diag::Location;
use crate::kom::id::is_dns_label;

/// Longest name of a volume (`manifests.md`, "Rules worth naming").
const VOLUME_NAME: usize = 16;
/// The volume that takes relative bind mounts.
const DEFAULT: &str = "default";
/// Bytes that a config or a secret may hold.
const MOST_BYTES: usize = 1024 * 1024;
/// Files of a read-only folder that become configs; larger folders are data.
const MOST_FILES: usize = 20;
/// Paths of a machine that a container in a cluster has no use for.
const OF_THE_MACHINE: [&str; 9] =
    ["/dev", "/proc", "/sys", "/run", "/var/run", "/lib/modules", "/boot", "/etc/localtime", "/etc/timezone"];

/// What became of a service's mounts.
#[derive(Default)]
pub struct Rewritten {
    /// All of them, if any had to change.
    pub volumes: Option<Vec<String>>,
    /// Files that become configs.
    pub configs: Vec<FileUse>,
    /// Files that become secrets.
    pub secrets: Vec<FileUse>,
    /// Why, one line each.
    pub why: Vec<String>,
}

/// What became of all mounts.
pub struct Finished {
    /// Volumes in order, each with what lies on it.
    pub volumes: Vec<(String, String)>,
    /// Configs: name and file.
    pub configs: Vec<(String, String)>,
    /// Secrets: name and file.
    pub secrets: Vec<(String, String)>,
    /// What was decided.
    pub decided: Vec<Remark>,
    /// What is to be done.
    pub todo: Vec<Remark>,
}

/// One mount as it is written.
struct Written {
    kind: Kind,
    source: String,
    target: String,
    read_only: bool,
    sub_path: String,
    at: Location,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bind,
    Volume,
    Anonymous,
}

/// Rewrites mounts, service by service.
pub struct Mounts<'a> {
    root: &'a Path,
    files: LocalFiles,
    /// Where a named volume is: the volume of the App and the folder on it.
    named: BTreeMap<String, (String, String)>,
    order: Vec<String>,
    /// Folders on the first volume.
    folders: BTreeSet<String>,
    /// Configs and secrets by file.
    configs: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
    /// Folders with files in them that start empty: the first mount of each, and the services that mount it.
    emptied: BTreeMap<String, (Location, BTreeSet<String>)>,
    decided: Vec<Remark>,
    todo: Vec<Remark>,
}

impl<'a> Mounts<'a> {
    /// Decides about named volumes: each is a disk of its own, or, where a node cannot hold as many, a folder of one.
    pub fn new(draft: &'a Draft, services: &[(&str, &Tree)], most: usize) -> Self {
        let mut mounts = Self {
            root: &draft.root,
            files: LocalFiles::new(&draft.root),
            named: BTreeMap::new(),
            order: Vec::new(),
            folders: BTreeSet::new(),
            configs: BTreeMap::new(),
            secrets: BTreeMap::new(),
            emptied: BTreeMap::new(),
            decided: Vec::new(),
            todo: Vec::new(),
        };
        let written: Vec<Written> =
            services.iter().flat_map(|(_, tree)| tree.as_sequence().unwrap_or_default()).filter_map(written).collect();
        let binds = written.iter().any(|mount| mount.kind == Kind::Anonymous || mounts.is_folder(mount));
        let mut names: Vec<(&str, &Location)> = Vec::new();
        for mount in written.iter().filter(|mount| mount.kind == Kind::Volume) {
            if !names.iter().any(|(name, _)| *name == mount.source) {
                names.push((&mount.source, &mount.at));
            }
        }
        let fold = names.len() + usize::from(binds) > most;
        if fold && let Some((_, at)) = names.first() {
            let text = format!(
                "the {} named volumes are folders of one disk: a node of this size holds {most} disks",
                names.len()
            );
            mounts.decided.push(Remark { at: Some((*at).clone()), text });
        }
        let mut taken = BTreeSet::from([DEFAULT.to_owned()]);
        for (name, at) in names {
            if fold {
                let folder = slug(name, 60);
                mounts.named.insert(name.to_owned(), (DEFAULT.to_owned(), folder));
                continue;
            }
            let volume = unique(&slug(name, VOLUME_NAME), VOLUME_NAME, &mut taken);
            if volume != name {
                let text = format!(
                    "the named volume {name} is the volume {volume}: its name must fit {VOLUME_NAME} of a-z, 0-9 and \"-\""
                );
                mounts.decided.push(Remark { at: Some(at.clone()), text });
            }
            mounts.order.push(volume.clone());
            mounts.named.insert(name.to_owned(), (volume, "data".to_owned()));
        }
        mounts
    }

    /// Whether a bind mount will be a folder on the first volume.
    fn is_folder(&self, mount: &Written) -> bool {
        let source = mount.source.as_str();
        mount.kind == Kind::Bind && !is_of_the_machine(source) && !self.root.join(source).is_file()
    }

    /// What becomes of a service's mounts.
    pub fn rewrite(&mut self, service: &str, tree: &Tree) -> Rewritten {
        let mut out = Rewritten::default();
        let mut all = Vec::new();
        let mut changed = false;
        for item in tree.as_sequence().unwrap_or_default() {
            let Some(mount) = written(item) else {
                // Memory and what is wrong stay as they are: the check that follows speaks of the latter.
                all.extend(memory(item));
                continue;
            };
            let place = self.place(service, &mount, &mut out);
            // Only a folder of the project stays where it is.
            changed |= place.is_none() || is_outside(&mount);
            if let Some(source) = place {
                let option = if mount.read_only { ":ro" } else { "" };
                all.push(quoted(&format!("{source}:{}{option}", mount.target)));
            }
        }
        if changed {
            out.volumes = Some(all);
        }
        out
    }

    /// The source to mount from; none where the mount goes.
    fn place(&mut self, service: &str, mount: &Written, out: &mut Rewritten) -> Option<String> {
        match mount.kind {
            Kind::Volume => {
                let (volume, folder) = self.named.get(&mount.source)?.clone();
                let folder = if mount.sub_path.is_empty() { folder } else { format!("{folder}/{}", mount.sub_path) };
                note(&mut out.why, "a folder of its disk: any user can write there, and it holds no lost+found");
                if volume == DEFAULT {
                    self.folders.insert(folder.clone());
                    return Some(format!("./{folder}"));
                }
                Some(format!("{volume}/{folder}"))
            }
            Kind::Anonymous => {
                let folder = format!("{service}/{}", slug(mount.target.rsplit('/').next().unwrap_or("data"), 40));
                // What masks a folder of the image would hide it.
                if mount.target.ends_with("/node_modules") || mount.target.ends_with("/vendor") {
                    note(&mut out.why, "a mount over what the image brings along is left out");
                    return None;
                }
                note(&mut out.why, "a mount without a name has a folder on the first volume");
                self.decide(mount, format!("{service}: {} has no name; its data is kept in ./{folder}", mount.target));
                self.folders.insert(folder.clone());
                Some(format!("./{folder}"))
            }
            Kind::Bind => self.bind(service, mount, out),
        }
    }

    fn bind(&mut self, service: &str, mount: &Written, out: &mut Rewritten) -> Option<String> {
        let source = mount.source.as_str();
        if !is_outside(mount) {
            return self.inside(service, mount, out);
        }
        if source.ends_with("/docker.sock") {
            note(&mut out.why, "there is no Docker in a cluster");
            self.remind(mount, format!("{service}: {source} is left out: there is no Docker in a cluster; leave the service out if it needs one"));
            return None;
        }
        if is_of_the_machine(source) {
            note(&mut out.why, "a path of the machine is left out");
            let help = if source.starts_with("/etc/") { "; set TZ for its time zone" } else { "" };
            self.decide(mount, format!("{service}: {source} of the machine is left out{help}"));
            return None;
        }
        let path = self.root.join(source);
        if path.is_file() || (!path.exists() && looks_like_file(source, &mount.target)) {
            note(&mut out.why, "a file outside of this folder is left out");
            self.remind(
                mount,
                format!(
                    "{service}: the file {source} is outside of this folder and left out; copy it here and mount that"
                ),
            );
            return None;
        }
        let parts: Vec<&str> = source.split('/').filter(|part| !matches!(*part, "" | "." | ".." | "~")).collect();
        let folder = if parts.is_empty() { slug(&mount.target, 40) } else { parts.join("/") };
        note(&mut out.why, "a folder outside of this one is a folder on the first volume");
        self.remind(
            mount,
            format!("{service}: {source} starts as the empty folder {folder} on the first volume; copy its data once"),
        );
        self.folders.insert(folder.clone());
        Some(format!("./{folder}"))
    }

    /// A bind mount below the compose file's folder.
    fn inside(&mut self, service: &str, mount: &Written, out: &mut Rewritten) -> Option<String> {
        let source = mount.source.as_str();
        let Ok(path) = syntax::sub_path(source) else { return Some(source.to_owned()) };
        if self.files.is_file(&path) {
            self.file(service, mount, &path, &mount.target, out);
            return None;
        }
        let full = self.root.join(&path);
        if !full.exists() && looks_like_file(source, &mount.target) {
            note(&mut out.why, "a file that does not exist is left out");
            self.remind(
                mount,
                format!("{service}: ./{path} does not exist; write it, or take its mount out, and run init again"),
            );
            return None;
        }
        let inner = if full.is_dir() { listing(&full, MOST_FILES) } else { Some(Vec::new()) };
        match inner {
            Some(inner) if mount.read_only && !inner.is_empty() && self.are_small(&path, &inner) => {
                for name in inner {
                    let target = format!("{}/{name}", mount.target.trim_end_matches('/'));
                    self.file(service, mount, &join(&path, &name), &target, out);
                }
                return None;
            }
            Some(inner) if inner.is_empty() => {}
            _ if path.is_empty() => {
                let text = format!(
                    "{service}: the project's folder starts empty on the cluster: put what it needs into its image"
                );
                self.remind(mount, text);
            }
            _ => {
                let (_, services) =
                    self.emptied.entry(path.clone()).or_insert_with(|| (mount.at.clone(), BTreeSet::new()));
                services.insert(service.to_owned());
            }
        }
        self.folders.insert(path.clone());
        Some(if path.is_empty() { ".".to_owned() } else { format!("./{path}") })
    }

    fn are_small(&self, folder: &str, names: &[String]) -> bool {
        let sizes = names.iter().map(|name| self.files.read(&join(folder, name)).map(|bytes| bytes.len()));
        // Together they are part of one plan; one that cannot be read is no reason to fail here.
        sizes.sum::<Result<usize, _>>().is_ok_and(|sum| sum <= MOST_BYTES)
    }

    /// A single file becomes a config, or a secret where it may be one.
    fn file(&mut self, service: &str, mount: &Written, path: &str, target: &str, out: &mut Rewritten) {
        let bytes = match self.files.read(path) {
            Ok(bytes) if bytes.len() <= MOST_BYTES => bytes,
            other => {
                let reason = other.err().map_or("it is too long for a config".to_owned(), |error| error.to_string());
                self.remind(mount, format!("{service}: ./{path} is left out: {reason}"));
                return;
            }
        };
        let text = std::str::from_utf8(&bytes).is_ok_and(|text| !text.contains('\0') && !text.starts_with('\u{feff}'));
        let name = path.rsplit('/').next().unwrap_or(path);
        let private = [".key", ".pem", ".p12", ".pfx", ".jks", "htpasswd"].iter().any(|end| name.ends_with(end));
        let secret = !text || private || is_secret_name(name) || bytes.starts_with(b"-----BEGIN");
        let known = if secret { &mut self.secrets } else { &mut self.configs };
        let source = match known.get(path) {
            Some(source) => source.clone(),
            None => {
                let mut taken = known.values().cloned().collect();
                let source = unique(&slug(path, 40), 40, &mut taken);
                known.insert(path.to_owned(), source.clone());
                source
            }
        };
        let one = FileUse { source, target: target.to_owned(), executable: executable(&self.root.join(path)) };
        let kind = if secret { "secret" } else { "config" };
        note(&mut out.why, "single files are configs and secrets, read-only");
        if !mount.read_only {
            self.decide(mount, format!("{service}: ./{path} is a {kind}, which the service can read and not change"));
        }
        if secret { out.secrets.push(one) } else { out.configs.push(one) }
    }

    fn decide(&mut self, mount: &Written, text: String) {
        self.decided.push(Remark { at: Some(mount.at.clone()), text });
    }

    fn remind(&mut self, mount: &Written, text: String) {
        self.todo.push(Remark { at: Some(mount.at.clone()), text });
    }

    /// All volumes and files.
    pub fn finish(self) -> Finished {
        let mut volumes = Vec::new();
        if !self.folders.is_empty() {
            let shown: Vec<String> = self.folders.iter().take(4).map(|folder| format!("./{folder}")).collect();
            let more = if self.folders.len() > shown.len() { ", …" } else { "" };
            volumes.push((DEFAULT.to_owned(), format!("{}{more}", shown.join(", "))));
        }
        for volume in &self.order {
            let of = self.named.iter().find(|(_, (known, _))| known == volume).map(|(name, _)| name.as_str());
            volumes.push((volume.clone(), format!("the named volume {}", of.unwrap_or(volume))));
        }
        let mut todo = self.todo;
        let mut emptied: Vec<_> = self.emptied.into_iter().collect();
        emptied.sort_by(|(_, (a, _)), (_, (b, _))| (&a.file, a.line).cmp(&(&b.file, b.line)));
        for (path, (at, services)) in emptied {
            let mut names = services.iter();
            let (first, more) = (names.next().map_or("", String::as_str), names.len());
            let who = if more == 0 { first.to_owned() } else { format!("{first} and {more} more") };
            let text = format!(
                "{who}: ./{path} holds files here and starts empty on the cluster: copy them once, put them into the \
                 image, or, for a few small files without folders, mount it :ro and run init again: they become configs"
            );
            todo.push(Remark { at: Some(at), text });
        }
        let pairs = |map: BTreeMap<String, String>| map.into_iter().map(|(file, name)| (name, file)).collect();
        Finished { volumes, configs: pairs(self.configs), secrets: pairs(self.secrets), decided: self.decided, todo }
    }
}

/// Reads a mount; none where it is memory or cannot be read.
fn written(item: &Tree) -> Option<Written> {
    let field = |key: &str| item.get(key).and_then(Tree::as_text);
    let target = field("target")?.to_owned();
    let source = field("source").unwrap_or_default();
    let sub = item.get("volume").and_then(|volume| volume.get("subpath")).and_then(Tree::as_text).unwrap_or_default();
    let (kind, source, sub_path) = match field("type") {
        Some("bind") if !source.is_empty() => (Kind::Bind, source, sub.to_owned()),
        Some("volume") if source.is_empty() => (Kind::Anonymous, source, sub.to_owned()),
        Some("volume") => {
            let (name, folder) = source.split_once('/').unwrap_or((source, ""));
            (Kind::Volume, name, format!("{folder}/{sub}"))
        }
        _ => return None,
    };
    Some(Written {
        kind,
        source: source.to_owned(),
        target,
        read_only: field("read_only") == Some("true"),
        sub_path: syntax::sub_path(&sub_path).ok()?,
        at: item.location.clone(),
    })
}

/// A memory file system in the long syntax.
fn memory(item: &Tree) -> Option<String> {
    let target = item.get("target").and_then(Tree::as_text)?;
    let size = item.get("tmpfs").and_then(|tmpfs| tmpfs.get("size")).and_then(Tree::as_text);
    let size = size.map_or(String::new(), |size| format!(", tmpfs: {{size: {}}}", quoted(size)));
    (item.get("type").and_then(Tree::as_text) == Some("tmpfs"))
        .then(|| format!("{{type: tmpfs, target: {}{size}}}", quoted(target)))
}

/// Whether a mount is anything but a path below the compose file's folder.
fn is_outside(mount: &Written) -> bool {
    let source = mount.source.as_str();
    mount.kind != Kind::Bind || source.starts_with(['/', '~']) || source.split('/').any(|part| part == "..")
}

/// Whether a path means something of the machine, not data.
fn is_of_the_machine(source: &str) -> bool {
    let below = |path: &&str| source.strip_prefix(*path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    source == "/" || OF_THE_MACHINE.iter().any(below)
}

/// Whether two paths look like files of one type, as far as names tell.
fn looks_like_file(source: &str, target: &str) -> bool {
    let extension = |path: &str| {
        let name = path.rsplit('/').next()?;
        let (stem, extension) = name.rsplit_once('.')?;
        let folders = ["d", "conf.d", "git", "cache", "local", "config"];
        (!stem.is_empty() && !extension.is_empty() && !folders.contains(&extension)).then(|| extension.to_owned())
    };
    extension(source).is_some() && extension(source) == extension(target)
}

/// The files of a folder without its folders; none where there are more, or folders.
fn listing(folder: &Path, most: usize) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).ok()? {
        let entry = entry.ok()?;
        if !entry.file_type().ok()?.is_file() || names.len() >= most {
            return None;
        }
        names.push(entry.file_name().into_string().ok()?);
    }
    names.sort();
    Some(names)
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn unique(name: &str, most: usize, taken: &mut BTreeSet<String>) -> String {
    let mut candidate = if is_dns_label(name, most) { name.to_owned() } else { "data".to_owned() };
    let mut number = 1;
    while !taken.insert(candidate.clone()) {
        number += 1;
        let end = format!("-{number}");
        let start: String = name.chars().take(most.saturating_sub(end.len())).collect();
        candidate = format!("{}{end}", start.trim_end_matches('-'));
    }
    candidate
}

fn note(why: &mut Vec<String>, text: &str) {
    if !why.iter().any(|known| known == text) {
        why.push(text.to_owned());
    }
}

#[cfg(unix)]
fn executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn executable(_: &Path) -> bool {
    false
}
