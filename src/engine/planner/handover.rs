//! Data that passes from one workload to another: a part of the one becomes a part of the other, on the same place of the
//! same volume. Two programs in one place would destroy what is there, so whoever leaves is gone before the other comes.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::Planner;
use crate::engine::action::Action;
use crate::engine::address::Address;
use crate::engine::kind::Use;
use crate::engine::plan::Danger;
use crate::engine::provider::api_of;

/// One place that changes its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Handover {
    /// Who lets go, by a change or a removal.
    pub(super) from: Address,
    /// Who takes over.
    pub(super) to: Address,
}

struct Leaver {
    address: Address,
    api: String,
    lost: Vec<Use>,
}

impl Planner<'_> {
    /// Who must have let go before whom. A place that would be taken from a workload that this plan leaves alone is a
    /// problem.
    pub(super) fn handovers(&mut self) -> Vec<Handover> {
        let comers: Vec<(Address, String, Vec<Use>)> = self
            .actions
            .iter()
            .filter(|planned| {
                matches!(planned.action, Action::Create | Action::Update | Action::Replace | Action::Import)
            })
            .filter_map(|planned| {
                let after = self.wished(&planned.address)?;
                // What was deleted outside of kompox uses nothing any more.
                let before = if planned.action == Action::Create { None } else { self.used(&planned.address) };
                let gained = lacking(&after, &before.unwrap_or_default());
                (!gained.is_empty()).then(|| (planned.address.clone(), api_of(&planned.provider), gained))
            })
            .collect();
        if comers.is_empty() {
            return Vec::new();
        }
        let leavers = self.leavers();
        let mut by_volume: HashMap<&str, Vec<usize>> = HashMap::new();
        for (position, leaver) in leavers.iter().enumerate() {
            let volumes: BTreeSet<&str> = leaver.lost.iter().map(|place| place.volume.as_str()).collect();
            for volume in volumes {
                by_volume.entry(volume).or_default().push(position);
            }
        }
        let planned: HashSet<Address> = self.actions.iter().map(|planned| planned.address.clone()).collect();
        let mut found = Vec::new();
        for (to, api, gained) in comers {
            let mut seen = BTreeSet::new();
            for place in &gained {
                for position in by_volume.get(place.volume.as_str()).into_iter().flatten() {
                    let leaver = &leavers[*position];
                    let meets =
                        leaver.api == api && leaver.address != to && leaver.lost.iter().any(|lost| lost.meets(place));
                    if !meets || !seen.insert(*position) {
                        continue;
                    }
                    if planned.contains(&leaver.address) {
                        found.push(Handover { from: leaver.address.clone(), to: to.clone() });
                    } else if !self.selected.contains(&leaver.address) {
                        let message = format!("{to} would use {place} while {} still does", leaver.address);
                        let origin = self.inputs.graph.get(&to).and_then(|node| node.origin.clone());
                        let problem = self.problem(Some(&to), message, origin);
                        problem.help.push(format!("change both in one go: add --target {}", leaver.address));
                    }
                }
            }
        }
        for handover in &found {
            let text = format!("takes over what {} uses now; it is down until that one has let go", handover.from);
            self.notes.push(Danger { address: Some(handover.to.clone()), text, help: Vec::new() });
        }
        found
    }

    /// Workloads that the state knows and that use less, or nothing, from now on.
    fn leavers(&self) -> Vec<Leaver> {
        let renamed: HashMap<&Address, &Address> = self.moved.iter().map(|(new, old)| (old, new)).collect();
        let leaver = |(recorded, record): (&Address, &&kompox_state::Record)| {
            let uses = (self.inputs.kinds)(&record.kind)?.uses?;
            let address = renamed.get(recorded).copied().unwrap_or(recorded);
            let after = self.wished(address).unwrap_or_default();
            let lost = lacking(&uses(&record.applied.value()), &after);
            let api = api_of(&record.provider);
            (!lost.is_empty()).then(|| Leaver { address: address.clone(), api, lost })
        };
        let mut leavers: Vec<Leaver> = self.records.iter().filter_map(leaver).collect();
        leavers.sort_by(|a, b| a.address.cmp(&b.address));
        leavers
    }

    fn wished(&self, address: &Address) -> Option<Vec<Use>> {
        let node = self.inputs.graph.get(address)?;
        Some(node.kind.uses?(&node.desired.to_stored()))
    }

    fn used(&self, address: &Address) -> Option<Vec<Use>> {
        let record = self.record(address)?;
        Some((self.inputs.kinds)(&record.kind)?.uses?(&record.applied.value()))
    }
}

fn lacking(have: &[Use], others: &[Use]) -> Vec<Use> {
    have.iter().filter(|place| !others.contains(place)).cloned().collect()
}
