//! Reading compose files as far as `init` needs them: one merged tree, and what its variables lack. The only file of
//! `init` that knows how compose files are read.
//!
//! Reading is lenient: a variable without a value gets a placeholder. Whatever else is wrong is said by the check of the
//! written project, which reads the files again as every command does.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::compose::files::{FileError, Files, LocalFiles};
use crate::compose::gate::Gate;
use crate::compose::load::Input;
use crate::compose::load::{self, Name, dotenv};
use crate::compose::tree::Tree;
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::yaml::{self, Content, Limits, Node, Source};

/// Names of compose files in a folder, as `docker compose` looks for them, each with its override file.
const NAMES: [(&str, &[&str]); 4] = [
    ("compose.yaml", &["compose.override.yaml", "compose.override.yml"]),
    ("compose.yml", &["compose.override.yml", "compose.override.yaml"]),
    ("docker-compose.yml", &["docker-compose.override.yml", "docker-compose.override.yaml"]),
    ("docker-compose.yaml", &["docker-compose.override.yaml", "docker-compose.override.yml"]),
];

/// Names under which projects keep a template of their `.env`.
const TEMPLATES: [&str; 12] = [
    ".env.example",
    "example.env",
    "env.example",
    ".env.sample",
    "sample.env",
    "env.sample",
    ".env.template",
    "template.env",
    ".env.dist",
    ".env.default",
    "default.env",
    "stack.env",
];

/// What a variable gets that nobody has set and that may not be empty.
pub const PLACEHOLDER: &str = "change-me";

/// Compose files as `init` sees them.
pub struct Draft {
    /// The folder of the first file, absolute.
    pub root: PathBuf,
    /// The files, relative to it.
    pub files: Vec<String>,
    /// All of them merged and interpolated.
    pub tree: Tree,
    /// What is there of `.env`.
    pub env: Env,
    /// These and every file that they were read with, relative to the root.
    pub read: Vec<String>,
    /// The texts of the files.
    pub sources: Vec<Source>,
    /// Where `~` leads, if the environment says it.
    pub home: Option<String>,
    /// Profiles that `COMPOSE_PROFILES` turns on, in the environment or in `.env`; one may be the empty text.
    pub profiles: Vec<String>,
}

/// What is there of `.env`.
#[derive(Default)]
pub struct Env {
    /// Whether there is one.
    pub exists: bool,
    /// A file that looks like its template, and its text.
    pub template: Option<(String, String)>,
    /// Variables without a value and without a default, each once.
    pub unset: Vec<Unset>,
}

/// A variable without a value and without a default.
pub struct Unset {
    /// Its name.
    pub name: String,
    /// Whether the compose file refuses to go on without it (`${NAME:?}`).
    pub required: bool,
    /// What takes its place, where an empty text could not.
    pub placeholder: Option<String>,
    /// Where it is first used.
    pub location: Location,
}

/// Why compose files cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// No file of a known name is in the folder.
    #[error("{} holds no compose file", .0.display())]
    NoFile(PathBuf),
    /// A file cannot be read.
    #[error("{} cannot be read: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file is not below the folder of the first one.
    #[error("{} is not in the folder of the first compose file", .0.display())]
    Elsewhere(PathBuf),
    /// A file is no compose file.
    #[error("the compose files cannot be used")]
    Wrong(Diagnostics),
}

/// Reads compose files, or those of a folder. `paths` are absolute.
///
/// # Errors
/// As [`DraftError`] says.
pub fn read(paths: &[PathBuf], gate: &Gate) -> Result<Draft, DraftError> {
    let mut named = Vec::new();
    for path in paths {
        if path.is_dir() { named.extend(in_folder(path)?) } else { named.push(path.clone()) }
    }
    let first = named.first().and_then(|path| path.parent()).unwrap_or(Path::new("."));
    let root = first
        .canonicalize()
        .map_err(|error| DraftError::Unreadable { path: first.to_owned(), reason: error.to_string() })?;
    let mut files = Vec::new();
    let mut inputs = Vec::new();
    let mut documents = Vec::new();
    let mut sources = Vec::new();
    let mut wrong = Diagnostics::default();
    for path in &named {
        let real = path
            .canonicalize()
            .map_err(|error| DraftError::Unreadable { path: path.clone(), reason: error.to_string() })?;
        let relative = real.strip_prefix(&root).map_err(|_| DraftError::Elsewhere(path.clone()))?;
        let name = relative.to_string_lossy().replace('\\', "/");
        let source = Source::new(name.as_str(), text(path)?);
        match yaml::parse(&source, Limits::default()) {
            Ok(parsed) => documents.extend(parsed.into_iter().filter(|node| !node.is_null())),
            // The parser shows the line it fails at, which may hold a secret.
            Err(error) => wrong.push(Diagnostic { source_line: None, ..*error }),
        }
        inputs.push((Input::Text(source.clone()), name.clone()));
        sources.push(source);
        files.push(name);
    }
    if !wrong.has_errors() && !documents.iter().any(|document| document.get("services").is_some()) {
        let at = Location::new(files.first().map_or("", String::as_str), 1, 1);
        let message = "this is no compose file: it has no services";
        wrong.push(
            Diagnostic::error("compose-no-services", message).at(at, None).help("name a compose file with --from"),
        );
    }
    if wrong.has_errors() {
        return Err(DraftError::Wrong(wrong));
    }
    let (env, values) = variables(&root, &documents, gate.variables());
    let list = values.get("COMPOSE_PROFILES").map_or("", String::as_str);
    let profiles: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
    // That is how none is named.
    let profiles = if profiles.iter().all(String::is_empty) { Vec::new() } else { profiles };
    let local = Recorder { files: LocalFiles::new(&root), read: RefCell::default() };
    let request = load::Request {
        inputs,
        name: Name::Optional,
        working_dir: String::new(),
        home: None,
        environment: values,
        files: &local,
        display: &|path| path.to_owned(),
    };
    // Warnings are those of the check that follows, which knows no placeholders.
    let known = request.environment.clone();
    match load::load(request) {
        (Some(loaded), ..) => {
            let mut read: Vec<String> = files.clone();
            read.extend(local.read.into_inner());
            let home = known.get("HOME").filter(|home| home.len() > 1).cloned();
            Ok(Draft { root, files, tree: loaded.tree, env, read, sources, home, profiles })
        }
        (None, sources, findings) => {
            let texts: Vec<&Source> = sources.texts().collect();
            Err(DraftError::Wrong(gate.veil(&texts, &known).over(findings)))
        }
    }
}

/// Remembers which files were read.
struct Recorder {
    files: LocalFiles,
    read: RefCell<BTreeSet<String>>,
}

impl Files for Recorder {
    fn read(&self, relative: &str) -> Result<Vec<u8>, FileError> {
        let bytes = self.files.read(relative)?;
        self.read.borrow_mut().insert(relative.to_owned());
        Ok(bytes)
    }

    fn is_file(&self, relative: &str) -> bool {
        self.files.is_file(relative)
    }

    fn is_dir(&self, relative: &str) -> bool {
        self.files.is_dir(relative)
    }

    fn followed(&self, path: &str) -> Option<String> {
        self.files.followed(path)
    }
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, DraftError> {
    let found = NAMES.iter().find(|(name, _)| folder.join(name).is_file());
    let Some((name, overrides)) = found else { return Err(DraftError::NoFile(folder.to_owned())) };
    let over = overrides.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    Ok(std::iter::once(folder.join(name)).chain(over).collect())
}

/// The text of a regular file, no longer than any manifest may be.
///
/// # Errors
/// [`DraftError::Unreadable`].
pub fn text(path: &Path) -> Result<String, DraftError> {
    let failed = |reason: String| DraftError::Unreadable { path: path.to_owned(), reason };
    let metadata = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    let limit = Limits::default().bytes;
    if !metadata.is_file() {
        return Err(failed("it is no regular file".to_owned()));
    }
    if metadata.len() > limit as u64 {
        return Err(failed(format!("it is longer than {limit} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8".to_owned()))
}

/// What is there of `.env`, and values for everything that is looked up.
fn variables(
    root: &Path,
    documents: &[Node],
    environment: &BTreeMap<String, String>,
) -> (Env, BTreeMap<String, String>) {
    let mut found = Env { exists: root.join(".env").exists(), ..Env::default() };
    let mut values = environment.clone();
    if found.exists {
        // One that cannot be read is an error of the check that follows.
        if let Some(known) = text(&root.join(".env")).ok().and_then(|text| completed(environment, &text)) {
            values = known;
        }
    } else {
        let template = TEMPLATES.iter().find_map(|name| {
            let text = text(&root.join(name)).ok()?;
            Some(((*name).to_owned(), completed(environment, &text)?, text))
        });
        if let Some((name, known, text)) = template {
            values = known;
            found.template = Some((name, text));
        }
    }
    let mut used = Vec::new();
    for document in documents {
        walk(document, &mut Vec::new(), &mut used);
    }
    for (reference, place, location) in used {
        if values.get(&reference.name).is_some_and(|value| !value.is_empty() || reference.need == Need::MayBeEmpty) {
            continue;
        }
        let required = matches!(reference.need, Need::Required);
        let placeholder = place.placeholder(&reference.name).or(required.then(|| PLACEHOLDER.to_owned()));
        match found.unset.iter_mut().find(|unset| unset.name == reference.name) {
            Some(unset) => {
                unset.required |= required;
                unset.placeholder = unset.placeholder.take().or(placeholder);
            }
            None => found.unset.push(Unset { name: reference.name, required, placeholder, location }),
        }
    }
    for unset in &found.unset {
        if let Some(placeholder) = &unset.placeholder {
            values.insert(unset.name.clone(), placeholder.clone());
        }
    }
    (found, values)
}

/// The process's variables, completed by those of a file; none where it cannot be read.
fn completed(environment: &BTreeMap<String, String>, text: &str) -> Option<BTreeMap<String, String>> {
    let mut known = BTreeMap::new();
    dotenv::complete(environment, &mut known, text.as_bytes()).ok()?;
    known.extend(environment.iter().map(|(key, value)| (key.clone(), value.clone())));
    Some(known)
}

/// Where in a compose file a variable stands, as far as that says what it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Mount,
    Port,
    Image,
    Other,
}

impl Place {
    fn of(path: &[&str]) -> Self {
        match path {
            ["services", _, "volumes", ..] => Self::Mount,
            ["services", _, "ports" | "expose", ..] => Self::Port,
            ["services", _, "image"] => Self::Image,
            _ => Self::Other,
        }
    }

    fn placeholder(self, name: &str) -> Option<String> {
        match self {
            Self::Mount => Some(format!("./{}", name.to_ascii_lowercase().replace('_', "-"))),
            Self::Port => Some("8080".to_owned()),
            Self::Image => Some("latest".to_owned()),
            Self::Other => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// `${NAME:?}`
    Required,
    /// `${NAME?}`, `$NAME`, `${NAME}`: it may be set and empty.
    MayBeEmpty,
}

#[derive(Debug, PartialEq, Eq)]
struct Reference {
    name: String,
    need: Need,
}

fn walk<'n>(node: &'n Node, path: &mut Vec<&'n str>, used: &mut Vec<(Reference, Place, Location)>) {
    match &node.content {
        Content::Mapping(entries) => {
            for entry in entries {
                path.push(&entry.key);
                walk(&entry.value, path, used);
                path.pop();
            }
        }
        Content::Sequence(items) => items.iter().for_each(|item| walk(item, path, used)),
        Content::Scalar(scalar) => {
            let place = Place::of(path);
            used.extend(references(&scalar.text).into_iter().map(|one| (one, place, node.location.clone())));
        }
    }
}

/// The variables of a text that have no default. Those inside of a default count, too.
fn references(text: &str) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
            continue;
        }
        let braced = rest.starts_with('{');
        let start = usize::from(braced);
        let name: String = rest[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        rest = &rest[start + name.len()..];
        let need = match (braced, rest.as_bytes()) {
            (true, [b':', b'?', ..] | [b'?', ..]) => Some(Need::Required),
            (true, [b':', b'-' | b'+', ..] | [b'-' | b'+', ..]) => None,
            _ => Some(Need::MayBeEmpty),
        };
        found.extend(need.map(|need| Reference { name, need }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_variables_without_a_default() {
        let names = |text: &str| {
            let found = references(text).into_iter();
            found.map(|one| (one.name, one.need == Need::Required)).collect::<Vec<_>>()
        };
        assert_eq!(names("$A ${B} $$C ${D:-x} ${E-x} ${F:+x}"), [("A".into(), false), ("B".into(), false)]);
        assert_eq!(names("${A:?no} ${B?no}"), [("A".into(), true), ("B".into(), true)]);
        assert_eq!(names("${A:-${B}}/${C:-$D}"), [("B".into(), false), ("D".into(), false)]);
        assert_eq!(names("$1 $ ${} ${-x}"), []);
    }

    #[test]
    fn placeholders_fit_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compose.yml");
        let compose = "services:\n  a:\n    image: a:${TAG}\n    ports: ['${PORT}:80']\n    volumes: ['${DATA_DIR}:/d']\n    \
                       environment: {P: '${PASSWORD:?set it}', Q: '${MAYBE}', R: '${GIVEN}'}\n";
        std::fs::write(&path, compose).unwrap();
        let environment = BTreeMap::from([("GIVEN".to_owned(), String::new())]);
        let draft = read(&[path], &Gate::new(environment, None)).unwrap();
        let unset: Vec<(&str, bool, Option<&str>)> = draft
            .env
            .unset
            .iter()
            .map(|unset| (unset.name.as_str(), unset.required, unset.placeholder.as_deref()))
            .collect();
        assert_eq!(
            unset,
            [
                ("TAG", false, Some("latest")),
                ("PORT", false, Some("8080")),
                ("DATA_DIR", false, Some("./data-dir")),
                ("PASSWORD", true, Some("change-me")),
                ("MAYBE", false, None)
            ]
        );
        assert_eq!(draft.env.unset[3].location, Location::new("compose.yml", 6, 22));
    }

    #[test]
    fn a_folder_is_read_as_docker_does() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| std::fs::write(folder.path().join(name), "services: {a: {image: b}}\n").unwrap();
        let files = || read(&[folder.path().to_owned()], &Gate::default()).map(|draft| draft.files);
        assert!(matches!(files(), Err(DraftError::NoFile(_))));
        write("docker-compose.yml");
        write("docker-compose.override.yml");
        assert_eq!(files().unwrap(), ["docker-compose.yml", "docker-compose.override.yml"]);
        write("compose.yml");
        assert_eq!(files().unwrap(), ["compose.yml"]);
        std::fs::write(folder.path().join("compose.yml"), "a: [\n").unwrap();
        assert!(matches!(files(), Err(DraftError::Wrong(_))));
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}") {
            let _ = references(&text);
        }
    }
}
