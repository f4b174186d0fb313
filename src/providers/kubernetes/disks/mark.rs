//! What we write onto objects of the cluster that are disks and snapshots: which one of ours it is, and what was wished for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::providers::kubernetes::read::LINEAGE;

/// What ids of disks begin with; the driver and its handle follow. One that is not made yet has its name in their place, after one more slash.
pub(super) const DISK_ID: &str = "csi://";

/// The same of snapshots.
pub(super) const SNAPSHOT_ID: &str = "csi-snapshot://";

const DATA: &str = "kompox.dev/data";
const MADE: &str = "kompox.dev/made";

/// The mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Its name: the same for each try to make it.
    pub(super) name: String,
    /// The Namespace of disks.
    pub(super) namespace: String,
    /// The image of the Pods that have volumes made.
    pub(super) image: String,
    /// The size that was wished for, of a disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    /// The zone that was wished for, of a disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) zone: Option<String>,
    /// The VolumeSnapshotClass of its snapshots, of a disk; the default of its driver where nobody wrote one.
    #[serde(rename = "snapshotClass", skip_serializing_if = "Option::is_none")]
    pub(super) snapshot_class: Option<String>,
    /// Whose it is.
    pub(super) tags: BTreeMap<String, String>,
}

impl Mark {
    /// The mark of a wish.
    pub(super) fn of(desired: &Value) -> Self {
        let text = |key: &str| desired.get(key).and_then(Value::as_str).map(str::to_owned);
        let tags = desired.get("tags").and_then(Value::as_object).into_iter().flatten();
        Self {
            name: text("name").unwrap_or_default(),
            namespace: text("namespace").unwrap_or_default(),
            image: text("image").unwrap_or_default(),
            size: desired.get("size").and_then(Value::as_u64),
            zone: text("zone"),
            snapshot_class: text("snapshotClass"),
            tags: tags.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect(),
        }
    }

    /// One of its tags.
    pub(super) fn tag(&self, key: &str) -> Option<&str> {
        self.tags.get(key).map(String::as_str)
    }

    /// The name as objects have it.
    pub(super) fn object_name(&self) -> String {
        self.name.replace(['_', '/', ':'], "-").to_ascii_lowercase()
    }

    /// The merge patch that writes it; `made` says that the object is whole and handed over.
    pub(super) fn patch(&self, lineage: &str, made: bool) -> Value {
        // A struct of texts is always JSON.
        let data = serde_json::to_string(self).unwrap_or_default();
        json!({"metadata": {
            "labels": {"app.kubernetes.io/managed-by": "kompox", "app.kubernetes.io/name": self.tag("app")},
            "annotations": {(LINEAGE): lineage, (DATA): data, (MADE): made.to_string()},
        }})
    }
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(key)?.as_str()
}

/// The mark of an object; none where it is not ours.
pub(super) fn mark_of(object: &Value) -> Option<Mark> {
    serde_json::from_str(annotation(object, DATA)?).ok()
}

/// Whether it is whole and handed over.
pub(super) fn is_made(object: &Value) -> bool {
    annotation(object, MADE) == Some("true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back() {
        let desired = json!({
            "name": "k4x_disk_a", "namespace": "d", "image": "i", "size": 5, "zone": "z", "snapshotClass": "c",
            "tags": {"volume": "a"},
        });
        let mark = Mark::of(&desired);
        let object = mark.patch("l", true);
        assert_eq!(mark_of(&object), Some(mark.clone()));
        assert!(is_made(&object) && !is_made(&mark.patch("l", false)));
        assert_eq!((mark.object_name().as_str(), mark.tag("volume")), ("k4x-disk-a", Some("a")));
        assert_eq!(mark_of(&json!({})), None);
    }
}
