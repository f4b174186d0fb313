//! Names with capital letters. Kubernetes knows none; as names of hosts both are one, since DNS tells no case (RFC 4343),
//! and CoreDNS looks a name up in small letters (`Request.Name` in coredns/coredns, request/request.go).

use super::reader::Reader;
use crate::compose::model::Service;
use crate::diag::Diagnostic;

/// Writes names of services, and whatever names them, in small letters, and says so. Two services that then have one name
/// are an error.
pub(super) fn lower(reader: &mut Reader<'_>, services: &mut [Service]) {
    for at in 0..services.len() {
        let (before, rest) = services.split_at_mut(at);
        let Some(service) = rest.first_mut() else { return };
        let written = service.name.clone();
        let others = service.aliases.iter_mut().flat_map(|alias| [&mut alias.name, &mut alias.service]);
        let waited = service.depends_on.iter_mut().map(|dependency| &mut dependency.service);
        let shared = service.network_of.iter_mut().map(|network| &mut network.value);
        for name in others.chain(waited).chain(shared).chain([&mut service.name]) {
            name.make_ascii_lowercase();
        }
        let name = &service.name;
        if let Some(other) = before.iter().find(|other| other.name == *name) {
            let message = format!("{written} and another service would both be the container {name}");
            let help = format!("the other one is at {}; rename one of them", other.location);
            reader.push(Diagnostic::error("compose-name", message).help(help), &service.location);
        } else if *name != written {
            let message =
                format!("{written}: its container is called {name}; as a host, {written} leads to it as well");
            reader.push(Diagnostic::note("compose-name", message), &service.location);
        }
    }
}
