//! What is wrong, with its place; the line is added when it is told.

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

    /// Adds a line that says what to do.
    pub(super) fn help(mut self, line: impl Into<String>) -> Self {
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
