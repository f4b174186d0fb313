//! How a service is reached and what it reaches: ports, networks, other names, host names, name servers.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::compose::model::{Alias, Located, Port, Protocol, Service};
use crate::compose::names;
use crate::compose::read::Reader;
use crate::compose::service::{known_entries, report, report_value};
use crate::compose::support;
use crate::compose::syntax;
use crate::compose::tree::{Tree, TreeEntry};
use crate::diag::{Diagnostic, Location};

/// Ports of one service, ranges expanded.
const MAX_PORTS: usize = 2000;

pub(super) fn ports(reader: &mut Reader<'_>, service: &str, tree: &Tree) -> Vec<Port> {
    let mut ports: Vec<Port> = Vec::new();
    let mut seen = HashSet::new();
    for item in reader.list("ports", tree) {
        let mut app_protocol = None;
        match port_mapping(reader, service, item, &mut app_protocol) {
            Some(Ok(parsed)) => {
                for port in parsed {
                    // A later file may repeat a port.
                    if seen.insert(port.clone()) {
                        ports.push(Port {
                            host_ip: port.host_ip,
                            published: port.published,
                            target: port.target,
                            protocol: port.protocol,
                            app_protocol: app_protocol.clone(),
                            location: item.location.clone(),
                        });
                    }
                }
            }
            Some(Err(message)) => reader.error("compose-port", format!("ports: {message}"), &item.location),
            None => {}
        }
        if ports.len() > MAX_PORTS {
            let message = format!("ports: a service may have at most {MAX_PORTS} ports");
            reader.error("compose-limit", message, &item.location);
            break;
        }
    }
    ports
}

fn port_mapping(
    reader: &mut Reader<'_>,
    service: &str,
    item: &Tree,
    app_protocol: &mut Option<String>,
) -> Option<Result<Vec<syntax::PortSyntax>, String>> {
    let (mut ip, mut published, mut target) = (None, None, None);
    let mut protocol = Ok(Protocol::Tcp);
    for entry in known_entries(reader, service, "ports", &["host_ip", "mode"], item) {
        match entry.key.as_str() {
            "target" => target = reader.text("target", &entry.value),
            "published" => published = reader.text("published", &entry.value).filter(|text| !text.is_empty()),
            "host_ip" => ip = reader.text("host_ip", &entry.value).filter(|text| !text.is_empty()),
            "protocol" => {
                if let Some(text) = reader.text("protocol", &entry.value) {
                    protocol = syntax::protocol(&text);
                }
            }
            "mode" => {
                if let Some(mode) = reader.text("mode", &entry.value) {
                    report_value(reader, service, "ports.mode", &mode, &entry.key_location);
                }
            }
            "app_protocol" => {
                *app_protocol = reader.text("app_protocol", &entry.value).filter(|text| !text.is_empty());
                if let Some(name) = app_protocol.as_deref()
                    && !names::is_qualified_name(name)
                {
                    let message = format!("ports: app_protocol \"{name}\" is no name such as http");
                    reader.error("compose-port", message, &entry.value.location);
                }
            }
            _ => {}
        }
    }
    let Some(target) = target else {
        reader.error("compose-port", "ports: target is missing", &item.location);
        return None;
    };
    Some(protocol.and_then(|protocol| syntax::expand(ip, published.as_deref(), &target, protocol)))
}

pub(super) fn expose(reader: &mut Reader<'_>, tree: &Tree) -> Vec<Port> {
    let mut ports = Vec::new();
    for (text, location) in reader.texts("expose", tree) {
        match syntax::ports(&text) {
            Ok(parsed) if parsed.iter().all(|port| port.published.is_none()) => {
                ports.extend(parsed.into_iter().map(|port| Port {
                    host_ip: None,
                    published: None,
                    target: port.target,
                    protocol: port.protocol,
                    app_protocol: None,
                    location: location.clone(),
                }));
            }
            Ok(_) => reader.error("compose-port", "expose: only container ports may stand here", &location),
            Err(message) => reader.error("compose-port", format!("expose: {message}"), &location),
        }
    }
    ports
}

pub(super) fn mode(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    let Some(mode) = reader.text("network_mode", tree) else { return };
    report_value(reader, &service.name, "network_mode", &mode, &tree.location);
    if let Some(other) = mode.strip_prefix("service:") {
        service.network_of = Some(Located { value: other.to_owned(), location: tree.location.clone() });
    }
}

/// Networks mean nothing but for the names and addresses that they give.
pub(super) fn networks(reader: &mut Reader<'_>, service: &mut Service, field: &TreeEntry) {
    let entries =
        if field.value.as_mapping().is_some() { reader.entries("networks", &field.value) } else { Vec::new() };
    let named = names_networks(reader, field, &entries);
    // The default network alone says nothing.
    if named && let Some(row) = support::service_key("networks") {
        report(reader, &service.name, row, &field.key_location);
    }
    for network in entries {
        for entry in reader.entries("networks", &network.value) {
            match entry.key.as_str() {
                "aliases" => {
                    for (name, location) in reader.texts("aliases", &entry.value) {
                        let service_name = service.name.clone();
                        service.aliases.push(Alias { name, service: service_name, wanted: true, location });
                    }
                }
                key => {
                    if let Some(row) = support::service_key(&format!("networks.{key}"))
                        && !entry.value.is_null()
                    {
                        report(reader, &service.name, row, &entry.key_location);
                    }
                }
            }
        }
    }
}

/// Whether a network other than the default one is named, or something is said about that.
fn names_networks(reader: &mut Reader<'_>, field: &TreeEntry, entries: &[&TreeEntry]) -> bool {
    if field.value.as_mapping().is_some() {
        return entries.iter().any(|entry| entry.key != "default" || !entry.value.is_null());
    }
    reader.texts("networks", &field.value).iter().any(|(name, _)| name != "default")
}

pub(super) fn links(reader: &mut Reader<'_>, service: &mut Service, field: &TreeEntry) {
    let links = reader.texts("links", &field.value);
    if !links.is_empty()
        && let Some(row) = support::service_key("links")
    {
        report(reader, &service.name, row, &field.key_location);
    }
    for (text, location) in links {
        let (target, alias) = text.split_once(':').unwrap_or((&text, &text));
        let (name, target) = (alias.to_owned(), target.to_owned());
        service.aliases.push(Alias { name, service: target, wanted: true, location });
    }
}

pub(super) fn container_name(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    let Some(name) = reader.text("container_name", tree).filter(|name| !name.is_empty()) else { return };
    let message = format!("{}: the container is named as its service, not {name}", service.name);
    reader.note("compose-key-noted", message, &tree.location);
    if name != service.name {
        let service_name = service.name.clone();
        service.aliases.push(Alias { name, service: service_name, wanted: false, location: tree.location.clone() });
    }
}

pub(super) fn hostname(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    let Some(name) = reader.text("hostname", tree).filter(|name| !name.is_empty()) else { return };
    let message = format!("{}: the host name is that of the whole Pod", service.name);
    reader.note("compose-key-noted", message, &tree.location);
    let label = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    if label.len() < name.len() && names::is_dns_label(&label) {
        let message = format!("{}: hostname {name}: a Pod has no domain of its own; it is {label}", service.name);
        reader.warning("compose-hostname", message, &tree.location);
    }
    if names::is_dns_label(&label) {
        service.hostname = Some(Located { value: label, location: tree.location.clone() });
    } else {
        let message = format!("{}: hostname {name} is not used: use letters, digits and \"-\"", service.name);
        reader.warning("compose-hostname", message, &tree.location);
    }
}

pub(super) fn extra_hosts(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    let mut pairs: Vec<(String, String, Location)> = Vec::new();
    if tree.as_mapping().is_some() {
        for entry in reader.entries("extra_hosts", tree) {
            for (address, location) in reader.texts("extra_hosts", &entry.value) {
                pairs.push((entry.key.clone(), address, location));
            }
        }
    } else {
        for (text, location) in reader.texts("extra_hosts", tree) {
            let (host, address) = text.split_once('=').or_else(|| text.split_once(':')).unwrap_or((&text, ""));
            pairs.push((host.to_owned(), address.to_owned(), location));
        }
    }
    for (host, address, location) in pairs {
        let address = address.trim_matches(['[', ']']);
        let host = host.trim().to_ascii_lowercase();
        if address == "host-gateway" {
            report_value(reader, &service.name, "extra_hosts", address, &location);
        } else if address.parse::<IpAddr>().is_err() {
            let finding = Diagnostic::error(
                "compose-extra-hosts",
                format!("{}: extra_hosts {host}: \"{address}\" is no address", service.name),
            );
            reader.push(finding.help("write it as \"name=10.0.0.1\""), &location);
        } else if !names::is_dns_subdomain(&host) {
            let message = format!("{}: extra_hosts: \"{host}\" is no host name", service.name);
            reader.error("compose-extra-hosts", message, &location);
        } else {
            service.extra_hosts.push((address.to_owned(), host));
        }
    }
}

pub(super) fn dns(reader: &mut Reader<'_>, service: &mut Service, key: &str, tree: &Tree) {
    for (text, location) in reader.texts(key, tree) {
        let fault = match key {
            "dns" if text.parse::<IpAddr>().is_err() => "is no address of a name server",
            "dns_search" if text != "." && !names::is_dns_subdomain(text.trim_end_matches('.')) => "is no domain",
            "dns_opt" if text.is_empty() || text.starts_with(':') => "is no option",
            _ => "",
        };
        if !fault.is_empty() {
            reader.error("compose-dns", format!("{}: {key}: \"{text}\" {fault}", service.name), &location);
            continue;
        }
        match key {
            "dns" => service.dns.push(text),
            "dns_search" => service.dns_search.push(text),
            _ => service.dns_opt.push(text),
        }
    }
}
