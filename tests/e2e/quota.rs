//! Quota and limits of an app's Namespace, from the manifest to the cluster and back.

use insta::assert_snapshot;
use serde_json::json;

use crate::harness::cloud::Cloud;
use crate::harness::project::Project;

const QUOTA: &str = "/resourcequotas/wiki";
const LIMITS: &str = "/limitranges/wiki";

#[test]
fn quota_and_limits_are_applied_before_what_they_count() {
    let project = Project::example("quota");
    project.run(&["apply", "--auto-approve"]).done();
    assert_eq!(
        project.object(QUOTA)["spec"]["hard"],
        json!({
            "limits.cpu": "4", "limits.memory": "8Gi", "persistentvolumeclaims": "5", "pods": "10",
            "requests.cpu": "2", "requests.memory": "4Gi", "requests.storage": "50Gi", "services": "20",
            "services.loadbalancers": "0",
        })
    );
    assert_eq!(
        project.object(LIMITS)["spec"]["limits"],
        json!([{
            "type": "Container",
            "default": {"cpu": "500m", "memory": "512Mi"},
            "defaultRequest": {"cpu": "100m", "memory": "128Mi"},
            "max": {"cpu": "2", "memory": "2Gi"},
        }])
    );
    project.run(&["plan", "--detailed-exitcode"]).done();

    // Another way to write the same amount is no change; another amount is one.
    project.edit("kompoxapp.yml", "requests.cpu: \"2\"", "requests.cpu: 2000m");
    project.run(&["plan", "--detailed-exitcode"]).done();
    project.edit("kompoxapp.yml", "    pods: 10\n", "    pods: 12\n");
    project.edit("kompoxapp.yml", "max: {cpu: \"2\", memory: 2Gi}", "max: {cpu: \"2\", memory: 3Gi}");
    let plan = project.run(&["plan", "--detailed-exitcode"]).exits(2);
    assert_snapshot!(project.data(&plan), @r#"
    /ws/teams/prv/aks1/cls/shared/app/wiki
      ~ ResourceQuota/wiki  spec.hard.pods "10" → "12"  (kompoxapp.yml:56)
          ~ spec.hard.pods: "10" → "12"
      ~ LimitRange/wiki  spec.limits[0].max.memory "2Gi" → "3Gi"  (kompoxapp.yml:68)
          ~ spec.limits[0].max.memory: "2Gi" → "3Gi"

    Plan: 0 to create, 2 to update, 0 to delete; 30 unchanged

    Hosts:
      wiki-4kg95y-3000.shared.example.com  (/ws/teams/prv/aks1/cls/shared/app/wiki)
      wiki.example.org  (/ws/teams/prv/aks1/cls/shared/app/wiki)
    "#);
    project.run(&["apply", "--auto-approve"]).done();
    assert_eq!(project.object(QUOTA)["spec"]["hard"]["pods"], "12");
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn a_quota_that_somebody_raised_is_drift() {
    let project = Project::example("quota");
    project.run(&["apply", "--auto-approve"]).done();
    {
        let served = Cloud::beside(&project);
        let id = project.ids().into_iter().find(|id| id.ends_with(QUOTA)).unwrap();
        let at = id.find("/api/v1/").unwrap();
        served.kube_patch(&id[..at], &id[at..], &json!({"spec": {"hard": {"pods": "100"}}}));
    }
    let drift = project.run(&["drift"]).exits(2);
    assert_snapshot!(project.data(&drift), @r#"
    /ws/teams/prv/aks1/cls/shared/app/wiki
        ResourceQuota/wiki
          ~ spec.hard.pods: "10" → "100"  (drift: changed by kubectl-edit at [TIME])

    Drift: 1 field of 1 object.
    "#);
    project.run(&["apply", "--auto-approve"]).done();
    assert_eq!(project.object(QUOTA)["spec"]["hard"]["pods"], "10");
}

#[test]
fn an_app_without_them_loses_them_and_a_destroy_takes_them() {
    let project = Project::example("quota");
    project.run(&["apply", "--auto-approve"]).done();
    let text = project.read("kompoxapp.yml");
    let start = text.find("  # What the app's Namespace may hold").unwrap();
    project.write("kompoxapp.yml", &text[..start]);
    let plan = project.run(&["plan", "--detailed-exitcode"]).exits(2);
    assert_snapshot!(project.data(&plan), @"
    /ws/teams/prv/aks1/cls/shared/app/wiki
      @ Service/postgres  what it depends on changes  (compose.yml:15)
      @ Service/wiki  what it depends on changes  (compose.yml:2)
      @ Service/wiki-app  what it depends on changes  (compose.yml:12)
      @ PersistentVolumeClaim/default  what it depends on changes  (kompoxapp.yml:53)
      @ Deployment/wiki-app  what it depends on changes  (compose.yml:2)
      - LimitRange/wiki  the manifests no longer mention it
      - ResourceQuota/wiki  the manifests no longer mention it

    Plan: 0 to create, 0 to update, 2 to delete, 5 to accept; 25 unchanged

    Hosts:
      wiki-4kg95y-3000.shared.example.com  (/ws/teams/prv/aks1/cls/shared/app/wiki)
      wiki.example.org  (/ws/teams/prv/aks1/cls/shared/app/wiki)
    ");
    project.run(&["apply", "--auto-approve"]).done();
    project.write("kompoxapp.yml", &text);
    project.run(&["apply", "--auto-approve"]).done();
    assert!(project.ids().iter().any(|id| id.ends_with(QUOTA)));
    project.run(&["destroy", "--auto-approve"]).done();
    assert!(!project.ids().iter().any(|id| id.ends_with(QUOTA) || id.ends_with(LIMITS)));
}

#[test]
fn an_app_that_does_not_fit_is_refused_before_anything_is_sent() {
    let project = Project::example("quota");
    project.edit("kompoxapp.yml", "requests.cpu: \"2\"", "requests.cpu: 500m");
    project.edit("kompoxapp.yml", "services: 20", "services: 2");
    project.edit("kompoxapp.yml", "max: {cpu: \"2\", memory: 2Gi}", "max: {cpu: \"1\", memory: 2Gi}");
    let apply = project.run(&["apply", "--auto-approve"]).exits(1);
    assert_snapshot!(project.redact(&apply.errors()), @r#"
    error[quota]: the app's pods need 601m of requests.cpu, but its quota allows 500m
      --> kompoxapp.yml:56:19
       |
    56 |     requests.cpu: 500m
       |                   ^^^^
       |
       = help: wiki-app 601m; raise requests.cpu to 601m or more, or let the services ask for less

    error[quota]: the app needs 3 of services, but its quota allows 2
      --> kompoxapp.yml:61:15
       |
    61 |     services: 2
       |               ^
       |
       = help: one for the published ports and one for each compose service; raise services to 3 or more

    error[quota]: the container postgres of wiki-app asks for 2 of cpu, more than max.cpu (1)
      --> kompoxapp.yml:70:16
       |
    70 |     max: {cpu: "1", memory: 2Gi}
       |                ^^^
       |
       = help: give the service at most 1, or raise max

    3 errors, 1 note
    "#);
    assert_eq!(project.ids(), [] as [&str; 0]);

    let project = Project::example("quota");
    let text = project.read("kompoxapp.yml");
    let start = text.find("  # What one container may use").unwrap();
    project.write("kompoxapp.yml", &text[..start]);
    let validate = project.run(&["validate"]).exits(1);
    assert_snapshot!(project.redact(&validate.errors()), @r#"
    error[quota]: with requests.cpu in the quota every container needs a request of cpu, or no pod starts
      --> kompoxapp.yml:56:19
       |
    56 |     requests.cpu: "2"
       |                   ^^^
       |
       = help: without one: wiki-app/init-volume-subpaths, wiki-app/wiki
       = help: give them all one with limits: {defaultRequest: {cpu: 100m}} beside quota,
       = help: or each service its own with deploy.resources.reservations in the compose file

    error[quota]: with requests.memory in the quota every container needs a request of memory, or no pod starts
      --> kompoxapp.yml:57:22
       |
    57 |     requests.memory: 4Gi
       |                      ^^^
       |
       = help: without one: wiki-app/init-volume-subpaths, wiki-app/wiki
       = help: give them all one with limits: {defaultRequest: {memory: 128Mi}} beside quota,
       = help: or each service its own with deploy.resources.reservations in the compose file

    error[quota]: with limits.cpu in the quota every container needs a limit of cpu, or no pod starts
      --> kompoxapp.yml:58:17
       |
    58 |     limits.cpu: "4"
       |                 ^^^
       |
       = help: without one: wiki-app/init-volume-subpaths, wiki-app/wiki
       = help: give them all one with limits: {default: {cpu: 100m}} beside quota,
       = help: or each service its own with deploy.resources.limits in the compose file

    error[quota]: with limits.memory in the quota every container needs a limit of memory, or no pod starts
      --> kompoxapp.yml:59:20
       |
    59 |     limits.memory: 8Gi
       |                    ^^^
       |
       = help: without one: wiki-app/init-volume-subpaths, wiki-app/wiki
       = help: give them all one with limits: {default: {memory: 128Mi}} beside quota,
       = help: or each service its own with deploy.resources.limits in the compose file

    4 errors, 1 note
    "#);
}
