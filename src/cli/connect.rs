//! Connections: from the key in a record or node to a provider. The only place where providers meet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use super::error::CliError;
use crate::engine::provider::{Provider, ProviderError, ProviderKey, Providers};
use crate::providers::azure::{Auth, AzureConfig, AzureProvider, SignIns};
use crate::providers::kubernetes::{Connector, KubernetesConfig, KubernetesProvider};
use crate::providers::retry::Policy;
use crate::resources::driver::Connection;

/// When to try again on this machine: what the sandbox refuses for some seconds it refuses on purpose.
const LOCAL: Policy = Policy {
    retries: 6,
    base: Duration::from_millis(100),
    cap: Duration::from_secs(1),
    budget: Duration::from_secs(4),
};

/// How to reach everything: the real clouds, or the sandbox for all of them.
pub struct Connections<'a> {
    /// How to sign in, by key, as the manifests say.
    pub known: &'a BTreeMap<ProviderKey, Connection>,
    /// The process's environment.
    pub environment: &'a BTreeMap<String, String>,
    /// The sandbox's endpoint and token, if it stands for every cloud.
    pub sandbox: Option<(&'a str, &'a str)>,
    /// Seed of the jitter of retries.
    pub seed: u64,
    /// The sign-ins of the run.
    pub sign_ins: &'a SignIns,
}

/// Another metadata service than that of Azure machines, under the name that the SDKs of Azure read.
const METADATA_SERVICE: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";

/// `azure://<subscription>?auth=<method>`
struct AzureKey<'k> {
    whole: &'k str,
    subscription: &'k str,
    auth: &'k str,
}

fn parse_azure(key: &str) -> Option<AzureKey<'_>> {
    let (subscription, auth) = key.strip_prefix("azure://")?.split_once("?auth=")?;
    Some(AzureKey { whole: key, subscription, auth })
}

impl Connections<'_> {
    /// Providers for these keys. Nothing is connected yet: that happens with the first request.
    ///
    /// # Errors
    /// A key of another version, or sign-in settings that are missing.
    pub fn open<'k>(&self, keys: impl IntoIterator<Item = &'k str>) -> Result<Providers, CliError> {
        let mut clouds: BTreeMap<String, Arc<AzureProvider>> = BTreeMap::new();
        let mut providers = Providers::new();
        for key in keys {
            if providers.contains_key(key) {
                continue;
            }
            let (cloud, cluster) = match key.strip_prefix("kubernetes+").and_then(|rest| rest.split_once('#')) {
                Some((cloud, cluster)) => (cloud, Some(cluster)),
                None => (key, None),
            };
            let azure = parse_azure(cloud).ok_or_else(|| {
                CliError::new("provider", format!("the state names a provider that this version does not know: {key}"))
                    .help("use the version of kompox that wrote it")
            })?;
            let cloud = match clouds.get(azure.whole) {
                Some(cloud) => cloud.clone(),
                None => {
                    let cloud = Arc::new(self.azure(&azure)?);
                    clouds.insert(azure.whole.to_owned(), cloud.clone());
                    cloud
                }
            };
            let provider: Arc<dyn Provider> = match cluster {
                Some(cluster) => Arc::new(self.kubernetes(cloud, cluster)),
                None => cloud,
            };
            providers.insert(key.into(), provider);
        }
        Ok(providers)
    }

    /// The ids of what others made, by their names in lower case, as far as whoever signs in to `key` may see them: key
    /// vaults, in Azure.
    ///
    /// # Errors
    /// Not a key of this version, sign-in settings that are missing, or Azure refuses.
    pub async fn look_up(&self, key: &str, names: &[String]) -> Result<BTreeMap<String, String>, CliError> {
        let Some(azure) = parse_azure(key) else { return Ok(BTreeMap::new()) };
        self.azure(&azure)?.find_vaults(names).await.map_err(|error| CliError::new("sign-in", error.described()))
    }

    fn azure(&self, key: &AzureKey<'_>) -> Result<AzureProvider, CliError> {
        let auth = match self.sandbox {
            Some((_, token)) => Auth::Static(token.to_owned()),
            None => self.auth(key)?,
        };
        let mut config = AzureConfig::new(key.subscription, auth, self.seed);
        config.sign_ins = self.sign_ins.clone();
        config.tenant_id = self.optional(key, "AZURE_TENANT_ID");
        let endpoint = self
            .sandbox
            .map(|(endpoint, _)| endpoint)
            .or_else(|| self.environment.get("AZURE_RESOURCE_MANAGER_ENDPOINT").map(String::as_str));
        if let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.is_empty()) {
            let url = Url::parse(endpoint)
                .map_err(|error| CliError::new("endpoint", format!("the endpoint {endpoint} is no URL: {error}")))?;
            config.endpoint = Some(url);
        }
        if self.sandbox.is_some() {
            config.poll_cap = Duration::from_millis(50);
            config.retry = LOCAL;
        }
        AzureProvider::new(config).map_err(|error| {
            let failed = CliError::new("sign-in", format!("Azure cannot be used: {error}"));
            match error.hint {
                Some(hint) => failed.help(hint),
                None => failed,
            }
        })
    }

    /// A setting of the sign-in: the manifest's, else the environment's.
    fn optional(&self, key: &AzureKey<'_>, name: &str) -> Option<String> {
        let known = self.known.get(key.whole).and_then(|connection| connection.credentials.get(name));
        known.or_else(|| self.environment.get(name)).filter(|value| !value.is_empty()).cloned()
    }

    fn auth(&self, key: &AzureKey<'_>) -> Result<Auth, CliError> {
        let optional = |name: &str| self.optional(key, name);
        let required = |name: &str| {
            optional(name).ok_or_else(|| {
                CliError::new("sign-in", format!("{name} is missing; AZURE_AUTH_METHOD {} needs it", key.auth))
                    .help(format!("set the environment variable {name}, or the setting of the Provider"))
            })
        };
        Ok(match key.auth {
            "azure_cli" => Auth::AzureCli,
            "azure_developer_cli" => Auth::AzureDeveloperCli,
            "client_secret" => Auth::ClientSecret {
                tenant_id: required("AZURE_TENANT_ID")?,
                client_id: required("AZURE_CLIENT_ID")?,
                client_secret: required("AZURE_CLIENT_SECRET")?,
            },
            "managed_identity" => Auth::ManagedIdentity {
                client_id: optional("AZURE_CLIENT_ID"),
                service: optional(METADATA_SERVICE)
                    .map(|service| {
                        Url::parse(&service).map_err(|error| {
                            CliError::new("endpoint", format!("{METADATA_SERVICE} is no URL: {error}"))
                        })
                    })
                    .transpose()?,
            },
            "workload_identity" => Auth::WorkloadIdentity {
                tenant_id: required("AZURE_TENANT_ID")?,
                client_id: required("AZURE_CLIENT_ID")?,
                token_file: required("AZURE_FEDERATED_TOKEN_FILE")?,
            },
            other => return Err(CliError::new("sign-in", format!("the sign-in method \"{other}\" is not known"))),
        })
    }

    fn kubernetes(&self, cloud: Arc<AzureProvider>, cluster: &str) -> KubernetesProvider {
        let mut config = KubernetesConfig::new(Arc::new(Admin { cloud, cluster: cluster.to_owned() }));
        config.seed = self.seed;
        if self.sandbox.is_some() {
            config.poll = Duration::from_millis(50);
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
