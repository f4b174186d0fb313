//! Deployments, their ReplicaSets and Pods: rollout, scheduling, readiness.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::kinds::{Resource, by_plural};
use super::super::lifecycle::{self, Propagation, is_deleting, key};
use super::super::selector::expression_matches;
use super::super::store::{list, map_at, metadata, text};
use super::{Env, Result, jobs, set_condition, volumes};

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

fn owned_by(kind: &str, owner: &Value) -> Value {
    json!([{
        "apiVersion": if kind == "Job" { "batch/v1" } else { "apps/v1" }, "kind": kind, "name": text(owner, "/metadata/name"), "uid": text(owner, "/metadata/uid"),
        "controller": true, "blockOwnerDeletion": true,
    }])
}

fn is_ready(pod: &Value) -> bool {
    !is_deleting(pod)
        && list(pod, "/status/conditions").iter().any(|c| text(c, "/type") == "Ready" && text(c, "/status") == "True")
}

pub(super) fn pods_of(env: &Env<'_>, set: &Value) -> Result<Vec<Value>> {
    let Some(pods) = by_plural("pods") else { return Ok(Vec::new()) };
    let mut out = Vec::new();
    for (plural, namespace, name) in env.store.dependents(text(set, "/metadata/uid"))? {
        if plural == pods.plural {
            out.extend(env.store.get(pods, &namespace, &name)?);
        }
    }
    Ok(out)
}

/// One step of a Deployment's rollout, and its status.
pub fn deployment(env: &Env<'_>, resource: &Resource, mut object: Value, now_ms: i64) -> Result<()> {
    let (Some(sets), Some(pods)) = (by_plural("replicasets"), by_plural("pods")) else { return Ok(()) };
    if is_deleting(&object) {
        return env.collect(resource, object, now_ms);
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

/// False when the Pod of a ReplicaSet or Job cannot be made; it is then tried again later.
pub(super) fn create_pod(env: &Env<'_>, pods: &Resource, set: &Value, kind: &str, now_ms: i64) -> Result<bool> {
    let (namespace, set_name) = key(set);
    let account = match text(set, "/spec/template/spec/serviceAccountName") {
        "" => "default",
        account => account,
    };
    if let Some(accounts) = by_plural("serviceaccounts")
        && env.store.get_text(accounts, &namespace, account)?.is_none()
    {
        let why = format!(
            "pods \"{set_name}-\" is forbidden: error looking up service account {namespace}/{account}: not found"
        );
        refused(env, set, kind, &why, now_ms)?;
        return Ok(false);
    }
    if let Some(why) = super::super::security::forbidden(&env.store, &namespace, &set["spec"]["template"])? {
        refused(env, set, kind, &format!("pods \"{set_name}-\" is forbidden: {why}"), now_ms)?;
        return Ok(false);
    }
    let suffix = Env::suffix(&env.new_uid(pods, &namespace, &set_name, now_ms)?);
    let template = &set["spec"]["template"];
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": template["metadata"],
        "spec": template["spec"],
    });
    let fields = metadata(&mut pod);
    fields.insert("name".into(), format!("{set_name}-{suffix}").into());
    fields.insert("generateName".into(), format!("{set_name}-").into());
    fields.insert("namespace".into(), namespace.into());
    fields.insert("ownerReferences".into(), owned_by(kind, set));
    env.create(pods, &mut pod, now_ms)?;
    Ok(true)
}

/// Says that a Pod could not be made, and tries again later.
fn refused(env: &Env<'_>, set: &Value, kind: &str, why: &str, now_ms: i64) -> Result<()> {
    let (namespace, name) = key(set);
    let (controller, plural, owner) = match kind {
        "Job" => ("job-controller", "jobs", name.as_str()),
        _ => ("replicaset-controller", "deployments", text(set, "/metadata/ownerReferences/0/name")),
    };
    env.event(set, "FailedCreate", why, controller, now_ms)?;
    env.store.schedule(plural, &namespace, owner, now_ms + env.delay_ms.max(1_000))
}

/// Has Pods that wait for a node looked at again; an empty `namespace` means all.
pub fn retry_pending(env: &Env<'_>, namespace: &str, now_ms: i64) -> Result<()> {
    let Some(pods) = by_plural("pods") else { return Ok(()) };
    for pod in env.store.list(pods, namespace)? {
        if text(&pod, "/spec/nodeName").is_empty() && !is_deleting(&pod) {
            let (namespace, name) = key(&pod);
            env.store.schedule(pods.plural, &namespace, &name, now_ms)?;
        }
    }
    Ok(())
}

/// The next step in a Pod's life.
pub fn pod(env: &Env<'_>, resource: &Resource, object: Value, now_ms: i64) -> Result<()> {
    if is_deleting(&object) {
        if lifecycle::may_go(resource, &object) {
            lifecycle::finish_delete(env, resource, object, now_ms)?;
        }
        return Ok(());
    }
    match text(&object, "/status/phase") {
        "Pending" => {}
        "Running" if text(&object, "/spec/restartPolicy") != "Always" => return finish(env, resource, object, now_ms),
        _ => return Ok(()),
    }
    if text(&object, "/spec/nodeName").is_empty() {
        place(env, resource, object, now_ms)
    } else {
        start(env, resource, object, now_ms)
    }
}

fn place(env: &Env<'_>, resource: &Resource, object: Value, now_ms: i64) -> Result<()> {
    let Some(nodes) = by_plural("nodes") else { return Ok(()) };
    let now = env.time(now_ms);
    let mut new = object.clone();
    let nodes = env.store.list(nodes, "")?;
    let volumes = volumes::mounted(env, &object)?;
    let node = match &volumes {
        volumes::Mounted::Waiting(reason) => Err(format!("0/{} nodes are available: {reason}", nodes.len())),
        volumes::Mounted::Ready(volumes) => nodes
            .iter()
            .find(|node| fits(&object, node) && volumes.iter().all(|pv| volume_fits(pv, node)))
            .ok_or_else(|| unschedulable(&object, &nodes)),
    };
    let mut conditions = list(&new, "/status/conditions").to_vec();
    match node {
        Err(why) => {
            set_condition(&mut conditions, "PodScheduled", false, "Unschedulable", &why, &now);
            env.event(&object, "FailedScheduling", &why, "default-scheduler", now_ms)?;
        }
        Ok(node) => {
            let node_name = text(node, "/metadata/name");
            volumes::provision_for(env, &object, now_ms)?;
            map_at(&mut new, &["spec"]).insert("nodeName".into(), node_name.into());
            set_condition(&mut conditions, "PodScheduled", true, "", "", &now);
            let status = map_at(&mut new, &["status"]);
            status.insert("startTime".into(), now.into());
            status.insert("hostIP".into(), text(node, "/status/addresses/0/address").into());
            let (namespace, name) = key(&object);
            env.store.schedule(resource.plural, &namespace, &name, now_ms + env.delay_ms)?;
        }
    }
    for condition in &mut conditions {
        if let Some(condition) = condition.as_object_mut() {
            condition.remove("lastUpdateTime");
            condition.retain(|_, value| value.as_str() != Some(""));
        }
    }
    map_at(&mut new, &["status"]).insert("conditions".into(), Value::Array(conditions));
    env.update(resource, &object, new, "status", now_ms)?;
    Ok(())
}

fn unschedulable(pod: &Value, nodes: &[Value]) -> String {
    let selecting = nodes.iter().filter(|node| !labels_fit(pod, node)).count();
    let tainted = nodes.len() - selecting;
    let mut reasons = Vec::new();
    if selecting > 0 {
        reasons.push(format!("{selecting} node(s) didn't match Pod's node affinity/selector"));
    }
    if tainted > 0 {
        reasons.push(format!("{tainted} node(s) had untolerated taint(s) or volume node affinity conflict"));
    }
    if nodes.is_empty() {
        reasons.push("no nodes available to schedule pods".into());
    }
    format!("0/{} nodes are available: {}.", nodes.len(), reasons.join(", "))
}

fn terms_fit(terms: &[Value], node: &Value) -> bool {
    let label = |key: &str| node["metadata"]["labels"].get(key).and_then(Value::as_str);
    terms.iter().any(|term| list(term, "/matchExpressions").iter().all(|e| expression_matches(e, label)))
}

fn labels_fit(pod: &Value, node: &Value) -> bool {
    let labels = &node["metadata"]["labels"];
    let selector = pod.pointer("/spec/nodeSelector").and_then(Value::as_object);
    let selected = selector.is_none_or(|map| map.iter().all(|(key, value)| labels.get(key) == Some(value)));
    let required = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    selected && (pod.pointer(required).is_none() || terms_fit(list(pod, required), node))
}

fn fits(pod: &Value, node: &Value) -> bool {
    let tolerations = list(pod, "/spec/tolerations");
    let tolerated = |taint: &Value| {
        text(taint, "/effect") == "PreferNoSchedule"
            || tolerations.iter().any(|t| {
                let effect = text(t, "/effect");
                let key = text(t, "/key");
                (effect.is_empty() || effect == text(taint, "/effect"))
                    && (key.is_empty() || key == text(taint, "/key"))
                    && (text(t, "/operator") == "Exists" || text(t, "/value") == text(taint, "/value"))
            })
    };
    labels_fit(pod, node)
        && node.pointer("/spec/unschedulable") != Some(&Value::Bool(true))
        && list(node, "/spec/taints").iter().all(tolerated)
}

fn volume_fits(pv: &Value, node: &Value) -> bool {
    let required = "/spec/nodeAffinity/required/nodeSelectorTerms";
    pv.pointer(required).is_none() || terms_fit(list(pv, required), node)
}

/// The kubelet's part: volumes are attached, what the Pod refers to must exist, then its containers run.
fn start(env: &Env<'_>, resource: &Resource, object: Value, now_ms: i64) -> Result<()> {
    let (namespace, name) = key(&object);
    let problem = match missing_mount(env, &object)? {
        Some(missing) => Some(("FailedMount", "ContainerCreating", missing)),
        None => match volumes::attach(env, &object)? {
            Some(why) => Some(("FailedAttachVolume", "ContainerCreating", why)),
            None => missing_variables(env, &object)?.map(|missing| ("Failed", "CreateContainerConfigError", missing)),
        },
    };
    if let Some((event, reason, message)) = problem {
        env.event(&object, event, &message, "kubelet", now_ms)?;
        let mut new = object.clone();
        map_at(&mut new, &["status"]).insert("containerStatuses".into(), waiting(&object, reason, &message));
        env.update(resource, &object, new, "status", now_ms)?;
        return env.store.schedule(resource.plural, &namespace, &name, now_ms + env.delay_ms.max(1_000));
    }
    let now = env.time(now_ms);
    let mut new = object.clone();
    let statuses = |field: &str, done: bool| -> Vec<Value> {
        let state = if done {
            json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}})
        } else {
            json!({"running": {"startedAt": now}})
        };
        let one = |c: &Value| {
            json!({
                "name": c["name"], "image": c["image"], "imageID": "", "ready": true, "started": !done,
                "restartCount": 0, "state": state,
            })
        };
        list(&object, field).iter().map(one).collect()
    };
    let conditions = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .map(|kind| json!({"type": kind, "status": "True", "lastTransitionTime": now}));
    let uid = Uuid::parse_str(text(&object, "/metadata/uid")).unwrap_or_default();
    let address = format!("10.244.{}.{}", uid.as_bytes()[0], uid.as_bytes()[1]);
    let init = statuses("/spec/initContainers", true);
    let running = statuses("/spec/containers", false);
    let status = map_at(&mut new, &["status"]);
    status.insert("phase".into(), "Running".into());
    status.insert("conditions".into(), json!(conditions));
    status.insert("containerStatuses".into(), Value::Array(running));
    if !init.is_empty() {
        status.insert("initContainerStatuses".into(), Value::Array(init));
    }
    status.insert("podIP".into(), address.clone().into());
    status.insert("podIPs".into(), json!([{"ip": address}]));
    env.update(resource, &object, new, "status", now_ms)?;
    volumes::mounted_by(env, &object, now_ms)?;
    if text(&object, "/spec/restartPolicy") != "Always" {
        env.store.schedule(resource.plural, &namespace, &name, now_ms + env.delay_ms)?;
    }
    wake_owner(env, &object, now_ms)
}

/// A Pod whose containers are not restarted has ended.
fn finish(env: &Env<'_>, resource: &Resource, object: Value, now_ms: i64) -> Result<()> {
    let Some(code) = jobs::exit_code(&object) else { return Ok(()) };
    let now = env.time(now_ms);
    let reason = if code == 0 { "Completed" } else { "Error" };
    let mut new = object.clone();
    for status in new.pointer_mut("/status/containerStatuses").and_then(Value::as_array_mut).into_iter().flatten() {
        status["ready"] = false.into();
        status["started"] = false.into();
        status["state"] = json!({"terminated": {
            "exitCode": code, "reason": reason, "startedAt": now, "finishedAt": now,
        }});
    }
    map_at(&mut new, &["status"]).insert("phase".into(), if code == 0 { "Succeeded" } else { "Failed" }.into());
    env.update(resource, &object, new, "status", now_ms)?;
    wake_owner(env, &object, now_ms)
}

/// The status of containers that wait.
fn waiting(pod: &Value, reason: &str, message: &str) -> Value {
    let mut state = json!({"reason": reason});
    // The kubelet names what a container lacks, but not what its volumes lack: an event does.
    if reason != "ContainerCreating" {
        state["message"] = message.into();
    }
    let one = |c: &Value| {
        json!({
            "name": c["name"], "image": c["image"], "imageID": "", "ready": false, "started": false,
            "restartCount": 0, "state": {"waiting": state},
        })
    };
    list(pod, "/spec/containers").iter().map(one).collect()
}

/// The first ConfigMap or Secret that a volume of the Pod needs and nobody made.
fn missing_mount(env: &Env<'_>, pod: &Value) -> Result<Option<String>> {
    for volume in list(pod, "/spec/volumes") {
        for (field, plural, name) in [("configMap", "configmaps", "/name"), ("secret", "secrets", "/secretName")] {
            if let Some(source) = volume.get(field)
                && let Some(found) = missing(env, pod, plural, text(source, name), source)?
            {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

/// The first ConfigMap or Secret that a container's environment needs and nobody made.
fn missing_variables(env: &Env<'_>, pod: &Value) -> Result<Option<String>> {
    for container in list(pod, "/spec/containers").iter().chain(list(pod, "/spec/initContainers")) {
        for from in list(container, "/envFrom") {
            for (field, plural) in [("configMapRef", "configmaps"), ("secretRef", "secrets")] {
                if let Some(source) = from.get(field)
                    && let Some(found) = missing(env, pod, plural, text(source, "/name"), source)?
                {
                    return Ok(Some(found));
                }
            }
        }
    }
    Ok(None)
}

/// Says that an object is not there, unless it need not be.
fn missing(env: &Env<'_>, pod: &Value, plural: &str, name: &str, source: &Value) -> Result<Option<String>> {
    let optional = source.get("optional").and_then(Value::as_bool) == Some(true);
    let Some(resource) = by_plural(plural).filter(|_| !optional && !name.is_empty()) else { return Ok(None) };
    let there = env.store.get_text(resource, text(pod, "/metadata/namespace"), name)?.is_some();
    Ok((!there).then(|| format!("{} \"{name}\" not found", resource.singular)))
}

fn wake_owner(env: &Env<'_>, pod: &Value, now_ms: i64) -> Result<()> {
    jobs::wake(env, pod, now_ms)?;
    let Some(sets) = by_plural("replicasets") else { return Ok(()) };
    let (namespace, _) = key(pod);
    if let Some(set) = env.store.get(sets, &namespace, text(pod, "/metadata/ownerReferences/0/name"))? {
        let owner = text(&set, "/metadata/ownerReferences/0/name");
        if !owner.is_empty() {
            env.store.schedule("deployments", &namespace, owner, now_ms)?;
        }
    }
    Ok(())
}

/// A Pod is gone: its disks are free, its Deployment may go on.
pub fn pod_ended(env: &Env<'_>, pod: &Value, now_ms: i64) -> Result<()> {
    volumes::released(env, pod, now_ms)?;
    wake_owner(env, pod, now_ms)
}
