//! Files of a service: env files, and the configs and secrets that it mounts.

use std::collections::BTreeMap;

use super::reader::Reader;
use super::verdict::known_entries;
use crate::compose::env;
use crate::compose::files::FileError;
use crate::compose::model::{FileUse, Service, Text};
use crate::compose::syntax::is_target;
use crate::compose::tree::{Tree, TreeEntry};
use crate::diag::Diagnostic;

/// Reads `env_file`: all files together, later ones winning.
pub(super) fn env_files(reader: &mut Reader<'_>, service: &mut Service, field: &TreeEntry) {
    service.env_file_location = Some(field.key_location.clone());
    let mut merged: Option<BTreeMap<String, String>> = None;
    for item in reader.list("env_file", &field.value) {
        let (mut path, mut required, mut raw) = (None, true, false);
        for entry in known_entries(reader, &service.name, "env_file", &[], item) {
            match entry.key.as_str() {
                "path" => path = reader.text("path", &entry.value),
                "required" => required = reader.boolean("required", &entry.value).unwrap_or(true),
                "format" => match reader.text("format", &entry.value).as_deref() {
                    Some("raw") => raw = true,
                    None | Some("") => {}
                    Some(other) => {
                        let message = format!("env_file: the format {other} is not known; only raw is");
                        reader.error("compose-env-file", message, &entry.value.location);
                    }
                },
                _ => {}
            }
        }
        let Some(path) = path else {
            reader.error("compose-env-file", "env_file: a path is missing", &item.location);
            continue;
        };
        let bytes = match reader.files.read(&path) {
            Ok(bytes) => bytes,
            Err(FileError::NotFound) if !required => continue,
            Err(error) => {
                reader.local_file_error("env_file", &path, &error, &item.location);
                continue;
            }
        };
        let format = if raw { env::Format::Raw } else { env::Format::of(&path) };
        match env::parse(&bytes, format) {
            Ok(values) => merged.get_or_insert_default().extend(values),
            Err(error) => {
                let finding = Diagnostic::error("compose-env-file", format!("env_file {path}: {error}"));
                reader.push(finding.help(format!("correct {path}; its values are never shown")), &item.location);
            }
        }
    }
    if let Some(Err(error)) = merged.as_ref().map(env::check) {
        let message = format!("{}: env_file: {error}", service.name);
        reader.error("compose-env-file", message, &field.key_location);
    }
    service.env_file = merged.map(|values| values.into_iter().map(|(key, value)| (key, Text::secret(value))).collect());
}

/// Reads `configs` or `secrets` of a service. Of two with one target the later wins.
pub(super) fn file_uses(
    reader: &mut Reader<'_>,
    service: &Service,
    tree: &Tree,
    kind: &str,
    folder: &str,
) -> Vec<FileUse> {
    let mut uses: Vec<FileUse> = Vec::new();
    for item in reader.list(kind, tree) {
        let (mut source, mut target, mut mode) = (None, None, None);
        for entry in known_entries(reader, &service.name, &format!("{kind}s"), &[], item) {
            match entry.key.as_str() {
                "source" => source = reader.text("source", &entry.value),
                "target" => target = reader.text("target", &entry.value),
                "mode" => mode = file_mode(reader, &entry.value),
                _ => {}
            }
        }
        let Some(source) = source else {
            reader.told("compose-undefined", format!("{kind}: its source is missing"), &item.location);
            continue;
        };
        let target = match target {
            Some(target) if target.starts_with('/') => target,
            Some(target) => format!("{folder}{target}"),
            None => format!("{folder}{source}"),
        };
        if !is_target(&target) {
            let message = format!("{kind}: nothing can be mounted at \"{target}\"");
            reader.error("compose-target", message, &item.location);
            continue;
        }
        let one = FileUse { source, target, mode, location: item.location.clone() };
        match uses.iter_mut().find(|known| known.target == one.target) {
            Some(known) => *known = one,
            None => uses.push(one),
        }
    }
    uses
}

/// File mode bits. The loader takes more of them than files have.
fn file_mode(reader: &mut Reader<'_>, tree: &Tree) -> Option<u32> {
    if tree.is_null() {
        return None;
    }
    let typed = tree.file_mode();
    let mode = typed.ok().and_then(|mode| u32::try_from(mode).ok()).filter(|mode| *mode <= 0o777);
    if mode.is_none() {
        let text = tree.as_text().unwrap_or_default();
        let message = format!("mode: \"{text}\" is no file mode such as 0440");
        match typed {
            Ok(_) => reader.error("compose-type", message, &tree.location),
            Err(_) => reader.told("compose-type", message, &tree.location),
        }
    }
    mode
}
