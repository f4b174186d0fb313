//! `kompox completions`

use clap_complete::Shell;

use super::error::{CliError, Exit};
use super::ui::Ui;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  kompox completions bash > /etc/bash_completion.d/kompox")]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs `completions`.
pub fn run(args: &Args, command: &mut clap::Command, ui: &Ui) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "kompox", &mut script);
    ui.data(|out| out.write_all(&script))?;
    Ok(Exit::Done)
}
