//! A state that was lost is made again from the manifests and what exists.

use std::path::Path;

use serde_json::Value;

use crate::disks::OUTSIDE;
use crate::harness::cloud::Cloud;
use crate::harness::project::Project;

/// Applies a project, loses its state, makes it again, and gives what was said of it. The plan after it is empty, and what the
/// state knows is what it knew, but for what nobody can know any more.
fn lost_and_found(project: &Project) -> Value {
    project.run(&["apply", "--auto-approve"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
    let before = records(project);
    let lineage = lineage(project);
    lose(project);
    let told = project.run(&["--json", "state", "rebuild", "--auto-approve"]).done().json();
    let again = project.run(&["plan", "--detailed-exitcode"]).done();
    assert!(again.stdout.starts_with("No changes."), "{}", again.stdout);
    assert_eq!(records(project), before);
    assert_eq!(lineage_of(&told), lineage);
    assert_eq!((&told["next_plan"], told["differing"].as_array().map(Vec::len)), (&0.into(), Some(0)), "{told:#}");
    assert!(!project.root().join(".kompox/state/rebuild.db").exists());
    told
}

fn lose(project: &Project) {
    std::fs::remove_dir_all(project.root().join(".kompox/state")).unwrap();
}

/// Addresses and ids; none where nobody knows which.
fn records(project: &Project) -> Vec<(String, String)> {
    let list = project.run(&["state", "list", "--json"]).done().json();
    let text = |record: &Value, key: &str| record[key].as_str().unwrap_or_default().to_owned();
    list.as_array().unwrap().iter().map(|record| (text(record, "address"), text(record, "id"))).collect()
}

fn lineage(project: &Project) -> String {
    let tags = project
        .inspect()
        .into_iter()
        .find_map(|object| Some(object["object"]["tags"]["kompox-lineage"].as_str()?.to_owned()));
    tags.unwrap_or_else(|| {
        let marked = project.inspect().into_iter().find_map(|object| {
            Some(object["object"]["metadata"]["annotations"]["kompox.dev/lineage"].as_str()?.to_owned())
        });
        marked.expect("something carries a lineage")
    })
}

fn lineage_of(told: &Value) -> String {
    told["lineage"].as_str().unwrap().to_owned()
}

#[test]
fn every_example_is_found_again() {
    for example in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap() {
        let example = example.unwrap().path();
        if !example.join("kompoxapp.yml").exists() {
            continue;
        }
        println!("{}", example.display());
        // What is below the project's folder is read, too: an example with several projects has them there.
        let told = lost_and_found(&Project::copy_of(&example));
        assert_eq!(told["left"], Value::Array(Vec::new()), "{told:#}");
    }
}

#[test]
fn an_app_on_a_cluster_that_is_there_is_found_again() {
    let project = Project::empty("wiki");
    project.write("compose.yml", "services: {web: {image: \"nginx:1\", ports: [\"8080:80\"]}}\n");
    project.run(&["init", "--from", "compose.yml", "--driver", "k3s"]).done();
    lost_and_found(&project);
}

const DISK: &str = "disk/default";

fn refuses(project: &Project, command: &[&str], parts: &[&str]) {
    let refused = project.run(command).exits(1).errors();
    parts.iter().for_each(|part| assert!(refused.contains(part), "{part} is not in: {refused}"));
}

/// What only the lost state knew holds until the manifests say otherwise, and what was lost is told.
#[test]
fn what_nobody_knows_any_more_counts_as_full_protection() {
    let project = Project::gitea();
    let told = lost_and_found(&project);
    let assumed = |address: &str| {
        let all = told["assumed"].as_array().unwrap().iter();
        let found =
            all.filter(|one| one["address"].as_str().unwrap().ends_with(address)).map(|one| one["protection"].clone());
        found.collect::<Vec<_>>()
    };
    assert_eq!(assumed(DISK), [serde_json::json!(["preventDestroy", "adopted"])]);
    assert_eq!(assumed("cluster/cluster1"), [serde_json::json!(["preventDestroy", "readOnly", "adopted"])]);
    refuses(&project, &["destroy", "--auto-approve"], &["error[protected]", "preventDestroy: false"]);
    let disk = project.disks().remove(0);

    // An explicit word, applied, lifts it; what was not known to be made by kompox stays for ever.
    lift(&project);
    project.run(&["apply", "--auto-approve"]).done();
    project.run(&["destroy", "--auto-approve"]).done();
    let left = project.ids();
    assert!(left.contains(&disk), "its deletionPolicy is Orphan");
    assert!(left.iter().any(|id| id.ends_with("/managedClusters/k4x-50vf7y-cluster1")), "{left:?}");
}

/// Says outright that nothing is protected.
fn lift(project: &Project) {
    project.edit("kompoxapp.yml", "  compose:", "  lifecycle: {preventDestroy: false}\n  compose:");
    let none = "  existing: false\n  protection: {provisioning: none, installation: none}";
    project.edit("kompoxapp.yml", "  existing: false", none);
}

/// The example with a disk that may be deleted, and what asks for that.
fn with_a_disk_that_may_go() -> (Project, [&'static str; 4]) {
    let project = Project::gitea();
    project.edit("kompoxapp.yml", "      size: 10Gi\n", "      size: 10Gi\n      deletionPolicy: Delete\n");
    (project, ["destroy", "--auto-approve", "--allow-data-loss", DISK])
}

/// A disk that lies where kompox makes its own may have been imported all the same. Only the lost state knew, so it is not deleted,
/// whatever is allowed, until somebody imports it once more.
#[test]
fn a_disk_of_which_nobody_knows_who_made_it_is_never_deleted() {
    let (project, destroy) = with_a_disk_that_may_go();
    project.run(&["apply", "--auto-approve"]).done();
    lose(&project);
    let told = project.run(&["state", "rebuild", "--auto-approve"]).done();
    let title = "Only the lost state knew whether kompox made these; they are never deleted, only forgotten:\n";
    let listed = told.stdout.split_once(title).unwrap().1.lines().take_while(|line| !line.is_empty());
    assert!(listed.into_iter().any(|line| line.ends_with(DISK)), "{}", told.stdout);
    lift(&project);
    // Each apply keeps it so.
    project.edit("compose.yml", "postgres:17", "postgres:17.1");
    project.run(&["apply", "--auto-approve"]).done();
    let disks = project.disks();
    project.run(&destroy).done().says(&["only a lost state knew whether kompox made it: the object is kept"]);
    assert_eq!(project.disks(), disks);

    project.run(&["import", DISK, &disks[0]]).done();
    project.run(&["apply", "--auto-approve"]).done();
    project.run(&destroy).done();
    assert_eq!(project.disks(), [] as [&str; 0], "somebody said that it is this project's");
}

/// A disk that a command imported lies elsewhere. It is found by its tags, and as kompox makes none there, it is an imported one.
#[test]
fn a_disk_that_was_imported_by_a_command_is_found_where_it_is() {
    let (project, destroy) = with_a_disk_that_may_go();
    let served = Cloud::start(&project, &project.root().join("cloud"));
    served.make_disk(OUTSIDE, "1");
    let run = |arguments: &[&str]| project.run(&[&["--sandbox-endpoint", &served.endpoint], arguments].concat());
    run(&["import", DISK, OUTSIDE]).done();
    run(&["apply", "--auto-approve"]).done();
    lose(&project);
    let told = run(&["--json", "state", "rebuild", "--auto-approve"]).done().json();
    assert_eq!((&told["missing"], &told["next_plan"]), (&serde_json::json!([]), &0.into()), "{told:#}");
    let plan = run(&["plan", "--detailed-exitcode"]).done();
    assert!(plan.stdout.starts_with("No changes."), "{}", plan.stdout);
    run(&["state", "show", DISK]).done().says(&[OUTSIDE, "adopted: true"]);
    lift(&project);
    run(&["apply", "--auto-approve"]).done();
    run(&destroy)
        .done()
        .says(&["disk/default  kompox did not make it: the object is kept", &format!("kept: {OUTSIDE}")]);
    assert_eq!(served.arm("GET", OUTSIDE, &Value::Null).status, 200);
}

/// One that the manifests do not look for is told at least, wherever it is.
#[test]
fn data_with_the_mark_is_told_wherever_it_is() {
    let project = Project::gitea();
    let served = Cloud::start(&project, &project.root().join("cloud"));
    let run = |arguments: &[&str]| project.run(&[&["--sandbox-endpoint", &served.endpoint], arguments].concat());
    run(&["apply", "--auto-approve"]).done();
    served.make_disk(OUTSIDE, "1");
    let lineage = run(&["state", "verify", "--json"]).done().json()["lineage"].as_str().unwrap().to_owned();
    served.arm("PATCH", OUTSIDE, &serde_json::json!({"tags": {"kompox-lineage": lineage}})).json();
    lose(&project);
    let told = run(&["--json", "state", "rebuild", "--auto-approve"]).done().json();
    let left = told["left"].as_array().unwrap();
    assert!(left.iter().any(|left| left["id"].as_str().unwrap().eq_ignore_ascii_case(OUTSIDE)), "{told:#}");
}

/// Another project's objects, and those of nobody, are left where they are and told.
#[test]
fn what_is_not_of_this_state_is_told_and_left() {
    let project = Project::gitea();
    project.run(&["apply", "--auto-approve"]).done();
    let lineage = lineage(&project);
    lose(&project);
    // As a command does that comes before anybody has noticed.
    project.run(&["plan"]).exits(1).says(&["state rebuild"]);
    refuses(&project, &["state", "rebuild"], &["there is nobody to ask", "--auto-approve"]);
    let disk = project.disks().remove(0);
    {
        let served = Cloud::beside(&project);
        let mut tags = served.arm("GET", &disk, &Value::Null).json()["tags"].take();
        tags["kompox-lineage"] = "11111111-1111-4111-8111-111111111111".into();
        served.arm("PATCH", &disk, &serde_json::json!({"tags": tags})).json();
        let group = disk.split("/providers/").next().unwrap().replace("_app_", "_gone_");
        let marked = serde_json::json!({"location": "eastus", "tags": {"kompox-lineage": lineage}});
        served.make(&group, &marked);
    }
    // Whose it is has to be said.
    refuses(
        &project,
        &["state", "rebuild", "--auto-approve"],
        &["marks of several states", &format!("--lineage {lineage}")],
    );
    let told = project.run(&["--json", "state", "rebuild", "--auto-approve", "--lineage", &lineage]).done().json();
    let left: Vec<&str> = told["left"].as_array().unwrap().iter().map(|left| left["why"].as_str().unwrap()).collect();
    assert!(left.iter().any(|why| why.starts_with("it carries the mark of another state")), "{told:#}");
    assert!(left.iter().any(|why| why.ends_with("no manifest names it")), "{told:#}");
    assert!(!records(&project).iter().any(|(_, id)| *id == disk));
    refuses(&project, &["apply", "--auto-approve"], &["is not ours", "import /ws/", &disk]);
    refuses(&project, &["state", "rebuild", "--auto-approve"], &["only where there is none"]);
}

/// What the manifests say now is no part of what was: the next plan shows it.
#[test]
fn what_was_changed_since_is_shown_by_the_next_plan() {
    let project = Project::gitea_applied();
    lose(&project);
    project.edit("compose.yml", "postgres:17", "postgres:17.1");
    let told = project.run(&["state", "rebuild", "--auto-approve"]).done();
    assert!(told.stdout.contains("Not as the manifests say now:") && told.stdout.contains("Deployment/app1-app"));
    let plan = project.run(&["plan", "--detailed-exitcode"]).exits(2);
    assert!(
        plan.stdout.contains("postgres:17.1") && plan.stdout.contains("0 to create, 1 to update"),
        "{}",
        plan.stdout
    );
}

#[test]
fn nothing_that_exists_is_no_state() {
    let project = Project::gitea();
    refuses(&project, &["state", "rebuild", "--auto-approve"], &["nothing that the manifests name exists"]);
    assert!(!project.root().join(".kompox/state/sandbox.db").exists());
}

#[test]
fn a_project_that_uses_everything_is_found_again() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/render/everything"));
    lost_and_found(&Project::copy_of(folder));
}
