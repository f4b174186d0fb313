//! The lock of the state: who takes it, and how long one waits for another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kompox_state::{Astray, LockRequest, StateError, Store};

use super::session::Session;
use crate::advice::{Advice, Command, Name, Switch};
use crate::cli::error::CliError;
use crate::cli::global::Global;
use crate::cli::ui::Ui;
use crate::engine::lease::Lease;
use crate::engine::run::{Environment, System, timestamp};

/// The longest time that one request takes, after which a holder that is gone can have none under way.
const LAST_REQUEST: Duration = Duration::from_secs(60);

/// How soon one who waits tries again, and how soon at last: each try is a few requests to the server of the state, and many may
/// wait for one who needs it.
const AGAIN: Duration = Duration::from_millis(200);
const AGAIN_AT_LAST: Duration = Duration::from_secs(2);

impl Session<'_> {
    /// Takes the lock, and keeps it; waits as long as the user allows.
    pub async fn lock(&self, plan_digest: Option<String>) -> Result<Arc<Lease>, CliError> {
        take(&self.store, plan_digest, self.global, self.ui).await
    }
}

/// Who asks for a lock.
pub fn asked(global: &Global) -> LockRequest {
    LockRequest {
        who: actor(&global.environment()),
        host: host(),
        pid: std::process::id(),
        command: global.called.clone(),
        now: timestamp(System.now()),
        plan_digest: None,
    }
}

/// Takes the lock of a state, and keeps it; waits as long as the user allows.
///
/// # Errors
/// Somebody else has it; the state is not the one that was last written to from here.
pub async fn take(
    store: &Arc<dyn Store>,
    plan_digest: Option<String>,
    global: &Global,
    ui: &Ui,
) -> Result<Arc<Lease>, CliError> {
    let lease = take_as_it_is(store, plan_digest, global, ui).await?;
    match store.astray()? {
        None => Ok(lease),
        Some(astray) => Err(behind(&astray)),
    }
}

/// What is to be said of a state that is not the one that was last written to from here.
pub fn behind(astray: &Astray) -> CliError {
    let error =
        CliError::new("state-behind", format!("the state is not the one that was last written from here: {astray}"));
    behind_help().into_iter().fold(error, CliError::help)
}

/// What to do about it.
pub fn behind_help() -> [Advice; 2] {
    [
        "put the newer one back, or a copy of it by `kompox state push FILE`; what was made since has no record in this one".into(),
        Advice::run("to go on with this one", Command::new(Name::StateAccept)),
    ]
}

/// The same for whoever puts another state in its place: whatever it is.
///
/// # Errors
/// Somebody else has it.
pub async fn take_as_it_is(
    store: &Arc<dyn Store>,
    plan_digest: Option<String>,
    global: &Global,
    ui: &Ui,
) -> Result<Arc<Lease>, CliError> {
    let request = LockRequest { plan_digest, ..asked(global) };
    let give_up = Instant::now() + Duration::from_secs(global.lock_timeout);
    let mut pause = AGAIN;
    loop {
        let began = Instant::now();
        match store.try_lock(&request) {
            Ok(lock) => {
                let lease = Arc::new(Lease::keep(Arc::clone(store), lock, began));
                if let Some(gone) = lease.lock().expired_holder() {
                    // A request that it sent last may still be under way.
                    ui.say(|err| {
                        writeln!(err, "note: the lock of {gone} has expired; waiting until its last request is over")
                    });
                    tokio::time::sleep(LAST_REQUEST).await;
                }
                if let Some(dead) = lease.lock().cleared_dead_holder() {
                    ui.say(|err| writeln!(err, "note: the lock of {dead} was cleared: that process is gone"));
                }
                return Ok(lease);
            }
            Err(StateError::Locked { .. } | StateError::Busy { .. }) if began < give_up => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(AGAIN_AT_LAST);
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

/// Who runs this, by the environment.
fn actor(variables: &BTreeMap<String, String>) -> String {
    let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| variables.get(*name));
    user.cloned().unwrap_or_else(|| "unknown".to_owned())
}

/// The name of this machine.
fn host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}
