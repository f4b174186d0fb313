//! From what the server says to what a person can do about it.

use postgres::error::{Severity, SqlState};

use crate::error::StateError;
use crate::place::Place;

/// A failure inside a transaction.
pub(super) type Fault = crate::fault::Fault<postgres::Error>;

impl From<postgres::Error> for Fault {
    fn from(e: postgres::Error) -> Self {
        Self::Sql(e)
    }
}

impl Fault {
    /// The error about the state at `place`.
    pub(super) fn at(self, place: &Place) -> StateError {
        match self {
            Self::State(e) => e,
            Self::Damaged(what) => StateError::Corrupt { place: place.clone(), what },
            Self::Sql(e) => failed(place, e),
        }
    }

    /// Whether the connection is gone, so that an answer may be lost. A server that ends one says so with a severity of its
    /// own.
    pub(super) fn has_cut_off(&self) -> bool {
        let Self::Sql(e) = self else { return false };
        match e.as_db_error() {
            Some(said) => matches!(said.parsed_severity(), Some(Severity::Fatal | Severity::Panic)),
            None => true,
        }
    }
}

fn failed(place: &Place, e: postgres::Error) -> StateError {
    let hint = match e.code() {
        Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => {
            let help = "connect to the primary, or let the user write".to_owned();
            return StateError::ReadOnly { place: place.clone(), reason: told(&e), help };
        }
        Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE => {
            // The server ends what its client does not go on with, so it is not for long.
            return StateError::Busy { place: place.clone(), by: "somebody in the middle of a commit".to_owned() };
        }
        // The tables were there when it was opened.
        Some(code) if [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME].contains(code) => {
            return StateError::Replaced { place: place.clone() };
        }
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            "the user must be allowed to create the schema once, and to read and write its tables"
        }
        Some(code) if *code == SqlState::DISK_FULL => {
            "the server's disk is full: free some space and run the command again"
        }
        Some(code) if [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION].contains(code) => {
            "check PGUSER, and PGPASSWORD or the file PGPASSFILE"
        }
        Some(_) => "see what the server says, and check PGDATABASE and PGUSER",
        None => "check the network, and PGHOST, PGPORT, PGSSLMODE, PGSSLROOTCERT",
    };
    StateError::Backend { place: place.clone(), hint, source: told(&e).into() }
}

/// What the server said, which the error's own text leaves out; without details, which may hold values.
fn told(e: &postgres::Error) -> String {
    use std::error::Error;
    match (e.as_db_error(), e.source()) {
        (Some(said), _) => format!("{} ({})", said.message(), said.code().code()),
        (None, Some(source)) => format!("{e}: {source}"),
        (None, None) => e.to_string(),
    }
}

/// A number that is never negative.
pub(super) fn unsigned(number: i64, place: &str) -> Result<u64, Fault> {
    u64::try_from(number).map_err(|_| Fault::Damaged(format!("{place} holds the negative number {number}")))
}
