//! What happens during an apply, as data. The engine prints nothing; reporters fold these into text, JSON or a display.

use std::time::Duration;

use serde::Serialize;

use super::address::Address;
use super::plan::Verb;
use super::provider::ProviderError;

/// An event. Durations count from the start of the run.
#[derive(Debug, Clone)]
pub enum Event {
    /// The run begins: how many changes it will make.
    Began {
        /// Number of changes.
        changes: usize,
    },
    /// An open intent of an earlier run was looked into.
    Reconciled {
        /// The object.
        address: Address,
        /// What was found and done.
        outcome: Reconciled,
    },
    /// An action starts.
    Started {
        /// The object.
        address: Address,
        /// What is done.
        action: Verb,
        /// Since the start of the run.
        at: Duration,
    },
    /// What a running action waits for.
    Status {
        /// The object.
        address: Address,
        /// In a few words.
        text: String,
    },
    /// A request is tried again.
    Retried {
        /// The object.
        address: Address,
        /// After this delay.
        delay: Duration,
        /// Why.
        reason: String,
    },
    /// An action is done.
    Finished {
        /// The object.
        address: Address,
        /// What was done.
        action: Verb,
        /// How long it took.
        took: Duration,
    },
    /// An action failed.
    Failed {
        /// The object.
        address: Address,
        /// What was tried.
        action: Verb,
        /// How long it took.
        took: Duration,
        /// Why.
        error: ProviderError,
    },
    /// An action was not tried.
    Skipped {
        /// The object.
        address: Address,
        /// What was planned.
        action: Verb,
        /// Why.
        because: SkipReason,
    },
    /// A signal arrived.
    Interrupted {
        /// Whether running calls are waited for.
        graceful: bool,
        /// How many are running.
        running: usize,
    },
    /// The run is over.
    Ended(Summary),
}

/// What became of an open intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reconciled {
    /// The object had been made or changed; its record is written now.
    Adopted,
    /// The change had not begun; it is planned anew.
    NotStarted,
    /// The object had been deleted; its record is gone now.
    Deleted,
    /// The change may be half done; it is planned anew from what is there.
    Replanned,
    /// It is still running after the wait.
    StillRunning,
}

/// Why an action was not tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkipReason {
    /// What it depends on failed.
    DependencyFailed(Address),
    /// The run was interrupted.
    Interrupted,
}

/// The end of a run.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Number of actions done, by action, in the order of [`Verb::ALL`].
    pub done: Vec<(Verb, usize)>,
    /// What failed.
    pub failed: Vec<(Address, Verb, ProviderError)>,
    /// What was not tried.
    pub skipped: Vec<(Address, Verb, SkipReason)>,
    /// What a person must hear besides, by object.
    pub notes: Vec<(Address, String)>,
    /// Whether a signal ended it.
    pub interrupted: bool,
    /// Actions whose outcome is not known; the next run looks into them.
    pub open: Vec<Address>,
    /// How long the run took.
    pub took: Duration,
}

impl Summary {
    /// Whether everything planned was done.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.skipped.is_empty() && self.open.is_empty() && !self.interrupted
    }
}

/// Takes events. Must return at once; it is called from the loop of the apply.
pub trait Sink: Send + Sync {
    /// Takes one.
    fn emit(&self, event: Event);
}

impl<F: Fn(Event) + Send + Sync> Sink for F {
    fn emit(&self, event: Event) {
        self(event);
    }
}
