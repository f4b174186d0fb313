//! Reconcile: looks into every intent that a killed run left open, before anything new is planned.

use std::time::Duration;

use kompox_state::{Change as StateChange, Intent, Record, Verb};

use super::address::Address;
use super::diff::{self, Sides};
use super::event::{Event, Reconciled};
use super::journal::JournalError;
use super::kind::Kind;
use super::planner::outputs_of;
use super::provider::{Change, Observation, Observed, Operation, Provider, ProviderError, Target, Transition};
use super::run::Run;
use super::value::Value;

/// How often an object that is still changing is read again.
const POLL: Duration = Duration::from_millis(500);

/// Why an open intent could not be settled.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The object could not be read.
    #[error("{address} was being changed when an earlier apply ended, and cannot be read: {error}")]
    Provider {
        /// The object.
        address: Address,
        /// Why.
        error: ProviderError,
    },
    /// The state could not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The intent names what this run knows nothing of.
    #[error("{address} was being changed when an earlier apply ended, and {missing} is not known to this run")]
    Unknown {
        /// The object.
        address: Address,
        /// The kind or the provider.
        missing: String,
    },
}

/// Settles every open intent: adopts what was made, drops what never began, forgets what is deleted.
///
/// # Errors
/// The first one that could not be settled; the others before it are.
pub async fn reconcile(run: &Run<'_>, intents: &[Intent]) -> Result<(), ReconcileError> {
    for intent in intents {
        let outcome = settle(run, intent).await?;
        run.sink.emit(Event::Reconciled { address: intent.address.clone(), outcome });
    }
    Ok(())
}

async fn settle(run: &Run<'_>, intent: &Intent) -> Result<Reconciled, ReconcileError> {
    let address = &intent.address;
    let unknown = |missing: String| ReconcileError::Unknown { address: address.clone(), missing };
    let kind =
        (run.kinds)(&intent.provider, &intent.kind).ok_or_else(|| unknown(format!("the kind \"{}\"", intent.kind)))?;
    let provider = run
        .providers
        .get(intent.provider.as_str())
        .ok_or_else(|| unknown(format!("the provider {}", intent.provider)))?;
    let target = Target { address: address.clone(), kind, physical_id: intent.physical_id.clone(), find: None };
    if let Some(operation_url) = &intent.operation_url {
        let operation = Operation {
            target: target.clone(),
            change: Change::Resume { operation_url: operation_url.clone() },
            token: intent.id.clone(),
            lineage: run.lineage.to_owned(),
            force: false,
            adopted: false,
            wait: true,
            timeout: kind.timeout,
        };
        let progress = run.progress(address, &intent.id, None);
        // A failed or forgotten operation is no error here: what is there decides.
        let _ = provider.execute(&operation, &progress).await;
    }
    let observed = match watch(provider.as_ref(), &target, kind).await {
        Ok(observed) => observed,
        Err(error) => return Err(ReconcileError::Provider { address: address.clone(), error }),
    };
    let mut changes = vec![StateChange::CloseIntent(intent.id.clone())];
    let outcome = match (intent.action, observed) {
        (Verb::Create, Some(observed)) => {
            let ours = !kind.marked || observed.lineage.as_deref() == Some(run.lineage);
            match (&intent.record, ours) {
                (Some(skeleton), true) => {
                    changes.push(StateChange::PutRecord(Box::new(complete(skeleton, kind, &observed))));
                    Reconciled::Adopted
                }
                _ => Reconciled::NotStarted,
            }
        }
        (Verb::Update, Some(observed)) => match &intent.record {
            Some(skeleton) if is_as_wanted(run, kind, skeleton, &observed) => {
                changes.push(StateChange::PutRecord(Box::new(complete(skeleton, kind, &observed))));
                Reconciled::Adopted
            }
            _ => Reconciled::Replanned,
        },
        (Verb::Create, None) => Reconciled::NotStarted,
        // What ran in it may run on: the next plan looks for its end.
        (Verb::Delete, None) if kind.uses.is_some() => Reconciled::Replanned,
        (Verb::Delete, None) => {
            changes.push(StateChange::DeleteRecord(intent.address.clone()));
            Reconciled::Deleted
        }
        _ => Reconciled::Replanned,
    };
    if matches!(outcome, Reconciled::Adopted | Reconciled::Deleted) {
        // The run that was killed did it. How long it lasted, its own last entry says better.
        changes.push(StateChange::Did { run: intent.run.clone(), verb: intent.action, elapsed_ms: 0 });
    }
    run.journal.commit(changes).await?;
    Ok(outcome)
}

/// Whether an update has been made: the object has everything that was sent.
fn is_as_wanted(run: &Run<'_>, kind: &Kind, skeleton: &Record, observed: &Observed) -> bool {
    let wanted = Value::from_stored(&skeleton.applied.value());
    let seen = diff::mask(kind, &observed.object.value(), &[&wanted], &|text| run.digest(text));
    let sides = Sides { kind, last: None, observed: &seen, desired: &wanted, ignore: &[], writers: &[] };
    observed.transition.is_none() && diff::diff(&sides).is_empty()
}

/// The record that the killed run would have written.
fn complete(skeleton: &Record, kind: &Kind, observed: &Observed) -> Record {
    let mut record = skeleton.clone();
    record.physical_id.clone_from(&observed.physical_id);
    record.outputs = outputs_of(kind, &observed.object).into();
    // Whether it became ready, nobody waited to see: the next plan does.
    record.progress.unready = true;
    if observed.uid.is_some() {
        record.progress.uid.clone_from(&observed.uid);
    }
    record
}

/// Reads until the object no longer changes, at most as long as the kind may take.
async fn watch(provider: &dyn Provider, target: &Target, kind: &Kind) -> Result<Option<Observed>, ProviderError> {
    let give_up = tokio::time::Instant::now() + kind.timeout;
    loop {
        match provider.read(std::slice::from_ref(target)).await.pop() {
            Some(Observation::Failed(error)) => return Err(*error),
            Some(Observation::Found(observed)) => {
                let moving = matches!(observed.transition, Some(Transition::Changing | Transition::Deleting));
                if !moving || tokio::time::Instant::now() >= give_up {
                    return Ok(Some(*observed));
                }
            }
            Some(Observation::Missing | Observation::NotYet(_)) | None => return Ok(None),
        }
        tokio::time::sleep(POLL).await;
    }
}
