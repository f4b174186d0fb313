//! Settings of the driver `aks` (`resources.md`, "Settings"), typed and checked.

use std::collections::BTreeMap;

use super::regions::{self, Region};
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::engine::diff::release;
use crate::kom::model::{App, Cluster, Located, Provider, Settings};
use crate::text::suggest::closest;

/// Reads settings of one object, with the environment behind them, and collects what is wrong.
pub struct Reader<'a> {
    settings: &'a Settings,
    environment: &'a BTreeMap<String, String>,
    owner: &'a Location,
    diagnostics: &'a mut Diagnostics,
}

impl<'a> Reader<'a> {
    /// A reader of `settings`; a setting that is absent is read from `environment` (ext).
    pub fn new(
        settings: &'a Settings,
        environment: &'a BTreeMap<String, String>,
        owner: &'a Location,
        diagnostics: &'a mut Diagnostics,
    ) -> Self {
        Self { settings, environment, owner, diagnostics }
    }

    fn text(&self, key: &str) -> Option<String> {
        let set = self.settings.value(key).or_else(|| self.environment.get(key).map(String::as_str));
        set.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn place(&self, key: &str) -> Location {
        self.settings.get(key).map_or_else(|| self.owner.clone(), |located| located.location.clone())
    }

    fn wrong(&mut self, key: &str, message: String) {
        let place = self.place(key);
        self.diagnostics.push(Diagnostic::error("setting-value", message).at(place, None));
    }

    fn wrong_but(&mut self, key: &str, message: String, help: String) {
        let place = self.place(key);
        self.diagnostics.push(Diagnostic::error("setting-value", message).at(place, None).help(help));
    }

    /// The subscription's id: a GUID, as ARM's OpenAPI has it (`format: uuid`).
    fn subscription(&mut self) -> String {
        const KEY: &str = "AZURE_SUBSCRIPTION_ID";
        let id = self.required(KEY, "the subscription's id");
        if !id.is_empty() && uuid::Uuid::try_parse(&id).is_err() {
            let help = "it is the GUID that `az account show --query id --output tsv` prints".to_owned();
            self.wrong_but(KEY, format!("{KEY} is \"{id}\", which is no subscription id"), help);
        }
        id
    }

    fn location(&mut self) -> String {
        const KEY: &str = "AZURE_LOCATION";
        let text = self.required(KEY, "the region, such as japaneast");
        if text.is_empty() {
            return text;
        }
        let place = self.place(KEY);
        match regions::judge(&text) {
            Region::Known => {}
            Region::Unknown(help) => {
                let message = format!("{KEY} is \"{text}\", a region that this version of kompox does not know");
                self.diagnostics.push(Diagnostic::warning("setting-value", message).at(place, None).help(help));
            }
            Region::Malformed(help) => {
                let message = format!("{KEY} is \"{text}\", which is no name of a region");
                self.diagnostics.push(Diagnostic::error("setting-value", message).at(place, None).help(help));
            }
        }
        text
    }

    /// The size of a pool's machines, as Azure writes sizes: `Standard_D2lds_v6`.
    fn vm_size(&mut self, key: &str) -> String {
        let Some(text) = self.text(key) else { return "Standard_D2lds_v6".to_owned() };
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
            self.wrong_but(key, format!("{key} is \"{text}\", which is no VM size"), help);
        }
        text
    }

    /// A Kubernetes version as AKS takes it: `1.33`, or `1.33.4`.
    fn kubernetes_version(&mut self) -> Option<String> {
        const KEY: &str = "AZURE_AKS_KUBERNETES_VERSION";
        let text = self.text(KEY)?;
        let parts = release(&text);
        if !parts.as_deref().is_some_and(|parts| matches!(parts, [1..=9, _] | [1..=9, _, _])) {
            let bare = text.trim_start_matches(['v', 'V']);
            let help = match release(bare) {
                Some(parts) if matches!(parts.as_slice(), [_, _] | [_, _, _]) => format!("did you mean \"{bare}\"?"),
                _ => "write a version such as \"1.33\", or \"1.33.4\"".to_owned(),
            };
            self.wrong_but(KEY, format!("{KEY} is \"{text}\", which is no Kubernetes version"), help);
            return None;
        }
        Some(text)
    }

    fn required(&mut self, key: &str, what: &str) -> String {
        self.text(key).unwrap_or_else(|| {
            let message = format!("the setting {key} ({what}) is missing");
            let help = format!("add {key} under spec.settings, or set the environment variable {key}");
            let diagnostic = Diagnostic::error("setting-missing", message).at(self.owner.clone(), None).help(help);
            self.diagnostics.push(diagnostic);
            String::new()
        })
    }

    fn choice(&mut self, key: &str, choices: &[&str], default: &str) -> String {
        let Some(text) = self.text(key) else { return default.to_owned() };
        match choices.iter().find(|choice| choice.eq_ignore_ascii_case(&text)) {
            Some(choice) => (*choice).to_owned(),
            None => {
                self.wrong(key, format!("{key} is \"{text}\"; it must be one of {}", choices.join(", ")));
                default.to_owned()
            }
        }
    }

    fn number(&mut self, key: &str, default: u32) -> u32 {
        let Some(text) = self.text(key) else { return default };
        match text.parse() {
            Ok(number) => number,
            Err(_) => {
                self.wrong(key, format!("{key} is \"{text}\"; it must be a whole number"));
                default
            }
        }
    }

    /// A comma or space list. A setting that is there but empty is an empty list, not the default.
    fn list(&self, key: &str, default: &[&str]) -> Vec<String> {
        match self.settings.value(key).or_else(|| self.environment.get(key).map(String::as_str)) {
            Some(text) => {
                text.split([',', ' ']).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
            }
            None => default.iter().map(|item| (*item).to_owned()).collect(),
        }
    }

    fn resource_ids(&mut self, key: &str) -> Vec<String> {
        let ids = self.list(key, &[]);
        for id in &ids {
            if !id.starts_with("/subscriptions/") {
                self.wrong(key, format!("{key} holds \"{id}\", which is no Azure resource id (/subscriptions/…)"));
            }
        }
        ids
    }
}

/// The ways to sign in.
pub const AUTH_METHODS: [&str; 5] =
    ["azure_cli", "azure_developer_cli", "client_secret", "managed_identity", "workload_identity"];

/// Settings that say how to sign in; they are handed to the connection as they are and are no part of a plan's inputs.
pub const CREDENTIALS: [&str; 4] =
    ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE"];

/// What a Provider may set beside [`CREDENTIALS`].
const OF_PROVIDER: [&str; 4] =
    ["AZURE_AUTH_METHOD", "AZURE_SUBSCRIPTION_ID", "AZURE_LOCATION", "AZURE_RESOURCE_PREFIX"];

/// What a Cluster may set.
const OF_CLUSTER: [&str; 17] = [
    "AZURE_RESOURCE_GROUP_NAME",
    "AZURE_AKS_CLUSTER_NAME",
    "AZURE_AKS_KUBERNETES_VERSION",
    "AZURE_AKS_SYSTEM_VM_SIZE",
    "AZURE_AKS_SYSTEM_VM_DISK_TYPE",
    "AZURE_AKS_SYSTEM_VM_DISK_SIZE_GB",
    "AZURE_AKS_SYSTEM_VM_PRIORITY",
    "AZURE_AKS_SYSTEM_VM_ZONES",
    "AZURE_AKS_USER_VM_SIZE",
    "AZURE_AKS_USER_VM_DISK_TYPE",
    "AZURE_AKS_USER_VM_DISK_SIZE_GB",
    "AZURE_AKS_USER_VM_PRIORITY",
    "AZURE_AKS_USER_VM_ZONES",
    "AZURE_AKS_USER_VM_ULTRA_SSD",
    "AZURE_AKS_DNS_ZONE_RESOURCE_IDS",
    "AZURE_AKS_CONTAINER_REGISTRY_RESOURCE_IDS",
    "AZURE_KEY_VAULT_RESOURCE_IDS",
];

/// What an App may set.
const OF_APP: [&str; 2] = ["AZURE_RESOURCE_GROUP_NAME", "AZURE_STORAGE_ACCOUNT_NAME"];

/// Warns of settings that nobody reads.
fn unknown(settings: &Settings, known: &[&str], diagnostics: &mut Diagnostics) {
    for (key, value) in settings.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
        let message = format!("the setting {key} is not used: the driver aks does not know it here");
        let help = match closest(key, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("known here are {}", known.join(", ")),
        };
        diagnostics.push(Diagnostic::warning("setting-unknown", message).at(value.location.clone(), None).help(help));
    }
}

/// Settings of a Provider.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// The subscription.
    pub subscription: String,
    /// The region.
    pub location: String,
    /// One of [`AUTH_METHODS`].
    pub auth: String,
    /// The prefix of names, if it is not the default.
    pub prefix: Option<String>,
    /// Where that stands.
    pub prefix_place: Option<Location>,
}

/// Reads the settings of a Provider.
pub fn provider(
    provider: &Provider,
    environment: &BTreeMap<String, String>,
    diagnostics: &mut Diagnostics,
) -> ProviderSettings {
    unknown(&provider.settings, &[OF_PROVIDER, CREDENTIALS].concat(), diagnostics);
    let mut reader = Reader::new(&provider.settings, environment, &provider.meta.location, diagnostics);
    let auth = reader.required("AZURE_AUTH_METHOD", &AUTH_METHODS.join(", "));
    if !auth.is_empty() && !AUTH_METHODS.contains(&auth.as_str()) {
        reader.wrong(
            "AZURE_AUTH_METHOD",
            format!("AZURE_AUTH_METHOD is \"{auth}\"; it must be one of {}", AUTH_METHODS.join(", ")),
        );
    }
    let prefix = reader.text("AZURE_RESOURCE_PREFIX");
    if prefix.as_ref().is_some_and(|prefix| prefix.chars().count() > 32) {
        reader.wrong("AZURE_RESOURCE_PREFIX", "AZURE_RESOURCE_PREFIX has more than 32 characters".to_owned());
    }
    ProviderSettings {
        subscription: reader.subscription(),
        location: reader.location(),
        auth,
        prefix_place: prefix.as_ref().map(|_| reader.place("AZURE_RESOURCE_PREFIX")),
        prefix,
    }
}

/// A pool of nodes.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// VM size.
    pub vm_size: String,
    /// `Ephemeral` or `Managed`.
    pub disk_type: String,
    /// OS disk size in GB.
    pub disk_size_gb: u32,
    /// `Regular` or `Spot`.
    pub priority: String,
    /// Zones; empty means wherever Azure places it.
    pub zones: Vec<String>,
    /// Where the settings stand that somebody wrote, by the field of the pool that they become.
    pub places: Vec<(&'static str, Location)>,
    /// Whether its nodes can attach ultra disks (ext).
    pub ultra: bool,
}

/// Settings of a Cluster.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// The group's name, if it is not the default.
    pub group: Option<String>,
    /// Where that stands.
    pub group_place: Option<Location>,
    /// The cluster's name, if it is not the default (ext): for `existing: true`.
    pub name: Option<String>,
    /// Where that stands.
    pub name_place: Option<Location>,
    /// Where the version stands.
    pub version_place: Option<Location>,
    /// The Kubernetes version that was chosen, of the control plane and of all pools.
    pub version: Option<String>,
    /// Pool of the cluster's own services.
    pub system: PoolSettings,
    /// Pools of apps, one per zone.
    pub user: PoolSettings,
    /// DNS zones that the cluster may write.
    pub dns_zones: Vec<String>,
    /// Registries that its nodes may pull from.
    pub registries: Vec<String>,
    /// Key vaults of the ingress certificates (ext): a certificate's source names a vault, a role needs its resource id.
    pub key_vaults: Vec<String>,
}

/// Settings of a pool and the fields that they become.
const POOL_FIELDS: [(&str, &str); 6] = [
    ("SIZE", "vmSize"),
    ("DISK_TYPE", "osDiskType"),
    ("DISK_SIZE_GB", "osDiskSizeGB"),
    ("PRIORITY", "scaleSetPriority"),
    ("ZONES", "availabilityZones"),
    ("ULTRA_SSD", "enableUltraSSD"),
];

/// Reads the settings of a Cluster.
pub fn cluster(
    cluster: &Cluster,
    environment: &BTreeMap<String, String>,
    diagnostics: &mut Diagnostics,
) -> ClusterSettings {
    unknown(&cluster.settings, &OF_CLUSTER, diagnostics);
    let mut reader = Reader::new(&cluster.settings, environment, &cluster.meta.location, diagnostics);
    let mut pool = |name: &str, priorities: &[&str], priority: &str, zones: &[&str]| {
        let key = |suffix: &str| format!("AZURE_AKS_{name}_VM_{suffix}");
        PoolSettings {
            vm_size: reader.vm_size(&key("SIZE")),
            disk_type: reader.choice(&key("DISK_TYPE"), &["Ephemeral", "Managed"], "Ephemeral"),
            disk_size_gb: reader.number(&key("DISK_SIZE_GB"), 110),
            priority: reader.choice(&key("PRIORITY"), priorities, priority),
            zones: reader.list(&key("ZONES"), zones),
            places: POOL_FIELDS
                .iter()
                .filter_map(|(suffix, field)| Some((*field, reader.settings.get(&key(suffix))?.location.clone())))
                .collect(),
            ultra: name == "USER" && reader.choice(&key("ULTRA_SSD"), &["true", "false"], "false") == "true",
        }
    };
    let system = pool("SYSTEM", &["Regular"], "Regular", &[]);
    let user = pool("USER", &["Regular", "Spot"], "Spot", &["1", "2", "3"]);
    for (key, zones) in [("AZURE_AKS_SYSTEM_VM_ZONES", &system.zones), ("AZURE_AKS_USER_VM_ZONES", &user.zones)] {
        if let Some(zone) = zones.iter().find(|zone| zone.is_empty() || !zone.bytes().all(|b| b.is_ascii_digit())) {
            reader.wrong(key, format!("{key} holds \"{zone}\"; zones are numbers such as 1,2,3"));
        }
        let repeated = zones.iter().enumerate().find(|(at, zone)| zones[..*at].contains(zone));
        if let Some((_, zone)) = repeated {
            reader.wrong(key, format!("{key} holds the zone {zone} twice"));
        }
        if let Some(zone) = zones.iter().find(|zone| zone.len() > 6 && zone.bytes().all(|b| b.is_ascii_digit())) {
            reader.wrong(key, format!("{key} holds \"{zone}\": no region has so many zones"));
        }
    }
    let group = reader.text("AZURE_RESOURCE_GROUP_NAME");
    let name = reader.text("AZURE_AKS_CLUSTER_NAME");
    ClusterSettings {
        group_place: group.as_ref().map(|_| reader.place("AZURE_RESOURCE_GROUP_NAME")),
        group,
        name_place: name.as_ref().map(|_| reader.place("AZURE_AKS_CLUSTER_NAME")),
        name,
        version_place: reader
            .text("AZURE_AKS_KUBERNETES_VERSION")
            .map(|_| reader.place("AZURE_AKS_KUBERNETES_VERSION")),
        version: reader.kubernetes_version(),
        system,
        user,
        dns_zones: reader.resource_ids("AZURE_AKS_DNS_ZONE_RESOURCE_IDS"),
        registries: reader.resource_ids("AZURE_AKS_CONTAINER_REGISTRY_RESOURCE_IDS"),
        key_vaults: reader.resource_ids("AZURE_KEY_VAULT_RESOURCE_IDS"),
    }
}

/// Warns of settings of an App that nobody reads.
pub fn check_app(app: &App, diagnostics: &mut Diagnostics) {
    unknown(&app.settings, &OF_APP, diagnostics);
}

/// The group of an app, if it is not the default.
pub fn app_group(app: &App) -> Option<String> {
    app.settings.value("AZURE_RESOURCE_GROUP_NAME").filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The name of an app's storage account, if it is not the default (ext): such names are one namespace for all of Azure.
pub fn storage_account(app: &App) -> Option<&Located<String>> {
    app.settings.get("AZURE_STORAGE_ACCOUNT_NAME").filter(|name| !name.value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_nobody_reads_are_told_with_what_was_meant() {
        let at = Location { file: "kompoxapp.yml".into(), line: 3, column: 5 };
        let written = |keys: &[&str]| {
            let value = || Located { value: "1".to_owned(), location: at.clone() };
            Settings(keys.iter().map(|key| ((*key).to_owned(), value())).collect())
        };
        let mut found = Diagnostics::default();
        unknown(&written(&["AZURE_AKS_USR_VM_ZONES", "AZURE_AKS_USER_VM_SIZE", "OTHER"]), &OF_CLUSTER, &mut found);
        let found: Vec<_> = found.iter().map(|one| (one.to_string(), one.help[0].clone())).collect();
        assert_eq!(found.len(), 2);
        assert!(found[0].0.contains("kompoxapp.yml:3:5: the setting AZURE_AKS_USR_VM_ZONES is not used"), "{found:?}");
        assert_eq!(found[0].1, "did you mean AZURE_AKS_USER_VM_ZONES?");
        assert!(found[1].1.starts_with("known here are AZURE_RESOURCE_GROUP_NAME, "));
    }
}
