//! A canonical file as typed JSON: services and resources by name, those that no profile turns on apart.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::decode::{Decoder, MASK};
use super::fault::Fault;
use super::path::Path;
use super::secrets;
use super::types::{self, Field};
use crate::compose::tree::{Tree, TreeEntry};
use crate::text::secret::{covered, is_secret_name};

type Objects = BTreeMap<String, Map<String, Json>>;

/// Services and resources as JSON, by name.
#[derive(Default)]
pub(super) struct Typed {
    pub(super) services: Objects,
    /// Services that no active profile turns on.
    pub(super) disabled: BTreeSet<String>,
    pub(super) jobs: Objects,
    pub(super) disabled_jobs: BTreeSet<String>,
    pub(super) networks: BTreeSet<String>,
    pub(super) volumes: BTreeSet<String>,
    pub(super) configs: Objects,
    pub(super) secrets: Objects,
    pub(super) models: BTreeSet<String>,
    /// Networks and volumes as they are written.
    pub(super) resources: BTreeMap<&'static str, Map<String, Json>>,
}

/// How a file is typed.
#[derive(Clone, Copy)]
pub(super) struct Typing<'a> {
    /// Profiles that are on; `*` turns all on.
    pub(super) profiles: &'a [String],
    /// Whether values that may be secret are masked.
    pub(super) mask: bool,
    /// Whether the values of secrets that are variables stand under them.
    pub(super) secrets: bool,
}

impl Typed {
    /// Types a file. What is wrong comes beside what is left without it.
    pub(super) fn of(tree: &Tree, typing: Typing<'_>) -> (Self, Vec<Fault>) {
        let mut decoder = Decoder::new(typing.mask);
        let mut typed = Self::default();
        (typed.services, typed.disabled) = containers(&mut decoder, tree, "services", typing.profiles);
        (typed.jobs, typed.disabled_jobs) = containers(&mut decoder, tree, "jobs", typing.profiles);
        let mut resources = |kind: &'static str, fields: &'static [Field]| -> Objects {
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
        typed.put_secrets(tree, typing);
        if typing.mask {
            typed.mask_contents(tree);
        }
        typed.networks = networks.keys().cloned().collect();
        typed.volumes = volumes.keys().cloned().collect();
        typed.models = models.into_keys().collect();
        for (kind, resources) in [("networks", networks), ("volumes", volumes)] {
            typed.resources.insert(kind, resources.into_iter().map(|(name, one)| (name, Json::Object(one))).collect());
        }
        (typed, decoder.faults)
    }

    fn put_secrets(&mut self, tree: &Tree, typing: Typing<'_>) {
        for (name, secret) in &mut self.secrets {
            let own = tree.get("secrets").and_then(|secrets| secrets.get(name)).filter(|_| typing.secrets);
            match own.and_then(secrets::value) {
                Some(_) if typing.mask => secret.insert("content".to_owned(), MASK.into()),
                Some(value) if !value.is_empty() => secret.insert("content".to_owned(), value.into()),
                _ => secret.remove("content"),
            };
        }
    }

    /// The content of a config that is named like a secret is not shown, nor one that a variable went into.
    fn mask_contents(&mut self, tree: &Tree) {
        for (name, config) in &mut self.configs {
            let content = tree.get("configs").and_then(|configs| configs.get(name)).and_then(|one| one.get("content"));
            let interpolated = content.is_some_and(|content| content.interpolated);
            if config.contains_key("content") && (interpolated || is_secret_name(name)) {
                config.insert("content".to_owned(), MASK.into());
            } else if let Some(text) = config.get("content").and_then(Json::as_str)
                && let Some(covered) = covered(text, &|_| MASK.to_owned())
            {
                config.insert("content".to_owned(), covered.into());
            }
        }
    }
}

/// Services or jobs that are on, and the names of those that are off.
fn containers(
    decoder: &mut Decoder,
    tree: &Tree,
    kind: &'static str,
    profiles: &[String],
) -> (Objects, BTreeSet<String>) {
    let parts = if kind == "services" { types::SERVICE_PARTS } else { types::JOB_PARTS };
    let (mut on, mut off) = (Objects::new(), BTreeSet::new());
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
        let wanted = service.get("profiles").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        let is_on = |name: &Json| profiles.iter().any(|on| on == "*" || name.as_str() == Some(on.as_str()));
        if wanted.is_empty() || wanted.iter().any(is_on) {
            on.insert(entry.key.clone(), service);
        } else {
            off.insert(entry.key.clone());
        }
    }
    (on, off)
}

/// The entries of a part of a file.
pub(super) fn entries<'t>(tree: &'t Tree, kind: &str) -> &'t [TreeEntry] {
    tree.get(kind).and_then(Tree::as_mapping).unwrap_or_default()
}
