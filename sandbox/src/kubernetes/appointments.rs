//! What follows when an object is made, changed or gone: the appointments (`kube_due`) to look at others, and which
//! disks are let go.

use serde_json::Value;

use super::disks::Disks;
use super::kinds::by_plural;
use super::mounts;
use super::store::{Result, Store, is_deleting, key, text};

/// Has Pods that wait for a node looked at again; an empty `namespace` means all.
pub fn retry_pending(store: &Store<'_>, namespace: &str, now_ms: i64) -> Result<()> {
    let Some(pods) = by_plural("pods") else { return Ok(()) };
    for pod in store.list(pods, namespace)? {
        if text(&pod, "/spec/nodeName").is_empty() && !is_deleting(&pod) {
            let (namespace, name) = key(&pod);
            store.schedule(pods.plural, &namespace, &name, now_ms)?;
        }
    }
    Ok(())
}

/// Claims that ask for this volume by name, that are bound to it, or that take any of its class are looked at.
pub fn volume_appeared(store: &Store<'_>, volume: &Value, due_ms: i64) -> Result<()> {
    let Some(claims) = by_plural("persistentvolumeclaims") else { return Ok(()) };
    let name = text(volume, "/metadata/name");
    let class = text(volume, "/spec/storageClassName");
    let free = volume.pointer("/spec/claimRef").is_none();
    let mut waiting = Vec::new();
    store.scan(claims, "", None, |row| {
        // Most claims are for other volumes: only those that mention the name are read.
        if free || row.json.contains(name) {
            let claim: Value = serde_json::from_str(&row.json)?;
            let asked = text(&claim, "/spec/volumeName");
            let any = free && asked.is_empty() && text(&claim, "/spec/storageClassName") == class;
            if asked == name || any && text(&claim, "/status/phase") == "Pending" {
                waiting.push((row.namespace, row.name));
            }
        }
        Ok(true)
    })?;
    for (namespace, name) in waiting {
        store.schedule(claims.plural, &namespace, &name, due_ms)?;
    }
    Ok(())
}

/// Has the Job or the Deployment that a Pod is of looked at.
pub fn wake_owner(store: &Store<'_>, pod: &Value, now_ms: i64) -> Result<()> {
    wake_job(store, pod, now_ms)?;
    let Some(sets) = by_plural("replicasets") else { return Ok(()) };
    let (namespace, _) = key(pod);
    if let Some(set) = store.get(sets, &namespace, text(pod, "/metadata/ownerReferences/0/name"))? {
        let owner = text(&set, "/metadata/ownerReferences/0/name");
        if !owner.is_empty() {
            store.schedule("deployments", &namespace, owner, now_ms)?;
        }
    }
    Ok(())
}

/// Wakes the Job whose Pod this is.
fn wake_job(store: &Store<'_>, pod: &Value, now_ms: i64) -> Result<()> {
    let (namespace, _) = key(pod);
    if text(pod, "/metadata/ownerReferences/0/kind") == "Job" {
        let owner = text(pod, "/metadata/ownerReferences/0/name");
        store.schedule("jobs", &namespace, owner, now_ms)?;
    }
    Ok(())
}

/// A Pod is gone: its disks are free, its Deployment may go on.
pub fn pod_ended(store: &Store<'_>, disks: &dyn Disks, pod: &Value, now_ms: i64) -> Result<()> {
    released(store, disks, pod, now_ms)?;
    wake_owner(store, pod, now_ms)
}

/// A Pod is gone: disks nobody else mounts are detached, claims that waited for it are looked at.
fn released(store: &Store<'_>, disks: &dyn Disks, pod: &Value, now_ms: i64) -> Result<()> {
    let Some(pods) = by_plural("pods") else { return Ok(()) };
    let namespace = text(pod, "/metadata/namespace");
    for name in mounts::claim_names(pod) {
        store.schedule("persistentvolumeclaims", namespace, name, now_ms)?;
    }
    if text(pod, "/spec/nodeName").is_empty() {
        return Ok(());
    }
    let mine = mounts::handles(store, pod)?;
    if mine.is_empty() {
        return Ok(());
    }
    let mut others = Vec::new();
    for other in store.list(pods, namespace)? {
        if !text(&other, "/spec/nodeName").is_empty() {
            others.extend(mounts::handles(store, &other)?);
        }
    }
    for mounted in mine.iter().filter(|mounted| !others.contains(mounted)) {
        disks.detach(store.tx, store.cluster, &mounted.0)?;
    }
    Ok(())
}

/// A claim is gone: its volume is released.
pub fn claim_gone(store: &Store<'_>, claim: &Value, now_ms: i64) -> Result<()> {
    let volume = text(claim, "/spec/volumeName");
    if volume.is_empty() { Ok(()) } else { store.schedule("persistentvolumes", "", volume, now_ms) }
}

/// A volume is gone: its claim is lost.
pub fn volume_gone(store: &Store<'_>, disks: &dyn Disks, volume: &Value, now_ms: i64) -> Result<()> {
    // As the CSI drivers do, also for a volume that is deleted itself (HonorPVReclaimPolicy, Kubernetes 1.33).
    if text(volume, "/spec/persistentVolumeReclaimPolicy") == "Delete" {
        disks.delete(store.tx, text(volume, "/spec/csi/volumeHandle"))?;
    }
    match volume.pointer("/spec/claimRef") {
        Some(reference) => {
            let (namespace, name) = (text(reference, "/namespace"), text(reference, "/name"));
            store.schedule("persistentvolumeclaims", namespace, name, now_ms)
        }
        None => Ok(()),
    }
}
