//! Checks of the canonical tree that the JSON schema cannot say.

use super::fault::{Fault, Faults, Step};
use super::path::Path;
use super::scalar::Value;
use crate::compose::tree::{Tree, TreeEntry};

/// Checks a merged file.
pub(super) fn validate(tree: &Tree) -> Step<()> {
    let mut faults = Vec::new();
    for (kind, sources) in [("configs", &["file", "environment", "content"][..]), ("secrets", &["file", "environment"])]
    {
        let path = Path::ROOT.key(kind);
        for entry in entries(tree.get(kind)) {
            file_object(entry, sources, &path.key(&entry.key), &mut faults);
        }
    }
    let path = Path::ROOT.key("volumes");
    for entry in entries(tree.get("volumes")) {
        external(entry, &path.key(&entry.key), &mut faults);
    }
    let path = Path::ROOT.key("services");
    for entry in entries(tree.get("services")) {
        service(&entry.value, &path.key(&entry.key), &mut faults);
    }
    if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
}

fn entries(tree: Option<&Tree>) -> &[TreeEntry] {
    tree.and_then(Tree::as_mapping).unwrap_or_default()
}

fn items(tree: Option<&Tree>) -> &[Tree] {
    tree.and_then(Tree::as_sequence).unwrap_or_default()
}

fn file_object(entry: &TreeEntry, sources: &[&str], path: &Path<'_>, faults: &mut Vec<Fault>) {
    let given = sources.iter().filter(|key| entry.value.get(key).is_some()).count();
    if given > 1 {
        let message = format!("{path}: only one of {} may be given", sources.join(", "));
        faults.push(Fault::new("compose-file-source", message, &entry.key_location));
    }
    if given == 0 && entry.value.get("driver").is_none() && entry.value.get("external").is_none() {
        let message = format!("{path} must have one of {}, external", sources.join(", "));
        faults.push(Fault::new("compose-file-source", message, &entry.key_location));
    }
}

fn external(entry: &TreeEntry, path: &Path<'_>, faults: &mut Vec<Fault>) {
    if entry.value.get("external").and_then(Tree::value) != Some(Value::Bool(true)) {
        return;
    }
    for other in entries(Some(&entry.value)) {
        if !matches!(other.key.as_str(), "name" | "external") && !other.key.starts_with("x-") {
            let message = format!("{path}: {} may not stand next to external", other.key);
            faults.push(Fault::new("compose-external", message, &other.key_location));
        }
    }
}

fn service(service: &Tree, path: &Path<'_>, faults: &mut Vec<Fault>) {
    let ports = path.key("ports");
    for (at, port) in items(service.get("ports")).iter().enumerate() {
        let Some(address) = port.get("host_ip") else { continue };
        if !address.as_str().is_some_and(super::paths::is_address) {
            let shown = if address.interpolated { "the value" } else { address.as_str().unwrap_or_default() };
            let message = format!("{}.host_ip: {shown} is no address", ports.index(at));
            faults.push(Fault::new("compose-port", message, &address.location));
        }
    }
    let develop = path.key("develop");
    let watch = develop.key("watch");
    for (at, trigger) in items(service.get("develop").and_then(|develop| develop.get("watch"))).iter().enumerate() {
        if let Some(found) = trigger.get("path").filter(|found| found.as_str() == Some("")) {
            let message = format!("{}.path must not be empty", watch.index(at));
            faults.push(Fault::new("compose-type", message, &found.location));
        }
    }
    let reserved = ["resources", "reservations", "devices"];
    let devices = reserved.iter().try_fold(service.get("deploy"), |tree, key| Some(tree?.get(key)));
    let (deploy, gpus) = (path.key("deploy.resources.reservations.devices"), path.key("gpus"));
    for (requests, path) in [(devices.flatten(), &deploy), (service.get("gpus"), &gpus)] {
        for (at, request) in items(requests).iter().enumerate() {
            if request.get("count").is_some() && request.get("device_ids").is_some() {
                let message = format!("{}: only one of count, device_ids may be given", path.index(at));
                faults.push(Fault::new("compose-device", message, &request.location));
            }
        }
    }
}
