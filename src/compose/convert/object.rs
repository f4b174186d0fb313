//! Objects of Kubernetes as a conversion gives them.

use std::fmt;

use k8s_openapi::Resource;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1;
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use serde_json::Value;

use crate::diag::Location;

/// The objects of one app.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// In the order of creation.
    pub objects: Vec<RenderedObject>,
    /// Hosts the app answers to: default hosts first, then its own.
    pub hosts: Vec<String>,
}

/// The kinds of objects that a conversion gives. Whoever applies them has a schema for each, or does not compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// What everything of an app is in.
    Namespace,
    /// The account that Pods run as.
    ServiceAccount,
    /// What people need to look after an app.
    Role,
    /// Who has that role.
    RoleBinding,
    /// Who may connect to Pods.
    NetworkPolicy,
    /// What a container may use.
    LimitRange,
    /// What everything in the Namespace may use together.
    ResourceQuota,
    /// A disk or share.
    PersistentVolume,
    /// What Pods mount of it.
    PersistentVolumeClaim,
    /// Files.
    ConfigMap,
    /// Files and variables that nobody may see.
    Secret,
    /// What runs a Pod for ever.
    Deployment,
    /// What runs a Pod until it has ended.
    Job,
    /// A name and ports of Pods.
    Service,
    /// Hosts.
    Ingress,
}

impl ObjectKind {
    fn strings(self) -> (&'static str, &'static str) {
        const fn of<K: Resource>() -> (&'static str, &'static str) {
            (K::API_VERSION, K::KIND)
        }
        match self {
            Self::Namespace => of::<v1::Namespace>(),
            Self::ServiceAccount => of::<v1::ServiceAccount>(),
            Self::Role => of::<Role>(),
            Self::RoleBinding => of::<RoleBinding>(),
            Self::NetworkPolicy => of::<NetworkPolicy>(),
            Self::LimitRange => of::<v1::LimitRange>(),
            Self::ResourceQuota => of::<v1::ResourceQuota>(),
            Self::PersistentVolume => of::<v1::PersistentVolume>(),
            Self::PersistentVolumeClaim => of::<v1::PersistentVolumeClaim>(),
            Self::ConfigMap => of::<v1::ConfigMap>(),
            Self::Secret => of::<v1::Secret>(),
            Self::Deployment => of::<Deployment>(),
            Self::Job => of::<Job>(),
            Self::Service => of::<v1::Service>(),
            Self::Ingress => of::<Ingress>(),
        }
    }

    /// The `apiVersion`.
    pub fn api_version(self) -> &'static str {
        self.strings().0
    }

    /// The `kind`.
    pub fn name(self) -> &'static str {
        self.strings().1
    }

    /// Whether it runs Pods.
    pub fn runs_pods(self) -> bool {
        matches!(self, Self::Deployment | Self::Job)
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One Kubernetes object.
#[derive(Clone, PartialEq)]
pub struct RenderedObject {
    /// The whole object; secrets are in clear.
    pub body: Value,
    /// Paths (keys and indices) of leaves that must never be shown or stored as they are: data of Secrets, environment
    /// and arguments that hold secrets, content hashes.
    pub sensitive: Vec<Vec<String>>,
    /// Its kind, which is that of its address, too.
    pub kind: ObjectKind,
    /// Name for addresses: the object's own, but the app's for the Namespace and `<volume>` or `<volume>.<disk>` for a
    /// PersistentVolume and its Claim, never a name with a hash.
    pub address_name: String,
    /// Objects of the same app that come first: (kind, address name).
    pub after: Vec<(ObjectKind, String)>,
    /// The line that asked for it.
    pub origin: Option<Location>,
}

impl fmt::Debug for RenderedObject {
    /// Hides the body: it may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderedObject")
            .field("kind", &self.kind)
            .field("name", &self.address_name)
            .field("sensitive", &self.sensitive)
            .field("after", &self.after)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// The annotation of ConfigMaps, Secrets and Pod templates that changes with their content.
pub(super) const CONTENT_HASH: &str = "kompox.dev/compose-content-hash";

/// A path to a leaf, from segments that may be numbers.
pub(super) fn path(segments: &[&dyn fmt::Display]) -> Vec<String> {
    segments.iter().map(ToString::to_string).collect()
}
