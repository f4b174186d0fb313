//! How a service is reached and what it reaches: ports, networks, other names, host names, name servers.

use std::collections::HashSet;
use std::net::IpAddr;

use super::reader::Reader;
use super::verdict::{known_entries, report, report_value};
use crate::compose::load::limits::MAX_ITEMS;
use crate::compose::load::pairs::{Host, hosts};
use crate::compose::model::{Alias, Located, Port, Service};
use crate::compose::names;
use crate::compose::support;
use crate::compose::syntax;
use crate::compose::tree::{Tree, TreeEntry};
use crate::diag::Diagnostic;
use crate::text::dns;

pub(super) fn ports(reader: &mut Reader<'_>, service: &str, tree: &Tree) -> Vec<Port> {
    let mut ports: Vec<Port> = Vec::new();
    let mut seen = HashSet::new();
    for item in reader.list("ports", tree) {
        if let Some(port) = port(reader, service, item)
            // A later file may repeat a port.
            && seen.insert((port.host_ip.clone(), port.published, port.target, port.protocol))
        {
            ports.push(port);
        }
    }
    ports
}

fn port(reader: &mut Reader<'_>, service: &str, item: &Tree) -> Option<Port> {
    let (mut host_ip, mut published, mut target, mut protocol, mut app_protocol) = (None, None, None, None, None);
    for entry in known_entries(reader, service, "ports", &["host_ip", "mode"], item) {
        let text = reader.text(&entry.key, &entry.value).filter(|text| !text.is_empty());
        match entry.key.as_str() {
            "target" => target = text,
            "published" => published = text,
            "host_ip" => host_ip = text,
            "protocol" => protocol = text,
            "app_protocol" => app_protocol = text,
            "mode" => {
                if let Some(mode) = text {
                    report_value(reader, service, "ports.mode", &mode, &entry.key_location);
                }
            }
            _ => {}
        }
    }
    if let Some(name) = app_protocol.as_deref().filter(|name| !names::is_qualified_name(name)) {
        let message = format!("ports: app_protocol \"{name}\" is no name such as http");
        reader.error("compose-port", message, &item.location);
    }
    let Some(target) = target else {
        reader.error("compose-port", "ports: target is missing", &item.location);
        return None;
    };
    let numbers = || -> Result<_, String> {
        let published = published.as_deref().map(one_port).transpose()?;
        Ok((published, one_port(&target)?, syntax::protocol(protocol.as_deref().unwrap_or("tcp"))?))
    };
    match numbers() {
        Ok((published, target, protocol)) => {
            Some(Port { host_ip, published, target, protocol, app_protocol, location: item.location.clone() })
        }
        Err(message) => {
            reader.error("compose-port", format!("ports: {message}"), &item.location);
            None
        }
    }
}

/// A port that is neither a range nor 0.
fn one_port(text: &str) -> Result<u16, String> {
    match syntax::port_range(text)? {
        (0, _) => Err("a port is a number between 1 and 65535".to_owned()),
        (first, last) if first != last => Err(format!("{text} leaves the choice to docker; write one port")),
        (port, _) => Ok(port),
    }
}

pub(super) fn expose(reader: &mut Reader<'_>, tree: &Tree) -> Vec<Port> {
    let mut ports = Vec::new();
    for (text, location) in reader.texts("expose", tree) {
        let (range, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
        let parsed = syntax::port_range(range).and_then(|range| Ok((range, syntax::protocol(protocol)?)));
        match parsed {
            Ok(((first @ 1.., last), protocol)) => ports.extend((first..=last).map(|target| Port {
                host_ip: None,
                published: None,
                target,
                protocol,
                app_protocol: None,
                location: location.clone(),
            })),
            Ok(_) => reader.error("compose-port", "expose: 0 is no port", &location),
            Err(message) => reader.error("compose-port", format!("expose: {message}"), &location),
        }
        if ports.len() > MAX_ITEMS {
            let message = format!("expose: a service may have at most {MAX_ITEMS} ports");
            reader.error("compose-limit", message, &location);
            break;
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
    let mut entries = reader.entries("networks", &field.value);
    entries.sort_by_key(|entry| &entry.key);
    let named = entries.iter().any(|entry| entry.key != "default" || !entry.value.is_null());
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
    if label.len() < name.len() && dns::is_label(&label) {
        let message = format!("{}: hostname {name}: a Pod has no domain of its own; it is {label}", service.name);
        reader.warning("compose-hostname", message, &tree.location);
    }
    if dns::is_label(&label) {
        service.hostname = Some(Located { value: label, location: tree.location.clone() });
    } else {
        let message = format!("{}: hostname {name} is not used: use letters, digits and \"-\"", service.name);
        reader.warning("compose-hostname", message, &tree.location);
    }
}

pub(super) fn extra_hosts(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    // What is no host with its addresses is an error of the check that follows.
    for Host { name, address, location } in hosts(tree).unwrap_or_default() {
        let (host, address) = (name.trim().to_ascii_lowercase(), address.as_str());
        if address == "host-gateway" {
            report_value(reader, &service.name, "extra_hosts", address, location);
        } else if address.parse::<IpAddr>().is_err() {
            let finding = Diagnostic::error(
                "compose-extra-hosts",
                format!("{}: extra_hosts {host}: \"{address}\" is no address", service.name),
            );
            reader.push(finding.help("write it as \"name=10.0.0.1\""), location);
        } else if !dns::is_subdomain(&host) {
            let message = format!("{}: extra_hosts: \"{host}\" is no host name", service.name);
            reader.error("compose-extra-hosts", message, location);
        } else {
            service.extra_hosts.push((address.to_owned(), host));
        }
    }
}

pub(super) fn dns(reader: &mut Reader<'_>, service: &mut Service, key: &str, tree: &Tree) {
    for (text, location) in reader.texts(key, tree) {
        let fault = match key {
            "dns" if text.parse::<IpAddr>().is_err() => "is no address of a name server",
            "dns_search" if text != "." && !dns::is_subdomain(text.trim_end_matches('.')) => "is no domain",
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
