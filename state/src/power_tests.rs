//! The power is cut: of what a writer has given to the system only that is there which it had synced, and any part of the
//! rest. Whatever was acknowledged is there, and nothing is there half.
//!
//! The writer is this test in a process of its own, under `strace`; its calls are played back up to many instants, on a
//! model of a file system that keeps no more than it must: bytes after `fsync` of their file, names after `fsync` of their
//! folder.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Store;
use crate::contract::{all_or_nothing, at, put, record, request};
use crate::object::ObjectStore;
use crate::place::{Objects, Variables};
use crate::sqlite::SqliteStore;
use crate::stores::tell;

/// Set for the process that is traced: where it keeps its state.
const WRITER: &str = "KOMPOX_STATE_TEST_POWER";
const COMMITS: u64 = 9;

/// Opens the state below a folder.
type Open = fn(&Path) -> Box<dyn Store>;

fn file(folder: &Path) -> Box<dyn Store> {
    Box::new(SqliteStore::open(&folder.join("state/kompox.db")).unwrap())
}

fn objects(folder: &Path) -> Box<dyn Store> {
    let objects = Objects::Folder(folder.join("objects"));
    Box::new(ObjectStore::open(&objects, &Variables::default(), &folder.join("state/lock")).unwrap())
}

/// Commits, and says so each time.
fn write(store: &dyn Store) {
    let lock = store.try_lock(&request("here")).unwrap();
    // Straight to the handle: what a test prints by macro is kept back until it ends.
    let mut out = std::io::stdout().lock();
    for n in 1..=COMMITS {
        let serial = store.commit(&lock, &all_or_nothing(n)).unwrap();
        out.write_all(format!("acknowledged {serial}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    }
    lock.release().unwrap();
}

/// What the writer did, in order.
#[derive(Debug, Clone)]
enum Deed {
    /// Made a file of this name, if there is none.
    Create(PathBuf),
    MakeFolder(PathBuf),
    Write(PathBuf, u64, Vec<u8>),
    Truncate(PathBuf, u64),
    /// Of a file or a folder.
    Sync(PathBuf),
    Link(PathBuf, PathBuf),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
    Acknowledge(u64),
}

/// A text of `strace -xx`: each byte as `\x` and two digits.
fn bytes(text: &str) -> Vec<u8> {
    let digits = |pair: &str| u8::from_str_radix(pair, 16).unwrap();
    text.split("\\x").filter(|pair| !pair.is_empty()).map(digits).collect()
}

fn path(text: &str) -> PathBuf {
    let text = String::from_utf8(bytes(text)).unwrap();
    PathBuf::from(text.trim_end_matches(" (deleted)"))
}

/// The parts of a call between quotes, and between `<` and `>`.
fn between(text: &str, open: char, close: char) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some((_, after)) = rest.split_once(open) {
        let (inside, after) = after.split_once(close).unwrap();
        found.push(inside.to_owned());
        rest = after;
    }
    found
}

/// Reads what `strace -f -y -xx` wrote of the calls below `folder`.
fn deeds(trace: &str, folder: &Path) -> Vec<Deed> {
    let mut begun: BTreeMap<String, String> = BTreeMap::new();
    // Where the next bytes go, by handle: all threads have the same.
    let mut places: BTreeMap<String, u64> = BTreeMap::new();
    let mut deeds = Vec::new();
    for line in trace.lines() {
        let (pid, line) = line.split_once(' ').unwrap();
        let line = line.trim();
        if let Some((start, _)) = line.split_once(" <unfinished ...>") {
            begun.insert(pid.to_owned(), start.to_owned());
            continue;
        }
        let line = match line.strip_prefix("<... ") {
            Some(end) => begun.remove(pid).unwrap() + end.split_once("resumed>").unwrap().1,
            None => line.to_owned(),
        };
        let Some((call, result)) = line.rsplit_once(" = ") else { continue };
        let Some((name, arguments)) = call.split_once('(') else { continue };
        if result.starts_with('-') || result.starts_with('?') {
            continue;
        }
        let handle = arguments.split('<').next().unwrap_or_default().to_owned();
        let (files, texts) = (between(arguments, '<', '>'), between(arguments, '"', '"'));
        let number =
            |n: usize| -> u64 { arguments.trim_end_matches(')').rsplit(", ").nth(n).unwrap().parse().unwrap() };
        let deed = match name {
            "openat" => {
                let handle = result.split('<').next().unwrap().to_owned();
                places.insert(handle, 0);
                if !arguments.contains("O_CREAT") {
                    continue;
                }
                assert!(!arguments.contains("O_TRUNC") || !path(&texts[0]).starts_with(folder), "{arguments}");
                Deed::Create(path(&texts[0]))
            }
            "mkdir" | "mkdirat" => Deed::MakeFolder(path(&texts[0])),
            "pwrite64" => Deed::Write(path(&files[0]), number(0), bytes(&texts[0])),
            "write" => {
                let written = bytes(&texts[0]);
                let said = String::from_utf8_lossy(&written).into_owned();
                if let Some(serial) = said.strip_prefix("acknowledged ") {
                    deeds.push(Deed::Acknowledge(serial.trim().parse().unwrap()));
                    continue;
                }
                let place = places.entry(handle).or_default();
                let start = *place;
                *place += written.len() as u64;
                Deed::Write(path(&files[0]), start, written)
            }
            "ftruncate" => Deed::Truncate(path(&files[0]), number(0)),
            "fsync" | "fdatasync" => Deed::Sync(path(&files[0])),
            "link" | "linkat" => Deed::Link(path(&texts[0]), path(&texts[1])),
            "rename" | "renameat" | "renameat2" => Deed::Rename(path(&texts[0]), path(&texts[1])),
            "unlink" | "unlinkat" => Deed::Unlink(path(&texts[0])),
            other => panic!("{other}"),
        };
        let at = match &deed {
            Deed::Create(at) | Deed::Write(at, ..) | Deed::Truncate(at, _) | Deed::Sync(at) | Deed::Unlink(at) => at,
            Deed::Link(at, _) | Deed::Rename(at, _) | Deed::MakeFolder(at) => at,
            Deed::Acknowledge(_) => continue,
        };
        if at.starts_with(folder) {
            deeds.push(deed);
        }
    }
    deeds
}

/// A file system that was just given what it has.
#[derive(Default)]
struct Disk {
    /// Files, whatever they are called: their bytes, and what was done to them since their last sync.
    files: Vec<(Vec<u8>, Vec<Deed>)>,
    /// Names as whoever looks sees them, and as they are on the disk.
    names: BTreeMap<PathBuf, usize>,
    kept: BTreeMap<PathBuf, usize>,
    /// Folders that were made, and whether their names are on the disk.
    folders: BTreeMap<PathBuf, bool>,
}

fn apply(content: &mut Vec<u8>, deed: &Deed) {
    match deed {
        Deed::Write(_, start, bytes) => {
            let start = usize::try_from(*start).unwrap();
            content.resize(content.len().max(start + bytes.len()), 0);
            content[start..][..bytes.len()].copy_from_slice(bytes);
        }
        Deed::Truncate(_, length) => content.resize(usize::try_from(*length).unwrap(), 0),
        other => panic!("{other:?}"),
    }
}

impl Disk {
    fn take(&mut self, deed: &Deed) {
        match deed {
            Deed::Create(at) => {
                if !self.names.contains_key(at) {
                    self.names.insert(at.clone(), self.files.len());
                    self.files.push(Default::default());
                }
            }
            Deed::Write(at, ..) | Deed::Truncate(at, _) => {
                // A file whose name is gone is in nobody's way.
                if let Some(file) = self.names.get(at) {
                    self.files[*file].1.push(deed.clone());
                }
            }
            Deed::Sync(at) => match self.names.get(at) {
                Some(file) => {
                    let (content, pending) = &mut self.files[*file];
                    pending.drain(..).for_each(|deed| apply(content, &deed));
                }
                None => {
                    let here = self.names.iter().filter(|(name, _)| name.parent() == Some(at));
                    self.kept.retain(|name, _| name.parent() != Some(at));
                    self.kept.extend(here.map(|(name, file)| (name.clone(), *file)));
                    let below = self.folders.iter_mut().filter(|(name, _)| name.parent() == Some(at));
                    below.for_each(|(_, is_kept)| *is_kept = true);
                }
            },
            Deed::MakeFolder(at) => {
                self.folders.insert(at.clone(), false);
            }
            Deed::Link(from, to) => {
                let file = self.names[from];
                self.names.insert(to.clone(), file);
            }
            Deed::Rename(from, to) => {
                let file = self.names.remove(from).unwrap();
                self.names.insert(to.clone(), file);
            }
            Deed::Unlink(at) => {
                self.names.remove(at);
            }
            Deed::Acknowledge(_) => {}
        }
    }

    /// What is there after the power was cut, below another folder: all that is kept, and of the rest what `also` says.
    fn after_a_cut(&self, from: &Path, to: &Path, also: &mut dyn FnMut() -> bool) {
        let mut names = self.kept.clone();
        let is_lost = |name: &Path| name.ancestors().any(|folder| self.folders.get(folder) == Some(&false));
        names.retain(|name, _| !is_lost(name));
        if also() {
            // Names come to the disk all at once or not at all, as with a journal.
            names.clone_from(&self.names);
        }
        for (name, file) in names {
            let (mut content, pending) = self.files[file].clone();
            pending.iter().filter(|_| also()).for_each(|deed| apply(&mut content, deed));
            let place = to.join(name.strip_prefix(from).unwrap());
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::write(place, content).unwrap();
        }
    }
}

/// Looks at what was kept.
fn check(open: Open, folder: &Path, acknowledged: u64) {
    let store = open(folder);
    let seen = store.verify().unwrap().into_contents();
    assert!(seen.serial() == acknowledged || seen.serial() == acknowledged + 1, "{} of {acknowledged}", seen.serial());
    let expected: BTreeSet<_> =
        (1..=seen.serial()).flat_map(|n| [at(&format!("{n}.a")), at(&format!("{n}.b"))]).collect();
    assert_eq!(seen.records().iter().map(|record| record.address.clone()).collect::<BTreeSet<_>>(), expected);
    assert_eq!(seen.intents().len(), usize::from(seen.serial() > 0));
    // Whoever comes next can write.
    // Of objects nobody can see that the writer is gone: this is another machine, or it was started anew.
    if let Some(gone) = store.holder().unwrap().filter(|_| store.try_lock(&request("here")).is_err()) {
        store.unlock(&gone.id).unwrap();
    }
    let lock = store.try_lock(&request("here")).unwrap();
    store.commit(&lock, &[put(record("next"))]).unwrap();
}

fn survives(name: &str, open: Open) {
    if let Some(folder) = std::env::var_os(WRITER) {
        return write(open(Path::new(&folder)).as_ref());
    }
    let place = tempfile::tempdir().unwrap();
    let (folder, log) = (place.path().join("written"), place.path().join("trace"));
    std::fs::create_dir(&folder).unwrap();
    let calls = "openat,write,pwrite64,ftruncate,fsync,fdatasync,link,linkat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat";
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "-y",
        "-xx",
        "-s",
        "1000000",
        "-qq",
        "-e",
        "signal=none",
        "-e",
        &format!("trace={calls}"),
        "-o",
    ]);
    command.arg(&log).arg(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("power_tests::{name}"), "--nocapture"]).env(WRITER, &folder);
    let ran = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !ran.is_ok_and(|status| status.success()) {
        return tell("skipped: no power is cut: there is no strace, or it must not be used");
    }
    let deeds = deeds(&std::fs::read_to_string(&log).unwrap(), &folder);
    let (mut disk, mut acknowledged, mut cuts) = (Disk::default(), 0, 0);
    let mut number: u64 = 0x9e37_79b9_7f4a_7c15;
    for (n, deed) in deeds.iter().enumerate() {
        disk.take(deed);
        if let Deed::Acknowledge(serial) = deed {
            acknowledged = *serial;
        }
        // Nothing more than what must be; and some of the rest, by chance.
        let is_worth_it = matches!(deed, Deed::Acknowledge(_) | Deed::Sync(_) | Deed::Link(..)) || n % 7 == 0;
        for chance in [false, true].into_iter().filter(|_| is_worth_it) {
            let image = tempfile::tempdir().unwrap();
            disk.after_a_cut(&folder, image.path(), &mut || {
                number ^= number << 13;
                number ^= number >> 7;
                number ^= number << 17;
                chance && number.is_multiple_of(2)
            });
            check(open, image.path(), acknowledged);
            cuts += 1;
        }
    }
    assert_eq!(acknowledged, COMMITS);
    tell(&format!("power: {name}: cut {cuts} times during {COMMITS} commits, nothing acknowledged was lost"));
}

#[test]
fn a_file_outlives_a_power_cut() {
    survives("a_file_outlives_a_power_cut", file);
}

#[test]
fn a_folder_of_objects_outlives_a_power_cut() {
    survives("a_folder_of_objects_outlives_a_power_cut", objects);
}
