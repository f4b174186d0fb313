//! Rows to values and back.

use std::collections::HashSet;
use std::fmt::Display;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension, Row, Transaction};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fault::Fault;
use crate::address::Address;
use crate::contents::{Contents, Measured};
use crate::fit;
use crate::holder::Holder;
use crate::key::ProviderKey;
use crate::record::{Intent, Record};
use crate::run::Tip;
use crate::run::{ActionDuration, Run, RunResult};
use crate::stored::Stored;
use crate::verb::Verb;

const RECORD_COLUMNS: &str = "id, address, kind, provider, physical_id, applied, outputs, protection, desired_digest, baseline, source, \
                              created_serial, updated_serial";

/// Every record, by address.
pub(super) fn records(tx: &Transaction<'_>) -> Result<Vec<Record>, Fault> {
    let mut dependencies = tx.prepare_cached("SELECT record, address FROM dependencies ORDER BY record, position")?;
    let mut dependencies = dependencies.query([])?;
    let mut next: Option<(i64, Address)> = dependencies.next()?.map(dependency).transpose()?;

    let mut statement = tx.prepare_cached(&format!("SELECT {RECORD_COLUMNS} FROM records ORDER BY id"))?;
    let mut rows = statement.query([])?;
    let count: i64 = tx.prepare_cached("SELECT count(*) FROM records")?.query_row([], |row| row.get(0))?;
    let mut records: Vec<Record> = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    let mut keys = Keys::default();
    while let Some(row) = rows.next()? {
        let (id, mut record) = record_of(row, &mut keys)?;
        // Both come in the order of the record's id, and the foreign key leaves no dependency without its record.
        while let Some((owner, address)) = next.take() {
            if owner != id {
                next = Some((owner, address));
                break;
            }
            record.dependencies.push(address);
            next = dependencies.next()?.map(dependency).transpose()?;
        }
        records.push(record);
    }
    records.sort_unstable_by(|a, b| a.address.cmp(&b.address));
    Ok(records)
}

/// The record of one address.
pub(super) fn record(tx: &Transaction<'_>, address: &Address) -> Result<Option<Record>, Fault> {
    let mut statement = tx.prepare_cached(&format!("SELECT {RECORD_COLUMNS} FROM records WHERE address = ?1"))?;
    let mut rows = statement.query([address])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (id, mut record) = record_of(row, &mut Keys::default())?;
    let mut statement =
        tx.prepare_cached("SELECT record, address FROM dependencies WHERE record = ?1 ORDER BY position")?;
    let mut rows = statement.query([id])?;
    while let Some(row) = rows.next()? {
        record.dependencies.push(dependency(row)?.1);
    }
    Ok(Some(record))
}

/// Every open intent, oldest first.
pub(super) fn intents(tx: &Transaction<'_>) -> Result<Vec<Intent>, Fault> {
    let mut statement = tx.prepare_cached(
        "SELECT id, run, address, kind, provider, action, physical_id, request_digest, desired, record, operation_url, opened_at \
         FROM intents ORDER BY position",
    )?;
    let mut rows = statement.query([])?;
    let mut intents = Vec::new();
    let mut keys = Keys::default();
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let address = word(row, 2, "address", || format!("intent {id}"), address_of)?;
        let place = || format!("intent {id} of {address}");
        let record = match row.get_ref(9)? {
            ValueRef::Null => None,
            _ => Some(strict(row, 9, "record", place)?),
        };
        intents.push(Intent {
            run: row.get(1)?,
            kind: row.get(3)?,
            provider: keys.of(row, 4)?,
            action: word(row, 5, "action", place, Verb::from_word)?,
            physical_id: row.get(6)?,
            request_digest: row.get(7)?,
            desired: parse(row, 8, place)?,
            record,
            operation_url: row.get(10)?,
            opened_at: row.get(11)?,
            address,
            id,
        });
    }
    Ok(intents)
}

/// The last `limit` runs, newest first.
pub(super) fn runs(tx: &Transaction<'_>, limit: usize) -> Result<Vec<Run>, Fault> {
    let mut statement = tx.prepare_cached(
        "SELECT id, actor, host, command, plan_digest, started_at, finished_at, result, counts, duration_ms, planned, revision, \
            link FROM runs ORDER BY position DESC LIMIT ?1",
    )?;
    let mut rows = statement.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let place = || format!("run {id}");
        runs.push(Run {
            actor: row.get(1)?,
            host: row.get(2)?,
            command: row.get(3)?,
            plan_digest: row.get(4)?,
            started_at: row.get(5)?,
            finished_at: row.get(6)?,
            result: match row.get_ref(7)? {
                ValueRef::Null => None,
                _ => Some(word(row, 7, "result", place, RunResult::from_word)?),
            },
            counts: strict(row, 8, "counts", place)?,
            duration_ms: row.get::<_, Option<i64>>(9)?.map(|millis| unsigned(millis, place)).transpose()?,
            planned: strict(row, 10, "planned counts", place)?,
            revision: row.get(11)?,
            link: strict(row, 12, "link", place)?,
            id,
        });
    }
    Ok(runs)
}

/// One run, if it is there.
pub(super) fn run(tx: &Transaction<'_>, id: &str) -> Result<Option<Run>, Fault> {
    Ok(runs(tx, usize::MAX)?.into_iter().find(|run| run.id == id))
}

/// Where the state has come to.
pub(super) fn tip(tx: &Transaction<'_>) -> Result<Tip, Fault> {
    let (serial, head) = tx
        .prepare_cached("SELECT serial, head FROM meta WHERE only = 1")?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
    Ok(Tip { serial: unsigned(serial, || "meta".to_owned())?, head })
}

/// All of it.
pub(super) fn contents(tx: &Transaction<'_>) -> Result<Contents, Fault> {
    let Tip { serial, head } = tip(tx)?;
    let mut removed = tx.prepare_cached("SELECT address FROM removed ORDER BY address")?;
    let mut rows = removed.query([])?;
    let mut removed = Vec::new();
    while let Some(row) = rows.next()? {
        removed.push(word(row, 0, "address", || "what was removed".to_owned(), address_of)?);
    }
    let mut runs = runs(tx, usize::MAX)?;
    runs.reverse();
    Ok(Contents { serial, head, records: records(tx)?, intents: intents(tx)?, runs, removed, durations: measured(tx)? })
}

/// Addresses that had a record and have none now.
pub(super) fn removed(tx: &Transaction<'_>) -> Result<Vec<Address>, Fault> {
    let mut statement = tx.prepare_cached(
        "SELECT address FROM removed WHERE address NOT IN (SELECT address FROM records) ORDER BY address",
    )?;
    let mut rows = statement.query([])?;
    let mut addresses = Vec::new();
    while let Some(row) = rows.next()? {
        addresses.push(word(row, 0, "address", || "what was removed".to_owned(), address_of)?);
    }
    Ok(addresses)
}

/// Mean milliseconds per kind and action.
pub(super) fn durations(tx: &Transaction<'_>) -> Result<Vec<ActionDuration>, Fault> {
    let mean = |m: Measured| ActionDuration { kind: m.kind, action: m.action, millis: m.mean_millis.round() as u64 };
    Ok(measured(tx)?.into_iter().map(mean).collect())
}

fn measured(tx: &Transaction<'_>) -> Result<Vec<Measured>, Fault> {
    let mut statement =
        tx.prepare_cached("SELECT kind, action, mean_millis, samples FROM durations ORDER BY kind, action")?;
    let mut rows = statement.query([])?;
    let mut means = Vec::new();
    while let Some(row) = rows.next()? {
        let kind: String = row.get(0)?;
        let place = || format!("the durations of {kind}");
        let action = word(row, 1, "action", place, Verb::from_word)?;
        let samples = unsigned(row.get(3)?, place)?;
        means.push(Measured { action, samples, mean_millis: row.get(2)?, kind });
    }
    Ok(means)
}

/// Who is written down as holding the lock, and the sign of life that each renewal changes.
pub(super) fn holder(tx: &Transaction<'_>) -> Result<Option<(Holder, String)>, Fault> {
    let mut statement = tx.prepare_cached(
        "SELECT id, who, host, pid, command, since, plan_digest, epoch, renewed_at FROM lock WHERE only = 1",
    )?;
    let found = statement
        .query_row([], |row| {
            let holder = Holder {
                id: row.get(0)?,
                who: row.get(1)?,
                host: row.get(2)?,
                pid: row.get(3)?,
                command: row.get(4)?,
                since: row.get(5)?,
                plan_digest: row.get(6)?,
                epoch: 0,
            };
            Ok((holder, row.get::<_, i64>(7)?, row.get::<_, f64>(8)?))
        })
        .optional()?;
    let Some((mut holder, epoch, renewed_at)) = found else { return Ok(None) };
    holder.epoch = unsigned(epoch, || "lock".to_owned())?;
    let sign = format!("{} {renewed_at}", holder.id);
    Ok(Some((holder, sign)))
}

/// `value` as the text that [`parse`] reads back to the same.
pub(super) fn json(value: &Value, place: &dyn Display) -> Result<String, Fault> {
    fit::shallow(value, place)?;
    Ok(value.to_string())
}

/// What [`strict`] reads back to the same.
pub(super) fn guard(value: &impl Serialize, place: &dyn Display) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|e| Fault::refused(format!("a value of {place} is no JSON ({e})")))
}

/// A whole record as text, for an intent.
pub(super) fn record_json(record: &Record) -> Result<String, Fault> {
    fit::whole(record)?;
    serde_json::to_string(record)
        .map_err(|e| Fault::refused(format!("the record of {} is no JSON ({e})", record.address)))
}

/// A number of SQLite that is never negative.
pub(super) fn unsigned(number: i64, place: impl FnOnce() -> String) -> Result<u64, Fault> {
    u64::try_from(number).map_err(|_| Fault::Damaged(format!("{} holds the negative number {number}", place())))
}

/// A number for SQLite, whose integers end at 2⁶³ − 1; nothing that is counted here comes near.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn dependency(row: &Row<'_>) -> Result<(i64, Address), Fault> {
    let record = row.get(0)?;
    Ok((record, word(row, 1, "address", || format!("a dependency of record {record}"), address_of)?))
}

/// A record but for its dependencies, and its row's id.
fn record_of(row: &Row<'_>, keys: &mut Keys) -> Result<(i64, Record), Fault> {
    let id = row.get(0)?;
    let address = word(row, 1, "address", || format!("record {id}"), address_of)?;
    let place = || format!("the record of {address}");
    let record = Record {
        kind: row.get(2)?,
        provider: keys.of(row, 3)?,
        physical_id: row.get(4)?,
        applied: stored(row, 5, place)?,
        outputs: stored(row, 6, place)?,
        dependencies: Vec::new(),
        protection: strict(row, 7, "protection", place)?,
        desired_digest: row.get(8)?,
        progress: strict(row, 9, "baseline", place)?,
        source: row.get(10)?,
        created_serial: unsigned(row.get(11)?, place)?,
        updated_serial: unsigned(row.get(12)?, place)?,
        address,
    };
    // Whose object a record speaks of is asked of these: without one, every guard would look at nothing.
    let names =
        [("kind", &*record.kind), ("provider", record.provider.as_str()), ("physical id", &*record.physical_id)];
    if let Some((what, _)) = names.into_iter().find(|(_, text)| text.trim().is_empty()) {
        return Err(Fault::Damaged(format!("the record of {} has no {what}", record.address)));
    }
    Ok((id, record))
}

/// The keys that were read: many records share few.
#[derive(Default)]
struct Keys(HashSet<ProviderKey>);

impl Keys {
    /// The key in one column.
    fn of(&mut self, row: &Row<'_>, column: usize) -> Result<ProviderKey, Fault> {
        let text = row.get_ref(column)?.as_str().map_err(|e| Fault::Damaged(e.to_string()))?;
        if let Some(known) = self.0.get(text) {
            return Ok(known.clone());
        }
        let key = ProviderKey::from(text);
        self.0.insert(key.clone());
        Ok(key)
    }
}

/// The JSON of one column. The error gives the position in it, never its content.
fn parse<T: DeserializeOwned>(row: &Row<'_>, column: usize, place: impl FnOnce() -> String) -> Result<T, Fault> {
    let text = row.get_ref(column)?.as_str().map_err(|e| Fault::Damaged(e.to_string()))?;
    serde_json::from_str(text).map_err(|e| unreadable(&e, place))
}

/// What a guard stands on: unreadable is damaged, and never the same as absent.
pub(super) fn strict<T: DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
    what: &str,
    place: impl FnOnce() -> String,
) -> Result<T, Fault> {
    word(row, column, what, place, |text| serde_json::from_str(text).ok())
}

/// One column that `read` makes a value of; what it does not know is damage.
fn word<T>(
    row: &Row<'_>,
    column: usize,
    what: &str,
    place: impl FnOnce() -> String,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Fault> {
    let text = row.get_ref(column)?.as_str().map_err(|e| Fault::Damaged(e.to_string()))?;
    read(text).ok_or_else(|| {
        Fault::Damaged(format!("the {what} in {} cannot be read: it was changed, or another version wrote it", place()))
    })
}

fn address_of(text: &str) -> Option<Address> {
    Address::parse(text).ok()
}

/// The JSON of one column, checked but not taken apart.
fn stored(row: &Row<'_>, column: usize, place: impl FnOnce() -> String) -> Result<Stored, Fault> {
    let text = row.get_ref(column)?.as_str().map_err(|e| Fault::Damaged(e.to_string()))?;
    Stored::parse(text).map_err(|e| unreadable(&e, place))
}

fn unreadable(error: &serde_json::Error, place: impl FnOnce() -> String) -> Fault {
    let (line, position) = (error.line(), error.column());
    Fault::Damaged(format!("{} holds text that cannot be read as JSON (line {line}, column {position})", place()))
}

impl ToSql for Address {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.as_str().to_sql()
    }
}

impl ToSql for Verb {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.word().to_sql()
    }
}

impl ToSql for RunResult {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.word().to_sql()
    }
}
