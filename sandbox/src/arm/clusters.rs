//! Managed clusters (`Microsoft.ContainerService`, 2024-09-01).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rusqlite::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::world::WorldError;
use super::answer::{Answer, Failure};
use super::body::{self, Field, Shape, optional, required};
use super::call::Call;
use super::kinds::{CLUSTER_TYPE, POOL_TYPE};
use super::operations::{self, Follow, Work};
use super::resource::{self, NameRule, Subject, check_conditions, check_name};
use super::route::Typed;
use super::store;
use super::{identities, locations, locks, node_groups, pools, profiles, versions};

/// The version of new clusters that name none.
const DEFAULT_VERSION: &str = "1.33";

const FIELDS: &[Field] = &[
    required("location", Shape::Text),
    optional("sku.tier", Shape::OneOf(&["Free", "Standard", "Premium"])),
    optional("identity.type", Shape::OneOf(&["None", "SystemAssigned", "UserAssigned"])),
    optional("properties", Shape::Object),
    optional("properties.kubernetesVersion", Shape::Text),
    optional("properties.dnsPrefix", Shape::Text),
    optional("properties.nodeResourceGroup", Shape::Text),
    optional("properties.enableRBAC", Shape::Bool),
    optional("properties.disableLocalAccounts", Shape::Bool),
    optional("properties.addonProfiles", Shape::Object),
    optional("properties.oidcIssuerProfile.enabled", Shape::Bool),
    optional("properties.securityProfile.workloadIdentity.enabled", Shape::Bool),
    optional("properties.aadProfile.managed", Shape::Bool),
    optional("properties.aadProfile.enableAzureRBAC", Shape::Bool),
    optional("properties.networkProfile.networkPlugin", Shape::OneOf(&["azure", "kubenet", "none"])),
    optional("properties.networkProfile.networkPluginMode", Shape::OneOf(&["overlay"])),
    optional("properties.networkProfile.networkPolicy", Shape::OneOf(&["none", "calico", "azure", "cilium"])),
    optional("properties.networkProfile.loadBalancerSku", Shape::OneOf(&["standard", "basic"])),
    optional("properties.agentPoolProfiles", Shape::List),
    required("properties.agentPoolProfiles[].name", Shape::Text),
    optional("properties.agentPoolProfiles[].count", Shape::Int(0, 1000)),
    optional("properties.agentPoolProfiles[].mode", Shape::OneOf(&["System", "User"])),
];

/// Properties of a cluster that cannot change.
const IMMUTABLE: &[&str] = &[
    "properties.dnsPrefix",
    "properties.fqdnSubdomain",
    "properties.nodeResourceGroup",
    "properties.enableRBAC",
    "properties.networkProfile.networkPlugin",
    "properties.networkProfile.podCidr",
    "properties.networkProfile.serviceCidr",
    "properties.networkProfile.dnsServiceIP",
    "properties.networkProfile.loadBalancerSku",
    "properties.apiServerAccessProfile.enablePrivateCluster",
];

/// A cluster by name.
pub(super) fn one(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    let subject = Subject::of(call, typed)?;
    match call.method.as_str() {
        "GET" => Ok(Answer::found(subject.found()?)),
        "PUT" => put(call, typed, &subject),
        "PATCH" => {
            let old = subject.old.as_ref().ok_or_else(|| Failure::missing(&subject.id))?;
            let patch = body::read(&call.body, &[optional("tags", Shape::Object)], true)?;
            operations::idle(call, &subject.key)?;
            locks::check_write(call, &subject.key)?;
            let mut new = old.clone();
            new["tags"] = patch.get("tags").cloned().unwrap_or_else(|| json!({}));
            store::update(call.tx, &subject.key, &new)?;
            Ok(Answer::changed(200, new))
        }
        "DELETE" => {
            if operations::running(call.tx, &subject.key)? == Some(Work::Delete) {
                return Err(operations::in_progress(typed.name()));
            }
            resource::delete_later(call, &subject, 3)
        }
        _ => Err(Failure::method()),
    }
}

fn put(call: &Call<'_>, typed: &Typed, subject: &Subject) -> Result<Answer, Failure> {
    check_name(typed.name(), &NameRule { min: 1, max: 63, also: "_-", lower: false })?;
    if typed.name().starts_with(['_', '-']) || typed.name().ends_with(['_', '-']) {
        return Err(Failure::invalid(format!(
            "The name '{}' of a managed cluster must begin and end with a letter or digit.",
            typed.name()
        )));
    }
    let mut new = body::read(&call.body, FIELDS, false)?;
    locations::check_location(&new)?;
    body::normalise_location(&mut new);
    let old = subject.old.as_ref();
    check_conditions(call, old, "eTag")?;
    operations::idle(call, &subject.key)?;
    locks::check_write(call, &subject.key)?;
    locations::keep_location(old, &new)?;
    let profiles = body::at(&new, "properties.agentPoolProfiles").as_array().cloned().unwrap_or_default();
    if let (Some(running), Some(wanted)) = (
        old.and_then(|old| body::text(old, "properties.currentKubernetesVersion")),
        body::text(&new, "properties.kubernetesVersion"),
    ) {
        versions::upgrade(running, wanted)?;
    }
    match old {
        None => check_new(&new, &profiles)?,
        Some(old) => {
            body::keep(old, &new, IMMUTABLE)?;
            body::carry_missing(old, &mut new, IMMUTABLE);
            body::carry_missing(
                old,
                &mut new,
                &["properties.kubernetesVersion", "properties.networkProfile", "sku", "identity"],
            );
            body::carry(
                old,
                &mut new,
                &["properties.fqdn", "properties.azurePortalFQDN", "properties.powerState", "properties.resourceUID"],
            );
        }
    }
    if old.is_none() {
        let seed = store::incarnation(call.tx, &subject.key)?;
        let uid = Uuid::new_v5(&Uuid::NAMESPACE_URL, seed.as_bytes());
        body::set(&mut new, "properties.resourceUID", json!(uid.simple().to_string()));
    }
    fill(call, typed, old, &mut new)?;
    body::set(&mut new, "properties.provisioningState", json!(if old.is_some() { "Updating" } else { "Creating" }));
    subject.save(call, typed, &mut new)?;
    if old.is_none() {
        node_groups::create(call, &new)?;
        call.kube.cluster_created(call.tx, &subject.key, call.now_ms)?;
    }
    for profile in profiles {
        pools::apply_profile(call, &subject.key, &new, profile)?;
    }
    let control_plane = body::text(&new, "properties.currentKubernetesVersion").unwrap_or_default();
    for (_, pool) in store::children(call.tx, &subject.key, POOL_TYPE)? {
        let running = body::text(&pool, "properties.currentOrchestratorVersion").unwrap_or(control_plane);
        versions::compatible(running, control_plane)?;
    }
    profiles::refresh(call.tx, &subject.key)?;
    let headers = operations::begin(call, &subject.key, Work::Write, 3, Follow::Status)?;
    let body = store::get(call.tx, &subject.key)?.unwrap_or(new);
    Ok(Answer::changed(if old.is_some() { 200 } else { 201 }, body).with(headers))
}

fn check_new(new: &Value, profiles: &[Value]) -> Result<(), Failure> {
    let prefix = body::text(new, "properties.dnsPrefix").or_else(|| body::text(new, "properties.fqdnSubdomain"));
    let Some(prefix) = prefix else {
        return Err(Failure::invalid("Required parameter 'properties.dnsPrefix' is missing (null)."));
    };
    let letters = prefix.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !letters || !(1..=54).contains(&prefix.len()) || prefix.starts_with('-') || prefix.ends_with('-') {
        return Err(Failure::new(
            400,
            "DnsPrefixInvalid",
            format!(
                "The DNS prefix '{prefix}' is invalid: 1 to 54 letters, digits and hyphens, no hyphen at either end."
            ),
        ));
    }
    if body::at(new, "identity.type").is_null() && body::at(new, "properties.servicePrincipalProfile").is_null() {
        return Err(Failure::invalid("Provide an identity or a servicePrincipalProfile."));
    }
    let system = profiles
        .iter()
        .any(|profile| body::text(profile, "mode").is_some_and(|mode| mode.eq_ignore_ascii_case("System")));
    if !system {
        return Err(Failure::invalid("A cluster needs at least one agent pool of mode System."));
    }
    let group = body::text(new, "properties.nodeResourceGroup").unwrap_or_default();
    if group.chars().count() > 80 {
        return Err(Failure::invalid("'properties.nodeResourceGroup' must have at most 80 characters."));
    }
    Ok(())
}

/// What the server fills in. Identifiers follow from `resourceUID`, so that they stay over writes.
fn fill(call: &Call<'_>, typed: &Typed, old: Option<&Value>, new: &mut Value) -> Result<(), Failure> {
    let name = typed.name();
    let location = body::text(new, "location").unwrap_or_default().to_owned();
    let group = call.route.group.as_deref().unwrap_or_default();
    body::default(new, "sku", json!({ "name": "Base", "tier": "Free" }));
    body::default(new, "properties.kubernetesVersion", json!(DEFAULT_VERSION));
    let version = body::text(new, "properties.kubernetesVersion").unwrap_or(DEFAULT_VERSION);
    let running = old.and_then(|old| body::text(old, "properties.currentKubernetesVersion"));
    let current = versions::release(version, running)?;
    body::set(new, "properties.currentKubernetesVersion", json!(current));
    let long_name: String = format!("MC_{group}_{name}_{location}").chars().take(80).collect();
    body::default(new, "properties.nodeResourceGroup", json!(long_name));
    body::default(new, "properties.enableRBAC", json!(true));
    body::default(new, "properties.disableLocalAccounts", json!(false));
    body::default(new, "properties.supportPlan", json!("KubernetesOfficial"));
    body::default(new, "properties.maxAgentPools", json!(100));
    body::default(new, "properties.powerState", json!({ "code": "Running" }));
    body::default(new, "properties.servicePrincipalProfile", json!({ "clientId": "msi" }));
    new["eTag"] = json!(format!("{:08x}", call.seq));
    let uid = body::text(new, "properties.resourceUID").unwrap_or_default().to_owned();
    let prefix = body::text(new, "properties.dnsPrefix").unwrap_or("cluster").to_owned();
    let host = format!("{prefix}-{}", uid.get(..8).unwrap_or_default());
    body::default(new, "properties.fqdn", json!(format!("{host}.hcp.{location}.azmk8s.io")));
    body::default(new, "properties.azurePortalFQDN", json!(format!("{host}.portal.hcp.{location}.azmk8s.io")));
    for (path, value) in [
        ("networkPlugin", json!("azure")),
        ("loadBalancerSku", json!("standard")),
        ("outboundType", json!("loadBalancer")),
        ("podCidr", json!("10.244.0.0/16")),
        ("serviceCidr", json!("10.0.0.0/16")),
        ("dnsServiceIP", json!("10.0.0.10")),
        ("ipFamilies", json!(["IPv4"])),
    ] {
        body::default(new, &format!("properties.networkProfile.{path}"), value);
    }
    if body::at(new, "properties.oidcIssuerProfile.enabled") == &json!(true) {
        let issuer = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("issuer/{uid}").as_bytes());
        let url = format!("https://{location}.oic.prod-aks.azure.com/{}/{issuer}/", identities::TENANT);
        body::set(new, "properties.oidcIssuerProfile.issuerURL", json!(url));
    }
    if body::text(new, "identity.type") == Some("SystemAssigned") {
        body::set(new, "identity.principalId", json!(identities::principal("principal", &uid)));
        body::set(new, "identity.tenantId", json!(identities::TENANT));
    }
    let node_group = node_groups::path(call.route.subscription.as_str(), new);
    let identity = |what: &str| {
        let id = format!("{node_group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{what}-{name}");
        json!({
            "resourceId": id,
            "clientId": identities::principal("client", &format!("{what}/{uid}")),
            "objectId": identities::principal("principal", &format!("{what}/{uid}")),
        })
    };
    body::set(new, "properties.identityProfile", json!({ "kubeletidentity": identity("agentpool") }));
    if let Some(addons) = new["properties"].get_mut("addonProfiles").and_then(Value::as_object_mut) {
        for (addon, profile) in addons {
            if profile.get("enabled") == Some(&json!(true)) {
                profile["identity"] = identity(&addon.to_lowercase());
            }
        }
    }
    Ok(())
}

/// The mount point of a cluster's API server: its key, in letters that a URL can carry.
fn mount_of_cluster(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

/// The cluster of a mount point.
pub(in super::super) fn cluster_of_mount(mount: &str) -> Option<String> {
    URL_SAFE_NO_PAD.decode(mount).ok().and_then(|bytes| String::from_utf8(bytes).ok())
}

/// Whether a cluster exists and its API server answers.
pub(in super::super) fn serving(tx: &Transaction<'_>, key: &str) -> Result<bool, WorldError> {
    /// What is asked of every request's cluster; the rest of it is not read into memory.
    #[derive(Deserialize)]
    struct Cluster {
        #[serde(rename = "type")]
        kind: Option<String>,
        properties: Option<Properties>,
    }
    #[derive(Deserialize)]
    struct Properties {
        #[serde(rename = "provisioningState")]
        state: Option<String>,
    }
    let cluster: Option<Cluster> = store::get_as(tx, key)?;
    Ok(cluster.is_some_and(|cluster| {
        let is_cluster = cluster.kind.is_some_and(|kind| kind.eq_ignore_ascii_case(CLUSTER_TYPE));
        let state = cluster.properties.and_then(|properties| properties.state);
        is_cluster && state.as_deref() != Some("Creating")
    }))
}

/// `listClusterAdminCredential`, `listClusterUserCredential`.
pub(super) fn action(call: &Call<'_>, typed: &Typed, action: &str) -> Result<Answer, Failure> {
    // The path of an action ends in its name.
    let key = call.route.key.rsplit_once('/').map_or("", |(key, _)| key);
    resource::group(call, &call.route.group_key().unwrap_or_default())?;
    let cluster = store::get(call.tx, key)?.ok_or_else(|| Failure::missing(key))?;
    // A ReadOnly lock refuses every POST, reads among them (Azure docs, "Lock your resources", for AKS clusters).
    locks::check_write(call, key)?;
    let user = match action.to_lowercase().as_str() {
        "listclusteradmincredential" => "clusterAdmin",
        "listclusterusercredential" => "clusterUser",
        _ => return Err(Failure::method()),
    };
    if !serving(call.tx, key)? {
        return Err(operations::in_progress(typed.name()));
    }
    if user == "clusterAdmin" && body::at(&cluster, "properties.disableLocalAccounts") == &json!(true) {
        return Err(Failure::new(
            400,
            "BadRequest",
            "Getting static credential is not allowed because this cluster is set to disable local accounts.",
        ));
    }
    let group = call.route.group.as_deref().unwrap_or_default();
    let kubeconfig = kubeconfig(&call.base, &call.settings.token, key, typed.name(), user, group);
    Ok(Answer::found(json!({ "kubeconfigs": [{ "name": user, "value": STANDARD.encode(kubeconfig) }] })))
}

/// A kubeconfig in YAML. JSON strings are YAML strings, which settles all quoting.
pub(in super::super) fn kubeconfig(base: &str, token: &str, key: &str, name: &str, user: &str, group: &str) -> String {
    let quote = |text: &str| Value::from(text).to_string();
    let server = quote(&format!("{base}/kubernetes/{}", mount_of_cluster(key)));
    let token = quote(token);
    let context = if user == "clusterAdmin" { format!("{name}-admin") } else { name.to_owned() };
    let user = quote(&format!("{user}_{group}_{name}"));
    let (name, context) = (quote(name), quote(&context));
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: {name}
  cluster:
    server: {server}
users:
- name: {user}
  user:
    token: {token}
contexts:
- name: {context}
  context:
    cluster: {name}
    user: {user}
current-context: {context}
"
    )
}
