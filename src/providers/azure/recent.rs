//! What this run has seen exist and what it has unlocked: Azure Resource Manager replicates between regions, and for a
//! while one of them answers as if the newest had not happened (hashicorp/terraform-provider-azurerm#4682).

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::provider::ProviderError;

use super::error::is_missing;
use super::id::ArmId;

/// How long a region may lag behind.
const LAG: Duration = Duration::from_secs(120);

/// See the module.
#[derive(Debug)]
pub(super) struct Recent {
    lag: Duration,
    seen: Mutex<HashSet<String>>,
    unlocked: Mutex<HashMap<String, Instant>>,
}

impl Recent {
    /// Nothing yet. `patience` is the longest that anything is tried again.
    pub fn new(patience: Duration) -> Self {
        Self { lag: patience.min(LAG), seen: Mutex::default(), unlocked: Mutex::default() }
    }

    /// An object was there just now.
    pub fn saw(&self, id: &str) {
        if let Ok(mut seen) = self.seen.lock() {
            seen.insert(id.trim_end_matches('/').to_lowercase());
        }
    }

    /// An object was deleted.
    pub fn lost(&self, id: &str) {
        if let Ok(mut seen) = self.seen.lock() {
            let below = format!("{}/", id.to_lowercase());
            seen.retain(|known| !format!("{known}/").starts_with(&below));
        }
    }

    /// A lock on this scope was deleted or loosened.
    pub fn unlocked(&self, scope: &str) {
        if let Ok(mut unlocked) = self.unlocked.lock() {
            unlocked.insert(scope.trim_end_matches('/').to_lowercase(), Instant::now());
        }
    }

    /// Whether an answer to a write of `id` that began at `started` only lags behind: what the object lives in is missing
    /// although it was seen, or a lock refuses that was lifted.
    pub fn lags(&self, error: &ProviderError, id: &ArmId, started: Instant) -> bool {
        match error.code.as_deref() {
            Some("ScopeLocked") => self.is_unlocked(id.as_str()),
            _ if !is_missing(error) || started.elapsed() > self.lag => false,
            _ => {
                let parent = id.parent().to_lowercase();
                // `fileServices/default` is there with its account.
                let parent = parent.strip_suffix("/fileservices/default").unwrap_or(&parent);
                let group = parent.split('/').take(5).collect::<Vec<_>>().join("/");
                let missing = if error.code.as_deref() == Some("ResourceGroupNotFound") { &group } else { parent };
                self.seen.lock().is_ok_and(|seen| seen.contains(missing))
            }
        }
    }

    /// Whether a lock over `id` was lifted a moment ago.
    pub fn is_unlocked(&self, id: &str) -> bool {
        let id = format!("{}/", id.to_lowercase());
        self.unlocked.lock().is_ok_and(|unlocked| {
            unlocked.iter().any(|(scope, at)| {
                // Deletions look at locks below them too.
                let scope = format!("{scope}/");
                (id.starts_with(&scope) || scope.starts_with(&id)) && at.elapsed() <= self.lag
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::provider::ErrorClass;

    fn refused(status: u16, code: &str) -> ProviderError {
        ProviderError {
            status: Some(status),
            code: Some(code.into()),
            ..ProviderError::new(ErrorClass::Rejected, "no")
        }
    }

    #[tokio::test]
    async fn only_what_was_seen_may_lag_behind() {
        let recent = Recent::new(Duration::from_secs(60));
        let (now, group) = (Instant::now(), "/subscriptions/s/resourceGroups/G");
        let id = |rest: &str| ArmId::parse(&format!("/subscriptions/s/resourcegroups/g{rest}")).unwrap();
        let (disk, share) = (
            id("/providers/Microsoft.Compute/disks/d"),
            id("/providers/Microsoft.Storage/storageAccounts/a/fileServices/default/shares/s"),
        );
        let (no_group, no_parent) = (refused(404, "ResourceGroupNotFound"), refused(404, "ParentResourceNotFound"));
        assert!(!recent.lags(&no_group, &disk, now));
        recent.saw(group);
        assert!(recent.lags(&no_group, &disk, now) && recent.lags(&no_group, &share, now));
        assert!(!recent.lags(&no_parent, &share, now));
        recent.saw(&format!("{group}/providers/Microsoft.Storage/storageAccounts/A"));
        assert!(recent.lags(&no_parent, &share, now));
        assert!(!recent.lags(&refused(404, "SubscriptionNotFound"), &disk, now));
        assert!(!recent.lags(&refused(409, "Conflict"), &disk, now));
        recent.lost(group);
        assert!(!recent.lags(&no_group, &disk, now) && !recent.lags(&no_parent, &share, now));
        assert!(!Recent::new(Duration::ZERO).lags(&no_group, &disk, now));
    }

    #[tokio::test]
    async fn a_lock_that_was_lifted_may_lag_behind_over_and_below_it() {
        let recent = Recent::new(Duration::from_secs(60));
        let cluster = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";
        let lags = |id: &str| recent.lags(&refused(409, "ScopeLocked"), &ArmId::parse(id).unwrap(), Instant::now());
        assert!(!lags(cluster));
        recent.unlocked(cluster);
        assert!(lags(cluster) && lags(&format!("{cluster}/agentPools/p")) && lags("/subscriptions/s/resourceGroups/g"));
        assert!(!lags(&format!("{cluster}2")));
    }
}
