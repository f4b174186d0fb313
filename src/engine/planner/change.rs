//! Changes in place: what they need, what they bring along, and what only the state learns.

use kompox_state::Record;

use super::explain::describe_protection;
use super::outputs::changed_outputs;
use super::problem::Problem;
use super::view::View;
use crate::engine::address::Address;
use crate::engine::code::ProblemCode;
use crate::engine::graph::Node;
use crate::engine::plan::{FieldChange, Verb};
use crate::engine::provider::Observed;

/// Why an object is applied again although nothing of it differs.
pub(super) const UNREADY: &str = "it was not ready when the last apply left it";

/// Why nothing of an object may change, if so.
pub(super) fn guarded(node: &Node, record: &Record) -> Option<Problem> {
    record.protection.read_only.then(|| {
        let message = format!("{} is protected: nothing of it may change (readOnly)", node.address);
        Problem::of(ProblemCode::Protected, node, message).help("apply protection: none first, then this change")
    })
}

/// Why changes restart a workload, if they do.
pub(super) fn restart(node: &Node, changes: &[FieldChange]) -> Option<String> {
    let hits = |change: &&FieldChange| node.kind.restarts.iter().any(|pattern| change.path.matches(pattern));
    let causes: Vec<_> = changes.iter().filter(hits).map(|change| change.path.to_string()).collect();
    (!causes.is_empty()).then(|| format!("{} changes", causes.join(", ")))
}

/// Why a tie is cleared.
pub(super) fn explain_release(observed: &Observed) -> Option<String> {
    let tie = observed.tie.as_ref()?;
    Some(format!("{} is cleared: {} is gone", tie.path, tie.to))
}

/// What the record must learn although its object stays as it is: a move, another protection, another order.
pub(super) fn bookkeeping(
    view: &View<'_>,
    node: &Node,
    record: &Record,
    observed: &Observed,
) -> Option<(Verb, String, Vec<FieldChange>)> {
    if view.old_address(&node.address).is_some() {
        return Some((Verb::Move, "it was renamed in the manifest".to_owned(), Vec::new()));
    }
    let outputs = changed_outputs(node.kind, record, observed);
    if !outputs.is_empty() {
        return Some((Verb::Refresh, "what others take from it changed outside of kompox".to_owned(), outputs));
    }
    let wanted = node.protection.over(&record.protection);
    if wanted != record.protection {
        return Some((Verb::Refresh, describe_protection(&record.protection, &wanted), Vec::new()));
    }
    // A destroy works from the state alone, so its order must be today's.
    let needs = view.inputs.graph.dependencies(&node.address);
    let recorded = |need: &&Address| record.dependencies.contains(view.old_address(need).unwrap_or(need));
    let known = needs.iter().all(recorded);
    (!known || needs.len() != record.dependencies.len())
        .then(|| (Verb::Refresh, "what it depends on changes".to_owned(), Vec::new()))
}
