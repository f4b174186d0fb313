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
    use crate::engine::code::{DangerCode, NoteCode, ProblemCode};
    use crate::engine::provider::ErrorClass;
    use std::collections::{BTreeSet, HashSet};

    #[test]
    fn names_are_unique() {
        let mut seen = HashSet::new();
        for kind in azure::KINDS.iter().chain(kubernetes::KINDS) {
            assert!(seen.insert(kind.name), "{} is there twice", kind.name);
            assert!(std::ptr::eq(find(kind.name).unwrap(), *kind));
        }
    }

    /// The codes of the table under a heading of `docs/plan.md`.
    fn listed(heading: &str) -> BTreeSet<&'static str> {
        let text = include_str!("../../../docs/plan.md");
        let section = text.split("\n## ").find(|section| section.starts_with(&format!("{heading}\n"))).unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
        rows.flat_map(|cell| cell.split('`').map(str::trim).filter(|code| !code.is_empty() && *code != ",")).collect()
    }

    #[test]
    fn the_documentation_lists_every_code() {
        let losses = azure::KINDS.iter().chain(kubernetes::KINDS).filter_map(|kind| kind.review.loss);
        let dangers = DangerCode::ALL.iter().map(|code| code.as_str()).chain(losses.map(|loss| loss.code));
        assert_eq!(listed("Dangers"), dangers.collect());
        assert_eq!(listed("Notes"), NoteCode::ALL.iter().map(|code| code.as_str()).collect());
        assert_eq!(listed("Problems"), ProblemCode::ALL.iter().map(|code| code.as_str()).collect());
        assert_eq!(listed("Failures"), ErrorClass::ALL.iter().map(|class| class.as_str()).collect());
    }
}
