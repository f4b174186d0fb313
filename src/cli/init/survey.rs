//! What a compose project needs to run as an App: volumes, rules, and a compose file merged over the user's that changes
//! what cannot work in a cluster. Decides; writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::draft::Draft;
use super::images;
use super::mounts::{Mounts, Rewritten};
use super::yaml::slug;
use crate::compose::addresses::{LOCAL, addresses};
use crate::compose::files::{Files, LocalFiles};
use crate::compose::model::Protocol;
use crate::compose::names::is_dns_label;
use crate::compose::syntax;
use crate::compose::tree::{Tree, TreeEntry};
use crate::diag::{Diagnostic, Diagnostics, Location};

/// Host ports of one service that get rules; ranges beyond are no web servers.
const MOST_RULES: usize = 4;
/// Places that one remark lists.
const MOST_LINES: usize = 8;

/// A sentence about a place in the compose files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The place.
    pub at: Option<Location>,
    /// The sentence, without a full stop.
    pub text: String,
}

/// What was found and decided.
#[derive(Debug, Default)]
pub struct Survey {
    /// The number of services that run.
    pub services: usize,
    /// Volumes in order; the first takes relative bind mounts. Each with what lies on it.
    pub volumes: Vec<(String, String)>,
    /// Ingress rules.
    pub rules: Vec<Rule>,
    /// Profiles that the compose files know and that stay off.
    pub profiles: Vec<String>,
    /// Profiles that are on: those that `COMPOSE_PROFILES` names, else all where no service is without one.
    pub active: Vec<String>,
    /// Services that get Pods of their own, since another one listens on their port.
    pub boxes: Vec<String>,
    /// What is changed about services, in the order of the compose file.
    pub changes: Vec<(String, Change)>,
    /// Top-level configs to add: name and file.
    pub configs: Vec<(String, String)>,
    /// Top-level secrets to add: name and file.
    pub secrets: Vec<(String, String)>,
    /// Whether a service reads `.env` as an env file and there is none.
    pub wants_env_file: bool,
    /// What the user has to change first: with it nothing can be written that works.
    pub refused: Diagnostics,
    /// What was decided and need not be done.
    pub decided: Vec<Remark>,
    /// What the user has to do or to know.
    pub todo: Vec<Remark>,
}

/// An ingress rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// The host port.
    pub port: u16,
    /// The service behind it.
    pub service: String,
}

/// What the written compose file changes about a service.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Whether it is left out.
    pub off: bool,
    /// A placeholder for its image.
    pub image: Option<String>,
    /// Ports to publish in addition.
    pub ports: Vec<String>,
    /// All of its mounts, in place of those in the user's file.
    pub volumes: Option<Vec<String>>,
    /// All of its env files, in place of those in the user's file, and whether each is required.
    pub env_files: Option<Vec<(String, bool)>>,
    /// Single files: config, target, and whether it is a program.
    pub configs: Vec<FileUse>,
    /// The same for what may be secret.
    pub secrets: Vec<FileUse>,
    /// Why, one line each.
    pub why: Vec<String>,
}

/// A file that a service sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileUse {
    /// The config or secret.
    pub source: String,
    /// Where the service sees it.
    pub target: String,
    /// Whether it can be executed.
    pub executable: bool,
}

impl Change {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// A service as far as it matters here.
struct Service<'t> {
    name: &'t str,
    at: &'t Location,
    tree: &'t Tree,
    image: &'t str,
    ports: Vec<Port>,
}

struct Port {
    published: Option<u16>,
    target: u16,
    protocol: Protocol,
    /// Whether it is bound to the loopback address.
    local: bool,
    at: Location,
}

/// Looks at a compose project for an app of this name; `disks` is the number of disks that one node can hold.
pub fn survey(draft: &Draft, app: &str, disks: impl Fn(usize) -> usize) -> Survey {
    let mut survey = Survey::default();
    let entries = draft.tree.get("services").and_then(Tree::as_mapping).unwrap_or_default();
    let entries: Vec<&TreeEntry> =
        entries.iter().filter(|entry| !entry.key.starts_with("x-") && entry.value.as_mapping().is_some()).collect();
    let profiles = |entry: &TreeEntry| texts(entry.value.get("profiles"));
    let known: BTreeSet<String> = entries.iter().flat_map(|entry| profiles(entry)).collect();
    let all = if draft.profiles.is_empty() {
        entries.iter().all(|entry| !profiles(entry).is_empty())
    } else {
        draft.profiles.iter().any(|name| name == "*")
    };
    (survey.active, survey.profiles) = known.into_iter().partition(|name| all || draft.profiles.contains(name));
    let on = |names: &[String]| names.is_empty() || names.iter().any(|name| survey.active.contains(name));
    let running = entries.iter().filter(|entry| on(&profiles(entry)));
    let mut services: Vec<Service<'_>> = running.map(|entry| service(entry)).collect();
    let mut changes: BTreeMap<&str, Change> = BTreeMap::new();
    leave_out(&mut survey, &mut services, &mut changes);
    survey.services = services.len();

    // Services behind a profile mount volumes, too, once somebody turns them on.
    let mounting: Vec<(&str, &Tree)> = entries
        .iter()
        .filter(|entry| !changes.get(entry.key.as_str()).is_some_and(|change| change.off))
        .filter_map(|entry| Some((entry.key.as_str(), entry.value.get("volumes")?)))
        .collect();
    let mut mounts = Mounts::new(draft, &mounting, disks(survey.services));
    for (name, tree) in &mounting {
        let Rewritten { volumes, configs, secrets, why } = mounts.rewrite(name, tree);
        let change = changes.entry(name).or_default();
        change.volumes = volumes;
        change.configs = configs;
        change.secrets = secrets;
        change.why.extend(why);
    }
    let finished = mounts.finish();
    survey.volumes = finished.volumes;
    survey.configs = finished.configs;
    survey.secrets = finished.secrets;
    survey.decided.extend(finished.decided);
    survey.todo.extend(finished.todo);

    let files = LocalFiles::new(&draft.root);
    for entry in &entries {
        let change = changes.entry(&entry.key).or_default();
        if change.off {
            continue;
        }
        image(&mut survey, entry, app, change);
        env_files(&mut survey, entry, &files, change);
    }
    names(&mut survey, &entries, &services, draft);
    rules(&mut survey, &services, &mut changes);
    shared_ports(&mut survey, &services);
    for (name, what) in [("networks", "network"), ("volumes", "volume")] {
        for entry in draft.tree.get(name).and_then(Tree::as_mapping).unwrap_or_default() {
            if entry.value.get("external").and_then(Tree::as_text) == Some("true") {
                let text = match what {
                    "network" => format!(
                        "the external network {} is not joined: what is on it is reached by its address",
                        entry.key
                    ),
                    _ => format!("the external volume {} starts empty on the cluster: copy its data once", entry.key),
                };
                survey.todo.push(Remark { at: Some(entry.key_location.clone()), text });
            }
        }
    }
    survey.changes = entries
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), changes.remove(entry.key.as_str())?)))
        .filter(|(_, change)| !change.is_nothing())
        .collect();
    survey
}

fn service(entry: &TreeEntry) -> Service<'_> {
    let image = entry.value.get("image").and_then(Tree::as_text).unwrap_or_default();
    let mut ports = Vec::new();
    for item in entry.value.get("ports").and_then(Tree::as_sequence).unwrap_or_default() {
        // A port that cannot be read is an error of the check that follows.
        let field = |key: &str| item.get(key).and_then(Tree::as_text);
        let port = |key: &str| field(key).and_then(|text| text.parse().ok());
        let protocol = syntax::protocol(field("protocol").unwrap_or("tcp"));
        if let (Some(target), Ok(protocol)) = (port("target"), protocol) {
            let local = field("host_ip").and_then(|ip| ip.parse().ok()).is_some_and(|ip: IpAddr| ip.is_loopback());
            ports.push(Port { published: port("published"), target, protocol, local, at: item.location.clone() });
        }
    }
    Service { name: &entry.key, at: &entry.key_location, tree: &entry.value, image, ports }
}

/// A text or a list of texts.
fn texts(tree: Option<&Tree>) -> Vec<String> {
    let Some(tree) = tree else { return Vec::new() };
    let items = tree.as_sequence().unwrap_or(std::slice::from_ref(tree));
    items.iter().filter_map(Tree::as_text).map(str::to_owned).collect()
}

/// Services whose work is with Docker have none to do: those known for it, and those that wait for one of them. Others
/// that mount its socket may do without.
fn leave_out<'t>(survey: &mut Survey, services: &mut Vec<Service<'t>>, changes: &mut BTreeMap<&'t str, Change>) {
    let mounting = || services.iter().filter(|service| docker_socket(service.tree).is_some());
    let mut off: BTreeSet<&str> =
        mounting().filter(|service| images::is_for_docker(service.image)).map(|service| service.name).collect();
    while let Some(more) = mounting().find(|service| {
        !off.contains(service.name) && depends_on(service.tree).iter().any(|name| off.contains(name.as_str()))
    }) {
        off.insert(more.name);
    }
    // What stays must find what it waits for: such a service stays, too, without the socket.
    let staying = services.iter().filter(|service| !off.contains(service.name));
    let needed: BTreeSet<String> = staying.flat_map(|service| depends_on(service.tree)).collect();
    let others = off.len() < services.len();
    services.retain(|service| {
        let Some(socket) = docker_socket(service.tree).filter(|_| off.contains(service.name)) else { return true };
        if needed.contains(service.name) || !others {
            return true;
        }
        let change = changes.entry(service.name).or_default();
        change.off = true;
        change.why.push("it works with Docker, which a cluster does not have".to_owned());
        let text = format!("{} is left out: it works with Docker, which a cluster does not have", service.name);
        survey.decided.push(Remark { at: Some(socket.location.clone()), text });
        false
    });
}

/// The mount of Docker's socket, if there is one.
fn docker_socket(service: &Tree) -> Option<&Tree> {
    let items = service.get("volumes").and_then(Tree::as_sequence).unwrap_or_default();
    items.iter().find(|item| {
        let source = item.get("source").and_then(Tree::as_text);
        source.is_some_and(|source| source.ends_with("/docker.sock"))
    })
}

fn depends_on(service: &Tree) -> Vec<String> {
    match service.get("depends_on") {
        Some(tree) if tree.as_mapping().is_some() => {
            tree.as_mapping().unwrap_or_default().iter().map(|entry| entry.key.clone()).collect()
        }
        other => texts(other),
    }
}

fn image(survey: &mut Survey, entry: &TreeEntry, app: &str, change: &mut Change) {
    let image = entry.value.get("image").and_then(Tree::as_text).unwrap_or_default();
    let Some(build) = entry.value.get("build").filter(|build| !build.is_null()) else { return };
    if image.contains('/') {
        return;
    }
    if !image.is_empty() {
        // Without a registry's or an owner's name it is on this machine only.
        let text = format!("the image {image} is built here: push it to a registry, and name it in compose.kompox.yml");
        survey.todo.push(Remark { at: Some(build.location.clone()), text });
        return;
    }
    change.image = Some(format!("registry.example.com/{app}/{}:change-me", entry.key.to_ascii_lowercase()));
    change.why.push("it is only built: push an image and name it here".to_owned());
    let text = format!(
        "{} is only built: build the image, push it to a registry, and name it in compose.kompox.yml",
        entry.key
    );
    survey.todo.push(Remark { at: Some(build.location.clone()), text });
}

/// A service's name is a host name in the cluster. Nobody but the user can change it: others may name it as a host.
fn names(survey: &mut Survey, entries: &[&TreeEntry], services: &[Service<'_>], draft: &Draft) {
    let fits = |name: &str| name.starts_with(|c: char| c.is_ascii_lowercase()) && is_dns_label(name);
    let wrong: BTreeMap<&str, &Location> = entries
        .iter()
        .filter(|entry| !fits(&entry.key))
        .map(|entry| (entry.key.as_str(), &entry.key_location))
        .collect();
    let mut places = places(draft, &wrong);
    for entry in entries {
        let Some((name, at)) = wrong.get_key_value(entry.key.as_str()) else { continue };
        let mut lines = places.remove(name).unwrap_or_default();
        let rest = lines.len().saturating_sub(MOST_LINES);
        lines.truncate(MOST_LINES);
        let also = match (lines.is_empty(), rest) {
            (true, _) => String::new(),
            (false, 0) => format!(", such as at {}", lines.join(", ")),
            (false, rest) => format!(", such as at {} and {rest} more places", lines.join(", ")),
        };
        let message = format!("{name} cannot be the name of a container and of a Kubernetes Service");
        let help = format!("rename it {}, also where others wait for it or name it as a host{also}", slug(name, 63));
        if services.iter().any(|service| service.name == *name) {
            // Nothing but the name is shown: a service in one line may hold a secret.
            let file = draft.sources.iter().find(|source| source.file == at.file);
            let line = file.and_then(|source| source.text.lines().nth((at.line as usize).checked_sub(1)?));
            let line = line.filter(|line| line.trim().trim_end_matches(':') == *name).map(str::to_owned);
            let finding = Diagnostic::error("compose-name", message).at((*at).clone(), line).help(help);
            survey.refused.push(finding.help("then run init again; nothing was written"));
        } else {
            survey.todo.push(Remark { at: Some((*at).clone()), text: format!("{message}: {help}") });
        }
    }
}

/// Where names stand in the files as words of their own, but for comments and the places given.
fn places<'n>(draft: &Draft, names: &BTreeMap<&'n str, &Location>) -> BTreeMap<&'n str, Vec<String>> {
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    if names.is_empty() {
        return found;
    }
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    for source in &draft.sources {
        for (index, line) in source.text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#')) {
            // `${HOST:-name}`: the dash is no part of the name.
            let words: BTreeSet<&str> = line.split(|c| !part(c)).map(|word| word.trim_start_matches('-')).collect();
            for (name, own) in words.into_iter().filter_map(|word| names.get_key_value(word)) {
                if *source.file != *own.file || index + 1 != own.line as usize {
                    found.entry(name).or_default().push(format!("{}:{}", source.file, index + 1));
                }
            }
        }
    }
    found
}

fn env_files(survey: &mut Survey, entry: &TreeEntry, files: &dyn Files, change: &mut Change) {
    let Some(tree) = entry.value.get("env_file").filter(|tree| !tree.is_null()) else { return };
    let items = tree.as_sequence().unwrap_or(std::slice::from_ref(tree));
    let mut kept = Vec::new();
    let mut changed = false;
    for item in items {
        let path = item.get("path").and_then(Tree::as_text).unwrap_or_default();
        let required = item.get("required").and_then(Tree::as_text) != Some("false");
        let plain = path.strip_prefix("./").unwrap_or(path);
        if path.starts_with(['/', '~']) || path.split('/').any(|part| part == "..") {
            changed = true;
            let text = format!(
                "{}: the env file {path} is outside of this folder and left out; copy it here and name it in \
                 compose.kompox.yml",
                entry.key
            );
            survey.todo.push(Remark { at: Some(item.location.clone()), text });
        } else if required && plain == ".env" && !files.is_file(path) {
            survey.wants_env_file = true;
            kept.push((path.to_owned(), true));
        } else if required && !files.is_file(path) {
            changed = true;
            kept.push((path.to_owned(), false));
            let text =
                format!("{}: the env file {path} is missing; write it, or the service starts without", entry.key);
            survey.todo.push(Remark { at: Some(item.location.clone()), text });
        } else {
            kept.push((path.to_owned(), required));
        }
    }
    if changed {
        change.env_files = Some(kept);
        change.why.push("an env file is missing or outside of this folder".to_owned());
    }
}

/// Rules for published ports that look like HTTP; where there is none, for the likeliest port that is not published.
fn rules<'t>(survey: &mut Survey, services: &[Service<'t>], changes: &mut BTreeMap<&'t str, Change>) {
    let mut taken: BTreeSet<u16> = BTreeSet::new();
    for service in services {
        let web: Vec<&Port> = service.ports.iter().filter(|port| is_web(service, port)).collect();
        let plain = web.iter().any(|port| !images::is_https(port.target));
        let mut named: Vec<(u16, u16)> = Vec::new();
        for port in web {
            let at = Some(port.at.clone());
            if images::is_https(port.target) {
                if !plain {
                    let text = format!(
                        "{} speaks HTTPS on {}: the ingress ends TLS and speaks HTTP to it; publish its HTTP port and \
                         write a rule for it",
                        service.name, port.target
                    );
                    survey.todo.push(Remark { at, text });
                }
                continue;
            }
            // One rule leads to each container port, however often that is published.
            if named.len() >= MOST_RULES || named.iter().any(|(_, target)| *target == port.target) {
                continue;
            }
            match port.published {
                Some(published) if taken.insert(published) => named.push((published, port.target)),
                Some(_) => {}
                None => {
                    let Some(published) = free(&taken, port.target) else { continue };
                    taken.insert(published);
                    named.push((published, port.target));
                    let change = changes.entry(service.name).or_default();
                    change.ports.push(format!("{published}:{}", port.target));
                    change.why.push(format!("port {} has no host port, which a rule needs", port.target));
                }
            }
        }
        survey.rules.extend(named.iter().map(|(port, _)| rule(service.name, *port, named.len() > 1)));
        for port in service.ports.iter().filter(|port| port.local) {
            if let Some((published, _)) = named.iter().find(|(published, _)| Some(*published) == port.published) {
                let text = format!(
                    "{}: port {published} was for this machine only, and its rule opens it to everybody: take the rule \
                     out if that is not meant",
                    service.name
                );
                survey.todo.push(Remark { at: Some(port.at.clone()), text });
            }
        }
        let others = service.ports.iter().filter(|port| !is_web(service, port) && port.published.is_some());
        for port in others {
            let text = format!(
                "{}: port {} speaks no HTTP and gets no host: it is reached inside of the cluster only",
                service.name, port.target
            );
            survey.decided.push(Remark { at: Some(port.at.clone()), text });
        }
    }
    if survey.rules.is_empty()
        && let Some((service, target)) = services.iter().find_map(|service| Some((service, hidden_port(service)?)))
    {
        let published = free(&taken, target).unwrap_or(target);
        survey.rules.push(rule(service.name, published, false));
        let change = changes.entry(service.name).or_default();
        change.ports.push(format!("{published}:{target}"));
        change.why.push("no service publishes a port for browsers; this is the likeliest".to_owned());
        let text = format!("{} gets a host for port {target}: no service publishes one", service.name);
        survey.decided.push(Remark { at: Some(service.at.clone()), text });
    }
    unique_names(&mut survey.rules);
    if survey.rules.is_empty() {
        let mut text =
            "no service publishes a port that looks like HTTP, so the app has no host; add a rule if one does"
                .to_owned();
        if !survey.profiles.is_empty() {
            text += &format!(", or turn on what is behind the profiles {}", survey.profiles.join(", "));
        }
        survey.todo.push(Remark { at: None, text });
    }
}

fn is_web(service: &Service<'_>, port: &Port) -> bool {
    port.protocol == Protocol::Tcp && images::may_be_http(port.target) && !images::is_backend(service.image)
}

fn free(taken: &BTreeSet<u16>, wanted: u16) -> Option<u16> {
    (wanted..=u16::MAX).find(|port| !taken.contains(port))
}

/// A port that a reverse proxy in the compose file would have been told of.
fn hidden_port(service: &Service<'_>) -> Option<u16> {
    if images::is_backend(service.image) || images::is_fast_cgi(service.image) {
        return None;
    }
    let port = |text: &str| text.split(['/', '-']).next()?.trim().parse::<u16>().ok().filter(|port| *port > 0);
    let pairs = |key: &str| -> Vec<(String, String)> {
        let Some(tree) = service.tree.get(key) else { return Vec::new() };
        match tree.as_mapping() {
            Some(entries) => {
                entries.iter().filter_map(|e| Some((e.key.clone(), e.value.as_text()?.to_owned()))).collect()
            }
            None => texts(Some(tree))
                .iter()
                .filter_map(|text| text.split_once('='))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }
    };
    let names = |key: &str| -> Vec<String> {
        let Some(tree) = service.tree.get(key) else { return Vec::new() };
        match tree.as_mapping() {
            Some(entries) => entries.iter().map(|entry| entry.key.clone()).collect(),
            None => texts(Some(tree)).iter().filter_map(|text| Some(text.split('=').next()?.to_owned())).collect(),
        }
    };
    let label = pairs("labels").into_iter().find(|(key, _)| key.ends_with(".loadbalancer.server.port"));
    let environment = names("environment");
    let variable = pairs("environment").into_iter().find(|(key, _)| key == "VIRTUAL_PORT");
    let told = label.or(variable).and_then(|(_, value)| port(&value));
    // nginx-proxy takes port 80 where it is told a host only.
    let hosted = environment.iter().any(|name| name == "VIRTUAL_HOST").then_some(80);
    told.or(hosted)
        .or_else(|| texts(service.tree.get("expose")).iter().find_map(|text| port(text)))
        .or_else(|| images::default_ports(service.image).first().copied())
        .filter(|port| images::may_be_http(*port))
}

fn rule(service: &str, port: u16, several: bool) -> Rule {
    let name = if several { format!("{service}-{port}") } else { service.to_owned() };
    Rule { name, port, service: service.to_owned() }
}

/// `^[a-z]([-a-z0-9]{0,14})$`, each once; the first is `main`.
fn unique_names(rules: &mut [Rule]) {
    let mut seen = BTreeSet::new();
    for (index, rule) in rules.iter_mut().enumerate() {
        let text = rule.name.to_ascii_lowercase();
        let text: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let mut name: String = text.trim_start_matches(|c: char| !c.is_ascii_lowercase()).chars().take(15).collect();
        if index == 0 {
            name = "main".to_owned();
        }
        if name.is_empty() || !seen.insert(name.clone()) {
            name = format!("port-{}", rule.port);
            seen.insert(name.clone());
        }
        rule.name = name;
    }
}

/// Containers of one Pod share its ports, also those that nobody wrote down: of two services on one port the later gets
/// a Pod of its own.
fn shared_ports(survey: &mut Survey, services: &[Service<'_>]) {
    let seen = seen_ports(services);
    let mut first: BTreeMap<(u16, Protocol), &Service<'_>> = BTreeMap::new();
    for service in services {
        let mut ports: BTreeSet<(u16, Protocol)> = declared_ports(service);
        // Another program in the image listens where it likes, and a web server where its configuration says.
        let own = service.tree.get("entrypoint").is_none_or(Tree::is_null);
        if own && (ports.is_empty() || images::is_backend(service.image)) {
            ports.extend(images::default_ports(service.image).iter().map(|port| (*port, Protocol::Tcp)));
        }
        ports.extend(seen.get(service.name).into_iter().flatten().map(|port| (*port, Protocol::Tcp)));
        let clash = ports.iter().find_map(|port| Some((*port, *first.get(port)?)));
        let Some(((port, _), other)) = clash.filter(|(_, other)| !share_network(service, other)) else {
            ports.into_iter().for_each(|port| _ = first.entry(port).or_insert(service));
            continue;
        };
        let surely = [service, other].iter().all(|one| declared_ports(one).iter().any(|(known, _)| *known == port));
        let (seem, listen) =
            if surely { ("both", "") } else { ("both seem to", ", as far as images and addresses tell") };
        let pair = format!("{} and {} {seem} listen on port {port}{listen}", other.name, service.name);
        let at = Some(service.at.clone());
        if may_move(service, services) {
            let text = format!("{} gets a Pod of its own, a Box: {pair}", service.name);
            survey.decided.push(Remark { at, text });
            survey.boxes.push(service.name.to_owned());
        } else if !surely {
            // Where both write the port down, the check that follows says it with both lines.
            let text = format!("{pair}, and share one Pod: give one of them another port, or an App of its own");
            survey.todo.push(Remark { at, text });
        }
    }
}

/// Ports on which services listen, as health checks and other services' variables say.
fn seen_ports<'t>(services: &[Service<'t>]) -> BTreeMap<&'t str, BTreeSet<u16>> {
    let mut seen: BTreeMap<&str, BTreeSet<u16>> = services.iter().map(|one| (one.name, BTreeSet::new())).collect();
    for service in services {
        let check = service.tree.get("healthcheck").and_then(|check| check.get("test"));
        for text in check.into_iter().flat_map(shown) {
            for (host, port) in addresses(text) {
                let name = if LOCAL.contains(&host) { service.name } else { host };
                seen.get_mut(name).map(|ports| ports.insert(port));
            }
        }
        for text in service.tree.get("environment").into_iter().flat_map(shown) {
            for (host, port) in addresses(text) {
                seen.get_mut(host).map(|ports| ports.insert(port));
            }
        }
    }
    seen
}

/// The texts of a list, a mapping or a single value that hold no variable's value: what is said of them may be shown.
fn shown(tree: &Tree) -> Vec<&str> {
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
    let exposed = exposed.iter().filter_map(|text| {
        let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        Some((port.parse().ok()?, syntax::protocol(protocol).ok()?))
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

/// Whether a service can have a Pod of its own: nobody waits for its end, it waits for no other's, and a Box can be named
/// as it is.
fn may_move(service: &Service<'_>, services: &[Service<'_>]) -> bool {
    let waits = |tree: &Tree, name: Option<&str>| {
        tree.get("depends_on").and_then(Tree::as_mapping).unwrap_or_default().iter().any(|entry| {
            name.is_none_or(|name| entry.key == name)
                && entry.value.get("condition").and_then(Tree::as_text) == Some("service_completed_successfully")
        })
    };
    let shares = service.tree.get("network_mode").is_some_and(|mode| !mode.is_null());
    let named = service.name != "app" && service.name != "box" && is_dns_label(service.name);
    named
        && !shares
        && !waits(service.tree, None)
        && !services.iter().any(|other| waits(other.tree, Some(service.name)))
}
