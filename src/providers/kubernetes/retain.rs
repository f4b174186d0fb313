//! The disk below a claim or volume stays when these are deleted: its reclaim policy is looked at right before, because
//! with `Delete` the CSI driver deletes the disk, whatever was planned (PersistentVolumeReclaimPolicy in the API
//! reference; kubernetes.io/docs/concepts/storage/persistent-volumes/#reclaiming).

use serde_json::{Value, json};

use super::api::Call;
use super::error::Subject;
use super::provider::KubernetesProvider;
use super::read::{Lookup, lineage};
use super::table::Location;
use crate::engine::kind::Kind;
use crate::engine::provider::{ErrorClass, Operation, Progress, ProviderError};

/// Nothing of it is compared or masked here.
static VOLUME: Kind = Kind::plain("PersistentVolume");

const KEEPS: &str = "Retain";

impl KubernetesProvider {
    /// Sees to it that what is below a claim or volume that is about to be deleted is kept. A volume of ours gets its policy
    /// back; another is refused. What was provisioned for the claim goes with it, as it came.
    ///
    /// # Errors
    /// The volume cannot be read or changed, or is not ours.
    pub(super) async fn keep_below(
        &self,
        operation: &Operation,
        location: &Location,
        object: &Value,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let name = match location.resource.kind {
            "PersistentVolume" => location.name.clone(),
            "PersistentVolumeClaim" => match text(object, "/spec/volumeName") {
                "" => return Ok(()),
                // The name that the provisioner gives; it was made for this claim and holds nothing that was there before.
                name if name == format!("pvc-{}", text(object, "/metadata/uid")) => return Ok(()),
                name => name.to_owned(),
            },
            _ => return Ok(()),
        };
        let parsed = Location::parse(&format!("/api/v1/persistentvolumes/{name}"));
        let volume = parsed.map_err(|error| ProviderError::new(ErrorClass::Rejected, error.to_string()))?;
        let subject = Subject { location: &volume, kind: &VOLUME, desired: None };
        let Lookup::Found(live) = self.api.get(subject).await? else { return Ok(()) };
        let policy = text(&live, "/spec/persistentVolumeReclaimPolicy").to_owned();
        if policy == KEEPS {
            return Ok(());
        }
        let below = text(&live, "/spec/csi/volumeHandle");
        if lineage(&live) != Some(operation.lineage.as_str()) {
            let message = format!(
                "{} was not deleted: {} is not of this state and its reclaim policy is {policy}, so that {below} would be deleted with it",
                location.describe(),
                volume.describe()
            );
            return Err(ProviderError::new(ErrorClass::Conflict, message).hint(set_back(&name)));
        }
        progress.status(&format!("setting the reclaim policy of {} back from {policy} to {KEEPS}", volume.describe()));
        // Bound to what was looked at: whoever changes it meanwhile is looked at anew by the next run.
        let patch = json!({
            "metadata": {"resourceVersion": text(&live, "/metadata/resourceVersion"), "uid": text(&live, "/metadata/uid")},
            "spec": {"persistentVolumeReclaimPolicy": KEEPS},
        });
        let reply = self.api.call(Call::merge(self.merge_url(&volume), &patch).telling(progress)).await?;
        if !reply.is_success() && reply.status != 404 {
            let mut error = subject.refused("change of the reclaim policy", &reply);
            error.message = format!("{} was not deleted: {}", location.describe(), error.message);
            return Err(error);
        }
        // The answer may be of a retry: what counts is what stands there now.
        match self.api.get(subject).await? {
            Lookup::Found(now) if text(&now, "/spec/persistentVolumeReclaimPolicy") != KEEPS => {
                let message = format!(
                    "{} was not deleted: the reclaim policy of {} does not stay {KEEPS}, and {below} would be deleted with it",
                    location.describe(),
                    volume.describe()
                );
                Err(ProviderError::new(ErrorClass::Conflict, message).hint(set_back(&name)))
            }
            _ => Ok(()),
        }
    }

    fn merge_url(&self, location: &Location) -> String {
        let manager: String = url::form_urlencoded::byte_serialize(self.field_manager.as_bytes()).collect();
        format!("{}?fieldManager={manager}", location.url_path())
    }
}

fn set_back(name: &str) -> String {
    format!(
        "kubectl patch pv {name} -p '{{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"{KEEPS}\"}}}}', then run it again"
    )
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}
