//! What every backend must do. A backend's tests implement [`Backend`] and call `contract_tests!`.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::lease::Clock;
use crate::{
    ActionDuration, Address, Change, Counts, Intent, LEASE, LockRequest, Progress, Protection, Record, Run, RunResult,
    StateError, Store, Verb,
};

/// One place where a state can be kept.
pub(crate) trait Backend {
    type Store: Store;

    /// How many random histories [`behaves_as_a_map`] tries; fewer where a request takes long.
    const CASES: u32 = 48;

    /// A new, empty place.
    fn new() -> Self;

    /// Opens the state in this place, made if it is not there yet. Several stores may be open at once.
    fn open(&self) -> Self::Store;

    /// Overwrites one text of what is stored, as whoever gets at it can.
    fn spoil(&self, what: Spoiled, text: &str);

    /// The clock by which all stores of this place judge leases.
    fn clock(&self) -> &Clock;
}

/// A text that has a meaning; all of them are of the same name each.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Spoiled {
    RecordAddress,
    Dependency,
    Protection,
    Progress,
    IntentAddress,
    IntentAction,
    IntentRecord,
    RunResult,
    RunCounts,
    RunPlanned,
    Removed,
    DurationAction,
}

/// Makes a `#[test]` of every part of the contract. `where` says whether the backend is there.
macro_rules! contract_tests {
    ($backend:ty) => {
        $crate::contract::contract_tests!($backend, where true);
    };
    ($backend:ty, where $is_there:expr) => {
        $crate::contract::contract_tests!($backend, where $is_there;
            keeps_what_it_is_given, reopens_as_the_same_state, counts_commits, put_keeps_the_created_serial,
            a_commit_is_all_or_nothing, a_move_renames_in_dependencies, the_journal_opens_and_closes, keeps_history,
            counts_what_was_done, remembers_addresses_that_had_a_record, means_of_durations, refuses_a_second_writer, a_lock_ends_with_its_value, clears_a_dead_local_holder,
            waits_for_the_lease_of_a_remote_holder, fences_a_holder_that_was_taken_over, unlock_is_the_last_resort,
            readers_see_one_instant, ended_runs_are_a_chain, a_copy_takes_the_place_of_everything,
            a_state_that_has_moved_takes_no_writer, refuses_what_it_could_not_read_back, what_cannot_be_read_is_damage, behaves_as_a_map);
    };
    ($backend:ty, where $is_there:expr; $($name:ident),+) => {
        $(#[test]
        fn $name() {
            if $is_there {
                $crate::contract::$name::<$backend>();
            }
        })+
    };
}
pub(crate) use contract_tests;

pub(crate) fn at(name: &str) -> Address {
    Address::new("/ws/ops/prv/aks1", "disk", name)
}

pub(crate) fn record(name: &str) -> Record {
    Record {
        address: at(name),
        kind: "azure/disk".to_owned(),
        provider: "/ws/ops/prv/aks1".into(),
        physical_id: format!("/subscriptions/s/{name}"),
        applied: json!({"sizeGB": 32, "iops": 3000.1, "tags": {"a": "ü\u{0}\n"}, "none": null}).into(),
        outputs: json!(["x", true]).into(),
        dependencies: Vec::new(),
        protection: Protection { prevent_destroy: true, ..Protection::default() },
        desired_digest: "hmac-sha256:00".to_owned(),
        progress: Progress { uid: Some("u".to_owned()), ..Progress::default() },
        source: Some("kompoxapp.yml:3:5".to_owned()),
        created_serial: 0,
        updated_serial: 0,
    }
}

pub(crate) fn intent(id: &str, name: &str) -> Intent {
    Intent {
        id: id.to_owned(),
        run: "r1".to_owned(),
        address: at(name),
        kind: "azure/disk".to_owned(),
        provider: "/ws/ops/prv/aks1".into(),
        action: Verb::Create,
        physical_id: None,
        request_digest: "hmac-sha256:11".to_owned(),
        desired: json!({"sizeGB": 32}),
        record: Some(record(name)),
        operation_url: None,
        opened_at: "2026-01-02T03:04:05Z".to_owned(),
    }
}

/// A commit of which all or nothing must be there: two records, and the end of one intent with the beginning of the next.
pub(crate) fn all_or_nothing(n: u64) -> [Change; 4] {
    [
        put(record(&format!("{n}.a"))),
        Change::CloseIntent(format!("i{}", n - 1)),
        put(record(&format!("{n}.b"))),
        Change::OpenIntent(Box::new(intent(&format!("i{n}"), "x"))),
    ]
}

pub(crate) fn run(id: &str) -> Run {
    Run {
        id: id.to_owned(),
        actor: "alice".to_owned(),
        host: "here".to_owned(),
        command: "kompox apply".to_owned(),
        plan_digest: Some("sha256:22".to_owned()),
        started_at: "2026-01-02T03:04:05Z".to_owned(),
        finished_at: None,
        result: None,
        planned: Some(counts(&[(Verb::Create, 3)])),
        counts: Counts::default(),
        duration_ms: None,
        revision: Some("0123abcd".to_owned()),
        link: None,
    }
}

fn counts(counts: &[(Verb, u64)]) -> Counts {
    counts.iter().copied().collect()
}

pub(crate) fn request(host: &str) -> LockRequest {
    LockRequest {
        who: "alice".to_owned(),
        host: host.to_owned(),
        pid: 4711,
        command: "kompox apply".to_owned(),
        now: "2026-01-02T03:04:05Z".to_owned(),
        plan_digest: Some("sha256:22".to_owned()),
    }
}

pub(crate) fn put(record: Record) -> Change {
    Change::PutRecord(Box::new(record))
}

fn addresses(store: &impl Store) -> Vec<String> {
    store.records().unwrap().into_iter().map(|record| record.address.name().to_owned()).collect()
}

pub(crate) fn keeps_what_it_is_given<B: Backend>() {
    let place = B::new();
    // The engine does not know which backend it has.
    let store: &dyn Store = &place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    let mut given = record("a");
    given.dependencies = vec![at("c"), at("b"), at("c")];
    let bare = Record { source: None, applied: Value::Null.into(), ..record("b") };
    store.commit(&lock, &[put(bare.clone()), put(given.clone())]).unwrap();

    let expected = |record: Record| Record { created_serial: 1, updated_serial: 1, ..record };
    assert_eq!(store.records().unwrap(), [expected(given.clone()), expected(bare)]);
    assert_eq!(store.record(&at("a")).unwrap(), Some(expected(given)));
    assert_eq!(store.record(&at("A")).unwrap(), None);
}

pub(crate) fn reopens_as_the_same_state<B: Backend>() {
    let (place, other) = (B::new(), B::new());
    let first = place.open();
    let lock = first.try_lock(&request("here")).unwrap();
    first.commit(&lock, &[put(record("a"))]).unwrap();
    let (lineage, digest) = (first.lineage().to_owned(), first.digester().digest(b"secret"));
    drop(lock);
    drop(first);

    let again = place.open();
    assert_eq!(again.lineage(), lineage);
    assert_eq!(again.digester().digest(b"secret"), digest);
    assert_eq!(again.serial().unwrap(), 1);
    assert_eq!(addresses(&again), ["a"]);

    let other = other.open();
    assert_ne!(other.lineage(), lineage);
    assert_ne!(other.digester().digest(b"secret"), digest);
}

pub(crate) fn counts_commits<B: Backend>() {
    let place = B::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    assert_eq!(store.serial().unwrap(), 0);
    assert_eq!(store.commit(&lock, &[]).unwrap(), 0);
    assert_eq!(store.commit(&lock, &[put(record("a")), put(record("b"))]).unwrap(), 1);
    assert_eq!(store.commit(&lock, &[Change::DeleteRecord(at("nobody"))]).unwrap(), 2);
    store.renew(&lock).unwrap();
    assert_eq!(store.serial().unwrap(), 2);
}

pub(crate) fn put_keeps_the_created_serial<B: Backend>() {
    let place = B::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    let mut changed = record("a");
    changed.dependencies = vec![at("x"), at("y")];
    store.commit(&lock, &[put(changed.clone()), put(record("b"))]).unwrap();
    changed.dependencies = vec![at("y")];
    changed.outputs = json!("new").into();
    (changed.created_serial, changed.updated_serial) = (70, 80);
    store.commit(&lock, &[put(changed.clone())]).unwrap();

    (changed.created_serial, changed.updated_serial) = (1, 2);
    assert_eq!(store.record(&at("a")).unwrap(), Some(changed));
    assert_eq!(store.record(&at("b")).unwrap().map(|b| b.updated_serial), Some(1));

    store.commit(&lock, &[Change::DeleteRecord(at("a")), put(record("a"))]).unwrap();
    assert_eq!(store.record(&at("a")).unwrap(), Some(Record { created_serial: 3, updated_serial: 3, ..record("a") }));
}

pub(crate) fn a_commit_is_all_or_nothing<B: Backend>() {
    let place = B::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    store
        .commit(
            &lock,
            &[put(record("a")), Change::OpenIntent(Box::new(intent("i1", "a"))), Change::StartRun(Box::new(run("r1")))],
        )
        .unwrap();
    let before = store.snapshot().unwrap();

    let set = |id: &str| Change::SetOperation { id: id.to_owned(), operation_url: "u".to_owned() };
    let finish = Change::FinishRun {
        id: "r9".to_owned(),
        finished_at: String::new(),
        result: RunResult::Ok,
        counts: Counts::default(),
        duration_ms: 1,
    };
    let mv = |from: &str, to: &str| Change::MoveRecord { from: at(from), to: at(to) };
    for unfit in [
        mv("nobody", "c"),
        mv("a", "b"),
        mv("a", "a"),
        set("i9"),
        finish,
        Change::OpenIntent(Box::new(intent("i1", "b"))),
        Change::StartRun(Box::new(run("r1"))),
    ] {
        let changes = [
            put(record("b")),
            Change::CloseIntent("i1".to_owned()),
            Change::OpenIntent(Box::new(intent("i1", "b"))),
            unfit,
        ];
        let refused = store.commit(&lock, &changes).unwrap_err();
        assert!(matches!(refused, StateError::Refused { .. }), "{refused}");
        assert_eq!(store.snapshot().unwrap(), before);
    }
    assert_eq!(store.commit(&lock, &[put(record("b"))]).unwrap(), 2);
}

pub(crate) fn a_move_renames_in_dependencies<B: Backend>() {
    let place = B::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    let needs = |name: &str, dependencies: &[&str]| Record {
        dependencies: dependencies.iter().map(|d| at(d)).collect(),
        ..record(name)
    };
    store.commit(&lock, &[put(needs("a", &["z"])), put(needs("b", &["q", "a"])), put(needs("c", &["b"]))]).unwrap();
    store.commit(&lock, &[Change::MoveRecord { from: at("a"), to: at("n") }]).unwrap();

    let at = |record: Record, updated_serial| Record { created_serial: 1, updated_serial, ..record };
    let moved = Record { physical_id: record("a").physical_id, ..needs("n", &["z"]) };
    let expected = [at(needs("b", &["q", "n"]), 2), at(needs("c", &["b"]), 1), at(moved, 2)];
    assert_eq!(store.records().unwrap(), expected);
}

pub(crate) fn the_journal_opens_and_closes<B: Backend>() {
    let place = B::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    let bare = Intent { record: None, physical_id: Some("p".to_owned()), ..intent("i0", "b") };
    store
        .commit(&lock, &[Change::OpenIntent(Box::new(intent("i1", "a"))), Change::OpenIntent(Box::new(bare.clone()))])
        .unwrap();
    assert_eq!(place.open().open_intents().unwrap(), [intent("i1", "a"), bare.clone()]);

    store
        .commit(&lock, &[Change::SetOperation { id: "i1".to_owned(), operation_url: "operations/7".to_owned() }])
        .unwrap();
    let running = Intent { operation_url: Some("operations/7".to_owned()), ..intent("i1", "a") };
    assert_eq!(store.open_intents().unwrap(), [running, bare.clone()]);

    store.commit(&lock, &[put(record("a")), Change::CloseIntent("i1".to_owned())]).unwrap();
    store.commit(&lock, &[Change::CloseIntent("i1".to_owned())]).unwrap();
    assert_eq!(store.open_intents().unwrap(), [bare]);
    assert_eq!(addresses(&store), ["a"]);
}

pub(crate) fn keeps_history<B: Backend>() {
    let place = B::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    for id in ["r2", "r1", "r3"] {
        store.commit(&lock, &[Change::StartRun(Box::new(run(id)))]).unwrap();
    }
    let finish = Change::FinishRun {
        id: "r1".to_owned(),
        finished_at: "2026-01-02T03:05:05Z".to_owned(),
        result: RunResult::Failed,
        counts: counts(&[(Verb::Create, 3)]),
        duration_ms: u64::from(u32::MAX) * 2,
    };
    store.commit(&lock, &[finish]).unwrap();
    let done = Run {
        finished_at: Some("2026-01-02T03:05:05Z".to_owned()),
        result: Some(RunResult::Failed),
        counts: counts(&[(Verb::Create, 3)]),
        duration_ms: Some(u64::from(u32::MAX) * 2),
        ..run("r1")
    };
    let runs = |limit: usize| -> Vec<Run> {
        store.runs(limit).unwrap().into_iter().map(|run| Run { link: None, ..run }).collect()
    };
    assert_eq!(runs(2), [run("r3"), done.clone()]);
    assert_eq!(runs(usize::MAX), [run("r3"), done, run("r2")]);
    assert_eq!(runs(0), []);
}

pub(crate) fn counts_what_was_done<B: Backend>() {
    let place = B::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    store.commit(&lock, &[Change::StartRun(Box::new(run("r1"))), Change::StartRun(Box::new(run("r2")))]).unwrap();
    let did = |run: &str, verb, elapsed_ms| Change::Did { run: run.to_owned(), verb, elapsed_ms };
    store.commit(&lock, &[did("r1", Verb::Create, 20), did("r1", Verb::Delete, 30)]).unwrap();
    store.commit(&lock, &[did("r1", Verb::Create, 10), did("nobody", Verb::Create, 10)]).unwrap();
    let seen = Run { counts: counts(&[(Verb::Create, 2), (Verb::Delete, 1)]), duration_ms: Some(30), ..run("r1") };
    assert_eq!(place.open().runs(9).unwrap(), [run("r2"), seen]);
}

pub(crate) fn remembers_addresses_that_had_a_record<B: Backend>() {
    let place = B::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    assert_eq!(store.removed().unwrap(), []);
    store.commit(&lock, &[put(record("a")), put(record("b")), put(record("c"))]).unwrap();
    let gone = |name: &str| Change::DeleteRecord(at(name));
    store.commit(&lock, &[gone("b"), gone("nobody"), gone("a"), gone("b")]).unwrap();
    store.commit(&lock, &[Change::MoveRecord { from: at("c"), to: at("d") }]).unwrap();
    assert_eq!(place.open().removed().unwrap(), [at("a"), at("b"), at("c")]);
    // Who is there again is not gone.
    store.commit(&lock, &[put(record("a"))]).unwrap();
    assert_eq!(store.removed().unwrap(), [at("b"), at("c")]);
}

pub(crate) fn means_of_durations<B: Backend>() {
    let place = B::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    let took = |kind: &str, action, millis| ActionDuration { kind: kind.to_owned(), action, millis };
    let write = |durations: &[ActionDuration]| {
        let changes: Vec<Change> = durations.iter().cloned().map(Change::Duration).collect();
        store.commit(&lock, &changes).unwrap()
    };
    assert_eq!(store.durations().unwrap(), []);
    write(&[took("disk", Verb::Create, 100), took("cluster", Verb::Create, 240_000), took("disk", Verb::Create, 200)]);
    write(&[took("disk", Verb::Create, 600), took("disk", Verb::Delete, 0)]);
    assert_eq!(
        store.durations().unwrap(),
        [took("cluster", Verb::Create, 240_000), took("disk", Verb::Create, 300), took("disk", Verb::Delete, 0)]
    );
}

pub(crate) fn refuses_a_second_writer<B: Backend>() {
    let place = B::new();
    let (store, other) = (place.open(), place.open());
    assert_eq!(store.holder().unwrap(), None);
    let lock = store.try_lock(&request("here")).unwrap();
    assert_eq!(other.holder().unwrap().as_ref(), Some(lock.holder()));
    assert_eq!(lock.holder().plan_digest.as_deref(), Some("sha256:22"));

    for store in [&store, &other] {
        for host in ["here", "there"] {
            match store.try_lock(&request(host)).unwrap_err() {
                StateError::Locked { holder: Some(holder), .. } => assert_eq!(&*holder, lock.holder()),
                e => panic!("{e}"),
            }
        }
    }
    let text = other.try_lock(&request("here")).unwrap_err().to_string();
    for part in
        ["alice on here", "pid 4711", "`kompox apply`", "2026-01-02T03:04:05Z", "--lock-timeout", &lock.holder().id]
    {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    // The lock is the holder's, whichever store it goes through; readers do not ask for it.
    other.commit(&lock, &[put(record("a"))]).unwrap();
    assert_eq!(addresses(&store), ["a"]);
}

pub(crate) fn a_lock_ends_with_its_value<B: Backend>() {
    let place = B::new();
    let (store, other) = (place.open(), place.open());
    let first = store.try_lock(&request("here")).unwrap();
    let (id, epoch) = (first.holder().id.clone(), first.holder().epoch);
    drop(first);
    assert_eq!(store.holder().unwrap(), None);
    let second = other.try_lock(&request("there")).unwrap();
    assert!(second.cleared_dead_holder().is_none() && second.expired_holder().is_none());
    assert_eq!(second.holder().epoch, epoch + 1);
    assert_ne!(second.holder().id, id);
    second.release().unwrap();
    assert_eq!(store.holder().unwrap(), None);
    assert_eq!(store.try_lock(&request("here")).unwrap().holder().epoch, epoch + 2);
}

pub(crate) fn clears_a_dead_local_holder<B: Backend>() {
    let place = B::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    let dead = lock.holder().clone();
    store.commit(&lock, &[Change::OpenIntent(Box::new(intent("i1", "a")))]).unwrap();
    lock.die();

    let lock = place.open().try_lock(&request("here")).unwrap();
    assert_eq!(lock.cleared_dead_holder(), Some(&dead));
    assert_eq!(lock.expired_holder(), None);
    assert_eq!(store.open_intents().unwrap().len(), 1);
    assert_eq!(store.holder().unwrap().as_ref(), Some(lock.holder()));
}

pub(crate) fn waits_for_the_lease_of_a_remote_holder<B: Backend>() {
    let place = B::new();
    let past = LEASE + Duration::from_secs(1);
    let (holding, store) = (place.open(), place.open());
    let lock = holding.try_lock(&request("there")).unwrap();
    let remote = lock.holder().clone();
    let still_held = |store: &B::Store| match store.try_lock(&request("here")).unwrap_err() {
        StateError::Locked { holder: Some(holder), .. } => assert_eq!(*holder, remote),
        e => panic!("{e}"),
    };
    // How old a sign of life is, nobody can tell who has not seen it before.
    place.clock().forward(past);
    still_held(&store);
    place.clock().forward(LEASE / 2);
    holding.renew(&lock).unwrap();
    still_held(&store);
    lock.die();
    place.clock().forward(LEASE / 2);
    still_held(&store);
    place.clock().forward(LEASE / 2 + Duration::from_secs(1));
    still_held(&place.open());
    let lock = store.try_lock(&request("here")).unwrap();
    assert_eq!(lock.expired_holder(), Some(&remote));
    assert_eq!(lock.cleared_dead_holder(), None);
    assert_eq!(lock.holder().epoch, remote.epoch + 1);
}

pub(crate) fn fences_a_holder_that_was_taken_over<B: Backend>() {
    let place = B::new();
    let (remote, local) = (place.open(), place.open());
    let old = remote.try_lock(&request("there")).unwrap();
    remote.commit(&old, &[put(record("a"))]).unwrap();
    place.clock().forward(LEASE * 2);
    // A lease that ran out is still the holder's as long as nobody else wanted it.
    remote.renew(&old).unwrap();
    remote.commit(&old, &[put(record("b"))]).unwrap();

    let gone = old.holder().clone();
    old.die();
    local.unlock(&gone.id).unwrap();
    // What the old holder still has in its hands after it was displaced.
    let stale = |lock: &crate::Lock| {
        for refused in
            [remote.commit(lock, &[put(record("c"))]).map(drop), remote.commit(lock, &[]).map(drop), remote.renew(lock)]
        {
            assert!(matches!(refused, Err(StateError::Fenced { .. })), "{refused:?}");
        }
    };
    let lock = stale_lock(gone);
    stale(&lock);
    let new = local.try_lock(&request("here")).unwrap();
    stale(&lock);
    local.commit(&new, &[put(record("d"))]).unwrap();
    drop(lock);
    assert_eq!(local.holder().unwrap().as_ref(), Some(new.holder()));
    assert_eq!(addresses(&local), ["a", "b", "d"]);
}

/// The lock of a holder that does not know yet that it was displaced.
pub(crate) fn stale_lock(holder: crate::Holder) -> crate::Lock {
    struct Nothing;
    impl crate::lock::Guard for Nothing {
        fn clear(&self) -> Result<(), StateError> {
            Ok(())
        }
    }
    crate::Lock::new(holder, None, Box::new(Nothing))
}

pub(crate) fn unlock_is_the_last_resort<B: Backend>() {
    let place = B::new();
    let (store, other) = (place.open(), place.open());
    assert!(matches!(other.unlock("x"), Err(StateError::NotLocked { .. })));

    let lock = store.try_lock(&request("there")).unwrap();
    let holder = lock.holder().clone();
    let wrong = other.unlock("x").unwrap_err();
    assert!(matches!(wrong, StateError::OtherLock { .. }) && wrong.to_string().contains(&holder.id), "{wrong}");
    let alive = other.unlock(&holder.id).unwrap_err();
    assert!(matches!(alive, StateError::HolderAlive { .. }) && alive.to_string().contains("4711"), "{alive}");
    store.commit(&lock, &[put(record("a"))]).unwrap();

    lock.die();
    assert!(matches!(other.unlock("x"), Err(StateError::OtherLock { .. })));
    assert_eq!(other.unlock(&holder.id).unwrap(), holder);
    let next = other.try_lock(&request("here")).unwrap();
    assert!(next.holder().epoch > holder.epoch);
    assert!(next.expired_holder().is_none() && next.cleared_dead_holder().is_none());
}

fn finish(id: &str) -> Change {
    Change::FinishRun {
        id: id.to_owned(),
        finished_at: "2026-01-02T03:05:05Z".to_owned(),
        result: RunResult::Ok,
        counts: counts(&[(Verb::Create, 3)]),
        duration_ms: 60_000,
    }
}

pub(crate) fn ended_runs_are_a_chain<B: Backend>() {
    let place = B::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    let ended = Run { finished_at: Some("2026-01-02T03:04:06Z".to_owned()), result: Some(RunResult::Ok), ..run("r2") };
    store.commit(&lock, &[Change::StartRun(Box::new(run("r1")))]).unwrap();
    store.commit(&lock, &[Change::StartRun(Box::new(ended))]).unwrap();
    store.commit(&lock, &[finish("r1")]).unwrap();
    // How it ended is said once, and nothing is counted after that.
    assert!(matches!(store.commit(&lock, &[finish("r1")]), Err(StateError::Refused { .. })));
    let did = Change::Did { run: "r1".to_owned(), verb: Verb::Delete, elapsed_ms: 1 };
    store.commit(&lock, &[Change::StartRun(Box::new(run("r3"))), did]).unwrap();
    let runs = store.runs(9).unwrap();
    let link = |id: &str| runs.iter().find(|run| run.id == id).unwrap().link.clone();
    assert_eq!(link("r2").unwrap().previous, "");
    assert_eq!(link("r1").unwrap().previous, link("r2").unwrap().digest);
    assert_eq!(link("r3"), None);
    let verified = place.open().verify().unwrap();
    assert_eq!(verified.contents().check_chain(), Ok(2));
    assert_eq!(verified.contents().runs().len(), 3);
}

pub(crate) fn a_copy_takes_the_place_of_everything<B: Backend>() {
    let (from, to) = (B::new(), B::new());
    let store = from.open();
    let lock = store.try_lock(&request("here")).unwrap();
    let all = [
        put(record("a")),
        put(record("b")),
        Change::OpenIntent(Box::new(intent("i", "b"))),
        Change::StartRun(Box::new(run("r1"))),
    ];
    store.commit(&lock, &all).unwrap();
    store.commit(&lock, &[put(record("a")), Change::DeleteRecord(at("b")), finish("r1")]).unwrap();
    let measured = ActionDuration { kind: "azure/disk".to_owned(), action: Verb::Create, millis: 1500 };
    store.commit(&lock, &[Change::Duration(measured.clone()), Change::Duration(measured)]).unwrap();
    let copy = store.copy().unwrap();
    let text = copy.write().unwrap();
    let read = crate::Copy::read(&text).unwrap();
    assert!(read == copy && read.lineage() == store.lineage() && read.contents().serial() == 3);

    let other = to.open();
    let their = other.try_lock(&request("there")).unwrap();
    other.commit(&their, &[put(record("z")), Change::StartRun(Box::new(run("r9")))]).unwrap();
    let replaced = [Change::Replace(Box::new(copy.contents().clone())), Change::StartRun(Box::new(run("r2")))];
    assert_eq!(other.commit(&their, &replaced).unwrap(), 4, "higher than both");
    let twice = [Change::Replace(Box::new(copy.contents().clone())), Change::StartRun(Box::new(run("r1")))];
    assert!(matches!(other.commit(&their, &twice), Err(StateError::Refused { .. })));
    drop(other);
    let seen = to.open();
    assert_eq!(seen.records().unwrap(), store.records().unwrap());
    assert_eq!(seen.open_intents().unwrap(), store.open_intents().unwrap());
    assert_eq!(seen.removed().unwrap(), store.removed().unwrap());
    assert_eq!(seen.durations().unwrap(), store.durations().unwrap());
    let ids: Vec<String> = seen.runs(9).unwrap().into_iter().map(|run| run.id).collect();
    assert_eq!(ids, ["r2", "r1"]);
    let contents = seen.verify().unwrap().into_contents();
    assert!(contents.follow(copy.contents()) && !copy.contents().follow(&contents));
}

pub(crate) fn a_state_that_has_moved_takes_no_writer<B: Backend>() {
    let place = B::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    store.commit(&lock, &[put(record("a"))]).unwrap();
    store.retire(&lock, "elsewhere").unwrap();
    assert!(matches!(store.commit(&lock, &[put(record("b"))]), Err(StateError::Moved { .. })));
    lock.release().unwrap();
    let later = place.open();
    assert!(matches!(later.try_lock(&request("there")), Err(StateError::Moved { to, .. }) if to == "elsewhere"));
    let snapshot = later.snapshot().unwrap();
    assert_eq!((snapshot.records.len(), snapshot.moved_to.as_deref()), (1, Some("elsewhere")), "it can be read");
}

pub(crate) fn readers_see_one_instant<B: Backend>() {
    const COMMITS: u64 = 60;
    let place = B::new();
    let (store, reader) = (place.open(), place.open());
    let lock = store.try_lock(&request("here")).unwrap();
    let open = |n: u64| Change::OpenIntent(Box::new(intent(&format!("i{n}"), "n")));
    store.commit(&lock, &[open(0)]).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 1..=COMMITS {
                let changes = [put(record(&n.to_string())), Change::CloseIntent(format!("i{}", n - 1)), open(n)];
                store.commit(&lock, &changes).unwrap();
            }
        });
        loop {
            let done = writer.is_finished();
            let seen = reader.snapshot().unwrap();
            assert_eq!(seen.records.len() as u64 + 1, seen.serial);
            assert_eq!(seen.open_intents, [intent(&format!("i{}", seen.serial - 1), "n")]);
            if done {
                break;
            }
        }
    });
    assert_eq!(reader.serial().unwrap(), COMMITS + 1);
}

pub(crate) fn refuses_what_it_could_not_read_back<B: Backend>() {
    let place = B::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let with = |depth| Record { applied: nested(depth).into(), ..record("a") };
    let intent_with = |depth| Change::OpenIntent(Box::new(Intent { record: Some(with(depth)), ..intent("i1", "a") }));
    store.commit(&lock, &[put(with(100)), intent_with(100)]).unwrap();
    assert_eq!(store.snapshot().unwrap().records[0].applied.value(), nested(100));
    for change in [put(with(101)), intent_with(101)] {
        let refused = store.commit(&lock, &[Change::CloseIntent("i1".to_owned()), change]).unwrap_err();
        assert!(matches!(&refused, StateError::Refused { what } if what.contains(at("a").as_str())), "{refused}");
    }
    let misnamed = || Address::new("/ws/ops", "disk", "");
    for change in [
        put(Record { address: misnamed(), ..record("a") }),
        put(Record { dependencies: vec![misnamed()], ..record("a") }),
        Change::OpenIntent(Box::new(Intent { address: misnamed(), ..intent("i2", "a") })),
        Change::OpenIntent(Box::new(Intent {
            record: Some(Record { dependencies: vec![misnamed()], ..record("a") }),
            ..intent("i2", "a")
        })),
        Change::MoveRecord { from: at("a"), to: misnamed() },
    ] {
        let refused = store.commit(&lock, &[Change::CloseIntent("i1".to_owned()), change]).unwrap_err();
        assert!(matches!(&refused, StateError::Refused { what } if what.contains("/ws/ops/disk/")), "{refused}");
    }
    assert_eq!(store.serial().unwrap(), 1);
}

pub(crate) fn what_cannot_be_read_is_damage<B: Backend>() {
    use Spoiled::{
        Dependency, DurationAction, IntentAction, IntentAddress, IntentRecord, Progress, Protection, RecordAddress,
        Removed, RunCounts, RunPlanned, RunResult,
    };
    let all = [
        (RecordAddress, "disk/a", "address"),
        (RecordAddress, "", "address"),
        (Dependency, "/disk/b", "dependenc"),
        (Protection, "{}", "protection"),
        (Protection, "null", "protection"),
        (Progress, r#"{"later":1}"#, "baseline"),
        (IntentAddress, "a", "address"),
        (IntentAction, "explode", "action"),
        (IntentAction, "Create", "action"),
        (IntentRecord, "{}", "record"),
        (RunResult, "done", "result"),
        (RunCounts, r#"{"explode":1}"#, "counts"),
        (RunCounts, "null", "counts"),
        (RunPlanned, r#"{"create":-1}"#, "planned"),
        (Removed, "b", "address"),
        (DurationAction, "", "action"),
    ];
    for (what, text, key) in all {
        let place = B::new();
        let store = place.open();
        let lock = store.try_lock(&request("here")).unwrap();
        let took = ActionDuration { kind: "disk".to_owned(), action: Verb::Create, millis: 1 };
        let finish = Change::FinishRun {
            id: "r1".to_owned(),
            finished_at: String::new(),
            result: crate::RunResult::Ok,
            counts: Counts::default(),
            duration_ms: 1,
        };
        let changes = [
            put(Record { dependencies: vec![at("b")], ..record("a") }),
            put(record("gone")),
            Change::DeleteRecord(at("gone")),
            Change::OpenIntent(Box::new(intent("i1", "a"))),
            Change::StartRun(Box::new(run("r1"))),
            finish,
            Change::Duration(took),
        ];
        store.commit(&lock, &changes).unwrap();
        place.spoil(what, text);
        // As the next process sees it.
        let store = place.open();
        let errors = match what {
            RecordAddress | Dependency | Protection | Progress => {
                vec![store.snapshot().map(drop), store.records().map(drop)]
            }
            IntentAddress | IntentAction | IntentRecord => {
                vec![store.snapshot().map(drop), store.open_intents().map(drop)]
            }
            RunResult | RunCounts | RunPlanned => vec![store.runs(1).map(drop)],
            Removed => vec![store.removed().map(drop)],
            DurationAction => vec![store.durations().map(drop)],
        };
        for error in errors {
            let Err(StateError::Corrupt { what: told, .. }) = &error else { panic!("{what:?} {text}: {error:?}") };
            assert!(told.contains(key), "{what:?} {text}: {told}");
        }
    }
}

/// What a random step does, over few enough names that steps meet.
#[derive(Debug, Clone)]
enum Step {
    Put(u8, Value, Vec<u8>),
    Delete(u8),
    Move(u8, u8),
    Open(u8),
    Close(u8),
}

impl Step {
    fn change(&self) -> Change {
        match self {
            Step::Put(n, applied, needs) => put(Record {
                applied: applied.clone().into(),
                dependencies: needs.iter().map(|n| at(&name(n))).collect(),
                ..record(&name(n))
            }),
            Step::Delete(n) => Change::DeleteRecord(at(&name(n))),
            Step::Move(from, to) => Change::MoveRecord { from: at(&name(from)), to: at(&name(to)) },
            Step::Open(n) => Change::OpenIntent(Box::new(intent(&name(n), "x"))),
            Step::Close(n) => Change::CloseIntent(name(n)),
        }
    }
}

fn name(n: &u8) -> String {
    format!("n{n}")
}

/// The state as plain collections.
#[derive(Debug, Clone, Default)]
struct Model {
    serial: u64,
    records: BTreeMap<Address, Record>,
    intents: Vec<String>,
}

impl Model {
    /// The model after a commit, or `None` when it has to be refused.
    fn after(&self, steps: &[Step]) -> Option<Model> {
        let mut next = self.clone();
        if steps.is_empty() {
            return Some(next);
        }
        next.serial += 1;
        for step in steps {
            next.step(step)?;
        }
        Some(next)
    }

    fn step(&mut self, step: &Step) -> Option<()> {
        let serial = self.serial;
        match (step, step.change()) {
            (_, Change::PutRecord(mut record)) => {
                record.updated_serial = serial;
                record.created_serial = self.records.get(&record.address).map_or(serial, |old| old.created_serial);
                self.records.insert(record.address.clone(), *record);
            }
            (_, Change::DeleteRecord(address)) => drop(self.records.remove(&address)),
            (_, Change::MoveRecord { from, to }) => {
                if self.records.contains_key(&to) {
                    return None;
                }
                let moved = self.records.remove(&from)?;
                self.records.insert(to.clone(), Record { address: to.clone(), updated_serial: serial, ..moved });
                for record in self.records.values_mut() {
                    for dependency in record.dependencies.iter_mut().filter(|dependency| **dependency == from) {
                        dependency.clone_from(&to);
                        record.updated_serial = serial;
                    }
                }
            }
            (Step::Open(n), _) if self.intents.contains(&name(n)) => return None,
            (Step::Open(n), _) => self.intents.push(name(n)),
            (Step::Close(n), _) => self.intents.retain(|id| *id != name(n)),
            (step, _) => unreachable!("{step:?}"),
        }
        Some(())
    }
}

pub(crate) fn behaves_as_a_map<B: Backend>() {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    });
    let n = || 0u8..6;
    let step = prop_oneof![
        4 => (n(), value, prop::collection::vec(n(), 0..3)).prop_map(|(n, value, needs)| Step::Put(n, value, needs)),
        1 => n().prop_map(Step::Delete),
        2 => (n(), n()).prop_map(|(from, to)| Step::Move(from, to)),
        1 => n().prop_map(Step::Open),
        1 => n().prop_map(Step::Close),
    ];
    let commits = prop::collection::vec(prop::collection::vec(step, 0..5), 1..12);

    let config = ProptestConfig { cases: B::CASES, failure_persistence: None, ..ProptestConfig::default() };
    let result = TestRunner::new(config).run(&commits, |commits| {
        let place = B::new();
        let store = place.open();
        let lock = store.try_lock(&request("here")).unwrap();
        let mut model = Model::default();
        for steps in &commits {
            let changes: Vec<Change> = steps.iter().map(Step::change).collect();
            match (model.after(steps), store.commit(&lock, &changes)) {
                (Some(next), Ok(serial)) => {
                    prop_assert_eq!(serial, next.serial);
                    model = next;
                }
                (None, Err(StateError::Refused { .. })) => {}
                (expected, got) => prop_assert!(false, "expected {:?}, got {:?}", expected, got),
            }
            let seen = store.snapshot().unwrap();
            prop_assert_eq!(seen.serial, model.serial);
            prop_assert_eq!(&seen.records, &model.records.values().cloned().collect::<Vec<_>>());
            let open: Vec<String> = seen.open_intents.into_iter().map(|intent| intent.id).collect();
            prop_assert_eq!(&open, &model.intents);
        }
        Ok(())
    });
    if let Err(e) = result {
        panic!("{e}");
    }
}
