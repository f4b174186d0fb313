//! Who uses data right now: workloads as they were seen, and data that nobody can have.

use std::collections::{HashMap, HashSet};

use kompox_state::Record;

use super::fold::Findings;
use super::look;
use super::places::{Place, data_id, own_data};
use super::view::View;
use crate::engine::address::Address;
use crate::engine::kind::{Behind, Holds, Use};
use crate::engine::plan::Verb;
use crate::engine::provider::{Observation, ProviderError};

/// What was seen of a workload.
pub(super) enum Sight {
    /// Where it works; nowhere, if it is gone or was not looked at.
    Uses(Vec<Use>),
    /// It is there as far as anybody knows, and could not be read.
    Unread(Box<ProviderError>),
}

/// What was seen beside what the plan is about.
pub(super) struct Users {
    seen: HashMap<Address, Observation>,
    /// Data that no machine has attached, by the provider's id in lower case.
    unattached: HashMap<String, Address>,
    /// Data that this plan makes, which nobody can use yet.
    new: HashSet<String>,
}

impl Users {
    /// As the plan saw it.
    pub(super) fn of(view: &View<'_>, findings: &Findings) -> Self {
        let free = view.inputs.graph.iter().filter_map(|node| {
            let unattached = node.kind.unattached?;
            let observed = view.seen(&node.address).filter(|observed| unattached(&observed.object.value()))?;
            Some((observed.physical_id.to_lowercase(), node.address.clone()))
        });
        let made = findings.actions.iter().filter(|planned| planned.action == Verb::Create).filter_map(|planned| {
            let node = view.inputs.graph.get(&planned.address)?;
            if node.kind.holds == Holds::Data {
                return data_id(view, &node.address).map(|(id, _)| id);
            }
            let volume = node.kind.volume.and_then(|volume| volume(&node.desired.to_stored()))?;
            (volume.behind == Behind::Itself).then(|| own_data(node.provider.api(), &volume.name))
        });
        Self { seen: HashMap::new(), unattached: free.collect(), new: made.collect() }
    }

    /// Looks at every recorded workload that was not read: a selection leaves out whoever it does not name, and somebody
    /// may have changed one of them so that it uses what this plan gives to another.
    pub(super) async fn look(&mut self, view: &View<'_>) {
        let unread = view.records.values().filter(|record| {
            let read = match view.observations.get(view.address_now(&record.address)) {
                Some(Observation::Found(observed)) => !observed.object.is_unseen(),
                Some(Observation::Missing | Observation::Failed(_)) => true,
                Some(Observation::NotYet(_)) | None => false,
            };
            !read && view.kind_of(record).is_some_and(|kind| kind.uses.is_some())
        });
        self.seen = look::at_records(view, unread.copied()).await;
    }

    /// What was seen of a workload.
    pub(super) fn sight(&self, view: &View<'_>, address: &Address, record: &Record) -> Sight {
        let observation = self.seen.get(address).or_else(|| view.observations.get(address));
        match observation {
            Some(Observation::Found(observed)) => {
                let uses = view.kind_of(record).and_then(|kind| kind.uses);
                Sight::Uses(uses.and_then(|uses| uses(&observed.object.value())).unwrap_or_default())
            }
            Some(Observation::Failed(error)) => Sight::Unread(error.clone()),
            Some(Observation::Missing | Observation::NotYet(_)) | None => Sight::Uses(Vec::new()),
        }
    }

    /// Whether the provider says that no machine has any of the data of a place attached.
    pub(super) fn is_free(&self, place: &Place) -> bool {
        Self::all_of(place, |id| self.unattached.contains_key(id))
    }

    /// The data of a place that no machine has attached.
    pub(super) fn unattached<'p>(&'p self, place: &'p Place) -> impl Iterator<Item = &'p Address> {
        place.data.iter().flatten().filter_map(|id| self.unattached.get(id))
    }

    /// Whether all data of a place is yet to be made.
    pub(super) fn is_new(&self, place: &Place) -> bool {
        Self::all_of(place, |id| self.new.contains(id))
    }

    fn all_of(place: &Place, is_in: impl Fn(&str) -> bool) -> bool {
        let data = place.data.as_ref().filter(|data| !data.is_empty());
        data.is_some_and(|data| data.iter().all(|id| is_in(id)))
    }
}
