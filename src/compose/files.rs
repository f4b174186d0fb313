//! Access to the files that a compose file names: only below its own folder, only regular files, only up to a limit.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// Why a local file was not read. Never says what a file holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The path is absolute or starts at the home directory.
    #[error("the path is absolute; only paths below the app's own folder are read")]
    Absolute,
    /// The path climbs with `..`.
    #[error("the path leaves the app's own folder with \"..\"")]
    Parent,
    /// A symbolic link leads out of the folder.
    #[error("a symbolic link leads out of the app's own folder")]
    Escape,
    /// There is nothing.
    #[error("there is no such file")]
    NotFound,
    /// It is a directory, device, pipe or socket.
    #[error("it is not a regular file")]
    NotRegular,
    /// It is too long.
    #[error("it is longer than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// This app may not refer to local files at all.
    #[error("{reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// The system said no.
    #[error("it cannot be read: {0}")]
    Io(std::io::ErrorKind),
}

/// Files below one folder.
pub trait Files {
    /// The bytes of a regular file.
    ///
    /// # Errors
    /// As [`FileError`] says.
    fn read(&self, relative: &str) -> Result<Vec<u8>, FileError>;

    /// Whether the path leads to a regular file inside the folder.
    fn is_file(&self, relative: &str) -> bool;

    /// Whether the path leads to a directory inside the folder.
    fn is_dir(&self, relative: &str) -> bool;

    /// A path with its first symbolic link followed; none where there is no link or links are not looked at.
    fn followed(&self, path: &str) -> Option<String> {
        let _ = path;
        None
    }

    /// Whether local references are allowed at all.
    ///
    /// # Errors
    /// [`FileError::Refused`] with the reason.
    fn allowed(&self) -> Result<(), FileError> {
        Ok(())
    }
}

/// Files below a folder of this machine.
#[derive(Debug, Clone)]
pub struct LocalFiles {
    dir: PathBuf,
    limit: u64,
}

impl LocalFiles {
    /// Bytes of one file that are read at most: more than any object of Kubernetes can hold.
    pub const LIMIT: u64 = 4 * 1024 * 1024;

    /// Files below `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), limit: Self::LIMIT }
    }

    fn resolve(&self, relative: &str) -> Result<PathBuf, FileError> {
        let path = Path::new(relative);
        if relative.starts_with('~') {
            return Err(FileError::Absolute);
        }
        for component in path.components() {
            match component {
                Component::Normal(_) | Component::CurDir => {}
                Component::ParentDir => return Err(FileError::Parent),
                Component::RootDir | Component::Prefix(_) => return Err(FileError::Absolute),
            }
        }
        let root = self.dir.canonicalize().map_err(|e| error_of(&e))?;
        let full = root.join(path).canonicalize().map_err(|e| error_of(&e))?;
        if full.starts_with(&root) { Ok(full) } else { Err(FileError::Escape) }
    }
}

fn error_of(error: &std::io::Error) -> FileError {
    match error.kind() {
        std::io::ErrorKind::NotFound => FileError::NotFound,
        kind => FileError::Io(kind),
    }
}

/// The bytes of a regular file up to a limit.
fn read_regular(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    // Judged before opening: opening a pipe or a device may block or have effects.
    if !path.metadata().map_err(|e| error_of(&e))?.is_file() {
        return Err(FileError::NotRegular);
    }
    let file = std::fs::File::open(path).map_err(|e| error_of(&e))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|e| error_of(&e))?;
    if bytes.len() as u64 > limit { Err(FileError::TooLarge { limit }) } else { Ok(bytes) }
}

impl Files for LocalFiles {
    fn read(&self, relative: &str) -> Result<Vec<u8>, FileError> {
        read_regular(&self.resolve(relative)?, self.limit)
    }

    fn is_file(&self, relative: &str) -> bool {
        self.resolve(relative).is_ok_and(|path| path.is_file())
    }

    fn is_dir(&self, relative: &str) -> bool {
        self.resolve(relative).is_ok_and(|path| path.is_dir())
    }
}

/// Files of this machine that a user names with their own compose file, as `docker compose` would read them: anywhere,
/// but still only regular files up to a limit.
#[derive(Debug, Clone)]
pub struct UserFiles {
    dir: PathBuf,
}

impl UserFiles {
    /// Relative paths count from `dir`, which is absolute.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }
}

impl Files for UserFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        read_regular(&self.dir.join(path), LocalFiles::LIMIT)
    }

    fn is_file(&self, path: &str) -> bool {
        self.dir.join(path).is_file()
    }

    fn is_dir(&self, path: &str) -> bool {
        self.dir.join(path).is_dir()
    }

    fn followed(&self, path: &str) -> Option<String> {
        let full = self.dir.join(path);
        let mut walked = PathBuf::new();
        for component in full.components() {
            walked.push(component);
            if walked.is_symlink() {
                let target = walked.canonicalize().ok()?;
                let rest = full.strip_prefix(&walked).ok()?;
                return target.join(rest).into_os_string().into_string().ok();
            }
        }
        None
    }
}

/// No files: for an app that may not refer to any.
#[derive(Debug, Clone)]
pub struct NoFiles {
    reason: String,
}

impl NoFiles {
    /// Refuses every file with this reason, a clause such as `apps from komPath may not refer to local files`.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl Files for NoFiles {
    fn read(&self, _relative: &str) -> Result<Vec<u8>, FileError> {
        Err(FileError::Refused { reason: self.reason.clone() })
    }

    fn is_file(&self, _relative: &str) -> bool {
        false
    }

    fn is_dir(&self, _relative: &str) -> bool {
        false
    }

    fn allowed(&self) -> Result<(), FileError> {
        Err(FileError::Refused { reason: self.reason.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_below_the_folder() {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("app");
        std::fs::create_dir_all(dir.join("sub")).unwrap();
        std::fs::write(outer.path().join("secret"), "x").unwrap();
        std::fs::write(dir.join("a.env"), "A=1").unwrap();
        let files = LocalFiles::new(&dir);
        assert_eq!(files.read("./a.env").unwrap(), b"A=1");
        assert_eq!(files.read("../secret"), Err(FileError::Parent));
        assert_eq!(files.read("/etc/passwd"), Err(FileError::Absolute));
        assert_eq!(files.read("~/x"), Err(FileError::Absolute));
        assert_eq!(files.read("nope"), Err(FileError::NotFound));
        assert_eq!(files.read("sub"), Err(FileError::NotRegular));
        assert!(files.is_dir("sub") && files.is_file("a.env") && !files.is_file("sub"));
        let small = LocalFiles { limit: 2, ..files };
        assert_eq!(small.read("a.env"), Err(FileError::TooLarge { limit: 2 }));
    }

    #[cfg(unix)]
    #[test]
    fn refuses_links_that_lead_out_and_devices() {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("app");
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(outer.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(outer.path().join("secret"), dir.join("link")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", dir.join("zero")).unwrap();
        let files = LocalFiles::new(&dir);
        assert_eq!(files.read("link"), Err(FileError::Escape));
        assert_eq!(files.read("zero"), Err(FileError::Escape));
        assert!(matches!(LocalFiles::new("/dev").read("null"), Err(FileError::NotRegular)));
        assert!(!files.is_file("link"));
    }

    #[test]
    fn refuses_everything_with_the_reason() {
        let error = NoFiles::new("not here").read("a").unwrap_err();
        assert_eq!(error.to_string(), "not here");
    }
}
