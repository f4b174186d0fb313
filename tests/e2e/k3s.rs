//! Apps on a cluster that is there: in the sandbox one for each context that a kubeconfig could name.

use insta::assert_snapshot;

use crate::harness::project::Project;

const COMPOSE: &str = "\
services:
  web:
    image: nginx:1
    ports: [\"8080:80\"]
";

fn document(kind: &str, id: &str, spec: &str) -> String {
    let name = id.rsplit('/').next().unwrap();
    format!(
        "apiVersion: ops.kompox.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, annotations: {{ops.kompox.dev/id: \
         {id}}}}}\nspec: {spec}\n---\n"
    )
}

/// A project with one app; `cluster` and `app` are what their specs say besides.
fn project(cluster: &str, app: &str) -> Project {
    let project = Project::empty("own");
    project.write(
        "kompoxapp.yml",
        &[
            document("Workspace", "/ws/w", "{}"),
            document("Provider", "/ws/w/prv/p", "{driver: k3s}"),
            document("Cluster", "/ws/w/prv/p/cls/c", &format!("{{{cluster}}}")),
            document("App", "/ws/w/prv/p/cls/c/app/a", &format!("{{compose: \"file:compose.yml\"{app}}}")),
        ]
        .concat(),
    );
    project.write(".kompox/config.yml", "version: 1\n");
    project.write("compose.yml", COMPOSE);
    project
}

const INGRESS: &str = ", ingress: {rules: [{name: main, port: 8080, hosts: [a.example.com]}]}";

#[test]
fn an_app_is_applied_to_the_cluster_that_is_there() {
    let project = project("settings: {K3S_CONTEXT: mine}", INGRESS);
    project.run(&["validate"]).done();
    let plan = project.run(&["plan"]).done();
    assert!(plan.stdout.contains("<= cluster/c  it exists and is only read"), "{}", plan.stdout);
    assert!(plan.stdout.contains("class traefik"), "{}", plan.stdout);
    assert!(plan.stdout.contains("is the cluster that is there, context mine of the sandbox, nodes node1"));
    // Nobody is asked for a node that the manifest does not name.
    let rendered = project.run(&["render"]).done();
    assert!(!rendered.stdout.contains("nodeSelector") && !rendered.stdout.contains("affinity"), "{}", rendered.stdout);
    project.run(&["apply", "--auto-approve"]).done();
    let again = project.run(&["plan", "--detailed-exitcode"]).done();
    assert!(again.stdout.starts_with("No changes."), "{}", again.stdout);
    project.run(&["drift"]).done();
    // What was there is not touched; nothing of the app is left.
    project.run(&["destroy", "--auto-approve"]).done();
    let left: Vec<String> = project.inspect().iter().map(|object| object["id"].to_string()).collect();
    assert!(left.iter().any(|id| id.contains("/ingressclasses/traefik")), "{left:?}");
    assert!(!left.iter().any(|id| id.contains("/namespaces/k4x-")), "{left:?}");
}

#[test]
fn a_saved_plan_is_applied_to_the_cluster_that_it_was_made_for() {
    let project = project("", INGRESS);
    project.run(&["plan", "--out", "p.kplan"]).done();
    project.run(&["apply", "p.kplan"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn another_cluster_is_refused_before_anything_is_read_or_written() {
    let project = project("settings: {K3S_CONTEXT: mine}", INGRESS);
    project.run(&["apply", "--auto-approve"]).done();
    let before = project.inspect();
    project.edit("kompoxapp.yml", "K3S_CONTEXT: mine", "K3S_CONTEXT: theirs");
    for command in [&["plan"][..], &["apply", "--auto-approve"], &["destroy", "--auto-approve"]] {
        let refused = project.run(command).exits(1);
        let told = refused.errors();
        assert!(told.contains("leads to another cluster: it is "), "{told}");
        assert!(told.contains(", and the state knows the cluster "), "{told}");
    }
    // The other cluster came into being by being asked which one it is; it holds nothing of ours.
    let of = |objects: &[serde_json::Value]| -> Vec<String> {
        let ids = objects.iter().map(|object| object["id"].as_str().unwrap().to_owned());
        ids.filter(|id| id.contains("k4x-") || id.contains("/standing/mine")).collect()
    };
    assert_eq!(of(&project.inspect()), of(&before));
}

#[test]
fn what_it_cannot_do_is_said_at_its_line() {
    let lacking = project(
        "existing: false, protection: {lock: true}, ingress: {controller: traefik}",
        ", volumes: [{name: data, type: files}]",
    );
    let told = lacking.run(&["validate"]).exits(1).errors();
    let lines: Vec<&str> = told.lines().filter(|line| line.contains("error[") || line.contains("-->")).collect();
    assert_snapshot!(lines.join("\n"), @r"
    error[driver]: the cluster c is to be made, and the driver k3s makes none
      --> kompoxapp.yml:14:8
    error[driver]: the driver k3s cannot lock the cluster c
      --> kompoxapp.yml:14:37
    error[driver]: the driver k3s installs no ingress controller in the cluster c
      --> kompoxapp.yml:14:61
    error[volume]: the volume data is a share, and the driver k3s has none
      --> kompoxapp.yml:19:47
    ");
}

#[test]
fn the_driver_of_a_known_provider_stays() {
    let project = Project::gitea_applied();
    project.edit("kompoxapp.yml", "driver: aks", "driver: k3s");
    let told = project.run(&["plan"]).exits(1).errors();
    assert!(told.contains("the driver of the Provider aks1 was aks, which made"), "{told}");
    assert!(told.contains("set it back to aks"), "{told}");
}

#[test]
fn init_writes_a_project_that_applies_as_it_is() {
    let project = Project::empty("wiki");
    project.write("compose.yml", COMPOSE);
    let made = project.run(&["init", "--from", "compose.yml", "--driver", "k3s"]).done();
    assert!(made.text().contains("The project is valid"), "{}", made.text());
    let written = project.read("kompoxapp.yml");
    assert!(!written.contains("AZURE") && !written.contains("zone:"), "{written}");
    project.run(&["apply", "--auto-approve"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
}
