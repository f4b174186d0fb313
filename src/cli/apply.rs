//! `kompox apply`, and the part of it that every writing command shares.

use std::collections::HashSet;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kompox_state::{Change, Counts, Lock, RunResult, Snapshot};

use super::error::{CliError, Exit};
use super::global::{Global, Terminal};
use super::plan::{self, Format, Selection};
use super::session::{Fixed, Planned, Session, VERSION, chosen_by_intents, state_config};
use super::{output, signal};
use crate::advice::quoted;
use crate::engine::apply::{Work, apply};
use crate::engine::event::Summary;
use crate::engine::journal::Journal;
use crate::engine::plan::{Mode, Plan, Verb};
use crate::engine::provider::Providers;
use crate::engine::run::timestamp;
use crate::engine::verify::{Present, verify};
use crate::engine::{planfile, planner};
use crate::kom::layout::discover;
use crate::report::{self, About, progress::Progress, summary};
use crate::resources::kinds;
use crate::text::ci::Harmless;

/// Options of every command that changes something.
#[derive(Debug, Clone, clap::Args)]
pub struct Execution {
    /// Do not ask
    #[arg(long)]
    pub auto_approve: bool,
    /// How many actions run at once
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    pub parallelism: u16,
    /// Do not wait until what is made is ready
    #[arg(long)]
    pub no_wait: bool,
}

/// Arguments of `apply`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kompox apply\n  kompox apply p.kplan\n  kompox --sandbox apply --auto-approve")]
pub struct Args {
    /// A saved plan: exactly that is done, or nothing if anything changed since
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The digest of the plan that was approved; any other is refused
    #[arg(long, value_name = "DIGEST", requires = "file")]
    expect_digest: Option<String>,
    /// Take what is observed into the state; nothing in the cloud changes
    #[arg(long, conflicts_with = "file")]
    refresh_only: bool,
    #[command(flatten)]
    execution: Execution,
    #[command(flatten)]
    selection: Selection,
}

/// Runs `apply`.
pub async fn run(args: &Args, global: &Global, terminal: &Terminal) -> Result<Exit, CliError> {
    if let Some(file) = &args.file {
        return saved(args, &global.cwd()?.join(file), global, terminal).await;
    }
    let session = Session::open(global).await?;
    let mode = if args.refresh_only { Mode::RefreshOnly } else { Mode::Apply };
    let exit = fresh(&session, mode, &args.execution, &args.selection, global, terminal).await;
    session.close().await;
    exit
}

/// Plans under the lock, shows the plan, asks, and carries it out.
pub async fn fresh(
    session: &Session<'_>,
    mode: Mode,
    execution: &Execution,
    selection: &Selection,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    refuse_without_answer(execution, terminal)?;
    let lock = session.lock(None).await?;
    let before = session.snapshot()?;
    let fixed = recover(session, &before, &lock, global, terminal).await?;
    let planned =
        session.plan(mode, fixed, terminal, |graph, snapshot| selection.options(session, graph, snapshot)).await?;
    let format = if global.json { Format::Json } else { Format::Text };
    if !global.json || planned.plan.is_empty() {
        plan::print(&planned.plan, format, false, &About::default(), terminal)?;
    }
    if planned.plan.is_empty() {
        return Ok(Exit::Done);
    }
    if !execution.auto_approve && !ask(&planned.plan)? {
        output::stderr(|err| writeln!(err, "Nothing was done."));
        return Ok(Exit::Failed);
    }
    carry_out(session, &planned, None, execution, lock, global, terminal).await
}

/// Looks into what an interrupted run left, before anything is planned. Gives the names that it had chosen.
pub async fn recover(
    session: &Session<'_>,
    before: &Snapshot,
    lock: &Arc<Lock>,
    global: &Global,
    terminal: &Terminal,
) -> Result<Fixed, CliError> {
    if session.is_unsettled(before)? {
        let providers = session.providers(&session.sign_in(before), before)?;
        settle(session, &providers, lock, global, terminal).await?;
    }
    Ok(Fixed { chosen: chosen_by_intents(before), ..Fixed::default() })
}

async fn settle(
    session: &Session<'_>,
    providers: &Providers,
    lock: &Arc<Lock>,
    global: &Global,
    terminal: &Terminal,
) -> Result<(), CliError> {
    let reporter = Reporter::new(global, terminal)?;
    let journal = Journal::start(session.store.clone(), lock.clone());
    session.settle(&journal, providers, &session.environment.unique_id(), &reporter.sink).await?;
    reporter.sink.finish()?;
    Ok(())
}

/// Applies a saved plan, or refuses it whole.
async fn saved(args: &Args, path: &Path, global: &Global, terminal: &Terminal) -> Result<Exit, CliError> {
    let mut saved = planfile::read(path)?;
    if let Some(expected) = &args.expect_digest
        && *expected != saved.digest
    {
        return Err(CliError::message(format!("the digest of {} is {}, not {expected}", path.display(), saved.digest))
            .help("this is not the plan that was approved"));
    }
    refuse_elsewhere(&saved, args, global)?;
    let session = if saved.plan.mode == Mode::Destroy {
        Session::open_state(global).await?
    } else {
        Session::open(global).await?
    };
    saved.verify(&session.store.digester())?;
    let lock = session.lock(Some(saved.digest.clone())).await?;
    let before = session.snapshot()?;
    let fixed = Fixed { chosen: saved.plan.chosen.clone(), ..Fixed::default() };
    let (graph, inputs, connections) = match saved.plan.mode {
        Mode::Destroy => Default::default(),
        Mode::Apply | Mode::Import | Mode::RefreshOnly => {
            let expanded = session.expand(&before, fixed, terminal)?;
            (expanded.graph, expanded.inputs, expanded.connections)
        }
    };
    let providers = session.providers(&connections, &before)?;
    if session.is_unsettled(&before)? {
        settle(&session, &providers, &lock, global, terminal).await?;
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
        kinds: kinds::find,
        engine_version: VERSION,
    };
    let problems = verify(&mut saved.plan, &present, &earlier).await;
    if !problems.is_empty() {
        return Err(refusal(problems, &session));
    }
    let planned = Planned { plan: saved.plan, graph, snapshot, providers };
    let exit = if planned.plan.is_empty() {
        output::stderr(|err| writeln!(err, "Nothing is left to do: an earlier apply of this plan did it all."));
        Ok(Exit::Done)
    } else {
        carry_out(&session, &planned, Some(saved.digest), &args.execution, lock, global, terminal).await
    };
    session.close().await;
    exit
}

/// A plan for another cloud or another state is refused before anything is opened: opening a state makes one where there
/// is none.
fn refuse_elsewhere(saved: &planfile::SavedPlan, args: &Args, global: &Global) -> Result<(), CliError> {
    let file = args.file.as_deref().unwrap_or(Path::new("")).to_string_lossy();
    match (saved.plan.rehearsal, global.sandbox) {
        (true, false) => {
            return Err(CliError::message(format!("{file} was made with --sandbox: it is for the sandbox only"))
                .help(format!("apply it there:  kompox --sandbox apply {}", quoted(&file)))
                .help("or make a plan for the real cloud:  kompox plan --out FILE"));
        }
        (false, true) => {
            return Err(CliError::message(format!("{file} was made without --sandbox: it is not for the sandbox"))
                .help("make one for the sandbox:  kompox plan --out FILE"));
        }
        _ => {}
    }
    let config = state_config(&discover(&global.layout_request()?)?, global.sandbox);
    if kompox_state::open_existing(&config)?.is_none() {
        let message = format!("{file} was made for a state that is not here: there is none at {}", config.place());
        return Err(CliError::message(message).help("make a new plan:  kompox plan --out FILE"));
    }
    Ok(())
}

fn refusal(problems: Vec<planner::Problem>, session: &Session<'_>) -> CliError {
    let sources = session.loaded.as_ref().map(|loaded| loaded.sources.as_slice()).unwrap_or_default();
    CliError::problems(problems, sources)
}

fn refuse_without_answer(execution: &Execution, terminal: &Terminal) -> Result<(), CliError> {
    if execution.auto_approve || terminal.interactive {
        return Ok(());
    }
    Err(CliError::message("there is nobody to ask: standard input is no terminal")
        .help("review a plan first:  kompox plan --out p.kplan, then kompox apply p.kplan")
        .help("or go on without a question:  --auto-approve"))
}

fn ask(plan: &Plan) -> Result<bool, CliError> {
    let question = if plan.mode == Mode::Destroy { "Remove all this?" } else { "Do this?" };
    output::stderr(|err| write!(err, "\n{question} Only \"yes\" is a yes: "));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|error| CliError::message(format!("no answer: {error}")))?;
    Ok(answer.trim() == "yes")
}

/// Carries a plan out under the lock: history, signals, progress, summary.
pub async fn carry_out(
    session: &Session<'_>,
    planned: &Planned,
    plan_digest: Option<String>,
    execution: &Execution,
    lock: Arc<Lock>,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let digester = session.store.digester();
    let id = session.environment.unique_id();
    let started = session.environment.now();
    let holder = lock.holder().clone();
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
    };
    let durations = session.store.durations()?;
    let journal = Journal::start(session.store.clone(), lock);
    journal.commit(vec![Change::StartRun(entry)]).await?;
    let reporter = Reporter::new(global, terminal)?;
    let mut run = session.run(&journal, &planned.providers, &id, &digester, &reporter.sink, !execution.no_wait);
    run.cancel = signal::on_interrupt();
    let work = Work {
        plan: &planned.plan,
        graph: &planned.graph,
        records: &planned.snapshot.records,
        durations: &durations,
        parallelism: usize::from(execution.parallelism),
    };
    let outcome = apply(&run, &work).await;
    reporter.sink.finish()?;
    let finish = Change::FinishRun {
        id,
        finished_at: timestamp(session.environment.now()),
        result: result_of(&outcome),
        counts: counts(&outcome.done),
        duration_ms: u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX),
    };
    let written = journal.commit(vec![finish]).await;
    drop(journal);
    if global.json {
        let json = report::json::summary(&outcome, &terminal.err.commands);
        output::stdout(|out| report::json::write(out, &json, false))?;
    } else {
        output::stdout(|out| summary::text(out, &outcome, Some(&planned.plan), &terminal.out))?;
    }
    written?;
    Ok(exit_of(&outcome))
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

/// Progress as the terminal and the flags want it.
pub struct Reporter {
    /// Takes the events.
    pub sink: Progress,
}

impl Reporter {
    /// Moving lines on a terminal, plain lines in a pipe, JSON lines on stdout with `--json`.
    pub fn new(global: &Global, terminal: &Terminal) -> Result<Self, CliError> {
        let sink = if global.json {
            Progress::json(Box::new(std::io::stdout()), terminal.err.commands)
        } else if terminal.live {
            Progress::terminal(terminal.err)
        } else {
            Progress::lines(Box::new(Harmless::new(std::io::stderr())), terminal.err)
        };
        Ok(Self { sink: sink? })
    }
}
