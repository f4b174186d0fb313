//! What somebody changed behind kompox's back.

use insta::assert_snapshot;
use serde_json::json;

use crate::harness::cloud::Cloud;
use crate::harness::project::Project;

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/k4x-50vf7y-app1-13o40q/deployments/app1-app";

/// Scales the Deployment and changes a tag of the disk.
fn meddle(project: &Project) {
    let served = Cloud::beside(project);
    let ids = project.ids();
    let deployment = ids.iter().find(|id| id.ends_with(DEPLOYMENT)).unwrap();
    let cluster = deployment.strip_suffix(DEPLOYMENT).unwrap();
    served.kube_patch(cluster, DEPLOYMENT, &json!({"spec": {"replicas": 3}}));
    let disk = &project.disks()[0];
    let mut tags = served.arm("GET", disk, &json!(null)).json()["tags"].take();
    tags["kompox-volume"] = "somebody-elses".into();
    served.arm("PATCH", disk, &json!({"tags": tags})).json();
    crate::harness::wait_for("the disk's new tag", || {
        (served.arm("GET", disk, &json!(null)).json()["properties"]["provisioningState"] == "Succeeded").then_some(())
    });
}

#[test]
fn drift_is_named_shown_by_plan_and_put_right() {
    let project = Project::gitea_applied();
    let none = project.run(&["drift"]).done();
    assert_snapshot!(project.data(&none), @"No drift.");

    meddle(&project);
    let drift = project.run(&["drift"]).exits(2);
    assert_snapshot!(project.data(&drift), @r#"
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1
        disk/default
          ~ tags.kompox-volume: "default" → "somebody-elses"  (drift: changed outside kompox)
            Azure does not say who; its activity log does:  az monitor activity-log list --offset 90d --resource-id /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y_disk_default_[ID]_13o40q

    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1
        Deployment/app1-app
          ~ spec.replicas: 1 → 3  (drift: changed by kubectl-edit at [TIME])

    Drift: 2 fields of 2 objects.
    "#);
    let json = project.run(&["drift", "--json"]).exits(2).json();
    assert_eq!(json["actions"].as_array().unwrap().len(), 2, "{json:#}");

    // At the line of the manifest, for code hosts, and as tests that failed.
    let sarif = project.run(&["drift", "--format", "sarif"]).exits(2).json();
    let places = sarif["runs"][0]["results"].as_array().unwrap().iter().map(|result| {
        let place = &result["locations"][0]["physicalLocation"];
        format!("{}:{}", place["artifactLocation"]["uri"].as_str().unwrap(), place["region"]["startLine"])
    });
    assert_eq!(places.collect::<Vec<_>>(), ["compose.yml:2", "kompoxapp.yml:82"]);
    let junit = project.run(&["drift", "--format", "junit"]).exits(2).stdout;
    assert!(junit.contains("tests=\"3\" failures=\"2\"") && junit.contains("spec.replicas: 1 → 3"), "{junit}");

    let plan = project.run(&["plan", "--detailed-exitcode"]).exits(2);
    assert_snapshot!(project.data(&plan), @r#"
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1
      ~ disk/default  put right: tags.kompox-volume "somebody-elses" → "default"  (kompoxapp.yml:82)
          ~ tags.kompox-volume: "somebody-elses" → "default"  (drift: changed outside kompox)

    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1
      ~ Deployment/app1-app  put right: spec.replicas 3 → 1  (compose.yml:2)
            takes over fields that other writers own
          ~ spec.replicas: 3 → 1  (drift: changed by kubectl-edit at [TIME])

    Plan: 0 to create, 2 to update, 0 to delete; 31 unchanged

    Hosts:
      app1-13o40q-3000.cluster1.aks1.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
      gitea.custom.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
    "#);
    project.run(&["apply", "--auto-approve"]).done();
    assert_eq!(project.object(DEPLOYMENT)["spec"]["replicas"], 1);
    assert_eq!(project.object(&project.disks()[0])["tags"]["kompox-volume"], "default");
    project.run(&["drift"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn drift_shows_what_was_applied_what_is_there_and_what_is_asked_for() {
    let project = Project::gitea_applied();
    let ids = project.ids();
    let cluster = ids.iter().find_map(|id| id.strip_suffix(DEPLOYMENT)).unwrap();
    let mut containers = project.object(DEPLOYMENT)["spec"]["template"]["spec"]["containers"].take();
    let gitea = containers.as_array_mut().unwrap().iter_mut().find(|container| container["name"] == "gitea").unwrap();
    gitea["image"] = "docker.gitea.com/gitea:theirs".into();
    let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    Cloud::beside(&project).kube_patch(cluster, DEPLOYMENT, &patch);
    project.edit("compose.yml", "gitea:1.24.6", "gitea:1.24.7");
    let drift = project.run(&["drift"]).exits(2);
    assert_snapshot!(project.data(&drift), @r#"
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1
        Deployment/app1-app
          ~ spec.template.spec.containers[gitea].image:  (drift: changed by kubectl-edit at [TIME]; the manifests ask for "docker.gitea.com/gitea:1.24.7")
              - "docker.gitea.com/gitea:1.24.6"
              + "docker.gitea.com/gitea:theirs"

    Drift: 1 field of 1 object.
    "#);
    let json = project.run(&["drift", "--json"]).exits(2).json();
    let change = &json["actions"][0]["changes"][0];
    let sides = ["before", "after", "desired"].map(|side| change[side].as_str().unwrap().rsplit(':').next().unwrap());
    assert_eq!(sides, ["1.24.6", "theirs", "1.24.7"]);
    assert_eq!(change["cause"]["writer"], "kubectl-edit");
}

#[test]
fn what_nobody_was_asked_for_is_no_drift() {
    let project = Project::gitea_applied();
    let records = project.run(&["state", "list", "--json"]).done().stdout;
    for command in [&["drift"][..], &["plan", "--refresh-only"], &["apply", "--refresh-only", "--auto-approve"]] {
        for option in ["--offline", "--refresh=false"] {
            let refused = project.run(&[command, &[option]].concat()).exits(1);
            assert!(
                refused.stderr.contains(&format!("and with {option} nobody is asked for it")),
                "{}",
                refused.stderr
            );
        }
    }
    assert_eq!(project.run(&["state", "list", "--json"]).done().stdout, records);
}

#[test]
fn drift_can_be_accepted() {
    let project = Project::gitea_applied();
    meddle(&project);
    let accept = project.run(&["apply", "--refresh-only", "--auto-approve"]).done();
    assert_snapshot!(project.data(&accept), @r#"
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1
        disk/default
          ~ tags.kompox-volume: "default" → "somebody-elses"  (drift: changed outside kompox)
            Azure does not say who; its activity log does:  az monitor activity-log list --offset 90d --resource-id /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y_disk_default_[ID]_13o40q

    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1
        Deployment/app1-app
          ~ spec.replicas: 1 → 3  (drift: changed by kubectl-edit at [TIME])

    Drift: 2 fields of 2 objects.
    Refresh complete in [SECONDS] s: 2 accepted.
    "#);
    project.run(&["drift"]).done();
    assert_eq!(project.object(DEPLOYMENT)["spec"]["replicas"], 3, "the cluster was not touched");
    // The manifests still say one.
    project.run(&["plan", "--detailed-exitcode"]).exits(2);
}

#[test]
fn what_is_printed_about_drift_of_some_objects_reaches_no_further() {
    let project = Project::gitea_applied();
    meddle(&project);
    let comment = project.run(&["drift", "--target", "disk/default", "--format", "markdown"]).exits(2).stdout;
    let way = comment.lines().find_map(|line| line.strip_prefix("- to accept it: <code>kompox --sandbox ")).unwrap();
    let way: Vec<&str> = way.strip_suffix("</code>").unwrap().split(' ').collect();
    project.run(&[&way[..], &["--auto-approve"]].concat()).done();
    // What the comment did not show is still to be accepted.
    let rest = project.run(&["drift"]).exits(2);
    assert!(rest.stdout.contains("spec.replicas") && !rest.stdout.contains("somebody-elses"), "{}", rest.stdout);
}

#[test]
fn what_somebody_deleted_is_drift_and_made_again() {
    let project = Project::gitea_applied();
    let ids = project.ids();
    let secret = ids.iter().find(|id| id.ends_with("/secrets/app1-app-gitea-base")).unwrap();
    let world = Cloud::beside(&project);
    let cluster = &secret[..secret.find("/api/v1/").unwrap()];
    world.kube_delete(cluster, &secret[cluster.len()..]);
    let drift = project.run(&["drift"]).exits(2);
    assert_snapshot!(project.data(&drift), @"
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1
        Secret/app1-app-gitea-base  it was deleted outside of kompox

    Drift: 1 object.
    ");
    project.run(&["apply", "--auto-approve"]).done();
    assert!(project.ids().contains(secret));
    project.run(&["drift"]).done();
}

#[test]
fn who_wrote_last_is_told_where_the_cloud_says_it_and_else_where_to_ask() {
    let project = Project::gitea_applied();
    let cloud = Cloud::beside(&project);
    let ids = project.ids();
    let id = |end: &str| ids.iter().find(|id| id.ends_with(end)).unwrap().clone();
    // Of an identity Azure says who wrote it last; of a group it says nothing.
    let identity =
        ids.iter().find(|id| id.contains("/userAssignedIdentities/") && !id.contains("Credentials")).unwrap();
    for changed in [identity, &id("_app_app1_13o40q")] {
        cloud.drift(changed, &json!({"tags": {"managed-by": "somebody"}}));
    }
    let drift = project.run(&["drift"]).exits(2);
    assert_snapshot!(project.data(&drift), @r#"
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1
        resource-group/app1
          ~ tags.managed-by: "kompox" → "somebody"  (drift: changed outside kompox)
            Azure does not say who; its activity log does:  az monitor activity-log list --offset 90d --resource-id /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q

    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1
        identity/ingress
          ~ tags.managed-by: "kompox" → "somebody"  (drift: changed outside kompox; the object was last written by somebody@example.com at [TIME])

    Drift: 2 fields of 2 objects.
    "#);
    let json = project.run(&["drift", "--json"]).exits(2).json();
    let sides = |end: &str| {
        let actions = json["actions"].as_array().unwrap();
        let action = actions.iter().find(|action| action["address"].as_str().unwrap().contains(end)).unwrap();
        let cause = &action["changes"][0]["cause"];
        (cause["writer"].clone(), cause["of_object"].clone(), action["who"].is_string())
    };
    assert_eq!(sides("/identity/"), ("somebody@example.com".into(), true.into(), false));
    assert_eq!(sides("/resource-group/"), (serde_json::Value::Null, false.into(), true));
    // In every format.
    for format in ["text", "markdown", "html", "sarif", "junit"] {
        let said = project.run(&["drift", "--format", format]).exits(2).stdout;
        assert!(said.contains("last written by somebody") && said.contains("az monitor activity-log list"), "{said}");
    }
}

#[test]
fn what_the_server_does_not_let_be_mended_is_made_anew_by_the_option_that_is_printed() {
    let project = Project::gitea_applied();
    let id = project.ids().into_iter().find(|id| id.ends_with("/services/app1-app")).unwrap();
    // Another port of the same name: what is applied beside it would have that name, too.
    let mut port = project.object("/services/app1-app")["spec"]["ports"][0].clone();
    port["port"] = 81.into();
    Cloud::beside(&project).drift(&id, &json!({"spec": {"ports": [port]}}));
    let refused = project.run(&["plan"]).exits(1);
    let words = refused.errors();
    assert!(words.contains("error[server-refuses]") && words.contains("Service/app1-app"), "{words}");
    let (_, option) = words.split_once("if it cannot become that, make it anew:  add ").unwrap();
    let option: Vec<&str> = option.lines().next().unwrap().split(' ').collect();
    assert_eq!(option[0], "--replace");
    project.run(&[&["apply", "--auto-approve"], &option[..]].concat()).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
}
