//! Azure Resource Manager.
//!
//! An object is the ARM resource as JSON with its whole `id`; type and API version follow from the id, and `id` and other
//! read-only fields are taken out of a body before it is sent. A role assignment may come as `scope` and `properties`
//! instead of an id: its name is computed from scope, principal and role.
//!
//! | file | what |
//! |---|---|
//! | `auth` | tokens; the only file that names the Azure SDK |
//! | `client` | HTTP: authorization, limits, retries, errors; everything else of the provider asks it only |
//! | `error` | ARM's error envelope to [`ProviderError`] with a hint |
//! | `id`, `types` | what an id names, and what must be known of its type |
//! | `read`, `contents` | lists and single reads |
//! | `recent` | what was seen and unlocked, where another region says otherwise for a while |
//! | `write`, `body`, `role` | creations, changes, deletions, and the bodies they send |
//! | `operation` | long-running operations |
//! | `usages` | what a subscription has left |
//! | `vaults` | key vaults by their names |
//!
//! Of the SDK, `azure_identity` signs in and `azure_core` gives its interface. The generated clients are not used: the
//! by-id client's `GenericResource` has no `zones`, typed models drop what they do not know of an answer, lists come
//! typed only, and an answer that is an error loses headers and body on the way. Bodies go out and answers come in as
//! JSON, so nothing is lost, and a new field of an API needs no new crate.

mod auth;
mod body;
mod client;
mod contents;
mod error;
mod id;
mod open;
mod operation;
mod read;
mod recent;
mod role;
mod safety;
#[cfg(test)]
mod tests;
mod types;
mod usages;
mod vaults;
mod write;

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use url::Url;

use crate::engine::kind::Kind;
use crate::engine::provider::{
    Content, ErrorClass, Marked, Observation, Observed, Operation, Preview, Progress, Provider, ProviderError, Room,
    Safeguard, Target,
};
use crate::engine::value::Value;
use crate::providers::retry::Policy;

pub use auth::{Auth, SignIns};
use client::{Arm, Method, Precondition, Request};
pub use open::open;
use recent::Recent;

/// Time between two tries at what a lock refuses that was lifted a moment ago.
const UNLOCK_POLL: Duration = Duration::from_secs(2);

/// How to reach a subscription.
#[derive(Debug, Clone)]
pub struct AzureConfig {
    /// The subscription's id.
    pub subscription_id: String,
    /// The tenant to sign in to; the subscription's own if `None`.
    pub tenant_id: Option<String>,
    /// How to sign in.
    pub auth: Auth,
    /// Sign-ins that are shared with other providers of the run.
    pub sign_ins: SignIns,
    /// Another Resource Manager than the public cloud's: a sovereign cloud, or the sandbox.
    pub endpoint: Option<Url>,
    /// Requests at once, per subscription and apart for reads and writes.
    pub concurrency: usize,
    /// When to try again.
    pub retry: Policy,
    /// Longest time between two polls of a long-running operation.
    pub poll_cap: Duration,
    /// Seed of the jitter.
    pub seed: u64,
}

impl AzureConfig {
    /// The public cloud with usual limits: sixteen requests at once, a poll each fifteen seconds at least.
    pub fn new(subscription_id: impl Into<String>, auth: Auth, seed: u64) -> Self {
        Self {
            subscription_id: subscription_id.into(),
            tenant_id: None,
            auth,
            sign_ins: SignIns::default(),
            endpoint: None,
            concurrency: 16,
            retry: Policy::default(),
            poll_cap: Duration::from_secs(15),
            seed,
        }
    }
}

/// Azure Resource Manager as a provider.
#[derive(Debug)]
pub struct AzureProvider {
    arm: Arm,
    subscription: String,
    recent: Recent,
    concurrency: usize,
    poll_cap: Duration,
}

impl AzureProvider {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// The subscription's id is no single path segment, the endpoint is no `https` URL (`http` on loopback only), or no
    /// HTTP client can be made.
    pub fn new(config: AzureConfig) -> Result<Self, ProviderError> {
        let id = &config.subscription_id;
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
            return Err(ProviderError::new(ErrorClass::Rejected, format!("`{id}` is no subscription id"))
                .hint("set AZURE_SUBSCRIPTION_ID to the GUID that `az account show` prints"));
        }
        Ok(Self {
            arm: Arm::new(&config)?,
            subscription: id.clone(),
            recent: Recent::new(config.retry.budget),
            concurrency: config.concurrency.max(1),
            poll_cap: config.poll_cap,
        })
    }

    /// The administrator's kubeconfig of a cluster (`ManagedClusters_ListClusterAdminCredentials`): a secret. `None` if
    /// the cluster does not exist.
    ///
    /// # Errors
    /// No rights, local accounts disabled, no such answer. The error never holds the kubeconfig.
    pub async fn cluster_admin_kubeconfig(&self, cluster_id: &str) -> Result<Option<String>, ProviderError> {
        let (id, kind) = read::identify(cluster_id)?;
        let url = self.arm.url(&format!("{id}/listClusterAdminCredential"), kind.api_version);
        let request =
            Request { method: Method::POST, url, body: None, precondition: Precondition::None, progress: None };
        let mut answer = self.arm.send(&request).await;
        while let Err(error) = &answer
            && error.code.as_deref() == Some("ScopeLocked")
            && self.recent.is_unlocked(id.as_str())
        {
            tokio::time::sleep(self.poll_cap.min(UNLOCK_POLL)).await;
            answer = self.arm.send(&request).await;
        }
        let response = match answer {
            Ok(response) => response,
            Err(error) if error::is_missing(&error) => return Ok(None),
            // Handing out credentials is a POST, and a ReadOnly lock refuses every POST (Azure docs, "Lock your resources").
            Err(error) if error.code.as_deref() == Some("ScopeLocked") => {
                let hint = format!(
                    "a ReadOnly lock on {id} or above it keeps the cluster's credentials back: lift it (protection.lock: \
                     false if it is ours; `az lock list --resource-group {group}` lists others)",
                    group = id.parent().split('/').nth(4).unwrap_or("GROUP"),
                );
                return Err(ProviderError { class: ErrorClass::Locked, ..error }.hint(hint));
            }
            // A cluster that is only being made has no objects yet; in any other operation it has.
            Err(error) if error.status == Some(409) => {
                let cluster = self.arm.get_object(self.arm.url(id.as_str(), kind.api_version)).await?;
                let state = cluster.as_ref().and_then(|cluster| cluster.body.pointer("/properties/provisioningState"));
                return if state.and_then(Json::as_str) == Some("Creating") { Ok(None) } else { Err(error) };
            }
            // It reads only, so nothing can be half done.
            Err(error) if error.class == ErrorClass::Ambiguous => {
                return Err(ProviderError { class: ErrorClass::Rejected, ..error });
            }
            Err(error) => return Err(error),
        };
        let encoded = response.body.pointer("/kubeconfigs/0/value").and_then(Json::as_str);
        let text = encoded.and_then(|text| STANDARD.decode(text).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
        text.map(Some).ok_or_else(|| ProviderError {
            request_id: response.request_id(),
            ..ProviderError::new(ErrorClass::Rejected, format!("the answer for {id} holds no kubeconfig"))
        })
    }
}

/// The id of a desired object: as it says, or computed for a role assignment whose facts are known.
fn desired_id(desired: &Value) -> Option<String> {
    if let Some(id) = desired.get("id") {
        return id.as_str().map(str::to_owned);
    }
    let fact = |key: &str| desired.at(&["properties", key]).and_then(Value::as_str);
    let scope = desired.get("scope")?.as_str()?;
    Some(role::id(scope, fact("principalId")?, fact("roleDefinitionId")?))
}

#[async_trait]
impl Provider for AzureProvider {
    async fn read(&self, targets: &[Target]) -> Vec<Observation> {
        self.read_all(targets).await
    }

    fn physical_id(&self, _kind: &Kind, desired: &Value) -> Option<String> {
        desired_id(desired)
    }

    async fn preview(&self, _target: &Target, _desired: &Json, _force: bool) -> Result<Preview, ProviderError> {
        Ok(Preview::Unconfirmed("Azure has no dry run".to_owned()))
    }

    async fn execute(&self, operation: &Operation, progress: &dyn Progress) -> Result<Option<Observed>, ProviderError> {
        self.carry_out(operation, progress).await
    }

    async fn contents(&self, target: &Target) -> Result<Vec<Content>, ProviderError> {
        self.list_contents(target).await
    }

    async fn containers(&self, lineage: &str) -> Result<Vec<Content>, ProviderError> {
        self.marked_groups(lineage).await
    }

    async fn marked(&self, kind: &Kind, lineage: &str) -> Result<Vec<Marked>, ProviderError> {
        self.marked_data(kind, lineage).await
    }

    async fn safeguard(
        &self,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<Option<Safeguard>, ProviderError> {
        self.snapshot_before_delete(operation, progress).await
    }

    async fn room(&self, objects: &[Json]) -> Result<Vec<Room>, ProviderError> {
        self.usages(objects).await
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }
}
