//! The objects of an app: its compose project converted for the cluster that it is on.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::driver::{Home, Placement, Storage};
use super::ingress::Installed;
use super::kinds::kubernetes;
use super::quota;
use super::scope::{Builder, Place, lifecycle_protection};
use crate::compose::convert::{
    BoxInput, ConvertInput, IngressInput, IsolationInput, ObjectKind, Rendered, RenderedObject, RuleInput, Scope,
};
use crate::compose::model;
use crate::compose::project::ComposeProject;
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::engine::address::Address;
use crate::engine::provider::ProviderKey;
use crate::kom::model::{App, Cluster, KomBox, Located};

/// What a conversion gave and found.
pub(super) type Converted = (Option<Rendered>, Diagnostics);

/// An App where it belongs.
pub(super) struct Site<'a> {
    /// Its Provider.
    pub(super) place: &'a Place,
    /// Its Cluster.
    pub(super) cluster: &'a Cluster,
    /// The same at work.
    pub(super) home: &'a dyn Home,
    /// The key of the API there.
    pub(super) key: &'a ProviderKey,
    /// The ingress controller there.
    pub(super) ingress: &'a Installed,
    /// The App.
    pub(super) app: &'a App,
    /// Its Boxes.
    pub(super) boxes: Vec<&'a KomBox>,
}

impl Site<'_> {
    /// Adds the objects of the app as they were converted, and the records of its hosts. Gives what was rendered; the
    /// bodies of its objects stay in it where they are to be kept, and become the graph's alone where not.
    pub(super) fn expand(
        &self,
        builder: &mut Builder<'_>,
        converted: Converted,
        storage: &Storage,
        keep: bool,
    ) -> Option<Rendered> {
        let (rendered, found) = converted;
        for finding in found {
            // Conversion has the texts of compose files only.
            if self.is_of_rule(&finding) {
                builder.diagnostics.push(finding);
            } else {
                builder.diagnostics.extend([finding]);
            }
        }
        let mut rendered = rendered?;
        for finding in quota::check(self.app.quota.as_ref(), self.app.limits.as_ref(), &rendered) {
            builder.diagnostics.push(finding);
        }
        for object in &mut rendered.objects {
            let body = if keep { object.body.clone() } else { object.body.take() };
            self.object(builder, object, body, storage);
        }
        if let Some(service) = &self.ingress.service {
            self.home.records(builder, self.app, &rendered.hosts, service);
        }
        Some(rendered)
    }

    /// What the conversion needs, which knows nothing of manifests and of clouds.
    pub(super) fn input<'i>(
        &self,
        compose: &'i ComposeProject,
        placement: &Placement,
        storage: &Storage,
    ) -> ConvertInput<'i> {
        let (place, cluster, app) = (self.place, self.cluster, self.app);
        let boxes = self.boxes.iter().map(|object| BoxInput {
            name: object.component.clone(),
            image: object
                .image
                .as_ref()
                .map(|image| model::Located { value: image.value.clone(), location: image.location.clone() }),
            command: object.command.clone(),
            args: object.args.clone(),
            network_rules: object.network_policy.clone(),
            location: Some(object.meta.location.clone()),
        });
        ConvertInput {
            scope: Scope {
                workspace: place.workspace.clone(),
                provider: place.provider.clone(),
                cluster: cluster.meta.name.clone(),
                app: app.meta.name.clone(),
            },
            provider_driver: place.driver,
            compose,
            volumes: storage.volumes.clone(),
            ingress: ingress(cluster, app, self.ingress),
            placement: placement.pods.clone(),
            resources: app.resources.iter().map(|(key, value)| (key.clone(), value.value.clone())).collect(),
            isolation: isolation(app),
            network_rules: app.network_policy.clone(),
            boxes: boxes.collect(),
            live_secret_hashes: BTreeMap::new(),
        }
    }

    fn is_of_rule(&self, finding: &Diagnostic) -> bool {
        let rules = &self.app.ingress.rules;
        finding.location.as_ref().is_some_and(|at| rules.iter().any(|rule| rule.location == *at))
    }

    fn object(&self, builder: &mut Builder<'_>, object: &RenderedObject, body: Json, storage: &Storage) {
        let (app, scope) = (self.app, self.app.meta.id.as_str());
        let mut desired = builder.kubernetes(body, &object.sensitive);
        let claimed =
            storage.named.get(&object.address_name).filter(|_| object.kind == ObjectKind::PersistentVolumeClaim);
        if let Some(volume) = claimed {
            desired.set(&["spec", "volumeName"], volume.clone());
        }
        let address = Address::new(scope, object.kind.name(), &object.address_name);
        let mut needs = vec![self.home.address().clone()];
        needs.extend(object.after.iter().map(|(kind, name)| Address::new(scope, kind.name(), name)));
        match object.kind {
            ObjectKind::PersistentVolume => needs.extend(storage.behind.get(&object.address_name).cloned()),
            _ if claimed.is_some() => needs.extend(storage.behind.get(&object.address_name).cloned()),
            ObjectKind::Ingress => needs.extend(self.ingress.class.clone()),
            kind if kind.runs_pods() => needs.extend(storage.needs.iter().chain(self.home.nodes()).cloned()),
            _ => {}
        }
        let location: &Location = object.origin.as_ref().unwrap_or(&app.meta.location);
        let node = builder.add(address, kubernetes::of(object.kind), self.key, desired, location);
        node.depends_on = needs;
        node.protection = lifecycle_protection(&app.lifecycle, false);
        if object.kind.runs_pods() {
            node.ignore_changes.clone_from(&app.lifecycle.ignore_changes);
        }
    }
}

/// What the cluster's and the app's `ingress` say.
fn ingress(cluster: &Cluster, app: &App, installed: &Installed) -> IngressInput {
    let rules = app.ingress.rules.iter().map(|rule| RuleInput {
        name: rule.name.clone(),
        port: rule.port,
        hosts: rule.hosts.iter().map(|host| host.value.clone()).collect(),
        location: Some(rule.location.clone()),
    });
    IngressInput {
        namespace: cluster.ingress.namespace.clone(),
        class: installed.class_name.clone(),
        domain: cluster.ingress.domain.clone(),
        cert_resolver: app.ingress.cert_resolver.clone().or_else(|| cluster.ingress.cert_resolver.clone()),
        rules: rules.collect(),
    }
}

/// Quota and limits as the conversion takes them.
fn isolation(app: &App) -> IsolationInput {
    let texts = |amounts: &BTreeMap<String, Located<String>>| -> BTreeMap<String, String> {
        amounts.iter().map(|(key, amount)| (key.clone(), amount.value.clone())).collect()
    };
    let parts = app.limits.iter().flat_map(|limits| {
        let parts = [
            ("default", &limits.default),
            ("defaultRequest", &limits.default_request),
            ("max", &limits.max),
            ("min", &limits.min),
        ];
        parts.into_iter().filter(|(_, amounts)| !amounts.is_empty())
    });
    IsolationInput {
        quota: app.quota.as_ref().map(|quota| texts(&quota.hard)).unwrap_or_default(),
        quota_origin: app.quota.as_ref().map(|quota| quota.location.clone()),
        limits: parts.map(|(part, amounts)| (part, texts(amounts))).collect(),
        limits_origin: app.limits.as_ref().map(|limits| limits.location.clone()),
    }
}
