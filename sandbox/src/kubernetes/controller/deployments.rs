//! Deployments and their ReplicaSets: rollout, and how far it is.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::env::Env;
use super::super::kinds::{Resource, by_plural};
use super::super::lifecycle::{self, Propagation};
use super::super::store::{Result, is_deleting, key, list, map_at, text};
use super::conditions::set_condition;
use super::pods::{create_pod, owned_by, pods_of};

const REVISION: &str = "deployment.kubernetes.io/revision";
/// Pods of one ReplicaSet; a node takes no more. A Deployment that wants more stays incomplete.
const MAX_PODS: i64 = 250;
const HASH_LABEL: &str = "pod-template-hash";

fn count(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn revision_of(object: &Value) -> i64 {
    object["metadata"]["annotations"][REVISION].as_str().and_then(|r| r.parse().ok()).unwrap_or(0)
}

fn template_hash(deployment: &Value) -> String {
    let template = deployment["spec"]["template"].to_string();
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, template.as_bytes());
    let digits: String = Env::suffix(&id).chars().collect();
    let more = Uuid::new_v5(&Uuid::NAMESPACE_URL, template.as_bytes());
    format!("{digits}{}", Env::suffix(&more))
}

fn is_ready(pod: &Value) -> bool {
    !is_deleting(pod)
        && list(pod, "/status/conditions").iter().any(|c| text(c, "/type") == "Ready" && text(c, "/status") == "True")
}

/// One step of a Deployment's rollout, and its status.
pub fn deployment(env: &Env<'_>, resource: &Resource, mut object: Value, now_ms: i64) -> Result<()> {
    let (Some(sets), Some(pods)) = (by_plural("replicasets"), by_plural("pods")) else { return Ok(()) };
    if is_deleting(&object) {
        return lifecycle::collect(env, resource, object, now_ms);
    }
    let before = object.clone();
    let (namespace, name) = key(&object);
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1).max(0);
    let current_name = format!("{name}-{}", template_hash(&object));
    let mut current = None;
    let mut previous = Vec::new();
    for (plural, set_namespace, set_name) in env.store.dependents(text(&object, "/metadata/uid"))? {
        if plural == sets.plural
            && let Some(set) = env.store.get(sets, &set_namespace, &set_name)?
        {
            if set_name == current_name {
                current = Some(set);
            } else {
                previous.push(set);
            }
        }
    }
    let newest = previous.iter().map(revision_of).max().unwrap_or(0);
    let recreate = text(&object, "/spec/strategy/type") == "Recreate";
    let rollout_started = current.is_none();
    let set = match current {
        Some(set) if revision_of(&set) > newest || previous.is_empty() => set,
        Some(mut set) => {
            // Rolled back: the old ReplicaSet is the newest revision again.
            let old = set.clone();
            map_at(&mut set, &["metadata", "annotations"]).insert(REVISION.into(), (newest + 1).to_string().into());
            env.update(sets, &old, set.clone(), "", now_ms)?;
            set
        }
        None => {
            let mut set = replica_set(&object, &current_name, newest + 1, wanted);
            env.create(sets, &mut set, now_ms)?;
            set
        }
    };
    let mut old_pods = 0;
    let new_pods = pods_of(env, &set)?;
    let ready_now = new_pods.iter().filter(|p| is_ready(p)).count();
    for old_set in &previous {
        for pod in pods_of(env, old_set)? {
            if recreate || count(ready_now) >= wanted {
                if lifecycle::begin_delete(env, pods, pod, None, Propagation::Background, now_ms)?.is_some() {
                    old_pods += 1;
                }
            } else {
                old_pods += 1;
            }
        }
        scale_set(env, sets, old_set, 0, now_ms)?;
    }
    let live: Vec<&Value> = new_pods.iter().filter(|p| !is_deleting(p)).collect();
    let mut running = count(live.len());
    if !(recreate && old_pods > 0) {
        while running < wanted.min(MAX_PODS) && create_pod(env, pods, &set, "ReplicaSet", now_ms)? {
            running += 1;
        }
    }
    for pod in live.iter().skip(usize::try_from(wanted).unwrap_or(0)) {
        lifecycle::begin_delete(env, pods, (*pod).clone(), None, Propagation::Background, now_ms)?;
        running -= 1;
    }
    let set = env.store.get(sets, &namespace, &current_name)?.unwrap_or(set);
    let ready = count(ready_now).min(running);
    set_status(env, sets, &set, wanted, running, ready, now_ms)?;
    prune_history(env, sets, &object, previous, now_ms)?;

    map_at(&mut object, &["metadata", "annotations"]).insert(REVISION.into(), revision_of(&set).to_string().into());
    let numbers = Numbers { wanted, running, ready, old: old_pods, rollout_started };
    deployment_status(env, &mut object, &current_name, &numbers, now_ms)?;
    env.update(resource, &before, object, "status", now_ms)?;
    Ok(())
}

struct Numbers {
    wanted: i64,
    running: i64,
    ready: i64,
    old: i64,
    rollout_started: bool,
}

fn deployment_status(env: &Env<'_>, object: &mut Value, set: &str, n: &Numbers, now_ms: i64) -> Result<()> {
    let now = env.time(now_ms);
    let (namespace, name) = key(object);
    let deadline = object.pointer("/spec/progressDeadlineSeconds").and_then(Value::as_i64).unwrap_or(600);
    let recreate = text(object, "/spec/strategy/type") == "Recreate";
    let mut conditions = list(object, "/status/conditions").to_vec();
    if n.rollout_started {
        conditions.retain(|c| text(c, "/type") != "Progressing");
    }
    let spare = if recreate { 0 } else { n.wanted / 4 };
    let available = n.ready >= n.wanted - spare;
    let (reason, message) = if available {
        ("MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    set_condition(&mut conditions, "Available", available, reason, message, &now);
    let complete = n.ready >= n.wanted && n.running == n.wanted && n.old == 0;
    let started = conditions
        .iter()
        .find(|c| text(c, "/type") == "Progressing" && text(c, "/reason") != "NewReplicaSetAvailable")
        .and_then(|c| parse_time(text(c, "/lastUpdateTime")))
        .unwrap_or(now_ms);
    if complete {
        let message = format!("ReplicaSet \"{set}\" has successfully progressed.");
        set_condition(&mut conditions, "Progressing", true, "NewReplicaSetAvailable", &message, &now);
    } else if now_ms - started >= deadline * 1000 {
        let message = format!("ReplicaSet \"{set}\" has timed out progressing.");
        set_condition(&mut conditions, "Progressing", false, "ProgressDeadlineExceeded", &message, &now);
    } else {
        let message = format!("ReplicaSet \"{set}\" is progressing.");
        set_condition(&mut conditions, "Progressing", true, "ReplicaSetUpdated", &message, &now);
        env.store.schedule("deployments", &namespace, &name, started.saturating_add(deadline * 1000))?;
    }
    let generation = object.pointer("/metadata/generation").cloned().unwrap_or(Value::Null);
    let mut status = Map::new();
    status.insert("observedGeneration".into(), generation);
    status.insert("conditions".into(), Value::Array(conditions));
    let missing = (n.wanted - n.ready).max(0);
    for (field, value) in [
        ("replicas", n.running + n.old),
        ("updatedReplicas", n.running),
        ("readyReplicas", n.ready),
        ("availableReplicas", n.ready),
        ("unavailableReplicas", missing),
    ] {
        if value > 0 {
            status.insert(field.into(), value.into());
        }
    }
    map_at(object, &[]).insert("status".into(), Value::Object(status));
    Ok(())
}

fn parse_time(text: &str) -> Option<i64> {
    let time = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()?;
    Some(time.unix_timestamp() * 1000)
}

fn replica_set(deployment: &Value, name: &str, revision: i64, replicas: i64) -> Value {
    let hash = name.rsplit('-').next().unwrap_or(name);
    let mut template = deployment["spec"]["template"].clone();
    map_at(&mut template, &["metadata", "labels"]).insert(HASH_LABEL.into(), hash.into());
    let mut selector = deployment["spec"]["selector"].clone();
    map_at(&mut selector, &["matchLabels"]).insert(HASH_LABEL.into(), hash.into());
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": name, "namespace": text(deployment, "/metadata/namespace"),
            "labels": template["metadata"]["labels"], "annotations": {REVISION: revision.to_string()},
            "ownerReferences": owned_by("Deployment", deployment),
        },
        "spec": {"replicas": replicas, "selector": selector, "template": template},
    })
}

fn scale_set(env: &Env<'_>, sets: &Resource, set: &Value, replicas: i64, now_ms: i64) -> Result<()> {
    let mut scaled = set.clone();
    map_at(&mut scaled, &["spec"]).insert("replicas".into(), replicas.into());
    map_at(&mut scaled, &["status"]).insert("replicas".into(), 0.into());
    for field in ["readyReplicas", "availableReplicas", "fullyLabeledReplicas"] {
        map_at(&mut scaled, &["status"]).remove(field);
    }
    env.update(sets, set, scaled, "", now_ms)?;
    Ok(())
}

fn set_status(
    env: &Env<'_>,
    sets: &Resource,
    set: &Value,
    wanted: i64,
    running: i64,
    ready: i64,
    now_ms: i64,
) -> Result<()> {
    let mut new = set.clone();
    map_at(&mut new, &["spec"]).insert("replicas".into(), wanted.into());
    let generation = new.pointer("/metadata/generation").cloned().unwrap_or(Value::Null);
    let status = map_at(&mut new, &["status"]);
    status.insert("observedGeneration".into(), generation);
    status.insert("replicas".into(), running.into());
    for (field, value) in [("fullyLabeledReplicas", running), ("readyReplicas", ready), ("availableReplicas", ready)] {
        if value > 0 {
            status.insert(field.into(), value.into());
        } else {
            status.remove(field);
        }
    }
    env.update(sets, set, new, "status", now_ms)?;
    Ok(())
}

/// Old ReplicaSets beyond `revisionHistoryLimit` go, the oldest first.
fn prune_history(env: &Env<'_>, sets: &Resource, owner: &Value, mut previous: Vec<Value>, now_ms: i64) -> Result<()> {
    let limit = owner.pointer("/spec/revisionHistoryLimit").and_then(Value::as_u64).unwrap_or(10);
    previous.sort_by_key(revision_of);
    let surplus = previous.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    for set in previous.into_iter().take(surplus) {
        if pods_of(env, &set)?.is_empty() {
            lifecycle::begin_delete(env, sets, set, None, Propagation::Background, now_ms)?;
        }
    }
    Ok(())
}
