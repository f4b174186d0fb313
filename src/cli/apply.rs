//! `kompox apply`

use std::path::PathBuf;

use super::error::{CliError, Exit};
use super::flow::applying::{Execution, fresh};
use super::flow::planning::Selection;
use super::flow::saved;
use super::flow::session::{Needs, with_session};
use super::global::Global;
use super::ui::Ui;
use crate::engine::plan::Mode;

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
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    if let Some(file) = &args.file {
        args.selection.refuse_beside_file()?;
        return saved::apply(file, args.expect_digest.as_deref(), &args.execution, global, ui).await;
    }
    if args.refresh_only {
        args.selection.refuse_unseen("--refresh-only")?;
    }
    let mode = if args.refresh_only { Mode::RefreshOnly } else { Mode::Apply };
    with_session(global, ui, Needs::Manifests, async |session| {
        fresh(session, mode, &args.execution, &args.selection).await
    })
    .await
}
