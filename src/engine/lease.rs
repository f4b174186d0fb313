//! The lease of the state's lock: renewed from the moment the lock is taken until nobody needs it any more, however long
//! a person thinks about a plan and whatever keeps the runtime busy meanwhile.
//!
//! A thread does it and no task of the runtime, so that nothing which keeps that busy keeps the lease from being renewed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kompox_state::{LEASE, Lock, StateError, Store};

/// How often the lease of the lock is renewed; a third of what it lasts.
const RENEW: Duration = Duration::from_secs(LEASE.as_secs() / 3);

/// How long after the last renewal nothing may be started any more. Whoever takes over sees the renewal later than it was
/// made, waits the whole lease, and then until the longest request is over.
const TRUSTED: Duration = Duration::from_secs(LEASE.as_secs() * 3 / 4);

/// How soon a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// A lock whose lease is kept. The lock ends with the last that holds this value.
pub struct Lease {
    kept: Arc<Kept>,
    /// Its end ends the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Kept {
    store: Arc<dyn Store>,
    lock: Lock,
    /// When the last renewal that worked was begun.
    renewed: Mutex<Instant>,
    lost: AtomicBool,
}

impl Kept {
    fn age(&self) -> Duration {
        self.renewed.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    fn renew(&self) {
        let begun = Instant::now();
        match self.store.renew(&self.lock) {
            Ok(()) => *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = begun,
            Err(StateError::Fenced { .. }) => self.lost.store(true, Ordering::Relaxed),
            // It may work the next time; until then the lease is as old as it is.
            Err(_) => {}
        }
    }

    fn keep(&self, end: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(RENEW.saturating_sub(self.age()).max(AGAIN)) {
            if self.age() >= RENEW {
                self.renew();
            }
        }
    }
}

impl Lease {
    /// Keeps the lease of a lock that `store` has just given; it was `taken` not before this.
    pub fn keep(store: Arc<dyn Store>, lock: Lock, taken: Instant) -> Self {
        let kept = Arc::new(Kept { store, lock, renewed: Mutex::new(taken), lost: AtomicBool::new(false) });
        let (end, ended) = channel();
        let keeper = Arc::clone(&kept);
        let thread = std::thread::spawn(move || keeper.keep(&ended));
        Self { kept, end: Some(end), thread: Some(thread) }
    }

    /// The store that gave the lock.
    pub fn store(&self) -> &dyn Store {
        self.kept.store.as_ref()
    }

    /// The lock.
    pub fn lock(&self) -> &Lock {
        &self.kept.lock
    }

    /// Renews it now, where it is not known for how long this process was stopped.
    pub fn renew(&self) {
        self.kept.renew();
    }

    /// Whether the lease could not be renewed: then somebody else may hold the lock soon, and nothing may be started. True
    /// at once for a process that was stopped and goes on.
    pub fn is_lost(&self) -> bool {
        self.kept.lost.load(Ordering::Relaxed) || self.kept.age() > TRUSTED
    }

    /// As if the lease could not be renewed.
    #[cfg(test)]
    pub(crate) fn lose(&self) {
        self.kept.lost.store(true, Ordering::Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::journal::{Journal, JournalError};
    use crate::engine::testing::{Site, request};

    /// The lock is somebody else's by now: a file system that loses its lock file gives it away.
    #[tokio::test]
    async fn a_lease_that_another_holder_ended_is_lost_at_once() {
        let site = Site::new();
        let lease = Arc::new(Lease::keep(site.store(), site.store().try_lock(&request()).unwrap(), Instant::now()));
        assert!(!Journal::start(Arc::clone(&lease)).lease_is_lost());
        std::fs::remove_file(site.path("kompox.db.lock")).unwrap();
        let _second = site.store().try_lock(&request()).unwrap();
        // However fresh the last renewal is.
        lease.renew();
        assert!(lease.is_lost());
        let journal = Journal::start(lease);
        assert!(matches!(journal.commit(Vec::new()).await, Err(JournalError::State(_))));
    }

    /// Nobody said that it is lost, but it was not renewed for long: a process that was stopped, or a server that is not
    /// reached.
    #[test]
    fn a_lease_is_trusted_for_a_part_of_its_time() {
        let site = Site::new();
        let lease = Lease::keep(site.store(), site.store().try_lock(&request()).unwrap(), Instant::now());
        let lost_after = |age: Duration| {
            let renewed = Instant::now().checked_sub(age).expect("the machine runs for longer");
            *lease.kept.renewed.lock().unwrap() = renewed;
            lease.is_lost()
        };
        assert!(lost_after(TRUSTED + Duration::from_secs(1)));
        assert!(!lost_after(TRUSTED - Duration::from_secs(5)));
        lost_after(TRUSTED + Duration::from_secs(1));
        lease.renew();
        assert!(!lease.is_lost(), "nobody took it meanwhile");
    }
}
