//! Where two answers differ, and which of that is meant.

use std::cell::Cell;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::corpus::Answer;

/// One place where the answers are not equal.
#[derive(Clone, Debug)]
pub struct Difference {
    /// A JSON pointer; empty if one side fails and the other does not.
    pub path: String,
    pub reference: String,
    pub ours: String,
}

/// All places where `ours` is not what the reference says.
pub fn differences(reference: &Answer, ours: &Answer) -> Vec<Difference> {
    let mut found = Vec::new();
    match (reference, ours) {
        (Answer::Project(reference), Answer::Project(ours)) => walk("", Some(reference), Some(ours), &mut found),
        (Answer::Failure(_), Answer::Failure(_)) => {}
        (reference, ours) => {
            found.push(Difference { path: String::new(), reference: verdict(reference), ours: verdict(ours) });
        }
    }
    found
}

fn verdict(answer: &Answer) -> String {
    match answer {
        Answer::Project(_) => "accepts it".into(),
        Answer::Failure(message) => format!("refuses it: {message}"),
    }
}

fn walk(path: &str, reference: Option<&Value>, ours: Option<&Value>, found: &mut Vec<Difference>) {
    match (reference, ours) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            for (key, value) in a {
                walk(&format!("{path}/{}", escape(key)), Some(value), b.get(key), found);
            }
            for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                walk(&format!("{path}/{}", escape(key)), None, Some(value), found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for index in 0..a.len().max(b.len()) {
                walk(&format!("{path}/{index}"), a.get(index), b.get(index), found);
            }
        }
        (a, b) if same(a, b) => {}
        (a, b) => found.push(Difference { path: path.to_owned(), reference: show(a), ours: show(b) }),
    }
}

/// `2` and `2.0` are one value: JSON has one kind of number.
fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a == b || a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

fn show(value: Option<&Value>) -> String {
    value.map_or_else(|| "(absent)".into(), Value::to_string)
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A difference that is kept on purpose.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// What differs, as a user would ask for it.
    pub what: String,
    /// What `docker compose` does.
    pub reference: String,
    /// What we do.
    pub ours: String,
    pub reason: String,
    /// Cases it concerns: a name, or a beginning followed by `*`.
    pub cases: Vec<String>,
    /// The JSON pointer, `*` for one segment; absent if only one side fails.
    pub path: Option<String>,
    /// Part of the failing side's message: what a generated file is told by.
    pub message: Option<String>,
    #[serde(skip)]
    used: Cell<bool>,
}

impl Kept {
    fn covers(&self, case: Option<&str>, difference: &Difference) -> bool {
        let in_case = case.is_none_or(|name| self.cases.iter().any(|pattern| matches_name(pattern, name)));
        let in_place = match &self.path {
            Some(path) => matches_path(path, &difference.path),
            None => difference.path.is_empty(),
        };
        let in_message = match &self.message {
            Some(part) => difference.reference.contains(part.as_str()) || difference.ours.contains(part.as_str()),
            None => case.is_some() || self.path.is_some(),
        };
        in_case && in_place && in_message
    }
}

fn matches_name(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    }
}

fn matches_path(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len() && pattern.iter().zip(&path).all(|(pattern, path)| *pattern == "*" || pattern == path)
}

/// The table of differences that are kept.
pub struct Table(Vec<Kept>);

impl Table {
    /// Reads the table.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self(serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    }

    /// How many differences are kept.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What is left of the differences when those of the table are taken away. `case` is absent for generated files.
    pub fn unexplained(&self, case: Option<&str>, found: Vec<Difference>) -> Vec<Difference> {
        let explained = |difference: &Difference| {
            let mut any = false;
            for kept in self.0.iter().filter(|kept| kept.covers(case, difference)) {
                any = true;
                if case.is_some() {
                    kept.used.set(true);
                }
            }
            any
        };
        found.into_iter().filter(|difference| !explained(difference)).collect()
    }

    /// Entries that no case of the corpus needs any more.
    pub fn unused(&self) -> Vec<&str> {
        self.0.iter().filter(|kept| !kept.used.get()).map(|kept| kept.what.as_str()).collect()
    }

    /// The table as the documentation shows it.
    pub fn markdown(&self) -> String {
        let mut text =
            String::from("| What | `docker compose` | `kompox compose config` | Why |\n| --- | --- | --- | --- |\n");
        for kept in &self.0 {
            let cells = [&kept.what, &kept.reference, &kept.ours, &kept.reason].map(|cell| cell.replace('|', "\\|"));
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        text
    }
}
