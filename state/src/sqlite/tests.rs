use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;

use super::open::{open_existing, open_or_create, open_unwritable};
use super::schema::{MIGRATIONS, Migration};
use super::*;
use crate::contract::{Backend, Spoiled, at, contract_tests, put, record, request};
use crate::lease::Clock;
use crate::{Counts, RunResult, Verb};

struct Sqlite(TempDir, Clock);

impl Sqlite {
    fn path(&self) -> PathBuf {
        self.0.path().join("project/.kompox/state/kompox.db")
    }

    /// Another connection on the file, as an administrator has it.
    fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

impl Backend for Sqlite {
    type Store = SqliteStore;

    fn new() -> Self {
        Self(tempfile::tempdir().unwrap(), Clock::default())
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path()).unwrap().judging_by(self.1.clone())
    }

    fn spoil(&self, what: Spoiled, text: &str) {
        let column = match what {
            Spoiled::RecordAddress => "records SET address",
            Spoiled::Dependency => "dependencies SET address",
            Spoiled::Protection => "records SET protection",
            Spoiled::Progress => "records SET baseline",
            Spoiled::IntentAddress => "intents SET address",
            Spoiled::IntentAction => "intents SET action",
            Spoiled::IntentRecord => "intents SET record",
            Spoiled::RunResult => "runs SET result",
            Spoiled::RunCounts => "runs SET counts",
            Spoiled::RunPlanned => "runs SET planned",
            Spoiled::Removed => "removed SET address",
            Spoiled::DurationAction => "durations SET action",
        };
        assert_eq!(self.raw().execute(&format!("UPDATE {column} = ?1"), [text]).unwrap(), 1);
    }

    fn clock(&self) -> &Clock {
        &self.1
    }
}

contract_tests!(Sqlite);

#[test]
fn commits_are_synced_to_a_write_ahead_log() {
    let place = Sqlite::new();
    let store = place.open();
    let mode: String = place.raw().pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    for (pragma, expected) in [("synchronous", 2), ("foreign_keys", 1)] {
        let read: i64 = store.shared.read(|tx| Ok(tx.pragma_query_value(None, pragma, |row| row.get(0))?)).unwrap();
        let write: i64 = store.shared.write(|tx| Ok(tx.pragma_query_value(None, pragma, |row| row.get(0))?)).unwrap();
        assert_eq!((read, write), (expected, expected), "{pragma}");
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let place = Sqlite::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    store.commit(&lock, &[put(record("a"))]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = place.path().parent().unwrap().to_owned();
    assert_eq!(mode(&folder), 0o700);
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let expected = ["kompox.db", "kompox.db-shm", "kompox.db-wal", "kompox.db.lock", "kompox.db.seen"]
        .map(|name| folder.join(name));
    assert_eq!(names, expected);
    for path in names {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn open_existing_makes_nothing() {
    let place = Sqlite::new();
    assert!(SqliteStore::open_existing(&place.path()).unwrap().is_none());
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 0);

    let lineage = place.open().lineage().to_owned();
    assert_eq!(SqliteStore::open_existing(&place.path()).unwrap().unwrap().lineage(), lineage);
}

/// The text of the error with which both ways to open it fail; neither changes the file.
fn refusal(path: &Path) -> String {
    let before = fs::read(path).ok();
    let texts = [failure(SqliteStore::open(path)), failure(SqliteStore::open_existing(path))].map(|e| e.to_string());
    assert_eq!(fs::read(path).ok(), before);
    assert_eq!(texts[0], texts[1]);
    texts[0].clone()
}

#[test]
fn a_file_without_a_state_in_it_is_no_new_state() {
    let place = Sqlite::new();
    let log = paths::beside(&place.path(), "-wal");
    fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    fs::write(place.path(), b"").unwrap();
    fs::write(&log, b"a log that SQLite would delete").unwrap();
    let text = refusal(&place.path());
    assert!(text.contains("(0 bytes, no tables); restore it together with `kompox.db-wal`"), "{text}");
    assert_eq!(fs::read(&log).unwrap(), b"a log that SQLite would delete");

    // As a copy of the one file is while the tables are in the log.
    fs::remove_file(&log).unwrap();
    let raw = place.raw();
    raw.pragma_update(None, "journal_mode", "WAL").unwrap();
    raw.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    raw.execute_batch("CREATE TABLE meta (only INTEGER)").unwrap();
    let copy = place.path().with_file_name("copy.db");
    fs::copy(place.path(), &copy).unwrap();
    let text = refusal(&copy);
    assert!(text.contains("no tables); restore it together with `copy.db-wal`"), "{text}");
}

#[test]
fn a_log_without_its_database_is_no_new_state() {
    let place = Sqlite::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    store.commit(&lock, &[put(record("a"))]).unwrap();
    let away = place.path().with_extension("away");
    fs::rename(place.path(), &away).unwrap();
    let text = refusal(&place.path());
    assert!(text.contains("is missing, but its write-ahead log") && text.contains("kompox.db-wal"), "{text}");
    fs::rename(&away, place.path()).unwrap();
    assert!(place.open().record(&at("a")).unwrap().is_some());
}

#[test]
fn a_state_whose_log_was_lost_is_no_new_state() {
    let place = Sqlite::new();
    let store = place.open();
    // What a kill leaves: everything that was committed is in the log.
    store.shared.write(|tx| Ok(tx.pragma_update(None, "wal_autocheckpoint", 0)?)).unwrap();
    let made = fs::read(place.path()).unwrap();
    let lock = store.try_lock(&request("here")).unwrap();
    for name in ["a", "b"] {
        store.commit(&lock, &[put(record(name))]).unwrap();
    }
    drop((lock, store));
    fs::write(place.path(), &made).unwrap();
    let text = refusal(&place.path());
    assert!(text.contains("had been written 2 times") && text.contains("kompox.db-wal is lost"), "{text}");
    // A state that is made anew has nothing to do with what the lost one counted.
    fs::remove_file(place.path()).unwrap();
    assert_eq!(place.open().serial().unwrap(), 0);
    assert_eq!(place.open().serial().unwrap(), 0);
}

#[test]
fn a_new_state_gets_its_name_when_it_is_whole() {
    let place = Sqlite::new();
    fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    // Killed before the end: only the draft is there.
    fs::write(paths::beside(&place.path(), ".new-1-x-0"), b"half").unwrap();
    assert!(SqliteStore::open_existing(&place.path()).unwrap().is_none());
    let lineage = place.open().lineage().to_owned();
    // All of it is in the one file, so that it can be copied alone.
    let alone = place.path().with_file_name("alone.db");
    fs::copy(place.path(), &alone).unwrap();
    assert_eq!(SqliteStore::open_existing(&alone).unwrap().unwrap().lineage(), lineage);
}

#[test]
fn where_nothing_can_be_written_it_is_read() {
    let place = Sqlite::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    store.commit(&lock, &[put(record("a"))]).unwrap();
    let refused = || StateError::ReadOnly {
        place: crate::Place::file(&place.path()),
        reason: "no".to_owned(),
        help: "go".to_owned(),
    };
    // With a log beside it somebody may be writing.
    assert!(matches!(failure(open_unwritable(&place.path(), MIGRATIONS, refused())), StateError::ReadOnly { .. }));
    drop((lock, store));
    let odd = place.path().with_file_name("a b%?#.db");
    fs::rename(place.path(), &odd).unwrap();
    let before = fs::read_dir(odd.parent().unwrap()).unwrap().count();
    let store = SqliteStore::over(open_unwritable(&odd, MIGRATIONS, refused()).unwrap()).unwrap();
    assert_eq!(store.snapshot().unwrap().records.len(), 1);
    assert_eq!(fs::read_dir(odd.parent().unwrap()).unwrap().count(), before);
    let text = failure(store.try_lock(&request("here"))).to_string();
    assert!(text.contains("cannot be written"), "{text}");
}

/// Set for the process that holds a transaction open.
#[cfg(target_os = "linux")]
const HOLDING: &str = "KOMPOX_STATE_TEST_HOLDING";

#[cfg(target_os = "linux")]
#[test]
fn who_does_not_end_a_transaction_is_named() {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::process::{Command, Stdio};
    if let Some(path) = std::env::var_os(HOLDING) {
        let raw = Connection::open(path).unwrap();
        raw.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "held").unwrap();
        out.flush().unwrap();
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        return;
    }
    let place = Sqlite::new();
    let store = place.open();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sqlite::tests::who_does_not_end_a_transaction_is_named", "--nocapture"])
        .env(HOLDING, place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("held")));
    let e = failure(store.try_lock(&request("here")));
    assert!(matches!(&e, StateError::Busy { by, .. } if by.contains(&format!("pid {} on ", child.id()))), "{e}");
    assert!(e.to_string().contains("--lock-timeout"), "{e}");
    // Readers do not wait.
    assert_eq!(store.serial().unwrap(), 0);
    drop(child.stdin.take());
    child.wait().unwrap();
    let _lock = store.try_lock(&request("here")).unwrap();
}

#[test]
fn all_who_create_it_at_once_agree() {
    for _ in 0..10 {
        let place = Sqlite::new();
        let barrier = std::sync::Barrier::new(8);
        let seen: Vec<(String, String)> = std::thread::scope(|scope| {
            let open = || {
                barrier.wait();
                let store = place.open();
                (store.lineage().to_owned(), store.digester().digest(b"x"))
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(seen.iter().all(|identity| *identity == seen[0]), "{seen:?}");
    }
}

#[test]
fn one_of_many_gets_the_lock() {
    let place = Sqlite::new();
    let stores: Vec<_> = (0..6).map(|_| place.open()).collect();
    let barrier = std::sync::Barrier::new(stores.len());
    let locks: Vec<_> = std::thread::scope(|scope| {
        let try_lock = |store: &SqliteStore| {
            barrier.wait();
            store.try_lock(&request("here"))
        };
        let threads: Vec<_> = stores.iter().map(|store| scope.spawn(move || try_lock(store))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (held, refused): (Vec<_>, Vec<_>) = locks.into_iter().partition(Result::is_ok);
    assert_eq!(held.len(), 1);
    for refused in refused {
        assert!(matches!(refused, Err(StateError::Locked { .. })), "{refused:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_leads_to_the_same_lock() {
    let place = Sqlite::new();
    let store = place.open();
    let link = place.0.path().join("link.db");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    let _lock = store.try_lock(&request("here")).unwrap();
    let linked = SqliteStore::open(&link).unwrap();
    assert!(matches!(linked.try_lock(&request("here")), Err(StateError::Locked { .. })));
}

#[test]
fn a_relative_name_is_a_file_name() {
    // `:memory:` would be a database that nobody finds again.
    let place = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&place.path().join(":memory:")).unwrap();
    assert_eq!(store.serial().unwrap(), 0);
    assert!(place.path().join(":memory:").metadata().unwrap().len() > 0);
}

#[test]
fn a_removed_state_leaves_nothing() {
    let place = Sqlite::new();
    SqliteStore::remove(&place.path()).unwrap();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    store.commit(&lock, &[put(record("a"))]).unwrap();
    drop((lock, store));
    SqliteStore::remove(&place.path()).unwrap();
    assert_eq!(fs::read_dir(place.path().parent().unwrap()).unwrap().count(), 0);
}

#[test]
fn a_lost_lock_file_does_not_make_two_writers() {
    let place = Sqlite::new();
    let (store, other) = (place.open(), place.open());
    let first = store.try_lock(&request("here")).unwrap();
    fs::remove_file(place.path().with_extension("db.lock")).unwrap();
    let second = other.try_lock(&request("here")).unwrap();
    assert!(matches!(store.commit(&first, &[put(record("a"))]), Err(StateError::Fenced { .. })));
    other.commit(&second, &[put(record("b"))]).unwrap();
    drop(first);
    assert_eq!(other.holder().unwrap().as_ref(), Some(second.holder()));
}

#[cfg(unix)]
#[test]
fn writes_nothing_into_a_file_that_is_gone() {
    let place = Sqlite::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    let folder = place.path().parent().unwrap().to_owned();
    fs::rename(&folder, folder.with_extension("old")).unwrap();
    let lost =
        |result: Result<u64, StateError>| assert!(matches!(result, Err(StateError::Replaced { .. })), "{result:?}");
    lost(store.commit(&lock, &[put(record("a"))]));
    let new = place.open();
    lost(store.commit(&lock, &[put(record("a"))]));
    assert_eq!(new.serial().unwrap(), 0);
}

const NEXT: &[Migration] = &[
    Migration { version: 1, sql: MIGRATIONS[0].sql },
    Migration { version: 2, sql: MIGRATIONS[1].sql },
    Migration { version: 3, sql: MIGRATIONS[2].sql },
    Migration { version: 4, sql: "ALTER TABLE records ADD COLUMN note TEXT" },
    Migration {
        version: 5,
        sql: "CREATE TABLE notes (text TEXT) STRICT; INSERT INTO notes SELECT address FROM records;",
    },
];

fn version(connection: &Connection) -> u32 {
    connection.query_row("SELECT schema_version FROM meta", [], |row| row.get(0)).unwrap()
}

fn failure<T>(result: Result<T, StateError>) -> StateError {
    match result {
        Ok(_) => panic!("this must fail"),
        Err(e) => e,
    }
}

#[test]
fn the_list_of_migrations_has_no_gap() {
    let versions: Vec<u32> = MIGRATIONS.iter().map(|step| step.version).collect();
    assert_eq!(versions, (1..=schema::newest(MIGRATIONS)).collect::<Vec<_>>());
}

#[test]
fn an_older_database_migrates_and_keeps_what_it_has() {
    let place = Sqlite::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    store.commit(&lock, &[put(record("a"))]).unwrap();

    // Not under the hands of a writer that knows the old tables only.
    let text = failure(open_existing(&place.path(), NEXT)).to_string();
    assert!(text.contains("pid 4711"), "{text}");
    assert_eq!(version(&place.raw()), 3);
    drop(lock);

    open_existing(&place.path(), NEXT).unwrap().unwrap();
    let raw = place.raw();
    assert_eq!(version(&raw), 5);
    assert_eq!(raw.query_row("SELECT text FROM notes", [], |row| row.get::<_, String>(0)).unwrap(), at("a").as_str());
    assert_eq!(store.record(&at("a")).unwrap().unwrap().updated_serial, 1);
    // The old program is still open on it; it reads, and neither locks nor writes.
    assert!(matches!(store.try_lock(&request("here")), Err(StateError::Newer { found: 5, supported: 3, .. })));
    open_or_create(&place.path(), NEXT, &Identity::random().unwrap()).unwrap();
    assert_eq!(version(&raw), 5);
}

#[test]
fn a_migration_that_fails_changes_nothing() {
    const BROKEN: &[Migration] = &[
        NEXT[0].copy(),
        NEXT[1].copy(),
        NEXT[2].copy(),
        Migration { version: 4, sql: "DROP TABLE durations; SELECT nonsense" },
    ];
    let place = Sqlite::new();
    drop(place.open());
    assert!(matches!(failure(open_existing(&place.path(), BROKEN)), StateError::Backend { .. }));
    assert_eq!(version(&place.raw()), 3);
    assert_eq!(place.open().durations().unwrap(), []);
}

impl Migration {
    const fn copy(&self) -> Self {
        Self { version: self.version, sql: self.sql }
    }
}

#[test]
fn a_new_database_has_the_newest_version() {
    let place = Sqlite::new();
    open_or_create(&place.path(), NEXT, &Identity::random().unwrap()).unwrap();
    assert_eq!(version(&place.raw()), 5);
}

#[test]
fn a_state_of_the_first_version_is_read_by_this_one() {
    const FIRST: &[Migration] = &[NEXT[0].copy()];
    let place = Sqlite::new();
    drop(open_or_create(&place.path(), FIRST, &Identity::random().unwrap()).unwrap());
    let raw = place.raw();
    raw.execute_batch(
        "INSERT INTO runs (id, actor, host, command, started_at, counts) VALUES ('r1', 'a', 'h', 'c', 's', '{}')",
    )
    .unwrap();
    let store = place.open();
    assert_eq!(version(&raw), 3);
    assert_eq!(store.runs(1).unwrap()[0].planned, None);
    assert_eq!(store.removed().unwrap(), []);
}

/// `version_2.sql` was written by the version before [`Address`], [`Verb`] and the rest had types.
#[test]
fn a_state_of_the_version_before_types_reads_and_writes_as_it_did() {
    let place = Sqlite::new();
    fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    place.raw().execute_batch(include_str!("version_2.sql")).unwrap();
    let store = place.open();
    let Snapshot { serial, records, open_intents, .. } = store.snapshot().unwrap();
    assert_eq!(serial, 36);
    let seen: Vec<_> = records
        .iter()
        .map(|record| (record.address.short(), record.protection.orphan, record.dependencies.len()))
        .collect();
    assert_eq!(seen, [("disk/default", true, 1), ("Deployment/app1-app", false, 9), ("cluster/cluster1", false, 1)]);
    let [_, deployment, _] = &records[..] else { panic!("{records:?}") };
    assert_eq!(deployment.progress.changing.as_deref(), Some("ec7aa65a-9f25-4662-a19a-2ec9f272b2bc"));
    assert_eq!((deployment.progress.unready, deployment.progress.holds.len()), (true, 2));
    let [intent] = &open_intents[..] else { panic!("{open_intents:?}") };
    assert_eq!((intent.action, &intent.address), (Verb::Update, &deployment.address));
    assert_eq!(intent.record.as_ref().unwrap().dependencies, deployment.dependencies);
    let runs: Vec<_> = store.runs(9).unwrap().into_iter().map(|run| (run.result, run.counts, run.planned)).collect();
    let counts = |counts: &[(Verb, u64)]| counts.iter().copied().collect::<Counts>();
    assert_eq!(
        runs,
        [
            (
                Some(RunResult::Interrupted),
                counts(&[(Verb::Delete, 29), (Verb::Forget, 2)]),
                Some(counts(&[(Verb::Delete, 31), (Verb::Forget, 2)]))
            ),
            (None, counts(&[(Verb::Import, 1)]), Some(counts(&[(Verb::Import, 1), (Verb::Update, 1)]))),
            (Some(RunResult::Ok), counts(&[(Verb::Create, 33)]), Some(counts(&[(Verb::Create, 33)]))),
        ]
    );
    let removed: Vec<_> = store.removed().unwrap().iter().map(|address| address.short().to_owned()).collect();
    assert_eq!(removed, ["Secret/app1-app-gitea-base"]);
    let took = |kind: &str, millis| ActionDuration { kind: kind.to_owned(), action: Verb::Create, millis };
    assert_eq!(store.durations().unwrap(), [took("Deployment", 82), took("disk", 66)]);

    // What is written again is what was there, to the letter, so that the version before reads it, too.
    let texts = || -> Vec<(String, String, String)> {
        let raw = place.raw();
        let mut all = raw.prepare("SELECT address, protection, baseline FROM records ORDER BY address").unwrap();
        let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    };
    let before = texts();
    let lock = store.try_lock(&request("here")).unwrap();
    let did = Change::Did { run: intent.run.clone(), verb: intent.action, elapsed_ms: 1 };
    let again: Vec<Change> = records.iter().cloned().map(put).chain([did]).collect();
    store.commit(&lock, &again).unwrap();
    assert_eq!(texts(), before);
    assert_eq!(store.runs(9).unwrap()[1].counts, counts(&[(Verb::Import, 1), (Verb::Update, 1)]));
}

#[test]
fn a_newer_database_is_left_alone() {
    let place = Sqlite::new();
    drop(place.open());
    place.raw().execute("UPDATE meta SET schema_version = 7", []).unwrap();
    let before = fs::read(place.path()).unwrap();
    for e in [failure(SqliteStore::open(&place.path())), failure(SqliteStore::open_existing(&place.path()))] {
        assert!(matches!(e, StateError::Newer { found: 7, supported: 3, .. }), "{e}");
        let text = e.to_string();
        for part in ["kompox.db", "version 7", "up to 3", "nothing was changed", "install the kompox that"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }
    assert_eq!(fs::read(place.path()).unwrap(), before);
}

#[test]
fn a_file_of_something_else_is_left_alone() {
    let place = Sqlite::new();
    fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    let check = |reason: &str| {
        let before = fs::read(place.path()).unwrap();
        for e in [failure(SqliteStore::open(&place.path())), failure(SqliteStore::open_existing(&place.path()))] {
            let text = e.to_string();
            assert!(matches!(e, StateError::NotAState { .. }) && text.contains(reason), "{text}");
            assert!(text.contains("kompox.db") && text.contains("move it away"), "{text}");
        }
        assert_eq!(fs::read(place.path()).unwrap(), before);
    };
    fs::write(place.path(), "apiVersion: ops.kompox.dev/v1alpha1\nkind: App\n".repeat(100)).unwrap();
    check("not an SQLite database");
    fs::remove_file(place.path()).unwrap();
    place.raw().execute_batch("CREATE TABLE shop (id INTEGER)").unwrap();
    check("a database of something else");
}

#[test]
fn damage_is_told() {
    let place = Sqlite::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    store.commit(&lock, &[put(record("a"))]).unwrap();
    drop(lock);
    place.raw().execute("UPDATE records SET applied = '{\"password\": hunter2'", []).unwrap();
    for e in [failure(store.records()), failure(store.record(&at("a"))), failure(store.snapshot())] {
        let text = e.to_string();
        assert!(matches!(e, StateError::Corrupt { .. }), "{text}");
        assert!(text.contains("kompox.db") && text.contains(at("a").as_str()) && text.contains("rebuild it"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    drop(store);

    // Everything behind the first page is overwritten; the log is gone, as after a copy of the one file.
    place.raw().pragma_update(None, "journal_mode", "DELETE").unwrap();
    let mut bytes = fs::read(place.path()).unwrap();
    bytes[4096..].fill(0x5a);
    fs::write(place.path(), &bytes).unwrap();
    let e = failure(SqliteStore::open(&place.path()).and_then(|store| store.records()));
    assert!(matches!(e, StateError::Corrupt { .. }), "{e}");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    // Nobody can make a file in sysfs, not even the superuser that tests may run as.
    #[cfg(target_os = "linux")]
    for path in ["/sys/kompox.db", "/sys/kompox/state/kompox.db"] {
        let e = failure(SqliteStore::open(Path::new(path)));
        let text = e.to_string();
        assert!(matches!(e, StateError::ReadOnly { .. }), "{text}");
        assert!(text.contains(path) && text.contains("make the folder /sys"), "{text}");
    }
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("file"), "").unwrap();
    let text = failure(SqliteStore::open(&place.path().join("file/state/kompox.db"))).to_string();
    assert!(text.contains("file/state") && text.contains("a file is where a folder is needed"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_state_whose_folder_became_read_only_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let place = Sqlite::new();
    drop(place.open());
    let folder = place.path().parent().unwrap().to_owned();
    let mode = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o555);
    // The superuser may write whatever the mode says; then there is nothing to see here.
    if fs::write(folder.join("probe"), "").is_err() {
        for e in [failure(SqliteStore::open(&place.path())), failure(SqliteStore::open_existing(&place.path()))] {
            let text = e.to_string();
            assert!(matches!(e, StateError::ReadOnly { .. }), "{text}");
            assert!(text.contains(&format!("make the folder {}", folder.display())), "{text}");
        }
    }
    mode(0o700);
}

#[test]
fn an_identity_can_be_given() {
    let place = Sqlite::new();
    let identity = |key| Identity::new("5a0c3b6e-4c1d-4e0f-8f2a-9b7c6d5e4f3a", [key; 32]);
    let store = SqliteStore::open_with(&place.path(), &identity(1)).unwrap();
    assert_eq!(store.lineage(), "5a0c3b6e-4c1d-4e0f-8f2a-9b7c6d5e4f3a");
    assert_eq!(store.digester().digest(b"x"), Digester::new(&[1; 32]).digest(b"x"));
    // An existing state keeps its own.
    let again = SqliteStore::open_with(&place.path(), &identity(2)).unwrap();
    assert_eq!(again.digester().digest(b"x"), Digester::new(&[1; 32]).digest(b"x"));
}
