//! Disks and snapshots that are folders of nodes. A disk is made empty or as a copy, a snapshot is a copy of a disk; neither
//! is ever written to by us once it is whole, and none is deleted: it is put away.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::pod::Task;
use super::record::{Record, Stage, Wish};
use super::scripts::{self, BRING_BACK, LOOK, MAKE, PUT_AWAY, read_marker};
use crate::advice::Command;
use crate::engine::kind::Kind;
use crate::engine::provider::{
    Change, ErrorClass, Look, Observation, Observed, Operation, Progress, ProviderError, Safeguard, Target,
};
use crate::providers::kubernetes::api::Call;
use crate::providers::kubernetes::error::Subject;
use crate::providers::kubernetes::provider::KubernetesProvider;
use crate::providers::kubernetes::read::{LINEAGE, Lookup};
use crate::providers::kubernetes::table::Location;

/// What a target is, of what the records say.
pub(super) fn found(records: &[Record], target: &Target) -> Observation {
    match records.iter().find(|record| record.is_made() && record.is(target)) {
        Some(record) => Observation::Found(Box::new(record.observed())),
        None => Observation::Missing,
    }
}

/// All that are whole, of a kind.
pub(super) fn all<'r>(records: &'r [Record], kind: &'r Kind) -> impl Iterator<Item = Observed> + 'r {
    records.iter().filter(|record| record.is_made() && record.kind() == kind.name).map(Record::observed)
}

fn conflict(text: impl Into<String>) -> ProviderError {
    ProviderError::new(ErrorClass::Conflict, text.into()).hint("plan again")
}

impl KubernetesProvider {
    /// Makes a folder, or writes what changed into its record.
    ///
    /// # Errors
    /// There is another folder or record of that name; the Pod that makes the folder did not end well.
    pub(super) async fn change_folder(
        &self,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<Option<Observed>, ProviderError> {
        let wish = |desired: &Value| Wish::of(operation.target.kind.name, desired.clone());
        match &operation.change {
            Change::Create { desired } => self.make_folder(operation, &wish(desired)?, progress).await.map(Some),
            Change::Update { desired, .. } => self.note_folder(operation, &wish(desired)?, progress).await.map(Some),
            Change::Delete { uid } => self.forget_folder(operation, uid.as_deref(), progress).await.map(|()| None),
            Change::Release { .. } | Change::Resume { .. } => Err(ProviderError::new(
                ErrorClass::Rejected,
                "a folder has no operation that goes on by itself: plan again",
            )),
        }
    }

    async fn make_folder(
        &self,
        operation: &Operation,
        wish: &Wish,
        progress: &dyn Progress,
    ) -> Result<Observed, ProviderError> {
        let there = self.folder_record(wish).await?;
        if let Some(record) = &there {
            let same = record.id() == wish.text("id") && record.lineage() == Some(operation.lineage.as_str());
            // Making what the record says existed would be an empty disk in its place.
            if !same || record.is_made() {
                return Err(conflict(format!(
                    "there is a record of {} already, in the place of this one",
                    record.id()
                )));
            }
        }
        // Once chosen it stays: a later try must know the folder of an earlier one by it.
        let marker = there.as_ref().map_or_else(|| operation.token.clone(), |record| record.marker().to_owned());
        self.put_record(wish, &marker, Some(&operation.lineage), Stage::Making, progress).await?;
        let source = wish.source("id").to_owned();
        let mut variables = vec![("MARKER", scripts::marker(&operation.lineage, &marker))];
        let mut stopped = Vec::new();
        if source.is_empty() {
            variables.push(("SOURCE", String::new()));
        } else {
            let records = self.api.folder_records().await?;
            let from = records.iter().find(|record| record.is_made() && record.id() == source);
            let from = from.ok_or_else(|| conflict(format!("{source} is not there")))?;
            let of = from.wish()?;
            if (of.text("hostname"), of.root()) != (wish.text("hostname"), wish.root()) {
                let text = format!("{source} is on another node, or in another folder: nothing is copied between them");
                return Err(ProviderError::new(ErrorClass::Rejected, text));
            }
            variables.push(("SOURCE", format!("{}/{}", of.shelf(), of.folder())));
            variables.push(("SOURCE_MARKER", from.marker().to_owned()));
            stopped = self.quieten(operation, &source, progress).await?;
        }
        let task = Task {
            verb: "make",
            doing: if source.is_empty() { "making".to_owned() } else { format!("copying {source} to") },
            wish,
            script: MAKE,
            variables,
            token: marker.clone(),
            timeout: operation.timeout,
        };
        let made = self.run_task(&task, progress).await;
        let made = match made {
            Ok(_) => self.put_record(wish, &marker, Some(&operation.lineage), Stage::Made, progress).await,
            Err(error) => Err(error),
        };
        let deadline = Instant::now() + operation.timeout;
        let started = self.go_on(&stopped, (operation.wait && made.is_ok()).then_some(deadline), progress).await;
        made.and(started)?;
        self.made_folder(wish).await
    }

    async fn made_folder(&self, wish: &Wish) -> Result<Observed, ProviderError> {
        let record = self.folder_record(wish).await?.filter(Record::is_made);
        record.map(|record| record.observed()).ok_or_else(|| {
            ProviderError::new(ErrorClass::Ambiguous, "the record of the folder went while it was written")
        })
    }

    /// Writes what a folder is called and whose it is into its record. One that was being put away is brought back: a run that
    /// was killed may have had it moved.
    async fn note_folder(
        &self,
        operation: &Operation,
        wish: &Wish,
        progress: &dyn Progress,
    ) -> Result<Observed, ProviderError> {
        let record =
            self.folder_record(wish).await?.filter(|record| record.is_made() && record.id() == wish.text("id"));
        let Some(record) = record else { return Err(conflict("the record of the folder is not there any more")) };
        if record.is_going() {
            let there = record.wish()?;
            let put_away = putting_away(&record, &there, operation);
            self.end_task(&put_away, progress).await?;
            let bring = Task { verb: "bring-back", doing: "bringing back".to_owned(), script: BRING_BACK, ..put_away };
            self.run_task(&bring, progress).await?;
        }
        self.put_record(wish, record.marker(), Some(&operation.lineage), Stage::Made, progress).await?;
        self.made_folder(wish).await
    }

    async fn put_record(
        &self,
        wish: &Wish,
        marker: &str,
        lineage: Option<&str>,
        stage: Stage,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        self.put_object(&wish.location()?, &wish.record(marker, lineage, stage), progress).await
    }

    async fn folder_record(&self, wish: &Wish) -> Result<Option<Record>, ProviderError> {
        let location = wish.location()?;
        let kind = Kind::plain("ConfigMap");
        match self.api.get(Subject { location: &location, kind: &kind, desired: None }).await? {
            Lookup::Found(object) => Ok(Some(Record::of(object))),
            Lookup::Missing | Lookup::NoKind => Ok(None),
        }
    }

    /// The record of what is about to go.
    async fn going(&self, operation: &Operation, uid: Option<&str>) -> Result<Option<Record>, ProviderError> {
        let records = self.api.folder_records().await?;
        let Some(record) = records.into_iter().find(|record| record.is(&operation.target)) else { return Ok(None) };
        if uid.is_some_and(|uid| uid != record.marker()) {
            return Err(conflict(format!("{} is another one than the one that was reviewed", record.id())));
        }
        if record.lineage() != Some(operation.lineage.as_str()) {
            return Err(conflict(format!(
                "{} does not carry the mark of this state; it is left as it is",
                record.id()
            )));
        }
        Ok(Some(record))
    }

    /// Moves the folder out of the way: that is the copy, and nothing of it is lost.
    pub(super) async fn put_folder_away(
        &self,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<Option<Safeguard>, ProviderError> {
        let Change::Delete { uid } = &operation.change else { return Ok(None) };
        let Some(record) = self.going(operation, uid.as_deref()).await? else { return Ok(None) };
        let wish = record.wish()?;
        let away = away(&record, &wish);
        // Whoever comes after a kill in the next moment must know that the folder may be gone.
        self.put_record(&wish, record.marker(), record.lineage(), Stage::Going, progress).await?;
        self.run_task(&putting_away(&record, &wish, operation), progress).await?;
        let (node, path, root) = (wish.text("node"), wish.text("path"), wish.root().unwrap_or_default());
        let import = Command::import(&operation.target.address).word(record.id());
        Ok(Some(Safeguard {
            physical_id: format!("{root}/deleted/{away} on {node}"),
            restore: format!("on {node}: mv {root}/deleted/{away} {path}; then: {import}"),
        }))
    }

    /// Takes the record away, once the folder is.
    async fn forget_folder(
        &self,
        operation: &Operation,
        uid: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let Some(record) = self.going(operation, uid).await? else { return Ok(()) };
        let location = record.wish()?.location()?;
        let kind = Kind::plain("ConfigMap");
        let reply = self.api.call(Call::delete(location.url_path(), &json!({})).telling(progress)).await?;
        if reply.is_success() || reply.status == 404 {
            return Ok(());
        }
        Err(Subject { location: &location, kind: &kind, desired: None }.refused("deletion", &reply))
    }

    /// Looks at the folder that an id names, and writes the record that is missing: after a reinstallation of its cluster, or
    /// where it was carried to another node.
    ///
    /// # Errors
    /// There is no such folder, or it is none of kompox.
    pub(super) async fn record_folder(&self, look: &Look<'_>) -> Result<(), ProviderError> {
        let wish = Wish::of(look.target.kind.name, look.desired.clone())?;
        if self.folder_record(&wish).await?.is_some_and(|record| record.is_made()) {
            return Ok(());
        }
        for object in look.ground {
            self.make_ground(object, look.lineage).await?;
        }
        let task = Task {
            verb: "look",
            doing: "looking at".to_owned(),
            wish: &wish,
            script: LOOK,
            variables: Vec::new(),
            token: look.token.to_owned(),
            timeout: look.target.kind.timeout,
        };
        let said = self.run_task(&task, &Silent).await?;
        let Some((lineage, marker)) = read_marker(&said) else {
            let text = format!("the mark in {} cannot be read", wish.text("path"));
            return Err(ProviderError::new(ErrorClass::Rejected, text));
        };
        self.put_record(&wish, marker, Some(lineage), Stage::Made, &Silent).await
    }

    /// What records stand in, where nothing has been applied yet.
    async fn make_ground(&self, object: &Value, lineage: &str) -> Result<(), ProviderError> {
        let Some(location) = Location::of_json(object) else { return Ok(()) };
        let kind = Kind::plain(location.resource.kind);
        if let Lookup::Found(_) = self.api.get(Subject { location: &location, kind: &kind, desired: None }).await? {
            return Ok(());
        }
        let mut object = object.clone();
        object["metadata"]["annotations"][LINEAGE] = lineage.into();
        self.put_object(&location, &object, &Silent).await
    }
}

/// What a folder is called among those that were deleted.
fn away(record: &Record, wish: &Wish) -> String {
    format!("{}.{}", wish.folder(), record.marker())
}

/// The Pod that puts a folder away.
fn putting_away<'a>(record: &Record, wish: &'a Wish, operation: &Operation) -> Task<'a> {
    Task {
        verb: "put-away",
        doing: "putting away".to_owned(),
        wish,
        script: PUT_AWAY,
        variables: vec![("AWAY", away(record, wish)), ("MARKER", record.marker().to_owned())],
        token: record.marker().to_owned(),
        timeout: operation.timeout,
    }
}

/// Nobody is told.
struct Silent;

#[async_trait]
impl Progress for Silent {
    async fn accepted(&self, _: &str) {}

    fn status(&self, _: &str) {}

    fn retried(&self, _: Duration, _: &str) {}
}
