//! Contract tests over HTTP, against a scripted server.

mod reading;
pub(super) mod server;
mod writing;

use std::sync::Mutex;
use std::time::Duration;

use url::Url;

use super::auth::Auth;
use super::config::AzureConfig;
use super::*;
use crate::engine::address::Address;
use crate::engine::kind::Kind;
use crate::engine::provider::{Change, ErrorClass, Find};
use crate::providers::retry::Policy;

const TOKEN: &str = "bearer-hunter2";
const GROUP: &str = "/subscriptions/s1/resourceGroups/g";
static KIND: Kind = Kind::plain("disk");
static OTHER: Kind = Kind::plain("thing");

fn provider(url: &Url) -> AzureProvider {
    let config = AzureConfig {
        endpoint: Some(url.clone()),
        retry: Policy {
            retries: 2,
            base: Duration::from_millis(1),
            cap: Duration::from_millis(2),
            ..Policy::default()
        },
        poll_cap: Duration::from_millis(1),
        ..AzureConfig::new("s1", Auth::Static(TOKEN.into()), 7)
    };
    AzureProvider::new(config).unwrap()
}

fn disk(name: &str) -> String {
    format!("{GROUP}/providers/Microsoft.Compute/disks/{name}")
}

fn target(id: &str) -> Target {
    let address = Address::new("/ws/o/prv/a", "disk", "d");
    // What is looked for by tags has no id, and is a disk.
    let kind = if id.is_empty() || id.contains("/disks/") { &KIND } else { &OTHER };
    Target { address, kind, physical_id: Some(id.to_owned()), find: None }
}

fn operation(id: &str, change: Change) -> Operation {
    Operation {
        target: target(id),
        change,
        token: "t".into(),
        lineage: "L1".into(),
        force: false,
        adopted: false,
        wait: true,
        timeout: Duration::from_secs(60),
    }
}

/// Remembers what it is told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Told {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl Progress for Told {
    async fn accepted(&self, operation_url: &str) {
        self.0.lock().unwrap().push(format!("accepted {operation_url}"));
    }

    fn status(&self, text: &str) {
        self.0.lock().unwrap().push(format!("status {text}"));
    }

    fn retried(&self, delay: Duration, reason: &str) {
        self.0.lock().unwrap().push(format!("retried {} {reason}", delay.as_secs()));
    }
}

#[test]
fn secrets_stay_out_of_debug() {
    let secret = Auth::ClientSecret { tenant_id: "t".into(), client_id: "c".into(), client_secret: "hunter2".into() };
    for auth in [secret, Auth::Static("hunter2".into())] {
        let config = AzureConfig::new("s1", auth, 0);
        let provider = AzureProvider::new(config.clone()).unwrap();
        let text = format!("{config:?} {provider:?} {provider:#?}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_token_never_travels_in_clear_or_to_another_server() {
    let with = |endpoint: &str| {
        let endpoint = Some(Url::parse(endpoint).unwrap());
        AzureProvider::new(AzureConfig { endpoint, ..AzureConfig::new("s1", Auth::Static("x".into()), 0) })
    };
    assert!(with("http://example.com").unwrap_err().message.contains("https"));
    assert!(with("https://user:hunter2@example.com").is_err_and(|error| !error.message.contains("hunter2")));
    let provider = with("https://management.example.com/arm/").unwrap();
    for bad in
        ["https://evil.com/x", "//evil.com/x", "https://evilmanagement.example.com/", "http://management.example.com/"]
    {
        assert!(provider.arm.resolve(bad).is_err(), "{bad}");
    }
    let url = provider.arm.resolve("https://eastus.management.example.com/x?y=1").unwrap();
    assert_eq!(provider.arm.relative(&url), "https://eastus.management.example.com/x?y=1");
    let url = provider.arm.resolve("https://management.example.com/arm/op/1?api-version=2").unwrap();
    let relative = provider.arm.relative(&url);
    assert_eq!(relative, "/op/1?api-version=2");
    assert_eq!(provider.arm.resolve(&relative).unwrap(), url);
    assert!(AzureProvider::new(AzureConfig::new("a/b", Auth::AzureCli, 0)).is_err());
}

#[test]
fn the_id_of_a_role_assignment_waits_for_its_principal() {
    let provider = provider(&Url::parse("http://127.0.0.1:1").unwrap());
    let mut desired = Value::object();
    desired.set(&["scope"], GROUP.into());
    desired.set(&["properties", "roleDefinitionId"], "/x/roleDefinitions/r".into());
    desired.set(&["properties", "principalId"], Value::output(&Address::new("/ws/o", "k", "n"), "/p"));
    assert_eq!(provider.physical_id(&KIND, &desired), None);
    desired.set(&["properties", "principalId"], "p".into());
    assert_eq!(provider.physical_id(&KIND, &desired), Some(role::id(GROUP, "p", "r")));
    desired.set(&["id"], "/given".into());
    assert_eq!(provider.physical_id(&KIND, &desired), Some("/given".to_owned()));
}
