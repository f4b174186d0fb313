//! The examples on clusters whose admission, defaulting and controllers write, too.

use std::path::Path;

use serde_json::Value;

use crate::aks;
use crate::cluster::{Cluster, Need};
use crate::harness::project::Project;
use crate::harness::wait_for;

/// How many examples are projects.
const PROJECTS: usize = 3;

/// The name in Azure of the one cluster that is not the first of its example.
const SECOND: &str = "k4x-1w55g2-public";

/// The label of all that belongs to an ingress controller of kompox.
const TRAEFIK: &str = "--selector=app.kubernetes.io/instance=traefik-traefik";

#[test]
fn the_second_plan_of_every_example_is_empty_beside_running_controllers() {
    let what = "the examples on live clusters";
    let Some(cluster) = Cluster::with(Need::Own, what) else { return };
    let Some(other) = Cluster::another(what) else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(names.filter(|path| path.join("kompoxapp.yml").is_file()).count(), PROJECTS);
    let _calm = (cluster.calm(), other.calm());
    let _ingress = (cluster.ingress(), other.ingress());
    // Each brings a Traefik of its own, of which a cluster has one.
    std::thread::scope(|scope| {
        scope.spawn(|| settled("gitea", &["app1"], [cluster, cluster]));
        scope.spawn(|| settled("quota", &["wiki"], [other, other]));
    });
    settled("two-clusters", &["redmine", "wiki", "uptime"], [cluster, other]);
}

/// Applies an example with these apps; once its Pods are where they can go, nothing is left to do.
fn settled(example: &str, apps: &[&str], clusters: [&Cluster; 2]) {
    clean(clusters, apps, "--wait=true");
    let mut project = Project::example(example);
    let second = format!("{SECOND}={}", clusters[1].kubeconfig.display());
    let cloud = aks::serve(&mut project, clusters[0], &["--kubeconfig", &second]);
    let run = |words: &[&str]| {
        let here = ["--sandbox", "--sandbox-endpoint", &cloud.endpoint];
        project.run_as_is(&[&here, words].concat())
    };
    // Their images are not to be had here, so their Pods are not waited for.
    run(&["apply", "--auto-approve", "--no-wait"]).done();
    for app in apps.iter().copied().chain(["traefik"]) {
        wait_for(&format!("the Pods of {app} to be seen to"), || {
            let pods = clusters.iter().flat_map(|cluster| pods(cluster, app)).collect::<Vec<_>>();
            (!pods.is_empty() && pods.iter().all(is_seen_to)).then_some(())
        });
    }
    let plan = run(&["plan", "--detailed-exitcode"]).done();
    assert!(plan.stdout.starts_with("No changes."), "{}", plan.stdout);
    run(&["drift"]).done();
    let again = run(&["apply", "--auto-approve", "--no-wait"]).done();
    assert!(again.stdout.starts_with("No changes."), "{}", again.stdout);
    // Not by a destroy, which would take the labels from the nodes that other tests rely on.
    clean(clusters, apps, "--wait=false");
}

/// The Pods of an app.
fn pods(cluster: &Cluster, app: &str) -> Vec<Value> {
    let list = cluster.read(&format!("/api/v1/pods?labelSelector=app.kubernetes.io/name%3D{app}"));
    list["items"].as_array().unwrap().clone()
}

/// Whether all has been written to a Pod that is written before its containers run: no node is for it, or its node has begun.
fn is_seen_to(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    let mut scheduled = conditions.filter(|one| one["type"] == "PodScheduled");
    let has_no_node = scheduled.any(|one| one["reason"] == "Unschedulable");
    has_no_node || pod["status"]["containerStatuses"].is_array()
}

/// Takes away what an example leaves on its clusters.
fn clean(clusters: [&Cluster; 2], apps: &[&str], wait: &str) {
    let apps = format!("--selector=app.kubernetes.io/name in ({})", apps.join(","));
    for cluster in clusters {
        cluster.kubectl(&["delete", "namespace,persistentvolume", &apps, wait]);
        cluster.kubectl(&["delete", "ingressclass,clusterrole,clusterrolebinding", TRAEFIK]);
        cluster.kubectl(&["delete", "namespace", "traefik", "--ignore-not-found", wait]);
    }
}
