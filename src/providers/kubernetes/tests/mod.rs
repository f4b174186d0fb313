//! The provider against a scripted API server: real HTTP on loopback, answers as the Kubernetes API gives them.

mod changing;
mod contents;
mod reading;
pub(crate) mod scenarios;
mod ties;
mod waiting;
mod ways;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Connector, KubernetesConfig, KubernetesProvider};
use crate::engine::address::Address;
use crate::engine::kind::Kind;
use crate::engine::provider::{Change, Operation, Progress, ProviderError, Target};
use crate::providers::retry::Policy;

pub const OURS: &str = "11111111-0000-4000-8000-000000000000";

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: HashMap<String, String>,
    pub headers: http::HeaderMap,
    pub body: Value,
    /// How many requests of this method and path came before.
    pub nth: usize,
}

impl Seen {
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What is answered.
pub enum Answer {
    Json(u16, Value),
    Text(u16, &'static str),
    Throttled(u16),
    /// The connection is closed without an answer.
    Reset,
    /// The body ends too early.
    CutOff,
    /// Nothing, for ever.
    Silent,
}

impl Answer {
    /// A `Status` as the API sends it.
    pub fn status(code: u16, reason: &str, message: &str, details: Value) -> Self {
        let body = json!({
            "apiVersion": "v1", "kind": "Status", "status": "Failure",
            "code": code, "reason": reason, "message": message, "details": details
        });
        Self::Json(code, body)
    }

    pub fn not_found(plural: &str, name: &str) -> Self {
        let message = format!("{plural} \"{name}\" not found");
        Self::status(404, "NotFound", &message, json!({"name": name, "kind": plural}))
    }

    pub fn forbidden(verb: &str) -> Self {
        let message = format!("secrets \"s\" is forbidden: User \"reader\" cannot {verb} resource \"secrets\"");
        Self::status(403, "Forbidden", &message, json!({}))
    }
}

/// An API server that answers as a function says.
pub struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub async fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/kubernetes/c1", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (log, answer) = (seen.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answer) = (log.clone(), answer.clone());
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(|request| {
                        let (log, answer) = (log.clone(), answer.clone());
                        async move {
                            let seen = record(&log, request).await;
                            match answer(&seen) {
                                Answer::Silent => std::future::pending().await,
                                answer => respond(answer),
                            }
                        }
                    });
                    // An error is what the script asked for: the connection is closed.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { url, seen }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }

    pub fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|seen| *seen == line).count()
    }

    pub fn kubeconfig(&self) -> String {
        kubeconfig(&self.url)
    }

    pub fn provider(&self) -> KubernetesProvider {
        KubernetesProvider::new(config(Arc::new(Fixed(self.kubeconfig()))))
    }
}

async fn record(log: &Mutex<Vec<Seen>>, request: Request<Incoming>) -> Seen {
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let query = parts.uri.query().unwrap_or("");
    let path = parts.uri.path().strip_prefix("/kubernetes/c1").unwrap().to_owned();
    let method = parts.method.to_string();
    let mut log = log.lock().unwrap();
    let seen = Seen {
        nth: log.iter().filter(|seen| seen.method == method && seen.path == path).count(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: parts.headers,
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        method,
        path,
    };
    log.push(seen.clone());
    seen
}

fn respond(answer: Answer) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let build = |status: u16, kind: &str, body: String| {
        let response = Response::builder().status(status).header("content-type", kind).header("audit-id", "audit-7");
        Ok(response.body(Full::new(Bytes::from(body))).unwrap())
    };
    match answer {
        Answer::Json(status, body) => build(status, "application/json", body.to_string()),
        Answer::Text(status, text) => build(status, "text/plain", text.to_owned()),
        Answer::Throttled(status) => {
            let mut response: Response<_> = build(status, "text/plain", "later".to_owned())?;
            response.headers_mut().insert("retry-after", "0".parse().unwrap());
            Ok(response)
        }
        Answer::Reset | Answer::Silent => Err(std::io::Error::other("reset")),
        Answer::CutOff => build(200, "application/json", "{\"metadata\": {\"na".to_owned()),
    }
}

pub fn kubeconfig(url: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "kubeconfig-token"}}]
    })
    .to_string()
}

pub fn config(connector: Arc<dyn Connector>) -> KubernetesConfig {
    let millisecond = Duration::from_millis(1);
    KubernetesConfig {
        retry: Policy { retries: 3, base: millisecond, cap: millisecond, budget: Duration::from_secs(60) },
        poll: millisecond,
        settle: 20 * millisecond,
        ..KubernetesConfig::new(connector)
    }
}

pub struct Fixed(pub String);

#[async_trait]
impl Connector for Fixed {
    async fn kubeconfig(&self) -> Result<Option<String>, ProviderError> {
        Ok(Some(self.0.clone()))
    }
}

/// Has no cluster until it is made, and counts how often it is asked.
#[derive(Default)]
pub struct Later {
    pub kubeconfig: Mutex<Option<String>>,
    pub asked: AtomicUsize,
}

#[async_trait]
impl Connector for Later {
    async fn kubeconfig(&self) -> Result<Option<String>, ProviderError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.kubeconfig.lock().unwrap().clone())
    }
}

/// Keeps what it is told.
#[derive(Default)]
pub struct Told {
    pub statuses: Mutex<Vec<String>>,
    pub retries: Mutex<Vec<String>>,
    /// Says that nobody wants to wait any longer.
    pub stop: tokio::sync::Notify,
}

#[async_trait]
impl Progress for Told {
    async fn accepted(&self, _operation_url: &str) {}

    fn status(&self, text: &str) {
        self.statuses.lock().unwrap().push(text.to_owned());
    }

    fn retried(&self, _delay: Duration, reason: &str) {
        self.retries.lock().unwrap().push(reason.to_owned());
    }

    async fn stopped(&self) {
        self.stop.notified().await;
    }
}

pub static CONFIG_MAP: Kind = Kind::plain("ConfigMap");
pub static SECRET: Kind = Kind::plain("Secret");
pub static DEPLOYMENT: Kind = Kind::plain("Deployment");
pub static NAMESPACE: Kind = Kind::plain("Namespace");
pub static CLAIM: Kind = Kind::plain("PersistentVolumeClaim");

pub fn target(kind: &'static Kind, id: &str) -> Target {
    let name = id.rsplit('/').next().unwrap();
    Target { address: Address::new("/ws/w", kind.name, name), kind, physical_id: Some(id.to_owned()), find: None }
}

pub fn operation(target: Target, change: Change) -> Operation {
    Operation {
        target,
        change,
        token: "t1".to_owned(),
        lineage: OURS.to_owned(),
        force: false,
        adopted: false,
        wait: true,
        timeout: Duration::from_secs(60),
    }
}

pub fn config_map(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "n"}, "data": {"a": "1"}
    })
}

/// The object with what a server adds, as ours.
pub fn live(mut object: Value) -> Value {
    object["metadata"]["uid"] = "uid-1".into();
    object["metadata"]["annotations"]["kompox.dev/lineage"] = OURS.into();
    object["metadata"]["managedFields"] = json!([{
        "manager": "kompox-converter", "operation": "Apply", "time": "2026-01-01T00:00:00Z",
        "fieldsV1": {"f:data": {"f:a": {}}}
    }]);
    object
}
