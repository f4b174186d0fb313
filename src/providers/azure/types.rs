//! What must be known of each resource type: its API version, how it is listed, changed and recognised. The versions are
//! those of the published OpenAPI that the bodies were written against.

/// How all objects of a type are listed at once, showing everything that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    /// Below the subscription, at this path.
    Subscription(&'static str),
    /// Below the parent resource, at this path.
    Parent(&'static str),
    /// Not listed: read one by one.
    None,
}

/// How an object is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Update {
    /// The whole object is sent again, laid over the live one.
    Put,
    /// Only these fields may change, and only those that differ are sent.
    Patch {
        /// At the top; `tags` are sent whole, because a patch replaces them.
        top: &'static [&'static str],
        /// Below `properties`.
        properties: &'static [&'static str],
    },
}

/// A resource type.
#[derive(Debug)]
pub(super) struct ResourceType {
    /// `NAMESPACE/TYPE[/TYPE]`.
    pub name: &'static str,
    /// The `api-version` of its requests.
    pub api_version: &'static str,
    /// Where it carries tags: the keys that lead there, and how the lineage is called there.
    pub tags: Option<Tags>,
    /// How it is listed.
    pub list: Listing,
    /// How it is changed.
    pub update: Update,
    /// Whether `PUT` obeys `If-None-Match: *` and `If-Match`.
    pub if_none_match: bool,
    /// Fields that a response has and a request must not have (`readOnly` in the OpenAPI); `[]` is each item, `*` each
    /// member.
    pub read_only: &'static [&'static str],
    /// JSON pointers to what changes when the object is made anew; the first that is there counts.
    pub uid: &'static [&'static str],
    /// What a list may leave out although a single read shows it; an item without it is read by itself.
    pub list_may_omit: Option<&'static str>,
    /// Where an object says who wrote it last, if it does; of its fields none does.
    pub last_written: Option<LastWritten>,
    /// A list whose items are merged by their `name` and not replaced: leaving one out must not remove it.
    pub merged_list: Option<&'static str>,
}

/// Where an object carries marks of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tags {
    /// The keys that lead to the map.
    pub keys: &'static [&'static str],
    /// The key of the lineage in it.
    pub lineage: &'static str,
}

/// JSON pointers to who wrote an object last, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastWritten {
    /// Who: the name of a user, or the id of an application.
    pub by: &'static str,
    /// When, RFC 3339.
    pub at: &'static str,
}

/// `systemData` of common-types/resource-management; the types that have it are those whose OpenAPI has it.
const SYSTEM_DATA: Option<LastWritten> =
    Some(LastWritten { by: "/systemData/lastModifiedBy", at: "/systemData/lastModifiedAt" });

const LINEAGE: &str = "kompox-lineage";
const TOP_TAGS: Option<Tags> = Some(Tags { keys: &["tags"], lineage: LINEAGE });
/// Read-only everywhere; `id` is in the URL.
const COMMON: [&str; 7] = ["id", "name", "type", "systemData", "etag", "eTag", "properties.provisioningState"];

impl ResourceType {
    const fn new(name: &'static str, api_version: &'static str, list: Listing) -> Self {
        Self {
            name,
            api_version,
            tags: None,
            list,
            update: Update::Put,
            if_none_match: false,
            read_only: &[],
            uid: &[],
            list_may_omit: None,
            last_written: None,
            merged_list: None,
        }
    }

    /// All fields that no request may have.
    pub fn read_only(&self) -> impl Iterator<Item = &'static str> {
        COMMON.into_iter().chain(self.read_only.iter().copied())
    }
}

/// The type of role assignments, which are matched by what they say.
pub(super) const ROLE_ASSIGNMENTS: &str = "Microsoft.Authorization/roleAssignments";
/// The type of clusters.
pub(super) const CLUSTERS: &str = "Microsoft.ContainerService/managedClusters";
/// The type of a cluster's node pools.
pub(super) const POOLS: &str = "Microsoft.ContainerService/managedClusters/agentPools";
/// The type of management locks.
pub(super) const LOCKS: &str = "Microsoft.Authorization/locks";
/// The type of resource groups.
pub(super) const GROUPS: &str = "Microsoft.Resources/resourceGroups";
/// The type of storage accounts.
pub(super) const STORAGE_ACCOUNTS: &str = "Microsoft.Storage/storageAccounts";
/// The type of disks.
pub(super) const DISKS: &str = "Microsoft.Compute/disks";
/// The type of snapshots.
pub(super) const SNAPSHOTS: &str = "Microsoft.Compute/snapshots";
/// The prefix of the types of record sets, one per record type.
const RECORD_SETS: &str = "Microsoft.Network/dnsZones/";

static TYPES: &[ResourceType] = &[
    ResourceType {
        tags: TOP_TAGS,
        ..ResourceType::new(GROUPS, "2021-04-01", Listing::Subscription("/resourcegroups"))
    },
    ResourceType {
        tags: TOP_TAGS,
        update: Update::Patch {
            top: &["tags", "sku"],
            properties: &[
                "osType",
                "diskSizeGB",
                "encryptionSettingsCollection",
                "diskIOPSReadWrite",
                "diskMBpsReadWrite",
                "diskIOPSReadOnly",
                "diskMBpsReadOnly",
                "maxShares",
                "encryption",
                "networkAccessPolicy",
                "diskAccessId",
                "tier",
                "burstingEnabled",
                "purchasePlan",
                "supportedCapabilities",
                "supportsHibernation",
                "publicNetworkAccess",
                "dataAccessAuthMode",
                "optimizedForFrequentAttach",
            ],
        },
        read_only: &[
            "managedBy",
            "managedByExtended",
            "sku.tier",
            "properties.timeCreated",
            "properties.creationData.sourceUniqueId",
            "properties.diskSizeBytes",
            "properties.uniqueId",
            "properties.shareInfo",
            "properties.burstingEnabledTime",
            "properties.propertyUpdatesInProgress",
            "properties.LastOwnershipUpdateTime",
        ],
        uid: &["/properties/uniqueId", "/properties/timeCreated"],
        ..ResourceType::new(DISKS, "2024-03-02", Listing::Subscription("/providers/Microsoft.Compute/disks"))
    },
    ResourceType {
        tags: TOP_TAGS,
        update: Update::Patch {
            top: &["tags", "sku"],
            properties: &[
                "osType",
                "diskSizeGB",
                "encryptionSettingsCollection",
                "encryption",
                "networkAccessPolicy",
                "diskAccessId",
                "supportsHibernation",
                "publicNetworkAccess",
                "dataAccessAuthMode",
                "supportedCapabilities",
            ],
        },
        read_only: &[
            "managedBy",
            "sku.tier",
            "properties.timeCreated",
            "properties.creationData.sourceUniqueId",
            "properties.diskSizeBytes",
            "properties.uniqueId",
            "properties.incrementalSnapshotFamilyId",
        ],
        uid: &["/properties/uniqueId", "/properties/timeCreated"],
        ..ResourceType::new(SNAPSHOTS, "2024-03-02", Listing::Subscription("/providers/Microsoft.Compute/snapshots"))
    },
    ResourceType {
        tags: TOP_TAGS,
        if_none_match: true,
        read_only: &[
            "identity.principalId",
            "identity.tenantId",
            "properties.powerState",
            "properties.maxAgentPools",
            "properties.currentKubernetesVersion",
            "properties.fqdn",
            "properties.privateFQDN",
            "properties.azurePortalFQDN",
            "properties.agentPoolProfiles[].eTag",
            "properties.agentPoolProfiles[].currentOrchestratorVersion",
            "properties.agentPoolProfiles[].nodeImageVersion",
            "properties.agentPoolProfiles[].provisioningState",
            "properties.addonProfiles.*.identity",
            "properties.podIdentityProfile.userAssignedIdentities[].provisioningState",
            "properties.podIdentityProfile.userAssignedIdentities[].provisioningInfo",
            "properties.oidcIssuerProfile.issuerURL",
            "properties.privateLinkResources[].privateLinkServiceID",
            "properties.ingressProfile.webAppRouting.identity",
            "properties.resourceUID",
        ],
        uid: &["/properties/resourceUID"],
        last_written: SYSTEM_DATA,
        merged_list: Some("/properties/agentPoolProfiles"),
        ..ResourceType::new(
            CLUSTERS,
            "2024-09-01",
            Listing::Subscription("/providers/Microsoft.ContainerService/managedClusters"),
        )
    },
    ResourceType {
        tags: Some(Tags { keys: &["properties", "tags"], lineage: LINEAGE }),
        if_none_match: true,
        read_only: &["properties.eTag", "properties.currentOrchestratorVersion", "properties.nodeImageVersion"],
        ..ResourceType::new(POOLS, "2024-09-01", Listing::Parent("/agentPools"))
    },
    ResourceType {
        tags: TOP_TAGS,
        read_only: &["properties"],
        uid: &["/properties/principalId"],
        last_written: SYSTEM_DATA,
        ..ResourceType::new(
            "Microsoft.ManagedIdentity/userAssignedIdentities",
            "2023-01-31",
            Listing::Subscription("/providers/Microsoft.ManagedIdentity/userAssignedIdentities"),
        )
    },
    ResourceType {
        last_written: SYSTEM_DATA,
        ..ResourceType::new(
            "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
            "2023-01-31",
            Listing::Parent("/federatedIdentityCredentials"),
        )
    },
    ResourceType {
        read_only: &[
            "scope",
            "properties.scope",
            "properties.createdOn",
            "properties.updatedOn",
            "properties.createdBy",
            "properties.updatedBy",
        ],
        last_written: Some(LastWritten { by: "/properties/updatedBy", at: "/properties/updatedOn" }),
        ..ResourceType::new(
            ROLE_ASSIGNMENTS,
            "2022-04-01",
            Listing::Subscription("/providers/Microsoft.Authorization/roleAssignments"),
        )
    },
    ResourceType {
        last_written: SYSTEM_DATA,
        ..ResourceType::new(LOCKS, "2020-05-01", Listing::Subscription("/providers/Microsoft.Authorization/locks"))
    },
    ResourceType {
        tags: TOP_TAGS,
        update: Update::Patch {
            top: &["tags", "sku", "identity", "kind"],
            properties: &[
                "customDomain",
                "encryption",
                "sasPolicy",
                "keyPolicy",
                "accessTier",
                "azureFilesIdentityBasedAuthentication",
                "supportsHttpsTrafficOnly",
                "isSftpEnabled",
                "isLocalUserEnabled",
                "enableExtendedGroups",
                "networkAcls",
                "largeFileSharesState",
                "routingPreference",
                "allowBlobPublicAccess",
                "minimumTlsVersion",
                "allowSharedKeyAccess",
                "allowCrossTenantReplication",
                "defaultToOAuthAuthentication",
                "publicNetworkAccess",
                "immutableStorageWithVersioning",
                "allowedCopyScope",
                "dnsEndpointType",
            ],
        },
        read_only: &[
            "identity.principalId",
            "identity.tenantId",
            "sku.tier",
            "properties.primaryEndpoints",
            "properties.primaryLocation",
            "properties.statusOfPrimary",
            "properties.lastGeoFailoverTime",
            "properties.secondaryLocation",
            "properties.statusOfSecondary",
            "properties.creationTime",
            "properties.keyCreationTime",
            "properties.secondaryEndpoints",
            "properties.geoReplicationStats",
            "properties.failoverInProgress",
            "properties.privateEndpointConnections",
            "properties.blobRestoreStatus",
            "properties.storageAccountSkuConversionStatus",
            "properties.isSkuConversionBlocked",
            "properties.accountMigrationInProgress",
        ],
        uid: &["/properties/creationTime"],
        ..ResourceType::new(
            STORAGE_ACCOUNTS,
            "2023-05-01",
            Listing::Subscription("/providers/Microsoft.Storage/storageAccounts"),
        )
    },
    ResourceType {
        // The names of a share's metadata are identifiers: no hyphen.
        tags: Some(Tags { keys: &["properties", "metadata"], lineage: "kompox_lineage" }),
        update: Update::Patch { top: &[], properties: &["metadata", "shareQuota", "accessTier", "rootSquash"] },
        list_may_omit: Some("/properties/metadata"),
        read_only: &[
            "properties.lastModifiedTime",
            "properties.version",
            "properties.deleted",
            "properties.deletedTime",
            "properties.remainingRetentionDays",
            "properties.accessTierChangeTime",
            "properties.accessTierStatus",
            "properties.shareUsageBytes",
            "properties.leaseStatus",
            "properties.leaseState",
            "properties.leaseDuration",
            "properties.snapshotTime",
        ],
        ..ResourceType::new(
            "Microsoft.Storage/storageAccounts/fileServices/shares",
            "2023-05-01",
            Listing::Parent("/shares"),
        )
    },
    ResourceType {
        last_written: SYSTEM_DATA,
        ..ResourceType::new("Microsoft.KeyVault/vaults", "2023-07-01", Listing::None)
    },
    ResourceType {
        last_written: SYSTEM_DATA,
        ..ResourceType::new("Microsoft.ContainerRegistry/registries", "2023-07-01", Listing::None)
    },
    ResourceType { tags: TOP_TAGS, ..ResourceType::new("Microsoft.Network/dnsZones", "2018-05-01", Listing::None) },
];

static RECORD_SET: ResourceType = ResourceType {
    tags: Some(Tags { keys: &["properties", "metadata"], lineage: LINEAGE }),
    if_none_match: true,
    read_only: &["properties.fqdn"],
    ..ResourceType::new("Microsoft.Network/dnsZones/recordsets", "2018-05-01", Listing::Parent("/recordsets"))
};

/// The type of that name, case ignored; any type of DNS record set is one type here.
pub(super) fn find(name: &str) -> Option<&'static ResourceType> {
    TYPES.iter().find(|known| known.name.eq_ignore_ascii_case(name)).or_else(|| {
        let prefix = name.get(..RECORD_SETS.len())?;
        let record = &name[RECORD_SETS.len()..];
        (prefix.eq_ignore_ascii_case(RECORD_SETS) && !record.is_empty() && !record.contains('/')).then_some(&RECORD_SET)
    })
}

/// The type behind a kind of the engine whose objects may be looked for by tags or imported.
pub(super) fn of_kind(kind: &str) -> Option<&'static ResourceType> {
    let name = match kind.to_ascii_lowercase().as_str() {
        "disk" => DISKS,
        "snapshot" => SNAPSHOTS,
        "cluster" | "managed-cluster" | "managedcluster" => CLUSTERS,
        "storage-account" | "storageaccount" => STORAGE_ACCOUNTS,
        "identity" | "user-assigned-identity" => "Microsoft.ManagedIdentity/userAssignedIdentities",
        "group" | "resource-group" | "resourcegroup" => GROUPS,
        _ => return None,
    };
    find(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_types_in_any_spelling() {
        assert_eq!(find("microsoft.compute/DISKS").unwrap().name, DISKS);
        assert_eq!(find("Microsoft.Network/dnszones/AAAA").unwrap().list, Listing::Parent("/recordsets"));
        assert_eq!(find("Microsoft.Network/dnsZones").unwrap().name, "Microsoft.Network/dnsZones");
        assert!(find("Microsoft.Network/dnsZones/").is_none());
        assert!(find("Microsoft.Sql/servers").is_none());
        assert!(find("é").is_none());
    }

    #[test]
    fn every_kind_that_can_be_found_has_tags_and_a_list() {
        for kind in ["disk", "snapshot", "cluster", "storage-account", "identity", "resource-group"] {
            let known = of_kind(kind).unwrap();
            assert!(known.tags.is_some() && known.list != Listing::None, "{kind}");
        }
    }
}
