//! From a path to a database that is ours, current and ready.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::fault::{Fault, io_error};
use super::schema::{self, Found, Migration};
use super::shared::{self, BUSY, FileLock, Shared, connect, transact};
use crate::error::StateError;
use crate::identity::Identity;

/// Opens the database at `path`, makes it if there is none.
pub(super) fn open_or_create(path: &Path, migrations: &[Migration], identity: &Identity) -> Result<Shared, StateError> {
    let new_folders = create_folder(path)?;
    let mut connection = connect(path, true).map_err(|e| e.at(path))?;
    let path = resolve(path)?;
    let found = schema::inspect(&connection).map_err(|e| e.at(&path))?;
    if found == Found::Empty {
        // Before anything is in it, the key least of all; SQLite gives its other files the same mode.
        restrict(&path)?;
        write_ahead(&connection).map_err(|e| e.at(&path))?;
        transact(&mut connection, TransactionBehavior::Immediate, |tx| match schema::inspect(tx)? {
            Found::Empty => schema::create(tx, migrations, identity),
            // Another process was faster; what it made is checked below like any other.
            Found::State(_) | Found::Foreign => Ok(()),
        })
        .map_err(|e| e.at(&path))?;
        sync_entries(&path, &new_folders);
    }
    finish(path, connection, migrations)
}

/// Opens the database at `path` if there is one.
pub(super) fn open_existing(path: &Path, migrations: &[Migration]) -> Result<Option<Shared>, StateError> {
    if !path.try_exists().map_err(|e| io_error(path, path, "look at", e))? {
        return Ok(None);
    }
    let path = resolve(path)?;
    let connection = connect(&path, false).map_err(|e| e.at(&path))?;
    if schema::inspect(&connection).map_err(|e| e.at(&path))? == Found::Empty {
        return Ok(None);
    }
    finish(path, connection, migrations).map(Some)
}

/// Checks whose database it is, brings it to the newest version, and takes it into use.
fn finish(path: PathBuf, mut connection: Connection, migrations: &[Migration]) -> Result<Shared, StateError> {
    let supported = schema::newest(migrations);
    let found = match schema::inspect(&connection).map_err(|e| e.at(&path))? {
        Found::State(version) => version,
        Found::Empty | Found::Foreign => {
            return Err(StateError::NotAState { path, reason: "it is a database of something else".to_owned() });
        }
    };
    if found > supported {
        return Err(StateError::Newer { path, found, supported });
    }
    write_ahead(&connection).map_err(|e| e.at(&path))?;
    if found == supported {
        return Shared::new(path, connection);
    }
    // A writer that works with the old tables must not find new ones in the middle of its run.
    let Some(_lock) = FileLock::try_take(&path)? else {
        let holder = Shared::new(path.clone(), connection)?.holder()?.map(Box::new);
        return Err(StateError::Locked { path, holder });
    };
    transact(&mut connection, TransactionBehavior::Immediate, |tx| match schema::inspect(tx)? {
        Found::State(version) if version > supported => {
            Err(StateError::Newer { path: path.clone(), found: version, supported }.into())
        }
        Found::State(version) => schema::migrate(tx, migrations, version),
        Found::Empty | Found::Foreign => Err(StateError::Replaced { path: path.clone() }.into()),
    })
    .map_err(|e| e.at(&path))?;
    Shared::new(path, connection)
}

/// Switches to the write-ahead log, which stays set in the file.
fn write_ahead(connection: &Connection) -> Result<(), Fault> {
    const PAUSE: Duration = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    loop {
        // SQLite's own waiting does not cover this switch when two processes make it at once.
        match journal_mode(connection) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(Fault::Sql(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_PROTOCOL),
                    Some(format!("no write-ahead log is possible here, only journal mode `{mode}`")),
                )));
            }
            Err(e) if e.is_busy() && waited < BUSY => {
                thread::sleep(PAUSE);
                waited += PAUSE;
            }
            Err(e) => return Err(e),
        }
    }
}

fn journal_mode(connection: &Connection) -> Result<String, Fault> {
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode == "wal" {
        return Ok(mode);
    }
    Ok(connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?)
}

/// One spelling per file, links followed, so that all processes meet at one lock file.
fn resolve(path: &Path) -> Result<PathBuf, StateError> {
    fs::canonicalize(path).map_err(|e| io_error(path, path, "look at", e))
}

/// Makes the folder of `path`, for its owner only, and says which folders were not there before.
fn create_folder(path: &Path) -> Result<Vec<PathBuf>, StateError> {
    let folder = shared::folder(path);
    let new: Vec<PathBuf> = folder
        .ancestors()
        .take_while(|ancestor| !ancestor.as_os_str().is_empty() && !ancestor.exists())
        .map(Path::to_owned)
        .collect();
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&folder).map_err(|e| io_error(path, &folder, "create", e))?;
    Ok(new)
}

fn restrict(path: &Path) -> Result<(), StateError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))
            .map_err(|e| io_error(path, path, "set the mode of", e))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Makes the names of a new database and its new folders durable. SQLite does it for its journals only. Not every file
/// system can, and on one that cannot there is nothing else to do.
fn sync_entries(path: &Path, new_folders: &[PathBuf]) {
    #[cfg(unix)]
    for folder in std::iter::once(path).chain(new_folders.iter().map(PathBuf::as_path)).map(shared::folder) {
        let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
    }
    #[cfg(not(unix))]
    let _ = (path, new_folders);
}
