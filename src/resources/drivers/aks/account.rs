//! A Provider of this driver: a subscription and a region.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::settings::ProviderSettings;
use crate::diag::Location;
use crate::engine::provider::ProviderKey;
use crate::engine::value::Value;
use crate::kom::model::Provider;
use crate::resources::driver::Connection;
use crate::resources::names;
use crate::resources::scope::{Place, StateView, tags_value};

/// What everything under a Provider is in.
pub(super) struct Subscription {
    /// The Provider.
    pub(super) place: Place,
    /// Prefix of names.
    pub(super) prefix: String,
    /// Where that was chosen, if somebody chose it.
    pub(super) prefix_place: Option<Location>,
    /// `/subscriptions/<id>`.
    pub(super) id: String,
    /// The region.
    location: String,
    /// The key of its API.
    pub(super) key: ProviderKey,
    /// How to sign in.
    pub(super) connection: Connection,
}

impl Subscription {
    /// The subscription that a Provider's settings say.
    pub(super) fn new(
        provider: &Provider,
        settings: ProviderSettings,
        (key, connection): (ProviderKey, Connection),
    ) -> Self {
        let place = Place::of(provider);
        Self {
            prefix: names::prefix(settings.prefix.as_deref(), &place.workspace, &place.provider),
            place,
            prefix_place: settings.prefix_place,
            id: format!("/subscriptions/{}", settings.subscription),
            location: settings.location,
            key,
            connection,
        }
    }

    /// The ARM id of a resource group.
    pub(super) fn group_id(&self, group: &str) -> String {
        format!("{}/resourceGroups/{group}", self.id)
    }

    /// An ARM object: its id, region, tags with our lineage, and the rest.
    pub(super) fn arm(&self, state: &StateView, id: &str, tags: &BTreeMap<String, String>, rest: Json) -> Value {
        let mut desired = Value::from(rest);
        desired.set(&["id"], id.into());
        desired.set(&["location"], self.location.as_str().into());
        desired.set(&["tags"], tags_value(tags));
        desired.set(&["tags", "kompox-lineage"], state.lineage.as_str().into());
        desired
    }
}
