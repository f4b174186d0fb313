//! What the API server fills in when an object is decoded (`SetDefaults_*` and conversions of Kubernetes 1.36), kind by kind.
//!
//! Values that depend on anything but the object (addresses, ports, protection finalizers) are set on storing, in [`super::admission`].

use base64::Engine as _;
use serde_json::{Map, Value, json};

use super::store::map_at;
use kompox_rules::quantity;

type Object = Map<String, Value>;

fn default(object: &mut Object, field: &str, value: impl Into<Value>) {
    if !object.contains_key(field) {
        object.insert(field.to_owned(), value.into());
    }
}

fn object<'v>(parent: &'v mut Object, field: &str) -> Option<&'v mut Object> {
    parent.get_mut(field).and_then(Value::as_object_mut)
}

fn items<'v>(parent: &'v mut Object, field: &str) -> impl Iterator<Item = &'v mut Object> {
    let list = parent.get_mut(field).and_then(Value::as_array_mut).map_or(&mut [][..], Vec::as_mut_slice);
    list.iter_mut().filter_map(Value::as_object_mut)
}

fn is(object: &Object, field: &str, value: &str) -> bool {
    object.get(field).and_then(Value::as_str) == Some(value)
}

/// Fills in what an object of `kind` leaves open, and writes its quantities in canonical form.
pub fn apply(kind: &str, value: &mut Value) {
    let Some(root) = value.as_object_mut() else { return };
    match kind {
        "Deployment" => deployment(root),
        "Job" => job(root),
        "ReplicaSet" => {
            if let Some(spec) = object(root, "spec") {
                default(spec, "replicas", 1);
                template(spec);
            }
        }
        "Pod" => {
            if let Some(spec) = object(root, "spec") {
                default(spec, "enableServiceLinks", true);
                pod_spec(spec);
                for container in items(spec, "containers") {
                    requests_from_limits(container);
                }
                for container in items(spec, "initContainers") {
                    requests_from_limits(container);
                }
            }
        }
        "Service" => service(root),
        "PersistentVolumeClaim" => {
            let spec = map_at_field(root, "spec");
            default(spec, "volumeMode", "Filesystem");
            if let Some(resources) = object(spec, "resources") {
                resource_lists(resources);
            }
            default(map_at_field(root, "status"), "phase", "Pending");
        }
        "PersistentVolume" => {
            let spec = map_at_field(root, "spec");
            default(spec, "persistentVolumeReclaimPolicy", "Retain");
            default(spec, "volumeMode", "Filesystem");
            quantities(spec, "capacity");
            default(map_at_field(root, "status"), "phase", "Pending");
        }
        "Secret" => {
            secret(root);
            without_empty(root, &["data"]);
        }
        "ConfigMap" => without_empty(root, &["data", "binaryData"]),
        "Namespace" => namespace(root),
        "NetworkPolicy" => network_policy(root),
        "ClusterRoleBinding" | "RoleBinding" => role_binding(root),
        "StorageClass" => {
            default(root, "reclaimPolicy", "Delete");
            default(root, "volumeBindingMode", "Immediate");
        }
        "IngressClass" => {
            if let Some(spec) = object(root, "spec")
                && let Some(parameters) = object(spec, "parameters")
            {
                default(parameters, "scope", "Cluster");
            }
        }
        "ResourceQuota" => {
            if let Some(spec) = object(root, "spec") {
                quantities(spec, "hard");
            }
        }
        "LimitRange" => {
            if let Some(spec) = object(root, "spec") {
                for item in items(spec, "limits") {
                    limit_range_item(item);
                }
            }
        }
        "Ingress" => {
            default(map_at_field(root, "status"), "loadBalancer", json!({}));
        }
        _ => {}
    }
}

fn map_at_field<'v>(root: &'v mut Object, field: &str) -> &'v mut Object {
    map_at(root.entry(field.to_owned()).or_insert(Value::Null), &[])
}

/// `SetDefaults_LimitRangeItem`: what is missing comes from the next stricter part.
fn limit_range_item(item: &mut Object) {
    for part in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
        quantities(item, part);
    }
    if !is(item, "type", "Container") {
        return;
    }
    for (part, from) in [("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")] {
        let Some(amounts) = item.get(from).and_then(Value::as_object).cloned() else { continue };
        let part = map_at_field(item, part);
        for (resource, amount) in amounts {
            default(part, &resource, amount);
        }
    }
}

fn deployment(root: &mut Object) {
    let Some(spec) = object(root, "spec") else { return };
    default(spec, "replicas", 1);
    default(spec, "revisionHistoryLimit", 10);
    default(spec, "progressDeadlineSeconds", 600);
    let strategy = map_at_field(spec, "strategy");
    default(strategy, "type", "RollingUpdate");
    if is(strategy, "type", "RollingUpdate") {
        let rolling = map_at_field(strategy, "rollingUpdate");
        default(rolling, "maxSurge", "25%");
        default(rolling, "maxUnavailable", "25%");
    }
    template(spec);
}

/// `SetDefaults_Job`.
fn job(root: &mut Object) {
    let Some(spec) = object(root, "spec") else { return };
    if !spec.contains_key("completions") && !spec.contains_key("parallelism") {
        default(spec, "completions", 1);
    }
    default(spec, "parallelism", 1);
    default(spec, "backoffLimit", 6);
    default(spec, "completionMode", "NonIndexed");
    default(spec, "suspend", false);
    default(spec, "manualSelector", false);
    default(spec, "podReplacementPolicy", "TerminatingOrFailed");
    template(spec);
    // A Pod of a template without a policy would be restarted for ever: there is no default that a Job may have.
}

fn template(spec: &mut Object) {
    if let Some(template) = object(spec, "template") {
        default(template, "metadata", json!({}));
        if let Some(pod) = object(template, "spec") {
            pod_spec(pod);
        }
    }
}

fn pod_spec(spec: &mut Object) {
    default(spec, "dnsPolicy", "ClusterFirst");
    default(spec, "restartPolicy", "Always");
    default(spec, "schedulerName", "default-scheduler");
    default(spec, "securityContext", json!({}));
    default(spec, "terminationGracePeriodSeconds", 30);
    // The deprecated name of the field mirrors it.
    if let Some(account) = spec.get("serviceAccountName").cloned() {
        spec.insert("serviceAccount".into(), account);
    } else if let Some(account) = spec.get("serviceAccount").cloned() {
        spec.insert("serviceAccountName".into(), account);
    }
    let host_network = spec.get("hostNetwork").and_then(Value::as_bool) == Some(true);
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for one in items(spec, list) {
            container(one, host_network);
        }
    }
    items(spec, "volumes").for_each(volume);
    quantities(spec, "overhead");
}

fn container(container: &mut Object, host_network: bool) {
    if let Some(image) = container.get("image").and_then(Value::as_str) {
        let policy = if tag_of(image) == "latest" { "Always" } else { "IfNotPresent" };
        default(container, "imagePullPolicy", policy);
    }
    default(container, "resources", json!({}));
    default(container, "terminationMessagePath", "/dev/termination-log");
    default(container, "terminationMessagePolicy", "File");
    if let Some(resources) = object(container, "resources") {
        resource_lists(resources);
    }
    for port in items(container, "ports") {
        default(port, "protocol", "TCP");
        if host_network && let Some(number) = port.get("containerPort").cloned() {
            default(port, "hostPort", number);
        }
    }
    for env in items(container, "env") {
        // The API server writes no empty value (`omitempty`).
        if env.get("value").is_some_and(|value| value == "") {
            env.remove("value");
        }
        if let Some(from) = object(env, "valueFrom")
            && let Some(field) = object(from, "fieldRef")
        {
            default(field, "apiVersion", "v1");
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = object(container, name) {
            default(probe, "timeoutSeconds", 1);
            default(probe, "periodSeconds", 10);
            default(probe, "successThreshold", 1);
            default(probe, "failureThreshold", 3);
            handler(probe);
        }
    }
    if let Some(lifecycle) = object(container, "lifecycle") {
        for name in ["postStart", "preStop"] {
            if let Some(hook) = object(lifecycle, name) {
                handler(hook);
            }
        }
    }
}

fn handler(handler: &mut Object) {
    if let Some(get) = object(handler, "httpGet") {
        default(get, "path", "/");
        default(get, "scheme", "HTTP");
    }
    if let Some(grpc) = object(handler, "grpc") {
        default(grpc, "service", "");
    }
}

/// The tag of an image reference: `latest` when it has neither tag nor digest, empty when it has only a digest.
fn tag_of(image: &str) -> &str {
    let (name, digest) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.split_once(':') {
        Some((_, tag)) => tag,
        None if digest => "",
        None => "latest",
    }
}

const VOLUME_COMMON: &str = "name";

fn volume(volume: &mut Object) {
    if !volume.keys().any(|field| field != VOLUME_COMMON) {
        volume.insert("emptyDir".into(), json!({}));
    }
    for source in ["configMap", "secret", "downwardAPI", "projected"] {
        if let Some(source) = object(volume, source) {
            default(source, "defaultMode", 420);
        }
    }
    if let Some(path) = object(volume, "hostPath") {
        default(path, "type", "");
    }
    if let Some(downward) = object(volume, "downwardAPI") {
        downward_items(downward);
    }
    if let Some(projected) = object(volume, "projected") {
        for source in items(projected, "sources") {
            if let Some(token) = object(source, "serviceAccountToken") {
                default(token, "expirationSeconds", 3607);
            }
            if let Some(downward) = object(source, "downwardAPI") {
                downward_items(downward);
            }
        }
    }
    if let Some(empty) = object(volume, "emptyDir")
        && let Some(limit) = empty.get_mut("sizeLimit")
    {
        canonical(limit);
    }
}

fn downward_items(downward: &mut Object) {
    for item in items(downward, "items") {
        if let Some(field) = object(item, "fieldRef") {
            default(field, "apiVersion", "v1");
        }
    }
}

fn resource_lists(resources: &mut Object) {
    quantities(resources, "limits");
    quantities(resources, "requests");
}

fn requests_from_limits(container: &mut Object) {
    let Some(resources) = object(container, "resources") else { return };
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else { return };
    let requests = map_at_field(resources, "requests");
    for (name, limit) in limits {
        default(requests, &name, limit);
    }
}

fn quantities(parent: &mut Object, field: &str) {
    if let Some(map) = object(parent, field) {
        map.values_mut().for_each(canonical);
    }
}

fn canonical(value: &mut Value) {
    let text = match &*value {
        Value::String(text) => quantity::canonical(text),
        Value::Number(number) => quantity::canonical(&number.to_string()),
        _ => None,
    };
    if let Some(text) = text {
        *value = text.into();
    }
}

fn service(root: &mut Object) {
    let Some(spec) = object(root, "spec") else { return };
    default(spec, "sessionAffinity", "None");
    default(spec, "type", "ClusterIP");
    if is(spec, "sessionAffinity", "ClientIP") {
        default(spec, "sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": 10800}}));
    }
    for port in items(spec, "ports") {
        default(port, "protocol", "TCP");
        if let Some(number) = port.get("port").cloned() {
            default(port, "targetPort", number);
        }
    }
    if !is(spec, "type", "ExternalName") {
        default(spec, "internalTrafficPolicy", "Cluster");
    }
    if is(spec, "type", "NodePort") || is(spec, "type", "LoadBalancer") {
        default(spec, "externalTrafficPolicy", "Cluster");
    }
    if is(spec, "type", "LoadBalancer") {
        default(spec, "allocateLoadBalancerNodePorts", true);
    }
    default(map_at_field(root, "status"), "loadBalancer", json!({}));
}

fn secret(root: &mut Object) {
    default(root, "type", "Opaque");
    if let Some(Value::Object(plain)) = root.remove("stringData") {
        let data = map_at_field(root, "data");
        for (key, value) in plain {
            let encoded = base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
            data.insert(key, encoded.into());
        }
    }
}

/// Maps that the types of Kubernetes leave out when they are empty (`omitempty`).
fn without_empty(root: &mut Object, fields: &[&str]) {
    root.retain(|name, value| !fields.contains(&name.as_str()) || value.as_object().is_none_or(|map| !map.is_empty()));
}

fn namespace(root: &mut Object) {
    if let Some(metadata) = object(root, "metadata")
        && let Some(name) = metadata.get("name").cloned()
    {
        map_at_field(metadata, "labels").insert("kubernetes.io/metadata.name".into(), name);
    }
    default(map_at_field(root, "spec"), "finalizers", json!(["kubernetes"]));
    default(map_at_field(root, "status"), "phase", "Active");
}

fn network_policy(root: &mut Object) {
    let spec = map_at_field(root, "spec");
    default(spec, "podSelector", json!({}));
    let has_egress = spec.contains_key("egress");
    default(spec, "policyTypes", if has_egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) });
    for direction in ["ingress", "egress"] {
        for rule in items(spec, direction) {
            for port in items(rule, "ports") {
                default(port, "protocol", "TCP");
            }
        }
    }
}

fn role_binding(root: &mut Object) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    if let Some(role) = object(root, "roleRef") {
        default(role, "apiGroup", GROUP);
    }
    for subject in items(root, "subjects") {
        if is(subject, "kind", "User") || is(subject, "kind", "Group") {
            default(subject, "apiGroup", GROUP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_is_filled_in_as_the_api_server_does() {
        let mut object = json!({"spec": {
            "strategy": {"type": "Recreate"},
            "template": {"spec": {
                "serviceAccountName": "web",
                "containers": [{
                    "name": "a", "image": "nginx", "ports": [{"containerPort": 80}],
                    "resources": {"limits": {"cpu": "0.5", "memory": "1024Mi"}},
                    "livenessProbe": {"httpGet": {"port": 80}},
                }],
                "volumes": [{"name": "c", "configMap": {"name": "x"}}, {"name": "tmp"}],
            }},
        }});
        apply("Deployment", &mut object);
        let expected = json!({"spec": {
            "replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, "strategy": {"type": "Recreate"},
            "template": {"metadata": {}, "spec": {
                "serviceAccountName": "web", "serviceAccount": "web", "dnsPolicy": "ClusterFirst", "restartPolicy": "Always",
                "schedulerName": "default-scheduler", "securityContext": {}, "terminationGracePeriodSeconds": 30,
                "containers": [{
                    "name": "a", "image": "nginx", "imagePullPolicy": "Always",
                    "ports": [{"containerPort": 80, "protocol": "TCP"}],
                    "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}},
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                    "livenessProbe": {"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
                        "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
                }],
                "volumes": [{"name": "c", "configMap": {"name": "x", "defaultMode": 420}}, {"name": "tmp", "emptyDir": {}}],
            }},
        }});
        assert_eq!(object, expected);
        let mut again = object.clone();
        apply("Deployment", &mut again);
        assert_eq!(again, object);
    }

    #[test]
    fn pull_policy_follows_the_tag() {
        for (image, tag) in [
            ("nginx", "latest"),
            ("nginx:1.27", "1.27"),
            ("localhost:5000/a/b", "latest"),
            ("r.io/x@sha256:0a", ""),
            ("r.io:443/x:2@sha256:0a", "2"),
        ] {
            assert_eq!(tag_of(image), tag, "{image}");
        }
    }

    #[test]
    fn a_limit_range_completes_itself() {
        let mut object = json!({"spec": {"limits": [
            {"type": "Container", "max": {"cpu": "2.0"}, "min": {"cpu": "0.1", "memory": "1024Ki"}},
            {"type": "Pod", "max": {"cpu": "4"}},
        ]}});
        apply("LimitRange", &mut object);
        let expected = json!({"spec": {"limits": [
            {
                "type": "Container",
                "max": {"cpu": "2"},
                "min": {"cpu": "100m", "memory": "1Mi"},
                "default": {"cpu": "2"},
                "defaultRequest": {"cpu": "2", "memory": "1Mi"},
            },
            {"type": "Pod", "max": {"cpu": "4"}},
        ]}});
        assert_eq!(object, expected);
    }

    #[test]
    fn string_data_is_folded_into_data() {
        let mut object = json!({"stringData": {"a": "b"}, "data": {"c": "ZA=="}});
        apply("Secret", &mut object);
        assert_eq!(object, json!({"type": "Opaque", "data": {"a": "Yg==", "c": "ZA=="}}));
        let mut empty = json!({"type": "Opaque", "data": {}});
        apply("Secret", &mut empty);
        assert_eq!(empty, json!({"type": "Opaque"}));
    }
}
