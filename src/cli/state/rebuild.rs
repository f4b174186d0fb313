//! `kompox state rebuild`

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use kompox_state::{Change, Config, Copy, Counts, RunResult, StateError, Store, Verb};
use serde_json::json;

use super::at_hand::written;
use crate::advice::{Advice, Command, Name, Switch};
use crate::cli::error::{CliError, Exit};
use crate::cli::flow::fixed::Fixed;
use crate::cli::flow::locking::asked;
use crate::cli::flow::manifests::state_config;
use crate::cli::flow::session::{Needs, Session, with_session_over};
use crate::cli::global::Global;
use crate::cli::ui::Ui;
use crate::engine::plan::Mode;
use crate::engine::planner::{Assumed, Options, Rebuilt};
use crate::kom::layout::{Layout, discover};

/// Arguments of `state rebuild`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Reads the manifests, the clouds and the clusters, changes none of them, and writes a state where there is none.\n\
What only the lost state knew counts as protected, and is listed.\n\nExample:\n  kompox state rebuild"
)]
pub struct Args {
    /// The lineage of the lost state, as tag kompox-lineage or annotation kompox.dev/lineage says [default: the only one that
    /// is found]
    #[arg(long, value_name = "UUID", value_parser = lineage)]
    lineage: Option<String>,
    /// Do not ask
    #[arg(long)]
    auto_approve: bool,
}

fn lineage(text: &str) -> Result<String, String> {
    uuid::Uuid::parse_str(text).map(|uuid| uuid.hyphenated().to_string()).map_err(|_| "it is no UUID".to_owned())
}

/// A lineage that no state has: what is looked for before one is known.
const NONE: &str = "00000000-0000-0000-0000-000000000000";

/// A state that is drawn up beside the project's, and gone with this value.
struct Draft(Config);

impl Draft {
    fn beside(layout: &Layout) -> Self {
        Self(Config::Sqlite { path: layout.dir.join("state").join("rebuild.db") })
    }

    /// A new one, whatever an attempt that was killed left there.
    fn make(&self, lineage: &str) -> Result<Arc<dyn Store>, StateError> {
        kompox_state::remove(&self.0)?;
        kompox_state::create(&self.0, lineage)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // What stays is made anew by the next attempt.
        let _ = kompox_state::remove(&self.0);
    }
}

/// Runs `state rebuild`.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let layout = discover(&global.layout_request()?)?;
    let config = state_config(&layout, global)?;
    refuse_existing(&config)?;
    if !args.auto_approve && !ui.interactive {
        return Err(CliError::new("no-terminal", "there is nobody to ask: standard input is no terminal")
            .help(Advice::switch("to go on without a question", Switch::AutoApprove)));
    }
    let draft = Draft::beside(&layout);
    let lineage = match &args.lineage {
        Some(lineage) => lineage.clone(),
        None => {
            let store = draft.make(NONE)?;
            let found = async |session: &Session<'_>| session.lineages().await;
            only_one(with_session_over(Some(store), global, ui, Needs::Manifests, found).await?)?
        }
    };
    let store = draft.make(&lineage)?;
    let draw_up = async |session: &Session<'_>| draw_up(session).await;
    let (copy, rebuilt, changes) = with_session_over(Some(store), global, ui, Needs::Manifests, draw_up).await?;
    tell(&lineage, &rebuilt, changes, ui)?;
    if !args.auto_approve && !ui.confirms("Make this the state?")? {
        ui.say(|err| writeln!(err, "Nothing was done."));
        return Ok(Exit::Failed);
    }
    kompox_state::restore(&config, &copy, &asked(global))?;
    ui.say(|err| {
        writeln!(err, "The state is at {}.", config.place())?;
        let plan = ui.commands().command(&Command::new(Name::Plan));
        writeln!(err, "See what the manifests would change now:  {plan}")
    });
    Ok(Exit::Done)
}

/// What is there is never replaced.
fn refuse_existing(config: &Config) -> Result<(), CliError> {
    let Some(store) = kompox_state::open_existing(config)? else { return Ok(()) };
    if kompox_state::is_blank(store.as_ref())? {
        return Ok(());
    }
    let message = format!("there is a state at {}, and a state is rebuilt only where there is none", config.place());
    Err(CliError::new("state-exists", message).help("if it is not to be used any more, move it away first"))
}

fn only_one(found: BTreeMap<String, usize>) -> Result<String, CliError> {
    let mut lineages = found.into_iter();
    match (lineages.next(), lineages.next()) {
        (Some((lineage, _)), None) => Ok(lineage),
        (None, _) => {
            let message = "nothing that the manifests name exists and carries the mark of a state";
            Err(CliError::new("rebuild-nothing", message)
                .help(Advice::run("then there is nothing to rebuild; plan anew", Command::new(Name::Plan))))
        }
        (Some(first), Some(second)) => {
            let message = "what the manifests name carries the marks of several states";
            let all = [first, second].into_iter().chain(lineages);
            Err(all.fold(CliError::new("rebuild-several", message), |error, (lineage, count)| {
                let what = format!("{count} objects carry {lineage}; to rebuild that state");
                let rebuild = Command::new(Name::StateRebuild).word("--lineage").word(&lineage);
                error.help(Advice::run(what, rebuild))
            }))
        }
    }
}

/// Makes the records, writes them, and plans on them. Gives how much the next apply would do; `None` where it would stop.
async fn draw_up(session: &Session<'_>) -> Result<(Copy, Rebuilt, Option<usize>), CliError> {
    let rebuilt = session.rebuild().await?;
    let lock = session.lock(None).await?;
    let counts: Counts = [(Verb::Import, rebuilt.records.len() as u64)].into_iter().collect();
    let records = rebuilt.records.iter().chain(&rebuilt.lost);
    let mut changes: Vec<Change> = records.map(|record| Change::PutRecord(Box::new(record.clone()))).collect();
    changes.push(Change::StartRun(Box::new(written(
        lock.lock().holder(),
        session.environment.as_ref(),
        RunResult::Ok,
        counts,
    ))));
    session.store.commit(lock.lock(), &changes)?;
    drop(lock);
    let plan = session.plan(Mode::Apply, Fixed::default(), |_, _| Ok(Options::default())).await;
    let changes = plan.ok().map(|planned| planned.plan.actions.len());
    Ok((session.store.copy()?, rebuilt, changes))
}

fn tell(lineage: &str, rebuilt: &Rebuilt, changes: Option<usize>, ui: &Ui) -> Result<(), CliError> {
    if ui.json {
        let left: Vec<_> = rebuilt
            .left
            .iter()
            .map(|left| {
                json!({
                    "address": left.address, "id": left.physical_id, "why": left.why,
                })
            })
            .collect();
        let assumed: Vec<_> = rebuilt
            .assumed
            .iter()
            .map(|(address, what)| {
                json!({
                    "address": address, "protection": what.iter().map(|what| word(*what)).collect::<Vec<_>>(),
                })
            })
            .collect();
        return ui.document(&json!({
            "lineage": lineage,
            "records": rebuilt.records.iter().map(|record| &record.address).collect::<Vec<_>>(),
            "differing": rebuilt.differing,
            "assumed": assumed,
            "left": left,
            "missing": rebuilt.missing,
            "lost": rebuilt.lost.iter().map(|record| &record.address).collect::<Vec<_>>(),
            "next_plan": changes,
        }));
    }
    ui.show(|out| write_text(out, lineage, rebuilt, changes))
}

fn word(what: Assumed) -> &'static str {
    match what {
        Assumed::PreventDestroy => "preventDestroy",
        Assumed::ReadOnly => "readOnly",
        Assumed::Adopted => "adopted",
        Assumed::Unready => "unready",
    }
}

fn write_text(out: &mut dyn Write, lineage: &str, rebuilt: &Rebuilt, changes: Option<usize>) -> std::io::Result<()> {
    writeln!(out, "The state {lineage}: {} objects exist and carry its mark.", rebuilt.records.len())?;
    for (title, what) in [
        (
            "Only the lost state knew whether kompox made these; they are never deleted, only forgotten",
            Assumed::Adopted,
        ),
        (
            "Only the lost state knew what of before may still run here; the next apply waits for these",
            Assumed::Unready,
        ),
    ] {
        let those = rebuilt.assumed.iter().filter(|(_, assumed)| assumed.contains(&what)).map(|(address, _)| address);
        let those: Vec<_> = those.collect();
        if !those.is_empty() {
            writeln!(out, "\n{title}:")?;
            those.iter().try_for_each(|address| writeln!(out, "  {address}"))?;
        }
    }
    let mut guarded: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (address, what) in &rebuilt.assumed {
        let scope = address.as_str().strip_suffix(&format!("/{}", address.short())).unwrap_or(address.as_str());
        for what in what.iter().filter(|what| [Assumed::PreventDestroy, Assumed::ReadOnly].contains(what)) {
            *guarded.entry((scope, word(*what))).or_default() += 1;
        }
    }
    if !guarded.is_empty() {
        writeln!(
            out,
            "\nOnly the lost state knew whether these were protected; they are, until the manifests say an explicit\n\
             preventDestroy: false or protection: none, and that is applied:"
        )?;
        guarded.iter().try_for_each(|((scope, word), count)| writeln!(out, "  {scope}  {word} ({count} objects)"))?;
    }
    if !rebuilt.left.is_empty() {
        writeln!(out, "\nNot attributed, and in no record:")?;
        for left in &rebuilt.left {
            match &left.address {
                Some(address) => writeln!(out, "  {address}  {}: {}", left.physical_id, left.why)?,
                None => writeln!(out, "  {}: {}", left.physical_id, left.why)?,
            }
        }
    }
    let lost: Vec<_> = rebuilt.lost.iter().map(|record| record.address.clone()).collect();
    let missing: Vec<_> = rebuilt.missing.iter().filter(|address| !lost.contains(address)).cloned().collect();
    for (title, addresses) in [
        ("Not as the manifests say now", &rebuilt.differing),
        ("Named by the manifests, and not there; the next apply makes these", &missing),
        (
            "Data of which nobody knows what it was; the next plan stops at these and says how to adopt it, or to make it anew",
            &lost,
        ),
    ] {
        if !addresses.is_empty() {
            writeln!(out, "\n{title}:")?;
            addresses.iter().try_for_each(|address| writeln!(out, "  {address}"))?;
        }
    }
    match changes {
        Some(0) => writeln!(out, "\nThe plan after it is empty."),
        Some(count) => writeln!(out, "\nThe plan after it changes {count} objects."),
        None => writeln!(out, "\nThe plan after it stops: see what it says."),
    }
}
