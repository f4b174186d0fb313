//! The process of a service and its surroundings: user, capabilities, names, and other fields of container and Pod.

use crate::compose::merge::pairs_to_mapping;
use crate::compose::model::{Located, Service};
use crate::compose::read::Reader;
use crate::compose::service::duration;
use crate::compose::tree::{Tree, TreeEntry};
use crate::diag::{Diagnostic, Location};

/// Keys about the process and its surroundings: security context, Pod fields.
pub(super) fn runtime(reader: &mut Reader<'_>, service: &mut Service, field: &TreeEntry) {
    let value = &field.value;
    let key = field.key.as_str();
    let texts = |reader: &mut Reader<'_>| reader.texts(key, value).into_iter().map(|(text, _)| text).collect();
    let capability = |text: String| text.trim_start_matches("CAP_").to_owned();
    match key {
        "user" => user(reader, service, value),
        "group_add" => {
            for (text, location) in reader.texts(key, value) {
                match text.parse() {
                    Ok(group) => service.group_add.push(group),
                    Err(_) => {
                        let message = format!("{}: group_add {text} is a name; only numbers work", service.name);
                        reader.warning("compose-user", message, &location);
                    }
                }
            }
        }
        "working_dir" => service.working_dir = reader.text(key, value),
        "tty" => service.tty = reader.boolean(key, value).unwrap_or(false),
        "stdin_open" => service.stdin_open = reader.boolean(key, value).unwrap_or(false),
        "stop_grace_period" => service.stop_grace_period = duration(reader, key, value),
        "read_only" => service.read_only = reader.boolean(key, value).unwrap_or(false),
        "privileged" => service.privileged = reader.boolean(key, value).unwrap_or(false),
        "cap_add" => {
            let caps: Vec<String> = texts(reader);
            service.cap_add = caps.into_iter().map(capability).collect();
        }
        "cap_drop" => {
            let caps: Vec<String> = texts(reader);
            service.cap_drop = caps.into_iter().map(capability).collect();
        }
        "security_opt" => security_opt(reader, service, value),
        "sysctls" => {
            let pairs = pairs_to_mapping(value.clone());
            for entry in reader.entries(key, &pairs) {
                if let Some(text) = reader.text(&entry.key, &entry.value) {
                    let located = Located { value: text, location: entry.key_location.clone() };
                    service.sysctls.insert(entry.key.clone(), located);
                }
            }
        }
        "extra_hosts" => extra_hosts(reader, service, value),
        "dns" => service.dns = texts(reader),
        "dns_search" => service.dns_search = texts(reader),
        "dns_opt" => service.dns_opt = texts(reader),
        "pull_policy" => pull_policy(reader, service, value),
        // The table says that a key is mapped, but nobody maps it: never silent.
        other => {
            reader.warning("compose-key-warned", format!("{}: {other} is not used", service.name), &field.key_location)
        }
    }
}

pub(super) fn network_mode(reader: &mut Reader<'_>, service: &Service, tree: &Tree) {
    let Some(mode) = reader.text("network_mode", tree) else { return };
    if matches!(mode.as_str(), "host" | "none") {
        let message = format!("{}: network_mode {mode} is not used: the Pod has its own network", service.name);
        reader.warning("compose-key-warned", message, &tree.location);
    } else {
        let message = format!("{}: network_mode is not used: all services share one Pod", service.name);
        reader.note("compose-key-noted", message, &tree.location);
    }
}

fn user(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    let Some(text) = reader.text("user", tree) else { return };
    let number = |text: &str| if text == "root" { Some(0) } else { text.parse::<i64>().ok().filter(|n| *n >= 0) };
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (number(user), Some(number(group))),
        None => (number(&text), None),
    };
    match (user, group) {
        (Some(user), None) => service.user = Some((user, None)),
        (Some(user), Some(Some(group))) => service.user = Some((user, Some(group))),
        _ => reader.push(
            Diagnostic::warning("compose-user", format!("{}: user {text} is a name; only numbers work", service.name))
                .help("write the numeric ids, such as user: \"1000:1000\""),
            &tree.location,
        ),
    }
}

fn security_opt(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    for (text, location) in reader.texts("security_opt", tree) {
        match text.replace('=', ":").as_str() {
            "no-new-privileges" | "no-new-privileges:true" => service.no_new_privileges = true,
            "no-new-privileges:false" => {}
            "seccomp:unconfined" => service.seccomp_unconfined = true,
            "apparmor:unconfined" => service.apparmor_unconfined = true,
            _ => {
                let message = format!("{}: security_opt {text} is not used", service.name);
                reader.warning("compose-key-warned", message, &location);
            }
        }
    }
}

fn extra_hosts(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    let pairs: Vec<(String, String, Location)> = if tree.as_mapping().is_some() {
        let mut pairs = Vec::new();
        for entry in reader.entries("extra_hosts", tree) {
            for (address, location) in reader.texts("extra_hosts", &entry.value) {
                pairs.push((entry.key.clone(), address, location));
            }
        }
        pairs
    } else {
        let texts = reader.texts("extra_hosts", tree);
        texts
            .into_iter()
            .map(|(text, location)| {
                let (host, address) = text.split_once('=').or_else(|| text.split_once(':')).unwrap_or((&text, ""));
                (host.to_owned(), address.to_owned(), location)
            })
            .collect()
    };
    for (host, address, location) in pairs {
        let address = address.trim_matches(['[', ']']);
        if address.parse::<std::net::IpAddr>().is_ok() {
            service.extra_hosts.push((address.to_owned(), host));
        } else {
            let message = format!("{}: extra_hosts {host}: \"{address}\" is no address; it is not used", service.name);
            reader.warning("compose-key-warned", message, &location);
        }
    }
}

fn pull_policy(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    let Some(text) = reader.text("pull_policy", tree) else { return };
    service.pull_policy = match text.as_str() {
        "always" => Some("Always"),
        "never" => Some("Never"),
        "missing" | "if_not_present" => Some("IfNotPresent"),
        "build" => {
            let message = format!("{}: pull_policy build is not used: images are pulled", service.name);
            reader.warning("compose-key-warned", message, &tree.location);
            None
        }
        _ => {
            let message = format!("{}: pull_policy {text} is read as always", service.name);
            reader.note("compose-key-noted", message, &tree.location);
            Some("Always")
        }
    };
}
