//! The manifests of an earlier revision, beside the project as it is: state, sandbox and env files stay those of today.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::manifests;
use crate::cli::error::CliError;
use crate::cli::global::Global;
use crate::engine::code::NoteCode;
use crate::engine::plan::Danger;

/// Files that are looked at for today's env files, at most.
const MOST_FILES: usize = 20_000;
/// Folders in folders that env files are looked for in.
const DEPTH: usize = 8;

/// A revision in a folder that goes with the value.
pub struct Revision {
    folder: tempfile::TempDir,
    prefix: PathBuf,
    /// Commit, short.
    commit: String,
    /// What was asked for.
    asked: String,
}

impl Revision {
    /// Writes the files that git has at a revision into a folder of their own, with the env files of today over them. The
    /// index and the files of the user stay as they are.
    ///
    /// # Errors
    /// The project is in no git repository, or there is no such revision.
    pub fn of(asked: &str, global: &Global) -> Result<Self, CliError> {
        let root = manifests::layout(global)?.root;
        let failed = |error: std::io::Error| CliError::new("revision", format!("--at {asked}: {error}"));
        let folder = tempfile::tempdir().map_err(failed)?;
        let index = folder.path().join("index");
        let git = |words: &[&str]| {
            git(&root, &index, words).map_err(|why| CliError::new("revision", format!("--at {asked}: {why}")))
        };
        let commit = git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{asked}^{{commit}}")])
            .map_err(|_| {
                CliError::new("revision", format!("--at {asked}: git knows no such revision of {}", root.display()))
                    .help("a checkout of CI may have the newest commit only: fetch the others first")
            })?;
        let prefix = PathBuf::from(git(&["rev-parse", "--show-prefix"])?);
        let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
        git(&["read-tree", &commit])?;
        let tree = folder.path().join("tree");
        let into = format!("--prefix={}/", tree.display());
        self::git(&top, &index, &["checkout-index", "--all", "--quiet", &into])
            .map_err(|why| CliError::new("revision", format!("--at {asked}: {why}")))?;
        overlay(&root, &tree.join(&prefix), &mut 0, 0).map_err(failed)?;
        let commit = commit.chars().take(10).collect();
        Ok(Self { folder, prefix, commit, asked: asked.to_owned() })
    }

    /// The project's root in it.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("tree").join(&self.prefix)
    }

    /// What a reader of the plan must know.
    pub fn note(&self) -> Danger {
        let text = format!(
            "planned from the manifests of {} ({}); env files are today's, and data is not rolled back",
            self.asked, self.commit
        );
        let help = vec!["to make it so, bring these files back in a commit, and plan that".into()];
        Danger { code: NoteCode::Revision.into(), address: None, text, help }
    }
}

/// What git prints, with an index of its own.
fn git(folder: &Path, index: &Path, words: &[&str]) -> Result<String, String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(words).env("GIT_INDEX_FILE", index).stdin(std::process::Stdio::null());
    let output = command.output().map_err(|error| format!("git cannot be started: {error}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(why.lines().next().unwrap_or("git failed").to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
}

/// Copies env files, which git often does not have, from today's folders. What the revision has as a link is not followed: it
/// may lead to anywhere.
fn overlay(from: &Path, to: &Path, seen: &mut usize, depth: usize) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        *seen += 1;
        if *seen > MOST_FILES {
            return Ok(());
        }
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let text = name.to_string_lossy();
        if kind.is_dir() && depth < DEPTH && text != ".git" && text != ".kompox" && !is_link(&to.join(&name)) {
            // A folder that nobody may read holds no env file of a project that works.
            let _ = overlay(&entry.path(), &to.join(&name), seen, depth + 1);
        } else if kind.is_file() && (text.ends_with(".env") || text.starts_with(".env")) {
            std::fs::create_dir_all(to)?;
            let target = to.join(&name);
            if is_link(&target) {
                std::fs::remove_file(&target)?;
            }
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink())
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_of_the_revision_leads_no_env_file_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let (today, then, elsewhere) =
            (folder.path().join("today"), folder.path().join("then"), folder.path().join("elsewhere"));
        for path in [&today.join("conf"), &today.join("plain"), &then, &elsewhere] {
            fs::create_dir_all(path).unwrap();
        }
        fs::write(elsewhere.join("profile"), "untouched").unwrap();
        for name in [".env", "conf/a.env", "plain/b.env"] {
            fs::write(today.join(name), "today").unwrap();
        }
        symlink(elsewhere.join("profile"), then.join(".env")).unwrap();
        symlink(&elsewhere, then.join("conf")).unwrap();
        overlay(&today, &then, &mut 0, 0).unwrap();
        assert_eq!(fs::read_to_string(elsewhere.join("profile")).unwrap(), "untouched");
        assert!(!elsewhere.join("a.env").exists());
        let read = |name: &str| fs::read_to_string(then.join(name)).unwrap();
        assert_eq!((read(".env"), read("plain/b.env")), ("today".to_owned(), "today".to_owned()));
    }
}
