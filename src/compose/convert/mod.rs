//! From a compose project to Kubernetes objects: pure, deterministic, and without knowledge of where they go.
//!
//! [`convert`] gives every object of one app in the order in which they are created. Bodies are plain JSON with secrets
//! in clear; [`RenderedObject::sensitive`] says which leaves must never be shown or stored.

use std::collections::BTreeSet;

use self::context::Context;
use crate::diag::{Diagnostic, Diagnostics};

mod boxes;
mod components;
mod config;
mod context;
mod copy_up;
mod fence;
mod fields;
mod hide;
mod image;
mod ingress;
mod input;
mod isolation;
mod listening;
mod object;
mod order;
mod places;
mod pod;
mod policy;
mod service;
mod volume;
mod workload;
mod yaml;

pub use input::{
    Access, BoxInput, ConvertInput, IngressInput, IsolationInput, NodeLabel, Placement, RuleInput, Scope, VolumeInput,
    VolumeSource,
};
pub use object::{ObjectKind, Rendered, RenderedObject};
pub use service::is_ours;
pub use yaml::{WriteError, manifest};

/// Renders every object of an app. There is a result exactly when there is no error.
pub fn convert(input: &ConvertInput<'_>) -> (Option<Rendered>, Diagnostics) {
    let mut cx = Context::new(input);
    service::check_names(&mut cx);
    cx.check_scope();
    image::check(&mut cx);
    places::check(&mut cx);
    let components = components::components(&mut cx);
    let mut objects = policy::objects(&cx);
    objects.extend(isolation::objects(&cx));
    objects.extend(volume::objects(&mut cx));
    let network = ingress::objects(&mut cx, &components);
    let (app, boxed) = components.split_first().map_or((None, [].as_slice()), |(app, boxed)| (Some(app), boxed));
    if let Some(app) = app {
        let files = config::objects(&mut cx, app);
        let workload = workload::workload(&mut cx, &files, app);
        objects.extend(files.objects);
        objects.extend(workload);
    }
    objects.extend(network.objects);
    objects.extend(boxes::objects(&mut cx, boxed));
    for job in boxed.iter().filter(|component| component.job.is_some()) {
        let files = config::objects(&mut cx, job);
        let workload = workload::workload(&mut cx, &files, job);
        objects.extend(files.objects);
        objects.extend(workload);
    }
    isolation::before_what_they_judge(&cx, &mut objects);
    policy::secure(&mut objects);
    check_unique(&mut cx, &objects);
    hide::values(&mut cx, &mut objects);
    let diagnostics = input.compose.veil.over(cx.diagnostics);
    let rendered = if diagnostics.has_errors() { None } else { Some(Rendered { objects, hosts: network.hosts }) };
    #[cfg(test)]
    rendered.iter().for_each(testing::keep);
    (rendered, diagnostics)
}

/// A service and a component of the app must not want the same name for two objects.
fn check_unique(cx: &mut Context<'_>, objects: &[RenderedObject]) {
    let mut seen = BTreeSet::new();
    for object in objects {
        if !seen.insert((object.kind, object.address_name.as_str())) {
            let message = format!("there would be two of {} {}", object.kind, object.address_name);
            let finding = Diagnostic::error("compose-name", message).help("rename the service, alias or Box");
            match &object.origin {
                Some(origin) => cx.push(finding, origin),
                None => cx.diagnostics.push(finding),
            }
        }
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
