//! How the parts of an object are merged and owned: which lists are sets or keyed, which maps and lists are one value.
//!
//! These are the `x-kubernetes-list-type`, `x-kubernetes-list-map-keys` and `x-kubernetes-map-type` markers of the published OpenAPI for the
//! kinds of [`super::kinds`]. A list without a marker is atomic, a map without one is granular.

use serde_json::Value;

/// How a value is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A scalar, or a list or map that is replaced as a whole.
    Leaf,
    /// An object with declared fields.
    Struct,
    /// A map with free keys, each merged by itself.
    Map,
    /// A list of unique scalars.
    Set,
    /// A list of objects, told apart by these fields.
    Keyed(&'static [&'static str]),
}

/// A place in an object's type: field names from the root down, with `[]` for the items of a list.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    parent: Option<&'a Cursor<'a>>,
    name: &'a str,
}

/// The name that stands for the items of a list.
const ITEM: &str = "[]";

impl<'a> Cursor<'a> {
    /// The root of an object of `kind`.
    #[must_use]
    pub fn root(kind: &'a str) -> Self {
        Self { parent: None, name: kind }
    }

    /// The field `name` below this place.
    #[must_use]
    pub fn field(&'a self, name: &'a str) -> Self {
        Self { parent: Some(self), name }
    }

    /// The items of the list at this place.
    #[must_use]
    pub fn item(&'a self) -> Self {
        self.field(ITEM)
    }

    fn parent_name(&self) -> &str {
        self.parent.map_or("", |p| p.name)
    }

    fn kind(&self) -> &str {
        match self.parent {
            Some(parent) => parent.kind(),
            None => self.name,
        }
    }

    /// Whether the parent is the object itself: `spec`, `metadata`, `data`.
    fn is_top(&self) -> bool {
        self.parent.is_some_and(|p| p.parent.is_none())
    }

    fn in_metadata(&self) -> bool {
        self.parent.is_some_and(|p| p.name == "metadata")
    }

    /// The shape of `value` at this place.
    #[must_use]
    pub fn shape(&self, value: &Value) -> Shape {
        match value {
            Value::Array(_) => self.list_shape(),
            Value::Object(_) => self.map_shape(),
            _ => Shape::Leaf,
        }
    }

    fn list_shape(&self) -> Shape {
        if self.in_metadata() {
            return match self.name {
                "finalizers" => Shape::Set,
                "ownerReferences" => Shape::Keyed(&["uid"]),
                _ => Shape::Leaf,
            };
        }
        match (self.name, self.parent_name()) {
            ("containers" | "initContainers" | "ephemeralContainers" | "volumes", "spec")
            | ("env", ITEM)
            | ("imagePullSecrets" | "resourceClaims" | "schedulingGates", "spec")
            | ("secrets", "ServiceAccount") => Shape::Keyed(&["name"]),
            ("volumeMounts", ITEM) => Shape::Keyed(&["mountPath"]),
            ("volumeDevices", ITEM) => Shape::Keyed(&["devicePath"]),
            ("ports", ITEM) => Shape::Keyed(&["containerPort", "protocol"]),
            ("ports", "spec") if self.kind() == "Service" => Shape::Keyed(&["port", "protocol"]),
            ("hostAliases", "spec") | ("podIPs", "status") => Shape::Keyed(&["ip"]),
            ("topologySpreadConstraints", "spec") => Shape::Keyed(&["topologyKey", "whenUnsatisfiable"]),
            ("conditions", "status") => Shape::Keyed(&["type"]),
            ("addresses", "status") if self.kind() == "Node" => Shape::Keyed(&["type"]),
            ("podCIDRs", "spec") => Shape::Set,
            _ => Shape::Leaf,
        }
    }

    fn map_shape(&self) -> Shape {
        let Some(parent) = self.parent else { return Shape::Struct };
        match self.name {
            ITEM => match parent.name {
                "imagePullSecrets" | "ownerReferences" | "secrets" => Shape::Leaf,
                _ => Shape::Struct,
            },
            "selector" if parent.name == "spec" => Shape::Leaf,
            "nodeSelector" | "podSelector" | "namespaceSelector" | "labelSelector" => Shape::Leaf,
            "secretKeyRef" | "configMapKeyRef" | "fieldRef" | "resourceFieldRef" => Shape::Leaf,
            "secretRef"
            | "nodePublishSecretRef"
            | "nodeStageSecretRef"
            | "nodeExpandSecretRef"
            | "controllerPublishSecretRef"
            | "controllerExpandSecretRef" => Shape::Leaf,
            "roleRef" if self.is_top() => Shape::Leaf,
            "requiredDuringSchedulingIgnoredDuringExecution" => Shape::Leaf,
            "required" if parent.name == "nodeAffinity" => Shape::Leaf,
            "dataSource" | "involvedObject" | "related" => Shape::Leaf,
            "resource" if parent.name == "defaultBackend" => Shape::Leaf,
            "port" if parent.name == "service" && self.kind() == "Ingress" => Shape::Leaf,
            "labels" | "annotations" if self.in_metadata() => Shape::Map,
            "data" | "stringData" | "binaryData" | "parameters" if self.is_top() => Shape::Map,
            "parameters" if self.kind() == "SecretProviderClass" => Shape::Map,
            "limits" | "requests" | "capacity" | "allocatable" | "hard" | "used" | "overhead"
            | "allocatedResources" | "volumeAttributes" => Shape::Map,
            _ => Shape::Struct,
        }
    }
}

/// The value a key field of a keyed list has when it is absent.
#[must_use]
pub fn key_default(key: &str) -> Option<Value> {
    (key == "protocol").then(|| Value::from("TCP"))
}
