//! Loading a project: which files, in which order, and all their errors at once.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::document::{self, Document, Object, Place};
use super::files::{FileLimits, FileReader, Named, Walker};
use super::id::{ResourceId, ResourceKind};
use super::layout::{LEGACY_FILE_NAME, Layout, LayoutRequest, real};
use super::model::{App, Cluster, KomBox, Located, Project, Provider, Workspace};
use super::reader::{Fields, Reader, Sources, parse};
use super::{app, check, keys, legacy, objects};
use crate::advice::{Advice, Command, Name};
use crate::diag::{Diagnostic, Diagnostics, Location, Severity};
use crate::yaml::{self, Content, Node, Scalar, Source};

/// How to load.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadOptions {
    /// Whether warnings are errors (`validate --strict`).
    pub strict: bool,
    /// Limits of files.
    pub limits: FileLimits,
    /// Limits of each file's YAML; its bytes are capped by `limits.file_bytes` too.
    pub yaml: yaml::Limits,
}

/// A project that loaded. Debug leaves the texts out.
pub struct Loaded {
    /// Its objects.
    pub project: Project,
    /// Warnings and notes, the layout's included, in file order.
    pub diagnostics: Diagnostics,
    /// Every text that was read, the configuration first, then the app file.
    pub sources: Vec<Source>,
    /// The paths that KOM was read from besides the app file, absolute.
    pub kom_paths: Vec<PathBuf>,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("project", &self.project)
            .field("diagnostics", &self.diagnostics)
            .field("kom_paths", &self.kom_paths)
            .finish_non_exhaustive()
    }
}

/// Loads every KOM document of a project and checks all of them.
///
/// # Errors
/// Everything that is wrong, with the warnings and notes, in file order; nothing is loaded then.
pub fn load(layout: &Layout, request: &LayoutRequest, options: &LoadOptions) -> Result<Loaded, Diagnostics> {
    load_chosen(layout, request, options, &|_| false)
}

/// The same; what is wrong with Apps that the caller leaves out, by their Resource IDs, is a note, and they are not loaded.
///
/// # Errors
/// Everything else that is wrong.
pub fn load_chosen(
    layout: &Layout,
    request: &LayoutRequest,
    options: &LoadOptions,
    leaves_out: &dyn Fn(&str) -> bool,
) -> Result<Loaded, Diagnostics> {
    let mut loader = Loader::new(layout, request, options);
    if let Some(path) = &layout.app_file {
        loader.read_file(path, true);
    }
    let defaults = loader.defaults();
    let kom_paths = loader.read_kom_paths(&defaults);
    loader.read_legacy();
    loader.finish(&defaults, kom_paths, leaves_out)
}

/// What the app file's `Defaults` say.
#[derive(Default)]
struct Defaults {
    kom_path: Vec<Located<String>>,
    app_id: Option<Located<ResourceId>>,
}

struct ParsedFile {
    path: PathBuf,
    in_app_file: bool,
    documents: Vec<Node>,
}

struct Loader<'a> {
    layout: &'a Layout,
    request: &'a LayoutRequest,
    options: &'a LoadOptions,
    cwd: PathBuf,
    reader: FileReader,
    files: Vec<ParsedFile>,
    sources: Sources,
    diagnostics: Diagnostics,
}

#[derive(Default)]
struct Objects {
    ids: HashMap<ResourceId, Location>,
    workspaces: Vec<Workspace>,
    providers: Vec<Provider>,
    clusters: Vec<Cluster>,
    apps: Vec<App>,
    boxes: Vec<KomBox>,
}

impl<'a> Loader<'a> {
    fn new(layout: &'a Layout, request: &'a LayoutRequest, options: &'a LoadOptions) -> Self {
        let cwd = real(&request.cwd);
        let mut sources = Sources::default();
        if let Some(source) = &layout.config_source {
            sources.add(source.clone(), &[]);
        }
        let reader = FileReader::new(options.limits, &cwd);
        let (files, diagnostics) = (Vec::new(), layout.diagnostics.clone());
        Self { layout, request, options, cwd, reader, files, sources, diagnostics }
    }

    fn read_file(&mut self, path: &Path, in_app_file: bool) {
        let Some(source) = self.reader.read(path, &mut self.diagnostics) else { return };
        let limits =
            yaml::Limits { bytes: self.options.yaml.bytes.min(self.options.limits.file_bytes), ..self.options.yaml };
        let documents = parse(&source, limits).unwrap_or_else(|diagnostic| {
            self.diagnostics.push(diagnostic);
            Vec::new()
        });
        self.sources.add(source, &documents);
        self.files.push(ParsedFile { path: path.to_owned(), in_app_file, documents });
    }

    /// What `Defaults` in the app file say; they decide where the rest is read from, so they are read first.
    fn defaults(&mut self) -> Defaults {
        let mut defaults = Defaults::default();
        let mut first: Option<&Location> = None;
        let mut reader = Reader::new(&self.sources, &mut self.diagnostics);
        for node in self.files.iter().filter(|file| file.in_app_file).flat_map(|file| &file.documents) {
            let text = |key| node.get(key).and_then(Node::as_text);
            if text("apiVersion") != Some(keys::API_VERSION) || text("kind") != Some("Defaults") {
                continue;
            }
            if let Some(first) = first {
                reader.duplicate("Defaults", &node.location, first);
                continue;
            }
            first = Some(&node.location);
            let Some(spec) = node.get("spec") else { continue };
            let Some(fields) = reader.object(spec, "the spec of Defaults", &keys::DEFAULTS) else { continue };
            defaults = Defaults { kom_path: reader.texts(fields, "komPath"), app_id: app_id(&mut reader, fields) };
        }
        defaults
    }

    /// Reads what the first set level names, and gives those paths.
    fn read_kom_paths(&mut self, defaults: &Defaults) -> Vec<PathBuf> {
        let (named, confined_to) = self.named_paths(defaults);
        let mut walker = Walker::new(self.options.limits, &self.cwd, confined_to);
        for path in &named {
            walker.add(path);
        }
        let (files, findings) = walker.finish();
        let config = real(&self.layout.dir.join("config.yml"));
        for (diagnostic, location) in findings {
            self.diagnostics.push(match location {
                Some(location) => self.sources.locate(diagnostic, &location),
                None => diagnostic,
            });
        }
        for path in files {
            // The app file may lie in such a folder and stays the app file; the configuration is no KOM.
            if self.layout.app_file.as_ref() != Some(&path) && path != config {
                self.read_file(&path, false);
            }
        }
        named.into_iter().map(|named| named.path).collect()
    }

    /// The paths of the first level that is set, and what they must stay inside.
    fn named_paths(&self, defaults: &Defaults) -> (Vec<Named>, Vec<PathBuf>) {
        let (layout, request) = (self.layout, self.request);
        let outside = |paths: Vec<PathBuf>, origin| {
            let named = |path: PathBuf| {
                let text = path.to_string_lossy().into_owned();
                Named { path: layout.resolve(&text, &layout.app_dir), text, location: None, origin }
            };
            (paths.into_iter().map(named).collect(), Vec::new())
        };
        let written = |paths: &[Located<String>], base: &Path, origin| {
            let named = |path: &Located<String>| Named {
                path: layout.resolve(&path.value, base),
                text: path.value.clone(),
                location: Some(path.location.clone()),
                origin,
            };
            paths.iter().map(named).collect::<Vec<_>>()
        };
        if !request.kom_paths.is_empty() {
            return outside(request.kom_paths.clone(), "--kom-path");
        }
        if let Some(list) = request.variable("KOMPOX_KOM_PATH") {
            let paths = std::env::split_paths(list).filter(|path| !path.as_os_str().is_empty());
            return outside(paths.collect(), "KOMPOX_KOM_PATH");
        }
        if !defaults.kom_path.is_empty() {
            let confined_to = vec![layout.root.clone(), real(&layout.dir)];
            return (written(&defaults.kom_path, &layout.app_dir, "komPath of Defaults"), confined_to);
        }
        if !layout.config.kom_path.is_empty() {
            return (written(&layout.config.kom_path, &layout.dir, "komPath of config.yml"), Vec::new());
        }
        let path = layout.dir.join("kom");
        let default = Named { text: path.to_string_lossy().into_owned(), path, location: None, origin: "the default" };
        (if default.path.exists() { vec![default] } else { Vec::new() }, Vec::new())
    }

    /// Reads the legacy file where it is the only input, and puts the KOM that it stands for in its place.
    fn read_legacy(&mut self) {
        let path = self.cwd.join(LEGACY_FILE_NAME);
        if self.layout.app_file.is_none() && path.is_file() {
            if self.files.is_empty() {
                self.read_file(&real(&path), true);
            } else {
                self.diagnostics.push(legacy::not_read());
            }
        }
        let [ParsedFile { in_app_file: true, documents, .. }] = self.files.as_mut_slice() else { return };
        documents.retain(|document| !document.is_null());
        if let [document] = documents.as_slice()
            && legacy::is_legacy(document)
        {
            let mut reader = Reader::new(&self.sources, &mut self.diagnostics);
            *documents = legacy::documents(&mut reader, document);
        }
    }

    fn finish(
        self,
        defaults: &Defaults,
        kom_paths: Vec<PathBuf>,
        leaves_out: &dyn Fn(&str) -> bool,
    ) -> Result<Loaded, Diagnostics> {
        let Self { layout, options, files, sources, mut diagnostics, .. } = self;
        let mut reader = Reader::new(&sources, &mut diagnostics);
        let mut objects = Objects::default();
        for file in &files {
            for (index, node) in file.documents.iter().enumerate() {
                let place = Place { file: &file.path, in_app_file: file.in_app_file, index: index + 1 };
                objects.read(&mut reader, node, place);
            }
        }
        let Objects { ids, workspaces, providers, clusters, mut apps, mut boxes } = objects;
        // The reader holds on to the findings, so they are looked at through it.
        for (id, at) in ids.iter().filter(|(id, _)| id.kind() == ResourceKind::App && leaves_out(id.as_str())) {
            if reader.forgive(document_of(&files, at), &format!("the app {id} has errors and is left out"), at) {
                apps.retain(|app| app.meta.id != *id);
                boxes.retain(|object| object.meta.id.ancestor(ResourceKind::App).as_ref() != Some(id));
            }
        }
        let mut project = Project::new(workspaces, providers, clusters, apps, boxes, None);
        check::project(&mut reader, &project, &ids);
        project.default_app = default_app(&mut reader, &project, defaults, &ids);
        if ids.is_empty() {
            let hint = nothing_loaded(layout, &diagnostics);
            diagnostics.extend(hint);
        }
        let mut diagnostics = in_file_order(diagnostics, &sources);
        if options.strict {
            diagnostics.deny_warnings();
        }
        if diagnostics.has_errors() {
            return Err(diagnostics);
        }
        Ok(Loaded { project, diagnostics, sources: sources.into_vec(), kom_paths })
    }
}

/// The lines of the document that a place is in: its file, first and last line.
fn document_of<'f>(files: &'f [ParsedFile], at: &'f Location) -> (&'f str, u32, u32) {
    let documents = files.iter().flat_map(|file| &file.documents).filter(|node| node.location.file == at.file);
    let lines: Vec<u32> = documents.map(|node| node.location.line).collect();
    let first = lines.iter().copied().filter(|line| *line <= at.line).max().unwrap_or(at.line);
    let last = lines.iter().copied().filter(|line| *line > at.line).min().map_or(u32::MAX, |next| next - 1);
    (&at.file, first, last)
}

impl Objects {
    fn read(&mut self, reader: &mut Reader<'_>, node: &Node, place: Place<'_>) {
        let object = match document::read(reader, node, place) {
            Document::None => return,
            Document::Defaults(fields) => {
                if !place.in_app_file {
                    let message = "Defaults count in the app file only; these are ignored";
                    reader.report(Diagnostic::note("kom-defaults-ignored", message), fields.location);
                }
                return;
            }
            Document::Object(object) => *object,
        };
        let loads = self.register(reader, &object) && object.valid;
        let Object { kind, meta, spec, .. } = object;
        let empty = null_at(&meta.location);
        let what = format!("the spec of {}", kind.with_article());
        let Some(spec) = reader.object(spec.unwrap_or(&empty), &what, keys::spec(kind)) else { return };
        // What does not load is read too, so that its errors are reported with the others.
        match kind {
            ResourceKind::Workspace => keep(&mut self.workspaces, loads, Some(objects::workspace(reader, meta, spec))),
            ResourceKind::Provider => keep(&mut self.providers, loads, objects::provider(reader, meta, spec)),
            ResourceKind::Cluster => keep(&mut self.clusters, loads, Some(objects::cluster(reader, meta, spec))),
            ResourceKind::App => keep(&mut self.apps, loads, app::read(reader, meta, spec)),
            ResourceKind::Box => keep(&mut self.boxes, loads, objects::boxed(reader, meta, spec)),
        }
    }

    /// Notes the ID; false where another document has it.
    fn register(&mut self, reader: &mut Reader<'_>, object: &Object<'_>) -> bool {
        let Some(id) = &object.id else { return false };
        let at = &object.meta.id_location;
        if let Some(first) = self.ids.get(id) {
            let message = format!("{id} is declared twice; first at {first}");
            reader.error("kom-duplicate-id", message, at, "take one of the documents out or give it another name");
            return false;
        }
        self.ids.insert(id.clone(), at.clone());
        true
    }
}

fn keep<T>(objects: &mut Vec<T>, loads: bool, object: Option<T>) {
    if loads {
        objects.extend(object);
    }
}

fn null_at(location: &Location) -> Node {
    let content = Content::Scalar(Scalar { text: String::new(), plain: true });
    Node { location: location.clone(), tag: None, content }
}

fn app_id(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Located<ResourceId>> {
    let text = reader.optional_text(fields, "appId")?;
    let problem = match ResourceId::parse(&text.value) {
        Ok(id) if id.kind() == ResourceKind::App => return Some(Located::new(id, text.location)),
        Ok(id) => format!("{id} is {}, not an App", id.kind().with_article()),
        Err(error) => format!("\"{}\" is no Resource ID: {error}", text.value),
    };
    let help = "write the ID of an App: /ws/<ws>/prv/<prv>/cls/<cls>/app/<app>";
    reader.error("kom-default-app", problem, &text.location, help);
    None
}

fn default_app(
    reader: &mut Reader<'_>,
    project: &Project,
    defaults: &Defaults,
    ids: &HashMap<ResourceId, Location>,
) -> Option<ResourceId> {
    if let Some(id) = &defaults.app_id {
        if !ids.contains_key(&id.value) {
            let message = format!("the default app {} is declared by no document", id.value);
            reader.error("kom-default-app", message, &id.location, "name an App of this project, or take appId out");
        }
        return Some(id.value.clone());
    }
    let mut in_app_file = project.apps.iter().filter(|app| app.meta.in_app_file);
    match (in_app_file.next(), in_app_file.next()) {
        (Some(only), None) => Some(only.meta.id.clone()),
        _ => None,
    }
}

/// Why a project has no objects, where nothing has said so yet.
fn nothing_loaded(layout: &Layout, diagnostics: &Diagnostics) -> Option<Diagnostic> {
    let message = format!("the project {} has no KOM documents", layout.root.display());
    let explained = diagnostics.iter().any(|diagnostic| diagnostic.severity > Severity::Note);
    (!explained).then(|| {
        Diagnostic::warning("kom-nothing-loaded", message)
            .help(Advice::run("write kompoxapp.yml, or have it made", Command::new(Name::Init)))
            .help("or name KOM with --kom-app and --kom-path")
    })
}

/// By file in reading order, then by place; what has no place comes first.
fn in_file_order(diagnostics: Diagnostics, sources: &Sources) -> Diagnostics {
    let mut sorted: Vec<Diagnostic> = diagnostics.into_iter().collect();
    let positions = sources.positions();
    sorted.sort_by_key(|diagnostic| {
        diagnostic.location.as_ref().map(|at| (positions.get(&at.file).copied(), at.line, at.column))
    });
    let mut diagnostics = Diagnostics::default();
    diagnostics.extend(sorted);
    diagnostics
}
