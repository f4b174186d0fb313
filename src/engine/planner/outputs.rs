//! What others take from an object, and the fields of it that a plan depends on.

use kompox_state::Record;

use crate::engine::diff;
use crate::engine::kind::Kind;
use crate::engine::object::ObjectText;
use crate::engine::plan::{Asked, Cause, FieldChange};
use crate::engine::provider::Observed;
use crate::engine::value::{Path, Segment, Value};

/// The outputs that a kind keeps, under their pointers' last steps as they stand in the object.
pub(in crate::engine) fn outputs_of(kind: &Kind, object: &ObjectText) -> serde_json::Value {
    let mut outputs = Value::object();
    for (pointer, value) in kind.outputs.iter().zip(object.parts(kind.outputs)) {
        if let Some(value) = value {
            let keys: Vec<&str> = pointer.split('/').skip(1).collect();
            outputs.set(&keys, Value::from(value));
        }
    }
    // Outputs are no secrets (see `Kind::outputs`), so the stored form is the plain one.
    outputs.to_stored()
}

/// What refers to an object takes these: its outputs, its id among them.
pub(in crate::engine) fn outputs_with_id(kind: &Kind, observed: &Observed) -> serde_json::Value {
    let mut outputs = outputs_of(kind, &observed.object);
    if !outputs.is_object() {
        outputs = serde_json::json!({});
    }
    if let Some(map) = outputs.as_object_mut() {
        map.insert("id".into(), observed.physical_id.as_str().into());
    }
    outputs
}

/// The observed fields that a plan depends on, masked.
pub(in crate::engine) fn observed_fields(
    kind: &Kind,
    object: &serde_json::Value,
    desired: &Value,
    last: Option<&Value>,
    digest: &dyn Fn(&str) -> String,
) -> Value {
    let shapes: Vec<&Value> = [Some(desired), last].into_iter().flatten().collect();
    diff::project(kind, &diff::mask(kind, object, &shapes, digest), &shapes)
}

/// Outputs that are not any more what the record says, but for fields of the wish, which are compared as such. What the
/// record does not know yet is news, but no change.
pub(super) fn changed_outputs(kind: &Kind, record: &Record, observed: &Observed) -> Vec<FieldChange> {
    if kind.outputs.is_empty() || observed.object.is_unseen() {
        return Vec::new();
    }
    let recorded = record.outputs.value();
    let recorded = |pointer: &str| recorded.pointer(pointer).filter(|value| !value.is_null());
    // Of most objects nobody takes anything: those need not be read.
    let kept: Vec<&str> = kind.outputs.iter().copied().filter(|pointer| recorded(pointer).is_some()).collect();
    let changed = kept.iter().zip(observed.object.parts(&kept)).filter_map(|(pointer, seen)| {
        let before = recorded(pointer)?;
        let after = seen.filter(|value| !value.is_null());
        if after.as_ref() == Some(before) {
            return None;
        }
        let steps = pointer.split('/').skip(1).map(|step| match step.parse() {
            Ok(index) => Segment::Index(index),
            Err(_) => Segment::Key(step.to_owned()),
        });
        let path = Path(steps.collect());
        // Seldom come to, so that what was applied is read for it alone.
        let is_wish = diff::lookup(kind, &Value::from_stored(&record.applied.value()), &path).is_some();
        (!is_wish).then(|| FieldChange {
            before: Some(Value::from(before)),
            after: after.map(Value::from),
            asked: Asked::NoThird,
            cause: diff::drift(&observed.writers.read(), &path),
            path,
            forces_replacement: false,
        })
    });
    changed.collect()
}

/// The change that clears a tie to an object that is gone.
pub(super) fn release(observed: &Observed) -> Option<FieldChange> {
    let tie = observed.tie.as_ref()?;
    Some(FieldChange {
        path: tie.path.clone(),
        before: Some(tie.value.as_str().into()),
        after: None,
        asked: Asked::NoThird,
        cause: Cause::Server,
        forces_replacement: false,
    })
}
