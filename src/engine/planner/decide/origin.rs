//! What an object was made of, against what the wish says that it is made of.

use kompox_state::Record;

use crate::engine::diff::lookup;
use crate::engine::plan::{Asked, Cause, FieldChange};
use crate::engine::planner::wish::Wish;
use crate::engine::value::{Path, Segment, Value};

/// The change of what an object that is there was made of, if the wish names something else than was applied. It can only
/// be made anew: left alone, the plan would say that it holds what it does not. A wish that does not say it any more
/// changes nothing.
pub(super) fn remade(wish: &Wish<'_>, record: &Record) -> Option<FieldChange> {
    let kind = wish.node.kind;
    let origin = kind.origin?;
    let path = path(origin.field);
    let after = lookup(kind, &wish.desired, &path).filter(|wanted| !matches!(wanted, Value::Null))?;
    // What an import took over is not what was wished for: the apply after it says so.
    if record.progress.importing.is_some() || wish.desired.is_stored_as(record.applied.text()) {
        return None;
    }
    let applied = wish.last()?;
    lookup(kind, &applied, &self::path(origin.told_by))?;
    let before = lookup(kind, &applied, &path).filter(|known| !matches!(known, Value::Null));
    let same = match (before, after) {
        (Some(Value::String(before)), Value::String(after)) => before.eq_ignore_ascii_case(after),
        (before, after) => before == Some(after),
    };
    let ignored = wish.node.ignore_changes.contains(&path.to_pointer());
    (!same && !ignored).then(|| FieldChange {
        before: before.cloned(),
        after: Some(after.clone()),
        asked: Asked::NoThird,
        cause: Cause::Manifest,
        forces_replacement: true,
        path,
    })
}

fn path(keys: &[&str]) -> Path {
    Path(keys.iter().map(|key| Segment::Key((*key).to_owned())).collect())
}
