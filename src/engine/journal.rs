//! The journal's writer: one thread that commits everything that waits in one durable transaction, and keeps the lease.
//!
//! Durability costs a disk flush each; many actions that run at once share one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kompox_state::{Change, Lock, StateError, Store};
use tokio::sync::oneshot;

/// How often the lease of the lock is renewed; a third of what it lasts.
const RENEW: Duration = Duration::from_secs(20);

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
    lost: Arc<AtomicBool>,
}

impl Journal {
    /// Starts the writer.
    pub fn start(store: Arc<dyn Store>, lock: Arc<Lock>) -> Self {
        let (sender, receiver) = channel();
        let lost = Arc::new(AtomicBool::new(false));
        let flag = lost.clone();
        let thread = std::thread::spawn(move || write(store.as_ref(), &lock, &receiver, &flag));
        Self { sender: Some(sender), thread: Some(thread), lost }
    }

    /// Whether the lease could not be renewed: then somebody else may hold the lock soon, and nothing may be started.
    pub fn lease_is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// As if the lease could not be renewed.
    #[cfg(test)]
    pub(crate) fn lose_lease(&self) {
        self.lost.store(true, Ordering::Relaxed);
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

fn write(store: &dyn Store, lock: &Lock, entries: &Receiver<Entry>, lost: &AtomicBool) {
    let mut renewed = Instant::now();
    loop {
        if renewed.elapsed() >= RENEW {
            lost.store(store.renew(lock).is_err(), Ordering::Relaxed);
            renewed = Instant::now();
        }
        let first = match entries.recv_timeout(RENEW) {
            Ok(entry) => entry,
            Err(RecvTimeoutError::Timeout) => {
                lost.store(store.renew(lock).is_err(), Ordering::Relaxed);
                renewed = Instant::now();
                continue;
            }
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
