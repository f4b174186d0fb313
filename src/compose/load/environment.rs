//! Env files and label files of services, as `docker compose` resolves them.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::decode::MASK;
use super::dotenv;
use super::fault::Fault;
use super::path::Path;
use crate::compose::files::{FileError, Files};
use crate::compose::tree::Tree;

/// What files are resolved with.
pub(super) struct Resolver<'a> {
    /// The project's variables.
    pub(super) variables: &'a BTreeMap<String, String>,
    pub(super) files: &'a dyn Files,
    /// Whether values are masked.
    pub(super) mask: bool,
}

impl Resolver<'_> {
    /// Completes `environment` and `labels` of a container from the files that it names.
    pub(super) fn container(&self, out: &mut Map<String, Json>, tree: &Tree, path: &Path<'_>, faults: &mut Vec<Fault>) {
        self.environment(out, tree, path, faults);
        self.labels(out, tree, path, faults);
    }

    fn shown(&self, value: &str) -> Json {
        if self.mask { MASK.into() } else { value.into() }
    }

    fn environment(&self, out: &mut Map<String, Json>, tree: &Tree, path: &Path<'_>, faults: &mut Vec<Fault>) {
        if let Some(Json::Object(own)) = out.get_mut("environment") {
            for (key, value) in own.iter_mut() {
                if let Some(known) = self.variables.get(key).filter(|_| value.is_null()) {
                    *value = self.shown(known);
                }
            }
        }
        // Their values stand in the environment from here on.
        out.remove("env_file");
        let Some(items) = tree.get("env_file").and_then(Tree::as_sequence) else { return };
        let own = match out.get("environment") {
            Some(Json::Object(own)) => own.clone(),
            _ => Map::new(),
        };
        let texts = own.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        let mut values: BTreeMap<String, String> = texts.collect();
        let path = path.key("env_file");
        for (at, item) in items.iter().enumerate() {
            let Some(file) = item.get("path").and_then(Tree::as_str) else { continue };
            let what = path.index(at).to_string();
            let bytes = match self.files.read(file) {
                Ok(bytes) => bytes,
                Err(FileError::NotFound) if is_optional(item) => continue,
                Err(error) => {
                    faults.push(Fault::of_file(&what, file, &error, &item.location));
                    continue;
                }
            };
            let lookup = |name: &str| {
                let variable = self.variables.get(name).map(String::as_str);
                variable.or_else(|| own.get(name).and_then(Json::as_str))
            };
            let outcome = match item.get("format").and_then(Tree::as_str) {
                None | Some("" | ".env") => {
                    dotenv::parse(&bytes, &mut values, &lookup).map_err(|error| error.to_string())
                }
                Some("raw") => dotenv::raw(&bytes, &mut values, &lookup).map_err(|error| error.to_string()),
                Some(_) => Err("its format is not known; only raw is".to_owned()),
            };
            if let Err(message) = outcome {
                let fault = Fault::new("compose-env-file", format!("{what}: {file}: {message}"), &item.location);
                faults.push(fault.help(format!("correct {file}; its values are never shown")));
            }
        }
        let mut environment: Map<String, Json> =
            values.into_iter().map(|(key, value)| (key, self.shown(&value))).collect();
        environment.extend(own);
        if !environment.is_empty() {
            out.insert("environment".to_owned(), Json::Object(environment));
        }
    }

    fn labels(&self, out: &mut Map<String, Json>, tree: &Tree, path: &Path<'_>, faults: &mut Vec<Fault>) {
        let Some(items) = tree.get("label_file").and_then(Tree::as_sequence) else { return };
        let path = path.key("label_file");
        let mut labels: BTreeMap<String, String> = BTreeMap::new();
        for (at, item) in items.iter().enumerate() {
            let Some(file) = item.as_str() else { continue };
            let what = path.index(at).to_string();
            match self.files.read(file) {
                Ok(bytes) => {
                    let before = labels.clone();
                    let mut values = BTreeMap::new();
                    let lookup = |name: &str| before.get(name).map(String::as_str);
                    match dotenv::parse(&bytes, &mut values, &lookup) {
                        Ok(()) => labels.extend(values),
                        Err(error) => {
                            let message = format!("{what}: {file}: {error}");
                            faults.push(Fault::new("compose-label-file", message, &item.location));
                        }
                    }
                }
                Err(error) => faults.push(Fault::of_file(&what, file, &error, &item.location)),
            }
        }
        let mut merged: Map<String, Json> = labels.into_iter().map(|(key, value)| (key, self.shown(&value))).collect();
        if let Some(Json::Object(own)) = out.remove("labels") {
            merged.extend(own);
        }
        if !merged.is_empty() {
            out.insert("labels".to_owned(), Json::Object(merged));
        }
    }
}

fn is_optional(item: &Tree) -> bool {
    item.get("required").and_then(Tree::as_text).and_then(super::parse::boolean) == Some(false)
}
