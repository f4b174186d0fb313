//! Places on volumes that services reach by different ways, and so perhaps without knowing.

use super::context::Context;
use crate::compose::model::{Mount, MountSource, Service};
use crate::diag::Diagnostic;
use crate::text::path::overlap;

/// A place on a volume that a service mounts.
struct Place<'a> {
    service: &'a Service,
    mount: &'a Mount,
    volume: &'a str,
}

impl Place<'_> {
    /// Whether one of them is the other, or lies in it. The whole of a volume is another matter.
    fn meets(&self, other: &Self) -> bool {
        let (one, two) = (&self.mount.sub_path, &other.mount.sub_path);
        self.volume == other.volume && !one.is_empty() && !two.is_empty() && overlap(one, two)
    }

    fn is_first(&self) -> bool {
        self.mount.source == MountSource::First
    }
}

/// Tells of paths beside the compose file that are folders which another service has by the name of its volume, and of whole
/// volumes where others have a folder.
pub(super) fn check(cx: &mut Context<'_>) {
    let volumes = &cx.input.volumes;
    let volume = |mount: &Mount| match &mount.source {
        MountSource::First => volumes.first(),
        MountSource::Named(name) => volumes.iter().find(|volume| volume.name == *name),
    };
    let of = |service| {
        let service: &Service = service;
        service.mounts.iter().filter_map(move |mount| Some(Place { service, mount, volume: &volume(mount)?.name }))
    };
    let places: Vec<Place<'_>> = cx.services.iter().copied().flat_map(of).collect();
    let mut findings = Vec::new();
    for one in &places {
        let others = || places.iter().filter(|other| other.service.name != one.service.name);
        let Place { service, mount: Mount { sub_path, target, location, .. }, volume } = one;
        let name = &service.name;
        if let Some(other) = others().find(|other| one.is_first() && !other.is_first() && one.meets(other)) {
            let message = format!(
                "{name}: ./{sub_path} is the folder {sub_path} of the volume {volume}, which {} has as {volume}/{}",
                other.service.name, other.mount.sub_path
            );
            let finding = Diagnostic::warning("compose-mount-shared", message)
                .help(format!("give it a folder of its own: ./{name}/{sub_path}:{target}"))
                .help(format!("where both are to have the same files, say so: {volume}/{sub_path}:{target}"));
            findings.push((finding, location));
        }
        let whole = sub_path.is_empty() && !one.is_first();
        let folder = |other: &&Place<'_>| other.volume == *volume && !other.mount.sub_path.is_empty();
        if let Some(other) = others().filter(|_| whole).find(folder) {
            let folder = format!("{volume}/{}", other.mount.sub_path);
            let message =
                format!("{name}: {target} is the whole volume {volume}, of which {} has {folder}", other.service.name);
            let finding = Diagnostic::note("compose-mount-whole", message)
                .help(format!("where both are to have the same files, write {folder}:{target}"));
            findings.push((finding, location));
        }
    }
    for (finding, location) in findings {
        cx.push(finding, location);
    }
}
