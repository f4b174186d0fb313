//! Node resource groups: where the machines of a managed cluster are.

use rusqlite::Transaction;
use serde_json::{Value, json};

use super::super::world::WorldError;
use super::answer::Failure;
use super::body;
use super::call::Call;
use super::store::{self, GROUP_TYPE, Place};

/// The id of the group of a cluster in a subscription.
pub(super) fn path(subscription: &str, cluster: &Value) -> String {
    let name = body::text(cluster, "properties.nodeResourceGroup").unwrap_or_default();
    format!("/subscriptions/{subscription}/resourceGroups/{name}")
}

/// The id of a cluster's node resource group.
pub(super) fn id(cluster: &Value) -> Option<String> {
    let subscription = body::text(cluster, "id")?.split('/').nth(2)?;
    Some(path(subscription, cluster))
}

/// Its key.
pub(super) fn key(cluster: &Value) -> Option<String> {
    id(cluster).map(|id| id.to_lowercase())
}

/// The id of the group that a cluster's machines are in; of a cluster that is gone, a group that holds nothing.
pub(super) fn of(tx: &Transaction<'_>, cluster: &str) -> Result<String, WorldError> {
    let object = store::get(tx, &cluster.to_lowercase())?;
    Ok(object.as_ref().and_then(id).unwrap_or_else(|| cluster.to_owned()))
}

/// Makes the node resource group of a new cluster.
pub(super) fn create(call: &Call<'_>, cluster: &Value) -> Result<(), Failure> {
    let id = id(cluster).unwrap_or_default();
    let key = id.to_lowercase();
    let name = body::text(cluster, "properties.nodeResourceGroup").unwrap_or_default();
    if store::exists(call.tx, &key)? {
        return Err(Failure::new(
            409,
            "NodeResourceGroupAlreadyExists",
            format!("The node resource group '{name}' exists already. Choose another 'nodeResourceGroup'."),
        ));
    }
    let group = json!({
        "id": id,
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": cluster["location"],
        "managedBy": cluster["id"],
        "tags": {
            "aks-managed-cluster-name": cluster["name"],
            "aks-managed-cluster-rg": call.route.group,
        },
        "properties": { "provisioningState": "Succeeded" },
    });
    Ok(store::put(call.tx, Place { key: &key, kind: GROUP_TYPE, parent: "" }, &group)?)
}
