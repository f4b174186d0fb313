//! What a conversion depends on: the app, its disks, what the manifests say of it. All of it are values.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::compose::model::Located;
use crate::compose::project::ComposeProject;
use crate::diag::Location;

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
    /// What the PersistentVolume says of it.
    pub source: VolumeSource,
    /// Storage class of PersistentVolume and Claim.
    pub storage_class: String,
    /// The handle before a disk switch, kept as an annotation of the new PersistentVolume.
    pub previous_handle: Option<String>,
    /// The line that declares the volume.
    pub origin: Option<Location>,
}

/// What a PersistentVolume says of what is behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeSource {
    /// A disk or share that a CSI driver attaches.
    Csi {
        /// The CSI driver.
        driver: String,
        /// The driver's own id of the disk or share.
        handle: String,
        /// Volume attributes, all of them: `fsType: ext4` for a disk, `protocol: smb` for a share.
        attributes: BTreeMap<String, String>,
    },
    /// A folder of one node.
    Local {
        /// What tells it from every other.
        id: String,
        /// The node's label `kubernetes.io/hostname`.
        node: String,
        /// The folder.
        path: String,
    },
    /// A disk whose PersistentVolume is made with it, and bound in advance to the claim.
    Claimed {
        /// What tells it from every other.
        id: String,
    },
}

impl VolumeSource {
    /// What tells it from every other: the input of `volHASH`.
    pub fn id(&self) -> &str {
        match self {
            Self::Csi { handle, .. } => handle,
            Self::Local { id, .. } | Self::Claimed { id } => id,
        }
    }
}

/// Where Pods run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// Labels that a node must have.
    pub labels: Vec<NodeLabel>,
    /// Taints that Pods do not mind, in Kubernetes form.
    pub tolerations: Vec<Value>,
}

/// A label that nodes have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeLabel {
    /// The label, such as `topology.kubernetes.io/zone`.
    pub key: &'static str,
    /// Its values, any of them; none for whatever the node has.
    pub values: Vec<String>,
    /// Whether the manifest names one value: a node selector instead of an affinity.
    pub single: bool,
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
    /// Its IngressClass.
    pub class: String,
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
    pub image: Option<Located<String>>,
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
    pub scope: Scope,
    /// The provider's driver, for the Namespace annotation.
    pub provider_driver: &'a str,
    /// The compose project.
    pub compose: &'a ComposeProject,
    /// Volumes in the order of `App.spec.volumes`; the first takes relative bind mounts.
    pub volumes: Vec<VolumeInput>,
    /// Ingress of cluster and app.
    pub ingress: IngressInput,
    /// Where Pods run, as the driver has it.
    pub placement: Placement,
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
