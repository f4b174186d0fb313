//! The sandbox: a local emulator of Azure Resource Manager and of the Kubernetes clusters in it.
//!
//! It is an HTTP server on loopback. The provider code talks to it as it would to a cloud; only the endpoint and the token differ. Its
//! whole world is one SQLite file, so a second run, or a second process, sees what the first one made.
//!
//! - [`World`] is the file; [`kube_api`] the seam to the Kubernetes part; `arm` the resource manager part.
//! - `server` reads requests, logs each with a sequence number, lets due operations take effect, meets out faults, and answers.
//! - `door` lets in the same user, and whoever bears the world's token.
//! - Below `/_sandbox/` is what tests and rehearsals use: `GET health`, `GET requests`, `GET inspect`, `POST drift`.

mod arm;
mod clock;
mod config;
mod control;
mod door;
mod error;
mod fault;
pub mod kube_api;
pub mod kubernetes;
mod log;
mod real;
mod server;
mod standing;
#[cfg(test)]
mod tests;
pub mod world;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Transaction;
use serde_json::Value;

pub use arm::{attach_disk, delete_below, detach_disk};
pub use clock::{Clock, rfc3339};
pub use config::{Config, Latency};
pub use door::{TOKEN_PREFIX, existing_token};
pub use error::SandboxError;
pub use fault::{Fault, FaultError, FaultRule};
pub use log::RequestLogEntry;
pub use real::{ClusterError, KubeconfigRule, RuleError};
pub use standing::standing_kubeconfig;
pub use world::{World, WorldError};

use kube_api::KubernetesApi;

/// A running sandbox. Dropping it stops the server without waiting for it.
#[derive(Debug)]
pub struct Sandbox {
    server: server::Handle,
}

impl Sandbox {
    /// Starts serving on `listen`, a loopback address; port 0 takes a free one.
    ///
    /// # Errors
    /// The address is not loopback or taken, or the world cannot be opened.
    pub async fn start(config: Config, listen: SocketAddr) -> Result<Self, SandboxError> {
        let kubernetes = kubernetes(config.readiness_delay);
        Self::start_with(config, listen, kubernetes).await
    }

    /// Like [`Sandbox::start`], with real clusters on this machine in the place of the emulated ones. `disks` is a program
    /// that makes what is on disks and snapshots: `PROGRAM make ID ZONE GIB [FROM]`, `PROGRAM remove ID`.
    ///
    /// # Errors
    /// As of [`Sandbox::start`], or a cluster cannot be used.
    pub async fn start_on(
        config: Config,
        listen: SocketAddr,
        clusters: &[KubeconfigRule],
        disks: Option<&Path>,
    ) -> Result<Self, SandboxError> {
        let real = real::RealClusters::open(clusters, disks).await?;
        Self::start_with(config, listen, Arc::new(real)).await
    }

    /// Like [`Sandbox::start`], with another Kubernetes part.
    ///
    /// # Errors
    /// As of [`Sandbox::start`].
    pub async fn start_with(
        config: Config,
        listen: SocketAddr,
        kubernetes: Arc<dyn KubernetesApi>,
    ) -> Result<Self, SandboxError> {
        if !listen.ip().is_loopback() {
            return Err(SandboxError::NotLoopback { address: listen });
        }
        Ok(Self { server: server::start(config, listen, kubernetes).await? })
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The endpoint of its resource manager, such as `http://127.0.0.1:40123`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The world's token.
    #[must_use]
    pub fn token(&self) -> &str {
        self.server.token()
    }

    /// Stops: nothing new is accepted, running requests may end, then connections are closed. Returns when nothing is served any more.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// Everything that exists in the world of `data` now, each as `{"id", "type", "object"}`, sorted by id. A Kubernetes object's id is its
/// cluster's followed by its path (`/apis/apps/v1/namespaces/x/deployments/y`). Values of Secrets are hidden. No world is an empty one.
///
/// # Errors
/// The world cannot be read.
pub fn inspect(data: &Path) -> Result<Vec<Value>, SandboxError> {
    inspect_at(data, &Clock::system())
}

/// Like [`inspect`], at the time of `clock`: operations that are due by then have taken effect.
///
/// # Errors
/// The world cannot be read.
pub fn inspect_at(data: &Path, clock: &Clock) -> Result<Vec<Value>, SandboxError> {
    let kubernetes = kubernetes(Duration::ZERO);
    let Some(world) = existing(data, kubernetes.as_ref())? else { return Ok(Vec::new()) };
    world.write_quietly(|tx| arm::settle(tx, kubernetes.as_ref(), clock.now_ms()))?;
    Ok(world.read(|tx| control::inspect(tx, kubernetes.as_ref()))?)
}

/// Empties the world of `data`. Sandboxes that have it open go on with an empty one; a damaged file is removed.
///
/// # Errors
/// The world can be neither emptied nor removed.
pub fn reset(data: &Path) -> Result<(), SandboxError> {
    let emptied = existing(data, kubernetes(Duration::ZERO).as_ref())
        .and_then(|world| world.map_or(Ok(()), |world| world.empty()));
    if emptied.is_ok() {
        return Ok(());
    }
    for suffix in ["", "-wal", "-shm"] {
        let path = data.join(format!("{}{suffix}", world::FILE_NAME));
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(SandboxError::Remove { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The log of requests to the world of `data`, oldest first.
///
/// # Errors
/// The world cannot be read.
pub fn requests(data: &Path) -> Result<Vec<RequestLogEntry>, SandboxError> {
    match existing(data, kubernetes(Duration::ZERO).as_ref())? {
        Some(world) => Ok(world.read(log::entries)?),
        None => Ok(Vec::new()),
    }
}

fn existing(data: &Path, kubernetes: &dyn KubernetesApi) -> Result<Option<World>, WorldError> {
    if data.join(world::FILE_NAME).is_file() { World::open(data, kubernetes.schema()).map(Some) } else { Ok(None) }
}

/// The Kubernetes part, whose pods attach the disks of the resource manager part.
fn kubernetes(readiness_delay: Duration) -> Arc<dyn KubernetesApi> {
    Arc::new(kubernetes::Emulator::new(readiness_delay).with_disks(Arc::new(CloudDisks)))
}

/// The disks of the resource manager part, as the Kubernetes part attaches them.
struct CloudDisks;

impl kubernetes::Disks for CloudDisks {
    fn attach(
        &self,
        tx: &Transaction<'_>,
        cluster: &str,
        handle: &str,
        node: &str,
        caching: &str,
    ) -> Result<Option<String>, WorldError> {
        attach_disk(tx, cluster, handle, node, caching)
    }

    fn grow(&self, tx: &Transaction<'_>, handle: &str, gib: i64) -> Result<Option<String>, WorldError> {
        arm::grow_disk(tx, handle, gib)
    }

    fn detach(&self, tx: &Transaction<'_>, cluster: &str, handle: &str) -> Result<(), WorldError> {
        detach_disk(tx, cluster, handle)
    }

    fn delete(&self, tx: &Transaction<'_>, handle: &str) -> Result<(), WorldError> {
        delete_below(tx, handle)
    }
}
