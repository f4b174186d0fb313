//! Everything a commit can do.

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::contents::Contents;
use crate::record::{Intent, Record};
use crate::run::{ActionDuration, Counts, Run, RunResult};
use crate::verb::Verb;

/// One change of a commit. The changes of a commit happen in their order, and all or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// Writes the record of an address, new or replaced. Its serials are set by the store.
    PutRecord(Box<Record>),
    /// Forgets the record of an address, and remembers that the address had one. Without one there is nothing to do,
    /// which is what was asked for.
    DeleteRecord(#[serde(with = "named")] Address),
    /// Gives a record another address and renames it in the dependencies of all others, whose version goes up too. That
    /// the old address had a record is remembered.
    /// Refused when `from` has no record or `to` already has one.
    MoveRecord {
        /// The address it had.
        from: Address,
        /// The address it gets.
        to: Address,
    },
    /// Writes an intent, before its request is sent. Refused when its id is in use.
    OpenIntent(Box<Intent>),
    /// Remembers where a long-running operation can be asked for. Refused when no such intent is open.
    SetOperation {
        /// Id of the intent.
        id: String,
        /// Where to ask, relative to the provider's endpoint.
        operation_url: String,
    },
    /// Takes an intent out of the journal; belongs into the commit that writes the result. Closing a closed one changes
    /// nothing.
    CloseIntent(String),
    /// Adds a run to the history. Refused when its id is in use.
    StartRun(Box<Run>),
    /// Counts one action that a run has done, in the commit that writes its result, so that the history is right however
    /// the run ends. A run that is not in the history is not counted.
    Did {
        /// Id of the run.
        run: String,
        /// What was done.
        verb: Verb,
        /// How long the run lasts until now, in milliseconds.
        elapsed_ms: u64,
    },
    /// Writes how a run ended. Refused when no such run exists, or when it has ended before.
    FinishRun {
        /// Id of the run.
        id: String,
        /// When it ended (RFC 3339).
        finished_at: String,
        /// How.
        result: RunResult,
        /// How many actions were done.
        counts: Counts,
        /// Wall time in milliseconds.
        duration_ms: u64,
    },
    /// Adds one measurement to the mean of its kind and action.
    Duration(ActionDuration),
    /// Puts other contents in the place of all there are, as they are: serials stay, and the next serial is higher than both.
    Replace(Box<Contents>),
}

/// The serial that a commit of these changes gets.
pub(crate) fn next_serial(serial: u64, changes: &[Change]) -> u64 {
    let replaced = changes.iter().filter_map(|change| match change {
        Change::Replace(contents) => Some(contents.serial),
        _ => None,
    });
    replaced.fold(serial, u64::max) + 1
}

/// An address that stands alone, written with its name as everywhere else.
mod named {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::address::Address;

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named {
        address: Address,
    }

    pub(super) fn serialize<S: Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
        Named { address: address.clone() }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        Named::deserialize(deserializer).map(|named| named.address)
    }
}
