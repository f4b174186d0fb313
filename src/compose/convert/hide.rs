//! Values that nothing may show, wherever they came to stand in an object.

use std::collections::BTreeSet;

use serde_json::Value;

use super::context::Context;
use super::object::RenderedObject;
use crate::compose::gate::Veil;
use crate::diag::Diagnostic;

/// Keys under which texts are names: by them plans call an object or a part of it, and guards find who uses which data.
const NAMES: [&str; 5] = ["name", "mountPath", "subPath", "ip", "host"];
/// Keys under which texts of compose files stand that may be hidden.
const TEXTS: [&str; 13] = [
    "annotations",
    "args",
    "command",
    "data",
    "hostname",
    "hostnames",
    "image",
    "nameservers",
    "options",
    "searches",
    "sysctls",
    "value",
    "workingDir",
];

/// Looks for values that nothing may show.
struct ValueWalk<'v> {
    veil: &'v Veil,
    path: Vec<String>,
    /// Leaves that hold one.
    hidden: Vec<Vec<String>>,
    /// Names that hold one: where, which variable, and what to do.
    named: Vec<(String, String, String)>,
}

impl ValueWalk<'_> {
    /// `text` says whether one of [`TEXTS`] is above.
    fn value(&mut self, value: &Value, text: bool) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    self.name(key, "a key");
                    self.path.push(key.clone());
                    self.value(value, text || TEXTS.contains(&key.as_str()));
                    self.path.pop();
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.path.push(index.to_string());
                    self.value(item, text);
                    self.path.pop();
                }
            }
            Value::String(leaf) => {
                let key = self.path.last().cloned().unwrap_or_default();
                if NAMES.contains(&key.as_str()) {
                    self.name(leaf, &key);
                } else if text && self.veil.meets(leaf) {
                    self.hidden.push(self.path.clone());
                }
            }
            _ => {}
        }
    }

    fn name(&mut self, text: &str, place: &str) {
        if let Some((variable, help)) = self.veil.in_name(text) {
            self.named.push((place.to_owned(), variable.to_owned(), help));
        }
    }
}

/// Marks every text that holds a value which nothing may show. Where it became a name it cannot be hidden.
pub(super) fn values(cx: &mut Context<'_>, objects: &mut [RenderedObject]) {
    let veil = &cx.input.compose.veil;
    if veil.is_empty() {
        return;
    }
    let mut told = BTreeSet::new();
    for object in objects {
        let mut walk = ValueWalk { veil, path: Vec::new(), hidden: Vec::new(), named: Vec::new() };
        walk.value(&object.body, false);
        let ValueWalk { hidden, named, .. } = walk;
        object.sensitive.extend(hidden);
        for (place, variable, help) in named {
            if !told.insert((variable.clone(), place.clone())) {
                continue;
            }
            let message = format!(
                "the value of ${{{variable}}} becomes a name ({place} of a {}), which cannot be hidden",
                object.kind
            );
            let finding = Diagnostic::error("compose-variable-shown", message).help(help);
            match &object.origin {
                Some(origin) => cx.push(finding, origin),
                None => cx.diagnostics.push(finding),
            }
        }
    }
}
