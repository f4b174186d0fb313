//! Ports that services listen on, and services that cannot share a Pod because of them.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use super::found::{Change, Remark, Service, Survey, texts};
use super::images;
use crate::compose::addresses::{LOCAL, addresses, listens};
use crate::compose::files::{Files, LocalFiles};
use crate::compose::syntax;
use crate::compose::syntax::Protocol;
use crate::compose::tree::Tree;
use crate::diag::Diagnostic;
use crate::text::dns::is_label;

/// Containers of one Pod share its ports, also those that nobody wrote down: of two services on one port the later gets
/// a Pod of its own. `jobs` are over before the others start, and the `ended` listen nowhere as far as anybody says.
pub(super) fn shared_ports(
    survey: &mut Survey,
    draft: &Draft,
    app: &str,
    services: &[Service<'_>],
    (jobs, ended): (&BTreeSet<&str>, &BTreeSet<&str>),
    changes: &BTreeMap<&str, Change>,
) {
    let files = mounted(draft, survey, services, changes);
    let seen = seen_ports(services, &files);
    let mut first: BTreeMap<(u16, Protocol), &Service<'_>> = BTreeMap::new();
    let mut unknown: Vec<&str> = Vec::new();
    for service in services.iter().filter(|service| !jobs.contains(service.name)) {
        let certain = |one: &Service<'_>| -> BTreeSet<(u16, Protocol)> {
            declared_ports(one).into_iter().chain(added(changes.get(one.name))).collect()
        };
        let mut ports: BTreeSet<(u16, Protocol)> = certain(service);
        // Another program in the image listens where it likes, and a web server where its configuration says.
        let own = service.tree.get("entrypoint").is_none_or(Tree::is_null);
        let configured = seen.configured.contains(service.name);
        if own && ((ports.is_empty() && !configured) || images::is_backend(service.image)) {
            ports.extend(images::default_ports(service.image).iter().map(|port| (*port, Protocol::Tcp)));
        }
        ports.extend(seen.of.get(service.name).into_iter().flatten().map(|port| (*port, Protocol::Tcp)));
        if ports.is_empty() && !shares_network(service) && !ended.contains(service.name) {
            unknown.push(service.name);
        }
        let clashes = ports.iter().filter_map(|port| Some((*port, *first.get(port)?)));
        let mut clashes: Vec<_> = clashes.filter(|(_, other)| !share_network(service, other)).collect();
        // What both write down is the better reason.
        clashes.sort_by_key(|(port, other)| !(certain(service).contains(port) && certain(other).contains(port)));
        let Some(((port, protocol), other)) = clashes.first().copied() else {
            ports.into_iter().for_each(|port| _ = first.entry(port).or_insert(service));
            continue;
        };
        let surely = [service, other].iter().all(|one| certain(one).contains(&(port, protocol)));
        let (seem, listen) =
            if surely { ("both", "") } else { ("both seem to", ", as far as images and addresses tell") };
        let pair = format!("{} and {} {seem} listen on port {port}{listen}", other.name, service.name);
        let at = Some(service.at.clone());
        if may_move(app, service, services) {
            let text = format!("{} gets a Pod of its own, a Box: {pair}", service.name);
            survey.decided.push(Remark { at, text });
            survey.boxes.push(service.name.to_ascii_lowercase());
        } else if surely {
            let message = format!("{pair}, and share one Pod");
            let finding = Diagnostic::error("compose-port-shared", message).at(service.at.clone(), None);
            let help = "give one of them another port, or put it into a compose file and an App of its own";
            survey.refused.push(finding.help(help).help("then run init again; nothing was written"));
        } else {
            let text = format!("{pair}, and share one Pod: give one of them another port, or an App of its own");
            survey.todo.push(Remark { at, text });
        }
    }
    let together = services.len() - jobs.len() - survey.boxes.len();
    if !unknown.is_empty() && together > 1 {
        let text = format!(
            "the ports of these images are not known: {}; services of one Pod cannot listen on one port: write a Box \
             for one that does",
            unknown.join(", ")
        );
        survey.todo.push(Remark { at: None, text });
    }
}

/// Container ports that are published in addition.
fn added(change: Option<&Change>) -> impl Iterator<Item = (u16, Protocol)> {
    let ports = change.into_iter().flat_map(|change| &change.ports);
    ports.filter_map(|port| Some((port.rsplit(':').next()?.parse().ok()?, Protocol::Tcp)))
}

/// A file that a service sees: the service, where it sees it, the text.
struct Mounted<'t> {
    service: &'t str,
    target: String,
    text: String,
}

/// The files that services see as configs and secrets, their own and those that were mounts.
fn mounted<'t>(
    draft: &Draft,
    survey: &Survey,
    services: &[Service<'t>],
    changes: &BTreeMap<&str, Change>,
) -> Vec<Mounted<'t>> {
    let files = LocalFiles::new(&draft.root);
    let read = |path: &str| files.read(path).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let mut found = Vec::new();
    for service in services {
        let change = changes.get(service.name);
        let ours = change.into_iter().flat_map(|change| {
            let configs = change.configs.iter().map(|one| (one, &survey.configs));
            configs.chain(change.secrets.iter().map(|one| (one, &survey.secrets)))
        });
        for (one, known) in ours {
            let path = known.iter().find(|(name, _)| *name == one.source).map(|(_, path)| path.as_str());
            let text = path.and_then(read);
            found.extend(text.map(|text| Mounted { service: service.name, target: one.target.clone(), text }));
        }
        let Some(uses) = service.tree.get("configs").and_then(Tree::as_sequence) else { continue };
        for one in uses {
            let source = one.get("source").or(Some(one)).and_then(Tree::as_text);
            let config = source.and_then(|source| draft.tree.get("configs")?.get(source));
            let field = |key: &str| config.and_then(|config| config.get(key)).and_then(Tree::as_text);
            let text = field("content").map(str::to_owned).or_else(|| field("file").and_then(read));
            let target = one.get("target").and_then(Tree::as_text).unwrap_or_default().to_owned();
            found.extend(text.map(|text| Mounted { service: service.name, target, text }));
        }
    }
    found
}

/// Ports on which services listen.
struct Seen<'t> {
    of: BTreeMap<&'t str, BTreeSet<u16>>,
    /// Services whose own configuration says where they listen.
    configured: BTreeSet<&'t str>,
}

/// Ports on which services listen, as health checks, other services' variables and files say.
fn seen_ports<'t>(services: &[Service<'t>], files: &[Mounted<'t>]) -> Seen<'t> {
    let mut seen: BTreeMap<&str, BTreeSet<u16>> = services.iter().map(|one| (one.name, BTreeSet::new())).collect();
    // Names of hosts tell no case.
    let named = |host: &str| services.iter().map(|one| one.name).find(|name| name.eq_ignore_ascii_case(host));
    let mut sees = |name: Option<&str>, port| name.and_then(|name| seen.get_mut(name)).map(|ports| ports.insert(port));
    for service in services {
        let check = service.tree.get("healthcheck").and_then(|check| check.get("test"));
        for text in check.into_iter().flat_map(shown) {
            for (host, port) in addresses(text) {
                sees(if LOCAL.contains(&host) { Some(service.name) } else { named(host) }, port);
            }
        }
        let variables = service.tree.get("environment").into_iter().flat_map(shown);
        let command = ["command", "entrypoint"].into_iter().filter_map(|key| service.tree.get(key)).flat_map(shown);
        for text in variables.chain(command) {
            for (host, port) in addresses(text) {
                sees(named(host), port);
            }
        }
    }
    let mut configured = BTreeSet::new();
    for file in files {
        let lines = file.text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
        for line in lines {
            for (host, port) in addresses(line) {
                sees(named(host), port);
            }
            if let Some(port) = own(&file.target, line) {
                configured.insert(file.service);
                sees(Some(file.service), port);
            }
        }
    }
    Seen { of: seen, configured }
}

/// The port that a line of a web server's own configuration has it listen on.
fn own(target: &str, line: &str) -> Option<u16> {
    let servers = ["nginx", "httpd", "apache", "haproxy", "Caddyfile"];
    servers.iter().any(|name| target.contains(name)).then(|| listens(line)).flatten()
}

/// The texts of a list, a mapping or a single value that hold no variable's value: what is said of them may be shown.
pub(super) fn shown(tree: &Tree) -> Vec<&str> {
    let items: Vec<&Tree> = match (tree.as_mapping(), tree.as_sequence()) {
        (Some(entries), _) => entries.iter().map(|entry| &entry.value).collect(),
        (_, Some(items)) => items.iter().collect(),
        _ => vec![tree],
    };
    items.into_iter().filter(|item| !item.interpolated).filter_map(Tree::as_text).collect()
}

/// The container ports that a service writes down.
fn declared_ports(service: &Service<'_>) -> BTreeSet<(u16, Protocol)> {
    let exposed = texts(service.tree.get("expose"));
    let exposed = exposed.iter().flat_map(|text| {
        let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (low, high) = ports.split_once('-').unwrap_or((ports, ports));
        let range = low.parse::<u16>().ok().zip(high.parse::<u16>().ok());
        let protocol = syntax::protocol(protocol).ok();
        let all = range.zip(protocol).map(|((low, high), protocol)| (low..=high).map(move |port| (port, protocol)));
        all.into_iter().flatten()
    });
    service.ports.iter().map(|port| (port.target, port.protocol)).chain(exposed).collect()
}

/// Services that share a network in the compose file have agreed on their ports.
fn share_network(a: &Service<'_>, b: &Service<'_>) -> bool {
    let of = |service: &Service<'_>| {
        let mode = service.tree.get("network_mode").and_then(Tree::as_text)?;
        mode.strip_prefix("service:").map(str::to_owned)
    };
    of(a).is_some_and(|name| name == b.name) || of(b).is_some_and(|name| name == a.name)
}

fn shares_network(service: &Service<'_>) -> bool {
    service.tree.get("network_mode").and_then(Tree::as_text).is_some_and(|mode| mode.starts_with("service:"))
}

/// Whether a service can have a Pod of its own: nobody waits for its end, it waits for no other's, and a Box can be named
/// as it is.
fn may_move(app: &str, service: &Service<'_>, services: &[Service<'_>]) -> bool {
    let waits = |tree: &Tree, name: Option<&str>| {
        tree.get("depends_on").and_then(Tree::as_mapping).unwrap_or_default().iter().any(|entry| {
            name.is_none_or(|name| entry.key == name)
                && entry.value.get("condition").and_then(Tree::as_text) == Some("service_completed_successfully")
        })
    };
    let shares = service.tree.get("network_mode").is_some_and(|mode| !mode.is_null());
    // The Box's Deployment is named `<app>-<service>`, and so is a label.
    let name = service.name.to_ascii_lowercase();
    let named = name != "app" && name != "box" && is_label(&format!("{app}-{name}"));
    named
        && !shares
        && !waits(service.tree, None)
        && !services.iter().any(|other| waits(other.tree, Some(service.name)))
}
