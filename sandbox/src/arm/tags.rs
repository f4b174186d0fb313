//! Tags of any scope (`Microsoft.Resources/tags/default`).

use serde_json::{Value, json};

use super::answer::{Answer, Failure};
use super::call::Call;
use super::route::Typed;
use super::{body, locks, store};

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
    locks::check_write(call, &key)?;
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
    let Some(names) = tags.as_object().filter(|tags| tags.values().all(Value::is_string)) else {
        return Err(Failure::invalid("'properties.tags' must be an object of strings."));
    };
    body::check_tag_names(names)?;
    let operation = body.get("operation").and_then(Value::as_str).unwrap_or_default();
    Ok((operation.to_owned(), tags))
}

fn combine(operation: &str, old: Value, given: &Value) -> Result<Value, Failure> {
    let mut tags = old.as_object().cloned().unwrap_or_default();
    let given = given.as_object().cloned().unwrap_or_default();
    match operation.to_lowercase().as_str() {
        // A name in another case is the same tag, and keeps the case that it has.
        "merge" => {
            for (name, value) in given {
                let own = tags.keys().find(|own| own.eq_ignore_ascii_case(&name)).cloned().unwrap_or(name);
                tags.insert(own, value);
            }
        }
        "replace" => tags = given,
        "delete" => tags.retain(|name, value| {
            !given.iter().any(|(given, unwanted)| given.eq_ignore_ascii_case(name) && unwanted == value)
        }),
        _ => return Err(Failure::invalid(format!("The operation '{operation}' is none of Merge, Replace, Delete."))),
    }
    Ok(Value::Object(tags))
}
