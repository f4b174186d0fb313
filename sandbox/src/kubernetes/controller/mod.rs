//! The controllers of an emulated cluster. Nothing runs in the background: a change makes appointments (`kube_due`),
//! and the next request keeps those whose time has come, each as of its own time.

mod conditions;
mod deployments;
mod jobs;
mod network;
mod nodes;
mod pods;
mod volumes;

use super::env::Env;
use super::kinds::by_plural;
use super::lifecycle;
use super::store::{Result, is_deleting};

pub use nodes::{pool_changed, pool_deleted};

/// Appointments kept in one go. A loop of controllers would show here rather than hang a request.
const MAX_STEPS: usize = 100_000;

/// Keeps every appointment that is due at `now_ms`.
///
/// # Errors
/// Failures of the database.
pub fn run_due(env: &Env<'_>, now_ms: i64) -> Result<()> {
    for _ in 0..MAX_STEPS {
        let Some(due) = env.store.take_due(now_ms)? else { return Ok(()) };
        let Some(resource) = by_plural(&due.resource) else { continue };
        let Some(object) = env.store.get(resource, &due.namespace, &due.name)? else { continue };
        let at = due.due_ms;
        match resource.kind {
            "Deployment" => deployments::deployment(env, resource, object, at)?,
            "Job" => jobs::job(env, resource, object, at)?,
            "Pod" => pods::pod(env, resource, object, at)?,
            "PersistentVolumeClaim" => volumes::claim(env, resource, object, at)?,
            "PersistentVolume" => volumes::volume(env, resource, object, at)?,
            "Service" => network::service(env, resource, &object, at)?,
            "Ingress" => network::ingress(env, resource, &object, at)?,
            "Namespace" if is_deleting(&object) => lifecycle::drain_namespace(env, resource, object, at)?,
            _ => lifecycle::collect(env, resource, object, at)?,
        }
    }
    Ok(())
}
