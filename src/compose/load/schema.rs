//! The official JSON schema of compose files, checked on the located tree: every error at once, each at its place, with
//! the key that was probably meant. It reads exactly the keywords that the schema uses; a test holds it to that.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use serde_json::Value as Json;

use super::fault::{Fault, Faults, Step};
use super::path::Path;
use super::scalar::{Value, printed};
use crate::compose::tree::{Tree, TreeContent, TreeEntry};
use crate::text::suggest::closest;

/// The schema as published with the reference loader, under the Apache License 2.0.
const TEXT: &str = include_str!("compose-spec.json");

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let document: Json = serde_json::from_str(TEXT).unwrap_or_default();
    Compiler::new(&document).finish()
});

/// Checks a merged file.
pub(super) fn validate(tree: &Tree) -> Step<()> {
    let mut check = Check { schema: &SCHEMA, faults: Vec::new() };
    check.node(tree, SCHEMA.root, &Path::ROOT);
    if check.faults.is_empty() { Ok(()) } else { Err(Faults(check.faults)) }
}

type Id = usize;

const OBJECT: u8 = 1;
const ARRAY: u8 = 2;
const STRING: u8 = 4;
const NUMBER: u8 = 8;
const INTEGER: u8 = 16;
const BOOLEAN: u8 = 32;
const NULL: u8 = 64;
const ANY: u8 = 127;

/// What names and texts must look like: the schema's few expressions by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pattern {
    /// `^x-`
    Extension,
    /// `^[a-zA-Z0-9._-]+$`
    Name,
    /// `^[a-z]+$`
    Lowercase,
    /// `^.+$`
    Filled,
    /// `.+` anywhere
    Any,
    /// `[a-zA-Z0-9][a-zA-Z0-9_.-]+` anywhere
    ContainerName,
    /// `^(always|never|…|every_([0-9]+[wdhms])+)$`
    PullPolicy,
}

impl Pattern {
    fn of(text: &str) -> Option<Self> {
        Some(match text {
            "^x-" => Self::Extension,
            "^[a-zA-Z0-9._-]+$" => Self::Name,
            "^[a-z]+$" => Self::Lowercase,
            "^.+$" => Self::Filled,
            ".+" => Self::Any,
            "[a-zA-Z0-9][a-zA-Z0-9_.-]+" => Self::ContainerName,
            "^(always|never|build|if_not_present|missing|refresh|daily|weekly|every_([0-9]+[wdhms])+)$" => {
                Self::PullPolicy
            }
            _ => return None,
        })
    }

    fn matches(self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let of_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        match self {
            Self::Extension => text.starts_with("x-"),
            Self::Name => !bytes.is_empty() && bytes.iter().all(of_name),
            Self::Lowercase => !bytes.is_empty() && bytes.iter().all(u8::is_ascii_lowercase),
            Self::Filled => !bytes.is_empty() && !text.contains('\n'),
            Self::Any => bytes.iter().any(|b| *b != b'\n'),
            Self::ContainerName => bytes.windows(2).any(|pair| pair[0].is_ascii_alphanumeric() && of_name(&pair[1])),
            Self::PullPolicy => match text.strip_prefix("every_") {
                Some(rest) => is_every(rest),
                None => ["always", "never", "build", "if_not_present", "missing", "refresh", "daily", "weekly"]
                    .contains(&text),
            },
        }
    }

    /// What must be so, after "must be".
    fn describe(self) -> &'static str {
        match self {
            Self::Extension => "an extension such as x-name",
            Self::Name => "letters, digits, \".\", \"_\" and \"-\"",
            Self::Lowercase => "lowercase letters",
            Self::Filled => "one filled line",
            Self::Any => "filled",
            Self::ContainerName => "a name of letters, digits, \"_\", \".\" and \"-\"",
            Self::PullPolicy => {
                "one of always, never, build, if_not_present, missing, refresh, daily, weekly, every_<duration>"
            }
        }
    }
}

fn is_every(mut rest: &str) -> bool {
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || !matches!(rest.as_bytes().get(digits), Some(b'w' | b'd' | b'h' | b'm' | b's')) {
            return false;
        }
        rest = &rest[digits + 1..];
    }
    true
}

struct Schema {
    rules: Vec<Rule>,
    root: Id,
}

#[derive(Default)]
struct Rule {
    /// Kinds that may stand here; 0 for all.
    kinds: u8,
    properties: HashMap<String, Id>,
    patterns: Vec<(Pattern, Id)>,
    additional: Additional,
    required: Vec<String>,
    items: Option<Id>,
    unique: bool,
    choices: Vec<String>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    pattern: Option<Pattern>,
    /// Exactly one of them, or with `any` at least one.
    one_of: Vec<Id>,
    any: bool,
}

/// Keys that neither properties nor patterns name.
#[derive(Default)]
enum Additional {
    #[default]
    Allowed,
    Denied,
    Rule(Id),
}

struct Compiler<'a> {
    document: &'a Json,
    rules: Vec<Rule>,
    refs: HashMap<&'a str, Id>,
    /// Keywords that were not understood.
    unknown: Vec<String>,
}

impl<'a> Compiler<'a> {
    fn new(document: &'a Json) -> Self {
        Self { document, rules: Vec::new(), refs: HashMap::new(), unknown: Vec::new() }
    }

    fn finish(mut self) -> Schema {
        let document = self.document;
        let root = self.add(document);
        Schema { rules: self.rules, root }
    }

    fn add(&mut self, json: &'a Json) -> Id {
        if let Some(name) = json.get("$ref").and_then(Json::as_str) {
            return self.reference(name);
        }
        let id = self.rules.len();
        self.rules.push(Rule::default());
        let rule = self.rule(json);
        self.rules[id] = rule;
        id
    }

    fn reference(&mut self, name: &'a str) -> Id {
        if let Some(id) = self.refs.get(name) {
            return *id;
        }
        let id = self.rules.len();
        self.rules.push(Rule::default());
        // Known before it is read: definitions may refer to themselves.
        self.refs.insert(name, id);
        match self.document.pointer(name.trim_start_matches('#')) {
            Some(target) => {
                let rule = self.rule(target);
                self.rules[id] = rule;
            }
            None => self.unknown.push(name.to_owned()),
        }
        id
    }

    fn rule(&mut self, json: &'a Json) -> Rule {
        let mut rule = Rule::default();
        for (keyword, value) in json.as_object().into_iter().flatten() {
            match keyword.as_str() {
                "type" => {
                    let kinds = value.as_array().map_or_else(|| vec![value], |list| list.iter().collect());
                    rule.kinds |= kinds.into_iter().map(|kind| kind_of(kind.as_str().unwrap_or_default())).sum::<u8>();
                }
                "properties" => {
                    for (key, value) in value.as_object().into_iter().flatten() {
                        let id = self.add(value);
                        rule.properties.insert(key.clone(), id);
                    }
                }
                "patternProperties" => {
                    for (key, value) in value.as_object().into_iter().flatten() {
                        match Pattern::of(key) {
                            Some(pattern) => {
                                let id = self.add(value);
                                rule.patterns.push((pattern, id));
                            }
                            None => self.unknown.push(key.clone()),
                        }
                    }
                }
                "additionalProperties" | "unevaluatedProperties" => {
                    rule.additional = match value {
                        Json::Bool(true) => Additional::Allowed,
                        Json::Bool(false) => Additional::Denied,
                        other => Additional::Rule(self.add(other)),
                    };
                }
                "required" => rule.required = texts(value),
                "items" => rule.items = Some(self.add(value)),
                "uniqueItems" => rule.unique = value == &Json::Bool(true),
                "enum" => rule.choices = texts(value),
                "minimum" => rule.minimum = value.as_f64(),
                "maximum" => rule.maximum = value.as_f64(),
                "pattern" => {
                    let text = value.as_str().unwrap_or_default();
                    rule.pattern = Pattern::of(text);
                    if rule.pattern.is_none() {
                        self.unknown.push(text.to_owned());
                    }
                }
                "oneOf" | "anyOf" => {
                    rule.any = keyword == "anyOf";
                    for branch in value.as_array().into_iter().flatten() {
                        let id = self.add(branch);
                        rule.one_of.push(id);
                    }
                }
                "allOf" => {}
                "$schema" | "$id" | "$defs" | "$comment" | "title" | "description" | "default" | "deprecated" => {}
                other => self.unknown.push(other.to_owned()),
            }
        }
        // The parts of a mapping, all of which hold: as one, so that a key of any of them is known.
        for part in json.get("allOf").and_then(Json::as_array).into_iter().flatten() {
            let target = part
                .get("$ref")
                .and_then(Json::as_str)
                .and_then(|name| self.document.pointer(name.trim_start_matches('#')));
            let part = self.rule(target.unwrap_or(part));
            rule.kinds |= part.kinds;
            rule.required.extend(part.required);
            for (key, id) in part.properties {
                rule.properties.entry(key).or_insert(id);
            }
            for (pattern, id) in part.patterns {
                if !rule.patterns.iter().any(|(known, _)| *known == pattern) {
                    rule.patterns.push((pattern, id));
                }
            }
        }
        rule
    }
}

fn texts(value: &Json) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
}

fn kind_of(name: &str) -> u8 {
    match name {
        "object" => OBJECT,
        "array" => ARRAY,
        "string" => STRING,
        "number" => NUMBER,
        "integer" => INTEGER,
        "boolean" => BOOLEAN,
        "null" => NULL,
        _ => 0,
    }
}

/// The kinds that a value is of.
fn kinds(tree: &Tree) -> u8 {
    match &tree.content {
        TreeContent::Mapping(_) => OBJECT,
        TreeContent::Sequence(_) => ARRAY,
        TreeContent::Scalar(scalar) => match super::scalar::value(scalar) {
            Value::Null => NULL,
            Value::Bool(_) => BOOLEAN,
            Value::Int(_) => INTEGER | NUMBER,
            Value::Float(number) if number.fract() == 0.0 => INTEGER | NUMBER,
            Value::Float(_) => NUMBER,
            Value::Time(_) | Value::Str(_) => STRING,
        },
    }
}

fn words(kinds: u8) -> String {
    let names = [
        (STRING, "a string"),
        (NUMBER, "a number"),
        (INTEGER, "an integer"),
        (BOOLEAN, "a boolean"),
        (ARRAY, "a list"),
        (OBJECT, "a mapping"),
        (NULL, "null"),
    ];
    let named: Vec<&str> = names
        .iter()
        .filter(|(kind, _)| kinds & kind != 0 && !(*kind == INTEGER && kinds & NUMBER != 0))
        .map(|(_, name)| *name)
        .collect();
    match named.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "something else".to_owned(),
    }
}

struct Check<'s> {
    schema: &'s Schema,
    faults: Vec<Fault>,
}

impl<'s> Check<'s> {
    fn rule(&self, id: Id) -> &'s Rule {
        &self.schema.rules[id]
    }

    /// All kinds that a rule lets through.
    fn accepted(&self, id: Id) -> u8 {
        let rule = self.rule(id);
        match (rule.kinds, rule.one_of.as_slice()) {
            (0, []) => ANY,
            (0, branches) => branches.iter().fold(0, |kinds, branch| kinds | self.accepted(*branch)),
            (kinds, _) => kinds,
        }
    }

    fn push(&mut self, code: &'static str, message: String, tree: &Tree) {
        self.faults.push(Fault::new(code, message, &tree.location));
    }

    /// Findings of a branch, without reporting them.
    fn attempt(&self, tree: &Tree, id: Id, path: &Path<'_>) -> Vec<Fault> {
        let mut check = Check { schema: self.schema, faults: Vec::new() };
        check.node(tree, id, path);
        check.faults
    }

    fn node(&mut self, tree: &Tree, id: Id, path: &Path<'_>) {
        let rule = self.rule(id);
        let kinds = kinds(tree);
        let accepted = self.accepted(id);
        if kinds & accepted == 0 {
            let expected = words(accepted);
            self.push("compose-type", format!("{} must be {expected}, not {}", named(path), tree.kind()), tree);
            return;
        }
        self.branches(rule, tree, kinds, path);
        match &tree.content {
            TreeContent::Mapping(entries) => self.mapping(rule, tree, entries, path),
            TreeContent::Sequence(items) => {
                if let Some(id) = rule.items {
                    for (at, item) in items.iter().enumerate() {
                        self.node(item, id, &path.index(at));
                    }
                }
                if rule.unique {
                    self.unique(items, path);
                }
            }
            TreeContent::Scalar(_) => self.scalar(rule, tree, path),
        }
    }

    fn branches(&mut self, rule: &'s Rule, tree: &Tree, kinds: u8, path: &Path<'_>) {
        if rule.one_of.is_empty() {
            return;
        }
        let fitting: Vec<Id> = rule.one_of.iter().copied().filter(|id| self.accepted(*id) & kinds != 0).collect();
        // Mostly the kind alone says which one is meant, and then its findings are those of interest.
        if let [only] = fitting.as_slice() {
            self.node(tree, *only, path);
            return;
        }
        let outcomes: Vec<Vec<Fault>> = fitting.iter().map(|id| self.attempt(tree, *id, path)).collect();
        let matching = outcomes.iter().filter(|faults| faults.is_empty()).count();
        match matching {
            0 => self.faults.extend(outcomes.into_iter().min_by_key(Vec::len).unwrap_or_default()),
            1 => {}
            _ if rule.any => {}
            _ => {
                let message = format!("{} can be read in more than one way", named(path));
                self.push("compose-type", message, tree);
            }
        }
    }

    fn mapping(&mut self, rule: &'s Rule, tree: &Tree, entries: &[TreeEntry], path: &Path<'_>) {
        for entry in entries {
            let below = path.key(&entry.key);
            let mut known = false;
            if let Some(id) = rule.properties.get(&entry.key) {
                known = true;
                self.node(&entry.value, *id, &below);
            }
            for (pattern, id) in &rule.patterns {
                if pattern.matches(&entry.key) {
                    known = true;
                    self.node(&entry.value, *id, &below);
                }
            }
            if known {
                continue;
            }
            match rule.additional {
                Additional::Allowed => {}
                Additional::Rule(id) => self.node(&entry.value, id, &below),
                Additional::Denied => self.unknown_key(rule, entry, path),
            }
        }
        for key in &rule.required {
            if !entries.iter().any(|entry| entry.key == *key) {
                self.push("compose-missing-key", format!("{} has no {key}", named(path)), tree);
            }
        }
    }

    fn unknown_key(&mut self, rule: &Rule, entry: &TreeEntry, path: &Path<'_>) {
        let names = rule.patterns.iter().find(|(pattern, _)| *pattern != Pattern::Extension);
        let fault = match names {
            Some((pattern, _)) if rule.properties.is_empty() => {
                let message =
                    format!("{}: the name \"{}\" may only hold {}", named(path), entry.key, pattern.describe());
                Fault::new("compose-name", message, &entry.key_location)
            }
            _ => {
                let message = format!("{} has no key \"{}\"", named(path), entry.key);
                let fault = Fault::new("compose-unknown-key", message, &entry.key_location);
                let mut keys: Vec<&str> = rule.properties.keys().map(String::as_str).collect();
                keys.sort_unstable();
                match closest(&entry.key, keys) {
                    Some(near) => fault.help(format!("did you mean \"{near}\"?")),
                    None => fault,
                }
            }
        };
        self.faults.push(fault);
    }

    fn unique(&mut self, items: &[Tree], path: &Path<'_>) {
        let mut seen = HashSet::with_capacity(items.len());
        // The reference takes a number for the text before it that reads as one, in short lists.
        let mut numbers: Vec<f64> = Vec::new();
        for (at, item) in items.iter().enumerate() {
            if items.len() <= 20 {
                match item.value() {
                    Some(Value::Str(text)) => numbers.extend(text.parse::<f64>()),
                    Some(Value::Int(number)) if numbers.contains(&(number as f64)) => {
                        let message = format!("{} is there already, as a text", path.index(at));
                        self.push("compose-duplicate", message, item);
                        continue;
                    }
                    _ => {}
                }
            }
            // A number and a text that look alike are two values.
            let kind = if kinds(item) & NUMBER != 0 { "number" } else { item.kind() };
            if !seen.insert((kind, fingerprint(item))) {
                let message = format!("{} is there already; each item of the list may stand once", path.index(at));
                self.push("compose-duplicate", message, item);
            }
        }
    }

    fn scalar(&mut self, rule: &'s Rule, tree: &Tree, path: &Path<'_>) {
        if let Some(text) = tree.as_str()
            && let Some(pattern) = rule.pattern.filter(|pattern| !pattern.matches(text))
        {
            self.push("compose-type", format!("{} must be {}", named(path), pattern.describe()), tree);
        }
        if !rule.choices.is_empty()
            && !tree.as_str().is_some_and(|text| rule.choices.iter().any(|choice| choice == text))
        {
            let message = format!("{} must be one of {}", named(path), rule.choices.join(", "));
            self.push("compose-type", message, tree);
        }
        let number = match tree.value() {
            Some(Value::Int(number)) => number as f64,
            Some(Value::Float(number)) => number,
            _ => return,
        };
        if let Some(minimum) = rule.minimum.filter(|minimum| number < *minimum) {
            self.push("compose-type", format!("{} must be {minimum} or more", named(path)), tree);
        }
        if let Some(maximum) = rule.maximum.filter(|maximum| number > *maximum) {
            self.push("compose-type", format!("{} must be {maximum} or less", named(path)), tree);
        }
    }
}

/// A text that is equal for equal values.
fn fingerprint(tree: &Tree) -> String {
    match &tree.content {
        TreeContent::Scalar(_) => printed(tree),
        TreeContent::Sequence(items) => {
            items.iter().map(|item| format!("{}:{:?},", item.kind(), fingerprint(item))).collect()
        }
        TreeContent::Mapping(entries) => {
            let mut parts: Vec<String> = entries
                .iter()
                .map(|entry| format!("{:?}={}:{:?},", entry.key, entry.value.kind(), fingerprint(&entry.value)))
                .collect();
            parts.sort();
            parts.concat()
        }
    }
}

fn named(path: &Path<'_>) -> String {
    if path.parent().is_none() { "the compose file".to_owned() } else { path.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_and_pattern_of_the_schema_is_understood() {
        let document: Json = serde_json::from_str(TEXT).unwrap();
        let mut compiler = Compiler::new(&document);
        compiler.add(&document);
        assert!(compiler.unknown.is_empty(), "{:?}", compiler.unknown);
        assert!(compiler.rules.len() > 100);
    }

    #[test]
    fn patterns_by_hand() {
        assert!(Pattern::PullPolicy.matches("every_1d12h") && !Pattern::PullPolicy.matches("every_"));
        assert!(!Pattern::PullPolicy.matches("always_not"));
        assert!(Pattern::Name.matches("a.b-c_1") && !Pattern::Name.matches("a b") && !Pattern::Name.matches(""));
        assert!(Pattern::ContainerName.matches("/ab") && !Pattern::ContainerName.matches("a"));
    }
}
