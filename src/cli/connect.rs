//! Connections: from the key in a record or node to a provider. The only place where providers meet.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::error::CliError;
use crate::engine::provider::{Provider, ProviderError, ProviderKey, Providers};
use crate::providers::azure::{self, AzureProvider, SignIns};
use crate::providers::kubernetes::{Connector, Files, KubernetesConfig, KubernetesProvider, Way};
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
    /// Whether kubeconfigs that the project names may run programs.
    pub allow_exec: bool,
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
            let of_cloud = match (key.scheme(), key.outer()) {
                ("azure", _) => key.clone(),
                ("kubernetes", Some(outer)) if outer.scheme() == "azure" => outer,
                ("kubernetes", None) => {
                    providers.insert(key.clone(), Arc::new(self.cluster(key)));
                    continue;
                }
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
                Some(cluster) => {
                    let way = Arc::new(Admin { cloud, cluster: cluster.to_owned() });
                    Arc::new(KubernetesProvider::new(self.kubernetes(way)))
                }
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
            "kubernetes" => {
                let surveyed = self.survey(key).await.map_err(|error| {
                    let failed = CliError::new("cluster", error.described());
                    match error.hint {
                        Some(hint) => failed.help(hint),
                        None => failed,
                    }
                })?;
                Ok(names.iter().map(|name| (name.to_lowercase(), surveyed.clone())).collect())
            }
            _ => Ok(BTreeMap::new()),
        }
    }

    /// What the cluster is to which settings and environment lead.
    async fn survey(&self, key: &ProviderKey) -> Result<String, ProviderError> {
        let files = Files::new(&self.opening(key));
        let (way, connector): (Way, Arc<dyn Connector>) = match &self.sandbox {
            Some(sandbox) => {
                let way = Way {
                    context: files.context().unwrap_or("default").to_owned(),
                    named: true,
                    file: "the sandbox".to_owned(),
                    server: "the cluster that is there".to_owned(),
                };
                (way, Arc::new(Standing::new(sandbox, &files)))
            }
            None => (files.way()?, Arc::new(files)),
        };
        KubernetesProvider::new(self.kubernetes(connector)).survey(&way).await
    }

    /// The provider of a cluster that is there. Of one that the state does not know nothing is read or written: which one
    /// it is must be looked up first.
    fn cluster(&self, key: &ProviderKey) -> KubernetesProvider {
        let files = Files::new(&self.opening(key));
        let connector: Arc<dyn Connector> = match (&self.sandbox, key.host()) {
            (_, None) => Arc::new(Unknown),
            (Some(sandbox), Some(_)) => Arc::new(Standing::new(sandbox, &files)),
            (None, Some(_)) => Arc::new(files),
        };
        let expected = key.host().map(str::to_owned);
        KubernetesProvider::new(KubernetesConfig { expected, ..self.kubernetes(connector) })
    }

    fn opening(&self, key: &ProviderKey) -> Opening<'_> {
        Opening {
            written: self.known.get(key).map(|connection| &connection.credentials),
            environment: self.environment,
            stand_in: self.sandbox,
            allow_exec: self.allow_exec,
            seed: self.seed,
        }
    }

    fn kubernetes(&self, way: Arc<dyn Connector>) -> KubernetesConfig {
        let mut config = KubernetesConfig::new(way);
        config.seed = self.seed;
        if self.sandbox.is_some() {
            config.poll = LOCAL_POLL;
            config.retry = LOCAL;
        }
        config
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

/// The way to a cluster that is there, in the sandbox.
struct Standing(String);

impl Standing {
    /// The one that a kubeconfig would lead to by this context.
    fn new(sandbox: &StandIn<'_>, files: &Files) -> Self {
        let context = files.context().unwrap_or("default");
        Self(kompox_sandbox::standing_kubeconfig(sandbox.endpoint, sandbox.token, context))
    }
}

#[async_trait]
impl Connector for Standing {
    async fn kubeconfig(&self) -> Result<Option<String>, ProviderError> {
        Ok(Some(self.0.clone()))
    }
}

/// A cluster that nobody has looked for.
struct Unknown;

#[async_trait]
impl Connector for Unknown {
    async fn kubeconfig(&self) -> Result<Option<String>, ProviderError> {
        Ok(None)
    }
}
