//! Field ownership: server-side apply and the bookkeeping of every other write (`metadata.managedFields`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::fieldset::{self, Comparison, FieldSet};
use super::schema::Cursor;
use super::status::{Cause, Status};
use super::store::metadata;

/// How a manager wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Server-side apply.
    Apply,
    /// Every other write.
    Update,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// Who writes: the identity of an entry of `managedFields`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// The field manager's name.
    pub manager: String,
    /// How it writes.
    pub operation: Operation,
    /// The version of the API it uses.
    pub api_version: String,
    /// The subresource written through; empty for the object itself.
    pub subresource: String,
}

impl Writer {
    /// An applier is the same whatever version it uses; an updater is one per version.
    fn same(&self, other: &Self) -> bool {
        self.manager == other.manager
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    fn describe(&self) -> String {
        let mut text = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    writer: Writer,
    time: Option<String>,
    fields: FieldSet,
}

/// All managers of one object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Managers {
    entries: Vec<Entry>,
}

impl Managers {
    /// Reads `metadata.managedFields`; entries nobody can read are dropped, as the API server does.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        let listed = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        let entries = listed.map_or(&[][..], Vec::as_slice).iter().filter_map(read_entry).collect();
        Self { entries }
    }

    /// Whether nobody is recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Writes `metadata.managedFields`, appliers first, then by time.
    pub fn store(mut self, object: &mut Value) {
        self.entries.sort_by(|a, b| {
            let key = |e: &Entry| {
                (e.writer.operation, e.time.clone(), e.writer.manager.clone(), e.writer.subresource.clone())
            };
            key(a).cmp(&key(b))
        });
        let listed: Vec<Value> = self.entries.iter().map(write_entry).collect();
        let metadata = metadata(object);
        if listed.is_empty() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".into(), Value::Array(listed));
        }
    }

    /// Whether both record the same owners, times aside.
    #[must_use]
    pub fn same_owners(&self, other: &Self) -> bool {
        self.entries.len() == other.entries.len()
            && self
                .entries
                .iter()
                .all(|ours| other.entries.iter().any(|e| e.writer == ours.writer && e.fields == ours.fields))
    }

    fn position(&self, writer: &Writer) -> Option<usize> {
        self.entries.iter().position(|e| e.writer.same(writer))
    }

    /// Everything that anybody owns.
    pub(super) fn all_fields(&self) -> FieldSet {
        self.entries.iter().fold(FieldSet::default(), |all, e| all.union(&e.fields))
    }

    /// Takes what changed away from everybody but `writer`. Without `force`, gives the conflicts instead when there are any.
    fn yield_to(&mut self, writer: &Writer, changes: &Comparison, force: bool) -> Result<(), Vec<(Writer, FieldSet)>> {
        let touched = changes.modified.union(&changes.added);
        let others = || self.entries.iter().filter(|e| !e.writer.same(writer));
        if !force {
            let conflicts: Vec<(Writer, FieldSet)> = others()
                .map(|e| (e.writer.clone(), e.fields.intersection(&touched)))
                .filter(|(_, fields)| !fields.is_empty())
                .collect();
            if !conflicts.is_empty() {
                return Err(conflicts);
            }
        }
        for entry in self.entries.iter_mut().filter(|e| !e.writer.same(writer)) {
            entry.fields = entry.fields.difference(&touched).difference(&changes.removed);
        }
        self.entries.retain(|e| !e.fields.is_empty() || e.writer.same(writer));
        Ok(())
    }

    /// Records a write other than apply: `writer` owns what changed from `old` to `new`, and nobody owns what is gone.
    pub fn updated(&mut self, kind: &str, writer: &Writer, old: &Value, new: &Value, now: &str) {
        let changes = Comparison::between(&Cursor::root(kind), &untracked_dropped(old), &untracked_dropped(new));
        let mut gained = tracked(changes.modified.union(&changes.added));
        if writer.subresource.is_empty() {
            gained.remove_field(&["status"]);
        }
        let gained_some = !gained.is_empty();
        // Nothing conflicts with force; the result is always Ok.
        let _ = self.yield_to(writer, &changes, true);
        match self.position(writer) {
            Some(at) => {
                let entry = &mut self.entries[at];
                entry.fields = entry.fields.difference(&changes.removed).union(&gained);
                if gained_some {
                    entry.time = Some(now.to_owned());
                }
                if entry.fields.is_empty() {
                    self.entries.remove(at);
                }
            }
            None if gained_some => {
                self.entries.push(Entry { writer: writer.clone(), time: Some(now.to_owned()), fields: gained });
            }
            None => {}
        }
    }

    /// Applies `config` for `writer` to `live`, and gives the merged object. Fields it applied before and leaves out now are removed unless
    /// somebody else owns them.
    ///
    /// # Errors
    /// Without `force`, a `Conflict` that names every field of another manager with another value.
    pub fn applied(
        &mut self,
        kind: &str,
        writer: &Writer,
        live: &Value,
        config: &Value,
        force: bool,
        now: &str,
    ) -> Result<Value, Status> {
        let cursor = Cursor::root(kind);
        let live = untracked_dropped(live);
        let config = untracked_dropped(config);
        let merged = fieldset::merge(&cursor, &live, &config);
        let fields = tracked(FieldSet::of(&cursor, &config));
        let (last, time) = match self.position(writer) {
            Some(at) => {
                let entry = self.entries.swap_remove(at);
                (entry.fields, entry.time)
            }
            None => (FieldSet::default(), None),
        };
        let same_fields = last == fields;
        let entry = Entry { writer: writer.clone(), time: Some(now.to_owned()), fields };
        self.entries.push(entry);
        let mut merged = fieldset::prune(&cursor, &merged, &last, &self.all_fields());
        strip_nulls(&mut merged);
        let changes = Comparison::between(&cursor, &live, &merged);
        self.yield_to(writer, &changes, force).map_err(conflict_status)?;
        if let Some(at) = self.position(writer) {
            if self.entries[at].fields.is_empty() {
                self.entries.remove(at);
            } else if same_fields && live == merged {
                self.entries[at].time = time;
            }
        }
        Ok(merged)
    }

    /// Records who wrote an object before anybody was recorded, so that the first apply does not take over everything unseen.
    pub fn before_first_apply(&mut self, kind: &str, api_version: &str, live: &Value) {
        let fields = tracked(FieldSet::of(&Cursor::root(kind), &untracked_dropped(live)));
        let writer = Writer {
            manager: "before-first-apply".into(),
            operation: Operation::Update,
            api_version: api_version.to_owned(),
            subresource: String::new(),
        };
        if !fields.is_empty() {
            self.entries.push(Entry { writer, time: None, fields });
        }
    }
}

/// Drops every `null`: to the API server a `null` field is an absent one.
pub fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(strip_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nulls),
        _ => {}
    }
}

fn untracked_dropped(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

/// Without the fields that belong to the server and so to no manager.
fn tracked(mut fields: FieldSet) -> FieldSet {
    fields.remove_field(&["apiVersion"]);
    fields.remove_field(&["kind"]);
    for name in [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "generation",
        "managedFields",
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        fields.remove_field(&["metadata", name]);
    }
    fields.remove_member("metadata");
    fields
}

fn conflict_status(conflicts: Vec<(Writer, FieldSet)>) -> Status {
    let mut causes = Vec::new();
    let mut by_manager: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (writer, fields) in &conflicts {
        let who = writer.describe();
        for path in fields.paths() {
            let message = format!("conflict with {who}");
            causes.push(Cause { reason: "FieldManagerConflict", message, field: path.clone() });
            by_manager.entry(who.clone()).or_default().push(path);
        }
    }
    let message = match causes.as_slice() {
        [one] => format!("Apply failed with 1 conflict: {}: {}", one.message, one.field),
        many => {
            let parts = by_manager.iter().map(|(who, paths)| {
                let lines: Vec<String> = paths.iter().map(|path| format!("- {path}")).collect();
                format!("conflicts with {who}:\n{}", lines.join("\n"))
            });
            format!("Apply failed with {} conflicts: {}", many.len(), parts.collect::<Vec<_>>().join("\n"))
        }
    };
    Status::apply_conflict(message, causes)
}

fn read_entry(entry: &Value) -> Option<Entry> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let operation = match entry.get("operation").and_then(Value::as_str)? {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return None,
    };
    let fields = FieldSet::decode(entry.get("fieldsV1")?)?;
    let writer = Writer {
        manager: text("manager"),
        operation,
        api_version: text("apiVersion"),
        subresource: text("subresource"),
    };
    let time = entry.get("time").and_then(Value::as_str).map(str::to_owned);
    Some(Entry { writer, time, fields })
}

fn write_entry(entry: &Entry) -> Value {
    let mut out = Map::new();
    out.insert("manager".into(), entry.writer.manager.clone().into());
    out.insert("operation".into(), entry.writer.operation.as_str().into());
    out.insert("apiVersion".into(), entry.writer.api_version.clone().into());
    if let Some(time) = &entry.time {
        out.insert("time".into(), time.clone().into());
    }
    out.insert("fieldsType".into(), json!("FieldsV1"));
    out.insert("fieldsV1".into(), entry.fields.encode());
    if !entry.writer.subresource.is_empty() {
        out.insert("subresource".into(), entry.writer.subresource.clone().into());
    }
    Value::Object(out)
}
