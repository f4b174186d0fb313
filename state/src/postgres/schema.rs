//! The tables.

use postgres::Transaction;
use postgres::types::Type;

use super::fault::{Fault, unsigned};
use crate::identity::Identity;
use crate::run::Tip;

/// The version of the tables that this program reads and writes.
pub(super) const VERSION: u32 = 1;

/// Only one makes the tables, and whoever waits for it finds them: any number, as long as no other program means the same.
const MAKING: i64 = 0x6b6f_6d70_6f78;

const TABLES: &str = "
CREATE TABLE meta (
    only_one boolean PRIMARY KEY CHECK (only_one), schema_version bigint NOT NULL, lineage text NOT NULL,
    digest_key bytea NOT NULL CHECK (length(digest_key) = 32), serial bigint NOT NULL, head text NOT NULL,
    moved_to text, last_commit text
);
CREATE TABLE lease (
    only_one boolean PRIMARY KEY CHECK (only_one), epoch bigint NOT NULL, held text, beat bigint NOT NULL
);
CREATE TABLE records (
    address text COLLATE \"C\" PRIMARY KEY, body text NOT NULL, created_serial bigint NOT NULL, updated_serial bigint NOT NULL
);
CREATE TABLE removed (address text COLLATE \"C\" PRIMARY KEY);
CREATE TABLE intents (id text PRIMARY KEY, position bigint GENERATED ALWAYS AS IDENTITY, body text NOT NULL);
CREATE TABLE runs (id text PRIMARY KEY, position bigint GENERATED ALWAYS AS IDENTITY, body text NOT NULL);
CREATE TABLE durations (
    kind text COLLATE \"C\" NOT NULL, action text COLLATE \"C\" NOT NULL, samples bigint NOT NULL,
    mean_millis double precision NOT NULL, PRIMARY KEY (kind, action)
);
";

/// What holds what commits have made.
pub(super) const CONTENTS: [&str; 5] = ["records", "removed", "intents", "runs", "durations"];

/// Whether there is a state.
///
/// The catalogue is read as any table is: what the server keeps of it in memory, by which it would find a name, may be older
/// than this transaction.
pub(super) fn is_there(tx: &mut Transaction<'_>, schema: &str) -> Result<bool, Fault> {
    let found = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE {QUOTED} = $1 AND c.relname = 'meta')"
    );
    Ok(tx.query_typed_one(&found, &[(&schema, Type::TEXT)])?.try_get(0)?)
}

/// The name of a schema of the catalogue as it stands in statements here.
const QUOTED: &str = "'\"' || replace(n.nspname, '\"', '\"\"') || '\"'";

/// Makes the tables, unless somebody else was faster. Says whether there were none.
pub(super) fn make(tx: &mut Transaction<'_>, schema: &str, identity: &Identity) -> Result<bool, Fault> {
    tx.query_typed("SELECT pg_advisory_xact_lock($1)", &[(&MAKING, Type::INT8)])?;
    if is_there(tx, schema)? {
        return Ok(false);
    }
    // A user that may not make a schema can be given an empty one.
    let has_schema = format!("SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE {QUOTED} = $1)");
    if !tx.query_typed_one(&has_schema, &[(&schema, Type::TEXT)])?.try_get::<_, bool>(0)? {
        tx.batch_execute(&format!("CREATE SCHEMA {schema}"))?;
    }
    let tables = TABLES.replace("CREATE TABLE ", &format!("CREATE TABLE {schema}."));
    tx.batch_execute(&format!("{tables} INSERT INTO {schema}.lease VALUES (true, 0, NULL, 0)"))?;
    tx.execute_typed(
        &format!("INSERT INTO {schema}.meta VALUES (true, $1, $2, $3, 0, '', NULL, NULL)"),
        &[
            (&i64::from(VERSION), Type::INT8),
            (&identity.lineage(), Type::TEXT),
            (&identity.key().as_slice(), Type::BYTEA),
        ],
    )?;
    Ok(true)
}

/// Drops the tables. The schema stays: it may hold something else, or be somebody else's.
pub(super) fn remove(tx: &mut Transaction<'_>, schema: &str) -> Result<(), Fault> {
    if !is_there(tx, schema)? {
        return Ok(());
    }
    let tables = CONTENTS.iter().chain(&["lease", "meta"]);
    let tables: Vec<String> = tables.map(|table| format!("{schema}.{table}")).collect();
    tx.batch_execute(&format!("DROP TABLE {}", tables.join(", ")))?;
    Ok(())
}

/// The row that says what a state is.
pub(super) struct Meta {
    pub(super) version: u32,
    pub(super) lineage: String,
    pub(super) key: [u8; 32],
    pub(super) serial: u64,
    /// The digest of the last run that ended.
    pub(super) head: String,
    /// Where the state is now, if it has moved.
    pub(super) moved: Option<String>,
}

pub(super) fn meta(tx: &mut Transaction<'_>, schema: &str) -> Result<Meta, Fault> {
    let select = format!("SELECT schema_version, lineage, digest_key, serial, head, moved_to FROM {schema}.meta");
    let row = tx.query_typed_one(&select, &[])?;
    let key: Vec<u8> = row.try_get(2)?;
    Ok(Meta {
        version: u32::try_from(row.try_get::<_, i64>(0)?).unwrap_or(u32::MAX),
        lineage: row.try_get(1)?,
        key: key.try_into().map_err(|_| Fault::Damaged("the key has another length".to_owned()))?,
        serial: unsigned(row.try_get(3)?, "meta")?,
        head: row.try_get(4)?,
        moved: row.try_get(5)?,
    })
}

/// Writes the digest of the last run that ended.
pub(super) fn set_head(tx: &mut Transaction<'_>, schema: &str, head: &str) -> Result<(), Fault> {
    tx.execute_typed(&format!("UPDATE {schema}.meta SET head = $1"), &[(&head, Type::TEXT)])?;
    Ok(())
}

/// Whose commit was the last, and where it led. Waits for one that is under way.
pub(super) fn last_commit(tx: &mut Transaction<'_>, schema: &str) -> Result<(Option<String>, Tip), Fault> {
    tx.batch_execute(&format!("SELECT 1 FROM {schema}.lease FOR UPDATE"))?;
    let row = tx.query_typed_one(&format!("SELECT last_commit, serial, head FROM {schema}.meta"), &[])?;
    Ok((row.try_get(0)?, Tip { serial: unsigned(row.try_get(1)?, "meta")?, head: row.try_get(2)? }))
}
