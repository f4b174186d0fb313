//! `include`: the models of other files, each with its own folder and environment, beside this one's.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::fault::{Fault, Step, fail};
use super::path::Path;
use super::{Loader, MAX_DEPTH, Scope, dotenv, file_fault, merge, parse, paths, texts};
use crate::compose::tree::{Tree, TreeContent, TreeEntry};
use crate::diag::Location;

/// What decides about an included model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    files: Vec<String>,
    working_dir: String,
    folder: String,
    environment: Vec<(String, String)>,
}

/// An item of `include` in the long syntax.
struct Item {
    files: Vec<String>,
    project_directory: String,
    env_files: Option<Vec<String>>,
    location: Location,
}

impl Loader<'_> {
    /// Adds what a document includes and takes `include` out of it.
    pub(super) fn include(&mut self, tree: &mut Tree, resets: &[Vec<String>], scope: &Scope) -> Step<()> {
        let Some(includes) = tree.remove("include").filter(|includes| !includes.is_null()) else { return Ok(()) };
        let path = Path::ROOT.key("include");
        let Some(list) = includes.as_sequence() else {
            let message = format!("include must be a list, not {}", includes.kind());
            return fail("compose-type", message, &includes.location);
        };
        for (at, entry) in list.iter().enumerate() {
            let item = item(entry, &path.index(at))?;
            let mut imported = self.included_model(&item, scope)?;
            for kind in ["services", "jobs", "volumes", "networks", "secrets", "configs", "models"] {
                if let Some(resources) = imported.remove(kind) {
                    import(tree, kind, resources, resets)?;
                }
            }
        }
        Ok(())
    }

    fn included_model(&mut self, item: &Item, scope: &Scope) -> Step<Tree> {
        let location = &item.location;
        let files: Vec<String> = item.files.iter().map(|file| absolute(&scope.folder, file)).collect();
        let Some(main) = files.first() else {
            return fail("compose-include", "include names no path", location);
        };
        if scope.included.contains(main) {
            let mut chain = scope.included.clone();
            chain.push(main.clone());
            let chain: Vec<String> = chain.iter().map(|file| (self.display)(file)).collect();
            return fail("compose-include", format!("files include each other: {}", chain.join(" → ")), location);
        }
        if scope.included.len() > MAX_DEPTH {
            return fail("compose-limit", format!("files include each other more than {MAX_DEPTH} deep"), location);
        }
        let (working_dir, folder) = if item.project_directory.is_empty() {
            (self.dir(&scope.folder, main), paths::folder(main))
        } else if paths::is_absolute(&item.project_directory) {
            (item.project_directory.clone(), item.project_directory.clone())
        } else {
            let from = paths::join(&self.root, &scope.working_dir);
            let from = if paths::is_absolute(&scope.working_dir) { scope.working_dir.clone() } else { from };
            (self.dir(&scope.folder, &item.project_directory), paths::join(&from, &item.project_directory))
        };
        let environment = self.included_environment(item, &folder, scope)?;
        let key = Key {
            files: files.clone(),
            working_dir: working_dir.clone(),
            folder: folder.clone(),
            environment: environment.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        };
        if let Some(known) = self.included.get(&key) {
            return Ok(known.clone());
        }
        self.scopes += 1;
        let included = scope.included.clone();
        let inner = Scope { id: self.scopes, environment: Rc::new(environment), working_dir, folder, included };
        let mut opened = Vec::with_capacity(files.len());
        for file in &files {
            opened.push(self.open(file, "include", location)?);
        }
        let model = self.model(opened, &inner)?;
        let model = model.unwrap_or_else(|| Tree::mapping(location.clone(), Vec::new()));
        self.included.insert(key, model.clone());
        Ok(model)
    }

    /// The folder of a path, or the path where it is a folder, as it is called from `base`.
    fn dir(&self, base: &str, path: &str) -> String {
        let full = absolute(base, path);
        let folder = if self.files.is_dir(&full) { full } else { paths::folder(&full) };
        paths::relative(base, &folder)
    }

    /// This file's variables, completed by the included folder's `.env` or by the files that the item names.
    fn included_environment(&self, item: &Item, folder: &str, scope: &Scope) -> Step<BTreeMap<String, String>> {
        let own = scope.environment.as_ref();
        let files = match &item.env_files {
            None => {
                let default = paths::join(folder, ".env");
                if self.files.is_file(&default) { vec![default] } else { Vec::new() }
            }
            Some(files) => files
                .iter()
                .filter(|file| file.as_str() != "/dev/null")
                .map(|file| {
                    let from = if paths::is_absolute(&scope.working_dir) {
                        scope.working_dir.clone()
                    } else {
                        paths::join(&self.root, &scope.working_dir)
                    };
                    absolute(&from, file)
                })
                .collect(),
        };
        let mut values = BTreeMap::new();
        for file in files {
            let bytes = self
                .files
                .read(&file)
                .map_err(|error| file_fault("include.env_file", &file, &error, &item.location))?;
            dotenv::complete(own, &mut values, &bytes).map_err(|error| {
                let message = format!("include.env_file: {file}: {error}");
                Fault::new("compose-env-file", message, &item.location)
            })?;
        }
        let mut environment = own.clone();
        for (key, value) in values {
            environment.entry(key).or_insert(value);
        }
        Ok(environment)
    }
}

fn absolute(base: &str, path: &str) -> String {
    if paths::is_absolute(path) { path.to_owned() } else { paths::join(base, path) }
}

fn item(tree: &Tree, path: &Path<'_>) -> Step<Item> {
    let location = tree.location.clone();
    let mut item = Item { files: Vec::new(), project_directory: String::new(), env_files: None, location };
    if let Some(text) = tree.as_str() {
        item.files.push(text.to_owned());
        return Ok(item);
    }
    let TreeContent::Mapping(entries) = &tree.content else {
        let message = format!("{path} must be a string or a mapping, not {}", tree.kind());
        return fail("compose-type", message, &tree.location);
    };
    for TreeEntry { key, key_location, value } in entries {
        let below = path.key(key);
        match key.as_str() {
            _ if value.is_null() => {}
            "path" => item.files = texts(value, &below)?,
            "env_file" => item.env_files = Some(texts(value, &below)?).filter(|files| !files.is_empty()),
            "project_directory" => match value.as_str() {
                Some(text) => item.project_directory = text.to_owned(),
                None => {
                    return fail(
                        "compose-type",
                        format!("{below} must be a string, not {}", value.kind()),
                        &value.location,
                    );
                }
            },
            _ if key.starts_with("x-") => {}
            _ => {
                let fault = Fault::new("compose-unknown-key", format!("{path} has no key \"{key}\""), key_location);
                return Err(fault.help("known are path, project_directory, env_file").into());
            }
        }
    }
    Ok(item)
}

/// Adds resources of an included model; one that this file defines too is merged, this file winning.
fn import(tree: &mut Tree, kind: &str, resources: Tree, resets: &[Vec<String>]) -> Step<()> {
    let TreeContent::Mapping(resources) = resources.content else { return Ok(()) };
    if tree.get(kind).is_none_or(Tree::is_null) {
        let location = tree.location.clone();
        tree.set(kind, Tree::mapping(location, Vec::new()));
    }
    let parent = Path::ROOT.key(kind);
    let Some(own) = tree.get_mut(kind) else { return Ok(()) };
    if own.as_mapping().is_none() {
        return fail("compose-type", format!("{kind} must be a mapping, not {}", own.kind()), &own.location);
    }
    for resource in resources {
        let Some(conflict) = own.get(&resource.key) else {
            let Some(entries) = own.entries_mut() else { continue };
            entries.push(resource);
            continue;
        };
        // The same file may be reached by several ways.
        if super::scalar::same(&resource.value, conflict) {
            continue;
        }
        let mut base = resource.value;
        reset_below(&mut base, &[kind, &resource.key], resets);
        let merged = merge::resource(base, conflict.clone(), kind, &parent.key(&resource.key))?;
        own.set(&resource.key, merged);
    }
    Ok(())
}

/// Takes out of a part of a model what the paths name.
pub(super) fn reset_below(tree: &mut Tree, above: &[&str], resets: &[Vec<String>]) {
    let inner: Vec<Vec<String>> = resets
        .iter()
        .filter(|path| path.len() > above.len() && path.iter().zip(above).all(|(a, b)| a == b))
        .map(|path| path[above.len()..].to_vec())
        .collect();
    parse::reset(tree, &inner);
}
