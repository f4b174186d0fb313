//! `kompox init`

use std::path::Path;

use super::error::{CliError, Exit};
use super::global::{Global, Terminal};
use super::output;
use crate::kom::id::is_dns_label;

/// The files of a new project, by path.
const APP: &str = include_str!("init/kompoxapp.yml");
const COMPOSE: &str = include_str!("init/compose.yml");
const CONFIG: &str = include_str!("init/config.yml");
const IGNORE: &str = "/state/\n/sandbox/\n";

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Files that exist are never changed.\n\nExamples:\n  kompox init\n  kompox init --name wiki && kompox --sandbox apply"
)]
pub struct Args {
    /// The app's name [default: the directory's]
    #[arg(long)]
    name: Option<String>,
    /// The driver of the cloud
    #[arg(long, default_value = "aks", value_parser = ["aks"])]
    driver: String,
}

/// Runs `init`: writes a project that validates, and plans in the sandbox at once.
pub fn run(args: &Args, global: &Global, _: &Terminal) -> Result<Exit, CliError> {
    let root = global.cwd()?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => root.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default(),
    };
    if !is_dns_label(&name, 30) {
        return Err(CliError::message(format!("\"{name}\" cannot be the app's name"))
            .help("it must be lower-case letters, digits and dashes, at most 30")
            .help("name it:  kompox init --name my-app"));
    }
    let files = [
        ("kompoxapp.yml", APP.replace("@NAME@", &name).replace("@DRIVER@", &args.driver)),
        ("compose.yml", COMPOSE.to_owned()),
        (".kompox/config.yml", CONFIG.to_owned()),
        (".kompox/.gitignore", IGNORE.to_owned()),
    ];
    for (path, text) in &files {
        write(&root, path, text)?;
    }
    output::stderr(|err| {
        writeln!(err, "\nTry it without an account:  kompox --sandbox apply")?;
        writeln!(err, "Then put your subscription into kompoxapp.yml:  kompox plan")
    });
    Ok(Exit::Done)
}

fn write(root: &Path, path: &str, text: &str) -> Result<(), CliError> {
    let file = root.join(path);
    let failed = |error: std::io::Error| CliError::message(format!("{} cannot be written: {error}", file.display()));
    if file.exists() {
        output::stderr(|err| writeln!(err, "kept     {path}"));
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    // Created only if it is still absent: nothing of the user's is ever overwritten.
    let mut options = std::fs::OpenOptions::new();
    let mut created = options.write(true).create_new(true).open(&file).map_err(failed)?;
    std::io::Write::write_all(&mut created, text.as_bytes()).map_err(failed)?;
    output::stderr(|err| writeln!(err, "written  {path}"));
    Ok(())
}
