//! Top-level configs and secrets: what they hold, from files, variables, or the compose file itself.

use std::collections::{BTreeMap, BTreeSet};

use super::reader::Reader;
use crate::compose::gate::Gate;
use crate::compose::model::{Bytes, FileObject, FileSource};
use crate::compose::tree::Tree;
use crate::diag::Diagnostic;
use crate::text::secret::is_secret_name;

/// Bytes that a ConfigMap or a Secret of one file may hold.
const MAX_FILE: usize = 1024 * 1024;

const FILE_KEYS: [&str; 9] =
    ["content", "driver", "driver_opts", "environment", "external", "file", "labels", "name", "template_driver"];

/// Top-level configs or secrets; only those that a service uses are read.
pub(super) fn file_objects(
    reader: &mut Reader<'_>,
    tree: Option<&Tree>,
    kind: &str,
    used: &BTreeSet<String>,
) -> BTreeMap<String, FileObject> {
    let mut objects = BTreeMap::new();
    let Some(tree) = tree else { return objects };
    for entry in reader.entries(&format!("{kind}s"), tree) {
        if !used.contains(&entry.key) {
            let message = format!("{kind} {} is used by no service", entry.key);
            reader.note("compose-unused", message, &entry.key_location);
            continue;
        }
        let what = format!("{kind} {}", entry.key);
        let mut choice: Vec<(&str, &Tree)> = Vec::new();
        let mut external = false;
        let mut name = None;
        for field in reader.entries(&what, &entry.value) {
            match field.key.as_str() {
                key @ ("file" | "environment") => choice.push((key, &field.value)),
                "content" => choice.push(("content", &field.value)),
                "external" => external = reader.boolean("external", &field.value).unwrap_or(false),
                "name" => name = reader.text("name", &field.value),
                "labels" | "driver" | "driver_opts" | "template_driver" => {
                    let message = format!("{what}: {} has no meaning here", field.key);
                    reader.note("compose-key-noted", message, &field.key_location);
                }
                _ => reader.unknown_key(&what, field, &FILE_KEYS),
            }
        }
        let source = match (external, choice.as_slice()) {
            (true, []) => FileSource::External(name.unwrap_or_else(|| entry.key.clone())),
            (false, [(from, value)]) => file_source(reader, kind, &entry.key, from, value),
            (external, choice) => {
                let message = format!("{what} must have exactly one of file, content, environment, external");
                // The loader says so of a secret that has none of them.
                if kind == "secret" && !external && choice.is_empty() {
                    reader.told("compose-file-source", message, &entry.key_location);
                } else {
                    reader.error("compose-file-source", message, &entry.key_location);
                }
                FileSource::Unreadable
            }
        };
        objects.insert(entry.key.clone(), FileObject { source, location: entry.key_location.clone() });
    }
    objects
}

fn file_source(reader: &mut Reader<'_>, kind: &str, name: &str, from: &str, value: &Tree) -> FileSource {
    let Some(text) = reader.text(from, value) else { return FileSource::Unreadable };
    let what = format!("{kind} {name}");
    let named_secret = kind == "secret" || is_secret_name(name);
    let (key, bytes, sensitive) = match from {
        "file" => match reader.files.read(&text) {
            Ok(bytes) => (text.rsplit('/').next().map(str::to_owned), bytes, named_secret),
            Err(error) => {
                reader.local_file_error(&what, &text, &error, &value.location);
                return FileSource::Unreadable;
            }
        },
        "environment" => match reader.environment.get(&text) {
            Some(content) => (None, content.clone().into_bytes(), true),
            None => {
                let withheld = reader.gate.withholds(&text);
                let fault = if withheld { "is set, but compose files may not read it" } else { "is not set" };
                let message = format!("{what}: the environment variable {text} {fault}");
                let mut finding = Diagnostic::error("compose-file-source", message);
                if withheld {
                    finding = finding.help(Gate::help(&text));
                }
                reader.push(finding, &value.location);
                return FileSource::Unreadable;
            }
        },
        _ => (None, text.into_bytes(), named_secret || value.interpolated),
    };
    let mut fault = None;
    if bytes.len() > MAX_FILE {
        fault = Some(format!("has {} bytes; at most {MAX_FILE} fit", bytes.len()));
    } else if kind == "config" {
        fault = match std::str::from_utf8(&bytes) {
            Err(_) => Some("is not UTF-8 text; use a secret for other bytes".to_owned()),
            Ok(text) if text.starts_with('\u{feff}') => Some("starts with a byte order mark; remove it".to_owned()),
            Ok(text) if text.contains('\0') => Some("holds a NUL; use a secret for such bytes".to_owned()),
            Ok(_) => None,
        };
    }
    if let Some(fault) = fault {
        reader.error("compose-file-content", format!("{what} {fault}"), &value.location);
        return FileSource::Unreadable;
    }
    FileSource::Content { key, bytes: Bytes { value: bytes, sensitive } }
}
