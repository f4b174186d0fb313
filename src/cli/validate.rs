//! `kompox validate`

use std::mem::ManuallyDrop;

use clap::ValueEnum;

use super::error::{CliError, Exit};
use super::global::{Global, Terminal};
use super::output;
use super::session::{Fixed, VERSION, read_manifests, state_view};
use crate::diag::{Diagnostics, Severity};
use crate::report;
use crate::resources::app::Chance;
use crate::resources::expand::{Expanded, Request, expand};
use kompox_state::{Digester, Snapshot, SqliteStore, Store};

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
    let path = super::session::state_path(&manifests.layout, global.sandbox);
    let (lineage, digester, snapshot) = match SqliteStore::open_existing(&path)? {
        Some(store) => (store.lineage().to_owned(), store.digester(), store.snapshot()?),
        // Nothing that is made from this key is kept or printed.
        None => (
            String::new(),
            Digester::new(&[0; 32]),
            Snapshot { serial: 0, records: Vec::new(), open_intents: Vec::new() },
        ),
    };
    let view = state_view(&lineage, &digester, &snapshot, Fixed::default());
    let environment = global.environment();
    let gate = global.gate();
    let request = Request {
        project: &manifests.loaded.project,
        sources: &manifests.loaded.sources,
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
