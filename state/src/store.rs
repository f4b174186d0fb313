//! The one trait every backend implements.

use crate::address::Address;
use crate::change::Change;
use crate::copy::Copy;
use crate::digest::Digester;
use crate::error::StateError;
use crate::holder::Holder;
use crate::lock::{Lock, LockRequest};
use crate::record::{Intent, Record, Snapshot};
use crate::run::{ActionDuration, Run};
use crate::seen::Astray;

/// A state store. All calls block, for a disk flush or for answers of a server, which are waited for as long as the
/// backend says; all may be made from several threads at once, also from those of an asynchronous runtime, as long as
/// that has no other work to do meanwhile. A backend that talks to a server has a runtime of its own. Why this is no
/// asynchronous trait, `ARCHITECTURE.md` says under "State". Any call fails with [`StateError`]
/// when the store cannot be read or written, or when what it holds cannot be understood.
pub trait Store: Send + Sync {
    /// The state's lineage, a UUID that everything created under it carries.
    fn lineage(&self) -> &str;

    /// The digester under this state's key.
    fn digester(&self) -> Digester;

    /// The schema version of the store.
    fn schema_version(&self) -> u32;

    /// The serial of the last commit; zero in a new state.
    ///
    /// # Errors
    /// See [`Store`].
    fn serial(&self) -> Result<u64, StateError>;

    /// How the state is not what was last written to it from this machine, if so: an older copy was put back, or one that others
    /// have written to since. `None` also where nobody knows what was written from here.
    ///
    /// # Errors
    /// See [`Store`].
    fn astray(&self) -> Result<Option<Astray>, StateError>;

    /// Takes the state as it is for what was last written from this machine.
    ///
    /// # Errors
    /// See [`Store`]; that cannot be written down.
    fn accept(&self) -> Result<(), StateError>;

    /// Serial, records and open intents of one instant. What a plan is made from: read one by one, a commit between two
    /// reads would be seen half.
    ///
    /// # Errors
    /// See [`Store`].
    fn snapshot(&self) -> Result<Snapshot, StateError>;

    /// Every record, by address.
    ///
    /// # Errors
    /// See [`Store`].
    fn records(&self) -> Result<Vec<Record>, StateError>;

    /// The record of one address.
    ///
    /// # Errors
    /// See [`Store`].
    fn record(&self, address: &Address) -> Result<Option<Record>, StateError>;

    /// Every open intent, in the order they were opened.
    ///
    /// # Errors
    /// See [`Store`].
    fn open_intents(&self) -> Result<Vec<Intent>, StateError>;

    /// The last `limit` runs, newest first.
    ///
    /// # Errors
    /// See [`Store`].
    fn runs(&self, limit: usize) -> Result<Vec<Run>, StateError>;

    /// Addresses that had a record once and have none now, sorted.
    ///
    /// # Errors
    /// See [`Store`].
    fn removed(&self) -> Result<Vec<Address>, StateError>;

    /// Mean wall times, by kind and action.
    ///
    /// # Errors
    /// See [`Store`].
    fn durations(&self) -> Result<Vec<ActionDuration>, StateError>;

    /// All of it, of one instant.
    ///
    /// # Errors
    /// See [`Store`].
    fn copy(&self) -> Result<Copy, StateError>;

    /// Looks at everything, as far as the backend can: that what is stored is whole, that all of it can be read, and that the
    /// runs of the history hang together. It detects damage, not forgery. Gives what there is.
    ///
    /// # Errors
    /// [`StateError::Corrupt`] with what was found; see [`Store`].
    fn verify(&self) -> Result<Copy, StateError>;

    /// Lets nobody write any more, because the state has moved to `to`, which every later attempt is told. Reading stays
    /// possible.
    ///
    /// # Errors
    /// [`StateError::Fenced`] when the lock was taken over.
    fn retire(&self, lock: &Lock, to: &str) -> Result<(), StateError>;

    /// Takes the lock if it is free, does not wait. A holder of the same host that is dead is cleared, one of another
    /// host whose lease ran out is displaced; [`Lock`] tells.
    ///
    /// # Errors
    /// [`StateError::Locked`] when somebody holds it, this process included; [`StateError::Moved`] when the state has moved.
    fn try_lock(&self, request: &LockRequest) -> Result<Lock, StateError>;

    /// Who is written down as the holder. It may have died since: only [`Store::try_lock`] finds out.
    ///
    /// # Errors
    /// See [`Store`].
    fn holder(&self) -> Result<Option<Holder>, StateError>;

    /// Takes the lock away from the holder whose id this is, and says whose it was. The last resort: whoever held it
    /// can not commit any more.
    ///
    /// # Errors
    /// [`StateError::NotLocked`], [`StateError::OtherLock`] when the id is another, [`StateError::HolderAlive`] when
    /// its process runs on this machine.
    fn unlock(&self, id: &str) -> Result<Holder, StateError>;

    /// Renews the lease of a lock for another [`LEASE`](crate::LEASE).
    ///
    /// # Errors
    /// [`StateError::Fenced`] when the lock was taken over.
    fn renew(&self, lock: &Lock) -> Result<(), StateError>;

    /// Makes all changes in one durable transaction and gives the new serial. Without any change nothing is written and
    /// the serial stays.
    ///
    /// # Errors
    /// [`StateError::Fenced`] when the lock was taken over; [`StateError::Refused`] when a change does not fit what is
    /// stored. Nothing is changed then.
    fn commit(&self, lock: &Lock, changes: &[Change]) -> Result<u64, StateError>;
}
