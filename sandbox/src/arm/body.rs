//! Checks of request bodies: required fields, types, enumerations; and how writes combine with what exists.

use serde_json::{Map, Value, json};

use super::answer::Failure;

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Text,
    Bool,
    /// A whole number in this closed range.
    Int(i64, i64),
    Object,
    List,
    /// One of these words, whatever the case.
    OneOf(&'static [&'static str]),
}

/// A field: its path (`[]` after a name means each element), what it is, whether it must be there when its parent is.
pub(super) struct Field {
    pub path: &'static str,
    pub shape: Shape,
    pub required: bool,
}

/// A field that must be there.
pub(super) const fn required(path: &'static str, shape: Shape) -> Field {
    Field { path, shape, required: true }
}

/// A field that may be there.
pub(super) const fn optional(path: &'static str, shape: Shape) -> Field {
    Field { path, shape, required: false }
}

/// Members that a tracked resource may have at its top.
const TOP: &[&str] = &[
    "id",
    "name",
    "type",
    "location",
    "tags",
    "sku",
    "kind",
    "zones",
    "identity",
    "properties",
    "etag",
    "eTag",
    "managedBy",
    "managedByExtended",
    "extendedLocation",
    "systemData",
];

/// Reads a body and checks it.
///
/// # Errors
/// `InvalidRequestContent`, `LocationRequired`, `InvalidParameter`.
pub(super) fn read(bytes: &[u8], fields: &[Field], partial: bool) -> Result<Value, Failure> {
    let body: Value = serde_json::from_slice(bytes).map_err(|error| {
        Failure::new(
            400,
            "InvalidRequestContent",
            format!("The request content was invalid and could not be deserialized: '{error}'."),
        )
    })?;
    let Value::Object(members) = &body else {
        return Err(Failure::new(400, "InvalidRequestContent", "The request content must be a JSON object."));
    };
    if let Some(unknown) = members.keys().find(|key| !TOP.contains(&key.as_str())) {
        return Err(Failure::new(
            400,
            "InvalidRequestContent",
            format!("The request content was invalid: could not find member '{unknown}' on object of type 'Resource'."),
        ));
    }
    check_tags(members)?;
    for field in fields {
        check_field(&body, field, partial)?;
    }
    Ok(body)
}

/// At most 50 tags with names up to 512 characters and text values up to 256 characters.
fn check_tags(members: &Map<String, Value>) -> Result<(), Failure> {
    let tags = match members.get("tags") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(tags)) => tags,
        Some(_) => return Err(Failure::invalid("The value of parameter 'tags' must be an object.")),
    };
    if tags.len() > 50 {
        return Err(Failure::new(400, "InvalidTags", "The maximum number of tags of a resource, 50, was exceeded."));
    }
    check_tag_names(tags)?;
    for (name, value) in tags {
        let fits = value.as_str().is_some_and(|text| text.chars().count() <= 256);
        let forbidden =
            name.is_empty() || name.chars().count() > 512 || name.contains(['<', '>', '%', '&', '\\', '?', '/']);
        if forbidden || !fits {
            return Err(Failure::new(
                400,
                "InvalidTagNameOrValue",
                format!("The tag '{name}' has an invalid name, or a value that is no text of at most 256 characters."),
            ));
        }
    }
    Ok(())
}

/// Names of tags are the same whatever their case
/// (<https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources>).
///
/// # Errors
/// Two of them differ in case only.
pub(super) fn check_tag_names(tags: &Map<String, Value>) -> Result<(), Failure> {
    let mut seen = std::collections::BTreeSet::new();
    match tags.keys().find(|name| !seen.insert(name.to_lowercase())) {
        Some(twice) => Err(Failure::new(
            400,
            "InvalidRequestContent",
            format!(
                "The request content was invalid and could not be deserialized: 'An item with the same key has already been added. Key: {twice}'."
            ),
        )),
        None => Ok(()),
    }
}

fn check_field(body: &Value, field: &Field, partial: bool) -> Result<(), Failure> {
    let (parent, leaf) = field.path.rsplit_once('.').unwrap_or(("", field.path));
    let mut parents = vec![body];
    for step in parent.split('.').filter(|step| !step.is_empty()) {
        let (name, each) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
        parents = parents
            .into_iter()
            .filter_map(|value| value.get(name).filter(|value| !value.is_null()))
            .flat_map(|value| match value {
                Value::Array(items) if each => items.iter().collect(),
                other => vec![other],
            })
            .collect();
    }
    for parent in parents {
        match parent.get(leaf).filter(|value| !value.is_null()) {
            Some(value) => check_shape(value, field)?,
            None if field.required && !partial => {
                return Err(match field.path {
                    "location" => {
                        Failure::new(400, "LocationRequired", "The location property is required for this definition.")
                    }
                    path => Failure::invalid(format!("Required parameter '{path}' is missing (null).")),
                });
            }
            None => {}
        }
    }
    Ok(())
}

fn check_shape(value: &Value, field: &Field) -> Result<(), Failure> {
    let path = field.path;
    let problem = match field.shape {
        Shape::Text if !value.is_string() => "must be a string".to_owned(),
        Shape::Bool if !value.is_boolean() => "must be a boolean".to_owned(),
        Shape::Object if !value.is_object() => "must be an object".to_owned(),
        Shape::List if !value.is_array() => "must be an array".to_owned(),
        Shape::Int(low, high) if !value.as_i64().is_some_and(|number| (low..=high).contains(&number)) => {
            format!("must be a whole number from {low} to {high}")
        }
        Shape::OneOf(words)
            if !value.as_str().is_some_and(|text| words.iter().any(|word| word.eq_ignore_ascii_case(text))) =>
        {
            format!("must be one of {}", words.join(", "))
        }
        _ => return Ok(()),
    };
    Err(Failure::invalid(format!("The value {value} of parameter '{path}' is invalid: it {problem}.")))
}

/// A location as the service shows it: `East US` → `eastus`.
pub(super) fn normal_location(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// Writes the location of a body in its normal form.
pub(super) fn normalise_location(body: &mut Value) {
    if let Some(location) = body.get("location").and_then(Value::as_str).map(normal_location) {
        body["location"] = json!(location);
    }
}

/// The value at a dotted path; null when it is absent.
pub(super) fn at<'a>(body: &'a Value, path: &str) -> &'a Value {
    path.split('.').try_fold(body, |value, step| value.get(step)).unwrap_or(&Value::Null)
}

/// Text at a dotted path.
pub(super) fn text<'a>(body: &'a Value, path: &str) -> Option<&'a str> {
    at(body, path).as_str()
}

/// Sets a value at a dotted path; objects in between are made.
pub(super) fn set(body: &mut Value, path: &str, value: Value) {
    let mut place = body;
    for step in path.split('.') {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[step];
    }
    *place = value;
}

/// Sets a value at a dotted path where there is none, or null.
pub(super) fn default(body: &mut Value, path: &str, value: Value) {
    if at(body, path).is_null() {
        set(body, path, value);
    }
}

/// Removes the member at a dotted path.
pub(super) fn remove(body: &mut Value, path: &str) {
    let (parent, leaf) = path.rsplit_once('.').unwrap_or(("", path));
    let place = parent.split('.').filter(|step| !step.is_empty()).try_fold(body, |value, step| value.get_mut(step));
    if let Some(Value::Object(members)) = place {
        members.remove(leaf);
    }
}

/// Copies what the server filled in on an earlier write.
pub(super) fn carry(old: &Value, new: &mut Value, paths: &[&str]) {
    for path in paths {
        let value = at(old, path);
        if !value.is_null() {
            set(new, path, value.clone());
        }
    }
}

/// Copies what a write left out and so does not change.
pub(super) fn carry_missing(old: &Value, new: &mut Value, paths: &[&str]) {
    for path in paths {
        let value = at(old, path);
        if !value.is_null() {
            default(new, path, value.clone());
        }
    }
}

/// Fails when a property that cannot change would: it is given, and other than before. Text is compared without regard to case.
///
/// # Errors
/// `PropertyChangeNotAllowed`.
pub(super) fn keep(old: &Value, new: &Value, paths: &[&str]) -> Result<(), Failure> {
    for path in paths {
        let (before, after) = (at(old, path), at(new, path));
        if !after.is_null() && !same(before, after) {
            return Err(Failure::immutable(path));
        }
    }
    Ok(())
}

/// Equality as the service judges it: text without regard to case, lists of text as sets.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.eq_ignore_ascii_case(b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().all(|item| b.iter().any(|other| same(item, other)))
        }
        (Value::Null, Value::Array(list)) | (Value::Array(list), Value::Null) => list.is_empty(),
        _ => a == b,
    }
}

/// JSON merge patch (RFC 7386).
pub(in super::super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    if let Value::Object(members) = target {
        for (key, change) in changes {
            if change.is_null() {
                members.remove(key);
            } else {
                merge(members.entry(key.clone()).or_insert(Value::Null), change);
            }
        }
    }
}

/// A PATCH of a resource: objects are merged, `tags` are replaced as a whole, as the service does.
pub(super) fn patched(old: &Value, patch: &Value) -> Value {
    let mut new = old.clone();
    merge(&mut new, patch);
    if let Some(tags) = patch.get("tags").filter(|tags| tags.is_object()) {
        new["tags"] = tags.clone();
    }
    new
}
