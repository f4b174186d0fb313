//! The changes of a commit as statements.

use postgres::Transaction;
use postgres::types::{ToSql, Type};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::Fault;
use super::rows::{body, record_of, signed};
use super::schema::{self, CONTENTS};
use crate::address::Address;
use crate::change::Change;
use crate::contents::{Contents, Measured};
use crate::fit::{readable, refused, shallow, whole};
use crate::record::{Intent, Record};
use crate::run::{ActionDuration, Run};

/// Makes one change in the transaction of the commit that gets `serial`. Gives the digest of the last run that ended, where this
/// is another one.
pub(super) fn apply(
    tx: &mut Transaction<'_>,
    schema: &str,
    change: &Change,
    serial: u64,
) -> Result<Option<String>, Fault> {
    match change {
        Change::PutRecord(record) => put(tx, schema, record, serial, serial)?,
        Change::DeleteRecord(address) => delete(tx, schema, address)?,
        Change::MoveRecord { from, to } => rename(tx, schema, from, to, serial)?,
        Change::OpenIntent(intent) => open(tx, schema, intent)?,
        Change::SetOperation { id, operation_url } => {
            let Some(mut intent) = kept::<Intent>(tx, schema, "intents", id)? else {
                return Err(refused(format!("no intent {id} is open, so it cannot get an operation")).into());
            };
            intent.operation_url = Some(operation_url.clone());
            keep(tx, schema, "intents", id, &intent)?;
        }
        Change::CloseIntent(id) => {
            tx.execute_typed(&format!("DELETE FROM {schema}.intents WHERE id = $1"), &[(id, Type::TEXT)])?;
        }
        Change::StartRun(run) => return start_run(tx, schema, run),
        Change::Did { run, verb, elapsed_ms } => {
            let Some(mut known) = kept::<Run>(tx, schema, "runs", run)?.filter(|run| run.link.is_none()) else {
                return Ok(None);
            };
            known.counts.add(*verb);
            known.duration_ms = Some(known.duration_ms.unwrap_or(0).max(*elapsed_ms));
            keep(tx, schema, "runs", run, &known)?;
        }
        Change::FinishRun { id, finished_at, result, counts, duration_ms } => {
            let Some(known) = kept::<Run>(tx, schema, "runs", id)? else {
                return Err(refused(format!("there is no run {id}, so it cannot be finished")).into());
            };
            if known.link.is_some() {
                return Err(refused(format!("the run {id} has ended before")).into());
            }
            let (finished_at, result) = (Some(finished_at.clone()), Some(*result));
            let done = Run { finished_at, result, counts: counts.clone(), duration_ms: Some(*duration_ms), ..known };
            return ended(tx, schema, done).map(Some);
        }
        Change::Duration(duration) => add_duration(tx, schema, duration)?,
        Change::Replace(contents) => {
            replace(tx, schema, contents)?;
            return Ok(Some(contents.head.clone()));
        }
    }
    Ok(None)
}

fn json(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|e| refused(format!("a value is no JSON ({e})")).into())
}

/// What lies under an id.
fn kept<T: DeserializeOwned>(
    tx: &mut Transaction<'_>,
    schema: &str,
    table: &str,
    id: &str,
) -> Result<Option<T>, Fault> {
    let select = format!("SELECT id, body FROM {schema}.{table} WHERE id = $1");
    tx.query_typed_opt(&select, &[(&id, Type::TEXT)])?.as_ref().map(|row| body(row, table)).transpose()
}

fn keep(tx: &mut Transaction<'_>, schema: &str, table: &str, id: &str, value: &impl Serialize) -> Result<(), Fault> {
    let update = format!("UPDATE {schema}.{table} SET body = $2 WHERE id = $1");
    tx.execute_typed(&update, &[(&id, Type::TEXT), (&json(value)?, Type::TEXT)])?;
    Ok(())
}

/// Whether there was none with this id.
fn add(tx: &mut Transaction<'_>, schema: &str, table: &str, id: &str, value: &impl Serialize) -> Result<bool, Fault> {
    let insert = format!("INSERT INTO {schema}.{table} (id, body) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING");
    Ok(tx.execute_typed(&insert, &[(&id, Type::TEXT), (&json(value)?, Type::TEXT)])? > 0)
}

fn put(tx: &mut Transaction<'_>, schema: &str, record: &Record, created: u64, updated: u64) -> Result<(), Fault> {
    whole(record)?;
    let upsert = format!(
        "INSERT INTO {schema}.records (address, body, created_serial, updated_serial) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (address) DO UPDATE SET body = $2, updated_serial = $4"
    );
    tx.execute_typed(
        &upsert,
        &[
            (&record.address.as_str(), Type::TEXT),
            (&json(record)?, Type::TEXT),
            (&signed(created), Type::INT8),
            (&signed(updated), Type::INT8),
        ],
    )?;
    Ok(())
}

fn delete(tx: &mut Transaction<'_>, schema: &str, address: &Address) -> Result<(), Fault> {
    let delete = format!("DELETE FROM {schema}.records WHERE address = $1");
    if tx.execute_typed(&delete, &[(&address.as_str(), Type::TEXT)])? > 0 {
        remember(tx, schema, address)?;
    }
    Ok(())
}

/// That an address had a record outlives the record.
fn remember(tx: &mut Transaction<'_>, schema: &str, address: &Address) -> Result<(), Fault> {
    let insert = format!("INSERT INTO {schema}.removed VALUES ($1) ON CONFLICT DO NOTHING");
    tx.execute_typed(&insert, &[(&address.as_str(), Type::TEXT)])?;
    Ok(())
}

fn rename(tx: &mut Transaction<'_>, schema: &str, from: &Address, to: &Address, serial: u64) -> Result<(), Fault> {
    readable([to])?;
    let Some(record) = super::rows::record(tx, schema, from)? else {
        return Err(refused(format!("there is no record of {from}, so it cannot be moved to {to}")).into());
    };
    if super::rows::record(tx, schema, to)?.is_some() {
        return Err(refused(format!("{to} already has a record, so {from} cannot be moved there")).into());
    }
    delete(tx, schema, from)?;
    let moved = Record { address: to.clone(), ..record };
    put(tx, schema, &moved, moved.created_serial, serial)?;
    // Whoever may have it among its dependencies has its text somewhere.
    let dependents = format!(
        "SELECT address, body, created_serial, updated_serial FROM {schema}.records WHERE strpos(body, $1) > 0"
    );
    let quoted = json(&from.as_str())?;
    for row in tx.query_typed(&dependents, &[(&quoted, Type::TEXT)])? {
        let mut record = record_of(&row)?;
        let mut changed = false;
        for dependency in record.dependencies.iter_mut().filter(|dependency| *dependency == from) {
            dependency.clone_from(to);
            changed = true;
        }
        if changed {
            put(tx, schema, &record, serial, serial)?;
        }
    }
    Ok(())
}

fn open(tx: &mut Transaction<'_>, schema: &str, intent: &Intent) -> Result<(), Fault> {
    readable([&intent.address])?;
    shallow(&intent.desired, &intent.address)?;
    intent.record.iter().try_for_each(whole)?;
    if !add(tx, schema, "intents", &intent.id, intent)? {
        return Err(refused(format!("the intent {} for {} is open already", intent.id, intent.address)).into());
    }
    Ok(())
}

/// Adds a run to the history. One that has ended already gets its link at once; its digest is given.
fn start_run(tx: &mut Transaction<'_>, schema: &str, run: &Run) -> Result<Option<String>, Fault> {
    let run = Run { link: None, ..run.clone() };
    if !add(tx, schema, "runs", &run.id, &run)? {
        return Err(refused(format!("the run {} is in the history already", run.id)).into());
    }
    if run.finished_at.is_none() {
        return Ok(None);
    }
    ended(tx, schema, run).map(Some)
}

/// Keeps a run that has ended, behind the last one that did, and gives its digest.
fn ended(tx: &mut Transaction<'_>, schema: &str, run: Run) -> Result<String, Fault> {
    let link = run.linked(&schema::meta(tx, schema)?.head);
    schema::set_head(tx, schema, &link.digest)?;
    let head = link.digest.clone();
    let run = Run { link: Some(link), ..run };
    keep(tx, schema, "runs", &run.id, &run)?;
    Ok(head)
}

fn add_duration(tx: &mut Transaction<'_>, schema: &str, duration: &ActionDuration) -> Result<(), Fault> {
    let upsert = format!(
        "INSERT INTO {schema}.durations AS d (kind, action, samples, mean_millis) VALUES ($1, $2, 1, $3) \
         ON CONFLICT (kind, action) DO UPDATE SET samples = d.samples + 1, \
         mean_millis = d.mean_millis + (excluded.mean_millis - d.mean_millis) / (d.samples + 1)"
    );
    let millis = duration.millis as f64;
    tx.execute_typed(
        &upsert,
        &[(&duration.kind, Type::TEXT), (&duration.action.word(), Type::TEXT), (&millis, Type::FLOAT8)],
    )?;
    Ok(())
}

/// How many rows one statement writes.
const ROWS: usize = 1000;

/// Puts other contents in the place of all there are. Each statement writes many rows: a state of any size arrives in time over
/// a network where each answer takes its while.
fn replace(tx: &mut Transaction<'_>, schema: &str, contents: &Contents) -> Result<(), Fault> {
    contents.check_chain().map_err(refused)?;
    contents.records.iter().try_for_each(whole)?;
    for intent in &contents.intents {
        readable([&intent.address])?;
        shallow(&intent.desired, &intent.address)?;
        intent.record.iter().try_for_each(whole)?;
    }
    for table in CONTENTS {
        tx.batch_execute(&format!("DELETE FROM {schema}.{table}"))?;
    }
    for records in contents.records.chunks(ROWS) {
        let addresses: Vec<&str> = records.iter().map(|record| record.address.as_str()).collect();
        let bodies = records.iter().map(json).collect::<Result<Vec<String>, Fault>>()?;
        let created: Vec<i64> = records.iter().map(|record| signed(record.created_serial)).collect();
        let updated: Vec<i64> = records.iter().map(|record| signed(record.updated_serial)).collect();
        let insert = format!(
            "INSERT INTO {schema}.records (address, body, created_serial, updated_serial) \
             SELECT * FROM unnest($1, $2, $3, $4) ON CONFLICT DO NOTHING"
        );
        let columns: [(&(dyn ToSql + Sync), Type); 4] = [
            (&addresses, Type::TEXT_ARRAY),
            (&bodies, Type::TEXT_ARRAY),
            (&created, Type::INT8_ARRAY),
            (&updated, Type::INT8_ARRAY),
        ];
        each_once(tx.execute_typed(&insert, &columns)?, records.len(), "a record")?;
    }
    add_all(tx, schema, "intents", "an intent", &contents.intents, |intent| &intent.id)?;
    add_all(tx, schema, "runs", "a run of the history", &contents.runs, |run| &run.id)?;
    let removed: Vec<&str> = contents.removed.iter().map(Address::as_str).collect();
    let insert = format!("INSERT INTO {schema}.removed SELECT * FROM unnest($1) ON CONFLICT DO NOTHING");
    tx.execute_typed(&insert, &[(&removed, Type::TEXT_ARRAY)])?;
    add_durations(tx, schema, &contents.durations)?;
    schema::set_head(tx, schema, &contents.head)
}

/// Adds all of these, in their order.
fn add_all<T: Serialize>(
    tx: &mut Transaction<'_>,
    schema: &str,
    table: &str,
    what: &str,
    all: &[T],
    id: impl Fn(&T) -> &String,
) -> Result<(), Fault> {
    let insert = format!(
        "INSERT INTO {schema}.{table} (id, body) SELECT id, body FROM unnest($1, $2) WITH ORDINALITY AS t (id, body, n) \
         ORDER BY n ON CONFLICT DO NOTHING"
    );
    for some in all.chunks(ROWS) {
        let ids: Vec<&String> = some.iter().map(&id).collect();
        let bodies = some.iter().map(json).collect::<Result<Vec<String>, Fault>>()?;
        let columns: [(&(dyn ToSql + Sync), Type); 2] = [(&ids, Type::TEXT_ARRAY), (&bodies, Type::TEXT_ARRAY)];
        each_once(tx.execute_typed(&insert, &columns)?, some.len(), what)?;
    }
    Ok(())
}

fn each_once(written: u64, of: usize, what: &str) -> Result<(), Fault> {
    if written == of as u64 { Ok(()) } else { Err(refused(format!("{what} is there twice")).into()) }
}

fn add_durations(tx: &mut Transaction<'_>, schema: &str, all: &[Measured]) -> Result<(), Fault> {
    let kinds: Vec<&String> = all.iter().map(|measured| &measured.kind).collect();
    let actions: Vec<&str> = all.iter().map(|measured| measured.action.word()).collect();
    let samples: Vec<i64> = all.iter().map(|measured| signed(measured.samples)).collect();
    let means: Vec<f64> = all.iter().map(|measured| measured.mean_millis).collect();
    let insert = format!(
        "INSERT INTO {schema}.durations (kind, action, samples, mean_millis) SELECT * FROM unnest($1, $2, $3, $4)"
    );
    tx.execute_typed(
        &insert,
        &[
            (&kinds, Type::TEXT_ARRAY),
            (&actions, Type::TEXT_ARRAY),
            (&samples, Type::INT8_ARRAY),
            (&means, Type::FLOAT8_ARRAY),
        ],
    )?;
    Ok(())
}
