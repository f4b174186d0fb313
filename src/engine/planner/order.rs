//! The order between planned actions: what apply needs, so that it never asks the graph or the state again.

use std::collections::{HashMap, HashSet};

use kompox_state::Record;

use super::handover::Handover;
use crate::engine::address::Address;
use crate::engine::plan::{PlannedAction, Verb};
use crate::engine::provider::api_of;

/// Fills in `after_addresses` and sorts the actions so that each comes after those. `data` gives the provider's own id of
/// what holds data, and its API, for such addresses only; `is_workload` tells kinds that use it, `is_container` kinds that
/// hold other objects.
///
/// # Errors
/// Actions that wait for each other, each for the next and the last for the first: the wish and the records are acyclic
/// each, but need not be together.
pub(super) fn order(
    actions: &mut Vec<PlannedAction>,
    records: &HashMap<Address, &Record>,
    handovers: &[Handover],
    data: impl Fn(&Address) -> Option<(String, String)>,
    is_workload: impl Fn(&str) -> bool,
    is_container: impl Fn(&str) -> bool,
) -> Result<(), Vec<Address>> {
    let verbs: HashMap<Address, Verb> = actions.iter().map(|action| (action.address.clone(), action.action)).collect();
    let removed = |action: Verb| matches!(action, Verb::Delete | Verb::Forget);
    let mut after: HashMap<Address, Vec<Address>> = HashMap::with_capacity(actions.len());
    for action in actions.iter() {
        if removed(action.action) {
            continue;
        }
        // What it needs goes first.
        let needs = action.dependencies.iter().filter(|need| verbs.get(*need).is_some_and(|verb| !removed(*verb)));
        after.entry(action.address.clone()).or_default().extend(needs.cloned());
    }
    let renamed: HashMap<&Address, &Address> =
        actions.iter().filter_map(|action| Some((action.moved_from.as_ref()?, &action.address))).collect();
    for (recorded, record) in records {
        let address = renamed.get(recorded).copied().unwrap_or(recorded);
        if !verbs.contains_key(address) {
            continue;
        }
        for need in &record.dependencies {
            let Some((need, verb)) = verbs.get_key_value(need).filter(|(_, verb)| removed(**verb)) else {
                continue;
            };
            if *verb == Verb::Forget && is_container(need.kind()) {
                // A container is forgotten because something in it is kept. As long as the state knows the one, it must
                // not have forgotten the other: a next run after a kill would want to delete the container.
                if verbs.get(address) == Some(&Verb::Forget) {
                    after.entry(address.clone()).or_default().push(need.clone());
                }
            } else {
                // What used it lets go first: by its own removal, or by the change that drops it.
                after.entry(need.clone()).or_default().push(address.clone());
            }
        }
    }
    // A disk has one user at a time: whoever leaves goes before whoever comes, even between two clusters. Within one
    // API that holds for workloads only: there two volumes of one disk may exist for a while, because the workload in
    // front of them moves from one to the other. What is made of the data in its own API, such as a snapshot, uses none.
    let mut leaving: HashMap<String, Vec<(&Address, &Record)>> = HashMap::new();
    let mut turns: HashMap<Address, Vec<Address>> = HashMap::new();
    // A service may move from one workload to another that shares its disk: whoever drops it by a change goes before
    // whoever is new, and whoever is removed before all others. What is known to be handed over always goes in this order.
    let mut changing: HashMap<String, Vec<(&Address, &Record)>> = HashMap::new();
    for (recorded, record) in records {
        let address = renamed.get(recorded).copied().unwrap_or(recorded);
        let users = match verbs.get(address) {
            Some(Verb::Delete) => &mut leaving,
            Some(Verb::Update | Verb::Replace) if is_workload(&record.kind) => &mut changing,
            _ => continue,
        };
        for (id, _) in record.dependencies.iter().filter_map(&data) {
            users.entry(id).or_default().push((address, record));
        }
    }
    for action in actions.iter() {
        let creates = action.action == Verb::Create;
        if !creates && !matches!(action.action, Verb::Update | Verb::Replace) {
            continue;
        }
        let api = api_of(&action.provider);
        for (id, home) in action.dependencies.iter().filter_map(&data) {
            for (address, record) in leaving.get(&id).into_iter().flatten() {
                let other = api_of(&record.provider);
                if other != api {
                    if creates && api != home && other != home {
                        after.entry(action.address.clone()).or_default().push((*address).clone());
                    }
                } else if is_workload(&record.kind) && is_workload(&action.kind) {
                    turns.entry(action.address.clone()).or_default().push((*address).clone());
                }
            }
            if creates && is_workload(&action.kind) {
                for (address, record) in changing.get(&id).into_iter().flatten() {
                    if api_of(&record.provider) == api {
                        turns.entry(action.address.clone()).or_default().push((*address).clone());
                    }
                }
            }
        }
    }
    for Handover { from, to } in handovers {
        after.entry(to.clone()).or_default().push(from.clone());
    }
    set(actions, &after, &turns);
    let Err(circle) = sort(actions) else { return Ok(()) };
    // A workload that others need cannot always wait its turn. That is given up where nothing is handed over, and only
    // for those that wait for each other; what is left is refused.
    for address in circle {
        turns.remove(&address);
    }
    set(actions, &after, &turns);
    sort(actions).map_err(|stuck| one_circle(actions, &stuck))
}

/// One circle among actions of which none can go first.
fn one_circle(actions: &[PlannedAction], stuck: &[Address]) -> Vec<Address> {
    let left: HashMap<&Address, &[Address]> = actions
        .iter()
        .filter(|action| stuck.contains(&action.address))
        .map(|action| (&action.address, action.after_addresses.as_slice()))
        .collect();
    // Each that is stuck waits for another that is, so the walk comes back to where it was.
    let mut path: Vec<&Address> = stuck.iter().take(1).collect();
    while let Some(next) = path.last().and_then(|here| left.get(*here)?.iter().find(|next| left.contains_key(*next))) {
        if let Some(start) = path.iter().position(|seen| *seen == next) {
            return path[start..].iter().map(|address| (*address).clone()).collect();
        }
        path.push(next);
    }
    stuck.to_vec()
}

fn set(actions: &mut [PlannedAction], after: &HashMap<Address, Vec<Address>>, turns: &HashMap<Address, Vec<Address>>) {
    for action in actions {
        let edges = [after.get(&action.address), turns.get(&action.address)];
        let mut addresses: Vec<Address> = edges.into_iter().flatten().flatten().cloned().collect();
        addresses.sort();
        addresses.dedup();
        action.after_addresses = addresses;
    }
}

/// A stable topological sort: ready actions in their present order.
fn sort(actions: &mut Vec<PlannedAction>) -> Result<(), Vec<Address>> {
    let index: HashMap<Address, usize> =
        actions.iter().enumerate().map(|(i, action)| (action.address.clone(), i)).collect();
    let mut waiting: Vec<usize> = vec![0; actions.len()];
    let mut unblocks: Vec<Vec<usize>> = vec![Vec::new(); actions.len()];
    for (position, action) in actions.iter().enumerate() {
        for need in action.after_addresses.iter().filter_map(|address| index.get(address)) {
            waiting[position] += 1;
            unblocks[*need].push(position);
        }
    }
    let mut ready: std::collections::BTreeSet<usize> = (0..actions.len()).filter(|i| waiting[*i] == 0).collect();
    let mut sorted = Vec::with_capacity(actions.len());
    while let Some(next) = ready.pop_first() {
        sorted.push(next);
        for position in &unblocks[next] {
            waiting[*position] -= 1;
            if waiting[*position] == 0 {
                ready.insert(*position);
            }
        }
    }
    if sorted.len() < actions.len() {
        let done: HashSet<usize> = sorted.into_iter().collect();
        return Err((0..actions.len()).filter(|i| !done.contains(i)).map(|i| actions[i].address.clone()).collect());
    }
    let mut slots: Vec<Option<PlannedAction>> = std::mem::take(actions).into_iter().map(Some).collect();
    actions.extend(sorted.into_iter().filter_map(|position| slots[position].take()));
    Ok(())
}
