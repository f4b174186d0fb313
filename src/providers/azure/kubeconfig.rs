//! The way into a managed cluster.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::client::{Method, Precondition, Request};
use super::subscription::AzureProvider;
use super::{error, read};
use crate::engine::provider::{ErrorClass, ProviderError};

/// Time between two tries at what a lock refuses that was lifted a moment ago.
const UNLOCK_POLL: Duration = Duration::from_secs(2);

impl AzureProvider {
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
