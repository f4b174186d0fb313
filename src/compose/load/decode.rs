//! Canonical trees as typed JSON, in the form that the reference loader prints.

use serde_json::{Map, Number, Value as Json};

use super::fault::Fault;
use super::pairs::{self, Pair};
use super::path::Path;
use super::scalar::{Timestamp, Value, float, is_signed, printed};
use super::types::{Field, Type, Written};
use super::values::Wrong;
use crate::compose::syntax;
use crate::compose::tree::{Tree, TreeContent, TreeEntry};
use crate::text::secret::{holds_secret, is_secret_name, secret_arguments};

/// What stands for a value that is not shown.
pub(super) const MASK: &str = "(sensitive)";

/// Reads trees; what is wrong is collected.
pub(super) struct Decoder {
    pub(super) faults: Vec<Fault>,
    /// Whether values that may be secret are masked.
    mask: bool,
    /// Whether this is below a key whose values may be secret where they came by interpolation.
    secretive: bool,
}

impl Decoder {
    /// A decoder that masks or shows.
    pub(super) fn new(mask: bool) -> Self {
        Self { faults: Vec::new(), mask, secretive: false }
    }

    /// A mapping of several parts.
    pub(super) fn parts(&mut self, parts: &[&[Field]], tree: &Tree, path: &Path<'_>) -> Map<String, Json> {
        let mut out = Map::new();
        for field in parts.iter().flat_map(|part| part.iter()) {
            self.field(field, tree, path, &mut out);
        }
        out
    }

    fn field(&mut self, field: &Field, tree: &Tree, path: &Path<'_>, out: &mut Map<String, Json>) {
        let value = tree.get(field.key).filter(|value| !value.is_null());
        let value = match value {
            Some(value) => {
                let outer = self.secretive;
                self.secretive |= matches!(
                    field.key,
                    "environment"
                        | "command"
                        | "entrypoint"
                        | "healthcheck"
                        | "labels"
                        | "annotations"
                        | "args"
                        | "content"
                        | "driver_opts"
                        | "options"
                        | "post_start"
                        | "pre_stop"
                );
                let value = self.value(&field.kind, value, &path.key(field.key));
                self.secretive = outer;
                value
            }
            None if field.written == Written::Always => zero(&field.kind),
            // What is not said is true.
            None if field.written == Written::False => Json::Bool(false),
            None => return,
        };
        let shown = match field.written {
            Written::Always | Written::Present => true,
            Written::Filled => !is_empty(&field.kind, &value),
            Written::False => value == Json::Bool(false),
        };
        if shown {
            out.insert(field.output.to_owned(), value);
        }
    }

    fn wrong(&mut self, path: &Path<'_>, expected: &str, tree: &Tree) -> Json {
        let message = format!("{path} must be {expected}, not {}", tree.kind());
        self.faults.push(Fault::new("compose-type", message, &tree.location));
        Json::Null
    }

    fn invalid(&mut self, path: &Path<'_>, what: &str, tree: &Tree) -> Json {
        let shown = match tree.as_text() {
            Some(text) if !tree.interpolated => format!("\"{text}\""),
            _ => "the value".to_owned(),
        };
        self.faults.push(Fault::new("compose-type", format!("{path}: {shown} is no {what}"), &tree.location));
        Json::Null
    }

    fn hidden(&self, interpolated: bool, name: &str, text: &str) -> bool {
        self.mask && self.secretive && (interpolated || is_secret_name(name) || holds_secret(text))
    }

    fn masked(&self, text: String, interpolated: bool, name: &str) -> Json {
        if self.hidden(interpolated, name, &text) { MASK.into() } else { text.into() }
    }

    fn value(&mut self, kind: &Type, tree: &Tree, path: &Path<'_>) -> Json {
        match kind {
            Type::Text => match tree.value() {
                Some(Value::Str(text)) => self.masked(text.to_owned(), tree.interpolated, ""),
                Some(Value::Int(number)) if is_signed(number) => self.masked(number.to_string(), tree.interpolated, ""),
                _ => self.wrong(path, "a string", tree),
            },
            Type::Boolean => self.read(tree.boolean().map(Json::from), path, tree),
            Type::Integer => self.read(tree.integer().map(integer), path, tree),
            Type::Unsigned => self.read(tree.unsigned().map(integer), path, tree),
            Type::Number | Type::Cpus => self.read(tree.number().map(single), path, tree),
            Type::Duration => self.read(tree.duration().map(|nanos| syntax::print_duration(nanos).into()), path, tree),
            Type::Bytes => self.read(tree.bytes().map(|bytes| bytes.to_string().into()), path, tree),
            Type::FileMode => self.read(tree.file_mode().map(|mode| octal(mode).into()), path, tree),
            Type::DeviceCount => self.read(tree.device_count().map(Json::from), path, tree),
            Type::Command => self.command(tree, path),
            Type::Test => self.test(tree, path),
            Type::Texts => match (tree.as_str(), tree.as_sequence()) {
                (Some(text), _) => Json::Array(vec![text.into()]),
                (None, Some(items)) => self.texts(items, path),
                _ => self.wrong(path, "a string or a list of strings", tree),
            },
            Type::Prints => match (tree.as_str(), tree.as_sequence()) {
                (Some(text), _) => Json::Array(vec![text.into()]),
                (None, Some(items)) => items.iter().map(|item| Json::from(printed(item))).collect(),
                _ => self.wrong(path, "a list", tree),
            },
            Type::List => self.list(&Type::Text, tree, path),
            Type::Labels | Type::Pairs | Type::Mapping => self.pairs(kind, tree, path),
            Type::Options => match tree.as_mapping() {
                Some(entries) => self.printed_map(entries),
                None => self.wrong(path, "a mapping", tree),
            },
            Type::MultiOptions => self.multi_options(tree, path),
            Type::TextMap => self.map(&Type::Text, tree, path),
            Type::Hosts => self.hosts(tree, path),
            Type::Ssh => self.ssh(tree, path),
            Type::Ulimit => self.ulimit(tree, path),
            Type::MapOf(kind) => self.map(kind, tree, path),
            Type::ListOf(kind) => self.list(kind, tree, path),
            Type::Struct(fields) => {
                if tree.as_mapping().is_none() {
                    return self.wrong(path, "a mapping", tree);
                }
                Json::Object(self.parts(&[fields], tree, path))
            }
        }
    }

    /// A value, or what is said where it is none.
    fn read(&mut self, outcome: Result<Json, Wrong>, path: &Path<'_>, tree: &Tree) -> Json {
        match outcome {
            Ok(value) => value,
            Err(Wrong::Kind(expected)) => self.wrong(path, expected, tree),
            Err(Wrong::Text(what)) => self.invalid(path, what, tree),
        }
    }

    fn test(&mut self, tree: &Tree, path: &Path<'_>) -> Json {
        match (tree.as_str(), tree.as_sequence()) {
            (Some(text), _) => {
                let words = ["CMD-SHELL", text];
                let item =
                    |(at, word): (usize, &&str)| Tree::text(*word, tree.location.clone(), at > 0 && tree.interpolated);
                let items: Vec<Tree> = words.iter().enumerate().map(item).collect();
                self.words(&items, path)
            }
            (None, Some(items)) => self.words(items, path),
            _ => self.wrong(path, "a string or a list", tree),
        }
    }

    fn multi_options(&mut self, tree: &Tree, path: &Path<'_>) -> Json {
        let Some(entries) = tree.as_mapping() else { return self.wrong(path, "a mapping", tree) };
        let lists = entries.iter().map(|entry| {
            let items = match &entry.value.content {
                TreeContent::Sequence(items) => items.iter().map(|item| self.print(entry, item)).collect(),
                _ => vec![self.print(entry, &entry.value)],
            };
            (entry.key.clone(), Json::Array(items))
        });
        // An option without a value is none.
        Json::Object(lists.filter(|(_, items)| items.as_array().is_some_and(|items| !items.is_empty())).collect())
    }

    /// One mapping instead of the reference's list, whose items are no JSON where they have a path.
    fn ssh(&mut self, tree: &Tree, path: &Path<'_>) -> Json {
        let Some(entries) = tree.as_mapping() else { return self.wrong(path, "a mapping", tree) };
        let keys = entries.iter().map(|entry| match entry.value.as_text() {
            Some(text) => Json::from(format!("{}={text}", entry.key)),
            None => Json::from(entry.key.clone()),
        });
        let mut keys: Vec<Json> = keys.collect();
        keys.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        Json::Array(keys)
    }

    fn list(&mut self, kind: &Type, tree: &Tree, path: &Path<'_>) -> Json {
        let Some(items) = tree.as_sequence() else { return self.wrong(path, "a list", tree) };
        let values = items
            .iter()
            .enumerate()
            .map(|(at, item)| if item.is_null() { zero(kind) } else { self.value(kind, item, &path.index(at)) });
        values.collect()
    }

    fn map(&mut self, kind: &Type, tree: &Tree, path: &Path<'_>) -> Json {
        let Some(entries) = tree.as_mapping() else { return self.wrong(path, "a mapping", tree) };
        let mut out = Map::new();
        for entry in entries {
            // Networks, models and limits are pointers in the reference: null stays null.
            let value = match kind {
                Type::Text if entry.value.is_null() => "".into(),
                _ if entry.value.is_null() => Json::Null,
                kind => self.value(kind, &entry.value, &path.key(&entry.key)),
            };
            out.insert(entry.key.clone(), value);
        }
        Json::Object(out)
    }

    fn texts(&mut self, items: &[Tree], path: &Path<'_>) -> Json {
        let texts = items.iter().enumerate().map(|(at, item)| match item.as_str() {
            Some(text) => self.masked(text.to_owned(), item.interpolated, ""),
            None => self.wrong(&path.index(at), "a string", item),
        });
        texts.collect()
    }

    /// Arguments of a command line.
    fn words(&mut self, items: &[Tree], path: &Path<'_>) -> Json {
        let secret = secret_arguments(items.iter().map(|item| item.as_str().unwrap_or_default()));
        let words = items.iter().zip(secret).enumerate().map(|(at, (item, secret))| match item.as_str() {
            Some(_) if self.mask && self.secretive && (secret || item.interpolated) => MASK.into(),
            Some(text) => text.into(),
            None => self.wrong(&path.index(at), "a string", item),
        });
        words.collect()
    }

    fn command(&mut self, tree: &Tree, path: &Path<'_>) -> Json {
        if let Some(items) = tree.as_sequence() {
            return self.words(items, path);
        }
        let Some(text) = tree.as_str() else { return self.wrong(path, "a string or a list of strings", tree) };
        match syntax::words(text) {
            Some(words) => {
                let items: Vec<Tree> =
                    words.into_iter().map(|word| Tree::text(word, tree.location.clone(), tree.interpolated)).collect();
                self.words(&items, path)
            }
            None => {
                let message = format!("{path} is no command line: quotes or brackets do not match");
                self.faults.push(Fault::new("compose-command", message, &tree.location));
                Json::Null
            }
        }
    }

    fn print(&self, entry: &TreeEntry, value: &Tree) -> Json {
        self.masked(printed(value), value.interpolated, &entry.key)
    }

    fn printed_map(&self, entries: &[TreeEntry]) -> Json {
        let values = entries.iter().map(|entry| {
            let value = if entry.value.is_null() { "".into() } else { self.print(entry, &entry.value) };
            (entry.key.clone(), value)
        });
        Json::Object(values.collect())
    }

    fn pairs(&mut self, kind: &Type, tree: &Tree, path: &Path<'_>) -> Json {
        let keeps_null = matches!(kind, Type::Pairs);
        let Some(pairs) = pairs::pairs(tree) else { return self.wrong(path, "a list or a mapping", tree) };
        let is_list = tree.as_sequence().is_some();
        let mut out = Map::new();
        for (at, Pair { key, value, interpolated, location }) in pairs.into_iter().enumerate() {
            if keeps_null && is_list && key.ends_with(char::is_whitespace) {
                let message = format!("{}: a name must not end in a blank", path.index(at));
                self.faults.push(Fault::new("compose-environment", message, location));
                continue;
            }
            let value = match value {
                Some(value) => self.masked(value, interpolated, &key),
                None if keeps_null => Json::Null,
                None => "".into(),
            };
            out.insert(key, value);
        }
        Json::Object(out)
    }

    fn hosts(&mut self, tree: &Tree, path: &Path<'_>) -> Json {
        let empty = |tree: &Tree| match &tree.content {
            TreeContent::Mapping(entries) => entries.is_empty(),
            TreeContent::Sequence(items) => items.is_empty(),
            TreeContent::Scalar(_) => false,
        };
        if empty(tree) {
            return Json::Null;
        }
        if matches!(&tree.content, TreeContent::Scalar(_)) {
            return self.wrong(path, "a list or a mapping", tree);
        }
        match pairs::hosts(tree) {
            Ok(hosts) => hosts.iter().map(|host| Json::from(format!("{}={}", host.name, host.address))).collect(),
            Err(part) => self.invalid(path, "host name with its addresses", part),
        }
    }

    fn ulimit(&mut self, tree: &Tree, path: &Path<'_>) -> Json {
        if let Some(Value::Int(number)) = tree.value() {
            // The reference takes 0 for a limit that is not set.
            return if number == 0 { Json::Object(Map::new()) } else { integer(number) };
        }
        if tree.as_mapping().is_none() {
            return self.wrong(path, "an integer or a mapping", tree);
        }
        let mut out = Map::new();
        for key in ["soft", "hard"] {
            let Some(value) = tree.get(key) else { continue };
            match value.value() {
                Some(Value::Int(0)) => {}
                Some(Value::Int(number)) => {
                    out.insert(key.to_owned(), integer(number));
                }
                _ => return self.wrong(&path.key(key), "an integer", value),
            }
        }
        Json::Object(out)
    }
}

/// A file mode with its leading zero; the reference puts the sign behind that.
fn octal(number: i64) -> String {
    format!("0{}{:o}", if number < 0 { "-" } else { "" }, number.unsigned_abs())
}

fn integer(number: i128) -> Json {
    match (i64::try_from(number), u64::try_from(number)) {
        (Ok(number), _) => number.into(),
        (_, Ok(number)) => number.into(),
        _ => number_of(number as f64),
    }
}

/// A number without a fraction as an integer, so that equal values are equal.
fn number_of(number: f64) -> Json {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return (number as i64).into();
    }
    Number::from_f64(number).map_or(Json::Null, Json::Number)
}

/// A number of single precision in its shortest form.
fn single(number: f64) -> Json {
    let number = number as f32;
    number_of(number.to_string().parse().unwrap_or_else(|_| f64::from(number)))
}

fn zero(kind: &Type) -> Json {
    match kind {
        Type::Boolean => false.into(),
        Type::Integer | Type::Unsigned | Type::Number | Type::Cpus | Type::DeviceCount => 0.into(),
        Type::Text => "".into(),
        Type::Bytes => "0".into(),
        Type::Duration => "0s".into(),
        Type::Struct(fields) => {
            let always = fields.iter().filter(|field| field.written == Written::Always);
            Json::Object(always.map(|field| (field.output.to_owned(), zero(&field.kind))).collect())
        }
        _ => Json::Null,
    }
}

/// Whether a value is left out where only filled ones are written.
fn is_empty(kind: &Type, value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::Bool(true) => false,
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::String(text) => match kind {
            Type::Bytes => text == "0",
            Type::Duration => text == "0s",
            _ => text.is_empty(),
        },
        // A host without an address is still one.
        Json::Array(items) => items.is_empty() && !matches!(kind, Type::Hosts),
        Json::Object(entries) => entries.is_empty(),
    }
}

/// A tree as it is, for extensions.
pub(super) fn raw(tree: &Tree, mask: bool) -> Json {
    if mask && tree.interpolated {
        return MASK.into();
    }
    match &tree.content {
        TreeContent::Scalar(scalar) => match super::scalar::value(scalar) {
            Value::Null => Json::Null,
            Value::Bool(value) => value.into(),
            Value::Int(number) => integer(number),
            Value::Float(number) if number.is_finite() => number_of(number),
            Value::Float(number) => float(number).into(),
            Value::Time(time) => Timestamp::json(time).into(),
            Value::Str(text) if mask && holds_secret(text) => MASK.into(),
            Value::Str(text) => text.into(),
        },
        TreeContent::Sequence(items) => items.iter().map(|item| raw(item, mask)).collect(),
        TreeContent::Mapping(entries) => {
            let values = entries.iter().map(|entry| {
                let secret = mask && is_secret_name(&entry.key) && entry.value.as_text().is_some();
                (entry.key.clone(), if secret { MASK.into() } else { raw(&entry.value, mask) })
            });
            Json::Object(values.collect())
        }
    }
}
