//! Settings of the driver `aks` (`resources.md`, "Settings"): the tables, and what is read from them, checked.

use super::regions::{self, Region};
use super::skus::{ACCOUNT_SKUS, DISK_SKUS};
use crate::diag::{Diagnostic, Location};
use crate::engine::diff::release;
use crate::kom::model::{App, Cluster, Located, Provider};
use crate::kom::settings::{Setting, Tables, Takes};
use crate::resources::driver::Environment;
use crate::resources::scope::Findings;
use crate::resources::settings::Reader;

/// All settings.
pub(super) static TABLES: Tables = Tables {
    provider: &[
        &AUTH_METHOD,
        &SUBSCRIPTION,
        &LOCATION,
        &RESOURCE_PREFIX,
        &TENANT_ID,
        &CLIENT_ID,
        &CLIENT_SECRET,
        &FEDERATED_TOKEN_FILE,
    ],
    cluster: &[
        &RESOURCE_GROUP,
        &CLUSTER_NAME,
        &KUBERNETES_VERSION,
        &SYSTEM_SIZE,
        &SYSTEM_DISK_TYPE,
        &SYSTEM_DISK_SIZE,
        &SYSTEM_PRIORITY,
        &SYSTEM_ZONES,
        &USER_SIZE,
        &USER_DISK_TYPE,
        &USER_DISK_SIZE,
        &USER_PRIORITY,
        &USER_ZONES,
        &USER_ULTRA_SSD,
        &DNS_ZONES,
        &REGISTRIES,
        &KEY_VAULTS,
    ],
    app: &[&RESOURCE_GROUP, &STORAGE_ACCOUNT],
    disk: &[&DISK_SKU, &IOPS, &MBPS],
    files: &[&SHARE_SKU, &QUOTA_GIB, &PROTOCOL],
};

/// The way to sign in.
pub(super) static AUTH_METHOD: Setting = Setting::new(
    "AZURE_AUTH_METHOD",
    Takes::Words(&["azure_cli", "azure_developer_cli", "client_secret", "managed_identity", "workload_identity"]),
    "the way to sign in",
)
.required()
.first("azure_cli", "signs in as `az login` did; no credential is ever written here");
/// The subscription.
pub(super) static SUBSCRIPTION: Setting = Setting::new("AZURE_SUBSCRIPTION_ID", Takes::Text, "the subscription's id")
    .required()
    .first("00000000-0000-0000-0000-000000000000", "yours: az account show --query id");
/// The region.
pub(super) static LOCATION: Setting = Setting::new("AZURE_LOCATION", Takes::Text, "the region, such as japaneast")
    .required()
    .first("japaneast", "the region");
/// The prefix of names.
static RESOURCE_PREFIX: Setting = Setting::new(
    "AZURE_RESOURCE_PREFIX",
    Takes::Text,
    "what names of Azure objects begin with, at most 32 characters; default k4x- and a hash of Workspace and Provider",
);
/// The tenant to sign in to.
static TENANT_ID: Setting = Setting::new("AZURE_TENANT_ID", Takes::Text, "the tenant to sign in to").credential();
/// Who signs in.
static CLIENT_ID: Setting =
    Setting::new("AZURE_CLIENT_ID", Takes::Text, "the application or identity that signs in").credential();
/// Its secret.
static CLIENT_SECRET: Setting =
    Setting::new("AZURE_CLIENT_SECRET", Takes::Text, "its secret, for client_secret; keep it in the environment")
        .credential();
/// Its token.
static FEDERATED_TOKEN_FILE: Setting =
    Setting::new("AZURE_FEDERATED_TOKEN_FILE", Takes::Text, "the file with its token, for workload_identity")
        .credential();

/// The group of a cluster, or of an app.
pub(super) static RESOURCE_GROUP: Setting =
    Setting::new("AZURE_RESOURCE_GROUP_NAME", Takes::Text, "the resource group, if its name is not to be made up");
/// The managed cluster.
pub(super) static CLUSTER_NAME: Setting =
    Setting::new("AZURE_AKS_CLUSTER_NAME", Takes::Text, "the managed cluster, if its name is not to be made up");
/// Its version.
pub(super) static KUBERNETES_VERSION: Setting = Setting::new(
    "AZURE_AKS_KUBERNETES_VERSION",
    Takes::Text,
    "the version of Kubernetes, of the control plane and all pools; default what runs, and 1.33 for a new cluster",
);
const DISK_TYPES: Takes = Takes::Words(&["Ephemeral", "Managed"]);
/// VM size of the system pool.
pub(super) static SYSTEM_SIZE: Setting =
    Setting::new("AZURE_AKS_SYSTEM_VM_SIZE", Takes::Text, "VM size of the system pool").or("Standard_D2lds_v6");
/// OS disks of the system pool.
pub(super) static SYSTEM_DISK_TYPE: Setting =
    Setting::new("AZURE_AKS_SYSTEM_VM_DISK_TYPE", DISK_TYPES, "OS disks of the system pool").or("Ephemeral");
/// Size of the OS disks of the system pool, in GB.
pub(super) static SYSTEM_DISK_SIZE: Setting =
    Setting::new("AZURE_AKS_SYSTEM_VM_DISK_SIZE_GB", Takes::Whole, "size of the OS disks of the system pool, in GB")
        .or("110");
/// Priority of the system pool.
pub(super) static SYSTEM_PRIORITY: Setting =
    Setting::new("AZURE_AKS_SYSTEM_VM_PRIORITY", Takes::Words(&["Regular"]), "priority of the system pool")
        .or("Regular");
/// Zones of the system pool.
pub(super) static SYSTEM_ZONES: Setting =
    Setting::new("AZURE_AKS_SYSTEM_VM_ZONES", Takes::List, "zones of the system pool");
/// VM size of the user pool.
pub(super) static USER_SIZE: Setting =
    Setting::new("AZURE_AKS_USER_VM_SIZE", Takes::Text, "VM size of the user pool").or("Standard_D2lds_v6");
/// OS disks of the user pool.
pub(super) static USER_DISK_TYPE: Setting =
    Setting::new("AZURE_AKS_USER_VM_DISK_TYPE", DISK_TYPES, "OS disks of the user pool").or("Ephemeral");
/// Size of the OS disks of the user pool, in GB.
pub(super) static USER_DISK_SIZE: Setting =
    Setting::new("AZURE_AKS_USER_VM_DISK_SIZE_GB", Takes::Whole, "size of the OS disks of the user pool, in GB")
        .or("110");
/// Priority of the user pool.
pub(super) static USER_PRIORITY: Setting =
    Setting::new("AZURE_AKS_USER_VM_PRIORITY", Takes::Words(&["Regular", "Spot"]), "priority of the user pool")
        .or("Spot")
        .first("Regular", "Spot is cheaper, but Azure takes it away at any time");
/// Zones of the user pool.
pub(super) static USER_ZONES: Setting =
    Setting::new("AZURE_AKS_USER_VM_ZONES", Takes::List, "zones of the user pool").or("1,2,3").first("1", "");
/// Whether user pools attach ultra disks (ext).
pub(super) static USER_ULTRA_SSD: Setting = Setting::new(
    "AZURE_AKS_USER_VM_ULTRA_SSD",
    Takes::Words(&["true", "false"]),
    "whether nodes of the user pool can attach ultra disks",
)
.or("false");
/// DNS zones that the cluster may write.
static DNS_ZONES: Setting = Setting::new(
    "AZURE_AKS_DNS_ZONE_RESOURCE_IDS",
    Takes::List,
    "resource ids of the DNS zones in which hosts of apps get records",
);
/// Registries that its nodes may pull from.
static REGISTRIES: Setting = Setting::new(
    "AZURE_AKS_CONTAINER_REGISTRY_RESOURCE_IDS",
    Takes::List,
    "resource ids of the registries that nodes pull from",
);
/// Key vaults of the ingress certificates (ext).
pub(super) static KEY_VAULTS: Setting = Setting::new(
    "AZURE_KEY_VAULT_RESOURCE_IDS",
    Takes::List,
    "resource ids of the key vaults with the certificates of the ingress; default: they are looked for by name",
);
/// The account of an app's shares (ext): such names are one namespace for all of Azure.
pub(super) static STORAGE_ACCOUNT: Setting = Setting::new(
    "AZURE_STORAGE_ACCOUNT_NAME",
    Takes::Text,
    "the storage account of the app's shares, if its name is not to be made up",
);

/// The SKU of a disk.
pub(super) static DISK_SKU: Setting =
    Setting::new("sku", Takes::Words(&DISK_SKUS), "the SKU of the disk").or("Premium_LRS");
/// The IOPS of a disk.
pub(super) static IOPS: Setting =
    Setting::new("iops", Takes::Whole, "the IOPS of the disk, for UltraSSD_LRS and PremiumV2_LRS");
/// The throughput of a disk.
pub(super) static MBPS: Setting =
    Setting::new("mbps", Takes::Whole, "the MB/s of the disk, for UltraSSD_LRS and PremiumV2_LRS");
/// The SKU of a storage account.
pub(super) static SHARE_SKU: Setting =
    Setting::new("sku", Takes::Words(&ACCOUNT_SKUS), "the SKU of the app's storage account").or("Standard_LRS");
/// The quota of a share.
pub(super) static QUOTA_GIB: Setting =
    Setting::new("quotaGiB", Takes::Whole, "the quota of the share, in GiB; default the volume's size");
/// The protocol of a share.
pub(super) static PROTOCOL: Setting =
    Setting::new("protocol", Takes::Words(&["smb"]), "the protocol by which Pods mount the share").or("smb");

/// Settings of a Provider.
#[derive(Debug, Clone)]
pub(super) struct ProviderSettings {
    /// The subscription.
    pub(super) subscription: String,
    /// The region.
    pub(super) location: String,
    /// The prefix of names, if it is not the default.
    pub(super) prefix: Option<String>,
    /// Where that stands.
    pub(super) prefix_place: Option<Location>,
}

/// Reads the settings of a Provider.
pub(super) fn provider(
    provider: &Provider,
    environment: &Environment,
    findings: &mut Findings<'_>,
) -> ProviderSettings {
    let mut reader = Reader::new(&provider.settings, environment, &provider.meta.location, findings);
    let auth = reader.required(&AUTH_METHOD);
    if let Takes::Words(methods) = AUTH_METHOD.takes
        && !auth.is_empty()
        && !methods.contains(&auth.as_str())
    {
        let all = methods.join(", ");
        reader.wrong(&AUTH_METHOD, format!("{} is \"{auth}\"; it must be one of {all}", AUTH_METHOD.key));
    }
    let prefix = reader.text(&RESOURCE_PREFIX);
    if prefix.as_ref().is_some_and(|prefix| prefix.chars().count() > 32) {
        reader.wrong(&RESOURCE_PREFIX, format!("{} has more than 32 characters", RESOURCE_PREFIX.key));
    }
    ProviderSettings {
        subscription: subscription(&mut reader),
        location: location(&mut reader),
        prefix_place: prefix.as_ref().map(|_| reader.place(&RESOURCE_PREFIX)),
        prefix,
    }
}

/// The subscription's id: a GUID, as ARM's OpenAPI has it (`format: uuid`).
fn subscription(reader: &mut Reader<'_, '_>) -> String {
    let id = reader.required(&SUBSCRIPTION);
    if !id.is_empty() && uuid::Uuid::try_parse(&id).is_err() {
        let help = "it is the GUID that `az account show --query id --output tsv` prints";
        let message = format!("{} is \"{id}\", which is no subscription id", SUBSCRIPTION.key);
        reader.say(&SUBSCRIPTION, Diagnostic::error("setting-value", message).help(help));
    }
    id
}

fn location(reader: &mut Reader<'_, '_>) -> String {
    let text = reader.required(&LOCATION);
    if text.is_empty() {
        return text;
    }
    let key = LOCATION.key;
    match regions::judge(&text) {
        Region::Known => {}
        Region::Unknown(help) => {
            let message = format!("{key} is \"{text}\", a region that this version of kompox does not know");
            reader.say(&LOCATION, Diagnostic::warning("setting-value", message).help(help));
        }
        Region::Malformed(help) => {
            let message = format!("{key} is \"{text}\", which is no name of a region");
            reader.say(&LOCATION, Diagnostic::error("setting-value", message).help(help));
        }
    }
    text
}

/// The size of a pool's machines, as Azure writes sizes: `Standard_D2lds_v6`.
fn vm_size(reader: &mut Reader<'_, '_>, setting: &Setting) -> String {
    let Some(text) = reader.text(setting) else { return setting.default.unwrap_or_default().to_owned() };
    let rest = ["Standard_", "Basic_"]
        .iter()
        .find_map(|family| text.get(..family.len()).filter(|start| start.eq_ignore_ascii_case(family)))
        .map_or("", |start| &text[start.len()..]);
    let fits = rest.starts_with(|c: char| c.is_ascii_alphabetic())
        && rest.contains(|c: char| c.is_ascii_digit())
        && rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if !fits {
        let tail = text.rsplit([' ', '.', '/']).next().unwrap_or(&text);
        let tail = ["standard_", "standard-", "basic_", "basic-"]
            .iter()
            .find(|start| tail.to_ascii_lowercase().starts_with(*start))
            .map_or(tail, |start| &tail[start.len()..]);
        let help = match tail.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
            true if tail.contains(|c: char| c.is_ascii_digit()) => {
                format!("did you mean Standard_{tail}? `az vm list-sizes --location REGION --output table` lists sizes")
            }
            _ => "sizes are written as in Standard_D2lds_v6; `az vm list-sizes --location REGION --output table` lists them"
                .to_owned(),
        };
        let message = format!("{} is \"{text}\", which is no VM size", setting.key);
        reader.say(setting, Diagnostic::error("setting-value", message).help(help));
    }
    text
}

/// A Kubernetes version as AKS takes it: `1.33`, or `1.33.4`.
fn kubernetes_version(reader: &mut Reader<'_, '_>) -> Option<String> {
    let text = reader.text(&KUBERNETES_VERSION)?;
    let parts = release(&text);
    if !parts.as_deref().is_some_and(|parts| matches!(parts, [1..=9, _] | [1..=9, _, _])) {
        let bare = text.trim_start_matches(['v', 'V']);
        let help = match release(bare) {
            Some(parts) if matches!(parts.as_slice(), [_, _] | [_, _, _]) => format!("did you mean \"{bare}\"?"),
            _ => "write a version such as \"1.33\", or \"1.33.4\"".to_owned(),
        };
        let message = format!("{} is \"{text}\", which is no Kubernetes version", KUBERNETES_VERSION.key);
        reader.say(&KUBERNETES_VERSION, Diagnostic::error("setting-value", message).help(help));
        return None;
    }
    Some(text)
}

fn resource_ids(reader: &mut Reader<'_, '_>, setting: &Setting) -> Vec<String> {
    let ids = reader.list(setting);
    for id in &ids {
        if !id.starts_with("/subscriptions/") {
            let key = setting.key;
            reader.wrong(setting, format!("{key} holds \"{id}\", which is no Azure resource id (/subscriptions/…)"));
        }
    }
    ids
}

/// A pool of nodes.
#[derive(Debug, Clone)]
pub(super) struct PoolSettings {
    /// VM size.
    pub(super) vm_size: String,
    /// `Ephemeral` or `Managed`.
    pub(super) disk_type: &'static str,
    /// OS disk size in GB.
    pub(super) disk_size_gb: u32,
    /// `Regular` or `Spot`.
    pub(super) priority: &'static str,
    /// Zones; empty means wherever Azure places it.
    pub(super) zones: Vec<String>,
    /// Where the settings stand that somebody wrote, by the field of the pool that they become.
    pub(super) places: Vec<(&'static str, Location)>,
    /// Whether its nodes can attach ultra disks (ext).
    pub(super) ultra: bool,
}

/// Settings of a Cluster.
#[derive(Debug, Clone)]
pub(super) struct ClusterSettings {
    /// The group's name, if it is not the default.
    pub(super) group: Option<String>,
    /// Where that stands.
    pub(super) group_place: Option<Location>,
    /// The cluster's name, if it is not the default (ext): for `existing: true`.
    pub(super) name: Option<String>,
    /// Where that stands.
    pub(super) name_place: Option<Location>,
    /// Where the version stands.
    pub(super) version_place: Option<Location>,
    /// The Kubernetes version that was chosen, of the control plane and of all pools.
    pub(super) version: Option<String>,
    /// Pool of the cluster's own services.
    pub(super) system: PoolSettings,
    /// Pools of apps, one per zone.
    pub(super) user: PoolSettings,
    /// DNS zones that the cluster may write.
    pub(super) dns_zones: Vec<String>,
    /// Registries that its nodes may pull from.
    pub(super) registries: Vec<String>,
    /// Key vaults of the ingress certificates (ext): a certificate's source names a vault, a role needs its resource id.
    pub(super) key_vaults: Vec<String>,
}

/// The settings of a pool.
struct PoolTable {
    size: &'static Setting,
    disk_type: &'static Setting,
    disk_size: &'static Setting,
    priority: &'static Setting,
    zones: &'static Setting,
    ultra: Option<&'static Setting>,
}

static SYSTEM: PoolTable = PoolTable {
    size: &SYSTEM_SIZE,
    disk_type: &SYSTEM_DISK_TYPE,
    disk_size: &SYSTEM_DISK_SIZE,
    priority: &SYSTEM_PRIORITY,
    zones: &SYSTEM_ZONES,
    ultra: None,
};

static USER: PoolTable = PoolTable {
    size: &USER_SIZE,
    disk_type: &USER_DISK_TYPE,
    disk_size: &USER_DISK_SIZE,
    priority: &USER_PRIORITY,
    zones: &USER_ZONES,
    ultra: Some(&USER_ULTRA_SSD),
};

impl PoolTable {
    fn read(&self, reader: &mut Reader<'_, '_>) -> PoolSettings {
        // The fields of a pool that the settings become.
        let fields = [
            (Some(self.size), "vmSize"),
            (Some(self.disk_type), "osDiskType"),
            (Some(self.disk_size), "osDiskSizeGB"),
            (Some(self.priority), "scaleSetPriority"),
            (Some(self.zones), "availabilityZones"),
            (self.ultra, "enableUltraSSD"),
        ];
        PoolSettings {
            vm_size: vm_size(reader, self.size),
            disk_type: reader.choice(self.disk_type),
            disk_size_gb: reader.number(self.disk_size),
            priority: reader.choice(self.priority),
            zones: reader.list(self.zones),
            places: fields
                .into_iter()
                .filter_map(|(setting, field)| Some((field, reader.written(setting?)?)))
                .collect(),
            ultra: self.ultra.is_some_and(|ultra| reader.choice(ultra) == "true"),
        }
    }
}

/// Reads the settings of a Cluster.
pub(super) fn cluster(cluster: &Cluster, environment: &Environment, findings: &mut Findings<'_>) -> ClusterSettings {
    let mut reader = Reader::new(&cluster.settings, environment, &cluster.meta.location, findings);
    let system = SYSTEM.read(&mut reader);
    let user = USER.read(&mut reader);
    check_zones(&mut reader, &SYSTEM_ZONES, &system.zones);
    check_zones(&mut reader, &USER_ZONES, &user.zones);
    let group = reader.text(&RESOURCE_GROUP);
    let name = reader.text(&CLUSTER_NAME);
    ClusterSettings {
        group_place: group.as_ref().map(|_| reader.place(&RESOURCE_GROUP)),
        group,
        name_place: name.as_ref().map(|_| reader.place(&CLUSTER_NAME)),
        name,
        version_place: reader.text(&KUBERNETES_VERSION).map(|_| reader.place(&KUBERNETES_VERSION)),
        version: kubernetes_version(&mut reader),
        system,
        user,
        dns_zones: resource_ids(&mut reader, &DNS_ZONES),
        registries: resource_ids(&mut reader, &REGISTRIES),
        key_vaults: resource_ids(&mut reader, &KEY_VAULTS),
    }
}

fn check_zones(reader: &mut Reader<'_, '_>, setting: &Setting, zones: &[String]) {
    let key = setting.key;
    if let Some(zone) = zones.iter().find(|zone| zone.is_empty() || !zone.bytes().all(|b| b.is_ascii_digit())) {
        reader.wrong(setting, format!("{key} holds \"{zone}\"; zones are numbers such as 1,2,3"));
    }
    let repeated = zones.iter().enumerate().find(|(at, zone)| zones[..*at].contains(zone));
    if let Some((_, zone)) = repeated {
        reader.wrong(setting, format!("{key} holds the zone {zone} twice"));
    }
    if let Some(zone) = zones.iter().find(|zone| zone.len() > 6 && zone.bytes().all(|b| b.is_ascii_digit())) {
        reader.wrong(setting, format!("{key} holds \"{zone}\": no region has so many zones"));
    }
}

/// The group of an app, if it is not the default.
pub(super) fn app_group(app: &App) -> Option<String> {
    app.settings.value(RESOURCE_GROUP.key).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The name of an app's storage account, if it is not the default.
pub(super) fn storage_account(app: &App) -> Option<&Located<String>> {
    app.settings.get(STORAGE_ACCOUNT.key).filter(|name| !name.value.is_empty())
}
