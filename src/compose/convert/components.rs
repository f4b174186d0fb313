//! Which Pod runs which service: the app's own takes all but those that a compose Box takes out, each with the services
//! that share its network (`network_mode: service:x`), and services that end, which run as Jobs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::context::{APP_COMPONENT, Context};
use super::input::{Access, BoxInput, VolumeInput};
use crate::compose::addresses::addresses;
use crate::compose::model::{Condition, Mount, MountSource, Service};
use crate::compose::names;
use crate::diag::Diagnostic;
use crate::text::dns;
use crate::text::suggest::closest;

/// One Deployment and its services.
pub(super) struct Component<'a> {
    /// Its name: `app`, or a Box's.
    pub(super) name: String,
    /// What it runs, in the order of the file.
    pub(super) services: Vec<&'a Service>,
    /// The Box, where one is declared.
    pub(super) declared: Option<&'a BoxInput>,
    /// How a service that ends is tried again, where this runs one.
    pub(super) job: Option<Tries>,
}

/// What Kubernetes calls `backoffLimit`: how often a Job that failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tries(pub(super) i64);

impl<'a> Component<'a> {
    /// The app's volumes as this Pod has them: the app's own Pod holds all, a Box what it mounts.
    pub(super) fn volumes(&self, mounted: &BTreeSet<String>, cx: &Context<'a>) -> Vec<&'a VolumeInput> {
        let all = cx.input.volumes.iter();
        all.filter(|volume| !self.is_apart() || mounted.contains(&volume.name)).collect()
    }

    /// The component by which Secrets are named that people keep for its containers: a service that ends keeps those that
    /// it has as a part of the app.
    pub(super) fn keeper(&self) -> &str {
        if self.job.is_some() { APP_COMPONENT } else { &self.name }
    }

    /// Whether its Pod is not the app's own.
    pub(super) fn is_apart(&self) -> bool {
        self.declared.is_some() || self.job.is_some()
    }

    /// A disk is attached to one node at a time: a Pod beside the app's that mounts one goes where that is.
    pub(super) fn follow_disks(&self, cx: &Context<'_>, volumes: &[&VolumeInput], spec: &mut Map<String, Value>) {
        if self.is_apart() && volumes.iter().any(|volume| volume.access == Access::ReadWriteOnce) {
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

/// The components of an app: its own first, then compose Boxes in their order, then services that end.
pub(super) fn components<'a>(cx: &mut Context<'a>) -> Vec<Component<'a>> {
    let boxes: Vec<&'a BoxInput> = cx.input.boxes.iter().filter(|declared| declared.image.is_none()).collect();
    let services = cx.services.clone();
    let by_name: BTreeMap<&str, &'a Service> =
        services.iter().map(|service| (service.name.as_str(), *service)).collect();
    let mut found = vec![Component { name: APP_COMPONENT.to_owned(), services: Vec::new(), declared: None, job: None }];
    for declared in boxes {
        if check_box(cx, declared, &by_name) {
            let name = declared.name.clone();
            found.push(Component { name, services: Vec::new(), declared: Some(declared), job: None });
        }
    }
    for service in services {
        let root = root(cx, service, &by_name);
        let at = found.iter().skip(1).position(|component| component.name == root).map_or(0, |at| at + 1);
        found[at].services.push(service);
    }
    let jobs = jobs(cx, &mut found[0]);
    cx.has_jobs = !jobs.is_empty();
    found.extend(jobs);
    cx.app_runs = !found[0].services.is_empty();
    let on_disks = found.iter().filter(|one| one.services.iter().any(|service| on_disk(cx, service)));
    let mut on_disks: Vec<String> = on_disks.map(|one| one.name.clone()).collect();
    // A stand-alone Box mounts every volume.
    on_disks.extend(cx.input.boxes.iter().filter(|one| one.image.is_some()).map(|one| one.name.clone()));
    on_disks.sort();
    cx.on_disks = on_disks;
    found
}

/// How often a service that ends is tried again where compose sets no limit, and where it waits for what runs in another
/// Pod: it cannot see that it comes too early. Kubernetes doubles the time between two tries, from 10 s on.
const TRIES: i64 = 6;

/// Takes services that end out of the app's Pod, where each would be started again for ever and keep the Pod from being
/// ready: those that say so (`restart: no` or `on-failure`), for which nobody waits and to which nobody speaks. Each gets a
/// Pod of its own, with what it waits for to complete.
fn jobs<'a>(cx: &mut Context<'a>, app: &mut Component<'a>) -> Vec<Component<'a>> {
    let services = app.services.clone();
    let mut jobs = Vec::new();
    for service in &services {
        let Some((policy, tries)) = ending(service).filter(|_| ends(service, &services)) else { continue };
        let Some(mut own) = taken_along(service, &services) else { continue };
        // What is all of an app is no service beside it.
        if app.services.iter().all(|one| one.name == service.name || own.iter().any(|other| other.name == one.name)) {
            continue;
        }
        let name = format!("job-{}", service.name);
        let label = names::component(cx.app(), &name);
        if !dns::is_label(&label) {
            let message = format!("{}: the name {label} of its Job is too long for a label", service.name);
            let finding = Diagnostic::error("compose-name", message).help("give the service a shorter name");
            cx.push(finding, &service.location);
        }
        if cx.input.boxes.iter().any(|declared| declared.name == name) {
            let message = format!("{}: its Job would have the name of the Box {name}", service.name);
            cx.push(Diagnostic::error("compose-name", message).help("rename the Box"), &service.location);
        }
        let apart = service.depends_on.iter().any(|other| !own.iter().any(|one| one.name == other.service));
        let tries = if apart { tries.max(TRIES) } else { tries };
        let message = format!(
            "{}: restart {policy}, and nobody waits for it: it runs once, in a Pod of its own, and again when it changes",
            service.name
        );
        let location = service.restart.as_ref().map_or(&service.location, |restart| &restart.location);
        cx.push(Diagnostic::note("compose-job", message), location);
        own.push(service);
        app.services.retain(|one| !own.iter().any(|other| other.name == one.name));
        jobs.push(Component { name, services: own, declared: None, job: Some(Tries(tries)) });
    }
    jobs
}

/// What `restart` says of a service that ends, and how often it is tried again.
fn ending(service: &Service) -> Option<(&str, i64)> {
    let restart = service.restart.as_ref()?;
    let (policy, most) = restart.value.split_once(':').unwrap_or((&restart.value, ""));
    match policy {
        "no" => Some((policy, 0)),
        // Docker's 0 is no limit.
        "on-failure" => Some((policy, most.parse::<i32>().ok().filter(|most| *most > 0).map_or(TRIES, i64::from))),
        _ => None,
    }
}

/// Whether nothing says that others need a service while they run: then it is a service that ends only by what it says of
/// restarts, and many a database says that it must not be restarted.
fn ends(service: &Service, services: &[&Service]) -> bool {
    let name = service.name.as_str();
    let quiet = service.ports.is_empty()
        && service.expose.is_empty()
        && service.healthcheck.is_none()
        && service.liveness.is_none()
        && service.network_of.is_none();
    let named = |other: &Service| {
        let check = other.healthcheck.iter().flat_map(|check| &check.command);
        let texts = other.environment.values().chain(check).chain(other.command.iter().flatten());
        texts.into_iter().any(|text| addresses(&text.value).iter().any(|(host, _)| host.eq_ignore_ascii_case(name)))
    };
    let needed = |other: &&Service| {
        other.depends_on.iter().any(|dependency| dependency.service == name)
            || other.network_of.as_ref().is_some_and(|network| network.value == name)
            || other.name != name && named(other)
    };
    quiet && !services.iter().any(needed)
}

/// What a service waits for to complete, and so on, dependencies first; none where others wait for it too.
fn taken_along<'a>(service: &Service, services: &[&'a Service]) -> Option<Vec<&'a Service>> {
    let mut along: Vec<&'a Service> = Vec::new();
    let mut next: Vec<&Service> = vec![service];
    while let Some(one) = next.pop() {
        for dependency in one.depends_on.iter().filter(|other| other.condition == Condition::Completed) {
            let Some(found) = services.iter().find(|other| other.name == dependency.service) else { continue };
            if !along.iter().any(|known| known.name == found.name) {
                along.insert(0, found);
                next.push(found);
            }
        }
    }
    let is_along = |name: &str| name == service.name || along.iter().any(|one| one.name == name);
    let shared = services.iter().filter(|other| !is_along(&other.name)).any(|other| {
        other.depends_on.iter().any(|dependency| along.iter().any(|one| one.name == dependency.service))
            || other.network_of.as_ref().is_some_and(|network| along.iter().any(|one| one.name == network.value))
    });
    (!shared).then_some(along)
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
            match closest(name, services.keys().copied()) {
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
