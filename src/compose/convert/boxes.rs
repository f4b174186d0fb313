//! Declared Boxes. A stand-alone Box is a Deployment of its own image that sees the app's volumes, on the app's node. A
//! compose Box takes the service of its name out of the app's Pod into one of its own (`components`), under its name as
//! component: container ports need not differ from the app's, and its network policy is its own. No service ever runs
//! twice, since two processes on one disk would destroy what is on it.

use serde_json::{Map, Value, json};

use super::components::{self, Component};
use super::config;
use super::context::{APP_COMPONENT, Context};
use super::input::{Access, BoxInput, VolumeInput};
use super::object::{ObjectKind, RenderedObject, path};
use super::pod;
use super::volume;
use super::workload;
use crate::compose::names;
use crate::diag::Diagnostic;
use crate::text::dns;
use crate::text::secret::secret_arguments;

/// Deployments of Boxes with what they need, and a NetworkPolicy where one asks for it; in the order of declaration.
pub(super) fn objects(cx: &mut Context<'_>, composed: &[Component<'_>]) -> Vec<RenderedObject> {
    let mut objects = Vec::new();
    for declared in &cx.input.boxes {
        let component = names::component(cx.app(), &declared.name);
        if !dns::is_label(&component) {
            let message = format!("Box {}: its name {component} is too long for a label", declared.name);
            cx.diagnostics.push(Diagnostic::error("compose-name", message));
        }
        if !declared.network_rules.is_empty() {
            objects.push(network_policy(cx, declared));
        }
        if let Some(image) = &declared.image {
            objects.push(deployment(cx, declared, &image.value));
        } else if let Some(component) = composed.iter().find(|component| component.name == declared.name) {
            let files = config::objects(cx, component);
            let workload = workload::workload(cx, &files, component);
            objects.extend(files.objects);
            objects.extend(workload);
        }
    }
    objects
}

fn deployment(cx: &Context<'_>, declared: &BoxInput, image: &str) -> RenderedObject {
    let mounts: Vec<Value> = cx
        .input
        .volumes
        .iter()
        .map(|volume| json!({ "name": volume.name, "mountPath": format!("/mnt/{}", volume.name) }))
        .collect();
    let mut container = json!({ "name": "box", "image": image });
    let (command, args) = match (declared.command.as_slice(), declared.args.as_slice()) {
        // A Box that is told nothing waits for somebody to come in.
        ([], []) => (vec!["sh".to_owned(), "-c".to_owned()], vec!["sleep infinity".to_owned()]),
        (command, args) => (command.to_vec(), args.to_vec()),
    };
    // One command line, in two parts: a flag may end the first and have its value in the second.
    let mut secret = secret_arguments(command.iter().chain(&args).map(String::as_str)).into_iter();
    let mut sensitive = Vec::new();
    for (key, words) in [("command", command), ("args", args)] {
        for (index, secret) in secret.by_ref().take(words.len()).enumerate() {
            if secret {
                sensitive.push(path(&[&"spec", &"template", &"spec", &"containers", &0, &key, &index]));
            }
        }
        if !words.is_empty() {
            container[key] = json!(words);
        }
    }
    if !mounts.is_empty() {
        container["volumeMounts"] = mounts.into();
    }
    let mut spec = Map::new();
    spec.insert("containers".to_owned(), json!([container]));
    let all: Vec<&VolumeInput> = cx.input.volumes.iter().collect();
    let volumes = pod::claims(cx, &all);
    if !volumes.is_empty() {
        spec.insert("volumes".to_owned(), volumes.into());
    }
    workload::placement(cx, &mut spec);
    // A disk is mounted on one node at a time, so the Box goes where the app is.
    if cx.input.volumes.iter().any(|volume| volume.access == Access::ReadWriteOnce) {
        components::join(cx, &mut spec);
    }

    let mut after = vec![cx.after_namespace()];
    if cx.app_runs {
        after.push((ObjectKind::Deployment, names::component(cx.app(), APP_COMPONENT)));
    }
    after.extend(cx.input.volumes.iter().map(|volume| (ObjectKind::PersistentVolumeClaim, volume::address(volume))));
    let object = workload::runner(cx, &declared.name, None, Map::new(), spec);
    RenderedObject { sensitive, after, origin: declared.location.clone(), ..object }
}

fn network_policy(cx: &Context<'_>, declared: &BoxInput) -> RenderedObject {
    let labels = cx.component_labels(&declared.name);
    let rest = json!({
        "spec": {
            "podSelector": { "matchLabels": cx.selector(&declared.name) },
            "policyTypes": ["Ingress"],
            "ingress": declared.network_rules,
        },
    });
    let kind = ObjectKind::NetworkPolicy;
    let object = cx.object(kind, &names::component(cx.app(), &declared.name), labels, rest);
    RenderedObject { origin: declared.location.clone(), ..object }
}
