//! `include`: which files an item of it names, with which folder and environment, and how their model comes beside what
//! stands in the file itself.

use std::collections::BTreeMap;

use super::dotenv;
use super::fault::{Fault, Step, fail};
use super::limits::MAX_DEPTH;
use super::loader::{Loader, Scope};
use super::merge;
use super::parse::reset_below;
use super::path::Path;
use super::paths;
use crate::compose::tree::{Tree, TreeContent, TreeEntry};
use crate::diag::Location;

/// What decides about an included model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The files, absolute where the project's folder is.
    pub(super) files: Vec<String>,
    /// What paths in the files count from in the end.
    pub(super) working_dir: String,
    /// What files are looked up from.
    pub(super) folder: String,
    /// The variables.
    pub(super) environment: BTreeMap<String, String>,
}

/// An item of `include` in the long syntax.
pub(super) struct Item {
    files: Vec<String>,
    project_directory: String,
    env_files: Option<Vec<String>>,
    /// Where it stands.
    pub(super) location: Location,
}

/// Takes `include` out of a document and gives what stands in it.
pub(super) fn entries(tree: &mut Tree) -> Step<Vec<Tree>> {
    let Some(includes) = tree.remove("include").filter(|includes| !includes.is_null()) else { return Ok(Vec::new()) };
    match includes.content {
        TreeContent::Sequence(entries) => Ok(entries),
        _ => {
            let message = format!("include must be a list, not {}", includes.kind());
            fail("compose-type", message, &includes.location)
        }
    }
}

/// Puts an included model beside what a document says itself.
pub(super) fn import(tree: &mut Tree, mut model: Tree, resets: &[Vec<String>]) -> Step<()> {
    for kind in ["services", "jobs", "volumes", "networks", "secrets", "configs", "models"] {
        if let Some(resources) = model.remove(kind) {
            import_kind(tree, kind, resources, resets)?;
        }
    }
    Ok(())
}

impl Item {
    /// Reads the entry at a place of `include`.
    pub(super) fn read(tree: &Tree, at: usize) -> Step<Self> {
        let path = Path::ROOT.key("include");
        let path = path.index(at);
        let location = tree.location.clone();
        let mut item = Self { files: Vec::new(), project_directory: String::new(), env_files: None, location };
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

    /// What decides about the model of an item that stands in a file of `scope`.
    pub(super) fn key(&self, loader: &Loader<'_>, scope: &Scope) -> Step<Key> {
        let location = &self.location;
        let files: Vec<String> = self.files.iter().map(|file| absolute(&scope.folder, file)).collect();
        let Some(main) = files.first() else {
            return fail("compose-include", "include names no path", location);
        };
        if scope.included.contains(main) {
            let mut chain = scope.included.clone();
            chain.push(main.clone());
            let chain: Vec<String> = chain.iter().map(|file| (loader.display)(file)).collect();
            return fail("compose-include", format!("files include each other: {}", chain.join(" → ")), location);
        }
        if scope.included.len() > MAX_DEPTH {
            return fail("compose-limit", format!("files include each other more than {MAX_DEPTH} deep"), location);
        }
        let (working_dir, folder) = if self.project_directory.is_empty() {
            (dir(loader, &scope.folder, main), paths::folder(main))
        } else if paths::is_absolute(&self.project_directory) {
            (self.project_directory.clone(), self.project_directory.clone())
        } else {
            let from = paths::join(&loader.root, &scope.working_dir);
            let from = if paths::is_absolute(&scope.working_dir) { scope.working_dir.clone() } else { from };
            (dir(loader, &scope.folder, &self.project_directory), paths::join(&from, &self.project_directory))
        };
        let environment = self.environment(loader, &folder, scope)?;
        Ok(Key { files, working_dir, folder, environment })
    }

    /// This file's variables, completed by the included folder's `.env` or by the files that the item names.
    fn environment(&self, loader: &Loader<'_>, folder: &str, scope: &Scope) -> Step<BTreeMap<String, String>> {
        let own = scope.environment.as_ref();
        let files = match &self.env_files {
            None => {
                let default = paths::join(folder, ".env");
                if loader.files.is_file(&default) { vec![default] } else { Vec::new() }
            }
            Some(files) => files
                .iter()
                .filter(|file| file.as_str() != "/dev/null")
                .map(|file| {
                    let from = if paths::is_absolute(&scope.working_dir) {
                        scope.working_dir.clone()
                    } else {
                        paths::join(&loader.root, &scope.working_dir)
                    };
                    absolute(&from, file)
                })
                .collect(),
        };
        let mut values = BTreeMap::new();
        for file in files {
            let bytes = loader
                .files
                .read(&file)
                .map_err(|error| Fault::of_file("include.env_file", &file, &error, &self.location))?;
            dotenv::complete(own, &mut values, &bytes).map_err(|error| {
                let message = format!("include.env_file: {file}: {error}");
                Fault::new("compose-env-file", message, &self.location)
            })?;
        }
        let mut environment = own.clone();
        for (key, value) in values {
            environment.entry(key).or_insert(value);
        }
        Ok(environment)
    }
}

/// The folder of a path, or the path where it is a folder, as it is called from `base`.
fn dir(loader: &Loader<'_>, base: &str, path: &str) -> String {
    let full = absolute(base, path);
    let folder = if loader.files.is_dir(&full) { full } else { paths::folder(&full) };
    paths::relative(base, &folder)
}

fn absolute(base: &str, path: &str) -> String {
    if paths::is_absolute(path) { path.to_owned() } else { paths::join(base, path) }
}

/// Adds resources of an included model; one that this file defines too is merged, this file winning.
fn import_kind(tree: &mut Tree, kind: &str, resources: Tree, resets: &[Vec<String>]) -> Step<()> {
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

/// A list of texts; one text is a list of one.
fn texts(tree: &Tree, path: &Path<'_>) -> Step<Vec<String>> {
    if let Some(text) = tree.as_str() {
        return Ok(vec![text.to_owned()]);
    }
    let TreeContent::Sequence(items) = &tree.content else {
        let message = format!("{path} must be a string or a list of strings, not {}", tree.kind());
        return fail("compose-type", message, &tree.location);
    };
    let mut texts = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        match item.as_str() {
            Some(text) => texts.push(text.to_owned()),
            None => {
                let message = format!("{} must be a string, not {}", path.index(at), item.kind());
                return fail("compose-type", message, &item.location);
            }
        }
    }
    Ok(texts)
}
