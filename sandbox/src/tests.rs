//! Real HTTP on loopback, a real SQLite file, and a clock that the test moves.

mod contract;
mod faults;
mod kubernetes;
mod resources;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::kube_api::KubernetesApi;
use super::{Clock, Config, FaultRule, Sandbox, SandboxError};

const RESOURCES: &str = "2021-04-01";
const COMPUTE: &str = "2024-03-02";
const CONTAINERS: &str = "2024-09-01";
const AUTHORIZATION_API: &str = "2022-04-01";
const LOCKS: &str = "2020-05-01";
const IDENTITY: &str = "2023-01-31";
const STORAGE: &str = "2023-05-01";
const DNS: &str = "2018-05-01";

const SUBSCRIPTION: &str = "/subscriptions/11111111-2222-4333-8444-555566667777";

/// A world in a temporary directory, a clock, and the sandbox that runs on them.
struct Bed {
    dir: TempDir,
    time: Arc<AtomicI64>,
    sandbox: Option<Sandbox>,
    base: String,
    http: Client,
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
    }

    fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_else(|| panic!("no error code in {}", self.body))
    }

    #[track_caller]
    fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    #[track_caller]
    fn refused(self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.body);
    }
}

impl Bed {
    async fn new() -> Self {
        Self::with(&[], 100).await
    }

    async fn with(faults: &[&str], page_size: usize) -> Self {
        let dir = TempDir::new().unwrap();
        let time = Arc::new(AtomicI64::new(1_700_000_000_000));
        let mut bed = Self { dir, time, sandbox: None, base: String::new(), http: Client::new() };
        bed.start(faults, page_size).await;
        bed
    }

    fn config(&self, faults: &[&str], page_size: usize) -> Config {
        Config {
            faults: faults.iter().map(|rule| rule.parse::<FaultRule>().unwrap()).collect(),
            page_size,
            operation_delay: Duration::from_secs(10),
            clock: Clock::manual(Arc::clone(&self.time)),
            ..Config::new(self.dir.path())
        }
    }

    async fn start(&mut self, faults: &[&str], page_size: usize) {
        let sandbox = Sandbox::start(self.config(faults, page_size), loopback()).await.unwrap();
        self.base = sandbox.endpoint();
        self.sandbox = Some(sandbox);
    }

    async fn start_with(&mut self, kube: Arc<dyn KubernetesApi>) {
        self.stop().await;
        let sandbox = Sandbox::start_with(self.config(&[], 100), loopback(), kube).await.unwrap();
        self.base = sandbox.endpoint();
        self.sandbox = Some(sandbox);
    }

    async fn stop(&mut self) {
        if let Some(sandbox) = self.sandbox.take() {
            sandbox.stop().await;
        }
    }

    fn pass(&self, seconds: i64) {
        self.time.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    async fn send(&self, method: Method, url: &str, body: Option<Value>) -> Result<Reply, reqwest::Error> {
        let mut request = self.http.request(method, url).header(AUTHORIZATION, "Bearer sandbox-test");
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(json!(text)) };
        Ok(Reply { status, headers, body })
    }

    async fn call(&self, method: Method, path: &str, version: &str, body: Option<Value>) -> Reply {
        let url = format!(
            "{}{SUBSCRIPTION}{path}{}api-version={version}",
            self.base,
            if path.contains('?') { "&" } else { "?" }
        );
        self.send(method, &url, body).await.unwrap()
    }

    async fn get(&self, path: &str, version: &str) -> Reply {
        self.call(Method::GET, path, version, None).await
    }

    async fn put(&self, path: &str, version: &str, body: Value) -> Reply {
        self.call(Method::PUT, path, version, Some(body)).await
    }

    async fn patch(&self, path: &str, version: &str, body: Value) -> Reply {
        self.call(Method::PATCH, path, version, Some(body)).await
    }

    async fn delete(&self, path: &str, version: &str) -> Reply {
        self.call(Method::DELETE, path, version, None).await
    }

    async fn follow(&self, url: &str) -> Reply {
        self.send(Method::GET, url, None).await.unwrap()
    }

    async fn group(&self, name: &str) -> String {
        let path = format!("/resourceGroups/{name}");
        let status = self.put(&path, RESOURCES, json!({ "location": "eastus" })).await.status;
        assert!(status == 200 || status == 201);
        path
    }

    /// A disk of 32 GB that is there.
    async fn disk(&self, group: &str, name: &str) -> String {
        let path = format!("{group}/providers/Microsoft.Compute/disks/{name}");
        self.put(&path, COMPUTE, empty_disk(32)).await.expect(202);
        self.pass(10);
        path
    }

    async fn cluster(&self, group: &str, name: &str) -> String {
        let path = format!("{group}/providers/Microsoft.ContainerService/managedClusters/{name}");
        self.put(&path, CONTAINERS, cluster_body()).await.expect(201);
        self.pass(30);
        path
    }

    /// All entries of a list, page by page, and the number of pages.
    async fn pages(&self, path: &str, version: &str) -> (Vec<Value>, usize) {
        let mut reply = self.get(path, version).await.expect(200);
        let (mut all, mut pages) = (Vec::new(), 0);
        loop {
            pages += 1;
            all.extend(reply.body["value"].as_array().unwrap().iter().cloned());
            match reply.body["nextLink"].as_str() {
                Some(next) => {
                    let next = next.to_owned();
                    reply = self.follow(&next).await.expect(200);
                }
                None => return (all, pages),
            }
        }
    }

    async fn names(&self, path: &str, version: &str) -> Vec<String> {
        let (all, _) = self.pages(path, version).await;
        all.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    }
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn empty_disk(size: i64) -> Value {
    json!({
        "location": "East US", "sku": { "name": "Premium_LRS" }, "zones": ["1"], "tags": { "managed-by": "kompox" },
        "properties": { "creationData": { "createOption": "Empty" }, "diskSizeGB": size },
    })
}

fn cluster_body() -> Value {
    json!({
        "location": "eastus", "identity": { "type": "SystemAssigned" },
        "properties": {
            "dnsPrefix": "c1", "kubernetesVersion": "1.33", "nodeResourceGroup": "g1_mc",
            "oidcIssuerProfile": { "enabled": true },
            "addonProfiles": { "azureKeyvaultSecretsProvider": { "enabled": true } },
            "agentPoolProfiles": [{
                "name": "npsystem", "mode": "System", "vmSize": "Standard_D2lds_v6", "osDiskType": "Ephemeral",
                "enableAutoScaling": true, "minCount": 1, "maxCount": 3,
                "nodeLabels": { "kompox.dev/node-pool": "system" },
            }],
        },
    })
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let dir = TempDir::new().unwrap();
    for address in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"] {
        let error = Sandbox::start(Config::new(dir.path()), address.parse().unwrap()).await.unwrap_err();
        assert!(matches!(error, SandboxError::NotLoopback { .. }), "{address}: {error}");
        assert!(error.to_string().contains("127.0.0.1"));
    }
}

#[tokio::test]
async fn a_request_needs_a_token_a_version_and_a_loopback_name() {
    let bed = Bed::new().await;
    let url = format!("{}{SUBSCRIPTION}/resourceGroups", bed.base);
    let status = |request: reqwest::RequestBuilder| async move { request.send().await.unwrap().status().as_u16() };
    assert_eq!(status(bed.http.get(&url)).await, 401);
    assert_eq!(status(bed.http.get(&url).bearer_auth("other")).await, 401);
    assert_eq!(status(bed.http.get(&url).bearer_auth("sandbox-x").header("host", "evil.example")).await, 403);
    assert_eq!(status(bed.http.get(&url).bearer_auth("sandbox-x").header("origin", "http://evil.example")).await, 403);

    bed.send(Method::GET, &url, None).await.unwrap().refused(400, "MissingApiVersionParameter");
    bed.get("/resourceGroups", "1999-01-01").await.refused(400, "InvalidApiVersionParameter");
    bed.get("/providers/Microsoft.Compute/disks", RESOURCES).await.refused(400, "NoRegisteredProviderFound");
    bed.get("/providers/Microsoft.Unknown/things", RESOURCES).await.refused(404, "InvalidResourceNamespace");
    bed.get("/providers/Microsoft.Compute/things", COMPUTE).await.refused(404, "InvalidResourceType");
    let reply = bed.get("/resourceGroups", RESOURCES).await.expect(200);
    assert!(!reply.header("x-ms-request-id").is_empty());
    assert!(!reply.header("x-ms-ratelimit-remaining-subscription-reads").is_empty());
}

#[tokio::test]
async fn a_second_sandbox_sees_the_world_and_a_restart_keeps_an_operation_going() {
    let mut bed = Bed::new().await;
    let group = bed.group("g1").await;
    let disk = format!("{group}/providers/Microsoft.Compute/disks/d1");
    let started = bed.put(&disk, COMPUTE, empty_disk(32)).await.expect(202);
    let status_path = started.header("azure-asyncoperation").strip_prefix(&bed.base).unwrap().to_owned();

    let second = Sandbox::start(bed.config(&[], 100), loopback()).await.unwrap();
    let reply = bed.follow(&format!("{}{status_path}", second.endpoint())).await.expect(200);
    assert_eq!(reply.body["status"], "InProgress");
    second.stop().await;

    bed.stop().await;
    bed.pass(60);
    bed.start(&[], 100).await;
    let reply = bed.follow(&format!("{}{status_path}", bed.base)).await.expect(200);
    assert_eq!(reply.body["status"], "Succeeded");
    assert_eq!(reply.body["properties"]["output"]["name"], "d1");
    let disk = bed.get(&disk, COMPUTE).await.expect(200).body;
    assert_eq!(disk["properties"]["provisioningState"], "Succeeded");
}

#[tokio::test]
async fn writers_of_two_sandboxes_lose_nothing() {
    let bed = Bed::new().await;
    let group = bed.group("g1").await;
    let second = Sandbox::start(bed.config(&[], 100), loopback()).await.unwrap();
    let bases = [bed.base.clone(), second.endpoint()];
    let writes = (0..40).map(|n| {
        let url = format!(
            "{}{SUBSCRIPTION}{group}/providers/Microsoft.Compute/disks/d{n}?api-version={COMPUTE}",
            bases[n % 2]
        );
        let bed = &bed;
        async move { bed.send(Method::PUT, &url, Some(empty_disk(8))).await }
    });
    for reply in futures::future::join_all(writes).await {
        reply.unwrap().expect(202);
    }
    second.stop().await;
    assert_eq!(bed.names(&format!("{group}/providers/Microsoft.Compute/disks"), COMPUTE).await.len(), 40);
    let log = super::requests(bed.dir.path()).unwrap();
    assert!(log.iter().zip(1..).all(|(entry, seq)| entry.seq == seq));
    assert_eq!(log.iter().filter(|entry| entry.effect).count(), 41);
}

#[test]
fn many_open_a_new_world_at_once() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("new");
    std::thread::scope(|scope| {
        let opened: Vec<_> = (0..8).map(|_| scope.spawn(|| super::World::open(&path, "").map(|_| ()))).collect();
        for thread in opened {
            thread.join().unwrap().unwrap();
        }
    });
}

#[test]
fn a_damaged_world_is_an_error_and_can_be_reset() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("world.db"), "this is no database, however long one looks at it").unwrap();
    assert!(matches!(super::inspect(dir.path()), Err(SandboxError::World(_))));
    super::reset(dir.path()).unwrap();
    assert!(super::inspect(dir.path()).unwrap().is_empty());
}

#[tokio::test]
async fn no_body_breaks_the_server() {
    let bed = Bed::new().await;
    let group = bed.group("g1").await;
    let cluster = bed.cluster(&group, "c1").await;
    let types = [
        ("Microsoft.Compute/disks/x", COMPUTE),
        ("Microsoft.Compute/snapshots/x", COMPUTE),
        ("Microsoft.ContainerService/managedClusters/x", CONTAINERS),
        ("Microsoft.ContainerService/managedClusters/c1", CONTAINERS),
        ("Microsoft.ContainerService/managedClusters/c1/agentPools/p", CONTAINERS),
        ("Microsoft.ManagedIdentity/userAssignedIdentities/abc", IDENTITY),
        ("Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-000000000001", AUTHORIZATION_API),
        ("Microsoft.Authorization/locks/l", LOCKS),
        ("Microsoft.Storage/storageAccounts/abc", STORAGE),
        ("Microsoft.Network/dnsZones/example.com", DNS),
        ("Microsoft.Network/dnsZones/example.com/A/@", DNS),
        ("Microsoft.Resources/tags/default", RESOURCES),
    ];
    let values = [
        json!(null),
        json!([]),
        json!("x"),
        json!(-1),
        json!({}),
        json!({ "location": 5 }),
        json!({ "location": "eastus", "tags": [] }),
        json!({ "location": "eastus", "properties": 1 }),
        json!({ "location": "eastus", "sku": "x", "identity": [], "zones": {}, "properties": {} }),
        json!({ "location": "eastus", "identity": { "type": "SystemAssigned" }, "properties": {
            "dnsPrefix": "a", "agentPoolProfiles": [1, null, { "name": 1 }, { "name": "é" }], "addonProfiles": { "a": true },
            "nodeLabels": [], "scaleSetPriority": "Spot", "count": 9_000_000_000_i64, "creationData": { "createOption": "Copy" },
            "diskSizeGB": i64::MAX, "networkProfile": "x", "oidcIssuerProfile": { "enabled": true }, "TTL": 1, "ARecords": [null],
        } }),
    ];
    for (kind, version) in types {
        for value in &values {
            for method in [Method::PUT, Method::PATCH] {
                let path = format!("{group}/providers/{kind}");
                let reply = bed.call(method, &path, version, Some(value.clone())).await;
                assert!(reply.status < 500, "{kind} {value}: {}", reply.body);
            }
        }
    }
    // What drift makes of a resource is read back without harm, too.
    let url = format!("{}/_sandbox/drift", bed.base);
    for target in [cluster.clone(), format!("{cluster}/agentPools/npsystem"), group.clone()] {
        let patch = json!({ "id": format!("{SUBSCRIPTION}{target}"), "patch": { "properties": "x", "sku": null, "identity": 1 } });
        bed.send(Method::POST, &url, Some(patch)).await.unwrap().expect(200);
    }
    for (path, version) in [(&cluster, CONTAINERS), (&group, RESOURCES)] {
        assert!(bed.get(path, version).await.status < 500);
        assert!(bed.put(path, version, json!({ "location": "eastus" })).await.status < 500);
        assert!(bed.delete(path, version).await.status < 500);
        bed.pass(60);
    }
    bed.get(&group, RESOURCES).await.refused(404, "ResourceGroupNotFound");
}

#[tokio::test]
async fn the_log_the_inventory_drift_and_reset() {
    let bed = Bed::new().await;
    let group = bed.group("G1").await;
    let disk = bed.disk(&group, "d1").await;
    bed.get(&format!("{group}/providers/Microsoft.Compute/disks/none"), COMPUTE).await.refused(404, "ResourceNotFound");

    let log = super::requests(bed.dir.path()).unwrap();
    let shown: Vec<(i64, &str, Option<u16>, bool)> =
        log.iter().map(|entry| (entry.seq, entry.method.as_str(), entry.status, entry.effect)).collect();
    assert_eq!(shown, [(1, "PUT", Some(201), true), (2, "PUT", Some(202), true), (3, "GET", Some(404), false)]);
    assert!(log[0].target.ends_with("/resourceGroups/G1?api-version=2021-04-01"));

    let inventory = bed.follow(&format!("{}/_sandbox/inspect", bed.base)).await.expect(200).body;
    assert_eq!(json!(super::inspect(bed.dir.path()).unwrap()), inventory["objects"]);
    let ids: Vec<&str> =
        inventory["objects"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [format!("{SUBSCRIPTION}{group}"), format!("{SUBSCRIPTION}{disk}")]);

    let url = format!("{}/_sandbox/drift", bed.base);
    let drift = |id: String, patch: Value| bed.send(Method::POST, &url, Some(json!({ "id": id, "patch": patch })));
    drift(format!("{SUBSCRIPTION}{disk}"), json!({ "tags": { "managed-by": null, "by": "hand" } }))
        .await
        .unwrap()
        .expect(200);
    assert_eq!(bed.get(&disk, COMPUTE).await.body["tags"], json!({ "by": "hand" }));
    drift(format!("{SUBSCRIPTION}{disk}"), Value::Null).await.unwrap().expect(200);
    bed.get(&disk, COMPUTE).await.expect(404);
    drift(format!("{SUBSCRIPTION}{disk}"), json!({})).await.unwrap().expect(404);
    bed.follow(&format!("{}/_sandbox/health", bed.base)).await.expect(200);

    super::reset(bed.dir.path()).unwrap();
    assert!(super::inspect(bed.dir.path()).unwrap().is_empty());
    bed.get(&group, RESOURCES).await.refused(404, "ResourceGroupNotFound");
    assert!(super::inspect(&bed.dir.path().join("none")).unwrap().is_empty());
}
