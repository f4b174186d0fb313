//! One Kubernetes cluster: reads by lists, previews by dry runs, changes by server-side apply, waits for readiness.
//!
//! - `table`: kinds and their paths; `fields`: `managedFields` as writers
//! - `config`: the way to a cluster, and how to work with it; `kubeconfig`: the files that lead there; `cluster`: which one it is
//! - `provider`: [`KubernetesProvider`], one cluster, as everything below asks it
//! - `api`: connection, retries, limits; `error`: what a refusal means, without secrets
//! - `disks`: disks and snapshots that the cluster keeps itself
//! - `reads`, `read`, `apply`, `delete`, `contents`: the calls of [`Provider`]; `retain`: what is below a volume stays; `tie`: volumes
//!   whose claim is gone
//! - `ready`: predicates, `wait`: waiting for them

mod api;
mod apply;
mod cluster;
mod config;
mod contents;
mod delete;
mod disks;
mod error;
mod fields;
mod kubeconfig;
mod logs;
mod page;
mod provider;
mod read;
mod reads;
mod ready;
mod retain;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod tie;
mod wait;

use async_trait::async_trait;

use self::apply::Intent;
pub use self::config::{Connector, KubernetesConfig};
pub use self::kubeconfig::{Files, Way};
pub use self::provider::KubernetesProvider;
use self::table::Location;
use crate::engine::kind::Kind;
use crate::engine::provider::{
    Change, Content, ErrorClass, Look, Marked, Observation, Observed, Operation, Preview, Progress, Provider,
    ProviderError, Safeguard, Target,
};
use crate::engine::value::Value;

#[async_trait]
impl Provider for KubernetesProvider {
    async fn read(&self, targets: &[Target]) -> Vec<Observation> {
        let mut observations = self.read_all(targets).await;
        self.api.find_ties(&mut observations).await;
        observations
    }

    fn physical_id(&self, kind: &Kind, desired: &Value) -> Option<String> {
        cluster::planned_id(kind, desired)
            .or_else(|| disks::planned_id(kind, desired))
            .or_else(|| Location::of_value(kind, desired).map(|location| location.to_string()))
    }

    async fn preview(
        &self,
        target: &Target,
        desired: &serde_json::Value,
        force: bool,
    ) -> Result<Preview, ProviderError> {
        self.preview_object(target, desired, force).await
    }

    async fn execute(&self, operation: &Operation, progress: &dyn Progress) -> Result<Option<Observed>, ProviderError> {
        if disks::is_data(operation.target.kind) {
            return self.change_data(operation, progress).await;
        }
        match &operation.change {
            Change::Create { desired } => {
                self.apply_object(operation, Intent::Create, desired, &[], progress).await.map(Some)
            }
            Change::Update { desired, removed } => {
                self.apply_object(operation, Intent::Update, desired, removed, progress).await.map(Some)
            }
            Change::Delete { uid } => self.delete_object(operation, uid.as_deref(), progress).await.map(|()| None),
            Change::Release { tie } => self.release_object(operation, tie, progress).await.map(Some),
            Change::Resume { .. } => {
                let text = "Kubernetes has no long-running operations to go on with: plan again";
                Err(ProviderError::new(ErrorClass::Rejected, text))
            }
        }
    }

    async fn contents(&self, target: &Target) -> Result<Vec<Content>, ProviderError> {
        self.list_contents(target).await
    }

    async fn containers(&self, lineage: &str) -> Result<Vec<Content>, ProviderError> {
        self.marked_namespaces(lineage).await
    }

    async fn marked(&self, kind: &Kind, lineage: &str) -> Result<Vec<Marked>, ProviderError> {
        self.marked_data(kind, lineage).await
    }

    async fn safeguard(
        &self,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<Option<Safeguard>, ProviderError> {
        self.keep_data(operation, progress).await
    }

    async fn named(&self, kind: &Kind, name: &str) -> Result<Option<String>, ProviderError> {
        if disks::is_disk(kind) { self.disk_of_volume(name).await.map(Some) } else { Ok(None) }
    }

    async fn look_closely(&self, look: &Look<'_>) -> Result<(), ProviderError> {
        if disks::is_data(look.target.kind) { self.look_at_data(look).await } else { Ok(()) }
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }
}
