//! Bad input: every message says what is wrong, where, and what to do, and nothing has changed after it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "all of this is a test")]

#[path = "../harness/mod.rs"]
mod harness;

mod clouds;
mod hostile;
mod manifests;
mod places;
mod states;

use kompox_state::{Record, Run};
use serde_json::Value;

use harness::run::Finished;
use harness::stage::Stage;

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

const APPLY: &[&str] = &["apply", "--auto-approve"];

/// Everything that a command could have changed.
#[derive(Debug, PartialEq)]
struct Fingerprint {
    state: Option<(u64, Vec<Record>, Vec<Run>)>,
    world: Vec<Value>,
}

impl Fingerprint {
    fn of(stage: &Stage) -> Self {
        // An empty state is what the first look makes; it is none.
        let state = stage.state_file().is_file().then(|| {
            let state = stage.state();
            assert_eq!(state.open_intents().unwrap(), []);
            (state.serial().unwrap(), state.records().unwrap(), state.runs(100).unwrap())
        });
        Self { state: state.filter(|(serial, ..)| *serial > 0), world: stage.objects() }
    }
}

/// Runs commands that must fail, say all of `says`, and change nothing.
#[track_caller]
fn refused(stage: &Stage, endpoint: &str, commands: &[&[&str]], says: &[&str]) -> Vec<Finished> {
    let before = Fingerprint::of(stage);
    let outcomes = commands.iter().map(|words| stage.run(endpoint, words).exits(1).says(says)).collect();
    assert!(before == Fingerprint::of(stage), "something changed");
    outcomes
}
