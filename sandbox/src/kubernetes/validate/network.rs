//! Rules for Services, Ingresses and NetworkPolicies.

use std::collections::HashSet;
use std::net::IpAddr;

use serde_json::{Map, Value};

use super::super::store::{list, map, text};
use super::findings::Findings;
use super::metadata::{label_selector, labels};
use super::names::{LABEL_RULE, SUBDOMAIN_RULE, is_dns_label, is_dns_subdomain};
use super::ports::{port_name, port_number, protocol};

/// The addresses of Services in the sandbox, as the API server is told with `--service-cluster-ip-range`.
const SERVICE_RANGE: &str = "10.0.0.0/16";

/// A Service.
pub(super) fn service(object: &Value, out: &mut Findings) {
    let kind = text(object, "/spec/type");
    if !matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName") {
        out.unsupported("spec.type", kind, &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    }
    let ports = list(object, "/spec/ports");
    let headless = text(object, "/spec/clusterIP") == "None";
    if ports.is_empty() && !headless && kind != "ExternalName" {
        out.required("spec.ports", "");
    }
    if kind == "ExternalName" && text(object, "/spec/externalName").is_empty() {
        out.required("spec.externalName", "");
    }
    if headless && matches!(kind, "LoadBalancer" | "NodePort") {
        out.invalid("spec.clusterIPs[0]", &"None".into(), &format!("may not be set to 'None' for {kind} services"));
    }
    let mut seen = HashSet::new();
    let mut names = HashSet::new();
    for (i, port) in ports.iter().enumerate() {
        let at = format!("spec.ports[{i}]");
        let name = text(port, "/name");
        if name.is_empty() && ports.len() > 1 {
            out.required(format!("{at}.name"), "");
        } else if !name.is_empty() && !is_dns_label(name) {
            out.invalid(format!("{at}.name"), &name.into(), LABEL_RULE);
        } else if !name.is_empty() && !names.insert(name) {
            out.duplicate(format!("{at}.name"), name);
        }
        port_number(port.get("port"), &format!("{at}.port"), out);
        protocol(port, &at, out);
        target_port(port.get("targetPort"), &format!("{at}.targetPort"), out);
        if kind == "ClusterIP" && port.get("nodePort").is_some_and(|port| *port != 0) {
            out.forbidden(format!("{at}.nodePort"), "may not be used when `type` is 'ClusterIP'");
        }
        let number = port.get("port").and_then(Value::as_i64).unwrap_or_default();
        if !seen.insert((number, text(port, "/protocol"))) {
            out.duplicate(at, &format!("{number}/{}", text(port, "/protocol")));
        }
    }
    labels(map(object, "/spec/selector"), "spec.selector", out);
    out.one_of("spec.sessionAffinity", text(object, "/spec/sessionAffinity"), &["ClientIP", "None"]);
    for family in list(object, "/spec/ipFamilies").iter().filter_map(Value::as_str) {
        out.one_of("spec.ipFamilies", family, &["IPv4", "IPv6"]);
    }
    let address = text(object, "/spec/clusterIP");
    if !matches!(address, "" | "None") && !is_in(SERVICE_RANGE, address) {
        out.invalid("spec.clusterIPs[0]", &address.into(), "must be an IP address of the range of Services");
    }
    let policy = text(object, "/spec/externalTrafficPolicy");
    if !policy.is_empty() && !matches!(kind, "LoadBalancer" | "NodePort") {
        let why = "may only be set for externally-accessible services";
        out.invalid("spec.externalTrafficPolicy", &policy.into(), why);
    }
}

/// An Ingress.
pub(super) fn ingress(object: &Value, out: &mut Findings) {
    if let Some(class) = object.pointer("/spec/ingressClassName").and_then(Value::as_str) {
        out.subdomain("spec.ingressClassName", class);
    }
    for (i, tls) in list(object, "/spec/tls").iter().enumerate() {
        for (j, host) in list(tls, "/hosts").iter().filter_map(Value::as_str).enumerate() {
            out.subdomain(format!("spec.tls[{i}].hosts[{j}]"), host.strip_prefix("*.").unwrap_or(host));
        }
    }
    let rules = list(object, "/spec/rules");
    if rules.is_empty() && object.pointer("/spec/defaultBackend").is_none() {
        out.invalid("spec", &Value::from(""), "either `defaultBackend` or `rules` must be specified");
    }
    for (i, rule) in rules.iter().enumerate() {
        let host = text(rule, "/host");
        let plain = host.strip_prefix("*.").unwrap_or(host);
        if !host.is_empty() && !is_dns_subdomain(plain) {
            out.invalid(format!("spec.rules[{i}].host"), &host.into(), SUBDOMAIN_RULE);
        } else if host.parse::<IpAddr>().is_ok() {
            out.invalid(format!("spec.rules[{i}].host"), &host.into(), "must be a DNS name, not an IP address");
        }
        let Some(http) = rule.get("http") else { continue };
        let paths = list(http, "/paths");
        if paths.is_empty() {
            out.required(format!("spec.rules[{i}].http.paths"), "");
        }
        for (j, path) in paths.iter().enumerate() {
            let at = format!("spec.rules[{i}].http.paths[{j}]");
            match text(path, "/pathType") {
                "Prefix" | "Exact" if !text(path, "/path").starts_with('/') => {
                    out.invalid(format!("{at}.path"), &text(path, "/path").into(), "must be an absolute path");
                }
                "Prefix" | "Exact" if not_normal(text(path, "/path")) => {
                    let why = "must not contain '//', '/./', '/../' and the like";
                    out.invalid(format!("{at}.path"), &text(path, "/path").into(), why);
                }
                "Prefix" | "Exact" | "ImplementationSpecific" => {}
                "" => out.required(format!("{at}.pathType"), "pathType must be specified"),
                other => {
                    out.unsupported(format!("{at}.pathType"), other, &["Exact", "ImplementationSpecific", "Prefix"])
                }
            }
            if path.pointer("/backend/service").is_none() && path.pointer("/backend/resource").is_none() {
                out.required(format!("{at}.backend"), "cannot set both resource and service backends");
            } else if path.pointer("/backend/service").is_some() {
                match text(path, "/backend/service/name") {
                    "" => out.required(format!("{at}.backend.service.name"), ""),
                    name if !is_dns_label(name) => {
                        out.invalid(format!("{at}.backend.service.name"), &name.into(), LABEL_RULE);
                    }
                    _ => {}
                }
                let number = path.pointer("/backend/service/port/number").filter(|number| **number != 0);
                match (number, text(path, "/backend/service/port/name")) {
                    (None, "") => {
                        out.required(format!("{at}.backend.service.port"), "port name or number is required");
                    }
                    (Some(_), "") => port_number(number, &format!("{at}.backend.service.port.number"), out),
                    (None, name) => port_name(name, &format!("{at}.backend.service.port.name"), out),
                    (Some(_), _) => {
                        out.invalid(format!("{at}.backend"), &"".into(), "cannot set both port name & port number");
                    }
                }
            }
        }
    }
}

/// Whether a path has parts that a proxy would resolve or drop.
fn not_normal(path: &str) -> bool {
    let encoded = path.to_ascii_lowercase();
    ["//", "/./", "/../", "%2f"].iter().any(|part| encoded.contains(part))
        || path.ends_with("/.")
        || path.ends_with("/..")
}

/// A number, or the name of a container's port. Zero stands for the Service's own port.
fn target_port(port: Option<&Value>, path: &str, out: &mut Findings) {
    match port {
        Some(Value::String(name)) => port_name(name, path, out),
        Some(number) if *number != 0 => port_number(Some(number), path, out),
        _ => {}
    }
}

/// An address range as address and number of leading bits.
fn range(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits) = (address.parse::<IpAddr>().ok()?, bits.parse().ok()?);
    (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, bits))
}

/// Whether an address, or a smaller range, lies in a range.
fn is_in(outer: &str, inner: &str) -> bool {
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    };
    let inner = match inner.parse::<IpAddr>() {
        Ok(address) => Some((address, if address.is_ipv4() { 32 } else { 128 })),
        Err(_) => range(inner),
    };
    let (Some((outer, outer_bits)), Some((inner, inner_bits))) = (range(outer), inner) else { return false };
    let mask = u128::MAX.checked_shl(128 - outer_bits).unwrap_or(0);
    outer.is_ipv4() == inner.is_ipv4() && inner_bits > outer_bits && (number(outer) ^ number(inner)) & mask == 0
}

/// An IngressClass.
pub(super) fn ingress_class(object: &Value, out: &mut Findings) {
    match text(object, "/spec/controller") {
        "" => out.required("spec.controller", ""),
        controller => match controller.split_once('/') {
            Some((domain, path)) if is_dns_subdomain(domain) && !path.is_empty() => {}
            _ => out.invalid(
                "spec.controller",
                &controller.into(),
                "must be a domain-prefixed path (such as \"acme.io/foo\")",
            ),
        },
    }
}

/// A NetworkPolicy.
pub(super) fn network_policy(object: &Value, out: &mut Findings) {
    label_selector(&object["spec"]["podSelector"], "spec.podSelector", out);
    let types = list(object, "/spec/policyTypes");
    if types.len() > 2 {
        out.invalid("spec.policyTypes", &object["spec"]["policyTypes"], "may not specify more than two policyTypes");
    }
    for kind in types.iter().filter_map(Value::as_str).filter(|kind| !["Ingress", "Egress"].contains(kind)) {
        out.unsupported("spec.policyTypes", kind, &["Ingress", "Egress"]);
    }
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (i, rule) in list(object, &format!("/spec/{direction}")).iter().enumerate() {
            for (j, each) in list(rule, &format!("/{peers}")).iter().enumerate() {
                peer(each, &format!("spec.{direction}[{i}].{peers}[{j}]"), out);
            }
            for (j, port) in list(rule, "/ports").iter().enumerate() {
                policy_port(port, &format!("spec.{direction}[{i}].ports[{j}]"), out);
            }
        }
    }
}

fn peer(peer: &Value, at: &str, out: &mut Findings) {
    if peer.as_object().is_none_or(Map::is_empty) {
        out.required(at, "must specify a peer");
    } else if peer.get("ipBlock").is_some() && peer.as_object().is_some_and(|p| p.len() > 1) {
        out.forbidden(at, "may not specify both ipBlock and another peer");
    }
    for selector in ["podSelector", "namespaceSelector"] {
        if let Some(value) = peer.get(selector) {
            label_selector(value, &format!("{at}.{selector}"), out);
        }
    }
    if let Some(block) = peer.get("ipBlock") {
        let cidr = text(block, "/cidr");
        if range(cidr).is_none() {
            out.invalid(format!("{at}.ipBlock.cidr"), &cidr.into(), "must be a valid CIDR value, (e.g. 10.9.8.0/24)");
        }
        for except in list(block, "/except").iter().filter(|except| !is_in(cidr, except.as_str().unwrap_or_default())) {
            out.invalid(format!("{at}.ipBlock.except"), except, "must be a strict subset of `cidr`");
        }
    }
}

fn policy_port(port: &Value, at: &str, out: &mut Findings) {
    protocol(port, at, out);
    match port.get("port") {
        Some(Value::String(name)) => port_name(name, &format!("{at}.port"), out),
        Some(number) if !matches!(number.as_i64(), Some(1..=65535)) => {
            out.invalid(format!("{at}.port"), number, "must be between 1 and 65535, inclusive");
        }
        _ => {}
    }
    let Some(end) = port.get("endPort") else { return };
    let why = match port.get("port").map(Value::as_i64) {
        None => "may not be specified when `port` is not specified",
        Some(None) => "may not be specified when `port` is non-numeric",
        Some(Some(first)) if end.as_i64().is_none_or(|end| end < first) => "must be greater than or equal to `port`",
        Some(Some(_)) if end.as_i64().is_none_or(|end| end > 65535) => "must be between 1 and 65535, inclusive",
        Some(Some(_)) => return,
    };
    out.invalid(format!("{at}.endPort"), end, why);
}
