//! Subscriptions, resource groups, and lists of whatever is in them.

use serde_json::{Value, json};

use super::answer::{Answer, Failure};
use super::body::{self, Shape, optional, required};
use super::call::Call;
use super::filter::{Clause, clauses, invalid_filter};
use super::locations::{self, LOCATIONS, check_location};
use super::operations::{self, Follow, Work};
use super::resource::{self, NameRule, check_name};
use super::store::{self, GROUP_TYPE, Place, Query};
use super::{identities, kinds, locks};

/// Only what a read needs.
fn only_get(call: &Call<'_>) -> Result<(), Failure> {
    if call.method == http::Method::GET { Ok(()) } else { Err(Failure::method()) }
}

/// `GET /subscriptions`: those with something in them.
pub(super) fn subscriptions(call: &Call<'_>) -> Result<Answer, Failure> {
    only_get(call)?;
    let mut statement = call.tx.prepare_cached("SELECT DISTINCT subscription FROM arm_resources ORDER BY 1")?;
    let ids = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    Ok(Answer::found(json!({ "value": ids.iter().map(|id| subscription_object(id)).collect::<Vec<_>>() })))
}

/// `GET /subscriptions/{id}`: every subscription exists in the sandbox.
pub(super) fn subscription(call: &Call<'_>) -> Result<Answer, Failure> {
    only_get(call)?;
    Ok(Answer::found(subscription_object(&call.route.subscription)))
}

fn subscription_object(id: &str) -> Value {
    json!({
        "id": format!("/subscriptions/{id}"),
        "subscriptionId": id,
        "displayName": "Sandbox",
        "state": "Enabled",
        "tenantId": identities::TENANT,
    })
}

/// `GET /subscriptions/{id}/locations`.
pub(super) fn locations(call: &Call<'_>) -> Answer {
    let value: Vec<Value> = LOCATIONS
        .iter()
        .map(|(name, display)| {
            json!({
                "id": format!("/subscriptions/{}/locations/{name}", call.route.subscription),
                "name": name,
                "displayName": display,
                "type": "Region",
            })
        })
        .collect();
    Answer::found(json!({ "value": value }))
}

/// `GET …/providers/{namespace}` and its registration: what is served is registered.
pub(super) fn provider(call: &Call<'_>, namespace: &str, register: bool) -> Result<Answer, Failure> {
    if !register {
        only_get(call)?;
    }
    if !kinds::is_known_namespace(namespace) {
        return Err(Failure::new(
            404,
            "InvalidResourceNamespace",
            format!("The resource namespace '{namespace}' is invalid: the sandbox does not serve it."),
        ));
    }
    Ok(Answer::found(json!({
        "id": format!("/subscriptions/{}/providers/{namespace}", call.route.subscription),
        "namespace": namespace,
        "registrationState": "Registered",
        "resourceTypes": [],
    })))
}

/// `GET …/resourceGroups`.
pub(super) fn list(call: &Call<'_>) -> Result<Answer, Failure> {
    only_get(call)?;
    let mut query = Query::in_subscription(&call.route.subscription);
    query.and("type = ?", GROUP_TYPE.to_owned());
    filter(call, &mut query)?;
    query.page(call.tx, &call.paging()?, None)
}

/// Everything in a group or a subscription, in its short form.
pub(super) fn resources(call: &Call<'_>) -> Result<Answer, Failure> {
    only_get(call)?;
    let mut query = Query::in_subscription(&call.route.subscription);
    match call.route.group_key() {
        Some(key) => {
            resource::group(call, &key)?;
            query.and("parent = ?", key);
        }
        None => {
            query.and_that("grp <> ''");
            query.and_that("parent = '/subscriptions/' || subscription || '/resourcegroups/' || grp");
        }
    }
    query.and_that("type NOT LIKE 'microsoft.authorization/%'");
    filter(call, &mut query)?;
    query.page(call.tx, &call.paging()?, Some(short_form))
}

fn short_form(resource: &Value) -> Value {
    let mut short = serde_json::Map::new();
    for key in ["id", "name", "type", "kind", "location", "managedBy", "sku", "tags", "zones", "identity"] {
        if let Some(value) = resource.get(key) {
            short.insert(key.to_owned(), value.clone());
        }
    }
    Value::Object(short)
}

/// `$filter` with `resourceType eq`, `name eq`, `tagName eq` and `tagValue eq`, joined by `and`.
fn filter(call: &Call<'_>, query: &mut Query) -> Result<(), Failure> {
    let Some(text) = call.query("$filter").filter(|text| !text.trim().is_empty()) else { return Ok(()) };
    let (mut tag_name, mut tag_value) = (None, None);
    for clause in clauses(text)? {
        let Clause::Equals(property, value) = clause else { return Err(invalid_filter(text)) };
        match property.to_lowercase().as_str() {
            "resourcetype" => {
                if !kinds::is_known(&value) && !value.contains('/') {
                    return Err(invalid_filter(text));
                }
                query.and("type = ?", value.to_lowercase());
            }
            "name" => {
                query.and("lower(json_extract(body, '$.name')) = ?", value.to_lowercase());
            }
            "tagname" => tag_name = Some(value),
            "tagvalue" => tag_value = Some(value),
            _ => return Err(invalid_filter(text)),
        }
    }
    match (tag_name, tag_value) {
        (Some(name), value) => {
            query.tagged(&name, value.as_deref());
        }
        (None, Some(_)) => return Err(invalid_filter(text)),
        (None, None) => {}
    }
    Ok(())
}

/// A group by name.
pub(super) fn one(call: &Call<'_>) -> Result<Answer, Failure> {
    let key = call.route.group_key().unwrap_or_default();
    let name = call.route.group.as_deref().unwrap_or_default();
    match call.method.as_str() {
        "GET" => Ok(Answer::found(resource::group(call, &key)?)),
        "HEAD" => Ok(Answer::empty(if store::exists(call.tx, &key)? { 204 } else { 404 }, false)),
        "PUT" => {
            check_name(name, &NameRule { min: 1, max: 90, also: "_-.()", lower: false })?;
            let old = store::get(call.tx, &key)?;
            if old.is_some() {
                resource::group(call, &key)?;
            }
            let mut new = body::read(
                &call.body,
                &[required("location", Shape::Text), optional("managedBy", Shape::Text)],
                false,
            )?;
            check_location(&new)?;
            body::normalise_location(&mut new);
            if let Some(old) = &old {
                group_location_kept(old, &new, name)?;
            }
            locks::check_write(call, &key)?;
            let status = if old.is_some() { 200 } else { 201 };
            Ok(Answer::changed(status, save(call, &key, name, old.as_ref(), new)?))
        }
        "PATCH" => {
            let old = resource::group(call, &key)?;
            let patch = body::read(&call.body, &[], true)?;
            locks::check_write(call, &key)?;
            let new = body::patched(&old, &patch);
            group_location_kept(&old, &new, name)?;
            Ok(Answer::changed(200, save(call, &key, name, Some(&old), new)?))
        }
        "DELETE" => {
            let mut group = resource::group(call, &key)?;
            locks::check_delete(call, &key)?;
            body::set(&mut group, "properties.provisioningState", json!("Deleting"));
            store::update(call.tx, &key, &group)?;
            let headers = operations::begin(call, &key, Work::Delete, 1, Follow::Location)?;
            Ok(Answer::empty(202, true).with(headers))
        }
        _ => Err(Failure::method()),
    }
}

fn group_location_kept(old: &Value, new: &Value, name: &str) -> Result<(), Failure> {
    locations::keep_location(Some(old), new).map_err(|_| {
        Failure::new(
            409,
            "InvalidResourceGroupLocation",
            format!(
                "Invalid resource group location '{}'. The Resource group '{name}' already exists in location '{}'.",
                body::text(new, "location").unwrap_or_default(),
                body::text(old, "location").unwrap_or_default()
            ),
        )
    })
}

fn save(call: &Call<'_>, key: &str, name: &str, old: Option<&Value>, mut new: Value) -> Result<Value, Failure> {
    let id = format!("/subscriptions/{}/resourceGroups/{name}", call.route.subscription);
    new["id"] = old.map_or_else(|| json!(id), |old| old["id"].clone());
    new["name"] = old.map_or_else(|| json!(name), |old| old["name"].clone());
    new["type"] = json!("Microsoft.Resources/resourceGroups");
    new["properties"] = json!({ "provisioningState": "Succeeded" });
    if let Some(old) = old {
        body::carry(old, &mut new, &["managedBy"]);
    }
    store::put(call.tx, Place { key, kind: GROUP_TYPE, parent: "" }, &new)?;
    Ok(new)
}
