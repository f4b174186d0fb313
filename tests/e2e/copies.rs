//! Whole states: copied, put back, moved, looked through.

use std::path::Path;

use rusqlite::Connection;

use crate::harness::backend::Backend;
use crate::harness::cloud::Cloud;
use crate::harness::project::Project;

const APPLY: &[&str] = &["apply", "--auto-approve"];

fn state(project: &Project) -> Connection {
    Connection::open(project.root().join(".kompox/state/sandbox.db")).unwrap()
}

fn restart(project: &Project, to: &str) {
    let text = project.read("compose.yml");
    let at = text.find("postgres:17").unwrap();
    let end = at + text[at..].find('\n').unwrap();
    project.write("compose.yml", &format!("{}{to}{}", &text[..at], &text[end..]));
}

#[test]
fn a_copy_is_put_back_and_neither_an_older_nor_a_forked_nor_another_one() {
    let project = Project::gitea_applied();
    project.run(&["state", "pull", "one.state"]).done();
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(project.root().join("one.state")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600, "it holds the key");
    project.run(&["state", "pull", "one.state"]).exits(1).says(&["one.state cannot be written"]);
    project.run(&["state", "push", "one.state"]).done().says(&["is that copy already"]);

    restart(&project, "postgres:17.1");
    project.run(APPLY).done();
    project.run(&["state", "push", "one.state"]).exits(1).says(&["it is older, serial", "nothing was changed"]);
    project.run(&["state", "pull", "two.state"]).done();

    // An old backup is put back, and the newer copy mends that.
    let file = project.root().join(".kompox/state");
    std::fs::remove_dir_all(&file).unwrap();
    project.run(&["state", "push", "one.state"]).done();
    project.run(&["state", "push", "two.state"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();

    // Two that were each written to since they were the same.
    std::fs::remove_dir_all(&file).unwrap();
    project.run(&["state", "push", "one.state"]).done();
    restart(&project, "postgres:17.2");
    project.run(APPLY).done();
    project.run(&["state", "pull", "three.state"]).done();
    std::fs::remove_dir_all(&file).unwrap();
    project.run(&["state", "push", "two.state"]).done();
    project.run(&["state", "push", "three.state"]).exits(1).says(&["its history is another one"]);

    std::fs::remove_dir_all(&file).unwrap();
    project.run(&["state", "rebuild", "--auto-approve"]).done();
    project.run(&["state", "push", "three.state"]).exits(1).says(&["one of them was rebuilt"]);
    let other = Project::gitea_applied();
    other
        .run(&["state", "push", project.root().join("three.state").to_str().unwrap()])
        .exits(1)
        .says(&["it is another one"]);

    // One changed byte, wherever.
    let mut bytes = std::fs::read(project.root().join("three.state")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(project.root().join("three.state"), bytes).unwrap();
    project.run(&["state", "push", "three.state"]).exits(1).says(&["is no copy of a state", "its digest is another"]);
}

/// Moves the state through all places that there are here, and applies at each.
#[test]
fn a_state_moves_from_place_to_place() {
    let mut project = Project::gitea_applied();
    let file = ".kompox/state/sandbox.db".to_owned();
    let mut places =
        vec![(file.clone(), String::new()), ("objects".to_owned(), "{type: object, path: ../objects}".to_owned())];
    for home in [Backend::Versitygw, Backend::Pgbouncer, Backend::Pgbouncer].into_iter().filter_map(Backend::home) {
        home.variables.iter().for_each(|(name, value)| project.set(name, value));
        places.push((home.word(), home.text));
    }
    places.push(("back.db".to_owned(), "{type: sqlite, path: ../back.db}".to_owned()));
    for (n, pair) in places.windows(2).enumerate() {
        let [(from, _), (to, config)] = pair else { unreachable!() };
        project.write(".kompox/config.yml", &format!("version: 1\nstate: {{type: sqlite, sandbox: {config}}}\n"));
        let moved = project.run(&["state", "migrate", "--from", from]).done();
        let named = to.rsplit([':', '/']).next().unwrap();
        assert!(moved.stderr.contains("Moved: ") && moved.stderr.contains(named), "{}", moved.stderr);
        let again = project.run(&["plan", "--detailed-exitcode"]).done();
        assert!(again.stdout.starts_with("No changes."), "{}", again.stdout);
        restart(&project, &format!("postgres:17.{n}"));
        project.run(APPLY).done();
        // The place that it came from takes nobody any more.
        project.run(&["state", "migrate", "--from", from]).exits(1).says(&["has moved to"]);
        project.run(&["state", "migrate", "--from", to]).exits(1).says(&["where it is"]);
    }
    // Whoever has an old configuration is told.
    project.write(".kompox/config.yml", "version: 1\n");
    for words in [
        APPLY,
        &["plan"],
        &["plan", "--offline"],
        &["drift"],
        &["state", "list"],
        &["state", "show", "disk/default"],
        &["state", "history"],
        &["state", "verify"],
        &["state", "verify", "--online"],
        &["state", "pull", "dead.state"],
        &["doctor"],
    ] {
        project.run(words).exits(1).says(&[
            "has moved to",
            "objects",
            "name that place in `state:` of `.kompox/config.yml`",
        ]);
    }
    assert!(!project.root().join("dead.state").exists());
    assert!(Path::new(&project.root().join(&file)).exists(), "it stays as it was");
}

#[test]
fn damage_to_a_history_is_found_and_what_is_gone_is_told() {
    let project = Project::gitea_applied();
    restart(&project, "postgres:17.1");
    project.run(APPLY).done();
    project.run(&["state", "verify"]).done().says(&["The state is whole", "2 of them in the chain", "0 open intents"]);
    let online = project.run(&["state", "verify", "--online"]).done();
    assert!(online.stdout.contains("All that it speaks of exists."), "{}", online.stdout);
    let disk = project.disks().remove(0);
    {
        let served = Cloud::beside(&project);
        let mut tags = served.arm("GET", &disk, &serde_json::Value::Null).json()["tags"].take();
        tags["kompox-lineage"] = "11111111-1111-4111-8111-111111111111".into();
        served.arm("PATCH", &disk, &serde_json::json!({"tags": tags})).json();
    }
    let astray = project.run(&["state", "verify", "--online"]).exits(1);
    assert!(astray.stdout.contains("does not carry the mark of this state"), "{}", astray.stdout);

    let json = project.run(&["state", "history", "--json"]).done().json();
    let oldest = json.as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
    state(&project).execute("UPDATE runs SET counts = '{\"create\":1}' WHERE id = ?1", [&oldest]).unwrap();
    project.run(&["state", "verify"]).exits(1).says(&[&format!("the run {oldest} in the history was changed")]);
    state(&project).execute("DELETE FROM runs WHERE id = ?1", [&oldest]).unwrap();
    project.run(&["state", "verify"]).exits(1).says(&["the history is not whole"]);
}

#[test]
fn the_history_says_of_which_commit_a_run_is() {
    let mut project = Project::gitea();
    project.set("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567");
    project.run(APPLY).done();
    let history = project.run(&["state", "history"]).done();
    assert!(history.stdout.contains("REVISION") && history.stdout.contains("0123456789ab"), "{}", history.stdout);
    project.run(&["state", "rm", "Secret/app1-app-gitea-base"]).done();
    let history = project.run(&["state", "history", "--json"]).done().json();
    assert_eq!(history[0]["counts"], serde_json::json!({"forget": 1}));
    assert_eq!(history[1]["revision"], "0123456789abcdef0123456789abcdef01234567");
    assert_eq!(history[0]["link"]["previous"], history[1]["link"]["digest"]);
}
