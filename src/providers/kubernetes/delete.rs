//! Deletion: bound to the object that was reviewed, and done only when it is really gone.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::api::{Call, CallError};
use super::apply::locate;
use super::error::Subject;
use super::provider::KubernetesProvider;
use super::read::{Lookup, lineage};
use super::ready;
use super::table::Location;
use crate::advice::{Advice, Command};
use crate::engine::provider::{ErrorClass, Operation, Progress, ProviderError};

impl KubernetesProvider {
    /// Deletes an object and waits until it is gone, finalizers and Pods included, whether anybody asked to wait or not:
    /// what is gone no longer uses its disks.
    ///
    /// # Errors
    /// Another object has its name now; it belongs to another state; the server refuses; it is held until the timeout; its
    /// Pods cannot be listed.
    pub(super) async fn delete_object(
        &self,
        operation: &Operation,
        uid: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let location = locate(&operation.target, None)?;
        let subject = Subject { location: &location, kind: operation.target.kind, desired: None };
        let object = match self.api.get(subject).await? {
            Lookup::Found(object) => object,
            // Somebody deleted it and did not wait: its Pods may still end.
            Lookup::Missing if runs_pods(&location) => Value::Null,
            Lookup::Missing | Lookup::NoKind => return Ok(()),
        };
        let found = uid_of(&object).to_owned();
        if !object.is_null() && uid.is_some_and(|reviewed| reviewed != found) {
            return Err(another_object(&location));
        }
        // A mark that somebody took away is as good as another state's.
        let mark = lineage(&object);
        if !object.is_null() && mark != Some(operation.lineage.as_str()) {
            let text = match mark {
                Some(other) => {
                    format!("{} belongs to another state (lineage {other}); it was not deleted", location.describe())
                }
                None => format!("{} does not carry the mark of this state; it was not deleted", location.describe()),
            };
            return Err(ProviderError::new(ErrorClass::Conflict, text)
                .hint(Advice::run("forget it here", Command::state_rm(&operation.target.address))));
        }
        self.keep_below(operation, &location, &object, progress).await?;
        // Kubernetes answers 409 to the second deletion of a Namespace.
        if !object.is_null() && object.pointer("/metadata/deletionTimestamp").is_none() {
            self.send_delete(subject, &found, progress).await?;
        }
        let deadline = Instant::now() + operation.timeout;
        let mut last = object.clone();
        let mut stopped = false;
        let waits = self.begin_to_wait(progress);
        let held = loop {
            match tokio::time::timeout_at(deadline, self.is_gone(subject, &object, &found, &mut last)).await {
                Ok(Ok(None)) => return Ok(()),
                Ok(Ok(Some(held))) => {
                    progress.status(&held);
                    if stopped || Instant::now() >= deadline {
                        break held;
                    }
                }
                // The deletion was accepted: whatever a read says now, the outcome is open.
                Ok(Err(error)) => return Err(ProviderError { class: ErrorClass::Ambiguous, ..error }),
                Err(_) => break held_by(&last),
            }
            // Nothing more is asked for: the server goes on by itself.
            tokio::select! {
                () = waits.pause(self.poll, deadline) => {}
                () = progress.stopped() => stopped = true,
            }
        };
        let yet = if stopped { " yet" } else { "" };
        let mut text = format!("{} is being deleted but not gone{yet}: {held}", location.describe());
        for line in ready::conditions(&last).into_iter().filter(|_| !stopped) {
            text.push_str("\n  ");
            text.push_str(&line);
        }
        Err(ProviderError::new(ErrorClass::NotReady, text).hint("see what holds it; the next run goes on waiting"))
    }

    async fn send_delete(&self, subject: Subject<'_>, uid: &str, progress: &dyn Progress) -> Result<(), ProviderError> {
        // Foreground: a Deployment or Job is gone only after its Pods are, and with them the use of their disks.
        let policy = if runs_pods(subject.location) { "Foreground" } else { "Background" };
        let options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": policy,
            "preconditions": {"uid": uid},
        });
        let reply = self.api.call(Call::delete(subject.location.url_path(), &options).telling(progress)).await?;
        if reply.is_success() || reply.status == 404 {
            return Ok(());
        }
        if reply.status == 409 {
            return match self.api.get(subject).await? {
                Lookup::Missing | Lookup::NoKind => Ok(()),
                Lookup::Found(now) if uid_of(&now) != uid => Err(another_object(subject.location)),
                // An earlier try arrived although its answer did not.
                Lookup::Found(now) if now.pointer("/metadata/deletionTimestamp").is_some() => Ok(()),
                Lookup::Found(_) => Err(subject.refused("deletion", &reply)),
            };
        }
        Err(subject.refused("deletion", &reply))
    }

    /// `None` when the object is gone, else what holds it. `last` is what was last seen of it.
    async fn is_gone(
        &self,
        subject: Subject<'_>,
        deleted: &Value,
        uid: &str,
        last: &mut Value,
    ) -> Result<Option<String>, ProviderError> {
        match self.api.get(subject).await.map_err(|error: CallError| ProviderError::from(error))? {
            Lookup::Found(object) if uid_of(&object) == uid => {
                let held = held_by(&object);
                *last = object;
                Ok(Some(held))
            }
            Lookup::Found(_) | Lookup::Missing | Lookup::NoKind => self.pods_left(subject.location, deleted).await,
        }
    }

    /// The Pods of a deleted Deployment or Job that still run, and with it its disks in use. Who cannot see them cannot say that
    /// they are gone.
    async fn pods_left(&self, location: &Location, deployment: &Value) -> Result<Option<String>, ProviderError> {
        let Some(namespace) = location.namespace.as_deref().filter(|_| runs_pods(location)) else { return Ok(None) };
        let prefix = format!("{}-", location.name);
        let is_of_it = |pod: &Value| {
            let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
            owners.into_iter().flatten().any(|owner| {
                let text = |key: &str| owner.get(key).and_then(Value::as_str).unwrap_or("");
                // A ReplicaSet is named after its Deployment, plus one hash without a dash.
                let hash = text("name").strip_prefix(&prefix).filter(|hash| !hash.contains('-'));
                let is_job = text("kind") == "Job" && location.resource.kind == "Job" && text("name") == location.name;
                is_job || text("kind") == "ReplicaSet" && hash.is_some()
            })
        };
        // In these phases all containers have ended (Kubernetes documentation, "Pod Lifecycle", Pod phase).
        let has_ended = |pod: &Value| {
            let phase = pod.pointer("/status/phase").and_then(Value::as_str);
            matches!(phase, Some("Succeeded" | "Failed"))
        };
        let pods = self.api.all_pods(namespace, deployment).await?;
        let left = pods.iter().filter(|pod| is_of_it(pod) && !has_ended(pod)).count();
        Ok(match left {
            0 => None,
            1 => Some("its Pod still runs".to_owned()),
            _ => Some(format!("its {left} Pods still run")),
        })
    }
}

/// Whether an object is a workload, whose Pods go after it.
fn runs_pods(location: &Location) -> bool {
    matches!(location.resource.kind, "Deployment" | "Job")
}

fn uid_of(object: &Value) -> &str {
    object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or("")
}

fn another_object(location: &Location) -> ProviderError {
    let text = format!("{} is another object than the one that was reviewed; it was not deleted", location.describe());
    ProviderError::new(ErrorClass::Conflict, text).hint("plan again")
}

fn held_by(object: &Value) -> String {
    let list = |pointer: &str| object.pointer(pointer).and_then(Value::as_array);
    let finalizers = list("/metadata/finalizers").into_iter().chain(list("/spec/finalizers")).flatten();
    let names: Vec<&str> = finalizers.filter_map(Value::as_str).collect();
    if names.is_empty() { "it still ends".to_owned() } else { format!("held by the finalizer {}", names.join(", ")) }
}
