//! A loaded file as a typed project: what is implied is added, profiles choose, everything is typed and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value as Json};

pub use super::check::Strictness;
use super::decode::{Decoder, raw};
use super::environment::Resolver;
use super::fault::{Fault, Faults};
use super::path::Path;
use super::types;
use super::{Loaded, check, normalise, print, tell};
use crate::compose::files::Files;
use crate::compose::model::Sources;
use crate::compose::tree::{Tree, TreeEntry};
use crate::diag::Diagnostics;

/// A project that is complete and checked.
#[derive(Clone)]
pub struct Project {
    name: String,
    environment: BTreeMap<String, String>,
    profiles: Vec<String>,
    tree: Tree,
    sources: Sources,
    /// `deploy.replicas` of services that say it by `scale`.
    replicas: BTreeMap<String, Json>,
}

impl fmt::Debug for Project {
    /// Its name only: it holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Project").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How a project is printed.
#[derive(Clone, Copy)]
pub struct Printing<'a> {
    /// Where env files, label files and secrets of variables come from, whose values are then printed; none prints
    /// where they come from instead.
    pub files: Option<&'a dyn Files>,
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

impl Project {
    /// Adds what is implied to a loaded file and checks that it fits together. There is a project exactly when there is
    /// no error. Of `profiles`, `*` turns all on.
    pub fn complete(loaded: Loaded, profiles: &[String], strictness: Strictness) -> (Option<Self>, Diagnostics) {
        let Loaded { name, environment, tree, sources, .. } = loaded;
        let (profiles, replicas) = (profiles.to_vec(), BTreeMap::new());
        let mut project = Self { name, environment, profiles, tree, sources, replicas };
        let outcome = project.check(strictness);
        let diagnostics = project.findings(outcome.err());
        (if diagnostics.has_errors() { None } else { Some(project) }, diagnostics)
    }

    fn check(&mut self, strictness: Strictness) -> Result<(), Faults> {
        normalise::normalise(&mut self.tree, &self.name, &self.environment)?;
        let unresolved = Printing { files: None, show_secrets: true };
        let mut typed = self.typed(unresolved)?;
        let faults = check::check(&mut typed, &self.tree, strictness);
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
        let said = |(name, service): (&String, &Map<String, Json>)| {
            Some((name.clone(), service.get("deploy")?.get("replicas")?.clone()))
        };
        self.replicas = typed.services.iter().filter_map(said).collect();
        Ok(())
    }

    fn findings(&self, faults: Option<Faults>) -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        for fault in faults.into_iter().flat_map(|Faults(faults)| faults) {
            diagnostics.push(tell(fault, &self.sources));
        }
        diagnostics
    }

    /// The project in the form of `docker compose config --format json`, keys in alphabetical order. There is one
    /// exactly when there is no error.
    pub fn json(&self, printing: Printing<'_>) -> (Option<Json>, Diagnostics) {
        match self.resolved(printing) {
            Ok(typed) => (Some(self.document(typed, printing)), Diagnostics::default()),
            Err(faults) => (None, self.findings(Some(faults))),
        }
    }

    /// The project as a compose file in YAML that reads back: as [`json`](Self::json), with the extensions of services,
    /// these in the order of the files, and every `$` doubled. There is one exactly when there is no error.
    pub fn yaml(&self, printing: Printing<'_>) -> (Option<String>, Diagnostics) {
        let mut typed = match self.resolved(printing) {
            Ok(typed) => typed,
            Err(faults) => return (None, self.findings(Some(faults))),
        };
        for (name, service) in &mut typed.services {
            let own = self.tree.get("services").and_then(|services| services.get(name));
            service.extend(own.into_iter().flat_map(|own| extensions(own, !printing.show_secrets)));
        }
        let mut document = self.document(typed, printing);
        double_dollars(&mut document);
        let services: Vec<&str> = entries(&self.tree, "services").iter().map(|entry| entry.key.as_str()).collect();
        match print::yaml(&document, &services) {
            Ok(text) => (Some(text), Diagnostics::default()),
            Err(reason) => {
                let message = format!("the project cannot be written as YAML: {reason}");
                let fault = Fault::new("compose-print", message, &self.tree.location);
                (None, self.findings(Some(fault.into())))
            }
        }
    }

    fn resolved(&self, printing: Printing<'_>) -> Result<Typed, Faults> {
        let mut typed = self.typed(printing)?;
        for (name, count) in &self.replicas {
            if let Some(Json::Object(deploy)) = typed.services.get_mut(name).and_then(|one| one.get_mut("deploy")) {
                deploy.insert("replicas".to_owned(), count.clone());
            }
        }
        if let Some(files) = printing.files {
            self.resolve(&mut typed, files, !printing.show_secrets)?;
        }
        Ok(typed)
    }

    fn typed(&self, printing: Printing<'_>) -> Result<Typed, Faults> {
        let (tree, mask) = (&self.tree, !printing.show_secrets);
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
                    |name: &Json| self.profiles.iter().any(|on| on == "*" || name.as_str() == Some(on.as_str()));
                let on = profiles.is_empty() || profiles.iter().any(wanted);
                match (kind, on) {
                    ("services", true) => drop(typed.services.insert(entry.key.clone(), service)),
                    ("services", false) => drop(typed.disabled.insert(entry.key.clone())),
                    (_, true) => drop(typed.jobs.insert(entry.key.clone(), service)),
                    (_, false) => drop(typed.disabled_jobs.insert(entry.key.clone())),
                }
            }
        }
        let mut resources = |kind: &'static str,
                             fields: &'static [types::Field]|
         -> BTreeMap<String, Map<String, Json>> {
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
            let own = tree.get("secrets").and_then(|secrets| secrets.get(name)).filter(|_| printing.files.is_some());
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

    /// Reads env files and label files of what is on.
    fn resolve(&self, typed: &mut Typed, files: &dyn Files, mask: bool) -> Result<(), Faults> {
        let tree = &self.tree;
        let resolver = Resolver { variables: &self.environment, files, mask };
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

    fn document(&self, typed: Typed, printing: Printing<'_>) -> Json {
        let objects = |all: BTreeMap<String, Map<String, Json>>| -> Map<String, Json> {
            all.into_iter().map(|(name, one)| (name, Json::Object(one))).collect()
        };
        let mut out = Map::new();
        // An app needs no name; one that is not said is not made up.
        if !self.name.is_empty() {
            out.insert("name".to_owned(), self.name.as_str().into());
        }
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
        out.extend(extensions(&self.tree, !printing.show_secrets));
        Json::Object(out)
    }
}

/// What stands under `x-` keys.
fn extensions(tree: &Tree, mask: bool) -> impl Iterator<Item = (String, Json)> {
    let entries = tree.as_mapping().unwrap_or_default().iter();
    entries.filter(|entry| entry.key.starts_with("x-")).map(move |entry| (entry.key.clone(), raw(&entry.value, mask)))
}

/// Keeps what is read back from taking a value for the name of a variable.
fn double_dollars(value: &mut Json) {
    match value {
        Json::String(text) if text.contains('$') => *text = text.replace('$', "$$"),
        Json::Array(items) => items.iter_mut().for_each(double_dollars),
        Json::Object(entries) => entries.values_mut().for_each(double_dollars),
        _ => {}
    }
}

fn entries<'t>(tree: &'t Tree, kind: &str) -> &'t [TreeEntry] {
    tree.get(kind).and_then(Tree::as_mapping).unwrap_or_default()
}

/// The content of a config that is named like a secret is not shown, nor one that a variable went into.
fn mask_contents(typed: &mut Typed, tree: &Tree) {
    for (name, config) in &mut typed.configs {
        let content = tree.get("configs").and_then(|configs| configs.get(name)).and_then(|one| one.get("content"));
        let interpolated = content.is_some_and(|content| content.interpolated);
        if config.contains_key("content") && (interpolated || crate::compose::model::is_secret_name(name)) {
            config.insert("content".to_owned(), super::decode::MASK.into());
        } else if let Some(text) = config.get("content").and_then(Json::as_str)
            && let Some(covered) = crate::text::secret::covered(text, &|_| super::decode::MASK.to_owned())
        {
            config.insert("content".to_owned(), covered.into());
        }
    }
}
