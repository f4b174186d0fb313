//! From a key and settings to a provider: `azure://<subscription>?auth=<method>`.

use url::Url;

use super::auth::{Auth, SignIns};
use super::config::AzureConfig;
use super::subscription::AzureProvider;
use crate::engine::provider::ProviderKey;
use crate::providers::opening::{LOCAL, LOCAL_POLL, NotOpened, Opening};

/// Another metadata service than that of Azure machines, under the name that the SDKs of Azure read.
const METADATA_SERVICE: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";

/// The provider that a key names. Nothing is connected yet: that happens with the first request.
///
/// # Errors
/// Settings of the sign-in that are missing, or an endpoint that is no URL.
pub fn open(key: &ProviderKey, opening: &Opening<'_>, sign_ins: &SignIns) -> Result<AzureProvider, NotOpened> {
    let auth = match &opening.stand_in {
        Some(server) => Auth::Static(server.token.to_owned()),
        None => auth(key.auth().unwrap_or_default(), opening)?,
    };
    let mut config = AzureConfig::new(key.authority(), auth, opening.seed);
    config.sign_ins = sign_ins.clone();
    config.tenant_id = opening.setting("AZURE_TENANT_ID");
    let endpoint = opening.stand_in.as_ref().map(|server| server.endpoint);
    let endpoint = endpoint.or_else(|| opening.environment.get("AZURE_RESOURCE_MANAGER_ENDPOINT").map(String::as_str));
    if let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.is_empty()) {
        let url = Url::parse(endpoint)
            .map_err(|error| NotOpened::new("endpoint", format!("the endpoint {endpoint} is no URL: {error}")))?;
        config.endpoint = Some(url);
    }
    if opening.stand_in.is_some() {
        config.poll_cap = LOCAL_POLL;
        config.retry = LOCAL;
    }
    AzureProvider::new(config).map_err(|error| {
        let failed = NotOpened::new("sign-in", format!("Azure cannot be used: {error}"));
        match error.hint {
            Some(hint) => failed.help(hint),
            None => failed,
        }
    })
}

fn auth(method: &str, opening: &Opening<'_>) -> Result<Auth, NotOpened> {
    let optional = |name: &str| opening.setting(name);
    let required = |name: &str| {
        optional(name).ok_or_else(|| {
            NotOpened::new("sign-in", format!("{name} is missing; AZURE_AUTH_METHOD {method} needs it"))
                .help(format!("set the environment variable {name}, or the setting of the Provider"))
        })
    };
    Ok(match method {
        "azure_cli" => Auth::AzureCli,
        "azure_developer_cli" => Auth::AzureDeveloperCli,
        "client_secret" => Auth::ClientSecret {
            tenant_id: required("AZURE_TENANT_ID")?,
            client_id: required("AZURE_CLIENT_ID")?,
            client_secret: required("AZURE_CLIENT_SECRET")?,
        },
        "managed_identity" => Auth::ManagedIdentity {
            client_id: optional("AZURE_CLIENT_ID"),
            service: optional(METADATA_SERVICE)
                .map(|service| {
                    Url::parse(&service)
                        .map_err(|error| NotOpened::new("endpoint", format!("{METADATA_SERVICE} is no URL: {error}")))
                })
                .transpose()?,
        },
        "workload_identity" => Auth::WorkloadIdentity {
            tenant_id: required("AZURE_TENANT_ID")?,
            client_id: required("AZURE_CLIENT_ID")?,
            token_file: required("AZURE_FEDERATED_TOKEN_FILE")?,
        },
        other => return Err(NotOpened::new("sign-in", format!("the sign-in method \"{other}\" is not known"))),
    })
}
