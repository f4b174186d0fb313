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
mod merge;
mod normalise;
pub(super) mod pairs;
pub(super) mod parse;
mod path;
mod paths;
mod print;
pub mod project;
pub(super) mod scalar;
mod schema;
mod types;
mod unicity;
mod validate;
pub(super) mod volume;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use self::fault::{Fault, Faults, Step, fail};
use self::parse::{Document, Lowering};
use self::path::Path;
use crate::compose::files::{FileError, Files};
use crate::compose::interpolate::interpolate;
use crate::compose::model::Sources;
use crate::compose::read::Input;
use crate::compose::tree::{Tree, TreeContent};
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::yaml::{self, Limits, Node, Source};

/// Items of one list: what is longer was not written by a person.
pub(super) const MAX_ITEMS: usize = 2000;
/// Services of one project: far more than containers of one Pod could be.
pub(super) const MAX_SERVICES: usize = 500;
/// Files that one project may be made of, included and extended ones counted at each use.
const MAX_FILES: usize = 500;
/// How deep files may include each other, and services extend each other.
const MAX_DEPTH: usize = 50;

/// What is loaded.
pub struct Request<'a> {
    /// The compose files and their paths, by which cycles are found; later ones win.
    pub inputs: Vec<(Input, String)>,
    /// The project's name.
    pub name: Name,
    /// What relative paths count from: absolute where a user names files, empty for the folder of an app.
    pub working_dir: String,
    /// Where `~` leads; none leaves it as it is.
    pub home: Option<String>,
    /// Variables: the process's, completed by `.env`.
    pub environment: BTreeMap<String, String>,
    /// Files that are included, extended, or hold variables.
    pub files: &'a dyn Files,
    /// How a path is called in messages.
    pub display: &'a dyn Fn(&str) -> String,
}

/// How a project gets its name.
#[derive(Debug, Clone)]
pub enum Name {
    /// From its user; nothing else counts.
    Given(String),
    /// From `name:` in its files, else this one.
    Found(String),
    /// From `name:` in its files, if at all.
    Optional,
}

/// A loaded project.
pub struct Loaded {
    /// The project's name; empty only where it is optional.
    pub name: String,
    /// The variables it was loaded with, `COMPOSE_PROJECT_NAME` among them.
    pub environment: BTreeMap<String, String>,
    /// The merged and canonical file.
    pub tree: Tree,
    /// Numbers, booleans and dates that read as another text than the one that was written, which this gives by the
    /// place of their key.
    pub rewritten: HashMap<Location, String>,
    /// The texts that were read, for messages.
    pub sources: Sources,
}

/// Loads files. There is a project exactly when there is no error; warnings come with it.
pub fn load(request: Request<'_>) -> (Option<Loaded>, Sources, Diagnostics) {
    let Request { inputs, name, working_dir, home, environment, files, display } = request;
    let mut loader = Loader {
        files,
        display,
        home,
        root: working_dir.clone(),
        sources: Vec::new(),
        hidden: HashSet::new(),
        rewritten: HashMap::new(),
        warnings: Vec::new(),
        told: HashSet::new(),
        scopes: 0,
        opened: 0,
        extended: HashMap::new(),
        included: HashMap::new(),
        interpolated: 0,
    };
    let mut environment = environment;
    let outcome = loader.inputs(inputs).and_then(|opened| {
        let name = named(&name, &opened, &environment)?;
        if !name.is_empty() {
            environment.insert("COMPOSE_PROJECT_NAME".to_owned(), name.clone());
        }
        let environment = Rc::new(environment);
        let folder = working_dir.clone();
        let scope = Scope { id: 0, environment: environment.clone(), folder, working_dir, included: Vec::new() };
        Ok((loader.whole(opened, &scope)?, name, environment))
    });
    let sources = Sources::new(loader.sources, loader.hidden);
    let mut diagnostics = Diagnostics::default();
    let loaded = match outcome {
        Ok((tree, name, environment)) => {
            let environment = Rc::unwrap_or_clone(environment);
            let rewritten = std::mem::take(&mut loader.rewritten);
            Some(Loaded { name, environment, tree, rewritten, sources: sources.clone() })
        }
        Err(Faults(faults)) => {
            loader.warnings.extend(faults);
            None
        }
    };
    for fault in loader.warnings {
        diagnostics.push(tell(fault, &sources));
    }
    (loaded, sources, diagnostics)
}

/// A finding with the line it speaks of, unless that is not to be shown.
fn tell(fault: Fault, sources: &Sources) -> Diagnostic {
    if fault.diagnostic.location.is_some() {
        return fault.diagnostic;
    }
    sources.locate(fault.diagnostic, &fault.location)
}

/// What is fixed for the files of one project or of one `include`.
#[derive(Clone)]
struct Scope {
    /// Tells scopes apart.
    id: usize,
    environment: Rc<BTreeMap<String, String>>,
    /// What paths in the files count from in the end.
    working_dir: String,
    /// What files are looked up from.
    folder: String,
    /// Files that are being read, outermost first.
    included: Vec<String>,
}

struct Loader<'a> {
    files: &'a dyn Files,
    display: &'a dyn Fn(&str) -> String,
    home: Option<String>,
    /// The project's own folder.
    root: String,
    sources: Vec<Source>,
    hidden: HashSet<(Arc<str>, u32)>,
    rewritten: HashMap<Location, String>,
    warnings: Vec<Fault>,
    /// Warnings that were given already: a file may be read in several scopes.
    told: HashSet<(Location, String)>,
    /// Scopes of includes so far.
    scopes: usize,
    /// Files read so far.
    opened: usize,
    /// Files that services extend, canonical, by scope and path.
    extended: HashMap<(usize, String), extends::BaseFile>,
    /// Included models, by paths, folders and environment.
    included: HashMap<include::Key, Tree>,
    /// Bytes of all interpolated texts so far.
    interpolated: usize,
}

/// A file before it is parsed.
struct OpenFile {
    /// By which cycles are found; empty for what is no file.
    path: String,
    documents: Vec<Node>,
    /// Where it starts.
    location: Location,
}

impl Loader<'_> {
    fn inputs(&mut self, inputs: Vec<(Input, String)>) -> Step<Vec<OpenFile>> {
        let mut files = Vec::new();
        let mut faults = Vec::new();
        for (input, path) in inputs {
            match input {
                Input::Text(source) => match self.documents(source.clone()) {
                    Ok(documents) => {
                        let location = Location::new(source.file.clone(), 1, 1);
                        files.push(OpenFile { path, documents, location });
                    }
                    Err(Faults(found)) => faults.extend(found),
                },
                Input::Tree(node, source) => {
                    let location = node.location.clone();
                    self.sources.push(source);
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

    /// Parses a text and keeps it for messages.
    fn documents(&mut self, source: Source) -> Step<Vec<Node>> {
        let outcome = yaml::parse(&source, Limits::default()).map_err(|error| {
            // The parser shows the line it fails at, which may hold a secret.
            let location = error.location.clone().unwrap_or_else(|| Location::new(source.file.clone(), 1, 1));
            let diagnostic = Diagnostic { source_line: None, ..*error };
            let diagnostic = diagnostic.help("correct the YAML here; nothing of this file was used");
            Faults(vec![Fault { diagnostic, location }])
        });
        if !self.sources.iter().any(|known| known.file == source.file) {
            self.sources.push(source);
        }
        outcome
    }

    /// Reads and parses a file that another names at `location`.
    fn open(&mut self, path: &str, what: &str, location: &Location) -> Step<OpenFile> {
        self.opened += 1;
        if self.opened > MAX_FILES {
            return fail("compose-limit", format!("more than {MAX_FILES} files are included or extended"), location);
        }
        let bytes = self.files.read(path).map_err(|error| file_fault(what, path, &error, location))?;
        let name = (self.display)(path);
        let Ok(text) = String::from_utf8(bytes) else {
            return fail("compose-local-file", format!("{what}: {path} is not UTF-8 text"), location);
        };
        let start = Location::new(name.as_str(), 1, 1);
        let documents = self.documents(Source::new(name, text))?;
        Ok(OpenFile { path: path.to_owned(), documents, location: start })
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
        self.resolve_paths(&mut tree, &scope.working_dir)?;
        secret_values(&mut tree, &scope.environment);
        if tree.as_mapping().is_some_and(<[_]>::is_empty) {
            return Ok(None);
        }
        Ok(Some(tree))
    }

    fn resolve_paths(&self, tree: &mut Tree, dir: &str) -> Step<()> {
        let follow = |path: &str| self.files.followed(path);
        paths::resolve(tree, &paths::Base { dir, home: self.home.as_deref(), follow: &follow })
    }

    /// One file over those before it.
    fn file(&mut self, file: OpenFile, mut merged: Option<Tree>, scope: &Scope) -> Step<Option<Tree>> {
        let OpenFile { path, documents, .. } = file;
        let mut scope = scope.clone();
        for node in documents {
            if !path.is_empty() {
                scope.included.push(path.clone());
            }
            let Document { mut tree, resets } = self.lower(node, &scope)?;
            promote(&mut tree)?;
            self.include(&mut tree, &resets, &scope)?;
            if let Some(base) = &mut merged {
                parse::reset(base, &resets);
            }
            limit_services(&tree)?;
            self.extend(&mut tree, &path, &resets, &scope)?;
            let location = tree.location.clone();
            let base = merged.take().unwrap_or_else(|| Tree::mapping(location, Vec::new()));
            let mut tree = merge::files(base, tree)?;
            unicity::enforce(&mut tree)?;
            schema::validate(&tree)?;
            if let Some(version) = tree.remove("version") {
                self.warn(Fault {
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

    /// Tells something once, however often a file is included.
    fn warn(&mut self, warning: Fault) {
        if self.told.insert((warning.location.clone(), warning.diagnostic.message.clone())) {
            self.warnings.push(warning);
        }
    }

    /// Interpolates and types a document.
    fn lower(&mut self, node: Node, scope: &Scope) -> Step<Document> {
        let mut lowering = Lowering::new(&scope.environment, self.interpolated);
        let document = lowering.document(node);
        self.interpolated = lowering.interpolated;
        self.hidden.extend(lowering.hidden);
        self.rewritten.extend(lowering.rewritten);
        let (errors, warnings): (Vec<Fault>, Vec<Fault>) =
            lowering.findings.into_iter().partition(|fault| fault.diagnostic.severity == crate::diag::Severity::Error);
        for warning in warnings {
            self.warn(warning);
        }
        if !errors.is_empty() {
            return Err(Faults(errors));
        }
        if document.tree.as_mapping().is_none() {
            let location = &document.tree.location;
            return fail("compose-type", "a compose file must be a mapping with `services`", location);
        }
        Ok(document)
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

fn limit_services(tree: &Tree) -> Step<()> {
    for kind in ["services", "jobs"] {
        let Some(services) = tree.get(kind) else { continue };
        let count = services.as_mapping().map_or(0, <[_]>::len);
        if count > MAX_SERVICES {
            let message = format!("there are {count} {kind}; at most {MAX_SERVICES} are read");
            return fail("compose-limit", message, &services.location);
        }
    }
    Ok(())
}

/// The key under which a secret's value stands that is a variable's: an extension, so that no file can mean it.
pub(super) const SECRET_VALUE: &str = "x-#value";

/// Looks secrets up that are variables, where the file that defines them is known: an included one has its own.
fn secret_values(tree: &mut Tree, environment: &BTreeMap<String, String>) {
    for entry in tree.get_mut("secrets").and_then(Tree::entries_mut).into_iter().flatten() {
        let variable = entry.value.get("environment").and_then(Tree::as_str);
        if let Some(value) = variable.and_then(|name| environment.get(name)) {
            let value = Tree::text(value.clone(), entry.value.location.clone(), true);
            entry.value.set(SECRET_VALUE, value);
        }
    }
}

/// Gives attributes that were extensions once their own name; what stands under that name wins.
fn promote(tree: &mut Tree) -> Step<()> {
    fn rename(tree: &mut Tree, from: &str, to: &str, path: &Path<'_>) -> Step<()> {
        let Some(old) = tree.remove(from) else { return Ok(()) };
        let value = match tree.remove(to).filter(|value| !value.is_null()) {
            Some(value) => merge::plain(old, value, &path.key(to))?,
            None => old,
        };
        tree.set(to, value);
        Ok(())
    }
    let services = Path::ROOT.key("services");
    let Some(entries) = tree.get_mut("services").and_then(Tree::entries_mut) else { return Ok(()) };
    for entry in entries {
        let path = services.key(&entry.key);
        rename(&mut entry.value, "x-develop", "develop", &path)?;
        let (develop, watch) = (path.key("develop"), "watch");
        let watch_path = develop.key(watch);
        let triggers = entry.value.get_mut("develop").and_then(|develop| develop.get_mut(watch));
        for (at, trigger) in triggers.and_then(Tree::items_mut).into_iter().flatten().enumerate() {
            rename(trigger, "x-initialSync", "initial_sync", &watch_path.index(at))?;
        }
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

/// The finding about a file that cannot be used.
fn file_fault(what: &str, path: &str, error: &FileError, location: &Location) -> Faults {
    let fault = Fault::new("compose-local-file", format!("{what}: {path} cannot be used: {error}"), location);
    let fault = match error {
        FileError::NotFound => fault.help("paths count from the folder of the compose file"),
        FileError::Absolute | FileError::Parent | FileError::Escape => {
            fault.help("move the file next to the compose file and name it by a relative path")
        }
        FileError::Refused { .. } => fault.help("write the app in the app file itself"),
        FileError::NotRegular | FileError::TooLarge { .. } | FileError::Io(_) => fault,
    };
    fault.into()
}

#[cfg(test)]
mod tests;
