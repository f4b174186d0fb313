//! What Pods mount: claims, their volumes, and the disks below them.

use serde_json::Value;

use super::kinds::by_plural;
use super::store::{Result, Store, list, text};

/// The names of the claims that a Pod mounts.
pub fn claim_names(pod: &Value) -> impl Iterator<Item = &str> {
    list(pod, "/spec/volumes").iter().map(|v| text(v, "/persistentVolumeClaim/claimName")).filter(|n| !n.is_empty())
}

/// The handle of a volume's disk. Only disks are attached; shares are mounted over the network. Provisioned volumes
/// have no resource behind them here.
pub fn disk_of(volume: &Value) -> Option<&str> {
    let handle = text(volume, "/spec/csi/volumeHandle");
    let is_disk = text(volume, "/spec/csi/driver") == "disk.csi.azure.com";
    (is_disk && handle.to_ascii_lowercase().contains("/disks/")).then_some(handle)
}

/// The host cache that the driver asks for: `ReadOnly`, where the attributes do not say (`NormalizeCachingMode` of
/// kubernetes-sigs/azuredisk-csi-driver).
fn caching(volume: &Value) -> &str {
    let attributes = volume.pointer("/spec/csi/volumeAttributes").and_then(Value::as_object);
    let said = attributes.into_iter().flatten().find(|(key, _)| key.eq_ignore_ascii_case("cachingMode"));
    said.and_then(|(_, mode)| mode.as_str()).unwrap_or("ReadOnly")
}

/// The cloud disks a Pod mounts, by their handles, with the caches.
pub fn handles(store: &Store<'_>, pod: &Value) -> Result<Vec<(String, String)>> {
    let (Some(claims), Some(volumes)) = (by_plural("persistentvolumeclaims"), by_plural("persistentvolumes")) else {
        return Ok(Vec::new());
    };
    let namespace = text(pod, "/metadata/namespace");
    let mut out = Vec::new();
    for name in claim_names(pod) {
        let Some(claim) = store.get(claims, namespace, name)? else { continue };
        let Some(volume) = store.get(volumes, "", text(&claim, "/spec/volumeName"))? else { continue };
        out.extend(disk_of(&volume).map(|handle| (handle.to_owned(), caching(&volume).to_owned())));
    }
    Ok(out)
}
