//! A cloud that refuses, breaks off, or lies: what does not depend on it goes on, the end says what happened, and the
//! next apply completes the rest.

use crate::harness::run::Finished;
use crate::harness::stage::{FAST, Stage};

const APPLY: &[&str] = &["apply", "--auto-approve"];

/// Applies against the faults.
fn struck(stage: &Stage, faults: &[&str]) -> Finished {
    let mut options = FAST.to_vec();
    for fault in faults {
        options.extend(["--fault", fault]);
    }
    let cloud = stage.cloud(&options);
    stage.run(&cloud.endpoint, APPLY)
}

/// The next apply, without the faults, completes everything.
fn heals(stage: &Stage) {
    let cloud = stage.cloud(FAST);
    stage.run(&cloud.endpoint, APPLY).exits(0);
    stage.assert_whole(&cloud.endpoint);
    assert_eq!(stage.ids("Microsoft.Compute/disks").len(), 1);
    assert_eq!(stage.ids("Microsoft.Authorization/roleAssignments").len(), 1);
}

/// What passes by itself is tried again until it has passed.
#[test]
fn what_passes_by_itself_is_tried_again() {
    let faults = [
        "disks.put:429,times=2,retry-after=1",
        "managedClusters.put:503,times=1",
        "agentPools.put:500,times=1",
        "resourceGroups.put:reset-before,times=1",
        "userAssignedIdentities.put:reset-after,times=1",
        "deployments.patch:503,times=1",
        "services.patch:reset-before,times=1",
        "namespaces.patch:429,times=1,retry-after=1",
        "configmaps.patch:truncate,times=1",
    ];
    let stage = Stage::new();
    struck(&stage, &faults).exits(0).says(&["again in", "disk/default"]);
    heals(&stage);
}

/// An answer that never came, for everything that is made, one after the other and all at once.
#[test]
fn an_effect_without_an_answer_is_not_repeated() {
    for fault in [
        "disks.put:reset-after,times=1",
        "managedClusters.put:truncate,times=1",
        "roleAssignments.put:reset-after,times=1",
        "*.put:reset-after@0.5,seed=3,times=6",
        "*.patch:reset-after@0.3,seed=5,times=12",
        "*.*:truncate@0.1,seed=11,times=20",
    ] {
        println!("{fault}");
        let stage = Stage::new();
        let outcome = struck(&stage, &[fault]);
        assert!(matches!(outcome.code, Some(0 | 1)), "{}", outcome.text());
        heals(&stage);
    }
}

#[test]
fn a_refused_role_assignment_stops_only_what_needs_it() {
    let stage = Stage::new();
    let outcome = struck(&stage, &["roleAssignments.put:403"]).exits(1).says(&[
        "Apply incomplete",
        "Failed:",
        "create /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/role-assignment/disks-app1",
        "HTTP 403",
        "request id",
        "hint:",
        "Skipped:",
        "role-assignment/disks-app1 failed:",
        "Put right what failed, then run `kompox HERE apply --auto-approve` again; what is done stays done.",
    ]);
    // The pool, the ingress and the disk need no role.
    for done in ["node-pool/npuser1", "disk/default", "Deployment/traefik"] {
        let line = outcome.stderr.lines().any(|line| line.contains("created ") && line.contains(done));
        assert!(line, "{done} goes on: {}", outcome.text());
    }
    stage.assert_consistent();
    heals(&stage);
}

#[test]
fn an_exceeded_quota_names_the_quota_and_goes_on_elsewhere() {
    let stage = Stage::new();
    struck(&stage, &["agentPools.put:quota"]).exits(1).says(&[
        "node-pool/npuser1",
        "code QuotaExceeded",
        "request id",
        "hint:",
        "Skipped:",
    ]);
    assert_eq!(stage.ids("Microsoft.Compute/disks").len(), 1);
    stage.assert_consistent();
    heals(&stage);
}

#[test]
fn an_operation_that_fails_in_the_end_is_a_failure_with_its_code() {
    for (fault, address) in [
        ("disks.put:fail,times=1", "disk/default"),
        ("managedClusters.put:fail,times=1", "cluster/cluster1"),
        ("agentPools.put:fail,times=1", "node-pool/npuser1"),
    ] {
        println!("{fault}");
        let stage = Stage::new();
        struck(&stage, &[fault]).exits(1).says(&["Failed:", address, "code ", "Skipped:"]);
        heals(&stage);
    }
}

/// Most of the time is spent on trying again, so all of them run at once.
#[test]
fn a_cloud_that_is_down_fails_what_it_must_and_no_more() {
    let faults = ["disks.put:500", "disks.put:503", "disks.put:nonsense", "disks.put:409", "disks.put:401"];
    let one = |fault: &'static str| {
        move || {
            let stage = Stage::new();
            struck(&stage, &[fault]).exits(1).says(&["Failed:", "disk/default", "Skipped:", "disk/default failed:"]);
            assert_eq!(stage.ids("Microsoft.ContainerService/managedClusters").len(), 1, "the cluster goes on");
            assert_eq!(stage.ids("Microsoft.Compute/disks").len(), 0);
            heals(&stage);
        }
    };
    std::thread::scope(|scope| {
        for fault in faults {
            scope.spawn(one(fault));
        }
    });
}
