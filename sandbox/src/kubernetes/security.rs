//! The admission plugin `PodSecurity`: a Namespace that enforces a level takes no Pod that goes beyond it. Of a workload
//! only the Pods are judged; its object is taken either way.

use serde_json::Value;

use super::super::world::WorldError;
use super::kinds::by_plural;
use super::store::{Store, text};
use kompox_rules::pod_security::{BASELINE, ENFORCE, violations};

/// Why the Namespace takes no such Pod. The level `restricted` holds at least what `baseline` does.
///
/// # Errors
/// Failures of the database.
pub fn forbidden(store: &Store<'_>, namespace: &str, pod: &Value) -> Result<Option<String>, WorldError> {
    let Some(namespaces) = by_plural("namespaces") else { return Ok(None) };
    let Some(namespace) = store.get(namespaces, "", namespace)? else { return Ok(None) };
    let level = text(&namespace, &format!("/metadata/labels/{}", ENFORCE.replace('/', "~1"))).to_owned();
    if ![BASELINE, "restricted"].contains(&level.as_str()) {
        return Ok(None);
    }
    let found = violations(pod);
    Ok((!found.is_empty()).then(|| format!("violates PodSecurity \"{level}:latest\": {}", found.join(", "))))
}
