//! Loading compose files as `docker compose` does, up to the canonical form.
//!
//! Every document goes through `parse` (interpolation, types, `!reset`, `!override`) → `include` → `extends` →
//! `merge` over the documents before it → `unicity` → `schema` → `canonical`. The whole is then completed,
//! checked (`validate`) and its paths are resolved (`paths`). `project` adds what is implied, types it and checks
//! that it fits together. The order and the rules are those of compose-go 2.16.2.

mod canonical;
mod check;
mod decode;
pub mod dotenv;
mod environment;
mod extends;
mod fault;
mod include;
pub(super) mod limits;
mod loader;
mod merge;
mod normalise;
pub(super) mod pairs;
pub(super) mod parse;
mod path;
mod paths;
mod print;
pub mod project;
mod replaced;
mod request;
pub(super) mod scalar;
mod schema;
mod secrets;
mod sources;
mod typed;
mod types;
mod unicity;
mod validate;
pub(super) mod values;
pub(super) mod volume;

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use self::extends::Extender;
use self::fault::{Fault, Faults, Step, fail};
use self::loader::{Loader, OpenFile, Scope};
use self::parse::Document;
use crate::compose::interpolate::interpolate;
use crate::compose::tree::Tree;
use crate::diag::{Diagnostic, Diagnostics, Location};

pub use self::replaced::Replaced;
pub use self::request::{Loaded, Name, Request};
pub use self::sources::{Input, Sources};

/// Loads files. There is a project exactly when there is no error; warnings come with it.
pub fn load(request: Request<'_>) -> (Option<Loaded>, Sources, Diagnostics) {
    let Request { inputs, name, working_dir, home, mut environment, files, display } = request;
    let mut load = Load {
        loader: Loader::new(files, display, working_dir.clone(), home),
        extended: extends::Known::new(),
        included: HashMap::new(),
        scopes: 0,
    };
    let outcome = load.inputs(inputs).and_then(|opened| {
        let name = named(&name, &opened, &environment)?;
        if !name.is_empty() {
            environment.insert("COMPOSE_PROJECT_NAME".to_owned(), name.clone());
        }
        let environment = Rc::new(environment);
        let folder = working_dir.clone();
        let scope = Scope { id: 0, environment: environment.clone(), folder, working_dir, included: Vec::new() };
        Ok((load.whole(opened, &scope)?, name, environment))
    });
    let mut loader = load.loader;
    let sources = Sources::new(loader.sources, loader.hidden);
    let mut diagnostics = Diagnostics::default();
    let loaded = match outcome {
        Ok((tree, name, environment)) => {
            let environment = Rc::unwrap_or_clone(environment);
            let (rewritten, replaced) = (loader.rewritten, loader.replaced);
            Some(Loaded { name, environment, tree, rewritten, replaced, sources: sources.clone() })
        }
        Err(Faults(faults)) => {
            loader.warnings.extend(faults);
            None
        }
    };
    diagnostics.extend(loader.warnings.into_iter().map(|fault| fault.told(&sources)));
    (loaded, sources, diagnostics)
}

/// One load: the steps in their order, and what they found already.
struct Load<'a> {
    loader: Loader<'a>,
    extended: extends::Known,
    /// Included models.
    included: HashMap<include::Key, Tree>,
    /// Scopes of includes so far; the outermost is 0.
    scopes: usize,
}

impl Load<'_> {
    fn inputs(&mut self, inputs: Vec<(Input, String)>) -> Step<Vec<OpenFile>> {
        let mut files = Vec::new();
        let mut faults = Vec::new();
        for (input, path) in inputs {
            match input {
                Input::Text(source) => match self.loader.documents(source.clone()) {
                    Ok(documents) => {
                        let location = Location::new(source.file.clone(), 1, 1);
                        files.push(OpenFile { path, documents, location });
                    }
                    Err(Faults(found)) => faults.extend(found),
                },
                Input::Tree(node, source) => {
                    let location = node.location.clone();
                    self.loader.sources.push(source);
                    files.push(OpenFile { path, documents: vec![node], location });
                }
            }
        }
        if faults.is_empty() { Ok(files) } else { Err(Faults(faults)) }
    }

    fn whole(&mut self, files: Vec<OpenFile>, scope: &Scope) -> Step<Tree> {
        let location = files.first().map(|file| file.location.clone());
        match self.model(files, scope)? {
            Some(tree) => Ok(tree),
            None => {
                let location = location.unwrap_or_else(|| Location::new("compose.yml", 1, 1));
                fail("compose-empty", "the compose file is empty", &location)
            }
        }
    }

    /// The merged, completed and checked model of some files; none when they hold nothing.
    fn model(&mut self, files: Vec<OpenFile>, scope: &Scope) -> Step<Option<Tree>> {
        let mut merged: Option<Tree> = None;
        for file in files {
            merged = self.file(file, merged, scope)?;
        }
        let Some(mut tree) = merged else { return Ok(None) };
        canonical::defaults(&mut tree)?;
        validate::validate(&tree)?;
        self.loader.resolve_paths(&mut tree, &scope.working_dir)?;
        secrets::look_up(&mut tree, &scope.environment);
        if tree.as_mapping().is_some_and(<[_]>::is_empty) {
            return Ok(None);
        }
        Ok(Some(tree))
    }

    /// One file over those before it.
    fn file(&mut self, file: OpenFile, mut merged: Option<Tree>, scope: &Scope) -> Step<Option<Tree>> {
        let OpenFile { path, documents, .. } = file;
        let mut scope = scope.clone();
        for node in documents {
            if !path.is_empty() {
                scope.included.push(path.clone());
            }
            let Document { mut tree, resets } = self.loader.lower(node, &scope)?;
            self.include(&mut tree, &resets, &scope)?;
            if let Some(base) = &mut merged {
                self.loader.replaced.extend(replaced::mounts(base, &tree, &resets));
                parse::reset(base, &resets);
            }
            limits::services(&tree)?;
            let mut extender = Extender { loader: &mut self.loader, known: &mut self.extended };
            extender.extend(&mut tree, &path, &resets, &scope)?;
            let location = tree.location.clone();
            let base = merged.take().unwrap_or_else(|| Tree::mapping(location, Vec::new()));
            let mut tree = merge::files(base, tree)?;
            unicity::enforce(&mut tree)?;
            schema::validate(&tree)?;
            if let Some(version) = tree.remove("version") {
                self.loader.warn(Fault {
                    diagnostic: Diagnostic::note("compose-key-noted", "version: it means nothing any more"),
                    location: version.location,
                });
            }
            canonical::canonical(&mut tree)?;
            unicity::enforce(&mut tree)?;
            merged = Some(tree);
        }
        Ok(merged)
    }

    /// Adds what a document includes and takes `include` out of it.
    fn include(&mut self, tree: &mut Tree, resets: &[Vec<String>], scope: &Scope) -> Step<()> {
        for (at, entry) in include::entries(tree)?.iter().enumerate() {
            let model = self.included(&include::Item::read(entry, at)?, scope)?;
            include::import(tree, model, resets)?;
        }
        Ok(())
    }

    fn included(&mut self, item: &include::Item, scope: &Scope) -> Step<Tree> {
        let key = item.key(&self.loader, scope)?;
        if let Some(known) = self.included.get(&key) {
            return Ok(known.clone());
        }
        self.scopes += 1;
        let inner = Scope {
            id: self.scopes,
            environment: Rc::new(key.environment.clone()),
            working_dir: key.working_dir.clone(),
            folder: key.folder.clone(),
            included: scope.included.clone(),
        };
        let mut opened = Vec::with_capacity(key.files.len());
        for file in &key.files {
            opened.push(self.loader.open(file, "include", &item.location)?);
        }
        let model = self.model(opened, &inner)?;
        let model = model.unwrap_or_else(|| Tree::mapping(item.location.clone(), Vec::new()));
        self.included.insert(key, model.clone());
        Ok(model)
    }
}

/// The project's name: given, or the last that the files say.
fn named(name: &Name, files: &[OpenFile], environment: &BTreeMap<String, String>) -> Step<String> {
    let default = match name {
        Name::Given(name) => return Ok(name.clone()),
        Name::Found(default) => default.as_str(),
        Name::Optional => "",
    };
    let documents = files.iter().flat_map(|file| &file.documents);
    let mut said =
        documents.filter_map(|node| node.get("name")).filter(|node| node.as_text().is_some_and(|t| !t.is_empty()));
    let Some(node) = said.next_back() else { return Ok(default.to_owned()) };
    let text = interpolate(node.as_text().unwrap_or_default(), environment)
        .map_err(|error| Fault::new("compose-interpolation", format!("name: {error}"), &node.location))?
        .text;
    let found = project_name(&text);
    if found.is_empty() && !matches!(name, Name::Optional) {
        return fail("compose-name", "the project's name must hold a letter or a digit", &node.location);
    }
    Ok(found)
}

/// A text as the name of a project: lowercase letters, digits, `-` and `_`, the first one a letter or a digit.
pub fn project_name(text: &str) -> String {
    let kept: String = text
        .to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
        .collect();
    kept.trim_start_matches(['-', '_']).to_owned()
}

#[cfg(test)]
mod tests;
