//! Discovery: what the API server says it serves.

use serde_json::{Value, json};

use super::kinds::{RESOURCES, Resource, groups};

/// The version the emulator says it is.
pub const SERVER_VERSION: &str = "v1.36.3";

/// `/version`.
#[must_use]
pub fn version() -> Value {
    let mut parts = SERVER_VERSION.trim_start_matches('v').split('.');
    json!({
        "major": parts.next().unwrap_or_default(), "minor": parts.next().unwrap_or_default(), "gitVersion": SERVER_VERSION,
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "",
        "platform": "linux/amd64",
    })
}

/// `/api`.
#[must_use]
pub fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

fn group_entry(group: &str) -> Value {
    let version = json!({"groupVersion": format!("{group}/v1"), "version": "v1"});
    json!({"name": group, "versions": [version], "preferredVersion": version})
}

/// `/apis`.
#[must_use]
pub fn group_list() -> Value {
    let list: Vec<Value> = groups().into_iter().map(group_entry).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": list})
}

/// `/apis/<group>`; `None` when there is no such group.
#[must_use]
pub fn group(name: &str) -> Option<Value> {
    groups().contains(&name).then(|| {
        let mut entry = group_entry(name);
        entry["kind"] = "APIGroup".into();
        entry["apiVersion"] = "v1".into();
        entry
    })
}

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const SUB_VERBS: [&str; 3] = ["get", "patch", "update"];

fn entry(resource: &Resource) -> Value {
    let mut out = json!({
        "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": VERBS,
    });
    if !resource.short_names.is_empty() {
        out["shortNames"] = json!(resource.short_names);
    }
    if resource.in_all {
        out["categories"] = json!(["all"]);
    }
    out
}

/// `/api/v1` and `/apis/<group>/v1`; `None` when there is nothing.
#[must_use]
pub fn resource_list(group: &str, version: &str) -> Option<Value> {
    let mut list = Vec::new();
    for resource in RESOURCES.iter().filter(|r| r.group == group && r.version == version) {
        list.push(entry(resource));
        let sub = |name: &str| json!({"name": format!("{}/{name}", resource.plural), "singularName": "", "namespaced": resource.namespaced});
        if resource.scale {
            let mut scale = sub("scale");
            scale["group"] = "autoscaling".into();
            scale["version"] = "v1".into();
            scale["kind"] = "Scale".into();
            scale["verbs"] = json!(SUB_VERBS);
            list.push(scale);
        }
        if resource.status {
            let mut status = sub("status");
            status["kind"] = resource.kind.into();
            status["verbs"] = json!(SUB_VERBS);
            list.push(status);
        }
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!list.is_empty()).then(
        || json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list}),
    )
}
