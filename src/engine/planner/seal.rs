//! Locks and what they forbid: what is refused while one stays, and the order in which one is set or lifted. Also what a
//! change does to others.

use std::collections::HashMap;

use super::Planner;
use super::handover::Handover;
use crate::engine::address::Address;
use crate::engine::diff::to_pointer;
use crate::engine::kind::Seal;
use crate::engine::plan::{Danger, Mode, PlannedAction, Verb};

/// A lock before and after this plan.
struct Sealed {
    address: Address,
    before: Option<Seal>,
    after: Option<Seal>,
}

impl Seal {
    /// Whether the lock refuses an action: by the object's id, or because the API it is in lives in what is locked, whose
    /// credentials a lock on all changes keeps back.
    fn forbids(&self, planned: &PlannedAction) -> bool {
        let deletes = matches!(planned.action, Verb::Delete | Verb::Replace);
        let writes = deletes || matches!(planned.action, Verb::Create | Verb::Update | Verb::Import);
        let scope = self.scope.to_ascii_lowercase();
        let within = |id: &str| {
            id.to_ascii_lowercase().strip_prefix(&scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match planned.provider.rsplit_once('#') {
            Some((_, host)) => self.changes && writes && within(host),
            None if self.changes => writes && planned.physical_id.as_deref().is_some_and(within),
            None => deletes && planned.physical_id.as_deref().is_some_and(within),
        }
    }
}

impl Planner<'_> {
    /// Who must wait for a lock to be lifted, and for whom a lock that is set must wait. What a lock that stays forbids is
    /// a problem, and so is a change of what nobody can read.
    pub(super) fn seals(&mut self) -> Vec<Handover> {
        let sealed = self.sealed();
        let locks = |address: &Address| sealed.iter().any(|one| one.address == *address);
        let mut waits = Vec::new();
        let mut refused: HashMap<Address, (Address, usize)> = HashMap::new();
        let mut unreadable = Vec::new();
        for planned in self.actions.iter().filter(|planned| !locks(&planned.address)) {
            let mut lifted = false;
            for one in &sealed {
                let forbids = |seal: &Option<Seal>| seal.as_ref().is_some_and(|seal| seal.forbids(planned));
                match (forbids(&one.before), forbids(&one.after)) {
                    (false, false) => {}
                    (true, true) => {
                        refused.entry(one.address.clone()).or_insert((planned.address.clone(), 0)).1 += 1;
                        lifted = true;
                    }
                    (false, true) => waits.push(Handover { from: planned.address.clone(), to: one.address.clone() }),
                    (true, false) => {
                        waits.push(Handover { from: one.address.clone(), to: planned.address.clone() });
                        lifted = true;
                    }
                }
            }
            let writes = !matches!(planned.action, Verb::NoOp | Verb::Read | Verb::Forget | Verb::Refresh | Verb::Move);
            if writes
                && !lifted
                && let Some(error) = self.locked.get(&planned.address)
            {
                unreadable.push((planned.address.clone(), error.clone(), planned.origin.clone()));
            }
        }
        for (lock, (first, count)) in refused {
            let others = match count {
                1 => String::new(),
                2 => " and 1 other change".to_owned(),
                more => format!(" and {} other changes", more - 1),
            };
            let origin = self.inputs.graph.get(&lock).and_then(|node| node.origin.clone());
            let problem = self.problem(Some(&lock), format!("{lock} stays and refuses {first}{others}"), origin);
            problem.help.push(
                "lift it in the same apply: set `lock: false` in the protection of the Cluster; it is lifted first"
                    .to_owned(),
            );
            problem.help.push("then set it again: it comes back after everything else".to_owned());
        }
        let hidden = self.locked.len() - unreadable.len().min(self.locked.len());
        if let Some(error) = self.locked.values().next().filter(|_| hidden > 0) {
            let objects = if hidden == 1 { "1 object is".to_owned() } else { format!("{hidden} objects are") };
            let text =
                format!("{objects} taken as the state knows them, because they cannot be read: {}", error.message);
            self.notes.push(Danger {
                code: "unreadable".into(),
                address: None,
                text,
                help: error.hint.clone().into_iter().collect(),
            });
        }
        for (address, error, origin) in unreadable {
            self.unreadable(&address, error, origin);
        }
        waits
    }

    fn sealed(&self) -> Vec<Sealed> {
        let planned: HashMap<&Address, &PlannedAction> =
            self.actions.iter().map(|planned| (&planned.address, planned)).collect();
        let renamed = |address: &Address| {
            self.moved.iter().find(|(_, old)| *old == address).map_or_else(|| address.clone(), |(new, _)| new.clone())
        };
        let mut all: Vec<Sealed> = Vec::new();
        for record in &self.inputs.snapshot.records {
            let seals = (self.inputs.kinds)(&record.kind).and_then(|kind| kind.seals);
            let Some(seals) = seals else { continue };
            let address = renamed(&record.address.clone());
            let id = record.physical_id.as_str();
            let mut applied = record.applied.value();
            let action = planned.get(&address).copied();
            for change in action.map(|planned| planned.changes.as_slice()).unwrap_or_default() {
                if let (Some(place), Some(before)) = (applied.pointer_mut(&to_pointer(&change.path)), &change.before) {
                    *place = before.to_stored();
                }
            }
            let gone = action.is_some_and(|planned| {
                planned.action == Verb::Forget && planned.precondition.existed != Some(true)
                    || planned.action == Verb::Create
            });
            let before = if gone { None } else { seals(id, &applied) };
            let after = match action.map(|planned| planned.action) {
                Some(Verb::Delete) => None,
                Some(Verb::Create | Verb::Update | Verb::Replace | Verb::Import) => {
                    let wished = self.inputs.graph.get(&address).map(|node| node.desired.to_stored());
                    wished.and_then(|wished| seals(id, &wished))
                }
                _ => before.clone(),
            };
            all.push(Sealed { address, before, after });
        }
        for node in self.inputs.graph.iter() {
            if let Some(seals) = node.kind.seals
                && let Some(planned) = planned.get(&node.address)
                && matches!(planned.action, Verb::Create | Verb::Import)
                && !all.iter().any(|one| one.address == node.address)
            {
                let id = planned.physical_id.as_deref().unwrap_or_default();
                let after = seals(id, &node.desired.to_stored());
                let before = if planned.action == Verb::Import { after.clone() } else { None };
                all.push(Sealed { address: node.address.clone(), before, after });
            }
        }
        all
    }

    /// Says what replacements, removals and changes of some fields do to others.
    pub(super) fn disturbances(&mut self) {
        if self.inputs.mode != Mode::Apply {
            return;
        }
        for planned in &self.actions {
            let Some(disturbs) = (self.inputs.kinds)(&planned.kind).and_then(|kind| kind.disturbs) else { continue };
            let hit = planned
                .changes
                .iter()
                .find(|change| disturbs.fields.iter().any(|pattern| change.path.matches(pattern)));
            let what = match (planned.action, hit) {
                (Verb::Replace, _) => "replaced".to_owned(),
                (Verb::Update | Verb::Import, Some(change)) => format!("{} changes", change.path),
                _ => continue,
            };
            let text = format!("{what}: {}", disturbs.text);
            self.dangers.push(Danger::about("disturbed", &planned.address, text));
        }
    }
}
