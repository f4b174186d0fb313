//! What a subscription has left (`Usage_List` of Microsoft.Compute, ComputeRP 2024-07-01).

use std::collections::BTreeSet;

use serde_json::Value;

use super::subscription::AzureProvider;
use crate::engine::provider::{ProviderError, Room};

const API_VERSION: &str = "2024-07-01";

impl AzureProvider {
    /// What is limited in the regions of these objects.
    pub(super) async fn usages(&self, objects: &[Value]) -> Result<Vec<Room>, ProviderError> {
        let region = |object: &Value| {
            let text = object.get("location")?.as_str()?;
            Some(text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect::<String>())
        };
        // What is everywhere has no usage of its own.
        let regions: BTreeSet<String> = objects.iter().filter_map(region).filter(|region| region != "global").collect();
        let mut rooms = Vec::new();
        for region in regions {
            let path =
                format!("/subscriptions/{}/providers/Microsoft.Compute/locations/{region}/usages", self.subscription);
            let usages = self.arm.list_all(self.arm.url(&path, API_VERSION)).await?.unwrap_or_default();
            rooms.extend(usages.iter().filter_map(|usage| room(usage, &region)));
        }
        Ok(rooms)
    }
}

fn room(usage: &Value, region: &str) -> Option<Room> {
    let name =
        ["/name/localizedValue", "/name/value"].into_iter().find_map(|pointer| usage.pointer(pointer)?.as_str())?;
    let (used, limit) = (usage.get("currentValue")?.as_u64()?, usage.get("limit")?.as_u64()?);
    // What nobody may have at all is a matter of asking for it, not of room.
    (limit > 0).then(|| Room { what: format!("{name} in {region}"), used, limit })
}
