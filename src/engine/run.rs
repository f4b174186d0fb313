//! What every part of a run that writes needs: the journal, the providers, the clock, the events.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use kompox_state::{Change, Digester, Verb};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::address::Address;
use super::cancel::Cancel;
use super::event::{Event, Sink};
use super::journal::Journal;
use super::kind::Kinds;
use super::provider::{Progress, Providers};
use super::seats::Seat;

/// Time and randomness, as values: a test fixes them.
pub trait Environment: Send + Sync {
    /// The time.
    fn now(&self) -> SystemTime;
    /// An id that no other call has given.
    fn unique_id(&self) -> String;
}

/// A time as RFC 3339 in UTC, to the second.
pub fn timestamp(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time).replace_nanosecond(0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    // Fails for years beyond 9999 only.
    time.format(&Rfc3339).unwrap_or_default()
}

/// A run that holds the lock.
pub struct Run<'a> {
    /// Its id.
    pub id: String,
    /// The writer of the state.
    pub journal: &'a Journal,
    /// All providers.
    pub providers: &'a Providers,
    /// The schemas.
    pub kinds: Kinds,
    /// The state's lineage.
    pub lineage: &'a str,
    /// The state's digester.
    pub digester: &'a Digester,
    /// Time and randomness.
    pub environment: &'a dyn Environment,
    /// Where events go.
    pub sink: &'a dyn Sink,
    /// Whether to wait for readiness.
    pub wait: bool,
    /// When it began.
    pub started: Instant,
    /// How far it is to be stopped.
    pub cancel: Cancel,
    /// What a person must hear at the end, by object.
    pub notes: Mutex<Vec<(Address, String)>>,
}

impl Run<'_> {
    /// Keeps something for the end of the run.
    pub fn note(&self, address: &Address, text: String) {
        self.sink.emit(Event::Status { address: address.clone(), text: text.clone() });
        if let Ok(mut notes) = self.notes.lock() {
            notes.push((address.clone(), text));
        }
    }

    /// Counts an action as done in the history, for the commit that writes its result.
    pub fn did(&self, run: &str, verb: Verb) -> Change {
        let elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Change::Did { run: run.to_owned(), verb, elapsed_ms }
    }

    /// The keyed digest of a secret.
    pub fn digest(&self, text: &str) -> String {
        self.digester.digest(text.as_bytes())
    }

    /// Takes what a provider tells of the operation that stands under this intent, and has this place.
    pub(super) fn progress<'p>(
        &'p self,
        address: &'p Address,
        intent: &'p str,
        seat: Option<&'p Seat>,
    ) -> impl Progress + 'p {
        Reporter { run: self, address, intent, seat }
    }
}

struct Reporter<'a> {
    run: &'a Run<'a>,
    address: &'a Address,
    intent: &'a str,
    seat: Option<&'a Seat>,
}

#[async_trait]
impl Progress for Reporter<'_> {
    async fn accepted(&self, operation_url: &str) {
        let change = Change::SetOperation { id: self.intent.to_owned(), operation_url: operation_url.to_owned() };
        // Without the URL a later run finds the object by its name; so a failure here is not the operation's.
        let _ = self.run.journal.commit(vec![change]).await;
    }

    fn waiting(&self) {
        if let Some(seat) = self.seat {
            seat.leave();
        }
    }

    fn status(&self, text: &str) {
        self.run.sink.emit(Event::Status { address: self.address.clone(), text: text.to_owned() });
    }

    fn retried(&self, delay: Duration, reason: &str) {
        self.run.sink.emit(Event::Retried { address: self.address.clone(), delay, reason: reason.to_owned() });
    }

    async fn stopped(&self) {
        self.run.cancel.stopped().await;
    }
}

/// The environment of a real run.
#[derive(Debug, Default)]
pub struct System;

impl Environment for System {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn unique_id(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }
}

/// A shared environment.
pub type SharedEnvironment = Arc<dyn Environment>;
