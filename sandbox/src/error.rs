//! What goes wrong with a sandbox as a whole.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::real::ClusterError;
use super::world::WorldError;

/// Why a sandbox could not start, or its world not be read.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The address is reachable from elsewhere. The sandbox must not be.
    #[error("the sandbox listens on loopback only, not on {address}; use 127.0.0.1:0 or [::1]:0")]
    NotLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address cannot be listened on, mostly because another process does.
    #[error("the sandbox cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The reason.
        source: std::io::Error,
    },
    /// A real cluster cannot stand for the emulated ones.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The world cannot be used.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The runtime is shutting down.
    #[error("the sandbox was stopped while it started")]
    Stopped,
    /// Files of the world cannot be removed.
    #[error("{} cannot be removed: {source}", path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
}
