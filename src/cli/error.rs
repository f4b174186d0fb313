//! One error of the command line: what failed, where, and what to do; and the one mapping to exit codes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::process::ExitCode;

use kompox_state::StateError;

use crate::advice::{Advice, Command, Name};
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::engine::planner::Problem;
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
        /// A stable kebab-case identifier, for machines.
        code: &'static str,
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
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self::Message { code, message: message.into(), help: Vec::new() }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(self, line: impl Into<Advice>) -> Self {
        match self {
            Self::Message { code, message, mut help } => {
                help.push(line.into());
                Self::Message { code, message, help }
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

    /// What it says, for whoever prints it; none where nobody is there any more to read it.
    pub fn diagnostics(&self) -> Option<Cow<'_, Diagnostics>> {
        let one = |mut diagnostic: Diagnostic, help: &[Advice]| {
            diagnostic.help.extend_from_slice(help);
            let mut diagnostics = Diagnostics::default();
            diagnostics.push(diagnostic);
            Some(Cow::Owned(diagnostics))
        };
        match self {
            Self::Diagnostics(diagnostics) => Some(Cow::Borrowed(diagnostics)),
            Self::Message { code, message, help } => one(Diagnostic::error(code, message.clone()), help),
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => None,
            Self::Output(error) => {
                one(Diagnostic::error("output", format!("the output cannot be written: {error}")), &[])
            }
        }
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
            Advice::run("put this app into that project", Command::add_app()),
            "or only use that cluster: set `existing: true` in the Cluster's spec".into(),
            "or have one of its own: write another Workspace name in all Resource IDs of this project".into(),
            Advice::run(
                "if it is this project's and its state was lost, make that again",
                Command::new(Name::StateRebuild),
            ),
            "or adopt each of these:".into(),
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

impl From<StateError> for CliError {
    fn from(error: StateError) -> Self {
        let code = match error {
            StateError::Locked { .. } | StateError::Busy { .. } | StateError::HolderAlive { .. } => "state-locked",
            StateError::Fenced { .. } => "state-lock-lost",
            StateError::NotLocked { .. } | StateError::OtherLock { .. } => "state-not-locked",
            StateError::Newer { .. } => "state-newer",
            StateError::Corrupt { .. } => "state-damaged",
            StateError::ReadOnly { .. } => "state-read-only",
            StateError::Moved { .. } => "state-moved",
            StateError::Exists { .. } => "state-exists",
            _ => "state",
        };
        let failed = Self::new(code, error.to_string());
        match error {
            StateError::Locked { holder: Some(holder), .. } => {
                let unlock = Command::new(Name::StateUnlock).word(&holder.id);
                failed.help(Advice::run("if it is certainly gone", unlock))
            }
            StateError::Corrupt { .. } => {
                let rebuild = Command::new(Name::StateRebuild);
                failed.help(Advice::run("once it is moved away, make it again from what exists", rebuild))
            }
            _ => failed,
        }
    }
}

impl From<crate::engine::planfile::PlanFileError> for CliError {
    fn from(error: crate::engine::planfile::PlanFileError) -> Self {
        Self::new("plan-file", error.to_string()).help(Advice::run("make a new plan", Command::plan_again()))
    }
}

impl From<crate::engine::journal::JournalError> for CliError {
    fn from(error: crate::engine::journal::JournalError) -> Self {
        Self::new("state-write", error.to_string())
    }
}

impl From<kompox_sandbox::SandboxError> for CliError {
    fn from(error: kompox_sandbox::SandboxError) -> Self {
        Self::new("sandbox", error.to_string())
    }
}
