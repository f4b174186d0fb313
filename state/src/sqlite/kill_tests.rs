//! A writer is killed at many instants: what it was told is durable is there, and nothing is there half.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::Connection;

use super::*;
use crate::contract::{all_or_nothing, at, intent, request};

/// Set for the process that is going to be killed: the database it writes to.
const VICTIM: &str = "KOMPOX_STATE_TEST_VICTIM";
const ROUNDS: usize = 14;

/// Writes until it is killed: commit `n` puts two records, closes intent `n - 1` and opens intent `n`. Tells each
/// serial once it has it.
fn write_for_ever(path: &Path) {
    let store = SqliteStore::open(path).unwrap();
    let lock = store.try_lock(&LockRequest { pid: std::process::id(), ..request("here") }).unwrap();
    // Straight to the handle: what a test prints by macro is kept back until it ends.
    let mut out = std::io::stdout().lock();
    writeln!(out, "victim locked").unwrap();
    loop {
        let n = store.serial().unwrap() + 1;
        let serial = store.commit(&lock, &all_or_nothing(n)).unwrap();
        writeln!(out, "victim {serial}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn what_was_acknowledged_outlives_a_kill() {
    if let Some(path) = std::env::var_os(VICTIM) {
        return write_for_ever(&PathBuf::from(path));
    }
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state/kompox.db");
    let mut killed: Option<u32> = None;
    let mut before = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sqlite::kill_tests::what_was_acknowledged_outlives_a_kill", "--nocapture"])
            .env(VICTIM, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| line.split_once("victim ").map(|(_, told)| told.to_owned()));
        assert_eq!(lines.next().unwrap(), "locked");

        let store = SqliteStore::open(&path).unwrap();
        match store.try_lock(&request("here")).unwrap_err() {
            StateError::Locked { holder: Some(holder), .. } => assert_eq!(holder.pid, child.id()),
            e => panic!("{e}"),
        }
        // After some commits, at whatever instant of the next one that happens to be.
        let mut told = 0;
        for line in lines.by_ref().take(1 + round * 5 % 13) {
            told = line.parse().unwrap();
        }
        assert!(store.serial().unwrap() >= told, "a reader sees what was acknowledged while the writer goes on");
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it died but nobody had read yet. The last line may be cut off.
        told = lines.filter_map(|line| line.parse().ok()).fold(told, u64::max);

        let store = SqliteStore::open(&path).unwrap();
        let seen = store.snapshot().unwrap();
        assert!(told > before);
        assert!(seen.serial == told || seen.serial == told + 1, "told {told}, there are {}", seen.serial);
        let mut expected: Vec<_> =
            (1..=seen.serial).flat_map(|n| [at(&format!("{n}.a")), at(&format!("{n}.b"))]).collect();
        expected.sort();
        assert_eq!(seen.records.iter().map(|record| record.address.clone()).collect::<Vec<_>>(), expected);
        assert_eq!(seen.open_intents, [intent(&format!("i{}", seen.serial), "x")]);
        let check: String =
            Connection::open(&path).unwrap().pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");

        before = seen.serial;
        killed = Some(child.id());
        if round % 2 == 0 {
            // In the other rounds the next writer finds the dead one itself.
            let lock = store.try_lock(&request("here")).unwrap();
            assert_eq!(lock.cleared_dead_holder().map(|holder| holder.pid), killed.take());
        }
    }
    let lock = SqliteStore::open(&path).unwrap().try_lock(&request("here")).unwrap();
    assert_eq!(lock.cleared_dead_holder().map(|holder| holder.pid), killed);
}
