//! Data has one address: two would hand one disk to two apps, and removing one would end the other.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::Problem;
use super::view::View;
use crate::advice::{Advice, Command};
use crate::engine::address::Address;
use crate::engine::code::ProblemCode;
use crate::engine::identity::Identity;
use crate::engine::kind::Holds;
use crate::engine::plan::PlannedAction;
use crate::engine::provider::ProviderKey;

/// Data that would have two addresses, and addresses that would have two data.
pub(super) fn problems(view: &View<'_>, actions: &[PlannedAction]) -> Vec<Problem> {
    let owners = owners(view, actions);
    let several = owners.into_values().filter(|(_, addresses)| addresses.len() > 1);
    several.map(|(id, addresses)| shared(view, &id, &addresses)).chain(merged(view)).collect()
}

/// The addresses of everything that holds data, by what it is.
fn owners(view: &View<'_>, actions: &[PlannedAction]) -> BTreeMap<Identity, (String, BTreeSet<Address>)> {
    let inputs = view.inputs;
    let is_data =
        |provider: &ProviderKey, kind: &str| view.kind(provider, kind).is_some_and(|kind| kind.holds == Holds::Data);
    let mut owners: BTreeMap<Identity, (String, BTreeSet<Address>)> = BTreeMap::new();
    let mut add = |provider: &ProviderKey, id: &str, address: &Address| {
        let first = || (id.to_owned(), BTreeSet::new());
        owners.entry(Identity::new(provider, id)).or_insert_with(first).1.insert(address.clone());
    };
    for record in inputs.snapshot.records.iter().filter(|record| is_data(&record.provider, &record.kind)) {
        let address = view.address_now(&record.address);
        if !view.lets_go(address) {
            add(&record.provider, &record.physical_id, address);
        }
    }
    for planned in actions.iter().filter(|planned| is_data(&planned.provider, &planned.kind)) {
        if let Some(id) = &planned.physical_id {
            add(&planned.provider, id, &planned.address);
        }
    }
    for node in inputs.graph.iter().filter(|node| node.kind.holds == Holds::Data) {
        if let Some(id) = node.import.as_ref().filter(|_| view.record(&node.address).is_none()) {
            add(&node.provider, id, &node.address);
        }
    }
    owners
}

fn shared(view: &View<'_>, id: &str, addresses: &BTreeSet<Address>) -> Problem {
    let graph = view.inputs.graph;
    let names: Vec<_> = addresses.iter().map(Address::as_str).collect();
    let wish = addresses.iter().rev().find(|address| graph.get(address).is_some());
    let origin = wish.and_then(|address| graph.get(address)?.origin.clone());
    let message = format!("{id} would be two objects at once: {}", names.join(" and "));
    let problem = Problem::new(ProblemCode::TwoAddresses, wish.or(addresses.last()), message).at(origin);
    let Some(stale) = addresses.iter().find(|one| graph.get(one).is_none()) else {
        return problem.help("it holds data and can have one address only: take the import out of one of them");
    };
    let problem = problem.help(format!("it holds data and can have one address only, and {stale} is in the state"));
    problem.help(match wish.filter(|address| view.record(address).is_none()) {
        Some(fresh) => Advice::run("carry it over", Command::state_mv(stale, fresh)),
        None => Advice::run("forget it there, it stays", Command::state_rm(stale)),
    })
}

/// Two records never become one: an address that has data of its own cannot become what another one was.
fn merged<'v>(view: &'v View<'_>) -> impl Iterator<Item = Problem> + 'v {
    let graph = view.inputs.graph;
    graph.iter().filter(|node| node.kind.holds == Holds::Data).filter_map(move |node| {
        let old = node.moved_from.as_ref().filter(|old| graph.get(old).is_none())?;
        let (here, there) = (view.records.get(&node.address)?, view.records.get(old)?);
        if Identity::of(here) == Identity::of(there) {
            return None;
        }
        let message = format!(
            "{} cannot become what {old} was: it has data of its own, {}, and the other is {}",
            node.address, here.physical_id, there.physical_id
        );
        let forget = Command::state_rm(&node.address);
        let problem = Problem::of(ProblemCode::Merged, node, message)
            .help("take moved-from out: each keeps its own")
            .help(Advice::run("or give up the one here first, it stays", forget));
        Some(problem)
    })
}
