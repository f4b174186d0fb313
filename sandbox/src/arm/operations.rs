//! Long-running operations. They progress by nothing but the clock: an operation has a due time, and whoever serves the
//! first request after it lets its effect take place (`settle`). So they go on while no sandbox runs, and in whichever
//! process comes next.

use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::json;
use uuid::Uuid;

use super::super::clock::rfc3339;
use super::super::world::WorldError;
use super::answer::{Answer, Content, Failure};
use super::call::Call;
use super::store;

/// What an operation does when it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// The resource becomes `Succeeded` (or `Failed`).
    Write,
    /// The resource goes.
    Delete,
}

impl Work {
    /// The word for it in the row of an operation.
    pub const fn text(self) -> &'static str {
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

/// Refuses a write while another is under way.
///
/// # Errors
/// `OperationNotAllowed`.
pub(super) fn idle(call: &Call<'_>, key: &str) -> Result<(), Failure> {
    match running(call.tx, key)? {
        Some(_) => Err(in_progress(key.rsplit('/').next().unwrap_or_default())),
        None => Ok(()),
    }
}

/// 409 `OperationNotAllowed`.
pub(super) fn in_progress(name: &str) -> Failure {
    Failure::new(
        409,
        "OperationNotAllowed",
        format!(
            "Operation is not allowed because there's an in progress operation on '{name}'. Please wait for it to finish before starting a new operation."
        ),
    )
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
