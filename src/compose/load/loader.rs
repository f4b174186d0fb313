//! What the steps of one load share: files, texts, limits, and where warnings go.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use super::fault::{Fault, Faults, Step, fail};
use super::limits::MAX_FILES;
use super::merge;
use super::parse::{Document, Lowering};
use super::path::Path;
use super::paths;
use super::replaced::Replaced;
use crate::compose::files::Files;
use crate::compose::tree::Tree;
use crate::diag::{Diagnostic, Location, Severity};
use crate::yaml::{self, Limits, Node, Source};

/// What is fixed for the files of one project or of one `include`.
#[derive(Clone)]
pub(super) struct Scope {
    /// Tells scopes apart.
    pub(super) id: usize,
    pub(super) environment: Rc<BTreeMap<String, String>>,
    /// What paths in the files count from in the end.
    pub(super) working_dir: String,
    /// What files are looked up from.
    pub(super) folder: String,
    /// Files that are being read, outermost first.
    pub(super) included: Vec<String>,
}

pub(super) struct Loader<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) display: &'a dyn Fn(&str) -> String,
    pub(super) home: Option<String>,
    /// The project's own folder.
    pub(super) root: String,
    pub(super) sources: Vec<Source>,
    pub(super) hidden: HashSet<(Arc<str>, u32)>,
    pub(super) rewritten: HashMap<Location, String>,
    pub(super) replaced: Vec<Replaced>,
    pub(super) warnings: Vec<Fault>,
    /// Warnings that were given already: a file may be read in several scopes.
    pub(super) told: HashSet<(Location, String)>,
    /// Files read so far.
    pub(super) opened: usize,
    /// Bytes of all interpolated texts so far.
    pub(super) interpolated: usize,
}

/// A file before it is parsed.
pub(super) struct OpenFile {
    /// By which cycles are found; empty for what is no file.
    pub(super) path: String,
    pub(super) documents: Vec<Node>,
    /// Where it starts.
    pub(super) location: Location,
}

impl<'a> Loader<'a> {
    /// A loader that has read nothing. Paths count from `root` in the end, and `~` leads to `home`.
    pub(super) fn new(
        files: &'a dyn Files,
        display: &'a dyn Fn(&str) -> String,
        root: String,
        home: Option<String>,
    ) -> Self {
        Self {
            files,
            display,
            home,
            root,
            sources: Vec::new(),
            hidden: HashSet::new(),
            rewritten: HashMap::new(),
            replaced: Vec::new(),
            warnings: Vec::new(),
            told: HashSet::new(),
            opened: 0,
            interpolated: 0,
        }
    }

    /// Parses a text and keeps it for messages.
    pub(super) fn documents(&mut self, source: Source) -> Step<Vec<Node>> {
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
    pub(super) fn open(&mut self, path: &str, what: &str, location: &Location) -> Step<OpenFile> {
        self.opened += 1;
        if self.opened > MAX_FILES {
            return fail("compose-limit", format!("more than {MAX_FILES} files are included or extended"), location);
        }
        let bytes = self.files.read(path).map_err(|error| Fault::of_file(what, path, &error, location))?;
        let name = (self.display)(path);
        let Ok(text) = String::from_utf8(bytes) else {
            return fail("compose-local-file", format!("{what}: {path} is not UTF-8 text"), location);
        };
        let start = Location::new(name.as_str(), 1, 1);
        let documents = self.documents(Source::new(name, text))?;
        Ok(OpenFile { path: path.to_owned(), documents, location: start })
    }

    pub(super) fn resolve_paths(&self, tree: &mut Tree, dir: &str) -> Step<()> {
        let follow = |path: &str| self.files.followed(path);
        paths::resolve(tree, &paths::Base { dir, home: self.home.as_deref(), follow: &follow })
    }

    /// Tells something once, however often a file is included.
    pub(super) fn warn(&mut self, warning: Fault) {
        if self.told.insert((warning.location.clone(), warning.diagnostic.message.clone())) {
            self.warnings.push(warning);
        }
    }

    /// Interpolates and types a document, and gives its keys the names that they have today.
    pub(super) fn lower(&mut self, node: Node, scope: &Scope) -> Step<Document> {
        let mut lowering = Lowering::new(&scope.environment, self.interpolated);
        let mut document = lowering.document(node);
        self.interpolated = lowering.interpolated;
        self.hidden.extend(lowering.hidden);
        self.rewritten.extend(lowering.rewritten);
        let (errors, warnings): (Vec<Fault>, Vec<Fault>) =
            lowering.findings.into_iter().partition(|fault| fault.diagnostic.severity == Severity::Error);
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
        promote(&mut document.tree)?;
        Ok(document)
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
