//! Claims in the Namespace of disks: what has a class make a volume, and what a volume without an app is snapshotted by.

use serde_json::{Value, json};

use super::mark::{Mark, SNAPSHOT_ID};
use super::volume::{capacity_of, conflict, volume_location};
use crate::engine::kind::Kind;
use crate::engine::provider::{ErrorClass, Operation, Progress, ProviderError};
use crate::providers::kubernetes::api::Call;
use crate::providers::kubernetes::error::Subject;
use crate::providers::kubernetes::provider::KubernetesProvider;
use crate::providers::kubernetes::read::{LINEAGE, Lookup, lineage};
use crate::providers::kubernetes::table::Location;

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The claim that a volume is bound to in advance.
#[derive(Clone, Copy)]
pub(super) struct Handover<'a> {
    /// Its Namespace.
    pub(super) namespace: &'a str,
    /// Its name.
    pub(super) name: &'a str,
}

/// A claim of ours in the Namespace of disks.
pub(super) struct Claim {
    pub(super) namespace: String,
    pub(super) name: String,
    class: String,
    size: u64,
    zone: Option<String>,
    image: String,
}

impl Claim {
    /// The claim that a disk is made by.
    ///
    /// # Errors
    /// The wish says no size or class.
    pub(super) fn of(desired: &Value, mark: &Mark) -> Result<Self, ProviderError> {
        let class = text(desired, "/class").to_owned();
        let size = mark.size.filter(|size| *size > 0 && !class.is_empty());
        let size = size.ok_or_else(|| ProviderError::new(ErrorClass::Rejected, "the disk has no size or class"))?;
        let (namespace, image, zone) = (mark.namespace.clone(), mark.image.clone(), mark.zone.clone());
        Ok(Self { namespace, name: mark.object_name(), class, size, zone, image })
    }

    pub(super) fn path(&self) -> String {
        format!("/api/v1/namespaces/{}/persistentvolumeclaims/{}", self.namespace, self.name)
    }

    fn object(&self, lineage: &str, more: &Value) -> Value {
        let mut claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": self.name, "namespace": self.namespace,
                "labels": {"app.kubernetes.io/managed-by": "kompox"},
                "annotations": {LINEAGE: lineage},
            },
            "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": self.class, "volumeMode": "Filesystem",
                "resources": {"requests": {"storage": self.size.to_string()}},
            },
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            claim["spec"][key] = value.clone();
        }
        claim
    }

    /// The Pod that a volume waits for where its class wants to know the node first. It does nothing.
    pub(super) fn consumer(&self) -> Value {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": self.name, "namespace": self.namespace, "labels": {"app.kubernetes.io/managed-by": "kompox"},
            },
            "spec": {
                "restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": false, "enableServiceLinks": false,
                "containers": [{
                    "name": "bind", "image": self.image, "command": ["true"],
                    "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": true}],
                }],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": self.name}}],
            },
        });
        if let Some(zone) = &self.zone {
            pod["spec"]["nodeSelector"] = json!({"topology.kubernetes.io/zone": zone});
        }
        pod
    }
}

pub(super) fn located(path: &str) -> Result<Location, ProviderError> {
    Location::parse(path).map_err(|error| ProviderError::new(ErrorClass::Rejected, error.to_string()))
}

pub(super) fn located_object(object: &Value) -> Result<Location, ProviderError> {
    Location::of_json(object).ok_or_else(|| ProviderError::new(ErrorClass::Rejected, "an object of a disk has no name"))
}

impl KubernetesProvider {
    /// One object; none where it is not there.
    pub(super) async fn object_at(&self, location: &Location) -> Result<Option<Value>, ProviderError> {
        let kind = Kind::plain(location.resource.kind);
        match self.api.get(Subject { location, kind: &kind, desired: None }).await? {
            Lookup::Found(object) => Ok(Some(object)),
            Lookup::Missing | Lookup::NoKind => Ok(None),
        }
    }

    /// Deletes an object, and waits until it is gone.
    pub(super) async fn end_object(
        &self,
        location: &Location,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let Some(object) = self.object_at(location).await? else { return Ok(()) };
        let kind = Kind::plain(location.resource.kind);
        let options = json!({"preconditions": {"uid": text(&object, "/metadata/uid")}});
        let reply = self.api.call(Call::delete(location.url_path(), &options).telling(progress)).await?;
        if !reply.is_success() && reply.status != 404 {
            return Err(Subject { location, kind: &kind, desired: None }.refused("deletion", &reply));
        }
        let what = format!("{} to be gone", location.describe());
        self.until(&what, operation, progress, move || {
            Box::pin(async move { Ok(self.object_at(location).await?.is_none().then_some(())) })
        })
        .await
    }

    /// Has the class make a volume, and gives it once the claim is bound.
    pub(super) async fn provision(
        &self,
        claim: &Claim,
        from_snapshot: bool,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<Value, ProviderError> {
        let class = located(&format!("/apis/storage.k8s.io/v1/storageclasses/{}", claim.class))?;
        let Some(class) = self.object_at(&class).await? else {
            let text = format!("the cluster has no StorageClass {}", claim.class);
            return Err(
                ProviderError::new(ErrorClass::Rejected, text).hint("kubectl get storageclass lists those that it has")
            );
        };
        let location = located(&claim.path())?;
        if let Some(there) = self.object_at(&location).await?
            && lineage(&there) != Some(operation.lineage.as_str())
        {
            return Err(conflict(format!("{} is there already, and is not of this state", location.describe())));
        }
        let source = json!({"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": claim.name});
        let more = if from_snapshot { json!({"dataSource": source}) } else { json!({}) };
        self.put_object(&location, &claim.object(&operation.lineage, &more), progress).await?;
        let waits = text(&class, "/volumeBindingMode") == "WaitForFirstConsumer";
        let consumer = claim.consumer();
        let pod = located_object(&consumer)?;
        if !waits {
            return self.bound_volume(&location, operation, progress).await;
        }
        // One of an earlier try may be for another zone.
        self.end_object(&pod, operation, progress).await?;
        self.put_object(&pod, &consumer, progress).await?;
        let volume = self.bound_volume(&location, operation, progress).await;
        let ended = self.end_object(&pod, operation, progress).await;
        volume.and_then(|volume| ended.map(|()| volume))
    }

    /// The volume of a claim, once it is bound.
    async fn bound_volume(
        &self,
        location: &Location,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<Value, ProviderError> {
        let what = format!("{} to be bound", location.describe());
        let namespace = location.namespace.as_deref().unwrap_or_default();
        self.until(&what, operation, progress, move || {
            Box::pin(async move {
                let claim =
                    self.object_at(location).await?.ok_or_else(|| conflict("the claim of the disk was deleted"))?;
                if text(&claim, "/status/phase") != "Bound" {
                    let events = self.api.events(namespace).await;
                    let about = |event: &&Value| text(event, "/involvedObject/name") == location.name;
                    let warning = events.iter().filter(about).rfind(|event| text(event, "/type") == "Warning");
                    if let Some(warning) = warning {
                        progress.status(&format!("{}: {}", text(warning, "/reason"), text(warning, "/message")));
                    }
                    return Ok(None);
                }
                self.object_at(&located(&format!("/api/v1/persistentvolumes/{}", text(&claim, "/spec/volumeName")))?)
                    .await
            })
        })
        .await
    }

    /// Takes the claim away that a disk was made by. Its volume is kept by then.
    pub(super) async fn end_claim(
        &self,
        claim: &Claim,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        self.end_object(
            &located(&format!("/api/v1/namespaces/{}/pods/{}", claim.namespace, claim.name))?,
            operation,
            progress,
        )
        .await?;
        self.end_object(&located(&claim.path())?, operation, progress).await
    }

    /// Binds a volume in advance to a claim of that name and no other. The claim that it was bound to is gone.
    pub(super) async fn hand_over(
        &self,
        volume: &Value,
        to: Handover<'_>,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let location = volume_location(volume)?;
        let now =
            self.object_at(&location).await?.ok_or_else(|| conflict("the PersistentVolume of the disk is gone"))?;
        let at = |key: &str| text(&now, &format!("/spec/claimRef/{key}"));
        let is_there = (at("namespace"), at("name")) == (to.namespace, to.name);
        if is_there && at("uid").is_empty() {
            return Ok(());
        }
        let mut steps = vec![json!({"op": "test", "path": "/metadata/uid", "value": text(&now, "/metadata/uid")})];
        if !at("uid").is_empty() {
            let owner =
                located(&format!("/api/v1/namespaces/{}/persistentvolumeclaims/{}", at("namespace"), at("name")))?;
            let owner = self.object_at(&owner).await?;
            if owner.is_some_and(|owner| text(&owner, "/metadata/uid") == at("uid")) {
                if is_there {
                    return Ok(());
                }
                let text = format!("the claim {}/{} still has the PersistentVolume", at("namespace"), at("name"));
                return Err(conflict(text));
            }
            steps.push(json!({"op": "test", "path": "/spec/claimRef/uid", "value": at("uid")}));
        }
        let claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": to.namespace, "name": to.name,
        });
        steps.push(json!({"op": "add", "path": "/spec/claimRef", "value": claim}));
        self.patch_steps(&location, steps, progress).await
    }

    /// Binds a volume that no app has to a claim of ours for a while.
    pub(super) async fn borrow_volume(
        &self,
        volume: &Value,
        claim: &Claim,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        self.hand_over(volume, Handover { namespace: &claim.namespace, name: &claim.name }, progress).await?;
        let location = located(&claim.path())?;
        let more = json!({"volumeName": text(volume, "/metadata/name")});
        self.put_object(&location, &claim.object(&operation.lineage, &more), progress).await?;
        self.bound_volume(&location, operation, progress).await.map(drop)
    }

    /// A claim for [`borrow_volume`](Self::borrow_volume).
    pub(super) fn borrowing(volume: &Value, mark: &Mark, why: &str) -> Claim {
        let size = capacity_of(volume).unwrap_or(1);
        let class = text(volume, "/spec/storageClassName").to_owned();
        let (namespace, image) = (mark.namespace.clone(), mark.image.clone());
        Claim { namespace, name: format!("{}-{why}", mark.object_name()), class, size, zone: None, image }
    }

    /// Makes a snapshot known in the Namespace of disks, so that a claim there can be made from it.
    pub(super) async fn offer_snapshot(
        &self,
        claim: &Claim,
        id: &str,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let named = id.strip_prefix(SNAPSHOT_ID).and_then(|rest| rest.split_once('/'));
        let Some((driver, handle)) = named.filter(|(driver, handle)| !driver.is_empty() && !handle.is_empty()) else {
            let text = format!("{id} is no snapshot of a CSI driver");
            return Err(ProviderError::new(ErrorClass::Rejected, text));
        };
        let content = json!({
            "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent",
            "metadata": {"name": claim.name, "annotations": {LINEAGE: operation.lineage}},
            "spec": {
                "deletionPolicy": "Retain", "driver": driver, "source": {"snapshotHandle": handle},
                "volumeSnapshotRef": {"namespace": claim.namespace, "name": claim.name},
            },
        });
        let snapshot = json!({
            "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot",
            "metadata": {
                "name": claim.name, "namespace": claim.namespace, "annotations": {LINEAGE: operation.lineage},
            },
            "spec": {"source": {"volumeSnapshotContentName": claim.name}},
        });
        for object in [&content, &snapshot] {
            self.put_object(&located_object(object)?, object, progress).await?;
        }
        let location = located_object(&snapshot)?;
        let location = &location;
        self.until("the snapshot to be ready", operation, progress, move || {
            Box::pin(async move {
                let snapshot = self.object_at(location).await?.unwrap_or_default();
                let ready = snapshot.pointer("/status/readyToUse").and_then(Value::as_bool) == Some(true);
                Ok(ready.then_some(()))
            })
        })
        .await
    }

    /// Takes away what [`offer_snapshot`](Self::offer_snapshot) made; the snapshot itself stays.
    pub(super) async fn withdraw_snapshot(
        &self,
        claim: &Claim,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let group = "/apis/snapshot.storage.k8s.io/v1";
        let snapshot = format!("{group}/namespaces/{}/volumesnapshots/{}", claim.namespace, claim.name);
        let content = format!("{group}/volumesnapshotcontents/{}", claim.name);
        for path in [snapshot, content] {
            self.end_object(&located(&path)?, operation, progress).await?;
        }
        Ok(())
    }
}
