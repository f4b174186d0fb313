//! Ports that services listen on without declaring them, as far as the compose file says so: others name them as
//! `service:port`, and health checks ask `localhost:port`. Two services of one Pod cannot both listen on one port.

use std::collections::{BTreeMap, BTreeSet};

use crate::compose::convert::Context;
use crate::compose::convert::components::Component;
use crate::compose::model::{Condition, Protocol, Service, Text};
use crate::diag::Diagnostic;

/// Below this a number behind a name is an image's tag rather than a port: `redis:7`.
const LOWEST: u16 = 80;

/// What names the container itself in a health check.
const LOCAL: [&str; 4] = ["localhost", "127.0.0.1", "0.0.0.0", "[::1]"];

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

/// The texts that may be shown.
fn open<'t>(texts: impl IntoIterator<Item = &'t Text>) -> impl Iterator<Item = &'t str> {
    texts.into_iter().filter(|text| !text.sensitive).map(|text| text.value.as_str())
}

/// Every `host:port` in a text, also as `host/port` of `/dev/tcp` and as `host port` behind `nc`.
fn addresses(text: &str) -> Vec<(&str, u16)> {
    let netcat = text.split_whitespace().any(|word| word == "nc" || word.ends_with("/nc"));
    let mut found = Vec::new();
    for (at, separator) in text.match_indices([':', '/', ' ']) {
        let (before, after) = (&text[..at], &text[at + 1..]);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        // `redis:7.2` and `8080px` are no ports.
        let ends = !after[digits..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_');
        let Some(port) = after[..digits].parse::<u16>().ok().filter(|port| ends && *port >= LOWEST) else { continue };
        let start = match before.strip_suffix(']') {
            Some(inner) => {
                // No address is longer than that.
                let back = inner.bytes().rev().take(45).position(|byte| byte == b'[');
                back.map(|back| inner.len() - back - 1)
            }
            None => {
                let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
                Some(before.trim_end_matches(part).len())
            }
        };
        let Some(host) = start.map(|start| &before[start..]).filter(|host| !host.is_empty()) else { continue };
        let known = match separator {
            ":" => true,
            "/" => before.strip_suffix(host).is_some_and(|before| before.ends_with("/dev/tcp/")),
            _ => netcat,
        };
        if known {
            found.push((host, port));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_urls_commands_and_lists() {
        for (text, want) in [
            ("http://n8n:5679", vec![("n8n", 5679)]),
            ("redis://:pw@redis:6379/0", vec![("redis", 6379)]),
            ("a:80,b-c.d:8080", vec![("a", 80), ("b-c.d", 8080)]),
            ("curl -f http://localhost:8123/ping || exit 1", vec![("localhost", 8123)]),
            ("wget http://[::1]:3000/", vec![("[::1]", 3000)]),
            ("exec 3<>/dev/tcp/127.0.0.1/9000 && echo", vec![("127.0.0.1", 9000)]),
            ("nc -z localhost 9092", vec![("localhost", 9092)]),
            ("sleep localhost 9092", vec![]),
            ("redis:7", vec![]),
            ("redis:7.2-alpine postgres:160a x:80.1", vec![]),
            ("x:65536 x:99999999999999999999 :80 ]:80 é:80", vec![]),
            ("http://a/9000", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(addresses(text), want, "{text}");
        }
    }
}
