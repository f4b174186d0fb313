//! What can become of a key.

/// What happens to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It becomes part of an object, the reader acts on it, or it says what happens anyway.
    Mapped,
    /// It has no meaning here: a note.
    Noted,
    /// Ignoring it may change behaviour: a warning.
    Warned,
    /// It cannot work: an error.
    Refused,
}

/// One row: a key, its verdict, and what becomes of it or why not. A row holds for everything below its key that has no
/// row of its own.
#[derive(Debug, Clone, Copy)]
pub struct Support {
    /// The key, with dots where it is inside others (`ports.mode`) and a value where the verdict depends on it
    /// (`network_mode: host`). Items of lists and names that users choose add nothing.
    pub key: &'static str,
    /// What happens to it.
    pub verdict: Verdict,
    /// What it becomes, or why it does not.
    pub text: &'static str,
}
