//! The changes of a commit as statements.

use rusqlite::{OptionalExtension, Transaction, named_params};

use super::fault::Fault;
use super::rows::{self, guard, json, record_json, signed, strict};
use crate::address::Address;
use crate::change::Change;
use crate::contents::{Contents, Measured};
use crate::fit::readable;
use crate::record::{Intent, Record};
use crate::run::{ActionDuration, Counts, Run};
use crate::verb::Verb;

/// Makes one change in the transaction of the commit that gets `serial`.
pub(super) fn apply(tx: &Transaction<'_>, change: &Change, serial: u64) -> Result<(), Fault> {
    match change {
        Change::PutRecord(record) => put_record(tx, record, serial, serial),
        Change::DeleteRecord(address) => {
            remember(tx, address)?;
            tx.prepare_cached("DELETE FROM records WHERE address = ?1")?.execute([address])?;
            Ok(())
        }
        Change::MoveRecord { from, to } => move_record(tx, from, to, serial),
        Change::OpenIntent(intent) => open_intent(tx, intent),
        Change::SetOperation { id, operation_url } => {
            let mut statement = tx.prepare_cached("UPDATE intents SET operation_url = ?2 WHERE id = ?1")?;
            match statement.execute([id, operation_url])? {
                0 => Err(Fault::refused(format!("no intent {id} is open, so it cannot get an operation"))),
                _ => Ok(()),
            }
        }
        Change::CloseIntent(id) => {
            tx.prepare_cached("DELETE FROM intents WHERE id = ?1")?.execute([id])?;
            Ok(())
        }
        Change::StartRun(run) => start_run(tx, run),
        Change::Did { run, verb, elapsed_ms } => did(tx, run, *verb, *elapsed_ms),
        Change::FinishRun { id, finished_at, result, counts, duration_ms } => {
            let Some(run) = rows::run(tx, id)? else {
                return Err(Fault::refused(format!("there is no run {id}, so it cannot be finished")));
            };
            if run.link.is_some() {
                return Err(Fault::refused(format!("the run {id} has ended before")));
            }
            let (finished_at, result) = (Some(finished_at.clone()), Some(*result));
            end_run(tx, Run { finished_at, result, counts: counts.clone(), duration_ms: Some(*duration_ms), ..run })
        }
        Change::Replace(contents) => replace(tx, contents),
        Change::Duration(duration) => add_duration(tx, duration),
    }
}

fn put_record(tx: &Transaction<'_>, record: &Record, created: u64, updated: u64) -> Result<(), Fault> {
    let place = &record.address;
    readable(std::iter::once(place).chain(&record.dependencies))?;
    let id: i64 = tx
        .prepare_cached(
            "INSERT INTO records (address, kind, provider, physical_id, applied, outputs, protection, desired_digest, baseline, \
                source, created_serial, updated_serial) \
             VALUES (:address, :kind, :provider, :physical_id, :applied, :outputs, :protection, :desired_digest, :baseline, \
                :source, :created, :updated) \
             ON CONFLICT (address) DO UPDATE SET kind = :kind, provider = :provider, physical_id = :physical_id, \
                applied = :applied, outputs = :outputs, protection = :protection, desired_digest = :desired_digest, \
                baseline = :baseline, source = :source, updated_serial = :updated \
             RETURNING id",
        )?
        .query_row(
            named_params! {
                ":address": record.address,
                ":kind": record.kind,
                ":provider": record.provider.as_str(),
                ":physical_id": record.physical_id,
                ":applied": json(&record.applied.value(), place)?,
                ":outputs": json(&record.outputs.value(), place)?,
                ":protection": guard(&record.protection, place)?,
                ":desired_digest": record.desired_digest,
                ":baseline": guard(&record.progress, place)?,
                ":source": record.source,
                ":created": signed(created),
                ":updated": signed(updated),
            },
            |row| row.get(0),
        )?;
    tx.prepare_cached("DELETE FROM dependencies WHERE record = ?1")?.execute([id])?;
    let mut insert = tx.prepare_cached("INSERT INTO dependencies (record, position, address) VALUES (?1, ?2, ?3)")?;
    for (position, address) in (0i64..).zip(&record.dependencies) {
        insert.execute((id, position, address))?;
    }
    Ok(())
}

/// That an address has a record outlives the record.
fn remember(tx: &Transaction<'_>, address: &Address) -> Result<(), Fault> {
    tx.prepare_cached(
        "INSERT INTO removed (address) SELECT address FROM records WHERE address = ?1 ON CONFLICT (address) DO NOTHING",
    )?
    .execute([address])?;
    Ok(())
}

fn move_record(tx: &Transaction<'_>, from: &Address, to: &Address, serial: u64) -> Result<(), Fault> {
    readable([to])?;
    let mut find = tx.prepare_cached("SELECT id FROM records WHERE address = ?1")?;
    let id: Option<i64> = find.query_row([from], |row| row.get(0)).optional()?;
    let Some(id) = id else {
        return Err(Fault::refused(format!("there is no record of {from}, so it cannot be moved to {to}")));
    };
    if find.exists([to])? {
        return Err(Fault::refused(format!("{to} already has a record, so {from} cannot be moved there")));
    }
    remember(tx, from)?;
    tx.prepare_cached("UPDATE records SET address = ?2, updated_serial = ?3 WHERE id = ?1")?.execute((
        id,
        to,
        signed(serial),
    ))?;
    tx.prepare_cached(
        "UPDATE records SET updated_serial = ?2 WHERE id IN (SELECT record FROM dependencies WHERE address = ?1)",
    )?
    .execute((from, signed(serial)))?;
    tx.prepare_cached("UPDATE dependencies SET address = ?2 WHERE address = ?1")?.execute([from, to])?;
    Ok(())
}

fn open_intent(tx: &Transaction<'_>, intent: &Intent) -> Result<(), Fault> {
    readable([&intent.address])?;
    let inserted = tx
        .prepare_cached(
            "INSERT INTO intents (id, run, address, kind, provider, action, physical_id, request_digest, desired, record, \
                operation_url, opened_at) \
             VALUES (:id, :run, :address, :kind, :provider, :action, :physical_id, :request_digest, :desired, :record, \
                :operation_url, :opened_at) \
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(named_params! {
            ":id": intent.id,
            ":run": intent.run,
            ":address": intent.address,
            ":kind": intent.kind,
            ":provider": intent.provider.as_str(),
            ":action": intent.action,
            ":physical_id": intent.physical_id,
            ":request_digest": intent.request_digest,
            ":desired": json(&intent.desired, &intent.address)?,
            ":record": intent.record.as_ref().map(record_json).transpose()?,
            ":operation_url": intent.operation_url,
            ":opened_at": intent.opened_at,
        })?;
    match inserted {
        0 => Err(Fault::refused(format!("the intent {} for {} is open already", intent.id, intent.address))),
        _ => Ok(()),
    }
}

/// Adds a run to the history. One that has ended already gets its link at once.
fn start_run(tx: &Transaction<'_>, run: &Run) -> Result<(), Fault> {
    let run = Run { link: None, ..run.clone() };
    insert_run(tx, &run)?;
    if run.finished_at.is_some() { end_run(tx, run) } else { Ok(()) }
}

/// Writes how a run ended, behind the last one that did.
fn end_run(tx: &Transaction<'_>, run: Run) -> Result<(), Fault> {
    let head: String = tx.prepare_cached("SELECT head FROM meta WHERE only = 1")?.query_row([], |row| row.get(0))?;
    let link = run.linked(&head);
    tx.prepare_cached("UPDATE meta SET head = ?1 WHERE only = 1")?.execute([&link.digest])?;
    let place = format!("run {}", run.id);
    tx.prepare_cached(
        "UPDATE runs SET finished_at = ?2, result = ?3, counts = ?4, duration_ms = ?5, link = ?6 WHERE id = ?1",
    )?
    .execute((
        &run.id,
        &run.finished_at,
        &run.result,
        guard(&run.counts, &place)?,
        run.duration_ms.map(signed),
        guard(&Some(link), &place)?,
    ))?;
    Ok(())
}

fn insert_run(tx: &Transaction<'_>, run: &Run) -> Result<(), Fault> {
    let place = format!("run {}", run.id);
    let inserted = tx
        .prepare_cached(
            "INSERT INTO runs (id, actor, host, command, plan_digest, started_at, finished_at, result, counts, duration_ms, \
                planned, revision, link) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT (id) DO NOTHING",
        )?
        .execute((
            &run.id,
            &run.actor,
            &run.host,
            &run.command,
            &run.plan_digest,
            &run.started_at,
            &run.finished_at,
            &run.result,
            guard(&run.counts, &place)?,
            run.duration_ms.map(signed),
            guard(&run.planned, &place)?,
            &run.revision,
            guard(&run.link, &place)?,
        ))?;
    match inserted {
        0 => Err(Fault::refused(format!("the run {} is in the history already", run.id))),
        _ => Ok(()),
    }
}

/// Puts other contents in the place of all there are.
fn replace(tx: &Transaction<'_>, contents: &Contents) -> Result<(), Fault> {
    contents.check_chain().map_err(Fault::refused)?;
    for table in ["dependencies", "records", "intents", "runs", "removed", "durations"] {
        tx.execute(&format!("DELETE FROM {table}"), [])?;
    }
    for record in &contents.records {
        put_record(tx, record, record.created_serial, record.updated_serial)?;
    }
    contents.intents.iter().try_for_each(|intent| open_intent(tx, intent))?;
    contents.runs.iter().try_for_each(|run| insert_run(tx, run))?;
    for address in &contents.removed {
        tx.prepare_cached("INSERT INTO removed (address) VALUES (?1)")?.execute([address])?;
    }
    for Measured { kind, action, samples, mean_millis } in &contents.durations {
        tx.prepare_cached("INSERT INTO durations (kind, action, samples, mean_millis) VALUES (?1, ?2, ?3, ?4)")?
            .execute((kind, action, signed(*samples), mean_millis))?;
    }
    tx.prepare_cached("UPDATE meta SET head = ?1 WHERE only = 1")?.execute([&contents.head])?;
    Ok(())
}

fn did(tx: &Transaction<'_>, run: &str, verb: Verb, elapsed_ms: u64) -> Result<(), Fault> {
    let mut find = tx.prepare_cached("SELECT counts FROM runs WHERE id = ?1 AND link = 'null'")?;
    let mut rows = find.query([run])?;
    let Some(row) = rows.next()? else { return Ok(()) };
    let mut counts: Counts = strict(row, 0, "counts", || format!("run {run}"))?;
    counts.add(verb);
    let counts = guard(&counts, &format_args!("run {run}"))?;
    tx.prepare_cached("UPDATE runs SET counts = ?2, duration_ms = max(coalesce(duration_ms, 0), ?3) WHERE id = ?1")?
        .execute((run, counts, signed(elapsed_ms)))?;
    Ok(())
}

fn add_duration(tx: &Transaction<'_>, duration: &ActionDuration) -> Result<(), Fault> {
    tx.prepare_cached(
        "INSERT INTO durations (kind, action, samples, mean_millis) VALUES (?1, ?2, 1, ?3) \
         ON CONFLICT (kind, action) DO UPDATE SET samples = samples + 1, \
            mean_millis = mean_millis + (excluded.mean_millis - mean_millis) / (samples + 1)",
    )?
    .execute((&duration.kind, &duration.action, duration.millis as f64))?;
    Ok(())
}
