//! A project on a cloud that is served beside it, and what must hold once everything converged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use kompox_sandbox::{self as sandbox, RequestLogEntry};
use kompox_state::{Config, Copy, LockRequest, Record, Store};
use serde_json::Value;

use super::backend::{Backend, Home};
use super::cloud::Cloud;
use super::copy;
use super::project::Project;
use super::run::{Finished, Live};

/// A project, its world and its state as they were at some time, to begin from again and again.
pub struct Kept {
    folder: tempfile::TempDir,
    name: String,
    state: Option<Copy>,
}

/// A project and a world, in a folder of their own.
pub struct Stage {
    project: Project,
    state: Config,
}

impl Stage {
    /// The example with nothing applied.
    pub fn new() -> Self {
        Self::over(Project::gitea())
    }

    /// A project whose state is in its usual file.
    pub fn over(project: Project) -> Self {
        let state = Config::Sqlite { path: project.root().join(".kompox/state/sandbox.db") };
        Self { project, state }
    }

    /// The project with its state elsewhere.
    pub fn at(home: &Home, mut project: Project) -> Self {
        let text = format!("version: 1\nstate: {{type: sqlite, sandbox: {}}}\n", home.text);
        project.write(".kompox/config.yml", &text);
        home.variables.iter().for_each(|(name, value)| project.set(name, value));
        let state = home.config(&project.root().join(".kompox"));
        Self { project, state }
    }

    /// The example with everything applied, without an interruption. The first call makes it, the others copy it.
    pub fn applied() -> Self {
        static MADE: OnceLock<Kept> = OnceLock::new();
        let kept = MADE.get_or_init(|| {
            let stage = Self::new();
            let cloud = stage.cloud(FAST);
            stage.run(&cloud.endpoint, &["apply", "--auto-approve"]).done();
            stage.assert_settled(&cloud.endpoint);
            stage.keep()
        });
        Self::again(kept, &Home::on_disk(Backend::File, Path::new("")))
    }

    /// Keeps what there is. Nothing may run.
    pub fn keep(&self) -> Kept {
        let folder = tempfile::tempdir().unwrap();
        copy(self.project.folder(), folder.path(), &["state", "objects"]);
        let name = self.project.root().file_name().unwrap().to_str().unwrap().to_owned();
        let state = kompox_state::open_existing(&self.state).unwrap().map(|state| state.copy().unwrap());
        Kept { folder, name, state }
    }

    /// What was kept, with its state at a place where there is none yet.
    pub fn again(kept: &Kept, home: &Home) -> Self {
        let project = Project::empty(&kept.name);
        copy(kept.folder.path(), project.folder(), &[]);
        let stage = Self::at(home, project);
        if let Some(copy) = &kept.state {
            let who = "tester".to_owned();
            let (host, command, now) = ("here".to_owned(), "kompox".to_owned(), "2026-01-02T03:04:05Z".to_owned());
            let request = LockRequest { who, host, pid: std::process::id(), command, now, plan_digest: None };
            kompox_state::restore(&stage.state, copy, &request).unwrap();
        }
        stage
    }

    /// The project's folder.
    pub fn project(&self) -> PathBuf {
        self.project.root().to_owned()
    }

    /// The folder of the world.
    pub fn world(&self) -> PathBuf {
        self.project.folder().join("world")
    }

    /// The file of the state.
    pub fn state_file(&self) -> PathBuf {
        self.project().join(".kompox/state/sandbox.db")
    }

    /// The file of the project with this name.
    pub fn file(&self, name: &str) -> PathBuf {
        self.project.root().join(name)
    }

    /// Replaces a text that must be there.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.project.read(name);
        assert!(text.contains(from), "{name} has no {from:?}");
        self.project.write(name, &text.replacen(from, to, 1));
    }

    /// A cloud on this stage's world.
    pub fn cloud(&self, options: &[&str]) -> Cloud {
        Cloud::with(&self.project, &self.world(), options)
    }

    /// `kompox …`, not yet started.
    pub fn program(&self, words: &[&str]) -> Command {
        self.project.command(words)
    }

    /// The command against this endpoint.
    pub fn command(&self, endpoint: &str, words: &[&str]) -> Command {
        let root = self.project.root().to_str().unwrap();
        let here = ["-C", root, "--sandbox", "--sandbox-endpoint", endpoint];
        self.program(&[&here, words].concat())
    }

    /// Starts it.
    pub fn live(&self, endpoint: &str, words: &[&str]) -> Live {
        Live::start(self.command(endpoint, words))
    }

    /// Runs it to its end.
    pub fn run(&self, endpoint: &str, words: &[&str]) -> Finished {
        self.live(endpoint, words).end()
    }

    /// Runs it to its end as on another machine: where no process of this one is seen.
    pub fn run_elsewhere(&self, endpoint: &str, words: &[&str]) -> Finished {
        let here = self.command(endpoint, words);
        if !cfg!(target_os = "linux") {
            return Finished::of(here);
        }
        let mut there = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            there.arg("--map-root-user");
        }
        there.args(["--pid", "--fork", "--mount-proc", "--"]).arg(here.get_program()).args(here.get_args());
        there.env_clear().envs(here.get_envs().filter_map(|(name, value)| Some((name, value?))));
        there.current_dir(here.get_current_dir().expect("a stage has a folder")).stdin(Stdio::null());
        Finished::of(there)
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
    pub fn state(&self) -> Arc<dyn Store> {
        kompox_state::open_existing(&self.state).unwrap().expect("there is a state")
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
        self.run(endpoint, &["plan", "--detailed-exitcode"]).done();
        self.assert_consistent();
    }

    /// Asserts that nothing is open and that state and world speak of the same objects.
    #[track_caller]
    pub fn assert_consistent(&self) {
        let recorded = self.assert_closed();
        for id in self.ours() {
            assert!(recorded.contains_key(&id), "{id} is ours and not recorded");
        }
    }

    /// Asserts that the state knows of everything that is ours: it has a record, or a request for it is open.
    #[track_caller]
    pub fn assert_known(&self) {
        let state = self.state();
        let intents = state.open_intents().unwrap().into_iter().flat_map(|intent| {
            let cluster = intent.provider.host().unwrap_or_default().to_owned();
            let ids = intent.physical_id.into_iter().chain(intent.record.map(|record| record.physical_id));
            ids.map(move |id| format!("{cluster}{id}").to_lowercase()).collect::<Vec<_>>()
        });
        let records = state.records().unwrap().into_iter();
        let records = records.map(|record| recorded_id(&record));
        let known: BTreeSet<String> = records.chain(intents).collect();
        for id in self.ours() {
            assert!(known.contains(&id), "{id} is ours, and the state knows nothing of it");
        }
    }

    /// The ids of what carries the mark of the state.
    fn ours(&self) -> Vec<String> {
        let mark = self.state().lineage().to_owned();
        let objects = self.objects();
        let ours = objects.iter().filter(|object| lineage(object).as_ref() == Some(&mark));
        ours.map(|object| id(object).to_lowercase()).collect()
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
            let id = recorded_id(&record);
            assert!(world.contains(&id), "{} is recorded and does not exist: {id}", record.address);
            let other = recorded.insert(id, record.address.to_string());
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

/// The id of what a record is of, as the world has it.
fn recorded_id(record: &Record) -> String {
    format!("{}{}", record.provider.host().unwrap_or_default(), record.physical_id).to_lowercase()
}

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
