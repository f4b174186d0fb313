//! Addresses: the stable names of what a plan and the state speak of.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The address of one object: the Resource ID of what it belongs to, then kind and name, such as
/// `/ws/ops/prv/aks1/cls/c1/app/gitea/Deployment/gitea-app`.
///
/// A plan looks each address up some twenty times: it knows its own hash, so that a table need not go to the text for it.
#[derive(Clone)]
pub struct Address {
    text: Arc<str>,
    hash: u64,
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{}\" is no address: it must have the form /scope/kind/name", .0.escape_debug())]
pub struct NotAnAddress(String);

impl Address {
    /// The address of `kind` `name` under `scope`, a Resource ID such as `/ws/ops/prv/aks1`. The parts are the caller's
    /// word; a state takes no address that [`Address::parse`] would not read back.
    pub fn new(scope: &str, kind: &str, name: &str) -> Self {
        Self::of(format!("{scope}/{kind}/{name}").into())
    }

    /// An address as it was stored or typed whole: `/scope/kind/name`, of which the scope may have several segments.
    ///
    /// # Errors
    /// The text has another form.
    pub fn parse(text: &str) -> Result<Self, NotAnAddress> {
        let is_whole = text.starts_with('/') && !text.ends_with('/') && !text.contains("//");
        match is_whole && text.bytes().filter(|byte| *byte == b'/').count() >= 3 {
            true => Ok(Self::of(text.into())),
            false => Err(NotAnAddress(text.to_owned())),
        }
    }

    fn of(text: Arc<str>) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self { hash: hasher.finish(), text }
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The Resource ID that it belongs to.
    pub fn scope(&self) -> &str {
        self.split().0
    }

    /// The kind, such as `Deployment` or `disk`.
    pub fn kind(&self) -> &str {
        self.split().1
    }

    /// The name within scope and kind.
    pub fn name(&self) -> &str {
        self.split().2
    }

    /// `kind/name`, for places where the scope is clear.
    pub fn short(&self) -> &str {
        self.text[self.scope().len()..].trim_start_matches('/')
    }

    fn split(&self) -> (&str, &str, &str) {
        let mut parts = self.text.rsplitn(3, '/');
        let name = parts.next().unwrap_or("");
        let kind = parts.next().unwrap_or("");
        (parts.next().unwrap_or(""), kind, name)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && (Arc::ptr_eq(&self.text, &other.text) || self.text == other.text)
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_into_scope_kind_and_name() {
        let address = Address::new("/ws/ops/prv/aks1/cls/c1/app/gitea", "Deployment", "gitea-app");
        assert_eq!(address.scope(), "/ws/ops/prv/aks1/cls/c1/app/gitea");
        assert_eq!((address.kind(), address.name()), ("Deployment", "gitea-app"));
        assert_eq!(address.short(), "Deployment/gitea-app");
    }

    #[test]
    fn only_a_whole_address_is_read() {
        for text in ["/ws/o/disk/d", "/s/k/n", "/ws/ops/prv/aks1/app/gitea/disk/default.blue"] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.as_str(), text);
            assert_eq!(Address::new(address.scope(), address.kind(), address.name()), address);
            assert_eq!(serde_json::from_value::<Address>(text.into()).unwrap(), address);
        }
        for text in
            ["", "/", "disk/d", "/disk/d", "ws/o/disk/d", "//disk/d", "/ws/o//d", "/ws/o/disk/", " /ws/o/disk/d"]
        {
            assert!(Address::parse(text).is_err(), "{text}");
            assert!(serde_json::from_value::<Address>(text.into()).is_err(), "{text}");
        }
        let told = Address::parse("disk\u{1b}[2J").unwrap_err().to_string();
        assert_eq!(told, "\"disk\\u{1b}[2J\" is no address: it must have the form /scope/kind/name");
    }
}
