//! One object that is wished for, with what is known of it.

use std::borrow::Cow;

use kompox_state::Record;

use super::known::Known;
use super::outputs::outputs_with_id;
use super::view::View;
use crate::engine::diff::{self, Sides};
use crate::engine::graph::Node;
use crate::engine::plan::FieldChange;
use crate::engine::provider::Observed;
use crate::engine::value::{Reference, Value};

/// A wish as it is decided on.
pub(super) struct Wish<'v> {
    pub(super) view: &'v View<'v>,
    pub(super) node: &'v Node,
    /// What it should be, with all outputs that are known by now.
    pub(super) desired: Cow<'v, Value>,
    /// What the state says of it.
    pub(super) record: Option<&'v Record>,
}

impl<'v> Wish<'v> {
    /// The wish of a node; `lookup` knows what others give by now.
    pub(super) fn new(view: &'v View<'v>, node: &'v Node, lookup: &dyn Fn(&Reference) -> Option<Value>) -> Self {
        Self { view, node, desired: Known::resolved(node, lookup), record: view.record(&node.address) }
    }

    /// The id that the object has or will have, as far as known.
    pub(super) fn physical_id(&self) -> Option<String> {
        let wished = self.view.wished_id(self.node, &self.desired);
        wished.or_else(|| self.record.map(|record| record.physical_id.clone()))
    }

    /// What was last applied.
    pub(super) fn last(&self) -> Option<Value> {
        self.record.map(|record| Value::from_stored(&record.applied.value()))
    }

    /// The changes that make what is there as it should be.
    pub(super) fn changes(&self, observed: &Observed) -> Vec<FieldChange> {
        let last = self.last();
        let seen = if observed.object.is_unseen() {
            last.clone().unwrap_or(Value::Null)
        } else {
            let like: Vec<&Value> = [Some(&*self.desired), last.as_ref()].into_iter().flatten().collect();
            diff::mask(self.node.kind, &observed.object.value(), &like, &self.view.digest())
        };
        diff::diff(&Sides {
            kind: self.node.kind,
            last: last.as_ref(),
            observed: &seen,
            desired: &self.desired,
            ignore: &self.node.ignore_changes,
            writers: &observed.writers.read(),
        })
    }

    /// What others take from the object as it is, by its schema.
    pub(super) fn outputs(&self, observed: &Observed) -> Option<serde_json::Value> {
        if !self.view.is_referenced(&self.node.address) {
            return None;
        }
        let mut outputs = outputs_with_id(self.node.kind, observed);
        if observed.object.is_unseen()
            && let Some(record) = self.record
            && let (Some(map), serde_json::Value::Object(recorded)) = (outputs.as_object_mut(), record.outputs.value())
        {
            for (key, value) in recorded {
                map.entry(key).or_insert(value);
            }
        }
        Some(outputs)
    }
}
