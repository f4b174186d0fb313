//! A saved plan is carried out as it is, or refused whole.

use std::collections::HashSet;
use std::path::Path;

use super::applying::{Execution, carry_out};
use super::fixed::Fixed;
use super::manifests::state_config;
use super::planning::{Ask, Planned};
use super::session::{Needs, Session, VERSION, with_session};
use super::settling::settle;
use crate::advice::{Advice, Command, Name};
use crate::cli::error::{CliError, Exit};
use crate::cli::global::Global;
use crate::cli::ui::Ui;
use crate::engine::graph::Graph;
use crate::engine::plan::Mode;
use crate::engine::planfile::{self, SavedPlan};
use crate::engine::planner;
use crate::engine::verify::{Present, verify};
use crate::kom::layout::discover;
use crate::resources::drivers;

/// Applies a saved plan, or refuses it whole.
pub async fn apply(
    file: &Path,
    expected: Option<&str>,
    execution: &Execution,
    global: &Global,
    ui: &Ui,
) -> Result<Exit, CliError> {
    let path = global.cwd()?.join(file);
    let saved = planfile::read(&path)?;
    if let Some(expected) = expected
        && expected != saved.digest
    {
        return Err(CliError::new(
            "plan-digest",
            format!("the digest of {} is {}, not {expected}", path.display(), saved.digest),
        )
        .help("this is not the plan that was approved"));
    }
    refuse_elsewhere(&saved, file, global)?;
    let needs = if saved.plan.mode == Mode::Destroy { Needs::State } else { Needs::Manifests };
    with_session(global, ui, needs, async |session| carry_out_saved(session, saved, execution).await).await
}

async fn carry_out_saved(session: &Session<'_>, mut saved: SavedPlan, execution: &Execution) -> Result<Exit, CliError> {
    saved.verify(&session.store.digester())?;
    let had_nothing = saved.plan.is_empty();
    let lease = session.lock(Some(saved.digest.clone())).await?;
    let before = session.snapshot()?;
    let fixed = Fixed { chosen: saved.plan.chosen.clone(), ..Fixed::default() };
    let (graph, inputs, connections) = match saved.plan.mode {
        Mode::Destroy => Default::default(),
        Mode::Apply | Mode::Import | Mode::RefreshOnly => {
            let ask = |_: &Graph| Ok(Ask { optional: false, needed: true });
            let expanded = session.expand_looking(&before, fixed, ask).await?;
            session.print_findings_of(&expanded)?;
            (expanded.graph, expanded.inputs, expanded.connections)
        }
    };
    let providers = session.providers(&connections, &before)?;
    if session.is_unsettled(&before)? {
        settle(session, &providers, &lease).await?;
    }
    let snapshot = session.snapshot()?;
    let earlier: HashSet<String> = session
        .store
        .runs(1000)?
        .into_iter()
        .filter(|run| run.plan_digest.as_deref() == Some(saved.digest.as_str()))
        .map(|run| run.id)
        .collect();
    let present = Present {
        snapshot: &snapshot,
        lineage: session.store.lineage(),
        digester: &session.store.digester(),
        graph: &graph,
        inputs: &inputs,
        providers: &providers,
        kinds: drivers::kind,
        engine_version: VERSION,
    };
    let problems = verify(&mut saved.plan, &present, &earlier).await;
    if !problems.is_empty() {
        return Err(refusal(problems, session));
    }
    let planned = Planned { plan: saved.plan, graph, snapshot, providers };
    if planned.plan.is_empty() {
        let why = if had_nothing { "this plan changes nothing" } else { "an earlier apply of this plan did it all" };
        session.ui.say(|err| writeln!(err, "Nothing is left to do: {why}."));
        return Ok(Exit::Done);
    }
    carry_out(session, &planned, Some(saved.digest), execution, lease).await
}

/// A plan for another cloud or another state is refused before anything is opened: opening a state makes one where there
/// is none.
fn refuse_elsewhere(saved: &SavedPlan, file: &Path, global: &Global) -> Result<(), CliError> {
    let file = file.to_string_lossy();
    if saved.plan.offline {
        let message = format!("{file} was made with --offline: nobody was asked for what there is");
        let again = Advice::run("make one that looks", Command::plan_again());
        return Err(CliError::new("plan-elsewhere", message).help(again));
    }
    match (saved.plan.rehearsal, global.sandbox) {
        (true, false) => {
            return Err(CliError::new(
                "plan-elsewhere",
                format!("{file} was made with --sandbox: it is for the sandbox only"),
            )
            .help(Advice::run("apply it there", Command::new(Name::Apply).word(&file).word("--sandbox")))
            .help(Advice::run("or make a plan for the real cloud", Command::plan_again())));
        }
        (false, true) => {
            return Err(CliError::new(
                "plan-elsewhere",
                format!("{file} was made without --sandbox: it is not for the sandbox"),
            )
            .help(Advice::run("make one for the sandbox", Command::plan_again())));
        }
        _ => {}
    }
    let config = state_config(&discover(&global.layout_request()?)?, global)?;
    if kompox_state::open_existing(&config)?.is_none() {
        let message = format!("{file} was made for a state that is not here: there is none at {}", config.place());
        return Err(
            CliError::new("plan-elsewhere", message).help(Advice::run("make a new plan", Command::plan_again()))
        );
    }
    Ok(())
}

fn refusal(problems: Vec<planner::Problem>, session: &Session<'_>) -> CliError {
    let sources = session.loaded.as_ref().map(|loaded| loaded.sources.as_slice()).unwrap_or_default();
    CliError::problems(problems, sources)
}
