//! A session: the project, its state and its connections, as a command needs them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kompox_state::{Change, Lock, LockRequest, RunResult, Snapshot, StateError, Store};

use super::connect::Connections;
use super::error::{CliError, typed};
use super::global::{Global, Terminal};
use super::{output, wanted};
use crate::compose::gate::Gate;
use crate::diag::{Diagnostics, Severity};
use crate::engine::address::{self, Address, ResolveError, resolve};
use crate::engine::cancel;
use crate::engine::event::Sink;
use crate::engine::graph::Graph;
use crate::engine::journal::Journal;
use crate::engine::plan::{Mode, Plan, Verb};
use crate::engine::planner::{self, Inputs, Options};
use crate::engine::provider::Providers;
use crate::engine::reconcile::reconcile;
use crate::engine::run::{Environment, Run, SharedEnvironment, System, timestamp};
use crate::kom::layout::{Layout, StateConfig, discover};
use crate::kom::load::{LoadOptions, Loaded, load_chosen};
use crate::providers::azure::SignIns;
use crate::report;
use crate::resources::drivers::aks::storage::{Chance, imports};
use crate::resources::expand::{Connection, Expanded, Request, expand};
use crate::resources::kinds;
use crate::resources::scope::{Known, StateView};
use crate::text::host::is_loopback;
use kompox_sandbox::{self as sandbox, Sandbox};

/// The version that plans and applies.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The longest time that one request takes, after which a holder that is gone can have none under way.
const LAST_REQUEST: Duration = Duration::from_secs(60);

/// The manifests of a project.
pub struct Manifests {
    /// Where it is.
    pub layout: Layout,
    /// What it says.
    pub loaded: Loaded,
}

/// Reads the manifests.
pub fn read_manifests(global: &Global) -> Result<Manifests, CliError> {
    let request = global.layout_request()?;
    let layout = discover(&request)?;
    let loaded = load_chosen(&layout, &request, &LoadOptions::default(), &|app| global.leaves_out(app))?;
    Ok(Manifests { layout, loaded })
}

/// Where the state is. The sandbox's is a file, whatever the project's is.
pub fn state_config(layout: &Layout, sandbox: bool) -> kompox_state::Config {
    let file = |name: &str| kompox_state::Config::Sqlite { path: layout.dir.join("state").join(name) };
    match &layout.config.state {
        _ if sandbox => file("sandbox.db"),
        StateConfig::Sqlite { path: Some(path) } => kompox_state::Config::Sqlite { path: path.clone() },
        StateConfig::Sqlite { path: None } => file("kompox.db"),
    }
}

/// Where the sandbox's world is.
pub fn sandbox_path(layout: &Layout) -> PathBuf {
    layout.dir.join("sandbox")
}

/// A project at work.
pub struct Session<'g> {
    global: &'g Global,
    /// Its manifests, where the command needs them.
    pub loaded: Option<Loaded>,
    /// Where it is.
    pub layout: Layout,
    /// Its state.
    pub store: Arc<dyn Store>,
    /// Time and randomness.
    pub environment: SharedEnvironment,
    variables: BTreeMap<String, String>,
    /// Those that compose files may read.
    gate: Gate,
    sandbox: Option<Sandbox>,
    /// The sandbox's endpoint and token.
    endpoint: Option<(String, String)>,
    /// Shared by all connections of the run, so that it signs in once.
    sign_ins: SignIns,
}

/// A plan with what it was made from.
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The graph, with the secrets that the plan does not hold.
    pub graph: Graph,
    /// The state that it was made from.
    pub snapshot: Snapshot,
    /// The providers.
    pub providers: Providers,
}

impl<'g> Session<'g> {
    /// Opens a project with its manifests.
    pub async fn open(global: &'g Global) -> Result<Self, CliError> {
        let manifests = read_manifests(global)?;
        Self::start(global, manifests.layout, Some(manifests.loaded)).await
    }

    /// Opens a project for what needs its state only; manifests that do not load are no hindrance.
    pub async fn open_state(global: &'g Global) -> Result<Self, CliError> {
        let request = global.layout_request()?;
        let layout = discover(&request)?;
        let loaded = load_chosen(&layout, &request, &LoadOptions::default(), &|app| global.leaves_out(app)).ok();
        Self::start(global, layout, loaded).await
    }

    async fn start(global: &'g Global, layout: Layout, loaded: Option<Loaded>) -> Result<Self, CliError> {
        let store = kompox_state::open(&state_config(&layout, global.sandbox))?;
        let variables = global.environment();
        let (sandbox, endpoint) = match (global.sandbox, &global.sandbox_endpoint) {
            (false, _) => (None, None),
            (true, Some(endpoint)) => {
                // Needed for another user's sandbox only; of one's own project it is at hand.
                let given = variables.get("KOMPOX_SANDBOX_TOKEN").filter(|token| !token.is_empty()).cloned();
                let token = given.or_else(|| sandbox::existing_token(&sandbox_path(&layout)));
                let token = token.unwrap_or_else(|| format!("{}local", sandbox::TOKEN_PREFIX));
                (None, Some((loopback(endpoint)?, token)))
            }
            (true, None) => {
                let config = sandbox::Config::new(sandbox_path(&layout));
                let sandbox = Sandbox::start(config, SocketAddr::from(([127, 0, 0, 1], 0))).await?;
                let endpoint = (sandbox.endpoint(), sandbox.token().to_owned());
                (Some(sandbox), Some(endpoint))
            }
        };
        Ok(Self {
            global,
            loaded,
            layout,
            store,
            environment: Arc::new(System),
            variables,
            gate: global.gate(),
            sandbox,
            endpoint,
            sign_ins: SignIns::default(),
        })
    }

    /// Stops the embedded sandbox, if one runs.
    pub async fn close(self) {
        if let Some(sandbox) = self.sandbox {
            sandbox.stop().await;
        }
    }

    /// The manifests, or why there are none.
    pub fn manifests(&self) -> Result<&Loaded, CliError> {
        self.loaded
            .as_ref()
            .ok_or_else(|| CliError::message("the manifests do not load").help("see what is wrong:  kompox validate"))
    }

    /// Everything in the state at one instant.
    pub fn snapshot(&self) -> Result<Snapshot, CliError> {
        Ok(self.store.snapshot()?)
    }

    /// Expands the manifests. Prints their warnings once.
    pub fn expand(&self, snapshot: &Snapshot, fixed: Fixed, terminal: &Terminal) -> Result<Expanded, CliError> {
        let expanded = self.expand_silently(snapshot, fixed)?;
        self.print_findings_of(&expanded, terminal)?;
        Ok(expanded)
    }

    fn print_findings_of(&self, expanded: &Expanded, terminal: &Terminal) -> Result<(), CliError> {
        let mut all = self.manifests()?.diagnostics.clone();
        all.extend(expanded.diagnostics.clone());
        print_findings(&all, terminal);
        Ok(())
    }

    fn expand_silently(&self, snapshot: &Snapshot, fixed: Fixed) -> Result<Expanded, CliError> {
        let loaded = self.manifests()?;
        let view = state_view(self.store.lineage(), &self.store.digester(), snapshot, fixed);
        let random = || random_number(self.environment.as_ref());
        let request = Request {
            project: &loaded.project,
            sources: &loaded.sources,
            leaves_out: &|app| self.global.leaves_out(app),
            environment: &self.variables,
            gate: &self.gate,
            state: &view,
            chance: Chance { now: self.environment.now(), random: &random },
        };
        Ok(expand(&request)?)
    }

    /// Looks for the key vaults of which the manifests say the name only. Whoever may not look, or finds none, goes on
    /// without them, and is told by the expansion.
    async fn look_up(&self, expanded: &Expanded, fixed: &mut Fixed) {
        let opener = self.connections(&expanded.connections);
        let keys: BTreeSet<&Arc<str>> = expanded.lookups.iter().map(|lookup| &lookup.provider).collect();
        for key in keys {
            let wanted: Vec<_> = expanded.lookups.iter().filter(|lookup| lookup.provider == *key).collect();
            let names: Vec<String> = wanted.iter().map(|lookup| lookup.vault.clone()).collect();
            let found = opener.vaults(key, &names).await.unwrap_or_default();
            fixed.vaults.extend(
                wanted.iter().map(|lookup| (lookup.address.clone(), found.get(&lookup.vault.to_lowercase()).cloned())),
            );
        }
    }

    fn connections<'a>(&'a self, known: &'a BTreeMap<Arc<str>, Connection>) -> Connections<'a> {
        Connections {
            known,
            environment: &self.variables,
            sandbox: self.endpoint.as_ref().map(|(endpoint, token)| (endpoint.as_str(), token.as_str())),
            seed: random_number(self.environment.as_ref()),
            sign_ins: &self.sign_ins,
        }
    }

    /// Providers for everything that the graph and the state speak of.
    pub fn providers(
        &self,
        connections: &BTreeMap<Arc<str>, Connection>,
        snapshot: &Snapshot,
    ) -> Result<Providers, CliError> {
        let opener = self.connections(connections);
        let keys: BTreeSet<&str> = connections
            .keys()
            .map(AsRef::as_ref)
            .chain(snapshot.records.iter().map(|record| record.provider.as_str()))
            .chain(snapshot.open_intents.iter().map(|intent| intent.provider.as_str()))
            .collect();
        opener.open(keys)
    }

    /// Makes a plan. `adjust` turns what the user typed into options, once graph and state are known.
    pub async fn plan(
        &self,
        mode: Mode,
        fixed: Fixed,
        terminal: &Terminal,
        adjust: impl Fn(&Graph, &Snapshot) -> Result<Options, CliError>,
    ) -> Result<Planned, CliError> {
        let snapshot = self.snapshot()?;
        if matches!(mode, Mode::Apply | Mode::Import) {
            wanted::refuse_nothing(&self.manifests()?.project, &self.layout, &snapshot)?;
        }
        let (graph, expanded) = match mode {
            Mode::Destroy => (Graph::default(), None),
            Mode::Apply | Mode::Import | Mode::RefreshOnly => {
                let mut expanded = self.expand_silently(&snapshot, fixed.clone())?;
                if !expanded.lookups.is_empty() && adjust(&expanded.graph, &snapshot)?.refresh {
                    let mut fixed = fixed;
                    // Names chosen at random stay the same in the second expansion.
                    fixed.chosen.extend(expanded.chosen.clone());
                    self.look_up(&expanded, &mut fixed).await;
                    expanded = self.expand_silently(&snapshot, fixed)?;
                }
                self.print_findings_of(&expanded, terminal)?;
                (std::mem::take(&mut expanded.graph), Some(expanded))
            }
        };
        let connections = match &expanded {
            Some(expanded) => expanded.connections.clone(),
            None => self.sign_in(&snapshot),
        };
        let providers = self.providers(&connections, &snapshot)?;
        let options = adjust(&graph, &snapshot)?;
        let digester = self.store.digester();
        let (inputs, chosen, hosts) =
            expanded.map_or_else(Default::default, |expanded| (expanded.inputs, expanded.chosen, expanded.hosts));
        let request = Inputs {
            graph: &graph,
            snapshot: &snapshot,
            lineage: self.store.lineage(),
            digester: &digester,
            providers: &providers,
            kinds: kinds::find,
            mode,
            options: &options,
            inputs,
            chosen,
            hosts,
            imports: self.loaded.as_ref().map(|loaded| imports(&loaded.project)).unwrap_or_default(),
            engine_version: VERSION,
        };
        let mut plan = planner::plan(request).await.map_err(|error| {
            let sources = self.loaded.as_ref().map(|loaded| loaded.sources.as_slice()).unwrap_or_default();
            CliError::problems(error.problems, sources)
        })?;
        plan.rehearsal = self.global.sandbox;
        Ok(Planned { plan, graph, snapshot, providers })
    }

    /// How to sign in, for what works from the state alone: no manifest is needed, but one that is there is used.
    pub fn sign_in(&self, snapshot: &Snapshot) -> BTreeMap<Arc<str>, Connection> {
        let Some(loaded) = &self.loaded else { return BTreeMap::new() };
        let view = state_view(self.store.lineage(), &self.store.digester(), snapshot, Fixed::default());
        let request = Request {
            project: &loaded.project,
            sources: &loaded.sources,
            leaves_out: &|app| self.global.leaves_out(app),
            environment: &self.variables,
            gate: &self.gate,
            state: &view,
            chance: Chance { now: self.environment.now(), random: &|| 0 },
        };
        expand(&request).map(|expanded| expanded.connections).unwrap_or_default()
    }

    /// Takes the lock; waits as long as the user allows.
    pub async fn lock(&self, plan_digest: Option<String>) -> Result<Arc<Lock>, CliError> {
        let request = LockRequest {
            who: actor(&self.variables),
            host: host(),
            pid: std::process::id(),
            command: command_line(self.global.sandbox),
            now: timestamp(self.environment.now()),
            plan_digest,
        };
        let give_up = Instant::now() + Duration::from_secs(self.global.lock_timeout);
        loop {
            match self.store.try_lock(&request) {
                Ok(lock) => {
                    if let Some(gone) = lock.expired_holder() {
                        // A request that it sent last may still be under way.
                        output::stderr(|err| {
                            writeln!(
                                err,
                                "note: the lock of {gone} has expired; waiting until its last request is over"
                            )
                        });
                        tokio::time::sleep(LAST_REQUEST).await;
                    }
                    if let Some(dead) = lock.cleared_dead_holder() {
                        output::stderr(|err| {
                            writeln!(err, "note: the lock of {dead} was cleared: that process is gone")
                        });
                    }
                    return Ok(Arc::new(lock));
                }
                Err(StateError::Locked { .. } | StateError::Busy { .. }) if Instant::now() < give_up => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(error @ (StateError::Locked { .. } | StateError::Busy { .. })) => {
                    return Err(CliError::from(error)
                        .help("wait for it:  --lock-timeout 300")
                        .help("plan without the lock is always possible:  kompox plan"));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether an earlier run ended without being able to say so.
    pub fn is_unsettled(&self, snapshot: &Snapshot) -> Result<bool, CliError> {
        Ok(!snapshot.open_intents.is_empty() || self.store.runs(50)?.iter().any(|run| run.finished_at.is_none()))
    }

    /// Looks into what an interrupted run left open, and closes that run's history entry.
    pub async fn settle(
        &self,
        journal: &Journal,
        providers: &Providers,
        run_id: &str,
        sink: &dyn Sink,
    ) -> Result<(), CliError> {
        let open = self.store.open_intents()?;
        let digester = self.store.digester();
        let run = self.run(journal, providers, run_id, &digester, sink, true);
        reconcile(&run, &open).await.map_err(|error| {
            CliError::message(error.to_string()).help("nothing was changed; run it again once it can be read")
        })?;
        let now = timestamp(self.environment.now());
        let unfinished =
            self.store.runs(50)?.into_iter().filter(|run| run.finished_at.is_none()).map(|run| Change::FinishRun {
                id: run.id,
                finished_at: now.clone(),
                result: RunResult::Interrupted,
                counts: run.counts,
                duration_ms: run.duration_ms.unwrap_or_default(),
            });
        let unfinished: Vec<_> = unfinished.collect();
        if !unfinished.is_empty() {
            journal.commit(unfinished).await?;
        }
        Ok(())
    }

    /// What every part of a run that writes needs.
    pub fn run<'a>(
        &'a self,
        journal: &'a Journal,
        providers: &'a Providers,
        id: &str,
        digester: &'a kompox_state::Digester,
        sink: &'a dyn Sink,
        wait: bool,
    ) -> Run<'a> {
        Run {
            id: id.to_owned(),
            journal,
            providers,
            kinds: kinds::find,
            lineage: self.store.lineage(),
            digester,
            environment: self.environment.as_ref(),
            sink,
            wait,
            started: Instant::now(),
            cancel: cancel::never(),
            notes: Default::default(),
        }
    }

    /// The addresses that the user's selection means, or none for all.
    pub fn selection(&self, graph: &Graph, snapshot: &Snapshot, targets: &[String]) -> Result<Vec<Address>, CliError> {
        let names = self.names(graph, snapshot)?;
        let mut selected = Vec::new();
        for target in targets {
            selected.push(names.find("--target", target)?);
        }
        // What is gone already is selected too: a selection of nothing else must not become one of everything.
        let all: Vec<Address> = names.present.iter().chain(&names.gone).cloned().collect();
        let scopes = self.scopes(&all)?;
        selected.extend(all.into_iter().filter(|address| {
            scopes
                .iter()
                .any(|scope| address.as_str().strip_prefix(scope.as_str()).is_some_and(|rest| rest.starts_with('/')))
        }));
        Ok(selected)
    }

    /// What the words of a command can name.
    pub fn names(&self, graph: &Graph, snapshot: &Snapshot) -> Result<Names, CliError> {
        let removed = self.store.removed()?;
        let present = addresses(graph, snapshot);
        let gone = removed.into_iter().filter(|address| !present.contains(address));
        Ok(Names { gone: gone.collect(), present })
    }

    /// Resource IDs that the selectors name: an app's, and the one under which what outlives its cluster is addressed.
    fn scopes(&self, all: &[Address]) -> Result<Vec<String>, CliError> {
        let global = self.global;
        let (wanted, segment) = match (&global.app_id, &global.app_name, &global.cluster_id, &global.cluster_name) {
            (Some(id), ..) => (id.clone(), "/app/"),
            (_, Some(name), ..) => (format!("app/{name}"), "/app/"),
            (_, _, Some(id), _) => (id.clone(), "/cls/"),
            (.., Some(name)) => (format!("cls/{name}"), "/cls/"),
            (None, None, None, None) => return Ok(Vec::new()),
        };
        let known: BTreeSet<Address> = all.iter().filter_map(|address| prefix_of(address, segment)).collect();
        // What outlives a cluster stands beside the app, not under it; only the app itself can be meant.
        let meant: Vec<Address> =
            known.iter().filter(|id| segment != "/app/" || id.as_str().contains("/cls/")).cloned().collect();
        let id = resolve(&wanted, &meant).map_err(|error| CliError::message(error.to_string()))?;
        let mut scopes = vec![id.as_str().to_owned()];
        if let Some((provider, rest)) = id.as_str().split_once("/cls/")
            && let Some((_, app)) = rest.split_once("/app/")
        {
            scopes.push(format!("{provider}/app/{app}"));
        }
        Ok(scopes)
    }
}

fn prefix_of(address: &Address, segment: &str) -> Option<Address> {
    let text = address.as_str();
    let start = text.find(segment)? + segment.len();
    let end = start + text[start..].find('/')?;
    Address::parse(&text[..end]).ok()
}

/// The Resource IDs of all clusters in which something is or is to be.
pub fn clusters(all: &[Address]) -> Vec<Address> {
    let ids: BTreeSet<Address> = all.iter().filter_map(|address| prefix_of(address, "/cls/")).collect();
    ids.into_iter().collect()
}

/// All addresses of graph and state.
pub fn addresses(graph: &Graph, snapshot: &Snapshot) -> Vec<Address> {
    let recorded = snapshot.records.iter().map(|record| record.address.clone());
    let all: BTreeSet<Address> = graph.iter().map(|node| node.address.clone()).chain(recorded).collect();
    all.into_iter().collect()
}

/// What the words of a command can name: what is wanted or recorded, and what had a record once. A command that was
/// interrupted is typed again as it was, although some of what it names is gone by then.
pub struct Names {
    /// Addresses of graph and state.
    pub present: Vec<Address>,
    /// Addresses that the state held once.
    pub gone: Vec<Address>,
}

impl Names {
    /// The address that a text means. One that is gone is told, and found all the same; a whole address is taken as gone
    /// even if nobody remembers it.
    ///
    /// # Errors
    /// Several have this suffix, or nothing has it and nothing ever had.
    pub fn find(&self, flag: &str, text: &str) -> Result<Address, CliError> {
        let error = match resolve(text, &self.present) {
            Ok(address) => return Ok(address),
            Err(error @ ResolveError::Ambiguous { .. }) => error,
            Err(error @ ResolveError::None { .. }) => {
                if let Some(address) = self.was(text) {
                    output::stderr(|err| writeln!(err, "note: {flag}: {address} is gone already"));
                    return Ok(address);
                }
                if let Some(address) = whole(text) {
                    output::stderr(|err| {
                        writeln!(
                            err,
                            "note: {flag}: nothing has the address {text}, and the state remembers none that had; taken as gone"
                        )
                    });
                    return Ok(address);
                }
                error
            }
        };
        Err(CliError::message(format!("{flag}: {error}")))
    }

    /// The address with this suffix that is gone; if several are, the last of them by name, since nothing is done to any.
    pub fn was(&self, text: &str) -> Option<Address> {
        self.gone.iter().rev().find(|address| address::names(text, address.as_str())).cloned()
    }
}

/// The address that a text is, if it is a whole one: a Resource ID, a kind that there is, and a name.
fn whole(text: &str) -> Option<Address> {
    let address = Address::parse(text).ok()?;
    let steps: Vec<&str> = address.scope().split('/').collect();
    let pairs = steps.get(1..).unwrap_or_default().chunks(2);
    let levels: Option<Vec<&str>> = pairs
        .map(|pair| match pair {
            [level, name] if !name.is_empty() => Some(*level),
            _ => None,
        })
        .collect();
    let is_id = levels.is_some_and(|levels| {
        let mut order = ["ws", "prv", "cls", "app"].iter();
        levels.first() == Some(&"ws") && levels.iter().all(|level| order.any(|known| known == level))
    });
    (is_id && kinds::find(address.kind()).is_some()).then_some(address)
}

/// What is fixed before an expansion: names of a saved plan, and objects to be imported.
#[derive(Debug, Clone, Default)]
pub struct Fixed {
    /// Names that nobody chose.
    pub chosen: BTreeMap<Address, String>,
    /// Objects to adopt, by address.
    pub imports: BTreeMap<Address, String>,
    /// Key vaults that were looked for, by the address that stands for each.
    pub vaults: BTreeMap<Address, Option<String>>,
}

/// What an expansion takes from the state.
pub fn state_view(lineage: &str, digester: &kompox_state::Digester, snapshot: &Snapshot, fixed: Fixed) -> StateView {
    let known = snapshot.records.iter().map(|record| {
        let known = Known {
            physical_id: record.physical_id.clone(),
            adopted: record.protection.adopted,
            outputs: record.outputs.value(),
            applied: record.applied.value(),
        };
        (record.address.clone(), known)
    });
    let mut known: BTreeMap<Address, Known> = known.collect();
    for (address, id) in &fixed.imports {
        let (outputs, applied) = (serde_json::json!({}), serde_json::json!({}));
        let import = Known { physical_id: id.clone(), adopted: true, outputs, applied };
        known.insert(address.clone(), import);
    }
    let mut chosen = chosen_by_intents(snapshot);
    chosen.extend(fixed.chosen);
    StateView {
        lineage: lineage.to_owned(),
        digester: digester.clone(),
        known,
        chosen,
        imports: fixed.imports,
        vaults: fixed.vaults,
    }
}

/// Names that interrupted creations have fixed. They stay fixed when nothing of the object is found: its request may
/// still be on its way, and must not meet a second object under another name.
pub fn chosen_by_intents(snapshot: &Snapshot) -> BTreeMap<Address, String> {
    let creations = snapshot.open_intents.iter().filter(|intent| intent.action == Verb::Create);
    let named = creations.filter_map(|intent| {
        let name = intent.physical_id.as_deref()?.rsplit('/').next()?;
        Some((intent.address.clone(), name.to_owned()))
    });
    named.collect()
}

/// Prints warnings and notes to stderr.
pub fn print_findings(diagnostics: &Diagnostics, terminal: &Terminal) {
    if diagnostics.iter().any(|finding| finding.severity >= Severity::Warning) {
        output::stderr(|err| report::diagnostics::text(err, &typed(diagnostics, terminal), &terminal.err));
    }
}

fn random_number(environment: &dyn Environment) -> u64 {
    let id = environment.unique_id();
    // The ids are random UUIDs: their first sixteen digits are a random number.
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    u64::from_str_radix(&digits, 16).unwrap_or_default()
}

/// Who runs this, by the environment.
pub fn actor(variables: &BTreeMap<String, String>) -> String {
    let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| variables.get(*name));
    user.cloned().unwrap_or_else(|| "unknown".to_owned())
}

/// The name of this machine.
pub fn host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

/// The command without its arguments, which others need not see.
fn command_line(sandbox: bool) -> String {
    let names = super::command_names();
    let words: Vec<String> = std::env::args().skip(1).filter(|word| names.contains(word)).collect();
    format!("kompox{} {}", if sandbox { " --sandbox" } else { "" }, words.join(" "))
}

fn loopback(endpoint: &str) -> Result<String, CliError> {
    let url = url::Url::parse(endpoint)
        .map_err(|error| CliError::message(format!("--sandbox-endpoint {endpoint} is no URL: {error}")))
        .map_err(|error| error.help("start one:  kompox sandbox serve; it prints its URL"))?;
    if !url.host_str().is_some_and(is_loopback) || url.scheme() != "http" {
        return Err(CliError::message("--sandbox-endpoint must be an http URL on this machine")
            .help("start one:  kompox sandbox serve"));
    }
    Ok(endpoint.trim_end_matches('/').to_owned())
}
