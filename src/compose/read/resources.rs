//! What a service may use: `deploy`, `cpus`, `mem_limit`, `x-kompox`, and how often it runs.

use std::collections::BTreeMap;

use super::reader::Reader;
use super::verdict::{known_entries, report_value};
use crate::compose::model::{Located, Resources, Service};
use crate::compose::syntax;
use crate::compose::tree::{Tree, TreeEntry};
use crate::diag::Diagnostic;
use kompox_rules::quantity::Quantity;

pub(super) fn deploy(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    let name = service.name.clone();
    for entry in known_entries(reader, &name, "deploy", &["mode"], tree) {
        match entry.key.as_str() {
            "resources" => {
                for part in known_entries(reader, &name, "deploy.resources", &[], &entry.value) {
                    deploy_resources(reader, service, part);
                }
            }
            "replicas" => replicas(reader, service, "deploy.replicas", &entry.value),
            "mode" => {
                if let Some(mode) = reader.text("deploy.mode", &entry.value) {
                    report_value(reader, &name, "deploy.mode", &mode, &entry.key_location);
                }
            }
            "restart_policy" => {
                for part in known_entries(reader, &name, "deploy.restart_policy", &[], &entry.value) {
                    let Some(condition) = reader.text("condition", &part.value) else { continue };
                    let value = match condition.as_str() {
                        "none" => "no".to_owned(),
                        "any" => "always".to_owned(),
                        _ => condition,
                    };
                    service.restart = Some(Located { value, location: part.value.location.clone() });
                }
            }
            _ => {}
        }
    }
}

fn deploy_resources(reader: &mut Reader<'_>, service: &mut Service, part: &TreeEntry) {
    let name = service.name.clone();
    let path = format!("deploy.resources.{}", part.key);
    for entry in known_entries(reader, &name, &path, &[], &part.value) {
        let resources = &mut service.resources;
        let target = if part.key == "limits" { &mut resources.limits } else { &mut resources.requests };
        match entry.key.as_str() {
            "cpus" => cpus(reader, target, "cpus", &entry.value),
            "memory" => memory(reader, target, "memory", &entry.value),
            "devices" => devices(reader, service, "deploy.resources.reservations.devices", &entry.value),
            _ => {}
        }
    }
}

/// Devices of the container that a device plugin gives out: graphics processors, by their number. Those of `gpus` need
/// not say what they are.
pub(super) fn devices(reader: &mut Reader<'_>, service: &mut Service, path: &str, tree: &Tree) {
    let name = service.name.clone();
    for item in reader.list(path, tree) {
        let (mut driver, mut count, mut ids) = (None, None, Vec::new());
        let mut gpu = path == "gpus";
        for entry in known_entries(reader, &name, path, &[], item) {
            match entry.key.as_str() {
                "driver" => driver = reader.text("driver", &entry.value).filter(|text| !text.is_empty()),
                "count" => count = Some(&entry.value),
                "device_ids" => ids = reader.texts("device_ids", &entry.value),
                "capabilities" => {
                    gpu |= reader.texts("capabilities", &entry.value).iter().any(|(text, _)| text == "gpu");
                }
                _ => {}
            }
        }
        if !gpu || !matches!(driver.as_deref(), None | Some("nvidia" | "amd")) {
            let message =
                format!("{name}: {path}: of devices only gpu of nvidia or amd is known; this one is not used");
            reader.warning("compose-key-warned", message, &item.location);
            continue;
        }
        let number = match count.map(|tree| (tree, tree.as_text().unwrap_or_default())) {
            _ if !ids.is_empty() => {
                let message = format!("{name}: {path}.device_ids: the cluster decides which processors it gives");
                reader.warning("compose-key-warned", message, &item.location);
                ids.len() as i64
            }
            Some((tree, "all" | "-1")) => {
                all_is_one(reader, &name, path, tree);
                1
            }
            Some((tree, _)) => match reader.integer("count", tree) {
                Some(number @ 1..=1024) => number,
                Some(number) => {
                    reader.error("compose-type", format!("{name}: {path}.count cannot be {number}"), &tree.location);
                    continue;
                }
                None => continue,
            },
            None => {
                all_is_one(reader, &name, path, item);
                1
            }
        };
        add_gpus(service, driver.as_deref(), number);
    }
}

fn all_is_one(reader: &mut Reader<'_>, service: &str, path: &str, tree: &Tree) {
    let message = format!("{service}: {path}: all graphics processors of a node cannot be asked for; it gets one");
    let finding = Diagnostic::warning("compose-gpu", message).help("write their number: count: 1");
    reader.push(finding, &tree.location);
}

fn add_gpus(service: &mut Service, driver: Option<&str>, number: i64) {
    let resource = if driver == Some("amd") { "amd.com/gpu" } else { "nvidia.com/gpu" };
    service.resources.limits.insert(resource.to_owned(), number.to_string());
}

/// `cpu_quota` through `cpu_period`, where nothing else limits processors.
pub(super) fn quota(service: &mut Service, tree: &Tree, reader: &mut Reader<'_>) {
    /// What Linux assumes, in microseconds.
    const PERIOD: i64 = 100_000;
    let period = tree.get("cpu_period").and_then(|tree| reader.integer("cpu_period", tree)).unwrap_or(PERIOD);
    let Some(value) = tree.get("cpu_quota") else { return };
    let Some(quota) = reader.integer("cpu_quota", value).filter(|quota| *quota > 0) else { return };
    if period <= 0 || service.resources.limits.contains_key("cpu") {
        return;
    }
    let cpus = quota as f64 / period as f64;
    if let Some(quantity) = syntax::quantity_of_cpus(&cpus.to_string()).filter(|quantity| quantity != "0") {
        service.resources.limits.insert("cpu".to_owned(), quantity);
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
        None => {
            let message = format!("{key}: \"{text}\" is no number of processors");
            // The loader takes any number.
            match tree.number() {
                Ok(_) => reader.error("compose-type", message, &tree.location),
                Err(_) => reader.told("compose-type", message, &tree.location),
            }
        }
    }
}

pub(super) fn memory(reader: &mut Reader<'_>, target: &mut BTreeMap<String, String>, key: &str, tree: &Tree) {
    // Zero is no limit.
    if let Some(bytes) = reader.size(key, tree).filter(|bytes| *bytes > 0) {
        target.insert("memory".to_owned(), syntax::quantity_of_bytes(bytes));
    }
}

/// User and group of `UID` or `UID:GID`; the group of a user alone has the same number.
fn owner(text: &str) -> Option<(u32, u32)> {
    let (user, group) = text.split_once(':').unwrap_or((text, text));
    Some((user.parse().ok()?, group.parse().ok()?))
}

/// Absolute paths in a container; none where one is something else.
fn left_out(tree: &Tree) -> Option<Vec<String>> {
    if tree.is_null() {
        return Some(Vec::new());
    }
    let path = |item: &Tree| item.as_text().filter(|path| path.starts_with('/')).map(str::to_owned);
    tree.as_sequence()?.iter().map(path).collect()
}

/// What a service says in words of kompox. The loader knows none of it, so its types are checked here.
pub(super) fn x_kompox(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    for entry in own_entries(reader, "x-kompox", tree) {
        let target = match entry.key.as_str() {
            "resources" => &mut service.resources.requests,
            "limits" => &mut service.resources.limits,
            "liveness" | "copyUp" => {
                let asked = if entry.key == "liveness" { &mut service.liveness } else { &mut service.copy_up };
                match entry.value.boolean() {
                    Ok(true) => *asked = Some(entry.key_location.clone()),
                    Ok(false) => {}
                    Err(_) if entry.value.is_null() => {}
                    Err(_) => own_type(reader, &format!("x-kompox.{}", entry.key), "true or false", &entry.value),
                }
                continue;
            }
            "chown" => {
                match entry.value.as_text().and_then(owner) {
                    Some(owner) => {
                        service.owner = Some(Located { value: owner, location: entry.value.location.clone() })
                    }
                    None if entry.value.is_null() => {}
                    None => own_type(reader, "x-kompox.chown", "\"UID\" or \"UID:GID\", in numbers", &entry.value),
                }
                continue;
            }
            "leaveOut" => {
                match left_out(&entry.value) {
                    Some(paths) => service.left_out.extend(paths),
                    None => own_type(reader, "x-kompox.leaveOut", "a list of paths of mounts", &entry.value),
                }
                continue;
            }
            _ => {
                let known = ["resources", "limits", "liveness", "copyUp", "chown", "leaveOut"];
                reader.unknown_key("x-kompox", entry, &known);
                continue;
            }
        };
        for part in own_entries(reader, &entry.key, &entry.value) {
            // A quantity as it is written: `1e9` is one.
            let Some(text) = part.value.as_text().map(str::to_owned) else {
                own_type(reader, &part.key, "a quantity", &part.value);
                continue;
            };
            if !matches!(part.key.as_str(), "cpu" | "memory" | "ephemeral-storage") {
                reader.unknown_key("x-kompox", part, &["cpu", "memory", "ephemeral-storage"]);
            } else if Quantity::parse(&text).is_ok_and(|amount| amount.nano() >= 0) {
                target.insert(part.key.clone(), text);
            } else {
                let message = format!("x-kompox: \"{text}\" is no quantity such as 500m or 256Mi");
                reader.error("compose-type", message, &part.value.location);
            }
        }
    }
}

fn own_entries<'t>(reader: &mut Reader<'_>, what: &str, tree: &'t Tree) -> Vec<&'t TreeEntry> {
    if tree.as_mapping().is_none() && !tree.is_null() {
        own_type(reader, what, "a mapping", tree);
        return Vec::new();
    }
    reader.entries(what, tree)
}

fn own_type(reader: &mut Reader<'_>, what: &str, expected: &str, tree: &Tree) {
    let message = format!("{what} must be {expected}, not {}", tree.describe());
    reader.error("compose-type", message, &tree.location);
}

/// What is set aside must not be more than what is the most: Kubernetes takes no such container.
pub(super) fn check(reader: &mut Reader<'_>, service: &Service) {
    let Resources { requests, limits } = &service.resources;
    for (name, request) in requests {
        let Some(limit) = limits.get(name) else { continue };
        if let (Ok(least), Ok(most)) = (Quantity::parse(request), Quantity::parse(limit))
            && least.nano() > most.nano()
        {
            let message = format!("{}: {request} of {name} are set aside, but {limit} are the most", service.name);
            let finding = Diagnostic::error("compose-resources", message);
            reader.push(finding.help("raise the limit, or lower the reservation"), &service.location);
        }
    }
}

/// `scale` or `deploy.replicas`: none leaves the service out, several cannot be.
pub(super) fn replicas(reader: &mut Reader<'_>, service: &mut Service, key: &str, tree: &Tree) {
    let Some(count) = reader.integer(key, tree) else { return };
    let name = &service.name;
    match count {
        1 => {}
        0 => reader.note("compose-replicas", format!("{name}: {key} is 0: it is left out"), &tree.location),
        2.. => {
            let message = format!("{name}: {key} is {count}, but there is one Pod with one container each");
            reader.warning("compose-replicas", message, &tree.location);
        }
        // The loader says that there cannot be fewer than none.
        _ => reader.told("compose-type", format!("{name}: {key} cannot be {count}"), &tree.location),
    }
    service.replicas = count.max(0);
}
