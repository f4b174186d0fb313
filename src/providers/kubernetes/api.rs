//! The connection to one API server: one place for requests, retries, limits and what an answer is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio::sync::Mutex;

use super::config::{Connector, KubernetesConfig};
use super::kubeconfig::program_of;
use super::page::{self, Items};
use crate::engine::provider::{ErrorClass, Progress, ProviderError};
use crate::providers::limiter::Limiter;
use crate::providers::retry::{Jitter, Next, Policy, Retries, Try, Turn};
use crate::text::host::is_loopback;

/// The content type of server-side apply; JSON is YAML.
pub const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// The content type of a merge patch (RFC 7396).
const MERGE_PATCH: &str = "application/merge-patch+json";

/// How much of an answer that is no JSON an error quotes, in characters.
const QUOTED: usize = 200;

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The cluster does not exist yet.
    #[error("the cluster does not exist yet")]
    NoCluster,
    /// It could not be asked.
    #[error(transparent)]
    Failed(#[from] ProviderError),
}

impl From<CallError> for ProviderError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Failed(error) => error,
            CallError::NoCluster => ProviderError::new(ErrorClass::Rejected, error.to_string())
                .hint("create the cluster first, or check that its credentials can be read"),
        }
    }
}

/// A request.
pub struct Call<'a> {
    method: Method,
    /// Path and query, from the root of the API server.
    url: String,
    body: Option<(&'static str, Bytes)>,
    accept: &'static str,
    /// Whether the world may be another one after it.
    mutates: bool,
    /// Whether what is there already stays there: no try after a 409 would end otherwise.
    creates: bool,
    /// Where the answer is a list: who takes its items.
    items: Option<&'a dyn Items>,
    progress: Option<&'a dyn Progress>,
}

impl<'a> Call<'a> {
    /// A GET of a path with its query.
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            url: url.into(),
            body: None,
            accept: "application/json",
            mutates: false,
            creates: false,
            items: None,
            progress: None,
        }
    }

    /// A server-side apply. `dry_run` says that the URL asks for one.
    pub fn apply(url: String, object: &Value, dry_run: bool) -> Self {
        let body = Some((APPLY_PATCH, Bytes::from(object.to_string())));
        Self { method: Method::PATCH, body, mutates: !dry_run, ..Self::get(url) }
    }

    /// A merge patch.
    pub fn merge(url: String, patch: &Value) -> Self {
        let body = Some((MERGE_PATCH, Bytes::from(patch.to_string())));
        Self { method: Method::PATCH, body, mutates: true, ..Self::get(url) }
    }

    /// A JSON patch (RFC 6902): done whole, or not at all if one of its tests fails.
    pub fn json_patch(url: String, steps: &Value) -> Self {
        let body = Some(("application/json-patch+json", Bytes::from(steps.to_string())));
        Self { method: Method::PATCH, body, mutates: true, ..Self::get(url) }
    }

    /// A DELETE with its `DeleteOptions`.
    pub fn delete(url: String, options: &Value) -> Self {
        let body = Some(("application/json", Bytes::from(options.to_string())));
        Self { method: Method::DELETE, body, mutates: true, ..Self::get(url) }
    }

    /// Asks for another form of the answer.
    #[must_use]
    pub fn accept(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }

    /// Hands the items of a list over as they are read, and leaves them out of the answer.
    #[must_use]
    pub(super) fn items(mut self, items: &'a dyn Items) -> Self {
        self.items = Some(items);
        self
    }

    /// Says that it is refused where something is there.
    #[must_use]
    pub fn creating(mut self, creates: bool) -> Self {
        self.creates = creates;
        self
    }

    /// Tells of retries.
    #[must_use]
    pub fn telling(mut self, progress: &'a dyn Progress) -> Self {
        self.progress = Some(progress);
        self
    }
}

/// The form of answers that are no JSON: logs.
pub const TEXT: &str = "text/plain, application/json";

/// An answer, transient failures only when retries are used up. It may hold secrets, so it cannot be printed.
#[derive(Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body; of an answer that is no JSON its beginning as a text.
    pub body: Value,
    /// The API server's id of the request (`Audit-Id`).
    pub request_id: Option<String>,
    /// How many requests it took.
    pub attempts: u32,
    /// The request was one that changes something, and this or an earlier try may have done so although it failed.
    pub may_have_acted: bool,
}

impl Reply {
    /// Whether the status says success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The `reason` of a `Status`, such as `NotFound`.
    pub fn reason(&self) -> Option<&str> {
        self.text("/reason")
    }

    /// The `message` of a `Status`, or what else there is.
    pub fn message(&self) -> &str {
        self.text("/message").or(self.body.as_str()).unwrap_or("")
    }

    /// A text in the body.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.body.pointer(pointer).and_then(Value::as_str)
    }

    /// The causes of a `Status`.
    pub fn causes(&self) -> &[Value] {
        self.body.pointer("/details/causes").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Whether a cause has this reason.
    pub fn has_cause(&self, reason: &str) -> bool {
        self.causes().iter().any(|cause| cause.get("reason").and_then(Value::as_str) == Some(reason))
    }

    /// Whether the server could not read the object of a server-side apply: it answers 500 although the object is wrong
    /// (a number for a text, a text that is no base64).
    pub fn is_undecodable(&self) -> bool {
        let told = ["failed to create typed patch object", "error decoding from json"];
        self.status == 500 && told.iter().any(|text| self.message().contains(text))
    }

    /// Whether the same request may succeed later: transient statuses, and two writers who met on one object.
    fn is_transient(&self, call: &Call<'_>) -> bool {
        (Policy::is_transient(self.status) && !self.is_undecodable())
            || (self.status == 409
                && call.method == Method::PATCH
                && !call.creates
                && self.causes().is_empty()
                && self.message().contains("the object has been modified"))
    }
}

/// Why a try gave no answer.
enum NoAnswer {
    /// There was nobody to ask.
    NoClient(CallError),
    /// The request was sent, or was to be.
    Failure(Failure),
}

/// A request without an answer.
struct Failure {
    message: String,
    /// The request may have arrived.
    arrived: bool,
    /// Another try may succeed.
    transient: bool,
}

/// One API server.
pub struct Api {
    connector: Arc<dyn Connector>,
    expected: Option<String>,
    client: Mutex<Option<Client>>,
    limiter: Limiter,
    retry: Policy,
    jitter: Jitter,
    user_agent: String,
    request_timeout: Duration,
}

impl Api {
    /// Nothing is asked before the first call.
    pub fn new(config: &KubernetesConfig) -> Self {
        Self {
            connector: config.connector.clone(),
            expected: config.expected.clone(),
            client: Mutex::new(None),
            limiter: Limiter::new(config.concurrency),
            retry: config.retry,
            jitter: Jitter::new(config.seed),
            user_agent: config.user_agent.clone(),
            request_timeout: config.request_timeout,
        }
    }

    /// Sends a request until it has an answer that will not heal, or retries are used up. Every request here may be
    /// repeated: reads, server-side apply, and deletions bound to a uid.
    ///
    /// # Errors
    /// There is no cluster, or it cannot be reached.
    pub async fn call(&self, call: Call<'_>) -> Result<Reply, CallError> {
        let retries = Retries { policy: self.retry, jitter: &self.jitter, progress: call.progress };
        let done = retries.run(|turn| self.attempt(&call, turn)).await;
        match done.outcome {
            Ok(reply) => Ok(Reply { attempts: done.tries, may_have_acted: done.may_have_acted, ..reply }),
            Err(NoAnswer::Failure(failure)) => Err(unanswered(&call, &failure, done.tries, done.may_have_acted).into()),
            // An earlier try was sent: what became of it cannot be asked any more.
            Err(NoAnswer::NoClient(error)) if done.may_have_acted => {
                Err(ProviderError { class: ErrorClass::Ambiguous, ..ProviderError::from(error) }.into())
            }
            Err(NoAnswer::NoClient(error)) => Err(error),
        }
    }

    /// One try: finds the cluster, sends, and says what came of it.
    async fn attempt(&self, call: &Call<'_>, turn: Turn) -> Try<Result<Reply, NoAnswer>> {
        let client = match self.client().await {
            Ok(client) => client,
            Err(error) => return Try::last(Err(NoAnswer::NoClient(error))),
        };
        let sent = {
            let _permit = self.limiter.enter().await;
            tokio::time::timeout(self.request_timeout, self.send(&client, call)).await
        };
        let answer = sent.unwrap_or_else(|_| {
            let message = format!("no answer within {} s", self.request_timeout.as_secs());
            Err(Failure { message, arrived: true, transient: true })
        });
        match answer {
            Ok((reply, headers)) => {
                let wish = self.limiter.heed(reply.status, &headers, self.retry.base);
                let transient = reply.is_transient(call);
                let next = match reply.status {
                    // Credentials expire; the connector may have newer ones, once.
                    401 if !turn.renewed => {
                        *self.client.lock().await = None;
                        Next::Renewed
                    }
                    _ if transient => Next::Later(wish),
                    _ => Next::Nothing,
                };
                // What was throttled did not run; of the others only a read can tell.
                let may_have_acted = transient && call.mutates && !matches!(reply.status, 409 | 429);
                let why = format!("{} {}", reply.status, reply.reason().unwrap_or("")).trim_end().to_owned();
                Try { outcome: Ok(reply), next, why, may_have_acted }
            }
            Err(failure) => {
                let next = match (failure.transient, failure.arrived) {
                    (false, _) => Next::Nothing,
                    (true, false) => Next::Unreached,
                    (true, true) => Next::Later(None),
                };
                let (why, may_have_acted) = (failure.message.clone(), call.mutates && failure.arrived);
                Try { outcome: Err(NoAnswer::Failure(failure)), next, why, may_have_acted }
            }
        }
    }

    /// Sends a request until it has an answer, with a client of which nothing is known yet.
    ///
    /// # Errors
    /// There is no answer.
    pub(super) async fn ask(&self, client: &Client, call: &Call<'_>) -> Result<Reply, ProviderError> {
        let retries = Retries { policy: self.retry, jitter: &self.jitter, progress: call.progress };
        let done = retries
            .run(async |_| {
                let sent = tokio::time::timeout(self.request_timeout, self.send(client, call)).await;
                let answer = sent.unwrap_or_else(|_| {
                    let message = format!("no answer within {} s", self.request_timeout.as_secs());
                    Err(Failure { message, arrived: true, transient: true })
                });
                let (next, why) = match &answer {
                    Ok((reply, _)) if reply.is_transient(call) => (Next::Later(None), reply.status.to_string()),
                    Ok(_) => (Next::Nothing, String::new()),
                    Err(failure) if failure.transient => (Next::Unreached, failure.message.clone()),
                    Err(failure) => (Next::Nothing, failure.message.clone()),
                };
                Try { outcome: answer, next, why, may_have_acted: false }
            })
            .await;
        match done.outcome {
            Ok((reply, _)) => Ok(Reply { attempts: done.tries, ..reply }),
            Err(failure) => Err(unanswered(call, &failure, done.tries, false)),
        }
    }

    /// What to call the way to the cluster in messages.
    pub(super) fn described(&self) -> String {
        self.connector.described()
    }

    async fn send(&self, client: &Client, call: &Call<'_>) -> Result<(Reply, HeaderMap), Failure> {
        let mut request = Request::builder()
            .method(&call.method)
            .uri(&call.url)
            .header(header::ACCEPT, call.accept)
            .header(header::USER_AGENT, &self.user_agent);
        let body = match &call.body {
            Some((content_type, bytes)) => {
                request = request.header(header::CONTENT_TYPE, *content_type);
                Body::from(bytes.clone())
            }
            None => Body::empty(),
        };
        let request = request.body(body).map_err(|error| Failure {
            message: format!("the request could not be built: {error}"),
            arrived: false,
            transient: false,
        })?;
        let (parts, body) = client.send(request).await.map_err(|error| failure(&error))?.into_parts();
        let bytes = body.collect().await.map_err(|error| failure(&error))?.to_bytes();
        let status = parts.status.as_u16();
        let read = match call.items.filter(|_| parts.status.is_success()) {
            Some(items) => page::read(&bytes, items),
            None => serde_json::from_slice(&bytes),
        };
        let body = match read {
            Ok(body) => body,
            Err(_) if parts.status.is_success() && call.accept == TEXT => {
                Value::String(String::from_utf8_lossy(&bytes).into_owned())
            }
            Err(error) if parts.status.is_success() => {
                let message = format!("the answer is no JSON or was cut off: {error}");
                return Err(Failure { message, arrived: true, transient: true });
            }
            Err(_) => Value::String(String::from_utf8_lossy(&bytes).trim().chars().take(QUOTED).collect()),
        };
        let request_id = parts.headers.get("audit-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        Ok((Reply { status, body, request_id, attempts: 1, may_have_acted: false }, parts.headers))
    }

    /// Finds out whether there is a cluster; asks its API server nothing.
    ///
    /// # Errors
    /// There is none, or the way to it cannot be found.
    pub async fn connect(&self) -> Result<(), CallError> {
        self.client().await.map(drop)
    }

    /// The client; made at the first call that finds a cluster.
    async fn client(&self) -> Result<Client, CallError> {
        let mut slot = self.client.lock().await;
        if let Some(client) = slot.as_ref() {
            return Ok(client.clone());
        }
        let Some(kubeconfig) = self.connector.kubeconfig().await? else { return Err(CallError::NoCluster) };
        let client = connect(&kubeconfig).await?;
        if let Some(expected) = &self.expected {
            self.verify(&client, expected).await?;
        }
        *slot = Some(client.clone());
        Ok(client)
    }
}

/// The error of a request that has no answer.
fn unanswered(call: &Call<'_>, failure: &Failure, attempts: u32, may_have_acted: bool) -> ProviderError {
    let class = if may_have_acted { ErrorClass::Ambiguous } else { ErrorClass::Rejected };
    let tries = if attempts > 1 { format!(" ({attempts} tries)") } else { String::new() };
    let path = call.url.split('?').next().unwrap_or("");
    let message = format!("the API server did not answer {} {path}{tries}: {}", call.method, failure.message);
    ProviderError::new(class, message)
        .hint("check that the cluster runs and that its API server can be reached from here")
}

/// A client from the text of a kubeconfig. The error never quotes it: it holds keys.
async fn connect(kubeconfig: &str) -> Result<Client, ProviderError> {
    let broken = |what: &str| {
        ProviderError::new(ErrorClass::Denied, format!("the cluster's kubeconfig {what}"))
            .hint("fetch the cluster's credentials again; the current context must name a cluster and a user")
    };
    let parsed = Kubeconfig::from_yaml(kubeconfig).map_err(|_| broken("is no valid kubeconfig"))?;
    let with = program_of(&parsed).map_or_else(String::new, |program| format!(" (it signs in with {program})"));
    let mut config = Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default())
        .await
        .map_err(|error| broken(&format!("cannot be used{with}: {error}")))?;
    if config.cluster_url.host().is_some_and(is_loopback) {
        // kube reads HTTPS_PROXY; no proxy leads to this machine itself.
        config.proxy_url = None;
    }
    // Retries are ours, so that limits and progress see them.
    config.default_retry = false;
    Client::try_from(config).map_err(|error| broken(&format!("cannot be used{with}: {error}")))
}

/// What a failed try means: client errors wrap what happened several levels deep.
fn failure(error: &kube::Error) -> Failure {
    if let kube::Error::Auth(error) = error {
        let message = format!("the credentials of the kubeconfig could not be obtained: {error}");
        return Failure { message, arrived: false, transient: false };
    }
    let mut texts: Vec<String> = Vec::new();
    let mut refused = false;
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            refused |= io.kind() == std::io::ErrorKind::ConnectionRefused;
        }
        texts.push(error.to_string());
        next = error.source();
    }
    let all = texts.join(": ");
    let untrusted = all.contains("certificate");
    let arrived = !(refused || untrusted || all.contains("dns error") || all.contains("tcp connect error"));
    // The innermost one says what happened, the outer ones that it did.
    Failure { message: texts.pop().unwrap_or_default(), arrived, transient: !untrusted }
}
