//! `kompox validate`

use std::mem::ManuallyDrop;

use clap::ValueEnum;

use super::error::{CliError, Exit, typed};
use super::global::{Global, Terminal};
use super::output;
use super::session::{Fixed, Manifests, VERSION, read_manifests, state_view};
use crate::diag::{Diagnostics, Severity};
use crate::report;
use crate::resources::drivers::aks::storage::Chance;
use crate::resources::expand::{Expanded, Request, expand};
use kompox_state::{Digester, Snapshot};

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person, with source lines
    Text,
    /// For machines: an array of findings
    Json,
    /// For code hosts, which show findings beside the lines: SARIF 2.1.0
    Sarif,
}

/// Arguments of `validate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kompox validate\n  kompox validate --strict --format json\n  kompox validate --format sarif > kompox.sarif\n\n\
--format json prints an array of {severity, code, message, file, line, column, help}."
)]
pub struct Args {
    /// Warnings are errors
    #[arg(long)]
    strict: bool,
    /// How to print findings
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Runs `validate`: everything that needs no network.
pub fn run(args: &Args, global: &Global, terminal: &Terminal) -> Result<Exit, CliError> {
    let (mut findings, objects) = match offline(global) {
        Ok((expanded, findings)) => (findings, expanded.graph.len()),
        Err(CliError::Diagnostics(findings)) => (findings, 0),
        Err(error) => return Err(error),
    };
    findings = typed(&findings, terminal);
    if args.strict {
        findings.deny_warnings();
    }
    match args.format {
        Format::Text if global.json => json(&findings)?,
        Format::Json => json(&findings)?,
        Format::Sarif => {
            output::stdout(|out| report::json::write(out, &report::sarif::log(&findings, VERSION), true))?;
        }
        Format::Text => {
            output::stderr(|err| report::diagnostics::text(err, &findings, &terminal.err));
            if !findings.has_errors() {
                output::stdout(|out| {
                    let warnings = findings.count(Severity::Warning);
                    let plural = if warnings == 1 { "" } else { "s" };
                    writeln!(out, "The project is valid: {objects} objects, {warnings} warning{plural}.")
                })?;
            }
        }
    }
    Ok(if findings.has_errors() { Exit::Failed } else { Exit::Done })
}

fn json(findings: &Diagnostics) -> Result<(), CliError> {
    output::stdout(|out| report::json::write(out, &report::diagnostics::json(findings), true))
}

/// Loads and expands a project without any network. Names that a state has fixed are taken from it; without one, names
/// that nobody chose get a placeholder that is the same every time.
///
/// The end of the process frees it all at once; piece by piece it takes a third of the time of a large project.
pub fn offline(global: &Global) -> Result<(ManuallyDrop<Expanded>, Diagnostics), CliError> {
    let manifests = read_manifests(global)?;
    let config = super::session::state_config(&manifests.layout, global.sandbox);
    match kompox_state::open_existing(&config)? {
        Some(store) => expand_with(global, &manifests, &store.snapshot()?, store.lineage(), &store.digester()),
        // Nothing that is made from this key is kept or printed.
        None => {
            let empty = Snapshot { serial: 0, records: Vec::new(), open_intents: Vec::new() };
            expand_with(global, &manifests, &empty, "", &Digester::new(&[0; 32]))
        }
    }
}

/// The same with what a caller says that the state holds.
pub fn offline_with(
    global: &Global,
    snapshot: &Snapshot,
    lineage: &str,
    digester: &Digester,
) -> Result<(ManuallyDrop<Expanded>, Diagnostics), CliError> {
    expand_with(global, &read_manifests(global)?, snapshot, lineage, digester)
}

fn expand_with(
    global: &Global,
    manifests: &Manifests,
    snapshot: &Snapshot,
    lineage: &str,
    digester: &Digester,
) -> Result<(ManuallyDrop<Expanded>, Diagnostics), CliError> {
    let view = state_view(lineage, digester, snapshot, Fixed::default());
    let environment = global.environment();
    let gate = global.gate();
    let request = Request {
        project: &manifests.loaded.project,
        sources: &manifests.loaded.sources,
        leaves_out: &|app| global.leaves_out(app),
        environment: &environment,
        gate: &gate,
        state: &view,
        chance: Chance { now: std::time::SystemTime::UNIX_EPOCH, random: &|| 0 },
    };
    let mut findings = manifests.loaded.diagnostics.clone();
    match expand(&request) {
        Ok(mut expanded) => {
            findings.extend(std::mem::take(&mut expanded.diagnostics));
            Ok((ManuallyDrop::new(expanded), findings))
        }
        Err(errors) => {
            findings.extend(errors);
            Err(CliError::Diagnostics(findings))
        }
    }
}
