//! What is read off a PersistentVolume, whoever made it.

use kompox_rules::quantity;
use serde_json::Value;

use crate::engine::provider::{ErrorClass, ProviderError};
use crate::providers::kubernetes::table::Location;

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// How large a PersistentVolume is, in bytes.
pub(super) fn capacity_of(volume: &Value) -> Option<u64> {
    quantity::parse_units(text(volume, "/spec/capacity/storage")).ok()
}

/// Where a PersistentVolume is.
pub(super) fn volume_location(volume: &Value) -> Result<Location, ProviderError> {
    let path = format!("/api/v1/persistentvolumes/{}", text(volume, "/metadata/name"));
    Location::parse(&path).map_err(|error| ProviderError::new(ErrorClass::Rejected, error.to_string()))
}

/// That what is there is not what it was when it was planned.
pub(super) fn conflict(text: impl Into<String>) -> ProviderError {
    ProviderError::new(ErrorClass::Conflict, text.into()).hint("plan again")
}
