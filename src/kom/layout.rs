//! Where a project is: its root, `.kompox/` with `config.yml`, and the app file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::files::{FileLimits, FileReader, display_path};
use super::keys;
use super::model::Located;
use super::reader::{Reader, Sources, parse};
use crate::advice::{Advice, Command, Name};
use crate::diag::{Diagnostic, Diagnostics};
use crate::yaml::{self, Source};

/// The folder that marks a project's root.
pub const DIR_NAME: &str = ".kompox";
/// The app file's name where none is given.
pub const APP_FILE_NAME: &str = "kompoxapp.yml";
/// The legacy single file's name.
pub const LEGACY_FILE_NAME: &str = "kompoxops.yml";

/// What the command line and the environment say about the layout. Debug leaves the environment out.
#[derive(Clone, Default)]
pub struct LayoutRequest {
    /// The working directory, absolute, after `-C`.
    pub cwd: PathBuf,
    /// `--kompox-root`
    pub kompox_root: Option<PathBuf>,
    /// `--kompox-dir`
    pub kompox_dir: Option<PathBuf>,
    /// `--kom-path`, in order
    pub kom_paths: Vec<PathBuf>,
    /// `--kom-app`
    pub kom_app: Option<PathBuf>,
    /// The environment; `KOMPOX_ROOT`, `KOMPOX_DIR`, `KOMPOX_KOM_APP` and `KOMPOX_KOM_PATH` are read, empty is unset.
    pub env: BTreeMap<String, String>,
}

impl LayoutRequest {
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for LayoutRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayoutRequest")
            .field("cwd", &self.cwd)
            .field("kompox_root", &self.kompox_root)
            .field("kompox_dir", &self.kompox_dir)
            .field("kom_paths", &self.kom_paths)
            .field("kom_app", &self.kom_app)
            .finish_non_exhaustive()
    }
}

/// A project's places. Which paths hold KOM is known only after the app file was read: see
/// [`Loaded::kom_paths`](super::load::Loaded::kom_paths).
#[derive(Clone)]
pub struct Layout {
    /// `$KOMPOX_ROOT`, absolute and real.
    pub root: PathBuf,
    /// `$KOMPOX_DIR`, absolute; it need not exist where it is the default.
    pub dir: PathBuf,
    /// The app file's real path, if there is one.
    pub app_file: Option<PathBuf>,
    /// The folder of the app file, or where it would be: relative KOM paths start here.
    pub app_dir: PathBuf,
    /// `config.yml`, or its defaults.
    pub config: Config,
    /// The text of `config.yml`, if there is one.
    pub config_source: Option<Source>,
    /// Warnings and notes about the layout.
    pub diagnostics: Diagnostics,
}

impl Layout {
    /// The file that stands for the project, as it is named from this folder: the app file, else the configuration.
    pub fn shown_from(&self, cwd: &Path) -> String {
        let file = self.app_file.clone().unwrap_or_else(|| self.dir.join("config.yml"));
        display_path(&file, &real(cwd))
    }

    /// Replaces `$KOMPOX_ROOT` and `$KOMPOX_DIR`, also in braces, and makes the path absolute from `base`.
    pub fn resolve(&self, text: &str, base: &Path) -> PathBuf {
        base.join(expand(text, &self.root, Some(&self.dir)))
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layout")
            .field("root", &self.root)
            .field("dir", &self.dir)
            .field("app_file", &self.app_file)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// `.kompox/config.yml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `version`; 1.
    pub version: u32,
    /// `store.type`; `local`.
    pub store: String,
    /// `komPath`, as written, relative to [`Layout::dir`].
    pub kom_path: Vec<Located<String>>,
    /// `state` (ext).
    pub state: StateConfig,
    /// `state.sandbox` (ext): where rehearsals keep theirs; none means `state/sandbox.db`.
    pub sandbox_state: Option<StateConfig>,
}

impl Default for Config {
    fn default() -> Self {
        let (kom_path, state) = (Vec::new(), StateConfig::Sqlite { path: None });
        Self { version: 1, store: "local".into(), kom_path, state, sandbox_state: None }
    }
}

/// Where the state is kept (ext): `state: {type: sqlite, path: …}`. No key names a server or a credential: both come from
/// the environment of whoever runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateConfig {
    /// A SQLite file.
    Sqlite {
        /// The file, resolved from [`Layout::dir`]; none means `state/kompox.db` there.
        path: Option<PathBuf>,
    },
    /// Objects in a folder, resolved from [`Layout::dir`].
    Folder(PathBuf),
    /// Objects in a bucket with this URL.
    Bucket(String),
    /// Tables of this schema, in the PostgreSQL database that the environment names.
    Postgres(String),
}

/// The schema of a state in PostgreSQL that has no other.
const SCHEMA: &str = "kompox";

/// Whether a text can be the name of a schema. It stands in statements, so nothing passes that could end a name there.
pub fn is_schema(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (1..=63).contains(&text.len()) && text.chars().all(plain) && !text.starts_with("pg_")
}

/// Finds a project's root, configuration and app file.
///
/// # Errors
/// No root, a named path that is missing, or a wrong configuration: all of them.
pub fn discover(request: &LayoutRequest) -> Result<Layout, Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let cwd = real(&request.cwd);
    let Some(root) = find_root(request, &cwd, &mut diagnostics) else {
        return Err(diagnostics);
    };
    let named_dir = match (&request.kompox_dir, request.variable("KOMPOX_DIR")) {
        (Some(path), _) => Some((path.to_string_lossy().into_owned(), "--kompox-dir")),
        (None, Some(text)) => Some((text.to_owned(), "KOMPOX_DIR")),
        (None, None) => None,
    };
    let dir = match named_dir {
        None => root.join(DIR_NAME),
        Some((text, origin)) => {
            let dir = cwd.join(expand(&text, &root, None));
            if !dir.is_dir() {
                diagnostics.push(
                    Diagnostic::error("layout-dir-missing", format!("{origin} names \"{text}\", which is no folder"))
                        .help(format!("make it with `mkdir -p {}`, or leave {origin} out", display_path(&dir, &cwd))),
                );
            }
            real(&dir)
        }
    };
    let mut layout = Layout {
        app_file: None,
        app_dir: cwd.clone(),
        config: Config::default(),
        config_source: None,
        diagnostics: Diagnostics::default(),
        root,
        dir,
    };
    find_app_file(request, &cwd, &mut layout, &mut diagnostics);
    read_config(&cwd, &mut layout, &mut diagnostics);
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    layout.diagnostics = diagnostics;
    Ok(layout)
}

/// The path without links and `..` where it exists, else as it is.
pub(super) fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn find_root(request: &LayoutRequest, cwd: &Path, diagnostics: &mut Diagnostics) -> Option<PathBuf> {
    let named = match (&request.kompox_root, request.variable("KOMPOX_ROOT")) {
        (Some(path), _) => Some((path.clone(), "--kompox-root")),
        (None, Some(text)) => Some((PathBuf::from(text), "KOMPOX_ROOT")),
        (None, None) => None,
    };
    if let Some((path, origin)) = named {
        let root = cwd.join(&path);
        if root.is_dir() {
            return Some(real(&root));
        }
        diagnostics.push(
            Diagnostic::error(
                "layout-root-missing",
                format!("{origin} names \"{}\", which is no folder", path.display()),
            )
            .help(format!("name the folder that holds {DIR_NAME}, or leave {origin} out to look for it upwards")),
        );
        return None;
    }
    if let Some(root) = cwd.ancestors().find(|folder| folder.join(DIR_NAME).is_dir()) {
        return Some(root.to_owned());
    }
    if cwd.join(LEGACY_FILE_NAME).is_file() {
        // The single file of old needs no folder beside it; the state makes one.
        return Some(cwd.to_owned());
    }
    let message = format!("neither {} nor any folder above it has a {DIR_NAME} folder", cwd.display());
    diagnostics.push(
        Diagnostic::error("layout-root-missing", message)
            .help(Advice::run("begin a project here", Command::new(Name::Init)))
            .help("or name its root with -C or --kompox-root"),
    );
    None
}

fn find_app_file(request: &LayoutRequest, cwd: &Path, layout: &mut Layout, diagnostics: &mut Diagnostics) {
    let named = match (&request.kom_app, request.variable("KOMPOX_KOM_APP")) {
        (Some(path), _) => Some((path.to_string_lossy().into_owned(), "--kom-app")),
        (None, Some(text)) => Some((text.to_owned(), "KOMPOX_KOM_APP")),
        (None, None) => None,
    };
    let path = match &named {
        Some((text, _)) => layout.resolve(text, cwd),
        None => cwd.join(APP_FILE_NAME),
    };
    if path.is_file() {
        let path = real(&path);
        if let Some(parent) = path.parent() {
            layout.app_dir = parent.to_owned();
        }
        layout.app_file = Some(path);
    } else if let Some((text, origin)) = named {
        // Going on without it would plan to remove every App in it.
        diagnostics.push(
            Diagnostic::error("layout-app-file-missing", format!("{origin} names \"{text}\", which is no file"))
                .help(format!("name an existing file, or leave {origin} out for ./{APP_FILE_NAME}")),
        );
    } else if path.exists() {
        diagnostics.push(
            Diagnostic::error("layout-app-file-missing", format!("{APP_FILE_NAME} is not a regular file"))
                .help("replace it by a file, or name another with --kom-app"),
        );
    } else if *cwd != layout.root && layout.root.join(APP_FILE_NAME).is_file() {
        let root = display_path(&layout.root, cwd);
        let message = format!("there is no {APP_FILE_NAME} here; the one in {root} is not read");
        diagnostics.push(
            Diagnostic::warning("layout-app-file-elsewhere", message)
                .help(format!("run from the project root with `-C {root}`, or name the file with --kom-app")),
        );
    }
}

fn expand(text: &str, root: &Path, dir: Option<&Path>) -> String {
    let mut text = text.to_owned();
    let values = [("KOMPOX_ROOT", Some(root)), ("KOMPOX_DIR", dir)];
    for (name, value) in values.into_iter().filter_map(|(name, value)| Some((name, value?.to_string_lossy()))) {
        text = text.replace(&format!("${{{name}}}"), &value);
        // `$KOMPOX_DIRS` is another variable.
        let mut rest = text.as_str();
        let mut expanded = String::new();
        let needle = format!("${name}");
        while let Some((before, after)) = rest.split_once(&needle) {
            expanded.push_str(before);
            let same = !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            expanded.push_str(if same { &value } else { &needle });
            rest = after;
        }
        expanded.push_str(rest);
        text = expanded;
    }
    text
}

fn read_config(cwd: &Path, layout: &mut Layout, diagnostics: &mut Diagnostics) {
    let path = layout.dir.join("config.yml");
    if !path.exists() {
        return;
    }
    let limits = FileLimits::default();
    let Some(source) = FileReader::new(limits, cwd).read(&path, diagnostics) else { return };
    layout.config_source = Some(source.clone());
    let documents = match parse(&source, yaml::Limits::default()) {
        Ok(documents) => documents,
        Err(diagnostic) => return diagnostics.push(diagnostic),
    };
    let mut sources = Sources::default();
    sources.add(source, &documents);
    let mut reader = Reader::new(&sources, diagnostics);
    if let Some(second) = documents.get(1) {
        let message = "the configuration has more than one document";
        reader.error("config-documents", message, &second.location, "keep one document");
    }
    let Some(document) = documents.first() else { return };
    let Some(fields) = reader.fields(document, "the configuration", &keys::CONFIG.names()) else { return };
    if let Some(node) = fields.get("version") {
        reader.integer(node, "\"version\"", 1, 1);
    }
    if let Some(node) = fields.get("store")
        && let Some(store) = reader.fields(node, "\"store\"", &keys::STORE.names())
    {
        reader.choice(store, "type", &keys::STORES);
    }
    layout.config.kom_path = reader.texts(fields, "komPath");
    if let Some(node) = fields.get("logging") {
        check_logging(&mut reader, node);
    }
    if let Some(node) = fields.get("state") {
        layout.config.state = read_state(&mut reader, node, "\"state\"", &["sandbox"], layout);
        let places = reader.any_fields(node, "\"state\"");
        if let Some(sandbox) = places.and_then(|places| places.get("sandbox")) {
            layout.config.sandbox_state = Some(read_state(&mut reader, sandbox, "\"sandbox\"", &[], layout));
        }
    }
}

/// `logging` belongs to the form of the file, but nothing is logged: whoever asks for a log must not believe that there is
/// one.
fn check_logging(reader: &mut Reader<'_>, node: &yaml::Node) {
    if let Some(fields) = reader.fields(node, "\"logging\"", &keys::LOGGING.names()) {
        reader.optional_text(fields, "dir");
        reader.choice(fields, "format", &keys::LOG_FORMATS);
        reader.choice(fields, "level", &keys::LOG_LEVELS);
        if let Some(days) = fields.get("retentionDays") {
            reader.integer(days, "\"retentionDays\"", 0, keys::RETENTION_MAX);
        }
    }
    let unread = Diagnostic::warning("config-logging", "\"logging\" has no effect: this version writes no log")
        .help("take it out")
        .help(Advice::run("what runs have done", Command::new(Name::StateHistory)));
    reader.report(unread, &node.location);
}

/// A place of a state. `besides` are keys that may stand beside those of the place.
fn read_state(
    reader: &mut Reader<'_>,
    node: &yaml::Node,
    what: &str,
    besides: &[&'static str],
    layout: &Layout,
) -> StateConfig {
    let default = StateConfig::Sqlite { path: None };
    let Some(fields) = reader.any_fields(node, what) else { return default };
    let Some(kind) = reader.optional_text(fields, "type") else {
        // A path or URL without a type is not guessed at.
        reader.missing(fields, "type", "write `type: sqlite`, `type: object` or `type: postgres`");
        return default;
    };
    let of_type = format!("{what} of type {}", kind.value);
    match kind.value.as_str() {
        "sqlite" => {
            reader.fields(node, &of_type, &[&["type", "path"], besides].concat());
            let path = reader.optional_text(fields, "path").map(|path| layout.resolve(&path.value, &layout.dir));
            StateConfig::Sqlite { path }
        }
        "object" => {
            let Some(fields) = reader.fields(node, &of_type, &[&["type", "url", "path"], besides].concat()) else {
                return default;
            };
            let (url, path) = (reader.optional_text(fields, "url"), reader.optional_text(fields, "path"));
            match (url, path) {
                (Some(url), None) => StateConfig::Bucket(url.value),
                (None, Some(path)) => StateConfig::Folder(layout.resolve(&path.value, &layout.dir)),
                (Some(url), Some(_)) => {
                    let message = "a state is in one place: \"url\" and \"path\" exclude each other";
                    reader.error("config-state", message, &url.location, "keep one of them");
                    default
                }
                (None, None) => {
                    reader.missing(fields, "url", "write `url: s3://<bucket>/<prefix>`, or `path:` for a folder");
                    default
                }
            }
        }
        "postgres" => {
            reader.fields(node, &of_type, &[&["type", "schema"], besides].concat());
            let Some(schema) = reader.optional_text(fields, "schema") else {
                return StateConfig::Postgres(SCHEMA.to_owned());
            };
            if !is_schema(&schema.value) {
                let message = format!("\"schema\" cannot be \"{}\"", schema.value);
                reader.error(
                    "kom-value",
                    message,
                    &schema.location,
                    "use up to 63 lower-case letters, digits and `_`, not beginning with `pg_`",
                );
                return default;
            }
            StateConfig::Postgres(schema.value)
        }
        _ => {
            reader.choice(fields, "type", &[("sqlite", ()), ("postgres", ()), ("object", ())]);
            default
        }
    }
}
