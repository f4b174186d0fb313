//! Who decides whether the objects that kompox makes are right: a real API server where `KUBEBUILDER_ASSETS` names one,
//! else the sandbox. The last word of each test, past the harness, is a line that begins with `judged:` and says who did.
//!
//! - [`judged::projects`]: every example and every project of `tests/corpus/render`, applied by the program itself
//! - [`judged::rendered`]: everything that other tests rendered before (`KOMPOX_RENDERED_DIR`, see `.ci/run`)
//! - [`judged::refused`]: objects that nobody may take, and where the sandbox is laxer or stricter than the API server
//! - [`judged::sequences`]: requests of several managers over each other, where the sandbox answers as the API server does
//! - [`judged::watches`]: what has happened, as it is told to who watches
//! - [`judged::lifecycle`]: an app from its first apply over somebody's drift to its end
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "all of this is a test")]

#[allow(dead_code, reason = "the tests of the provider use the rest")]
#[path = "../controlplane/mod.rs"]
mod controlplane;
#[path = "../harness/mod.rs"]
mod harness;

mod judged;
mod plane;
mod proxy;
