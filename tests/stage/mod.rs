//! What tests need that run the program for real: a project in a folder of its own, a cloud that outlives the runs,
//! runs that can be watched and stopped, and the proof that everything converged.

pub mod proxy;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use kompox_sandbox::{self as sandbox, RequestLogEntry};
use kompox_state::{SqliteStore, Store};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test gives up; no test depends on its value.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a condition.
pub fn within(what: &str, mut condition: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < give_up, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A `kompox sandbox serve` of its own.
pub struct Cloud {
    child: Child,
    pub endpoint: String,
}

impl Cloud {
    /// Starts one on the world in `data`.
    pub fn start(data: &Path, options: &[&str]) -> Self {
        let mut command = kompox(data.parent().unwrap());
        command.args(["sandbox", "serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(options);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut endpoint = String::new();
        let mut stdout = child.stdout.take().unwrap();
        let mut byte = [0];
        while stdout.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            endpoint.push(char::from(byte[0]));
        }
        if !endpoint.starts_with("http://") {
            let mut errors = String::new();
            child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
            panic!("no cloud with {options:?}: {errors}");
        }
        Self { child, endpoint }
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // The world is in its file; nothing is lost.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, in an environment that no machine differs in.
pub fn kompox(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kompox"));
    command.env_clear().env("HOME", home).env("USER", "tester").env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The exit code; none after a kill.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    /// The program with the options that commands in its messages need.
    here: String,
}

impl Outcome {
    /// Both streams.
    pub fn text(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.text());
        self
    }

    /// Asserts that all of these are said, where `kompox HERE …` is the program with the options of this call: folder,
    /// sandbox and its endpoint.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        let text = self.text();
        let here = &self.here;
        for part in parts {
            let part = part.replace("kompox HERE", here);
            assert!(text.contains(&part), "not said: {part:?} in:\n{text}");
        }
        self
    }
}

/// A run that goes on.
pub struct Live {
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
    readers: Vec<std::thread::JoinHandle<()>>,
    here: String,
}

impl Live {
    fn start(mut command: Command) -> Self {
        let here = here(&command);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (Arc::default(), Arc::default());
        let readers = vec![
            collect(child.stdout.take().unwrap(), Arc::clone(&out)),
            collect(child.stderr.take().unwrap(), Arc::clone(&err)),
        ];
        Self { child, out, err, readers, here }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on stderr.
    pub fn err(&self) -> String {
        self.err.lock().unwrap().clone()
    }

    /// Waits until stderr says this.
    pub fn until_says(&self, text: &str) {
        within(&format!("stderr to say {text:?}"), || self.err().contains(text));
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        // The child is not waited for yet, so its id is nobody else's.
        kill_process(pid, signal).unwrap();
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Outcome {
        let mut status = None;
        within(&format!("the process to end; it said {}", self.err()), || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        for reader in self.readers {
            reader.join().unwrap();
        }
        let text = |from: &Arc<Mutex<String>>| from.lock().unwrap().clone();
        let code = status.and_then(|status| status.code());
        Outcome { code, out: text(&self.out), err: text(&self.err), here: self.here }
    }
}

/// How a command is called, without its own words.
fn here(command: &Command) -> String {
    let mut words = vec!["kompox".to_owned()];
    let mut arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    while let Some(option) =
        arguments.next().filter(|word| ["-C", "--sandbox", "--sandbox-endpoint"].contains(&word.as_str()))
    {
        let value = (option != "--sandbox").then(|| arguments.next()).flatten();
        words.push(option);
        words.extend(value);
    }
    words.join(" ")
}

fn collect(mut from: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    })
}

/// A project and a world, in a folder of their own.
pub struct Stage {
    folder: TempDir,
}

impl Stage {
    /// The example with nothing applied.
    pub fn new() -> Self {
        let stage = Self { folder: tempfile::tempdir().unwrap() };
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gitea"), &stage.project());
        for left_by_hand in ["state", "sandbox"] {
            let _ = fs::remove_dir_all(stage.project().join(".kompox").join(left_by_hand));
        }
        stage
    }

    /// The example with everything applied, without an interruption. The first call makes it, the others copy it.
    pub fn applied() -> Self {
        static MADE: OnceLock<Stage> = OnceLock::new();
        let made = MADE.get_or_init(|| {
            let stage = Self::new();
            let cloud = stage.cloud(FAST);
            stage.run(&cloud.endpoint, &["apply", "--auto-approve"]).exits(0);
            stage.assert_settled(&cloud.endpoint);
            stage
        });
        let stage = Self { folder: tempfile::tempdir().unwrap() };
        copy(made.folder.path(), stage.folder.path());
        stage
    }

    pub fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub fn world(&self) -> PathBuf {
        self.folder.path().join("world")
    }

    pub fn state_file(&self) -> PathBuf {
        self.project().join(".kompox/state/sandbox.db")
    }

    /// The file of the project with this name.
    pub fn file(&self, name: &str) -> PathBuf {
        self.project().join(name)
    }

    /// Replaces a text that must be there.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.file(name)).unwrap();
        assert!(text.contains(from), "{name} has no {from:?}");
        fs::write(self.file(name), text.replacen(from, to, 1)).unwrap();
    }

    /// A cloud on this stage's world.
    pub fn cloud(&self, options: &[&str]) -> Cloud {
        Cloud::start(&self.world(), options)
    }

    /// The command against this endpoint.
    pub fn command(&self, endpoint: &str, words: &[&str]) -> Command {
        let mut command = kompox(self.folder.path());
        command.arg("-C").arg(self.project()).args(["--sandbox", "--sandbox-endpoint", endpoint]).args(words);
        command
    }

    /// Starts it.
    pub fn live(&self, endpoint: &str, words: &[&str]) -> Live {
        Live::start(self.command(endpoint, words))
    }

    /// Runs it to its end.
    pub fn run(&self, endpoint: &str, words: &[&str]) -> Outcome {
        self.live(endpoint, words).end()
    }

    /// Everything in the world.
    pub fn objects(&self) -> Vec<Value> {
        sandbox::inspect(&self.world()).unwrap()
    }

    /// The ids of everything of this ARM type or Kubernetes kind.
    pub fn ids(&self, kind: &str) -> Vec<String> {
        let of_kind = |object: &&Value| object["type"].as_str() == Some(kind);
        self.objects().iter().filter(of_kind).map(id).collect()
    }

    /// All requests that the world has seen.
    pub fn requests(&self) -> Vec<RequestLogEntry> {
        sandbox::requests(&self.world()).unwrap()
    }

    /// The state.
    pub fn state(&self) -> SqliteStore {
        SqliteStore::open_existing(&self.state_file()).unwrap().expect("there is a state")
    }

    /// What exists, without the names that are new each time.
    pub fn shape(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.objects().iter().map(|object| redact(&id(object))).collect();
        ids.sort();
        ids
    }

    /// Asserts that nothing is left to do, nothing is open, and state and world speak of the same objects.
    #[track_caller]
    pub fn assert_settled(&self, endpoint: &str) {
        self.run(endpoint, &["plan", "--detailed-exitcode"]).exits(0);
        self.assert_consistent();
    }

    /// Asserts that nothing is open and that state and world speak of the same objects.
    #[track_caller]
    pub fn assert_consistent(&self) {
        let recorded = self.assert_closed();
        let lineage_of_state = self.state().lineage().to_owned();
        for object in self.objects().iter().filter(|object| lineage(object).as_ref() == Some(&lineage_of_state)) {
            let id = id(object);
            assert!(recorded.contains_key(&id.to_lowercase()), "{id} is ours and not recorded");
        }
    }

    /// Asserts that nothing is open and that what the state knows exists, each thing once. Gives addresses by id.
    #[track_caller]
    pub fn assert_closed(&self) -> BTreeMap<String, String> {
        let state = self.state();
        assert_eq!(state.open_intents().unwrap(), []);
        assert_eq!(state.holder().unwrap(), None);
        let unfinished: Vec<_> = state.runs(100).unwrap().into_iter().filter(|run| run.finished_at.is_none()).collect();
        assert!(unfinished.is_empty(), "{unfinished:?}");
        let objects = self.objects();
        let world: BTreeSet<String> = objects.iter().map(|object| id(object).to_lowercase()).collect();
        assert_eq!(world.len(), objects.len(), "an id exists twice");
        let mut recorded: BTreeMap<String, String> = BTreeMap::new();
        for record in state.records().unwrap() {
            let cluster = record.provider.split_once('#').map_or("", |(_, cluster)| cluster);
            let id = format!("{cluster}{}", record.physical_id).to_lowercase();
            assert!(world.contains(&id), "{} is recorded and does not exist: {id}", record.address);
            let other = recorded.insert(id, record.address.clone());
            assert_eq!(other, None, "{} is recorded twice", record.physical_id);
        }
        recorded
    }

    /// Asserts that the world is the one of an apply without an interruption.
    #[track_caller]
    pub fn assert_whole(&self, endpoint: &str) {
        self.assert_settled(endpoint);
        static WHOLE: OnceLock<Vec<String>> = OnceLock::new();
        let whole = WHOLE.get_or_init(|| Self::applied().shape());
        assert_same(&self.shape(), whole);
    }
}

/// Asserts that two worlds hold the same, and says what only one of them holds.
#[track_caller]
pub fn assert_same(shape: &[String], whole: &[String]) {
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|id| !those.contains(id)).cloned().collect()
    };
    assert!(shape == whole, "too much: {:#?}\nmissing: {:#?}", only(shape, whole), only(whole, shape));
}

/// A cloud that takes no time.
pub const FAST: &[&str] = &["--operation-delay", "5", "--readiness-delay", "5"];

fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

/// The lineage that an object carries.
fn lineage(object: &Value) -> Option<String> {
    let object = &object["object"];
    let marks = [&object["tags"]["kompox-lineage"], &object["metadata"]["annotations"]["kompox.dev/lineage"]];
    marks.iter().find_map(|mark| mark.as_str()).map(str::to_owned)
}

/// An id without what is new each time: a disk's compact id, what the cloud and its controllers name themselves.
fn redact(id: &str) -> String {
    let (parent, name) = id.rsplit_once('/').unwrap_or(("", id));
    let kind = parent.rsplit('/').next().unwrap_or_default();
    let words: Vec<&str> = name.split(if kind == "disks" { '_' } else { '-' }).collect();
    let name = match (kind, words.as_slice()) {
        ("disks", [prefix, "disk", volume, _, hash]) => format!("{prefix}_disk_{volume}_*_{hash}"),
        ("roleAssignments", _) => "*".to_owned(),
        ("persistentvolumes", ["pvc", ..]) => "pvc-*".to_owned(),
        // The last word is a hash of the disk's id.
        ("persistentvolumes" | "persistentvolumeclaims", [name @ .., _]) if name.len() == 4 => name.join("-") + "-*",
        ("pods", [name @ .., _, _]) => name.join("-") + "-*",
        ("replicasets", [name @ .., _]) => name.join("-") + "-*",
        _ => name.to_owned(),
    };
    format!("{parent}/{name}")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
