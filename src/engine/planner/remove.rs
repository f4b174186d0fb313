//! What to do with what the manifests no longer mention, or what a destroy removes; and the comparison for drift.

use std::collections::{BTreeSet, HashMap, HashSet};

use kompox_state::Record;

use super::{Planner, changed_outputs, release};
use crate::engine::address::Address;
use crate::engine::diff::{self, Sides};
use crate::engine::graph::Protection;
use crate::engine::ground;
use crate::engine::identity::Identity;
use crate::engine::kind::{Holds, Kind};
use crate::engine::plan::{Cause, Danger, FieldChange, PlannedAction, Precondition, Verb};
use crate::engine::provider::{Observation, Observed, Transition};
use crate::engine::value::{Path, Value};

/// A record that is to be removed.
struct Doomed<'a> {
    identity: Identity,
    address: Address,
    record: &'a Record,
    kind: &'static Kind,
}

/// An object that several addresses stand for.
struct Shared {
    /// The address for which it is kept, and why.
    keep: Option<(Address, String)>,
    /// The address under which it is deleted.
    first: Option<Address>,
}

impl<'a> Planner<'a> {
    /// Plans the removal of records that no node stands for (of all, for a destroy).
    pub(super) fn deletions(&mut self, all: bool) {
        let renamed: HashSet<Address> = self.moved.values().cloned().collect();
        let inputs = self.inputs;
        let mut doomed: Vec<Doomed<'a>> = Vec::new();
        for record in &inputs.snapshot.records {
            let address = record.address.clone();
            let wanted = !all && (inputs.graph.get(&address).is_some() || renamed.contains(&address));
            if let Some(kind) = (inputs.kinds)(&record.kind)
                && !wanted
                && self.selected.contains(&address)
            {
                doomed.push(Doomed { identity: Identity::of(record), address, record, kind });
            }
        }
        if doomed.is_empty() {
            return;
        }
        let mut shared = self.shared(&doomed);
        let going: HashSet<Address> = doomed.iter().map(|one| one.address.clone()).collect();
        // What is kept is decided first: a container that holds any of it is kept with it.
        let mut kept: BTreeSet<String> = BTreeSet::new();
        let mut containers = Vec::new();
        for one in doomed {
            if one.kind.holds == Holds::Objects {
                containers.push(one);
            } else if !self.delete(&one, &mut shared, None) {
                kept.insert(one.identity.text().to_owned());
            } else if one.kind.safeguarded {
                // The safety copy is made beside it, and stays.
                kept.insert(format!("{}_safety", one.identity.text()));
            }
        }
        // What this plan does not remove stays, selected or not; what was renamed, too, unless it is made anew elsewhere.
        let replaced = self.actions.iter().filter(|planned| planned.action == Verb::Replace);
        let vacated: HashSet<&Address> = replaced.filter_map(|planned| planned.moved_from.as_ref()).collect();
        kept.extend(
            inputs
                .snapshot
                .records
                .iter()
                .filter(|record| !going.contains(&record.address) && !vacated.contains(&record.address))
                .map(|record| Identity::of(record).text().to_owned()),
        );
        // Inner containers first, so that an outer one sees what is kept of them.
        containers.sort_by_key(|one| std::cmp::Reverse(one.record.physical_id.len()));
        for one in containers {
            let inside = format!("{}/", one.identity.text());
            let holds = kept.range(inside.clone()..).next().filter(|id| id.starts_with(&inside)).cloned();
            if !self.delete(&one, &mut shared, holds.as_deref()) {
                kept.insert(one.identity.text().to_owned());
            }
        }
    }

    /// Objects that another address stands for too, with why this plan must keep them, if it must: what is recorded or
    /// wanted under an address that goes on is never deleted under another one.
    fn shared(&self, doomed: &[Doomed<'a>]) -> HashMap<Identity, Shared> {
        let going: HashMap<&Address, &Doomed<'_>> = doomed.iter().map(|one| (&one.address, one)).collect();
        let of_doomed: HashSet<&Identity> = doomed.iter().map(|one| &one.identity).collect();
        let inputs = self.inputs;
        let mut holders: HashMap<Identity, BTreeSet<Address>> = HashMap::new();
        let mut add = |identity: Identity, address: Address| {
            if of_doomed.contains(&identity) {
                holders.entry(identity).or_default().insert(address);
            }
        };
        for record in &inputs.snapshot.records {
            add(Identity::of(record), self.address_now(&record.address));
        }
        for planned in &self.actions {
            if let Some(id) = &planned.physical_id {
                add(Identity::new(&planned.provider, id), planned.address.clone());
            }
        }
        for node in inputs.graph.iter() {
            if let Some(id) = &node.import {
                add(Identity::new(&node.provider, id), node.address.clone());
            }
        }
        for (address, provider, id) in &inputs.imports {
            add(Identity::new(provider, id), address.clone());
        }
        for (identity, address) in &self.wanted {
            add(identity.clone(), address.clone());
        }
        let several = holders.into_iter().filter(|(_, addresses)| addresses.len() > 1);
        several
            .map(|(identity, addresses)| {
                let stays = addresses.iter().find(|address| !going.contains_key(address));
                let keep = stays.map(|other| match inputs.graph.get(other) {
                    Some(_) => (other.clone(), format!("it goes on as {other}")),
                    None => (other.clone(), format!("it is {other}, too, which this plan does not remove")),
                });
                let keep = keep.or_else(|| {
                    addresses.iter().find_map(|address| {
                        self.kept_anyway(going.get(address)?)?;
                        Some((address.clone(), format!("it is {address}, too, which is kept")))
                    })
                });
                (identity, Shared { keep, first: None })
            })
            .collect()
    }

    /// Why an object is kept although it is to be removed, whoever else knows it.
    fn kept_anyway(&self, one: &Doomed<'_>) -> Option<String> {
        let Some(Observation::Found(observed)) = self.observations.get(&one.address) else { return None };
        self.keep(one, observed)
    }

    fn keep(&self, one: &Doomed<'_>, observed: &Observed) -> Option<String> {
        let Doomed { record, kind, .. } = one;
        let protection = &record.protection;
        if protection.orphan {
            return Some("its deletionPolicy is Orphan: the object is kept, the state forgets it".to_owned());
        }
        if protection.adopted {
            return Some("kompox did not make it: the object is kept, the state forgets it".to_owned());
        }
        // What kompox made carries its mark; what does not is never deleted, whoever took the mark away.
        if kind.marked && observed.lineage.as_deref() != Some(self.inputs.lineage) {
            return Some(
                "it does not carry the mark of this state: the object is kept, the state forgets it".to_owned(),
            );
        }
        let grounds = self.stands_on(record, kind);
        if let Some(why) = grounds.and_then(|grounds| ground::not_ours(&grounds, self.inputs.lineage)) {
            return Some(format!("{why}: the object is kept, the state forgets it"));
        }
        // Deleted and made anew by somebody: whatever is in it now, nobody named its loss. A record that never learned a
        // uid cannot tell.
        let another = kind.holds == Holds::Data && observed.uid.is_some() && observed.uid != record.progress.uid;
        another.then(|| "it is not the one that kompox made: the object is kept, the state forgets it".to_owned())
    }

    /// Plans one removal; `false` if the object is kept.
    fn delete(&mut self, one: &Doomed<'a>, shared: &mut HashMap<Identity, Shared>, holds: Option<&str>) -> bool {
        let Doomed { identity, address, record, kind } = one;
        let protection = record.protection.clone();
        let observed = match self.observations.get(address).cloned() {
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
                self.push_removal(address, record, None, Verb::Forget, "it is gone already".into(), protection);
                return true;
            }
            Some(Observation::NotYet(reason)) => {
                self.vanished.insert(address.clone());
                self.push_removal(
                    address,
                    record,
                    None,
                    Verb::Forget,
                    format!("what it lived in is gone: {reason}"),
                    protection,
                );
                return true;
            }
            None => return false,
        };
        let others = shared.get_mut(identity);
        let goes_on = others.as_ref().and_then(|shared| shared.keep.clone()).filter(|(other, _)| other != address);
        let keep =
            goes_on.as_ref().map(|(_, reason)| reason.clone()).or_else(|| self.keep(one, &observed)).or_else(|| {
                let free = !protection.prevent_destroy && !protection.read_only;
                let held = holds.filter(|_| free).map(|inner| inner.rsplit('/').next().unwrap_or(inner));
                held.map(|inner| format!("it holds what is kept: {inner}"))
            });
        if let Some(reason) = keep {
            if kind.holds == Holds::Data && goes_on.is_none() {
                let text = format!("kept: {}", observed.physical_id);
                let help =
                    vec!["to adopt it again:".to_owned(), format!("kompox import {address} {}", observed.physical_id)];
                self.notes.push(Danger { help, ..Danger::about("kept", address, text) });
            }
            self.push_removal(address, record, Some(&observed), Verb::Forget, reason, protection);
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
        }
        // Two records of one object: it is deleted once.
        if let Some(shared) = others {
            if let Some(first) = &shared.first {
                let reason = format!("it goes as {first}");
                self.push_removal(address, record, Some(&observed), Verb::Forget, reason, protection);
                return true;
            }
            shared.first = Some(address.clone());
        }
        if kind.holds == Holds::Data {
            let copy = if kind.safeguarded {
                "a safety copy is taken first and never deleted"
            } else {
                "there is no safety copy"
            };
            let text = format!("deleted with all its data, {copy}: {}", observed.physical_id);
            self.dangers.push(Danger::about("data-deleted", address, text));
        }
        let reason = if self.inputs.graph.is_empty() { "destroy" } else { "the manifests no longer mention it" };
        self.push_removal(address, record, Some(&observed), Verb::Delete, reason.into(), protection);
        true
    }

    /// Plans to forget what is in a cluster that cannot be reached and was given up.
    fn give_up(&mut self, address: &Address, record: &Record, kind: &Kind, protection: Protection) {
        let reason = "its cluster is abandoned and cannot be reached: it may run on there".to_owned();
        self.push_removal(address, record, None, Verb::Forget, reason, protection);
        if let Some(planned) = self.actions.last_mut() {
            // Nobody looked, so nobody can say that it is gone.
            planned.precondition.existed = None;
        }
        if kind.uses.is_some() {
            self.given_up.insert(address.clone());
            let text =
                format!("forgotten, and it may run on in a cluster that cannot be reached: {}", record.physical_id);
            let help = vec!["delete it there by hand as soon as that cluster can be reached".to_owned()];
            self.dangers.push(Danger { help, ..Danger::about("given-up", address, text) });
        }
    }

    fn push_removal(
        &mut self,
        address: &Address,
        record: &Record,
        observed: Option<&Observed>,
        action: Verb,
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
                existed: (!self.inputs.options.offline).then_some(observed.is_some()),
                uid: observed.and_then(|observed| observed.uid.clone()),
                ..Precondition::default()
            },
            ending: false,
            unconfirmed: None,
            force: false,
            moved_from: None,
            protection,
            dependencies: record.dependencies.clone(),
        });
    }

    /// Plans to accept what is observed: for `drift` and `plan --refresh-only`.
    pub(super) fn refresh_only(&mut self) {
        let inputs = self.inputs;
        for record in &inputs.snapshot.records {
            let address = record.address.clone();
            let (Some(kind), Some(observation)) = ((inputs.kinds)(&record.kind), self.observations.remove(&address))
            else {
                continue;
            };
            let protection = record.protection.clone();
            match observation {
                Observation::Failed(error) => self.unreadable(&address, error, None),
                Observation::Missing => {
                    let reason = "it was deleted outside of kompox".to_owned();
                    self.push_removal(&address, record, None, Verb::Forget, reason, protection);
                }
                Observation::NotYet(reason) => {
                    self.push_removal(
                        &address,
                        record,
                        None,
                        Verb::Forget,
                        format!("it is gone: {reason}"),
                        protection,
                    );
                }
                // Taken from the state, because a lock hides it: what it is cannot be said.
                Observation::Found(_) if self.locked.contains_key(&address) => {
                    self.unchanged.insert(address.clone());
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
        let recorded_uid = record.progress.uid.as_ref();
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
        self.push_removal(address, record, Some(observed), Verb::Refresh, reason, protection);
        if let Some(action) = self.actions.last_mut() {
            action.changes = changes;
        }
    }
}
