//! Whether everything that a state has recorded exists and is what it was.

use std::collections::HashMap;

use kompox_state::Record;

use super::address::Address;
use super::kind::{Holds, Kinds};
use super::provider::{Observation, Providers, Target};
use super::refresh;

/// What is wrong with what is recorded, by address, in words. Changes nothing.
pub async fn astray(records: &[Record], providers: &Providers, kinds: Kinds, lineage: &str) -> Vec<(Address, String)> {
    let mut wrong = Vec::new();
    let mut targets = Vec::new();
    let (lost, records): (Vec<&Record>, Vec<&Record>) = records.iter().partition(|record| record.progress.lost);
    let unknown = "a state that was lost may have known data here, and nobody said which: see what the plan says";
    wrong.extend(lost.into_iter().map(|record| (record.address.clone(), unknown.to_owned())));
    for record in &records {
        match kinds(&record.provider, &record.kind) {
            Some(kind) => {
                let (address, physical_id) = (record.address.clone(), Some(record.physical_id.clone()));
                targets.push((record.provider.clone(), Target { address, kind, physical_id, find: None }));
            }
            None => {
                wrong.push((record.address.clone(), format!("this version does not know the kind {}", record.kind)));
            }
        }
    }
    let mut seen = HashMap::new();
    refresh::read_all(providers, targets, &mut seen).await;
    for record in records {
        let (Some(kind), Some(observation)) = (kinds(&record.provider, &record.kind), seen.get(&record.address)) else {
            continue;
        };
        let id = &record.physical_id;
        let why = match observation {
            Observation::Missing => format!("{id} does not exist"),
            Observation::NotYet(reason) => format!("{id} does not exist: {reason}"),
            Observation::Failed(error) => format!("{id} cannot be read: {}", error.described()),
            Observation::Found(observed) => {
                let marked = kind.marked && !record.protection.adopted;
                let another =
                    kind.holds == Holds::Data && observed.uid.is_some() && observed.uid != record.progress.uid;
                if marked && observed.lineage.as_deref() != Some(lineage) {
                    format!("{id} does not carry the mark of this state")
                } else if another {
                    format!("{id} was deleted and made anew since kompox knew it")
                } else {
                    continue;
                }
            }
        };
        wrong.push((record.address.clone(), why));
    }
    wrong
}

/// Whether data that a record speaks of is not there any more, as its API says. What cannot be read may be there.
pub async fn is_gone(record: &Record, providers: &Providers, kinds: Kinds) -> bool {
    let kind = kinds(&record.provider, &record.kind).filter(|kind| kind.holds == Holds::Data);
    let (Some(kind), Some(provider)) = (kind, providers.get(&record.provider)) else { return false };
    let (address, physical_id) = (record.address.clone(), Some(record.physical_id.clone()));
    let seen = provider.read(&[Target { address, kind, physical_id, find: None }]).await.pop();
    matches!(seen, Some(Observation::Missing))
}

/// Whether what a record speaks of is there, the same as ever, and carries no mark any more.
pub async fn is_unmarked(record: &Record, providers: &Providers, kinds: Kinds) -> bool {
    let kind = kinds(&record.provider, &record.kind).filter(|kind| kind.marked && !record.protection.adopted);
    let (Some(kind), Some(provider)) = (kind, providers.get(&record.provider)) else { return false };
    let (address, physical_id) = (record.address.clone(), Some(record.physical_id.clone()));
    match provider.read(&[Target { address, kind, physical_id, find: None }]).await.pop() {
        Some(Observation::Found(observed)) => observed.lineage.is_none() && observed.uid == record.progress.uid,
        _ => false,
    }
}
