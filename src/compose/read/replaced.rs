//! Mounts that a later compose file took out of the list of an earlier one, and that nothing stands in for.

use crate::compose::load::Replaced;
use crate::compose::model::Service;
use crate::diag::{Diagnostic, Location};
use crate::text::path::holds;

/// Warns of mounts that are in a compose file and not in the cluster: whoever adds one to the file does not expect that a later
/// file's list stands in its place, and what is written there is lost with the Pod.
pub(super) fn findings(replaced: &[Replaced], services: &[Service]) -> Vec<(Diagnostic, Location)> {
    let service = |name: &str| services.iter().find(|service| service.name == name);
    let lost =
        replaced.iter().filter(|one| service(&one.service).is_some_and(|service| !stands_in(service, &one.target)));
    let finding = |one: &Replaced| {
        let Replaced { service, target, by, .. } = one;
        let source = one.source.as_deref().unwrap_or("a volume without a name");
        let message = format!(
            "{service}: {source} is not mounted at {target}: the list of volumes at {}:{} replaces the one that it is in",
            by.file, by.line
        );
        let finding = Diagnostic::warning("compose-mount-replaced", message)
            .help(format!("write it into that list, too: what {service} writes to {target} is lost with its Pod"))
            .help(format!("where that is meant, write x-kompox: {{leaveOut: [\"{target}\"]}} into {service} there"));
        (finding, one.location.clone())
    };
    lost.map(finding).collect()
}

/// Whether a service has something else in a mount's place: a mount there or above, a file or memory there or below, or the
/// word of its author that it needs none.
fn stands_in(service: &Service, target: &str) -> bool {
    let files = service.configs.iter().chain(&service.secrets).map(|file| &file.target);
    let mut below = files.chain(service.tmpfs.iter().map(|memory| &memory.target));
    service.mounts.iter().any(|mount| holds(&mount.target, target))
        || below.any(|other| holds(target, other))
        || service.left_out.iter().any(|other| holds(other, target))
}
