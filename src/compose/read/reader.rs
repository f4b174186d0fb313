//! What every reader of a part needs: values of the tree, where messages go, and where values come from.
//!
//! The loader checks what is written, types first of all, and says what is wrong. A reader takes the values that are
//! right, and speaks of what they mean here.

use std::collections::{BTreeMap, HashMap};

use super::hiding::Hiding;
use crate::compose::files::{FileError, Files};
use crate::compose::gate::Gate;
use crate::compose::load::Sources;
use crate::compose::load::limits::MAX_ITEMS;
use crate::compose::load::pairs::{Pair, pairs};
use crate::compose::model::Text;
use crate::compose::syntax;
use crate::compose::tree::{Tree, TreeEntry};
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::text::secret::{holds_secret, is_secret_name};
use crate::text::suggest::closest;

/// What reading needs everywhere: where messages go and where values come from.
pub(super) struct Reader<'a> {
    pub(super) sources: Sources,
    pub(super) diagnostics: Diagnostics,
    pub(super) environment: &'a BTreeMap<String, String>,
    pub(super) gate: &'a Gate,
    pub(super) files: &'a dyn Files,
    /// Mounts of named volumes that may hide files of their image.
    pub(super) may_hide: Vec<Hiding>,
    /// Values of another type than they should be. To say so is the loader's part, which checks the types of all that is
    /// written; only what it let pass is told in these words, so that nothing is left out in silence.
    pub(super) untyped: Vec<(Diagnostic, Location)>,
    /// What is written where a number, a boolean or a date reads as another text, by the place of its key.
    pub(super) rewritten: &'a HashMap<Location, String>,
}

impl Reader<'_> {
    pub(super) fn push(&mut self, diagnostic: Diagnostic, location: &Location) {
        self.diagnostics.push(self.sources.locate(diagnostic, location));
    }

    pub(super) fn error(&mut self, code: &'static str, message: impl Into<String>, location: &Location) {
        self.push(Diagnostic::error(code, message), location);
    }

    pub(super) fn warning(&mut self, code: &'static str, message: impl Into<String>, location: &Location) {
        self.push(Diagnostic::warning(code, message), location);
    }

    pub(super) fn note(&mut self, code: &'static str, message: impl Into<String>, location: &Location) {
        self.push(Diagnostic::note(code, message), location);
    }

    /// Notes that the loader must have told this error, which is one of a value's type.
    pub(super) fn told(&mut self, code: &'static str, message: impl Into<String>, location: &Location) {
        self.untyped.push((Diagnostic::error(code, message), location.clone()));
    }

    pub(super) fn wrong_type(&mut self, what: &str, expected: &str, tree: &Tree) {
        self.told("compose-type", format!("{what} must be {expected}, not {}", tree.describe()), &tree.location);
    }

    /// The text of a scalar as the reference prints it; null is none, and so is what the loader refuses.
    pub(super) fn text(&mut self, what: &str, tree: &Tree) -> Option<String> {
        let text = tree.printed();
        if text.is_none() && !tree.is_null() {
            self.wrong_type(what, "a string", tree);
        }
        text
    }

    /// The text that a container gets of a value under `what`, which a variable or a name may make a secret. Where that
    /// is not what is written, a warning says so.
    pub(super) fn value(&mut self, what: &str, pair: Pair<'_>) -> Option<Text> {
        let value = pair.value?;
        let sensitive = pair.interpolated || is_secret_name(&pair.key) || holds_secret(&value);
        if let Some(written) = self.rewritten.get(pair.location) {
            let message = match sensitive {
                true => format!("{what}: {} is not in quotes, and becomes another text", pair.key),
                false => format!("{what}: {}: {written} is not in quotes, and becomes \"{value}\"", pair.key),
            };
            let help = "write it in quotes to have it as it stands";
            let finding = Diagnostic::warning("compose-plain-value", message).help(help);
            self.push(finding, pair.location);
        }
        Some(Text { value, sensitive })
    }

    /// A boolean; null is none, and so is what the loader refuses.
    pub(super) fn boolean(&mut self, what: &str, tree: &Tree) -> Option<bool> {
        if tree.is_null() {
            return None;
        }
        let found = tree.boolean();
        if found.is_err() {
            self.wrong_type(what, "true or false", tree);
        }
        found.ok()
    }

    /// An integer; null is none, and so is what the loader refuses. It takes a number with a fraction, and this does not.
    pub(super) fn integer(&mut self, what: &str, tree: &Tree) -> Option<i64> {
        if tree.is_null() {
            return None;
        }
        let Ok(number) = tree.integer() else {
            self.wrong_type(what, "an integer", tree);
            return None;
        };
        let is_whole = tree.number().is_ok_and(|number| number.fract() == 0.0);
        let found = i64::try_from(number).ok().filter(|_| is_whole);
        if found.is_none() {
            let message = format!("{what} must be an integer, not {}", tree.describe());
            self.error("compose-type", message, &tree.location);
        }
        found
    }

    /// Bytes of a size such as `512m`; null is none, and so is what the loader refuses. It takes a negative one, and this
    /// does not.
    pub(super) fn size(&mut self, what: &str, tree: &Tree) -> Option<u64> {
        let text = self.text(what, tree)?;
        let bytes = syntax::bytes(&text).and_then(|bytes| u64::try_from(bytes).ok());
        if bytes.is_none() {
            let message = format!("{what}: \"{text}\" is no size such as 512m");
            match tree.bytes() {
                Ok(_) => self.error("compose-type", message, &tree.location),
                Err(_) => self.told("compose-type", message, &tree.location),
            }
        }
        bytes
    }

    /// A list of texts; one text is a list of one.
    pub(super) fn texts(&mut self, what: &str, tree: &Tree) -> Vec<(String, Location)> {
        if tree.is_null() {
            return Vec::new();
        }
        if let Some(text) = tree.printed() {
            return vec![(text, tree.location.clone())];
        }
        match tree.as_sequence() {
            Some(_) => {
                let items = self.list(what, tree);
                items.iter().filter_map(|item| Some((self.text(what, item)?, item.location.clone()))).collect()
            }
            None => {
                self.wrong_type(what, "a list", tree);
                Vec::new()
            }
        }
    }

    /// The items of a list; null is empty, and so is what the loader refuses.
    pub(super) fn list<'t>(&mut self, what: &str, tree: &'t Tree) -> &'t [Tree] {
        match tree.as_sequence() {
            Some(items) if items.len() > MAX_ITEMS => {
                let message = format!("{what} has {} items; at most {MAX_ITEMS} are read", items.len());
                self.error("compose-limit", message, &tree.location);
                &[]
            }
            Some(items) => items,
            None => {
                if !tree.is_null() {
                    self.wrong_type(what, "a list", tree);
                }
                &[]
            }
        }
    }

    /// Names with values of a mapping or a list; null is none, and so is what the loader refuses.
    pub(super) fn pairs<'t>(&mut self, what: &str, tree: &'t Tree) -> Vec<Pair<'t>> {
        let found = pairs(tree);
        if found.is_none() && !tree.is_null() {
            self.wrong_type(what, "a list or a mapping", tree);
        }
        found.unwrap_or_default()
    }

    /// The entries of a mapping but for `x-*`; null is empty, and so is what the loader refuses.
    pub(super) fn entries<'t>(&mut self, what: &str, tree: &'t Tree) -> Vec<&'t TreeEntry> {
        if tree.is_null() {
            return Vec::new();
        }
        match tree.as_mapping() {
            Some(entries) => entries.iter().filter(|entry| !entry.key.starts_with("x-")).collect(),
            None => {
                self.wrong_type(what, "a mapping", tree);
                Vec::new()
            }
        }
    }

    pub(super) fn unknown_key(&mut self, what: &str, entry: &TreeEntry, known: &[&str]) {
        let mut finding = Diagnostic::error("compose-unknown-key", format!("{what} has no key \"{}\"", entry.key));
        if let Some(near) = closest(&entry.key, known.iter().copied()) {
            finding = finding.help(format!("did you mean \"{near}\"?"));
        }
        self.push(finding, &entry.key_location);
    }

    /// The message for a local file that was not read.
    pub(super) fn local_file_error(&mut self, what: &str, path: &str, error: &FileError, location: &Location) {
        let finding = Diagnostic::error("compose-local-file", format!("{what}: {path} cannot be used: {error}"));
        let finding = match error {
            FileError::NotFound => finding.help("paths count from the folder of the compose file's app"),
            FileError::Absolute | FileError::Parent | FileError::Escape => {
                finding.help("move the file next to the compose file and name it by a relative path")
            }
            FileError::Refused { .. } => finding.help("write the app in the app file itself"),
            FileError::NotRegular | FileError::TooLarge { .. } | FileError::Io(_) => finding,
        };
        self.push(finding, location);
    }
}
