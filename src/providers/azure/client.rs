//! ARM over HTTP: one place for authorization, limits, retries and errors. Bodies are JSON as they are on the wire.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, IF_MATCH, IF_NONE_MATCH, LOCATION};
use serde_json::Value;
use url::Url;

use crate::engine::provider::{ErrorClass, Progress, ProviderError};
use crate::providers::limiter::{Limiter, retry_after};
use crate::providers::retry::{Jitter, Next, Policy, Retries, Try, Turn};
use crate::text::host::is_loopback;

use super::auth::{Audience, Credential};
use super::config::AzureConfig;
use super::error::{self, chain};

/// The public cloud.
const PUBLIC_ENDPOINT: &str = "https://management.azure.com";
/// Longest time for one request; a long operation is many short requests.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// No list has so many pages: a server that goes on for ever is broken.
const MAX_PAGES: usize = 10_000;

/// A request to be sent.
pub(super) struct Request<'a> {
    /// The HTTP method.
    pub method: Method,
    /// The whole URL.
    pub url: Url,
    /// The JSON body.
    pub body: Option<&'a Value>,
    /// What must be true of the object for the request to have an effect.
    pub precondition: Precondition,
    /// Told of retries.
    pub progress: Option<&'a dyn Progress>,
}

impl Request<'_> {
    /// Whether the world may be another one after it.
    fn writes(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD)
    }
}

/// A precondition that the server checks.
pub(super) enum Precondition {
    /// None.
    None,
    /// The object does not exist (`If-None-Match: *`).
    Absent,
    /// The object still has this etag (`If-Match`).
    Unchanged(String),
}

/// An answer with a status of success.
pub(super) struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as it came; null if empty.
    pub body: Value,
}

impl Response {
    /// The server's own wish for the next poll.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }

    /// Where the operation that was started can be followed: `Azure-AsyncOperation`, else `Location`.
    pub fn operation_link(&self) -> Option<&str> {
        let text = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        text("azure-asyncoperation").or_else(|| (self.status == 202).then(|| text(LOCATION.as_str())).flatten())
    }

    /// The id of the request.
    pub fn request_id(&self) -> Option<String> {
        request_id(&self.headers)
    }
}

/// Azure Resource Manager.
pub(super) struct Arm {
    http: reqwest::Client,
    base: Url,
    credential: Credential,
    policy: Policy,
    width: usize,
    limiters: Mutex<HashMap<(String, bool), Arc<Limiter>>>,
    jitter: Jitter,
}

impl fmt::Debug for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arm")
            .field("base", &self.base.as_str())
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

/// Why a try gave no answer that can be used.
enum Broken {
    /// No connection: the request never left.
    NotSent(String),
    /// The connection broke, or the answer was cut off.
    Lost(String),
    /// An answer that is no JSON.
    Nonsense(String),
}

impl Arm {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// The endpoint is no `https` URL (`http` is allowed on loopback), or no HTTP client can be made.
    pub fn new(config: &AzureConfig) -> Result<Self, ProviderError> {
        let rejected = |message: String| ProviderError::new(ErrorClass::Rejected, message);
        let base = match &config.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => Url::parse(PUBLIC_ENDPOINT).map_err(|error| rejected(error.to_string()))?,
        };
        let loopback = base.host_str().is_some_and(is_loopback);
        if base.scheme() != "https" && !(base.scheme() == "http" && loopback) {
            return Err(rejected(format!("the Azure endpoint {base} must be an https URL"))
                .hint("a token must not travel in clear; http is accepted on loopback only"));
        }
        if !base.username().is_empty() || base.password().is_some() || base.query().is_some() {
            return Err(rejected(
                "the Azure endpoint must be a plain URL, without user, password and query".to_owned(),
            ));
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("kompox/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT);
        if loopback {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| rejected(format!("no HTTP client: {}", chain(&error))))?;
        Ok(Self {
            credential: Credential::new(
                config.auth.clone(),
                &Audience {
                    subscription: &config.subscription_id,
                    tenant: config.tenant_id.as_deref(),
                    endpoint: &base,
                },
                http.clone(),
                &config.sign_ins,
            )?,
            http,
            base,
            policy: config.retry,
            width: config.concurrency,
            limiters: Mutex::new(HashMap::new()),
            jitter: Jitter::new(config.seed),
        })
    }

    /// The URL of `path` (an id, or an id and more) in an API version.
    pub fn url(&self, path: &str, api_version: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url.query_pairs_mut().clear().append_pair("api-version", api_version);
        url
    }

    /// A URL that the server gave, or one that [`Self::relative`] made of it.
    ///
    /// # Errors
    /// It leads to another server, which must not get our token.
    pub fn resolve(&self, link: &str) -> Result<Url, ProviderError> {
        let foreign = || {
            let host = Url::parse(link).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
            ProviderError::new(
                ErrorClass::Ambiguous,
                format!("Azure Resource Manager pointed to another server ({host}); it is not followed"),
            )
        };
        if link.starts_with('/') && !link.starts_with("//") {
            let prefix = self.base.path().trim_end_matches('/');
            return self.base.join(&format!("{prefix}{link}")).map_err(|_| foreign());
        }
        let url = Url::parse(link).map_err(|_| foreign())?;
        let regional = |host: &str, base: &str| host.strip_suffix(base).is_some_and(|rest| rest.ends_with('.'));
        let trusted = url.origin() == self.base.origin()
            || (url.scheme() == "https"
                && url.port() == self.base.port()
                && matches!((url.host_str(), self.base.host_str()), (Some(host), Some(base)) if regional(host, base)));
        if trusted { Ok(url) } else { Err(foreign()) }
    }

    /// A URL relative to the endpoint, so that it can be kept and used with another one.
    pub fn relative(&self, url: &Url) -> String {
        if url.origin() != self.base.origin() {
            return url.to_string();
        }
        let prefix = self.base.path().trim_end_matches('/');
        let path = url.path().strip_prefix(prefix).unwrap_or(url.path());
        url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
    }

    /// Reads; `None` if it does not exist.
    ///
    /// # Errors
    /// Everything but a proper 404.
    pub async fn get(&self, url: Url) -> Result<Option<Response>, ProviderError> {
        let request =
            Request { method: Method::GET, url, body: None, precondition: Precondition::None, progress: None };
        match self.send(&request).await {
            Ok(response) => Ok(Some(response)),
            Err(error) if error::is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads one object; `None` if it does not exist.
    ///
    /// # Errors
    /// Everything but a proper 404, and an answer that is no resource.
    pub async fn get_object(&self, url: Url) -> Result<Option<Response>, ProviderError> {
        let path = url.path().to_owned();
        let Some(response) = self.get(url).await? else { return Ok(None) };
        if response.body.get("id").is_some_and(Value::is_string) {
            return Ok(Some(response));
        }
        let message = format!("GET {path}: the answer is no Azure resource: it has no id");
        Err(ProviderError { request_id: response.request_id(), ..ProviderError::new(ErrorClass::Rejected, message) })
    }

    /// All items of a list, page by page; `None` if what they are in does not exist.
    ///
    /// # Errors
    /// A page could not be read: never a part of the list.
    pub async fn list_all(&self, url: Url) -> Result<Option<Vec<Value>>, ProviderError> {
        let mut items = Vec::new();
        let mut seen = HashSet::new();
        let mut next = Some(url);
        while let Some(url) = next {
            if !seen.insert(url.to_string()) || seen.len() > MAX_PAGES {
                return Err(ProviderError::new(
                    ErrorClass::Rejected,
                    format!("the list {} has no end: a page leads back to an earlier one", url.path()),
                ));
            }
            let path = url.path().to_owned();
            let Some(mut page) = self.get(url).await? else {
                if seen.len() == 1 {
                    return Ok(None);
                }
                return Err(ProviderError::new(ErrorClass::Rejected, format!("a page of the list {path} is gone")));
            };
            let request_id = page.request_id();
            let link = page.body.get("nextLink").and_then(Value::as_str).filter(|link| !link.is_empty());
            let follow =
                |link| self.resolve(link).map_err(|error| ProviderError { class: ErrorClass::Rejected, ..error });
            next = link.map(follow).transpose()?;
            match page.body.get_mut("value").map(Value::take) {
                Some(Value::Array(mut values)) => items.append(&mut values),
                _ => {
                    let message = format!("the answer for the list {path} has no `value`");
                    return Err(ProviderError { request_id, ..ProviderError::new(ErrorClass::Rejected, message) });
                }
            }
        }
        Ok(Some(items))
    }

    /// Sends until there is an answer that stands or the retry policy gives up.
    ///
    /// # Errors
    /// No answer, or one whose status is no success. Ambiguous if the request may have had an effect.
    pub async fn send(&self, request: &Request<'_>) -> Result<Response, ProviderError> {
        let limiter = self.limiter(&request.url, request.writes());
        let retries = Retries { policy: self.policy, jitter: &self.jitter, progress: request.progress };
        let done = retries.run(|turn| self.attempt(request, &limiter, turn)).await;
        done.outcome.map_err(|failure| match done.may_have_acted {
            true => ProviderError { class: ErrorClass::Ambiguous, ..failure },
            false => failure,
        })
    }

    /// One try: signs in, sends, and says what came of it.
    async fn attempt(
        &self,
        request: &Request<'_>,
        limiter: &Limiter,
        turn: Turn,
    ) -> Try<Result<Response, ProviderError>> {
        let token = match self.credential.token().await {
            Ok(token) => token,
            Err(error) => return Try::last(Err(error)),
        };
        let answer = {
            let _permit = limiter.enter().await;
            self.once(request, token.secret()).await
        };
        let (mut failure, next, may_have_acted) = match answer {
            Ok((status, headers, body)) => {
                let wish = limiter.heed(status, &headers, self.policy.base);
                if (200..300).contains(&status) {
                    match read_body(&body) {
                        Ok(body) => return Try::last(Ok(Response { status, headers, body })),
                        Err(broken) => {
                            let next =
                                if matches!(broken, Broken::Lost(_)) { Next::Later(None) } else { Next::Nothing };
                            (self.broken(request, broken, &headers), next, request.writes())
                        }
                    }
                } else {
                    let next = match status {
                        401 if !turn.renewed && self.credential.forget().await => Next::Renewed,
                        _ if Policy::is_transient(status) => Next::Later(wish),
                        _ => Next::Nothing,
                    };
                    let effect_possible = status == 408 || status >= 500;
                    (self.refused(request, status, &headers, &body), next, request.writes() && effect_possible)
                }
            }
            Err(broken) => {
                let sent = !matches!(broken, Broken::NotSent(_));
                let next = if sent { Next::Later(None) } else { Next::Unreached };
                (self.broken(request, broken, &HeaderMap::new()), next, request.writes() && sent)
            }
        };
        self.credential.scrub(&mut failure.message, Some(&token));
        let code = failure.code.clone().or(failure.status.map(|status| format!("HTTP {status}")));
        let why = code.unwrap_or_else(|| failure.message.clone());
        Try { outcome: Err(failure), next, why, may_have_acted }
    }

    /// The error of an answer whose status is no success.
    fn refused(&self, request: &Request<'_>, status: u16, headers: &HeaderMap, body: &[u8]) -> ProviderError {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("no type");
        let mut failure = error::of_answer(status, request_id(headers), content_type, body, request.writes());
        if status == 401 {
            let said = failure.hint.map_or_else(String::new, |hint| format!("{hint}; "));
            failure.hint = Some(format!("{said}{}", self.credential.hint()).into());
        }
        failure
    }

    async fn once(&self, request: &Request<'_>, token: &str) -> Result<(u16, HeaderMap, bytes::Bytes), Broken> {
        let mut builder = self
            .http
            .request(request.method.clone(), request.url.clone())
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(http::header::ACCEPT, "application/json");
        builder = match &request.precondition {
            Precondition::None => builder,
            Precondition::Absent => builder.header(IF_NONE_MATCH, "*"),
            Precondition::Unchanged(etag) => builder.header(IF_MATCH, etag),
        };
        if let Some(body) = request.body {
            builder = builder.header(CONTENT_TYPE, "application/json").body(body.to_string());
        } else if request.method == Method::POST {
            // Some front ends refuse a POST without a length.
            builder = builder.header(http::header::CONTENT_LENGTH, "0");
        }
        // URLs of operations carry signatures: they stay out of messages.
        let describe = |error: reqwest::Error| {
            let early = error.is_connect() || error.is_builder();
            let text = chain(&error.without_url());
            if early { Broken::NotSent(text) } else { Broken::Lost(text) }
        };
        let answer = builder.send().await.map_err(describe)?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await.map_err(|error| Broken::Lost(chain(&error.without_url())))?;
        Ok((status, headers, body))
    }

    fn broken(&self, request: &Request<'_>, broken: Broken, headers: &HeaderMap) -> ProviderError {
        let what = format!("{} {}", request.method, request.url.path());
        let host = self.base.host_str().unwrap_or_default();
        let error = match broken {
            Broken::NotSent(why) => {
                ProviderError::new(ErrorClass::Rejected, format!("{what}: {host} cannot be reached: {why}"))
                    .hint("check the network, the proxy and the endpoint")
            }
            Broken::Lost(why) => {
                ProviderError::new(ErrorClass::Rejected, format!("{what}: the connection to {host} broke: {why}"))
                    .hint("check the network; the next run looks whether the change took place")
            }
            Broken::Nonsense(why) => {
                ProviderError::new(ErrorClass::Rejected, format!("{what}: the answer of {host} is no JSON: {why}"))
                    .hint("something between here and Azure may have answered: check proxy and endpoint")
            }
        };
        ProviderError { request_id: request_id(headers), ..error }
    }

    /// The limiter of a URL's subscription, one for reads and one for writes, as ARM counts them.
    pub fn limiter(&self, url: &Url, writes: bool) -> Arc<Limiter> {
        let mut segments = url.path().split('/').skip_while(|segment| !segment.eq_ignore_ascii_case("subscriptions"));
        let subscription = segments.nth(1).unwrap_or_default().to_lowercase();
        let new = || Arc::new(Limiter::new(self.width));
        match self.limiters.lock() {
            Ok(mut limiters) => limiters.entry((subscription, writes)).or_insert_with(new).clone(),
            // Only after a panic in this very line; an own limiter then.
            Err(_) => new(),
        }
    }
}

fn read_body(body: &[u8]) -> Result<Value, Broken> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body).map_err(|error| {
        // The error tells the position only, never the content.
        let text = format!("line {}, column {}", error.line(), error.column());
        if error.is_eof() { Broken::Lost(format!("the answer ends early ({text})")) } else { Broken::Nonsense(text) }
    })
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    ["x-ms-request-id", "x-ms-correlation-request-id"]
        .iter()
        .find_map(|name| headers.get(*name)?.to_str().ok().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use serde_json::json as j;

    use super::super::auth::Auth;
    use super::super::auth::tests::{renewable, signs_in_once};
    use super::super::tests::server::{Server, json, refusal};
    use super::*;

    #[tokio::test]
    async fn an_expired_login_is_renewed_once() {
        let expired = || refusal(401, "ExpiredAuthenticationToken", "expired");
        let server = Server::start([
            ("GET /x", expired()),
            ("GET /x", json(200, j!({"id": "/x"}))),
            ("GET /y", expired()),
            ("GET /y", expired()),
        ])
        .await;
        let endpoint = Some(server.url.clone());
        let config = AzureConfig { endpoint, ..AzureConfig::new("s1", Auth::AzureCli, 7) };
        let arm = Arm { credential: renewable(), ..Arm::new(&config).unwrap() };
        assert!(arm.get_object(arm.url("/x", "1")).await.unwrap().is_some());
        let error = arm.get(arm.url("/y", "1")).await.err().unwrap();
        assert_eq!(error.class, ErrorClass::Denied);
        assert!(error.hint.unwrap().contains("az login"));
        let tokens: Vec<_> = server.finish().iter().map(|seen| seen.headers["authorization"].clone()).collect();
        assert_eq!(tokens, ["Bearer token-1", "Bearer token-2", "Bearer token-2", "Bearer token-3"]);
    }

    #[tokio::test]
    async fn a_write_that_may_have_acted_stays_one_when_signing_in_fails() {
        let server = Server::start([("PUT /x", refusal(500, "InternalServerError", "oops"))]).await;
        let endpoint = Some(server.url.clone());
        let config = AzureConfig { endpoint, ..AzureConfig::new("s1", Auth::AzureCli, 7) };
        let retry = Policy { base: Duration::from_millis(1), ..Policy::default() };
        let arm = Arm { credential: signs_in_once(), policy: retry, ..Arm::new(&config).unwrap() };
        let request = Request {
            method: Method::PUT,
            url: arm.url("/x", "1"),
            body: None,
            precondition: Precondition::None,
            progress: None,
        };
        let error = arm.send(&request).await.err().unwrap();
        assert_eq!(error.class, ErrorClass::Ambiguous);
        assert!(error.message.contains("signing in"), "{}", error.message);
        server.finish();
    }
}
