//! The Kubernetes part by real clusters: every managed cluster's API is that of a cluster with containers.
//!
//! Requests go on to its API server as they come. What a managed service does beside that is done here: agent pools label the
//! nodes that are in their zones, and a disk that a node has attached is in use in the resource manager, too. What is on
//! disks belongs to the cluster's CSI driver: a program that the caller names makes it ([`Disks`]).

mod cluster;
mod disks;
mod nodes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::StatusCode;
use rusqlite::Transaction;

use super::arm;
use super::kube_api::{KubeRequest, KubeResponse, KubernetesApi, MadeDisk, NodePool, kubernetes_status};
use super::world::{World, WorldError};
use cluster::Cluster;
pub use cluster::ClusterError;
use disks::Disks;

/// How old what is known of attached disks may be.
const ATTACHED_FOR: Duration = Duration::from_millis(200);

/// Which real cluster stands for which managed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeconfigRule {
    /// The managed cluster's name; none for every one that no other rule names.
    pub cluster: Option<String>,
    /// The kubeconfig; its current context leads to a server on this machine.
    pub file: PathBuf,
}

/// Why a rule cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is neither FILE nor CLUSTER=FILE")]
pub struct RuleError(String);

impl std::str::FromStr for KubeconfigRule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let (cluster, file) = match text.split_once('=') {
            // A path may have the sign in it; a name has no slash.
            Some((name, file)) if !name.contains('/') => (Some(name.to_owned()), file),
            _ => (None, text),
        };
        if file.is_empty() || cluster.as_ref().is_some_and(String::is_empty) {
            return Err(RuleError(text.to_owned()));
        }
        Ok(Self { cluster, file: file.into() })
    }
}

/// Real clusters in the place of the emulated ones.
pub(super) struct RealClusters {
    /// By the managed cluster's name in lower case; the one without a name is for all others.
    clusters: BTreeMap<Option<String>, Cluster>,
    disks: Option<Disks>,
    /// When it was last asked which disks are attached.
    asked: Mutex<Option<Instant>>,
}

impl RealClusters {
    /// Reads the kubeconfigs and looks whether their servers answer. `disks` is the program that makes what is on disks.
    ///
    /// # Errors
    /// A kubeconfig cannot be used, leads elsewhere than to this machine, or its server does not answer.
    pub(super) async fn open(rules: &[KubeconfigRule], disks: Option<&Path>) -> Result<Self, ClusterError> {
        let mut clusters = BTreeMap::new();
        for rule in rules {
            let name = rule.cluster.as_ref().map(|name| name.to_lowercase());
            clusters.insert(name, Cluster::open(&rule.file).await?);
        }
        Ok(Self { clusters, disks: disks.map(Disks::new), asked: Mutex::default() })
    }

    /// The real cluster of a managed one, whose lower-cased ARM id this is.
    fn of(&self, id: &str) -> Option<&Cluster> {
        let name = id.rsplit('/').next().map(str::to_owned);
        self.clusters.get(&name).or_else(|| self.clusters.get(&None))
    }

    /// Whether it is time to ask again.
    fn is_due(&self) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = asked.is_none_or(|at| at.elapsed() >= ATTACHED_FOR);
        if due {
            *asked = Some(Instant::now());
        }
        due
    }
}

impl KubernetesApi for RealClusters {
    fn handle(&self, _world: &World, cluster: &str, request: KubeRequest) -> KubeResponse {
        let sent = match self.of(cluster) {
            Some(real) => real.send(request),
            None => Err("no --kubeconfig names a real cluster for this one".to_owned()),
        };
        sent.unwrap_or_else(|message| {
            let status = kubernetes_status(503, "ServiceUnavailable", &message);
            KubeResponse::json(StatusCode::SERVICE_UNAVAILABLE, status.to_string())
        })
    }

    /// A node that has a disk attached uses it.
    fn settle(&self, tx: &Transaction<'_>, _now_ms: i64) -> Result<(), WorldError> {
        if self.disks.is_none() || !self.is_due() {
            return Ok(());
        }
        for id in arm::clusters(tx)? {
            // A server that does not answer says nothing of its disks.
            let Some(Ok(attached)) = self.of(&id).map(Cluster::attached) else { continue };
            arm::attached_are(tx, &id, &attached)?;
        }
        Ok(())
    }

    fn pool_changed(&self, _: &Transaction<'_>, cluster: &str, pool: &NodePool, _: i64) -> Result<(), WorldError> {
        self.of(cluster).map_or(Ok(()), |real| nodes::join(real, pool)).map_err(WorldError::Cluster)
    }

    fn pool_deleted(&self, _: &Transaction<'_>, cluster: &str, pool: &str, _: i64) -> Result<(), WorldError> {
        self.of(cluster).map_or(Ok(()), |real| nodes::leave(real, Some(pool))).map_err(WorldError::Cluster)
    }

    fn cluster_deleted(&self, _: &Transaction<'_>, cluster: &str) -> Result<(), WorldError> {
        self.of(cluster).map_or(Ok(()), |real| nodes::leave(real, None)).map_err(WorldError::Cluster)
    }

    fn disk_made(&self, made: &MadeDisk<'_>) -> Result<(), String> {
        self.disks.as_ref().map_or(Ok(()), |disks| disks.make(made))
    }

    fn disk_removed(&self, id: &str) {
        self.disks.iter().for_each(|disks| disks.remove(id));
    }
}

#[cfg(test)]
mod tests;
