//! One user of a disk or share at a time, whatever the apps and clusters around it are called.

use crate::harness::cloud::Cloud;
use crate::harness::project::Project;

const HEAD: &str = "\
apiVersion: ops.kompox.dev/v1alpha1
kind: Workspace
metadata: {name: ops, annotations: {ops.kompox.dev/id: /ws/ops}}
spec: {}
---
apiVersion: ops.kompox.dev/v1alpha1
kind: Provider
metadata: {name: p1, annotations: {ops.kompox.dev/id: /ws/ops/prv/p1}}
spec:
  driver: aks
  settings: {AZURE_AUTH_METHOD: azure_cli, AZURE_SUBSCRIPTION_ID: 9473abf6-f25e-420e-b3f2-128c1c7b46f2, AZURE_LOCATION: eastus}
";

const CLUSTER: &str = "\
---
apiVersion: ops.kompox.dev/v1alpha1
kind: Cluster
metadata: {name: @, annotations: {ops.kompox.dev/id: /ws/ops/prv/p1/cls/@}}
spec:
  settings: {AZURE_AKS_USER_VM_PRIORITY: Regular}
";

const OLD: &str = "/ws/ops/prv/p1/cls/c1/app/a1/Deployment/a1-app";

/// Clusters `c1` and `c2`, and an app with one volume, `volume` its further keys.
fn manifest(cluster: &str, app: &str, more: &str, volume: &str) -> String {
    let clusters = ["c1", "c2"].map(|name| CLUSTER.replace('@', name)).concat();
    format!(
        "{HEAD}{clusters}---
apiVersion: ops.kompox.dev/v1alpha1
kind: App
metadata: {{name: {app}, annotations: {{ops.kompox.dev/id: /ws/ops/prv/p1/cls/{cluster}/app/{app}{more}}}}}
spec:
  compose:
    services: {{web: {{image: \"nginx:1\", volumes: [\"./data:/data\"]}}}}
  deployment: {{zone: \"1\"}}
  volumes: [{{name: default, size: 10Gi{volume}}}]
"
    )
}

fn project(manifest: &str) -> Project {
    let project = Project::empty("handover");
    std::fs::create_dir_all(project.root().join(".kompox")).unwrap();
    project.write("kompoxapp.yml", manifest);
    project.run(&["apply", "--auto-approve"]).done();
    project
}

/// The Pods of the app, as `cluster/pod` without hashes.
fn pods(project: &Project) -> Vec<String> {
    let of = |id: &str| {
        let cluster = id.split("/managedClusters/").nth(1)?.split('/').next()?.to_owned();
        let pod = id.rsplit_once("/pods/")?.1;
        let app = pod.split_once("-app-")?.0;
        Some(format!("{}/{app}", cluster.rsplit('-').next()?))
    };
    project.ids().iter().filter_map(|id| of(id)).collect()
}

/// The ways in which an app on `c1` changes its place: the manifest, the new app, and where its Pod runs then.
fn moves(volume: &str) -> Vec<(String, &'static str, &'static str)> {
    let renamed = ", ops.kompox.dev/moved-from: /ws/ops/prv/p1/cls/c1/app/a1";
    let mut moves = vec![(manifest("c2", "a1", "", volume), "/ws/ops/prv/p1/cls/c2/app/a1", "c2/a1")];
    if volume.is_empty() {
        // A share keeps the name of its app, so only an app with disks is renamed.
        moves.push((manifest("c1", "b1", renamed, volume), "/ws/ops/prv/p1/cls/c1/app/b1", "c1/b1"));
        moves.push((manifest("c2", "b1", renamed, volume), "/ws/ops/prv/p1/cls/c2/app/b1", "c2/b1"));
    }
    moves
}

#[test]
fn a_selection_that_leaves_the_old_workload_out_is_refused_and_the_printed_flag_helps() {
    for volume in ["", ", type: files"] {
        for (after, app, place) in moves(volume) {
            let project = project(&manifest("c1", "a1", "", volume));
            project.write("kompoxapp.yml", &after);
            let workload = format!("{app}/Deployment/{}-app", app.rsplit('/').next().unwrap());
            let cluster = app.split("/app/").next().unwrap();
            let before = pods(&project);
            assert_eq!(before, ["c1/a1"]);
            for selection in [["-A", app], ["--target", workload.as_str()], ["--cluster-id", cluster]] {
                if selection == ["--cluster-id", "/ws/ops/prv/p1/cls/c1"] {
                    // The old workload is of this cluster too.
                    continue;
                }
                let refused = project.run(&["apply", "--auto-approve", selection[0], selection[1]]).exits(1);
                let words = refused.errors();
                assert!(words.contains(&format!("while {OLD} still does")), "{words}");
                assert!(words.contains(&format!("change both in one go:  add --target {OLD}")), "{words}");
                assert_eq!(pods(&project), before);
            }
            project.run(&["apply", "--auto-approve", "-A", app, "--target", OLD]).done();
            assert_eq!(pods(&project), [place], "{volume}");
            // A cluster that answers is not given up, whatever is said.
            project.run(&["apply", "--auto-approve", "--abandon-cluster", "cls/c1"]).done();
            project.run(&["plan", "--detailed-exitcode"]).done();
            assert_eq!(pods(&project), [place]);
        }
    }
}

#[test]
fn the_new_workload_does_not_come_before_the_old_one_is_gone() {
    for volume in ["", ", type: files"] {
        for (after, app, place) in moves(volume) {
            let project = project(&manifest("c1", "a1", "", volume));
            project.write("kompoxapp.yml", &after);
            let failing = Cloud::with_fault(&project, "deployments.delete:500");
            let endpoint = failing.endpoint.clone();
            let apply = ["apply", "--auto-approve", "--sandbox-endpoint", &endpoint, "--no-wait"];
            project.run(&apply).exits(1);
            assert_eq!(pods(&project), ["c1/a1"], "{app}");
            drop(failing);
            // The next run keeps the order.
            let words = project.run(&["apply", "--auto-approve", "--no-wait"]).done().stderr;
            let gone = words.find("Deployment/a1-app in ").unwrap();
            let workload = format!("creating {app}/Deployment/");
            assert!(words.find(&workload).is_some_and(|come| gone < come), "{words}");
            assert_eq!(pods(&project), [place]);
            project.run(&["apply", "--auto-approve"]).done();
            project.run(&["plan", "--detailed-exitcode"]).done();
        }
    }
}
