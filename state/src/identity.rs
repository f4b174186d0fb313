//! What makes a state itself: its lineage and its digest key.

use uuid::Builder;

use crate::error::StateError;

/// The lineage and the digest key that a new state starts with. It has no `Debug`: the key must not be shown.
pub(crate) struct Identity {
    lineage: String,
    key: [u8; 32],
}

impl Identity {
    /// A fresh identity from the operating system's randomness.
    ///
    /// # Errors
    /// [`StateError::Randomness`] when the operating system gives none.
    pub(crate) fn random() -> Result<Self, StateError> {
        let mut id = [0u8; 16];
        getrandom::fill(&mut id).map_err(|e| StateError::Randomness(e.into()))?;
        Self::of(&Builder::from_random_bytes(id).into_uuid().to_string())
    }

    /// A given lineage with a fresh key.
    ///
    /// # Errors
    /// As [`Identity::random`].
    pub(crate) fn of(lineage: &str) -> Result<Self, StateError> {
        let mut key = [0u8; 32];
        getrandom::fill(&mut key).map_err(|e| StateError::Randomness(e.into()))?;
        Ok(Self::new(lineage, key))
    }

    /// A given identity.
    pub(crate) fn new(lineage: &str, key: [u8; 32]) -> Self {
        Self { lineage: lineage.to_owned(), key }
    }

    pub(crate) fn lineage(&self) -> &str {
        &self.lineage
    }

    pub(crate) fn key(&self) -> &[u8; 32] {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn random_identities_differ() {
        let (one, two) = (Identity::random().unwrap(), Identity::random().unwrap());
        assert_ne!(one.lineage(), two.lineage());
        assert_ne!(one.key(), two.key());
        assert_eq!(Uuid::parse_str(one.lineage()).unwrap().hyphenated().to_string(), one.lineage());
    }
}
