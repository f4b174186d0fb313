//! Servers that can say what a change would do: their answer takes the place of what was decided without them.

use futures::StreamExt;

use super::change::{UNREADY, bookkeeping, explain_release, guarded, restart};
use super::decision::{Decided, Decision, Question};
use super::draft::Draft;
use super::explain::describe;
use super::problem::Problem;
use super::view::View;
use crate::advice::{Advice, Switch};
use crate::engine::code::ProblemCode;
use crate::engine::diff::{self, Sides};
use crate::engine::graph::Node;
use crate::engine::kind::Holds;
use crate::engine::provider::{ErrorClass, Observed, Preview, ProviderError};
use crate::engine::value::Value;

/// How many questions are open at once.
const AT_ONCE: usize = 32;

/// A question with its answer, and whether it was asked with force.
struct Answered<'v> {
    place: usize,
    draft: Box<Draft>,
    question: Box<Question<'v>>,
    force: bool,
    answer: Result<Preview, ProviderError>,
}

/// The decisions, none of which asks any more.
pub(super) async fn settle<'v>(
    view: &'v View<'v>,
    mut decided: Vec<(&'v Node, Decided<'v>)>,
) -> Vec<(&'v Node, Decided<'v>)> {
    let mut asked = Vec::new();
    for (place, (node, one)) in decided.iter_mut().enumerate() {
        match std::mem::replace(&mut one.decision, Decision::Unchanged) {
            Decision::Ask(draft, question) if view.inputs.options.refresh => {
                asked.push(ask(view, place, draft, question));
            }
            Decision::Ask(draft, question) => one.decision = unasked(node, draft, *question),
            other => one.decision = other,
        }
    }
    // Answers come in any order; each goes to the place of its question.
    let mut answers = futures::stream::iter(asked).buffer_unordered(AT_ONCE);
    while let Some(answered) = answers.next().await {
        let (node, one) = &mut decided[answered.place];
        one.decision = answer(view, node, answered);
    }
    decided
}

async fn ask<'v>(view: &View<'_>, place: usize, draft: Box<Draft>, question: Box<Question<'v>>) -> Answered<'v> {
    let mut force = draft.action.force;
    let Some(provider) = view.inputs.providers.get(&draft.action.provider) else {
        let answer = Ok(Preview::Unconfirmed("no connection to it".into()));
        return Answered { place, draft, question, force, answer };
    };
    let mut answer = provider.preview(&question.target, &question.request.0, force).await;
    // Fields that we applied and another writer changed since are drift: they are put right.
    if matches!(answer, Ok(Preview::Conflict(_))) && question.owned && !force {
        force = true;
        answer = provider.preview(&question.target, &question.request.0, force).await;
    }
    Answered { place, draft, question, force, answer }
}

/// What was decided, where no server says anything to it.
fn unasked<'v>(node: &Node, mut draft: Box<Draft>, question: Question<'v>) -> Decision<'v> {
    if let Some((record, _)) = question.before {
        if let Some(problem) = guarded(node, record) {
            return problem.into();
        }
        draft.action.changes.extend(question.release);
        let because = restart(node, &draft.action.changes);
        draft = Box::new(draft.restarting(because));
    }
    Decision::Act(draft)
}

fn answer<'v>(view: &View<'_>, node: &Node, answered: Answered<'v>) -> Decision<'v> {
    let Answered { mut draft, question, force, answer, .. } = answered;
    let address = &node.address;
    match answer {
        Err(error) => {
            let message = format!("the server refuses {address}: {error}");
            let mut problem = Problem::of(ProblemCode::ServerRefuses, node, message);
            let may_go = question.before.is_some() && node.kind.holds == Holds::Nothing;
            if error.class == ErrorClass::Rejected && error.hint.is_none() && may_go {
                problem = problem.help(Advice::add("if it cannot become that, make it anew", Switch::Replace, address));
            }
            problem.help.extend(error.hint);
            problem.into()
        }
        Ok(Preview::Conflict(conflicts)) => {
            let fields: Vec<_> = conflicts.iter().map(|c| format!("{} (owned by {})", c.field, c.writer)).collect();
            let message = format!("{address} has fields that another writer owns: {}", fields.join(", "));
            Problem::of(ProblemCode::Conflict, node, message)
                .help(Advice::add("to take them over", Switch::ForceConflicts, address))
                .into()
        }
        Ok(Preview::Unconfirmed(reason)) => {
            draft.action.unconfirmed = Some(reason);
            unasked(node, draft, *question)
        }
        Ok(Preview::Object(_)) if question.before.is_none() => Decision::Act(draft),
        Ok(Preview::Object(predicted)) => predicted_change(view, node, draft, *question, &predicted, force),
    }
}

/// A change as the server would make it; none if it says that nothing changes.
fn predicted_change<'v>(
    view: &View<'_>,
    node: &Node,
    mut draft: Box<Draft>,
    question: Question<'v>,
    predicted: &Observed,
    force: bool,
) -> Decision<'v> {
    let Some((record, observed)) = question.before else { return Decision::Act(draft) };
    let last = Value::from_stored(&record.applied.value());
    let like = [&*question.desired, &last];
    let predicted = diff::mask(node.kind, &predicted.object.value(), &like, &view.digest());
    let seen = diff::mask(node.kind, &observed.object.value(), &like, &view.digest());
    let sides = Sides {
        kind: node.kind,
        last: Some(&last),
        observed: &seen,
        desired: &question.desired,
        ignore: &node.ignore_changes,
        writers: &observed.writers.read(),
    };
    let mut changes = diff::diff_observed(&sides, &predicted);
    let action = &mut draft.action;
    if !changes.is_empty() {
        if let Some(problem) = guarded(node, record) {
            return problem.into();
        }
        let because = restart(node, &changes);
        (action.reason, action.force) = (describe(&changes), force);
        changes.extend(question.release);
        action.changes = changes;
        return Decision::Act(Box::new(draft.restarting(because)));
    }
    if let Some(reason) = explain_release(observed) {
        (action.reason, action.changes) = (reason, question.release.into_iter().collect());
    } else if record.progress.unready && !observed.ready {
        (action.reason, action.changes) = (UNREADY.to_owned(), Vec::new());
    } else if let Some((verb, reason, changes)) = bookkeeping(view, node, record, observed) {
        (action.action, action.reason, action.changes) = (verb, reason, changes);
    } else {
        return Decision::Unchanged;
    }
    Decision::Act(draft)
}
