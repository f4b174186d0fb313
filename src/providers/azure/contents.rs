//! What a container holds, just before it is deleted.

use futures::future::try_join_all;
use serde_json::Value;

use crate::engine::kind::Kind;
use crate::engine::provider::{Content, Marked, ProviderError, Target};

use super::body::{lineage_of, tags_of};
use super::id::ArmId;
use super::read::identify;
use super::subscription::AzureProvider;
use super::types::{self, CLUSTERS, DISKS, GROUPS, Listing, SNAPSHOTS, STORAGE_ACCOUNTS};

/// What AKS itself makes in the group of a cluster's nodes, and removes with the cluster ("What resource groups are made",
/// <https://learn.microsoft.com/azure/aks/faq>). Whatever is not here may be somebody's data: disks, snapshots, storage
/// accounts, vaults, databases.
const MADE_BY_AKS: [&str; 18] = [
    "Microsoft.Compute/availabilitySets",
    "Microsoft.Compute/virtualMachines",
    "Microsoft.Compute/virtualMachines/extensions",
    "Microsoft.Compute/virtualMachineScaleSets",
    "Microsoft.Compute/virtualMachineScaleSets/extensions",
    "Microsoft.Insights/dataCollectionEndpoints",
    "Microsoft.Insights/dataCollectionRules",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.Network/loadBalancers",
    "Microsoft.Network/natGateways",
    "Microsoft.Network/networkInterfaces",
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Network/privateDnsZones",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
    "Microsoft.Network/privateEndpoints",
    "Microsoft.Network/privateLinkServices",
    "Microsoft.Network/routeTables",
    "Microsoft.Network/virtualNetworks",
];

/// Addresses that AKS made carry one of these tags (`aks-managed-…`, and those of the cloud provider for Services); one
/// without was put there by somebody, mostly for its fixed number.
const ADDRESSES: [&str; 2] = ["Microsoft.Network/publicIPAddresses", "Microsoft.Network/publicIPPrefixes"];
const TAGS_OF_AKS: [&str; 4] = ["aks-managed", "k8s-azure", "kubernetes-", "service"];

/// What data is kept in.
const DATA: [&str; 3] = [DISKS, SNAPSHOTS, "Microsoft.Storage/storageAccounts/fileServices/shares"];

/// The services of a storage account and what they hold.
const SERVICES: [&str; 4] = [
    "fileServices/default/shares",
    "blobServices/default/containers",
    "queueServices/default/queues",
    "tableServices/default/tables",
];

impl AzureProvider {
    /// Everything in a resource group; of a cluster what is in the group of its nodes, which goes with it; of a storage
    /// account every share, container, queue and table. Other types hold nothing of their own that ARM knows. Missing
    /// containers are empty.
    ///
    /// # Errors
    /// Anything cannot be listed: half a list would be taken for all there is.
    pub(super) async fn list_contents(&self, target: &Target) -> Result<Vec<Content>, ProviderError> {
        let Some(id) = &target.physical_id else { return Ok(Vec::new()) };
        let (id, kind) = identify(id)?;
        match kind.name {
            GROUPS => self.in_group(&id).await,
            CLUSTERS => {
                let cluster = self.arm.get_object(self.arm.url(id.as_str(), kind.api_version)).await?;
                let group =
                    cluster.as_ref().and_then(|cluster| text_at(&cluster.body, "/properties/nodeResourceGroup"));
                match group {
                    Some(group) => {
                        let path = format!("/subscriptions/{}/resourceGroups/{group}", id.subscription());
                        self.in_group(&identify(&path)?.0).await
                    }
                    None => Ok(Vec::new()),
                }
            }
            STORAGE_ACCOUNTS => {
                let account = self.arm.get_object(self.arm.url(id.as_str(), kind.api_version)).await?;
                let Some(account) = account else { return Ok(Vec::new()) };
                let lists = services(&account.body).map(|service| self.in_account(&id, kind.api_version, service));
                Ok(try_join_all(lists).await?.into_iter().flatten().collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The resource groups that carry this lineage.
    ///
    /// # Errors
    /// They cannot be listed.
    pub(super) async fn marked_groups(&self, lineage: &str) -> Result<Vec<Content>, ProviderError> {
        let subscription = &self.subscription;
        let (_, kind) = identify(&format!("/subscriptions/{subscription}/resourceGroups/x"))?;
        let url = self.arm.url(&format!("/subscriptions/{subscription}/resourcegroups"), kind.api_version);
        let groups = self.arm.list_all(url).await?.unwrap_or_default();
        // Tags of a filter are compared by the service in its own way; the list is short.
        let marked = groups.iter().filter(|group| lineage_of(group, kind) == Some(lineage));
        Ok(marked.map(|group| content(group, false)).collect())
    }

    /// What of this kind carries this lineage, anywhere in the subscription (`Disks_List`, `Snapshots_List`).
    pub(super) async fn marked_data(&self, kind: &Kind, lineage: &str) -> Result<Vec<Marked>, ProviderError> {
        let Some(kind) = types::of_kind(kind.name) else { return Ok(Vec::new()) };
        let (Listing::Subscription(path), Some(place)) = (kind.list, &kind.tags) else { return Ok(Vec::new()) };
        let url = self.arm.url(&format!("/subscriptions/{}{path}", self.subscription), kind.api_version);
        let all = self.arm.list_all(url).await?.unwrap_or_default();
        let marked = all.iter().filter(|object| lineage_of(object, kind) == Some(lineage));
        let marked = marked.map(|object| {
            let tags = tags_of(object, place).into_iter().flatten();
            let tags = tags.filter_map(|(key, value)| Some((key.to_lowercase(), value.as_str()?.to_owned())));
            Marked { physical_id: text_of(object, "id").to_owned(), tags: tags.collect() }
        });
        Ok(marked.collect())
    }

    async fn in_group(&self, id: &ArmId) -> Result<Vec<Content>, ProviderError> {
        let (_, kind) = identify(id.as_str())?;
        let Some(group) = self.arm.get(self.arm.url(id.as_str(), kind.api_version)).await? else {
            return Ok(Vec::new());
        };
        let node_group = is_cluster(group.body.get("managedBy"));
        let items = self.arm.list_all(self.arm.url(&format!("{id}/resources"), kind.api_version)).await?;
        let items = items.unwrap_or_default();
        let owned = |item: &Value| {
            let made = is_cluster(item.get("managedBy")) && MADE_BY_AKS.iter().any(|made| is_type(item, made));
            content(item, made || node_group && is_made_by_aks(item))
        };
        if !node_group {
            return Ok(items.iter().map(owned).collect());
        }
        // The list of a group lags behind, and disks of claims come and go there: their own service is asked for them.
        let mut contents: Vec<Content> = items.iter().filter(|item| !is_type(item, DISKS)).map(owned).collect();
        contents.extend(self.node_disks(id).await?);
        Ok(contents)
    }

    /// The disks in a group of nodes. Those that nodes run from go with them: they belong to a machine of the group and
    /// hold an operating system.
    async fn node_disks(&self, group: &ArmId) -> Result<Vec<Content>, ProviderError> {
        let (_, kind) = identify(&format!("{group}/providers/{DISKS}/x"))?;
        let disks = self.arm.list_all(self.arm.url(&format!("{group}/providers/{DISKS}"), kind.api_version)).await?;
        let machines = format!("{}/providers/microsoft.compute/virtualmachine", group.key());
        let is_system = |disk: &Value| {
            text_at(disk, "/properties/osType").is_some()
                && text_of(disk, "managedBy").to_lowercase().starts_with(&machines)
        };
        Ok(disks.iter().flatten().map(|disk| content(disk, is_system(disk))).collect())
    }

    async fn in_account(&self, id: &ArmId, version: &str, service: &str) -> Result<Vec<Content>, ProviderError> {
        match self.arm.list_all(self.arm.url(&format!("{id}/{service}"), version)).await {
            Ok(items) => Ok(items.iter().flatten().map(|item| content(item, false)).collect()),
            // An account may have a service less than its kind says.
            Err(error) if error.code.as_deref() == Some("FeatureNotSupportedForAccount") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// The services that an account has by its kind and SKU
/// (<https://learn.microsoft.com/azure/storage/common/storage-account-overview>); of an unknown kind all.
fn services(account: &Value) -> impl Iterator<Item = &'static str> {
    let premium = text_at(account, "/sku/name").is_some_and(|sku| sku.to_ascii_lowercase().starts_with("premium"));
    let kind = text_of(account, "kind").to_ascii_lowercase();
    let has = move |service: &&str| match kind.as_str() {
        "filestorage" => service.starts_with("file"),
        "blobstorage" | "blockblobstorage" => service.starts_with("blob"),
        "storagev2" | "storage" if premium => service.starts_with("blob"),
        _ => true,
    };
    SERVICES.into_iter().filter(has)
}

fn is_made_by_aks(item: &Value) -> bool {
    if ADDRESSES.iter().any(|address| is_type(item, address)) {
        let tags = item.get("tags").and_then(Value::as_object);
        let of_aks = |name: &str| {
            let name = name.to_ascii_lowercase();
            TAGS_OF_AKS.iter().any(|tag| name.starts_with(tag))
        };
        return tags.is_some_and(|tags| tags.keys().any(|name| of_aks(name)));
    }
    MADE_BY_AKS.iter().any(|made| is_type(item, made))
}

fn content(item: &Value, server_made: bool) -> Content {
    Content {
        physical_id: text_of(item, "id").to_owned(),
        kind: text_of(item, "type").to_owned(),
        server_made,
        holds_data: DATA.iter().any(|data| is_type(item, data)),
    }
}

fn text_of<'a>(item: &'a Value, key: &str) -> &'a str {
    item.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn text_at<'a>(item: &'a Value, pointer: &str) -> Option<&'a str> {
    item.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn is_type(item: &Value, name: &str) -> bool {
    text_of(item, "type").eq_ignore_ascii_case(name)
}

/// Whether an owner is an AKS cluster.
fn is_cluster(managed_by: Option<&Value>) -> bool {
    let needle = format!("/providers/{CLUSTERS}/").to_lowercase();
    managed_by.and_then(Value::as_str).is_some_and(|owner| owner.to_lowercase().contains(&needle))
}
