//! The journal's writer: one thread that commits everything that waits in one durable transaction, and keeps the lease.
//!
//! Durability costs a disk flush or a request each; many actions that run at once share one. The thread is no task of the
//! runtime, so that nothing which keeps that busy keeps the lease from being renewed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kompox_state::{Change, LEASE, Lock, StateError, Store};
use tokio::sync::oneshot;

/// How often the lease of the lock is renewed; a third of what it lasts.
const RENEW: Duration = Duration::from_secs(LEASE.as_secs() / 3);

/// How long after the last renewal nothing may be started any more. Whoever takes over sees the renewal later than it was
/// made, waits the whole lease, and then until the longest request is over.
const TRUSTED: Duration = Duration::from_secs(LEASE.as_secs() * 3 / 4);

/// How soon a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_secs(2);

struct Entry {
    changes: Vec<Change>,
    done: oneshot::Sender<Result<u64, JournalError>>,
}

/// Why a write did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The store refused or failed.
    #[error(transparent)]
    State(Arc<StateError>),
    /// The lease of the lock could not be renewed.
    #[error("the lease of the lock could not be renewed; somebody else may write the state soon")]
    LeaseLost,
    /// The writer has ended.
    #[error("the state is not written any more: its writer has ended")]
    Ended,
}

/// Writes to the state while a run holds its lock.
pub struct Journal {
    sender: Option<Sender<Entry>>,
    thread: Option<JoinHandle<()>>,
    lease: Arc<Lease>,
}

/// What the holder knows of its own lease.
struct Lease {
    /// When the last renewal that worked was begun, if any has.
    renewed: Mutex<Option<Instant>>,
    lost: AtomicBool,
}

impl Lease {
    fn age(&self) -> Duration {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        renewed.map_or(Duration::MAX, |renewed| renewed.elapsed())
    }

    /// Renews it when it is time to.
    fn keep(&self, store: &dyn Store, lock: &Lock) {
        if self.age() >= RENEW {
            self.renew(store, lock);
        }
    }

    fn renew(&self, store: &dyn Store, lock: &Lock) {
        let begun = Instant::now();
        match store.renew(lock) {
            Ok(()) => *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun),
            Err(StateError::Fenced { .. }) => self.lost.store(true, Ordering::Relaxed),
            // It may work the next time; until then the lease is as old as it is.
            Err(_) => {}
        }
    }
}

impl Journal {
    /// Starts the writer.
    pub fn start(store: Arc<dyn Store>, lock: Arc<Lock>) -> Self {
        let (sender, receiver) = channel();
        let lease = Arc::new(Lease { renewed: Mutex::new(None), lost: AtomicBool::new(false) });
        // A person may have thought for long about a plan: as long as this has not worked, the lease is of any age.
        lease.renew(store.as_ref(), &lock);
        let kept = lease.clone();
        let thread = std::thread::spawn(move || write(store.as_ref(), &lock, &receiver, &kept));
        Self { sender: Some(sender), thread: Some(thread), lease }
    }

    /// Whether the lease could not be renewed: then somebody else may hold the lock soon, and nothing may be started. True
    /// at once for a process that was stopped and goes on.
    pub fn lease_is_lost(&self) -> bool {
        self.lease.lost.load(Ordering::Relaxed) || self.lease.age() > TRUSTED
    }

    /// As if the lease could not be renewed.
    #[cfg(test)]
    pub(crate) fn lose_lease(&self) {
        self.lease.lost.store(true, Ordering::Relaxed);
    }

    /// Writes changes; returns the new serial once they are durable.
    ///
    /// # Errors
    /// Nothing of them was written.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<u64, JournalError> {
        let (done, answer) = oneshot::channel();
        let sender = self.sender.as_ref().ok_or(JournalError::Ended)?;
        sender.send(Entry { changes, done }).map_err(|_| JournalError::Ended)?;
        answer.await.map_err(|_| JournalError::Ended)?
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // What was sent is written before the thread ends; only then may the lock be let go.
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write(store: &dyn Store, lock: &Lock, entries: &Receiver<Entry>, lease: &Lease) {
    loop {
        lease.keep(store, lock);
        let first = match entries.recv_timeout(RENEW.saturating_sub(lease.age()).max(AGAIN)) {
            Ok(entry) => entry,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut batch = vec![first];
        batch.extend(entries.try_iter());
        let together: Vec<Change> = batch.iter().flat_map(|entry| entry.changes.iter().cloned()).collect();
        match store.commit(lock, &together) {
            Ok(serial) => batch.into_iter().for_each(|entry| drop(entry.done.send(Ok(serial)))),
            // One refused entry must not take the others with it.
            Err(_) if batch.len() > 1 => {
                for entry in batch {
                    let result =
                        store.commit(lock, &entry.changes).map_err(|error| JournalError::State(Arc::new(error)));
                    drop(entry.done.send(result));
                }
            }
            Err(error) => {
                let error = JournalError::State(Arc::new(error));
                batch.into_iter().for_each(|entry| drop(entry.done.send(Err(error.clone()))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::address::Address;
    use crate::engine::testing::{Site, request};

    #[tokio::test]
    async fn one_refused_entry_does_not_take_others_with_it() {
        let site = Site::new();
        let store = site.store();
        let lock = store.try_lock(&request()).unwrap();
        let lease = Lease { renewed: Mutex::new(None), lost: AtomicBool::new(false) };
        let (sender, receiver) = channel();
        let to = Address::new("/ws/t", "thing", "");
        let refused = vec![Change::MoveRecord { from: Address::new("/ws/t", "thing", "a"), to }];
        let answers = [Vec::new(), refused, Vec::new()].map(|changes| {
            let (done, answer) = oneshot::channel();
            sender.send(Entry { changes, done }).ok();
            answer
        });
        drop(sender);
        write(store.as_ref(), &lock, &receiver, &lease);
        let mut done = Vec::new();
        for answer in answers {
            done.push(answer.await.unwrap().is_ok());
        }
        assert_eq!(done, [true, false, true]);
    }

    /// The lock is somebody else's by now: a file system that loses its lock file gives it away.
    #[tokio::test]
    async fn a_lease_that_another_holder_ended_is_lost_at_once() {
        let site = Site::new();
        let store = site.store();
        let lock = Arc::new(store.try_lock(&request()).unwrap());
        assert!(!Journal::start(store.clone(), lock.clone()).lease_is_lost());
        std::fs::remove_file(site.path("kompox.db.lock")).unwrap();
        let _second = site.store().try_lock(&request()).unwrap();
        // However fresh the last renewal is.
        let lease = Lease { renewed: Mutex::new(Some(Instant::now())), lost: AtomicBool::new(false) };
        lease.renew(store.as_ref(), &lock);
        assert!(Journal { sender: None, thread: None, lease: Arc::new(lease) }.lease_is_lost());
        let journal = Journal::start(store, lock);
        assert!(matches!(journal.commit(Vec::new()).await, Err(JournalError::State(_))));
    }

    /// Nobody said that it is lost, but it was not renewed for long, or never.
    #[test]
    fn a_lease_is_trusted_for_a_part_of_its_time() {
        let lost = |age: Option<Duration>| {
            let renewed = age.map(|age| Instant::now().checked_sub(age).expect("the machine runs for longer"));
            let lease = Lease { renewed: Mutex::new(renewed), lost: AtomicBool::new(false) };
            Journal { sender: None, thread: None, lease: Arc::new(lease) }.lease_is_lost()
        };
        assert!(lost(None) && lost(Some(TRUSTED + Duration::from_secs(1))));
        assert!(!lost(Some(TRUSTED - Duration::from_secs(5))));
    }
}
