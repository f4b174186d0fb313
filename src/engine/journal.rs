//! The journal's writer: one thread that commits everything that waits in one durable transaction.
//!
//! Durability costs a disk flush or a request each; many actions that run at once share one.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use kompox_state::{Change, StateError};
use tokio::sync::oneshot;

use super::lease::Lease;

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

impl Journal {
    /// Starts the writer.
    pub fn start(lease: Arc<Lease>) -> Self {
        let (sender, receiver) = channel();
        lease.renew();
        let kept = Arc::clone(&lease);
        let thread = std::thread::spawn(move || write(&kept, &receiver));
        Self { sender: Some(sender), thread: Some(thread), lease }
    }

    /// See [`Lease::is_lost`].
    pub fn lease_is_lost(&self) -> bool {
        self.lease.is_lost()
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

fn write(lease: &Lease, entries: &Receiver<Entry>) {
    let commit = |changes: &[Change]| lease.store().commit(lease.lock(), changes);
    while let Ok(first) = entries.recv() {
        let mut batch = vec![first];
        batch.extend(entries.try_iter());
        let together: Vec<Change> = batch.iter().flat_map(|entry| entry.changes.iter().cloned()).collect();
        match commit(&together) {
            Ok(serial) => batch.into_iter().for_each(|entry| drop(entry.done.send(Ok(serial)))),
            // One refused entry must not take the others with it.
            Err(_) if batch.len() > 1 => {
                for entry in batch {
                    let result = commit(&entry.changes).map_err(|error| JournalError::State(Arc::new(error)));
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
    use std::time::Instant;

    use super::*;
    use crate::engine::address::Address;
    use crate::engine::testing::{Site, request};

    #[tokio::test]
    async fn one_refused_entry_does_not_take_others_with_it() {
        let site = Site::new();
        let store = site.store();
        let lock = store.try_lock(&request()).unwrap();
        let lease = Lease::keep(store, lock, Instant::now());
        let (sender, receiver) = channel();
        let to = Address::new("/ws/t", "thing", "");
        let refused = vec![Change::MoveRecord { from: Address::new("/ws/t", "thing", "a"), to }];
        let answers = [Vec::new(), refused, Vec::new()].map(|changes| {
            let (done, answer) = oneshot::channel();
            sender.send(Entry { changes, done }).ok();
            answer
        });
        drop(sender);
        write(&lease, &receiver);
        let mut done = Vec::new();
        for answer in answers {
            done.push(answer.await.unwrap().is_ok());
        }
        assert_eq!(done, [true, false, true]);
    }
}
