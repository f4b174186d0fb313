//! Planned actions as they are decided on, one by one, before they are put into order.

use super::outputs::observed_fields;
use super::view::View;
use super::wish::Wish;
use crate::engine::identity::Identity;
use crate::engine::plan::{FieldChange, PlannedAction, Precondition, Restart, Verb};
use crate::engine::provider::Observed;
use crate::engine::value::Value;
use kompox_state::Record;

/// An action that is decided on.
#[derive(Debug)]
pub(super) struct Draft {
    /// The action; it waits for no other yet.
    pub(super) action: PlannedAction,
    /// The restart that it causes.
    pub(super) restart: Option<Restart>,
    /// The object that there will be, where that is another one than there is.
    pub(super) becomes: Option<Identity>,
}

impl Draft {
    /// An action on what is wished for. `observed` is what is there; `unconfirmed` says why nobody could ask.
    pub(super) fn wished(
        wish: &Wish<'_>,
        verb: Verb,
        reason: impl Into<String>,
        observed: Option<&Observed>,
        unconfirmed: Option<String>,
    ) -> Self {
        let (view, node) = (wish.view, wish.node);
        let mut protection =
            node.protection.over(&wish.record.map(|record| record.protection.clone()).unwrap_or_default());
        if node.read_only {
            // It is somebody else's: whatever the manifests say later, it is forgotten and never deleted.
            protection.adopted = true;
        } else if verb == Verb::Import && node.kind.marked {
            protection.adopted = observed.is_some_and(|seen| seen.lineage.as_deref() != Some(view.inputs.lineage));
        }
        let whole = matches!(verb, Verb::Create | Verb::Replace | Verb::Import);
        let action = PlannedAction {
            reason: reason.into(),
            origin: node.origin.clone(),
            physical_id: observed.map(|observed| observed.physical_id.clone()).or_else(|| wish.physical_id()),
            uid: observed.and_then(|observed| observed.uid.clone()),
            after: whole.then(|| wish.desired.clone().into_owned()),
            desired_digest: Some(node.desired.digest()),
            precondition: precondition(wish, observed, unconfirmed.is_none()),
            unconfirmed,
            force: view.inputs.options.force_conflicts.contains(&node.address),
            moved_from: view.old_address(&node.address).cloned(),
            protection,
            dependencies: view.inputs.graph.dependencies(&node.address).into_iter().cloned().collect(),
            ..PlannedAction::new(verb, node.address.clone(), node.kind.name, node.provider.clone())
        };
        Self::from(action)
    }

    /// An action on what the state knows and nobody wishes for, or that a change of the state alone is about.
    pub(super) fn recorded(
        view: &View<'_>,
        record: &Record,
        verb: Verb,
        reason: impl Into<String>,
        observed: Option<&Observed>,
    ) -> Self {
        let uid = observed.and_then(|observed| observed.uid.clone());
        let action = PlannedAction {
            reason: reason.into(),
            origin: view.inputs.graph.get(&record.address).and_then(|node| node.origin.clone()),
            physical_id: Some(record.physical_id.clone()),
            uid: uid.clone(),
            precondition: Precondition {
                record_serial: Some(record.updated_serial),
                existed: (!view.inputs.options.offline).then_some(observed.is_some()),
                uid,
                ..Precondition::default()
            },
            protection: record.protection.clone(),
            dependencies: record.dependencies.clone(),
            ..PlannedAction::new(verb, record.address.clone(), &record.kind, record.provider.clone())
        };
        Self::from(action)
    }

    /// With fields that change.
    #[must_use]
    pub(super) fn changing(mut self, changes: Vec<FieldChange>) -> Self {
        self.action.changes = changes;
        self
    }

    /// With the restart that it causes.
    #[must_use]
    pub(super) fn restarting(mut self, because: Option<String>) -> Self {
        let address = &self.action.address;
        self.restart = because.map(|because| Restart { address: address.clone(), because });
        self
    }
}

impl From<PlannedAction> for Draft {
    fn from(action: PlannedAction) -> Self {
        Self { action, restart: None, becomes: None }
    }
}

fn precondition(wish: &Wish<'_>, observed: Option<&Observed>, asked: bool) -> Precondition {
    let seen = observed.filter(|observed| !observed.object.is_unseen()).map(|observed| {
        let last = wish.last();
        observed_fields(wish.node.kind, &observed.object.value(), &wish.desired, last.as_ref(), &wish.view.digest())
    });
    Precondition {
        record_serial: wish.record.or_else(|| wish.view.lost(wish.node)).map(|record| record.updated_serial),
        existed: (asked && wish.view.looks_at(wish.node.kind)).then_some(observed.is_some()),
        uid: observed.and_then(|observed| observed.uid.clone()),
        observed_digest: seen.as_ref().map(Value::digest),
        observed: seen.as_ref().map(Value::to_stored),
        outputs: None,
    }
}
