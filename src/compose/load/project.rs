//! A loaded file as a typed project: what is implied is added, profiles choose, everything is typed and checked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

pub use super::check::Strictness;
use super::decode::{Decoder, raw};
use super::environment::Resolver;
use super::fault::{Fault, Faults};
use super::path::Path;
use super::types;
use super::{Loaded, check, normalise, tell};
use crate::compose::files::Files;
use crate::compose::tree::{Tree, TreeEntry};
use crate::diag::Diagnostics;

/// How a project is made.
pub struct Options<'a> {
    /// Profiles that are on; `*` turns all on.
    pub profiles: &'a [String],
    /// Env files and label files; none leaves them alone.
    pub files: Option<&'a dyn Files>,
    /// What is checked.
    pub strictness: Strictness,
    /// Whether values that may be secret are shown.
    pub show_secrets: bool,
}

/// Services and resources as JSON, by name.
pub(super) struct Typed {
    pub(super) services: BTreeMap<String, Map<String, Json>>,
    /// Services that no active profile turns on.
    pub(super) disabled: BTreeSet<String>,
    pub(super) jobs: BTreeMap<String, Map<String, Json>>,
    pub(super) disabled_jobs: BTreeSet<String>,
    pub(super) networks: BTreeSet<String>,
    pub(super) volumes: BTreeSet<String>,
    pub(super) configs: BTreeMap<String, Map<String, Json>>,
    pub(super) secrets: BTreeMap<String, Map<String, Json>>,
    pub(super) models: BTreeSet<String>,
    /// Networks and volumes as they are written.
    resources: BTreeMap<&'static str, Map<String, Json>>,
}

/// The project in the form of `docker compose config --format json`, keys in alphabetical order. There is one exactly
/// when there is no error.
pub fn project(loaded: Loaded, options: &Options<'_>) -> (Option<Json>, Diagnostics) {
    let Loaded { name, environment, mut tree, sources } = loaded;
    let mut diagnostics = Diagnostics::default();
    let outcome = build(&mut tree, &Project { name: &name, environment: &environment, options });
    let json = match outcome {
        Ok(json) => Some(json),
        Err(Faults(faults)) => {
            for fault in faults {
                diagnostics.push(tell(fault, &sources));
            }
            None
        }
    };
    (json, diagnostics)
}

/// What a project is made with.
struct Project<'a> {
    name: &'a str,
    environment: &'a BTreeMap<String, String>,
    options: &'a Options<'a>,
}

fn build(tree: &mut Tree, project: &Project<'_>) -> Result<Json, Faults> {
    let options = project.options;
    normalise::normalise(tree, project.name, project.environment)?;
    let mut typed = typed(tree, options, false)?;
    let faults = check::check(&mut typed, tree, options.strictness);
    if !faults.is_empty() {
        return Err(Faults(faults));
    }
    if !options.show_secrets {
        // Checked in clear, and typed once more for what is shown.
        let replicas: Vec<(String, Json)> = typed
            .services
            .iter()
            .filter_map(|(name, service)| Some((name.clone(), service.get("deploy")?.get("replicas")?.clone())))
            .collect();
        typed = self::typed(tree, options, true)?;
        for (name, count) in replicas {
            if let Some(Json::Object(deploy)) = typed.services.get_mut(&name).and_then(|one| one.get_mut("deploy")) {
                deploy.insert("replicas".to_owned(), count);
            }
        }
    }
    if let Some(files) = options.files {
        resolve(&mut typed, tree, project, files)?;
    }
    Ok(document(typed, tree, project))
}

fn entries<'t>(tree: &'t Tree, kind: &str) -> &'t [TreeEntry] {
    tree.get(kind).and_then(Tree::as_mapping).unwrap_or_default()
}

fn typed(tree: &Tree, options: &Options<'_>, mask: bool) -> Result<Typed, Faults> {
    let mut decoder = Decoder::new(mask);
    let mut typed = Typed {
        services: BTreeMap::new(),
        disabled: BTreeSet::new(),
        jobs: BTreeMap::new(),
        disabled_jobs: BTreeSet::new(),
        networks: BTreeSet::new(),
        volumes: BTreeSet::new(),
        configs: BTreeMap::new(),
        secrets: BTreeMap::new(),
        models: BTreeSet::new(),
        resources: BTreeMap::new(),
    };
    for (kind, parts) in [("services", types::SERVICE_PARTS), ("jobs", types::JOB_PARTS)] {
        let parent = Path::ROOT.key(kind);
        for entry in entries(tree, kind) {
            let path = parent.key(&entry.key);
            let mut service = decoder.parts(parts, &entry.value, &path);
            let hooks = entry.value.get("pre_start").and_then(Tree::as_sequence).unwrap_or_default();
            if !hooks.is_empty() && kind == "services" {
                let path = path.key("pre_start");
                let hooks = hooks
                    .iter()
                    .enumerate()
                    .map(|(at, hook)| Json::Object(decoder.parts(types::PRE_START_PARTS, hook, &path.index(at))));
                service.insert("pre_start".to_owned(), hooks.collect());
            }
            let profiles = service.get("profiles").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
            let wanted =
                |name: &Json| options.profiles.iter().any(|on| on == "*" || name.as_str() == Some(on.as_str()));
            let on = profiles.is_empty() || profiles.iter().any(wanted);
            match (kind, on) {
                ("services", true) => drop(typed.services.insert(entry.key.clone(), service)),
                ("services", false) => drop(typed.disabled.insert(entry.key.clone())),
                (_, true) => drop(typed.jobs.insert(entry.key.clone(), service)),
                (_, false) => drop(typed.disabled_jobs.insert(entry.key.clone())),
            }
        }
    }
    let mut resources = |kind: &'static str, fields: &'static [types::Field]| -> BTreeMap<String, Map<String, Json>> {
        let path = Path::ROOT.key(kind);
        let read =
            |entry: &TreeEntry| (entry.key.clone(), decoder.parts(&[fields], &entry.value, &path.key(&entry.key)));
        entries(tree, kind).iter().map(read).collect()
    };
    let networks = resources("networks", types::NETWORK);
    let volumes = resources("volumes", types::VOLUME);
    let models = resources("models", types::MODEL);
    typed.configs = resources("configs", types::FILE_OBJECT);
    typed.secrets = resources("secrets", types::FILE_OBJECT);
    for (name, secret) in &mut typed.secrets {
        let own = tree.get("secrets").and_then(|secrets| secrets.get(name));
        match own.and_then(|own| own.get(super::SECRET_VALUE)).and_then(Tree::as_str) {
            Some(_) if mask => secret.insert("content".to_owned(), super::decode::MASK.into()),
            Some(value) if !value.is_empty() => secret.insert("content".to_owned(), value.into()),
            _ => secret.remove("content"),
        };
    }
    if mask {
        mask_contents(&mut typed, tree);
    }
    typed.networks = networks.keys().cloned().collect();
    typed.volumes = volumes.keys().cloned().collect();
    typed.models = models.into_keys().collect();
    for (kind, resources) in [("networks", networks), ("volumes", volumes)] {
        typed.resources.insert(kind, resources.into_iter().map(|(name, one)| (name, Json::Object(one))).collect());
    }
    if decoder.faults.is_empty() { Ok(typed) } else { Err(Faults(decoder.faults)) }
}

/// The content of a config that is named like a secret is not shown, nor one that a variable went into.
fn mask_contents(typed: &mut Typed, tree: &Tree) {
    for (name, config) in &mut typed.configs {
        let content = tree.get("configs").and_then(|configs| configs.get(name)).and_then(|one| one.get("content"));
        let interpolated = content.is_some_and(|content| content.interpolated);
        if config.contains_key("content") && (interpolated || crate::compose::model::is_secret_name(name)) {
            config.insert("content".to_owned(), super::decode::MASK.into());
        }
    }
}

/// Reads env files and label files of what is on.
fn resolve(typed: &mut Typed, tree: &Tree, project: &Project<'_>, files: &dyn Files) -> Result<(), Faults> {
    let resolver = Resolver { variables: project.environment, files, mask: !project.options.show_secrets };
    let mut faults: Vec<Fault> = Vec::new();
    let parent = Path::ROOT.key("services");
    for (name, service) in &mut typed.services {
        let Some(own) = tree.get("services").and_then(|services| services.get(name)) else { continue };
        let path = parent.key(name);
        resolver.container(service, own, &path, &mut faults);
        let hooks = own.get("pre_start").and_then(Tree::as_sequence).unwrap_or_default();
        let path = path.key("pre_start");
        let outputs = service.get_mut("pre_start").and_then(Json::as_array_mut).into_iter().flatten();
        for (at, (hook, output)) in hooks.iter().zip(outputs).enumerate() {
            if let Json::Object(output) = output {
                resolver.container(output, hook, &path.index(at), &mut faults);
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
}

fn document(typed: Typed, tree: &Tree, project: &Project<'_>) -> Json {
    let objects = |all: BTreeMap<String, Map<String, Json>>| -> Map<String, Json> {
        all.into_iter().map(|(name, one)| (name, Json::Object(one))).collect()
    };
    let mut out = Map::new();
    out.insert("name".to_owned(), project.name.into());
    out.insert("services".to_owned(), Json::Object(objects(typed.services)));
    let mut rest: BTreeMap<&str, Map<String, Json>> = typed.resources;
    rest.insert("configs", objects(typed.configs));
    rest.insert("secrets", objects(typed.secrets));
    rest.insert("jobs", objects(typed.jobs));
    for (kind, resources) in rest {
        if !resources.is_empty() {
            out.insert(kind.to_owned(), Json::Object(resources));
        }
    }
    let extensions = tree.as_mapping().unwrap_or_default().iter().filter(|entry| entry.key.starts_with("x-"));
    out.extend(extensions.map(|entry| (entry.key.clone(), raw(&entry.value, !project.options.show_secrets))));
    Json::Object(out)
}
