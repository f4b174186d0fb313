//! The gates of `docs/json.md`: each is run as it is printed there, by jq, on a plan that may pass and on those that may
//! not.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use crate::harness::project::Project;
use crate::harness::skip;

const PAGE: &str = include_str!("../../docs/json.md");

/// The filters of the page by their headings.
fn gates() -> BTreeMap<&'static str, &'static str> {
    let gate = |section: &'static str| {
        let (title, rest) = section.split_once('\n')?;
        let (_, script) = rest.split_once("```sh\n")?;
        Some((title, script.split_once("\n```")?.0))
    };
    PAGE.split("\n### ").skip(1).filter_map(gate).collect()
}

/// Which gates let what was printed pass; every one must have an answer.
fn passed(file: &str, printed: &str) -> Vec<&'static str> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(file), printed).unwrap();
    let of_file = gates().into_iter().filter(|(_, script)| script.ends_with(file));
    let answer = |(title, script): (&'static str, &str)| {
        let run =
            Command::new("sh").args(["-c", script]).current_dir(folder.path()).stdin(Stdio::null()).output().unwrap();
        let code = run.status.code();
        // 5: a field that it looks into is not there.
        assert!(matches!(code, Some(0 | 1 | 5)), "{title}: {code:?}: {}", String::from_utf8_lossy(&run.stderr));
        (code == Some(0)).then_some(title)
    };
    of_file.filter_map(answer).collect()
}

/// The gates that stop the plan.
fn stopped(project: &Project, arguments: &[&str]) -> Vec<&'static str> {
    let plan = project.run(&[&["plan", "--json"], arguments].concat()).done();
    let passed = passed("plan.json", &plan.stdout);
    gates()
        .into_iter()
        .filter(|(title, script)| script.ends_with("plan.json") && !passed.contains(title))
        .map(|(title, _)| title)
        .collect()
}

/// Whether jq is here; if not, that is said, and counts as skipped.
fn jq() -> bool {
    let found = Command::new("jq").arg("--version").output();
    if let Err(error) = &found {
        skip(&format!("the gates of docs/json.md are not run: jq cannot be started: {error}"));
    }
    found.is_ok()
}

#[test]
fn each_gate_stops_what_it_is_for_and_nothing_else() {
    if !jq() {
        return;
    }
    let project = Project::gitea_applied();
    let compose = project.read("compose.yml");
    let with = |from: &str, to: &str| {
        project.write("compose.yml", &compose);
        project.edit("compose.yml", from, to);
        stopped(&project, &[])
    };
    assert_eq!(stopped(&project, &[]), [""; 0], "no change passes everywhere");
    assert_eq!(with("gitea:1.24.6", "gitea:1.24.7"), ["No app restarts", "Nothing changes"]);
    assert_eq!(
        with("image: postgres:17", "image: postgres:17\n    privileged: true"),
        ["No app restarts", "No container gets more than it needs", "Nothing changes", "Only images change"]
    );
    assert_eq!(
        with("./data/gitea:", "./data/elsewhere:"),
        ["No app restarts", "No path loses sight of its data", "Nothing changes", "Only images change"]
    );
    project.write("compose.yml", &compose);
    assert_eq!(
        stopped(&project, &["--destroy"]),
        ["Nothing changes", "Nothing is deleted that holds data or other things", "Only images change"]
    );
}

#[test]
fn an_app_that_is_opened_is_stopped_by_its_gate() {
    if !jq() {
        return;
    }
    let project = Project::gitea_applied();
    project.edit("kompoxapp.yml", "gitea.custom.exp.kompox.dev", "gitea.custom.exp.kompox.dev, other.example.org");
    assert_eq!(stopped(&project, &[]), ["Nothing changes", "Nothing is opened to the public", "Only images change"]);
}

#[test]
fn no_gate_lets_pass_that_there_is_no_plan() {
    if !jq() {
        return;
    }
    let project = Project::gitea();
    project.edit("kompoxapp.yml", "size: 10Gi", "size: big");
    let plan = project.run(&["plan", "--format", "json"]).exits(1);
    assert_eq!(plan.reasons()[0]["severity"], "error");
    assert_eq!(passed("plan.json", &plan.stdout), [""; 0]);
}

#[test]
fn an_apply_that_did_everything_passes() {
    if !jq() {
        return;
    }
    let project = Project::gitea();
    let events = project.run(&["apply", "--auto-approve", "--json"]).done();
    assert_eq!(passed("events.jsonl", &events.stdout), ["An apply did everything"]);
    let cut = events.stdout.lines().take(5).collect::<Vec<_>>().join("\n");
    assert_eq!(passed("events.jsonl", &cut), [""; 0], "a run that was killed says no end");
}
