//! `kompox show`

use clap_complete::engine::ArgValueCompleter;

use super::completions;
use super::error::{CliError, Exit};
use super::global::Global;
use super::state;
use super::ui::{PlanFormat, Ui};
use crate::engine::planfile;
use crate::report::{About, Saved, text};
use crate::resources::drivers;

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kompox show p.kplan\n  kompox show p.kplan --format markdown\n  kompox show app/gitea/disk/default"
)]
pub struct Args {
    /// A saved plan, or the address of an object in the state (or a unique suffix)
    #[arg(value_name = "FILE|ADDRESS", add = ArgValueCompleter::new(completions::addresses))]
    what: String,
    /// How to print a saved plan
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    format: PlanFormat,
    /// Show every field of what a plan creates
    #[arg(long)]
    verbose: bool,
}

impl Args {
    pub(super) fn is_for_machines(&self) -> bool {
        self.format == PlanFormat::Json
    }
}

/// Runs `show`.
pub fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let path = global.cwd()?.join(&args.what);
    if path.is_file() {
        let saved = planfile::read(&path)?;
        let of = Saved { file: &args.what, digest: &saved.digest };
        let about = About { saved: Some(of), kinds: Some(drivers::kind), ..About::default() };
        ui.plan(&saved.plan, args.format, args.verbose, &about)?;
        ui.say(|err| {
            writeln!(err, "digest {}", saved.digest)?;
            text::marks(&saved.plan).try_for_each(|(option, why)| writeln!(err, "Made with {option}: {why}."))
        });
        return Ok(Exit::Done);
    }
    state::show(&args.what, global, ui)
}
