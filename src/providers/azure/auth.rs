//! Bearer tokens. The only file that names the Azure SDK (`azure_core`, `azure_identity`).
//!
//! `azure_identity` has no Azure Developer CLI, no user-assigned managed identity and reads a federated token once only;
//! those three are done here, behind its trait.

use std::fmt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::auth::{AccessToken, Secret, TokenCredential};
use azure_core::error::{Error, ErrorKind, ResultExt as _};
use azure_identity::{AzureCliCredential, ClientSecretCredential, WorkloadIdentityCredential};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use crate::engine::provider::{ErrorClass, ProviderError};

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
            Self::AzureCli => "sign in with `az login`, and see that `az account show` names the right tenant",
            Self::AzureDeveloperCli => "sign in with `azd auth login`",
            Self::ClientSecret { .. } => "check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; the secret may have expired",
            Self::ManagedIdentity { .. } => "this machine may have no managed identity: assign one, or choose another AZURE_AUTH_METHOD",
            Self::WorkloadIdentity { .. } => "check AZURE_FEDERATED_TOKEN_FILE and the federated credential of AZURE_CLIENT_ID",
        }
    }
}

/// Asked for a new token this long before the old one expires.
const EARLY: Duration = Duration::from_secs(120);
/// Tries at signing in when the network fails.
const TRIES: u32 = 3;

/// Gives bearer tokens, asking for a new one only when the last is about to expire.
pub(super) struct Credential {
    auth: Auth,
    source: Option<Arc<dyn TokenCredential>>,
    scope: String,
    cached: Mutex<Option<(Secret, Instant)>>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("auth", &self.auth).finish_non_exhaustive()
    }
}

impl Credential {
    /// Signs in by `auth` for the ARM endpoint `endpoint`; requests of the sign-in go through `http`.
    ///
    /// # Errors
    /// The login host of the endpoint's cloud is no URL.
    pub fn new(auth: Auth, endpoint: &Url, http: reqwest::Client) -> Result<Self, ProviderError> {
        let authority = match endpoint.host_str() {
            Some("management.chinacloudapi.cn") => "https://login.chinacloudapi.cn",
            Some("management.usgovcloudapi.net") => "https://login.microsoftonline.us",
            _ => "https://login.microsoftonline.com",
        };
        let authority = Url::parse(authority)
            .map_err(|error| ProviderError::new(ErrorClass::Rejected, format!("the login host {authority}: {error}")))?;
        let source: Option<Arc<dyn TokenCredential>> = match auth.clone() {
            Auth::Static(_) => None,
            Auth::AzureCli => Some(Arc::new(AzureCliCredential::new())),
            Auth::AzureDeveloperCli => Some(Arc::new(DeveloperCli)),
            Auth::ClientSecret { tenant_id, client_id, client_secret } => Some(Arc::new(ClientSecretCredential::new(
                Arc::new(http),
                authority,
                tenant_id,
                client_id,
                client_secret,
            ))),
            Auth::ManagedIdentity { client_id } => Some(Arc::new(ManagedIdentity { http, client_id })),
            Auth::WorkloadIdentity { tenant_id, client_id, token_file } => {
                Some(Arc::new(WorkloadIdentity { http, authority, tenant_id, client_id, token_file }))
            }
        };
        let scope = format!("{}/.default", endpoint.origin().ascii_serialization());
        Ok(Self { auth, source, scope, cached: Mutex::new(None) })
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
        if let Some((token, until)) = &*cached
            && *until > Instant::now()
        {
            return Ok(token.clone());
        }
        let mut tries = 1;
        let token = loop {
            match source.get_token(&[&self.scope]).await {
                Ok(token) => break token,
                Err(error) if tries < TRIES && matches!(error.kind(), ErrorKind::Io) => {
                    tokio::time::sleep(Duration::from_secs(1) * tries).await;
                    tries += 1;
                }
                Err(error) => return Err(self.refused(chain(&error))),
            }
        };
        let lifetime = token.expires_on - OffsetDateTime::now_utc();
        let lifetime = Duration::try_from(lifetime).unwrap_or_default().saturating_sub(EARLY);
        *cached = Some((token.token.clone(), Instant::now() + lifetime));
        Ok(token.token)
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
        ProviderError::new(ErrorClass::Denied, format!("signing in to Azure by {method} failed: {why}")).hint(self.hint())
    }
}

/// `azd auth token`.
#[derive(Debug)]
struct DeveloperCli;

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
        let run = move || {
            Command::new("azd")
                .args(["auth", "token", "--output", "json", "--scope", &scope])
                .stdin(Stdio::null())
                .output()
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
    http: reqwest::Client,
    client_id: Option<String>,
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
        let mut url = Url::parse("http://169.254.169.254/metadata/identity/oauth2/token")?;
        url.query_pairs_mut()
            .append_pair("api-version", "2018-02-01")
            .append_pair("resource", scope.strip_suffix("/.default").unwrap_or(scope));
        if let Some(client_id) = &self.client_id {
            url.query_pairs_mut().append_pair("client_id", client_id);
        }
        let answer = self
            .http
            .get(url)
            .header("Metadata", "true")
            .send()
            .await
            .context(ErrorKind::Credential, "asking the metadata service of this machine")?;
        if !answer.status().is_success() {
            let status = answer.status().as_u16();
            return Err(Error::message(ErrorKind::Credential, format!("the metadata service answered {status}")));
        }
        let body = answer.bytes().await.context(ErrorKind::Io, "reading the answer of the metadata service")?;
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
    http: reqwest::Client,
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
            Arc::new(self.http.clone()),
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
