//! The kinds of Kubernetes that kompox applies. The server says what a change would do (dry run), so the schemas only
//! hold what is needed to see whether to ask, to mask, and to tell what restarts.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use super::review;
use crate::compose::convert::SUB_PATHS;
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
fn let_go_first(_: &Refusal<'_>) -> Vec<String> {
    vec![
        "the app must let go of it first; the disk itself is kept:".to_owned(),
        "kompox destroy --target ADDRESS".to_owned(),
        "kompox apply".to_owned(),
    ]
}

/// A PersistentVolume: a static one, its disk is somewhere else.
pub static PERSISTENT_VOLUME: Kind = Kind {
    replace: Replace::Refused(let_go_first),
    fields: &[
        field("spec.csi.**", Rule::Immutable),
        // Follows the claim: the resizer raises it.
        field("spec.capacity.storage", Rule::Computed),
        field("spec.claimRef", Rule::Computed),
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
    review: review::CLAIM,
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
    let behind = text(object, "/spec/csi/volumeHandle").map_or(Behind::Itself, Behind::Data);
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
    let pod = |key: &str| object.pointer("/spec/template/spec")?.get(key)?.as_array();
    let list = |key: &str| pod(key).into_iter().flatten();
    let namespace = text(object, "/metadata/namespace").unwrap_or_default();
    let claims: HashMap<String, String> = list("volumes")
        .filter_map(|volume| Some((text(volume, "/name")?, text(volume, "/persistentVolumeClaim/claimName")?)))
        .collect();
    // The one that makes the folders is gone before anything works in them.
    let containers = list("initContainers").chain(list("containers"));
    let containers = containers.filter(|container| text(container, "/name").as_deref() != Some(SUB_PATHS));
    let places = containers
        .flat_map(|container| {
            let mounts = container.get("volumeMounts").and_then(Value::as_array).into_iter().flatten();
            mounts.filter_map(|mount| {
                let claim = claims.get(&text(mount, "/name")?)?;
                Some(Use {
                    part: text(container, "/name")?,
                    volume: format!("{namespace}/{claim}"),
                    folder: text(mount, "/subPath").unwrap_or_default(),
                })
            })
        })
        .collect();
    Some(places)
}

/// A workload. Any change of its template ends the old Pod first (strategy Recreate).
pub static DEPLOYMENT: Kind = Kind {
    fields: &[
        field("spec.selector.**", Rule::Immutable),
        field("spec.template.spec.containers", Rule::Keyed("name")),
        field("spec.template.spec.containers.*.env", Rule::Keyed("name")),
        field("spec.template.spec.containers.*.ports", Rule::Keyed("containerPort")),
        field("spec.template.spec.containers.*.volumeMounts", Rule::Keyed("mountPath")),
        field("spec.template.spec.containers.*.resources.**", Rule::Same(Sameness::Quantity)),
        field("spec.template.spec.initContainers", Rule::Keyed("name")),
        field("spec.template.spec.initContainers.*.env", Rule::Keyed("name")),
        field("spec.template.spec.initContainers.*.volumeMounts", Rule::Keyed("mountPath")),
        field("spec.template.spec.initContainers.*.resources.**", Rule::Same(Sameness::Quantity)),
        field("spec.template.spec.volumes", Rule::Keyed("name")),
        field("spec.template.spec.volumes.*.emptyDir.sizeLimit", Rule::Same(Sameness::Quantity)),
        field("spec.template.spec.imagePullSecrets", Rule::Keyed("name")),
        field("spec.template.spec.hostAliases", Rule::Keyed("ip")),
    ],
    restarts: &["spec.template.**"],
    uses: Some(uses),
    review: review::WORKLOAD,
    typical: Duration::from_secs(20),
    timeout: Duration::from_secs(900),
    ..object("Deployment")
};

/// A service that ends. What has run is not changed: another template is another run (batch/v1, "template ... immutable").
pub static JOB: Kind = Kind {
    fields: &[
        field("spec.template.**", Rule::Immutable),
        field("spec.template.spec.containers", Rule::Keyed("name")),
        field("spec.template.spec.containers.*.env", Rule::Keyed("name")),
        field("spec.template.spec.containers.*.ports", Rule::Keyed("containerPort")),
        field("spec.template.spec.containers.*.volumeMounts", Rule::Keyed("mountPath")),
        field("spec.template.spec.containers.*.resources.**", Rule::Same(Sameness::Quantity)),
        field("spec.template.spec.initContainers", Rule::Keyed("name")),
        field("spec.template.spec.initContainers.*.env", Rule::Keyed("name")),
        field("spec.template.spec.initContainers.*.volumeMounts", Rule::Keyed("mountPath")),
        field("spec.template.spec.initContainers.*.resources.**", Rule::Same(Sameness::Quantity)),
        field("spec.template.spec.volumes", Rule::Keyed("name")),
        field("spec.template.spec.volumes.*.emptyDir.sizeLimit", Rule::Same(Sameness::Quantity)),
        field("spec.template.spec.imagePullSecrets", Rule::Keyed("name")),
        field("spec.template.spec.hostAliases", Rule::Keyed("ip")),
    ],
    uses: Some(uses),
    typical: Duration::from_secs(20),
    timeout: Duration::from_secs(900),
    ..object("Job")
};

/// A Service. One of type LoadBalancer has an address once it is ready.
pub static SERVICE: Kind = Kind {
    fields: &[field("spec.ports", Rule::Keyed("port")), field("spec.ports.*.protocol", Rule::Default("TCP"))],
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
/// What the Key Vault CSI driver mounts.
pub static SECRET_PROVIDER_CLASS: Kind = object("SecretProviderClass");

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
