//! A Kubernetes API to put objects to: the real one, or the sandbox's.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use kompox_sandbox::World;
use kompox_sandbox::kube_api::{Body, KubeRequest, KubernetesApi as _};
use kompox_sandbox::kubernetes::Emulator;
use kompox_sandbox::world::WorldError;
use serde_json::Value;

use crate::controlplane::{ControlPlane, assets};

/// An API server.
pub trait Api: Send + Sync {
    /// Its name, as a judge is called.
    fn name(&self) -> String;

    /// A request: status and body.
    fn send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> (u16, Vec<u8>);
}

impl Api for ControlPlane {
    fn name(&self) -> String {
        self.name()
    }

    fn send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> (u16, Vec<u8>) {
        self.send(method, path, content_type, body)
    }
}

const CLUSTER: &str = "/subscriptions/s/resourcegroups/g/providers/microsoft.containerservice/managedclusters/judge";

/// The sandbox's API server without its network, in a world of its own, at a time that stands still: its controllers
/// never act.
struct Emulated {
    emulator: Emulator,
    world: World,
    /// Watches are tasks of their own.
    runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl Emulated {
    const NOW_MS: i64 = 1_790_000_000_000;

    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let emulator = Emulator::new(Duration::from_secs(3600));
        let world = World::open(folder.path(), emulator.schema()).unwrap();
        world.write::<_, WorldError>(|tx| emulator.cluster_created(tx, CLUSTER, Self::NOW_MS)).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { emulator, world, runtime, _folder: folder }
    }
}

impl Api for Emulated {
    fn name(&self) -> String {
        "the sandbox".to_owned()
    }

    fn send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let url = url::Url::parse(&format!("http://localhost{path}")).unwrap();
        let mut headers = ::http::HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert("content-type", content_type.parse().unwrap());
        }
        let request = KubeRequest {
            method: method.parse().unwrap(),
            path: url.path().to_owned(),
            query: url.query_pairs().into_owned().collect(),
            headers,
            body: body.to_vec().into(),
            now_ms: Self::NOW_MS,
            seq: None,
        };
        let _inside = self.runtime.enter();
        let answer = self.emulator.handle(&self.world, CLUSTER, request);
        let bytes = match answer.body {
            Body::Full(bytes) => bytes.to_vec(),
            Body::Stream(mut pieces) => {
                let mut all = Vec::new();
                while let Some(piece) = pieces.blocking_recv() {
                    all.extend(piece);
                }
                all
            }
        };
        (answer.status.as_u16(), bytes)
    }
}

/// An API server with what the tests say to it.
pub struct Plane {
    api: Box<dyn Api>,
    is_real: bool,
    /// Plurals by `apiVersion/kind`, and whether its objects live in Namespaces.
    kinds: Mutex<BTreeMap<String, (String, bool)>>,
}

/// What became of a request for an object.
pub type Outcome = Result<Value, (u16, String)>;

impl Plane {
    fn new(api: Box<dyn Api>, is_real: bool) -> Self {
        Self { api, is_real, kinds: Mutex::default() }
    }

    /// The real one that the tests of this process share, if there is any.
    pub fn real() -> Option<&'static Self> {
        static REAL: OnceLock<Option<Plane>> = OnceLock::new();
        let start = || assets().map(|assets| Plane::new(Box::new(ControlPlane::start(&assets, false)), true));
        REAL.get_or_init(start).as_ref()
    }

    /// The sandbox that the tests of this process share.
    pub fn sandbox() -> &'static Self {
        static SANDBOX: OnceLock<Plane> = OnceLock::new();
        SANDBOX.get_or_init(|| Self::new(Box::new(Emulated::new()), false))
    }

    /// All of them, the real one first.
    pub fn all() -> Vec<&'static Self> {
        Self::real().into_iter().chain([Self::sandbox()]).collect()
    }

    pub fn is_real(&self) -> bool {
        self.is_real
    }

    /// Its name, as a judge is called.
    pub fn name(&self) -> String {
        self.api.name()
    }

    /// A server-side apply as the provider does it.
    pub fn apply(&self, object: &Value) -> Outcome {
        let path = self.path(object)?;
        let query = "fieldManager=kompox-converter&force=false&fieldValidation=Strict";
        self.call("PATCH", &format!("{path}?{query}"), "application/apply-patch+yaml", object)
    }

    /// Creates an object if there is none of its name.
    pub fn ensure(&self, object: &Value) {
        let path = self.path(object).unwrap();
        let (collection, _) = path.rsplit_once('/').unwrap();
        match self.call("POST", collection, "application/json", object) {
            Ok(_) | Err((409, _)) => {}
            Err((status, message)) => panic!("{}: {status} {message}", self.name()),
        }
    }

    /// A request: status and body.
    pub fn answer(&self, method: &str, path: &str, content_type: &str, object: &Value) -> (u16, Value) {
        let body = if object.is_null() { Vec::new() } else { object.to_string().into_bytes() };
        let (status, answer) = self.api.send(method, path, content_type, &body);
        (status, serde_json::from_slice(&answer).unwrap_or_default())
    }

    /// A watch to its end: status and text.
    pub fn watch(&self, path: &str) -> (u16, String) {
        let (status, bytes) = self.api.send("GET", path, "", b"");
        (status, String::from_utf8(bytes).unwrap())
    }

    fn call(&self, method: &str, path: &str, content_type: &str, object: &Value) -> Outcome {
        let (status, answer) = self.answer(method, path, content_type, object);
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        Err((status, answer["message"].as_str().unwrap_or("no message").to_owned()))
    }

    /// Where an object is, as discovery has it.
    fn path(&self, object: &Value) -> Result<String, (u16, String)> {
        let word = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (word("/apiVersion"), word("/kind"));
        let root = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
        let key = format!("{version}/{kind}");
        let known = self.kinds.lock().unwrap().get(&key).cloned();
        let (plural, namespaced) = match known {
            Some(known) => known,
            None => {
                let list = self.call("GET", &root, "", &Value::Null)?;
                let found = list["resources"].as_array().into_iter().flatten().find(|resource| {
                    resource["kind"] == kind && !resource["name"].as_str().unwrap_or_default().contains('/')
                });
                let found = found.ok_or((404, format!("{key} is not served")))?;
                let known = (found["name"].as_str().unwrap().to_owned(), found["namespaced"] == true);
                self.kinds.lock().unwrap().insert(key, known.clone());
                known
            }
        };
        let encoded: String = url::form_urlencoded::byte_serialize(word("/metadata/name").as_bytes()).collect();
        let name = encoded.replace('+', "%20");
        Ok(match namespaced {
            true => format!("{root}/namespaces/{}/{plural}/{name}", word("/metadata/namespace")),
            false => format!("{root}/{plural}/{name}"),
        })
    }
}
