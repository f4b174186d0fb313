//! What opening a provider takes beside its key, the same for all.

use std::collections::BTreeMap;
use std::time::Duration;

use super::retry::Policy;
use crate::advice::Advice;

/// When to try again on this machine: what a server on it refuses for some seconds it refuses on purpose.
pub const LOCAL: Policy = Policy {
    retries: 6,
    base: Duration::from_millis(100),
    cap: Duration::from_secs(1),
    budget: Duration::from_secs(4),
};

/// How often to ask a server on this machine again.
pub const LOCAL_POLL: Duration = Duration::from_millis(50);

/// What opening a provider takes beside its key.
pub struct Opening<'a> {
    /// Settings of the sign-in, as the manifest gives them. May hold secrets.
    pub written: Option<&'a BTreeMap<String, String>>,
    /// The process's environment.
    pub environment: &'a BTreeMap<String, String>,
    /// A server on this machine that stands for every cloud.
    pub stand_in: Option<StandIn<'a>>,
    /// Whether what the project names may run programs to sign in.
    pub allow_exec: bool,
    /// Seed of the jitter of retries.
    pub seed: u64,
}

/// A server on this machine.
#[derive(Debug, Clone, Copy)]
pub struct StandIn<'a> {
    /// Its URL.
    pub endpoint: &'a str,
    /// The bearer token that it takes.
    pub token: &'a str,
}

impl Opening<'_> {
    /// A setting of the sign-in: the manifest's, else the environment's. Empty is none.
    pub fn setting(&self, name: &str) -> Option<String> {
        let written = self.written.and_then(|written| written.get(name));
        written.or_else(|| self.environment.get(name)).filter(|value| !value.is_empty()).cloned()
    }
}

/// Why a provider cannot be opened.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct NotOpened {
    /// A stable kebab-case identifier, for machines.
    pub code: &'static str,
    /// What failed.
    pub message: String,
    /// What to do.
    pub help: Option<Advice>,
}

impl NotOpened {
    /// What failed.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(self, help: impl Into<Advice>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}
