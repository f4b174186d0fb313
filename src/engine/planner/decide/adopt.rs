//! Objects that are there and that the state does not know.

use super::replace::{judged, refused};
use crate::advice::{Advice, Command};
use crate::engine::address::Address;
use crate::engine::code::ProblemCode;
use crate::engine::identity::Identity;
use crate::engine::kind::{Holds, Replace};
use crate::engine::plan::{Asked, Cause, FieldChange, Verb};
use crate::engine::planner::change::restart;
use crate::engine::planner::decision::{Decided, Decision};
use crate::engine::planner::draft::Draft;
use crate::engine::planner::explain::show;
use crate::engine::planner::outputs::release;
use crate::engine::planner::problem::Problem;
use crate::engine::planner::wish::Wish;
use crate::engine::provider::Observed;
use crate::engine::value::{Path, Value};

/// Takes something into the state that is there: because somebody says so, because an interrupted run made it, or because
/// it is ours and holds no data.
pub(super) fn adopt<'v>(wish: &Wish<'v>, observed: &'v Observed) -> Decided<'v> {
    let node = wish.node;
    let ours = is_ours(wish, observed);
    let wished = node.import.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(&observed.physical_id));
    let reason = if wished {
        "the manifest adopts it"
    } else if wish.view.is_interrupted(&node.address) {
        "an interrupted apply made it"
    } else if !node.kind.marked {
        "it exists already"
    } else if ours && node.kind.holds != Holds::Data {
        "an earlier apply of this state made it"
    } else {
        return Decision::from(not_adopted(wish, observed)).into();
    };
    let changes = wish.changes(observed);
    let problems = refused(wish, &observed.physical_id, &changes);
    if !problems.is_empty() {
        return Decision::from(problems).into();
    }
    let (mut changes, left) = match judged(node, &observed.physical_id, changes) {
        Ok(judged) => judged,
        Err(problems) => return Decision::from(problems).into(),
    };
    if let Some(problem) = fixed(wish, observed, &changes) {
        return Decision::from(problem).into();
    }
    if let Some(other) = observed.lineage.as_deref().filter(|_| node.kind.marked && !ours) {
        // Without our mark the next plan would take it for the other state's.
        changes.push(FieldChange {
            path: Path::root().key("lineage"),
            before: Some(other.into()),
            after: Some(wish.view.inputs.lineage.into()),
            asked: Asked::NoThird,
            cause: Cause::Manifest,
            forces_replacement: false,
        });
    }
    changes.extend(release(observed));
    let because = restart(node, &changes);
    let draft = Draft::wished(wish, Verb::Import, reason, Some(observed), None).changing(changes).restarting(because);
    Decided { dangers: left, ..Decided::from(Decision::from(draft)).giving(wish.outputs(observed)) }
}

fn is_ours(wish: &Wish<'_>, observed: &Observed) -> bool {
    observed.lineage.as_deref() == Some(wish.view.inputs.lineage)
}

/// What is there and that nobody asked to adopt.
fn not_adopted(wish: &Wish<'_>, observed: &Observed) -> Problem {
    let (node, id) = (wish.node, &observed.physical_id);
    let ours = is_ours(wish, observed);
    let (code, message, why) = if ours {
        let message = format!("{} exists already: {id}", node.address);
        if let Some(other) = known_as(wish, id) {
            return Problem::of(ProblemCode::Exists, node, message)
                .help(format!("the state knows it as {other}, which no manifest names any more"))
                .help(Advice::run("to carry it over", Command::state_mv(other, &node.address)));
        }
        (ProblemCode::Exists, message, "it may hold data, so it is adopted only when you say so:")
    } else {
        let message = format!("{} exists already and is not ours: {id}", node.address);
        (ProblemCode::Foreign, message, "it is never touched unless you adopt it:")
    };
    let problem = Problem::of(code, node, message).help(why);
    let problem = problem.help(Advice::run("", Command::import(&node.address).word(id)));
    Problem { foreign: (!ours).then(|| id.clone()), ..problem }
}

/// The address under which the state knows it, where that is no wish of its own: there it can be carried over from.
fn known_as<'v>(wish: &Wish<'v>, id: &str) -> Option<&'v Address> {
    let inputs = wish.view.inputs;
    let identity = Identity::new(&wish.node.provider, id);
    let mut others = inputs.snapshot.records.iter().filter(|record| Identity::of(record) == identity);
    others.find(|record| inputs.graph.get(&record.address).is_none()).map(|record| &record.address)
}

/// A change that only a new object could have: what is adopted is not deleted for it.
fn fixed(wish: &Wish<'_>, observed: &Observed, changes: &[FieldChange]) -> Option<Problem> {
    let node = wish.node;
    if !matches!(node.kind.replace, Replace::DeleteFirst) {
        return None;
    }
    let change = changes.iter().find(|change| change.forces_replacement)?;
    let side = |side: &Option<Value>| show(side.as_ref().unwrap_or(&Value::Null));
    let message = format!(
        "{} exists already and cannot become as the manifest says: {} {} → {} ({})",
        node.address,
        change.path,
        side(&change.before),
        side(&change.after),
        observed.physical_id
    );
    let problem = Problem::of(ProblemCode::CannotBecome, node, message).at(node.origin_of(&change.path).cloned());
    Some(problem.help("write what it is into the manifest, or delete it first; then it is made anew"))
}
