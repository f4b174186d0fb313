//! Keys of providers: which API an object is in, and how to get there.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names a provider instance well enough to connect to it without a manifest. Never holds a secret. Kept in every record,
/// so that a destroy needs the state alone.
///
/// ```text
/// azure://<subscription>?auth=azure_cli
/// kubernetes+azure://<subscription>?auth=azure_cli#<id of the cluster>
/// └─scheme─┘ └──────────── outer ────────────────┘ └────── host ─────┘
/// ```
///
/// Every text is a key; which of them it can open, the program knows. Two keys are equal if their texts are, and are of one
/// API if their [`api`](Self::api) is.
#[derive(Clone)]
pub struct ProviderKey(Arc<Parts>);

struct Parts {
    text: Box<str>,
    api: Arc<str>,
    /// Where the scheme ends.
    scheme: usize,
    /// Where the host begins.
    host: Option<usize>,
}

impl ProviderKey {
    /// The key as it was written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The API that the provider speaks to: the key without the way to sign in, which may change while the API stays, and
    /// without case, which neither subscriptions nor ids of clouds have.
    pub fn api(&self) -> &Arc<str> {
        &self.0.api
    }

    /// The API, as the key writes it.
    pub fn described(&self) -> String {
        without_sign_in(self.as_str())
    }

    /// The provider's id of the object that the API lives in and goes with, such as a managed cluster's.
    pub fn host(&self) -> Option<&str> {
        self.0.host.map(|at| &self.0.text[at..])
    }

    /// What kind of API it is: `azure`, `kubernetes`.
    pub fn scheme(&self) -> &str {
        &self.0.text[..self.0.scheme]
    }

    /// The key of the cloud that the host is in, if the key tells: the way to an API that lives in an object of it.
    pub fn outer(&self) -> Option<Self> {
        self.outer_text().map(Into::into)
    }

    /// Whether the key tells the cloud that the host is in.
    pub fn has_outer(&self) -> bool {
        self.outer_text().is_some()
    }

    fn outer_text(&self) -> Option<&str> {
        let end = self.0.host?.checked_sub(1)?;
        self.0.text[..end].split_once('+').map(|(_, outer)| outer)
    }

    /// What stands behind the scheme, up to the way to sign in: a subscription.
    pub fn authority(&self) -> &str {
        self.as_str().split_once("://").map_or("", |(_, rest)| rest.split(['?', '#']).next().unwrap_or_default())
    }

    /// The way to sign in, if the key says it.
    pub fn auth(&self) -> Option<&str> {
        let (_, rest) = self.as_str().split_once("?auth=")?;
        rest.split('#').next()
    }
}

fn without_sign_in(text: &str) -> String {
    match text.split_once('?') {
        Some((api, rest)) => format!("{api}{}", rest.find('#').map_or("", |at| &rest[at..])),
        None => text.to_owned(),
    }
}

impl From<&str> for ProviderKey {
    fn from(text: &str) -> Self {
        let api = without_sign_in(text).to_ascii_lowercase().into();
        let end = text.find("://").unwrap_or_else(|| text.find('#').unwrap_or(text.len()));
        let scheme = text[..end].find('+').unwrap_or(end);
        // An id of a host holds no `#`.
        let host = text.rfind('#').map(|at| at + 1);
        Self(Arc::new(Parts { text: text.into(), api, scheme, host }))
    }
}

impl From<String> for ProviderKey {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl PartialEq for ProviderKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str()
    }
}

impl Eq for ProviderKey {}

impl PartialOrd for ProviderKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ProviderKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for ProviderKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for ProviderKey {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for ProviderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ProviderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for ProviderKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ProviderKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(deserializer)?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ProviderKey {
        text.into()
    }

    #[test]
    fn an_api_stays_the_same_under_another_sign_in() {
        let in_cluster = |auth: &str, cluster: &str| key(&format!("kubernetes+azure://s?auth={auth}#/c/{cluster}"));
        assert_eq!(in_cluster("azure_cli", "1").api(), in_cluster("managed_identity", "1").api());
        assert_ne!(in_cluster("azure_cli", "1").api(), in_cluster("azure_cli", "2").api());
        assert_eq!(key("azure://ABC?auth=azure_cli").api(), key("azure://abc?auth=managed_identity").api());
        assert_ne!(key("azure://abc?auth=azure_cli").api(), key("azure://abd?auth=azure_cli").api());
        assert_eq!(key("azure://S?auth=azure_cli").described(), "azure://S");
    }

    #[test]
    fn a_key_has_parts() {
        let cloud = key("azure://s?auth=azure_cli");
        assert_eq!((cloud.scheme(), cloud.authority(), cloud.auth()), ("azure", "s", Some("azure_cli")));
        assert_eq!((cloud.host(), cloud.outer()), (None, None));
        let cluster = key("kubernetes+azure://s?auth=azure_cli#/subscriptions/s/C");
        assert_eq!((cluster.scheme(), cluster.host()), ("kubernetes", Some("/subscriptions/s/C")));
        assert_eq!(cluster.outer(), Some(cloud));
        let plain = key("kubernetes#u-1");
        assert_eq!((plain.scheme(), plain.host(), plain.outer()), ("kubernetes", Some("u-1"), None));
        assert_eq!((key("test").scheme(), &**key("test").api(), key("azure://").authority()), ("test", "test", ""));
    }

    #[test]
    fn it_is_written_as_it_was_read() {
        let text = "kubernetes+azure://S?auth=azure_cli#/Subscriptions/s";
        assert_eq!(serde_json::to_string(&key(text)).unwrap(), format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<ProviderKey>(&format!("\"{text}\"")).unwrap(), key(text));
        let keys = std::collections::BTreeMap::from([(key("b"), 2), (key("a"), 1)]);
        assert_eq!(keys.get("a"), Some(&1));
    }
}
