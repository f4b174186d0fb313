//! A plan from what the user typed: which part of the project, against which state and clouds.

use std::collections::BTreeSet;

use clap_complete::engine::ArgValueCompleter;
use kompox_state::Snapshot;

use super::fixed::Fixed;
use super::locking::behind_help;
use super::naming::clusters;
use super::session::{Session, VERSION};
use crate::advice::{Advice, Command};
use crate::cli::completions;
use crate::cli::error::CliError;
use crate::cli::wanted;
use crate::diag::Diagnostic;
use crate::engine::address::{Address, resolve};
use crate::engine::code::DangerCode;
use crate::engine::graph::Graph;
use crate::engine::kind::Holds;
use crate::engine::plan::{Danger, Mode, Plan};
use crate::engine::planner::{self, Inputs, Options};
use crate::engine::provider::{Look, ProviderError, ProviderKey, Providers, Target};
use crate::resources::drivers;
use crate::resources::expand::Expanded;
use crate::resources::scope::Lookup;

/// What a plan is about.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Selection {
    /// Only this object and what it needs; repeatable. An address or a unique suffix of one
    #[arg(long = "target", value_name = "ADDRESS", add = ArgValueCompleter::new(completions::addresses))]
    targets: Vec<String>,
    /// Replace this object although nothing forces it; repeatable
    #[arg(long = "replace", value_name = "ADDRESS", add = ArgValueCompleter::new(completions::addresses))]
    replace: Vec<String>,
    /// Ask the clouds what exists; false takes the state's word, but for disks, shares and snapshots and for what is removed
    #[arg(long = "refresh", value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    refresh: bool,
    /// No network at all; implies --refresh=false
    #[arg(long)]
    offline: bool,
    /// Take over fields of this object that another writer owns; repeatable
    #[arg(long = "force-conflicts", value_name = "ADDRESS", add = ArgValueCompleter::new(completions::addresses))]
    force_conflicts: Vec<String>,
    /// Allow that this object is deleted with its data; repeatable
    #[arg(long = "allow-data-loss", value_name = "ADDRESS", add = ArgValueCompleter::new(completions::addresses))]
    allow_data_loss: Vec<String>,
    /// Do without this cluster where it cannot be reached: what is to go in it is forgotten, and a disk is free when its
    /// provider says that no machine has it; repeatable. A cluster's Resource ID or a unique suffix of one
    #[arg(long = "abandon-cluster", value_name = "ID")]
    abandon_cluster: Vec<String>,
}

impl Selection {
    /// Refuses to carry out what nobody was asked for.
    ///
    /// # Errors
    /// `--offline`.
    pub fn refuse_offline(&self) -> Result<(), CliError> {
        if !self.offline {
            return Ok(());
        }
        let look = Command::plan_again();
        Err(CliError::new("offline", "with --offline nobody is asked for what there is: it is for looking at a plan")
            .help(Advice::run("to make one that can be applied", look))
            .help("to apply, leave --offline out"))
    }

    /// Refuses to compare with what nobody was asked for: all of it would count as gone.
    ///
    /// # Errors
    /// `--offline` or `--refresh=false`.
    pub fn refuse_unseen(&self, what: &str) -> Result<(), CliError> {
        let option = match (self.offline, self.refresh) {
            (true, _) => "--offline",
            (_, false) => "--refresh=false",
            _ => return Ok(()),
        };
        let message = format!("{what} is about what there is, and with {option} nobody is asked for it");
        Err(CliError::new("unseen", message).help(format!("leave {option} out")))
    }

    /// Refuses what only a new plan could follow, beside one that is saved.
    ///
    /// # Errors
    /// Any option of the plan.
    pub fn refuse_beside_file(&self) -> Result<(), CliError> {
        let given = [
            ("--target", !self.targets.is_empty()),
            ("--replace", !self.replace.is_empty()),
            ("--refresh=false", !self.refresh),
            ("--offline", self.offline),
            ("--force-conflicts", !self.force_conflicts.is_empty()),
            ("--allow-data-loss", !self.allow_data_loss.is_empty()),
            ("--abandon-cluster", !self.abandon_cluster.is_empty()),
        ];
        let Some((option, _)) = given.into_iter().find(|(_, given)| *given) else { return Ok(()) };
        let message = format!("a saved plan is done as it is, and {option} would change it");
        Err(CliError::new("usage", message)
            .help(format!("leave {option} out, or plan anew with it"))
            .help(Advice::run("", Command::plan_again())))
    }

    /// What the plan is narrowed to, as it was typed.
    pub fn targets(&self) -> &[String] {
        &self.targets
    }

    /// A command with what was said of the plan, as it was typed.
    pub fn said_to(&self, mut command: Command) -> Command {
        let all = [
            ("--target", &self.targets),
            ("--replace", &self.replace),
            ("--force-conflicts", &self.force_conflicts),
            ("--allow-data-loss", &self.allow_data_loss),
            ("--abandon-cluster", &self.abandon_cluster),
        ];
        for (option, texts) in all {
            for text in texts {
                command = command.word(option).word(text);
            }
        }
        command
    }

    /// The engine's options.
    pub fn options(&self, session: &Session<'_>, graph: &Graph, snapshot: &Snapshot) -> Result<Options, CliError> {
        let names = session.names(graph, snapshot)?;
        let find = |flag: &str, texts: &[String]| -> Result<BTreeSet<Address>, CliError> {
            texts.iter().map(|text| names.find(session.ui, flag, text)).collect()
        };
        let all: Vec<Address> = names.present.iter().chain(&names.gone).cloned().collect();
        let clusters = clusters(&all);
        let abandoned = self.abandon_cluster.iter().map(|text| resolve(text, &clusters));
        let abandoned = abandoned.collect::<Result<_, _>>();
        Ok(Options {
            abandoned: abandoned.map_err(|error| CliError::new("address", format!("--abandon-cluster: {error}")))?,
            targets: session.selection(graph, snapshot, &self.targets)?,
            replace: find("--replace", &self.replace)?,
            refresh: self.refresh && !self.offline,
            offline: self.offline,
            force_conflicts: find("--force-conflicts", &self.force_conflicts)?,
            allow_data_loss: find("--allow-data-loss", &self.allow_data_loss)?,
        })
    }
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

impl Planned {
    /// The plan alone, for a command that only shows it. What it was made from is left to the end of the process: to give
    /// very many small things back one by one takes a part of the time that a plan with nothing to change takes.
    pub fn alone(self) -> Plan {
        std::mem::forget((self.graph, self.snapshot));
        self.plan
    }
}

impl Session<'_> {
    /// Makes a plan. `adjust` turns what the user typed into options, once graph and state are known.
    pub async fn plan(
        &self,
        mode: Mode,
        fixed: Fixed,
        adjust: impl Fn(&Graph, &Snapshot) -> Result<Options, CliError>,
    ) -> Result<Planned, CliError> {
        let snapshot = self.snapshot()?;
        if matches!(mode, Mode::Apply | Mode::Import) {
            wanted::refuse_nothing(&self.manifests()?.project, &self.layout, &snapshot)?;
        }
        let (graph, expanded) = match mode {
            Mode::Destroy => (Graph::default(), None),
            Mode::Apply | Mode::Import | Mode::RefreshOnly => {
                let options = |graph: &Graph| {
                    let options = adjust(graph, &snapshot)?;
                    Ok(Ask { optional: options.refresh, needed: !options.offline })
                };
                let mut expanded = self.expand_looking(&snapshot, fixed, options).await?;
                self.print_findings_of(&expanded)?;
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
        // The loader and the expansion say which apps have errors that are no concern of this call.
        let says_so = |finding: &Diagnostic| ["kom-app-left-out", "app-left-out"].contains(&finding.code);
        let loaded = self.loaded.iter().flat_map(|loaded| loaded.diagnostics.iter());
        let expanded_findings = expanded.iter().flat_map(|expanded| expanded.diagnostics.iter());
        let lacks_apps = loaded.chain(expanded_findings).any(says_so);
        let (inputs, chosen, hosts, dangers, notes) = expanded.map_or_else(Default::default, |expanded| {
            (expanded.inputs, expanded.chosen, expanded.hosts, expanded.dangers, expanded.notes)
        });
        let request = Inputs {
            graph: &graph,
            snapshot: &snapshot,
            lineage: self.store.lineage(),
            digester: &digester,
            providers: &providers,
            kinds: drivers::kind,
            mode,
            options: &options,
            inputs,
            chosen,
            hosts,
            imports: self.imports(&snapshot),
            lacks_apps,
            dangers,
            notes,
            engine_version: VERSION,
        };
        let mut plan = planner::plan(request).await.map_err(|error| {
            let sources = self.loaded.as_ref().map(|loaded| loaded.sources.as_slice()).unwrap_or_default();
            CliError::problems(error.problems, sources)
        })?;
        plan.rehearsal = self.global.sandbox;
        plan.dangers.extend(self.store.astray()?.map(|astray| Danger {
            code: DangerCode::StateBehind.into(),
            address: None,
            text: format!(
                "the state is not the one that was last written from here, and nothing is applied on it: {astray}"
            ),
            help: behind_help().into(),
        }));
        Ok(Planned { plan, graph, snapshot, providers })
    }

    /// The id of an object that is about to be imported, which somebody may have called by another name.
    ///
    /// # Errors
    /// The manifests do not speak of it, or nothing has that name.
    pub async fn id_named(&self, snapshot: &Snapshot, address: &Address, text: &str) -> Result<String, CliError> {
        // Every id has a slash.
        if text.contains('/') {
            return Ok(text.to_owned());
        }
        let look = |_: &Graph| Ok(Ask { optional: false, needed: true });
        let expanded = self.expand_looking(snapshot, Fixed::default(), look).await?;
        let providers = self.providers(&expanded.connections, snapshot)?;
        let node = expanded.graph.get(address);
        let Some((node, provider)) = node.and_then(|node| Some((node, providers.get(&node.provider)?))) else {
            return Ok(text.to_owned());
        };
        let id = provider.named(node.kind, text).await.map_err(not_there)?;
        Ok(id.unwrap_or_else(|| text.to_owned()))
    }

    /// Has an object that is about to be imported looked at closely, as its API wants it.
    ///
    /// # Errors
    /// The manifests do not speak of it, or it is not there.
    pub async fn look_closely(
        &self,
        snapshot: &Snapshot,
        fixed: Fixed,
        address: &Address,
        id: &str,
    ) -> Result<(), CliError> {
        let expanded = self.expand_looking(snapshot, fixed, |_| Ok(Ask { optional: false, needed: true })).await?;
        let Some(node) = expanded.graph.get(address) else { return Ok(()) };
        let providers = self.providers(&expanded.connections, snapshot)?;
        let (Some(provider), Ok(desired)) = (providers.get(&node.provider), node.desired.to_request()) else {
            return Ok(());
        };
        let token = self.environment.unique_id();
        let target = Target { find: None, ..node.target(Some(id.to_owned())) };
        let below = node.depends_on.iter().filter_map(|address| expanded.graph.get(address));
        let below = below.filter(|below| below.provider == node.provider && below.kind.holds == Holds::Objects);
        let ground: Vec<_> = below.filter_map(|below| below.desired.to_request().ok()).collect();
        let lineage = self.store.lineage();
        let look = Look { target, desired: &desired, ground: &ground, lineage, token: &token };
        provider.look_closely(&look).await.map_err(not_there)
    }

    /// Expands the manifests; where something must be looked for in a cloud first, as far as `ask` allows, once more with
    /// what was found.
    ///
    /// # Errors
    /// What is wrong with the manifests; what is needed cannot be looked for.
    pub(super) async fn expand_looking(
        &self,
        snapshot: &Snapshot,
        mut fixed: Fixed,
        ask: impl FnOnce(&Graph) -> Result<Ask, CliError>,
    ) -> Result<Expanded, CliError> {
        let expanded = self.expand_silently(snapshot, fixed.clone())?;
        if expanded.lookups.is_empty() {
            return Ok(expanded);
        }
        let ask = ask(&expanded.graph)?;
        let lookups = expanded.lookups.iter().filter(|lookup| if lookup.needed { ask.needed } else { ask.optional });
        let lookups: Vec<&Lookup> = lookups.collect();
        if lookups.is_empty() {
            return Ok(expanded);
        }
        // Names chosen at random stay the same in the second expansion.
        fixed.chosen.extend(expanded.chosen.clone());
        self.look_up(&expanded, &lookups, &mut fixed).await?;
        self.expand_silently(snapshot, fixed)
    }

    /// Looks for what the manifests say the name of, and others made. Whoever may not look, or finds none, goes on
    /// without what is not needed, and is told by the expansion.
    async fn look_up(&self, expanded: &Expanded, lookups: &[&Lookup], fixed: &mut Fixed) -> Result<(), CliError> {
        let opener = self.connections(&expanded.connections);
        let keys: BTreeSet<&ProviderKey> = lookups.iter().map(|lookup| &lookup.provider).collect();
        for key in keys {
            let wanted: Vec<_> = lookups.iter().filter(|lookup| lookup.provider == *key).collect();
            let names: Vec<String> = wanted.iter().map(|lookup| lookup.name.clone()).collect();
            let found = match opener.look_up(key, &names).await {
                Err(error) if wanted.iter().any(|lookup| lookup.needed) => return Err(error),
                found => found.unwrap_or_default(),
            };
            fixed.found.extend(
                wanted.iter().map(|lookup| (lookup.address.clone(), found.get(&lookup.name.to_lowercase()).cloned())),
            );
        }
        Ok(())
    }
}

/// Why an object cannot be imported.
fn not_there(error: ProviderError) -> CliError {
    let failed = CliError::new("import-missing", error.described());
    match error.hint {
        Some(hint) => failed.help(hint),
        None => failed,
    }
}

/// What may be looked for before a plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    /// What a plan can do without.
    pub(super) optional: bool,
    /// What it cannot.
    pub(super) needed: bool,
}
