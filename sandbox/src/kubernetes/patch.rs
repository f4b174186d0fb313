//! JSON merge patch (RFC 7396), JSON patch (RFC 6902) and the strategic merge patch of Kubernetes.

use serde_json::{Map, Value};

use super::schema::{Cursor, Shape};

/// Why a patch cannot be applied. All of these are the client's fault.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PatchError {
    /// The patch has not the form of its type.
    #[error("the patch is malformed: {0}")]
    Malformed(String),
    /// A JSON patch `test` found another value.
    #[error("the test of {0} failed")]
    TestFailed(String),
    /// A JSON patch path leads nowhere.
    #[error("there is nothing at {0}")]
    NoSuchPath(String),
}

/// RFC 7396.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// RFC 6902.
///
/// # Errors
/// The patch is malformed, a path does not exist, or a test fails.
pub fn json_patch(target: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let steps = patch.as_array().ok_or_else(|| PatchError::Malformed("a JSON patch is a list".into()))?;
    for step in steps {
        let text = |name: &str| {
            step.get(name)
                .and_then(Value::as_str)
                .ok_or_else(|| PatchError::Malformed(format!("an operation lacks {name:?}")))
        };
        let value =
            || step.get("value").cloned().ok_or_else(|| PatchError::Malformed("an operation lacks \"value\"".into()));
        let path = text("path")?;
        match text("op")? {
            "add" => add(target, path, value()?)?,
            "remove" => drop(take(target, path)?),
            "replace" => {
                let place = target.pointer_mut(path).ok_or_else(|| PatchError::NoSuchPath(path.into()))?;
                *place = value()?;
            }
            "move" => {
                let moved = take(target, text("from")?)?;
                add(target, path, moved)?;
            }
            "copy" => {
                let from = text("from")?;
                let copied = target.pointer(from).cloned().ok_or_else(|| PatchError::NoSuchPath(from.into()))?;
                add(target, path, copied)?;
            }
            "test" => {
                if target.pointer(path) != Some(&value()?) {
                    return Err(PatchError::TestFailed(path.into()));
                }
            }
            other => return Err(PatchError::Malformed(format!("unknown operation {other:?}"))),
        }
    }
    Ok(())
}

fn split(path: &str) -> Result<(&str, String), PatchError> {
    let (parent, last) = path.rsplit_once('/').ok_or_else(|| PatchError::Malformed(format!("path {path:?}")))?;
    Ok((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), PatchError> {
    if path.is_empty() {
        *target = value;
        return Ok(());
    }
    let (parent, last) = split(path)?;
    let missing = || PatchError::NoSuchPath(path.to_owned());
    match target.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.insert(last, value);
        }
        Some(Value::Array(items)) => {
            let index = if last == "-" { items.len() } else { last.parse().map_err(|_| missing())? };
            if index > items.len() {
                return Err(missing());
            }
            items.insert(index, value);
        }
        _ => return Err(missing()),
    }
    Ok(())
}

fn take(target: &mut Value, path: &str) -> Result<Value, PatchError> {
    let (parent, last) = split(path)?;
    let missing = || PatchError::NoSuchPath(path.to_owned());
    match target.pointer_mut(parent) {
        Some(Value::Object(map)) => map.remove(&last).ok_or_else(missing),
        Some(Value::Array(items)) => {
            let index: usize = last.parse().map_err(|_| missing())?;
            if index < items.len() { Ok(items.remove(index)) } else { Err(missing()) }
        }
        _ => Err(missing()),
    }
}

/// Strategic merge patch on an object of the type at `cursor`: keyed lists merge by their key, with the directives `$patch`,
/// `$deleteFromPrimitiveList`, `$retainKeys` and `$setElementOrder` (whose order is not enforced).
///
/// # Errors
/// An item of a keyed list lacks its key.
pub fn strategic(cursor: &Cursor<'_>, target: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return Ok(());
    };
    if fields.get("$patch").and_then(Value::as_str) == Some("replace") {
        let kept = fields.iter().filter(|(name, _)| *name != "$patch");
        *target = Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect());
        return Ok(());
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(map) = target else { return Ok(()) };
    if let Some(retained) = fields.get("$retainKeys").and_then(Value::as_array) {
        map.retain(|name, _| retained.iter().any(|kept| kept.as_str() == Some(name)));
    }
    for (name, value) in fields {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            let gone = value.as_array().map_or(&[][..], Vec::as_slice);
            if let Some(Value::Array(items)) = map.get_mut(list) {
                items.retain(|item| !gone.contains(item));
            }
        } else if name.starts_with('$') {
            continue;
        } else if value.is_null() || value.get("$patch").and_then(Value::as_str) == Some("delete") {
            map.remove(name);
        } else {
            let place = cursor.field(name);
            let slot = map.entry(name.clone()).or_insert(Value::Null);
            match value {
                Value::Object(_) => strategic(&place, slot, value)?,
                Value::Array(items) => strategic_list(&place, slot, items)?,
                _ => *slot = value.clone(),
            }
        }
    }
    Ok(())
}

fn strategic_list(cursor: &Cursor<'_>, target: &mut Value, patch: &[Value]) -> Result<(), PatchError> {
    let shape = cursor.shape(&Value::Array(Vec::new()));
    let replace = patch.iter().any(|item| item.get("$patch").and_then(Value::as_str) == Some("replace"));
    let plain = || patch.iter().filter(|item| item.get("$patch").is_none()).cloned();
    let Value::Array(items) = target else {
        *target = Value::Array(plain().collect());
        return Ok(());
    };
    match shape {
        Shape::Set if !replace => {
            for item in patch {
                if !items.contains(item) {
                    items.push(item.clone());
                }
            }
        }
        Shape::Keyed(keys) if !replace => {
            // The merge key of a strategic patch is the first of the list's keys, as in `containerPort`.
            let key = keys.first().copied().unwrap_or_default();
            let place = cursor.item();
            for item in patch {
                let id = item.get(key).ok_or_else(|| {
                    PatchError::Malformed(format!("an item of a list that is merged by {key:?} lacks it"))
                })?;
                let found = items.iter().position(|have| have.get(key) == Some(id));
                match (item.get("$patch").and_then(Value::as_str), found) {
                    (Some("delete"), Some(at)) => drop(items.remove(at)),
                    (Some("delete"), None) => {}
                    (_, Some(at)) => strategic(&place, &mut items[at], item)?,
                    (_, None) => items.push(item.clone()),
                }
            }
        }
        _ => *target = Value::Array(plain().collect()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merge_patch_follows_the_rfc() {
        let mut target = json!({"a": "b", "c": {"d": "e", "f": "g"}});
        merge(&mut target, &json!({"a": "z", "c": {"f": null}}));
        assert_eq!(target, json!({"a": "z", "c": {"d": "e"}}));
    }

    #[test]
    fn json_patch_tests_and_moves() {
        let mut target = json!({"a/b": [1, 2], "c": {}});
        let patch = json!([
            {"op": "test", "path": "/a~1b/0", "value": 1},
            {"op": "add", "path": "/a~1b/-", "value": 3},
            {"op": "move", "from": "/a~1b/0", "path": "/c/x"},
        ]);
        json_patch(&mut target, &patch).unwrap();
        assert_eq!(target, json!({"a/b": [2, 3], "c": {"x": 1}}));
        let refused = json_patch(&mut target, &json!([{"op": "test", "path": "/c/x", "value": 2}]));
        assert_eq!(refused, Err(PatchError::TestFailed("/c/x".into())));
    }

    #[test]
    fn strategic_merges_containers_by_name_and_replaces_their_args() {
        let root = Cursor::root("Deployment");
        let containers = |list: Value| json!({"spec": {"template": {"spec": {"containers": list}}}});
        let mut target = containers(json!([{"name": "a", "image": "x:1", "args": ["1"]}, {"name": "b", "image": "y"}]));
        let patch = containers(json!([{"name": "a", "args": ["2"]}, {"name": "b", "$patch": "delete"}, {"name": "c"}]));
        strategic(&root, &mut target, &patch).unwrap();
        assert_eq!(target, containers(json!([{"name": "a", "image": "x:1", "args": ["2"]}, {"name": "c"}])));
    }
}
