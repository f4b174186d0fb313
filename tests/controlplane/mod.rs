//! A real Kubernetes control plane for tests: etcd and kube-apiserver on loopback, and kube-controller-manager where a
//! test needs it. No kubelet runs, so nothing ever becomes ready by itself.
//!
//! The programs are those in the folder that `KUBEBUILDER_ASSETS` names: `tests/controlplane/build` makes one,
//! `setup-envtest use -p path` downloads one (without the controller manager).

use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The administrator's token. The sandbox takes it, too.
pub const TOKEN: &str = "sandbox-judge";

const VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// How long a control plane may take to answer; no test depends on its value.
const PATIENCE: Duration = Duration::from_secs(120);

/// The folder of the programs, if the environment names one. A folder without them is a mistake, not a choice.
pub fn assets() -> Option<PathBuf> {
    let assets = PathBuf::from(std::env::var_os(VARIABLE).filter(|value| !value.is_empty())?);
    for program in ["etcd", "kube-apiserver"] {
        assert!(assets.join(program).is_file(), "{VARIABLE} is {}, which has no {program}", assets.display());
    }
    Some(assets)
}

/// Whether the folder has a controller manager.
pub fn has_controllers(assets: &Path) -> bool {
    assets.join("kube-controller-manager").is_file()
}

/// A control plane; its processes end with the value, and with the test's process however that ends.
pub struct ControlPlane {
    server: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    supervisor: Child,
    // Outlives what the supervisor does in it.
    _folder: tempfile::TempDir,
}

impl ControlPlane {
    /// Starts one and waits until it is ready.
    pub fn start(assets: &Path, controllers: bool) -> Self {
        // A free port may be taken by somebody else before the server listens on it.
        let tries = (0..3).map(|_| Self::try_start(assets, controllers));
        let mut failures = Vec::new();
        for outcome in tries {
            match outcome {
                Ok(plane) => return plane,
                Err(failure) => failures.push(failure),
            }
        }
        panic!("no control plane from {}: {}", assets.display(), failures.join("\n"));
    }

    fn try_start(assets: &Path, controllers: bool) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        // All are held until all are known, so that they differ.
        let listeners: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<String> = listeners.iter().map(|l| l.local_addr().unwrap().port().to_string()).collect();
        drop(listeners);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/controlplane/run");
        let mut command = Command::new(script);
        command.arg(assets).arg(folder.path().join("data")).arg(TOKEN).args(&ports);
        if controllers {
            command.arg("controllers");
        }
        // A group of its own: Ctrl-C reaches the tests only, and the script ends with them.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let supervisor = command.spawn().unwrap_or_else(|error| panic!("{script}: {error}"));
        // The API server makes its own certificate; the token is what lets in, and both are on loopback.
        let client = reqwest::Client::builder().danger_accept_invalid_certs(true).build().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = format!("https://127.0.0.1:{}", ports[0]);
        let mut plane = Self { server, client, runtime, supervisor, _folder: folder };
        let give_up = Instant::now() + PATIENCE;
        while plane.send("GET", "/readyz", "", b"").0 != 200 {
            if plane.supervisor.try_wait().unwrap().is_some() || Instant::now() > give_up {
                return Err(plane.last_words());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        plane.define_secret_provider_class();
        Ok(plane)
    }

    /// What the supervisor says once it has ended.
    fn last_words(&mut self) -> String {
        drop(self.supervisor.stdin.take());
        let mut words = String::new();
        let _ = self.supervisor.stderr.take().unwrap().read_to_string(&mut words);
        format!("it did not become ready: {words}")
    }

    /// The definition that the add-on of AKS brings along.
    fn define_secret_provider_class(&self) {
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
        let (status, answer) = self.send("POST", path, "application/json", definition.to_string().as_bytes());
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&answer));
        let list = "/apis/secrets-store.csi.x-k8s.io/v1/secretproviderclasses";
        let give_up = Instant::now() + PATIENCE;
        while self.send("GET", list, "", b"").0 != 200 {
            assert!(Instant::now() < give_up, "waited in vain for the new kind");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A request of the administrator: status and body; status 0 while nobody listens.
    pub fn send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let url = format!("{}{path}", self.server);
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

    /// A kubeconfig of its administrator.
    pub fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": self.server, "insecure-skip-tls-verify": true}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {"token": TOKEN}}],
        })
        .to_string()
    }

    /// Its name and version, as a judge is called.
    pub fn name(&self) -> String {
        let (_, version) = self.send("GET", "/version", "", b"");
        let version: Value = serde_json::from_slice(&version).unwrap_or_default();
        format!("kube-apiserver {}", version["gitVersion"].as_str().unwrap_or("of an unknown version"))
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // The end of its input tells the supervisor to end everything; it answers by ending itself.
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}
