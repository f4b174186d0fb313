//! What is known before anybody looks: what was asked for, and what the state says of it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::OnceLock;

use kompox_state::{ProviderKey, Record};

use super::request::Inputs;
use super::select::select;
use crate::engine::address::Address;
use crate::engine::graph::Node;
use crate::engine::identity::Identity;
use crate::engine::kind::{Holds, Kind};
use crate::engine::plan::Mode;
use crate::engine::value::{Reference, Value};

/// What was asked for and what the state says, with what is looked up in it all the time.
pub(super) struct Known<'a> {
    pub(super) inputs: &'a Inputs<'a>,
    /// The records by their addresses.
    pub(super) records: HashMap<Address, &'a Record>,
    /// Records that stand for no object: of data of which nobody knows what it was
    /// ([`Progress::lost`](kompox_state::Progress::lost)), and of what an import takes the place of.
    lost: HashMap<&'a Address, &'a Record>,
    /// The old address by the new one, and the new one by the old one.
    moved: HashMap<Address, Address>,
    renamed: HashMap<Address, Address>,
    selected: HashSet<Address>,
    /// Objects that an interrupted run was at.
    interrupted: HashSet<&'a Address>,
    /// Made where somebody asks for it. No lifetime is in it, so that a view may be lent for less time than its inputs.
    inside: OnceLock<Inside>,
}

/// The records by what they are in: by what they need, under the name that they know it by, and by where they are.
struct Inside {
    by_need: HashMap<Address, Vec<usize>>,
    by_place: BTreeMap<Identity, Vec<usize>>,
}

impl<'a> Known<'a> {
    /// Looks it all up once.
    pub(super) fn new(inputs: &'a Inputs<'a>) -> Self {
        // An import takes the place of what is recorded, which its caller has found gone.
        let gives_way =
            |record: &Record| inputs.mode == Mode::Import && inputs.options.targets.contains(&record.address);
        let (lost, records): (Vec<&Record>, Vec<&Record>) =
            inputs.snapshot.records.iter().partition(|record| record.progress.lost || gives_way(record));
        let records: HashMap<Address, &Record> =
            records.into_iter().map(|record| (record.address.clone(), record)).collect();
        let moved = inputs.graph.iter().filter_map(|node| {
            let old = node.moved_from.as_ref().filter(|old| inputs.graph.get(old).is_none())?;
            let record = records.get(old).filter(|_| !records.contains_key(&node.address))?;
            // An object never moves from one API to another: there it is made anew, and here it must still be removed.
            (record.provider.api() == node.provider.api()).then(|| (node.address.clone(), old.clone()))
        });
        let moved: HashMap<_, _> = moved.collect();
        Self {
            inputs,
            selected: select(inputs, &records),
            renamed: moved.iter().map(|(new, old)| (old.clone(), new.clone())).collect(),
            records,
            lost: lost.into_iter().map(|record| (&record.address, record)).collect(),
            moved,
            interrupted: inputs.snapshot.open_intents.iter().map(|intent| &intent.address).collect(),
            inside: OnceLock::new(),
        }
    }

    /// The schema of a kind of an API.
    pub(super) fn kind(&self, provider: &ProviderKey, name: &str) -> Option<&'static Kind> {
        (self.inputs.kinds)(provider, name)
    }

    /// The schema of what a record speaks of.
    pub(super) fn kind_of(&self, record: &Record) -> Option<&'static Kind> {
        self.kind(&record.provider, &record.kind)
    }

    /// What the state says of an object, by the address that it has now.
    pub(super) fn record(&self, address: &Address) -> Option<&'a Record> {
        let address = self.moved.get(address).unwrap_or(address);
        self.records.get(address).copied()
    }

    /// The record that says of a wish that nobody knows which data it was, if there is one; a rename does not change that.
    pub(super) fn lost(&self, node: &Node) -> Option<&'a Record> {
        let before = || node.moved_from.as_ref().filter(|old| self.inputs.graph.get(old).is_none());
        self.lost.get(&node.address).or_else(|| self.lost.get(before()?)).copied()
    }

    /// The address by which the state knows an object that gets another one.
    pub(super) fn old_address(&self, address: &Address) -> Option<&Address> {
        self.moved.get(address)
    }

    /// The address that the wish has for a record.
    pub(super) fn address_now<'r>(&'r self, recorded: &'r Address) -> &'r Address {
        self.renamed.get(recorded).unwrap_or(recorded)
    }

    /// Whether a record gets another address.
    pub(super) fn is_renamed(&self, recorded: &Address) -> bool {
        self.renamed.contains_key(recorded)
    }

    /// Whether the plan is about an object.
    pub(super) fn is_selected(&self, address: &Address) -> bool {
        self.selected.contains(address)
    }

    /// Whether the plan removes what a record speaks of: nothing wishes for it, or everything goes.
    pub(super) fn is_removed(&self, record: &Record) -> bool {
        let address = &record.address;
        let all = self.inputs.mode == Mode::Destroy;
        let wanted = || self.inputs.graph.get(address).is_some() || self.is_renamed(address);
        self.is_selected(address) && (all || !wanted())
    }

    /// Whether others take something from it: only then are its outputs kept.
    pub(super) fn is_referenced(&self, address: &Address) -> bool {
        self.inputs.graph.is_referenced(address)
    }

    /// Whether an interrupted run was at it.
    pub(super) fn is_interrupted(&self, address: &Address) -> bool {
        self.interrupted.contains(address)
    }

    /// Whether an object is in a cluster that is given up.
    pub(super) fn is_abandoned(&self, address: &Address) -> bool {
        let inside = |cluster: &Address| {
            address.as_str().strip_prefix(cluster.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        self.inputs.options.abandoned.iter().any(inside)
    }

    /// The same of an object with this provider, whatever its address: the API that it is in goes with an object of that
    /// cluster, as data does that is kept on its nodes.
    pub(super) fn is_lost(&self, address: &Address, provider: &ProviderKey) -> bool {
        let goes_with = |host: &str| {
            let is_host = |record: &&&Record| record.physical_id.eq_ignore_ascii_case(host);
            self.records.values().filter(is_host).any(|record| self.is_abandoned(&record.address))
        };
        let any = !self.inputs.options.abandoned.is_empty();
        any && (self.is_abandoned(address) || provider.host().is_some_and(goes_with))
    }

    /// Whether this plan lets go of a record: nothing in the wish stands for it any more.
    pub(super) fn lets_go(&self, address: &Address) -> bool {
        self.inputs.graph.get(address).is_none() && self.is_selected(address)
    }

    /// Whether a planned object is looked at, whatever `--refresh` says: data is, because taking the state's word for it
    /// would make a second, empty one, or change another than the one that kompox made.
    pub(super) fn looks_at(&self, kind: &Kind) -> bool {
        !self.inputs.options.offline && (self.inputs.options.refresh || kind.holds == Holds::Data)
    }

    /// The keyed digest of a secret.
    pub(super) fn digest(&self) -> impl Fn(&str) -> String + use<'a> {
        let digester = self.inputs.digester;
        move |text: &str| digester.digest(text.as_bytes())
    }

    /// The wish of a node with the outputs that `lookup` knows.
    pub(super) fn resolved(node: &'a Node, lookup: &dyn Fn(&Reference) -> Option<Value>) -> Cow<'a, Value> {
        if node.desired.has_unknown() { Cow::Owned(node.desired.resolve(lookup)) } else { Cow::Borrowed(&node.desired) }
    }

    /// The id that the wish gives to an object.
    pub(super) fn wished_id(&self, node: &Node, desired: &Value) -> Option<String> {
        self.inputs.providers.get(&node.provider)?.physical_id(node.kind, desired)
    }

    /// What the state says that others take from an object.
    pub(super) fn recorded_output(&self, reference: &Reference) -> Option<Value> {
        let record = self.record(&reference.address)?;
        if reference.output == "/id" {
            return Some(record.physical_id.as_str().into());
        }
        record.outputs.value().pointer(&reference.output).map(Value::from)
    }

    /// What `--abandon-cluster` calls the cluster that an object is in, where the state knows what its API lives in.
    pub(super) fn cluster_of(&self, address: &Address) -> Option<String> {
        let planned = || self.inputs.graph.get(address).map(|node| &node.provider);
        let host = self.record(address).map(|record| &record.provider).or_else(planned)?.host()?;
        let mut records = self.inputs.snapshot.records.iter();
        let lives_in = records.find(|record| record.physical_id.eq_ignore_ascii_case(host))?;
        Some(lives_in.address.scope().to_owned())
    }

    /// The first record of something that is in what another record speaks of.
    pub(super) fn first_inside(&self, record: &Record) -> Option<&'a Record> {
        let records = &self.inputs.snapshot.records;
        let inside = self.inside.get_or_init(|| {
            let mut inside = Inside { by_need: HashMap::new(), by_place: BTreeMap::new() };
            for (position, record) in records.iter().enumerate() {
                for need in &record.dependencies {
                    inside.by_need.entry(need.clone()).or_default().push(position);
                }
                inside.by_place.entry(Identity::of(record)).or_default().push(position);
            }
            inside
        });
        let identity = Identity::of(record);
        let needs = inside.by_need.get(&record.address).into_iter().flatten();
        // What is inside sorts behind the container; what only begins with its name stands between them.
        let behind =
            inside.by_place.range(&identity..).take_while(|(other, _)| other.text().starts_with(identity.text()));
        let places = behind.filter(|(other, _)| identity.holds(other)).flat_map(|(_, positions)| positions);
        let positions = needs.chain(places).copied().filter(|position| records[*position].address != record.address);
        positions.min().map(|position| &records[position])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::engine::plan::Mode;
    use crate::engine::planner::Options;
    use crate::engine::testing::{DISK, THING, applied, graph, node};

    #[tokio::test]
    async fn what_is_in_a_cluster_that_is_given_up_is_lost_and_nothing_else() {
        let site = applied(&graph([node(&THING, "one"), node(&THING, "two"), node(&DISK, "data")])).await;
        // The clusters themselves, each in the scope that everything in it begins with.
        for name in ["one", "two"] {
            let (from, to) = (format!("/ws/t/thing/{name}"), format!("/ws/t/cls/{name}/thing/{name}"));
            site.alias(&from, &to, |record| record.physical_id = format!("uid-{name}"));
        }
        let (snapshot, wish) = (site.store().snapshot().unwrap(), graph([]));
        let is_lost = |abandoned: &[&str], address: &str, provider: &str| {
            let abandoned: BTreeSet<Address> = abandoned.iter().map(|one| Address::parse(one).unwrap()).collect();
            let options = Options { abandoned, ..Options::default() };
            let inputs = site.inputs(&wish, Mode::Destroy, &options, &snapshot);
            Known::new(&inputs).is_lost(&Address::parse(address).unwrap(), &provider.into())
        };
        let (one, data) = (&["/ws/t/cls/one"][..], "/ws/t/disk/data");
        // By its address, and by the API that it is in, in any spelling, wherever its address is.
        assert!(is_lost(one, "/ws/t/cls/one/app/a/thing/x", "test"));
        assert!(is_lost(one, data, "test#uid-one") && is_lost(one, data, "test#UID-ONE"));
        // Of another cluster, of one whose name only begins so, of the cloud, and of one that nobody gives up: never.
        assert!(!is_lost(one, data, "test#uid-two") && !is_lost(one, data, "test#uid-three"));
        assert!(!is_lost(one, "/ws/t/cls/one-more/thing/x", "test") && !is_lost(one, "/ws/t/cls/one", "test"));
        assert!(!is_lost(one, data, "test"));
        assert!(!is_lost(&[], data, "test#uid-one") && !is_lost(&[], "/ws/t/cls/one/thing/one", "test"));
    }
}
