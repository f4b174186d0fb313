//! One Kubernetes cluster: reads by lists, previews by dry runs, changes by server-side apply, waits for readiness.
//!
//! - `table`: kinds and their paths; `fields`: `managedFields` as writers
//! - `kubeconfig`: the files that lead to a cluster; `cluster`: which one it is
//! - `api`: connection, retries, limits; `error`: what a refusal means, without secrets
//! - `disks`: disks and snapshots that the cluster keeps itself
//! - `read`, `apply`, `delete`, `contents`: the calls of [`Provider`]; `retain`: what is below a volume stays; `tie`: volumes
//!   whose claim is gone
//! - `ready`: predicates, `wait`: waiting for them

mod api;
mod apply;
mod cluster;
mod contents;
mod delete;
mod disks;
mod error;
mod fields;
mod kubeconfig;
mod logs;
mod page;
mod read;
mod ready;
mod retain;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod tie;
mod wait;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use async_trait::async_trait;

use self::api::Api;
use self::apply::Intent;
pub use self::kubeconfig::{Files, Way};
use self::table::Location;
use super::retry::Policy;
use crate::engine::kind::Kind;
use crate::engine::provider::{
    Change, Content, ErrorClass, Look, Marked, Observation, Observed, Operation, Preview, Progress, Provider,
    ProviderError, Safeguard, Target,
};
use crate::engine::value::Value;

/// Finds the way to a cluster.
#[async_trait]
pub trait Connector: Send + Sync {
    /// The cluster's kubeconfig as YAML; its current context is used. `None`: the cluster does not exist yet. Asked
    /// again until there is one, and once more when its credentials are refused.
    async fn kubeconfig(&self) -> Result<Option<String>, ProviderError>;

    /// What to call the way in messages.
    fn described(&self) -> String {
        "the kubeconfig".to_owned()
    }
}

/// How to work with a cluster.
pub struct KubernetesConfig {
    /// The way to it.
    pub connector: Arc<dyn Connector>,
    /// The uid of the Namespace `kube-system` of the cluster that it must be; any cluster without.
    pub expected: Option<String>,
    /// Our name as a writer of fields.
    pub field_manager: String,
    /// Requests at once.
    pub concurrency: usize,
    /// How often and how long to try again.
    pub retry: Policy,
    /// How often to look whether an object is ready or gone.
    pub poll: Duration,
    /// How long containers that no probe vouches for must have run before they count as up.
    pub settle: Duration,
    /// How long to wait for one answer.
    pub request_timeout: Duration,
    /// Spreads retries.
    pub seed: u64,
    /// The name of the program for the API server's log, such as `kompox/0.1.0`.
    pub user_agent: String,
}

impl KubernetesConfig {
    /// The usual settings: 8 requests at once, a look every second, a minute for an answer.
    pub fn new(connector: Arc<dyn Connector>) -> Self {
        Self {
            connector,
            expected: None,
            field_manager: "kompox-converter".to_owned(),
            concurrency: 8,
            retry: Policy::default(),
            poll: Duration::from_secs(1),
            settle: Duration::from_secs(3),
            request_timeout: Duration::from_secs(60),
            seed: 0,
            user_agent: concat!("kompox/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// The provider of one cluster.
pub struct KubernetesProvider {
    api: Arc<Api>,
    field_manager: String,
    poll: Duration,
    settle: Duration,
    concurrency: usize,
    /// How many wait for something.
    waiting: AtomicUsize,
}

impl KubernetesProvider {
    /// Connects at the first call that finds the cluster, so that it works in the run that creates it.
    pub fn new(config: KubernetesConfig) -> Self {
        let api = Arc::new(Api::new(&config));
        let KubernetesConfig { field_manager, poll, settle, concurrency, .. } = config;
        Self { api, field_manager, poll, settle, concurrency, waiting: AtomicUsize::new(0) }
    }
}

#[async_trait]
impl Provider for KubernetesProvider {
    async fn read(&self, targets: &[Target]) -> Vec<Observation> {
        let mut observations = self.api.read(targets).await;
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
