use serde_json::{Value, json};

use super::*;
use crate::engine::kind::Holds;
use crate::engine::provider::{Content, ErrorClass, Marked, Provider as _};

static CLUSTER: Kind = Kind::plain("cluster");

fn aggregated(group: &str, version: &str, freshness: &str, resources: &[(&str, &str, &str)]) -> Value {
    let resources: Vec<Value> = resources
        .iter()
        .map(|(plural, kind, verbs)| {
            json!({"resource": plural, "responseKind": {"kind": kind}, "scope": "Namespaced",
                   "verbs": verbs.split(' ').collect::<Vec<_>>()})
        })
        .collect();
    let version = json!({"version": version, "freshness": freshness, "resources": resources});
    json!({"kind": "APIGroupDiscoveryList", "items": [{"metadata": {"name": group}, "versions": [version]}]})
}

fn objects(items: &[(&str, Option<&str>)]) -> Answer {
    let items: Vec<Value> = items
        .iter()
        .map(|(name, owner)| {
            let owners: Vec<Value> = owner.iter().map(|owner| json!({"uid": owner})).collect();
            json!({"metadata": {"name": name, "uid": format!("uid-{name}"), "ownerReferences": owners}})
        })
        .collect();
    Answer::Json(200, json!({"metadata": {}, "items": items}))
}

fn listing(path: &str) -> Answer {
    match path.rsplit('/').next().unwrap() {
        "pods" => objects(&[("web-1", Some("uid-web")), ("bare", None), ("odd", Some("uid-elsewhere"))]),
        "serviceaccounts" => objects(&[("default", None), ("mine", None)]),
        "configmaps" => objects(&[("kube-root-ca.crt", None)]),
        "endpoints" => objects(&[("web", None)]),
        "statefulsets" => objects(&[("web", None)]),
        "revisions" => objects(&[("r", None)]),
        "databases" => objects(&[("db", None)]),
        other => panic!("{other} was listed"),
    }
}

fn kept(contents: &[Content]) -> Vec<&str> {
    contents.iter().filter(|content| !content.server_made).map(|content| content.physical_id.as_str()).collect()
}

const FOREIGN: [&str; 6] = [
    "/api/v1/namespaces/n/pods/bare",
    "/api/v1/namespaces/n/pods/odd",
    "/api/v1/namespaces/n/serviceaccounts/mine",
    "/apis/apps/v1/namespaces/n/statefulsets/web",
    "/apis/apps/v1alpha1/namespaces/n/revisions/r",
    "/apis/example.com/v1/namespaces/n/databases/db",
];

#[tokio::test]
async fn everything_in_a_namespace_is_listed_whatever_its_kind() {
    let verbs = "list get delete";
    let core = [
        ("pods", "Pod", verbs),
        ("serviceaccounts", "ServiceAccount", verbs),
        ("configmaps", "ConfigMap", verbs),
        ("endpoints", "Endpoints", verbs),
        ("events", "Event", verbs),
        ("bindings", "Binding", "create"),
    ];
    let core = aggregated("", "v1", "Current", &core);
    let mut groups = aggregated("apps", "v1", "Current", &[("statefulsets", "StatefulSet", verbs)]);
    let more = aggregated("example.com", "v1", "Current", &[("databases", "Database", verbs)]);
    groups["items"].as_array_mut().unwrap().push(more["items"][0].clone());
    // Of two versions, one serves a kind that the preferred one does not.
    let other = [("statefulsets", "StatefulSet", verbs), ("revisions", "Revision", verbs)];
    let other = aggregated("apps", "v1alpha1", "Current", &other);
    groups["items"][0]["versions"].as_array_mut().unwrap().push(other["items"][0]["versions"][0].clone());
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/api" => Answer::Json(200, core.clone()),
        "/apis" => Answer::Json(200, groups.clone()),
        path => listing(path),
    })
    .await;
    let contents = server.provider().contents(&target(&NAMESPACE, "/api/v1/namespaces/n")).await.unwrap();
    assert_eq!(contents.len(), 10);
    assert_eq!(kept(&contents), FOREIGN);
    let pods = server.seen().into_iter().find(|seen| seen.path.ends_with("/pods")).unwrap();
    assert!(pods.headers["accept"].to_str().unwrap().contains("PartialObjectMetadataList"));
}

#[tokio::test]
async fn older_discovery_gives_the_same() {
    let resource = |plural: &str, kind: &str| json!({"name": plural, "kind": kind, "namespaced": true, "verbs": ["list", "delete"]});
    let core = json!({"kind": "APIResourceList", "resources": [
        resource("pods", "Pod"), resource("pods/log", "Pod"), resource("serviceaccounts", "ServiceAccount"),
        resource("configmaps", "ConfigMap"), resource("endpoints", "Endpoints"),
        {"name": "nodes", "kind": "Node", "namespaced": false, "verbs": ["list", "delete"]}
    ]});
    let apps = json!({"resources": [resource("statefulsets", "StatefulSet")]});
    let other = json!({"resources": [resource("statefulsets", "StatefulSet"), resource("revisions", "Revision")]});
    let example = json!({"resources": [resource("databases", "Database")]});
    let groups = json!({"kind": "APIGroupList", "groups": [
        {"name": "apps", "preferredVersion": {"version": "v1"},
         "versions": [{"version": "v1alpha1"}, {"version": "v1"}]},
        {"name": "example.com", "preferredVersion": {"version": "v1"}}
    ]});
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/api" => Answer::Json(200, json!({"kind": "APIVersions", "versions": ["v1"]})),
        "/apis" => Answer::Json(200, groups.clone()),
        "/api/v1" => Answer::Json(200, core.clone()),
        "/apis/apps/v1" => Answer::Json(200, apps.clone()),
        "/apis/apps/v1alpha1" => Answer::Json(200, other.clone()),
        "/apis/example.com/v1" => Answer::Json(200, example.clone()),
        path => listing(path),
    })
    .await;
    let contents = server.provider().contents(&target(&NAMESPACE, "/api/v1/namespaces/n")).await.unwrap();
    assert_eq!(kept(&contents), FOREIGN);
}

#[tokio::test]
async fn half_a_listing_is_an_error() {
    let verbs = "list delete";
    let stale = aggregated("example.com", "v1", "Stale", &[("databases", "Database", verbs)]);
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/api" => Answer::Json(200, json!({"kind": "APIGroupDiscoveryList", "items": []})),
        _ => Answer::Json(200, stale.clone()),
    })
    .await;
    let namespace = target(&NAMESPACE, "/api/v1/namespaces/n");
    let error = server.provider().contents(&namespace).await.unwrap_err();
    assert!(error.message.contains("example.com"), "{error}");

    let core = aggregated("", "v1", "Current", &[("secrets", "Secret", verbs)]);
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/api" => Answer::Json(200, core.clone()),
        "/apis" => Answer::Json(200, json!({"kind": "APIGroupDiscoveryList", "items": []})),
        _ => Answer::forbidden("list"),
    })
    .await;
    let error = server.provider().contents(&namespace).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Denied);
}

#[tokio::test]
async fn a_cluster_holds_volumes_and_what_any_state_marked() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/api/v1/persistentvolumes" => objects(&[("pvc-1", None)]),
        "/api/v1/namespaces" => {
            let marked = json!({"name": "theirs", "annotations": {"kompox.dev/lineage": "x"}});
            Answer::Json(
                200,
                json!({"metadata": {}, "items": [{"metadata": {"name": "kube-system"}}, {"metadata": marked}]}),
            )
        }
        other => panic!("{other}"),
    })
    .await;
    let contents = server.provider().contents(&target(&CLUSTER, "/subscriptions/s/cluster")).await.unwrap();
    assert_eq!(kept(&contents), ["/api/v1/persistentvolumes/pvc-1", "/api/v1/namespaces/theirs"]);
    assert_eq!([&contents[0].kind, &contents[1].kind], ["PersistentVolume", "Namespace"]);
    assert!(server.provider().contents(&target(&CONFIG_MAP, "/api/v1/namespaces/n/configmaps/a")).await.is_err());
}

/// Folders, disks of classes and snapshots, each by its tags: those of this state that are whole.
#[tokio::test]
async fn data_of_a_state_is_listed_wherever_it_is() {
    static DISK: Kind = Kind { holds: Holds::Data, ..Kind::plain("disk") };
    static SNAPSHOT: Kind = Kind { holds: Holds::Data, ..Kind::plain("snapshot") };
    let folder = |kind: &str, id: &str, lineage: &str, made: &str| {
        json!({
            "metadata": {"labels": {"kompox.dev/folder": kind}, "annotations": {"kompox.dev/lineage": lineage}},
            "data": {"id": format!("local://{id}"), "made": made, "marker": "m", "tag.volume": "data"},
        })
    };
    let marked = |lineage: &str, made: &str| {
        let data = json!({"name": "n", "namespace": "d", "image": "i", "tags": {"volume": "data"}}).to_string();
        json!({"annotations": {"kompox.dev/lineage": lineage, "kompox.dev/data": data, "kompox.dev/made": made}})
    };
    let volume = |handle: &str, metadata: Value| json!({"metadata": metadata, "spec": {"csi": {"driver": "d", "volumeHandle": handle}}});
    let items = |items: Value| Answer::Json(200, json!({"metadata": {}, "items": items}));
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/api/v1/configmaps" => items(json!([
            folder("disk", "a", OURS, "true"),
            folder("disk", "half", OURS, "false"),
            folder("disk", "theirs", "x", "true"),
            folder("snapshot", "s", OURS, "true"),
        ])),
        "/api/v1/persistentvolumes" => items(json!([
            volume("v", marked(OURS, "true")),
            volume("half", marked(OURS, "false")),
            volume("theirs", marked("x", "true")),
            volume("nobody's", json!({})),
        ])),
        "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents" => items(json!([
            {"metadata": marked(OURS, "true"), "spec": {"driver": "d"}, "status": {"snapshotHandle": "c"}},
        ])),
        other => panic!("{other}"),
    })
    .await;
    let provider = server.provider();
    for (kind, ids) in [(&DISK, ["local://a", "csi://d/v"]), (&SNAPSHOT, ["local://s", "csi-snapshot://d/c"])] {
        let all = provider.marked(kind, OURS).await.unwrap();
        let marked =
            |id: &str| Marked { physical_id: id.to_owned(), tags: [("volume".to_owned(), "data".to_owned())].into() };
        assert_eq!(all, ids.map(marked));
    }
}
