//! `kompox destroy`

use super::apply::{self, Execution};
use super::error::{CliError, Exit};
use super::global::{Global, Terminal};
use super::plan::Selection;
use super::session::Session;
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
pub async fn run(args: &Args, global: &Global, terminal: &Terminal) -> Result<Exit, CliError> {
    let session = Session::open_state(global).await?;
    let exit = apply::fresh(&session, Mode::Destroy, &args.execution, &args.selection, global, terminal).await;
    session.close().await;
    exit
}
