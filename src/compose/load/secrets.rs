//! Secrets whose values are variables.

use std::collections::BTreeMap;

use crate::compose::tree::Tree;

/// The key under which a secret's value stands that is a variable's: an extension, so that no file can mean it.
const VALUE: &str = "x-#value";

/// Looks secrets up that are variables, where the file that defines them is known: an included one has its own.
pub(super) fn look_up(tree: &mut Tree, environment: &BTreeMap<String, String>) {
    for entry in tree.get_mut("secrets").and_then(Tree::entries_mut).into_iter().flatten() {
        let variable = entry.value.get("environment").and_then(Tree::as_str);
        if let Some(value) = variable.and_then(|name| environment.get(name)) {
            let value = Tree::text(value.clone(), entry.value.location.clone(), true);
            entry.value.set(VALUE, value);
        }
    }
}

/// The value that a secret was given by a variable.
pub(super) fn value(secret: &Tree) -> Option<&str> {
    secret.get(VALUE).and_then(Tree::as_str)
}
