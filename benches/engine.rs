//! The engine at size: N/10 apps of ten objects each (one root, three that use it, six that use those), against a
//! provider that answers at once, with the real store on the real disk.
//!
//!     cargo bench --bench engine                      1,000, 10,000 and 100,000 objects
//!     cargo bench --bench engine -- 1000 10000        other sizes
//!     cargo bench --bench engine -- --no-peer 1000    without Terraform or OpenTofu
//!
//! Where `KOMPOX_BENCH_BEFORE_ENGINE` names this bench as it was built before (`cargo bench --bench engine --no-run` says
//! where it is), both are measured in turns.
//!
//! Each measurement is a process of its own, so that its peak memory is its own: this program starts itself. Times are
//! wall times from before the graph is built, so an apply includes its plan.
#![expect(clippy::print_stdout, reason = "a table is what this program is for")]

mod common;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use async_trait::async_trait;
use kompox::engine::address::Address;
use kompox::engine::apply::{Work, apply};
use kompox::engine::cancel;
use kompox::engine::event::Event;
use kompox::engine::graph::{Graph, Node};
use kompox::engine::journal::Journal;
use kompox::engine::kind::{Field, Kind, Rule};
use kompox::engine::lease::Lease;
use kompox::engine::plan::{Mode, Origin};
use kompox::engine::planner::{self, Inputs, Options};
use kompox::engine::provider::{
    Change, Content, ErrorClass, Marked, Observation, Observed, Operation, Preview, Progress, Provider, ProviderError,
    ProviderKey, Providers, Target, Writers,
};
use kompox::engine::run::{Environment, Run, System};
use kompox::engine::value::Value;
use kompox::parallel;
use kompox_state::{Config, LockRequest, Store};
use serde_json::{Value as Json, json};

use common::{Result, sizes};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As many as `kompox apply` runs at once by default.
const PARALLELISM: usize = 32;
/// Terraform rewrites its whole state per object: more would take minutes to hours.
const PEER_SIZES: [usize; 2] = [1_000, 2_000];

static THING: Kind = Kind {
    fields: &[
        Field { pattern: "status.**", rule: Rule::Computed },
        Field { pattern: "spec.zone", rule: Rule::Immutable },
        Field { pattern: "spec.containers", rule: Rule::Keyed(&["name"]) },
        Field { pattern: "spec.containers.*.env", rule: Rule::Keyed(&["name"]) },
        Field { pattern: "spec.secret", rule: Rule::Sensitive },
    ],
    outputs: &["/status/token"],
    ..Kind::plain("thing")
};

fn kinds(_: &ProviderKey, name: &str) -> Option<&'static Kind> {
    (name == THING.name).then_some(&THING)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [flag, what, size, folder] = arguments.as_slice()
        && flag == "--measure"
    {
        return measure(what, size.parse()?, Path::new(folder));
    }
    println!("{} cores", std::thread::available_parallelism()?);
    println!();
    println!("| engine | objects | what | seconds | peak MB |");
    println!("|---|---|---|---|---|");
    let before = std::env::var_os("KOMPOX_BENCH_BEFORE_ENGINE").map(|path| ("kompox before", PathBuf::from(path)));
    let engines: Vec<(&str, PathBuf)> = before.into_iter().chain([("kompox", std::env::current_exe()?)]).collect();
    for size in sizes(&[1_000, 10_000, 100_000]) {
        let folders = engines.iter().map(|_| tempfile::tempdir()).collect::<std::io::Result<Vec<_>>>()?;
        for what in ["create-plan", "apply", "no-op plan"] {
            for ((engine, program), folder) in engines.iter().zip(&folders) {
                let output =
                    Command::new(program).args(["--measure", what, &size.to_string()]).arg(folder.path()).output()?;
                if !output.status.success() {
                    return Err(String::from_utf8_lossy(&output.stderr).into());
                }
                println!("| {engine} | {size} | {what} | {} |", String::from_utf8_lossy(&output.stdout).trim());
            }
        }
    }
    if !arguments.iter().any(|argument| argument == "--no-peer") {
        peer();
    }
    Ok(())
}

/// One measurement in this process; prints seconds and megabytes.
fn measure(what: &str, size: usize, folder: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let started = Instant::now();
    runtime.block_on(work(what, size, folder))?;
    println!("{:.3} | {:.0}", started.elapsed().as_secs_f64(), peak_megabytes()?);
    Ok(())
}

async fn work(what: &str, size: usize, folder: &Path) -> Result<()> {
    let graph = Graph::new(nodes(size))?;
    let store: Arc<dyn Store> = kompox_state::open(&Config::Sqlite { path: folder.join("kompox.db") })?;
    let (lineage, digester) = (store.lineage().to_owned(), store.digester());
    let built = what == "no-op plan";
    let instant: Arc<dyn Provider> = Arc::new(Instantly { lineage: lineage.clone(), built, made: Mutex::default() });
    let providers: Providers = BTreeMap::from([("instant".into(), instant)]);
    let snapshot = store.snapshot()?;
    let options = Options::default();
    let plan = planner::plan(Inputs {
        graph: &graph,
        snapshot: &snapshot,
        lineage: &lineage,
        digester: &digester,
        providers: &providers,
        kinds,
        mode: Mode::Apply,
        options: &options,
        inputs: BTreeMap::new(),
        chosen: BTreeMap::new(),
        hosts: Vec::new(),
        imports: Vec::new(),
        lacks_apps: false,
        dangers: Vec::new(),
        notes: Vec::new(),
        engine_version: "0.1.0",
    })
    .await?;
    let expected = if built { (0, size) } else { (size, 0) };
    if (plan.actions.len(), plan.unchanged) != expected {
        return Err(format!("{} actions, {} unchanged", plan.actions.len(), plan.unchanged).into());
    }
    if what != "apply" {
        drop(plan);
        // As the program does, which leaves them to the end of the process (`src/cli/flow/planning.rs`).
        std::mem::forget((graph, snapshot));
        return Ok(());
    }
    let lock = store.try_lock(&LockRequest {
        who: "bench".to_owned(),
        host: "here".to_owned(),
        pid: std::process::id(),
        command: "bench".to_owned(),
        now: "2026-01-01T00:00:00Z".to_owned(),
        plan_digest: None,
    })?;
    let journal = Journal::start(Arc::new(Lease::keep(Arc::clone(&store), lock, Instant::now())));
    let sink = |_: Event| {};
    let run = Run {
        id: System.unique_id(),
        journal: &journal,
        providers: &providers,
        kinds,
        lineage: &lineage,
        digester: &digester,
        environment: &System,
        sink: &sink,
        wait: true,
        started: Instant::now(),
        cancel: cancel::never(),
        notes: Mutex::default(),
    };
    let work =
        Work { plan: &plan, graph: &graph, records: &snapshot.records, durations: &[], parallelism: PARALLELISM };
    let summary = apply(&run, &work).await;
    if !summary.is_complete() {
        return Err(format!("{:?}", summary.failed.first()).into());
    }
    Ok(())
}

/// The most memory that this process had, from the kernel's own count.
fn peak_megabytes() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

/// What each of the ten objects of an app uses.
const USES: [Option<usize>; 10] =
    [None, Some(0), Some(0), Some(0), Some(1), Some(1), Some(2), Some(2), Some(3), Some(3)];

fn address(app: usize, part: usize) -> Address {
    Address::new(&format!("/ws/bench/prv/p/cls/c/app/a{app}"), THING.name, &format!("p{part}"))
}

fn nodes(size: usize) -> Vec<Node> {
    let numbers: Vec<usize> = (0..size).collect();
    // On all processors, as apps are converted.
    parallel::map(&numbers, |number| node(number / 10, number % 10))
}

fn node(app: usize, part: usize) -> Node {
    let mut desired = Value::from(desired(app, part));
    if let Some(used) = USES[part] {
        desired.set(&["spec", "uses"], Value::output(&address(app, used), "/id"));
    }
    Node {
        origin: Some(Origin { file: "kompoxapp.yml".into(), line: 1, column: 1 }),
        ..Node::new(address(app, part), &THING, "instant".into(), desired)
    }
}

fn physical_id(app: usize, part: usize) -> String {
    format!("/apps/a{app}/p{part}")
}

/// An object with about as many fields as an object of an app has.
fn desired(app: usize, part: usize) -> Json {
    json!({
        "id": physical_id(app, part),
        "metadata": {"name": format!("a{app}-p{part}"), "labels": {"app": format!("a{app}"), "part": format!("p{part}")}},
        "spec": {
            "zone": "1",
            "replicas": 1,
            "containers": [{
                "name": "main",
                "image": format!("registry.example.com/a{app}/p{part}:1.2.3"),
                "env": [{"name": "MODE", "value": "production"}, {"name": "PART", "value": part.to_string()}],
                "resources": {"cpu": "500m", "memory": "512Mi"},
            }],
        },
    })
}

/// A provider whose every answer is there at once. It keeps ids only: an object is a function of its id.
struct Instantly {
    lineage: String,
    built: bool,
    made: Mutex<HashSet<String>>,
}

impl Instantly {
    fn object(&self, id: &str) -> Option<Observed> {
        let (app, part) = id.strip_prefix("/apps/a")?.split_once("/p")?;
        let (app, part): (usize, usize) = (app.parse().ok()?, part.parse().ok()?);
        let mut object = desired(app, part);
        if let Some(used) = USES.get(part)? {
            object["spec"]["uses"] = physical_id(app, *used).into();
        }
        object["status"] = json!({"token": format!("token-{app}-{part}"), "phase": "Running"});
        Some(Observed {
            ready: true,
            physical_id: id.to_owned(),
            object: object.into(),
            uid: Some(format!("uid-{app}-{part}")),
            lineage: Some(self.lineage.clone()),
            transition: None,
            writers: Writers::default(),
            tie: None,
        })
    }

    fn exists(&self, id: &str) -> bool {
        self.built || self.made.lock().is_ok_and(|made| made.contains(id))
    }
}

#[async_trait]
impl Provider for Instantly {
    async fn read(&self, targets: &[Target]) -> Vec<Observation> {
        let read = |target: &Target| {
            let id = target.physical_id.as_deref().filter(|id| self.exists(id));
            id.and_then(|id| self.object(id)).map_or(Observation::Missing, |seen| Observation::Found(Box::new(seen)))
        };
        // On all processors, as lists are read.
        parallel::map(targets, read)
    }

    fn physical_id(&self, _: &Kind, desired: &Value) -> Option<String> {
        desired.get("id")?.as_str().map(str::to_owned)
    }

    async fn preview(&self, _: &Target, _: &Json, _: bool) -> std::result::Result<Preview, ProviderError> {
        Ok(Preview::Unconfirmed("never asked".to_owned()))
    }

    async fn execute(
        &self,
        operation: &Operation,
        _: &dyn Progress,
    ) -> std::result::Result<Option<Observed>, ProviderError> {
        let id = operation.target.physical_id.clone().unwrap_or_default();
        if let Change::Delete { .. } = operation.change {
            return Ok(None);
        }
        if let Ok(mut made) = self.made.lock() {
            made.insert(id.clone());
        }
        self.object(&id).map(Some).ok_or_else(|| ProviderError::new(ErrorClass::Rejected, format!("no place for {id}")))
    }

    async fn containers(&self, _: &str) -> std::result::Result<Vec<Content>, ProviderError> {
        Ok(Vec::new())
    }

    async fn marked(&self, _: &Kind, _: &str) -> std::result::Result<Vec<Marked>, ProviderError> {
        Ok(Vec::new())
    }

    async fn contents(&self, _: &Target) -> std::result::Result<Vec<Content>, ProviderError> {
        Ok(Vec::new())
    }

    fn concurrency(&self) -> usize {
        PARALLELISM
    }
}

/// The same shape through Terraform or OpenTofu, if one is there. `terraform_data` is built in, so nothing is downloaded.
fn peer() {
    let on_path = |name: &&str| {
        std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
    };
    let Some(name) = ["terraform", "tofu"].into_iter().find(on_path) else {
        println!("| terraform, tofu | | not on the PATH | | |");
        return;
    };
    for size in PEER_SIZES {
        if let Err(error) = peer_of(name, size) {
            println!("| {name} | {size} | failed: {} | | |", error.to_string().replace('\n', " "));
        }
    }
}

fn peer_of(name: &str, size: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("main.tf"), configuration(size))?;
    run_peer(name, folder.path(), &["init", "-input=false"])?;
    let steps: [(&str, &[&str]); 3] = [
        ("create-plan", &["plan", "-input=false"]),
        ("apply", &["apply", "-input=false", "-auto-approve"]),
        ("no-op plan", &["plan", "-input=false", "-detailed-exitcode"]),
    ];
    for (what, arguments) in steps {
        let (seconds, peak) = run_peer(name, folder.path(), arguments)?;
        println!("| {name} | {size} | {what} | {seconds:.3} | {peak} |");
    }
    Ok(())
}

/// Runs the peer; seconds and peak megabytes, the latter where GNU time is there to ask.
fn run_peer(name: &str, folder: &Path, arguments: &[&str]) -> Result<(f64, String)> {
    let (time, report) = (PathBuf::from("/usr/bin/time"), folder.join("peak"));
    let mut command = if time.is_file() {
        let mut command = Command::new(time);
        command.args(["-f", "%M", "-o"]).arg(&report).arg(name);
        command
    } else {
        Command::new(name)
    };
    let started = Instant::now();
    let output = command.args(arguments).current_dir(folder).output()?;
    let seconds = started.elapsed().as_secs_f64();
    if !output.status.success() {
        return Err(format!("{name} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)).into());
    }
    let kilobytes =
        std::fs::read_to_string(report).ok().and_then(|text| text.lines().last()?.trim().parse::<f64>().ok());
    Ok((seconds, kilobytes.map_or("?".to_owned(), |kilobytes| format!("{:.0}", kilobytes / 1024.0))))
}

fn configuration(size: usize) -> String {
    let mut text = String::new();
    for number in 0..size {
        let (app, part) = (number / 10, number % 10);
        let object = desired(app, part).to_string();
        text.push_str(&format!("resource \"terraform_data\" \"a{app}_p{part}\" {{\n  input = {object}\n"));
        if let Some(used) = USES[part] {
            text.push_str(&format!("  depends_on = [terraform_data.a{app}_p{used}]\n"));
        }
        text.push_str("}\n");
    }
    text
}
