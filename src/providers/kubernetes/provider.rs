//! One cluster, as everything of the provider asks it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::api::Api;
use super::config::KubernetesConfig;

/// The provider of one cluster.
pub struct KubernetesProvider {
    pub(super) api: Arc<Api>,
    pub(super) field_manager: String,
    pub(super) poll: Duration,
    pub(super) settle: Duration,
    pub(super) concurrency: usize,
    /// How many wait for something.
    pub(super) waiting: AtomicUsize,
}

impl KubernetesProvider {
    /// Connects at the first call that finds the cluster, so that it works in the run that creates it.
    pub fn new(config: KubernetesConfig) -> Self {
        let api = Arc::new(Api::new(&config));
        let KubernetesConfig { field_manager, poll, settle, concurrency, .. } = config;
        Self { api, field_manager, poll, settle, concurrency, waiting: AtomicUsize::new(0) }
    }
}
