//! The pipelines of `examples/ci/`: every shell step of them is run as it stands there, against the sandbox and a stub of the
//! code host's API. What the code host itself decides (who may do what, what is checked out) is read from the files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::harness::cloud::Cloud;
use crate::harness::forge::{self, Answers, Forge, TOKEN};
use crate::harness::project::Project;
use crate::harness::skip;

/// A file of the repository as data.
fn yaml(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Whether what the steps call is here; if not, that is said, and counts as skipped.
fn tools() -> bool {
    let missing: Vec<&str> = ["bash", "curl", "jq", "unzip", "zip"]
        .into_iter()
        .filter(|tool| Command::new(tool).arg(if tool.contains("zip") { "-h" } else { "--version" }).output().is_err())
        .collect();
    if !missing.is_empty() {
        skip(&format!("the pipelines of examples/ci are not run: {} cannot be started", missing.join(", ")));
    }
    missing.is_empty()
}

/// A project with an app, on a runner of a code host.
struct Runner {
    project: Project,
    forge: Forge,
    bin: PathBuf,
    variables: BTreeMap<String, String>,
    shell: &'static [&'static str],
}

/// GitHub's `shell: bash` and GitLab's runner: the first command that fails ends the script.
const STRICT: &[&str] = &["--noprofile", "--norc", "-eo", "pipefail"];

impl Runner {
    fn new(answers: Answers, shell: &'static [&'static str], variables: &[(&str, &str)]) -> Self {
        let mut project = Project::gitea_applied();
        project.set("KOMPOX_SANDBOX", "true");
        let bin = project.folder().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kompox"), bin.join("kompox")).unwrap();
        let forge = Forge::start(answers);
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.replace("FORGE", &forge.url)));
        let variables = variables.chain([("CI".to_owned(), "true".to_owned())]).collect();
        Self { project, forge, bin, variables, shell }
    }

    /// Runs a script in the project's folder.
    fn run(&self, script: &str, variables: &[(&str, &str)]) -> Output {
        let mut command = self.project.command(&[]);
        let path = format!("{}:{}", self.bin.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("bash");
        shell.args(self.shell).args(["-c", script]).current_dir(self.project.root()).env_clear();
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell
            .envs(&self.variables)
            .envs(variables.iter().copied())
            .env("PATH", path)
            .env("TMPDIR", self.project.folder());
        command.stdin(std::process::Stdio::null());
        shell.stdin(std::process::Stdio::null()).output().unwrap()
    }

    #[track_caller]
    fn passes(&self, script: &str, variables: &[(&str, &str)]) {
        let output = self.run(script, variables);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    }

    /// Whether the manifests are what is there.
    fn is_applied(&self) -> bool {
        self.project.run(&["plan", "--detailed-exitcode"]).code == Some(0)
    }

    fn scale(&self, replicas: u32) {
        const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/k4x-50vf7y-app1-13o40q/deployments/app1-app";
        let cloud = Cloud::beside(&self.project);
        let ids = self.project.ids();
        let cluster = ids.iter().find_map(|id| id.strip_suffix(DEPLOYMENT)).unwrap();
        cloud.kube_patch(cluster, DEPLOYMENT, &json!({"spec": {"replicas": replicas}}));
    }

    /// Gives the forge what the run of the plan left: the file, or the folder `out` as an archive below `prefix`.
    fn upload(&self, prefix: Option<&str>) {
        let artifact = match prefix {
            None => std::fs::read(self.project.root().join("out/p.kplan")).unwrap(),
            Some(prefix) => {
                let folder = tempfile::tempdir().unwrap();
                let inside = folder.path().join(prefix);
                std::fs::create_dir_all(&inside).unwrap();
                for entry in std::fs::read_dir(self.project.root().join("out")).unwrap() {
                    let entry = entry.unwrap();
                    std::fs::copy(entry.path(), inside.join(entry.file_name())).unwrap();
                }
                let zip =
                    Command::new("zip").args(["-qr", "plan.zip", "."]).current_dir(folder.path()).output().unwrap();
                assert!(zip.status.success());
                std::fs::read(folder.path().join("plan.zip")).unwrap()
            }
        };
        self.forge.data.lock().unwrap().artifact = artifact;
    }

    fn comments(&self) -> Vec<String> {
        self.forge.data.lock().unwrap().comments.clone()
    }

    fn set_head(&self, set: impl FnOnce(&mut forge::Data)) {
        set(&mut self.forge.data.lock().unwrap());
    }
}

/// The steps of a pipeline, in the order in which they are run.
struct Steps {
    plan: String,
    comment: String,
    apply: String,
    drift: String,
}

/// One change from its pull request to the cloud, then drift from its first night to its last.
fn goes_all_the_way(runner: &Runner, steps: &Steps, archive: Option<&str>, merged: (&str, &str)) {
    let project = &runner.project;
    let plan = |tag: &str| {
        project.write(
            "compose.yml",
            &project.read("compose.yml").replace("gitea:1.24.6", tag).replace("gitea:1.24.7", tag),
        );
        runner.passes(&steps.plan, &[]);
        runner.upload(archive);
        runner.passes(&steps.comment, &[]);
    };
    plan("gitea:1.24.7");
    let first = runner.comments();
    assert_eq!(first.len(), 1);
    assert!(first[0].starts_with("<!-- kompox-plan -->") && first[0].contains("gitea:1.24.7"), "{first:?}");
    plan("gitea:1.24.8");
    let second = runner.comments();
    assert_eq!(second.len(), 1, "the comment is brought up to date");
    assert!(second[0].contains("gitea:1.24.8") && second[0] != first[0]);

    // What the comment does not show is not applied, nor what no pull request became.
    runner.set_head(|data| data.comments.clone_from(&first));
    assert!(!runner.run(&steps.apply, &[merged]).status.success());
    runner.set_head(|data| data.comments.clone_from(&second));
    assert!(!runner.run(&steps.apply, &[(merged.0, "c3c3")]).status.success());
    assert!(!runner.is_applied());
    runner.passes(&steps.apply, &[merged]);
    assert!(runner.is_applied());

    let open = || runner.forge.data.lock().unwrap().open();
    runner.passes(&steps.drift, &[]);
    assert_eq!(open(), [0; 0]);
    runner.scale(3);
    runner.passes(&steps.drift, &[]);
    runner.scale(4);
    runner.passes(&steps.drift, &[]);
    assert_eq!(open(), [1], "one issue, and no second one");
    assert!(runner.forge.data.lock().unwrap().issues[0].0.contains("spec.replicas: 1 → 4"));
    project.run(&["apply", "--auto-approve"]).done();
    runner.passes(&steps.drift, &[]);
    assert_eq!(open(), [0; 0], "closed once all is well");
    assert_eq!(runner.forge.data.lock().unwrap().strangers, [""; 0], "every request has the token");
}

/// A plan that cannot be made is said in the comment, as text.
fn failures_are_said(runner: &Runner, plan: &str) {
    runner.project.edit("kompoxapp.yml", "size: 10Gi", "size: '@root'");
    assert!(!runner.run(plan, &[]).status.success());
    let comment = runner.project.read("out/comment.md");
    assert!(comment.starts_with("<!-- kompox-plan -->\n"), "{comment}");
    assert!(comment.lines().skip(5).all(|line| line.starts_with("    ")), "{comment}");
}

const GITHUB: &str = "examples/ci/github";

fn workflow(name: &str) -> Value {
    yaml(&format!("{GITHUB}/kompox-{name}.yml"))
}

/// The scripts of a workflow's only job, or of an action.
fn scripts(steps: &Value) -> Vec<String> {
    steps.as_array().unwrap().iter().filter_map(|step| Some(step["run"].as_str()?.to_owned())).collect()
}

fn job(workflow: &Value) -> &Value {
    workflow["jobs"].as_object().unwrap().values().next().unwrap()
}

#[test]
fn github_actions() {
    if !tools() {
        return;
    }
    let step = |name: &str| scripts(&job(&workflow(name))["steps"]).concat();
    let steps = Steps { plan: step("plan"), comment: step("comment"), apply: step("apply"), drift: step("drift") };
    let head = "a1".repeat(20);
    let runner = Runner::new(
        forge::github,
        STRICT,
        &[
            ("GITHUB_API_URL", "FORGE"),
            ("GITHUB_REPOSITORY", "o/r"),
            ("TOKEN", TOKEN),
            ("FROM_FORK", "false"),
            ("RUN", "11"),
            ("HEAD_OWNER", "o"),
            ("HEAD_BRANCH", "topic"),
            ("HEAD_SHA", &head),
        ],
    );
    let mut runner = runner;
    runner.variables.insert("RUNNER_TEMP".into(), runner.project.folder().to_str().unwrap().to_owned());
    goes_all_the_way(&runner, &steps, Some(""), ("GITHUB_SHA", &"b2".repeat(20)));

    // A fork sees no state and no cloud, and its words are shown as words.
    runner.passes(&steps.plan, &[("FROM_FORK", "true")]);
    let fork = runner.project.read("out/comment.md");
    assert!(fork.contains("it is for the sandbox only"));
    runner.project.write("out/comment.md", "<!-- kompox-plan -->\n@everyone Digest: <code>hmac-sha256:0</code>\n");
    runner.upload(Some(""));
    runner.passes(&steps.comment, &[("FROM_FORK", "true")]);
    let comments = runner.comments();
    assert!(comments[0].contains("\n    @everyone Digest") && !comments[0].contains("\nDigest"), "{comments:?}");
    failures_are_said(&runner, &steps.plan);
}

#[test]
fn github_workflows_may_do_what_they_must_and_no_more() {
    let may = |name: &str| workflow(name)["permissions"].clone();
    assert_eq!(may("plan"), json!({"contents": "read", "id-token": "write"}));
    assert_eq!(may("comment"), json!({"actions": "read", "pull-requests": "write"}));
    assert_eq!(
        may("apply"),
        json!({"actions": "read", "contents": "read", "id-token": "write", "pull-requests": "read"})
    );
    assert_eq!(may("drift"), json!({"contents": "read", "id-token": "write", "issues": "write"}));
    let comment = workflow("comment");
    assert!(comment["on"]["workflow_run"].is_object(), "it runs as the default branch has it");
    assert!(
        job(&comment)["steps"].as_array().unwrap().iter().all(|step| step["uses"].is_null()),
        "nothing is checked out"
    );
    for name in ["plan", "comment", "apply", "drift"] {
        let workflow = workflow(name);
        assert!(workflow["on"]["pull_request_target"].is_null());
        for step in job(&workflow)["steps"].as_array().unwrap() {
            if let Some(uses) = step["uses"].as_str() {
                let (_, version) = uses.split_once('@').unwrap();
                assert!(version == "COMMIT" || version.len() == 40, "{uses} is pinned");
            }
            if step["uses"].as_str().is_some_and(|uses| uses.contains("/checkout@")) {
                assert_eq!(step["with"]["persist-credentials"], false);
            }
        }
        // Text of a pull request reaches a script as a variable only.
        assert!(scripts(&job(&workflow)["steps"]).iter().all(|script| !script.contains("${{")), "{name}");
    }
}

#[test]
fn the_action_installs_once_and_signs_in_where_it_can() {
    if !tools() {
        return;
    }
    let action = yaml("action.yml");
    let [install, sign_in] = <[String; 2]>::try_from(scripts(&action["runs"]["steps"])).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let cargo = path("bin/cargo");
    std::fs::create_dir(path("bin")).unwrap();
    std::fs::write(&cargo, "#!/bin/sh\necho \"$@\" > \"$RUNNER_TEMP/called\"\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&cargo, mode).unwrap();
    fn identity(request: &forge::Request, _: &mut forge::Data, _: &str) -> Option<Vec<u8>> {
        let asked = request.query == "v=1&audience=api://AzureADTokenExchange";
        asked.then(|| br#"{"value": "ey.the.token"}"#.to_vec())
    }
    let forge = Forge::start(identity);
    let run = |script: &str, variables: &[(&str, &str)]| {
        let mut shell = Command::new("bash");
        shell.args(STRICT).args(["-c", script]).env_clear().env("RUNNER_TEMP", folder.path());
        shell.env("PATH", format!("{}:/usr/bin:/bin", path("bin").display()));
        shell.env("GITHUB_PATH", path("path")).env("GITHUB_ENV", path("env")).env("GITHUB_ACTION_PATH", "/action");
        let output = shell.envs(variables.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(&install, &[]);
    let read = |name: &str| {
        std::fs::read_to_string(path(name)).unwrap_or_default().replace(folder.path().to_str().unwrap(), "TEMP")
    };
    assert_eq!(read("called"), "install --locked --path /action --root TEMP/kompox\n");
    assert_eq!(read("path"), "TEMP/kompox/bin\n");
    // A run for a fork has no way to an identity.
    run(&sign_in, &[("TENANT", "t"), ("CLIENT", "c")]);
    assert_eq!(read("env"), "");
    let url = format!("{}/token?v=1", forge.url);
    let way = [("ACTIONS_ID_TOKEN_REQUEST_URL", url.as_str()), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", TOKEN)];
    run(&sign_in, &[&[("TENANT", "t"), ("CLIENT", "c")], &way[..]].concat());
    assert_eq!(read("azure-token"), "ey.the.token");
    assert_eq!(
        read("env"),
        "AZURE_AUTH_METHOD=workload_identity\nAZURE_TENANT_ID=t\nAZURE_CLIENT_ID=c\nAZURE_FEDERATED_TOKEN_FILE=TEMP/azure-token\n"
    );
}

#[test]
fn gitlab_ci() {
    if !tools() {
        return;
    }
    let pipeline = yaml("examples/ci/gitlab/.gitlab-ci.yml");
    let script = |job: &str| -> String {
        let lines = pipeline[job]["script"].as_array().unwrap();
        lines.iter().map(|line| line.as_str().unwrap().to_owned() + "\n").collect()
    };
    assert_eq!(pipeline["comment"]["variables"]["GIT_STRATEGY"], "none", "nothing is checked out");
    let mut runner = Runner::new(
        forge::gitlab,
        STRICT,
        &[
            ("CI_API_V4_URL", "FORGE"),
            ("CI_PROJECT_ID", "5"),
            ("CI_MERGE_REQUEST_PROJECT_ID", "5"),
            ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "5"),
            ("CI_MERGE_REQUEST_IID", "7"),
            ("KOMPOX_GITLAB_TOKEN", TOKEN),
            ("AZURE_TOKEN", "ey.the.token"),
        ],
    );
    let token = runner.project.folder().join("azure-token");
    runner.variables.insert("AZURE_FEDERATED_TOKEN_FILE".into(), token.to_str().unwrap().to_owned());
    let sign_in = pipeline[".azure"]["before_script"][0].as_str().unwrap();
    runner.passes(sign_in, &[]);
    assert_eq!(std::fs::read_to_string(&token).unwrap(), "ey.the.token");
    let steps =
        Steps { plan: script("plan"), comment: script("comment"), apply: script("apply"), drift: script("drift") };
    goes_all_the_way(&runner, &steps, None, ("CI_COMMIT_SHA", &"b2".repeat(20)));
    runner.passes(&steps.plan, &[("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "6")]);
    assert!(runner.project.read("out/comment.md").contains("it is for the sandbox only"));
    failures_are_said(&runner, &steps.plan);
}

#[test]
fn azure_pipelines() {
    if !tools() {
        return;
    }
    let pipeline = yaml("examples/ci/azure/azure-pipelines.yml");
    let stages = pipeline["stages"].as_array().unwrap();
    let jobs = stages.iter().flat_map(|stage| stage["jobs"].as_array().unwrap());
    let scripts: BTreeMap<String, String> = jobs
        .flat_map(|job| job["steps"].as_array().unwrap())
        .filter_map(|step| {
            let script = step["inputs"]["inlineScript"].as_str().or(step["bash"].as_str())?;
            Some((step["displayName"].as_str()?.to_owned(), script.to_owned()))
        })
        .collect();
    let mut runner = Runner::new(
        forge::azure,
        &["--noprofile", "--norc"],
        &[
            ("SYSTEM_COLLECTIONURI", "FORGE/"),
            ("SYSTEM_TEAMPROJECTID", "p"),
            ("SYSTEM_DEFINITIONID", "2"),
            ("SYSTEM_PULLREQUEST_PULLREQUESTID", "7"),
            ("BUILD_REPOSITORY_ID", "r"),
            ("TOKEN", TOKEN),
            ("idToken", "ey.the.token"),
            ("tenantId", "t"),
            ("servicePrincipalId", "c"),
        ],
    );
    let folder = runner.project.folder().to_owned();
    runner.variables.insert("AGENT_TEMPDIRECTORY".into(), folder.to_str().unwrap().to_owned());
    // `download` puts the artifact there.
    runner.variables.insert("PIPELINE_WORKSPACE".into(), folder.join("pipeline").to_str().unwrap().to_owned());
    std::fs::create_dir(folder.join("pipeline")).unwrap();
    std::os::unix::fs::symlink(runner.project.root().join("out"), folder.join("pipeline/plan")).unwrap();
    let steps = Steps {
        plan: scripts["Plan"].clone(),
        comment: scripts["Comment"].clone(),
        apply: scripts["Apply"].clone(),
        drift: scripts["Drift"].clone(),
    };
    goes_all_the_way(&runner, &steps, Some("plan"), ("BUILD_SOURCEVERSION", &"b2".repeat(20)));
    runner.passes(&scripts["Plan of a fork"], &[]);
    assert!(runner.project.read("out/comment.md").contains("it is for the sandbox only"));
    failures_are_said(&runner, &steps.plan);
}
