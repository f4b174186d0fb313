//! What a service may use: `deploy`, `cpus`, `mem_limit`, `x-kompox`, and how often it runs.

use std::collections::BTreeMap;

use crate::compose::model::{Resources, Service};
use crate::compose::read::Reader;
use crate::compose::syntax;
use crate::compose::tree::{Tree, TreeEntry};

pub(super) fn deploy(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    const KEYS: [&str; 9] = [
        "endpoint_mode",
        "labels",
        "mode",
        "placement",
        "replicas",
        "resources",
        "restart_policy",
        "rollback_config",
        "update_config",
    ];
    for entry in reader.entries("deploy", tree) {
        match entry.key.as_str() {
            "resources" => {
                for part in reader.entries("resources", &entry.value) {
                    let target = match part.key.as_str() {
                        "limits" => &mut service.resources.limits,
                        "reservations" => &mut service.resources.requests,
                        _ => {
                            reader.unknown_key("deploy.resources", part, &["limits", "reservations"]);
                            continue;
                        }
                    };
                    deploy_resources(reader, target, part);
                }
            }
            "replicas" => one_replica(reader, &service.name, "deploy.replicas", &entry.value),
            key if KEYS.contains(&key) => {
                let message = format!("{}: deploy.{key} is not used: it is for Swarm", service.name);
                reader.note("compose-key-noted", message, &entry.key_location);
            }
            _ => reader.unknown_key("deploy", entry, &KEYS),
        }
    }
}

fn deploy_resources(reader: &mut Reader<'_>, target: &mut BTreeMap<String, String>, part: &TreeEntry) {
    for entry in reader.entries(&part.key, &part.value) {
        match entry.key.as_str() {
            "cpus" => cpus(reader, target, "cpus", &entry.value),
            "memory" => memory(reader, target, "memory", &entry.value),
            "pids" => {
                reader.note("compose-key-noted", "pids is not used: the node decides about it", &entry.key_location)
            }
            "devices" | "generic_resources" => {
                let message = format!("{} are not used: devices need a device plugin of the cluster", entry.key);
                reader.warning("compose-key-warned", message, &entry.key_location);
            }
            _ => reader.unknown_key(&part.key, entry, &["cpus", "memory", "pids", "devices", "generic_resources"]),
        }
    }
}

pub(super) fn cpus(reader: &mut Reader<'_>, target: &mut BTreeMap<String, String>, key: &str, tree: &Tree) {
    let Some(text) = reader.text(key, tree) else { return };
    match syntax::quantity_of_cpus(&text) {
        // Zero means no limit to docker and an impossible one to Kubernetes.
        Some(quantity) if quantity != "0" => {
            target.insert("cpu".to_owned(), quantity);
        }
        Some(_) => {}
        None => reader.error("compose-type", format!("{key}: \"{text}\" is no number of processors"), &tree.location),
    }
}

pub(super) fn memory(reader: &mut Reader<'_>, target: &mut BTreeMap<String, String>, key: &str, tree: &Tree) {
    let Some(text) = reader.text(key, tree) else { return };
    match syntax::size_bytes(&text) {
        Some(0) => {}
        Some(bytes) => {
            target.insert("memory".to_owned(), syntax::quantity_of_bytes(bytes));
        }
        None => reader.error("compose-type", format!("{key}: \"{text}\" is no size such as 512m"), &tree.location),
    }
}

pub(super) fn x_kompox_resources(reader: &mut Reader<'_>, resources: &mut Resources, tree: &Tree) {
    for entry in reader.entries("x-kompox", tree) {
        let target = match entry.key.as_str() {
            "resources" => &mut resources.requests,
            "limits" => &mut resources.limits,
            _ => {
                reader.unknown_key("x-kompox", entry, &["resources", "limits"]);
                continue;
            }
        };
        for part in reader.entries(&entry.key, &entry.value) {
            let Some(text) = reader.text(&part.key, &part.value) else { continue };
            if !matches!(part.key.as_str(), "cpu" | "memory" | "ephemeral-storage") {
                reader.unknown_key("x-kompox", part, &["cpu", "memory", "ephemeral-storage"]);
            } else if syntax::is_quantity(&text) {
                target.insert(part.key.clone(), text);
            } else {
                let message = format!("x-kompox: \"{text}\" is no quantity such as 500m or 256Mi");
                reader.error("compose-type", message, &part.value.location);
            }
        }
    }
}

pub(super) fn one_replica(reader: &mut Reader<'_>, service: &str, key: &str, tree: &Tree) {
    if let Some(count) = reader.integer(key, tree)
        && count != 1
    {
        let message = format!("{service}: {key} is {count}, but there is one Pod with one container each");
        reader.warning("compose-replicas", message, &tree.location);
    }
}
