//! The world of the sandbox: everything that exists in the pretended cloud, in one SQLite file.
//!
//! Nothing is kept in memory only. Several processes may have the same world open: writes take the database's write lock when they begin
//! and wait for each other; reads see the last committed state and wait for nobody.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

/// The name of the database file inside the data directory.
pub const FILE_NAME: &str = "world.db";

/// The name of the file that is locked while a world is opened.
const LOCK_NAME: &str = "world.lock";

/// How long a transaction waits for one of another process, before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Readers kept open for the next request; more than these are opened when needed and closed afterwards.
const IDLE_READERS: usize = 8;

/// Prepared statements kept per connection.
const STATEMENT_CACHE: usize = 128;

/// What the writer keeps of the file in memory, in KiB. Nobody else changes it while one sandbox has it, so that it stays.
const WRITER_CACHE_KIB: i64 = 16_384;

/// Pages of the journal before it is carried over into the file, which waits for the disk: 32 MiB. Most pages of a big
/// apply are written many times.
const JOURNAL_PAGES: i64 = 8_192;

const SCHEMA: &str = include_str!("world.sql");

/// Why the world could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The database refused; the file may be damaged, on a full disk, or locked by another process for too long.
    #[error("the sandbox world could not be used: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A stored object is no JSON: the file was changed by hand or is damaged. `kompox sandbox reset` starts over.
    #[error("the sandbox world holds an object that is no JSON ({0}); reset the sandbox")]
    Json(#[from] serde_json::Error),
    /// The real cluster behind the sandbox refuses, or does not answer.
    #[error("the cluster behind the sandbox: {0}")]
    Cluster(String),
    /// The data directory cannot be made or used.
    #[error("the sandbox directory {} cannot be used: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
}

/// A handle of an open world; clones share it.
#[derive(Clone)]
pub struct World {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    changes: tokio::sync::watch::Sender<u64>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

impl World {
    /// Opens the world in the directory `data`, which is made when missing. `schema` holds further `CREATE … IF NOT EXISTS` statements.
    ///
    /// # Errors
    /// The directory or the database cannot be used.
    pub fn open(data: &Path, schema: &str) -> Result<Self, WorldError> {
        let unusable = |source| WorldError::Directory { path: data.to_path_buf(), source };
        // The pretended cloud keeps secrets in clear, as a real one does: they are its owner's only.
        let mut folder = std::fs::DirBuilder::new();
        folder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        folder.create(data).map_err(unusable)?;
        // SQLite does not wait when two switch a new file to WAL at once. The lock is let go when the file is closed, whatever happens.
        let opening = File::create(data.join(LOCK_NAME)).map_err(unusable)?;
        opening.lock().map_err(unusable)?;
        let path = data.join(FILE_NAME);
        let mut writer = connect(&path, OpenFlags::default())?;
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(unusable)?;
        // The journal mode stays with the file; switching needs it alone, so it is done once.
        let mode: String = writer.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        if !mode.eq_ignore_ascii_case("wal") {
            writer.pragma_update(None, "journal_mode", "WAL")?;
        }
        writer.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
        writer.pragma_update(None, "wal_autocheckpoint", JOURNAL_PAGES)?;
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(SCHEMA)?;
        tx.execute_batch(schema)?;
        tx.commit()?;
        let inner = Inner {
            path,
            writer: Mutex::new(writer),
            readers: Mutex::new(Vec::new()),
            changes: tokio::sync::watch::Sender::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs `f` in one transaction that may write; it is committed when `f` succeeds and undone when it fails.
    ///
    /// # Errors
    /// What `f` returns, or failures of the database.
    pub fn write<T, E: From<WorldError>>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T, E>) -> Result<T, E> {
        let value = self.write_quietly(f)?;
        self.notify();
        Ok(value)
    }

    /// Wakes those who wait for changes, after a quiet write that they want to know of.
    pub(super) fn notify(&self) {
        self.inner.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Like [`World::write`], but wakes nobody: for the request log.
    ///
    /// # Errors
    /// What `f` returns, or failures of the database.
    pub(super) fn write_quietly<T, E: From<WorldError>>(
        &self,
        f: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut writer = lock(&self.inner.writer);
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(WorldError::from)?;
        let value = f(&tx)?;
        tx.commit().map_err(WorldError::from)?;
        Ok(value)
    }

    /// Runs `f` on one consistent snapshot, beside writers and other readers. Writing in it fails.
    ///
    /// # Errors
    /// What `f` returns, or failures of the database.
    pub fn read<T, E: From<WorldError>>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T, E>) -> Result<T, E> {
        let idle = lock(&self.inner.readers).pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => connect(
                &self.inner.path,
                OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI,
            )?,
        };
        let result = {
            let tx = reader.transaction().map_err(WorldError::from)?;
            f(&tx)
        };
        let mut readers = lock(&self.inner.readers);
        if readers.len() < IDLE_READERS {
            readers.push(reader);
        }
        drop(readers);
        result
    }

    /// Removes everything from every table; numbers start anew.
    ///
    /// # Errors
    /// Failures of the database.
    pub(super) fn empty(&self) -> Result<(), WorldError> {
        self.write(|tx| {
            let tables: Vec<String> = {
                let mut statement = tx.prepare("SELECT name FROM sqlite_master WHERE type = 'table'")?;
                statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
            };
            for table in tables {
                tx.execute(&format!("DELETE FROM \"{}\"", table.replace('"', "\"\"")), [])?;
            }
            Ok(())
        })
    }

    /// A receiver that is notified after each write of this process. Writes of other processes are not seen: a watcher also looks by itself
    /// from time to time.
    #[must_use]
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, WorldError> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // NORMAL: after a power cut the last requests may be missing, the file is never damaged. It is a pretended cloud.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    Ok(connection)
}

/// A panic while the lock was held leaves at worst an open transaction, which its guard rolled back: the connection stays usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
