//! A project in a folder of its own, and the real binary run on it with a pinned environment.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use regex::Regex;
use serde_json::Value;

use super::copy;
use super::run::Finished;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// Names the folder that keeps what tests render; nothing is kept without it. Set by `.ci/run`.
const RENDERED: &str = "KOMPOX_RENDERED_DIR";

/// What a run of an example leaves in it, which is no part of it.
const LEFT_BY_RUNS: [&str; 4] = ["state", "sandbox", "logs", "data"];

/// A copy of an example, or an empty folder; removed with the value.
pub struct Project {
    temporary: tempfile::TempDir,
    root: PathBuf,
    environment: BTreeMap<String, String>,
    printed: RefCell<Vec<u8>>,
}

impl Project {
    /// A copy of `examples/gitea`.
    pub fn gitea() -> Self {
        Self::example("gitea")
    }

    /// A copy of `examples/gitea` that was applied.
    pub fn gitea_applied() -> Self {
        let project = Self::gitea();
        project.run(&["apply", "--auto-approve"]).done();
        project
    }

    /// A copy of an example.
    pub fn example(name: &str) -> Self {
        Self::copy_of(&Path::new(EXAMPLES).join(name))
    }

    /// A copy of a folder.
    pub fn copy_of(folder: &Path) -> Self {
        let project = Self::empty(folder.file_name().and_then(|name| name.to_str()).unwrap());
        copy(folder, &project.root, &LEFT_BY_RUNS);
        project
    }

    /// An empty folder of this name.
    pub fn empty(name: &str) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().join(name);
        let home = temporary.path().join("home");
        std::fs::create_dir(&root).unwrap();
        std::fs::create_dir(&home).unwrap();
        let environment = [
            ("HOME", home.to_str().unwrap()),
            ("USER", "tester"),
            ("NO_COLOR", "1"),
            ("COLUMNS", "120"),
            ("LANG", "C.UTF-8"),
            ("TZ", "UTC"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { temporary, root, environment, printed: RefCell::default() }
    }

    /// The folder that everything is in, and that goes with the value.
    pub fn folder(&self) -> &Path {
        self.temporary.path()
    }

    /// The project's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Runs `kompox --sandbox …` in the project's folder.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        let mut all = vec!["--sandbox"];
        all.extend(arguments);
        self.run_as_is(&all)
    }

    /// Runs `kompox …` in the project's folder.
    pub fn run_as_is(&self, arguments: &[&str]) -> Finished {
        if arguments.iter().any(|argument| ["apply", "plan", "render"].contains(argument)) {
            self.keep_rendered();
        }
        let finished = Finished::of(self.command(arguments));
        self.printed.borrow_mut().extend(finished.text().into_bytes());
        finished
    }

    /// Writes what the project renders to the folder of [`RENDERED`], for `tests/judge`.
    fn keep_rendered(&self) {
        static KEPT: AtomicUsize = AtomicUsize::new(0);
        let Some(folder) = std::env::var_os(RENDERED) else { return };
        let output = self.command(&["render", "--show-secrets"]).output().unwrap();
        // A project that cannot be rendered has no objects to judge.
        if output.status.success() {
            let test = std::thread::current().name().unwrap_or("unnamed").replace("::", ".");
            let name = format!("e2e.{test}.{}.yml", KEPT.fetch_add(1, Ordering::Relaxed));
            std::fs::write(Path::new(&folder).join(name), output.stdout).unwrap();
        }
    }

    /// The command `kompox …` in the project's folder, not yet started; it can read nothing.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kompox"));
        command.args(arguments).current_dir(&self.root).env_clear().envs(&self.environment);
        command.stdin(Stdio::null());
        command
    }

    /// Sets a variable of the environment that commands run in.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Everything that commands have printed so far.
    pub fn printed(&self) -> Vec<u8> {
        self.printed.borrow().clone()
    }

    /// Reads a file of the project.
    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.root.join(file)).unwrap()
    }

    /// Writes a file of the project.
    pub fn write(&self, file: &str, text: &str) {
        let path = self.root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Replaces a text that is in the file exactly once.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert_eq!(text.matches(from).count(), 1, "{from:?} must be in {file} once");
        self.write(file, &text.replace(from, to));
    }

    /// Everything that exists in the sandbox.
    pub fn inspect(&self) -> Vec<Value> {
        // What the pretended cloud holds is no output of kompox: it has the real values, as a real one would.
        let printed = self.printed.borrow().len();
        let objects = self.run(&["sandbox", "inspect", "--json"]).done().json();
        self.printed.borrow_mut().truncate(printed);
        objects.as_array().unwrap().clone()
    }

    /// The ids of everything that exists in the sandbox.
    pub fn ids(&self) -> Vec<String> {
        self.inspect().iter().map(|object| object["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The ids of the disks that exist in the sandbox.
    pub fn disks(&self) -> Vec<String> {
        let is_disk =
            |id: &String| id.rsplit_once("/Microsoft.Compute/disks/").is_some_and(|(_, name)| !name.contains('/'));
        self.ids().into_iter().filter(is_disk).collect()
    }

    /// One object of the sandbox, whose id ends so.
    pub fn object(&self, suffix: &str) -> Value {
        let mut found = self.inspect();
        found.retain(|object| object["id"].as_str().unwrap().ends_with(suffix));
        assert_eq!(found.len(), 1, "{suffix}: {found:#?}");
        found.remove(0)["object"].take()
    }

    /// Every file below the project's folder.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        files
    }

    /// Text without what varies: temporary folders, names nobody chose and what is made from them, times, digests.
    pub fn redact(&self, text: &str) -> String {
        let text = text.replace(self.temporary.path().to_str().unwrap(), "[TMP]");
        let text = text.replace("9473abf6-f25e-420e-b3f2-128c1c7b46f2", "[SUBSCRIPTION]");
        let text = text.replace("11111111-2222-3333-4444-555555555555", "[SUBSCRIPTION]");
        redact(&text)
    }

    /// What a command printed as data, without what varies.
    pub fn data(&self, finished: &Finished) -> String {
        self.redact(&finished.stdout)
    }

    /// The same with columns as wide as what stands for what varies.
    pub fn table(&self, finished: &Finished) -> String {
        let text = self.data(finished);
        text.lines()
            .map(|line| line.split("  ").filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("  ") + "\n")
            .collect()
    }

    /// What a command printed beside its data, without what varies.
    pub fn words(&self, finished: &Finished) -> String {
        self.redact(&finished.stderr)
    }
}

/// What varies from run to run, and what stands for it.
const VARYING: &[(&str, &str)] = &[
    // A workspace that `init` named after the folder.
    (r"(/ws/[a-z0-9-]+)-[0-9a-z]{6}(/prv/cloud1)", "${1}-[HASH]${2}"),
    // A disk's compact id, and what is made from its handle.
    (r"((?:_|&#95;)disk(?:_|&#95;)[a-z0-9-]+?(?:_|&#95;))[0-9a-z]{12}((?:_|&#95;)[0-9a-z]{6})", "${1}[ID]${2}"),
    (r"(k4x-[0-9a-z]{6}-[a-z0-9]+-[0-9a-z]{6}-)[0-9a-z]{6}\b", "${1}[HASH]"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[UUID]"),
    (r"((?:hmac-)?sha256:)[0-9a-f]{64}", "${1}[DIGEST]"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", "[TIME]"),
    (r"\b(\d+ min )?\d+(\.\d)? s\b", "[SECONDS] s"),
    (r"--sandbox-endpoint http://127.0.0.1:\d+", "--sandbox-endpoint [ENDPOINT]"),
    (r"EOF while parsing .*", "EOF […]"),
    (r"(created|updated)_serial: \d+", "${1}_serial: [N]"),
    (r#""took_ms":\d+"#, r#""took_ms":0"#),
];

fn redact(text: &str) -> String {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> =
        LazyLock::new(|| VARYING.iter().map(|(pattern, by)| (Regex::new(pattern).unwrap(), *by)).collect());
    let mut text = text.to_owned();
    for (pattern, by) in PATTERNS.iter() {
        text = pattern.replace_all(&text, *by).into_owned();
    }
    text
}
