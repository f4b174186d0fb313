//! The way to a cluster by kubeconfig: which file, which context, which programs, and that it is the cluster it must be.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::{Answer, Server, config, kubeconfig, target};
use crate::engine::kind::Kind;
use crate::engine::provider::{ErrorClass, Observation, Provider as _, ProviderError, Target};
use crate::providers::kubernetes::{Files, KubernetesConfig, KubernetesProvider};
use crate::providers::opening::Opening;

fn files(written: Option<&BTreeMap<String, String>>, environment: &[(&str, &str)], allow_exec: bool) -> Files {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Files::new(&Opening { written, environment: &environment, stand_in: None, allow_exec, seed: 0 })
}

/// A kubeconfig with one context that leads to `server`, whose user is `user`.
fn text(context: &str, server: &str, user: serde_json::Value) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": context,
        "contexts": [{"name": context, "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    })
    .to_string()
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn files_are_found_as_kubectl_finds_them() {
    let folder = tempfile::tempdir().unwrap();
    let token = || json!({"token": "t"});
    let home = folder.path().to_str().unwrap();
    let own = write(folder.path(), ".kube/config", &text("own", "https://own", token()));
    let one = write(folder.path(), "one", &text("one", "https://one", token()));
    let two = write(folder.path(), "two", &text("two", "https://two", token()));
    let way = |environment: &[(&str, &str)]| {
        let way = files(None, environment, false).way().unwrap();
        (way.context, way.server, way.named, way.file)
    };
    let told =
        |context: &str, named, file: &str| (context.to_owned(), format!("https://{context}"), named, file.to_owned());
    assert_eq!(way(&[("HOME", home)]), told("own", false, &own));
    // Of several the first says which is current; what is not there is passed over.
    let list = format!("{one}:/not/there:{two}");
    assert_eq!(way(&[("HOME", home), ("KUBECONFIG", &list)]), told("one", false, &format!("{one}:{two}")));
    assert_eq!(way(&[("KUBECONFIG", &list), ("K3S_CONTEXT", "two")]).0, "two");
    assert_eq!(way(&[("KUBECONFIG", &one), ("K3S_KUBECONFIG", &two)]), told("two", false, &two));
    assert_eq!(way(&[("HOME", home), ("K3S_KUBECONFIG", "~/one"), ("K3S_CONTEXT", "one")]), told("one", true, &one));
}

#[test]
fn what_is_wrong_with_a_kubeconfig_is_told_without_quoting_it() {
    let folder = tempfile::tempdir().unwrap();
    let error = |environment: &[(&str, &str)]| -> ProviderError { files(None, environment, false).way().unwrap_err() };
    let missing = error(&[("HOME", "/nowhere")]);
    assert!(missing.message.starts_with("there is no kubeconfig: looked for /nowhere/.kube/config, "), "{missing}");
    let named = error(&[("K3S_KUBECONFIG", "/nowhere/k")]);
    assert!(named.message.starts_with("/nowhere/k cannot be read: "), "{named}");
    let broken = write(folder.path(), "broken", "token: s3cret: [");
    let broken = error(&[("K3S_KUBECONFIG", &broken)]);
    assert!(broken.message.ends_with(" is no valid kubeconfig") && !broken.message.contains("s3cret"), "{broken}");
    let one = write(folder.path(), "one", &text("one", "https://one", json!({"token": "s3cret"})));
    let context = error(&[("K3S_KUBECONFIG", &one), ("K3S_CONTEXT", "two")]);
    assert!(context.message.ends_with(" has no context \"two\""), "{context}");
    assert_eq!(context.hint.unwrap().to_string(), "it has one");
    assert_eq!(context.class, ErrorClass::Denied);
}

/// Whoever writes a project could have any program run by whoever plans it.
#[test]
fn programs_run_only_for_files_that_the_caller_names_or_where_the_caller_allows_it() {
    let folder = tempfile::tempdir().unwrap();
    let exec = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "steal"}});
    let file = write(folder.path(), "k", &text("c", "https://c", exec));
    let written = BTreeMap::from([("K3S_KUBECONFIG".to_owned(), file.clone())]);
    let refused = files(Some(&written), &[], false).way().unwrap_err();
    assert!(refused.message.ends_with("which the project names, would run the program steal to sign in"), "{refused}");
    assert!(files(Some(&written), &[], true).way().is_ok());
    assert!(files(None, &[("K3S_KUBECONFIG", &file)], false).way().is_ok());
    let context = BTreeMap::from([("K3S_CONTEXT".to_owned(), "c".to_owned())]);
    assert!(files(Some(&context), &[("KUBECONFIG", &file)], false).way().is_ok());
}

static NAMESPACE: Kind = Kind::plain("Namespace");

fn namespace() -> Target {
    target(&NAMESPACE, "/api/v1/namespaces/n")
}

fn of(uid: &'static str) -> impl Fn(&super::Seen) -> Answer + Send + Sync + 'static {
    move |seen| match seen.path.as_str() {
        "/api/v1/namespaces/kube-system" => {
            Answer::Json(200, json!({"kind": "Namespace", "metadata": {"name": "kube-system", "uid": uid}}))
        }
        _ => Answer::Json(200, json!({"kind": "Namespace", "metadata": {"name": "n", "uid": "x"}})),
    }
}

#[tokio::test]
async fn another_cluster_is_asked_nothing_but_which_one_it_is() {
    let server = Server::start(of("theirs")).await;
    let provider = expecting(&server, "ours");
    let Some(Observation::Failed(error)) = provider.read(&[namespace()]).await.pop() else { panic!() };
    assert!(error.message.contains("it is theirs, and the state knows the cluster ours"), "{error}");
    assert_eq!(server.lines(), ["GET /api/v1/namespaces/kube-system"]);
    let server = Server::start(of("ours")).await;
    let provider = expecting(&server, "ours");
    assert!(matches!(provider.read(&[namespace()]).await.pop(), Some(Observation::Found(_))));
    assert_eq!(server.lines(), ["GET /api/v1/namespaces/kube-system", "GET /api/v1/namespaces/n"]);
}

fn expecting(server: &Server, uid: &str) -> KubernetesProvider {
    let connector = Arc::new(super::Fixed(kubeconfig(&server.url)));
    KubernetesProvider::new(KubernetesConfig { expected: Some(uid.to_owned()), ..config(connector) })
}

/// The file is read again once, in the middle of whatever is done: who renews tokens there need not start again.
#[tokio::test]
async fn a_token_that_ran_out_is_read_again_and_the_cluster_is_still_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let path = folder.path().join("k");
    let (counted, renewed) = (asked.clone(), path.clone());
    let server = Server::start(move |seen| {
        let old = seen.headers.get("authorization").is_some_and(|value| value == "Bearer old");
        if seen.path == "/api/v1/namespaces/n" && old {
            counted.fetch_add(1, Ordering::SeqCst);
            let text = std::fs::read_to_string(&renewed).unwrap().replace("\"old\"", "\"new\"");
            std::fs::write(&renewed, text).unwrap();
            return Answer::Json(401, json!({"kind": "Status", "reason": "Unauthorized", "message": "Unauthorized"}));
        }
        of("ours")(seen)
    })
    .await;
    std::fs::write(&path, text("c", &server.url, json!({"token": "old"}))).unwrap();
    let way = files(None, &[("K3S_KUBECONFIG", path.to_str().unwrap())], false);
    let provider =
        KubernetesProvider::new(KubernetesConfig { expected: Some("ours".to_owned()), ..config(Arc::new(way)) });
    assert!(matches!(provider.read(&[namespace()]).await.pop(), Some(Observation::Found(_))));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_that_nobody_answers_at_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "k", &text("c", &format!("http://{free}"), json!({"token": "t"})));
    let way = files(None, &[("K3S_KUBECONFIG", &file)], false);
    let provider =
        KubernetesProvider::new(KubernetesConfig { expected: Some("ours".to_owned()), ..config(Arc::new(way)) });
    let Some(Observation::Failed(error)) = provider.read(&[namespace()]).await.pop() else { panic!() };
    assert!(error.message.starts_with("the API server did not answer GET /api/v1/namespaces/kube-system"), "{error}");
    assert!(error.hint.unwrap().to_string().contains("can be reached from here"));
}
