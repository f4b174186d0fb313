//! Reading: few lists instead of many single requests.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::future::{join, join_all};
use serde_json::Value;
use tokio::task::JoinSet;

use super::api::{Api, Call, CallError, Reply};
use super::error::{Missing, Subject, is_forbidden_by_rights};
use super::fields;
use super::page::{Item, Picked};
use super::table::{Location, Resource};
use crate::engine::kind::Kind;
use crate::engine::provider::{ErrorClass, Observation, Observed, ProviderError, Target, Transition, Writers};

/// The annotation that says which state an object belongs to.
pub const LINEAGE: &str = "kompox.dev/lineage";

/// The label of everything that kompox manages.
const MANAGED: &str = "app.kubernetes.io/managed-by%3Dkompox";

/// Objects per page: what kubectl asks for.
const PAGE: usize = 500;

/// What a list is to show: the position among the targets, where it is, and its kind.
type Listed = (usize, Location, &'static Kind);

/// What a single read found.
pub enum Lookup {
    /// The object.
    Found(Value),
    /// The API server says that it is not there.
    Missing,
    /// The API server does not know the kind.
    NoKind,
}

/// The object as the engine sees it; `managedFields` become writers and leave the object.
pub fn observe(location: &Location, kind: &'static Kind, mut object: Value) -> Observed {
    let metadata = object.pointer_mut("/metadata").and_then(Value::as_object_mut);
    let managed = metadata.and_then(|metadata| metadata.remove("managedFields")).map(|managed| managed.to_string());
    written(location, kind, object, managed)
}

/// The same of an item of a list.
fn observe_item(location: &Location, kind: &'static Kind, item: Item) -> Observed {
    written(location, kind, item.object, item.managed_fields.map(|managed| Box::<str>::from(managed).into_string()))
}

/// An object and its `managedFields`.
fn written(location: &Location, kind: &'static Kind, mut object: Value, managed: Option<String>) -> Observed {
    if let Value::Object(map) = &mut object {
        // Items of a list do not repeat what the list says.
        map.entry("apiVersion").or_insert_with(|| location.resource.api_version().into());
        map.entry("kind").or_insert_with(|| location.resource.kind.into());
    }
    let writers = managed.map(|managed| {
        Writers::later(move || fields::writers(kind, &serde_json::from_str::<Vec<Value>>(&managed).unwrap_or_default()))
    });
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Observed {
        ready: super::ready::readiness(kind.name, &object) == super::ready::Readiness::Ready,
        physical_id: location.to_string(),
        uid: text("/metadata/uid"),
        lineage: lineage(&object).map(str::to_owned),
        transition: text("/metadata/deletionTimestamp").map(|_| Transition::Deleting),
        writers: writers.unwrap_or_default(),
        tie: None,
        object: object.into(),
    }
}

/// The lineage annotation of an object.
pub fn lineage(object: &Value) -> Option<&str> {
    object.pointer("/metadata/annotations")?.get(LINEAGE)?.as_str()
}

impl Api {
    /// Reads one object.
    ///
    /// # Errors
    /// The cluster cannot be asked, or refuses.
    pub async fn get(&self, subject: Subject<'_>) -> Result<Lookup, CallError> {
        let reply = self.call(Call::get(subject.location.url_path())).await?;
        match reply.status {
            200 => Ok(Lookup::Found(reply.body)),
            404 => Ok(match subject.missing(&reply) {
                Missing::Object | Missing::Namespace => Lookup::Missing,
                // Every API server has these kinds: whoever answers so is none, and knows nothing of our objects.
                Missing::Kind if subject.location.resource.builtin => return Err(no_api_server(&reply).into()),
                Missing::Kind => Lookup::NoKind,
            }),
            _ => Err(subject.refused("read", &reply).into()),
        }
    }

    /// What is picked from the items of a list, of all of its pages.
    ///
    /// # Errors
    /// The answer that is no success, or why there is none.
    pub async fn list<T: Send>(
        &self,
        collection: &str,
        query: &str,
        accept: &'static str,
        pick: impl Fn(Item) -> Option<T> + Send + Sync,
    ) -> Result<Result<Vec<T>, Reply>, CallError> {
        let picked = Picked::by(pick);
        let mut all = Vec::new();
        let mut token: Option<String> = None;
        let mut restarted = false;
        loop {
            let mut url = format!("{collection}?limit={PAGE}{query}");
            if let Some(token) = &token {
                url.push_str("&continue=");
                url.extend(url::form_urlencoded::byte_serialize(token.as_bytes()));
            }
            let reply = self.call(Call::get(url).accept(accept).items(&picked)).await?;
            if reply.status == 410 && token.is_some() && !restarted {
                // The snapshot that the pages come from is too old: begin again.
                all.clear();
                (token, restarted) = (None, true);
                continue;
            }
            if !reply.is_success() {
                return Ok(Err(reply));
            }
            if reply.body.get("items").is_none() {
                return Err(no_api_server(&reply).into());
            }
            all.append(&mut picked.of_page());
            token = reply.text("/metadata/continue").filter(|token| !token.is_empty()).map(str::to_owned);
            if token.is_none() {
                return Ok(Ok(all));
            }
        }
    }

    /// Reads the objects at these places, each with its position among the targets: those of one kind by one list.
    pub async fn read_located(
        self: &Arc<Self>,
        targets: &[Target],
        located: Vec<(usize, Location)>,
    ) -> Vec<(usize, Observation)> {
        let mut by_kind: HashMap<&str, Vec<Listed>> = HashMap::new();
        for (index, location) in located {
            by_kind.entry(location.resource.kind).or_default().push((index, location, targets[index].kind));
        }
        let (many, single): (Vec<_>, Vec<_>) = by_kind.into_values().partition(|wanted| wanted.len() > 1);
        let mut singly: Vec<Listed> = single.into_iter().flatten().collect();
        // A task each: answers are long, and reading them is work for all processors.
        let mut lists = JoinSet::new();
        for wanted in many {
            let api = self.clone();
            lists.spawn(async move { api.read_listed(wanted).await });
        }
        let mut found = Vec::with_capacity(targets.len());
        for (answers, rest) in lists.join_all().await {
            found.extend(answers);
            singly.extend(rest);
        }
        found.extend(self.read_singly(targets, singly).await);
        found
    }

    /// Reads the objects of one kind by one list of all that carry our label; the second part of the answer is what the
    /// list did not show.
    async fn read_listed(&self, wanted: Vec<Listed>) -> (Vec<(usize, Observation)>, Vec<Listed>) {
        let Some((_, first, _)) = wanted.first() else { return (Vec::new(), Vec::new()) };
        let resource: &'static Resource = first.resource;
        // The same object may be asked for twice, by two addresses.
        let mut by_name: HashMap<(Option<&str>, &str), Vec<usize>> = HashMap::with_capacity(wanted.len());
        for (position, (_, location, _)) in wanted.iter().enumerate() {
            by_name.entry((location.namespace.as_deref(), location.name.as_str())).or_default().push(position);
        }
        let pick = |item: Item| {
            let positions = {
                let text = |pointer: &str| item.object.pointer(pointer).and_then(Value::as_str);
                by_name.get(&(text("/metadata/namespace"), text("/metadata/name")?))?.clone()
            };
            let seen = |(position, item): (usize, Item)| {
                let (_, location, kind) = &wanted[position];
                (position, Observation::Found(Box::new(observe_item(location, kind, item))))
            };
            let items = std::iter::repeat_n(item, positions.len());
            Some(positions.into_iter().zip(items).map(seen).collect::<Vec<_>>())
        };
        let query = format!("&labelSelector={MANAGED}");
        let listed = self.list(&resource.collection(None), &query, "application/json", pick).await;
        let mut answers: Vec<Option<Observation>> = vec![None; wanted.len()];
        let same_for_all =
            |answer: Observation| (wanted.iter().map(|(index, ..)| (*index, answer.clone())).collect(), Vec::new());
        match listed {
            Ok(Ok(seen)) => {
                seen.into_iter().flatten().for_each(|(position, observation)| answers[position] = Some(observation));
            }
            // Who may not list everything may still read what he knows by name.
            Ok(Err(reply)) if is_forbidden_by_rights(&reply) => {}
            Ok(Err(reply)) if reply.status == 404 && !resource.builtin => return same_for_all(not_served(resource)),
            Ok(Err(reply)) if reply.status == 404 => return same_for_all(Observation::failed(no_api_server(&reply))),
            Ok(Err(reply)) => {
                let subject = Subject { location: first, kind: &Kind::plain(resource.kind), desired: None };
                return same_for_all(Observation::failed(
                    subject.refused_as(&format!("list of all {}", resource.plural), &reply),
                ));
            }
            Err(error) => return same_for_all(unread(error)),
        }
        let mut found = Vec::with_capacity(wanted.len());
        let mut rest = Vec::new();
        for (one, answer) in wanted.into_iter().zip(answers) {
            match answer {
                Some(answer) => found.push((one.0, answer)),
                None => rest.push(one),
            }
        }
        (found, rest)
    }

    /// Reads objects one by one, but asks first whether a Namespace exists of which several are wanted.
    async fn read_singly(&self, targets: &[Target], wanted: Vec<Listed>) -> Vec<(usize, Observation)> {
        let mut per_namespace: HashMap<&str, usize> = HashMap::new();
        for namespace in wanted.iter().filter_map(|(_, location, _)| location.namespace.as_deref()) {
            *per_namespace.entry(namespace).or_default() += 1;
        }
        let crowded = per_namespace.into_iter().filter(|(_, count)| *count > 1).map(|(namespace, _)| namespace);
        let asked = crowded.map(|namespace| async move {
            let location = Location::parse(&format!("/api/v1/namespaces/{namespace}")).ok()?;
            let kind = Kind::plain("Namespace");
            let subject = Subject { location: &location, kind: &kind, desired: None };
            matches!(self.get(subject).await, Ok(Lookup::Missing)).then(|| namespace.to_owned())
        });
        let missing: HashSet<String> = join_all(asked).await.into_iter().flatten().collect();
        let read = wanted.into_iter().map(|(index, location, _)| {
            let is_missing = location.namespace.as_deref().is_some_and(|namespace| missing.contains(namespace));
            async move {
                let answer =
                    if is_missing { Observation::Missing } else { self.read_one(&targets[index], &location).await };
                (index, answer)
            }
        });
        join_all(read).await
    }

    async fn read_one(&self, target: &Target, location: &Location) -> Observation {
        match self.get(Subject { location, kind: target.kind, desired: None }).await {
            Ok(Lookup::Found(object)) => Observation::Found(Box::new(observe(location, target.kind, object))),
            Ok(Lookup::Missing) => Observation::Missing,
            Ok(Lookup::NoKind) => not_served(location.resource),
            Err(error) => unread(error),
        }
    }

    /// The Pods of a Deployment, and the events of the objects in its Namespace: for what a wait last saw. Whatever
    /// cannot be read is left out.
    pub async fn workload(&self, location: &Location, object: &Value) -> (Vec<Value>, Vec<Value>) {
        let Some(namespace) = location.namespace.as_deref() else { return (Vec::new(), Vec::new()) };
        join(self.pods(namespace, object), self.all(namespace, "events", "")).await
    }

    /// The events of a Namespace; none where they cannot be read.
    pub async fn events(&self, namespace: &str) -> Vec<Value> {
        self.all(namespace, "events", "").await
    }

    /// The Pods that a Deployment's selector finds; whatever cannot be read is left out.
    pub async fn pods(&self, namespace: &str, deployment: &Value) -> Vec<Value> {
        match selector(deployment) {
            Some(selector) => self.all(namespace, "pods", &selector).await,
            None => Vec::new(),
        }
    }

    /// The Pods that a Deployment's selector finds; without one, all of the Namespace.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn all_pods(&self, namespace: &str, deployment: &Value) -> Result<Vec<Value>, ProviderError> {
        let collection = format!("/api/v1/namespaces/{namespace}/pods");
        let query = selector(deployment).unwrap_or_default();
        match self.list(&collection, &query, "application/json", |item| Some(item.object)).await? {
            Ok(pods) => Ok(pods),
            Err(reply) => {
                let told = reply.text("/message").unwrap_or("no reason given");
                let text = format!(
                    "the Pods in the Namespace {namespace} cannot be listed, so nobody knows whether they ended: {told}"
                );
                let error =
                    ProviderError { status: Some(reply.status), ..ProviderError::new(ErrorClass::Denied, text) };
                Err(error.hint("the account needs the right to list Pods; then run again"))
            }
        }
    }

    async fn all(&self, namespace: &str, plural: &str, query: &str) -> Vec<Value> {
        let collection = format!("/api/v1/namespaces/{namespace}/{plural}");
        match self.list(&collection, query, "application/json", |item| Some(item.object)).await {
            Ok(Ok(items)) => items,
            _ => Vec::new(),
        }
    }
}

/// The query for what a Deployment's labels select.
fn selector(deployment: &Value) -> Option<String> {
    let labels = deployment.pointer("/spec/selector/matchLabels").and_then(Value::as_object)?;
    let pairs: Vec<String> =
        labels.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect();
    let selector: String = url::form_urlencoded::byte_serialize(pairs.join(",").as_bytes()).collect();
    Some(format!("&labelSelector={selector}"))
}

fn not_served(resource: &Resource) -> Observation {
    Observation::NotYet(format!("the cluster does not serve {} ({}) yet", resource.kind, resource.api_version()))
}

pub(super) fn unread(error: CallError) -> Observation {
    match error {
        CallError::NoCluster => Observation::NotYet(error.to_string()),
        CallError::Failed(error) => Observation::failed(error),
    }
}

/// The error of an endpoint that answers, but not as the Kubernetes API does: nothing may be concluded from it.
fn no_api_server(reply: &Reply) -> ProviderError {
    ProviderError {
        status: Some(reply.status),
        request_id: reply.request_id.clone(),
        ..ProviderError::new(
            ErrorClass::Rejected,
            format!("the cluster's endpoint does not answer as a Kubernetes API server (status {})", reply.status),
        )
    }
    .hint("check the server address in the cluster's kubeconfig; the cluster may have been deleted")
}
