//! Data that is made empty while other data of its app goes out of sight, whatever is known of who used that.

use std::collections::BTreeSet;

use super::empty::{Starts, is_empty};
use super::left::left;
use super::whole::Whole;
use crate::engine::address::Address;
use crate::engine::code::DangerCode;
use crate::engine::plan::{Danger, Verb};

/// Empty data that is made for a workload while other data of its app is left, where nobody has said so.
pub(super) fn made_beside(whole: &Whole<'_>, starts: &Starts) -> Vec<Danger> {
    let makes = whole.findings.actions.iter().filter(|planned| planned.action == Verb::Create);
    let made: BTreeSet<&Address> = makes.map(|planned| &planned.address).collect();
    let dangers = made.into_iter().filter(|address| !starts.told.contains(*address)).filter_map(|address| {
        let workload = starts.used.get(address)?;
        is_empty(whole, address)?;
        let left = left(whole, address, workload);
        let text =
            format!("{} starts without its data: this one is new and empty; {}", workload.short(), left.words()?);
        let help = left.cure(whole, address);
        Some(Danger { help, ..Danger::about(DangerCode::StartsEmpty, address, text) })
    });
    dangers.collect()
}
