//! The seam between the resource manager part of the sandbox and its Kubernetes part.
//!
//! The HTTP server hands every request below a cluster's mount point to a [`KubernetesApi`]; the resource manager part tells it when
//! clusters and agent pools come and go. Everything it knows lives in the same [`World`].

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderMap;
use rusqlite::Transaction;
use serde_json::{Value, json};

use super::world::{World, WorldError};

/// The media type of JSON.
pub(super) const JSON: &str = "application/json";

/// A request to the API server of one emulated cluster.
#[derive(Debug, Clone)]
pub struct KubeRequest {
    /// The HTTP method, upper case.
    pub method: http::Method,
    /// The path after the mount point, with its leading `/`, still percent-encoded as it came.
    pub path: String,
    /// The query parameters, decoded, in their order.
    pub query: Vec<(String, String)>,
    /// The request headers. Authentication has been checked already.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// The time of the request in milliseconds since the Unix epoch, by the sandbox's clock.
    pub now_ms: i64,
    /// Its number in the log of requests; none for one that the sandbox itself makes.
    pub seq: Option<i64>,
}

/// The body of a [`KubeResponse`].
#[derive(Debug)]
pub enum Body {
    /// All at once.
    Full(Bytes),
    /// Chunk by chunk until the sender is dropped (a watch). The receiver is dropped when the client goes away.
    Stream(tokio::sync::mpsc::Receiver<Bytes>),
}

/// The answer to a [`KubeRequest`].
#[derive(Debug)]
pub struct KubeResponse {
    /// The HTTP status.
    pub status: http::StatusCode,
    /// The value of `Content-Type`.
    pub content_type: Cow<'static, str>,
    /// Further headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
    /// Whether the log of requests has its end already, written in one transaction with its effect.
    pub logged: bool,
}

/// A `Status` object of a failed request.
pub(super) fn kubernetes_status(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}

impl KubeResponse {
    /// A whole answer.
    pub(super) fn full(status: http::StatusCode, content_type: &'static str, body: String) -> Self {
        Self {
            status,
            content_type: content_type.into(),
            headers: HeaderMap::new(),
            body: Body::Full(body.into()),
            logged: false,
        }
    }

    /// A whole answer in JSON.
    pub(super) fn json(status: http::StatusCode, body: String) -> Self {
        Self::full(status, JSON, body)
    }
}

/// An agent pool as its cluster's API server sees it: what its Node objects are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePool {
    /// The pool's name.
    pub name: String,
    /// Node labels, those the managed service sets itself (`topology.kubernetes.io/zone`, `kubernetes.azure.com/agentpool`, …) excluded.
    pub labels: BTreeMap<String, String>,
    /// Node taints, each `key=value:Effect`.
    pub taints: Vec<String>,
    /// The availability zones; empty when the pool is not zonal.
    pub zones: Vec<String>,
    /// How many nodes there are now.
    pub count: u32,
    /// The virtual machine size.
    pub vm_size: String,
    /// `System` or `User`.
    pub mode: String,
    /// The region, normalised (`eastus`).
    pub location: String,
}

/// A disk or snapshot that the resource manager has just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeDisk<'a> {
    /// Its ARM id.
    pub id: &'a str,
    /// The disk or snapshot that it is a copy of.
    pub from: Option<&'a str>,
    /// The zone as nodes are labelled with it (`eastus-1`).
    pub zone: Option<String>,
    /// Its size in GiB.
    pub gib: i64,
}

/// An emulator of the Kubernetes API, for all clusters of a world.
///
/// `cluster` is always the lower-cased ARM id of the managed cluster. Methods run on a blocking thread inside a tokio runtime, so they may
/// use the database directly and may spawn tasks (a clone of [`World`] is cheap).
pub trait KubernetesApi: Send + Sync {
    /// `CREATE TABLE IF NOT EXISTS` statements of the tables it needs, run whenever a world is opened.
    fn schema(&self) -> &'static str {
        ""
    }

    /// Answers one request.
    fn handle(&self, world: &World, cluster: &str, request: KubeRequest) -> KubeResponse;

    /// Lets everything that is due by `now_ms` happen in all clusters. Called before each request, of the resource manager's too: that is
    /// where it shows that a Pod which has ended let go of its disk.
    ///
    /// # Errors
    /// Failures of the database.
    fn settle(&self, _tx: &Transaction<'_>, _now_ms: i64) -> Result<(), WorldError> {
        Ok(())
    }

    /// Whether there is this cluster.
    ///
    /// # Errors
    /// Failures of the database.
    fn has_cluster(&self, _tx: &Transaction<'_>, _cluster: &str) -> Result<bool, WorldError> {
        Ok(false)
    }

    /// A managed cluster was created, in the transaction `tx`: its default Namespaces and kinds come into being.
    ///
    /// # Errors
    /// Failures of the database.
    fn cluster_created(&self, _tx: &Transaction<'_>, _cluster: &str, _now_ms: i64) -> Result<(), WorldError> {
        Ok(())
    }

    /// A managed cluster was deleted: everything in it is gone.
    ///
    /// # Errors
    /// Failures of the database.
    fn cluster_deleted(&self, _tx: &Transaction<'_>, _cluster: &str) -> Result<(), WorldError> {
        Ok(())
    }

    /// An agent pool was created or changed: its Node objects are to be as `pool` says.
    ///
    /// # Errors
    /// Failures of the database.
    fn pool_changed(
        &self,
        _tx: &Transaction<'_>,
        _cluster: &str,
        _pool: &NodePool,
        _now_ms: i64,
    ) -> Result<(), WorldError> {
        Ok(())
    }

    /// An agent pool was deleted: its nodes are gone.
    ///
    /// # Errors
    /// Failures of the database.
    fn pool_deleted(&self, _tx: &Transaction<'_>, _cluster: &str, _pool: &str, _now_ms: i64) -> Result<(), WorldError> {
        Ok(())
    }

    /// A disk or snapshot was made: where containers are real, so is what is on it.
    ///
    /// # Errors
    /// It cannot be made.
    fn disk_made(&self, _made: &MadeDisk<'_>) -> Result<(), String> {
        Ok(())
    }

    /// The disk or snapshot with this ARM id is gone.
    fn disk_removed(&self, _id: &str) {}

    /// Everything that exists in all clusters, as (cluster, kubernetes path such as `/apis/apps/v1/namespaces/x/deployments/y`, object).
    /// Values of Secrets may be in it; the caller masks them.
    ///
    /// # Errors
    /// Failures of the database.
    fn inspect(&self, _tx: &Transaction<'_>) -> Result<Vec<(String, String, Value)>, WorldError> {
        Ok(Vec::new())
    }

    /// Merges a JSON merge patch into an object behind everyone's back, as another writer would. `path` is the object's path as in
    /// [`KubernetesApi::inspect`]. Returns false when there is no such object.
    ///
    /// # Errors
    /// Failures of the database.
    fn drift(
        &self,
        _tx: &Transaction<'_>,
        _cluster: &str,
        _path: &str,
        _patch: &Value,
        _now_ms: i64,
    ) -> Result<bool, WorldError> {
        Ok(false)
    }
}
