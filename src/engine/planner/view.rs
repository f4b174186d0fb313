//! All that a plan is made from, to be read only: what is known, and what was seen.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::OnceLock;

use kompox_state::Record;

use super::known::Known;
use super::places::Places;
use crate::engine::address::Address;
use crate::engine::ground::{Grounds, Seen};
use crate::engine::identity::Identity;
use crate::engine::kind::Kind;
use crate::engine::plan::Mode;
use crate::engine::provider::{Observation, Observed, ProviderError};

/// What everything is decided by. Nobody changes it.
pub(super) struct View<'a> {
    known: Known<'a>,
    /// What was seen.
    pub(super) observations: HashMap<Address, Observation>,
    /// What could not be read because a lock closes the way to it: taken as the state knows it.
    pub(super) locked: BTreeMap<Address, Box<ProviderError>>,
    /// What was seen of what unmarked objects stand on, by the address that the state knows it by; `None`: it is gone.
    pub(super) under: HashMap<Address, Option<Seen>>,
    /// What unmarked objects stand on, where there are any.
    pub(super) grounds: Option<Grounds<'a>>,
    /// Ids of data of this state that is not where kompox would make it and that no record knows, by the wish whose tags it carries;
    /// an error where nobody could look.
    pub(super) elsewhere: HashMap<Address, Result<Vec<String>, Box<ProviderError>>>,
    /// Data in containers that would be removed, recorded or not.
    pub(super) inside: Vec<Identity>,
    /// What others have in a container that would be removed.
    pub(super) strangers: HashMap<Address, Vec<String>>,
    /// Ids of data of this state that is in the same container as what would be made, and that no record knows, by that wish.
    pub(super) beside: HashMap<Address, Vec<String>>,
    places: OnceLock<Places>,
}

impl<'a> Deref for View<'a> {
    type Target = Known<'a>;

    fn deref(&self) -> &Known<'a> {
        &self.known
    }
}

impl<'a> View<'a> {
    /// What is known, before anybody has looked.
    pub(super) fn unseen(known: Known<'a>) -> Self {
        Self {
            known,
            observations: HashMap::new(),
            locked: BTreeMap::new(),
            under: HashMap::new(),
            grounds: None,
            elsewhere: HashMap::new(),
            inside: Vec::new(),
            strangers: HashMap::new(),
            beside: HashMap::new(),
            places: OnceLock::new(),
        }
    }

    /// What was seen of an object that is wished for and decided on.
    pub(super) fn seen(&self, address: &Address) -> Option<&Observed> {
        let decides = matches!(self.inputs.mode, Mode::Apply | Mode::Import);
        match self.observations.get(address) {
            Some(Observation::Found(observed)) if decides && self.inputs.graph.get(address).is_some() => Some(observed),
            _ => None,
        }
    }

    /// What was seen of what an object without a mark stands on; `None` for one that can carry a mark.
    pub(super) fn stands_on(&self, record: &Record, kind: &Kind) -> Option<Vec<Option<Seen>>> {
        if kind.marked {
            return None;
        }
        let grounds = self.grounds.as_ref().map(|grounds| grounds.of(record)).unwrap_or_default();
        Some(grounds.iter().filter_map(|ground| self.under.get(&ground.address).cloned()).collect())
    }

    /// Where workloads work, by the manifests and the state.
    pub(super) fn places(&self) -> &Places {
        self.places.get_or_init(|| Places::of(&self.known))
    }

    /// The recorded workloads that use the data with this id.
    pub(super) fn users_of(&self, id: &str) -> Vec<Address> {
        self.places().users_of(&self.known, id)
    }
}
