//! One real cluster, reached by its kubeconfig.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::TryStreamExt as _;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body as ClientBody;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio::runtime::Handle;

use super::super::kube_api::{Body, KubeRequest, KubeResponse};

/// How many pieces of a watch wait for a slow client.
const PIECES: usize = 16;

/// Why a cluster cannot stand for a managed one.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The file is no kubeconfig that can be used.
    #[error("{} cannot be used as a kubeconfig: {reason}", file.display())]
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// The reason.
        reason: String,
    },
    /// Its current context leads to another machine, where a rehearsal could do harm.
    #[error("{} leads to {server}: the sandbox uses clusters on this machine only", file.display())]
    Elsewhere {
        /// The file.
        file: PathBuf,
        /// The server that the kubeconfig names.
        server: String,
    },
    /// Its server does not answer, or refuses.
    #[error("the cluster of {} does not answer: {reason}", file.display())]
    Silent {
        /// The file.
        file: PathBuf,
        /// The reason.
        reason: String,
    },
}

/// A cluster that answers.
pub(super) struct Cluster {
    client: Client,
    runtime: Handle,
}

impl Cluster {
    /// Reads a kubeconfig and asks its server for its version.
    pub(super) async fn open(file: &Path) -> Result<Self, ClusterError> {
        let unusable = |reason: String| ClusterError::Kubeconfig { file: file.to_owned(), reason };
        let kubeconfig = Kubeconfig::read_from(file).map_err(|error| unusable(error.to_string()))?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .map_err(|error| unusable(error.to_string()))?;
        // What is on this machine is reached without help.
        config.proxy_url = None;
        if !is_here(config.cluster_url.host().unwrap_or_default()) {
            return Err(ClusterError::Elsewhere { file: file.to_owned(), server: config.cluster_url.to_string() });
        }
        let client = Client::try_from(config).map_err(|error| unusable(error.to_string()))?;
        let silent = |error: kube::Error| ClusterError::Silent { file: file.to_owned(), reason: error.to_string() };
        client.apiserver_version().await.map_err(silent)?;
        Ok(Self { client, runtime: Handle::current() })
    }

    /// Sends a request on and gives the answer as it comes: a watch piece by piece, all else at once.
    pub(super) fn send(&self, request: KubeRequest) -> Result<KubeResponse, String> {
        let is_watch = request.query.iter().any(|(key, value)| key == "watch" && value != "false" && value != "0");
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&request.query).finish();
        let target = if query.is_empty() { request.path } else { format!("{}?{query}", request.path) };
        let mut built = Request::builder().method(request.method).uri(target);
        for name in [ACCEPT, CONTENT_TYPE] {
            if let Some(value) = request.headers.get(&name) {
                built = built.header(name, value);
            }
        }
        let built = built.body(ClientBody::from(request.body)).map_err(|error| error.to_string())?;
        let no_answer = |error: kube::Error| format!("the real cluster does not answer: {error}");
        let (head, body) = self.runtime.block_on(self.client.send(built)).map_err(no_answer)?.into_parts();
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or("application/json").to_owned().into();
        let body = if is_watch && head.status.is_success() {
            let (to, pieces) = tokio::sync::mpsc::channel(PIECES);
            self.runtime.spawn(async move {
                let mut frames = body.into_data_stream();
                while let Ok(Some(piece)) = frames.try_next().await {
                    if to.send(piece).await.is_err() {
                        break;
                    }
                }
            });
            Body::Stream(pieces)
        } else {
            let whole = self.runtime.block_on(body.collect());
            Body::Full(whole.map_err(|error| format!("the real cluster's answer broke off: {error}"))?.to_bytes())
        };
        Ok(KubeResponse { status: head.status, content_type, headers: HeaderMap::new(), body, logged: false })
    }

    /// A request of the sandbox's own, whose answer is JSON.
    pub(super) fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let request = KubeRequest {
            method,
            path: path.to_owned(),
            query: Vec::new(),
            headers: HeaderMap::from_iter([(
                CONTENT_TYPE,
                http::HeaderValue::from_static("application/merge-patch+json"),
            )]),
            body: body.map_or_else(Bytes::new, |body| body.to_string().into()),
            now_ms: 0,
            seq: None,
        };
        let answer = self.send(request)?;
        let Body::Full(bytes) = answer.body else { return Err(format!("{path} gave a stream")) };
        if !answer.status.is_success() {
            return Err(format!("{path}: {}", String::from_utf8_lossy(&bytes)));
        }
        serde_json::from_slice(&bytes).map_err(|error| format!("{path}: {error}"))
    }

    /// The disks that nodes have attached or are about to: (volume handle, node).
    pub(super) fn attached(&self) -> Result<Vec<(String, String)>, String> {
        let attachments = self.ask(Method::GET, "/apis/storage.k8s.io/v1/volumeattachments", None)?;
        let volumes = self.ask(Method::GET, "/api/v1/persistentvolumes", None)?;
        let handle = |name: &str| {
            let volume = items(&volumes).find(|volume| volume["metadata"]["name"] == name)?;
            volume.pointer("/spec/csi/volumeHandle")?.as_str().map(str::to_owned)
        };
        let of = |attachment: &Value| {
            let volume = attachment.pointer("/spec/source/persistentVolumeName")?.as_str()?;
            Some((handle(volume)?, attachment.pointer("/spec/nodeName")?.as_str()?.to_owned()))
        };
        Ok(items(&attachments).filter_map(of).collect())
    }
}

/// The items of a list.
pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

/// Whether a host of a URL is this machine.
fn is_here(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
