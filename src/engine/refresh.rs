//! Refresh: asks every provider for all of its objects at once.

use std::collections::{BTreeMap, HashMap};

use super::address::Address;
use super::provider::{ErrorClass, Observation, ProviderError, ProviderKey, Providers, Target};

/// Reads all targets, one batch per provider, all providers at once. What is read goes into `observations`, over what
/// was known of an address before.
pub async fn read_all(
    providers: &Providers,
    targets: Vec<(ProviderKey, Target)>,
    observations: &mut HashMap<Address, Observation>,
) {
    let mut batches: BTreeMap<ProviderKey, Vec<Target>> = BTreeMap::new();
    for (key, target) in targets {
        batches.entry(key).or_default().push(target);
    }
    let reads = batches.into_iter().map(|(key, targets)| async move {
        let observations = match providers.get(&key) {
            Some(provider) => provider.read(&targets).await,
            None => {
                let error = ProviderError::new(ErrorClass::Denied, format!("there is no connection for {key}"));
                targets.iter().map(|_| Observation::failed(error.clone())).collect()
            }
        };
        (targets, observations)
    });
    for (targets, read) in futures::future::join_all(reads).await {
        observations.extend(targets.into_iter().map(|target| target.address).zip(read));
    }
}
