//! ResourceQuota and LimitRange: what an app's Namespace may hold and use.

use serde_json::{Value, json};

use crate::compose::convert::{Context, RenderedObject};

const QUOTA: &str = "ResourceQuota";
const LIMITS: &str = "LimitRange";

/// The LimitRange and the ResourceQuota that the app asks for, both under the app's name.
pub(super) fn objects(cx: &Context<'_>) -> Vec<RenderedObject> {
    let isolation = &cx.input.isolation;
    let object = |kind: &str, spec: Value, origin: &Option<_>| RenderedObject {
        body: json!({
            "apiVersion": "v1",
            "kind": kind,
            "metadata": { "name": cx.app(), "namespace": cx.namespace, "labels": cx.labels() },
            "spec": spec,
        }),
        sensitive: Vec::new(),
        address_kind: kind.to_owned(),
        address_name: cx.app().to_owned(),
        after: vec![cx.after_namespace()],
        origin: origin.clone(),
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

/// Lets everything in the Namespace wait for both: a quota counts objects of any kind, and one that is raised has to be
/// raised before what it makes room for.
pub(super) fn before_all(objects: &mut [RenderedObject]) {
    let is_isolation = |object: &RenderedObject| matches!(object.address_kind.as_str(), QUOTA | LIMITS);
    let first: Vec<(String, String)> = objects
        .iter()
        .filter(|object| is_isolation(object))
        .map(|object| (object.address_kind.clone(), object.address_name.clone()))
        .collect();
    for object in objects {
        if !is_isolation(object) && object.body.pointer("/metadata/namespace").is_some() {
            object.after.extend(first.iter().cloned());
        }
    }
}
