//! The user's side of a command: data on stdout, words on stderr, progress, and the question before a change. Commands
//! decide what is said; how it looks, and where it goes, is decided here.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

use clap::ValueEnum;
use serde_json::Value;

use super::error::CliError;
use super::global::Global;
use crate::diag::{Diagnostics, Severity};
use crate::engine::event::Summary;
use crate::engine::plan::{Mode, Plan};
use crate::report::graph::GraphView;
use crate::report::progress::Progress;
use crate::report::table::Table;
use crate::report::typed::Commands;
use crate::report::{self, About, Style, summary, text};
use crate::text::ci::Harmless;

/// How a plan is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For a person
    Text,
    /// One comment of a pull request
    Markdown,
    /// For machines
    Json,
    /// A page for a browser, one file that needs no network
    Html,
    /// A mermaid graph
    Mermaid,
    /// A Graphviz graph
    Dot,
}

/// Why a command failed, for machines, as one line on stdout.
pub fn problems(error: &CliError, commands: &Commands) {
    let Some(diagnostics) = error.diagnostics() else { return };
    let mut out = Harmless::new(std::io::stdout().lock());
    // Whoever closed stdout does not read it.
    let _ = report::json::write(&mut out, &report::diagnostics::problems(&diagnostics, commands), false);
    let _ = out.flush();
}

/// What the terminal can show, and what the user wants to see there.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    /// How to print on stdout.
    pub out: Style,
    /// How to print on stderr.
    pub err: Style,
    /// Whether data is for machines (`--json`).
    pub json: bool,
    /// Whether stderr can show moving lines.
    live: bool,
    /// Whether a person can be asked.
    pub interactive: bool,
}

impl Ui {
    /// Looks at the process's streams and environment: colours and progress only on a terminal, and never with
    /// `NO_COLOR`, `CI` or `--no-color`.
    pub fn detect(global: &Global) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let plain = global.no_color || set("NO_COLOR") || set("CI");
        let width = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(Style::PLAIN.width);
        let commands = global.commands();
        let style = |terminal: bool| {
            let plain =
                if terminal { Style { color: !plain, width: width.max(40), ..Style::PLAIN } } else { Style::PLAIN };
            Style { commands, ..plain }
        };
        let (out, err) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        Self {
            out: style(out),
            err: style(err),
            json: global.json,
            live: err && !plain,
            interactive: std::io::stdin().is_terminal(),
        }
    }

    /// How commands in messages are typed.
    pub fn commands(&self) -> &Commands {
        &self.err.commands
    }

    /// Writes data to stdout through one buffer. Data that is read by programs is written so that nothing of it looks
    /// like a command to a CI runner before it comes here; of everything else such lines are changed.
    ///
    /// # Errors
    /// stdout is gone.
    pub fn data(&self, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), CliError> {
        let mut out = Harmless::new(std::io::BufWriter::new(std::io::stdout().lock()));
        write(&mut out)?;
        out.flush()?;
        Ok(())
    }

    /// Writes a JSON document to stdout.
    ///
    /// # Errors
    /// stdout is gone.
    pub fn document(&self, json: &Value) -> Result<(), CliError> {
        self.data(|out| report::json::write(out, json, true))
    }

    /// Writes a table to stdout.
    ///
    /// # Errors
    /// stdout is gone.
    pub fn table(&self, table: &Table) -> Result<(), CliError> {
        self.data(|out| table.write(out, &self.out))
    }

    /// Writes text to a file, whole or not at all, or to stdout for `-`.
    ///
    /// # Errors
    /// The file cannot be written, or stdout is gone.
    pub fn file(&self, path: &Path, text: &str) -> Result<(), CliError> {
        if path == Path::new("-") {
            return self.data(|out| out.write_all(text.as_bytes()));
        }
        let failed = |error| CliError::new("file-unwritable", format!("{} cannot be written: {error}", path.display()));
        let mut partial = path.as_os_str().to_owned();
        partial.push(".part");
        std::fs::write(&partial, text).and_then(|()| std::fs::rename(&partial, path)).map_err(failed)
    }

    /// Writes a plan to stdout, for machines if the user wants that anyway.
    ///
    /// # Errors
    /// stdout is gone.
    pub fn plan(&self, plan: &Plan, format: PlanFormat, expand: bool, about: &About<'_>) -> Result<(), CliError> {
        let format = if self.json { PlanFormat::Json } else { format };
        self.data(|out| match format {
            PlanFormat::Text if plan.mode == Mode::RefreshOnly => {
                text::drift(out, plan, text::Options { expand }, &self.out)
            }
            PlanFormat::Text => text::plan(out, plan, text::Options { expand }, &self.out),
            PlanFormat::Markdown => out.write_all(report::markdown::plan(plan, about, self.commands()).as_bytes()),
            PlanFormat::Json => report::json::write(out, &report::json::plan(plan, about, self.commands()), true),
            PlanFormat::Html => out.write_all(report::html::plan(plan, about, self.commands()).as_bytes()),
            PlanFormat::Mermaid => report::graph::mermaid(out, &GraphView::of_plan(plan)),
            PlanFormat::Dot => report::graph::dot(out, &GraphView::of_plan(plan)),
        })
    }

    /// Writes the end of a run to stdout.
    ///
    /// # Errors
    /// stdout is gone.
    pub fn summary(&self, outcome: &Summary, plan: &Plan) -> Result<(), CliError> {
        self.data(|out| match self.json {
            true => report::json::write(out, &report::json::summary(outcome, self.commands()), false),
            false => summary::text(out, outcome, Some(plan), &self.out),
        })
    }

    /// Writes words to stderr.
    pub fn say(&self, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) {
        let mut err = Harmless::new(std::io::BufWriter::new(std::io::stderr().lock()));
        // There is nowhere left to say that stderr is gone.
        let _ = write(&mut err).and_then(|()| err.flush());
    }

    /// Writes warnings and notes to stderr, if there is more than notes.
    pub fn findings(&self, diagnostics: &Diagnostics) {
        if diagnostics.iter().any(|finding| finding.severity >= Severity::Warning) {
            self.say(|err| report::diagnostics::text(err, diagnostics, &self.err));
        }
    }

    /// Why a command failed: in words on stderr, and with `--json` as the last line on stdout, too. A closed stdout is no
    /// error worth a line.
    pub fn error(&self, error: &CliError) {
        let Some(diagnostics) = error.diagnostics() else { return };
        self.say(|err| report::diagnostics::text(err, &diagnostics, &self.err));
        if self.json {
            problems(error, self.commands());
        }
    }

    /// Progress: moving lines on a terminal, plain lines in a pipe, JSON lines on stdout with `--json`.
    ///
    /// # Errors
    /// The stream is gone.
    pub fn progress(&self) -> Result<Progress, CliError> {
        Ok(if self.json {
            Progress::json(Box::new(std::io::stdout()), self.err.commands)
        } else if self.live {
            Progress::terminal(self.err)
        } else {
            Progress::lines(Box::new(Harmless::new(std::io::stderr())), self.err)
        }?)
    }

    /// Asks; only the whole word is a yes.
    ///
    /// # Errors
    /// No answer can be read.
    pub fn confirms(&self, question: &str) -> Result<bool, CliError> {
        self.say(|err| write!(err, "\n{question} Only \"yes\" is a yes: "));
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        read.map_err(|error| CliError::new("no-answer", format!("no answer: {error}")))?;
        Ok(answer.trim() == "yes")
    }
}
