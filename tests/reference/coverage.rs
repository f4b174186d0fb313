//! Which keys and syntax variants of the JSON schema the corpus uses.
//!
//! A unit is a key (`service.build.args`), one of several types that a place may have (`service.build:string`), or one
//! of the words of an enumeration (`healthcheck.disable`, `development.watch[].action=sync`).

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::corpus::{Answer, Case};

/// What the schema has and what of it the cases use.
pub struct Coverage {
    pub all: BTreeSet<String>,
    pub used: BTreeSet<String>,
}

impl Coverage {
    /// Units that no case uses.
    pub fn missing(&self) -> Vec<&str> {
        self.all.difference(&self.used).map(String::as_str).collect()
    }

    /// Keys alone: (used, all).
    pub fn keys(&self) -> (usize, usize) {
        let keys = |units: &BTreeSet<String>| units.iter().filter(|unit| !unit.contains([':', '='])).count();
        let used = self.all.intersection(&self.used).cloned().collect();
        (keys(&used), keys(&self.all))
    }

    /// Service keys alone: (used, all).
    pub fn service_keys(&self) -> (usize, usize) {
        let service = |unit: &&String| {
            let parts = ["service.", "workload_spec.", "container_spec."];
            let key = parts.iter().find_map(|part| unit.strip_prefix(part));
            key.is_some_and(|key| !key.contains(['.', '[', ':', '=', '*']))
        };
        (self.all.intersection(&self.used).filter(service).count(), self.all.iter().filter(service).count())
    }
}

/// The coverage of the cases that the reference accepts: a key in a refused file proves nothing about its reading. Only
/// the topic `refused` counts too: forms that the schema has and the reference never accepts.
pub fn measure(schema: &Value, cases: &[Case]) -> Coverage {
    let mut all = BTreeSet::new();
    collect(schema, schema, "", &mut all, &mut BTreeSet::new());
    let mut used = BTreeSet::new();
    let counts =
        |case: &&Case| case.name.starts_with("refused/") || matches!(case.expected(), Some(Answer::Project(_)));
    for case in cases.iter().filter(counts) {
        read_folder(&case.dir, schema, &mut used);
    }
    Coverage { all, used }
}

fn read_folder(dir: &std::path::Path, schema: &Value, used: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            read_folder(&path, schema, used);
        } else if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            // A file that this parser does not take (tags, odd documents) only counts for less.
            if let Ok(value) = serde_saphyr::from_str::<Value>(&text) {
                walk(schema, schema, "", &value, used);
            }
        }
    }
}

/// The branches of a place, references followed: each with the place's name for what is below it.
fn branches<'a>(schema: &'a Value, node: &'a Value, place: &str) -> Vec<(&'a Value, String)> {
    if let Some(reference) = node["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return branches(schema, &schema["$defs"][name], name);
    }
    let mut found = vec![(node, place.to_owned())];
    for part in ["oneOf", "allOf"].iter().filter_map(|key| node[*key].as_array()).flatten() {
        found.extend(branches(schema, part, place));
    }
    found
}

fn types(node: &Value) -> Vec<&str> {
    let names = match &node["type"] {
        Value::String(name) => vec![name.as_str()],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    names.into_iter().map(|name| if name == "integer" { "number" } else { name }).collect()
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The parts below a branch: the key (none for items and free names), its schema and the place's name.
fn children<'a>(node: &'a Value, place: &str) -> Vec<(Option<&'a str>, &'a Value, String)> {
    let mut found = Vec::new();
    for (key, child) in node["properties"].as_object().into_iter().flatten() {
        let name = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
        found.push((Some(key.as_str()), child, name));
    }
    for (pattern, child) in node["patternProperties"].as_object().into_iter().flatten() {
        if pattern != "^x-" {
            found.push((None, child, format!("{place}.*")));
        }
    }
    if node["items"].is_object() {
        found.push((None, &node["items"], format!("{place}[]")));
    }
    found
}

fn collect(schema: &Value, node: &Value, place: &str, units: &mut BTreeSet<String>, seen: &mut BTreeSet<String>) {
    let branches = branches(schema, node, place);
    let kinds: BTreeSet<&str> = branches.iter().flat_map(|(branch, _)| types(branch)).collect();
    if kinds.len() > 1 {
        units.extend(kinds.iter().map(|kind| format!("{place}:{kind}")));
    }
    for (branch, below) in branches {
        for word in branch["enum"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            units.insert(format!("{place}={word}"));
        }
        for (key, child, name) in children(branch, &below) {
            if key.is_some() {
                units.insert(name.clone());
            }
            if seen.insert(name.clone()) {
                collect(schema, child, &name, units, seen);
            }
        }
    }
}

fn walk(schema: &Value, node: &Value, place: &str, value: &Value, used: &mut BTreeSet<String>) {
    let kind = type_of(value);
    used.insert(format!("{place}:{kind}"));
    if let Value::String(word) = value {
        used.insert(format!("{place}={word}"));
    }
    for (branch, below) in branches(schema, node, place) {
        for (key, child, name) in children(branch, &below) {
            match (key, value) {
                (Some(key), Value::Object(map)) => {
                    if let Some(value) = map.get(key) {
                        used.insert(name.clone());
                        walk(schema, child, &name, value, used);
                    }
                }
                (None, Value::Object(map)) if name.ends_with(".*") => {
                    for (_, value) in map.iter().filter(|(key, _)| !key.starts_with("x-")) {
                        walk(schema, child, &name, value, used);
                    }
                }
                (None, Value::Array(items)) if name.ends_with("[]") => {
                    items.iter().for_each(|value| walk(schema, child, &name, value, used));
                }
                _ => {}
            }
        }
    }
}
