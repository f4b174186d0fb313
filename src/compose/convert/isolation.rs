//! ResourceQuota and LimitRange: what an app's Namespace may hold and use.

use serde_json::{Value, json};

use super::context::Context;
use super::object::RenderedObject;

const QUOTA: &str = "ResourceQuota";
const LIMITS: &str = "LimitRange";

/// The LimitRange and the ResourceQuota that the app asks for, both under the app's name.
pub(super) fn objects(cx: &Context<'_>) -> Vec<RenderedObject> {
    let isolation = &cx.input.isolation;
    let object = |kind: &str, spec: Value, origin: &Option<_>| RenderedObject {
        origin: origin.clone(),
        ..cx.object(("v1", kind), cx.app(), cx.labels(), json!({ "spec": spec }))
    };
    let mut objects = Vec::new();
    if !isolation.limits.is_empty() {
        let mut item = json!({ "type": "Container" });
        for (part, amounts) in &isolation.limits {
            item[*part] = json!(amounts);
        }
        objects.push(object(LIMITS, json!({ "limits": [item] }), &isolation.limits_origin));
    }
    if !isolation.quota.is_empty() {
        objects.push(object(QUOTA, json!({ "hard": isolation.quota }), &isolation.quota_origin));
    }
    objects
}

/// Lets what a quota or a LimitRange judges wait for it: defaults are given when a Pod is created, and a quota that is
/// raised has to be raised before what it makes room for. What neither judges does not wait, so that adding one leaves it
/// alone.
pub(super) fn before_what_they_judge(cx: &Context<'_>, objects: &mut [RenderedObject]) {
    let isolation = &cx.input.isolation;
    let first = |kind: &str| (kind.to_owned(), cx.app().to_owned());
    for object in objects {
        let kind = object.address_kind.as_str();
        if !isolation.limits.is_empty() && matches!(kind, "Deployment" | "Job") {
            object.after.push(first(LIMITS));
        }
        if isolation.quota.keys().any(|key| is_counted(kind, key)) {
            object.after.push(first(QUOTA));
        }
    }
}

/// Whether a quota's key counts objects of a kind, or what they use.
fn is_counted(kind: &str, key: &str) -> bool {
    let counted = key.strip_prefix("count/").unwrap_or(key);
    match kind {
        // Pods are what most keys are about.
        "Deployment" | "Job" => true,
        "Service" => counted.split('.').next() == Some("services"),
        "PersistentVolumeClaim" => counted.ends_with("persistentvolumeclaims") || counted.ends_with("requests.storage"),
        "ConfigMap" => counted == "configmaps",
        "Secret" => counted == "secrets",
        "ServiceAccount" => counted == "serviceaccounts",
        "Ingress" => counted == "ingresses.networking.k8s.io",
        "NetworkPolicy" => counted == "networkpolicies.networking.k8s.io",
        "Role" => counted == "roles.rbac.authorization.k8s.io",
        "RoleBinding" => counted == "rolebindings.rbac.authorization.k8s.io",
        _ => false,
    }
}
