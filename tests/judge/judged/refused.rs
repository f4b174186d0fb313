//! Objects that nobody may take: the API server refuses each, and so does the sandbox. A sandbox that
//! is laxer would let a plan through that a cluster stops half-way.

use serde_json::{Value, json};

use super::{later, say};
use crate::plane::{Outcome, Plane};

const NAMESPACE: &str = "refused";

/// A valid object of each kind that kompox makes.
fn valid(kind: &str) -> Value {
    let labels = json!({"app": "a"});
    let (version, rest) = match kind {
        "Namespace" => ("v1", json!({})),
        "Deployment" => (
            "apps/v1",
            json!({"spec": {
                "replicas": 1,
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {
                    "containers": [{
                        "name": "web", "image": "nginx:1",
                        "env": [{"name": "A", "value": "1"}],
                        "envFrom": [{"secretRef": {"name": "base", "optional": true}}],
                        "ports": [{"containerPort": 80}],
                        "volumeMounts": [{"name": "data", "mountPath": "/data", "subPath": "a/b"}],
                        "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "1"}},
                        "livenessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 5},
                        "startupProbe": {"exec": {"command": ["true"]}},
                        "securityContext": {"runAsUser": 1000, "capabilities": {"add": ["NET_ADMIN"]}},
                    }],
                    "initContainers": [{"name": "init", "image": "busybox:1", "command": ["true"]}],
                    "volumes": [{"name": "data", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}],
                    "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["db.example.org"]}],
                    "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["example.org"], "options": [{"name": "ndots"}]},
                    "securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1024"}]},
                    "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}],
                    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [{"matchExpressions": [{"key": "z", "operator": "In", "values": ["1"]}]}],
                    }}},
                }},
            }}),
        ),
        "Job" => (
            "batch/v1",
            json!({"spec": {
                "backoffLimit": 6,
                "podReplacementPolicy": "Failed",
                "template": {"metadata": {"labels": labels}, "spec": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "web", "image": "nginx:1", "env": [{"name": "A", "value": "1"}]}],
                }},
            }}),
        ),
        "Service" => (
            "v1",
            json!({"spec": {
                "selector": labels,
                "ports": [{"name": "p80", "port": 80, "targetPort": 8080}, {"name": "p81", "port": 81, "protocol": "UDP"}],
            }}),
        ),
        "ConfigMap" => ("v1", json!({"data": {"app.ini": "x"}})),
        "Secret" => ("v1", json!({"type": "Opaque", "data": {"KEY": "eA=="}})),
        "ServiceAccount" => ("v1", json!({})),
        "PersistentVolume" => (
            "v1",
            json!({"spec": {
                "accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": "10Gi"},
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": "managed-csi",
                "volumeMode": "Filesystem",
                "csi": {"driver": "disk.csi.azure.com", "volumeHandle": "/d", "volumeAttributes": {"fsType": "ext4"}},
            }}),
        ),
        "PersistentVolumeClaim" => (
            "v1",
            json!({"spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "10Gi"}},
                "storageClassName": "managed-csi",
                "volumeName": "pv",
            }}),
        ),
        "Ingress" => (
            "networking.k8s.io/v1",
            json!({"spec": {"ingressClassName": "traefik", "rules": [{"host": "a.example.org", "http": {"paths": [
                {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}},
            ]}}]}}),
        ),
        "NetworkPolicy" => (
            "networking.k8s.io/v1",
            json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [
                {"from": [{"namespaceSelector": {"matchLabels": labels}}], "ports": [{"protocol": "TCP", "port": 9090}]},
            ]}}),
        ),
        "Role" => (
            "rbac.authorization.k8s.io/v1",
            json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
        ),
        "RoleBinding" => (
            "rbac.authorization.k8s.io/v1",
            json!({
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"},
                "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": NAMESPACE}],
            }),
        ),
        "ResourceQuota" => ("v1", json!({"spec": {"hard": {"requests.cpu": "2", "pods": "10"}}})),
        "LimitRange" => (
            "v1",
            json!({"spec": {"limits": [{
                "type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "100m"}, "max": {"cpu": "2"},
            }]}}),
        ),
        "IngressClass" => ("networking.k8s.io/v1", json!({"spec": {"controller": "traefik.io/ingress-controller"}})),
        other => panic!("no valid {other}"),
    };
    let mut object = rest;
    object["apiVersion"] = version.into();
    object["kind"] = kind.into();
    object["metadata"] = json!({"name": "valid", "labels": labels});
    if !["Namespace", "PersistentVolume", "IngressClass"].contains(&kind) {
        object["metadata"]["namespace"] = NAMESPACE.into();
    }
    object
}

const KINDS: &[&str] = &[
    "Namespace",
    "Deployment",
    "Job",
    "Service",
    "ConfigMap",
    "Secret",
    "ServiceAccount",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Ingress",
    "NetworkPolicy",
    "Role",
    "RoleBinding",
    "ResourceQuota",
    "LimitRange",
    "IngressClass",
];

/// A place in the Pod template's first container.
const C: &str = "/spec/template/spec/containers/0";
/// The Pod template's specification.
const P: &str = "/spec/template/spec";

/// What is wrong with a new object: its kind, the place, and the value put there (null removes).
fn wrong() -> Vec<(&'static str, String, Value)> {
    let long = "a".repeat(64);
    let mut cases: Vec<(&'static str, String, Value)> = Vec::new();
    for kind in KINDS {
        for name in ["Upper", "under_score", "-dash", "dash-", "a..b"] {
            // Names of roles may be nearly anything.
            if !(kind.starts_with("Role") && ["Upper", "under_score", "-dash", "dash-", "a..b"].contains(&name)) {
                cases.push((kind, "/metadata/name".into(), name.into()));
            }
        }
        cases.push((kind, "/metadata/labels".into(), json!({"a b": "x"})));
        cases.push((kind, "/metadata/labels".into(), json!({"a": "x y"})));
        cases.push((kind, "/metadata/labels".into(), json!({"a": long})));
        cases.push((kind, "/metadata/labels".into(), json!({"a": 1})));
        cases.push((kind, "/metadata/labels".into(), json!({"/a": "x"})));
        cases.push((kind, "/metadata/annotations".into(), json!({"a b": "x"})));
        cases.push((kind, "/metadata/annotations".into(), json!({"a": true})));
        cases.push((kind, "/metadata/surname".into(), "x".into()));
        cases.push((kind, "/unknown".into(), "x".into()));
        cases.push((kind, "/metadata/finalizers".into(), json!(["no"])));
    }
    let mut add = |kind: &'static str, place: &str, values: &[Value]| {
        cases.extend(values.iter().map(|value| (kind, place.to_owned(), value.clone())));
    };
    add("Namespace", "/metadata/name", &[long.clone().into(), "a.b".into()]);
    add("Service", "/metadata/name", &[long.clone().into(), "a.b".into()]);
    add("Job", "/spec/backoffLimit", &[json!(-1), json!("1"), json!(1.5)]);
    add("Job", "/spec/podReplacementPolicy", &[json!("Now")]);
    add("Job", "/spec/template", &[Value::Null, json!({})]);
    add("Job", "/spec/template/spec/restartPolicy", &[Value::Null, json!("Always"), json!("Sometimes")]);
    add("Job", "/spec/template/spec/containers", &[json!([])]);

    add("Deployment", "/spec/replicas", &[json!(-1), json!("1"), json!(1.5)]);
    add("Deployment", "/spec/selector", &[Value::Null, json!({}), json!({"matchLabels": {"app": "b"}})]);
    add("Deployment", "/spec/selector", &[json!({"matchLabels": {"app": "a b"}})]);
    add("Deployment", "/spec/selector/matchExpressions", &[json!([{"key": "app", "operator": "Is", "values": ["a"]}])]);
    add("Deployment", "/spec/template", &[Value::Null, json!({})]);
    add("Deployment", "/spec/template/metadata/labels", &[Value::Null, json!({"app": "a", "b": "-"})]);
    add("Deployment", "/spec/template/metadata/annotations", &[json!({"a b": "x"})]);
    add("Deployment", "/spec/strategy", &[json!({"type": "Replace"})]);
    add("Deployment", "/spec/strategy", &[json!({"type": "Recreate", "rollingUpdate": {"maxSurge": 1}})]);
    add("Deployment", "/spec/strategy", &[json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "1"}})]);
    add("Deployment", "/spec/minReadySeconds", &[json!(-1)]);
    add("Deployment", "/spec/revisionHistoryLimit", &[json!(-1)]);
    add("Deployment", "/spec/progressDeadlineSeconds", &[json!(0), json!(-1)]);

    let pod: &[(&str, &[Value])] = &[
        ("containers", &[Value::Null, json!([]), json!([{"name": "a"}]), json!([{"image": "a"}])]),
        ("containers", &[json!([{"name": "a", "image": "x"}, {"name": "a", "image": "x"}])]),
        ("initContainers", &[json!([{"name": "web", "image": "x"}])]),
        ("initContainers", &[json!([{"name": "i", "image": "x", "livenessProbe": {"exec": {"command": ["true"]}}}])]),
        ("initContainers", &[json!([{"name": "i", "image": "x", "restartPolicy": "Never2"}])]),
        ("volumes", &[Value::Null, json!([{"name": "Data"}]), json!([{"emptyDir": {}}])]),
        ("volumes", &[json!([{"name": "data", "emptyDir": {}}, {"name": "data", "emptyDir": {}}])]),
        ("volumes", &[json!([{"name": "data", "emptyDir": {}, "configMap": {"name": "a"}}])]),
        ("volumes", &[json!([{"name": "data", "emptyDir": {"sizeLimit": "-1"}}])]),
        ("volumes", &[json!([{"name": "data", "emptyDir": {"sizeLimit": "1 Gi"}}])]),
        ("volumes", &[json!([{"name": "data", "persistentVolumeClaim": {}}])]),
        ("volumes", &[json!([{"name": "data", "configMap": {"name": "a", "defaultMode": 512}}])]),
        ("volumes", &[json!([{"name": "data", "configMap": {"name": "a", "items": [{"key": "a", "path": "/a"}]}}])]),
        ("volumes", &[json!([{"name": "data", "configMap": {"name": "a", "items": [{"key": "a", "path": "../a"}]}}])]),
        ("volumes", &[json!([{"name": "data", "configMap": {"name": "a", "items": [{"key": "", "path": "a"}]}}])]),
        (
            "volumes",
            &[json!([{"name": "data", "configMap": {"name": "a", "items": [{"key": "a", "path": "a", "mode": 512}]}}])],
        ),
        ("volumes", &[json!([{"name": "data", "secret": {"secretName": "a", "defaultMode": -1}}])]),
        ("volumes", &[json!([{"name": "data", "secret": {}}]), json!([{"name": "data", "configMap": {}}])]),
        (
            "hostAliases",
            &[json!([{"ip": "nowhere", "hostnames": ["a"]}]), json!([{"ip": "10.0.0.1", "hostnames": ["a_b"]}])],
        ),
        ("hostAliases", &[json!([{"hostnames": ["a"]}])]),
        ("dnsConfig/nameservers", &[json!(["here"]), json!(["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"])]),
        ("dnsConfig/searches", &[json!(["a b"])]),
        ("dnsConfig/options", &[json!([{"value": "1"}])]),
        ("dnsPolicy", &[json!("Mine")]),
        ("securityContext/sysctls", &[json!([{"name": "a b", "value": "1"}]), json!([{"name": "", "value": "1"}])]),
        (
            "securityContext/sysctls",
            &[
                json!([{"name": "kernel.shm_rmid_forced", "value": "1"}, {"name": "kernel.shm_rmid_forced", "value": "0"}]),
            ],
        ),
        ("securityContext/fsGroup", &[json!(-1)]),
        ("securityContext/runAsUser", &[json!(-1)]),
        ("securityContext/supplementalGroups", &[json!([-1])]),
        ("restartPolicy", &[json!("Never"), json!("Sometimes")]),
        ("terminationGracePeriodSeconds", &[json!("10s")]),
        ("activeDeadlineSeconds", &[json!(5)]),
        ("nodeSelector", &[json!({"a b": "x"}), json!({"a": "x y"})]),
        ("tolerations", &[json!([{"key": "a", "operator": "Exists", "value": "b"}]), json!([{"key": "a b"}])]),
        ("tolerations", &[json!([{"operator": "Equal", "value": "b"}]), json!([{"key": "a", "effect": "Never"}])]),
        ("affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution", &[json!({"nodeSelectorTerms": []})]),
        (
            "affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchExpressions",
            &[
                json!([{"key": "z", "operator": "In", "values": []}]),
                json!([{"key": "z", "operator": "Exists", "values": ["1"]}]),
                json!([{"key": "z z", "operator": "In", "values": ["1"]}]),
                json!([{"key": "z", "operator": "Is", "values": ["1"]}]),
            ],
        ),
        ("hostname", &[json!("Upper"), json!("a.b")]),
        ("serviceAccountName", &[json!("Upper")]),
        ("shareProcessNamespace", &[json!("yes")]),
        ("hostNetwork", &[json!("true")]),
        ("imagePullSecrets", &[json!([{"nam": "a"}])]),
        ("unknown", &[json!(1)]),
    ];
    for (place, values) in pod {
        add("Deployment", &format!("{P}/{place}"), values);
    }
    let container: &[(&str, &[Value])] = &[
        ("name", &[json!("Web"), json!("web_1"), json!(long.clone()), Value::Null]),
        ("image", &[Value::Null, json!("")]),
        ("imagePullPolicy", &[json!("Sometimes")]),
        ("command", &[json!("sleep"), json!([1])]),
        ("env", &[json!([{"name": ""}]), json!([{"name": "A=B"}]), json!([{"name": "A", "value": 1}])]),
        ("env", &[json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}])]),
        ("env", &[json!([{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}])]),
        ("env", &[json!([{"name": "A", "valueFrom": {}}])]),
        (
            "envFrom",
            &[
                json!([{}]),
                json!([{"secretRef": {"name": "Upper"}}]),
                json!([{"prefix": "=", "secretRef": {"name": "a"}}]),
            ],
        ),
        (
            "ports",
            &[json!([{"containerPort": 0}]), json!([{"containerPort": 65536}]), json!([{"containerPort": "80"}])],
        ),
        (
            "ports",
            &[json!([{"containerPort": 80, "protocol": "tcp"}]), json!([{"containerPort": 80, "name": "UPPER"}])],
        ),
        ("ports", &[json!([{"containerPort": 80}, {"containerPort": 80}])]),
        ("ports", &[json!([{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}])]),
        (
            "ports",
            &[json!([{"containerPort": 80, "name": "sixteen-letters-"}]), json!([{"containerPort": 80, "name": "80"}])],
        ),
        ("ports", &[json!([{"containerPort": 80, "hostPort": 65536}])]),
        ("ports", &[json!([{"containerPort": 80, "name": "a--b"}])]),
        ("volumeMounts", &[json!([{"name": "none", "mountPath": "/a"}]), json!([{"name": "data"}])]),
        ("volumeMounts", &[json!([{"name": "data", "mountPath": "/a"}, {"name": "data", "mountPath": "/a"}])]),
        ("volumeMounts", &[json!([{"name": "data", "mountPath": "/a", "subPath": "/b"}])]),
        ("volumeMounts", &[json!([{"name": "data", "mountPath": "/a", "subPath": "../b"}])]),
        ("volumeMounts", &[json!([{"name": "data", "mountPath": ""}])]),
        ("resources", &[json!({"requests": {"cpu": "lots"}}), json!({"limits": {"memory": "1GB"}})]),
        ("resources", &[json!({"requests": {"cpu": "-1"}}), json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1"}})]),
        (
            "resources",
            &[
                json!({"limits": {"gold": "1"}}),
                json!({"limits": {"cpu": "0.1m", "memory": "1.5"}, "requests": {"a b": "1"}}),
            ],
        ),
        ("resources", &[json!({"limits": {"example.org/gpu": "1.5"}}), json!({"requests": {"example.org/gpu": "1"}})]),
        (
            "livenessProbe",
            &[json!({}), json!({"exec": {"command": []}}), json!({"exec": {"command": ["a"]}, "periodSeconds": -1})],
        ),
        ("livenessProbe", &[json!({"exec": {"command": ["a"]}, "successThreshold": 2})]),
        ("livenessProbe", &[json!({"exec": {"command": ["a"]}, "timeoutSeconds": -1})]),
        ("livenessProbe", &[json!({"exec": {"command": ["a"]}, "failureThreshold": -1})]),
        ("livenessProbe", &[json!({"exec": {"command": ["a"]}, "initialDelaySeconds": -1})]),
        ("livenessProbe", &[json!({"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}})]),
        ("livenessProbe", &[json!({"tcpSocket": {"port": 0}}), json!({"httpGet": {"port": 80, "scheme": "FTP"}})]),
        ("startupProbe", &[json!({"exec": {"command": ["a"]}, "successThreshold": 3})]),
        (
            "securityContext",
            &[json!({"runAsUser": -1}), json!({"privileged": true, "allowPrivilegeEscalation": false})],
        ),
        ("securityContext", &[json!({"procMount": "Some"})]),
        (
            "securityContext",
            &[json!({"seccompProfile": {"type": "Mine"}}), json!({"seccompProfile": {"type": "Localhost"}})],
        ),
        ("securityContext", &[json!({"appArmorProfile": {"type": "Mine"}})]),
        ("stdin", &[json!("yes")]),
        ("workingDir", &[json!(1)]),
        ("terminationMessagePolicy", &[json!("Mine")]),
        ("lifecycle", &[json!({"preStop": {}}), json!({"preStop": {"exec": {"command": []}}})]),
    ];
    for (place, values) in container {
        add("Deployment", &format!("{C}/{place}"), values);
    }

    add("Service", "/spec/ports", &[Value::Null, json!([]), json!([{"port": 0}]), json!([{"port": 65536}])]);
    add("Service", "/spec/ports", &[json!([{"port": 80}, {"port": 81}]), json!([{"port": 80, "protocol": "tcp"}])]);
    add("Service", "/spec/ports", &[json!([{"name": "a", "port": 80}, {"name": "a", "port": 81}])]);
    add("Service", "/spec/ports", &[json!([{"name": "a", "port": 80}, {"name": "b", "port": 80}])]);
    add("Service", "/spec/ports", &[json!([{"name": "A", "port": 80}])]);
    add("Service", "/spec/ports", &[json!([{"port": 80, "targetPort": "way-too-long-name"}])]);
    add(
        "Service",
        "/spec/ports",
        &[json!([{"port": 80, "targetPort": "UPPER"}]), json!([{"port": 80, "nodePort": 80}])],
    );
    add("Service", "/spec/type", &[json!("Cluster"), json!("ExternalName")]);
    add("Service", "/spec/selector", &[json!({"a b": "x"}), json!({"a": "x y"})]);
    add("Service", "/spec/clusterIP", &[json!("nowhere"), json!("192.168.0.1")]);
    add("Service", "/spec/sessionAffinity", &[json!("Some")]);
    add("Service", "/spec/externalTrafficPolicy", &[json!("Local")]);
    add("Service", "/spec/ipFamilies", &[json!(["IPv5"])]);

    add(
        "ConfigMap",
        "/data",
        &[json!({"a/b": "x"}), json!({"": "x"}), json!({"a": 1}), json!({"..": "x"}), json!({"..a": "x"})],
    );
    add("ConfigMap", "/data", &[json!({"a".repeat(254): "x"}), json!({"a": "x".repeat((1 << 20) + 1)})]);
    add("ConfigMap", "/binaryData", &[json!({"a": "not base64"}), json!({"app.ini": "eA=="})]);
    add("Secret", "/data", &[json!({"a/b": "eA=="}), json!({"a": "not base64"}), json!({"a": "eA"})]);
    add(
        "Secret",
        "/type",
        &[json!("kubernetes.io/dockerconfigjson"), json!("kubernetes.io/tls"), json!("kubernetes.io/basic-auth")],
    );
    add(
        "Secret",
        "",
        &[json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pull", "namespace": NAMESPACE},
            "type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "eA=="},
        })],
    );

    add("PersistentVolume", "/spec/accessModes", &[Value::Null, json!([]), json!(["Some"])]);
    add("PersistentVolume", "/spec/accessModes", &[json!(["ReadWriteOncePod", "ReadWriteOnce"])]);
    add(
        "PersistentVolume",
        "/spec/capacity",
        &[Value::Null, json!({}), json!({"storage": "0"}), json!({"storage": "-1Gi"})],
    );
    add(
        "PersistentVolume",
        "/spec/capacity",
        &[json!({"storage": "10GB"}), json!({"cpu": "1"}), json!({"storage": "1Gi", "cpu": "1"})],
    );
    add("PersistentVolume", "/spec/csi", &[Value::Null, json!({"driver": "d"}), json!({"volumeHandle": "h"})]);
    add("PersistentVolume", "/spec/csi", &[json!({"driver": "d d", "volumeHandle": "h"})]);
    add("PersistentVolume", "/spec/nfs", &[json!({"server": "s", "path": "/"})]);
    add("PersistentVolume", "/spec/persistentVolumeReclaimPolicy", &[json!("Keep")]);
    add("PersistentVolume", "/spec/volumeMode", &[json!("Some")]);
    add("PersistentVolume", "/spec/storageClassName", &[json!("Upper")]);
    add("PersistentVolume", "/spec/nodeAffinity", &[json!({})]);

    add("PersistentVolumeClaim", "/spec/accessModes", &[Value::Null, json!([]), json!(["Some"])]);
    add("PersistentVolumeClaim", "/spec/accessModes", &[json!(["ReadWriteOncePod", "ReadWriteOnce"])]);
    add("PersistentVolumeClaim", "/spec/resources", &[Value::Null, json!({}), json!({"requests": {"storage": "0"}})]);
    add(
        "PersistentVolumeClaim",
        "/spec/resources",
        &[json!({"requests": {"storage": "-1"}}), json!({"requests": {"storage": "10GB"}})],
    );
    add("PersistentVolumeClaim", "/spec/storageClassName", &[json!("Upper")]);
    add("PersistentVolumeClaim", "/spec/volumeMode", &[json!("Some")]);

    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    let path = |path: Value| json!([{"host": "a.org", "http": {"paths": [path]}}]);
    add(
        "Ingress",
        "/spec/rules",
        &[Value::Null, json!([]), json!([{"host": "Upper.org"}]), json!([{"host": "a_b.org"}])],
    );
    add(
        "Ingress",
        "/spec/rules",
        &[json!([{"host": "10.0.0.1"}]), json!([{"host": "a.*.org"}]), json!([{"host": "*"}])],
    );
    add(
        "Ingress",
        "/spec/rules",
        &[
            json!([{"host": "a.org:80"}]),
            json!([{"host": "a.org/x"}]),
            json!([{"host": "a.org", "http": {"paths": []}}]),
        ],
    );
    for wrong in [
        json!({"path": "x", "pathType": "Prefix", "backend": backend}),
        json!({"path": "/", "backend": backend}),
        json!({"path": "/", "pathType": "Some", "backend": backend}),
        json!({"path": "/a//b", "pathType": "Prefix", "backend": backend}),
        json!({"path": "/../b", "pathType": "Exact", "backend": backend}),
        json!({"path": "/", "pathType": "Prefix"}),
        json!({"path": "/", "pathType": "Prefix", "backend": {}}),
        json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web"}}}),
        json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {}}}}),
        json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 0}}}}),
        json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 65536}}}}),
        json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80, "name": "a"}}}}),
        json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "Web", "port": {"number": 80}}}}),
        json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"name": "UPPER"}}}}),
    ] {
        add("Ingress", "/spec/rules", &[path(wrong)]);
    }
    add("Ingress", "/spec/ingressClassName", &[json!("Upper")]);
    add("Ingress", "/spec/tls", &[json!([{"hosts": ["a_b"]}])]);

    add("NetworkPolicy", "/spec/podSelector", &[json!({"matchLabels": {"a b": "x"}})]);
    add("NetworkPolicy", "/spec/policyTypes", &[json!(["Some"]), json!(["Ingress", "Egress", "Ingress"])]);
    for from in [
        json!([{}]),
        json!([{"ipBlock": {"cidr": "10.0.0.0"}}]),
        json!([{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]),
        json!([{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]),
        json!([{"namespaceSelector": {"matchLabels": {"a": "x y"}}}]),
        json!([{"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}]),
    ] {
        add("NetworkPolicy", "/spec/ingress", &[json!([{"from": from}])]);
    }
    for port in [
        json!({"port": 0}),
        json!({"port": 65536}),
        json!({"port": "UPPER"}),
        json!({"protocol": "tcp", "port": 1}),
        json!({"port": 10, "endPort": 5}),
        json!({"endPort": 5}),
        json!({"port": "name", "endPort": 5}),
    ] {
        add("NetworkPolicy", "/spec/ingress", &[json!([{"ports": [port]}])]);
    }

    add("Role", "/rules", &[json!([{}]), json!([{"apiGroups": [""], "resources": ["pods"]}])]);
    add(
        "Role",
        "/rules",
        &[json!([{"resources": ["pods"], "verbs": ["get"]}]), json!([{"apiGroups": [""], "verbs": ["get"]}])],
    );
    add("Role", "/rules", &[json!([{"nonResourceURLs": ["/x"], "verbs": ["get"]}])]);
    add("Role", "/metadata/name", &["a/b".into(), "a%b".into()]);
    add(
        "RoleBinding",
        "/roleRef",
        &[Value::Null, json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Some", "name": "a"})],
    );
    add("RoleBinding", "/roleRef", &[json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ""})]);
    add("RoleBinding", "/roleRef", &[json!({"apiGroup": "apps", "kind": "Role", "name": "a"})]);
    add("RoleBinding", "/subjects", &[json!([{"kind": "Some", "name": "a"}])]);
    add("RoleBinding", "/subjects", &[json!([{"kind": "ServiceAccount", "namespace": "x"}])]);
    add("RoleBinding", "/subjects", &[json!([{"kind": "ServiceAccount", "name": "Upper", "namespace": "x"}])]);

    add("ResourceQuota", "/spec/hard", &[json!({"pods": "-1"}), json!({"pods": "lots"}), json!({"gold": "1"})]);
    add("ResourceQuota", "/spec/hard", &[json!({"pods": "1.5"}), json!({"a b": "1"})]);
    add("ResourceQuota", "/spec/scopes", &[json!(["Some"])]);
    let limit = |limit: Value| json!([limit]);
    for wrong in [
        json!({}),
        json!({"type": "Container", "default": {"cpu": "lots"}}),
        json!({"type": "Container", "default": {"cpu": "3"}, "max": {"cpu": "2"}}),
        json!({"type": "Container", "min": {"cpu": "3"}, "max": {"cpu": "2"}}),
        json!({"type": "Container", "defaultRequest": {"cpu": "3"}, "default": {"cpu": "2"}}),
        json!({"type": "Container", "defaultRequest": {"cpu": "1"}, "min": {"cpu": "2"}}),
        json!({"type": "Pod", "default": {"cpu": "1"}}),
        json!({"type": "Container", "max": {"gold": "1"}}),
    ] {
        add("LimitRange", "/spec/limits", &[limit(wrong)]);
    }
    add(
        "LimitRange",
        "/spec/limits",
        &[json!([{"type": "Container", "max": {"cpu": "1"}}, {"type": "Container", "max": {"cpu": "2"}}])],
    );
    add("IngressClass", "/spec/controller", &[json!("nowhere"), json!("a b/c")]);
    cases
}

/// What looks wrong and is not: its kind, the place, and the value put there.
fn unusual() -> Vec<(&'static str, String, Value)> {
    let place = |below: &str, place: &str| format!("{below}/{place}");
    vec![
        ("Deployment", place(P, "dnsPolicy"), json!("None")),
        ("Deployment", place(P, "dnsConfig/searches"), json!(["_srv.example.org.", "."])),
        ("Deployment", place(P, "terminationGracePeriodSeconds"), json!(-1)),
        ("Deployment", place(P, "hostAliases"), json!([{"ip": "::1", "hostnames": ["a", "b.c"]}])),
        ("Deployment", place(P, "tolerations"), json!([{"operator": "Exists"}, {"key": "a", "value": "b"}])),
        ("Deployment", place(P, "securityContext/sysctls"), json!([{"name": "net/ipv4/tcp_syncookies", "value": "1"}])),
        ("Deployment", place(C, "image"), json!(" x")),
        ("Deployment", place(C, "env"), json!([{"name": "a.b-c d"}, {"name": "1"}])),
        ("Deployment", place(C, "volumeMounts"), json!([{"name": "data", "mountPath": "/a:b"}])),
        ("Deployment", place(C, "volumeMounts"), json!([{"name": "data", "mountPath": "relative"}])),
        ("Deployment", place(C, "ports"), json!([{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}])),
        ("Deployment", place(C, "resources"), json!({"limits": {"example.org/gpu": "1", "memory": "1.5"}})),
        ("Deployment", place(C, "resources"), json!({"limits": {"cpu": ".5", "memory": "1e9"}})),
        ("Deployment", place(C, "readinessProbe"), json!({"exec": {"command": ["a"]}, "successThreshold": 2})),
        ("Deployment", place(C, "securityContext"), json!({"capabilities": {"add": ["SYS_ADMIN", "ALL"]}})),
        ("Deployment", "/spec/replicas".to_owned(), json!(0)),
        ("Deployment", "/spec/strategy".to_owned(), json!({"rollingUpdate": {"maxSurge": "10%", "maxUnavailable": 0}})),
        ("Service", "/spec/ports".to_owned(), json!([{"port": 80, "targetPort": 0}])),
        (
            "Service",
            "/spec/ports".to_owned(),
            json!([{"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}]),
        ),
        ("Service", "/spec/clusterIP".to_owned(), json!("None")),
        ("ConfigMap", "/data".to_owned(), json!({".a": "", "A_b-c.d": "\u{0}"})),
        ("ConfigMap", "/data".to_owned(), json!({"a": "x".repeat(1 << 20)})),
        ("Secret", "/data".to_owned(), Value::Null),
        ("Secret", "/type".to_owned(), json!("example.org/own")),
        ("PersistentVolume", "/spec/capacity".to_owned(), json!({"storage": "1"})),
        ("Ingress", "/spec/rules/0/host".to_owned(), json!("*.example.org")),
        ("Ingress", "/spec/rules/0/http/paths/0/pathType".to_owned(), json!("ImplementationSpecific")),
        ("NetworkPolicy", "/spec/ingress".to_owned(), json!([{"ports": [{"port": 1, "endPort": 2}]}, {}])),
        ("RoleBinding", "/subjects".to_owned(), json!([{"kind": "ServiceAccount", "name": "a"}])),
        ("ResourceQuota", "/spec/hard".to_owned(), json!({"count/deployments.apps": "1", "limits.memory": "1.5Gi"})),
        (
            "LimitRange",
            "/spec/limits".to_owned(),
            json!([{"type": "Container", "max": {"cpu": "-1"}}, {"type": "Pod"}]),
        ),
    ]
}

/// Changes of an object that is there: its kind, the place, and the value put there (null removes).
fn wrong_changes() -> Vec<(&'static str, &'static str, Value)> {
    let other = json!({"app": "b"});
    vec![
        ("Job", "/spec/template/spec/containers/0/image", json!("nginx:2")),
        ("Job", "/spec/completionMode", json!("Indexed")),
        ("Deployment", "/spec/selector", json!({"matchLabels": {"app": "a", "more": "b"}})),
        ("Deployment", "/spec/selector/matchLabels", other),
        ("PersistentVolumeClaim", "/spec/volumeName", json!("other")),
        ("PersistentVolumeClaim", "/spec/storageClassName", json!("other")),
        ("PersistentVolumeClaim", "/spec/accessModes", json!(["ReadWriteMany"])),
        ("PersistentVolumeClaim", "/spec/resources/requests/storage", json!("5Gi")),
        ("PersistentVolumeClaim", "/spec/resources/requests/storage", json!("20Gi")),
        ("PersistentVolume", "/spec/csi/volumeHandle", json!("other")),
        ("PersistentVolume", "/spec/csi/driver", json!("other")),
        ("PersistentVolume", "/spec/csi/volumeAttributes/fsType", json!("xfs")),
        ("PersistentVolume", "/spec/volumeMode", json!("Block")),
        ("RoleBinding", "/roleRef/name", json!("other")),
        ("Secret", "/type", json!("kubernetes.io/basic-auth")),
        ("Service", "/spec/clusterIP", json!("None")),
        ("IngressClass", "/spec/controller", json!("example.org/other")),
        ("Deployment", "/metadata/uid", json!("00000000-0000-4000-8000-000000000000")),
        ("Deployment", "/metadata/resourceVersion", json!("1")),
    ]
}

/// Puts a value in a place; null removes what is there, the empty place is the whole.
fn put(object: &mut Value, place: &str, value: &Value) {
    let Some((parent, name)) = place.rsplit_once('/') else {
        *object = value.clone();
        return;
    };
    let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("no place {place}"));
    match (parent, value) {
        (Value::Object(map), Value::Null) => drop(map.remove(name)),
        (parent, value) => parent[name] = value.clone(),
    }
}

fn begin() {
    for plane in Plane::all() {
        plane.ensure(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}));
    }
}

/// Holds what all planes say of one object against what they should; what is wrong with that goes to `wrong`. Statuses
/// may differ: the API server answers many type errors with 500.
fn expect(taken: bool, what: &str, object: &Value, wrong: &mut Vec<String>) {
    let outcomes: Vec<(String, Outcome)> =
        Plane::all().iter().map(|plane| (plane.name(), plane.apply(object))).collect();
    if outcomes.iter().any(|(_, outcome)| outcome.is_ok() != taken) {
        let words = outcomes.iter().map(|(name, outcome)| match outcome {
            Ok(_) => format!("    {name}: taken"),
            Err((status, message)) => {
                format!("    {name}: {status} {}", message.chars().take(200).collect::<String>())
            }
        });
        wrong.push(format!("{what}\n{}", words.collect::<Vec<_>>().join("\n")));
    }
}

#[test]
fn what_is_wrong_is_refused_by_all() {
    if later() {
        return;
    }
    begin();
    for kind in KINDS {
        for plane in Plane::all() {
            let mut object = valid(kind);
            object["metadata"]["name"] = "fine".into();
            plane.apply(&object).unwrap_or_else(|error| panic!("{}: {kind}: {error:?}", plane.name()));
        }
    }
    let cases = wrong();
    let mut wrong = Vec::new();
    for (number, (kind, place, value)) in cases.iter().enumerate() {
        let mut object = valid(kind);
        // What one server takes by mistake must not be in the way of the next case.
        object["metadata"]["name"] = format!("case-{number}").into();
        put(&mut object, place, value);
        let shown: String = value.to_string().chars().take(120).collect();
        expect(false, &format!("{kind} {place} = {shown}"), &object, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    for plane in Plane::all() {
        say(&format!("{} wrong objects", cases.len()), &plane.name());
    }
}

#[test]
fn what_is_unusual_is_taken_by_all() {
    if later() {
        return;
    }
    begin();
    let cases = unusual();
    let mut wrong = Vec::new();
    for (number, (kind, place, value)) in cases.iter().enumerate() {
        let mut object = valid(kind);
        object["metadata"]["name"] = format!("unusual-{number}").into();
        put(&mut object, place, value);
        let shown: String = value.to_string().chars().take(120).collect();
        expect(true, &format!("{kind} {place} = {shown}"), &object, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    for plane in Plane::all() {
        say(&format!("{} unusual objects", cases.len()), &plane.name());
    }
}

#[test]
fn what_may_not_change_is_kept_by_all() {
    if later() {
        return;
    }
    begin();
    let cases = wrong_changes();
    let mut wrong = Vec::new();
    for (number, (kind, place, value)) in cases.iter().enumerate() {
        let mut object = valid(kind);
        object["metadata"]["name"] = format!("change-{number}").into();
        for plane in Plane::all() {
            plane.apply(&object).unwrap_or_else(|error| panic!("{}: {kind}: {error:?}", plane.name()));
        }
        put(&mut object, place, value);
        expect(false, &format!("a change of {kind} {place} to {value}"), &object, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    for plane in Plane::all() {
        say(&format!("{} forbidden changes", cases.len()), &plane.name());
    }
}
