//! `kompox drift`

use super::error::{CliError, Exit};
use super::flow::fixed::Fixed;
use super::flow::planning::Selection;
use super::flow::session::{Needs, with_session};
use super::global::Global;
use super::ui::{PlanFormat, Ui};
use crate::engine::plan::Mode;
use crate::report::{About, text};

/// Arguments of `drift`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 no drift, 2 drift, 1 error.\n\nTo put it right:    kompox apply\nTo accept it:       kompox apply --refresh-only"
)]
pub struct Args {
    /// How to print it
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    format: PlanFormat,
    #[command(flatten)]
    selection: Selection,
}

/// Runs `drift`: a plan that would accept what is observed, for CI. Writes nothing.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let plan = with_session(global, ui, Needs::Manifests, async |session| {
        let adjust = |graph: &_, snapshot: &_| args.selection.options(session, graph, snapshot);
        Ok(session.plan(Mode::RefreshOnly, Fixed::default(), adjust).await?.plan)
    });
    let plan = plan.await?;
    ui.plan(&plan, args.format, false, &About { drift: true, saved: None })?;
    Ok(if text::has_drift(&plan) { Exit::Changes } else { Exit::Done })
}
