//! Every danger that docs/plan.md lists is shown by a plan under its code.

use std::collections::BTreeSet;

use serde_json::json;

use crate::harness::cloud::Cloud;
use crate::harness::project::Project;

const PAGE: &str = include_str!("../../docs/plan.md");

/// What is shown elsewhere: by unit tests a cluster that does not answer (`handover_tests.rs` of the planner) and one behind the
/// current context of a kubeconfig (`seen.rs` of the driver k3s), which the sandbox has not; an older copy of a state by `older.rs`.
const ELSEWHERE: [&str; 3] = ["given-up", "context-unnamed", "state-behind"];

/// The codes of the list.
fn listed() -> BTreeSet<&'static str> {
    let (_, section) = PAGE.split_once("\n## Dangers\n").unwrap();
    let rows = section.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| `"));
    let codes = rows.flat_map(|row| row.split('|').nth(1).unwrap().split(','));
    codes.map(|code| code.trim().trim_matches('`')).collect()
}

/// The codes of a plan's dangers.
fn codes(project: &Project, arguments: &[&str]) -> Vec<String> {
    let run = project.run(&[&["plan", "--json"], arguments].concat());
    let plan = run.json();
    let dangers = plan["dangers"].as_array().unwrap_or_else(|| panic!("{}", run.text()));
    dangers.iter().map(|danger| danger["code"].as_str().unwrap().to_owned()).collect()
}

/// Of an app with a disk: what its data, its container and its doors can meet.
fn of_an_app() -> Vec<String> {
    let project = Project::gitea();
    project.edit("kompoxapp.yml", "      size: 10Gi\n", "      size: 10Gi\n      deletionPolicy: Orphan\n");
    project.run(&["apply", "--auto-approve"]).done();
    let mut seen = codes(&project, &["--destroy"]);
    let compose = project.read("compose.yml");
    let mut with = |from: &str, to: &str| {
        project.edit("compose.yml", from, to);
        seen.extend(codes(&project, &[]));
        project.write("compose.yml", &compose);
    };
    with("image: postgres:17", "image: postgres:17\n    privileged: true");
    with("./data/gitea:", "./data/elsewhere:");
    project.edit("kompoxapp.yml", "deletionPolicy: Orphan", "deletionPolicy: Delete");
    project.edit("kompoxapp.yml", "gitea.custom.exp.kompox.dev", "gitea.custom.exp.kompox.dev, other.example.org");
    seen.extend(codes(&project, &[]));
    project.run(&["apply", "--auto-approve"]).done();
    seen.extend(codes(&project, &["--destroy", "--allow-data-loss", "disk/default"]));
    project.write("p.rego", "package kompox\n\ndeny contains \"never\"\n");
    project.edit("compose.yml", "gitea:1.24.6", "gitea:1.24.7");
    seen.extend(codes(&project, &["--policy", "p.rego"]));
    seen
}

/// Of a cluster: its pools, versions and locks.
fn of_a_cluster() -> Vec<String> {
    const UNLOCKED: &str = "spec:\n  existing: false";
    const LOCKED: &str = "spec:\n  protection: {provisioning: none, lock: true}\n  existing: false";
    const SIZE: &str = "AZURE_AKS_USER_VM_SIZE: ";
    let project = Project::gitea();
    let version = |version: &str| format!("    AZURE_AKS_KUBERNETES_VERSION: \"{version}\"\n    {SIZE}");
    project.edit("kompoxapp.yml", &format!("    {SIZE}"), &version("1.33"));
    project.edit("kompoxapp.yml", UNLOCKED, LOCKED);
    project.edit("kompoxapp.yml", "AZURE_AKS_USER_VM_ZONES: 1", "AZURE_AKS_USER_VM_ZONES: 1,2");
    project.run(&["apply", "--auto-approve"]).done();
    project.edit("kompoxapp.yml", LOCKED, &LOCKED.replace("lock: true", "lock: false"));
    project.edit("kompoxapp.yml", "AZURE_AKS_USER_VM_ZONES: 1,2", "AZURE_AKS_USER_VM_ZONES: 1");
    let mut seen = codes(&project, &[]);
    project.edit("kompoxapp.yml", &format!("{SIZE}Standard_D2ds_v4"), &format!("{SIZE}Standard_D4ds_v5"));
    seen.extend(codes(&project, &[]));
    project.edit("kompoxapp.yml", &format!("{SIZE}Standard_D4ds_v5"), &format!("{SIZE}Standard_D2ds_v4"));
    let cluster = project.ids().into_iter().find(|id| id.ends_with("/k4x-50vf7y-cluster1")).unwrap();
    let upgraded = json!({"properties": {"kubernetesVersion": "1.34.1", "currentKubernetesVersion": "1.34.1"}});
    Cloud::beside(&project).drift(&cluster, &upgraded);
    seen.extend(codes(&project, &[]));
    seen
}

/// Of an app on shares, whose account goes with them.
fn of_shares() -> Vec<String> {
    let project = Project::gitea();
    project.edit("kompoxapp.yml", "        sku: PremiumV2_LRS", "        sku: Standard_LRS");
    let share =
        "      size: 100Gi\n      type: files\n      deletionPolicy: Delete\n      lifecycle: {preventDestroy: true}\n";
    project.edit("kompoxapp.yml", "      size: 10Gi\n", share);
    project.run(&["apply", "--auto-approve"]).done();
    project.edit("kompoxapp.yml", "preventDestroy: true", "preventDestroy: false");
    let mut seen = codes(&project, &[]);
    project.run(&["apply", "--auto-approve"]).done();
    seen.extend(codes(&project, &["--destroy", "--allow-data-loss", "share/default"]));
    seen
}

/// Of an app that goes on with a copy of its disk.
fn of_a_copy() -> Vec<String> {
    const SIZE: &str = "      size: 10Gi\n";
    let project = Project::gitea();
    let blue = format!("{SIZE}      disks: [{{name: blue}}]\n      assigned: blue\n");
    project.edit("kompoxapp.yml", SIZE, &blue);
    project.run(&["apply", "--auto-approve"]).done();
    let green = "      disks: [{name: blue}, {name: green, source: \"snapshot:now\"}]\n      assigned: green\n      \
                 snapshots: [{name: now, source: \"disk:blue\"}]\n";
    project.edit("kompoxapp.yml", &blue, &format!("{SIZE}{green}"));
    codes(&project, &[])
}

/// Of an app whose Box goes.
fn of_a_box() -> Vec<String> {
    let project = Project::empty("wiki");
    project.write("compose.yml", "services: {web: {image: \"web:1\"}, a: {image: \"a:1\"}}\n");
    project.run(&["init", "--from", "compose.yml", "--driver", "k3s"]).done();
    let app = project.read("kompoxapp.yml");
    let mut ids = app.lines().filter_map(|line| line.split_once("ops.kompox.dev/id: ")).map(|(_, id)| id.trim());
    let id = ids.rfind(|id| id.contains("/app/")).unwrap();
    let of_it = format!(
        "---\napiVersion: ops.kompox.dev/v1alpha1\nkind: Box\n\
         metadata: {{name: a, annotations: {{ops.kompox.dev/id: {id}/box/a}}}}\nspec: {{}}\n"
    );
    project.write("kompoxapp.yml", &format!("{app}{of_it}"));
    project.run(&["apply", "--auto-approve"]).done();
    project.write("kompoxapp.yml", &app);
    codes(&project, &[])
}

#[test]
fn each_danger_of_the_list_is_shown_by_a_plan() {
    let seen = std::thread::scope(|scope| {
        let runs = [of_an_app as fn() -> Vec<String>, of_a_cluster, of_shares, of_a_copy, of_a_box];
        let runs = runs.map(|run| scope.spawn(run));
        runs.into_iter().flat_map(|run| run.join().unwrap()).collect::<BTreeSet<String>>()
    });
    let seen: BTreeSet<&str> = seen.iter().map(String::as_str).collect();
    let listed = listed();
    let missing: Vec<_> = listed.difference(&seen).filter(|code| !ELSEWHERE.contains(code)).collect();
    assert!(missing.is_empty(), "no plan shows {missing:?}; seen: {seen:?}");
    assert_eq!(seen.difference(&listed).count(), 0, "not in the list: {seen:?}");
}
