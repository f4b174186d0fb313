//! When to try a request again: one loop for every API, so that "retry" means one thing. A provider says what each try came
//! to; how often, how long and after what delay it is tried is decided here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::provider::Progress;

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

/// Tries after the first that found nobody to connect to: a network that is down is told soon, while one that stumbles is
/// given a moment.
const RECONNECTS: u32 = 3;

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

/// What one try came to.
#[derive(Debug)]
pub struct Try<T> {
    /// What there is if it was the last.
    pub outcome: T,
    /// What may come after it.
    pub next: Next,
    /// What went wrong, for whoever waits.
    pub why: String,
    /// The request may have taken effect, although no answer says that it did.
    pub may_have_acted: bool,
}

impl<T> Try<T> {
    /// One that stands, whatever it is.
    pub fn last(outcome: T) -> Self {
        Self { outcome, next: Next::Nothing, why: String::new(), may_have_acted: false }
    }
}

/// What may come after a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it would go the same way again.
    Nothing,
    /// Another try at once, with the credentials that were just renewed. Once in a loop, and not counted.
    Renewed,
    /// Another try after a delay: the server's own, if it named one.
    Later(Option<Duration>),
    /// Another try after a delay, but not many: there was nobody to connect to.
    Unreached,
}

/// Which try it is.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// Whether the credentials were renewed in this loop.
    pub renewed: bool,
}

/// What all tries came to.
#[derive(Debug)]
pub struct Done<T> {
    /// What the last one came to.
    pub outcome: T,
    /// How many there were.
    pub tries: u32,
    /// One of them may have taken effect, although no answer says that it did.
    pub may_have_acted: bool,
}

/// How one request is tried.
pub struct Retries<'a> {
    /// How often and how long.
    pub policy: Policy,
    /// Where the spread of delays comes from.
    pub jitter: &'a Jitter,
    /// Told of each delay.
    pub progress: Option<&'a dyn Progress>,
}

impl Retries<'_> {
    /// Tries until it stands, or the policy gives up.
    pub async fn run<T, F: Future<Output = Try<T>>>(&self, mut attempt: impl FnMut(Turn) -> F) -> Done<T> {
        let started = Instant::now();
        let mut turn = Turn { renewed: false };
        let (mut tries, mut retries, mut may_have_acted) = (0, 0, false);
        loop {
            let tried = attempt(turn).await;
            tries += 1;
            may_have_acted |= tried.may_have_acted;
            let wish = match tried.next {
                Next::Renewed if !turn.renewed => {
                    turn.renewed = true;
                    continue;
                }
                Next::Later(wish) => Some(wish),
                Next::Unreached if retries < RECONNECTS => Some(None),
                Next::Renewed | Next::Unreached | Next::Nothing => None,
            };
            let delay = wish.and_then(|wish| self.policy.delay(retries, started.elapsed(), wish, self.jitter.next()));
            let Some(delay) = delay else {
                return Done { outcome: tried.outcome, tries, may_have_acted };
            };
            retries += 1;
            if let Some(progress) = self.progress {
                progress.retried(delay, &tried.why);
            }
            tokio::time::sleep(delay).await;
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

    /// Runs a script of tries; gives how many ran, and whether one may have acted.
    async fn run(script: &[(Next, bool)]) -> (u32, usize, bool) {
        let millisecond = Duration::from_millis(1);
        let policy = Policy { retries: 5, base: millisecond, cap: millisecond, budget: Duration::from_secs(60) };
        let left = std::sync::Mutex::new(script.iter());
        let retries = Retries { policy, jitter: &Jitter::new(1), progress: None };
        let done = retries
            .run(|turn| {
                let (next, may_have_acted) = *left.lock().unwrap().next().unwrap();
                async move { Try { outcome: turn.renewed, next, why: String::new(), may_have_acted } }
            })
            .await;
        let unused = left.lock().unwrap().len();
        (done.tries, unused, done.may_have_acted)
    }

    #[tokio::test]
    async fn tries_end_when_one_stands_or_when_it_is_enough() {
        let later = (Next::Later(None), false);
        assert_eq!(run(&[later, later, (Next::Nothing, false), later]).await, (3, 1, false));
        // Six in all.
        assert_eq!(run(&[later; 9]).await, (6, 3, false));
        assert_eq!(run(&[(Next::Unreached, false); 9]).await, (4, 5, false));
        // A wish beyond the budget.
        assert_eq!(run(&[(Next::Later(Some(Duration::from_secs(3600))), false), later]).await, (1, 1, false));
        // Renewed credentials are no retry, and are renewed once.
        assert_eq!(run(&[(Next::Renewed, false), (Next::Renewed, false), later]).await, (2, 1, false));
        let renewed = (Next::Renewed, false);
        assert_eq!(run(&[&[renewed][..], &[later; 9]].concat()).await, (7, 3, false));
    }

    #[tokio::test]
    async fn what_may_have_acted_once_may_have_acted() {
        let script = [(Next::Later(None), true), (Next::Later(None), false), (Next::Nothing, false)];
        assert_eq!(run(&script).await, (3, 0, true));
    }
}
