//! The tables, and how an older database becomes a current one.

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::fault::Fault;
use crate::identity::Identity;

/// One step forward. Whatever a step does, `meta` keeps its columns `only` and `schema_version`: an older program must
/// be able to read from them that a database is newer than itself.
pub(super) struct Migration {
    /// The version the database has after this step.
    pub(super) version: u32,
    /// What to run.
    pub(super) sql: &'static str,
}

/// All steps from an empty file, each one version up from the one before.
pub(super) const MIGRATIONS: &[Migration] =
    &[Migration { version: 1, sql: V1 }, Migration { version: 2, sql: V2 }, Migration { version: 3, sql: V3 }];

/// `komp`: marks the file as ours, for this program and for `file(1)`.
const APPLICATION_ID: i32 = 0x6b6f_6d70;

const V1: &str = "
CREATE TABLE meta (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    schema_version INTEGER NOT NULL,
    lineage TEXT NOT NULL,
    digest_key BLOB NOT NULL CHECK (length(digest_key) = 32),
    serial INTEGER NOT NULL,
    epoch INTEGER NOT NULL
) STRICT;
CREATE TABLE lock (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL,
    who TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    command TEXT NOT NULL,
    since TEXT NOT NULL,
    plan_digest TEXT,
    epoch INTEGER NOT NULL,
    renewed_at REAL NOT NULL
) STRICT;
CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    provider TEXT NOT NULL,
    physical_id TEXT NOT NULL,
    applied TEXT NOT NULL,
    outputs TEXT NOT NULL,
    protection TEXT NOT NULL,
    desired_digest TEXT NOT NULL,
    baseline TEXT NOT NULL,
    source TEXT,
    created_serial INTEGER NOT NULL,
    updated_serial INTEGER NOT NULL
) STRICT;
CREATE TABLE dependencies (
    record INTEGER NOT NULL REFERENCES records (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (record, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX dependencies_by_address ON dependencies (address);
CREATE TABLE intents (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    run TEXT NOT NULL,
    address TEXT NOT NULL,
    kind TEXT NOT NULL,
    provider TEXT NOT NULL,
    action TEXT NOT NULL,
    physical_id TEXT,
    request_digest TEXT NOT NULL,
    desired TEXT NOT NULL,
    record TEXT,
    operation_url TEXT,
    opened_at TEXT NOT NULL
) STRICT;
CREATE TABLE runs (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    actor TEXT NOT NULL,
    host TEXT NOT NULL,
    command TEXT NOT NULL,
    plan_digest TEXT,
    started_at TEXT NOT NULL,
    finished_at TEXT,
    result TEXT,
    counts TEXT NOT NULL,
    duration_ms INTEGER
) STRICT;
CREATE TABLE durations (
    kind TEXT NOT NULL,
    action TEXT NOT NULL,
    samples INTEGER NOT NULL,
    mean_millis REAL NOT NULL,
    PRIMARY KEY (kind, action)
) STRICT, WITHOUT ROWID;
";

const V2: &str = "
ALTER TABLE runs ADD COLUMN planned TEXT NOT NULL DEFAULT 'null';
CREATE TABLE removed (
    address TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
";

const V3: &str = "
ALTER TABLE meta ADD COLUMN head TEXT NOT NULL DEFAULT '';
ALTER TABLE meta ADD COLUMN moved_to TEXT;
ALTER TABLE runs ADD COLUMN revision TEXT;
ALTER TABLE runs ADD COLUMN link TEXT NOT NULL DEFAULT 'null';
";

/// What a file turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A database without anything in it, as a creation leaves that never got to its end.
    Empty,
    /// A state of this schema version.
    State(u32),
    /// Somebody else's database.
    Foreign,
}

/// Looks what is there, without changing it.
pub(super) fn inspect(connection: &Connection) -> Result<Found, Fault> {
    let application_id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application_id == APPLICATION_ID {
        let version: Option<u32> =
            connection.query_row("SELECT schema_version FROM meta WHERE only = 1", [], |row| row.get(0)).optional()?;
        return version.map(Found::State).ok_or_else(|| Fault::Damaged("the row of `meta` is missing".to_owned()));
    }
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(if application_id == 0 && objects == 0 { Found::Empty } else { Found::Foreign })
}

/// Makes the tables of the newest version and the identity, in the caller's transaction.
pub(super) fn create(tx: &Transaction<'_>, migrations: &[Migration], identity: &Identity) -> Result<(), Fault> {
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    for step in migrations {
        tx.execute_batch(step.sql)?;
    }
    let version = newest(migrations);
    tx.execute(
        "INSERT INTO meta (only, schema_version, lineage, digest_key, serial, epoch) VALUES (1, ?1, ?2, ?3, 0, 0)",
        (version, identity.lineage(), identity.key()),
    )?;
    Ok(())
}

/// Takes a database of version `from` to the newest one, in the caller's transaction.
pub(super) fn migrate(tx: &Transaction<'_>, migrations: &[Migration], from: u32) -> Result<(), Fault> {
    for step in migrations.iter().filter(|step| step.version > from) {
        tx.execute_batch(step.sql)?;
        tx.execute("UPDATE meta SET schema_version = ?1 WHERE only = 1", [step.version])?;
    }
    Ok(())
}

/// The version that `migrations` lead to.
pub(super) fn newest(migrations: &[Migration]) -> u32 {
    migrations.last().map_or(0, |step| step.version)
}
