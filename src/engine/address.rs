//! Addresses, and which one a user means.

pub use kompox_state::Address;

/// Whether `text` names the address or Resource ID `whole`: all of it, or a suffix that begins at a segment.
pub fn names(text: &str, whole: &str) -> bool {
    let text = text.trim_end_matches('/');
    whole.strip_suffix(text).is_some_and(|rest| rest.is_empty() || rest.ends_with('/') || text.starts_with('/'))
}

/// The ends of an address that begin at a kind or at a part of its scope, the shortest first: `disk/default`,
/// `app/gitea/disk/default`, …
pub fn ends(address: &str) -> impl Iterator<Item = &str> {
    address.rmatch_indices('/').skip(1).step_by(2).map(|(at, _)| &address[at + 1..])
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
    let mut typed = text.rsplit('/');
    let (name, kind) = (typed.next().unwrap_or_default(), typed.next().unwrap_or_default());
    for address in among {
        if address.as_str() == text {
            return Ok(address.clone());
        }
        if names(text, address.as_str()) {
            candidates.push(address.clone());
        } else if near.len() < MOST_NEAR && (address.name() == name || address.kind() == kind) {
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
