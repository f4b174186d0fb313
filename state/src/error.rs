//! What can go wrong with a state store.

use std::error::Error;
use std::io;

use crate::holder::Holder;
use crate::place::Place;

/// Why a state store could not do what it was asked. Each text says what failed, where, and what to do; nothing was
/// changed unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Somebody else may write now. Trying again later helps.
    #[error("the state {place} is locked by {}", locked_by(holder.as_deref()))]
    Locked {
        /// The store.
        place: Place,
        /// Who holds it; `None` in the instant in which a holder takes or releases it.
        holder: Option<Box<Holder>>,
    },
    /// Another process is inside a transaction and does not end it. Trying again later helps.
    #[error(
        "the state {place} is being written by {by}; wait for it, with --lock-timeout, or if it is stopped let it go on or end it"
    )]
    Busy {
        /// The store.
        place: Place,
        /// Process, host and command.
        by: String,
    },
    /// Where a state was there is none, or not the whole of it.
    #[error("the state {place} {what}; {help}")]
    Lost {
        /// The store.
        place: Place,
        /// What is there instead.
        what: String,
        /// What to do.
        help: String,
    },
    /// The lock was taken over or taken away; this writer must stop. Trying again does not help, a new run does.
    #[error(
        "the lock on the state {place} is no longer ours ({id}): {}; nothing more is written, run the command again to reconcile",
        fenced_by(holder.as_deref())
    )]
    Fenced {
        /// The store.
        place: Place,
        /// Id of the lock that was lost.
        id: String,
        /// Who holds it now.
        holder: Option<Box<Holder>>,
    },
    /// `unlock` of a store that nobody holds.
    #[error("the state {place} is not locked; there is nothing to unlock")]
    NotLocked {
        /// The store.
        place: Place,
    },
    /// `unlock` with an id that is not the holder's.
    #[error("the state {place} is not locked by {asked} but by {holder}; its id is {}", holder.id)]
    OtherLock {
        /// The store.
        place: Place,
        /// The id that was given.
        asked: String,
        /// Who holds it.
        holder: Box<Holder>,
    },
    /// `unlock` of a holder whose process runs.
    #[error(
        "the state {place} is in use by a running process on this machine, {holder}; end process {} first, then its lock clears by itself",
        holder.pid
    )]
    HolderAlive {
        /// The store.
        place: Place,
        /// Who holds it.
        holder: Box<Holder>,
    },
    /// The state was moved to another place.
    #[error("the state {place} has moved to {to}; name that place in `state:` of `.kompox/config.yml`")]
    Moved {
        /// The store.
        place: Place,
        /// Where it is now.
        to: String,
    },
    /// A new state was to be made where one is.
    #[error("there is a state at {place} already")]
    Exists {
        /// The store.
        place: Place,
    },
    /// The store was written by a newer version.
    #[error(
        "the state {place} has schema version {found}, this kompox knows versions up to {supported}; nothing was changed, install the kompox that \
         wrote it or a newer one"
    )]
    Newer {
        /// The store.
        place: Place,
        /// Its schema version.
        found: u32,
        /// The newest one this program knows.
        supported: u32,
    },
    /// What is there is something else.
    #[error("{place} is not a kompox state: {reason}; move it away, or name another file in `.kompox/config.yml`")]
    NotAState {
        /// The place.
        place: Place,
        /// What it is instead.
        reason: String,
    },
    /// The store is damaged.
    #[error("the state {place} is damaged: {what}; restore a backup; without one, move it away and rebuild it")]
    Corrupt {
        /// The store.
        place: Place,
        /// What was found.
        what: String,
    },
    /// The store is not the one that was opened.
    #[error(
        "the state {place} was deleted or replaced while it was in use; nothing more is written, put it back or run the command again to reconcile"
    )]
    Replaced {
        /// The store.
        place: Place,
    },
    /// The store can be read at most.
    #[error("the state {place} cannot be written: {reason}; {help}")]
    ReadOnly {
        /// The store.
        place: Place,
        /// What the backend said.
        reason: String,
        /// What to do.
        help: String,
    },
    /// A change does not fit what is stored, or a value does not fit the store.
    #[error("the state refused a change: {what}; nothing was changed")]
    Refused {
        /// What and why.
        what: String,
    },
    /// The operating system failed.
    #[error("cannot {doing} {place}: {source}; {hint}")]
    Io {
        /// The store, or the part of it.
        place: Place,
        /// What was tried.
        doing: &'static str,
        /// What to do.
        hint: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// The backend failed.
    #[error("the state {place} cannot be used: {source}; {hint}")]
    Backend {
        /// The store.
        place: Place,
        /// What to do.
        hint: &'static str,
        /// What the backend said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It is not known whether something was written: an answer was lost, and what it was about is not there yet.
    #[error(
        "the state {place} does not answer clearly: {what} ({source}); nothing more is written, run the command again to reconcile"
    )]
    Unsettled {
        /// The store.
        place: Place,
        /// What may or may not have happened.
        what: String,
        /// What the backend said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server overwrites what exists although it was asked to make it only if it does not.
    #[error(
        "{place} cannot keep a state: its server overwrites an object that it was asked to create only if there is none, so that two \
         writers would destroy each other's work; use a server that refuses (`If-None-Match: *`)"
    )]
    NotExclusive {
        /// The store.
        place: Place,
    },
    /// The environment says no server, or no way to sign in there, that can be one.
    #[error(
        "the state cannot be reached: {what}; set the variables that `psql` takes (PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE)"
    )]
    Misconfigured {
        /// What is wrong.
        what: String,
    },
    /// There is no randomness for a new state's key.
    #[error("the operating system gave no random bytes for a new state: {0}; try again")]
    Randomness(#[source] Box<dyn Error + Send + Sync>),
}

impl StateError {
    /// The error where nothing is lost whether it was written or not: what the backend said.
    pub(crate) fn before_anything(self) -> Self {
        match self {
            Self::Unsettled { place, what, source } => match source.downcast::<Self>() {
                Ok(said) => *said,
                Err(source) => Self::Unsettled { place, what, source },
            },
            other => other,
        }
    }
}

fn locked_by(holder: Option<&Holder>) -> String {
    match holder {
        Some(holder) => format!(
            "{holder}; wait for it, with --lock-timeout, or take the lock {} away if it is certainly gone",
            holder.id
        ),
        None => "a process on this machine that is just taking or releasing it; try again".to_owned(),
    }
}

fn fenced_by(holder: Option<&Holder>) -> String {
    match holder {
        Some(holder) => format!("it was taken over by {holder}"),
        None => "it was taken away by `kompox state unlock`, or taken over by somebody who is done".to_owned(),
    }
}
