//! `kompox man`

use std::path::PathBuf;

use super::error::{CliError, Exit};
use super::global::Global;

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kompox man /usr/local/share/man/man1\n  kompox man . && man ./kompox-plan.1")]
pub struct Args {
    /// The folder that the pages go to; it is made if need be
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Runs `man`: writes a page for the program and each of its commands.
pub fn run(args: &Args, command: clap::Command, global: &Global) -> Result<Exit, CliError> {
    let folder = global.cwd()?.join(&args.folder);
    let failed = |error| CliError::new("file-unwritable", format!("{} cannot be written: {error}", folder.display()));
    std::fs::create_dir_all(&folder).map_err(failed)?;
    clap_mangen::generate_to(command, &folder).map_err(failed)?;
    Ok(Exit::Done)
}
