//! What makes a state itself: its lineage and its digest key.

use uuid::{Builder, Uuid};

use crate::error::StateError;

/// The lineage and the digest key that a new state starts with. It has no `Debug`: the key must not be shown.
pub struct Identity {
    lineage: String,
    key: [u8; 32],
}

impl Identity {
    /// A fresh identity from the operating system's randomness.
    ///
    /// # Errors
    /// [`StateError::Randomness`] when the operating system gives none.
    pub fn random() -> Result<Self, StateError> {
        let (mut id, mut key) = ([0u8; 16], [0u8; 32]);
        getrandom::fill(&mut id).and_then(|()| getrandom::fill(&mut key)).map_err(StateError::Randomness)?;
        Ok(Self { lineage: Builder::from_random_bytes(id).into_uuid().to_string(), key })
    }

    /// A given identity, for tests and for a rebuild.
    ///
    /// # Errors
    /// [`StateError::Refused`] when `lineage` is not a UUID.
    pub fn new(lineage: &str, key: [u8; 32]) -> Result<Self, StateError> {
        Ok(Self { lineage: canonical_lineage(lineage)?, key })
    }

    pub(crate) fn lineage(&self) -> &str {
        &self.lineage
    }

    pub(crate) fn key(&self) -> &[u8; 32] {
        &self.key
    }
}

/// `lineage` in the one spelling that tags and annotations carry.
pub(crate) fn canonical_lineage(lineage: &str) -> Result<String, StateError> {
    match Uuid::parse_str(lineage) {
        Ok(uuid) => Ok(uuid.hyphenated().to_string()),
        Err(e) => Err(StateError::Refused { what: format!("the lineage `{lineage}` is not a UUID ({e})") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_identities_differ() {
        let (one, two) = (Identity::random().unwrap(), Identity::random().unwrap());
        assert_ne!(one.lineage(), two.lineage());
        assert_ne!(one.key(), two.key());
        assert_eq!(canonical_lineage(one.lineage()).unwrap(), one.lineage());
    }

    #[test]
    fn a_lineage_is_a_uuid_in_one_spelling() {
        let given = Identity::new("5A0C3B6E4C1D4E0F8F2A9B7C6D5E4F3A", [0; 32]).unwrap();
        assert_eq!(given.lineage(), "5a0c3b6e-4c1d-4e0f-8f2a-9b7c6d5e4f3a");
        assert!(matches!(Identity::new("mine", [0; 32]), Err(StateError::Refused { .. })));
    }
}
