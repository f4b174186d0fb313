//! Agent pools whose machines are the nodes of a real cluster: a node plays the pool of its zone.

use http::Method;
use serde_json::{Map, Value, json};

use super::super::kube_api::NodePool;
use super::cluster::{Cluster, items};

/// The labels by which the managed service says which pool a node is of
/// (<https://learn.microsoft.com/azure/aks/use-labels>).
const POOL: &str = "kubernetes.azure.com/agentpool";
const MODE: &str = "kubernetes.azure.com/mode";
const ZONE: &str = "topology.kubernetes.io/zone";

/// What a pool has labelled, so that leaving takes away exactly that.
const LABELLED: &str = "sandbox.kompox.dev/labels";

/// Labels the nodes of a pool: those in its zones, all for a pool without, but that a node of a pool for apps does not
/// become one of a pool for the system. Taints stay as they are: the nodes have other work, too.
pub(super) fn join(cluster: &Cluster, pool: &NodePool) -> Result<(), String> {
    let nodes = cluster.ask(Method::GET, "/api/v1/nodes", None)?;
    for node in items(&nodes).filter(|node| fits(node, pool)) {
        let mut labels: Map<String, Value> =
            pool.labels.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
        labels.insert(POOL.to_owned(), pool.name.clone().into());
        labels.insert(MODE.to_owned(), pool.mode.to_lowercase().into());
        let names: Vec<String> = labels.keys().cloned().collect();
        for gone in labelled(node).filter(|gone| !names.iter().any(|name| name == gone)) {
            labels.insert(gone.to_owned(), Value::Null);
        }
        patch(cluster, node, &labels, Some(&names.join(",")))?;
    }
    Ok(())
}

/// Takes the labels of a pool, or of every one, from its nodes.
pub(super) fn leave(cluster: &Cluster, pool: Option<&str>) -> Result<(), String> {
    let nodes = cluster.ask(Method::GET, "/api/v1/nodes", None)?;
    let is_of = |node: &&Value| pool.is_none_or(|pool| label(node, POOL).is_some_and(|own| own == pool));
    for node in items(&nodes).filter(is_of) {
        let labels = labelled(node).map(|name| (name.to_owned(), Value::Null)).collect();
        patch(cluster, node, &labels, None)?;
    }
    Ok(())
}

fn fits(node: &Value, pool: &NodePool) -> bool {
    let zone = label(node, ZONE).unwrap_or_default();
    let in_zone = |wanted: &String| zone == wanted || zone.ends_with(&format!("-{wanted}"));
    let in_zones = pool.zones.is_empty() || pool.zones.iter().any(in_zone);
    let other = label(node, POOL).filter(|own| *own != pool.name);
    let free = match other {
        None => true,
        Some(_) => label(node, MODE) == Some("system") && pool.mode.eq_ignore_ascii_case("User"),
    };
    in_zones && free
}

fn label<'n>(node: &'n Value, name: &str) -> Option<&'n str> {
    node["metadata"]["labels"][name].as_str()
}

fn labelled(node: &Value) -> impl Iterator<Item = &str> {
    node["metadata"]["annotations"][LABELLED].as_str().into_iter().flat_map(|names| names.split(','))
}

fn patch(cluster: &Cluster, node: &Value, labels: &Map<String, Value>, labelled: Option<&str>) -> Result<(), String> {
    let name = node["metadata"]["name"].as_str().unwrap_or_default();
    let body = json!({ "metadata": { "labels": labels, "annotations": { LABELLED: labelled } } });
    cluster.ask(Method::PATCH, &format!("/api/v1/nodes/{name}"), Some(&body)).map(drop)
}
