//! The kinds the emulator serves, as one table.

use k8s_openapi::api::{apps, batch, core, networking, rbac, storage};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads an object as a type and writes it again.
pub type RoundTrip = fn(&Value) -> Result<Value, serde_json::Error>;

/// A resource type: its place in the API and what is special about it.
#[derive(Debug)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The version, such as `v1`.
    pub version: &'static str,
    /// The plural, which is the path segment.
    pub plural: &'static str,
    /// The singular.
    pub singular: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// Whether its objects live in Namespaces.
    pub namespaced: bool,
    /// The short names `kubectl` knows.
    pub short_names: &'static [&'static str],
    /// Whether `status` is a subresource.
    pub status: bool,
    /// Whether `scale` is a subresource.
    pub scale: bool,
    /// Whether `metadata.generation` counts changes of the specification.
    pub generation: bool,
    /// Whether it belongs to the category `all`.
    pub in_all: bool,
    /// Reads an object as its type and writes it again, so that wrong types are found and unknown fields are lost. `None` for a custom
    /// resource, which keeps what it gets.
    pub round_trip: Option<RoundTrip>,
}

fn typed<T: DeserializeOwned + Serialize>(object: &Value) -> Result<Value, serde_json::Error> {
    serde_json::to_value(T::deserialize(object)?)
}

const CORE: Resource = Resource {
    group: "",
    version: "v1",
    plural: "",
    singular: "",
    kind: "",
    namespaced: true,
    short_names: &[],
    status: false,
    scale: false,
    generation: false,
    in_all: false,
    round_trip: None,
};
const APPS: Resource = Resource { group: "apps", status: true, scale: true, generation: true, in_all: true, ..CORE };
const NETWORKING: Resource = Resource { group: "networking.k8s.io", generation: true, ..CORE };
const RBAC: Resource = Resource { group: "rbac.authorization.k8s.io", ..CORE };

/// Every kind, in the order of discovery.
pub static RESOURCES: &[Resource] = &[
    Resource {
        plural: "namespaces",
        singular: "namespace",
        kind: "Namespace",
        namespaced: false,
        short_names: &["ns"],
        status: true,
        round_trip: Some(typed::<core::v1::Namespace>),
        ..CORE
    },
    Resource {
        plural: "nodes",
        singular: "node",
        kind: "Node",
        namespaced: false,
        short_names: &["no"],
        status: true,
        round_trip: Some(typed::<core::v1::Node>),
        ..CORE
    },
    Resource {
        plural: "persistentvolumes",
        singular: "persistentvolume",
        kind: "PersistentVolume",
        namespaced: false,
        short_names: &["pv"],
        status: true,
        round_trip: Some(typed::<core::v1::PersistentVolume>),
        ..CORE
    },
    Resource {
        plural: "persistentvolumeclaims",
        singular: "persistentvolumeclaim",
        kind: "PersistentVolumeClaim",
        short_names: &["pvc"],
        status: true,
        round_trip: Some(typed::<core::v1::PersistentVolumeClaim>),
        ..CORE
    },
    Resource {
        plural: "configmaps",
        singular: "configmap",
        kind: "ConfigMap",
        short_names: &["cm"],
        round_trip: Some(typed::<core::v1::ConfigMap>),
        ..CORE
    },
    Resource {
        plural: "secrets",
        singular: "secret",
        kind: "Secret",
        round_trip: Some(typed::<core::v1::Secret>),
        ..CORE
    },
    Resource {
        plural: "services",
        singular: "service",
        kind: "Service",
        short_names: &["svc"],
        status: true,
        in_all: true,
        round_trip: Some(typed::<core::v1::Service>),
        ..CORE
    },
    Resource {
        plural: "serviceaccounts",
        singular: "serviceaccount",
        kind: "ServiceAccount",
        short_names: &["sa"],
        round_trip: Some(typed::<core::v1::ServiceAccount>),
        ..CORE
    },
    Resource {
        plural: "pods",
        singular: "pod",
        kind: "Pod",
        short_names: &["po"],
        status: true,
        generation: true,
        in_all: true,
        round_trip: Some(typed::<core::v1::Pod>),
        ..CORE
    },
    Resource {
        plural: "events",
        singular: "event",
        kind: "Event",
        short_names: &["ev"],
        round_trip: Some(typed::<core::v1::Event>),
        ..CORE
    },
    Resource {
        plural: "endpoints",
        singular: "endpoints",
        kind: "Endpoints",
        short_names: &["ep"],
        round_trip: Some(typed::<core::v1::Endpoints>),
        ..CORE
    },
    Resource {
        plural: "resourcequotas",
        singular: "resourcequota",
        kind: "ResourceQuota",
        short_names: &["quota"],
        status: true,
        round_trip: Some(typed::<core::v1::ResourceQuota>),
        ..CORE
    },
    Resource {
        plural: "limitranges",
        singular: "limitrange",
        kind: "LimitRange",
        short_names: &["limits"],
        round_trip: Some(typed::<core::v1::LimitRange>),
        ..CORE
    },
    Resource {
        plural: "deployments",
        singular: "deployment",
        kind: "Deployment",
        short_names: &["deploy"],
        round_trip: Some(typed::<apps::v1::Deployment>),
        ..APPS
    },
    Resource {
        plural: "replicasets",
        singular: "replicaset",
        kind: "ReplicaSet",
        short_names: &["rs"],
        round_trip: Some(typed::<apps::v1::ReplicaSet>),
        ..APPS
    },
    Resource {
        group: "batch",
        plural: "jobs",
        singular: "job",
        kind: "Job",
        status: true,
        generation: true,
        in_all: true,
        round_trip: Some(typed::<batch::v1::Job>),
        ..CORE
    },
    Resource {
        plural: "ingresses",
        singular: "ingress",
        kind: "Ingress",
        short_names: &["ing"],
        status: true,
        round_trip: Some(typed::<networking::v1::Ingress>),
        ..NETWORKING
    },
    Resource {
        plural: "ingressclasses",
        singular: "ingressclass",
        kind: "IngressClass",
        namespaced: false,
        round_trip: Some(typed::<networking::v1::IngressClass>),
        ..NETWORKING
    },
    Resource {
        plural: "networkpolicies",
        singular: "networkpolicy",
        kind: "NetworkPolicy",
        short_names: &["netpol"],
        round_trip: Some(typed::<networking::v1::NetworkPolicy>),
        ..NETWORKING
    },
    Resource {
        plural: "clusterrolebindings",
        singular: "clusterrolebinding",
        kind: "ClusterRoleBinding",
        namespaced: false,
        round_trip: Some(typed::<rbac::v1::ClusterRoleBinding>),
        ..RBAC
    },
    Resource {
        plural: "clusterroles",
        singular: "clusterrole",
        kind: "ClusterRole",
        namespaced: false,
        round_trip: Some(typed::<rbac::v1::ClusterRole>),
        ..RBAC
    },
    Resource {
        plural: "rolebindings",
        singular: "rolebinding",
        kind: "RoleBinding",
        round_trip: Some(typed::<rbac::v1::RoleBinding>),
        ..RBAC
    },
    Resource { plural: "roles", singular: "role", kind: "Role", round_trip: Some(typed::<rbac::v1::Role>), ..RBAC },
    Resource {
        group: "storage.k8s.io",
        plural: "storageclasses",
        singular: "storageclass",
        kind: "StorageClass",
        namespaced: false,
        short_names: &["sc"],
        round_trip: Some(typed::<storage::v1::StorageClass>),
        ..CORE
    },
    Resource {
        group: "secrets-store.csi.x-k8s.io",
        plural: "secretproviderclasses",
        singular: "secretproviderclass",
        kind: "SecretProviderClass",
        generation: true,
        ..CORE
    },
];

impl Resource {
    /// `apiVersion` of its objects.
    #[must_use]
    pub fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// `deployments.apps`, as messages name it.
    #[must_use]
    pub fn qualified(&self) -> String {
        match self.group {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// The path of an object, or with an empty `name` of the collection. An empty `namespace` gives the path across Namespaces.
    #[must_use]
    pub fn path(&self, namespace: &str, name: &str) -> String {
        let mut path = match self.group {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        for segment in [if namespace.is_empty() { "" } else { "namespaces" }, namespace, self.plural, name] {
            if !segment.is_empty() {
                path.push('/');
                path.push_str(segment);
            }
        }
        path
    }
}

/// The resource of a path's group, version and plural.
#[must_use]
pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|r| r.plural == plural && r.group == group && r.version == version)
}

/// The resource with this plural; plurals are unique in the table.
#[must_use]
pub fn by_plural(plural: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|r| r.plural == plural)
}

/// The group names in the order of discovery, the core group excluded.
#[must_use]
pub fn groups() -> Vec<&'static str> {
    let mut groups: Vec<&'static str> = Vec::new();
    for resource in RESOURCES {
        if !resource.group.is_empty() && !groups.contains(&resource.group) {
            groups.push(resource.group);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_unique_and_paths_follow_the_group() {
        let mut plurals: Vec<_> = RESOURCES.iter().map(|r| r.plural).collect();
        plurals.sort_unstable();
        plurals.dedup();
        assert_eq!(plurals.len(), RESOURCES.len());
        let deployments = by_plural("deployments").unwrap();
        assert_eq!(deployments.path("shop", "web"), "/apis/apps/v1/namespaces/shop/deployments/web");
        assert_eq!(by_plural("namespaces").unwrap().path("", "shop"), "/api/v1/namespaces/shop");
    }
}
