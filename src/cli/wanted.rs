//! Nothing found is not nothing wanted: manifests that speak of nothing that the state knows are the wrong ones, or were
//! not found. An apply of them would remove everything; `destroy` is how one means that.

use std::collections::BTreeSet;
use std::path::Path;

use kompox_state::Snapshot;

use super::error::CliError;
use crate::advice::{Advice, Command, Name};
use crate::engine::address::Address;
use crate::kom::layout::{APP_FILE_NAME, Layout};
use crate::kom::model::Project;

/// Names that people give the app file and that nobody reads.
const NEARLY: [&str; 4] = ["kompoxapp.yaml", "kompoxapp.YML", "kompox.yml", "kompoxapp.yml.txt"];

/// Clusters and apps named in the message.
const MOST_KNOWN: usize = 5;

/// Refuses manifests in which nothing of what the state knows occurs, and a missing app file of which it knows objects.
pub fn refuse_nothing(project: &Project, layout: &Layout, snapshot: &Snapshot) -> Result<(), CliError> {
    let known: BTreeSet<String> = snapshot.records.iter().flat_map(|record| owners(&record.address)).collect();
    if known.is_empty() {
        return Ok(());
    }
    let objects = project.clusters.iter().map(|cluster| &cluster.meta).chain(project.apps.iter().map(|app| &app.meta));
    // A rename above changes the ids of everything below; what it was is still meant.
    let renames: Vec<(&str, &str)> =
        project.metas().filter_map(|meta| Some((meta.id.as_str(), meta.moved_from.as_ref()?.as_str()))).collect();
    let before = |id: &str| {
        let above = renames
            .iter()
            .filter(|(new, _)| id.strip_prefix(*new).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
        above.map(|(new, old)| format!("{old}{}", &id[new.len()..])).collect::<Vec<_>>()
    };
    let wanted: BTreeSet<String> = objects
        .flat_map(|meta| std::iter::once(meta.id.as_str().to_owned()).chain(before(meta.id.as_str())))
        .flat_map(|id| owners(&Address::new(&id, "-", "-")))
        .collect();
    let what = match (project.clusters.is_empty() && project.apps.is_empty(), known.is_disjoint(&wanted)) {
        (true, _) => "the manifests name no App and no Cluster".to_owned(),
        (false, true) => "the manifests name nothing that the state knows".to_owned(),
        (false, false) if layout.app_file.is_none() && came_from_app_file(snapshot) => {
            format!("{APP_FILE_NAME} is not there")
        }
        _ => return Ok(()),
    };
    let count = snapshot.records.len();
    let message = format!("{what}, but the state knows {count} objects, which an apply would remove");
    let mut error = CliError::new("nothing-wanted", message);
    for found in known.iter().take(MOST_KNOWN) {
        error = error.help(format!("the state knows {found}"));
    }
    let beside = |name: &str| layout.app_dir.join(name).is_file();
    if layout.app_file.is_none() {
        error = match NEARLY.iter().find(|name| beside(name)) {
            Some(name) => {
                error.help(format!("{name} is not read: rename it to {APP_FILE_NAME}, or add --kom-app {name}"))
            }
            None => error.help(format!("there is no {APP_FILE_NAME} in {}", layout.app_dir.display())),
        };
    }
    Err(error
        .help("look at -C, --kom-app, --kom-path and KOMPOX_KOM_PATH: are these the manifests that you mean?")
        .help(Advice::run("if everything is to go, say so", Command::new(Name::Destroy))))
}

/// The cluster, or the app (without its cluster, which it may leave), that an address belongs to.
fn owners(address: &Address) -> Vec<String> {
    let scope = address.scope();
    let mut owners = Vec::new();
    if let Some((provider, rest)) = scope.split_once("/cls/") {
        let cluster = rest.split('/').next().unwrap_or(rest);
        owners.push(format!("{provider}/cls/{cluster}"));
        if let Some((_, app)) = rest.split_once("/app/") {
            owners.push(format!("{provider}/app/{}", app.split('/').next().unwrap_or(app)));
        }
    } else if let Some((provider, app)) = scope.split_once("/app/") {
        owners.push(format!("{provider}/app/{}", app.split('/').next().unwrap_or(app)));
    }
    owners
}

/// Whether any object was asked for by the app file.
fn came_from_app_file(snapshot: &Snapshot) -> bool {
    let sources = snapshot.records.iter().filter_map(|record| record.source.as_deref());
    sources.into_iter().any(|source| {
        let file = source.rsplitn(3, ':').nth(2).unwrap_or(source);
        Path::new(file).file_name().is_some_and(|name| name == APP_FILE_NAME)
    })
}
