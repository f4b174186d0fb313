//! A whole state as one text: what `state pull` writes, `state push` reads, and what goes from one backend to another.

use serde::{Deserialize, Serialize};

use crate::contents::Contents;
use crate::digest::Digester;
use crate::error::StateError;
use crate::identity::Identity;
use crate::sealed;

/// A copy of a state with all that it holds and all that makes it itself, but for its lock. It holds the key of the digests,
/// so that it has to be kept like the state.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    format: u32,
    lineage: String,
    key: [u8; 32],
    contents: Contents,
}

impl Copy {
    pub(crate) fn new(lineage: &str, key: [u8; 32], contents: Contents) -> Self {
        Self { format: sealed::FORMAT, lineage: lineage.to_owned(), key, contents }
    }

    /// The lineage of the state.
    pub fn lineage(&self) -> &str {
        &self.lineage
    }

    /// Whether both digest alike.
    pub fn has_key_of(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// What it holds.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// What it holds, alone.
    #[cfg(test)]
    pub(crate) fn into_contents(self) -> Contents {
        self.contents
    }

    pub(crate) fn digester(&self) -> Digester {
        Digester::new(&self.key)
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity::new(&self.lineage, self.key)
    }

    /// As a text: a line with the digest of the rest, and a line of JSON.
    ///
    /// # Errors
    /// [`StateError::Refused`] for a value that is no JSON.
    pub fn write(&self) -> Result<Vec<u8>, StateError> {
        let (mut bytes, _) = sealed::write(self)
            .map_err(|error| StateError::Refused { what: format!("a value is no JSON ({error})") })?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The copy that a text is.
    ///
    /// # Errors
    /// What is wrong with it, without anything of its content.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let (copy, _) = sealed::read::<Self>(bytes)?;
        copy.contents.check_chain()?;
        Ok(copy)
    }
}
