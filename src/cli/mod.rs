//! The command line: arguments → session → engine → report. One file per command; each is short.

mod apply;
mod completions;
mod compose;
mod connect;
mod destroy;
mod drift;
mod error;
mod global;
mod graph;
mod import;
mod init;
mod output;
mod plan;
mod render;
mod sandbox;
mod schema;
mod session;
mod show;
mod signal;
mod state;
mod validate;
mod version;
mod wanted;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use self::error::{CliError, Exit};
use self::global::{Global, Terminal};

/// Plan and apply for stateful Docker Compose apps on managed Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "kompox", version, propagate_version = true, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "Try it without an account:  kompox -C examples/gitea --sandbox apply --auto-approve\n\
Exit codes: 0 done, 1 failed, 2 changes or drift present (where asked for), 130 interrupted")]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the files of a new project
    Init(init::Args),
    /// Check manifests and compose files; needs no network
    Validate(validate::Args),
    /// Print the Kubernetes objects and the canonical compose file; needs no network
    Render(render::Args),
    /// Look at compose files as they are read
    #[command(subcommand)]
    Compose(compose::Command),
    /// Show what would change, and save it for a review
    Plan(plan::Args),
    /// Make the changes: of a saved plan, or of a new one after a yes
    Apply(apply::Args),
    /// Remove what the state owns; disks with data are kept
    Destroy(destroy::Args),
    /// Show what was changed outside of kompox; for CI
    Drift(drift::Args),
    /// Show a saved plan, or one object of the state
    Show(show::Args),
    /// Print the graph of objects, or of a saved plan
    Graph(graph::Args),
    /// Take an existing object into the state
    Import(import::Args),
    /// Look at the state and mend it
    #[command(subcommand)]
    State(state::Command),
    /// The embedded cloud of --sandbox
    #[command(subcommand)]
    Sandbox(sandbox::Command),
    /// Print the JSON Schema of manifests, for editors
    Schema(schema::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Print the version
    Version(version::Args),
}

/// Runs the program with these arguments and the process's environment; gives its exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // clap prints help and version to stdout, mistakes to stderr.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(1) } else { ExitCode::SUCCESS };
        }
    };
    let terminal = Terminal::detect(&cli.global);
    match cli.run(&terminal) {
        Ok(exit) => exit.into(),
        Err(error) => {
            error.print(&terminal);
            error.exit().into()
        }
    }
}

impl Cli {
    fn run(self, terminal: &Terminal) -> Result<Exit, CliError> {
        let global = &self.global;
        match self.command {
            Command::Version(args) => version::run(&args, global),
            Command::Completions(args) => completions::run(&args, &mut Self::command()),
            Command::Schema(args) => schema::run(&args),
            Command::Init(args) => init::run(&args, global, terminal),
            Command::Validate(args) => validate::run(&args, global, terminal),
            Command::Render(args) => render::run(&args, global, terminal),
            Command::Compose(command) => compose::run(&command, global, terminal),
            Command::Show(args) => show::run(&args, global, terminal),
            Command::State(command) => state::run(&command, global, terminal),
            Command::Plan(args) => within_runtime(plan::run(&args, global, terminal)),
            Command::Apply(args) => within_runtime(apply::run(&args, global, terminal)),
            Command::Destroy(args) => within_runtime(destroy::run(&args, global, terminal)),
            Command::Drift(args) => within_runtime(drift::run(&args, global, terminal)),
            Command::Graph(args) => graph::run(&args, global, terminal),
            Command::Import(args) => within_runtime(import::run(&args, global, terminal)),
            Command::Sandbox(command) => within_runtime(sandbox::run(&command, global, terminal)),
        }
    }
}

/// The names of all commands and their subcommands.
fn command_names() -> Vec<String> {
    fn collect(command: &clap::Command, names: &mut Vec<String>) {
        for sub in command.get_subcommands() {
            names.push(sub.get_name().to_owned());
            collect(sub, names);
        }
    }
    let mut names = Vec::new();
    collect(&Cli::command(), &mut names);
    names
}

/// Only commands that talk to something pay for a runtime.
fn within_runtime<T>(future: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::message(format!("no runtime can be started: {error}")))?;
    let result = runtime.block_on(future);
    // What still runs after the second interrupt is not waited for.
    runtime.shutdown_background();
    result
}
