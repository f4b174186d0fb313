//! A holder is stopped at any instant, somebody else takes over, and it goes on: it commits nothing any more.
//!
//! The holder is this test in a process of its own, which the system stops and lets go on; the lease runs out by a clock
//! that the test moves.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use uuid::Uuid;

use crate::contract::{put, record, request};
use crate::lease::Clock;
use crate::object::ObjectStore;
use crate::place::{Objects, Variables};
use crate::postgres::PostgresStore;
use crate::sqlite::SqliteStore;
use crate::stores::{BUCKET, Postgres, Server, VERSITYGW, aws, installed};
use crate::{Change, LEASE, Lock, LockRequest, StateError, Store};

/// Set for the process that is stopped: the backend, the place, the port of a server, and the file that shows it alive.
const HOLDER: &str = "KOMPOX_STATE_TEST_PAUSED";

/// Commits that are summed up when the lock is given back.
const MANY: usize = 70;

/// Opens the state that `HOLDER` names, with the file of another machine.
fn open(named: &str, presence: &Path, clock: Clock) -> Box<dyn Store> {
    let parts: Vec<&str> = named.split(' ').collect();
    let variables = |pairs: Vec<(&'static str, String)>| -> Variables {
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    };
    match parts[..] {
        ["sqlite", path, _] => Box::new(SqliteStore::open(Path::new(path)).unwrap().judging_by(clock)),
        ["folder", path, _] => {
            let objects = Objects::Folder(path.into());
            Box::new(ObjectStore::open(&objects, &Variables::default(), presence).unwrap().judging_by(clock))
        }
        ["versitygw", prefix, endpoint] => {
            let objects = Objects::S3 { bucket: BUCKET.to_owned(), prefix: prefix.to_owned() };
            let variables = variables(aws(endpoint).to_vec());
            Box::new(ObjectStore::open(&objects, &variables, presence).unwrap().judging_by(clock))
        }
        ["postgres", schema, port] => {
            let variables = variables(Postgres::at(port.parse().unwrap()));
            Box::new(PostgresStore::open(schema, &variables, presence).unwrap().judging_by(clock))
        }
        _ => panic!("{named}"),
    }
}

/// Commits until that is refused, and says so.
fn hold(named: &str) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(named, &folder.path().join("lock"), Clock::default());
    let lock = store.try_lock(&LockRequest { pid: std::process::id(), ..request("there") }).unwrap();
    // Straight to the handle: what a test prints by macro is kept back until it ends.
    let mut out = std::io::stdout().lock();
    for n in 0.. {
        match store.commit(&lock, &[put(record(&format!("held{n}")))]) {
            Ok(_) => writeln!(out, "holder held{n}").unwrap(),
            Err(StateError::Fenced { .. }) => return writeln!(out, "holder fenced").unwrap(),
            Err(e) => return writeln!(out, "holder {e}").unwrap(),
        }
        out.flush().unwrap();
    }
}

/// A holder at work.
struct Holder {
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Holder {
    fn start(test: &str, named: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("pause_tests::{test}"), "--nocapture"]).env(HOLDER, named);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let said = BufReader::new(process.stdout.take().unwrap());
        Self { process, said }
    }

    /// What it says next, `None` at its end.
    fn next(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.said.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some((_, said)) = line.split_once("holder ") {
                return Some(said.trim().to_owned());
            }
        }
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.process.id().to_string()]).status().unwrap().success());
    }

    /// Stops all of its threads.
    fn stop(&self) {
        self.signal("-STOP");
        let stat = format!("/proc/{}/stat", self.process.id());
        while !std::fs::read_to_string(&stat).unwrap().contains(") T ") {
            std::thread::yield_now();
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What happens between the takeover and the holder's going on.
#[derive(Debug, Clone, Copy)]
enum Between {
    Nothing,
    Commit,
    /// So many that giving back the lock sums up.
    Summary,
}

/// Takes over from the holder, who is stopped.
fn take_over(store: &dyn Store, clock: &Clock) -> Lock {
    loop {
        match store.try_lock(&request("here")) {
            Ok(lock) => return lock,
            Err(StateError::Locked { .. }) => clock.forward(LEASE * 2),
            // In the middle of a transaction, which the server ends in a while.
            Err(StateError::Busy { .. }) => {}
            Err(e) => panic!("{e}"),
        }
    }
}

fn held(store: &dyn Store) -> Vec<String> {
    let records = store.verify().unwrap().into_contents().records;
    let names = records.iter().map(|record| record.address.name().to_owned());
    names.filter(|name| name.starts_with("held")).collect()
}

fn commits_nothing(test: &str, named: &str, between: Between) {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::default());
    let store = open(named, &folder.path().join("lock"), clock.clone());
    let mut holder = Holder::start(test, named);
    let mut acknowledged: Vec<String> = (0..5).map(|_| holder.next().unwrap()).collect();
    holder.stop();
    let lock = take_over(store.as_ref(), &clock);
    assert!(lock.expired_holder().is_some());
    let before = held(store.as_ref());
    let commits = match between {
        Between::Nothing => 0,
        Between::Commit => 1,
        Between::Summary => MANY,
    };
    for n in 0..commits {
        store
            .commit(&lock, &[put(record(&format!("taken{n}"))), Change::DeleteRecord(record("none").address)])
            .unwrap();
    }
    // The lock is free again where it was summed up, and nobody's.
    let lock = match between {
        Between::Summary => {
            lock.release().unwrap();
            None
        }
        _ => Some(lock),
    };
    holder.signal("-CONT");
    while let Some(said) = holder.next() {
        acknowledged.push(said);
    }
    assert_eq!(acknowledged.pop().as_deref(), Some("fenced"), "{between:?}");
    let after = held(store.as_ref());
    assert_eq!(after, before, "{between:?}: nothing came to it after the takeover");
    let lost: Vec<_> = acknowledged.iter().filter(|name| !after.contains(name)).collect();
    assert!(lost.is_empty(), "{between:?}: {lost:?}");
    drop(lock);
}

/// Tries all that may happen in between, each in a place of its own.
fn at_all_instants(test: &str, place: impl Fn() -> Option<String>) {
    if let Some(named) = std::env::var_os(HOLDER) {
        return hold(named.to_str().unwrap());
    }
    std::thread::scope(|scope| {
        for between in [Between::Nothing, Between::Commit, Between::Summary] {
            if let Some(named) = place() {
                scope.spawn(move || commits_nothing(test, &named, between));
            }
        }
    });
}

#[test]
fn a_stopped_holder_of_a_folder_commits_nothing_after_a_takeover() {
    let folder = tempfile::tempdir().unwrap();
    let place = || Some(format!("folder {} -", folder.path().join(Uuid::new_v4().to_string()).display()));
    at_all_instants("a_stopped_holder_of_a_folder_commits_nothing_after_a_takeover", place);
}

#[test]
fn a_stopped_holder_of_s3_commits_nothing_after_a_takeover() {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let place = || {
        let server = SERVER.get_or_init(|| installed(VERSITYGW).map(|program| Server::versitygw(&program))).as_ref()?;
        Some(format!("versitygw {} {}", Uuid::new_v4(), server.endpoint))
    };
    at_all_instants("a_stopped_holder_of_s3_commits_nothing_after_a_takeover", place);
}

#[test]
fn a_stopped_holder_of_postgres_commits_nothing_after_a_takeover() {
    static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();
    let place = || {
        let server = SERVER.get_or_init(Postgres::start).as_ref()?;
        Some(format!("postgres state_{} {}", Uuid::new_v4().simple(), server.pooled.unwrap_or(server.port)))
    };
    at_all_instants("a_stopped_holder_of_postgres_commits_nothing_after_a_takeover", place);
}

/// On one machine the system knows that the holder is alive, however long it is stopped: nobody takes over.
#[test]
fn a_stopped_holder_of_a_file_keeps_its_lock() {
    const TEST: &str = "a_stopped_holder_of_a_file_keeps_its_lock";
    if let Some(named) = std::env::var_os(HOLDER) {
        return hold(named.to_str().unwrap());
    }
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::default());
    let named = format!("sqlite {} -", folder.path().join("kompox.db").display());
    let store = open(&named, folder.path(), clock.clone());
    let mut holder = Holder::start(TEST, &named);
    let mut last = holder.next().unwrap();
    holder.stop();
    for host in ["here", "there"] {
        clock.forward(LEASE * 2);
        let refused = store.try_lock(&request(host)).unwrap_err();
        assert!(matches!(refused, StateError::Locked { .. } | StateError::Busy { .. }), "{refused}");
    }
    let id = store.holder().unwrap().unwrap().id;
    assert!(matches!(store.unlock(&id), Err(StateError::HolderAlive { .. })));
    holder.signal("-CONT");
    for _ in 0..5 {
        last = holder.next().unwrap();
    }
    assert!(held(store.as_ref()).contains(&last), "{last}");
}
