use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::*;
use crate::engine::provider::{ErrorClass, Observation, Observed, Preview, Provider as _, Transition};
use crate::engine::value::Path;

static PROVIDER_CLASS: Kind = Kind::plain("SecretProviderClass");

fn found(observation: &Observation) -> &Observed {
    match observation {
        Observation::Found(observed) => observed,
        other => panic!("{other:?}"),
    }
}

fn failed(observation: &Observation) -> &ProviderError {
    match observation {
        Observation::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn many_objects_of_a_kind_are_one_list_and_the_rest_single_reads() {
    let server = Server::start(|seen| match (seen.path.as_str(), seen.query.get("continue").map(String::as_str)) {
        ("/api/v1/configmaps", None) => Answer::Json(
            200,
            json!({"kind": "ConfigMapList", "metadata": {"continue": "page=2&"},
                   "items": [live(config_map("a")), live(config_map("not-asked"))]}),
        ),
        ("/api/v1/configmaps", Some("page=2&")) => {
            let mut ending = live(config_map("b"));
            ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
            Answer::Json(200, json!({"kind": "ConfigMapList", "metadata": {}, "items": [ending]}))
        }
        ("/api/v1/namespaces/n", _) => Answer::Json(200, json!({"metadata": {"name": "n", "uid": "u"}})),
        ("/api/v1/namespaces/n/configmaps/unlabelled", _) => Answer::Json(200, config_map("unlabelled")),
        ("/api/v1/namespaces/n/secrets/s", _) => Answer::not_found("secrets", "s"),
        _ => Answer::not_found("configmaps", "gone"),
    })
    .await;
    let id = |name: &str| format!("/api/v1/namespaces/n/configmaps/{name}");
    let targets = [
        target(&CONFIG_MAP, &id("b")),
        target(&SECRET, "/api/v1/namespaces/n/secrets/s"),
        target(&CONFIG_MAP, &id("unlabelled")),
        target(&CONFIG_MAP, &id("a")),
        target(&CONFIG_MAP, &id("gone")),
        target(&CONFIG_MAP, &id("a")),
    ];
    let answers = server.provider().read(&targets).await;

    let a = found(&answers[3]);
    assert_eq!((a.physical_id.as_str(), a.uid.as_deref()), (id("a").as_str(), Some("uid-1")));
    assert_eq!((a.lineage.as_deref(), a.transition), (Some(OURS), None));
    assert_eq!(a.object.value()["kind"], "ConfigMap");
    assert_eq!(a.object.value()["apiVersion"], "v1");
    assert_eq!(a.object.value().pointer("/metadata/managedFields"), None);
    assert_eq!(a.writers.read()[0].name, "kompox-converter");
    assert_eq!(a.writers.read()[0].paths, [Path::root().key("data").key("a")]);
    assert_eq!(found(&answers[5]).object, a.object);
    assert_eq!(found(&answers[0]).transition, Some(Transition::Deleting));
    assert_eq!(found(&answers[2]).lineage, None);
    assert!(matches!(answers[1], Observation::Missing));
    assert!(matches!(answers[4], Observation::Missing));

    assert_eq!(server.count("GET /api/v1/configmaps"), 2, "two pages");
    assert_eq!(server.lines().len(), 6, "{:?}", server.lines());
    let list = &server.seen()[0];
    assert_eq!(list.query["labelSelector"], "app.kubernetes.io/managed-by=kompox");
    assert_eq!(list.query["limit"], "500");
    assert_eq!(list.headers["authorization"], "Bearer kubeconfig-token");
}

#[tokio::test]
async fn a_missing_namespace_is_asked_for_once() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/api/v1/configmaps" => Answer::Json(200, json!({"metadata": {}, "items": []})),
        _ => Answer::not_found("namespaces", "n"),
    })
    .await;
    let targets: Vec<_> =
        (0..50).map(|n| target(&CONFIG_MAP, &format!("/api/v1/namespaces/n/configmaps/c{n}"))).collect();
    let answers = server.provider().read(&targets).await;
    assert!(answers.iter().all(|answer| matches!(answer, Observation::Missing)));
    assert_eq!(server.lines(), ["GET /api/v1/configmaps", "GET /api/v1/namespaces/n"]);
}

#[tokio::test]
async fn who_may_not_list_reads_by_name() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/api/v1/secrets" => Answer::forbidden("list"),
        "/api/v1/namespaces/n/secrets/a" => Answer::Json(200, json!({"metadata": {"name": "a", "uid": "u"}})),
        "/api/v1/namespaces/n/secrets/b" => Answer::forbidden("get"),
        _ => Answer::forbidden("get"),
    })
    .await;
    let targets = ["a", "b"].map(|name| target(&SECRET, &format!("/api/v1/namespaces/n/secrets/{name}")));
    let answers = server.provider().read(&targets).await;
    assert_eq!(found(&answers[0]).uid.as_deref(), Some("u"));
    let error = failed(&answers[1]);
    assert_eq!((error.class, error.status), (ErrorClass::Denied, Some(403)));
    assert_eq!(error.request_id.as_deref(), Some("audit-7"));
    assert!(error.message.contains("cannot get resource"), "{error}");
}

#[tokio::test]
async fn a_kind_that_is_not_served_is_not_missing() {
    let server = Server::start(|_| Answer::Text(404, "404 page not found\n")).await;
    let group = "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/n/secretproviderclasses";
    let provider = server.provider();
    let many = ["a", "b"].map(|name| target(&PROVIDER_CLASS, &format!("{group}/{name}")));
    for wanted in [&many[..], &many[..1]] {
        for answer in provider.read(wanted).await {
            let Observation::NotYet(reason) = answer else { panic!("{answer:?}") };
            assert!(reason.contains("does not serve SecretProviderClass"), "{reason}");
        }
    }
    // A server without ConfigMaps is no API server: concluding "missing" would make everything anew.
    let wrong = ["a", "b"].map(|name| target(&CONFIG_MAP, &format!("/api/v1/namespaces/n/configmaps/{name}")));
    for wanted in [&wrong[..], &wrong[..1]] {
        for answer in provider.read(wanted).await {
            assert!(failed(&answer).message.contains("does not answer as a Kubernetes API server"));
        }
    }
}

#[tokio::test]
async fn a_cluster_that_does_not_exist_yet_is_found_once_it_does() {
    let server = Server::start(|_| Answer::Json(200, live(config_map("a")))).await;
    let connector = Arc::new(Later::default());
    let provider = KubernetesProvider::new(config(connector.clone()));
    let target = target(&CONFIG_MAP, "/api/v1/namespaces/n/configmaps/a");
    let answers = provider.read(std::slice::from_ref(&target)).await;
    assert!(matches!(&answers[0], Observation::NotYet(reason) if reason.contains("does not exist yet")));
    let preview = provider.preview(&target, &config_map("a"), false).await.unwrap();
    assert!(matches!(preview, Preview::Unconfirmed(_)));
    let create = operation(target.clone(), Change::Create { desired: config_map("a") });
    let error = provider.execute(&create, &Told::default()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Rejected);

    *connector.kubeconfig.lock().unwrap() = Some(server.kubeconfig());
    for _ in 0..2 {
        found(&provider.read(std::slice::from_ref(&target)).await[0]);
    }
    assert_eq!(connector.asked.load(Ordering::Relaxed), 4, "connected once");
}

#[tokio::test]
async fn a_missing_cluster_is_asked_for_once_per_batch() {
    let connector = Arc::new(Later::default());
    let provider = KubernetesProvider::new(config(connector.clone()));
    let targets: Vec<_> =
        (0..50).map(|n| target(&CONFIG_MAP, &format!("/api/v1/namespaces/n{n}/configmaps/c"))).collect();
    let answers = provider.read(&targets).await;
    assert!(answers.iter().all(|answer| matches!(answer, Observation::NotYet(_))));
    assert_eq!(connector.asked.load(Ordering::Relaxed), 1);
}

/// rustls panics when it finds two cryptography providers and was told of none.
#[tokio::test]
async fn https_is_spoken() {
    let server = Server::start(|_| Answer::Json(200, json!({}))).await;
    let mut kubeconfig: Value = serde_json::from_str(&kubeconfig(&server.url.replace("http:", "https:"))).unwrap();
    kubeconfig["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = true.into();
    let provider = KubernetesProvider::new(config(Arc::new(Fixed(kubeconfig.to_string()))));
    let answers = provider.read(&[target(&CONFIG_MAP, "/api/v1/namespaces/n/configmaps/a")]).await;
    assert!(failed(&answers[0]).message.contains("did not answer"), "{answers:?}");
    assert!(server.lines().is_empty());
}

#[tokio::test]
async fn refused_credentials_are_fetched_again_once() {
    let server = Server::start(|seen| match seen.nth {
        0 => Answer::status(401, "Unauthorized", "Unauthorized", json!({})),
        _ => Answer::Json(200, live(config_map("a"))),
    })
    .await;
    let connector = Arc::new(Later::default());
    *connector.kubeconfig.lock().unwrap() = Some(server.kubeconfig());
    let provider = KubernetesProvider::new(config(connector.clone()));
    let target = target(&CONFIG_MAP, "/api/v1/namespaces/n/configmaps/a");
    found(&provider.read(&[target]).await[0]);
    assert_eq!(connector.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn nonsense_for_a_kubeconfig_is_refused_without_quoting_it() {
    for text in ["hunter2-not-yaml: [", "{}", "apiVersion: v1\nkind: Config\ntoken: hunter2"] {
        let provider = KubernetesProvider::new(config(Arc::new(Fixed(text.to_owned()))));
        let answers = provider.read(&[target(&CONFIG_MAP, "/api/v1/namespaces/n/configmaps/a")]).await;
        let error = failed(&answers[0]);
        assert_eq!(error.class, ErrorClass::Denied);
        assert!(!error.message.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn transient_answers_heal() {
    let server = Server::start(|seen| match seen.nth {
        0 => Answer::Throttled(429),
        1 => Answer::Reset,
        2 => Answer::CutOff,
        _ => Answer::Json(200, live(config_map("a"))),
    })
    .await;
    let targets = [target(&CONFIG_MAP, "/api/v1/namespaces/n/configmaps/a")];
    found(&server.provider().read(&targets).await[0]);
    assert_eq!(server.lines().len(), 4);
}

#[tokio::test]
async fn a_server_that_stays_away_is_a_failure_not_a_missing_object() {
    let server = Server::start(|_| Answer::Throttled(503)).await;
    let targets = ["a", "b"].map(|name| target(&CONFIG_MAP, &format!("/api/v1/namespaces/n/configmaps/{name}")));
    for answer in server.provider().read(&targets).await {
        assert_eq!(failed(&answer).status, Some(503));
    }
    assert_eq!(server.lines().len(), 4, "the list and three retries, no single reads");

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let provider = KubernetesProvider::new(config(Arc::new(Fixed(kubeconfig(&url)))));
    let answers = provider.read(&targets[..1]).await;
    assert_eq!(failed(&answers[0]).class, ErrorClass::Rejected);
    assert!(failed(&answers[0]).message.contains("4 tries"), "{}", failed(&answers[0]));
}

#[tokio::test]
async fn an_expired_list_begins_again() {
    let server = Server::start(|seen| match (seen.query.contains_key("continue"), seen.nth) {
        (true, 1) => Answer::status(410, "Expired", "the continue parameter is too old", json!({})),
        (false, 0) => Answer::Json(200, json!({"metadata": {"continue": "x"}, "items": []})),
        _ => Answer::Json(200, json!({"metadata": {}, "items": [live(config_map("a")), live(config_map("b"))]})),
    })
    .await;
    let targets = ["a", "b"].map(|name| target(&CONFIG_MAP, &format!("/api/v1/namespaces/n/configmaps/{name}")));
    server.provider().read(&targets).await.iter().for_each(|answer| {
        found(answer);
    });
    assert_eq!(server.count("GET /api/v1/configmaps"), 3);
}

#[tokio::test]
async fn previews_are_strict_dry_runs_in_our_name() {
    let server = Server::start(|seen| {
        let mut object = live(seen.body.clone());
        object["spec"] = json!({"defaulted": true});
        Answer::Json(200, object)
    })
    .await;
    let target = target(&CONFIG_MAP, "/api/v1/namespaces/n/configmaps/a");
    let preview = server.provider().preview(&target, &config_map("a"), true).await.unwrap();
    let Preview::Object(observed) = preview else { panic!("{preview:?}") };
    assert_eq!(observed.object.value()["spec"]["defaulted"], true);
    let seen = &server.seen()[0];
    assert_eq!(seen.line(), "PATCH /api/v1/namespaces/n/configmaps/a");
    assert_eq!(seen.headers["content-type"], "application/apply-patch+yaml");
    for (key, value) in
        [("dryRun", "All"), ("fieldManager", "kompox-converter"), ("force", "true"), ("fieldValidation", "Strict")]
    {
        assert_eq!(seen.query[key], value);
    }
}

#[tokio::test]
async fn a_preview_says_why_the_server_cannot() {
    let conflict = json!({"causes": [{
        "reason": "FieldManagerConflict", "field": ".spec.replicas",
        "message": "conflict with \"kubectl-edit\" using apps/v1 at 2026-01-01T00:00:00Z"
    }]});
    let terminating = json!({"causes": [{"reason": "NamespaceTerminating"}]});
    let cases: Vec<(Answer, &str)> = vec![
        (
            Answer::status(409, "Conflict", "Apply failed with 1 conflict", conflict),
            "conflict spec.replicas kubectl-edit",
        ),
        (Answer::not_found("namespaces", "n"), "the Namespace \"n\" does not exist yet"),
        (Answer::Text(404, "404 page not found"), "the cluster does not serve ConfigMap yet"),
        (Answer::forbidden("patch"), "no right to patch configmaps in this cluster"),
        (Answer::status(403, "Forbidden", "is being terminated", terminating), "the Namespace is being deleted"),
        (
            Answer::status(403, "Forbidden", "exceeded quota: q", json!({})),
            "the Namespace's quota is used up at the moment",
        ),
        (
            Answer::status(400, "BadRequest", "admission webhook \"w\" does not support dry run", json!({})),
            "an admission webhook does not support dry runs",
        ),
        (
            Answer::status(403, "Forbidden", "admission webhook \"w\" denied the request: no latest", json!({})),
            "error Rejected",
        ),
        (Answer::status(400, "BadRequest", "strict decoding error: unknown field \"x\"", json!({})), "error Rejected"),
    ];
    for (answer, expected) in cases {
        let answer = Mutex::new(Some(answer));
        let server = Server::start(move |_| answer.lock().unwrap().take().unwrap_or(Answer::Reset)).await;
        let target = target(&CONFIG_MAP, "/api/v1/namespaces/n/configmaps/a");
        let said = match server.provider().preview(&target, &config_map("a"), false).await {
            Ok(Preview::Object(_)) => "object".to_owned(),
            Ok(Preview::Unconfirmed(reason)) => reason,
            Ok(Preview::Conflict(conflicts)) => format!("conflict {} {}", conflicts[0].field, conflicts[0].writer),
            Err(error) => format!("error {:?}", error.class),
        };
        assert_eq!(said, expected);
    }
}

#[tokio::test]
async fn what_is_no_id_is_an_error_that_shows_one() {
    let server = Server::start(|_| Answer::Json(200, Value::Null)).await;
    let mut nameless = target(&CONFIG_MAP, "x");
    nameless.physical_id = None;
    let answers = server.provider().read(&[target(&CONFIG_MAP, "n/a"), nameless]).await;
    assert!(failed(&answers[0]).message.contains("/apis/apps/v1/namespaces/"));
    assert!(matches!(answers[1], Observation::NotYet(_)));
    assert!(server.lines().is_empty());
}
