//! PersistentVolumes and their Claims: static, retained, bound to one another by name.

use serde_json::{Value, json};

use super::context::Context;
use super::input::{Access, VolumeInput, VolumeSource};
use super::object::{ObjectKind, RenderedObject};
use crate::compose::names;
use crate::compose::syntax::quantity_of_bytes;
use crate::diag::Diagnostic;

/// PersistentVolume or Claim of a volume in addresses: by volume and disk, never by a hashed name.
pub(super) fn address(volume: &VolumeInput) -> String {
    match &volume.disk {
        Some(disk) => format!("{}.{disk}", volume.name),
        None => volume.name.clone(),
    }
}

/// The name that PersistentVolume and Claim share.
pub(super) fn name(cx: &Context<'_>, volume: &VolumeInput) -> String {
    names::persistent_volume(&cx.sp_hash, &volume.name, &cx.id_hash, volume.source.id())
}

/// All PersistentVolumes, then all Claims.
pub(super) fn objects(cx: &mut Context<'_>) -> Vec<RenderedObject> {
    let volumes = &cx.input.volumes;
    for volume in volumes {
        if volume.source.id().is_empty() || volume.size_bytes == 0 {
            let message = format!("volume {} has no disk whose id and size are known", volume.name);
            let finding = Diagnostic::error("compose-volume", message);
            match &volume.origin {
                Some(origin) => cx.push(finding, origin),
                None => cx.diagnostics.push(finding),
            }
        }
    }
    let own = |volume: &VolumeInput| !matches!(volume.source, VolumeSource::Claimed { .. });
    let pv = volumes.iter().filter(|volume| own(volume)).map(|volume| RenderedObject {
        body: persistent_volume(cx, volume),
        sensitive: Vec::new(),
        kind: ObjectKind::PersistentVolume,
        address_name: address(volume),
        after: Vec::new(),
        origin: volume.origin.clone(),
    });
    let claims = volumes.iter().map(|volume| RenderedObject {
        address_name: address(volume),
        after: std::iter::once(cx.after_namespace())
            .chain(own(volume).then(|| (ObjectKind::PersistentVolume, address(volume))))
            .collect(),
        origin: volume.origin.clone(),
        ..claim(cx, volume)
    });
    pv.chain(claims).collect()
}

fn access_mode(access: Access) -> &'static str {
    match access {
        Access::ReadWriteOnce => "ReadWriteOnce",
        Access::ReadWriteMany => "ReadWriteMany",
    }
}

/// The disk's real size, up to the next Mi.
fn size(volume: &VolumeInput) -> String {
    const MI: u64 = 1 << 20;
    quantity_of_bytes(volume.size_bytes.div_ceil(MI).saturating_mul(MI))
}

fn persistent_volume(cx: &Context<'_>, volume: &VolumeInput) -> Value {
    let mut body = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": { "name": name(cx, volume), "labels": cx.labels() },
        "spec": {
            "accessModes": [access_mode(volume.access)],
            "capacity": { "storage": size(volume) },
            // Bound in advance: an available volume without this could be taken by any claim of its class.
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "name": name(cx, volume),
                "namespace": cx.namespace,
            },
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": volume.storage_class,
            "volumeMode": "Filesystem",
        },
    });
    match &volume.source {
        // fsType is an attribute, never csi.fsType: a source is immutable and older ones have it this way.
        VolumeSource::Csi { driver, handle, attributes } => {
            body["spec"]["csi"] = json!({ "driver": driver, "volumeHandle": handle, "volumeAttributes": attributes });
        }
        VolumeSource::Local { id, node, path } => {
            body["metadata"]["annotations"] = json!({ "kompox.dev/volume-handle": id });
            body["spec"]["local"] = json!({ "path": path });
            body["spec"]["nodeAffinity"] = json!({ "required": { "nodeSelectorTerms": [{ "matchExpressions": [
                { "key": "kubernetes.io/hostname", "operator": "In", "values": [node] },
            ] }] } });
        }
        // It is there already, and none of ours to render.
        VolumeSource::Claimed { .. } => {}
    }
    if let Some(previous) = &volume.previous_handle {
        body["metadata"]["annotations"]["kompox.dev/volume-handle-previous"] = previous.as_str().into();
    }
    body
}

fn claim(cx: &Context<'_>, volume: &VolumeInput) -> RenderedObject {
    let name = name(cx, volume);
    let mut rest = json!({
        "spec": {
            "accessModes": [access_mode(volume.access)],
            "resources": { "requests": { "storage": size(volume) } },
            "storageClassName": volume.storage_class,
            "volumeMode": "Filesystem",
        },
    });
    // The name of one that is made with its disk is known to whoever made it.
    if !matches!(volume.source, VolumeSource::Claimed { .. }) {
        rest["spec"]["volumeName"] = name.as_str().into();
    }
    cx.object(ObjectKind::PersistentVolumeClaim, &name, cx.labels(), rest)
}
