//! What the engine's tests run against: a world in memory behind a provider whose calls can be made to fail or to be the
//! last ones of a killed process, and a site with a real store, lock and journal.

mod world;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use kompox_state::{
    ActionDuration, Astray, Change as StateChange, Copy, Digester, Holder, Intent, Lock, LockRequest, Record,
    Run as HistoryRun, Snapshot, StateError, Store,
};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::address::Address;
use super::apply::{Work, apply};
use super::cancel::{self, Cancel};
use super::event::{Event, Summary};
use super::graph::{Graph, Node};
use super::journal::Journal;
use super::kind::{Behind, Field, Holds, Kind, Kinds, Refusal, Replace, Rule, Use, Volume};
use super::lease::Lease;
use super::plan::{Mode, Origin, Plan};
use super::planner::{self, Inputs, Options, PlanError};
use super::provider::{
    Change, Conflict, Content, ErrorClass, Find, Marked, Observation, Observed, Operation, Preview, Progress, Provider,
    ProviderError, ProviderKey, Providers, Safeguard, Target, Tie, Transition, Writer, Writers,
};
use super::reconcile::{ReconcileError, reconcile};
use super::run::{Environment, Run};
use super::value::{Path, Segment, Sensitive, Value};
use crate::advice::Advice;
pub(crate) use world::{Fault, Memory, Moment, World};

const COMMON: &[Field] = &[
    Field { pattern: "fixed", rule: Rule::Immutable },
    Field { pattern: "token", rule: Rule::Computed },
    Field { pattern: "password", rule: Rule::Sensitive },
    Field { pattern: "uses", rule: Rule::Set },
    Field { pattern: "tied", rule: Rule::Tie },
];

/// An ordinary kind.
pub(crate) static THING: Kind =
    Kind { common: COMMON, outputs: &["/token"], restarts: &["image"], ..Kind::plain("thing") };
/// A kind that holds data.
pub(crate) static DISK: Kind = Kind {
    common: COMMON,
    fields: &[Field { pattern: "zone", rule: Rule::Immutable }, Field { pattern: "size", rule: Rule::GrowOnly }],
    replace: Replace::Refused(safe_way),
    holds: Holds::Data,
    unattached: Some(|disk| disk["attached"] == false),
    outputs: &["/token"],
    ..Kind::plain("disk")
};
/// A kind that holds data, of which a copy is taken before it goes.
pub(crate) static VAULT: Kind = Kind { common: COMMON, holds: Holds::Data, safeguarded: true, ..Kind::plain("vault") };
/// A container.
pub(crate) static GROUP: Kind =
    Kind { common: COMMON, holds: Holds::Objects, outputs: &["/token"], ..Kind::plain("group") };
/// A container that nobody waits for long.
pub(crate) static HOST: Kind =
    Kind { common: COMMON, holds: Holds::Objects, timeout: Duration::from_millis(1), ..Kind::plain("host") };
/// A kind whose server says what a change would do.
pub(crate) static ASKED: Kind = Kind { common: COMMON, preview: true, outputs: &["/token"], ..Kind::plain("asked") };
/// A kind that cannot carry the lineage.
pub(crate) static BARE: Kind = Kind { common: COMMON, marked: false, ..Kind::plain("bare") };
/// A kind whose creation goes on behind an operation URL.
pub(crate) static SLOW: Kind = Kind { common: COMMON, outputs: &["/token"], ..Kind::plain("slow") };

/// A workload whose `mounts` are places on volumes, as `part=volume/folder`.
pub(crate) static POD: Kind =
    Kind { common: COMMON, preview: true, restarts: &["mounts"], uses: Some(mounts), ..Kind::plain("pod") };

fn mounts(object: &Json) -> Option<Vec<Use>> {
    let texts = object["mounts"].as_array().into_iter().flatten().filter_map(Json::as_str);
    let place = |text: &str| {
        let (part, place) = text.split_once('=')?;
        let (volume, folder) = place.split_once('/')?;
        Some(Use { part: part.to_owned(), volume: volume.to_owned(), folder: folder.to_owned() })
    };
    Some(texts.filter_map(place).collect())
}

/// A volume that leads to the `data` with that id, or to its own.
pub(crate) static VOLUME: Kind = Kind { common: COMMON, volume: Some(volume), ..Kind::plain("volume") };

fn volume(object: &Json) -> Option<Volume> {
    let behind = object["data"].as_str().map_or(Behind::Itself, |id| Behind::Data(id.to_owned()));
    Some(Volume { name: object["name"].as_str()?.to_owned(), behind })
}

/// All kinds of the tests.
pub(crate) fn kinds(_: &ProviderKey, name: &str) -> Option<&'static Kind> {
    let all = [&THING, &DISK, &VAULT, &GROUP, &HOST, &ASKED, &BARE, &SLOW, &POD, &VOLUME];
    all.into_iter().find(|kind| kind.name == name)
}

fn safe_way(refusal: &Refusal<'_>) -> Vec<Advice> {
    vec![format!("take a snapshot of {} first", refusal.name).into()]
}

/// A store that dies with its process.
struct Mortal {
    store: Arc<dyn Store>,
    world: World,
}

impl Store for Mortal {
    fn lineage(&self) -> &str {
        self.store.lineage()
    }

    fn digester(&self) -> Digester {
        self.store.digester()
    }

    fn schema_version(&self) -> u32 {
        self.store.schema_version()
    }

    fn serial(&self) -> Result<u64, StateError> {
        self.store.serial()
    }

    fn snapshot(&self) -> Result<Snapshot, StateError> {
        self.store.snapshot()
    }

    fn records(&self) -> Result<Vec<Record>, StateError> {
        self.store.records()
    }

    fn record(&self, address: &Address) -> Result<Option<Record>, StateError> {
        self.store.record(address)
    }

    fn open_intents(&self) -> Result<Vec<Intent>, StateError> {
        self.store.open_intents()
    }

    fn runs(&self, limit: usize) -> Result<Vec<HistoryRun>, StateError> {
        self.store.runs(limit)
    }

    fn removed(&self) -> Result<Vec<Address>, StateError> {
        self.store.removed()
    }

    fn durations(&self) -> Result<Vec<ActionDuration>, StateError> {
        self.store.durations()
    }

    fn copy(&self) -> Result<Copy, StateError> {
        self.store.copy()
    }

    fn verify(&self) -> Result<Copy, StateError> {
        self.store.verify()
    }

    fn astray(&self) -> Result<Option<Astray>, StateError> {
        self.store.astray()
    }

    fn accept(&self) -> Result<(), StateError> {
        self.store.accept()
    }

    fn retire(&self, lock: &Lock, to: &str) -> Result<(), StateError> {
        self.store.retire(lock, to)
    }

    fn try_lock(&self, request: &LockRequest) -> Result<Lock, StateError> {
        self.store.try_lock(request)
    }

    fn holder(&self) -> Result<Option<Holder>, StateError> {
        self.store.holder()
    }

    fn unlock(&self, id: &str) -> Result<Holder, StateError> {
        self.store.unlock(id)
    }

    fn renew(&self, lock: &Lock) -> Result<(), StateError> {
        self.store.renew(lock)
    }

    fn commit(&self, lock: &Lock, changes: &[StateChange]) -> Result<u64, StateError> {
        if self.world.is_dead() {
            return Err(StateError::Refused { what: "the disk is full".to_owned() });
        }
        let serial = self.store.commit(lock, changes)?;
        let last = {
            let mut inside = self.world.inside();
            inside.commits += 1;
            inside.moment == Some(Moment::Commit(inside.commits))
        };
        if last {
            self.world.kill();
        }
        Ok(serial)
    }
}

/// A fixed clock and counted ids.
struct Counted(AtomicU64);

impl Environment for Counted {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
    }

    fn unique_id(&self) -> String {
        format!("id-{}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Why a run of a site did not come to its end.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The plan was refused.
    Plan(PlanError),
    /// An open intent could not be settled.
    Reconcile(#[allow(dead_code, reason = "for Debug")] ReconcileError),
    /// The process was killed.
    Killed,
}

/// Called with every event of a run.
type OnEvent = Box<dyn Fn(&Event) + Send>;

/// A project: a world, and a folder with its state.
pub(crate) struct Site {
    folder: TempDir,
    pub world: World,
    pub providers: Providers,
    kinds: Kinds,
    environment: Counted,
    pub lineage: String,
    pub digester: Digester,
    pub events: Mutex<Vec<Event>>,
    /// The ids of all runs, oldest first.
    pub runs: Mutex<Vec<String>>,
    /// Whether the lease of the lock cannot be renewed in the next runs.
    pub lease_is_lost: AtomicBool,
    /// What raises the cancel level of the next run, if anything.
    pub on_event: Mutex<Option<OnEvent>>,
}

/// What a run does besides making the world as the graph says.
#[derive(Default)]
pub(crate) struct Ask {
    pub mode: Option<Mode>,
    pub options: Options,
    pub moment: Option<Moment>,
    pub cancel: Option<Cancel>,
    /// `--no-wait`.
    pub no_wait: bool,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::of(kinds)
    }

    /// A site whose objects are of these kinds.
    pub(crate) fn of(kinds: Kinds) -> Self {
        let folder = TempDir::new().unwrap();
        let store = open(&folder.path().join("kompox.db"));
        let world = World::default();
        let memory: Arc<dyn Provider> = Arc::new(Memory(world.clone()));
        let providers = ["test", "other", "third"].map(|key| (key.into(), Arc::clone(&memory))).into();
        Self {
            folder,
            world,
            providers,
            kinds,
            environment: Counted(AtomicU64::new(1)),
            lineage: store.lineage().to_owned(),
            digester: store.digester(),
            events: Mutex::default(),
            runs: Mutex::default(),
            lease_is_lost: AtomicBool::new(false),
            on_event: Mutex::default(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The store as another process opens it.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        open(&self.path("kompox.db"))
    }

    /// Writes into the state without a run.
    pub(crate) fn commit(&self, changes: Vec<StateChange>) {
        let store = self.store();
        let lock = store.try_lock(&request()).unwrap();
        store.commit(&lock, &changes).unwrap();
    }

    pub(crate) fn records(&self) -> BTreeMap<Address, Record> {
        self.store().records().unwrap().into_iter().map(|record| (record.address.clone(), record)).collect()
    }

    pub(crate) fn record(&self, address: &str) -> Option<Record> {
        self.store().record(&Address::parse(address).unwrap()).unwrap()
    }

    /// Changes the records of the state behind kompox's back.
    pub(crate) fn rewrite(&self, changes: Vec<StateChange>) {
        let store = self.store();
        let lock = store.try_lock(&request()).unwrap();
        store.commit(&lock, &changes).unwrap();
    }

    /// Puts a copy of a record under another address.
    pub(crate) fn alias(&self, from: &str, to: &str, change: impl FnOnce(&mut Record)) {
        let mut record = Record { address: Address::parse(to).unwrap(), ..self.record(from).unwrap() };
        change(&mut record);
        self.rewrite(vec![StateChange::PutRecord(Box::new(record))]);
    }

    /// A secret under this state's key.
    pub(crate) fn secret(&self, text: &str) -> Value {
        Value::sensitive(Sensitive::new(text, self.digester.digest(text.as_bytes())))
    }

    pub(crate) async fn plan(&self, graph: &Graph) -> Result<Plan, PlanError> {
        self.plan_as(graph, Mode::Apply, &Options::default()).await
    }

    pub(crate) async fn plan_as(&self, graph: &Graph, mode: Mode, options: &Options) -> Result<Plan, PlanError> {
        self.world.start(None);
        self.plan_from(graph, mode, options, &self.store().snapshot().unwrap()).await
    }

    async fn plan_from(
        &self,
        graph: &Graph,
        mode: Mode,
        options: &Options,
        snapshot: &Snapshot,
    ) -> Result<Plan, PlanError> {
        planner::plan(self.inputs(graph, mode, options, snapshot)).await
    }

    /// What a plan is made from.
    pub(crate) fn inputs<'a>(
        &'a self,
        graph: &'a Graph,
        mode: Mode,
        options: &'a Options,
        snapshot: &'a Snapshot,
    ) -> Inputs<'a> {
        Inputs {
            graph,
            snapshot,
            lineage: &self.lineage,
            digester: &self.digester,
            providers: &self.providers,
            kinds: self.kinds,
            mode,
            options,
            inputs: BTreeMap::from([("kompoxapp.yml".to_owned(), "digest".to_owned())]),
            chosen: BTreeMap::new(),
            hosts: Vec::new(),
            imports: Vec::new(),
            lacks_apps: false,
            dangers: Vec::new(),
            notes: Vec::new(),
            engine_version: "0.1.0",
        }
    }

    /// Reconcile, plan, apply; everything must come to its end.
    pub(crate) async fn apply(&self, graph: &Graph) -> Summary {
        let summary = self.run(graph, Ask::default()).await.unwrap();
        assert!(summary.is_complete(), "{summary:?}");
        summary
    }

    /// Reconcile, plan, apply, as one process does it.
    pub(crate) async fn run(&self, graph: &Graph, mut ask: Ask) -> Result<Summary, Stopped> {
        let moment = ask.moment.take();
        let cancel = ask.cancel.take();
        let mode = ask.mode.unwrap_or(Mode::Apply);
        self.process(moment, (!ask.no_wait, cancel), async |run: &Run<'_>, store: &dyn Store| {
            reconcile(run, &store.open_intents().unwrap()).await.map_err(Stopped::Reconcile)?;
            let snapshot = store.snapshot().unwrap();
            let plan = self.plan_from(graph, mode, &ask.options, &snapshot).await.map_err(Stopped::Plan)?;
            Ok(self.carry_out(run, &plan, graph, &snapshot).await)
        })
        .await
    }

    /// Applies a plan that was made before, without looking.
    pub(crate) async fn apply_plan(&self, plan: &Plan, graph: &Graph, ask: Ask) -> Result<Summary, Stopped> {
        self.process(ask.moment, (!ask.no_wait, ask.cancel), async |run: &Run<'_>, store: &dyn Store| {
            let snapshot = store.snapshot().unwrap();
            Ok(self.carry_out(run, plan, graph, &snapshot).await)
        })
        .await
    }

    /// Settles what is open.
    pub(crate) async fn reconcile(&self) -> Result<(), Stopped> {
        self.process(None, (true, None), async |run: &Run<'_>, store: &dyn Store| {
            reconcile(run, &store.open_intents().unwrap()).await.map_err(Stopped::Reconcile)
        })
        .await
    }

    async fn carry_out(&self, run: &Run<'_>, plan: &Plan, graph: &Graph, snapshot: &Snapshot) -> Summary {
        let work = Work { plan, graph, records: &snapshot.records, durations: &[], parallelism: 3 };
        apply(run, &work).await
    }

    /// One process that holds the lock from its start to its end, which may be a sudden one.
    async fn process<T>(
        &self,
        moment: Option<Moment>,
        (wait, cancel): (bool, Option<Cancel>),
        work: impl AsyncFnOnce(&Run<'_>, &dyn Store) -> Result<T, Stopped>,
    ) -> Result<T, Stopped> {
        self.world.start(moment);
        let store: Arc<dyn Store> = Arc::new(Mortal { store: self.store(), world: self.world.clone() });
        let lock = store.try_lock(&request()).unwrap();
        let lease = Arc::new(Lease::keep(Arc::clone(&store), lock, Instant::now()));
        if self.lease_is_lost.load(Ordering::Relaxed) {
            lease.lose();
        }
        let journal = Journal::start(lease);
        let sink = |event: Event| {
            if let Some(act) = self.on_event.lock().unwrap().as_ref() {
                act(&event);
            }
            self.events.lock().unwrap().push(event);
        };
        let run = Run {
            id: self.environment.unique_id(),
            journal: &journal,
            providers: &self.providers,
            kinds: self.kinds,
            lineage: &self.lineage,
            digester: &self.digester,
            environment: &self.environment,
            sink: &sink,
            wait,
            started: Instant::now(),
            cancel: cancel.unwrap_or_else(cancel::never),
            notes: Default::default(),
        };
        self.runs.lock().unwrap().push(run.id.clone());
        tokio::select! {
            biased;
            () = self.world.died.notified() => Err(Stopped::Killed),
            result = work(&run, store.as_ref()) => {
                // A kill right after the last commit.
                if self.world.is_dead() { self.world.died.notified().await; Err(Stopped::Killed) } else { result }
            }
        }
    }

    /// The wish is what there is: nothing to plan, nothing open, every object once and in one record.
    pub(crate) async fn assert_converged(&self, graph: &Graph) {
        self.assert_converged_beside(graph, &[]).await;
    }

    /// The same, with objects that the state forgot and that were kept.
    pub(crate) async fn assert_converged_beside(&self, graph: &Graph, kept: &[&str]) {
        let plan = self.plan(graph).await.unwrap();
        assert!(plan.is_empty(), "{:#?}", plan.actions);
        let snapshot = self.store().snapshot().unwrap();
        assert_eq!(snapshot.open_intents, []);
        let recorded: BTreeSet<&str> = snapshot.records.iter().map(|record| record.address.as_str()).collect();
        let wanted: BTreeSet<&str> = graph.iter().map(|node| node.address.as_str()).collect();
        assert_eq!(recorded, wanted);
        let mut ids: Vec<&str> =
            snapshot.records.iter().map(|record| record.physical_id.as_str()).chain(kept.iter().copied()).collect();
        ids.sort_unstable();
        assert_eq!(ids, self.world.ids());
    }
}

fn open(path: &std::path::Path) -> Arc<dyn Store> {
    kompox_state::open(&kompox_state::Config::Sqlite { path: path.to_owned() }).unwrap()
}

/// Who asks for the lock in tests.
pub(crate) fn request() -> LockRequest {
    LockRequest {
        who: "tester".to_owned(),
        host: "here".to_owned(),
        pid: 1,
        command: "test".to_owned(),
        now: "2026-01-01T00:00:00Z".to_owned(),
        plan_digest: None,
    }
}

/// The address of an object of a kind.
pub(crate) fn address(kind: &Kind, name: &str) -> Address {
    Address::new("/ws/t", kind.name, name)
}

/// A node of a kind whose object has only a name.
pub(crate) fn node(kind: &'static Kind, name: &str) -> Node {
    Node {
        origin: Some(Origin { file: "kompoxapp.yml".into(), line: 7, column: 3 }),
        ..Node::new(address(kind, name), kind, "test".into(), Value::from(json!({"name": name})))
    }
}

impl Node {
    /// With a field.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.desired.set(&[key], value.into());
        self
    }

    /// Referring to the id of another object.
    pub(crate) fn using(mut self, kind: &Kind, name: &str) -> Self {
        let mut uses = match self.desired.get("uses") {
            Some(Value::Array(items)) => items.to_vec(),
            _ => Vec::new(),
        };
        uses.push(Value::output(&address(kind, name), "/id"));
        self.desired.set(&["uses"], Value::Array(uses.into()));
        self
    }

    /// Inside a container.
    pub(crate) fn inside(self, name: &str) -> Self {
        let parent = Value::output(&address(&GROUP, name), "/id");
        self.with("parent", parent)
    }
}

/// A graph of these nodes.
pub(crate) fn graph(nodes: impl IntoIterator<Item = Node>) -> Graph {
    Graph::new(nodes.into_iter().collect()).unwrap()
}

/// A volume that leads to data with this id.
pub(crate) fn leads(name: &str, data: &str) -> Node {
    node(&VOLUME, name).with("data", data)
}

/// A workload on the disk `data` by a volume of its own, in an API.
pub(crate) fn user(name: &str, api: &str) -> [Node; 2] {
    let volume_name = format!("v-{name}");
    let mut volume = leads(&volume_name, "/DATA");
    volume.depends_on = vec![address(&DISK, "data")];
    let mounts = Value::Array([Value::from(format!("x={volume_name}/x"))].into());
    let pod = node(&POD, name).with("mounts", mounts).using(&DISK, "data").using(&VOLUME, &volume_name);
    [volume, pod].map(|node| Node { provider: api.into(), ..node })
}

/// Workloads on the disk `data`, each with a volume of its own.
pub(crate) fn users(pods: &[(&str, &str)]) -> Graph {
    graph(std::iter::once(node(&DISK, "data")).chain(pods.iter().flat_map(|(name, api)| user(name, api))))
}

/// A site where this was applied.
pub(crate) async fn applied(wish: &Graph) -> Site {
    let site = Site::new();
    site.apply(wish).await;
    site.world.take_log();
    site
}

/// The actions of a plan, as `create thing/a`.
pub(crate) fn verbs(plan: &Plan) -> Vec<String> {
    plan.actions.iter().map(|planned| format!("{} {}", planned.action, planned.address.short())).collect()
}

/// All texts of the problems that stop a plan, help included.
pub(crate) fn problems(result: Result<Plan, PlanError>) -> String {
    let error = result.expect_err("the plan should be refused");
    let lines = error.problems.iter().flat_map(|problem| {
        let place = problem.origin.as_ref().map(|origin| format!("at {origin}"));
        std::iter::once(problem.message.clone()).chain(place).chain(problem.help.iter().map(ToString::to_string))
    });
    lines.collect::<Vec<_>>().join("\n")
}
