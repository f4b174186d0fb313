use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::super::kube_api::Body;
use super::*;

fn kubeconfig(folder: &Path, server: &str) -> PathBuf {
    let file = folder.join("config");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
         clusters: [{{name: here, cluster: {{server: \"{server}\", proxy-url: \"http://192.0.2.1:3128\"}}}}]\n\
         contexts: [{{name: here, context: {{cluster: here, user: me}}}}]\nusers: [{{name: me, user: {{token: x}}}}]\n"
    );
    std::fs::write(&file, text).unwrap();
    file
}

async fn refusal(file: PathBuf) -> String {
    match RealClusters::open(&[KubeconfigRule { cluster: None, file }], None).await {
        Ok(_) => "none".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_rule_is_a_file_or_a_name_and_a_file() {
    let rule = |text: &str| text.parse::<KubeconfigRule>().map(|rule| (rule.cluster, rule.file));
    assert_eq!(rule("/tmp/a=b").unwrap(), (None, "/tmp/a=b".into()));
    assert_eq!(rule("cluster1=/tmp/a").unwrap(), (Some("cluster1".to_owned()), "/tmp/a".into()));
    for text in ["", "cluster1=", "=file"] {
        assert_eq!(rule(text).unwrap_err().to_string(), format!("\"{text}\" is neither FILE nor CLUSTER=FILE"));
    }
}

#[tokio::test]
async fn only_a_cluster_on_this_machine_is_used() {
    let folder = tempfile::tempdir().unwrap();
    for server in ["https://192.0.2.7:6443", "https://cluster.example:443", "https://0.0.0.0:6443"] {
        let said = refusal(kubeconfig(folder.path(), server)).await;
        assert!(said.contains("the sandbox uses clusters on this machine only"), "{said}");
    }
    let missing = refusal(folder.path().join("missing")).await;
    assert!(missing.contains("cannot be used as a kubeconfig"), "{missing}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    drop(taken);
    let silent = refusal(kubeconfig(folder.path(), &format!("http://{address}"))).await;
    assert!(silent.contains("does not answer"), "{silent}");
}

/// An API server on loopback that answers every request with its first line.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap();
            let line = String::from_utf8_lossy(&request[..read]).lines().next().unwrap_or_default().to_owned();
            let body = serde_json::json!({ "major": "1", "minor": "36", "gitVersion": line, "gitCommit": "",
                "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": "" });
            let body = body.to_string();
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_on_as_they_come_to_the_cluster_of_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = kubeconfig(folder.path(), &echo());
    let rules = [KubeconfigRule { cluster: Some("Prod".to_owned()), file }];
    let real = RealClusters::open(&rules, None).await.unwrap();
    let world = World::open(folder.path(), real.schema()).unwrap();
    let ask = move |id: &'static str| {
        let request = KubeRequest {
            method: http::Method::PATCH,
            path: "/api/v1/namespaces/a%20b".to_owned(),
            query: vec![("fieldManager".to_owned(), "a b&c".to_owned())],
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
            now_ms: 0,
            seq: None,
        };
        let answer = real.handle(&world, id, request);
        let Body::Full(body) = answer.body else { panic!("no stream was asked for") };
        (answer.status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
    };
    let answers = tokio::task::spawn_blocking(move || {
        let base = "/subscriptions/x/resourcegroups/y/providers/microsoft.containerservice/managedclusters";
        [ask(format!("{base}/prod").leak()), ask(format!("{base}/other").leak())]
    });
    let [(status, body), (other, why)] = answers.await.unwrap();
    assert_eq!(status, 200);
    assert!(body.contains("PATCH /api/v1/namespaces/a%20b?fieldManager=a+b%26c HTTP/1.1"), "{body}");
    assert_eq!(other, 503);
    assert!(why.contains("no --kubeconfig names a real cluster for this one"), "{why}");
}
