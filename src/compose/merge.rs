//! Lists of `KEY=VALUE` as the mappings they stand for.

use std::collections::HashMap;

use crate::compose::tree::{Tree, TreeContent, TreeEntry};
use crate::yaml::Scalar;

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

fn null(at: &Tree) -> Tree {
    let content = TreeContent::Scalar(Scalar { text: String::new(), plain: true });
    Tree { location: at.location.clone(), tag: None, interpolated: at.interpolated, content }
}
