//! From the URL of a project to objects. Whatever signs in comes from the environment alone, and so does every endpoint
//! that is not the cloud's own: a project cannot send credentials of whoever works on it to a server of its choice.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use super::bucket::Bucket;
use super::http::Connector;
use crate::error::StateError;
use crate::folders;
use crate::place::{Objects, Place, Variables};

/// How long a call is tried again, well below a lease.
const ATTEMPTS: usize = 4;
const TRYING: Duration = Duration::from_secs(20);

/// Opens where the objects are. Nothing is asked of it yet.
pub(super) fn connect(objects: &Objects, variables: &Variables, connector: Connector) -> Result<Bucket, StateError> {
    let place = Place::Objects(Arc::new(objects.clone()));
    let failed = |source: object_store::Error| StateError::Backend {
        place: place.clone(),
        hint: "check `state:` in `.kompox/config.yml` and the variables of the environment",
        source: source.into(),
    };
    let (store, prefix): (Arc<dyn ObjectStore>, &str) = match objects {
        Objects::Folder(path) => (Arc::new(folder(path, &place)?), ""),
        Objects::S3 { bucket, prefix } => (Arc::new(s3(bucket, variables, connector).map_err(failed)?), prefix),
        Objects::Google { bucket, prefix } => (Arc::new(google(bucket, variables, connector).map_err(failed)?), prefix),
        Objects::Azure { account, container, prefix } => {
            (Arc::new(azure(account, container, variables, connector).map_err(failed)?), prefix)
        }
    };
    Ok(Bucket::new(store, Path::from(prefix), place))
}

/// A folder, made for its owner only if it is not there.
fn folder(path: &PathBuf, place: &Place) -> Result<LocalFileSystem, StateError> {
    let io = |source: std::io::Error| StateError::Io {
        place: place.clone(),
        doing: "create",
        hint: "check the folder and the disk",
        source,
    };
    folders::create(path).map_err(io)?;
    let local = LocalFileSystem::new_with_prefix(path).map_err(|source| StateError::Backend {
        place: place.clone(),
        hint: "check the folder and the disk",
        source: source.into(),
    })?;
    Ok(local.with_fsync(true))
}

fn s3(bucket: &str, variables: &Variables, connector: Connector) -> object_store::Result<impl ObjectStore> {
    let mut builder = AmazonS3Builder::new();
    for (name, value) in variables.with_prefix("AWS_") {
        if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    builder.with_bucket_name(bucket).with_retry(retry()).with_http_connector(connector).build()
}

fn google(bucket: &str, variables: &Variables, connector: Connector) -> object_store::Result<impl ObjectStore> {
    let mut builder = GoogleCloudStorageBuilder::new();
    for (name, value) in variables.with_prefix("GOOGLE_") {
        if let Ok(key) = name.to_ascii_lowercase().parse::<GoogleConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    builder.with_bucket_name(bucket).with_retry(retry()).with_http_connector(connector).build()
}

fn azure(
    account: &str,
    container: &str,
    variables: &Variables,
    connector: Connector,
) -> object_store::Result<impl ObjectStore> {
    let mut builder = MicrosoftAzureBuilder::new();
    for (name, value) in variables.with_prefix("AZURE_") {
        if let Ok(key) = name.to_ascii_lowercase().parse::<AzureConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    builder
        .with_account(account)
        .with_container_name(container)
        .with_retry(retry())
        .with_http_connector(connector)
        .build()
}

fn retry() -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(3), base: 2.0 };
    RetryConfig { backoff, max_retries: ATTEMPTS, retry_timeout: TRYING }
}
