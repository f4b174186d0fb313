//! The kill matrix: for each kind of object and each verb the apply or destroy is killed before the request, after its effect,
//! and with the answer in hand. The next run converges with no question asked, and nothing is orphaned, doubled or lost.
//!
//! `KOMPOX_KILL_MATRIX=all cargo test --test kill matrix` takes every mutating request on every backend and prints the table;
//! without the variable each kind and verb is struck once, at one moment, on the state that is a log of objects.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::backend::Backend;
use crate::harness::project::Project;
use crate::harness::proxy::{Moment, Proxy, Seen};
use crate::harness::stage::{FAST, Stage};

const APPLY: &[&str] = &["apply", "--auto-approve"];
const DESTROY: &[&str] = &["destroy", "--auto-approve"];

/// Kills that run at once; most of a run is waiting.
const AT_ONCE: usize = 3;

/// What a request does, and to what kind of object; `None` for one that changes nothing.
fn deed(seen: &Seen) -> Option<(String, String)> {
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    let changes = matches!(seen.method.as_str(), "PUT" | "PATCH" | "DELETE") && !query.contains("dryRun");
    let kind = path.rsplit('/').nth(1).filter(|_| changes)?;
    Some((seen.method.clone(), kind.to_lowercase()))
}

/// The backends of the matrix.
const BACKENDS: [Backend; 3] = [Backend::File, Backend::Folder, Backend::Pgbouncer];

/// A stage as the command finds it.
fn ready(backend: Backend, words: &[&str]) -> Stage {
    let home = backend.home().expect("asked for only where there is one");
    let stage = Stage::at(&home, Project::gitea());
    if words != APPLY {
        let cloud = stage.cloud(FAST);
        stage.run(&cloud.endpoint, APPLY).exits(0);
    }
    stage
}

/// The requests of the command that change something, each with how many like it came before.
fn deeds(backend: Backend, words: &[&str], every: bool) -> Vec<(String, String, usize)> {
    let stage = ready(backend, words);
    let cloud = stage.cloud(FAST);
    let proxy = Proxy::start(&cloud.endpoint);
    stage.run(&proxy.endpoint(), words).exits(0);
    let mut seen = BTreeSet::new();
    for (method, kind) in proxy.seen().iter().filter_map(deed) {
        let next = (0..).find(|n| !seen.contains(&(method.clone(), kind.clone(), *n))).unwrap_or(0);
        if next == 0 || every {
            seen.insert((method, kind, next));
        }
    }
    seen.into_iter().collect()
}

/// Kills the command at one request, lets the next one do the rest, and looks at what there is then.
fn strike(backend: Backend, words: &[&str], (method, kind, nth): &(String, String, usize), moment: Moment) -> bool {
    let stage = ready(backend, words);
    let cloud = stage.cloud(FAST);
    let proxy = Proxy::start(&cloud.endpoint);
    let (wanted, nth) = ((method.clone(), kind.clone()), *nth);
    let mut like = 0;
    proxy.trap(moment, move |_, seen| {
        let is_like = deed(seen).as_ref() == Some(&wanted);
        like += usize::from(is_like);
        is_like && like == nth + 1
    });
    let live = stage.live(&proxy.endpoint(), words);
    proxy.victim(live.pid());
    live.end();
    proxy.quiet();
    let caught = proxy.sprung();
    stage.run(&cloud.endpoint, words).exits(0);
    if words == APPLY {
        stage.assert_whole(&cloud.endpoint);
        assert_eq!(stage.ids("Microsoft.Compute/disks").len(), 1, "{method} {kind} {moment:?}");
    } else {
        assert!(stage.assert_closed().is_empty(), "{method} {kind} {moment:?}: the state knows what is gone");
        assert_eq!(stage.ids("Microsoft.ContainerService/managedClusters"), [] as [String; 0]);
        assert_eq!(stage.ids("Microsoft.Compute/disks").len(), 1, "{method} {kind} {moment:?}: data stays");
    }
    caught
}

#[test]
fn matrix() {
    let all = std::env::var("KOMPOX_KILL_MATRIX").is_ok_and(|value| value == "all");
    for backend in
        BACKENDS.into_iter().filter(|backend| (all || *backend == Backend::Folder) && backend.home().is_some())
    {
        for words in [APPLY, DESTROY].into_iter().filter(|words| all || *words == APPLY) {
            let deeds = deeds(backend, words, all);
            let strikes = deeds.iter().enumerate().flat_map(|(n, deed)| {
                let moments = if all { &Moment::ALL[..] } else { &Moment::ALL[n % 3..][..1] };
                moments.iter().map(move |moment| (deed, *moment))
            });
            let strikes: Vec<_> = strikes.collect();
            let (next, kills) = (AtomicUsize::new(0), AtomicUsize::new(0));
            std::thread::scope(|scope| {
                for _ in 0..AT_ONCE {
                    scope.spawn(|| {
                        while let Some((deed, moment)) = strikes.get(next.fetch_add(1, Ordering::Relaxed)) {
                            println!("{} {} {deed:?} {moment:?}", backend.name(), words[0]);
                            kills.fetch_add(usize::from(strike(backend, words, deed, *moment)), Ordering::Relaxed);
                        }
                    });
                }
            });
            let (kills, planned) = (kills.into_inner(), strikes.len());
            assert!(kills * 10 >= planned * 9, "{kills} of {planned} were killed");
            let _ = writeln!(
                std::io::stderr(),
                "\nkills: {}: {}: {} {}, {kills} kills, all converged: 0 orphans, 0 doubles, 0 lost records, 0 open intents",
                backend.name(),
                words[0],
                deeds.len(),
                if all { "requests" } else { "kinds and verbs" },
            );
        }
    }
}
