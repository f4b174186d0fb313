//! When an object is ready: named predicates, pure functions of the object as the API shows it.

use serde_json::Value;

use kompox_rules::quantity::Quantity;

/// What is known of an object's readiness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It can be used.
    Ready,
    /// It cannot yet; says what is missing, in a few words.
    Waiting(String),
    /// It never will be; says why.
    Failed(String),
}

/// Whether an object of a kind is ready. Kinds without a predicate are ready when they exist.
pub fn readiness(kind: &str, object: &Value) -> Readiness {
    let (ready, waiting) = match kind {
        "Job" => match job_failure(object) {
            Some(why) => return Readiness::Failed(why),
            None => (is_job_complete(object), job_progress(object)),
        },
        "Deployment" => (is_deployment_rolled_out(object), deployment_progress(object)),
        "PersistentVolumeClaim" if is_claim_bound(object) => (is_claim_grown(object), claim_growth(object)),
        "PersistentVolumeClaim" => (false, format!("claim is {}", phase(object))),
        "Service" if is_load_balancer(object) => {
            (has_load_balancer_address(object), "load balancer has no address yet".to_owned())
        }
        "Namespace" => (is_namespace_active(object), format!("Namespace is {}", phase(object))),
        _ => return Readiness::Ready,
    };
    if ready { Readiness::Ready } else { Readiness::Waiting(waiting) }
}

fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str)
}

fn phase(object: &Value) -> &str {
    text(object, "/status/phase").unwrap_or("Pending")
}

fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The controller has seen the last change, all replicas are of it and available, and none of the old ones is left
/// (what `kubectl rollout status` waits for).
pub fn is_deployment_rolled_out(deployment: &Value) -> bool {
    let wanted = number(deployment, "/spec/replicas").unwrap_or(1);
    let count = |field: &str| number(deployment, &format!("/status/{field}")).unwrap_or(0);
    is_observed(deployment)
        && count("updatedReplicas") == wanted
        && count("replicas") == wanted
        && count("availableReplicas") == wanted
}

/// Whether the controller has seen the last change: until then what runs is of the one before.
pub fn is_observed(object: &Value) -> bool {
    let observed = number(object, "/status/observedGeneration").unwrap_or(0);
    observed >= number(object, "/metadata/generation").unwrap_or(0)
}

fn deployment_progress(deployment: &Value) -> String {
    let wanted = number(deployment, "/spec/replicas").unwrap_or(1);
    if !is_observed(deployment) {
        return format!("0/{wanted} ready");
    }
    let count = |field: &str| number(deployment, &format!("/status/{field}")).unwrap_or(0);
    format!("{}/{wanted} ready", count("availableReplicas").min(count("updatedReplicas")))
}

/// Its Pod has ended well.
pub fn is_job_complete(job: &Value) -> bool {
    condition(job, "Complete").is_some()
}

/// Why a Job failed that is not tried again.
pub fn job_failure(job: &Value) -> Option<String> {
    let failed = condition(job, "Failed")?;
    let part = |pointer: &str| text(failed, pointer).unwrap_or("");
    let why = format!("it failed: {}: {}", part("/reason"), part("/message"));
    Some(why.trim_end_matches([':', ' ']).to_owned())
}

fn job_progress(job: &Value) -> String {
    match number(job, "/status/failed").unwrap_or(0) {
        0 => "it has not ended yet".to_owned(),
        1 => "it has not ended well yet, 1 try failed".to_owned(),
        tries => format!("it has not ended well yet, {tries} tries failed"),
    }
}

/// The claim has its volume.
pub fn is_claim_bound(claim: &Value) -> bool {
    phase(claim) == "Bound"
}

/// The claim has what it asks for; or the volume has grown, and its file system grows when a Pod mounts it.
pub fn is_claim_grown(claim: &Value) -> bool {
    let amount = |text: &str| Quantity::parse(text).ok().map(Quantity::nano);
    let (asked, has) = (text(claim, "/spec/resources/requests/storage"), text(claim, "/status/capacity/storage"));
    let (Some(asked), Some(has)) = (asked.and_then(amount), has.and_then(amount)) else { return true };
    asked <= has || is_file_system_behind(claim)
}

/// The volume has grown, and its file system grows when a Pod mounts it.
pub fn is_file_system_behind(claim: &Value) -> bool {
    condition(claim, "FileSystemResizePending").is_some()
}

fn claim_growth(claim: &Value) -> String {
    let of = |pointer: &str| text(claim, pointer).unwrap_or("?");
    let (asked, has) = (of("/spec/resources/requests/storage"), of("/status/capacity/storage"));
    let failed = ["ControllerResizeError", "NodeResizeError"].iter().find_map(|kind| condition(claim, kind));
    let why = failed.and_then(|condition| text(condition, "/message")).map(|message| format!(": {message}"));
    format!("claim has {has} of {asked}{}", why.unwrap_or_default())
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let holds = |one: &&Value| text(one, "/type") == Some(kind) && text(one, "/status") == Some("True");
    items(object, "/status/conditions").iter().find(holds)
}

/// The claim names no volume and its class makes one only when the first Pod uses the claim: waiting for it before the
/// Pod exists would wait forever. `class` is the claim's StorageClass.
pub fn waits_for_first_consumer(claim: &Value, class: &Value) -> bool {
    text(claim, "/spec/volumeName").is_none_or(str::is_empty)
        && text(class, "/volumeBindingMode") == Some("WaitForFirstConsumer")
}

/// The Service asks for a load balancer.
pub fn is_load_balancer(service: &Value) -> bool {
    text(service, "/spec/type") == Some("LoadBalancer")
}

/// The load balancer can be reached under an IP address or a host name.
pub fn has_load_balancer_address(service: &Value) -> bool {
    let is_address = |ingress: &Value| ["/ip", "/hostname"].iter().any(|key| text(ingress, key).is_some());
    items(service, "/status/loadBalancer/ingress").iter().any(is_address)
}

/// Objects can be created in the Namespace. A server that keeps no phase has nothing to wait for.
pub fn is_namespace_active(namespace: &Value) -> bool {
    text(namespace, "/status/phase").is_none_or(|phase| phase == "Active")
}

/// Why the Pods of a workload are not ready: the word that Kubernetes has for it (`ImagePullBackOff`, `Unschedulable`), and
/// what it says to it. Pods that are ending are nobody's trouble.
pub fn pods_trouble(pods: &[Value]) -> Option<String> {
    let container = lasting(pods).flat_map(container_statuses).find_map(|status| {
        let waiting = text(status, "/state/waiting/reason").filter(|reason| !is_starting(reason));
        let reason =
            waiting.or_else(|| text(status, "/state/terminated/reason").filter(|reason| *reason != "Completed"))?;
        let message = match reason {
            _ if waiting.is_none() || reason == "CrashLoopBackOff" => Some(crash(status)),
            _ => text(status, "/state/waiting/message").map(|message| message.trim().to_owned()),
        };
        Some(message.map_or_else(|| reason.to_owned(), |message| format!("{reason}: {message}")))
    });
    let condition = || {
        let conditions = lasting(pods).flat_map(|pod| items(pod, "/status/conditions"));
        let mut failed = conditions.filter(|condition| text(condition, "/status") == Some("False"));
        let unschedulable = failed.find(|condition| text(condition, "/reason") == Some("Unschedulable"))?;
        let why = text(unschedulable, "/message").map(|message| format!(": {}", message.trim())).unwrap_or_default();
        Some(format!("Unschedulable{why}"))
    };
    container.or_else(condition)
}

/// The last end of a container: just now, or before the wait that it is in.
fn last_end(status: &Value) -> Option<&Value> {
    status.pointer("/state/terminated").or_else(|| status.pointer("/lastState/terminated"))
}

/// How a container that is started again and again ended the last time.
fn crash(status: &Value) -> String {
    let name = text(status, "/name").unwrap_or("?");
    let end = last_end(status).unwrap_or(&Value::Null);
    let reason = text(end, "/reason").filter(|reason| *reason != "Error");
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let code = number(end, "/exitCode").map_or_else(String::new, |code| format!(" {code}"));
    let restarts = number(status, "/restartCount").unwrap_or(0);
    format!("container {name} ended with exit code{code}{reason}, {restarts} restarts")
}

/// The runs of those containers that no probe vouches for: that one has started says nothing of the next second. None if one
/// of them does not run. A run has the id that the node gave it.
pub fn unproven_runs(pods: &[Value]) -> Option<Vec<String>> {
    let of = |pod: &Value| {
        let unproven =
            container_statuses(pod).filter(|status| text(status, "/name").is_some_and(|name| is_unproven(pod, name)));
        let runs = unproven.map(|status| {
            let ended = ["/state/waiting", "/state/terminated"].iter().any(|state| status.pointer(state).is_some());
            (!ended).then(|| text(status, "/containerID").map(str::to_owned))
        });
        let runs = runs.collect::<Option<Vec<_>>>()?;
        Some(runs.into_iter().flatten().collect::<Vec<String>>())
    };
    Some(lasting(pods).map(of).collect::<Option<Vec<_>>>()?.concat())
}

/// Whether a container of a Pod is to run on and no probe vouches for it.
fn is_unproven(pod: &Value, name: &str) -> bool {
    let sidecars = items(pod, "/spec/initContainers").iter().filter(|one| one["restartPolicy"] == "Always");
    let mut lasting = items(pod, "/spec/containers").iter().chain(sidecars);
    let found = lasting.find(|one| text(one, "/name") == Some(name));
    found.is_some_and(|one| ["/startupProbe", "/readinessProbe"].iter().all(|probe| one.pointer(probe).is_none()))
}

/// Why no Pod of a workload is made at all: a quota, a policy.
pub fn creation_trouble(workload: &Value) -> Option<String> {
    let failure = condition(workload, "ReplicaFailure").filter(|one| text(one, "/status") == Some("True"))?;
    Some(format!("{}: {}", text(failure, "/reason")?, text(failure, "/message").unwrap_or_default().trim()))
}

/// So many restarts say that it is no dependency that is not there yet; the kubelet waits 10 s, 20 s, 40 s between them.
const RESTARTS: i64 = 5;

/// After so many times, the memory that it may have is not enough.
const OUT_OF_MEMORY: i64 = 2;

/// Whether no waiting makes a container run: its image is not there or not for us, it ends each time, or its memory is
/// too little. Anything else may heal: nodes are added, networks come back.
pub fn is_hopeless(pods: &[Value]) -> bool {
    lasting(pods).flat_map(container_statuses).any(|status| {
        let message = text(status, "/state/waiting/message").unwrap_or_default().to_lowercase();
        let restarts = number(status, "/restartCount").unwrap_or(0);
        match text(status, "/state/waiting/reason") {
            Some("InvalidImageName" | "ErrImageNeverPull") => true,
            Some("ErrImagePull" | "ImagePullBackOff") => {
                ["not found", "denied", "unauthorized", "forbidden"].iter().any(|word| message.contains(word))
            }
            // It ends again and again; between the ends it waits, or has just ended.
            None | Some("CrashLoopBackOff") if status.pointer("/state/running").is_none() => {
                let killed = last_end(status).is_some_and(|end| text(end, "/reason") == Some("OOMKilled"));
                restarts >= if killed { OUT_OF_MEMORY } else { RESTARTS }
            }
            _ => false,
        }
    })
}

/// Containers that ended badly or are not ready, whose log says more: (Pod, container, whether its run before is meant). One
/// that no probe vouches for is ready whenever it runs.
pub fn failing(pods: &[Value]) -> Vec<(&str, &str, bool)> {
    let of = |pod| {
        let failing = container_statuses(pod).filter(move |status| {
            let ended = number(status, "/state/terminated/exitCode").is_some_and(|code| code != 0);
            let is_ready = status["ready"] == true && !is_unproven(pod, text(status, "/name").unwrap_or_default());
            ended || number(status, "/restartCount").unwrap_or(0) > 0 && !is_ready
        });
        failing.filter_map(move |status| {
            let before = status.pointer("/state/terminated").is_none();
            Some((text(pod, "/metadata/name")?, text(status, "/name")?, before))
        })
    };
    lasting(pods).flat_map(of).collect()
}

/// Names of the Secrets that a Pod has in its environment or among its files.
pub fn secrets_of(pod: &Value) -> Vec<&str> {
    let containers = || items(pod, "/spec/initContainers").iter().chain(items(pod, "/spec/containers"));
    let from = containers().flat_map(|one| items(one, "/envFrom")).filter_map(|one| text(one, "/secretRef/name"));
    let keys = containers().flat_map(|one| items(one, "/env"));
    let keys = keys.filter_map(|one| text(one, "/valueFrom/secretKeyRef/name"));
    let files = items(pod, "/spec/volumes").iter().filter_map(|one| text(one, "/secret/secretName"));
    let mut names: Vec<&str> = from.chain(keys).chain(files).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The Pods that are not ending.
fn lasting(pods: &[Value]) -> impl Iterator<Item = &Value> {
    pods.iter().filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none())
}

/// What Pods that only wait are told of last, if it is trouble: a volume that is not there, a probe that says why it fails.
pub fn event_trouble(events: &[Value], pods: &[Value]) -> Option<String> {
    let names: Vec<&str> = lasting(pods).filter_map(|pod| text(pod, "/metadata/name")).collect();
    let about = |event: &&Value| text(event, "/involvedObject/name").is_some_and(|name| names.contains(&name));
    // What failed once may have come right: images are pulled only then.
    let last = events.iter().filter(about).max_by_key(|event| event_time(event))?;
    let (reason, message) = (text(last, "/reason")?, text(last, "/message").unwrap_or_default().trim());
    let is_trouble = match reason {
        "FailedMount" | "FailedAttachVolume" => true,
        // Without a word a probe only says what is seen anyway.
        "Unhealthy" => !message.ends_with("failed:"),
        _ => false,
    };
    is_trouble.then(|| format!("{reason}: {message}"))
}

/// Whether trouble is a ConfigMap or Secret that does not exist: everything else that a Pod refers to was applied before
/// it, so no waiting makes that.
pub fn is_lacking(trouble: &str) -> bool {
    trouble.contains("not found") && ["secret \"", "configmap \""].iter().any(|kind| trouble.contains(kind))
}

fn event_time(event: &Value) -> &str {
    let times = ["/lastTimestamp", "/series/lastObservedTime", "/eventTime", "/metadata/creationTimestamp"];
    times.iter().find_map(|pointer| text(event, pointer)).unwrap_or("")
}

/// What every Pod passes through.
fn is_starting(reason: &str) -> bool {
    matches!(reason, "ContainerCreating" | "PodInitializing")
}

fn container_statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    items(pod, "/status/initContainerStatuses").iter().chain(items(pod, "/status/containerStatuses"))
}

/// One line per condition that does not hold, for what a timeout saw last.
pub fn conditions(object: &Value) -> Vec<String> {
    // For these, true is the trouble.
    let is_bad_when_true = |kind: &str| kind.contains("Failure") || kind.ends_with("Remaining");
    items(object, "/status/conditions")
        .iter()
        .filter(|condition| {
            let is_true = text(condition, "/status") == Some("True");
            is_true == is_bad_when_true(text(condition, "/type").unwrap_or(""))
        })
        .map(|condition| {
            let part = |pointer: &str| text(condition, pointer).unwrap_or("").to_owned();
            format!("condition {}={}: {} {}", part("/type"), part("/status"), part("/reason"), part("/message"))
        })
        .map(|line| line.trim_end_matches([':', ' ']).to_owned())
        .collect()
}

/// One line per container that is not ready, and per Pod that has no place, for what a timeout saw last.
pub fn pod_details(pods: &[Value]) -> Vec<String> {
    let mut lines = Vec::new();
    for pod in pods {
        let name = text(pod, "/metadata/name").unwrap_or("?");
        let statuses: Vec<&Value> = container_statuses(pod).collect();
        if statuses.is_empty() {
            lines.push(format!("Pod {name}: {}", phase(pod)));
            lines.extend(conditions(pod).into_iter().map(|line| format!("Pod {name}: {line}")));
        }
        for status in statuses {
            let is_done = text(status, "/state/terminated/reason") == Some("Completed");
            if is_done || status.get("ready").and_then(Value::as_bool) == Some(true) {
                continue;
            }
            let container = text(status, "/name").unwrap_or("?");
            let restarts = number(status, "/restartCount").unwrap_or(0);
            lines
                .push(format!("container {container} of Pod {name}: {}, {restarts} restarts", container_state(status)));
        }
    }
    lines
}

fn container_state(status: &Value) -> String {
    for state in ["waiting", "terminated"] {
        let Some(detail) = status.pointer(&format!("/state/{state}")) else { continue };
        let reason = text(detail, "/reason").unwrap_or(state);
        let exit = number(detail, "/exitCode").map(|code| format!(" (exit code {code})")).unwrap_or_default();
        let message = text(detail, "/message").map(|message| format!(": {message}")).unwrap_or_default();
        let last = number(status, "/lastState/terminated/exitCode");
        let last = last.map(|code| format!(" (last exit code {code})")).unwrap_or_default();
        return format!("{reason}{exit}{last}{message}");
    }
    if status.pointer("/state/running").is_some() { "running but not ready".to_owned() } else { "unknown".to_owned() }
}

/// The last `limit` events of the objects with these names, oldest first: warnings before the others when there are
/// more.
pub fn event_details(events: &[Value], names: &[&str], limit: usize) -> Vec<String> {
    let is_warning = |event: &Value| text(event, "/type") == Some("Warning");
    let mut about: Vec<&Value> = events
        .iter()
        .filter(|event| text(event, "/involvedObject/name").is_some_and(|name| names.contains(&name)))
        .collect();
    about.sort_by_cached_key(|event| (is_warning(event), event_time(event).to_owned()));
    let mut last = about.split_off(about.len().saturating_sub(limit));
    last.sort_by_key(|event| event_time(event));
    last.iter()
        .map(|event| {
            let part = |pointer: &str| text(event, pointer).unwrap_or("").to_owned();
            let count = number(event, "/count").filter(|count| *count > 1).map(|count| format!(" ({count} times)"));
            format!("event {}: {}{}", part("/reason"), part("/message").trim(), count.unwrap_or_default())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(generation: i64, observed: i64, updated: i64, total: i64, available: i64) -> Value {
        json!({
            "metadata": {"generation": generation},
            "spec": {"replicas": 1},
            "status": {
                "observedGeneration": observed, "updatedReplicas": updated,
                "replicas": total, "availableReplicas": available
            }
        })
    }

    #[test]
    fn what_the_controller_has_not_seen_is_not_there_yet() {
        assert!(is_observed(&deployment(2, 2, 0, 1, 0)) && !is_observed(&deployment(2, 1, 1, 1, 1)));
        assert!(is_observed(&json!({"metadata": {}})));
    }

    #[test]
    fn what_no_probe_vouches_for_must_go_on_running() {
        let pod = |state: Value, id: &str| {
            json!({
                "metadata": {"uid": "u"},
                "spec": {
                    "initContainers": [{"name": "first"}, {"name": "side", "restartPolicy": "Always"}],
                    "containers": [{"name": "web"}, {"name": "db", "startupProbe": {}}],
                },
                "status": {
                    "initContainerStatuses": [
                        {"name": "first", "state": {"terminated": {"reason": "Completed"}}},
                        {"name": "side", "containerID": "s", "state": {"running": {}}},
                    ],
                    "containerStatuses": [
                        {"name": "web", "containerID": id, "state": state},
                        {"name": "db", "state": {"waiting": {}}},
                    ],
                },
            })
        };
        let runs = |state: Value, id: &str| unproven_runs(&[pod(state, id)]);
        assert_eq!(runs(json!({"running": {}}), "w"), Some(vec!["s".to_owned(), "w".to_owned()]));
        assert_eq!(runs(json!({"waiting": {"reason": "CrashLoopBackOff"}}), "w"), None);
        assert_eq!(runs(json!({"terminated": {"exitCode": 0}}), "w"), None);
        // Ready whenever it runs: its last words are those of the run before.
        let mut up = pod(json!({"running": {}}), "w");
        up["metadata"]["name"] = "p".into();
        let web = &mut up["status"]["containerStatuses"][0];
        (web["ready"], web["restartCount"]) = (true.into(), 5.into());
        assert_eq!(failing(std::slice::from_ref(&up)), [("p", "web", true)]);
        up["spec"]["containers"][0]["readinessProbe"] = json!({});
        assert!(failing(std::slice::from_ref(&up)).is_empty());
        assert_eq!(unproven_runs(&[]), Some(Vec::new()));
    }

    #[test]
    fn a_deployment_is_rolled_out_when_the_new_pod_alone_serves() {
        assert!(is_deployment_rolled_out(&deployment(2, 2, 1, 1, 1)));
        assert!(!is_deployment_rolled_out(&deployment(2, 1, 1, 1, 1)), "the change was not seen");
        assert!(!is_deployment_rolled_out(&deployment(2, 2, 0, 1, 1)), "the old Pod serves");
        assert!(!is_deployment_rolled_out(&deployment(2, 2, 1, 2, 1)), "the old Pod is there still");
        assert!(!is_deployment_rolled_out(&deployment(2, 2, 1, 1, 0)), "the new Pod does not serve");
        assert!(!is_deployment_rolled_out(&json!({"metadata": {"generation": 1}, "spec": {}})));
        let scaled_down =
            json!({"metadata": {"generation": 3}, "spec": {"replicas": 0}, "status": {"observedGeneration": 3}});
        assert!(is_deployment_rolled_out(&scaled_down));
        let waiting = readiness("Deployment", &deployment(2, 2, 1, 1, 0));
        assert_eq!(waiting, Readiness::Waiting("0/1 ready".into()));
        assert_eq!(readiness("Deployment", &deployment(2, 1, 1, 1, 1)), Readiness::Waiting("0/1 ready".into()));
    }

    #[test]
    fn a_job_is_ready_when_it_has_ended_well_and_failed_when_it_is_given_up() {
        let job = |failed: i64, kind: &str, status: &str| {
            json!({"status": {"failed": failed, "conditions": [
                {"type": kind, "status": status, "reason": "BackoffLimitExceeded", "message": "too often"}
            ]}})
        };
        assert_eq!(readiness("Job", &job(3, "Complete", "True")), Readiness::Ready);
        assert_eq!(readiness("Job", &job(0, "Complete", "False")), Readiness::Waiting("it has not ended yet".into()));
        let tried = Readiness::Waiting("it has not ended well yet, 2 tries failed".into());
        assert_eq!(readiness("Job", &job(2, "FailureTarget", "True")), tried);
        let failed = Readiness::Failed("it failed: BackoffLimitExceeded: too often".into());
        assert_eq!(readiness("Job", &job(7, "Failed", "True")), failed);
    }

    #[test]
    fn claims_are_ready_when_bound() {
        assert_eq!(readiness("PersistentVolumeClaim", &json!({"status": {"phase": "Bound"}})), Readiness::Ready);
        for claim in [json!({}), json!({"status": {"phase": "Pending"}}), json!({"status": {"phase": "Lost"}})] {
            assert!(matches!(readiness("PersistentVolumeClaim", &claim), Readiness::Waiting(_)));
        }
        let grows = |has: &str, conditions: Value| {
            json!({"spec": {"resources": {"requests": {"storage": "20Gi"}}},
                "status": {"phase": "Bound", "capacity": {"storage": has}, "conditions": conditions}})
        };
        assert_eq!(readiness("PersistentVolumeClaim", &grows("20480Mi", json!([]))), Readiness::Ready);
        let waiting = Readiness::Waiting("claim has 10Gi of 20Gi".to_owned());
        assert_eq!(readiness("PersistentVolumeClaim", &grows("10Gi", json!([]))), waiting);
        let pending = json!([{"type": "FileSystemResizePending", "status": "True"}]);
        assert_eq!(readiness("PersistentVolumeClaim", &grows("10Gi", pending)), Readiness::Ready);
        let failed = json!([{"type": "ControllerResizeError", "status": "True", "message": "no quota"}]);
        let waiting = Readiness::Waiting("claim has 10Gi of 20Gi: no quota".to_owned());
        assert_eq!(readiness("PersistentVolumeClaim", &grows("10Gi", failed)), waiting);
        let late = json!({"volumeBindingMode": "WaitForFirstConsumer"});
        assert!(waits_for_first_consumer(&json!({"spec": {"storageClassName": "managed-csi"}}), &late));
        assert!(!waits_for_first_consumer(&json!({"spec": {"volumeName": "pv"}}), &late));
        assert!(!waits_for_first_consumer(&json!({"spec": {}}), &json!({"volumeBindingMode": "Immediate"})));
    }

    #[test]
    fn load_balancers_are_ready_when_they_have_an_address() {
        let service = |ingress: Value| json!({"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": ingress}});
        for (service, is_ready) in [
            (json!({"spec": {"type": "ClusterIP"}}), true),
            (json!({"spec": {}}), true),
            (service(json!({})), false),
            (service(json!({"ingress": [{}]})), false),
            (service(json!({"ingress": [{"ip": "203.0.113.7"}]})), true),
            (service(json!({"ingress": [{"hostname": "lb.example"}]})), true),
        ] {
            assert_eq!(readiness("Service", &service) == Readiness::Ready, is_ready, "{service}");
        }
    }

    #[test]
    fn namespaces_must_be_active_and_the_rest_must_exist() {
        assert_eq!(readiness("Namespace", &json!({"status": {"phase": "Active"}})), Readiness::Ready);
        let ending = readiness("Namespace", &json!({"status": {"phase": "Terminating"}}));
        assert_eq!(ending, Readiness::Waiting("Namespace is Terminating".into()));
        for kind in ["Secret", "ConfigMap", "Ingress", "Role", "PersistentVolume"] {
            assert_eq!(readiness(kind, &json!({})), Readiness::Ready);
        }
    }

    #[test]
    fn trouble_of_pods_is_named() {
        let waiting = |reason: &str| json!({"status": {"containerStatuses": [{"name": "a", "state": {"waiting": {"reason": reason}}}]}});
        assert_eq!(pods_trouble(&[waiting("ImagePullBackOff")]).as_deref(), Some("ImagePullBackOff"));
        assert_eq!(pods_trouble(&[waiting("ContainerCreating")]), None);
        let lacks = json!({"status": {"containerStatuses": [{"name": "a", "state": {"waiting": {
            "reason": "CreateContainerConfigError", "message": "secret \"x\" not found"
        }}}]}});
        assert_eq!(pods_trouble(&[lacks]).as_deref(), Some("CreateContainerConfigError: secret \"x\" not found"));
        let event = json!({"involvedObject": {"name": "p"}, "type": "Warning", "reason": "FailedMount",
            "message": "secret \"x\" not found"});
        let pod = |name: &str| json!({"metadata": {"name": name}});
        let told = event_trouble(std::slice::from_ref(&event), &[pod("p")]);
        assert_eq!(told.as_deref(), Some("FailedMount: secret \"x\" not found"));
        assert_eq!(event_trouble(std::slice::from_ref(&event), &[pod("q")]), None);
        let probe = |message: &str| {
            let event = json!({"involvedObject": {"name": "p"}, "reason": "Unhealthy", "message": message});
            event_trouble(&[event], &[pod("p")])
        };
        assert_eq!(probe("Startup probe failed: full\n").as_deref(), Some("Unhealthy: Startup probe failed: full"));
        assert_eq!(probe("Startup probe failed: "), None);
        let later = json!({"involvedObject": {"name": "p"}, "type": "Normal", "reason": "Pulling",
            "lastTimestamp": "2026-01-01T00:00:01Z"});
        assert_eq!(event_trouble(&[later, event], &[pod("p")]), None, "it was mounted since");
        assert!(is_lacking("FailedMount: MountVolume.SetUp failed for volume \"sec-x\" : secret \"x\" not found"));
        assert!(!is_lacking("ImagePullBackOff: image \"x\" not found") && !is_lacking("Unschedulable"));
        let homeless = json!({"status": {"conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
        ]}});
        assert_eq!(pods_trouble(std::slice::from_ref(&homeless)).as_deref(), Some("Unschedulable: 0/3 nodes"));
        assert_eq!(
            pod_details(&[homeless]),
            ["Pod ?: Pending", "Pod ?: condition PodScheduled=False: Unschedulable 0/3 nodes"]
        );
        let crashed = json!({"metadata": {"name": "p"}, "status": {
            "initContainerStatuses": [{"name": "i", "ready": false, "state": {"terminated": {"reason": "Completed"}}}],
            "containerStatuses": [
                {"name": "ok", "ready": true, "state": {"running": {}}},
                {"name": "slow", "ready": false, "state": {"running": {}}, "restartCount": 0},
                {"name": "db", "ready": false, "restartCount": 4,
                 "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
                 "lastState": {"terminated": {"exitCode": 2}}}
            ]
        }});
        assert_eq!(
            pods_trouble(std::slice::from_ref(&crashed)).as_deref(),
            Some("CrashLoopBackOff: container db ended with exit code 2, 4 restarts")
        );
        assert_eq!(failing(std::slice::from_ref(&crashed)), [("p", "db", true)]);
        assert_eq!(
            pod_details(&[crashed]),
            [
                "container slow of Pod p: running but not ready, 0 restarts",
                "container db of Pod p: CrashLoopBackOff (last exit code 2): back-off 40s, 4 restarts"
            ]
        );
    }

    #[test]
    fn what_no_waiting_mends_is_told_from_what_may_heal() {
        let waiting = |reason: &str, message: &str, restarts: i64, ended: &str| {
            let pod = json!({"status": {"containerStatuses": [{"name": "a", "restartCount": restarts,
                "state": {"waiting": {"reason": reason, "message": message}},
                "lastState": {"terminated": {"reason": ended, "exitCode": 1}}}]}});
            is_hopeless(&[pod])
        };
        assert!(waiting("ErrImagePull", "pull access denied, repository does not exist", 0, ""));
        assert!(waiting("ImagePullBackOff", "Back-off pulling image \"x\": ErrImagePull: x: not found", 0, ""));
        assert!(!waiting("ImagePullBackOff", "dial tcp: i/o timeout", 0, ""), "networks come back");
        assert!(waiting("InvalidImageName", "", 0, ""));
        assert!(!waiting("CrashLoopBackOff", "", 4, "Error"), "its database may come");
        assert!(waiting("CrashLoopBackOff", "", 5, "Error") && waiting("CrashLoopBackOff", "", 2, "OOMKilled"));
        let ending = json!({"metadata": {"deletionTimestamp": "now"}, "status": {"containerStatuses": [
            {"name": "a", "state": {"waiting": {"reason": "InvalidImageName"}}}]}});
        assert!(!is_hopeless(std::slice::from_ref(&ending)));
        assert_eq!(pods_trouble(&[ending]), None, "a Pod that is ending is nobody's trouble");
        let refused = json!({"status": {"conditions": [{"type": "ReplicaFailure", "status": "True",
            "reason": "FailedCreate", "message": "exceeded quota: q"}]}});
        assert_eq!(creation_trouble(&refused).as_deref(), Some("FailedCreate: exceeded quota: q"));
        let pod = json!({"spec": {"initContainers": [{"envFrom": [{"secretRef": {"name": "b"}}]}],
            "containers": [{"env": [{"name": "x", "valueFrom": {"secretKeyRef": {"name": "a"}}}]}],
            "volumes": [{"secret": {"secretName": "b"}}, {"configMap": {"name": "c"}}]}});
        assert_eq!(secrets_of(&pod), ["a", "b"]);
    }

    #[test]
    fn the_last_warnings_are_told() {
        let event = |name: &str, kind: &str, time: &str, reason: &str| {
            json!({"involvedObject": {"name": name}, "type": kind, "lastTimestamp": time, "reason": reason,
                   "message": "text", "count": 3})
        };
        let events = [
            event("p", "Warning", "2026-01-01T00:00:03Z", "BackOff"),
            event("p", "Normal", "2026-01-01T00:00:04Z", "Pulling"),
            event("p", "Warning", "2026-01-01T00:00:01Z", "Failed"),
            event("other", "Warning", "2026-01-01T00:00:09Z", "Else"),
        ];
        assert_eq!(
            event_details(&events, &["p"], 2),
            ["event Failed: text (3 times)", "event BackOff: text (3 times)"]
        );
    }
}
