//! Sets of field paths, and the walks over objects that make, compare, merge and prune by them.
//!
//! This is the arithmetic behind `metadata.managedFields`: `fieldpath.Set` and the typed walks of structured-merge-diff v4, with the
//! types given by [`super::schema`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use serde_json::{Map, Value};

use super::schema::{Cursor, Shape, key_default};

/// One step of a path. Scalars are kept as their JSON text, which orders and compares them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathElement {
    /// A field of an object or a key of a map.
    Field(String),
    /// An item of a keyed list: key fields, sorted by name, with their JSON values.
    Key(Vec<(String, String)>),
    /// An item of a set.
    Value(String),
}

impl PathElement {
    fn encode(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Value(value) => format!("v:{value}"),
            Self::Key(fields) => {
                let parts: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("k:{{{}}}", parts.join(","))
            }
        }
    }

    fn decode(text: &str) -> Option<Self> {
        let (tag, rest) = text.split_at_checked(2)?;
        match tag {
            "f:" => Some(Self::Field(rest.to_owned())),
            "v:" => serde_json::from_str::<Value>(rest).ok().map(|value| Self::Value(value.to_string())),
            "k:" => {
                let fields: BTreeMap<String, Value> = serde_json::from_str(rest).ok()?;
                Some(Self::Key(fields.into_iter().map(|(name, value)| (name, value.to_string())).collect()))
            }
            _ => None,
        }
    }

    /// The path element of an item of a set or keyed list; `None` when a key field is missing.
    fn of_item(shape: Shape, item: &Value) -> Option<Self> {
        match shape {
            Shape::Set => Some(Self::Value(item.to_string())),
            Shape::Keyed(keys) => {
                let mut fields = Vec::with_capacity(keys.len());
                for key in keys {
                    let value = match item.get(*key) {
                        Some(value) => value.to_string(),
                        None => key_default(key)?.to_string(),
                    };
                    fields.push(((*key).to_owned(), value));
                }
                fields.sort();
                Some(Self::Key(fields))
            }
            Shape::Leaf | Shape::Struct | Shape::Map => None,
        }
    }
}

impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Key(fields) => {
                let parts: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
                write!(f, "[{}]", parts.join(","))
            }
        }
    }
}

/// A set of field paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    entries: BTreeMap<PathElement, Entry>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Entry {
    member: bool,
    children: FieldSet,
}

impl Entry {
    fn is_void(&self) -> bool {
        !self.member && self.children.is_empty()
    }
}

impl FieldSet {
    /// Whether there is no path in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn put(&mut self, element: PathElement, entry: Entry) {
        if !entry.is_void() {
            self.entries.insert(element, entry);
        }
    }

    /// The paths in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.absorb(other);
        out
    }

    fn absorb(&mut self, other: &Self) {
        for (element, theirs) in &other.entries {
            let ours = self.entries.entry(element.clone()).or_default();
            ours.member |= theirs.member;
            ours.children.absorb(&theirs.children);
        }
    }

    /// The paths in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut out = Self::default();
        for (element, ours) in &self.entries {
            if let Some(theirs) = other.entries.get(element) {
                let member = ours.member && theirs.member;
                out.put(element.clone(), Entry { member, children: ours.children.intersection(&theirs.children) });
            }
        }
        out
    }

    /// The paths that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut out = Self::default();
        for (element, ours) in &self.entries {
            let entry = match other.entries.get(element) {
                None => ours.clone(),
                Some(theirs) => Entry {
                    member: ours.member && !theirs.member,
                    children: ours.children.difference(&theirs.children),
                },
            };
            out.put(element.clone(), entry);
        }
        out
    }

    /// Takes a path and everything below it out.
    pub fn remove_field(&mut self, path: &[&str]) {
        let Some((first, rest)) = path.split_first() else { return };
        let element = PathElement::Field((*first).to_owned());
        if rest.is_empty() {
            self.entries.remove(&element);
        } else if let Some(entry) = self.entries.get_mut(&element) {
            entry.children.remove_field(rest);
            if entry.is_void() {
                self.entries.remove(&element);
            }
        }
    }

    /// Takes only the path itself out; what is below it stays.
    pub fn remove_member(&mut self, field: &str) {
        let element = PathElement::Field(field.to_owned());
        if let Some(entry) = self.entries.get_mut(&element) {
            entry.member = false;
            if entry.is_void() {
                self.entries.remove(&element);
            }
        }
    }

    /// The `fieldsV1` form.
    #[must_use]
    pub fn encode(&self) -> Value {
        let mut out = Map::new();
        for (element, entry) in &self.entries {
            let Value::Object(mut below) = entry.children.encode() else { continue };
            if entry.member && !below.is_empty() {
                below.insert(".".into(), Value::Object(Map::new()));
            }
            out.insert(element.encode(), Value::Object(below));
        }
        Value::Object(out)
    }

    /// Reads the `fieldsV1` form; `None` when it is malformed.
    #[must_use]
    pub fn decode(fields: &Value) -> Option<Self> {
        let mut out = Self::default();
        for (key, below) in fields.as_object()? {
            if key == "." {
                continue;
            }
            let children = Self::decode(below)?;
            let member = children.is_empty() || below.get(".").is_some();
            out.entries.insert(PathElement::decode(key)?, Entry { member, children });
        }
        Some(out)
    }

    /// All paths as text, such as `.spec.template.spec.containers[name="db"].image`.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let mut out = Vec::new();
        self.collect_paths("", &mut out);
        out
    }

    fn collect_paths(&self, prefix: &str, out: &mut Vec<String>) {
        for (element, entry) in &self.entries {
            let path = format!("{prefix}{element}");
            if entry.member {
                out.push(path.clone());
            }
            entry.children.collect_paths(&path, out);
        }
    }

    /// All paths that `value` sets.
    #[must_use]
    pub fn of(cursor: &Cursor<'_>, value: &Value) -> Self {
        let mut out = Self::default();
        match (cursor.shape(value), value) {
            (shape @ (Shape::Struct | Shape::Map), Value::Object(map)) => {
                for (name, child) in map {
                    let entry = Self::entry_of(&cursor.field(name), child, shape == Shape::Map);
                    out.put(PathElement::Field(name.clone()), entry);
                }
            }
            (shape @ (Shape::Set | Shape::Keyed(_)), Value::Array(items)) => {
                let place = cursor.item();
                for item in items {
                    if let Some(element) = PathElement::of_item(shape, item) {
                        out.put(element, Self::entry_of(&place, item, true));
                    }
                }
            }
            _ => {}
        }
        out
    }

    fn entry_of(cursor: &Cursor<'_>, value: &Value, always_member: bool) -> Entry {
        let children = Self::of(cursor, value);
        let leaf = cursor.shape(value) == Shape::Leaf;
        let empty_map = value.as_object().is_some_and(Map::is_empty);
        Entry { member: always_member || leaf || empty_map, children }
    }

    /// Makes every declared field on the way to a path a path of its own, so that set arithmetic treats parents like their children.
    #[must_use]
    fn with_parents(&self, cursor: &Cursor<'_>) -> Self {
        let mut out = Self::default();
        for (element, entry) in &self.entries {
            let entry = match element {
                PathElement::Field(name) => {
                    let place = cursor.field(name);
                    // A key of a map is a path only when it was set itself; the type of a map tells them apart.
                    let declared = cursor.shape(&Value::Object(Map::new())) != Shape::Map;
                    Entry {
                        member: entry.member || (declared && !entry.children.is_empty()),
                        children: entry.children.with_parents(&place),
                    }
                }
                _ => Entry { member: entry.member, children: entry.children.with_parents(&cursor.item()) },
            };
            out.entries.insert(element.clone(), entry);
        }
        out
    }
}

/// What differs between two objects.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Paths only the new one has.
    pub added: FieldSet,
    /// Paths only the old one has.
    pub removed: FieldSet,
    /// Leaves with another value.
    pub modified: FieldSet,
}

impl Comparison {
    /// Compares two objects of the type at `cursor`.
    #[must_use]
    pub fn between(cursor: &Cursor<'_>, old: &Value, new: &Value) -> Self {
        let mut out = Self::default();
        out.children(cursor, Some(old), Some(new));
        out
    }

    /// Adds `below` under `element` and, when the value itself appeared or went, `element` itself.
    fn nest(&mut self, element: &PathElement, cursor: &Cursor<'_>, old: Option<&Value>, new: Option<&Value>) {
        if old == new {
            return;
        }
        let mut below = Self::default();
        let leaf = below.children(cursor, old, new);
        let (added, removed) = (old.is_none(), new.is_none());
        self.added.put(element.clone(), Entry { member: added, children: below.added });
        self.removed.put(element.clone(), Entry { member: removed, children: below.removed });
        let modified = leaf && !added && !removed;
        self.modified.put(element.clone(), Entry { member: modified, children: below.modified });
    }

    /// Walks below a value that differs; true when it is a leaf.
    fn children(&mut self, cursor: &Cursor<'_>, old: Option<&Value>, new: Option<&Value>) -> bool {
        let Some(sample) = new.or(old) else { return true };
        let shape = cursor.shape(sample);
        if let (Some(old), Some(new)) = (old, new)
            && cursor.shape(old) != cursor.shape(new)
        {
            return true;
        }
        match shape {
            Shape::Leaf => true,
            Shape::Struct | Shape::Map => {
                let empty = Map::new();
                let old = old.and_then(Value::as_object).unwrap_or(&empty);
                let new = new.and_then(Value::as_object).unwrap_or(&empty);
                for (name, value) in old {
                    self.nest(&PathElement::Field(name.clone()), &cursor.field(name), Some(value), new.get(name));
                }
                for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
                    self.nest(&PathElement::Field(name.clone()), &cursor.field(name), None, Some(value));
                }
                old.is_empty() && new.is_empty()
            }
            Shape::Set | Shape::Keyed(_) => {
                let old = keyed_items(shape, old);
                let new = keyed_items(shape, new);
                let found: HashMap<&PathElement, &Value> = new.iter().map(|(e, v)| (e, *v)).collect();
                let before: HashSet<&PathElement> = old.iter().map(|(e, _)| e).collect();
                let place = cursor.item();
                for (element, value) in &old {
                    self.nest(element, &place, Some(value), found.get(element).copied());
                }
                for (element, value) in new.iter().filter(|(e, _)| !before.contains(e)) {
                    self.nest(element, &place, None, Some(value));
                }
                false
            }
        }
    }
}

fn keyed_items(shape: Shape, list: Option<&Value>) -> Vec<(PathElement, &Value)> {
    let items = list.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(|item| Some((PathElement::of_item(shape, item)?, item))).collect()
}

/// The first item of a keyed list or set that has no key, or the key of another item, with what is wrong; paths as in messages.
#[must_use]
pub fn bad_key(cursor: &Cursor<'_>, value: &Value, path: &str) -> Option<String> {
    match (cursor.shape(value), value) {
        (Shape::Struct | Shape::Map, Value::Object(map)) => {
            map.iter().find_map(|(name, child)| bad_key(&cursor.field(name), child, &format!("{path}.{name}")))
        }
        (shape @ (Shape::Set | Shape::Keyed(_)), Value::Array(items)) => {
            let mut seen = HashSet::new();
            for (index, item) in items.iter().enumerate() {
                let Some(element) = PathElement::of_item(shape, item) else {
                    return Some(format!(
                        "{path}: element {index}: associative list with keys has an element that omits key field"
                    ));
                };
                let below = format!("{path}{element}");
                if let Some(found) = bad_key(&cursor.item(), item, &below) {
                    return Some(found);
                }
                let key = element.to_string();
                if !seen.insert(element) {
                    return Some(format!("{path}: duplicate entries for key {key}"));
                }
            }
            None
        }
        _ => None,
    }
}

/// `config` merged over `live`: what the configuration sets wins, everything else stays.
#[must_use]
pub fn merge(cursor: &Cursor<'_>, live: &Value, config: &Value) -> Value {
    let shape = cursor.shape(config);
    if shape != cursor.shape(live) {
        return config.clone();
    }
    match (shape, live, config) {
        (Shape::Struct | Shape::Map, Value::Object(old), Value::Object(new)) => {
            let mut out = old.clone();
            for (name, value) in new {
                let merged = match old.get(name) {
                    Some(before) => merge(&cursor.field(name), before, value),
                    None => value.clone(),
                };
                out.insert(name.clone(), merged);
            }
            Value::Object(out)
        }
        (Shape::Set | Shape::Keyed(_), Value::Array(_), Value::Array(_)) => {
            Value::Array(merge_lists(shape, &cursor.item(), live, config))
        }
        _ => config.clone(),
    }
}

/// Items of both lists, as `visitListItems` of structured-merge-diff (`typed/merge.go`) has them: those of the configuration
/// in its order, the others as far in front as the order of the items that both have allows.
fn merge_lists(shape: Shape, place: &Cursor<'_>, live: &Value, config: &Value) -> Vec<Value> {
    let old = keyed_items(shape, Some(live));
    let new = keyed_items(shape, Some(config));
    let before: HashMap<&PathElement, &Value> = old.iter().map(|(e, v)| (e, *v)).collect();
    let wanted: HashSet<&PathElement> = new.iter().map(|(e, _)| e).collect();
    let mut shared = new.iter().map(|(e, _)| e).filter(|e| before.contains_key(e));
    let mut next_shared = shared.next();
    let mut merged: HashSet<&PathElement> = HashSet::new();
    let mut out = Vec::with_capacity(old.len() + new.len());
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    while old.peek().is_some() || new.peek().is_some() {
        if let (Some((kept, _)), Some((set, _))) = (old.peek(), new.peek())
            && kept != set
            && wanted.contains(kept)
            && next_shared.is_some_and(|next| next != kept)
        {
            // It comes later, where the configuration has it.
            old.next();
            continue;
        }
        if let Some((kept, value)) = old.peek()
            && !wanted.contains(kept)
        {
            out.push((*value).clone());
            old.next();
            continue;
        }
        if let Some((kept, _)) = old.peek()
            && (merged.contains(kept) || new.peek().is_some_and(|(set, _)| set == kept))
        {
            old.next();
        }
        let Some((element, value)) = new.next() else { continue };
        merged.insert(element);
        out.push(match before.get(element) {
            Some(live) => merge(place, live, value),
            None => (*value).clone(),
        });
        if next_shared == Some(element) {
            next_shared = shared.next();
        }
    }
    out
}

/// `value` without the fields and items in `set`; `None` when nothing is left of it.
fn remove(cursor: &Cursor<'_>, value: &Value, set: &FieldSet) -> Option<Value> {
    match (cursor.shape(value), value) {
        (Shape::Struct | Shape::Map, Value::Object(map)) if !map.is_empty() => {
            let mut out = Map::new();
            for (name, child) in map {
                match set.entries.get(&PathElement::Field(name.clone())) {
                    None => {
                        out.insert(name.clone(), child.clone());
                    }
                    Some(entry) if entry.member => {}
                    Some(entry) => {
                        // A field of which nothing is left is still a field: `null` until the merge is done.
                        let kept = remove(&cursor.field(name), child, &entry.children);
                        out.insert(name.clone(), kept.unwrap_or_default());
                    }
                }
            }
            (!out.is_empty()).then_some(Value::Object(out))
        }
        (shape @ (Shape::Set | Shape::Keyed(_)), Value::Array(items)) => {
            let place = cursor.item();
            let mut out = Vec::with_capacity(items.len());
            for item in items {
                match PathElement::of_item(shape, item).and_then(|element| set.entries.get(&element)) {
                    None => out.push(item.clone()),
                    Some(entry) if entry.member => {}
                    Some(entry) => out.extend(remove(&place, item, &entry.children)),
                }
            }
            (!out.is_empty()).then_some(Value::Array(out))
        }
        _ => Some(value.clone()),
    }
}

fn without(cursor: &Cursor<'_>, value: &Value, set: &FieldSet) -> Value {
    remove(cursor, value, set).unwrap_or_else(|| Value::Object(Map::new()))
}

/// `merged` without what its applier set `last` time, does not set any more and nobody in `owned` (all managers, the applier's new set
/// included) owns either.
#[must_use]
pub fn prune(cursor: &Cursor<'_>, merged: &Value, last: &FieldSet, owned: &FieldSet) -> Value {
    if last.is_empty() {
        return merged.clone();
    }
    let last = last.with_parents(cursor);
    let all = FieldSet::of(cursor, merged).with_parents(cursor);
    let pruned = without(cursor, merged, &last);
    let kept = FieldSet::of(cursor, &pruned).with_parents(cursor).union(&owned.with_parents(cursor));
    let pruned = without(cursor, merged, &all.difference(&kept));
    // What was never the applier's comes back: an item removed with its key may have held fields that nobody tracks.
    let gone = all.difference(&FieldSet::of(cursor, &pruned).with_parents(cursor));
    without(cursor, merged, &gone.intersection(&last))
}
