//! Why there is no plan: every problem, each once, and those that say the same of many objects as one.

use std::collections::{BTreeMap, HashSet};

use super::known::Known;
use crate::advice::{Advice, Switch};
use crate::engine::address::Address;
use crate::engine::code::ProblemCode;
use crate::engine::graph::Node;
use crate::engine::plan::Origin;
use crate::engine::provider::{ErrorClass, ProviderError};

/// Something that stops a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind of problem it is, for machines.
    pub code: ProblemCode,
    /// What it is about.
    pub address: Option<Address>,
    /// What is wrong.
    pub message: String,
    /// The line that asked for it.
    pub origin: Option<Origin>,
    /// What to do.
    pub help: Vec<Advice>,
    /// The physical id of what is there and is not ours, where that is what stops it.
    pub foreign: Option<String>,
}

impl Problem {
    /// One without a place and without help yet.
    pub(in crate::engine) fn new(code: ProblemCode, address: Option<&Address>, message: impl Into<String>) -> Self {
        let (address, message) = (address.cloned(), message.into());
        Self { code, address, message, origin: None, help: Vec::new(), foreign: None }
    }

    /// One about a wished object, at its line.
    pub(super) fn of(code: ProblemCode, node: &Node, message: impl Into<String>) -> Self {
        Self::new(code, Some(&node.address), message).at(node.origin.clone())
    }

    /// Adds the line.
    #[must_use]
    pub(in crate::engine) fn at(mut self, origin: Option<Origin>) -> Self {
        self.origin = origin;
        self
    }

    /// Adds what to do.
    #[must_use]
    pub(in crate::engine) fn help(mut self, advice: impl Into<Advice>) -> Self {
        self.help.push(advice.into());
        self
    }
}

/// Why there is no plan: every problem, not the first.
#[derive(Debug, thiserror::Error)]
#[error("{}", problems.iter().map(|p| p.message.as_str()).collect::<Vec<_>>().join("\n"))]
pub struct PlanError {
    /// All of them.
    pub problems: Vec<Problem>,
}

/// Why nothing is planned for an object.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Problems of its own.
    Problems(Vec<Problem>),
    /// It could not be read: nothing can be planned without knowing it.
    Unread(Unread),
    /// It is recorded in one API and wished for in another.
    Strayed(Strayed),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problems(vec![problem])
    }
}

/// An object that could not be read.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) address: Address,
    pub(super) origin: Option<Origin>,
    pub(super) error: Box<ProviderError>,
    /// Who is to get what it may use, where it is not itself what the plan is about.
    pub(super) concerns: Option<Address>,
}

impl Unread {
    pub(super) fn new(address: Address, origin: Option<Origin>, error: Box<ProviderError>) -> Self {
        Self { address, origin, error, concerns: None }
    }

    /// With whom it may be in the way of.
    pub(super) fn concerning(self, comer: &Address) -> Self {
        Self { concerns: Some(comer.clone()), ..self }
    }
}

/// An object whose wish is in another API than its record.
#[derive(Debug)]
pub(super) struct Strayed {
    pub(super) address: Address,
    pub(super) origin: Option<Origin>,
    pub(super) physical_id: String,
    /// The id that it would have.
    pub(super) wanted: Option<String>,
    /// The API of the record, and that of the wish.
    pub(super) apis: (String, String),
}

/// Refusals as they come. One API that cannot be reached is one problem, not one per object, and so is one that all
/// objects would leave.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    problems: Vec<Problem>,
    /// By whom it concerns and what the API said, with the number of objects that are not named.
    unread: BTreeMap<(Option<Address>, String), (Unread, usize)>,
    /// By both APIs, with the number of objects that are not named.
    strayed: BTreeMap<(String, String), (Strayed, usize)>,
}

impl Refusals {
    pub(super) fn add(&mut self, refusal: impl Into<Refusal>) {
        match refusal.into() {
            Refusal::Problems(problems) => self.problems.extend(problems),
            Refusal::Unread(unread) => {
                let same = self.unread.entry((unread.concerns.clone(), unread.error.message.clone()));
                same.and_modify(|(_, others)| *others += 1).or_insert((unread, 0));
            }
            Refusal::Strayed(strayed) => {
                let same = self.strayed.entry(strayed.apis.clone());
                same.and_modify(|(_, others)| *others += 1).or_insert((strayed, 0));
            }
        }
    }

    pub(super) fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.problems.extend(problems);
    }

    /// All of them as problems, each once.
    pub(super) fn into_problems(self, known: &Known<'_>) -> Vec<Problem> {
        let mut problems = self.problems;
        problems.extend(self.unread.into_values().map(|(unread, others)| unreadable(known, unread, others)));
        problems.extend(self.strayed.into_values().map(|(strayed, others)| elsewhere(strayed, others)));
        let mut seen = HashSet::new();
        problems.retain(|problem| seen.insert((problem.address.clone(), problem.message.clone())));
        problems
    }
}

/// Words for objects that are not named.
fn and_others(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => " and 1 other object".to_owned(),
        others => format!(" and {others} other objects"),
    }
}

fn unreadable(known: &Known<'_>, unread: Unread, others: usize) -> Problem {
    let Unread { address, origin, error, concerns } = unread;
    let mut message = format!("{address}{} cannot be read: {}", and_others(others), error.described());
    if let Some(comer) = concerns {
        message.push_str(&format!("; nobody can tell whether it uses what {comer} is to use"));
    }
    let unanswered = error.status.is_none() && matches!(error.class, ErrorClass::Rejected | ErrorClass::Ambiguous);
    let cluster = known.cluster_of(&address).filter(|_| unanswered);
    let mut problem = Problem::new(ProblemCode::Unreadable, Some(&address), message).at(origin);
    problem.help.extend(error.hint);
    let without = |id| Advice::add("if it is gone for good, do without it", Switch::AbandonCluster, id);
    problem.help.extend(cluster.map(without));
    problem
}

fn elsewhere(strayed: Strayed, others: usize) -> Problem {
    let Strayed { address, origin, physical_id, wanted, apis: (from, to) } = strayed;
    let wanted = wanted.map_or_else(String::new, |id| format!(": {id}"));
    let message = format!(
        "{address}{} would move to another place: it is {physical_id} in {from}, and would be in {to}{wanted}",
        and_others(others)
    );
    Problem::new(ProblemCode::AnotherPlace, Some(&address), message)
        .at(origin)
        .help("an object never moves from one account or cluster to another: undo this change")
        .help("or make it under a name of its own there, and remove this one when nothing needs it")
}
