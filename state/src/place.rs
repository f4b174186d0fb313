//! Where a state is, and how to get there.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::StateError;
use crate::sqlite::SqliteStore;
use crate::store::Store;

/// Where a state is kept, as a person is told: a file by its path; a database by its server and name, a bucket by its name
/// and prefix. It never holds a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file of this machine.
    File(PathBuf),
}

impl Place {
    pub(crate) fn file(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Which backend keeps a state, and what it must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Config {
    /// One SQLite file on this machine.
    Sqlite {
        /// Its path.
        path: PathBuf,
    },
}

impl Config {
    /// Where the state is, whether there is one or not.
    pub fn place(&self) -> Place {
        match self {
            Self::Sqlite { path } => Place::file(path),
        }
    }
}

/// Opens the state; without one it is made, readable for its owner only, with a random lineage and key. Of several that do
/// so at once one makes it and all open that one. A state of an older schema version is brought to the current one.
///
/// # Errors
/// See [`StateError`]: not writable, not a state, damaged, of a newer version, or of an older one while somebody writes to
/// it.
pub fn open(config: &Config) -> Result<Arc<dyn Store>, StateError> {
    match config {
        Config::Sqlite { path } => Ok(Arc::new(SqliteStore::open(path)?)),
    }
}

/// Opens the state; `None` when there is none, and then nothing is made.
///
/// # Errors
/// As [`open`].
pub fn open_existing(config: &Config) -> Result<Option<Arc<dyn Store>>, StateError> {
    match config {
        Config::Sqlite { path } => Ok(SqliteStore::open_existing(path)?.map(|store| Arc::new(store) as Arc<dyn Store>)),
    }
}

/// Removes the state with all that belongs to it; without one there is nothing to do. For rehearsals: nothing asks whether
/// it is locked or still needed.
///
/// # Errors
/// [`StateError::Io`] or [`StateError::ReadOnly`] when a part of it cannot be removed.
pub fn remove(config: &Config) -> Result<(), StateError> {
    match config {
        Config::Sqlite { path } => SqliteStore::remove(path),
    }
}
