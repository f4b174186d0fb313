//! Data that passes from one workload to another. Two programs in one place would destroy what is there, so whoever leaves
//! is gone before the other comes, whatever names, Namespaces and clusters lie between them.

use std::collections::{BTreeSet, HashMap, HashSet};

use kompox_state::Record;

use super::Planner;
use crate::engine::address::Address;
use crate::engine::kind::{Behind, Holds, Kind, Use};
use crate::engine::plan::{Danger, PlannedAction, Verb};
use crate::engine::provider::api_of;

/// One place that changes its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Handover {
    /// Who lets go, by a change or a removal.
    pub(super) from: Address,
    /// Who takes over.
    pub(super) to: Address,
}

/// A place on a volume of one API, with the data that the volume leads to.
#[derive(Debug, Clone)]
struct Place {
    used: Use,
    api: String,
    /// The providers' own ids of the data, the same wherever it is used; `None` if nobody can tell.
    data: Option<BTreeSet<String>>,
}

impl Place {
    fn same_volume(&self, other: &Self) -> bool {
        self.api == other.api && self.used.volume == other.used.volume
    }

    fn is_at(&self, other: &Self) -> bool {
        self.api == other.api && self.used == other.used
    }

    /// Whether two would work on the same. On one volume that is a matter of folders; data that is reached by two volumes
    /// has one user at a time, and what nobody can tell may be the same.
    fn meets(&self, other: &Self) -> bool {
        if self.same_volume(other) {
            return self.used.meets(&other.used);
        }
        match (&self.data, &other.data) {
            (Some(one), Some(another)) => !one.is_disjoint(another),
            _ => true,
        }
    }
}

struct Comer {
    address: Address,
    gained: Vec<Place>,
}

struct Leaver {
    address: Address,
    /// Where it works, or may still work, now.
    now: Vec<Place>,
    /// Where it will work.
    then: Vec<Place>,
    /// What the plan does with it.
    action: Option<Verb>,
}

/// Which leavers can meet a place at all ([`Place::meets`]), so that not each is held against each.
struct Index<'a> {
    /// By volume, and by the id of data.
    by_volume: HashMap<(&'a str, &'a str), BTreeSet<usize>>,
    by_data: HashMap<&'a str, BTreeSet<usize>>,
    /// Those with a place of which nobody can tell what it leads to.
    unknown: BTreeSet<usize>,
    all: usize,
}

impl<'a> Index<'a> {
    fn of(leavers: &'a [Leaver]) -> Self {
        let mut index =
            Self { by_volume: HashMap::new(), by_data: HashMap::new(), unknown: BTreeSet::new(), all: leavers.len() };
        for (position, leaver) in leavers.iter().enumerate() {
            for place in &leaver.now {
                index.by_volume.entry((&place.api, &place.used.volume)).or_default().insert(position);
                for id in place.data.iter().flatten() {
                    index.by_data.entry(id).or_default().insert(position);
                }
                if place.data.is_none() {
                    index.unknown.insert(position);
                }
            }
        }
        index
    }

    fn may_meet(&self, gained: &[Place]) -> BTreeSet<usize> {
        if gained.iter().any(|place| place.data.is_none()) {
            return (0..self.all).collect();
        }
        let mut found = self.unknown.clone();
        for place in gained {
            let same_volume = self.by_volume.get(&(place.api.as_str(), place.used.volume.as_str()));
            let same_data = place.data.iter().flatten().filter_map(|id| self.by_data.get(id.as_str()));
            found.extend(same_volume.into_iter().chain(same_data).flatten());
        }
        found
    }
}

/// What a manifest or a record says of a volume: what is behind it, and the ids of the data that it needs.
type Lead = (Behind, BTreeSet<String>);

/// What the volumes of all APIs lead to, by API and name.
#[derive(Default)]
struct Volumes(HashMap<(String, String), Vec<Lead>>);

impl Volumes {
    fn add(&mut self, api: String, kind: &Kind, object: &serde_json::Value, data: BTreeSet<String>) {
        if let Some(volume) = kind.volume.and_then(|volume| volume(object)) {
            self.0.entry((api, volume.name)).or_default().push((volume.behind, data));
        }
    }

    fn data(&self, api: &str, name: &str) -> Option<BTreeSet<String>> {
        self.follow(api, name, &mut HashSet::new())
    }

    fn follow(&self, api: &str, name: &str, seen: &mut HashSet<String>) -> Option<BTreeSet<String>> {
        let known = self.0.get(&(api.to_owned(), name.to_owned())).filter(|_| seen.insert(name.to_owned()))?;
        let mut found = BTreeSet::new();
        for (behind, data) in known {
            found.extend(data.iter().cloned());
            match behind {
                Behind::Data(id) => {
                    found.insert(id.to_lowercase());
                }
                Behind::Volume(inner) => match self.follow(api, inner, seen) {
                    Some(inner) => found.extend(inner),
                    None if data.is_empty() => return None,
                    None => {}
                },
                Behind::Itself => {
                    found.insert(format!("{api} {name}"));
                }
            }
        }
        Some(found)
    }
}

impl<'a> Planner<'a> {
    /// Who must have let go before whom. A place that would be taken from a workload that this plan leaves alone is a
    /// problem.
    pub(super) fn handovers(&mut self) -> Vec<Handover> {
        let uses = |kind: &str| (self.inputs.kinds)(kind).is_some_and(|kind| kind.uses.is_some());
        let comes = |planned: &&PlannedAction| {
            let verbs = [Verb::Create, Verb::Update, Verb::Replace, Verb::Import];
            verbs.contains(&planned.action) && uses(&planned.kind)
        };
        if !self.actions.iter().any(|planned| comes(&planned)) || !self.records.values().any(|r| uses(&r.kind)) {
            return Vec::new();
        }
        let volumes = self.volumes();
        let comers: Vec<Comer> = self
            .actions
            .iter()
            .filter(comes)
            .filter_map(|planned| {
                let after = self.wished(&planned.address, &volumes)?;
                // What was deleted outside of kompox uses nothing any more.
                let record = self.record(&planned.address).filter(|_| planned.action != Verb::Create);
                let before = record.and_then(|record| self.applied(record, &volumes)).unwrap_or_default();
                let gained = lacking(&after, &before);
                (!gained.is_empty()).then(|| Comer { address: planned.address.clone(), gained })
            })
            .collect();
        if comers.is_empty() {
            return Vec::new();
        }
        let leavers = self.leavers(&volumes);
        let mut found = Vec::new();
        let index = Index::of(&leavers);
        for Comer { address: to, gained } in comers {
            for leaver in index.may_meet(&gained).into_iter().map(|position| &leavers[position]) {
                if leaver.address != to {
                    self.between(&to, &gained, leaver, &mut found);
                }
            }
        }
        for handover in &found {
            let text = format!("takes over what {} uses now; it is down until that one has let go", handover.from);
            self.notes.push(Danger::about("handover", &handover.to, text));
            // What ran in an object that somebody deleted may run on: the provider waits for its end.
            if self.gone.contains(&handover.from)
                && let Some(leaver) = self.actions.iter_mut().find(|planned| planned.address == handover.from)
            {
                leaver.action = Verb::Delete;
                leaver.reason = "it is gone already; what ran in it must have ended".to_owned();
            }
        }
        found
    }

    /// What one workload takes from another.
    fn between(&mut self, to: &Address, gained: &[Place], leaver: &Leaver, found: &mut Vec<Handover>) {
        let met = gained.iter().flat_map(|place| {
            let meets = leaver.now.iter().filter(move |held| held.meets(place));
            meets.map(move |held| (place, held, !leaver.then.iter().any(|then| then.is_at(held))))
        });
        let met: Vec<(&Place, &Place, bool)> = met.collect();
        let runs_on = leaver.action == Some(Verb::Forget);
        // What both are to use is the wish of the manifests, as long as it is one volume in one place.
        let kept = met.iter().find(|(place, held, lets_go)| {
            let known = place.data.is_some() && held.data.is_some();
            !lets_go && (runs_on || known && !place.same_volume(held))
        });
        let lets_go = met.iter().find(|(_, _, lets_go)| *lets_go);
        let origin = self.inputs.graph.get(to).and_then(|node| node.origin.clone());
        let says = |place: &Place, held: &Place| {
            let shared = place.data.iter().flatten().find(|id| held.data.iter().flatten().any(|other| other == *id));
            match shared.filter(|_| !place.same_volume(held)) {
                Some(id) => format!("{to} would use {} ({id}) while {} still does", place.used, leaver.address),
                None => format!("{to} would use {} while {} still does", place.used, leaver.address),
            }
        };
        if let Some((place, held, _)) = kept {
            let message = says(place, held);
            let help = if self.given_up.contains(&leaver.address) {
                "its cluster is abandoned, but its provider does not say that no machine has the data attached; stop or \
                 delete the machines of that cluster, then run again"
            } else if runs_on {
                "the state would forget it, but it would run on: delete it by hand first, or keep it"
            } else {
                "data has one user at a time: take the volume out of one of them"
            };
            self.problem(Some(to), message, origin).help.push(help.to_owned());
        } else if let Some((place, held, _)) = lets_go {
            if leaver.action.is_some() {
                found.push(Handover { from: leaver.address.clone(), to: to.clone() });
            } else if !self.selected.contains(&leaver.address) {
                let mut message = says(place, held);
                if held.data.is_none() || place.data.is_none() {
                    message.push_str(", as far as can be told: what its volumes lead to is not in the state");
                }
                let problem = self.problem(Some(to), message, origin);
                problem.help.push(format!("change both in one go: add --target {}", leaver.address));
            }
        }
    }

    /// Workloads that the state knows, with what they use.
    fn leavers(&self, volumes: &Volumes) -> Vec<Leaver> {
        let renamed: HashMap<&Address, &Address> = self.moved.iter().map(|(new, old)| (old, new)).collect();
        let actions: HashMap<&Address, Verb> =
            self.actions.iter().map(|planned| (&planned.address, planned.action)).collect();
        let leaver = |(recorded, record): (&Address, &&'a Record)| {
            let address = renamed.get(recorded).copied().unwrap_or(recorded);
            let action = actions.get(address).copied();
            let mut now = self.applied(record, volumes)?;
            // A change that failed, or whose end nobody saw, leaves both behind: what was and what was to be.
            let also = record
                .progress
                .holds
                .iter()
                .cloned()
                .map(Use::from)
                .chain(self.seen.get(address).cloned().unwrap_or_default());
            let also = self.places(also.collect(), &record.provider, record_needs(record), volumes);
            now.extend(lacking(&also, &now));
            let goes = action == Some(Verb::Delete) || self.gone.contains(address) || self.vanished.contains(address);
            let is_free = |place: &Place| {
                let data = place.data.as_ref().filter(|data| !data.is_empty());
                data.is_some_and(|data| data.iter().all(|id| self.unattached.contains(id)))
            };
            let then = match self.wished(address, volumes) {
                _ if goes => Vec::new(),
                _ if self.given_up.contains(address) => now.iter().filter(|place| !is_free(place)).cloned().collect(),
                Some(wished) => wished,
                None if action.is_some() => now.clone(),
                None => Vec::new(),
            };
            Some(Leaver { address: address.clone(), now, then, action })
        };
        let mut leavers: Vec<Leaver> = self.records.iter().filter_map(leaver).collect();
        leavers.sort_by(|a, b| a.address.cmp(&b.address));
        leavers
    }

    /// The recorded workloads that use the data with this id.
    pub(super) fn users_of(&self, id: &str) -> Vec<Address> {
        let volumes = self.volumes();
        let id = id.to_lowercase();
        let uses = |record: &Record| {
            let places = self.applied(record, &volumes).unwrap_or_default();
            places.iter().any(|place| place.data.as_ref().is_some_and(|data| data.contains(&id)))
        };
        let mut users: Vec<Address> =
            self.records.values().filter(|record| uses(record)).map(|record| record.address.clone()).collect();
        users.sort_unstable();
        users
    }

    /// What the manifests and the state say of volumes, whatever the plan is about.
    fn volumes(&self) -> Volumes {
        let mut volumes = Volumes::default();
        for record in self.records.values() {
            if let Some(kind) = (self.inputs.kinds)(&record.kind).filter(|kind| kind.volume.is_some()) {
                let data = self.data(record_needs(record));
                volumes.add(api_of(&record.provider), kind, &record.applied.value(), data);
            }
        }
        for node in self.inputs.graph.iter().filter(|node| node.kind.volume.is_some()) {
            let needs = self.inputs.graph.dependencies(&node.address).into_iter().cloned();
            let data = self.data(needs);
            volumes.add(api_of(&node.provider), node.kind, &node.desired.to_stored(), data);
        }
        volumes
    }

    /// The providers' own ids of what holds data among these.
    fn data(&self, needs: impl IntoIterator<Item = Address>) -> BTreeSet<String> {
        let ids = needs.into_iter().filter_map(|need| self.data_id(&need));
        ids.map(|(id, _)| id).collect()
    }

    /// The provider's own id of what holds data, and its API; its address as long as it has no id.
    pub(super) fn data_id(&self, address: &Address) -> Option<(String, String)> {
        let kind = (self.inputs.kinds)(address.kind()).filter(|kind| kind.holds == Holds::Data)?;
        if let Some(record) = self.records.get(address).copied().or_else(|| self.record(address)) {
            return Some((record.physical_id.to_lowercase(), api_of(&record.provider)));
        }
        let node = self.inputs.graph.get(address)?;
        let provider = self.inputs.providers.get(&node.provider);
        let id = node.import.clone().or_else(|| provider?.physical_id(kind, &node.desired));
        Some((id.map_or_else(|| address.to_string(), |id| id.to_lowercase()), api_of(&node.provider)))
    }

    /// Where an object works that does so; without a word of its own, everywhere on the data that it needs.
    fn places(
        &self,
        uses: Vec<Use>,
        provider: &str,
        needs: impl IntoIterator<Item = Address>,
        volumes: &Volumes,
    ) -> Vec<Place> {
        if uses.is_empty() {
            return Vec::new();
        }
        let api = api_of(provider);
        let needed = self.data(needs);
        let place = |used: Use| {
            let data = volumes.data(&api, &used.volume).or_else(|| (!needed.is_empty()).then(|| needed.clone()));
            Place { used, api: api.clone(), data }
        };
        uses.into_iter().map(place).collect()
    }

    fn wished(&self, address: &Address, volumes: &Volumes) -> Option<Vec<Place>> {
        let node = self.inputs.graph.get(address)?;
        let uses = node.kind.uses?(&node.desired.to_stored()).unwrap_or_else(anywhere);
        let needs = self.inputs.graph.dependencies(address).into_iter().cloned();
        Some(self.places(uses, &node.provider, needs, volumes))
    }

    fn applied(&self, record: &Record, volumes: &Volumes) -> Option<Vec<Place>> {
        let uses = (self.inputs.kinds)(&record.kind)?.uses?(&record.applied.value()).unwrap_or_else(anywhere);
        Some(self.places(uses, &record.provider, record_needs(record), volumes))
    }
}

/// A workload that does not say where it works.
fn anywhere() -> Vec<Use> {
    vec![Use { part: String::new(), volume: String::new(), folder: String::new() }]
}

fn record_needs(record: &Record) -> impl Iterator<Item = Address> {
    record.dependencies.iter().cloned()
}

fn lacking(have: &[Place], others: &[Place]) -> Vec<Place> {
    have.iter().filter(|place| !others.iter().any(|other| other.is_at(place))).cloned().collect()
}
