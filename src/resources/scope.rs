//! What every part of an expansion shares: where objects belong, what the state knows, and the nodes so far.

use std::collections::BTreeMap;
use std::time::SystemTime;

use kompox_state::{Digester, Stored};

use super::composes::Texts;
use crate::compose::names::{cls_hash, id_hash};
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::engine::address::Address;
use crate::engine::graph::{Node, ProtectionWish};
use crate::engine::kind::Kind;
use crate::engine::plan::{Danger, Origin};
use crate::engine::provider::ProviderKey;
use crate::engine::value::{Sensitive, Value};
use crate::kom::model::{Guard, Lifecycle, Provider};

/// What the state knows of one object.
#[derive(Debug, Clone)]
pub struct Known {
    /// The key of the API that it is in.
    pub provider: ProviderKey,
    /// Its physical id.
    pub physical_id: String,
    /// Whether kompox adopted it rather than made it.
    pub adopted: bool,
    /// Its outputs, read where they are asked for: few are.
    pub outputs: Stored,
    /// What was last applied, likewise.
    pub applied: Stored,
}

/// What an expansion takes from the state: names that are fixed, and the key that hides secrets.
#[derive(Clone)]
pub struct StateView {
    /// The lineage that marks what is ours.
    pub lineage: String,
    /// Hides secrets.
    pub digester: Digester,
    /// What exists, by address.
    pub known: BTreeMap<Address, Known>,
    /// Names fixed earlier: by a plan, or by an intent of an interrupted apply.
    pub chosen: BTreeMap<Address, String>,
    /// Objects to adopt now (`kompox import`), by address.
    pub imports: BTreeMap<Address, String>,
    /// What was looked for in the cloud, by [`Lookup::address`]: its id, or that there is none to be seen.
    pub found: BTreeMap<Address, Option<String>>,
}

/// An object that others made, of which only the name is known: whoever can ask the cloud for its id does, and expands
/// again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// What stands for it.
    pub address: Address,
    /// The provider that may know it.
    pub provider: ProviderKey,
    /// Its name.
    pub name: String,
    /// Whether nothing can be planned without it: whoever may not look is told why.
    pub needed: bool,
}

/// Time and randomness for names that nobody chose.
pub struct Chance<'a> {
    /// Now.
    pub now: SystemTime,
    /// A random number.
    pub random: &'a dyn Fn() -> u64,
}

/// What is found about manifests: each with the text of its line.
pub struct Findings<'a> {
    texts: &'a Texts<'a>,
    found: Diagnostics,
}

impl<'a> Findings<'a> {
    /// None yet; `texts` are those of the manifests.
    pub(super) fn new(texts: &'a Texts<'a>) -> Self {
        Self { texts, found: Diagnostics::default() }
    }

    /// Adds a finding about a manifest; it gets the text of its line here.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let located = match (&diagnostic.location, &diagnostic.source_line) {
            (Some(location), None) => {
                let location = location.clone();
                self.texts.locate(diagnostic, &location)
            }
            _ => diagnostic,
        };
        self.found.push(located);
    }

    /// Adds what was found elsewhere, as it is: a line that it does not show may hold a secret.
    pub fn extend(&mut self, others: impl IntoIterator<Item = Diagnostic>) {
        self.found.extend(others);
    }

    /// Everything, in the order found.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.found.iter()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// Takes out what was found from the one at this position on.
    #[must_use]
    pub(super) fn since(&mut self, first: usize) -> Diagnostics {
        self.found.split_off(first)
    }

    /// Takes everything out.
    #[must_use]
    pub fn take(&mut self) -> Diagnostics {
        std::mem::take(&mut self.found)
    }
}

impl StateView {
    /// What the state knows of an address.
    pub fn known(&self, address: &Address) -> Option<&Known> {
        self.known.get(address)
    }
}

/// Where objects belong: a Provider, whose name goes into the names and tags of everything under it.
#[derive(Debug, Clone)]
pub struct Place {
    /// The name of its driver.
    pub driver: &'static str,
    /// Workspace name.
    pub workspace: String,
    /// Provider name.
    pub provider: String,
    /// Resource ID of the provider.
    pub provider_id: String,
}

impl Place {
    /// The place that a Provider is.
    pub fn of(provider: &Provider) -> Self {
        Self {
            driver: provider.driver,
            workspace: provider.meta.id.workspace().unwrap_or_default().to_owned(),
            provider: provider.meta.name.clone(),
            provider_id: provider.meta.id.as_str().to_owned(),
        }
    }

    /// The Resource ID under which what outlives a cluster is addressed: the app's without its cluster.
    pub fn lasting_scope(&self, app: &str) -> String {
        format!("{}/app/{app}", self.provider_id)
    }

    /// Tags of everything under the provider.
    pub fn tags(&self) -> BTreeMap<String, String> {
        tags([
            ("managed-by", "kompox"),
            ("kompox-workspace-name", &self.workspace),
            ("kompox-provider-name", &self.provider),
        ])
    }

    /// Tags of what belongs to a cluster.
    pub fn cluster_tags(&self, cluster: &str) -> BTreeMap<String, String> {
        let hash = cls_hash(&self.workspace, &self.provider, cluster);
        let mut all = self.tags();
        all.extend(tags([("kompox-cluster-name", cluster), ("kompox-cluster-hash", &hash)]));
        all
    }

    /// Tags of what belongs to an app.
    pub fn app_tags(&self, app: &str) -> BTreeMap<String, String> {
        let hash = id_hash(&self.workspace, &self.provider, app);
        let mut all = self.tags();
        all.extend(tags([("kompox-app-name", app), ("kompox-app-id-hash", &hash)]));
        all
    }
}

fn tags<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Tags as a value.
pub fn tags_value(tags: &BTreeMap<String, String>) -> Value {
    Value::Object(tags.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect())
}

/// Collects nodes.
pub struct Builder<'a> {
    /// What the state knows.
    pub state: &'a StateView,
    /// What is wrong with the manifests.
    pub diagnostics: Findings<'a>,
    /// Time and randomness.
    pub chance: &'a Chance<'a>,
    /// All nodes so far.
    pub nodes: Vec<Node>,
    /// Names that nobody chose, made by this expansion or fixed earlier.
    pub chosen: BTreeMap<Address, String>,
    /// What must be looked for in the cloud.
    pub lookups: Vec<Lookup>,
    /// What a reviewer must see first, beside what changes.
    pub dangers: Vec<Danger>,
    /// What a reviewer may want to know.
    pub notes: Vec<Danger>,
}

impl Builder<'_> {
    /// Adds a node with its usual settings; the caller changes what differs on the result.
    pub fn add(
        &mut self,
        address: Address,
        kind: &'static Kind,
        provider: &ProviderKey,
        desired: Value,
        origin: &Location,
    ) -> &mut Node {
        self.nodes.push(Node {
            origin: Some(origin_of(origin)),
            protection: ProtectionWish::UNPROTECTABLE,
            ..Node::new(address, kind, provider.clone(), desired)
        });
        let last = self.nodes.len() - 1;
        &mut self.nodes[last]
    }

    /// A Kubernetes object with our lineage and its secrets hidden.
    pub fn kubernetes(&self, body: serde_json::Value, sensitive: &[Vec<String>]) -> Value {
        let mut desired = Value::from(body);
        for path in sensitive {
            hide(&mut desired, path, &self.state.digester);
        }
        if desired.get("kind").and_then(Value::as_str) == Some("ConfigMap") {
            cover_lines(&mut desired, &self.state.digester);
        }
        desired.set(&["metadata", "annotations", "kompox.dev/lineage"], self.state.lineage.as_str().into());
        desired
    }
}

fn hide(value: &mut Value, path: &[String], digester: &Digester) {
    match (value, path.split_first()) {
        (Value::Object(map), Some((key, rest))) => {
            if let Some(inner) = map.get_mut(key) {
                hide(inner, rest, digester);
            }
        }
        (Value::Array(items), Some((index, rest))) => {
            if let Some(inner) = index.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                hide(inner, rest, digester);
            }
        }
        (leaf @ Value::String(_), None) => {
            let plain = leaf.as_str().unwrap_or_default().to_owned();
            let digest = digester.digest(plain.as_bytes());
            *leaf = Value::sensitive(Sensitive::new(plain, digest));
        }
        // A number or boolean that interpolation put there is hidden as its text would be too revealing to keep open;
        // such leaves do not occur, because what can be sensitive is text in Kubernetes.
        _ => {}
    }
}

/// Hides the lines of a ConfigMap that are secrets.
fn cover_lines(config_map: &mut Value, digester: &Digester) {
    let Value::Object(map) = config_map else { return };
    let Some(Value::Object(data)) = map.get_mut("data") else { return };
    let keys: Vec<String> = data.keys().map(str::to_owned).collect();
    for key in keys {
        let Some(leaf) = data.get_mut(&key) else { continue };
        let Some(text) = leaf.as_str().map(str::to_owned) else { continue };
        if let Some(covered) = Sensitive::lines(&text, &|secret| digester.digest(secret.as_bytes())) {
            *leaf = Value::sensitive(covered.with_plain(text));
        }
    }
}

/// A place in a file, as the engine keeps it.
pub fn origin_of(location: &Location) -> Origin {
    Origin { file: location.file.clone(), line: location.line, column: location.column }
}

/// What a guard of a manifest means for an object, with `lifecycle.preventDestroy` over it.
pub fn protection(guard: Option<Guard>, lifecycle: &Lifecycle, orphan: bool) -> ProtectionWish {
    let guarded = guard.map(|guard| guard != Guard::None);
    let prevent_destroy = match (guarded, lifecycle.prevent_destroy) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (guarded, prevent) => guarded.or(prevent),
    };
    ProtectionWish { orphan, prevent_destroy, read_only: guard.map(|guard| guard == Guard::ReadOnly) }
}

/// What `lifecycle.preventDestroy` means for an object that nothing can keep from being changed.
pub fn lifecycle_protection(lifecycle: &Lifecycle, orphan: bool) -> ProtectionWish {
    ProtectionWish { read_only: Some(false), ..protection(None, lifecycle, orphan) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_explicit_none_lifts_a_guard() {
        let lifecycle = Lifecycle::default();
        assert_eq!(protection(None, &lifecycle, false), ProtectionWish::default());
        let lifted = protection(Some(Guard::None), &lifecycle, false);
        assert_eq!((lifted.prevent_destroy, lifted.read_only), (Some(false), Some(false)));
        let prevent = Lifecycle { prevent_destroy: Some(true), ..lifecycle };
        assert_eq!(protection(Some(Guard::None), &prevent, false).prevent_destroy, Some(true));
    }

    #[test]
    fn secrets_are_hidden_at_their_paths() {
        let digester = Digester::new(&[7; 32]);
        let mut value = Value::from(serde_json::json!({"data": {"A": "c2VjcmV0"}, "args": ["x", "secret"]}));
        hide(&mut value, &["data".into(), "A".into()], &digester);
        hide(&mut value, &["args".into(), "1".into()], &digester);
        let stored = value.to_stored().to_string();
        assert!(!stored.contains("c2VjcmV0") && !stored.contains("secret\"]"));
        assert_eq!(value.to_request().unwrap()["args"][1], "secret");
    }
}
