//! The resource types the emulator knows, with the versions of their published interfaces.

use super::answer::Failure;

/// Which part of the emulator serves a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Family {
    Disk,
    Snapshot,
    Cluster,
    AgentPool,
    Identity,
    FederatedCredential,
    RoleAssignment,
    RoleDefinition,
    Lock,
    Tags,
    StorageAccount,
    /// One of the services of a storage account.
    StorageService,
    Share,
    /// A container, queue or table of a storage account.
    StorageItem,
    DnsZone,
    RecordSet,
    /// What the engine only refers to.
    Plain,
    /// `recordsets` and `all` below a zone: every record set, whatever its type.
    RecordSets,
}

/// A resource type.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Kind {
    /// The provider, e.g. `Microsoft.Compute`.
    pub namespace: &'static str,
    /// The types below it, outermost first, e.g. `managedClusters`, `agentPools`.
    pub types: &'static [&'static str],
    pub family: Family,
    /// `api-version` values that are served.
    pub versions: &'static [&'static str],
}

impl Kind {
    /// The full type, e.g. `Microsoft.Compute/disks`.
    pub fn full(&self) -> String {
        format!("{}/{}", self.namespace, self.types.join("/"))
    }

    /// The full type in lower case, as rows carry it.
    pub fn lower(&self) -> String {
        self.full().to_lowercase()
    }

    /// The last type, e.g. `agentPools`; all record sets go by one name.
    pub fn short(&self) -> &'static str {
        match self.family {
            Family::RecordSet | Family::RecordSets => "recordSets",
            _ => self.types.last().copied().unwrap_or_default(),
        }
    }
}

/// The type of managed clusters, as rows carry it.
pub(super) const CLUSTER_TYPE: &str = "microsoft.containerservice/managedclusters";

/// The type of agent pools.
pub(super) const POOL_TYPE: &str = "microsoft.containerservice/managedclusters/agentpools";

/// The type of disks.
pub(super) const DISK_TYPE: &str = "microsoft.compute/disks";

/// The type of snapshots.
pub(super) const SNAPSHOT_TYPE: &str = "microsoft.compute/snapshots";

/// The services of a storage account: the ends of their ids in lower case and as they are shown.
pub(super) const STORAGE_SERVICES: [(&str, &str); 4] = [
    ("/fileservices/default", "/fileServices/default"),
    ("/blobservices/default", "/blobServices/default"),
    ("/queueservices/default", "/queueServices/default"),
    ("/tableservices/default", "/tableServices/default"),
];

/// Versions of `Microsoft.Resources` groups, subscriptions and tags.
pub(in super::super) const RESOURCES_VERSIONS: &[&str] = &["2021-04-01", "2022-12-01", "2024-07-01"];

const AUTHORIZATION: &[&str] = &["2022-04-01"];
const LOCKS: &[&str] = &["2020-05-01"];
const COMPUTE: &[&str] = &["2024-03-02"];
const CONTAINER_SERVICE: &[&str] = &["2024-09-01"];
const IDENTITY: &[&str] = &["2023-01-31"];
const STORAGE: &[&str] = &["2023-05-01"];
const KEY_VAULT: &[&str] = &["2023-07-01"];
const REGISTRY: &[&str] = &["2023-07-01"];
const NETWORK: &[&str] = &["2023-11-01"];
const DNS: &[&str] = &["2018-05-01"];

macro_rules! kinds {
    ($($namespace:literal $types:expr, $family:ident, $versions:expr;)*) => {
        &[$(Kind { namespace: $namespace, types: &$types, family: Family::$family, versions: $versions },)*]
    };
}

static KINDS: &[Kind] = kinds! {
    "Microsoft.Compute" ["disks"], Disk, COMPUTE;
    "Microsoft.Compute" ["snapshots"], Snapshot, COMPUTE;
    "Microsoft.ContainerService" ["managedClusters"], Cluster, CONTAINER_SERVICE;
    "Microsoft.ContainerService" ["managedClusters", "agentPools"], AgentPool, CONTAINER_SERVICE;
    "Microsoft.ManagedIdentity" ["userAssignedIdentities"], Identity, IDENTITY;
    "Microsoft.ManagedIdentity" ["userAssignedIdentities", "federatedIdentityCredentials"], FederatedCredential, IDENTITY;
    "Microsoft.Authorization" ["roleAssignments"], RoleAssignment, AUTHORIZATION;
    "Microsoft.Authorization" ["roleDefinitions"], RoleDefinition, AUTHORIZATION;
    "Microsoft.Authorization" ["locks"], Lock, LOCKS;
    "Microsoft.Resources" ["tags"], Tags, RESOURCES_VERSIONS;
    "Microsoft.Storage" ["storageAccounts"], StorageAccount, STORAGE;
    "Microsoft.Storage" ["storageAccounts", "fileServices"], StorageService, STORAGE;
    "Microsoft.Storage" ["storageAccounts", "fileServices", "shares"], Share, STORAGE;
    "Microsoft.Storage" ["storageAccounts", "blobServices"], StorageService, STORAGE;
    "Microsoft.Storage" ["storageAccounts", "blobServices", "containers"], StorageItem, STORAGE;
    "Microsoft.Storage" ["storageAccounts", "queueServices"], StorageService, STORAGE;
    "Microsoft.Storage" ["storageAccounts", "queueServices", "queues"], StorageItem, STORAGE;
    "Microsoft.Storage" ["storageAccounts", "tableServices"], StorageService, STORAGE;
    "Microsoft.Storage" ["storageAccounts", "tableServices", "tables"], StorageItem, STORAGE;
    "Microsoft.Network" ["publicIPAddresses"], Plain, NETWORK;
    "Microsoft.KeyVault" ["vaults"], Plain, KEY_VAULT;
    "Microsoft.ContainerRegistry" ["registries"], Plain, REGISTRY;
    "Microsoft.Network" ["dnsZones"], DnsZone, DNS;
    "Microsoft.Network" ["dnsZones", "A"], RecordSet, DNS;
    "Microsoft.Network" ["dnsZones", "AAAA"], RecordSet, DNS;
    "Microsoft.Network" ["dnsZones", "CAA"], RecordSet, DNS;
    "Microsoft.Network" ["dnsZones", "CNAME"], RecordSet, DNS;
    "Microsoft.Network" ["dnsZones", "MX"], RecordSet, DNS;
    "Microsoft.Network" ["dnsZones", "NS"], RecordSet, DNS;
    "Microsoft.Network" ["dnsZones", "PTR"], RecordSet, DNS;
    "Microsoft.Network" ["dnsZones", "SOA"], RecordSet, DNS;
    "Microsoft.Network" ["dnsZones", "SRV"], RecordSet, DNS;
    "Microsoft.Network" ["dnsZones", "TXT"], RecordSet, DNS;
    "Microsoft.Network" ["dnsZones", "recordsets"], RecordSets, DNS;
    "Microsoft.Network" ["dnsZones", "all"], RecordSets, DNS;
};

/// The kind of a provider's type path.
///
/// # Errors
/// `InvalidResourceNamespace`, `InvalidResourceType`.
pub(in super::super) fn find(namespace: &str, types: &[&str]) -> Result<&'static Kind, Failure> {
    let mut of_namespace = KINDS.iter().filter(|kind| kind.namespace.eq_ignore_ascii_case(namespace)).peekable();
    if of_namespace.peek().is_none() {
        return Err(Failure::new(
            404,
            "InvalidResourceNamespace",
            format!("The resource namespace '{namespace}' is invalid: the sandbox does not serve it."),
        ));
    }
    of_namespace
        .find(|kind| {
            kind.types.len() == types.len()
                && kind.types.iter().zip(types).all(|(known, given)| known.eq_ignore_ascii_case(given))
        })
        .ok_or_else(|| {
            let given = types.join("/");
            Failure::new(
                404,
                "InvalidResourceType",
                format!("The resource type '{given}' could not be found in the namespace '{namespace}': the sandbox does not serve it."),
            )
        })
}

/// Whether a full type (`namespace/type`, any case) is one that the emulator serves.
pub(in super::super) fn is_known(full: &str) -> bool {
    KINDS.iter().any(|kind| kind.full().eq_ignore_ascii_case(full))
}

/// Whether the provider is one that the emulator serves.
pub(in super::super) fn is_known_namespace(namespace: &str) -> bool {
    namespace.eq_ignore_ascii_case("Microsoft.Resources")
        || KINDS.iter().any(|kind| kind.namespace.eq_ignore_ascii_case(namespace))
}
