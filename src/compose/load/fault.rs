//! What is wrong, with its place; the line is added when it is told.

use super::sources::Sources;
use crate::advice::Advice;
use crate::compose::files::FileError;
use crate::diag::{Diagnostic, Location};

/// A finding and its place.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) diagnostic: Diagnostic,
    pub(super) location: Location,
}

/// Errors that stop a step; never empty.
#[derive(Debug, Clone)]
pub(super) struct Faults(pub(super) Vec<Fault>);

/// The outcome of a step.
pub(super) type Step<T> = Result<T, Faults>;

impl Fault {
    /// An error at a place.
    pub(super) fn new(code: &'static str, message: impl Into<String>, location: &Location) -> Self {
        Self { diagnostic: Diagnostic::error(code, message), location: location.clone() }
    }

    /// The finding about a file that cannot be used.
    pub(super) fn of_file(what: &str, path: &str, error: &FileError, location: &Location) -> Self {
        let fault = Self::new("compose-local-file", format!("{what}: {path} cannot be used: {error}"), location);
        match error {
            FileError::NotFound => fault.help("paths count from the folder of the compose file"),
            FileError::Absolute | FileError::Parent | FileError::Escape => {
                fault.help("move the file next to the compose file and name it by a relative path")
            }
            FileError::Refused { .. } => fault.help("write the app in the app file itself"),
            FileError::NotRegular | FileError::TooLarge { .. } | FileError::Io(_) => fault,
        }
    }

    /// The finding with the line it speaks of, unless that is not to be shown.
    pub(super) fn told(self, sources: &Sources) -> Diagnostic {
        if self.diagnostic.location.is_some() {
            return self.diagnostic;
        }
        sources.locate(self.diagnostic, &self.location)
    }

    /// Adds a line that says what to do.
    pub(super) fn help(mut self, line: impl Into<Advice>) -> Self {
        self.diagnostic = self.diagnostic.help(line);
        self
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

/// Fails at a place.
pub(super) fn fail<T>(code: &'static str, message: impl Into<String>, location: &Location) -> Step<T> {
    Err(Fault::new(code, message, location).into())
}
