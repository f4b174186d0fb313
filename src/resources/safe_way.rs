//! What a disk cannot become in place, it becomes by a snapshot, a new disk made from it, and a switch: the lines of that way,
//! the same for every driver.

use std::collections::BTreeSet;

use crate::advice::{Advice, Command};
use crate::engine::kind::Refusal;
use crate::engine::value::{Segment, Value};

/// ` (kompoxapp.yml:7:3)`, if the line is known.
pub fn place(refusal: &Refusal<'_>) -> String {
    refusal.place.as_ref().map_or(String::new(), |place| format!("  ({place})"))
}

/// The lines by which a disk changes what it cannot change: a snapshot, a new disk made from it, and a switch
/// (`manifests.md`, "Declared disks and snapshots"). They apply as they stand, whether the change that was refused is undone
/// or not: each disk says for itself what it is.
pub fn disk(refusal: &Refusal<'_>) -> Vec<Advice> {
    let (volume, disk) = refusal.name.split_once('.').unwrap_or((refusal.name, ""));
    let field = refusal.path.to_string();
    let is = text(refusal.before);
    if is_origin(refusal) {
        return vec![
            format!("a disk is made of its source once, and never again; undo this change{}", place(refusal)).into(),
            format!(
                "for what is to be in it now declare another disk of the volume {volume}, with a name that none had, and \
                 assign that"
            )
            .into(),
        ];
    }
    if field == "size" {
        return vec![
            format!("a disk never shrinks; write what it is:  size: {is}{}", place(refusal)).into(),
            "for a smaller one declare another volume, mount both, copy the files, then drop this one".into(),
        ];
    }
    if field.ends_with("diskSizeGB") {
        return vec![
            format!("a disk never shrinks; write what it is:  size: {is}Gi{}", place(refusal)).into(),
            "for a smaller one declare another volume, mount both, copy the files, then drop this one".into(),
        ];
    }
    let says = |value: &Value| {
        let text = text(value);
        if matches!(value, Value::Null) || text.is_empty() {
            String::new()
        } else if field == "class" {
            format!(", options: {{class: {text}}}")
        } else if field.starts_with("zone") {
            format!(", zone: \"{text}\"")
        } else if field.starts_with("sku") {
            format!(", options: {{sku: {text}}}")
        } else {
            String::new()
        }
    };
    let (now, wanted) = (says(refusal.before), says(refusal.after));
    let old = if disk.is_empty() { "blue" } else { disk };
    let new = fresh(refusal, old, &["green", "blue"], "disk");
    let copy = fresh(refusal, old, &["before-switch"], "before-switch");
    let first = if disk.is_empty() {
        format!("      - {{name: blue, import: {}{}}}", refusal.physical_id, now)
    } else {
        format!("      - {{name: {disk}{}}}  # and what else it says now", now)
    };
    let others = if names(refusal).is_empty() { "" } else { "  # beside what is there" };
    let mut lines: Vec<Advice> = Vec::new();
    if refusal.outside && !now.is_empty() {
        let it = now.trim_start_matches(", ");
        lines.push(format!("nothing here asked for that; write what it is:  {it}{}", place(refusal)).into());
    }
    lines.push("the safe way is a snapshot, a new disk made from it, and a switch:".into());
    lines.push(Advice::write(format!(
        "  - name: {volume}\n    disks:\n{first}\n      - {{name: {new}, source: \"snapshot:{copy}\"{wanted}}}\n    \
         assigned: {new}\n    snapshots:\n      - {{name: {copy}, source: \"disk:{old}\"}}{others}"
    )));
    let stop = "stop the app before the snapshot, so that nothing is written after it";
    if refusal.users.is_empty() {
        lines.push(stop.into());
    } else {
        lines.push(format!("{stop}; the next apply starts it again:").into());
        lines.extend(refusal.users.iter().map(|user| Advice::run("", Command::destroy(user))));
    }
    lines
}

/// Whether it is about what the object was made of.
pub fn is_origin(refusal: &Refusal<'_>) -> bool {
    let last = refusal.path.0.last();
    matches!(last, Some(Segment::Key(key)) if key == "sourceResourceId") || refusal.path.to_string() == "source.id"
}

/// The names of declared disks and snapshots of the same volume that manifests or state have. One name may stand for one of
/// each, but a new one is to be none of them: what is there was made of something else.
fn names<'r>(refusal: &'r Refusal<'_>) -> BTreeSet<&'r str> {
    let volume = refusal.name.split_once('.').map_or(refusal.name, |(volume, _)| volume);
    let parts = refusal.beside.iter().filter_map(|address| address.name().split_once('.'));
    parts.filter(|(of, _)| *of == volume).map(|(_, name)| name).collect()
}

/// The first of these names, or else of those with a number, that nothing has.
fn fresh(refusal: &Refusal<'_>, old: &str, first: &[&str], numbered: &str) -> String {
    let taken = names(refusal);
    let first = first.iter().map(|name| (*name).to_owned());
    let mut all = first.chain((2..).map(|number| format!("{numbered}-{number}")));
    all.find(|name| name != old && !taken.contains(name.as_str())).unwrap_or_default()
}

/// A value as a manifest writes it.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_stored().to_string(),
    }
}
