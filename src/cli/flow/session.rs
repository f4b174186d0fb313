//! A session: the project, its state and its connections, as a command needs them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kompox_state::{Place, Snapshot, StateError, Store};

use super::fixed::{Fixed, state_view};
use super::manifests::{self, sandbox_path, state_config};
use crate::advice::{Advice, Command, Name};
use crate::cli::connect::Connections;
use crate::cli::error::CliError;
use crate::cli::global::Global;
use crate::cli::ui::Ui;
use crate::compose::gate::Gate;
use crate::engine::address::Address;
use crate::engine::cancel;
use crate::engine::event::Sink;
use crate::engine::journal::Journal;
use crate::engine::plan::Verb;
use crate::engine::provider::{ProviderKey, Providers};
use crate::engine::run::{Environment, Run, SharedEnvironment, System};
use crate::kom::layout::{Layout, discover};
use crate::kom::load::{LoadOptions, Loaded, load_chosen};
use crate::providers::azure::SignIns;
use crate::providers::opening::StandIn;
use crate::resources::driver::Connection;
use crate::resources::drivers;
use crate::resources::expand::{Expanded, Keep, Request, expand};
use crate::resources::scope::Chance;
use crate::text::host::is_loopback;
use kompox_sandbox::{self as sandbox, Sandbox};

/// The version that plans and applies.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a command cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Manifests that load.
    Manifests,
    /// The state only; manifests that do not load are no hindrance.
    State,
}

/// Opens a project, does what is to be done, and closes it however that ended: an embedded sandbox is stopped, with
/// everything it was told in its file.
///
/// # Errors
/// It cannot be opened, or those of `work`.
pub async fn with_session<T>(
    global: &Global,
    ui: &Ui,
    needs: Needs,
    work: impl AsyncFnOnce(&Session<'_>) -> Result<T, CliError>,
) -> Result<T, CliError> {
    with_session_over(None, global, ui, needs, work).await
}

/// The same over a state that is not the project's own.
///
/// # Errors
/// As [`with_session`].
pub async fn with_session_over<T>(
    store: Option<Arc<dyn Store>>,
    global: &Global,
    ui: &Ui,
    needs: Needs,
    work: impl AsyncFnOnce(&Session<'_>) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let session = Session::open(store, global, ui, needs).await?;
    let result = work(&session).await;
    session.close().await;
    result
}

/// What is in a state, unless that has moved: nobody writes there any more, so nothing is to be concluded from it.
///
/// # Errors
/// It has moved.
pub fn here(snapshot: Snapshot, place: impl FnOnce() -> Result<Place, CliError>) -> Result<Snapshot, CliError> {
    match snapshot.moved_to {
        Some(to) => Err(StateError::Moved { place: place()?, to }.into()),
        None => Ok(snapshot),
    }
}

/// A project at work.
pub struct Session<'g> {
    /// The options of the call.
    pub global: &'g Global,
    /// The user.
    pub ui: &'g Ui,
    /// Its manifests, where the command needs them.
    pub loaded: Option<Loaded>,
    /// Where it is.
    pub layout: Layout,
    /// Its state.
    pub store: Arc<dyn Store>,
    /// Time and randomness.
    pub environment: SharedEnvironment,
    pub(super) variables: BTreeMap<String, String>,
    /// Those that compose files may read.
    gate: Gate,
    sandbox: Option<Sandbox>,
    /// The sandbox's endpoint and token.
    endpoint: Option<(String, String)>,
    /// Shared by all connections of the run, so that it signs in once.
    sign_ins: SignIns,
}

impl<'g> Session<'g> {
    async fn open(
        store: Option<Arc<dyn Store>>,
        global: &'g Global,
        ui: &'g Ui,
        needs: Needs,
    ) -> Result<Self, CliError> {
        let (layout, loaded) = match needs {
            Needs::Manifests => {
                let manifests = manifests::read(global)?;
                (manifests.layout, Some(manifests.loaded))
            }
            Needs::State => {
                let request = global.layout_request()?;
                let layout = discover(&request)?;
                let options = LoadOptions::default();
                let loaded = load_chosen(&layout, &request, &options, &|app| global.leaves_out(app));
                (layout, loaded.ok())
            }
        };
        let store = match store {
            Some(store) => store,
            None => kompox_state::open(&state_config(&layout, global)?)?,
        };
        let variables = global.environment();
        let (sandbox, endpoint) = stand_in(global, &layout, &variables).await?;
        Ok(Self {
            global,
            ui,
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
    async fn close(self) {
        if let Some(sandbox) = self.sandbox {
            sandbox.stop().await;
        }
    }

    /// The manifests, or why there are none.
    pub fn manifests(&self) -> Result<&Loaded, CliError> {
        self.loaded.as_ref().ok_or_else(|| {
            CliError::new("manifests", "the manifests do not load")
                .help(Advice::run("see what is wrong", Command::new(Name::Validate)))
        })
    }

    /// Everything in the state at one instant.
    pub fn snapshot(&self) -> Result<Snapshot, CliError> {
        here(self.store.snapshot()?, || Ok(state_config(&self.layout, self.global)?.place()))
    }

    /// How long updates have taken on average, by the name of the kind.
    pub fn updates(&self) -> Result<BTreeMap<String, Duration>, CliError> {
        let means = self.store.durations()?.into_iter().filter(|mean| mean.action == Verb::Update);
        Ok(means.map(|mean| (mean.kind, Duration::from_millis(mean.millis))).collect())
    }

    /// Expands the manifests. Prints their warnings once.
    pub fn expand(&self, snapshot: &Snapshot, fixed: Fixed) -> Result<Expanded, CliError> {
        let expanded = self.expand_silently(snapshot, fixed)?;
        self.print_findings_of(&expanded)?;
        Ok(expanded)
    }

    pub(super) fn print_findings_of(&self, expanded: &Expanded) -> Result<(), CliError> {
        let mut all = self.manifests()?.diagnostics.clone();
        all.extend(expanded.diagnostics.clone());
        self.ui.findings(&all);
        Ok(())
    }

    pub(super) fn expand_silently(&self, snapshot: &Snapshot, fixed: Fixed) -> Result<Expanded, CliError> {
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
            keep: Keep::Graph,
        };
        Ok(expand(&request)?)
    }

    pub(super) fn connections<'a>(&'a self, known: &'a BTreeMap<ProviderKey, Connection>) -> Connections<'a> {
        Connections {
            known,
            environment: &self.variables,
            sandbox: self.endpoint.as_ref().map(|(endpoint, token)| StandIn { endpoint, token }),
            allow_exec: self.global.allow_exec,
            seed: random_number(self.environment.as_ref()),
            sign_ins: &self.sign_ins,
        }
    }

    /// Providers for everything that the graph and the state speak of.
    pub fn providers(
        &self,
        connections: &BTreeMap<ProviderKey, Connection>,
        snapshot: &Snapshot,
    ) -> Result<Providers, CliError> {
        let opener = self.connections(connections);
        let keys: BTreeSet<&ProviderKey> = connections
            .keys()
            .chain(snapshot.records.iter().map(|record| &record.provider))
            .chain(snapshot.open_intents.iter().map(|intent| &intent.provider))
            .collect();
        opener.open(keys)
    }

    /// How to sign in, for what works from the state alone: no manifest is needed, but one that is there is used.
    pub fn sign_in(&self, snapshot: &Snapshot) -> BTreeMap<ProviderKey, Connection> {
        let recorded = |address: &Address| {
            let record = snapshot.records.iter().find(|record| record.address == *address)?;
            Some(record.physical_id.clone())
        };
        let project = self.loaded.as_ref().map(|loaded| &loaded.project);
        project.map(|project| drivers::connections(project, &self.variables, &recorded)).unwrap_or_default()
    }

    /// The disks and snapshots that the manifests adopt.
    pub(super) fn imports(&self, snapshot: &Snapshot) -> Vec<(Address, ProviderKey, String)> {
        let recorded = |address: &Address| {
            let record = snapshot.records.iter().find(|record| record.address == *address)?;
            Some(record.physical_id.clone())
        };
        let project = self.loaded.as_ref().map(|loaded| &loaded.project);
        project.map(|project| drivers::imports(project, &self.variables, &recorded)).unwrap_or_default()
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
            kinds: drivers::kind,
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
}

/// What stands for every cloud: a sandbox to be stopped, if one was started, and where it answers with which token. Nothing
/// without `--sandbox`.
pub async fn stand_in(
    global: &Global,
    layout: &Layout,
    variables: &BTreeMap<String, String>,
) -> Result<(Option<Sandbox>, Option<(String, String)>), CliError> {
    Ok(match (global.sandbox, &global.sandbox_endpoint) {
        (false, _) => (None, None),
        (true, Some(endpoint)) => {
            // Needed for another user's sandbox only; of one's own project it is at hand.
            let given = variables.get("KOMPOX_SANDBOX_TOKEN").filter(|token| !token.is_empty()).cloned();
            let token = given.or_else(|| sandbox::existing_token(&sandbox_path(layout)));
            let token = token.unwrap_or_else(|| format!("{}local", sandbox::TOKEN_PREFIX));
            (None, Some((loopback(endpoint)?, token)))
        }
        (true, None) => {
            let config = sandbox::Config::new(sandbox_path(layout));
            let sandbox = Sandbox::start(config, SocketAddr::from(([127, 0, 0, 1], 0))).await?;
            let endpoint = (sandbox.endpoint(), sandbox.token().to_owned());
            (Some(sandbox), Some(endpoint))
        }
    })
}

fn random_number(environment: &dyn Environment) -> u64 {
    let id = environment.unique_id();
    // The ids are random UUIDs: their first sixteen digits are a random number.
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    u64::from_str_radix(&digits, 16).unwrap_or_default()
}

fn start() -> Advice {
    Advice::run("start one, which prints its URL", Command::new(Name::SandboxServe))
}

fn loopback(endpoint: &str) -> Result<String, CliError> {
    let url = url::Url::parse(endpoint)
        .map_err(|error| CliError::new("sandbox-endpoint", format!("--sandbox-endpoint {endpoint} is no URL: {error}")))
        .map_err(|error| error.help(start()))?;
    if !url.host_str().is_some_and(is_loopback) || url.scheme() != "http" {
        return Err(
            CliError::new("sandbox-endpoint", "--sandbox-endpoint must be an http URL on this machine").help(start())
        );
    }
    Ok(endpoint.trim_end_matches('/').to_owned())
}
