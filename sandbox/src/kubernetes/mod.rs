//! The Kubernetes part of the sandbox: the API server of every emulated cluster.
//!
//! A request goes: appointments that are due are kept (`controller`), the path is read here, and one transaction serves it: reads straight
//! from the rows (`store`), writes through decoding (`decode`), defaults (`defaults`), field ownership (`apply`), admission
//! (`admission`) and validation (`validate`), put together in `verbs`. A dry run does all of that and is rolled back.

mod admission;
mod apply;
mod controller;
mod decode;
mod defaults;
mod discovery;
mod fieldset;
mod kinds;
mod lifecycle;
mod patch;
mod reads;
mod schema;
mod security;
mod selector;
mod status;
mod store;
mod validate;
mod verbs;
mod watch;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, StatusCode};
use rusqlite::{Transaction, params};
use serde_json::{Value, json};

use super::kube_api::{Body, KubeRequest, KubeResponse, KubernetesApi, NodePool};
use super::log;
use super::standing;
use super::world::{World, WorldError};
use controller::Env;
pub use controller::{Disks, NoDisks};
use kinds::{RESOURCES, Resource};
use status::{ApiError, Status};
use store::{Store, with_type};
use verbs::{FieldValidation, PatchType, Target, WriteOptions, Writes, Written};

/// The version the emulator says it is.
const SERVER_VERSION: &str = "v1.36.3";

const JSON: &str = "application/json";

/// The Kubernetes API of all clusters of a world.
#[derive(Clone)]
pub struct Emulator {
    readiness_delay: Duration,
    disks: Arc<dyn Disks>,
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emulator").field("readiness_delay", &self.readiness_delay).finish_non_exhaustive()
    }
}

impl Emulator {
    /// An emulator in which Deployments become available, claims bound, load balancers addressed and Namespaces deleted after
    /// `readiness_delay`.
    #[must_use]
    pub fn new(readiness_delay: Duration) -> Self {
        Self { readiness_delay, disks: Arc::new(NoDisks) }
    }

    /// The same, attaching the disks of Pods through `disks`.
    #[must_use]
    pub fn with_disks(mut self, disks: Arc<dyn Disks>) -> Self {
        self.disks = disks;
        self
    }

    fn env<'t>(&'t self, tx: &'t Transaction<'t>, cluster: &'t str) -> Env<'t> {
        let delay_ms = i64::try_from(self.readiness_delay.as_millis()).unwrap_or(i64::MAX / 4);
        Env { store: Store { tx, cluster }, delay_ms, disks: &*self.disks }
    }

    /// Keeps the appointments of a cluster that are due, in a transaction of their own and only if there are any; false when
    /// there is no such cluster.
    ///
    /// # Errors
    /// Failures of the database.
    fn keep_appointments(&self, world: &World, cluster: &str, now_ms: i64) -> Result<bool, WorldError> {
        let (exists, due) = world.read(|tx| {
            let store = Store { tx, cluster };
            Ok::<_, WorldError>((store.exists()?, store.anything_due(now_ms)?))
        })?;
        if due {
            world.write(|tx| self.env(tx, cluster).run_due(now_ms))?;
        }
        Ok(exists)
    }

    fn serve(&self, world: &World, cluster: &str, request: &KubeRequest) -> Result<KubeResponse, ApiError> {
        let writes = !matches!(request.method, Method::GET | Method::HEAD);
        // A write does both in the transaction that it needs anyway.
        if !writes && !self.keep_appointments(world, cluster, request.now_ms)? {
            return Err(Status::no_such_path().into());
        }
        let segments = segments(&request.path)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if let Some(answer) = self.non_resource(&segments, &request.method) {
            return answer;
        }
        let route = Route::parse(&segments).ok_or_else(Status::no_such_path)?;
        match (&request.method, route.name.is_empty()) {
            (&Method::GET, _) => reads::serve(self, world, cluster, &route, request),
            (&Method::POST, true) | (&Method::PUT | &Method::PATCH, false) | (&Method::DELETE, _) => {
                self.write(world, cluster, &route, request)
            }
            _ => Err(Status::method_not_allowed().into()),
        }
    }

    fn non_resource(&self, segments: &[&str], method: &Method) -> Option<Result<KubeResponse, ApiError>> {
        let value = match segments {
            ["healthz" | "readyz" | "livez", ..] => {
                return Some(Ok(respond(StatusCode::OK, "text/plain; charset=utf-8", "ok".into())));
            }
            ["version"] => Some(discovery::version()),
            ["api"] => Some(discovery::core_versions()),
            ["apis"] => Some(discovery::group_list()),
            ["api", version] => discovery::resource_list("", version),
            ["apis", group] => discovery::group(group),
            ["apis", group, version] => discovery::resource_list(group, version),
            ["api" | "apis", ..] => return None,
            _ => None,
        };
        Some(match value {
            Some(_) if *method != Method::GET => Err(Status::method_not_allowed().into()),
            Some(value) => Ok(respond(StatusCode::OK, JSON, value.to_string())),
            None => Err(Status::no_such_path().into()),
        })
    }

    fn write(
        &self,
        world: &World,
        cluster: &str,
        route: &Route<'_>,
        request: &KubeRequest,
    ) -> Result<KubeResponse, ApiError> {
        let resource = route.resource;
        let known = match route.subresource {
            "" => true,
            "status" => resource.status && request.method != Method::DELETE,
            "scale" => resource.scale && request.method != Method::DELETE,
            _ => false,
        };
        if !known {
            return Err(Status::no_such_path().into());
        }
        if resource.namespaced && route.namespace.is_empty() && request.method != Method::DELETE {
            return Err(Status::method_not_allowed().into());
        }
        let patch_type = (request.method == Method::PATCH).then(|| patch_type(&request.headers)).transpose()?;
        let yaml = patch_type == Some(PatchType::Apply);
        let body = match (&request.method, request.body.is_empty()) {
            (&Method::DELETE, true) => Value::Null,
            _ => {
                check_media_type(&request.headers)?;
                decode::body(&request.body, yaml)?
            }
        };
        let options = write_options(request, patch_type, &body)?;
        let target = Target {
            resource,
            namespace: if resource.namespaced { route.namespace } else { "" },
            name: route.name,
            subresource: route.subresource,
        };
        let created_by = |created: bool| if created { StatusCode::CREATED } else { StatusCode::OK };
        let outcome = world.write(|tx| {
            let env = self.env(tx, cluster);
            if !env.store.exists()? {
                return Err(Status::no_such_path().into());
            }
            env.run_due(request.now_ms)?;
            let writes = Writes { env, now_ms: request.now_ms, options };
            let written = match (&request.method, patch_type) {
                (&Method::POST, _) => writes.create(&target, body),
                (&Method::PUT, _) => writes.update(&target, body),
                (_, Some(kind)) => writes.patch(&target, kind, &body),
                _ if target.name.is_empty() => reads::delete_collection(&writes, route, &request.query, &body),
                _ => writes.delete(&target, &body, &request.query),
            }?;
            // In the same transaction: the log never misses an effect.
            if let Some(seq) = request.seq {
                log::finish(tx, seq, Some(created_by(written.created).as_u16()), true)?;
            }
            Ok(written)
        });
        let (written, logged) = match outcome {
            Ok(written) => (written, request.seq.is_some()),
            Err(ApiError::DryRun { object, created }) => {
                (Written { object: *object, created, warnings: Vec::new() }, false)
            }
            Err(error) => return Err(error),
        };
        let answer = respond(created_by(written.created), JSON, written.object.to_string());
        let mut response = KubeResponse { logged, ..answer };
        for warning in &written.warnings {
            let value = format!("299 - \"{}\"", warning.replace('\\', "\\\\").replace('"', "\\\""));
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers.append(HeaderName::from_static("warning"), value);
            }
        }
        Ok(response)
    }
}

/// The resource, object and subresource a path names.
#[derive(Debug)]
struct Route<'r> {
    /// The kind.
    resource: &'static Resource,
    /// The Namespace; empty when the path names none.
    namespace: &'r str,
    /// The object; empty for the collection.
    name: &'r str,
    /// The subresource; empty for the object itself.
    subresource: &'r str,
}

impl<'r> Route<'r> {
    fn parse(segments: &[&'r str]) -> Option<Self> {
        let (group, version, rest) = match segments {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, plural, more @ ..] if !matches!(*plural, "status" | "finalize") => {
                (*namespace, [&[*plural], more].concat())
            }
            other => ("", other.to_vec()),
        };
        let (plural, name, subresource) = match rest.as_slice() {
            [plural] => (*plural, "", ""),
            [plural, name] => (*plural, *name, ""),
            [plural, name, subresource] => (*plural, *name, *subresource),
            _ => return None,
        };
        let resource = kinds::find(group, version, plural)?;
        let placed = resource.namespaced || namespace.is_empty();
        let addressed = name.is_empty() || !resource.namespaced || !namespace.is_empty();
        (placed && addressed).then_some(Self { resource, namespace, name, subresource })
    }
}

/// The decoded segments of a path.
fn segments(path: &str) -> Result<Vec<String>, Status> {
    path.split('/').filter(|s| !s.is_empty()).map(percent_decode).collect()
}

fn percent_decode(segment: &str) -> Result<String, Status> {
    let bad = || Status::bad_request(format!("malformed path segment {segment:?}"));
    let mut out = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next().ok_or_else(bad)?, bytes.next().ok_or_else(bad)?];
            let text = std::str::from_utf8(&digits).map_err(|_| bad())?;
            out.push(u8::from_str_radix(text, 16).map_err(|_| bad())?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).map_err(|_| bad())
}

/// The last value of a query parameter.
fn parameter<'q>(query: &'q [(String, String)], name: &str) -> Option<&'q str> {
    query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn media_type(headers: &HeaderMap) -> &str {
    let given = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or(JSON);
    given.split(';').next().unwrap_or(given).trim()
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Status> {
    match media_type(headers) {
        given if given.contains("protobuf") || given.contains("cbor") => Err(Status::unsupported_media_type(given)),
        _ => Ok(()),
    }
}

fn patch_type(headers: &HeaderMap) -> Result<PatchType, Status> {
    match media_type(headers) {
        "application/merge-patch+json" => Ok(PatchType::Merge),
        "application/json-patch+json" => Ok(PatchType::Json),
        "application/strategic-merge-patch+json" => Ok(PatchType::Strategic),
        "application/apply-patch+yaml" => Ok(PatchType::Apply),
        other => Err(Status::unsupported_media_type(other)),
    }
}

fn write_options(request: &KubeRequest, patch: Option<PatchType>, body: &Value) -> Result<WriteOptions, Status> {
    // The options of a deletion are in its body, and its query counts only where there is none (`DeleteResource` in
    // `k8s.io/apiserver/pkg/endpoints/handlers/delete.go`).
    let dry_run = match request.method == Method::DELETE && !body.is_null() {
        true => body.pointer("/dryRun/0").and_then(Value::as_str),
        false => parameter(&request.query, "dryRun"),
    };
    let dry_run = match dry_run {
        None | Some("") => false,
        Some("All") => true,
        Some(other) => {
            return Err(Status::bad_request(format!(
                "dryRun: Unsupported value: {other:?}: supported values: \"All\""
            )));
        }
    };
    let force = parameter(&request.query, "force").is_some_and(|v| v == "true" || v == "1");
    if force && patch != Some(PatchType::Apply) {
        return Err(Status::bad_request("force: Forbidden: may not be specified for non-apply patch"));
    }
    let validation = match parameter(&request.query, "fieldValidation") {
        None | Some("" | "Warn") => FieldValidation::Warn,
        Some("Ignore") => FieldValidation::Ignore,
        Some("Strict") => FieldValidation::Strict,
        Some(other) => return Err(Status::bad_request(format!("fieldValidation: Unsupported value: {other:?}"))),
    };
    let agent = request.headers.get(USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or("unknown");
    let agent = agent.split(['/', ' ']).next().unwrap_or("unknown");
    let manager = match (parameter(&request.query, "fieldManager"), patch) {
        (Some(name), _) => name,
        // Server-side apply has no default: it is refused without a manager.
        (None, Some(PatchType::Apply)) => "",
        (None, _) => agent,
    };
    if manager.len() > 128 {
        return Err(Status::bad_request("fieldManager: Too long: may not be more than 128 bytes"));
    }
    Ok(WriteOptions { manager: manager.to_owned(), dry_run, force, validation })
}

/// A whole answer.
fn respond(status: StatusCode, content_type: &'static str, body: String) -> KubeResponse {
    KubeResponse {
        status,
        content_type: content_type.into(),
        headers: HeaderMap::new(),
        body: Body::Full(body.into()),
        logged: false,
    }
}

fn clusters(tx: &Transaction<'_>) -> Result<Vec<String>, WorldError> {
    let mut query = tx.prepare_cached("SELECT cluster FROM kube_clusters ORDER BY cluster")?;
    let rows = query.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The storage classes of a managed cluster: name, driver, parameters, whether binding waits for a Pod.
const STORAGE_CLASSES: [(&str, &str, &str, bool); 5] = [
    ("default", "disk.csi.azure.com", "StandardSSD_LRS", true),
    ("managed-csi", "disk.csi.azure.com", "StandardSSD_LRS", true),
    ("managed-csi-premium", "disk.csi.azure.com", "Premium_LRS", true),
    ("azurefile-csi", "file.csi.azure.com", "Standard_LRS", false),
    ("azurefile-csi-premium", "file.csi.azure.com", "Premium_LRS", false),
];

impl KubernetesApi for Emulator {
    fn schema(&self) -> &'static str {
        store::SCHEMA
    }

    fn handle(&self, world: &World, cluster: &str, request: KubeRequest) -> KubeResponse {
        match self.serve(world, cluster, &request) {
            Ok(response) => response,
            Err(error) => {
                let status = match error {
                    ApiError::Status(status) => *status,
                    other => Status::internal(other.to_string()),
                };
                let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                respond(code, JSON, status.to_value().to_string())
            }
        }
    }

    fn settle(&self, tx: &Transaction<'_>, now_ms: i64) -> Result<(), WorldError> {
        for cluster in clusters(tx)? {
            self.env(tx, &cluster).run_due(now_ms)?;
        }
        Ok(())
    }

    fn has_cluster(&self, tx: &Transaction<'_>, cluster: &str) -> Result<bool, WorldError> {
        self.env(tx, cluster).store.exists()
    }

    fn cluster_created(&self, tx: &Transaction<'_>, cluster: &str, now_ms: i64) -> Result<(), WorldError> {
        if tx.execute("INSERT OR IGNORE INTO kube_clusters (cluster, rv) VALUES (?1, 1)", params![cluster])? == 0 {
            return Ok(());
        }
        let env = self.env(tx, cluster);
        let mut objects = Vec::new();
        for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            objects.push(("namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})));
        }
        let standing = cluster.starts_with(standing::PREFIX);
        if standing {
            let class = json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "traefik"},
                "spec": {"controller": "traefik.io/ingress-controller"},
            });
            objects.push(("ingressclasses", class));
        }
        for (name, driver, sku, waits) in STORAGE_CLASSES.into_iter().filter(|_| !standing) {
            let mut class = json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
                "provisioner": driver, "parameters": {"skuname": sku}, "reclaimPolicy": "Delete",
                "allowVolumeExpansion": true,
                "volumeBindingMode": if waits { "WaitForFirstConsumer" } else { "Immediate" },
            });
            if name == "default" {
                class["metadata"]["annotations"] = json!({"storageclass.kubernetes.io/is-default-class": "true"});
            }
            objects.push(("storageclasses", class));
        }
        for (plural, mut object) in objects {
            if let Some(resource) = kinds::by_plural(plural) {
                env.create(resource, &mut object, now_ms)?;
            }
        }
        Ok(())
    }

    fn cluster_deleted(&self, tx: &Transaction<'_>, cluster: &str) -> Result<(), WorldError> {
        for table in ["kube_objects", "kube_changes", "kube_due", "kube_clusters"] {
            tx.execute(&format!("DELETE FROM {table} WHERE cluster = ?1"), params![cluster])?;
        }
        Ok(())
    }

    fn pool_changed(
        &self,
        tx: &Transaction<'_>,
        cluster: &str,
        pool: &NodePool,
        now_ms: i64,
    ) -> Result<(), WorldError> {
        let env = self.env(tx, cluster);
        if env.store.exists()? { controller::pool_changed(&env, pool, now_ms) } else { Ok(()) }
    }

    fn pool_deleted(&self, tx: &Transaction<'_>, cluster: &str, pool: &str, now_ms: i64) -> Result<(), WorldError> {
        let env = self.env(tx, cluster);
        if env.store.exists()? { controller::pool_deleted(&env, pool, now_ms) } else { Ok(()) }
    }

    fn inspect(&self, tx: &Transaction<'_>) -> Result<Vec<(String, String, Value)>, WorldError> {
        let mut out = Vec::new();
        for cluster in clusters(tx)? {
            let store = Store { tx, cluster: &cluster };
            for resource in RESOURCES {
                store.scan(resource, "", None, |row| {
                    let object = serde_json::from_str(&with_type(resource, &row.json))?;
                    out.push((cluster.clone(), resource.path(&row.namespace, &row.name), object));
                    Ok(true)
                })?;
            }
        }
        Ok(out)
    }

    fn drift(
        &self,
        tx: &Transaction<'_>,
        cluster: &str,
        path: &str,
        patch: &Value,
        now_ms: i64,
    ) -> Result<bool, WorldError> {
        let Ok(segments) = segments(path) else { return Ok(false) };
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let Some(route) = Route::parse(&segments).filter(|route| !route.name.is_empty()) else { return Ok(false) };
        let options =
            WriteOptions { manager: "drift".into(), dry_run: false, force: false, validation: FieldValidation::Ignore };
        let writes = Writes { env: self.env(tx, cluster), now_ms, options };
        let Route { resource, namespace, name, subresource } = route;
        match writes.patch(&Target { resource, namespace, name, subresource }, PatchType::Merge, patch) {
            Ok(_) => Ok(true),
            Err(ApiError::World(error)) => Err(error),
            // There is no such object, or it would not be one of its kind any more.
            Err(ApiError::Status(_) | ApiError::DryRun { .. }) => Ok(false),
        }
    }
}
