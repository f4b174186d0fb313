//! Objects as text: multi-document YAML. Byte-stable.

use serde_json::Value;

use super::object::{ObjectKind, Rendered, RenderedObject};
use crate::text::ci;
use crate::text::secret::covered;

/// What stands in place of a sensitive value.
pub(super) const MASK: &str = "(sensitive)";

/// A text that could not be written; only an input that is no data at all can cause it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object} cannot be written as YAML: {reason}")]
pub struct WriteError {
    /// Which object.
    pub object: String,
    /// The serializer's words.
    pub reason: String,
}

impl RenderedObject {
    /// The object with every sensitive leaf replaced by `(sensitive)`.
    pub fn masked(&self) -> Value {
        let mut body = self.body.clone();
        // Lines of files that are secrets.
        if self.kind == ObjectKind::ConfigMap
            && let Some(Value::Object(data)) = body.get_mut("data")
        {
            for text in data.values_mut() {
                if let Some(covered) = text.as_str().and_then(|text| covered(text, &|_| MASK.to_owned())) {
                    *text = covered.into();
                }
            }
        }
        for leaf in &self.sensitive {
            let found = leaf.iter().try_fold(&mut body, |value, segment| match value {
                Value::Object(map) => map.get_mut(segment),
                Value::Array(items) => segment.parse::<usize>().ok().and_then(|index| items.get_mut(index)),
                _ => None,
            });
            if let Some(value) = found {
                *value = MASK.into();
            }
        }
        body
    }
}

/// All objects as one multi-document YAML text, in the order of creation.
///
/// # Errors
/// When the serializer refuses an object.
pub fn manifest(rendered: &Rendered, show_secrets: bool) -> Result<String, WriteError> {
    let mut out = String::new();
    for object in &rendered.objects {
        let text = if show_secrets { ci::yaml(&object.body) } else { ci::yaml(&object.masked()) };
        let text = text.map_err(|error| WriteError {
            object: format!("{} {}", object.kind, object.address_name),
            reason: error,
        })?;
        out.push_str("---\n");
        out.push_str(&text);
        if !text.ends_with('\n') {
            out.push('\n');
        }
    }
    Ok(out)
}
