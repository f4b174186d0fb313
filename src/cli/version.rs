//! `kompox version`

use super::error::{CliError, Exit};
use super::flow::session::VERSION;
use super::ui::Ui;

/// Arguments of `version`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kompox version\n  kompox version --json")]
pub struct Args {}

/// Runs `version`.
pub fn run(_: &Args, ui: &Ui) -> Result<Exit, CliError> {
    ui.data(|out| match ui.json {
        true => writeln!(out, "{}", serde_json::json!({"name": "kompox", "version": VERSION})),
        false => writeln!(out, "kompox {VERSION}"),
    })?;
    Ok(Exit::Done)
}
