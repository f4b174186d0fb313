//! Azure Resource Manager.
//!
//! An object is the ARM resource as JSON with its whole `id`; type and API version follow from the id, and `id` and other
//! read-only fields are taken out of a body before it is sent. A role assignment may come as `scope` and `properties`
//! instead of an id: its name is computed from scope, principal and role.
//!
//! | file | what |
//! |---|---|
//! | `auth` | tokens; the only file that names the Azure SDK |
//! | `config`, `open` | how a subscription is reached, and what a key and settings say of that |
//! | `subscription` | [`AzureProvider`], one subscription, as everything below asks it |
//! | `client` | HTTP: authorization, limits, retries, errors; everything else of the provider asks it only |
//! | `error` | ARM's error envelope to [`ProviderError`] with a hint |
//! | `id`, `types` | what an id names, and what must be known of its type |
//! | `read`, `contents` | lists and single reads |
//! | `recent` | what was seen and unlocked, where another region says otherwise for a while |
//! | `write`, `body`, `role` | creations, changes, deletions, and the bodies they send |
//! | `operation` | long-running operations |
//! | `usages` | what a subscription has left |
//! | `kubeconfig` | the way into a managed cluster |
//! | `vaults` | key vaults by their names |
//!
//! Of the SDK, `azure_identity` signs in and `azure_core` gives its interface. The generated clients are not used: the
//! by-id client's `GenericResource` has no `zones`, typed models drop what they do not know of an answer, lists come
//! typed only, and an answer that is an error loses headers and body on the way. Bodies go out and answers come in as
//! JSON, so nothing is lost, and a new field of an API needs no new crate.

mod auth;
mod body;
mod client;
mod config;
mod contents;
mod error;
mod id;
mod kubeconfig;
mod open;
mod operation;
mod read;
mod recent;
mod role;
mod safety;
mod subscription;
#[cfg(test)]
mod tests;
mod types;
mod usages;
mod vaults;
mod write;

use async_trait::async_trait;
use serde_json::Value as Json;

use crate::engine::kind::Kind;
use crate::engine::provider::{
    Content, Marked, Observation, Observed, Operation, Preview, Progress, Provider, ProviderError, Room, Safeguard,
    Target,
};
use crate::engine::value::Value;

pub use auth::SignIns;
pub use open::open;
pub use subscription::AzureProvider;

#[async_trait]
impl Provider for AzureProvider {
    async fn read(&self, targets: &[Target]) -> Vec<Observation> {
        self.read_all(targets).await
    }

    fn physical_id(&self, _kind: &Kind, desired: &Value) -> Option<String> {
        role::desired_id(desired)
    }

    async fn preview(&self, _target: &Target, _desired: &Json, _force: bool) -> Result<Preview, ProviderError> {
        Ok(Preview::Unconfirmed("Azure has no dry run".to_owned()))
    }

    async fn execute(&self, operation: &Operation, progress: &dyn Progress) -> Result<Option<Observed>, ProviderError> {
        self.carry_out(operation, progress).await
    }

    async fn contents(&self, target: &Target) -> Result<Vec<Content>, ProviderError> {
        self.list_contents(target).await
    }

    async fn containers(&self, lineage: &str) -> Result<Vec<Content>, ProviderError> {
        self.marked_groups(lineage).await
    }

    async fn marked(&self, kind: &Kind, lineage: &str) -> Result<Vec<Marked>, ProviderError> {
        self.marked_data(kind, lineage).await
    }

    async fn safeguard(
        &self,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<Option<Safeguard>, ProviderError> {
        self.snapshot_before_delete(operation, progress).await
    }

    async fn room(&self, objects: &[Json]) -> Result<Vec<Room>, ProviderError> {
        self.usages(objects).await
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }
}
