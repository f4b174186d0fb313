//! Disks that a StorageClass makes: PersistentVolumes. A claim in the Namespace of disks has one made; then the volume is set
//! to be kept, the claim goes, and the volume is bound in advance to the claim of the app that is to use it. It keeps its
//! name and annotations, and stays the only one for its handle.

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::claim::{Claim, Handover, located};
use super::mark::{DISK_ID, Mark, is_made, mark_of};
use super::volume::{capacity_of, conflict, volume_location};
use crate::engine::kind::Kind;
use crate::engine::provider::{
    Change, ErrorClass, Observation, Observed, Operation, Progress, ProviderError, Safeguard, Target, Transition,
    Writers,
};
use crate::providers::kubernetes::api::{Api, Call, CallError};
use crate::providers::kubernetes::error::{Subject, unlisted};
use crate::providers::kubernetes::page::Item;
use crate::providers::kubernetes::provider::KubernetesProvider;
use crate::providers::kubernetes::read::{Lookup, lineage};
use crate::providers::kubernetes::table::Location;

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The id of a PersistentVolume's disk.
pub(super) fn id_of(volume: &Value) -> Option<String> {
    let (driver, handle) = (text(volume, "/spec/csi/driver"), text(volume, "/spec/csi/volumeHandle"));
    (!driver.is_empty() && !handle.is_empty()).then(|| format!("{DISK_ID}{driver}/{handle}"))
}

/// Whether a PersistentVolume is what a target speaks of. One that is still being made is none yet.
fn is(volume: &Value, target: &Target) -> bool {
    let mark = mark_of(volume);
    if mark.is_some() && !is_made(volume) {
        return false;
    }
    match (&target.physical_id, &target.find) {
        (Some(id), _) => match id.strip_prefix(DISK_ID).and_then(|rest| rest.strip_prefix('/')) {
            Some(name) => mark.is_some_and(|mark| mark.name == name),
            None => id_of(volume).as_ref() == Some(id),
        },
        (None, Some(find)) => {
            mark.is_some_and(|mark| find.tags.iter().all(|(key, value)| mark.tag(key) == Some(value)))
        }
        (None, None) => false,
    }
}

/// What the engine sees of a PersistentVolume.
fn observed(volume: &Value) -> Option<Observed> {
    let id = id_of(volume)?;
    let mark = mark_of(volume);
    // A driver may give more than was asked for; what it has not given yet is not there.
    let capacity = capacity_of(volume);
    let size = mark.as_ref().and_then(|mark| mark.size).map_or(capacity, |size| capacity.map(|has| has.min(size)));
    let mut object = json!({
        "id": id, "class": text(volume, "/spec/storageClassName"), "volume": text(volume, "/metadata/name"), "size": size,
        "reclaim": text(volume, "/spec/persistentVolumeReclaimPolicy"),
    });
    for key in ["namespace", "name"] {
        let at = text(volume, &format!("/spec/claimRef/{key}"));
        if !at.is_empty() {
            object["claim"][key] = at.into();
        }
    }
    if let Some(mark) = &mark {
        object["tags"] = json!(mark.tags);
        for (key, value) in [("zone", &mark.zone), ("snapshotClass", &mark.snapshot_class)] {
            if let Some(value) = value {
                object[key] = value.as_str().into();
            }
        }
    }
    Some(Observed {
        physical_id: id,
        object: object.into(),
        uid: Some(text(volume, "/metadata/uid").to_owned()),
        lineage: lineage(volume).map(str::to_owned),
        transition: volume.pointer("/metadata/deletionTimestamp").map(|_| Transition::Deleting),
        ready: true,
        writers: Writers::default(),
        tie: None,
    })
}

impl Api {
    /// All PersistentVolumes of CSI drivers.
    ///
    /// # Errors
    /// They cannot be listed.
    pub(super) async fn csi_volumes(&self) -> Result<Vec<Value>, CallError> {
        let pick = |volume: Item| id_of(&volume.object).is_some().then_some(volume.object);
        match self.list("/api/v1/persistentvolumes", "", "application/json", pick).await? {
            Ok(volumes) => Ok(volumes),
            Err(reply) => Err(unlisted("PersistentVolumes", "PersistentVolumes", &reply).into()),
        }
    }
}

/// What a target is, of these volumes.
pub(super) fn found(volumes: &[Value], target: &Target) -> Observation {
    let mut found = volumes.iter().filter(|volume| is(volume, target));
    match (found.next().and_then(observed), found.next()) {
        (Some(observed), None) => Observation::Found(Box::new(observed)),
        (Some(observed), Some(other)) => {
            let other = text(other, "/metadata/name");
            let text = format!("{} has two PersistentVolumes, {other} and another one", observed.physical_id);
            let error = ProviderError::new(ErrorClass::Conflict, text);
            Observation::failed(error.hint("delete the one that is too much, after its reclaim policy says Retain"))
        }
        (None, _) => Observation::Missing,
    }
}

/// All that are whole.
pub(super) fn all(volumes: &[Value]) -> impl Iterator<Item = Observed> {
    volumes.iter().filter(|volume| is_made(volume)).filter_map(observed)
}

impl KubernetesProvider {
    /// Makes a disk, writes what changed into its mark, or deletes it.
    ///
    /// # Errors
    /// The class cannot make it; what is there is another one, or in use.
    pub(super) async fn change_volume(
        &self,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<Option<Observed>, ProviderError> {
        match &operation.change {
            Change::Create { desired } => self.make_volume(operation, desired, progress).await.map(Some),
            Change::Update { desired, .. } => {
                let volume = self.volume_of(&operation.target).await?;
                let mark = Mark::of(desired);
                // One that was adopted may have been its class's to delete with its claim.
                self.keep_volume(&volume, progress).await?;
                self.grow_volume(&volume, &mark, wanted_claim(desired), operation, progress).await?;
                self.hand_over(&volume, wanted_claim(desired), progress).await?;
                let made = self.mark_volume(&volume, &mark, &operation.lineage, true, progress).await?;
                observed(&made).map(Some).ok_or_else(|| conflict("the PersistentVolume is none of a CSI driver"))
            }
            Change::Delete { uid } => self.delete_volume(operation, uid.as_deref(), progress).await.map(|()| None),
            Change::Release { .. } | Change::Resume { .. } => Err(ProviderError::new(
                ErrorClass::Rejected,
                "a disk has no operation that goes on by itself: plan again",
            )),
        }
    }

    /// The id of the disk behind a PersistentVolume, by the name that the volume has.
    ///
    /// # Errors
    /// There is none, or it is of no CSI driver: folders are known by their ids alone.
    pub(in crate::providers::kubernetes) async fn disk_of_volume(&self, name: &str) -> Result<String, ProviderError> {
        let Some(volume) = self.object_at(&located(&format!("/api/v1/persistentvolumes/{name}"))?).await? else {
            let text = format!("the cluster has no PersistentVolume {name}");
            let hint = "name one that `kubectl get persistentvolumes` lists, or write the id of the disk";
            return Err(ProviderError::new(ErrorClass::Rejected, text).hint(hint));
        };
        id_of(&volume).ok_or_else(|| {
            let text = format!("the PersistentVolume {name} is of no CSI driver");
            let hint = "the folder of a disk is imported by its id, local://CLUSTER-UID/NODE/PATH";
            ProviderError::new(ErrorClass::Rejected, text).hint(hint)
        })
    }

    /// The only PersistentVolume of a target.
    pub(super) async fn volume_of(&self, target: &Target) -> Result<Value, ProviderError> {
        let volumes = self.api.csi_volumes().await?;
        let mut found = volumes.into_iter().filter(|volume| is(volume, target));
        match (found.next(), found.next()) {
            (Some(volume), None) => Ok(volume),
            _ => Err(conflict("the PersistentVolume of the disk is not there any more, or there are two")),
        }
    }

    async fn make_volume(
        &self,
        operation: &Operation,
        desired: &Value,
        progress: &dyn Progress,
    ) -> Result<Observed, ProviderError> {
        let mark = Mark::of(desired);
        let claim = Claim::of(desired, &mark)?;
        // An earlier try may have come so far that its claim is gone.
        let volumes = self.api.csi_volumes().await?;
        let begun = volumes.into_iter().find(|volume| mark_of(volume).is_some_and(|other| other.name == mark.name));
        let volume = match begun {
            Some(volume) if lineage(&volume) == Some(operation.lineage.as_str()) && !is_made(&volume) => volume,
            Some(volume) => {
                let name = text(&volume, "/metadata/name");
                return Err(conflict(format!(
                    "the PersistentVolume {name} is there already, in the place of this disk"
                )));
            }
            None => {
                let source = text(desired, "/source/id");
                if !source.is_empty() {
                    self.offer_snapshot(&claim, source, operation, progress).await?;
                }
                let volume = self.provision(&claim, !source.is_empty(), operation, progress).await?;
                if id_of(&volume).is_none() {
                    // Nothing was ever on it; it goes with the claim.
                    self.end_claim(&claim, operation, progress).await?;
                    let text =
                        format!("the StorageClass {} makes volumes that are of no CSI driver", text(desired, "/class"));
                    let hint = "only a volume with a handle can be kept; for a folder of a node take class: local";
                    return Err(ProviderError::new(ErrorClass::Rejected, text).hint(hint));
                }
                self.keep_volume(&volume, progress).await?;
                self.mark_volume(&volume, &mark, &operation.lineage, false, progress).await?
            }
        };
        self.keep_volume(&volume, progress).await?;
        self.end_claim(&claim, operation, progress).await?;
        self.withdraw_snapshot(&claim, operation, progress).await?;
        self.hand_over(&volume, wanted_claim(desired), progress).await?;
        let made = self.mark_volume(&volume, &mark, &operation.lineage, true, progress).await?;
        observed(&made).ok_or_else(|| conflict("the PersistentVolume is none of a CSI driver"))
    }

    /// The volume stays whatever becomes of its claim; read back, because all else depends on it.
    async fn keep_volume(&self, volume: &Value, progress: &dyn Progress) -> Result<(), ProviderError> {
        let patch = json!({
            "metadata": {"uid": text(volume, "/metadata/uid")},
            "spec": {"persistentVolumeReclaimPolicy": "Retain"},
        });
        let now = self.patch_volume(volume, &patch, progress).await?;
        match text(&now, "/spec/persistentVolumeReclaimPolicy") {
            "Retain" => Ok(()),
            other => Err(conflict(format!("the reclaim policy stays {other}, not Retain"))),
        }
    }

    /// Changes a PersistentVolume, and gives it as it is then.
    async fn patch_volume(
        &self,
        volume: &Value,
        patch: &Value,
        progress: &dyn Progress,
    ) -> Result<Value, ProviderError> {
        let location = volume_location(volume)?;
        let manager: String = url::form_urlencoded::byte_serialize(self.field_manager.as_bytes()).collect();
        let url = format!("{}?fieldManager={manager}", location.url_path());
        let reply = self.api.call(Call::merge(url, patch).telling(progress)).await?;
        let kind = Kind::plain("PersistentVolume");
        let subject = Subject { location: &location, kind: &kind, desired: None };
        if !reply.is_success() {
            return Err(subject.refused("change", &reply));
        }
        match self.api.get(subject).await? {
            Lookup::Found(now) => Ok(now),
            Lookup::Missing | Lookup::NoKind => Err(conflict(format!("{} is gone", location.describe()))),
        }
    }

    pub(super) async fn mark_volume(
        &self,
        volume: &Value,
        mark: &Mark,
        lineage: &str,
        made: bool,
        progress: &dyn Progress,
    ) -> Result<Value, ProviderError> {
        let mut patch = mark.patch(lineage, made);
        patch["metadata"]["uid"] = text(volume, "/metadata/uid").into();
        self.patch_volume(volume, &patch, progress).await
    }

    /// Frees the volume of a claim that is about to be made, if it is one of ours that a claim of this name had before: the
    /// binder binds it to no other one while the uid of that stands there.
    ///
    /// # Errors
    /// The volume cannot be read or changed.
    pub(in crate::providers::kubernetes) async fn free_volume(
        &self,
        claim: &Value,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let name = text(claim, "/spec/volumeName");
        if name.is_empty() {
            return Ok(());
        }
        let path = format!("/api/v1/persistentvolumes/{name}");
        let location =
            Location::parse(&path).map_err(|error| ProviderError::new(ErrorClass::Rejected, error.to_string()))?;
        let Some(volume) = self.object_at(&location).await? else { return Ok(()) };
        let to = Handover { namespace: text(claim, "/metadata/namespace"), name: text(claim, "/metadata/name") };
        let at = |key: &str| text(&volume, &format!("/spec/claimRef/{key}"));
        let ours = is_made(&volume) && lineage(&volume) == Some(operation.lineage.as_str());
        if ours && (at("namespace"), at("name")) == (to.namespace, to.name) {
            self.hand_over(&volume, to, progress).await?;
        }
        Ok(())
    }

    /// Takes a snapshot before a disk goes.
    pub(super) async fn keep_volume_data(
        &self,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<Option<Safeguard>, ProviderError> {
        let Change::Delete { uid } = &operation.change else { return Ok(None) };
        let volumes = self.api.csi_volumes().await?;
        let Some(volume) = volumes.into_iter().find(|volume| is(volume, &operation.target)) else { return Ok(None) };
        self.check_ours(&volume, uid.as_deref(), operation)?;
        let mark = mark_of(&volume).ok_or_else(|| conflict("the disk carries no mark of kompox"))?;
        let class = mark.snapshot_class.clone();
        // Each deletion keeps what is there then: one of an earlier try may be older than what was written since.
        let name = format!("{}-safety-{}", mark.name, operation.token);
        let safety = Mark { name, size: None, zone: None, snapshot_class: None, ..mark };
        let id = self.take_snapshot(&volume, &safety, class.as_deref(), operation, progress).await?;
        Ok(Some(Safeguard { restore: format!("declare a disk with source: \"{id}\""), physical_id: id }))
    }

    fn check_ours(&self, volume: &Value, uid: Option<&str>, operation: &Operation) -> Result<(), ProviderError> {
        let name = text(volume, "/metadata/name");
        if uid.is_some_and(|uid| uid != text(volume, "/metadata/uid")) {
            return Err(conflict(format!("the PersistentVolume {name} is another one than the one that was reviewed")));
        }
        if lineage(volume) != Some(operation.lineage.as_str()) {
            return Err(conflict(format!("the PersistentVolume {name} does not carry the mark of this state")));
        }
        Ok(())
    }

    /// Has the driver delete a disk that nobody uses: it does where a volume that says so has lost its claim
    /// (<https://kubernetes.io/docs/concepts/storage/persistent-volumes/#delete>). One that waits for its claim is given one
    /// that never was, in the same instant; what a claim has taken meanwhile is left alone.
    async fn delete_volume(
        &self,
        operation: &Operation,
        uid: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let volumes = self.api.csi_volumes().await?;
        let Some(volume) = volumes.into_iter().find(|volume| is(volume, &operation.target)) else { return Ok(()) };
        let location = volume_location(&volume)?;
        let location = &location;
        // What looks after volumes writes into this one at the same time: then it is looked at once more.
        self.until("nobody else to change the volume", operation, progress, move || {
            Box::pin(async move {
                let Some(now) = self.object_at(location).await? else { return Ok(Some(())) };
                self.check_ours(&now, uid, operation)?;
                self.leave_to_driver(location, &now, operation, progress).await
            })
        })
        .await?;
        let what = format!("{} to be deleted by its driver", location.describe());
        self.until(&what, operation, progress, move || {
            Box::pin(async move {
                let Some(now) = self.object_at(location).await? else { return Ok(Some(())) };
                let said = text(&now, "/status/message");
                if !said.is_empty() {
                    progress.status(said);
                }
                Ok(None)
            })
        })
        .await
    }

    /// Leaves a volume to its driver, as it was looked at and no other way; none where it has changed since.
    async fn leave_to_driver(
        &self,
        location: &Location,
        volume: &Value,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<Option<()>, ProviderError> {
        let mark = mark_of(volume).ok_or_else(|| conflict("the disk carries no mark of kompox"))?;
        if text(volume, "/status/phase") == "Bound" {
            let text = format!("a claim still uses the PersistentVolume {}", location.name);
            return Err(conflict(text));
        }
        let mut patch = json!({
            "metadata": {
                "uid": text(volume, "/metadata/uid"), "resourceVersion": text(volume, "/metadata/resourceVersion"),
            },
            "spec": {"persistentVolumeReclaimPolicy": "Delete"},
        });
        if text(volume, "/spec/claimRef/uid").is_empty() {
            patch["spec"]["claimRef"] = json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": mark.namespace,
                "name": mark.object_name(), "uid": operation.token,
            });
        }
        let manager: String = url::form_urlencoded::byte_serialize(self.field_manager.as_bytes()).collect();
        let url = format!("{}?fieldManager={manager}", location.url_path());
        let reply = self.api.call(Call::merge(url, &patch).telling(progress)).await?;
        let kind = Kind::plain("PersistentVolume");
        match reply.status {
            409 => Ok(None),
            _ if reply.is_success() => Ok(Some(())),
            _ => Err(Subject { location, kind: &kind, desired: None }.refused("change", &reply)),
        }
    }

    /// Changes a PersistentVolume step by step, or not at all.
    pub(super) async fn patch_steps(
        &self,
        location: &Location,
        steps: Vec<Value>,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let manager: String = url::form_urlencoded::byte_serialize(self.field_manager.as_bytes()).collect();
        let url = format!("{}?fieldManager={manager}", location.url_path());
        let reply = self.api.call(Call::json_patch(url, &steps.into()).telling(progress)).await?;
        if reply.is_success() {
            return Ok(());
        }
        let kind = Kind::plain("PersistentVolume");
        Err(Subject { location, kind: &kind, desired: None }.refused("change", &reply))
    }

    /// Waits for something that comes by itself.
    pub(super) async fn until<'f, T: Send>(
        &self,
        what: &str,
        operation: &Operation,
        progress: &dyn Progress,
        look: impl Fn() -> BoxFuture<'f, Result<Option<T>, ProviderError>> + Send + Sync,
    ) -> Result<T, ProviderError> {
        let give_up = tokio::time::Instant::now() + operation.timeout;
        progress.status(&format!("waiting for {what}"));
        loop {
            if let Some(value) = look().await? {
                return Ok(value);
            }
            let late = |how: &str| {
                ProviderError::new(ErrorClass::NotReady, format!("{how} for {what}")).hint("the next run goes on")
            };
            if tokio::time::Instant::now() >= give_up {
                return Err(late("waited too long"));
            }
            tokio::select! {
                () = tokio::time::sleep(self.poll.min(std::time::Duration::from_millis(500))) => {}
                () = progress.stopped() => return Err(late("it was not waited")),
            }
        }
    }
}

/// The claim that a disk is for.
fn wanted_claim(desired: &Value) -> Handover<'_> {
    Handover { namespace: text(desired, "/claim/namespace"), name: text(desired, "/claim/name") }
}
