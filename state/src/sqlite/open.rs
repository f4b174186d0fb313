//! From a path to a database that is ours, current and ready.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{fs, io, thread};

use rusqlite::{Connection, TransactionBehavior};

use super::fault::{Fault, io_error};
use super::paths::{self, beside};
use super::schema::{self, Found, Migration};
use super::shared::{self, BUSY, FileLock, Shared, connect, transact};
use crate::error::StateError;
use crate::folders;
use crate::identity::Identity;
use crate::place::Place;

/// Opens the database at `path`, makes it if there is none.
pub(super) fn open_or_create(path: &Path, migrations: &[Migration], identity: &Identity) -> Result<Shared, StateError> {
    let folder = paths::folder(path);
    folders::create(&folder).map_err(|e| io_error(path, &folder, "create", e))?;
    if !is_there(path)? {
        make(path, migrations, identity)?;
        // SQLite does it for its journals only.
        folders::sync_name(path).map_err(|e| io_error(path, &folder, "keep the new file in", e))?;
    }
    open_made(path, migrations)
}

/// Opens the database at `path` if there is one.
pub(super) fn open_existing(path: &Path, migrations: &[Migration]) -> Result<Option<Shared>, StateError> {
    if is_there(path)? { open_made(path, migrations).map(Some) } else { Ok(None) }
}

/// Whether there is a database at `path`. A write-ahead log without one is an error: SQLite would throw it away.
fn is_there(path: &Path) -> Result<bool, StateError> {
    if path.try_exists().map_err(|e| io_error(path, path, "look at", e))? {
        return Ok(true);
    }
    let log = beside(path, "-wal");
    match fs::metadata(&log) {
        Ok(metadata) if metadata.len() > 0 => Err(StateError::Lost {
            place: Place::file(path),
            what: format!("is missing, but its write-ahead log {} is there", log.display()),
            help: "put the state back beside it, or restore both from a backup; if that state is given up, move the log away"
                .to_owned(),
        }),
        _ => Ok(false),
    }
}

/// Makes a new database under another name and gives it its own when everything is in it: whoever finds the name finds a
/// whole state, at whatever instant this is killed. Of several that do so at once the first one counts.
fn make(path: &Path, migrations: &[Migration], identity: &Identity) -> Result<(), StateError> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let path = &end_of_link(path);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let draft = beside(path, &format!(".new-{}-{}-{count}", std::process::id(), identity.lineage()));
    let made = draw_up(path, &draft, migrations, identity).and_then(|()| publish(path, &draft));
    for suffix in ["", "-wal", "-shm", "-journal"] {
        // What is not there need not go, and a draft that stays is in nobody's way.
        let _ = fs::remove_file(beside(&draft, suffix));
    }
    made
}

fn draw_up(path: &Path, draft: &Path, migrations: &[Migration], identity: &Identity) -> Result<(), StateError> {
    // Before anything is in it, the key least of all; SQLite gives its other files the same mode.
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(draft).map_err(|e| io_error(path, draft, "create", e))?;
    let mut connection = connect(draft, false).map_err(|e| e.at(path))?;
    transact(&mut connection, TransactionBehavior::Immediate, |tx| schema::create(tx, migrations, identity))
        .map_err(|e| e.at(path))?;
    write_ahead(&connection).map_err(|e| e.at(path))?;
    // The last connection takes its log with it.
    connection.close().map_err(|(_, e)| Fault::Sql(e).at(path))
}

/// Gives the draft the name `path`, unless something has it.
fn publish(path: &Path, draft: &Path) -> Result<(), StateError> {
    match fs::hard_link(draft, path) {
        Ok(()) => return Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        // Not every file system has links.
        Err(_) => {}
    }
    let lock = FileLock::try_take(path)?;
    if lock.is_none() || path.try_exists().map_err(|e| io_error(path, path, "look at", e))? {
        return Ok(());
    }
    fs::rename(draft, path).map_err(|e| io_error(path, path, "create", e))
}

/// Where a link leads whose end is not there yet.
fn end_of_link(path: &Path) -> PathBuf {
    fs::read_link(path).map_or_else(|_| path.to_owned(), |end| paths::folder(path).join(end))
}

/// Opens a database that is there; where nothing can be written, for reading only.
fn open_made(path: &Path, migrations: &[Migration]) -> Result<Shared, StateError> {
    let path = resolve(path)?;
    if fs::metadata(&path).map_err(|e| io_error(&path, &path, "look at", e))?.len() == 0 {
        // Not for SQLite: it would take the file for a new database, and delete a log beside it.
        return Err(blank(&path));
    }
    match connect(&path, false).map_err(|e| e.at(&path)).and_then(|connection| finish(&path, connection, migrations)) {
        Err(refused @ StateError::ReadOnly { .. }) => open_unwritable(&path, migrations, refused),
        opened => opened,
    }
}

/// Without a folder to make them in, SQLite opens a database with a write-ahead log only if its log is there already, or
/// if it is told that nobody changes it (<https://www.sqlite.org/wal.html#read_only_databases>). Where there is no log,
/// nobody has it open.
pub(super) fn open_unwritable(
    path: &Path,
    migrations: &[Migration],
    refused: StateError,
) -> Result<Shared, StateError> {
    if beside(path, "-wal").exists() {
        return Err(refused);
    }
    let connection = shared::connect_unchanging(path).map_err(|e| e.at(path))?;
    let reader = shared::connect_unchanging(path).map_err(|e| e.at(path))?;
    match schema::inspect(&connection).map_err(|e| e.at(path))? {
        Found::State(version) if version == schema::newest(migrations) => Shared::over(path, connection, reader),
        Found::State(found) if found > schema::newest(migrations) => {
            Err(StateError::Newer { place: Place::file(path), found, supported: schema::newest(migrations) })
        }
        // An older one would have to be migrated.
        Found::State(_) => Err(refused),
        Found::Empty => Err(blank(path)),
        Found::Foreign => Err(foreign(path)),
    }
}

/// A file without a state in it, where a state was.
fn blank(path: &Path) -> StateError {
    let length = fs::metadata(path).map_or(0, |metadata| metadata.len());
    let log = beside(Path::new(path.file_name().unwrap_or_default()), "-wal");
    StateError::Lost {
        place: Place::file(path),
        what: format!("has nothing in it ({length} bytes, no tables)"),
        help: format!(
            "restore it together with `{}`, which holds what was written last, or restore both from a backup; if there never \
             was a state in it, move it away",
            log.display()
        ),
    }
}

fn foreign(path: &Path) -> StateError {
    StateError::NotAState { place: Place::file(path), reason: "it is a database of something else".to_owned() }
}

/// Checks whose database it is, brings it to the newest version, and takes it into use.
fn finish(path: &Path, mut connection: Connection, migrations: &[Migration]) -> Result<Shared, StateError> {
    let supported = schema::newest(migrations);
    let found = match schema::inspect(&connection).map_err(|e| e.at(path))? {
        Found::State(version) => version,
        Found::Empty => return Err(blank(path)),
        Found::Foreign => return Err(foreign(path)),
    };
    if found > supported {
        return Err(StateError::Newer { place: Place::file(path), found, supported });
    }
    write_ahead(&connection).map_err(|e| e.at(path))?;
    if found == supported {
        return Shared::new(path, connection);
    }
    // A writer that works with the old tables must not find new ones in the middle of its run.
    let Some(_lock) = FileLock::try_take(path)? else {
        let holder = Shared::new(path, connection)?.holder()?.map(Box::new);
        return Err(StateError::Locked { place: Place::file(path), holder });
    };
    transact(&mut connection, TransactionBehavior::Immediate, |tx| match schema::inspect(tx)? {
        Found::State(version) if version > supported => {
            Err(StateError::Newer { place: Place::file(path), found: version, supported }.into())
        }
        Found::State(version) => schema::migrate(tx, migrations, version),
        Found::Empty | Found::Foreign => Err(StateError::Replaced { place: Place::file(path) }.into()),
    })
    .map_err(|e| e.at(path))?;
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
