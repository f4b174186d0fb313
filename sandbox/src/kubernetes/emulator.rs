//! The emulator of all clusters of a world: how it is set up, and how it keeps the appointments of one.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Transaction;

use super::super::world::{World, WorldError};
use super::controller;
use super::disks::{Disks, NoDisks};
use super::env::Env;
use super::store::Store;

/// The Kubernetes API of all clusters of a world.
#[derive(Clone)]
pub struct Emulator {
    readiness_delay: Duration,
    disks: Arc<dyn Disks>,
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emulator").field("readiness_delay", &self.readiness_delay).finish_non_exhaustive()
    }
}

impl Emulator {
    /// An emulator in which Deployments become available, claims bound, load balancers addressed and Namespaces deleted
    /// after `readiness_delay`.
    #[must_use]
    pub fn new(readiness_delay: Duration) -> Self {
        Self { readiness_delay, disks: Arc::new(NoDisks) }
    }

    /// The same, attaching the disks of Pods through `disks`.
    #[must_use]
    pub fn with_disks(mut self, disks: Arc<dyn Disks>) -> Self {
        self.disks = disks;
        self
    }

    /// A cluster, in a transaction.
    pub(super) fn env<'t>(&'t self, tx: &'t Transaction<'t>, cluster: &'t str) -> Env<'t> {
        let delay_ms = i64::try_from(self.readiness_delay.as_millis()).unwrap_or(i64::MAX / 4);
        Env { store: Store { tx, cluster }, delay_ms, disks: &*self.disks }
    }

    /// Keeps the appointments of a cluster that are due, in a transaction of their own and only if there are any; false
    /// when there is no such cluster.
    ///
    /// # Errors
    /// Failures of the database.
    pub(super) fn keep_appointments(&self, world: &World, cluster: &str, now_ms: i64) -> Result<bool, WorldError> {
        let (exists, due) = world.read(|tx| {
            let store = Store { tx, cluster };
            Ok::<_, WorldError>((store.exists()?, store.anything_due(now_ms)?))
        })?;
        if due {
            world.write(|tx| controller::run_due(&self.env(tx, cluster), now_ms))?;
        }
        Ok(exists)
    }
}
