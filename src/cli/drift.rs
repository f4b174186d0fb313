//! `kompox drift`

use super::error::{CliError, Exit};
use super::global::{Global, Terminal};
use super::plan::{self, Format, Selection};
use super::session::{Fixed, Session};
use crate::engine::plan::Mode;
use crate::report::{About, text};

/// Arguments of `drift`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 no drift, 2 drift, 1 error.\n\nTo put it right:    kompox apply\nTo accept it:       kompox apply --refresh-only"
)]
pub struct Args {
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    selection: Selection,
}

/// Runs `drift`: a plan that would accept what is observed, for CI. Writes nothing.
pub async fn run(args: &Args, global: &Global, terminal: &Terminal) -> Result<Exit, CliError> {
    let session = Session::open(global).await?;
    let planned = session
        .plan(Mode::RefreshOnly, Fixed::default(), terminal, |graph, snapshot| {
            args.selection.options(&session, graph, snapshot)
        })
        .await?;
    let about = About { drift: true, saved: None };
    plan::print(&planned.plan, if global.json { Format::Json } else { args.format }, false, &about, terminal)?;
    session.close().await;
    Ok(if text::has_drift(&planned.plan) { Exit::Changes } else { Exit::Done })
}
