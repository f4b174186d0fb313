//! The verbs that read: get, list, watch; and deletion of a collection, which selects like a list.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::super::kube_api::{Body, JSON, KubeRequest, KubeResponse};
use super::super::world::World;
use super::emulator::Emulator;
use super::options::parameter;
use super::route::Route;
use super::selector::{FieldSelector, LabelSelector};
use super::status::{ApiError, Status};
use super::store::{Store, with_type};
use super::verbs::{Target, Writes, Written, scale_of};
use super::watch::{self, Selection, WatchOptions};

type Query = [(String, String)];

fn selection(route: &Route<'_>, query: &Query) -> Result<Selection, Status> {
    Ok(Selection {
        resource: route.resource,
        namespace: route.namespace.to_owned(),
        labels: LabelSelector::parse(parameter(query, "labelSelector").unwrap_or_default())?,
        fields: FieldSelector::parse(route.resource, parameter(query, "fieldSelector").unwrap_or_default())?,
    })
}

fn flag(query: &Query, name: &str) -> bool {
    parameter(query, name).is_some_and(|value| value == "true" || value == "1")
}

fn number<T: std::str::FromStr>(query: &Query, name: &str) -> Result<Option<T>, Status> {
    match parameter(query, name) {
        None | Some("") => Ok(None),
        Some(text) => {
            text.parse().map(Some).map_err(|_| Status::bad_request(format!("invalid value {text:?} for {name}")))
        }
    }
}

/// Answers a GET.
///
/// # Errors
/// 400, 404 or 410 as the API server answers, and failures of the database.
pub fn serve(
    emulator: &Emulator,
    world: &World,
    cluster: &str,
    route: &Route<'_>,
    request: &KubeRequest,
) -> Result<KubeResponse, ApiError> {
    if !route.name.is_empty() {
        return world.read(|tx| get(&Store { tx, cluster }, route));
    }
    let selection = selection(route, &request.query)?;
    if !flag(&request.query, "watch") {
        return world.read(|tx| list(&Store { tx, cluster }, &selection, &request.query));
    }
    let options = WatchOptions {
        resource_version: number(&request.query, "resourceVersion")?,
        bookmarks: flag(&request.query, "allowWatchBookmarks"),
        send_initial_events: flag(&request.query, "sendInitialEvents"),
        timeout_seconds: number(&request.query, "timeoutSeconds")?,
    };
    let lines = watch::start(emulator, world, cluster, selection, &options, request.now_ms)?;
    Ok(KubeResponse {
        status: StatusCode::OK,
        content_type: JSON.into(),
        headers: HeaderMap::new(),
        body: Body::Stream(lines),
        logged: false,
    })
}

fn get(store: &Store<'_>, route: &Route<'_>) -> Result<KubeResponse, ApiError> {
    let resource = route.resource;
    let missing = || Status::not_found(resource, route.name);
    let body = match route.subresource {
        "scale" if resource.scale => {
            let object = store.get(resource, route.namespace, route.name)?.ok_or_else(missing)?;
            scale_of(&object).to_string()
        }
        sub if sub.is_empty() || (sub == "status" && resource.status) => {
            let json = store.get_text(resource, route.namespace, route.name)?.ok_or_else(missing)?;
            with_type(resource, &json)
        }
        _ => return Err(Status::no_such_path().into()),
    };
    Ok(KubeResponse::json(StatusCode::OK, body))
}

/// Where the next page begins: the last Namespace and name given, and the version of the first page.
fn encode_continue(rv: i64, namespace: &str, name: &str) -> String {
    URL_SAFE_NO_PAD.encode(json!([rv, namespace, name]).to_string())
}

fn decode_continue(token: &str) -> Option<(i64, String, String)> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()
}

fn list(store: &Store<'_>, selection: &Selection, query: &Query) -> Result<KubeResponse, ApiError> {
    let resource = selection.resource;
    let limit: usize = number(query, "limit")?.unwrap_or(0);
    let (mut rv, compacted) = store.versions()?;
    let after = match parameter(query, "continue") {
        None | Some("") => None,
        Some(token) => {
            let (first_rv, namespace, name) =
                decode_continue(token).ok_or_else(|| Status::bad_request("continue key is not valid"))?;
            if first_rv < compacted {
                return Err(Status::expired(first_rv, compacted).into());
            }
            rv = first_rv;
            Some((namespace, name))
        }
    };
    // Objects of built-in types stand in lists without their type; custom ones carry it.
    let typed = resource.round_trip.is_none();
    let mut items = String::new();
    let (mut count, mut last, mut more, mut remaining) = (0, None, false, 0_u64);
    let after = after.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
    let selects_all = selection.labels.is_empty() && selection.fields.is_empty();
    store.scan(resource, &selection.namespace, after, |row| {
        if !selection.matches(&row)? {
            return Ok(true);
        }
        if limit > 0 && count == limit {
            more = true;
            remaining += 1;
            return Ok(selects_all);
        }
        if count > 0 {
            items.push(',');
        }
        if typed {
            items.push_str(&with_type(resource, &row.json))
        } else {
            items.push_str(&row.json)
        }
        count += 1;
        last = (limit > 0).then_some((row.namespace, row.name));
        Ok(true)
    })?;
    let mut metadata = json!({"resourceVersion": rv.to_string()});
    if let (true, Some((namespace, name))) = (more, last) {
        metadata["continue"] = encode_continue(rv, &namespace, &name).into();
        // Only without a selector is it known how many are left.
        if selects_all {
            metadata["remainingItemCount"] = remaining.into();
        }
    }
    let body = format!(
        "{{\"kind\":\"{}List\",\"apiVersion\":\"{}\",\"metadata\":{metadata},\"items\":[{items}]}}",
        resource.kind,
        resource.api_version()
    );
    Ok(KubeResponse::json(StatusCode::OK, body))
}

/// DELETE of a collection: every object the query selects is deleted by itself.
///
/// # Errors
/// As for each deletion.
pub fn delete_collection(
    writes: &Writes<'_>,
    route: &Route<'_>,
    query: &Query,
    body: &Value,
) -> Result<Written, ApiError> {
    let selection = selection(route, query)?;
    let mut keys = Vec::new();
    writes.env.store.scan(route.resource, route.namespace, None, |row| {
        if selection.matches(&row)? {
            keys.push((row.namespace, row.name));
        }
        Ok(true)
    })?;
    let dry_run = writes.options.dry_run;
    let each = Writes { env: writes.env, now_ms: writes.now_ms, options: writes.options.clone() };
    for (namespace, name) in &keys {
        if dry_run {
            break;
        }
        each.delete(&Target { resource: route.resource, namespace, name, subresource: "" }, body, query)?;
    }
    let object = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
    Ok(Written { object, created: false, warnings: Vec::new() })
}
