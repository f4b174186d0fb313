//! Renames: what had another Resource ID before, and what the state knows of it.

use super::scope::{Findings, StateView};
use crate::diag::Diagnostic;
use crate::engine::address::Address;
use crate::engine::value::Value;
use crate::kom::id::ResourceId;
use crate::kom::model::Project;

impl StateView {
    /// The same, with what was renamed under its new address too.
    #[must_use]
    pub(super) fn renamed(&self, renames: &[(String, String)]) -> Self {
        let mut view = self.clone();
        // A rename within a renamed Workspace is written with the old name or the new one: each may lead to the next.
        for _ in renames {
            for (old, new) in renames {
                let moved = |address: &Address| renamed(old, new, address);
                let known: Vec<_> =
                    view.known.iter().filter_map(|(address, known)| Some((moved(address)?, known.clone()))).collect();
                for (address, known) in known {
                    view.known.entry(address).or_insert(known);
                }
                let chosen: Vec<_> =
                    view.chosen.iter().filter_map(|(address, name)| Some((moved(address)?, name.clone()))).collect();
                for (address, name) in chosen {
                    view.chosen.entry(address).or_insert(name);
                }
            }
        }
        view
    }
}

/// The address under a new Resource ID of what had this one under the old.
fn renamed(old: &str, new: &str, address: &Address) -> Option<Address> {
    let rest = address.as_str().strip_prefix(old).filter(|rest| rest.starts_with('/'))?;
    let named = own_name(old, rest).and_then(|kind| Some(format!("{new}/{kind}/{}", own(new)?)));
    Address::parse(&named.unwrap_or_else(|| format!("{new}{rest}"))).ok()
}

/// The kind of an object that is named after the Cluster that it is of, if this is one: it is renamed with it.
fn own_name<'a>(id: &str, rest: &'a str) -> Option<&'a str> {
    let (kind, name) = rest.strip_prefix('/')?.split_once('/')?;
    (own(id)? == name).then_some(kind)
}

/// The name of a Cluster, from its Resource ID.
fn own(id: &str) -> Option<&str> {
    let (_, name) = id.rsplit_once("/cls/")?;
    (!name.contains('/')).then_some(name)
}

/// The addresses that an object may have had before the renames that it is under, the likeliest first.
pub(super) fn addresses_before(renames: &[(String, String)], address: &Address) -> Vec<Address> {
    let mut before: Vec<Address> = Vec::new();
    let mut waiting = vec![address.clone()];
    // Each round takes one rename back; more of them than there are renames would go in a circle.
    for _ in renames {
        let mut next = Vec::new();
        for address in &waiting {
            let mut under: Vec<_> =
                renames.iter().filter_map(|(old, new)| Some((new.len(), renamed(new, old, address)?))).collect();
            under.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
            next.extend(under.into_iter().map(|(_, old)| old));
        }
        next.retain(|old| old != address && !before.contains(old));
        before.extend(next.iter().cloned());
        waiting = next;
    }
    before
}

/// Renames of what is still declared: its address is taken, and nothing can be at two.
pub(super) fn exchanges(project: &Project, state: &StateView, findings: &mut Findings<'_>) {
    let metas: Vec<_> = project.metas().collect();
    let known = &state.known;
    let has = |id: &ResourceId| {
        let inside = format!("{}/", id.as_str());
        known.keys().any(|address| address.as_str().starts_with(&inside))
    };
    for meta in &metas {
        let Some(old) = &meta.moved_from else { continue };
        let Some(other) = metas.iter().find(|other| other.id == *old) else { continue };
        // What was renamed long ago may still say so when its old name belongs to another.
        let exchange = other.moved_from.as_ref() == Some(&meta.id);
        if !exchange && (has(&meta.id) || !has(old)) {
            continue;
        }
        let message = format!("{} says that it was {old}, which is still declared", meta.id);
        let (first, second) = if exchange {
            ("rename in two steps: give one of them a third name, apply, then rename the other", None)
        } else {
            ("to rename it, take the old one out", Some("to make another one, take moved-from out"))
        };
        let mut diagnostic = Diagnostic::error("moved-from", message).at(meta.id_location.clone(), None).help(first);
        if let Some(second) = second {
            diagnostic = diagnostic.help(second);
        }
        findings.push(diagnostic);
    }
}

/// Whether an object with this Kubernetes or ARM id has the name that is desired now.
pub(super) fn is_still_named(desired: &Value, id: &str) -> bool {
    let text = |key| desired.at(&["metadata", key]).and_then(Value::as_str);
    let name = text("name").is_none_or(|name| id.ends_with(&format!("/{name}")));
    let namespace = text("namespace");
    name && namespace.is_none_or(|namespace| id.contains(&format!("/namespaces/{namespace}/")))
}

/// Resource IDs that were renamed, old and new, and with each app the ID under which what outlives its cluster is
/// addressed: without that a renamed app would leave its disks behind and get empty ones.
pub(super) fn renames(project: &Project) -> Vec<(String, String)> {
    let declared = |id: &ResourceId| project.metas().any(|meta| meta.id == *id);
    // What is still declared keeps what it has, whoever says to have been it.
    let written = project.metas().filter_map(|meta| {
        let old = meta.moved_from.as_ref().filter(|old| !declared(old))?;
        Some((old.as_str(), meta.id.as_str()))
    });
    let written: Vec<(&str, &str)> = written.collect();
    let mut renames: Vec<_> = written.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect();
    for (old, new) in &written {
        let (Some((old_provider, old_app)), Some((new_provider, new_app))) = (lasting(old), lasting(new)) else {
            continue;
        };
        // A disk cannot follow an app into another subscription or region; a renamed Provider is the same one.
        let renamed = |(old, new): &(&str, &str)| {
            old_provider
                .strip_prefix(old)
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))
                .is_some_and(|rest| new_provider.strip_prefix(new).is_some_and(|now| now == rest))
        };
        if old_provider == new_provider || written.iter().any(renamed) {
            renames.push((format!("{old_provider}/app/{old_app}"), format!("{new_provider}/app/{new_app}")));
        }
    }
    renames
}

/// Provider and name of an app, from its Resource ID.
pub(super) fn lasting(id: &str) -> Option<(&str, &str)> {
    let (provider, rest) = id.split_once("/cls/")?;
    let (_, app) = rest.split_once("/app/")?;
    (!app.contains('/')).then_some((provider, app))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renames_are_followed_through_each_other_and_take_names_along() {
        let pair = |old: &str, new: &str| (old.to_owned(), new.to_owned());
        let at = |text: &str| Address::parse(text).unwrap();
        let cluster = pair("/ws/a/prv/p/cls/c1", "/ws/a/prv/p/cls/c2");
        let before = addresses_before(std::slice::from_ref(&cluster), &at("/ws/a/prv/p/cls/c2/cluster/c2"));
        assert_eq!(before, [at("/ws/a/prv/p/cls/c1/cluster/c1")]);
        let before = addresses_before(&[cluster], &at("/ws/a/prv/p/cls/c2/node-pool/npuser1"));
        assert_eq!(before, [at("/ws/a/prv/p/cls/c1/node-pool/npuser1")]);
        // The Workspace is renamed, too, and the Cluster's old name is written with the old Workspace or the new one.
        let workspace = pair("/ws/a", "/ws/b");
        for old in ["/ws/a/prv/p/cls/c1", "/ws/b/prv/p/cls/c1"] {
            let renames = [workspace.clone(), pair(old, "/ws/b/prv/p/cls/c2")];
            let before = addresses_before(&renames, &at("/ws/b/prv/p/cls/c2/node-pool/x"));
            assert!(before.contains(&at("/ws/a/prv/p/cls/c1/node-pool/x")), "{before:?}");
        }
        // A circle ends.
        let circle = [pair("/ws/a", "/ws/b"), pair("/ws/b", "/ws/a")];
        assert_eq!(addresses_before(&circle, &at("/ws/a/x/y")), [at("/ws/b/x/y")]);
    }
}
