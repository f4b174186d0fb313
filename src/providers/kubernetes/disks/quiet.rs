//! What uses a folder stands still while it is copied: the workload of its Pods is taken to no replicas, and back. The
//! lock of the folder is what keeps a copy whole (`scripts`); this is what makes it come free.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::engine::kind::Kind;
use crate::engine::provider::{ErrorClass, Operation, Progress, ProviderError};
use crate::providers::kubernetes::api::Call;
use crate::providers::kubernetes::error::Subject;
use crate::providers::kubernetes::page::Item;
use crate::providers::kubernetes::provider::KubernetesProvider;
use crate::providers::kubernetes::read::{Lookup, lineage};
use crate::providers::kubernetes::table::Location;

/// How many replicas a workload had before it was stopped. It outlives a run that was killed.
const REPLICAS: &str = "kompox.dev/replicas-before-copy";

/// A workload that was stopped.
pub(super) struct Stopped {
    location: Location,
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// The only owner of a kind.
fn owner<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    items(object, "/metadata/ownerReferences").find(|owner| text(owner, "/kind") == kind).map(|one| text(one, "/name"))
}

impl KubernetesProvider {
    /// Stops the workloads whose Pods use the folder with this id, and waits until their Pods are gone.
    ///
    /// # Errors
    /// Something that this state has not made uses it; it does not end in time.
    pub(super) async fn quieten(
        &self,
        operation: &Operation,
        id: &str,
        progress: &dyn Progress,
    ) -> Result<Vec<Stopped>, ProviderError> {
        let deadline = Instant::now() + operation.timeout;
        let mut stopped: BTreeMap<String, Stopped> = BTreeMap::new();
        loop {
            let pods = self.users(id).await?;
            if pods.is_empty() {
                return Ok(stopped.into_values().collect());
            }
            for pod in &pods {
                let workload = match self.workload_of(pod).await {
                    Ok(Some(workload)) => workload,
                    // Its workload is gone, and so will it be.
                    Ok(None) if !pod["metadata"]["deletionTimestamp"].is_null() => continue,
                    Ok(None) => {
                        let name = text(pod, "/metadata/name");
                        let text = format!("the Pod {name} uses {id}, and no Deployment can be stopped that it is of");
                        let error = ProviderError::new(ErrorClass::Conflict, text);
                        return self
                            .give_up(stopped, error.hint("run it again when that Pod has ended"), progress)
                            .await;
                    }
                    Err(error) => return self.give_up(stopped, error, progress).await,
                };
                let key = workload.to_string();
                if let Err(error) = self.stop(operation, &workload, progress).await {
                    return self.give_up(stopped, error, progress).await;
                }
                stopped.insert(key, Stopped { location: workload });
            }
            progress.status("waiting for the Pods that use it to end");
            let error = if Instant::now() >= deadline {
                ProviderError::new(ErrorClass::NotReady, format!("the Pods that use {id} do not end"))
            } else {
                tokio::select! {
                    () = tokio::time::sleep(self.poll) => continue,
                    () = progress.stopped() => ProviderError::new(ErrorClass::NotReady, format!("{id} was not copied yet")),
                }
            };
            return self.give_up(stopped, error.hint("the next run goes on"), progress).await;
        }
    }

    /// Starts what was stopped, and gives the error.
    async fn give_up<T>(
        &self,
        stopped: BTreeMap<String, Stopped>,
        error: ProviderError,
        progress: &dyn Progress,
    ) -> Result<T, ProviderError> {
        self.go_on(&stopped.into_values().collect::<Vec<_>>(), None, progress).await?;
        Err(error)
    }

    /// Pods that run, or may still run, with a claim on the folder with this id.
    async fn users(&self, id: &str) -> Result<Vec<Value>, ProviderError> {
        let pick = |Item { object: volume, .. }: Item| {
            let annotation =
                volume.pointer("/metadata/annotations").and_then(|all| all.get("kompox.dev/volume-handle"));
            (annotation.and_then(Value::as_str) == Some(id)).then(|| {
                let claim = |key: &str| text(&volume, &format!("/spec/claimRef/{key}")).to_owned();
                (claim("namespace"), claim("name"))
            })
        };
        let listed = self.api.list("/api/v1/persistentvolumes", "", "application/json", pick).await?;
        let denied = |status: u16, what: &str| {
            let text = format!("{what} cannot be listed, so nobody knows who uses {id}");
            ProviderError { status: Some(status), ..ProviderError::new(ErrorClass::Denied, text) }
        };
        let claims = listed.map_err(|reply| denied(reply.status, "PersistentVolumes"))?;
        let mut users = Vec::new();
        for (namespace, claim) in
            claims.into_iter().filter(|(namespace, claim)| !namespace.is_empty() && !claim.is_empty())
        {
            let pods = self.api.all_pods(&namespace, &Value::Null).await?;
            let uses = |pod: &Value| {
                let ended = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
                let mut volumes = items(pod, "/spec/volumes");
                !ended && volumes.any(|volume| text(volume, "/persistentVolumeClaim/claimName") == claim)
            };
            users.extend(pods.into_iter().filter(uses));
        }
        Ok(users)
    }

    /// The Deployment that a Pod is of.
    async fn workload_of(&self, pod: &Value) -> Result<Option<Location>, ProviderError> {
        let Some(set) = owner(pod, "ReplicaSet") else { return Ok(None) };
        let namespace = text(pod, "/metadata/namespace");
        let reply = self.api.call(Call::get(format!("/apis/apps/v1/namespaces/{namespace}/replicasets/{set}"))).await?;
        let deployment = owner(&reply.body, "Deployment").filter(|_| reply.is_success());
        let path = deployment.map(|name| format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}"));
        Ok(path.and_then(|path| Location::parse(&path).ok()))
    }

    async fn deployment(&self, location: &Location) -> Result<Option<Value>, ProviderError> {
        let kind = Kind::plain("Deployment");
        match self.api.get(Subject { location, kind: &kind, desired: None }).await? {
            Lookup::Found(object) => Ok(Some(object)),
            Lookup::Missing | Lookup::NoKind => Ok(None),
        }
    }

    async fn stop(
        &self,
        operation: &Operation,
        location: &Location,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let Some(object) = self.deployment(location).await? else { return Ok(()) };
        if lineage(&object) != Some(operation.lineage.as_str()) {
            let text = format!("{} uses the disk and is not of this state; it is not stopped", location.describe());
            return Err(ProviderError::new(ErrorClass::Conflict, text).hint("stop it, then run it again"));
        }
        let replicas = object.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
        if replicas == 0 {
            return Ok(());
        }
        progress.status(&format!("stopping {}", location.describe()));
        let marked = json!({(REPLICAS): replicas.to_string()});
        self.scale(location, &object, 0, &marked, progress).await
    }

    /// Starts workloads again as they were, and waits for them until the deadline, if there is one.
    ///
    /// # Errors
    /// The server refuses, or they do not become ready; the next apply starts them, too.
    pub(super) async fn go_on(
        &self,
        stopped: &[Stopped],
        deadline: Option<Instant>,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let started = stopped.iter().map(|one| self.start(&one.location, deadline, progress));
        join_all(started).await.into_iter().collect()
    }

    async fn start(
        &self,
        location: &Location,
        deadline: Option<Instant>,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let Some(object) = self.deployment(location).await? else { return Ok(()) };
        let annotations = object.pointer("/metadata/annotations");
        let before = annotations.and_then(|all| all.get(REPLICAS)?.as_str()?.parse::<u64>().ok());
        // Who scaled it meanwhile, or an apply, knows better.
        if let Some(before) = before {
            let now = object.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
            let replicas = if now == 0 { before } else { now };
            self.scale(location, &object, replicas, &json!({(REPLICAS): null}), progress).await?;
        }
        let Some(deadline) = deadline else { return Ok(()) };
        let Some(object) = self.deployment(location).await? else { return Ok(()) };
        let kind = Kind::plain("Deployment");
        let subject = Subject { location, kind: &kind, desired: None };
        self.wait_ready(subject, object, deadline, progress).await.map(drop)
    }

    async fn scale(
        &self,
        location: &Location,
        seen: &Value,
        replicas: u64,
        annotations: &Value,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let manager: String = url::form_urlencoded::byte_serialize(self.field_manager.as_bytes()).collect();
        let patch = json!({
            "metadata": {"uid": text(seen, "/metadata/uid"), "annotations": annotations},
            "spec": {"replicas": replicas},
        });
        let call = Call::merge(format!("{}?fieldManager={manager}", location.url_path()), &patch);
        let reply = self.api.call(call.telling(progress)).await?;
        if reply.is_success() {
            return Ok(());
        }
        let kind = Kind::plain("Deployment");
        Err(Subject { location, kind: &kind, desired: None }.refused("scaling", &reply))
    }
}
