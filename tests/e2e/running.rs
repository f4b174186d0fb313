//! Services that end, variables of the process, and secrets in configs: from the compose file to the cluster.

use serde_json::json;

use crate::harness::project::Project;

const JOB: &str = "/jobs/app1-job-seed";

fn with_seed(command: &str) -> Project {
    let project = Project::gitea();
    let seed = format!(
        "services:\n  seed:\n    image: seed:1\n    restart: \"no\"\n    command: {command}\n    volumes: [\"./data/gitea:/data\"]\n"
    );
    let text = project.read("compose.yml").replacen("services:\n", &seed, 1);
    project.write("compose.yml", &text);
    project
}

#[test]
fn a_service_that_ends_runs_once_and_again_when_it_changes() {
    let project = with_seed("[\"sh\", \"-c\", \"echo seeded\"]");
    project.run(&["apply", "--auto-approve"]).done();
    let first = project.object(JOB);
    assert!(first["status"]["conditions"].as_array().unwrap().iter().any(|one| one["type"] == "Complete"), "{first}");
    project.run(&["plan", "--detailed-exitcode"]).done();
    project.edit("compose.yml", "seed:1", "seed:2");
    let plan = project.run(&["plan"]).done();
    assert!(
        project.data(&plan).contains("Job/app1-job-seed  spec.template.spec.containers[seed].image"),
        "{}",
        project.data(&plan)
    );
    project.run(&["apply", "--auto-approve"]).done();
    let second = project.object(JOB);
    assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);
    assert_eq!(second["spec"]["template"]["spec"]["containers"][0]["image"], "seed:2");
    project.run(&["destroy", "--auto-approve"]).done();
    assert!(!project.ids().iter().any(|id| id.ends_with(JOB)));
}

#[test]
fn a_service_that_fails_fails_the_apply() {
    let project = with_seed("[\"sh\", \"-c\", \"exit 3\"]");
    let apply = project.run(&["apply", "--auto-approve"]).exits(1);
    let words = format!("{}{}", project.words(&apply), project.data(&apply));
    assert!(words.contains("Job \"app1-job-seed\"") && words.contains("it failed: BackoffLimitExceeded"), "{words}");
    assert!(words.contains("exit code 3") && words.contains("delete job app1-job-seed"), "{words}");
    // What failed is not taken for done.
    project.run(&["apply", "--auto-approve"]).exits(1);
    project.edit("compose.yml", "exit 3", "exit 0");
    project.run(&["apply", "--auto-approve"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn lines_of_a_config_are_compared_without_its_passwords() {
    let project = Project::gitea();
    let text = project.read("compose.yml").replacen(
        "    image: docker.gitea.com",
        "    configs: [{source: conf, target: /etc/x.yml}]\n    image: docker.gitea.com",
        1,
    );
    project.write("compose.yml", &format!("{text}\nconfigs:\n  conf: {{file: x.yml}}\n"));
    project.write("x.yml", "host: db\npassword: Sesame-Open-1\nurl: pg://u:Sesame-Open-2@db/x\nsize: 1\n");
    project.run(&["apply", "--auto-approve"]).done();
    project.write("x.yml", "host: db\npassword: Sesame-Open-3\nurl: pg://u:Sesame-Open-2@db/x\nsize: 2\n");
    let plan = project.run(&["plan", "--out", "p.kplan"]).done();
    let text = project.data(&plan);
    for line in ["-         size: 1", "+         size: 2"] {
        assert!(text.contains(line.trim_start_matches(['-', '+']).trim()), "{text}");
    }
    assert!(text.contains("password: (sensitive "), "{text}");
    for format in ["markdown", "json"] {
        project.run(&["plan", "--format", format]).done();
    }
    project.run(&["show", "p.kplan"]).done();
    project.run(&["render"]).done();
    let shown = String::from_utf8_lossy(&project.printed()).into_owned();
    let state = project.root().join(".kompox/state");
    let kept = std::fs::read_dir(state).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
    let kept = kept.chain([std::fs::read(project.root().join("p.kplan")).unwrap()]);
    let kept: Vec<String> = kept.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).chain([shown]).collect();
    assert!(kept.iter().all(|text| !text.contains("Sesame-Open")));
    project.run(&["apply", "--auto-approve", "p.kplan"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn compose_files_read_what_the_caller_allows() {
    let project = Project::gitea();
    project.edit("compose.yml", "postgres:17", "postgres:${PG_TAG:-17}");
    let image = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = project.command(&[&["render"], arguments].concat());
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text
            .lines()
            .map(str::trim)
            .find(|line| line.contains("image: ") && line.contains("postgres"))
            .unwrap_or_default();
        (
            line.trim().trim_start_matches("image: ").trim_matches('"').to_owned(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (shown, told) = image(&["--env-allow", "PG_TAG"], &[("PG_TAG", "16.2"), ("CI", "true")]);
    assert_eq!(shown, "postgres:16.2", "{told}");
    let (shown, told) = image(&[], &[("PG_TAG", "16.2"), ("CI", "true")]);
    assert_eq!(shown, "postgres:17", "{told}");
    assert!(told.contains("PG_TAG is set, but compose files may not read it"), "{told}");
    assert!(told.contains("--env-allow PG_TAG") && !told.contains("16.2"), "{told}");
    let (shown, told) = image(&[], &[("PG_TAG", "16.2"), ("CI", "true"), ("KOMPOX_ENV_ALLOW", "A,PG_TAG")]);
    assert_eq!(shown, "postgres:16.2", "{told}");
}

#[test]
fn a_quota_is_read_as_the_api_server_reads_it() {
    let project = Project::example("quota");
    project.edit("kompoxapp.yml", "requests.cpu: \"2\"", "requests.cpu: \"2000e-3\"");
    project.run(&["apply", "--auto-approve"]).done();
    assert_eq!(project.object("/resourcequotas/wiki")["spec"]["hard"]["requests.cpu"], json!("2"));
    project.run(&["plan", "--detailed-exitcode"]).done();
}
