//! Sequences of requests, written by hand and made up from seeds: the sandbox answers each as the API server does. What only
//! a server can choose (ids, versions, times, addresses) is compared as being there. Not compared: the order of the entries
//! of `managedFields` and which of them have a time, the order of conflicts, that a role without rules has `null`, and what
//! controllers of the sandbox write, where the API server has none.

use serde_json::{Value, json};

use super::{later, say};
use crate::plane::Plane;

const APPLY: &str = "application/apply-patch+yaml";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const STEPS: &str = "application/json-patch+json";
const JSON: &str = "application/json";

/// Sequences made up from seeds, and the requests of each.
const SEEDS: u64 = 48;
const LENGTH: usize = 14;

/// A request about an object of the sequence's Namespace.
struct Request {
    method: &'static str,
    /// The path below the Namespace, from its group on, with its query.
    target: String,
    content_type: &'static str,
    body: Value,
}

fn request(method: &'static str, target: &str, content_type: &'static str, body: Value) -> Request {
    Request { method, target: target.to_owned(), content_type, body }
}

/// `group/version plural/name?query`, as a path in a Namespace.
fn path(namespace: &str, target: &str) -> String {
    let (version, rest) = target.split_once(' ').expect("written so");
    let root = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
    format!("{root}/namespaces/{namespace}/{rest}")
}

/// A text in which every uid is the word `uid`.
fn without_uids(text: &str) -> String {
    let is_uid = |word: &str| uuid::Uuid::try_parse(word).is_ok();
    let words = text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let word = |word: &str| {
        let bare = word.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        if is_uid(bare) { word.replace(bare, "uid") } else { word.to_owned() }
    };
    words.map(word).collect()
}

/// What two servers can agree on of an answer.
pub(super) fn comparable(mut answer: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(map) => {
                for key in [
                    "uid",
                    "resourceVersion",
                    "creationTimestamp",
                    "deletionTimestamp",
                    "time",
                    "controller-uid",
                    "batch.kubernetes.io/controller-uid",
                    "clusterIP",
                    "nodePort",
                ] {
                    if let Some(one) = map.get_mut(key)
                        && (one.is_string() || one.is_number())
                        && *one != "None"
                    {
                        *one = "set".into();
                    }
                }
                if let Some(Value::Array(all)) = map.get_mut("clusterIPs") {
                    all.iter_mut().for_each(|one| *one = "set".into());
                }
                map.values_mut().for_each(walk);
            }
            Value::Array(all) => all.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut answer);
    let is_workload = matches!(answer["kind"].as_str(), Some("Deployment" | "Job"));
    if is_workload && let Some(object) = answer.as_object_mut() {
        object.remove("status");
    }
    if answer["rules"].is_null() && answer["kind"] == "Role" {
        answer["rules"] = json!([]);
    }
    if answer["reason"] == "Conflict" || answer["reason"] == "Invalid" {
        let mut lines: Vec<&str> = answer["message"].as_str().unwrap_or_default().lines().collect();
        lines.sort_unstable();
        answer["message"] = without_uids(&lines.join("\n")).into();
        if let Some(causes) = answer.pointer_mut("/details/causes").and_then(Value::as_array_mut) {
            causes.sort_by_key(Value::to_string);
        }
        if answer["details"].as_object().is_some_and(serde_json::Map::is_empty) {
            answer.as_object_mut().map(|answer| answer.remove("details"));
        }
    }
    // What exactly has the wrong type is told in words of Go.
    if let Some((what, _)) = answer["message"].as_str().and_then(|message| message.split_once("): "))
        && what.starts_with("failed to create typed patch object")
    {
        answer["message"] = what.to_owned().into();
    }
    if let Some(metadata) = answer.get_mut("metadata").and_then(Value::as_object_mut) {
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
            && annotations.remove("deployment.kubernetes.io/revision").is_some()
            && annotations.is_empty()
        {
            metadata.remove("annotations");
        }
        if let Some(entries) = metadata.get_mut("managedFields").and_then(Value::as_array_mut) {
            entries.retain(|entry| entry["manager"] != "kube-controller-manager");
            entries.iter_mut().filter_map(Value::as_object_mut).for_each(|entry| drop(entry.remove("time")));
            entries.sort_by_key(Value::to_string);
        }
    }
    answer
}

/// Carries a sequence out in a Namespace of its own; gives each request with what came of it.
fn carry_out(plane: &Plane, namespace: &str, requests: &[Request]) -> Vec<(String, u16, Value)> {
    plane.ensure(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
    let mut all = Vec::new();
    for request in requests {
        let path = path(namespace, &request.target);
        let (status, answer) = plane.answer(request.method, &path, request.content_type, &request.body);
        all.push((format!("{} {} {}", request.method, request.target, request.body), status, comparable(answer)));
    }
    all
}

/// Where two answers differ: pointer, the API server's value, the sandbox's.
pub(super) fn differences(at: &str, real: &Value, sandbox: &Value, found: &mut Vec<String>) {
    match (real, sandbox) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let (one, other) = (one.get(key).unwrap_or(&Value::Null), other.get(key).unwrap_or(&Value::Null));
                differences(&format!("{at}/{key}"), one, other, found);
            }
        }
        _ if real == sandbox => {}
        _ => found.push(format!("{at}: {real} and {sandbox}")),
    }
}

/// Compares what came of a sequence on every server; gives the differences.
fn compare(namespace: &str, requests: &[Request]) -> Vec<String> {
    let answers: Vec<_> = Plane::all().into_iter().map(|plane| carry_out(plane, namespace, requests)).collect();
    let [real, sandbox] = answers.as_slice() else { return Vec::new() };
    let differ =
        |((what, status, answer), (_, other_status, other)): (&(String, u16, Value), &(String, u16, Value))| {
            (status != other_status || answer != other).then(|| {
                let mut at = Vec::new();
                differences("", answer, other, &mut at);
                format!("{namespace}: {what}: {status} and {other_status}\n  {}", at.join("\n  "))
            })
        };
    // What follows a difference follows from it.
    real.iter().zip(sandbox).find_map(differ).into_iter().collect()
}

fn config(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data})
}

fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    object.pointer_mut(parent).expect("a place")[key] = value;
    object
}

fn service(ports: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
        "spec": {"selector": {"app": "a"}, "ports": ports},
    })
}

fn deployment(containers: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {
            "selector": {"matchLabels": {"app": "a"}},
            "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": containers}},
        },
    })
}

/// Two managers, conflict, force, fields given up, dry runs, versions and uids as conditions, deletion.
fn life_of_a_config_map() -> Vec<Request> {
    let at = |query: &str| format!("v1 configmaps/c?{query}");
    let get = || request("GET", "v1 configmaps/c", "", Value::Null);
    vec![
        // What makes an object and touches none that is there.
        request(
            "PATCH",
            &at("fieldManager=a"),
            APPLY,
            with(config(json!({"x": "1"})), "/metadata/resourceVersion", json!("1")),
        ),
        request(
            "PATCH",
            &at("fieldManager=a"),
            APPLY,
            with(config(json!({"x": "1"})), "/metadata/resourceVersion", json!("1")),
        ),
        request(
            "PATCH",
            &at("fieldManager=b"),
            APPLY,
            with(config(json!({"y": "1"})), "/metadata/resourceVersion", json!("1")),
        ),
        request(
            "PATCH",
            &at("fieldManager=b&force=true"),
            APPLY,
            with(config(json!({"x": "2"})), "/metadata/resourceVersion", json!("1")),
        ),
        get(),
        request("PATCH", &at("fieldManager=b"), APPLY, config(json!({"x": "2"}))),
        request("PATCH", &at("fieldManager=b&dryRun=All"), APPLY, config(json!({"y": "2"}))),
        request("PATCH", &at("fieldManager=b"), APPLY, config(json!({"y": "2"}))),
        request("PATCH", &at("fieldManager=b&force=true"), APPLY, config(json!({"x": "2", "y": "2"}))),
        request("PATCH", &at("fieldManager=a"), APPLY, config(json!({"x": "1"}))),
        request("PATCH", &at("fieldManager=a"), APPLY, config(json!({}))),
        request("PATCH", &at("fieldManager=b"), APPLY, config(json!({"y": "2"}))),
        get(),
        request("PATCH", &at("fieldManager=edit"), MERGE, json!({"data": {"z": "3", "y": null}})),
        request(
            "PATCH",
            &at("fieldManager=edit"),
            MERGE,
            json!({"metadata": {"resourceVersion": "1"}, "data": {"z": "4"}}),
        ),
        request("PATCH", &at("fieldManager=edit"), STEPS, json!([{"op": "test", "path": "/data/z", "value": "9"}])),
        request("PATCH", &at("fieldManager=edit"), STEPS, json!([{"op": "add", "path": "/data/q", "value": "9"}])),
        request("PATCH", &at("fieldManager=edit"), STRATEGIC, json!({"data": {"q": null, "r": "1"}})),
        request(
            "PATCH",
            &at("fieldManager=a&fieldValidation=Strict"),
            APPLY,
            with(config(json!({})), "/surplus", json!(1)),
        ),
        request("PATCH", &at("fieldManager=a"), APPLY, with(config(json!({})), "/data/x", json!(1))),
        request("PATCH", &at(""), APPLY, config(json!({}))),
        request("PATCH", &at("fieldManager=edit"), MERGE, json!({"metadata": {"finalizers": ["example.org/hold"]}})),
        request(
            "DELETE",
            "v1 configmaps/c",
            JSON,
            json!({"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}),
        ),
        request("DELETE", "v1 configmaps/c", JSON, Value::Null),
        request("PATCH", &at("fieldManager=a"), APPLY, config(json!({"x": "5"}))),
        request("PATCH", &at("fieldManager=edit"), MERGE, json!({"metadata": {"finalizers": null}})),
        get(),
        request("DELETE", "v1 configmaps/c", JSON, Value::Null),
    ]
}

/// Lists whose items have keys: ports by number and protocol, containers by name, their variables too.
fn lists_with_keys() -> Vec<Request> {
    let service_at = |manager: &str| format!("v1 services/s?fieldManager={manager}");
    let deployment_at = |manager: &str| format!("apps/v1 deployments/d?fieldManager={manager}");
    let port = |port: u16, protocol: &str| json!({"name": format!("p{port}{}", protocol.to_lowercase()), "port": port, "protocol": protocol});
    let container = |name: &str, env: Value| json!({"name": name, "image": "busybox:1", "env": env});
    let variable = |name: &str, value: &str| json!({"name": name, "value": value});
    vec![
        request("PATCH", &service_at("a"), APPLY, service(json!([port(80, "TCP"), port(53, "UDP")]))),
        request("PATCH", &service_at("b"), APPLY, service(json!([port(53, "TCP")]))),
        request("PATCH", &service_at("a"), APPLY, service(json!([port(80, "TCP")]))),
        request("PATCH", &service_at("b"), APPLY, with(service(json!([])), "/spec/selector/app", json!("b"))),
        request("PATCH", &service_at("a"), APPLY, service(json!([port(80, "TCP"), port(80, "TCP")]))),
        request("PATCH", &service_at("a"), APPLY, service(json!([{"port": 70000}]))),
        request("GET", "v1 services/s", "", Value::Null),
        request(
            "PATCH",
            &deployment_at("a"),
            APPLY,
            deployment(json!([container("x", json!([variable("A", "1"), variable("B", "1")]))])),
        ),
        request(
            "PATCH",
            &deployment_at("b"),
            APPLY,
            deployment(json!([container("x", json!([variable("C", "1")])), container("y", json!([]))])),
        ),
        request("PATCH", &deployment_at("a"), APPLY, deployment(json!([container("x", json!([variable("B", "2")]))]))),
        request(
            "PATCH",
            &deployment_at("edit"),
            STRATEGIC,
            json!({"spec": {"template": {"spec": {"containers": [{"name": "x", "env": [variable("B", "3")]}]}}}}),
        ),
        request("PATCH", &deployment_at("a"), APPLY, deployment(json!([container("x", json!([variable("B", "4")]))]))),
        request(
            "PATCH",
            &deployment_at("a"),
            APPLY,
            deployment(json!([container("x", json!([])), container("x", json!([]))])),
        ),
        request(
            "PATCH",
            &deployment_at("a"),
            APPLY,
            with(deployment(json!([container("x", json!([]))])), "/spec/selector/matchLabels/app", json!("b")),
        ),
        request("GET", "apps/v1 deployments/d", "", Value::Null),
        request("DELETE", "apps/v1 deployments/d", JSON, json!({"propagationPolicy": "Background"})),
        request("GET", "apps/v1 deployments/d", "", Value::Null),
        request("DELETE", "apps/v1 deployments/d", JSON, Value::Null),
    ]
}

/// Objects of other kinds, made, tried out, and deleted.
fn kinds() -> Vec<Request> {
    let labels = json!({"app": "a"});
    let template = json!({"metadata": {"labels": labels}, "spec": {"restartPolicy": "Never", "containers": [{"name": "x", "image": "i:1"}]}});
    let all = [
        ("v1 secrets/k", json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "b"}})),
        (
            "v1 serviceaccounts/k",
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": false}),
        ),
        (
            "v1 persistentvolumeclaims/k",
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}},
            }}),
        ),
        (
            "networking.k8s.io/v1 ingresses/k",
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": {
                "defaultBackend": {"service": {"name": "s", "port": {"number": 80}}},
            }}),
        ),
        (
            "networking.k8s.io/v1 networkpolicies/k",
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": {
                "podSelector": {}, "policyTypes": ["Ingress"],
            }}),
        ),
        (
            "rbac.authorization.k8s.io/v1 roles/k",
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": []}),
        ),
        ("batch/v1 jobs/k", json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": template}})),
    ];
    let about = all.into_iter().flat_map(|(target, object)| {
        let object = with(object, "/metadata", json!({"name": "k"}));
        let apply = |query: &str| request("PATCH", &format!("{target}?fieldManager=a{query}"), APPLY, object.clone());
        [
            apply("&dryRun=All"),
            apply(""),
            apply("&dryRun=All"),
            request("GET", target, "", Value::Null),
            request("DELETE", target, JSON, json!({"propagationPolicy": "Background", "dryRun": ["All"]})),
            request("DELETE", target, JSON, json!({"propagationPolicy": "Background"})),
        ]
    });
    about.collect()
}

/// Numbers that follow from a seed, by Knuth's generator for 64 bits.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn one<T: Copy>(&mut self, all: &[T]) -> T {
        let bound = u64::try_from(all.len()).expect("a handful");
        all[usize::try_from(self.below(bound)).expect("small")]
    }

    fn some(&mut self, keys: &[&'static str]) -> Vec<&'static str> {
        keys.iter().copied().filter(|_| self.below(2) == 0).collect()
    }
}

/// A sequence in which three managers write fields of one object over each other.
fn made_up(seed: u64) -> Vec<Request> {
    let mut numbers = Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let kind = seed % 3;
    let target = ["v1 configmaps/c", "v1 services/s", "apps/v1 deployments/d"][usize::try_from(kind).expect("small")];
    let mut all = Vec::new();
    for _ in 0..LENGTH {
        let manager = numbers.one(&["a", "b", "c"]);
        let force = numbers.one(&["", "&force=true"]);
        let dry_run = numbers.one(&["", "", "", "&dryRun=All"]);
        let mut object = match kind {
            0 => {
                let keys = numbers.some(&["x", "y", "z"]);
                config(keys.into_iter().map(|key| (key.to_owned(), Value::from(numbers.one(&["1", "2"])))).collect())
            }
            1 => {
                let ports = numbers.some(&["80", "81", "82"]);
                let port = |port: &str| json!({"name": format!("p{port}"), "port": port.parse::<u16>().expect("a number"), "protocol": "TCP", "targetPort": numbers.one(&[8080, 9090])});
                service(ports.into_iter().map(port).collect())
            }
            _ => {
                let names = numbers.some(&["A", "B", "C"]);
                let env: Value =
                    names.into_iter().map(|name| json!({"name": name, "value": numbers.one(&["1", "2"])})).collect();
                deployment(json!([{"name": "x", "image": numbers.one(&["i:1", "i:2"]), "env": env}]))
            }
        };
        for label in numbers.some(&["l", "m"]) {
            object["metadata"]["labels"][label] = numbers.one(&["1", "2"]).into();
        }
        if numbers.below(4) == 0 {
            object["metadata"]["resourceVersion"] = "1".into();
        }
        let query = format!("{target}?fieldManager={manager}{dry_run}");
        all.push(match numbers.below(8) {
            0 => request("DELETE", target, JSON, Value::Null),
            1 => request("PATCH", &query, MERGE, json!({"metadata": {"labels": object["metadata"]["labels"]}})),
            2 => request("GET", target, "", Value::Null),
            _ => request("PATCH", &format!("{query}{force}"), APPLY, object),
        });
    }
    all
}

#[test]
fn the_sandbox_answers_as_the_api_server_does() {
    if later() {
        return;
    }
    let written = [("life", life_of_a_config_map()), ("lists", lists_with_keys()), ("kinds", kinds())];
    let made_up = (0..SEEDS).map(|seed| (format!("made-up-{seed}"), made_up(seed)));
    let all: Vec<(String, Vec<Request>)> =
        written.into_iter().map(|(name, all)| (name.to_owned(), all)).chain(made_up).collect();
    let differences: Vec<String> = all.iter().flat_map(|(name, requests)| compare(name, requests)).collect();
    assert!(differences.is_empty(), "{} sequences differ\n{}", differences.len(), differences.join("\n"));
    let count: usize = all.iter().map(|(_, requests)| requests.len()).sum();
    let planes = Plane::all();
    let names: Vec<String> = planes.iter().map(|plane| plane.name()).collect();
    let alike = if planes.len() > 1 { "answered alike" } else { "answered, with nobody to compare" };
    say(&format!("{count} requests of {} sequences, {alike}", all.len()), &names.join(" and "));
}
