//! Who holds the lock.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Id of this acquisition; what `state unlock` takes.
    pub id: String,
    /// The person or service.
    pub who: String,
    /// The host it runs on.
    pub host: String,
    /// Its process there.
    pub pid: u32,
    /// The command it runs.
    pub command: String,
    /// Since when (RFC 3339, by the holder's clock).
    pub since: String,
    /// Digest of the plan it applies.
    pub plan_digest: Option<String>,
    /// The fencing token: higher with every acquisition.
    pub epoch: u64,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, host, pid, command, since, .. } = self;
        write!(f, "{who} on {host} (pid {pid}, `{command}`, since {since})")
    }
}
