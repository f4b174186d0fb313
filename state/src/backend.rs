//! Which backend keeps a state, and what can be done with one that nobody has open: the only place that knows them all.

use std::path::PathBuf;
use std::sync::Arc;

use crate::change::Change;
use crate::copy::Copy;
use crate::error::StateError;
use crate::identity::Identity;
use crate::lock::LockRequest;
use crate::object::ObjectStore;
use crate::place::{Objects, Place, Variables};
use crate::postgres::PostgresStore;
use crate::seen::{Astray, Seen};
use crate::sqlite::SqliteStore;
use crate::store::Store;

/// Which backend keeps a state, and what it must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Config {
    /// One SQLite file on this machine.
    Sqlite {
        /// Its path.
        path: PathBuf,
    },
    /// A log of objects.
    Object {
        /// Where they are.
        objects: Objects,
        /// How to sign in, and to which server if it is none of the cloud's own.
        variables: Variables,
        /// A file of this machine, beside the project, that shows which process holds the lock.
        presence: PathBuf,
    },
    /// Tables of a PostgreSQL database.
    Postgres {
        /// The schema that they are in: lower-case letters, digits and `_`.
        schema: String,
        /// Which server, and how to sign in there.
        variables: Variables,
        /// A file of this machine, beside the project, that shows which process holds the lock.
        presence: PathBuf,
    },
}

impl Config {
    /// Whether the state can be read without a network.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Sqlite { .. } | Self::Object { objects: Objects::Folder(_), .. })
    }

    /// Where the state is, whether there is one or not.
    pub fn place(&self) -> Place {
        match self {
            Self::Sqlite { path } => Place::file(path),
            Self::Object { objects, .. } => Place::Objects(Arc::new(objects.clone())),
            Self::Postgres { schema, variables, .. } => Place::database(schema, variables),
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
        Config::Object { objects, variables, presence } => {
            Ok(Arc::new(ObjectStore::open(objects, variables, presence)?))
        }
        Config::Postgres { schema, variables, presence } => {
            Ok(Arc::new(PostgresStore::open(schema, variables, presence)?))
        }
    }
}

/// Opens the state; `None` when there is none, and then nothing is made.
///
/// # Errors
/// As [`open`].
pub fn open_existing(config: &Config) -> Result<Option<Arc<dyn Store>>, StateError> {
    match config {
        Config::Sqlite { path } => Ok(SqliteStore::open_existing(path)?.map(|store| Arc::new(store) as Arc<dyn Store>)),
        Config::Object { objects, variables, presence } => {
            let found = ObjectStore::open_existing(objects, variables, presence)?;
            Ok(found.map(|store| Arc::new(store) as Arc<dyn Store>))
        }
        Config::Postgres { schema, variables, presence } => {
            let found = PostgresStore::open_existing(schema, variables, presence)?;
            Ok(found.map(|store| Arc::new(store) as Arc<dyn Store>))
        }
    }
}

/// Makes a state of this lineage, with a new key.
///
/// # Errors
/// [`StateError::Exists`] where there is one; as [`open`].
pub fn create(config: &Config, lineage: &str) -> Result<Arc<dyn Store>, StateError> {
    make(config, Identity::of(lineage)?)
}

fn make(config: &Config, identity: Identity) -> Result<Arc<dyn Store>, StateError> {
    match config {
        Config::Sqlite { path } => Ok(Arc::new(SqliteStore::create(path, &identity)?)),
        Config::Object { objects, variables, presence } => {
            Ok(Arc::new(ObjectStore::create(objects, variables, presence, identity)?))
        }
        Config::Postgres { schema, variables, presence } => {
            Ok(Arc::new(PostgresStore::create(schema, variables, presence, identity)?))
        }
    }
}

/// Makes a state of a copy where there is none, or one in which nobody has written anything yet.
///
/// # Errors
/// [`StateError::Exists`] where there is another; as [`open`] and [`Store::commit`].
pub fn restore(config: &Config, copy: &Copy, request: &LockRequest) -> Result<Arc<dyn Store>, StateError> {
    let store = match open_existing(config)? {
        None => make(config, copy.identity())?,
        // An attempt that was stopped in between.
        Some(store) if store.lineage() == copy.lineage() && is_blank(store.as_ref())? => store,
        Some(store) => {
            let lock = store.try_lock(request)?;
            if !is_blank(store.as_ref())? {
                return Err(StateError::Exists { place: config.place() });
            }
            // Whoever has it open finds that it is another one now.
            lock.release()?;
            drop(store);
            remove(config)?;
            make(config, copy.identity())?
        }
    };
    let lock = store.try_lock(request)?;
    store.commit(&lock, &[Change::Replace(Box::new(copy.contents().clone()))])?;
    lock.release()?;
    Ok(store)
}

/// Whether nobody has written anything yet.
///
/// # Errors
/// It cannot be read.
pub fn is_blank(store: &dyn Store) -> Result<bool, StateError> {
    Ok(store.serial()? == 0)
}

/// Removes the state with all that belongs to it; without one there is nothing to do. For rehearsals: nothing asks whether
/// it is locked or still needed.
///
/// # Errors
/// [`StateError::Io`] or [`StateError::ReadOnly`] when a part of it cannot be removed.
pub fn remove(config: &Config) -> Result<(), StateError> {
    match config {
        Config::Sqlite { path } => SqliteStore::remove(path),
        Config::Object { objects, variables, .. } => ObjectStore::remove(objects, variables),
        Config::Postgres { schema, variables, .. } => PostgresStore::remove(schema, variables),
    }
}

/// How a copy would be astray in the place of the state, as [`Store::astray`] says it of the state.
pub fn astray(config: &Config, copy: &Copy) -> Option<Astray> {
    let path = match config {
        Config::Sqlite { path } => SqliteStore::seen(path),
        Config::Object { presence, .. } | Config::Postgres { presence, .. } => Seen::beside_lock(presence),
    };
    Seen::at(path, copy.lineage(), &copy.digester()).astray_with(copy.contents())
}
