//! A command that was interrupted is typed again as it was.

use insta::assert_snapshot;

use crate::harness::project::Project;

/// The example with a disk that may go.
fn with_data_that_may_go() -> Project {
    let project = Project::gitea();
    project.edit("kompoxapp.yml", "      size: 10Gi\n", "      size: 10Gi\n      deletionPolicy: Delete\n");
    project.run(&["apply", "--auto-approve"]).done();
    project
}

#[test]
fn what_a_destroy_names_may_be_gone_already() {
    let project = with_data_that_may_go();
    let destroy = ["destroy", "--auto-approve", "--allow-data-loss", "disk/default"];
    project.run(&destroy).done();
    assert_eq!(project.disks(), Vec::<String>::new());
    let again = project.run(&destroy).done();
    assert_snapshot!(project.words(&again), @"
    note: --allow-data-loss: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default is gone already
    ");
    let scope = "/ws/aks-e2e-gitea-20250925-060355/prv/aks1";
    let app = format!("{scope}/cls/cluster1/app/app1");
    for target in [vec!["--target", "Deployment/app1-app"], vec!["--app-id", &app], vec!["-A", "app/app1"]] {
        project.run(&[&["destroy", "--auto-approve"][..], &target].concat()).done();
    }

    // What never was is told.
    let wrong = project.run(&["destroy", "--auto-approve", "--allow-data-loss", "disk/defualt"]).exits(1);
    assert!(wrong.stderr.contains("--allow-data-loss: no address ends with \"disk/defualt\""), "{}", wrong.stderr);
    for wrong in [format!("{scope}/app/app1/dusk/default"), format!("{scope}/app/disk/default")] {
        project.run(&["destroy", "--auto-approve", "--allow-data-loss", &wrong]).exits(1);
    }
    let whole = format!("{scope}/app/other/disk/default");
    let other = project.run(&["destroy", "--auto-approve", "--allow-data-loss", &whole]).done();
    assert!(other.stderr.contains("nothing has the address") && other.stderr.contains(&whole), "{}", other.stderr);
}

#[test]
fn a_selection_of_what_is_gone_is_not_one_of_everything() {
    let project = Project::gitea_applied();
    let target = ["destroy", "--auto-approve", "--target", "Ingress/app1-app-custom"];
    project.run(&target).done();
    let before = project.ids();
    let again = project.run(&target).done();
    assert!(again.stderr.contains("is gone already"), "{}", again.stderr);
    assert_eq!(project.ids(), before, "nothing else was destroyed");
    let plan = project.run(&["plan", "--destroy", "--detailed-exitcode", "--target", "Ingress/app1-app-custom"]).done();
    assert!(plan.stdout.starts_with("No changes"), "{}", plan.stdout);
}

#[test]
fn what_is_forgotten_can_be_forgotten_again_and_adopted_again() {
    let project = Project::gitea_applied();
    let disk = project.disks().remove(0);
    for _ in 0..2 {
        project.run(&["state", "rm", "disk/default"]).done();
    }
    for _ in 0..2 {
        project.run(&["import", "disk/default", &disk]).done();
    }
    project.run(&["state", "rm", "disk/nonsense"]).exits(1);
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn history_says_what_was_done() {
    let project = Project::gitea_applied();
    project.run(&["destroy", "--auto-approve", "--target", "Ingress/app1-app-custom"]).done();
    let json = project.run(&["state", "history", "--json"]).done().json();
    assert_eq!(json[0]["counts"], serde_json::json!({"delete": 1}));
    assert_eq!(json[0]["planned"], serde_json::json!({"delete": 1}));
    let table = project.run(&["state", "history"]).done();
    assert!(table.stdout.contains("1 delete") && !table.stdout.contains(" of "), "{}", table.stdout);
}

#[test]
fn one_number_can_be_two_ports() {
    let project = Project::gitea_applied();
    let ports = || {
        let deployment = project.object("/deployments/app1-app");
        let containers = deployment["spec"]["template"]["spec"]["containers"].as_array().unwrap().clone();
        let of_gitea = containers.into_iter().find(|container| container["name"] == "gitea").unwrap();
        let ports = of_gitea["ports"].as_array().unwrap().clone();
        let mut ports: Vec<String> =
            ports.iter().map(|port| format!("{} {}", port["containerPort"], port["protocol"])).collect();
        ports.sort();
        ports
    };
    for (from, to, wanted) in [
        ("- \"3000:3000\"", "- \"3000:3000\"\n      - \"3000:3000/udp\"", &["3000 \"TCP\"", "3000 \"UDP\""][..]),
        ("3000:3000/udp", "3000:3001/udp", &["3000 \"TCP\"", "3001 \"UDP\""]),
        ("\n      - \"3000:3001/udp\"", "", &["3000 \"TCP\""]),
    ] {
        project.edit("compose.yml", from, to);
        project.run(&["plan", "--detailed-exitcode"]).exits(2);
        project.run(&["apply", "--auto-approve"]).done();
        assert_eq!(ports(), wanted);
        project.run(&["plan", "--detailed-exitcode"]).done();
    }
}
