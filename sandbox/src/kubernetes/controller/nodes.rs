//! Node objects, made from the agent pools of the cluster.

use serde_json::{Value, json};

use super::super::super::kube_api::NodePool;
use super::super::super::standing;
use super::super::discovery::SERVER_VERSION;
use super::super::env::Env;
use super::super::kinds::by_plural;
use super::super::lifecycle::{self, Propagation};
use super::super::store::{Result, text};

const POOL_LABEL: &str = "kubernetes.azure.com/agentpool";

fn node(env: &Env<'_>, pool: &NodePool, index: u32, now_ms: i64) -> Value {
    let zone = match pool.zones.len() {
        0 => "0".to_owned(),
        zones => pool.zones.get(usize::try_from(index).unwrap_or(0) % zones).cloned().unwrap_or_default(),
    };
    let zone = if pool.zones.is_empty() { zone } else { format!("{}-{zone}", pool.location) };
    let standing = env.store.cluster.starts_with(standing::PREFIX);
    let name = match standing {
        true => format!("{}{}", pool.name, index + 1),
        false => format!("aks-{}-vmss{index:06}", pool.name),
    };
    let mut labels = json!({
        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
    });
    let of_cloud = json!({
        "node.kubernetes.io/instance-type": pool.vm_size, "topology.kubernetes.io/region": pool.location,
        "topology.kubernetes.io/zone": zone, "topology.disk.csi.azure.com/zone": zone,
        POOL_LABEL: pool.name, "agentpool": pool.name, "kubernetes.azure.com/mode": pool.mode.to_ascii_lowercase(),
    });
    for (key, value) in of_cloud.as_object().into_iter().flatten().filter(|_| !standing) {
        labels[key] = value.clone();
    }
    for (key, value) in &pool.labels {
        labels[key] = value.as_str().into();
    }
    let taints: Vec<Value> = pool
        .taints
        .iter()
        .filter_map(|taint| {
            let (pair, effect) = taint.rsplit_once(':')?;
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some(json!({"key": key, "value": value, "effect": effect}))
        })
        .collect();
    let mut spec = match standing {
        true => json!({"providerID": format!("k3s://{name}")}),
        false => json!({"providerID": format!("azure://{}/{name}", env.store.cluster)}),
    };
    if !taints.is_empty() {
        spec["taints"] = Value::Array(taints);
    }
    let now = env.time(now_ms);
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": format!("10.224.0.{}", 4 + index % 250)},
                {"type": "Hostname", "address": name},
            ],
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status",
                "lastHeartbeatTime": now, "lastTransitionTime": now,
            }],
            "nodeInfo": {
                "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "containerd://2.0.0",
                "kernelVersion": "", "kubeProxyVersion": "", "kubeletVersion": SERVER_VERSION,
                "machineID": "", "operatingSystem": "linux", "osImage": "", "systemUUID": "",
            },
        },
    })
}

/// Makes the Node objects of a pool as many and as labelled as it says. A node whose labels changed is replaced.
///
/// # Errors
/// Failures of the database.
pub fn pool_changed(env: &Env<'_>, pool: &NodePool, now_ms: i64) -> Result<()> {
    let Some(nodes) = by_plural("nodes") else { return Ok(()) };
    let wanted: Vec<Value> = (0..pool.count).map(|index| node(env, pool, index, now_ms)).collect();
    let names: Vec<&str> = wanted.iter().map(|n| text(n, "/metadata/name")).collect();
    remove_nodes(env, &pool.name, &names, now_ms)?;
    for mut node in wanted.clone() {
        match env.store.get(nodes, "", text(&node, "/metadata/name"))? {
            None => env.create(nodes, &mut node, now_ms)?,
            Some(have) => {
                let mut new = have.clone();
                new["metadata"]["labels"] = node["metadata"]["labels"].take();
                new["spec"] = node["spec"].take();
                if env.update(nodes, &have, new.clone(), "", now_ms)? {
                    env.changed(nodes, Some(&have), &new, now_ms)?;
                }
            }
        }
    }
    Ok(())
}

/// Removes the Node objects of a pool.
///
/// # Errors
/// Failures of the database.
pub fn pool_deleted(env: &Env<'_>, pool: &str, now_ms: i64) -> Result<()> {
    remove_nodes(env, pool, &[], now_ms)
}

/// Pods of a removed node are evicted: their Deployments make new ones, which wait for a node.
fn remove_nodes(env: &Env<'_>, pool: &str, kept: &[&str], now_ms: i64) -> Result<()> {
    let (Some(nodes), Some(pods)) = (by_plural("nodes"), by_plural("pods")) else { return Ok(()) };
    let mut gone = Vec::new();
    for node in env.store.list(nodes, "")? {
        let name = text(&node, "/metadata/name").to_owned();
        if node["metadata"]["labels"][POOL_LABEL].as_str() == Some(pool) && !kept.contains(&name.as_str()) {
            lifecycle::begin_delete(env, nodes, node, None, Propagation::Background, now_ms)?;
            gone.push(name);
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    for pod in env.store.list(pods, "")? {
        if gone.iter().any(|node| node == text(&pod, "/spec/nodeName")) {
            lifecycle::begin_delete(env, pods, pod, Some(0), Propagation::Background, now_ms)?;
        }
    }
    Ok(())
}
