//! A cluster in Azure: group, managed cluster, node pools, ingress identity, roles (`resources.md`, "Kinds").

use std::collections::BTreeMap;

use serde_json::json;

use super::kinds::azure;
use super::names;
use super::scope::{Builder, Place, protection};
use super::settings::{ClusterSettings, PoolSettings};
use crate::diag::Diagnostic;
use crate::engine::address::Address;
use crate::engine::value::Value;
use crate::kom::model::Cluster;

/// The roles that kompox assigns: name and the built-in definition's id.
pub mod roles {
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
pub struct ClusterNodes {
    /// The managed cluster.
    pub cluster: Address,
    /// Its ARM id.
    pub cluster_id: String,
    /// The user pools; apps wait for them.
    pub pools: Vec<Address>,
    /// The ingress identity, unless the cluster is only read.
    pub identity: Option<Address>,
}

/// Adds the nodes of a cluster.
pub fn expand(builder: &mut Builder<'_>, place: &Place, cluster: &Cluster, settings: &ClusterSettings) -> ClusterNodes {
    let scope = cluster.meta.id.as_str();
    let name = &cluster.meta.name;
    let origin = &cluster.meta.location;
    let group = settings
        .group
        .clone()
        .unwrap_or_else(|| names::cluster_group(&place.prefix, &place.workspace, &place.provider, name));
    let group_id = place.group_id(&group);
    let cluster_name = settings.name.clone().unwrap_or_else(|| names::cluster(&place.prefix, name));
    let cluster_id = format!("{group_id}/providers/Microsoft.ContainerService/managedClusters/{cluster_name}");
    let address = Address::new(scope, azure::CLUSTER.name, name);
    let tags = place.cluster_tags(name);
    if cluster.existing {
        let mut desired = Value::object();
        desired.set(&["id"], cluster_id.as_str().into());
        builder.add(address.clone(), &azure::CLUSTER, &place.azure, desired, origin).read_only = true;
        return ClusterNodes { cluster: address, cluster_id, pools: Vec::new(), identity: None };
    }
    let wish = protection(cluster.protection.provisioning, &cluster.lifecycle, false);
    let group_address = Address::new(scope, azure::GROUP.name, name);
    let desired = builder.arm(&group_id, place, &tags, json!({}));
    builder.add(group_address.clone(), &azure::GROUP, &place.azure, desired, origin).protection = wish.clone();

    let desired = builder.arm(&cluster_id, place, &tags, managed_cluster(&cluster_name, &group, settings));
    let node = builder.add(address.clone(), &azure::CLUSTER, &place.azure, desired, origin);
    node.depends_on.push(group_address.clone());
    node.protection = wish.clone();
    node.ignore_changes.clone_from(&cluster.lifecycle.ignore_changes);
    if cluster.protection.lock == Some(true) {
        let level = match cluster.protection.provisioning {
            Some(crate::kom::model::Guard::ReadOnly) => "ReadOnly",
            _ => "CanNotDelete",
        };
        let id = format!("{cluster_id}/providers/Microsoft.Authorization/locks/kompox");
        let desired = Value::from(json!({"id": id, "properties": {"level": level}}));
        let lock = Address::new(scope, azure::LOCK.name, name);
        builder.add(lock, &azure::LOCK, &place.azure, desired, origin).depends_on.push(address.clone());
    }
    let pools = user_pools(builder, place, cluster, &cluster_id, &address, &settings.user);
    let identity = ingress_identity(builder, place, cluster, &group_id, &group_address, &address, &tags);
    grants(builder, place, cluster, settings, &address, &identity);
    ClusterNodes { cluster: address, cluster_id, pools, identity: Some(identity) }
}

fn managed_cluster(name: &str, group: &str, settings: &ClusterSettings) -> serde_json::Value {
    let mut system = pool_profile(&settings.system, &settings.system.zones, "system", 1, 3);
    system["name"] = "npsystem".into();
    system["mode"] = "System".into();
    json!({
        "sku": {"name": "Base", "tier": "Free"},
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "kubernetesVersion": settings.version,
            "dnsPrefix": format!("{name}-dns"),
            "nodeResourceGroup": format!("{group}_mc"),
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
    profile
}

/// One pool per zone, so that a pod in a zone always finds a pool that scales there.
fn user_pools(
    builder: &mut Builder<'_>,
    place: &Place,
    cluster: &Cluster,
    cluster_id: &str,
    needs: &Address,
    pool: &PoolSettings,
) -> Vec<Address> {
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
        let desired = json!({"id": format!("{cluster_id}/agentPools/{name}"), "properties": properties});
        let address = Address::new(cluster.meta.id.as_str(), azure::POOL.name, &name);
        let node =
            builder.add(address.clone(), &azure::POOL, &place.azure, Value::from(desired), &cluster.meta.location);
        node.depends_on.push(needs.clone());
        node.protection = protection(cluster.protection.provisioning, &cluster.lifecycle, false);
        addresses.push(address);
    }
    addresses
}

fn ingress_identity(
    builder: &mut Builder<'_>,
    place: &Place,
    cluster: &Cluster,
    group_id: &str,
    group: &Address,
    needs: &Address,
    tags: &BTreeMap<String, String>,
) -> Address {
    let (scope, origin) = (cluster.meta.id.as_str(), &cluster.meta.location);
    let name = format!("id-{}-{}", place.prefix, cluster.meta.name);
    let id = format!("{group_id}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}");
    let address = Address::new(scope, azure::IDENTITY.name, "ingress");
    let desired = builder.arm(&id, place, tags, json!({}));
    builder.add(address.clone(), &azure::IDENTITY, &place.azure, desired, origin).depends_on.push(group.clone());

    let ingress = &cluster.ingress;
    let mut desired = Value::from(json!({
        "id": format!("{id}/federatedIdentityCredentials/fic-ingress"),
        "properties": {
            "subject": format!("system:serviceaccount:{}:{}", ingress.namespace, ingress.service_account),
            "audiences": ["api://AzureADTokenExchange"],
        },
    }));
    desired.set(&["properties", "issuer"], Value::output(needs, "/properties/oidcIssuerProfile/issuerURL"));
    let credential = Address::new(scope, azure::FEDERATED_CREDENTIAL.name, "ingress");
    let node = builder.add(credential, &azure::FEDERATED_CREDENTIAL, &place.azure, desired, origin);
    node.depends_on.push(address.clone());
    address
}

/// A role for a principal on a scope.
pub struct Grant<'a> {
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
pub fn grant(builder: &mut Builder<'_>, place: &Place, origin: &crate::diag::Location, grant: Grant<'_>) {
    let role = format!("{}/providers/Microsoft.Authorization/roleDefinitions/{}", place.subscription, grant.role);
    let mut desired = Value::from(json!({
        "scope": grant.scope,
        "properties": {"roleDefinitionId": role, "principalType": "ServicePrincipal"},
    }));
    desired.set(&["properties", "principalId"], grant.principal);
    let node = builder.add(grant.address, &azure::ROLE_ASSIGNMENT, &place.azure, desired, origin);
    node.depends_on = grant.after;
}

fn last_segment(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

fn grants(
    builder: &mut Builder<'_>,
    place: &Place,
    cluster: &Cluster,
    settings: &ClusterSettings,
    address: &Address,
    identity: &Address,
) {
    let scope = cluster.meta.id.as_str();
    let origin = &cluster.meta.location;
    let kind = azure::ROLE_ASSIGNMENT.name;
    let cluster_principal = || Value::output(address, "/identity/principalId");
    let kubelet_principal = || Value::output(address, "/properties/identityProfile/kubeletidentity/objectId");
    for zone in &settings.dns_zones {
        let address = Address::new(scope, kind, &format!("dns-{}", last_segment(zone)));
        let (role, principal) = (roles::DNS_ZONE_CONTRIBUTOR, cluster_principal());
        grant(builder, place, origin, Grant { address, scope: zone, role, principal, after: Vec::new() });
    }
    for registry in &settings.registries {
        let address = Address::new(scope, kind, &format!("acr-{}", last_segment(registry)));
        let (role, principal) = (roles::ACR_PULL, kubelet_principal());
        grant(builder, place, origin, Grant { address, scope: registry, role, principal, after: Vec::new() });
    }
    for certificate in &cluster.ingress.certificates {
        let Some((vault, secret)) = super::ingress::vault_secret(&certificate.source) else { continue };
        match settings.key_vaults.iter().find(|id| last_segment(id).eq_ignore_ascii_case(vault)) {
            Some(id) => {
                let target = format!("{id}/secrets/{secret}");
                let address = Address::new(scope, kind, &format!("kv-{vault}-{secret}"));
                let principal = Value::output(identity, "/properties/principalId");
                let role = roles::KEY_VAULT_SECRETS_USER;
                grant(builder, place, origin, Grant { address, scope: &target, role, principal, after: Vec::new() });
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
