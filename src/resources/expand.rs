//! Expansion: manifests and what the state knows in, a graph out. Reads compose files through [`crate::compose::files::Files`]; changes nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::json;

use super::composes::{self, Composed, Texts};
use super::drivers::aks::cluster::{self, ClusterNodes};
use super::drivers::aks::kinds::{DISK, disk_safe_way};
use super::drivers::aks::settings::{self, ClusterSettings};
use super::drivers::aks::storage::{self as app, AppNodes, Chance};
use super::drivers::aks::{dns, names, places, zones};
use super::kinds;
use super::scope::{Builder, Lookup, Place, StateView, addresses_before, protection};
use super::{ingress, quota};
use crate::advice::Advice;
use crate::compose::convert::{
    BoxInput, ConvertInput, IngressInput, IsolationInput, Rendered, RenderedObject, RuleInput, Scope, convert,
};
use crate::compose::gate::Gate;
use crate::compose::project::ComposeProject;
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::engine::address::Address;
use crate::engine::graph::Graph;
use crate::engine::kind::Refusal;
use crate::engine::provider::ProviderKey;
use crate::engine::value::{Path, Value};
use crate::kom::id::ResourceId;
use crate::kom::model::{App, Cluster, Driver, Located, Project, Provider};
use crate::parallel;
use crate::yaml::Source;

/// Findings about manifests, made where the texts of manifests are not at hand.
const OURS: [&str; 13] = [
    "place",
    "moved-from",
    "name",
    "setting-value",
    "setting-missing",
    "setting-unknown",
    "volume",
    "zone",
    "spot",
    "driver",
    "key-vault-unknown",
    "quota",
    "compose-ingress-port",
];

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
}

/// How to reach what a key names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Connection {
    /// Settings that say how to sign in, as the manifest gives them. May hold secrets: never shown.
    pub credentials: BTreeMap<String, String>,
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
    /// The rendered Kubernetes objects by app, for `render`. Secrets in clear.
    pub rendered: Vec<(Address, Rendered)>,
    /// The compose project by app, for `render --out-compose`.
    pub composes: Vec<(Address, ComposeProject)>,
}

/// Expands a project.
///
/// # Errors
/// Every error of every object.
pub fn expand(request: &Request<'_>) -> Result<Expanded, Diagnostics> {
    let renames = renames(request.project);
    let state = request.state.renamed(&renames);
    let builder = Builder {
        state: &state,
        diagnostics: Diagnostics::default(),
        nodes: Vec::new(),
        chosen: BTreeMap::new(),
        lookups: Vec::new(),
    };
    let mut expansion = Expansion {
        request,
        builder,
        hosts: Vec::new(),
        connections: BTreeMap::new(),
        inputs: BTreeMap::new(),
        rendered: Vec::new(),
        composes: Vec::new(),
        renames,
        texts: Texts::new(request.sources),
        composed: HashMap::new(),
    };
    for source in request.sources {
        expansion.input(&source.file, source.text.as_bytes());
    }
    expansion.exchanges();
    expansion.clusters_and_apps();
    expansion.finish()
}

struct Expansion<'a> {
    request: &'a Request<'a>,
    builder: Builder<'a>,
    hosts: Vec<(Address, String)>,
    connections: BTreeMap<ProviderKey, Connection>,
    inputs: BTreeMap<String, String>,
    rendered: Vec<(Address, Rendered)>,
    composes: Vec<(Address, ComposeProject)>,
    /// Resource IDs that were renamed: old and new, longest first when used.
    renames: Vec<(String, String)>,
    /// The texts of the manifests.
    texts: Texts<'a>,
    /// Compose projects that wait for their app's turn, by the app's Resource ID.
    composed: HashMap<&'a str, Composed>,
}

impl<'a> Expansion<'a> {
    fn input(&mut self, name: &str, bytes: &[u8]) {
        self.inputs.insert(name.to_owned(), self.request.state.digester.digest(bytes));
    }

    /// Renames of what is still declared: its address is taken, and nothing can be at two.
    fn exchanges(&mut self) {
        let metas: Vec<_> = self.request.project.metas().collect();
        let known = &self.request.state.known;
        let has = |id: &ResourceId| {
            let inside = format!("{}/", id.as_str());
            known.keys().any(|address| address.as_str().starts_with(&inside))
        };
        for meta in &metas {
            let Some(old) = &meta.moved_from else { continue };
            let Some(other) = metas.iter().find(|other| other.id == *old) else { continue };
            // What was renamed long ago may still say so when its old name belongs to another.
            let exchange = other.moved_from.as_ref() == Some(&meta.id);
            if !exchange && (has(&meta.id) || !has(old)) {
                continue;
            }
            let message = format!("{} says that it was {old}, which is still declared", meta.id);
            let (first, second) = if exchange {
                ("rename in two steps: give one of them a third name, apply, then rename the other", None)
            } else {
                ("to rename it, take the old one out", Some("to make another one, take moved-from out"))
            };
            let mut diagnostic =
                Diagnostic::error("moved-from", message).at(meta.id_location.clone(), None).help(first);
            if let Some(second) = second {
                diagnostic = diagnostic.help(second);
            }
            self.builder.diagnostics.push(diagnostic);
        }
    }

    fn clusters_and_apps(&mut self) {
        let project = self.request.project;
        let mut places = BTreeMap::new();
        for provider in &project.providers {
            if provider.driver != Driver::Aks {
                let message =
                    format!("the driver \"{}\" is not supported yet; this version has aks", provider.driver.name());
                self.builder
                    .diagnostics
                    .push(Diagnostic::error("driver", message).at(provider.meta.location.clone(), None));
                continue;
            }
            let place = self.place(provider);
            places.insert(provider.meta.id.as_str().to_owned(), place);
        }
        let parent = |id: &ResourceId| id.parent().is_some_and(|provider| places.contains_key(provider.as_str()));
        let apps: Vec<&App> =
            project.apps.iter().filter(|app| app.meta.id.parent().is_some_and(|cluster| parent(&cluster))).collect();
        let composed = parallel::map(&apps, |app| composes::compose(app, &self.texts, self.request.gate));
        self.composed = apps.iter().map(|app| app.meta.id.as_str()).zip(composed).collect();
        for cluster in &project.clusters {
            let Some(place) = cluster.meta.id.parent().and_then(|id| places.get(id.as_str()).cloned()) else {
                continue;
            };
            self.cluster(&place, cluster);
        }
    }

    fn place(&mut self, provider: &Provider) -> Place {
        let environment = self.request.environment;
        let settings = settings::provider(provider, environment, &mut self.builder.diagnostics);
        let workspace = provider.meta.id.workspace().unwrap_or_default().to_owned();
        let azure: Arc<str> = format!("azure://{}?auth={}", settings.subscription, settings.auth).into();
        let credentials = settings::CREDENTIALS.iter().filter_map(|key| {
            let value = provider.settings.value(key).filter(|value| !value.is_empty())?;
            Some(((*key).to_owned(), value.to_owned()))
        });
        self.connections.insert(azure.clone(), Connection { credentials: credentials.collect() });
        Place {
            prefix: names::prefix(settings.prefix.as_deref(), &workspace, &provider.meta.name),
            prefix_place: settings.prefix_place,
            workspace,
            provider: provider.meta.name.clone(),
            provider_id: provider.meta.id.as_str().to_owned(),
            subscription: format!("/subscriptions/{}", settings.subscription),
            location: settings.location,
            azure,
        }
    }

    fn cluster(&mut self, place: &Place, cluster: &Cluster) {
        let settings = settings::cluster(cluster, self.request.environment, &mut self.builder.diagnostics);
        let nodes = cluster::expand(&mut self.builder, place, cluster, &settings);
        let key: Arc<str> = format!("kubernetes+{}#{}", place.azure, nodes.cluster_id).into();
        let credentials = self.connections.get(&place.azure).cloned().unwrap_or_default();
        self.connections.insert(key.clone(), credentials);
        let (service, class) =
            ingress::expand(&mut self.builder, cluster, &key, &nodes.cluster, nodes.identity.as_ref());
        let project = self.request.project;
        for app in project.apps.iter().filter(|app| app.meta.id.parent().as_ref() == Some(&cluster.meta.id)) {
            let before = std::mem::take(&mut self.builder.diagnostics);
            let first = self.builder.nodes.len();
            self.app(place, cluster, &settings, app, &nodes, &key, &class, &service);
            let found = std::mem::replace(&mut self.builder.diagnostics, before);
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

    #[allow(clippy::too_many_arguments)]
    fn app(
        &mut self,
        place: &Place,
        cluster: &Cluster,
        settings: &ClusterSettings,
        app: &App,
        nodes: &ClusterNodes,
        key: &Arc<str>,
        class: &Address,
        service: &Address,
    ) {
        self.check_zones(cluster, settings, app);
        let settled = zones::settle(&mut self.builder, place, cluster, settings, app);
        let derived_zone = settled.deployment.zones != app.deployment.zones;
        let app = &settled;
        let storage = app::expand(&mut self.builder, place, app, nodes, derived_zone, &self.request.chance);
        let at = app_address(app);
        let Some(mut rendered) = self.render(place, cluster, app, &storage) else { return };
        if settings.user.priority == "Spot" && !cluster.existing {
            tolerate_spot(&mut rendered);
        }
        self.builder.diagnostics.extend(quota::check(app.quota.as_ref(), app.limits.as_ref(), &rendered));
        let scope = app.meta.id.as_str();
        for object in &rendered.objects {
            let Some(kind) = kinds::find(&object.address_kind) else {
                // The converter makes kinds of the table only; one that it gains must be added there.
                let message = format!("objects of kind {} cannot be applied by this version", object.address_kind);
                self.builder.diagnostics.push(Diagnostic::error("kind", message));
                continue;
            };
            let desired = self.builder.kubernetes(object.body.clone(), &object.sensitive);
            let address = Address::new(scope, &object.address_kind, &object.address_name);
            let location = object.origin.as_ref().unwrap_or(&app.meta.location);
            let mut needs = vec![nodes.cluster.clone()];
            needs.extend(object.after.iter().map(|(kind, name)| Address::new(scope, kind, name)));
            match object.address_kind.as_str() {
                "PersistentVolume" => needs.extend(storage.behind.get(&object.address_name).cloned()),
                "Deployment" | "Job" => needs.extend(storage.storage.iter().chain(&nodes.pools).cloned()),
                "Ingress" => needs.push(class.clone()),
                _ => {}
            }
            let node = self.builder.add(address, kind, key, desired, location);
            node.depends_on = needs;
            node.protection = protection(None, &app.lifecycle, false);
            if matches!(object.address_kind.as_str(), "Deployment" | "Job") {
                node.ignore_changes.clone_from(&app.lifecycle.ignore_changes);
            }
        }
        dns::expand(&mut self.builder, place, app, settings, &rendered.hosts, service);
        self.hosts.extend(rendered.hosts.iter().map(|host| (at.clone(), host.clone())));
        self.rendered.push((at, rendered));
    }

    /// What to do about disks that are there already and follow the app's zone on paper only: they cannot move.
    fn disks_that_stay(&self, app: &App, zone: &str) -> Vec<Advice> {
        let Some((provider, name)) = lasting(app.meta.id.as_str()) else { return Vec::new() };
        let scope = format!("{provider}/app/{name}");
        let undeclared = app.volumes.iter().filter(|volume| volume.disks.is_empty());
        let lines = undeclared.filter_map(|volume| {
            let address = Address::new(&scope, DISK.name, &volume.name);
            let known = self.builder.state.known(&address)?;
            let path = Path::root().key("zones");
            let (before, after) = (Value::Null, Value::from(json!(zone)));
            let refusal = Refusal {
                address: &address,
                name: &volume.name,
                physical_id: &known.physical_id,
                path: &path,
                before: &before,
                after: &after,
                outside: false,
                place: None,
                users: self.workloads_of(app),
            };
            let first = format!("{address} cannot follow into zone {zone}: it would be a new one, and its data lost");
            Some(std::iter::once(Advice::from(first)).chain(disk_safe_way(&refusal)).collect::<Vec<_>>())
        });
        lines.flatten().collect()
    }

    /// The workloads of an app that the state knows.
    fn workloads_of(&self, app: &App) -> Vec<Address> {
        let known = self.builder.state.known.keys();
        let kind = kinds::kubernetes::DEPLOYMENT.name;
        let of_app = known.filter(|address| address.scope() == app.meta.id.as_str() && address.kind() == kind);
        let mut workloads: Vec<Address> = of_app.cloned().collect();
        workloads.sort_unstable();
        workloads
    }

    /// Pods must find a pool in their zone.
    fn check_zones(&mut self, cluster: &Cluster, settings: &ClusterSettings, app: &App) {
        let pools = &settings.user.zones;
        let wrong = app.deployment.zones.iter().find(|zone| !pools.is_empty() && !pools.contains(zone));
        let user = app.deployment.pools.is_empty() || app.deployment.pools.iter().any(|pool| pool == "user");
        let place = app.deployment.zone_location.as_ref().unwrap_or(&app.meta.location);
        if let Some(zone) = wrong
            && user
            && !cluster.existing
        {
            let message = format!(
                "the app runs in zone {zone}, but the cluster {} has user pools in zone {} only",
                cluster.meta.name,
                pools.join(", ")
            );
            let help = "add the zone to AZURE_AKS_USER_VM_ZONES, or choose another zone";
            let mut diagnostic = Diagnostic::error("zone", message).at(place.clone(), None);
            diagnostic.help = self.disks_that_stay(app, zone);
            self.builder.diagnostics.push(diagnostic.help(help));
        }
        if settings.user.priority == "Spot" && !app.volumes.is_empty() && !cluster.existing && user {
            let message =
                format!("the app {} keeps data and runs on Spot nodes, which Azure evicts at any time", app.meta.name);
            let help = "set AZURE_AKS_USER_VM_PRIORITY: Regular for apps that must stay up";
            self.builder
                .diagnostics
                .push(Diagnostic::warning("spot", message).at(app.meta.location.clone(), None).help(help));
        }
    }

    fn render(&mut self, place: &Place, cluster: &Cluster, app: &App, storage: &AppNodes) -> Option<Rendered> {
        let compose = self.compose(app)?;
        let project = self.request.project;
        let scope = Scope {
            workspace: place.workspace.clone(),
            provider: place.provider.clone(),
            cluster: cluster.meta.name.clone(),
            app: app.meta.name.clone(),
        };
        let resolver = app.ingress.cert_resolver.clone().or_else(|| cluster.ingress.cert_resolver.clone());
        let rules = app.ingress.rules.iter().map(|rule| RuleInput {
            name: rule.name.clone(),
            port: rule.port,
            hosts: rule.hosts.iter().map(|host| host.value.clone()).collect(),
            location: Some(rule.location.clone()),
        });
        let boxes = project.boxes_of(&app.meta.id).map(|object| BoxInput {
            name: object.component.clone(),
            image: object.image.as_ref().map(|image| image.value.clone()),
            command: object.command.clone(),
            args: object.args.clone(),
            network_rules: object.network_policy.clone(),
            location: Some(object.meta.location.clone()),
        });
        let input = ConvertInput {
            scope: &scope,
            provider_driver: Driver::Aks.name(),
            compose: &compose,
            volumes: storage.volumes.clone(),
            ingress: IngressInput {
                namespace: cluster.ingress.namespace.clone(),
                domain: cluster.ingress.domain.clone(),
                cert_resolver: resolver,
                rules: rules.collect(),
            },
            pools: app.deployment.pools.clone(),
            single_pool: app.deployment.single_pool,
            zones: app.deployment.zones.clone(),
            single_zone: app.deployment.single_zone,
            resources: app.resources.iter().map(|(key, value)| (key.clone(), value.value.clone())).collect(),
            isolation: isolation(app),
            network_rules: app.network_policy.clone(),
            boxes: boxes.collect(),
            live_secret_hashes: BTreeMap::new(),
        };
        let (rendered, diagnostics) = convert(&input);
        self.builder.diagnostics.extend(diagnostics);
        self.composes.push((app_address(app), compose));
        rendered
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

    /// Diagnostics of this module get the text of their line here, all at once.
    fn with_lines(&self, diagnostics: Diagnostics) -> Diagnostics {
        let mut located = Diagnostics::default();
        located.extend(diagnostics.into_iter().map(|diagnostic| {
            match (&diagnostic.location, &diagnostic.source_line) {
                (Some(location), None) if OURS.contains(&diagnostic.code) => {
                    let location = location.clone();
                    self.texts.locate(diagnostic, &location)
                }
                _ => diagnostic,
            }
        }));
        located
    }

    fn finish(mut self) -> Result<Expanded, Diagnostics> {
        for node in &mut self.builder.nodes {
            // An object whose own name follows the rename is another object: the new one is made, the old one deleted.
            node.moved_from = addresses_before(&self.renames, &node.address).into_iter().find(|before| {
                let known = self.request.state.known(before);
                known.is_some_and(|known| is_still_named(&node.desired, &known.physical_id))
            });
            if let Some(id) = self.request.state.imports.get(&node.address) {
                node.import = Some(id.clone());
            }
        }
        places::check(&self.builder.nodes, &mut self.builder.diagnostics, self.builder.state);
        let diagnostics = std::mem::take(&mut self.builder.diagnostics);
        let mut diagnostics = self.with_lines(diagnostics);
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
            rendered: self.rendered,
            composes: self.composes,
        })
    }
}

/// Azure taints the nodes of Spot pools; without this no app could run on the default pools.
fn tolerate_spot(rendered: &mut Rendered) {
    let workloads = |object: &&mut RenderedObject| matches!(object.address_kind.as_str(), "Deployment" | "Job");
    for object in rendered.objects.iter_mut().filter(workloads) {
        object.body["spec"]["template"]["spec"]["tolerations"] = json!([{
            "key": "kubernetes.azure.com/scalesetpriority",
            "operator": "Equal",
            "value": "spot",
            "effect": "NoSchedule",
        }]);
    }
}

/// Quota and limits as the conversion takes them.
fn isolation(app: &App) -> IsolationInput {
    let texts = |amounts: &BTreeMap<String, Located<String>>| -> BTreeMap<String, String> {
        amounts.iter().map(|(key, amount)| (key.clone(), amount.value.clone())).collect()
    };
    let parts = app.limits.iter().flat_map(|limits| {
        let parts = [
            ("default", &limits.default),
            ("defaultRequest", &limits.default_request),
            ("max", &limits.max),
            ("min", &limits.min),
        ];
        parts.into_iter().filter(|(_, amounts)| !amounts.is_empty())
    });
    IsolationInput {
        quota: app.quota.as_ref().map(|quota| texts(&quota.hard)).unwrap_or_default(),
        quota_origin: app.quota.as_ref().map(|quota| quota.location.clone()),
        limits: parts.map(|(part, amounts)| (part, texts(amounts))).collect(),
        limits_origin: app.limits.as_ref().map(|limits| limits.location.clone()),
    }
}

/// Whether an object with this Kubernetes or ARM id has the name that is desired now.
fn is_still_named(desired: &Value, id: &str) -> bool {
    let text = |key| desired.at(&["metadata", key]).and_then(Value::as_str);
    let name = text("name").is_none_or(|name| id.ends_with(&format!("/{name}")));
    let namespace = text("namespace");
    name && namespace.is_none_or(|namespace| id.contains(&format!("/namespaces/{namespace}/")))
}

/// Resource IDs that were renamed, old and new, and with each app the ID under which what outlives its cluster is
/// addressed: without that a renamed app would leave its disks behind and get empty ones.
fn renames(project: &Project) -> Vec<(String, String)> {
    let declared = |id: &ResourceId| project.metas().any(|meta| meta.id == *id);
    // What is still declared keeps what it has, whoever says to have been it.
    let written = project.metas().filter_map(|meta| {
        let old = meta.moved_from.as_ref().filter(|old| !declared(old))?;
        Some((old.as_str(), meta.id.as_str()))
    });
    let written: Vec<(&str, &str)> = written.collect();
    let mut renames: Vec<_> = written.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect();
    for (old, new) in &written {
        let (Some((old_provider, old_app)), Some((new_provider, new_app))) = (lasting(old), lasting(new)) else {
            continue;
        };
        // A disk cannot follow an app into another subscription or region; a renamed Provider is the same one.
        let renamed = |(old, new): &(&str, &str)| {
            old_provider
                .strip_prefix(old)
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))
                .is_some_and(|rest| new_provider.strip_prefix(new).is_some_and(|now| now == rest))
        };
        if old_provider == new_provider || written.iter().any(renamed) {
            renames.push((format!("{old_provider}/app/{old_app}"), format!("{new_provider}/app/{new_app}")));
        }
    }
    renames
}

/// Provider and name of an app, from its Resource ID.
fn lasting(id: &str) -> Option<(&str, &str)> {
    let (provider, rest) = id.split_once("/cls/")?;
    let (_, app) = rest.split_once("/app/")?;
    (!app.contains('/')).then_some((provider, app))
}

/// The Resource ID of an app as an address: kind `app` in its cluster.
fn app_address(app: &App) -> Address {
    let cluster = app.meta.id.parent();
    Address::new(cluster.as_ref().map_or("", ResourceId::as_str), "app", app.meta.id.name())
}
