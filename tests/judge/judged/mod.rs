//! The tests.

mod lifecycle;
mod projects;
mod refused;
mod rendered;
mod sequences;
mod watches;

use std::io::Write as _;

use crate::controlplane::assets;

/// Whether this run only renders, and a later one judges all of it at once; set by `.ci/run`.
pub fn later() -> bool {
    std::env::var_os("KOMPOX_JUDGE").is_some_and(|value| value == "later")
}

/// Says who judged what, past the harness, which hides what passing tests print.
pub fn say(what: &str, by: &str) {
    let _ = writeln!(std::io::stderr(), "judged: {what}, by {by}");
    if assets().is_none() {
        let _ = writeln!(std::io::stderr(), "judged: no real API server: KUBEBUILDER_ASSETS is not set");
    }
}
