//! Long-running operations: `Azure-AsyncOperation`, else `Location`, else `provisioningState` in the body, at the
//! server's `Retry-After`; then the object itself is read again.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use crate::engine::provider::{ErrorClass, Progress, ProviderError, Transition};

use super::client::{Arm, Response};
use super::error;
use super::id::ArmId;
use super::read::transition;
use super::recent::Recent;
use super::types::ResourceType;

/// Time between polls when the server does not say.
const DEFAULT_POLL: Duration = Duration::from_secs(5);

/// A server that goes on saying "at once" is asked less and less often: this much later with each poll, …
const POLL_FLOOR_STEP: Duration = Duration::from_millis(5);
/// … so many times.
const POLL_FLOOR_STEPS: u32 = 40;

/// Waits for what was started on one object.
pub(super) struct Wait<'a> {
    /// Where.
    pub arm: &'a Arm,
    /// What was seen and unlocked in this run.
    pub recent: &'a Recent,
    /// The object.
    pub id: &'a ArmId,
    /// Its type.
    pub kind: &'static ResourceType,
    /// Told of acceptance and of each poll.
    pub progress: &'a dyn Progress,
    /// What is going on, such as `Creating`.
    pub doing: &'static str,
    /// When it began.
    pub started: Instant,
    /// How long it may take.
    pub timeout: Duration,
    /// Longest time between polls.
    pub poll_cap: Duration,
    /// Number of polls so far.
    pub polls: AtomicU32,
}

/// What a poll says.
enum Step {
    Pending(String),
    Done,
    Failed(Box<ProviderError>),
}

impl Wait<'_> {
    /// The URL of the object.
    pub fn url(&self) -> Url {
        self.arm.url(self.id.as_str(), self.kind.api_version)
    }

    /// Where what `response` started can be followed, told to the engine before the first poll; `None` if it is over.
    ///
    /// # Errors
    /// The link leads to another server.
    pub async fn accepted(&self, response: &Response) -> Result<Option<Url>, ProviderError> {
        let url = match response.operation_link() {
            Some(link) => self.arm.resolve(link)?,
            None if response.status == 202 || is_changing(&response.body, self.kind) => self.url(),
            None => return Ok(None),
        };
        self.progress.accepted(&self.arm.relative(&url)).await;
        Ok(Some(url))
    }

    /// Polls an operation until it ends; the first time after `wish`.
    ///
    /// # Errors
    /// It failed (with the code and message of the operation), it takes longer than the timeout, or polling failed.
    pub async fn follow(&self, url: Url, wish: Option<Duration>) -> Result<(), ProviderError> {
        let mut wish = wish;
        let mut last = "Accepted".to_owned();
        loop {
            self.pause(wish, &last).await?;
            let Some(response) = self.arm.get(url.clone()).await.map_err(begun)? else {
                // Operations are forgotten after some hours; the object itself tells the end.
                return Ok(());
            };
            match step(&response, self.kind) {
                Step::Done => return Ok(()),
                Step::Failed(error) => return Err(*error),
                Step::Pending(status) => last = status,
            }
            wish = response.retry_after();
        }
    }

    /// Waits until the object is there and nothing is done to it any more, and gives it.
    ///
    /// # Errors
    /// Its provisioning failed, it takes too long, or it cannot be read.
    pub async fn ready(&self) -> Result<Value, ProviderError> {
        loop {
            let (wish, last) = match self.arm.get_object(self.url()).await.map_err(begun)? {
                Some(response) => match transition(&response.body, self.kind) {
                    None => return Ok(response.body),
                    Some(Transition::Failed) => return Err(failed(&response)),
                    Some(Transition::Changing | Transition::Deleting) => {
                        (response.retry_after(), state(&response.body))
                    }
                },
                None => (None, "not to be found yet".to_owned()),
            };
            self.pause(wish, &last).await?;
        }
    }

    /// Waits until the object is gone.
    ///
    /// # Errors
    /// It takes too long, or it cannot be read.
    pub async fn gone(&self) -> Result<(), ProviderError> {
        while let Some(response) = self.arm.get_object(self.url()).await.map_err(begun)? {
            self.pause(response.retry_after(), &state(&response.body)).await?;
        }
        Ok(())
    }

    /// Sleeps until the next poll.
    ///
    /// # Errors
    /// The timeout would be over by then; says what was last seen.
    pub async fn pause(&self, wish: Option<Duration>, last: &str) -> Result<(), ProviderError> {
        let floor = POLL_FLOOR_STEP * self.polls.fetch_add(1, Ordering::Relaxed).min(POLL_FLOOR_STEPS);
        let delay = wish.unwrap_or(DEFAULT_POLL).max(floor).min(self.poll_cap);
        let elapsed = self.started.elapsed();
        if elapsed + delay > self.timeout {
            let message = format!("{}: not done after {} s; last seen: {last}", self.id.name(), elapsed.as_secs());
            return Err(ProviderError::new(ErrorClass::NotReady, message)
                .hint("it may still end well: apply again, which goes on waiting"));
        }
        let seen = if matches!(last, "Accepted" | "InProgress" | "Running") { self.doing } else { last };
        self.progress.status(&format!("{seen}, {} s", elapsed.as_secs()));
        tokio::time::sleep(delay).await;
        Ok(())
    }
}

/// An error after the request was accepted: what it did is not known.
fn begun(error: ProviderError) -> ProviderError {
    ProviderError { class: ErrorClass::Ambiguous, ..error }
}

fn is_changing(body: &Value, kind: &ResourceType) -> bool {
    matches!(transition(body, kind), Some(Transition::Changing | Transition::Deleting))
}

/// What an object says of itself, in a few words.
fn state(body: &Value) -> String {
    let state = body.pointer("/properties/provisioningState").and_then(Value::as_str).unwrap_or("still there");
    match body.pointer("/properties/completionPercent").and_then(Value::as_f64) {
        Some(percent) if percent < 100.0 => format!("{state}, copied {percent:.0} %"),
        _ => state.to_owned(),
    }
}

fn failed(response: &Response) -> ProviderError {
    let state = state(&response.body);
    ProviderError {
        request_id: response.request_id(),
        ..ProviderError::new(ErrorClass::Ambiguous, format!("provisioning ended as {state}"))
            .hint("the activity log of the resource in the Azure portal says why")
    }
}

fn step(response: &Response, kind: &ResourceType) -> Step {
    if let Some(status) = response.body.get("status").and_then(Value::as_str) {
        return match status.to_ascii_lowercase().as_str() {
            "succeeded" => Step::Done,
            "failed" | "canceled" | "cancelled" => {
                Step::Failed(Box::new(error::of_operation(&response.body, response.request_id())))
            }
            _ => match response.body.get("percentComplete").and_then(Value::as_f64) {
                Some(percent) => Step::Pending(format!("{status} {percent:.0} %")),
                None => Step::Pending(status.to_owned()),
            },
        };
    }
    if response.status == 202 {
        return Step::Pending("Accepted".to_owned());
    }
    match transition(&response.body, kind) {
        Some(Transition::Failed) => Step::Failed(Box::new(failed(response))),
        Some(_) => Step::Pending(state(&response.body)),
        None => Step::Done,
    }
}
