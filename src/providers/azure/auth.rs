//! Bearer tokens. The only file that names the Azure SDK (`azure_core`, `azure_identity`).
//!
//! `azure_identity` has no Azure Developer CLI, no user-assigned managed identity, asks the Azure CLI for whatever tenant
//! was used last and reads a federated token only once; those four are done here, behind its trait.

use std::collections::HashMap;
use std::fmt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::auth::{AccessToken, Secret, TokenCredential};
use azure_core::error::{Error, ErrorKind, ResultExt as _};
use azure_core::{HttpClient, Method, Request, Response};
use azure_identity::{ClientSecretCredential, WorkloadIdentityCredential};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use crate::engine::provider::{ErrorClass, ProviderError};
use crate::providers::retry::Policy;

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
    /// The identity of the machine that this runs on.
    ManagedIdentity {
        /// The user-assigned identity's client id; the system-assigned one if `None`.
        client_id: Option<String>,
        /// Another metadata service than that of Azure machines, as the SDKs of Azure take it from
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
/// Tries at signing in when the network or the login server fails.
const TRIES: u32 = 3;
/// A refusal stands for so long; whoever signs in meanwhile is heard after that.
const REFUSED: Duration = Duration::from_secs(10);
/// The metadata service of a machine answers at once, or is not there.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
/// A token of a CLI that does not say when it expires.
const SHORT_LIFE: time::Duration = time::Duration::minutes(5);
/// Time before the second try; longer before the third.
const RETRY_DELAY: Duration = Duration::from_secs(1);

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
    source: Option<Arc<dyn TokenCredential>>,
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
    /// The login host of the endpoint's cloud is no URL, or no HTTP client can be made.
    pub fn new(
        auth: Auth,
        audience: &Audience<'_>,
        http: reqwest::Client,
        sign_ins: &SignIns,
    ) -> Result<Self, ProviderError> {
        let endpoint = audience.endpoint;
        let tenant = audience.tenant.map(str::to_owned);
        let authority = match endpoint.host_str() {
            Some("management.chinacloudapi.cn") => "https://login.chinacloudapi.cn",
            Some("management.usgovcloudapi.net") => "https://login.microsoftonline.us",
            _ => "https://login.microsoftonline.com",
        };
        let authority = Url::parse(authority).map_err(|error| {
            ProviderError::new(ErrorClass::Rejected, format!("the login host {authority}: {error}"))
        })?;
        let http: Arc<dyn HttpClient> = Arc::new(LoginHttp(http));
        let source: Option<Arc<dyn TokenCredential>> = match auth.clone() {
            Auth::Static(_) => None,
            Auth::AzureCli => {
                Some(Arc::new(AzureCli { subscription: audience.subscription.to_owned(), tenant: tenant.clone() }))
            }
            Auth::AzureDeveloperCli => Some(Arc::new(DeveloperCli { tenant: tenant.clone() })),
            Auth::ClientSecret { tenant_id, client_id, client_secret } => {
                Some(Arc::new(ClientSecretCredential::new(http, authority, tenant_id, client_id, client_secret)))
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
                Some(Arc::new(ManagedIdentity { http: Arc::new(LoginHttp(direct)), client_id, service }))
            }
            Auth::WorkloadIdentity { tenant_id, client_id, token_file } => {
                Some(Arc::new(WorkloadIdentity { http, authority, tenant_id, client_id, token_file }))
            }
        };
        let scope = format!("{}/.default", endpoint.origin().ascii_serialization());
        let who = match &auth {
            Auth::AzureCli if tenant.is_none() => audience.subscription.to_owned(),
            Auth::ClientSecret { tenant_id, client_id, .. } | Auth::WorkloadIdentity { tenant_id, client_id, .. } => {
                format!("{tenant_id}/{client_id}")
            }
            Auth::ManagedIdentity { client_id, .. } => client_id.clone().unwrap_or_default(),
            _ => tenant.unwrap_or_default(),
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
        let (result, lifetime) = match source.get_token(&[&self.scope]).await {
            Ok(token) => {
                let lifetime = Duration::try_from(token.expires_on - OffsetDateTime::now_utc()).unwrap_or_default();
                (Ok(token.token), lifetime.saturating_sub(EARLY))
            }
            // Whoever waited for this answer has it: asking again, once for each, would get the same.
            Err(error) => (Err(self.refused(chain(&error))), REFUSED),
        };
        *cached = Some((result.clone(), Instant::now() + lifetime));
        result
    }

    /// Forgets the token, because ARM did not accept it. Returns whether another one can be had.
    pub async fn forget(&self) -> bool {
        let Some(source) = &self.source else { return false };
        *self.cached.lock().await = None;
        source.clear_cache().await.is_ok()
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

/// The HTTP client of the sign-in: tries again when the network or the login server fails, and keeps the server's own
/// words about a refusal, which the flows of `azure_identity` drop.
#[derive(Debug)]
struct LoginHttp(reqwest::Client);

#[derive(Deserialize)]
struct LoginRefusal {
    error: String,
    error_description: Option<String>,
}

#[async_trait]
impl HttpClient for LoginHttp {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<Response> {
        let mut tries = 1;
        loop {
            let answer = self.0.execute_request(request).await;
            let may_heal = match &answer {
                Ok(answer) => Policy::is_transient(u16::from(answer.status())),
                Err(error) => matches!(error.kind(), ErrorKind::Io),
            };
            if may_heal && tries < TRIES {
                tokio::time::sleep(RETRY_DELAY * tries).await;
                tries += 1;
                continue;
            }
            let answer = answer?;
            if answer.status().is_success() {
                return Ok(answer);
            }
            let status = u16::from(answer.status());
            let body = answer.into_body().collect().await.unwrap_or_default();
            let why = match serde_json::from_slice::<LoginRefusal>(&body) {
                // Only the first line: trace ids follow.
                Ok(refusal) => match refusal.error_description.as_deref().and_then(|text| text.lines().next()) {
                    Some(line) => format!("{}: {line}", refusal.error),
                    None => refusal.error,
                },
                Err(_) => "without an explanation".to_owned(),
            };
            return Err(Error::message(ErrorKind::Credential, format!("HTTP {status}, {why}")));
        }
    }
}

/// `az account get-access-token`, for the subscription's own tenant: without that it answers for the tenant that was used
/// last, whose tokens the subscription refuses.
#[derive(Debug)]
struct AzureCli {
    subscription: String,
    tenant: Option<String>,
}

#[derive(Deserialize)]
struct AzureCliToken {
    #[serde(rename = "accessToken")]
    access_token: String,
    /// Seconds since 1970; older versions of the CLI tell local time only.
    expires_on: Option<i64>,
}

#[async_trait]
impl TokenCredential for AzureCli {
    async fn get_token(&self, scopes: &[&str]) -> azure_core::Result<AccessToken> {
        let scope = scopes.first().copied().unwrap_or_default();
        let resource = scope.strip_suffix("/.default").unwrap_or(scope).to_owned();
        // `az` takes one of the two.
        let (option, whose) = match &self.tenant {
            Some(tenant) => ("--tenant", tenant.clone()),
            None => ("--subscription", self.subscription.clone()),
        };
        let run = move || {
            let mut command = if cfg!(windows) { Command::new("cmd") } else { Command::new("az") };
            if cfg!(windows) {
                command.args(["/C", "az"]);
            }
            command
                .args(["account", "get-access-token", "--output", "json", "--resource", &resource, option, &whose])
                .stdin(Stdio::null())
                .output()
        };
        let output = tokio::task::spawn_blocking(run)
            .await
            .context(ErrorKind::Credential, "running az")?
            .context(ErrorKind::Credential, "running az (is the Azure CLI installed?)")?;
        if !output.status.success() {
            // Standard output may hold a token; standard error does not.
            let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::message(ErrorKind::Credential, format!("az account get-access-token: {told}")));
        }
        let token: AzureCliToken = serde_json::from_slice(&output.stdout)
            .map_err(|_| Error::message(ErrorKind::Credential, "az account get-access-token gave no token"))?;
        let expires_on = token.expires_on.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        let expires_on = expires_on.unwrap_or_else(|| OffsetDateTime::now_utc() + SHORT_LIFE);
        Ok(AccessToken::new(token.access_token, expires_on))
    }

    async fn clear_cache(&self) -> azure_core::Result<()> {
        Ok(())
    }
}

/// `azd auth token`.
#[derive(Debug)]
struct DeveloperCli {
    tenant: Option<String>,
}

#[derive(Deserialize)]
struct DeveloperCliToken {
    token: String,
    #[serde(rename = "expiresOn")]
    expires_on: String,
}

#[async_trait]
impl TokenCredential for DeveloperCli {
    async fn get_token(&self, scopes: &[&str]) -> azure_core::Result<AccessToken> {
        let scope = scopes.first().copied().unwrap_or_default().to_owned();
        let tenant = self.tenant.clone();
        let run = move || {
            let mut command = Command::new("azd");
            command.args(["auth", "token", "--output", "json", "--scope", &scope]);
            if let Some(tenant) = &tenant {
                command.args(["--tenant-id", tenant]);
            }
            command.stdin(Stdio::null()).output()
        };
        let output = tokio::task::spawn_blocking(run)
            .await
            .context(ErrorKind::Credential, "running azd")?
            .context(ErrorKind::Credential, "running azd (is the Azure Developer CLI installed?)")?;
        if !output.status.success() {
            // Standard output may hold a token; standard error does not.
            let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::message(ErrorKind::Credential, format!("azd auth token: {told}")));
        }
        let token: DeveloperCliToken = serde_json::from_slice(&output.stdout)
            .map_err(|_| Error::message(ErrorKind::Credential, "azd auth token gave no token"))?;
        let expires_on = OffsetDateTime::parse(&token.expires_on, &Rfc3339)
            .context(ErrorKind::Credential, "the expiry of azd's token")?;
        Ok(AccessToken::new(token.token, expires_on))
    }

    async fn clear_cache(&self) -> azure_core::Result<()> {
        Ok(())
    }
}

/// The instance metadata service of Azure machines.
#[derive(Debug)]
struct ManagedIdentity {
    http: Arc<dyn HttpClient>,
    client_id: Option<String>,
    service: Option<Url>,
}

#[derive(Deserialize)]
struct ManagedIdentityToken {
    access_token: String,
    /// Seconds since 1970, as text.
    expires_on: String,
}

#[async_trait]
impl TokenCredential for ManagedIdentity {
    async fn get_token(&self, scopes: &[&str]) -> azure_core::Result<AccessToken> {
        let scope = scopes.first().copied().unwrap_or_default();
        let mut url = match &self.service {
            Some(service) => service.join("/metadata/identity/oauth2/token")?,
            None => Url::parse("http://169.254.169.254/metadata/identity/oauth2/token")?,
        };
        url.query_pairs_mut()
            .append_pair("api-version", "2018-02-01")
            .append_pair("resource", scope.strip_suffix("/.default").unwrap_or(scope));
        if let Some(client_id) = &self.client_id {
            url.query_pairs_mut().append_pair("client_id", client_id);
        }
        let mut request = Request::new(url, Method::Get);
        request.insert_header("metadata", "true");
        let answer = self.http.execute_request(&request).await?;
        let body = answer.into_body().collect().await?;
        let bad = || Error::message(ErrorKind::Credential, "the metadata service gave no token");
        let token: ManagedIdentityToken = serde_json::from_slice(&body).map_err(|_| bad())?;
        let seconds = token.expires_on.parse().map_err(|_| bad())?;
        let expires_on = OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| bad())?;
        Ok(AccessToken::new(token.access_token, expires_on))
    }

    async fn clear_cache(&self) -> azure_core::Result<()> {
        Ok(())
    }
}

/// A federated token from a file, read anew for each exchange.
#[derive(Debug)]
struct WorkloadIdentity {
    http: Arc<dyn HttpClient>,
    authority: Url,
    tenant_id: String,
    client_id: String,
    token_file: String,
}

#[async_trait]
impl TokenCredential for WorkloadIdentity {
    async fn get_token(&self, scopes: &[&str]) -> azure_core::Result<AccessToken> {
        let file = self.token_file.clone();
        let assertion = tokio::task::spawn_blocking(move || std::fs::read_to_string(file))
            .await
            .context(ErrorKind::Credential, "reading the federated token")?
            .with_context(ErrorKind::Credential, || format!("reading the federated token {}", self.token_file))?;
        let credential = WorkloadIdentityCredential::new(
            self.http.clone(),
            self.authority.clone(),
            self.tenant_id.clone(),
            self.client_id.clone(),
            assertion.trim().to_owned(),
        );
        credential.get_token(scopes).await
    }

    async fn clear_cache(&self) -> azure_core::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use futures::future::join_all;
    use serde_json::json as j;

    use super::super::tests::server::{Server, json};
    use super::*;

    /// Gives `token-1`, `token-2`, …, each good for so many seconds.
    #[derive(Debug)]
    struct Counting(AtomicI64, i64);

    #[async_trait]
    impl TokenCredential for Counting {
        async fn get_token(&self, _scopes: &[&str]) -> azure_core::Result<AccessToken> {
            let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            let expires_on = OffsetDateTime::now_utc() + time::Duration::seconds(self.1);
            Ok(AccessToken::new(format!("token-{number}"), expires_on))
        }

        async fn clear_cache(&self) -> azure_core::Result<()> {
            Ok(())
        }
    }

    fn credential(auth: Auth, source: impl TokenCredential + 'static) -> Credential {
        Credential { auth, source: Some(Arc::new(source)), scope: "x/.default".into(), cached: Arc::default() }
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
        async fn get_token(&self, _scopes: &[&str]) -> azure_core::Result<AccessToken> {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => Ok(AccessToken::new("token", OffsetDateTime::now_utc())),
                _ => Err(Error::message(ErrorKind::Credential, "please run az login")),
            }
        }

        async fn clear_cache(&self) -> azure_core::Result<()> {
            Ok(())
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
        async fn get_token(&self, _scopes: &[&str]) -> azure_core::Result<AccessToken> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Err(Error::message(ErrorKind::Credential, "please run az login"))
        }

        async fn clear_cache(&self) -> azure_core::Result<()> {
            Ok(())
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
        let source = ClientSecretCredential::new(
            Arc::new(LoginHttp(reqwest::Client::new())),
            server.url.clone(),
            "tenant".into(),
            "client".into(),
            "hunter2".into(),
        );
        let credential = credential(client_secret(), source);
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
        let source = WorkloadIdentity {
            http: Arc::new(LoginHttp(reqwest::Client::new())),
            authority: server.url.clone(),
            tenant_id: "tenant".into(),
            client_id: "client".into(),
            token_file: file.to_str().unwrap().into(),
        };
        let credential = credential(client_secret(), source);
        let missing = credential.token().await.unwrap_err();
        assert!(missing.message.contains("reading the federated token"), "{}", missing.message);
        for assertion in ["first", "second"] {
            std::fs::write(&file, assertion).unwrap();
            credential.forget().await;
            assert_eq!(credential.token().await.unwrap().secret(), "abc");
        }
        let forms: Vec<String> = server.finish().into_iter().map(|seen| seen.text).collect();
        assert!(
            forms[0].contains("client_assertion=first") && forms[1].contains("client_assertion=second"),
            "{forms:?}"
        );
    }
}
