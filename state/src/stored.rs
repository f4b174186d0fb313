//! JSON that stays text until somebody asks for it: a state holds many records, and most plans look into few of them.

use std::fmt;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// JSON as it was written, known to be JSON. A clone shares the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored(Arc<str>);

impl Stored {
    /// Text that must be JSON.
    ///
    /// # Errors
    /// It is not.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<IgnoredAny>(text)?;
        Ok(Self(text.into()))
    }

    /// The text, to the letter.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The value.
    pub fn value(&self) -> Value {
        // It was checked when this was made; what JSON itself refuses later (a number out of range) reads as null.
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl From<&Value> for Stored {
    fn from(value: &Value) -> Self {
        // Straight into bytes: a formatter would look at every piece again.
        Self(serde_json::to_string(value).unwrap_or_else(|_| value.to_string()).into())
    }
}

impl From<Value> for Stored {
    fn from(value: Value) -> Self {
        Self::from(&value)
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Stored {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Stored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from)
    }
}
