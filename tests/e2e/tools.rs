//! What is beside plan and apply: policies, messages to a chat, `doctor`, manual pages, completions.

use std::path::Path;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::harness::cloud::Cloud;
use crate::harness::forge::{self, Forge, TOKEN};
use crate::harness::project::Project;

/// The file of an example policy.
fn policy(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/policies/{name}.rego")).to_str().unwrap().to_owned()
}

/// What the example policies say of a plan: codes with the ends of addresses and the texts.
fn said(plan: &Value, list: &str, code: &str) -> Vec<String> {
    let all = plan[list].as_array().unwrap().iter().filter(|one| one["code"] == code);
    let end = |one: &Value| one["address"].as_str().unwrap().rsplit('/').take(2).collect::<Vec<_>>().join("<");
    all.map(|one| format!("{}: {}", end(one), one["text"].as_str().unwrap())).collect()
}

#[test]
fn policies_deny_and_warn_in_every_format() {
    let project = Project::gitea();
    let ask = |names: &[&str]| {
        let files: Vec<String> = names.iter().map(|name| policy(name)).collect();
        let policies = files.iter().flat_map(|file| ["--policy", file]).collect::<Vec<_>>();
        project.run(&[&["plan", "--json", "--out", "p.kplan"], &policies[..]].concat())
    };
    let denied = |name: &str| said(&ask(&[name]).exits(1).json(), "dangers", "policy-denied");
    assert_eq!(
        denied("no-public-ingress"),
        [
            "app1-app-custom<Ingress: answers to the public, and nothing here may",
            "app1-app-default<Ingress: answers to the public, and nothing here may"
        ]
    );
    assert!(!project.root().join("p.kplan").exists(), "what is denied is not saved");
    let pinned = ask(&["images-pinned"]).done().json();
    let warned = said(&pinned, "notes", "policy-warned");
    assert!(
        warned.contains(&"app1-app<Deployment: postgres:17 is a tag; a digest cannot change".to_owned()),
        "{warned:?}"
    );
    assert!(project.root().join("p.kplan").exists(), "a warning stops nothing");
    for format in ["text", "markdown", "html"] {
        let shown = project.run(&["show", "p.kplan", "--format", format]).done().stdout;
        assert!(shown.contains("postgres:17 is a tag; a digest cannot change"), "{format}");
    }
    project.edit("compose.yml", "image: postgres:17", "image: postgres");
    assert_eq!(denied("images-pinned"), ["app1-app<Deployment: postgres says no version"]);
    assert!(ask(&["zone-redundant-in-production", "no-spot-for-data"]).done().json()["dangers"].is_array());
    let manifest = project.read("kompoxapp.yml");
    project.write(
        "kompoxapp.yml",
        &manifest
            .replace("/ws/aks-e2e-gitea-20250925-060355", "/ws/prod")
            .replace("name: aks-e2e-gitea-20250925-060355", "name: prod")
            .replace("USER_VM_PRIORITY: Regular", "USER_VM_PRIORITY: Spot"),
    );
    assert_eq!(
        denied("zone-redundant-in-production"),
        ["default<disk: PremiumV2_LRS is in one zone; production takes Premium_ZRS"]
    );
    let spot = denied("no-spot-for-data");
    assert!(spot.iter().all(|one| one.ends_with("<node-pool: is a Spot pool beside apps with disks")), "{spot:?}");
}

#[test]
fn a_policy_that_cannot_be_asked_stops_the_plan() {
    let project = Project::gitea();
    project.write("a.rego", "package elsewhere\ndeny contains \"x\"\n");
    let plan = project.run(&["plan", "--policy", "a.rego", "--out", "p.kplan"]).exits(1);
    assert_snapshot!(plan.errors(), @"
    error[policy]: a.rego has the package data.elsewhere; the rules of `package kompox` are asked

    1 error
    ");
    assert!(!project.root().join("p.kplan").exists());
    project.run(&["plan", "--policy", "none.rego"]).exits(1).says(&["error[policy]: none.rego cannot be read"]);
}

/// Takes whatever is posted.
fn chat(request: &forge::Request, data: &mut forge::Data, _: &str) -> Option<Vec<u8>> {
    data.comments.push(String::from_utf8(request.body.clone()).unwrap());
    (request.path != format!("/{TOKEN}/full")).then(Vec::new)
}

#[test]
fn a_chat_is_told_of_drift_and_of_nothing_else() {
    let mut project = Project::gitea_applied();
    project.run(&["drift", "--notify", "slack"]).exits(1).says(&["KOMPOX_NOTIFY_URL is not set"]);
    project.set("KOMPOX_NOTIFY_URL", "http://example.com/hook");
    project.run(&["drift", "--notify", "slack"]).exits(1).says(&["must begin with https://"]);
    let forge = Forge::start(chat);
    project.set("KOMPOX_NOTIFY_URL", &format!("{}/{TOKEN}", forge.url));
    project.run(&["drift", "--notify", "slack"]).done();
    assert_eq!(forge.data.lock().unwrap().comments.len(), 0, "no drift, no message");
    let deployment = "/apis/apps/v1/namespaces/k4x-50vf7y-app1-13o40q/deployments/app1-app";
    let ids = project.ids();
    let cluster = ids.iter().find_map(|id| id.strip_suffix(deployment)).unwrap();
    Cloud::beside(&project).kube_patch(cluster, deployment, &json!({"spec": {"replicas": 3}}));
    project.run(&["drift", "--notify", "slack"]).exits(2);
    project.run(&["drift", "--notify", "generic", "--format", "sarif"]).exits(2);
    let told = forge.data.lock().unwrap().comments.clone();
    assert_snapshot!(told.join("\n"), @r#"
    {"text":"Drift: 1 field of 1 object.\n• /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1: 1 field of 1 object"}
    {"apps":[{"app":"/ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1","fields":1,"objects":1}],"format_version":1,"text":"Drift: 1 field of 1 object.","type":"drift-notification"}
    "#);
    project.set("KOMPOX_NOTIFY_URL", &format!("{}/{TOKEN}/full", forge.url));
    let full =
        project.run(&["drift", "--notify", "teams"]).exits(1).says(&["the webhook does not take it: it answers 404"]);
    assert!(!full.text().contains(TOKEN), "the URL is a credential");
}

#[test]
fn the_doctor_looks_and_changes_nothing() {
    let project = Project::gitea();
    let before = project.files();
    let first = project.run(&["doctor"]).done();
    assert_snapshot!(project.data(&first), @"
    ok    version  kompox 0.1.0
    ok    project  [TMP]/gitea is read
    ok    state    none yet; the first plan makes it at [TMP]/gitea/.kompox/state/sandbox.db
    ok    sign-in  azure://[SUBSCRIPTION] answers
    ok    quota    there is room in each of 2 limits
    note  cluster  k4x-50vf7y-cluster1: not yet: the cluster does not exist yet
    ");
    let made: Vec<_> = project.files().into_iter().filter(|file| !before.contains(file)).collect();
    assert!(made.iter().all(|file| !file.ends_with("sandbox.db")), "no state is made: {made:?}");
    project.run(&["apply", "--auto-approve"]).done();
    let applied = project.run(&["doctor"]).done();
    assert_snapshot!(project.data(&applied), @"
    ok    version  kompox 0.1.0
    ok    project  [TMP]/gitea is read
    ok    state    [TMP]/gitea/.kompox/state/sandbox.db: 33 objects
    ok    lock     free
    ok    sign-in  azure://[SUBSCRIPTION] answers
    ok    quota    there is room in each of 2 limits
    ok    cluster  k4x-50vf7y-cluster1 answers
    ");
    project.edit("kompoxapp.yml", "size: 10Gi", "size: big");
    let ill = project.run(&["doctor", "--json"]).exits(1).json();
    assert_eq!(ill["checks"][1]["health"], "fail", "{ill:#}");
    let text = project.run(&["doctor"]).exits(1);
    assert_snapshot!(project.data(&text), @r#"
    ok    version  kompox 0.1.0
    FAIL  project  kompoxapp.yml:83:13: "size" cannot be "big": not a quantity: a number with an optional suffix such as Ki, Mi, Gi, Ti, k, M, G or m (document 4)
                   write a quantity such as 10Gi, or whole bytes
                   see all of it:  kompox --sandbox validate
    "#);
}

/// A forge's word on its newest release.
fn releases(request: &forge::Request, _: &mut forge::Data, _: &str) -> Option<Vec<u8>> {
    let version = request.path.strip_prefix(&format!("/{TOKEN}/latest/"))?;
    (request.method == "GET")
        .then(|| json!({"tag_name": version, "html_url": "https://example.com/new"}).to_string().into_bytes())
}

#[test]
fn a_newer_version_is_looked_for_only_when_asked() {
    let project = Project::empty("nothing");
    project.run_as_is(&["upgrade"]).exits(1).says(&["--check"]);
    project.run_as_is(&["upgrade", "--check"]).exits(1).says(&[
        "no address is known at which releases are listed",
        "name it with --releases URL or the variable KOMPOX_RELEASES_URL",
    ]);
    project
        .run_as_is(&["upgrade", "--check", "--releases", "http://example.com"])
        .exits(1)
        .says(&["must begin with https://"]);
    let forge = Forge::start(releases);
    let check = |version: &str, more: &[&str]| {
        let url = format!("{}/{TOKEN}/latest/{version}", forge.url);
        project.run_as_is(&[&["upgrade", "--check", "--releases", &url], more].concat())
    };
    let newer = check("v99.1.0", &[]).exits(2);
    assert_snapshot!(newer.stdout, @"kompox 99.1.0 is out, this is 0.1.0: https://example.com/new");
    assert_snapshot!(check("0.1.0", &[]).done().stdout, @"kompox 0.1.0 is the newest.");
    assert_eq!(check("v0.1.0-rc.1", &["--json"]).done().json()["is_newest"], true);
    check("new", &[]).exits(1).says(&["\"tag_name\" is no version: new"]);
    let url = format!("{}/elsewhere", forge.url);
    project.run_as_is(&["upgrade", "--check", "--releases", &url]).exits(1).says(&["it answers 404"]);
}

#[test]
fn every_command_has_a_manual_page() {
    let project = Project::empty("nothing");
    project.run_as_is(&["man", "pages"]).done();
    let page = project.read("pages/kompox-plan.1");
    assert!(page.contains(r"\-\-policy") && page.contains(".TH"), "{page}");
    assert!(project.read("pages/kompox.1").contains(r"kompox\-apply(1)"));
    assert!(project.root().join("pages/kompox-state-mv.1").exists());
}

#[test]
fn a_shell_completes_commands_and_addresses() {
    let project = Project::gitea_applied();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = project.run_as_is(&["completions", shell]).done().stdout;
        assert!(script.contains("KOMPOX_COMPLETE") && script.contains("kompox"), "{shell}: {script}");
    }
    let complete = |line: &[&str]| {
        let mut command = project.command(&[&["--", "kompox"], line].concat());
        command
            .env("KOMPOX_COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", line.len().to_string())
            .env("_CLAP_IFS", "\n");
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    assert!(complete(&["dr"]).contains(&"drift".to_owned()));
    assert_eq!(complete(&["--sandbox", "plan", "--target", "disk/"]), ["disk/default"]);
    assert_eq!(complete(&["--sandbox", "show", "/ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/d"]).len(), 1);
    assert_eq!(complete(&["plan", "--target", "disk/"]), [""; 0], "the state of the real cloud has none");
}

#[test]
fn a_plan_of_an_earlier_revision_touches_nothing_of_today() {
    let project = Project::gitea();
    let git = |words: &[&str]| {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"];
        let mut command = std::process::Command::new("git");
        let output = command.args(identity).args(words).current_dir(project.folder()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    // The project is a folder of the repository, and git has no env file.
    std::fs::write(project.folder().join(".gitignore"), "*.env\nhome\n**/.kompox/state\n**/.kompox/sandbox\n").unwrap();
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-qm", "first"]);
    project.edit("compose.yml", "gitea:1.24.6", "gitea:1.24.7");
    git(&["commit", "-qam", "second"]);
    project.run(&["apply", "--auto-approve"]).done();
    project.edit("compose.yml", "gitea:1.24.7", "gitea:1.24.8");
    let before = git(&["status", "--porcelain"]);
    let plan = project.run(&["plan", "--at", "HEAD~1", "--json"]).done().json();
    assert_eq!(plan["counts"], json!({"update": 1}));
    let change = &plan["actions"][0]["changes"][0];
    assert_eq!(
        (&change["before"], &change["after"]),
        (&"docker.gitea.com/gitea:1.24.7".into(), &"docker.gitea.com/gitea:1.24.6".into())
    );
    let notes = plan["notes"].as_array().unwrap();
    let note = notes.iter().find(|note| note["code"] == "revision").unwrap()["text"].as_str().unwrap();
    assert!(
        note.starts_with("planned from the manifests of HEAD~1 (") && note.ends_with("data is not rolled back"),
        "{note}"
    );
    assert_eq!(git(&["status", "--porcelain"]), before, "index and files are as they were");
    assert_eq!(project.run(&["plan", "--at", "HEAD", "--detailed-exitcode"]).code, Some(0));
    project
        .run(&["plan", "--at", "nowhere"])
        .exits(1)
        .says(&["error[revision]: --at nowhere: git knows no such revision"]);
    project.run(&["plan", "--at", "HEAD", "--out", "p.kplan"]).exits(1);
    // Nor need git have the folder of kompox.
    std::fs::write(project.folder().join(".gitignore"), "*.env\nhome\n.kompox/\n").unwrap();
    git(&["rm", "-r", "-q", "--cached", "."]);
    git(&["add", "-A"]);
    git(&["commit", "-qm", "third"]);
    assert_eq!(project.run(&["plan", "--at", "HEAD", "--json"]).done().json()["counts"], json!({"update": 1}));
}
