//! One writer at a time.
//!
//! A backend decides who holds the lock; what it hands out is the same everywhere: a [`Lock`] that ends with its value,
//! and that every commit is checked against. The *epoch* goes up with every acquisition, so a holder that was displaced
//! is told apart from the one that came after.

use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use crate::error::StateError;
use crate::holder::Holder;

/// How long a lock lives without being renewed, by the monotonic clock of whoever waits for it (`engine.md`, "Lock"). A holder renews well
/// before, sends a request only while its lease outlasts the request's timeout, and whoever takes over waits that
/// timeout before it reconciles.
pub const LEASE: Duration = Duration::from_secs(60);

/// Who asks for the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRequest {
    /// The person or service.
    pub who: String,
    /// The host it runs on. A holder of the same host counts as dead once the operating system says that its file lock
    /// is free.
    pub host: String,
    /// Its process there.
    pub pid: u32,
    /// The command it runs.
    pub command: String,
    /// Now (RFC 3339).
    pub now: String,
    /// Digest of the plan it is going to apply.
    pub plan_digest: Option<String>,
}

/// The part of a lock that its backend implements. Dropping it ends the hold as the death of the process would.
pub(crate) trait Guard: Send + Sync {
    /// Takes the holder's entry out of the store, if it is still there.
    fn clear(&self) -> Result<(), StateError>;
}

/// Whom an acquisition displaced.
pub(crate) enum Displaced {
    /// A process of this host that is gone.
    Dead(Holder),
    /// A holder on another host whose lease ran out.
    Expired(Holder),
}

impl Displaced {
    /// Who it was.
    pub(crate) fn holder(&self) -> &Holder {
        match self {
            Self::Dead(holder) | Self::Expired(holder) => holder,
        }
    }
}

/// The right to commit. It ends when this value is dropped; [`Lock::release`] does the same and says whether it worked.
#[must_use = "the lock is released as soon as this value is dropped"]
pub struct Lock {
    holder: Holder,
    displaced: Option<Displaced>,
    guard: Option<Box<dyn Guard>>,
}

impl Lock {
    pub(crate) fn new(holder: Holder, displaced: Option<Displaced>, guard: Box<dyn Guard>) -> Self {
        Self { holder, displaced, guard: Some(guard) }
    }

    /// This acquisition, as others see it.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// The dead process of this host whose lock was cleared. It sends nothing any more; its intents may be reconciled
    /// at once.
    pub fn cleared_dead_holder(&self) -> Option<&Holder> {
        match &self.displaced {
            Some(Displaced::Dead(holder)) => Some(holder),
            _ => None,
        }
    }

    /// The holder on another host whose lease ran out. It may have a request under way: wait a request's timeout before
    /// reconciling.
    pub fn expired_holder(&self) -> Option<&Holder> {
        match &self.displaced {
            Some(Displaced::Expired(holder)) => Some(holder),
            _ => None,
        }
    }

    /// Ends the hold and takes the holder's entry out of the store.
    ///
    /// # Errors
    /// The store could not be written. The hold has ended all the same; the next acquisition clears the entry as that
    /// of a dead holder.
    pub fn release(mut self) -> Result<(), StateError> {
        match self.guard.take() {
            Some(guard) => guard.clear(),
            None => Ok(()),
        }
    }

    /// Ends the hold as a killed process does: the entry stays.
    #[cfg(test)]
    pub(crate) fn die(mut self) {
        self.guard = None;
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take() {
            // Nobody is left to hear of a failure, and an entry that stays is cleared by the next acquisition.
            let _ = guard.clear();
        }
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("holder", &self.holder).finish_non_exhaustive()
    }
}

/// The holder that `request` becomes. Its id is a function of what makes the acquisition unlike any other, so it needs
/// no randomness.
pub(crate) fn holder_of(request: &LockRequest, lineage: &str, epoch: u64) -> Holder {
    let LockRequest { who, host, pid, command, now, plan_digest } = request.clone();
    let name = format!("{lineage}\n{epoch}\n{host}\n{pid}\n{now}");
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string();
    Holder { id, who, host, pid, command, since: now, plan_digest, epoch }
}
