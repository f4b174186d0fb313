//! A loaded file as a typed project: what is implied is added, profiles choose, everything is typed and checked.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value as Json};

pub use super::check::Strictness;
use super::decode::raw;
use super::environment::Resolver;
use super::fault::{Fault, Faults};
use super::path::Path;
use super::request::Loaded;
use super::sources::Sources;
use super::typed::{Typed, Typing, entries};
use super::{check, normalise, print};
use crate::compose::files::Files;
use crate::compose::tree::Tree;
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
        let (mut typed, mut faults) = self.typed(Printing { files: None, show_secrets: true });
        let check = check::Check::new(strictness, faults.is_empty());
        faults.extend(check.check(&mut typed, &self.tree));
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
            diagnostics.push(fault.told(&self.sources));
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
        let (mut typed, faults) = self.typed(printing);
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
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

    fn typed(&self, printing: Printing<'_>) -> (Typed, Vec<Fault>) {
        let (mask, secrets) = (!printing.show_secrets, printing.files.is_some());
        Typed::of(&self.tree, Typing { profiles: &self.profiles, mask, secrets })
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
