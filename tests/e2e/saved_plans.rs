//! A saved plan does exactly what was reviewed, or nothing.

use insta::assert_snapshot;
use serde_json::json;

use crate::harness::cloud::Cloud;
use crate::harness::project::Project;

/// An applied project with a saved plan for a new image tag.
fn reviewed() -> Project {
    let project = Project::gitea_applied();
    project.edit("compose.yml", "gitea:1.24.6", "gitea:1.24.7");
    project.run(&["plan", "--out", "p.kplan"]).done();
    project
}

/// Applies the saved plan, which must be refused; gives the errors. Nothing may have changed.
fn refused(project: &Project) -> String {
    let before = project.inspect();
    let apply = project.run(&["apply", "p.kplan"]).exits(1);
    assert_eq!(apply.stdout, "", "nothing was begun");
    assert_eq!(project.inspect(), before);
    project.redact(&apply.errors())
}

#[test]
fn a_saved_plan_is_done_once() {
    let project = reviewed();
    let show = project.run(&["show", "p.kplan"]).done();
    assert_snapshot!(project.data(&show), @r#"
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1
      ~ Deployment/app1-app  spec.template.spec.containers[gitea].image "docker.gitea.com/gitea:1.24.6" → "docker.gitea.com/gitea:1.24.7"  (compose.yml:2)
          ~ spec.template.spec.containers[gitea].image:
              - "docker.gitea.com/gitea:1.24.6"
              + "docker.gitea.com/gitea:1.24.7"

    Plan: 0 to create, 1 to update, 0 to delete; 32 unchanged

    Restarts (one replica each, down until the new one is ready):
      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Deployment/app1-app  spec.template.spec.containers[gitea].image changes

    Hosts:
      app1-13o40q-3000.cluster1.aks1.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
      gitea.custom.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
    "#);
    let digest = project.words(&show);
    assert_snapshot!(digest, @"
    digest hmac-sha256:[DIGEST]
    Made with --sandbox: it is for the sandbox only.
    ");
    let apply = project.run(&["apply", "p.kplan"]).done();
    assert_snapshot!(project.data(&apply), @"
    Apply complete in [SECONDS] s: 1 updated.

    Hosts:
      app1-13o40q-3000.cluster1.aks1.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
      gitea.custom.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
    ");
    project.run(&["plan", "--detailed-exitcode"]).done();
    let again = project.run(&["apply", "p.kplan"]);
    assert_snapshot!(format!("exit {}\n{}", again.code.unwrap(), project.redact(&again.stderr)), @"
    exit 0
    Nothing is left to do: an earlier apply of this plan did it all.
    ");
}

#[test]
fn a_saved_plan_from_nothing_builds_everything() {
    let project = Project::gitea();
    project.run(&["plan", "--out", "p.kplan"]).done();
    let planned = project.run(&["show", "p.kplan", "--json"]).done().json();
    let disk = planned["actions"].as_array().unwrap().iter().find(|action| action["kind"] == "disk").unwrap();
    project.run(&["apply", "p.kplan"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
    let made = project.disks();
    assert_eq!(made.len(), 1);
    let name = made[0].rsplit('/').next().unwrap();
    assert!(disk.to_string().contains(name), "the disk has the name that was reviewed: {name} in {disk:#}");
}

#[test]
fn changed_input_is_refused_by_name() {
    let project = reviewed();
    project.edit("compose-gitea.env", "example-only-7Hq2vXr9Lm", "another");
    assert_snapshot!(refused(&project), @"
    error[input-changed]: compose-gitea.env changed since the plan was made
     |
     = help: make the plan again and have it reviewed:  kompox --sandbox plan --out FILE

    1 error
    ");
}

#[test]
fn a_changed_object_is_refused_by_name() {
    let project = reviewed();
    let served = Cloud::beside(&project);
    let path = "/apis/apps/v1/namespaces/k4x-50vf7y-app1-13o40q/deployments/app1-app";
    let ids = project.ids();
    let cluster = ids.iter().find_map(|id| id.strip_suffix(path)).unwrap();
    served.kube_patch(cluster, path, &json!({"spec": {"replicas": 4}}));
    assert_snapshot!(refused(&project), @"
    error[plan-outdated]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Deployment/app1-app: somebody changed spec.replicas since the plan was made
    --> compose.yml:2:3
     = help: make the plan again and have it reviewed:  kompox --sandbox plan --out FILE

    1 error
    ");
}

#[test]
fn another_apply_in_between_is_refused_by_name() {
    let project = reviewed();
    project.edit("compose.yml", "gitea:1.24.7", "gitea:1.24.8");
    project.run(&["apply", "--auto-approve"]).done();
    project.edit("compose.yml", "gitea:1.24.8", "gitea:1.24.7");
    assert_snapshot!(refused(&project), @"
    error[plan-outdated]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Deployment/app1-app: another apply wrote it since the plan was made
    --> compose.yml:2:3
     = help: make the plan again and have it reviewed:  kompox --sandbox plan --out FILE

    1 error
    ");
}

#[test]
fn an_unrelated_change_does_not_make_a_plan_stale() {
    let project = reviewed();
    let served = Cloud::beside(&project);
    let disk = &project.disks()[0];
    let mut tags = served.arm("GET", disk, &json!(null)).json()["tags"].take();
    tags["note"] = "nothing to do with it".into();
    served.arm("PATCH", disk, &json!({"tags": tags})).json();
    project.run(&["apply", "p.kplan"]).done();
}

#[test]
fn an_altered_file_is_refused() {
    let project = reviewed();
    project.edit("compose.yml", "gitea:1.24.7", "gitea:1.24.8");
    let text = project.read("p.kplan").replace("1.24.7", "1.24.8");
    project.write("p.kplan", &text);
    assert_snapshot!(refused(&project), @"
    error[plan-file]: [TMP]/gitea/p.kplan is not as it was saved, or was made for another state
     |
     = help: make a new plan:  kompox --sandbox plan --out FILE

    1 error
    ");
    project.write("p.kplan", &text[..text.len() / 2]);
    assert_snapshot!(refused(&project), @"
    error[plan-file]: [TMP]/gitea/p.kplan is not a saved plan: EOF […]
     |
     = help: make a new plan:  kompox --sandbox plan --out FILE

    1 error
    ");
    project.write("p.kplan", "hello\n");
    assert_snapshot!(refused(&project), @"
    error[plan-file]: [TMP]/gitea/p.kplan is not a saved plan: expected value at line 1 column 1
     |
     = help: make a new plan:  kompox --sandbox plan --out FILE

    1 error
    ");
}

#[test]
fn only_the_approved_digest() {
    let project = reviewed();
    let apply = project.run(&["apply", "p.kplan", "--expect-digest", "sha256:00"]).exits(1);
    assert_snapshot!(project.redact(&apply.errors()), @"
    error[plan-digest]: the digest of [TMP]/gitea/p.kplan is hmac-sha256:[DIGEST], not sha256:00
     |
     = help: this is not the plan that was approved

    1 error
    ");
    let show = project.run(&["show", "p.kplan"]).done();
    let digest = show.stderr.lines().find_map(|line| line.strip_prefix("digest ")).unwrap().to_owned();
    project.run(&["apply", "p.kplan", "--expect-digest", &digest]).done();
}

#[test]
fn a_plan_of_another_state_is_refused() {
    let project = reviewed();
    let other = Project::gitea_applied();
    other.edit("compose.yml", "gitea:1.24.6", "gitea:1.24.7");
    other.write("p.kplan", &project.read("p.kplan"));
    assert_snapshot!(refused(&other), @"
    error[plan-file]: [TMP]/gitea/p.kplan is not as it was saved, or was made for another state
     |
     = help: make a new plan:  kompox --sandbox plan --out FILE

    1 error
    ");
}

#[test]
fn a_plan_for_the_sandbox_is_for_the_sandbox_only() {
    let project = reviewed();
    let apply = project.run_as_is(&["apply", "p.kplan"]).exits(1);
    assert_snapshot!(project.redact(&apply.errors()), @"
    error[plan-elsewhere]: p.kplan was made with --sandbox: it is for the sandbox only
     |
     = help: apply it there:  kompox apply p.kplan --sandbox
     = help: or make a plan for the real cloud:  kompox plan --out FILE

    1 error
    ");
}

#[test]
fn a_plan_for_which_nobody_was_asked_says_so_and_is_not_applied() {
    let project = Project::gitea_applied();
    project.edit("compose.yml", "gitea:1.24.6", "gitea:1.24.7");
    let plan = project.run(&["plan", "--offline", "--out", "p.kplan", "--format", "markdown"]).done();
    assert!(plan.stdout.contains("Made with `--offline`: nobody was asked for what there is"), "{}", plan.stdout);
    assert!(!plan.text().contains("To do exactly this"), "{}", plan.text());
    assert_eq!(project.run(&["show", "p.kplan", "--format", "json"]).done().json()["offline"], true);
    project.run(&["apply", "p.kplan"]).exits(1).says(&[
        "error[plan-elsewhere]: p.kplan was made with --offline: nobody was asked for what there is",
        "kompox --sandbox plan --out",
    ]);
    let html = project.run(&["plan", "--offline", "--format", "html"]).done();
    assert!(html.stdout.contains("Made with <code>--offline</code>"));
}

#[test]
fn nothing_is_carried_out_for_which_nobody_was_asked() {
    let project = Project::gitea_applied();
    project.edit("compose.yml", "gitea:1.24.6", "gitea:1.24.7");
    for command in ["apply", "destroy"] {
        let refused = project.run(&[command, "--offline", "--auto-approve"]).exits(1);
        refused.says(&["error[offline]: with --offline nobody is asked for what there is"]);
    }
    project.run(&["plan", "--detailed-exitcode"]).exits(2);
}

#[test]
fn a_plan_that_changes_nothing_says_so() {
    let project = Project::gitea_applied();
    project.run(&["plan", "--out", "n.kplan"]).done();
    let words = project.run(&["apply", "n.kplan"]).done().stderr;
    assert!(words.contains("Nothing is left to do: this plan changes nothing."), "{words}");
}
