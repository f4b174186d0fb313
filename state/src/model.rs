//! A state in memory: what backends that keep no rows make of the changes they read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::change::{Change, next_serial};
use crate::contents::{Contents, Measured};
use crate::error::StateError;
use crate::fit::{readable, refused, shallow, whole};
use crate::record::{Intent, Record, Snapshot};
use crate::run::{ActionDuration, Run, Tip};
use crate::verb::Verb;

/// Everything that commits have made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Contents", into = "Contents")]
pub(crate) struct Model {
    /// The serial of the last commit.
    pub(crate) serial: u64,
    /// The digest of the last run that ended.
    head: String,
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

impl From<Contents> for Model {
    fn from(contents: Contents) -> Self {
        let Contents { serial, head, records, intents, runs, removed, durations } = contents;
        let mean = |m: Measured| ((m.kind, m.action), Mean { samples: m.samples, millis: m.mean_millis });
        Self {
            serial,
            head,
            records: records.into_iter().map(|record| (record.address.clone(), record)).collect(),
            intents,
            runs,
            removed: removed.into_iter().collect(),
            durations: durations.into_iter().map(mean).collect(),
        }
    }
}

impl From<Model> for Contents {
    fn from(model: Model) -> Self {
        let Model { serial, head, records, intents, runs, removed, durations } = model;
        let measured = |((kind, action), mean): ((String, Verb), Mean)| Measured {
            kind,
            action,
            samples: mean.samples,
            mean_millis: mean.millis,
        };
        Self {
            serial,
            head,
            records: records.into_values().collect(),
            intents,
            runs,
            removed: removed.into_iter().collect(),
            durations: durations.into_iter().map(measured).collect(),
        }
    }
}

impl Model {
    /// Where it has come to.
    pub(crate) fn tip(&self) -> Tip {
        Tip { serial: self.serial, head: self.head.clone() }
    }

    /// All of it.
    pub(crate) fn contents(&self) -> Contents {
        self.clone().into()
    }

    /// Serial, records by address, and open intents.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot { serial: self.serial, records: self.records(), open_intents: self.intents.clone(), moved_to: None }
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
        let (records, intents, runs) = Default::default();
        let mut next = Overlay { model: self, instead: None, records, intents, runs };
        changes.iter().try_for_each(|change| next.check(change))
    }

    /// Makes the changes of the next commit, which [`check`](Self::check) has let pass.
    pub(crate) fn apply(&mut self, changes: &[Change]) {
        self.serial = next_serial(self.serial, changes);
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
            Change::StartRun(run) => {
                let mut run = Run { link: None, ..(**run).clone() };
                if run.finished_at.is_some() {
                    link(&mut self.head, &mut run);
                }
                self.runs.push(run);
            }
            Change::Did { run, verb, elapsed_ms } => {
                // Newest first: it is the last one, but for a journal that closes an older one.
                let open = |known: &&mut Run| known.id == *run && known.link.is_none();
                if let Some(run) = self.runs.iter_mut().rev().find(open) {
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
                    link(&mut self.head, run);
                }
            }
            Change::Duration(ActionDuration { kind, action, millis }) => {
                let mean = self.durations.entry((kind.clone(), *action)).or_default();
                mean.samples += 1;
                mean.millis += (*millis as f64 - mean.millis) / mean.samples as f64;
            }
            Change::Replace(contents) => *self = Self { serial: self.serial, ..Self::from((**contents).clone()) },
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

/// Puts a run that has ended behind the last one that did.
fn link(head: &mut String, run: &mut Run) {
    let link = run.linked(head);
    head.clone_from(&link.digest);
    run.link = Some(link);
}

/// What exists in the middle of a commit that is only looked at.
struct Overlay<'a> {
    model: &'a Model,
    /// What has been put in the place of the model.
    instead: Option<&'a Contents>,
    records: HashMap<&'a Address, bool>,
    intents: HashMap<&'a str, bool>,
    /// Whether they have ended.
    runs: HashMap<&'a str, bool>,
}

impl<'a> Overlay<'a> {
    fn has_record(&self, address: &Address) -> bool {
        let known = || match self.instead {
            Some(contents) => contents.records.iter().any(|record| record.address == *address),
            None => self.model.records.contains_key(address),
        };
        self.records.get(address).copied().unwrap_or_else(known)
    }

    fn has_intent(&self, id: &str) -> bool {
        let all = self.instead.map_or(&self.model.intents, |contents| &contents.intents);
        self.intents.get(id).copied().unwrap_or_else(|| all.iter().any(|intent| intent.id == id))
    }

    /// Whether a run has ended; `None` where there is no such run.
    fn run(&self, id: &str) -> Option<bool> {
        let all = self.instead.map_or(&self.model.runs, |contents| &contents.runs);
        let known = || all.iter().find(|run| run.id == id).map(|run| run.link.is_some());
        self.runs.get(id).copied().or_else(known)
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
                if self.run(&run.id).is_some() {
                    return Err(refused(format!("the run {} is in the history already", run.id)));
                }
                self.runs.insert(&run.id, run.finished_at.is_some());
            }
            Change::FinishRun { id, .. } => match self.run(id) {
                None => return Err(refused(format!("there is no run {id}, so it cannot be finished"))),
                Some(true) => return Err(refused(format!("the run {id} has ended before"))),
                Some(false) => drop(self.runs.insert(id, true)),
            },
            Change::Replace(contents) => {
                contents.records.iter().try_for_each(whole)?;
                contents.check_chain().map_err(refused)?;
                let (records, intents, runs) = Default::default();
                *self = Self { model: self.model, instead: Some(contents), records, intents, runs };
            }
            Change::SetOperation { .. } | Change::Did { .. } | Change::Duration(_) => {}
        }
        Ok(())
    }
}
