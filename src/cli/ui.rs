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
    /// `NO_COLOR`, `CI`, `--no-color` or `TERM=dumb`. The width is that of the terminal, unless `COLUMNS` says another.
    pub fn detect(global: &Global) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = variable("TERM").is_some_and(|name| name == "dumb");
        let plain = global.no_color || set("NO_COLOR") || set("CI") || dumb;
        let columns =
            || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0);
        let width = variable("COLUMNS").and_then(|text| text.parse().ok()).or_else(columns);
        let width = width.unwrap_or(Style::PLAIN.width).max(40);
        let unicode = is_utf8(variable);
        let commands = global.commands();
        let style = |terminal: bool| {
            let plain = if terminal { Style { color: !plain, width, unicode, ..Style::PLAIN } } else { Style::PLAIN };
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

    /// Writes what is for a person to stdout, in the characters that the terminal has.
    ///
    /// # Errors
    /// stdout is gone.
    pub fn show(&self, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), CliError> {
        if self.out.unicode { self.data(write) } else { self.data(|out| shown(out, write)) }
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
        self.show(|out| table.write(out, &self.out))
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
        if format == PlanFormat::Text {
            let options = text::Options { expand };
            return self.show(|out| match plan.mode {
                Mode::RefreshOnly => text::drift(out, plan, options, &self.out),
                Mode::Apply | Mode::Destroy | Mode::Import => text::plan(out, plan, options, &self.out),
            });
        }
        self.data(|out| match format {
            PlanFormat::Text => Ok(()),
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
        if self.json {
            return self.data(|out| report::json::write(out, &report::json::summary(outcome, self.commands()), false));
        }
        self.show(|out| summary::text(out, outcome, Some(plan), &self.out))
    }

    /// Writes words to stderr.
    pub fn say(&self, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) {
        let mut err = Harmless::new(std::io::BufWriter::new(std::io::stderr().lock()));
        // There is nowhere left to say that stderr is gone.
        let _ = if self.err.unicode { write(&mut err) } else { shown(&mut err, write) }.and_then(|()| err.flush());
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

/// Lets something be written in ASCII alone.
fn shown(out: &mut dyn Write, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> std::io::Result<()> {
    // Characters come whole to what is behind `Harmless`.
    let mut plain = Harmless::new(report::Ascii(out));
    write(&mut plain)?;
    plain.flush()
}

/// Whether the locale has UTF-8: the first of these that is set counts (POSIX, "Environment Variables"); without any it is
/// that of C, which has ASCII. Windows has no such variables and a console with all characters.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
    match locale {
        Some(locale) => ["utf-8", "utf8"].iter().any(|name| locale.to_ascii_lowercase().contains(name)),
        None => cfg!(windows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_of_the_locale_counts() {
        let locale = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> = set.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            is_utf8(move |name| set.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone()))
        };
        assert!(locale(&[("LANG", "en_US.UTF-8")]) && locale(&[("LANG", "C.utf8")]));
        assert!(!locale(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]) && !locale(&[("LANG", "ja_JP.eucJP")]));
        assert_eq!(locale(&[]), cfg!(windows));
    }
}
