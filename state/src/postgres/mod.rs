//! A state in PostgreSQL: rows, and a lease row whose epoch every commit checks.
//!
//! | file | what it does |
//! |---|---|
//! | `server` | from the variables of `libpq` to a server, with TLS |
//! | `passfile` | the file with passwords |
//! | `link` | the thread that talks to it; transactions |
//! | `fault` | what the server says to what a person can do |
//! | `schema` | the tables |
//! | `rows` | rows to values |
//! | `write` | changes to statements |
//!
//! # One writer
//!
//! A commit is one transaction. It begins with `SELECT … FOR UPDATE` of the row `lease`, so it waits for whoever is taking
//! the lock, and then compares holder and epoch. When the answer to a `COMMIT` is lost, a new connection waits for the same
//! row, which the server gives free only when that transaction has ended, and then reads whose commit was the last. One that
//! was not written is tried once more: a server that was started anew in the middle of an apply stops nothing.
//!
//! # Poolers
//!
//! Nothing outlives a transaction: no named prepared statement, no setting of a session, no lock of one. So a pooler may
//! give each transaction to another connection (`pool_mode = transaction` of pgbouncer).

mod fault;
mod link;
mod passfile;
mod rows;
mod schema;
mod server;
mod write;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use postgres::Transaction;
use postgres::types::Type;
use uuid::Uuid;

use self::fault::Fault;
use self::link::Link;
use self::schema::Meta;
use crate::address::Address;
use crate::change::{Change, next_serial};
use crate::copy::Copy;
use crate::digest::Digester;
use crate::error::StateError;
use crate::holder::Holder;
use crate::identity::Identity;
use crate::lease::Watch;
use crate::lock::{Displaced, Guard, Lock, LockRequest, holder_of};
use crate::place::{Place, Variables};
use crate::presence::{Held, Presence};
use crate::record::{Intent, Record, Snapshot};
use crate::run::{ActionDuration, Run, Tip};
use crate::seen::{Astray, Seen};
use crate::store::Store;

/// A state in tables of one schema.
pub(crate) struct PostgresStore {
    shared: Arc<Shared>,
    lineage: String,
    key: [u8; 32],
    digester: Digester,
    watch: Arc<Watch>,
    seen: Seen,
}

/// What a store and its locks have in common.
struct Shared {
    link: Link,
    /// The file whose lock shows that a holder of this machine is alive.
    presence: PathBuf,
}

impl PostgresStore {
    /// The same, with leases judged by a clock that a test moves.
    #[cfg(test)]
    pub(crate) fn judging_by(self, clock: crate::lease::Clock) -> Self {
        Self { watch: Arc::new(Watch::by(clock)), ..self }
    }

    /// Opens the state in `schema`. Without one it is made, with a random lineage and key; of several processes that do so
    /// at once one makes it and all open that one.
    ///
    /// # Errors
    /// See [`StateError`].
    pub(crate) fn open(schema: &str, variables: &Variables, presence: &Path) -> Result<Self, StateError> {
        let link = Link::start(schema, variables)?;
        if !link.read(schema::is_there)? {
            let identity = Identity::random()?;
            link.write(move |tx, schema| schema::make(tx, schema, &identity))?;
        }
        Self::over(link, presence)
    }

    /// Opens the state in `schema`; `None` when there is none, and then nothing is made.
    ///
    /// # Errors
    /// As [`PostgresStore::open`].
    pub(crate) fn open_existing(
        schema: &str,
        variables: &Variables,
        presence: &Path,
    ) -> Result<Option<Self>, StateError> {
        let link = Link::start(schema, variables)?;
        if link.read(schema::is_there)? { Self::over(link, presence).map(Some) } else { Ok(None) }
    }

    /// Makes the state in `schema` with this identity.
    ///
    /// # Errors
    /// [`StateError::Exists`] where there is one; as [`PostgresStore::open`].
    pub(crate) fn create(
        schema: &str,
        variables: &Variables,
        presence: &Path,
        identity: Identity,
    ) -> Result<Self, StateError> {
        let link = Link::start(schema, variables)?;
        if !link.write(move |tx, schema| schema::make(tx, schema, &identity))? {
            return Err(StateError::Exists { place: link.place() });
        }
        Self::over(link, presence)
    }

    /// Drops the tables.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub(crate) fn remove(schema: &str, variables: &Variables) -> Result<(), StateError> {
        Link::start(schema, variables)?.write(schema::remove)
    }

    fn over(link: Link, presence: &Path) -> Result<Self, StateError> {
        let Meta { version, lineage, key, .. } = link.read(schema::meta)?;
        if version != schema::VERSION {
            return Err(StateError::Newer { place: link.place(), found: version, supported: schema::VERSION });
        }
        let shared = Arc::new(Shared { link, presence: presence.to_owned() });
        let digester = Digester::new(&key);
        let seen = Seen::at(Seen::beside_lock(presence), &lineage, &digester);
        Ok(Self { shared, lineage, key, digester, watch: Arc::default(), seen })
    }

    fn locked(place: Place, holder: Option<Holder>) -> StateError {
        StateError::Locked { place, holder: holder.map(Box::new) }
    }

    fn tip(&self) -> Result<Tip, StateError> {
        let Meta { serial, head, .. } = self.shared.link.read(schema::meta)?;
        Ok(Tip { serial, head })
    }

    /// What a transaction needs to know whether it may write.
    fn own(&self) -> Own {
        Own { lineage: self.lineage.clone(), place: self.shared.link.place() }
    }
}

impl Shared {
    fn presence(&self) -> Result<Presence, StateError> {
        Presence::at(&self.presence, &Uuid::new_v4().to_string()).map_err(|source| StateError::Io {
            place: Place::file(&self.presence),
            doing: "lock",
            hint: "the folder beside the manifests must be writable, on a file system with locks",
            source,
        })
    }
}

/// The state that was opened.
struct Own {
    lineage: String,
    place: Place,
}

impl Own {
    /// The lease row, held against all others until the transaction ends, and what `meta` says; if the state is still the one
    /// that was opened, and here.
    fn lease(&self, tx: &mut Transaction<'_>, schema: &str) -> Result<(rows::Lease, Meta), Fault> {
        let lease = rows::lease(tx, schema, "FOR UPDATE")?;
        let meta = schema::meta(tx, schema)?;
        let place = self.place.clone();
        if meta.version != schema::VERSION {
            return Err(StateError::Newer { place, found: meta.version, supported: schema::VERSION }.into());
        }
        if meta.lineage != self.lineage {
            return Err(StateError::Replaced { place }.into());
        }
        match meta.moved {
            Some(to) => Err(StateError::Moved { place, to }.into()),
            None => Ok((lease, meta)),
        }
    }

    /// The same, if `lock` is the newest.
    fn fence(&self, tx: &mut Transaction<'_>, schema: &str, lock: &Holder) -> Result<Meta, Fault> {
        let (lease, meta) = self.lease(tx, schema)?;
        match lease.held.map(|held| held.holder) {
            Some(now) if now.id == lock.id && now.epoch == lock.epoch => Ok(meta),
            holder => {
                let (place, id) = (self.place.clone(), lock.id.clone());
                Err(StateError::Fenced { place, id, holder: holder.map(Box::new) }.into())
            }
        }
    }
}

impl Store for PostgresStore {
    fn lineage(&self) -> &str {
        &self.lineage
    }

    fn digester(&self) -> Digester {
        self.digester.clone()
    }

    fn schema_version(&self) -> u32 {
        schema::VERSION
    }

    fn serial(&self) -> Result<u64, StateError> {
        Ok(self.shared.link.read(schema::meta)?.serial)
    }

    fn snapshot(&self) -> Result<Snapshot, StateError> {
        self.shared.link.read(|tx, schema| {
            let Meta { serial, moved, .. } = schema::meta(tx, schema)?;
            let (records, open_intents) = (rows::records(tx, schema)?, rows::intents(tx, schema)?);
            Ok(Snapshot { serial, records, open_intents, moved_to: moved })
        })
    }

    fn records(&self) -> Result<Vec<Record>, StateError> {
        self.shared.link.read(rows::records)
    }

    fn record(&self, address: &Address) -> Result<Option<Record>, StateError> {
        let address = address.clone();
        self.shared.link.read(move |tx, schema| rows::record(tx, schema, &address))
    }

    fn open_intents(&self) -> Result<Vec<Intent>, StateError> {
        self.shared.link.read(rows::intents)
    }

    fn runs(&self, limit: usize) -> Result<Vec<Run>, StateError> {
        self.shared.link.read(move |tx, schema| rows::runs(tx, schema, limit))
    }

    fn removed(&self) -> Result<Vec<Address>, StateError> {
        self.shared.link.read(rows::removed)
    }

    fn durations(&self) -> Result<Vec<ActionDuration>, StateError> {
        self.shared.link.read(rows::durations)
    }

    fn copy(&self) -> Result<Copy, StateError> {
        Ok(Copy::new(&self.lineage, self.key, self.shared.link.read(rows::contents)?))
    }

    fn verify(&self) -> Result<Copy, StateError> {
        let (lineage, key, place) = (self.lineage.clone(), self.key, self.shared.link.place());
        let contents = self.shared.link.read(move |tx, schema| {
            let meta = schema::meta(tx, schema)?;
            if meta.lineage != lineage || meta.key != key {
                return Err(StateError::Replaced { place: place.clone() }.into());
            }
            let contents = rows::contents(tx, schema)?;
            contents.check_chain().map_err(Fault::Damaged)?;
            Ok(contents)
        })?;
        Ok(Copy::new(&self.lineage, self.key, contents))
    }

    fn astray(&self) -> Result<Option<Astray>, StateError> {
        self.seen.astray(|| self.tip(), || self.runs(usize::MAX))
    }

    fn accept(&self) -> Result<(), StateError> {
        self.seen.accept(&self.tip()?)
    }

    fn retire(&self, lock: &Lock, to: &str) -> Result<(), StateError> {
        let (own, holder, to) = (self.own(), lock.holder().clone(), to.to_owned());
        self.shared.link.write(move |tx, schema| {
            own.fence(tx, schema, &holder)?;
            tx.execute_typed(&format!("UPDATE {schema}.meta SET moved_to = $1"), &[(&to, Type::TEXT)])?;
            Ok(())
        })
    }

    fn try_lock(&self, request: &LockRequest) -> Result<Lock, StateError> {
        let presence = self.shared.presence()?;
        let (own, watch, request) = (self.own(), Arc::clone(&self.watch), request.clone());
        let (is_free, witness) = (presence.is_locked(), presence.witness().cloned());
        let (holder, displaced) = self.shared.link.write(move |tx, schema| {
            let (lease, _) = own.lease(tx, schema)?;
            let place = || own.place.clone();
            let displaced = match lease.held {
                None if is_free => None,
                None => return Err(Self::locked(place(), None).into()),
                Some(held) => {
                    let ran_out = watch.ran_out(&format!("{} {}", held.holder.id, lease.beat));
                    let is_dead = held.holder.host == request.host && witness.is_some() && witness == held.witness;
                    match held.holder {
                        holder if is_free && is_dead => Some(Displaced::Dead(holder)),
                        holder if is_free && ran_out => Some(Displaced::Expired(holder)),
                        holder => return Err(Self::locked(place(), Some(holder)).into()),
                    }
                }
            };
            let holder = holder_of(&request, &own.lineage, lease.epoch + 1);
            rows::take(tx, schema, &Held { holder: holder.clone(), witness: witness.clone() })?;
            Ok((holder, displaced))
        })?;
        let hold = Hold { shared: Arc::clone(&self.shared), _presence: presence, id: holder.id.clone() };
        Ok(Lock::new(holder, displaced, Box::new(hold)))
    }

    fn holder(&self) -> Result<Option<Holder>, StateError> {
        let lease = self.shared.link.read(|tx, schema| rows::lease(tx, schema, ""))?;
        Ok(lease.held.map(|held| held.holder))
    }

    fn unlock(&self, id: &str) -> Result<Holder, StateError> {
        let presence = self.shared.presence()?;
        let (own, id) = (self.own(), id.to_owned());
        self.shared.link.write(move |tx, schema| {
            let place = || own.place.clone();
            let Some(held) = own.lease(tx, schema)?.0.held else {
                return Err(StateError::NotLocked { place: place() }.into());
            };
            let is_alive = presence.sees_alive(&held);
            let holder = held.holder;
            if holder.id != id {
                let (asked, holder) = (id.clone(), Box::new(holder));
                return Err(StateError::OtherLock { place: place(), asked, holder }.into());
            }
            if is_alive {
                return Err(StateError::HolderAlive { place: place(), holder: Box::new(holder) }.into());
            }
            rows::give_back(tx, schema, &holder.id)?;
            Ok(holder)
        })
    }

    fn renew(&self, lock: &Lock) -> Result<(), StateError> {
        let (own, holder) = (self.own(), lock.holder().clone());
        self.shared.link.write(move |tx, schema| {
            own.fence(tx, schema, &holder)?;
            tx.batch_execute(&format!("UPDATE {schema}.lease SET beat = beat + 1"))?;
            Ok(())
        })
    }

    fn commit(&self, lock: &Lock, changes: &[Change]) -> Result<u64, StateError> {
        let (own, holder) = (self.own(), lock.holder().clone());
        let (all, id) = (changes.to_vec(), Uuid::new_v4().to_string());
        let tip = self.shared.link.commit(id, move |tx, schema, id| {
            let Meta { serial, mut head, .. } = own.fence(tx, schema, &holder)?;
            if all.is_empty() {
                return Ok(Tip { serial, head });
            }
            let next = next_serial(serial, &all);
            for change in &all {
                if let Some(ended) = write::apply(tx, schema, change, next)? {
                    head = ended;
                }
            }
            let set = format!("UPDATE {schema}.meta SET serial = $1, last_commit = $2");
            tx.execute_typed(&set, &[(&rows::signed(next), Type::INT8), (&id, Type::TEXT)])?;
            Ok(Tip { serial: next, head })
        })?;
        self.seen.note(&tip, changes);
        Ok(tip.serial)
    }
}

/// The hold of one acquisition. The lock on the file of this machine goes with it.
struct Hold {
    shared: Arc<Shared>,
    _presence: Presence,
    id: String,
}

impl Guard for Hold {
    fn clear(&self) -> Result<(), StateError> {
        let id = self.id.clone();
        self.shared.link.write(move |tx, schema| rows::give_back(tx, schema, &id))
    }
}
