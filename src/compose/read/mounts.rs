//! `services.*.volumes`, in the long syntax that the loader gives.

use super::hiding::{Hiding, is_filled_by};
use super::reader::Reader;
use super::verdict::{known_entries, report, report_value};
use crate::compose::fill::may_hold_files;
use crate::compose::load::volume::IGNORED;
use crate::compose::model::{Mount, MountSource, Service, Tmpfs};
use crate::compose::support;
use crate::compose::syntax::{self, SourceSyntax, is_target};
use crate::compose::tree::{Tree, TreeEntry};
use crate::diag::{Diagnostic, Location};

/// Reads `volumes` into mounts and memory file systems. Of two mounts with one target the later wins.
pub(super) fn volumes(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    for item in reader.list("volumes", tree) {
        let Some(mount) = read(reader, service, item) else { continue };
        match service.mounts.iter_mut().find(|known| known.target == mount.target) {
            Some(known) => *known = mount,
            None => service.mounts.push(mount),
        }
    }
}

/// What an entry says, in the long syntax.
#[derive(Default)]
struct Written {
    kind: Option<String>,
    source: Option<String>,
    target: Option<String>,
    read_only: bool,
    subpath: Option<String>,
    size: Option<u64>,
    nocopy: bool,
}

fn written(reader: &mut Reader<'_>, service: &str, item: &Tree) -> Written {
    let mut written = Written::default();
    // What is refused is refused as a type, once.
    for entry in known_entries(reader, service, "volumes", &["image"], item) {
        let key = entry.key.as_str();
        match key {
            "type" => written.kind = reader.text(key, &entry.value),
            "source" => written.source = reader.text(key, &entry.value).filter(|text| !text.is_empty()),
            "target" => written.target = reader.text(key, &entry.value),
            "read_only" => written.read_only = reader.boolean(key, &entry.value).unwrap_or(false),
            "volume" | "tmpfs" | "bind" => of_kind(reader, service, entry, &mut written),
            _ => {}
        }
    }
    for option in item.get(IGNORED).and_then(Tree::as_text).unwrap_or_default().split(',') {
        match option {
            "" => {}
            "cached" | "delegated" | "consistent" | "copy" => {
                report_value(reader, service, "volumes.consistency", option, &item.location);
            }
            other => {
                let message = format!("volumes: the option {other} is not used");
                reader.warning("compose-key-warned", message, &item.location);
            }
        }
    }
    written
}

/// What an entry says of its kind: `volume`, `tmpfs` or `bind`.
fn of_kind(reader: &mut Reader<'_>, service: &str, entry: &TreeEntry, written: &mut Written) {
    let path = format!("volumes.{}", entry.key);
    for field in known_entries(reader, service, &path, &["create_host_path"], &entry.value) {
        match field.key.as_str() {
            "subpath" => written.subpath = reader.text("subpath", &field.value),
            "nocopy" => written.nocopy = reader.boolean("nocopy", &field.value).unwrap_or(false),
            // Zero is no limit.
            "size" => written.size = reader.size("volumes", &field.value).filter(|size| *size > 0),
            // The short syntax makes folders; only the wish not to is worth a word.
            "create_host_path" => {
                if reader.boolean("create_host_path", &field.value) == Some(false)
                    && let Some(row) = support::service_key("volumes.bind.create_host_path")
                {
                    report(reader, service, row, &field.key_location);
                }
            }
            _ => {}
        }
    }
}

fn read(reader: &mut Reader<'_>, service: &mut Service, item: &Tree) -> Option<Mount> {
    let Written { kind, source, target, read_only, subpath, size, nocopy } = written(reader, &service.name, item);
    let location = &item.location;
    let target = match target {
        Some(target) => target,
        None => return invalid(reader, "target is missing", location),
    };
    match kind.as_deref() {
        Some("tmpfs") => {
            if !is_target(&target) {
                return invalid(reader, &format!("nothing can be mounted at \"{target}\""), location);
            }
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
            if !nocopy && subpath.is_none() {
                starts_empty(reader, service, &mount);
            }
            if let Some(subpath) = subpath {
                match syntax::sub_path(&format!("{}/{subpath}", mount.sub_path)) {
                    Ok(path) => mount.sub_path = path,
                    Err(message) => return invalid(reader, &message, location),
                }
            }
            Some(mount)
        }
        Some(other @ ("cluster" | "image" | "npipe")) => {
            report_value(reader, &service.name, "volumes.type", other, location);
            None
        }
        Some(other) => invalid(reader, &format!("the type {other} is not known"), location),
        None => invalid(reader, "type is missing", location),
    }
}

/// Docker fills a named volume that is empty from what the image has in its place; here it starts empty and hides that.
fn starts_empty(reader: &mut Reader<'_>, service: &Service, mount: &Mount) {
    let MountSource::Named(volume) = &mount.source else { return };
    if !may_hold_files(&mount.target) || is_filled_by(service) {
        return;
    }
    let (service, target) = (service.name.clone(), mount.target.clone());
    let (volume, sub_path) = (volume.clone(), mount.sub_path.clone());
    reader.may_hide.push(Hiding { service, volume, sub_path, target, location: mount.location.clone() });
}

fn mount(reader: &mut Reader<'_>, source: &str, target: &str, read_only: bool, location: &Location) -> Option<Mount> {
    if !target.starts_with('/') {
        return invalid(reader, &format!("the target \"{target}\" is not absolute"), location);
    }
    if !is_target(target) {
        return invalid(reader, &format!("nothing can be mounted at \"{target}\""), location);
    }
    let (source, sub_path) = match syntax::mount_source(source) {
        Ok(SourceSyntax::Relative(path)) => {
            if let Err(error) = reader.files.allowed() {
                reader.local_file_error("volumes", source, &error, location);
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
