//! Disks and snapshots that a cluster keeps itself: folders of its nodes. What there is, objects say; making, copying and
//! putting away start a Pod for a moment, reading never does.
//!
//! - `record`: the object that stands for a folder
//! - `pod`: the Pods that work on folders; `scripts`: what they run
//! - `folders`: disks and snapshots that are folders
//! - `quiet`: what uses a folder stands still while it is copied

mod folders;
mod pod;
mod quiet;
mod record;
mod scripts;

use super::KubernetesProvider;
use super::api::{Api, CallError};
use crate::engine::kind::{Holds, Kind};
use crate::engine::provider::{Observation, Observed, Operation, Progress, ProviderError, Safeguard, Target};
use crate::engine::value::Value;

/// Whether an object is a disk or a snapshot, which have no path of their own in the API.
pub(super) fn is_data(kind: &Kind) -> bool {
    kind.holds == Holds::Data
}

/// The id that a planned disk or snapshot has.
pub(super) fn planned_id(kind: &Kind, desired: &Value) -> Option<String> {
    let id = is_data(kind).then(|| desired.get("id")).flatten()?;
    id.as_str().filter(|id| !id.is_empty()).map(str::to_owned)
}

impl Api {
    /// Reads disks and snapshots: one answer per target, in order.
    pub(super) async fn read_data(&self, targets: &[&Target]) -> Vec<Observation> {
        match self.folder_records().await {
            Ok(records) => targets.iter().map(|target| folders::found(&records, target)).collect(),
            Err(CallError::NoCluster) => {
                vec![Observation::NotYet(CallError::NoCluster.to_string()); targets.len()]
            }
            Err(CallError::Failed(error)) => vec![Observation::failed(error); targets.len()],
        }
    }
}

impl KubernetesProvider {
    /// Carries out a change of a disk or a snapshot.
    ///
    /// # Errors
    /// What is there is another one, or in use; a Pod did not end well.
    pub(super) async fn change_data(
        &self,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<Option<Observed>, ProviderError> {
        self.change_folder(operation, progress).await
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
        self.put_folder_away(operation, progress).await
    }
}
