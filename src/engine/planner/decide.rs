//! What to do with each object that should exist.

use std::borrow::Cow;
use std::collections::HashSet;

use futures::StreamExt;
use kompox_state::Record;

use super::explain::{describe, describe_protection, describe_replacement, show};
use super::{Planner, Question, Strayed, changed_outputs, observed_fields, outputs_with_id, release};
use crate::engine::address::Address;
use crate::engine::diff::{self, Sides};
use crate::engine::graph::{Node, Protection};
use crate::engine::ground;
use crate::engine::identity::{Identity, same_api};
use crate::engine::kind::{Holds, InPlace, Refusal, Replace, Verdict};
use crate::engine::plan::{Cause, Danger, FieldChange, PlannedAction, Precondition, Restart, Verb};
use crate::engine::provider::{Observation, Observed, Preview, Transition, api_of};
use crate::engine::value::{Path, Reference, Value};

/// Why an object is applied again although nothing of it differs.
const UNREADY: &str = "it was not ready when the last apply left it";

impl<'a> Planner<'a> {
    /// The outputs of an object that exists, by its schema.
    fn keep_outputs(&mut self, node: &Node, observed: &Observed) {
        if !self.referenced.contains(&node.address) {
            return;
        }
        let mut outputs = outputs_with_id(node.kind, observed);
        if observed.object.is_null()
            && let Some(record) = self.record(&node.address)
            && let (Some(map), serde_json::Value::Object(recorded)) = (outputs.as_object_mut(), record.outputs.value())
        {
            for (key, value) in recorded {
                map.entry(key).or_insert(value);
            }
        }
        self.outputs.insert(node.address.clone(), outputs);
    }

    pub(super) fn decide(&mut self, node: &'a Node) {
        let lookup = |reference: &Reference| {
            let outputs = self.outputs.get(&reference.address)?;
            outputs.pointer(&reference.output).filter(|value| !value.is_null()).map(Value::from)
        };
        let desired = if node.desired.has_unknown() {
            Cow::Owned(node.desired.resolve(&lookup))
        } else {
            Cow::Borrowed(&node.desired)
        };
        let observation = self.observations.remove(&node.address).unwrap_or(Observation::Missing);
        let record = self.record(&node.address);
        if let (Some(record), Observation::Found(observed)) = (record, &observation)
            && self.refuse_strayed(node, &desired, record, observed)
        {
            return;
        }
        if let (Some(uses), Observation::Found(observed)) = (node.kind.uses, &observation)
            && let Some(seen) = uses(&observed.object)
        {
            self.seen.insert(node.address.clone(), seen);
        }
        if let (Some(unattached), Observation::Found(observed)) = (node.kind.unattached, &observation)
            && unattached(&observed.object)
        {
            self.unattached.insert(observed.physical_id.to_lowercase());
        }
        if let Observation::Found(observed) = &observation {
            self.uids.insert(node.address.clone(), observed.uid.clone());
            if !node.read_only && self.is_ending(node, observed) {
                self.after_end(node, &desired, record, observed);
                return;
            }
        }
        match (record, observation) {
            // Nothing is done in a cluster that is given up.
            (_, Observation::Failed(_)) if self.is_abandoned(&node.address) => {}
            (_, Observation::Failed(error)) => self.unreadable(&node.address, error, node.origin.clone()),
            (None, Observation::Found(observed)) if node.read_only => {
                self.keep_outputs(node, &observed);
                self.push(
                    node,
                    &desired,
                    Some(&observed),
                    Verb::Read,
                    "it exists and is only read".into(),
                    Vec::new(),
                    None,
                );
            }
            (Some(record), Observation::Found(observed)) if node.read_only => {
                self.keep_outputs(node, &observed);
                if record.protection.adopted {
                    self.unchanged.insert(node.address.clone());
                } else {
                    let reason = "it is only read from now on".to_owned();
                    self.push(node, &desired, Some(&observed), Verb::Refresh, reason, Vec::new(), None);
                }
            }
            (_, Observation::Missing | Observation::NotYet(_)) if node.read_only => {
                let message = format!(
                    "{} does not exist, and the manifest says that kompox must not make it (existing: true)",
                    node.address
                );
                self.problem(Some(&node.address), message, node.origin.clone());
            }
            (None, Observation::Missing) => match &node.import {
                Some(id) => {
                    let message = format!("{} cannot be imported: there is nothing with the id {id}", node.address);
                    let problem = self.problem(Some(&node.address), message, node.origin.clone());
                    problem.help.push("check the id, or remove the import to make a new one".into());
                }
                None => self.create(node, desired.into_owned(), "new".into(), None),
            },
            (None, Observation::NotYet(reason)) if node.import.is_some() => {
                let message = format!("{} cannot be imported without looking at it: {reason}", node.address);
                let problem = self.problem(Some(&node.address), message, node.origin.clone());
                problem.help.push("plan without --offline and --refresh=false".into());
            }
            (None, Observation::NotYet(reason)) => self.create(node, desired.into_owned(), "new".into(), Some(reason)),
            (None, Observation::Found(observed)) => self.adopt(node, desired.into_owned(), *observed),
            (Some(record), Observation::Missing | Observation::NotYet(_)) if node.kind.holds == Holds::Data => {
                let message = format!(
                    "{} is gone: the state knows it as {}, and it holds data",
                    node.address, record.physical_id
                );
                let problem = self.problem(Some(&node.address), message, node.origin.clone());
                problem.help.push(format!("restore it and adopt it:  kompox import {} <id>", node.address));
                problem.help.push(format!("or start with an empty one:  kompox state rm {}", node.address));
            }
            (Some(_), Observation::Missing) => {
                self.create(node, desired.into_owned(), "it was deleted outside of kompox".into(), None)
            }
            (Some(_), Observation::NotYet(reason)) => {
                self.create(node, desired.into_owned(), "what it lived in is gone".into(), Some(reason));
            }
            (Some(record), Observation::Found(observed)) => self.compare(node, desired, record, *observed),
        }
    }

    /// Whether an object is being deleted, by itself or with what holds it.
    fn is_ending(&self, node: &Node, observed: &Observed) -> bool {
        observed.transition == Some(Transition::Deleting)
            || self.inputs.graph.dependencies(&node.address).into_iter().any(|need| self.ending.contains(need))
    }

    /// What is wanted is being deleted: it is made anew once it is gone.
    fn after_end(&mut self, node: &'a Node, desired: &Value, record: Option<&Record>, observed: &Observed) {
        if node.kind.holds == Holds::Data {
            let message = format!("{} is being deleted, and it holds data: {}", node.address, observed.physical_id);
            let problem = self.problem(Some(&node.address), message, node.origin.clone());
            problem.help.push("wait until it is gone, and see who deletes it".into());
            if record.is_some() {
                problem.help.push(format!("then restore it and adopt it:  kompox import {} <id>", node.address));
                problem.help.push(format!("or start with an empty one:  kompox state rm {}", node.address));
            }
            return;
        }
        if node.kind.holds == Holds::Objects {
            self.ending.insert(node.address.clone());
        }
        let text = format!("is being deleted: {}; it is made anew once it is gone", observed.physical_id);
        let help = vec![
            "as long as something uses it, it does not go; to end that and it:".to_owned(),
            format!("kompox destroy --target {}", node.address),
        ];
        self.notes.push(Danger { help, ..Danger::about("ending", &node.address, text) });
        let unconfirmed = node.kind.preview.then(|| "what is there now is being deleted".to_owned());
        let reason = "what is there is being deleted; it is made anew once that is gone".to_owned();
        self.push(node, desired, Some(observed), Verb::Create, reason, Vec::new(), unconfirmed);
        if let Some(action) = self.actions.last_mut() {
            action.ending = true;
            // That it ends in the meantime is what is waited for.
            action.precondition =
                Precondition { record_serial: action.precondition.record_serial, ..Precondition::default() };
        }
    }

    fn create(&mut self, node: &'a Node, desired: Value, reason: String, unconfirmed: Option<String>) {
        if node.kind.preview
            && unconfirmed.is_none()
            && let Ok(request) = desired.to_request()
        {
            let target = node.target(self.physical_id(node, &desired));
            let (action, desired) = (self.actions.len(), desired.clone());
            self.questions.push(Question { action, target, desired, request, observed: None, release: None });
        }
        self.push(node, &desired, None, Verb::Create, reason, Vec::new(), unconfirmed);
    }

    fn physical_id(&self, node: &Node, desired: &Value) -> Option<String> {
        let wanted = self.inputs.providers.get(&node.provider).and_then(|one| one.physical_id(node.kind, desired));
        wanted.or_else(|| self.record(&node.address).map(|record| record.physical_id.clone()))
    }

    /// The id that the wish gives, where that is another object than the recorded one.
    fn elsewhere(&self, node: &Node, desired: &Value, record: &Record) -> Option<String> {
        let provider = self.inputs.providers.get(&node.provider)?;
        let wanted = provider.physical_id(node.kind, desired)?;
        // Nearly all are to the letter where they were.
        if wanted.eq_ignore_ascii_case(&record.physical_id) {
            return None;
        }
        let identity = Identity::new(&node.provider, &wanted);
        if identity == Identity::of(record) {
            return None;
        }
        // Some objects have names that others gave them (a role that was assigned already): of these the wish tells whether
        // it still means the same.
        let last = provider.physical_id(node.kind, &Value::from_stored(&record.applied.value()));
        (last.map(|last| Identity::new(&node.provider, &last)) != Some(identity)).then_some(wanted)
    }

    /// What is recorded in one API and wanted in another is no change of it, and nothing that one action could do.
    fn refuse_strayed(&mut self, node: &Node, desired: &Value, record: &Record, observed: &Observed) -> bool {
        if node.read_only {
            // What is only read may be another one from now on, but what kompox made is not dropped for it.
            let other = Identity::new(&node.provider, &observed.physical_id) != Identity::of(record);
            if other && !record.protection.adopted {
                let message = format!(
                    "{} is {}, which kompox made, and the manifest would read {} instead",
                    node.address, record.physical_id, observed.physical_id
                );
                let problem = self.problem(Some(&node.address), message, node.origin.clone());
                problem.help.push("undo this change, or remove the one that kompox made first:".into());
                problem.help.push(format!("kompox destroy --target {}", node.address));
                return true;
            }
            return false;
        }
        if same_api(&record.provider, &node.provider) {
            return false;
        }
        let wanted = self.inputs.providers.get(&node.provider).and_then(|one| one.physical_id(node.kind, desired));
        let first = || Strayed {
            address: node.address.clone(),
            origin: node.origin.clone(),
            physical_id: record.physical_id.clone(),
            wanted,
            others: 0,
        };
        let apis = (api_of(&record.provider), api_of(&node.provider));
        self.strayed.entry(apis).and_modify(|same| same.others += 1).or_insert_with(first);
        true
    }

    /// Something is there and the state does not know it.
    fn adopt(&mut self, node: &'a Node, desired: Value, observed: Observed) {
        let ours = observed.lineage.as_deref() == Some(self.inputs.lineage);
        let wished = node.import.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(&observed.physical_id));
        let interrupted = self.inputs.snapshot.open_intents.iter().any(|intent| intent.address == node.address);
        let reason = if wished {
            "the manifest adopts it".to_owned()
        } else if interrupted {
            "an interrupted apply made it".to_owned()
        } else if !node.kind.marked {
            "it exists already".to_owned()
        } else if ours && node.kind.holds != Holds::Data {
            "an earlier apply of this state made it".to_owned()
        } else {
            let id = &observed.physical_id;
            let (message, why) = if ours {
                (
                    format!("{} exists already: {id}", node.address),
                    "it may hold data, so it is adopted only when you say so",
                )
            } else {
                (
                    format!("{} exists already and is not ours: {id}", node.address),
                    "it is never touched unless you adopt it",
                )
            };
            let problem = self.problem(Some(&node.address), message, node.origin.clone());
            problem.help.push(format!("{why}:"));
            problem.help.push(format!("kompox import {} {id}", node.address));
            problem.foreign = (!ours).then(|| id.clone());
            return;
        };
        let changes = self.changes(node, &desired, None, &observed);
        if self.refuse_replacement(node, &observed.physical_id, &changes) {
            return;
        }
        let Some(mut changes) = self.judged(node, &observed.physical_id, changes) else { return };
        if matches!(node.kind.replace, Replace::DeleteFirst)
            && let Some(fixed) = changes.iter().find(|change| change.forces_replacement)
        {
            let (id, null) = (&observed.physical_id, Value::Null);
            let (before, after) = (fixed.before.as_ref().unwrap_or(&null), fixed.after.as_ref().unwrap_or(&null));
            let message = format!(
                "{} exists already and cannot become as the manifest says: {} {} → {} ({id})",
                node.address,
                fixed.path,
                show(before),
                show(after)
            );
            let origin = node.origin_of(&fixed.path).cloned();
            let problem = self.problem(Some(&node.address), message, origin);
            problem.help.push("write what it is into the manifest, or delete it first; then it is made anew".into());
            return;
        }
        if let Some(other) = observed.lineage.as_deref().filter(|_| node.kind.marked && !ours) {
            // Without our mark the next plan would take it for the other state's.
            changes.push(FieldChange {
                path: Path::root().key("lineage"),
                before: Some(other.into()),
                after: Some(self.inputs.lineage.into()),
                cause: Cause::Manifest,
                forces_replacement: false,
            });
        }
        changes.extend(release(&observed));
        self.keep_outputs(node, &observed);
        self.restarts_of(node, &changes);
        self.push(node, &desired, Some(&observed), Verb::Import, reason, changes, None);
    }

    /// The changes that make it as desired.
    fn changes(&self, node: &Node, desired: &Value, record: Option<&Record>, observed: &Observed) -> Vec<FieldChange> {
        let last = record.map(|record| Value::from_stored(&record.applied.value()));
        let observed_value = if observed.object.is_null() {
            last.clone().unwrap_or(Value::Null)
        } else {
            let like: Vec<&Value> = [Some(desired), last.as_ref()].into_iter().flatten().collect();
            diff::mask(node.kind, &observed.object, &like, &self.digest())
        };
        let sides = Sides {
            kind: node.kind,
            last: last.as_ref(),
            observed: &observed_value,
            desired,
            ignore: &node.ignore_changes,
            writers: &observed.writers,
        };
        diff::diff(&sides)
    }

    fn compare(&mut self, node: &'a Node, desired: Cow<'_, Value>, record: &'a Record, observed: Observed) {
        let protection = &record.protection;
        if node.kind.marked
            && !protection.adopted
            && observed.lineage.as_deref().is_some_and(|lineage| lineage != self.inputs.lineage)
        {
            let message = format!("{} now belongs to another state: {}", node.address, observed.physical_id);
            let problem = self.problem(Some(&node.address), message, node.origin.clone());
            problem.help.push(format!("forget it here:  kompox state rm {}", node.address));
            return;
        }
        // What one of these stood on may be about to be made anew; only what is another state's speaks against it.
        let grounds = self.stands_on(record, node.kind);
        if let Some(why) = grounds.and_then(|grounds| ground::theirs(&grounds, self.inputs.lineage)) {
            let message = format!("{} is not this state's: {why}", node.address);
            let problem = self.problem(Some(&node.address), message, node.origin.clone());
            problem.help.push(format!("forget it here:  kompox state rm {}", node.address));
            return;
        }
        let progress = &record.progress;
        // A record that never learned a uid cannot tell.
        if node.kind.holds == Holds::Data && observed.uid.is_some() && progress.uid != observed.uid {
            let message = match progress.uid {
                Some(_) => format!(
                    "{} is not the one that kompox made: {} was deleted and made anew, so its data is not the app's",
                    node.address, observed.physical_id
                ),
                None => format!(
                    "{}: the state does not say whether {} is the one that kompox made",
                    node.address, observed.physical_id
                ),
            };
            let problem = self.problem(Some(&node.address), message, node.origin.clone());
            problem.help.push(format!("forget the old one:  kompox state rm {}", node.address));
            problem.help.push(format!("adopt the new one:  kompox import {} {}", node.address, observed.physical_id));
            return;
        }
        if let Some(wanted) = self.elsewhere(node, &desired, record) {
            self.wanted.push((Identity::new(&node.provider, &wanted), node.address.clone()));
            let mut changes = self.changes(node, &desired, Some(record), &observed);
            if !changes.iter().any(|change| change.forces_replacement) {
                changes.push(FieldChange {
                    path: Path::root().key("id"),
                    before: Some(observed.physical_id.as_str().into()),
                    after: Some(wanted.into()),
                    cause: Cause::Manifest,
                    forces_replacement: true,
                });
            }
            self.replace(node, &desired, &observed, record, changes, false);
            return;
        }
        // Most objects are to the letter as they were applied; only the others are worth a walk.
        let as_it_was = !observed.object.is_null()
            && desired.is_stored_as(record.applied.text())
            && desired.is_observed_in(&observed.object, &self.digest());
        let changes = if as_it_was { Vec::new() } else { self.changes(node, &desired, Some(record), &observed) };
        let Some(mut changes) = self.judged(node, &observed.physical_id, changes) else { return };
        if let Some(tie) = &observed.tie {
            // What it was tied to is gone, so it can be tied to another.
            let beside = tie.path.0.split_last().map_or(&[][..], |(_, parent)| parent);
            let tied = changes.iter_mut().filter(|change| change.path.0.starts_with(beside));
            tied.for_each(|change| change.forces_replacement = false);
        }
        let forced = self.inputs.options.replace.contains(&node.address);
        if forced || changes.iter().any(|change| change.forces_replacement) {
            self.replace(node, &desired, &observed, record, changes, forced);
            return;
        }
        self.keep_outputs(node, &observed);
        let release = release(&observed);
        let unready = !observed.ready && (progress.unready || lets_go(node, record));
        // A digest is made only where somebody asks for it: it costs more than the comparison.
        let changed_wish = !as_it_was && (node.kind.preview || unready) && desired.digest() != record.desired_digest;
        if unready && !changed_wish && changes.is_empty() {
            let reason = explain_release(&observed).unwrap_or_else(|| UNREADY.to_owned());
            let changes = release.into_iter().collect();
            self.push(node, &desired, Some(&observed), Verb::Update, reason, changes, None);
            return;
        }
        if node.kind.preview
            && !observed.object.is_null()
            && (!changes.is_empty() || changed_wish)
            && let Ok(mut request) = desired.to_request()
        {
            diff::keep_ignored(node.kind, &mut request, &observed.object, &node.ignore_changes);
            let target = node.target(Some(observed.physical_id.clone()));
            let reason = describe(&changes);
            self.push(node, &desired, Some(&observed), Verb::Update, reason, changes, None);
            let action = self.actions.len() - 1;
            let desired = desired.into_owned();
            self.questions.push(Question { action, target, desired, request, observed: Some(observed), release });
            return;
        }
        if let Some(reason) = explain_release(&observed) {
            changes.extend(release);
            self.guard_update(node, protection);
            self.push(node, &desired, Some(&observed), Verb::Update, reason, changes, None);
            return;
        }
        if changes.is_empty() && observed.transition != Some(Transition::Failed) {
            self.settle(node, &desired, &observed, record);
            return;
        }
        let reason = match observed.transition {
            Some(Transition::Failed) if changes.is_empty() => "its last operation failed".to_owned(),
            _ => describe(&changes),
        };
        self.guard_update(node, protection);
        self.restarts_of(node, &changes);
        self.push(node, &desired, Some(&observed), Verb::Update, reason, changes, None);
    }

    /// Nothing differs in the cloud; the record may still need to learn of something.
    fn settle(&mut self, node: &'a Node, desired: &Value, observed: &Observed, record: &Record) {
        match self.bookkeeping(node, record, Some(observed)) {
            Some((action, reason, changes)) => self.push(node, desired, Some(observed), action, reason, changes, None),
            None => {
                self.unchanged.insert(node.address.clone());
            }
        }
    }

    /// What the record must learn although its object stays as it is: a move, another protection, another order.
    fn bookkeeping(
        &self,
        node: &Node,
        record: &Record,
        observed: Option<&Observed>,
    ) -> Option<(Verb, String, Vec<FieldChange>)> {
        if self.moved.contains_key(&node.address) {
            return Some((Verb::Move, "it was renamed in the manifest".to_owned(), Vec::new()));
        }
        let outputs = observed.map(|observed| changed_outputs(node.kind, record, observed)).unwrap_or_default();
        if !outputs.is_empty() {
            return Some((Verb::Refresh, "what others take from it changed outside of kompox".to_owned(), outputs));
        }
        let wanted = node.protection.over(&record.protection);
        if wanted != record.protection {
            return Some((Verb::Refresh, describe_protection(&record.protection, &wanted), Vec::new()));
        }
        // A destroy works from the state alone, so its order must be today's.
        let needs = self.inputs.graph.dependencies(&node.address);
        let recorded = |need: &Address| record.dependencies.contains(need);
        let known = needs.iter().all(|need| recorded(self.moved.get(*need).unwrap_or(need)));
        (!known || needs.len() != record.dependencies.len())
            .then(|| (Verb::Refresh, "what it depends on changes".to_owned(), Vec::new()))
    }

    fn guard_update(&mut self, node: &Node, protection: &Protection) {
        if protection.read_only {
            let message = format!("{} is protected: nothing of it may change (readOnly)", node.address);
            let problem = self.problem(Some(&node.address), message, node.origin.clone());
            problem.help.push("apply protection: none first, then this change".into());
        }
    }

    /// Whether changes would need a replacement that the kind refuses; then the problem is recorded.
    fn refuse_replacement(&mut self, node: &Node, physical_id: &str, changes: &[FieldChange]) -> bool {
        let Replace::Refused(help) = node.kind.replace else { return false };
        let mut refused = false;
        for change in changes.iter().filter(|change| change.forces_replacement) {
            refused = true;
            let null = Value::Null;
            let (before, after) = (change.before.as_ref().unwrap_or(&null), change.after.as_ref().unwrap_or(&null));
            let name = node.address.name();
            let origin = node.origin_of(&change.path).cloned();
            let is_data = node.kind.holds == Holds::Data;
            let is_id = change.path == Path::root().key("id");
            let applied = self.record(&node.address).map(|record| Value::from_stored(&record.applied.value()));
            let last = applied.as_ref().and_then(|applied| diff::lookup(node.kind, applied, &change.path));
            let refusal = Refusal {
                name,
                physical_id,
                path: &change.path,
                before,
                after,
                outside: !is_id && (matches!(change.cause, Cause::Drift { .. }) || last != change.before.as_ref()),
                place: origin.as_ref().map(ToString::to_string),
                users: if is_data { self.users_of(physical_id) } else { Vec::new() },
            };
            let lost = if is_data { ", and its data would be lost" } else { " while it is in use" };
            let (path, before, after) = (&change.path, show(before), show(after));
            let message = if refusal.outside && is_data && applied.is_some() {
                format!(
                    "{} is not as the manifests say; for that it would have to be replaced{lost}: {path} is {before}, not \
                     {after}",
                    node.address
                )
            } else {
                format!("{} would have to be replaced{lost}: {path} {before} → {after}", node.address)
            };
            // Another id is another object: nothing that the kind could say leads there.
            let lines = if is_id {
                vec![format!("undo this change: what is kept stays where it is, {physical_id}")]
            } else {
                help(&refusal)
            };
            let lines = lines.into_iter().map(|line| line.replace("ADDRESS", node.address.as_str()));
            self.problem(Some(&node.address), message, origin).help.extend(lines);
        }
        refused
    }

    /// The changes that the API carries out, by the kind's own verdict; `None` if it refuses one, which is a problem then.
    fn judged(&mut self, node: &Node, physical_id: &str, changes: Vec<FieldChange>) -> Option<Vec<FieldChange>> {
        let Some(verdict) = node.kind.verdict else { return Some(changes) };
        let mut kept = Vec::with_capacity(changes.len());
        let mut refused = false;
        for change in changes {
            let null = Value::Null;
            let judged = verdict(&InPlace {
                physical_id,
                path: &change.path,
                before: change.before.as_ref().unwrap_or(&null),
                after: change.after.as_ref().unwrap_or(&null),
                drifted: matches!(change.cause, Cause::Drift { .. }),
            });
            match judged {
                Verdict::Accepted => kept.push(change),
                Verdict::Left(text) => {
                    self.dangers.push(Danger::about("left", &node.address, text));
                }
                Verdict::Refused(why, help) => {
                    refused = true;
                    let origin = node.origin_of(&change.path).cloned();
                    let message = format!("{} {why}", node.address);
                    self.problem(Some(&node.address), message, origin).help.extend(help);
                }
            }
        }
        (!refused).then_some(kept)
    }

    #[allow(clippy::too_many_arguments)]
    fn replace(
        &mut self,
        node: &'a Node,
        desired: &Value,
        observed: &Observed,
        record: &Record,
        changes: Vec<FieldChange>,
        forced: bool,
    ) {
        if self.refuse_replacement(node, &observed.physical_id, &changes) {
            return;
        }
        if matches!(node.kind.replace, Replace::Refused(_)) {
            let message = format!("{} is never replaced: its data would be lost", node.address);
            self.problem(Some(&node.address), message, node.origin.clone());
            return;
        }
        // By what they need, under the name that they know it by, and by where they are.
        let identity = Identity::of(record);
        let inside = self.inputs.snapshot.records.iter().filter(|other| {
            other.address != record.address
                && (other.dependencies.contains(&record.address) || identity.holds(&Identity::of(other)))
        });
        if node.kind.holds == Holds::Objects
            && let Some(inner) = inside.map(|other| other.address.clone()).next()
        {
            let message = format!(
                "{} would have to be replaced with everything in it, {inner} for one: {}",
                node.address,
                describe_replacement(&changes)
            );
            let problem = self.problem(Some(&node.address), message, node.origin.clone());
            problem.help.push("undo this change, or remove what is in it first; disks are kept:".into());
            // The state knows it by its old name until then.
            problem.help.push(format!("kompox destroy --target {}", record.address));
            return;
        }
        let protection = &record.protection;
        if protection.adopted {
            let message = format!(
                "{} is never replaced, because kompox did not make it: {}",
                node.address,
                describe_replacement(&changes)
            );
            let problem = self.problem(Some(&node.address), message, node.origin.clone());
            problem.help.push("undo this change".into());
            return;
        }
        if protection.prevent_destroy || protection.read_only {
            let message = format!("{} is protected, but {}", node.address, describe_replacement(&changes));
            let problem = self.problem(Some(&node.address), message, node.origin.clone());
            problem
                .help
                .push("apply an explicit preventDestroy: false or protection: none first, then this change".into());
            return;
        }
        let reason =
            if forced { "replacement was asked for (--replace)".to_owned() } else { describe_replacement(&changes) };
        self.restarts.extend(
            (!node.kind.restarts.is_empty())
                .then(|| Restart { address: node.address.clone(), because: reason.clone() }),
        );
        self.push(node, desired, Some(observed), Verb::Replace, reason, changes, None);
    }

    fn restarts_of(&mut self, node: &Node, changes: &[FieldChange]) {
        let hits = |change: &&FieldChange| node.kind.restarts.iter().any(|pattern| change.path.matches(pattern));
        let causes: Vec<_> = changes.iter().filter(hits).map(|change| change.path.to_string()).collect();
        if !causes.is_empty() {
            let because = format!("{} changes", causes.join(", "));
            self.restarts.push(Restart { address: node.address.clone(), because });
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn push(
        &mut self,
        node: &Node,
        desired: &Value,
        observed: Option<&Observed>,
        action: Verb,
        reason: String,
        changes: Vec<FieldChange>,
        unconfirmed: Option<String>,
    ) {
        let record = self.record(&node.address);
        let recorded = record.map(|record| record.protection.clone()).unwrap_or_default();
        let mut protection = node.protection.over(&recorded);
        if node.read_only {
            // It is somebody else's: whatever the manifests say later, it is forgotten and never deleted.
            protection.adopted = true;
        } else if action == Verb::Import && node.kind.marked {
            protection.adopted = observed.is_some_and(|seen| seen.lineage.as_deref() != Some(self.inputs.lineage));
        }
        let physical_id =
            observed.map(|observed| observed.physical_id.clone()).or_else(|| self.physical_id(node, desired));
        let whole = matches!(action, Verb::Create | Verb::Replace | Verb::Import);
        let precondition = self.precondition(node, desired, observed, unconfirmed.is_none());
        self.actions.push(PlannedAction {
            address: node.address.clone(),
            kind: node.kind.name.to_owned(),
            provider: node.provider.clone(),
            action,
            reason,
            origin: node.origin.clone(),
            physical_id,
            uid: observed.and_then(|observed| observed.uid.clone()),
            after: whole.then(|| desired.clone()),
            changes,
            desired_digest: Some(node.desired.digest()),
            after_addresses: Vec::new(),
            precondition,
            ending: false,
            unconfirmed,
            force: self.inputs.options.force_conflicts.contains(&node.address),
            moved_from: self.moved.get(&node.address).cloned(),
            protection,
            dependencies: self.inputs.graph.dependencies(&node.address).into_iter().cloned().collect(),
        });
    }

    fn precondition(&self, node: &Node, desired: &Value, observed: Option<&Observed>, asked: bool) -> Precondition {
        let record = self.record(&node.address);
        let last = record.map(|record| Value::from_stored(&record.applied.value()));
        let seen = observed
            .filter(|observed| !observed.object.is_null())
            .map(|observed| observed_fields(node.kind, &observed.object, desired, last.as_ref(), &self.digest()));
        Precondition {
            record_serial: record.map(|record| record.updated_serial),
            existed: (asked && self.looks_at(node.kind)).then_some(observed.is_some()),
            uid: observed.and_then(|observed| observed.uid.clone()),
            observed_digest: seen.as_ref().map(Value::digest),
            observed: seen.as_ref().map(Value::to_stored),
            outputs: self.outputs.get(&node.address).cloned(),
        }
    }

    /// Asks servers that can say what a change would do, and takes their answer as the plan.
    pub(super) async fn ask_servers(&mut self) {
        let questions = std::mem::take(&mut self.questions);
        if !self.inputs.options.refresh || questions.is_empty() {
            return;
        }
        let providers = self.inputs.providers;
        // What a lock keeps from being read cannot be asked either.
        let (locked, questions): (Vec<_>, Vec<_>) = questions
            .into_iter()
            .partition(|question| self.locked.contains_key(&self.actions[question.action].address));
        for question in locked {
            self.actions[question.action].unconfirmed = Some("a lock keeps it from being asked".to_owned());
        }
        let asked: Vec<_> = questions
            .into_iter()
            .map(|question| {
                let provider = providers.get(&self.actions[question.action].provider).cloned();
                let asked_for = self.actions[question.action].force;
                let owned = self.owned_before(&question);
                async move {
                    let Some(provider) = provider else {
                        return (question, asked_for, Ok(Preview::Unconfirmed("no connection to it".into())));
                    };
                    let answer = provider.preview(&question.target, &question.request, asked_for).await;
                    match answer {
                        // Fields that we applied and another writer changed since are drift: they are put right.
                        Ok(Preview::Conflict(_)) if owned && !asked_for => {
                            let answer = provider.preview(&question.target, &question.request, true).await;
                            (question, true, answer)
                        }
                        answer => (question, asked_for, answer),
                    }
                }
            })
            .collect();
        // Answers come in any order; sorted, so that a plan reads the same every time.
        let mut answers: Vec<_> = futures::stream::iter(asked).buffer_unordered(32).collect().await;
        answers.sort_by_key(|(question, ..)| question.action);
        let mut settled = HashSet::new();
        for (question, force, answer) in answers {
            let address = self.actions[question.action].address.clone();
            let Some(node) = self.inputs.graph.get(&address) else { continue };
            match answer {
                Err(error) => {
                    let message = format!("the server refuses {address}: {error}");
                    self.problem(Some(&address), message, node.origin.clone()).help.extend(error.hint);
                }
                Ok(Preview::Conflict(conflicts)) => {
                    let fields: Vec<_> =
                        conflicts.iter().map(|c| format!("{} (owned by {})", c.field, c.writer)).collect();
                    let message = format!("{address} has fields that another writer owns: {}", fields.join(", "));
                    let problem = self.problem(Some(&address), message, node.origin.clone());
                    problem.help.push(format!("to take them over:  --force-conflicts {address}"));
                }
                Ok(Preview::Unconfirmed(reason)) => {
                    self.actions[question.action].unconfirmed = Some(reason);
                    if self.actions[question.action].action == Verb::Update {
                        if let Some(record) = self.record(&address) {
                            self.guard_update(node, &record.protection);
                        }
                        self.actions[question.action].changes.extend(question.release.clone());
                        let changes = self.actions[question.action].changes.clone();
                        self.restarts_of(node, &changes);
                    }
                }
                Ok(Preview::Object(predicted)) => {
                    if self.actions[question.action].action != Verb::Update {
                        continue;
                    }
                    if self.take_answer(node, &question, &predicted, force) {
                        self.actions[question.action].changes.extend(question.release.clone());
                        continue;
                    }
                    if let Some(reason) = question.observed.as_ref().and_then(explain_release) {
                        let action = &mut self.actions[question.action];
                        (action.reason, action.changes) = (reason, question.release.into_iter().collect());
                        continue;
                    }
                    let record = self.record(&address);
                    let unready = record.is_some_and(|record| record.progress.unready)
                        && question.observed.as_ref().is_some_and(|observed| !observed.ready);
                    if unready {
                        let action = &mut self.actions[question.action];
                        action.reason = UNREADY.to_owned();
                        action.changes.clear();
                        continue;
                    }
                    let observed = question.observed.as_ref();
                    match record.and_then(|record| self.bookkeeping(node, record, observed)) {
                        Some((verb, reason, changes)) => {
                            let action = &mut self.actions[question.action];
                            (action.action, action.reason, action.changes) = (verb, reason, changes);
                        }
                        None => {
                            settled.insert(question.action);
                        }
                    }
                }
            }
        }
        let mut position = 0;
        self.actions.retain(|action| {
            let keep = !settled.contains(&position);
            position += 1;
            if !keep {
                self.unchanged.insert(action.address.clone());
            }
            keep
        });
    }

    /// Whether every field that differs was applied by us before: then taking it back is putting drift right.
    fn owned_before(&self, question: &Question) -> bool {
        let action = &self.actions[question.action];
        action.action == Verb::Update
            && !action.changes.is_empty()
            && self.record(&action.address).is_some()
            && action.changes.iter().all(|change| {
                matches!(change.cause, Cause::Drift { .. })
                    || self.record(&action.address).is_some_and(|record| {
                        let kind = self.inputs.graph.get(&action.address).map(|node| node.kind);
                        let applied = Value::from_stored(&record.applied.value());
                        kind.is_some_and(|kind| diff::lookup(kind, &applied, &change.path).is_some())
                    })
            })
    }

    /// Replaces the guessed changes by the server's; `false` if it says that nothing changes.
    fn take_answer(&mut self, node: &Node, question: &Question, predicted: &Observed, force: bool) -> bool {
        let (Some(record), Some(observed)) = (self.record(&node.address), &question.observed) else { return true };
        let last = Value::from_stored(&record.applied.value());
        let like = [&question.desired, &last];
        let predicted = diff::mask(node.kind, &predicted.object, &like, &self.digest());
        let seen = diff::mask(node.kind, &observed.object, &like, &self.digest());
        let sides = Sides {
            kind: node.kind,
            last: Some(&last),
            observed: &seen,
            desired: &question.desired,
            ignore: &node.ignore_changes,
            writers: &observed.writers,
        };
        let changes = diff::diff_observed(&sides, &predicted);
        if changes.is_empty() {
            return false;
        }
        self.guard_update(node, &record.protection);
        self.restarts_of(node, &changes);
        let action = &mut self.actions[question.action];
        action.reason = describe(&changes);
        action.changes = changes;
        action.force = force;
        true
    }
}

/// Why a tie is cleared.
fn explain_release(observed: &Observed) -> Option<String> {
    let tie = observed.tie.as_ref()?;
    Some(format!("{} is cleared: {} is gone", tie.path, tie.to))
}

/// Whether a workload is to work elsewhere than it was applied to: until it is ready, its old part may run.
fn lets_go(node: &Node, record: &Record) -> bool {
    let Some(uses) = node.kind.uses else { return false };
    !record.progress.holds.is_empty() || uses(&node.desired.to_stored()) != uses(&record.applied.value())
}
