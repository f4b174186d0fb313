//! What was last written from this machine, kept in a file beside the state or beside the project. By it a copy is noticed
//! that is whole in itself, but older than that, or without it.
//!
//! A commit counts without it. It is written after the commit, and flushed to disk only where a run ends: after a power cut it
//! may be of an earlier commit, torn or gone, and then less is noticed, never more. What cannot be read, or is of another state,
//! counts as nothing: a checkout is as good without it.

use std::convert::Infallible;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::change::Change;
use crate::contents::Contents;
use crate::digest::Digester;
use crate::error::StateError;
use crate::folders;
use crate::place::Place;
use crate::run::{Run, Tip};
use crate::sealed;

/// The longest text that is read: that of one commit has about 230 bytes.
const MOST: u64 = 512;

/// How a state is not what was last written from this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Astray {
    /// It is from before that.
    Older {
        /// Its serial.
        serial: u64,
        /// The serial that was written.
        written: u64,
    },
    /// It was written to by others who did not have that.
    Forked {
        /// Its serial.
        serial: u64,
        /// The serial that was written.
        written: u64,
    },
}

impl fmt::Display for Astray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Older { serial, written } => {
                write!(f, "it is an older copy: its serial is {serial}, and from here {written} was written")
            }
            Self::Forked { serial, written } => write!(
                f,
                "it is another copy: its serial is {serial}, and what was written from here up to {written} is not in its history"
            ),
        }
    }
}

/// The file of one state.
pub(crate) struct Seen {
    path: PathBuf,
    /// The lineage, and a digest under the state's key: a state that was rebuilt has another one, and is no older copy.
    state: String,
}

impl Seen {
    /// The file at `path`, for the state with this lineage and key.
    pub(crate) fn at(path: PathBuf, lineage: &str, digester: &Digester) -> Self {
        Self { path, state: format!("{lineage} {}", digester.digest(b"what was last written")) }
    }

    /// Where the file is whose name is that of a lock with another ending.
    pub(crate) fn beside_lock(lock: &Path) -> PathBuf {
        lock.with_extension("seen")
    }

    /// Writes where the state is after a commit of these changes. A failure is none of the commit, which is durable already.
    pub(crate) fn note(&self, tip: &Tip, changes: &[Change]) {
        let ends = changes.iter().any(|change| matches!(change, Change::FinishRun { .. } | Change::Replace(_)));
        let _ = self.write(tip, ends);
    }

    /// Takes the state as it is now.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn accept(&self, tip: &Tip) -> Result<(), StateError> {
        self.write(tip, true).map_err(|source| StateError::Io {
            place: Place::file(&self.path),
            doing: "write",
            hint: "make it and its folder writable, or delete it",
            source,
        })
    }

    fn write(&self, tip: &Tip, durably: bool) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            folders::create(folder)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&self.path)?;
        // In one piece, and of one length, so that a newer one covers the older one.
        let text = format!("{} {:020} {:-<64}", self.state, tip.serial, tip.head);
        file.write_all(format!("{text} {}\n", sealed::digest(text.as_bytes())).as_bytes())?;
        if durably { file.sync_data() } else { Ok(()) }
    }

    /// What was last written from here; `None` where nobody knows.
    fn read(&self) -> Option<Tip> {
        let mut text = String::new();
        File::open(&self.path).ok()?.take(MOST).read_to_string(&mut text).ok()?;
        let (text, digest) = text.lines().next()?.rsplit_once(' ')?;
        let (serial, head) = text.strip_prefix(&self.state)?.strip_prefix(' ')?.split_once(' ')?;
        (digest == sealed::digest(text.as_bytes()))
            .then(|| Some(Tip { serial: serial.parse().ok()?, head: head.trim_end_matches('-').to_owned() }))?
    }

    /// The serial that was last written from here, if it was.
    pub(crate) fn serial(&self) -> Option<u64> {
        self.read().map(|tip| tip.serial)
    }

    /// How the state has gone astray, if so. It is asked where it is, and for its whole history, only where that is needed.
    ///
    /// # Errors
    /// Those of the questions.
    pub(crate) fn astray<E>(
        &self,
        tip: impl FnOnce() -> Result<Tip, E>,
        runs: impl FnOnce() -> Result<Vec<Run>, E>,
    ) -> Result<Option<Astray>, E> {
        let Some(Tip { serial: written, head }) = self.read() else { return Ok(None) };
        let tip = tip()?;
        let serial = tip.serial;
        if serial < written {
            return Ok(Some(Astray::Older { serial, written }));
        }
        if head.is_empty() || head == tip.head {
            return Ok(None);
        }
        let has = |run: &Run| run.link.as_ref().is_some_and(|link| link.digest == head);
        Ok((!runs()?.iter().any(has)).then_some(Astray::Forked { serial, written }))
    }

    /// How a copy would be astray in the place of the state.
    pub(crate) fn astray_with(&self, contents: &Contents) -> Option<Astray> {
        let tip = Tip { serial: contents.serial, head: contents.head.clone() };
        let Ok(astray) = self.astray::<Infallible>(|| Ok(tip), || Ok(contents.runs.clone()));
        astray
    }
}

/// Forgets what was written, where the state itself is removed or made anew.
pub(crate) fn forget(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINEAGE: &str = "0b6c1f52-6a55-4f0e-a0ff-3a3f4f0ec1d7";

    fn tip(serial: u64, head: &str) -> Tip {
        Tip { serial, head: head.to_owned() }
    }

    fn seen(folder: &Path, key: u8) -> Seen {
        Seen::at(folder.join("state/object.seen"), LINEAGE, &Digester::new(&[key; 32]))
    }

    /// Whether a state that has come to `tip`, with these runs, is astray.
    fn astray(seen: &Seen, tip: &Tip, runs: &[Run]) -> Option<Astray> {
        seen.astray::<Infallible>(|| Ok(tip.clone()), || Ok(runs.to_vec())).unwrap()
    }

    fn chain(heads: usize) -> Vec<Run> {
        let mut head = String::new();
        (0..heads)
            .map(|n| {
                let run = crate::contract::run(&format!("r{n}"));
                let link = run.linked(&head);
                head.clone_from(&link.digest);
                Run { link: Some(link), ..run }
            })
            .collect()
    }

    #[test]
    fn what_is_older_or_another_is_noticed_and_what_went_on_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let seen = seen(folder.path(), 1);
        let runs = chain(3);
        let heads: Vec<&str> = runs.iter().map(|run| run.link.as_ref().unwrap().digest.as_str()).collect();
        assert_eq!(astray(&seen, &tip(0, ""), &[]), None, "nothing was written yet");
        seen.note(&tip(1, ""), &[]);
        assert_eq!(astray(&seen, &tip(9, heads[0]), &runs[..1]), None);
        seen.note(&tip(7, heads[1]), &[]);
        assert_eq!(astray(&seen, &tip(7, heads[1]), &runs[..2]), None);
        assert_eq!(astray(&seen, &tip(12, heads[2]), &runs), None, "somebody else went on");
        let older = Astray::Older { serial: 6, written: 7 };
        assert_eq!(astray(&seen, &tip(6, heads[1]), &runs[..2]), Some(older));
        let forked = Astray::Forked { serial: 12, written: 7 };
        assert_eq!(astray(&seen, &tip(12, heads[2]), &runs[2..]), Some(forked));
        seen.accept(&tip(2, heads[0])).unwrap();
        assert_eq!(astray(&seen, &tip(2, heads[0]), &runs[..1]), None);
    }

    #[test]
    fn what_cannot_be_read_or_is_of_another_state_blocks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let one = seen(folder.path(), 1);
        one.note(&tip(7, ""), &[]);
        assert!(astray(&one, &tip(1, ""), &[]).is_some());
        // Rebuilt: of the same lineage, with another key.
        assert_eq!(astray(&seen(folder.path(), 2), &tip(1, ""), &[]), None);
        let written = std::fs::read(&one.path).unwrap();
        for at in 0..written.len() - 1 {
            let mut torn = written.clone();
            torn[at] ^= 1;
            std::fs::write(&one.path, &torn).unwrap();
            assert_eq!(astray(&one, &tip(1, ""), &[]), None, "byte {at}");
            std::fs::write(&one.path, &written[..at]).unwrap();
            assert_eq!(astray(&one, &tip(1, ""), &[]), None, "{at} bytes");
        }
        one.note(&tip(8, ""), &[]);
        assert!(astray(&one, &tip(7, ""), &[]).is_some(), "and is written anew");
        forget(&one.path).unwrap();
        forget(&one.path).unwrap();
        assert_eq!(astray(&one, &tip(1, ""), &[]), None);
        // Where nothing can be written, nothing is noticed.
        let nowhere = Seen::at(one.path.join("x.seen"), LINEAGE, &Digester::new(&[1; 32]));
        std::fs::write(&one.path, "").unwrap();
        nowhere.note(&tip(1, ""), &[]);
        assert!(nowhere.accept(&tip(1, "")).unwrap_err().to_string().contains("x.seen"));
    }
}
