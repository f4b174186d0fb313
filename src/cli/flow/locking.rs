//! The lock of the state: who takes it, and how long one waits for another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kompox_state::{Lock, LockRequest, StateError};

use super::session::Session;
use crate::advice::{Advice, Command, Name, Switch};
use crate::cli::error::CliError;
use crate::engine::run::timestamp;

/// The longest time that one request takes, after which a holder that is gone can have none under way.
const LAST_REQUEST: Duration = Duration::from_secs(60);

impl Session<'_> {
    /// Takes the lock; waits as long as the user allows.
    pub async fn lock(&self, plan_digest: Option<String>) -> Result<Arc<Lock>, CliError> {
        let request = LockRequest {
            who: actor(&self.variables),
            host: host(),
            pid: std::process::id(),
            command: self.global.called.clone(),
            now: timestamp(self.environment.now()),
            plan_digest,
        };
        let give_up = Instant::now() + Duration::from_secs(self.global.lock_timeout);
        loop {
            match self.store.try_lock(&request) {
                Ok(lock) => {
                    if let Some(gone) = lock.expired_holder() {
                        // A request that it sent last may still be under way.
                        self.ui.say(|err| {
                            writeln!(
                                err,
                                "note: the lock of {gone} has expired; waiting until its last request is over"
                            )
                        });
                        tokio::time::sleep(LAST_REQUEST).await;
                    }
                    if let Some(dead) = lock.cleared_dead_holder() {
                        self.ui.say(|err| writeln!(err, "note: the lock of {dead} was cleared: that process is gone"));
                    }
                    return Ok(Arc::new(lock));
                }
                Err(StateError::Locked { .. } | StateError::Busy { .. }) if Instant::now() < give_up => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(error @ (StateError::Locked { .. } | StateError::Busy { .. })) => {
                    return Err(CliError::from(error)
                        .help(Advice::add("wait for it", Switch::LockTimeout, 300))
                        .help(Advice::run("plan without the lock is always possible", Command::new(Name::Plan))));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Who runs this, by the environment.
pub fn actor(variables: &BTreeMap<String, String>) -> String {
    let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| variables.get(*name));
    user.cloned().unwrap_or_else(|| "unknown".to_owned())
}

/// The name of this machine.
pub fn host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}
