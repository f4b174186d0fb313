//! One plan of many decisions.

use std::collections::{HashMap, HashSet};

use super::decision::{Decided, Decision};
use super::draft::Draft;
use super::problem::Refusals;
use super::remove::{Fate, Removal};
use crate::engine::address::Address;
use crate::engine::identity::Identity;
use crate::engine::plan::{Danger, PlannedAction, Restart, Usage};

/// All that was decided.
#[derive(Default)]
pub(super) struct Findings {
    /// What is done.
    pub(super) actions: Vec<PlannedAction>,
    /// What stays as it is.
    pub(super) unchanged: HashSet<Address>,
    pub(super) restarts: Vec<Restart>,
    pub(super) dangers: Vec<Danger>,
    pub(super) notes: Vec<Danger>,
    pub(super) refusals: Refusals,
    /// Objects that there will be in the place of others.
    pub(super) becomes: Vec<(Identity, Address)>,
    /// What happens to what nobody wishes for.
    pub(super) fates: HashMap<Address, Fate>,
    /// Who uses the data that is given to others.
    pub(super) usage: Usage,
    /// Outputs that stay as they are during the apply.
    pub(super) outputs: HashMap<Address, serde_json::Value>,
}

impl Findings {
    /// The decisions, in their order.
    pub(super) fn of<'d>(decisions: impl IntoIterator<Item = (Address, Decided<'d>)>) -> Self {
        let decisions = decisions.into_iter();
        let mut findings = Self { unchanged: HashSet::with_capacity(decisions.size_hint().0), ..Self::default() };
        for (address, decided) in decisions {
            findings.add(address, decided);
        }
        findings
    }

    /// Adds what becomes of what nobody wishes for.
    pub(super) fn remove(&mut self, removals: Vec<Removal>) {
        for Removal { address, fate, decided } in removals {
            self.fates.insert(address.clone(), fate);
            self.add(address, decided);
        }
    }

    fn add(&mut self, address: Address, decided: Decided<'_>) {
        self.dangers.extend(decided.dangers);
        self.notes.extend(decided.notes);
        match decided.decision {
            Decision::Unchanged => {
                self.unchanged.insert(address);
            }
            Decision::Abandoned => {}
            Decision::Refuse(refusal) => self.refusals.add(refusal),
            // Whom nobody could ask does what was decided.
            Decision::Act(draft) | Decision::Ask(draft, _) => {
                let Draft { action, restart, becomes } = *draft;
                self.becomes.extend(becomes.map(|identity| (identity, address)));
                self.restarts.extend(restart);
                self.actions.push(action);
            }
        }
    }

    /// The actions by their addresses.
    pub(super) fn by_address(&self) -> HashMap<&Address, &PlannedAction> {
        self.actions.iter().map(|planned| (&planned.address, planned)).collect()
    }

    /// What happens to something that nobody wishes for.
    pub(super) fn fate(&self, address: &Address) -> Option<Fate> {
        self.fates.get(address).copied()
    }
}
