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
    let lacking = project("existing: false, protection: {lock: true}", ", volumes: [{name: data, type: files}]");
    let told = lacking.run(&["validate"]).exits(1).errors();
    let lines: Vec<&str> = told.lines().filter(|line| line.contains("error[") || line.contains("-->")).collect();
    assert_snapshot!(lines.join("\n"), @r"
    error[driver]: the cluster c is to be made, and the driver k3s makes none
      --> kompoxapp.yml:14:8
    error[driver]: the driver k3s cannot lock the cluster c
      --> kompoxapp.yml:14:37
    error[volume]: the volume data is a share, and the driver k3s has none
      --> kompoxapp.yml:19:47
    ");
}

#[test]
fn an_ingress_controller_of_ours_goes_where_there_is_none_of_its_class() {
    let project = project("settings: {K3S_CONTEXT: mine}, ingress: {controller: traefik}", INGRESS);
    // This cluster has one, as k3s does: of the same class, at the same ports.
    let refused = project.run(&["apply", "--auto-approve"]).exits(1).text();
    assert!(refused.contains("IngressClass/traefik"), "{refused}");
    assert!(!project.inspect().iter().any(|object| object["id"].to_string().contains("/namespaces/traefik")));
    let rendered = project.run(&["render"]).done();
    assert!(!rendered.stdout.contains("nodeSelector"), "{}", rendered.stdout);
}

#[test]
fn the_driver_of_a_known_provider_stays() {
    let project = Project::gitea_applied();
    project.edit("kompoxapp.yml", "driver: aks", "driver: k3s");
    let told = project.run(&["plan"]).exits(1).errors();
    assert!(told.contains("the driver of the Provider aks1 was aks, which made"), "{told}");
    assert!(told.contains("set it back to aks"), "{told}");
}

const DATA: &str = "\
services:
  web:
    image: nginx:1
    volumes: [\"./data:/data\"]
";

/// A project with one volume, of which this is said.
fn with_volume(volume: &str) -> Project {
    let project = project("settings: {K3S_CONTEXT: mine}", &format!(", volumes: [{{name: data, {volume}}}]"));
    project.write("compose.yml", DATA);
    project
}

/// Another volume in its place.
fn set_volume(project: &Project, volume: &str) {
    let manifest = project.read("kompoxapp.yml");
    let (head, _) = manifest.split_once("volumes: [").unwrap();
    project.write("kompoxapp.yml", &format!("{head}volumes: [{{name: data, {volume}}}]}}\n"));
}

#[test]
fn a_folder_is_made_copied_kept_and_adopted() {
    let project = with_volume("size: 1Gi");
    let plan = project.run(&["plan"]).done();
    assert!(plan.stdout.contains("/var/lib/kompox/disks/"), "{}", plan.stdout);
    assert!(plan.stdout.contains("its size is not enforced"), "{}", plan.stdout);
    project.run(&["apply", "--auto-approve"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
    project.run(&["drift"]).done();
    let destroyed = project.run(&["destroy", "--auto-approve"]).done().text();
    let way = destroyed.lines().find(|line| line.contains(" import ") && line.contains("local://")).unwrap();
    let words: Vec<&str> = way.split_whitespace().skip_while(|word| *word != "import").collect();
    project.run(&words).done();
    project.run(&["apply", "--auto-approve"]).done();

    // From the one that nobody named to declared ones, by the line that the refusal prints.
    set_volume(&project, "size: 1Gi, disks: [{name: blue}]");
    let refused = project.run(&["plan"]).exits(1).errors();
    let line = refused.lines().find_map(|line| line.split_once("- {name: blue, import: ")).unwrap().1;
    let blue = format!("{{name: blue, import: {}}}", line.trim_end_matches('}'));
    let snapshots = "snapshots: [{name: good, source: \"disk:blue\"}]";
    set_volume(&project, &format!("size: 1Gi, disks: [{blue}], {snapshots}"));
    let plan = project.run(&["plan"]).done();
    assert!(plan.stdout.contains("is stopped while it is copied, and started again"), "{}", plan.stdout);
    project.run(&["apply", "--auto-approve"]).done();
    let green = "{name: green, source: \"snapshot:good\"}";
    set_volume(&project, &format!("size: 1Gi, assigned: green, disks: [{blue}, {green}], {snapshots}"));
    project.run(&["apply", "--auto-approve"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
    // Another name is a new, empty disk: refused, with the line.
    set_volume(&project, &format!("size: 1Gi, assigned: red, disks: [{blue}, {{name: red}}], {snapshots}"));
    let refused = project.run(&["plan"]).exits(1).errors();
    assert!(refused.contains("the disk green of the volume data is no longer declared"), "{refused}");
}

/// What holds the records of disks is one for all apps of a cluster.
#[test]
fn two_apps_of_a_cluster_keep_disks() {
    let project = with_volume("size: 1Gi");
    let app = "{compose: \"file:other.yml\", volumes: [{name: data, size: 1Gi}]}";
    let manifest = project.read("kompoxapp.yml") + &document("App", "/ws/w/prv/p/cls/c/app/b", app);
    project.write("kompoxapp.yml", &manifest);
    project.write("other.yml", DATA);
    project.run(&["apply", "--auto-approve"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
    let records = |project: &Project| -> Vec<String> {
        let mut ids = project.ids();
        ids.retain(|id| id.ends_with("-disks") || id.contains("/persistentvolumes/"));
        ids
    };
    let before = records(&project);
    assert_eq!(before.len(), 3, "{before:?}");
    // One of them cannot be read: the other is meant, and what both stand on stays.
    project.write("compose.yml", "services: {web: {}}");
    project.edit("other.yml", "nginx:1", "nginx:2");
    project.run(&["apply", "--auto-approve", "--app-name", "b"]).done();
    assert_eq!(records(&project), before);
    project.write("compose.yml", DATA);
    project.run(&["destroy", "--auto-approve", "--app-name", "b"]).done();
    project.run(&["plan", "--detailed-exitcode", "--app-name", "a"]).done();
}

/// The errors of a plan with their lines.
fn refusals(project: &Project) -> String {
    let told = project.run(&["plan"]).exits(1).errors();
    let lines = told.lines().filter(|line| ["error[", "-->", "= help"].iter().any(|part| line.contains(part)));
    lines.map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_app_that_has_moved_is_meant_where_it_is() {
    let project = project("settings: {K3S_CONTEXT: mine}", INGRESS);
    let manifest = project.read("kompoxapp.yml");
    project.run(&["apply", "--auto-approve", "--app-name", "a"]).done();
    project.run(&["destroy", "--auto-approve", "--app-name", "a"]).done();
    let two = document("Cluster", "/ws/w/prv/p/cls/d", "{settings: {K3S_CONTEXT: theirs}}");
    let moved = manifest.replace("cls/c/app/a", "cls/d/app/a").replace(
        "---\napiVersion: ops.kompox.dev/v1alpha1\nkind: App",
        &format!("---\n{two}apiVersion: ops.kompox.dev/v1alpha1\nkind: App"),
    );
    assert_ne!(moved, manifest);
    project.write("kompoxapp.yml", &moved);
    project.run(&["apply", "--auto-approve", "--app-name", "a"]).done();
}

#[test]
fn what_a_folder_cannot_do_is_said_at_its_line() {
    let project = with_volume("size: 1Gi, disks: [{name: blue}]");
    project.run(&["apply", "--auto-approve"]).done();
    set_volume(&project, "size: 2Gi, disks: [{name: blue}]");
    assert_snapshot!(refusals(&project), @r"
    error[volume]: the size of data.blue cannot change: a local disk has what its node has free
    --> kompoxapp.yml:19:66
    = help: write what it is: 1Gi
    ");
    let disks = |more: &str| format!("size: 1Gi, assigned: blue, disks: [{{name: blue}}, {more}]");
    set_volume(&project, &disks("{name: far, zone: \"2\"}"));
    assert_snapshot!(refusals(&project), @r"
    error[volume]: a local disk is on a node, and in the zone of that
    --> kompoxapp.yml:19:127
    = help: take zone out, and name the node: options: {node: NAME}
    ");
    set_volume(&project, &disks("{name: copy, source: \"disk:blue\", options: {node: node2}}"));
    assert_snapshot!(refusals(&project), @r#"
    error[volume]: the disk is to be on node2, and what it is made from is on node1
    --> kompoxapp.yml:19:159
    = help: take node out of this disk
    = help: the safe way for its data is to stop the app, carry the folder there, and import it (docs/k3s.md, "Another node or cluster")
    "#);
    set_volume(&project, &disks("{name: lost, options: {node: nowhere}}"));
    assert_snapshot!(refusals(&project), @r"
    error[volume]: the cluster has no node nowhere
    --> kompoxapp.yml:19:138
    = help: it has node1
    ");
}

#[test]
fn a_class_that_makes_no_disks_is_said_at_its_line() {
    let project = with_volume("size: 1Gi, options: {class: fast}");
    assert_snapshot!(refusals(&project), @r"
    error[volume]: the cluster has no StorageClass fast; it has none
    --> kompoxapp.yml:19:88
    = help: name another one, or class: local for a folder of a node
    ");
}

#[test]
fn init_writes_a_project_that_applies_as_it_is() {
    let project = Project::empty("wiki");
    project.write("compose.yml", DATA);
    let made = project.run(&["init", "--from", "compose.yml", "--driver", "k3s"]).done();
    assert!(made.text().contains("The project is valid"), "{}", made.text());
    let written = project.read("kompoxapp.yml");
    assert!(!written.contains("AZURE") && !written.contains("zone:"), "{written}");
    project.run(&["apply", "--auto-approve"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
}
