//! What only several documents together can get wrong.

use std::collections::HashMap;

use super::id::{ResourceId, ResourceKind};
use super::model::{App, Cluster, Located, Meta, Project};
use super::reader::Reader;
use crate::diag::{Diagnostic, Location};

/// Compares the documents of a project. `ids` holds every ID that was written, also of documents that did not load.
pub(super) fn project(reader: &mut Reader<'_>, project: &Project, ids: &HashMap<ResourceId, Location>) {
    parents(reader, project, ids);
    moves(reader, project, ids);
    apps_of_one_name(reader, &project.apps);
    hosts(reader, project);
    imports(reader, &project.apps);
}

fn parents(reader: &mut Reader<'_>, project: &Project, ids: &HashMap<ResourceId, Location>) {
    for meta in project.metas() {
        let Some(parent) = meta.id.parent().filter(|parent| !ids.contains_key(parent)) else { continue };
        let message = format!("{} belongs to {parent}, which no document declares", meta.id);
        let help = format!("write a document of kind {} with that ID, or correct this one", parent.kind());
        reader.error("kom-missing-parent", message, &meta.id_location, help);
    }
}

fn moves(reader: &mut Reader<'_>, project: &Project, ids: &HashMap<ResourceId, Location>) {
    let mut targets: HashMap<&ResourceId, &Meta> = HashMap::new();
    for meta in project.metas() {
        let Some(old) = &meta.moved_from else { continue };
        if let Some(at) = ids.get(old) {
            let message = format!("{} cannot have moved from {old}, which still exists ({at})", meta.id);
            let help = "take that document out, or the annotation here";
            reader.error("kom-moved-from", message, &meta.location, help);
        }
        if let Some(first) = targets.insert(old, meta) {
            let message = format!("{old} cannot have moved to both {} and {}", first.id, meta.id);
            let help = format!("keep the annotation on one of them; the other is at {}", first.location);
            reader.error("kom-moved-from", message, &meta.location, help);
        }
    }
}

/// An App's disks are addressed without its cluster, so two of one name would share them.
fn apps_of_one_name(reader: &mut Reader<'_>, apps: &[App]) {
    let mut seen: HashMap<(Option<ResourceId>, &str), &Meta> = HashMap::new();
    for app in apps {
        let provider = app.meta.id.ancestor(ResourceKind::Provider);
        let Some(first) = seen.insert((provider, app.meta.name.as_str()), &app.meta) else { continue };
        let message = format!(
            "{} has the name of {}: Apps of one provider share disks by name, also across clusters",
            app.meta.id, first.id
        );
        let help = format!("rename one of them; the other is at {}", first.location);
        reader.error("kom-app-name", message, &app.meta.id_location, help);
    }
}

fn hosts(reader: &mut Reader<'_>, project: &Project) {
    let mut seen: HashMap<(Option<ResourceId>, &str), &App> = HashMap::new();
    for app in &project.apps {
        let domain = project.cluster(&app.meta.id).and_then(|cluster: &Cluster| cluster.ingress.domain.as_deref());
        for host in app.ingress.rules.iter().flat_map(|rule| &rule.hosts) {
            if let Some(domain) = domain
                && host.value.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
            {
                let message = format!("the host {} is under the cluster's own domain {domain}", host.value);
                let help = "every published port already has a host there; choose a host outside it";
                reader.error("kom-host-domain", message, &host.location, help);
            }
            let key = (app.meta.id.ancestor(ResourceKind::Cluster), host.value.as_str());
            let first = *seen.entry(key).or_insert(app);
            if first.meta.id != app.meta.id {
                let message = format!("the host {} is also one of {}, on the same cluster", host.value, first.meta.id);
                let diagnostic = Diagnostic::warning("kom-host-shared", message)
                    .help("requests reach one of the two Apps by chance; take one host out");
                reader.report(diagnostic, &host.location);
            }
        }
    }
}

/// One disk adopted twice would be mounted by two.
fn imports(reader: &mut Reader<'_>, apps: &[App]) {
    let mut seen: HashMap<String, &Location> = HashMap::new();
    let volumes = apps.iter().flat_map(|app| &app.volumes);
    let imports = volumes.flat_map(|volume| {
        let disks = volume.disks.iter().map(|disk| &disk.import);
        disks.chain(volume.snapshots.iter().map(|snapshot| &snapshot.import))
    });
    for Located { value, location } in imports.flatten() {
        // Cloud resource ids are the same whatever their case.
        if let Some(first) = seen.insert(value.to_ascii_lowercase(), location) {
            let message = format!("\"{value}\" is imported twice; first at {first}");
            reader.error("kom-import", message, location, "keep one of the imports");
        }
    }
}
