//! `kompox plan`

use std::path::PathBuf;

use super::error::{CliError, Exit};
use super::flow::fixed::Fixed;
use super::flow::planning::Selection;
use super::flow::session::{Needs, Session, with_session};
use super::global::Global;
use super::ui::{PlanFormat, Ui};
use crate::advice::{Command, Name};
use crate::engine::plan::Mode;
use crate::engine::planfile;
use crate::report::{About, Saved};
use crate::resources::drivers;

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kompox plan\n  kompox plan --out p.kplan && kompox apply p.kplan\n  kompox plan --format markdown --detailed-exitcode"
)]
pub struct Args {
    /// Save the plan here, for `kompox apply FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    format: PlanFormat,
    /// Show every field of what is created
    #[arg(long)]
    verbose: bool,
    /// Exit 0 without changes, 2 with changes
    #[arg(long)]
    detailed_exitcode: bool,
    /// Plan to remove everything
    #[arg(long, conflicts_with = "refresh_only")]
    destroy: bool,
    /// Plan to take what is observed into the state
    #[arg(long)]
    refresh_only: bool,
    #[command(flatten)]
    selection: Selection,
}

impl Args {
    pub(super) fn is_for_machines(&self) -> bool {
        self.format == PlanFormat::Json
    }
}

/// Runs `plan`. Takes no lock and changes nothing; the first time it makes the state, whose lineage and key every plan
/// needs.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let needs = if args.destroy { Needs::State } else { Needs::Manifests };
    with_session(global, ui, needs, async |session| plan(args, session).await).await
}

async fn plan(args: &Args, session: &Session<'_>) -> Result<Exit, CliError> {
    let mode = match (args.destroy, args.refresh_only) {
        (true, _) => Mode::Destroy,
        (_, true) => Mode::RefreshOnly,
        _ => Mode::Apply,
    };
    let adjust = |graph: &_, snapshot: &_| args.selection.options(session, graph, snapshot);
    let plan = session.plan(mode, Fixed::default(), adjust).await?.plan;
    let ui = session.ui;
    let saved = match &args.out {
        Some(path) => {
            let digest = planfile::save(&plan, &session.global.cwd()?.join(path), &session.store.digester())?;
            Some((path.to_string_lossy().into_owned(), digest))
        }
        None => None,
    };
    let saved = saved.as_ref().map(|(file, digest)| Saved { file, digest });
    let updates = session.updates()?;
    let about = About { saved, drift: false, kinds: Some(drivers::kind), updates: Some(&updates) };
    ui.plan(&plan, args.format, args.verbose, &about)?;
    if let Some(saved) = saved {
        ui.say(|err| {
            writeln!(err, "Saved to {}; its digest is {}", saved.file, saved.digest)?;
            let command = Command::new(Name::Apply).word(saved.file);
            writeln!(err, "To do exactly this:  {}", ui.commands().command(&command))
        });
    }
    Ok(if args.detailed_exitcode && !plan.is_empty() { Exit::Changes } else { Exit::Done })
}
