//! A database on a cluster that anybody may have, with images that every registry has and a disk of its default class: what
//! shows on a caller's own cluster that rows survive.

use serde_json::Value;

use crate::cluster::{Cluster, Need};
use crate::harness::{skip, wait_for};
use crate::local::project;
use crate::shop::Shop;

const COMPOSE: &str = "
services:
  db:
    image: postgres:15
    environment: {POSTGRES_PASSWORD: secret}
    volumes: [\"./pgdata:/var/lib/postgresql/data\"]
    healthcheck: {test: [CMD, pg_isready, -h, 127.0.0.1], interval: 1s}
";

/// The default StorageClass, if what makes its disks is a CSI driver.
fn class(cluster: &Cluster) -> Option<String> {
    let classes = cluster.read("/apis/storage.k8s.io/v1/storageclasses");
    let mut classes = classes["items"].as_array().unwrap().iter();
    let is_default =
        |class: &&Value| class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true";
    let class = classes.find(is_default)?;
    let driver = format!("/apis/storage.k8s.io/v1/csidrivers/{}", class["provisioner"].as_str()?);
    (!cluster.read(&driver).is_null()).then(|| class["metadata"]["name"].as_str().map(str::to_owned))?
}

/// The app, wherever the cluster puts it.
fn shop(cluster: &'static Cluster, class: &str) -> Shop {
    let name = "yours";
    Shop::clean(cluster, name);
    cluster.kubectl(&["delete", "namespace", &format!("--selector=kompox.dev/provider={name}")]);
    let project = project(cluster, name, "");
    project.edit("kompoxapp.yml", "  deployment: {zone: \"\"}\n", "");
    project.write("compose.yml", COMPOSE);
    let options = format!("      options: {{class: {class}}}\n").leak();
    let shop = Shop { project, cluster, name, options, here: Vec::new(), _cloud: None };
    shop.set_volume("");
    shop
}

/// What the database answers.
fn asked(shop: &Shop, question: &str) -> String {
    wait_for("the database to answer", || {
        let pod = shop.pods().first()?["metadata"]["name"].as_str()?.to_owned();
        let namespace = shop.namespace();
        let psql = ["psql", "--username=postgres", "--tuples-only", "--no-align", "--quiet", "--command", question];
        let words = [&["--namespace", &namespace, "exec", &pod, "--container=db", "--"], &psql[..]].concat();
        shop.cluster.try_kubectl(&words)
    })
}

#[test]
fn rows_survive_on_a_cluster_of_the_callers() {
    let what = "rows of a database on a disk of the default class";
    let Some(cluster) = Cluster::with(Need::Namespace, what) else { return };
    let Some(class) = class(cluster) else {
        skip(&format!("{what}: no CSI driver makes the disks of the cluster's default class"));
        return;
    };
    let shop = shop(cluster, &class);
    {
        let _calm = cluster.calm();
        shop.apply();
        asked(&shop, "CREATE TABLE rows (row text); INSERT INTO rows VALUES ('one')");
        let before = shop.ready_pod("");
        cluster.kubectl(&["--namespace", &shop.namespace(), "delete", "pod", "--all", "--wait=false"]);
        shop.ready_pod(&before);
        assert_eq!(asked(&shop, "SELECT row FROM rows"), "one\n");
    }
    // On a cluster of our own others do it, and nobody need wait for this one.
    if !cluster.is_ours() && Cluster::with(Need::Nodes, "a node of the cluster is drained").is_some() {
        let before = shop.ready_pod("");
        let node = shop.ready_pod_node();
        let pods = format!("--pod-selector=app.kubernetes.io/name={}", shop.name);
        cluster.kubectl(&["drain", &node, "--delete-emptydir-data", "--force", &pods]);
        cluster.kubectl(&["uncordon", &node]);
        shop.ready_pod(&before);
        assert_eq!(asked(&shop, "SELECT row FROM rows"), "one\n");
    }
    shop.run(&["destroy", "--auto-approve"]).done();
    // A disk outlives its app, and this one is nobody's: its class takes it back.
    let label = format!("--selector=app.kubernetes.io/name={}", shop.name);
    let delete = r#"{"spec": {"persistentVolumeReclaimPolicy": "Delete"}}"#;
    for name in cluster.kubectl(&["get", "persistentvolume", &label, "--output=name"]).lines() {
        cluster.kubectl(&["patch", name, "--patch", delete]);
        cluster.kubectl(&["delete", name]);
    }
    cluster.kubectl(&["delete", "namespace", &format!("--selector=kompox.dev/provider={}", shop.name), "--wait=false"]);
}
