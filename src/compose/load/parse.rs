//! One document of a compose file: interpolated, cast by path, `!reset` and `!override` taken out and remembered.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::fault::Fault;
use super::path::{Cursor, Path, Rules};
use super::scalar::{self, Value};
use crate::compose::interpolate::interpolate;
use crate::compose::tree::{Tree, TreeContent, TreeEntry};
use crate::diag::{Diagnostic, Location};
use crate::text::suggest::resembles;
use crate::yaml::{Content, Node, Scalar};

/// Keys below which a literal may be a secret, so that their lines are never shown.
const SECRETIVE: [&str; 12] = [
    "annotations",
    "args",
    "command",
    "content",
    "driver_opts",
    "entrypoint",
    "environment",
    "healthcheck",
    "labels",
    "options",
    "post_start",
    "pre_stop",
];

/// Whether the key is one of [`SECRETIVE`], or one of them misspelt: the error about it must not show the line either.
fn is_secretive(key: &str) -> bool {
    let misspelt = |known: &&'static str| {
        known.as_bytes().first() == key.as_bytes().first()
            && known.len().abs_diff(key.len()) <= 2
            && key != "context"
            && resembles(key, known)
    };
    SECRETIVE.contains(&key) || SECRETIVE.iter().any(misspelt)
}

/// What a string becomes at some paths, since interpolation only gives strings.
#[derive(Debug, Clone, Copy)]
enum Cast {
    Boolean,
    Integer,
    Float,
    /// An integer as YAML writes it, so that a leading zero means octal.
    Umask,
}

static CASTS: LazyLock<Rules<Cast>> = LazyLock::new(|| {
    use Cast::{Boolean, Float, Integer, Umask};
    const CONTAINER: [&str; 3] = ["services.*", "jobs.*", "services.*.pre_start.*"];
    let mut rules: Vec<(String, Cast)> = Vec::new();
    for key in ["external", "internal", "attachable", "enable_ipv4", "enable_ipv6"] {
        rules.push((format!("networks.*.{key}"), Boolean));
    }
    for kind in ["volumes", "secrets", "configs"] {
        rules.push((format!("{kind}.*.external"), Boolean));
    }
    let mut add = |prefixes: &[&str], cast: Cast, keys: &[&str]| {
        for prefix in prefixes {
            rules.extend(keys.iter().map(|key| (format!("{prefix}.{key}"), cast)));
        }
    };
    let integers = [
        "cpu_count",
        "cpu_period",
        "cpu_quota",
        "cpu_rt_period",
        "cpu_rt_runtime",
        "cpu_shares",
        "oom_score_adj",
        "pids_limit",
        "ulimits.*",
        "ulimits.*.hard",
        "ulimits.*.soft",
    ];
    add(&CONTAINER, Integer, &integers);
    add(&CONTAINER, Float, &["cpu_percent", "cpus"]);
    let booleans = [
        "init",
        "networks.*.use_service_name_alias",
        "oom_kill_disable",
        "privileged",
        "read_only",
        "volumes.[].read_only",
        "volumes.[].volume.nocopy",
    ];
    add(&CONTAINER, Boolean, &booleans);
    add(&CONTAINER, Umask, &["umask"]);
    let workload = ["depends_on.*.required", "depends_on.*.restart", "healthcheck.disable", "stdin_open", "tty"];
    add(&CONTAINER[..2], Boolean, &workload);
    add(&CONTAINER[..2], Integer, &["healthcheck.retries", "ports.[].target"]);
    let deploy = [
        "deploy.replicas",
        "deploy.update_config.parallelism",
        "deploy.rollback_config.parallelism",
        "deploy.restart_policy.max_attempts",
        "deploy.placement.max_replicas_per_node",
        "scale",
    ];
    add(&CONTAINER[..1], Integer, &deploy);
    let ratios = ["deploy.update_config.max_failure_ratio", "deploy.rollback_config.max_failure_ratio"];
    add(&CONTAINER[..1], Float, &ratios);
    Rules::new(rules)
});

/// A document and the paths that its tags take out of what earlier files said.
pub(super) struct Document {
    /// The document without tags.
    pub(super) tree: Tree,
    /// Keys from the root to each `!reset` or `!override`.
    pub(super) resets: Vec<Vec<String>>,
}

/// Bytes that all interpolated texts of a project may have together: one long variable may stand in many places.
const MAX_INTERPOLATED: usize = 16 * 1024 * 1024;

/// Turns YAML nodes into trees.
pub(super) struct Lowering<'a> {
    environment: &'a BTreeMap<String, String>,
    /// What was found, warnings included.
    pub(super) findings: Vec<Fault>,
    /// Lines that may hold a secret.
    pub(super) hidden: HashSet<(Arc<str>, u32)>,
    /// Numbers, booleans and dates that read as another text than the one that was written, by the place of their key.
    pub(super) rewritten: HashMap<Location, String>,
    /// Bytes of all interpolated texts of the project so far.
    pub(super) interpolated: usize,
    /// Variables reported as missing and where: an aliased value is lowered at each of its uses.
    reported: HashSet<(String, Location)>,
    resets: Vec<Vec<String>>,
    /// Whether a `!override` is around, below which tags mean nothing.
    sealed: bool,
}

impl<'a> Lowering<'a> {
    /// Interpolates from `environment`, in a project whose interpolated texts have so many bytes already.
    pub(super) fn new(environment: &'a BTreeMap<String, String>, interpolated: usize) -> Self {
        Self {
            environment,
            findings: Vec::new(),
            hidden: HashSet::new(),
            rewritten: HashMap::new(),
            interpolated,
            reported: HashSet::new(),
            resets: Vec::new(),
            sealed: false,
        }
    }

    /// The tree of a document; what is wrong is among the findings.
    pub(super) fn document(&mut self, node: Node) -> Document {
        let location = node.location.clone();
        let tree = self.node(node, &Path::ROOT, CASTS.root(), false).unwrap_or_else(|| Tree::null(location));
        Document { tree, resets: std::mem::take(&mut self.resets) }
    }

    fn node(&mut self, node: Node, path: &Path<'_>, cursor: Cursor, secretive: bool) -> Option<Tree> {
        let Node { location, tag, content } = node;
        match tag.as_deref() {
            // Inside a `!override` tags mean nothing more.
            _ if self.sealed => {}
            Some("!reset") => {
                self.resets.extend(path.keys());
                return None;
            }
            Some("!override") => {
                self.resets.extend(path.keys());
                self.sealed = true;
                let tree = self.content(content, location, tag, path, cursor, secretive);
                self.sealed = false;
                return Some(tree);
            }
            _ => {}
        }
        Some(self.content(content, location, tag, path, cursor, secretive))
    }

    fn content(
        &mut self,
        content: Content,
        location: Location,
        tag: Option<String>,
        path: &Path<'_>,
        cursor: Cursor,
        secretive: bool,
    ) -> Tree {
        let mut interpolated = false;
        let content = match content {
            Content::Scalar(scalar) => {
                if secretive {
                    self.hidden.insert((location.file.clone(), location.line));
                }
                let (scalar, looked_up) = self.scalar(tagged(scalar, tag.as_deref()), path, cursor, &location);
                interpolated = looked_up;
                TreeContent::Scalar(scalar)
            }
            Content::Sequence(items) => {
                let cursor = CASTS.item(cursor);
                let items = items.into_iter().enumerate();
                TreeContent::Sequence(
                    items.filter_map(|(at, item)| self.node(item, &path.index(at), cursor, secretive)).collect(),
                )
            }
            Content::Mapping(entries) => {
                let mut lowered = Vec::with_capacity(entries.len());
                for entry in entries {
                    if secretive {
                        self.hidden.insert((entry.key_location.file.clone(), entry.key_location.line));
                    }
                    if entry.key_plain && !is_text(&entry.key) {
                        let message = format!("the key {} is no text", entry.key);
                        let help = format!("write it in quotes: \"{}\"", entry.key);
                        self.findings.push(Fault::new("compose-key", message, &entry.key_location).help(help));
                    }
                    // Extensions often hold an environment that services take by an alias.
                    let secretive = secretive || entry.key.starts_with("x-") || is_secretive(&entry.key);
                    let below = path.key(&entry.key);
                    if let Content::Scalar(scalar) = &entry.value.content
                        && let Some(written) = scalar::rewritten(scalar)
                    {
                        self.rewritten.insert(entry.key_location.clone(), written.to_owned());
                    }
                    if let Some(value) = self.node(entry.value, &below, CASTS.key(cursor, &entry.key), secretive) {
                        lowered.push(TreeEntry { key: entry.key, key_location: entry.key_location, value });
                    }
                }
                TreeContent::Mapping(lowered)
            }
        };
        Tree { location, interpolated, content }
    }

    fn scalar(&mut self, scalar: Scalar, path: &Path<'_>, cursor: Cursor, location: &Location) -> (Scalar, bool) {
        match scalar::value(&scalar) {
            Value::Str(_) => {}
            Value::Float(number) if !number.is_finite() => {
                let message = format!("{path} must be a number that is finite");
                self.findings.push(Fault::new("compose-type", message, location));
                return (scalar, false);
            }
            _ => return (scalar, false),
        }
        let (text, looked_up) = if scalar.text.contains('$') {
            // Past the limit an error is among the findings, and no more is made.
            if self.interpolated > MAX_INTERPOLATED {
                return (scalar, false);
            }
            match interpolate(&scalar.text, self.environment) {
                Ok(outcome) => {
                    self.interpolated = self.interpolated.saturating_add(outcome.text.len());
                    if self.interpolated > MAX_INTERPOLATED {
                        let message =
                            format!("the interpolated texts have more than {MAX_INTERPOLATED} bytes together");
                        self.findings.push(Fault::new("compose-limit", message, location));
                    }
                    for name in outcome.missing {
                        self.missing(name, location);
                    }
                    (outcome.text, outcome.substituted)
                }
                Err(error) => {
                    let message = format!("{path}: {error}");
                    self.findings.push(Fault::new("compose-interpolation", message, location));
                    return (scalar, false);
                }
            }
        } else {
            (scalar.text, false)
        };
        let Some(kind) = CASTS.rule(cursor) else {
            return (Scalar { text, plain: false }, looked_up);
        };
        match cast(&text, *kind) {
            Ok(text) => (Scalar { text, plain: true }, looked_up),
            Err(expected) => {
                let shown = if looked_up { "the value".to_owned() } else { format!("\"{text}\"") };
                let message = format!("{path} must be {expected}; {shown} is none");
                self.findings.push(Fault::new("compose-type", message, location));
                (Scalar { text, plain: false }, looked_up)
            }
        }
    }

    fn missing(&mut self, name: String, location: &Location) {
        if !self.reported.insert((name.clone(), location.clone())) {
            return;
        }
        let message = format!("the variable {name} is not set; it is read as an empty text");
        let finding = Diagnostic::warning("compose-variable-unset", message)
            .help(format!("set {name} in .env or the environment, or give a default: ${{{name}:-…}}"));
        self.findings.push(Fault { diagnostic: finding, location: location.clone() });
    }
}

fn is_text(key: &str) -> bool {
    matches!(scalar::value(&Scalar { text: key.to_owned(), plain: true }), Value::Str(_))
}

/// A tag decides what a scalar is read as: a core tag its kind, any other that it is text.
fn tagged(scalar: Scalar, tag: Option<&str>) -> Scalar {
    let Some(tag) = tag else { return scalar };
    match tag.strip_prefix("tag:yaml.org,2002:") {
        Some("int" | "float" | "bool" | "null" | "timestamp") => Scalar { plain: true, ..scalar },
        Some("binary") => {
            let digits: String = scalar.text.split_whitespace().collect();
            let bytes = STANDARD.decode(digits).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            Scalar { text: bytes.unwrap_or(scalar.text), plain: false }
        }
        _ => Scalar { plain: false, ..scalar },
    }
}

fn cast(text: &str, kind: Cast) -> Result<String, &'static str> {
    match kind {
        Cast::Boolean => boolean(text).map(|value| value.to_string()).ok_or("true or false"),
        Cast::Integer => text.parse::<i64>().map(|value| value.to_string()).map_err(|_| "an integer"),
        Cast::Float => {
            let number = crate::compose::syntax::number(text).ok_or("a number")?;
            Ok(scalar::float(number))
        }
        Cast::Umask => {
            let number = Some(text.replace('_', "")).filter(|text| !text.starts_with(['+', '-']));
            let number = number.and_then(|text| u32::try_from(scalar::integer(&text)?).ok());
            number.map(|number| number.to_string()).ok_or("a file mode mask")
        }
    }
}

/// A boolean in the words that the reference takes.
pub(in crate::compose) fn boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "y" | "yes" | "on" => Some(true),
        "false" | "n" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Takes out of a tree what the paths name.
pub(super) fn reset(tree: &mut Tree, paths: &[Vec<String>]) {
    #[derive(Default)]
    struct Marked<'p> {
        below: HashMap<&'p str, Marked<'p>>,
        here: bool,
    }
    fn walk(tree: &mut Tree, marked: &Marked<'_>) {
        let Some(entries) = tree.entries_mut() else { return };
        entries.retain_mut(|entry| match marked.below.get(entry.key.as_str()) {
            None => true,
            Some(found) if found.here => false,
            Some(found) => {
                walk(&mut entry.value, found);
                true
            }
        });
    }
    if paths.is_empty() {
        return;
    }
    let mut root = Marked::default();
    for path in paths {
        let mut at = &mut root;
        for key in path {
            at = at.below.entry(key.as_str()).or_default();
        }
        at.here = true;
    }
    walk(tree, &root);
}

/// Takes out of a part of a model what the paths name.
pub(super) fn reset_below(tree: &mut Tree, above: &[&str], resets: &[Vec<String>]) {
    let inner: Vec<Vec<String>> = resets
        .iter()
        .filter(|path| path.len() > above.len() && path.iter().zip(above).all(|(a, b)| a == b))
        .map(|path| path[above.len()..].to_vec())
        .collect();
    reset(tree, &inner);
}
