//! The command line: arguments → session → engine → report. One file per command, each short; what several of them do
//! together is in `flow`, and whatever is read from or said to the user goes through `ui::Ui`.

#[cfg(test)]
mod advice_tests;
mod apply;
mod completions;
mod compose;
mod connect;
mod destroy;
mod doctor;
mod drift;
mod error;
mod flow;
mod global;
mod graph;
mod import;
mod init;
mod man;
mod notify;
mod plan;
mod render;
mod revision;
mod sandbox;
mod schema;
mod show;
mod signal;
mod state;
mod ui;
mod upgrade;
mod validate;
mod version;
mod wanted;
mod web;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use self::error::{CliError, Exit};
use self::global::Global;
use self::ui::Ui;
use crate::report::typed::Commands;

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
    /// Look whether everything is as it must be: project, state, sign-in, clusters, names
    Doctor(doctor::Args),
    /// Write the manual pages
    Man(man::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Look whether there is a newer version; only when asked, at an address that is given
    Upgrade(upgrade::Args),
    /// Print the version
    Version(version::Args),
}

/// Runs the program with these arguments and the process's environment; gives its exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if completions::answer(&arguments, Cli::command) {
        return ExitCode::SUCCESS;
    }
    let mut cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return unread(&error, &arguments),
    };
    cli.global.json |= cli.command.is_for_machines();
    cli.global.called = called(cli.global.sandbox, &arguments);
    let ui = Ui::detect(&cli.global);
    match cli.run(&ui) {
        Ok(exit) => exit.into(),
        Err(error) => {
            ui.error(&error);
            error.exit().into()
        }
    }
}

impl Cli {
    fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let global = &self.global;
        match self.command {
            Command::Version(args) => version::run(&args, ui),
            Command::Completions(args) => completions::run(&args, ui),
            Command::Man(args) => man::run(&args, Self::command(), global),
            Command::Schema(args) => schema::run(&args, ui),
            Command::Init(args) => init::run(&args, global, ui),
            Command::Validate(args) => validate::run(&args, global, ui),
            Command::Render(args) => render::run(&args, global, ui),
            Command::Compose(command) => compose::run(&command, global, ui),
            Command::Show(args) => show::run(&args, global, ui),
            Command::State(command) => within_runtime(state::run(&command, global, ui)),
            Command::Plan(args) => within_runtime(plan::run(&args, global, ui)),
            Command::Apply(args) => within_runtime(apply::run(&args, global, ui)),
            Command::Destroy(args) => within_runtime(destroy::run(&args, global, ui)),
            Command::Doctor(args) => within_runtime(doctor::run(&args, global, ui)),
            Command::Drift(args) => within_runtime(drift::run(&args, global, ui)),
            Command::Upgrade(args) => within_runtime(upgrade::run(&args, global, ui)),
            Command::Graph(args) => graph::run(&args, global, ui),
            Command::Import(args) => within_runtime(import::run(&args, global, ui)),
            Command::Sandbox(command) => within_runtime(sandbox::run(&command, global, ui)),
        }
    }
}

impl Command {
    /// Whether it was told in its own way to print JSON: then why it failed is JSON, too.
    fn is_for_machines(&self) -> bool {
        match self {
            Self::Validate(args) => args.is_for_machines(),
            Self::Plan(args) => args.is_for_machines(),
            Self::Drift(args) => args.is_for_machines(),
            Self::Show(args) => args.is_for_machines(),
            _ => false,
        }
    }
}

/// Prints help, version, or what is wrong with the arguments.
fn unread(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    // clap prints help and version to stdout, mistakes to stderr.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    if arguments.iter().take_while(|word| *word != "--").any(|word| word == "--json") {
        let text = error.to_string();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default().trim_start_matches("error: ");
        let failed = lines.fold(CliError::new("usage", first), CliError::help);
        ui::problems(&failed, &Commands::PLAIN);
    }
    ExitCode::from(1)
}

/// The command without its arguments, which others need not see.
fn called(sandbox: bool, arguments: &[OsString]) -> String {
    fn collect(command: &clap::Command, names: &mut Vec<String>) {
        for sub in command.get_subcommands() {
            names.push(sub.get_name().to_owned());
            collect(sub, names);
        }
    }
    let mut names = Vec::new();
    collect(&Cli::command(), &mut names);
    let words = arguments.iter().skip(1).filter_map(|word| word.to_str());
    let words: Vec<&str> = words.filter(|word| names.iter().any(|name| name == word)).collect();
    format!("kompox{} {}", if sandbox { " --sandbox" } else { "" }, words.join(" "))
}

/// Only commands that talk to something pay for a runtime.
fn within_runtime<T>(future: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::new("runtime", format!("no runtime can be started: {error}")))?;
    let result = runtime.block_on(future);
    // What still runs after the second interrupt is not waited for.
    runtime.shutdown_background();
    result
}
