//! Changes that an object cannot make in place: what the kind and the state say to its replacement.

use std::collections::BTreeSet;

use kompox_state::Record;

use crate::advice::{Advice, Command};
use crate::engine::address::Address;
use crate::engine::code::{DangerCode, ProblemCode};
use crate::engine::diff;
use crate::engine::graph::Node;
use crate::engine::kind::{Holds, InPlace, Refusal, Replace, Verdict};
use crate::engine::plan::{Cause, Danger, FieldChange, Origin, Verb};
use crate::engine::planner::decision::Decision;
use crate::engine::planner::draft::Draft;
use crate::engine::planner::explain::{describe_replacement, show};
use crate::engine::planner::problem::Problem;
use crate::engine::planner::wish::Wish;
use crate::engine::provider::Observed;
use crate::engine::value::{Path, Value};

/// Replaces an object, if nothing speaks against it. `forced`: it was asked for.
pub(super) fn replace<'v>(
    wish: &Wish<'v>,
    record: &Record,
    observed: &Observed,
    changes: Vec<FieldChange>,
    forced: bool,
) -> Decision<'v> {
    let node = wish.node;
    let problems = refused(wish, &observed.physical_id, &changes);
    if !problems.is_empty() {
        return problems.into();
    }
    if let Some(problem) = forbidden(wish, record, &changes) {
        return problem.into();
    }
    let asked = "replacement was asked for (--replace)";
    let reason = if forced { asked.to_owned() } else { describe_replacement(&changes) };
    let because = node.kind.is_workload().then(|| reason.clone());
    Draft::wished(wish, Verb::Replace, reason, Some(observed), None).changing(changes).restarting(because).into()
}

/// Why an object must not be replaced, if so.
fn forbidden(wish: &Wish<'_>, record: &Record, changes: &[FieldChange]) -> Option<Problem> {
    let node = wish.node;
    // Data is never replaced, whatever else its kind says.
    if matches!(node.kind.replace, Replace::Refused(_)) || node.kind.holds == Holds::Data {
        let message = format!("{} is never replaced: its data would be lost", node.address);
        return Some(Problem::of(ProblemCode::ReplacementRefused, node, message));
    }
    if node.kind.holds == Holds::Objects
        && let Some(inner) = wish.view.first_inside(record)
    {
        let message = format!(
            "{} would have to be replaced with everything in it, {} for one: {}",
            node.address,
            inner.address,
            describe_replacement(changes)
        );
        let problem = Problem::of(ProblemCode::HoldsOthers, node, message)
            .help("undo this change, or remove what is in it first; disks are kept:");
        // The state knows it by its old name until then.
        return Some(problem.help(Advice::run("", Command::destroy(&record.address))));
    }
    if record.protection.adopted {
        let message = format!(
            "{} is never replaced, because kompox did not make it: {}",
            node.address,
            describe_replacement(changes)
        );
        return Some(Problem::of(ProblemCode::AdoptedReplaced, node, message).help("undo this change"));
    }
    (record.protection.prevent_destroy || record.protection.read_only).then(|| {
        let message = format!("{} is protected, but {}", node.address, describe_replacement(changes));
        Problem::of(ProblemCode::Protected, node, message)
            .help("apply an explicit preventDestroy: false or protection: none first, then this change")
    })
}

/// The addresses of the same scope that the manifests or the state have.
fn beside(wish: &Wish<'_>) -> BTreeSet<Address> {
    let inputs = wish.view.inputs;
    let wished = inputs.graph.iter().map(|node| &node.address);
    let recorded = inputs.snapshot.records.iter().map(|record| &record.address);
    let scope = wish.node.address.scope();
    wished.chain(recorded).filter(|address| address.scope() == scope).cloned().collect()
}

/// What the kind says to changes that would need a replacement which it refuses: a problem for all that it says the same of.
pub(super) fn refused(wish: &Wish<'_>, physical_id: &str, changes: &[FieldChange]) -> Vec<Problem> {
    let Replace::Refused(help) = wish.node.kind.replace else { return Vec::new() };
    let applied = wish.last();
    let mut refusals: Vec<(Refused, Vec<String>)> = Vec::new();
    for change in changes.iter().filter(|change| change.forces_replacement) {
        let (refused, text) = refusal(wish, physical_id, applied.as_ref(), change, help);
        match refusals.iter_mut().find(|(known, _)| *known == refused) {
            Some((_, texts)) => texts.push(text),
            None => refusals.push((refused, vec![text])),
        }
    }
    refusals.into_iter().map(|(refused, texts)| refused.problem(wish.node, &texts.join(", "))).collect()
}

/// What is said of changes that would need a replacement.
#[derive(PartialEq)]
struct Refused {
    start: String,
    origin: Option<Origin>,
    help: Vec<Advice>,
}

impl Refused {
    fn problem(self, node: &Node, changes: &str) -> Problem {
        let Self { start, origin, help } = self;
        let message = format!("{} {start}: {changes}", node.address);
        Problem { help, ..Problem::of(ProblemCode::ReplacementRefused, node, message).at(origin) }
    }
}

fn refusal(
    wish: &Wish<'_>,
    physical_id: &str,
    applied: Option<&Value>,
    change: &FieldChange,
    help: fn(&Refusal<'_>) -> Vec<Advice>,
) -> (Refused, String) {
    let node = wish.node;
    let null = Value::Null;
    let (before, after) = (change.before.as_ref().unwrap_or(&null), change.after.as_ref().unwrap_or(&null));
    let origin = node.origin_of(&change.path).cloned();
    let is_data = node.kind.holds == Holds::Data;
    let is_id = change.path == Path::root().key("id");
    let last = applied.and_then(|applied| diff::lookup(node.kind, applied, &change.path));
    let refusal = Refusal {
        address: &node.address,
        name: node.address.name(),
        physical_id,
        path: &change.path,
        before,
        after,
        outside: !is_id && (matches!(change.cause, Cause::Drift { .. }) || last != change.before.as_ref()),
        place: origin.as_ref().map(ToString::to_string),
        users: if is_data { wish.view.users_of(physical_id) } else { Vec::new() },
        beside: if is_data { beside(wish) } else { BTreeSet::new() },
    };
    let lost = if is_data { ", and its data would be lost" } else { " while it is in use" };
    let (path, was, will) = (&change.path, show(before), show(after));
    let (start, text) = if refusal.outside && is_data && applied.is_some() {
        let start = format!("is not as the manifests say; for that it would have to be replaced{lost}");
        (start, format!("{path} is {was}, not {will}"))
    } else {
        (format!("would have to be replaced{lost}"), format!("{path} {was} → {will}"))
    };
    // Another id is another object: nothing that the kind could say leads there.
    let help = if is_id {
        vec![format!("undo this change: what is kept stays where it is, {physical_id}").into()]
    } else {
        help(&refusal)
    };
    (Refused { start, origin, help }, text)
}

/// The changes that the API carries out, by the kind's own verdict, and what is said of those that it leaves.
///
/// # Errors
/// The changes that the API refuses.
pub(super) fn judged(
    node: &Node,
    physical_id: &str,
    changes: Vec<FieldChange>,
) -> Result<(Vec<FieldChange>, Vec<Danger>), Vec<Problem>> {
    let Some(verdict) = node.kind.verdict else { return Ok((changes, Vec::new())) };
    let (mut kept, mut left, mut refused) = (Vec::with_capacity(changes.len()), Vec::new(), Vec::new());
    for change in changes {
        let null = Value::Null;
        let judged = verdict(&InPlace {
            physical_id,
            path: &change.path,
            before: change.before.as_ref().unwrap_or(&null),
            after: change.after.as_ref().unwrap_or(&null),
            drifted: matches!(change.cause, Cause::Drift { .. }),
        });
        match judged {
            Verdict::Accepted => kept.push(change),
            Verdict::Left(text) => left.push(Danger::about(DangerCode::Left, &node.address, text)),
            Verdict::Refused(why, help) => {
                let message = format!("{} {why}", node.address);
                let problem = Problem::of(ProblemCode::ChangeRefused, node, message);
                refused.push(Problem { help, ..problem.at(node.origin_of(&change.path).cloned()) });
            }
        }
    }
    if refused.is_empty() { Ok((kept, left)) } else { Err(refused) }
}
