//! Rules for roles and their bindings.

use serde_json::Value;

use super::super::kinds::Resource;
use super::super::store::{list, text};
use super::findings::Findings;

/// A Role or a ClusterRole.
pub(super) fn rules(resource: &Resource, object: &Value, out: &mut Findings) {
    for (i, rule) in list(object, "/rules").iter().enumerate() {
        if list(rule, "/verbs").is_empty() {
            out.required(format!("rules[{i}].verbs"), "verbs must contain at least one value");
        }
        if !list(rule, "/nonResourceURLs").is_empty() && resource.namespaced {
            let why = "namespaced rules cannot apply to non-resource URLs";
            out.invalid(format!("rules[{i}].nonResourceURLs"), &rule["nonResourceURLs"], why);
        } else if list(rule, "/nonResourceURLs").is_empty() {
            if list(rule, "/apiGroups").is_empty() {
                out.required(format!("rules[{i}].apiGroups"), "resource rules must supply at least one api group");
            }
            if list(rule, "/resources").is_empty() {
                out.required(format!("rules[{i}].resources"), "resource rules must supply at least one resource");
            }
        }
    }
}

/// A RoleBinding or a ClusterRoleBinding.
pub(super) fn role_binding(resource: &Resource, object: &Value, out: &mut Findings) {
    let kind = text(object, "/roleRef/kind");
    let allowed: &[&str] = if resource.namespaced { &["ClusterRole", "Role"] } else { &["ClusterRole"] };
    if !allowed.contains(&kind) {
        out.unsupported("roleRef.kind", kind, allowed);
    }
    const GROUP: &str = "rbac.authorization.k8s.io";
    if text(object, "/roleRef/apiGroup") != GROUP {
        out.unsupported("roleRef.apiGroup", text(object, "/roleRef/apiGroup"), &[GROUP]);
    }
    if text(object, "/roleRef/name").is_empty() {
        out.required("roleRef.name", "");
    }
    for (i, subject) in list(object, "/subjects").iter().enumerate() {
        if text(subject, "/name").is_empty() {
            out.required(format!("subjects[{i}].name"), "");
        }
        match text(subject, "/kind") {
            "ServiceAccount" => {
                if !text(subject, "/name").is_empty() {
                    out.subdomain(format!("subjects[{i}].name"), text(subject, "/name"));
                }
                if text(subject, "/namespace").is_empty() && !resource.namespaced {
                    out.required(format!("subjects[{i}].namespace"), "");
                }
            }
            "User" | "Group" => {}
            other => out.unsupported(format!("subjects[{i}].kind"), other, &["ServiceAccount", "User", "Group"]),
        }
    }
}
