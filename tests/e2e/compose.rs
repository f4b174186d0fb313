//! `kompox compose config`: compose files without a project.

use crate::harness::project::Project;

#[test]
fn config_prints_files_merged_and_canonical() {
    let project = Project::gitea();
    let root = project.root();
    let dir = root.join("stack");
    std::fs::create_dir_all(dir.join("db")).unwrap();
    std::fs::write(
        dir.join("compose.yml"),
        "include: [db/db.yml]\nservices:\n  web:\n    image: web:${TAG:-1}\n    ports: ['8080:80']\n",
    )
    .unwrap();
    std::fs::write(dir.join("compose.override.yml"), "services:\n  web:\n    environment: [PASSWORD=hunter2]\n")
        .unwrap();
    std::fs::write(dir.join("db/db.yml"), "services:\n  db:\n    image: db\n    env_file: db.env\n").unwrap();
    std::fs::write(dir.join("db/db.env"), "POSTGRES_DB=hunter2\n").unwrap();
    let masked = project.run_as_is(&["-C", "stack", "compose", "config", "--format", "json"]).done().json();
    assert_eq!(masked["services"]["web"]["ports"][0]["published"], "8080");
    assert_eq!(masked["services"]["web"]["environment"]["PASSWORD"], "(sensitive)");
    assert_eq!(masked["services"]["db"]["environment"]["POSTGRES_DB"], "(sensitive)");
    let arguments = ["-C", "stack", "compose", "config", "--show-secrets", "--project-name", "shop"];
    let shown = project.run_as_is(&arguments).done();
    let again = project.run_as_is(&arguments).done();
    assert_eq!(project.data(&shown), project.data(&again));
    assert!(project.data(&shown).contains("POSTGRES_DB: hunter2") && project.data(&shown).contains("name: shop"));
}

#[test]
fn config_says_where_it_is_wrong() {
    let project = Project::gitea();
    let dir = project.root().join("stack");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("compose.yml"), "include: [more.yml]\n").unwrap();
    std::fs::write(dir.join("more.yml"), "services:\n  web:\n    imag: x\n").unwrap();
    let words = project.run_as_is(&["-C", "stack", "compose", "config"]).exits(1);
    let words = project.words(&words);
    assert!(words.contains("error[compose-unknown-key]: services.web has no key \"imag\""), "{words}");
    assert!(words.contains("more.yml:3:5") && words.contains("did you mean \"image\"?"), "{words}");
    let none = project.run_as_is(&["-C", "stack", "compose", "config", "-f", "none.yml"]).exits(1);
    assert!(project.words(&none).contains("none.yml cannot be read: there is no such file"));
}

/// The compose file of each app of the examples: its place, and the app.
const APPS: [(&str, &str, &str); 4] = [
    ("gitea", "compose.yml", "app1"),
    ("quota", "compose.yml", ""),
    ("two-clusters", "redmine/compose.yml", "redmine"),
    ("two-clusters", "wiki/compose.yml", "wiki"),
];

#[test]
fn what_render_prints_reads_back_as_the_same_project() {
    for (example, file, app) in APPS {
        let project = Project::example(example);
        let named = |arguments: &[&str]| -> Vec<String> {
            let app = if app.is_empty() { &[][..] } else { &["--app-name", app] };
            arguments.iter().chain(app).map(|text| (*text).to_owned()).collect()
        };
        let run = |arguments: &[&str]| {
            let arguments = named(arguments);
            project.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).done().stdout
        };
        let config = |name: &str| {
            let arguments = ["compose", "config", "-f", file, "-p", name, "--show-secrets", "--format", "json"];
            project.run_as_is(&arguments).done().json()
        };
        let (before, objects) = (config("p"), run(&["render", "--show-secrets"]));
        let printed = run(&["render", "--out-compose", "-", "--show-secrets"]);
        assert_eq!(printed, run(&["render", "--out-compose", "-", "--show-secrets"]), "stable to the byte");
        project.write(file, &printed);
        assert_eq!(config("p"), before, "{example}: {printed}");
        assert_eq!(run(&["render", "--show-secrets"]), objects, "{example}");
        assert_eq!(run(&["render", "--out-compose", "-", "--show-secrets"]), printed, "{example}");
    }
}

#[test]
fn an_external_secret_that_does_not_exist_is_named_at_once() {
    let project = Project::gitea();
    let compose = project.read("compose.yml").replacen(
        "  gitea:\n",
        "  gitea:\n    gpus: [{count: 1}]\n    secrets: [theirs]\n",
        1,
    );
    let declared = "secrets:\n  theirs: {external: true, name: theirs-secret}\n";
    project.write("compose.yml", &format!("{compose}\n{declared}"));
    let finished = project.run(&["apply", "--auto-approve"]);
    assert_ne!(finished.code, Some(0));
    let words = project.words(&finished);
    assert!(words.contains("0/1 ready: FailedMount: secret \"theirs-secret\" not found"), "{words}");
    let data = project.data(&finished);
    assert!(data.contains("hint: make what is missing in Namespace k4x-"), "{data}");
}
