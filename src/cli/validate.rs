//! `kompox validate`

use clap::ValueEnum;

use super::error::{CliError, Exit};
use super::flow::offline::offline;
use super::flow::session::VERSION;
use super::global::Global;
use super::ui::Ui;
use crate::diag::{Diagnostics, Severity};
use crate::kom::layout::{APP_FILE_NAME, discover};
use crate::report;
use crate::report::sarif::{Finding, Run};
use crate::resources::expand::Keep;

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

impl Args {
    pub(super) fn is_for_machines(&self) -> bool {
        self.format == Format::Json
    }
}

/// Runs `validate`: everything that needs no network.
pub fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let (mut findings, objects) = match offline(global, Keep::Graph) {
        Ok((expanded, findings)) => (findings, expanded.graph.len()),
        Err(CliError::Diagnostics(findings)) => (findings, 0),
        Err(error) => return Err(error),
    };
    if args.strict {
        findings.deny_warnings();
    }
    match args.format {
        Format::Text if !ui.json => text(&findings, objects, ui)?,
        Format::Text | Format::Json => ui.document(&report::diagnostics::json(&findings, ui.commands()))?,
        Format::Sarif => {
            let layout = discover(&global.layout_request()?);
            let here = global.cwd()?;
            let file = layout.map_or_else(|_| APP_FILE_NAME.to_owned(), |layout| layout.shown_from(&here));
            let run = Run { version: VERSION, category: "validate", file: &file };
            ui.document(&report::sarif::log(Finding::of(&findings), &run, ui.commands()))?;
        }
    }
    Ok(if findings.has_errors() { Exit::Failed } else { Exit::Done })
}

fn text(findings: &Diagnostics, objects: usize, ui: &Ui) -> Result<(), CliError> {
    ui.say(|err| report::diagnostics::text(err, findings, &ui.err));
    if findings.has_errors() {
        return Ok(());
    }
    let warnings = findings.count(Severity::Warning);
    let plural = if warnings == 1 { "" } else { "s" };
    ui.show(|out| writeln!(out, "The project is valid: {objects} objects, {warnings} warning{plural}."))
}
