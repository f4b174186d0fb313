//! The contract on a real PostgreSQL, straight and through pgbouncer in transaction mode (`tests/stores/postgres`).

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, OnceLock};

use tempfile::TempDir;

use super::*;
use crate::contract::{self, Backend, Spoiled, put, record, request};
use crate::lease::Clock;
use crate::model::Model;
use crate::stores::{Postgres, tell};

/// The server, started by whoever needs it first; none where it is not installed.
fn server() -> Option<&'static Postgres> {
    static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();
    SERVER.get_or_init(Postgres::start).as_ref()
}

/// The variables for the server on this port; what is said in `more` counts.
fn variables(port: u16, more: &[(&str, &str)]) -> Variables {
    let all = Postgres::at(port).into_iter().map(|(name, value)| (name.to_owned(), value));
    all.chain(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).collect()
}

/// A state in a schema of its own.
struct In<const POOLED: bool> {
    schema: String,
    variables: Variables,
    folder: TempDir,
    clock: Clock,
}

impl<const POOLED: bool> In<POOLED> {
    fn presence(&self) -> PathBuf {
        self.folder.path().join("postgres.lock")
    }
}

impl<const POOLED: bool> Backend for In<POOLED> {
    type Store = PostgresStore;

    fn new() -> Self {
        let server = server().expect("asked for only where there is one");
        let port = if POOLED { server.pooled.unwrap() } else { server.port };
        Self {
            schema: format!("state_{}", Uuid::new_v4().simple()),
            variables: variables(port, &[]),
            folder: tempfile::tempdir().unwrap(),
            clock: Clock::default(),
        }
    }

    fn open(&self) -> PostgresStore {
        let store = PostgresStore::open(&self.schema, &self.variables, &self.presence()).unwrap();
        store.judging_by(self.clock.clone())
    }

    fn spoil(&self, what: Spoiled, text: &str) {
        let (table, key) = match what {
            Spoiled::RecordAddress => ("records", "address"),
            Spoiled::Dependency => ("records", "dependencies"),
            Spoiled::Protection => ("records", "protection"),
            Spoiled::Progress => ("records", "baseline"),
            Spoiled::IntentAddress => ("intents", "address"),
            Spoiled::IntentAction => ("intents", "action"),
            Spoiled::IntentRecord => ("intents", "record"),
            Spoiled::RunResult => ("runs", "result"),
            Spoiled::RunCounts => ("runs", "counts"),
            Spoiled::RunPlanned => ("runs", "planned"),
            Spoiled::Removed => ("removed", "address"),
            Spoiled::DurationAction => ("durations", "action"),
        };
        let text = text.to_owned();
        let done = self.open().shared.link.write(move |tx, schema| {
            if table == "removed" || table == "durations" {
                tx.execute_typed(&format!("UPDATE {schema}.{table} SET {key} = $1"), &[(&text, Type::TEXT)])?;
                return Ok(());
            }
            let body: String = tx.query_typed_one(&format!("SELECT body FROM {schema}.{table}"), &[])?.try_get(0)?;
            let mut body: serde_json::Value = serde_json::from_str(&body).unwrap();
            let is_text = matches!(key, "address" | "action" | "result");
            body[key] = match key {
                "dependencies" => serde_json::json!([text]),
                _ if is_text => text.as_str().into(),
                _ => serde_json::from_str(&text).unwrap(),
            };
            let update = format!("UPDATE {schema}.{table} SET body = $1");
            tx.execute_typed(&update, &[(&body.to_string(), Type::TEXT)])?;
            Ok(())
        });
        done.unwrap();
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }
}

contract::contract_tests!(In<false>, where server().is_some());

mod pooled {
    use super::*;

    contract::contract_tests!(In<true>, where server().is_some_and(|server| server.pooled.is_some()));
}

#[test]
fn of_many_that_make_a_state_or_want_the_lock_one_does() {
    const WRITERS: usize = 16;
    let Some(server) = server() else { return };
    let rounds = std::env::var("KOMPOX_STORES_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    let schema = format!("state_{}", Uuid::new_v4().simple());
    let variables = variables(server.pooled.unwrap_or(server.port), &[]);
    let mut expected = 0;
    for round in 0..rounds {
        let folders: Vec<TempDir> = (0..WRITERS).map(|_| tempfile::tempdir().unwrap()).collect();
        let barrier = Barrier::new(WRITERS);
        let outcomes: Vec<(PostgresStore, Result<Lock, StateError>)> = std::thread::scope(|scope| {
            let (barrier, schema, variables) = (&barrier, &schema, &variables);
            let threads: Vec<_> = folders
                .iter()
                .enumerate()
                .map(|(n, folder)| {
                    scope.spawn(move || {
                        barrier.wait();
                        let store = PostgresStore::open(schema, variables, &folder.path().join("lock")).unwrap();
                        barrier.wait();
                        let lock = store.try_lock(&request(&format!("host{n}")));
                        (store, lock)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let lineages: std::collections::BTreeSet<&str> = outcomes.iter().map(|(store, _)| store.lineage()).collect();
        assert_eq!(lineages.len(), 1);
        let held = outcomes.into_iter().filter_map(|(store, lock)| lock.ok().map(|lock| (store, lock)));
        let held: Vec<_> = held.collect();
        assert_eq!(held.len(), 1, "round {round}");
        for (store, lock) in held {
            expected = store.commit(&lock, &[put(record(&format!("r{round}")))]).unwrap();
            lock.release().unwrap();
        }
    }
    assert_eq!(expected, rounds as u64);
    let way = if server.pooled.is_some() { "through pgbouncer" } else { "straight" };
    tell(&format!(
        "contention: postgres {way}: {WRITERS} writers, {rounds} rounds, one holder in each, no commit lost"
    ));
}

/// Passes everything on between a client and the server, and counts what the client waits for an answer to: beginning a
/// connection, signing in, a simple query, the end of an extended one
/// (<https://www.postgresql.org/docs/15/protocol-message-formats.html>).
struct Counting {
    port: u16,
    asked: Arc<AtomicU64>,
}

impl Counting {
    fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, asked) = (listener.local_addr().unwrap().port(), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&asked);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let there = TcpStream::connect(("localhost", server)).unwrap();
                // Nothing of it waits for more to send.
                [&client, &there].into_iter().for_each(|stream| stream.set_nodelay(true).unwrap());
                let (mut answers, mut back) = (there.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || Self::pass(client, there, &counted));
            }
        });
        Self { port, asked }
    }

    fn pass(mut client: TcpStream, mut there: TcpStream, asked: &AtomicU64) -> std::io::Result<()> {
        // The first message has no letter.
        let mut head = vec![0; 4];
        loop {
            client.read_exact(&mut head)?;
            let length = u32::from_be_bytes(head[head.len() - 4..].try_into().unwrap());
            let mut message = head.clone();
            message.resize(head.len() + length as usize - 4, 0);
            client.read_exact(&mut message[head.len()..])?;
            if head.len() == 4 || b"pQS".contains(&head[0]) {
                asked.fetch_add(1, Ordering::Relaxed);
            }
            there.write_all(&message)?;
            head.resize(5, 0);
        }
    }

    /// How often `work` waits for the server.
    fn count<T>(&self, work: impl FnOnce() -> T) -> (u64, T) {
        let before = self.asked.load(Ordering::Relaxed);
        let done = work();
        (self.asked.load(Ordering::Relaxed) - before, done)
    }
}

/// How many round trips each thing takes with so many records: lock, commit, release, first read, new look, one record,
/// and a commit of all of them.
fn round_trips(server: u16, records: usize) -> [u64; 7] {
    let way = Counting::before(server);
    let schema = format!("state_{}", Uuid::new_v4().simple());
    let variables = variables(way.port, &[]);
    let folder = tempfile::tempdir().unwrap();
    let presence = folder.path().join("lock");
    let store = PostgresStore::open(&schema, &variables, &presence).unwrap();
    let (lock, held) = way.count(|| store.try_lock(&request("here")).unwrap());
    let mut model = Model::default();
    model.apply(&(0..records).map(|n| put(record(&format!("many{n}")))).collect::<Vec<_>>());
    let (whole, _) = way.count(|| store.commit(&held, &[Change::Replace(Box::new(model.contents()))]).unwrap());
    let (commit, _) = way.count(|| store.commit(&held, &[put(record("many0"))]).unwrap());
    let (release, _) = way.count(|| held.release().unwrap());
    let (cold, found) = way.count(|| {
        let store = PostgresStore::open_existing(&schema, &variables, &presence).unwrap().unwrap();
        store.snapshot().unwrap().records.len()
    });
    assert_eq!(found, records);
    let (again, _) = way.count(|| store.snapshot().unwrap());
    let (one, _) = way.count(|| store.record(&contract::at("many0")).unwrap().unwrap());
    [lock, commit, release, cold, again, one, whole]
}

#[test]
fn takes_few_requests() {
    let Some(server) = server() else { return };
    for (way, port) in [("straight", Some(server.port)), ("through pgbouncer", server.pooled)] {
        let Some(port) = port else { continue };
        let [few, many] = [10, 2000].map(|records| round_trips(port, records));
        assert_eq!(few[..6], many[..6], "the size of the state costs no round trip");
        let [lock, commit, release, cold, again, one, whole] = many;
        tell(&format!(
            "requests: postgres {way}: round trips, with 10 as with 2,000 records: lock {lock}, commit {commit}, release {release}, \
             cold read {cold}, new look {again}, one record {one}; all 2,000 written {whole}"
        ));
        assert!(lock <= 6 && commit <= 7 && release <= 5 && cold <= 14 && again <= 5 && one <= 3, "{many:?}");
        assert!(whole <= 16, "{whole}");
    }
}

#[test]
fn tls_checks_the_certificate() {
    let Some((server, authority)) = server().and_then(|server| Some((server, server.authority()?))) else { return };
    let authority = authority.to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let open = |more: &[(&str, &str)]| {
        let schema = format!("state_{}", Uuid::new_v4().simple());
        PostgresStore::open(&schema, &variables(server.port, more), &folder.path().join("lock"))
    };
    let encrypted = |store: &PostgresStore| {
        let own = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        store.shared.link.read(move |tx, _| Ok(tx.query_typed_one(own, &[])?.try_get::<_, bool>(0)?)).unwrap()
    };
    for mode in ["require", "verify-full"] {
        assert!(encrypted(&open(&[("PGSSLMODE", mode), ("PGSSLROOTCERT", authority)]).unwrap()));
    }
    assert!(!encrypted(&open(&[]).unwrap()), "on this machine nothing is between");
    // Another name than the certificate's; and an authority that nobody trusts.
    for (more, why) in [
        (&[("PGSSLMODE", "require"), ("PGSSLROOTCERT", authority), ("PGHOST", "127.0.0.1")][..], "not valid for name"),
        (&[("PGSSLMODE", "require")], "UnknownIssuer"),
        (&[("PGSSLMODE", "verify-ca"), ("PGSSLROOTCERT", "system")], "UnknownIssuer"),
    ] {
        let error = open(more).map(drop).unwrap_err();
        assert!(matches!(error, StateError::Backend { .. }), "{error}");
        let text = format!("{error:?}");
        assert!(text.contains(why) && text.contains("PGSSLROOTCERT"), "{text}");
    }
    for more in [("PGSSLMODE", "never"), ("PGPORT", "x"), ("PGSSLROOTCERT", "/nowhere.crt")] {
        let error = open(&[("PGSSLMODE", "require"), more]).map(drop).unwrap_err();
        assert!(matches!(&error, StateError::Misconfigured { what } if what.contains(more.0)), "{error}");
    }
}

#[test]
fn a_connection_that_was_ended_is_made_anew() {
    if server().is_none() {
        return;
    }
    let place = In::<false>::new();
    let (store, other) = (place.open(), place.open());
    let lock = store.try_lock(&request("here")).unwrap();
    store.commit(&lock, &[put(record("a"))]).unwrap();
    // As the server does when it is started anew, before a commit and before a look.
    let end = || {
        let own = |tx: &mut Transaction<'_>, _: &str| {
            Ok(tx.query_typed_one("SELECT pg_backend_pid()", &[])?.try_get::<_, i32>(0)?)
        };
        let pid = store.shared.link.read(own).unwrap();
        let ended = other.shared.link.read(move |tx, _| {
            let end = "SELECT pg_terminate_backend($1, 5000)";
            Ok(tx.query_typed_one(end, &[(&pid, Type::INT4)])?.try_get::<_, bool>(0)?)
        });
        assert!(ended.unwrap());
    };
    end();
    assert_eq!(store.commit(&lock, &[put(record("b"))]).unwrap(), 2);
    end();
    assert_eq!(store.serial().unwrap(), 2);
    assert_eq!(other.records().unwrap().len(), 2);
}

#[test]
fn a_wrong_password_and_a_table_that_is_gone_are_told() {
    let Some(server) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let wrong = variables(server.port, &[("PGPASSWORD", "wrong-hunter2")]);
    let error = PostgresStore::open("s", &wrong, &folder.path().join("lock")).map(drop).unwrap_err().to_string();
    assert!(error.contains("password authentication failed") && error.contains("PGPASSFILE"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    let place = In::<false>::new();
    let store = place.open();
    PostgresStore::remove(&place.schema, &place.variables).unwrap();
    PostgresStore::remove(&place.schema, &place.variables).unwrap();
    assert!(matches!(store.records(), Err(StateError::Replaced { .. })));
    assert!(matches!(store.try_lock(&request("here")), Err(StateError::Replaced { .. })));
    let next = place.open();
    assert!(matches!(store.try_lock(&request("here")), Err(StateError::Replaced { .. })), "another one, in its place");
    assert_ne!(next.lineage(), store.lineage());
}

#[test]
fn a_server_that_is_not_there_is_named_without_the_password() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let all = [("PGHOST", "localhost"), ("PGPORT", &port), ("PGUSER", "kompox"), ("PGPASSWORD", "hunter2")];
    let all: Variables = all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let error = PostgresStore::open_existing("kompox", &all, Path::new("unused")).map(drop).unwrap_err().to_string();
    assert!(error.contains(&format!("localhost:{port}")) && error.contains("check the network"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    let error =
        PostgresStore::open_existing("kompox", &Variables::default(), Path::new("unused")).map(drop).unwrap_err();
    assert!(error.to_string().contains("PGHOST"), "{error}");
}
