//! What to do with what the manifests no longer mention, or what a destroy removes; and the comparison for drift.

use std::collections::{BTreeSet, HashMap, HashSet};

use kompox_state::Record;

use super::{Planner, changed_outputs, release};
use crate::engine::action::Action;
use crate::engine::address::Address;
use crate::engine::diff::{self, Sides};
use crate::engine::graph::Protection;
use crate::engine::kind::{Holds, Kind};
use crate::engine::plan::{Cause, Danger, FieldChange, PlannedAction, Precondition};
use crate::engine::provider::{Observation, Observed, Transition, api_of};
use crate::engine::value::{Path, Value};

impl<'a> Planner<'a> {
    /// Plans the removal of records that no node stands for (of all, for a destroy).
    pub(super) fn deletions(&mut self, all: bool) {
        let renamed: HashSet<Address> = self.moved.values().cloned().collect();
        let inputs = self.inputs;
        let mut doomed: Vec<(Address, &'a Record, &'static Kind)> = Vec::new();
        for record in &inputs.snapshot.records {
            let address = Address::from_text(record.address.as_str());
            let wanted = !all && (inputs.graph.get(&address).is_some() || renamed.contains(&address));
            if let Some(kind) = (inputs.kinds)(&record.kind)
                && !wanted
                && self.selected.contains(&address)
            {
                doomed.push((address, record, kind));
            }
        }
        if doomed.is_empty() {
            return;
        }
        self.claimed = self.claims(all);
        // What is kept is decided first: a container that holds any of it is kept with it.
        let mut kept: BTreeSet<String> = BTreeSet::new();
        let place = |record: &Record| physical_place(&record.provider, &record.physical_id);
        let mut containers = Vec::new();
        for (address, record, kind) in doomed {
            if kind.holds == Holds::Objects {
                containers.push((address, record, kind));
            } else if !self.delete(&address, record, kind, None) {
                kept.insert(place(record));
            } else if kind.safeguarded {
                // The safety copy is made beside it, and stays.
                kept.insert(format!("{}_safety", place(record)));
            }
        }
        // What was renamed stays where it is, unless it is made anew elsewhere.
        let replaced = self.actions.iter().filter(|planned| planned.action == Action::Replace);
        let replaced: HashSet<&Address> = replaced.map(|planned| &planned.address).collect();
        let staying: HashSet<&Address> =
            self.moved.iter().filter(|(new, _)| !replaced.contains(new)).map(|(_, old)| old).collect();
        let stays = |address: &Address| (inputs.graph.get(address).is_some() || staying.contains(address)) && !all;
        kept.extend(
            inputs
                .snapshot
                .records
                .iter()
                .filter(|record| stays(&Address::from_text(record.address.as_str())))
                .map(&place),
        );
        // Inner containers first, so that an outer one sees what is kept of them.
        containers.sort_by_key(|(_, record, _)| std::cmp::Reverse(record.physical_id.len()));
        for (address, record, kind) in containers {
            let inside = format!("{}/", place(record));
            let holds = kept.range(inside.clone()..).next().filter(|id| id.starts_with(&inside)).cloned();
            if !self.delete(&address, record, kind, holds.as_deref()) {
                kept.insert(place(record));
            }
        }
    }

    /// Physical objects that stay under some address: nothing of them may be deleted under another.
    fn claims(&self, all: bool) -> HashMap<(String, String), Address> {
        if all {
            return HashMap::new();
        }
        let key = |provider: &str, id: &str| (api_of(provider), id.to_ascii_lowercase());
        let planned = self.actions.iter().filter_map(|planned| {
            Some((key(&planned.provider, planned.physical_id.as_deref()?), planned.address.clone()))
        });
        let kept = self.inputs.snapshot.records.iter().filter_map(|record| {
            let address = Address::from_text(record.address.as_str());
            self.inputs.graph.get(&address)?;
            Some((key(&record.provider, &record.physical_id), address))
        });
        planned.chain(kept).collect()
    }

    /// Plans one removal; `false` if the object is kept.
    fn delete(&mut self, address: &Address, record: &'a Record, kind: &'static Kind, holds: Option<&str>) -> bool {
        let protection = record.protection.clone();
        let observed = match self.observations.remove(address) {
            Some(Observation::Found(observed)) => observed,
            Some(Observation::Failed(_)) if self.is_abandoned(address) => {
                self.give_up(address, record, kind, protection);
                return true;
            }
            Some(Observation::Failed(error)) => {
                self.unreadable(address, error, None);
                return false;
            }
            Some(Observation::Missing) => {
                self.gone.insert(address.clone());
                self.push_removal(address, record, None, Action::Forget, "it is gone already".into(), protection);
                return true;
            }
            Some(Observation::NotYet(reason)) => {
                self.vanished.insert(address.clone());
                self.push_removal(
                    address,
                    record,
                    None,
                    Action::Forget,
                    format!("what it lived in is gone: {reason}"),
                    protection,
                );
                return true;
            }
            None => return false,
        };
        // What kompox made carries its mark; what does not is never deleted, whoever took the mark away.
        let foreign = kind.marked && observed.lineage.as_deref() != Some(self.inputs.lineage);
        let claimed = self.claimed.get(&(api_of(&record.provider), record.physical_id.to_ascii_lowercase()));
        let keep = if let Some(new) = claimed.filter(|new| *new != address) {
            Some(format!("it goes on as {new}"))
        } else if protection.orphan {
            Some("its deletionPolicy is Orphan: the object is kept, the state forgets it".to_owned())
        } else if protection.adopted {
            Some("kompox did not make it: the object is kept, the state forgets it".to_owned())
        } else if foreign {
            Some("it does not carry the mark of this state: the object is kept, the state forgets it".to_owned())
        } else {
            let free = !protection.prevent_destroy && !protection.read_only;
            let held = holds.filter(|_| free).map(|inner| inner.rsplit('/').next().unwrap_or(inner));
            held.map(|inner| format!("it holds what is kept: {inner}"))
        };
        let goes_on = claimed.is_some_and(|new| new != address);
        if let Some(reason) = keep {
            if kind.holds == Holds::Data && !goes_on {
                let text = format!("kept: {}", observed.physical_id);
                let help =
                    vec!["to adopt it again:".to_owned(), format!("kompox import {address} {}", observed.physical_id)];
                self.notes.push(Danger { address: Some(address.clone()), text, help });
            }
            self.push_removal(address, record, Some(&observed), Action::Forget, reason, protection);
            return false;
        }
        if protection.prevent_destroy || protection.read_only {
            let message = format!("{address} is protected and this plan would delete it");
            let problem = self.problem(Some(address), message, None);
            problem.help.push("protection lives in the state: deleting its line or block does not lift it".into());
            problem.help.push("apply an explicit preventDestroy: false or protection: none first".into());
            return false;
        }
        if kind.holds == Holds::Data {
            let allowed = self.inputs.options.allow_data_loss.contains(address);
            if !allowed {
                let message = format!("{address} holds data and this plan would delete it: {}", observed.physical_id);
                let problem = self.problem(Some(address), message, None);
                problem.help.push("keep the data: set deletionPolicy: Orphan and apply, then remove it".into());
                problem.help.push(format!("or lose it:  --allow-data-loss {address}"));
                return false;
            }
            let copy = if kind.safeguarded {
                "a safety copy is taken first and never deleted"
            } else {
                "there is no safety copy"
            };
            let text = format!("deleted with all its data, {copy}: {}", observed.physical_id);
            self.dangers.push(Danger { address: Some(address.clone()), text, help: Vec::new() });
        }
        let reason = if self.inputs.graph.is_empty() { "destroy" } else { "the manifests no longer mention it" };
        self.push_removal(address, record, Some(&observed), Action::Delete, reason.into(), protection);
        true
    }

    /// Plans to forget what is in a cluster that cannot be reached and was given up.
    fn give_up(&mut self, address: &Address, record: &Record, kind: &Kind, protection: Protection) {
        let reason = "its cluster is abandoned and cannot be reached: it may run on there".to_owned();
        self.push_removal(address, record, None, Action::Forget, reason, protection);
        if let Some(planned) = self.actions.last_mut() {
            // Nobody looked, so nobody can say that it is gone.
            planned.precondition.existed = None;
        }
        if kind.uses.is_some() {
            self.given_up.insert(address.clone());
            let text =
                format!("forgotten, and it may run on in a cluster that cannot be reached: {}", record.physical_id);
            let help = vec!["delete it there by hand as soon as that cluster can be reached".to_owned()];
            self.dangers.push(Danger { address: Some(address.clone()), text, help });
        }
    }

    fn push_removal(
        &mut self,
        address: &Address,
        record: &Record,
        observed: Option<&Observed>,
        action: Action,
        reason: String,
        protection: Protection,
    ) {
        self.actions.push(PlannedAction {
            address: address.clone(),
            kind: record.kind.clone(),
            provider: record.provider.as_str().into(),
            action,
            reason,
            origin: None,
            physical_id: Some(record.physical_id.clone()),
            uid: observed.and_then(|observed| observed.uid.clone()),
            after: None,
            changes: Vec::new(),
            desired_digest: None,
            after_addresses: Vec::new(),
            precondition: Precondition {
                record_serial: Some(record.updated_serial),
                existed: self.inputs.options.refresh.then_some(observed.is_some()),
                uid: observed.and_then(|observed| observed.uid.clone()),
                ..Precondition::default()
            },
            ending: false,
            unconfirmed: None,
            force: false,
            moved_from: None,
            protection,
            dependencies: record.dependencies.iter().map(|need| Address::from_text(need.as_str())).collect(),
        });
    }

    /// Plans to accept what is observed: for `drift` and `plan --refresh-only`.
    pub(super) fn refresh_only(&mut self) {
        let inputs = self.inputs;
        for record in &inputs.snapshot.records {
            let address = Address::from_text(record.address.as_str());
            let (Some(kind), Some(observation)) = ((inputs.kinds)(&record.kind), self.observations.remove(&address))
            else {
                continue;
            };
            let protection = record.protection.clone();
            match observation {
                Observation::Failed(error) => self.unreadable(&address, error, None),
                Observation::Missing => {
                    let reason = "it was deleted outside of kompox".to_owned();
                    self.push_removal(&address, record, None, Action::Forget, reason, protection);
                }
                Observation::NotYet(reason) => {
                    self.push_removal(
                        &address,
                        record,
                        None,
                        Action::Forget,
                        format!("it is gone: {reason}"),
                        protection,
                    );
                }
                Observation::Found(observed) => self.drift_of(&address, record, kind, &observed, protection),
            }
        }
    }

    fn drift_of(
        &mut self,
        address: &Address,
        record: &Record,
        kind: &'static Kind,
        observed: &Observed,
        protection: Protection,
    ) {
        let last = Value::from_stored(&record.applied.value());
        let ignore = self.inputs.graph.get(address).map(|node| node.ignore_changes.clone()).unwrap_or_default();
        let seen = diff::mask(kind, &observed.object, &[&last], &self.digest());
        let sides = Sides {
            kind,
            last: Some(&last),
            observed: &seen,
            desired: &last,
            ignore: &ignore,
            writers: &observed.writers,
        };
        let mut changes: Vec<FieldChange> = diff::diff(&sides)
            .into_iter()
            // Seen from the state: it was as we applied it, and is now as observed.
            .map(|change| FieldChange {
                before: change.after,
                after: change.before,
                forces_replacement: false,
                ..change
            })
            .collect();
        changes.extend(changed_outputs(kind, record, observed));
        // Seen from the state: what it was tied to is gone, what it was is going.
        changes.extend(release(observed));
        if observed.transition == Some(Transition::Deleting) {
            changes.push(FieldChange {
                path: Path::root().key("deletion"),
                before: None,
                after: Some("under way".into()),
                cause: Cause::Drift { writer: None, time: None },
                forces_replacement: false,
            });
        }
        let recorded_uid = record.baseline.uid.as_ref();
        if let (Some(then), Some(now)) = (recorded_uid.map(String::as_str), observed.uid.as_deref())
            && then != now
        {
            changes.push(FieldChange {
                path: Path::root().key("uid"),
                before: Some(then.into()),
                after: Some(now.into()),
                cause: Cause::Drift { writer: None, time: None },
                forces_replacement: false,
            });
        }
        if changes.is_empty() {
            self.unchanged.insert(address.clone());
            return;
        }
        let reason = "it was changed outside of kompox".to_owned();
        self.push_removal(address, record, Some(observed), Action::Refresh, reason, protection);
        if let Some(action) = self.actions.last_mut() {
            action.changes = changes;
        }
    }
}

/// A physical id with the API it is in: two clusters use the same names.
fn physical_place(provider: &str, physical_id: &str) -> String {
    format!("{} {}", api_of(provider), physical_id.to_ascii_lowercase())
}
