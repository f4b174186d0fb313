//! The log of every request that reached the sandbox, in the order in which they came.

use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use super::world::WorldError;

/// Entries kept when a sandbox starts; older ones go.
const KEPT: i64 = 200_000;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestLogEntry {
    /// Its number; counts from 1 over the life of the world.
    pub seq: i64,
    /// When it came, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The HTTP method.
    pub method: String,
    /// Path and query as they came.
    pub target: String,
    /// The answer's status; none while it runs or when the connection was reset before the effect.
    pub status: Option<u16>,
    /// Whether the world was changed.
    pub effect: bool,
}

/// Records that a request came; gives its number.
pub(super) fn begin(tx: &Transaction<'_>, now_ms: i64, method: &str, target: &str) -> Result<i64, WorldError> {
    tx.prepare_cached("INSERT INTO request_log (at_ms, method, target) VALUES (?1, ?2, ?3)")?
        .execute(params![now_ms, method, target])?;
    Ok(tx.last_insert_rowid())
}

/// Records how a request ended.
pub(super) fn finish(tx: &Transaction<'_>, seq: i64, status: Option<u16>, effect: bool) -> Result<(), WorldError> {
    tx.prepare_cached("UPDATE request_log SET status = ?2, effect = ?3 WHERE seq = ?1")?
        .execute(params![seq, status, effect])?;
    Ok(())
}

/// Forgets all but the newest entries.
pub(super) fn prune(tx: &Transaction<'_>) -> Result<(), WorldError> {
    let newest: Option<i64> =
        tx.query_row("SELECT max(seq) FROM request_log", [], |row| row.get(0)).optional()?.flatten();
    tx.execute("DELETE FROM request_log WHERE seq <= ?1", [newest.unwrap_or(0) - KEPT])?;
    Ok(())
}

/// All entries, oldest first.
pub(super) fn entries(tx: &Transaction<'_>) -> Result<Vec<RequestLogEntry>, WorldError> {
    let mut statement =
        tx.prepare_cached("SELECT seq, at_ms, method, target, status, effect FROM request_log ORDER BY seq")?;
    let rows = statement.query_map([], |row| {
        Ok(RequestLogEntry {
            seq: row.get(0)?,
            at_ms: row.get(1)?,
            method: row.get(2)?,
            target: row.get(3)?,
            status: row.get(4)?,
            effect: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
