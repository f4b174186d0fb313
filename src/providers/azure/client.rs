//! ARM over HTTP: one place for authorization, limits, retries and errors. Bodies are JSON as they are on the wire.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, IF_MATCH, IF_NONE_MATCH, LOCATION, RETRY_AFTER};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use crate::engine::provider::{ErrorClass, Progress, ProviderError};
use crate::providers::retry::{Jitter, Limiter, Policy};
use crate::text::host::is_loopback;

use super::AzureConfig;
use super::auth::{Audience, Credential};
use super::error::{self, chain};

/// The public cloud.
const PUBLIC_ENDPOINT: &str = "https://management.azure.com";
/// Longest time for one request; a long operation is many short requests.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests are held back when a quota header says that nothing is left and no `Retry-After` says how long.
const EMPTY_QUOTA_PAUSE: Duration = Duration::from_secs(1);
/// No list has so many pages: a server that goes on for ever is broken.
const MAX_PAGES: usize = 10_000;
/// A server that asks for more waits for ever; also keeps the arithmetic of times from overflowing.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(86_400);

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
        let writes = !matches!(request.method, Method::GET | Method::HEAD);
        let limiter = self.limiter(&request.url, writes);
        let started = Instant::now();
        let mut attempt = 0;
        let mut effect_possible = false;
        let mut signed_in_again = false;
        loop {
            let token = self.credential.token().await?;
            let answer = {
                let _permit = limiter.enter().await;
                self.once(request, token.secret()).await
            };
            let (mut failure, wish, heals) = match answer {
                Ok((status, headers, body)) => {
                    observe_quota(&limiter, &headers);
                    if (200..300).contains(&status) {
                        match read_body(&body) {
                            Ok(body) => return Ok(Response { status, headers, body }),
                            Err(broken) => {
                                effect_possible = writes;
                                let heals = matches!(broken, Broken::Lost(_));
                                (self.broken(request, broken, &headers), None, heals)
                            }
                        }
                    } else {
                        if status == 401 && !signed_in_again && self.credential.forget().await {
                            signed_in_again = true;
                            continue;
                        }
                        let content_type =
                            headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("no type");
                        let mut failure = error::of_answer(status, request_id(&headers), content_type, &body, writes);
                        if status == 401 {
                            failure.hint = Some(failure.hint.unwrap_or_default() + "; " + self.credential.hint());
                        }
                        let wish = retry_after(&headers);
                        if status == 429 {
                            limiter.pause(wish.unwrap_or(self.policy.base));
                        }
                        effect_possible |= writes && (status == 408 || status >= 500);
                        (failure, wish, Policy::is_transient(status))
                    }
                }
                Err(broken) => {
                    let sent = !matches!(broken, Broken::NotSent(_));
                    effect_possible |= writes && sent;
                    let heals = sent || Policy::keeps_connecting(attempt);
                    (self.broken(request, broken, &HeaderMap::new()), None, heals)
                }
            };
            self.credential.scrub(&mut failure.message, Some(&token));
            let delay =
                heals.then(|| self.policy.delay(attempt, started.elapsed(), wish, self.jitter.next())).flatten();
            let Some(delay) = delay else {
                if effect_possible {
                    failure.class = ErrorClass::Ambiguous;
                }
                return Err(failure);
            };
            attempt += 1;
            if let Some(progress) = request.progress {
                let code = failure.code.clone().or(failure.status.map(|status| format!("HTTP {status}")));
                progress.retried(delay, code.as_deref().unwrap_or(&failure.message));
            }
            tokio::time::sleep(delay).await;
        }
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

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let wish = number("retry-after-ms").map(Duration::from_millis);
    wish.or_else(|| number(RETRY_AFTER.as_str()).map(Duration::from_secs)).map(|wish| wish.min(LONGEST_RETRY_AFTER))
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    ["x-ms-request-id", "x-ms-correlation-request-id"]
        .iter()
        .find_map(|name| headers.get(*name)?.to_str().ok().map(str::to_owned))
}

/// Holds requests back before the server has to refuse them. A quota header is a number, or a list of `NAME;NUMBER`.
fn observe_quota(limiter: &Limiter, headers: &HeaderMap) {
    let quotas = headers.iter().filter(|(name, _)| name.as_str().starts_with("x-ms-ratelimit-remaining-"));
    let left = quotas
        .filter_map(|(_, value)| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|part| part.rsplit(';').next()?.trim().parse::<u64>().ok())
        .min();
    if left == Some(0) {
        limiter.pause(retry_after(headers).unwrap_or(EMPTY_QUOTA_PAUSE));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json as j;

    use super::super::auth::{Auth, tests::renewable};
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

    #[test]
    fn a_wish_without_end_is_cut() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, u64::MAX.into());
        assert_eq!(retry_after(&headers), Some(LONGEST_RETRY_AFTER));
        headers.insert(RETRY_AFTER, "tomorrow".parse().unwrap());
        assert_eq!(retry_after(&headers), None);
    }
}
