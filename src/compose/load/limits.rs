//! How much one project may be.

use super::fault::{Step, fail};
use crate::compose::tree::Tree;

/// Items of one list: what is longer was not written by a person.
pub(in crate::compose) const MAX_ITEMS: usize = 2000;
/// Services of one project: far more than containers of one Pod could be.
pub(in crate::compose) const MAX_SERVICES: usize = 500;
/// Files that one project may be made of, included and extended ones counted at each use.
pub(super) const MAX_FILES: usize = 500;
/// How deep files may include each other, and services extend each other.
pub(super) const MAX_DEPTH: usize = 50;

/// Fails where a file has too many services or jobs.
pub(super) fn services(tree: &Tree) -> Step<()> {
    for kind in ["services", "jobs"] {
        let Some(services) = tree.get(kind) else { continue };
        let count = services.as_mapping().map_or(0, <[_]>::len);
        if count > MAX_SERVICES {
            let message = format!("there are {count} {kind}; at most {MAX_SERVICES} are read");
            return fail("compose-limit", message, &services.location);
        }
    }
    Ok(())
}
