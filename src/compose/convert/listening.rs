//! Ports that services listen on without declaring them, as far as the compose file and its configs say so: others name
//! them as `service:port` or by a URL, health checks ask `localhost:port`, configuration files say `listen`. Two services of one Pod cannot both listen on one port.

use std::collections::{BTreeMap, BTreeSet};

use super::components::Component;
use super::context::Context;
use crate::compose::addresses::{LOCAL, addresses, listens};
use crate::compose::model::{Condition, FileSource, Service, Text};
use crate::compose::syntax::Protocol;
use crate::diag::Diagnostic;

/// Why a service seems to listen on a port, and whether it declares the port.
struct Sign {
    reason: String,
    declared: bool,
}

/// Signs of who listens where: for each port by the service, or by the one whose network it shares.
type Signs = BTreeMap<u16, BTreeMap<String, Sign>>;

/// Warns of ports that two services of a Pod seem to share. Two that both declare a port are an error elsewhere.
pub(super) fn check(cx: &mut Context<'_>, component: &Component<'_>) {
    let pod = Pod::new(component);
    let mut signs = pod.declared();
    pod.asked(&mut signs);
    pod.configured(cx, &mut signs);
    unknown(cx, &pod, &signs);
    shared(cx, &pod, &signs);
}

/// The services of a Pod, and which of them a name leads to.
struct Pod<'a> {
    services: &'a [&'a Service],
    by_name: BTreeMap<&'a str, &'a Service>,
    /// Services that have ended before the others start.
    ended: BTreeSet<&'a str>,
    /// Names of services that last, with who listens for them.
    hosts: BTreeMap<&'a str, String>,
}

impl<'a> Pod<'a> {
    fn new(component: &'a Component<'a>) -> Self {
        let services = component.services.as_slice();
        let ended = services
            .iter()
            .flat_map(|service| &service.depends_on)
            .filter(|dependency| dependency.condition == Condition::Completed)
            .map(|dependency| dependency.service.as_str())
            .collect();
        let by_name = services.iter().map(|service| (service.name.as_str(), *service)).collect();
        let mut pod = Self { services, by_name, ended, hosts: BTreeMap::new() };
        let mut hosts: BTreeMap<&str, String> = BTreeMap::new();
        for service in pod.lasting() {
            hosts.insert(&service.name, pod.owner(service));
        }
        for alias in services.iter().flat_map(|service| &service.aliases) {
            if let Some(service) = pod.by_name.get(alias.service.as_str()).filter(|service| pod.lasts(service)) {
                hosts.entry(&alias.name).or_insert_with(|| pod.owner(service));
            }
        }
        pod.hosts = hosts;
        pod
    }

    /// Services that share a network in the compose file have agreed on their ports: they count as one.
    fn owner(&self, service: &Service) -> String {
        let mut name = service.name.as_str();
        for _ in 0..self.by_name.len() {
            match self.by_name.get(name).and_then(|service| service.network_of.as_ref()) {
                Some(other) => name = &other.value,
                None => break,
            }
        }
        name.to_owned()
    }

    /// Who listens for a name; names of hosts tell no case.
    fn host(&self, name: &str) -> Option<&String> {
        self.hosts.get(name.to_ascii_lowercase().as_str())
    }

    fn lasts(&self, service: &Service) -> bool {
        !self.ended.contains(service.name.as_str())
    }

    fn lasting(&self) -> impl Iterator<Item = &'a Service> {
        self.services.iter().copied().filter(|service| self.lasts(service))
    }

    /// Ports that services declare.
    fn declared(&self) -> Signs {
        let mut signs = Signs::new();
        for service in self.lasting() {
            for port in service.ports.iter().chain(&service.expose).filter(|port| port.protocol == Protocol::Tcp) {
                let sign = Sign { reason: format!("declares it at {}", port.location), declared: true };
                signs.entry(port.target).or_default().insert(self.owner(service), sign);
            }
        }
        signs
    }

    /// Ports that health checks ask and that values name.
    fn asked(&self, signs: &mut Signs) {
        for service in self.services {
            let check = service.healthcheck.as_ref().map_or([].as_slice(), |check| &check.command);
            for (host, port) in open(check).flat_map(addresses) {
                if LOCAL.contains(&host) && self.lasts(service) {
                    note(signs, port, &self.owner(service), format!("its health check asks {host}:{port}"));
                } else if let Some(to) = self.host(host) {
                    note(signs, port, to, format!("the health check of {} asks {host}:{port}", service.name));
                }
            }
            for (name, value) in &service.environment {
                for (host, port) in open([value]).flat_map(addresses) {
                    if let Some(to) = self.host(host) {
                        note(signs, port, to, format!("{name} of {} names {host}:{port}", service.name));
                    }
                }
            }
        }
    }

    /// Ports that configuration files have services listen on, or name.
    fn configured(&self, cx: &Context<'_>, signs: &mut Signs) {
        for service in self.services {
            for (config, text) in configs(cx, service) {
                for line in text.lines().filter(|line| !line.trim_start().starts_with(['#', ';'])) {
                    if let Some(port) = listens(line).filter(|_| self.lasts(service)) {
                        let reason = format!("its config {config} has it listen on {port}");
                        note(signs, port, &self.owner(service), reason);
                    }
                    for (host, port) in addresses(line) {
                        if LOCAL.contains(&host) && self.lasts(service) {
                            let reason = format!("its config {config} names {host}:{port}");
                            note(signs, port, &self.owner(service), reason);
                        } else if let Some(to) = self.host(host) {
                            let reason = format!("the config {config} of {} names {host}:{port}", service.name);
                            note(signs, port, to, reason);
                        }
                    }
                }
            }
        }
    }
}

/// Adds a sign where there is none yet.
fn note(signs: &mut Signs, port: u16, owner: &str, reason: String) {
    signs.entry(port).or_default().entry(owner.to_owned()).or_insert(Sign { reason, declared: false });
}

/// Warns of each port for which several services give a sign, and not all of them declare it.
fn shared(cx: &mut Context<'_>, pod: &Pod<'_>, signs: &Signs) {
    for (port, owners) in signs {
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
        if let Some(service) = pod.by_name.get(last) {
            cx.push(finding, &service.location);
        }
    }
}

/// Says which services give no sign of any port: of two of them nobody knows whether they clash.
fn unknown(cx: &mut Context<'_>, pod: &Pod<'_>, signs: &Signs) {
    let known: BTreeSet<&String> = signs.values().flat_map(BTreeMap::keys).collect();
    let unknown: Vec<&Service> = pod.lasting().filter(|service| !known.contains(&pod.owner(service))).collect();
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
