//! Pods that work on folders of a node: one for each task, gone when it is done.

use std::time::Duration;

use serde_json::{Value, json};

use super::record::Wish;
use super::scripts::MARKER_FILE;
use crate::engine::kind::Kind;
use crate::engine::provider::{ErrorClass, Progress, ProviderError};
use crate::providers::kubernetes::api::Call;
use crate::providers::kubernetes::error::Subject;
use crate::providers::kubernetes::provider::KubernetesProvider;
use crate::providers::kubernetes::read::Lookup;
use crate::providers::kubernetes::table::Location;

/// What a Pod is to do.
pub(super) struct Task<'a> {
    /// The first part of its name.
    pub(super) verb: &'static str,
    /// What is said while it runs, and where it fails.
    pub(super) doing: String,
    /// The folder that it works on.
    pub(super) wish: &'a Wish,
    /// What it runs.
    pub(super) script: &'static str,
    /// Variables of the script beside those that say which folder it is.
    pub(super) variables: Vec<(&'static str, String)>,
    /// What tells its Pod from others of the verb.
    pub(super) token: String,
    /// How long it may take.
    pub(super) timeout: Duration,
}

impl Task<'_> {
    fn pod_name(&self) -> String {
        format!("{}-{}", self.verb, self.token.to_ascii_lowercase())
    }

    fn pod(&self, root: &str) -> Value {
        let own = [("SHELF", self.wish.shelf()), ("NAME", self.wish.folder()), ("FILE", MARKER_FILE)];
        let own = own.into_iter().map(|(name, value)| json!({"name": name, "value": value}));
        let variables = self.variables.iter().map(|(name, value)| json!({"name": name, "value": value}));
        let env: Vec<Value> = own.chain(variables).collect();
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": self.pod_name(),
                "namespace": self.wish.text("namespace"),
                "labels": {"app.kubernetes.io/managed-by": "kompox"},
            },
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": false,
                "enableServiceLinks": false,
                // That node and no other, whatever keeps apps away from it.
                "nodeSelector": {"kubernetes.io/hostname": self.wish.text("hostname")},
                "tolerations": [{"operator": "Exists"}],
                "containers": [{
                    "name": self.verb, "image": self.wish.text("image"), "command": ["sh", "-c", self.script],
                    "env": env,
                    "securityContext": {"runAsUser": 0},
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "volumeMounts": [{"name": "data", "mountPath": "/kompox"}],
                }],
                "volumes": [{"name": "data", "hostPath": {"path": root, "type": "DirectoryOrCreate"}}],
            },
        })
    }

    fn failed(&self, class: ErrorClass, said: &str) -> ProviderError {
        let (path, node) = (self.wish.text("path"), self.wish.text("node"));
        let said = said.trim();
        let said = if said.is_empty() { "the Pod did not say why" } else { said };
        ProviderError::new(class, format!("{} {path} on {node} failed: {said}", self.doing))
    }
}

impl KubernetesProvider {
    /// Runs a Pod to its end, and removes it; gives what it said.
    ///
    /// # Errors
    /// It failed, could not run in time, or was not waited for.
    pub(super) async fn run_task(&self, task: &Task<'_>, progress: &dyn Progress) -> Result<String, ProviderError> {
        let root = task.wish.root().unwrap_or_default();
        let pod = task.pod(root);
        let location = Location::of_json(&pod)
            .ok_or_else(|| ProviderError::new(ErrorClass::Rejected, "the Pod that works on a folder has no name"))?;
        let kind = Kind::plain("Pod");
        let subject = Subject { location: &location, kind: &kind, desired: None };
        // One of an earlier try has said what it had to say.
        self.remove_pod(subject, progress).await?;
        self.put_object(&location, &pod, progress).await?;
        let give_up = tokio::time::Instant::now() + task.timeout;
        let mut told = String::new();
        let ended = loop {
            let Lookup::Found(pod) = self.api.get(subject).await? else {
                break Err(task.failed(ErrorClass::Ambiguous, "its Pod was deleted before it ended"));
            };
            let seen = match phase(&pod) {
                Phase::Succeeded(said) => break Ok(said),
                Phase::Failed(said) => break Err(task.failed(ErrorClass::Rejected, &said)),
                Phase::Running(seen) => seen,
            };
            if seen != told {
                progress.status(&format!("{} {} on {}{seen}", task.doing, task.wish.folder(), task.wish.text("node")));
                told.clone_from(&seen);
            }
            let late = |text: &str| {
                let error = task.failed(ErrorClass::NotReady, &format!("{text}{seen}"));
                error.hint("where its image cannot be pulled, a setting of the Cluster names another one (docs/k3s.md, \"Settings\")")
            };
            if tokio::time::Instant::now() >= give_up {
                break Err(late("it did not end in time"));
            }
            tokio::select! {
                () = tokio::time::sleep(self.poll.min(Duration::from_millis(500))) => {}
                () = progress.stopped() => break Err(late("it was not waited for")),
            }
        };
        self.remove_pod(subject, progress).await?;
        ended
    }

    /// Sees to it that the Pod of an earlier try does nothing any more.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(super) async fn end_task(&self, task: &Task<'_>, progress: &dyn Progress) -> Result<(), ProviderError> {
        let path = format!("/api/v1/namespaces/{}/pods/{}", task.wish.text("namespace"), task.pod_name());
        let location =
            Location::parse(&path).map_err(|error| ProviderError::new(ErrorClass::Rejected, error.to_string()))?;
        let kind = Kind::plain("Pod");
        self.remove_pod(Subject { location: &location, kind: &kind, desired: None }, progress).await
    }

    /// Writes an object of our own by server-side apply.
    ///
    /// # Errors
    /// The server refuses it.
    pub(super) async fn put_object(
        &self,
        location: &Location,
        object: &Value,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let manager: String = url::form_urlencoded::byte_serialize(self.field_manager.as_bytes()).collect();
        let url = format!("{}?fieldManager={manager}&force=true&fieldValidation=Strict", location.url_path());
        let reply = self.api.call(Call::apply(url, object, false).telling(progress)).await?;
        if reply.is_success() {
            return Ok(());
        }
        let kind = Kind::plain(location.resource.kind);
        Err(Subject { location, kind: &kind, desired: Some(object) }.refused("creation", &reply))
    }

    /// Removes a Pod, and waits until it is gone: one that still runs still writes.
    async fn remove_pod(&self, subject: Subject<'_>, progress: &dyn Progress) -> Result<(), ProviderError> {
        let mut sent = false;
        loop {
            let Lookup::Found(_) = self.api.get(subject).await? else { return Ok(()) };
            if !sent {
                // No grace of zero: that would take the Pod away while its containers run.
                let call = Call::delete(subject.location.url_path(), &json!({"gracePeriodSeconds": 1}));
                let reply = self.api.call(call.telling(progress)).await?;
                if !reply.is_success() && reply.status != 404 {
                    return Err(subject.refused("deletion", &reply));
                }
                sent = true;
            }
            tokio::time::sleep(self.poll.min(Duration::from_millis(300))).await;
        }
    }
}

/// How far a Pod is.
enum Phase {
    /// With what it said.
    Succeeded(String),
    /// With what it said.
    Failed(String),
    /// With what it waits for, if anything, after a colon.
    Running(String),
}

fn phase(pod: &Value) -> Phase {
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let state = "/status/containerStatuses/0/state";
    let said = text(&format!("{state}/terminated/message"));
    match text("/status/phase") {
        "Succeeded" => return Phase::Succeeded(said.to_owned()),
        "Failed" => return Phase::Failed(if said.is_empty() { text("/status/message") } else { said }.to_owned()),
        _ => {}
    }
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let unscheduled = conditions.into_iter().flatten().find_map(|one| {
        let text = |key: &str| one.get(key).and_then(Value::as_str);
        (text("type") == Some("PodScheduled") && text("status") == Some("False")).then(|| text("message")).flatten()
    });
    let waiting = [text(&format!("{state}/waiting/message")), text(&format!("{state}/waiting/reason"))];
    let waiting = waiting.into_iter().find(|text| !text.is_empty() && *text != "ContainerCreating");
    Phase::Running(unscheduled.or(waiting).map_or_else(String::new, |text| format!(": {text}")))
}
