//! The kill matrix: commands are killed before, after the effect of, and with the answer to requests that change something. The
//! next run converges with no question asked: nothing is orphaned, doubled or lost, and the world is the one of a run
//! that nobody killed.
//!
//! `KOMPOX_KILL_MATRIX=all cargo test --test kill matrix` takes every mutating request of every story at every moment, on every
//! backend of the story (the large one on one after the other), and prints the table; the name of a story takes that one, and
//! `KOMPOX_KILL_BACKEND` one backend. Without the first each kind and verb is struck once, at one moment, on one backend after
//! the other, and each harder story once on each of its backends.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::backend::Backend;
use crate::harness::project::Project;
use crate::harness::proxy::{Moment, Proxy, Seen};
use crate::harness::stage::{FAST, Kept, Stage, assert_same};

const APPLY: &[&str] = &["apply", "--auto-approve"];
const DESTROY: &[&str] = &["destroy", "--auto-approve"];

/// Kills that run at once; most of a run is waiting.
const AT_ONCE: usize = 3;

/// How many requests of a story are struck at least where all its kinds and verbs were struck in others.
const AT_LEAST: usize = 2;

/// The backends of most stories.
const BACKENDS: &[Backend] = &[Backend::File, Backend::Folder, Backend::Pgbouncer];

/// What a request does, and to what kind of object.
type Deed = (String, String);

/// `None` for a request that changes nothing.
fn deed(seen: &Seen) -> Option<Deed> {
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    let changes = matches!(seen.method.as_str(), "PUT" | "PATCH" | "DELETE") && !query.contains("dryRun");
    let kind = path.rsplit('/').nth(1).filter(|_| changes)?;
    Some((seen.method.clone(), kind.to_lowercase()))
}

/// What happens to the run after the one that was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It does the rest.
    Heals,
    /// It is killed as well, at its first request that changes something.
    IsKilled,
    /// It is killed while it looks into what the first one left.
    IsKilledLooking,
}

/// A command that is killed.
struct Story {
    name: &'static str,
    example: &'static str,
    /// Edits and runs before it.
    before: fn(&Stage),
    words: &'static [&'static str],
    /// What else goes wrong in the run that is killed.
    faults: &'static [&'static str],
    then: Then,
    backends: &'static [Backend],
}

impl Story {
    /// Whether more happens to it than one kill.
    fn is_harder(&self) -> bool {
        !self.faults.is_empty() || self.then != Then::Heals
    }
}

const PLAIN: Story = Story {
    name: "apply",
    example: "gitea",
    before: |_| (),
    words: APPLY,
    faults: &[],
    then: Then::Heals,
    backends: BACKENDS,
};

const STORIES: [Story; 9] = [
    PLAIN,
    Story { name: "destroy", before: apply, words: DESTROY, ..PLAIN },
    Story {
        name: "destroy with data",
        before: |stage| {
            stage.edit("kompoxapp.yml", "      size: 10Gi\n", "      size: 10Gi\n      deletionPolicy: Delete\n");
            apply(stage);
        },
        words: &["destroy", "--auto-approve", "--allow-data-loss", "disk/default"],
        ..PLAIN
    },
    Story {
        name: "update",
        before: |stage| {
            apply(stage);
            stage.edit("compose.yml", "gitea:1.24.6", "gitea:1.25.0");
            stage.edit("compose-gitea.env", "example-only-7Hq2vXr9Lm", "example-only-another");
        },
        ..PLAIN
    },
    Story {
        name: "switch of a disk",
        before: |stage| {
            let one = "      disks: [{name: blue}]\n      assigned: blue\n";
            let two = "      disks: [{name: blue}, {name: green, source: \"snapshot:before\"}]\n      assigned: green\n      \
                       snapshots: [{name: before, source: \"disk:blue\"}]\n";
            stage.edit("kompoxapp.yml", "      size: 10Gi\n", &format!("      size: 10Gi\n{one}"));
            apply(stage);
            stage.edit("kompoxapp.yml", one, two);
        },
        ..PLAIN
    },
    Story {
        name: "apply in a fault storm",
        faults: &[
            "*.*:429@0.08,seed=1,times=25",
            "*.*:500@0.05,seed=2,times=15",
            "*.*:reset-before@0.05,seed=3,times=15",
            "*.*:reset-after@0.05,seed=4,times=15",
        ],
        ..PLAIN
    },
    Story { name: "apply, killed twice", then: Then::IsKilled, ..PLAIN },
    Story {
        name: "apply, killed again in the recovery",
        then: Then::IsKilledLooking,
        backends: &[Backend::File, Backend::Folder, Backend::Pgbouncer, Backend::Versitygw],
        ..PLAIN
    },
    Story {
        name: "apply of three apps on two clusters",
        example: "two-clusters",
        before: |stage| {
            let disks = "        sku: Premium_LRS\n      disks: [{name: blue}]\n      assigned: blue\n      \
                         snapshots: [{name: before, source: \"disk:blue\"}]\n";
            stage.edit("kompoxapp.yml", "        sku: Premium_LRS\n", disks);
        },
        ..PLAIN
    },
];

fn apply(stage: &Stage) {
    let cloud = stage.cloud(FAST);
    stage.run(&cloud.endpoint, APPLY).exits(0);
}

/// A story, and what it is when nobody kills it.
struct Told<'s> {
    story: &'s Story,
    begin: Kept,
    /// Its requests that change something, each with how many like it came before.
    deeds: Vec<(Deed, usize)>,
    /// The world at its end.
    whole: Vec<String>,
}

impl<'s> Told<'s> {
    fn new(story: &'s Story) -> Self {
        let home = Backend::File.home().unwrap();
        let stage = Stage::at(&home, Project::example(story.example));
        (story.before)(&stage);
        let begin = stage.keep();
        let cloud = stage.cloud(FAST);
        let proxy = Proxy::start(&cloud.endpoint);
        stage.run(&proxy.endpoint(), story.words).exits(0);
        let mut deeds: Vec<(Deed, usize)> = Vec::new();
        for next in proxy.seen().iter().filter_map(deed) {
            let like = deeds.iter().filter(|(deed, _)| *deed == next).count();
            deeds.push((next, like));
        }
        Self { story, begin, deeds, whole: stage.shape() }
    }

    /// Kills the command at one request, lets the next one do the rest, and looks at what there is then. Gives how many were
    /// killed.
    fn strike(&self, backend: Backend, (wanted, nth): &(Deed, usize), moment: Moment, n: usize) -> usize {
        let home = backend.home().expect("asked for only where there is one");
        let stage = Stage::again(&self.begin, &home);
        let words = self.story.words;
        let kills = {
            let faults = self.story.faults.iter().flat_map(|fault| ["--fault", fault]);
            let cloud = stage.cloud(&FAST.iter().copied().chain(faults).collect::<Vec<_>>());
            let proxy = Proxy::start(&cloud.endpoint);
            let (wanted, nth) = (wanted.clone(), *nth);
            let mut like = 0;
            proxy.trap(moment, move |_, seen| {
                let is_like = deed(seen).as_ref() == Some(&wanted);
                like += usize::from(is_like);
                is_like && like == nth + 1
            });
            let first = killed(&stage, &proxy, words);
            let after = Moment::ALL[n % 3];
            match self.story.then {
                Then::Heals => first,
                Then::IsKilled => {
                    proxy.trap(after, |_, seen| deed(seen).is_some());
                    first + killed(&stage, &proxy, words)
                }
                Then::IsKilledLooking => {
                    proxy.trap(after, move |ordinal, _| ordinal == 1 + n % 5);
                    first + killed(&stage, &proxy, words)
                }
            }
        };
        let cloud = stage.cloud(FAST);
        stage.run(&cloud.endpoint, words).exits(0);
        if words[0] == "apply" {
            stage.assert_settled(&cloud.endpoint);
        } else {
            assert!(stage.assert_closed().is_empty(), "what is gone or kept is forgotten");
        }
        assert_same(&stage.shape(), &self.whole);
        kills
    }
}

/// How many were killed: one, if it came to the request.
fn killed(stage: &Stage, proxy: &Proxy, words: &[&str]) -> usize {
    let live = stage.live(&proxy.endpoint(), words);
    proxy.victim(live.pid());
    live.end();
    proxy.quiet();
    usize::from(proxy.sprung())
}

/// What is struck of a story where each kind and verb is struck once in all stories together.
fn once(told: &Told<'_>, at_least: usize, struck: &mut BTreeSet<Deed>) -> Vec<usize> {
    let all = &told.deeds;
    let mut chosen: Vec<usize> = (0..all.len()).filter(|at| struck.insert(all[*at].0.clone())).collect();
    for at in (1..=at_least).map(|part| part * all.len() / (at_least + 1)) {
        if chosen.len() < at_least && !chosen.contains(&at) {
            chosen.push(at);
        }
    }
    chosen
}

#[test]
fn matrix() {
    let asked = std::env::var("KOMPOX_KILL_MATRIX").unwrap_or_default();
    let only = std::env::var("KOMPOX_KILL_BACKEND").unwrap_or_default();
    let (mut struck, mut is_any) = (BTreeSet::new(), false);
    for story in &STORIES {
        let is_large = story.example != "gitea";
        let every = asked == "all" || asked == story.name;
        if !every && (is_large || !asked.is_empty()) {
            continue;
        }
        let is_meant = |backend: &Backend| only.is_empty() || only == backend.name();
        let backends = story.backends.iter().copied().filter(is_meant);
        let backends: Vec<Backend> = backends.filter(|backend| backend.home().is_some()).collect();
        if backends.is_empty() {
            continue;
        }
        is_any = true;
        let told = Told::new(story);
        let strikes: Vec<(usize, Moment, Backend)> = match every {
            true => {
                let all = (0..told.deeds.len()).flat_map(|at| Moment::ALL.map(|moment| (at, moment)));
                let here = |n: usize, place: usize| !is_large || n % backends.len() == place;
                let places = all.enumerate().flat_map(|(n, (at, moment))| {
                    let chosen = backends.iter().enumerate().filter(move |(place, _)| here(n, *place));
                    chosen.map(move |(_, backend)| (at, moment, *backend)).collect::<Vec<_>>()
                });
                places.collect()
            }
            false => {
                let at_least = if story.is_harder() { backends.len() } else { AT_LEAST };
                let chosen = once(&told, at_least, &mut struck).into_iter().enumerate();
                let moment = |n: usize| Moment::ALL[(n + n / backends.len()) % 3];
                chosen.map(|(n, at)| (at, moment(n), backends[n % backends.len()])).collect()
            }
        };
        let (next, kills) = (AtomicUsize::new(0), Mutex::new(vec![0; backends.len()]));
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        let Some((at, moment, backend)) = strikes.get(n) else { break };
                        println!("{} {} {:?} {moment:?}", backend.name(), story.name, told.deeds[*at]);
                        let killed = told.strike(*backend, &told.deeds[*at], *moment, n);
                        let place = backends.iter().position(|known| known == backend).unwrap();
                        kills.lock().unwrap()[place] += killed;
                    }
                });
            }
        });
        let kills = kills.into_inner().unwrap();
        // What a run asks for may depend on what goes wrong in it.
        assert!(kills.iter().sum::<usize>() * 10 >= strikes.len() * 9, "{kills:?} of {} were killed", strikes.len());
        let by_backend: Vec<String> =
            backends.iter().zip(kills).map(|(backend, kills)| format!("{} {kills}", backend.name())).collect();
        let _ = writeln!(
            std::io::stderr(),
            "\nkills: {}: {} requests; {}; all converged: 0 orphans, 0 doubles, 0 lost records, 0 open intents",
            story.name,
            told.deeds.len(),
            by_backend.join(", "),
        );
    }
    assert!(is_any, "no story {asked:?} on a backend {only:?} that is there: nothing was killed");
}
