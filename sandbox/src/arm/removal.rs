//! What goes with a resource that is removed.

use rusqlite::Transaction;
use serde_json::Value;

use super::super::kube_api::KubernetesApi;
use super::super::world::WorldError;
use super::kinds::{CLUSTER_TYPE, DISK_TYPE, SNAPSHOT_TYPE};
use super::{attachments, body, node_groups, profiles, store};

/// Removes a resource and all that lives and dies with it.
pub(super) fn remove(tx: &Transaction<'_>, kube: &dyn KubernetesApi, key: &str, now_ms: i64) -> Result<(), WorldError> {
    for (cluster, object) in store::tree(tx, key, CLUSTER_TYPE)? {
        cluster_goes(tx, kube, &cluster, &object, now_ms)?;
    }
    for kind in [DISK_TYPE, SNAPSHOT_TYPE] {
        store::tree(tx, key, kind)?.iter().for_each(|(id, _)| kube.disk_removed(id));
    }
    store::remove_tree(tx, key)?;
    if let Some((cluster, pool)) = profiles::split_key(key) {
        kube.pool_deleted(tx, cluster, pool, now_ms)?;
        profiles::refresh(tx, cluster)?;
    }
    Ok(())
}

/// A cluster is about to go: what is in it, its node resource group, and its hold on disks go with it.
fn cluster_goes(
    tx: &Transaction<'_>,
    kube: &dyn KubernetesApi,
    key: &str,
    cluster: &Value,
    now_ms: i64,
) -> Result<(), WorldError> {
    kube.cluster_deleted(tx, key)?;
    if let Some(group) = node_groups::key(cluster) {
        attachments::detach_all(tx, &group)?;
        let owned = store::get(tx, &group)?.is_some_and(|group| body::same(&group["managedBy"], &cluster["id"]));
        if owned {
            remove(tx, kube, &group, now_ms)?;
        }
    }
    Ok(())
}
