//! Whether a holder of this machine is alive, for states that are kept elsewhere.
//!
//! The process that holds the lock of such a state holds the operating system's lock on a file beside the project, too, and
//! writes down which file that is. Who later gets that very file's lock knows that the holder is gone. A host's name
//! would not do: containers of two machines have the same often enough.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::folders;
use crate::holder::Holder;

/// Which file of which machine, since it was started last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Witness {
    boot: String,
    inode: u64,
    nonce: String,
}

/// A holder, and where it can be seen to be alive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Held {
    pub(crate) holder: Holder,
    pub(crate) witness: Option<Witness>,
}

/// The file, and its lock if this process has it.
pub(crate) struct Presence {
    file: File,
    locked: bool,
    witness: Option<Witness>,
}

impl Presence {
    /// Opens the file, made if it is not there, and tries to lock it.
    ///
    /// # Errors
    /// It can be neither opened nor made, or the file system has no locks.
    pub(crate) fn at(path: &Path, nonce: &str) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            folders::create(folder)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        let locked = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(e)) => return Err(e),
        };
        let witness = witness(&file, locked, nonce)?;
        Ok(Self { file, locked, witness })
    }

    /// Whether this process has the lock.
    pub(crate) fn is_locked(&self) -> bool {
        self.locked
    }

    /// What a holder writes down; `None` where the system cannot tell machines apart.
    pub(crate) fn witness(&self) -> Option<&Witness> {
        self.witness.as_ref()
    }

    /// Whether whoever holds the lock is seen to be alive: by this file, or, where it is of another copy of the project, by the
    /// machine's list of locks.
    pub(crate) fn sees_alive(&self, held: &Held) -> bool {
        if self.is_of(held.witness.as_ref()) { !self.locked } else { is_listed(held) }
    }

    /// Whether `holder` is of this machine and project.
    pub(crate) fn is_of(&self, holder: Option<&Witness>) -> bool {
        self.witness.is_some() && self.witness.as_ref() == holder
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // Closing alone is not enough while a child that another thread is starting still has a copy of the handle.
        if self.locked {
            let _ = self.file.unlock();
        }
    }
}

/// Which file this is: whoever has its lock and finds nothing in it writes `nonce` there, once for all.
#[cfg(target_os = "linux")]
fn witness(mut file: &File, locked: bool, nonce: &str) -> io::Result<Option<Witness>> {
    use std::io::{Read, Seek, Write};
    use std::os::unix::fs::MetadataExt;
    let mut text = String::new();
    Read::by_ref(&mut file).take(64).read_to_string(&mut text)?;
    if locked && text.is_empty() {
        file.rewind()?;
        file.write_all(nonce.as_bytes())?;
        nonce.clone_into(&mut text);
    }
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let inode = file.metadata()?.ino();
    Ok((!text.is_empty()).then(|| Witness { boot: boot.trim().to_owned(), inode, nonce: text }))
}

/// Whether the holder's lock on its file is among those of this machine (proc_locks(5)). Processes of another namespace are
/// not listed.
#[cfg(target_os = "linux")]
fn is_listed(held: &Held) -> bool {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let Some(witness) = held.witness.as_ref() else { return false };
    witness.boot == read("/proc/sys/kernel/random/boot_id").trim()
        && read("/proc/locks").lines().any(|line| is_lock_of(line, held.holder.pid, witness.inode))
}

#[cfg(not(target_os = "linux"))]
fn is_listed(_: &Held) -> bool {
    false
}

/// Whether a line of the list is a lock (`flock`) that this process has on a file with this number:
/// `1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF`.
#[cfg(target_os = "linux")]
fn is_lock_of(line: &str, pid: u32, inode: u64) -> bool {
    let mut fields = line.split_whitespace().skip(1);
    let of_file = |file: &str| file.rsplit(':').next().and_then(|number| number.parse().ok()) == Some(inode);
    fields.next() == Some("FLOCK")
        && fields.nth(2).and_then(|number| number.parse().ok()) == Some(pid)
        && fields.next().is_some_and(of_file)
}

/// Elsewhere nothing tells machines apart, so that nothing is read or written: where locks are mandatory (`LockFileEx` of Windows), the
/// file of another process that has its lock cannot be read.
#[cfg(not(target_os = "linux"))]
fn witness(_: &File, _: bool, _: &str) -> io::Result<Option<Witness>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_holder_of_another_copy_of_the_project_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = Presence::at(&folder.path().join("theirs"), "n1").unwrap();
        let ours = Presence::at(&folder.path().join("ours"), "n2").unwrap();
        let holder = Holder {
            id: "i".into(),
            who: "w".into(),
            host: "h".into(),
            pid: std::process::id(),
            command: "apply".into(),
            since: "2026-01-01T00:00:00Z".into(),
            plan_digest: None,
            epoch: 1,
        };
        let held = Held { holder: holder.clone(), witness: theirs.witness().cloned() };
        assert!(ours.is_locked() && ours.sees_alive(&held));
        let other = Held { holder: Holder { pid: holder.pid + 1, ..holder.clone() }, ..held.clone() };
        assert!(!ours.sees_alive(&other));
        let witness = held.witness.clone().map(|witness| Witness { boot: "before".into(), ..witness });
        assert!(!ours.sees_alive(&Held { holder, witness }));
        drop(theirs);
        assert!(!ours.sees_alive(&held));
        assert!(is_lock_of("1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF", 4711, 131));
        for other in
            ["1: POSIX  ADVISORY  WRITE 4711 08:01:131 0 EOF", "1: -> FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF", ""]
        {
            assert!(!is_lock_of(other, 4711, 131), "{other}");
        }
    }

    #[test]
    fn one_process_at_a_time_has_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/lock");
        let first = Presence::at(&path, "n1").unwrap();
        let second = Presence::at(&path, "n2").unwrap();
        assert!(first.is_locked() && !second.is_locked());
        assert!(second.is_of(first.witness()));
        drop(first);
        let third = Presence::at(&path, "n3").unwrap();
        assert!(third.is_locked() && third.is_of(second.witness()));

        let copy = folder.path().join("state/copy");
        std::fs::copy(&path, &copy).unwrap();
        assert!(!Presence::at(&copy, "n4").unwrap().is_of(third.witness()), "a copy is another file");
    }
}
