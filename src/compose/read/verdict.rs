//! Findings about keys by their verdict.

use super::reader::Reader;
use crate::compose::support::{self, Support, Verdict, words};
use crate::compose::tree::{Tree, TreeEntry};
use crate::diag::Location;

/// Says what the table says of a key that is not mapped.
pub(super) fn report(reader: &mut Reader<'_>, service: &str, row: &Support, location: &Location) {
    if let Some(finding) = words::of_service(service, row) {
        reader.push(finding, location);
    }
}

/// Says what the table says of a key with this value.
pub(super) fn report_value(reader: &mut Reader<'_>, service: &str, key: &str, value: &str, location: &Location) {
    if let Some(row) = support::service_value(key, value) {
        report(reader, service, row, location);
    }
}

/// The entries of a mapping under `path` that are mapped, or that `own` names; what becomes of the others is said here.
pub(super) fn known_entries<'t>(
    reader: &mut Reader<'_>,
    service: &str,
    path: &str,
    own: &[&str],
    tree: &'t Tree,
) -> Vec<&'t TreeEntry> {
    let mut entries = reader.entries(path, tree);
    entries.retain(|entry| match support::service_key(&format!("{path}.{}", entry.key)) {
        None => {
            let known: Vec<&str> = support::service_names(path).collect();
            reader.unknown_key(path, entry, &known);
            false
        }
        Some(row) if row.verdict == Verdict::Mapped || own.contains(&entry.key.as_str()) => true,
        Some(row) => {
            if !entry.value.is_null() && entry.value.as_mapping().is_none_or(|entries| !entries.is_empty()) {
                report(reader, service, row, &entry.key_location);
            }
            false
        }
    });
    entries
}
