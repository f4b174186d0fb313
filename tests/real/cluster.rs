//! The cluster that tests run on.
#![allow(dead_code, reason = "the tests of each driver use a part of it")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::Value;

use crate::harness::http::{Answer, send};
use crate::harness::wait_for;

/// The folder of what starts clusters.
pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/realcluster");

/// A cluster with containers.
pub struct Cluster {
    /// The kubeconfig of its administrator.
    pub kubeconfig: PathBuf,
    kubectl: PathBuf,
    /// `kubectl proxy`: what reaches the API server, and through it the apps, without TLS.
    _proxy: Child,
    address: String,
    /// The number of a cluster of our own.
    number: Option<String>,
    /// Whoever takes a node away does so alone.
    calm: RwLock<()>,
    /// Whoever brings an ingress controller has it alone: its class has one name.
    ingress: Mutex<()>,
}

/// What a test needs of a cluster.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A Namespace of its own.
    Namespace,
    /// Nodes that may be drained, and programs on them that may be killed.
    Nodes,
    /// What only a cluster of our own has: disks that are folders.
    Own,
}

impl Cluster {
    /// The cluster of this run, if it has what the test needs; else it says past the harness what is skipped, and why.
    pub fn with(need: Need, what: &str) -> Option<&'static Self> {
        static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
        let cluster = CLUSTER.get_or_init(Self::find).as_ref();
        let lacks = match (cluster, need) {
            (None, _) if later() => return None,
            (None, _) => "there is no real cluster: KOMPOX_REALCLUSTER=1 is for one that tests/realcluster/up started",
            (Some(cluster), Need::Own) if !cluster.is_ours() => "it needs a cluster of tests/realcluster/up",
            (Some(cluster), Need::Nodes) if !cluster.is_ours() && !flag("KOMPOX_TEST_DISRUPTIVE") => {
                "KOMPOX_TEST_DISRUPTIVE=1 is not set"
            }
            (Some(cluster), _) => return Some(cluster),
        };
        let _ = writeln!(std::io::stderr(), "\nskipped: {what}: {lacks}");
        None
    }

    /// One more cluster of our own, of one node; else it says what is skipped.
    pub fn another(what: &str) -> Option<&'static Self> {
        static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
        let number = || std::env::var("KOMPOX_REALCLUSTER_OTHER").ok();
        let found = CLUSTER.get_or_init(|| number().map(|number| Self::numbered(&number))).as_ref();
        if found.is_none() {
            let _ = writeln!(std::io::stderr(), "\nskipped: {what}: KOMPOX_REALCLUSTER_OTHER names no other cluster");
        }
        found
    }

    /// The one that `tests/realcluster/up` started under this number.
    fn numbered(number: &str) -> Self {
        let kubeconfig = Path::new(&format!("/tmp/kompox-realcluster-{number}/kubeconfig")).to_owned();
        Self::of(kubeconfig, Some(number.to_owned()))
    }

    fn find() -> Option<Self> {
        let of_caller = std::env::var_os("KOMPOX_TEST_KUBECONFIG").map(PathBuf::from);
        let number = std::env::var("KOMPOX_REALCLUSTER").ok().filter(|_| of_caller.is_none());
        match (of_caller, number) {
            (Some(file), _) => Some(Self::of(file, None)),
            (None, Some(number)) => Some(Self::numbered(&number)),
            (None, None) => None,
        }
    }

    fn of(kubeconfig: PathBuf, number: Option<String>) -> Self {
        assert!(kubeconfig.is_file(), "{} is missing; tests/realcluster/up starts a cluster", kubeconfig.display());
        let kubectl = match number {
            Some(_) => Path::new(said(Command::new(format!("{FOLDER}/build"))).trim()).join("kubectl"),
            None => "kubectl".into(),
        };
        // It ends with this process, whose end of the pipe closes.
        let mut proxy = Command::new("sh")
            .args(["-c", "\"$@\" & read _; kill $!", "sh"])
            .arg(&kubectl)
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .args(["proxy", "--port=0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(proxy.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        Self { kubeconfig, kubectl, _proxy: proxy, address, number, calm: RwLock::default(), ingress: Mutex::default() }
    }

    /// What tells it from every other: the uid of its Namespace `kube-system`.
    pub fn uid(&self) -> String {
        self.read("/api/v1/namespaces/kube-system")["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    /// Whether it has a node.
    pub fn has(&self, node: &str) -> bool {
        !self.read(&format!("/api/v1/nodes/{node}")).is_null()
    }

    /// The zone of a node.
    pub fn zone(&self, node: &str) -> String {
        let node = self.read(&format!("/api/v1/nodes/{node}"));
        node["metadata"]["labels"]["topology.kubernetes.io/zone"].as_str().unwrap().to_owned()
    }

    /// Copies a folder from a node to another one, of this cluster or of the other, with everything that files have.
    pub fn carry(&self, from: &str, to: &Self, node: &str, path: &str) {
        let (parent, name) = path.rsplit_once('/').unwrap();
        to.on_node(node, &["mkdir", "-p", parent]);
        let mut read = self.entering(from, &["tar", "--sparse", "-C", parent, "-cf", "-", name]);
        let mut read = read.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut write = to.entering(node, &["tar", "-C", parent, "-xpf", "-"]);
        let written = write.stdin(read.stdout.take().unwrap()).status().unwrap();
        assert!(read.wait().unwrap().success() && written.success(), "{path} from {from} to {node}");
    }

    /// Has the storage of this cluster reach a volume of another one's: the small CSI driver keeps each as a folder.
    pub fn reach(&self, volume: &str, other: &Self, driver: &str) {
        let store = |cluster: &Self| cluster.folder().join("csi").join(driver).join("volumes");
        let mut copy = Command::new("cp");
        copy.arg("-a").args([store(other).join(volume), store(self)]);
        said(copy);
    }

    /// For as long as the value lives no node is taken away by another test.
    pub fn calm(&self) -> RwLockReadGuard<'_, ()> {
        self.calm.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other test relies on the nodes; they wait for as long as the value lives.
    pub fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.calm.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// For as long as the value lives no other test brings an ingress controller.
    pub fn ingress(&self) -> MutexGuard<'_, ()> {
        self.ingress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where its API server is reached without TLS: `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether it is one that `tests/realcluster/up` started.
    pub fn is_ours(&self) -> bool {
        self.number.is_some()
    }

    /// The number of a cluster of our own.
    pub fn number(&self) -> &str {
        self.number.as_ref().expect("a cluster of our own")
    }

    /// The folder of a cluster of our own.
    pub fn folder(&self) -> PathBuf {
        self.kubeconfig.parent().unwrap().to_owned()
    }

    /// Runs `kubectl`, which must succeed; gives what it said.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments);
        said(command)
    }

    /// Runs `kubectl`; gives what it said, or nothing where it failed.
    pub fn try_kubectl(&self, arguments: &[&str]) -> Option<String> {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments).stdin(Stdio::null());
        let output = command.output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    /// Makes objects so, by server-side apply.
    #[track_caller]
    pub fn apply(&self, manifests: &str) {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        command.args(["apply", "--server-side", "--force-conflicts", "--filename=-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(manifests.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{manifests}");
    }

    /// Sends a request to the API server.
    pub fn request(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        send(&self.address, method, path, &[("Host", &self.address), ("Content-Type", "application/json")], body)
    }

    /// An object or a list of them; null where there is none.
    #[track_caller]
    pub fn read(&self, path: &str) -> Value {
        let answer = self.request("GET", path, b"");
        if answer.status == 404 { Value::Null } else { answer.json() }
    }

    /// The Pods of a Namespace.
    pub fn pods(&self, namespace: &str) -> Vec<Value> {
        let list = self.read(&format!("/api/v1/namespaces/{namespace}/pods"));
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// Runs a command on a node of a cluster of our own.
    #[track_caller]
    pub fn on_node(&self, node: &str, arguments: &[&str]) -> String {
        said(self.entering(node, arguments))
    }

    fn entering(&self, node: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(format!("{FOLDER}/enter"));
        command.arg(node.trim_start_matches("node")).args(arguments);
        command.env("KOMPOX_REALCLUSTER", self.number());
        command
    }

    /// Kills a program on a node; it starts again by itself.
    pub fn kill(&self, node: &str, program: &str) {
        // One that was killed a moment ago has first to be there again.
        let kill = format!("until pkill -KILL -x {program}; do sleep 0.1; done");
        self.on_node(node, &["sh", "-c", &kill]);
        let ready = format!("/api/v1/nodes/{node}");
        wait_for("the node to be at work again", || {
            let conditions = self.read(&ready)["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let is_ready = |one: &Value| one["type"] == "Ready" && one["status"] == "True";
            conditions.iter().any(is_ready).then_some(())
        });
    }
}

/// Whether this run leaves everything to a later one, which has a cluster; set by `.ci/run`.
fn later() -> bool {
    std::env::var_os("KOMPOX_REAL").is_some_and(|value| value == "later")
}

fn flag(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| value == "1")
}

/// What a command that must succeed says.
#[track_caller]
fn said(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}
