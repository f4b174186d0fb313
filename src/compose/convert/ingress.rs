//! Services and Ingresses: published ports, rules and hosts.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::compose::convert::{APP_COMPONENT, Context, RenderedObject, RuleInput};
use crate::compose::model::Protocol;
use crate::compose::names;
use crate::diag::{Diagnostic, Location};

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
    target: u16,
    service: &'a str,
    location: &'a Location,
}

/// Renders the ingress Service, a headless Service per compose service, and the Ingresses.
pub(super) fn objects(cx: &mut Context<'_>) -> Network {
    check_container_ports(cx);
    let published = published(cx);
    let input = cx.input;
    let name = names::component(cx.app(), APP_COMPONENT);
    let mut objects = Vec::new();
    let mut hosts = Vec::new();

    let rules: Vec<(&RuleInput, u16)> = input
        .ingress
        .rules
        .iter()
        .filter_map(|rule| match published.get(&(rule.port, Protocol::Tcp)) {
            Some(port) => Some((rule, port.target)),
            None => {
                unpublished(cx, rule, &published);
                None
            }
        })
        .collect();
    let ports: Vec<Value> = if input.ingress.rules.is_empty() {
        published.iter().map(|((port, protocol), behind)| default_port(*port, *protocol, behind.target)).collect()
    } else {
        rules
            .iter()
            .map(|(rule, target)| json!({ "name": rule.name, "port": rule.port, "targetPort": target }))
            .collect()
    };
    if !ports.is_empty() {
        let origin = published.values().next().map(|port| port.location.clone());
        objects.push(object(
            cx,
            "Service",
            &name,
            "v1",
            cx.component_labels(APP_COMPONENT),
            None,
            json!({ "selector": cx.selector(APP_COMPONENT), "ports": ports }),
            origin,
        ));
    }
    for service in &input.compose.services {
        let mut labels = cx.component_labels(APP_COMPONENT);
        labels.insert("kompox.dev/compose-service-headless".to_owned(), "true".into());
        // Names must resolve while containers are still starting, since they look for one another then.
        let spec = json!({
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "selector": cx.selector(APP_COMPONENT),
        });
        objects.push(object(cx, "Service", &service.name, "v1", labels, None, spec, Some(service.location.clone())));
    }

    let default: Vec<(String, &str)> = match &input.ingress.domain {
        Some(domain) if !domain.is_empty() => rules
            .iter()
            .map(|(rule, _)| (names::default_host(cx.app(), &cx.id_hash, rule.port, domain), rule.name.as_str()))
            .collect(),
        _ => Vec::new(),
    };
    let custom: Vec<(String, &str)> = rules
        .iter()
        .flat_map(|(rule, _)| {
            let mut own: Vec<(String, &str)> = Vec::new();
            for host in &rule.hosts {
                if !own.iter().any(|(known, _)| known == host) {
                    own.push((host.clone(), rule.name.as_str()));
                }
            }
            own
        })
        .collect();
    let origin = input.ingress.rules.first().and_then(|rule| rule.location.clone());
    for (ingress_name, list, resolver) in [
        (names::ingress_default(cx.app(), APP_COMPONENT), default, None),
        (names::ingress_custom(cx.app(), APP_COMPONENT), custom, input.ingress.cert_resolver.as_deref()),
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
        objects.push(ingress(cx, &ingress_name, &name, &list, resolver, origin.clone()));
        hosts.extend(list.into_iter().map(|(host, _)| host));
    }
    Network { objects, hosts }
}

/// Two services cannot listen on one port: they share the Pod.
fn check_container_ports(cx: &mut Context<'_>) {
    let mut owners: BTreeMap<(u16, Protocol), (&str, &Location)> = BTreeMap::new();
    for service in &cx.input.compose.services {
        for port in service.ports.iter().chain(&service.expose) {
            let (owner, first) = *owners.entry((port.target, port.protocol)).or_insert((&service.name, &port.location));
            if owner != service.name {
                let message = format!(
                    "{} and {} both use container port {}, but they share one Pod",
                    owner, service.name, port.target
                );
                let finding = Diagnostic::error("compose-port-conflict", message)
                    .help(format!("the first use is at {first}; let one of them listen on another port"));
                cx.push(finding, &port.location);
            }
        }
        let unpublished: Vec<_> =
            service.ports.iter().filter(|port| port.published.is_none()).map(|port| port.location.clone()).collect();
        for location in unpublished {
            let message = format!("{}: a port without a host port is not published", service.name);
            let finding = Diagnostic::warning("compose-port", message).help("write it as \"host:container\"");
            cx.push(finding, &location);
        }
        for port in service.ports.iter().filter(|port| port.host_ip.is_some()) {
            let message = format!("{}: the host address of a port has no meaning here", service.name);
            cx.push(Diagnostic::note("compose-key-noted", message), &port.location);
        }
    }
}

fn published<'a>(cx: &mut Context<'a>) -> BTreeMap<(u16, Protocol), Published<'a>> {
    let mut published: BTreeMap<(u16, Protocol), Published<'a>> = BTreeMap::new();
    let project = cx.input.compose;
    for service in &project.services {
        for port in &service.ports {
            let Some(host) = port.published else { continue };
            match published.get(&(host, port.protocol)) {
                Some(first) if first.target != port.target || first.service != service.name => {
                    let message = format!(
                        "host port {host} is published twice: by {} for {} and by {} for {}",
                        first.service, first.target, service.name, port.target
                    );
                    let finding = Diagnostic::error("compose-port-conflict", message)
                        .help(format!("the first use is at {}", first.location));
                    cx.push(finding, &port.location);
                }
                Some(_) => {}
                None => {
                    let one = Published { target: port.target, service: &service.name, location: &port.location };
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

fn default_port(port: u16, protocol: Protocol, target: u16) -> Value {
    match protocol {
        Protocol::Tcp => json!({ "name": format!("p{port}"), "port": port, "targetPort": target }),
        other => json!({
            "name": format!("p{port}-{}", other.name().to_ascii_lowercase()),
            "port": port,
            "targetPort": target,
            "protocol": other.name(),
        }),
    }
}

fn ingress(
    cx: &Context<'_>,
    name: &str,
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
    let mut object = object(
        cx,
        "Ingress",
        name,
        "networking.k8s.io/v1",
        cx.component_labels(APP_COMPONENT),
        Some(annotations),
        json!({ "ingressClassName": "traefik", "rules": rules }),
        origin,
    );
    object.after.push(("Service".to_owned(), service.to_owned()));
    object
}

#[allow(clippy::too_many_arguments)] // The parts of an object of Kubernetes, once for three kinds.
fn object(
    cx: &Context<'_>,
    kind: &str,
    name: &str,
    api_version: &str,
    labels: Map<String, Value>,
    annotations: Option<Map<String, Value>>,
    spec: Value,
    origin: Option<Location>,
) -> RenderedObject {
    let mut metadata = json!({ "name": name, "namespace": cx.namespace, "labels": labels });
    if let Some(annotations) = annotations {
        metadata["annotations"] = annotations.into();
    }
    RenderedObject {
        body: json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec }),
        sensitive: Vec::new(),
        address_kind: kind.to_owned(),
        address_name: name.to_owned(),
        after: vec![cx.after_namespace()],
        origin,
    }
}
