//! Top-level keys that become no object: networks, volumes, models.

use super::reader::Reader;
use crate::compose::support::{Support, top_level_key, words};
use crate::compose::tree::Tree;
use crate::diag::Location;

fn report(reader: &mut Reader<'_>, what: &str, row: &Support, location: &Location) {
    if let Some(finding) = words::of_top_level(what, row) {
        reader.push(finding, location);
    }
}

/// Top-level `networks`, `volumes` or `models`: one finding for each entry that says something, and one for each of its
/// keys whose loss may be felt.
pub(super) fn unused(reader: &mut Reader<'_>, key: &str, tree: &Tree) {
    let Some(row) = top_level_key(key) else { return };
    for entry in reader.entries(key, tree) {
        let mut fields = reader.entries(key, &entry.value);
        // What is there by default says nothing: the default network, and the names that docker compose gives.
        if key == "volumes" || entry.key == "default" {
            fields.retain(|field| {
                field.key != "name"
                    && !field.value.is_null()
                    && field.value.as_mapping().is_none_or(|map| !map.is_empty())
            });
            if fields.is_empty() {
                continue;
            }
        }
        let what = format!("{} {}", key.trim_end_matches('s'), entry.key);
        report(reader, &what, row, &entry.key_location);
        for field in fields {
            let value = field.value.as_text().unwrap_or_default();
            let path = format!("{key}.{}", field.key);
            let own = top_level_key(&format!("{path}: {value}")).or_else(|| top_level_key(&path));
            let off = field.value.is_null() || value == "false";
            if let Some(own) = own.filter(|_| !off) {
                report(reader, &format!("{what}: {}", field.key), own, &field.key_location);
            }
        }
    }
}
