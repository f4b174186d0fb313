//! Diff: last applied, observed and desired in, field changes out. Does no I/O and knows kinds only by their schema.

use std::collections::BTreeSet;

use super::kind::{Kind, Rule, Sameness};
use super::plan::{Asked, Cause, FieldChange};
use super::provider::Writer;
use super::value::{Path, Segment, Sensitive, Value};
use kompox_rules::quantity::Quantity;

/// The three sides of a comparison.
pub struct Sides<'a> {
    /// The schema.
    pub kind: &'a Kind,
    /// What was last applied, if there is a record.
    pub last: Option<&'a Value>,
    /// What is observed, masked.
    pub observed: &'a Value,
    /// What should be.
    pub desired: &'a Value,
    /// JSON pointers of fields to leave alone.
    pub ignore: &'a [String],
    /// Who wrote what, where the API tells.
    pub writers: &'a [Writer],
}

/// The fields in which the observed object must change to be as desired: fields that were never ours are none of them.
pub fn diff(sides: &Sides<'_>) -> Vec<FieldChange> {
    let mut walk = Walk { sides, changes: Vec::new() };
    walk.compare(&Path::root(), Some(sides.desired), sides.last, Some(sides.observed));
    walk.changes
}

/// Every field in which two observed forms differ: for the answer of a server to "what would this become".
pub fn diff_observed(sides: &Sides<'_>, predicted: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let mut walk = Walk { sides, changes: Vec::new() };
    // Compared as if the server's answer were all ours: then fields that vanish are seen too.
    walk.compare(&Path::root(), Some(predicted), Some(sides.observed), Some(sides.observed));
    for mut change in walk.changes {
        let ours = lookup(sides.kind, sides.desired, &change.path);
        let before = sides.last.and_then(|last| lookup(sides.kind, last, &change.path));
        change.cause = match (ours, before) {
            (Some(ours), Some(before)) if same(sides.kind, &change.path, ours, before) => {
                drift(sides.writers, &change.path)
            }
            (None, None) => Cause::Server,
            _ => Cause::Manifest,
        };
        changes.push(change);
    }
    changes
}

/// Somebody changed this field: who and when, as far as the writers tell.
pub(super) fn drift(writers: &[Writer], path: &Path) -> Cause {
    // The most specific writer: the one whose path is the longest prefix of ours.
    let covering = |writer: &Writer| {
        writer.paths.iter().filter(|owned| path.0.starts_with(&owned.0)).map(|owned| owned.0.len()).max()
    };
    let writer = writers.iter().filter_map(|writer| covering(writer).map(|depth| (depth, writer))).max_by_key(|w| w.0);
    Cause::Drift {
        writer: writer.map(|(_, writer)| writer.name.clone()),
        time: writer.and_then(|(_, writer)| writer.time.clone()),
        of_object: writer.is_some_and(|(depth, _)| depth == 0),
    }
}

/// The value at a path of an object of the kind.
pub fn lookup<'a>(kind: &Kind, value: &'a Value, path: &Path) -> Option<&'a Value> {
    let mut at = Path::root();
    path.0.iter().try_fold(value, |value, segment| {
        let found = match (value, segment) {
            (Value::Object(map), Segment::Key(key)) => map.get(key),
            (Value::Array(items), Segment::Index(index)) => items.get(*index),
            (Value::Array(items), Segment::Item(name)) => {
                items.iter().find(|item| item_name(kind, &at, item).as_ref() == Some(name))
            }
            _ => None,
        };
        at.0.push(segment.clone());
        found
    })
}

/// What identifies an item of a keyed list.
fn item_name(kind: &Kind, list: &Path, item: &Value) -> Option<String> {
    kind.item_name(list, |key| item.get(key).and_then(text))
}

/// The same of an item as an API writes it.
fn json_item_name(kind: &Kind, list: &Path, item: &serde_json::Value) -> Option<String> {
    kind.item_name(list, |key| item.get(key).map(Value::from).as_ref().and_then(text))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

struct Walk<'a> {
    sides: &'a Sides<'a>,
    changes: Vec<FieldChange>,
}

impl Walk<'_> {
    fn compare(&mut self, path: &Path, desired: Option<&Value>, last: Option<&Value>, observed: Option<&Value>) {
        let kind = self.sides.kind;
        if self.ignored(path) || kind.any_rule(path, |rule| matches!(rule, Rule::Computed | Rule::Tie)) {
            return;
        }
        match (desired, observed) {
            (Some(Value::Object(wanted)), Some(Value::Object(seen))) => {
                let before = match last {
                    Some(Value::Object(map)) => Some(map),
                    _ => None,
                };
                let keys: BTreeSet<&str> = wanted.keys().chain(before.into_iter().flat_map(|map| map.keys())).collect();
                for key in keys {
                    let last = before.and_then(|map| map.get(key));
                    self.compare(&path.key(key), wanted.get(key), last, seen.get(key));
                }
            }
            // No longer wanted: take away what was ours, leave what others put beside it.
            (None, Some(Value::Object(seen))) => match last {
                Some(Value::Object(before)) => {
                    for (key, value) in before {
                        self.compare(&path.key(key), None, Some(value), seen.get(key));
                    }
                }
                _ => self.record(path, desired, last, observed),
            },
            (Some(Value::Array(wanted)), Some(Value::Array(seen))) => self.lists(path, wanted, last, seen),
            (None, None) => {}
            (Some(wanted), None) => {
                if !wanted.is_empty() && !is_default(kind, path, wanted) && !only_empty(wanted) {
                    self.record(path, desired, last, observed);
                }
            }
            (None, Some(seen)) => {
                if last.is_some() && !seen.is_empty() && !is_default(kind, path, seen) {
                    self.record(path, desired, last, observed);
                }
            }
            (Some(wanted), Some(seen)) => {
                if !same(kind, path, wanted, seen) {
                    self.record(path, desired, last, observed);
                }
            }
        }
    }

    fn lists(&mut self, path: &Path, wanted: &[Value], last: Option<&Value>, seen: &[Value]) {
        let before: &[Value] = match last {
            Some(Value::Array(items)) => items,
            _ => &[],
        };
        let (kind, wanted_value) = (self.sides.kind, Value::Array(wanted.into()));
        if kind.list_keys(path).is_some() {
            let named = |items: &'_ [Value]| -> Vec<Option<String>> {
                items.iter().map(|item| item_name(kind, path, item)).collect()
            };
            let (wanted_names, before_names, seen_names) = (named(wanted), named(before), named(seen));
            fn find<'v>(items: &'v [Value], names: &[Option<String>], name: &str) -> Option<&'v Value> {
                names.iter().position(|other| other.as_deref() == Some(name)).and_then(|found| items.get(found))
            }
            // In the order wanted, then what was ours and goes.
            let mut names: Vec<String> = Vec::new();
            for name in wanted_names.iter().chain(&before_names).flatten() {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
            for name in names {
                let step = path.then(Segment::Item(name.clone()));
                let now = find(wanted, &wanted_names, &name);
                let old = find(before, &before_names, &name);
                let live = find(seen, &seen_names, &name);
                match (now, live) {
                    // A whole item that is gone from the wish goes whole.
                    (None, Some(_)) => self.record(&step, None, old, live),
                    _ => self.compare(&step, now, old, live),
                }
            }
            if kind.any_rule(path, |rule| matches!(rule, Rule::Ordered)) {
                self.order(path, [&wanted_names, &before_names, &seen_names]);
            }
            return;
        }
        let equal = if kind.any_rule(path, |rule| matches!(rule, Rule::Set)) {
            wanted.len() == seen.len()
                && wanted
                    .iter()
                    .all(|item| seen.iter().any(|other| same(kind, &path.then(Segment::Index(0)), item, other)))
        } else if wanted.len() == seen.len() {
            for (position, (item, live)) in wanted.iter().zip(seen).enumerate() {
                self.compare(&path.then(Segment::Index(position)), Some(item), before.get(position), Some(live));
            }
            return;
        } else {
            false
        };
        if !equal {
            let live = Value::Array(seen.into());
            self.record(path, Some(&wanted_value), last, Some(&live));
        }
    }

    /// The order of what is wanted and there, where it means something: by the names of the items.
    fn order(&mut self, path: &Path, [wanted, before, seen]: [&[Option<String>]; 3]) {
        let common = |names: &[Option<String>]| -> Box<[Value]> {
            let both = names
                .iter()
                .flatten()
                .filter(|name| [wanted, seen].iter().all(|list| list.iter().any(|other| other.as_ref() == Some(name))));
            both.map(|name| name.as_str().into()).collect()
        };
        let (wish, live) = (common(wanted), common(seen));
        if wish != live {
            let last = Value::Array(common(before));
            self.record(path, Some(&Value::Array(wish)), Some(&last), Some(&Value::Array(live)));
        }
    }

    fn ignored(&self, path: &Path) -> bool {
        self.sides.ignore.iter().any(|pointer| *pointer == path.to_pointer())
    }

    fn record(&mut self, path: &Path, desired: Option<&Value>, last: Option<&Value>, observed: Option<&Value>) {
        let kind = self.sides.kind;
        let unchanged_wish = match (desired, last) {
            (Some(desired), Some(last)) => same(kind, path, desired, last),
            _ => false,
        };
        let shrinks = kind.any_rule(path, |rule| matches!(rule, Rule::GrowOnly))
            && matches!((quantity(desired), quantity(observed)), (Some(new), Some(old)) if new < old);
        self.changes.push(FieldChange {
            path: path.clone(),
            before: observed.cloned(),
            after: desired.cloned(),
            asked: Asked::NoThird,
            cause: if unchanged_wish { drift(self.sides.writers, path) } else { Cause::Manifest },
            forces_replacement: kind.is_immutable(path) || shrinks,
        });
    }
}

/// Whether a value is what the absent field would be.
fn is_default(kind: &Kind, path: &Path, value: &Value) -> bool {
    kind.any_rule(path, |rule| match (rule, value) {
        (Rule::Default(default), Value::String(text)) => **text == *default,
        (Rule::Default(default), Value::Number(number)) => number.to_string() == default,
        (Rule::Default(default), Value::Bool(value)) => value.to_string() == default,
        _ => false,
    })
}

fn only_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.values().all(only_empty),
        other => other.is_empty(),
    }
}

/// Puts what is observed at these pointers (see [`Path::to_pointer`]) into a request, so that a change of other fields leaves
/// them alone.
pub fn keep_ignored(kind: &Kind, request: &mut serde_json::Value, observed: &serde_json::Value, pointers: &[String]) {
    for pointer in pointers {
        let steps: Vec<String> =
            pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        keep_at(kind, &Path::root(), request, Some(observed), &steps);
    }
}

fn keep_at(
    kind: &Kind,
    at: &Path,
    request: &mut serde_json::Value,
    observed: Option<&serde_json::Value>,
    steps: &[String],
) {
    let Some((step, rest)) = steps.split_first() else { return };
    let live = observed.and_then(|observed| match position(kind, at, observed, step) {
        Some(position) => observed.get(position),
        None => observed.get(step),
    });
    let place = position(kind, at, request, step);
    let below = at.key(step);
    match (request, place, rest.is_empty()) {
        (serde_json::Value::Object(map), _, true) => match live {
            Some(live) => drop(map.insert(step.clone(), live.clone())),
            None => drop(map.remove(step)),
        },
        (serde_json::Value::Object(map), _, false) => {
            // What the wish does not mention at all is not in the request, so nothing has to be kept in it.
            if let Some(inner) = map.get_mut(step) {
                keep_at(kind, &below, inner, live, rest);
            }
        }
        (serde_json::Value::Array(items), Some(place), last) => match (items.get_mut(place), live) {
            (Some(item), Some(live)) if last => item.clone_from(live),
            (Some(item), live) if !last => keep_at(kind, &below, item, live, rest),
            _ => {}
        },
        _ => {}
    }
}

/// Where a step of a pointer leads in the list at this place: by what identifies an item, else by number.
fn position(kind: &Kind, at: &Path, list: &serde_json::Value, step: &str) -> Option<usize> {
    let items = list.as_array()?;
    let named = |item: &serde_json::Value| json_item_name(kind, at, item).as_deref() == Some(step);
    items.iter().position(named).or_else(|| step.parse().ok())
}

/// Whether two values mean the same at a place of a kind. A desired object is the same as an observed one that has more.
pub fn same(kind: &Kind, path: &Path, wanted: &Value, seen: &Value) -> bool {
    match (wanted, seen) {
        (Value::Object(wanted), Value::Object(seen)) => wanted.iter().all(|(key, value)| {
            let path = path.key(key);
            match seen.get(key) {
                Some(other) => same(kind, &path, value, other),
                None => only_empty(value) || kind.any_rule(&path, |rule| matches!(rule, Rule::Computed | Rule::Tie)),
            }
        }),
        (Value::Array(wanted), Value::Array(seen)) => {
            wanted.len() == seen.len()
                && wanted
                    .iter()
                    .zip(seen)
                    .enumerate()
                    .all(|(i, (a, b))| same(kind, &path.then(Segment::Index(i)), a, b))
        }
        (a, b) if a == b => true,
        (Value::Unknown(_), _) | (Value::Sensitive(_), _) | (_, Value::Sensitive(_)) => false,
        (a, b) => kind.rules().any(|field| match field.rule {
            Rule::Same(sameness) if path.matches(field.pattern) => same_written(sameness, a, b),
            Rule::Release if path.matches(field.pattern) => {
                matches!((a.as_str(), b.as_str()), (Some(line), Some(release)) if is_release_of(release, line))
            }
            _ => false,
        }),
    }
}

fn same_written(sameness: Sameness, a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (text(a), text(b)) else { return false };
    match sameness {
        Sameness::IgnoreCase => a.eq_ignore_ascii_case(&b),
        Sameness::Location => {
            let plain =
                |s: &str| s.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect::<String>();
            plain(&a) == plain(&b)
        }
        Sameness::Quantity => {
            matches!((Quantity::parse(&a), Quantity::parse(&b)), (Ok(a), Ok(b)) if a.nano() == b.nano())
        }
        Sameness::NumberAsText => a == b,
    }
}

/// Whether a version is one of the line that `line` names: `1.33.4` of `1.33`.
pub fn is_release_of(release: &str, line: &str) -> bool {
    release == line || release.strip_prefix(line).is_some_and(|rest| rest.starts_with('.'))
}

/// The numbers of a version such as `1.33` or `1.33.4`; `None` if it is none.
pub fn release(text: &str) -> Option<Vec<u32>> {
    let number = |part: &str| {
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    };
    text.split('.').map(number).collect()
}

/// Whether the version `wanted` is earlier than `there`, in the parts that both name.
pub fn is_earlier(wanted: &str, there: &str) -> bool {
    let (Some(wanted), Some(there)) = (release(wanted), release(there)) else { return false };
    let parts = wanted.len().min(there.len());
    wanted[..parts] < there[..parts]
}

fn quantity(value: Option<&Value>) -> Option<i128> {
    value.and_then(text).and_then(|text| Quantity::parse(&text).ok()).map(Quantity::nano)
}

/// Masks an observed object: what the schema calls sensitive, and what is sensitive in `like` (the desired or last
/// applied form of the same object), becomes a keyed digest.
pub fn mask(kind: &Kind, json: &serde_json::Value, like: &[&Value], digest: &dyn Fn(&str) -> String) -> Value {
    mask_at(kind, &Path::root(), json, like, digest, kind.has_sensitive())
}

fn mask_at(
    kind: &Kind,
    path: &Path,
    json: &serde_json::Value,
    like: &[&Value],
    digest: &dyn Fn(&str) -> String,
    schema: bool,
) -> Value {
    if like.is_empty() && !schema {
        return Value::from(json);
    }
    let secret = |json: &serde_json::Value| match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::String(text) => Value::sensitive(Sensitive::digest_only(digest(text))),
        other => Value::sensitive(Sensitive::digest_only(digest(&other.to_string()))),
    };
    let lines = schema && kind.any_rule(path, |rule| matches!(rule, Rule::SecretLines));
    let hidden = |value: &&Value| matches!(value, Value::Sensitive(secret) if !lines || secret.shown.is_none());
    if like.iter().any(hidden) || (schema && kind.is_sensitive(path)) {
        return secret(json);
    }
    if lines && let serde_json::Value::String(text) = json {
        let covered = Sensitive::lines(text, digest);
        return covered.map_or_else(|| Value::from(json), Value::sensitive);
    }
    match json {
        serde_json::Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| {
                    let inner: Vec<&Value> = like.iter().filter_map(|value| value.get(key)).collect();
                    (key.clone(), mask_at(kind, &path.key(key), value, &inner, digest, schema))
                })
                .collect(),
        ),
        serde_json::Value::Array(items) => {
            let items = items.iter().enumerate().map(|(position, item)| {
                let name = json_item_name(kind, path, item);
                let inner: Vec<&Value> = like
                    .iter()
                    .filter_map(|value| match (value, &name) {
                        (Value::Array(others), Some(name)) => {
                            others.iter().find(|other| item_name(kind, path, other).as_ref() == Some(name))
                        }
                        (Value::Array(others), None) => others.get(position),
                        _ => None,
                    })
                    .collect();
                let step = name.map_or(Segment::Index(position), Segment::Item);
                mask_at(kind, &path.then(step), item, &inner, digest, schema)
            });
            Value::Array(items.collect())
        }
        other => Value::from(other),
    }
}

/// The part of `observed` that the shapes speak of: what a plan depends on, and nothing of what the server adds.
pub fn project(kind: &Kind, observed: &Value, shapes: &[&Value]) -> Value {
    project_at(kind, &Path::root(), observed, shapes)
}

fn project_at(kind: &Kind, path: &Path, observed: &Value, shapes: &[&Value]) -> Value {
    match observed {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter_map(|(key, value)| {
                    let inner: Vec<&Value> = shapes.iter().filter_map(|shape| shape.get(key)).collect();
                    let path = path.key(key);
                    let computed = kind.any_rule(&path, |rule| matches!(rule, Rule::Computed | Rule::Tie));
                    (!inner.is_empty() && !computed).then(|| (key, project_at(kind, &path, value, &inner)))
                })
                .collect(),
        ),
        Value::Array(items) => {
            let items = items.iter().enumerate().map(|(position, item)| {
                let name = item_name(kind, path, item);
                let inner: Vec<&Value> = shapes
                    .iter()
                    .filter_map(|shape| match (shape, &name) {
                        (Value::Array(others), Some(name)) => {
                            others.iter().find(|other| item_name(kind, path, other).as_ref() == Some(name))
                        }
                        (Value::Array(others), None) => others.get(position),
                        _ => None,
                    })
                    .collect();
                // An item that no shape knows is kept whole: that it appeared is what a reviewer must hear of.
                if inner.is_empty() {
                    item.clone()
                } else {
                    project_at(kind, &path.then(Segment::Index(position)), item, &inner)
                }
            });
            Value::Array(items.collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
