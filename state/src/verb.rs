//! What a plan does to one object.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The verbs of a plan. Matched exhaustively everywhere, so that a new one cannot be forgotten.
///
/// Plans as JSON have them in kebab-case (`no-op`, `refresh`); texts and the state have their [`word`](Verb::word).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Nothing to do.
    NoOp,
    /// Read only: the object is not ours to write.
    Read,
    /// Make it.
    Create,
    /// Change it in place.
    Update,
    /// Delete it, then make it anew. Never the other way round: names are functions of the manifest, so the new object
    /// takes the old one's.
    Replace,
    /// Delete it.
    Delete,
    /// Take an existing object into the state (and change it where it differs).
    Import,
    /// The same object under another address.
    Move,
    /// Drop the record, keep the object.
    Forget,
    /// Accept what was observed into the state (`plan --refresh-only`).
    Refresh,
}

impl Verb {
    /// All of them, in the order in which a summary lists them.
    pub const ALL: [Verb; 10] = [
        Self::Import,
        Self::Create,
        Self::Update,
        Self::Replace,
        Self::Delete,
        Self::Move,
        Self::Forget,
        Self::Refresh,
        Self::Read,
        Self::NoOp,
    ];

    /// The mark in front of it in a plan.
    pub fn mark(self) -> &'static str {
        match self {
            Self::NoOp => " ",
            Self::Read => "<=",
            Self::Create => "+",
            Self::Update => "~",
            Self::Replace => "-/+",
            Self::Delete => "-",
            Self::Import => "<-",
            Self::Move => "->",
            Self::Forget => "x",
            Self::Refresh => "@",
        }
    }

    /// The word in texts, such as `3 to create`, and in the state.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoOp => "unchanged",
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Import => "import",
            Self::Move => "move",
            Self::Forget => "forget",
            Self::Refresh => "accept",
        }
    }

    /// The verb with this word, if there is one.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.word() == word)
    }

    /// Whether it changes anything, in the cloud or in the state.
    pub fn is_change(self) -> bool {
        !matches!(self, Self::NoOp | Self::Read)
    }

    /// Whether it deletes an object in the cloud.
    pub fn deletes(self) -> bool {
        matches!(self, Self::Delete | Self::Replace)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_read_back() {
        for verb in Verb::ALL {
            assert_eq!(Verb::from_word(verb.word()), Some(verb));
        }
        for word in ["", "Create", "no-op", "refresh", "explode"] {
            assert_eq!(Verb::from_word(word), None, "{word}");
        }
    }
}
