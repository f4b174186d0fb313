//! Reasons: why an action is planned, in one line.

use crate::engine::graph::Protection;
use crate::engine::plan::{Cause, FieldChange};
use crate::engine::value::Value;

/// A value for a reason: short, and never a secret.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::Sensitive(_) => "(sensitive)".to_owned(),
        Value::Unknown(_) => "(known after apply)".to_owned(),
        // Ids differ anywhere, and only the whole says where something is.
        Value::String(id) if id.starts_with('/') && id.chars().count() <= 512 => format!("\"{id}\""),
        other => {
            let text = other.to_stored().to_string();
            match text.char_indices().nth(60) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text,
            }
        }
    }
}

fn sides(change: &FieldChange) -> String {
    let side = |value: &Option<Value>| value.as_ref().map_or("(none)".to_owned(), show);
    match (&change.before, &change.after) {
        (Some(Value::Sensitive(_)), Some(Value::Sensitive(_))) => format!("{} (sensitive) changed", change.path),
        _ => format!("{} {} → {}", change.path, side(&change.before), side(&change.after)),
    }
}

/// Why an update is planned.
pub(super) fn describe(changes: &[FieldChange]) -> String {
    let drifted = changes.iter().filter(|change| matches!(change.cause, Cause::Drift { .. })).count();
    match changes {
        [] => "its manifest changed".to_owned(),
        [one] if drifted == 1 => format!("put right: {}", sides(one)),
        [one] => sides(one),
        many if drifted == many.len() => format!("put right {} fields that were changed outside of kompox", many.len()),
        many if drifted > 0 => format!("{} fields change, {drifted} of them changed outside of kompox", many.len()),
        many => format!("{} fields change", many.len()),
    }
}

/// Why a replacement is planned.
pub(super) fn describe_replacement(changes: &[FieldChange]) -> String {
    let forcing: Vec<_> = changes.iter().filter(|change| change.forces_replacement).map(sides).collect();
    format!("{} forces replacement", forcing.join(", "))
}

/// Why a record changes although its object does not.
pub(super) fn describe_protection(before: &Protection, after: &Protection) -> String {
    let policy = |orphan: bool| if orphan { "Orphan" } else { "Delete" };
    let policies = (before.orphan != after.orphan)
        .then(|| format!("deletionPolicy: {} → {}", policy(before.orphan), policy(after.orphan)));
    let flags = [
        ("preventDestroy", before.prevent_destroy, after.prevent_destroy),
        ("readOnly", before.read_only, after.read_only),
    ];
    let flags = flags.iter().filter(|(_, b, a)| b != a).map(|(name, b, a)| format!("{name} {b} → {a}"));
    let changed: Vec<_> = policies.into_iter().chain(flags).collect();
    format!("protection changes: {}", changed.join(", "))
}
