//! Expansion: manifests and what the state knows in, a graph out. Reads compose files through [`crate::compose::files::Files`]; changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::app::{Converted, Site};
use super::composes::{self, Composed, Texts};
use super::driver::{Account, Connectable, Connection, Driver, Placement, Storage};
use super::renames::{addresses_before, exchanges, is_still_named, renames};
use super::scope::{Builder, Chance, Findings, Lookup, StateView};
use super::{capabilities, drivers, ingress, settings};
use crate::compose::convert::{ConvertInput, Rendered, convert};
use crate::compose::gate::Gate;
use crate::compose::project::ComposeProject;
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::engine::address::Address;
use crate::engine::graph::{Graph, Node};
use crate::engine::plan::Danger;
use crate::engine::provider::ProviderKey;
use crate::kom::id::ResourceId;
use crate::kom::model::{App, Cluster, Controller, Project, Provider};
use crate::parallel;
use crate::yaml::Source;

/// Apps that are converted at a time: work for all processors, and little that is rendered and not yet in the graph.
const BATCH: usize = 64;

/// What an expansion needs besides the manifests.
pub struct Request<'a> {
    /// The manifests.
    pub project: &'a Project,
    /// Their texts, for messages and digests.
    pub sources: &'a [Source],
    /// Whether the App with this Resource ID is no concern of the caller: what is wrong with it is a note.
    pub leaves_out: &'a dyn Fn(&str) -> bool,
    /// The process environment, for settings.
    pub environment: &'a BTreeMap<String, String>,
    /// The process environment as far as compose files may read it.
    pub gate: &'a Gate,
    /// What the state knows.
    pub state: &'a StateView,
    /// Time and randomness.
    pub chance: Chance<'a>,
    /// What the caller goes on with.
    pub keep: Keep,
}

/// What of an expansion somebody goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The graph: what was rendered for it goes when its nodes are made, and would need as much memory again.
    Graph,
    /// Also what was rendered and read, to be printed.
    Rendered,
}

/// What manifests become.
pub struct Expanded {
    /// The graph.
    pub graph: Graph,
    /// Warnings and notes.
    pub diagnostics: Diagnostics,
    /// Hosts the apps answer on, by app (its Resource ID as an address).
    pub hosts: Vec<(Address, String)>,
    /// How to reach each provider of the graph.
    pub connections: BTreeMap<ProviderKey, Connection>,
    /// Keyed digests of everything that was read, by name.
    pub inputs: BTreeMap<String, String>,
    /// Names that nobody chose.
    pub chosen: BTreeMap<Address, String>,
    /// What to look for in the cloud before the next expansion.
    pub lookups: Vec<Lookup>,
    /// What a reviewer must see first, beside what changes.
    pub dangers: Vec<Danger>,
    /// What a reviewer may want to know.
    pub notes: Vec<Danger>,
    /// The rendered Kubernetes objects by app, where they are kept. Secrets in clear.
    pub rendered: Vec<(Address, Rendered)>,
    /// The compose project by app, where what was rendered is kept.
    pub composes: Vec<(Address, ComposeProject)>,
}

/// Expands a project.
///
/// # Errors
/// Every error of every object.
pub fn expand(request: &Request<'_>) -> Result<Expanded, Diagnostics> {
    let renames = renames(request.project);
    let renamed = (!renames.is_empty()).then(|| request.state.renamed(&renames));
    let texts = Texts::new(request.sources);
    let builder = Builder {
        state: renamed.as_ref().unwrap_or(request.state),
        diagnostics: Findings::new(&texts),
        chance: &request.chance,
        nodes: Vec::new(),
        chosen: BTreeMap::new(),
        lookups: Vec::new(),
        dangers: Vec::new(),
        notes: Vec::new(),
    };
    let mut expansion = Expansion {
        request,
        builder,
        hosts: Vec::new(),
        connections: BTreeMap::new(),
        signing_in: BTreeMap::new(),
        inputs: BTreeMap::new(),
        rendered: Vec::new(),
        composes: Vec::new(),
        renames: &renames,
        composed: HashMap::new(),
    };
    for source in request.sources {
        expansion.input(&source.file, source.text.as_bytes());
    }
    exchanges(request.project, request.state, &mut expansion.builder.diagnostics);
    expansion.everything(&texts);
    expansion.finish()
}

struct Expansion<'a> {
    request: &'a Request<'a>,
    builder: Builder<'a>,
    hosts: Vec<(Address, String)>,
    connections: BTreeMap<ProviderKey, Connection>,
    /// The Provider that each was last given by.
    signing_in: BTreeMap<ProviderKey, &'a Provider>,
    inputs: BTreeMap<String, String>,
    rendered: Vec<(Address, Rendered)>,
    composes: Vec<(Address, ComposeProject)>,
    /// Resource IDs that were renamed: old and new, longest first when used.
    renames: &'a [(String, String)],
    /// Compose projects that wait for their app's turn, by the app's Resource ID.
    composed: HashMap<&'a str, Composed>,
}

/// A Provider with its driver.
struct Opened<'a> {
    driver: &'static dyn Driver,
    provider: &'a Provider,
    account: Box<dyn Account>,
}

/// An App that waits for its conversion, with what was made and found of it until then.
struct Prepared<'a> {
    site: Site<'a>,
    placement: Placement,
    storage: Storage,
    compose: Option<ComposeProject>,
    nodes: Vec<Node>,
    found: Diagnostics,
}

impl Prepared<'_> {
    /// What is converted; nothing where the compose project could not be read.
    fn input(&self) -> Option<ConvertInput<'_>> {
        Some(self.site.input(self.compose.as_ref()?, &self.placement, &self.storage))
    }
}

impl<'a> Expansion<'a> {
    fn input(&mut self, name: &str, bytes: &[u8]) {
        self.inputs.insert(name.to_owned(), self.request.state.digester.digest(bytes));
    }

    fn everything(&mut self, texts: &Texts<'_>) {
        let project = self.request.project;
        let opened: Vec<Opened<'a>> = project.providers.iter().filter_map(|provider| self.open(provider)).collect();
        let accounts: HashMap<&ResourceId, &Opened<'a>> =
            opened.iter().map(|one| (&one.provider.meta.id, one)).collect();
        let of = |cluster: &ResourceId| accounts.get(&cluster.parent()?).copied();
        let mut apps: HashMap<ResourceId, Vec<&'a App>> = HashMap::new();
        for app in &project.apps {
            let Some(cluster) = app.meta.id.parent().filter(|cluster| of(cluster).is_some()) else { continue };
            apps.entry(cluster).or_default().push(app);
        }
        let all: Vec<&App> = apps.values().flatten().copied().collect();
        let composed = parallel::map(&all, |app| composes::compose(app, texts, self.request.gate));
        self.composed = all.iter().map(|app| app.meta.id.as_str()).zip(composed).collect();
        for cluster in &project.clusters {
            let Some(opened) = of(&cluster.meta.id) else { continue };
            self.cluster(opened, cluster, apps.get(&cluster.meta.id).map(Vec::as_slice).unwrap_or_default());
        }
        let mut seen = Vec::new();
        for Opened { driver, .. } in &opened {
            if !seen.contains(&driver.name()) {
                seen.push(driver.name());
                driver.check_places(&self.builder.nodes, self.builder.state, &mut self.builder.diagnostics);
            }
        }
    }

    fn open(&mut self, provider: &'a Provider) -> Option<Opened<'a>> {
        let Some(driver) = drivers::find(provider.driver) else {
            let message = format!("this version has no driver \"{}\"", provider.driver);
            let finding = Diagnostic::error("driver", message)
                .at(provider.driver_location.clone(), None)
                .help(format!("it has these: {}", drivers::names().join(", ")));
            self.builder.diagnostics.push(finding);
            return None;
        };
        let environment = self.request.environment;
        settings::unknown(driver.name(), &provider.settings, driver.settings().provider, &mut self.builder.diagnostics);
        self.keep_driver(driver, provider);
        let account = driver.open(provider, environment, &mut self.builder.diagnostics);
        let recorded = |address: &Address| Some(self.request.state.known(address)?.physical_id.clone());
        let clusters = self.request.project.clusters.iter();
        let clusters =
            clusters.filter(|cluster| cluster.meta.id.parent().as_ref() == Some(&provider.meta.id)).collect();
        let site = Connectable { provider, clusters, environment, recorded: &recorded };
        let connections: BTreeMap<_, _> = driver.connections(&site).into_iter().collect();
        self.sign_in_once(provider, &connections);
        self.connections.extend(connections);
        Some(Opened { driver, provider, account })
    }

    /// What the state holds of two Providers with one key cannot be told apart, so one of them would sign in as the other.
    fn sign_in_once(&mut self, provider: &'a Provider, connections: &BTreeMap<ProviderKey, Connection>) {
        for (key, own) in connections {
            let Some(other) = self.signing_in.insert(key.clone(), provider) else { continue };
            let Some(its) = self.connections.get(key) else { continue };
            let keys = own.credentials.keys().chain(its.credentials.keys());
            let differing = keys.filter(|name| own.credentials.get(*name) != its.credentials.get(*name));
            let keys: Vec<&str> = differing.map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect();
            if keys.is_empty() {
                continue;
            }
            let keys = keys.join(", ");
            let message = format!(
                "the Providers {} and {} ({}) are of one account and differ in how they sign in to it: {keys}",
                provider.meta.name, other.meta.name, other.meta.location
            );
            let help = format!("write the same {keys} in both, or sign in to one of them another way");
            let finding = Diagnostic::error("sign-in", message).at(provider.meta.location.clone(), None).help(help);
            self.builder.diagnostics.push(finding);
            return;
        }
    }

    /// What a Provider has is where its driver put it: another driver would make all of it anew, elsewhere.
    fn keep_driver(&mut self, driver: &dyn Driver, provider: &Provider) {
        let inside = format!("{}/", provider.meta.id.as_str());
        let is_of = |driver: &dyn Driver, key: &ProviderKey| {
            driver.owns(key) || key.outer().is_some_and(|outer| driver.owns(&outer))
        };
        let known = self.request.state.known.iter().filter(|(address, _)| address.as_str().starts_with(&inside));
        let of_another = known.filter(|(_, known)| !is_of(driver, &known.provider)).find_map(|(address, known)| {
            let other = drivers::DRIVERS.into_iter().find(|other| is_of(*other, &known.provider))?;
            Some((address, other.name()))
        });
        let Some((address, other)) = of_another else { return };
        let message = format!(
            "the driver of the Provider {} was {other}, which made {address}, and cannot become {}",
            provider.meta.name,
            driver.name()
        );
        let finding = Diagnostic::error("driver", message)
            .at(provider.driver_location.clone(), None)
            .help(format!("set it back to {other}, and declare a Provider of its own for {}", driver.name()));
        self.builder.diagnostics.push(finding);
    }

    fn cluster(&mut self, opened: &Opened<'_>, cluster: &'a Cluster, apps: &[&'a App]) {
        let Opened { driver, account, .. } = opened;
        let findings = &mut self.builder.diagnostics;
        settings::unknown(driver.name(), &cluster.settings, driver.settings().cluster, findings);
        capabilities::check_cluster(driver.name(), driver.lacks(), cluster, findings);
        let home = account.cluster(&mut self.builder, cluster, self.request.environment);
        let (key, connection) = home.connection();
        let controller = match cluster.ingress.controller.unwrap_or(home.controller()) {
            Controller::Traefik => ingress::expand(&mut self.builder, cluster, &key, home.address(), home.ingress()),
            Controller::Existing => ingress::existing(&mut self.builder, cluster),
        };
        self.connections.insert(key.clone(), connection);
        home.common(&mut self.builder, apps);
        for apps in apps.chunks(BATCH) {
            let sites = apps.iter().map(|app| {
                let boxes = self.request.project.boxes_of(&app.meta.id).collect();
                let (place, home, ingress) = (account.place(), home.as_ref(), &controller);
                Site { place, cluster, home, key: &key, ingress, app, boxes }
            });
            self.batch(*driver, sites.collect());
        }
    }

    /// Adds some apps of one cluster.
    fn batch(&mut self, driver: &dyn Driver, sites: Vec<Site<'_>>) {
        let prepared: Vec<Prepared<'_>> = sites.into_iter().map(|site| self.prepare(driver, site)).collect();
        let inputs: Vec<Option<ConvertInput<'_>>> = prepared.iter().map(Prepared::input).collect();
        let converted = parallel::map(&inputs, |input| input.as_ref().map(convert));
        drop(inputs);
        for (prepared, converted) in prepared.into_iter().zip(converted) {
            let app = prepared.site.app;
            let (first, before) = (self.builder.nodes.len(), self.builder.diagnostics.len());
            self.app(prepared, converted);
            let found = self.builder.diagnostics.since(before);
            if found.has_errors() && (self.request.leaves_out)(app.meta.id.as_str()) {
                // Half an app makes no graph. What the state knows of it is not chosen, so nothing happens to it.
                self.builder.nodes.truncate(first);
                let errors = found.count(Severity::Error);
                let plural = if errors == 1 { "" } else { "s" };
                let message = format!("the app {} has {errors} error{plural} and is left out", app.meta.name);
                let note = Diagnostic::note("app-left-out", message).at(app.meta.location.clone(), None);
                self.builder.diagnostics.push(note);
            } else {
                self.builder.diagnostics.extend(found);
            }
        }
    }

    /// All of an app that comes before its conversion.
    fn prepare<'s>(&mut self, driver: &dyn Driver, site: Site<'s>) -> Prepared<'s> {
        let (first, before) = (self.builder.nodes.len(), self.builder.diagnostics.len());
        let (app, tables, lacks) = (site.app, driver.settings(), driver.lacks());
        let builder = &mut self.builder;
        settings::unknown(driver.name(), &app.settings, tables.app, &mut builder.diagnostics);
        for volume in &app.volumes {
            settings::unknown_options(driver.name(), volume, tables, &mut builder.diagnostics);
        }
        capabilities::check_app(driver.name(), lacks, app, &mut builder.diagnostics);
        let placement = site.home.placement(builder, app);
        let storage = site.home.storage(builder, app, &placement);
        let compose = self.compose(app);
        let (nodes, found) = (self.builder.nodes.split_off(first), self.builder.diagnostics.since(before));
        Prepared { site, placement, storage, compose, nodes, found }
    }

    /// Adds an app that was converted.
    fn app(&mut self, prepared: Prepared<'_>, converted: Option<Converted>) {
        let Prepared { site, storage, compose, nodes, found, .. } = prepared;
        self.builder.nodes.extend(nodes);
        self.builder.diagnostics.extend(found);
        let (Some(compose), Some(converted)) = (compose, converted) else { return };
        let at = app_address(site.app);
        let keep = self.request.keep == Keep::Rendered;
        if let Some(rendered) = site.expand(&mut self.builder, converted, &storage, keep) {
            self.hosts.extend(rendered.hosts.iter().map(|host| (at.clone(), host.clone())));
            if keep {
                self.rendered.push((at.clone(), rendered));
            }
        }
        if keep {
            self.composes.push((at, compose));
        }
    }

    /// The app's compose project as it was read, its findings and inputs put where all others are.
    fn compose(&mut self, app: &App) -> Option<ComposeProject> {
        let Composed { project, diagnostics, inputs } = self.composed.remove(app.meta.id.as_str())?;
        self.builder.diagnostics.extend(diagnostics);
        for (name, bytes) in inputs {
            self.input(&name, &bytes);
        }
        project
    }

    fn finish(mut self) -> Result<Expanded, Diagnostics> {
        for node in &mut self.builder.nodes {
            // An object whose own name follows the rename is another object: the new one is made, the old one deleted.
            node.moved_from = addresses_before(self.renames, &node.address).into_iter().find(|before| {
                let known = self.request.state.known(before);
                known.is_some_and(|known| is_still_named(&node.desired, &known.physical_id))
            });
            if let Some(id) = self.request.state.imports.get(&node.address) {
                node.import = Some(id.clone());
            }
        }
        let mut diagnostics = self.builder.diagnostics.take();
        if diagnostics.has_errors() {
            return Err(diagnostics);
        }
        let graph = match Graph::new(self.builder.nodes) {
            Ok(graph) => graph,
            Err(error) => {
                diagnostics.push(Diagnostic::error("graph", error.to_string()));
                return Err(diagnostics);
            }
        };
        Ok(Expanded {
            graph,
            diagnostics,
            hosts: self.hosts,
            connections: self.connections,
            inputs: self.inputs,
            chosen: self.builder.chosen,
            lookups: self.builder.lookups,
            dangers: self.builder.dangers,
            notes: self.builder.notes,
            rendered: self.rendered,
            composes: self.composes,
        })
    }
}

/// The Resource ID of an app as an address: kind `app` in its cluster.
fn app_address(app: &App) -> Address {
    let cluster = app.meta.id.parent();
    Address::new(cluster.as_ref().map_or("", ResourceId::as_str), "app", app.meta.id.name())
}
