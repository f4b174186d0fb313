//! The object that stands for a folder: a ConfigMap in the Namespace of disks, known by the folder's id.

use serde_json::{Value, json};

use crate::engine::provider::{ErrorClass, Observed, ProviderError, Target, Writers};
use crate::providers::kubernetes::api::{Api, CallError};
use crate::providers::kubernetes::error::unlisted;
use crate::providers::kubernetes::read;
use crate::providers::kubernetes::table::Location;

/// What ids of folders begin with; the uid of the cluster, the node and the path follow.
pub(super) const ID: &str = "local://";

/// The label of these objects; its value is the kind: `disk` or `snapshot`.
const LABEL: &str = "kompox.dev/folder";

/// What of a wish stands in the object, as it is. What is left out says how a folder is made, and nothing of what it is.
const KEPT: [&str; 6] = ["id", "class", "node", "hostname", "path", "zone"];

/// How far a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// There may be a part of it, and nobody has used it.
    Making,
    /// It is whole.
    Made,
    /// It is being put away: it is in its place, or among those that were deleted.
    Going,
}

/// A record as it is in the cluster.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// The ConfigMap.
    object: Value,
}

impl Record {
    /// One of the ConfigMaps that were read.
    pub(super) fn of(object: Value) -> Self {
        Self { object }
    }

    fn text(&self, key: &str) -> &str {
        self.object.pointer("/data").and_then(|data| data.get(key)).and_then(Value::as_str).unwrap_or_default()
    }

    /// The id of the folder.
    pub(super) fn id(&self) -> &str {
        self.text("id")
    }

    /// What tells this folder from one that is made anew in its place: it stands in the folder, too.
    pub(super) fn marker(&self) -> &str {
        self.text("marker")
    }

    /// The lineage that it carries.
    pub(super) fn lineage(&self) -> Option<&str> {
        read::lineage(&self.object)
    }

    /// Whether the folder is whole. Before that there may be a part of one, and nobody has used it.
    pub(super) fn is_made(&self) -> bool {
        self.text("made") == "true"
    }

    /// Whether a deletion was begun, and nobody knows how far it came.
    pub(super) fn is_going(&self) -> bool {
        self.text("going") == "true"
    }

    /// `disk` or `snapshot`.
    pub(super) fn kind(&self) -> &str {
        let label = self.object.pointer("/metadata/labels").and_then(|labels| labels.get(LABEL));
        label.and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether it is this one, or carries what this one would.
    pub(super) fn is(&self, target: &Target) -> bool {
        if self.kind() != target.kind.name {
            return false;
        }
        match (&target.physical_id, &target.find) {
            (Some(id), _) => self.id() == id,
            (None, Some(find)) => find.tags.iter().all(|(key, value)| self.text(&format!("tag.{key}")) == value),
            (None, None) => false,
        }
    }

    /// What the wish was that it is made from.
    pub(super) fn wish(&self) -> Result<Wish, ProviderError> {
        let namespace = self.object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
        let mut wish = self.shown();
        wish["namespace"] = namespace.into();
        wish["image"] = self.text("image").into();
        Wish::of(if self.kind() == "snapshot" { "snapshot" } else { "disk" }, wish)
    }

    /// As the engine compares it.
    fn shown(&self) -> Value {
        let mut shown = json!({"putAway": self.is_going()});
        for key in KEPT.into_iter().filter(|key| !self.text(key).is_empty()) {
            shown[key] = self.text(key).into();
        }
        if let Ok(size) = self.text("size").parse::<u64>() {
            shown["size"] = size.into();
        }
        for (key, value) in self.object.pointer("/data").and_then(Value::as_object).into_iter().flatten() {
            if let Some(tag) = key.strip_prefix("tag.") {
                shown["tags"][tag] = value.clone();
            }
        }
        shown
    }

    /// What the engine sees.
    pub(super) fn observed(&self) -> Observed {
        Observed {
            physical_id: self.id().to_owned(),
            object: self.shown().into(),
            uid: Some(self.marker().to_owned()),
            lineage: self.lineage().map(str::to_owned),
            transition: None,
            ready: true,
            writers: Writers::default(),
            tie: None,
        }
    }
}

/// What is wished for, as far as a folder needs it.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    kind: &'static str,
    body: Value,
}

impl Wish {
    /// Reads a wish.
    ///
    /// # Errors
    /// It is none of a folder below a folder of ours: nothing may be done to any other.
    pub(super) fn of(kind: &'static str, body: Value) -> Result<Self, ProviderError> {
        let wish = Self { kind, body };
        let safe = |step: &str| !matches!(step, "" | "." | "..") && !step.contains(['\n', '\0']);
        let is_path = wish.text("path").strip_prefix('/').is_some_and(|path| path.split('/').all(safe));
        let parent = wish.parent();
        if !is_path || wish.root().is_none() || parent != Some(wish.shelf()) {
            let text = format!("{} is no folder of {}", wish.text("path"), wish.shelf());
            return Err(ProviderError::new(ErrorClass::Rejected, text)
                .hint(format!("the folders of {0} are DATA_PATH/{0}/NAME", wish.shelf())));
        }
        Ok(wish)
    }

    /// A text of the wish; empty where there is none.
    pub(super) fn text(&self, key: &str) -> &str {
        self.body.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// A text of what it is made from.
    pub(super) fn source(&self, key: &str) -> &str {
        self.body.pointer(&format!("/source/{key}")).and_then(Value::as_str).unwrap_or_default()
    }

    /// The folder that holds all of its kind: `disks` or `snapshots`.
    pub(super) fn shelf(&self) -> &'static str {
        if self.kind == "snapshot" { "snapshots" } else { "disks" }
    }

    /// The folder's own name.
    pub(super) fn folder(&self) -> &str {
        self.text("path").rsplit('/').next().unwrap_or_default()
    }

    fn parent(&self) -> Option<&str> {
        self.text("path").rsplit('/').nth(1)
    }

    /// The folder on the node that holds all that kompox keeps there.
    pub(super) fn root(&self) -> Option<&str> {
        let end = format!("/{}/{}", self.shelf(), self.folder());
        self.text("path").strip_suffix(&end).filter(|root| !root.is_empty())
    }

    /// The name of the record: one folder on one node.
    fn name(&self) -> String {
        format!("{}.{}.{}", self.kind, self.folder(), self.text("node")).replace('_', "-").to_ascii_lowercase()
    }

    /// Where the record is.
    ///
    /// # Errors
    /// Its Namespace is no name.
    pub(super) fn location(&self) -> Result<Location, ProviderError> {
        let id = format!("/api/v1/namespaces/{}/configmaps/{}", self.text("namespace"), self.name());
        Location::parse(&id).map_err(|error| ProviderError::new(ErrorClass::Rejected, error.to_string()))
    }

    /// The record.
    pub(super) fn record(&self, marker: &str, lineage: Option<&str>, stage: Stage) -> Value {
        let made = (stage != Stage::Making).to_string();
        let mut data = json!({"marker": marker, "made": made, "image": self.text("image")});
        if stage == Stage::Going {
            data["going"] = "true".into();
        }
        for key in KEPT.into_iter().filter(|key| !self.text(key).is_empty()) {
            data[key] = self.text(key).into();
        }
        if let Some(size) = self.body.get("size").and_then(Value::as_u64) {
            data["size"] = size.to_string().into();
        }
        for (key, value) in self.body.get("tags").and_then(Value::as_object).into_iter().flatten() {
            data[format!("tag.{key}")] = value.clone();
        }
        let mut object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": self.name(), "namespace": self.text("namespace"),
                "labels": {LABEL: self.kind, "app.kubernetes.io/managed-by": "kompox"},
            },
            "data": data,
        });
        if let Some(lineage) = lineage {
            object["metadata"]["annotations"] = json!({read::LINEAGE: lineage});
        }
        object
    }
}

impl Api {
    /// The records of all folders.
    ///
    /// # Errors
    /// They cannot be listed.
    pub(super) async fn folder_records(&self) -> Result<Vec<Record>, CallError> {
        let query = format!("&labelSelector={LABEL}");
        match self.list("/api/v1/configmaps", &query, "application/json", |item| Some(Record::of(item.object))).await? {
            Ok(records) => Ok(records),
            Err(reply) => Err(unlisted("the records of disks", "ConfigMaps of all Namespaces", &reply).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(path: &str) -> Result<Wish, ProviderError> {
        Wish::of("disk", json!({"id": "local://u/n1/x", "node": "n1", "path": path, "namespace": "d", "size": 5}))
    }

    #[test]
    fn only_a_folder_of_ours_is_worked_on() {
        let good = wish("/var/lib/kompox/disks/k4x_disk_a").unwrap();
        assert_eq!((good.root(), good.folder()), (Some("/var/lib/kompox"), "k4x_disk_a"));
        for path in [
            "",
            "/",
            "/disks/x",
            "var/disks/x",
            "/var/disks/",
            "/var/disks/..",
            "/var/../disks/x",
            "/var/snapshots/x",
            "/var/disks/x/y",
            "/var//disks/x",
            "/var/disks/a\nb",
        ] {
            assert!(wish(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_record_says_what_the_wish_said() {
        let wish = wish("/var/lib/kompox/disks/k4x_disk_a").unwrap();
        let record = Record::of(wish.record("m", Some("l"), Stage::Made));
        assert_eq!((record.id(), record.marker(), record.lineage()), ("local://u/n1/x", "m", Some("l")));
        assert!(record.is_made());
        let again = record.wish().unwrap();
        assert_eq!(again.record("m", Some("l"), Stage::Made), wish.record("m", Some("l"), Stage::Made));
        let going = Record::of(wish.record("m", Some("l"), Stage::Going));
        assert!(going.is_made() && going.is_going() && !record.is_going());
    }
}
