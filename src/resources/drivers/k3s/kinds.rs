//! The kinds of a cluster that is only read, and of disks and snapshots in it.

use std::time::Duration;

use crate::advice::Advice;
use crate::engine::kind::{Field, Holds, Kind, Made, Refusal, Replace, Review, Rule};
use crate::resources::safe_way;

const fn field(pattern: &'static str, rule: Rule) -> Field {
    Field { pattern, rule }
}

/// A cluster, known by the uid of its Namespace `kube-system`, which lasts as long as the cluster does
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/#initial-namespaces>).
pub(super) static CLUSTER: Kind =
    Kind { fields: &[field("uid", Rule::Immutable)], holds: Holds::Objects, ..Kind::plain("cluster") };

/// What ids of disks of a StorageClass begin with, and of their snapshots.
pub(super) const CSI_DISK: &str = "csi://";
/// The same of snapshots.
pub(super) const CSI_SNAPSHOT: &str = "csi-snapshot://";

/// What disks and snapshots have in common: what they are never changes, and how they are made says nothing of that.
static DATA: &[Field] = &[
    field("id", Rule::Immutable),
    field("class", Rule::Immutable),
    field("node", Rule::Immutable),
    field("hostname", Rule::Immutable),
    field("path", Rule::Immutable),
    field("zone", Rule::Immutable),
    field("name", Rule::Computed),
    field("volume", Rule::Computed),
    field("namespace", Rule::Computed),
    field("image", Rule::Computed),
    field("source.**", Rule::Computed),
];

/// How a disk or snapshot says what it was made of; one that was made empty says nothing.
const MADE: Made = Made { field: &["source", "id"], told_by: &[] };

/// A disk: a folder of a node, or what a StorageClass makes.
pub(super) static DISK: Kind = Kind {
    common: DATA,
    fields: &[field("size", Rule::GrowOnly)],
    replace: Replace::Refused(disk_stays),
    holds: Holds::Data,
    origin: Some(MADE),
    safeguarded: true,
    review: Review { starts_empty: Some(is_made_empty), made_from: Some(made_from), ..Review::NONE },
    outputs: &["/volume"],
    timeout: Duration::from_secs(3600),
    ..Kind::plain("disk")
};

/// A snapshot of a disk: a copy of its folder, or what a CSI driver takes.
pub(super) static SNAPSHOT: Kind = Kind {
    common: DATA,
    fields: &[field("snapshotClass", Rule::Computed)],
    replace: Replace::Refused(snapshot_stays),
    holds: Holds::Data,
    origin: Some(MADE),
    safeguarded: true,
    typical: Duration::from_secs(30),
    timeout: Duration::from_secs(7200),
    ..Kind::plain("snapshot")
};

/// All of them.
pub(super) static KINDS: &[&Kind] = &[&CLUSTER, &DISK, &SNAPSHOT];

fn is_made_empty(disk: &serde_json::Value) -> bool {
    disk.get("source").is_none()
}

/// The line of a declared disk that is made from another one of its volume (`manifests.md`, "Declared disks and
/// snapshots").
fn made_from(new: &str, old: &str) -> Option<Advice> {
    let ((volume, new), (same, old)) = (new.split_once('.')?, old.split_once('.')?);
    let line = format!("      - {{name: {new}, source: \"disk:{old}\"}}  # and what else it says now");
    (volume == same).then(|| Advice::write(line))
}

fn disk_stays(refusal: &Refusal<'_>) -> Vec<Advice> {
    if refusal.physical_id.starts_with(CSI_DISK) || safe_way::is_origin(refusal) {
        return safe_way::disk(refusal);
    }
    let place = refusal.place.as_ref().map_or(String::new(), |place| format!(" ({place})"));
    let mut lines: Vec<Advice> = vec![
        format!("a folder never becomes another one; undo this change{place}: it is {}", refusal.physical_id).into(),
    ];
    lines.extend(carry());
    lines
}

/// How the data of a folder gets to another node, or to the node of another cluster.
pub(super) fn carry() -> Vec<Advice> {
    vec![
        "the safe way for its data is to stop the app, carry the folder there, and import it (docs/k3s.md, \"Another node or cluster\")"
            .into(),
    ]
}

/// How the data of a disk of a StorageClass gets to another cluster that reaches the same storage.
pub(super) fn hand_on() -> Vec<Advice> {
    vec![
        "where the other cluster reaches the same storage, the safe way is to destroy the app, which keeps the disk, and to import it there (docs/k3s.md, \"Disks of a StorageClass on another cluster\")"
            .into(),
    ]
}

fn snapshot_stays(refusal: &Refusal<'_>) -> Vec<Advice> {
    let (volume, _) = refusal.name.split_once('.').unwrap_or((refusal.name, ""));
    vec![format!("a snapshot never changes: declare another one under volume {volume} with a name of its own").into()]
}
