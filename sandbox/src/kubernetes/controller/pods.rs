//! Pods: made for their owners, placed on a node, started, and ended.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::env::Env;
use super::super::kinds::{Resource, by_plural};
use super::super::selector::expression_matches;
use super::super::store::{Result, is_deleting, key, list, map_at, metadata, text};
use super::super::{appointments, lifecycle, security};
use super::conditions::set_condition;
use super::volumes::{self, Mounted};

/// The reference of what is owned to its owner, a controller of this kind.
pub(super) fn owned_by(kind: &str, owner: &Value) -> Value {
    json!([{
        "apiVersion": if kind == "Job" { "batch/v1" } else { "apps/v1" }, "kind": kind,
        "name": text(owner, "/metadata/name"), "uid": text(owner, "/metadata/uid"),
        "controller": true, "blockOwnerDeletion": true,
    }])
}

/// The Pods of a ReplicaSet or a Job.
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
    if let Some(why) = security::forbidden(&env.store, &namespace, &set["spec"]["template"])? {
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
        Mounted::Waiting(reason) => Err(format!("0/{} nodes are available: {reason}", nodes.len())),
        Mounted::Ready(volumes) => nodes
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
    appointments::wake_owner(&env.store, &object, now_ms)
}

/// A Pod whose containers are not restarted has ended.
fn finish(env: &Env<'_>, resource: &Resource, object: Value, now_ms: i64) -> Result<()> {
    let Some(code) = exit_code(&object) else { return Ok(()) };
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
    appointments::wake_owner(&env.store, &object, now_ms)
}

/// The end of a Pod that is not restarted. Nothing runs here: what says in plain words that it fails, fails (`false`,
/// or a last word that ends in `exit 3`), and what sleeps for ever does not end.
fn exit_code(pod: &Value) -> Option<i64> {
    let words = |container: &Value| -> Vec<String> {
        let words = list(container, "/command").iter().chain(list(container, "/args"));
        words.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut code = 0;
    for container in list(pod, "/spec/containers") {
        let words = words(container);
        let last = words.last().map_or("", String::as_str).trim();
        if last.ends_with("sleep infinity") || words.iter().any(|word| word == "sleep") && last == "infinity" {
            return None;
        }
        let said = last.rsplit_once("exit ").and_then(|(_, code)| code.trim().parse().ok());
        code = code.max(if words == ["false"] { 1 } else { said.unwrap_or(0) });
    }
    Some(code)
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
