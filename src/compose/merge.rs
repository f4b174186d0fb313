//! Merging several compose files into one (Compose Specification, "Merge").
//!
//! Mappings merge by key, scalars are replaced, sequences are appended; the exceptions are here. What has an identity
//! (ports, mounts, configs, secrets) is appended too, and the later of two with one identity wins when it is read.

use std::collections::{HashMap, HashSet};

use crate::compose::tree::{Tree, TreeContent, TreeEntry};
use crate::yaml::Scalar;

/// Service keys whose later value replaces the earlier one whole.
const REPLACED: [&str; 2] = ["command", "entrypoint"];
/// Service keys that are a mapping however they are written.
const PAIRS: [&str; 4] = ["environment", "labels", "annotations", "sysctls"];
/// Service keys whose list form names the keys of their mapping form.
const NAMED: [&str; 2] = ["depends_on", "networks"];

/// One tree of all files, the later ones winning. None when there is no file.
pub fn merge(files: Vec<Tree>) -> Option<Tree> {
    let merged = files.into_iter().reduce(|base, over| pair(base, over, &mut Vec::new()))?;
    Some(settle(merged))
}

fn pair(base: Tree, over: Tree, path: &mut Vec<String>) -> Tree {
    if matches!(over.tag.as_deref(), Some("!reset" | "!override")) {
        return over;
    }
    let key = if path.len() == 3 && path[0] == "services" { path[2].as_str() } else { "" };
    if REPLACED.contains(&key) || (path.len() == 4 && path[2] == "healthcheck" && path[3] == "test") {
        return over;
    }
    let (base, over) = if PAIRS.contains(&key) {
        (pairs_to_mapping(base), pairs_to_mapping(over))
    } else if NAMED.contains(&key) {
        (names_to_mapping(base), names_to_mapping(over))
    } else {
        (base, over)
    };
    // Options of one logging driver mean nothing to another.
    if key == "logging" && base.get("driver").map(Tree::as_text) != over.get("driver").map(Tree::as_text) {
        return over;
    }
    let Tree { location, tag, interpolated, content } = over;
    let content = match (base.content, content) {
        (TreeContent::Mapping(base), TreeContent::Mapping(over)) => TreeContent::Mapping(mappings(base, over, path)),
        (TreeContent::Sequence(mut base), TreeContent::Sequence(over)) => {
            let known: HashSet<String> = base.iter().filter_map(Tree::as_text).map(str::to_owned).collect();
            base.extend(over.into_iter().filter(|item| item.as_text().is_none_or(|text| !known.contains(text))));
            TreeContent::Sequence(base)
        }
        // `dns: 1.1.1.1` and `dns: [8.8.8.8]`: a text is a list of one where a list may stand.
        (TreeContent::Sequence(mut items), TreeContent::Scalar(scalar)) if !scalar.is_null() => {
            let content = TreeContent::Scalar(scalar);
            items.push(Tree { location: location.clone(), tag: None, interpolated, content });
            TreeContent::Sequence(items)
        }
        (TreeContent::Scalar(scalar), TreeContent::Sequence(over)) if !scalar.is_null() => {
            let content = TreeContent::Scalar(scalar);
            let first = Tree { location: base.location, tag: None, interpolated: base.interpolated, content };
            TreeContent::Sequence(std::iter::once(first).chain(over).collect())
        }
        // An empty value changes nothing, as in the reference loader.
        (base, TreeContent::Scalar(scalar)) if scalar.is_null() && !matches!(base, TreeContent::Scalar(_)) => base,
        (_, over) => over,
    };
    Tree { location, tag, interpolated, content }
}

fn mappings(mut base: Vec<TreeEntry>, over: Vec<TreeEntry>, path: &mut Vec<String>) -> Vec<TreeEntry> {
    let places: HashMap<String, usize> = base.iter().enumerate().map(|(at, entry)| (entry.key.clone(), at)).collect();
    for entry in over {
        match places.get(&entry.key).copied() {
            None => base.push(entry),
            Some(at) => {
                // A placeholder takes the old value's place while it is merged.
                let nothing = Tree::text("", entry.key_location.clone(), false);
                let old = std::mem::replace(&mut base[at].value, nothing);
                path.push(entry.key.clone());
                base[at].value = pair(old, entry.value, path);
                path.pop();
                base[at].key_location = entry.key_location;
            }
        }
    }
    base
}

/// Removes what `!reset` stands on and the tags that only merging needs.
fn settle(tree: Tree) -> Tree {
    let Tree { location, tag, interpolated, content } = tree;
    let kept = |value: &Tree| value.tag.as_deref() != Some("!reset");
    let content = match content {
        TreeContent::Mapping(entries) => TreeContent::Mapping(
            entries
                .into_iter()
                .filter(|entry| kept(&entry.value))
                .map(|entry| TreeEntry { value: settle(entry.value), ..entry })
                .collect(),
        ),
        TreeContent::Sequence(items) => TreeContent::Sequence(items.into_iter().filter(kept).map(settle).collect()),
        scalar @ TreeContent::Scalar(_) => scalar,
    };
    Tree { location, tag: tag.filter(|tag| tag != "!override"), interpolated, content }
}

/// `[A=1, B]` as `{A: 1, B: }`; anything else stays.
pub fn pairs_to_mapping(tree: Tree) -> Tree {
    let Tree { location, tag, interpolated, content } = tree;
    let content = match content {
        TreeContent::Sequence(items) if items.iter().all(|item| item.as_text().is_some()) => {
            let mut entries: Vec<TreeEntry> = Vec::new();
            let mut places: HashMap<String, usize> = HashMap::new();
            for item in items {
                let text = item.as_text().unwrap_or_default();
                let (key, value) = match text.split_once('=') {
                    Some((key, value)) => (key.to_owned(), Tree::text(value, item.location.clone(), item.interpolated)),
                    None => (text.to_owned(), null(&item)),
                };
                let entry = TreeEntry { key, key_location: item.location, value };
                match places.get(&entry.key).copied() {
                    Some(at) => entries[at] = entry,
                    None => {
                        places.insert(entry.key.clone(), entries.len());
                        entries.push(entry);
                    }
                }
            }
            TreeContent::Mapping(entries)
        }
        other => other,
    };
    Tree { location, tag, interpolated, content }
}

fn names_to_mapping(tree: Tree) -> Tree {
    let Tree { location, tag, interpolated, content } = tree;
    let content = match content {
        TreeContent::Sequence(items) if items.iter().all(|item| item.as_text().is_some()) => TreeContent::Mapping(
            items
                .into_iter()
                .map(|item| TreeEntry {
                    key: item.as_text().unwrap_or_default().to_owned(),
                    value: null(&item),
                    key_location: item.location,
                })
                .collect(),
        ),
        other => other,
    };
    Tree { location, tag, interpolated, content }
}

fn null(at: &Tree) -> Tree {
    let content = TreeContent::Scalar(Scalar { text: String::new(), plain: true });
    Tree { location: at.location.clone(), tag: None, interpolated: at.interpolated, content }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::tree::Lowering;
    use crate::yaml::{Limits, Source, parse};
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    fn json(tree: &Tree) -> Value {
        match &tree.content {
            TreeContent::Scalar(scalar) => scalar.to_json(),
            TreeContent::Sequence(items) => items.iter().map(json).collect(),
            TreeContent::Mapping(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), json(&entry.value))).collect())
            }
        }
    }

    fn merged(files: &[&str]) -> Value {
        let environment = BTreeMap::new();
        let trees = files.iter().map(|text| {
            let node = parse(&Source::new("f", *text), Limits::default()).unwrap().remove(0);
            Lowering::new(&environment).lower(node)
        });
        json(&merge(trees.collect()).unwrap())["services"]["a"].clone()
    }

    #[test]
    fn per_key_rules() {
        let base = "services: {a: {image: x, command: [one], environment: [A=1, B=2], dns: 1.1.1.1, expose: [80], \
                    depends_on: [b], healthcheck: {test: [CMD, a], retries: 2}}}";
        let over = "services: {a: {image: y, command: two, environment: {B: 3, C: }, dns: [8.8.8.8], expose: [80, 81], \
                    depends_on: {c: {condition: service_healthy}}, healthcheck: {test: [CMD, b]}}}";
        assert_eq!(
            merged(&[base, over]),
            json!({
                "image": "y", "command": "two", "environment": {"A": "1", "B": 3, "C": null},
                "dns": ["1.1.1.1", "8.8.8.8"], "expose": [80, 81],
                "depends_on": {"b": null, "c": {"condition": "service_healthy"}},
                "healthcheck": {"test": ["CMD", "b"], "retries": 2},
            })
        );
    }

    #[test]
    fn reset_and_override() {
        let base = "services: {a: {ports: ['80:80'], environment: {A: 1, B: 2}, tty: true}}";
        let over = "services: {a: {ports: !override ['81:80'], environment: {A: !reset null}, tty: !reset false}}";
        assert_eq!(merged(&[base, over]), json!({"ports": ["81:80"], "environment": {"B": 2}}));
    }
}
