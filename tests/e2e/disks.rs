//! Disks hold the only copy of production data.

use insta::assert_snapshot;

use crate::harness::cloud::Cloud;
use crate::harness::project::Project;

pub(super) const OUTSIDE: &str = "/subscriptions/9473abf6-f25e-420e-b3f2-128c1c7b46f2/resourceGroups/legacy/providers/\
                       Microsoft.Compute/disks/gitea-data";

#[test]
fn a_disk_in_another_zone_is_refused_and_nothing_changes() {
    let project = Project::gitea_applied();
    let before = project.inspect();
    project.edit("kompoxapp.yml", "zone: \"1\"", "zone: \"2\"");
    project.edit("kompoxapp.yml", "AZURE_AKS_USER_VM_ZONES: 1", "AZURE_AKS_USER_VM_ZONES: 1,2");
    let plan = project.run(&["plan"]).exits(1);
    assert_eq!(plan.stdout, "");
    assert_snapshot!(project.redact(&plan.errors()), @r#"
    error[replacement-refused]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default would have to be replaced, and its data would be lost: zones[0] "1" → "2"
      --> kompoxapp.yml:78:11
       |
    78 |     zone: "2" # pod and disk must be in one zone
       |           ^^^
       |
       = help: the safe way is a snapshot, a new disk made from it, and a switch:
       = help:   - name: default
       = help:     disks:
       = help:       - {name: blue, import: /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y_disk_default_[ID]_13o40q, zone: "1"}
       = help:       - {name: green, source: "snapshot:before-switch", zone: "2"}
       = help:     assigned: green
       = help:     snapshots:
       = help:       - {name: before-switch, source: "disk:blue"}
       = help: stop the app before the snapshot, so that nothing is written after it; the next apply starts it again:
       = help: kompox --sandbox destroy --target /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Deployment/app1-app

    1 error
    "#);
    let apply = project.run(&["apply", "--auto-approve"]).exits(1);
    assert_eq!(apply.errors(), plan.errors());
    assert_eq!(project.inspect(), before);

    // The lines to write are taken as they are printed, and the command below them, too.
    let found = project.run(&["plan", "--json"]).exits(1).reasons();
    assert_eq!(found[0]["code"], "replacement-refused");
    let help: Vec<&str> = found[0]["help"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let lines: Vec<&str> = help.iter().copied().filter(|line| line.starts_with("  ")).collect();
    let text = project.read("kompoxapp.yml");
    let (above, _) = text.split_once("    - name: default\n      size: 10Gi").unwrap();
    let volume =
        lines.join("\n").replacen("    disks:", "    size: 10Gi\n    options: {sku: PremiumV2_LRS}\n    disks:", 1);
    let indented: String = volume.lines().map(|line| format!("  {line}\n")).collect();
    project.write("kompoxapp.yml", &format!("{above}{indented}"));
    project.run(&["validate"]).done();
    let stop = help.last().unwrap().strip_prefix("kompox --sandbox ").unwrap();
    project.run(&[&stop.split(' ').collect::<Vec<_>>()[..], &["--auto-approve"]].concat()).done();
    project.run(&["plan"]).done();
}

/// A project whose disk was carried from zone 1 to zone 2 as it is told to, and the file above the volume.
fn switched() -> (Project, String) {
    let project = Project::gitea_applied();
    project.edit("kompoxapp.yml", "zone: \"1\"", "zone: \"2\"");
    project.edit("kompoxapp.yml", "AZURE_AKS_USER_VM_ZONES: 1", "AZURE_AKS_USER_VM_ZONES: 1,2");
    let text = project.read("kompoxapp.yml");
    let (above, _) = text.split_once("    - name: default\n      size: 10Gi").unwrap();
    let blue = format!("name: blue, import: {}, zone: \"1\"", project.disks().remove(0));
    volume(&project, above, "green", &[&blue, GREEN], &[BEFORE]);
    let deployment = "/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Deployment/app1-app";
    project.run(&["destroy", "--target", deployment, "--auto-approve"]).done();
    project.run(&["apply", "--auto-approve"]).done();
    (project, above.to_owned())
}

const GREEN: &str = "name: green, source: \"snapshot:before-switch\", zone: \"2\"";
const BEFORE: &str = "name: before-switch, source: \"disk:blue\"";

/// Writes the volume with these disks and snapshots.
fn volume(project: &Project, above: &str, assigned: &str, disks: &[&str], snapshots: &[&str]) {
    let lines = |all: &[&str]| all.iter().map(|one| format!("        - {{{one}}}\n")).collect::<String>();
    let text = format!(
        "{above}    - name: default\n      size: 10Gi\n      options: {{sku: PremiumV2_LRS}}\n      disks:\n{}      assigned: {assigned}\n      \
         snapshots:\n{}",
        lines(disks),
        lines(snapshots)
    );
    project.write("kompoxapp.yml", &text);
}

#[test]
fn the_way_back_is_another_disk_from_another_snapshot() {
    let (project, above) = switched();
    // Both names of the first switch are taken now, by a disk and a snapshot from before it.
    let above = above.replace("zone: \"2\"", "zone: \"1\"");
    let blue = format!("name: blue, import: {}, zone: \"1\"", project.disks().remove(0));
    volume(&project, &above, "green", &[&blue, &GREEN.replace("\"2\"", "\"1\"")], &[BEFORE]);
    let found = project.run(&["plan", "--json"]).exits(1).reasons();
    let help: Vec<&str> = found[0]["help"].as_array().unwrap().iter().filter_map(|line| line.as_str()).collect();
    let lines: Vec<&str> = help.into_iter().filter(|line| line.starts_with("      - ")).collect();
    let (disk, snapshot) = (
        "name: disk-2, source: \"snapshot:before-switch-2\", zone: \"1\"",
        "name: before-switch-2, source: \"disk:green\"",
    );
    let printed = [
        "      - {name: green, zone: \"2\"}  # and what else it says now".to_owned(),
        format!("      - {{{disk}}}"),
        format!("      - {{{snapshot}}}  # beside what is there"),
    ];
    assert_eq!(lines, printed);
    volume(&project, &above, "disk-2", &[&blue, GREEN, disk], &[BEFORE, snapshot]);
    let deployment = "/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Deployment/app1-app";
    project.run(&["destroy", "--target", deployment, "--auto-approve"]).done();
    let apply = project.run(&["apply", "--auto-approve"]).done();
    for made in ["+ disk/default.disk-2", "+ snapshot/default.before-switch-2"] {
        assert!(apply.stdout.contains(made), "{}", apply.stdout);
    }
    let of = |part: &str| project.disks().into_iter().find(|id| id.contains(part)).unwrap();
    let made_of = project.object(&of("disk-2"))["properties"]["creationData"]["sourceResourceId"].clone();
    assert!(made_of.as_str().unwrap().contains("before-switch-2"), "{made_of}");
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn what_a_disk_or_snapshot_is_made_of_never_becomes_something_else() {
    let (project, above) = switched();
    let blue = format!("name: blue, import: {}, zone: \"1\"", project.disks().remove(0));
    let second = "name: second, source: \"disk:blue\"";
    volume(&project, &above, "green", &[&blue, GREEN], &[BEFORE, second]);
    project.run(&["apply", "--auto-approve"]).done();
    let before = project.inspect();
    // Another one, one where it was made of nothing, and another one of a snapshot: none is copied, so none is accepted.
    let green = GREEN.replace("before-switch", "second");
    let copy = format!("name: blue, source: {OUTSIDE}, zone: \"1\"");
    let stories: [(&str, &[&str], &[&str]); 3] = [
        ("disk/default.green", &[&blue, &green], &[BEFORE, second]),
        ("disk/default.blue", &[&copy, GREEN], &[BEFORE, second]),
        ("snapshot/default.second", &[&blue, GREEN], &[BEFORE, "name: second, source: \"disk:green\""]),
    ];
    for (address, disks, snapshots) in stories {
        volume(&project, &above, "green", disks, snapshots);
        let told = project.run(&["plan"]).exits(1).errors();
        assert!(told.contains("error[replacement-refused]"), "{told}");
        assert!(told.contains(&format!("{address} would have to be replaced, and its data would be lost")), "{told}");
        project.run(&["apply", "--auto-approve"]).exits(1);
        assert_eq!(project.inspect(), before);
    }
    volume(&project, &above, "green", &[&blue, &green], &[BEFORE, second]);
    assert_snapshot!(project.redact(&project.run(&["plan"]).exits(1).errors()), @r#"
    error[replacement-refused]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default.green would have to be replaced, and its data would be lost: properties.creationData.sourceResourceId "/subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/snapshots/k4x-50vf7y_snap_default_before-switch_13o40q" → "/subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/snapshots/k4x-50vf7y_snap_default_second_13o40q"
      --> kompoxapp.yml:87:11
       |
    87 |         - {name: green, source: "snapshot:second", zone: "2"}
       |           ^^^^^
       |
       = help: a disk is made of its source once, and never again; undo this change  (kompoxapp.yml:87:11)
       = help: for what is to be in it now declare another disk of the volume default, with a name that none had, and assign that

    1 error
    "#);
    // How it was made need not be said for ever, and under another name it is still made of the same.
    volume(&project, &above, "green", &[&blue, "name: green, zone: \"2\""], &[BEFORE, second]);
    project.run(&["plan"]).done();
    volume(&project, &above, "green", &[&blue, GREEN], &[BEFORE, second]);
    project.run(&["plan", "--detailed-exitcode"]).done();
    // Nor where an adopted one is.
    volume(&project, &above, "green", &[blue.trim_end_matches(", zone: \"1\""), GREEN], &[BEFORE, second]);
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn a_zone_without_machines_is_refused_before_the_cloud_is_asked() {
    let project = Project::gitea_applied();
    project.edit("kompoxapp.yml", "zone: \"1\"", "zone: \"2\"");
    let plan = project.run(&["plan"]).exits(1);
    assert_snapshot!(project.redact(&plan.errors()), @r#"
    error[zone]: the app runs in zone 2, but the cluster cluster1 has user pools in zone 1 only
      --> kompoxapp.yml:78:11
       |
    78 |     zone: "2" # pod and disk must be in one zone
       |           ^^^
       |
       = help: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default cannot follow into zone 2: it would be a new one, and its data lost
       = help: the safe way is a snapshot, a new disk made from it, and a switch:
       = help:   - name: default
       = help:     disks:
       = help:       - {name: blue, import: /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y_disk_default_[ID]_13o40q}
       = help:       - {name: green, source: "snapshot:before-switch", zone: "2"}
       = help:     assigned: green
       = help:     snapshots:
       = help:       - {name: before-switch, source: "disk:blue"}
       = help: stop the app before the snapshot, so that nothing is written after it; the next apply starts it again:
       = help: kompox --sandbox destroy --target /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Deployment/app1-app
       = help: add the zone to AZURE_AKS_USER_VM_ZONES, or choose another zone

    1 error
    "#);
}

#[test]
fn destroy_keeps_the_disk_and_apply_offers_to_adopt_it() {
    let project = Project::gitea_applied();
    let disks = project.disks();
    assert_eq!(disks.len(), 1);

    let destroy = project.run(&["destroy", "--auto-approve"]).done();
    assert_snapshot!(project.data(&destroy), @"
    Destroy: what is marked - is deleted; what is marked x stays, the state forgets it.

    Dangers:
      ! /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/Namespace/traefik: is deleted with everything in it; what runs there stops
      ! /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Namespace/app1: is deleted with everything in it; what runs there stops
      ! /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/cluster/cluster1: is deleted with everything that runs in it
      ! /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/resource-group/cluster1: is deleted with everything in it

    Not deleted, only forgotten:
      x /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/resource-group/app1: it holds what is kept: k4x-50vf7y_disk_default_[ID]_13o40q
            adopt it again:  kompox --sandbox import /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/resource-group/app1 /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q

    Notes:
      * /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default: kept: /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y_disk_default_[ID]_13o40q
            to adopt it again:
            kompox --sandbox import /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y_disk_default_[ID]_13o40q
      * /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/Service/traefik: no longer answers: port 443/TCP of traefik (LoadBalancer), port 80/TCP of traefik (LoadBalancer)
      * /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Ingress/app1-app-custom: no longer answers: gitea.custom.exp.kompox.dev
      * /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Ingress/app1-app-default: no longer answers: app1-13o40q-3000.cluster1.aks1.exp.kompox.dev

    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1
      x resource-group/app1  it holds what is kept: k4x-50vf7y_disk_default_[ID]_13o40q
            id /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q
      x disk/default  its deletionPolicy is Orphan: the object is kept, the state forgets it
            id /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y_disk_default_[ID]_13o40q

    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1
      - Deployment/traefik  destroy
      - ClusterRoleBinding/traefik-traefik  destroy
      - ClusterRole/traefik-traefik  destroy
      - ConfigMap/traefik  destroy
      - PersistentVolumeClaim/traefik  destroy
      - SecretProviderClass/traefik-kv-l0wdevtls-jpe-prd1  destroy
      - Service/traefik  destroy
      - ServiceAccount/ingress-service-account  destroy
      - IngressClass/traefik  destroy
      - federated-credential/ingress  destroy
      - identity/ingress  destroy
      - node-pool/npuser1  destroy
      - role-assignment/disks-app1  destroy
      - Namespace/traefik  destroy
      - cluster/cluster1  destroy
      - resource-group/cluster1  destroy

    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1
      - Deployment/app1-app  destroy
      - Ingress/app1-app-custom  destroy
      - Ingress/app1-app-default  destroy
      - NetworkPolicy/app1  destroy
      - PersistentVolumeClaim/default  destroy
      - PersistentVolume/default  destroy
      - RoleBinding/app1-access  destroy
      - Role/app1-access  destroy
      - Secret/app1-app-gitea-base  destroy
      - Secret/app1-app-postgres-base  destroy
      - Service/app1-app  destroy
      - Service/gitea  destroy
      - Service/postgres  destroy
      - ServiceAccount/app1  destroy
      - Namespace/app1  destroy

    Plan: 31 to delete, 2 to forget; 0 unchanged

    At risk (see the dangers above):
      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/Namespace/traefik
      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Namespace/app1
      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/cluster/cluster1
      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/resource-group/cluster1
    Destroy complete in [SECONDS] s: 31 deleted, 2 forgotten.

    Not deleted, only forgotten:
      x /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default: kept: /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y_disk_default_[ID]_13o40q
            to adopt it again:
            kompox --sandbox import /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y_disk_default_[ID]_13o40q
      x /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/resource-group/app1: it holds what is kept: k4x-50vf7y_disk_default_[ID]_13o40q
            adopt it again:  kompox --sandbox import /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/resource-group/app1 /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q
    ");
    let group = disks[0].split("/providers/").next().unwrap().to_owned();
    assert_eq!(project.ids(), [group, disks[0].clone()]);

    let apply = project.run(&["apply", "--auto-approve"]).exits(1);
    assert_eq!(apply.stdout, "");
    assert_snapshot!(project.redact(&apply.errors()), @"
    error[exists]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default exists already: /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y_disk_default_[ID]_13o40q
      --> kompoxapp.yml:82:7
       |
    82 |     - name: default
       |       ^^^^
       |
       = help: it may hold data, so it is adopted only when you say so:
       = help: kompox --sandbox import /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y_disk_default_[ID]_13o40q

    1 error
    ");
    assert_eq!(project.disks(), disks, "no second disk");
    assert_eq!(project.ids().len(), 2, "nothing was made");

    // The line that the error offers, as it stands.
    let line = apply.stderr.lines().find_map(|line| line.split_once("kompox --sandbox import ")).unwrap().1;
    let (address, id) = line.trim().split_once(' ').unwrap();
    let import = project.run(&["import", address, id]).done();
    assert_snapshot!(project.data(&import), @"
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1
     <- disk/default  the manifest adopts it  (kompoxapp.yml:82)
            id /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y_disk_default_[ID]_13o40q

    Plan: 1 to import, 0 to create, 0 to update, 0 to delete; 0 unchanged
    Apply complete in [SECONDS] s: 1 imported.
    ");
    project.run(&["apply", "--auto-approve"]).done();
    assert_eq!(project.disks(), disks, "the same disk");
    let volume = project
        .inspect()
        .into_iter()
        .find(|object| object["id"].as_str().unwrap().contains("/persistentvolumes/k4x-50vf7y-default-13o40q-"));
    let handle = volume.unwrap()["object"]["spec"]["csi"]["volumeHandle"].as_str().unwrap().to_owned();
    assert!(handle.eq_ignore_ascii_case(&disks[0]), "{handle}");
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn a_destroyed_project_is_destroyed_once() {
    let project = Project::gitea_applied();
    project.run(&["destroy", "--auto-approve"]).done();
    let again = project.run(&["destroy", "--auto-approve"]).done();
    assert_snapshot!(project.data(&again), @"No changes. The state owns nothing to remove.");
}

#[test]
fn a_disk_made_outside_is_imported_by_command() {
    let project = Project::gitea();
    let served = Cloud::start(&project, &project.root().join("cloud"));
    served.make_disk(OUTSIDE, "1");
    let run = |arguments: &[&str]| {
        let mut all = vec!["--sandbox-endpoint", served.endpoint.as_str()];
        all.extend(arguments);
        project.run(&all)
    };
    let import = run(&["import", "disk/default", OUTSIDE]).done();
    assert_snapshot!(project.data(&import), @r#"
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1
     <- disk/default  the manifest adopts it  (kompoxapp.yml:82)
            id /subscriptions/[SUBSCRIPTION]/resourceGroups/legacy/providers/Microsoft.Compute/disks/gitea-data
          + tags.kompox-app-id-hash: "13o40q"
          + tags.kompox-app-name: "app1"
          + tags.kompox-disk-assigned: "true"
          + tags.kompox-disk-name: "gitea-data"
          + tags.kompox-lineage: "[UUID]"
          + tags.kompox-provider-name: "aks1"
          + tags.kompox-volume: "default"
          + tags.kompox-workspace-name: "aks-e2e-gitea-20250925-060355"
          + tags.managed-by: "kompox"

    Plan: 1 to import, 0 to create, 0 to update, 0 to delete; 0 unchanged
    Apply complete in [SECONDS] s: 1 imported.
    "#);
    let untouched = served.arm("GET", OUTSIDE, &serde_json::Value::Null).json();
    assert_eq!(untouched["tags"], serde_json::json!({"made-by": "hand"}), "an import writes the state only");

    let plan = run(&["plan", "--target", "disk/default"]).done();
    assert_snapshot!(project.data(&plan), @r#"
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1
      + resource-group/app1  eastus  (kompoxapp.yml:62)
      ~ disk/default  9 fields change  (kompoxapp.yml:82)
          + tags.kompox-app-id-hash: "13o40q"
          + tags.kompox-app-name: "app1"
          + tags.kompox-disk-assigned: "true"
          + tags.kompox-disk-name: "gitea-data"
          + tags.kompox-lineage: "[UUID]"
          + tags.kompox-provider-name: "aks1"
          + tags.kompox-volume: "default"
          + tags.kompox-workspace-name: "aks-e2e-gitea-20250925-060355"
          + tags.managed-by: "kompox"

    Plan: 1 to create, 1 to update, 0 to delete; 0 unchanged
    "#);
    run(&["apply", "--auto-approve"]).done();
    run(&["plan", "--detailed-exitcode"]).done();
    let disk = served.arm("GET", OUTSIDE, &serde_json::Value::Null).json();
    assert_eq!(disk["tags"]["made-by"], "hand", "tags of others stay");
    let data = project.root().join("cloud");
    let exists = project.run(&["sandbox", "inspect", "--data", data.to_str().unwrap()]).done().stdout;
    let right = format!("{OUTSIDE}/providers/Microsoft.Authorization/roleAssignments/");
    assert_eq!(exists.matches(&right).count(), 1, "the cluster may attach it: {exists}");

    let again = run(&["import", "disk/default", OUTSIDE]).done();
    assert!(again.stderr.contains("already"), "{}", again.stderr);
    let other = run(&["import", "disk/default", &OUTSIDE.replace("gitea-data", "other")]).exits(1);
    assert_snapshot!(project.redact(&other.errors()), @"
    error[recorded]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default is in the state already: /subscriptions/[SUBSCRIPTION]/resourceGroups/legacy/providers/Microsoft.Compute/disks/gitea-data
     |
     = help: to give it up first:  kompox --sandbox --sandbox-endpoint [ENDPOINT] state rm /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default

    1 error
    ");

    // What was adopted is never deleted.
    run(&["destroy", "--auto-approve"]).done();
    served.arm("GET", OUTSIDE, &serde_json::Value::Null).json();
}

#[test]
fn a_disk_made_outside_is_imported_by_declaration() {
    let project = Project::gitea();
    let served = Cloud::start(&project, &project.root().join("cloud"));
    served.make_disk(OUTSIDE, "1");
    let run = |arguments: &[&str]| {
        let mut all = vec!["--sandbox-endpoint", served.endpoint.as_str()];
        all.extend(arguments);
        project.run(&all)
    };
    let disks =
        format!("    - name: default\n      disks:\n        - {{name: old, import: {OUTSIDE}}}\n      assigned: old\n");
    project.edit("kompoxapp.yml", "    - name: default\n", &disks);
    let plan = run(&["plan", "--target", "disk/default.old"]).done();
    assert_snapshot!(project.data(&plan), @r#"
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1
      + resource-group/app1  eastus  (kompoxapp.yml:62)
     <- disk/default.old  the manifest adopts it  (kompoxapp.yml:84)
            id /subscriptions/[SUBSCRIPTION]/resourceGroups/legacy/providers/Microsoft.Compute/disks/gitea-data
          + tags.kompox-app-id-hash: "13o40q"
          + tags.kompox-app-name: "app1"
          + tags.kompox-disk-assigned: "true"
          + tags.kompox-disk-name: "old"
          + tags.kompox-lineage: "[UUID]"
          + tags.kompox-provider-name: "aks1"
          + tags.kompox-volume: "default"
          + tags.kompox-workspace-name: "aks-e2e-gitea-20250925-060355"
          + tags.managed-by: "kompox"

    Plan: 1 to import, 1 to create, 0 to update, 0 to delete; 0 unchanged
    "#);
    run(&["apply", "--auto-approve"]).done();
    run(&["plan", "--detailed-exitcode"]).done();
    let disk = served.arm("GET", OUTSIDE, &serde_json::Value::Null).json();
    assert_eq!(disk["tags"]["kompox-disk-assigned"], "true");
}

#[test]
fn what_does_not_exist_cannot_be_imported() {
    let project = Project::gitea();
    let import = project.run(&["import", "disk/default", OUTSIDE]).exits(1);
    assert_snapshot!(project.redact(&import.errors()), @"
    error[import-missing]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default cannot be imported: there is nothing with the id /subscriptions/[SUBSCRIPTION]/resourceGroups/legacy/providers/Microsoft.Compute/disks/gitea-data
      --> kompoxapp.yml:82:7
       |
    82 |     - name: default
       |       ^^^^
       |
       = help: check the id, or remove the import to make a new one

    1 error
    ");
    let import = project.run(&["import", "disk/nothing", OUTSIDE]).exits(1);
    assert_snapshot!(project.redact(&import.errors()), @r#"
    error[address]: no address ends with "disk/nothing"; these are close
                      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default

    1 error
    "#);
    let import = project.run(&["import", "disk/default", "gitea-data"]).exits(1);
    assert_snapshot!(project.redact(&import.errors()), @"
    error[unreadable]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default cannot be read: `gitea-data` is no Azure resource id: it must begin with `/`
      --> kompoxapp.yml:82:7
       |
    82 |     - name: default
       |       ^^^^

    1 error
    ");
}

/// The YAML that is printed after these words, as the items of `volumes:`.
fn printed_volume(words: &str, after: &str) -> String {
    let lines = words.lines().filter_map(|line| line.split_once("= help: ").map(|(_, text)| text));
    let from = lines.skip_while(|text| !text.contains(after)).skip(1);
    from.take_while(|text| text.starts_with(' ')).map(|line| format!("  {line}\n")).collect()
}

/// What stands in the manifest of the example from `volumes:` on.
fn set_volumes(project: &Project, volumes: &str) {
    let manifest = project.read("kompoxapp.yml");
    let head = &manifest[..manifest.rfind("    - name: default").unwrap()];
    project.write("kompoxapp.yml", &format!("{head}{volumes}"));
}

/// The volume that a refusal prints, with the size that it says now.
fn as_printed(project: &Project) -> String {
    let words = project.run(&["plan"]).exits(1).errors();
    let yaml = printed_volume(&words, "the safe way is");
    assert!(yaml.contains("assigned: ") && yaml.contains("snapshots:"), "{words}");
    yaml.replacen("- name: default\n", "- name: default\n      size: 10Gi\n", 1)
}

/// The disk that the app's Pods have.
fn mounted(project: &Project) -> String {
    let claim = project.object("/deployments/app1-app")["spec"]["template"]["spec"]["volumes"].to_string();
    let volumes = project.ids().into_iter().filter(|id| id.contains("/persistentvolumes/"));
    let volumes: Vec<String> = volumes.filter(|id| claim.contains(id.rsplit('/').next().unwrap())).collect();
    assert_eq!(volumes.len(), 1, "{claim}");
    project.object(&volumes[0])["spec"]["csi"]["volumeHandle"].as_str().unwrap().to_owned()
}

#[test]
fn the_safe_way_applies_as_it_is_printed() {
    for declared in ["", "      disks: [{name: blue}]\n      assigned: blue\n"] {
        let project = Project::gitea();
        let volume = "    - name: default\n      size: 10Gi\n      options: {sku: PremiumV2_LRS}\n";
        set_volumes(&project, &format!("{volume}{declared}"));
        project.edit("kompoxapp.yml", "AZURE_AKS_USER_VM_ZONES: 1", "AZURE_AKS_USER_VM_ZONES: 1,2");
        project.run(&["apply", "--auto-approve"]).done();
        let old = mounted(&project);
        project.edit("kompoxapp.yml", "zone: \"1\" #", "zone: \"2\" #");
        let yaml = as_printed(&project);
        set_volumes(&project, &format!("{yaml}      options: {{sku: PremiumV2_LRS}}\n"));
        project.run(&["apply", "--auto-approve"]).done();
        let new = mounted(&project);
        assert_ne!(old, new);
        let (old, new) = (project.object(&old), project.object(&new));
        assert_eq!((&old["zones"], &new["zones"]), (&serde_json::json!(["1"]), &serde_json::json!(["2"])));
        assert!(new["properties"]["creationData"]["sourceResourceId"].as_str().unwrap().contains("/snapshots/"));
        project.run(&["plan", "--detailed-exitcode"]).done();
    }
}

#[test]
fn a_disk_without_a_zone_comes_into_one_as_it_is_printed() {
    for declared in ["", "      disks: [{name: green}]\n      assigned: green\n"] {
        let project = Project::gitea();
        let options = "      options: {sku: Premium_LRS}\n";
        set_volumes(&project, &format!("    - name: default\n      size: 10Gi\n{options}{declared}"));
        project.edit("kompoxapp.yml", "AZURE_AKS_USER_VM_ZONES: 1", "AZURE_AKS_USER_VM_ZONES: \"\"");
        project.edit("kompoxapp.yml", "    zone: \"1\" # pod and disk must be in one zone", "    pool: user");
        project.run(&["apply", "--auto-approve"]).done();
        let old = mounted(&project);
        assert_eq!(project.object(&old).get("zones"), None);
        project.edit("kompoxapp.yml", "AZURE_AKS_USER_VM_ZONES: \"\"", "AZURE_AKS_USER_VM_ZONES: 2,3");
        let words = project.run(&["validate"]).done().stderr;
        // Nothing is written after the snapshot.
        assert!(
            words.contains("kompox --sandbox destroy --target ") && words.contains("/Deployment/app1-app"),
            "{words}"
        );
        let yaml = printed_volume(&words, "the safe way is");
        assert!(yaml.contains("assigned: ") && yaml.contains("snapshots:"), "{words}");
        let yaml = yaml.replacen("- name: default\n", "- name: default\n      size: 10Gi\n", 1);
        set_volumes(&project, &format!("{yaml}{options}"));
        let told = project.run(&["validate"]).done().stderr;
        assert!(!told.contains("is in no zone"), "{told}");
        project.run(&["apply", "--auto-approve"]).done();
        let new = mounted(&project);
        assert_ne!(old, new);
        let disk = project.object(&new);
        assert_eq!(disk["zones"], serde_json::json!(["2"]));
        assert!(disk["properties"]["creationData"]["sourceResourceId"].as_str().unwrap().contains("/snapshots/"));
        assert!(project.disks().contains(&old), "what it was made from is kept");
        project.run(&["plan", "--detailed-exitcode"]).done();
    }
}

/// In one step also where nothing is to change but the disk, and whatever happens to disks that are dropped.
#[test]
fn a_switch_to_a_copy_is_one_step() {
    let project = Project::gitea();
    let volume = "    - name: default\n      size: 10Gi\n      deletionPolicy: Delete\n";
    set_volumes(&project, &format!("{volume}      disks: [{{name: blue}}]\n      assigned: blue\n"));
    project.run(&["apply", "--auto-approve"]).done();
    let old = mounted(&project);
    let switch = "      disks: [{name: blue}, {name: green, source: \"snapshot:before\"}]\n      assigned: green\n      \
                  snapshots: [{name: before, source: \"disk:blue\"}]\n";
    set_volumes(&project, &format!("{volume}{switch}"));
    project.run(&["apply", "--auto-approve"]).done();
    assert_ne!(mounted(&project), old);
    assert!(project.disks().contains(&old));
    project.run(&["plan", "--detailed-exitcode"]).done();
}

/// A disk that was changed in the portal: nobody asked for another one, so the manifest is what has to follow.
#[test]
fn a_disk_that_was_changed_outside_is_written_down_as_it_is() {
    let project = Project::gitea_applied();
    let disk = project.disks().remove(0);
    let served = Cloud::beside(&project);
    served.arm("PATCH", &disk, &serde_json::json!({"properties": {"diskSizeGB": 20}})).json();
    crate::harness::wait_for("the disk's new size", || {
        let seen = served.arm("GET", &disk, &serde_json::Value::Null).json();
        (seen["properties"]["provisioningState"] == "Succeeded").then_some(())
    });
    drop(served);
    let plan = project.run(&["plan"]).exits(1);
    assert_snapshot!(project.redact(&plan.errors()), @"
    error[replacement-refused]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default is not as the manifests say; for that it would have to be replaced, and its data would be lost: properties.diskSizeGB is 20, not 10
      --> kompoxapp.yml:83:13
       |
    83 |       size: 10Gi
       |             ^^^^
       |
       = help: a disk never shrinks; write what it is:  size: 20Gi  (kompoxapp.yml:83:13)
       = help: for a smaller one declare another volume, mount both, copy the files, then drop this one

    1 error
    ");
    project.edit("kompoxapp.yml", "size: 10Gi", "size: 20Gi");
    project.run(&["apply", "--auto-approve"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
}
