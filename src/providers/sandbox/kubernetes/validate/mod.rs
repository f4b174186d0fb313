//! What an object must be for the API server to take it (`ValidateCreate`, `ValidateUpdate`): required fields, names, references inside the
//! object, and fields that never change.

mod pods;

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::kinds::Resource;
use super::quantity::Quantity;
use super::selector::object_matches;
use super::status::Cause;
use super::store::text;
use pods::{pod_spec, pod_update};

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
        && key != ".."
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// What is wrong with a new object, defaults filled in. Empty when it is fine.
#[must_use]
pub fn create(resource: &Resource, object: &Value) -> Vec<Cause> {
    let mut out = Findings::default();
    metadata(resource, object, &mut out);
    match resource.kind {
        "Deployment" | "ReplicaSet" => workload(object, &mut out),
        "Pod" => pod_spec(object.pointer("/spec").unwrap_or(&Value::Null), "spec", &mut out),
        "Service" => service(object, &mut out),
        "ConfigMap" => {
            config_data(object, &["data", "binaryData"], &mut out);
        }
        "Secret" => secret(object, &mut out),
        "PersistentVolume" => persistent_volume(object, &mut out),
        "PersistentVolumeClaim" => claim(object, &mut out),
        "Ingress" => ingress(object, &mut out),
        "Role" | "ClusterRole" => rules(object, &mut out),
        "RoleBinding" | "ClusterRoleBinding" => role_binding(resource, object, &mut out),
        "StorageClass" if text(object, "/provisioner").is_empty() => out.required("provisioner", ""),
        "IngressClass" if text(object, "/spec/controller").is_empty() => out.required("spec.controller", ""),
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
    if let Some(annotations) = map(object, "/metadata/annotations") {
        let mut size = 0;
        for (key, value) in annotations {
            size += key.len() + value.as_str().map_or(0, str::len);
            if !is_qualified_name(&key.to_ascii_lowercase()) {
                out.invalid("metadata.annotations", &key.as_str().into(), "a qualified name is expected");
            }
        }
        if size > 256 * 1024 {
            let message = "Too long: may not be more than 262144 bytes".to_owned();
            out.causes.push(Cause { reason: "FieldValueTooLong", message, field: "metadata.annotations".into() });
        }
    }
    for finalizer in list(object, "/metadata/finalizers") {
        if !is_qualified_name(finalizer.as_str().unwrap_or_default()) {
            out.invalid("metadata.finalizers", finalizer, "a qualified name is expected");
        }
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
    if object.pointer("/spec/replicas").and_then(Value::as_i64).is_some_and(|n| n < 0) {
        out.invalid("spec.replicas", &object["spec"]["replicas"], "must be greater than or equal to 0");
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

fn port_number(port: Option<&Value>, path: &str, out: &mut Findings) {
    match port.and_then(Value::as_i64) {
        Some(1..=65535) => {}
        Some(0) | None => out.required(path, ""),
        Some(_) => out.invalid(path, port.unwrap_or(&Value::Null), "must be between 1 and 65535, inclusive"),
    }
}

fn protocol(port: &Value, path: &str, out: &mut Findings) {
    let given = text(port, "/protocol");
    if !matches!(given, "" | "TCP" | "UDP" | "SCTP") {
        out.unsupported(format!("{path}.protocol"), given, &["SCTP", "TCP", "UDP"]);
    }
}

fn service(object: &Value, out: &mut Findings) {
    let kind = text(object, "/spec/type");
    if !matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName") {
        out.unsupported("spec.type", kind, &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    }
    let ports = list(object, "/spec/ports");
    let headless = text(object, "/spec/clusterIP") == "None";
    if ports.is_empty() && !headless && kind != "ExternalName" {
        out.required("spec.ports", "");
    }
    if kind == "ExternalName" && text(object, "/spec/externalName").is_empty() {
        out.required("spec.externalName", "");
    }
    if headless && matches!(kind, "LoadBalancer" | "NodePort") {
        out.invalid("spec.clusterIPs[0]", &"None".into(), &format!("may not be set to 'None' for {kind} services"));
    }
    let mut seen = HashSet::new();
    let mut names = HashSet::new();
    for (i, port) in ports.iter().enumerate() {
        let at = format!("spec.ports[{i}]");
        port_number(port.get("port"), &format!("{at}.port"), out);
        protocol(port, &at, out);
        let name = text(port, "/name");
        if name.is_empty() && ports.len() > 1 {
            out.required(format!("{at}.name"), "");
        } else if !name.is_empty() && !is_dns_label(name) {
            out.invalid(format!("{at}.name"), &name.into(), LABEL_RULE);
        } else if !name.is_empty() && !names.insert(name) {
            out.duplicate(format!("{at}.name"), name);
        }
        let number = port.get("port").and_then(Value::as_i64).unwrap_or_default();
        if !seen.insert((number, text(port, "/protocol"))) {
            out.duplicate(at, &format!("{number}/{}", text(port, "/protocol")));
        }
    }
    let policy = text(object, "/spec/externalTrafficPolicy");
    if !policy.is_empty() && !matches!(kind, "LoadBalancer" | "NodePort") {
        let why = "may only be set for externally-accessible services";
        out.invalid("spec.externalTrafficPolicy", &policy.into(), why);
    }
}

fn config_data(object: &Value, fields: &[&str], out: &mut Findings) {
    let mut size = 0;
    for field in fields {
        for (key, value) in map(object, &format!("/{field}")).into_iter().flatten() {
            size += value.as_str().map_or(0, str::len);
            if !is_config_key(key) {
                let why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
                out.invalid(format!("{field}[{key}]"), &key.as_str().into(), why);
            }
        }
    }
    // Encoded data is a third longer than what it holds.
    if size > 1_400_000 {
        let message = "Too long: may not be more than 1048576 bytes".to_owned();
        out.causes.push(Cause { reason: "FieldValueTooLong", message, field: fields.join(",") });
    }
}

fn secret(object: &Value, out: &mut Findings) {
    config_data(object, &["data"], out);
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
}

/// The names of volume sources of a PV; everything else in its spec is not a source.
fn volume_source(object: &Value) -> Option<(&String, &Value)> {
    const SOURCES: [&str; 7] = ["csi", "hostPath", "local", "nfs", "iscsi", "azureDisk", "azureFile"];
    map(object, "/spec")?.iter().find(|(name, _)| SOURCES.contains(&name.as_str()))
}

fn persistent_volume(object: &Value, out: &mut Findings) {
    access_modes(object, out);
    match object.pointer("/spec/capacity/storage").and_then(Value::as_str).map(Quantity::parse) {
        None => out.required("spec.capacity", ""),
        Some(Some(q)) if q.milli > 0 => {}
        Some(_) => {
            let why = "must be greater than zero";
            out.invalid("spec.capacity[storage]", &object["spec"]["capacity"]["storage"], why);
        }
    }
    match volume_source(object) {
        None => out.required("spec", "must specify a volume type"),
        Some((name, source)) if name == "csi" => {
            for field in ["driver", "volumeHandle"] {
                if text(source, &format!("/{field}")).is_empty() {
                    out.required(format!("spec.csi.{field}"), "");
                }
            }
        }
        Some(_) => {}
    }
    let policy = text(object, "/spec/persistentVolumeReclaimPolicy");
    if !matches!(policy, "Retain" | "Delete" | "Recycle") {
        out.unsupported("spec.persistentVolumeReclaimPolicy", policy, &["Delete", "Recycle", "Retain"]);
    }
}

fn access_modes(object: &Value, out: &mut Findings) {
    const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    let modes = list(object, "/spec/accessModes");
    if modes.is_empty() {
        out.required("spec.accessModes", "at least 1 access mode is required");
    }
    for mode in modes.iter().filter_map(Value::as_str).filter(|m| !MODES.contains(m)) {
        out.unsupported("spec.accessModes", mode, &MODES);
    }
}

fn claim(object: &Value, out: &mut Findings) {
    access_modes(object, out);
    match object.pointer("/spec/resources/requests/storage").and_then(Value::as_str).map(Quantity::parse) {
        None => out.required("spec.resources[storage]", ""),
        Some(Some(q)) if q.milli > 0 => {}
        Some(_) => out.invalid("spec.resources[storage]", &object["spec"]["resources"], "must be greater than zero"),
    }
}

fn claim_update(old: &Value, new: &Value, out: &mut Findings) {
    let rest = |object: &Value| {
        let mut spec = map(object, "/spec").cloned().unwrap_or_default();
        spec.remove("resources");
        spec.remove("volumeAttributesClassName");
        spec
    };
    let (mut before, after) = (rest(old), rest(new));
    // Binding sets the name once; a claim that has none may still get one.
    if !before.contains_key("volumeName")
        && let Some(name) = after.get("volumeName")
    {
        before.insert("volumeName".into(), name.clone());
    }
    if before != after {
        out.forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        );
    }
    let size = |object: &Value| {
        object.pointer("/spec/resources/requests/storage").and_then(Value::as_str).and_then(Quantity::parse)
    };
    if let (Some(was), Some(wanted)) = (size(old), size(new)) {
        if wanted.milli < was.milli {
            out.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity");
        } else if wanted.milli > was.milli && text(old, "/status/phase") != "Bound" {
            out.forbidden("spec", "spec is immutable after creation except resources.requests for bound claims");
        }
    }
}

fn ingress(object: &Value, out: &mut Findings) {
    let rules = list(object, "/spec/rules");
    if rules.is_empty() && object.pointer("/spec/defaultBackend").is_none() {
        out.invalid("spec", &Value::from(""), "either `defaultBackend` or `rules` must be specified");
    }
    for (i, rule) in rules.iter().enumerate() {
        let host = text(rule, "/host");
        let plain = host.strip_prefix("*.").unwrap_or(host);
        if !host.is_empty() && !is_dns_subdomain(plain) {
            out.invalid(format!("spec.rules[{i}].host"), &host.into(), SUBDOMAIN_RULE);
        }
        let Some(http) = rule.get("http") else { continue };
        let paths = list(http, "/paths");
        if paths.is_empty() {
            out.required(format!("spec.rules[{i}].http.paths"), "");
        }
        for (j, path) in paths.iter().enumerate() {
            let at = format!("spec.rules[{i}].http.paths[{j}]");
            match text(path, "/pathType") {
                "Prefix" | "Exact" if !text(path, "/path").starts_with('/') => {
                    out.invalid(format!("{at}.path"), &text(path, "/path").into(), "must be an absolute path");
                }
                "Prefix" | "Exact" | "ImplementationSpecific" => {}
                "" => out.required(format!("{at}.pathType"), "pathType must be specified"),
                other => {
                    out.unsupported(format!("{at}.pathType"), other, &["Exact", "ImplementationSpecific", "Prefix"])
                }
            }
            if path.pointer("/backend/service").is_none() && path.pointer("/backend/resource").is_none() {
                out.required(format!("{at}.backend"), "cannot set both resource and service backends");
            } else if path.pointer("/backend/service").is_some() {
                if text(path, "/backend/service/name").is_empty() {
                    out.required(format!("{at}.backend.service.name"), "");
                }
                if path.pointer("/backend/service/port").and_then(Value::as_object).is_none_or(Map::is_empty) {
                    out.required(format!("{at}.backend.service.port"), "port name or number is required");
                }
            }
        }
    }
}

fn rules(object: &Value, out: &mut Findings) {
    for (i, rule) in list(object, "/rules").iter().enumerate() {
        if list(rule, "/verbs").is_empty() {
            out.required(format!("rules[{i}].verbs"), "verbs must contain at least one value");
        }
        if list(rule, "/nonResourceURLs").is_empty() {
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
    if text(object, "/roleRef/name").is_empty() {
        out.required("roleRef.name", "");
    }
    for (i, subject) in list(object, "/subjects").iter().enumerate() {
        if text(subject, "/name").is_empty() {
            out.required(format!("subjects[{i}].name"), "");
        }
        match text(subject, "/kind") {
            "ServiceAccount" if text(subject, "/namespace").is_empty() => {
                out.required(format!("subjects[{i}].namespace"), "");
            }
            "ServiceAccount" | "User" | "Group" => {}
            other => out.unsupported(format!("subjects[{i}].kind"), other, &["ServiceAccount", "User", "Group"]),
        }
    }
}

fn network_policy(object: &Value, out: &mut Findings) {
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (i, rule) in list(object, &format!("/spec/{direction}")).iter().enumerate() {
            for (j, peer) in list(rule, &format!("/{peers}")).iter().enumerate() {
                if peer.as_object().is_none_or(Map::is_empty) {
                    out.required(format!("spec.{direction}[{i}].{peers}[{j}]"), "must specify a peer");
                } else if peer.get("ipBlock").is_some() && peer.as_object().is_some_and(|p| p.len() > 1) {
                    let why = "may not specify both ipBlock and another peer";
                    out.forbidden(format!("spec.{direction}[{i}].{peers}[{j}]"), why);
                }
            }
            for (j, port) in list(rule, "/ports").iter().enumerate() {
                protocol(port, &format!("spec.{direction}[{i}].ports[{j}]"), out);
            }
        }
    }
}
