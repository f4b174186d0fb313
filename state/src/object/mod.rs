//! A state as a log of objects: in S3 or what speaks like it, Google Cloud Storage, Azure Blob Storage, or a folder.
//!
//! | file | what it does |
//! |---|---|
//! | `log` | names and contents of the objects, and what follows from them |
//! | `bucket` | the few calls that are made, and who was first where only one can be |
//! | `reader` | from objects to what is known, and on to what is new |
//! | `connect`, `http` | from a URL and the environment to a bucket |
//!
//! # How one writer is the only one
//!
//! A commit is the object with the next number, which is created if it does not exist; so is taking the lock. A holder that
//! was displaced finds its next number taken, by the entry that displaced it. Nothing is decided by an ETag.
//!
//! A summary (`<number>.state`) makes everything up to its number superfluous, and that is deleted, but for the entries
//! that took the lock from a holder who had not given it back: each is the one number that this holder, whenever it goes on,
//! can still try. Anybody else who may write an old number is about to take the lock or to take it away. That looks, after it
//! has written and before it counts, whether anything newer is there; then what it wrote is none of the log, and as it is
//! below the summary, nobody reads it.
//!
//! # Requests
//!
//! A commit is one request, however large the state is; each five hundredth also sums up. A cold read of a state that was summed up is three: the identity,
//! a list, the summary. A new look is a list, and a request per new entry.

mod bucket;
mod connect;
mod http;
mod log;
mod reader;

#[cfg(test)]
mod server_tests;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use self::bucket::{Bucket, Created};
use self::http::Connector;
use self::log::{Entry, Event, FORMAT, Identity, Name, Summary};
use crate::address::Address;
use crate::bridge::Bridge;
use crate::change::Change;
use crate::copy::Copy;
use crate::digest::Digester;
use crate::error::StateError;
use crate::holder::Holder;
use crate::identity;
use crate::lease::Watch;
use crate::lock::{Displaced, Guard, Lock, LockRequest, holder_of};
use crate::place::{Objects, Variables};
use crate::presence::{Held, Presence};
use crate::record::{Intent, Record, Snapshot};
use crate::run::{ActionDuration, Run};
use crate::seen::{Astray, Seen};
use crate::store::Store;

/// How many entries a release sums up at least.
const WORTH_IT: u64 = 64;

/// How many entries a holder sums up while it works, so that one that is killed leaves no more than that to be read.
const OVERDUE: u64 = 512;

/// Where lineage and key are.
const IDENTITY: &str = "identity";

/// How often a number is tried that somebody else was faster with.
const TRIES: usize = 8;

/// A state in objects.
pub(crate) struct ObjectStore {
    inner: Arc<Inner>,
    lineage: String,
    key: [u8; 32],
    digester: Digester,
    watch: Watch,
    seen: Seen,
}

/// What a store and its locks have in common.
struct Inner {
    bucket: Bucket,
    bridge: Bridge,
    /// The file whose lock shows that a holder of this machine is alive.
    presence: PathBuf,
    known: Mutex<Summary>,
    /// Up to where the state was summed up when it was last looked at.
    summed: Mutex<u64>,
}

/// How the next entry came to be, or not.
enum Appended {
    Done,
    /// Somebody has this number.
    Taken,
}

impl ObjectStore {
    /// The same, with leases judged by a clock that a test moves.
    #[cfg(test)]
    pub(crate) fn judging_by(self, clock: crate::lease::Clock) -> Self {
        Self { watch: Watch::by(clock), ..self }
    }

    /// Opens the state in `objects`. Without one it is made, with a random lineage and key; of several processes that do so
    /// at once one makes it and all open that one.
    ///
    /// # Errors
    /// See [`StateError`].
    pub(crate) fn open(objects: &Objects, variables: &Variables, presence: &Path) -> Result<Self, StateError> {
        Self::open_through(Connector::default(), objects, variables, presence)
    }

    fn open_through(
        connector: Connector,
        objects: &Objects,
        variables: &Variables,
        presence: &Path,
    ) -> Result<Self, StateError> {
        let inner = Inner::new(connect::connect(objects, variables, connector)?, presence)?;
        let found = match inner.identity()? {
            Some(found) => found,
            None => inner.make(identity::Identity::random()?)?,
        };
        Ok(Self::over(inner, found))
    }

    /// Opens the state in `objects`; `None` when there is none, and then nothing is made.
    ///
    /// # Errors
    /// As [`ObjectStore::open`].
    pub(crate) fn open_existing(
        objects: &Objects,
        variables: &Variables,
        presence: &Path,
    ) -> Result<Option<Self>, StateError> {
        let inner = Inner::new(connect::connect(objects, variables, Connector::default())?, presence)?;
        Ok(inner.identity()?.map(|found| Self::over(inner, found)))
    }

    /// Makes the state in `objects` with this identity.
    ///
    /// # Errors
    /// [`StateError::Exists`] where there is one; as [`ObjectStore::open`].
    pub(crate) fn create(
        objects: &Objects,
        variables: &Variables,
        presence: &Path,
        identity: identity::Identity,
    ) -> Result<Self, StateError> {
        let inner = Inner::new(connect::connect(objects, variables, Connector::default())?, presence)?;
        let exists = || StateError::Exists { place: inner.bucket.place() };
        if inner.identity()?.is_some() {
            return Err(exists());
        }
        let (lineage, key) = (identity.lineage().to_owned(), *identity.key());
        let made = inner.make(identity)?;
        if (&made.lineage, made.key) != (&lineage, key) {
            return Err(exists());
        }
        Ok(Self::over(inner, made))
    }

    /// Deletes all objects of the state.
    ///
    /// # Errors
    /// They cannot be listed, or one of them cannot be deleted.
    pub(crate) fn remove(objects: &Objects, variables: &Variables) -> Result<(), StateError> {
        let inner = Inner::new(connect::connect(objects, variables, Connector::default())?, Path::new(""))?;
        let bucket = inner.bucket.clone();
        inner.wait(async move {
            for folder in ["log", "beat", "probe"] {
                let names = bucket.list(folder, None).await?;
                bucket.delete(names.into_iter().map(|name| format!("{folder}/{name}")).collect()).await?;
            }
            // Last, so that what is left of a removal that fails is still known as a state.
            bucket.delete(vec![IDENTITY.to_owned()]).await
        })
    }

    fn over(inner: Inner, found: Identity) -> Self {
        let digester = Digester::new(&found.key);
        let seen = Seen::at(Seen::beside_lock(&inner.presence), &found.lineage, &digester);
        let (lineage, key) = (found.lineage, found.key);
        Self { inner: Arc::new(inner), lineage, key, digester, watch: Watch::default(), seen }
    }

    /// What is known, as it is now.
    fn look(&self) -> Result<MutexGuard<'_, Summary>, StateError> {
        self.inner.look()
    }

    fn locked(&self, holder: Option<Holder>) -> StateError {
        StateError::Locked { place: self.inner.bucket.place(), holder: holder.map(Box::new) }
    }

    /// What changes as long as a holder is alive: its heartbeats, and the log.
    fn sign_of_life(&self, known: &Summary, holder: &Holder) -> Result<String, StateError> {
        let (bucket, name) = (self.inner.bucket.clone(), beat(&holder.id));
        let beat = self.inner.wait(async move { bucket.get(&name).await })?.unwrap_or_default();
        Ok(format!("{} {} {}", holder.id, known.number, String::from_utf8_lossy(&beat)))
    }
}

impl Inner {
    fn new(bucket: Bucket, presence: &Path) -> Result<Self, StateError> {
        let bridge = Bridge::start().map_err(|source| StateError::Io {
            place: bucket.place(),
            doing: "start a thread for",
            hint: "try again",
            source,
        })?;
        let (known, summed) = (Mutex::default(), Mutex::default());
        Ok(Self { bucket, bridge, presence: presence.to_owned(), known, summed })
    }

    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StateError>> + Send + 'static,
    ) -> Result<T, StateError> {
        self.bridge.wait(work).unwrap_or_else(|| Err(self.ended()))
    }

    fn ended(&self) -> StateError {
        let hint = "this is a fault of kompox: please report it";
        StateError::Backend { place: self.bucket.place(), hint, source: "its thread has ended".into() }
    }

    /// Lineage and key, if they are there. A log without them is no new state.
    fn identity(&self) -> Result<Option<Identity>, StateError> {
        let bucket = self.bucket.clone();
        let place = self.bucket.place();
        self.wait(async move {
            if let Some(bytes) = bucket.get(IDENTITY).await? {
                let what = |what| StateError::Corrupt { place, what: format!("{} {what}", bucket.name(IDENTITY)) };
                return Ok(Some(log::read::<Identity>(&bytes).map_err(what)?.0));
            }
            if bucket.list("log", None).await?.is_empty() {
                return Ok(None);
            }
            let what = format!("has a log, but {} is gone", bucket.name(IDENTITY));
            let help = "restore that object: what the state says of secrets cannot be compared without it".to_owned();
            Err(StateError::Lost { place, what, help })
        })
    }

    /// Makes a new state, after it is certain that what exists cannot be made again.
    fn make(&self, fresh: identity::Identity) -> Result<Identity, StateError> {
        self.prove()?;
        let made = Identity {
            format: FORMAT,
            id: Uuid::new_v4().to_string(),
            lineage: fresh.lineage().to_owned(),
            key: *fresh.key(),
        };
        let (bytes, digest) = log::write(&made).map_err(|e| self.unwritable(&e))?;
        let bucket = self.bucket.clone();
        let ours = move |found: &[u8]| found.starts_with(digest.as_bytes());
        match self.wait(async move { bucket.create(IDENTITY, bytes, ours).await })? {
            Created::Now => Ok(made),
            Created::Before(bytes) => match log::read::<Identity>(&bytes) {
                Ok((found, _)) => Ok(found),
                Err(what) => Err(self.corrupt(format!("{} {what}", self.bucket.name(IDENTITY)))),
            },
        }
    }

    /// Some servers ignore the condition of a creation and overwrite: two writers would destroy each other's commits.
    fn prove(&self) -> Result<(), StateError> {
        let bucket = self.bucket.clone();
        let place = self.bucket.place();
        self.wait(async move {
            let name = format!("probe/{}", Uuid::new_v4());
            let first = bucket.create(&name, b"first".to_vec(), |found| found == b"first").await;
            let first = first.map_err(StateError::before_anything)?;
            let second = bucket.create(&name, b"second".to_vec(), |found| found == b"second").await?;
            let kept = bucket.get(&name).await?;
            bucket.delete(vec![name]).await?;
            match (first, second, kept) {
                (Created::Now, Created::Before(found), Some(kept)) if found == "first" && kept == "first" => Ok(()),
                _ => Err(StateError::NotExclusive { place }),
            }
        })
    }

    /// What is known, brought up to date.
    fn look(&self) -> Result<MutexGuard<'_, Summary>, StateError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (bucket, old) = (self.bucket.clone(), std::mem::take(&mut *known));
        // What is known goes over to the thread that asks and comes back, so that it need not be copied.
        let (now, summed, result) = self.bridge.wait(reader::catch_up(bucket, old)).ok_or_else(|| self.ended())?;
        *known = now;
        if let Some(summed) = summed {
            *self.summed.lock().unwrap_or_else(PoisonError::into_inner) = summed;
        }
        result?;
        Ok(known)
    }

    /// Writes the next entry.
    fn append(&self, known: &mut Summary, event: Event) -> Result<Appended, StateError> {
        let number = known.number + 1;
        let id = Uuid::new_v4().to_string();
        let entry = Entry { format: FORMAT, number, id, previous: known.digest.clone(), event };
        let (bytes, digest) = log::write(&entry).map_err(|e| self.unwritable(&e))?;
        let bucket = self.bucket.clone();
        let name = format!("log/{}", Name::Entry(number).text());
        // The id in the entry makes its digest one that no other entry has.
        let own = digest.clone();
        let ours = move |found: &[u8]| found.starts_with(own.as_bytes());
        match self.wait(async move { bucket.create(&name, bytes, ours).await })? {
            Created::Before(_) => Ok(Appended::Taken),
            Created::Now => {
                known.add(&entry, digest).map_err(|e| self.corrupt(e.to_string()))?;
                Ok(Appended::Done)
            }
        }
    }

    /// Whether the entry that was written last is the end of the log. One that is not was written over an old log, and
    /// counts for nothing.
    fn is_newest(&self, number: u64) -> Result<bool, StateError> {
        let bucket = self.bucket.clone();
        let own = Name::Entry(number).text();
        let newer = self.wait(async move { bucket.list("log", Some(&own)).await })?;
        Ok(!newer.iter().any(|name| Name::parse(name).is_some()))
    }

    /// Forgets what is known, so that the next look reads everything.
    fn forget(&self, known: &mut Summary) {
        *known = Summary::default();
    }

    /// Sums up everything up to now, and deletes what that makes superfluous. A part that fails is done by the next one.
    fn sum_up(&self, known: &Summary, worth_it: u64) -> Result<(), StateError> {
        let summed = *self.summed.lock().unwrap_or_else(PoisonError::into_inner);
        if known.number < summed + worth_it {
            return Ok(());
        }
        let (bytes, digest) = log::write(known).map_err(|e| self.unwritable(&e))?;
        let (bucket, number, kept) = (self.bucket.clone(), known.number, known.kept.clone());
        self.wait(async move {
            let own = move |found: &[u8]| found.starts_with(digest.as_bytes());
            bucket.create(&format!("log/{}", Name::Summary(number).text()), bytes, own).await?;
            let is_over = |name: Name| match name {
                Name::Entry(entry) => entry <= number && !kept.contains(&entry),
                Name::Summary(summary) => summary < number,
            };
            let all = bucket.list("log", None).await?;
            let over = all.into_iter().filter(|name| Name::parse(name).is_some_and(is_over));
            bucket.delete(over.map(|name| format!("log/{name}")).collect()).await
        })?;
        *self.summed.lock().unwrap_or_else(PoisonError::into_inner) = known.number;
        Ok(())
    }

    fn fenced(&self, known: &Summary, lock: &Holder) -> StateError {
        let holder = known.held.as_ref().map(|held| Box::new(held.holder.clone()));
        StateError::Fenced { place: self.bucket.place(), id: lock.id.clone(), holder }
    }

    fn corrupt(&self, what: String) -> StateError {
        StateError::Corrupt { place: self.bucket.place(), what }
    }

    fn unwritable(&self, e: &serde_json::Error) -> StateError {
        StateError::Refused { what: format!("a value is no JSON ({e})") }
    }

    /// The file of this machine; `None` for the lock means that another process, or another part of this one, has it.
    fn presence(&self) -> Result<Presence, StateError> {
        Presence::at(&self.presence, &Uuid::new_v4().to_string()).map_err(|source| StateError::Io {
            place: crate::place::Place::file(&self.presence),
            doing: "lock",
            hint: "the folder beside the manifests must be writable, on a file system with locks",
            source,
        })
    }
}

/// The name of a holder's heartbeat.
fn beat(lock: &str) -> String {
    format!("beat/{lock}")
}

fn holds(known: &Summary, lock: &Holder) -> bool {
    known.held.as_ref().is_some_and(|held| held.holder.id == lock.id && held.holder.epoch == lock.epoch)
}

impl Store for ObjectStore {
    fn lineage(&self) -> &str {
        &self.lineage
    }

    fn digester(&self) -> Digester {
        self.digester.clone()
    }

    fn schema_version(&self) -> u32 {
        FORMAT
    }

    fn serial(&self) -> Result<u64, StateError> {
        Ok(self.look()?.model.serial)
    }

    fn snapshot(&self) -> Result<Snapshot, StateError> {
        let known = self.look()?;
        Ok(Snapshot { moved_to: known.moved.clone(), ..known.model.snapshot() })
    }

    fn records(&self) -> Result<Vec<Record>, StateError> {
        Ok(self.look()?.model.records())
    }

    fn record(&self, address: &Address) -> Result<Option<Record>, StateError> {
        Ok(self.look()?.model.record(address))
    }

    fn open_intents(&self) -> Result<Vec<Intent>, StateError> {
        Ok(self.look()?.model.intents())
    }

    fn runs(&self, limit: usize) -> Result<Vec<Run>, StateError> {
        Ok(self.look()?.model.runs(limit))
    }

    fn removed(&self) -> Result<Vec<Address>, StateError> {
        Ok(self.look()?.model.removed())
    }

    fn durations(&self) -> Result<Vec<ActionDuration>, StateError> {
        Ok(self.look()?.model.durations())
    }

    fn copy(&self) -> Result<Copy, StateError> {
        Ok(Copy::new(&self.lineage, self.key, self.look()?.model.contents()))
    }

    fn verify(&self) -> Result<Copy, StateError> {
        match self.inner.identity()? {
            Some(found) if found.lineage == self.lineage && found.key == self.key => {}
            _ => return Err(StateError::Replaced { place: self.inner.bucket.place() }),
        }
        // What is known came from objects that may have been changed since.
        self.inner.forget(&mut self.inner.known.lock().unwrap_or_else(PoisonError::into_inner));
        let copy = self.copy()?;
        copy.contents().check_chain().map_err(|what| self.inner.corrupt(what))?;
        Ok(copy)
    }

    fn astray(&self) -> Result<Option<Astray>, StateError> {
        self.seen.astray(|| Ok(self.look()?.model.tip()), || self.runs(usize::MAX))
    }

    fn accept(&self) -> Result<(), StateError> {
        self.seen.accept(&self.look()?.model.tip())
    }

    fn retire(&self, lock: &Lock, to: &str) -> Result<(), StateError> {
        for _ in 0..TRIES {
            let mut known = self.look()?;
            if !holds(&known, lock.holder()) {
                return Err(self.inner.fenced(&known, lock.holder()));
            }
            let event = Event::Moved { lock: lock.holder().id.clone(), to: to.to_owned() };
            if let Appended::Done = self.inner.append(&mut known, event)? {
                return Ok(());
            }
        }
        let known = self.look()?;
        Err(self.inner.fenced(&known, lock.holder()))
    }

    fn try_lock(&self, request: &LockRequest) -> Result<Lock, StateError> {
        // Somebody may have put another state there.
        match self.inner.identity()? {
            Some(found) if found.lineage == self.lineage => {}
            _ => return Err(StateError::Replaced { place: self.inner.bucket.place() }),
        }
        let presence = self.inner.presence()?;
        for _ in 0..TRIES {
            let mut known = self.look()?;
            if let Some(to) = known.moved.clone() {
                return Err(StateError::Moved { place: self.inner.bucket.place(), to });
            }
            let displaced = match known.held.clone() {
                None if presence.is_locked() => None,
                None => return Err(self.locked(None)),
                Some(held) => {
                    let ran_out = self.watch.ran_out(&self.sign_of_life(&known, &held.holder)?);
                    let is_dead = held.holder.host == request.host && presence.is_of(held.witness.as_ref());
                    match held.holder {
                        holder if presence.is_locked() && is_dead => Some(Displaced::Dead(holder)),
                        holder if presence.is_locked() && ran_out => Some(Displaced::Expired(holder)),
                        holder => return Err(self.locked(Some(holder))),
                    }
                }
            };
            let holder = holder_of(request, &self.lineage, known.epoch + 1);
            let gone = displaced.as_ref().map(|displaced| displaced.holder().id.clone());
            let held = Held { holder: holder.clone(), witness: presence.witness().cloned() };
            let event = Event::Locked { holder: held, displaced: gone.clone() };
            match self.inner.append(&mut known, event)? {
                Appended::Done if self.inner.is_newest(known.number)? => {}
                // Somebody was faster, or everything has been summed up since it was looked at.
                Appended::Done | Appended::Taken => {
                    self.inner.forget(&mut known);
                    continue;
                }
            }
            drop(known);
            if let Some(gone) = gone {
                // What is left of it is in nobody's way.
                let bucket = self.inner.bucket.clone();
                let _ = self.inner.wait(async move { bucket.delete(vec![beat(&gone)]).await });
            }
            let hold = Hold { inner: Arc::clone(&self.inner), _presence: presence, holder: holder.clone() };
            return Ok(Lock::new(holder, displaced, Box::new(hold)));
        }
        let holder = self.holder()?;
        Err(self.locked(holder))
    }

    fn holder(&self) -> Result<Option<Holder>, StateError> {
        Ok(self.look()?.held.clone().map(|held| held.holder))
    }

    fn unlock(&self, id: &str) -> Result<Holder, StateError> {
        let place = || self.inner.bucket.place();
        let presence = self.inner.presence()?;
        for _ in 0..TRIES {
            let mut known = self.look()?;
            let Some(held) = known.held.clone() else { return Err(StateError::NotLocked { place: place() }) };
            let is_alive = presence.sees_alive(&held);
            let holder = held.holder;
            if holder.id != id {
                let (asked, holder) = (id.to_owned(), Box::new(holder));
                return Err(StateError::OtherLock { place: place(), asked, holder });
            }
            if is_alive {
                return Err(StateError::HolderAlive { place: place(), holder: Box::new(holder) });
            }
            match self.inner.append(&mut known, Event::Unlocked { lock: id.to_owned() })? {
                Appended::Done if self.inner.is_newest(known.number)? => return Ok(holder),
                Appended::Done | Appended::Taken => self.inner.forget(&mut known),
            }
        }
        let holder = self.holder()?;
        Err(self.locked(holder))
    }

    fn renew(&self, lock: &Lock) -> Result<(), StateError> {
        let known = self.look()?;
        if !holds(&known, lock.holder()) {
            return Err(self.inner.fenced(&known, lock.holder()));
        }
        drop(known);
        let (bucket, name) = (self.inner.bucket.clone(), beat(&lock.holder().id));
        self.inner.wait(async move { bucket.put(&name, Uuid::new_v4().to_string().into_bytes()).await })
    }

    fn commit(&self, lock: &Lock, changes: &[Change]) -> Result<u64, StateError> {
        let known = self.inner.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = if changes.is_empty() || !holds(&known, lock.holder()) {
            drop(known);
            self.look()?
        } else {
            known
        };
        for _ in 0..TRIES {
            if !holds(&known, lock.holder()) {
                return Err(self.inner.fenced(&known, lock.holder()));
            }
            if changes.is_empty() {
                return Ok(known.model.serial);
            }
            if let Some(to) = known.moved.clone() {
                return Err(StateError::Moved { place: self.inner.bucket.place(), to });
            }
            known.model.check(changes)?;
            let event = Event::Committed { lock: lock.holder().id.clone(), changes: changes.to_vec() };
            match self.inner.append(&mut known, event)? {
                Appended::Done => {
                    self.seen.note(&known.model.tip(), changes);
                    // The commit is made, whether this works or not.
                    let _ = self.inner.sum_up(&known, OVERDUE);
                    return Ok(known.model.serial);
                }
                // By whoever took over, or by this holder itself: another part of it, or one whose answer was lost.
                Appended::Taken => {
                    drop(known);
                    known = self.look()?;
                }
            }
        }
        Err(self.inner.fenced(&known, lock.holder()))
    }
}

/// The hold of one acquisition. The lock on the file of this machine goes with it.
struct Hold {
    inner: Arc<Inner>,
    _presence: Presence,
    holder: Holder,
}

impl Guard for Hold {
    fn clear(&self) -> Result<(), StateError> {
        for _ in 0..TRIES {
            let mut known = self.inner.look()?;
            if !holds(&known, &self.holder) {
                return Ok(());
            }
            // Under the lock, when nobody else writes. The release is worth more than the room.
            let _ = self.inner.sum_up(&known, WORTH_IT);
            if let Appended::Done = self.inner.append(&mut known, Event::Released { lock: self.holder.id.clone() })? {
                let (bucket, name) = (self.inner.bucket.clone(), beat(&self.holder.id));
                return self.inner.wait(async move { bucket.delete(vec![name]).await });
            }
        }
        let known = self.inner.look()?;
        Err(self.inner.fenced(&known, &self.holder))
    }
}
