//! Who wrote which field: `metadata.managedFields` in the engine's terms.
//!
//! The format is `FieldsV1` of the Kubernetes API: `f:<key>` a field, `k:<json>` the item of a list with these keys,
//! `v:<json>` the item of a set, `i:<n>` a position, `.` the thing itself.

use serde_json::{Map, Value};

use crate::engine::kind::Kind;
use crate::engine::provider::Writer;
use crate::engine::value::{Path, Segment};

/// The writers that `managedFields` lists. Writers of `status` are left out: nobody desires a status. So are list items
/// whose keys the engine cannot express, rather than naming a writer for more than it wrote.
pub fn writers(kind: &Kind, managed_fields: &[Value]) -> Vec<Writer> {
    managed_fields.iter().filter_map(|entry| writer(kind, entry)).collect()
}

fn writer(kind: &Kind, entry: &Value) -> Option<Writer> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    if text("subresource") == Some("status") {
        return None;
    }
    let mut paths = Vec::new();
    collect(kind, entry.get("fieldsV1")?.as_object()?, &mut Vec::new(), &mut paths);
    Some(Writer { name: text("manager")?.to_owned(), time: text("time").map(str::to_owned), paths })
}

/// What of an object a manager applies: what it must send again whole, to change a part of it. Items of lists are left out.
pub fn applied_by(manager: &str, kind: &Kind, object: &Value) -> Value {
    let managed = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let is_ours = |entry: &&Value| entry["manager"] == manager && entry["operation"] == "Apply";
    let mut applied = Value::Object(Map::new());
    for path in managed
        .into_iter()
        .flatten()
        .filter(is_ours)
        .filter_map(|entry| writer(kind, entry))
        .flat_map(|writer| writer.paths)
    {
        let (mut from, mut to) = (Some(object), &mut applied);
        for segment in &path.0 {
            let Segment::Key(key) = segment else { break };
            from = from.and_then(|from| from.get(key));
            to = &mut to[key.as_str()];
        }
        if path.0.iter().all(|segment| matches!(segment, Segment::Key(_))) {
            *to = from.cloned().unwrap_or_default();
        }
    }
    applied
}

fn collect(kind: &Kind, fields: &Map<String, Value>, at: &mut Vec<Segment>, paths: &mut Vec<Path>) {
    let mut is_leaf = true;
    for (key, below) in fields {
        if key == "." {
            continue;
        }
        is_leaf = false;
        let segment = match key.split_once(':') {
            Some(("f", name)) => Segment::Key(name.to_owned()),
            Some(("k", keys)) => match item(kind, at, keys) {
                Some(item) => Segment::Item(item),
                None => continue,
            },
            Some(("i", index)) => match index.parse() {
                Ok(index) => Segment::Index(index),
                Err(_) => continue,
            },
            _ => continue,
        };
        at.push(segment);
        match below {
            Value::Object(below) => collect(kind, below, at, paths),
            _ => paths.push(Path(at.clone())),
        }
        at.pop();
    }
    if is_leaf && !at.is_empty() {
        paths.push(Path(at.clone()));
    }
}

/// What identifies a list item for the engine: what the schema says of its keys, else its `name` if that is its only one.
fn item(kind: &Kind, list: &[Segment], keys: &str) -> Option<String> {
    let keys: Map<String, Value> = serde_json::from_str(keys).ok()?;
    let text = |key: &str| match keys.get(key)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let list = Path(list.to_vec());
    match kind.list_keys(&list) {
        // A server with other keys tells other items apart.
        Some(known) if known.len() == keys.len() => kind.item_name(&list, text),
        None if keys.len() == 1 => text("name"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::kind::{Field, Rule};

    fn paths(kind: &Kind, fields: Value) -> Vec<String> {
        let entries = [json!({"manager": "m", "operation": "Apply", "fieldsV1": fields})];
        writers(kind, &entries).remove(0).paths.iter().map(Path::to_string).collect()
    }

    #[test]
    fn fields_become_paths() {
        let fields = json!({
            "f:metadata": {"f:annotations": {".": {}, "f:kompox.dev/lineage": {}}},
            "f:spec": {
                "f:replicas": {},
                "f:template": {"f:spec": {"f:containers": {
                    "k:{\"name\":\"gitea\"}": {".": {}, "f:image": {}, "f:args": {}, "f:name": {}}
                }}}
            }
        });
        assert_eq!(
            paths(&Kind::plain("Deployment"), fields),
            [
                "metadata.annotations[\"kompox.dev/lineage\"]",
                "spec.replicas",
                "spec.template.spec.containers[gitea].args",
                "spec.template.spec.containers[gitea].image",
                "spec.template.spec.containers[gitea].name",
            ]
        );
    }

    #[test]
    fn items_that_the_engine_cannot_name_are_left_out() {
        const KEYED: Kind = Kind {
            fields: &[
                Field { pattern: "spec.ports", rule: Rule::Keyed(&["port", "protocol"]) },
                Field { pattern: "spec.ports.*.protocol", rule: Rule::Default("TCP") },
            ],
            ..Kind::plain("Service")
        };
        let fields = json!({
            "f:metadata": {"f:finalizers": {".": {}, "v:\"a/b\"": {}}},
            "f:spec": {"f:ports": {
                ".": {},
                "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}},
                "k:{\"port\":80,\"protocol\":\"UDP\"}": {".": {}, "f:name": {}},
                "k:{\"port\":81}": {".": {}, "f:name": {}}
            }}
        });
        assert_eq!(paths(&Kind::plain("Service"), fields.clone()), Vec::<String>::new());
        assert_eq!(paths(&KEYED, fields), ["spec.ports[80].name", "spec.ports[80/UDP].name"]);
    }

    #[test]
    fn what_a_manager_applies_is_taken_out_of_an_object() {
        let fields = json!({"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {
            "f:accessModes": {}, "f:resources": {"f:requests": {"f:storage": {}}},
        }});
        let claim = json!({
            "metadata": {
                "labels": {"a": "1", "b": "2"},
                "managedFields": [
                    {"manager": "m", "operation": "Apply", "fieldsV1": fields},
                    {"manager": "m", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:b": {}}}}},
                    {"manager": "n", "operation": "Apply", "fieldsV1": {"f:spec": {"f:volumeMode": {}}}},
                ],
            },
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "volumeMode": "Block"},
        });
        let applied = json!({
            "metadata": {"labels": {"a": "1"}},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        });
        assert_eq!(applied_by("m", &Kind::plain("PersistentVolumeClaim"), &claim), applied);
    }

    #[test]
    fn names_times_and_no_status() {
        let managed = [
            json!({"manager": "kubectl-edit", "time": "2026-01-02T03:04:05Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}}),
            json!({"manager": "kcm", "subresource": "status", "fieldsV1": {"f:status": {"f:replicas": {}}}}),
            json!({"manager": "kubectl", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}}),
            json!({"manager": "nothing"}),
            json!("nonsense"),
        ];
        let writers = writers(&Kind::plain("Deployment"), &managed);
        let names: Vec<_> = writers.iter().map(|writer| writer.name.as_str()).collect();
        assert_eq!(names, ["kubectl-edit", "kubectl"]);
        assert_eq!(writers[0].time.as_deref(), Some("2026-01-02T03:04:05Z"));
    }
}
