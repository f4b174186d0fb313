//! Role assignments: their names are GUIDs, and what one says (scope, principal, role) matters, not how it is named.

use serde_json::Value;
use uuid::Uuid;

use crate::engine::provider::ProviderError;
use crate::engine::value::Value as Desired;

use super::client::Arm;
use super::id::ArmId;
use super::types::{self, ROLE_ASSIGNMENTS};

/// The namespace of the names that are given to role assignments (version 5 UUIDs). Fixed for ever: another value would
/// give every assignment another name.
pub const ROLE_ASSIGNMENT_NAMESPACE: Uuid = Uuid::from_u128(0x5e1f_0c2a_7b8d_4e63_9a41_c0de_7a11_0b5e);

/// The id of the assignment of `role` (a role definition's id, of which the GUID at its end counts) to `principal` on
/// `scope`: the same for every spelling of the same facts.
pub(super) fn id(scope: &str, principal: &str, role: &str) -> String {
    let scope = scope.trim_end_matches('/');
    let role = role.rsplit('/').next().unwrap_or(role);
    let facts = format!("{scope}|{principal}|{role}").to_lowercase();
    let name = Uuid::new_v5(&ROLE_ASSIGNMENT_NAMESPACE, facts.as_bytes());
    format!("{scope}/providers/{ROLE_ASSIGNMENTS}/{name}")
}

/// The id that an assignment would have if it had been made here.
pub(super) fn id_of(assignment: &Value) -> Option<String> {
    let text = |key: &str| assignment.get("properties")?.get(key)?.as_str();
    Some(id(text("scope")?, text("principalId")?, text("roleDefinitionId")?))
}

/// An assignment that says the same as the one with the computed id `wanted`, whatever its name.
///
/// # Errors
/// The assignments of the scope cannot be listed.
pub(super) async fn find(arm: &Arm, wanted: &ArmId) -> Result<Option<Value>, ProviderError> {
    let Some(kind) = types::find(ROLE_ASSIGNMENTS) else { return Ok(None) };
    let list = arm.url(&format!("{}/providers/{ROLE_ASSIGNMENTS}", wanted.scope()), kind.api_version);
    let assignments = arm.list_all(list).await?.unwrap_or_default();
    let key = wanted.key();
    Ok(assignments.into_iter().find(|assignment| id_of(assignment).is_some_and(|id| id.to_lowercase() == key)))
}

/// The id of a desired object: as it says, or computed for a role assignment whose facts are known.
pub(super) fn desired_id(desired: &Desired) -> Option<String> {
    if let Some(id) = desired.get("id") {
        return id.as_str().map(str::to_owned);
    }
    let fact = |key: &str| desired.at(&["properties", key]).and_then(Desired::as_str);
    let scope = desired.get("scope")?.as_str()?;
    Some(id(scope, fact("principalId")?, fact("roleDefinitionId")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_depends_on_the_facts_only() {
        let role = "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/B24988AC";
        let first = id("/subscriptions/s/resourceGroups/G", "P", role);
        let second = id("/subscriptions/s/resourcegroups/g/", "p", "/providers/x/roleDefinitions/b24988ac");
        assert_eq!(first.to_lowercase(), second.to_lowercase());
        assert!(ArmId::parse(&first).is_ok());
        assert_ne!(first, id("/subscriptions/s/resourceGroups/G", "Q", role));
        // Names that were given once must stay.
        assert!(
            first.ends_with("/providers/Microsoft.Authorization/roleAssignments/80227b18-bb66-54d5-b685-43d29d58335c"),
            "{first}"
        );
    }
}
