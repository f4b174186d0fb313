//! A state in memory: what backends that keep no rows make of the changes they read, and what a copy of a state holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::change::Change;
use crate::error::StateError;
use crate::fit::{readable, refused, shallow, whole};
use crate::record::{Intent, Record, Snapshot};
use crate::run::{ActionDuration, Run};
use crate::verb::Verb;

/// Everything that commits have made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Lists", into = "Lists")]
pub(crate) struct Model {
    /// The serial of the last commit.
    pub(crate) serial: u64,
    records: BTreeMap<Address, Record>,
    intents: Vec<Intent>,
    runs: Vec<Run>,
    removed: BTreeSet<Address>,
    durations: BTreeMap<(String, Verb), Mean>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Mean {
    samples: u64,
    millis: f64,
}

/// A model as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    serial: u64,
    records: Vec<Record>,
    intents: Vec<Intent>,
    runs: Vec<Run>,
    removed: Vec<Address>,
    durations: Vec<Measured>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    kind: String,
    action: Verb,
    samples: u64,
    mean_millis: f64,
}

impl From<Lists> for Model {
    fn from(lists: Lists) -> Self {
        let Lists { serial, records, intents, runs, removed, durations } = lists;
        let mean = |m: Measured| ((m.kind, m.action), Mean { samples: m.samples, millis: m.mean_millis });
        Self {
            serial,
            records: records.into_iter().map(|record| (record.address.clone(), record)).collect(),
            intents,
            runs,
            removed: removed.into_iter().collect(),
            durations: durations.into_iter().map(mean).collect(),
        }
    }
}

impl From<Model> for Lists {
    fn from(model: Model) -> Self {
        let Model { serial, records, intents, runs, removed, durations } = model;
        let measured = |((kind, action), mean): ((String, Verb), Mean)| Measured {
            kind,
            action,
            samples: mean.samples,
            mean_millis: mean.millis,
        };
        Self {
            serial,
            records: records.into_values().collect(),
            intents,
            runs,
            removed: removed.into_iter().collect(),
            durations: durations.into_iter().map(measured).collect(),
        }
    }
}

impl Model {
    /// Serial, records by address, and open intents.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot { serial: self.serial, records: self.records(), open_intents: self.intents.clone() }
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.records.values().cloned().collect()
    }

    pub(crate) fn record(&self, address: &Address) -> Option<Record> {
        self.records.get(address).cloned()
    }

    pub(crate) fn intents(&self) -> Vec<Intent> {
        self.intents.clone()
    }

    pub(crate) fn runs(&self, limit: usize) -> Vec<Run> {
        self.runs.iter().rev().take(limit).cloned().collect()
    }

    pub(crate) fn removed(&self) -> Vec<Address> {
        self.removed.iter().filter(|address| !self.records.contains_key(*address)).cloned().collect()
    }

    pub(crate) fn durations(&self) -> Vec<ActionDuration> {
        let mean = |((kind, action), mean): (&(String, Verb), &Mean)| ActionDuration {
            kind: kind.clone(),
            action: *action,
            millis: mean.millis.round() as u64,
        };
        self.durations.iter().map(mean).collect()
    }

    /// Whether a commit of these changes fits, without making any.
    ///
    /// # Errors
    /// [`StateError::Refused`] with the first that does not.
    pub(crate) fn check(&self, changes: &[Change]) -> Result<(), StateError> {
        let mut next = Overlay { model: self, records: HashMap::new(), intents: HashMap::new(), runs: HashMap::new() };
        changes.iter().try_for_each(|change| next.check(change))
    }

    /// Makes the changes of the next commit, which [`check`](Self::check) has let pass.
    pub(crate) fn apply(&mut self, changes: &[Change]) {
        self.serial += 1;
        changes.iter().for_each(|change| self.change(change));
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::PutRecord(record) => {
                let created_serial = self.records.get(&record.address).map_or(self.serial, |old| old.created_serial);
                let record = Record { created_serial, updated_serial: self.serial, ..(**record).clone() };
                self.records.insert(record.address.clone(), record);
            }
            Change::DeleteRecord(address) => {
                if self.records.remove(address).is_some() {
                    self.removed.insert(address.clone());
                }
            }
            Change::MoveRecord { from, to } => self.rename(from, to),
            Change::OpenIntent(intent) => self.intents.push((**intent).clone()),
            Change::SetOperation { id, operation_url } => {
                for intent in self.intents.iter_mut().filter(|intent| intent.id == *id) {
                    intent.operation_url = Some(operation_url.clone());
                }
            }
            Change::CloseIntent(id) => self.intents.retain(|intent| intent.id != *id),
            Change::StartRun(run) => self.runs.push(run.clone()),
            Change::Did { run, verb, elapsed_ms } => {
                // Newest first: it is the last one, but for a journal that closes an older one.
                if let Some(run) = self.runs.iter_mut().rev().find(|known| known.id == *run) {
                    run.counts.add(*verb);
                    run.duration_ms = Some(run.duration_ms.unwrap_or(0).max(*elapsed_ms));
                }
            }
            Change::FinishRun { id, finished_at, result, counts, duration_ms } => {
                if let Some(run) = self.runs.iter_mut().rev().find(|known| known.id == *id) {
                    run.finished_at = Some(finished_at.clone());
                    run.result = Some(*result);
                    run.counts = counts.clone();
                    run.duration_ms = Some(*duration_ms);
                }
            }
            Change::Duration(ActionDuration { kind, action, millis }) => {
                let mean = self.durations.entry((kind.clone(), *action)).or_default();
                mean.samples += 1;
                mean.millis += (*millis as f64 - mean.millis) / mean.samples as f64;
            }
        }
    }

    fn rename(&mut self, from: &Address, to: &Address) {
        if let Some(record) = self.records.remove(from) {
            let moved = Record { address: to.clone(), updated_serial: self.serial, ..record };
            self.records.insert(to.clone(), moved);
            self.removed.insert(from.clone());
        }
        for record in self.records.values_mut().filter(|record| record.dependencies.contains(from)) {
            record.updated_serial = self.serial;
            for dependency in record.dependencies.iter_mut().filter(|dependency| *dependency == from) {
                dependency.clone_from(to);
            }
        }
    }
}

/// What exists in the middle of a commit that is only looked at.
struct Overlay<'a> {
    model: &'a Model,
    records: HashMap<&'a Address, bool>,
    intents: HashMap<&'a str, bool>,
    runs: HashMap<&'a str, bool>,
}

impl<'a> Overlay<'a> {
    fn has_record(&self, address: &Address) -> bool {
        self.records.get(address).copied().unwrap_or_else(|| self.model.records.contains_key(address))
    }

    fn has_intent(&self, id: &str) -> bool {
        let known = || self.model.intents.iter().any(|intent| intent.id == id);
        self.intents.get(id).copied().unwrap_or_else(known)
    }

    fn has_run(&self, id: &str) -> bool {
        self.runs.get(id).copied().unwrap_or_else(|| self.model.runs.iter().any(|run| run.id == id))
    }

    fn check(&mut self, change: &'a Change) -> Result<(), StateError> {
        match change {
            Change::PutRecord(record) => {
                whole(record)?;
                self.records.insert(&record.address, true);
            }
            Change::DeleteRecord(address) => drop(self.records.insert(address, false)),
            Change::MoveRecord { from, to } => {
                readable([to])?;
                if !self.has_record(from) {
                    return Err(refused(format!("there is no record of {from}, so it cannot be moved to {to}")));
                }
                if self.has_record(to) {
                    return Err(refused(format!("{to} already has a record, so {from} cannot be moved there")));
                }
                self.records.extend([(from, false), (to, true)]);
            }
            Change::OpenIntent(intent) => {
                readable([&intent.address])?;
                shallow(&intent.desired, &intent.address)?;
                intent.record.iter().try_for_each(whole)?;
                if self.has_intent(&intent.id) {
                    let message = format!("the intent {} for {} is open already", intent.id, intent.address);
                    return Err(refused(message));
                }
                self.intents.insert(&intent.id, true);
            }
            Change::SetOperation { id, .. } if !self.has_intent(id) => {
                return Err(refused(format!("no intent {id} is open, so it cannot get an operation")));
            }
            Change::CloseIntent(id) => drop(self.intents.insert(id, false)),
            Change::StartRun(run) => {
                if self.has_run(&run.id) {
                    return Err(refused(format!("the run {} is in the history already", run.id)));
                }
                self.runs.insert(&run.id, true);
            }
            Change::FinishRun { id, .. } if !self.has_run(id) => {
                return Err(refused(format!("there is no run {id}, so it cannot be finished")));
            }
            Change::SetOperation { .. } | Change::Did { .. } | Change::FinishRun { .. } | Change::Duration(_) => {}
        }
        Ok(())
    }
}
