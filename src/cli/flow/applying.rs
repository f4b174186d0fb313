//! Plans under the lock, and carries out what was agreed to.

use std::sync::Arc;

use kompox_state::{Change, Counts, RunResult};

use super::planning::{Planned, Selection};
use super::session::Session;
use super::settling::recover;
use crate::advice::{Advice, Command, Name, Switch};
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::{PlanFormat, Ui};
use crate::cli::{revision, signal};
use crate::engine::apply::{Work, apply};
use crate::engine::event::Summary;
use crate::engine::journal::Journal;
use crate::engine::lease::Lease;
use crate::engine::plan::{Mode, Plan, Verb};
use crate::engine::planfile;
use crate::engine::run::timestamp;
use crate::report::About;

/// Options of every command that changes something.
#[derive(Debug, Clone, clap::Args)]
pub struct Execution {
    /// Do not ask
    #[arg(long)]
    pub auto_approve: bool,
    /// How many actions run at once; what only waits does not count
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    pub parallelism: u16,
    /// Do not wait until what is made is ready
    #[arg(long)]
    pub no_wait: bool,
}

/// Plans under the lock, shows the plan, asks, and carries it out.
pub async fn fresh(
    session: &Session<'_>,
    mode: Mode,
    execution: &Execution,
    selection: &Selection,
) -> Result<Exit, CliError> {
    selection.refuse_offline()?;
    refuse_without_answer(mode, execution, selection, session.ui)?;
    let lease = session.lock(None).await?;
    let before = session.snapshot()?;
    let fixed = recover(session, &before, &lease).await?;
    let planned = session.plan(mode, fixed, |graph, snapshot| selection.options(session, graph, snapshot)).await?;
    if !session.ui.json || planned.plan.is_empty() {
        session.ui.plan(&planned.plan, PlanFormat::Text, false, &About::default())?;
    }
    if planned.plan.is_empty() {
        return Ok(Exit::Done);
    }
    if !execution.auto_approve && !ask(&planned.plan, session.ui)? {
        session.ui.say(|err| writeln!(err, "Nothing was done."));
        return Ok(Exit::Failed);
    }
    carry_out(session, &planned, None, execution, lease).await
}

/// Carries a plan out under the lock: history, signals, progress, summary.
pub async fn carry_out(
    session: &Session<'_>,
    planned: &Planned,
    plan_digest: Option<String>,
    execution: &Execution,
    lease: Arc<Lease>,
) -> Result<Exit, CliError> {
    let digester = session.store.digester();
    let id = session.environment.unique_id();
    let started = session.environment.now();
    let holder = lease.lock().holder().clone();
    let entry = kompox_state::Run {
        id: id.clone(),
        actor: holder.who,
        host: holder.host,
        command: holder.command,
        plan_digest: Some(plan_digest.unwrap_or_else(|| planfile::digest(&planned.plan, &digester))),
        started_at: timestamp(started),
        finished_at: None,
        result: None,
        planned: Some(counts(&planned.plan.counts())),
        counts: Counts::default(),
        duration_ms: None,
        revision: revision::of(&session.layout.root, &session.variables),
        link: None,
    };
    let durations = session.store.durations()?;
    let journal = Journal::start(lease);
    journal.commit(vec![Change::StartRun(Box::new(entry))]).await?;
    let sink = session.ui.progress()?;
    let mut run = session.run(&journal, &planned.providers, &id, &digester, &sink, !execution.no_wait);
    run.cancel = signal::on_interrupt();
    let work = Work {
        plan: &planned.plan,
        graph: &planned.graph,
        records: &planned.snapshot.records,
        durations: &durations,
        parallelism: usize::from(execution.parallelism),
    };
    let outcome = apply(&run, &work).await;
    sink.finish()?;
    let finish = Change::FinishRun {
        id,
        finished_at: timestamp(session.environment.now()),
        result: result_of(&outcome),
        counts: counts(&outcome.done),
        duration_ms: u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX),
    };
    let written = journal.commit(vec![finish]).await;
    drop(journal);
    session.ui.summary(&outcome, &planned.plan)?;
    written?;
    Ok(exit_of(&outcome))
}

fn refuse_without_answer(mode: Mode, execution: &Execution, selection: &Selection, ui: &Ui) -> Result<(), CliError> {
    if execution.auto_approve || ui.interactive {
        return Ok(());
    }
    let plan = Command::new(Name::Plan);
    let review = selection.said_to(match mode {
        Mode::Destroy => plan.word("--destroy"),
        Mode::RefreshOnly => plan.word("--refresh-only"),
        Mode::Apply | Mode::Import => plan,
    });
    Err(CliError::new("no-terminal", "there is nobody to ask: standard input is no terminal")
        .help(Advice::run("review a plan first", review.word("--out").word("p.kplan")))
        .help(Advice::run("then apply it", Command::new(Name::Apply).word("p.kplan")))
        .help(Advice::switch("or go on without a question", Switch::AutoApprove)))
}

fn ask(plan: &Plan, ui: &Ui) -> Result<bool, CliError> {
    ui.confirms(if plan.mode == Mode::Destroy { "Remove all this?" } else { "Do this?" })
}

fn counts(counts: &[(Verb, usize)]) -> Counts {
    counts.iter().map(|(verb, count)| (*verb, u64::try_from(*count).unwrap_or(u64::MAX))).collect()
}

fn result_of(outcome: &Summary) -> RunResult {
    match outcome {
        outcome if outcome.interrupted => RunResult::Interrupted,
        outcome if outcome.is_complete() => RunResult::Ok,
        _ => RunResult::Failed,
    }
}

fn exit_of(outcome: &Summary) -> Exit {
    match result_of(outcome) {
        RunResult::Ok => Exit::Done,
        RunResult::Interrupted => Exit::Interrupted,
        RunResult::Failed => Exit::Failed,
    }
}
