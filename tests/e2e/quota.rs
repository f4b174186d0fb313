//! Quota and limits of an app's Namespace, from the manifest to the cluster and back.

use insta::assert_snapshot;
use serde_json::json;

use crate::http::Served;
use crate::project::Project;

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
    assert_snapshot!(project.data(&plan), @"");
    project.run(&["apply", "--auto-approve"]).done();
    assert_eq!(project.object(QUOTA)["spec"]["hard"]["pods"], "12");
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn a_quota_that_somebody_raised_is_drift() {
    let project = Project::example("quota");
    project.run(&["apply", "--auto-approve"]).done();
    {
        let served = Served::beside(&project);
        let id = project.ids().into_iter().find(|id| id.ends_with(QUOTA)).unwrap();
        let at = id.find("/api/v1/").unwrap();
        served.kube_patch(&id[..at], &id[at..], &json!({"spec": {"hard": {"pods": "100"}}}));
    }
    let drift = project.run(&["drift"]).exits(2);
    assert_snapshot!(project.data(&drift), @"");
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
    assert_snapshot!(project.data(&plan), @"");
    project.run(&["apply", "--auto-approve"]).done();
    project.write("kompoxapp.yml", &text);
    project.run(&["apply", "--auto-approve"]).done();
    assert!(project.ids().iter().any(|id| id.ends_with(QUOTA)));
    project.run(&["destroy", "--auto-approve", "--allow-data-loss"]).done();
    assert!(!project.ids().iter().any(|id| id.ends_with(QUOTA) || id.ends_with(LIMITS)));
}

#[test]
fn an_app_that_does_not_fit_is_refused_before_anything_is_sent() {
    let project = Project::example("quota");
    project.edit("kompoxapp.yml", "requests.cpu: \"2\"", "requests.cpu: 500m");
    project.edit("kompoxapp.yml", "services: 20", "services: 2");
    project.edit("kompoxapp.yml", "max: {cpu: \"2\", memory: 2Gi}", "max: {cpu: \"1\", memory: 2Gi}");
    let apply = project.run(&["apply", "--auto-approve"]).exits(1);
    assert_snapshot!(project.redact(&apply.errors()), @"");
    assert_eq!(project.ids(), [] as [&str; 0]);

    let project = Project::example("quota");
    let text = project.read("kompoxapp.yml");
    let start = text.find("  # What one container may use").unwrap();
    project.write("kompoxapp.yml", &text[..start]);
    let validate = project.run(&["validate"]).exits(1);
    assert_snapshot!(project.redact(&validate.errors()), @"");
}
