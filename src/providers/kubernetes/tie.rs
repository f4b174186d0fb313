//! Volumes whose claim is gone. The binder writes a claim's uid into `spec.claimRef` of its volume, calls the volume
//! Released once that claim is gone, and binds it to no other claim, not even to one of the same name, as long as the uid
//! stands there (`syncVolume` and `syncUnboundClaim` of Kubernetes' `pkg/controller/volume/persistentvolume`). Without the
//! uid the volume is bound in advance to the claim of that name, and to no other.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::api::{Api, Call};
use super::apply::locate;
use super::error::Subject;
use super::provider::KubernetesProvider;
use super::read::{Lookup, lineage, observe};
use super::table::Location;
use crate::engine::kind::Kind;
use crate::engine::provider::{ErrorClass, Observation, Observed, Operation, Progress, ProviderError, Tie, Transition};
use crate::engine::value::Path;

/// The claim that a volume is bound to: where it is, and its uid.
fn claim_of(volume: &Value) -> Option<(Location, &str)> {
    let text = |key: &str| volume.pointer(&format!("/spec/claimRef/{key}")).and_then(Value::as_str);
    let uid = text("uid").filter(|uid| !uid.is_empty())?;
    let path = format!("/api/v1/namespaces/{}/persistentvolumeclaims/{}", text("namespace")?, text("name")?);
    Some((Location::parse(&path).ok()?, uid))
}

/// What is left of the claim that a volume is bound to.
#[derive(Debug, PartialEq, Eq)]
enum Claim {
    /// It is there.
    There,
    /// It is being deleted.
    Ending,
    /// It is gone; another may have its name.
    Gone,
}

fn left(uid: &str, now: Option<&str>, is_deleting: bool) -> Claim {
    match now {
        Some(now) if now == uid && is_deleting => Claim::Ending,
        Some(now) if now == uid => Claim::There,
        _ => Claim::Gone,
    }
}

impl Api {
    /// Marks volumes whose claim is gone or going. What cannot be found out is no tie.
    pub(super) async fn find_ties(&self, observations: &mut [Observation]) {
        let mut ties: Vec<(usize, Location, String)> = Vec::new();
        for (index, observation) in observations.iter().enumerate() {
            let Observation::Found(observed) = observation else { continue };
            if !observed.physical_id.contains("/persistentvolumes/") {
                continue;
            }
            if let Some((claim, uid)) = claim_of(&observed.object.value()) {
                ties.push((index, claim, uid.to_owned()));
            }
        }
        let mut known: std::collections::HashMap<String, (Option<String>, bool)> = std::collections::HashMap::new();
        for observation in observations.iter().filter(|_| !ties.is_empty()) {
            if let Observation::Found(seen) = observation {
                let is_deleting = seen.transition == Some(Transition::Deleting);
                known.insert(seen.physical_id.clone(), (seen.uid.clone(), is_deleting));
            }
        }
        for (index, claim, uid) in ties {
            let now = match known.get(&claim.to_string()) {
                Some((now, is_deleting)) => left(&uid, now.as_deref(), *is_deleting),
                // Most claims were read together with their volumes.
                None => match self.claim_left(&claim, &uid).await {
                    Ok(now) => now,
                    Err(_) => continue,
                },
            };
            if now != Claim::There
                && let Some(Observation::Found(observed)) = observations.get_mut(index)
            {
                let path = Path::root().key("spec").key("claimRef").key("uid");
                let to = format!("the claim \"{}\" in Namespace \"{}\" that it was bound to", claim.name, {
                    claim.namespace.as_deref().unwrap_or("")
                });
                observed.tie = Some(Tie { path, value: uid, to });
            }
        }
    }

    async fn claim_left(&self, claim: &Location, uid: &str) -> Result<Claim, ProviderError> {
        let kind = Kind::plain("PersistentVolumeClaim");
        let text = |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        match self.get(Subject { location: claim, kind: &kind, desired: None }).await? {
            Lookup::Found(object) => {
                let now = text(&object, "/metadata/uid");
                Ok(left(uid, now.as_deref(), text(&object, "/metadata/deletionTimestamp").is_some()))
            }
            Lookup::Missing | Lookup::NoKind => Ok(Claim::Gone),
        }
    }
}

impl KubernetesProvider {
    /// Clears the tie of a volume to a claim that is gone, so that the claim of that name can have it; waits for a claim
    /// that is going.
    ///
    /// # Errors
    /// The volume is another or not ours, the claim is there, or the tie is another one now.
    pub(super) async fn release_object(
        &self,
        operation: &Operation,
        tie: &Tie,
        progress: &dyn Progress,
    ) -> Result<Observed, ProviderError> {
        let location = locate(&operation.target, None)?;
        let subject = Subject { location: &location, kind: operation.target.kind, desired: None };
        let conflict = |text: &str| {
            ProviderError::new(ErrorClass::Conflict, format!("{} {text}", location.describe())).hint("plan again")
        };
        let Lookup::Found(volume) = self.api.get(subject).await? else {
            return Err(conflict("does not exist any more"));
        };
        if volume.pointer("/metadata/deletionTimestamp").is_some() {
            return Err(conflict("is being deleted"));
        }
        if lineage(&volume).is_some_and(|other| other != operation.lineage) && !operation.adopted {
            return Err(conflict("belongs to another state"));
        }
        let Some((claim, uid)) = claim_of(&volume) else {
            // An earlier try did it.
            return Ok(observe(&location, operation.target.kind, volume));
        };
        if uid != tie.value {
            return Err(conflict("is bound to another claim than the one that was reviewed"));
        }
        let deadline = Instant::now() + operation.timeout;
        loop {
            match self.api.claim_left(&claim, uid).await? {
                Claim::Gone => break,
                Claim::There => return Err(conflict(&format!("is in use: {} is there", claim.describe()))),
                Claim::Ending => progress.status(&format!("{} is still being deleted", claim.describe())),
            }
            let late = ProviderError::new(
                ErrorClass::NotReady,
                format!(
                    "{} is being deleted but not gone, and {} is its volume",
                    claim.describe(),
                    location.describe()
                ),
            )
            .hint("see what uses the claim; the next run goes on waiting");
            if Instant::now() >= deadline {
                return Err(late);
            }
            tokio::select! {
                () = tokio::time::sleep(self.poll) => {}
                () = progress.stopped() => return Err(late),
            }
        }
        let mut steps = vec![
            json!({"op": "test", "path": "/metadata/uid", "value": volume.pointer("/metadata/uid")}),
            json!({"op": "test", "path": "/spec/claimRef/uid", "value": tie.value}),
            json!({"op": "remove", "path": "/spec/claimRef/uid"}),
        ];
        if volume.pointer("/spec/claimRef/resourceVersion").is_some() {
            steps.push(json!({"op": "remove", "path": "/spec/claimRef/resourceVersion"}));
        }
        let manager: String = url::form_urlencoded::byte_serialize(self.field_manager.as_bytes()).collect();
        let url = format!("{}?fieldManager={manager}", location.url_path());
        let reply = self.api.call(Call::json_patch(url, &steps.into()).telling(progress)).await?;
        match reply.status {
            status if (200..300).contains(&status) => Ok(observe(&location, operation.target.kind, reply.body)),
            // A test that failed, unless an earlier try of ours did what was asked for.
            409 | 422 if !reply.may_have_acted => Err(conflict("changed meanwhile")),
            _ => Err(subject.refused("release", &reply)),
        }
    }
}

impl KubernetesProvider {
    /// A volume made anew for a claim that was bound to it: bound in advance only, the binder would call that claim Lost
    /// (`syncBoundClaim`, ClaimMisbound). Not by server-side apply, which would take the uid away with its next change.
    ///
    /// # Errors
    /// The claim cannot be read, or the server refuses.
    pub(super) async fn tie_to_bound_claim(
        &self,
        subject: Subject<'_>,
        volume: Value,
        progress: &dyn Progress,
    ) -> Result<Value, ProviderError> {
        let text = |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let place = |key: &str| text(&volume, &format!("/spec/claimRef/{key}"));
        let (Some(namespace), Some(name), None) = (place("namespace"), place("name"), place("uid")) else {
            return Ok(volume);
        };
        let path = format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}");
        let Ok(claim) = Location::parse(&path) else { return Ok(volume) };
        let kind = Kind::plain("PersistentVolumeClaim");
        let Lookup::Found(claim) = self.api.get(Subject { location: &claim, kind: &kind, desired: None }).await? else {
            return Ok(volume);
        };
        let is_bound = claim.pointer("/metadata/annotations/pv.kubernetes.io~1bind-completed").is_some()
            && text(&claim, "/spec/volumeName").as_deref() == Some(&subject.location.name)
            && claim.pointer("/metadata/deletionTimestamp").is_none();
        let Some(uid) = text(&claim, "/metadata/uid").filter(|_| is_bound) else { return Ok(volume) };
        let steps = json!([
            {"op": "test", "path": "/metadata/uid", "value": volume.pointer("/metadata/uid")},
            {"op": "test", "path": "/spec/claimRef/name", "value": name},
            {"op": "add", "path": "/spec/claimRef/uid", "value": uid},
        ]);
        let manager: String = url::form_urlencoded::byte_serialize(self.field_manager.as_bytes()).collect();
        let url = format!("{}?fieldManager={manager}", subject.location.url_path());
        let reply = self.api.call(Call::json_patch(url, &steps).telling(progress)).await?;
        if reply.is_success() { Ok(reply.body) } else { Err(subject.refused("binding", &reply)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_tied_to_the_claim_of_that_uid() {
        let volume = json!({"spec": {"claimRef": {"namespace": "n", "name": "c", "uid": "u"}}});
        let (claim, uid) = claim_of(&volume).unwrap();
        assert_eq!((claim.to_string().as_str(), uid), ("/api/v1/namespaces/n/persistentvolumeclaims/c", "u"));
        for free in [json!({}), json!({"spec": {"claimRef": {"namespace": "n", "name": "c"}}})] {
            assert!(claim_of(&free).is_none());
        }
        assert_eq!(left("u", Some("u"), false), Claim::There);
        assert_eq!(left("u", Some("u"), true), Claim::Ending);
        assert_eq!(left("u", Some("v"), false), Claim::Gone);
        assert_eq!(left("u", None, false), Claim::Gone);
    }
}
