//! The order between planned actions: what apply needs, so that it never asks the graph or the state again.

use std::collections::{HashMap, HashSet};

use kompox_state::Record;

use super::handover::Handover;
use super::places::data_id;
use super::problem::Problem;
use super::view::View;
use crate::engine::address::Address;
use crate::engine::code::ProblemCode;
use crate::engine::kind::{Holds, Kind};
use crate::engine::plan::{PlannedAction, Verb};
use crate::engine::provider::ProviderKey;

/// The actions in an order in which each comes after those that it waits for, which it names from then on. `handovers` are
/// always kept, as are `locks`.
///
/// # Errors
/// Actions that wait for each other: the wish and the records are acyclic each, but need not be together.
pub(super) fn order(
    view: &View<'_>,
    mut actions: Vec<PlannedAction>,
    handovers: &[Handover],
    locks: &[Handover],
) -> Result<Vec<PlannedAction>, Box<Problem>> {
    let verbs = actions.iter().map(|action| (action.address.clone(), action.action));
    let verbs: HashMap<Address, Verb> = verbs.collect();
    let mut after = needs(&actions, &verbs);
    users_first(view, &verbs, &mut after);
    let turns = turns(view, &actions, &verbs, &mut after);
    for Handover { from, to } in handovers.iter().chain(locks) {
        after.entry(to.clone()).or_default().push(from.clone());
    }
    sorted(&mut actions, &after, turns).map_err(|circle| Box::new(in_a_circle(view, &actions, handovers, &circle)))?;
    Ok(actions)
}

/// Addresses that others come after.
type After = HashMap<Address, Vec<Address>>;

fn is_removed(verb: Verb) -> bool {
    matches!(verb, Verb::Delete | Verb::Forget)
}

/// What each needs goes first.
fn needs(actions: &[PlannedAction], verbs: &HashMap<Address, Verb>) -> After {
    let made = actions.iter().filter(|action| !is_removed(action.action));
    made.map(|action| {
        let needs = action.dependencies.iter().filter(|need| verbs.get(*need).is_some_and(|verb| !is_removed(*verb)));
        (action.address.clone(), needs.cloned().collect())
    })
    .collect()
}

/// What used something that is removed lets go first: by its own removal, or by the change that drops it.
fn users_first(view: &View<'_>, verbs: &HashMap<Address, Verb>, after: &mut After) {
    let is_container = |address: &Address| {
        let kind = view.record(address).and_then(|record| view.kind_of(record));
        kind.is_some_and(|kind| kind.holds == Holds::Objects)
    };
    for (recorded, record) in &view.records {
        let address = view.address_now(recorded);
        let Some(verb) = verbs.get(address) else { continue };
        for need in &record.dependencies {
            let Some(needed) = verbs.get(need).filter(|verb| is_removed(**verb)) else { continue };
            if *needed != Verb::Forget || !is_container(need) {
                after.entry(need.clone()).or_default().push(address.clone());
            } else if *verb == Verb::Forget {
                // A container is forgotten because something in it is kept. As long as the state knows the one, it must
                // not have forgotten the other: a next run after a kill would want to delete the container.
                after.entry(address.clone()).or_default().push(need.clone());
            }
        }
    }
}

/// Users of data, by the provider's id of it.
type Users<'v> = HashMap<String, Vec<(&'v Address, &'v Record)>>;

/// A disk has one user at a time: whoever leaves goes before whoever comes, even between two clusters (`after`). Within one
/// API that holds for workloads only (the answer): there two volumes of one disk may exist for a while, because the workload
/// in front of them moves from one to the other. What is made of the data in its own API, such as a snapshot, uses none.
///
/// A service may move from one workload to another that shares its disk: whoever drops it by a change goes before whoever is
/// new, and whoever is removed before all others. What is known to be handed over always goes in this order.
fn turns(view: &View<'_>, actions: &[PlannedAction], verbs: &HashMap<Address, Verb>, after: &mut After) -> After {
    let is_workload = |provider: &ProviderKey, kind: &str| view.kind(provider, kind).is_some_and(Kind::is_workload);
    let (mut leaving, mut changing): (Users<'_>, Users<'_>) = Default::default();
    for (recorded, record) in &view.records {
        let address = view.address_now(recorded);
        let users = match verbs.get(address) {
            Some(Verb::Delete) => &mut leaving,
            Some(Verb::Update | Verb::Replace) if is_workload(&record.provider, &record.kind) => &mut changing,
            _ => continue,
        };
        for (id, _) in record.dependencies.iter().filter_map(|need| data_id(view, need)) {
            users.entry(id).or_default().push((address, record));
        }
    }
    let mut turns = After::new();
    for action in actions {
        let creates = action.action == Verb::Create;
        if !creates && !matches!(action.action, Verb::Update | Verb::Replace) {
            continue;
        }
        let (api, works) = (action.provider.api(), is_workload(&action.provider, &action.kind));
        for (id, home) in action.dependencies.iter().filter_map(|need| data_id(view, need)) {
            for (address, record) in leaving.get(&id).into_iter().flatten() {
                let other = record.provider.api();
                if other != api {
                    if creates && *api != home && *other != home {
                        after.entry(action.address.clone()).or_default().push((*address).clone());
                    }
                } else if works && is_workload(&record.provider, &record.kind) {
                    turns.entry(action.address.clone()).or_default().push((*address).clone());
                }
            }
            for (address, record) in changing.get(&id).into_iter().flatten().filter(|_| creates && works) {
                if record.provider.api() == api {
                    turns.entry(action.address.clone()).or_default().push((*address).clone());
                }
            }
        }
    }
    turns
}

/// Sorts the actions; the answer is a circle of those that wait for each other.
fn sorted(actions: &mut Vec<PlannedAction>, after: &After, mut turns: After) -> Result<(), Vec<Address>> {
    set(actions, after, &turns);
    let Err(circle) = sort(actions) else { return Ok(()) };
    // A workload that others need cannot always wait its turn. That is given up where nothing is handed over, and only
    // for those that wait for each other; what is left is refused.
    for address in circle {
        turns.remove(&address);
    }
    set(actions, after, &turns);
    sort(actions).map_err(|stuck| one_circle(actions, &stuck))
}

fn in_a_circle(view: &View<'_>, actions: &[PlannedAction], handovers: &[Handover], circle: &[Address]) -> Problem {
    let passes = |address: &Address| handovers.iter().any(|one| one.from == *address || one.to == *address);
    let both_ways = circle.iter().filter(|address| passes(address)).count() > 1;
    let line = |address: &Address| {
        let planned = actions.iter().find(|planned| planned.address == *address);
        let verb = planned.map_or(String::new(), |planned| format!("{} ", planned.action));
        // What is removed stands in no manifest any more: where it was asked for, the state knows.
        let origin = planned.and_then(|planned| planned.origin.as_ref()).map(ToString::to_string);
        let was = || Some(format!("was {}", view.record(address)?.source.as_ref()?));
        let place = origin.or_else(was).map_or(String::new(), |place| format!(" ({place})"));
        format!("  {verb}{address}{place}")
    };
    let lines: Vec<_> = circle.iter().chain(circle.first()).map(line).collect();
    let message = format!("these changes wait for each other:\n{}", lines.join("\n    waits for\n"));
    let origin = circle.first().and_then(|address| view.inputs.graph.get(address)?.origin.clone());
    Problem::new(ProblemCode::WaitsForItself, None, message).at(origin).help(if both_ways {
        "what uses a volume would pass both ways between them; move one service, apply, then move the other"
    } else {
        "make the change in two steps: apply the new objects first, then drop the old ones"
    })
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

fn set(actions: &mut [PlannedAction], after: &After, turns: &After) {
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
