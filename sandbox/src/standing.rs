//! Clusters that are there without a cloud: one for each context that a kubeconfig could name, with a node, and the
//! ingress controller's class that k3s brings. One comes into being with the first request to it.

use std::collections::BTreeMap;

use super::arm;
use super::kube_api::{KubernetesApi, NodePool};
use super::world::{World, WorldError};

/// What the key of such a cluster begins with; the context follows.
pub(crate) const PREFIX: &str = "/standing/";

/// A kubeconfig that leads to the cluster of `context` in the sandbox at `endpoint`.
#[must_use]
pub fn standing_kubeconfig(endpoint: &str, token: &str, context: &str) -> String {
    arm::kubeconfig(endpoint, token, &format!("{PREFIX}{context}"), context, "admin", "standing")
}

/// Makes the cluster with this key, unless it is there.
///
/// # Errors
/// Failures of the database.
pub(crate) fn ensure(world: &World, kube: &dyn KubernetesApi, key: &str, now_ms: i64) -> Result<(), WorldError> {
    if world.read(|tx| kube.has_cluster(tx, key))? {
        return Ok(());
    }
    world.write_quietly(|tx| {
        kube.cluster_created(tx, key, now_ms)?;
        let pool = NodePool {
            name: "node".to_owned(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            zones: Vec::new(),
            count: 1,
            vm_size: String::new(),
            mode: "System".to_owned(),
            location: String::new(),
        };
        kube.pool_changed(tx, key, &pool, now_ms)
    })
}
