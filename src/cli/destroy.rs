//! `kompox destroy`

use super::error::{CliError, Exit};
use super::flow::applying::{Execution, fresh};
use super::flow::planning::Selection;
use super::flow::session::{Needs, with_session};
use super::global::Global;
use super::ui::Ui;
use crate::engine::plan::Mode;

/// Arguments of `destroy`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Disks, shares and snapshots are kept unless their deletionPolicy is Delete and --allow-data-loss\n\
names them; the plan says how to adopt them again.\n\nExamples:\n  kompox destroy\n  kompox destroy --target app/gitea/Deployment/gitea-app"
)]
pub struct Args {
    #[command(flatten)]
    execution: Execution,
    #[command(flatten)]
    selection: Selection,
}

/// Runs `destroy`: from the state alone, no manifest is needed.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    with_session(global, ui, Needs::State, async |session| {
        fresh(session, Mode::Destroy, &args.execution, &args.selection).await
    })
    .await
}
