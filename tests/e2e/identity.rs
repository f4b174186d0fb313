//! Which object is meant: renames, settings that would move things, other states, claims whose volume would not stay.

use std::fs;

use serde_json::json;

use crate::harness::cloud::Cloud;
use crate::harness::project::Project;

const SUBSCRIPTION: &str = "9473abf6-f25e-420e-b3f2-128c1c7b46f2";

/// The text of the manifest, changed; nothing may happen, and the error says all of this.
fn refused(project: &Project, text: &str, says: &[&str]) {
    let (before, manifest) = (project.ids(), project.read("kompoxapp.yml"));
    project.write("kompoxapp.yml", text);
    for words in [&["plan"] as &[&str], &["apply", "--auto-approve"], &["apply", "--auto-approve", "--refresh=false"]] {
        let errors = project.run(words).exits(1).errors();
        for text in says {
            assert!(errors.contains(text), "{text} is missing in\n{errors}");
        }
        assert!(errors.contains("--> kompoxapp.yml:"), "{errors}");
    }
    assert_eq!(project.ids(), before);
    project.write("kompoxapp.yml", &manifest);
}

#[test]
fn what_exists_stays_in_its_subscription_and_group() {
    let project = Project::gitea_applied();
    let text = project.read("kompoxapp.yml");
    assert!(text.contains(SUBSCRIPTION), "{text}");
    let other = "11111111-f25e-420e-b3f2-128c1c7b46f2";
    let moved = text.replace(SUBSCRIPTION, other);
    let says = [
        &format!("/subscriptions/{SUBSCRIPTION}/"),
        &format!("/subscriptions/{other}/"),
        "keep AZURE_SUBSCRIPTION_ID: 9473",
    ];
    refused(&project, &moved, &says.map(|text| text as &str));
    let prefixed = text.replace("    AZURE_LOCATION:", "    AZURE_RESOURCE_PREFIX: other\n    AZURE_LOCATION:");
    refused(
        &project,
        &prefixed,
        &["/resourceGroups/k4x-", "/resourceGroups/other_cls_cluster1_", "AZURE_RESOURCE_GROUP_NAME: k4x-"],
    );
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn a_renamed_workspace_or_cluster_moves_nothing_and_keeps_its_names_if_told_to() {
    let project = Project::gitea_applied();
    let text = project.read("kompoxapp.yml");
    let workspace = "/ws/aks-e2e-gitea-20250925-060355";
    let renamed =
        text.replace("name: aks-e2e-gitea-20250925-060355", "name: forge").replace(workspace, "/ws/forge").replacen(
            "ops.kompox.dev/id: /ws/forge\n",
            &format!("ops.kompox.dev/id: /ws/forge\n    ops.kompox.dev/moved-from: {workspace}\n"),
            1,
        );
    assert_ne!(text, renamed);
    let says =
        ["/resourceGroups/k4x-50vf7y_cls_cluster1_", "it cannot move", "AZURE_AKS_CLUSTER_NAME: k4x-50vf7y-cluster1"];
    refused(&project, &renamed, &says);

    // With the lines that the error prints, the cluster stays.
    project.write("kompoxapp.yml", &renamed);
    let errors = project.run(&["plan"]).exits(1).errors();
    let setting = |name: &str| {
        let at = errors.find(&format!("= help: {name}: ")).unwrap() + "= help: ".len();
        errors[at..].lines().next().unwrap().to_owned()
    };
    let lines = format!("    {}\n    {}\n", setting("AZURE_RESOURCE_GROUP_NAME"), setting("AZURE_AKS_CLUSTER_NAME"));
    let at = renamed.find("kind: Cluster").unwrap();
    let spec = renamed[at..].find("spec:\n").unwrap() + at + "spec:\n".len();
    let (head, tail) = renamed.split_at(spec);
    let kept = match tail.find("  settings:\n").filter(|at| !tail[..*at].contains("---")) {
        Some(at) => {
            format!("{head}{}{lines}{}", &tail[..at + "  settings:\n".len()], &tail[at + "  settings:\n".len()..])
        }
        None => format!("{head}  settings:\n{lines}{tail}"),
    };
    project.write("kompoxapp.yml", &kept);
    let (disks, cluster) = (project.disks(), project.object("/managedClusters/k4x-50vf7y-cluster1"));
    project.run(&["apply", "--auto-approve"]).done();
    assert_eq!(project.disks(), disks);
    assert_eq!(project.object("/managedClusters/k4x-50vf7y-cluster1")["id"], cluster["id"]);
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn the_state_of_a_twin_deletes_nothing() {
    let (project, twin) = (Project::gitea_applied(), Project::gitea_applied());
    for name in ["sandbox.db", "sandbox.db-wal", "sandbox.db-shm"] {
        let at = |root: &std::path::Path| root.join(".kompox/state").join(name);
        let _ = fs::remove_file(at(project.root()));
        if at(twin.root()).exists() {
            fs::copy(at(twin.root()), at(project.root())).unwrap();
        }
    }
    let before = project.ids();
    for words in [&["destroy", "--auto-approve"] as &[&str], &["destroy", "--auto-approve", "--refresh=false"]] {
        project.run(words).done();
        assert_eq!(project.ids(), before);
    }
}

#[test]
fn a_volume_that_would_take_its_disk_along_gets_its_policy_back() {
    let project = Project::gitea_applied();
    let served = Cloud::beside(&project);
    let ids = project.ids();
    let volume = ids.iter().find(|id| id.contains("/persistentvolumes/k4x-50vf7y-default-")).unwrap();
    let (cluster, path) = volume.split_at(volume.find("/api/v1/persistentvolumes/").unwrap());
    served.kube_patch(cluster, path, &json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}}));
    let disks = project.disks();
    project.run(&["destroy", "--auto-approve"]).done();
    assert_eq!(project.disks(), disks);
}

#[test]
fn the_sandbox_deletes_the_disk_of_a_volume_as_the_driver_does() {
    let project = Project::gitea_applied();
    let served = Cloud::beside(&project);
    let ids = project.ids();
    let volume = ids.iter().find(|id| id.contains("/persistentvolumes/k4x-50vf7y-default-")).unwrap();
    let (cluster, path) = volume.split_at(volume.find("/api/v1/persistentvolumes/").unwrap());
    // Nothing of ours looks here: the claim goes by hand, and the driver does what the policy says.
    project.run(&["destroy", "--auto-approve", "--target", "Deployment/app1-app"]).done();
    served.kube_patch(cluster, path, &json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}}));
    let claim = ids.iter().find(|id| id.contains("app1-13o40q/persistentvolumeclaims/")).unwrap();
    assert_eq!(project.disks().len(), 1);
    served.kube_delete(cluster, claim.strip_prefix(cluster).unwrap());
    crate::harness::wait_for("the disk to go", || project.disks().is_empty().then_some(()));
}
