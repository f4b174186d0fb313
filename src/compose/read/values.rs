//! Values that several keys have: commands, variables, durations.

use std::collections::BTreeMap;

use super::reader::Reader;
use crate::compose::gate::Gate;
use crate::compose::model::Text;
use crate::compose::syntax;
use crate::compose::tree::Tree;
use crate::diag::{Diagnostic, Location};
use crate::text::secret::secret_arguments;

/// The most that Kubernetes counts to.
pub(super) const MAX_COUNT: i64 = i32::MAX as i64;

/// A command: a text is split as a shell would, a list is taken as it is. Null leaves the image's own.
pub(super) fn words(reader: &mut Reader<'_>, what: &str, tree: &Tree) -> Option<Vec<Text>> {
    if tree.is_null() {
        return None;
    }
    if let Some(items) = tree.as_sequence() {
        let words = items
            .iter()
            .filter_map(|item| {
                // In a list, null can only be meant as an empty argument.
                let value = if item.is_null() { String::new() } else { reader.text(what, item)? };
                Some(Text { value, sensitive: item.interpolated })
            })
            .collect();
        return Some(mark_secret_arguments(words));
    }
    let text = reader.text(what, tree)?;
    if syntax::is_cut(&text) {
        let message = format!("{what} ends at the first `;`, `&`, `|`, `<` or `>`; the rest is not run");
        let finding = Diagnostic::warning("compose-command", message);
        reader.push(finding.help("run a shell: [\"sh\", \"-c\", \"…\"]"), &tree.location);
    }
    match syntax::words(&text) {
        Some(words) => Some(mark_secret_arguments(
            words.into_iter().map(|value| Text { value, sensitive: tree.interpolated }).collect(),
        )),
        None => {
            reader.told("compose-command", format!("{what}: the quotes do not match"), &tree.location);
            None
        }
    }
}

/// Marks the words of a command line that may be secret.
pub(super) fn mark_secret_arguments(mut words: Vec<Text>) -> Vec<Text> {
    let secret = secret_arguments(words.iter().map(|word| word.value.as_str()));
    for (word, secret) in words.iter_mut().zip(secret) {
        word.sensitive |= secret;
    }
    words
}

/// Names that one message lists.
const SHOWN: usize = 8;

/// Variables by name: a mapping, or a list of `NAME=value`. Those without a value come from the environment of kompox.
pub(super) fn variables(reader: &mut Reader<'_>, service: &str, what: &str, tree: &Tree) -> BTreeMap<String, Text> {
    let mut variables = BTreeMap::new();
    let mut unset: Vec<(String, &Location)> = Vec::new();
    for mut pair in reader.pairs(what, tree) {
        if pair.key.is_empty() || !pair.key.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'=') {
            let message = format!("{service}: {what} has an entry without a usable name");
            reader.error("compose-environment", message, pair.location);
            continue;
        }
        if pair.value.is_none() {
            let Some(value) = reader.environment.get(&pair.key) else {
                // A name that came by interpolation may be a value that lacks its name.
                if !pair.interpolated && reader.gate.withholds(&pair.key) {
                    let message = format!(
                        "{service}: the variable {} is set, but compose files may not read it: it is left out of {what}",
                        pair.key
                    );
                    let finding = Diagnostic::warning("compose-variable-withheld", message);
                    reader.push(finding.help(Gate::help(&pair.key)), pair.location);
                    continue;
                }
                let shown = if pair.interpolated { "a variable".to_owned() } else { pair.key };
                unset.push((shown, pair.location));
                continue;
            };
            (pair.value, pair.interpolated) = (Some(value.clone()), true);
        }
        let key = pair.key.clone();
        if let Some(value) = reader.value(&format!("{service}: {what}"), pair) {
            variables.insert(key, value);
        }
    }
    if let [(first, location), more @ ..] = unset.as_slice() {
        // Leaving them out is what such an entry is for: no warning, and one line for all of them.
        let names: Vec<&str> =
            std::iter::once(first).chain(more.iter().map(|(name, _)| name)).map(String::as_str).take(SHOWN).collect();
        let rest = unset.len() - names.len();
        let rest = if rest == 0 { String::new() } else { format!(" and {rest} more") };
        let message =
            format!("{service}: not set in the environment, and left out of {what}: {}{rest}", names.join(", "));
        reader.note("compose-variable-unset", message, location);
    }
    variables
}

/// Whole seconds of a duration, rounded up. The loader takes a negative one, and this does not.
pub(super) fn duration(reader: &mut Reader<'_>, key: &str, tree: &Tree) -> Option<i64> {
    let text = reader.text(key, tree)?;
    let nanos = tree.duration();
    let seconds = nanos.ok().filter(|nanos| *nanos >= 0).map(syntax::whole_seconds);
    let seconds = seconds.filter(|seconds| *seconds <= MAX_COUNT);
    if seconds.is_none() {
        // What interpolation puts into a health check is not shown.
        let shown = if tree.interpolated { "the value" } else { text.as_str() };
        let message = format!("{key}: {shown} is no duration such as 30s or 1m30s");
        match nanos {
            Ok(_) => reader.error("compose-type", message, &tree.location),
            Err(_) => reader.told("compose-type", message, &tree.location),
        }
    }
    seconds
}
