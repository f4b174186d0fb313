//! Names of Azure objects (`resources.md`, "Kinds"), and what Azure allows in them.

use crate::compose::names::{cls_hash, id_hash};
use crate::resources::names::with_hash;

/// The resource group of a cluster.
pub fn cluster_group(prefix: &str, workspace: &str, provider: &str, cluster: &str) -> String {
    with_hash(&format!("{prefix}_cls_{cluster}"), &cls_hash(workspace, provider, cluster))
}

/// The resource group of an app; independent of the cluster, so that an app that moves keeps it.
pub fn app_group(prefix: &str, workspace: &str, provider: &str, app: &str) -> String {
    with_hash(&format!("{prefix}_app_{app}"), &id_hash(workspace, provider, app))
}

/// The storage account of an app's shares: lower-case letters and digits only.
pub fn storage_account(sp_hash: &str, id_hash: &str) -> String {
    format!("k4x{sp_hash}{id_hash}")
}

/// A managed cluster.
pub fn cluster(prefix: &str, cluster: &str) -> String {
    // A managed cluster's name has at most 63 characters.
    format!("{prefix}-{cluster}").chars().take(63).collect()
}

/// What Azure allows in a name (Azure docs, "Naming rules and restrictions for Azure resources").
#[derive(Debug, Clone, Copy)]
pub struct NameRule {
    /// What is named.
    pub what: &'static str,
    /// The fewest characters.
    pub least: usize,
    /// The most characters.
    pub most: usize,
    /// What is allowed beside letters and digits.
    pub also: &'static str,
    /// What it may not begin with, of that.
    pub not_first: &'static str,
    /// What it may not end with.
    pub not_last: &'static str,
}

/// A resource group: 1 to 90 letters, digits and `_-.()`, no period at the end.
pub const GROUP_RULE: NameRule =
    NameRule { what: "resource group", least: 1, most: 90, also: "_-.()", not_first: "", not_last: "." };
/// A managed cluster.
pub const CLUSTER_RULE: NameRule =
    NameRule { what: "managed cluster", least: 1, most: 63, also: "_-", not_first: "_-", not_last: "_-" };
/// The DNS prefix of a managed cluster (OpenAPI: `^[a-zA-Z0-9][a-zA-Z0-9-]{0,52}[a-zA-Z0-9]$`).
pub const DNS_PREFIX_RULE: NameRule =
    NameRule { what: "DNS prefix of a managed cluster", least: 2, most: 54, also: "-", not_first: "-", not_last: "-" };
/// The group that AKS makes for the nodes.
pub const NODE_GROUP_RULE: NameRule = NameRule {
    what: "resource group of a cluster's nodes",
    least: 1,
    most: 80,
    also: "_-.()",
    not_first: "",
    not_last: ".",
};
/// A user-assigned identity.
pub const IDENTITY_RULE: NameRule =
    NameRule { what: "managed identity", least: 3, most: 128, also: "_-", not_first: "_-", not_last: "" };

impl NameRule {
    /// What is wrong with a name; `None` if nothing is.
    pub fn broken_by(&self, name: &str) -> Option<String> {
        let length = name.chars().count();
        if length > self.most {
            return Some(format!("it has {length} characters, and {} are allowed", self.most));
        }
        if length < self.least {
            return Some(format!("it has {length} characters, and {} are the fewest", self.least));
        }
        if let Some(bad) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !self.also.contains(*c)) {
            let also: Vec<String> = self.also.chars().map(|c| format!("\"{c}\"")).collect();
            return Some(format!("\"{bad}\" is not allowed in it, only letters, digits and {}", also.join(" ")));
        }
        let ends = [("begin", name.chars().next(), self.not_first), ("end", name.chars().last(), self.not_last)];
        ends.into_iter()
            .find_map(|(end, c, not)| c.filter(|c| not.contains(*c)).map(|c| format!("it may not {end} with \"{c}\"")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::names::{disk, prefix, snapshot};

    #[test]
    fn vectors() {
        let text = include_str!("../../../../tests/data/naming-vectors.json");
        let vectors: Vec<std::collections::BTreeMap<String, String>> = serde_json::from_str(text).unwrap();
        assert!(!vectors.is_empty());
        for v in vectors {
            let (ws, prv, cls, app) = (&v["workspace"], &v["provider"], &v["cluster"], &v["app"]);
            let prefix = prefix(None, ws, prv);
            assert_eq!(cluster_group(&prefix, ws, prv, cls), v["azureClusterResourceGroup"]);
            assert_eq!(app_group(&prefix, ws, prv, app), v["azureAppResourceGroup"]);
            assert_eq!(disk(&prefix, &v["volume"], "blue", &v["idHASH"]), v["azureDisk"]);
            assert_eq!(snapshot(&prefix, &v["volume"], "daily", &v["idHASH"]), v["azureSnapshot"]);
            assert_eq!(storage_account(&v["spHASH"], &v["idHASH"]), v["azureStorageAccount"]);
        }
    }

    #[test]
    fn long_names_keep_their_hash() {
        let name = app_group(&"p".repeat(32), "w", "p", &"a".repeat(63));
        assert_eq!(name.len(), 72);
        assert!(name.ends_with(&format!("_{}", id_hash("w", "p", &"a".repeat(63)))));
    }

    #[test]
    fn a_clusters_name_is_cut_where_azure_takes_no_more() {
        let name = cluster(&"p".repeat(32), &"c".repeat(63));
        assert_eq!(name, format!("{}-{}", "p".repeat(32), "c".repeat(30)));
        assert_eq!(CLUSTER_RULE.broken_by(&name), None);
        assert!(CLUSTER_RULE.broken_by(&format!("{name}c")).is_some());
    }
}
