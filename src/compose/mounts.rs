//! `services.*.volumes`, in the long syntax that the loader gives.

use crate::compose::load::volume::IGNORED;
use crate::compose::model::{Mount, MountSource, Service, Tmpfs};
use crate::compose::read::{Reader, local_file_error};

use crate::compose::syntax::{self, SourceSyntax};
use crate::compose::tree::Tree;
use crate::diag::{Diagnostic, Location};

const KEYS: [&str; 9] = ["bind", "consistency", "image", "read_only", "source", "target", "tmpfs", "type", "volume"];

/// Reads `volumes` into mounts and memory file systems. Of two mounts with one target the later wins.
pub(super) fn volumes(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    for item in reader.list("volumes", tree) {
        let mount = read(reader, service, item);
        let Some(mount) = mount else { continue };
        match service.mounts.iter_mut().find(|known| known.target == mount.target) {
            Some(known) => *known = mount,
            None => service.mounts.push(mount),
        }
    }
}

fn read(reader: &mut Reader<'_>, service: &mut Service, item: &Tree) -> Option<Mount> {
    let (mut kind, mut source, mut target, mut read_only) = (None, None, None, false);
    let (mut subpath, mut size) = (None, None);
    for entry in reader.entries("volumes", item) {
        match entry.key.as_str() {
            "type" => kind = reader.text("type", &entry.value),
            "source" => source = reader.text("source", &entry.value),
            "target" => target = reader.text("target", &entry.value),
            "read_only" => read_only = reader.boolean("read_only", &entry.value).unwrap_or(false),
            "volume" | "tmpfs" | "bind" => {
                for field in reader.entries(&entry.key, &entry.value) {
                    match (entry.key.as_str(), field.key.as_str()) {
                        ("volume", "subpath") => subpath = reader.text("subpath", &field.value),
                        ("tmpfs", "size") => {
                            let text = reader.text("size", &field.value);
                            size = text.as_deref().and_then(syntax::size_bytes);
                            if let (Some(text), None) = (text, size) {
                                let message = format!("volumes: \"{text}\" is no size");
                                reader.error("compose-type", message, &field.value.location);
                            }
                        }
                        // Written out by the loader; folders of a volume are always made.
                        ("bind", "create_host_path") if field.value.as_text() == Some("true") => {}
                        (_, key) => {
                            let message = format!("volumes: {}.{key} has no meaning here", entry.key);
                            reader.note("compose-key-noted", message, &field.key_location);
                        }
                    }
                }
            }
            "consistency" | "image" => {
                let message = format!("volumes: {} has no meaning here", entry.key);
                reader.note("compose-key-noted", message, &entry.key_location);
            }
            _ => reader.unknown_key("volumes", entry, &KEYS),
        }
    }
    let location = &item.location;
    for option in item.get(IGNORED).and_then(Tree::as_text).unwrap_or_default().split(',') {
        match option {
            "" => {}
            "cached" | "delegated" | "consistent" | "copy" => {
                let message = format!("volumes: the option {option} has no meaning here");
                reader.note("compose-key-noted", message, location);
            }
            other => {
                let message = format!("volumes: the option {other} is not used");
                reader.warning("compose-key-warned", message, location);
            }
        }
    }
    let target = match target {
        Some(target) => target,
        None => return invalid(reader, "target is missing", location),
    };
    match kind.as_deref() {
        Some("tmpfs") => {
            service.tmpfs.push(Tmpfs { target, size, location: location.clone() });
            None
        }
        Some("bind" | "volume") => {
            let Some(source) = source else { return anonymous(reader, &target, location) };
            // In the long syntax the type says what the source is, whatever it looks like.
            let source = match kind.as_deref() {
                Some("bind") if !source.starts_with(['.', '/', '~']) => format!("./{source}"),
                _ => source,
            };
            let mut mount = mount(reader, &source, &target, read_only, location)?;
            if let Some(subpath) = subpath {
                match syntax::sub_path(&format!("{}/{subpath}", mount.sub_path)) {
                    Ok(path) => mount.sub_path = path,
                    Err(message) => return invalid(reader, &message, location),
                }
            }
            Some(mount)
        }
        Some(other) => invalid(reader, &format!("the type {other} cannot be used"), location),
        None => invalid(reader, "type is missing", location),
    }
}

fn mount(reader: &mut Reader<'_>, source: &str, target: &str, read_only: bool, location: &Location) -> Option<Mount> {
    if !target.starts_with('/') {
        return invalid(reader, &format!("the target \"{target}\" is not absolute"), location);
    }
    let (source, sub_path) = match syntax::mount_source(source) {
        Ok(SourceSyntax::Relative(path)) => {
            if let Err(error) = reader.files.allowed() {
                local_file_error(reader, "volumes", source, &error, location);
                return None;
            }
            if reader.files.is_file(&path) {
                reader.push(
                    Diagnostic::error("compose-bind-file", format!("volumes: {source} is a file, not a folder"))
                        .help("volumes hold folders; mount a single file through `configs` or `secrets`"),
                    location,
                );
                return None;
            }
            (MountSource::First, path)
        }
        Ok(SourceSyntax::Named(name, path)) => (MountSource::Named(name), path),
        Err(message) => {
            let help = match source {
                "/etc/localtime" | "/etc/timezone" => "leave it out and set the environment variable TZ",
                "/var/run/docker.sock" | "/run/docker.sock" => "there is no Docker in a cluster; leave the service out",
                _ => "use ./path (below the app's first volume), name:/mnt or name/path:/mnt",
            };
            reader.push(Diagnostic::error("compose-volume", format!("volumes: {message}")).help(help), location);
            return None;
        }
    };
    let target = if target.len() > 1 { target.trim_end_matches('/') } else { target };
    Some(Mount { source, sub_path, target: target.to_owned(), read_only, location: location.clone() })
}

fn anonymous(reader: &mut Reader<'_>, target: &str, location: &Location) -> Option<Mount> {
    let message = format!("volumes: the mount at {target} names no volume, so its data would have no disk");
    reader.push(
        Diagnostic::error("compose-volume", message)
            .help(format!("name where it lives: ./path:{target} or name:{target}; for scratch space use tmpfs")),
        location,
    );
    None
}

fn invalid(reader: &mut Reader<'_>, message: &str, location: &Location) -> Option<Mount> {
    reader.error("compose-volume", format!("volumes: {message}"), location);
    None
}
