//! The log of a state: what its objects are called and hold.
//!
//! | object | holds |
//! |---|---|
//! | `identity` | lineage and digest key; made once |
//! | `log/<number>` | one [`Entry`]; made once, by whoever is first |
//! | `log/<number>.state` | the [`Summary`] of everything up to that number |
//! | `beat/<lock>` | the holder's sign of life; overwritten by it alone |
//!
//! A number has twenty digits, so that names sort as numbers do, and a summary stands behind the entry that it ends with.
//! Each object begins with a line that has the SHA-256 of the rest; an entry also names that of the entry before it. That
//! shows damage and gaps. It does not show forgery: who can write the objects can write all of these, too.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::change::Change;
use crate::model::Model;
use crate::presence::Held;
pub(super) use crate::sealed::{FORMAT, read, write};

/// What makes the state itself.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    pub(super) format: u32,
    /// A text that no other attempt to make it has.
    pub(super) id: String,
    pub(super) lineage: String,
    pub(super) key: [u8; 32],
}

/// One object of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) format: u32,
    pub(super) number: u64,
    /// A text that no other attempt to write has: it tells whose the object with this number is.
    pub(super) id: String,
    /// The digest of the entry before; empty in the first.
    pub(super) previous: String,
    pub(super) event: Event,
}

/// What happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Event {
    /// Somebody took the lock.
    Locked {
        holder: Held,
        /// The id of the lock that this took over, of a holder who had not given it back.
        displaced: Option<String>,
    },
    /// The holder gave it back.
    Released { lock: String },
    /// Somebody took it away.
    Unlocked { lock: String },
    /// The holder moved the state elsewhere.
    Moved { lock: String, to: String },
    /// The holder changed the state.
    Committed { lock: String, changes: Vec<Change> },
}

/// Everything up to an entry.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Summary {
    pub(super) format: u32,
    /// The number of that entry; zero before the first.
    pub(super) number: u64,
    /// Its digest.
    pub(super) digest: String,
    /// How often the lock was taken.
    pub(super) epoch: u64,
    pub(super) held: Option<Held>,
    /// Numbers with which the lock was taken over or away. They stay for ever: each is the only one that the holder it was
    /// taken from, whenever it goes on, can still try to write.
    pub(super) kept: BTreeSet<u64>,
    /// Where the state is now, if it has moved.
    #[serde(default)]
    pub(super) moved: Option<String>,
    pub(super) model: Model,
}

/// Why an entry does not go on from what came before.
#[derive(Debug, thiserror::Error)]
pub(super) enum Misfit {
    /// It names another entry as the one before it.
    #[error("log entry {0} does not go on from the one before it: one of them was changed, or is missing")]
    Chain(u64),
    /// It was written under a lock that was not held then.
    #[error("log entry {0} was written without the lock")]
    Lock(u64),
    /// A change in it does not fit.
    #[error("log entry {0} holds a change that does not fit: {1}")]
    Change(u64, String),
}

impl Summary {
    /// Adds the next entry, whose digest this is.
    pub(super) fn add(&mut self, entry: &Entry, digest: String) -> Result<(), Misfit> {
        let number = entry.number;
        if number != self.number + 1 || entry.previous != self.digest {
            return Err(Misfit::Chain(number));
        }
        let holds = |lock: &String| self.held.as_ref().is_some_and(|held| held.holder.id == *lock);
        match &entry.event {
            Event::Locked { holder, displaced } => {
                if self.held.as_ref().map(|held| &held.holder.id) != displaced.as_ref() {
                    return Err(Misfit::Lock(number));
                }
                if displaced.is_some() {
                    self.kept.insert(number);
                }
                self.epoch = holder.holder.epoch;
                self.held = Some(holder.clone());
            }
            Event::Released { lock }
            | Event::Unlocked { lock }
            | Event::Moved { lock, .. }
            | Event::Committed { lock, .. }
                if !holds(lock) =>
            {
                return Err(Misfit::Lock(number));
            }
            Event::Released { .. } => self.held = None,
            Event::Moved { to, .. } => self.moved = Some(to.clone()),
            Event::Unlocked { .. } => {
                self.kept.insert(number);
                self.held = None;
            }
            Event::Committed { changes, .. } => {
                self.model.check(changes).map_err(|e| Misfit::Change(number, e.to_string()))?;
                self.model.apply(changes);
            }
        }
        self.number = number;
        self.digest = digest;
        Ok(())
    }
}

/// What an object of the log is, by its name below `log/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Entry(u64),
    Summary(u64),
}

impl Name {
    pub(super) fn text(self) -> String {
        match self {
            Self::Entry(number) => format!("{number:020}"),
            Self::Summary(number) => format!("{number:020}.state"),
        }
    }

    /// The name, if it is one; whatever else lies there is not ours to judge.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (digits, summary) = match text.strip_suffix(".state") {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        let number = digits.parse().ok().filter(|_| digits.len() == 20)?;
        Some(if summary { Self::Summary(number) } else { Self::Entry(number) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_the_log_goes() {
        let names = [Name::Entry(9), Name::Summary(9), Name::Entry(10), Name::Entry(u64::MAX)];
        let texts: Vec<String> = names.iter().map(|name| name.text()).collect();
        assert!(texts.is_sorted());
        assert_eq!(texts.iter().map(|text| Name::parse(text).unwrap()).collect::<Vec<_>>(), names);
        for other in ["9", "0000000000000000000x", "00000000000000000009.tmp", ""] {
            assert_eq!(Name::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_changed_byte_is_seen() {
        let entry = Entry {
            format: FORMAT,
            number: 1,
            id: "i".to_owned(),
            previous: String::new(),
            event: Event::Released { lock: "l".to_owned() },
        };
        let (bytes, written) = write(&entry).unwrap();
        assert_eq!(read::<Entry>(&bytes).unwrap().1, written);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(read::<Entry>(&changed).is_err(), "byte {at}");
        }
        let newer = write(&Entry { format: FORMAT + 1, ..entry }).unwrap().0;
        assert!(read::<Entry>(&newer).unwrap_err().contains("install"));
    }
}
