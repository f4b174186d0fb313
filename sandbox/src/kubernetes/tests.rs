//! The emulator through its one door, over a world in a real file.

mod apply;
mod lifecycle;
mod reads;

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use serde_json::json;

use super::super::kube_api::{Body, JSON};
use super::*;

pub(super) const CLUSTER: &str =
    "/subscriptions/s/resourcegroups/g/providers/microsoft.containerservice/managedclusters/c";

/// A cluster with one user node in zone 1 and one system node, and a clock that only moves when told.
pub(super) struct Bench {
    pub(super) emulator: Emulator,
    pub(super) world: World,
    pub(super) now_ms: std::cell::Cell<i64>,
    _dir: tempfile::TempDir,
}

pub(super) fn pool(name: &str, labels: &[(&str, &str)], count: u32) -> NodePool {
    NodePool {
        name: name.into(),
        labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>(),
        taints: Vec::new(),
        zones: vec!["1".into()],
        count,
        vm_size: "Standard_D2lds_v6".into(),
        mode: "User".into(),
        location: "japaneast".into(),
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(Emulator::new(Duration::from_secs(5)))
    }

    pub(super) fn with(emulator: Emulator) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world = World::open(dir.path(), emulator.schema()).unwrap();
        let now_ms = 1_700_000_000_000;
        world
            .write::<_, WorldError>(|tx| {
                emulator.cluster_created(tx, CLUSTER, now_ms)?;
                let user = pool("npuser1", &[("kompox.dev/node-pool", "user"), ("kompox.dev/node-zone", "1")], 1);
                emulator.pool_changed(tx, CLUSTER, &user, now_ms)?;
                let system = pool("npsystem", &[("kompox.dev/node-pool", "system")], 1);
                emulator.pool_changed(tx, CLUSTER, &system, now_ms)
            })
            .unwrap();
        Self { emulator, world, now_ms: now_ms.into(), _dir: dir }
    }

    pub(super) fn pass(&self, seconds: i64) {
        self.now_ms.set(self.now_ms.get() + seconds * 1000);
    }

    pub(super) fn raw(&self, method: Method, target: &str, content_type: &str, body: &str) -> KubeResponse {
        let url = url::Url::parse(&format!("http://localhost{target}")).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        headers.insert(USER_AGENT, HeaderValue::from_static("tester/1.0 (linux)"));
        let request = KubeRequest {
            method,
            path: url.path().to_owned(),
            query: url.query_pairs().into_owned().collect(),
            headers,
            body: body.to_owned().into(),
            now_ms: self.now_ms.get(),
            seq: None,
        };
        self.emulator.handle(&self.world, CLUSTER, request)
    }

    pub(super) fn call(&self, method: Method, target: &str, content_type: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = self.raw(method, target, content_type, &body);
        let Body::Full(bytes) = response.body else { panic!("a stream") };
        (response.status.as_u16(), serde_json::from_slice(&bytes).unwrap())
    }

    pub(super) fn get(&self, target: &str) -> (u16, Value) {
        self.call(Method::GET, target, JSON, &Value::Null)
    }

    pub(super) fn post(&self, target: &str, body: &Value) -> (u16, Value) {
        self.call(Method::POST, target, JSON, body)
    }

    pub(super) fn put(&self, target: &str, body: &Value) -> (u16, Value) {
        self.call(Method::PUT, target, JSON, body)
    }

    pub(super) fn merge(&self, target: &str, body: &Value) -> (u16, Value) {
        self.call(Method::PATCH, target, "application/merge-patch+json", body)
    }

    pub(super) fn apply(&self, target: &str, body: &Value) -> (u16, Value) {
        self.call(Method::PATCH, target, "application/apply-patch+yaml", body)
    }

    pub(super) fn delete(&self, target: &str) -> (u16, Value) {
        self.call(Method::DELETE, target, JSON, &Value::Null)
    }

    pub(super) fn namespace(&self, name: &str) {
        let (code, _) = self.post("/api/v1/namespaces", &json!({"metadata": {"name": name}}));
        assert_eq!(code, 201);
    }

    /// Everything stored, to prove that nothing changed.
    pub(super) fn dump(&self) -> Vec<(String, String, Value)> {
        self.world.read(|tx| self.emulator.inspect(tx)).unwrap()
    }
}

pub(super) const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";

pub(super) fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
        "spec": {
            "replicas": 1, "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "nodeSelector": {"kompox.dev/node-pool": "user"},
                    "containers": [
                        {"name": "web", "image": "nginx:1", "env": [{"name": "A", "value": "1"}], "ports": [{"containerPort": 80}]},
                        {"name": "side", "image": "busybox:1"},
                    ],
                },
            },
        },
    })
}
