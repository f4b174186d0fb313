//! Addresses: the stable names of what a plan speaks of.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The address of one object: the Resource ID of what it belongs to, then kind and name, such as
/// `/ws/ops/prv/aks1/cls/c1/app/gitea/Deployment/gitea-app`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(Arc<str>);

impl Address {
    /// The address of `kind` `name` under `scope`, a Resource ID such as `/ws/ops/prv/aks1`.
    pub fn new(scope: &str, kind: &str, name: &str) -> Self {
        Self(format!("{scope}/{kind}/{name}").into())
    }

    /// An address as it was stored or typed; nothing is checked, because an unknown one simply matches nothing.
    pub fn from_text(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
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
        self.0[self.scope().len()..].trim_start_matches('/')
    }

    /// The Resource ID of the app that it belongs to, if any: where a report groups it.
    pub fn app(&self) -> Option<&str> {
        let start = self.0.find("/app/")?;
        let rest = &self.0[start + "/app/".len()..];
        let end = rest.find('/').unwrap_or(rest.len());
        Some(&self.0[..start + "/app/".len() + end])
    }

    fn split(&self) -> (&str, &str, &str) {
        let mut parts = self.0.rsplitn(3, '/');
        let name = parts.next().unwrap_or("");
        let kind = parts.next().unwrap_or("");
        (parts.next().unwrap_or(""), kind, name)
    }

    /// Whether `text` names this address: the whole of it, or a suffix that begins at a segment.
    pub fn matches_suffix(&self, text: &str) -> bool {
        let text = text.trim_end_matches('/');
        self.0.strip_suffix(text).is_some_and(|rest| rest.is_empty() || rest.ends_with('/') || text.starts_with('/'))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Address {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Why a text that a user typed names no single address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Nothing ends so.
    #[error("no address ends with \"{text}\"{}", listed("; these are close", near))]
    None {
        /// What was typed.
        text: String,
        /// Addresses of the same kind or name.
        near: Vec<Address>,
    },
    /// Several do.
    #[error("\"{text}\"{}", listed(" is ambiguous; it could be", candidates))]
    Ambiguous {
        /// What was typed.
        text: String,
        /// All that end so.
        candidates: Vec<Address>,
    },
}

/// Addresses listed for a message.
const MOST_NEAR: usize = 5;

fn listed(title: &str, addresses: &[Address]) -> String {
    if addresses.is_empty() {
        return String::new();
    }
    let lines: String = addresses.iter().map(|address| format!("\n  {address}")).collect();
    format!("{title}{lines}")
}

/// Finds the one address that `text` names: an exact match first, else a unique suffix.
///
/// # Errors
/// None, or several, match.
pub fn resolve<'a>(text: &str, among: impl IntoIterator<Item = &'a Address>) -> Result<Address, ResolveError> {
    let mut candidates = Vec::new();
    let mut near = Vec::new();
    let typed = Address::from_text(text);
    for address in among {
        if address.as_str() == text {
            return Ok(address.clone());
        }
        if address.matches_suffix(text) {
            candidates.push(address.clone());
        } else if near.len() < MOST_NEAR && (address.name() == typed.name() || address.kind() == typed.kind()) {
            near.push(address.clone());
        }
    }
    candidates.sort();
    candidates.dedup();
    match candidates.len() {
        0 => Err(ResolveError::None { text: text.to_owned(), near }),
        1 => Ok(candidates.remove(0)),
        _ => Err(ResolveError::Ambiguous { text: text.to_owned(), candidates }),
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
        assert_eq!(address.app(), Some("/ws/ops/prv/aks1/cls/c1/app/gitea"));
        assert_eq!(Address::new("/ws/o/prv/p", "resource-group", "x").app(), None);
    }

    #[test]
    fn resolves_exact_then_unique_suffix() {
        let a = Address::new("/ws/o/prv/p/app/a", "disk", "default");
        let b = Address::new("/ws/o/prv/p/app/b", "disk", "default");
        let all = [a.clone(), b.clone()];
        assert_eq!(resolve("a/disk/default", &all), Ok(a.clone()));
        assert_eq!(resolve(a.as_str(), &all), Ok(a.clone()));
        assert_eq!(
            resolve("disk/default", &all).unwrap_err(),
            ResolveError::Ambiguous { text: "disk/default".into(), candidates: vec![a, b] }
        );
        assert_eq!(resolve("ault", &all).unwrap_err(), ResolveError::None { text: "ault".into(), near: Vec::new() });
    }
}
