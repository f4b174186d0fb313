//! All that a state holds, as a copy of it has it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::record::{Intent, Record};
use crate::run::{Run, check_chain};
use crate::verb::Verb;

/// All that a state holds, but for what makes it itself: lineage, key, lock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    pub(crate) serial: u64,
    #[serde(default)]
    pub(crate) head: String,
    pub(crate) records: Vec<Record>,
    pub(crate) intents: Vec<Intent>,
    /// In the order in which they began.
    pub(crate) runs: Vec<Run>,
    pub(crate) removed: Vec<Address>,
    pub(crate) durations: Vec<Measured>,
}

/// How long actions of a verb on a kind took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measured {
    pub(crate) kind: String,
    pub(crate) action: Verb,
    pub(crate) samples: u64,
    pub(crate) mean_millis: f64,
}

impl Contents {
    /// The serial of the commit that they are of.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Every record, by address.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Every run, oldest first.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Every open intent, oldest first.
    pub fn intents(&self) -> &[Intent] {
        &self.intents
    }

    /// How many runs of the history hang together, all that ended.
    ///
    /// # Errors
    /// What is wrong with the chain.
    pub fn check_chain(&self) -> Result<u64, String> {
        check_chain(&self.runs, &self.head)
    }

    /// Whether these are what `earlier` were, or have become of them: every run that is there is here, and as it ended there.
    pub fn follow(&self, earlier: &Self) -> bool {
        let known: HashMap<&str, &Run> = self.runs.iter().map(|run| (run.id.as_str(), run)).collect();
        earlier
            .runs
            .iter()
            .all(|run| known.get(run.id.as_str()).is_some_and(|here| run.link.is_none() || here.link == run.link))
    }
}
