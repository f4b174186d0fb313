//! Connections: from the key in a record or node to a provider. The only place where providers meet.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::error::CliError;
use crate::engine::provider::{Provider, ProviderError, ProviderKey, Providers};
use crate::providers::azure::{self, AzureProvider, SignIns};
use crate::providers::kubernetes::{Connector, KubernetesConfig, KubernetesProvider};
use crate::providers::opening::{LOCAL, LOCAL_POLL, NotOpened, Opening, StandIn};
use crate::resources::driver::Connection;

/// How to reach everything: the real clouds, or the sandbox for all of them.
pub struct Connections<'a> {
    /// How to sign in, by key, as the manifests say.
    pub known: &'a BTreeMap<ProviderKey, Connection>,
    /// The process's environment.
    pub environment: &'a BTreeMap<String, String>,
    /// The sandbox, if it stands for every cloud.
    pub sandbox: Option<StandIn<'a>>,
    /// Seed of the jitter of retries.
    pub seed: u64,
    /// The sign-ins of the run.
    pub sign_ins: &'a SignIns,
}

impl From<NotOpened> for CliError {
    fn from(NotOpened { code, message, help }: NotOpened) -> Self {
        let error = Self::new(code, message);
        match help {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

impl Connections<'_> {
    /// Providers for these keys. Nothing is connected yet: that happens with the first request.
    ///
    /// # Errors
    /// A key of another version, or sign-in settings that are missing.
    pub fn open<'k>(&self, keys: impl IntoIterator<Item = &'k ProviderKey>) -> Result<Providers, CliError> {
        let mut clouds: BTreeMap<ProviderKey, Arc<AzureProvider>> = BTreeMap::new();
        let mut providers = Providers::new();
        for key in keys {
            if providers.contains_key(key) {
                continue;
            }
            let unknown = || {
                let message = format!("the state names a provider that this version does not know: {key}");
                CliError::new("provider", message).help("use the version of kompox that wrote it")
            };
            let of_cloud = match key.scheme() {
                "azure" => key.clone(),
                "kubernetes" => key.outer().filter(|outer| outer.scheme() == "azure").ok_or_else(unknown)?,
                _ => return Err(unknown()),
            };
            let cloud = match clouds.get(&of_cloud) {
                Some(cloud) => cloud.clone(),
                None => {
                    let cloud = Arc::new(azure::open(&of_cloud, &self.opening(&of_cloud), self.sign_ins)?);
                    clouds.insert(of_cloud, cloud.clone());
                    cloud
                }
            };
            let provider: Arc<dyn Provider> = match key.host() {
                Some(cluster) => Arc::new(self.kubernetes(Admin { cloud, cluster: cluster.to_owned() })),
                None => cloud,
            };
            providers.insert(key.clone(), provider);
        }
        Ok(providers)
    }

    /// The ids of what others made, by their names in lower case, as far as whoever signs in to `key` may see them.
    ///
    /// # Errors
    /// Sign-in settings that are missing, or the cloud refuses.
    pub async fn look_up(&self, key: &ProviderKey, names: &[String]) -> Result<BTreeMap<String, String>, CliError> {
        match key.scheme() {
            "azure" => {
                let cloud = azure::open(key, &self.opening(key), self.sign_ins)?;
                cloud.find_vaults(names).await.map_err(|error| CliError::new("sign-in", error.described()))
            }
            _ => Ok(BTreeMap::new()),
        }
    }

    fn opening(&self, key: &ProviderKey) -> Opening<'_> {
        Opening {
            written: self.known.get(key).map(|connection| &connection.credentials),
            environment: self.environment,
            stand_in: self.sandbox,
            seed: self.seed,
        }
    }

    fn kubernetes(&self, way: impl Connector + 'static) -> KubernetesProvider {
        let mut config = KubernetesConfig::new(Arc::new(way));
        config.seed = self.seed;
        if self.sandbox.is_some() {
            config.poll = LOCAL_POLL;
            config.retry = LOCAL;
        }
        KubernetesProvider::new(config)
    }
}

/// The way to a managed cluster: the cloud gives its admin kubeconfig.
struct Admin {
    cloud: Arc<AzureProvider>,
    cluster: String,
}

#[async_trait]
impl Connector for Admin {
    async fn kubeconfig(&self) -> Result<Option<String>, ProviderError> {
        self.cloud.cluster_admin_kubeconfig(&self.cluster).await
    }
}
