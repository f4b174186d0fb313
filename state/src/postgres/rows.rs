//! Rows to values.

use postgres::Transaction;
use postgres::types::Type;
use serde::de::DeserializeOwned;

use super::fault::{Fault, unsigned};
use super::schema::{Meta, meta};
use crate::address::Address;
use crate::contents::{Contents, Measured};
use crate::presence::Held;
use crate::record::{Intent, Record};
use crate::run::{ActionDuration, Run};
use crate::verb::Verb;

/// The lease row.
pub(super) struct Lease {
    pub(super) epoch: u64,
    pub(super) held: Option<Held>,
    /// Goes up with each renewal.
    pub(super) beat: i64,
}

pub(super) fn lease(tx: &mut Transaction<'_>, schema: &str, lock: &str) -> Result<Lease, Fault> {
    let row = tx.query_typed_one(&format!("SELECT epoch, held, beat FROM {schema}.lease {lock}"), &[])?;
    let held: Option<String> = row.try_get(1)?;
    let held = held.map(|text| parse(&text, || "the lease".to_owned())).transpose()?;
    Ok(Lease { epoch: unsigned(row.try_get(0)?, "lease")?, held, beat: row.try_get(2)? })
}

/// Writes down the next holder.
pub(super) fn take(tx: &mut Transaction<'_>, schema: &str, held: &Held) -> Result<(), Fault> {
    let set = format!("UPDATE {schema}.lease SET epoch = $1, held = $2, beat = 0");
    let text = serde_json::to_string(held).map_err(|e| Fault::Damaged(e.to_string()))?;
    tx.execute_typed(&set, &[(&signed(held.holder.epoch), Type::INT8), (&text, Type::TEXT)])?;
    Ok(())
}

/// Takes the holder with this id out, if it is still there.
pub(super) fn give_back(tx: &mut Transaction<'_>, schema: &str, id: &str) -> Result<(), Fault> {
    if lease(tx, schema, "FOR UPDATE")?.held.is_some_and(|held| held.holder.id == id) {
        tx.batch_execute(&format!("UPDATE {schema}.lease SET held = NULL"))?;
    }
    Ok(())
}

/// Every record, by address.
pub(super) fn records(tx: &mut Transaction<'_>, schema: &str) -> Result<Vec<Record>, Fault> {
    let select = format!("SELECT address, body, created_serial, updated_serial FROM {schema}.records ORDER BY address");
    tx.query_typed(&select, &[])?.iter().map(record_of).collect()
}

/// The record of one address.
pub(super) fn record(tx: &mut Transaction<'_>, schema: &str, address: &Address) -> Result<Option<Record>, Fault> {
    let select =
        format!("SELECT address, body, created_serial, updated_serial FROM {schema}.records WHERE address = $1");
    tx.query_typed_opt(&select, &[(&address.as_str(), Type::TEXT)])?.as_ref().map(record_of).transpose()
}

pub(super) fn record_of(row: &postgres::Row) -> Result<Record, Fault> {
    let key: &str = row.try_get(0)?;
    let record: Record = parse(row.try_get(1)?, || format!("the record of {key}"))?;
    if record.address.as_str() != key {
        return Err(Fault::Damaged(format!("the record of {key} has another address in it")));
    }
    let names = [("kind", &*record.kind), ("provider", record.provider.as_str()), ("physical id", &record.physical_id)];
    if let Some((what, _)) = names.into_iter().find(|(_, text)| text.trim().is_empty()) {
        return Err(Fault::Damaged(format!("the record of {key} has no {what}")));
    }
    let serials = (unsigned(row.try_get(2)?, key)?, unsigned(row.try_get(3)?, key)?);
    Ok(Record { created_serial: serials.0, updated_serial: serials.1, ..record })
}

/// Every open intent, oldest first.
pub(super) fn intents(tx: &mut Transaction<'_>, schema: &str) -> Result<Vec<Intent>, Fault> {
    let rows = tx.query_typed(&format!("SELECT id, body FROM {schema}.intents ORDER BY position"), &[])?;
    rows.iter().map(|row| body(row, "intent")).collect()
}

/// The last `limit` runs, newest first.
pub(super) fn runs(tx: &mut Transaction<'_>, schema: &str, limit: usize) -> Result<Vec<Run>, Fault> {
    let select = format!("SELECT id, body FROM {schema}.runs ORDER BY position DESC LIMIT $1");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    tx.query_typed(&select, &[(&limit, Type::INT8)])?.iter().map(|row| body(row, "run")).collect()
}

/// All of it.
pub(super) fn contents(tx: &mut Transaction<'_>, schema: &str) -> Result<Contents, Fault> {
    let Meta { serial, head, .. } = meta(tx, schema)?;
    let mut runs = runs(tx, schema, usize::MAX)?;
    runs.reverse();
    let removed = addresses(tx, &format!("SELECT address FROM {schema}.removed ORDER BY address"))?;
    let (records, intents) = (records(tx, schema)?, intents(tx, schema)?);
    Ok(Contents { serial, head, records, intents, runs, removed, durations: measured(tx, schema)? })
}

/// Addresses that had a record and have none now.
pub(super) fn removed(tx: &mut Transaction<'_>, schema: &str) -> Result<Vec<Address>, Fault> {
    let select = format!(
        "SELECT address FROM {schema}.removed r WHERE NOT EXISTS \
         (SELECT FROM {schema}.records WHERE records.address = r.address) ORDER BY address"
    );
    addresses(tx, &select)
}

fn addresses(tx: &mut Transaction<'_>, select: &str) -> Result<Vec<Address>, Fault> {
    let read = |row: &postgres::Row| {
        Address::parse(row.try_get(0)?)
            .map_err(|_| Fault::Damaged("an address of what was removed cannot be read".to_owned()))
    };
    tx.query_typed(select, &[])?.iter().map(read).collect()
}

/// Mean milliseconds per kind and action.
pub(super) fn durations(tx: &mut Transaction<'_>, schema: &str) -> Result<Vec<ActionDuration>, Fault> {
    let mean = |m: Measured| ActionDuration { kind: m.kind, action: m.action, millis: m.mean_millis.round() as u64 };
    Ok(measured(tx, schema)?.into_iter().map(mean).collect())
}

fn measured(tx: &mut Transaction<'_>, schema: &str) -> Result<Vec<Measured>, Fault> {
    let select = format!("SELECT kind, action, samples, mean_millis FROM {schema}.durations ORDER BY kind, action");
    let read = |row: &postgres::Row| {
        let (kind, action): (String, &str) = (row.try_get(0)?, row.try_get(1)?);
        let action = Verb::from_word(action)
            .ok_or_else(|| Fault::Damaged(format!("the action of the durations of {kind} cannot be read")))?;
        Ok(Measured { kind, action, samples: unsigned(row.try_get(2)?, "durations")?, mean_millis: row.try_get(3)? })
    };
    tx.query_typed(&select, &[])?.iter().map(read).collect()
}

/// A body under its id.
pub(super) fn body<T: DeserializeOwned>(row: &postgres::Row, what: &str) -> Result<T, Fault> {
    let id: &str = row.try_get(0)?;
    parse(row.try_get(1)?, || format!("{what} {id}"))
}

/// JSON, strictly. The error says where, never what is there.
fn parse<T: DeserializeOwned>(text: &str, place: impl FnOnce() -> String) -> Result<T, Fault> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|e| {
        Fault::Damaged(format!(
            "{} cannot be read at `{}`: it was changed, or another version wrote it",
            place(),
            e.path()
        ))
    })
}

/// A number for `bigint`, which ends at 2⁶³ − 1; nothing that is counted here comes near.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
