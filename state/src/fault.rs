//! A failure inside a transaction of a database, before it is told which state it was about.

use crate::error::StateError;

/// What went wrong; `E` is the database's own error.
pub(crate) enum Fault<E> {
    /// The database's, or of the way to it.
    Sql(E),
    /// What a row holds makes no sense.
    Damaged(String),
    /// Already in its final form.
    State(StateError),
}

impl<E> From<StateError> for Fault<E> {
    fn from(e: StateError) -> Self {
        Self::State(e)
    }
}
