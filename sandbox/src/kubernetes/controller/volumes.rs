//! Claims and volumes: binding, provisioning, protection, and the disks below them.

use serde_json::{Value, json};

use super::super::admission::{PV_PROTECTION, PVC_PROTECTION};
use super::super::appointments;
use super::super::env::Env;
use super::super::kinds::{Resource, by_plural};
use super::super::lifecycle::{self, Propagation, drop_finalizer};
use super::super::mounts::{claim_names, disk_of, handles};
use super::super::store::{Result, is_deleting, key, list, map_at, text};
use kompox_rules::quantity::Quantity;

const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";

/// The volumes of a Pod's claims.
pub enum Mounted {
    /// All claims are bound to these volumes (or are bound once the Pod has a node).
    Ready(Vec<Value>),
    /// A claim is missing or unbound, with the scheduler's words.
    Waiting(String),
}

fn storage(object: &Value, pointer: &str) -> i128 {
    object.pointer(pointer).and_then(Value::as_str).and_then(|text| Quantity::parse(text).ok()).map_or(0, |q| q.milli())
}

/// What the scheduler finds out about a Pod's claims.
pub fn mounted(env: &Env<'_>, pod: &Value) -> Result<Mounted> {
    let (Some(claims), Some(volumes)) = (by_plural("persistentvolumeclaims"), by_plural("persistentvolumes")) else {
        return Ok(Mounted::Ready(Vec::new()));
    };
    let namespace = text(pod, "/metadata/namespace");
    let mut out = Vec::new();
    for name in claim_names(pod) {
        let Some(claim) = env.store.get(claims, namespace, name)? else {
            return Ok(Mounted::Waiting(format!("persistentvolumeclaim \"{name}\" not found.")));
        };
        if text(&claim, "/status/phase") == "Bound" {
            out.extend(env.store.get(volumes, "", text(&claim, "/spec/volumeName"))?);
        } else if is_deleting(&claim) {
            return Ok(Mounted::Waiting(format!("persistentvolumeclaim \"{name}\" is being deleted.")));
        } else if !waits_for_consumer(env, &claim)? {
            return Ok(Mounted::Waiting("pod has unbound immediate PersistentVolumeClaims.".into()));
        }
    }
    Ok(Mounted::Ready(out))
}

fn class_of(env: &Env<'_>, claim: &Value) -> Result<Option<Value>> {
    match by_plural("storageclasses") {
        Some(classes) => env.store.get(classes, "", text(claim, "/spec/storageClassName")),
        None => Ok(None),
    }
}

fn waits_for_consumer(env: &Env<'_>, claim: &Value) -> Result<bool> {
    let late = class_of(env, claim)?.is_some_and(|class| text(&class, "/volumeBindingMode") == "WaitForFirstConsumer");
    Ok(late && text(claim, "/spec/volumeName").is_empty())
}

/// Makes the volumes of claims that waited for their first consumer.
pub fn provision_for(env: &Env<'_>, pod: &Value, now_ms: i64) -> Result<()> {
    let Some(claims) = by_plural("persistentvolumeclaims") else { return Ok(()) };
    let namespace = text(pod, "/metadata/namespace");
    for name in claim_names(pod) {
        if let Some(claim) = env.store.get(claims, namespace, name)?
            && text(&claim, "/status/phase") != "Bound"
            && waits_for_consumer(env, &claim)?
        {
            // The scheduler takes a volume that is there before it has one made.
            let volumes = by_plural("persistentvolumes");
            match find_volume(env, &claim, false)?.zip(volumes) {
                Some((volume, volumes)) => bind(env, claims, &claim, volumes, &volume, now_ms)?,
                None => provision(env, claims, &claim, now_ms)?,
            }
        }
    }
    Ok(())
}

/// Dynamic provisioning: a volume named by the claim's uid, as the CSI provisioner makes it.
fn provision(env: &Env<'_>, claims: &Resource, claim: &Value, now_ms: i64) -> Result<()> {
    let (Some(volumes), Some(class)) = (by_plural("persistentvolumes"), class_of(env, claim)?) else { return Ok(()) };
    let name = format!("pvc-{}", text(claim, "/metadata/uid"));
    if env.store.get_text(volumes, "", &name)?.is_some() {
        return Ok(());
    }
    let mut volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": class["provisioner"]}},
        "spec": {
            "accessModes": claim["spec"]["accessModes"],
            "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
            "csi": {"driver": class["provisioner"], "volumeHandle": format!("{}/{name}", env.store.cluster)},
            "persistentVolumeReclaimPolicy": class["reclaimPolicy"],
            "storageClassName": class["metadata"]["name"],
            "volumeMode": claim["spec"]["volumeMode"],
        },
    });
    env.create(volumes, &mut volume, now_ms)?;
    bind(env, claims, claim, volumes, &volume, now_ms)
}

/// A claim that was made, changed or waits for something.
pub fn claim(env: &Env<'_>, resource: &Resource, mut object: Value, now_ms: i64) -> Result<()> {
    let Some(volumes) = by_plural("persistentvolumes") else { return Ok(()) };
    if is_deleting(&object) {
        if !in_use(env, &object)? && drop_finalizer(&mut object, PVC_PROTECTION) {
            lifecycle::store_or_finish(env, resource, &mut object, now_ms)?;
        }
        return Ok(());
    }
    let volume_name = text(&object, "/spec/volumeName");
    match text(&object, "/status/phase") {
        "Bound" => return bound_claim(env, resource, &object, volumes, now_ms),
        "Lost" => return Ok(()),
        _ => {}
    }
    if volume_name.is_empty() {
        let waits = waits_for_consumer(env, &object)?;
        return match find_volume(env, &object, waits)? {
            Some(volume) => bind(env, resource, &object, volumes, &volume, now_ms),
            None if waits => Ok(()),
            None => provision(env, resource, &object, now_ms),
        };
    }
    let Some(volume) = env.store.get(volumes, "", volume_name)? else { return Ok(()) };
    match refusal(&object, &volume) {
        Some((reason, message)) => env.event(&object, reason, &message, "persistentvolume-controller", now_ms),
        None => bind(env, resource, &object, volumes, &volume, now_ms),
    }
}

/// The volume that a claim gets which asks for none by name: one that is bound to it in advance, else, unless only that
/// one is `reserved` for it, the smallest available one that nobody is bound to and that satisfies it
/// (`findMatchingVolume` of Kubernetes).
fn find_volume(env: &Env<'_>, claim: &Value, reserved: bool) -> Result<Option<Value>> {
    let Some(volumes) = by_plural("persistentvolumes") else { return Ok(None) };
    let mut fitting: Vec<Value> =
        env.store.list(volumes, "")?.into_iter().filter(|volume| refusal(claim, volume).is_none()).collect();
    if let Some(own) = fitting.iter().find(|volume| volume.pointer("/spec/claimRef").is_some()) {
        return Ok(Some(own.clone()));
    }
    fitting.retain(|volume| !reserved && text(volume, "/status/phase") == "Available");
    fitting.sort_by_key(|volume| (storage(volume, "/spec/capacity/storage"), key(volume)));
    Ok(fitting.into_iter().next())
}

/// Why the claim cannot have this volume.
fn refusal(claim: &Value, volume: &Value) -> Option<(&'static str, String)> {
    let (namespace, name) = key(claim);
    if let Some(reference) = volume.pointer("/spec/claimRef") {
        let uid = text(reference, "/uid");
        let ours = text(reference, "/namespace") == namespace && text(reference, "/name") == name;
        if !ours || !(uid.is_empty() || uid == text(claim, "/metadata/uid")) {
            let volume = text(volume, "/metadata/name");
            return Some(("FailedBinding", format!("volume \"{volume}\" already bound to a different claim.")));
        }
    }
    let mismatch = |what: &str| {
        let volume = text(volume, "/metadata/name");
        Some(("VolumeMismatch", format!("Cannot bind to requested volume \"{volume}\": {what}")))
    };
    if is_deleting(volume) {
        return mismatch("the volume is being deleted");
    }
    if text(claim, "/spec/storageClassName") != text(volume, "/spec/storageClassName") {
        return mismatch("storageClassName does not match");
    }
    if storage(volume, "/spec/capacity/storage") < storage(claim, "/spec/resources/requests/storage") {
        return mismatch("requested PV is too small");
    }
    if text(claim, "/spec/volumeMode") != text(volume, "/spec/volumeMode") {
        return mismatch("incompatible volumeMode");
    }
    let offered = list(volume, "/spec/accessModes");
    if list(claim, "/spec/accessModes").iter().any(|mode| !offered.contains(mode)) {
        return mismatch("incompatible accessMode");
    }
    None
}

fn bind(
    env: &Env<'_>,
    claims: &Resource,
    claim: &Value,
    volumes: &Resource,
    volume: &Value,
    now_ms: i64,
) -> Result<()> {
    let (namespace, name) = key(claim);
    let mut pv = volume.clone();
    let reserved = pv.pointer("/spec/claimRef").is_some();
    let reference = map_at(&mut pv, &["spec", "claimRef"]);
    for (field, value) in [
        ("apiVersion", "v1"),
        ("kind", "PersistentVolumeClaim"),
        ("namespace", namespace.as_str()),
        ("name", name.as_str()),
        ("uid", text(claim, "/metadata/uid")),
        ("resourceVersion", text(claim, "/metadata/resourceVersion")),
    ] {
        reference.insert(field.into(), value.into());
    }
    if !reserved {
        map_at(&mut pv, &["metadata", "annotations"]).insert(BOUND_BY_CONTROLLER.into(), "yes".into());
    }
    map_at(&mut pv, &["status"]).insert("phase".into(), "Bound".into());
    env.update(volumes, volume, pv, "", now_ms)?;

    let mut pvc = claim.clone();
    let chosen = text(claim, "/spec/volumeName").is_empty();
    let annotations = map_at(&mut pvc, &["metadata", "annotations"]);
    annotations.insert(BIND_COMPLETED.into(), "yes".into());
    if chosen {
        annotations.insert(BOUND_BY_CONTROLLER.into(), "yes".into());
        map_at(&mut pvc, &["spec"]).insert("volumeName".into(), volume["metadata"]["name"].clone());
    }
    let status = map_at(&mut pvc, &["status"]);
    status.insert("phase".into(), "Bound".into());
    status.insert("accessModes".into(), volume["spec"]["accessModes"].clone());
    status.insert("capacity".into(), volume["spec"]["capacity"].clone());
    env.update(claims, claim, pvc, "", now_ms)?;
    appointments::retry_pending(&env.store, &namespace, now_ms)
}

/// One whose volume is gone is lost. One that asks for more gets it as the external resizer gives it: it has the driver grow what is behind the
/// volume, then the volume; a volume that is as large already is left alone, and so is the claim (`pvNeedResize` of
/// kubernetes-csi/external-resizer; "Expanding Persistent Volumes Claims" in the documentation of Kubernetes). The kubelet grows the file
/// system while a Pod has it mounted.
fn bound_claim(env: &Env<'_>, claims: &Resource, claim: &Value, volumes: &Resource, now_ms: i64) -> Result<()> {
    const PENDING: &str = "FileSystemResizePending";
    let mut new = claim.clone();
    let volume = env.store.get(volumes, "", text(claim, "/spec/volumeName"))?;
    let Some(volume) = volume.filter(|volume| {
        // A volume that says of itself that it is another claim's, or bound to this one in advance only, is not its own
        // (`syncBoundClaim` of Kubernetes: ClaimMisbound).
        let tied = volume.pointer("/spec/claimRef");
        tied.is_none_or(|reference| text(reference, "/uid") == text(claim, "/metadata/uid"))
    }) else {
        map_at(&mut new, &["status"]).insert("phase".into(), "Lost".into());
        env.update(claims, claim, new, "status", now_ms)?;
        return Ok(());
    };
    if volume.pointer("/spec/claimRef").is_none() {
        return bind(env, claims, claim, volumes, &volume, now_ms);
    }
    let asked = storage(claim, "/spec/resources/requests/storage");
    if asked <= storage(claim, "/status/capacity/storage") {
        return Ok(());
    }
    let pending = list(claim, "/status/conditions").iter().any(|condition| text(condition, "/type") == PENDING);
    if storage(&volume, "/spec/capacity/storage") >= asked && !pending {
        return Ok(());
    }
    if !pending {
        const GIB: i128 = 1000 << 30;
        let gib = i64::try_from((asked + GIB - 1) / GIB).unwrap_or(i64::MAX);
        if let Some(handle) = disk_of(&volume)
            && let Some(why) = env.disks.grow(env.store.tx, handle, gib)?
        {
            return env.event(claim, "VolumeResizeFailed", &why, "external-resizer disk.csi.azure.com", now_ms);
        }
        let mut grown = volume.clone();
        let size = claim["spec"]["resources"]["requests"]["storage"].clone();
        map_at(&mut grown, &["spec", "capacity"]).insert("storage".into(), size);
        env.update_as("csi-resizer", (volumes, ""), &volume, grown, now_ms)?;
    }
    let status = map_at(&mut new, &["status"]);
    // A share has no file system of its own.
    if disk_of(&volume).is_none() || is_mounted(env, claim)? {
        let size = claim["spec"]["resources"]["requests"]["storage"].clone();
        map_at(&mut new, &["status", "capacity"]).insert("storage".into(), size);
        map_at(&mut new, &["status"]).remove("conditions");
    } else {
        let now = env.time(now_ms);
        status.insert(
            "conditions".into(),
            json!([{"type": PENDING, "status": "True", "lastTransitionTime": now,
                "message": "Waiting for user to (re-)start a pod to finish file system resize of volume on node."}]),
        );
    }
    env.update(claims, claim, new, "status", now_ms)?;
    Ok(())
}

/// A Pod runs: what its claims wait for a mount with is done.
pub fn mounted_by(env: &Env<'_>, pod: &Value, now_ms: i64) -> Result<()> {
    let namespace = text(pod, "/metadata/namespace");
    claim_names(pod).try_for_each(|claim| env.store.schedule("persistentvolumeclaims", namespace, claim, now_ms))
}

/// Whether a Pod that runs has the claim mounted.
fn is_mounted(env: &Env<'_>, claim: &Value) -> Result<bool> {
    let Some(pods) = by_plural("pods") else { return Ok(false) };
    let (namespace, name) = key(claim);
    let runs = |pod: &Value| text(pod, "/status/phase") == "Running" && claim_names(pod).any(|claim| claim == name);
    Ok(env.store.list(pods, &namespace)?.iter().any(runs))
}

fn in_use(env: &Env<'_>, claim: &Value) -> Result<bool> {
    let Some(pods) = by_plural("pods") else { return Ok(false) };
    let (namespace, name) = key(claim);
    let users = env.store.list(pods, &namespace)?;
    Ok(users.iter().any(|pod| claim_names(pod).any(|claim| claim == name)))
}

/// A volume that was made, changed or released.
pub fn volume(env: &Env<'_>, resource: &Resource, mut object: Value, now_ms: i64) -> Result<()> {
    let Some(claims) = by_plural("persistentvolumeclaims") else { return Ok(()) };
    let old = object.clone();
    let reference = object.pointer("/spec/claimRef").cloned();
    let claim = match &reference {
        Some(reference) => env.store.get(claims, text(reference, "/namespace"), text(reference, "/name"))?,
        None => None,
    };
    let phase = match (&reference, &claim) {
        (None, _) => "Available",
        (Some(reference), _) if text(reference, "/uid").is_empty() => "Available",
        (Some(reference), Some(claim)) if text(claim, "/metadata/uid") == text(reference, "/uid") => {
            if text(claim, "/spec/volumeName") == text(&object, "/metadata/name") { "Bound" } else { "Available" }
        }
        _ => "Released",
    };
    if is_deleting(&object) {
        if phase != "Bound" && drop_finalizer(&mut object, PV_PROTECTION) {
            lifecycle::store_or_finish(env, resource, &mut object, now_ms)?;
        }
        return Ok(());
    }
    map_at(&mut object, &["status"]).insert("phase".into(), phase.into());
    env.update(resource, &old, object.clone(), "status", now_ms)?;
    if phase == "Released" && text(&object, "/spec/persistentVolumeReclaimPolicy") == "Delete" {
        lifecycle::begin_delete(env, resource, object, None, Propagation::Background, now_ms)?;
    }
    Ok(())
}

/// Attaches a Pod's disks to its node; gives the reason when one cannot be.
pub fn attach(env: &Env<'_>, pod: &Value) -> Result<Option<String>> {
    let node = text(pod, "/spec/nodeName");
    for (handle, caching) in handles(&env.store, pod)? {
        if let Some(why) = env.disks.attach(env.store.tx, env.store.cluster, &handle, node, &caching)? {
            return Ok(Some(format!("AttachVolume.Attach failed for volume {handle:?}: {why}")));
        }
    }
    Ok(None)
}
