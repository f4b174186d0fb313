//! Carrying out one planned action: intent first, call second, record last.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use kompox_state::{ActionDuration, Change as StateChange, Held, Intent, Progress, Record};

use super::address::Address;
use super::diff::{self, Sides};
use super::event::Event;
use super::graph::Node;
use super::ground::{self, Grounds, Seen};
use super::identity::Identity;
use super::journal::JournalError;
use super::kind::{Holds, Kind, Use};
use super::plan::{FieldChange, Mode, Plan, PlannedAction, Verb};
use super::planner::outputs_of;
use super::provider::{
    Change, ErrorClass, Observation, Observed, Operation, Preview, Provider, ProviderError, ProviderKey, Target, Tie,
    Transition,
};
use super::run::{Run, timestamp};
use super::seats::Seat;
use super::value::{Path, Reference, Value};
use crate::advice::{Advice, Command};

/// How long to wait for an API inside a container to finish removing what was deleted in it.
const SETTLE: Duration = Duration::from_secs(30);
/// How often to look meanwhile.
const SETTLE_POLL: Duration = Duration::from_millis(500);

/// Why an action did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// The provider's answer; the state says what is there.
    Provider(ProviderError),
    /// It may have had an effect that could not be looked into; the intent stays open.
    Open(ProviderError),
    /// The state could not be written: nothing more may be started.
    State(JournalError),
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::State(error)
    }
}

/// What actions need of each other: the outputs of what exists.
#[derive(Debug, Default)]
pub struct Outputs {
    now: Mutex<HashMap<Address, serde_json::Value>>,
    /// Those that the plan was made with, and that a person has seen in it.
    planned: HashMap<Address, serde_json::Value>,
}

impl Outputs {
    /// The outputs that the plan took from what it found, else those that the state knows.
    pub fn new<'a>(records: impl IntoIterator<Item = &'a Record>, plan: &Plan) -> Self {
        let of_actions = plan.actions.iter().map(|planned| (&planned.address, &planned.precondition));
        let taken = of_actions.chain(&plan.reads);
        let planned: HashMap<Address, serde_json::Value> =
            taken.filter_map(|(address, seen)| Some((address.clone(), seen.outputs.clone()?))).collect();
        let outputs = Self { planned, ..Self::default() };
        for record in records {
            outputs.put(&record.address, record.outputs.value(), &record.physical_id);
        }
        if let Ok(mut now) = outputs.now.lock() {
            now.extend(outputs.planned.iter().map(|(address, seen)| (address.clone(), seen.clone())));
        }
        outputs
    }

    /// What the plan said this reference would be, if it is something else now.
    fn differs(&self, reference: &Reference) -> Option<(String, String)> {
        let planned = self.planned.get(&reference.address)?.pointer(&reference.output)?;
        let map = self.now.lock().ok()?;
        let now = map.get(&reference.address).and_then(|now| now.pointer(&reference.output));
        let now = now.unwrap_or(&serde_json::Value::Null);
        // Ids may come back in another case.
        let same = match (planned.as_str(), now.as_str()) {
            (Some(planned), Some(now)) => planned.eq_ignore_ascii_case(now),
            _ => planned == now,
        };
        (!planned.is_null() && !same).then(|| (planned.to_string(), now.to_string()))
    }

    fn put(&self, address: &Address, outputs: serde_json::Value, physical_id: &str) {
        let mut outputs = if outputs.is_object() { outputs } else { serde_json::json!({}) };
        if let Some(map) = outputs.as_object_mut() {
            map.insert("id".into(), physical_id.into());
        }
        if let Ok(mut map) = self.now.lock() {
            map.insert(address.clone(), outputs);
        }
    }

    fn get(&self, reference: &Reference) -> Option<Value> {
        let map = self.now.lock().ok()?;
        let value = map.get(&reference.address)?.pointer(&reference.output)?;
        (!value.is_null()).then(|| Value::from(value))
    }
}

/// What all actions of a run share.
pub(super) struct Shared<'a> {
    /// What the plan is for.
    pub mode: Mode,
    /// Outputs of what exists.
    pub outputs: Outputs,
    /// What this plan deletes: a container may hold nothing else.
    pub doomed: HashSet<Identity>,
    /// What unmarked objects stand on, as the state knew it when the run began.
    pub grounds: Grounds<'a>,
}

/// An action at work.
pub struct Execution<'a> {
    /// The run.
    pub run: &'a Run<'a>,
    /// What is done.
    pub planned: &'a PlannedAction,
    /// The wish with its secrets, where the action needs one.
    pub node: Option<&'a Node>,
    /// The schema.
    pub kind: &'static Kind,
    /// Who does it.
    pub provider: &'a dyn Provider,
    /// What it shares with all others.
    pub(super) shared: &'a Shared<'a>,
    /// What the state knew of the object when the run began.
    pub prior: Option<&'a Record>,
    /// Another workload waits until this one has let go of what they share: `--no-wait` does not hold for it.
    pub awaited: bool,
    /// Its place among those that run at once.
    pub(super) seat: &'a Seat,
}

impl Execution<'_> {
    /// Carries the action out.
    ///
    /// # Errors
    /// What the provider said, or why the state could not be written.
    pub async fn carry_out(&self) -> Result<(), Failure> {
        if let Some(old) = &self.planned.moved_from {
            let (from, to) = (old.clone(), self.planned.address.clone());
            self.run.journal.commit(vec![StateChange::MoveRecord { from, to }]).await?;
        }
        match self.planned.action {
            Verb::NoOp => Ok(()),
            Verb::Create => self.create().await,
            Verb::Update => self.update(None).await,
            Verb::Delete => self.delete().await,
            Verb::Replace => {
                // Names are functions of the manifest, so the new object takes the old one's name: delete first.
                self.delete().await?;
                self.create().await
            }
            Verb::Read | Verb::Import | Verb::Refresh | Verb::Move => self.record_only().await,
            Verb::Forget => {
                let change = StateChange::DeleteRecord(self.planned.address.clone());
                self.run.journal.commit(vec![change, self.did()]).await?;
                Ok(())
            }
        }
    }

    /// Counts this action as done.
    fn did(&self) -> StateChange {
        self.run.did(&self.run.id, self.planned.action)
    }

    fn target(&self, physical_id: Option<String>) -> Target {
        let find = self.node.and_then(|node| node.find.clone());
        Target { address: self.planned.address.clone(), kind: self.kind, physical_id, find }
    }

    /// The wish with every unknown filled in.
    fn desired(&self) -> Result<Value, Failure> {
        let rejected = |message: String| Failure::Provider(ProviderError::new(ErrorClass::Rejected, message));
        let node = self.node.ok_or_else(|| rejected("the manifests no longer mention it; plan again".into()))?;
        let mut differing = None;
        node.desired.references(&mut |reference| {
            differing = differing.take().or_else(|| Some((reference.clone(), self.shared.outputs.differs(reference)?)));
        });
        if let Some((reference, (planned, now))) = differing {
            let message = format!(
                "{} of {} is {now} now; the plan was made with {planned}",
                reference.output.trim_start_matches('/').replace('/', "."),
                reference.address
            );
            return Err(Failure::Provider(ProviderError::new(ErrorClass::Conflict, message).hint("plan again")));
        }
        Ok(node.desired.resolve(&|reference| self.shared.outputs.get(reference)))
    }

    fn request(&self, desired: &Value) -> Result<serde_json::Value, Failure> {
        desired
            .to_request()
            .map_err(|error| Failure::Provider(ProviderError::new(ErrorClass::Rejected, error.to_string())))
    }

    /// Waits until what stands in the place of the new object, and is being deleted, is gone.
    async fn await_end(&self) -> Result<(), Failure> {
        let target = self.target(self.planned.physical_id.clone());
        let give_up = tokio::time::Instant::now() + self.kind.timeout;
        let not_gone = |why: &str, hint: Advice| {
            let message = format!("what is there is being deleted but not gone {why}");
            Err(Failure::Provider(ProviderError::new(ErrorClass::NotReady, message).hint(hint)))
        };
        let mut told = false;
        loop {
            match self.provider.read(std::slice::from_ref(&target)).await.pop() {
                Some(Observation::Failed(error)) => return Err(Failure::Provider(*error)),
                Some(Observation::Found(observed))
                    if observed.transition == Some(Transition::Deleting)
                        || self.planned.uid.is_some() && observed.uid == self.planned.uid => {}
                // Gone, or another one that the creation itself judges.
                _ => return Ok(()),
            }
            if !std::mem::replace(&mut told, true) {
                let (address, text) = (self.planned.address.clone(), "what is there is still being deleted".to_owned());
                self.run.sink.emit(Event::Status { address, text });
            }
            if tokio::time::Instant::now() >= give_up {
                let held = Advice::run("see what uses it; to end that and it", Command::destroy(&target.address));
                return not_gone("in time", held);
            }
            tokio::select! {
                () = tokio::time::sleep(SETTLE_POLL) => {}
                () = self.run.cancel.stopped() => return not_gone("yet", "the next run goes on waiting".into()),
            }
        }
    }

    async fn create(&self) -> Result<(), Failure> {
        if self.planned.ending {
            self.await_end().await?;
        }
        let desired = self.desired()?;
        let request = self.request(&desired)?;
        let physical_id = self.provider.physical_id(self.kind, &desired).or_else(|| self.planned.physical_id.clone());
        if self.kind.holds == Holds::Data {
            self.refuse_second(&physical_id).await?;
        }
        if self.planned.unconfirmed.is_some() && self.kind.preview {
            self.ask_again(&physical_id, &request).await?;
        }
        let skeleton = self.record(&desired, physical_id.clone().unwrap_or_default(), None);
        let intent = self.open(Verb::Create, physical_id.clone(), &desired, Some(skeleton)).await?;
        let observed = self.call(&intent, physical_id, Change::Create { desired: request }, &desired).await?;
        if self.planned.unconfirmed.is_some() {
            self.check_kept(&desired, observed.as_ref())?;
        }
        Ok(())
    }

    /// Data is made only where there is none: whatever the plan was made from, a second, empty one would hide the first.
    /// Neither disks nor snapshots nor shares have a precondition for that (`Disks_CreateOrUpdate`,
    /// `Snapshots_CreateOrUpdate` and `FileShares_Create` of the Azure API know no `If-None-Match`), so the look comes right
    /// before the request.
    async fn refuse_second(&self, physical_id: &Option<String>) -> Result<(), Failure> {
        let by_id = physical_id.iter().map(|id| Target { find: None, ..self.target(Some(id.clone())) });
        let by_tags = Some(self.target(None)).filter(|target| target.find.is_some());
        let targets: Vec<Target> = by_id.chain(by_tags).collect();
        for observation in self.provider.read(&targets).await {
            match observation {
                Observation::Missing | Observation::NotYet(_) => {}
                Observation::Failed(error) => return Err(Failure::Provider(*error)),
                Observation::Found(there) => {
                    let id = &there.physical_id;
                    let message = format!("{id} exists already and may hold data; no second one is made");
                    let hint = Advice::run("adopt it", Command::import(&self.planned.address).word(id));
                    return Err(Failure::Provider(ProviderError::new(ErrorClass::Conflict, message).hint(hint)));
                }
            }
        }
        Ok(())
    }

    /// Before data is changed or deleted it is looked at once more: the plan may be old, or made without looking.
    async fn refuse_another(&self, physical_id: &Option<String>) -> Result<(), Failure> {
        let target = Target { find: None, ..self.target(physical_id.clone()) };
        let observed = match self.provider.read(&[target]).await.pop() {
            Some(Observation::Found(observed)) => observed,
            Some(Observation::Failed(error)) => return Err(Failure::Provider(*error)),
            _ => return Ok(()),
        };
        let id = &observed.physical_id;
        let conflict = |text: String| {
            Err(Failure::Provider(
                ProviderError::new(ErrorClass::Conflict, text).hint("plan again to see what changed"),
            ))
        };
        let ours = observed.lineage.as_deref() == Some(self.run.lineage) || self.planned.protection.adopted;
        if self.kind.marked && !ours {
            return conflict(format!("{id} does not carry the mark of this state; it is left as it is"));
        }
        let reviewed = self.planned.uid.as_ref();
        let known = self.prior.and_then(|prior| prior.progress.uid.as_ref());
        if observed.uid.is_some()
            && [reviewed, known].into_iter().flatten().any(|uid| Some(uid) != observed.uid.as_ref())
        {
            return conflict(format!("{id} was deleted and made anew since kompox knew it; it is left as it is"));
        }
        Ok(())
    }

    /// What cannot carry our mark is ours by what it stands on, which is looked at before it is changed or deleted.
    async fn refuse_foreign_ground(&self, judge: ground::Judge) -> Result<(), Failure> {
        let Some(record) = self.prior.filter(|_| !self.kind.marked) else { return Ok(()) };
        let mut seen = Vec::new();
        for ground in self.shared.grounds.of(record) {
            let (Some(kind), Some(provider)) =
                ((self.run.kinds)(&ground.provider, &ground.kind), self.run.providers.get(ground.provider.as_str()))
            else {
                continue;
            };
            let address = ground.address.clone();
            let physical_id = Some(ground.physical_id.clone());
            let target = Target { address: address.clone(), kind, physical_id, find: None };
            match provider.read(&[target]).await.pop() {
                Some(Observation::Found(observed)) => {
                    seen.push(Some(Seen { address, lineage: observed.lineage, adopted: ground.protection.adopted }));
                }
                Some(Observation::Failed(error)) => return Err(Failure::Provider(*error)),
                _ => seen.push(None),
            }
        }
        let Some(why) = judge(&seen, self.run.lineage) else { return Ok(()) };
        let id = self.planned.physical_id.as_deref().unwrap_or_default();
        let error = ProviderError::new(ErrorClass::Conflict, format!("{id} is left as it is: {why}"));
        Err(Failure::Provider(error.hint(Advice::run("forget it", Command::state_rm(&self.planned.address)))))
    }

    /// What was planned from its rendered form only is put to the server now that it can be asked.
    async fn ask_again(&self, physical_id: &Option<String>, request: &serde_json::Value) -> Result<(), Failure> {
        let target = self.target(physical_id.clone());
        match self.provider.preview(&target, request, self.planned.force).await {
            Ok(Preview::Object(_) | Preview::Unconfirmed(_)) => Ok(()),
            Ok(Preview::Conflict(conflicts)) => {
                let fields: Vec<_> = conflicts.iter().map(|c| format!("{} (owned by {})", c.field, c.writer)).collect();
                let message = format!("another writer owns {}", fields.join(", "));
                Err(Failure::Provider(
                    ProviderError::new(ErrorClass::Conflict, message).hint("plan again to see what changed"),
                ))
            }
            Err(error) => Err(Failure::Provider(error)),
        }
    }

    /// Whether the server kept every planned field of an object that could not be confirmed when it was planned.
    fn check_kept(&self, desired: &Value, observed: Option<&Observed>) -> Result<(), Failure> {
        let Some(observed) = observed else { return Ok(()) };
        // Nearly all are kept to the letter; only the others are worth a walk.
        if observed.object.has(desired, &|text| self.run.digest(text)) {
            return Ok(());
        }
        let ignore = self.node.map(|node| node.ignore_changes.as_slice()).unwrap_or_default();
        let seen = diff::mask(self.kind, &observed.object.value(), &[desired], &|text| self.run.digest(text));
        let sides = Sides { kind: self.kind, last: None, observed: &seen, desired, ignore, writers: &[] };
        let changed = diff::diff(&sides);
        if changed.is_empty() {
            return Ok(());
        }
        let fields: Vec<_> = changed.iter().map(|change| change.path.to_string()).collect();
        let message = format!("it was made, but the server did not keep what was planned for {}", fields.join(", "));
        Err(Failure::Provider(
            ProviderError::new(ErrorClass::Conflict, message).hint("plan again to see the difference"),
        ))
    }

    async fn update(&self, known: Option<&Observed>) -> Result<(), Failure> {
        let desired = self.desired()?;
        let mut request = self.request(&desired)?;
        let physical_id = known.map(|seen| seen.physical_id.clone()).or_else(|| self.planned.physical_id.clone());
        if self.kind.holds == Holds::Data && known.is_none() {
            self.refuse_another(&physical_id).await?;
        }
        self.refuse_foreign_ground(ground::theirs).await?;
        for change in self.planned.changes.iter().filter(|change| self.kind.is_tie(&change.path)) {
            self.release(change, physical_id.clone()).await?;
        }
        self.keep_ignored(&mut request, &physical_id, known).await?;
        let removed = self.removed_paths();
        // With nothing to take away, the object itself tells a later run whether the change was made.
        let skeleton = removed.is_empty().then(|| {
            let mut record = self.record(&desired, physical_id.clone().unwrap_or_default(), None);
            // Whoever finds the change made has not seen the old part end.
            record.progress.holds = self.held(&record);
            record
        });
        let intent = self.open(Verb::Update, physical_id.clone(), &desired, skeleton).await?;
        self.call(&intent, physical_id, Change::Update { desired: request, removed }, &desired).await?;
        Ok(())
    }

    /// Clears a tie as it was planned, and as long as it is what it was. The record is written by the update that follows.
    async fn release(&self, change: &FieldChange, physical_id: Option<String>) -> Result<(), Failure> {
        let Some(Value::String(value)) = &change.before else { return Ok(()) };
        let tie = Tie { path: change.path.clone(), value: value.to_string(), to: String::new() };
        let intent = self.open(Verb::Update, physical_id.clone(), &Value::Null, None).await?;
        let operation = self.operation(&intent, physical_id, Change::Release { tie });
        let progress = self.run.progress(&self.planned.address, &intent.id, Some(self.seat));
        match self.provider.execute(&operation, &progress).await {
            Err(error) if error.class == ErrorClass::Ambiguous => Err(Failure::Open(error)),
            result => {
                self.run.journal.commit(vec![StateChange::CloseIntent(intent.id.clone())]).await?;
                result.map(drop).map_err(Failure::Provider)
            }
        }
    }

    /// Fields that were ours and go.
    fn removed_paths(&self) -> Vec<Path> {
        let gone = self.planned.changes.iter().filter(|change| change.after.is_none());
        gone.filter(|change| !self.kind.is_tie(&change.path)).map(|change| change.path.clone()).collect()
    }

    /// What the manifest leaves alone is sent as it is now.
    async fn keep_ignored(
        &self,
        request: &mut serde_json::Value,
        physical_id: &Option<String>,
        known: Option<&Observed>,
    ) -> Result<(), Failure> {
        let ignore = self.node.map(|node| node.ignore_changes.as_slice()).unwrap_or_default();
        if ignore.is_empty() {
            return Ok(());
        }
        if let Some(known) = known {
            diff::keep_ignored(self.kind, request, &known.object.value(), ignore);
            return Ok(());
        }
        match self.provider.read(&[self.target(physical_id.clone())]).await.pop() {
            Some(Observation::Found(observed)) => {
                diff::keep_ignored(self.kind, request, &observed.object.value(), ignore)
            }
            Some(Observation::Failed(error)) => return Err(Failure::Provider(*error)),
            _ => {}
        }
        Ok(())
    }

    async fn delete(&self) -> Result<(), Failure> {
        if self.kind.holds == Holds::Objects {
            self.check_contents().await?;
        }
        let physical_id = self.planned.physical_id.clone();
        if self.kind.holds == Holds::Data {
            self.refuse_another(&physical_id).await?;
        }
        self.refuse_foreign_ground(ground::not_ours).await?;
        let intent = self.open(Verb::Delete, physical_id.clone(), &Value::Null, None).await?;
        let change = Change::Delete { uid: self.planned.uid.clone() };
        if self.kind.safeguarded {
            self.safeguard(&intent, physical_id.clone()).await?;
        }
        self.call(&intent, physical_id, change, &Value::Null).await?;
        Ok(())
    }

    /// Copies the data first; the intent is closed again if that fails, because nothing was deleted.
    async fn safeguard(&self, intent: &Intent, physical_id: Option<String>) -> Result<(), Failure> {
        let operation = self.operation(intent, physical_id, Change::Delete { uid: self.planned.uid.clone() });
        let progress = self.run.progress(&self.planned.address, &intent.id, Some(self.seat));
        match self.provider.safeguard(&operation, &progress).await {
            Ok(Some(copy)) => {
                let text =
                    format!("a safety copy was taken first: {}; to bring it back: {}", copy.physical_id, copy.restore);
                self.run.note(&self.planned.address, text);
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => {
                self.run.journal.commit(vec![StateChange::CloseIntent(intent.id.clone())]).await?;
                let message = format!("not deleted, because no safety copy could be taken: {error}");
                Err(Failure::Provider(ProviderError { message, ..error }))
            }
        }
    }

    fn operation(&self, intent: &Intent, physical_id: Option<String>, change: Change) -> Operation {
        Operation {
            target: self.target(physical_id),
            change,
            token: intent.id.clone(),
            lineage: self.run.lineage.to_owned(),
            force: self.planned.force,
            adopted: self.planned.protection.adopted,
            // Only readiness can be left for later; what a cloud is still making cannot be built on.
            wait: self.run.wait || self.awaited || !self.kind.preview,
            timeout: self.kind.timeout,
        }
    }

    /// A container goes only if it holds nothing but what this plan deletes or the server made.
    async fn check_contents(&self) -> Result<(), Failure> {
        let target = self.target(self.planned.physical_id.clone());
        let mut foreign = Vec::new();
        for (key, inner) in self.inner_providers() {
            // What went a moment ago may still be listed: its own server removes it in the background.
            let give_up = tokio::time::Instant::now() + SETTLE.min(self.kind.timeout);
            loop {
                let left = self.foreign(key, inner, &target).await?;
                if left.is_empty() || tokio::time::Instant::now() >= give_up {
                    foreign.extend(left);
                    break;
                }
                tokio::select! {
                    () = tokio::time::sleep(SETTLE_POLL) => {}
                    () = self.run.cancel.stopped() => {
                        foreign.extend(left);
                        break;
                    }
                }
            }
        }
        // Last: what was made for something inside goes before that does.
        foreign.extend(self.foreign(&self.planned.provider, self.provider, &target).await?);
        if foreign.is_empty() {
            return Ok(());
        }
        let message = format!("it still holds what this plan does not delete:\n  {}", foreign.join("\n  "));
        let forget = Command::state_rm(&self.planned.address);
        let hint = Advice::run("import or move what is needed; to keep it with what it holds", forget);
        Err(Failure::Provider(ProviderError::new(ErrorClass::Conflict, message).hint(hint)))
    }

    /// APIs that live inside the object and go with it ([`ProviderKey::host`]).
    fn inner_providers(&self) -> impl Iterator<Item = (&ProviderKey, &dyn Provider)> {
        let id = self.planned.physical_id.as_deref().unwrap_or_default();
        self.run
            .providers
            .iter()
            .filter_map(move |(key, provider)| key.host()?.eq_ignore_ascii_case(id).then_some((key, provider.as_ref())))
    }

    async fn foreign(
        &self,
        key: &ProviderKey,
        provider: &dyn Provider,
        target: &Target,
    ) -> Result<Vec<String>, Failure> {
        let contents = provider.contents(target).await.map_err(Failure::Provider)?;
        let doomed = |id: &str| self.shared.doomed.contains(&Identity::new(key, id));
        Ok(contents
            .into_iter()
            .filter(|content| !content.server_made && !doomed(&content.physical_id))
            .map(|content| format!("{} {}", content.kind, content.physical_id))
            .collect())
    }

    /// Takes what exists into the state; for an import that differs, then changes it.
    async fn record_only(&self) -> Result<(), Failure> {
        let target = self.target(self.planned.physical_id.clone());
        let gone = || {
            let id = self.planned.physical_id.as_deref().unwrap_or("(no id)");
            Failure::Provider(ProviderError::new(
                ErrorClass::Conflict,
                format!("{id} is not there any more; plan again"),
            ))
        };
        let observed = match self.provider.read(&[target]).await.pop() {
            Some(Observation::Found(observed)) => observed,
            Some(Observation::Failed(error)) => return Err(Failure::Provider(*error)),
            _ => return Err(gone()),
        };
        if self.planned.uid.is_some() && observed.uid.is_some() && self.planned.uid != observed.uid {
            return Err(gone());
        }
        if self.planned.action == Verb::Import && !self.planned.changes.is_empty() {
            // Recorded as it is first, so that a kill in between forgets nothing.
            let desired = self.desired()?;
            let applied = self.projected(&observed, &desired);
            let mut record = self.record(&applied, observed.physical_id.clone(), Some(&observed));
            // Not this run's work yet: a resumed plan must still do the update.
            record.progress = Progress { importing: Some(self.run.id.clone()), run: None, ..record.progress };
            let mut changes = vec![StateChange::PutRecord(Box::new(record))];
            let adopts_only = self.shared.mode == Mode::Import;
            changes.extend(adopts_only.then(|| self.did()));
            self.run.journal.commit(changes).await?;
            if adopts_only {
                return Ok(());
            }
            return self.update(Some(&observed)).await;
        }
        let change = match (self.planned.action, self.prior) {
            (Verb::Refresh | Verb::Move, Some(prior)) => {
                let mut applied = Value::from_stored(&prior.applied.value());
                // Outputs alone say nothing of what was applied.
                if self.planned.changes.iter().any(|change| !self.kind.is_output(&change.path)) {
                    applied = self.projected(&observed, &applied);
                }
                let mut record = self.record(&applied, observed.physical_id.clone(), Some(&observed));
                record.desired_digest.clone_from(&prior.desired_digest);
                if self.kind.uses.is_some() && !observed.ready {
                    let Progress { changing, unready, holds, .. } = prior.progress.clone();
                    record.progress = Progress { changing, unready, holds, ..record.progress };
                }
                StateChange::PutRecord(Box::new(record))
            }
            _ => self.put(&self.desired()?, &observed),
        };
        self.run.journal.commit(vec![change, self.did()]).await?;
        self.shared.outputs.put(&self.planned.address, outputs_of(self.kind, &observed.object), &observed.physical_id);
        Ok(())
    }

    /// What is observed of the fields that `shape` speaks of, masked.
    fn projected(&self, observed: &Observed, shape: &Value) -> Value {
        let seen = diff::mask(self.kind, &observed.object.value(), &[shape], &|text| self.run.digest(text));
        diff::project(self.kind, &seen, &[shape])
    }

    async fn open(
        &self,
        action: Verb,
        physical_id: Option<String>,
        desired: &Value,
        record: Option<Record>,
    ) -> Result<Intent, Failure> {
        if self.run.journal.lease_is_lost() {
            return Err(Failure::State(JournalError::LeaseLost));
        }
        let intent = Intent {
            id: self.run.environment.unique_id(),
            run: self.run.id.clone(),
            address: self.planned.address.clone(),
            kind: self.planned.kind.clone(),
            provider: self.planned.provider.clone(),
            action,
            physical_id,
            request_digest: desired.digest(),
            desired: desired.to_stored(),
            record,
            operation_url: None,
            opened_at: timestamp(self.run.environment.now()),
        };
        let mut changes = vec![StateChange::OpenIntent(Box::new(intent.clone()))];
        changes.extend(self.begun(action, &desired.to_stored()));
        self.run.journal.commit(changes).await?;
        Ok(intent)
    }

    /// While a workload changes, and after a change that failed or whose end nobody saw, its old part may still run: the
    /// record says so and keeps what the part used, so that a later run waits before it gives that to another.
    fn begun(&self, action: Verb, desired: &serde_json::Value) -> Option<StateChange> {
        let prior = self.prior.filter(|_| action == Verb::Update && self.kind.uses.is_some())?;
        // What a rename writes into records at the same time must stay.
        if self.planned.action != Verb::Update || self.planned.moved_from.is_some() {
            return None;
        }
        let changing = Some(self.run.id.clone());
        let mut progress = Progress { changing, unready: true, ..prior.progress.clone() };
        let taken = self.uses(desired).into_iter().map(Held::from).filter(|place| !progress.holds.contains(place));
        progress.holds.extend(taken.collect::<Vec<_>>());
        Some(StateChange::PutRecord(Box::new(Record { progress, ..prior.clone() })))
    }

    fn uses(&self, object: &serde_json::Value) -> Vec<Use> {
        self.kind.uses.and_then(|uses| uses(object)).unwrap_or_default()
    }

    /// Where the workload worked before and does no longer, by this record of it.
    fn held(&self, record: &Record) -> Vec<Held> {
        let Some(prior) = self.prior.filter(|_| self.kind.uses.is_some()) else { return Vec::new() };
        let now = self.uses(&record.applied.value());
        let before = self.uses(&prior.applied.value()).into_iter();
        let before = before.chain(prior.progress.holds.iter().cloned().map(Use::from));
        let mut held: Vec<Held> = Vec::new();
        for place in before.filter(|place| !now.contains(place)).map(Held::from) {
            if !held.contains(&place) {
                held.push(place);
            }
        }
        held
    }

    /// The call itself, under its durable intent; then record and intent are settled in one transaction.
    async fn call(
        &self,
        intent: &Intent,
        physical_id: Option<String>,
        change: Change,
        desired: &Value,
    ) -> Result<Option<Observed>, Failure> {
        let started = Instant::now();
        let deletes = matches!(change, Change::Delete { .. });
        let operation = self.operation(intent, physical_id, change);
        let progress = self.run.progress(&self.planned.address, &intent.id, Some(self.seat));
        let result = self.provider.execute(&operation, &progress).await;
        let mut changes = vec![StateChange::CloseIntent(intent.id.clone())];
        match result {
            Ok(observed) => {
                match &observed {
                    Some(observed) if !operation.wait => {
                        changes.push(self.put_unseen(desired, observed));
                    }
                    Some(observed) => changes.push(self.put(desired, observed)),
                    None => changes.push(StateChange::DeleteRecord(self.planned.address.clone())),
                }
                let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                let (kind, action) = (self.planned.kind.clone(), intent.action);
                changes.push(StateChange::Duration(ActionDuration { kind, action, millis }));
                // A replacement is done when the new object is there.
                changes.extend((self.planned.action != Verb::Replace || !deletes).then(|| self.did()));
                self.run.journal.commit(changes).await?;
                if let Some(observed) = &observed {
                    self.shared.outputs.put(
                        &self.planned.address,
                        outputs_of(self.kind, &observed.object),
                        &observed.physical_id,
                    );
                }
                Ok(observed)
            }
            Err(error) => {
                // Whatever it said, what is there decides what the state says.
                match self.provider.read(std::slice::from_ref(&operation.target)).await.pop() {
                    Some(Observation::Found(observed)) => {
                        let ours = !self.kind.marked || observed.lineage.as_deref() == Some(self.run.lineage);
                        if intent.action == Verb::Create && ours {
                            let mut record = self.record(desired, observed.physical_id.clone(), Some(&observed));
                            // The next plan waits for it again rather than calling it done.
                            record.progress.unready = true;
                            changes.push(StateChange::PutRecord(Box::new(record)));
                        }
                        // The change is made, only its end was not seen. Of a workload the record keeps what its old part
                        // used: see `begun`.
                        let is_made = error.class == ErrorClass::NotReady && self.kind.uses.is_none();
                        if intent.action == Verb::Update && is_made && observed.transition.is_none() {
                            let mut record = self.record(desired, observed.physical_id.clone(), Some(&observed));
                            record.progress.unready = true;
                            changes.push(StateChange::PutRecord(Box::new(record)));
                        }
                        let undecided =
                            error.class == ErrorClass::Ambiguous && observed.transition == Some(Transition::Deleting);
                        if undecided {
                            return Err(Failure::Open(error));
                        }
                    }
                    // What ran in it may run on: it is known until that has ended.
                    Some(Observation::Missing) if deletes && self.kind.uses.is_some() => {}
                    Some(Observation::Missing) if deletes => {
                        changes.push(StateChange::DeleteRecord(self.planned.address.clone()));
                    }
                    // After an ambiguous answer the request may still be on its way: a later look decides.
                    Some(Observation::Missing | Observation::NotYet(_)) if error.class == ErrorClass::Ambiguous => {
                        return Err(Failure::Open(error));
                    }
                    Some(Observation::Missing | Observation::NotYet(_)) => {}
                    Some(Observation::Failed(_)) | None => return Err(Failure::Open(error)),
                }
                self.run.journal.commit(changes).await?;
                Err(Failure::Provider(error))
            }
        }
    }

    fn put(&self, desired: &Value, observed: &Observed) -> StateChange {
        StateChange::PutRecord(Box::new(self.record(desired, observed.physical_id.clone(), Some(observed))))
    }

    /// The record of a change for whose end nobody waited: its old part may still run where it worked.
    fn put_unseen(&self, desired: &Value, observed: &Observed) -> StateChange {
        let mut record = self.record(desired, observed.physical_id.clone(), Some(observed));
        let holds = self.held(&record);
        if !holds.is_empty() && !observed.ready {
            record.progress = Progress { unready: true, holds, ..record.progress };
        }
        StateChange::PutRecord(Box::new(record))
    }

    /// The record of this action.
    fn record(&self, applied: &Value, physical_id: String, observed: Option<&Observed>) -> Record {
        let uid = observed.and_then(|observed| observed.uid.clone());
        // An import is somebody's word that it is ours.
        let unproven = self.planned.action != Verb::Import && self.prior.is_some_and(|prior| prior.progress.unproven);
        let progress = Progress { run: Some(self.run.id.clone()), uid, unproven, ..Progress::default() };
        let outputs = observed.map_or(serde_json::json!({}), |observed| outputs_of(self.kind, &observed.object));
        Record {
            address: self.planned.address.clone(),
            kind: self.planned.kind.clone(),
            provider: self.planned.provider.clone(),
            physical_id,
            applied: applied.to_stored().into(),
            outputs: outputs.into(),
            dependencies: self.planned.dependencies.clone(),
            protection: self.planned.protection.clone(),
            desired_digest: applied.digest(),
            progress,
            source: self.planned.origin.as_ref().map(ToString::to_string),
            created_serial: 0,
            updated_serial: 0,
        }
    }
}
