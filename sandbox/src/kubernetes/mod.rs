//! The Kubernetes part of the sandbox: the API server of every emulated cluster.
//!
//! A request goes: appointments that are due are kept (`controller`), `api_server` reads what is asked for (`route`,
//! `options`), and one transaction serves it: reads straight from the rows (`store`), writes through decoding
//! (`decode`), defaults (`defaults`), field ownership (`apply`), admission (`admission`) and validation (`validate`),
//! put together in `verbs`. A dry run does all of that and is rolled back. Which appointments follow from a change,
//! `appointments` says.

mod admission;
mod api_server;
mod apply;
mod appointments;
mod clusters;
mod controller;
mod decode;
mod defaults;
mod discovery;
mod disks;
mod emulator;
mod env;
mod fieldset;
mod kinds;
mod lifecycle;
mod mounts;
mod options;
mod patch;
mod reads;
mod route;
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

use http::StatusCode;
use rusqlite::Transaction;
use serde_json::Value;

use super::kube_api::{KubeRequest, KubeResponse, KubernetesApi, NodePool};
use super::world::{World, WorldError};
pub use disks::{Disks, NoDisks};
pub use emulator::Emulator;
use kinds::RESOURCES;
use route::Route;
use status::{ApiError, Status};
use store::{Store, with_type};
use verbs::{FieldValidation, PatchType, Target, WriteOptions, Writes};

impl KubernetesApi for Emulator {
    fn schema(&self) -> &'static str {
        store::SCHEMA
    }

    fn handle(&self, world: &World, cluster: &str, request: KubeRequest) -> KubeResponse {
        match api_server::serve(self, world, cluster, &request) {
            Ok(response) => response,
            Err(error) => {
                let status = match error {
                    ApiError::Status(status) => *status,
                    other => Status::internal(other.to_string()),
                };
                let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                KubeResponse::json(code, status.to_value().to_string())
            }
        }
    }

    fn settle(&self, tx: &Transaction<'_>, now_ms: i64) -> Result<(), WorldError> {
        for cluster in clusters::all(tx)? {
            controller::run_due(&self.env(tx, &cluster), now_ms)?;
        }
        Ok(())
    }

    fn has_cluster(&self, tx: &Transaction<'_>, cluster: &str) -> Result<bool, WorldError> {
        self.env(tx, cluster).store.exists()
    }

    fn cluster_created(&self, tx: &Transaction<'_>, cluster: &str, now_ms: i64) -> Result<(), WorldError> {
        clusters::create(&self.env(tx, cluster), now_ms)
    }

    fn cluster_deleted(&self, tx: &Transaction<'_>, cluster: &str) -> Result<(), WorldError> {
        clusters::delete(tx, cluster)
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
        for cluster in clusters::all(tx)? {
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
        let Ok(segments) = route::segments(path) else { return Ok(false) };
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
