//! A cluster in Azure: group, managed cluster, node pools, ingress identity, roles (`resources.md`, "Kinds").

use std::collections::BTreeMap;

use serde_json::json;

use super::account::Subscription;
use super::ingress::vault_secret;
use super::settings::{ClusterSettings, PoolSettings};
use super::{kinds, names};
use crate::diag::Diagnostic;
use crate::engine::address::Address;
use crate::engine::value::Value;
use crate::kom::model::Cluster;
use crate::resources::scope::{Builder, Lookup, origin_of, protection};

/// The roles that kompox assigns: name and the built-in definition's id.
pub(super) mod roles {
    /// Full access to what is in a scope.
    pub const CONTRIBUTOR: &str = "b24988ac-6180-42a0-ab88-20f7382dd24c";
    /// Pull images.
    pub const ACR_PULL: &str = "7f951dda-4ed3-4680-a7ca-43fe172d538d";
    /// Write records of a zone.
    pub const DNS_ZONE_CONTRIBUTOR: &str = "befefa01-2a29-4197-83a8-272ff33ce314";
    /// Read secrets of a vault.
    pub const KEY_VAULT_SECRETS_USER: &str = "4633458b-17de-408a-b874-0445c86b69e6";
}

/// Addresses of a cluster's objects that others refer to.
#[derive(Debug, Clone)]
pub(super) struct ClusterNodes {
    /// The managed cluster.
    pub cluster: Address,
    /// Its ARM id.
    pub cluster_id: String,
    /// The user pools; apps wait for them.
    pub pools: Vec<Address>,
    /// The ingress identity, unless the cluster is only read.
    pub identity: Option<Address>,
    /// Whether nodes of apps can attach ultra disks; not known of a cluster that is only read.
    pub ultra: Option<bool>,
}

/// Adds the nodes of a cluster.
pub(super) fn expand(
    builder: &mut Builder<'_>,
    account: &Subscription,
    cluster: &Cluster,
    settings: &ClusterSettings,
) -> ClusterNodes {
    let scope = cluster.meta.id.as_str();
    let name = &cluster.meta.name;
    let origin = &cluster.meta.location;
    let group = settings.group.clone().unwrap_or_else(|| {
        names::cluster_group(&account.prefix, &account.place.workspace, &account.place.provider, name)
    });
    let group_id = account.group_id(&group);
    let cluster_name = settings.name.clone().unwrap_or_else(|| names::cluster(&account.prefix, name));
    check_names(builder, account, cluster, settings, &group, &cluster_name);
    let cluster_id = format!("{group_id}/providers/Microsoft.ContainerService/managedClusters/{cluster_name}");
    let address = Address::new(scope, kinds::CLUSTER.name, name);
    let tags = account.place.cluster_tags(name);
    if cluster.existing == Some(true) {
        let mut desired = Value::object();
        desired.set(&["id"], cluster_id.as_str().into());
        builder.add(address.clone(), &kinds::CLUSTER, &account.key, desired, origin).read_only = true;
        return ClusterNodes { cluster: address, cluster_id, pools: Vec::new(), identity: None, ultra: None };
    }
    let wish = protection(cluster.protection.provisioning, &cluster.lifecycle, false);
    let group_address = Address::new(scope, kinds::GROUP.name, name);
    let desired = account.arm(builder.state, &group_id, &tags, json!({}));
    builder.add(group_address.clone(), &kinds::GROUP, &account.key, desired, origin).protection = wish.clone();

    let desired = account.arm(builder.state, &cluster_id, &tags, managed_cluster(&cluster_name, &group, settings));
    let node = builder.add(address.clone(), &kinds::CLUSTER, &account.key, desired, origin);
    node.depends_on.push(group_address.clone());
    node.protection = wish.clone();
    node.ignore_changes.clone_from(&cluster.lifecycle.ignore_changes);
    let lines = settings.system.places.iter().filter_map(|(field, place)| Some((system_field(field)?, place)));
    node.field_origins.extend(lines.map(|(pattern, place)| (pattern, origin_of(place))));
    if let Some(place) = &settings.version_place {
        let fields = ["properties.kubernetesVersion", "properties.agentPoolProfiles.*.orchestratorVersion"];
        node.field_origins.extend(fields.map(|pattern| (pattern, origin_of(place))));
    }
    if settings.version.is_none() {
        // Nobody chose a version: what runs is right, whatever it was made with.
        let pool = format!("/properties/agentPoolProfiles/{SYSTEM_POOL}/orchestratorVersion");
        node.ignore_changes.extend(["/properties/kubernetesVersion".to_owned(), pool]);
    }
    if cluster.protection.lock == Some(true) {
        let level = match cluster.protection.provisioning {
            Some(crate::kom::model::Guard::ReadOnly) => "ReadOnly",
            _ => "CanNotDelete",
        };
        let id = format!("{cluster_id}/providers/Microsoft.Authorization/locks/kompox");
        let desired = Value::from(json!({"id": id, "properties": {"level": level}}));
        let lock = Address::new(scope, kinds::LOCK.name, name);
        builder.add(lock, &kinds::LOCK, &account.key, desired, origin).depends_on.push(address.clone());
    }
    let pools = user_pools(builder, account, cluster, &cluster_id, &address, settings);
    let identity = ingress_identity(builder, account, cluster, &group_id, &group_address, &address, &tags);
    grants(builder, account, cluster, settings, &address, &identity);
    ClusterNodes { cluster: address, cluster_id, pools, identity: Some(identity), ultra: Some(settings.user.ultra) }
}

/// Names that Azure would refuse once other things are made: said before anything is.
fn check_names(
    builder: &mut Builder<'_>,
    account: &Subscription,
    cluster: &Cluster,
    settings: &ClusterSettings,
    group: &str,
    cluster_name: &str,
) {
    let mut checks = vec![(names::GROUP_RULE, group.to_owned()), (names::CLUSTER_RULE, cluster_name.to_owned())];
    if cluster.existing != Some(true) {
        checks.push((names::DNS_PREFIX_RULE, dns_prefix(cluster_name)));
        checks.push((names::NODE_GROUP_RULE, node_group(group)));
        checks.push((names::IDENTITY_RULE, identity_name(account, cluster)));
    }
    for (rule, name) in checks {
        let Some(why) = rule.broken_by(&name) else { continue };
        // The line to change: the setting that gave the name, else the prefix if somebody chose one, else the cluster.
        let own = match rule.what {
            what if what == names::GROUP_RULE.what || what == names::NODE_GROUP_RULE.what => &settings.group_place,
            what if what == names::IDENTITY_RULE.what => &None,
            _ => &settings.name_place,
        };
        let at = own.as_ref().or(account.prefix_place.as_ref()).unwrap_or(&cluster.meta.location);
        let help = match (own, &account.prefix_place) {
            (Some(_), _) => "choose another name in this setting".to_owned(),
            (None, Some(_)) => format!(
                "the name is made of AZURE_RESOURCE_PREFIX and the cluster's name \"{}\": change either",
                cluster.meta.name
            ),
            (None, None) => "give the cluster a shorter name".to_owned(),
        };
        let message = format!("\"{name}\" cannot be the name of a {}: {why}", rule.what);
        builder.diagnostics.push(Diagnostic::error("name", message).at(at.clone(), None).help(help));
    }
}

fn dns_prefix(cluster_name: &str) -> String {
    format!("{cluster_name}-dns")
}

fn node_group(group: &str) -> String {
    format!("{group}_mc")
}

fn identity_name(account: &Subscription, cluster: &Cluster) -> String {
    format!("id-{}-{}", account.prefix, cluster.meta.name)
}

/// The pool of the cluster's own services.
const SYSTEM_POOL: &str = "npsystem";
/// Kubernetes of a new cluster for which nobody chose a version.
const DEFAULT_VERSION: &str = "1.33";

fn managed_cluster(name: &str, group: &str, settings: &ClusterSettings) -> serde_json::Value {
    let mut system = pool_profile(&settings.system, &settings.system.zones, "system", 1, 3);
    system["name"] = SYSTEM_POOL.into();
    system["mode"] = "System".into();
    if let Some(version) = &settings.version {
        // In the cluster's own request, as `az aks upgrade` does: the control plane goes first, then these nodes.
        system["orchestratorVersion"] = version.as_str().into();
    }
    json!({
        "sku": {"name": "Base", "tier": "Free"},
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "kubernetesVersion": settings.version.as_deref().unwrap_or(DEFAULT_VERSION),
            "dnsPrefix": dns_prefix(name),
            "nodeResourceGroup": node_group(group),
            "enableRBAC": true,
            "aadProfile": {"managed": true, "enableAzureRBAC": true},
            "oidcIssuerProfile": {"enabled": true},
            "securityProfile": {"workloadIdentity": {"enabled": true}},
            "networkProfile": {"networkPlugin": "azure", "networkPluginMode": "overlay", "networkPolicy": "azure"},
            "addonProfiles": {
                "azureKeyvaultSecretsProvider": {"enabled": true, "config": {"enableSecretRotation": "true"}},
                "azurepolicy": {"enabled": true},
            },
            "agentPoolProfiles": [system],
        },
    })
}

fn pool_profile(pool: &PoolSettings, zones: &[String], label: &str, min: u32, max: u32) -> serde_json::Value {
    let mut labels = json!({"kompox.dev/node-pool": label});
    if let [zone] = zones {
        labels["kompox.dev/node-zone"] = zone.as_str().into();
    }
    let mut profile = json!({
        "mode": "User",
        "type": "VirtualMachineScaleSets",
        "osType": "Linux",
        "vmSize": pool.vm_size,
        "osDiskType": pool.disk_type,
        "osDiskSizeGB": pool.disk_size_gb,
        "maxPods": 250,
        "enableAutoScaling": true,
        "minCount": min,
        "maxCount": max,
        "count": min.max(1),
        "nodeLabels": labels,
    });
    if !zones.is_empty() {
        profile["availabilityZones"] = zones.into();
    }
    if pool.ultra {
        profile["enableUltraSSD"] = true.into();
    }
    profile
}

/// The field of a cluster that a field of its system pool is.
fn system_field(field: &str) -> Option<&'static str> {
    Some(match field {
        "vmSize" => "properties.agentPoolProfiles.*.vmSize",
        "osDiskType" => "properties.agentPoolProfiles.*.osDiskType",
        "osDiskSizeGB" => "properties.agentPoolProfiles.*.osDiskSizeGB",
        "availabilityZones" => "properties.agentPoolProfiles.*.availabilityZones",
        _ => return None,
    })
}

/// One pool per zone, so that a pod in a zone always finds a pool that scales there.
fn user_pools(
    builder: &mut Builder<'_>,
    account: &Subscription,
    cluster: &Cluster,
    cluster_id: &str,
    needs: &Address,
    settings: &ClusterSettings,
) -> Vec<Address> {
    let pool = &settings.user;
    let zones: Vec<Vec<String>> = if pool.zones.is_empty() {
        vec![Vec::new()]
    } else {
        pool.zones.iter().map(|zone| vec![zone.clone()]).collect()
    };
    let mut addresses = Vec::new();
    for zones in zones {
        let name = format!("npuser{}", zones.first().map_or("", String::as_str));
        let mut properties = pool_profile(pool, &zones, "user", 0, 10);
        if pool.priority == "Spot" {
            properties["scaleSetPriority"] = "Spot".into();
            properties["scaleSetEvictionPolicy"] = "Delete".into();
            properties["spotMaxPrice"] = (-1).into();
        } else {
            properties["scaleSetPriority"] = "Regular".into();
        }
        if let Some(version) = &settings.version {
            // After the control plane, which a pool must not be ahead of.
            properties["orchestratorVersion"] = version.as_str().into();
        }
        let desired = json!({"id": format!("{cluster_id}/agentPools/{name}"), "properties": properties});
        let address = Address::new(cluster.meta.id.as_str(), kinds::POOL.name, &name);
        let node =
            builder.add(address.clone(), &kinds::POOL, &account.key, Value::from(desired), &cluster.meta.location);
        node.depends_on.push(needs.clone());
        if let Some(place) = &settings.version_place {
            node.field_origins.push(("properties.orchestratorVersion", origin_of(place)));
        }
        if settings.version.is_none() {
            node.ignore_changes.push("/properties/orchestratorVersion".to_owned());
        }
        node.protection = protection(cluster.protection.provisioning, &cluster.lifecycle, false);
        addresses.push(address);
    }
    addresses
}

fn ingress_identity(
    builder: &mut Builder<'_>,
    account: &Subscription,
    cluster: &Cluster,
    group_id: &str,
    group: &Address,
    needs: &Address,
    tags: &BTreeMap<String, String>,
) -> Address {
    let (scope, origin) = (cluster.meta.id.as_str(), &cluster.meta.location);
    let name = identity_name(account, cluster);
    let id = format!("{group_id}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}");
    let address = Address::new(scope, kinds::IDENTITY.name, "ingress");
    let desired = account.arm(builder.state, &id, tags, json!({}));
    builder.add(address.clone(), &kinds::IDENTITY, &account.key, desired, origin).depends_on.push(group.clone());

    let ingress = &cluster.ingress;
    let mut desired = Value::from(json!({
        "id": format!("{id}/federatedIdentityCredentials/fic-ingress"),
        "properties": {
            "subject": format!("system:serviceaccount:{}:{}", ingress.namespace, ingress.service_account),
            "audiences": ["api://AzureADTokenExchange"],
        },
    }));
    desired.set(&["properties", "issuer"], Value::output(needs, "/properties/oidcIssuerProfile/issuerURL"));
    let credential = Address::new(scope, kinds::FEDERATED_CREDENTIAL.name, "ingress");
    let node = builder.add(credential, &kinds::FEDERATED_CREDENTIAL, &account.key, desired, origin);
    node.depends_on.push(address.clone());
    address
}

/// A role for a principal on a scope.
pub(super) struct Grant<'a> {
    /// Address of the role assignment.
    pub address: Address,
    /// ARM id of the scope.
    pub scope: &'a str,
    /// The role definition's id.
    pub role: &'static str,
    /// The principal: an output of an identity.
    pub principal: Value,
    /// What must exist first.
    pub after: Vec<Address>,
}

/// Adds a role assignment.
pub(super) fn grant(
    builder: &mut Builder<'_>,
    account: &Subscription,
    origin: &crate::diag::Location,
    grant: Grant<'_>,
) {
    // Azure shows a built-in role below the subscription of the scope, which may be another than the cluster's.
    let subscription = match grant.scope.splitn(4, '/').collect::<Vec<_>>().as_slice() {
        ["", subscriptions, id, ..] if subscriptions.eq_ignore_ascii_case("subscriptions") => {
            format!("/subscriptions/{id}")
        }
        _ => account.id.clone(),
    };
    let role = format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{}", grant.role);
    let mut desired = Value::from(json!({
        "scope": grant.scope,
        "properties": {"roleDefinitionId": role, "principalType": "ServicePrincipal"},
    }));
    desired.set(&["properties", "principalId"], grant.principal);
    let node = builder.add(grant.address, &kinds::ROLE_ASSIGNMENT, &account.key, desired, origin);
    node.depends_on = grant.after;
}

fn last_segment(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

fn grants(
    builder: &mut Builder<'_>,
    account: &Subscription,
    cluster: &Cluster,
    settings: &ClusterSettings,
    address: &Address,
    identity: &Address,
) {
    let scope = cluster.meta.id.as_str();
    let origin = &cluster.meta.location;
    let kind = kinds::ROLE_ASSIGNMENT.name;
    let cluster_principal = || Value::output(address, "/identity/principalId");
    let kubelet_principal = || Value::output(address, "/properties/identityProfile/kubeletidentity/objectId");
    for zone in &settings.dns_zones {
        let address = Address::new(scope, kind, &format!("dns-{}", last_segment(zone)));
        let (role, principal) = (roles::DNS_ZONE_CONTRIBUTOR, cluster_principal());
        grant(builder, account, origin, Grant { address, scope: zone, role, principal, after: Vec::new() });
    }
    for registry in &settings.registries {
        let address = Address::new(scope, kind, &format!("acr-{}", last_segment(registry)));
        let (role, principal) = (roles::ACR_PULL, kubelet_principal());
        grant(builder, account, origin, Grant { address, scope: registry, role, principal, after: Vec::new() });
    }
    for certificate in &cluster.ingress.certificates {
        let Some((vault, secret)) = vault_secret(&certificate.source) else { continue };
        let address = Address::new(scope, kind, &format!("kv-{vault}-{secret}"));
        let place_of_vault = Address::new(scope, "key-vault", vault);
        let configured = settings.key_vaults.iter().find(|id| last_segment(id).eq_ignore_ascii_case(vault)).cloned();
        let looked_up = builder.state.found.get(&place_of_vault);
        let found = configured.clone().or_else(|| {
            let found = looked_up.cloned().flatten().or_else(|| builder.state.chosen.get(&place_of_vault).cloned());
            // What was granted once stays granted where it was, also while nobody can be asked.
            found.or_else(|| {
                let known = &builder.state.known(&address)?.physical_id;
                let at = known.to_ascii_lowercase().find("/secrets/")?;
                known.get(..at).map(str::to_owned)
            })
        });
        match found {
            Some(id) => {
                if configured.is_none() {
                    builder.chosen.insert(place_of_vault, id.clone());
                }
                let target = format!("{id}/secrets/{secret}");
                let principal = Value::output(identity, "/properties/principalId");
                let role = roles::KEY_VAULT_SECRETS_USER;
                grant(builder, account, origin, Grant { address, scope: &target, role, principal, after: Vec::new() });
            }
            None if looked_up.is_none() => {
                let lookup = Lookup {
                    address: place_of_vault,
                    provider: account.key.clone(),
                    name: vault.to_owned(),
                    needed: false,
                };
                if !builder.lookups.contains(&lookup) {
                    builder.lookups.push(lookup);
                }
            }
            None => {
                let message = format!(
                    "the ingress cannot be allowed to read the certificate \"{}\": where the vault {vault} is, is not known",
                    certificate.name
                );
                let help = "add the vault's resource id to AZURE_KEY_VAULT_RESOURCE_IDS of the cluster, or give the ingress identity the role Key Vault Secrets User yourself";
                builder.diagnostics.push(
                    Diagnostic::warning("key-vault-unknown", message).at(certificate.location.clone(), None).help(help),
                );
            }
        }
    }
}
