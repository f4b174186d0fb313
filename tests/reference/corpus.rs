//! The cases: folders with compose files, what else is needed, and what the reference answers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

/// What a user would write behind `compose config`: the content of `case.json`, every key optional.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Invocation {
    /// Compose files, relative to the case's folder; `compose.yml` if absent.
    pub files: Option<Vec<String>>,
    pub profiles: Vec<String>,
    /// The whole environment beside `HOME`.
    pub env: BTreeMap<String, String>,
    pub env_files: Vec<String>,
    pub project_name: String,
    pub project_directory: String,
}

/// The home folder that every case sees.
pub const HOME: &str = "/home/somebody";

/// One invocation in one folder.
#[derive(Clone, Debug)]
pub struct Case {
    /// `<topic>/<name>`.
    pub name: String,
    pub dir: PathBuf,
    pub invocation: Invocation,
}

/// What is known of a case: a project, or that there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Project(serde_json::Value),
    /// The message is for people; only that it failed is compared.
    Failure(String),
}

impl Case {
    /// The compose files given on the command line.
    pub fn files(&self) -> Vec<String> {
        self.invocation.files.clone().unwrap_or_else(|| vec!["compose.yml".into()])
    }

    /// The environment of the case: its own variables and a fixed home.
    pub fn env(&self) -> BTreeMap<String, String> {
        let mut env = self.invocation.env.clone();
        env.entry("HOME".into()).or_insert_with(|| HOME.into());
        env
    }

    /// The committed answer of the reference, if there is one.
    pub fn expected(&self) -> Option<Answer> {
        if let Ok(text) = fs::read_to_string(self.dir.join("expected.json")) {
            let value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}/expected.json: {e}", self.name));
            return Some(Answer::Project(value));
        }
        let text = fs::read_to_string(self.dir.join("expected.error")).ok()?;
        Some(Answer::Failure(text.trim_end().to_owned()))
    }

    /// Writes the answer of the reference beside the case.
    pub fn write_expected(&self, answer: &Answer) -> io::Result<()> {
        let (json, error) = (self.dir.join("expected.json"), self.dir.join("expected.error"));
        let (keep, drop, text) = match answer {
            Answer::Project(value) => (json, error, format!("{value:#}\n")),
            Answer::Failure(message) => (error, json, format!("{}\n", message.trim_end())),
        };
        if drop.exists() {
            fs::remove_file(drop)?;
        }
        fs::write(keep, text)
    }

    /// Replaces the places of this checkout by markers: `<dir>` is the case's folder, `<cases>` the one of all.
    /// SSH keys of a build are sorted: the reference prints them in the random order of a Go map.
    pub fn normalise(&self, answer: Answer) -> Answer {
        let root = self.dir.ancestors().nth(2).unwrap_or(&self.dir);
        let places = [(self.dir.as_path(), "<dir>"), (root, "<cases>")];
        match answer {
            Answer::Project(mut value) => {
                let services = value.get_mut("services").and_then(serde_json::Value::as_object_mut);
                for service in services.into_iter().flat_map(|map| map.values_mut()) {
                    if let Some(keys) = service.pointer_mut("/build/ssh").and_then(serde_json::Value::as_array_mut) {
                        keys.sort_by_key(ToString::to_string);
                    }
                }
                Answer::Project(replace_value(value, &places))
            }
            Answer::Failure(message) => Answer::Failure(replace(&message, &places)),
        }
    }
}

fn replace(text: &str, places: &[(&Path, &str)]) -> String {
    places.iter().fold(text.to_owned(), |text, (place, marker)| text.replace(&*place.to_string_lossy(), marker))
}

fn replace_value(value: serde_json::Value, places: &[(&Path, &str)]) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => Value::String(replace(&text, places)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| replace_value(item, places)).collect()),
        Value::Object(map) => Value::Object(
            map.into_iter().map(|(key, value)| (replace(&key, places), replace_value(value, places))).collect(),
        ),
        other => other,
    }
}

/// All cases below `root`, by name.
pub fn read(root: &Path) -> io::Result<Vec<Case>> {
    let root = root.canonicalize()?;
    let mut cases = Vec::new();
    for topic in folders(&root)? {
        for dir in folders(&topic)? {
            let name = dir.strip_prefix(&root).unwrap_or(&dir).to_string_lossy().into_owned();
            let invocation = match fs::read_to_string(dir.join("case.json")) {
                Ok(text) => serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}/case.json: {e}")),
                Err(_) => Invocation::default(),
            };
            cases.push(Case { name, dir, invocation });
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

fn folders(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
}
