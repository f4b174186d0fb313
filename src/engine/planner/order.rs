//! The order between planned actions: what apply needs, so that it never asks the graph or the state again.

use std::collections::{HashMap, HashSet};

use kompox_state::Record;

use crate::engine::action::Action;
use crate::engine::address::Address;
use crate::engine::plan::PlannedAction;

/// Fills in `after_addresses` and sorts the actions so that each comes after those.
pub(super) fn order(actions: &mut Vec<PlannedAction>, records: &HashMap<Address, &Record>) {
    let verbs: HashMap<Address, Action> =
        actions.iter().map(|action| (action.address.clone(), action.action)).collect();
    let removed = |action: Action| matches!(action, Action::Delete | Action::Forget);
    let mut after: HashMap<Address, Vec<Address>> = HashMap::with_capacity(actions.len());
    for action in actions.iter() {
        if removed(action.action) {
            continue;
        }
        // What it needs goes first.
        let needs = action.dependencies.iter().filter(|need| verbs.get(*need).is_some_and(|verb| !removed(*verb)));
        after.entry(action.address.clone()).or_default().extend(needs.cloned());
    }
    let arriving = arrivals(actions);
    let renamed: HashMap<&str, &Address> =
        actions.iter().filter_map(|action| Some((action.moved_from.as_ref()?.as_str(), &action.address))).collect();
    for (recorded, record) in records {
        let address = renamed.get(recorded.as_str()).copied().unwrap_or(recorded);
        let Some(user) = verbs.get(address) else { continue };
        for need in &record.dependencies {
            let Some((need, verb)) = verbs.get_key_value(need.as_str()) else { continue };
            if removed(*verb) {
                // What used it lets go first: by its own removal, or by the change that drops it.
                after.entry(need.clone()).or_default().push(address.clone());
            } else if *user == Action::Delete && need != address {
                // Two users of one thing in turn: whoever leaves goes before whoever comes.
                for new in arriving.get(&(need.as_str(), record.kind.as_str())).into_iter().flatten() {
                    after.entry((*new).clone()).or_default().push(address.clone());
                }
            }
        }
    }
    // Users that leave a thing which itself stays: the claim in the old cluster before the one in the new.
    let mut leaving: HashMap<(&str, &str), Vec<&Address>> = HashMap::new();
    for (address, record) in records {
        if verbs.get(address) == Some(&Action::Delete) {
            for need in record.dependencies.iter().filter(|need| !verbs.contains_key(need.as_str())) {
                leaving.entry((need, &record.kind)).or_default().push(address);
            }
        }
    }
    for action in actions.iter().filter(|action| action.action == Action::Create) {
        for need in &action.dependencies {
            for address in leaving.get(&(need.as_str(), action.kind.as_str())).into_iter().flatten() {
                after.entry(action.address.clone()).or_default().push((*address).clone());
            }
        }
    }
    for action in actions.iter_mut() {
        let mut addresses = after.remove(&action.address).unwrap_or_default();
        addresses.sort();
        addresses.dedup();
        action.after_addresses = addresses;
    }
    sort(actions);
}

/// New users by what they use and by their kind.
fn arrivals(actions: &[PlannedAction]) -> HashMap<(&str, &str), Vec<&Address>> {
    let mut arriving: HashMap<(&str, &str), Vec<&Address>> = HashMap::new();
    for action in actions.iter().filter(|action| action.action == Action::Create) {
        for need in &action.dependencies {
            arriving.entry((need.as_str(), &action.kind)).or_default().push(&action.address);
        }
    }
    arriving
}

/// A stable topological sort: ready actions in their present order.
fn sort(actions: &mut Vec<PlannedAction>) {
    let mut sorted = try_sort(actions);
    // Edges come from two acyclic graphs (the wish and the records), which only together can form a circle: a new user
    // that waits for the old one to go, which waits for what goes over to the new one. First the new ones wait no
    // longer for the old ones, then the removals lose their order; the wish keeps its own.
    for lose in [Lose::Turns, Lose::Removals] {
        if sorted.len() < actions.len() {
            let done: HashSet<usize> = sorted.iter().copied().collect();
            let stuck: HashSet<usize> = (0..actions.len()).filter(|position| !done.contains(position)).collect();
            loosen(actions, &stuck, lose);
            sorted = try_sort(actions);
        }
    }
    let mut slots: Vec<Option<PlannedAction>> = std::mem::take(actions).into_iter().map(Some).collect();
    actions.extend(sorted.into_iter().filter_map(|position| slots[position].take()));
}

/// Which edges a circle gives up.
#[derive(Clone, Copy)]
enum Lose {
    /// Of what is made, after what goes.
    Turns,
    /// All of what goes.
    Removals,
}

fn loosen(actions: &mut [PlannedAction], stuck: &HashSet<usize>, lose: Lose) {
    let removed = |action: &PlannedAction| matches!(action.action, Action::Delete | Action::Forget);
    let going: HashSet<Address> = stuck
        .iter()
        .map(|position| &actions[*position])
        .filter(|action| removed(action))
        .map(|action| action.address.clone())
        .collect();
    for position in stuck {
        let action = &mut actions[*position];
        match (lose, removed(action)) {
            (_, false) => action.after_addresses.retain(|address| !going.contains(address)),
            (Lose::Turns, true) => {}
            (Lose::Removals, true) => action.after_addresses.clear(),
        }
    }
}

/// The positions in an order that respects every edge; those in or behind a circle are left out.
fn try_sort(actions: &[PlannedAction]) -> Vec<usize> {
    let index: HashMap<&Address, usize> = actions.iter().enumerate().map(|(i, action)| (&action.address, i)).collect();
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
    sorted
}
