//! Key vaults by their names, which are unique in the whole of Azure: a certificate's URL names a vault, a role assignment
//! needs its resource id.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::engine::provider::{ErrorClass, ProviderError};

use super::client::{Method, Precondition, Request};
use super::subscription::AzureProvider;

/// The version of the published interface of Azure Resource Graph.
const GRAPH_VERSION: &str = "2022-10-01";

impl AzureProvider {
    /// The ids of vaults by their names in lower case, of all that the signed-in principal may see in its tenant (Azure
    /// Resource Graph, `Resources`). What is not among them is not to be seen.
    ///
    /// # Errors
    /// No rights, or no such answer.
    pub async fn find_vaults(&self, names: &[String]) -> Result<BTreeMap<String, String>, ProviderError> {
        // Names of vaults are letters, digits and hyphens; anything else would end the text of the query.
        let plain = |name: &&String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let quoted: Vec<String> = names.iter().filter(plain).map(|name| format!("'{name}'")).collect();
        if quoted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let query = format!(
            "resources | where type =~ 'microsoft.keyvault/vaults' | where name in~ ({}) | project id, name",
            quoted.join(", ")
        );
        let body = json!({"query": query, "options": {"resultFormat": "objectArray"}});
        let request = Request {
            method: Method::POST,
            url: self.arm.url("/providers/Microsoft.ResourceGraph/resources", GRAPH_VERSION),
            body: Some(&body),
            precondition: Precondition::None,
            progress: None,
        };
        // It reads only, so nothing can be half done.
        let response = self.arm.send(&request).await.map_err(|error| match error.class {
            ErrorClass::Ambiguous => ProviderError { class: ErrorClass::Rejected, ..error },
            _ => error,
        })?;
        let Some(rows) = response.body.get("data").and_then(Value::as_array) else {
            let message = "the answer of Azure Resource Graph has no rows";
            return Err(ProviderError {
                request_id: response.request_id(),
                ..ProviderError::new(ErrorClass::Rejected, message)
            });
        };
        let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(rows.iter().filter_map(|row| Some((text(row, "name")?.to_lowercase(), text(row, "id")?))).collect())
    }
}
