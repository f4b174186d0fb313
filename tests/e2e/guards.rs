//! Guards hold whatever the manifests say now.

use insta::assert_snapshot;

use crate::harness::cloud::Cloud;
use crate::harness::project::Project;

const LIFECYCLE: &str = "  volumes:\n";

#[test]
fn a_guard_outlives_the_block_that_set_it() {
    let project = Project::gitea();
    project.edit("kompoxapp.yml", LIFECYCLE, "  lifecycle: {preventDestroy: true}\n  volumes:\n");
    project.run(&["apply", "--auto-approve"]).done();
    let before = project.ids();

    // The whole app is gone from the manifests, and its guard with it.
    let text = project.read("kompoxapp.yml");
    let app = text.rfind("---\napiVersion").unwrap();
    project.write("kompoxapp.yml", &text[..app]);
    let plan = project.run(&["plan"]).exits(1);
    assert_snapshot!(project.redact(&plan.errors()), @"
    error[protected]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Deployment/app1-app is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    error[protected]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Ingress/app1-app-custom is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    error[protected]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Ingress/app1-app-default is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    error[protected]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/NetworkPolicy/app1 is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    error[protected]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/PersistentVolume/default is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    error[protected]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/PersistentVolumeClaim/default is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    error[protected]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Role/app1-access is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    error[protected]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/RoleBinding/app1-access is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    error[protected]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Secret/app1-app-gitea-base is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    error[protected]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Secret/app1-app-postgres-base is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    error[protected]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Service/app1-app is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    error[protected]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Service/gitea is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    error[protected]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Service/postgres is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    error[protected]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/ServiceAccount/app1 is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    error[protected]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/resource-group/app1 is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    error[protected]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Namespace/app1 is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    16 errors
    ");
    project.run(&["apply", "--auto-approve"]).exits(1);
    project.run(&["destroy", "--auto-approve"]).exits(1);
    assert_eq!(project.ids(), before);

    // Only an explicit `false`, applied, lifts it.
    project.write("kompoxapp.yml", &text.replace("preventDestroy: true", "preventDestroy: false"));
    project.run(&["apply", "--auto-approve"]).done();
    project.write("kompoxapp.yml", &text[..app]);
    project.run(&["apply", "--auto-approve"]).done();
    assert_eq!(project.disks().len(), 1, "the disk is kept anyway");
    assert!(!project.ids().iter().any(|id| id.ends_with("/deployments/app1-app")));
}

#[test]
fn a_cluster_that_should_exist_and_does_not() {
    let project = Project::gitea();
    project.edit("kompoxapp.yml", "existing: false", "existing: true");
    let plan = project.run(&["plan"]).exits(1);
    assert_snapshot!(project.redact(&plan.errors()), @"
    error[existing-missing]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/cluster/cluster1 does not exist, and the manifest says that kompox must not make it (existing: true)
      --> kompoxapp.yml:32:1
       |
    32 | apiVersion: ops.kompox.dev/v1alpha1
       | ^^^^^^^^^^

    1 error
    ");
    assert!(project.ids().is_empty());
}

#[test]
fn a_rename_keeps_the_objects() {
    let project = Project::gitea_applied();
    let disks = project.disks();
    let id = "/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1";
    let text = project.read("kompoxapp.yml");
    let at = text.rfind("  name: app1\n").unwrap();
    let renamed = text[at..].replacen("  name: app1\n", "  name: forge\n", 1).replacen(
        id,
        &format!("{}\n    ops.kompox.dev/moved-from: {id}", id.replace("app/app1", "app/forge")),
        1,
    );
    project.write("kompoxapp.yml", &(text[..at].to_owned() + &renamed));
    let plan = project.run(&["plan", "--detailed-exitcode"]);
    assert_snapshot!(format!("exit {}\n{}{}", plan.code.unwrap(), project.data(&plan), project.redact(&plan.errors())), @r#"
    exit 2
    Dangers:
      ! /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Namespace/app1: is deleted with everything in it; what runs there stops
      ! /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/forge/Ingress/forge-app-default: opens to the public: forge-2jgce0-3000.cluster1.aks1.exp.kompox.dev

    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1
      x resource-group/app1  it holds what is kept: k4x-50vf7y_disk_default_[ID]_13o40q
            id /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q

    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/forge
      + resource-group/forge  eastus  (kompoxapp.yml:62)
      ~ disk/default  2 fields change  (kompoxapp.yml:83)
            moved from /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default
          ~ tags.kompox-app-id-hash: "13o40q" → "2jgce0"
          ~ tags.kompox-app-name: "app1" → "forge"

    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1
      + role-assignment/disk-forge-default  role [UUID], principal [UUID]  (kompoxapp.yml:62)
      + role-assignment/disks-forge  role [UUID], principal [UUID]  (kompoxapp.yml:62)
      - role-assignment/disks-app1  the manifests no longer mention it

    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1
      - Deployment/app1-app  the manifests no longer mention it
      - Ingress/app1-app-custom  the manifests no longer mention it
      - Ingress/app1-app-default  the manifests no longer mention it
      - NetworkPolicy/app1  the manifests no longer mention it
      - PersistentVolumeClaim/default  the manifests no longer mention it
      - PersistentVolume/default  the manifests no longer mention it
      - RoleBinding/app1-access  the manifests no longer mention it
      - Role/app1-access  the manifests no longer mention it
      - Secret/app1-app-gitea-base  the manifests no longer mention it
      - Secret/app1-app-postgres-base  the manifests no longer mention it
      - Service/app1-app  the manifests no longer mention it
      - Service/gitea  the manifests no longer mention it
      - Service/postgres  the manifests no longer mention it
      - ServiceAccount/app1  the manifests no longer mention it
      - Namespace/app1  the manifests no longer mention it

    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/forge
      + PersistentVolume/default  10Gi, ReadWriteOnce, class managed-csi, handle k4x-50vf7y_disk_default_[ID]_13o40q  (kompoxapp.yml:83)
      + Namespace/forge  (kompoxapp.yml:62)
      + Service/postgres  spec.clusterIP None, spec.publishNotReadyAddresses true, spec.selector.app forge-app  (compose.yml:13)
      + Service/gitea  spec.clusterIP None, spec.publishNotReadyAddresses true, spec.selector.app forge-app  (compose.yml:2)
      + Service/forge-app  port 3000  (compose.yml:12)
      + Secret/forge-app-postgres-base  Opaque, 3 keys  (compose.yml:15)
      + Secret/forge-app-gitea-base  Opaque, 5 keys  (compose.yml:7)
      + PersistentVolumeClaim/default  10Gi, ReadWriteOnce, class managed-csi, volume k4x-50vf7y-default-2jgce0-[HASH]  (kompoxapp.yml:83)
      + NetworkPolicy/forge  Ingress  (kompoxapp.yml:62)
      + Role/forge-access  6 rules  (kompoxapp.yml:62)
      + ServiceAccount/forge  (kompoxapp.yml:62)
      + RoleBinding/forge-access  role forge-access, subject forge  (kompoxapp.yml:62)
      + Ingress/forge-app-custom  host gitea.custom.exp.kompox.dev, class traefik  (kompoxapp.yml:75)
      + Ingress/forge-app-default  host forge-2jgce0-3000.cluster1.aks1.exp.kompox.dev, class traefik  (kompoxapp.yml:75)
      + Deployment/forge-app  image docker.gitea.com/gitea:1.24.6 postgres:17, replicas 1  (compose.yml:2)

    Notes:
      * /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/forge/Deployment/forge-app: takes over what /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Deployment/app1-app uses now; it is down until that one has let go
      * /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Ingress/app1-app-default: no longer answers: app1-13o40q-3000.cluster1.aks1.exp.kompox.dev

    Plan: 18 to create, 1 to update, 16 to delete, 1 to forget; 15 unchanged

    At risk (see the dangers above):
      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Namespace/app1
      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/forge/Ingress/forge-app-default

    Planned without the server's answer, checked again when it can give one:
      13 objects: the Namespace "k4x-50vf7y-forge-2jgce0" does not exist yet

    Hosts:
      forge-2jgce0-3000.cluster1.aks1.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/forge)
      gitea.custom.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/forge)
    "#);
    project.run(&["apply", "--auto-approve"]).done();
    assert_eq!(project.disks(), disks, "the same disk");
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn a_target_takes_only_what_it_needs() {
    let project = Project::gitea();
    let plan = project.run(&["plan", "--target", "disk/default", "--detailed-exitcode"]).exits(2);
    assert_snapshot!(project.data(&plan), @"
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1
      + resource-group/app1  eastus  (kompoxapp.yml:62)
      + disk/default  PremiumV2_LRS, 10 GiB, zone 1, eastus  (kompoxapp.yml:82)

    Plan: 2 to create, 0 to update, 0 to delete; 0 unchanged
    ");
    project.run(&["apply", "--target", "disk/default", "--auto-approve"]).done();
    assert_eq!(project.ids().len(), 2, "the disk and its group");
    project.run(&["apply", "--auto-approve"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
    let destroy = project.run(&["destroy", "--target", "Ingress/app1-app-custom", "--auto-approve"]).done();
    assert_snapshot!(project.data(&destroy), @"
    Destroy: what is marked - is deleted; what is marked x stays, the state forgets it.

    Notes:
      * /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Ingress/app1-app-custom: no longer answers: gitea.custom.exp.kompox.dev

    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1
      - Ingress/app1-app-custom  destroy

    Plan: 1 to delete; 0 unchanged
    Destroy complete in [SECONDS] s: 1 deleted.
    ");
}

#[test]
fn offline_takes_the_states_word() {
    let project = Project::gitea_applied();
    let plan = project.run_as_is(&["--sandbox", "plan", "--offline", "--detailed-exitcode"]).done();
    assert_snapshot!(project.data(&plan), @"No changes. Everything is as the manifests say (33 objects).");
}

#[test]
fn a_cluster_that_another_project_has_an_app_in_is_not_planned_away() {
    let owner = Project::gitea();
    let served = Cloud::beside(&owner);
    let at = |project: &Project, words: &[&str]| {
        project.run(&[&["--sandbox-endpoint", served.endpoint.as_str()], words].concat())
    };
    let other = Project::gitea();
    other.edit("kompoxapp.yml", "existing: false", "existing: true");
    other.edit("kompoxapp.yml", "  ingress:\n    certEmail", "  ingress:\n    controller: existing\n    certEmail");
    other.edit("kompoxapp.yml", "cluster1/app/app1", "cluster1/app/app2");
    other.edit("kompoxapp.yml", "name: app1\n", "name: app2\n");
    other.edit("kompoxapp.yml", "gitea.custom.exp", "gitea2.custom.exp");
    for project in [&owner, &other] {
        at(project, &["apply", "--auto-approve"]).done();
    }
    let refused = at(&owner, &["plan", "--destroy"]).exits(1);
    assert_snapshot!(owner.words(&refused), @"
    error[holds-others]: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/cluster/cluster1 would go with what others have in it:
                           Namespace /api/v1/namespaces/k4x-50vf7y-app2-1lpfee
     |
     = help: to remove apps of this project alone, choose them with -A; for all of it the others go first

    1 error
    ");
    at(&owner, &["destroy", "--auto-approve"]).exits(1).says(&["error[holds-others]"]);
    for project in [&owner, &other] {
        at(project, &["plan", "--detailed-exitcode"]).done();
    }
    // As it says.
    at(&owner, &["-A", "app/app1", "destroy", "--auto-approve"]).done();
    at(&other, &["plan", "--detailed-exitcode"]).done();
    at(&other, &["destroy", "--auto-approve"]).done();
    at(&owner, &["destroy", "--auto-approve"]).done();
}
