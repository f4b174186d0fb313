//! What the state keeps.
//!
//! **Contract on secrets** (`engine.md`, "No secret is ever stored"): every [`Value`] and every text here is written as
//! it is given. The engine masks before it calls: a sensitive value arrives as its [`Digester`](crate::Digester) digest
//! or not at all. The store neither checks nor interprets the values; they come back exactly as they were written.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::address::Address;
use crate::guards::{Progress, Protection};
use crate::key::ProviderKey;
use crate::stored::Stored;
use crate::verb::Verb;

/// One object that kompox owns, as it was when it was last written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Address in the graph, unique in the state.
    pub address: Address,
    /// Name of the kind, as the engine's kind schemas call it.
    pub kind: String,
    /// Key of the provider that made the object.
    pub provider: ProviderKey,
    /// What the provider calls the object: an ARM id, or a Kubernetes path.
    pub physical_id: String,
    /// Desired inputs as last applied; sensitive ones are digests already.
    pub applied: Stored,
    /// What the provider gave back; sensitive ones are digests already.
    pub outputs: Stored,
    /// Addresses this object needs, in the order they were given. A destroy without a manifest orders its deletes by
    /// these.
    pub dependencies: Vec<Address>,
    /// Guards that outlive the manifest, such as `preventDestroy` and a cluster's `protection`.
    pub protection: Protection,
    /// Digest of the desired inputs, to tell "nothing changed" without a request.
    pub desired_digest: String,
    /// How far the object has come.
    #[serde(rename = "baseline")]
    pub progress: Progress,
    /// Where the object was asked for, as `file:line:col`.
    pub source: Option<String>,
    /// Serial of the commit that first wrote this address; set by the store, ignored on input.
    pub created_serial: u64,
    /// Serial of the commit that last changed this record; set by the store, ignored on input. A saved plan's
    /// precondition.
    pub updated_serial: u64,
}

/// A mutating request that may or may not have reached its provider. Durable before the call, closed with the result
/// after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// UUID, unique for ever; also the idempotency token of the request.
    pub id: String,
    /// The [`Run`](crate::Run) it belongs to.
    pub run: String,
    /// Address the request is about.
    pub address: Address,
    /// Name of the kind.
    pub kind: String,
    /// Key of the provider.
    pub provider: ProviderKey,
    /// What is done to it.
    pub action: Verb,
    /// Physical id, when it is known or fixed before the call.
    pub physical_id: Option<String>,
    /// Digest of the request.
    pub request_digest: String,
    /// Desired inputs, sensitive ones as digests.
    pub desired: Value,
    /// The record to write if the object turns out to exist.
    pub record: Option<Record>,
    /// Where the long-running operation can be asked for, relative to the provider's endpoint.
    pub operation_url: Option<String>,
    /// When it was opened (RFC 3339).
    pub opened_at: String,
}

/// What a plan reads, all of one instant: a commit is either wholly in it or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The serial the rest belongs to.
    pub serial: u64,
    /// Every record, by address.
    pub records: Vec<Record>,
    /// Every open intent, in the order they were opened.
    pub open_intents: Vec<Intent>,
    /// Where the state has moved to, if this is what was left behind.
    pub moved_to: Option<String>,
}
