//! Fields of a Pod that compose says per service: what fits all of its services is taken.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::context::Context;
use super::order::{Order, Role};
use crate::compose::model::Service;
use crate::diag::Diagnostic;

/// Name servers that a Pod may have.
const MAX_NAMESERVERS: usize = 3;

/// Completes the spec of a Pod of these services.
pub(super) fn fields(cx: &mut Context<'_>, services: &[&Service], order: &Order<'_>, spec: &mut Map<String, Value>) {
    hostname(cx, services, spec);
    if let Some(grace) = grace_period(services, order) {
        spec.insert("terminationGracePeriodSeconds".to_owned(), grace.into());
    }

    let mut context = Map::new();
    let groups: BTreeSet<i64> = services.iter().flat_map(|service| service.group_add.iter().copied()).collect();
    if !groups.is_empty() {
        context.insert("supplementalGroups".to_owned(), json!(groups));
    }
    let mut sysctls: BTreeMap<&str, &str> = BTreeMap::new();
    for service in services {
        for (name, value) in &service.sysctls {
            if *sysctls.entry(name).or_insert(&value.value) != value.value {
                let message = format!("two services set {name} to different values, but they share one Pod");
                cx.error("compose-sysctl", message, &value.location);
            }
        }
    }
    if !sysctls.is_empty() {
        let list: Vec<Value> = sysctls.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        context.insert("sysctls".to_owned(), list.into());
    }
    if !context.is_empty() {
        spec.insert("securityContext".to_owned(), context.into());
    }

    let mut hosts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (address, host) in services.iter().flat_map(|service| &service.extra_hosts) {
        hosts.entry(address).or_default().insert(host);
    }
    if !hosts.is_empty() {
        let list: Vec<Value> =
            hosts.iter().map(|(address, names)| json!({ "ip": address, "hostnames": names })).collect();
        spec.insert("hostAliases".to_owned(), list.into());
    }
    dns(cx, services, spec);
}

/// The time that docker gives a service that says nothing.
const DOCKER_GRACE: i64 = 10;
/// The time that Kubernetes gives a Pod that says nothing.
const DEFAULT_GRACE: i64 = 30;

/// How long the Pod may take to end, so that each service has the time that docker gives it. Its containers end together;
/// then its sidecars, the last one first and one after another, in what is left of the same time (Kubernetes, "Sidecar
/// Containers"). Never zero: the API server forgets such a Pod at once, while its containers may run still, and the next
/// one would write beside them.
fn grace_period(services: &[&Service], order: &Order<'_>) -> Option<i64> {
    let of = |role: Role| {
        let of_role = move |service: &&&Service| order.roles.get(service.name.as_str()).is_none_or(|own| *own == role);
        services.iter().filter(of_role).map(|service| service.stop_grace_period.unwrap_or(DOCKER_GRACE))
    };
    let total = of(Role::Sidecar).fold(of(Role::Container).max().unwrap_or(0), i64::saturating_add);
    let said = services.iter().any(|service| service.stop_grace_period.is_some());
    (said || total > DEFAULT_GRACE).then(|| total.max(1))
}

/// The host name of the Pod, where its services agree.
fn hostname(cx: &mut Context<'_>, services: &[&Service], spec: &mut Map<String, Value>) {
    let mut named = services.iter().filter_map(|service| Some((service, service.hostname.as_ref()?)));
    let Some((_, first)) = named.next() else { return };
    if let Some((service, other)) = named.find(|(_, other)| other.value != first.value) {
        let message = format!(
            "{}: hostname {} and {} cannot both be that of one Pod; neither is used",
            service.name, other.value, first.value
        );
        cx.push(Diagnostic::warning("compose-hostname", message), &other.location);
    } else {
        spec.insert("hostname".to_owned(), first.value.clone().into());
    }
}

fn dns(cx: &mut Context<'_>, services: &[&Service], spec: &mut Map<String, Value>) {
    let collect = |pick: fn(&Service) -> &Vec<String>| -> Vec<&str> {
        let mut list: Vec<&str> = Vec::new();
        for text in services.iter().copied().flat_map(pick) {
            if !list.contains(&text.as_str()) {
                list.push(text);
            }
        }
        list
    };
    let servers = collect(|service| &service.dns);
    let searches = collect(|service| &service.dns_search);
    let options = collect(|service| &service.dns_opt);
    let mut config = Map::new();
    if !servers.is_empty() {
        config.insert("nameservers".to_owned(), json!(servers));
    }
    if !searches.is_empty() {
        config.insert("searches".to_owned(), json!(searches));
    }
    if !options.is_empty() {
        let list: Vec<Value> = options
            .iter()
            .map(|option| match option.split_once(':') {
                Some((name, value)) => json!({ "name": name, "value": value }),
                None => json!({ "name": option }),
            })
            .collect();
        config.insert("options".to_owned(), list.into());
    }
    let too_many = servers.len() > MAX_NAMESERVERS;
    if !config.is_empty() {
        spec.insert("dnsConfig".to_owned(), config.into());
    }
    if too_many {
        let message = format!("dns: the services name more than {MAX_NAMESERVERS} servers, and they share one Pod");
        cx.diagnostics.push(Diagnostic::error("compose-dns", message));
    }
}
