use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::contract::{Backend, Spoiled, at, contract_tests, intent, put, record, request};
use crate::lease::Clock;

/// A state in a folder.
struct Folder(TempDir, Clock);

impl Folder {
    fn objects(&self) -> PathBuf {
        self.0.path().join("objects")
    }

    fn presence(&self) -> PathBuf {
        self.0.path().join("project/state/object.lock")
    }

    /// What lies below `log/`, sorted.
    fn log(&self) -> Vec<Name> {
        let mut names: Vec<Name> = fs::read_dir(self.objects().join("log"))
            .unwrap()
            .map(|entry| Name::parse(&entry.unwrap().file_name().into_string().unwrap()).unwrap())
            .collect();
        names.sort_by_key(|name| name.text());
        names
    }

    fn path_of(&self, name: Name) -> PathBuf {
        self.objects().join("log").join(name.text())
    }
}

impl Backend for Folder {
    type Store = ObjectStore;

    fn new() -> Self {
        Self(tempfile::tempdir().unwrap(), Clock::default())
    }

    fn open(&self) -> ObjectStore {
        let objects = Objects::Folder(self.objects());
        let store = ObjectStore::open(&objects, &Variables::default(), &self.presence()).unwrap();
        store.judging_by(self.1.clone())
    }

    fn spoil(&self, what: Spoiled, text: &str) {
        let last = self.path_of(*self.log().last().unwrap());
        let spoiled = spoil(&fs::read(&last).unwrap(), what, text);
        fs::write(last, spoiled).unwrap();
    }

    fn clock(&self) -> &Clock {
        &self.1
    }
}

/// Overwrites a text in the entry of a commit, with a digest that fits.
pub(super) fn spoil(bytes: &[u8], what: Spoiled, text: &str) -> Vec<u8> {
    let body = bytes.splitn(2, |byte| *byte == b'\n').last().unwrap();
    let mut entry: serde_json::Value = serde_json::from_slice(body).unwrap();
    let changes = entry.pointer_mut("/event/committed/changes").unwrap().as_array_mut().unwrap();
    let (change, at) = match what {
        Spoiled::RecordAddress => ("put-record", "/address"),
        Spoiled::Dependency => ("put-record", "/dependencies/0"),
        Spoiled::Protection => ("put-record", "/protection"),
        Spoiled::Progress => ("put-record", "/baseline"),
        Spoiled::IntentAddress => ("open-intent", "/address"),
        Spoiled::IntentAction => ("open-intent", "/action"),
        Spoiled::IntentRecord => ("open-intent", "/record"),
        Spoiled::RunResult => ("finish-run", "/result"),
        Spoiled::RunCounts => ("finish-run", "/counts"),
        Spoiled::RunPlanned => ("start-run", "/planned"),
        Spoiled::Removed => ("delete-record", "/address"),
        Spoiled::DurationAction => ("duration", "/action"),
    };
    let change = changes.iter_mut().find_map(|one| one.get_mut(change)).unwrap();
    let is_text = matches!(change.pointer(at).unwrap(), serde_json::Value::String(_));
    let spoiled = if is_text { text.into() } else { serde_json::from_str(text).unwrap() };
    *change.pointer_mut(at).unwrap() = spoiled;
    log::write(&entry).unwrap().0
}

contract_tests!(Folder);

/// Commits until a release sums up.
fn fill(store: &ObjectStore, lock: &Lock, commits: u64) {
    for n in 0..commits {
        store.commit(lock, &[put(record(&format!("r{}", n % 7)))]).unwrap();
    }
}

#[test]
fn a_release_sums_up_and_the_state_is_the_same() {
    let place = Folder::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    fill(&store, &lock, WORTH_IT);
    store.commit(&lock, &[Change::OpenIntent(Box::new(intent("i1", "a")))]).unwrap();
    let before = store.snapshot().unwrap();
    lock.release().unwrap();
    let number = WORTH_IT + 2;
    assert_eq!(place.log(), [Name::Summary(number), Name::Entry(number + 1)]);
    assert_eq!(store.snapshot().unwrap(), before);
    let cold = place.open();
    assert_eq!(cold.snapshot().unwrap(), before);
    // Few entries more are not worth another summary.
    let lock = cold.try_lock(&request("here")).unwrap();
    fill(&cold, &lock, 3);
    lock.release().unwrap();
    assert_eq!(place.log().len(), 7);
    assert_eq!(store.snapshot().unwrap(), place.open().snapshot().unwrap());
}

#[test]
fn what_took_the_lock_over_is_kept_and_stops_the_stale_holder() {
    for commits in [0, 1, WORTH_IT * 2] {
        let place = Folder::new();
        let (stale, store) = (place.open(), place.open());
        let old = stale.try_lock(&request("there")).unwrap();
        fill(&stale, &old, 2);
        assert!(store.try_lock(&request("here")).is_err());
        // As a process that is stopped: it holds its lock, but not the file of this machine.
        let holder = old.holder().clone();
        old.die();
        place.clock().forward(crate::LEASE * 2);
        let new = store.try_lock(&request("here")).unwrap();
        assert_eq!(new.expired_holder(), Some(&holder));
        fill(&store, &new, commits);
        new.release().unwrap();

        let old = crate::contract::stale_lock(holder);
        let refused = stale.commit(&old, &[put(record("lost"))]);
        assert!(matches!(refused, Err(StateError::Fenced { .. })), "{commits}: {refused:?}");
        assert!(place.open().record(&at("lost")).unwrap().is_none());
        if commits > WORTH_IT {
            assert!(place.log().contains(&Name::Entry(4)), "the entry that took over stays");
            assert!(!place.log().contains(&Name::Entry(5)));
        }
    }
}

#[test]
fn a_taker_that_slept_through_a_summary_gets_no_lock_by_it() {
    let place = Folder::new();
    let (slow, store) = (place.open(), place.open());
    // What the slow one knows when it falls asleep: nothing.
    assert_eq!(slow.serial().unwrap(), 0);
    let lock = store.try_lock(&request("here")).unwrap();
    fill(&store, &lock, WORTH_IT * 2);
    lock.release().unwrap();
    assert!(!place.log().contains(&Name::Entry(1)));

    // It wakes up and takes number 1, which is free again; nobody counts that, itself included.
    let mut known = slow.inner.known.lock().unwrap();
    let holder = holder_of(&request("there"), slow.lineage(), 1);
    let event = Event::Locked { holder: Held { holder, witness: None }, displaced: None };
    assert!(matches!(slow.inner.append(&mut known, event).unwrap(), Appended::Done));
    assert!(!slow.inner.is_newest(known.number).unwrap());
    slow.inner.forget(&mut known);
    drop(known);
    assert_eq!(store.holder().unwrap(), None);
    assert_eq!(place.open().holder().unwrap(), None);
    assert_eq!(slow.serial().unwrap(), WORTH_IT * 2);
    let lock = slow.try_lock(&request("there")).unwrap();
    slow.commit(&lock, &[put(record("a"))]).unwrap();
    assert_eq!(store.record(&at("a")).unwrap(), place.open().record(&at("a")).unwrap());
}

#[test]
fn a_gap_in_the_log_is_damage() {
    let place = Folder::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    fill(&store, &lock, 4);
    drop(lock);
    for gone in [1, 3] {
        let moved = fs::read(place.path_of(Name::Entry(gone))).unwrap();
        fs::remove_file(place.path_of(Name::Entry(gone))).unwrap();
        let e = place.open().snapshot().unwrap_err();
        assert!(matches!(e, StateError::Corrupt { .. }) && e.to_string().contains("missing"), "{e}");
        fs::write(place.path_of(Name::Entry(gone)), moved).unwrap();
    }
    // One entry put in the place of another.
    fs::copy(place.path_of(Name::Entry(3)), place.path_of(Name::Entry(4))).unwrap();
    let e = place.open().snapshot().unwrap_err();
    assert!(matches!(e, StateError::Corrupt { .. }) && e.to_string().contains("does not go on"), "{e}");
}

#[test]
fn a_log_without_its_identity_is_not_taken_for_a_new_state() {
    let place = Folder::new();
    let store = place.open();
    drop(store.try_lock(&request("here")).unwrap());
    let objects = Objects::Folder(place.objects());
    fs::remove_file(place.objects().join("identity")).unwrap();
    let variables = Variables::default();
    for result in [
        ObjectStore::open(&objects, &variables, &place.presence()).map(drop),
        ObjectStore::open_existing(&objects, &variables, &place.presence()).map(drop),
        store.try_lock(&request("here")).map(drop),
    ] {
        assert!(matches!(result, Err(StateError::Lost { .. })), "{result:?}");
    }
}

#[test]
fn open_existing_makes_nothing_and_removed_is_gone() {
    let place = Folder::new();
    let objects = Objects::Folder(place.objects());
    let variables = Variables::default();
    assert!(ObjectStore::open_existing(&objects, &variables, &place.presence()).unwrap().is_none());
    let store = place.open();
    drop(store.try_lock(&request("here")).unwrap());
    assert!(ObjectStore::open_existing(&objects, &variables, &place.presence()).unwrap().is_some());
    ObjectStore::remove(&objects, &variables).unwrap();
    assert!(ObjectStore::open_existing(&objects, &variables, &place.presence()).unwrap().is_none());
}

#[test]
fn the_cost_of_a_commit_does_not_depend_on_the_state() {
    let place = Folder::new();
    let store = place.open();
    let lock = store.try_lock(&request("here")).unwrap();
    let size = |number| fs::metadata(place.path_of(Name::Entry(number))).unwrap().len();
    store.commit(&lock, &[put(record("first"))]).unwrap();
    let many: Vec<Change> = (0..2000).map(|n| put(record(&format!("many{n}")))).collect();
    store.commit(&lock, &many).unwrap();
    store.commit(&lock, &[put(record("third"))]).unwrap();
    assert_eq!(size(2), size(4));
    assert!(size(3) > 1000 * size(2));
}
