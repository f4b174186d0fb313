//! Jobs: one Pod after another until one ends well or too many have failed.

use serde_json::{Value, json};

use super::super::env::Env;
use super::super::kinds::{Resource, by_plural};
use super::super::lifecycle;
use super::super::store::{Result, is_deleting, list, map_at, text};
use super::pods::{create_pod, pods_of};

/// One step of a Job, and its status.
pub fn job(env: &Env<'_>, resource: &Resource, object: Value, now_ms: i64) -> Result<()> {
    let Some(pods) = by_plural("pods") else { return Ok(()) };
    if is_deleting(&object) {
        return lifecycle::collect(env, resource, object, now_ms);
    }
    let has = |kind: &str| list(&object, "/status/conditions").iter().any(|one| text(one, "/type") == kind);
    if has("Complete") || has("Failed") {
        return Ok(());
    }
    let own = pods_of(env, &object)?;
    let count = |phase: &str| own.iter().filter(|pod| text(pod, "/status/phase") == phase).count();
    let (succeeded, failed) = (count("Succeeded"), count("Failed"));
    let mut active = own.len() - succeeded - failed;
    let limit = object.pointer("/spec/backoffLimit").and_then(Value::as_u64).unwrap_or(6);
    let over = failed as u64 > limit;
    if active == 0 && succeeded == 0 && !over && create_pod(env, pods, &object, "Job", now_ms)? {
        active = 1;
    }
    let now = env.time(now_ms);
    let condition = |kind: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": "True", "reason": reason, "message": message,
            "lastProbeTime": now, "lastTransitionTime": now,
        })
    };
    let mut new = object.clone();
    let status = map_at(&mut new, &["status"]);
    status.entry("startTime").or_insert_with(|| now.clone().into());
    for (field, number) in [("active", active), ("succeeded", succeeded), ("failed", failed)] {
        if number > 0 {
            status.insert(field.into(), number.into());
        } else {
            status.remove(field);
        }
    }
    if succeeded > 0 {
        let (reason, message) = ("CompletionsReached", "Reached expected number of succeeded pods");
        status.insert("completionTime".into(), now.clone().into());
        let conditions = ["SuccessCriteriaMet", "Complete"].map(|kind| condition(kind, reason, message));
        status.insert("conditions".into(), json!(conditions));
    } else if over {
        let (reason, message) = ("BackoffLimitExceeded", "Job has reached the specified backoff limit");
        let conditions = ["FailureTarget", "Failed"].map(|kind| condition(kind, reason, message));
        status.insert("conditions".into(), json!(conditions));
    }
    env.update(resource, &object, new, "status", now_ms)?;
    Ok(())
}
