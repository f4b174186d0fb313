//! Names in a comment: addresses as short as tells them apart, and what the cloud or the cluster calls the same thing.

use std::collections::{BTreeSet, HashMap};

use crate::engine::address::{Address, ends};
use crate::engine::plan::{Plan, PlannedAction};

/// What a person types into kubectl, or searches for in a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Own<'p> {
    /// The object's name there.
    pub(super) name: &'p str,
    /// The Namespace, or the group of the cloud, that it is in.
    pub(super) place: Option<&'p str>,
}

impl<'p> Own<'p> {
    /// From the provider's id of an object, a path that ends with its name.
    pub(super) fn of(planned: &'p PlannedAction) -> Option<Self> {
        let id = planned.physical_id.as_deref()?;
        let segments: Vec<&str> = id.split('/').collect();
        let (name, above) = segments.split_last()?;
        // `…/namespaces/<place>/<kind>/<name>` of Kubernetes, `…/<place>/providers/<kind>/<name>` of a cloud's own API.
        let at = |word: &str| above.iter().position(|segment| segment.eq_ignore_ascii_case(word));
        let before = at("providers").and_then(|at| at.checked_sub(1));
        let place = at("namespaces").map(|at| at + 1).or(before).and_then(|at| above.get(at)).copied();
        // Nobody types the names that nobody chose.
        let is_chosen = !name.is_empty() && uuid::Uuid::try_parse(name).is_err();
        is_chosen.then_some(Self { name, place: place.filter(|place| place != name) })
    }
}

/// The names of everything that a plan speaks of.
pub(super) struct Names<'p> {
    /// How many addresses end so, for every end that begins at a kind or at a part of the scope.
    ends: HashMap<&'p str, usize>,
    own: HashMap<&'p Address, Own<'p>>,
}

impl<'p> Names<'p> {
    pub(super) fn of(plan: &'p Plan) -> Self {
        let said = plan.dangers.iter().chain(&plan.notes).filter_map(|said| said.address.as_ref());
        let restarts = plan.restarts.iter().map(|restart| &restart.address);
        let hosts = plan.hosts.iter().map(|(address, _)| address);
        let actions = plan.actions.iter().map(|planned| &planned.address);
        let all: BTreeSet<&str> = actions.chain(said).chain(restarts).chain(hosts).map(Address::as_str).collect();
        let mut count: HashMap<&str, usize> = HashMap::new();
        for end in all.into_iter().flat_map(ends) {
            *count.entry(end).or_default() += 1;
        }
        let own = plan.actions.iter().filter_map(|planned| Some((&planned.address, Own::of(planned)?))).collect();
        Self { ends: count, own }
    }

    /// The shortest end that no other address of the plan has; one that is not of the plan stays whole.
    pub(super) fn short<'a>(&self, address: &'a str) -> &'a str {
        ends(address).find(|end| self.ends.get(end) == Some(&1)).unwrap_or(address)
    }

    /// What its own side calls it.
    pub(super) fn own(&self, address: &Address) -> Option<Own<'p>> {
        self.own.get(address).copied()
    }
}
