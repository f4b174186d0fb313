//! What the commands about the state share: the state that is there, and what the history says of them.

use std::sync::Arc;

use kompox_state::{Counts, Holder, Run, RunResult, Snapshot, Store};

use crate::advice::{Advice, Command, Name};
use crate::cli::error::CliError;
use crate::cli::flow::manifests::state_config;
use crate::cli::flow::session::here;
use crate::cli::global::Global;
use crate::engine::run::{Environment, timestamp};
use crate::kom::layout::discover;

/// The state of the project; none is made.
///
/// # Errors
/// There is none, or it cannot be opened.
pub fn existing(global: &Global) -> Result<Arc<dyn Store>, CliError> {
    let layout = discover(&global.layout_request()?)?;
    let config = state_config(&layout, global)?;
    kompox_state::open_existing(&config)?.ok_or_else(|| {
        let hint = if global.sandbox { "the sandbox has a state of its own" } else { "did you mean --sandbox?" };
        let again = Advice::run("if it was lost, make it again from what exists", Command::new(Name::StateRebuild));
        CliError::new("state-missing", format!("there is no state at {} yet", config.place())).help(hint).help(again)
    })
}

/// The same, and what is in it; not one that has moved.
///
/// # Errors
/// As [`existing`], and it has moved.
pub fn in_use(global: &Global) -> Result<(Arc<dyn Store>, Snapshot), CliError> {
    let store = existing(global)?;
    let place = || Ok(state_config(&discover(&global.layout_request()?)?, global)?.place());
    let snapshot = here(store.snapshot()?, place)?;
    Ok((store, snapshot))
}

/// What the history says of a command that was done in one commit.
pub fn written(holder: &Holder, environment: &dyn Environment, result: RunResult, counts: Counts) -> Run {
    Run {
        id: environment.unique_id(),
        actor: holder.who.clone(),
        host: holder.host.clone(),
        command: holder.command.clone(),
        plan_digest: None,
        started_at: holder.since.clone(),
        finished_at: Some(timestamp(environment.now())),
        result: Some(result),
        planned: Some(counts.clone()),
        counts,
        duration_ms: Some(0),
        revision: None,
        link: None,
    }
}
