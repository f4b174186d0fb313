//! The plan as a whole, and the objects in it that reviewers hear of, before and after.

use std::collections::HashMap;
use std::sync::Arc;

use crate::engine::address::Address;
use crate::engine::kind::Kind;
use crate::engine::plan::PlannedAction;
use crate::engine::planner::fold::Findings;
use crate::engine::planner::view::View;

/// What is reviewed.
pub(super) struct Whole<'v> {
    pub(super) view: &'v View<'v>,
    pub(super) findings: &'v Findings,
    actions: HashMap<&'v Address, &'v PlannedAction>,
}

/// An object before and after the plan, in its stored form; a side that is not there is none.
pub(super) struct Standing {
    /// Its address after the plan.
    pub(super) address: Address,
    /// The address under which the state knows it.
    pub(super) recorded: Address,
    pub(super) kind: &'static Kind,
    pub(super) api: Arc<str>,
    pub(super) before: Option<serde_json::Value>,
    /// What was seen of one that the state does not know.
    pub(super) seen: Option<serde_json::Value>,
    pub(super) after: Option<serde_json::Value>,
}

impl<'v> Whole<'v> {
    /// The plan that was found.
    pub(super) fn new(view: &'v View<'v>, findings: &'v Findings) -> Self {
        Self { view, findings, actions: findings.by_address() }
    }

    /// What is done to an object.
    pub(super) fn action(&self, address: &Address) -> Option<&'v PlannedAction> {
        self.actions.get(address).copied()
    }

    /// Every object of a kind that reviewers hear of, before and after.
    pub(super) fn standing(&self) -> Vec<Standing> {
        let inputs = self.view.inputs;
        let speaks = |kind: &Kind| kind.review.parts.is_some() || kind.volume.is_some() || kind.review.opens.is_some();
        let mut all = Vec::new();
        for (recorded, record) in &self.view.records {
            let Some(kind) = (inputs.kinds)(&record.provider, &record.kind).filter(|kind| speaks(kind)) else {
                continue;
            };
            let address = self.view.address_now(recorded);
            let before = record.applied.value();
            let after = match inputs.graph.get(address) {
                // What is not chosen stays as it is.
                _ if !self.view.is_selected(recorded) && !self.view.is_selected(address) => Some(before.clone()),
                _ if self.findings.unchanged.contains(address) => Some(before.clone()),
                Some(node) => Some(node.desired.to_stored()),
                None => None,
            };
            let (address, recorded, api) = (address.clone(), recorded.clone(), record.provider.api().clone());
            all.push(Standing { address, recorded, kind, api, before: Some(before), seen: None, after });
        }
        for node in inputs.graph.iter().filter(|node| speaks(node.kind) && self.view.is_selected(&node.address)) {
            if self.view.record(&node.address).is_none() {
                let (address, recorded) = (node.address.clone(), node.address.clone());
                let (api, after) = (node.provider.api().clone(), Some(node.desired.to_stored()));
                let seen = self.view.seen(&node.address).filter(|seen| !seen.object.is_unseen());
                let seen = seen.map(|seen| seen.object.value());
                all.push(Standing { address, recorded, kind: node.kind, api, before: None, seen, after });
            }
        }
        all.sort_by(|a, b| a.address.cmp(&b.address));
        all
    }
}
