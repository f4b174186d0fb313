//! The workload of a component: one Pod with each of its services as a container, by a Deployment, or by a Job for
//! services that end.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::components::{Component, Tries};
use super::config::{FileSet, Mounted};
use super::context::Context;
use super::fence;
use super::fields;
use super::input::NodeLabel;
use super::object::{CONTENT_HASH, ObjectKind, RenderedObject, path};
use super::order::{self, Order, Role};
use super::pod::Pod;
use super::service::{self, Container};
use super::volume;
use crate::compose::model::{Condition, Service};
use crate::compose::names;
use crate::diag::Diagnostic;

/// The Deployment or Job; nothing when there is no service.
pub(super) fn workload(cx: &mut Context<'_>, files: &FileSet, component: &Component<'_>) -> Option<RenderedObject> {
    if component.services.is_empty() {
        return None;
    }
    let order = order::order(cx, &component.services);
    let mut pod = Pod::default();
    let (main, init) = containers(cx, files, component, &order, &mut pod);
    let mut spec = Map::new();
    let mut sensitive = Vec::new();
    let hash = content_hash(cx, files, &pod, component);
    put_containers(&mut spec, &mut sensitive, "containers", main);
    if !init.is_empty() {
        put_containers(&mut spec, &mut sensitive, "initContainers", init);
    }
    let claimed = component.volumes(&pod.mounted, cx);
    let volumes = pod.volumes(cx, files, &claimed);
    if !volumes.is_empty() {
        spec.insert("volumes".to_owned(), volumes.into());
    }
    if component.job.is_some() {
        spec.insert("restartPolicy".to_owned(), "Never".into());
    }
    placement(cx, &mut spec);
    component.follow_disks(cx, &claimed, &mut spec);
    fields::fields(cx, &component.services, &order, &mut spec);
    let annotations = annotations(cx, &component.services, &hash, &mut sensitive);
    sensitive.push(path(&[&"spec", &"template", &"metadata", &"annotations", &CONTENT_HASH]));
    let pull = names::pull_secret(cx.app(), component.keeper());
    if cx.input.live_secret_hashes.contains_key(&pull) {
        spec.insert("imagePullSecrets".to_owned(), json!([{ "name": pull }]));
    }

    let mut after = vec![cx.after_namespace(), (ObjectKind::NetworkPolicy, cx.app().to_owned())];
    after.extend(claimed.iter().map(|volume| (ObjectKind::PersistentVolumeClaim, volume::address(volume))));
    after.extend(files.objects.iter().map(|object| (object.kind, object.address_name.clone())));
    let origin = match component.job {
        None => component.services.first(),
        // The last one of a Job is what it is for.
        Some(_) => component.services.last(),
    };
    let origin = origin.map(|service| service.location.clone());
    let object = runner(cx, &component.name, component.job, annotations, spec);
    Some(RenderedObject { sensitive, after, origin, ..object })
}

/// What runs a Pod of a component: a Deployment for ever, a Job until it has ended well or failed too often.
pub(super) fn runner(
    cx: &Context<'_>,
    component: &str,
    job: Option<Tries>,
    annotations: Map<String, Value>,
    mut spec: Map<String, Value>,
) -> RenderedObject {
    spec.insert("automountServiceAccountToken".to_owned(), false.into());
    let labels = cx.component_labels(component);
    let mut template = json!({ "metadata": { "labels": labels }, "spec": spec });
    if !annotations.is_empty() {
        template["metadata"]["annotations"] = annotations.into();
    }
    let (kind, spec) = match job {
        None => (
            ObjectKind::Deployment,
            json!({
                "replicas": 1,
                "strategy": { "type": "Recreate" },
                "selector": { "matchLabels": cx.selector(component) },
                "template": template,
            }),
        ),
        // Its selector is the server's. A new Pod comes only when the one before has ended, as with Recreate: else two
        // would write to one disk.
        Some(Tries(tries)) => {
            (ObjectKind::Job, json!({ "backoffLimit": tries, "podReplacementPolicy": "Failed", "template": template }))
        }
    };
    cx.object(kind, &names::component(cx.app(), component), labels, json!({ "spec": spec }))
}

/// The containers of a component, and those that run before them in their order.
fn containers(
    cx: &mut Context<'_>,
    files: &FileSet,
    component: &Component<'_>,
    order: &Order<'_>,
    pod: &mut Pod,
) -> (Vec<Container>, Vec<Container>) {
    let mut main = Vec::new();
    let mut before = Vec::new();
    for &service in &component.services {
        let mounts = pod.mounts(cx, files, service);
        let role = order.roles.get(service.name.as_str()).copied().unwrap_or(Role::Container);
        if component.job.is_none() {
            restart(cx, service, role);
        }
        let ends = role == Role::Init || component.job.is_some();
        let container = service::container(cx, component.keeper(), service, (role, ends), &mounts);
        if role == Role::Container { main.push(container) } else { before.push((service.name.as_str(), container)) }
    }
    let rank: BTreeMap<&str, usize> = order.init.iter().enumerate().map(|(i, s)| (s.name.as_str(), i)).collect();
    before.sort_by_key(|(name, _)| rank.get(name).copied());
    if main.is_empty() && !cx.diagnostics.has_errors() {
        let message = "every service is waited for to complete; nothing is left to run";
        cx.diagnostics.push(Diagnostic::error("compose-dependency", message));
    }
    let claimed = component.volumes(&pod.mounted, cx);
    let fence = if component.is_apart() { None } else { fence::container(cx, &claimed, &pod.mounted) };
    let mut init: Vec<Container> =
        fence.into_iter().chain(pod.sub_path_container()).chain(pod.copies.bring()).collect();
    let names: Vec<&str> = before.iter().map(|(name, _)| *name).collect();
    // A folder is filled once everything has ended that its service waits for: that may bring what is to be there.
    let place = |service: &str| {
        let service = component.services.iter().find(|one| one.name == service);
        let awaited = service.into_iter().flat_map(|one| &one.depends_on);
        let awaited = awaited.filter(|other| other.condition == Condition::Completed);
        awaited.filter_map(|other| names.iter().position(|name| *name == other.service)).max().map_or(0, |at| at + 1)
    };
    let copies = pod.copies.containers().into_iter().map(|(service, container)| (place(service), container));
    let mut copies: Vec<(usize, Container)> = copies.collect();
    copies.sort_by_key(|(place, _)| *place);
    let mut copies = copies.into_iter().peekable();
    for (at, (_, container)) in before.into_iter().enumerate() {
        while let Some((_, copy)) = copies.next_if(|(place, _)| *place == at) {
            init.push(copy);
        }
        init.push(container);
    }
    init.extend(copies.map(|(_, copy)| copy));
    (main, init)
}

fn put_containers(
    spec: &mut Map<String, Value>,
    sensitive: &mut Vec<Vec<String>>,
    key: &str,
    containers: Vec<Container>,
) {
    let mut bodies = Vec::with_capacity(containers.len());
    for (index, container) in containers.into_iter().enumerate() {
        for leaf in container.sensitive {
            let mut full = path(&[&"spec", &"template", &"spec", &key, &index]);
            full.extend(leaf);
            sensitive.push(full);
        }
        bodies.push(container.body);
    }
    spec.insert(key.to_owned(), bodies.into());
}

fn restart(cx: &mut Context<'_>, service: &Service, role: Role) {
    let Some(restart) = &service.restart else { return };
    let policy = restart.value.split(':').next().unwrap_or_default();
    match policy {
        "" | "always" | "unless-stopped" => {}
        "no" | "on-failure" if role == Role::Init => {}
        "no" | "on-failure" => {
            let message = format!("{}: restart {policy} is not kept: its container is always restarted", service.name);
            let finding = Diagnostic::warning("compose-restart", message).help(
                "a service that ends should be waited for with depends_on: condition: service_completed_successfully",
            );
            cx.push(finding, &restart.location);
        }
        other => {
            let message = format!("{}: restart {other} is not known", service.name);
            cx.error("compose-restart", message, &restart.location);
        }
    }
}

/// Annotations of the Pod: those of its services, and the hash over what it refers to.
fn annotations(
    cx: &mut Context<'_>,
    services: &[&Service],
    hash: &str,
    sensitive: &mut Vec<Vec<String>>,
) -> Map<String, Value> {
    let mut annotations = Map::new();
    for service in services {
        for (key, text) in &service.annotations {
            let reserved = key
                .split_once('/')
                .is_some_and(|(domain, _)| domain == "kompox.dev" || domain.ends_with(".kompox.dev"));
            let other = annotations.get(key).filter(|other| **other != text.value.value);
            let fault = if !names::is_qualified_name(key) {
                "is no name that Kubernetes takes"
            } else if reserved {
                "is one of kompox's own"
            } else if other.is_some() {
                "has another value in another service of the Pod"
            } else {
                if text.value.sensitive {
                    sensitive.push(path(&[&"spec", &"template", &"metadata", &"annotations", key]));
                }
                annotations.insert(key.clone(), text.value.value.clone().into());
                continue;
            };
            let message = format!("{}: the annotation {key} is left out: it {fault}", service.name);
            cx.push(Diagnostic::warning("compose-annotation", message), &text.location);
        }
    }
    annotations.insert(CONTENT_HASH.to_owned(), hash.into());
    annotations
}

/// The hash over everything the Pod refers to: the live pull Secret, envFrom by container name, then volumes.
fn content_hash(cx: &Context<'_>, files: &FileSet, pod: &Pod, component: &Component<'_>) -> String {
    let live = &cx.input.live_secret_hashes;
    let of = |name: &String| files.hashes.get(name).or_else(|| live.get(name)).map_or("", String::as_str);
    let mut hashes: Vec<&str> = Vec::new();
    if let Some(pull) = live.get(&names::pull_secret(cx.app(), component.keeper())) {
        hashes.push(pull);
    }
    let mut containers: Vec<&str> = component.services.iter().map(|service| service.name.as_str()).collect();
    containers.sort_unstable();
    for container in containers {
        hashes.extend(service::env_from(cx, component.keeper(), container).iter().map(of));
    }
    let mounted = |uses: &BTreeMap<String, Option<u32>>, known: &'_ BTreeMap<String, Mounted>| -> Vec<String> {
        uses.keys().filter_map(|name| known.get(name)).map(|mounted| mounted.object.clone()).collect()
    };
    let objects: Vec<String> =
        mounted(&pod.configs, &files.configs).into_iter().chain(mounted(&pod.secrets, &files.secrets)).collect();
    hashes.extend(objects.iter().map(of));
    names::pod_content_hash(&hashes)
}

/// Labels of nodes: a selector for one value, an affinity for several.
pub(super) fn placement(cx: &Context<'_>, spec: &mut Map<String, Value>) {
    let mut selector = Map::new();
    let mut expressions = Vec::new();
    let placement = &cx.input.placement;
    for NodeLabel { key, values, single } in &placement.labels {
        match (values.as_slice(), single) {
            ([], _) => {}
            ([one, ..], true) => {
                selector.insert((*key).to_owned(), one.clone().into());
            }
            (_, false) => expressions.push(json!({ "key": key, "operator": "In", "values": values })),
        }
    }
    if !placement.tolerations.is_empty() {
        spec.insert("tolerations".to_owned(), placement.tolerations.clone().into());
    }
    if !selector.is_empty() {
        spec.insert("nodeSelector".to_owned(), selector.into());
    }
    if !expressions.is_empty() {
        spec.insert(
            "affinity".to_owned(),
            json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{ "matchExpressions": expressions }],
            } } }),
        );
    }
}
