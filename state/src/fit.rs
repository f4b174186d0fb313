//! What a change must fulfil so that a state can read back what it wrote, whichever backend keeps it.

use std::fmt::Display;

use serde_json::Value;

use crate::address::Address;
use crate::error::StateError;
use crate::record::Record;

/// How deep a value may be nested. The JSON reader stops at 128, and what it cannot read back must not be written; an
/// intent wraps its record's values once more, and a log the intent.
pub(crate) const MAX_DEPTH: usize = 100;

/// A change that does not fit.
pub(crate) fn refused(what: String) -> StateError {
    StateError::Refused { what }
}

/// Refuses a value that is nested too deeply.
pub(crate) fn shallow(value: &Value, place: &dyn Display) -> Result<(), StateError> {
    if deeper_than(value, MAX_DEPTH) {
        return Err(refused(format!("a value of {place} is nested more than {MAX_DEPTH} levels deep")));
    }
    Ok(())
}

/// Refuses addresses that could not be read back.
pub(crate) fn readable<'a>(addresses: impl IntoIterator<Item = &'a Address>) -> Result<(), StateError> {
    addresses.into_iter().try_for_each(|address| match Address::parse(address.as_str()) {
        Ok(_) => Ok(()),
        Err(e) => Err(refused(e.to_string())),
    })
}

/// Refuses a record of which a part could not be read back.
pub(crate) fn whole(record: &Record) -> Result<(), StateError> {
    readable(std::iter::once(&record.address).chain(&record.dependencies))?;
    [&record.applied, &record.outputs].into_iter().try_for_each(|value| shallow(&value.value(), &record.address))
}

fn deeper_than(value: &Value, limit: usize) -> bool {
    match value {
        Value::Array(items) => limit == 0 || items.iter().any(|item| deeper_than(item, limit - 1)),
        Value::Object(fields) => limit == 0 || fields.values().any(|field| deeper_than(field, limit - 1)),
        _ => false,
    }
}
