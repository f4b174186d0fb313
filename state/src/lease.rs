//! Whether a holder somewhere else still lives, judged by what the one who waits sees (`engine.md`, "Lock").
//!
//! Clocks of two machines need not agree, so no time that a holder wrote down is compared with one of ours. Whoever wants
//! the lock looks at the holder's sign of life and counts, on its own monotonic clock, how long that has been the same.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::lock::LEASE;

/// What one store has seen of the holder's signs of life.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    clock: Clock,
    seen: Mutex<Option<(String, Instant)>>,
}

impl Watch {
    /// A watch by a clock that a test moves.
    #[cfg(test)]
    pub(crate) fn by(clock: Clock) -> Self {
        Self { clock, seen: Mutex::default() }
    }

    /// Takes note of a sign of life, a text that is another one after each renewal and for each holder; gives for how long
    /// it has been the same, which is nothing when it is seen for the first time.
    pub(crate) fn unchanged(&self, sign: &str) -> Duration {
        let now = self.clock.now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.as_ref() {
            Some((last, since)) if last == sign => now.saturating_duration_since(*since),
            _ => {
                *seen = Some((sign.to_owned(), now));
                Duration::ZERO
            }
        }
    }

    /// Whether the lease of the holder with this sign of life has run out.
    pub(crate) fn ran_out(&self, sign: &str) -> bool {
        self.unchanged(sign) > LEASE
    }
}

/// The monotonic clock of this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {
    #[cfg(test)]
    ahead: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl Clock {
    #[cfg(not(test))]
    fn now(&self) -> Instant {
        Instant::now()
    }

    #[cfg(test)]
    fn now(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.ahead.load(std::sync::atomic::Ordering::Relaxed))
    }

    /// Moves the time of all clones of this clock.
    #[cfg(test)]
    pub(crate) fn forward(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap();
        self.ahead.fetch_add(millis, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_runs_out_when_nothing_was_seen_to_change() {
        let clock = Clock::default();
        let watch = Watch::by(clock.clone());
        let past = LEASE + Duration::from_secs(1);
        clock.forward(past);
        assert!(!watch.ran_out("a1"), "seen for the first time, however old it is");
        clock.forward(LEASE / 2);
        assert!(!watch.ran_out("a1"));
        clock.forward(LEASE / 2);
        assert!(!watch.ran_out("a2"), "renewed in the meantime");
        clock.forward(past);
        assert!(!watch.ran_out("b1"), "another holder");
        clock.forward(past);
        assert!(watch.ran_out("b1"));
    }
}
