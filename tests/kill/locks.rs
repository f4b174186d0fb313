//! One writer at a time.

use rustix::process::Signal;

use crate::harness::proxy::Proxy;
use crate::harness::stage::{FAST, Stage};

const APPLY: &[&str] = &["apply", "--auto-approve"];
const SLOW: &[&str] = &["--operation-delay", "700", "--readiness-delay", "5"];

#[test]
fn a_second_apply_is_refused_or_waits_and_a_plan_does_neither() {
    let stage = Stage::new();
    let cloud = stage.cloud(SLOW);
    let proxy = Proxy::start(&cloud.endpoint);
    let mut first = stage.live(&proxy.endpoint(), APPLY);
    proxy.until("the first apply to be at work", |seen| seen.is("PUT", "/managedClusters/"));
    let pid = format!("pid {}", first.pid());
    let host = gethostname();
    let locked = ["is locked by tester on ", host.as_str(), pid.as_str(), "kompox --sandbox apply", "--lock-timeout"];
    stage.run(&cloud.endpoint, APPLY).exits(1).says(&locked);
    let forget = ["state", "rm", "disk/that-is-not"];
    stage.run(&cloud.endpoint, &forget).exits(1).says(&locked);
    stage.run(&cloud.endpoint, &["plan", "--detailed-exitcode"]).exits(2);
    stage.run(&cloud.endpoint, &["state", "list"]).exits(0).says(&["resource-group/cluster1"]);
    assert!(first.runs(), "all this happened while the first apply ran");
    let patient = stage.live(&cloud.endpoint, &["apply", "--auto-approve", "--lock-timeout", "60"]);
    let waits = stage.live(&cloud.endpoint, &[&forget[..], &["--lock-timeout", "60"]].concat());
    first.end().exits(0);
    waits.end().exits(1).says(&["disk/that-is-not"]);
    patient.end().exits(0).says(&["No changes"]);
    stage.assert_whole(&cloud.endpoint);
}

#[test]
fn the_lock_of_a_killed_apply_is_cleared_without_a_person() {
    let stage = Stage::new();
    let cloud = stage.cloud(SLOW);
    let proxy = Proxy::start(&cloud.endpoint);
    let first = stage.live(&proxy.endpoint(), APPLY);
    proxy.until("the first apply to be at work", |seen| seen.is("PUT", "/managedClusters/"));
    let pid = first.pid();
    first.signal(Signal::KILL);
    first.end();
    proxy.quiet();
    drop(cloud);
    let cloud = stage.cloud(FAST);
    let note = format!("(pid {pid}, `kompox");
    let cleared = ["note: the lock of tester on ", note.as_str(), "was cleared: that process is gone"];
    stage.run(&cloud.endpoint, APPLY).exits(0).says(&cleared);
    stage.assert_whole(&cloud.endpoint);
}

fn gethostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
