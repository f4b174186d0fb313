//! Every key of KOM, said once: the readers take their known keys from these tables, and [`super::schema`] makes the
//! JSON Schema of them, so that an editor and the loader cannot disagree.

use super::id::ResourceKind;
use super::model::{Controller, DeletionPolicy, Guard, VolumeType};
use super::settings::Level;
use crate::text::dns::LABEL_MAX;

/// The `apiVersion` of every KOM document.
pub const API_VERSION: &str = "ops.kompox.dev/v1alpha1";
/// The annotation that holds the Resource ID.
pub const ID_ANNOTATION: &str = "ops.kompox.dev/id";
/// The annotation (ext) that names the ID before a rename.
pub const MOVED_FROM_ANNOTATION: &str = "ops.kompox.dev/moved-from";
/// The annotation the loader records: the file's real path.
pub const DOC_PATH_ANNOTATION: &str = "ops.kompox.dev/doc-path";
/// The annotation the loader records: the document's number in its file, from 1.
pub const DOC_INDEX_ANNOTATION: &str = "ops.kompox.dev/doc-index";

pub(super) const ANNOTATION_PREFIX: &str = "ops.kompox.dev/";
pub(super) const ANNOTATIONS: [&str; 4] =
    [ID_ANNOTATION, MOVED_FROM_ANNOTATION, DOC_PATH_ANNOTATION, DOC_INDEX_ANNOTATION];
/// A mapping with known keys.
#[derive(Debug)]
pub(super) struct Object {
    /// What it is, for editors.
    pub about: &'static str,
    /// Its keys, in the order in which one writes them.
    pub keys: &'static [Key],
}

impl Object {
    /// The names of its keys.
    pub fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }
}

/// A key and what it takes.
#[derive(Debug)]
pub(super) struct Key {
    /// The key.
    pub name: &'static str,
    /// What it means, for editors.
    pub about: &'static str,
    /// What it takes.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
}

/// What a key takes. Unless it is required, null means that it is absent.
#[derive(Debug)]
pub(super) enum Shape {
    /// A single value; numbers and booleans are their text.
    Text,
    /// A DNS-1123 label of at most this many characters.
    Label(usize),
    /// A text that matches this regular expression (ECMA 262); empty means absent unless it is required.
    Pattern(&'static str),
    /// One of these words.
    Choice(fn() -> Vec<&'static str>),
    /// True or false.
    Boolean,
    /// A whole number within these bounds.
    Integer(i64, i64),
    /// A list of texts.
    Texts,
    /// A list of texts that may be empty.
    AnyTexts,
    /// A mapping of any keys to single values.
    Scalars,
    /// The same, where a driver knows the keys.
    Settings(&'static [Level]),
    /// A mapping.
    Object(&'static Object),
    /// A list of mappings.
    Objects(&'static Object),
    /// What a quota limits and how much: names that [`super::limits`] knows.
    Quota,
    /// A compose definition.
    Compose,
    /// The ID of an object of this kind.
    Id(ResourceKind),
    /// A key that may not be written.
    Reserved,
}

const fn optional(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, about, shape, required: false }
}

const fn required(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, about, shape, required: true }
}

fn words<T>(choices: &[(&'static str, T)]) -> Vec<&'static str> {
    choices.iter().map(|(word, _)| *word).collect()
}

/// Longest name of a volume: it is a part of object names.
pub(super) const VOLUME_NAME_MAX: usize = 16;
/// Longest name of a disk or snapshot.
pub(super) const DISK_NAME_MAX: usize = 24;
/// Words of `protection`.
pub(super) const GUARDS: [(&str, Guard); 3] =
    [("none", Guard::None), ("cannotDelete", Guard::CannotDelete), ("readOnly", Guard::ReadOnly)];
/// Words of a volume's `type`.
pub(super) const VOLUME_TYPES: [(&str, VolumeType); 2] = [("disk", VolumeType::Disk), ("files", VolumeType::Files)];
/// Words of `deletionPolicy`.
pub(super) const DELETION_POLICIES: [(&str, DeletionPolicy); 2] =
    [("Orphan", DeletionPolicy::Orphan), ("Delete", DeletionPolicy::Delete)];
/// Words of `driver`. Which of them this version has, the registry of drivers says.
pub(super) const DRIVERS: [(&str, &str); 5] =
    [("aks", "aks"), ("k3s", "k3s"), ("eks", "eks"), ("gke", "gke"), ("oke", "oke")];
/// Ingress controllers.
pub(super) const CONTROLLERS: [(&str, Controller); 2] =
    [("traefik", Controller::Traefik), ("existing", Controller::Existing)];
/// Operators of label expressions.
pub(super) const OPERATORS: [(&str, &str); 4] =
    [("In", "In"), ("NotIn", "NotIn"), ("Exists", "Exists"), ("DoesNotExist", "DoesNotExist")];
/// Transport protocols.
pub(super) const PROTOCOLS: [(&str, &str); 3] = [("TCP", "TCP"), ("UDP", "UDP"), ("SCTP", "SCTP")];
/// Ports.
pub(super) const PORTS: (i64, i64) = (1, 65_535);

const fn settings(shape: Shape) -> Key {
    optional("settings", shape, "Settings of the provider driver; no credentials")
}

const CERT_RESOLVER: Key = optional(
    "certResolver",
    Shape::Pattern("^[-_.@A-Za-z0-9]+$"),
    "ACME resolver: staging, production or one of your own",
);
const LIFECYCLE_KEY: Key = optional("lifecycle", Shape::Object(&LIFECYCLE), "What a plan may do to it");

/// The envelope of every document, but for its `metadata` and `spec`.
pub(super) const DOCUMENT: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];
/// `metadata`.
pub(super) const METADATA: [&str; 3] = ["name", "annotations", "labels"];

/// `spec` of a Workspace.
pub(super) static WORKSPACE: Object = Object {
    about: "A Workspace: what belongs together, such as one team's projects",
    keys: &[settings(Shape::Scalars)],
};

/// `spec` of a Provider.
pub(super) static PROVIDER: Object = Object {
    about: "A Provider: one account of a cloud",
    keys: &[
        required(
            "driver",
            Shape::Choice(|| words(&DRIVERS)),
            "The driver of the cloud; settings.md has those that there are",
        ),
        settings(Shape::Settings(&[Level::Provider])),
    ],
};

/// `spec` of a Cluster.
pub(super) static CLUSTER: Object = Object {
    about: "A Cluster of Kubernetes",
    keys: &[
        optional(
            "existing",
            Shape::Boolean,
            "Whether the cluster is only read, never created, changed or deleted; with k3s always",
        ),
        optional("protection", Shape::Object(&PROTECTION), "What kompox refuses to do to it"),
        optional("ingress", Shape::Object(&CLUSTER_INGRESS), "Its ingress controller"),
        settings(Shape::Settings(&[Level::Cluster])),
        LIFECYCLE_KEY,
    ],
};

/// `spec.protection` of a Cluster.
pub(super) static PROTECTION: Object = Object {
    about: "What kompox refuses to do: cannotDelete refuses deletion, readOnly everything but the first creation",
    keys: &[
        optional("provisioning", Shape::Choice(|| words(&GUARDS)), "Guard of the cloud cluster"),
        optional("installation", Shape::Choice(|| words(&GUARDS)), "Guard of the ingress controller in it"),
        optional("lock", Shape::Boolean, "Whether the cloud locks it too"),
    ],
};

/// `spec.ingress` of a Cluster.
pub(super) static CLUSTER_INGRESS: Object = Object {
    about: "The ingress controller of a Cluster",
    keys: &[
        optional(
            "controller",
            Shape::Choice(|| words(&CONTROLLERS)),
            "traefik is installed by kompox, existing is there already; default traefik, with k3s existing",
        ),
        optional("className", Shape::Text, "The IngressClass of a controller that is there; default traefik"),
        optional("namespace", Shape::Label(LABEL_MAX), "Its namespace; default traefik"),
        optional("serviceAccount", Shape::Text, "Its service account; default ingress-service-account"),
        optional("domain", Shape::Text, "Wildcard domain of default hosts, without \"*.\"; empty for none"),
        optional("certEmail", Shape::Pattern("^[^@]+@.*\\."), "Address of the ACME account"),
        CERT_RESOLVER,
        optional("certificates", Shape::Objects(&CERTIFICATE), "Certificates from a vault"),
    ],
};

/// An item of `certificates`.
pub(super) static CERTIFICATE: Object = Object {
    about: "A certificate from a vault",
    keys: &[
        required("name", Shape::Label(LABEL_MAX), "Its name; the Secret is tls-<name>"),
        required("source", Shape::Text, "Where it is: https://<vault>.vault.azure.net/secrets/<name>"),
    ],
};

/// `lifecycle` of a Cluster, an App or a volume.
pub(super) static LIFECYCLE: Object = Object {
    about: "What a plan may do to it",
    keys: &[
        optional("preventDestroy", Shape::Boolean, "Whether a plan that would destroy it is refused"),
        optional("ignoreChanges", Shape::Texts, "JSON pointers of fields whose drift is accepted: /spec/replicas"),
    ],
};

/// `spec` of an App.
pub(super) static APP: Object = Object {
    about: "An App: one compose project with its disks and hosts",
    keys: &[
        required(
            "compose",
            Shape::Compose,
            "The compose definition: file:compose.yml, a list of files that are merged, or the definition itself",
        ),
        optional("profiles", Shape::AnyTexts, "Compose profiles that are on"),
        optional("ingress", Shape::Object(&APP_INGRESS), "Hosts and where they lead"),
        optional("volumes", Shape::Objects(&VOLUME), "Disks and shares; a relative bind mount uses the first"),
        optional("deployment", Shape::Object(&DEPLOYMENT), "Where its pods run"),
        optional("networkPolicy", Shape::Object(&NETWORK_POLICY), "Who else may connect to its pods"),
        optional("resources", Shape::Object(&RESOURCES), "Requests of every container that names none itself"),
        optional("quota", Shape::Quota, "What everything in its Namespace may use together (ResourceQuota)"),
        optional("limits", Shape::Object(&CONTAINER_LIMITS), "What a container in its Namespace may use (LimitRange)"),
        settings(Shape::Settings(&[Level::App])),
        LIFECYCLE_KEY,
    ],
};

/// `spec.ingress` of an App.
pub(super) static APP_INGRESS: Object = Object {
    about: "Hosts of an App",
    keys: &[CERT_RESOLVER, optional("rules", Shape::Objects(&INGRESS_RULE), "One rule for each port")],
};

/// An item of `rules`.
pub(super) static INGRESS_RULE: Object = Object {
    about: "Hosts that lead to one port",
    keys: &[
        required("name", Shape::Pattern("^[a-z]([-a-z0-9]{0,13}[a-z0-9])?$"), "Its name, and that of the Service port"),
        required("port", Shape::Integer(PORTS.0, PORTS.1), "A host port that the compose file publishes"),
        optional("hosts", Shape::Texts, "Your own host names"),
    ],
};

/// An item of `volumes`.
pub(super) static VOLUME: Object = Object {
    about: "A disk or share of an App; it outlives the App and the cluster",
    keys: &[
        required("name", Shape::Label(VOLUME_NAME_MAX), "Its name, which compose files use"),
        optional("size", Shape::Text, "Its size, such as 10Gi; it can grow, never shrink"),
        optional(
            "type",
            Shape::Choice(|| words(&VOLUME_TYPES)),
            "disk (default) for one node at a time, files for a network share",
        ),
        optional("options", Shape::Settings(&[Level::Disk, Level::Files]), "Options of the driver, such as sku"),
        optional(
            "deletionPolicy",
            Shape::Choice(|| words(&DELETION_POLICIES)),
            "What happens to the data when the volume goes: Orphan (default) keeps it",
        ),
        optional("disks", Shape::Objects(&DISK), "Declared disks; without them there is one, never replaced"),
        optional("assigned", Shape::Text, "The declared disk that the pods mount"),
        optional("snapshots", Shape::Objects(&SNAPSHOT), "Declared snapshots"),
        LIFECYCLE_KEY,
    ],
};

/// An item of `disks`.
pub(super) static DISK: Object = Object {
    about: "A declared disk",
    keys: &[
        required("name", Shape::Label(DISK_NAME_MAX), "Its name, unique in the volume"),
        optional("zone", Shape::Text, "Its zone; default the deployment's"),
        optional("source", Shape::Text, "What it is made of: snapshot:<name>, disk:<name> or a resource id"),
        optional("import", Shape::Text, "Resource id of a disk to adopt instead of creating one"),
        optional("size", Shape::Text, "Its size; default the volume's"),
        optional("options", Shape::Settings(&[Level::Disk, Level::Files]), "Options over those of the volume"),
    ],
};

/// An item of `snapshots`.
pub(super) static SNAPSHOT: Object = Object {
    about: "A declared snapshot",
    keys: &[
        required("name", Shape::Label(DISK_NAME_MAX), "Its name, unique in the volume"),
        optional("source", Shape::Text, "What it is taken of: disk:<name>, snapshot:<name> or a resource id"),
        optional("import", Shape::Text, "Resource id of a snapshot to adopt"),
    ],
};

/// `spec.deployment` of an App.
pub(super) static DEPLOYMENT: Object = Object {
    about: "Where pods run",
    keys: &[
        optional("pool", Shape::Text, "Node pool; default user"),
        optional("pools", Shape::Texts, "Several node pools, instead of pool"),
        optional("zone", Shape::Text, "Availability zone; a disk must be in the same"),
        optional("zones", Shape::Texts, "Several zones, instead of zone"),
        optional("selectors", Shape::Reserved, "Reserved"),
    ],
};

/// `spec.resources` of an App.
pub(super) static RESOURCES: Object = Object {
    about: "Requests of containers",
    keys: &[
        optional("cpu", Shape::Text, "Processors, such as 500m"),
        optional("memory", Shape::Text, "Memory, such as 1Gi"),
    ],
};

/// `spec.limits` of an App, in the order in which amounts may not fall.
pub(super) static CONTAINER_LIMITS: Object = Object {
    about: "What a container may use",
    keys: &[
        optional("min", Shape::Object(&AMOUNTS), "The least that it may request"),
        optional("defaultRequest", Shape::Object(&AMOUNTS), "What it requests if it says nothing"),
        optional("default", Shape::Object(&AMOUNTS), "What it is limited to if it says nothing"),
        optional("max", Shape::Object(&AMOUNTS), "The most that it may be limited to"),
    ],
};

/// A part of `spec.limits`.
pub(super) static AMOUNTS: Object = Object {
    about: "Amounts",
    keys: &[
        optional("cpu", Shape::Text, "Processors, such as 500m"),
        optional("memory", Shape::Text, "Memory, such as 1Gi"),
        optional("ephemeral-storage", Shape::Text, "Room on the node's own disk, such as 2Gi"),
    ],
};

/// `networkPolicy` of an App or a Box.
pub(super) static NETWORK_POLICY: Object = Object {
    about: "Who else may connect",
    keys: &[optional("ingressRules", Shape::Objects(&POLICY_RULE), "Each allows some namespaces")],
};

/// An item of `ingressRules`.
pub(super) static POLICY_RULE: Object = Object {
    about: "Namespaces that may connect",
    keys: &[
        required("from", Shape::Objects(&POLICY_PEER), "Who may connect"),
        optional("ports", Shape::Objects(&POLICY_PORT), "To which ports; default all"),
    ],
};

/// An item of `from`.
pub(super) static POLICY_PEER: Object = Object {
    about: "Namespaces by their labels",
    keys: &[required("namespaceSelector", Shape::Object(&SELECTOR), "The namespaces; at least one label")],
};

/// `namespaceSelector`.
pub(super) static SELECTOR: Object = Object {
    about: "Labels of namespaces",
    keys: &[
        optional("matchLabels", Shape::Scalars, "Labels with their values"),
        optional("matchExpressions", Shape::Objects(&EXPRESSION), "Labels with conditions"),
    ],
};

/// An item of `matchExpressions`.
pub(super) static EXPRESSION: Object = Object {
    about: "A label with a condition",
    keys: &[
        required("key", Shape::Text, "The label"),
        required("operator", Shape::Choice(|| words(&OPERATORS)), "The condition"),
        optional("values", Shape::Texts, "Values, for In and NotIn"),
    ],
};

/// An item of a policy's `ports`.
pub(super) static POLICY_PORT: Object = Object {
    about: "A port",
    keys: &[
        optional("protocol", Shape::Choice(|| words(&PROTOCOLS)), "The protocol; default TCP"),
        required("port", Shape::Integer(PORTS.0, PORTS.1), "The port"),
    ],
};

/// `spec` of a Box.
pub(super) static BOX: Object = Object {
    about: "A Box: a second component of an App, for maintenance",
    keys: &[
        optional("component", Shape::Label(LABEL_MAX), "Its component, the same as its name"),
        optional("image", Shape::Text, "Its image; without one it is a compose box"),
        optional("command", Shape::Texts, "Its entrypoint"),
        optional("args", Shape::Texts, "Its arguments"),
        optional("networkPolicy", Shape::Object(&NETWORK_POLICY), "Who else may connect to its pod"),
        optional("ingress", Shape::Reserved, "Reserved"),
    ],
};

/// `spec` of Defaults.
pub(super) static DEFAULTS: Object = Object {
    about: "Defaults of the app file",
    keys: &[
        optional("komPath", Shape::Texts, "Files and folders with the rest of KOM, inside the project"),
        optional("appId", Shape::Id(ResourceKind::App), "The App that commands without a selector mean"),
    ],
};

/// `.kompox/config.yml`.
pub(super) static CONFIG: Object = Object {
    about: "The configuration of a project",
    keys: &[
        optional("version", Shape::Integer(1, 1), "The version of the form"),
        optional("store", Shape::Object(&STORE), "Where manifests are"),
        optional("komPath", Shape::Texts, "Files and folders with KOM; default .kompox/kom"),
        optional("logging", Shape::Object(&LOGGING), "Read by nothing: this version writes no log, and says so"),
        optional("state", Shape::Scalars, "Where the state is: docs/state.md; default a file in .kompox/state"),
    ],
};

/// `store` of the configuration.
pub(super) static STORE: Object = Object {
    about: "Where manifests are",
    keys: &[optional("type", Shape::Choice(|| words(&STORES)), "In files of this machine")],
};

/// Words of `store.type`.
pub(super) const STORES: [(&str, ()); 1] = [("local", ())];

/// `logging` of the configuration.
pub(super) static LOGGING: Object = Object {
    about: "The log",
    keys: &[
        optional("dir", Shape::Text, "The folder of its files"),
        optional("format", Shape::Choice(|| words(&LOG_FORMATS)), "How a line is written"),
        optional("level", Shape::Choice(|| words(&LOG_LEVELS)), "The least that is logged"),
        optional("retentionDays", Shape::Integer(0, RETENTION_MAX), "Days after which its files go"),
    ],
};

/// Words of `logging.format`.
pub(super) const LOG_FORMATS: [(&str, &str); 2] = [("human", "human"), ("json", "json")];
/// Words of `logging.level`.
pub(super) const LOG_LEVELS: [(&str, &str); 5] =
    [("error", "error"), ("warn", "warn"), ("info", "info"), ("debug", "debug"), ("trace", "trace")];
/// The most days of `logging.retentionDays`.
pub(super) const RETENTION_MAX: i64 = 36_500;

/// The `spec` of a kind.
pub(super) fn spec(kind: ResourceKind) -> &'static Object {
    match kind {
        ResourceKind::Workspace => &WORKSPACE,
        ResourceKind::Provider => &PROVIDER,
        ResourceKind::Cluster => &CLUSTER,
        ResourceKind::App => &APP,
        ResourceKind::Box => &BOX,
    }
}
