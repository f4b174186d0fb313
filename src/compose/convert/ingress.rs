//! Services and Ingresses: published ports, rules and hosts.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::components::Component;
use super::context::Context;
use super::input::RuleInput;
use super::listening;
use super::object::{ObjectKind, RenderedObject};
use crate::compose::model::Port;
use crate::compose::names;
use crate::compose::syntax::Protocol;
use crate::diag::{Diagnostic, Location};
use crate::text::dns;
use crate::text::host::is_loopback;

const ENTRY_POINTS: &str = "traefik.ingress.kubernetes.io/router.entrypoints";
const TLS: &str = "traefik.ingress.kubernetes.io/router.tls";
const CERT_RESOLVER: &str = "traefik.ingress.kubernetes.io/router.tls.certresolver";

/// Services and Ingresses in the order of creation, and the hosts they serve.
pub(super) struct Network {
    pub(super) objects: Vec<RenderedObject>,
    pub(super) hosts: Vec<String>,
}

/// A host port and what stands behind it.
struct Published<'a> {
    port: &'a Port,
    service: &'a str,
    component: &'a str,
}

/// Renders the ingress Service, a headless Service per compose service, and the Ingresses.
pub(super) fn objects<'a>(cx: &mut Context<'a>, components: &'a [Component<'a>]) -> Network {
    for component in components {
        check_container_ports(cx, component);
        listening::check(cx, component);
    }
    let published = published(cx, components);
    let input = cx.input;
    let rules: Vec<(&RuleInput, &Published<'_>)> = input
        .ingress
        .rules
        .iter()
        .filter_map(|rule| match published.get(&(rule.port, Protocol::Tcp)) {
            Some(behind) => Some((rule, behind)),
            None => {
                unpublished(cx, rule, &published);
                None
            }
        })
        .collect();
    cx.reached = rules.iter().map(|(_, behind)| behind.service.to_owned()).collect();
    check_addresses(cx, &published);
    let mut objects = Vec::new();
    for component in components {
        objects.extend(ingress_service(cx, component, &published, &rules));
    }
    for &service in &cx.services {
        if let Some(component) = home(components, &service.name) {
            objects.push(headless(cx, &service.name, component, &service.location));
        }
    }
    objects.extend(aliases(cx, components));

    let mut default_hosts = Vec::new();
    let mut custom_hosts = Vec::new();
    for component in components {
        let own = rules.iter().filter(|(_, behind)| behind.component == component.name);
        let own: Vec<&RuleInput> = own.map(|(rule, _)| *rule).collect();
        ingresses(cx, component, &own, &mut objects, &mut default_hosts, &mut custom_hosts);
    }
    default_hosts.extend(custom_hosts);
    Network { objects, hosts: default_hosts }
}

/// The component that runs a service.
fn home<'c>(components: &'c [Component<'_>], service: &str) -> Option<&'c Component<'c>> {
    components.iter().find(|component| component.services.iter().any(|one| one.name == service))
}

/// The Service of what a component publishes: by rules, or without any rule everything.
fn ingress_service(
    cx: &Context<'_>,
    component: &Component<'_>,
    published: &BTreeMap<(u16, Protocol), Published<'_>>,
    rules: &[(&RuleInput, &Published<'_>)],
) -> Option<RenderedObject> {
    let here = |behind: &&Published<'_>| behind.component == component.name;
    let ports: Vec<Value> = if cx.input.ingress.rules.is_empty() {
        let own = published.iter().filter(|(_, behind)| here(behind));
        own.map(|((port, _), behind)| default_port(*port, behind.port)).collect()
    } else {
        let own = rules.iter().filter(|(_, behind)| here(behind));
        own.map(|(rule, behind)| service_port(&rule.name, rule.port, behind.port)).collect()
    };
    if ports.is_empty() {
        return None;
    }
    let origin = published.values().find(here).map(|behind| behind.port.location.clone());
    let spec = json!({ "selector": cx.selector(&component.name), "ports": ports });
    let labels = cx.component_labels(&component.name);
    let name = names::component(cx.app(), &component.name);
    let object = cx.object(ObjectKind::Service, &name, labels, json!({ "spec": spec }));
    Some(RenderedObject { origin, ..object })
}

/// A Service that makes a name resolve to a component's Pod.
fn headless(cx: &Context<'_>, name: &str, component: &Component<'_>, location: &Location) -> RenderedObject {
    let mut labels = cx.component_labels(&component.name);
    labels.insert("kompox.dev/compose-service-headless".to_owned(), "true".into());
    // Names must resolve while containers are still starting, since they look for one another then.
    let spec = json!({
        "clusterIP": "None",
        "publishNotReadyAddresses": true,
        "selector": cx.selector(&component.name),
    });
    let object = cx.object(ObjectKind::Service, name, labels, json!({ "spec": spec }));
    RenderedObject { origin: Some(location.clone()), ..object }
}

/// Other names of services: of networks, of links, of containers.
fn aliases(cx: &mut Context<'_>, components: &[Component<'_>]) -> Vec<RenderedObject> {
    let mut objects = Vec::new();
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for component in components {
        taken.extend(component.services.iter().map(|service| (service.name.as_str(), component.name.as_str())));
    }
    let reserved = [format!("{}-app", cx.app()), format!("{}-box", cx.app())];
    for alias in cx.services.clone().into_iter().flat_map(|service| &service.aliases) {
        let Some(target) = home(components, &alias.service) else {
            // A service that is left out has no names; one that was never there is a mistake.
            if cx.input.compose.services.iter().all(|service| service.name != alias.service) {
                let message = format!("links: {} is no service", alias.service);
                cx.error("compose-undefined", message, &alias.location);
            }
            continue;
        };
        let known = taken.get(alias.name.as_str());
        if known.is_some_and(|known| *known == target.name) {
            continue;
        }
        let fault = if known.is_some() {
            "another Pod has that name"
        } else if !dns::is_letter_label(&alias.name) {
            "use lower case letters, digits and \"-\", starting with a letter"
        } else if reserved.iter().any(|start| alias.name.starts_with(start)) {
            "names that start so are reserved"
        } else {
            taken.insert(&alias.name, &target.name);
            objects.push(headless(cx, &alias.name, target, &alias.location));
            continue;
        };
        if alias.wanted {
            let message = format!("the name {} of {} will not resolve: {fault}", alias.name, alias.service);
            cx.push(Diagnostic::warning("compose-alias", message), &alias.location);
        }
    }
    objects
}

fn ingresses(
    cx: &mut Context<'_>,
    component: &Component<'_>,
    rules: &[&RuleInput],
    objects: &mut Vec<RenderedObject>,
    default_hosts: &mut Vec<String>,
    custom_hosts: &mut Vec<String>,
) {
    let input = cx.input;
    let default: Vec<(String, &str)> = match &input.ingress.domain {
        Some(domain) if !domain.is_empty() => rules
            .iter()
            .map(|rule| (names::default_host(cx.app(), &cx.id_hash, rule.port, domain), rule.name.as_str()))
            .collect(),
        _ => Vec::new(),
    };
    let custom: Vec<(String, &str)> = rules
        .iter()
        .flat_map(|rule| {
            let mut own: Vec<(String, &str)> = Vec::new();
            for host in &rule.hosts {
                if !own.iter().any(|(known, _)| known == host) {
                    own.push((host.clone(), rule.name.as_str()));
                }
            }
            own
        })
        .collect();
    let origin = rules.first().and_then(|rule| rule.location.clone());
    let service = names::component(cx.app(), &component.name);
    for (name, list, resolver, hosts) in [
        (names::ingress_default(cx.app(), &component.name), default, None, default_hosts),
        (
            names::ingress_custom(cx.app(), &component.name),
            custom,
            input.ingress.cert_resolver.as_deref(),
            custom_hosts,
        ),
    ] {
        if list.is_empty() {
            continue;
        }
        for (host, _) in &list {
            // A label of a host has at most 63 characters.
            if host.split('.').any(|label| label.len() > 63) {
                let message = format!("the host {host} has a part of more than 63 characters");
                cx.diagnostics.push(Diagnostic::error("compose-host", message));
            }
        }
        objects.push(ingress(cx, &name, component, &service, &list, resolver, origin.clone()));
        hosts.extend(list.into_iter().map(|(host, _)| host));
    }
}

/// Services of one Pod must not listen on one port.
fn check_container_ports(cx: &mut Context<'_>, component: &Component<'_>) {
    let mut owners: BTreeMap<(u16, Protocol), (&str, &Location)> = BTreeMap::new();
    for service in &component.services {
        for port in service.ports.iter().chain(&service.expose) {
            let (owner, first) = *owners.entry((port.target, port.protocol)).or_insert((&service.name, &port.location));
            if owner != service.name {
                let message = format!(
                    "{} and {} both use container port {}, but they share one Pod",
                    owner, service.name, port.target
                );
                let finding = Diagnostic::error("compose-port-conflict", message)
                    .help(format!("the first use is at {first}; let one of them listen on another port"))
                    .help(format!("or give one a Pod of its own with a Box named {}", service.name));
                cx.push(finding, &port.location);
            }
        }
        let published = |port: &Port| {
            let same = |other: &&Port| (other.target, other.protocol) == (port.target, port.protocol);
            service.ports.iter().filter(same).any(|other| other.published.is_some())
        };
        for port in service.ports.iter().filter(|port| !published(port)) {
            let message = format!("{}: a port without a host port is not published", service.name);
            let finding = Diagnostic::warning("compose-port", message).help("write it as \"host:container\"");
            cx.push(finding, &port.location);
        }
    }
}

/// What was bound to one address of the host is reached through the Service; a loopback address was not meant for
/// everybody.
fn check_addresses(cx: &mut Context<'_>, published: &BTreeMap<(u16, Protocol), Published<'_>>) {
    for ((host, protocol), behind) in published {
        let Some(address) = &behind.port.host_ip else { continue };
        if address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_unspecified()) {
            continue;
        }
        let opened = cx.input.ingress.rules.iter().any(|rule| rule.port == *host && *protocol == Protocol::Tcp);
        let finding = if opened && is_loopback(address) {
            let message = format!(
                "{}: port {host} is bound to {address}, but an ingress rule opens it to everybody",
                behind.service
            );
            Diagnostic::warning("compose-port", message).help("take the address out if that is meant")
        } else {
            let message = format!("{}: the host address of a port has no meaning here", behind.service);
            Diagnostic::note("compose-key-noted", message)
        };
        cx.push(finding, &behind.port.location);
    }
}

/// Host ports over all components: one host port leads to one place.
fn published<'a>(cx: &mut Context<'_>, components: &'a [Component<'a>]) -> BTreeMap<(u16, Protocol), Published<'a>> {
    let mut published: BTreeMap<(u16, Protocol), Published<'a>> = BTreeMap::new();
    let mut all: Vec<(&'a Component<'a>, &'a crate::compose::model::Service)> = Vec::new();
    for component in components {
        all.extend(component.services.iter().map(|service| (component, *service)));
    }
    for (component, service) in all {
        for port in &service.ports {
            let Some(host) = port.published else { continue };
            match published.get(&(host, port.protocol)) {
                Some(first) if first.port.target != port.target || first.service != service.name => {
                    let message = format!(
                        "host port {host} is published twice: by {} for {} and by {} for {}",
                        first.service, first.port.target, service.name, port.target
                    );
                    let finding = Diagnostic::error("compose-port-conflict", message)
                        .help(format!("the first use is at {}", first.port.location));
                    cx.push(finding, &port.location);
                }
                Some(_) => {}
                None => {
                    let one = Published { port, service: &service.name, component: &component.name };
                    published.insert((host, port.protocol), one);
                }
            }
        }
    }
    published
}

fn unpublished(cx: &mut Context<'_>, rule: &RuleInput, published: &BTreeMap<(u16, Protocol), Published<'_>>) {
    let files: Vec<&str> = cx.input.compose.sources.files().map(AsRef::as_ref).collect();
    let message =
        format!("ingress rule {}: no service in {} publishes host port {}", rule.name, files.join(", "), rule.port);
    let known: Vec<String> =
        published.keys().filter(|(_, protocol)| *protocol == Protocol::Tcp).map(|(port, _)| port.to_string()).collect();
    let finding = Diagnostic::error("compose-ingress-port", message);
    let finding = if known.is_empty() {
        finding.help(format!("publish it with ports: [\"{}:<container port>\"]", rule.port))
    } else {
        finding.help(format!("published are {}", known.join(", ")))
    };
    match &rule.location {
        Some(location) => cx.push(finding, location),
        None => cx.diagnostics.push(finding),
    }
}

fn default_port(number: u16, port: &Port) -> Value {
    match port.protocol {
        Protocol::Tcp => service_port(&format!("p{number}"), number, port),
        other => service_port(&format!("p{number}-{}", other.name().to_ascii_lowercase()), number, port),
    }
}

fn service_port(name: &str, number: u16, port: &Port) -> Value {
    let mut out = json!({ "name": name, "port": number, "targetPort": port.target });
    if port.protocol != Protocol::Tcp {
        out["protocol"] = port.protocol.name().into();
    }
    if let Some(spoken) = &port.app_protocol {
        out["appProtocol"] = spoken.clone().into();
    }
    out
}

fn ingress(
    cx: &Context<'_>,
    name: &str,
    component: &Component<'_>,
    service: &str,
    hosts: &[(String, &str)],
    resolver: Option<&str>,
    origin: Option<Location>,
) -> RenderedObject {
    let mut annotations = Map::new();
    annotations.insert(ENTRY_POINTS.to_owned(), "websecure".into());
    annotations.insert(TLS.to_owned(), "true".into());
    if let Some(resolver) = resolver.filter(|resolver| !resolver.is_empty()) {
        annotations.insert(CERT_RESOLVER.to_owned(), resolver.into());
    }
    let rules: Vec<Value> = hosts
        .iter()
        .map(|(host, port)| {
            json!({ "host": host, "http": { "paths": [{
                "path": "/",
                "pathType": "Prefix",
                "backend": { "service": { "name": service, "port": { "name": port } } },
            }] } })
        })
        .collect();
    let rest = json!({ "spec": { "ingressClassName": cx.input.ingress.class, "rules": rules } });
    let mut object = cx.object(ObjectKind::Ingress, name, cx.component_labels(&component.name), rest);
    object.body["metadata"]["annotations"] = annotations.into();
    object.after.push((ObjectKind::Service, service.to_owned()));
    RenderedObject { origin, ..object }
}
