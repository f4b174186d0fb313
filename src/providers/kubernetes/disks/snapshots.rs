//! Snapshots that a CSI driver takes: VolumeSnapshotContents that are kept. A VolumeSnapshot beside the claim has one taken;
//! once the content is set to be kept it goes, so that nothing of ours is left in the app's Namespace.

use serde_json::{Value, json};

use super::claim::Handover;
use super::mark::{Mark, SNAPSHOT_ID, is_made, mark_of};
use super::volume::conflict;
use crate::engine::kind::Kind;
use crate::engine::provider::{
    Change, ErrorClass, Observation, Observed, Operation, Progress, ProviderError, Target, Transition, Writers,
};
use crate::providers::kubernetes::api::{Api, Call, CallError};
use crate::providers::kubernetes::cluster::is_default_class;
use crate::providers::kubernetes::error::{Subject, unlisted};
use crate::providers::kubernetes::provider::KubernetesProvider;
use crate::providers::kubernetes::read::{LINEAGE, lineage};
use crate::providers::kubernetes::table::Location;

const GROUP: &str = "/apis/snapshot.storage.k8s.io/v1";

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn id_of(content: &Value) -> Option<String> {
    let handle = [text(content, "/status/snapshotHandle"), text(content, "/spec/source/snapshotHandle")];
    let handle = handle.into_iter().find(|handle| !handle.is_empty())?;
    Some(format!("{SNAPSHOT_ID}{}/{handle}", text(content, "/spec/driver")))
}

/// Whether a content is what a target speaks of. Those that only lead a claim to a snapshot carry no mark, and count where
/// nothing else has the handle.
fn is(content: &Value, target: &Target) -> bool {
    let mark = mark_of(content);
    if mark.is_some() && !is_made(content) {
        return false;
    }
    let Some(id) = &target.physical_id else { return false };
    match id.strip_prefix(SNAPSHOT_ID).and_then(|rest| rest.strip_prefix('/')) {
        Some(name) => mark.is_some_and(|mark| mark.name == name),
        None => id_of(content).as_ref() == Some(id),
    }
}

fn observed(content: &Value) -> Option<Observed> {
    let id = id_of(content)?;
    let mut object = json!({"id": id});
    if let Some(mark) = mark_of(content) {
        object["tags"] = json!(mark.tags);
    }
    Some(Observed {
        // The handle is the snapshot; the object that says so may be made anew.
        uid: Some(id.clone()),
        physical_id: id,
        object: object.into(),
        lineage: lineage(content).map(str::to_owned),
        transition: content.pointer("/metadata/deletionTimestamp").map(|_| Transition::Deleting),
        ready: true,
        writers: Writers::default(),
        tie: None,
    })
}

impl Api {
    /// All VolumeSnapshotContents; none where the cluster has no such kind.
    ///
    /// # Errors
    /// They cannot be listed.
    pub(super) async fn snapshot_contents(&self) -> Result<Vec<Value>, CallError> {
        let collection = format!("{GROUP}/volumesnapshotcontents");
        match self.list(&collection, "", "application/json", |item| Some(item.object)).await? {
            Ok(contents) => Ok(contents),
            Err(reply) if reply.status == 404 => Ok(Vec::new()),
            Err(reply) => Err(unlisted("VolumeSnapshotContents", "VolumeSnapshotContents", &reply).into()),
        }
    }
}

/// What a target is, of these contents.
pub(super) fn found(contents: &[Value], target: &Target) -> Observation {
    let of_target = || contents.iter().filter(|content| is(content, target));
    let best = of_target().find(|content| mark_of(content).is_some()).or_else(|| of_target().next());
    match best.and_then(observed) {
        Some(observed) => Observation::Found(Box::new(observed)),
        None => Observation::Missing,
    }
}

/// All that are whole.
pub(super) fn all(contents: &[Value]) -> impl Iterator<Item = Observed> {
    contents.iter().filter(|content| is_made(content)).filter_map(observed)
}

impl KubernetesProvider {
    /// Takes a snapshot, writes what changed into its mark, or deletes it.
    ///
    /// # Errors
    /// The driver takes none; the disk is not there; what is there is another one.
    pub(super) async fn change_snapshot(
        &self,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<Option<Observed>, ProviderError> {
        match &operation.change {
            Change::Create { desired } => {
                let source = text(desired, "/source/id");
                let of = |volume: &Value| super::csi::id_of(volume).as_deref() == Some(source);
                let volume = self.api.csi_volumes().await?.into_iter().find(of);
                let volume = volume.ok_or_else(|| conflict(format!("the disk {source} is not there")))?;
                let class = Some(text(desired, "/snapshotClass")).filter(|class| !class.is_empty());
                let id = self.take_snapshot(&volume, &Mark::of(desired), class, operation, progress).await?;
                self.seen_snapshot(&id).await.map(Some)
            }
            Change::Update { desired, .. } => {
                let content = self.content_of(&operation.target).await?;
                let content = content.ok_or_else(|| conflict("the snapshot is not there any more"))?;
                let patch = Mark::of(desired).patch(&operation.lineage, true);
                observed(&self.patch_content(&content, patch, progress).await?)
                    .map(Some)
                    .ok_or_else(|| conflict("the snapshot has no handle"))
            }
            Change::Delete { .. } => self.delete_snapshot(operation, progress).await.map(|()| None),
            Change::Release { .. } | Change::Resume { .. } => Err(ProviderError::new(
                ErrorClass::Rejected,
                "a snapshot has no operation that goes on by itself: plan again",
            )),
        }
    }

    async fn content_of(&self, target: &Target) -> Result<Option<Value>, ProviderError> {
        let contents = self.api.snapshot_contents().await?;
        let marked = contents.iter().position(|content| is(content, target) && mark_of(content).is_some());
        let at = marked.or_else(|| contents.iter().position(|content| is(content, target)));
        Ok(at.and_then(|at| contents.into_iter().nth(at)))
    }

    async fn seen_snapshot(&self, id: &str) -> Result<Observed, ProviderError> {
        let contents = self.api.snapshot_contents().await?;
        let content = contents.iter().find(|content| is_made(content) && id_of(content).as_deref() == Some(id));
        content.and_then(observed).ok_or_else(|| conflict("the snapshot went while it was taken"))
    }

    /// Takes a snapshot of a disk, and gives its id. One that an earlier try took is as good.
    pub(super) async fn take_snapshot(
        &self,
        volume: &Value,
        mark: &Mark,
        class: Option<&str>,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<String, ProviderError> {
        let contents = self.api.snapshot_contents().await?;
        let earlier = contents.iter().find(|content| mark_of(content).is_some_and(|other| other.name == mark.name));
        if let Some(content) = earlier.filter(|content| is_made(content)) {
            let ours = lineage(content) == Some(operation.lineage.as_str());
            return id_of(content).filter(|_| ours && of_volume(content, volume)).ok_or_else(|| {
                let name = text(content, "/metadata/name");
                conflict(format!("the VolumeSnapshotContent {name} is there already, in the place of this snapshot"))
            });
        }
        let class = self.snapshot_class(text(volume, "/spec/csi/driver"), class).await?;
        let claim = |key: &str| text(volume, &format!("/spec/claimRef/{key}"));
        let home = Handover { namespace: claim("namespace"), name: claim("name") };
        let bound = text(volume, "/status/phase") == "Bound";
        let borrowed = Self::borrowing(volume, mark, "snap");
        let at = match bound {
            true => home,
            false => {
                self.borrow_volume(volume, &borrowed, operation, progress).await?;
                Handover { namespace: &borrowed.namespace, name: &borrowed.name }
            }
        };
        let taken = self.snapshot_claim(at, mark, &class, operation, progress).await;
        if !bound {
            self.end_claim(&borrowed, operation, progress).await?;
            // Of another try it was ours already.
            let original = mark_of(volume).map(|_| home).filter(|home| home.namespace != borrowed.namespace);
            if let Some(home) = original {
                self.hand_over(volume, home, progress).await?;
            }
        }
        taken
    }

    /// The class that a snapshot is taken with: the one that was named, else the driver's default. Without one nothing would
    /// ever take it, so nothing is waited for.
    async fn snapshot_class(&self, driver: &str, named: Option<&str>) -> Result<String, ProviderError> {
        let collection = format!("{GROUP}/volumesnapshotclasses");
        let classes = match self.api.list(&collection, "", "application/json", |item| Some(item.object)).await? {
            Ok(classes) => classes,
            Err(reply) if reply.status == 404 => Vec::new(),
            Err(reply) => return Err(unlisted("VolumeSnapshotClasses", "VolumeSnapshotClasses", &reply)),
        };
        choose_class(&classes, driver, named)
    }

    async fn snapshot_claim(
        &self,
        claim: Handover<'_>,
        mark: &Mark,
        class: &str,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<String, ProviderError> {
        let snapshot = json!({
            "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot",
            "metadata": {
                "name": mark.object_name(), "namespace": claim.namespace,
                "labels": {"app.kubernetes.io/managed-by": "kompox"}, "annotations": {LINEAGE: operation.lineage},
            },
            "spec": {"source": {"persistentVolumeClaimName": claim.name}, "volumeSnapshotClassName": class},
        });
        let location = Location::of_json(&snapshot).ok_or_else(|| conflict("the snapshot has no name"))?;
        self.put_object(&location, &snapshot, progress).await?;
        let at = &location;
        let content = self
            .until("the snapshot to be taken", operation, progress, move || {
                Box::pin(async move {
                    let now = self.object_at(at).await?.ok_or_else(|| conflict("the VolumeSnapshot was deleted"))?;
                    let trouble = text(&now, "/status/error/message");
                    if !trouble.is_empty() {
                        progress.status(trouble);
                    }
                    let ready = now.pointer("/status/readyToUse").and_then(Value::as_bool) == Some(true);
                    let name = text(&now, "/status/boundVolumeSnapshotContentName");
                    if !ready || name.is_empty() {
                        return Ok(None);
                    }
                    self.object_at(&content_location(name)?).await
                })
            })
            .await?;
        let mut patch = mark.patch(&operation.lineage, false);
        patch["spec"]["deletionPolicy"] = "Retain".into();
        let content = self.patch_content(&content, patch, progress).await?;
        if text(&content, "/spec/deletionPolicy") != "Retain" {
            return Err(conflict(
                "the deletion policy of the snapshot does not stay Retain, so it counts as not taken",
            ));
        }
        self.end_object(&location, operation, progress).await?;
        let content = self.patch_content(&content, mark.patch(&operation.lineage, true), progress).await?;
        id_of(&content).ok_or_else(|| conflict("the snapshot has no handle"))
    }

    /// Changes a VolumeSnapshotContent, and gives it as it is then.
    async fn patch_content(
        &self,
        content: &Value,
        mut patch: Value,
        progress: &dyn Progress,
    ) -> Result<Value, ProviderError> {
        let location = content_location(text(content, "/metadata/name"))?;
        patch["metadata"]["uid"] = text(content, "/metadata/uid").into();
        let manager: String = url::form_urlencoded::byte_serialize(self.field_manager.as_bytes()).collect();
        let url = format!("{}?fieldManager={manager}", location.url_path());
        let reply = self.api.call(Call::merge(url, &patch).telling(progress)).await?;
        if !reply.is_success() {
            let kind = Kind::plain("VolumeSnapshotContent");
            return Err(Subject { location: &location, kind: &kind, desired: None }.refused("change", &reply));
        }
        self.object_at(&location).await?.ok_or_else(|| conflict("the snapshot is gone"))
    }

    /// Deletes a snapshot: its content goes, and says that what is behind it goes, too.
    async fn delete_snapshot(&self, operation: &Operation, progress: &dyn Progress) -> Result<(), ProviderError> {
        let Some(content) = self.content_of(&operation.target).await? else { return Ok(()) };
        if lineage(&content) != Some(operation.lineage.as_str()) {
            return Err(conflict("the snapshot does not carry the mark of this state; it is left as it is"));
        }
        let content = self.patch_content(&content, json!({"spec": {"deletionPolicy": "Delete"}}), progress).await?;
        self.end_object(&content_location(text(&content, "/metadata/name"))?, operation, progress).await
    }
}

/// Whether a snapshot was taken of this volume.
fn of_volume(content: &Value, volume: &Value) -> bool {
    text(content, "/spec/driver") == text(volume, "/spec/csi/driver")
        && text(content, "/spec/source/volumeHandle") == text(volume, "/spec/csi/volumeHandle")
}

/// One of the VolumeSnapshotClasses: the one of that name, else the only default of the driver.
fn choose_class(classes: &[Value], driver: &str, named: Option<&str>) -> Result<String, ProviderError> {
    let of_driver = || classes.iter().filter(|class| text(class, "/driver") == driver);
    let name = |class: &Value| text(class, "/metadata/name").to_owned();
    let is_default = |class: &&Value| is_default_class(class);
    let chosen = match named {
        Some(named) => of_driver().find(|class| text(class, "/metadata/name") == named).map(name),
        None => {
            let mut defaults = of_driver().filter(is_default);
            defaults.next().filter(|_| defaults.next().is_none()).map(name)
        }
    };
    chosen.ok_or_else(|| {
        let all: Vec<String> = of_driver().map(name).collect();
        let text = match (named, all.as_slice()) {
            (_, []) => {
                format!("the cluster has no VolumeSnapshotClass of the driver {driver}, so it takes no snapshots")
            }
            (Some(named), all) => {
                format!(
                    "the cluster has no VolumeSnapshotClass {named} of the driver {driver}; it has {}",
                    all.join(", ")
                )
            }
            (None, all) => format!(
                "{} of the VolumeSnapshotClasses of the driver {driver} is its default, and nobody named one: {}",
                if of_driver().any(is_default_class) { "more than one" } else { "none" },
                all.join(", ")
            ),
        };
        let hint = all.first().map_or_else(
            || "kubectl get volumesnapshotclass lists those that it has".to_owned(),
            |class| format!("name one in the volume's options: snapshotClass: {class}"),
        );
        ProviderError::new(ErrorClass::Rejected, text).hint(hint)
    })
}

fn content_location(name: &str) -> Result<Location, ProviderError> {
    Location::parse(&format!("{GROUP}/volumesnapshotcontents/{name}"))
        .map_err(|error| ProviderError::new(ErrorClass::Rejected, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str, driver: &str, default: bool) -> Value {
        let default = default.to_string();
        let annotations = json!({"snapshot.storage.kubernetes.io/is-default-class": default});
        json!({"metadata": {"name": name, "annotations": annotations}, "driver": driver})
    }

    #[test]
    fn a_snapshot_is_of_the_class_that_was_named_or_of_the_only_default() {
        let classes = [class("a", "d", false), class("b", "d", true), class("c", "e", true)];
        let chosen = |named| choose_class(&classes, "d", named).map_err(|error| error.message);
        assert_eq!(chosen(None).as_deref(), Ok("b"));
        assert_eq!(chosen(Some("a")).as_deref(), Ok("a"));
        assert_eq!(
            chosen(Some("c")).unwrap_err(),
            "the cluster has no VolumeSnapshotClass c of the driver d; it has a, b"
        );
        let of = |classes: &[Value], driver| choose_class(classes, driver, None).unwrap_err().message;
        assert_eq!(
            of(&classes[..1], "d"),
            "none of the VolumeSnapshotClasses of the driver d is its default, and nobody named one: a"
        );
        let two = [class("a", "d", true), class("b", "d", true)];
        assert_eq!(
            of(&two, "d"),
            "more than one of the VolumeSnapshotClasses of the driver d is its default, and nobody named one: a, b"
        );
        assert_eq!(of(&two, "x"), "the cluster has no VolumeSnapshotClass of the driver x, so it takes no snapshots");
    }
}
