//! Objects of Kubernetes as a conversion gives them.

use std::fmt;

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

/// The annotation of ConfigMaps, Secrets and Pod templates that changes with their content.
pub(super) const CONTENT_HASH: &str = "kompox.dev/compose-content-hash";

/// A path to a leaf, from segments that may be numbers.
pub(super) fn path(segments: &[&dyn fmt::Display]) -> Vec<String> {
    segments.iter().map(ToString::to_string).collect()
}
