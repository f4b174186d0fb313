//! Names with values, and host names with addresses: what compose files write as mappings and as lists.

use super::scalar::printed;
use crate::compose::tree::{Tree, TreeContent, TreeEntry};
use crate::diag::Location;

/// A name and its value.
pub(in crate::compose) struct Pair<'t> {
    /// The name.
    pub(in crate::compose) key: String,
    /// The value's text; none where only the name stands.
    pub(in crate::compose) value: Option<String>,
    /// Whether a variable went into the value, or into the whole item.
    pub(in crate::compose) interpolated: bool,
    /// Where the name stands.
    pub(in crate::compose) location: &'t Location,
}

/// The entries of a mapping, or the items of a list of `KEY=VALUE` and `KEY`; none for anything else.
pub(in crate::compose) fn pairs(tree: &Tree) -> Option<Vec<Pair<'_>>> {
    match &tree.content {
        TreeContent::Mapping(entries) => Some(entries.iter().map(entry).collect()),
        TreeContent::Sequence(items) => Some(items.iter().map(item).collect()),
        TreeContent::Scalar(_) => None,
    }
}

fn entry(entry: &TreeEntry) -> Pair<'_> {
    let TreeEntry { key, key_location, value } = entry;
    let text = (!value.is_null()).then(|| printed(value));
    Pair { key: key.clone(), value: text, interpolated: value.interpolated, location: key_location }
}

fn item(item: &Tree) -> Pair<'_> {
    let text = printed(item);
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (text, None),
    };
    Pair { key, value, interpolated: item.interpolated, location: &item.location }
}

/// A host name with one of its addresses.
pub(in crate::compose) struct Host<'t> {
    /// The name as it is written.
    pub(in crate::compose) name: String,
    /// The address without its brackets; empty where none is given.
    pub(in crate::compose) address: String,
    /// Where the address stands.
    pub(in crate::compose) location: &'t Location,
}

/// Host names with their addresses, from a mapping or a list of `name=address` and `name:address`, in the order of the
/// names.
///
/// # Errors
/// The part that is no such thing.
pub(in crate::compose) fn hosts(tree: &Tree) -> Result<Vec<Host<'_>>, &Tree> {
    let mut hosts = Vec::new();
    match &tree.content {
        TreeContent::Mapping(entries) => {
            for TreeEntry { key, value, .. } in entries {
                match &value.content {
                    TreeContent::Sequence(items) => {
                        hosts.extend(items.iter().map(|item| host(key, &printed(item), item)));
                    }
                    _ if value.is_null() => hosts.push(host(key, "", value)),
                    _ => hosts.push(host(key, value.as_str().ok_or(value)?, value)),
                }
            }
        }
        TreeContent::Sequence(items) => {
            for item in items {
                let text = printed(item);
                let (name, addresses) = text.split_once('=').or_else(|| text.split_once(':')).ok_or(item)?;
                hosts.extend(addresses.split(',').map(|address| host(name, address, item)));
            }
        }
        TreeContent::Scalar(_) => return Err(tree),
    }
    hosts.sort_by_cached_key(|host| format!("{}={}", host.name, host.address));
    match hosts.iter().any(|host| host.name.is_empty() || host.name.contains([':', '='])) {
        true => Err(tree),
        false => Ok(hosts),
    }
}

fn host<'t>(name: &str, address: &str, at: &'t Tree) -> Host<'t> {
    let inner = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|text| !text.is_empty());
    Host { name: name.to_owned(), address: inner.unwrap_or(address).to_owned(), location: &at.location }
}
