//! What the containers of a Pod use of it: volumes, files, memory, and the folders that must be there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::config::{FileSet, Mounted};
use super::context::Context;
use super::copy_up;
use super::input::VolumeInput;
use super::service::{self, Container, SUB_PATHS, TOOLS_IMAGE};
use super::volume;
use crate::compose::model::{FileUse, MountSource, Service};
use crate::compose::names;
use crate::compose::syntax::quantity_of_bytes;
use crate::diag::{Diagnostic, Location};
use crate::text::suggest::closest;

/// What the containers use of the Pod, collected on the way.
#[derive(Default)]
pub(super) struct Pod {
    /// The app's volumes that are mounted.
    pub(super) mounted: BTreeSet<String>,
    /// Folders to make, by volume.
    sub_paths: BTreeMap<String, BTreeSet<String>>,
    /// Whose folders are, by volume and path; an empty path is the volume's root.
    owners: BTreeMap<(String, String), (u32, u32)>,
    /// What fills folders from images.
    pub(super) copies: copy_up::Copies,
    /// Configs in use with their file mode.
    pub(super) configs: BTreeMap<String, Option<u32>>,
    /// Secrets in use with their file mode.
    pub(super) secrets: BTreeMap<String, Option<u32>>,
    /// Memory volumes by name.
    memory: BTreeMap<String, Option<u64>>,
}

impl Pod {
    /// The mounts of one service.
    pub(super) fn mounts(&mut self, cx: &mut Context<'_>, files: &FileSet, service: &Service) -> Vec<Value> {
        // Targets that are taken, by what.
        let mut taken: BTreeMap<String, &'static str> = BTreeMap::new();
        let mut mounts = Vec::new();
        for (uses, kind, prefix, known, modes) in [
            (&service.configs, "config", "cfg", &files.configs, &mut self.configs),
            (&service.secrets, "secret", "sec", &files.secrets, &mut self.secrets),
        ] {
            for file in uses {
                let Some(Mounted { name, key, .. }) = known.get(&file.source) else { continue };
                if taken.insert(file.target.clone(), kind).is_some() {
                    let message = format!("{}: two files are mounted at {}", service.name, file.target);
                    cx.error("compose-target", message, &file.location);
                    continue;
                }
                let mode = *modes.entry(file.source.clone()).or_insert(file.mode);
                if mode != file.mode {
                    let message = format!("{kind} {} is used with two different modes", file.source);
                    cx.error("compose-file-mode", message, &file.location);
                }
                readable(cx, service, kind, file);
                mounts.push(json!({
                    "name": format!("{prefix}-{name}"),
                    "mountPath": file.target,
                    "subPath": key,
                    "readOnly": true,
                }));
            }
        }
        let mut volumes = Vec::new();
        for mount in &service.mounts {
            let Some(volume) = volume_of(cx, service, &mount.source, &mount.location) else { continue };
            if covered(cx, service, &taken, &mount.target, &mount.location) {
                continue;
            }
            taken.insert(mount.target.clone(), "volume");
            self.mounted.insert(volume.name.clone());
            let mut body = json!({ "name": volume.name, "mountPath": mount.target });
            if !mount.sub_path.is_empty() {
                body["subPath"] = mount.sub_path.clone().into();
                self.sub_paths.entry(volume.name.clone()).or_default().insert(mount.sub_path.clone());
            }
            if mount.read_only {
                body["readOnly"] = true.into();
            }
            if let Some(owner) = &service.owner {
                let place = (volume.name.clone(), mount.sub_path.clone());
                if *self.owners.entry(place).or_insert(owner.value) != owner.value {
                    let message = format!(
                        "{}: another service gives the folder at {} to another owner",
                        service.name, mount.target
                    );
                    cx.error("compose-chown", message, &owner.location);
                }
            }
            self.copies.add(cx, service, mount, &volume.name);
            volumes.push(body);
        }
        for tmpfs in &service.tmpfs {
            if covered(cx, service, &taken, &tmpfs.target, &tmpfs.location) {
                continue;
            }
            taken.insert(tmpfs.target.clone(), "tmpfs");
            let name = format!("tmp-{}", names::hash(format!("{}:{}", service.name, tmpfs.target).as_bytes()));
            self.memory.insert(name.clone(), tmpfs.size);
            volumes.push(json!({ "name": name, "mountPath": tmpfs.target }));
        }
        volumes.extend(mounts);
        volumes
    }

    /// Makes the folders, so that a container without root can write to its own.
    pub(super) fn sub_path_container(&self) -> Option<Container> {
        if self.sub_paths.is_empty() && self.owners.is_empty() {
            return None;
        }
        let mut lines: Vec<String> = Vec::new();
        for (volume, paths) in &self.sub_paths {
            for sub_path in paths {
                // A place inside of this container. It is part of every user's objects: another one would restart all apps.
                let folder = format!("/work/{volume}/{sub_path}");
                // Control characters were refused when the path was read, so quoting cannot fail.
                let quoted = shlex::try_quote(&folder).map(|quoted| quoted.into_owned()).unwrap_or(folder);
                // A command is expanded by the kubelet, a subPath is not.
                lines.push(service::literal(&format!("mkdir -m 1777 -p {quoted}")));
            }
        }
        lines.sort();
        // The folder alone: what is in it belongs to whom it belongs.
        for ((volume, sub_path), (user, group)) in &self.owners {
            let folder = format!("/work/{volume}/{sub_path}");
            let folder = folder.trim_end_matches('/');
            let quoted = shlex::try_quote(folder).map_or_else(|_| folder.to_owned(), |quoted| quoted.into_owned());
            lines.push(service::literal(&format!("chown {user}:{group} {quoted}")));
        }
        let volumes: BTreeSet<&String> =
            self.sub_paths.keys().chain(self.owners.keys().map(|(volume, _)| volume)).collect();
        let mounts: Vec<Value> = volumes
            .into_iter()
            .map(|volume| json!({ "name": volume, "mountPath": format!("/work/{volume}") }))
            .collect();
        let body = json!({
            "name": SUB_PATHS,
            "image": TOOLS_IMAGE,
            "command": ["sh", "-c", lines.join("\n")],
            "volumeMounts": mounts,
        });
        Some(Container { body, sensitive: Vec::new() })
    }

    /// The Pod's volumes: the app's in their order, then configs, secrets and memory by name.
    pub(super) fn volumes(&self, cx: &mut Context<'_>, files: &FileSet, claimed: &[&VolumeInput]) -> Vec<Value> {
        let mut volumes = claims(cx, claimed);
        for (name, mode) in &self.configs {
            if let Some(mounted) = files.configs.get(name) {
                let mut source = json!({ "name": mounted.object });
                if let Some(mode) = mode {
                    source["defaultMode"] = (*mode).into();
                }
                volumes.push(json!({ "name": format!("cfg-{}", mounted.name), "configMap": source }));
            }
        }
        for (name, mode) in &self.secrets {
            if let Some(mounted) = files.secrets.get(name) {
                let mut source = json!({ "secretName": mounted.object });
                if let Some(mode) = mode {
                    source["defaultMode"] = (*mode).into();
                }
                volumes.push(json!({ "name": format!("sec-{}", mounted.name), "secret": source }));
            }
        }
        volumes.extend(self.copies.volume());
        for (name, size) in &self.memory {
            let mut source = json!({ "medium": "Memory" });
            if let Some(size) = size {
                source["sizeLimit"] = quantity_of_bytes(*size).into();
            }
            volumes.push(json!({ "name": name, "emptyDir": source }));
        }
        let mut seen = BTreeSet::new();
        for volume in &volumes {
            let name = volume["name"].as_str().unwrap_or_default();
            if !seen.insert(name) {
                let message = format!("two volumes of the Pod would be named {name}; rename one");
                cx.diagnostics.push(Diagnostic::error("compose-name", message));
            }
        }
        volumes
    }
}

/// Volumes of the app as Pod volumes, in their order.
pub(super) fn claims(cx: &Context<'_>, volumes: &[&VolumeInput]) -> Vec<Value> {
    let claim = |volume: &&VolumeInput| json!({ "name": volume.name, "persistentVolumeClaim": { "claimName": volume::name(cx, volume) } });
    volumes.iter().map(claim).collect()
}

/// A file that its owner alone may read is of no use to a process that is not root: files belong to root.
fn readable(cx: &mut Context<'_>, service: &Service, kind: &str, file: &FileUse) {
    let (Some(mode), Some((user, group))) = (file.mode, service.user) else { return };
    let open = mode & 0o004 != 0 || user == 0 || (mode & 0o040 != 0 && group == Some(0));
    if !open {
        let message = format!(
            "{}: the {kind} {} has mode {mode:04o} and belongs to root, but the process runs as {user}",
            service.name, file.source
        );
        let finding = Diagnostic::warning("compose-file-mode", message).help("give it mode 0444");
        cx.push(finding, &file.location);
    }
}

fn volume_of<'a>(
    cx: &mut Context<'a>,
    service: &Service,
    source: &MountSource,
    location: &Location,
) -> Option<&'a VolumeInput> {
    let volumes = &cx.input.volumes;
    let (found, message) = match source {
        MountSource::First => {
            (volumes.first(), format!("{}: a relative path needs a volume, and the app has none", service.name))
        }
        MountSource::Named(name) => (
            volumes.iter().find(|volume| volume.name == *name),
            format!("{}: the app has no volume {name}", service.name),
        ),
    };
    if found.is_none() {
        let known: Vec<&str> = volumes.iter().map(|volume| volume.name.as_str()).collect();
        let mut finding = Diagnostic::error("compose-volume-undeclared", message);
        let near = match source {
            MountSource::Named(name) => closest(name, known.iter().copied()),
            MountSource::First => None,
        };
        finding = match near {
            Some(near) => finding.help(format!("did you mean \"{near}\"?")),
            None => finding.help("add it to the app's spec.volumes with a size; nothing is made up"),
        };
        cx.push(finding, location);
    }
    found
}

/// Whether something stronger is mounted at the target already.
fn covered(
    cx: &mut Context<'_>,
    service: &Service,
    taken: &BTreeMap<String, &'static str>,
    target: &str,
    location: &Location,
) -> bool {
    let Some(by) = taken.get(target) else { return false };
    let message = format!("{}: {target} is taken by a {by}; this mount is left out", service.name);
    cx.push(Diagnostic::warning("compose-target", message), location);
    true
}
