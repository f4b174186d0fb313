//! The disks of the cloud, as Pods attach them.

use rusqlite::Transaction;

use super::super::world::WorldError;

/// Attaches cloud disks to nodes when Pods that mount them start and end. The resource manager part implements it, so
/// that a disk in use cannot be deleted there.
pub trait Disks: Send + Sync {
    /// A Pod on `node` mounts the volume `handle` (a disk's ARM id, as in `spec.csi.volumeHandle`) with this host
    /// cache. Gives the reason when the disk cannot be attached (missing, attached elsewhere, another zone); the Pod
    /// then waits.
    ///
    /// # Errors
    /// Failures of the database.
    fn attach(
        &self,
        tx: &Transaction<'_>,
        cluster: &str,
        handle: &str,
        node: &str,
        caching: &str,
    ) -> Result<Option<String>, WorldError>;

    /// The driver's part of a resize: the disk has at least `gib` afterwards. Gives the reason when it cannot.
    ///
    /// # Errors
    /// Failures of the database.
    fn grow(&self, tx: &Transaction<'_>, handle: &str, gib: i64) -> Result<Option<String>, WorldError>;

    /// The driver's part of the reclaim policy `Delete`: the disk goes, unless a machine has it.
    ///
    /// # Errors
    /// Failures of the database.
    fn delete(&self, tx: &Transaction<'_>, handle: &str) -> Result<(), WorldError>;

    /// The last Pod that mounted `handle` has ended.
    ///
    /// # Errors
    /// Failures of the database.
    fn detach(&self, tx: &Transaction<'_>, cluster: &str, handle: &str) -> Result<(), WorldError>;
}

/// Volumes without a cloud behind them: every attachment succeeds and leaves no trace.
#[derive(Debug, Clone, Copy)]
pub struct NoDisks;

impl Disks for NoDisks {
    fn attach(&self, _: &Transaction<'_>, _: &str, _: &str, _: &str, _: &str) -> Result<Option<String>, WorldError> {
        Ok(None)
    }

    fn grow(&self, _: &Transaction<'_>, _: &str, _: i64) -> Result<Option<String>, WorldError> {
        Ok(None)
    }

    fn delete(&self, _: &Transaction<'_>, _: &str) -> Result<(), WorldError> {
        Ok(())
    }

    fn detach(&self, _: &Transaction<'_>, _: &str, _: &str) -> Result<(), WorldError> {
        Ok(())
    }
}
