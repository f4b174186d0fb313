//! Conditions in the status of Deployments and Pods.

use serde_json::{Value, json};

use super::super::store::text;

/// Sets a condition by its type; the transition time changes only with the status.
pub(super) fn set_condition(
    conditions: &mut Vec<Value>,
    kind: &str,
    status: bool,
    reason: &str,
    message: &str,
    now: &str,
) {
    let status = if status { "True" } else { "False" };
    let fresh = json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastUpdateTime": now, "lastTransitionTime": now,
    });
    match conditions.iter_mut().find(|c| text(c, "/type") == kind) {
        None => conditions.push(fresh),
        Some(have) if text(have, "/status") == status && text(have, "/reason") == reason => {
            have["message"] = message.into();
        }
        Some(have) => {
            let transition = have.get("lastTransitionTime").cloned();
            let same = text(have, "/status") == status;
            *have = fresh;
            if let (true, Some(transition)) = (same, transition) {
                have["lastTransitionTime"] = transition;
            }
        }
    }
}
