//! What is set on storing an object because of the rest of the cluster: allocated addresses and ports, protection finalizers, the default
//! storage class.

use serde_json::{Map, Value, json};

use super::super::world::WorldError;
use super::kinds::{Resource, by_plural};
use super::store::{Store, map_at, metadata, text};

/// Keeps a claim while a Pod uses it.
pub const PVC_PROTECTION: &str = "kubernetes.io/pvc-protection";
/// Keeps a volume while it is bound.
pub const PV_PROTECTION: &str = "kubernetes.io/pv-protection";

/// Completes a new object.
///
/// # Errors
/// Failures of the database.
pub fn create(store: &Store<'_>, resource: &Resource, object: &mut Value) -> Result<(), WorldError> {
    match resource.kind {
        "PersistentVolume" => add_finalizer(object, PV_PROTECTION),
        "PersistentVolumeClaim" => {
            add_finalizer(object, PVC_PROTECTION);
            if object.pointer("/spec/storageClassName").is_none()
                && let Some(class) = default_storage_class(store)?
            {
                map_at(object, &["spec"]).insert("storageClassName".into(), class.into());
            }
        }
        "Service" => allocate(store, object)?,
        "Pod" => {
            if text(object, "/spec/serviceAccountName").is_empty() {
                let spec = map_at(object, &["spec"]);
                spec.insert("serviceAccountName".into(), "default".into());
                spec.insert("serviceAccount".into(), "default".into());
            }
            let status = map_at(object, &["status"]);
            status.insert("phase".into(), "Pending".into());
            status.insert("qosClass".into(), "Burstable".into());
        }
        _ => {}
    }
    Ok(())
}

/// Completes a changed object: what was allocated stays when the client leaves it out.
///
/// # Errors
/// Failures of the database.
pub fn update(store: &Store<'_>, resource: &Resource, old: &Value, new: &mut Value) -> Result<(), WorldError> {
    if resource.kind != "Service" {
        return Ok(());
    }
    let external = |object: &Value| text(object, "/spec/type") == "ExternalName";
    if external(new) || external(old) {
        return allocate(store, new);
    }
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"] {
        if let Some(value) = old.pointer(&format!("/spec/{field}"))
            && new.pointer(&format!("/spec/{field}")).is_none()
        {
            map_at(new, &["spec"]).insert(field.into(), value.clone());
        }
    }
    if exposes_node_ports(new) {
        let had = old.pointer("/spec/ports").and_then(Value::as_array).cloned().unwrap_or_default();
        for port in new.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
            let same = |p: &&Value| p["port"] == port["port"] && p["protocol"] == port["protocol"];
            let node_port = had.iter().find(same).and_then(|p| p.get("nodePort")).cloned();
            if let (Some(node_port), Some(map)) = (node_port, port.as_object_mut()) {
                map.entry("nodePort").or_insert(node_port);
            }
        }
    }
    allocate(store, new)
}

/// What the server adds to a Job that has its uid: a selector and labels that find its Pods and no others
/// (`generateSelector` of the Job strategy).
pub fn job_selector(job: &mut Value) {
    let (uid, name) = (text(job, "/metadata/uid").to_owned(), text(job, "/metadata/name").to_owned());
    let labels = map_at(job, &["spec", "template", "metadata", "labels"]);
    for prefix in ["", "batch.kubernetes.io/"] {
        labels.insert(format!("{prefix}controller-uid"), uid.clone().into());
        labels.insert(format!("{prefix}job-name"), name.clone().into());
    }
    let of_pods = Value::Object(labels.clone());
    let selector = map_at(job, &["spec", "selector", "matchLabels"]);
    selector.insert("batch.kubernetes.io/controller-uid".into(), uid.into());
    // A Job without labels has those of its Pods (`SetDefaults_Job` in `pkg/apis/batch/v1/defaults.go`).
    if job.pointer("/metadata/labels").and_then(Value::as_object).is_none_or(Map::is_empty) {
        metadata(job).insert("labels".into(), of_pods);
    }
}

/// Adds a finalizer, once.
pub fn add_finalizer(object: &mut Value, finalizer: &str) {
    let list = metadata(object).entry("finalizers").or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut()
        && !list.iter().any(|f| f.as_str() == Some(finalizer))
    {
        list.push(finalizer.into());
    }
}

fn default_storage_class(store: &Store<'_>) -> Result<Option<String>, WorldError> {
    let Some(classes) = by_plural("storageclasses") else { return Ok(None) };
    let marked =
        |class: &&Value| text(class, "/metadata/annotations/storageclass.kubernetes.io~1is-default-class") == "true";
    Ok(store.list(classes, "")?.iter().find(marked).map(|class| text(class, "/metadata/name").to_owned()))
}

fn exposes_node_ports(service: &Value) -> bool {
    match text(service, "/spec/type") {
        "NodePort" => true,
        "LoadBalancer" => service.pointer("/spec/allocateLoadBalancerNodePorts") != Some(&Value::Bool(false)),
        _ => false,
    }
}

fn allocate(store: &Store<'_>, service: &mut Value) -> Result<(), WorldError> {
    let kind = text(service, "/spec/type").to_owned();
    if kind == "ExternalName" {
        return Ok(());
    }
    if text(service, "/spec/clusterIP").is_empty() {
        let serial = store.next_serial()?;
        // The first addresses of the range belong to the cluster itself.
        let host = 10 + serial % 65_000;
        let address = format!("10.0.{}.{}", host / 256, host % 256);
        map_at(service, &["spec"]).insert("clusterIP".into(), address.into());
    }
    let address = text(service, "/spec/clusterIP").to_owned();
    let headless_without_selector = address == "None" && service.pointer("/spec/selector").is_none();
    let spec = map_at(service, &["spec"]);
    spec.entry("clusterIPs").or_insert_with(|| json!([address]));
    let (families, policy) = if headless_without_selector {
        (json!(["IPv4", "IPv6"]), "RequireDualStack")
    } else {
        (json!(["IPv4"]), "SingleStack")
    };
    spec.entry("ipFamilies").or_insert(families);
    spec.entry("ipFamilyPolicy").or_insert(policy.into());
    if exposes_node_ports(service) {
        for port in service.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(port) = port.as_object_mut()
                && !port.contains_key("nodePort")
            {
                port.insert("nodePort".into(), next_node_port(store)?.into());
            }
        }
    }
    let local = text(service, "/spec/externalTrafficPolicy") == "Local";
    if kind == "LoadBalancer" && local && service.pointer("/spec/healthCheckNodePort").is_none() {
        let port = next_node_port(store)?;
        map_at(service, &["spec"]).insert("healthCheckNodePort".into(), port.into());
    }
    Ok(())
}

fn next_node_port(store: &Store<'_>) -> Result<i64, WorldError> {
    Ok(30_000 + store.next_serial()? % 2_768)
}
