//! Reading values out of located YAML: every helper reports what is wrong and goes on.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::keys::Object;
use super::model::{Located, Settings};
use crate::advice::Advice;
use crate::diag::{Diagnostic, Diagnostics, Location, Severity};
use crate::text::dns::is_label_within;
use crate::text::secret::{is_sensitive_key, may_hold_secret};
use crate::text::suggest::closest;
use crate::yaml::{self, Entry, Node, Scalar, Source};

/// Longer lines help nobody, and a copy of one in each of its findings would cost the square of its length.
const LONGEST_LINE: usize = 1_000;

/// One file's text with what a diagnostic wants to know of it.
#[derive(Debug)]
struct TextFile {
    source: Source,
    /// Byte offsets of line starts, computed when the first diagnostic asks.
    lines: OnceCell<Vec<usize>>,
    /// The line each document starts on.
    documents: Vec<u32>,
}

/// All texts read so far, by the name diagnostics use.
#[derive(Default)]
pub(super) struct Sources {
    files: HashMap<Arc<str>, TextFile>,
    order: Vec<Arc<str>>,
}

impl Sources {
    /// Adds a file and the documents it was parsed into.
    pub fn add(&mut self, source: Source, documents: &[Node]) {
        let documents = documents.iter().map(|document| document.location.line).collect();
        self.order.push(source.file.clone());
        self.files.insert(source.file.clone(), TextFile { source, lines: OnceCell::new(), documents });
    }

    /// The position of each file in the order they were read.
    pub fn positions(&self) -> HashMap<Arc<str>, usize> {
        self.order.iter().enumerate().map(|(position, file)| (file.clone(), position)).collect()
    }

    /// The texts in the order they were read.
    pub fn into_vec(mut self) -> Vec<Source> {
        self.order.iter().filter_map(|file| self.files.remove(file)).map(|file| file.source).collect()
    }

    /// Puts a place on a diagnostic: the text of its line unless that may hold a secret, and, where a file holds
    /// several documents, which one it is.
    pub fn locate(&self, mut diagnostic: Diagnostic, location: &Location) -> Diagnostic {
        let Some(file) = self.files.get(&location.file) else {
            return diagnostic.at(location.clone(), None);
        };
        if file.documents.len() > 1 {
            let number = file.documents.partition_point(|start| *start <= location.line).max(1);
            diagnostic.message.push_str(&format!(" (document {number})"));
        }
        let shown = |line: &&str| line.len() <= LONGEST_LINE && !may_hold_secret(line);
        let line = file.line(location.line).filter(shown).map(str::to_owned);
        diagnostic.at(location.clone(), line)
    }
}

impl TextFile {
    fn line(&self, line: u32) -> Option<&str> {
        let text = &*self.source.text;
        let starts = self
            .lines
            .get_or_init(|| std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect());
        let index = (line as usize).checked_sub(1)?;
        let start = *starts.get(index)?;
        let end = starts.get(index + 1).map_or(text.len(), |next| next - 1);
        text.get(start..end).map(|line| line.trim_end_matches('\r'))
    }
}

/// Parses a file; what is no YAML is reported like everything else.
pub(super) fn parse(source: &Source, limits: yaml::Limits) -> Result<Vec<Node>, Diagnostic> {
    yaml::parse(source, limits).map_err(|mut diagnostic| {
        diagnostic.source_line = diagnostic.source_line.filter(|line| !may_hold_secret(line));
        diagnostic.help("correct the YAML here; nothing of this file was used")
    })
}

/// Reads the values of one document, collecting what is wrong.
pub(super) struct Reader<'a> {
    sources: &'a Sources,
    diagnostics: &'a mut Diagnostics,
}

/// A mapping whose keys were checked.
#[derive(Clone, Copy)]
pub(super) struct Fields<'n> {
    /// What the mapping is, for messages: `the spec of a Cluster`.
    pub what: &'n str,
    /// Where it stands.
    pub location: &'n Location,
    entries: &'n [Entry],
}

impl<'n> Fields<'n> {
    /// The value under `key`; null counts as absent.
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.raw(key).filter(|node| !node.is_null())
    }

    /// The value under `key`, also null.
    pub fn raw(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// Where `key` itself is written.
    pub fn key_location(&self, key: &str) -> Option<&'n Location> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.key_location)
    }
}

impl<'a> Reader<'a> {
    pub fn new(sources: &'a Sources, diagnostics: &'a mut Diagnostics) -> Self {
        Self { sources, diagnostics }
    }

    /// Reports a diagnostic at a place.
    pub fn report(&mut self, diagnostic: Diagnostic, at: &Location) {
        let located = self.sources.locate(diagnostic, at);
        self.diagnostics.push(located);
    }

    /// Takes the findings between two lines of a file away if an error is among them, and leaves a note instead. Says
    /// whether it did.
    pub fn forgive(&mut self, (file, first, last): (&str, u32, u32), note: &str, at: &Location) -> bool {
        let inside = |finding: &Diagnostic| {
            finding.location.as_ref().is_some_and(|at| &*at.file == file && (first..=last).contains(&at.line))
        };
        let wrong = self.diagnostics.iter().any(|finding| finding.severity == Severity::Error && inside(finding));
        if wrong {
            let all = std::mem::take(self.diagnostics);
            self.diagnostics.extend(all.into_iter().filter(|finding| !inside(finding)));
            self.report(Diagnostic::note("kom-app-left-out", note), at);
        }
        wrong
    }

    /// Reports an error at a place, with what to do.
    pub fn error(&mut self, code: &'static str, message: impl Into<String>, at: &Location, help: impl Into<Advice>) {
        self.report(Diagnostic::error(code, message).help(help), at);
    }

    /// The mapping, its keys checked against those of its table; null is an empty one.
    pub fn object<'n>(&mut self, node: &'n Node, what: &'n str, object: &Object) -> Option<Fields<'n>> {
        self.fields(node, what, &object.names())
    }

    /// The mapping, its keys checked against `known`; null is an empty one.
    pub fn fields<'n>(&mut self, node: &'n Node, what: &'n str, known: &[&'static str]) -> Option<Fields<'n>> {
        let fields = self.any_fields(node, what)?;
        for entry in fields.entries {
            if !known.contains(&entry.key.as_str()) {
                self.unknown_key(entry, what, known);
            }
        }
        Some(fields)
    }

    /// The mapping without a check of its keys; null is an empty one.
    pub fn any_fields<'n>(&mut self, node: &'n Node, what: &'n str) -> Option<Fields<'n>> {
        let entries = match node.as_mapping() {
            Some(entries) => entries,
            None if node.is_null() => &[],
            None => {
                self.wrong_type(node, what, "a mapping of keys and values");
                return None;
            }
        };
        Some(Fields { what, location: &node.location, entries })
    }

    fn unknown_key(&mut self, entry: &Entry, what: &str, known: &[&'static str]) {
        let message = format!("{what} has no key \"{}\"", entry.key);
        let diagnostic = match closest(&entry.key, known.iter().copied()) {
            Some(near) => Diagnostic::error("kom-unknown-key", message).help(format!("did you mean \"{near}\"?")),
            None => Diagnostic::warning("kom-unknown-key", message)
                .help(format!("it is ignored; known are {}", known.join(", "))),
        };
        self.report(diagnostic, &entry.key_location);
    }

    /// Reports a value of the wrong type.
    pub fn wrong_type(&mut self, node: &Node, what: &str, wanted: &str) {
        let message = format!("{what} must be {wanted}, not {}", node.describe());
        self.error("kom-type", message, &node.location, format!("write {wanted} here"));
    }

    /// Reports a required key that is absent.
    pub fn missing(&mut self, fields: Fields<'_>, key: &str, help: impl Into<Advice>) {
        self.error("kom-required", format!("{} has no \"{key}\"", fields.what), fields.location, help);
    }

    /// A string field: numbers and booleans are their text, null is "".
    pub fn text(&mut self, node: &Node, what: &str) -> Option<Located<String>> {
        match node.as_scalar() {
            Some(scalar) => {
                let text = if scalar.is_null() { String::new() } else { scalar.text.clone() };
                Some(Located::new(text, node.location.clone()))
            }
            None => {
                self.wrong_type(node, what, "a single value");
                None
            }
        }
    }

    /// A string field where "" and null mean that it is not set.
    pub fn optional_text(&mut self, fields: Fields<'_>, key: &str) -> Option<Located<String>> {
        let node = fields.get(key)?;
        self.text(node, &quoted(key)).filter(|text| !text.value.is_empty())
    }

    /// A string field that must be there and not empty.
    pub fn required_text(&mut self, fields: Fields<'_>, key: &str, help: &str) -> Option<Located<String>> {
        match fields.get(key) {
            None => {
                self.missing(fields, key, help);
                None
            }
            Some(node) => {
                let text = self.text(node, &quoted(key))?;
                if text.value.is_empty() {
                    self.error("kom-value", format!("\"{key}\" is empty"), &text.location, help);
                    return None;
                }
                Some(text)
            }
        }
    }

    /// A boolean field; absent where it is null.
    pub fn boolean(&mut self, fields: Fields<'_>, key: &str) -> Option<bool> {
        let node = fields.get(key)?;
        let value = node.as_scalar().and_then(|scalar| scalar.as_bool().or_else(|| yaml_1_1_bool(scalar)));
        if value.is_none() {
            self.wrong_type(node, &quoted(key), "true or false");
        }
        value
    }

    /// A field with one of a few words.
    pub fn choice<T: Copy>(&mut self, fields: Fields<'_>, key: &str, choices: &[(&'static str, T)]) -> Option<T> {
        let text = self.optional_text(fields, key)?;
        let found = choices.iter().find(|(word, _)| *word == text.value).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let message = format!("\"{key}\" cannot be \"{}\"", text.value);
            let help = match closest(&text.value, words.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"? it is one of {}", words.join(", ")),
                None => format!("it is one of {}", words.join(", ")),
            };
            self.error("kom-value", message, &text.location, help);
        }
        found
    }

    /// A whole number within bounds.
    pub fn integer(&mut self, node: &Node, what: &str, min: i64, max: i64) -> Option<i64> {
        match node.as_scalar().and_then(|scalar| scalar.as_i64()) {
            None => {
                self.wrong_type(node, what, "a whole number without quotes");
                None
            }
            Some(value) if (min..=max).contains(&value) => Some(value),
            Some(value) => {
                let message = format!("{what} cannot be {value}");
                self.error("kom-value", message, &node.location, format!("it is {min} to {max}"));
                None
            }
        }
    }

    /// The items of a sequence; null or absent is none.
    pub fn list<'n>(&mut self, fields: Fields<'n>, key: &str) -> &'n [Node] {
        let Some(node) = fields.get(key) else { return &[] };
        match node.as_sequence() {
            Some(items) => items,
            None => {
                self.wrong_type(node, &quoted(key), "a list");
                &[]
            }
        }
    }

    /// The texts of a sequence, empty ones refused.
    pub fn texts(&mut self, fields: Fields<'_>, key: &str) -> Vec<Located<String>> {
        let what = format!("an item of \"{key}\"");
        let mut texts = Vec::new();
        for item in self.list(fields, key) {
            if let Some(text) = self.text(item, &what) {
                if text.value.is_empty() {
                    let message = format!("{what} is empty");
                    self.error("kom-value", message, &text.location, "write a value or take the item out");
                } else {
                    texts.push(text);
                }
            }
        }
        texts
    }

    /// A DNS-1123 name of at most `max` characters under the key `name`.
    pub fn name(&mut self, fields: Fields<'_>, max: usize) -> Option<Located<String>> {
        let help = format!("1 to {max} of a-z, 0-9 and \"-\", beginning and ending with a letter or digit");
        let name = self.required_text(fields, "name", &help)?;
        if is_label_within(&name.value, max) {
            return Some(name);
        }
        let message = format!("\"name\" of {} cannot be \"{}\"", fields.what, name.value);
        self.error("kom-name", message, &name.location, help);
        None
    }

    /// A mapping of keys to single values of any scalar type.
    pub fn scalars(&mut self, fields: Fields<'_>, key: &str) -> BTreeMap<String, Located<String>> {
        let Some(node) = fields.raw(key) else { return BTreeMap::new() };
        let what = quoted(key);
        let Some(values) = self.any_fields(node, &what) else { return BTreeMap::new() };
        values
            .entries
            .iter()
            .filter_map(|entry| Some((entry.key.clone(), self.text(&entry.value, &quoted(&entry.key))?)))
            .collect()
    }

    /// `settings`: as [`Self::scalars`], with a warning for each credential that is written out.
    pub fn settings(&mut self, fields: Fields<'_>) -> Settings {
        let settings = self.scalars(fields, "settings");
        for (key, value) in &settings {
            if is_sensitive_key(key) && !value.value.is_empty() {
                let diagnostic = Diagnostic::warning(
                    "kom-secret-setting",
                    format!("the setting {key} is a credential in clear text"),
                )
                .help(format!("leave it out here and set the environment variable {key}"));
                self.report(diagnostic, &value.location);
            }
        }
        Settings(settings)
    }

    /// Reports the second of two things with one name.
    pub fn duplicate(&mut self, what: &str, at: &Location, first: &Location) {
        let diagnostic =
            Diagnostic::error("kom-duplicate", format!("{what} is given twice; first on line {}", first.line))
                .help("take one of them out or give it another name");
        self.report(diagnostic, at);
    }
}

/// The other booleans of YAML 1.1, which the public project's decoder takes where a boolean is wanted.
fn yaml_1_1_bool(scalar: &Scalar) -> Option<bool> {
    match (scalar.plain, scalar.text.as_str()) {
        (true, "yes" | "Yes" | "YES" | "on" | "On" | "ON") => Some(true),
        (true, "no" | "No" | "NO" | "off" | "Off" | "OFF") => Some(false),
        _ => None,
    }
}

/// A key as messages show it.
pub(super) fn quoted(key: &str) -> String {
    format!("\"{key}\"")
}
