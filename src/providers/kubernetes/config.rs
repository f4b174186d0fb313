//! The way to a cluster, and how to work with it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::provider::ProviderError;
use crate::providers::retry::Policy;

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
