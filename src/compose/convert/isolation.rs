//! ResourceQuota and LimitRange: what an app's Namespace may hold and use.

use serde_json::{Value, json};

use super::context::Context;
use super::object::{ObjectKind, RenderedObject};

/// The LimitRange and the ResourceQuota that the app asks for, both under the app's name.
pub(super) fn objects(cx: &Context<'_>) -> Vec<RenderedObject> {
    let isolation = &cx.input.isolation;
    let object = |kind: ObjectKind, spec: Value, origin: &Option<_>| RenderedObject {
        origin: origin.clone(),
        ..cx.object(kind, cx.app(), cx.labels(), json!({ "spec": spec }))
    };
    let mut objects = Vec::new();
    if !isolation.limits.is_empty() {
        let mut item = json!({ "type": "Container" });
        for (part, amounts) in &isolation.limits {
            item[*part] = json!(amounts);
        }
        objects.push(object(ObjectKind::LimitRange, json!({ "limits": [item] }), &isolation.limits_origin));
    }
    if !isolation.quota.is_empty() {
        objects.push(object(ObjectKind::ResourceQuota, json!({ "hard": isolation.quota }), &isolation.quota_origin));
    }
    objects
}

/// Lets what a quota or a LimitRange judges wait for it: defaults are given when a Pod is created, and a quota that is
/// raised has to be raised before what it makes room for. What neither judges does not wait, so that adding one leaves it
/// alone.
pub(super) fn before_what_they_judge(cx: &Context<'_>, objects: &mut [RenderedObject]) {
    let isolation = &cx.input.isolation;
    let first = |kind: ObjectKind| (kind, cx.app().to_owned());
    for object in objects {
        let kind = object.kind;
        if !isolation.limits.is_empty() && kind.runs_pods() {
            object.after.push(first(ObjectKind::LimitRange));
        }
        if isolation.quota.keys().any(|key| is_counted(kind, key)) {
            object.after.push(first(ObjectKind::ResourceQuota));
        }
    }
}

/// Whether a quota's key counts objects of a kind, or what they use.
fn is_counted(kind: ObjectKind, key: &str) -> bool {
    let counted = key.strip_prefix("count/").unwrap_or(key);
    match kind {
        // Pods are what most keys are about.
        ObjectKind::Deployment | ObjectKind::Job => true,
        ObjectKind::Service => counted.split('.').next() == Some("services"),
        ObjectKind::PersistentVolumeClaim => {
            counted.ends_with("persistentvolumeclaims") || counted.ends_with("requests.storage")
        }
        ObjectKind::ConfigMap => counted == "configmaps",
        ObjectKind::Secret => counted == "secrets",
        ObjectKind::ServiceAccount => counted == "serviceaccounts",
        ObjectKind::Ingress => counted == "ingresses.networking.k8s.io",
        ObjectKind::NetworkPolicy => counted == "networkpolicies.networking.k8s.io",
        ObjectKind::Role => counted == "roles.rbac.authorization.k8s.io",
        ObjectKind::RoleBinding => counted == "rolebindings.rbac.authorization.k8s.io",
        _ => false,
    }
}
