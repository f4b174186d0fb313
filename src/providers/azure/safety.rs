//! A copy of a disk's data before the disk is deleted (`engine.md`, "Guards").

use serde_json::{Value, json};

use crate::engine::provider::{Change, ErrorClass, Operation, Progress, ProviderError, Safeguard, Target};

use super::read::identify;
use super::subscription::AzureProvider;

/// The tag of a safety snapshot. Nothing of kompox ever deletes one.
const TAG: &str = "kompox-safety";
/// The longest part of the disk's name in the snapshot's; the whole must stay below 80 characters.
const CUT: usize = 50;

impl AzureProvider {
    /// Takes a snapshot of a disk that is about to be deleted. Its name follows from the disk's own id, so a retry takes
    /// no second one.
    ///
    /// # Errors
    /// The snapshot cannot be taken; then the disk must not be deleted.
    pub(super) async fn snapshot_before_delete(
        &self,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<Option<Safeguard>, ProviderError> {
        let Some(disk_id) = &operation.target.physical_id else { return Ok(None) };
        let (id, kind) = identify(disk_id)?;
        let url = self.arm.url(&id.to_string(), kind.api_version);
        let Some(disk) = self.arm.get_object(url).await?.map(|response| response.body) else { return Ok(None) };
        let unique = disk.pointer("/properties/uniqueId").and_then(Value::as_str).unwrap_or(&operation.token);
        let unique: String = unique.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
        let text = id.to_string();
        let (collection, name) = text.rsplit_once("/disks/").ok_or_else(|| {
            ProviderError::new(ErrorClass::Rejected, format!("{id} is no disk, so no snapshot of it can be taken"))
        })?;
        let name: String = name.chars().take(CUT).collect();
        let snapshot = format!("{collection}/snapshots/{name}_safety_{unique}");
        let mut tags = disk.get("tags").cloned().unwrap_or_else(|| json!({}));
        tags[TAG] = "true".into();
        let desired = json!({
            "id": snapshot,
            "location": disk.get("location").cloned().unwrap_or_default(),
            "tags": tags,
            "sku": {"name": "Standard_ZRS"},
            "properties": {"incremental": true, "creationData": {"createOption": "Copy", "sourceResourceId": disk_id}},
        });
        let copy = Operation {
            target: Target { physical_id: Some(snapshot.clone()), find: None, ..operation.target.clone() },
            change: Change::Create { desired },
            token: operation.token.clone(),
            lineage: operation.lineage.clone(),
            force: false,
            adopted: false,
            // The data must be there before the disk goes, whatever the user said about waiting.
            wait: true,
            timeout: operation.timeout,
        };
        self.carry_out(&copy, progress).await?;
        let segment = |key: &str| {
            let mut words = text.split('/').skip_while(|word| !word.eq_ignore_ascii_case(key));
            words.nth(1).unwrap_or_default().to_owned()
        };
        let sku = disk.pointer("/sku/name").and_then(Value::as_str).unwrap_or("Premium_LRS");
        let zone = disk.pointer("/zones/0").and_then(Value::as_str).map(|zone| format!(" --zone {zone}"));
        let restore = format!(
            "az disk create --subscription {} --resource-group {} --name {} --sku {sku}{} --source {snapshot}",
            segment("subscriptions"),
            segment("resourceGroups"),
            segment("disks"),
            zone.unwrap_or_default(),
        );
        Ok(Some(Safeguard { physical_id: snapshot, restore }))
    }
}
