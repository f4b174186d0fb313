//! Many apps with data on one node: they come, one of them changes, they go. It takes minutes, and is run by hand:
//!
//! ```console
//! KOMPOX_REALCLUSTER=1 KOMPOX_REALCLUSTER_OTHER=2 cargo test --test real -- --ignored many
//! ```

use std::collections::BTreeMap;
use std::time::Instant;

use crate::cluster::Cluster;
use crate::harness::project::Project;
use crate::harness::proxy::Proxy;
use crate::harness::run::Finished;
use crate::ingress::Controller;
use crate::local::clean;
use crate::manifests;

const APPS: usize = 30;

const PROVIDER: &str = "/ws/real/prv/many";

/// A site, and what writes a line to the app's disk each time it starts.
const COMPOSE: &str = r#"
services:
  web:
    image: busybox:1
    command: [httpd, -f, -p, "8080", -h, /www]
    ports: ["8080:8080"]
    configs: [{source: page, target: /www/index.html}]
    healthcheck: {test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1:8080/"], interval: 2s}
    stop_grace_period: 1s
  writer:
    image: busybox:1
    command: [sh, -c, "echo started >> /data/log; exec sleep 99999"]
    volumes: ["./data:/data"]
    stop_grace_period: 1s
configs:
  page: {content: "this is NAME"}
"#;

/// The apps in one project, on a cluster that is reached through a proxy which counts.
fn project(proxy: &Proxy) -> Project {
    let mut project = Project::empty("many");
    let server = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: {{server: \"{}\"}}}}]\n\
         contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nusers: [{{name: u, user: {{}}}}]\n",
        proxy.endpoint()
    );
    project.write("kubeconfig", &server);
    project.set("KUBECONFIG", project.root().join("kubeconfig").to_str().unwrap());
    let apps = names().map(|name| {
        project.write(&format!("{name}.yml"), &COMPOSE.replace("NAME", &name));
        let spec = format!(
            "  compose: file:{name}.yml\n  volumes: [{{name: default, size: 1Gi}}]\n  \
             ingress: {{rules: [{{name: main, port: 8080, hosts: [{name}.example.com]}}]}}\n"
        );
        (name, spec)
    });
    // What has GNU coreutils among the images of the cluster.
    manifests::write(&project, PROVIDER, "  settings: {K3S_HELPER_IMAGE: \"postgres:15\"}\n", apps);
    project
}

fn names() -> impl Iterator<Item = String> {
    (1..=APPS).map(|number| format!("many-{number}"))
}

/// The Pods of the apps: the app by the uid of its only one.
fn pods(cluster: &Cluster) -> BTreeMap<String, String> {
    let list = cluster.read("/api/v1/pods");
    let pods = list["items"].as_array().unwrap().iter().filter_map(|pod| {
        let app = pod["metadata"]["labels"]["app.kubernetes.io/name"].as_str()?;
        app.starts_with("many-").then(|| (pod["metadata"]["uid"].as_str().unwrap().to_owned(), app.to_owned()))
    });
    pods.collect()
}

/// Runs a command and says what it took.
fn taken(proxy: &Proxy, project: &Project, what: &str, words: &[&str]) -> Finished {
    let (before, began) = (proxy.seen().len(), Instant::now());
    let finished = project.run_as_is(words).done();
    let (seconds, requests) = (began.elapsed().as_secs_f32(), proxy.seen().len() - before);
    eprintln!("many: {what:<46} {seconds:>7.1} s {requests:>7} requests");
    finished
}

#[test]
#[ignore = "it takes minutes: run it by hand"]
fn many_apps_share_a_node_and_one_of_them_changes_alone() {
    let Some(cluster) = Cluster::another("many apps on one node") else { return };
    let (_calm, _ingress) = (cluster.calm(), cluster.ingress());
    let proxy = Proxy::start(cluster.address());
    let project = project(&proxy);
    let left = format!("--selector=app.kubernetes.io/name in ({})", names().collect::<Vec<_>>().join(","));
    cluster.kubectl(&["delete", "namespace,persistentvolume", &left]);
    clean(cluster, "many");
    let objects = |project: &Project| {
        project.run_as_is(&["state", "list", "--json"]).done().json().as_array().map_or(0, Vec::len)
    };
    taken(&proxy, &project, "apply, all new, until all are ready", &["apply", "--auto-approve"]);
    eprintln!("many: {APPS} apps, {} objects", objects(&project));
    let before = pods(cluster);
    assert_eq!(before.len(), APPS);
    let controller = Controller::start(cluster);
    for name in names() {
        let answer = controller.curl(&format!("{name}.example.com"), "/");
        assert_eq!(answer, ("200".to_owned(), format!("this is {name}")));
    }
    controller.stop();
    taken(&proxy, &project, "plan, nothing to change", &["plan", "--detailed-exitcode"]);
    taken(&proxy, &project, "drift, none", &["drift"]);
    assert_eq!(pods(cluster), before);

    project.edit("many-7.yml", "image: busybox:1\n    command: [httpd", "image: busybox:1.36\n    command: [httpd");
    let changed =
        taken(&proxy, &project, "apply, another image of one app, until it is ready", &["apply", "--auto-approve"]);
    assert!(changed.text().contains("1 updated"), "{}", changed.text());
    let after = pods(cluster);
    let gone: Vec<&String> = before.iter().filter(|(uid, _)| !after.contains_key(*uid)).map(|(_, app)| app).collect();
    assert_eq!((gone, after.len()), (vec![&"many-7".to_owned()], APPS));
    taken(&proxy, &project, "plan, nothing to change", &["plan", "--detailed-exitcode"]);
    taken(&proxy, &project, "destroy; the disks are kept", &["destroy", "--auto-approve"]);
    assert!(pods(cluster).is_empty());
    clean(cluster, "many");
}
