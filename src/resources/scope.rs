//! What every part of an expansion shares: where objects belong, what the state knows, and the nodes so far.

use std::collections::BTreeMap;
use std::sync::Arc;

use kompox_state::Digester;

use crate::compose::names::{cls_hash, id_hash};
use crate::diag::{Diagnostics, Location};
use crate::engine::address::Address;
use crate::engine::graph::{Node, ProtectionWish};
use crate::engine::kind::Kind;
use crate::engine::plan::Origin;
use crate::engine::value::{Sensitive, Value};
use crate::kom::model::{Guard, Lifecycle};

/// What the state knows of one object.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its physical id.
    pub physical_id: String,
    /// Whether kompox adopted it rather than made it.
    pub adopted: bool,
    /// Its outputs.
    pub outputs: serde_json::Value,
    /// What was last applied.
    pub applied: serde_json::Value,
}

impl Known {
    /// The zone of a disk, as it was applied.
    pub fn zone(&self) -> Option<&str> {
        self.applied.pointer("/zones/0")?.as_str()
    }
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
    /// Key vaults that were looked for in the cloud, by [`Lookup::address`]: their ids, or that there is none to be seen.
    pub vaults: BTreeMap<Address, Option<String>>,
}

/// A key vault of which only the name is known: whoever can ask the cloud does, and expands again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// What stands for it.
    pub address: Address,
    /// The provider that may know it.
    pub provider: Arc<str>,
    /// Its name.
    pub vault: String,
}

impl StateView {
    /// What the state knows of an address.
    pub fn known(&self, address: &Address) -> Option<&Known> {
        self.known.get(address)
    }

    /// The same, with what was renamed under its new address too.
    #[must_use]
    pub fn renamed(&self, renames: &[(String, String)]) -> Self {
        let mut view = self.clone();
        // A rename within a renamed Workspace is written with the old name or the new one: each may lead to the next.
        for _ in renames {
            for (old, new) in renames {
                let moved = |address: &Address| renamed(old, new, address);
                let known: Vec<_> =
                    view.known.iter().filter_map(|(address, known)| Some((moved(address)?, known.clone()))).collect();
                for (address, known) in known {
                    view.known.entry(address).or_insert(known);
                }
                let chosen: Vec<_> =
                    view.chosen.iter().filter_map(|(address, name)| Some((moved(address)?, name.clone()))).collect();
                for (address, name) in chosen {
                    view.chosen.entry(address).or_insert(name);
                }
            }
        }
        view
    }
}

/// The address under a new Resource ID of what had this one under the old.
fn renamed(old: &str, new: &str, address: &Address) -> Option<Address> {
    let rest = address.as_str().strip_prefix(old).filter(|rest| rest.starts_with('/'))?;
    let named = own_name(old, rest).and_then(|kind| Some(format!("{new}/{kind}/{}", own(new)?)));
    Address::parse(&named.unwrap_or_else(|| format!("{new}{rest}"))).ok()
}

/// The kind of an object that is named after the Cluster that it is of, if this is one: it is renamed with it.
fn own_name<'a>(id: &str, rest: &'a str) -> Option<&'a str> {
    let (kind, name) = rest.strip_prefix('/')?.split_once('/')?;
    (own(id)? == name).then_some(kind)
}

/// The name of a Cluster, from its Resource ID.
fn own(id: &str) -> Option<&str> {
    let (_, name) = id.rsplit_once("/cls/")?;
    (!name.contains('/')).then_some(name)
}

/// The addresses that an object may have had before the renames that it is under, the likeliest first.
pub fn addresses_before(renames: &[(String, String)], address: &Address) -> Vec<Address> {
    let mut before: Vec<Address> = Vec::new();
    let mut waiting = vec![address.clone()];
    // Each round takes one rename back; more of them than there are renames would go in a circle.
    for _ in renames {
        let mut next = Vec::new();
        for address in &waiting {
            let mut under: Vec<_> =
                renames.iter().filter_map(|(old, new)| Some((new.len(), renamed(new, old, address)?))).collect();
            under.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
            next.extend(under.into_iter().map(|(_, old)| old));
        }
        next.retain(|old| old != address && !before.contains(old));
        before.extend(next.iter().cloned());
        waiting = next;
    }
    before
}

/// The names of an app's or cluster's place, with the hashes that go into names and tags.
#[derive(Debug, Clone)]
pub struct Place {
    /// Workspace name.
    pub workspace: String,
    /// Provider name.
    pub provider: String,
    /// Resource ID of the provider.
    pub provider_id: String,
    /// Prefix of names.
    pub prefix: String,
    /// Where that was chosen, if somebody chose it.
    pub prefix_place: Option<Location>,
    /// `/subscriptions/<id>`.
    pub subscription: String,
    /// Region.
    pub location: String,
    /// Key of the Azure connection.
    pub azure: Arc<str>,
}

impl Place {
    /// The ARM id of a resource group.
    pub fn group_id(&self, group: &str) -> String {
        format!("{}/resourceGroups/{group}", self.subscription)
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
    pub diagnostics: Diagnostics,
    /// All nodes so far.
    pub nodes: Vec<Node>,
    /// Names that nobody chose, made by this expansion or fixed earlier.
    pub chosen: BTreeMap<Address, String>,
    /// What must be looked for in the cloud.
    pub lookups: Vec<Lookup>,
}

impl Builder<'_> {
    /// Adds a node with its usual settings; the caller changes what differs on the result.
    pub fn add(
        &mut self,
        address: Address,
        kind: &'static Kind,
        provider: &Arc<str>,
        desired: Value,
        origin: &Location,
    ) -> &mut Node {
        self.nodes.push(Node {
            address,
            kind,
            provider: provider.clone(),
            desired,
            depends_on: Vec::new(),
            origin: Some(origin_of(origin)),
            field_origins: Vec::new(),
            find: None,
            import: None,
            moved_from: None,
            protection: ProtectionWish::default(),
            ignore_changes: Vec::new(),
            read_only: false,
        });
        let last = self.nodes.len() - 1;
        &mut self.nodes[last]
    }

    /// An ARM object: its id, region, tags with our lineage, and the rest.
    pub fn arm(&self, id: &str, place: &Place, tags: &BTreeMap<String, String>, rest: serde_json::Value) -> Value {
        let mut desired = Value::from(rest);
        desired.set(&["id"], id.into());
        desired.set(&["location"], place.location.as_str().into());
        desired.set(&["tags"], tags_value(tags));
        desired.set(&["tags", "kompox-lineage"], self.state.lineage.as_str().into());
        desired
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
            *leaf = Value::Sensitive(Sensitive::new(plain, digest));
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
    let keys: Vec<String> = data.keys().cloned().collect();
    for key in keys {
        let Some(leaf) = data.get_mut(&key) else { continue };
        let Some(text) = leaf.as_str().map(str::to_owned) else { continue };
        if let Some(covered) = Sensitive::lines(&text, &|secret| digester.digest(secret.as_bytes())) {
            *leaf = Value::Sensitive(covered.with_plain(text));
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
    fn renames_are_followed_through_each_other_and_take_names_along() {
        let pair = |old: &str, new: &str| (old.to_owned(), new.to_owned());
        let at = |text: &str| Address::parse(text).unwrap();
        let cluster = pair("/ws/a/prv/p/cls/c1", "/ws/a/prv/p/cls/c2");
        let before = addresses_before(std::slice::from_ref(&cluster), &at("/ws/a/prv/p/cls/c2/cluster/c2"));
        assert_eq!(before, [at("/ws/a/prv/p/cls/c1/cluster/c1")]);
        let before = addresses_before(&[cluster], &at("/ws/a/prv/p/cls/c2/node-pool/npuser1"));
        assert_eq!(before, [at("/ws/a/prv/p/cls/c1/node-pool/npuser1")]);
        // The Workspace is renamed, too, and the Cluster's old name is written with the old Workspace or the new one.
        let workspace = pair("/ws/a", "/ws/b");
        for old in ["/ws/a/prv/p/cls/c1", "/ws/b/prv/p/cls/c1"] {
            let renames = [workspace.clone(), pair(old, "/ws/b/prv/p/cls/c2")];
            let before = addresses_before(&renames, &at("/ws/b/prv/p/cls/c2/node-pool/x"));
            assert!(before.contains(&at("/ws/a/prv/p/cls/c1/node-pool/x")), "{before:?}");
        }
        // A circle ends.
        let circle = [pair("/ws/a", "/ws/b"), pair("/ws/b", "/ws/a")];
        assert_eq!(addresses_before(&circle, &at("/ws/a/x/y")), [at("/ws/b/x/y")]);
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
