//! Arguments that name nothing, or too much.

use std::fs;

use crate::harness::run::Finished;
use crate::harness::stage::{FAST, Stage};
use crate::{NOWHERE, refused};

const AMBIGUOUS: &[&str] = &["\"traefik\" is ambiguous; it could be", "/Deployment/traefik", "/Namespace/traefik"];

#[test]
fn an_address_that_nothing_has_is_said() {
    let stage = Stage::applied();
    let cloud = stage.cloud(FAST);
    let says = ["no address ends with \"disk/defualt\"; these are close", "/app/app1/disk/default"];
    let commands: &[&[&str]] = &[
        &["plan", "--target", "disk/defualt"],
        &["apply", "--auto-approve", "--target", "disk/defualt"],
        &["plan", "--replace", "disk/defualt"],
        &["plan", "--allow-data-loss", "disk/defualt"],
        &["import", "disk/defualt", "/subscriptions/x"],
        &["state", "show", "disk/defualt"],
        &["state", "rm", "disk/defualt"],
        &["show", "disk/defualt"],
    ];
    refused(&stage, &cloud.endpoint, commands, &says);
}

#[test]
fn an_ambiguous_address_lists_its_candidates() {
    let stage = Stage::applied();
    let cloud = stage.cloud(FAST);
    let commands: &[&[&str]] = &[
        &["plan", "--target", "traefik"],
        &["destroy", "--auto-approve", "--target", "traefik"],
        &["import", "traefik", "/subscriptions/x"],
        &["state", "show", "traefik"],
        &["state", "rm", "traefik"],
    ];
    refused(&stage, &cloud.endpoint, commands, AMBIGUOUS);
}

#[test]
fn an_import_of_what_is_not_there_or_is_something_else_is_refused() {
    let stage = Stage::applied();
    let cloud = stage.cloud(FAST);
    let known = ["import", "disk/default", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/x"];
    refused(&stage, &cloud.endpoint, &[&known], &["is in the state already", "kompox HERE state rm"]);
    let disk = stage.ids("Microsoft.Compute/disks").remove(0);
    stage.run(&cloud.endpoint, &["state", "rm", "disk/default"]).exits(0);
    let gone = format!("{disk}x");
    let says = ["there is nothing with the id", gone.as_str(), "check the id"];
    refused(&stage, &cloud.endpoint, &[&["import", "disk/default", &gone]], &says);
    refused(&stage, &cloud.endpoint, &[&["import", "disk/default", "not-an-id"]], &["not-an-id", "help: "]);
    let group = disk.split("/providers/").next().unwrap();
    refused(&stage, &cloud.endpoint, &[&["import", "disk/default", group]], &["is in the state already, as"]);
    let groups = stage.ids("Microsoft.Resources/resourceGroups");
    let group = groups.iter().find(|id| id.ends_with("_mc")).unwrap();
    refused(
        &stage,
        &cloud.endpoint,
        &[&["import", "disk/default", group]],
        &["a Microsoft.Compute/disks is wanted", "check the id"],
    );
}

#[test]
fn a_file_that_is_no_plan_is_refused() {
    let stage = Stage::applied();
    let make = "make a new plan:  kompox HERE plan --out FILE";
    fs::write(stage.file("notes.kplan"), "hello").unwrap();
    refused(
        &stage,
        NOWHERE,
        &[&["apply", "notes.kplan"], &["show", "notes.kplan"]],
        &["notes.kplan is not a saved plan", make],
    );
    refused(&stage, NOWHERE, &[&["apply", "none.kplan"]], &["none.kplan", "No such file", make]);
    refused(&stage, NOWHERE, &[&["apply", ".kompox"]], &[".kompox", "is not a regular file", make]);
    fs::write(stage.file("other.kplan"), "{\"a\": 1}").unwrap();
    refused(&stage, NOWHERE, &[&["apply", "other.kplan"]], &["other.kplan is not a saved plan", make]);
}

#[test]
fn an_altered_plan_is_refused() {
    let stage = Stage::applied();
    let cloud = stage.cloud(FAST);
    stage.edit("compose.yml", "gitea:1.24.6", "gitea:1.25.0");
    stage.run(&cloud.endpoint, &["plan", "--out", "p.kplan"]).exits(0);
    stage.edit("p.kplan", "1.25.0", "6.6.6");
    refused(&stage, &cloud.endpoint, &[&["apply", "p.kplan"]], &["p.kplan", "make a new plan"]);
}

#[test]
fn apply_without_a_terminal_needs_a_word() {
    let stage = Stage::applied();
    stage.edit("compose.yml", "gitea:1.24.6", "gitea:1.25.0");
    // The plan to review is one of the same.
    for (words, review) in [
        (&["apply"][..], "kompox HERE plan --out p.kplan"),
        (&["destroy"], "kompox HERE plan --destroy --out p.kplan"),
        (&["apply", "--refresh-only"], "kompox HERE plan --refresh-only --out p.kplan"),
    ] {
        let says = ["there is nobody to ask: standard input is no terminal", "--auto-approve", review];
        refused(&stage, NOWHERE, &[words], &says);
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let stage = Stage::new();
    for words in [&["plan"][..], &["apply", "--auto-approve"], &["validate"], &["state", "list"]] {
        let mut command = stage.program(&["-C"]);
        command.arg(stage.file("nowhere")).arg("--sandbox").args(words);
        Finished::of(command).exits(1).says(&["nowhere is no directory", "check the value of -C"]);
    }
    assert!(!stage.file("nowhere").exists());
}

#[test]
fn a_folder_without_a_project_is_told_how_to_begin() {
    let stage = Stage::new();
    fs::remove_dir_all(stage.file(".kompox")).unwrap();
    let says = ["has a .kompox folder", "begin a project here:  kompox -C ", " init"];
    for words in [&["plan"][..], &["apply", "--auto-approve"], &["validate"]] {
        stage.run(NOWHERE, words).exits(1).says(&says);
    }
    assert!(!stage.file(".kompox").exists());
}
