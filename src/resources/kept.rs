//! Disks that an app has and that its manifest must go on naming: a declared disk under another name would be a new, empty
//! one, and the one in use would be left behind. The same for every driver.

use crate::diag::Diagnostic;
use crate::engine::address::Address;
use crate::engine::kind::Kind;
use crate::kom::model::{DeclaredDisk, Volume};

use super::scope::Builder;

/// Says where the disks that a volume declares leave out the one that it has. `scope` is what disks are addressed under.
pub fn check(builder: &mut Builder<'_>, scope: &str, kind: &Kind, volume: &Volume) {
    renamed(builder, scope, kind, volume);
    undeclared(builder, scope, kind, volume);
}

/// Says where the data of a volume is of another kind than the manifest says now, and gives its id. `other` is the kind that
/// its `type` was.
pub fn of_another_type(
    builder: &mut Builder<'_>,
    scope: &str,
    (other, was): (&Kind, &str),
    volume: &Volume,
) -> Option<String> {
    let is_its = |name: &str| name.split('.').next() == Some(&volume.name);
    let is_other = |address: &Address| address.scope() == scope && address.kind() == other.name;
    let (address, known) =
        builder.state.known.iter().find(|(address, _)| is_other(address) && is_its(address.name()))?;
    let (address, id) = (address.short(), known.physical_id.clone());
    let message = format!("the volume {} is of type {was} and has data: {address} ({id})", volume.name);
    let diagnostic = Diagnostic::error("volume", message)
        .at(volume.location.clone(), None)
        .help(format!("of another type it would be a new, empty one; keep type: {was}"))
        .help(
            "for the other type, declare a volume beside it under another name: where the app moves to that one, the plan \
             prints the lines that copy its files",
        );
    builder.diagnostics.push(diagnostic);
    Some(id)
}

/// A disk that is no longer declared while a new one would take its place.
fn renamed(builder: &mut Builder<'_>, scope: &str, kind: &Kind, volume: &Volume) {
    let Some(assigned) = volume.assigned_disk() else { return };
    let prefix = format!("{}.", volume.name);
    let known: Vec<(String, String)> = builder
        .state
        .known
        .iter()
        .filter(|(address, _)| address.scope() == scope && address.kind() == kind.name)
        .filter_map(|(address, known)| {
            Some((address.name().strip_prefix(&prefix)?.to_owned(), known.physical_id.clone()))
        })
        .collect();
    let is_new =
        assigned.source.is_none() && assigned.import.is_none() && !known.iter().any(|(name, _)| *name == assigned.name);
    let dropped = known.iter().find(|(name, _)| !volume.disks.iter().any(|disk| disk.name == *name));
    if let (true, Some((name, id))) = (is_new, dropped) {
        let message = format!(
            "the disk {name} of the volume {} is no longer declared, and {} would be an empty one",
            volume.name, assigned.name
        );
        let diagnostic = Diagnostic::error("volume", message)
            .at(assigned.location.clone(), None)
            .help("if it is the same disk under another name, say so:")
            .help(format!("- {{name: {}, import: {id}}}", assigned.name))
            .help(format!("if it is to start empty, keep {name} declared until it is assigned"));
        builder.diagnostics.push(diagnostic);
    }
}

/// A volume that had one undeclared disk and now declares disks must say which of them that one is.
fn undeclared(builder: &mut Builder<'_>, scope: &str, kind: &Kind, volume: &Volume) {
    let address = Address::new(scope, kind.name, &volume.name);
    let Some(id) = builder.state.known(&address).map(|known| known.physical_id.clone()) else { return };
    let named = |disk: &DeclaredDisk| disk.import.as_ref().is_some_and(|import| import.value.eq_ignore_ascii_case(&id));
    if volume.disks.iter().any(named) {
        return;
    }
    let message = format!("the volume {} has a disk in use, and none of the declared disks is that one", volume.name);
    let first = volume.disks.first().map_or("blue", |disk| disk.name.as_str());
    let diagnostic = Diagnostic::error("volume", message)
        .at(volume.location.clone(), None)
        .help("the app would get an empty disk; say which one it is:")
        .help(format!("- {{name: {first}, import: {id}}}"));
    builder.diagnostics.push(diagnostic);
}
