//! What goes with what is deleted, and protection that no longer holds from the next plan on.

use std::collections::{BTreeMap, HashSet};

use super::whole::Whole;
use crate::engine::address::Address;
use crate::engine::code::DangerCode;
use crate::engine::kind::Holds;
use crate::engine::plan::{Danger, Verb};

/// What goes with objects that are deleted. What goes with a container is not named again.
pub(super) fn losses(whole: &Whole<'_>) -> Vec<Danger> {
    let kinds = whole.view.inputs.kinds;
    let deleted: Vec<_> = whole
        .findings
        .actions
        .iter()
        .filter(|planned| planned.action.deletes())
        .filter_map(|planned| Some((planned, kinds(&planned.provider, &planned.kind)?)))
        .collect();
    let containers: HashSet<&str> = deleted
        .iter()
        .filter(|(_, kind)| kind.holds == Holds::Objects)
        .map(|(planned, _)| planned.address.scope())
        .collect();
    let mut found: Vec<Danger> = deleted
        .iter()
        .filter_map(|(planned, kind)| {
            let loss = kind.review.loss?;
            let inside = kind.holds != Holds::Objects && containers.contains(planned.address.scope());
            let again = planned.action == Verb::Replace;
            // That a workload is made anew is a restart, and listed as one; what it does to others is told there.
            if inside || again && (kind.is_workload() || kind.disturbs.is_some()) {
                return None;
            }
            let suffix = if again { "; another one is made after it" } else { "" };
            Some(Danger::about(loss.code, &planned.address, format!("{}{suffix}", loss.text)))
        })
        .collect();
    found.sort_by(|a, b| a.address.cmp(&b.address));
    found
}

/// Protection that this plan takes away: from the next plan on it no longer holds.
pub(super) fn lifted(whole: &Whole<'_>) -> Vec<Danger> {
    let kinds = whole.view.inputs.kinds;
    let mut found: BTreeMap<(&str, DangerCode, &'static str), Vec<&Address>> = BTreeMap::new();
    for planned in whole.findings.actions.iter().filter(|planned| {
        !matches!(planned.action, Verb::Delete | Verb::Forget | Verb::Read) && planned.action.is_change()
    }) {
        let Some(record) = whole.view.record(&planned.address) else { continue };
        let (before, after) = (&record.protection, &planned.protection);
        let data = kinds(&planned.provider, &planned.kind).is_some_and(|kind| kind.holds == Holds::Data);
        let mut lift = |lifted: bool, code, text| {
            if lifted {
                found.entry((planned.address.scope(), code, text)).or_default().push(&planned.address);
            }
        };
        let text = if data {
            "deletionPolicy: Orphan → Delete: once it is no longer wanted, it is deleted with its data"
        } else {
            "deletionPolicy: Orphan → Delete: once it is no longer wanted, it is deleted"
        };
        lift(before.orphan && !after.orphan, DangerCode::DeletionPolicy, text);
        let text = "its protection is lifted (preventDestroy): the next plan may delete it";
        lift(before.prevent_destroy && !after.prevent_destroy, DangerCode::ProtectionLifted, text);
        let text = "its protection is lifted (readOnly): the next plan may change it";
        lift(before.read_only && !after.read_only, DangerCode::ProtectionLifted, text);
        let text = "counts as made by kompox: the next plan may delete it";
        lift(before.adopted && !after.adopted, DangerCode::ProtectionLifted, text);
    }
    let kind = |address: &Address| whole.view.record(address).and_then(|record| whole.view.kind_of(record));
    let weight = |address: &Address| match kind(address).map(|kind| kind.holds) {
        Some(Holds::Data) => 0,
        Some(Holds::Objects) => 1,
        _ => 2,
    };
    let danger = |((_, code, text), mut addresses): ((&str, DangerCode, &'static str), Vec<&Address>)| {
        addresses.sort_by_key(|address| (weight(address), (*address).clone()));
        let data = addresses.iter().filter(|address| weight(address) == 0).count();
        // Each thing that holds data is named; of the rest of an app one stands for all.
        let named = data.max(1);
        let others = addresses.len() - named;
        let suffix = match others {
            0 => String::new(),
            1 => "; so is 1 other object".to_owned(),
            others => format!("; so are {others} other objects"),
        };
        addresses
            .into_iter()
            .take(named)
            .enumerate()
            .map(|(at, address)| {
                Danger::about(code, address, if at + 1 == named { format!("{text}{suffix}") } else { text.to_owned() })
            })
            .collect::<Vec<_>>()
    };
    found.into_iter().flat_map(danger).collect()
}
