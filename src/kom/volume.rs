//! `volumes` of an App, with declared disks and snapshots (ext).

use std::collections::HashMap;

use super::keys::{self, DISK_NAME_MAX, VOLUME_NAME_MAX};
use super::model::{
    DeclaredDisk, DeclaredSnapshot, DeletionPolicy, DiskSource, Lifecycle, Located, Volume, VolumeType,
};
use super::objects::lifecycle;
use super::reader::{Fields, Reader, quoted};
use crate::diag::{Diagnostic, Location};
use crate::text::dns::is_label_within;
use crate::yaml::Node;
use kompox_rules::quantity;

/// Smaller sizes are a unit forgotten.
const SMALLEST_SIZE: u64 = 1024 * 1024;

/// The volumes of an App's `spec`, in source order.
pub(super) fn read(reader: &mut Reader<'_>, spec: Fields<'_>) -> Vec<Volume> {
    let mut seen = HashMap::new();
    let mut volumes = Vec::new();
    for node in reader.list(spec, "volumes") {
        let Some(volume) = volume(reader, node) else { continue };
        if unique(reader, &mut seen, "the volume", &volume.name, &volume.location) {
            volumes.push(volume);
        }
    }
    volumes
}

fn unique(
    reader: &mut Reader<'_>,
    seen: &mut HashMap<String, Location>,
    what: &str,
    name: &str,
    at: &Location,
) -> bool {
    if let Some(first) = seen.get(name) {
        reader.duplicate(&format!("{what} \"{name}\""), at, first);
        return false;
    }
    seen.insert(name.to_owned(), at.clone());
    true
}

fn volume(reader: &mut Reader<'_>, node: &Node) -> Option<Volume> {
    let fields = reader.object(node, "a volume", &keys::VOLUME)?;
    let name = reader.name(fields, VOLUME_NAME_MAX);
    let size = size(reader, fields);
    let kind = reader.choice(fields, "type", &keys::VOLUME_TYPES).unwrap_or(VolumeType::Disk);
    let options = reader.scalars(fields, "options");
    let deletion_policy =
        reader.choice(fields, "deletionPolicy", &keys::DELETION_POLICIES).unwrap_or(DeletionPolicy::Orphan);
    let disks = disks(reader, fields);
    let snapshots = snapshots(reader, fields);
    let assigned = assigned(reader, fields, &disks);
    let lifecycle: Lifecycle = lifecycle(reader, fields);
    check_sources(reader, &disks, &snapshots);
    Some(Volume {
        name: name?.value,
        size_bytes: size.as_ref().map(|size| size.value),
        size_location: size.map(|size| size.location),
        kind,
        options,
        deletion_policy,
        disks,
        assigned,
        snapshots,
        lifecycle,
        location: node.location.clone(),
    })
}

fn size(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Located<u64>> {
    let text = reader.optional_text(fields, "size")?;
    let help = "write a quantity such as 10Gi, or whole bytes";
    match quantity::parse_units(&text.value) {
        Err(error) => {
            let message = format!("\"size\" cannot be \"{}\": {error}", text.value);
            reader.error("kom-quantity", message, &text.location, help);
            None
        }
        Ok(bytes) if bytes < SMALLEST_SIZE => {
            let message = format!("a size of \"{}\" is {bytes} bytes, less than 1Mi", text.value);
            reader.error("kom-quantity", message, &text.location, help);
            None
        }
        Ok(bytes) => Some(Located::new(bytes, text.location)),
    }
}

fn disks(reader: &mut Reader<'_>, fields: Fields<'_>) -> Vec<DeclaredDisk> {
    let nodes = reader.list(fields, "disks");
    if let Some(node) = fields.raw("disks")
        && nodes.is_empty()
        && (node.is_null() || node.as_sequence().is_some())
    {
        // Read as "none declared" it would make a new, empty disk in place of the ones that were listed before.
        let help = "list the disks, or take \"disks\" out for one disk that kompox makes";
        reader.error("kom-disks-empty", "\"disks\" is empty", &node.location, help);
    }
    let mut seen = HashMap::new();
    let mut disks = Vec::new();
    for node in nodes {
        let Some(disk) = disk(reader, node) else { continue };
        if unique(reader, &mut seen, "the disk", &disk.name, &disk.location) {
            disks.push(disk);
        }
    }
    disks
}

fn disk(reader: &mut Reader<'_>, node: &Node) -> Option<DeclaredDisk> {
    let fields = reader.object(node, "a disk", &keys::DISK)?;
    let name = reader.name(fields, DISK_NAME_MAX);
    let zone = reader.optional_text(fields, "zone");
    let source = source(reader, fields);
    let import = reader.optional_text(fields, "import");
    if let (Some(_), Some(import)) = (&source, &import) {
        let message = "a disk cannot have both \"source\" and \"import\"";
        let help = "import adopts a disk as it is, source makes a new one: keep one of them";
        reader.error("kom-disk-source", message, &import.location, help);
    }
    let size = size(reader, fields);
    let options = reader.scalars(fields, "options");
    Some(DeclaredDisk {
        name: name?.value,
        zone,
        source,
        import,
        size_bytes: size.as_ref().map(|size| size.value),
        size_location: size.map(|size| size.location),
        options,
        location: node.location.clone(),
    })
}

fn snapshots(reader: &mut Reader<'_>, fields: Fields<'_>) -> Vec<DeclaredSnapshot> {
    let mut seen = HashMap::new();
    let mut snapshots = Vec::new();
    for node in reader.list(fields, "snapshots") {
        let Some(snapshot) = snapshot(reader, node) else { continue };
        if unique(reader, &mut seen, "the snapshot", &snapshot.name, &snapshot.location) {
            snapshots.push(snapshot);
        }
    }
    snapshots
}

fn snapshot(reader: &mut Reader<'_>, node: &Node) -> Option<DeclaredSnapshot> {
    let fields = reader.object(node, "a snapshot", &keys::SNAPSHOT)?;
    let name = reader.name(fields, DISK_NAME_MAX);
    let source = source(reader, fields);
    let import = reader.optional_text(fields, "import");
    let help = "source takes a new snapshot of a disk (source: \"disk:<name>\"), import adopts one: write one of them";
    match (&source, &import) {
        (Some(_), Some(import)) => {
            let message = "a snapshot cannot have both \"source\" and \"import\"";
            reader.error("kom-disk-source", message, &import.location, help);
        }
        // A source that is there but wrong was reported.
        (None, None) if fields.get("source").is_none() => {
            reader.error("kom-disk-source", "a snapshot needs a \"source\" or an \"import\"", fields.location, help);
        }
        _ => {}
    }
    Some(DeclaredSnapshot { name: name?.value, source, import, location: node.location.clone() })
}

fn source(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Located<DiskSource>> {
    let text = reader.optional_text(fields, "source")?;
    let help = "write \"snapshot:<name>\" or \"disk:<name>\" of this volume, or a provider's resource id";
    let (value, name) = match text.value.split_once(':') {
        Some(("snapshot", name)) => (DiskSource::Snapshot(name.to_owned()), Some(name)),
        Some(("disk", name)) => (DiskSource::Disk(name.to_owned()), Some(name)),
        // Said outright, as on the command line.
        Some(("arm" | "resourceId", id)) if !id.is_empty() => (DiskSource::ProviderId(id.to_owned()), None),
        _ if is_label_within(&text.value, DISK_NAME_MAX) => {
            let message = format!("\"{}\" may be a disk, a snapshot or a resource id", text.value);
            let help = format!("write \"snapshot:{0}\", \"disk:{0}\" or \"resourceId:{0}\"", text.value);
            reader.error("kom-disk-source", message, &text.location, help);
            return None;
        }
        _ => (DiskSource::ProviderId(text.value.clone()), None),
    };
    if let Some(name) = name
        && !is_label_within(name, DISK_NAME_MAX)
    {
        let message = format!("\"{}\" names no disk or snapshot", text.value);
        reader.error("kom-disk-source", message, &text.location, help);
        return None;
    }
    Some(Located::new(value, text.location))
}

fn assigned(reader: &mut Reader<'_>, fields: Fields<'_>, disks: &[DeclaredDisk]) -> Option<Located<String>> {
    let names = disks.iter().map(|disk| disk.name.as_str()).collect::<Vec<_>>().join(", ");
    let Some(assigned) = reader.optional_text(fields, "assigned") else {
        if disks.len() > 1 {
            let message = "the volume has several disks but no \"assigned\"";
            let help = format!("say which one the pods mount: assigned: <one of {names}>");
            let at = fields.key_location("disks").unwrap_or(fields.location);
            reader.error("kom-assigned", message, at, help);
        }
        return None;
    };
    // Where a disk failed to load, its name is unknown and the blame would be wrong.
    let all_loaded = fields.get("disks").and_then(Node::as_sequence).map_or(0, <[_]>::len) == disks.len();
    if all_loaded && !disks.iter().any(|disk| disk.name == assigned.value) {
        let message = format!("\"assigned\" names \"{}\", which is no disk of this volume", assigned.value);
        let help = if disks.is_empty() {
            format!("declare it (disks: [{{name: {}}}]), or take \"assigned\" out", assigned.value)
        } else {
            format!("it is one of {names}")
        };
        reader.error("kom-assigned", message, &assigned.location, help);
    }
    Some(assigned)
}

/// A disk or a snapshot, and what it is made of.
struct Made<'a> {
    what: String,
    from: Option<(String, &'a Location)>,
}

impl<'a> Made<'a> {
    fn new(what: String, source: Option<&'a Located<DiskSource>>) -> Self {
        let from = source.and_then(|source| match &source.value {
            DiskSource::Snapshot(name) => Some((format!("snapshot:{name}"), &source.location)),
            DiskSource::Disk(name) => Some((format!("disk:{name}"), &source.location)),
            DiskSource::ProviderId(_) => None,
        });
        Self { what, from }
    }
}

/// Every named source must be declared in the volume, and no disk may come from itself.
fn check_sources(reader: &mut Reader<'_>, disks: &[DeclaredDisk], snapshots: &[DeclaredSnapshot]) {
    let disks = disks.iter().map(|disk| Made::new(format!("disk:{}", disk.name), disk.source.as_ref()));
    let snapshots =
        snapshots.iter().map(|snapshot| Made::new(format!("snapshot:{}", snapshot.name), snapshot.source.as_ref()));
    let made: Vec<Made<'_>> = disks.chain(snapshots).collect();
    let index: HashMap<&str, usize> = made.iter().enumerate().map(|(at, made)| (made.what.as_str(), at)).collect();
    // Each has at most one source, so a walk along the sources meets every cycle once.
    let mut walked_by: Vec<Option<usize>> = vec![None; made.len()];
    for start in 0..made.len() {
        let mut at = start;
        let mut path = Vec::new();
        while let (None, Some(made_here)) = (walked_by[at], made.get(at)) {
            walked_by[at] = Some(start);
            path.push(at);
            let Some((from, location)) = &made_here.from else { break };
            let Some(next) = index.get(from.as_str()) else {
                undeclared(reader, from, location);
                break;
            };
            at = *next;
            if walked_by[at] == Some(start) {
                let cycle = path.iter().skip_while(|passed| **passed != at).filter_map(|passed| made.get(*passed));
                report_cycle(reader, &cycle.collect::<Vec<_>>());
            }
        }
    }
}

fn undeclared(reader: &mut Reader<'_>, from: &str, location: &Location) {
    let (kind, name) = from.split_once(':').unwrap_or(("disk", from));
    let message = format!("the source {} is no {kind} of this volume", quoted(from));
    let help =
        format!("declare it: {kind}s: [{{name: {name}, …}}] (with import: <id> if it exists), or give its resource id");
    reader.error("kom-disk-source", message, location, help);
}

fn report_cycle(reader: &mut Reader<'_>, cycle: &[&Made<'_>]) {
    let Some((_, at)) = cycle.first().and_then(|first| first.from.as_ref()) else { return };
    let mut diagnostic = Diagnostic::error("kom-disk-cycle", "these disks and snapshots are made from each other");
    for made in cycle {
        if let Some((from, location)) = &made.from {
            diagnostic = diagnostic.help(format!("{} is made from {from} ({location})", made.what));
        }
    }
    reader.report(diagnostic.help("take one of these sources out"), at);
}
