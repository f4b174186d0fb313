//! Which objects a plan is about.

use std::collections::{HashMap, HashSet};

use kompox_state::Record;

use super::request::Inputs;
use crate::engine::address::Address;
use crate::engine::plan::Mode;

/// The addresses that a plan is about: all, or the targets with what they need (what needs them, for a destroy).
pub(super) fn select(inputs: &Inputs<'_>, records: &HashMap<Address, &Record>) -> HashSet<Address> {
    if inputs.options.targets.is_empty() {
        let planned = inputs.graph.iter().map(|node| node.address.clone());
        let recorded = inputs.snapshot.records.iter().map(|record| record.address.clone());
        return planned.chain(recorded).collect();
    }
    let mut needed_by: HashMap<&Address, Vec<&Address>> = HashMap::new();
    for (address, record) in records {
        for need in &record.dependencies {
            needed_by.entry(need).or_default().push(address);
        }
    }
    let mut selected = HashSet::new();
    let mut waiting = inputs.options.targets.clone();
    while let Some(address) = waiting.pop() {
        if selected.contains(&address) {
            continue;
        }
        match inputs.mode {
            Mode::Import => {}
            Mode::Destroy => {
                waiting.extend(needed_by.get(&address).into_iter().flatten().map(|address| (*address).clone()));
            }
            Mode::Apply | Mode::RefreshOnly => waiting.extend(inputs.graph.dependencies(&address).into_iter().cloned()),
        }
        selected.insert(address);
    }
    selected
}
