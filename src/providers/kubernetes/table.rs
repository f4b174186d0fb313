//! The kinds that we handle and where the API serves them: names are fixed by Kubernetes, so no discovery is needed.

use std::fmt;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass, NetworkPolicy};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};

use crate::engine::kind::Kind;
use crate::engine::value::Value;

/// Where the API serves a kind.
#[derive(Debug, PartialEq, Eq)]
pub struct Resource {
    /// The kind, such as `Deployment`.
    pub kind: &'static str,
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The version of the group.
    pub version: &'static str,
    /// The name in paths, such as `deployments`.
    pub plural: &'static str,
    /// Whether objects live in a Namespace.
    pub namespaced: bool,
    /// Whether every API server has it; the others come with an add-on.
    pub builtin: bool,
}

/// Whether what lives in a scope lives in a Namespace.
trait Scoped {
    const NAMESPACED: bool;
}

impl Scoped for NamespaceResourceScope {
    const NAMESPACED: bool = true;
}

impl Scoped for ClusterResourceScope {
    const NAMESPACED: bool = false;
}

/// A kind that every API server has, as its own type says.
const fn builtin<K>() -> Resource
where
    K: k8s_openapi::Resource,
    K::Scope: Scoped,
{
    Resource {
        kind: K::KIND,
        group: K::GROUP,
        version: K::VERSION,
        plural: K::URL_PATH_SEGMENT,
        namespaced: <K::Scope as Scoped>::NAMESPACED,
        builtin: true,
    }
}

/// All kinds that we handle.
pub static RESOURCES: &[Resource] = &[
    builtin::<v1::Namespace>(),
    builtin::<v1::Node>(),
    builtin::<v1::Pod>(),
    builtin::<v1::PersistentVolume>(),
    builtin::<v1::PersistentVolumeClaim>(),
    builtin::<v1::ConfigMap>(),
    builtin::<v1::Secret>(),
    builtin::<v1::Service>(),
    builtin::<v1::ServiceAccount>(),
    builtin::<v1::ResourceQuota>(),
    builtin::<v1::LimitRange>(),
    builtin::<Deployment>(),
    builtin::<Job>(),
    builtin::<Ingress>(),
    builtin::<IngressClass>(),
    builtin::<NetworkPolicy>(),
    builtin::<Role>(),
    builtin::<RoleBinding>(),
    builtin::<ClusterRole>(),
    builtin::<ClusterRoleBinding>(),
    builtin::<StorageClass>(),
    Resource {
        kind: "VolumeSnapshot",
        group: "snapshot.storage.k8s.io",
        version: "v1",
        plural: "volumesnapshots",
        namespaced: true,
        builtin: false,
    },
    Resource {
        kind: "VolumeSnapshotContent",
        group: "snapshot.storage.k8s.io",
        version: "v1",
        plural: "volumesnapshotcontents",
        namespaced: false,
        builtin: false,
    },
    Resource {
        kind: "SecretProviderClass",
        group: "secrets-store.csi.x-k8s.io",
        version: "v1",
        plural: "secretproviderclasses",
        namespaced: true,
        builtin: false,
    },
];

impl Resource {
    /// The resource of an `apiVersion` and `kind` as they stand in a manifest.
    pub fn of(api_version: &str, kind: &str) -> Option<&'static Self> {
        RESOURCES.iter().find(|resource| resource.kind == kind && resource.has_api_version(api_version))
    }

    fn has_api_version(&self, text: &str) -> bool {
        match text.split_once('/') {
            Some((group, version)) => group == self.group && version == self.version,
            None => self.group.is_empty() && text == self.version,
        }
    }

    /// The `apiVersion` as it stands in a manifest.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The path of the collection: in one Namespace, or of the whole cluster.
    pub fn collection(&self, namespace: Option<&str>) -> String {
        collection_path(self.group, self.version, self.plural, namespace)
    }
}

/// The path of a collection that the API serves, whatever its kind.
pub fn collection_path(group: &str, version: &str, plural: &str, namespace: Option<&str>) -> String {
    let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
    match namespace {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}"),
        None => format!("{root}/{plural}"),
    }
}

/// Where one object lives. Its text is the physical id: the path under which the API serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Its kind.
    pub resource: &'static Resource,
    /// Its Namespace, if it lives in one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// A text that is no id of an object that we handle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{id}\" is no Kubernetes path of a kind that kompox handles; it looks like \
     /apis/apps/v1/namespaces/NAMESPACE/deployments/NAME or /api/v1/persistentvolumes/NAME"
)]
pub struct NotALocation {
    /// The text.
    pub id: String,
}

impl Location {
    /// Reads a physical id.
    ///
    /// # Errors
    /// It is no path, or one of a kind that we do not handle.
    pub fn parse(id: &str) -> Result<Self, NotALocation> {
        Self::from_path(id).ok_or_else(|| NotALocation { id: id.to_owned() })
    }

    fn from_path(id: &str) -> Option<Self> {
        let parts: Vec<&str> = id.strip_prefix('/')?.split('/').collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, plural, name) = match rest {
            ["namespaces", namespace, plural, name] => (Some(*namespace), *plural, *name),
            [plural, name] => (None, *plural, *name),
            _ => return None,
        };
        let resource = RESOURCES.iter().find(|resource| {
            resource.group == group
                && resource.version == version
                && resource.plural == plural
                && resource.namespaced == namespace.is_some()
        })?;
        Self::new(resource, namespace, name)
    }

    fn new(resource: &'static Resource, namespace: Option<&str>, name: &str) -> Option<Self> {
        // The same characters that the API refuses in any name (`IsValidPathSegmentName`), so that an id stays a path.
        let is_segment = |text: &str| !matches!(text, "" | "." | "..") && !text.contains(['/', '%', '?', '#']);
        let fits = is_segment(name) && namespace.is_none_or(is_segment) && resource.namespaced == namespace.is_some();
        fits.then(|| Self { resource, namespace: namespace.map(str::to_owned), name: name.to_owned() })
    }

    /// Where a planned object will live; `None` while its name is unknown, and for kinds that we do not handle.
    pub fn of_value(kind: &Kind, desired: &Value) -> Option<Self> {
        let text = |keys: &[&str]| desired.at(keys).and_then(Value::as_str);
        let kind_name = text(&["kind"]).unwrap_or(kind.name);
        let resource = Resource::of(text(&["apiVersion"])?, kind_name)?;
        let namespace = if resource.namespaced { Some(text(&["metadata", "namespace"])?) } else { None };
        Self::new(resource, namespace, text(&["metadata", "name"])?)
    }

    /// Where an object as the API writes it lives.
    pub fn of_json(object: &serde_json::Value) -> Option<Self> {
        let text = |pointer: &str| object.pointer(pointer).and_then(serde_json::Value::as_str);
        let resource = Resource::of(text("/apiVersion")?, text("/kind")?)?;
        let namespace = if resource.namespaced { Some(text("/metadata/namespace")?) } else { None };
        Self::new(resource, namespace, text("/metadata/name")?)
    }

    /// The path to send: the id, with what may not stand in a URL escaped.
    pub fn url_path(&self) -> String {
        let escape = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let namespace = self.namespace.as_deref().map(escape);
        format!("{}/{}", self.resource.collection(namespace.as_deref()), escape(&self.name))
    }

    /// Kind and name, for messages: `Deployment "gitea-app" in Namespace "k4x-…"`.
    pub fn describe(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} \"{}\" in Namespace \"{namespace}\"", self.resource.kind, self.name),
            None => format!("{} \"{}\"", self.resource.kind, self.name),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.resource.collection(self.namespace.as_deref()), self.name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::engine::address::Address;

    proptest! {
        #[test]
        fn what_reads_as_an_id_is_one(id in "/(api|apis|apps|v1|namespaces|secrets|deployments|[a-z.:%?/é]{0,6}|/){1,12}") {
            if let Ok(location) = Location::parse(&id) {
                prop_assert_eq!(location.to_string(), id);
                prop_assert!(location.url_path().parse::<http::Uri>().is_ok());
            }
        }
    }

    #[test]
    fn every_kind_has_one_path_that_reads_back() {
        for resource in RESOURCES {
            let mut object = json!({
                "apiVersion": resource.api_version(), "kind": resource.kind, "metadata": {"name": "x"}
            });
            if resource.namespaced {
                object["metadata"]["namespace"] = "n".into();
            }
            let location = Location::of_json(&object).unwrap();
            assert_eq!(location.resource, resource);
            assert_eq!(Location::parse(&location.to_string()), Ok(location.clone()));
            assert_eq!(Location::of_value(&Kind::plain("any"), &Value::from(&object)), Some(location));
        }
    }

    #[test]
    fn paths_are_those_of_the_api() {
        let path = |id: &str| Location::parse(id).unwrap();
        assert_eq!(path("/apis/apps/v1/namespaces/n/deployments/d").describe(), "Deployment \"d\" in Namespace \"n\"");
        assert_eq!(path("/api/v1/namespaces/n").describe(), "Namespace \"n\"");
        let id = "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:x";
        assert_eq!(path(id).to_string(), id);
        assert_eq!(path(id).url_path(), "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Ax");
        for wrong in [
            "",
            "/",
            "/api/v1/pods/x",
            "/api/v1/deployments/x",
            "/api/v1/namespaces/n/configmaps/..",
            "/api/v1/namespaces/n/configmaps/a?b",
            "/api/v1/namespaces//configmaps/a",
            "/apis/apps/v1/deployments/x",
            "/api/v1/namespaces/n/persistentvolumes/x",
            "n/deployments/d",
        ] {
            assert!(Location::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_unknown_name_has_no_path_yet() {
        let kind = Kind::plain("PersistentVolume");
        let mut desired = Value::from(&json!({"apiVersion": "v1", "kind": "PersistentVolume"}));
        desired.set(&["metadata", "name"], Value::output(&Address::new("/ws/w", "disk", "d"), "/name"));
        assert_eq!(Location::of_value(&kind, &desired), None);
        desired.set(&["metadata", "name"], Value::String("pv".into()));
        assert_eq!(Location::of_value(&kind, &desired).unwrap().to_string(), "/api/v1/persistentvolumes/pv");
    }
}
