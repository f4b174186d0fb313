//! What a reviewer must see first: data that would be left behind, what goes, what is opened, what may do more; and that
//! every command that is offered works as it is printed.

use insta::assert_snapshot;
use serde_json::Value;

use crate::harness::project::Project;
use crate::harness::run::Finished;

const FRAME: &str = r#"apiVersion: ops.kompox.dev/v1alpha1
kind: Workspace
metadata: {name: w, annotations: {ops.kompox.dev/id: /ws/w}}
spec: {}
---
apiVersion: ops.kompox.dev/v1alpha1
kind: Provider
metadata: {name: p, annotations: {ops.kompox.dev/id: /ws/w/prv/p}}
spec:
  driver: aks
  settings:
    AZURE_AUTH_METHOD: azure_cli
    AZURE_SUBSCRIPTION_ID: 11111111-2222-3333-4444-555555555555
    AZURE_LOCATION: eastus
---
apiVersion: ops.kompox.dev/v1alpha1
kind: Cluster
metadata: {name: c, annotations: {ops.kompox.dev/id: /ws/w/prv/p/cls/c}}
spec:
  ingress: {domain: c.example.com, certEmail: a@example.com, certResolver: staging}
  settings: {AZURE_AKS_USER_VM_PRIORITY: Regular, AZURE_AKS_USER_VM_ZONES: 1}
"#;

/// An app of this name with the lines of its spec.
fn app(name: &str, spec: &str) -> String {
    let id = format!("/ws/w/prv/p/cls/c/app/{name}");
    format!(
        "---\napiVersion: ops.kompox.dev/v1alpha1\nkind: App\n\
         metadata: {{name: {name}, annotations: {{ops.kompox.dev/id: {id}}}}}\nspec:\n  deployment: {{zone: \"1\"}}\n{spec}"
    )
}

const DISK: &str = "  compose: file:compose.yml\n  volumes: [{name: default, size: 10Gi}]\n";
const COMPOSE: &str = "services:\n  web:\n    image: nginx:1.27\n    volumes: [\"./data:/data\"]\n";

/// A project with one app.
fn small(spec: &str, compose: &str) -> Project {
    let project = Project::empty("small");
    project.write(".kompox/config.yml", "version: 1\n");
    project.write("kompoxapp.yml", &format!("{FRAME}{}", app("a", spec)));
    project.write("compose.yml", compose);
    project
}

fn applied(spec: &str, compose: &str) -> Project {
    let project = small(spec, compose);
    project.run(&["apply", "--auto-approve"]).done();
    project
}

/// The dangers of a plan as `code: text`.
fn dangers(project: &Project, arguments: &[&str]) -> Vec<String> {
    said(&project.run(&[&["plan", "--json"], arguments].concat()).done().json(), "dangers")
}

fn said(plan: &Value, what: &str) -> Vec<String> {
    let list = plan[what].as_array().unwrap().iter();
    list.map(|one| format!("{}: {}", one["code"].as_str().unwrap(), one["text"].as_str().unwrap())).collect()
}

/// The words of a line as a shell splits them; only blanks and single quotes mean anything in what is printed.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            '\'' => (quoted, begun) = (!quoted, true),
            ' ' if !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    words.extend(begun.then_some(word));
    words
}

/// Every command that was printed to be typed: from `kompox` to the end of the line, or of what is in backticks.
fn commands(finished: &Finished) -> Vec<Vec<String>> {
    let text = format!("{}\n{}", finished.stdout, finished.stderr);
    let command = |line: &str| {
        let (before, after) = line.split_once("kompox ")?;
        let typed = before.is_empty() || before.ends_with([' ', '`', '(']);
        let end = if before.ends_with('`') { after.find('`') } else { None };
        let known = ["plan", "apply", "import", "state", "destroy", "show", "--", "-C", "-A"];
        let words = words(&after[..end.unwrap_or(after.len())]);
        (typed && words.first().is_some_and(|first| known.iter().any(|word| first.starts_with(word)))).then_some(words)
    };
    text.lines().filter_map(command).collect()
}

/// Runs the printed command that holds this, as it was printed.
#[track_caller]
pub(super) fn type_printed(project: &Project, finished: &Finished, holding: &str) -> Finished {
    let all = commands(finished);
    let found = all.iter().find(|words| words.join(" ").contains(holding));
    let found = found.unwrap_or_else(|| panic!("{holding} is not among {all:?}"));
    project.run_as_is(&found.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn manifests_that_were_not_found_remove_nothing() {
    let project = applied(DISK, COMPOSE);
    let before = project.ids();
    let manifest = project.read("kompoxapp.yml");
    let refused = |arguments: &[&str], why: &str| {
        for command in [&["apply", "--auto-approve"][..], &["plan"]] {
            let errors = project.run(&[command, arguments].concat()).exits(1).errors();
            assert!(errors.contains(why) && errors.contains("--sandbox destroy"), "{why}: {errors}");
            assert!(errors.contains("destroy"), "{errors}");
        }
        assert_eq!(project.ids(), before);
    };
    std::fs::rename(project.root().join("kompoxapp.yml"), project.root().join("kompoxapp.yaml")).unwrap();
    refused(&[], "kompoxapp.yaml is not read: rename it to kompoxapp.yml");
    // Named outright it is read.
    project.run(&["--kom-app", "kompoxapp.yaml", "plan", "--detailed-exitcode"]).done();
    project.write("kompoxapp.yml", "");
    refused(&[], "the manifests name no App and no Cluster");
    // Only what is above them is left.
    project
        .write("kompoxapp.yml", FRAME.split("---\napiVersion: ops.kompox.dev/v1alpha1\nkind: Cluster").next().unwrap());
    refused(&[], "the manifests name no App and no Cluster");
    // Another project's file.
    project.write("other.yml", &manifest.replace("/prv/p", "/prv/q").replace("name: p,", "name: q,"));
    refused(&["--kom-app", "other.yml"], "the manifests name nothing that the state knows");
    // The cluster is found in a folder, the app file is not.
    std::fs::remove_file(project.root().join("kompoxapp.yml")).unwrap();
    project.write(".kompox/kom/cluster.yml", FRAME);
    refused(&[], "kompoxapp.yml is not there");
    std::fs::remove_file(project.root().join(".kompox/kom/cluster.yml")).unwrap();
    std::fs::remove_file(project.root().join("kompoxapp.yaml")).unwrap();
    // `destroy` is how one means it.
    project.run(&["destroy", "--auto-approve"]).done();
    project.write("kompoxapp.yml", &manifest);
}

#[test]
fn what_goes_is_a_danger_for_each_app_and_cluster() {
    let project = applied(DISK, COMPOSE);
    let codes = |arguments: &[&str]| -> Vec<String> {
        let all = dangers(&project, arguments);
        all.iter().map(|danger| danger.split(':').next().unwrap().to_owned()).collect()
    };
    assert_eq!(codes(&["--destroy"]), ["namespace-deleted", "namespace-deleted", "cluster-deleted", "group-deleted"]);
    assert_eq!(codes(&["--destroy", "--target", "Deployment/a-app"]), ["workload-deleted"]);
    assert_eq!(codes(&["--destroy", "--target", "node-pool/npuser1"]).last().unwrap(), "pool-deleted");
    // The app is no longer mentioned, its cluster stays.
    project.write("kompoxapp.yml", FRAME);
    let plan = project.run(&["plan", "--format", "markdown"]).done();
    assert!(
        plan.stdout
            .contains("> [!CAUTION]\n> - <code>Namespace/a</code> (<code>k4x-4atij3-a-3098ts</code>): is deleted"),
        "{}",
        plan.stdout
    );
    assert_eq!(codes(&[]), ["namespace-deleted"]);
}

#[test]
fn a_renamed_volume_starts_empty_unless_its_data_is_carried_over() {
    for kind in ["disk", "files"] {
        let spec = format!("  compose: file:compose.yml\n  volumes: [{{name: default, size: 10Gi, type: {kind}}}]\n");
        let project = applied(&spec, COMPOSE);
        let (word, data) = if kind == "disk" { ("disk", "/disks/") } else { ("share", "/shares/") };
        let ids =
            |project: &Project| -> Vec<String> { project.ids().into_iter().filter(|id| id.contains(data)).collect() };
        let before = ids(&project);
        project.edit("kompoxapp.yml", "name: default", "name: store");
        // A bind mount belongs to the volume of its app, whatever its name.
        let plan = project.run(&["plan"]).done();
        let text = format!(
            "starts-empty: starts without its data: /data (web) moves from {word}/default to the new, empty {word}/store"
        );
        assert_eq!(dangers(&project, &[]), [text]);
        let moved = type_printed(&project, &plan, "state mv").done();
        assert_eq!(
            moved.stderr,
            format!("Moved: /ws/w/prv/p/app/a/{word}/default -> /ws/w/prv/p/app/a/{word}/store\n")
        );
        assert_eq!(dangers(&project, &[]), [""; 0]);
        project.run(&["apply", "--auto-approve"]).done();
        assert_eq!(ids(&project), before);
        project.run(&["plan", "--detailed-exitcode"]).done();
    }
}

/// Whatever the state still knows of who used a disk.
#[test]
fn data_out_of_sight_is_a_danger_without_a_record_of_its_workload() {
    let project = applied(DISK, COMPOSE);
    let manifest = project.read("kompoxapp.yml");
    project.write("compose.yml", &COMPOSE.replace("    volumes:", "    tmpfs: [/data/db]\n    volumes:"));
    assert_eq!(
        dangers(&project, &[]),
        [
            "starts-empty: starts without its data: /data/db (web) is hidden by what is mounted over it; what is written there no longer reaches disk/default"
        ]
    );
    project.write("compose.yml", COMPOSE);
    // Under another name, without a word.
    project.write("kompoxapp.yml", &format!("{FRAME}{}", app("b", DISK)));
    let found = dangers(&project, &[]);
    assert_eq!(
        found[0].split(" (/subscriptions").next().unwrap(),
        "starts-empty: Deployment/b-app starts without its data: this one is new and empty; this plan lets go of /ws/w/prv/p/app/a/disk/default"
    );
    // The line, as it is printed.
    let plan = project.run(&["plan"]).done();
    let line = plan.stdout.lines().find(|line| line.contains("ops.kompox.dev/moved-from: ")).unwrap().trim();
    assert_eq!(line, "ops.kompox.dev/moved-from: /ws/w/prv/p/cls/c/app/a");
    let id = "annotations: {ops.kompox.dev/id: /ws/w/prv/p/cls/c/app/b";
    project.edit("kompoxapp.yml", id, &format!("{id}, {line}"));
    let text = dangers(&project, &[]).join("\n");
    assert!(!text.contains("starts-empty"), "{text}");
    // Renamed, it looks for its data where it did; elsewhere is a danger as it is without the rename.
    project.write("compose.yml", &COMPOSE.replace("./data:", "./data2:"));
    let text = dangers(&project, &[]).join("\n");
    assert!(text.contains("/data (web) moves from the folder data of disk/default to the folder data2"), "{text}");
    // The state forgot the workload: it is asked where it works, and then it is gone.
    project.write("kompoxapp.yml", &manifest);
    project.run(&["state", "rm", "Deployment/a-app"]).done();
    project.write("compose.yml", &COMPOSE.replace("./data:", "./data2:"));
    let text = dangers(&project, &[]).join("\n");
    assert!(text.contains("/data (web) moves from the folder data of disk/default to the folder data2"), "{text}");
    project.edit("kompoxapp.yml", "name: default", "name: data");
    let text = dangers(&project, &[]).join("\n");
    assert!(text.starts_with("starts-empty: ") && !text.contains('\n'), "{text}");
    assert!(text.contains("/data (web) moves from disk/default to the new, empty disk/data"), "{text}");
}

#[test]
fn the_data_of_a_service_that_ends_is_data_too() {
    let job = "services:\n  web: {image: \"nginx:1.27\"}\n  load:\n    image: load:1\n    restart: on-failure\n    volumes: [\"./data:/data\"]\n";
    let project = applied(DISK, job);
    for (from, to) in [("./data:", "./data2:"), ("restart: on-failure", "restart: always")] {
        project.edit("compose.yml", from, to);
        let text = dangers(&project, &[]).join("\n");
        assert!(text.contains("/data (load) moves from the folder data of disk/default to the folder data2"), "{text}");
    }
}

#[test]
fn a_path_that_finds_another_folder_starts_empty() {
    let two = "services:\n  web:\n    image: nginx:1.27\n    volumes: [\"./data:/data\", \"./conf:/conf\"]\n";
    let project = applied(DISK, two);
    let with = |compose: &str| {
        project.write("compose.yml", compose);
        dangers(&project, &[])
    };
    assert_eq!(
        with(&two.replace("./data:/data", "./pg:/data")),
        [
            "starts-empty: starts without its data: /data (web) moves from the folder data of disk/default to the folder pg, which is empty unless somebody filled it"
        ]
    );
    // Something else is mounted over a part of it.
    assert_eq!(
        with(&two.replace("\"./conf:/conf\"", "\"./conf:/conf\", \"./more:/data/sub\"")),
        [
            "starts-empty: starts without its data: /data/sub (web) moves from the folder data/sub of disk/default to the folder more, which is empty unless somebody filled it"
        ]
    );
    // It is no longer mounted.
    assert_eq!(
        with(&two.replace("\"./data:/data\", ", "")),
        [
            "starts-empty: starts without its data: /data (web) is no longer on disk/default; what is written there is lost with the Pod"
        ]
    );
    // The service has another name and finds another folder.
    let renamed = two.replace("  web:", "  site:");
    assert_eq!(
        with(&renamed.replace("./data:/data", "./pg:/data")),
        [
            "starts-empty: starts without its data: /data (web) moves from the folder data of disk/default to the folder pg, which is empty unless somebody filled it"
        ]
    );
    // The same data under another name, at one more place, or of a service that goes, is none.
    assert_eq!(with(&renamed), [""; 0]);
    assert_eq!(with(&two.replace("\"./conf:/conf\"", "\"./conf:/conf\", \"./new:/new\"")), [""; 0]);
    assert_eq!(with("services: {other: {image: \"nginx:1.27\"}}\n"), [""; 0]);
    assert_eq!(with(two), [""; 0]);
}

/// Compose files as they were printed to be written, in their order.
fn printed_files(plan: &Finished) -> Vec<String> {
    let mut files: Vec<String> = Vec::new();
    let mut open = false;
    for line in plan.stdout.lines().map(|line| line.strip_prefix("        ").unwrap_or("")) {
        if line == "services:" {
            files.push(String::new());
            open = true;
        }
        open &= line == "services:" || line.starts_with("  ");
        if let Some(file) = files.last_mut().filter(|_| open) {
            file.push_str(&format!("{line}\n"));
        }
    }
    files
}

/// The app with one more compose file, as `docs/plan.md` says it is named.
fn with_printed(project: &Project, file: &str) {
    project.write("carry-over.yml", file);
    project.edit(
        "kompoxapp.yml",
        "compose: file:compose.yml",
        "compose: [\"file:compose.yml\", \"file:carry-over.yml\"]",
    );
}

/// What the container that carries data over does to these folders, by a real shell.
fn carried_out(project: &Project, root: &std::path::Path) -> std::process::Output {
    let pod = project.object("/deployments/a-app")["spec"]["template"]["spec"].clone();
    let first: Vec<&Value> = pod["initContainers"].as_array().unwrap().iter().collect();
    assert_eq!(first.last().unwrap()["name"], "carry-over", "after the folders are made: {first:?}");
    let mut words =
        ["command", "args"].into_iter().flat_map(|key| first.last().unwrap()[key].as_array().into_iter().flatten());
    let words: Vec<&str> = words.by_ref().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(words[..2], ["sh", "-ec"]);
    let there = |name: &str| format!("{}/{name}/", root.display());
    let script = words[2].replace("/to/", &there("to")).replace("/from/", &there("from"));
    std::process::Command::new("sh").args(["-ec", &script]).output().unwrap()
}

#[test]
fn a_moved_folder_goes_on_with_its_data_by_the_lines_that_are_printed() {
    let project = applied(DISK, COMPOSE);
    project.edit("compose.yml", "./data:/data", "./it's $$ new:/data");
    let plan = project.run(&["plan"]).done();
    let dangers_of = plan.stdout.split("\n\n").next().unwrap().to_owned();
    assert_snapshot!(dangers_of, @r#"
    Dangers:
      ! /ws/w/prv/p/cls/c/app/a/Deployment/a-app: starts without its data: /data (web) moves from the folder data of disk/default to the folder it's $ new, which is empty unless somebody filled it
            nothing is deleted; to go on with the data:
            where it is: these lines in the compose file, or in one more that the App names behind it (docs/plan.md):
            services:
              web:
                volumes: ["default/data:/data"]
            or where the app will look: these lines for this one apply, without them from the next on:
            services:
              carry-over:
                image: busybox:1.36
                command: [sh, -ec, "if [ -e /to/default/data ]; then rmdir '/to/default/it'\\''s $$ new'; mv /to/default/data '/to/default/it'\\''s $$ new'; fi"]
                volumes: ["default:/to/default"]
              web:
                depends_on: {carry-over: {condition: service_completed_successfully}}
    "#);
    let files = printed_files(&plan);
    // Where it is.
    with_printed(&project, &files[0]);
    project.run(&["validate", "--strict"]).done();
    assert_eq!(dangers(&project, &[]), [""; 0]);
    project.run(&["plan", "--detailed-exitcode"]).done();
    // Where the app will look.
    project.write("carry-over.yml", &files[1]);
    project.run(&["validate", "--strict"]).done();
    project.run(&["apply", "--auto-approve"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join("to/default").join(path);
    let make = |path: &str| std::fs::create_dir_all(at(path)).unwrap();
    make("data");
    std::fs::write(at("data/rows"), "1").unwrap();
    // The container before it makes the folder anew each time.
    for _ in 0..2 {
        make("it's $ new");
        assert!(carried_out(&project, root.path()).status.success());
        assert_eq!(std::fs::read_to_string(at("it's $ new/rows")).unwrap(), "1");
        assert!(!at("data").exists());
    }
    // What is not empty stays as it is, and so does the old folder.
    make("data");
    assert!(!carried_out(&project, root.path()).status.success());
    assert!(at("data").exists() && at("it's $ new/rows").exists());
    // Without the lines from the next apply on.
    project.edit("kompoxapp.yml", "[\"file:compose.yml\", \"file:carry-over.yml\"]", "file:compose.yml");
    assert_eq!(dangers(&project, &[]), [""; 0]);
    project.run(&["apply", "--auto-approve"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn a_folder_that_others_use_is_not_taken_from_them() {
    let two = "services:\n  web:\n    image: nginx:1.27\n    volumes: [\"./data:/data\"]\n  job:\n    image: nginx:1.27\n    \
               volumes: [\"./data:/data\"]\n";
    let project = applied(DISK, two);
    for (from, to) in [("./data:/data", "./pg:/data"), ("./pg:/data", "./data/in:/data")] {
        project.write("compose.yml", &project.read("compose.yml").replacen(from, to, 1));
        let files = printed_files(&project.run(&["plan"]).done());
        assert_eq!(files, ["services:\n  web:\n    volumes: [\"default/data:/data\"]\n"]);
    }
}

#[test]
fn data_is_copied_to_another_volume_by_the_lines_that_are_printed() {
    let volumes = DISK.replace("]\n", ", {name: store, size: 10Gi}]\n");
    for (old, new) in [("default/data", "store/pg"), ("default", "store")] {
        let project = applied(DISK, &COMPOSE.replace("./data", old));
        project.write("kompoxapp.yml", &format!("{FRAME}{}", app("a", &volumes)));
        project.write("compose.yml", &COMPOSE.replace("./data", new));
        let plan = project.run(&["plan"]).done();
        let files = printed_files(&plan);
        assert_eq!(files.len(), 2, "{}", plan.stdout);
        with_printed(&project, &files[0]);
        project.run(&["validate", "--strict"]).done();
        assert_eq!(dangers(&project, &[]), [""; 0]);
        project.write("carry-over.yml", &files[1]);
        project.run(&["validate", "--strict"]).done();
        project.run(&["apply", "--auto-approve"]).done();
        project.run(&["plan", "--detailed-exitcode"]).done();
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from").join(old), root.path().join("to").join(new));
        for folder in [&from, &to] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(from.join("rows"), "1").unwrap();
        assert!(carried_out(&project, root.path()).status.success());
        assert_eq!(std::fs::read_to_string(to.join("rows")).unwrap(), "1");
        // What the app has done since is not undone by another start.
        std::fs::write(to.join("rows"), "2").unwrap();
        assert!(carried_out(&project, root.path()).status.success());
        assert_eq!(std::fs::read_to_string(to.join("rows")).unwrap(), "2");
        assert_eq!(std::fs::read_to_string(from.join("rows")).unwrap(), "1");
    }
}

#[test]
fn a_mount_that_was_taken_away_comes_back_by_the_lines_that_are_printed() {
    let project = applied(DISK, COMPOSE);
    project.write("compose.yml", "services:\n  web:\n    image: nginx:1.27\n");
    let files = printed_files(&project.run(&["plan"]).done());
    with_printed(&project, &files[0]);
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn an_empty_disk_of_a_volume_is_made_from_the_one_before_by_the_line_that_is_printed() {
    let spec = |disks: &str, assigned: &str| {
        let disks = format!("      disks:\n{disks}      assigned: {assigned}\n");
        format!(
            "{FRAME}{}",
            app(
                "a",
                &format!("  compose: file:compose.yml\n  volumes:\n    - name: default\n      size: 10Gi\n{disks}")
            )
        )
    };
    let blue = "      - {name: blue}\n";
    let project = applied(DISK, COMPOSE);
    project.run(&["destroy", "--auto-approve"]).done();
    project.write("kompoxapp.yml", &spec(blue, "blue"));
    project.run(&["apply", "--auto-approve"]).done();
    project.write("kompoxapp.yml", &spec(&format!("{blue}      - {{name: green}}\n"), "green"));
    let plan = project.run(&["plan"]).done();
    let line = plan.stdout.lines().find_map(|line| line.find("- {name: green, source:").map(|at| &line[at..])).unwrap();
    project.write("kompoxapp.yml", &spec(&format!("{blue}      {line}\n"), "green"));
    assert_eq!(
        dangers(&project, &[]),
        ["older-data: /data (web) goes on with the new copy disk/default.green: it lacks what is written to \
          disk/default.blue after it is made"]
    );
    let plan = project.run(&["plan"]).done();
    let stop = commands(&plan).into_iter().find(|words| words.iter().any(|word| word == "destroy")).unwrap();
    let stop: Vec<&str> = stop.iter().map(String::as_str).chain(["--auto-approve"]).collect();
    project.run_as_is(&stop).done();
    assert_eq!(dangers(&project, &[]), [""; 0]);
    project.run(&["apply", "--auto-approve"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn a_database_of_another_major_version_is_a_note() {
    let compose =
        "services:\n  db:\n    image: postgres:17-alpine\n    volumes: [\"./data:/var/lib/postgresql/data\"]\n";
    let project = applied(DISK, compose);
    let notes = |image: &str| {
        project.write("compose.yml", &compose.replace("postgres:17-alpine", image));
        said(&project.run(&["plan", "--json"]).done().json(), "notes")
    };
    assert_eq!(notes("postgres:17.4"), [""; 0]);
    assert_eq!(
        notes("docker.io/library/postgres:18"),
        [
            "data-version: db changes from postgres 17 to postgres 18, which may not read the data, and there is no way back once it has written"
        ]
    );
}

#[test]
fn protection_that_is_lifted_is_a_danger() {
    let spec = DISK.replace("{name", "{deletionPolicy: Orphan, name");
    let project = applied(&spec, COMPOSE);
    project.edit("kompoxapp.yml", "deletionPolicy: Orphan", "deletionPolicy: Delete");
    let text =
        "deletion-policy: deletionPolicy: Orphan → Delete: once it is no longer wanted, it is deleted with its data";
    assert_eq!(dangers(&project, &[]), [text]);
    // Also where the object changes in the same plan.
    project.edit("kompoxapp.yml", "size: 10Gi", "size: 12Gi");
    assert_eq!(dangers(&project, &[]), [text]);
    let plan = project.run(&["plan", "--format", "markdown"]).done();
    assert!(
        plan.stdout.contains("> - <code>disk/default</code> (<code>k4x-4atij3&#95;disk")
            && plan.stdout.contains("</code>): deletionPolicy: Orphan → Delete"),
        "{}",
        plan.stdout
    );

    let spec = format!("{DISK}  lifecycle: {{preventDestroy: true}}\n");
    let project = applied(&spec, COMPOSE);
    project.edit("kompoxapp.yml", "preventDestroy: true", "preventDestroy: false");
    let lifted = dangers(&project, &[]);
    assert!(
        lifted.iter().all(|danger| danger.starts_with("protection-lifted: its protection is lifted (preventDestroy)"))
    );
    assert!(!lifted.is_empty());
}

#[test]
fn what_may_do_more_than_a_container_should_is_a_danger() {
    let compose = "services:\n  web:\n    image: nginx:1.27\n";
    let project = applied("  compose: file:compose.yml\n", compose);
    let with = |lines: &str| {
        project.write("compose.yml", &format!("{compose}{lines}"));
        dangers(&project, &[])
    };
    let danger = |what: &str| {
        format!("privileged: may do more than a container should, up to taking over its node: web: {what}")
    };
    assert_eq!(with("    privileged: true\n"), [danger("privileged")]);
    assert_eq!(with("    cap_add: [SYS_ADMIN, CHOWN]\n"), [danger("capability SYS_ADMIN")]);
    assert_eq!(with("    security_opt: [\"seccomp:unconfined\"]\n"), [danger("no seccomp")]);
    assert_eq!(with("    cap_drop: [ALL]\n    cap_add: [NET_BIND_SERVICE]\n"), [""; 0]);
    project.write("compose.yml", &format!("{compose}    privileged: true\n"));
    project.run(&["apply", "--auto-approve"]).done();
    // What was reviewed once is not said again, and less is no danger.
    assert_eq!(with("    privileged: true\n    init: true\n"), [""; 0]);
    assert_eq!(with(""), [""; 0]);
}

#[test]
fn an_app_that_is_opened_to_the_public_is_a_danger_and_a_host_that_goes_is_listed() {
    let spec = "  compose: file:compose.yml\n  ingress: {rules: [{name: main, port: 80, hosts: [x.example.org]}]}\n";
    let compose = "services:\n  web:\n    image: nginx:1.27\n    ports: [\"80:80\"]\n";
    let project = applied("  compose: file:compose.yml\n", &compose.replace("    ports: [\"80:80\"]\n", ""));
    project.write("kompoxapp.yml", &format!("{FRAME}{}", app("a", spec)));
    project.write("compose.yml", compose);
    let opened = dangers(&project, &[]);
    assert!(opened.iter().any(|danger| danger == "opened: opens to the public: x.example.org"), "{opened:?}");
    project.run(&["apply", "--auto-approve"]).done();
    project.edit("kompoxapp.yml", "x.example.org", "y.example.org");
    let plan = project.run(&["plan", "--json"]).done().json();
    assert_eq!(said(&plan, "dangers"), ["opened: opens to the public: y.example.org"]);
    assert_eq!(said(&plan, "notes"), ["host-removed: no longer answers: x.example.org"]);
    project.write("kompoxapp.yml", FRAME);
    let comment = project.run(&["plan", "--format", "markdown"]).done();
    assert!(comment.stdout.contains("no longer answers: x.example.org"), "{}", comment.stdout);
}

#[test]
fn the_address_of_a_move_is_one_of_the_manifests() {
    let project = applied(DISK, COMPOSE);
    let refused = |to: &str| project.run(&["state", "mv", "disk/default", to]).exits(1).errors();
    let records = project.run(&["state", "list"]).done().stdout;
    assert!(refused("disk/store").contains("the manifests still speak of /ws/w/prv/p/app/a/disk/default"));
    project.edit("kompoxapp.yml", "name: default", "name: store");
    for wrong in ["disk/data", "nonsense", "/ws/w/prv/p/app/a/disk/stores", "Deployment/a-app"] {
        let errors = refused(wrong);
        assert!(errors.contains("no address of the manifests for /ws/w/prv/p/app/a/disk/default"), "{errors}");
        assert!(
            errors.contains("the manifests have /ws/w/prv/p/app/a/disk/store, which the state does not know"),
            "{errors}"
        );
    }
    assert_eq!(project.run(&["state", "list"]).done().stdout, records);
    project.run(&["state", "mv", "disk/default", "disk/store"]).done();
    assert_eq!(
        project.run(&["state", "list"]).done().stdout,
        records.replace("app/a/disk/default ", "app/a/disk/store   ")
    );
}

/// Lines that a CI runner would take for commands, by its own rules.
fn run_by_ci(text: &str) -> Vec<String> {
    let lines = text.split(['\n', '\r']).map(str::to_owned);
    lines
        .filter(|line| line.trim_start().starts_with("::") || line.contains("##vso[") || line.contains("##["))
        .collect()
}

#[test]
fn no_line_of_any_output_is_a_command_of_a_ci_runner() {
    let compose = |changed: &str| {
        format!(
            "services:\n  web:\n    image: nginx:1.27\n    command: [\"echo\", \"x\\n::error::c\"]\n    configs: [{{source: c, target: /c}}]\n\
             configs:\n  c:\n    content: |\n      ::stop-commands::x\n      ::add-mask::y\n      {changed}\n      \u{a0}::error file=a::hello\n      a ##vso[task.setvariable]b ##[group]\n"
        )
    };
    let project = applied("  compose: file:compose.yml\n", &compose("a"));
    project.write("compose.yml", &compose("b"));
    for arguments in [
        &["plan"][..],
        &["plan", "--verbose"],
        &["plan", "--format", "markdown"],
        &["plan", "--json"],
        &["plan", "--format", "mermaid"],
        &["render"],
        &["render", "--out-compose", "-"],
        &["compose", "config"],
        &["compose", "config", "--format", "json"],
        &["state", "show", "ConfigMap/a-app--cfg-c"],
        &["apply", "--auto-approve"],
        &["validate"],
    ] {
        let finished = project.run(arguments).done();
        for text in [&finished.stdout, &finished.stderr] {
            assert_eq!(run_by_ci(text), [""; 0], "{arguments:?}");
        }
    }
    // What is printed as data still is the same data.
    let canonical = project.run(&["compose", "config"]).done().stdout;
    project.write("again.yml", &canonical);
    let again = project.run(&["compose", "config", "-f", "again.yml"]).done().stdout;
    assert_eq!(again.replace("name: again", "name: small"), canonical);
    // Errors repeat what is in the file.
    project.write("compose.yml", "services:\n  web:\n    image: nginx\n    \"x\\n::error::y\": 1\n");
    let finished = project.run(&["validate"]).exits(1);
    assert_eq!(run_by_ci(&finished.stderr), [""; 0], "{}", finished.stderr);
}

#[test]
fn printed_commands_have_the_options_of_the_call() {
    let project = applied(DISK, COMPOSE);
    project.edit("compose.yml", "nginx:1.27", "nginx:1.28");
    // From the folder above, with a name of its own for the app file and a selection.
    std::fs::rename(project.root().join("kompoxapp.yml"), project.root().join("other.yml")).unwrap();
    let options = ["-C", "../small", "--kom-app", "other.yml", "-A", "app/a"];
    let plan = project.run(&[&options[..], &["plan", "--out", "my plan.kplan"]].concat()).done();
    let expected = "kompox -C ../small --kom-app other.yml --sandbox -A app/a apply 'my plan.kplan'";
    assert!(plan.stderr.contains(&format!("To do exactly this:  {expected}\n")), "{}", plan.stderr);
    let comment = project.run(&[&options[..], &["show", "my plan.kplan", "--format", "markdown"]].concat()).done();
    let typed = commands(&comment);
    assert!(typed.iter().any(|words| words.contains(&"--expect-digest".to_owned())), "{typed:?}");
    assert!(comment.stdout.contains("it is for the sandbox only"));
    type_printed(&project, &comment, "--expect-digest").done();

    let forgotten = project.run(&[&options[..], &["state", "rm", "disk/default"]].concat()).done();
    type_printed(&project, &forgotten, "import").done();
    project.run(&[&options[..], &["plan", "--detailed-exitcode"]].concat()).done();

    let json = project.run(&[&options[..], &["plan", "--destroy", "--json"]].concat()).done().json();
    let help = json["notes"].to_string();
    assert!(help.contains("kompox -C ../small --kom-app other.yml --sandbox -A app/a import"), "{help}");
}

#[test]
fn a_plan_for_the_sandbox_says_so_and_makes_no_state_elsewhere() {
    let project = small(DISK, COMPOSE);
    project.run(&["plan", "--out", "p.kplan"]).done();
    let refused = project.run_as_is(&["apply", "p.kplan"]).exits(1);
    assert!(refused.stderr.contains("p.kplan was made with --sandbox"), "{}", refused.stderr);
    assert!(!project.root().join(".kompox/state/kompox.db").exists());
    type_printed(&project, &refused, "apply p.kplan").done();
    let shown = project.run_as_is(&["show", "p.kplan"]).done();
    assert!(shown.stderr.contains("Made with --sandbox"), "{}", shown.stderr);
    assert_eq!(project.run_as_is(&["show", "p.kplan", "--json"]).done().json()["sandbox"], true);
    // A state that is not there is not made by the refusal either.
    std::fs::remove_dir_all(project.root().join(".kompox/state")).unwrap();
    let refused = project.run(&["apply", "p.kplan"]).exits(1);
    assert!(refused.stderr.contains("was made for a state that is not here"), "{}", refused.stderr);
    assert!(!project.root().join(".kompox/state").exists());
}

#[test]
fn the_fault_of_another_app_is_no_concern_of_a_selection() {
    let good = app("good", "  compose: \"services: {web: {image: nginx}}\"\n");
    let bad = |compose: &str| app("bad", &format!("  compose: \"{compose}\"\n"));
    let project = small("", "");
    let write = |bad: &str| project.write("kompoxapp.yml", &format!("{FRAME}{good}{bad}"));
    write(&bad("services: {web: {image: nginx}}"));
    project.run(&["apply", "--auto-approve"]).done();
    let before = project.ids();
    for fault in [
        bad("services: {web_x: {image: nginx}}"),
        bad("services: {web: {image: nginx}}").replace("deployment", "deploiment"),
    ] {
        write(&fault);
        project.run(&["validate"]).exits(1);
        project.run(&["-A", "app/bad", "validate"]).exits(1);
        for command in
            [&["validate", "--strict"][..], &["render"], &["plan", "--detailed-exitcode"], &["apply", "--auto-approve"]]
        {
            project.run(&[&["-A", "app/good"], command].concat()).done();
        }
        assert_eq!(project.ids(), before);
        // Nothing of the other is planned, and what is chosen is.
        project.write(
            "kompoxapp.yml",
            &project.read("kompoxapp.yml").replacen("image: nginx", "image: \'nginx:1.28\'", 1),
        );
        let plan = project.run(&["-A", "app/good", "plan", "--json"]).done().json();
        let planned: Vec<&str> =
            plan["actions"].as_array().unwrap().iter().map(|one| one["address"].as_str().unwrap()).collect();
        assert_eq!(planned, ["/ws/w/prv/p/cls/c/app/good/Deployment/good-app"]);
    }
}

#[test]
fn a_selection_tells_of_data_that_no_manifest_names_and_not_of_an_app_with_errors() {
    let project = applied(DISK, COMPOSE);
    let old = project.read("kompoxapp.yml");
    let new = app("b", DISK);
    // Beside an app that is there, and beside one that is left out, it is new.
    for beside in
        [old.clone(), old.replace("file:compose.yml", "file:missing.yml"), old.replace("zone: \"1\"", "zonee: 1")]
    {
        project.write("kompoxapp.yml", &format!("{beside}{new}"));
        assert_eq!(dangers(&project, &["-A", "app/b"]), [""; 0], "{beside}");
    }
    // Instead of one, it may be that.
    project.write("kompoxapp.yml", &format!("{FRAME}{new}"));
    let found = dangers(&project, &["-A", "app/b"]);
    assert!(
        found.len() == 1
            && found[0].starts_with("starts-empty: ")
            && found[0].contains("no manifest names any more /ws/w/prv/p/app/a/disk/default ("),
        "{found:?}"
    );
}
