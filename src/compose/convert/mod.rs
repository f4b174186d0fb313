//! From a compose project to Kubernetes objects: pure, deterministic, and without knowledge of where they go.
//!
//! [`convert`] gives every object of one app in the order in which they are created. Bodies are plain JSON with secrets
//! in clear; [`RenderedObject::sensitive`] says which leaves must never be shown or stored.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::compose::gate::Veil;
use crate::compose::model::{ComposeProject, Service};
use crate::compose::names;
use crate::diag::{Diagnostic, Diagnostics, Location};

mod boxes;
mod components;
mod config;
mod ingress;
mod isolation;
mod listening;
mod order;
mod policy;
mod service;
mod volume;
mod workload;
mod yaml;

pub use service::SUB_PATHS;
pub use yaml::{WriteError, manifest};

/// Which app this is; all hashes come from these names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Workspace name.
    pub workspace: String,
    /// Provider name.
    pub provider: String,
    /// Cluster name.
    pub cluster: String,
    /// App name.
    pub app: String,
}

/// Who may mount a volume at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// One node: a disk.
    ReadWriteOnce,
    /// Many nodes: a file share.
    ReadWriteMany,
}

/// A volume of the app with the disk or share that is in use for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeInput {
    /// The volume's name in `App.spec.volumes`.
    pub name: String,
    /// The declared disk that is assigned; absent when the volume has only its implicit one.
    pub disk: Option<String>,
    /// Who may mount it.
    pub access: Access,
    /// Real size in bytes; rendered up to the next Mi.
    pub size_bytes: u64,
    /// The provider's resource id of the disk: CSI volume handle and input of `volHASH`.
    pub handle: String,
    /// Storage class of PersistentVolume and Claim.
    pub storage_class: String,
    /// CSI driver.
    pub driver: String,
    /// CSI volume attributes, all of them: `fsType: ext4` for a disk, `protocol: smb` for a share.
    pub attributes: BTreeMap<String, String>,
    /// The handle before a disk switch, kept as an annotation of the new PersistentVolume.
    pub previous_handle: Option<String>,
    /// The line that declares the volume.
    pub origin: Option<Location>,
}

/// One rule of `App.spec.ingress.rules`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleInput {
    /// Name of the rule and of the Service port.
    pub name: String,
    /// Host port that the compose file publishes.
    pub port: u16,
    /// Hosts of the app's own.
    pub hosts: Vec<String>,
    /// The line of the rule's port, for messages.
    pub location: Option<Location>,
}

/// What the cluster's and the app's `ingress` say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngressInput {
    /// Namespace of the ingress controller.
    pub namespace: String,
    /// The cluster's wildcard domain; without it there are no default hosts.
    pub domain: Option<String>,
    /// The app's certificate resolver, else the cluster's.
    pub cert_resolver: Option<String>,
    /// The app's rules.
    pub rules: Vec<RuleInput>,
}

/// A declared Box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxInput {
    /// Its name, which is its component, and for a compose Box the service that it takes out of the app's Pod.
    pub name: String,
    /// Image of a stand-alone Box; absent for a compose Box.
    pub image: Option<String>,
    /// Entry point; with neither this nor `args` the Box sleeps.
    pub command: Vec<String>,
    /// Arguments.
    pub args: Vec<String>,
    /// `networkPolicy.ingressRules` of the Box, in Kubernetes form.
    pub network_rules: Vec<Value>,
    /// The line that declares it.
    pub location: Option<Location>,
}

/// `App.spec.quota` and `App.spec.limits`: quantities by resource name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IsolationInput {
    /// What the Namespace may hold and use together; empty means no ResourceQuota.
    pub quota: BTreeMap<String, String>,
    /// The line of the quota.
    pub quota_origin: Option<Location>,
    /// What each container may use, by part of a LimitRange item (`default`, `defaultRequest`, `max`, `min`); empty means
    /// no LimitRange.
    pub limits: BTreeMap<&'static str, BTreeMap<String, String>>,
    /// The line of the limits.
    pub limits_origin: Option<Location>,
}

/// Everything that rendering depends on.
#[derive(Debug, Clone)]
pub struct ConvertInput<'a> {
    /// Which app.
    pub scope: &'a Scope,
    /// The provider's driver, for the Namespace annotation.
    pub provider_driver: &'a str,
    /// The compose project.
    pub compose: &'a ComposeProject,
    /// Volumes in the order of `App.spec.volumes`; the first takes relative bind mounts.
    pub volumes: Vec<VolumeInput>,
    /// Ingress of cluster and app.
    pub ingress: IngressInput,
    /// Node pools; empty means `user`.
    pub pools: Vec<String>,
    /// Whether `deployment.pool` was used: a node selector instead of an affinity. An empty list counts as single.
    pub single_pool: bool,
    /// Zones; empty means any.
    pub zones: Vec<String>,
    /// Whether `deployment.zone` was used: a node selector instead of an affinity.
    pub single_zone: bool,
    /// `App.spec.resources`: requests of every container that names none itself, as Kubernetes quantities.
    pub resources: BTreeMap<String, String>,
    /// Quota and limits of the Namespace.
    pub isolation: IsolationInput,
    /// `App.spec.networkPolicy.ingressRules` in Kubernetes form.
    pub network_rules: Vec<Value>,
    /// Declared Boxes of the app.
    pub boxes: Vec<BoxInput>,
    /// Content hashes of the live `-override` and `--pull` Secrets by name: they are part of the Pod's hash, and a live
    /// pull Secret is referred to by the Pod.
    pub live_secret_hashes: BTreeMap<String, String>,
}

/// The objects of one app.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// In the order of creation.
    pub objects: Vec<RenderedObject>,
    /// Hosts the app answers to: default hosts first, then its own.
    pub hosts: Vec<String>,
}

/// One Kubernetes object.
#[derive(Clone, PartialEq)]
pub struct RenderedObject {
    /// The whole object; secrets are in clear.
    pub body: Value,
    /// Paths (keys and indices) of leaves that must never be shown or stored as they are: data of Secrets, environment
    /// and arguments that hold secrets, content hashes.
    pub sensitive: Vec<Vec<String>>,
    /// Kind for addresses, such as `Deployment`.
    pub address_kind: String,
    /// Name for addresses: the object's own, but the app's for the Namespace and `<volume>` or `<volume>.<disk>` for a
    /// PersistentVolume and its Claim, never a name with a hash.
    pub address_name: String,
    /// Objects of the same app that come first: (address kind, address name).
    pub after: Vec<(String, String)>,
    /// The line that asked for it.
    pub origin: Option<Location>,
}

impl fmt::Debug for RenderedObject {
    /// Hides the body: it may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderedObject")
            .field("kind", &self.address_kind)
            .field("name", &self.address_name)
            .field("sensitive", &self.sensitive)
            .field("after", &self.after)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// The component of what the compose file describes.
pub(crate) const APP_COMPONENT: &str = "app";
/// The annotation of ConfigMaps, Secrets and Pod templates that changes with their content.
pub(crate) const CONTENT_HASH: &str = "kompox.dev/compose-content-hash";

/// Renders every object of an app. There is a result exactly when there is no error.
pub fn convert(input: &ConvertInput<'_>) -> (Option<Rendered>, Diagnostics) {
    let mut cx = Context::new(input);
    service::check_names(&mut cx);
    cx.check_scope();
    let components = components::components(&mut cx);
    let mut objects = policy::objects(&cx);
    objects.extend(isolation::objects(&cx));
    objects.extend(volume::objects(&mut cx));
    let network = ingress::objects(&mut cx, &components);
    let (app, boxed) = components.split_first().map_or((None, [].as_slice()), |(app, boxed)| (Some(app), boxed));
    if let Some(app) = app {
        let files = config::objects(&mut cx, app);
        let workload = workload::workload(&mut cx, &files, app);
        objects.extend(files.objects);
        objects.extend(workload);
    }
    objects.extend(network.objects);
    objects.extend(boxes::objects(&mut cx, boxed));
    for job in boxed.iter().filter(|component| component.job.is_some()) {
        let files = config::objects(&mut cx, job);
        let workload = workload::workload(&mut cx, &files, job);
        objects.extend(files.objects);
        objects.extend(workload);
    }
    isolation::before_what_they_judge(&cx, &mut objects);
    policy::secure(&mut objects);
    cx.check_unique(&objects);
    cx.hide_values(&mut objects);
    let diagnostics = input.compose.veil.over(cx.diagnostics);
    let rendered = if diagnostics.has_errors() { None } else { Some(Rendered { objects, hosts: network.hosts }) };
    #[cfg(test)]
    rendered.iter().for_each(testing::keep);
    (rendered, diagnostics)
}

/// What every part of the conversion shares: names, labels, and where findings go.
pub(crate) struct Context<'a> {
    pub(crate) input: &'a ConvertInput<'a>,
    pub(crate) sp_hash: String,
    pub(crate) id_hash: String,
    pub(crate) in_hash: String,
    pub(crate) namespace: String,
    /// The services that run, in the order of the file.
    pub(crate) services: Vec<&'a Service>,
    /// Whether the app has a Pod of its own: not when Boxes take every service.
    pub(crate) app_runs: bool,
    /// Components that mount a disk, by name.
    pub(crate) on_disks: Vec<String>,
    /// Whether services run as Jobs.
    pub(crate) has_jobs: bool,
    /// Services that an ingress rule leads to.
    pub(crate) reached: BTreeSet<String>,
    pub(crate) diagnostics: Diagnostics,
}

impl<'a> Context<'a> {
    fn new(input: &'a ConvertInput<'a>) -> Self {
        let Scope { workspace, provider, cluster, app } = input.scope;
        let sp_hash = names::sp_hash(workspace, provider);
        let id_hash = names::id_hash(workspace, provider, app);
        let in_hash = names::in_hash(workspace, provider, cluster, app);
        let namespace = names::namespace(&sp_hash, app, &id_hash);
        let services = input.compose.services.iter().filter(|service| service.replicas > 0).collect();
        Self {
            input,
            sp_hash,
            id_hash,
            in_hash,
            namespace,
            services,
            app_runs: true,
            on_disks: Vec::new(),
            has_jobs: false,
            reached: BTreeSet::new(),
            diagnostics: Diagnostics::default(),
        }
    }

    pub(crate) fn app(&self) -> &'a str {
        &self.input.scope.app
    }

    fn check_scope(&mut self) {
        if !names::is_dns_label(&self.namespace) {
            let message = format!(
                "the app's name {} is too long: its Namespace {} has more than 63 characters",
                self.app(),
                self.namespace
            );
            self.diagnostics.push(Diagnostic::error("compose-name", message));
        }
    }

    /// A service and a component of the app must not want the same name for two objects.
    fn check_unique(&mut self, objects: &[RenderedObject]) {
        let mut seen = BTreeSet::new();
        for object in objects {
            if !seen.insert((object.address_kind.as_str(), object.address_name.as_str())) {
                let message = format!("there would be two of {} {}", object.address_kind, object.address_name);
                let finding = Diagnostic::error("compose-name", message).help("rename the service, alias or Box");
                match &object.origin {
                    Some(origin) => self.push(finding, origin),
                    None => self.diagnostics.push(finding),
                }
            }
        }
    }

    /// Marks every text that holds a value which nothing may show. Where it became a name it cannot be hidden.
    fn hide_values(&mut self, objects: &mut [RenderedObject]) {
        let veil = &self.input.compose.veil;
        if veil.is_empty() {
            return;
        }
        let mut told = BTreeSet::new();
        for object in objects {
            let mut walk = ValueWalk { veil, path: Vec::new(), hidden: Vec::new(), named: Vec::new() };
            walk.value(&object.body, false);
            let ValueWalk { hidden, named, .. } = walk;
            object.sensitive.extend(hidden);
            for (place, variable, help) in named {
                if !told.insert((variable.clone(), place.clone())) {
                    continue;
                }
                let message = format!(
                    "the value of ${{{variable}}} becomes a name ({place} of a {}), which cannot be hidden",
                    object.address_kind
                );
                let finding = Diagnostic::error("compose-variable-shown", message).help(help);
                match &object.origin {
                    Some(origin) => self.push(finding, origin),
                    None => self.diagnostics.push(finding),
                }
            }
        }
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic, location: &Location) {
        self.diagnostics.push(self.input.compose.sources.locate(diagnostic, location));
    }

    pub(crate) fn error(&mut self, code: &'static str, message: impl Into<String>, location: &Location) {
        self.push(Diagnostic::error(code, message), location);
    }

    /// Labels of every object.
    pub(crate) fn labels(&self) -> serde_json::Map<String, Value> {
        let app = self.app();
        let labels = [
            ("app.kubernetes.io/name", app.to_owned()),
            ("app.kubernetes.io/instance", format!("{app}-{}", self.in_hash)),
            ("app.kubernetes.io/managed-by", "kompox".to_owned()),
            ("kompox.dev/app-instance-hash", self.in_hash.clone()),
            ("kompox.dev/app-id-hash", self.id_hash.clone()),
        ];
        labels.into_iter().map(|(key, value)| (key.to_owned(), Value::String(value))).collect()
    }

    /// Labels of what belongs to one component.
    pub(crate) fn component_labels(&self, component: &str) -> serde_json::Map<String, Value> {
        let mut labels = self.labels();
        labels.insert("app".to_owned(), names::component(self.app(), component).into());
        labels.insert("app.kubernetes.io/component".to_owned(), component.into());
        labels
    }

    /// The selector of a component's Pods.
    pub(crate) fn selector(&self, component: &str) -> Value {
        serde_json::json!({ "app": names::component(self.app(), component) })
    }

    /// The edge to the Namespace, which every namespaced object has.
    pub(crate) fn after_namespace(&self) -> (String, String) {
        ("Namespace".to_owned(), self.app().to_owned())
    }
}

/// Keys under which texts are names: by them plans call an object or a part of it, and guards find who uses which data.
const NAMES: [&str; 5] = ["name", "mountPath", "subPath", "ip", "host"];
/// Keys under which texts of compose files stand that may be hidden.
const TEXTS: [&str; 13] = [
    "annotations",
    "args",
    "command",
    "data",
    "hostname",
    "hostnames",
    "image",
    "nameservers",
    "options",
    "searches",
    "sysctls",
    "value",
    "workingDir",
];

/// Looks for values that nothing may show.
struct ValueWalk<'v> {
    veil: &'v Veil,
    path: Vec<String>,
    /// Leaves that hold one.
    hidden: Vec<Vec<String>>,
    /// Names that hold one: where, which variable, and what to do.
    named: Vec<(String, String, String)>,
}

impl ValueWalk<'_> {
    /// `text` says whether one of [`TEXTS`] is above.
    fn value(&mut self, value: &Value, text: bool) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    self.name(key, "a key");
                    self.path.push(key.clone());
                    self.value(value, text || TEXTS.contains(&key.as_str()));
                    self.path.pop();
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.path.push(index.to_string());
                    self.value(item, text);
                    self.path.pop();
                }
            }
            Value::String(leaf) => {
                let key = self.path.last().cloned().unwrap_or_default();
                if NAMES.contains(&key.as_str()) {
                    self.name(leaf, &key);
                } else if text && self.veil.meets(leaf) {
                    self.hidden.push(self.path.clone());
                }
            }
            _ => {}
        }
    }

    fn name(&mut self, text: &str, place: &str) {
        if let Some((variable, help)) = self.veil.in_name(text) {
            self.named.push((place.to_owned(), variable.to_owned(), help));
        }
    }
}

/// A path to a leaf, from segments that may be numbers.
pub(crate) fn path(segments: &[&dyn fmt::Display]) -> Vec<String> {
    segments.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
