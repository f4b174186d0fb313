//! What every part of a conversion shares: names, labels, and where findings go.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::input::{ConvertInput, Scope};
use super::object::{ObjectKind, RenderedObject};
use crate::compose::model::Service;
use crate::compose::names;
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::text::dns;

/// The component of what the compose file describes.
pub(super) const APP_COMPONENT: &str = "app";

/// What every part of the conversion shares: names, labels, and where findings go.
pub(super) struct Context<'a> {
    pub(super) input: &'a ConvertInput<'a>,
    pub(super) sp_hash: String,
    pub(super) id_hash: String,
    pub(super) in_hash: String,
    pub(super) namespace: String,
    /// The services that run, in the order of the file.
    pub(super) services: Vec<&'a Service>,
    /// Whether the app has a Pod of its own: not when Boxes take every service.
    pub(super) app_runs: bool,
    /// Components that mount a disk, by name.
    pub(super) on_disks: Vec<String>,
    /// Whether services run as Jobs.
    pub(super) has_jobs: bool,
    /// Services that an ingress rule leads to.
    pub(super) reached: BTreeSet<String>,
    pub(super) diagnostics: Diagnostics,
}

impl<'a> Context<'a> {
    pub(super) fn new(input: &'a ConvertInput<'a>) -> Self {
        let Scope { workspace, provider, cluster, app } = &input.scope;
        let sp_hash = names::sp_hash(workspace, provider);
        let id_hash = names::id_hash(workspace, provider, app);
        let in_hash = names::in_hash(workspace, provider, cluster, app);
        let namespace = names::namespace(&sp_hash, app, &id_hash);
        let services = input.compose.services.iter().filter(|service| service.replicas > 0).collect();
        Self {
            input,
            sp_hash,
            id_hash,
            in_hash,
            namespace,
            services,
            app_runs: true,
            on_disks: Vec::new(),
            has_jobs: false,
            reached: BTreeSet::new(),
            diagnostics: Diagnostics::default(),
        }
    }

    pub(super) fn app(&self) -> &'a str {
        &self.input.scope.app
    }

    /// The names of the app must fit where they are needed.
    pub(super) fn check_scope(&mut self) {
        if !dns::is_label(&self.namespace) {
            let message = format!(
                "the app's name {} is too long: its Namespace {} has more than 63 characters",
                self.app(),
                self.namespace
            );
            self.diagnostics.push(Diagnostic::error("compose-name", message));
        }
    }

    pub(super) fn push(&mut self, diagnostic: Diagnostic, location: &Location) {
        self.diagnostics.push(self.input.compose.sources.locate(diagnostic, location));
    }

    pub(super) fn error(&mut self, code: &'static str, message: impl Into<String>, location: &Location) {
        self.push(Diagnostic::error(code, message), location);
    }

    /// Labels of every object.
    pub(super) fn labels(&self) -> Map<String, Value> {
        let app = self.app();
        let labels = [
            ("app.kubernetes.io/name", app.to_owned()),
            ("app.kubernetes.io/instance", format!("{app}-{}", self.in_hash)),
            ("app.kubernetes.io/managed-by", "kompox".to_owned()),
            ("kompox.dev/app-instance-hash", self.in_hash.clone()),
            ("kompox.dev/app-id-hash", self.id_hash.clone()),
        ];
        labels.into_iter().map(|(key, value)| (key.to_owned(), Value::String(value))).collect()
    }

    /// Labels of what belongs to one component.
    pub(super) fn component_labels(&self, component: &str) -> Map<String, Value> {
        let mut labels = self.labels();
        labels.insert("app".to_owned(), names::component(self.app(), component).into());
        labels.insert("app.kubernetes.io/component".to_owned(), component.into());
        labels
    }

    /// The selector of a component's Pods.
    pub(super) fn selector(&self, component: &str) -> Value {
        json!({ "app": names::component(self.app(), component) })
    }

    /// An object of the app in its Namespace, which comes first: `rest` is what it has beside kind and metadata.
    pub(super) fn object(
        &self,
        kind: ObjectKind,
        name: &str,
        labels: Map<String, Value>,
        rest: Value,
    ) -> RenderedObject {
        let mut body = rest;
        body["apiVersion"] = kind.api_version().into();
        body["kind"] = kind.name().into();
        body["metadata"] = json!({ "name": name, "namespace": self.namespace, "labels": labels });
        RenderedObject {
            body,
            sensitive: Vec::new(),
            kind,
            address_name: name.to_owned(),
            after: vec![self.after_namespace()],
            origin: None,
        }
    }

    /// The edge to the Namespace, which every namespaced object has.
    pub(super) fn after_namespace(&self) -> (ObjectKind, String) {
        (ObjectKind::Namespace, self.app().to_owned())
    }
}
