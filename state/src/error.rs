//! What can go wrong with a state store.

use std::io;
use std::path::PathBuf;

use crate::lock::Holder;

/// Why a state store could not do what it was asked. Each text says what failed, where, and what to do; nothing was
/// changed unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Somebody else may write now. Trying again later helps.
    #[error("the state {} is locked by {}", path.display(), locked_by(holder.as_deref()))]
    Locked {
        /// The store.
        path: PathBuf,
        /// Who holds it; `None` in the instant in which a holder takes or releases it.
        holder: Option<Box<Holder>>,
    },
    /// Another process is inside a transaction and does not end it. Trying again later helps.
    #[error(
        "the state {} is being written by {by}; wait for it, with --lock-timeout, or if it is stopped let it go on or end it",
        path.display()
    )]
    Busy {
        /// The store.
        path: PathBuf,
        /// Process, host and command.
        by: String,
    },
    /// A file without a state in it, where a state was.
    #[error(
        "the state {} has nothing in it ({length} bytes, no tables); restore it together with `{}-wal`, which holds what was \
         written last, or restore both from a backup; if there never was a state in it, move it away",
        path.display(),
        path.file_name().unwrap_or_default().to_string_lossy()
    )]
    Blank {
        /// The store.
        path: PathBuf,
        /// The length of its file.
        length: u64,
    },
    /// A write-ahead log without its database.
    #[error(
        "the state {} is missing, but its write-ahead log {} is there; put the state back beside it, or restore both from a \
         backup; if that state is given up, move the log away",
        path.display(),
        log.display()
    )]
    OnlyLog {
        /// The store.
        path: PathBuf,
        /// Its log.
        log: PathBuf,
    },
    /// A state as it was made, although it has been written to.
    #[error(
        "the state {} is as it was made, but it had been written {serial} times: its write-ahead log {} is lost; restore both \
         together; if this state is meant, delete {}",
        path.display(),
        log.display(),
        lock.display()
    )]
    LogLost {
        /// The store.
        path: PathBuf,
        /// Its log.
        log: PathBuf,
        /// The file that knows of the writes.
        lock: PathBuf,
        /// The newest serial that was written.
        serial: u64,
    },
    /// The lock was taken over or taken away; this writer must stop. Trying again does not help, a new run does.
    #[error(
        "the lock on the state {} is no longer ours ({id}): {}; nothing more is written, run the command again to reconcile",
        path.display(),
        fenced_by(holder.as_deref())
    )]
    Fenced {
        /// The store.
        path: PathBuf,
        /// Id of the lock that was lost.
        id: String,
        /// Who holds it now.
        holder: Option<Box<Holder>>,
    },
    /// `unlock` of a store that nobody holds.
    #[error("the state {} is not locked; there is nothing to unlock", path.display())]
    NotLocked {
        /// The store.
        path: PathBuf,
    },
    /// `unlock` with an id that is not the holder's.
    #[error("the state {} is not locked by {asked} but by {holder}; its id is {}", path.display(), holder.id)]
    OtherLock {
        /// The store.
        path: PathBuf,
        /// The id that was given.
        asked: String,
        /// Who holds it.
        holder: Box<Holder>,
    },
    /// `unlock` of a holder whose process runs.
    #[error(
        "the state {} is in use by a running process on this machine, {holder}; end process {} first, then its lock clears by itself",
        path.display(),
        holder.pid
    )]
    HolderAlive {
        /// The store.
        path: PathBuf,
        /// Who holds it.
        holder: Box<Holder>,
    },
    /// The store was written by a newer version.
    #[error(
        "the state {} has schema version {found}, this kompox knows versions up to {supported}; nothing was changed, install the kompox that \
         wrote it or a newer one",
        path.display()
    )]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest one this program knows.
        supported: u32,
    },
    /// The file is something else.
    #[error("{} is not a kompox state: {reason}; move it away, or name another file in `.kompox/config.yml`", path.display())]
    NotAState {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// The store is damaged.
    #[error(
        "the state {} is damaged: {what}; restore a backup; without one, move it away and adopt what exists: `kompox plan` then names each object with its import line",
        path.display()
    )]
    Corrupt {
        /// The store.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The store's file is not the one that was opened.
    #[error(
        "the state {} was deleted or replaced while it was in use; nothing more is written, put it back or run the command again to reconcile",
        path.display()
    )]
    Replaced {
        /// The store.
        path: PathBuf,
    },
    /// The folder or its files cannot be written.
    #[error("the state {} cannot be written: {reason}; make the folder {} and its files writable", path.display(), folder.display())]
    ReadOnly {
        /// The store.
        path: PathBuf,
        /// Its folder.
        folder: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// A change does not fit what is stored, or a value does not fit the store.
    #[error("the state refused a change: {what}; nothing was changed")]
    Refused {
        /// What and why.
        what: String,
    },
    /// The operating system failed.
    #[error("cannot {doing} {}: {source}; {hint}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What to do.
        hint: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// SQLite failed.
    #[error("the state {} cannot be used: {source}; {hint}", path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// What to do.
        hint: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// There is no randomness for a new state's key.
    #[error("the operating system gave no random bytes for a new state: {0}; try again")]
    Randomness(#[source] getrandom::Error),
}

fn locked_by(holder: Option<&Holder>) -> String {
    match holder {
        Some(holder) => format!(
            "{holder}; wait for it, with --lock-timeout, or if it is certainly gone run `kompox state unlock {}`",
            holder.id
        ),
        None => "a process on this machine that is just taking or releasing it; try again".to_owned(),
    }
}

fn fenced_by(holder: Option<&Holder>) -> String {
    match holder {
        Some(holder) => format!("it was taken over by {holder}"),
        None => "it was taken away by `kompox state unlock`, or taken over by somebody who is done".to_owned(),
    }
}
