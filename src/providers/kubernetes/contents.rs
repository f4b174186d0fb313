//! What a container holds, complete: asked just before it is deleted, so that nothing goes with it that nobody named.

use std::collections::HashSet;

use futures::future::{join_all, try_join};
use serde_json::Value;

use super::api::{Api, Call, CallError, Reply};
use super::apply::locate;
use super::page::Item;
use super::provider::KubernetesProvider;
use super::read::lineage as mark;
use super::table::collection_path;
use crate::engine::provider::{Content, ErrorClass, ProviderError, Target};

/// Two requests say what an API server serves (aggregated discovery, Kubernetes 1.30).
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// Names and owners only: a listing needs no secret.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// A kind that the API server serves.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Served {
    group: String,
    version: String,
    plural: String,
    kind: String,
}

/// An object as a listing shows it.
struct Listed {
    content: Content,
    uid: String,
    owners: Vec<String>,
}

impl KubernetesProvider {
    /// What a Namespace holds, of every kind that the API server serves; of a cluster its persistent volumes,
    /// and the Namespaces that any state of kompox has marked: others may share a cluster that is ours.
    ///
    /// # Errors
    /// Anything cannot be listed: half a list would be taken for all there is.
    pub(super) async fn list_contents(&self, target: &Target) -> Result<Vec<Content>, ProviderError> {
        match target.kind.name {
            "Namespace" => {
                let namespace = locate(target, None)?;
                Ok(namespace_contents(&self.api, &namespace.name).await?)
            }
            "cluster" => {
                let volumes = Served {
                    group: String::new(),
                    version: "v1".to_owned(),
                    plural: "persistentvolumes".to_owned(),
                    kind: "PersistentVolume".to_owned(),
                };
                let listed = list(&self.api, &volumes, None).await?;
                let namespaces = self.namespaces(|lineage| lineage.is_some()).await?;
                Ok(listed.into_iter().map(|item| item.content).chain(namespaces).collect())
            }
            other => Err(ProviderError::new(ErrorClass::Rejected, format!("a {other} holds no other objects"))),
        }
    }
}

impl KubernetesProvider {
    /// The Namespaces that carry this lineage; none where the cluster is not there.
    ///
    /// # Errors
    /// They cannot be listed.
    pub(super) async fn marked_namespaces(&self, lineage: &str) -> Result<Vec<Content>, ProviderError> {
        self.namespaces(|mark| mark == Some(lineage)).await
    }

    /// The Namespaces whose mark is one of these; none where the cluster is not there.
    async fn namespaces(&self, is_wanted: impl Fn(Option<&str>) -> bool + Sync) -> Result<Vec<Content>, ProviderError> {
        let collection = collection_path("", "v1", "namespaces", None);
        let pick = |Item { object: item, .. }: Item| {
            is_wanted(mark(&item)).then(|| {
                let physical_id = format!("{collection}/{}", text(&item, "/metadata/name"));
                Content { physical_id, kind: "Namespace".to_owned(), server_made: false, holds_data: false }
            })
        };
        match self.api.list(&collection, "", METADATA, pick).await {
            Ok(Ok(marked)) => Ok(marked),
            Ok(Err(reply)) => Err(incomplete(&collection, &reply)),
            Err(CallError::NoCluster) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

async fn namespace_contents(api: &Api, namespace: &str) -> Result<Vec<Content>, CallError> {
    let served = served(api).await?;
    let lists = join_all(served.iter().map(|served| list(api, served, Some(namespace)))).await;
    let mut all = Vec::new();
    for listed in lists {
        all.extend(listed?);
    }
    // What has an owner in the same Namespace goes and comes with it; the owner itself is in the list.
    let uids: HashSet<String> = all.iter().map(|item| item.uid.clone()).collect();
    let contents = all.into_iter().map(|mut item| {
        item.content.server_made |= item.owners.iter().any(|owner| uids.contains(owner));
        item.content
    });
    Ok(contents.collect())
}

/// All kinds with objects in Namespaces that can be listed and deleted (the rest are views, such as metrics).
async fn served(api: &Api) -> Result<Vec<Served>, CallError> {
    let (core, groups) = try_join(discover(api, "/api"), discover(api, "/apis")).await?;
    let mut served = Vec::new();
    for (path, answer) in [("/api", core), ("/apis", groups)] {
        if answer.get("kind").and_then(Value::as_str) == Some("APIGroupDiscoveryList") {
            served.extend(aggregated(&answer)?);
        } else {
            let lists = join_all(group_versions(path, &answer).into_iter().map(|(group, version)| async move {
                let root = collection_path(&group, &version, "", None);
                let answer = discover(api, root.trim_end_matches('/')).await?;
                Ok::<_, CallError>(resources(&group, &version, "name", "kind", &answer["resources"]))
            }))
            .await;
            for list in lists {
                served.extend(list?);
            }
        }
    }
    // All versions of a resource show the same objects, and the preferred version comes first; but some resources are
    // served in another version only.
    let mut known = HashSet::new();
    served.retain(|served| known.insert((served.group.clone(), served.plural.clone())));
    Ok(served)
}

async fn discover(api: &Api, path: &str) -> Result<Value, CallError> {
    let reply = api.call(Call::get(path).accept(AGGREGATED)).await?;
    if reply.is_success() { Ok(reply.body) } else { Err(incomplete(path, &reply).into()) }
}

fn incomplete(what: &str, reply: &Reply) -> ProviderError {
    let text = format!("{what} cannot be listed: {} {}", reply.status, reply.message());
    ProviderError {
        status: Some(reply.status),
        code: reply.reason().map(str::to_owned),
        request_id: reply.request_id.clone(),
        ..ProviderError::new(if reply.status == 403 { ErrorClass::Denied } else { ErrorClass::Rejected }, text)
    }
    .hint("without a complete listing nothing is deleted that may hold other objects")
}

/// What aggregated discovery lists. A group whose server is down is marked stale: what it holds is not known.
fn aggregated(answer: &Value) -> Result<Vec<Served>, ProviderError> {
    let mut served = Vec::new();
    for group in array(answer, "/items") {
        let name = text(group, "/metadata/name");
        for version in array(group, "/versions") {
            if text(version, "/freshness") == "Stale" {
                let message = format!("the API group {name} cannot be listed: its server does not answer");
                return Err(ProviderError::new(ErrorClass::Rejected, message)
                    .hint("without a complete listing nothing is deleted that may hold other objects"));
            }
            let version_name = text(version, "/version");
            let kinds = array(version, "/resources").iter().filter(|kind| text(kind, "/scope") == "Namespaced");
            served
                .extend(kinds.filter_map(|kind| resource(name, version_name, "/resource", "/responseKind/kind", kind)));
        }
    }
    Ok(served)
}

/// The groups with their versions, the preferred one first, of the older form of discovery.
fn group_versions(path: &str, answer: &Value) -> Vec<(String, String)> {
    if path == "/api" {
        return vec![(String::new(), "v1".to_owned())];
    }
    let mut all = Vec::new();
    for group in array(answer, "/groups") {
        let name = text(group, "/name");
        let preferred = text(group, "/preferredVersion/version");
        let others = array(group, "/versions").iter().map(|version| text(version, "/version"));
        let versions = std::iter::once(preferred).chain(others.filter(|version| *version != preferred));
        all.extend(versions.map(|version| (name.to_owned(), version.to_owned())));
    }
    all
}

fn resources(group: &str, version: &str, plural: &str, kind: &str, list: &Value) -> Vec<Served> {
    let (plural, kind) = (format!("/{plural}"), format!("/{kind}"));
    let all = list.as_array().map_or(&[] as &[Value], Vec::as_slice).iter();
    let namespaced = all.filter(|resource| resource.get("namespaced").and_then(Value::as_bool) == Some(true));
    namespaced.filter_map(|item| resource(group, version, &plural, &kind, item)).collect()
}

fn resource(group: &str, version: &str, plural: &str, kind: &str, resource: &Value) -> Option<Served> {
    let can = |verb: &str| array(resource, "/verbs").iter().any(|known| known.as_str() == Some(verb));
    let plural = text(resource, plural);
    // Events tell of objects and hold nothing; a name with a slash is a part of another resource.
    let counts = can("list") && can("delete") && plural != "events" && !plural.contains('/');
    counts.then(|| Served {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        kind: text(resource, kind).to_owned(),
    })
}

async fn list(api: &Api, served: &Served, namespace: Option<&str>) -> Result<Vec<Listed>, CallError> {
    let collection = collection_path(&served.group, &served.version, &served.plural, namespace);
    match api.list(&collection, "", METADATA, |item| Some(listed(served, &collection, &item.object))).await? {
        Ok(items) => Ok(items),
        // It was served a moment ago: its definition has just been deleted, and its objects with it.
        Err(reply) if reply.status == 404 && !served.group.is_empty() => Ok(Vec::new()),
        Err(reply) => Err(incomplete(&collection, &reply).into()),
    }
}

fn listed(served: &Served, collection: &str, item: &Value) -> Listed {
    let name = text(item, "/metadata/name");
    let physical_id = format!("{collection}/{name}");
    let owners = array(item, "/metadata/ownerReferences").iter().map(|owner| text(owner, "/uid").to_owned());
    Listed {
        uid: text(item, "/metadata/uid").to_owned(),
        owners: owners.collect(),
        content: Content {
            physical_id,
            kind: served.kind.clone(),
            server_made: is_server_made(served, name, item),
            holds_data: false,
        },
    }
}

/// What a controller of Kubernetes makes in every Namespace or for other objects, without an owner reference.
fn is_server_made(served: &Served, name: &str, item: &Value) -> bool {
    match (served.group.as_str(), served.kind.as_str()) {
        ("", "ServiceAccount") => name == "default",
        ("", "ConfigMap") => name == "kube-root-ca.crt",
        ("", "Endpoints") | ("discovery.k8s.io", "EndpointSlice") | ("coordination.k8s.io", "Lease") => true,
        ("", "Secret") => {
            let annotations = item.pointer("/metadata/annotations");
            let account = annotations.and_then(|all| all.get("kubernetes.io/service-account.name"));
            account.and_then(Value::as_str) == Some("default")
        }
        _ => false,
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn array<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
