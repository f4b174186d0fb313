use serde_json::{Value, json};

use super::*;
use crate::engine::provider::{ErrorClass, Provider as _};

const ID: &str = "/apis/apps/v1/namespaces/n/deployments/d";

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "n"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "d"}}, "template": {"spec": {"containers": [
            {"name": "db", "env": [{"name": "PASSWORD", "value": "hunter2-secret"}]}
        ]}}}
    })
}

fn with_status(object: Value, status: Value) -> Value {
    let mut object = live(object);
    object["metadata"]["generation"] = 1.into();
    object["status"] = status;
    object
}

fn pods() -> Value {
    json!({"metadata": {}, "items": [{
        "metadata": {"name": "d-1-a"},
        "status": {"containerStatuses": [{
            "name": "db", "ready": false, "restartCount": 2,
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no image for hunter2-secret"}}
        }]}
    }]})
}

fn events() -> Value {
    json!({"metadata": {}, "items": [
        {"involvedObject": {"name": "d-1-a"}, "type": "Warning", "reason": "Failed", "message": "Error: ErrImagePull",
         "lastTimestamp": "2026-01-01T00:00:00Z"},
        {"involvedObject": {"name": "other"}, "type": "Warning", "reason": "Elsewhere", "message": "x"}
    ]})
}

fn create() -> Operation {
    operation(target(&DEPLOYMENT, ID), Change::Create { desired: deployment() })
}

#[tokio::test]
async fn a_deployment_is_waited_for_and_its_trouble_told() {
    let rolled_out = json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1});
    let server = Server::start(move |seen| match (seen.method.as_str(), seen.path.as_str(), seen.nth) {
        ("GET", ID, 0..=2) => Answer::Json(200, with_status(deployment(), json!({"observedGeneration": 1}))),
        ("GET", ID, 3) => Answer::Throttled(503),
        ("GET", ID, _) => Answer::Json(200, with_status(deployment(), rolled_out.clone())),
        ("GET", "/api/v1/namespaces/n/pods", _) => Answer::Json(200, pods()),
        _ => Answer::Json(201, with_status(deployment(), json!({}))),
    })
    .await;
    let told = Told::default();
    let observed = server.provider().execute(&create(), &told).await.unwrap().unwrap();
    assert_eq!(observed.object.value()["status"]["availableReplicas"], 1);
    assert_eq!(*told.statuses.lock().unwrap(), ["0/1 ready", "0/1 ready: ImagePullBackOff: no image for (sensitive)"]);
}

#[tokio::test]
async fn a_container_that_nothing_probes_must_go_on_running() {
    let rolled_out = json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1});
    let pod = |id: &str, state: Value| {
        json!({"metadata": {}, "items": [{
            "metadata": {"name": "d-1-a"}, "spec": {"containers": [{"name": "db"}]},
            "status": {"containerStatuses": [{"name": "db", "containerID": id, "restartCount": 0, "state": state}]},
        }]})
    };
    let server = Server::start(move |seen| match (seen.method.as_str(), seen.path.as_str(), seen.nth) {
        ("GET", "/api/v1/namespaces/n/pods", 0) => Answer::Json(200, pod("first", json!({"running": {}}))),
        ("GET", "/api/v1/namespaces/n/pods", 1..=5) => {
            Answer::Json(200, pod("first", json!({"terminated": {"exitCode": 3, "reason": "Error"}})))
        }
        ("GET", "/api/v1/namespaces/n/pods", _) => Answer::Json(200, pod("second", json!({"running": {}}))),
        ("GET", "/api/v1/namespaces/n/events", _) => Answer::Json(200, json!({"metadata": {}, "items": []})),
        _ => Answer::Json(200, with_status(deployment(), rolled_out.clone())),
    })
    .await;
    let told = Told::default();
    server.provider().execute(&create(), &told).await.unwrap().unwrap();
    assert!(server.count("GET /api/v1/namespaces/n/pods") > 6);
    let told = told.statuses.lock().unwrap().join("; ");
    assert!(
        told.starts_with("its containers have only just started: Error: container db ended with exit code 3"),
        "{told}"
    );
}

#[tokio::test]
async fn a_timeout_says_what_was_last_seen() {
    let status = json!({"observedGeneration": 1, "conditions": [
        {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "message": "no minimum"},
        {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}
    ]});
    let server = Server::start(move |seen| match (seen.method.as_str(), seen.path.as_str(), seen.nth) {
        ("GET", "/api/v1/namespaces/n/pods", _) => Answer::Json(200, pods()),
        ("GET", "/api/v1/namespaces/n/pods/d-1-a/log", _) => Answer::not_found("pods", "d-1-a"),
        ("GET", "/api/v1/namespaces/n/events", _) => Answer::Json(200, events()),
        _ => Answer::Json(200, with_status(deployment(), status.clone())),
    })
    .await;
    let short = Operation { timeout: Duration::from_millis(200), ..create() };
    let error = server.provider().execute(&short, &Told::default()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotReady);
    let lines: Vec<&str> = error.message.lines().map(str::trim).collect();
    assert!(lines[0].starts_with("Deployment \"d\" in Namespace \"n\" is not ready in time: 0/1 ready"), "{error}");
    assert_eq!(
        lines[1..],
        [
            "condition Available=False: MinimumReplicasUnavailable no minimum",
            "container db of Pod d-1-a: ImagePullBackOff: no image for (sensitive), 2 restarts",
            "event Failed: Error: ErrImagePull",
        ]
    );
}

/// The error of a container that failed, whose logs are these: by whether the run before is meant, and how often it was asked.
async fn failed_with_logs(log: impl Fn(bool, usize) -> &'static str + Send + Sync + 'static) -> String {
    let server = Server::start(move |seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/api/v1/namespaces/n/pods") => Answer::Json(200, pods()),
        ("GET", "/api/v1/namespaces/n/pods/d-1-a/log") => {
            Answer::Text(200, log(seen.query["previous"] == "true", seen.nth))
        }
        ("GET", "/api/v1/namespaces/n/events") => Answer::Json(200, events()),
        _ => Answer::Json(200, with_status(deployment(), json!({"observedGeneration": 1}))),
    })
    .await;
    let short = Operation { timeout: Duration::from_millis(200), ..create() };
    server.provider().execute(&short, &Told::default()).await.unwrap_err().message
}

const NO_FILE: &str = "failed to try resolving symlinks in path \"/6.log\": lstat /6.log: no such file";
const REMOVED: &str = "unable to retrieve container logs for containerd://6f1e";

#[tokio::test]
async fn a_container_without_a_log_yet_said_what_the_one_before_it_said() {
    for none in [NO_FILE, ""] {
        let error = failed_with_logs(move |previous, _| if previous { none } else { "no configuration\n" }).await;
        assert!(error.contains("db said: no configuration"), "{error}");
        assert!(!error.contains("symlinks"), "{error}");
    }
}

#[tokio::test]
async fn a_log_that_is_not_there_at_the_moment_is_asked_for_again() {
    let error = failed_with_logs(|previous, nth| match (previous, nth) {
        (true, 2) => "no configuration\n",
        (true, _) => REMOVED,
        (false, _) => NO_FILE,
    })
    .await;
    assert!(error.contains("db said: no configuration"), "{error}");
    let error = failed_with_logs(|_, _| REMOVED).await;
    assert!(!error.contains("said"), "{error}");
}

#[tokio::test]
async fn what_no_waiting_makes_ends_the_wait() {
    let pods = json!({"kind": "PodList", "items": [{"metadata": {"name": "d-1-a"}, "status": {"containerStatuses": [
        {"name": "db", "ready": false, "state": {"waiting": {"reason": "ContainerCreating"}}}
    ]}}]});
    let events = json!({"kind": "EventList", "items": [{
        "involvedObject": {"name": "d-1-a"}, "type": "Warning", "reason": "FailedMount",
        "message": "MountVolume.SetUp failed for volume \"sec-a\" : secret \"theirs\" not found"
    }]});
    let server = Server::start(move |seen| match (seen.method.as_str(), seen.path.as_str(), seen.nth) {
        ("GET", "/api/v1/namespaces/n/pods", _) => Answer::Json(200, pods.clone()),
        ("GET", "/api/v1/namespaces/n/events", _) => Answer::Json(200, events.clone()),
        _ => Answer::Json(200, with_status(deployment(), json!({"observedGeneration": 1}))),
    })
    .await;
    let long = Operation { timeout: Duration::from_secs(3600), ..create() };
    let error = server.provider().execute(&long, &Told::default()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotReady);
    let first = error.message.lines().next().unwrap();
    assert!(
        first.contains("is not ready: 0/1 ready: FailedMount: ") && first.contains("secret \"theirs\" not found"),
        "{first}"
    );
    assert_eq!(error.hint.unwrap(), "make what is missing in Namespace n, or correct its name; then run again");
}

#[tokio::test]
async fn after_the_apply_no_failure_says_that_nothing_happened() {
    let server = Server::start(|seen| match (seen.method.as_str(), seen.nth) {
        ("GET", _) => Answer::forbidden("get"),
        _ => Answer::Json(201, with_status(deployment(), json!({}))),
    })
    .await;
    let short = Operation { timeout: Duration::from_millis(500), ..create() };
    let error = server.provider().execute(&short, &Told::default()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotReady);
    assert!(error.message.contains("cannot get resource"), "{error}");
}

#[tokio::test]
async fn an_object_that_is_deleted_meanwhile_is_a_conflict() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "GET" => Answer::not_found("deployments", "d"),
        _ => Answer::Json(201, with_status(deployment(), json!({}))),
    })
    .await;
    let error = server.provider().execute(&create(), &Told::default()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
}

#[tokio::test]
async fn without_waiting_the_apply_is_the_end() {
    let server = Server::start(|_| Answer::Json(201, with_status(deployment(), json!({})))).await;
    let operation = Operation { wait: false, ..create() };
    server.provider().execute(&operation, &Told::default()).await.unwrap().unwrap();
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn a_claim_that_waits_for_its_first_pod_is_not_waited_for() {
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c", "namespace": "n"},
        "spec": {"storageClassName": "managed-csi"}
    });
    let id = "/api/v1/namespaces/n/persistentvolumeclaims/c";
    let desired = claim.clone();
    let server = Server::start(move |seen| match (seen.path.as_str(), seen.method.as_str(), seen.nth) {
        ("/apis/storage.k8s.io/v1/storageclasses/managed-csi", ..) => {
            Answer::Json(200, json!({"volumeBindingMode": "WaitForFirstConsumer"}))
        }
        _ => Answer::Json(200, with_status(claim.clone(), json!({"phase": "Pending"}))),
    })
    .await;
    let create = operation(target(&CLAIM, id), Change::Create { desired });
    let observed = server.provider().execute(&create, &Told::default()).await.unwrap().unwrap();
    assert_eq!(observed.object.value()["status"]["phase"], "Pending");
}

#[tokio::test]
async fn who_wants_to_wait_no_longer_is_told_how_far_it_has_come() {
    let server = Server::start(move |seen| match (seen.method.as_str(), seen.path.as_str(), seen.nth) {
        ("PATCH", ..) => Answer::Json(201, with_status(deployment(), json!({}))),
        _ => Answer::Json(200, with_status(deployment(), json!({"observedGeneration": 1}))),
    })
    .await;
    let told = Told::default();
    told.stop.notify_one();
    let long = Operation { timeout: Duration::from_secs(3600), ..create() };
    let error = server.provider().execute(&long, &told).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotReady);
    assert!(error.message.ends_with("is not ready yet: 0/1 ready"), "{error}");
    assert_eq!(error.hint.unwrap(), "the next run goes on waiting");
}

#[tokio::test]
async fn who_wants_to_wait_no_longer_for_a_deletion_is_told_what_holds_it() {
    let server = Server::start(|_| {
        let mut object = live(config_map("a"));
        object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        object["metadata"]["finalizers"] = json!(["example.com/held"]);
        Answer::Json(200, object)
    })
    .await;
    let told = Told::default();
    told.stop.notify_one();
    let id = "/api/v1/namespaces/n/configmaps/a";
    let change = Change::Delete { uid: Some("uid-1".to_owned()) };
    let long = Operation { timeout: Duration::from_secs(3600), ..operation(target(&CONFIG_MAP, id), change) };
    let error = server.provider().execute(&long, &told).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotReady);
    assert!(error.message.ends_with("but not gone yet: held by the finalizer example.com/held"), "{error}");
    assert_eq!(server.count(&format!("DELETE {id}")), 0);
}

#[tokio::test]
async fn a_request_that_is_not_answered_in_time_may_have_arrived() {
    let id = "/api/v1/namespaces/n/configmaps/a";
    let server = Server::start(move |seen| match seen.method.as_str() {
        "GET" => Answer::not_found("configmaps", "a"),
        _ => Answer::Silent,
    })
    .await;
    let config = KubernetesConfig {
        request_timeout: Duration::from_millis(200),
        ..config(Arc::new(Fixed(server.kubeconfig())))
    };
    let change = Change::Create { desired: config_map("a") };
    let told = Told::default();
    let error =
        KubernetesProvider::new(config).execute(&operation(target(&CONFIG_MAP, id), change), &told).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Ambiguous, "{error}");
    assert!(error.message.contains("no answer within"), "{error}");
}
