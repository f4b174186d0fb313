//! The typed objects of a project, as the loader found them valid.
//!
//! Fields that a later message may have to point at are [`Located`]. Text that may hold a secret (settings, inline
//! compose) stays out of `Debug`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;

use crate::diag::Location;
use crate::yaml;

pub use super::id::{ResourceId, ResourceKind};

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub location: Location,
}

impl<T> Located<T> {
    /// A value written at `location`.
    pub fn new(value: T, location: Location) -> Self {
        Self { value, location }
    }
}

/// What every object has.
#[derive(Debug, Clone)]
pub struct Meta {
    /// Its identity, unique over the project.
    pub id: ResourceId,
    /// `metadata.name`, the same as the ID's last segment.
    pub name: String,
    /// Where its document starts.
    pub location: Location,
    /// Where its Resource ID is written.
    pub id_location: Location,
    /// Its document's number in the file, from 1 (recorded as `ops.kompox.dev/doc-index`).
    pub doc_index: usize,
    /// The real path of the file (recorded as `ops.kompox.dev/doc-path`).
    pub file: PathBuf,
    /// Whether that is the app file, whose Apps alone may refer to local files.
    pub in_app_file: bool,
    /// The ID it had before a rename (`ops.kompox.dev/moved-from`).
    pub moved_from: Option<ResourceId>,
    /// All annotations as written, with those the loader records.
    pub annotations: BTreeMap<String, String>,
}

/// `settings`: keys and values whose meaning only the provider driver knows. Debug shows keys only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings(pub BTreeMap<String, Located<String>>);

impl Settings {
    /// The value of a setting; one that is written but empty is `Some("")`.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|located| located.value.as_str())
    }
}

impl Deref for Settings {
    type Target = BTreeMap<String, Located<String>>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// `lifecycle` (ext) of a Cluster, an App or a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lifecycle {
    /// `preventDestroy`; an explicit `false` lifts an earlier `true`, an absent one does not.
    pub prevent_destroy: Option<bool>,
    /// `ignoreChanges`: JSON pointers (RFC 6901) of fields whose drift is accepted.
    pub ignore_changes: Vec<String>,
}

/// A Workspace.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// Identity and place.
    pub meta: Meta,
    /// `spec.settings`.
    pub settings: Settings,
}

/// A Provider: one account of a cloud.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Identity and place.
    pub meta: Meta,
    /// `spec.driver`: a word of KOM, whether this version has such a driver or not.
    pub driver: &'static str,
    /// Where it stands.
    pub driver_location: Location,
    /// `spec.settings`.
    pub settings: Settings,
}

/// What kompox itself refuses to do to a protected cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guard {
    /// `none`: nothing is refused; written out, it lifts an earlier guard.
    None,
    /// `cannotDelete`: deletion is refused.
    CannotDelete,
    /// `readOnly`: everything but the first creation is refused.
    ReadOnly,
}

/// `spec.protection` of a Cluster. An absent field does not lift what an earlier apply set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protection {
    /// Guard of the cloud cluster.
    pub provisioning: Option<Guard>,
    /// Guard of the ingress controller and shared objects in it.
    pub installation: Option<Guard>,
    /// `lock` (ext): whether the provider shall lock it too.
    pub lock: Option<bool>,
    /// Where the block stands, if there is one.
    pub location: Option<Location>,
}

/// A TLS certificate that the ingress controller serves from a vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its name; the Secret is `tls-<name>`.
    pub name: String,
    /// Where it comes from, such as the URL of a secret in a vault.
    pub source: String,
    /// Where it is declared.
    pub location: Location,
}

/// Whose ingress controller a Cluster has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    /// The Traefik that kompox installs.
    Traefik,
    /// One that is there, which is used and not touched.
    Existing,
}

/// `spec.ingress` of a Cluster, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterIngress {
    /// Whose controller it is; the driver's default where nobody says.
    pub controller: Option<Controller>,
    /// Where that is written.
    pub controller_location: Option<Location>,
    /// The IngressClass of an existing controller; default `traefik`.
    pub class_name: Option<Located<String>>,
    /// Its namespace; default `traefik`.
    pub namespace: String,
    /// Its service account; default `ingress-service-account`.
    pub service_account: String,
    /// The wildcard domain of default hosts; none means no default hosts.
    pub domain: Option<String>,
    /// The ACME account's address.
    pub cert_email: Option<String>,
    /// The resolver for Apps that name none.
    pub cert_resolver: Option<String>,
    /// Static certificates.
    pub certificates: Vec<Certificate>,
}

impl Default for ClusterIngress {
    fn default() -> Self {
        Self {
            controller: None,
            controller_location: None,
            class_name: None,
            namespace: "traefik".into(),
            service_account: "ingress-service-account".into(),
            domain: None,
            cert_email: None,
            cert_resolver: None,
            certificates: Vec::new(),
        }
    }
}

/// A Cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Identity and place.
    pub meta: Meta,
    /// Whether the cloud cluster is only read, never created, changed or deleted; the driver's default where nobody says.
    pub existing: Option<bool>,
    /// Where that is written.
    pub existing_location: Option<Location>,
    /// `spec.protection`.
    pub protection: Protection,
    /// `spec.ingress`.
    pub ingress: ClusterIngress,
    /// `spec.settings`.
    pub settings: Settings,
    /// `spec.lifecycle`.
    pub lifecycle: Lifecycle,
}

/// Where an App's compose definition is. Debug shows no text of it.
#[derive(Clone)]
pub enum ComposeSource {
    /// `file:` references without that prefix, relative to [`App::base_dir`], merged in order.
    File(Vec<Located<String>>),
    /// Inline YAML text.
    Inline {
        /// The text after YAML's own processing.
        text: String,
        /// Where the text's first character stands; for a literal block (`|`) line and column of any place in the
        /// text are this place plus its own, less one.
        location: Location,
    },
    /// An inline mapping (ext), already located.
    InlineTree(yaml::Node),
}

impl fmt::Debug for ComposeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(files) => f.debug_tuple("File").field(files).finish(),
            Self::Inline { location, .. } => write!(f, "Inline({location})"),
            Self::InlineTree(node) => write!(f, "InlineTree({})", node.location),
        }
    }
}

/// One rule of an App's ingress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngressRule {
    /// Its name, `^[a-z]([-a-z0-9]{0,14})$`; the Service port has it too.
    pub name: String,
    /// A host port that the compose file publishes.
    pub port: u16,
    /// Custom hosts, each once.
    pub hosts: Vec<Located<String>>,
    /// Where the rule stands.
    pub location: Location,
}

/// `spec.ingress` of an App.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppIngress {
    /// The resolver of its custom hosts; none means the cluster's.
    pub cert_resolver: Option<String>,
    /// The rules, in source order.
    pub rules: Vec<IngressRule>,
}

/// What a volume is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VolumeType {
    /// A block device, used by one node at a time.
    Disk,
    /// A network share.
    Files,
}

/// What happens to a disk or share whose volume goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeletionPolicy {
    /// The state forgets it, the cloud keeps it.
    Orphan,
    /// It is deleted, after the guards of the plan.
    Delete,
}

/// What a disk or snapshot is made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiskSource {
    /// `snapshot:<name>` of the same volume.
    Snapshot(String),
    /// `disk:<name>` of the same volume.
    Disk(String),
    /// A provider's resource id, copied.
    ProviderId(String),
}

/// A disk that the manifest declares (ext).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredDisk {
    /// Its name, unique in the volume.
    pub name: String,
    /// Its zone; none means the deployment's.
    pub zone: Option<Located<String>>,
    /// What it is made from; none means empty. Never together with `import`.
    pub source: Option<Located<DiskSource>>,
    /// The provider's id of a disk to adopt instead of creating one.
    pub import: Option<Located<String>>,
    /// Its size in bytes; none means the volume's.
    pub size_bytes: Option<u64>,
    /// Where the size is written.
    pub size_location: Option<Location>,
    /// Options over those of the volume.
    pub options: BTreeMap<String, Located<String>>,
    /// Where it is declared.
    pub location: Location,
}

/// A snapshot that the manifest declares (ext): it has a source or is imported, never both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredSnapshot {
    /// Its name, unique in the volume.
    pub name: String,
    /// What it is taken of.
    pub source: Option<Located<DiskSource>>,
    /// The provider's id of a snapshot to adopt.
    pub import: Option<Located<String>>,
    /// Where it is declared.
    pub location: Location,
}

/// A volume of an App.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its name, 1 to 16 characters.
    pub name: String,
    /// Its size in bytes; none means the driver's default.
    pub size_bytes: Option<u64>,
    /// Where the size is written.
    pub size_location: Option<Location>,
    /// `type`; default disk.
    pub kind: VolumeType,
    /// Driver options such as `sku`.
    pub options: BTreeMap<String, Located<String>>,
    /// `deletionPolicy` (ext); default Orphan.
    pub deletion_policy: DeletionPolicy,
    /// Declared disks (ext); none declared means one disk, made on first apply and never replaced.
    pub disks: Vec<DeclaredDisk>,
    /// The declared disk that the pods mount; always set where more than one is declared.
    pub assigned: Option<Located<String>>,
    /// Declared snapshots (ext).
    pub snapshots: Vec<DeclaredSnapshot>,
    /// `lifecycle` (ext).
    pub lifecycle: Lifecycle,
    /// Where the volume is declared.
    pub location: Location,
}

impl Volume {
    /// The declared disk that the pods mount; none where no disk is declared.
    pub fn assigned_disk(&self) -> Option<&DeclaredDisk> {
        match &self.assigned {
            Some(assigned) => self.disks.iter().find(|disk| disk.name == assigned.value),
            None => self.disks.first(),
        }
    }
}

/// `spec.deployment` of an App: where its pods may run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployment {
    /// Node pools; empty means the default pool `user`.
    pub pools: Vec<String>,
    /// Zones; empty means any.
    pub zones: Vec<String>,
    /// Whether `pool` was written: a node selector, not an affinity.
    pub single_pool: bool,
    /// Whether `zone` was written: a node selector, not an affinity.
    pub single_zone: bool,
    /// Where the block stands, if there is one.
    pub location: Option<Location>,
    /// Where the zone or zones stand.
    pub zone_location: Option<Location>,
}

/// `spec.quota` of an App (ext): what its Namespace may hold and use together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Quantities by resource name (`requests.cpu`, `pods`, …), at least one.
    pub hard: BTreeMap<String, Located<String>>,
    /// Where it stands.
    pub location: Location,
}

/// `spec.limits` of an App (ext): what each container may use, and gets where it says nothing. Quantities by resource
/// name; for each resource min ≤ defaultRequest ≤ default ≤ max.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerLimits {
    /// The least that a container may request.
    pub min: BTreeMap<String, Located<String>>,
    /// The request of a container that has none.
    pub default_request: BTreeMap<String, Located<String>>,
    /// The limit of a container that has none.
    pub default: BTreeMap<String, Located<String>>,
    /// The highest limit that a container may have.
    pub max: BTreeMap<String, Located<String>>,
    /// Where it stands.
    pub location: Location,
}

/// An App.
#[derive(Debug, Clone)]
pub struct App {
    /// Identity and place.
    pub meta: Meta,
    /// Its compose definition.
    pub compose: ComposeSource,
    /// `profiles` (ext): the compose profiles that are on.
    pub profiles: Vec<String>,
    /// `spec.ingress`.
    pub ingress: AppIngress,
    /// `spec.volumes`, in source order: a relative bind mount uses the first.
    pub volumes: Vec<Volume>,
    /// `spec.deployment`.
    pub deployment: Deployment,
    /// `spec.networkPolicy.ingressRules`, each a Kubernetes NetworkPolicyIngressRule with protocols filled in.
    pub network_policy: Vec<serde_json::Value>,
    /// `spec.resources`: quantities of `cpu` and `memory` for the pod.
    pub resources: BTreeMap<String, Located<String>>,
    /// `spec.quota` (ext).
    pub quota: Option<Quota>,
    /// `spec.limits` (ext).
    pub limits: Option<ContainerLimits>,
    /// `spec.settings`.
    pub settings: Settings,
    /// `spec.lifecycle`.
    pub lifecycle: Lifecycle,
    /// The directory of its file, which local references start from.
    pub base_dir: PathBuf,
}

/// A Box: a second component of an App, for maintenance. Without an image it is a compose box.
#[derive(Debug, Clone)]
pub struct KomBox {
    /// Identity and place.
    pub meta: Meta,
    /// Its component, the same as its name; never `app`.
    pub component: String,
    /// Its image.
    pub image: Option<Located<String>>,
    /// Its entrypoint; empty means the image's.
    pub command: Vec<String>,
    /// Its arguments; empty means the image's.
    pub args: Vec<String>,
    /// As [`App::network_policy`].
    pub network_policy: Vec<serde_json::Value>,
}

/// Everything that was loaded, each kind ordered by ID. Every parent exists.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// Workspaces.
    pub workspaces: Vec<Workspace>,
    /// Providers.
    pub providers: Vec<Provider>,
    /// Clusters.
    pub clusters: Vec<Cluster>,
    /// Apps.
    pub apps: Vec<App>,
    /// Boxes.
    pub boxes: Vec<KomBox>,
    /// The App that commands without a selector mean.
    pub default_app: Option<ResourceId>,
    index: HashMap<ResourceId, usize>,
}

impl Project {
    /// A project of these objects, which it orders by ID and indexes.
    pub fn new(
        mut workspaces: Vec<Workspace>,
        mut providers: Vec<Provider>,
        mut clusters: Vec<Cluster>,
        mut apps: Vec<App>,
        mut boxes: Vec<KomBox>,
        default_app: Option<ResourceId>,
    ) -> Self {
        let mut index = HashMap::new();
        order(&mut workspaces, |object| &object.meta.id, &mut index);
        order(&mut providers, |object| &object.meta.id, &mut index);
        order(&mut clusters, |object| &object.meta.id, &mut index);
        order(&mut apps, |object| &object.meta.id, &mut index);
        order(&mut boxes, |object| &object.meta.id, &mut index);
        Self { workspaces, providers, clusters, apps, boxes, default_app, index }
    }

    /// The workspace with this ID, or that the ID is in.
    pub fn workspace(&self, id: &ResourceId) -> Option<&Workspace> {
        self.workspaces.get(self.position(id, ResourceKind::Workspace)?)
    }

    /// The provider with this ID, or that the ID is in.
    pub fn provider(&self, id: &ResourceId) -> Option<&Provider> {
        self.providers.get(self.position(id, ResourceKind::Provider)?)
    }

    /// The cluster with this ID, or that the ID is in.
    pub fn cluster(&self, id: &ResourceId) -> Option<&Cluster> {
        self.clusters.get(self.position(id, ResourceKind::Cluster)?)
    }

    /// The App with this ID, or that the ID (a Box's) is in.
    pub fn app(&self, id: &ResourceId) -> Option<&App> {
        self.apps.get(self.position(id, ResourceKind::App)?)
    }

    /// The Box with this ID.
    pub fn boxed(&self, id: &ResourceId) -> Option<&KomBox> {
        self.boxes.get(self.position(id, ResourceKind::Box)?)
    }

    /// The Boxes of an App.
    pub fn boxes_of<'a>(&'a self, app: &'a ResourceId) -> impl Iterator<Item = &'a KomBox> {
        // Ordered by ID, so that an App's Boxes are neighbours.
        let prefix = format!("{app}/");
        let start = self.boxes.partition_point(|object| object.meta.id.as_str() < prefix.as_str());
        self.boxes.iter().skip(start).take_while(move |object| object.meta.id.as_str().starts_with(&prefix))
    }

    /// What every object has, in the order of kinds.
    pub fn metas(&self) -> impl Iterator<Item = &Meta> {
        self.workspaces
            .iter()
            .map(|object| &object.meta)
            .chain(self.providers.iter().map(|object| &object.meta))
            .chain(self.clusters.iter().map(|object| &object.meta))
            .chain(self.apps.iter().map(|object| &object.meta))
            .chain(self.boxes.iter().map(|object| &object.meta))
    }

    fn position(&self, id: &ResourceId, kind: ResourceKind) -> Option<usize> {
        self.index.get(&id.ancestor(kind)?).copied()
    }
}

fn order<T>(objects: &mut [T], id: impl Fn(&T) -> &ResourceId, index: &mut HashMap<ResourceId, usize>) {
    objects.sort_by(|a, b| id(a).cmp(id(b)));
    index.extend(objects.iter().enumerate().map(|(position, object)| (id(object).clone(), position)));
}
