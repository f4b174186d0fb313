//! Disks and snapshots that a cluster keeps itself: folders of its nodes, and what a StorageClass makes. What there is, objects
//! say; making, copying and putting away start a Pod for a moment, reading never does.
//!
//! - `folders`: disks and snapshots that are folders; `record`: the objects that stand for them; `pod`: the Pods that work on
//!   them; `scripts`: what they run; `quiet`: what uses a folder stands still while it is copied
//! - `csi`: disks that a StorageClass makes; `claim`: what has them made; `growth`: how they become larger; `snapshots`: of them; `mark`: what we write onto
//!   their objects; `volume`: what is read off a PersistentVolume

mod claim;
mod csi;
mod folders;
mod growth;
mod mark;
mod pod;
mod quiet;
mod record;
mod scripts;
mod snapshots;
mod volume;

use self::record::Record;
use super::api::{Api, CallError};
use super::provider::KubernetesProvider;
use crate::engine::kind::{Holds, Kind};
use crate::engine::provider::{
    Change, ErrorClass, Look, Marked, Observation, Observed, Operation, Progress, ProviderError, Safeguard, Target,
};
use crate::engine::value::Value;

/// Whether an object is a disk or a snapshot, which have no path of their own in the API.
pub(super) fn is_data(kind: &Kind) -> bool {
    kind.holds == Holds::Data
}

/// Whether an object is a disk.
pub(super) fn is_disk(kind: &Kind) -> bool {
    is_data(kind) && kind.name == "disk"
}

/// The id that a planned disk or snapshot has.
pub(super) fn planned_id(kind: &Kind, desired: &Value) -> Option<String> {
    let id = is_data(kind).then(|| desired.get("id")).flatten()?;
    id.as_str().filter(|id| !id.is_empty()).map(str::to_owned)
}

/// Where data may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Folder,
    Volume,
    Content,
}

impl Place {
    fn of(id: &str) -> Option<Self> {
        [(record::ID, Self::Folder), (mark::DISK_ID, Self::Volume), (mark::SNAPSHOT_ID, Self::Content)]
            .into_iter()
            .find_map(|(start, place)| id.starts_with(start).then_some(place))
    }

    /// Where a target may be: by its id, else anywhere that it can be found by its tags.
    fn all_of(target: &Target) -> Vec<Self> {
        match &target.physical_id {
            Some(id) => Self::of(id).into_iter().collect(),
            None => vec![Self::Folder, Self::Volume],
        }
    }
}

/// Everything in one place.
enum Shelf {
    Folders(Vec<Record>),
    Volumes(Vec<serde_json::Value>),
    Contents(Vec<serde_json::Value>),
}

impl Shelf {
    fn found(&self, target: &Target) -> Observation {
        match self {
            Self::Folders(records) => folders::found(records, target),
            Self::Volumes(volumes) => csi::found(volumes, target),
            Self::Contents(contents) => snapshots::found(contents, target),
        }
    }
}

impl Api {
    /// Reads disks and snapshots: one answer per target, in order.
    pub(super) async fn read_data(&self, targets: &[&Target]) -> Vec<Observation> {
        let shelf = async |place: Place| -> Result<Shelf, CallError> {
            Ok(match place {
                Place::Folder => Shelf::Folders(self.folder_records().await?),
                Place::Volume => Shelf::Volumes(self.csi_volumes().await?),
                Place::Content => Shelf::Contents(self.snapshot_contents().await?),
            })
        };
        let mut answers = vec![Observation::Missing; targets.len()];
        for place in [Place::Folder, Place::Volume, Place::Content] {
            let wanted: Vec<usize> =
                (0..targets.len()).filter(|at| Place::all_of(targets[*at]).contains(&place)).collect();
            if wanted.is_empty() {
                continue;
            }
            let shelf = shelf(place).await;
            for at in wanted {
                let found = match &shelf {
                    Ok(shelf) => shelf.found(targets[at]),
                    Err(CallError::NoCluster) => Observation::NotYet(CallError::NoCluster.to_string()),
                    Err(CallError::Failed(error)) => Observation::failed(error.clone()),
                };
                // What nobody named may be in any place.
                if !matches!(found, Observation::Missing) {
                    answers[at] = found;
                }
            }
        }
        answers
    }
}

impl KubernetesProvider {
    /// Disks or snapshots that carry this lineage, wherever they are.
    ///
    /// # Errors
    /// They cannot be listed.
    pub(super) async fn marked_data(&self, kind: &Kind, lineage: &str) -> Result<Vec<Marked>, ProviderError> {
        let all = async || -> Result<Vec<Observed>, CallError> {
            let folders = self.api.folder_records().await?;
            let mut all: Vec<Observed> = folders::all(&folders, kind).collect();
            match kind.name {
                "snapshot" => all.extend(snapshots::all(&self.api.snapshot_contents().await?)),
                _ => all.extend(csi::all(&self.api.csi_volumes().await?)),
            }
            Ok(all)
        };
        let all = match all().await {
            Err(CallError::NoCluster) => Vec::new(),
            all => all?,
        };
        let ours = all.into_iter().filter(|observed| observed.lineage.as_deref() == Some(lineage));
        let marked = ours.map(|observed| {
            let object = observed.object.value();
            let tags = object.get("tags").and_then(serde_json::Value::as_object).into_iter().flatten();
            let tags = tags.filter_map(|(key, value)| Some((key.to_lowercase(), value.as_str()?.to_owned()))).collect();
            Marked { physical_id: observed.physical_id, tags }
        });
        Ok(marked.collect())
    }

    /// Carries out a change of a disk or a snapshot.
    ///
    /// # Errors
    /// What is there is another one, or in use; a Pod did not end well.
    pub(super) async fn change_data(
        &self,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<Option<Observed>, ProviderError> {
        let desired = match &operation.change {
            Change::Create { desired } | Change::Update { desired, .. } => desired.get("id").and_then(|id| id.as_str()),
            Change::Delete { .. } | Change::Release { .. } | Change::Resume { .. } => None,
        };
        match desired.or(operation.target.physical_id.as_deref()).and_then(Place::of) {
            Some(Place::Folder) => self.change_folder(operation, progress).await,
            Some(Place::Volume) => self.change_volume(operation, progress).await,
            Some(Place::Content) => self.change_snapshot(operation, progress).await,
            None => Err(unknown(operation)),
        }
    }

    /// Keeps the data of a disk or a snapshot that is about to be deleted.
    ///
    /// # Errors
    /// It cannot be kept, and nothing was deleted.
    pub(super) async fn keep_data(
        &self,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<Option<Safeguard>, ProviderError> {
        match operation.target.physical_id.as_deref().and_then(Place::of) {
            Some(Place::Folder) => self.put_folder_away(operation, progress).await,
            Some(Place::Volume) => self.keep_volume_data(operation, progress).await,
            // A copy of a copy keeps nothing that its loss was not named for.
            Some(Place::Content) => Ok(None),
            None => Err(unknown(operation)),
        }
    }

    /// Sees to it that reading shows what an id names.
    ///
    /// # Errors
    /// There is no such folder, or it is none of kompox.
    pub(super) async fn look_at_data(&self, look: &Look<'_>) -> Result<(), ProviderError> {
        match look.target.physical_id.as_deref().and_then(Place::of) {
            Some(Place::Folder) => self.record_folder(look).await,
            // Objects say it all.
            Some(Place::Volume | Place::Content) | None => Ok(()),
        }
    }
}

fn unknown(operation: &Operation) -> ProviderError {
    let id = operation.target.physical_id.as_deref().unwrap_or("(no id)");
    ProviderError::new(ErrorClass::Rejected, format!("{id} is no id of a disk or snapshot in a cluster"))
}
