//! Objects that are there and that the state knows.

use kompox_state::Record;

use super::origin;
use super::replace::{judged, replace};
use crate::advice::{Advice, Command};
use crate::engine::code::ProblemCode;
use crate::engine::diff;
use crate::engine::graph::Node;
use crate::engine::ground;
use crate::engine::identity::Identity;
use crate::engine::kind::Holds;
use crate::engine::plan::{Asked, Cause, FieldChange, Verb};
use crate::engine::planner::change::{UNREADY, bookkeeping, explain_release, guarded, restart};
use crate::engine::planner::decision::{Decided, Decision, Question, Request};
use crate::engine::planner::draft::Draft;
use crate::engine::planner::explain::describe;
use crate::engine::planner::outputs::release;
use crate::engine::planner::problem::Problem;
use crate::engine::planner::wish::Wish;
use crate::engine::provider::{Observed, Transition};
use crate::engine::value::{Path, Value};

/// What to do with an object that differs, or does not.
pub(super) fn compare<'v>(wish: &Wish<'v>, record: &'v Record, observed: &'v Observed) -> Decided<'v> {
    let (view, node) = (wish.view, wish.node);
    if let Some(problem) = not_ours(wish, record, observed) {
        return Decision::from(problem).into();
    }
    if let Some(wanted) = elsewhere(wish, record) {
        return moves(wish, record, observed, wanted).into();
    }
    // Most objects are to the letter as they were applied; only the others are worth a walk.
    let as_it_was =
        wish.desired.is_stored_as(record.applied.text()) && observed.object.has(&wish.desired, &view.digest());
    let mut changes = if as_it_was { Vec::new() } else { wish.changes(observed) };
    changes.extend(origin::remade(wish, record));
    let (mut changes, dangers) = match judged(node, &observed.physical_id, changes) {
        Ok(judged) => judged,
        Err(problems) => return Decision::from(problems).into(),
    };
    if let Some(tie) = &observed.tie {
        // What it was tied to is gone, so it can be tied to another.
        let beside = tie.path.0.split_last().map_or(&[][..], |(_, parent)| parent);
        let tied = changes.iter_mut().filter(|change| change.path.0.starts_with(beside));
        tied.for_each(|change| change.forces_replacement = false);
    }
    let forced = view.inputs.options.replace.contains(&node.address);
    if forced || changes.iter().any(|change| change.forces_replacement) {
        return Decided { dangers, ..replace(wish, record, observed, changes, forced).into() };
    }
    let decision = in_place(wish, record, observed, changes, as_it_was);
    let is_change = |draft: &Draft| draft.action.action == Verb::Update;
    if matches!(&decision, Decision::Act(draft) | Decision::Ask(draft, _) if is_change(draft))
        && let Some(problem) = unmarked(wish, record, observed)
    {
        return Decision::from(problem).into();
    }
    let decided = Decided::from(decision);
    Decided { dangers, ..decided.giving(wish.outputs(observed)) }
}

/// Why what is there is not the object that the state speaks of, if so.
fn not_ours(wish: &Wish<'_>, record: &Record, observed: &Observed) -> Option<Problem> {
    let (view, node, lineage) = (wish.view, wish.node, wish.view.inputs.lineage);
    let forget = |why: &str| Advice::run(why, Command::state_rm(&node.address));
    let marked = node.kind.marked && !record.protection.adopted;
    if marked && observed.lineage.as_deref().is_some_and(|other| other != lineage) {
        let message = format!("{} now belongs to another state: {}", node.address, observed.physical_id);
        return Some(Problem::of(ProblemCode::OtherState, node, message).help(forget("forget it here")));
    }
    // What one of these stood on may be about to be made anew; only what is another state's speaks against it.
    let grounds = view.stands_on(record, node.kind);
    if let Some(why) = grounds.and_then(|grounds| ground::theirs(&grounds, lineage)) {
        let message = format!("{} is not this state's: {why}", node.address);
        return Some(Problem::of(ProblemCode::OtherState, node, message).help(forget("forget it here")));
    }
    // A record that never learned a uid cannot tell.
    let known = &record.progress.uid;
    (node.kind.holds == Holds::Data && observed.uid.is_some() && *known != observed.uid).then(|| {
        let (address, id) = (&node.address, &observed.physical_id);
        let message = match known {
            Some(_) => format!(
                "{address} is not the one that kompox made: {id} was deleted and made anew, so its data is not the app's"
            ),
            None => format!("{address}: the state does not say whether {id} is the one that kompox made"),
        };
        Problem::of(ProblemCode::AnotherObject, node, message)
            .help(forget("forget the old one"))
            .help(Advice::run("adopt the new one", Command::import(address).word(id)))
    })
}

/// Why data cannot be changed that lost its mark: whoever took it away, nothing says any more that it is this state's, and an apply
/// leaves it as it is.
fn unmarked(wish: &Wish<'_>, record: &Record, observed: &Observed) -> Option<Problem> {
    let node = wish.node;
    let is_marked = node.kind.marked && !record.protection.adopted;
    if node.kind.holds != Holds::Data || !is_marked || observed.lineage.is_some() {
        return None;
    }
    let (address, id) = (&node.address, &observed.physical_id);
    let message =
        format!("{address} does not carry the mark of this state any more, and nothing of it is changed: {id}");
    let problem = Problem::of(ProblemCode::Foreign, node, message)
        .help(Advice::run("if it is the app's, adopt it again", Command::import(address).word(id)))
        .help(Advice::run("if not, forget it, and an empty one is made in its place", Command::state_rm(address)));
    Some(problem)
}

/// The id that the wish gives, where that is another object than the recorded one.
fn elsewhere(wish: &Wish<'_>, record: &Record) -> Option<String> {
    let node = wish.node;
    let wanted = wish.view.wished_id(node, &wish.desired)?;
    // Nearly all are to the letter where they were.
    if wanted.eq_ignore_ascii_case(&record.physical_id) {
        return None;
    }
    let identity = Identity::new(&node.provider, &wanted);
    if identity == Identity::of(record) {
        return None;
    }
    // Some objects have names that others gave them (a role that was assigned already): of these the wish tells whether
    // it still means the same.
    let last = wish.view.wished_id(node, &Value::from_stored(&record.applied.value()));
    (last.map(|last| Identity::new(&node.provider, &last)) != Some(identity)).then_some(wanted)
}

/// An object that is to be under another id: another one, that is, in its place.
fn moves<'v>(wish: &Wish<'v>, record: &Record, observed: &Observed, wanted: String) -> Decision<'v> {
    let becomes = Identity::new(&wish.node.provider, &wanted);
    let mut changes = wish.changes(observed);
    if !changes.iter().any(|change| change.forces_replacement) {
        changes.push(FieldChange {
            path: Path::root().key("id"),
            before: Some(observed.physical_id.as_str().into()),
            after: Some(wanted.into()),
            asked: Asked::NoThird,
            cause: Cause::Manifest,
            forces_replacement: true,
        });
    }
    match replace(wish, record, observed, changes, false) {
        Decision::Act(draft) => Decision::Act(Box::new(Draft { becomes: Some(becomes), ..*draft })),
        other => other,
    }
}

/// A change in place, or none. `as_it_was`: it is known that nothing differs.
fn in_place<'v>(
    wish: &Wish<'v>,
    record: &'v Record,
    observed: &'v Observed,
    mut changes: Vec<FieldChange>,
    as_it_was: bool,
) -> Decision<'v> {
    let (view, node) = (wish.view, wish.node);
    let release = release(observed);
    let unready = !observed.ready && (record.progress.unready || lets_go(node, record));
    // A digest is made only where somebody asks for it: it costs more than the comparison.
    let changed_wish = !as_it_was && (node.kind.preview || unready) && wish.desired.digest() != record.desired_digest;
    let update = |reason: String| Draft::wished(wish, Verb::Update, reason, Some(observed), None);
    if unready && !changed_wish && changes.is_empty() {
        let reason = explain_release(observed).unwrap_or_else(|| UNREADY.to_owned());
        return update(reason).changing(release.into_iter().collect()).into();
    }
    if node.kind.preview
        && !observed.object.is_unseen()
        && (!changes.is_empty() || changed_wish)
        && let Ok(mut request) = wish.desired.to_request()
    {
        diff::keep_ignored(node.kind, &mut request, &observed.object.value(), &node.ignore_changes);
        let question = Question {
            target: node.target(Some(observed.physical_id.clone())),
            desired: wish.desired.clone(),
            request: Request(request),
            before: Some((record, observed)),
            release,
            owned: owned_before(node, record, &changes),
        };
        let draft = update(describe(&changes)).changing(changes);
        return Decision::Ask(Box::new(draft), Box::new(question));
    }
    if let Some(reason) = explain_release(observed) {
        changes.extend(release);
        return guarded(node, record).map_or_else(|| update(reason).changing(changes).into(), Decision::from);
    }
    if changes.is_empty() && observed.transition != Some(Transition::Failed) {
        // Nothing differs in the cloud; the record may still need to learn of something.
        return match bookkeeping(view, node, record, observed) {
            Some((verb, reason, changes)) => {
                Draft::wished(wish, verb, reason, Some(observed), None).changing(changes).into()
            }
            None => Decision::Unchanged,
        };
    }
    let reason = match observed.transition {
        Some(Transition::Failed) if changes.is_empty() => "its last operation failed".to_owned(),
        _ => describe(&changes),
    };
    if let Some(problem) = guarded(node, record) {
        return problem.into();
    }
    let because = restart(node, &changes);
    update(reason).changing(changes).restarting(because).into()
}

/// Whether every field that differs was applied by us before.
fn owned_before(node: &Node, record: &Record, changes: &[FieldChange]) -> bool {
    let applied = std::cell::OnceCell::new();
    let ours = |change: &FieldChange| {
        let applied = applied.get_or_init(|| Value::from_stored(&record.applied.value()));
        matches!(change.cause, Cause::Drift { .. }) || diff::lookup(node.kind, applied, &change.path).is_some()
    };
    !changes.is_empty() && changes.iter().all(ours)
}

/// Whether a workload is to work elsewhere than it was applied to: until it is ready, its old part may run.
fn lets_go(node: &Node, record: &Record) -> bool {
    let Some(uses) = node.kind.uses else { return false };
    !record.progress.holds.is_empty() || uses(&node.desired.to_stored()) != uses(&record.applied.value())
}
