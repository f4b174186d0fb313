//! One entry per key in lists whose items have an identity: the last one stands, at the place of the first.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::fault::{Step, fail};
use super::path::{Cursor, Path, Rules};
use super::scalar::{Value, is_signed, printed};
use super::volume;
use crate::compose::tree::{Tree, TreeContent};

/// What makes an item one.
#[derive(Debug, Clone, Copy)]
enum Identity {
    /// The part before `=`.
    Pair,
    /// Where it is mounted.
    Volume,
    Device,
    /// Where it is mounted, below this folder in the short syntax.
    Mount(&'static str),
    Expose,
    Port,
    EnvFile,
}

static RULES: LazyLock<Rules<Identity>> = LazyLock::new(|| {
    let mut rules =
        vec![("networks.*.labels".to_owned(), Identity::Pair), ("networks.*.ipam.options".to_owned(), Identity::Pair)];
    let service = [
        ("annotations", Identity::Pair),
        ("build.args", Identity::Pair),
        ("build.additional_contexts", Identity::Pair),
        ("build.platform", Identity::Pair),
        ("build.tags", Identity::Pair),
        ("build.labels", Identity::Pair),
        ("cap_add", Identity::Pair),
        ("cap_drop", Identity::Pair),
        ("configs", Identity::Mount("")),
        ("deploy.labels", Identity::Pair),
        ("dns", Identity::Pair),
        ("dns_opt", Identity::Pair),
        ("dns_search", Identity::Pair),
        ("environment", Identity::Pair),
        ("env_file", Identity::EnvFile),
        ("expose", Identity::Expose),
        ("labels", Identity::Pair),
        ("links", Identity::Pair),
        ("networks.*.aliases", Identity::Pair),
        ("networks.*.link_local_ips", Identity::Pair),
        ("ports", Identity::Port),
        ("profiles", Identity::Pair),
        ("secrets", Identity::Mount("/run/secrets")),
        ("sysctls", Identity::Pair),
        ("tmpfs", Identity::Pair),
        ("volumes", Identity::Volume),
        ("devices", Identity::Device),
    ];
    rules.extend(service.iter().map(|(key, identity)| (format!("services.*.{key}"), *identity)));
    Rules::new(rules)
});

/// Removes redefinitions everywhere in a file.
pub(super) fn enforce(tree: &mut Tree) -> Step<()> {
    walk(tree, &Path::ROOT, RULES.root())
}

fn walk(tree: &mut Tree, path: &Path<'_>, cursor: Cursor) -> Step<()> {
    if cursor.is_none() {
        return Ok(());
    }
    match &mut tree.content {
        TreeContent::Mapping(entries) => {
            for entry in entries {
                walk(&mut entry.value, &path.key(&entry.key), RULES.key(cursor, &entry.key))?;
            }
            Ok(())
        }
        TreeContent::Sequence(items) => match RULES.rule(cursor) {
            Some(identity) => {
                *items = unique(std::mem::take(items), *identity, path)?;
                Ok(())
            }
            None => Ok(()),
        },
        TreeContent::Scalar(_) => Ok(()),
    }
}

/// A list of `KEY=VALUE` with each key once.
pub(super) fn pairs(mut tree: Tree, path: &Path<'_>) -> Step<Tree> {
    if let Some(items) = tree.items_mut() {
        *items = unique(std::mem::take(items), Identity::Pair, path)?;
    }
    Ok(tree)
}

fn unique(items: Vec<Tree>, identity: Identity, path: &Path<'_>) -> Step<Vec<Tree>> {
    let mut places: HashMap<String, usize> = HashMap::with_capacity(items.len());
    let mut kept: Vec<Tree> = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        let key = key_of(&item, identity, &path.index(at))?;
        match places.get(&key) {
            Some(&place) => kept[place] = item,
            None => {
                places.insert(key, kept.len());
                kept.push(item);
            }
        }
    }
    Ok(kept)
}

fn key_of(item: &Tree, identity: Identity, path: &Path<'_>) -> Step<String> {
    let wrong = |expected: &str| {
        fail("compose-type", format!("{path} must be {expected}, not {}", item.kind()), &item.location)
    };
    let target = |what: &str| match item.get("target").and_then(Tree::as_str) {
        Some(target) => Ok(target.to_owned()),
        None => {
            fail("compose-type", format!("{path} has no target, a text that says where {what} goes"), &item.location)
        }
    };
    let is_mapping = item.as_mapping().is_some();
    Ok(match (identity, item.as_str()) {
        (Identity::Pair, Some(text)) => text.split_once('=').map_or(text, |(key, _)| key).to_owned(),
        (Identity::Pair, None) => return wrong("a string"),
        (Identity::Volume, Some(text)) => match volume::parse(text) {
            Ok(parsed) => parsed.target,
            Err(message) => return fail("compose-volume", format!("{path}: {message}"), &item.location),
        },
        (Identity::Volume, None) if is_mapping => target("the volume")?,
        (Identity::Device, Some(text)) => {
            let mut parts = text.split(':');
            let first = parts.next().unwrap_or_default();
            parts.next().unwrap_or(first).to_owned()
        }
        (Identity::Device, None) if is_mapping => target("the device")?,
        (Identity::Volume | Identity::Device, None) => String::new(),
        (Identity::Mount(folder), Some(text)) => format!("{folder}/{text}"),
        (Identity::Mount(folder), None) if is_mapping => match item.get("target") {
            Some(target) => match target.as_str() {
                Some(target) => target.to_owned(),
                None => {
                    return fail("compose-type", format!("{path}.target must be a string"), &target.location);
                }
            },
            None => format!("{folder}/{}", item.get("source").map_or_else(|| "<nil>".to_owned(), printed)),
        },
        (Identity::Mount(_), None) => return wrong("a string or a mapping"),
        (Identity::Expose, Some(text)) => text.to_owned(),
        (Identity::Expose, None) => match item.value() {
            Some(Value::Int(number)) if is_signed(number) => number.to_string(),
            _ => return wrong("a string or an integer"),
        },
        (Identity::Port, Some(text)) => text.to_owned(),
        (Identity::Port, None) if is_mapping => {
            if item.get("target").is_none() {
                return fail("compose-port", format!("{path} has no target port"), &item.location);
            }
            // A number and a text are different ports here, as in the reference.
            let part = |key: &str, default: &str| {
                item.get(key).map_or_else(|| default.to_owned(), |tree| format!("{}{}", tree.kind(), printed(tree)))
            };
            let target = item.get("target").map(printed).unwrap_or_default();
            let host = item.get("host_ip").map_or_else(|| "0.0.0.0".to_owned(), printed);
            let protocol = item.get("protocol").map_or_else(|| "tcp".to_owned(), printed);
            format!("{host}:{}:{target}/{protocol}", part("published", ""))
        }
        (Identity::Port, None) => match item.value() {
            Some(Value::Int(number)) => number.to_string(),
            _ => String::new(),
        },
        (Identity::EnvFile, Some(text)) => text.to_owned(),
        (Identity::EnvFile, None) if is_mapping => match item.get("path").map(|path| (path, path.as_str())) {
            Some((_, Some(path))) => path.to_owned(),
            Some((found, None)) => {
                return fail("compose-type", format!("{path}.path must be a string"), &found.location);
            }
            None => return fail("compose-env-file", format!("{path} has no path"), &item.location),
        },
        (Identity::EnvFile, None) => String::new(),
    })
}
