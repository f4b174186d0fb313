//! One error of the command line: what failed, where, and what to do; and the one mapping to exit codes.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use super::global::Terminal;
use crate::advice::{Advice, Command};
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::engine::planner::Problem;
use crate::report;
use crate::yaml::Source;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// Changes or drift are present, where asked for.
    Changes,
    /// Interrupted by a signal.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::Changes => Self::from(2),
            Exit::Interrupted => Self::from(130),
        }
    }
}

/// Why a command failed.
#[derive(Debug)]
pub enum CliError {
    /// Findings, at their places.
    Diagnostics(Diagnostics),
    /// One thing that has no place in a file.
    Message {
        /// What failed.
        message: String,
        /// What to do.
        help: Vec<Advice>,
    },
    /// stdout is gone.
    Output(std::io::Error),
}

impl CliError {
    /// One thing that has no place in a file.
    pub fn message(message: impl Into<String>) -> Self {
        Self::Message { message: message.into(), help: Vec::new() }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(self, line: impl Into<Advice>) -> Self {
        match self {
            Self::Message { message, mut help } => {
                help.push(line.into());
                Self::Message { message, help }
            }
            other => other,
        }
    }

    /// What stopped a plan, with the source lines of its places.
    pub fn problems(problems: Vec<Problem>, sources: &[Source]) -> Self {
        let mut diagnostics = Diagnostics::default();
        for problem in gathered(problems) {
            let mut diagnostic = Diagnostic::error(problem.code.as_str(), problem.message);
            if let Some(origin) = problem.origin {
                let location = Location::new(origin.file.clone(), origin.line, origin.column);
                diagnostic = match sources.iter().find(|source| source.file == origin.file) {
                    Some(source) => source.locate(diagnostic, &location),
                    None => diagnostic.at(location, None),
                };
            }
            diagnostic.help = problem.help;
            diagnostics.push(diagnostic);
        }
        Self::Diagnostics(diagnostics)
    }

    /// Prints it to stderr. A closed stdout is no error worth a line.
    pub fn print(&self, terminal: &Terminal) {
        let mut text = Vec::new();
        let result = match self {
            Self::Diagnostics(diagnostics) => {
                report::diagnostics::text(&mut text, &typed(diagnostics, terminal), &terminal.err)
            }
            Self::Message { message, help } => {
                let mut diagnostics = Diagnostics::default();
                let mut diagnostic = Diagnostic::error("kompox", message.clone());
                diagnostic.help.clone_from(help);
                diagnostics.push(diagnostic);
                report::diagnostics::text(&mut text, &typed(&diagnostics, terminal), &terminal.err)
            }
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            Self::Output(error) => writeln!(text, "error: the output cannot be written: {error}"),
        };
        let text = String::from_utf8_lossy(&text);
        let text = crate::text::ci::harmless(&text);
        // There is nowhere left to say that stderr is gone.
        let _ = result.and_then(|()| std::io::stderr().lock().write_all(text.as_bytes()));
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        Exit::Failed
    }
}

/// Problems of which those that say one thing are one: a cluster that another project has is not told object by object.
fn gathered(problems: Vec<Problem>) -> Vec<Problem> {
    let cluster = |problem: &Problem| {
        let scope = problem.foreign.as_ref().and(problem.address.as_ref())?.scope();
        let (above, _) = scope.rsplit_once('/')?;
        above.ends_with("/cls").then(|| scope.to_owned())
    };
    let mut counts: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for problem in &problems {
        if let (Some(scope), Some(address), Some(id)) = (cluster(problem), &problem.address, &problem.foreign) {
            counts.entry(scope).or_default().push((address.to_string(), id.clone()));
        }
    }
    let mut gathered = Vec::new();
    for problem in problems {
        let Some(scope) = cluster(&problem).filter(|scope| counts.get(scope).is_none_or(|all| all.len() > 1)) else {
            gathered.push(problem);
            continue;
        };
        // The first stands for all.
        let Some(all) = counts.remove(&scope) else { continue };
        let mut help = vec![
            Advice::from("put this app into that project:  kompox init --from compose.yml --into PROJECT"),
            "or only use that cluster: set `existing: true` in the Cluster's spec".into(),
            "or have one of its own: write another Workspace name in all Resource IDs of this project".into(),
            "if it is this project's and its state was lost: restore the state, or adopt each of these:".into(),
        ];
        help.extend(all.iter().map(|(address, id)| Advice::run("", Command::import(address).word(id))));
        let message = format!(
            "another project already has the cluster {scope}: {} of its objects exist and are not ours",
            all.len()
        );
        gathered.push(Problem { message, help, ..problem });
    }
    gathered
}

/// Findings with their commands as they must be typed here.
pub fn typed(diagnostics: &Diagnostics, terminal: &Terminal) -> Diagnostics {
    let mut all = Diagnostics::default();
    all.extend(diagnostics.iter().cloned().map(|mut diagnostic| {
        diagnostic.message = terminal.as_typed(&diagnostic.message);
        diagnostic.help =
            diagnostic.help.iter().flat_map(|advice| terminal.err.commands.lines(advice)).map(Advice::Say).collect();
        diagnostic
    }));
    all
}

impl From<Diagnostics> for CliError {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Diagnostics(diagnostics)
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<kompox_state::StateError> for CliError {
    fn from(error: kompox_state::StateError) -> Self {
        Self::message(error.to_string())
    }
}

impl From<crate::engine::planfile::PlanFileError> for CliError {
    fn from(error: crate::engine::planfile::PlanFileError) -> Self {
        Self::message(error.to_string()).help("make a new plan:  kompox plan --out FILE")
    }
}

impl From<crate::engine::journal::JournalError> for CliError {
    fn from(error: crate::engine::journal::JournalError) -> Self {
        Self::message(error.to_string())
    }
}

impl From<kompox_sandbox::SandboxError> for CliError {
    fn from(error: kompox_sandbox::SandboxError) -> Self {
        Self::message(error.to_string())
    }
}
