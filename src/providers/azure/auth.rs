//! Bearer tokens. The only file that names the Azure SDK (`azure_core`, `azure_identity`).
//!
//! The SDK knows each way to sign in; a token is asked for here, kept, shared and forgotten. Its requests go through our own
//! HTTP client, so that proxies, TLS, retries and limits are the same for all.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::cloud::CloudConfiguration;
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::error::{Error, ErrorKind, ResultExt as _};
use azure_core::http::headers::Headers;
use azure_core::http::{
    AsyncRawResponse, Body, ClientMethodOptions, ClientOptions, HttpClient, Method, Request, RetryOptions, StatusCode,
    Transport,
};
use azure_core::time::OffsetDateTime;
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential, AzureDeveloperCliCredentialOptions,
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use crate::engine::provider::{ErrorClass, ProviderError};
use crate::providers::limiter::retry_after;
use crate::providers::retry::{Jitter, Next, Policy, Retries, Try};

use super::error::chain;

/// How to sign in: the auth methods of the provider settings.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// This bearer token, as the sandbox wants it.
    Static(String),
    /// `az account get-access-token`.
    AzureCli,
    /// `azd auth token`.
    AzureDeveloperCli,
    /// A service principal with a secret.
    ClientSecret {
        /// The tenant's id.
        tenant_id: String,
        /// The application's id.
        client_id: String,
        /// The secret.
        client_secret: String,
    },
    /// The identity of the machine that this runs on: of a virtual machine, or of an App Service, which the SDK recognises by
    /// its variables `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`.
    ManagedIdentity {
        /// The user-assigned identity's client id; the system-assigned one if `None`.
        client_id: Option<String>,
        /// Another metadata service than that of virtual machines, as the SDKs of Azure take it from
        /// `AZURE_POD_IDENTITY_AUTHORITY_HOST`.
        service: Option<Url>,
    },
    /// A token that a Kubernetes cluster or a CI service issued, exchanged for one of Azure.
    WorkloadIdentity {
        /// The tenant's id.
        tenant_id: String,
        /// The application's id.
        client_id: String,
        /// The file with the token; read again each time, because it is rotated.
        token_file: String,
    },
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.method())
    }
}

impl Auth {
    /// The name of the method in settings, `static` for a given token.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Static(_) => "static",
            Self::AzureCli => "azure_cli",
            Self::AzureDeveloperCli => "azure_developer_cli",
            Self::ClientSecret { .. } => "client_secret",
            Self::ManagedIdentity { .. } => "managed_identity",
            Self::WorkloadIdentity { .. } => "workload_identity",
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Static(_) => "the given token is not accepted any more",
            Self::AzureCli => {
                "sign in with `az login` (`az login --tenant TENANT` if the subscription is in another tenant), and see that \
                 `az account list` shows the subscription"
            }
            Self::AzureDeveloperCli => "sign in with `azd auth login`",
            Self::ClientSecret { .. } => {
                "check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; the secret may have expired"
            }
            Self::ManagedIdentity { .. } => {
                "this machine may have no managed identity: assign one, or choose another AZURE_AUTH_METHOD"
            }
            Self::WorkloadIdentity { .. } => {
                "check AZURE_FEDERATED_TOKEN_FILE and the federated credential of AZURE_CLIENT_ID"
            }
        }
    }
}

/// Asked for a new token this long before the old one expires.
const EARLY: Duration = Duration::from_secs(120);
/// When the network or the login server fails, a sign-in is tried again, but not for long: everybody waits for it.
const RETRY: Policy =
    Policy { retries: 2, base: Duration::from_secs(1), cap: Duration::from_secs(10), budget: Duration::from_secs(60) };
/// A refusal stands for so long; whoever signs in meanwhile is heard after that.
const REFUSED: Duration = Duration::from_secs(10);
/// The metadata service of a machine answers at once, or is not there.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
/// The metadata service of virtual machines, which is known by its address.
const METADATA_HOST: &str = "169.254.169.254";

/// Makes a way to sign in. Anew for each token: what it reads of files and of the machine is then as it is now, and tokens
/// are kept in one place.
type Source = Box<dyn Fn() -> azure_core::Result<Arc<dyn TokenCredential>> + Send + Sync>;

/// What a sign-in gave, and until when that counts.
type Cached = Mutex<Option<(Result<Secret, ProviderError>, Instant)>>;

/// The sign-ins of a run: whoever signs in the same way shares one token, and one refusal.
#[derive(Clone, Default)]
pub struct SignIns(Arc<std::sync::Mutex<HashMap<String, Arc<Cached>>>>);

impl fmt::Debug for SignIns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignIns")
    }
}

impl SignIns {
    fn of(&self, key: String) -> Arc<Cached> {
        match self.0.lock() {
            Ok(mut known) => known.entry(key).or_default().clone(),
            // Only after a panic in this very line; one of its own then.
            Err(_) => Arc::default(),
        }
    }
}

/// Whom to sign in for.
pub(super) struct Audience<'a> {
    /// The subscription's id.
    pub subscription: &'a str,
    /// The tenant's id, where somebody named it.
    pub tenant: Option<&'a str>,
    /// The ARM endpoint.
    pub endpoint: &'a Url,
}

/// Gives bearer tokens, asking for a new one only when the last is about to expire.
pub(super) struct Credential {
    auth: Auth,
    source: Option<Source>,
    scope: String,
    cached: Arc<Cached>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("auth", &self.auth).finish_non_exhaustive()
    }
}

impl Credential {
    /// Signs in by `auth` for an audience; requests of the sign-in go through `http`.
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(
        auth: Auth,
        audience: &Audience<'_>,
        http: reqwest::Client,
        sign_ins: &SignIns,
    ) -> Result<Self, ProviderError> {
        let source = source(&auth, audience, http)?;
        let scope = format!("{}/.default", audience.endpoint.origin().ascii_serialization());
        let who = match &auth {
            Auth::AzureCli if audience.tenant.is_none() => audience.subscription.to_owned(),
            Auth::ClientSecret { tenant_id, client_id, .. } | Auth::WorkloadIdentity { tenant_id, client_id, .. } => {
                format!("{tenant_id}/{client_id}")
            }
            Auth::ManagedIdentity { client_id, .. } => client_id.clone().unwrap_or_default(),
            _ => audience.tenant.unwrap_or_default().to_owned(),
        };
        let cached = sign_ins.of(format!("{} {who} {scope}", auth.method()));
        Ok(Self { auth, source, scope, cached })
    }

    /// A token that is good for two minutes at least.
    ///
    /// # Errors
    /// Signing in failed; the message holds no secret.
    pub async fn token(&self) -> Result<Secret, ProviderError> {
        let source = match (&self.auth, &self.source) {
            (Auth::Static(token), _) => return Ok(Secret::new(token.clone())),
            (_, Some(source)) => source,
            (_, None) => return Err(self.refused("no way to sign in".to_owned())),
        };
        // Held while signing in: the others wait for this one token and do not ask for their own.
        let mut cached = self.cached.lock().await;
        if let Some((result, until)) = &*cached
            && *until > Instant::now()
        {
            return result.clone();
        }
        let given = match source() {
            Ok(sign_in) => sign_in.get_token(&[&self.scope], None).await,
            Err(error) => Err(error),
        };
        let (result, lifetime) = match given {
            Ok(token) => {
                let lifetime = Duration::try_from(token.expires_on - OffsetDateTime::now_utc()).unwrap_or_default();
                (Ok(token.token), lifetime.saturating_sub(EARLY))
            }
            // Whoever waited for this answer has it: asking again, once for each, would get the same.
            Err(error) => (Err(self.refused(words(&error))), REFUSED),
        };
        *cached = Some((result.clone(), Instant::now() + lifetime));
        result
    }

    /// Forgets the token, because ARM did not accept it. Returns whether another one can be had.
    pub async fn forget(&self) -> bool {
        *self.cached.lock().await = None;
        self.source.is_some()
    }

    /// What to do when ARM does not accept the token.
    pub fn hint(&self) -> &'static str {
        self.auth.hint()
    }

    /// Takes every secret that is known here out of a text.
    pub fn scrub(&self, text: &mut String, token: Option<&Secret>) {
        let secret = match &self.auth {
            Auth::ClientSecret { client_secret, .. } => Some(client_secret.as_str()),
            Auth::Static(token) => Some(token.as_str()),
            _ => None,
        };
        for secret in [secret, token.map(Secret::secret)].into_iter().flatten().filter(|secret| !secret.is_empty()) {
            if text.contains(secret) {
                *text = text.replace(secret, "(secret)");
            }
        }
    }

    fn refused(&self, mut why: String) -> ProviderError {
        self.scrub(&mut why, None);
        let method = self.auth.method();
        ProviderError::new(ErrorClass::Denied, format!("signing in to Azure by {method} failed: {why}"))
            .hint(self.hint())
    }
}

/// The SDK's way to sign in by `auth`; none where the token is given.
fn source(auth: &Auth, audience: &Audience<'_>, http: reqwest::Client) -> Result<Option<Source>, ProviderError> {
    let tenant = audience.tenant.map(str::to_owned);
    let cloud = match audience.endpoint.host_str() {
        Some("management.chinacloudapi.cn") => CloudConfiguration::AzureChina,
        Some("management.usgovcloudapi.net") => CloudConfiguration::AzureGovernment,
        _ => CloudConfiguration::AzurePublic,
    };
    let source: Source = match auth.clone() {
        Auth::Static(_) => return Ok(None),
        Auth::AzureCli => {
            // Without either it answers for the tenant that was used last, whose tokens the subscription refuses; and it
            // takes one of the two.
            let subscription = tenant.is_none().then(|| audience.subscription.to_owned());
            let options = AzureCliCredentialOptions { subscription, tenant_id: tenant, executor: None };
            Box::new(move || Ok(AzureCliCredential::new(Some(options.clone()))?))
        }
        Auth::AzureDeveloperCli => {
            let options = AzureDeveloperCliCredentialOptions { tenant_id: tenant, executor: None };
            Box::new(move || Ok(AzureDeveloperCliCredential::new(Some(options.clone()))?))
        }
        Auth::ClientSecret { tenant_id, client_id, client_secret } => {
            let client_options = options(LoginHttp::new(http), cloud);
            client_secret_source(tenant_id, client_id, client_secret, client_options)
        }
        Auth::ManagedIdentity { client_id, service } => {
            // It answers on the machine itself: a proxy would ask its own machine, and hand out that one's identity.
            let direct = reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(METADATA_TIMEOUT)
                .timeout(METADATA_TIMEOUT)
                .build()
                .map_err(|error| {
                    ProviderError::new(ErrorClass::Rejected, format!("no HTTP client: {}", chain(&error)))
                })?;
            let elsewhere = service.map(|service| (METADATA_HOST, service));
            let options = ManagedIdentityCredentialOptions {
                user_assigned_id: client_id.map(UserAssignedId::ClientId),
                client_options: options(LoginHttp { elsewhere, ..LoginHttp::new(direct) }, cloud),
            };
            Box::new(move || Ok(ManagedIdentityCredential::new(Some(options.clone()))?))
        }
        Auth::WorkloadIdentity { tenant_id, client_id, token_file } => {
            workload_source(tenant_id, client_id, token_file, options(LoginHttp::new(http), cloud))
        }
    };
    Ok(Some(source))
}

fn client_secret_source(tenant: String, client: String, secret: String, options: ClientOptions) -> Source {
    Box::new(move || {
        let options = ClientSecretCredentialOptions { client_options: options.clone() };
        Ok(ClientSecretCredential::new(&tenant, client.clone(), secret.clone().into(), Some(options))?)
    })
}

fn workload_source(tenant: String, client: String, token_file: String, options: ClientOptions) -> Source {
    Box::new(move || {
        let options = ClientAssertionCredentialOptions { client_options: options.clone() };
        let assertion = TokenFile(token_file.clone());
        Ok(ClientAssertionCredential::new(tenant.clone(), client.clone(), assertion, Some(options))?)
    })
}

/// How the SDK sends: through our client, which tries again itself.
fn options(http: LoginHttp, cloud: CloudConfiguration) -> ClientOptions {
    ClientOptions {
        transport: Some(Transport::new(Arc::new(http))),
        retry: RetryOptions::none(),
        cloud: Some(Arc::new(cloud)),
        ..ClientOptions::default()
    }
}

/// A federated token in a file, read for each exchange, because it is rotated. The SDK's own reader takes the line break at
/// the end of a file for a part of the token.
#[derive(Debug)]
struct TokenFile(String);

#[async_trait]
impl ClientAssertion for TokenFile {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let file = self.0.clone();
        let assertion = tokio::task::spawn_blocking(move || std::fs::read_to_string(file))
            .await
            .with_context(ErrorKind::Credential, "reading the federated token")?
            .with_context_fn(ErrorKind::Credential, || format!("reading the federated token {}", self.0))?;
        Ok(assertion.trim().to_owned())
    }
}

/// What went wrong, in the words of whoever refused: the SDK wraps them, and adds a link to its own help. An answer that
/// could not be read is not quoted: it may hold a token.
fn words(error: &Error) -> String {
    let mut told: &(dyn std::error::Error + 'static) = error;
    let mut cause = Some(told);
    while let Some(inner) = cause {
        if let Some(unreadable) = inner.downcast_ref::<serde_json::Error>() {
            let (line, column) = (unreadable.line(), unreadable.column());
            return format!("the answer holds no token that can be read (line {line}, column {column})");
        }
        cause = inner.source();
    }
    let wraps = |text: &str| text.contains("authentication failed") || text.contains("will not be retried");
    while let Some(inner) = told.source()
        && wraps(&told.to_string())
    {
        told = inner;
    }
    chain(told).trim().to_owned()
}

/// The HTTP client of the sign-in: tries again when the network or the login server fails, and keeps the server's own
/// words about a refusal.
#[derive(Debug)]
struct LoginHttp {
    http: reqwest::Client,
    /// Where requests to a host go instead.
    elsewhere: Option<(&'static str, Url)>,
    jitter: Jitter,
}

#[derive(Deserialize)]
struct LoginRefusal {
    error: String,
    error_description: Option<String>,
}

impl LoginHttp {
    fn new(http: reqwest::Client) -> Self {
        Self { http, elsewhere: None, jitter: Jitter::new(0) }
    }

    fn place(&self, url: &Url) -> Url {
        let Some((host, service)) = &self.elsewhere else { return url.clone() };
        if url.host_str() != Some(*host) {
            return url.clone();
        }
        let mut moved = service.clone();
        moved.set_path(url.path());
        moved.set_query(url.query());
        moved
    }

    async fn attempt(&self, request: &Request) -> Try<Result<AsyncRawResponse, String>> {
        let method = if request.method() == Method::Post { reqwest::Method::POST } else { reqwest::Method::GET };
        let mut sent = self.http.request(method, self.place(request.url()));
        for (name, value) in request.headers().iter() {
            sent = sent.header(name.as_str(), value.as_str());
        }
        if let Body::Bytes(bytes) = request.body() {
            sent = sent.body(bytes.clone());
        }
        let answer = async {
            let answer = sent.send().await?;
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            Ok::<_, reqwest::Error>((status, headers, answer.bytes().await?))
        };
        let (why, next) = match answer.await {
            Ok((status @ 200..300, _, body)) => {
                return Try::last(Ok(AsyncRawResponse::from_bytes(StatusCode::from(status), Headers::new(), body)));
            }
            Ok((status, headers, body)) => {
                let next = match Policy::is_transient(status) {
                    true => Next::Later(retry_after(&headers)),
                    false => Next::Nothing,
                };
                (format!("HTTP {status}, {}", refusal(&body)), next)
            }
            Err(error) => (chain(&error), Next::Later(None)),
        };
        Try { outcome: Err(why.clone()), next, why, may_have_acted: false }
    }
}

#[async_trait]
impl HttpClient for LoginHttp {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let retries = Retries { policy: RETRY, jitter: &self.jitter, progress: None };
        let done = retries.run(|_| self.attempt(request)).await;
        done.outcome.map_err(|why| Error::with_message(ErrorKind::Credential, why))
    }
}

/// Why a login server refused, as it says it itself.
fn refusal(body: &[u8]) -> String {
    match serde_json::from_slice::<LoginRefusal>(body) {
        // Only the first line: trace ids follow.
        Ok(refusal) => match refusal.error_description.as_deref().and_then(|text| text.lines().next()) {
            Some(line) => format!("{}: {line}", refusal.error),
            None => refusal.error,
        },
        Err(_) => "without an explanation".to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use azure_core::credentials::{AccessToken, TokenRequestOptions};
    use futures::future::join_all;
    use serde_json::json as j;

    use super::super::tests::server::{Server, json};
    use super::*;

    /// Gives `token-1`, `token-2`, …, each good for so many seconds.
    #[derive(Debug)]
    struct Counting(AtomicI64, i64);

    #[async_trait]
    impl TokenCredential for Counting {
        async fn get_token(
            &self,
            _scopes: &[&str],
            _options: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            let expires_on = OffsetDateTime::now_utc() + azure_core::time::Duration::seconds(self.1);
            Ok(AccessToken::new(format!("token-{number}"), expires_on))
        }
    }

    fn credential(auth: Auth, source: impl TokenCredential + 'static) -> Credential {
        let source = Arc::new(source);
        from(auth, Box::new(move || Ok(source.clone())))
    }

    fn from(auth: Auth, source: Source) -> Credential {
        Credential { auth, source: Some(source), scope: "x/.default".into(), cached: Arc::default() }
    }

    /// The public cloud's login server, as `server` plays it.
    fn played_by(server: &Server) -> ClientOptions {
        let elsewhere = Some(("login.microsoftonline.com", server.url.clone()));
        options(LoginHttp { elsewhere, ..LoginHttp::new(reqwest::Client::new()) }, CloudConfiguration::AzurePublic)
    }

    /// Gives `token-1` for an hour, and `token-2` once that is forgotten.
    pub fn renewable() -> Credential {
        credential(Auth::AzureCli, Counting(AtomicI64::new(0), 3600))
    }

    /// Gives a token that serves for one request, then refuses.
    #[derive(Debug)]
    struct Once(AtomicI64);

    #[async_trait]
    impl TokenCredential for Once {
        async fn get_token(
            &self,
            _scopes: &[&str],
            _options: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => Ok(AccessToken::new("token", OffsetDateTime::now_utc())),
                _ => Err(Error::with_message(ErrorKind::Credential, "please run az login")),
            }
        }
    }

    /// Gives one token, for one request.
    pub fn signs_in_once() -> Credential {
        credential(Auth::AzureCli, Once(AtomicI64::new(0)))
    }

    fn client_secret() -> Auth {
        Auth::ClientSecret { tenant_id: "tenant".into(), client_id: "client".into(), client_secret: "hunter2".into() }
    }

    #[tokio::test]
    async fn one_token_serves_all_until_it_is_about_to_expire() {
        let lasting = renewable();
        let tokens = join_all((0..10).map(|_| lasting.token())).await;
        assert!(tokens.iter().all(|token| token.as_ref().unwrap().secret() == "token-1"));
        assert!(lasting.forget().await);
        assert_eq!(lasting.token().await.unwrap().secret(), "token-2");
        // Less than two minutes left: not good for a next request.
        let ending = credential(Auth::AzureCli, Counting(AtomicI64::new(0), 60));
        ending.token().await.unwrap();
        assert_eq!(ending.token().await.unwrap().secret(), "token-2");
    }

    /// Refuses, and counts how often it was asked.
    #[derive(Debug)]
    struct Refusing(Arc<AtomicI64>);

    #[async_trait]
    impl TokenCredential for Refusing {
        async fn get_token(
            &self,
            _scopes: &[&str],
            _options: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Err(Error::with_message(ErrorKind::Credential, "please run az login"))
        }
    }

    #[tokio::test]
    async fn a_refusal_is_told_to_all_who_waited_for_it() {
        let asked = Arc::new(AtomicI64::new(0));
        let refusing = credential(Auth::AzureCli, Refusing(asked.clone()));
        let answers = join_all((0..7).map(|_| refusing.token())).await;
        assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(|error| error.message.contains("az login"))));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn the_same_sign_in_is_shared_and_another_is_not() {
        let url = Url::parse("http://127.0.0.1:1").unwrap();
        let sign_ins = SignIns::default();
        let of = |subscription: &str, tenant: Option<&str>| {
            let audience = Audience { subscription, tenant, endpoint: &url };
            Credential::new(Auth::AzureCli, &audience, reqwest::Client::new(), &sign_ins).unwrap().cached
        };
        assert!(Arc::ptr_eq(&of("s", None), &of("s", None)));
        assert!(!Arc::ptr_eq(&of("s", None), &of("t", None)));
        assert!(Arc::ptr_eq(&of("s", Some("x")), &of("t", Some("x"))));
    }

    #[tokio::test]
    async fn a_given_token_cannot_be_renewed() {
        let url = Url::parse("http://127.0.0.1:1").unwrap();
        let audience = Audience { subscription: "s", tenant: None, endpoint: &url };
        let auth = Auth::Static("hunter2".into());
        let fixed = Credential::new(auth, &audience, reqwest::Client::new(), &SignIns::default()).unwrap();
        assert_eq!(fixed.token().await.unwrap().secret(), "hunter2");
        assert!(!fixed.forget().await);
    }

    #[tokio::test]
    async fn a_client_secret_is_exchanged_and_a_refusal_never_tells_it() {
        let bad = "AADSTS7000215: Invalid client secret provided: hunter2";
        let server = Server::start([
            (
                "POST /tenant/oauth2/v2.0/token",
                json(200, j!({"access_token": "abc", "token_type": "Bearer", "expires_in": 3600})),
            ),
            ("POST /tenant/oauth2/v2.0/token", json(401, j!({"error": "invalid_client", "error_description": bad}))),
        ])
        .await;
        let source = client_secret_source("tenant".into(), "client".into(), "hunter2".into(), played_by(&server));
        let credential = from(client_secret(), source);
        assert_eq!(credential.token().await.unwrap().secret(), "abc");
        credential.forget().await;
        let error = credential.token().await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Denied);
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        assert!(error.message.contains("AADSTS7000215"), "{}", error.message);
        assert!(error.hint.unwrap().contains("AZURE_CLIENT_SECRET"));
        server.finish();
    }

    #[tokio::test]
    async fn a_federated_token_is_read_from_its_file_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let answer = || {
            json(200, j!({"access_token": "abc", "token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600}))
        };
        let server =
            Server::start([("POST /tenant/oauth2/v2.0/token", answer()), ("POST /tenant/oauth2/v2.0/token", answer())])
                .await;
        let path = file.to_str().unwrap().to_owned();
        let source = workload_source("tenant".into(), "client".into(), path, played_by(&server));
        let credential = from(client_secret(), source);
        let missing = credential.token().await.unwrap_err();
        assert!(missing.message.contains("reading the federated token"), "{}", missing.message);
        for assertion in ["first", "second\n"] {
            std::fs::write(&file, assertion).unwrap();
            credential.forget().await;
            assert_eq!(credential.token().await.unwrap().secret(), "abc");
        }
        let forms: Vec<String> = server.finish().into_iter().map(|seen| seen.text).collect();
        assert!(
            forms[0].contains("client_assertion=first&") && forms[1].contains("client_assertion=second&"),
            "{forms:?}"
        );
    }

    #[tokio::test]
    async fn a_machine_has_the_identity_that_was_asked_for_and_says_so_when_it_has_not() {
        let expires_on = (OffsetDateTime::now_utc().unix_timestamp() + 3600).to_string();
        let token = j!({"access_token": "abc", "expires_on": expires_on, "token_type": "Bearer", "resource": "x"});
        let path = "GET /metadata/identity/oauth2/token";
        let missing = j!({"error": "invalid_request", "error_description": "Identity not found"});
        let server = Server::start([
            (path, json(503, j!({"error": "busy"})).with("retry-after", "0")),
            (path, json(200, token)),
            (path, json(400, missing)),
            (path, json(200, j!({"access_token": ["hunter2"]}))),
        ])
        .await;
        let auth = Auth::ManagedIdentity { client_id: Some("c1".into()), service: Some(server.url.clone()) };
        let audience = Audience { subscription: "s", tenant: None, endpoint: &server.url };
        let machine = Credential::new(auth, &audience, reqwest::Client::new(), &SignIns::default()).unwrap();
        assert_eq!(machine.token().await.unwrap().secret(), "abc");
        machine.forget().await;
        let error = machine.token().await.unwrap_err();
        let told = "signing in to Azure by managed_identity failed: HTTP 400, invalid_request: Identity not found";
        assert_eq!(error.message, told);
        machine.forget().await;
        let error = machine.token().await.unwrap_err();
        assert!(error.message.contains("holds no token") && !error.message.contains("hunter2"), "{}", error.message);
        for seen in server.finish() {
            assert!(seen.query.contains("client_id=c1") && seen.headers["metadata"] == "true", "{}", seen.query);
        }
    }
}
