//! Tags of any scope (`Microsoft.Resources/tags/default`).

use serde_json::{Value, json};

use super::answer::{Answer, Failure};
use super::route::Typed;
use super::{Call, authorization, store};

/// The tags of the scope.
pub(super) fn one(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    let key = typed.scope.to_lowercase();
    let mut resource = store::get(call.tx, &key)?.ok_or_else(|| Failure::missing(&typed.scope))?;
    let old = resource.get("tags").cloned().unwrap_or_else(|| json!({}));
    let tags = match call.method.as_str() {
        "GET" => return Ok(Answer::found(shown(typed, old))),
        "DELETE" => json!({}),
        "PUT" => given(call)?.1,
        "PATCH" => {
            let (operation, tags) = given(call)?;
            combine(&operation, old, &tags)?
        }
        _ => return Err(Failure::method()),
    };
    authorization::check_write(call, &key)?;
    resource["tags"] = tags.clone();
    store::update(call.tx, &key, &resource)?;
    Ok(if call.method == http::Method::DELETE {
        Answer::empty(200, true)
    } else {
        Answer::changed(200, shown(typed, tags))
    })
}

fn shown(typed: &Typed, tags: Value) -> Value {
    json!({
        "id": format!("{}/providers/Microsoft.Resources/tags/default", typed.scope),
        "name": "default",
        "type": "Microsoft.Resources/tags",
        "properties": { "tags": tags },
    })
}

fn given(call: &Call<'_>) -> Result<(String, Value), Failure> {
    let body: Value = serde_json::from_slice(&call.body).map_err(|error| {
        Failure::new(400, "InvalidRequestContent", format!("The request content could not be deserialized: '{error}'."))
    })?;
    let tags = body.pointer("/properties/tags").cloned().unwrap_or_else(|| json!({}));
    let texts = tags.as_object().is_some_and(|tags| tags.values().all(Value::is_string));
    if !texts {
        return Err(Failure::invalid("'properties.tags' must be an object of strings."));
    }
    let operation = body.get("operation").and_then(Value::as_str).unwrap_or_default();
    Ok((operation.to_owned(), tags))
}

fn combine(operation: &str, old: Value, given: &Value) -> Result<Value, Failure> {
    let mut tags = old.as_object().cloned().unwrap_or_default();
    let given = given.as_object().cloned().unwrap_or_default();
    match operation.to_lowercase().as_str() {
        "merge" => tags.extend(given),
        "replace" => tags = given,
        "delete" => tags.retain(|name, value| given.get(name) != Some(value)),
        _ => return Err(Failure::invalid(format!("The operation '{operation}' is none of Merge, Replace, Delete."))),
    }
    Ok(Value::Object(tags))
}
