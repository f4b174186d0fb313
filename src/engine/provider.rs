//! What the engine asks of a provider. A provider knows one API (a cloud, a cluster); the engine knows none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::address::Address;
use super::code::codes;
use super::kind::Kind;
use super::object::ObjectText;
use super::value::{Path, Value};
use crate::advice::Advice;

pub use kompox_state::ProviderKey;

/// The providers of a run by their keys.
pub type Providers = BTreeMap<ProviderKey, Arc<dyn Provider>>;

/// One object to be read or changed.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its address.
    pub address: Address,
    /// Its schema.
    pub kind: &'static Kind,
    /// The provider's own id (ARM id, Kubernetes path), if known.
    pub physical_id: Option<String>,
    /// When the id is not known: an object in the collection `within` (a provider id) that carries all these tags.
    pub find: Option<Find>,
}

/// How to find an object whose name nobody chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Find {
    /// The provider id of the collection, such as a resource group's.
    pub within: String,
    /// Tags that it carries.
    pub tags: BTreeMap<String, String>,
}

/// Data that carries a lineage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// The provider's own id.
    pub physical_id: String,
    /// Its tags, their names in lower case.
    pub tags: BTreeMap<String, String>,
}

/// What a read found.
#[derive(Debug, Clone)]
pub enum Observation {
    /// It does not exist.
    Missing,
    /// It exists.
    Found(Box<Observed>),
    /// What it lives in does not exist yet, or cannot be asked yet: planned from the rendered form, unconfirmed.
    NotYet(String),
    /// It could not be read; a plan that needs it fails.
    Failed(Box<ProviderError>),
}

impl Observation {
    /// It could not be read.
    pub fn failed(error: ProviderError) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// An object as it is.
#[derive(Clone)]
pub struct Observed {
    /// The provider's own id.
    pub physical_id: String,
    /// The whole object, secrets in clear: masked by the engine at once, never stored as is.
    pub object: ObjectText,
    /// What changes when the object is deleted and made anew (uid, uniqueId, creation time).
    pub uid: Option<String>,
    /// The lineage tag or annotation that it carries.
    pub lineage: Option<String>,
    /// Whether it is being made or deleted at the moment.
    pub transition: Option<Transition>,
    /// Whether it can be used: rolled out, bound, addressed.
    pub ready: bool,
    /// Who last wrote which field, where the API tells.
    pub writers: Writers,
    /// What ties it to another object that is gone: nothing else can use it until that is cleared.
    pub tie: Option<Tie>,
}

/// A field by which the API has tied an object to another one that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tie {
    /// The field.
    pub path: Path,
    /// Its value, which is cleared only as long as it is this one.
    pub value: String,
    /// What it was tied to, in a few words: `the claim "x" that it was bound to`.
    pub to: String,
}

impl std::fmt::Debug for Observed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The object may hold secrets.
        f.debug_struct("Observed")
            .field("physical_id", &self.physical_id)
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}

/// A change that the API is carrying out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// It is being created or changed.
    Changing,
    /// It is being deleted.
    Deleting,
    /// The last creation or change failed.
    Failed,
}

/// The writers of an object's fields. They are read where somebody asks: most objects are as they were left, and the
/// paths of all fields of all objects would take more memory than the objects.
#[derive(Clone, Default)]
pub struct Writers(Option<Arc<dyn Fn() -> Vec<Writer> + Send + Sync>>);

impl Writers {
    /// Writers that `read` gives, each time that somebody asks.
    pub fn later(read: impl Fn() -> Vec<Writer> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(read)))
    }

    /// All of them; none where the API does not tell.
    pub fn read(&self) -> Vec<Writer> {
        self.0.as_ref().map(|read| read()).unwrap_or_default()
    }
}

/// A writer of fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// Its name, such as `kubectl-edit`.
    pub name: String,
    /// When it last wrote, RFC 3339.
    pub time: Option<String>,
    /// What it wrote; the root, where the API tells who wrote the object last and not what of it.
    pub paths: Vec<Path>,
}

/// The server's own answer to "what would this become".
#[derive(Debug, Clone)]
pub enum Preview {
    /// The object as it would be, secrets in clear.
    Object(Box<Observed>),
    /// Another writer owns fields that we would take; names them.
    Conflict(Vec<Conflict>),
    /// The server cannot say (no rights, no such kind yet, Namespace missing): the rendered form stands, unconfirmed.
    Unconfirmed(String),
}

/// A field that another writer owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The field, in the API's own words.
    pub field: String,
    /// The writer.
    pub writer: String,
}

/// A change to carry out.
pub struct Operation {
    /// What is changed.
    pub target: Target,
    /// How.
    pub change: Change,
    /// The idempotency token: the intent's id.
    pub token: String,
    /// The lineage to mark the object with.
    pub lineage: String,
    /// Take fields that other writers own.
    pub force: bool,
    /// The object was adopted: it may carry another lineage until this change marks it.
    pub adopted: bool,
    /// Whether to wait until the object is ready.
    pub wait: bool,
    /// When to stop waiting.
    pub timeout: Duration,
}

/// The changes a provider can make.
pub enum Change {
    /// Make it. The object holds secrets in clear.
    Create {
        /// The whole desired object.
        desired: serde_json::Value,
    },
    /// Change it in place.
    Update {
        /// The whole desired object.
        desired: serde_json::Value,
        /// Fields that we set before and no longer want.
        removed: Vec<Path>,
    },
    /// Delete it; gone already is success. Refused by the provider if `uid` is given and differs.
    Delete {
        /// The object that was reviewed.
        uid: Option<String>,
    },
    /// Clear a tie to an object that is gone, if it still is as it was seen; nothing else changes.
    Release {
        /// The tie.
        tie: Tie,
    },
    /// Wait for a long-running operation that an earlier process started.
    Resume {
        /// The operation's URL, relative to the endpoint.
        operation_url: String,
    },
}

impl Change {
    /// The verb, for events and messages.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Update { .. } => "update",
            Self::Delete { .. } => "delete",
            Self::Release { .. } => "release",
            Self::Resume { .. } => "resume",
        }
    }
}

/// What is looked at closely before it is imported.
pub struct Look<'a> {
    /// The object, with the id that it is to have.
    pub target: Target,
    /// The whole desired object.
    pub desired: &'a serde_json::Value,
    /// The objects that it stands on in the same API, as they are desired.
    pub ground: &'a [serde_json::Value],
    /// The lineage that is to own it.
    pub lineage: &'a str,
    /// What no other look has.
    pub token: &'a str,
}

/// What an operation tells while it runs.
#[async_trait]
pub trait Progress: Send + Sync {
    /// The request was accepted and goes on at this URL (relative to the endpoint). Returns once that is durable.
    async fn accepted(&self, operation_url: &str);
    /// All is sent: from here on there are only looks at what comes by itself. Others may run in the meantime.
    fn waiting(&self) {}
    /// What is being waited for, in a few words.
    fn status(&self, text: &str);
    /// A request is tried again after this delay because of that.
    fn retried(&self, delay: Duration, reason: &str);
    /// Returns when nobody wants to wait any longer for what comes by itself: that an object is ready, or gone. What a
    /// request is doing goes on to its end.
    async fn stopped(&self) {
        std::future::pending().await
    }
}

/// An object inside a container, found by a listing just before the container is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The provider's own id.
    pub physical_id: String,
    /// Its kind in the API's own words.
    pub kind: String,
    /// The server made it and removes it itself (a Namespace's default ServiceAccount).
    pub server_made: bool,
    /// It is what kompox keeps data in (a disk, share or snapshot), whoever made it.
    pub holds_data: bool,
}

/// A copy of an object's data, taken just before the object is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Safeguard {
    /// The provider's own id of the copy.
    pub physical_id: String,
    /// The command that brings the data back.
    pub restore: String,
}

/// Something of which an account may have a limited amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// What it is and where, in the API's own words.
    pub what: String,
    /// How much of it there is.
    pub used: u64,
    /// How much there may be.
    pub limit: u64,
}

/// Why a call to a provider failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// What kind of failure it is, as far as the engine must know.
    pub class: ErrorClass,
    /// The API's own code, such as `QuotaExceeded`.
    pub code: Option<String>,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// The API's own words, secrets removed.
    pub message: String,
    /// The API's id of the request, for its support.
    pub request_id: Option<String>,
    /// What to do.
    pub hint: Option<Advice>,
}

impl ProviderError {
    /// An error of a class with a message.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, code: None, status: None, message: message.into(), request_id: None, hint: None }
    }

    /// The message with what the API's support asks for: code, HTTP status and request id, as far as known.
    pub fn described(&self) -> String {
        let code = self.code.as_ref().map(|code| format!("code {code}"));
        let status = self.status.map(|status| format!("HTTP {status}"));
        let request = self.request_id.as_ref().map(|id| format!("request id {id}"));
        let facts: Vec<String> = [code, status, request].into_iter().flatten().collect();
        if facts.is_empty() { self.message.clone() } else { format!("{} ({})", self.message, facts.join(", ")) }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Advice>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

codes! {
    /// What the engine must know of a failure.
    ErrorClass {
        /// The request had no effect, and the same one would fail again.
        Rejected = "rejected",
        /// Who we are, or what we may do.
        Denied = "denied",
        /// The object is not as expected any more (precondition, conflict with another writer).
        Conflict = "conflict",
        /// It may have had an effect; only a read can tell (connection lost, retries used up).
        Ambiguous = "ambiguous",
        /// It is there but not ready in time.
        NotReady = "not-ready",
        /// A lock closes the way to it: nothing was done, and once the lock is lifted it can be.
        Locked = "locked",
    }
}

/// One API. Implementations retry what may be retried and obey the API's rate limits; they never print.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Reads many objects, in as few requests as the API allows. One answer per target, in order.
    async fn read(&self, targets: &[Target]) -> Vec<Observation>;

    /// The id that an object with these inputs will have; `None` while it depends on something unknown.
    fn physical_id(&self, kind: &Kind, desired: &Value) -> Option<String>;

    /// Asks the server what the object would become. Changes nothing.
    async fn preview(
        &self,
        target: &Target,
        desired: &serde_json::Value,
        force: bool,
    ) -> Result<Preview, ProviderError>;

    /// Carries out a change and waits as asked. `None` after a deletion, else the object as it is then.
    async fn execute(&self, operation: &Operation, progress: &dyn Progress) -> Result<Option<Observed>, ProviderError>;

    /// What a container holds, complete. Called just before it is deleted.
    async fn contents(&self, target: &Target) -> Result<Vec<Content>, ProviderError>;

    /// The outermost containers that carry this lineage: what else does is in one of them.
    async fn containers(&self, lineage: &str) -> Result<Vec<Content>, ProviderError>;

    /// Data of this kind that carries this lineage, wherever it is: what was imported is elsewhere than what kompox makes.
    async fn marked(&self, kind: &Kind, lineage: &str) -> Result<Vec<Marked>, ProviderError>;

    /// Copies the data of an object that is about to be deleted, for kinds that say so ([`Kind::safeguarded`]). `None`
    /// if there is nothing to copy any more. A failure stops the deletion.
    async fn safeguard(
        &self,
        _operation: &Operation,
        _progress: &dyn Progress,
    ) -> Result<Option<Safeguard>, ProviderError> {
        Ok(None)
    }

    /// The id of the object of this kind that people know by another name, which has no slash in it. `None` where the API
    /// knows objects by their ids alone. Called for an import, never for a plan.
    async fn named(&self, _kind: &Kind, _name: &str) -> Result<Option<String>, ProviderError> {
        Ok(None)
    }

    /// Looks at what an id names where reading alone does not show it, and sees to it that reading does. Called for an
    /// import that somebody asked for, never for a plan: it may do more than ask.
    async fn look_closely(&self, _look: &Look<'_>) -> Result<(), ProviderError> {
        Ok(())
    }

    /// What the account may have where these objects are, or are to be, and how much of it there is.
    async fn room(&self, _objects: &[serde_json::Value]) -> Result<Vec<Room>, ProviderError> {
        Ok(Vec::new())
    }

    /// How many operations to run on this API at once.
    fn concurrency(&self) -> usize;
}
