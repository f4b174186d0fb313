//! Reading what clients send: the body, and an object of a kind with its unknown fields found.

use bytes::Bytes;
use serde_json::Value;

use super::apply::strip_nulls;
use super::kinds::Resource;
use super::status::Status;

/// Reads a JSON body; server-side apply may also send YAML.
///
/// # Errors
/// 400 when the body is neither.
pub fn body(bytes: &Bytes, yaml: bool) -> Result<Value, Status> {
    match serde_json::from_slice(bytes) {
        Ok(value) => Ok(value),
        Err(error) if !yaml => Err(Status::bad_request(format!("the request body is no JSON: {error}"))),
        Err(_) => {
            let text = std::str::from_utf8(bytes)
                .map_err(|error| Status::bad_request(format!("error decoding YAML: {error}")))?;
            serde_saphyr::from_str(text).map_err(|error| Status::bad_request(format!("error decoding YAML: {error}")))
        }
    }
}

/// An object read as its kind.
#[derive(Debug)]
pub struct Decoded {
    /// The object without `null`s and without unknown fields, with `apiVersion` and `kind`.
    pub object: Value,
    /// The unknown fields that were dropped, such as `spec.replica`.
    pub unknown: Vec<String>,
}

/// Reads `object` as an object of `resource`.
///
/// # Errors
/// 400 when it is no object, of another kind, or a known field has a wrong type.
pub fn object(resource: &Resource, mut object: Value) -> Result<Decoded, Status> {
    strip_nulls(&mut object);
    let api_version = resource.api_version();
    let Some(map) = object.as_object_mut() else {
        return Err(Status::bad_request("the request body is no object"));
    };
    for (field, expected) in [("apiVersion", api_version.as_str()), ("kind", resource.kind)] {
        match map.get(field).and_then(Value::as_str) {
            Some(given) if given == expected => {}
            None if !map.contains_key(field) => {
                map.insert(field.into(), expected.into());
            }
            given => {
                let given = given.unwrap_or_default();
                return Err(Status::bad_request(format!(
                    "the {field} in the data ({given}) does not match the expected {field} ({expected})"
                )));
            }
        }
    }
    let mut unknown = Vec::new();
    if let Some(round_trip) = resource.round_trip {
        let known = round_trip(&object).map_err(|error| {
            let kind = resource.kind;
            Status::bad_request(format!(
                "{kind} in version \"{}\" cannot be handled as a {kind}: {error}",
                resource.version
            ))
        })?;
        keep_known(&mut object, &known, "", &mut unknown);
    } else if object.get("metadata").is_some_and(|m| !m.is_object()) {
        return Err(Status::bad_request("metadata is no object"));
    }
    Ok(Decoded { object, unknown })
}

/// Drops what the typed form of the object has lost.
fn keep_known(given: &mut Value, known: &Value, path: &str, unknown: &mut Vec<String>) {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => given.retain(|name, value| {
            let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            // `fieldsV1` is opaque to its type.
            match known.get(name) {
                _ if name == "fieldsV1" => true,
                Some(typed) => {
                    keep_known(value, typed, &below, unknown);
                    true
                }
                None => {
                    unknown.push(below);
                    false
                }
            }
        }),
        (Value::Array(given), Value::Array(known)) => {
            for (index, (item, typed)) in given.iter_mut().zip(known).enumerate() {
                keep_known(item, typed, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Drops empty lists, and labels and annotations where there are none, which no typed object keeps: its structures leave them
/// out (`omitempty`). That a manager applied one stands in `managedFields` alone.
pub fn drop_empty(resource: &Resource, object: &mut Value) {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.retain(|name, value| name == "fieldsV1" || !value.as_array().is_some_and(Vec::is_empty));
                map.iter_mut().filter(|(name, _)| *name != "fieldsV1").for_each(|(_, value)| walk(value));
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|name, value| {
            let is_map = ["labels", "annotations"].contains(&name.as_str());
            !(is_map && value.as_object().is_some_and(serde_json::Map::is_empty))
        });
    }
    // `rules` of a role is the one that is always there.
    if resource.round_trip.is_some() && resource.group != "rbac.authorization.k8s.io" {
        walk(object);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::kinds::by_plural;
    use super::*;

    #[test]
    fn unknown_fields_are_found_and_dropped_and_nothing_is_added() {
        let deployments = by_plural("deployments").unwrap();
        let given = json!({"metadata": {"name": "a", "foo": 1}, "spec": {"replica": 1, "template": {"spec": {
            "containers": [{"name": "x", "imagee": "y", "env": []}], "nodeSelector": null,
        }}}});
        let decoded = object(deployments, given).unwrap();
        assert_eq!(decoded.unknown, ["metadata.foo", "spec.replica", "spec.template.spec.containers[0].imagee"]);
        let expected = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
            "spec": {"template": {"spec": {"containers": [{"name": "x", "env": []}]}}}});
        assert_eq!(decoded.object, expected);
    }

    #[test]
    fn wrong_types_and_kinds_are_refused() {
        let deployments = by_plural("deployments").unwrap();
        assert_eq!(object(deployments, json!({"spec": {"replicas": "one"}})).unwrap_err().code, 400);
        assert_eq!(object(deployments, json!({"kind": "Pod"})).unwrap_err().code, 400);
        assert_eq!(object(deployments, json!([])).unwrap_err().code, 400);
    }
}
