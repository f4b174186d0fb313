//! The state of kompox: what exists, what was about to happen, who may write, and what has been done (`engine.md`,
//! section "State").
//!
//! | module | holds |
//! |---|---|
//! | [`store`] | [`Store`], the one trait every backend implements |
//! | [`address`] | [`Address`], the name of one object |
//! | [`key`] | [`ProviderKey`], the API that one is in |
//! | [`verb`] | [`Verb`], what is done to one |
//! | [`record`] | what is kept: [`Record`], [`Intent`], [`Snapshot`] |
//! | [`guards`] | what a record says that must not be overlooked: [`Protection`], [`Progress`] |
//! | [`run`] | the history: [`Run`], [`RunResult`], [`Counts`], [`ActionDuration`] |
//! | [`change`] | [`Change`], everything a commit can do |
//! | [`lock`], [`holder`] | [`Lock`], [`LockRequest`], [`Holder`]: one writer at a time |
//! | [`digest`] | [`Digester`], the keyed digest that stands for a secret |
//! | [`mod@copy`] | [`struct@Copy`], a whole state as one text |
//! | [`error`] | [`StateError`] |
//! | `identity` | the lineage and the key a new state starts with |
//! | `lease` | whether a holder somewhere else still lives |
//! | [`backend`] | [`Config`], [`open`]: which backend, the only place that knows them all |
//! | [`place`] | [`Place`], where a state is; [`Variables`], what signs in there |
//! | `sqlite` | the default backend |
//! | `object` | the backend that is a log of objects |
//! | `postgres` | the backend in tables of PostgreSQL |
//! | [`contents`] | [`Contents`], all that a state holds |
//! | `model` | a state in memory |
//! | `sealed` | texts that say whether they are whole |
//! | `folders` | folders and names that outlive a power cut |
//! | `fit` | what a change must fulfil to be read back |
//! | `bridge` | from calls that block to servers that are asked asynchronously |
//! | `presence` | whether a holder of this machine is alive, where the state is elsewhere |
//!
//! # Files
//!
//! | file | owner |
//! |---|---|
//! | `.kompox/state/kompox.db` (and SQLite's `-wal`, `-shm`) | `sqlite` |
//! | `.kompox/state/kompox.db.lock` | `sqlite`; never deleted, the operating system's lock on it counts |
//!
//! # Invariants
//!
//! - A commit is one durable transaction: when [`Store::commit`] returns, all of its changes outlive a power cut; when
//!   it fails, none happened.
//! - The serial goes up by exactly one with each commit that changes something.
//! - Only the holder of the newest epoch can commit; a holder that was displaced is refused, never merged.
//! - What is read has its type: an address, a verb, a guard, a result that cannot be read is damage, and never none.
//! - Readers take no lock and never wait for a writer.
//! - No secret is kept. This crate cannot tell a secret from any other value: masking is the engine's part, see
//!   [`record`].
//!
//! # Another backend
//!
//! implements [`Store`], hands out its [`Lock`]s with a guard of its own, passes the contract tests in `contract.rs`, which
//! are generic over the backend, and gets a variant of [`Config`] and a line in each function of [`backend`].

pub mod address;
pub mod backend;
mod bridge;
pub mod change;
pub mod contents;
pub mod copy;
pub mod digest;
pub mod error;
mod fault;
mod fit;
mod folders;
pub mod guards;
pub mod holder;
mod identity;
pub mod key;
mod lease;
pub mod lock;
mod model;
mod object;
pub mod place;
mod postgres;
mod presence;
pub mod record;
pub mod run;
mod sealed;
mod seen;
mod sqlite;
pub mod store;
pub mod stored;
pub mod verb;

#[cfg(test)]
mod contract;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod pause_tests;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod power_tests;
#[cfg(test)]
#[allow(dead_code, reason = "the tests of the program use the rest")]
#[path = "../../tests/stores/server.rs"]
mod stores;

pub use address::{Address, NotAnAddress};
pub use backend::{Config, astray, create, is_blank, open, open_existing, remove, restore};
pub use change::Change;
pub use contents::Contents;
pub use copy::Copy;
pub use digest::Digester;
pub use error::StateError;
pub use guards::{Held, Progress, Protection};
pub use holder::Holder;
pub use key::ProviderKey;
pub use lock::{LEASE, Lock, LockRequest};
pub use place::{NotObjects, Objects, Place, Variables};
pub use record::{Intent, Record, Snapshot};
pub use run::{ActionDuration, Counts, Link, Run, RunResult};
pub use seen::Astray;
pub use store::Store;
pub use stored::Stored;
pub use verb::Verb;
