//! Long-running operations. They progress by nothing but the clock: an operation has a due time, and whoever serves the first request after
//! it lets its effect take place. So they go on while no sandbox runs, and in whichever process comes next.

use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::clock::rfc3339;
use super::super::kube_api::KubernetesApi;
use super::super::world::WorldError;
use super::answer::{Answer, Content, Failure};
use super::{Call, body, clusters, disks, pools, store};

/// What an operation does when it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// The resource becomes `Succeeded` (or `Failed`).
    Write,
    /// The resource goes.
    Delete,
}

impl Work {
    const fn text(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Delete => "delete",
        }
    }
}

/// Which header a client should follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// `Azure-AsyncOperation` and `Location`.
    Both,
    /// `Location` alone.
    Location,
    /// `Azure-AsyncOperation` alone (a 200/201 that has the resource already).
    Status,
}

/// The code and message of an operation that was asked to fail.
const FAILURE: (&str, &str) = (
    "InternalExecutionError",
    "An internal execution error occurred: the sandbox was asked to let this operation fail.",
);

/// Starts an operation on the resource `key` that takes `units` times the configured delay; gives the headers of the answer.
pub(super) fn begin(
    call: &Call<'_>,
    key: &str,
    work: Work,
    units: u32,
    follow: Follow,
) -> Result<Vec<(&'static str, String)>, WorldError> {
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("operation/{}", call.seq).as_bytes()).to_string();
    let delay =
        i64::try_from(call.settings.operation_delay.as_millis()).unwrap_or(i64::MAX).saturating_mul(i64::from(units));
    let due = call.now_ms.saturating_add(delay);
    let error = call.fail.then_some(FAILURE.0);
    call.tx
        .prepare_cached(
            "INSERT INTO arm_operations (id, target, kind, started_ms, due_ms, error) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![id, key, work.text(), call.now_ms, due, error])?;

    let version = call.query("api-version").unwrap_or_default();
    let (status, result) = match key.split_once("/providers/") {
        Some((_, rest)) => {
            let namespace = rest.split('/').next().unwrap_or_default();
            let root = format!(
                "{}/subscriptions/{}/providers/{namespace}/locations/sandbox",
                call.base, call.route.subscription
            );
            (format!("{root}/operations/{id}"), format!("{root}/operationresults/{id}"))
        }
        None => {
            let root = format!("{}/subscriptions/{}", call.base, call.route.subscription);
            (format!("{root}/operationresults/{id}"), format!("{root}/operationresults/{id}"))
        }
    };
    let mut headers = Vec::with_capacity(3);
    if follow != Follow::Location {
        headers.push(("azure-asyncoperation", format!("{status}?api-version={version}")));
    }
    if follow != Follow::Status {
        headers.push(("location", format!("{result}?api-version={version}")));
    }
    headers.push(("retry-after", (delay / 1000).to_string()));
    Ok(headers)
}

/// Whether an operation on the resource is under way.
pub(super) fn running(tx: &Transaction<'_>, key: &str) -> Result<Option<Work>, WorldError> {
    let kind: Option<String> = tx
        .prepare_cached("SELECT kind FROM arm_operations WHERE target = ?1 AND settled = 0 ORDER BY kind LIMIT 1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    Ok(kind.map(|kind| if kind == Work::Delete.text() { Work::Delete } else { Work::Write }))
}

/// Lets every operation that is due take its effect.
pub(super) fn settle(tx: &Transaction<'_>, kube: &dyn KubernetesApi, now_ms: i64) -> Result<(), WorldError> {
    let due: Vec<(String, String, String, Option<String>)> = {
        let mut statement = tx.prepare_cached(
            "SELECT id, target, kind, error FROM arm_operations WHERE settled = 0 AND due_ms <= ?1 ORDER BY due_ms, id",
        )?;
        let rows = statement.query_map([now_ms], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    for (id, target, kind, error) in due {
        tx.prepare_cached("UPDATE arm_operations SET settled = 1 WHERE id = ?1")?.execute([&id])?;
        let Some(resource) = store::get(tx, &target)? else { continue };
        let error = match (kind == Work::Delete.text(), error) {
            (true, None) => match blocked(tx, &target)? {
                Some(code) => {
                    tx.prepare_cached("UPDATE arm_operations SET error = ?2 WHERE id = ?1")?
                        .execute(params![id, code])?;
                    Some(code.to_owned())
                }
                None => {
                    remove(tx, kube, &target, now_ms)?;
                    continue;
                }
            },
            (_, error) => error,
        };
        // A later write that is still under way decides the state.
        if running(tx, &target)?.is_none() {
            let state = if error.is_some() { "Failed" } else { "Succeeded" };
            set_state(tx, &target, resource, state)?;
        }
    }
    Ok(())
}

/// Why a delete that is due cannot take place: a group holds a disk that a machine outside of it uses.
fn blocked(tx: &Transaction<'_>, key: &str) -> Result<Option<&'static str>, WorldError> {
    if key.contains("/providers/") {
        return Ok(None);
    }
    let clusters = store::tree(tx, key, clusters::TYPE)?;
    for (_, disk) in store::tree(tx, key, disks::DISK_TYPE)? {
        let Some(user) = body::text(&disk, "managedBy").map(str::to_lowercase) else { continue };
        let inside = user.starts_with(&format!("{key}/"))
            || clusters.iter().any(|(_, cluster)| {
                clusters::node_group_key(cluster).is_some_and(|group| user.starts_with(&format!("{group}/")))
            });
        if !inside {
            return Ok(Some("ResourceGroupDeletionBlocked"));
        }
    }
    Ok(None)
}

fn set_state(tx: &Transaction<'_>, key: &str, mut resource: Value, state: &str) -> Result<(), WorldError> {
    body::set(&mut resource, "properties.provisioningState", json!(state));
    store::update(tx, key, &resource)?;
    if resource.get("type").and_then(Value::as_str).is_some_and(|kind| kind.to_lowercase().starts_with(clusters::TYPE))
    {
        clusters::settled(tx, key, state)?;
    }
    Ok(())
}

/// Removes a resource and all that lives and dies with it.
pub(super) fn remove(tx: &Transaction<'_>, kube: &dyn KubernetesApi, key: &str, now_ms: i64) -> Result<(), WorldError> {
    for (cluster, object) in store::tree(tx, key, clusters::TYPE)? {
        clusters::removed(tx, kube, &cluster, &object, now_ms)?;
    }
    for kind in [disks::DISK_TYPE, disks::SNAPSHOT_TYPE] {
        store::tree(tx, key, kind)?.iter().for_each(|(id, _)| kube.disk_removed(id));
    }
    store::remove_tree(tx, key)?;
    if let Some((cluster, pool)) = pools::split_key(key) {
        kube.pool_deleted(tx, cluster, pool, now_ms)?;
        clusters::refresh_profiles(tx, cluster)?;
    }
    Ok(())
}

/// `GET` of an operation's URL.
pub(super) fn get(call: &Call<'_>, id: &str, result: bool) -> Result<Answer, Failure> {
    let row: Option<(String, String, i64, i64, Option<String>)> = call
        .tx
        .prepare_cached("SELECT target, kind, started_ms, due_ms, error FROM arm_operations WHERE id = ?1")?
        .query_row([id.to_lowercase()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()?;
    let Some((target, kind, started, due, error)) = row else {
        return Err(Failure::new(404, "OperationNotFound", format!("The operation '{id}' was not found.")));
    };
    let done = due <= call.now_ms;
    let deletes = kind == Work::Delete.text();
    let wait = ("retry-after", ((due - call.now_ms).max(0) / 1000).to_string());
    let resource = if deletes { None } else { store::get(call.tx, &target)? };
    if result {
        let url = format!("{}{}?api-version={}", call.base, call.path, call.query("api-version").unwrap_or_default());
        return match (done, error) {
            (false, _) => Ok(Answer::empty(202, false).with(vec![("location", url), wait])),
            (true, Some(code)) => Err(Failure::new(409, &code, message_of(&code))),
            (true, None) => Ok(match resource {
                Some(resource) => Answer::found(resource),
                None if target.contains("/providers/") => Answer::empty(204, false),
                None => Answer::empty(200, false),
            }),
        };
    }
    let mut status = json!({
        "id": call.path,
        "name": id,
        "status": match (done, &error) {
            (false, _) => "InProgress",
            (true, Some(_)) => "Failed",
            (true, None) => "Succeeded",
        },
        "startTime": rfc3339(started),
    });
    if !done {
        return Ok(Answer { status: 200, headers: vec![wait], content: Content::Json(status), effect: false });
    }
    status["endTime"] = json!(rfc3339(due));
    match (error, resource) {
        (Some(code), _) => status["error"] = json!({ "code": code, "message": message_of(&code) }),
        (None, Some(resource)) => status["properties"] = json!({ "output": resource }),
        (None, None) => {}
    }
    Ok(Answer::found(status))
}

fn message_of(code: &str) -> &'static str {
    if code == FAILURE.0 {
        FAILURE.1
    } else {
        "The deletion of the resource group is blocked: it holds a disk that is attached to a machine outside of it."
    }
}
