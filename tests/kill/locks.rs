//! One writer at a time.

use std::io::Write as _;

use rustix::process::Signal;

use crate::harness::backend::{Backend, Home};
use crate::harness::project::Project;
use crate::harness::proxy::Proxy;
use crate::harness::stage::{FAST, Stage};
use crate::harness::within;

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
fn the_lock_of_a_living_process_is_not_taken_from_another_checkout() {
    let shared = tempfile::tempdir().unwrap();
    for home in [Some(Home::on_disk(Backend::Folder, shared.path())), Backend::Postgres.home()] {
        let Some(home) = home else { continue };
        let [stage, other] = [(); 2].map(|()| Stage::at(&home, Project::gitea()));
        let cloud = stage.cloud(SLOW);
        let proxy = Proxy::start(&cloud.endpoint);
        let mut first = stage.live(&proxy.endpoint(), APPLY);
        proxy.until("the first apply to be at work", |seen| seen.is("PUT", "/managedClusters/"));
        let pid = first.pid();
        let id = stage.state().holder().unwrap().unwrap().id;
        let unlock = ["state", "unlock", id.as_str()];
        let alive = format!("end process {pid} first");
        other.run(&cloud.endpoint, &unlock).exits(1).says(&["is in use by a running process on this machine", &alive]);
        assert!(first.runs(), "all this happened while the apply ran");
        first.signal(Signal::KILL);
        first.end();
        other.run(&cloud.endpoint, &unlock).exits(0);
        proxy.quiet();
    }
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

/// Sixteen who apply the same change at once: one at a time holds the lock, whoever waits finds it done, nobody's work is lost.
/// `KOMPOX_CONTENTION_ROUNDS` says how often.
fn sixteen_at_once(backend: Backend) {
    let Some(home) = backend.home() else { return };
    let stage = Stage::at(&home, Project::gitea());
    let backend = backend.name();
    let rounds = std::env::var("KOMPOX_CONTENTION_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
    let cloud = stage.cloud(FAST);
    stage.run(&cloud.endpoint, APPLY).exits(0);
    let patient = ["apply", "--auto-approve", "--lock-timeout", "600"];
    for round in 0..rounds {
        let from = if round == 0 { "postgres:17".to_owned() } else { format!("postgres:17.{round}-r") };
        stage.edit("compose.yml", &from, &format!("postgres:17.{}-r", round + 1));
        let mut all: Vec<_> = (0..16).map(|_| stage.live(&cloud.endpoint, &patient)).collect();
        // They stand in a line: whoever is last waits for fifteen others, and each of these for the machine.
        for left in (0..all.len()).rev() {
            within("one more of them to end", || {
                all.iter_mut().filter_map(|one| one.runs().then_some(())).count() <= left
            });
        }
        let ended: Vec<_> = all.into_iter().map(|one| one.end().exits(0)).collect();
        let idle = ended.iter().filter(|ended| ended.stdout.starts_with("No changes.")).count();
        assert_eq!(idle, 15, "one of them made the change");
    }
    stage.assert_settled(&cloud.endpoint);
    assert_eq!(stage.state().runs(1000).unwrap().len(), rounds + 1);
    let _ = writeln!(
        std::io::stderr(),
        "\ncontention: {backend}: 16 processes apply, {rounds} rounds, one of them made the change in each, 15 found it done"
    );
}

macro_rules! sixteen_processes_at_once {
    ($($name:ident: $backend:ident),+) => {
        $(#[test]
        fn $name() {
            sixteen_at_once(Backend::$backend);
        })+
    };
}

sixteen_processes_at_once!(
    sixteen_processes_at_once_on_sqlite: File,
    sixteen_processes_at_once_on_a_folder: Folder,
    sixteen_processes_at_once_on_versitygw: Versitygw,
    sixteen_processes_at_once_on_moto: Moto,
    sixteen_processes_at_once_on_azurite: Azurite,
    sixteen_processes_at_once_on_gcs: Gcs,
    sixteen_processes_at_once_on_postgres: Postgres,
    sixteen_processes_at_once_on_pgbouncer: Pgbouncer
);

/// An apply that is stopped in the middle while somebody takes its lock away and does the work: when it goes on, it is told,
/// and what it still had under way does no harm.
fn stopped_and_taken_over(backend: Backend) {
    let shared = tempfile::tempdir().unwrap();
    let home = if backend == Backend::Folder { Some(Home::on_disk(backend, shared.path())) } else { backend.home() };
    let Some(home) = home else { return };
    // Two checkouts of one project, as on two machines.
    let (stopped, other) = (Stage::at(&home, Project::gitea()), Stage::at(&home, Project::gitea()));
    let cloud = stopped.cloud(FAST);
    let proxy = Proxy::start(&cloud.endpoint);
    let live = stopped.live(&proxy.endpoint(), APPLY);
    proxy.until("the apply to be at work", |seen| seen.is("PUT", "/managedClusters/"));
    live.signal(Signal::STOP);
    let holder = stopped.state().holder().unwrap().unwrap();
    other.run(&cloud.endpoint, APPLY).exits(1).says(&["is locked by", &holder.id]);
    other.run_elsewhere(&cloud.endpoint, &["state", "unlock", &holder.id]).exits(0);
    other.run(&cloud.endpoint, APPLY).exits(0);
    live.signal(Signal::CONT);
    live.end().exits(1).says(&["is no longer ours", "nothing more is written, run the command again to reconcile"]);
    // The world is the stopped one's.
    other.run(&cloud.endpoint, APPLY).exits(0);
    stopped.assert_whole(&cloud.endpoint);
}

#[test]
fn a_stopped_apply_is_fenced_on_a_folder() {
    stopped_and_taken_over(Backend::Folder);
}

#[test]
fn a_stopped_apply_is_fenced_on_versitygw() {
    stopped_and_taken_over(Backend::Versitygw);
}

#[test]
fn a_stopped_apply_is_fenced_on_pgbouncer() {
    stopped_and_taken_over(Backend::Pgbouncer);
}
