//! What an object must be for the API server to take it (`ValidateCreate`, `ValidateUpdate`): required fields, names, references inside the
//! object, and fields that never change.

mod containers;
mod network;
mod pods;
mod quota;
mod storage;

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use super::kinds::Resource;
use super::selector::object_matches;
use super::status::Cause;
use super::store::text;
use network::{ingress, network_policy, service};
use pods::{pod_spec, pod_update};
use quota::{limit_range, resource_quota};
use storage::{claim, claim_update, persistent_volume, volume_source};

/// Collects what is wrong with one object.
#[derive(Debug, Default)]
struct Findings {
    causes: Vec<Cause>,
}

impl Findings {
    fn required(&mut self, field: impl Into<String>, hint: &str) {
        let message = if hint.is_empty() { "Required value".to_owned() } else { format!("Required value: {hint}") };
        self.causes.push(Cause { reason: "FieldValueRequired", message, field: field.into() });
    }

    fn invalid(&mut self, field: impl Into<String>, value: &Value, why: &str) {
        let message = format!("Invalid value: {value}: {why}");
        self.causes.push(Cause { reason: "FieldValueInvalid", message, field: field.into() });
    }

    fn unsupported(&mut self, field: impl Into<String>, value: &str, supported: &[&str]) {
        let list: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        let message = format!("Unsupported value: {value:?}: supported values: {}", list.join(", "));
        self.causes.push(Cause { reason: "FieldValueNotSupported", message, field: field.into() });
    }

    fn duplicate(&mut self, field: impl Into<String>, value: &str) {
        let message = format!("Duplicate value: {value:?}");
        self.causes.push(Cause { reason: "FieldValueDuplicate", message, field: field.into() });
    }

    /// A number that must not be negative.
    fn not_negative(&mut self, field: impl Into<String>, value: Option<&Value>) {
        if let Some(value) = value.filter(|value| value.as_i64().is_some_and(|number| number < 0)) {
            self.invalid(field, value, "must be greater than or equal to 0");
        }
    }

    /// A name that other objects have.
    fn subdomain(&mut self, field: impl Into<String>, name: &str) {
        if !is_dns_subdomain(name) {
            self.invalid(field, &name.into(), SUBDOMAIN_RULE);
        }
    }

    /// One of a few words, if there is any.
    fn one_of(&mut self, field: impl Into<String>, word: &str, words: &[&str]) {
        if !word.is_empty() && !words.contains(&word) {
            self.unsupported(field, word, words);
        }
    }

    fn not_found(&mut self, field: impl Into<String>, value: &str) {
        let message = format!("Not found: {value:?}");
        self.causes.push(Cause { reason: "FieldValueNotFound", message, field: field.into() });
    }

    fn forbidden(&mut self, field: impl Into<String>, why: &str) {
        let message = format!("Forbidden: {why}");
        self.causes.push(Cause { reason: "FieldValueForbidden", message, field: field.into() });
    }
}

const IMMUTABLE: &str = "field is immutable";
const LABEL_RULE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with \
     an alphanumeric character";
const SUBDOMAIN_RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start \
     and end with an alphanumeric character";
const LABEL_1035_RULE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
     character, and end with an alphanumeric character";

fn list<'v>(object: &'v Value, pointer: &str) -> &'v [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn map<'v>(object: &'v Value, pointer: &str) -> Option<&'v Map<String, Value>> {
    object.pointer(pointer).and_then(Value::as_object)
}

/// Whether `name` is an RFC 1123 label of at most 63 characters.
#[must_use]
pub fn is_dns_label(name: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

fn is_dns_subdomain(name: &str) -> bool {
    let part = |label: &str| {
        let bytes = label.as_bytes();
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
    };
    name.len() <= 253 && name.split('.').all(part)
}

/// The name part of a label key and a label value: alphanumeric at both ends, `-_.` inside, at most 63 characters.
fn is_qualified_part(part: &str) -> bool {
    let bytes = part.as_bytes();
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn is_qualified_name(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_qualified_part(name),
        None => is_qualified_part(key),
    }
}

fn is_config_key(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= 253
        && key != "."
        && !key.starts_with("..")
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

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

fn metadata(resource: &Resource, object: &Value, out: &mut Findings) {
    let name = text(object, "/metadata/name");
    let shown = Value::from(name);
    match resource.kind {
        _ if name.is_empty() => out.required("metadata.name", "name or generateName is required"),
        "Namespace" if !is_dns_label(name) => out.invalid("metadata.name", &shown, LABEL_RULE),
        "Service" if !is_dns_label(name) || name.starts_with(|c: char| c.is_ascii_digit()) => {
            out.invalid("metadata.name", &shown, LABEL_1035_RULE);
        }
        "Role" | "RoleBinding" | "ClusterRole" | "ClusterRoleBinding" => {
            let path_segment = !name.contains(['/', '%']) && name != "." && name != "..";
            if !path_segment {
                out.invalid("metadata.name", &shown, "may not contain '/' or '%'");
            }
        }
        _ if !is_dns_subdomain(name) => out.invalid("metadata.name", &shown, SUBDOMAIN_RULE),
        _ => {}
    }
    labels(map(object, "/metadata/labels"), "metadata.labels", out);
    annotations(map(object, "/metadata/annotations"), "metadata.annotations", out);
    for finalizer in list(object, "/metadata/finalizers") {
        let name = finalizer.as_str().unwrap_or_default();
        let standard = matches!(name, "orphan" | "foregroundDeletion" | "kubernetes");
        if !is_qualified_name(name) || !name.contains('/') && !standard {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            out.invalid("metadata.finalizers", finalizer, why);
        }
    }
}

fn annotations(annotations: Option<&Map<String, Value>>, field: &str, out: &mut Findings) {
    let mut size = 0;
    for (key, value) in annotations.into_iter().flatten() {
        size += key.len() + value.as_str().map_or(0, str::len);
        if !is_qualified_name(&key.to_ascii_lowercase()) {
            out.invalid(field, &key.as_str().into(), "a qualified name is expected");
        }
    }
    if size > 256 * 1024 {
        let message = "Too long: may not be more than 262144 bytes".to_owned();
        out.causes.push(Cause { reason: "FieldValueTooLong", message, field: field.into() });
    }
}

fn labels(labels: Option<&Map<String, Value>>, field: &str, out: &mut Findings) {
    for (key, value) in labels.into_iter().flatten() {
        if !is_qualified_name(key) {
            out.invalid(
                field,
                &key.as_str().into(),
                "name part must consist of alphanumeric characters, '-', '_' or '.'",
            );
        }
        let text = value.as_str().unwrap_or_default();
        if !text.is_empty() && !is_qualified_part(text) {
            out.invalid(
                field,
                value,
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'",
            );
        }
    }
}

fn workload(object: &Value, out: &mut Findings) {
    let selector = object.pointer("/spec/selector");
    match selector {
        None => out.required("spec.selector", ""),
        Some(selector) => {
            let size = |name: &str| match selector.get(name) {
                Some(Value::Object(map)) => map.len(),
                Some(Value::Array(list)) => list.len(),
                _ => 0,
            };
            if size("matchLabels") + size("matchExpressions") == 0 {
                out.invalid("spec.selector", selector, "empty selector is invalid for deployment");
            }
            label_selector(selector, "spec.selector", out);
        }
    }
    let Some(template) = object.pointer("/spec/template") else {
        out.required("spec.template.spec.containers", "");
        return;
    };
    let template_labels = template.pointer("/metadata/labels").unwrap_or(&Value::Null);
    if let Some(selector) = selector
        && !object_matches(selector, template_labels)
    {
        out.invalid("spec.template.metadata.labels", template_labels, "`selector` does not match template `labels`");
    }
    labels(template_labels.as_object(), "spec.template.metadata.labels", out);
    annotations(map(template, "/metadata/annotations"), "spec.template.metadata.annotations", out);
    for field in ["replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
        out.not_negative(format!("spec.{field}"), object.pointer(&format!("/spec/{field}")));
    }
    let number = |field: &str| object.pointer(&format!("/spec/{field}")).and_then(Value::as_i64);
    if let Some(deadline) = number("progressDeadlineSeconds")
        && deadline <= number("minReadySeconds").unwrap_or_default()
    {
        out.invalid("spec.progressDeadlineSeconds", &deadline.into(), "must be greater than minReadySeconds");
    }
    for field in ["maxSurge", "maxUnavailable"] {
        let value = object.pointer(&format!("/spec/strategy/rollingUpdate/{field}"));
        let percent = |text: &str| text.strip_suffix('%').is_some_and(|number| number.parse::<u32>().is_ok());
        if let Some(value) = value.filter(|value| value.as_str().is_some_and(|text| !percent(text))) {
            out.invalid(format!("spec.strategy.rollingUpdate.{field}"), value, "a percentage or a number is expected");
        }
    }
    if template.pointer("/spec/activeDeadlineSeconds").is_some() {
        let why = "activeDeadlineSeconds in ReplicaSet is not Supported";
        out.forbidden("spec.template.spec.activeDeadlineSeconds", why);
    }
    match text(object, "/spec/strategy/type") {
        "Recreate" if object.pointer("/spec/strategy/rollingUpdate").is_some() => {
            out.forbidden("spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'");
        }
        "" | "Recreate" | "RollingUpdate" => {}
        other => out.unsupported("spec.strategy.type", other, &["Recreate", "RollingUpdate"]),
    }
    if text(template, "/spec/restartPolicy") != "Always" && template.get("spec").is_some() {
        out.unsupported("spec.template.spec.restartPolicy", text(template, "/spec/restartPolicy"), &["Always"]);
    }
    pod_spec(template.pointer("/spec").unwrap_or(&Value::Null), "spec.template.spec", out);
}

/// A Job (`ValidateJob`).
fn job(object: &Value, out: &mut Findings) {
    let Some(template) = object.pointer("/spec/template") else {
        out.required("spec.template.spec.containers", "");
        return;
    };
    for field in ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"] {
        out.not_negative(format!("spec.{field}"), object.pointer(&format!("/spec/{field}")));
    }
    let policies = ["Failed", "TerminatingOrFailed"];
    out.one_of("spec.podReplacementPolicy", text(object, "/spec/podReplacementPolicy"), &policies);
    labels(map(template, "/metadata/labels"), "spec.template.metadata.labels", out);
    annotations(map(template, "/metadata/annotations"), "spec.template.metadata.annotations", out);
    let policy = text(template, "/spec/restartPolicy");
    if !["OnFailure", "Never"].contains(&policy) {
        let at = "spec.template.spec.restartPolicy";
        match policy {
            "" => out.required(at, "valid values: \"OnFailure\", \"Never\""),
            other => out.unsupported(at, other, &["OnFailure", "Never"]),
        }
    }
    pod_spec(template.pointer("/spec").unwrap_or(&Value::Null), "spec.template.spec", out);
}

/// `matchLabels` and `matchExpressions`.
fn label_selector(selector: &Value, path: &str, out: &mut Findings) {
    labels(map(selector, "/matchLabels"), &format!("{path}.matchLabels"), out);
    for (i, expression) in list(selector, "/matchExpressions").iter().enumerate() {
        requirement(
            expression,
            &format!("{path}.matchExpressions[{i}]"),
            &["In", "NotIn", "Exists", "DoesNotExist"],
            out,
        );
    }
}

/// One expression of a selector of labels or nodes.
fn requirement(expression: &Value, path: &str, operators: &[&str], out: &mut Findings) {
    let key = text(expression, "/key");
    if !is_qualified_name(key) {
        out.invalid(format!("{path}.key"), &key.into(), "a qualified name is expected");
    }
    let values = list(expression, "/values").len();
    match text(expression, "/operator") {
        operator if !operators.contains(&operator) => out.unsupported(format!("{path}.operator"), operator, operators),
        "In" | "NotIn" if values == 0 => {
            out.required(format!("{path}.values"), "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if values > 0 => {
            out.forbidden(
                format!("{path}.values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            );
        }
        "Gt" | "Lt" if values != 1 => {
            out.required(format!("{path}.values"), "must be specified single value when `operator` is 'Lt' or 'Gt'");
        }
        _ => {}
    }
}

fn port_number(port: Option<&Value>, path: &str, out: &mut Findings) {
    match port.and_then(Value::as_i64) {
        Some(1..=65535) => {}
        Some(0) | None => out.required(path, ""),
        Some(_) => out.invalid(path, port.unwrap_or(&Value::Null), "must be between 1 and 65535, inclusive"),
    }
}

/// A name that a port may have: at most 15 lower case letters, digits and dashes, with a letter.
fn is_port_name(name: &str) -> bool {
    is_dns_label(name) && name.len() <= 15 && !name.contains("--") && name.bytes().any(|b| b.is_ascii_lowercase())
}

fn port_name(name: &str, path: &str, out: &mut Findings) {
    if !is_port_name(name) {
        out.invalid(path, &name.into(), "must be at most 15 lower case alphanumerics or '-'");
    }
}

fn protocol(port: &Value, path: &str, out: &mut Findings) {
    let given = text(port, "/protocol");
    if !matches!(given, "" | "TCP" | "UDP" | "SCTP") {
        out.unsupported(format!("{path}.protocol"), given, &["SCTP", "TCP", "UDP"]);
    }
}

/// Data of a ConfigMap or Secret; `encoded` names the fields in Base64.
fn config_data(object: &Value, fields: &[&str], encoded: &[&str], out: &mut Findings) {
    let mut size = 0;
    let mut seen = HashSet::new();
    for field in fields {
        for (key, value) in map(object, &format!("/{field}")).into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            // What is decoded is counted; four characters carry three bytes.
            let padding = value.bytes().rev().take_while(|byte| *byte == b'=').count();
            size += if encoded.contains(field) { (value.len() / 4 * 3).saturating_sub(padding) } else { value.len() };
            if !is_config_key(key) {
                let why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
                out.invalid(format!("{field}[{key}]"), &key.as_str().into(), why);
            } else if !seen.insert(key) {
                out.invalid(format!("data[{key}]"), &key.as_str().into(), "duplicate of key present in binaryData");
            }
        }
    }
    if size > 1 << 20 {
        let message = "Too long: may not be more than 1048576 bytes".to_owned();
        out.causes.push(Cause { reason: "FieldValueTooLong", message, field: fields.join(",") });
    }
}

fn secret(object: &Value, out: &mut Findings) {
    config_data(object, &["data"], &["data"], out);
    let needed = match text(object, "/type") {
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"][..],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    for key in needed {
        if object.get("data").and_then(|data| data.get(*key)).is_none() {
            out.required(format!("data[{key}]"), "");
        }
    }
    let has = |key: &str| object.pointer(&format!("/data/{key}")).is_some();
    match text(object, "/type") {
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            out.required("data[username]", "");
            out.required("data[password]", "");
        }
        "kubernetes.io/dockerconfigjson" => {
            let config = BASE64.decode(text(object, "/data/.dockerconfigjson")).unwrap_or_default();
            if has(".dockerconfigjson") && !serde_json::from_slice::<Value>(&config).is_ok_and(|json| json.is_object())
            {
                out.invalid("data[.dockerconfigjson]", &"<secret contents redacted>".into(), "JSON is expected");
            }
        }
        _ => {}
    }
}

fn ingress_class(object: &Value, out: &mut Findings) {
    match text(object, "/spec/controller") {
        "" => out.required("spec.controller", ""),
        controller => match controller.split_once('/') {
            Some((domain, path)) if is_dns_subdomain(domain) && !path.is_empty() => {}
            _ => out.invalid(
                "spec.controller",
                &controller.into(),
                "must be a domain-prefixed path (such as \"acme.io/foo\")",
            ),
        },
    }
}

fn rules(resource: &Resource, object: &Value, out: &mut Findings) {
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

fn role_binding(resource: &Resource, object: &Value, out: &mut Findings) {
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
