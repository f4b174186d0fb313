//! Agent pools as their cluster shows them, in `agentPoolProfiles`.

use rusqlite::Transaction;
use serde_json::{Value, json};

use super::super::world::WorldError;
use super::body;
use super::kinds::POOL_TYPE;
use super::operations;
use super::store;

/// The cluster's key and the pool's name, when the key is a pool's.
pub(super) fn split_key(key: &str) -> Option<(&str, &str)> {
    let (cluster, pool) = key.split_once("/agentpools/")?;
    (!pool.contains('/')).then_some((cluster, pool))
}

/// Writes the pools into `agentPoolProfiles` of their cluster.
pub(super) fn refresh(tx: &Transaction<'_>, cluster: &str) -> Result<(), WorldError> {
    let Some(mut object) = store::get(tx, cluster)? else { return Ok(()) };
    let profiles: Vec<Value> = store::children(tx, cluster, POOL_TYPE)?
        .into_iter()
        .map(|(_, pool)| {
            let mut profile = pool["properties"].clone();
            body::set(&mut profile, "name", pool["name"].clone());
            profile
        })
        .collect();
    body::set(&mut object, "properties.agentPoolProfiles", Value::Array(profiles));
    store::update(tx, cluster, &object)
}

/// A write of a cluster or a pool has ended: pools that came with it are in the same state, and the cluster shows its
/// pools as they are.
pub(super) fn settled(tx: &Transaction<'_>, key: &str, state: &str) -> Result<(), WorldError> {
    if let Some((cluster, _)) = split_key(key) {
        return refresh(tx, cluster);
    }
    for (pool, mut object) in store::children(tx, key, POOL_TYPE)? {
        let under_way = matches!(body::text(&object, "properties.provisioningState"), Some("Creating" | "Updating"));
        if under_way && operations::running(tx, &pool)?.is_none() {
            body::set(&mut object, "properties.provisioningState", json!(state));
            store::update(tx, &pool, &object)?;
        }
    }
    refresh(tx, key)
}
