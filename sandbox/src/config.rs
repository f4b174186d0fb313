//! What a sandbox is started with.

use std::path::PathBuf;
use std::time::Duration;

use super::clock::Clock;
use super::fault::FaultRule;

/// How a sandbox behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// The directory of the world; made when missing. The world is the file `world.db` in it.
    pub data: PathBuf,
    /// Faults to meet out, in their order.
    pub faults: Vec<FaultRule>,
    /// How long each request takes.
    pub latency: Latency,
    /// How long a simple long-running operation takes (a disk, a snapshot, a group). Agent pools take twice, clusters three times as long.
    pub operation_delay: Duration,
    /// How long Deployments, claims and load balancers take to become ready.
    pub readiness_delay: Duration,
    /// The seed of fault rules that name none.
    pub seed: u64,
    /// Entries of a list page.
    pub page_size: usize,
    /// The clock.
    pub clock: Clock,
    /// Let no one in without the world's token, processes of the same user neither.
    pub token_required: bool,
}

impl Config {
    /// The defaults: no faults, no latency, operations of 50 ms, readiness after 100 ms, pages of 100, the machine's clock.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            faults: Vec::new(),
            latency: Latency::default(),
            operation_delay: Duration::from_millis(50),
            readiness_delay: Duration::from_millis(100),
            seed: 0,
            page_size: 100,
            clock: Clock::system(),
            token_required: false,
        }
    }
}

/// The time that requests take, beside their work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    /// Of GET and HEAD.
    pub read: Duration,
    /// Of everything else.
    pub write: Duration,
}
