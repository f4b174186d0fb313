//! Server-side apply: previews and changes.

use serde_json::{Value, json};

use super::api::{Call, CallError, Reply};
use super::error::{Missing, Subject, conflicts, is_forbidden_by_rights};
use super::fields;
use super::provider::KubernetesProvider;
use super::read::{LINEAGE, Lookup, lineage, observe};
use super::table::Location;
use crate::advice::{Advice, Command};
use crate::engine::provider::{ErrorClass, Observed, Operation, Preview, Progress, ProviderError, Target};
use crate::engine::value::Path;

/// What a claim grows, with the disk behind it.
const VOLUME: &str = "PersistentVolume";

/// A version that no stored object has: versions are revisions of etcd, whose first is 1 and holds nothing. An apply that
/// carries it makes an object, and is refused (409) where there is one (`Store.Update` in
/// `k8s.io/apiserver/pkg/registry/generic/registry/store.go`: a version is compared only where there is an object).
const NOTHING_HAS: &str = "1";

/// What a change does to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// It must not be there, unless an earlier try made it.
    Create,
    /// It must be there.
    Update,
}

impl KubernetesProvider {
    fn apply_url(&self, location: &Location, force: bool, dry_run: bool) -> String {
        let manager: String = url::form_urlencoded::byte_serialize(self.field_manager.as_bytes()).collect();
        let dry_run = if dry_run { "&dryRun=All" } else { "" };
        // Strict: a field that the server does not know must not vanish in silence.
        format!("{}?fieldManager={manager}&force={force}&fieldValidation=Strict{dry_run}", location.url_path())
    }

    /// Asks what an object would become: see [`crate::engine::provider::Provider::preview`].
    ///
    /// # Errors
    /// The server refuses the object, or cannot be asked.
    pub(super) async fn preview_object(
        &self,
        target: &Target,
        desired: &Value,
        force: bool,
    ) -> Result<Preview, ProviderError> {
        let location = locate(target, Some(desired))?;
        let subject = Subject { location: &location, kind: target.kind, desired: Some(desired) };
        let mut object = std::borrow::Cow::Borrowed(desired);
        // The question is about what would be sent.
        if target.kind.name == VOLUME {
            match self.api.get(subject).await {
                Ok(Lookup::Found(existing)) => keep_capacity(target.kind.name, object.to_mut(), Some(&existing)),
                Ok(Lookup::Missing | Lookup::NoKind) => {}
                Err(CallError::NoCluster) => return Ok(Preview::Unconfirmed(CallError::NoCluster.to_string())),
                Err(CallError::Failed(error)) => return Err(error),
            }
        }
        let call = Call::apply(self.apply_url(&location, force, true), &object, true);
        let reply = match self.api.call(call).await {
            Ok(reply) => reply,
            Err(CallError::NoCluster) => return Ok(Preview::Unconfirmed(CallError::NoCluster.to_string())),
            Err(CallError::Failed(error)) => return Err(error),
        };
        if reply.is_success() {
            return Ok(Preview::Object(Box::new(observe(&location, target.kind, reply.body))));
        }
        let conflicts = conflicts(&reply);
        if !conflicts.is_empty() {
            return Ok(Preview::Conflict(conflicts));
        }
        match unconfirmed(&subject, &reply) {
            Some(reason) => Ok(Preview::Unconfirmed(reason)),
            None => Err(subject.refused("dry run", &reply)),
        }
    }

    /// Makes or changes an object, and waits for it as asked.
    ///
    /// # Errors
    /// What is there is not ours or not what was expected; the server refuses; it is not ready in time.
    pub(super) async fn apply_object(
        &self,
        operation: &Operation,
        intent: Intent,
        desired: &Value,
        removed: &[Path],
        progress: &dyn Progress,
    ) -> Result<Observed, ProviderError> {
        let target = &operation.target;
        let location = locate(target, Some(desired))?;
        let subject = Subject { location: &location, kind: target.kind, desired: Some(desired) };
        let mut existing = match intent {
            // The server itself makes sure that nothing is there.
            Intent::Create if location.resource.kind != "PersistentVolumeClaim" => None,
            _ => self.existing(subject).await?,
        };
        let reply = loop {
            check_existing(&location, existing.as_ref(), intent, operation)?;
            if existing.is_none() && location.resource.kind == "PersistentVolumeClaim" {
                self.free_volume(desired, operation, progress).await?;
            }
            let mut object = desired.clone();
            mark(&location, &mut object, &operation.lineage)?;
            keep_capacity(target.kind.name, &mut object, existing.as_ref());
            match existing.as_ref().and_then(|object| object.pointer("/metadata/uid")) {
                // With a uid the server refuses to change, or make, any other object than the one just looked at.
                Some(uid) => object["metadata"]["uid"] = uid.clone(),
                None => object["metadata"]["resourceVersion"] = NOTHING_HAS.into(),
            }
            let call = Call::apply(self.apply_url(&location, operation.force, false), &object, false);
            let reply = self.api.call(call.creating(existing.is_none()).telling(progress)).await?;
            if reply.is_success() {
                break reply;
            }
            // There is something: an earlier try of ours, or not.
            if reply.status == 409 && existing.is_none() {
                existing = self.existing(subject).await?;
                if existing.is_some() {
                    continue;
                }
            }
            let verb = if intent == Intent::Create { "creation" } else { "update" };
            return Err(subject.refused(verb, &reply));
        };
        if existing.is_none() {
            self.check_made_by_us(&location, &reply)?;
        }
        for (path, writer) in self.still_set_by_others(target, removed, &reply.body) {
            progress.status(&format!("{path} stays: \"{writer}\" sets it too"));
        }
        let mut object = reply.body;
        if existing.is_none() && location.resource.kind == VOLUME {
            let tied = self.tie_to_bound_claim(subject, object, progress).await;
            object = tied.map_err(|error| ProviderError { class: ErrorClass::Ambiguous, ..error })?;
        }
        if operation.wait {
            let deadline = tokio::time::Instant::now() + operation.timeout;
            object = self.wait_ready(subject, object, deadline, progress).await?;
        }
        Ok(observe(&location, target.kind, object))
    }

    /// A server that made nothing of the version that no object has would merge ours into what is there. A fresh object has
    /// no writer but us.
    fn check_made_by_us(&self, location: &Location, reply: &Reply) -> Result<(), ProviderError> {
        let managed = reply.body.pointer("/metadata/managedFields").and_then(Value::as_array);
        let other = managed.into_iter().flatten().find_map(|entry| {
            let is_status = entry.get("subresource").and_then(Value::as_str) == Some("status");
            let manager = entry.get("manager").and_then(Value::as_str)?;
            (!is_status && manager != self.field_manager).then_some(manager)
        });
        match other.filter(|_| reply.status != 201) {
            // It has been touched, and a run cannot undo that by itself: the intent stays open for a look.
            Some(other) => Err(ProviderError::new(
                ErrorClass::Ambiguous,
                format!("{} was made by \"{other}\" just before us, and our fields are in it now", location.describe()),
            )
            .hint("look at the object, then import it or delete it, and plan again")),
            None => Ok(()),
        }
    }

    /// What is there.
    async fn existing(&self, subject: Subject<'_>) -> Result<Option<Value>, ProviderError> {
        Ok(match self.api.get(subject).await? {
            Lookup::Found(object) => Some(object),
            Lookup::Missing | Lookup::NoKind => None,
        })
    }

    /// Fields that we no longer set but that stay because another manager sets them too.
    fn still_set_by_others(&self, target: &Target, removed: &[Path], object: &Value) -> Vec<(Path, String)> {
        let managed = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        let Some(managed) = managed.filter(|_| !removed.is_empty()) else { return Vec::new() };
        let writers = fields::writers(target.kind, managed);
        let others = writers.iter().filter(|writer| writer.name != self.field_manager);
        let kept = others.flat_map(|writer| {
            let paths = writer.paths.iter().filter(|path| removed.contains(path));
            paths.map(|path| (path.clone(), writer.name.clone()))
        });
        kept.collect()
    }
}

/// Where a target is: by its id, else by what is desired; both must agree.
///
/// # Errors
/// There is no place, or there are two.
pub(super) fn locate(target: &Target, desired: Option<&Value>) -> Result<Location, ProviderError> {
    let wrong = |text: String| ProviderError::new(ErrorClass::Rejected, text);
    let by_id = match &target.physical_id {
        Some(id) => Some(Location::parse(id).map_err(|error| wrong(error.to_string()))?),
        None => None,
    };
    match (by_id, desired.and_then(Location::of_json)) {
        (Some(by_id), Some(by_object)) if by_id != by_object => {
            Err(wrong(format!("{} was reviewed as {by_id}, but the object says {by_object}", target.address)))
        }
        (Some(_), None) if desired.is_some() => {
            Err(wrong(format!("the object of {} has no apiVersion, kind and name that kompox handles", target.address)))
        }
        (Some(location), _) | (None, Some(location)) => Ok(location),
        (None, None) => Err(wrong(format!("{} has no Kubernetes path yet", target.address))),
    }
}

/// Why the server cannot say what the object would become although the object may be fine.
fn unconfirmed(subject: &Subject<'_>, reply: &Reply) -> Option<String> {
    let location = subject.location;
    let message = reply.message();
    match reply.status {
        404 => Some(match subject.missing(reply) {
            Missing::Namespace | Missing::Object => {
                format!("the Namespace \"{}\" does not exist yet", location.namespace.as_deref().unwrap_or(""))
            }
            Missing::Kind => format!("the cluster does not serve {} yet", location.resource.kind),
        }),
        403 if is_forbidden_by_rights(reply) => {
            Some(format!("no right to patch {} in this cluster", location.resource.plural))
        }
        403 if reply.has_cause("NamespaceTerminating") => Some("the Namespace is being deleted".to_owned()),
        // A dry run counts what is there now; what the plan removes before would make room.
        403 if message.contains("exceeded quota") => Some("the Namespace's quota is used up at the moment".to_owned()),
        400 if message.contains("dry run") => Some("an admission webhook does not support dry runs".to_owned()),
        _ => None,
    }
}

/// What is there must be what the plan expected, and ours.
fn check_existing(
    location: &Location,
    existing: Option<&Value>,
    intent: Intent,
    operation: &Operation,
) -> Result<(), ProviderError> {
    let conflict = |text: &str, hint: Advice| {
        Err(ProviderError::new(ErrorClass::Conflict, format!("{} {text}", location.describe())).hint(hint))
    };
    let Some(object) = existing else {
        return match intent {
            Intent::Create => Ok(()),
            Intent::Update => conflict("does not exist any more", "plan again".into()),
        };
    };
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return conflict("is being deleted", "run again when it is gone".into());
    }
    let import = Command::import(&operation.target.address).word(location);
    let import = Advice::run("to manage it from here", import);
    match (lineage(object), intent) {
        (Some(lineage), _) if lineage == operation.lineage => Ok(()),
        // An adopted object is marked as ours by this very change.
        (Some(_), Intent::Update) if operation.adopted => Ok(()),
        (Some(other), _) => conflict(&format!("exists and belongs to another state (lineage {other})"), import),
        (None, Intent::Create) => conflict("exists already and is not managed by this state", import),
        // An imported object gets its annotation with its first update.
        (None, Intent::Update) => Ok(()),
    }
}

/// The capacity of a volume that is there is the resizer's to raise, after its claim: a volume that is as large as its claim
/// asks for is never resized, and its file system stays as it was ("Expanding Persistent Volumes Claims" in the documentation
/// of Kubernetes; `pvNeedResize` of kubernetes-csi/external-resizer).
fn keep_capacity(kind: &str, object: &mut Value, existing: Option<&Value>) {
    const CAPACITY: &str = "/spec/capacity/storage";
    if kind == VOLUME
        && let Some(live) = existing.and_then(|existing| existing.pointer(CAPACITY))
        && let Some(wanted) = object.pointer_mut(CAPACITY)
    {
        wanted.clone_from(live);
    }
}

/// Puts the lineage annotation on an object.
fn mark(location: &Location, object: &mut Value, lineage: &str) -> Result<(), ProviderError> {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    let annotations = metadata.map(|metadata| metadata.entry("annotations").or_insert_with(|| json!({})));
    let broken = |text: &str| ProviderError::new(ErrorClass::Rejected, format!("{} {text}", location.describe()));
    match annotations {
        Some(Value::Object(annotations)) => match annotations.get(LINEAGE).and_then(Value::as_str) {
            Some(planned) if planned != lineage => Err(broken("was planned for another state")),
            _ => {
                annotations.insert(LINEAGE.to_owned(), lineage.into());
                Ok(())
            }
        },
        _ => Err(broken("has annotations that are no map")),
    }
}
