//! Ports that services listen on without declaring them, as far as the compose file and its configs say so: others name
//! them as `service:port` or by a URL, health checks ask `localhost:port`, configuration files say `listen`. Two services of one Pod cannot both listen on one port.

use std::collections::{BTreeMap, BTreeSet};

use crate::compose::addresses::{LOCAL, addresses, listens};
use crate::compose::convert::Context;
use crate::compose::convert::components::Component;
use crate::compose::model::{Condition, FileSource, Protocol, Service, Text};
use crate::diag::Diagnostic;

/// Why a service seems to listen on a port, and whether it declares the port.
struct Sign {
    reason: String,
    declared: bool,
}

/// Warns of ports that two services of a Pod seem to share. Two that both declare a port are an error elsewhere.
pub(super) fn check(cx: &mut Context<'_>, component: &Component<'_>) {
    let jobs: BTreeSet<&str> = component
        .services
        .iter()
        .flat_map(|service| &service.depends_on)
        .filter(|dependency| dependency.condition == Condition::Completed)
        .map(|dependency| dependency.service.as_str())
        .collect();
    let by_name: BTreeMap<&str, &Service> =
        component.services.iter().map(|service| (service.name.as_str(), *service)).collect();
    // Services that share a network in the compose file have agreed on their ports: they count as one.
    let owner = |service: &Service| -> String {
        let mut name = service.name.as_str();
        for _ in 0..by_name.len() {
            match by_name.get(name).and_then(|service| service.network_of.as_ref()) {
                Some(other) => name = &other.value,
                None => break,
            }
        }
        name.to_owned()
    };
    // A job has ended before the containers start.
    let lasting = |name: &&str| !jobs.contains(name);
    let mut hosts: BTreeMap<&str, String> = BTreeMap::new();
    for service in component.services.iter().filter(|service| lasting(&service.name.as_str())) {
        hosts.insert(&service.name, owner(service));
    }
    for alias in component.services.iter().flat_map(|service| &service.aliases) {
        if let Some(service) = by_name.get(alias.service.as_str()).filter(|service| lasting(&service.name.as_str())) {
            hosts.entry(&alias.name).or_insert_with(|| owner(service));
        }
    }

    let mut signs: BTreeMap<u16, BTreeMap<String, Sign>> = BTreeMap::new();
    for service in component.services.iter().filter(|service| lasting(&service.name.as_str())) {
        for port in service.ports.iter().chain(&service.expose).filter(|port| port.protocol == Protocol::Tcp) {
            let sign = Sign { reason: format!("declares it at {}", port.location), declared: true };
            signs.entry(port.target).or_default().insert(owner(service), sign);
        }
    }
    let mut note = |port: u16, owner: &str, reason: String| {
        signs.entry(port).or_default().entry(owner.to_owned()).or_insert(Sign { reason, declared: false });
    };
    for service in &component.services {
        let check = service.healthcheck.as_ref().map_or([].as_slice(), |check| &check.command);
        for (host, port) in open(check).flat_map(addresses) {
            if LOCAL.contains(&host) && lasting(&service.name.as_str()) {
                note(port, &owner(service), format!("its health check asks {host}:{port}"));
            } else if let Some(to) = hosts.get(host) {
                note(port, to, format!("the health check of {} asks {host}:{port}", service.name));
            }
        }
        for (name, value) in &service.environment {
            for (host, port) in open([value]).flat_map(addresses) {
                if let Some(to) = hosts.get(host) {
                    note(port, to, format!("{name} of {} names {host}:{port}", service.name));
                }
            }
        }
    }
    for service in &component.services {
        for (config, text) in configs(cx, service) {
            for line in text.lines().filter(|line| !line.trim_start().starts_with(['#', ';'])) {
                if let Some(port) = listens(line).filter(|_| lasting(&service.name.as_str())) {
                    note(port, &owner(service), format!("its config {config} has it listen on {port}"));
                }
                for (host, port) in addresses(line) {
                    if LOCAL.contains(&host) && lasting(&service.name.as_str()) {
                        note(port, &owner(service), format!("its config {config} names {host}:{port}"));
                    } else if let Some(to) = hosts.get(host) {
                        note(port, to, format!("the config {config} of {} names {host}:{port}", service.name));
                    }
                }
            }
        }
    }
    unknown(cx, component, &signs, &owner, &jobs);
    for (port, owners) in &signs {
        if owners.values().filter(|sign| !sign.declared).count() == 0 || owners.len() < 2 {
            continue;
        }
        let names: Vec<&str> = owners.keys().map(String::as_str).collect();
        let Some((last, others)) = names.split_last() else { continue };
        let message =
            format!("{} and {last} seem to listen on one port, {port}, but they share one Pod", others.join(", "));
        let mut finding = Diagnostic::warning("compose-port-shared", message);
        for (owner, sign) in owners {
            finding = finding.help(format!("{owner}: {}", sign.reason));
        }
        let finding = finding.help(format!(
            "let one of them listen on another port, or give it a Pod of its own with a Box named {last}"
        ));
        // An alias or `network_mode` leads to a service of this Pod or to none.
        if let Some(service) = by_name.get(last) {
            cx.push(finding, &service.location);
        }
    }
}

/// Says which services give no sign of any port: of two of them nobody knows whether they clash.
fn unknown(
    cx: &mut Context<'_>,
    component: &Component<'_>,
    signs: &BTreeMap<u16, BTreeMap<String, Sign>>,
    owner: &dyn Fn(&Service) -> String,
    jobs: &BTreeSet<&str>,
) {
    let known: BTreeSet<&String> = signs.values().flat_map(BTreeMap::keys).collect();
    let silent = |service: &&&Service| !jobs.contains(service.name.as_str()) && !known.contains(&owner(service));
    let unknown: Vec<&&Service> = component.services.iter().filter(silent).collect();
    let [first, _, ..] = unknown.as_slice() else { return };
    let names: Vec<&str> = unknown.iter().map(|service| service.name.as_str()).collect();
    let message = format!(
        "the ports of these services are not known: {}; they share one Pod, where no two may listen on one",
        names.join(", ")
    );
    let finding = Diagnostic::note("compose-port-unknown", message)
        .help("write their container ports under expose, so that a clash is seen here");
    let location = first.location.clone();
    cx.push(finding, &location);
}

/// The texts of the configs that a service mounts, as far as they may be shown.
fn configs<'a>(cx: &Context<'a>, service: &Service) -> Vec<(&'a str, &'a str)> {
    let all = &cx.input.compose.configs;
    let used = service.configs.iter().filter_map(|file| all.get_key_value(&file.source));
    used.filter_map(|(name, config)| match &config.source {
        FileSource::Content { bytes, .. } if !bytes.sensitive => {
            Some((name.as_str(), std::str::from_utf8(&bytes.value).ok()?))
        }
        _ => None,
    })
    .collect()
}

/// The texts that may be shown.
fn open<'t>(texts: impl IntoIterator<Item = &'t Text>) -> impl Iterator<Item = &'t str> {
    texts.into_iter().filter(|text| !text.sensitive).map(|text| text.value.as_str())
}
