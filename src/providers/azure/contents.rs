//! What a container holds, just before it is deleted.

use serde_json::Value;

use crate::engine::provider::{Content, ProviderError, Target};

use super::AzureProvider;
use super::read::identify;
use super::types::{CLUSTERS, DISKS, GROUPS, SNAPSHOTS, STORAGE_ACCOUNTS};

impl AzureProvider {
    /// Everything in a resource group, or every share of a storage account. Other types hold nothing of their own that
    /// ARM knows. Missing containers are empty.
    pub(super) async fn list_contents(&self, target: &Target) -> Result<Vec<Content>, ProviderError> {
        let Some(id) = &target.physical_id else { return Ok(Vec::new()) };
        let (id, kind) = identify(id)?;
        let (path, node_group) = match kind.name {
            GROUPS => {
                let Some(group) = self.arm.get(self.arm.url(id.as_str(), kind.api_version)).await? else {
                    return Ok(Vec::new());
                };
                (format!("{id}/resources"), is_cluster(group.body.get("managedBy")))
            }
            STORAGE_ACCOUNTS => (format!("{id}/fileServices/default/shares"), false),
            _ => return Ok(Vec::new()),
        };
        let items = self.arm.list_all(self.arm.url(&path, kind.api_version)).await?.unwrap_or_default();
        let text = |item: &Value, key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let contents = items.iter().map(|item| {
            let kind = text(item, "type");
            Content {
                physical_id: text(item, "id"),
                // In the group that AKS keeps for its nodes, a disk, snapshot or account may be the data of a claim.
                server_made: (node_group || is_cluster(item.get("managedBy")))
                    && ![DISKS, SNAPSHOTS, STORAGE_ACCOUNTS].iter().any(|data| data.eq_ignore_ascii_case(&kind)),
                kind,
            }
        });
        Ok(contents.collect())
    }
}

/// Whether an owner is an AKS cluster.
fn is_cluster(managed_by: Option<&Value>) -> bool {
    let needle = format!("/providers/{CLUSTERS}/").to_lowercase();
    managed_by.and_then(Value::as_str).is_some_and(|owner| owner.to_lowercase().contains(&needle))
}
