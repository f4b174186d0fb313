//! Which Pod runs which service: the app's own takes all but those that a compose Box takes out, each with the services
//! that share its network (`network_mode: service:x`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::compose::convert::{APP_COMPONENT, Access, BoxInput, Context, VolumeInput};
use crate::compose::model::{Mount, MountSource, Service};
use crate::compose::names;
use crate::compose::support::nearest;
use crate::diag::Diagnostic;

/// One Deployment and its services.
pub(super) struct Component<'a> {
    /// Its name: `app`, or a Box's.
    pub(super) name: String,
    /// What it runs, in the order of the file.
    pub(super) services: Vec<&'a Service>,
    /// The Box, unless this is the app's own.
    pub(super) declared: Option<&'a BoxInput>,
}

impl<'a> Component<'a> {
    /// The app's volumes as this Pod has them: the app's own Pod holds all, a Box what it mounts.
    pub(super) fn volumes(&self, mounted: &BTreeSet<String>, cx: &Context<'a>) -> Vec<&'a VolumeInput> {
        let all = cx.input.volumes.iter();
        all.filter(|volume| self.declared.is_none() || mounted.contains(&volume.name)).collect()
    }

    /// A disk is attached to one node at a time: a Box that mounts one goes where the app's Pod is.
    pub(super) fn follow_disks(&self, cx: &Context<'_>, volumes: &[&VolumeInput], spec: &mut Map<String, Value>) {
        if self.declared.is_some() && volumes.iter().any(|volume| volume.access == Access::ReadWriteOnce) {
            join(cx, spec);
        }
    }
}

/// Puts a Pod on the node where the app's disks are.
pub(super) fn join(cx: &Context<'_>, spec: &mut Map<String, Value>) {
    let selector = if cx.app_runs {
        json!({ "matchLabels": cx.selector(APP_COMPONENT) })
    } else {
        // Without a Pod of the app's own they follow one another; the first one may go anywhere.
        let apps: Vec<String> = cx.on_disks.iter().map(|component| names::component(cx.app(), component)).collect();
        json!({ "matchExpressions": [{ "key": "app", "operator": "In", "values": apps }] })
    };
    let affinity = spec.entry("affinity".to_owned()).or_insert_with(|| json!({}));
    affinity["podAffinity"] = json!({ "requiredDuringSchedulingIgnoredDuringExecution": [{
        "labelSelector": selector,
        "topologyKey": "kubernetes.io/hostname",
    }] });
}

/// The components of an app: its own first, then compose Boxes in their order.
pub(super) fn components<'a>(cx: &mut Context<'a>) -> Vec<Component<'a>> {
    let boxes: Vec<&'a BoxInput> = cx.input.boxes.iter().filter(|declared| declared.image.is_none()).collect();
    let services = cx.services.clone();
    let by_name: BTreeMap<&str, &'a Service> =
        services.iter().map(|service| (service.name.as_str(), *service)).collect();
    let mut found = vec![Component { name: APP_COMPONENT.to_owned(), services: Vec::new(), declared: None }];
    for declared in boxes {
        if check_box(cx, declared, &by_name) {
            let name = declared.name.clone();
            found.push(Component { name, services: Vec::new(), declared: Some(declared) });
        }
    }
    for service in services {
        let root = root(cx, service, &by_name);
        let at = found.iter().skip(1).position(|component| component.name == root).map_or(0, |at| at + 1);
        found[at].services.push(service);
    }
    cx.app_runs = !found[0].services.is_empty();
    let on_disks = found.iter().filter(|one| one.services.iter().any(|service| on_disk(cx, service)));
    let mut on_disks: Vec<String> = on_disks.map(|one| one.name.clone()).collect();
    // A stand-alone Box mounts every volume.
    on_disks.extend(cx.input.boxes.iter().filter(|one| one.image.is_some()).map(|one| one.name.clone()));
    on_disks.sort();
    cx.on_disks = on_disks;
    found
}

fn on_disk(cx: &Context<'_>, service: &Service) -> bool {
    let volumes = &cx.input.volumes;
    let of = |mount: &Mount| match &mount.source {
        MountSource::First => volumes.first(),
        MountSource::Named(name) => volumes.iter().find(|volume| volume.name == *name),
    };
    service.mounts.iter().filter_map(of).any(|volume| volume.access == Access::ReadWriteOnce)
}

/// Whether a compose Box has a service to run.
fn check_box(cx: &mut Context<'_>, declared: &BoxInput, services: &BTreeMap<&str, &Service>) -> bool {
    let name = &declared.name;
    let finding = match services.get(name.as_str()) {
        Some(service) => match &service.network_of {
            None => return true,
            Some(other) => {
                let message =
                    format!("Box {name}: the service {name} shares the network of {}, so it cannot leave", other.value);
                Diagnostic::error("compose-box", message).help(format!("declare a Box {} instead", other.value))
            }
        },
        None => {
            let message = format!(
                "Box {name}: a Box without an image runs the compose service of its name, and there is none that runs"
            );
            let finding = Diagnostic::error("compose-box", message);
            match nearest(name, services.keys().copied()) {
                Some(near) => finding.help(format!("did you mean \"{near}\"?")),
                None => finding.help("name it after a service, or give it an image"),
            }
        }
    };
    match &declared.location {
        Some(location) => cx.push(finding, location),
        None => cx.diagnostics.push(finding),
    }
    false
}

/// The service whose network this one shares in the end.
fn root<'s>(cx: &mut Context<'_>, service: &'s Service, services: &BTreeMap<&str, &'s Service>) -> &'s str {
    let mut at = service;
    let mut seen = BTreeSet::new();
    while let Some(other) = &at.network_of {
        if !seen.insert(at.name.as_str()) {
            let message = format!("{}: network_mode goes round in a circle", service.name);
            cx.error("compose-network-mode", message, &other.location);
            return at.name.as_str();
        }
        match services.get(other.value.as_str()) {
            Some(next) => at = next,
            None => {
                let message = format!("{}: network_mode: there is no service {} that runs", at.name, other.value);
                cx.error("compose-network-mode", message, &other.location);
                return at.name.as_str();
            }
        }
    }
    at.name.as_str()
}
