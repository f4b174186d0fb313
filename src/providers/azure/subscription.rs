//! One subscription, as everything of the provider asks it.

use std::time::Duration;

use super::client::Arm;
use super::config::AzureConfig;
use super::recent::Recent;
use crate::engine::provider::{ErrorClass, ProviderError};

/// Azure Resource Manager as a provider.
#[derive(Debug)]
pub struct AzureProvider {
    pub(super) arm: Arm,
    pub(super) subscription: String,
    pub(super) recent: Recent,
    pub(super) concurrency: usize,
    pub(super) poll_cap: Duration,
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
}
