//! Where workloads work, and which data that is, by whatever volumes it is reached.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use kompox_state::Record;

use super::known::Known;
use crate::engine::address::Address;
use crate::engine::kind::{Behind, Holds, Kind, Use};
use crate::engine::provider::ProviderKey;

/// A place on a volume of one API, with the data that the volume leads to.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) used: Use,
    pub(super) api: Arc<str>,
    /// The providers' own ids of the data, the same wherever it is used; `None` if nobody can tell.
    pub(super) data: Option<BTreeSet<String>>,
}

impl Place {
    pub(super) fn same_volume(&self, other: &Self) -> bool {
        self.api == other.api && self.used.volume == other.used.volume
    }

    pub(super) fn is_at(&self, other: &Self) -> bool {
        self.api == other.api && self.used == other.used
    }

    /// Whether two would work on the same. On one volume that is a matter of folders; data that is reached by two volumes
    /// has one user at a time, and what nobody can tell may be the same.
    pub(super) fn meets(&self, other: &Self) -> bool {
        if self.same_volume(other) {
            return self.used.meets(&other.used);
        }
        match (&self.data, &other.data) {
            (Some(one), Some(another)) => !one.is_disjoint(another),
            _ => true,
        }
    }
}

/// What a manifest or a record says of a volume: what is behind it, and the ids of the data that it needs.
type Lead = (Behind, BTreeSet<String>);

/// What the volumes of all APIs lead to, whatever the plan is about.
pub(super) struct Places {
    /// By API and name.
    volumes: HashMap<(Arc<str>, String), Vec<Lead>>,
    /// Recorded workloads by the data that they use.
    users: OnceLock<HashMap<String, BTreeSet<Address>>>,
}

impl Places {
    /// What the manifests and the state say of volumes.
    pub(super) fn of(known: &Known<'_>) -> Self {
        let mut places = Self { volumes: HashMap::new(), users: OnceLock::new() };
        for record in known.records.values() {
            if let Some(kind) = known.kind_of(record).filter(|kind| kind.volume.is_some()) {
                places.add(record.provider.api(), kind, &record.applied.value(), data(known, &record.dependencies));
            }
        }
        for node in known.inputs.graph.iter().filter(|node| node.kind.volume.is_some()) {
            let data = data(known, known.inputs.graph.dependencies(&node.address));
            places.add(node.provider.api(), node.kind, &node.desired.to_stored(), data);
        }
        places
    }

    fn add(&mut self, api: &Arc<str>, kind: &Kind, object: &serde_json::Value, data: BTreeSet<String>) {
        if let Some(volume) = kind.volume.and_then(|volume| volume(object)) {
            self.volumes.entry((api.clone(), volume.name)).or_default().push((volume.behind, data));
        }
    }

    /// The ids of the data that a volume leads to; `None` where that cannot be told.
    fn follow(&self, api: &Arc<str>, name: &str, seen: &mut HashSet<String>) -> Option<BTreeSet<String>> {
        let known = self.volumes.get(&(api.clone(), name.to_owned())).filter(|_| seen.insert(name.to_owned()))?;
        let found = self.behind(api, name, known, seen);
        // Only a way back is a circle: manifests and state both say what a volume leads to.
        seen.remove(name);
        found
    }

    /// The same of all that is said of one.
    fn behind(
        &self,
        api: &Arc<str>,
        name: &str,
        known: &[Lead],
        seen: &mut HashSet<String>,
    ) -> Option<BTreeSet<String>> {
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
                    found.insert(own_data(api, name));
                }
            }
        }
        Some(found)
    }

    /// Where an object works that does so; without a word of its own, everywhere on the data that it needs.
    pub(super) fn at<'n>(
        &self,
        known: &Known<'_>,
        uses: Vec<Use>,
        provider: &ProviderKey,
        needs: impl IntoIterator<Item = &'n Address>,
    ) -> Vec<Place> {
        if uses.is_empty() {
            return Vec::new();
        }
        let api = provider.api();
        let needed = data(known, needs);
        let place = |used: Use| {
            let data = self.follow(api, &used.volume, &mut HashSet::new());
            Place { data: data.or_else(|| (!needed.is_empty()).then(|| needed.clone())), used, api: api.clone() }
        };
        uses.into_iter().map(place).collect()
    }

    /// Where an object is to work.
    pub(super) fn wished(&self, known: &Known<'_>, address: &Address) -> Option<Vec<Place>> {
        let node = known.inputs.graph.get(address)?;
        let uses = node.kind.uses?(&node.desired.to_stored()).unwrap_or_else(anywhere);
        Some(self.at(known, uses, &node.provider, known.inputs.graph.dependencies(address)))
    }

    /// Where an object was applied to work.
    pub(super) fn applied(&self, known: &Known<'_>, record: &Record) -> Option<Vec<Place>> {
        let uses = known.kind_of(record)?.uses?(&record.applied.value()).unwrap_or_else(anywhere);
        Some(self.at(known, uses, &record.provider, &record.dependencies))
    }

    /// The recorded workloads that use the data with this id.
    pub(super) fn users_of(&self, known: &Known<'_>, id: &str) -> Vec<Address> {
        let users = self.users.get_or_init(|| {
            let mut users: HashMap<String, BTreeSet<Address>> = HashMap::new();
            for record in known.records.values() {
                for place in self.applied(known, record).unwrap_or_default() {
                    for id in place.data.into_iter().flatten() {
                        users.entry(id).or_default().insert(record.address.clone());
                    }
                }
            }
            users
        });
        users.get(&id.to_lowercase()).into_iter().flatten().cloned().collect()
    }
}

/// What stands for the data of a volume that has no other name.
pub(super) fn own_data(api: &str, volume: &str) -> String {
    format!("{api} {volume}")
}

/// A workload that does not say where it works.
fn anywhere() -> Vec<Use> {
    vec![Use { part: String::new(), volume: String::new(), folder: String::new() }]
}

/// The providers' own ids of what holds data among these.
fn data<'n>(known: &Known<'_>, needs: impl IntoIterator<Item = &'n Address>) -> BTreeSet<String> {
    needs.into_iter().filter_map(|need| data_id(known, need)).map(|(id, _)| id).collect()
}

/// The provider's own id of what holds data, and its API; its address as long as it has no id.
pub(super) fn data_id(known: &Known<'_>, address: &Address) -> Option<(String, Arc<str>)> {
    let holds_data = |kind: &&'static Kind| kind.holds == Holds::Data;
    if let Some(record) = known.records.get(address).copied().or_else(|| known.record(address)) {
        known.kind(&record.provider, address.kind()).filter(holds_data)?;
        return Some((record.physical_id.to_lowercase(), record.provider.api().clone()));
    }
    let node = known.inputs.graph.get(address).filter(|node| node.kind.holds == Holds::Data)?;
    let provider = known.inputs.providers.get(&node.provider);
    let id = node.import.clone().or_else(|| provider?.physical_id(node.kind, &node.desired));
    Some((id.map_or_else(|| address.to_string(), |id| id.to_lowercase()), node.provider.api().clone()))
}
