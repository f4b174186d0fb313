//! What may do more than before, what can be reached and what no longer, and programs that would meet data of another
//! version.

use std::collections::BTreeMap;

use super::whole::{Standing, Whole};
use crate::engine::address::Address;
use crate::engine::code::{DangerCode, NoteCode};
use crate::engine::kind::Part;
use crate::engine::plan::Danger;

/// What anybody can reach from now on, and what nobody can any more.
pub(super) fn hosts(whole: &Whole<'_>, standing: &[Standing]) -> (Vec<Danger>, Vec<Danger>) {
    let mut before: BTreeMap<String, &Address> = BTreeMap::new();
    let mut after: BTreeMap<String, &Address> = BTreeMap::new();
    for object in standing {
        let Some(opens) = object.kind.review.opens else { continue };
        before.extend(object.before.iter().flat_map(opens).map(|host| (host, &object.address)));
        after.extend(object.after.iter().flat_map(opens).map(|host| (host, &object.address)));
    }
    let only = |these: &BTreeMap<String, &Address>, those: &BTreeMap<String, &Address>| {
        let mut found: BTreeMap<Address, Vec<String>> = BTreeMap::new();
        for (host, address) in these.iter().filter(|(host, _)| !those.contains_key(*host)) {
            found.entry((*address).clone()).or_default().push(host.clone());
        }
        found
    };
    // The first apply of all opens everything that there is; its hosts are listed anyway.
    let first = whole.view.records.is_empty();
    let opened = only(&after, &before).into_iter().filter(|_| !first);
    let opened = opened.map(|(address, hosts)| {
        Danger::about(DangerCode::Opened, &address, format!("opens to the public: {}", hosts.join(", ")))
    });
    let closed = only(&before, &after).into_iter().map(|(address, hosts)| {
        Danger::about(NoteCode::HostRemoved, &address, format!("no longer answers: {}", hosts.join(", ")))
    });
    (opened.collect(), closed.collect())
}

/// The parts of both sides of a workload.
fn parts(object: &Standing) -> Option<(Vec<Part>, Vec<Part>)> {
    let read = object.kind.review.parts?;
    let after = read(object.after.as_ref()?);
    Some((object.before.as_ref().map(read).unwrap_or_default(), after))
}

/// Parts that may do what they could not.
pub(super) fn more(standing: &[Standing]) -> Vec<Danger> {
    let danger = |object: &Standing| {
        let (before, after) = parts(object)?;
        let told: Vec<String> = after
            .iter()
            .filter_map(|part| {
                let had = before.iter().find(|old| old.name == part.name);
                let new = part.powers.iter().filter(|power| !had.is_some_and(|old| old.powers.contains(power)));
                let new: Vec<&str> = new.map(String::as_str).collect();
                let who = if part.name.is_empty() { "the Pod" } else { &part.name };
                (!new.is_empty()).then(|| format!("{who}: {}", new.join(", ")))
            })
            .collect();
        let text = format!("may do more than a container should, up to taking over its node: {}", told.join("; "));
        (!told.is_empty()).then(|| Danger::about(DangerCode::Privileged, &object.address, text))
    };
    standing.iter().filter_map(danger).collect()
}

/// Programs that would read data that another version of them wrote.
pub(super) fn other_versions(standing: &[Standing]) -> Vec<Danger> {
    let mut notes = Vec::new();
    for object in standing {
        let Some((before, after)) = parts(object) else { continue };
        for part in after.iter().filter(|part| !part.mounts.is_empty()) {
            let was = before.iter().find(|old| old.name == part.name && !old.mounts.is_empty());
            if let (Some(was), Some(is)) = (was.and_then(|old| old.reads.as_ref()), &part.reads)
                && was != is
            {
                let text = format!(
                    "{} changes from {} {} to {} {}, which may not read the data, and there is no way back once it has written",
                    part.name, was.0, was.1, is.0, is.1
                );
                let help = vec!["dump the data, or take a snapshot, before this apply".into()];
                notes.push(Danger { help, ..Danger::about(NoteCode::DataVersion, &object.address, text) });
            }
        }
    }
    notes
}
