//! The default backend: one SQLite file, write-ahead log, every commit synced to disk.
//!
//! | file | what it does |
//! |---|---|
//! | `open` | from a path to a database that is ours and current |
//! | `paths` | the files beside it |
//! | `schema` | tables and migrations |
//! | `shared` | connections, transactions, the operating system's lock |
//! | `rows` | rows to values |
//! | `write` | changes to statements |
//! | `blockers` | who holds a file of the database, as the system knows |
//! | `fault` | what SQLite says to what a person can do |
//!
//! # Lock
//!
//! Two things together: the operating system's lock on `<db>.lock` decides between processes of one machine and ends
//! with its holder, however it ends; the row in `lock` says who it is, and decides by a lease where file locks do not
//! reach. Hence a row whose file lock is free belongs to a dead process if it is of our host, and is alive until its
//! lease ends if it is of another (`lease`): its sign of life is the time in the row, which is compared with no clock.
//!
//! Other host names come from containers and virtual machines that share the folder. SQLite's log needs shared memory,
//! so machines that share nothing but a network folder must use another backend.

mod blockers;
mod fault;
mod open;
mod paths;
mod rows;
mod schema;
mod shared;
mod write;

#[cfg(test)]
mod kill_tests;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Transaction;

use self::fault::Fault;
use self::schema::MIGRATIONS;
use self::shared::{FileLock, Shared};
use crate::address::Address;
use crate::change::{Change, next_serial};
use crate::copy::Copy;
use crate::digest::Digester;
use crate::error::StateError;
use crate::holder::Holder;
use crate::identity::Identity;
use crate::lease::Watch;
use crate::lock::{Displaced, Guard, Lock, LockRequest, holder_of};
use crate::record::{Intent, Record, Snapshot};
use crate::run::{ActionDuration, Run, Tip};
use crate::seen::{self, Astray, Seen};
use crate::store::Store;

/// What the file beside the database is called that says what was last written to it from here.
const SEEN: &str = ".seen";

/// A state in an SQLite file.
pub(crate) struct SqliteStore {
    shared: Arc<Shared>,
    lineage: String,
    key: [u8; 32],
    digester: Digester,
    watch: Watch,
    seen: Seen,
}

impl SqliteStore {
    /// The same, with leases judged by a clock that a test moves.
    #[cfg(test)]
    pub(crate) fn judging_by(self, clock: crate::lease::Clock) -> Self {
        Self { watch: Watch::by(clock), ..self }
    }

    /// Opens the state at `path`. Without one it is made, folders included, readable for its owner only, with a random
    /// lineage and key; of several processes that do so at once one makes it and all open that one. A state of an older
    /// schema version is brought to the current one.
    ///
    /// # Errors
    /// See [`StateError`]: not writable, not a state, damaged, of a newer version, or of an older one while somebody
    /// writes to it.
    pub(crate) fn open(path: &Path) -> Result<Self, StateError> {
        Self::open_with(path, &Identity::random()?)
    }

    /// As [`SqliteStore::open`], with the identity that a new state gets. An existing one keeps its own.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub(crate) fn open_with(path: &Path, identity: &Identity) -> Result<Self, StateError> {
        Self::over(open::open_or_create(path, MIGRATIONS, identity)?)
    }

    /// Makes the state at `path` with this identity.
    ///
    /// # Errors
    /// [`StateError::Exists`] where there is one; as [`SqliteStore::open`].
    pub(crate) fn create(path: &Path, identity: &Identity) -> Result<Self, StateError> {
        let exists = || StateError::Exists { place: crate::place::Place::file(path) };
        if Self::open_existing(path)?.is_some() {
            return Err(exists());
        }
        // What was written to one of the same identity does not speak of this one, which nobody has written to.
        let seen = Self::seen(path);
        seen::forget(&seen).map_err(|e| fault::io_error(path, &seen, "remove", e))?;
        let made = Self::open_with(path, identity)?;
        if (made.lineage.as_str(), &made.key) == (identity.lineage(), identity.key()) {
            Ok(made)
        } else {
            Err(exists())
        }
    }

    /// Opens the state at `path`; `None` when there is none, and then nothing is made.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub(crate) fn open_existing(path: &Path) -> Result<Option<Self>, StateError> {
        open::open_existing(path, MIGRATIONS)?.map(Self::over).transpose()
    }

    /// Removes the files of the state at `path`, those that are there.
    ///
    /// # Errors
    /// One of them cannot be removed.
    pub(crate) fn remove(path: &Path) -> Result<(), StateError> {
        for suffix in ["", "-wal", "-shm", ".lock", SEEN] {
            let file = paths::beside(path, suffix);
            match std::fs::remove_file(&file) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(fault::io_error(path, &file, "remove", e));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The file beside the database at `path` that says what was last written to it from here.
    pub(crate) fn seen(path: &Path) -> PathBuf {
        // Where a link leads, as the database is opened.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        paths::beside(&path, SEEN)
    }

    fn over(shared: Shared) -> Result<Self, StateError> {
        let (lineage, key) = shared.read(|tx| {
            let identity: (String, [u8; 32]) =
                tx.query_row("SELECT lineage, digest_key FROM meta WHERE only = 1", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
            Ok(identity)
        })?;
        let digester = Digester::new(&key);
        let seen = Seen::at(paths::beside(shared.path(), SEEN), &lineage, &digester);
        let store = Self { shared: Arc::new(shared), lineage, key, digester, watch: Watch::default(), seen };
        store.not_lost()?;
        Ok(store)
    }

    /// Refuses a state that says it has never been written, where it has been: its log was lost, or not copied.
    fn not_lost(&self) -> Result<(), StateError> {
        match self.seen.serial() {
            Some(written) if written > 0 && self.serial()? == 0 => Err(StateError::Lost {
                place: self.shared.place(),
                what: format!(
                    "is as it was made, but it had been written {written} times: its write-ahead log {} is lost",
                    paths::beside(self.shared.path(), "-wal").display()
                ),
                help: format!(
                    "restore both together; if this state is meant, delete {}",
                    paths::beside(self.shared.path(), SEEN).display()
                ),
            }),
            _ => Ok(()),
        }
    }

    fn tip(&self) -> Result<Tip, StateError> {
        self.shared.read(rows::tip)
    }

    /// The current serial, if the state is still the one that was opened and `lock` is still the newest.
    fn fence(&self, tx: &Transaction<'_>, lock: &Lock) -> Result<u64, Fault> {
        let serial = self.same_state(tx)?.serial;
        let holder = rows::holder(tx)?.map(|(holder, _)| holder);
        match holder {
            Some(now) if now.id == lock.holder().id && now.epoch == lock.holder().epoch => Ok(serial),
            holder => Err(StateError::Fenced {
                place: self.shared.place(),
                id: lock.holder().id.clone(),
                holder: holder.map(Box::new),
            }
            .into()),
        }
    }

    /// What `meta` counts, if nobody has made another state of it since it was opened.
    fn same_state(&self, tx: &Transaction<'_>) -> Result<Counters, Fault> {
        let mut statement =
            tx.prepare_cached("SELECT schema_version, lineage, serial, epoch, moved_to FROM meta WHERE only = 1")?;
        let (found, lineage, serial, epoch, moved): (u32, String, i64, i64, Option<String>) =
            statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
        let place = || self.shared.place();
        if found != self.schema_version() {
            return Err(StateError::Newer { place: place(), found, supported: self.schema_version() }.into());
        }
        if lineage != self.lineage {
            return Err(StateError::Replaced { place: place() }.into());
        }
        if let Some(to) = moved {
            return Err(StateError::Moved { place: place(), to }.into());
        }
        let place = || "meta".to_owned();
        Ok(Counters { serial: rows::unsigned(serial, place)?, epoch: rows::unsigned(epoch, place)? })
    }

    fn locked(&self, holder: Option<Holder>) -> StateError {
        StateError::Locked { place: self.shared.place(), holder: holder.map(Box::new) }
    }
}

struct Counters {
    serial: u64,
    epoch: u64,
}

impl Store for SqliteStore {
    fn lineage(&self) -> &str {
        &self.lineage
    }

    fn digester(&self) -> Digester {
        self.digester.clone()
    }

    fn schema_version(&self) -> u32 {
        schema::newest(MIGRATIONS)
    }

    fn serial(&self) -> Result<u64, StateError> {
        self.shared.read(serial)
    }

    fn snapshot(&self) -> Result<Snapshot, StateError> {
        self.shared.read(|tx| {
            let mut moved = tx.prepare_cached("SELECT moved_to FROM meta WHERE only = 1")?;
            let moved_to = moved.query_row([], |row| row.get(0))?;
            let (records, open_intents) = (rows::records(tx)?, rows::intents(tx)?);
            Ok(Snapshot { serial: serial(tx)?, records, open_intents, moved_to })
        })
    }

    fn records(&self) -> Result<Vec<Record>, StateError> {
        self.shared.read(rows::records)
    }

    fn record(&self, address: &Address) -> Result<Option<Record>, StateError> {
        self.shared.read(|tx| rows::record(tx, address))
    }

    fn open_intents(&self) -> Result<Vec<Intent>, StateError> {
        self.shared.read(rows::intents)
    }

    fn runs(&self, limit: usize) -> Result<Vec<Run>, StateError> {
        self.shared.read(|tx| rows::runs(tx, limit))
    }

    fn removed(&self) -> Result<Vec<Address>, StateError> {
        self.shared.read(rows::removed)
    }

    fn durations(&self) -> Result<Vec<ActionDuration>, StateError> {
        self.shared.read(rows::durations)
    }

    fn copy(&self) -> Result<Copy, StateError> {
        Ok(Copy::new(&self.lineage, self.key, self.shared.read(rows::contents)?))
    }

    fn verify(&self) -> Result<Copy, StateError> {
        self.shared.still_there()?;
        let contents = self.shared.read(|tx| {
            // Everything that SQLite itself can tell (<https://www.sqlite.org/pragma.html#pragma_integrity_check>).
            let found: String = tx.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
            if found != "ok" {
                return Err(Fault::Damaged(found));
            }
            let contents = rows::contents(tx)?;
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
        self.shared.still_there()?;
        self.shared.write(|tx| {
            self.fence(tx, lock)?;
            tx.execute("UPDATE meta SET moved_to = ?1 WHERE only = 1", [to])?;
            Ok(())
        })
    }

    fn try_lock(&self, request: &LockRequest) -> Result<Lock, StateError> {
        self.shared.still_there()?;
        let Some(file) = FileLock::try_take(self.shared.path())? else {
            return Err(match self.shared.read(rows::holder)? {
                // Between taking it and writing down who has: a process that was stopped there stays so.
                None => match blockers::of(self.shared.path()) {
                    Some(by) => StateError::Busy { place: self.shared.place(), by },
                    None => self.locked(None),
                },
                Some((holder, sign)) => {
                    self.watch.unchanged(&sign);
                    self.locked(Some(holder))
                }
            });
        };
        let (holder, displaced) = self.shared.write_soon(|tx| {
            let epoch = self.same_state(tx)?.epoch + 1;
            let displaced = match rows::holder(tx)? {
                None => None,
                Some((holder, _)) if holder.host == request.host => Some(Displaced::Dead(holder)),
                Some((holder, sign)) if self.watch.ran_out(&sign) => Some(Displaced::Expired(holder)),
                Some((holder, _)) => return Err(self.locked(Some(holder)).into()),
            };
            let holder = holder_of(request, &self.lineage, epoch);
            tx.execute("UPDATE meta SET epoch = ?1", [rows::signed(epoch)])?;
            tx.execute(
                "INSERT OR REPLACE INTO lock (only, id, who, host, pid, command, since, plan_digest, epoch, renewed_at) \
                 VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, unixepoch('subsec'))",
                (
                    &holder.id,
                    &holder.who,
                    &holder.host,
                    holder.pid,
                    &holder.command,
                    &holder.since,
                    &holder.plan_digest,
                    rows::signed(epoch),
                ),
            )?;
            Ok((holder, displaced))
        })?;
        let hold = Hold { shared: Arc::clone(&self.shared), _file: file, id: holder.id.clone() };
        Ok(Lock::new(holder, displaced, Box::new(hold)))
    }

    fn holder(&self) -> Result<Option<Holder>, StateError> {
        self.shared.holder()
    }

    fn unlock(&self, id: &str) -> Result<Holder, StateError> {
        self.shared.still_there()?;
        let file = FileLock::try_take(self.shared.path())?;
        let named = |tx: &Transaction<'_>| {
            let place = self.shared.place();
            let Some((holder, _)) = rows::holder(tx)? else { return Err(Fault::from(StateError::NotLocked { place })) };
            if holder.id != id {
                return Err(StateError::OtherLock { place, asked: id.to_owned(), holder: Box::new(holder) }.into());
            }
            Ok(holder)
        };
        if file.is_none() {
            // Looked at without writing: the holder may be stopped inside a transaction.
            let holder = Box::new(self.shared.read(named)?);
            return Err(StateError::HolderAlive { place: self.shared.place(), holder });
        }
        self.shared.write_soon(|tx| {
            let holder = named(tx)?;
            tx.execute("DELETE FROM lock WHERE id = ?1", [id])?;
            Ok(holder)
        })
    }

    fn renew(&self, lock: &Lock) -> Result<(), StateError> {
        self.shared.still_there()?;
        self.shared.write(|tx| {
            self.fence(tx, lock)?;
            // Another value each time, also within a millisecond: it is the sign of life.
            let renew = "UPDATE lock SET renewed_at = max(unixepoch('subsec'), renewed_at + 0.001)";
            tx.prepare_cached(renew)?.execute([])?;
            Ok(())
        })
    }

    fn commit(&self, lock: &Lock, changes: &[Change]) -> Result<u64, StateError> {
        self.shared.still_there()?;
        let tip = self.shared.write(|tx| {
            let serial = self.fence(tx, lock)?;
            if changes.is_empty() {
                return rows::tip(tx);
            }
            let next = next_serial(serial, changes);
            for change in changes {
                write::apply(tx, change, next)?;
            }
            tx.prepare_cached("UPDATE meta SET serial = ?1")?.execute([rows::signed(next)])?;
            rows::tip(tx)
        })?;
        self.seen.note(&tip, changes);
        Ok(tip.serial)
    }
}

/// The hold of one acquisition. The file lock goes with it.
struct Hold {
    shared: Arc<Shared>,
    _file: FileLock,
    id: String,
}

impl Guard for Hold {
    fn clear(&self) -> Result<(), StateError> {
        self.shared.write(|tx| {
            tx.execute("DELETE FROM lock WHERE id = ?1", [&self.id])?;
            Ok(())
        })
    }
}

fn serial(tx: &Transaction<'_>) -> Result<u64, Fault> {
    let serial = tx.prepare_cached("SELECT serial FROM meta WHERE only = 1")?.query_row([], |row| row.get(0))?;
    rows::unsigned(serial, || "meta".to_owned())
}
