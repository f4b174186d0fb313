//! Whether the parts of a typed project fit together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value as Json};

use super::fault::Fault;
use super::typed::Typed;
use crate::compose::tree::Tree;
use crate::diag::Location;
use crate::text::suggest::closest;

/// What is checked beside the rules that always hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// All that `docker compose` checks.
    Compose,
    /// Without what an app decides itself: its volumes.
    App,
}

/// A check and what it found.
pub(super) struct Check {
    faults: Vec<Fault>,
    strictness: Strictness,
    /// Whether every value has its type: else what was left out is not compared.
    is_whole: bool,
}

/// The place of a resource's key, or of one of its values.
fn location(tree: &Tree, kind: &str, name: &str, key: Option<&str>) -> Location {
    let entries = tree.get(kind).and_then(Tree::as_mapping).unwrap_or_default();
    let Some(entry) = entries.iter().find(|entry| entry.key == name) else { return tree.location.clone() };
    match key.and_then(|key| entry.value.get(key)) {
        Some(value) => value.location.clone(),
        None => entry.key_location.clone(),
    }
}

/// The place of an item: in a list by its index, in a mapping by its key or as its value.
fn item_location(tree: &Tree, kind: &str, name: &str, key: &str, item: Item<'_>) -> Location {
    let value = tree.get(kind).and_then(|services| services.get(name)).and_then(|service| service.get(key));
    let found = value.and_then(|value| match item {
        Item::At(at) => value.as_sequence().and_then(|items| items.get(at)).map(|item| item.location.clone()),
        Item::Value(key) => value.get(key).map(|value| value.location.clone()),
        Item::Key(key) => {
            let entries = value.as_mapping().unwrap_or_default();
            entries.iter().find(|entry| entry.key == key).map(|entry| entry.key_location.clone())
        }
    });
    found.unwrap_or_else(|| location(tree, kind, name, Some(key)))
}

#[derive(Clone, Copy)]
enum Item<'a> {
    At(usize),
    /// The key of a mapping.
    Key(&'a str),
    /// What stands under it.
    Value(&'a str),
}

fn text<'j>(value: &'j Map<String, Json>, key: &str) -> &'j str {
    value.get(key).and_then(Json::as_str).unwrap_or_default()
}

fn objects<'j>(value: &'j Map<String, Json>, key: &str) -> impl Iterator<Item = &'j Map<String, Json>> {
    value.get(key).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_object)
}

fn keys<'j>(value: &'j Map<String, Json>, key: &str) -> impl Iterator<Item = (&'j String, &'j Json)> {
    value.get(key).and_then(Json::as_object).into_iter().flatten()
}

impl Check {
    /// A check of a file that is typed as a whole, or in parts only.
    pub(super) fn new(strictness: Strictness, is_whole: bool) -> Self {
        Self { faults: Vec::new(), strictness, is_whole }
    }

    /// Checks enabled services and jobs, and secrets.
    pub(super) fn check(mut self, typed: &mut Typed, tree: &Tree) -> Vec<Fault> {
        for name in typed.services.keys().cloned().collect::<Vec<_>>() {
            self.service(&name, typed, tree);
        }
        for name in typed.jobs.keys().chain(typed.disabled_jobs.iter()) {
            if typed.services.contains_key(name) || typed.disabled.contains(name) {
                let message = format!("{name} is a service and a job; names must differ");
                self.push("compose-name", message, &location(tree, "jobs", name, None));
            }
        }
        self.jobs(typed, tree);
        for (name, secret) in &typed.secrets {
            let empty = |key: &str| secret.get(key).and_then(Json::as_str).is_none_or(str::is_empty);
            if secret.get("external") != Some(&Json::Bool(true)) && empty("file") && empty("environment") {
                let message = format!("secret {name} must have file or environment");
                self.push("compose-file-source", message, &location(tree, "secrets", name, None));
            }
        }
        if self.faults.is_empty() {
            self.cycles(typed, tree);
        }
        self.faults
    }

    fn push(&mut self, code: &'static str, message: String, location: &Location) {
        self.faults.push(Fault::new(code, message, location));
    }

    fn undefined<'k>(
        &mut self,
        what: &str,
        (user, name): (&str, &str),
        known: impl IntoIterator<Item = &'k String>,
        location: &Location,
    ) {
        let message = format!("{user} uses the {what} {name}, which the file does not define");
        let fault = Fault::new("compose-undefined", message, location);
        self.faults.push(match closest(name, known.into_iter().map(String::as_str)) {
            Some(near) => fault.help(format!("did you mean \"{near}\"?")),
            None => fault,
        });
    }

    fn service(&mut self, name: &str, typed: &mut Typed, tree: &Tree) {
        let Some(service) = typed.services.get(name) else { return };
        let own = location(tree, "services", name, None);
        let at = |key: &str| location(tree, "services", name, Some(key));
        let build = service.get("build").and_then(Json::as_object);
        if build.is_none() && text(service, "image").is_empty() && service.get("provider").is_none() {
            let fault = Fault::new("compose-image", format!("{name} has no image"), &own);
            self.faults.push(fault.help("name one: image: registry.example.com/name:tag"));
        }
        if let Some(build) = build {
            self.build(name, build, typed, tree);
        }
        let network_mode = text(service, "network_mode");
        if !network_mode.is_empty() && keys(service, "networks").next().is_some() {
            let message = format!("{name}: only one of network_mode, networks may be given");
            self.push("compose-network", message, &at("network_mode"));
        }
        for (network, _) in keys(service, "networks") {
            if !typed.networks.contains(network) {
                let place = item_location(tree, "services", name, "networks", Item::Key(network));
                self.undefined("network", (name, network), &typed.networks, &place);
            }
        }
        let test = service.get("healthcheck").and_then(|check| check.get("test")).and_then(Json::as_array);
        if let Some(first) = test.and_then(|test| test.first()).and_then(Json::as_str)
            && !matches!(first, "CMD" | "CMD-SHELL" | "NONE")
        {
            let message = "healthcheck: test must be a string or a list that starts with CMD, CMD-SHELL or NONE";
            let place = item_location(tree, "services", name, "healthcheck", Item::Value("test"));
            self.push("compose-healthcheck", message.to_owned(), &place);
        }
        self.dependencies(name, "services", service, typed, tree);
        if let Some(other) = network_mode.strip_prefix("service:")
            && !typed.services.contains_key(other)
        {
            let message = format!("{name}: network_mode names {other}, which is no service that is on");
            self.push("compose-dependency", message, &at("network_mode"));
        }
        self.files(name, service, typed, tree);
        if self.is_whole {
            self.sizes(name, service, tree);
        }
        self.mounts(name, service, tree);
        let triggers: Vec<&Map<String, Json>> = match service.get("develop").and_then(Json::as_object) {
            Some(develop) => objects(develop, "watch").collect(),
            None => Vec::new(),
        };
        for watch in triggers {
            if text(watch, "target").is_empty() && !matches!(text(watch, "action"), "rebuild" | "restart") {
                let message = format!("{name}: develop.watch needs a target unless its action is rebuild or restart");
                self.push("compose-develop", message, &at("develop"));
            }
        }
        // A scale is one of deploy too.
        let scale = service.get("scale").cloned();
        if let Some(scale) = scale
            && let Some(Json::Object(deploy)) =
                typed.services.get_mut(name).and_then(|service| service.get_mut("deploy"))
        {
            deploy.insert("replicas".to_owned(), scale);
        }
    }

    fn build(&mut self, name: &str, build: &Map<String, Json>, typed: &Typed, tree: &Tree) {
        let at = location(tree, "services", name, Some("build"));
        if !text(build, "dockerfile").is_empty() && !text(build, "dockerfile_inline").is_empty() {
            let message = format!("{name}: only one of build.dockerfile, build.dockerfile_inline may be given");
            self.push("compose-build", message, &at);
        }
        for (context, source) in keys(build, "additional_contexts") {
            let Some(other) = source.as_str().and_then(|source| source.strip_prefix("service:")) else { continue };
            let target = tree.get("services").and_then(|services| services.get(other));
            let message = match target {
                None => format!("{name}: the build context {context} names {other}, which is no service"),
                Some(target) if target.get("build").is_none() => {
                    format!("{name}: the build context {context} names {other}, which is not built")
                }
                Some(_) => continue,
            };
            self.push("compose-build", message, &at);
        }
        let platforms = build.get("platforms").and_then(Json::as_array);
        let platform = typed.services.get(name).map(|service| text(service, "platform")).unwrap_or_default();
        if let Some(platforms) = platforms.filter(|platforms| !platforms.is_empty() && !platform.is_empty())
            && !platforms.iter().any(|known| known.as_str() == Some(platform))
        {
            let message = format!("{name}: build.platforms must hold the service's platform {platform}");
            self.push("compose-build", message, &at);
        }
        for secret in objects(build, "secrets") {
            let source = text(secret, "source");
            if !typed.secrets.contains_key(source) {
                self.undefined("secret", (name, source), typed.secrets.keys(), &at);
            }
        }
    }

    fn dependencies(&mut self, name: &str, kind: &str, service: &Map<String, Json>, typed: &Typed, tree: &Tree) {
        for (other, how) in keys(service, "depends_on") {
            if typed.services.contains_key(other) || (kind == "jobs" && typed.jobs.contains_key(other)) {
                continue;
            }
            let required = how.get("required") == Some(&Json::Bool(true));
            let off = typed.disabled.contains(other);
            if off && !required {
                continue;
            }
            let message = if off {
                format!("{name} depends on {other}, whose profile is not on")
            } else if typed.jobs.contains_key(other) {
                format!("{name} depends on {other}, which is a job; services only depend on services")
            } else {
                format!("{name} depends on {other}, which is no service")
            };
            let place = item_location(tree, kind, name, "depends_on", Item::Key(other));
            let fault = Fault::new("compose-dependency", message, &place);
            let near = if off { None } else { closest(other, typed.services.keys().map(String::as_str)) };
            self.faults.push(match near {
                Some(near) => fault.help(format!("did you mean \"{near}\"?")),
                None => fault,
            });
        }
    }

    /// Volumes, configs, secrets and models that a service uses.
    fn files(&mut self, name: &str, service: &Map<String, Json>, typed: &Typed, tree: &Tree) {
        for (at, volume) in objects(service, "volumes").enumerate() {
            let source = text(volume, "source");
            if self.strictness == Strictness::App || text(volume, "type") != "volume" || source.is_empty() {
                continue;
            }
            if !typed.volumes.contains(source) {
                let place = item_location(tree, "services", name, "volumes", Item::At(at));
                self.undefined("volume", (name, source), &typed.volumes, &place);
            }
        }
        for (key, what, known) in [
            ("configs", "config", typed.configs.keys().collect::<Vec<_>>()),
            ("secrets", "secret", typed.secrets.keys().collect()),
        ] {
            for (at, file) in objects(service, key).enumerate() {
                let source = text(file, "source");
                if source.is_empty() {
                    let place = item_location(tree, "services", name, key, Item::At(at));
                    self.push("compose-undefined", format!("{what}: its source is missing"), &place);
                } else if !known.iter().any(|known| *known == source) {
                    let place = item_location(tree, "services", name, key, Item::At(at));
                    self.undefined(what, (name, source), known.iter().copied(), &place);
                }
            }
        }
        for (model, _) in keys(service, "models") {
            if !typed.models.contains(model) {
                let place = item_location(tree, "services", name, "models", Item::Key(model));
                self.undefined("model", (name, model), &typed.models, &place);
            }
        }
    }

    /// What may be said in two ways must be said alike.
    fn sizes(&mut self, name: &str, service: &Map<String, Json>, tree: &Tree) {
        let at = |key: &str| location(tree, "services", name, Some(key));
        let deploy = service.get("deploy").and_then(Json::as_object);
        let scale = service.get("scale").and_then(Json::as_i64);
        let replicas = deploy.and_then(|deploy| deploy.get("replicas")).and_then(Json::as_i64);
        if let (Some(scale), Some(replicas)) = (scale, replicas)
            && scale != replicas
        {
            let message = format!("{name}: scale and deploy.replicas differ; only give one");
            self.push("compose-scale", message, &at("scale"));
        }
        let places = [
            (scale, at("scale")),
            (replicas, item_location(tree, "services", name, "deploy", Item::Value("replicas"))),
        ];
        for (_, place) in places.iter().filter(|(count, _)| count.is_some_and(|count| count < 0)) {
            self.push("compose-scale", format!("{name}: the number of replicas must be 0 or more"), place);
        }
        if scale.or(replicas).unwrap_or(1) > 1 && !text(service, "container_name").is_empty() {
            let message = format!("{name}: with container_name there can be one container only");
            self.push("compose-scale", message, &at("container_name"));
        }
        let resources = deploy.and_then(|deploy| deploy.get("resources"));
        for (key, part, other) in [
            ("cpus", "limits", "cpus"),
            ("mem_limit", "limits", "memory"),
            ("mem_reservation", "reservations", "memory"),
            ("pids_limit", "limits", "pids"),
        ] {
            let (Some(own), Some(part_value)) = (service.get(key), resources.and_then(|all| all.get(part))) else {
                continue;
            };
            if part_value.get(other) != Some(own) {
                let message = format!("{name}: {key} and deploy.resources.{part}.{other} differ; only give one");
                self.push("compose-resources", message, &at(key));
            }
        }
    }

    fn mounts(&mut self, name: &str, service: &Map<String, Json>, tree: &Tree) {
        let mut mounted: HashMap<String, &str> = HashMap::new();
        let tmpfs = service.get("tmpfs").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        let tmpfs = tmpfs.map(|text| text.split(':').next().unwrap_or_default().to_owned());
        let volumes = objects(service, "volumes").map(|volume| text(volume, "target").to_owned());
        let all = tmpfs.enumerate().map(|(at, target)| ("tmpfs", at, target));
        let all = all.chain(volumes.enumerate().map(|(at, target)| ("volumes", at, target)));
        for (key, at, target) in all {
            if let Some(other) = mounted.get(&target) {
                let place = item_location(tree, "services", name, key, Item::At(at));
                let message = format!("{name}: {target} is mounted twice, by {other} and {key}");
                self.push("compose-volume", message, &place);
            }
            mounted.insert(target, key);
        }
    }

    fn jobs(&mut self, typed: &Typed, tree: &Tree) {
        for (name, job) in &typed.jobs {
            self.dependencies(name, "jobs", job, typed, tree);
        }
    }

    fn cycles(&mut self, typed: &Typed, tree: &Tree) {
        let graph: BTreeMap<&str, BTreeSet<&str>> = typed
            .services
            .iter()
            .map(|(name, service)| {
                (name.as_str(), keys(service, "depends_on").map(|(other, _)| other.as_str()).collect())
            })
            .collect();
        let mut done: BTreeSet<&str> = BTreeSet::new();
        for start in graph.keys() {
            let mut path: Vec<(&str, Vec<&str>)> = vec![(start, graph[start].iter().copied().collect())];
            while let Some((name, rest)) = path.last_mut() {
                let Some(next) = rest.pop() else {
                    done.insert(name);
                    path.pop();
                    continue;
                };
                if let Some(at) = path.iter().position(|(known, _)| *known == next) {
                    let mut names: Vec<&str> = path[at..].iter().map(|(name, _)| *name).collect();
                    let last = names.last().copied().unwrap_or(next);
                    let place = item_location(tree, "services", last, "depends_on", Item::Key(next));
                    names.push(next);
                    let message = format!("depends_on goes round in a circle: {}", names.join(" → "));
                    self.push("compose-dependency-cycle", message, &place);
                    return;
                }
                if let Some(children) = graph.get(next).filter(|_| !done.contains(next)) {
                    path.push((next, children.iter().copied().collect()));
                }
            }
        }
    }
}
