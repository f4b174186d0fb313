//! The open database: its connections, and the file lock beside it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::fault::{Fault, io_error};
use super::paths::lock_path;
use super::rows;
use crate::error::StateError;
use crate::holder::Holder;
use crate::place::Place;

/// How long a statement waits for another process to end its transaction. Transactions here take milliseconds.
pub(super) const BUSY: Duration = Duration::from_secs(10);

/// How long one that asks for the lock waits so: it asks again, as long as the user allows.
const SOON: Duration = Duration::from_secs(1);

/// Statements in use, with some room.
const CACHED_STATEMENTS: usize = 64;

/// What a store and its locks have in common.
///
/// Nothing here opens the database file but SQLite itself: closing any other handle on it would, by the rules of POSIX,
/// drop the locks of all connections this process has.
pub(super) struct Shared {
    path: PathBuf,
    file: FileId,
    writer: Mutex<Connection>,
    /// A second connection, so that this process's readers do not wait for its own commits.
    reader: Mutex<Connection>,
}

impl Shared {
    /// Takes over a connection that is set up, for the database at `path`, which is resolved.
    pub(super) fn new(path: &Path, writer: Connection) -> Result<Self, StateError> {
        let reader = connect(path, false).map_err(|e| e.at(path))?;
        Self::over(path, writer, reader)
    }

    /// As [`Shared::new`], with both connections.
    pub(super) fn over(path: &Path, writer: Connection, reader: Connection) -> Result<Self, StateError> {
        let file = FileId::of(path).map_err(|e| io_error(path, path, "look at", e))?;
        Ok(Self { path: path.to_owned(), file, writer: Mutex::new(writer), reader: Mutex::new(reader) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn place(&self) -> Place {
        Place::file(&self.path)
    }

    /// Runs `f` on one consistent view of the database.
    pub(super) fn read<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T, StateError> {
        transact(&mut unpoisoned(&self.reader), TransactionBehavior::Deferred, f).map_err(|e| e.at(&self.path))
    }

    /// Runs `f` in a transaction that writes; whatever it returns as an error undoes all of it.
    pub(super) fn write<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T, StateError> {
        transact(&mut unpoisoned(&self.writer), TransactionBehavior::Immediate, f).map_err(|e| e.at(&self.path))
    }

    /// As [`Shared::write`], but waits only so long for another process that writes.
    pub(super) fn write_soon<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T, StateError> {
        let mut writer = unpoisoned(&self.writer);
        writer.busy_timeout(SOON).map_err(|e| Fault::Sql(e).at(&self.path))?;
        let result = transact(&mut writer, TransactionBehavior::Immediate, f).map_err(|e| e.at(&self.path));
        writer.busy_timeout(BUSY).map_err(|e| Fault::Sql(e).at(&self.path))?;
        result
    }

    /// Refuses to go on when the path leads to another file than the one that is open: what is written there would be
    /// lost.
    pub(super) fn still_there(&self) -> Result<(), StateError> {
        match FileId::of(&self.path) {
            Ok(file) if file == self.file => Ok(()),
            Ok(_) => Err(StateError::Replaced { place: self.place() }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(StateError::Replaced { place: self.place() }),
            Err(e) => Err(io_error(&self.path, &self.path, "look at", e)),
        }
    }

    /// Who is written down as the holder.
    pub(super) fn holder(&self) -> Result<Option<Holder>, StateError> {
        Ok(self.read(rows::holder)?.map(|(holder, _)| holder))
    }
}

/// The operating system's lock, held until this value goes.
pub(super) struct FileLock(File);

impl FileLock {
    /// Takes the lock of the database at `path`; `None` when another process, or another part of this one, has it.
    pub(super) fn try_take(path: &Path) -> Result<Option<Self>, StateError> {
        let at = lock_path(path);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&at).map_err(|e| io_error(path, &at, "open", e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(io_error(path, &at, "lock", e)),
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Closing alone is not enough while a child that another thread is starting still has a copy of the handle. A
        // failure leaves closing.
        let _ = self.0.unlock();
    }
}

/// A connection with all settings that belong to a connection.
pub(super) fn connect(path: &Path, create: bool) -> Result<Connection, Fault> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On macOS a plain sync ends in the drive's cache; elsewhere these two have no effect.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    Ok(connection)
}

/// A connection on a file in a place where nothing can be written.
pub(super) fn connect_unchanging(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    let connection = Connection::open_with_flags(uri, flags)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    Ok(connection)
}

/// Runs `f` in a transaction that is committed when it succeeds and undone when it does not.
pub(super) fn transact<T>(
    connection: &mut Connection,
    behavior: TransactionBehavior,
    f: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let tx = connection.transaction_with_behavior(behavior)?;
    let result = f(&tx)?;
    tx.commit()?;
    Ok(result)
}

/// A thread that panicked has undone its transaction while it unwound, so the connection is as good as before.
fn unpoisoned(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which file a path leads to. Where the system has no such notion every file counts as the same.
#[derive(PartialEq, Eq)]
struct FileId {
    #[cfg(unix)]
    device_and_inode: (u64, u64),
}

impl FileId {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        #[cfg(not(unix))]
        let _ = metadata;
        Ok(Self {
            #[cfg(unix)]
            device_and_inode: {
                use std::os::unix::fs::MetadataExt;
                (metadata.dev(), metadata.ino())
            },
        })
    }
}
