//! What is decided on one object.

use std::borrow::Cow;

use kompox_state::Record;

use super::draft::Draft;
use super::problem::{Problem, Refusal};
use crate::engine::plan::{Danger, FieldChange};
use crate::engine::provider::{Observed, Target};
use crate::engine::value::Value;

/// A decision.
#[derive(Debug)]
pub(super) enum Decision<'v> {
    /// It stays as it is, and so does what the state says of it.
    Unchanged,
    /// Nothing is done in a cluster that is given up.
    Abandoned,
    /// This is done.
    Act(Box<Draft>),
    /// This is done, unless the server says otherwise.
    Ask(Box<Draft>, Box<Question<'v>>),
    /// Nothing can be done, and so there is no plan.
    Refuse(Refusal),
}

/// What a server is asked about a creation or change.
#[derive(Debug)]
pub(super) struct Question<'v> {
    pub(super) target: Target,
    /// The resolved wish.
    pub(super) desired: Cow<'v, Value>,
    /// The wish as it is sent, secrets in clear.
    pub(super) request: Request,
    /// For a change: what the state says and what is there.
    pub(super) before: Option<(&'v Record, &'v Observed)>,
    /// For a change: what is cleared besides.
    pub(super) release: Option<FieldChange>,
    /// Every field that differs was applied by us before: then taking it back is putting drift right.
    pub(super) owned: bool,
}

/// A wish with its secrets: it never prints.
pub(super) struct Request(pub(super) serde_json::Value);

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Request(…)")
    }
}

/// A decision with what it says and gives to others.
#[derive(Debug)]
pub(super) struct Decided<'v> {
    pub(super) decision: Decision<'v>,
    /// What others may take from the object, because it stays through the apply.
    pub(super) outputs: Option<serde_json::Value>,
    /// It is being deleted, and what is in it goes along.
    pub(super) ends: bool,
    pub(super) dangers: Vec<Danger>,
    pub(super) notes: Vec<Danger>,
}

impl<'v> From<Decision<'v>> for Decided<'v> {
    fn from(decision: Decision<'v>) -> Self {
        Self { decision, outputs: None, ends: false, dangers: Vec::new(), notes: Vec::new() }
    }
}

impl Decided<'_> {
    /// With what others take from the object; its action holds only as long as that is so.
    #[must_use]
    pub(super) fn giving(mut self, outputs: Option<serde_json::Value>) -> Self {
        if let Decision::Act(draft) | Decision::Ask(draft, _) = &mut self.decision {
            draft.action.precondition.outputs.clone_from(&outputs);
        }
        self.outputs = outputs;
        self
    }
}

impl From<Draft> for Decision<'_> {
    fn from(draft: Draft) -> Self {
        Self::Act(Box::new(draft))
    }
}

impl From<Problem> for Decision<'_> {
    fn from(problem: Problem) -> Self {
        Self::Refuse(problem.into())
    }
}

impl From<Vec<Problem>> for Decision<'_> {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Refuse(Refusal::Problems(problems))
    }
}
