//! When to try a request again, and when to hold requests back: shared by all providers, so that "retry" means one thing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// How often and how long to try.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Tries after the first.
    pub retries: u32,
    /// Delay before the first retry; doubles from there.
    pub base: Duration,
    /// Longest single delay.
    pub cap: Duration,
    /// Longest time for all tries together.
    pub budget: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retries: 8,
            base: Duration::from_millis(200),
            cap: Duration::from_secs(30),
            budget: Duration::from_secs(300),
        }
    }
}

impl Policy {
    /// The delay before retry number `attempt` (from 0) after `elapsed`, or `None` when to give up. The server's own
    /// `Retry-After` wins over the exponential delay. `jitter` is a random number in 0..1.
    pub fn delay(
        &self,
        attempt: u32,
        elapsed: Duration,
        retry_after: Option<Duration>,
        jitter: f64,
    ) -> Option<Duration> {
        if attempt >= self.retries {
            return None;
        }
        let exponential = self.base.saturating_mul(2_u32.saturating_pow(attempt.min(20))).min(self.cap);
        // Half fixed, half random: spreads clients without ever retrying at once.
        let spread = exponential.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        let delay = retry_after.unwrap_or(spread);
        (elapsed + delay <= self.budget).then_some(delay)
    }

    /// Whether to try again after `attempt` tries (from 0) that found nobody to connect to: a network that is down is told
    /// soon, while one that stumbles is given a moment.
    pub fn keeps_connecting(attempt: u32) -> bool {
        attempt < 3
    }

    /// Whether an HTTP status may heal: too many requests, a timeout, or the server's own fault.
    pub fn is_transient(status: u16) -> bool {
        matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
    }
}

/// Random numbers in 0..1 that spread retries (splitmix64 over a seed: tests repeat).
#[derive(Debug)]
pub struct Jitter(AtomicU64);

impl Jitter {
    /// The same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next number.
    pub fn next(&self) -> f64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Holds back requests to one API: at most so many at once, and none before the time that the API asked for.
#[derive(Debug)]
pub struct Limiter {
    permits: Semaphore,
    width: usize,
    resume_at: Mutex<Option<Instant>>,
}

impl Limiter {
    /// At most `width` requests at once.
    pub fn new(width: usize) -> Self {
        let width = width.max(1);
        Self { permits: Semaphore::new(width), width, resume_at: Mutex::new(None) }
    }

    /// How many at once.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Waits for a place. Hold the permit while the request runs.
    pub async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed, so this is `Some` always.
        let permit = self.permits.acquire().await.ok();
        loop {
            let resume_at = self.resume_at.lock().map(|guard| *guard).unwrap_or(None);
            match resume_at {
                Some(at) if at > Instant::now() => tokio::time::sleep_until(at).await,
                _ => return permit,
            }
        }
    }

    /// No request before `delay` from now.
    pub fn pause(&self, delay: Duration) {
        let at = Instant::now() + delay;
        if let Ok(mut guard) = self.resume_at.lock() {
            *guard = Some(guard.map_or(at, |old| old.max(at)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backs_off_within_its_budget() {
        let policy = Policy {
            retries: 3,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(3),
            budget: Duration::from_secs(10),
        };
        let delays: Vec<_> = (0..4).map(|n| policy.delay(n, Duration::ZERO, None, 1.0)).collect();
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(delays, [seconds(1), seconds(2), seconds(3), None]);
        assert_eq!(policy.delay(0, Duration::ZERO, seconds(7), 0.0), seconds(7));
        assert_eq!(policy.delay(0, Duration::from_secs(9), seconds(7), 0.0), None);
    }

    #[test]
    fn jitter_is_repeatable_and_within_bounds() {
        let draw = || {
            let jitter = Jitter::new(7);
            (0..100).map(|_| jitter.next()).collect::<Vec<_>>()
        };
        let drawn = draw();
        assert_eq!(drawn, draw());
        assert!(drawn.iter().all(|number| (0.0..1.0).contains(number)) && drawn[0] != drawn[1]);
    }

    #[tokio::test]
    async fn a_pause_holds_everyone_back() {
        let limiter = Limiter::new(2);
        assert!(futures::poll!(std::pin::pin!(limiter.enter())).is_ready());
        limiter.pause(Duration::from_secs(3600));
        assert!(futures::poll!(std::pin::pin!(limiter.enter())).is_pending());
    }
}
