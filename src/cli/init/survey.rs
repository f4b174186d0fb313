//! What a compose project needs to run as an App: volumes, rules, and a compose file merged over the user's that changes
//! what cannot work in a cluster. Decides; writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use super::found::{Change, Remark, Service, Survey, service, texts};
use super::mounts::{Mounts, Rewritten};
use super::yaml::slug;
use super::{fill, images, ports, rules};
use crate::compose::addresses::addresses;
use crate::compose::files::{Files, LocalFiles};
use crate::compose::sensitive;
use crate::compose::tree::{Tree, TreeEntry};
use crate::diag::{Diagnostic, Location};
use crate::text::dns::is_letter_label;

/// Places that one remark lists.
const MOST_LINES: usize = 8;

/// Looks at a compose project for an app of this name; `disks` is the number of disks that one node can hold.
pub fn survey(draft: &Draft, app: &str, disks: impl Fn(usize) -> usize) -> Survey {
    let mut survey = Survey::default();
    let entries = draft.tree.get("services").and_then(Tree::as_mapping).unwrap_or_default();
    let entries: Vec<&TreeEntry> =
        entries.iter().filter(|entry| !entry.key.starts_with("x-") && entry.value.as_mapping().is_some()).collect();
    let active = profiles(&mut survey, draft, &entries);
    let on = |names: &[String]| names.is_empty() || names.iter().any(|name| active.contains(name));
    let running = entries.iter().filter(|entry| on(&profiles_of(entry)));
    let mut services: Vec<Service<'_>> = running.map(|entry| service(entry)).collect();
    let mut changes: BTreeMap<&str, Change> = BTreeMap::new();
    leave_out(&mut survey, &mut services, &mut changes);
    survey.services = services.len();

    mounts(&mut survey, draft, &entries, &mut changes, disks);
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
    rules::rules(&mut survey, &services, &mut changes);
    let (awaited, ended) = endings(&mut survey, &services);
    waits_for_nobody(&mut survey, &entries, &services);
    ports::shared_ports(&mut survey, draft, app, &services, (&awaited, &ended), &changes);
    let left_out = |service: &str, target: &str| {
        let volumes = changes.get(service).and_then(|change| change.volumes.as_ref());
        volumes.is_some_and(|volumes| !volumes.iter().any(|volume| mounts_at(volume, target)))
    };
    fill::from_images(&mut survey, draft, &services, &left_out);
    declared_configs(&mut survey, draft);
    external(&mut survey, draft);
    survey.changes = entries
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), changes.remove(entry.key.as_str())?)))
        .filter(|(_, change)| !change.is_nothing())
        .collect();
    survey
}

/// The profiles of a service.
fn profiles_of(entry: &TreeEntry) -> Vec<String> {
    texts(entry.value.get("profiles"))
}

/// Says which profiles are on and which are off; returns those that are on.
fn profiles(survey: &mut Survey, draft: &Draft, entries: &[&TreeEntry]) -> Vec<String> {
    let known: BTreeSet<String> = entries.iter().flat_map(|entry| profiles_of(entry)).collect();
    // Without COMPOSE_PROFILES the profile "" is on (see `compose::read`): an App without profiles has it, too.
    let unnamed = [String::new()];
    let named = if draft.profiles.is_empty() { &unnamed } else { draft.profiles.as_slice() };
    let starts = |entry: &&TreeEntry| {
        let own = profiles_of(entry);
        own.is_empty() || own.iter().any(|name| named.contains(name))
    };
    let all = if draft.profiles.is_empty() {
        !entries.iter().any(starts)
    } else {
        draft.profiles.iter().any(|name| name == "*")
    };
    let counts = |name: &String| all || named.contains(name);
    let (active, off): (Vec<String>, Vec<String>) = known.into_iter().partition(counts);
    // What an App has that names none need not be written.
    survey.active =
        if active.iter().all(String::is_empty) && draft.profiles.is_empty() { Vec::new() } else { active.clone() };
    survey.profiles = off;
    survey.unnamed = draft.profiles.is_empty() && active.iter().any(String::is_empty);
    active
}

/// Rewrites the mounts of all services. Those behind a profile mount volumes, too, once somebody turns them on.
fn mounts<'t>(
    survey: &mut Survey,
    draft: &Draft,
    entries: &[&'t TreeEntry],
    changes: &mut BTreeMap<&'t str, Change>,
    disks: impl Fn(usize) -> usize,
) {
    let mounting: Vec<(&str, &Tree)> = entries
        .iter()
        .filter(|entry| !changes.get(entry.key.as_str()).is_some_and(|change| change.off))
        .filter_map(|entry| Some((entry.key.as_str(), entry.value.get("volumes")?)))
        .collect();
    for item in mounting.iter().flat_map(|(_, tree)| tree.as_sequence().unwrap_or_default()) {
        let target = item.get("target").and_then(Tree::as_text).unwrap_or_default();
        if !target.starts_with('/') {
            let message = format!("the target of a mount must be absolute, not \"{target}\"");
            let finding = Diagnostic::error("compose-volume", message).at(item.location.clone(), None);
            let help = "`d:/data` is a drive of Windows: a named volume needs a name of two letters or more";
            survey.refused.push(finding.help(help).help("then run init again; nothing was written"));
        }
    }
    let mut mounts = Mounts::new(draft, &mounting, disks(survey.services));
    for (name, tree) in &mounting {
        let Rewritten { volumes, configs, secrets, left_out, why } = mounts.rewrite(name, tree);
        let change = changes.entry(name).or_default();
        change.volumes = volumes;
        change.configs = configs;
        change.secrets = secrets;
        change.left_out = left_out;
        change.why.extend(why);
    }
    let finished = mounts.finish();
    survey.volumes = finished.volumes;
    survey.configs = finished.configs;
    survey.secrets = finished.secrets;
    survey.decided.extend(finished.decided);
    survey.todo.extend(finished.todo);
}

/// What is outside of the project, and so outside of the cluster.
fn external(survey: &mut Survey, draft: &Draft) {
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
            } else if what == "volume"
                && let Some(device) = entry.value.get("driver_opts").and_then(|options| options.get("device"))
                && let Some(path) = device.as_text().filter(|path| path.contains('/') && !path.contains("//"))
            {
                let text = format!(
                    "the volume {} is {path} here and starts empty on the cluster: copy its data once",
                    entry.key
                );
                survey.todo.push(Remark { at: Some(entry.key_location.clone()), text });
            }
        }
    }
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
    let wrong: BTreeMap<&str, &Location> = entries
        .iter()
        .filter(|entry| !is_letter_label(&entry.key.to_ascii_lowercase()))
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

/// Whether a written mount is at this path: `source:target` or `source:target:ro`.
fn mounts_at(volume: &str, target: &str) -> bool {
    let bare = volume.trim_matches('"');
    let bare = bare.strip_suffix(":ro").unwrap_or(bare);
    bare.ends_with(&format!(":{target}")) || volume.starts_with('{')
}

/// Services that end: those that others wait for, which run before the app's containers, and the rest.
fn endings<'t>(survey: &mut Survey, services: &[Service<'t>]) -> (BTreeSet<&'t str>, BTreeSet<&'t str>) {
    let awaited: BTreeSet<String> = services.iter().flat_map(|service| awaits(service.tree)).collect();
    let mut ended = BTreeSet::new();
    for service in services.iter().filter(|service| !awaited.contains(service.name)) {
        let Some((restart, at)) = ends(service).filter(|_| !is_needed(service.name, services)) else { continue };
        let text = format!(
            "{0} ends (restart: {restart}) and no service waits for it, so it runs as a Job of its own beside the app: where \
             a service needs its work done, let it wait with depends_on: {{{0}: {{condition: service_completed_successfully}}}}",
            service.name
        );
        survey.todo.push(Remark { at: Some(at.clone()), text });
        ended.insert(service.name);
    }
    (services.iter().map(|service| service.name).filter(|name| awaited.contains(*name)).collect(), ended)
}

/// How a service says that it is not to be started again; none where it serves a port.
fn ends<'t>(service: &Service<'t>) -> Option<(&'t str, &'t Location)> {
    let quiet = ["ports", "expose", "healthcheck", "network_mode"];
    if quiet.iter().any(|key| service.tree.get(key).is_some_and(|tree| !tree.is_null())) {
        return None;
    }
    let policy = service.tree.get("deploy").and_then(|deploy| deploy.get("restart_policy")?.get("condition"));
    let tree = policy.or_else(|| service.tree.get("restart"))?;
    let restart = tree.as_text()?;
    let ends = ["no", "none"].contains(&restart) || restart.starts_with("on-failure");
    ends.then_some((restart, &tree.location))
}

/// Whether others say that they need a service while they run.
fn is_needed(name: &str, services: &[Service<'_>]) -> bool {
    let texts = |service: &Service<'_>| -> bool {
        let keys = ["environment", "command"].into_iter().filter_map(|key| service.tree.get(key));
        let check = service.tree.get("healthcheck").and_then(|check| check.get("test"));
        let named = |text: &str| addresses(text).iter().any(|(host, _)| host.eq_ignore_ascii_case(name));
        keys.chain(check).flat_map(ports::shown).any(named)
    };
    services.iter().filter(|other| other.name != name).any(|other| {
        let mode = other.tree.get("network_mode").and_then(Tree::as_text);
        depends_on(other.tree).iter().any(|one| one == name)
            || mode.and_then(|mode| mode.strip_prefix("service:")) == Some(name)
            || texts(other)
    })
}

/// A service that runs cannot wait for one whose profile is off.
fn waits_for_nobody(survey: &mut Survey, entries: &[&TreeEntry], services: &[Service<'_>]) {
    let runs = |name: &str| services.iter().any(|service| service.name == name);
    let off = |name: &str| entries.iter().any(|entry| entry.key == name) && !runs(name);
    for service in services {
        for entry in service.tree.get("depends_on").and_then(Tree::as_mapping).unwrap_or_default() {
            let required = entry.value.get("required").and_then(Tree::as_text) != Some("false");
            if required && off(&entry.key) {
                let message = format!("{} depends on {}, whose profile is not on", service.name, entry.key);
                let finding = Diagnostic::error("compose-dependency", message).at(entry.key_location.clone(), None);
                let help = "turn its profile on with COMPOSE_PROFILES, or write required: false there";
                survey.refused.push(finding.help(help).help("then run init again; nothing was written"));
            }
        }
    }
}

/// Services for whose end a service waits.
fn awaits(service: &Tree) -> Vec<String> {
    let entries = service.get("depends_on").and_then(Tree::as_mapping).unwrap_or_default();
    let ends = |entry: &&TreeEntry| {
        entry.value.get("condition").and_then(Tree::as_text) == Some("service_completed_successfully")
    };
    entries.iter().filter(ends).map(|entry| entry.key.clone()).collect()
}

/// Says which configs of the compose files hold secrets: their author made them configs, and only the author can make
/// them secrets where services name them.
fn declared_configs(survey: &mut Survey, draft: &Draft) {
    let files = LocalFiles::new(&draft.root);
    for entry in draft.tree.get("configs").and_then(Tree::as_mapping).unwrap_or_default() {
        let file = entry.value.get("file").and_then(Tree::as_text);
        let sign = match file {
            Some(path) => files.read(path).ok().and_then(|bytes| sensitive::sign(path, &bytes)),
            None => entry.value.get("content").and_then(Tree::as_text).and_then(sensitive::sign_in_text),
        };
        if let Some(sign) = sign {
            let text = format!(
                "the config {} holds a secret ({sign}): move it from `configs` to `secrets`, also where services name it",
                entry.key
            );
            survey.todo.push(Remark { at: Some(entry.key_location.clone()), text });
        }
    }
}
