//! Discovery, lists and watches.

use http::Method;
use serde_json::{Value, json};

use super::super::super::kube_api::Body;
use super::{Bench, DEPLOYMENTS, deployment};

const MAPS: &str = "/api/v1/namespaces/shop/configmaps";

fn map(name: &str, tier: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"tier": tier}}})
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|o| o["metadata"]["name"].as_str().unwrap()).collect()
}

#[test]
fn discovery_names_every_resource() {
    let bench = Bench::new();
    assert_eq!(bench.get("/version").1["minor"], "36");
    assert_eq!(bench.get("/api").1["versions"], json!(["v1"]));
    let (_, groups) = bench.get("/apis");
    let groups: Vec<&str> = groups["groups"].as_array().unwrap().iter().map(|g| g["name"].as_str().unwrap()).collect();
    assert!(groups.contains(&"apps") && groups.contains(&"secrets-store.csi.x-k8s.io"));
    let (_, apps) = bench.get("/apis/apps/v1");
    let listed: Vec<&str> = apps["resources"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert!(listed.contains(&"deployments") && listed.contains(&"deployments/scale"));
    for missing in
        ["/apis/none", "/apis/apps/v2", "/openapi/v2", "/api/v1/gizmos", "/", "/api/v1/namespaces/shop/pods/x/log/y"]
    {
        assert_eq!(bench.get(missing).0, 404, "{missing}");
    }
    assert_eq!(bench.raw(Method::GET, "/readyz", "application/json", "").status, 200);
    assert_eq!(bench.post("/apis", &json!({})).0, 405);
}

#[test]
fn lists_select_and_page() {
    let bench = Bench::new();
    bench.namespace("shop");
    for (name, tier) in [("a", "front"), ("b", "back"), ("c", "front"), ("d", "back")] {
        assert_eq!(bench.post(MAPS, &map(name, tier)).0, 201);
    }
    let (_, front) = bench.get(&format!("{MAPS}?labelSelector=tier%20in%20(front)"));
    assert_eq!(names(&front), ["a", "c"]);
    assert!(front["items"][0].get("kind").is_none());
    let (_, one) = bench.get("/api/v1/configmaps?fieldSelector=metadata.name%3Db");
    assert_eq!(names(&one), ["b"]);
    let (_, page) = bench.get(&format!("{MAPS}?labelSelector=tier&limit=3"));
    assert_eq!(names(&page), ["a", "b", "c"]);
    let token = page["metadata"]["continue"].as_str().unwrap();
    let (_, rest) = bench.get(&format!("{MAPS}?labelSelector=tier&limit=3&continue={token}"));
    assert_eq!(names(&rest), ["d"]);
    assert_eq!(rest["metadata"].get("continue"), None);
    assert_eq!(rest["metadata"]["resourceVersion"], page["metadata"]["resourceVersion"]);
    assert_eq!(bench.get(&format!("{MAPS}?labelSelector=a%20b")).0, 400);
    assert_eq!(bench.get(&format!("{MAPS}?continue=x!")).0, 400);
    assert_eq!(bench.delete(&format!("{MAPS}?labelSelector=tier%3Dback")).0, 200);
    assert_eq!(names(&bench.get(MAPS).1), ["a", "c", "kube-root-ca.crt"]);
}

/// Opens a watch and gives its lines until `count` are there.
async fn lines(bench: &Bench, target: &str, count: usize, act: impl FnOnce(&Bench)) -> Vec<Value> {
    let response = bench.raw(Method::GET, target, "application/json", "");
    let Body::Stream(mut stream) = response.body else { panic!("no stream: {}", response.status) };
    act(bench);
    let mut out = Vec::new();
    while out.len() < count {
        let Some(line) = stream.recv().await else { break };
        out.push(serde_json::from_slice(&line).unwrap());
    }
    out
}

fn told(lines: &[Value]) -> Vec<String> {
    let one = |l: &Value| {
        format!("{} {}", l["type"].as_str().unwrap(), l["object"]["metadata"]["name"].as_str().unwrap_or("-"))
    };
    lines.iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_tells_what_follows_its_version() {
    let bench = Bench::new();
    bench.namespace("shop");
    let (_, list) = bench.get(MAPS);
    let rv = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    bench.post(MAPS, &map("a", "front"));
    let target = format!("{MAPS}?watch=true&labelSelector=tier%3Dfront&resourceVersion={rv}");
    let seen = lines(&bench, &target, 3, |bench| {
        bench.post(MAPS, &map("b", "back"));
        bench.merge(&format!("{MAPS}/a"), &json!({"data": {"x": "y"}}));
        bench.merge(&format!("{MAPS}/a"), &json!({"metadata": {"labels": {"tier": "back"}}}));
    })
    .await;
    assert_eq!(told(&seen), ["ADDED a", "MODIFIED a", "DELETED a"]);
    assert_eq!(seen[0]["object"]["kind"], "ConfigMap");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_begins_with_what_exists_and_sees_controllers_work() {
    let bench = Bench::with(super::Emulator::new(std::time::Duration::from_millis(1)));
    bench.namespace("shop");
    bench.post(DEPLOYMENTS, &deployment("web"));
    let target = format!(
        "{DEPLOYMENTS}?watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    );
    let seen = lines(&bench, &target, 2, |_| {}).await;
    assert_eq!(told(&seen), ["ADDED web", "BOOKMARK -"]);
    assert_eq!(seen[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    // Nobody asks anything, and yet the Deployment becomes available.
    let response = bench.raw(Method::GET, &format!("{DEPLOYMENTS}?watch=1"), "application/json", "");
    let Body::Stream(mut stream) = response.body else { panic!("no stream") };
    loop {
        let line: Value = serde_json::from_slice(&stream.recv().await.unwrap()).unwrap();
        if line["object"]["status"]["availableReplicas"] == 1 {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_ends_when_told_and_when_its_cluster_is_gone() {
    let bench = Bench::new();
    bench.namespace("shop");
    assert_eq!(
        lines(&bench, &format!("{MAPS}?watch=1&timeoutSeconds=0&resourceVersion=1"), 1, |_| {}).await,
        Vec::<Value>::new()
    );
    let seen = lines(&bench, &format!("{MAPS}?watch=1&resourceVersion=1000"), 1, |bench| {
        use super::super::super::kube_api::KubernetesApi;
        bench.world.write(|tx| bench.emulator.cluster_deleted(tx, super::CLUSTER)).unwrap();
    })
    .await;
    assert_eq!(seen[0]["type"], "ERROR");
}

#[test]
fn a_selected_list_keeps_its_order() {
    let bench = Bench::new();
    bench.namespace("shop");
    for i in 0..200 {
        bench.post(MAPS, &map(&format!("m{i:04}"), if i % 2 == 0 { "even" } else { "odd" }));
    }
    let (_, list) = bench.get("/api/v1/configmaps?labelSelector=tier%3Dodd");
    let names = names(&list);
    assert_eq!(names.len(), 100);
    assert!(names.is_sorted());
}
