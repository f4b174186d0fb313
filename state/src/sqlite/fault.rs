//! From what SQLite says to what a person can do about it.

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

use super::blockers;
use super::paths::folder;
use crate::error::StateError;
use crate::place::Place;

/// A failure inside a transaction.
pub(super) type Fault = crate::fault::Fault<rusqlite::Error>;

impl From<rusqlite::Error> for Fault {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sql(e)
    }
}

impl Fault {
    /// A change that does not fit.
    pub(super) fn refused(what: String) -> Self {
        Self::State(StateError::Refused { what })
    }

    /// The error about the database at `path`.
    pub(super) fn at(self, path: &Path) -> StateError {
        match self {
            Self::State(e) => e,
            Self::Damaged(what) => StateError::Corrupt { place: Place::file(path), what },
            Self::Sql(e) => sqlite(path, e),
        }
    }

    /// Whether another connection was in the way, so that trying again helps.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Sql(e) if matches!(e.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)))
    }
}

fn sqlite(path: &Path, source: rusqlite::Error) -> StateError {
    let place = Place::file(path);
    let hint = match &source {
        // A column of another type than the schema's is damage as well: STRICT tables let nobody write one.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..) => return StateError::Corrupt { place, what: source.to_string() },
        _ => match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => {
                return StateError::NotAState { place, reason: "it is not an SQLite database".to_owned() };
            }
            Some(ErrorCode::DatabaseCorrupt) => return StateError::Corrupt { place, what: source.to_string() },
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                return read_only(path, source.to_string());
            }
            Some(ErrorCode::DiskFull) => "the disk is full: free some space and run the command again",
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                if let Some(by) = blockers::of(path) {
                    return StateError::Busy { place, by };
                }
                "another process has been writing to it for too long: run the command again"
            }
            Some(ErrorCode::SystemIoFailure) => "reading or writing failed: check the disk and the free space on it",
            Some(ErrorCode::FileLockingProtocolFailed | ErrorCode::NoLargeFileSupport) => {
                "the file system does not support what SQLite needs: keep the state on a local disk"
            }
            _ => {
                "this is not expected: check the file with `sqlite3 FILE 'PRAGMA integrity_check'`, and please report it"
            }
        },
    };
    StateError::Backend { place, hint, source: source.into() }
}

fn read_only(path: &Path, reason: String) -> StateError {
    let help = format!("make the folder {} and its files writable", folder(path).display());
    StateError::ReadOnly { place: Place::file(path), reason, help }
}

/// The error of an operating system call about `at`, a part of the state at `path`.
pub(super) fn io_error(path: &Path, at: &Path, doing: &'static str, source: io::Error) -> StateError {
    let hint = match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            return read_only(path, source.to_string());
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space and run the command again",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file is where a folder is needed: move it away"
        }
        io::ErrorKind::Unsupported => "the file system does not support it: keep the state on a local disk",
        _ => "check the folder and the disk",
    };
    StateError::Io { place: Place::file(at), doing, hint, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: i32) -> StateError {
        Fault::Sql(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None))
            .at(Path::new("/p/state/kompox.db"))
    }

    #[test]
    fn each_text_says_where_and_what_to_do() {
        for (code, what_to_do) in [
            (rusqlite::ffi::SQLITE_FULL, "free some space"),
            (rusqlite::ffi::SQLITE_BUSY, "run the command again"),
            (rusqlite::ffi::SQLITE_IOERR, "check the disk"),
            (rusqlite::ffi::SQLITE_PROTOCOL, "local disk"),
            (rusqlite::ffi::SQLITE_READONLY_DIRECTORY, "make the folder /p/state and its files writable"),
            (rusqlite::ffi::SQLITE_CANTOPEN, "make the folder /p/state and its files writable"),
            (rusqlite::ffi::SQLITE_CORRUPT, "move it away and rebuild it"),
            (rusqlite::ffi::SQLITE_NOTADB, "move it away"),
        ] {
            let text = said(code).to_string();
            assert!(text.contains("/p/state/kompox.db") && text.contains(what_to_do), "{code}: {text}");
        }
    }

    #[test]
    fn an_unwritable_folder_is_named() {
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
            let text =
                io_error(Path::new("/p/state/kompox.db"), Path::new("/p/state"), "create", kind.into()).to_string();
            assert!(text.contains("make the folder /p/state"), "{text}");
        }
    }
}
