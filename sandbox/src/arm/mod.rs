//! The resource manager part: the operations that the Azure provider uses, as their published OpenAPI files describe them.

mod answer;
mod attachments;
mod authorization;
pub(super) mod authors;
mod body;
mod call;
mod clusters;
mod disks;
mod dns;
mod filter;
mod graph;
mod groups;
mod identities;
mod kinds;
mod locations;
mod locks;
mod node_groups;
mod operations;
mod plain;
mod pools;
mod profiles;
mod removal;
mod resource;
mod route;
mod settle;
mod storage;
mod store;
mod tags;
mod usages;
mod versions;

use http::Method;
use rusqlite::Transaction;
use serde_json::Value;

use super::kube_api::KubernetesApi;
use super::world::WorldError;

pub(super) use answer::{Answer, Content, Failure};
pub use attachments::{attach_disk, delete_below, detach_disk};
pub(super) use attachments::{attached_are, grow_disk};
pub(super) use call::{Request, Settings};
pub(super) use clusters::{cluster_of_mount, kubeconfig, serving};
pub(super) use route::{Route, Target, parse};
pub(super) use settle::settle;

use call::Call;
#[cfg(test)]
pub(super) use kinds::is_known as is_served;
use kinds::{CLUSTER_TYPE, Family, RESOURCES_VERSIONS};

/// The lower-cased ids of all managed clusters.
pub(super) fn clusters(tx: &Transaction<'_>) -> Result<Vec<String>, WorldError> {
    Ok(store::tree(tx, "/subscriptions", CLUSTER_TYPE)?.into_iter().map(|(key, _)| key).collect())
}

/// Whether a request can change the world, and so needs a transaction that may write.
pub(super) fn writes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// Serves one request in the transaction `tx`.
///
/// # Errors
/// What the API answers with an error; the transaction is to be undone then.
pub(super) fn handle(
    tx: &Transaction<'_>,
    kube: &dyn KubernetesApi,
    settings: &Settings,
    request: &Request,
    route: &Route,
) -> Result<Answer, Failure> {
    let call = Call { tx, kube, settings, route, request };
    check_version(&call)?;
    let method = call.method.as_str();
    match &route.target {
        Target::Subscriptions => groups::subscriptions(&call),
        Target::Subscription => groups::subscription(&call),
        Target::Locations => Ok(groups::locations(&call)),
        Target::Provider { namespace, register } => groups::provider(&call, namespace, *register),
        Target::Groups => groups::list(&call),
        Target::Group => groups::one(&call),
        Target::Resources => groups::resources(&call),
        Target::Graph => graph::query(&call),
        Target::Usages(location) => usages::list(&call, location),
        Target::Operation { id, result } => operations::get(&call, id, *result),
        Target::One(typed) => match typed.kind.family {
            Family::Disk => disks::disk(&call, typed),
            Family::Snapshot => disks::snapshot(&call, typed),
            Family::Cluster => clusters::one(&call, typed),
            Family::AgentPool => pools::one(&call, typed),
            Family::Identity => identities::identity(&call, typed),
            Family::FederatedCredential => identities::credential(&call, typed),
            Family::RoleAssignment => authorization::assignment(&call, typed),
            Family::RoleDefinition => authorization::definition(&call, typed),
            Family::Lock => authorization::lock(&call, typed),
            Family::Tags => tags::one(&call, typed),
            Family::StorageAccount => storage::account(&call, typed),
            Family::StorageService => storage::service(&call, typed),
            Family::Share => storage::share(&call, typed),
            Family::StorageItem => storage::item(&call, typed),
            Family::Plain => plain::one(&call, typed),
            Family::DnsZone => dns::zone(&call, typed),
            Family::RecordSet => dns::record_set(&call, typed),
            Family::RecordSets => Err(Failure::method()),
        },
        Target::All(typed) if method == "GET" => match typed.kind.family {
            Family::RoleAssignment => authorization::assignments(&call, typed),
            Family::Lock => authorization::locks(&call, typed),
            Family::RecordSet | Family::RecordSets => dns::record_sets(&call, typed),
            Family::StorageService => storage::services(&call, typed),
            Family::RoleDefinition | Family::Tags => Err(Failure::method()),
            _ => resource::list(&call, typed),
        },
        Target::All(_) => Err(Failure::method()),
        Target::Action(typed, action) => match typed.kind.family {
            Family::Cluster => clusters::action(&call, typed, action),
            Family::StorageAccount => storage::action(&call, typed, action),
            _ => Err(Failure::method()),
        },
    }
}

/// Every request names a version that the type has.
fn check_version(call: &Call<'_>) -> Result<(), Failure> {
    let Some(version) = call.query("api-version").filter(|version| !version.is_empty()) else {
        return Err(Failure::new(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        ));
    };
    let (known, full) = match &call.route.target {
        // The version in an operation's URL is the one of the request that started it.
        Target::Operation { .. } => return Ok(()),
        Target::One(typed) | Target::All(typed) | Target::Action(typed, _) => {
            (typed.kind.versions, Some(typed.kind.full()))
        }
        Target::Graph => (graph::VERSIONS, None),
        Target::Usages(_) => (usages::VERSIONS, None),
        _ => (RESOURCES_VERSIONS, None),
    };
    if known.contains(&version) {
        return Ok(());
    }
    let supported = known.join(", ");
    Err(match full {
        Some(full) => Failure::new(
            400,
            "NoRegisteredProviderFound",
            format!(
                "No registered resource provider found for API version '{version}' for type '{full}'. The supported api-versions are '{supported}'."
            ),
        ),
        None => Failure::new(
            400,
            "InvalidApiVersionParameter",
            format!("The api-version '{version}' is invalid. The supported versions are '{supported}'."),
        ),
    })
}

/// Merges a JSON merge patch into a resource as another writer would; `null` removes it. Gives false when there is none.
pub(super) fn drift(
    tx: &Transaction<'_>,
    kube: &dyn KubernetesApi,
    key: &str,
    patch: &Value,
    now_ms: i64,
) -> Result<bool, WorldError> {
    let Some(mut resource) = store::get(tx, key)? else { return Ok(false) };
    if patch.is_null() {
        removal::remove(tx, kube, key, now_ms)?;
        return Ok(true);
    }
    let old = resource.clone();
    body::merge(&mut resource, patch);
    authors::sign(&mut resource, Some(&old), &authors::SOMEBODY, now_ms);
    store::update(tx, key, &resource)?;
    if let Some((cluster, _)) = profiles::split_key(key) {
        profiles::refresh(tx, cluster)?;
    }
    Ok(true)
}

/// (id, type, object) of every resource.
pub(super) fn everything(tx: &Transaction<'_>) -> Result<Vec<(String, String, Value)>, WorldError> {
    store::everything(tx)
}

/// The id of a resource as it was first written.
pub(super) fn id_of_key(tx: &Transaction<'_>, key: &str) -> Result<Option<String>, WorldError> {
    let resource = store::get(tx, key)?;
    Ok(resource.and_then(|resource| body::text(&resource, "id").map(str::to_owned)))
}
