//! Reading a project: texts in, typed model and diagnostics out. Everything wrong is collected, nothing is dropped in
//! silence, and no message shows a value that may be a secret.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::compose::declared;
use crate::compose::files::{FileError, Files};
use crate::compose::gate::{Gate, Veil};
use crate::compose::load::pairs::Pair;
use crate::compose::load::parse::boolean;
use crate::compose::load::project::{Project, Strictness};
use crate::compose::load::scalar::Value;
use crate::compose::load::{self, MAX_ITEMS, MAX_SERVICES, dotenv};
use crate::compose::model::{Bytes, ComposeProject, FileObject, FileSource, Service, Sources, Text, is_secret_name};
use crate::compose::mounts::{self, Hiding};
use crate::compose::service;
use crate::compose::syntax;
use crate::compose::tree::{Tree, TreeEntry};
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::text::secret::holds_secret;
use crate::text::suggest::closest;
use crate::yaml::{Node, Source};

/// Bytes that a ConfigMap or a Secret of one file may hold.
const MAX_FILE: usize = 1024 * 1024;

/// One compose file, in the order of merging.
#[derive(Debug, Clone)]
pub enum Input {
    /// Its text.
    Text(Source),
    /// A mapping that stands inside another document, and that document's text for messages.
    Tree(Node, Source),
}

impl Input {
    /// Its text, or that of the document it stands in.
    pub fn source(&self) -> &Source {
        match self {
            Self::Text(source) | Self::Tree(_, source) => source,
        }
    }
}

/// What a project is read from.
pub struct ReadRequest<'a> {
    /// The compose files; later ones win.
    pub inputs: Vec<Input>,
    /// Profiles that are on; `*` turns all on.
    pub profiles: &'a [String],
    /// The process environment as far as it may be read; it wins over the project's `.env`.
    pub gate: &'a Gate,
    /// The files next to the compose file.
    pub files: &'a dyn Files,
}

/// Loads and types a project. There is a project exactly when there is no error. What was found shows no value that must
/// not be seen.
pub fn read(request: ReadRequest<'_>) -> (Option<ComposeProject>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let environment = project_environment(&request, &mut diagnostics);
    let ReadRequest { inputs, profiles, files, gate } = request;
    let (project, sources, found) = read_with(inputs, profiles, files, gate, &environment, diagnostics);
    let env_file = files.read(".env").ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let env_file = env_file.map(|text| Source::new(".env", text));
    let texts: Vec<&Source> = sources.texts().chain(&env_file).collect();
    let veil = gate.veil(&texts, &environment);
    let mut findings = gate.withheld(&texts, &environment);
    findings.extend(found);
    let findings = veil.over(findings);
    (project.map(|project| ComposeProject { veil, ..project }), findings)
}

fn read_with(
    inputs: Vec<Input>,
    profiles: &[String],
    files: &dyn Files,
    gate: &Gate,
    environment: &BTreeMap<String, String>,
    mut diagnostics: Diagnostics,
) -> (Option<ComposeProject>, Sources, Diagnostics) {
    // Where none is named, compose-go splits an empty COMPOSE_PROFILES, which gives the profile "" (cli/options.go,
    // `WithDefaultProfiles`): services with that one are on.
    let unnamed = [String::new()];
    let profiles = if profiles.is_empty() { &unnamed } else { profiles };
    // Files that the first one refers to stand beside it, in messages too.
    let first = inputs.first().map(|input| input.source().file.clone()).unwrap_or_else(|| "compose.yml".into());
    let prefix = first.rfind('/').map_or("", |at| &first[..=at]);
    let display = |path: &str| format!("{prefix}{path}");
    let path_of = |name: &str| name.strip_prefix(prefix).unwrap_or(name).to_owned();
    let inputs = inputs.into_iter().map(|input| {
        let path = path_of(&input.source().file);
        (input, path)
    });
    let request = load::Request {
        inputs: inputs.collect(),
        name: load::Name::Optional,
        working_dir: String::new(),
        home: None,
        environment: environment.clone(),
        files,
        display: &display,
    };
    let (loaded, sources, findings) = load::load(request);
    diagnostics.extend(findings);
    let Some(loaded) = loaded.filter(|_| !diagnostics.has_errors()) else { return (None, sources, diagnostics) };
    let mut reader = Reader {
        sources: sources.clone(),
        diagnostics,
        environment,
        gate,
        files,
        may_hide: Vec::new(),
        rewritten: &loaded.rewritten,
    };
    let parts = parts(&mut reader, &loaded.tree, profiles);
    let Reader { mut diagnostics, .. } = reader;
    // What does not fit together is told once, in the words of the reader where it has some.
    let known: BTreeSet<(Option<Location>, &'static str)> =
        diagnostics.iter().map(|found| (found.location.clone(), found.code)).collect();
    let (canonical, findings) = Project::complete(loaded, profiles, Strictness::App);
    diagnostics.extend(findings.into_iter().filter(|found| !known.contains(&(found.location.clone(), found.code))));
    let Some(canonical) = canonical.filter(|_| !diagnostics.has_errors()) else { return (None, sources, diagnostics) };
    let Parts { services, configs, secrets } = parts;
    let (canonical, veil) = (Arc::new(canonical), Veil::default());
    let project = ComposeProject { services, configs, secrets, sources: sources.clone(), canonical, veil };
    (Some(project), sources, diagnostics)
}

fn project_environment(request: &ReadRequest<'_>, diagnostics: &mut Diagnostics) -> BTreeMap<String, String> {
    let process = request.gate.variables();
    let mut environment = process.clone();
    let mut values = BTreeMap::new();
    let result = match request.files.read(".env") {
        Err(FileError::NotFound | FileError::Refused { .. }) => return environment,
        Ok(bytes) => dotenv::complete(process, &mut values, &bytes).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(message) = result {
        diagnostics.push(Diagnostic::error("compose-env-file", format!(".env cannot be read: {message}")));
    }
    for (key, value) in values {
        environment.entry(key).or_insert(value);
    }
    environment
}

/// What reading needs everywhere: where messages go and where values come from.
pub(super) struct Reader<'a> {
    pub(super) sources: Sources,
    pub(super) diagnostics: Diagnostics,
    pub(super) environment: &'a BTreeMap<String, String>,
    pub(super) gate: &'a Gate,
    pub(super) files: &'a dyn Files,
    /// Mounts of named volumes that may hide files of their image.
    pub(super) may_hide: Vec<Hiding>,
    /// What is written where a number, a boolean or a date reads as another text, by the place of its key.
    pub(super) rewritten: &'a HashMap<Location, String>,
}

impl Reader<'_> {
    pub(super) fn push(&mut self, diagnostic: Diagnostic, location: &Location) {
        self.diagnostics.push(self.sources.locate(diagnostic, location));
    }

    pub(super) fn error(&mut self, code: &'static str, message: impl Into<String>, location: &Location) {
        self.push(Diagnostic::error(code, message), location);
    }

    pub(super) fn warning(&mut self, code: &'static str, message: impl Into<String>, location: &Location) {
        self.push(Diagnostic::warning(code, message), location);
    }

    pub(super) fn note(&mut self, code: &'static str, message: impl Into<String>, location: &Location) {
        self.push(Diagnostic::note(code, message), location);
    }

    pub(super) fn wrong_type(&mut self, what: &str, expected: &str, tree: &Tree) {
        let message = format!("{what} must be {expected}, not {}", tree.describe());
        self.error("compose-type", message, &tree.location);
    }

    /// The text of a scalar as the reference prints it; null is none, anything else an error.
    pub(super) fn text(&mut self, what: &str, tree: &Tree) -> Option<String> {
        let text = tree.printed();
        if text.is_none() && !tree.is_null() {
            self.wrong_type(what, "a string", tree);
        }
        text
    }

    /// The text that a container gets of a value under `what`, which a variable or a name may make a secret. Where that
    /// is not what is written, a warning says so.
    pub(super) fn value(&mut self, what: &str, pair: Pair<'_>) -> Option<Text> {
        let value = pair.value?;
        let sensitive = pair.interpolated || is_secret_name(&pair.key) || holds_secret(&value);
        if let Some(written) = self.rewritten.get(pair.location) {
            let message = match sensitive {
                true => format!("{what}: {} is not in quotes, and becomes another text", pair.key),
                false => format!("{what}: {}: {written} is not in quotes, and becomes \"{value}\"", pair.key),
            };
            let help = "write it in quotes to have it as it stands";
            let finding = Diagnostic::warning("compose-plain-value", message).help(help);
            self.push(finding, pair.location);
        }
        Some(Text { value, sensitive })
    }

    /// A boolean, also one that is quoted or came by interpolation.
    pub(super) fn boolean(&mut self, what: &str, tree: &Tree) -> Option<bool> {
        let found = match tree.value() {
            Some(Value::Bool(value)) => Some(value),
            Some(Value::Str(text)) => boolean(text),
            _ => None,
        };
        if found.is_none() && !tree.is_null() {
            self.wrong_type(what, "true or false", tree);
        }
        found
    }

    /// An integer, also one that is quoted or came by interpolation.
    pub(super) fn integer(&mut self, what: &str, tree: &Tree) -> Option<i64> {
        let found = match tree.value() {
            Some(Value::Int(number)) => i64::try_from(number).ok(),
            Some(Value::Float(number)) if number.fract() == 0.0 => Some(number as i64),
            Some(Value::Str(text)) => text.parse().ok(),
            _ => None,
        };
        if found.is_none() && !tree.is_null() {
            self.wrong_type(what, "an integer", tree);
        }
        found
    }

    /// Bytes of a size such as `512m`; null is none, anything else an error.
    pub(super) fn size(&mut self, what: &str, tree: &Tree) -> Option<u64> {
        let text = self.text(what, tree)?;
        let bytes = syntax::bytes(&text).and_then(|bytes| u64::try_from(bytes).ok());
        if bytes.is_none() {
            self.error("compose-type", format!("{what}: \"{text}\" is no size such as 512m"), &tree.location);
        }
        bytes
    }

    /// A list of texts; one text is a list of one.
    pub(super) fn texts(&mut self, what: &str, tree: &Tree) -> Vec<(String, Location)> {
        if tree.is_null() {
            return Vec::new();
        }
        if let Some(text) = tree.printed() {
            return vec![(text, tree.location.clone())];
        }
        match tree.as_sequence() {
            Some(_) => {
                let items = self.list(what, tree);
                items.iter().filter_map(|item| Some((self.text(what, item)?, item.location.clone()))).collect()
            }
            None => {
                self.wrong_type(what, "a list", tree);
                Vec::new()
            }
        }
    }

    /// The items of a list; null is empty, anything else an error.
    pub(super) fn list<'t>(&mut self, what: &str, tree: &'t Tree) -> &'t [Tree] {
        match tree.as_sequence() {
            Some(items) if items.len() > MAX_ITEMS => {
                let message = format!("{what} has {} items; at most {MAX_ITEMS} are read", items.len());
                self.error("compose-limit", message, &tree.location);
                &[]
            }
            Some(items) => items,
            None => {
                if !tree.is_null() {
                    self.wrong_type(what, "a list", tree);
                }
                &[]
            }
        }
    }

    /// Names with values of a mapping or a list; null is none, anything else an error.
    pub(super) fn pairs<'t>(&mut self, what: &str, tree: &'t Tree) -> Vec<Pair<'t>> {
        let found = load::pairs::pairs(tree);
        if found.is_none() && !tree.is_null() {
            self.wrong_type(what, "a list or a mapping", tree);
        }
        found.unwrap_or_default()
    }

    /// The entries of a mapping but for `x-*`; null is empty, anything else an error.
    pub(super) fn entries<'t>(&mut self, what: &str, tree: &'t Tree) -> Vec<&'t TreeEntry> {
        if tree.is_null() {
            return Vec::new();
        }
        match tree.as_mapping() {
            Some(entries) => entries.iter().filter(|entry| !entry.key.starts_with("x-")).collect(),
            None => {
                self.wrong_type(what, "a mapping", tree);
                Vec::new()
            }
        }
    }

    pub(super) fn unknown_key(&mut self, what: &str, entry: &TreeEntry, known: &[&str]) {
        let mut finding = Diagnostic::error("compose-unknown-key", format!("{what} has no key \"{}\"", entry.key));
        if let Some(near) = closest(&entry.key, known.iter().copied()) {
            finding = finding.help(format!("did you mean \"{near}\"?"));
        }
        self.push(finding, &entry.key_location);
    }
}

const TOP_LEVEL: [&str; 8] = ["configs", "jobs", "models", "name", "networks", "secrets", "services", "volumes"];

/// What the readers make of a project.
#[derive(Default)]
struct Parts {
    services: Vec<Service>,
    configs: BTreeMap<String, FileObject>,
    secrets: BTreeMap<String, FileObject>,
}

fn parts(reader: &mut Reader<'_>, root: &Tree, profiles: &[String]) -> Parts {
    let mut project = Parts::default();
    for entry in reader.entries("the compose file", root) {
        match entry.key.as_str() {
            "services" => {
                project.services = services(reader, &entry.value, profiles);
                mounts::warn_of_hiding(reader, &project.services);
            }
            "configs" | "name" | "secrets" => {}
            key @ ("jobs" | "models" | "networks" | "volumes") => declared::unused(reader, key, &entry.value),
            _ => reader.unknown_key("the compose file", entry, &TOP_LEVEL),
        }
    }
    if root.get("services").is_none() {
        reader.error("compose-no-services", "the compose file has no services", &root.location);
    }
    let used = |pick: fn(&Service) -> &Vec<crate::compose::model::FileUse>, services: &[Service]| -> BTreeSet<String> {
        services.iter().flat_map(|service| pick(service).iter().map(|file| file.source.clone())).collect()
    };
    let used_configs = used(|service| &service.configs, &project.services);
    let used_secrets = used(|service| &service.secrets, &project.services);
    project.configs = file_objects(reader, root.get("configs"), "config", &used_configs);
    project.secrets = file_objects(reader, root.get("secrets"), "secret", &used_secrets);
    check_references(reader, root, &project);
    project
}

fn services(reader: &mut Reader<'_>, tree: &Tree, profiles: &[String]) -> Vec<Service> {
    let mut services = Vec::new();
    let entries = reader.entries("services", tree);
    if entries.len() > MAX_SERVICES {
        let message = format!("there are {} services; at most {MAX_SERVICES} are read", entries.len());
        reader.error("compose-limit", message, &tree.location);
        return services;
    }
    for entry in entries {
        if entry.value.as_mapping().is_none() {
            reader.wrong_type(&format!("service {}", entry.key), "a mapping", &entry.value);
            continue;
        }
        let wanted = match entry.value.get("profiles") {
            Some(tree) => reader.texts("profiles", tree),
            None => Vec::new(),
        };
        let on = wanted.is_empty() || wanted.iter().any(|(name, _)| profiles.iter().any(|p| p == name || p == "*"));
        if on {
            services.push(service::read(reader, entry));
        }
    }
    if services.is_empty() && !reader.diagnostics.has_errors() {
        reader.error("compose-no-services", "no service is left on; name a profile", &tree.location);
    }
    services
}

/// Names that services refer to must exist: other services, configs, secrets.
fn check_references(reader: &mut Reader<'_>, root: &Tree, project: &Parts) {
    let names: BTreeSet<&str> = project.services.iter().map(|service| service.name.as_str()).collect();
    let declared = root.get("services");
    for service in &project.services {
        for dependency in &service.depends_on {
            if names.contains(dependency.service.as_str()) || !dependency.required {
                continue;
            }
            let off = declared.and_then(|tree| tree.get(&dependency.service)).is_some();
            let message = if off {
                format!("{} depends on {}, whose profile is not on", service.name, dependency.service)
            } else {
                format!("{} depends on {}, which is no service", service.name, dependency.service)
            };
            reader.error("compose-dependency", message, &dependency.location);
        }
        for (uses, known, kind) in
            [(&service.configs, &project.configs, "config"), (&service.secrets, &project.secrets, "secret")]
        {
            for file in uses.iter().filter(|file| !known.contains_key(&file.source)) {
                let mut finding = Diagnostic::error(
                    "compose-undefined",
                    format!("{} uses the {kind} {}, which the file does not define", service.name, file.source),
                );
                if let Some(near) = closest(&file.source, known.keys().map(String::as_str)) {
                    finding = finding.help(format!("did you mean \"{near}\"?"));
                }
                reader.push(finding, &file.location);
            }
        }
    }
}

const FILE_KEYS: [&str; 9] =
    ["content", "driver", "driver_opts", "environment", "external", "file", "labels", "name", "template_driver"];

/// Top-level configs or secrets; only those that a service uses are read.
fn file_objects(
    reader: &mut Reader<'_>,
    tree: Option<&Tree>,
    kind: &str,
    used: &BTreeSet<String>,
) -> BTreeMap<String, FileObject> {
    let mut objects = BTreeMap::new();
    let Some(tree) = tree else { return objects };
    for entry in reader.entries(&format!("{kind}s"), tree) {
        if !used.contains(&entry.key) {
            let message = format!("{kind} {} is used by no service", entry.key);
            reader.note("compose-unused", message, &entry.key_location);
            continue;
        }
        let what = format!("{kind} {}", entry.key);
        let mut choice: Vec<(&str, &Tree)> = Vec::new();
        let mut external = false;
        let mut name = None;
        for field in reader.entries(&what, &entry.value) {
            match field.key.as_str() {
                key @ ("file" | "environment") => choice.push((key, &field.value)),
                "content" => choice.push(("content", &field.value)),
                "external" => external = reader.boolean("external", &field.value).unwrap_or(false),
                "name" => name = reader.text("name", &field.value),
                "labels" | "driver" | "driver_opts" | "template_driver" => {
                    let message = format!("{what}: {} has no meaning here", field.key);
                    reader.note("compose-key-noted", message, &field.key_location);
                }
                _ => reader.unknown_key(&what, field, &FILE_KEYS),
            }
        }
        let source = match (external, choice.as_slice()) {
            (true, []) => FileSource::External(name.unwrap_or_else(|| entry.key.clone())),
            (false, [(from, value)]) => file_source(reader, kind, &entry.key, from, value),
            _ => {
                let message = format!("{what} must have exactly one of file, content, environment, external");
                reader.error("compose-file-source", message, &entry.key_location);
                FileSource::Unreadable
            }
        };
        objects.insert(entry.key.clone(), FileObject { source, location: entry.key_location.clone() });
    }
    objects
}

fn file_source(reader: &mut Reader<'_>, kind: &str, name: &str, from: &str, value: &Tree) -> FileSource {
    let Some(text) = reader.text(from, value) else { return FileSource::Unreadable };
    let what = format!("{kind} {name}");
    let named_secret = kind == "secret" || is_secret_name(name);
    let (key, bytes, sensitive) = match from {
        "file" => match reader.files.read(&text) {
            Ok(bytes) => (text.rsplit('/').next().map(str::to_owned), bytes, named_secret),
            Err(error) => {
                local_file_error(reader, &what, &text, &error, &value.location);
                return FileSource::Unreadable;
            }
        },
        "environment" => match reader.environment.get(&text) {
            Some(content) => (None, content.clone().into_bytes(), true),
            None => {
                let withheld = reader.gate.withholds(&text);
                let fault = if withheld { "is set, but compose files may not read it" } else { "is not set" };
                let message = format!("{what}: the environment variable {text} {fault}");
                let mut finding = Diagnostic::error("compose-file-source", message);
                if withheld {
                    finding = finding.help(Gate::help(&text));
                }
                reader.push(finding, &value.location);
                return FileSource::Unreadable;
            }
        },
        _ => (None, text.into_bytes(), named_secret || value.interpolated),
    };
    let mut fault = None;
    if bytes.len() > MAX_FILE {
        fault = Some(format!("has {} bytes; at most {MAX_FILE} fit", bytes.len()));
    } else if kind == "config" {
        fault = match std::str::from_utf8(&bytes) {
            Err(_) => Some("is not UTF-8 text; use a secret for other bytes".to_owned()),
            Ok(text) if text.starts_with('\u{feff}') => Some("starts with a byte order mark; remove it".to_owned()),
            Ok(text) if text.contains('\0') => Some("holds a NUL; use a secret for such bytes".to_owned()),
            Ok(_) => None,
        };
    }
    if let Some(fault) = fault {
        reader.error("compose-file-content", format!("{what} {fault}"), &value.location);
        return FileSource::Unreadable;
    }
    FileSource::Content { key, bytes: Bytes { value: bytes, sensitive } }
}

/// The message for a local file that was not read.
pub(super) fn local_file_error(
    reader: &mut Reader<'_>,
    what: &str,
    path: &str,
    error: &FileError,
    location: &Location,
) {
    let finding = Diagnostic::error("compose-local-file", format!("{what}: {path} cannot be used: {error}"));
    let finding = match error {
        FileError::NotFound => finding.help("paths count from the folder of the compose file's app"),
        FileError::Absolute | FileError::Parent | FileError::Escape => {
            finding.help("move the file next to the compose file and name it by a relative path")
        }
        FileError::Refused { .. } => finding.help("write the app in the app file itself"),
        FileError::NotRegular | FileError::TooLarge { .. } | FileError::Io(_) => finding,
    };
    reader.push(finding, location);
}
