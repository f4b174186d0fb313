//! A plan: every change with its reason, and nothing that apply would have to ask again.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kompox_state::Protection;
pub use kompox_state::Verb;
use serde::{Deserialize, Serialize};

use super::address::Address;
use super::provider::ProviderKey;
use super::value::{Path, Value};
use crate::advice::Advice;

/// Where the user asked for something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The file.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Make the world as the manifests say.
    Apply,
    /// Remove what the state owns, data excepted.
    Destroy,
    /// Take objects that exist into the state, the targets alone; nothing in the cloud changes. What differs is shown, and
    /// left to the next apply.
    Import,
    /// Accept what is observed into the state; nothing in the cloud changes.
    RefreshOnly,
}

/// Who made a field differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The manifests ask for something else than what was last applied.
    Manifest,
    /// Somebody changed it since the last apply (who and when, where the API tells).
    Drift {
        /// The writer.
        writer: Option<String>,
        /// When, RFC 3339.
        time: Option<String>,
        /// The API tells it of the object alone: its last writer need not be who changed this field.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        of_object: bool,
    },
    /// The server decides it.
    Server,
}

impl Cause {
    /// Somebody changed it, and nobody tells who.
    pub(super) const UNTOLD: Self = Self::Drift { writer: None, time: None, of_object: false };
}

/// What the manifests ask for where somebody changed a field: the third side, beside what was applied and what is observed.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Asked {
    /// It is one of the two sides, or no field that manifests speak of.
    #[default]
    NoThird,
    /// What was last applied.
    AsApplied,
    /// Something else by now; `None`: nothing.
    Other(Option<Value>),
}

/// One field that changes. A missing side is a field that appears or goes.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldChange {
    /// Where.
    pub path: Path,
    /// What is observed now; in a refresh-only plan what was last applied.
    pub before: Option<Value>,
    /// What it will be; in a refresh-only plan what is observed now.
    pub after: Option<Value>,
    /// In a refresh-only plan: what the manifests ask for.
    pub asked: Asked,
    /// Who made it differ.
    pub cause: Cause,
    /// Whether this change forces replacement.
    pub forces_replacement: bool,
}

/// What was true when the plan was made and must still be true when it is applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Precondition {
    /// `updated_serial` of the record, `None` if there was none.
    pub record_serial: Option<u64>,
    /// Whether the object existed; `None` if that could not be asked yet.
    pub existed: Option<bool>,
    /// Its uid, where it had one.
    pub uid: Option<String>,
    /// Digest of its fields that the schema speaks of.
    pub observed_digest: Option<String>,
    /// Those fields, masked, so that a refusal can say what changed since the review.
    pub observed: Option<serde_json::Value>,
    /// The outputs that the plan took from it for what refers to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<serde_json::Value>,
}

/// Who uses data, as seen where a plan gives some to another workload. It must be so when the plan is applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// What workloads that the plan leaves alone use: they may use less by then, but nothing more.
    pub uses: BTreeMap<Address, BTreeSet<String>>,
    /// Data that no machine had attached, where that alone told that nobody uses it.
    pub unattached: BTreeSet<Address>,
}

impl Usage {
    /// Whether the plan gives nothing away that anybody else could use.
    pub fn is_empty(&self) -> bool {
        self.uses.is_empty() && self.unattached.is_empty()
    }
}

/// One planned action.
#[derive(Debug, Clone)]
pub struct PlannedAction {
    /// The object.
    pub address: Address,
    /// The name of its kind.
    pub kind: String,
    /// Which provider carries it out.
    pub provider: ProviderKey,
    /// What is done.
    pub action: Verb,
    /// Why, in one line: `zone "1" → "2" forces replacement`.
    pub reason: String,
    /// The line that asked for it.
    pub origin: Option<Origin>,
    /// The provider's own id, if known.
    pub physical_id: Option<String>,
    /// The uid of the object that was reviewed, where it matters.
    pub uid: Option<String>,
    /// For a creation or replacement: the whole desired value, masked. Otherwise `None`; see `changes`.
    pub after: Option<Value>,
    /// For an update or import: the fields that change; for a replacement those that force it too.
    pub changes: Vec<FieldChange>,
    /// Digest of the masked desired value: apply refuses if the manifests now give another.
    pub desired_digest: Option<String>,
    /// Actions that must be done before this one.
    pub after_addresses: Vec<Address>,
    /// What must still be true.
    pub precondition: Precondition,
    /// For a creation: what has its place now is being deleted, and is gone first.
    pub ending: bool,
    /// The server could not be asked; planned from the rendered form.
    pub unconfirmed: Option<String>,
    /// Fields of other writers may be taken.
    pub force: bool,
    /// The previous address, for a move.
    pub moved_from: Option<Address>,
    /// What must not happen to the object after this action.
    pub protection: Protection,
    /// What it depends on, for its record.
    pub dependencies: Vec<Address>,
    /// How a person finds out who changed it, where the API does not tell.
    pub who: Option<Advice>,
}

impl PlannedAction {
    /// An action on an object of which nothing else is known yet.
    pub(super) fn new(action: Verb, address: Address, kind: &str, provider: ProviderKey) -> Self {
        Self {
            address,
            kind: kind.to_owned(),
            provider,
            action,
            reason: String::new(),
            origin: None,
            physical_id: None,
            uid: None,
            after: None,
            changes: Vec::new(),
            desired_digest: None,
            after_addresses: Vec::new(),
            precondition: Precondition::default(),
            ending: false,
            unconfirmed: None,
            force: false,
            moved_from: None,
            protection: Protection::default(),
            dependencies: Vec::new(),
            who: None,
        }
    }
}

/// Something a reviewer must see first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Danger {
    /// A stable kebab-case name of its kind, such as `starts-empty`, for machines (`docs/plan.md` lists them).
    #[serde(default)]
    pub code: Cow<'static, str>,
    /// What it is about.
    pub address: Option<Address>,
    /// One line.
    pub text: String,
    /// What to do.
    pub help: Vec<Advice>,
}

impl Danger {
    /// One about an object, without help yet.
    pub fn about(code: impl Into<Cow<'static, str>>, address: &Address, text: impl Into<String>) -> Self {
        Self { code: code.into(), address: Some(address.clone()), text: text.into(), help: Vec::new() }
    }
}

/// A restart that a plan causes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// The workload.
    pub address: Address,
    /// Why, in one line.
    pub because: String,
}

/// A plan.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it is for.
    pub mode: Mode,
    /// The engine that made it.
    pub engine_version: String,
    /// The state it was made for.
    pub lineage: String,
    /// Keyed digest of each input by its name (a file, the settings), so that a refusal can name what changed.
    pub inputs: BTreeMap<String, String>,
    /// Names that nobody chose, fixed here: a retry never makes a second object under another name.
    pub chosen: BTreeMap<Address, String>,
    /// Changes in execution order, no-ops left out.
    pub actions: Vec<PlannedAction>,
    /// Number of objects that stay as they are.
    pub unchanged: usize,
    /// Objects that a change reads without changing them: they must still be as they were.
    pub reads: BTreeMap<Address, Precondition>,
    /// Who uses the data that the plan gives to others.
    pub usage: Usage,
    /// What a reviewer must see first.
    pub dangers: Vec<Danger>,
    /// What a reviewer may want to know.
    pub notes: Vec<Danger>,
    /// Workloads that restart (one replica each: a restart is downtime).
    pub restarts: Vec<Restart>,
    /// Hosts the apps answer on after the apply.
    pub hosts: Vec<(Address, String)>,
    /// Nobody was asked for what there is: it is for reading, and is not applied.
    pub offline: bool,
    /// It was made against a pretended cloud and can be applied to that one only.
    pub rehearsal: bool,
}

impl Plan {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.actions.iter().all(|planned| !planned.action.is_change())
    }

    /// How many of each action there are, in the order of [`Verb::ALL`], zeros left out.
    pub fn counts(&self) -> Vec<(Verb, usize)> {
        let mut counts: BTreeMap<Verb, usize> = BTreeMap::new();
        for planned in &self.actions {
            *counts.entry(planned.action).or_default() += 1;
        }
        Verb::ALL.iter().filter_map(|action| counts.get(action).map(|count| (*action, *count))).collect()
    }
}
