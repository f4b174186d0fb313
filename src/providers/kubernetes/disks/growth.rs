//! Disks of a StorageClass that become larger: a claim that has the volume asks for more, and the driver gives it. The claim is
//! the app's, or one of ours for a while; a Pod mounts that where the file system is to grow, too.

use serde_json::{Value, json};

use super::claim::{Handover, located, located_object};
use super::mark::Mark;
use super::volume::{capacity_of, conflict};
use crate::engine::kind::Kind;
use crate::engine::provider::{Operation, Progress, ProviderError};
use crate::providers::kubernetes::fields::applied_by;
use crate::providers::kubernetes::provider::KubernetesProvider;
use crate::providers::kubernetes::read::lineage;
use crate::providers::kubernetes::ready::{Readiness, is_file_system_behind, readiness};
use crate::providers::kubernetes::table::Location;

impl KubernetesProvider {
    /// Has a volume made as large as its mark says. One that is larger already stays so.
    ///
    /// # Errors
    /// The class does not grow volumes, the driver cannot, or not in time; the claim is not of this state.
    pub(super) async fn grow_volume(
        &self,
        volume: &Value,
        mark: &Mark,
        home: Handover<'_>,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let Some(size) = mark.size.filter(|size| capacity_of(volume).is_none_or(|has| has < *size)) else {
            return Ok(());
        };
        let at = |pointer: &str| volume.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if at("/status/phase") == "Bound" {
            let (namespace, name) = (at("/spec/claimRef/namespace"), at("/spec/claimRef/name"));
            let claim = located(&format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}"))?;
            return self.ask_for_more(&claim, size, operation, progress).await.map(drop);
        }
        let borrowed = Self::borrowing(volume, mark, "grow");
        self.borrow_volume(volume, &borrowed, operation, progress).await?;
        let location = located(&borrowed.path())?;
        let grown = async {
            if !self.ask_for_more(&location, size, operation, progress).await? {
                return Ok(());
            }
            let (consumer, claim) = (borrowed.consumer(), &location);
            self.put_object(&located_object(&consumer)?, &consumer, progress).await?;
            self.until("the file system to grow", operation, progress, move || {
                Box::pin(async move {
                    let claim =
                        self.object_at(claim).await?.ok_or_else(|| conflict("the claim of the disk is gone"))?;
                    Ok((!is_file_system_behind(&claim)).then_some(()))
                })
            })
            .await
        };
        let grown = grown.await;
        self.end_claim(&borrowed, operation, progress).await?;
        self.hand_over(volume, home, progress).await?;
        grown
    }

    /// Has a claim of ours ask for more, and waits until its volume has it; says whether the file system is still to grow.
    async fn ask_for_more(
        &self,
        location: &Location,
        size: u64,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<bool, ProviderError> {
        let claim = self.object_at(location).await?.ok_or_else(|| conflict("the claim of the disk is gone"))?;
        if lineage(&claim) != Some(operation.lineage.as_str()) {
            return Err(conflict(format!("{} does not carry the mark of this state", location.describe())));
        }
        let mut wish = applied_by(&self.field_manager, &Kind::plain(location.resource.kind), &claim);
        for key in ["apiVersion", "kind"] {
            wish[key] = claim[key].clone();
        }
        for key in ["name", "namespace", "uid"] {
            wish["metadata"][key] = claim["metadata"][key].clone();
        }
        wish["spec"]["resources"]["requests"] = json!({"storage": size.to_string()});
        self.put_object(location, &wish, progress).await?;
        self.until("the volume to grow", operation, progress, move || {
            Box::pin(async move {
                let claim = self.object_at(location).await?.ok_or_else(|| conflict("the claim of the disk is gone"))?;
                Ok(match readiness("PersistentVolumeClaim", &claim) {
                    Readiness::Ready => Some(is_file_system_behind(&claim)),
                    Readiness::Waiting(why) => {
                        progress.status(&why);
                        None
                    }
                    Readiness::Failed(why) => return Err(conflict(why)),
                })
            })
        })
        .await
    }
}
