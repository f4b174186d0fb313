//! SIGKILL at many instants.

use std::collections::BTreeSet;

use kompox_sandbox as sandbox;
use kompox_state::{Counts, RunResult, Verb};

use crate::harness::proxy::{Moment, Proxy, Seen};
use crate::harness::stage::{FAST, Stage, assert_same};

const APPLY: &[&str] = &["apply", "--auto-approve"];
const DESTROY: &[&str] = &["destroy", "--auto-approve"];

/// Instants of a sweep besides the random ones.
const SAMPLED: usize = 24;
const RANDOM: usize = 3;

/// Runs the command through the proxy, kills it where the trap says, and gives whether it was caught. A run that ends
/// before the trap's request must have ended well.
fn killed(stage: &Stage, proxy: &Proxy, words: &[&str]) -> bool {
    let live = stage.live(&proxy.endpoint(), words);
    proxy.victim(live.pid());
    let outcome = live.end();
    proxy.quiet();
    let caught = proxy.sprung();
    assert_eq!(outcome.code, (!caught).then_some(0), "{}", outcome.text());
    proxy.watch();
    caught
}

/// How many requests the command makes.
fn count(stage: &Stage, words: &[&str]) -> usize {
    let cloud = stage.cloud(FAST);
    let proxy = Proxy::start(&cloud.endpoint);
    stage.run(&proxy.endpoint(), words).exits(0);
    proxy.seen().len()
}

/// Ordinals spread evenly over `total`, then some random ones; the seed is printed and may be given.
fn instants(total: usize, sampled: usize) -> Vec<usize> {
    let given = std::env::var("KOMPOX_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed: u64 = given.unwrap_or_else(now) | 1;
    println!("{total} requests; random instants of KOMPOX_TEST_SEED={seed}");
    let mut number = seed;
    let random = (0..RANDOM).map(|_| {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        1 + (number % total as u64) as usize
    });
    (0..sampled).map(|step| 1 + step * (total - 1) / (sampled - 1).max(1)).chain(random).collect()
}

/// Each disk that was ever made, by the requests that had an effect.
fn disks_ever_made(stage: &Stage) -> BTreeSet<String> {
    let requests = stage.requests().into_iter();
    let puts = requests.filter(|entry| entry.method == "PUT" && entry.effect && entry.target.contains("/disks/"));
    puts.map(|entry| entry.target).collect()
}

/// Nothing was asked to be made twice: of the clusters, pools and disks each was made by one request.
fn assert_nothing_doubled(stage: &Stage) {
    assert_eq!(stage.ids("Microsoft.Compute/disks").len(), 1);
    assert_eq!(disks_ever_made(stage).len(), 1);
    assert_eq!(stage.ids("Microsoft.Authorization/roleAssignments").len(), 1);
    assert_eq!(stage.ids("Microsoft.ContainerService/managedClusters").len(), 1);
}

fn sweep(moment: Moment) {
    let total = count(&Stage::new(), APPLY);
    let mut kills = 0;
    for instant in instants(total, SAMPLED / 3) {
        println!("kill {moment:?} request {instant}");
        let stage = Stage::new();
        let cloud = stage.cloud(FAST);
        let proxy = Proxy::start(&cloud.endpoint);
        proxy.trap(moment, move |ordinal, _| ordinal == instant);
        kills += usize::from(killed(&stage, &proxy, APPLY));
        stage.run(&cloud.endpoint, APPLY).exits(0);
        stage.assert_whole(&cloud.endpoint);
        assert_nothing_doubled(&stage);
    }
    // How many polls a run makes depends on the machine; the last ordinals may not be reached.
    assert!(kills * 10 >= (SAMPLED / 3 + RANDOM) * 8, "{kills} kills");
}

#[test]
fn an_apply_killed_before_a_request_is_completed_by_the_next() {
    sweep(Moment::Before);
}

#[test]
fn an_apply_killed_after_the_effect_of_a_request_is_completed_by_the_next() {
    sweep(Moment::Unanswered);
}

#[test]
fn an_apply_killed_with_the_answer_in_hand_is_completed_by_the_next() {
    sweep(Moment::Answered);
}

/// Every kind of thing that costs or holds data, at the instant that matters most: made, and nobody was told.
#[test]
fn what_was_made_when_the_apply_was_killed_is_adopted() {
    for path in ["/disks/", "/managedClusters/k4x", "/agentPools/", "/roleAssignments/", "/userAssignedIdentities/"] {
        println!("kill at the PUT of {path}");
        let stage = Stage::new();
        let cloud = stage.cloud(FAST);
        let proxy = Proxy::start(&cloud.endpoint);
        proxy.trap(Moment::Unanswered, move |_, seen| seen.is("PUT", path));
        assert!(killed(&stage, &proxy, APPLY));
        stage.run(&cloud.endpoint, APPLY).exits(0).says(&["had been made by an earlier run; recorded"]);
        stage.assert_whole(&cloud.endpoint);
        assert_nothing_doubled(&stage);
    }
}

#[test]
fn a_long_operation_of_a_killed_apply_is_waited_for_and_not_begun_again() {
    let stage = Stage::new();
    let cloud = stage.cloud(&["--operation-delay", "600", "--readiness-delay", "5"]);
    let proxy = Proxy::start(&cloud.endpoint);
    // Both the disk and the cluster are on their way when the cluster's operation is polled.
    proxy.trap(Moment::Answered, {
        let mut polls = 0;
        move |_, seen: &Seen| {
            polls += usize::from(seen.is("GET", "/operations/"));
            polls == 2
        }
    });
    assert!(killed(&stage, &proxy, APPLY));
    assert!(!stage.state().open_intents().unwrap().is_empty());
    stage.run(&cloud.endpoint, APPLY).exits(0).says(&["had been made by an earlier run; recorded"]);
    stage.assert_whole(&cloud.endpoint);
    assert_nothing_doubled(&stage);
    for path in ["/disks/", "/managedClusters/k4x-50vf7y-cluster1?"] {
        let made = |entry: &&_| {
            let entry: &kompox_sandbox::RequestLogEntry = entry;
            entry.method == "PUT" && entry.effect && entry.target.contains(path)
        };
        assert_eq!(stage.requests().iter().filter(made).count(), 1, "{path}");
    }
}

/// The killed process's request reaches the cloud late: the next run must not choose the disk another name meanwhile.
#[test]
fn a_disk_that_is_made_after_the_kill_is_not_made_twice() {
    let stage = Stage::new();
    let cloud = stage.cloud(&["--fault", "disks.put:latency=1500,times=1", "--operation-delay", "5"]);
    let proxy = Proxy::start(&cloud.endpoint);
    let live = stage.live(&proxy.endpoint(), APPLY);
    proxy.until("the disk's PUT", |seen| seen.is("PUT", "/disks/"));
    let arrived = || stage.requests().iter().any(|entry| entry.method == "PUT" && entry.target.contains("/disks/"));
    crate::harness::within("the PUT to arrive", arrived);
    live.signal(rustix::process::Signal::KILL);
    live.end();
    assert_eq!(stage.ids("Microsoft.Compute/disks").len(), 0, "the PUT has no effect yet");
    stage.run(&cloud.endpoint, APPLY).exits(0);
    proxy.quiet();
    stage.run(&cloud.endpoint, APPLY).exits(0);
    stage.assert_whole(&cloud.endpoint);
    assert_nothing_doubled(&stage);
}

#[test]
fn a_recovery_that_is_killed_too_is_recovered_from() {
    let total = count(&Stage::new(), APPLY);
    for (step, instant) in instants(total, 5).into_iter().enumerate() {
        let stage = Stage::new();
        let cloud = stage.cloud(FAST);
        let proxy = Proxy::start(&cloud.endpoint);
        proxy.trap(Moment::ALL[step % 3], move |ordinal, _| ordinal == instant);
        killed(&stage, &proxy, APPLY);
        let second = 1 + (instant * 7) % 40;
        println!("kill request {instant}, then request {second} of the recovery");
        proxy.trap(Moment::ALL[(step + 1) % 3], move |ordinal, _| ordinal == second);
        killed(&stage, &proxy, APPLY);
        stage.run(&cloud.endpoint, APPLY).exits(0);
        stage.assert_whole(&cloud.endpoint);
        assert_nothing_doubled(&stage);
    }
}

/// What a destroy leaves: the disk and its group.
fn assert_only_data_is_left(stage: &Stage) {
    assert!(stage.assert_closed().is_empty(), "the state forgets the disk, the cloud keeps it");
    let mut types: Vec<String> = stage.objects().iter().map(|object| object["type"].to_string()).collect();
    types.sort();
    assert_eq!(types, ["\"Microsoft.Compute/disks\"", "\"Microsoft.Resources/resourceGroups\""], "{:?}", stage.shape());
}

#[test]
fn a_killed_destroy_is_completed_by_the_next() {
    let total = count(&Stage::applied(), DESTROY);
    for (step, instant) in instants(total, 9).into_iter().enumerate() {
        let moment = Moment::ALL[step % 3];
        println!("kill {moment:?} request {instant} of the destroy");
        let stage = Stage::applied();
        let cloud = stage.cloud(FAST);
        let proxy = Proxy::start(&cloud.endpoint);
        proxy.trap(moment, move |ordinal, _| ordinal == instant);
        killed(&stage, &proxy, DESTROY);
        stage.run(&cloud.endpoint, DESTROY).exits(0);
        assert_only_data_is_left(&stage);
    }
}

#[test]
fn a_killed_update_is_completed_by_the_next() {
    let updated = || {
        let stage = Stage::applied();
        stage.edit("compose.yml", "gitea:1.24.6", "gitea:1.25.0");
        stage
    };
    let whole = updated();
    let total = count(&whole, APPLY);
    for (step, instant) in instants(total, 6).into_iter().enumerate() {
        let moment = Moment::ALL[step % 3];
        println!("kill {moment:?} request {instant} of the update");
        let stage = updated();
        let cloud = stage.cloud(FAST);
        let proxy = Proxy::start(&cloud.endpoint);
        proxy.trap(moment, move |ordinal, _| ordinal == instant);
        killed(&stage, &proxy, APPLY);
        stage.run(&cloud.endpoint, APPLY).exits(0);
        stage.assert_settled(&cloud.endpoint);
        assert_same(&stage.shape(), &whole.shape());
        let deployments: Vec<String> =
            stage.objects().iter().filter(|o| o["type"] == "Deployment").map(ToString::to_string).collect();
        assert!(deployments.iter().any(|text| text.contains("gitea:1.25.0")));
    }
}

/// A state that was lost but for the import of its disk: the import is a write of the state only, and all or nothing.
#[test]
fn a_killed_import_is_done_or_not_done() {
    let orphaned = || {
        let stage = Stage::applied();
        let cloud = stage.cloud(FAST);
        stage.run(&cloud.endpoint, DESTROY).exits(0);
        stage
    };
    let whole = orphaned();
    let disk = whole.ids("Microsoft.Compute/disks").remove(0);
    let total = count(&whole, &["import", "disk/default", &disk]);
    let mut kills = 0;
    for instant in 1..=total {
        let moment = Moment::ALL[instant % 3];
        println!("kill {moment:?} request {instant} of the import");
        let stage = orphaned();
        let cloud = stage.cloud(FAST);
        let proxy = Proxy::start(&cloud.endpoint);
        proxy.trap(moment, move |ordinal, _| ordinal == instant);
        let disk = stage.ids("Microsoft.Compute/disks").remove(0);
        let import = ["import", "disk/default", disk.as_str()];
        kills += usize::from(killed(&stage, &proxy, &import));
        stage.run(&cloud.endpoint, &import).exits(0);
        let group = disk.split("/providers/").next().unwrap();
        stage.run(&cloud.endpoint, &["import", "resource-group/app1", group]);
        stage.run(&cloud.endpoint, APPLY).exits(0);
        stage.assert_whole(&cloud.endpoint);
        assert_eq!(stage.ids("Microsoft.Compute/disks"), [disk]);
    }
    assert!(kills > 0);
}

#[test]
fn a_killed_saved_plan_is_resumed_by_the_same_file() {
    let total = count(&Stage::new(), APPLY);
    for (step, part) in [2, 3, 4].into_iter().enumerate() {
        let instant = total * part / 6;
        println!("kill request {instant} of the saved plan");
        let stage = Stage::new();
        let cloud = stage.cloud(FAST);
        let proxy = Proxy::start(&cloud.endpoint);
        stage.run(&cloud.endpoint, &["plan", "--out", "p.kplan"]).exits(0);
        proxy.trap(Moment::ALL[step], move |ordinal, _| ordinal == instant);
        assert!(killed(&stage, &proxy, &["apply", "p.kplan"]));
        let before = stage.state().records().unwrap().len();
        stage.run(&cloud.endpoint, &["apply", "p.kplan"]).exits(0);
        assert!(before < stage.state().records().unwrap().len());
        stage.run(&cloud.endpoint, &["apply", "p.kplan"]).exits(0).says(&["Nothing is left to do"]);
        stage.assert_whole(&cloud.endpoint);
        assert_nothing_doubled(&stage);
    }
}

/// The example with a disk that may go.
fn with_data_that_may_go() -> Stage {
    let stage = Stage::new();
    stage.edit("kompoxapp.yml", "      size: 10Gi\n", "      size: 10Gi\n      deletionPolicy: Delete\n");
    let cloud = stage.cloud(FAST);
    stage.run(&cloud.endpoint, APPLY).exits(0);
    stage
}

#[test]
fn a_destroy_that_was_killed_after_it_took_the_data_is_typed_again_as_it_was() {
    let words = ["destroy", "--auto-approve", "--allow-data-loss", "disk/default"];
    for moment in [Moment::Before, Moment::Unanswered, Moment::Answered] {
        let stage = with_data_that_may_go();
        let cloud = stage.cloud(FAST);
        let proxy = Proxy::start(&cloud.endpoint);
        // Disk and cluster go at once: at the first request of a run that has begun with the cluster and got the disk away.
        let (world, mut begun) = (stage.world(), false);
        proxy.trap(moment, move |_, seen: &Seen| {
            begun |= seen.is("DELETE", "/managedClusters/")
                && !seen.target.contains("/agentPools/")
                && !seen.is("DELETE", "/kubernetes/");
            begun && !sandbox::inspect(&world).unwrap().iter().any(|object| object["type"] == "Microsoft.Compute/disks")
        });
        assert!(killed(&stage, &proxy, &words));
        assert_eq!(stage.ids("Microsoft.Compute/disks"), Vec::<String>::new());
        stage.run(&cloud.endpoint, &words).exits(0).says(&["disk/default is gone already"]);
        assert!(stage.state().records().unwrap().is_empty());
        assert_eq!(stage.ids("Microsoft.ContainerService/managedClusters"), Vec::<String>::new());
    }
}

#[test]
fn a_destroy_that_was_killed_between_claim_and_volume_is_taken_back() {
    let stage = Stage::applied();
    let cloud = stage.cloud(FAST);
    let proxy = Proxy::start(&cloud.endpoint);
    proxy.trap(Moment::Before, |_, seen: &Seen| seen.is("DELETE", "/persistentvolumes/"));
    assert!(killed(&stage, &proxy, DESTROY));
    stage.run(&cloud.endpoint, APPLY).exits(0);
    stage.assert_whole(&cloud.endpoint);
}

#[test]
fn the_history_of_a_killed_run_says_what_it_did() {
    let stage = Stage::new();
    let cloud = stage.cloud(FAST);
    let proxy = Proxy::start(&cloud.endpoint);
    proxy.trap(Moment::Before, |_, seen: &Seen| seen.is("PATCH", "/deployments/app1-app"));
    assert!(killed(&stage, &proxy, APPLY));
    let before = stage.state().records().unwrap().len();
    stage.run(&cloud.endpoint, APPLY).exits(0);
    let runs = stage.state().runs(2).unwrap();
    let (killed, rest) = (&runs[1], &runs[0]);
    assert_eq!(killed.result, Some(RunResult::Interrupted));
    let count = |counts: &Counts| counts.iter().find(|(verb, _)| *verb == Verb::Create).unwrap().1;
    let planned = count(killed.planned.as_ref().unwrap());
    assert!(count(&killed.counts) >= before as u64, "{killed:?}");
    assert_eq!(count(&killed.counts) + count(&rest.counts), planned, "{killed:?} {rest:?}");
    assert!(killed.duration_ms.unwrap() > 0);
    let history = stage.run(&cloud.endpoint, &["state", "history"]).exits(0);
    let of = format!("{} create of {planned}", count(&killed.counts));
    assert!(history.text().contains(&of), "{}", history.text());
}
