//! Kinds: what the engine must know of each kind of object, as data. One table per API.

pub mod kubernetes;
pub(in crate::resources) mod review;

use super::drivers::aks::kinds as azure;
use crate::engine::kind::Kind;

/// Finds a kind by its name, over all APIs.
pub fn find(name: &str) -> Option<&'static Kind> {
    azure::KINDS.iter().chain(kubernetes::KINDS).copied().find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique() {
        let mut seen = HashSet::new();
        for kind in azure::KINDS.iter().chain(kubernetes::KINDS) {
            assert!(seen.insert(kind.name), "{} is there twice", kind.name);
            assert!(std::ptr::eq(find(kind.name).unwrap(), *kind));
        }
    }
}
