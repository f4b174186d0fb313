use serde_json::{Value, json};

use super::*;
use crate::engine::provider::{ErrorClass, Observed, Provider as _};
use crate::engine::value::Path;

const ID: &str = "/api/v1/namespaces/n/configmaps/a";

fn create() -> Operation {
    operation(target(&CONFIG_MAP, ID), Change::Create { desired: config_map("a") })
}

fn update() -> Operation {
    operation(target(&CONFIG_MAP, ID), Change::Update { desired: config_map("a"), removed: Vec::new() })
}

fn delete(kind: &'static Kind, id: &str, uid: Option<&str>) -> Operation {
    operation(target(kind, id), Change::Delete { uid: uid.map(str::to_owned) })
}

async fn run(server: &Server, operation: &Operation) -> Result<Option<Observed>, ProviderError> {
    server.provider().execute(operation, &Told::default()).await
}

/// A server that holds `existing` (if any) under every name and answers an apply by `patched`.
async fn server(existing: Option<Value>, patched: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Server {
    Server::start(move |seen| match (seen.method.as_str(), &existing) {
        ("GET", Some(object)) => Answer::Json(200, object.clone()),
        ("GET", None) => Answer::not_found("configmaps", "a"),
        (_, Some(_)) if seen.body["metadata"]["resourceVersion"] == "1" => modified(),
        _ => patched(seen),
    })
    .await
}

/// What the API server says to a version that the object does not have.
fn modified() -> Answer {
    Answer::status(409, "Conflict", "the object has been modified; please apply your changes", json!({}))
}

fn accepted(seen: &Seen) -> Answer {
    Answer::Json(201, live(seen.body.clone()))
}

#[tokio::test]
async fn a_creation_carries_the_lineage_and_touches_nothing_that_is_there() {
    let server = server(None, accepted).await;
    let observed = run(&server, &create()).await.unwrap().unwrap();
    assert_eq!((observed.physical_id.as_str(), observed.uid.as_deref()), (ID, Some("uid-1")));
    let seen = server.seen().pop().unwrap();
    assert_eq!(
        seen.body["metadata"],
        json!({
            "name": "a", "namespace": "n", "annotations": {"kompox.dev/lineage": OURS}, "resourceVersion": "1",
        })
    );
    assert_eq!(seen.query.get("dryRun"), None);
    assert_eq!(seen.query["force"], "false");
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn what_is_not_ours_is_never_overwritten() {
    let mut foreign = config_map("a");
    foreign["metadata"]["uid"] = "uid-9".into();
    let mut theirs = foreign.clone();
    theirs["metadata"]["annotations"] = json!({"kompox.dev/lineage": "22222222"});
    let mut ending = live(config_map("a"));
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    let refused = [
        (Some(foreign.clone()), create(), "not managed by this state"),
        (Some(theirs.clone()), create(), "belongs to another state"),
        (Some(theirs), update(), "belongs to another state"),
        (Some(ending.clone()), create(), "is being deleted"),
        (Some(ending), update(), "is being deleted"),
        (None, update(), "does not exist any more"),
    ];
    for (existing, operation, text) in refused {
        let server = server(existing, |_| panic!("nothing that the server would take was sent")).await;
        let error = run(&server, &operation).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Conflict);
        assert!(error.message.contains(text), "{error}");
    }
    let server = server(Some(foreign.clone()), accepted).await;
    let error = run(&server, &create()).await.unwrap_err();
    assert!(error.hint.unwrap().contains("kompox import /ws/w/ConfigMap/a /api/v1/namespaces/n/configmaps/a"));
    // An imported object without the annotation is updated, and gets it.
    run(&server, &update()).await.unwrap();
    let body = server.seen().pop().unwrap().body;
    assert_eq!(body["metadata"]["annotations"]["kompox.dev/lineage"], OURS);
    assert_eq!(body["metadata"]["uid"], "uid-9");
}

#[tokio::test]
async fn a_creation_goes_on_where_an_earlier_try_of_ours_ended() {
    let server = server(Some(live(config_map("a"))), accepted).await;
    run(&server, &create()).await.unwrap();
    assert_eq!(server.seen().pop().unwrap().body["metadata"]["uid"], "uid-1");
}

#[tokio::test]
async fn a_server_that_minds_no_version_is_noticed() {
    let server = server(None, |seen| {
        let mut object = live(seen.body.clone());
        let managed = object["metadata"]["managedFields"].as_array_mut().unwrap();
        managed.push(json!({"manager": "helm", "operation": "Update", "fieldsV1": {"f:data": {"f:b": {}}}}));
        Answer::Json(200, object)
    })
    .await;
    let error = run(&server, &create()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Ambiguous);
    assert!(error.message.contains("\"helm\""), "{error}");
}

#[tokio::test]
async fn what_was_there_for_a_moment_is_a_conflict() {
    let server = server(None, |_| modified()).await;
    let error = run(&server, &create()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert_eq!(server.lines().len(), 2, "it is not tried again and again");
}

#[tokio::test]
async fn conflicts_name_field_and_writer() {
    let causes = json!({"causes": [{
        "reason": "FieldManagerConflict", "field": ".data.a",
        "message": "conflict with \"kubectl-edit\" using v1"
    }]});
    let server = server(Some(live(config_map("a"))), move |seen| match seen.query["force"].as_str() {
        "true" => accepted(seen),
        _ => Answer::status(409, "Conflict", "Apply failed with 1 conflict", causes.clone()),
    })
    .await;
    let error = run(&server, &update()).await.unwrap_err();
    assert_eq!((error.class, error.code.as_deref()), (ErrorClass::Conflict, Some("Conflict")));
    assert!(error.message.ends_with("data.a is owned by \"kubectl-edit\""), "{error}");
    run(&server, &Operation { force: true, ..update() }).await.unwrap();
}

#[tokio::test]
async fn immutable_fields_are_named() {
    let causes = json!({"causes": [{
        "reason": "FieldValueInvalid", "field": "immutable",
        "message": "Forbidden: field is immutable when `immutable` is set"
    }]});
    let server = server(Some(live(config_map("a"))), move |_| {
        Answer::status(422, "Invalid", "ConfigMap \"a\" is invalid", causes.clone())
    })
    .await;
    let error = run(&server, &update()).await.unwrap_err();
    assert_eq!((error.class, error.status), (ErrorClass::Rejected, Some(422)));
    assert!(error.message.contains("immutable: Forbidden: field is immutable"), "{error}");
    assert!(error.hint.unwrap().contains("--replace"));
}

#[tokio::test]
async fn an_object_that_was_replaced_after_our_look_is_a_conflict() {
    let causes = json!({"causes": [{
        "reason": "FieldValueInvalid", "field": "metadata.uid",
        "message": "Invalid value: \"uid-1\": field is immutable"
    }]});
    let server = server(Some(live(config_map("a"))), move |_| {
        Answer::status(422, "Invalid", "ConfigMap \"a\" is invalid", causes.clone())
    })
    .await;
    assert_eq!(run(&server, &update()).await.unwrap_err().class, ErrorClass::Conflict);
}

#[tokio::test]
async fn errors_never_quote_secrets() {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"},
        "data": {"password": "aHVudGVyMi1zZWNyZXQ="}, "stringData": {"token": "hunter3-secret"}
    });
    let quote = "aHVudGVyMi1zZWNyZXQ= hunter2-secret hunter3-secret";
    let workload = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "n"},
        "spec": {"template": {"spec": {"containers": [{
            "name": "c", "env": [{"name": "A", "value": "hunter2-secret"}], "args": ["hunter3-secret"]
        }]}}}
    });
    let cause = |field: &str| json!({"causes": [{"reason": "FieldValueInvalid", "field": field, "message": quote}]});
    let answers = [
        (422, cause("data[password]")),
        (422, cause("spec.template.spec.containers[0].env[0].value")),
        (422, cause("metadata.name")),
        (422, json!({})),
        (400, json!({})),
        (403, json!({})),
        (500, json!({})),
    ];
    let targets = [
        (target(&SECRET, "/api/v1/namespaces/n/secrets/s"), secret),
        (target(&DEPLOYMENT, "/apis/apps/v1/namespaces/n/deployments/d"), workload),
    ];
    for (status, details) in answers {
        for (target, desired) in targets.clone() {
            let details = details.clone();
            let server = server(None, move |_| Answer::status(status, "Invalid", quote, details.clone())).await;
            let told = Told::default();
            let operation = operation(target.clone(), Change::Create { desired: desired.clone() });
            let error = server.provider().execute(&operation, &told).await.unwrap_err();
            let preview = server.provider().preview(&target, &desired, false).await.unwrap_err();
            let all = format!("{error:?} {preview:?} {:?}", told.retries.lock().unwrap());
            for hidden in ["hunter", "aHVudGVy"] {
                assert!(!all.contains(hidden), "{status} {all}");
            }
        }
    }
}

#[tokio::test]
async fn a_lost_answer_is_asked_again_and_told() {
    let server = server(Some(live(config_map("a"))), |seen| match seen.nth {
        0 => Answer::Reset,
        1 => Answer::Throttled(503),
        2 => modified(),
        _ => accepted(seen),
    })
    .await;
    let told = Told::default();
    server.provider().execute(&update(), &told).await.unwrap();
    assert_eq!(told.retries.lock().unwrap().len(), 3);
    assert_eq!(told.retries.lock().unwrap()[1], "503");
}

#[tokio::test]
async fn only_what_certainly_did_nothing_is_called_so() {
    type Script = fn(&Seen) -> Answer;
    let cases: [(Script, ErrorClass); 5] = [
        (|_| Answer::Reset, ErrorClass::Ambiguous),
        (|_| Answer::Throttled(500), ErrorClass::Ambiguous),
        (|_| Answer::Throttled(429), ErrorClass::Rejected),
        (|_| Answer::forbidden("patch"), ErrorClass::Denied),
        (|seen| if seen.nth == 0 { Answer::Reset } else { Answer::forbidden("patch") }, ErrorClass::Ambiguous),
    ];
    for (answer, class) in cases {
        let server = server(None, answer).await;
        assert_eq!(run(&server, &create()).await.unwrap_err().class, class);
    }
}

/// What kube-apiserver 1.36 answers to objects that it cannot read.
#[tokio::test]
async fn an_object_of_wrong_types_is_not_sent_again() {
    for message in [
        "failed to create typed patch object (n/a; /v1, Kind=ConfigMap): .data.k: expected string, got 1",
        "failed to convert new object to proper version: error decoding from json: illegal base64 data at input byte 3",
    ] {
        let server = server(None, move |_| Answer::status(500, "", message, json!({}))).await;
        let error = run(&server, &create()).await.unwrap_err();
        assert_eq!((error.class, error.status), (ErrorClass::Rejected, Some(500)));
        assert_eq!(server.count(&format!("PATCH {ID}")), 1);
    }
}

#[tokio::test]
async fn a_field_that_somebody_else_sets_too_is_told_to_stay() {
    let server = server(Some(live(config_map("a"))), |seen| {
        let mut object = live(seen.body.clone());
        let managed = object["metadata"]["managedFields"].as_array_mut().unwrap();
        managed.push(json!({"manager": "kompoxops", "operation": "Update", "fieldsV1": {"f:data": {"f:b": {}}}}));
        Answer::Json(200, object)
    })
    .await;
    let removed = vec![Path::root().key("data").key("b")];
    let told = Told::default();
    let update = operation(target(&CONFIG_MAP, ID), Change::Update { desired: config_map("a"), removed });
    server.provider().execute(&update, &told).await.unwrap();
    assert_eq!(*told.statuses.lock().unwrap(), ["data.b stays: \"kompoxops\" sets it too"]);
}

#[tokio::test]
async fn an_object_is_sent_only_where_it_was_reviewed() {
    let server = server(None, accepted).await;
    let elsewhere = operation(target(&CONFIG_MAP, ID), Change::Create { desired: config_map("b") });
    assert_eq!(run(&server, &elsewhere).await.unwrap_err().class, ErrorClass::Rejected);
    let mut desired = config_map("a");
    desired["metadata"]["annotations"] = json!({"kompox.dev/lineage": "22222222"});
    let planned_elsewhere = operation(target(&CONFIG_MAP, ID), Change::Create { desired });
    assert_eq!(run(&server, &planned_elsewhere).await.unwrap_err().class, ErrorClass::Rejected);
    assert_eq!(server.count(&format!("PATCH {ID}")), 0);
}

#[tokio::test]
async fn a_deletion_is_bound_to_its_uid_and_done_when_the_object_is_gone() {
    let server = Server::start(|seen| match (seen.method.as_str(), seen.nth) {
        ("GET", 0) => Answer::Json(200, live(config_map("a"))),
        ("GET", 1..=3) => {
            let mut object = live(config_map("a"));
            object["metadata"]["finalizers"] = json!(["example.com/hold"]);
            Answer::Json(200, object)
        }
        ("GET", _) => Answer::not_found("configmaps", "a"),
        // The first try takes effect, but its answer is lost.
        (_, 0) => Answer::Reset,
        _ => Answer::not_found("configmaps", "a"),
    })
    .await;
    let told = Told::default();
    let gone = server.provider().execute(&delete(&CONFIG_MAP, ID, Some("uid-1")), &told).await.unwrap();
    assert!(gone.is_none());
    let sent = server.seen().into_iter().find(|seen| seen.method == "DELETE").unwrap();
    assert_eq!(sent.body["preconditions"]["uid"], "uid-1");
    assert_eq!(sent.body["propagationPolicy"], "Background");
    assert!(told.statuses.lock().unwrap()[0].contains("example.com/hold"));
}

#[tokio::test]
async fn what_is_gone_already_is_deleted() {
    let server = server(None, accepted).await;
    assert!(run(&server, &delete(&CONFIG_MAP, ID, Some("uid-1"))).await.unwrap().is_none());
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn only_the_reviewed_object_of_our_state_is_deleted() {
    let mut theirs = live(config_map("a"));
    theirs["metadata"]["annotations"]["kompox.dev/lineage"] = "22222222".into();
    let mut unmarked = live(config_map("a"));
    unmarked["metadata"]["annotations"] = json!({});
    for (object, uid) in [(live(config_map("a")), Some("uid-2")), (theirs, Some("uid-1")), (unmarked, Some("uid-1"))] {
        let server = server(Some(object), accepted).await;
        let error = run(&server, &delete(&CONFIG_MAP, ID, uid)).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Conflict);
        assert_eq!(server.count(&format!("DELETE {ID}")), 0);
    }
    // Replaced between our look and our request: the server refuses by the precondition.
    let server = Server::start(|seen| match (seen.method.as_str(), seen.nth) {
        ("GET", 0) => Answer::Json(200, live(config_map("a"))),
        ("GET", _) => {
            let mut object = live(config_map("a"));
            object["metadata"]["uid"] = "uid-2".into();
            Answer::Json(200, object)
        }
        _ => Answer::status(409, "Conflict", "Precondition failed: UID in precondition: uid-1", json!({})),
    })
    .await;
    let error = run(&server, &delete(&CONFIG_MAP, ID, None)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
}

#[tokio::test]
async fn a_deletion_that_is_held_says_by_what() {
    let namespace = json!({
        "metadata": {"name": "n", "uid": "uid-1", "deletionTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"kompox.dev/lineage": OURS}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Terminating", "conditions": [
            {"type": "NamespaceContentRemaining", "status": "True", "reason": "SomeResourcesRemain",
             "message": "persistentvolumeclaims. has 1 resource instances"},
            {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "reason": "ResourcesDiscovered"}
        ]}
    });
    let server = server(Some(namespace), accepted).await;
    let mut operation = delete(&NAMESPACE, "/api/v1/namespaces/n", Some("uid-1"));
    operation.timeout = Duration::from_millis(20);
    let error = run(&server, &operation).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotReady);
    assert!(error.message.contains("held by the finalizer kubernetes"), "{error}");
    assert!(error.message.contains("persistentvolumeclaims. has 1 resource instances"), "{error}");
    assert!(!error.message.contains("ResourcesDiscovered"), "{error}");
    assert_eq!(server.count("DELETE /api/v1/namespaces/n"), 0, "it was being deleted already");
}

#[tokio::test]
async fn a_deployment_is_gone_when_its_pods_are() {
    let id = "/apis/apps/v1/namespaces/n/deployments/d";
    let server = Server::start(|seen| match (seen.method.as_str(), seen.path.as_str(), seen.nth) {
        ("GET", "/api/v1/namespaces/n/pods", nth) => {
            let of = |owner: &str| json!({"metadata": {"ownerReferences": [{"kind": "ReplicaSet", "name": owner}]}});
            let mut pods = vec![of("d-x-5d4f"), of("e-5d4f"), json!({"metadata": {"name": "bare"}})];
            if nth < 2 {
                pods.push(of("d-5d4f"));
            }
            Answer::Json(200, json!({"metadata": {}, "items": pods}))
        }
        ("GET", _, 0) => Answer::Json(
            200,
            json!({"metadata": {"name": "d", "uid": "u", "annotations": {"kompox.dev/lineage": OURS}},
                "spec": {"selector": {"matchLabels": {"app": "d"}}}}),
        ),
        ("GET", ..) => Answer::not_found("deployments", "d"),
        _ => Answer::Json(200, json!({"kind": "Status", "status": "Success"})),
    })
    .await;
    let told = Told::default();
    server.provider().execute(&delete(&DEPLOYMENT, id, Some("u")), &told).await.unwrap();
    assert_eq!(*told.statuses.lock().unwrap(), ["its Pod still runs"; 2]);
    let seen = server.seen();
    let sent = seen.iter().find(|seen| seen.method == "DELETE").unwrap();
    assert_eq!(sent.body["propagationPolicy"], "Foreground");
    let pods = seen.iter().find(|seen| seen.path.ends_with("/pods")).unwrap();
    assert_eq!(pods.query["labelSelector"], "app=d");
}

/// Somebody deleted the Deployment and left its Pods to end by themselves, or to run on.
#[tokio::test]
async fn the_pods_of_a_deployment_that_is_gone_already_are_waited_for() {
    let server = Server::start(|seen| match (seen.path.as_str(), seen.nth) {
        ("/api/v1/namespaces/n/pods", nth) => {
            let pod = |phase: &str| {
                let owners = json!([{"kind": "ReplicaSet", "name": "d-5d4f"}]);
                json!({"metadata": {"ownerReferences": owners}, "status": {"phase": phase}})
            };
            let mut pods = vec![pod("Failed")];
            pods.extend((nth < 2).then(|| pod("Running")));
            Answer::Json(200, json!({"metadata": {}, "items": pods}))
        }
        _ => Answer::not_found("deployments", "d"),
    })
    .await;
    let told = Told::default();
    let id = "/apis/apps/v1/namespaces/n/deployments/d";
    server.provider().execute(&delete(&DEPLOYMENT, id, Some("u")), &told).await.unwrap();
    assert_eq!(*told.statuses.lock().unwrap(), ["its Pod still runs"; 2]);
    assert_eq!(server.count(&format!("DELETE {id}")), 0);
}

#[tokio::test]
async fn the_pods_of_a_job_are_waited_for() {
    static JOB: Kind = Kind::plain("Job");
    let server = Server::start(|seen| match (seen.path.as_str(), seen.nth) {
        ("/api/v1/namespaces/n/pods", nth) => {
            let pod = |kind: &str, name: &str| json!({"metadata": {"ownerReferences": [{"kind": kind, "name": name}]}});
            let mut pods = vec![pod("Job", "j-other"), pod("ReplicaSet", "j")];
            pods.extend((nth < 2).then(|| pod("Job", "j")));
            Answer::Json(200, json!({"metadata": {}, "items": pods}))
        }
        _ => Answer::not_found("jobs", "j"),
    })
    .await;
    let told = Told::default();
    let id = "/apis/batch/v1/namespaces/n/jobs/j";
    server.provider().execute(&delete(&JOB, id, Some("u")), &told).await.unwrap();
    assert_eq!(*told.statuses.lock().unwrap(), ["its Pod still runs"; 2]);
}

#[tokio::test]
async fn a_deployment_whose_pods_cannot_be_seen_is_not_known_to_be_gone() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/api/v1/namespaces/n/pods" => Answer::forbidden("list"),
        _ => Answer::not_found("deployments", "d"),
    })
    .await;
    let error = run(&server, &delete(&DEPLOYMENT, "/apis/apps/v1/namespaces/n/deployments/d", None)).await.unwrap_err();
    assert!(error.message.contains("nobody knows whether they ended"), "{error}");
    assert!(error.hint.unwrap().contains("right to list Pods"));
}

/// A claim on a volume that `policy` and `mark` are of; what the volume is after a patch, `patched` says.
async fn claimed(policy: &'static str, mark: &'static str, obeys: bool) -> Server {
    Server::start(move |seen| {
        let live = |policy: &str| {
            json!({"apiVersion": "v1", "kind": "PersistentVolume",
                "metadata": {"name": "v", "uid": "uid-v", "resourceVersion": "7", "annotations": {"kompox.dev/lineage": mark}},
                "spec": {"persistentVolumeReclaimPolicy": policy, "csi": {"volumeHandle": "/disks/d"}}})
        };
        match (seen.method.as_str(), seen.path.as_str(), seen.nth) {
            ("GET", "/api/v1/persistentvolumes/v", 0) => Answer::Json(200, live(policy)),
            ("GET" | "PATCH", "/api/v1/persistentvolumes/v", _) => {
                Answer::Json(200, live(if obeys { "Retain" } else { policy }))
            }
            ("GET", _, 0) => Answer::Json(
                200,
                json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                    "metadata": {"name": "c", "namespace": "n", "uid": "uid-1", "annotations": {"kompox.dev/lineage": OURS}},
                    "spec": {"volumeName": "v"}}),
            ),
            ("GET", ..) => Answer::not_found("persistentvolumeclaims", "c"),
            _ => Answer::Json(200, json!({"kind": "Status", "status": "Success"})),
        }
    })
    .await
}

#[tokio::test]
async fn a_claim_goes_only_when_the_disk_below_it_stays() {
    static CLAIM: Kind = Kind::plain("PersistentVolumeClaim");
    let id = "/api/v1/namespaces/n/persistentvolumeclaims/c";
    let removal = || delete(&CLAIM, id, Some("uid-1"));
    let (patch, gone) = ("PATCH /api/v1/persistentvolumes/v", format!("DELETE {id}"));
    for (policy, patches) in [("Retain", 0), ("Delete", 1), ("Recycle", 1)] {
        let server = claimed(policy, OURS, true).await;
        assert!(run(&server, &removal()).await.unwrap().is_none());
        assert_eq!((server.count(patch), server.count(&gone)), (patches, 1), "{policy}");
        let sent = server.seen().into_iter().find(|seen| seen.method == "PATCH");
        if let Some(sent) = sent {
            assert_eq!(sent.body["spec"], json!({"persistentVolumeReclaimPolicy": "Retain"}));
            assert_eq!(sent.body["metadata"], json!({"resourceVersion": "7", "uid": "uid-v"}));
        }
    }
    // Somebody else's volume, and one whose policy does not stay.
    for (mark, obeys, patches) in [("22222222", true, 0), (OURS, false, 1)] {
        let server = claimed("Delete", mark, obeys).await;
        let error = run(&server, &removal()).await.unwrap_err();
        assert!(error.message.contains("/disks/d would be deleted with it"), "{error}");
        assert!(error.hint.unwrap().starts_with("kubectl patch pv v -p "));
        assert_eq!((server.count(patch), server.count(&gone)), (patches, 0));
    }
}
