//! A service that goes from one Pod to another while both use the app's disk: it never runs twice.

use crate::harness::project::Project;

const BOX: &str = "\
---
apiVersion: ops.kompox.dev/v1alpha1
kind: Box
metadata:
  name: @
  annotations:
    ops.kompox.dev/id: /ws/ops/prv/cloud1/cls/cluster1/app/wiki/box/@
spec: {}
";

/// Services `a` and `b`, each of which can be a Box, and `x` and `y`, which share the network of another if told so.
fn compose(project: &Project, x: &str, y: &str) {
    let with = |service: &str| match service {
        "" => String::new(),
        service => format!(", network_mode: 'service:{service}'"),
    };
    let text = format!(
        "\
services:
  web: {{image: \"web:1\", ports: [\"8080:80\"], volumes: [\"./web:/data\"]}}
  a: {{image: \"a:1\", volumes: [\"./a:/data\"]}}
  b: {{image: \"b:1\", volumes: [\"./b:/data\"]}}
  x: {{image: \"x:1\", volumes: [\"./x:/data\"]{}}}
  y: {{image: \"y:1\", volumes: [\"./y:/data\"]{}}}
",
        with(x),
        with(y)
    );
    project.write("compose.yml", &text);
}

/// An app with the Boxes `a` and `b`.
fn boxes() -> Project {
    let project = Project::empty("wiki");
    compose(&project, "a", "b");
    project.run(&["init", "--from", "compose.yml"]).done();
    // The names that the tests speak of.
    let own = project.read("kompoxapp.yml");
    let workspace = own.split("/ws/").nth(1).and_then(|rest| rest.split('\n').next()).unwrap().to_owned();
    let own = own.replace(&workspace, "ops").replace("cls/wiki", "cls/cluster1");
    project.write(
        "kompoxapp.yml",
        &own.replace("kind: Cluster\nmetadata:\n  name: wiki", "kind: Cluster\nmetadata:\n  name: cluster1"),
    );
    let both = ["a", "b"].map(|name| BOX.replace('@', name)).concat();
    project.write("kompoxapp.yml", &(project.read("kompoxapp.yml") + &both));
    project.run(&["apply", "--auto-approve"]).done();
    project
}

/// Applies and asserts that these come in this order.
fn applies(project: &Project, options: &[&str], order: &[&str]) {
    let words = project.run(&[&["apply", "--auto-approve"], options].concat()).done().stderr;
    let mut rest = words.as_str();
    for part in order {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} not in its turn in:\n{words}"));
        rest = &rest[at + part.len()..];
    }
    project.run(&["plan", "--detailed-exitcode"]).done();
}

fn updated(name: &str) -> [String; 2] {
    [
        format!("updating /ws/ops/prv/cloud1/cls/cluster1/app/wiki/Deployment/wiki-{name} "),
        format!("Deployment/wiki-{name} in "),
    ]
}

#[test]
fn whoever_lets_go_of_a_folder_is_gone_before_another_takes_it() {
    let project = boxes();
    for options in [&[][..], &["--no-wait"]] {
        // From Box to Box, to the app, and back to the first.
        for (to, from, into) in [("b", "a", "b"), ("", "b", "app"), ("a", "app", "a")] {
            compose(&project, to, "b");
            let plan = project.run(&["plan", "--detailed-exitcode"]).exits(2).stdout;
            let note = format!("Deployment/wiki-{into}: takes over what ");
            assert!(plan.contains(&note) && plan.contains("it is down until that one has let go"), "{plan}");
            let order = [updated(from), updated(into)].concat();
            applies(&project, options, &order.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_box_that_comes_or_goes_hands_over_without_overlap() {
    let project = boxes();
    let manifest = project.read("kompoxapp.yml");
    let without = manifest.replace(&BOX.replace('@', "a"), "");
    for options in [&[][..], &["--no-wait"]] {
        project.write("kompoxapp.yml", &without);
        let leave = ["deleting /ws/ops/prv/cloud1/cls/cluster1/app/wiki/Deployment/wiki-a ", "Deployment/wiki-a in "];
        let app = updated("app");
        compose(&project, "", "b");
        applies(&project, options, &[leave[0], leave[1], &app[0], &app[1]]);
        project.write("kompoxapp.yml", &manifest);
        compose(&project, "a", "b");
        let come = "creating /ws/ops/prv/cloud1/cls/cluster1/app/wiki/Deployment/wiki-a ";
        applies(&project, options, &[&app[0], &app[1], come]);
    }
}

#[test]
fn two_boxes_that_exchange_services_are_told_to_do_it_in_two_steps() {
    let project = boxes();
    compose(&project, "b", "a");
    let words = project.run(&["plan"]).exits(1).stderr;
    assert!(
        words.contains("these changes wait for each other") && words.contains("move one service, apply"),
        "{words}"
    );
    // Each step of the circle with the line that asks for it.
    let step = |name: &str| format!("update /ws/ops/prv/cloud1/cls/cluster1/app/wiki/Deployment/wiki-{name} (");
    assert!(words.contains(&step("a")) && words.contains(&step("b")) && words.contains("waits for"), "{words}");
    let before = project.object("/deployments/wiki-a");
    project.run(&["apply", "--auto-approve"]).exits(1);
    assert_eq!(project.object("/deployments/wiki-a"), before);
    compose(&project, "b", "b");
    project.run(&["apply", "--auto-approve"]).done();
    compose(&project, "b", "a");
    project.run(&["apply", "--auto-approve"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn a_targeted_apply_never_runs_a_service_twice() {
    let project = boxes();
    compose(&project, "b", "b");
    let words = project.run(&["apply", "--auto-approve", "--target", "Deployment/wiki-b"]).exits(1).stderr;
    assert!(words.contains("would use x on the volume") && words.contains("add --target"), "{words}");
    let names = |object: &serde_json::Value| object["spec"]["template"]["spec"]["containers"].to_string();
    assert!(!names(&project.object("/deployments/wiki-b")).contains("x:1"));
    let both = ["apply", "--auto-approve", "--target", "Deployment/wiki-b", "--target", "Deployment/wiki-a"];
    project.run(&both).done();
    assert!(names(&project.object("/deployments/wiki-b")).contains("x:1"));
}

/// Each claim leads to its own disk, so that a Box beside an app with two of them takes nothing from it.
#[test]
fn a_box_comes_to_an_app_with_two_disks() {
    let project = Project::example("two-clusters");
    let whole = project.read("kompoxapp.yml");
    let documents: Vec<&str> = whole.split("---\n").filter(|document| !document.contains("kind: Box")).collect();
    project.write("kompoxapp.yml", &documents.join("---\n"));
    project.run(&["apply", "--auto-approve"]).done();
    project.write("kompoxapp.yml", &whole);
    let plan = project.run(&["plan", "--detailed-exitcode"]).exits(2);
    assert!(plan.stdout.contains("Plan: 1 to create, 0 to update, 0 to delete"), "{}", plan.stdout);
    project.run(&["apply", "--auto-approve"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
}
