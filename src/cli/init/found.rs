//! What is found in a compose project, and what is decided about it.

use crate::compose::syntax::{self, Protocol};
use crate::compose::tree::{Tree, TreeEntry};
use crate::diag::{Diagnostics, Location};
use crate::text::host::is_loopback;

/// A sentence about a place in the compose files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The place.
    pub at: Option<Location>,
    /// The sentence, without a full stop.
    pub text: String,
}

/// What was found and decided.
#[derive(Debug, Default)]
pub struct Survey {
    /// The number of services that run.
    pub services: usize,
    /// Volumes in order; the first takes relative bind mounts. Each with what lies on it.
    pub volumes: Vec<(String, String)>,
    /// Ingress rules.
    pub rules: Vec<Rule>,
    /// Profiles that the compose files know and that stay off.
    pub profiles: Vec<String>,
    /// Profiles that are on: those that `COMPOSE_PROFILES` names, else all where no service is without one.
    pub active: Vec<String>,
    /// Whether services run since the profile "" is on where none is named.
    pub unnamed: bool,
    /// Services that get Pods of their own, since another one listens on their port.
    pub boxes: Vec<String>,
    /// What is changed about services, in the order of the compose file.
    pub changes: Vec<(String, Change)>,
    /// Top-level configs to add: name and file.
    pub configs: Vec<(String, String)>,
    /// Top-level secrets to add: name and file.
    pub secrets: Vec<(String, String)>,
    /// Whether a service reads `.env` as an env file and there is none.
    pub wants_env_file: bool,
    /// What the user has to change first: with it nothing can be written that works.
    pub refused: Diagnostics,
    /// What was decided and need not be done.
    pub decided: Vec<Remark>,
    /// What the user has to do or to know.
    pub todo: Vec<Remark>,
}

/// An ingress rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// The host port.
    pub port: u16,
    /// The service behind it.
    pub service: String,
    /// Whether the port was for one machine only.
    pub local: bool,
}

/// What the written compose file changes about a service.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Whether it is left out.
    pub off: bool,
    /// A placeholder for its image.
    pub image: Option<String>,
    /// Ports to publish in addition.
    pub ports: Vec<String>,
    /// All of its mounts, in place of those in the user's file.
    pub volumes: Option<Vec<String>>,
    /// All of its env files, in place of those in the user's file, and whether each is required.
    pub env_files: Option<Vec<(String, bool)>>,
    /// Single files: config, target, and whether it is a program.
    pub configs: Vec<FileUse>,
    /// The same for what may be secret.
    pub secrets: Vec<FileUse>,
    /// Where mounts of the user's file were that nothing stands in for.
    pub left_out: Vec<String>,
    /// Why, one line each.
    pub why: Vec<String>,
}

/// A file that a service sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileUse {
    /// The config or secret.
    pub source: String,
    /// Where the service sees it.
    pub target: String,
    /// Whether it can be executed.
    pub executable: bool,
}

impl Change {
    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// A service as far as it matters here.
pub(super) struct Service<'t> {
    pub name: &'t str,
    pub at: &'t Location,
    pub tree: &'t Tree,
    pub image: &'t str,
    pub ports: Vec<Port>,
}

/// A port that a service publishes.
pub(super) struct Port {
    pub published: Option<u16>,
    pub target: u16,
    pub protocol: Protocol,
    /// Whether it is bound to the loopback address.
    pub local: bool,
    pub at: Location,
}

/// A service of the compose file.
pub(super) fn service(entry: &TreeEntry) -> Service<'_> {
    let image = entry.value.get("image").and_then(Tree::as_text).unwrap_or_default();
    let mut ports = Vec::new();
    for item in entry.value.get("ports").and_then(Tree::as_sequence).unwrap_or_default() {
        // A port that cannot be read is an error of the check that follows.
        let field = |key: &str| item.get(key).and_then(Tree::as_text);
        let port = |key: &str| field(key).and_then(|text| text.parse().ok());
        let protocol = syntax::protocol(field("protocol").unwrap_or("tcp"));
        if let (Some(target), Ok(protocol)) = (port("target"), protocol) {
            let local = field("host_ip").is_some_and(is_loopback);
            ports.push(Port { published: port("published"), target, protocol, local, at: item.location.clone() });
        }
    }
    Service { name: &entry.key, at: &entry.key_location, tree: &entry.value, image, ports }
}

/// A text or a list of texts.
pub(super) fn texts(tree: Option<&Tree>) -> Vec<String> {
    let Some(tree) = tree else { return Vec::new() };
    let items = tree.as_sequence().unwrap_or(std::slice::from_ref(tree));
    items.iter().filter_map(Tree::as_text).map(str::to_owned).collect()
}
