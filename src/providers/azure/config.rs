//! How a subscription is reached.

use std::time::Duration;

use url::Url;

use super::auth::{Auth, SignIns};
use crate::providers::retry::Policy;

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
