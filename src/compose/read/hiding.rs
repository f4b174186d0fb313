//! Volumes that start empty where docker would fill them from the image.

use std::collections::BTreeSet;

use crate::compose::fill::fills_itself;
use crate::compose::model::{Condition, Mount, MountSource, Service};
use crate::diag::{Diagnostic, Location};

/// A mount that may hide what its image has in its place.
pub(super) struct Hiding {
    pub(super) service: String,
    pub(super) volume: String,
    pub(super) sub_path: String,
    pub(super) target: String,
    pub(super) location: Location,
}

/// Warns of volumes that start empty over files of an image: once for each, since docker fills it from the first service
/// that uses it, and not where another service that is waited for has it too, and so the occasion to fill it, or one that
/// fills it whoever waits.
pub(super) fn findings(hiding: Vec<Hiding>, services: &[Service]) -> Vec<(Diagnostic, Location)> {
    let mut findings = Vec::new();
    let mut told = BTreeSet::new();
    for Hiding { service, volume, sub_path, target, location } in hiding {
        let writes = |one: &Service| {
            let named = |mount: &Mount| {
                mount.source == MountSource::Named(volume.clone()) && mount.sub_path == sub_path && !mount.read_only
            };
            one.mounts.iter().any(named)
        };
        let awaited = services.iter().filter(|one| one.name == service).flat_map(|one| &one.depends_on).any(|other| {
            let fills = |one: &Service| one.name == other.service && writes(one);
            other.condition == Condition::Completed && services.iter().any(fills)
        });
        let fills = |one: &Service| one.copy_up.is_some() || is_filled_by(one);
        let filled = awaited || services.iter().any(|one| fills(one) && writes(one));
        let source = if sub_path.is_empty() { volume.clone() } else { format!("{volume}/{sub_path}") };
        if filled || !told.insert(source.clone()) {
            continue;
        }
        let folder = if sub_path.is_empty() { format!("{volume}/files") } else { source };
        let message = format!("{service}: the volume {volume} starts empty and hides what the image has at {target}");
        let finding = Diagnostic::warning("compose-volume-empty", message)
            .help(format!(
                "docker would copy that into the volume; to have it copied here, too, write x-kompox: {{copyUp: true}} into \
                 {service}, and mount a folder of the volume: {folder}:{target}"
            ))
            .help("where nothing is lost, say so with the long syntax: volume: {nocopy: true}");
        findings.push((finding, location));
    }
    findings
}

/// Whether the image of a service fills its volumes itself.
pub(super) fn is_filled_by(service: &Service) -> bool {
    service.image.as_ref().is_some_and(|image| fills_itself(&image.value))
}
