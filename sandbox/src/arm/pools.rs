//! Agent pools of managed clusters.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::kube_api::NodePool;
use super::answer::{Answer, Failure};
use super::body::{self, Field, Shape, optional};
use super::call::Call;
use super::kinds::POOL_TYPE;
use super::operations::{self, Follow, Work};
use super::resource::{self, NameRule, Subject, check_conditions, check_name};
use super::route::Typed;
use super::store::{self, Place};
use super::{locks, profiles, versions};

const FIELDS: &[Field] = &[
    optional("properties", Shape::Object),
    optional("properties.count", Shape::Int(0, 1000)),
    optional("properties.minCount", Shape::Int(0, 1000)),
    optional("properties.maxCount", Shape::Int(0, 1000)),
    optional("properties.maxPods", Shape::Int(10, 250)),
    optional("properties.enableAutoScaling", Shape::Bool),
    optional("properties.vmSize", Shape::Text),
    optional("properties.osDiskSizeGB", Shape::Int(0, 2048)),
    optional("properties.osDiskType", Shape::OneOf(&["Ephemeral", "Managed"])),
    optional("properties.osType", Shape::OneOf(&["Linux", "Windows"])),
    optional("properties.mode", Shape::OneOf(&["System", "User"])),
    optional("properties.scaleSetPriority", Shape::OneOf(&["Regular", "Spot"])),
    optional("properties.scaleSetEvictionPolicy", Shape::OneOf(&["Delete", "Deallocate"])),
    optional("properties.availabilityZones", Shape::List),
    optional("properties.nodeLabels", Shape::Object),
    optional("properties.nodeTaints", Shape::List),
];

/// Properties that cannot change while the pool lives.
const IMMUTABLE: &[&str] = &[
    "properties.vmSize",
    "properties.osDiskType",
    "properties.osDiskSizeGB",
    "properties.osType",
    "properties.maxPods",
    "properties.availabilityZones",
    "properties.scaleSetPriority",
    "properties.type",
    "properties.vnetSubnetID",
];

const SPOT_LABEL: &str = "kubernetes.azure.com/scalesetpriority";
const SPOT_TAINT: &str = "kubernetes.azure.com/scalesetpriority=spot:NoSchedule";

/// A pool by name.
pub(super) fn one(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    let subject = Subject::of(call, typed)?;
    match call.method.as_str() {
        "GET" => Ok(Answer::found(subject.found()?)),
        "PUT" => {
            let new = body::read(&call.body, FIELDS, false)?;
            check_conditions(call, subject.old.as_ref(), "properties.eTag")?;
            operations::idle(call, &subject.parent)?;
            operations::idle(call, &subject.key)?;
            locks::check_write(call, &subject.key)?;
            let cluster = store::get(call.tx, &subject.parent)?.ok_or_else(|| Failure::missing(&subject.parent))?;
            let existed = subject.old.is_some();
            apply(call, &subject, &cluster, typed.name(), new)?;
            profiles::refresh(call.tx, &subject.parent)?;
            let headers = operations::begin(call, &subject.key, Work::Write, 2, Follow::Status)?;
            let body = store::get(call.tx, &subject.key)?.unwrap_or_default();
            Ok(Answer::changed(if existed { 200 } else { 201 }, body).with(headers))
        }
        "DELETE" => {
            if subject.old.is_some() {
                operations::idle(call, &subject.parent)?;
                operations::idle(call, &subject.key)?;
                not_the_last_system_pool(call, &subject)?;
            }
            let answer = resource::delete_later(call, &subject, 2)?;
            profiles::refresh(call.tx, &subject.parent)?;
            Ok(answer)
        }
        _ => Err(Failure::method()),
    }
}

fn not_the_last_system_pool(call: &Call<'_>, subject: &Subject) -> Result<(), Failure> {
    let is_system =
        |pool: &Value| body::text(pool, "properties.mode").is_some_and(|mode| mode.eq_ignore_ascii_case("System"));
    let others = store::children(call.tx, &subject.parent, POOL_TYPE)?;
    let another = others.iter().any(|(key, pool)| *key != subject.key && is_system(pool));
    if subject.old.as_ref().is_some_and(is_system) && !another {
        return Err(Failure::new(
            400,
            "OperationNotAllowed",
            "There must be at least one agent pool of mode System in a cluster.",
        ));
    }
    Ok(())
}

/// Applies an entry of a cluster's `agentPoolProfiles`. A pool that the list does not name stays as it is.
pub(super) fn apply_profile(
    call: &Call<'_>,
    cluster_key: &str,
    cluster: &Value,
    mut profile: Value,
) -> Result<(), Failure> {
    let name = body::text(&profile, "name").unwrap_or_default().to_owned();
    if let Some(members) = profile.as_object_mut() {
        members.remove("name");
    }
    // The same checks as for a pool of its own.
    let text = serde_json::to_vec(&json!({ "properties": profile }))?;
    let new = body::read(&text, FIELDS, false)?;
    let key = format!("{cluster_key}/agentpools/{}", name.to_lowercase());
    let id = format!("{}/agentPools/{name}", body::text(cluster, "id").unwrap_or(cluster_key));
    let old = store::get(call.tx, &key)?;
    let subject = Subject { key, id, parent: cluster_key.to_owned(), old };
    apply(call, &subject, cluster, &name, new)
}

fn apply(call: &Call<'_>, subject: &Subject, cluster: &Value, name: &str, mut new: Value) -> Result<(), Failure> {
    check_name(name, &NameRule { min: 1, max: 12, also: "", lower: true })?;
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(Failure::invalid(format!("The agent pool name '{name}' must begin with a lower-case letter.")));
    }
    if let Some(old) = &subject.old {
        body::keep(old, &new, IMMUTABLE)?;
        body::carry_missing(old, &mut new, IMMUTABLE);
        body::carry_missing(old, &mut new, &["properties.count", "properties.mode", "properties.orchestratorVersion"]);
    }
    let running = subject.old.as_ref().and_then(|old| body::text(old, "properties.currentOrchestratorVersion"));
    if let (Some(running), Some(wanted)) = (running, body::text(&new, "properties.orchestratorVersion")) {
        versions::upgrade_pool(running, wanted)?;
    }
    fill(cluster, running, &mut new)?;
    versions::compatible(
        body::text(&new, "properties.currentOrchestratorVersion").unwrap_or_default(),
        body::text(cluster, "properties.currentKubernetesVersion").unwrap_or_default(),
    )?;
    counts(&mut new)?;
    spot(&mut new)?;
    let state = if subject.old.is_some() { "Updating" } else { "Creating" };
    body::set(&mut new, "properties.provisioningState", json!(state));
    body::set(&mut new, "properties.eTag", json!(format!("{:08x}", call.seq)));
    new["id"] = json!(subject.id);
    new["name"] = json!(name);
    new["type"] = json!("Microsoft.ContainerService/managedClusters/agentPools");
    store::put(call.tx, Place { key: &subject.key, kind: POOL_TYPE, parent: &subject.parent }, &new)?;
    let pool = node_pool(name, cluster, &new);
    Ok(call.kube.pool_changed(call.tx, &subject.parent, &pool, call.now_ms)?)
}

fn fill(cluster: &Value, running: Option<&str>, new: &mut Value) -> Result<(), Failure> {
    let version = body::text(cluster, "properties.kubernetesVersion").unwrap_or_default();
    let control_plane = body::text(cluster, "properties.currentKubernetesVersion");
    for (path, value) in [
        ("vmSize", json!("Standard_D4ds_v5")),
        ("osDiskSizeGB", json!(128)),
        ("osDiskType", json!("Managed")),
        ("osType", json!("Linux")),
        ("osSKU", json!("Ubuntu")),
        ("maxPods", json!(250)),
        ("type", json!("VirtualMachineScaleSets")),
        ("mode", json!("User")),
        ("enableAutoScaling", json!(false)),
        ("orchestratorVersion", json!(version)),
        ("powerState", json!({ "code": "Running" })),
    ] {
        body::default(new, &format!("properties.{path}"), value);
    }
    let wanted = body::text(new, "properties.orchestratorVersion").unwrap_or(version).to_owned();
    // The release of a line that the pool has already, else the one that the control plane has.
    let current = match versions::release(&wanted, running)? {
        same if running == Some(&same) => same,
        _ => versions::release(&wanted, control_plane)?,
    };
    body::set(new, "properties.currentOrchestratorVersion", json!(current));
    Ok(())
}

fn counts(new: &mut Value) -> Result<(), Failure> {
    let number = |new: &Value, path: &str| body::at(new, path).as_i64();
    let system = body::text(new, "properties.mode").is_some_and(|mode| mode.eq_ignore_ascii_case("System"));
    let scales = body::at(new, "properties.enableAutoScaling") == &json!(true);
    let (low, high) = (number(new, "properties.minCount"), number(new, "properties.maxCount"));
    let count = match (scales, low, high) {
        (true, Some(low), Some(high)) if low <= high => number(new, "properties.count").unwrap_or(low).clamp(low, high),
        (true, ..) => {
            return Err(Failure::invalid(
                "With enableAutoScaling, minCount and maxCount are needed, and minCount must not exceed maxCount.",
            ));
        }
        (false, None, None) => number(new, "properties.count").unwrap_or(1),
        (false, ..) => return Err(Failure::invalid("minCount and maxCount need enableAutoScaling.")),
    };
    if system && (count < 1 || scales && low < Some(1)) {
        return Err(Failure::invalid("An agent pool of mode System needs at least one node."));
    }
    body::set(new, "properties.count", json!(count));
    Ok(())
}

/// Nodes of a Spot pool carry a label and a taint that the service sets.
fn spot(new: &mut Value) -> Result<(), Failure> {
    if !body::text(new, "properties.scaleSetPriority").is_some_and(|priority| priority.eq_ignore_ascii_case("Spot")) {
        return Ok(());
    }
    if body::text(new, "properties.mode").is_some_and(|mode| mode.eq_ignore_ascii_case("System")) {
        return Err(Failure::invalid("An agent pool of mode System cannot have scaleSetPriority Spot."));
    }
    new["properties"]["nodeLabels"][SPOT_LABEL] = json!("spot");
    let mut taints = body::at(new, "properties.nodeTaints").as_array().cloned().unwrap_or_default();
    if !taints.contains(&json!(SPOT_TAINT)) {
        taints.push(json!(SPOT_TAINT));
    }
    body::set(new, "properties.nodeTaints", Value::Array(taints));
    Ok(())
}

fn node_pool(name: &str, cluster: &Value, pool: &Value) -> NodePool {
    let words = |path: &str| -> Vec<String> {
        let list = body::at(pool, path).as_array();
        list.into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
    };
    let labels: BTreeMap<String, String> = body::at(pool, "properties.nodeLabels")
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    // The pretended autoscaler keeps one node ready, where the real one starts it when a Pod needs it.
    let least = i64::from(body::at(pool, "properties.maxCount").as_i64() > Some(0));
    let count = body::at(pool, "properties.count").as_i64().unwrap_or(1).max(least);
    NodePool {
        name: name.to_owned(),
        labels,
        taints: words("properties.nodeTaints"),
        zones: words("properties.availabilityZones"),
        count: u32::try_from(count).unwrap_or(0),
        vm_size: body::text(pool, "properties.vmSize").unwrap_or_default().to_owned(),
        mode: body::text(pool, "properties.mode").unwrap_or_default().to_owned(),
        location: body::text(cluster, "location").unwrap_or_default().to_owned(),
    }
}
