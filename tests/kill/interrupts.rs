//! Signals: one ends gracefully, two at once.

use rustix::process::Signal;

use kompox_state::RunResult;

use crate::harness::proxy::Proxy;
use crate::harness::stage::{FAST, Stage};

const APPLY: &[&str] = &["apply", "--auto-approve"];

/// One signal while disk and cluster are being made.
fn once(signal: Signal) {
    let stage = Stage::new();
    {
        let cloud = stage.cloud(&["--operation-delay", "400", "--readiness-delay", "5"]);
        let proxy = Proxy::start(&cloud.endpoint);
        let live = stage.live(&proxy.endpoint(), APPLY);
        for path in ["/disks/", "/managedClusters/"] {
            proxy.until("disk and cluster to be begun", |seen| seen.is("PUT", path));
        }
        live.signal(signal);
        let outcome = live.end().exits(130).says(&[
            "interrupted: starting nothing new, waiting for",
            "Apply interrupted after",
            "because of the interruption",
            "Run `kompox HERE apply --auto-approve` again to do the rest; what is done stays done.",
        ]);
        let (_, after) = outcome.stderr.split_once("interrupted: starting nothing new").unwrap();
        assert!(!after.contains("creating "), "something was begun after the signal: {after}");
        assert!(after.contains("created "), "running calls end: {after}");
        // What ran has ended: the record is there, and nothing is open.
        stage.assert_consistent();
        assert_eq!(stage.ids("Microsoft.ContainerService/managedClusters").len(), 1);
        assert_eq!(stage.ids("Microsoft.ContainerService/managedClusters/agentPools").len(), 1, "the system pool only");
        assert_eq!(stage.state().runs(1).unwrap()[0].result, Some(RunResult::Interrupted));
    }
    let cloud = stage.cloud(FAST);
    stage.run(&cloud.endpoint, APPLY).exits(0);
    stage.assert_whole(&cloud.endpoint);
}

#[test]
fn one_ctrl_c_lets_running_calls_end() {
    once(Signal::INT);
}

#[test]
fn sigterm_is_like_ctrl_c() {
    once(Signal::TERM);
}

#[test]
fn two_ctrl_c_end_at_once_and_the_next_apply_finds_out() {
    let stage = Stage::new();
    let cloud = stage.cloud(&["--operation-delay", "1500", "--readiness-delay", "5"]);
    let proxy = Proxy::start(&cloud.endpoint);
    let live = stage.live(&proxy.endpoint(), APPLY);
    proxy.until("the cluster's operation to be polled", |seen| {
        seen.is("GET", "/operations/") || seen.is("GET", "/operationStatuses/")
    });
    live.signal(Signal::INT);
    live.until_says("waiting for");
    live.signal(Signal::INT);
    live.end().exits(130).says(&["not waiting for", "Open, because it is not known whether the cloud did it:"]);
    let cluster = stage.objects().into_iter().find(|o| o["type"] == "Microsoft.ContainerService/managedClusters");
    assert_eq!(cluster.unwrap()["object"]["properties"]["provisioningState"], "Creating", "it did not wait");
    assert!(!stage.state().open_intents().unwrap().is_empty());
    proxy.quiet();
    stage.run(&cloud.endpoint, APPLY).exits(0).says(&["had been made by an earlier run; recorded"]);
    stage.assert_whole(&cloud.endpoint);
}

#[test]
fn one_ctrl_c_ends_a_wait_at_once() {
    let stage = Stage::new();
    let cloud = stage.cloud(&["--operation-delay", "5", "--readiness-delay", "600000"]);
    let live = stage.live(&cloud.endpoint, APPLY);
    live.until_says("load balancer has no address yet");
    live.signal(Signal::TERM);
    // Nothing of this becomes ready within the patience of a test.
    live.end().exits(130).says(&["is not ready yet", "the next run goes on waiting", "Apply interrupted after"]);
    stage.assert_consistent();
    let service =
        stage.state().records().unwrap().into_iter().find(|record| record.address.short() == "Service/traefik");
    assert!(service.unwrap().progress.unready, "the next run waits for it");
}
