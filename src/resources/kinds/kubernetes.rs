//! The kinds of Kubernetes that kompox applies. The server says what a change would do (dry run), so the schemas only
//! hold what is needed to see whether to ask, to mask, and to tell what restarts.

use std::time::Duration;

use serde_json::Value;

use super::review;
use crate::advice::{Advice, Command, Name};
use crate::compose::convert::ObjectKind;
use crate::engine::kind::{Behind, Field, Holds, Kind, Refusal, Replace, Review, Rule, Sameness, Use, Volume};

const fn field(pattern: &'static str, rule: Rule) -> Field {
    Field { pattern, rule }
}

/// What every object has: the server's bookkeeping, and a name that never changes in place.
static METADATA: &[Field] = &[
    field("metadata.name", Rule::Immutable),
    field("metadata.namespace", Rule::Immutable),
    field("metadata.uid", Rule::Computed),
    field("metadata.resourceVersion", Rule::Computed),
    field("metadata.generation", Rule::Computed),
    field("metadata.creationTimestamp", Rule::Computed),
    field("metadata.managedFields", Rule::Computed),
    field("metadata.finalizers", Rule::Computed),
    field("status", Rule::Computed),
];

/// One more kind with the usual metadata and nothing special.
const fn object(name: &'static str) -> Kind {
    Kind { common: METADATA, preview: true, typical: Duration::from_millis(500), ..Kind::plain(name) }
}

/// A Namespace: holds everything of an app in the cluster.
pub static NAMESPACE: Kind = Kind {
    holds: Holds::Objects,
    review: Review::loss("namespace-deleted", "is deleted with everything in it; what runs there stops"),
    ..object("Namespace")
};

/// A volume or claim goes only when nothing uses it, and the workload moves only to one that is there: replacing one under
/// its own address would wait for itself.
fn let_go_first(refusal: &Refusal<'_>) -> Vec<Advice> {
    if refusal.outside && refusal.path.matches("spec.claimRef.*") {
        return vec![
            "the claim of that name has taken this volume; its data is not the app's to share".into(),
            "delete that claim and what uses it, or give the app a disk of its own".into(),
        ];
    }
    vec![
        "the app must let go of it first; a disk that is behind it is kept:".into(),
        Advice::run("", Command::destroy(refusal.address)),
        Advice::run("", Command::new(Name::Apply)),
    ]
}

/// A PersistentVolume: a static one, its disk is somewhere else.
pub static PERSISTENT_VOLUME: Kind = Kind {
    replace: Replace::Refused(let_go_first),
    fields: &[
        field("spec.csi.**", Rule::Immutable),
        field("spec.local.**", Rule::Immutable),
        field("spec.nodeAffinity.**", Rule::Immutable),
        // Follows the claim: the resizer raises it.
        field("spec.capacity.storage", Rule::Computed),
        // Bound in advance to the claim of this name; the rest is the binder's.
        field("spec.claimRef.namespace", Rule::Immutable),
        field("spec.claimRef.name", Rule::Immutable),
        field("spec.claimRef.uid", Rule::Tie),
        field("spec.claimRef.resourceVersion", Rule::Computed),
        field("spec.claimRef.apiVersion", Rule::Computed),
        field("spec.claimRef.kind", Rule::Computed),
    ],
    volume: Some(of_volume),
    ..object("PersistentVolume")
};

/// A claim.
pub static PERSISTENT_VOLUME_CLAIM: Kind = Kind {
    replace: Replace::Refused(let_go_first),
    fields: &[
        field("spec.volumeName", Rule::Immutable),
        field("spec.storageClassName", Rule::Immutable),
        field("spec.resources.requests.storage", Rule::Same(Sameness::Quantity)),
    ],
    volume: Some(of_claim),
    typical: Duration::from_secs(5),
    ..object("PersistentVolumeClaim")
};

/// A ConfigMap: files of people, in which passwords stand.
pub static CONFIG_MAP: Kind = Kind { fields: &[field("data.*", Rule::SecretLines)], ..object("ConfigMap") };

/// A Secret: all of its data is masked.
pub static SECRET: Kind =
    Kind { fields: &[field("data.*", Rule::Sensitive), field("stringData.*", Rule::Sensitive)], ..object("Secret") };

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

/// What a PersistentVolume leads to. The handle is the driver's own id of the disk or share (CSI specification,
/// `Volume.volume_id`); names of PersistentVolumes have no slash, those of claims do.
fn of_volume(object: &Value) -> Option<Volume> {
    let handle = text(object, "/spec/csi/volumeHandle");
    // A folder has no handle of its own: the id of the disk says which one it is, on which node of which cluster.
    let local = || text(object, "/metadata/annotations/kompox.dev~1volume-handle");
    let behind = handle.or_else(local).map_or(Behind::Itself, Behind::Data);
    Some(Volume { name: text(object, "/metadata/name")?, behind })
}

/// What a claim leads to; without a volume of its own the server makes one for it.
fn of_claim(object: &Value) -> Option<Volume> {
    let namespace = text(object, "/metadata/namespace").unwrap_or_default();
    let named = text(object, "/spec/volumeName").filter(|name| !name.is_empty());
    let behind = named.map_or(Behind::Itself, Behind::Volume);
    Some(Volume { name: format!("{namespace}/{}", text(object, "/metadata/name")?), behind })
}

/// The folders on claimed volumes that each container of a workload mounts; `None` if it shows no containers.
fn uses(object: &Value) -> Option<Vec<Use>> {
    object.pointer("/spec/template/spec/containers").and_then(Value::as_array)?;
    let containers = review::containers(object).into_iter();
    Some(containers.flat_map(|(_, mounts)| mounts).map(|mount| mount.place).collect())
}

/// What tells the items of a list apart is what tells them apart for the server: `x-kubernetes-list-map-keys` of the
/// published OpenAPI (`+listMapKey` in `k8s.io/api/core/v1/types.go`). A list without such keys is compared as a whole, as
/// the server replaces it: tolerations, envFrom, the rules of an Ingress.
const NAME: Rule = Rule::Keyed(&["name"]);

/// The rules of workloads: one of its own, and those of its Pods.
macro_rules! workload {
    ($own:expr) => {
        &[
            $own,
            field("spec.template.spec.containers", NAME),
            field("spec.template.spec.containers.*.env", NAME),
            // A variable can use those before it, and init containers run one after the other.
            field("spec.template.spec.containers.*.env", Rule::Ordered),
            field("spec.template.spec.containers.*.ports", Rule::Keyed(&["containerPort", "protocol"])),
            field("spec.template.spec.containers.*.ports.*.protocol", Rule::Default("TCP")),
            field("spec.template.spec.containers.*.volumeMounts", Rule::Keyed(&["mountPath"])),
            field("spec.template.spec.containers.*.volumeDevices", Rule::Keyed(&["devicePath"])),
            field("spec.template.spec.containers.*.resources.**", Rule::Same(Sameness::Quantity)),
            field("spec.template.spec.initContainers", NAME),
            field("spec.template.spec.initContainers", Rule::Ordered),
            field("spec.template.spec.initContainers.*.env", NAME),
            field("spec.template.spec.initContainers.*.env", Rule::Ordered),
            field("spec.template.spec.initContainers.*.ports", Rule::Keyed(&["containerPort", "protocol"])),
            field("spec.template.spec.initContainers.*.ports.*.protocol", Rule::Default("TCP")),
            field("spec.template.spec.initContainers.*.volumeMounts", Rule::Keyed(&["mountPath"])),
            field("spec.template.spec.initContainers.*.volumeDevices", Rule::Keyed(&["devicePath"])),
            field("spec.template.spec.initContainers.*.resources.**", Rule::Same(Sameness::Quantity)),
            field("spec.template.spec.volumes", NAME),
            field("spec.template.spec.volumes.*.emptyDir.sizeLimit", Rule::Same(Sameness::Quantity)),
            field("spec.template.spec.imagePullSecrets", NAME),
            field("spec.template.spec.hostAliases", Rule::Keyed(&["ip"])),
            field("spec.template.spec.topologySpreadConstraints", Rule::Keyed(&["topologyKey", "whenUnsatisfiable"])),
        ]
    };
}

/// A workload. Any change of its template ends the old Pod first (strategy Recreate).
pub static DEPLOYMENT: Kind = Kind {
    fields: workload!(field("spec.selector.**", Rule::Immutable)),
    restarts: &["spec.template.**"],
    uses: Some(uses),
    review: review::WORKLOAD,
    typical: Duration::from_secs(20),
    timeout: Duration::from_secs(900),
    ..object("Deployment")
};

/// A service that ends. What has run is not changed: another template is another run (batch/v1, "template ... immutable").
pub static JOB: Kind = Kind {
    fields: workload!(field("spec.template.**", Rule::Immutable)),
    uses: Some(uses),
    review: review::JOB,
    typical: Duration::from_secs(20),
    timeout: Duration::from_secs(900),
    ..object("Job")
};

/// A Service. One of type LoadBalancer has an address once it is ready.
pub static SERVICE: Kind = Kind {
    fields: &[
        field("spec.ports", Rule::Keyed(&["port", "protocol"])),
        field("spec.ports.*.protocol", Rule::Default("TCP")),
    ],
    review: review::SERVICE,
    outputs: &["/status/loadBalancer/ingress/0/ip", "/status/loadBalancer/ingress/0/hostname"],
    ..object("Service")
};

/// A ServiceAccount.
pub static SERVICE_ACCOUNT: Kind = object("ServiceAccount");
/// An Ingress.
pub static INGRESS: Kind = Kind { review: review::INGRESS, ..object("Ingress") };
/// An IngressClass.
pub static INGRESS_CLASS: Kind = object("IngressClass");
/// A NetworkPolicy.
pub static NETWORK_POLICY: Kind = object("NetworkPolicy");
/// A ResourceQuota: what a Namespace may hold and use together.
pub static RESOURCE_QUOTA: Kind =
    Kind { fields: &[field("spec.hard.*", Rule::Same(Sameness::Quantity))], ..object("ResourceQuota") };
/// A LimitRange: what each container of a Namespace may use.
pub static LIMIT_RANGE: Kind = Kind {
    fields: &[
        field("spec.limits.*.default.*", Rule::Same(Sameness::Quantity)),
        field("spec.limits.*.defaultRequest.*", Rule::Same(Sameness::Quantity)),
        field("spec.limits.*.max.*", Rule::Same(Sameness::Quantity)),
        field("spec.limits.*.min.*", Rule::Same(Sameness::Quantity)),
    ],
    ..object("LimitRange")
};
/// A Role.
pub static ROLE: Kind = object("Role");
/// A RoleBinding.
pub static ROLE_BINDING: Kind = object("RoleBinding");
/// A ClusterRole.
pub static CLUSTER_ROLE: Kind = object("ClusterRole");
/// A ClusterRoleBinding.
pub static CLUSTER_ROLE_BINDING: Kind = object("ClusterRoleBinding");
/// What the CSI driver of secret stores mounts.
pub static SECRET_PROVIDER_CLASS: Kind = object("SecretProviderClass");

/// The schema of what a conversion gives.
pub fn of(kind: ObjectKind) -> &'static Kind {
    match kind {
        ObjectKind::Namespace => &NAMESPACE,
        ObjectKind::ServiceAccount => &SERVICE_ACCOUNT,
        ObjectKind::Role => &ROLE,
        ObjectKind::RoleBinding => &ROLE_BINDING,
        ObjectKind::NetworkPolicy => &NETWORK_POLICY,
        ObjectKind::LimitRange => &LIMIT_RANGE,
        ObjectKind::ResourceQuota => &RESOURCE_QUOTA,
        ObjectKind::PersistentVolume => &PERSISTENT_VOLUME,
        ObjectKind::PersistentVolumeClaim => &PERSISTENT_VOLUME_CLAIM,
        ObjectKind::ConfigMap => &CONFIG_MAP,
        ObjectKind::Secret => &SECRET,
        ObjectKind::Deployment => &DEPLOYMENT,
        ObjectKind::Job => &JOB,
        ObjectKind::Service => &SERVICE,
        ObjectKind::Ingress => &INGRESS,
    }
}

/// All of them.
pub static KINDS: &[&Kind] = &[
    &NAMESPACE,
    &PERSISTENT_VOLUME,
    &PERSISTENT_VOLUME_CLAIM,
    &CONFIG_MAP,
    &SECRET,
    &DEPLOYMENT,
    &JOB,
    &SERVICE,
    &SERVICE_ACCOUNT,
    &INGRESS,
    &INGRESS_CLASS,
    &NETWORK_POLICY,
    &RESOURCE_QUOTA,
    &LIMIT_RANGE,
    &ROLE,
    &ROLE_BINDING,
    &CLUSTER_ROLE,
    &CLUSTER_ROLE_BINDING,
    &SECRET_PROVIDER_CLASS,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::value::{Path, Segment};

    fn path(dotted: &str) -> Path {
        let step = |step: &str| step.parse().map_or_else(|_| Segment::Key(step.to_owned()), Segment::Index);
        Path(dotted.split('.').map(step).collect())
    }

    /// `x-kubernetes-list-map-keys` of the published OpenAPI, in the words of `k8s.io/api` (`+listMapKey`).
    #[test]
    fn items_of_lists_are_told_apart_as_the_api_server_does() {
        let pod = "spec.template.spec";
        let container = [
            ("env", &["name"][..]),
            ("ports", &["containerPort", "protocol"]),
            ("volumeMounts", &["mountPath"]),
            ("volumeDevices", &["devicePath"]),
        ];
        for list in ["containers", "initContainers"] {
            assert_eq!(DEPLOYMENT.list_keys(&path(&format!("{pod}.{list}"))), Some(&["name"][..]));
            for (inner, keys) in container {
                let at = path(&format!("{pod}.{list}.0.{inner}"));
                assert_eq!(DEPLOYMENT.list_keys(&at), Some(keys), "{at}");
            }
            for whole in ["envFrom", "args", "command"] {
                assert_eq!(DEPLOYMENT.list_keys(&path(&format!("{pod}.{list}.0.{whole}"))), None);
            }
        }
        for (list, keys) in [
            ("volumes", &["name"][..]),
            ("imagePullSecrets", &["name"]),
            ("hostAliases", &["ip"]),
            ("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
        ] {
            assert_eq!(DEPLOYMENT.list_keys(&path(&format!("{pod}.{list}"))), Some(keys), "{list}");
        }
        assert_eq!(DEPLOYMENT.list_keys(&path(&format!("{pod}.tolerations"))), None);
        assert_eq!(SERVICE.list_keys(&path("spec.ports")), Some(&["port", "protocol"][..]));
        for (kind, list) in [
            (&INGRESS, "spec.rules"),
            (&INGRESS, "spec.tls"),
            (&NETWORK_POLICY, "spec.ingress"),
            (&ROLE, "rules"),
            (&LIMIT_RANGE, "spec.limits"),
            (&PERSISTENT_VOLUME, "spec.accessModes"),
        ] {
            assert_eq!(kind.list_keys(&path(list)), None, "{list}");
        }
    }

    #[test]
    fn a_port_is_a_number_and_a_protocol() {
        let name = |port: &str, protocol: Option<&str>| {
            let list = path("spec.ports");
            SERVICE.item_name(&list, |key| match key {
                "port" => Some(port.to_owned()),
                _ => protocol.map(str::to_owned),
            })
        };
        assert_eq!(name("53", None).as_deref(), Some("53"));
        assert_eq!(name("53", Some("TCP")).as_deref(), Some("53"));
        assert_eq!(name("53", Some("UDP")).as_deref(), Some("53/UDP"));
    }

    #[test]
    fn a_volume_is_bound_in_advance_by_name_and_the_rest_is_the_binders() {
        for (field, immutable, tie) in [("name", true, false), ("namespace", true, false), ("uid", false, true)] {
            let at = path(&format!("spec.claimRef.{field}"));
            assert_eq!((PERSISTENT_VOLUME.is_immutable(&at), PERSISTENT_VOLUME.is_tie(&at)), (immutable, tie));
        }
    }
}
