//! What a plan read without changing it.

use std::collections::{BTreeMap, HashSet};

use super::fold::Findings;
use super::view::View;
use crate::engine::address::Address;
use crate::engine::plan::Precondition;

/// Preconditions of what changes read without changing it.
pub(super) fn reads(view: &View<'_>, findings: &Findings) -> BTreeMap<Address, Precondition> {
    let changed: HashSet<&Address> = findings.actions.iter().map(|action| &action.address).collect();
    let needs = findings.actions.iter().flat_map(|action| &action.dependencies);
    let read = needs.filter(|address| !changed.contains(address)).filter_map(|address| {
        let record = view.record(address)?;
        // What was looked at must still be that object, with the outputs that were taken from it.
        let seen = view.seen(address).filter(|_| view.inputs.options.refresh);
        let precondition = Precondition {
            record_serial: Some(record.updated_serial),
            existed: seen.map(|_| true),
            uid: seen.and_then(|observed| observed.uid.clone()),
            outputs: findings.outputs.get(address).cloned(),
            ..Precondition::default()
        };
        Some((address.clone(), precondition))
    });
    read.collect()
}
