//! What tests and rehearsals ask of the sandbox beside the emulated interfaces, below `/_sandbox/`.

use bytes::Bytes;
use http::{Method, StatusCode};
use rusqlite::Transaction;
use serde_json::{Value, json};

use super::kube_api::KubernetesApi;
use super::world::{World, WorldError};
use super::{arm, log};

/// What stands in place of a Secret's value.
const HIDDEN: &str = "(hidden)";

/// The annotation in which `kubectl apply` keeps a whole object, a Secret's values included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Serves one request; `path` follows `/_sandbox/`.
pub(super) fn handle(
    world: &World,
    kube: &dyn KubernetesApi,
    method: &Method,
    path: &str,
    body: &Bytes,
    now_ms: i64,
) -> (StatusCode, Value) {
    let answer = match (method.as_str(), path) {
        ("GET", "health") => Ok((StatusCode::OK, json!({ "status": "ok" }))),
        ("GET", "requests") => world
            .read(log::entries)
            .and_then(|entries| Ok((StatusCode::OK, json!({ "requests": serde_json::to_value(entries)? })))),
        ("GET", "inspect") => {
            world.read(|tx| inspect(tx, kube)).map(|objects| (StatusCode::OK, json!({ "objects": objects })))
        }
        ("POST", "drift") => drift(world, kube, body, now_ms),
        _ => Ok(problem(
            StatusCode::NOT_FOUND,
            "there are GET health, GET requests, GET inspect and POST drift below /_sandbox/",
        )),
    };
    answer.unwrap_or_else(|error| problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))
}

fn problem(status: StatusCode, message: &str) -> (StatusCode, Value) {
    (status, json!({ "error": message }))
}

/// `{"id", "patch"}`: merges a JSON merge patch into an object behind everyone's back; a patch of `null` removes a resource of the resource
/// manager.
fn drift(
    world: &World,
    kube: &dyn KubernetesApi,
    body: &Bytes,
    now_ms: i64,
) -> Result<(StatusCode, Value), WorldError> {
    let Ok(request) = serde_json::from_slice::<Value>(body) else {
        return Ok(problem(StatusCode::BAD_REQUEST, "the body must be JSON: {\"id\": …, \"patch\": …}"));
    };
    let (Some(id), Some(patch)) = (request.get("id").and_then(Value::as_str), request.get("patch")) else {
        return Ok(problem(StatusCode::BAD_REQUEST, "the body needs `id` and `patch`"));
    };
    if !patch.is_object() && !patch.is_null() {
        return Ok(problem(StatusCode::BAD_REQUEST, "`patch` must be an object, or null to remove a resource"));
    }
    let changed = world.write(|tx| match split(id) {
        Some((cluster, path)) => kube.drift(tx, &cluster, path, patch, now_ms),
        None => arm::drift(tx, kube, &id.to_lowercase(), patch, now_ms),
    })?;
    Ok(if changed {
        (StatusCode::OK, json!({ "changed": id }))
    } else {
        problem(StatusCode::NOT_FOUND, &format!("there is no `{id}`"))
    })
}

/// Cluster key and path of a Kubernetes object's id.
fn split(id: &str) -> Option<(String, &str)> {
    const CLUSTERS: &str = "/managedclusters/";
    let name = id.to_ascii_lowercase().find(CLUSTERS)? + CLUSTERS.len();
    let end = name + id.get(name..)?.find('/')?;
    let path = id.get(end..)?;
    (path.starts_with("/api/") || path.starts_with("/apis/")).then(|| (id[..end].to_lowercase(), path))
}

/// Everything that exists, sorted by id, Secrets without their values.
pub(super) fn inspect(tx: &Transaction<'_>, kube: &dyn KubernetesApi) -> Result<Vec<Value>, WorldError> {
    let mut objects = arm::everything(tx)?;
    for (cluster, path, mut object) in kube.inspect(tx)? {
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        if kind == "Secret" {
            hide(&mut object);
        }
        let id = arm::id_of_key(tx, &cluster)?.unwrap_or(cluster);
        objects.push((format!("{id}{path}"), kind, object));
    }
    objects.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(objects.into_iter().map(|(id, kind, object)| json!({ "id": id, "type": kind, "object": object })).collect())
}

fn hide(secret: &mut Value) {
    for field in ["data", "stringData"] {
        for value in secret.get_mut(field).and_then(Value::as_object_mut).into_iter().flatten() {
            *value.1 = json!(HIDDEN);
        }
    }
    let annotations = secret.pointer_mut("/metadata/annotations");
    if let Some(applied) = annotations.and_then(|annotations| annotations.get_mut(LAST_APPLIED)) {
        *applied = json!(HIDDEN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_with_a_kubernetes_path_is_split_at_the_cluster() {
        let cluster = "/subscriptions/S/resourceGroups/G/providers/Microsoft.ContainerService/managedClusters/C1";
        let id = format!("{cluster}/apis/apps/v1/namespaces/X/deployments/y");
        let (key, path) = split(&id).unwrap();
        assert_eq!(key, cluster.to_lowercase());
        assert_eq!(path, "/apis/apps/v1/namespaces/X/deployments/y");
        assert!(split(cluster).is_none());
        assert!(split(&format!("{cluster}/agentPools/p")).is_none());
    }

    #[test]
    fn no_value_of_a_secret_is_shown() {
        let mut secret = json!({
            "kind": "Secret", "data": { "a": "aHVudGVyMg==" }, "stringData": { "b": "hunter2" },
            "metadata": { "annotations": { LAST_APPLIED: "{\"data\":{\"a\":\"aHVudGVyMg==\"}}", "other": "stays" } },
        });
        hide(&mut secret);
        let text = secret.to_string();
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
        assert_eq!(secret["metadata"]["annotations"]["other"], "stays");
    }
}
