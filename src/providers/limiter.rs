//! When to hold requests back: at most so many at once, and not before the time that an API asked for in its headers.

use std::sync::Mutex;
use std::time::Duration;

use http::header::{HeaderMap, RETRY_AFTER};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// How long requests are held back when a quota header says that nothing is left and no `Retry-After` says how long.
const EMPTY_QUOTA_PAUSE: Duration = Duration::from_secs(1);
/// A server that asks for more waits for ever; also keeps the arithmetic of times from overflowing.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(86_400);

/// Holds back requests to one API: at most so many at once, and none before the time that the API asked for.
#[derive(Debug)]
pub struct Limiter {
    permits: Semaphore,
    resume_at: Mutex<Option<Instant>>,
}

impl Limiter {
    /// At most `width` requests at once.
    pub fn new(width: usize) -> Self {
        Self { permits: Semaphore::new(width.max(1)), resume_at: Mutex::new(None) }
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

    /// Holds everyone back as an answer asks for, before the server has to refuse them; gives how long its receiver is to
    /// wait before another try. `least` is how long who is throttled waits at least.
    pub fn heed(&self, status: u16, headers: &HeaderMap, least: Duration) -> Option<Duration> {
        let wish = retry_after(headers);
        if status == 429 {
            self.pause(wish.unwrap_or(least));
        }
        if quota(headers) == Some(0) {
            self.pause(wish.unwrap_or(EMPTY_QUOTA_PAUSE));
        }
        wish
    }

    /// No request before `delay` from now.
    fn pause(&self, delay: Duration) {
        let at = Instant::now() + delay;
        if let Ok(mut guard) = self.resume_at.lock() {
            *guard = Some(guard.map_or(at, |old| old.max(at)));
        }
    }
}

/// How long an answer asks to wait: `Retry-After` in seconds (RFC 9110), or in milliseconds as services of Azure say it.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let wish = number("x-ms-retry-after-ms").or_else(|| number("retry-after-ms")).map(Duration::from_millis);
    wish.or_else(|| number(RETRY_AFTER.as_str()).map(Duration::from_secs)).map(|wish| wish.min(LONGEST_RETRY_AFTER))
}

/// What is left of the scarcest quota that an answer names: a number, or a list of `NAME;NUMBER`.
fn quota(headers: &HeaderMap) -> Option<u64> {
    headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-ms-ratelimit-remaining-"))
        .filter_map(|(_, value)| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|part| part.rsplit(';').next()?.trim().parse::<u64>().ok())
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[tokio::test]
    async fn a_pause_holds_everyone_back() {
        let hour = Some(Duration::from_secs(3600));
        let quota = ("x-ms-ratelimit-remaining-resource", "A;9,B;0");
        for (status, pairs, wish, held) in [
            (200, vec![], None, false),
            (200, vec![("x-ms-ratelimit-remaining-subscription-reads", "9")], None, false),
            (200, vec![quota], None, true),
            (200, vec![quota, ("retry-after", "3600")], hour, true),
            (429, vec![], None, true),
            (429, vec![("retry-after", "3600")], hour, true),
            (429, vec![("retry-after", "0")], Some(Duration::ZERO), false),
            // Whoever asked waits; what else is asked may be served.
            (503, vec![("retry-after", "3600")], hour, false),
        ] {
            let limiter = Limiter::new(2);
            assert!(futures::poll!(std::pin::pin!(limiter.enter())).is_ready());
            assert_eq!(limiter.heed(status, &headers(&pairs), Duration::from_secs(60)), wish, "{status} {pairs:?}");
            let pending = futures::poll!(std::pin::pin!(limiter.enter())).is_pending();
            assert_eq!(pending, held, "{status} {pairs:?}");
        }
    }

    #[test]
    fn wishes_are_read_in_every_unit_and_cut() {
        let wish = |pairs: &[(&'static str, &str)]| retry_after(&headers(pairs));
        assert_eq!(wish(&[("retry-after", " 7 ")]), Some(Duration::from_secs(7)));
        assert_eq!(wish(&[("retry-after", "7"), ("retry-after-ms", "1500")]), Some(Duration::from_millis(1500)));
        assert_eq!(wish(&[("retry-after", "7"), ("x-ms-retry-after-ms", "20")]), Some(Duration::from_millis(20)));
        assert_eq!(wish(&[("retry-after", &u64::MAX.to_string())]), Some(LONGEST_RETRY_AFTER));
        assert_eq!(wish(&[("retry-after", "tomorrow")]), None);
    }
}
