//! One app from its first apply over somebody's drift to its end.

use std::path::Path;

use serde_json::{Value, json};

use super::projects::Stage;
use super::{later, say};
use crate::controlplane::{assets, has_controllers};
use crate::harness::wait_for;

/// The path of the only applied object that ends so, without its query.
fn path_of(stage: &Stage, end: &str) -> String {
    let paths = stage.proxy.applied();
    let mut found = paths.keys().filter_map(|path| path.split('?').next()).filter(|path| path.ends_with(end));
    let path = found.next().unwrap_or_else(|| panic!("nothing was applied at …{end}")).to_owned();
    assert_eq!(found.next(), None);
    path
}

#[test]
fn an_app_is_made_put_right_and_removed() {
    if later() {
        return;
    }
    let controllers = assets().is_none_or(|assets| has_controllers(&assets));
    let stage = Stage::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gitea"), controllers);
    stage.apply();
    stage.settled();
    let deployment = path_of(&stage, "/deployments/app1-app");
    let namespace = deployment.split("/deployments/").next().unwrap().replace("/apis/apps/v1/", "/api/v1/");

    if controllers {
        let claims = format!("{namespace}/persistentvolumeclaims");
        wait_for("the claim to be bound to the volume made for it", || {
            let claims = stage.proxy.get(&claims);
            let claim = &claims["items"][0];
            (claim["status"]["phase"] == "Bound" && claim["metadata"]["name"] == claim["spec"]["volumeName"])
                .then_some(())
        });
        wait_for("the Pod to be made as the template says", || {
            let pods = stage.proxy.get(&format!("{namespace}/pods"));
            let pod = pods["items"].as_array()?.first()?.clone();
            (pod["spec"]["automountServiceAccountToken"] == false).then_some(())
        });
        // What controllers write is no drift.
        stage.settled();
    }

    // `kubectl edit` scales; kompox names who did it and takes it back.
    let edit = json!({"spec": {"replicas": 3}}).to_string();
    let query = format!("{deployment}?fieldManager=kubectl-edit");
    stage.proxy.send("PATCH", &query, "application/merge-patch+json", edit.as_bytes()).json();
    let drift = stage.run(&["drift"]).exits(2).stdout;
    assert!(drift.contains("spec.replicas: 1 → 3  (drift: changed by kubectl-edit at "), "{drift}");
    stage.run(&["plan", "--detailed-exitcode"]).exits(2);
    stage.run(&["apply", "--auto-approve", "--no-wait"]).done();
    assert_eq!(stage.proxy.get(&deployment)["spec"]["replicas"], 1);
    stage.settled();

    // What somebody deleted comes back.
    let ingress = path_of(&stage, "/ingresses/app1-app-custom");
    stage.proxy.send("DELETE", &ingress, "", b"").json();
    stage.run(&["plan", "--detailed-exitcode"]).exits(2);
    stage.run(&["apply", "--auto-approve", "--no-wait"]).done();
    assert_eq!(stage.proxy.get(&ingress)["metadata"]["name"], "app1-app-custom");
    stage.settled();

    // A change of the project reaches the Pod; what it drops is dropped.
    stage.project.edit("compose.yml", "USER_GID", "USER_GROUP");
    stage.run(&["apply", "--auto-approve", "--no-wait"]).done();
    let object = stage.proxy.get(&deployment);
    let environment = &object["spec"]["template"]["spec"]["containers"][0]["env"];
    let names: Vec<&str> = environment.as_array().unwrap().iter().filter_map(|env| env["name"].as_str()).collect();
    assert_eq!(names, ["USER_GROUP", "USER_UID"]);
    stage.settled();

    if controllers {
        let volumes = "/persistentvolumes";
        let volume = path_of_volume(&stage, volumes);
        stage
            .run(&[
                "destroy",
                "--auto-approve",
                "--target",
                "app/app1/Namespace/app1",
                "--target",
                "PersistentVolume/default",
            ])
            .done();
        for gone in [&namespace, &deployment, &volume] {
            assert_eq!(stage.proxy.send("GET", gone, "", b"").status, 404, "{gone}");
        }
        let (disks, is_disk) = (stage.disks(), |id: &String| id.contains("_disk_default_"));
        assert!(disks.iter().any(is_disk), "the data stays: {disks:?}");
    }
    let end = if controllers { "to its end" } else { "but for its end: there is no kube-controller-manager" };
    say(&format!("an app from its first apply over drift {end}"), &stage.judge());
}

fn path_of_volume(stage: &Stage, part: &str) -> String {
    let paths = stage.proxy.applied();
    let found: Option<&str> =
        paths.keys().filter_map(|path| path.split('?').next()).find(|path| path.contains(&format!("{part}/")));
    found.unwrap().to_owned()
}

impl Stage {
    /// The ids of what the cloud holds.
    fn disks(&self) -> Vec<String> {
        let objects = kompox_sandbox::inspect(&self.project.root().join("cloud")).unwrap();
        objects.iter().filter_map(|object: &Value| object["id"].as_str()).map(str::to_owned).collect()
    }
}
