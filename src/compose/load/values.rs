//! What scalars are as values of a type: the one place that says which of them can be read as one.

use super::parse::boolean;
use super::scalar::{Value, is_signed, printed};
use crate::compose::syntax;
use crate::compose::tree::Tree;

/// Why a value is not of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::compose) enum Wrong {
    /// It is of another kind than this one.
    Kind(&'static str),
    /// It is a text that cannot be read as this.
    Text(&'static str),
}

impl Tree {
    /// A boolean, also one that is quoted or came by interpolation.
    pub(in crate::compose) fn boolean(&self) -> Result<bool, Wrong> {
        match self.value() {
            Some(Value::Bool(value)) => Ok(value),
            Some(Value::Str(text)) => boolean(text).ok_or(Wrong::Text("boolean")),
            _ => Err(Wrong::Kind("true or false")),
        }
    }

    /// An integer, also one that is quoted or came by interpolation; of a number with a fraction its whole part.
    pub(in crate::compose) fn integer(&self) -> Result<i128, Wrong> {
        match self.value() {
            Some(Value::Int(number)) => Ok(number),
            Some(Value::Float(number)) => Ok(number as i128),
            Some(Value::Str(text)) => text.parse::<i64>().map(Into::into).map_err(|_| Wrong::Text("integer")),
            _ => Err(Wrong::Kind("an integer")),
        }
    }

    /// An integer of 0 or more; texts are none.
    pub(super) fn unsigned(&self) -> Result<i128, Wrong> {
        match self.value() {
            Some(Value::Int(number)) if number >= 0 => Ok(number),
            Some(Value::Float(number)) if number >= 0.0 => Ok(number as i128),
            _ => Err(Wrong::Kind("an integer of 0 or more")),
        }
    }

    /// A number, also one that is quoted or came by interpolation.
    pub(in crate::compose) fn number(&self) -> Result<f64, Wrong> {
        match self.value() {
            Some(Value::Int(number)) => Ok(number as f64),
            Some(Value::Float(number)) => Ok(number),
            Some(Value::Str(text)) => syntax::number(text).ok_or(Wrong::Text("number")),
            _ => Err(Wrong::Kind("a number")),
        }
    }

    /// Nanoseconds.
    pub(in crate::compose) fn duration(&self) -> Result<i64, Wrong> {
        syntax::duration(&printed(self)).ok_or(Wrong::Text("duration such as 30s or 1m30s"))
    }

    /// Bytes. As in the reference, which reads whole numbers and texts, anything else is none of them.
    pub(in crate::compose) fn bytes(&self) -> Result<i64, Wrong> {
        match self.value() {
            Some(Value::Int(number)) => Ok(i64::try_from(number).unwrap_or(0)),
            Some(Value::Str(text)) => syntax::bytes(text).ok_or(Wrong::Text("size such as 512m or 1gb")),
            _ => Ok(0),
        }
    }

    /// File mode bits: a number as YAML has it, or the digits of an octal one.
    pub(in crate::compose) fn file_mode(&self) -> Result<i64, Wrong> {
        match self.value() {
            Some(Value::Int(number)) if is_signed(number) => {
                i64::try_from(number).map_err(|_| Wrong::Kind("a file mode"))
            }
            Some(Value::Str(text)) => i64::from_str_radix(text, 8).map_err(|_| Wrong::Text("file mode such as 0440")),
            _ => Err(Wrong::Kind("a file mode")),
        }
    }

    /// The number of devices; -1 is all.
    pub(in crate::compose) fn device_count(&self) -> Result<i64, Wrong> {
        const WHAT: &str = "number of devices; write \"all\" or a number";
        match self.value() {
            Some(Value::Int(number)) => i64::try_from(number).map_err(|_| Wrong::Kind("\"all\" or an integer")),
            Some(Value::Str(text)) if text.eq_ignore_ascii_case("all") => Ok(-1),
            Some(Value::Str(text)) => text.parse::<i64>().map_err(|_| Wrong::Text(WHAT)),
            _ => Err(Wrong::Kind("\"all\" or an integer")),
        }
    }
}
