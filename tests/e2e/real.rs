//! What only a real API server can judge: every object of both examples, applied by the real binary.
//!
//! The cloud is the sandbox; its clusters are real API servers. A proxy stands between: it passes everything on, but hands
//! out kubeconfigs that lead to the API servers. Needs `KUBEBUILDER_ASSETS`: a folder with `etcd` and `kube-apiserver`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::http::{Served, header, send, wait_for};
use crate::project::Project;

const TOKEN: &str = "e2e-admin";
const VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// A process that ends with the value.
struct Running(Child);

impl Running {
    fn start(program: &Path, log: &Path, arguments: &[String]) -> Self {
        let log = std::fs::File::create(log).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self(command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display())))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// One etcd, and an API server for each cluster.
struct ControlPlanes {
    servers: BTreeMap<String, String>,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    // In this order: API servers end before their etcd.
    _running: Vec<Running>,
    _folder: tempfile::TempDir,
}

impl ControlPlanes {
    fn start(assets: &Path, clusters: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let made = Command::new("openssl").args(["genrsa", "-out", &text(path("sa.key")), "2048"]).output().unwrap();
        assert!(made.status.success(), "openssl makes the key of the service accounts");
        std::fs::write(path("tokens.csv"), format!("{TOKEN},admin,admin,\"system:masters\"\n")).unwrap();

        let (client_url, peer_url) =
            (format!("http://127.0.0.1:{}", free_port()), format!("http://127.0.0.1:{}", free_port()));
        let etcd = [
            format!("--data-dir={}", text(path("etcd"))),
            format!("--listen-client-urls={client_url}"),
            format!("--advertise-client-urls={client_url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster=default={peer_url}"),
            "--unsafe-no-fsync".to_owned(),
        ];
        let mut running = vec![Running::start(&assets.join("etcd"), &path("etcd.log"), &etcd)];
        let mut servers = BTreeMap::new();
        for cluster in clusters {
            let port = free_port();
            let key = text(path("sa.key"));
            let arguments = [
                format!("--etcd-servers={client_url}"),
                format!("--etcd-prefix=/{cluster}"),
                "--bind-address=127.0.0.1".to_owned(),
                "--advertise-address=127.0.0.1".to_owned(),
                format!("--secure-port={port}"),
                format!("--cert-dir={}", text(path(&format!("{cluster}-certs")))),
                format!("--token-auth-file={}", text(path("tokens.csv"))),
                "--authorization-mode=RBAC".to_owned(),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--service-account-key-file={key}"),
                format!("--service-account-signing-key-file={key}"),
                "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
                "--disable-admission-plugins=ServiceAccount".to_owned(),
            ];
            let log = path(&format!("{cluster}.log"));
            running.push(Running::start(&assets.join("kube-apiserver"), &log, &arguments));
            servers.insert((*cluster).to_owned(), format!("https://127.0.0.1:{port}"));
        }
        running.reverse();
        // The API server makes its own certificate; the token is what lets in, and both are on loopback.
        let client = reqwest::Client::builder().danger_accept_invalid_certs(true).build().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let planes = Self { servers, client, runtime, _running: running, _folder: folder };
        for cluster in clusters {
            wait_for("the API server", || (planes.call(cluster, "GET", "/readyz", "", b"").0 == 200).then_some(()));
            planes.define_secret_provider_class(cluster);
        }
        planes
    }

    /// The definition that the add-on of AKS brings along.
    fn define_secret_provider_class(&self, cluster: &str) {
        let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "secretproviderclasses.secrets-store.csi.x-k8s.io"},
            "spec": {
                "group": "secrets-store.csi.x-k8s.io",
                "scope": "Namespaced",
                "names": {
                    "kind": "SecretProviderClass", "listKind": "SecretProviderClassList",
                    "plural": "secretproviderclasses", "singular": "secretproviderclass",
                },
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": open}}],
            },
        });
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let (status, answer) = self.call(cluster, "POST", path, "application/json", definition.to_string().as_bytes());
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&answer));
        let list = "/apis/secrets-store.csi.x-k8s.io/v1/secretproviderclasses";
        wait_for("the new kind", || (self.call(cluster, "GET", list, "", b"").0 == 200).then_some(()));
    }

    /// A request to a cluster's API server; status 0 while it does not listen.
    fn call(&self, cluster: &str, method: &str, path: &str, content_type: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let url = format!("{}{path}", self.servers[cluster]);
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, url).bearer_auth(TOKEN).body(body.to_vec());
        if !content_type.is_empty() {
            request = request.header("Content-Type", content_type);
        }
        self.runtime.block_on(async {
            match request.send().await {
                Ok(answer) => (answer.status().as_u16(), answer.bytes().await.unwrap_or_default().to_vec()),
                Err(_) => (0, Vec::new()),
            }
        })
    }

    fn get(&self, cluster: &str, path: &str) -> Value {
        let (status, body) = self.call(cluster, "GET", path, "", b"");
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }
}

/// What was applied: cluster, path with query, body; the last of each path.
type Applied = Arc<Mutex<BTreeMap<(String, String), Vec<u8>>>>;

/// Stands between kompox and the sandbox.
struct Proxy {
    endpoint: String,
    applied: Applied,
}

impl Proxy {
    fn start(sandbox: &str, planes: Arc<ControlPlanes>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let applied = Applied::default();
        let (sandbox, own, record) = (sandbox.to_owned(), address.clone(), applied.clone());
        // Ends with the test's process: nothing waits for it.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (sandbox, own, planes, record) = (sandbox.clone(), own.clone(), planes.clone(), record.clone());
                std::thread::spawn(move || pass(stream, &sandbox, &own, &planes, &record));
            }
        });
        Self { endpoint: format!("http://{address}"), applied }
    }
}

/// Reads one request, passes it on, and answers.
fn pass(mut stream: TcpStream, sandbox: &str, own: &str, planes: &ControlPlanes, applied: &Applied) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) if line == "\r\n" => break,
            Ok(_) => head.push_str(&line),
        }
    }
    let mut body = vec![0; header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let (status, headers, answer) = match path.strip_prefix("/real/").and_then(|rest| rest.split_once('/')) {
        Some((cluster, path)) => {
            let path = format!("/{path}");
            let kind = header(&head, "content-type").unwrap_or_default();
            if method == "PATCH" && !path.contains("dryRun") {
                applied.lock().unwrap().insert((cluster.to_owned(), path.clone()), body.clone());
            }
            let (status, answer) = planes.call(cluster, &method, &path, kind, &body);
            (status, "Content-Type: application/json\r\n".to_owned(), answer)
        }
        None => {
            let pairs: Vec<(&str, &str)> = head
                .lines()
                .skip(1)
                .filter_map(|line| line.split_once(": "))
                .filter(|(name, _)| !["connection", "content-length"].contains(&name.to_ascii_lowercase().as_str()))
                .collect();
            let passed = send(sandbox, &method, &path, &pairs, &body);
            let keep = |line: &&str| {
                let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
                !["connection", "content-length", "transfer-encoding"].contains(&name.as_str())
            };
            let headers = passed.head.lines().skip(1).filter(keep).map(|line| format!("{line}\r\n")).collect();
            let answer = match path.split_once("/listClusterAdminCredential") {
                Some((id, _)) if passed.status == 200 => credential(id, own, planes),
                _ => passed.body,
            };
            (passed.status, headers, answer)
        }
    };
    let head = format!("HTTP/1.1 {status} -\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n", answer.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&answer));
}

/// A kubeconfig that leads through the proxy to the API server of the cluster that `id` names.
fn credential(id: &str, own: &str, planes: &ControlPlanes) -> Vec<u8> {
    let name = id.rsplit('/').next().unwrap_or_default();
    let cluster = planes.servers.keys().find(|cluster| name.ends_with(cluster.as_str())).expect("a cluster for each");
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{own}/real/{cluster}")}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
    });
    let encoded = base64::engine::general_purpose::STANDARD.encode(kubeconfig.to_string());
    json!({"kubeconfigs": [{"name": "clusterAdmin", "value": encoded}]}).to_string().into_bytes()
}

/// Applies an example to real API servers, twice; gives who judged.
fn judge(assets: &Path, example: &str, clusters: &[&str]) -> String {
    let planes = Arc::new(ControlPlanes::start(assets, clusters));
    let project = Project::example(example);
    let served = Served::start(&project, &project.root().join("cloud"));
    let proxy = Proxy::start(served.address(), planes.clone());
    let run = |arguments: &[&str]| {
        let mut all = vec!["--sandbox-endpoint", proxy.endpoint.as_str()];
        all.extend(arguments);
        project.run(&all)
    };
    // The clusters first, which are waited for; what is on them never becomes ready, since no controller runs.
    let mut arguments = vec!["apply", "--auto-approve"];
    let targets: Vec<String> = clusters.iter().map(|cluster| format!("cluster/{cluster}")).collect();
    arguments.extend(targets.iter().flat_map(|target| ["--target", target]));
    run(&arguments).done();
    run(&["apply", "--auto-approve", "--no-wait"]).done();
    let applied = proxy.applied.lock().unwrap().clone();
    assert!(applied.len() > 20, "{:?}", applied.keys());
    let live = |cluster: &str, path: &str| planes.get(cluster, path.split('?').next().unwrap());
    for ((cluster, path), body) in &applied {
        assert!(path.contains("fieldValidation=Strict"), "{path}");
        let again = || {
            let (status, answer) = planes.call(cluster, "PATCH", path, "application/apply-patch+yaml", body);
            assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&answer));
            let mut object = live(cluster, path);
            let version = object["metadata"]["resourceVersion"].take();
            (object, version)
        };
        let mut first = live(cluster, path);
        first["metadata"]["resourceVersion"] = Value::Null;
        let second = again();
        assert_eq!(second.0, first, "a second apply of {path} changes nothing");
        // The API server writes a claim anew with its first update, whatever is in it: only from then on is the version still.
        assert_eq!(again(), second, "a third apply of {path} is not even written");
    }
    let plan = run(&["plan", "--detailed-exitcode"]);
    assert_eq!(plan.code, 0, "the plan after it is empty: {}{}", plan.stdout, plan.stderr);
    run(&["drift"]).done();
    let server = planes.get(clusters[0], "/version");
    format!("{example}: {} objects, judged by kube-apiserver {}", applied.len(), server["gitVersion"])
}

/// The folder of the binaries, or a word that it is missing.
fn assets() -> Option<PathBuf> {
    let assets = std::env::var_os(VARIABLE).map(PathBuf::from);
    if assets.is_none() {
        // Past the test harness, which hides what passing tests print.
        let _ = writeln!(std::io::stderr(), "skipped: {VARIABLE} is not set; no real API server judges the objects");
    }
    assets
}

#[test]
fn real_api_servers_take_every_object() {
    let Some(assets) = assets() else { return };
    for (example, clusters) in
        [("gitea", &["cluster1"][..]), ("two-clusters", &["internal", "public"]), ("quota", &["shared"])]
    {
        let judged = judge(&assets, example, clusters);
        let _ = writeln!(std::io::stderr(), "{judged}");
    }
}
