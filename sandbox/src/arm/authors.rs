//! Who made a resource, who wrote it last, and when: `systemData`, of the types whose published interface has it
//! (`systemData` of common-types/resource-management). Groups, node pools, disks, snapshots, storage and DNS have none.

use serde_json::{Value, json};

use super::super::clock::rfc3339;
use super::body;

/// The types whose interface has it, in the versions that are served.
pub(in super::super) const SIGNED: &[&str] = &[
    "Microsoft.Authorization/locks",
    "Microsoft.ContainerRegistry/registries",
    "Microsoft.ContainerService/managedClusters",
    "Microsoft.KeyVault/vaults",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
];

/// An identity that writes.
pub(super) struct Author {
    name: &'static str,
    kind: &'static str,
}

/// Whoever sends requests.
pub(super) const CALLER: Author = Author { name: "0a0b0c0d-2222-4333-8444-555566667777", kind: "Application" };
/// Whoever changes something behind the callers' backs.
pub(super) const SOMEBODY: Author = Author { name: "somebody@example.com", kind: "User" };

/// Says in a resource, which has its `type`, that an author writes it now. `old` is what it was before, if it was there.
pub(super) fn sign(resource: &mut Value, old: Option<&Value>, author: &Author, now_ms: i64) {
    let kind = body::text(resource, "type").unwrap_or_default();
    if !SIGNED.iter().any(|signed| signed.eq_ignore_ascii_case(kind)) {
        return;
    }
    let now = rfc3339(now_ms);
    let mut data = json!({"createdBy": author.name, "createdByType": author.kind, "createdAt": now});
    if let Some(before) = old.and_then(|old| old["systemData"].as_object()) {
        data = json!(before);
    }
    data["lastModifiedBy"] = json!(author.name);
    data["lastModifiedByType"] = json!(author.kind);
    data["lastModifiedAt"] = json!(now);
    resource["systemData"] = data;
}
