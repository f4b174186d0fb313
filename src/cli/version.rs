//! `kompox version`

use super::error::{CliError, Exit};
use super::global::Global;
use super::output;
use super::session::VERSION;

/// Arguments of `version`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kompox version\n  kompox version --json")]
pub struct Args {}

/// Runs `version`.
pub fn run(_: &Args, global: &Global) -> Result<Exit, CliError> {
    output::stdout(|out| match global.json {
        true => writeln!(out, "{}", serde_json::json!({"name": "kompox", "version": VERSION})),
        false => writeln!(out, "kompox {VERSION}"),
    })?;
    Ok(Exit::Done)
}
