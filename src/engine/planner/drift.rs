//! What is observed and not as the state says, to be accepted: for `drift` and `plan --refresh-only`.

use kompox_state::Record;

use super::decision::{Decided, Decision};
use super::draft::Draft;
use super::known::Known;
use super::outputs::{changed_outputs, release};
use super::problem::{Refusal, Unread};
use super::view::View;
use crate::engine::address::Address;
use crate::engine::diff::{self, Sides};
use crate::engine::kind::Kind;
use crate::engine::plan::{Asked, Cause, FieldChange, Verb};
use crate::engine::provider::{Observation, Observed, Transition};
use crate::engine::value::{Path, Value};
use crate::parallel;

/// What to do with every record, in their order.
pub(super) fn all(view: &View<'_>) -> Vec<(Address, Decided<'static>)> {
    let decided = parallel::map(&view.inputs.snapshot.records, |record| {
        let kind = view.kind_of(record).filter(|_| !record.progress.lost)?;
        let observation = view.observations.get(&record.address)?;
        Some((record.address.clone(), Decided::from(drift(view, record, kind, observation))))
    });
    decided.into_iter().flatten().collect()
}

fn drift(view: &View<'_>, record: &Record, kind: &'static Kind, observation: &Observation) -> Decision<'static> {
    let address = &record.address;
    let who = || kind.review.history.map(|history| history(&record.physical_id));
    let forget = |reason: String| {
        let mut gone = Draft::recorded(view, record, Verb::Forget, reason, None);
        gone.action.who = who();
        gone.into()
    };
    match observation {
        Observation::Failed(error) => {
            Decision::Refuse(Refusal::Unread(Unread::new(address.clone(), None, error.clone())))
        }
        Observation::Missing => forget("it was deleted outside of kompox".to_owned()),
        Observation::NotYet(reason) => forget(format!("it is gone: {reason}")),
        // Taken from the state, because a lock hides it: what it is cannot be said.
        Observation::Found(_) if view.locked.contains_key(address) => Decision::Unchanged,
        Observation::Found(observed) => {
            let changes = changes(view, record, kind, observed);
            if changes.is_empty() {
                return Decision::Unchanged;
            }
            let reason = "it was changed outside of kompox";
            let untold = |change: &FieldChange| matches!(change.cause, Cause::Drift { writer: None, .. });
            let mut changed = Draft::recorded(view, record, Verb::Refresh, reason, Some(observed));
            changed.action.who = who().filter(|_| changes.iter().any(untold));
            changed.changing(changes).into()
        }
    }
}

/// Seen from the state: what it was, what it is now, and what the manifests ask for.
fn changes(view: &View<'_>, record: &Record, kind: &'static Kind, observed: &Observed) -> Vec<FieldChange> {
    let last = Value::from_stored(&record.applied.value());
    let node = view.inputs.graph.get(&record.address);
    let seen = diff::mask(kind, &observed.object.value(), &[&last], &view.digest());
    let sides = Sides {
        kind,
        last: Some(&last),
        observed: &seen,
        desired: &last,
        ignore: node.map(|node| node.ignore_changes.as_slice()).unwrap_or_default(),
        writers: &observed.writers.read(),
    };
    let differences = diff::diff(&sides);
    // Seldom come to, so that references are followed for what changed alone.
    let wish = node.filter(|_| !differences.is_empty());
    let wish = wish.map(|node| Known::resolved(node, &|reference| view.recorded_output(reference)));
    let asked = |path: &Path| {
        let asked = wish.as_ref().and_then(|wish| diff::lookup(kind, wish, path));
        match (asked, diff::lookup(kind, &last, path)) {
            (Some(asked), Some(last)) if diff::same(kind, path, asked, last) => Asked::AsApplied,
            _ => Asked::Other(asked.cloned()),
        }
    };
    // The comparison is made towards what was applied; here it goes the other way.
    let turned = |change: FieldChange| FieldChange {
        asked: asked(&change.path),
        before: change.after,
        after: change.before,
        forces_replacement: false,
        ..change
    };
    let mut changes: Vec<FieldChange> = differences.into_iter().map(turned).collect();
    changes.extend(changed_outputs(kind, record, observed));
    // What it was tied to is gone, what it was is going.
    changes.extend(release(observed));
    let outside = |key: &str, before: Option<&str>, after: &str, cause: Cause| FieldChange {
        path: Path::root().key(key),
        before: before.map(Value::from),
        after: Some(after.into()),
        asked: Asked::NoThird,
        cause,
        forces_replacement: false,
    };
    if observed.transition == Some(Transition::Deleting) {
        changes.push(outside("deletion", None, "under way", Cause::UNTOLD));
    }
    if let (Some(then), Some(now)) = (record.progress.uid.as_deref(), observed.uid.as_deref())
        && then != now
    {
        let cause = diff::drift(&observed.writers.read(), &Path::root());
        changes.push(outside("uid", Some(then), now, cause));
    }
    changes
}
