//! The kinds of Azure Resource Manager (`resources.md`, "Kinds" and "Azure Resource Manager").

use std::time::Duration;

use crate::advice::{Advice, quoted};
use crate::engine::diff::{is_earlier, release};
use crate::engine::kind::{
    Disturbance, Field, Holds, InPlace, Kind, Made, Refusal, Replace, Review, Rule, Sameness, Seal, Verdict,
};
use crate::engine::value::{Path, Segment};
use crate::resources::safe_way::{self, place, text};

const fn field(pattern: &'static str, rule: Rule) -> Field {
    Field { pattern, rule }
}

const ID: Field = field("id", Rule::Same(Sameness::IgnoreCase));
/// Another id is another object: no change of it, but a replacement with all its guards.
const PLACE: Field = field("id", Rule::Immutable);
const LOCATION: Field = field("location", Rule::Same(Sameness::Location));
const MOVES: Field = field("location", Rule::Immutable);

/// Azure says at most who wrote an object last, and of many nothing. Its activity log knows all who did, for 90 days
/// (Azure Monitor, "Activity log": retention); without `--offset` the command looks back six hours.
const LOGGED: Review = Review { history: Some(activity_log), ..Review::NONE };

fn activity_log(id: &str) -> Advice {
    let id = quoted(id);
    format!(
        "Azure does not say who; its activity log does:  az monitor activity-log list --offset 90d --resource-id {id}"
    )
    .into()
}

const fn loss(code: &'static str, text: &'static str) -> Review {
    Review { history: Some(activity_log), ..Review::loss(code, text) }
}

/// A resource group.
pub static GROUP: Kind = Kind {
    fields: &[ID, PLACE, LOCATION, MOVES],
    holds: Holds::Objects,
    review: loss("group-deleted", "is deleted with everything in it"),
    typical: Duration::from_secs(3),
    ..Kind::plain("resource-group")
};

/// A managed cluster (AKS).
pub static CLUSTER: Kind = Kind {
    fields: &[
        ID,
        PLACE,
        LOCATION,
        MOVES,
        field("properties.dnsPrefix", Rule::Immutable),
        field("properties.nodeResourceGroup", Rule::Immutable),
        field("properties.agentPoolProfiles", Rule::Keyed(&["name"])),
        field("properties.agentPoolProfiles.*.count", Rule::Computed),
        field("properties.agentPoolProfiles.*.availabilityZones", Rule::Set),
        field("properties.agentPoolProfiles.*.vmSize", Rule::Same(Sameness::IgnoreCase)),
        field("properties.agentPoolProfiles.*.osDiskType", Rule::Same(Sameness::IgnoreCase)),
        field("properties.agentPoolProfiles.*.orchestratorVersion", Rule::Release),
        field("properties.kubernetesVersion", Rule::Release),
        field("properties.networkProfile.networkPlugin", Rule::Immutable),
        field("properties.enableRBAC", Rule::Immutable),
    ],
    holds: Holds::Objects,
    verdict: Some(cluster_verdict),
    disturbs: Some(Disturbance {
        fields: &["properties.agentPoolProfiles.*.orchestratorVersion"],
        text: "the system nodes are drained one after the other, and the ingress with them",
    }),
    review: loss("cluster-deleted", "is deleted with everything that runs in it"),
    outputs: &[
        "/identity/principalId",
        "/identity/tenantId",
        "/properties/oidcIssuerProfile/issuerURL",
        "/properties/identityProfile/kubeletidentity/objectId",
        "/properties/fqdn",
    ],
    typical: Duration::from_secs(300),
    timeout: Duration::from_secs(3600),
    ..Kind::plain("cluster")
};

/// A node pool of a cluster.
pub static POOL: Kind = Kind {
    fields: &[
        ID,
        PLACE,
        field("properties.vmSize", Rule::Immutable),
        field("properties.vmSize", Rule::Same(Sameness::IgnoreCase)),
        field("properties.osDiskType", Rule::Immutable),
        field("properties.osDiskSizeGB", Rule::Immutable),
        field("properties.scaleSetPriority", Rule::Immutable),
        field("properties.enableUltraSSD", Rule::Immutable),
        field("properties.enableUltraSSD", Rule::Default("false")),
        field("properties.availabilityZones", Rule::Immutable),
        field("properties.availabilityZones", Rule::Set),
        field("properties.maxPods", Rule::Immutable),
        field("properties.osType", Rule::Immutable),
        field("properties.osType", Rule::Same(Sameness::IgnoreCase)),
        field("properties.type", Rule::Immutable),
        field("properties.type", Rule::Same(Sameness::IgnoreCase)),
        field("properties.osDiskType", Rule::Same(Sameness::IgnoreCase)),
        field("properties.scaleSetPriority", Rule::Same(Sameness::IgnoreCase)),
        field("properties.scaleSetEvictionPolicy", Rule::Immutable),
        field("properties.orchestratorVersion", Rule::Release),
        field("properties.count", Rule::Computed),
    ],
    verdict: Some(pool_verdict),
    disturbs: Some(Disturbance {
        fields: &["properties.orchestratorVersion"],
        text: "its nodes are drained and made anew, so every app on them is stopped and started on another node",
    }),
    review: loss("pool-deleted", "its nodes go, with the Pods on them"),
    typical: Duration::from_secs(120),
    timeout: Duration::from_secs(1800),
    ..Kind::plain("node-pool")
};

/// A user-assigned identity.
pub static IDENTITY: Kind = Kind {
    fields: &[ID, PLACE, LOCATION, MOVES],
    outputs: &["/properties/principalId", "/properties/clientId", "/properties/tenantId"],
    review: LOGGED,
    ..Kind::plain("identity")
};

/// A federated credential of an identity.
pub static FEDERATED_CREDENTIAL: Kind = Kind {
    fields: &[ID, PLACE, field("properties.audiences", Rule::Set)],
    marked: false,
    review: LOGGED,
    ..Kind::plain("federated-credential")
};

/// A role assignment. Its name is a function of scope, principal and role, which therefore never change in place.
pub static ROLE_ASSIGNMENT: Kind = Kind {
    fields: &[
        ID,
        PLACE,
        field("scope", Rule::Computed),
        field("properties.principalId", Rule::Immutable),
        field("properties.principalId", Rule::Same(Sameness::IgnoreCase)),
        field("properties.roleDefinitionId", Rule::Immutable),
        field("properties.roleDefinitionId", Rule::Same(Sameness::IgnoreCase)),
        field("properties.principalType", Rule::Computed),
    ],
    marked: false,
    typical: Duration::from_secs(10),
    review: LOGGED,
    ..Kind::plain("role-assignment")
};

/// A management lock.
pub static LOCK: Kind = Kind {
    fields: &[ID, PLACE],
    marked: false,
    seals: Some(lock_seals),
    review: loss("lock-deleted", "goes: nothing in Azure keeps anybody from deleting what it protects"),
    ..Kind::plain("lock")
};

/// How a disk or snapshot says what it was made of.
const MADE: Made = Made {
    field: &["properties", "creationData", "sourceResourceId"],
    told_by: &["properties", "creationData", "createOption"],
};

/// A managed disk: the only copy of an app's data.
pub static DISK: Kind = Kind {
    fields: &[
        ID,
        PLACE,
        LOCATION,
        MOVES,
        field("zones", Rule::Immutable),
        field("zones.*", Rule::Immutable),
        field("sku.name", Rule::Immutable),
        field("sku.name", Rule::Same(Sameness::IgnoreCase)),
        field("properties.diskSizeGB", Rule::GrowOnly),
        // How it was made says nothing about what it is.
        field("properties.creationData.**", Rule::Computed),
    ],
    replace: Replace::Refused(safe_way::disk),
    holds: Holds::Data,
    origin: Some(MADE),
    // One that is made from nothing has nothing on it.
    review: Review { starts_empty: Some(disk_starts_empty), made_from: Some(disk_made_from), ..LOGGED },
    safeguarded: true,
    unattached: Some(unattached),
    outputs: &["/properties/diskSizeGB"],
    typical: Duration::from_secs(8),
    ..Kind::plain("disk")
};

/// A snapshot of a disk.
pub static SNAPSHOT: Kind = Kind {
    fields: &[
        ID,
        PLACE,
        LOCATION,
        MOVES,
        field("properties.creationData.**", Rule::Computed),
        field("properties.incremental", Rule::Computed),
        field("sku.**", Rule::Computed),
    ],
    replace: Replace::Refused(snapshot_safe_way),
    holds: Holds::Data,
    origin: Some(MADE),
    typical: Duration::from_secs(30),
    timeout: Duration::from_secs(7200),
    review: LOGGED,
    ..Kind::plain("snapshot")
};

/// A storage account for shares.
pub static STORAGE_ACCOUNT: Kind = Kind {
    fields: &[
        ID,
        PLACE,
        LOCATION,
        MOVES,
        field("kind", Rule::Immutable),
        field("sku.name", Rule::Same(Sameness::IgnoreCase)),
    ],
    replace: Replace::Refused(account_safe_way),
    holds: Holds::Objects,
    review: loss("storage-deleted", "is deleted with everything in it"),
    typical: Duration::from_secs(30),
    ..Kind::plain("storage-account")
};

/// A file share: the only copy of an app's data.
pub static SHARE: Kind = Kind {
    fields: &[ID, PLACE, field("properties.shareQuota", Rule::GrowOnly)],
    replace: Replace::Refused(share_safe_way),
    holds: Holds::Data,
    // It always begins empty.
    review: Review { starts_empty: Some(|_| true), ..LOGGED },
    ..Kind::plain("share")
};

/// A set of DNS records of one name and type.
pub static DNS_RECORD: Kind =
    Kind { fields: &[ID, PLACE], typical: Duration::from_secs(4), review: LOGGED, ..Kind::plain("dns-record") };

/// All of them.
pub static KINDS: &[&Kind] = &[
    &GROUP,
    &CLUSTER,
    &POOL,
    &IDENTITY,
    &FEDERATED_CREDENTIAL,
    &ROLE_ASSIGNMENT,
    &LOCK,
    &DISK,
    &SNAPSHOT,
    &STORAGE_ACCOUNT,
    &SHARE,
    &DNS_RECORD,
];

/// What a lock forbids (Azure docs, "Lock your resources"): `ReadOnly` every change, and every action that is a POST, such
/// as handing out the credentials of a cluster; `CanNotDelete` deletions.
fn lock_seals(id: &str, lock: &serde_json::Value) -> Option<Seal> {
    let at = id.to_ascii_lowercase().find("/providers/microsoft.authorization/locks/")?;
    let scope = id.get(..at)?.to_owned();
    match lock.pointer("/properties/level").and_then(serde_json::Value::as_str) {
        Some(level) if level.eq_ignore_ascii_case("ReadOnly") => Some(Seal { scope, changes: true }),
        Some(level) if level.eq_ignore_ascii_case("CanNotDelete") => Some(Seal { scope, changes: false }),
        _ => None,
    }
}

/// Fields of a pool that AKS answers with `PropertyChangeNotAllowed` (AKS docs, "Resize node pools": a new pool instead).
const POOL_FIXED: [&str; 9] = [
    "vmSize",
    "osDiskType",
    "osDiskSizeGB",
    "osType",
    "maxPods",
    "type",
    "availabilityZones",
    "scaleSetPriority",
    "vnetSubnetID",
];

fn cluster_verdict(change: &InPlace<'_>) -> Verdict {
    let steps = change.path.0.as_slice();
    let is_key = |step: &Segment, name: &str| matches!(step, Segment::Key(key) if key == name);
    match steps {
        [properties, version] if is_key(properties, "properties") && is_key(version, "kubernetesVersion") => {
            version_verdict(change, "the cluster")
        }
        [_, profiles, Segment::Item(pool), Segment::Key(key), ..] if is_key(profiles, "agentPoolProfiles") => {
            match key.as_str() {
                "orchestratorVersion" => version_verdict(change, &format!("the pool {pool}")),
                fixed if POOL_FIXED.contains(&fixed) => system_pool_verdict(change, pool, fixed),
                _ => Verdict::Accepted,
            }
        }
        _ => Verdict::Accepted,
    }
}

fn pool_verdict(change: &InPlace<'_>) -> Verdict {
    match change.path == &Path::root().key("properties").key("orchestratorVersion") {
        true => version_verdict(change, "the pool"),
        false => Verdict::Accepted,
    }
}

/// Versions as AKS takes them (OpenAPI of `ManagedClusterProperties.kubernetesVersion`; AKS/issues/3831): never back, and
/// a control plane one minor version at a time.
fn version_verdict(change: &InPlace<'_>, what: &str) -> Verdict {
    let (Some(live), Some(wanted)) = (change.before.as_str(), change.after.as_str()) else { return Verdict::Accepted };
    let minor = |text: &str| release(text).and_then(|parts| Some((*parts.first()?, *parts.get(1)?)));
    let (Some((_, at)), Some((major, to))) = (minor(live), minor(wanted)) else { return Verdict::Accepted };
    let key = "AZURE_AKS_KUBERNETES_VERSION";
    if is_earlier(wanted, live) {
        if change.drifted {
            return Verdict::Left(format!(
                "{what} runs Kubernetes {live}, later than the {wanted} of the manifest; AKS never goes back, so it is left: \
                 set {key}: \"{}\"",
                line_of(live)
            ));
        }
        return Verdict::Refused(
            format!(
                "cannot go back from Kubernetes {live} to {wanted} ({what}): AKS downgrades neither clusters nor pools"
            ),
            vec![format!("set {key}: \"{}\"", line_of(live)).into()],
        );
    }
    if what == "the cluster" && to > at + 1 {
        return Verdict::Refused(
            format!("cannot go from Kubernetes {live} to {wanted} at once: AKS upgrades one minor version at a time"),
            vec![format!("set {key}: \"{major}.{}\", apply, and go on from there", at + 1).into()],
        );
    }
    Verdict::Accepted
}

/// `1.33` of `1.33.4`.
fn line_of(version: &str) -> String {
    version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

/// The system pool is part of its cluster, so it cannot be deleted and made anew as other pools are.
fn system_pool_verdict(change: &InPlace<'_>, pool: &str, field: &str) -> Verdict {
    let (before, after) = (text(change.before), text(change.after));
    let why =
        format!("cannot change {field} of its system pool {pool} from {before} to {after}: a pool never changes it");
    let mut lines: Vec<Advice> = vec![format!("undo this change: it is {before}").into()];
    let segments: Vec<&str> = change.physical_id.split('/').collect();
    if let ["", _, subscription, _, group, _, _, _, cluster] = segments.as_slice() {
        let pools = format!("--subscription {subscription} --resource-group {group} --cluster-name {cluster}");
        lines.extend([
            "or let another system pool stand in for it while it is made anew; what runs on it moves over:".into(),
            format!("az aks nodepool add {pools} --name standin --mode System --node-count 1 --labels kompox.dev/node-pool=system").into(),
            format!("az aks nodepool delete {pools} --name {pool}").into(),
            "then apply this change, which makes the pool anew, and end the stand-in:".into(),
            format!("az aks nodepool delete {pools} --name standin").into(),
        ]);
    }
    Verdict::Refused(why, lines)
}

fn disk_starts_empty(disk: &serde_json::Value) -> bool {
    disk.pointer("/properties/creationData/createOption").and_then(serde_json::Value::as_str) == Some("Empty")
}

/// The line of a declared disk that is made from another one of its volume (`manifests.md`, "Declared disks and
/// snapshots").
fn disk_made_from(new: &str, old: &str) -> Option<Advice> {
    let ((volume, new), (same, old)) = (new.split_once('.')?, old.split_once('.')?);
    let line = format!("      - {{name: {new}, source: \"disk:{old}\"}}  # and what else it says now");
    (volume == same).then(|| Advice::write(line))
}

/// Azure's word that no machine has a disk: `Unattached` is "can be attached to a VM", while a disk of a machine that is
/// only deallocated is `Reserved` (Compute resource provider, `DiskState`, `managedBy`).
fn unattached(disk: &serde_json::Value) -> bool {
    let state = disk.pointer("/properties/diskState").and_then(serde_json::Value::as_str);
    let users = disk.get("managedBy").and_then(serde_json::Value::as_str).unwrap_or_default();
    let more = disk.get("managedByExtended").and_then(serde_json::Value::as_array).is_some_and(|all| !all.is_empty());
    state == Some("Unattached") && users.is_empty() && !more
}

fn snapshot_safe_way(refusal: &Refusal<'_>) -> Vec<Advice> {
    let (volume, _) = refusal.name.split_once('.').unwrap_or((refusal.name, ""));
    vec![format!("a snapshot never changes: declare another one under volume {volume} with a name of its own").into()]
}

fn account_safe_way(_: &Refusal<'_>) -> Vec<Advice> {
    vec![
        "undo this change: a storage account never becomes one of another kind, and its shares are in it".into(),
        "the way is another app with that sku, to which the files are copied".into(),
    ]
}

fn share_safe_way(refusal: &Refusal<'_>) -> Vec<Advice> {
    let is = text(refusal.before);
    vec![
        format!("a share never shrinks; write what it is:  size: {is}Gi, or quotaGiB: {is}{}", place(refusal)).into(),
        "for a smaller one declare another volume, mount both, copy the files, then drop this one".into(),
    ]
}
