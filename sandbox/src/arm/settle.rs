//! What falls due: in the clusters, and of long-running operations, which take their effect here.

use rusqlite::{Transaction, params};
use serde_json::{Value, json};

use super::super::kube_api::KubernetesApi;
use super::super::world::WorldError;
use super::kinds::{CLUSTER_TYPE, DISK_TYPE};
use super::operations::{self, Work};
use super::{body, node_groups, profiles, removal, store};

/// Lets everything that is due by `now_ms` happen, in the resource manager and in the clusters. Gives whether anything
/// changed.
pub(in super::super) fn settle(
    tx: &Transaction<'_>,
    kube: &dyn KubernetesApi,
    now_ms: i64,
) -> Result<bool, WorldError> {
    let before = tx.total_changes();
    // Clusters first: a Pod that has ended lets go of its disk before the disk's group is deleted.
    kube.settle(tx, now_ms)?;
    settle_operations(tx, kube, now_ms)?;
    Ok(tx.total_changes() != before)
}

/// Lets every operation that is due take its effect.
fn settle_operations(tx: &Transaction<'_>, kube: &dyn KubernetesApi, now_ms: i64) -> Result<(), WorldError> {
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
                    removal::remove(tx, kube, &target, now_ms)?;
                    continue;
                }
            },
            (_, error) => error,
        };
        // A later write that is still under way decides the state.
        if operations::running(tx, &target)?.is_none() {
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
    let clusters = store::tree(tx, key, CLUSTER_TYPE)?;
    for (_, disk) in store::tree(tx, key, DISK_TYPE)? {
        let Some(user) = body::text(&disk, "managedBy").map(str::to_lowercase) else { continue };
        let inside = user.starts_with(&format!("{key}/"))
            || clusters.iter().any(|(_, cluster)| {
                node_groups::key(cluster).is_some_and(|group| user.starts_with(&format!("{group}/")))
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
    if resource.get("type").and_then(Value::as_str).is_some_and(|kind| kind.to_lowercase().starts_with(CLUSTER_TYPE)) {
        profiles::settled(tx, key, state)?;
    }
    Ok(())
}
