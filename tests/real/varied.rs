//! Compose files of many kinds on a cluster whose admission, defaulting and controllers write, too.

use serde_json::Value;

use crate::cluster::{Cluster, Need};
use crate::harness::project::Project;
use crate::harness::wait_for;
use crate::manifests;

/// The compose files, as documents.
const FILES: &str = include_str!("varied.yml");

const PROVIDER: &str = "/ws/real/prv/varied";

/// One app per compose file, all in one project. Their Pods wait for a node that nobody has: that containers run is not what
/// is asked here, and fifty Pods would take the nodes from the other tests.
fn project(cluster: &Cluster) -> Project {
    let mut project = Project::empty("varied");
    project.set("KUBECONFIG", cluster.kubeconfig.to_str().unwrap());
    project.set("KOMPOX_TEST_SECRET", "not shown");
    let apps = FILES.split("\n---\n").enumerate().map(|(number, compose)| {
        let file = format!("compose-{number}.yml");
        project.write(&file, compose);
        let mut spec = format!("  compose: file:{file}\n  deployment: {{pool: nowhere}}\n");
        if number == 0 {
            spec.push_str("  ingress: {rules: [{name: main, port: 8080, hosts: [varied.example.com]}]}\n");
        }
        (format!("varied-{number}"), spec)
    });
    manifests::write(&project, PROVIDER, "  {}\n", apps);
    project
}

#[test]
fn the_second_plan_of_fifty_varied_apps_is_empty_beside_running_controllers() {
    let Some(cluster) = Cluster::with(Need::Namespace, "fifty varied apps") else { return };
    let project = project(cluster);
    project.run_as_is(&["apply", "--auto-approve", "--no-wait"]).done();

    // What controllers write has been written once there is a Pod.
    let mut waiting = namespaces(&project);
    assert_eq!(waiting.len(), 50);
    wait_for("each app to have its Pod", || {
        waiting.retain(|namespace| {
            let deployments = cluster.read(&format!("/apis/apps/v1/namespaces/{namespace}/deployments"));
            let deployments = deployments["items"].as_array().unwrap();
            assert!(!deployments.is_empty(), "{namespace}");
            let has_pods = |deployment: &Value| {
                deployment["status"]["observedGeneration"] == deployment["metadata"]["generation"]
                    && deployment["status"]["unavailableReplicas"] == deployment["spec"]["replicas"]
            };
            !deployments.iter().all(has_pods)
        });
        waiting.is_empty().then_some(())
    });

    let plan = project.run_as_is(&["plan", "--detailed-exitcode"]).done();
    assert!(plan.stdout.starts_with("No changes."), "{}", plan.stdout);
    project.run_as_is(&["drift"]).done();
    let again = project.run_as_is(&["apply", "--auto-approve", "--no-wait"]).done();
    assert!(again.stdout.starts_with("No changes."), "{}", again.stdout);
    project.run_as_is(&["destroy", "--auto-approve"]).done();
}

/// The Namespaces of the apps.
fn namespaces(project: &Project) -> Vec<String> {
    let records = project.run_as_is(&["state", "list", "--json"]).done().json();
    let ids = records.as_array().unwrap().iter().filter_map(|record| record["id"].as_str());
    ids.filter_map(|id| id.strip_prefix("/api/v1/namespaces/"))
        .filter(|rest| !rest.contains('/'))
        .map(str::to_owned)
        .collect()
}
