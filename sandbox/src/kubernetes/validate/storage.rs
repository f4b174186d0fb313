//! Rules for PersistentVolumes and their claims.

use serde_json::Value;

use super::super::store::{list, map, text};
use super::findings::Findings;
use super::names::{SUBDOMAIN_RULE, is_dns_subdomain};
use kompox_rules::quantity::Quantity;

/// The names of volume sources of a PV; everything else in its spec is not a source.
const SOURCES: [&str; 7] = ["csi", "hostPath", "local", "nfs", "iscsi", "azureDisk", "azureFile"];

/// What a PersistentVolume is a volume of.
pub(super) fn volume_source(object: &Value) -> Option<(&String, &Value)> {
    map(object, "/spec")?.iter().find(|(name, _)| SOURCES.contains(&name.as_str()))
}

/// A PersistentVolume.
pub(super) fn persistent_volume(object: &Value, out: &mut Findings) {
    common(object, out);
    match object.pointer("/spec/capacity/storage").and_then(Value::as_str).map(|text| Quantity::parse(text).ok()) {
        None => out.required("spec.capacity", ""),
        Some(Some(q)) if q.milli() > 0 => {}
        Some(_) => {
            let why = "must be greater than zero";
            out.invalid("spec.capacity[storage]", &object["spec"]["capacity"]["storage"], why);
        }
    }
    match volume_source(object) {
        None => out.required("spec", "must specify a volume type"),
        Some((name, source)) if name == "csi" => {
            for field in ["driver", "volumeHandle"] {
                if text(source, &format!("/{field}")).is_empty() {
                    out.required(format!("spec.csi.{field}"), "");
                }
            }
            let driver = text(source, "/driver");
            if !driver.is_empty() && !is_dns_subdomain(&driver.to_ascii_lowercase()) {
                out.invalid("spec.csi.driver", &driver.into(), SUBDOMAIN_RULE);
            }
        }
        Some(_) => {}
    }
    if map(object, "/spec").into_iter().flatten().filter(|(name, _)| SOURCES.contains(&name.as_str())).count() > 1 {
        out.forbidden("spec", "may not specify more than 1 volume type");
    }
    if map(object, "/spec/capacity").is_some_and(|capacity| capacity.len() > 1) {
        out.unsupported("spec.capacity", &object["spec"]["capacity"].to_string(), &["storage"]);
    }
    if object.pointer("/spec/nodeAffinity").is_some() && object.pointer("/spec/nodeAffinity/required").is_none() {
        out.required("spec.nodeAffinity.required", "must specify required node constraints");
    }
    let policy = text(object, "/spec/persistentVolumeReclaimPolicy");
    if !matches!(policy, "Retain" | "Delete" | "Recycle") {
        out.unsupported("spec.persistentVolumeReclaimPolicy", policy, &["Delete", "Recycle", "Retain"]);
    }
}

/// What volumes and claims have in common.
fn common(object: &Value, out: &mut Findings) {
    const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    let modes = list(object, "/spec/accessModes");
    if modes.is_empty() {
        out.required("spec.accessModes", "at least 1 access mode is required");
    }
    if modes.len() > 1 && modes.iter().any(|mode| mode == "ReadWriteOncePod") {
        out.forbidden("spec.accessModes", "may not use ReadWriteOncePod with other access modes");
    }
    out.one_of("spec.volumeMode", text(object, "/spec/volumeMode"), &["Block", "Filesystem"]);
    let class = text(object, "/spec/storageClassName");
    if !class.is_empty() {
        out.subdomain("spec.storageClassName", class);
    }
    for mode in modes.iter().filter_map(Value::as_str).filter(|m| !MODES.contains(m)) {
        out.unsupported("spec.accessModes", mode, &MODES);
    }
}

/// A PersistentVolumeClaim.
pub(super) fn claim(object: &Value, out: &mut Findings) {
    common(object, out);
    match object
        .pointer("/spec/resources/requests/storage")
        .and_then(Value::as_str)
        .map(|text| Quantity::parse(text).ok())
    {
        None => out.required("spec.resources[storage]", ""),
        Some(Some(q)) if q.milli() > 0 => {}
        Some(_) => out.invalid("spec.resources[storage]", &object["spec"]["resources"], "must be greater than zero"),
    }
}

/// A change of a PersistentVolumeClaim.
pub(super) fn claim_update(old: &Value, new: &Value, out: &mut Findings) {
    let rest = |object: &Value| {
        let mut spec = map(object, "/spec").cloned().unwrap_or_default();
        spec.remove("resources");
        spec.remove("volumeAttributesClassName");
        spec
    };
    let (mut before, after) = (rest(old), rest(new));
    // Binding sets the name once; a claim that has none may still get one.
    if !before.contains_key("volumeName")
        && let Some(name) = after.get("volumeName")
    {
        before.insert("volumeName".into(), name.clone());
    }
    if before != after {
        out.forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        );
    }
    let size = |object: &Value| {
        object
            .pointer("/spec/resources/requests/storage")
            .and_then(Value::as_str)
            .and_then(|text| Quantity::parse(text).ok())
    };
    if let (Some(was), Some(wanted)) = (size(old), size(new)) {
        if wanted.milli() < was.milli() {
            out.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity");
        } else if wanted.milli() > was.milli() && text(old, "/status/phase") != "Bound" {
            out.forbidden("spec", "spec is immutable after creation except resources.requests for bound claims");
        }
    }
}
