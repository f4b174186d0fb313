//! Saved plans: one JSON file that holds every action with its precondition, no secret, and a keyed digest of itself.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path as FilePath, PathBuf};

use kompox_state::Digester;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::address::Address;
use super::graph::Protection;
use super::plan::{
    Asked, Cause, Danger, FieldChange, Mode, Origin, Plan, PlannedAction, Precondition, Restart, Usage, Verb,
};
use super::provider::ProviderKey;
use super::value::{Path, Segment, Value};
use crate::advice::Advice;

/// The version of the format; a reader refuses any other.
const FORMAT: u32 = 1;

/// Bytes of a file that are read at most: many times those of a plan with ten thousand objects.
const LIMIT: u64 = 256 * 1024 * 1024;

/// Why a saved plan cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// It cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Something else is there, which is not written over.
    #[error("{} is there already and is no saved plan, so it is not written over: give another name", path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
    },
    /// It is no saved plan.
    #[error("{} is not a saved plan: {reason}", path.display())]
    NotAPlan {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It has been altered since it was saved, or another state made it.
    #[error("{} is not as it was saved, or was made for another state", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Serialize, Deserialize)]
struct File {
    /// What this file is.
    kompox_plan: u32,
    /// Keyed digest of `plan` under the key of its state.
    digest: String,
    plan: Json,
}

#[derive(Serialize, Deserialize)]
struct StoredPlan {
    mode: Mode,
    engine_version: String,
    lineage: String,
    inputs: BTreeMap<String, String>,
    chosen: BTreeMap<Address, String>,
    actions: Vec<StoredAction>,
    unchanged: usize,
    reads: BTreeMap<Address, Precondition>,
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    usage: Usage,
    dangers: Vec<Danger>,
    notes: Vec<Danger>,
    restarts: Vec<Restart>,
    hosts: Vec<(Address, String)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    offline: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    rehearsal: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredAction {
    address: Address,
    kind: String,
    provider: ProviderKey,
    action: Verb,
    reason: String,
    origin: Option<Origin>,
    physical_id: Option<String>,
    uid: Option<String>,
    after: Option<Json>,
    changes: Vec<StoredChange>,
    desired_digest: Option<String>,
    after_addresses: Vec<Address>,
    precondition: Precondition,
    #[serde(default)]
    ending: bool,
    unconfirmed: Option<String>,
    force: bool,
    moved_from: Option<Address>,
    protection: Protection,
    dependencies: Vec<Address>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    who: Option<Advice>,
}

#[derive(Serialize, Deserialize)]
struct StoredChange {
    path: Vec<Step>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Side>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Side>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<StoredAsked>,
    cause: Cause,
    forces_replacement: bool,
}

/// The third side of a change, where there is one.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StoredAsked {
    AsApplied,
    Other(Option<Side>),
}

/// A side of a change that is there, so that null and absent stay apart.
#[derive(Serialize, Deserialize)]
struct Side {
    value: Json,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Step {
    Key(String),
    Index(usize),
    Item(String),
}

fn store(plan: &Plan) -> StoredPlan {
    let side = |value: &Option<Value>| value.as_ref().map(|value| Side { value: value.to_stored() });
    let step = |segment: &Segment| match segment {
        Segment::Key(key) => Step::Key(key.clone()),
        Segment::Index(index) => Step::Index(*index),
        Segment::Item(item) => Step::Item(item.clone()),
    };
    let actions = plan.actions.iter().map(|planned| StoredAction {
        address: planned.address.clone(),
        kind: planned.kind.clone(),
        provider: planned.provider.clone(),
        action: planned.action,
        reason: planned.reason.clone(),
        origin: planned.origin.clone(),
        physical_id: planned.physical_id.clone(),
        uid: planned.uid.clone(),
        after: planned.after.as_ref().map(Value::to_stored),
        changes: planned
            .changes
            .iter()
            .map(|change| StoredChange {
                path: change.path.0.iter().map(step).collect(),
                before: side(&change.before),
                after: side(&change.after),
                asked: match &change.asked {
                    Asked::NoThird => None,
                    Asked::AsApplied => Some(StoredAsked::AsApplied),
                    Asked::Other(other) => Some(StoredAsked::Other(side(other))),
                },
                cause: change.cause.clone(),
                forces_replacement: change.forces_replacement,
            })
            .collect(),
        desired_digest: planned.desired_digest.clone(),
        after_addresses: planned.after_addresses.clone(),
        precondition: planned.precondition.clone(),
        ending: planned.ending,
        unconfirmed: planned.unconfirmed.clone(),
        force: planned.force,
        moved_from: planned.moved_from.clone(),
        protection: planned.protection.clone(),
        dependencies: planned.dependencies.clone(),
        who: planned.who.clone(),
    });
    StoredPlan {
        mode: plan.mode,
        engine_version: plan.engine_version.clone(),
        lineage: plan.lineage.clone(),
        inputs: plan.inputs.clone(),
        chosen: plan.chosen.clone(),
        actions: actions.collect(),
        unchanged: plan.unchanged,
        reads: plan.reads.clone(),
        usage: plan.usage.clone(),
        dangers: plan.dangers.clone(),
        notes: plan.notes.clone(),
        restarts: plan.restarts.clone(),
        hosts: plan.hosts.clone(),
        offline: plan.offline,
        rehearsal: plan.rehearsal,
    }
}

fn load(stored: StoredPlan) -> Plan {
    let side = |side: Option<Side>| side.map(|side| Value::from_stored(&side.value));
    let step = |step: Step| match step {
        Step::Key(key) => Segment::Key(key),
        Step::Index(index) => Segment::Index(index),
        Step::Item(item) => Segment::Item(item),
    };
    let actions = stored.actions.into_iter().map(|planned| PlannedAction {
        address: planned.address,
        kind: planned.kind,
        provider: planned.provider,
        action: planned.action,
        reason: planned.reason,
        origin: planned.origin,
        physical_id: planned.physical_id,
        uid: planned.uid,
        after: planned.after.as_ref().map(Value::from_stored),
        changes: planned
            .changes
            .into_iter()
            .map(|change| FieldChange {
                path: Path(change.path.into_iter().map(step).collect()),
                before: side(change.before),
                after: side(change.after),
                asked: match change.asked {
                    None => Asked::NoThird,
                    Some(StoredAsked::AsApplied) => Asked::AsApplied,
                    Some(StoredAsked::Other(other)) => Asked::Other(side(other)),
                },
                cause: change.cause,
                forces_replacement: change.forces_replacement,
            })
            .collect(),
        desired_digest: planned.desired_digest,
        after_addresses: planned.after_addresses,
        precondition: planned.precondition,
        ending: planned.ending,
        unconfirmed: planned.unconfirmed,
        force: planned.force,
        moved_from: planned.moved_from,
        protection: planned.protection,
        dependencies: planned.dependencies,
        who: planned.who,
    });
    Plan {
        mode: stored.mode,
        engine_version: stored.engine_version,
        lineage: stored.lineage,
        inputs: stored.inputs,
        chosen: stored.chosen,
        actions: actions.collect(),
        unchanged: stored.unchanged,
        reads: stored.reads,
        usage: stored.usage,
        dangers: stored.dangers,
        notes: stored.notes,
        restarts: stored.restarts,
        hosts: stored.hosts,
        offline: stored.offline,
        rehearsal: stored.rehearsal,
    }
}

/// A plan that was read, with the digest it claims.
#[derive(Debug)]
pub struct SavedPlan {
    /// The plan.
    pub plan: Plan,
    /// What a person approves: the digest that the file claims. Only [`SavedPlan::verify`] makes it true.
    pub digest: String,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl SavedPlan {
    /// Whether the file is as the state's own kompox saved it.
    ///
    /// # Errors
    /// It was altered, or made for another state.
    pub fn verify(&self, digester: &Digester) -> Result<(), PlanFileError> {
        if digester.digest(&self.bytes) == self.digest {
            Ok(())
        } else {
            Err(PlanFileError::Altered { path: self.path.clone() })
        }
    }
}

fn canonical(plan: &Json) -> Vec<u8> {
    // JSON values with text keys always serialise; keys are sorted.
    serde_json::to_vec(plan).unwrap_or_default()
}

/// The digest of a plan, as it stands in its file.
pub fn digest(plan: &Plan, digester: &Digester) -> String {
    digester.digest(&canonical(&to_json(plan)))
}

fn to_json(plan: &Plan) -> Json {
    // Structs of texts, numbers and JSON values always serialise.
    serde_json::to_value(store(plan)).unwrap_or_default()
}

/// Saves a plan; the file appears whole or not at all. Gives the plan's digest.
///
/// # Errors
/// The file cannot be written, or something else than a saved plan is there.
pub fn save(plan: &Plan, path: &FilePath, digester: &Digester) -> Result<String, PlanFileError> {
    let io = |error| PlanFileError::Io { path: path.to_owned(), error };
    if path.try_exists().map_err(io)? && !is_plan(path) {
        return Err(PlanFileError::InTheWay { path: path.to_owned() });
    }
    let json = to_json(plan);
    let digest = digester.digest(&canonical(&json));
    let file = File { kompox_plan: FORMAT, digest: digest.clone(), plan: json };
    let text = serde_json::to_vec(&file).map_err(|error| io(error.into()))?;
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    std::fs::write(&partial, text).and_then(|()| std::fs::rename(&partial, path)).map_err(io)?;
    Ok(digest)
}

/// Whether a file begins as saved plans do, whatever their format.
fn is_plan(path: &FilePath) -> bool {
    const START: &[u8] = b"{\"kompox_plan\":";
    let mut start = Vec::new();
    let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let mut read = || std::fs::File::open(path)?.take(START.len() as u64).read_to_end(&mut start);
    is_file && read().is_ok() && start == START
}

/// Reads a saved plan. Its digest is not checked here: that takes the key of the state.
///
/// # Errors
/// The file cannot be read or is no saved plan of this format.
pub fn read(path: &FilePath) -> Result<SavedPlan, PlanFileError> {
    let bad = |reason: String| PlanFileError::NotAPlan { path: path.to_owned(), reason };
    let io = |error| PlanFileError::Io { path: path.to_owned(), error };
    // Judged before opening: a pipe or a device may never end.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(bad("it is not a regular file".to_owned()));
    }
    let mut text = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(LIMIT + 1).read_to_end(&mut text)).map_err(io)?;
    if text.len() as u64 > LIMIT {
        return Err(bad(format!("it is longer than {LIMIT} bytes")));
    }
    let file: File = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    if file.kompox_plan != FORMAT {
        return Err(bad(format!(
            "it has format {}, this version reads {FORMAT}; make the plan again",
            file.kompox_plan
        )));
    }
    let bytes = canonical(&file.plan);
    let stored: StoredPlan = serde_json::from_value(file.plan).map_err(|error| bad(error.to_string()))?;
    Ok(SavedPlan { plan: load(stored), digest: file.digest, path: path.to_owned(), bytes })
}
