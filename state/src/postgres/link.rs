//! The thread that talks to the server. `postgres` waits by a runtime of its own, which no thread of another runtime may.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, IsolationLevel, Transaction};

use super::fault::Fault;
use super::schema;
use super::server::Server;
use crate::error::StateError;
use crate::place::{Place, Variables};
use crate::run::Tip;

/// What every transaction that writes begins with. A setting of one transaction, so that a pooler may sit in between; a
/// holder that is stopped in the middle gives the rows free, and a server that was told to be fast and loose is not.
const CAREFULLY: &str = "SET LOCAL synchronous_commit = on; SET LOCAL statement_timeout = '15s'; \
     SET LOCAL lock_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '10s'";

/// How long an answer is waited for, connecting and a second attempt included: below a lease.
const ANSWER: Duration = Duration::from_secs(40);

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The way to the thread. It ends with this value.
pub(super) struct Link {
    jobs: Sender<Job>,
    place: Place,
}

struct Connection {
    server: Server,
    schema: String,
    client: Option<Client>,
}

impl Link {
    /// Starts the thread; nothing is asked of the server yet.
    pub(super) fn start(schema: &str, variables: &Variables) -> Result<Self, StateError> {
        let server = Server::of(schema, variables)?;
        let place = server.place.clone();
        // Quoted, whatever word it is.
        let schema = format!("\"{}\"", schema.replace('"', "\"\""));
        let mut connection = Connection { server, schema, client: None };
        let (jobs, waiting) = channel::<Job>();
        let started = thread::Builder::new().name("state".to_owned()).spawn(move || {
            for job in waiting {
                job(&mut connection);
            }
        });
        started.map_err(|source| StateError::Io {
            place: place.clone(),
            doing: "start a thread for",
            hint: "try again",
            source,
        })?;
        Ok(Self { jobs, place })
    }

    pub(super) fn place(&self) -> Place {
        self.place.clone()
    }

    /// Lets the thread do it; `silent` says what it means that no answer came.
    fn ask<T: Send + 'static>(
        &self,
        silent: fn(Place) -> StateError,
        work: impl FnOnce(&mut Connection) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        let (sender, answer) = sync_channel(1);
        let begun = Instant::now();
        let job: Job = Box::new(move |connection| {
            // Nobody waits any more for what stood behind something that took so long.
            if begun.elapsed() < ANSWER {
                let _ = sender.send(work(connection));
            }
        });
        let ended = || {
            let hint = "this is a fault of kompox: please report it";
            StateError::Backend { place: self.place(), hint, source: "its thread has ended".into() }
        };
        self.jobs.send(job).map_err(|_| ended())?;
        match answer.recv_timeout(ANSWER) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => Err(silent(self.place())),
            // Not begun, or its end.
            Err(RecvTimeoutError::Disconnected) if begun.elapsed() >= ANSWER => Err(silent(self.place())),
            Err(RecvTimeoutError::Disconnected) => Err(ended()),
        }
    }

    /// Reads what is there at one instant. A connection that was cut off is made anew, once.
    pub(super) fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Transaction<'_>, &str) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StateError> {
        self.ask(unanswered, move |connection| {
            let read = match connection.read(&work) {
                Err(fault) if fault.has_cut_off() && connection.is_lost() => connection.read(&work),
                read => read,
            };
            read.map_err(|fault| fault.at(&connection.server.place))
        })
    }

    /// Writes, all or nothing.
    pub(super) fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Transaction<'_>, &str) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StateError> {
        self.ask(unanswered, move |connection| {
            connection.write(&work).map_err(|fault| fault.at(&connection.server.place))
        })
    }

    /// Writes a commit with this id, which its row gets. Whether it is written is settled where an answer was lost, and one
    /// that is not is tried once more.
    pub(super) fn commit(
        &self,
        id: String,
        work: impl Fn(&mut Transaction<'_>, &str, &str) -> Result<Tip, Fault> + Send + 'static,
    ) -> Result<Tip, StateError> {
        let silent = |place| StateError::Unsettled {
            place,
            what: "the last commit may or may not be written".to_owned(),
            source: SILENT.into(),
        };
        self.ask(silent, move |connection| connection.commit(&id, work))
    }
}

const SILENT: &str = "no answer came in time";

fn unanswered(place: Place) -> StateError {
    StateError::Backend {
        place,
        hint: "check the network and the server, and run the command again",
        source: SILENT.into(),
    }
}

impl Connection {
    /// The connection, made anew when it was lost.
    fn client(&mut self) -> Result<&mut Client, Fault> {
        if self.client.as_ref().is_some_and(Client::is_closed) {
            self.client = None;
        }
        match &mut self.client {
            Some(client) => Ok(client),
            none => Ok(none.insert(self.server.connect()?)),
        }
    }

    /// Whether there was a connection that has ended.
    fn is_lost(&self) -> bool {
        self.client.as_ref().is_some_and(Client::is_closed)
    }

    fn read<T>(&mut self, work: impl Fn(&mut Transaction<'_>, &str) -> Result<T, Fault>) -> Result<T, Fault> {
        let schema = self.schema.clone();
        let client = self.client()?;
        let mut tx =
            client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start()?;
        let result = work(&mut tx, &schema)?;
        tx.commit()?;
        Ok(result)
    }

    fn write<T>(&mut self, work: impl Fn(&mut Transaction<'_>, &str) -> Result<T, Fault>) -> Result<T, Fault> {
        let schema = self.schema.clone();
        let client = self.client()?;
        let mut tx = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start()?;
        tx.batch_execute(CAREFULLY)?;
        let result = work(&mut tx, &schema)?;
        tx.commit()?;
        Ok(result)
    }

    fn commit(
        &mut self,
        id: &str,
        work: impl Fn(&mut Transaction<'_>, &str, &str) -> Result<Tip, Fault>,
    ) -> Result<Tip, StateError> {
        let place = self.server.place.clone();
        let mut again = self.client.is_some();
        loop {
            let fault = match self.write(|tx, schema| work(tx, schema, id)) {
                Ok(tip) => return Ok(tip),
                Err(fault) => fault,
            };
            if !fault.has_cut_off() {
                return Err(fault.at(&place));
            }
            let cause = fault.at(&place);
            match self.write(schema::last_commit) {
                Ok((last, tip)) if last.as_deref() == Some(id) => return Ok(tip),
                // It is not written, and never will be: what could have done so has given the row free.
                Ok(_) if again => again = false,
                Ok(_) => return Err(cause),
                Err(_) => {
                    let what = "the last commit may or may not be written".to_owned();
                    return Err(StateError::Unsettled { what, source: Box::new(cause), place });
                }
            }
        }
    }
}
