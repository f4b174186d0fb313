//! Disks, shares and what holds them, as Azure takes them.

use serde_json::{Value, json};

use crate::harness::cloud::Cloud;
use crate::harness::http::send;
use crate::harness::project::Project;
use crate::harness::run::Finished;

const ZONE: &str = "  deployment:\n    zone: \"1\" # pod and disk must be in one zone\n";
const SKU: &str = "        sku: PremiumV2_LRS";
const ACCOUNTS: &str = "Microsoft.Storage/storageAccounts";

fn run(project: &Project, served: &Cloud, arguments: &[&str]) -> Finished {
    let mut all = vec!["--sandbox-endpoint", served.endpoint.as_str()];
    all.extend(arguments);
    project.run(&all)
}

/// All objects of a type, from the served world.
fn objects(served: &Cloud, kind: &str) -> Vec<Value> {
    let head = [("Host", served.address())];
    let all = send(served.address(), "GET", "/_sandbox/inspect", &head, b"").json();
    let objects = all["objects"].as_array().unwrap().iter().filter(|object| object["type"] == kind);
    objects.map(|object| object["object"].clone()).collect()
}

fn arm(served: &Cloud, method: &str, path: &str, version: &str, body: &Value) -> Value {
    let head =
        [("Host", served.address()), ("Authorization", "Bearer sandbox-x"), ("Content-Type", "application/json")];
    let path = format!("{path}?api-version={version}");
    send(served.address(), method, &path, &head, body.to_string().as_bytes()).json()
}

fn drift(served: &Cloud, id: &str, patch: Value) {
    let head = [("Host", served.address()), ("Content-Type", "application/json")];
    let body = json!({"id": id, "patch": patch}).to_string();
    send(served.address(), "POST", "/_sandbox/drift", &head, body.as_bytes()).json();
}

fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[test]
fn a_strangers_disk_in_the_group_of_the_nodes_keeps_the_cluster() {
    let project = Project::gitea();
    let served = Cloud::beside(&project);
    run(&project, &served, &["apply", "--auto-approve"]).done();
    let cluster = objects(&served, "Microsoft.ContainerService/managedClusters").remove(0);
    let id = text(&cluster, "/id");
    let group = format!(
        "{}/resourceGroups/{}",
        &id[..id.find("/resourceGroups/").unwrap()],
        text(&cluster, "/properties/nodeResourceGroup")
    );
    let disk = format!("{group}/providers/Microsoft.Compute/disks/stranger");
    served.make_disk(&disk, "1");
    let destroy = run(&project, &served, &["destroy", "--auto-approve"]).exits(1);
    assert!(destroy.stderr.contains("it still holds what this plan does not delete"), "{}", destroy.stderr);
    assert!(destroy.stderr.contains(&format!("Microsoft.Compute/disks {disk}")), "{}", destroy.stderr);
    assert!(objects(&served, "Microsoft.Compute/disks").iter().any(|found| text(found, "/id") == disk));
    assert_eq!(objects(&served, "Microsoft.ContainerService/managedClusters").len(), 1);
    served.arm("DELETE", &disk, &Value::Null);
    crate::harness::wait_for("the disk to go", || (served.arm("GET", &disk, &Value::Null).status == 404).then_some(()));
    run(&project, &served, &["destroy", "--auto-approve"]).done();
    assert_eq!(objects(&served, "Microsoft.ContainerService/managedClusters").len(), 0);
}

#[test]
fn an_app_of_another_project_keeps_the_cluster() {
    let project = Project::gitea();
    let served = Cloud::beside(&project);
    run(&project, &served, &["apply", "--auto-approve"]).done();
    let cluster = objects(&served, "Microsoft.ContainerService/managedClusters").remove(0);
    let cluster = text(&cluster, "/id");
    // It has no volume that would keep it.
    let theirs = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": "theirs", "annotations": {"kompox.dev/lineage": "0b1c6c1e-6f0e-4a53-8c62-4a2a3f1d7a10"},
    }});
    served.kube_make(&cluster, "/api/v1/namespaces", &theirs);
    let destroy = run(&project, &served, &["destroy", "--auto-approve"]).exits(1);
    assert!(destroy.stderr.contains("Namespace /api/v1/namespaces/theirs"), "{}", destroy.stderr);
    assert_eq!(objects(&served, "Microsoft.ContainerService/managedClusters").len(), 1);
    served.kube_delete(&cluster, "/api/v1/namespaces/theirs");
    run(&project, &served, &["destroy", "--auto-approve"]).done();
    assert_eq!(objects(&served, "Microsoft.ContainerService/managedClusters").len(), 0);
}

/// The gitea example with its volume on a share.
fn with_share(options: &str) -> Project {
    let project = Project::gitea();
    project.edit("kompoxapp.yml", SKU, options);
    project.edit(
        "kompoxapp.yml",
        "      size: 10Gi\n",
        "      size: 100Gi\n      type: files\n      deletionPolicy: Delete\n",
    );
    project
}

#[test]
fn what_a_storage_account_holds_beside_shares_keeps_it() {
    let project = with_share("        sku: Standard_LRS");
    let served = Cloud::beside(&project);
    run(&project, &served, &["apply", "--auto-approve"]).done();
    let account = text(&objects(&served, ACCOUNTS)[0], "/id");
    for item in [
        "blobServices/default/containers/precious",
        "queueServices/default/queues/jobs",
        "tableServices/default/tables/Rows",
    ] {
        let path = format!("{account}/{item}");
        arm(&served, "PUT", &path, "2023-05-01", &json!({}));
        let destroy = run(&project, &served, &["destroy", "--auto-approve", "--allow-data-loss", "share/default"]);
        let destroy = destroy.exits(1);
        assert!(destroy.stderr.contains(&path), "{}", destroy.stderr);
        assert_eq!(objects(&served, ACCOUNTS).len(), 1);
        send(
            served.address(),
            "DELETE",
            &format!("{path}?api-version=2023-05-01"),
            &[("Host", served.address()), ("Authorization", "Bearer sandbox-x")],
            b"",
        );
        run(&project, &served, &["apply", "--auto-approve"]).done();
    }
}

#[test]
fn a_volume_keeps_its_type() {
    const FILES: &str = "      size: 100Gi\n      type: files\n";
    let project = Project::gitea();
    project.run(&["apply", "--auto-approve"]).done();
    // One error: what else would be said of it leads to an empty share.
    project.edit("kompoxapp.yml", SKU, "        sku: Standard_LRS");
    project.edit("kompoxapp.yml", "      size: 10Gi\n", FILES);
    let refused = project.run(&["plan"]).exits(1);
    insta::assert_snapshot!(project.words(&refused), @r#"
    error[volume]: the volume default is of type disk and has data: disk/default (/subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y_disk_default_[ID]_13o40q)
      --> kompoxapp.yml:82:7
       |
    82 |     - name: default
       |       ^^^^
       |
       = help: of another type it would be a new, empty one; keep type: disk
       = help: for the other type, declare a volume beside it under another name: where the app moves to that one, the plan prints the lines that copy its files

    1 error
    "#);
    // Under another name it is a volume of its own, and the disk stays where it is.
    let share = with_share("        sku: Standard_LRS");
    share.run(&["apply", "--auto-approve"]).done();
    share.edit("kompoxapp.yml", "      size: 100Gi\n      type: files\n", "      size: 10Gi\n");
    share.edit("kompoxapp.yml", "        sku: Standard_LRS", SKU);
    let refused = share.run(&["plan"]).exits(1).stderr;
    assert!(refused.contains("of type files and has data: share/default"), "{refused}");
    assert_eq!(refused.matches("error[").count(), 1, "{refused}");
}

#[test]
fn an_app_without_a_zone_gets_one_for_disk_and_pods_and_is_told() {
    let project = Project::gitea();
    project.edit("kompoxapp.yml", ZONE, "");
    project.edit("kompoxapp.yml", "AZURE_AKS_USER_VM_ZONES: 1", "AZURE_AKS_USER_VM_ZONES: 2,3");
    let told = project.run(&["validate"]).done().stderr;
    assert!(told.contains("the app names none: zone 2 is taken, for its Pods too"), "{told}");
    project.run(&["apply", "--auto-approve"]).done();
    let disk = project.object(&project.disks()[0]);
    assert_eq!(disk["zones"], json!(["2"]));
    // It is as if the line that was printed had been there from the start; and now nothing is said any more.
    let line = told.lines().find_map(|line| line.split_once("under spec of the App:  ")).unwrap().1.trim().to_owned();
    assert!(!project.run(&["plan", "--detailed-exitcode"]).done().stderr.contains("is taken"));
    project.edit("kompoxapp.yml", "  volumes:\n", &format!("  {line}\n  volumes:\n"));
    project.run(&["plan", "--detailed-exitcode"]).done();
    // Other pools do not move it.
    project.edit("kompoxapp.yml", &format!("  {line}\n"), "");
    project.edit("kompoxapp.yml", "AZURE_AKS_USER_VM_ZONES: 2,3", "AZURE_AKS_USER_VM_ZONES: 3");
    let plan = project.run(&["plan"]).exits(1);
    assert!(plan.stderr.contains("is in zone 2, but its Pods can run in zone 3 only"), "{}", plan.stderr);
}

#[test]
fn zones_that_cannot_meet_are_an_error() {
    let project = Project::gitea();
    project.edit("kompoxapp.yml", "AZURE_AKS_USER_VM_ZONES: 1", "AZURE_AKS_USER_VM_ZONES: \"\"");
    let plan = project.run(&["validate"]).exits(1);
    assert!(plan.stderr.contains("the app runs in zone 1, but its nodes are in no zone"), "{}", plan.stderr);
    project.edit("kompoxapp.yml", ZONE, "");
    let told = project.run(&["validate"]).done().stderr;
    assert!(told.contains("disks of the SKU PremiumV2_LRS must be in one"), "{told}");
    project.edit("kompoxapp.yml", SKU, "        sku: Premium_LRS");
    project.run(&["apply", "--auto-approve"]).done();
    assert_eq!(project.object(&project.disks()[0]).get("zones"), None);
    // A disk that is there and in no zone still plans, and what that means is said.
    project.edit("kompoxapp.yml", "AZURE_AKS_USER_VM_ZONES: \"\"", "AZURE_AKS_USER_VM_ZONES: 1");
    let told = project.run(&["plan"]).done();
    assert!(told.stderr.contains("is in no zone, and nodes are: it cannot be attached"), "{}", told.stderr);
    assert!(told.stderr.contains("source: \"snapshot:before-switch\", zone: \"1\""), "{}", told.stderr);
    assert!(!told.stdout.contains("disk/default  "), "{}", told.stdout);
}

#[test]
fn a_disk_whose_zone_is_ignored_still_has_to_be_met() {
    let project = Project::gitea();
    project.edit("kompoxapp.yml", SKU, &format!("{SKU}\n      lifecycle: {{ignoreChanges: [\"/zones\"]}}"));
    project.edit("kompoxapp.yml", "AZURE_AKS_USER_VM_ZONES: 1", "AZURE_AKS_USER_VM_ZONES: 1,2");
    project.run(&["apply", "--auto-approve"]).done();
    project.edit("kompoxapp.yml", "zone: \"1\" #", "zone: \"2\" #");
    let plan = project.run(&["plan"]).exits(1);
    let text = "the disk default is in zone 1, but the app's pods run in zone 2: they cannot meet";
    assert!(plan.stderr.contains(text), "{}", plan.stderr);
}

#[test]
fn ultra_disks_need_nodes_that_take_them() {
    let project = Project::gitea();
    project.edit("kompoxapp.yml", SKU, "        sku: UltraSSD_LRS");
    let told = project.run(&["validate"]).exits(1).stderr;
    assert!(told.contains("no node of the cluster can attach one"), "{told}");
    let line =
        told.lines().find_map(|line| line.split_once("help: set ")).unwrap().1.split(" of the Cluster").next().unwrap();
    project.edit(
        "kompoxapp.yml",
        "    AZURE_AKS_USER_VM_ZONES: 1\n",
        &format!("    AZURE_AKS_USER_VM_ZONES: 1\n    {line}\n"),
    );
    project.run(&["apply", "--auto-approve"]).done();
    let volume = project.inspect().into_iter().find(|object| object["type"] == "PersistentVolume").unwrap();
    let attributes = &volume["object"]["spec"]["csi"]["volumeAttributes"];
    assert_eq!(*attributes, json!({"fsType": "ext4", "cachingMode": "None"}));
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn skus_sizes_and_performance_are_checked_before_the_cloud_is_asked() {
    for (line, says) in [
        ("sku: Premium_LSR", "did you mean Premium_LRS?"),
        ("{sku: Premium_LRS, iops: 500}", "iops cannot be chosen for a disk of the SKU Premium_LRS"),
        ("{sku: PremiumV2_LRS, iops: 2000}", "has from 3000 to 5000"),
        ("{sku: PremiumV2_LRS, mbps: 5000}", "has from 125 to 1200"),
    ] {
        let project = Project::gitea();
        let indent = if line.starts_with('{') { "" } else { "        " };
        let options = if line.starts_with('{') {
            format!("      options: {line}")
        } else {
            format!("      options:\n{indent}{line}")
        };
        project.edit("kompoxapp.yml", &format!("      options:\n{SKU}"), &options);
        let told = project.run(&["validate"]).exits(1).stderr;
        assert!(told.contains(says) && told.contains("kompoxapp.yml:"), "{told}");
    }
    for (options, size, says) in [
        ("        sku: Standard_FOO", "100Gi", "\"Standard_FOO\" is no SKU of a storage account"),
        ("        sku: Premium_LRS", "99Gi", "has from 100 to 102400"),
    ] {
        let project = with_share(options);
        project.edit("kompoxapp.yml", "      size: 100Gi\n", &format!("      size: {size}\n"));
        let told = project.run(&["validate"]).exits(1).stderr;
        assert!(told.contains(says) && told.contains("kompoxapp.yml:"), "{told}");
    }
    let project = with_share("        sku: Premium_LRS");
    project.run(&["apply", "--auto-approve"]).done();
    let account = project.inspect().into_iter().find(|object| object["type"] == ACCOUNTS).unwrap();
    assert_eq!(account["object"]["kind"], "FileStorage");
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn an_account_name_that_somebody_has_is_changed_by_the_line_that_is_printed() {
    let (first, second) = (with_share("        sku: Standard_LRS"), with_share("        sku: Standard_LRS"));
    let served = Cloud::beside(&first);
    run(&first, &served, &["apply", "--auto-approve"]).done();
    // The same manifest, in a subscription of somebody else.
    let manifest = second.read("kompoxapp.yml");
    let start = manifest.find("AZURE_SUBSCRIPTION_ID: ").unwrap() + "AZURE_SUBSCRIPTION_ID: ".len();
    let subscription = manifest[start..].split_whitespace().next().unwrap().to_owned();
    second.edit("kompoxapp.yml", &subscription, "22222222-2222-4222-8222-222222222222");
    let apply = run(&second, &served, &["apply", "--auto-approve"]).exits(1).stdout;
    assert!(apply.contains("StorageAccountAlreadyTaken"), "{apply}");
    let line = apply.lines().find_map(|line| line.split_once("write another one:  ")).unwrap().1.trim().to_owned();
    second.edit("kompoxapp.yml", "  volumes:\n", &format!("  {line}\n  volumes:\n"));
    run(&second, &served, &["apply", "--auto-approve"]).done();
    run(&second, &served, &["plan", "--detailed-exitcode"]).done();
    let names: Vec<String> = objects(&served, ACCOUNTS).iter().map(|account| text(account, "/name")).collect();
    assert!(names.len() == 2 && names[0] != names[1], "{names:?}");
    // It has its name for good.
    second.edit("kompoxapp.yml", &format!("  {line}\n"), "");
    run(&second, &served, &["plan", "--detailed-exitcode"]).done();
}

#[test]
fn a_volume_grows_by_its_claim() {
    let project = Project::gitea();
    let served = Cloud::beside(&project);
    run(&project, &served, &["apply", "--auto-approve"]).done();
    project.edit("kompoxapp.yml", "size: 10Gi", "size: 20Gi");
    let apply = run(&project, &served, &["apply", "--auto-approve"]).done();
    assert!(
        apply.stdout.contains("~ disk/default") && apply.stdout.contains("~ PersistentVolumeClaim/default"),
        "{}",
        apply.stdout
    );
    assert!(!apply.stdout.contains("~ PersistentVolume/default"), "{}", apply.stdout);
    let of = |kind: &str, pointer: &str| {
        let all = objects(&served, kind);
        let ours = all.iter().find(|object| text(object, "/metadata/name").contains("default")).unwrap();
        text(ours, pointer)
    };
    assert_eq!(of("PersistentVolume", "/spec/capacity/storage"), "20Gi");
    assert_eq!(of("PersistentVolumeClaim", "/status/capacity/storage"), "20Gi");
    run(&project, &served, &["plan", "--detailed-exitcode"]).done();
    // The capacity is the resizer's from then on, and no conflict.
    project.edit("kompoxapp.yml", "size: 20Gi", "size: 30Gi");
    let apply = run(&project, &served, &["apply", "--auto-approve"]).done();
    assert!(apply.stdout.contains("~ disk/default"), "{}", apply.stdout);
    assert!(!apply.stdout.contains("~ PersistentVolume/default"), "{}", apply.stdout);
    assert_eq!(of("PersistentVolume", "/spec/capacity/storage"), "30Gi");
    assert_eq!(of("PersistentVolumeClaim", "/status/capacity/storage"), "30Gi");
    run(&project, &served, &["plan", "--detailed-exitcode"]).done();
}

#[test]
fn a_tag_in_another_case_is_no_drift() {
    let project = Project::gitea();
    let served = Cloud::beside(&project);
    run(&project, &served, &["apply", "--auto-approve"]).done();
    let disk = text(&objects(&served, "Microsoft.Compute/disks")[0], "/id");
    drift(&served, &disk, json!({"tags": {"managed-by": null, "Managed-By": "kompox", "Owner": "maria"}}));
    run(&project, &served, &["plan", "--detailed-exitcode"]).done();
    // A change sends one name, and leaves what others wrote.
    drift(&served, &disk, json!({"tags": {"Managed-By": "somebody"}}));
    run(&project, &served, &["apply", "--auto-approve"]).done();
    let tags = objects(&served, "Microsoft.Compute/disks")[0]["tags"].clone();
    assert_eq!(
        (&tags["managed-by"], &tags["Owner"], tags.get("Managed-By")),
        (&json!("kompox"), &json!("maria"), None)
    );
}
