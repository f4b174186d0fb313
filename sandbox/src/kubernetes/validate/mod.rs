//! What an object must be for the API server to take it (`ValidateCreate`, `ValidateUpdate`): required fields, names,
//! references inside the object, and fields that never change.

mod config;
mod containers;
mod findings;
mod metadata;
mod names;
mod network;
mod pods;
mod ports;
mod quota;
mod rbac;
mod security_context;
mod storage;
mod workloads;

use serde_json::Value;

use super::kinds::Resource;
use super::status::Cause;
use super::store::text;
use config::{config_data, secret};
use findings::Findings;
use metadata::metadata;
use network::{ingress, ingress_class, network_policy, service};
use pods::{pod_spec, pod_update};
use quota::{limit_range, resource_quota};
use rbac::{role_binding, rules};
use storage::{claim, claim_update, persistent_volume, volume_source};
use workloads::{job, workload};

const IMMUTABLE: &str = "field is immutable";

/// What is wrong with a new object, defaults filled in. Empty when it is fine.
#[must_use]
pub fn create(resource: &Resource, object: &Value) -> Vec<Cause> {
    let mut out = Findings::default();
    metadata(resource, object, &mut out);
    match resource.kind {
        "Deployment" | "ReplicaSet" => workload(object, &mut out),
        "Job" => job(object, &mut out),
        "Pod" => pod_spec(object.pointer("/spec").unwrap_or(&Value::Null), "spec", &mut out),
        "Service" => service(object, &mut out),
        "ConfigMap" => config_data(object, &["data", "binaryData"], &["binaryData"], &mut out),
        "Secret" => secret(object, &mut out),
        "PersistentVolume" => persistent_volume(object, &mut out),
        "PersistentVolumeClaim" => claim(object, &mut out),
        "Ingress" => ingress(object, &mut out),
        "Role" | "ClusterRole" => rules(resource, object, &mut out),
        "RoleBinding" | "ClusterRoleBinding" => role_binding(resource, object, &mut out),
        "StorageClass" if text(object, "/provisioner").is_empty() => out.required("provisioner", ""),
        "IngressClass" => ingress_class(object, &mut out),
        "ResourceQuota" => resource_quota(object, &mut out),
        "LimitRange" => limit_range(object, &mut out),
        "NetworkPolicy" => network_policy(object, &mut out),
        _ => {}
    }
    out.causes
}

/// What is wrong with a change, defaults filled in on both sides.
#[must_use]
pub fn update(resource: &Resource, old: &Value, new: &Value) -> Vec<Cause> {
    let mut out = Findings { causes: create(resource, new) };
    let mut fixed = |pointer: &str, field: &str| {
        if old.pointer(pointer) != new.pointer(pointer) {
            out.invalid(field, new.pointer(pointer).unwrap_or(&Value::Null), IMMUTABLE);
        }
    };
    match resource.kind {
        "Deployment" | "ReplicaSet" => fixed("/spec/selector", "spec.selector"),
        "Job" => {
            for field in ["completions", "selector", "template", "completionMode"] {
                fixed(&format!("/spec/{field}"), &format!("spec.{field}"));
            }
        }
        "RoleBinding" | "ClusterRoleBinding" => fixed("/roleRef", "roleRef"),
        "IngressClass" => fixed("/spec/controller", "spec.controller"),
        "StorageClass" => {
            for field in ["provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"] {
                fixed(&format!("/{field}"), field);
            }
        }
        "Secret" | "ConfigMap" => {
            if resource.kind == "Secret" {
                fixed("/type", "type");
            }
            if old.get("immutable").and_then(Value::as_bool) == Some(true) {
                if new.get("immutable").and_then(Value::as_bool) != Some(true) {
                    out.forbidden("immutable", "field is immutable when `immutable` is set");
                }
                for field in ["data", "binaryData"] {
                    if old.get(field) != new.get(field) {
                        out.forbidden(field, "field is immutable when `immutable` is set");
                    }
                }
            }
        }
        "PersistentVolume" => {
            if volume_source(old) != volume_source(new) {
                out.forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation");
            }
            let mut fixed = |pointer: &str, field: &str| {
                if old.pointer(pointer) != new.pointer(pointer) {
                    out.invalid(field, new.pointer(pointer).unwrap_or(&Value::Null), IMMUTABLE);
                }
            };
            fixed("/spec/volumeMode", "spec.volumeMode");
            if old.pointer("/spec/nodeAffinity").is_some() {
                fixed("/spec/nodeAffinity", "spec.nodeAffinity");
            }
        }
        "PersistentVolumeClaim" => claim_update(old, new, &mut out),
        "Service" => {
            let both = !text(old, "/spec/clusterIP").is_empty() && text(new, "/spec/type") != "ExternalName";
            if both && text(old, "/spec/type") != "ExternalName" {
                let mut fixed = |pointer: &str, field: &str| {
                    if old.pointer(pointer) != new.pointer(pointer) {
                        out.invalid(field, new.pointer(pointer).unwrap_or(&Value::Null), "may not change once set");
                    }
                };
                fixed("/spec/clusterIPs/0", "spec.clusterIPs[0]");
                fixed("/spec/clusterIP", "spec.clusterIP");
            }
        }
        "Pod" => pod_update(old, new, &mut out),
        _ => {}
    }
    out.causes
}
