//! What every test uses that runs the program for real: a project in a folder of its own, the program in an environment
//! that no machine differs in, a cloud that outlives the runs, runs that can be watched and stopped, and the proof that
//! everything converged.
//!
//! - [`project`]: a folder with manifests, and the program run on it.
//! - [`run`]: how a run ended, or that it still goes on.
//! - [`forge`]: a stub of a code host.
//! - [`cloud`]: `kompox sandbox serve`, and requests to it behind the program's back ([`http`]).
//! - [`stage`]: a project on a served cloud, and what must hold once everything converged.
//! - [`backend`]: where states can be kept; [`server`]: the servers that do.
//! - [`proxy`]: strikes at an exact request between a run and its cloud.
#![allow(dead_code, reason = "each suite uses a part of it")]

pub mod backend;
pub mod cloud;
pub mod forge;
pub mod http;
pub mod project;
pub mod proxy;
pub mod run;
#[path = "../stores/server.rs"]
pub mod server;
pub mod stage;

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up; no test depends on its value. `KOMPOX_TEST_PATIENCE` gives more, in
/// seconds, to a machine that has much else to do.
pub fn patience() -> Duration {
    let given = std::env::var("KOMPOX_TEST_PATIENCE").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(given.unwrap_or(60))
}

/// The first pause between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// Says past the test harness, which hides what passing tests print, what cannot be done here; `.ci/run` counts these lines.
pub fn skip(what: &str) {
    let _ = writeln!(std::io::stderr(), "\nskipped: {what}");
}

/// Waits until `condition`, which asks somebody, gives a value: soon, then at longer intervals, so that many who wait leave
/// the machine to those whom they wait for.
#[track_caller]
pub fn wait_for<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    look_for(what, 32 * PAUSE, condition)
}

/// Waits until something that this process sees is there, and notices it at once.
#[track_caller]
pub fn watch_for<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    look_for(what, PAUSE, condition)
}

#[track_caller]
fn look_for<T>(what: &str, longest: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + patience();
    let mut pause = PAUSE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < give_up, "waited too long for {what}");
        std::thread::sleep(pause);
        pause = (pause * 2).min(longest);
    }
}

/// Waits for a condition that this process sees.
#[track_caller]
pub fn within(what: &str, mut condition: impl FnMut() -> bool) {
    watch_for(what, || condition().then_some(()));
}

/// Copies a folder; what is called one of `without` is left out, wherever it is.
fn copy(from: &Path, to: &Path, without: &[&str]) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if without.iter().any(|left_out| name == *left_out) {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target, without);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
