//! The clusters of a world: all there are, and what a new one has.

use rusqlite::{Transaction, params};
use serde_json::json;

use super::super::standing;
use super::env::Env;
use super::kinds::by_plural;
use super::store::{Result, Store};

/// The storage classes of a managed cluster: name, driver, parameters, whether binding waits for a Pod.
const STORAGE_CLASSES: [(&str, &str, &str, bool); 5] = [
    ("default", "disk.csi.azure.com", "StandardSSD_LRS", true),
    ("managed-csi", "disk.csi.azure.com", "StandardSSD_LRS", true),
    ("managed-csi-premium", "disk.csi.azure.com", "Premium_LRS", true),
    ("azurefile-csi", "file.csi.azure.com", "Standard_LRS", false),
    ("azurefile-csi-premium", "file.csi.azure.com", "Premium_LRS", false),
];

/// The keys of all clusters.
///
/// # Errors
/// Failures of the database.
pub fn all(tx: &Transaction<'_>) -> Result<Vec<String>> {
    let mut query = tx.prepare_cached("SELECT cluster FROM kube_clusters ORDER BY cluster")?;
    let rows = query.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A new cluster, with what it has from the start.
///
/// # Errors
/// Failures of the database.
pub fn create(env: &Env<'_>, now_ms: i64) -> Result<()> {
    let Store { tx, cluster } = env.store;
    if tx.execute("INSERT OR IGNORE INTO kube_clusters (cluster, rv) VALUES (?1, 1)", params![cluster])? == 0 {
        return Ok(());
    }
    let mut objects = Vec::new();
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        objects.push(("namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})));
    }
    let standing = cluster.starts_with(standing::PREFIX);
    if standing {
        let class = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "traefik"},
            "spec": {"controller": "traefik.io/ingress-controller"},
        });
        objects.push(("ingressclasses", class));
    }
    for (name, driver, sku, waits) in STORAGE_CLASSES.into_iter().filter(|_| !standing) {
        let mut class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
            "provisioner": driver, "parameters": {"skuname": sku}, "reclaimPolicy": "Delete",
            "allowVolumeExpansion": true,
            "volumeBindingMode": if waits { "WaitForFirstConsumer" } else { "Immediate" },
        });
        if name == "default" {
            class["metadata"]["annotations"] = json!({"storageclass.kubernetes.io/is-default-class": "true"});
        }
        objects.push(("storageclasses", class));
    }
    for (plural, mut object) in objects {
        if let Some(resource) = by_plural(plural) {
            env.create(resource, &mut object, now_ms)?;
        }
    }
    Ok(())
}

/// A cluster is gone, with everything in it.
///
/// # Errors
/// Failures of the database.
pub fn delete(tx: &Transaction<'_>, cluster: &str) -> Result<()> {
    for table in ["kube_objects", "kube_changes", "kube_due", "kube_clusters"] {
        tx.execute(&format!("DELETE FROM {table} WHERE cluster = ?1"), params![cluster])?;
    }
    Ok(())
}
