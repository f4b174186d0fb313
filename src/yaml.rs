//! YAML as a located tree: every node and key knows its line and column, every scalar its exact text.
//!
//! The typed readers of `kom` and `compose` walk this tree instead of deserialising into structs, because their messages
//! must name the place of a *value* (also one that came through an anchor or a merge key), collect every error of a
//! document rather than the first, and keep a scalar's text (`1.10` is a version, not a number).
//! The parser underneath is `granit-parser`, the one that serde-saphyr (and so kube) uses.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span};

use crate::diag::{Diagnostic, Location};

/// Limits against hostile input.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one file.
    pub bytes: usize,
    /// Nodes of one file after aliases are expanded: stops alias bombs. Their text together may be eight times `bytes`.
    /// What anchors hold may be as much again: anchors around anchors hold the same values once each.
    pub nodes: usize,
    /// Nesting of collections.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 2 * 1024 * 1024, nodes: 500_000, depth: 100 }
    }
}

/// The text of one file, kept so that a diagnostic can show the line it speaks of.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file as the user would name it.
    pub file: Arc<str>,
    /// Its whole text.
    pub text: Arc<str>,
}

impl Source {
    /// A source named `file` with this text.
    pub fn new(file: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { file: file.into(), text: text.into() }
    }

    /// The text of a line (from 1), without its line break.
    pub fn line(&self, line: u32) -> Option<String> {
        self.text.lines().nth((line as usize).checked_sub(1)?).map(str::to_owned)
    }

    /// Puts this place, with the text of its line, on a diagnostic.
    pub fn locate(&self, diagnostic: Diagnostic, location: &Location) -> Diagnostic {
        let line = if location.file == self.file { self.line(location.line) } else { None };
        diagnostic.at(location.clone(), line)
    }
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A scalar, null included.
    Scalar(Scalar),
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping in source order, merge keys already applied.
    Mapping(Vec<Entry>),
}

/// A scalar with its exact text.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// The text after YAML's own escapes.
    pub text: String,
    /// Whether it was written without quotes, so that the core schema may read it as null, bool or number.
    pub plain: bool,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key stands.
    pub key_location: Location,
    /// Whether the key was written without quotes, so that it may be a number, a boolean or null.
    pub key_plain: bool,
    /// The value.
    pub value: Node,
    /// Whether it came through a merge key (`<<`).
    pub merged: bool,
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it starts.
    pub location: Location,
    /// A tag such as `!reset`, with its `!`; core tags (`!!str`) are `tag:yaml.org,2002:str`.
    pub tag: Option<String>,
    /// What it holds.
    pub content: Content,
}

impl Scalar {
    /// Whether the core schema reads it as null.
    pub fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// The boolean that the core schema reads.
    pub fn as_bool(&self) -> Option<bool> {
        match (self.plain, self.text.as_str()) {
            (true, "true" | "True" | "TRUE") => Some(true),
            (true, "false" | "False" | "FALSE") => Some(false),
            _ => None,
        }
    }

    /// The integer that the core schema reads (decimal, `0x`, `0o`).
    pub fn as_i64(&self) -> Option<i64> {
        if !self.plain {
            return None;
        }
        let text = self.text.as_str();
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let magnitude = if let Some(hex) = digits.strip_prefix("0x") {
            i64::from_str_radix(hex, 16).ok()?
        } else if let Some(octal) = digits.strip_prefix("0o") {
            i64::from_str_radix(octal, 8).ok()?
        } else if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
            // Parsed with its sign, so that the smallest integer is one too.
            return text.strip_prefix('+').unwrap_or(text).parse().ok();
        } else {
            return None;
        };
        magnitude.checked_mul(sign)
    }

    /// The number that the core schema reads, integers included.
    pub fn as_f64(&self) -> Option<f64> {
        if let Some(integer) = self.as_i64() {
            return Some(integer as f64);
        }
        let text = self.text.as_str();
        let numeric = self.plain
            && text.bytes().any(|b| b.is_ascii_digit())
            && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
        if numeric { text.parse().ok() } else { None }
    }

    /// The value that the core schema reads.
    pub fn to_json(&self) -> serde_json::Value {
        if self.is_null() {
            return serde_json::Value::Null;
        }
        if let Some(value) = self.as_bool() {
            return value.into();
        }
        if let Some(value) = self.as_i64() {
            return value.into();
        }
        match self.as_f64().and_then(serde_json::Number::from_f64) {
            Some(number) => serde_json::Value::Number(number),
            None => serde_json::Value::String(self.text.clone()),
        }
    }
}

impl Node {
    /// The scalar, if it is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.content {
            Content::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The entries, if it is a mapping.
    pub fn as_mapping(&self) -> Option<&[Entry]> {
        match &self.content {
            Content::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items, if it is a sequence.
    pub fn as_sequence(&self) -> Option<&[Node]> {
        match &self.content {
            Content::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The text of a scalar that is not null.
    pub fn as_text(&self) -> Option<&str> {
        self.as_scalar().filter(|s| !s.is_null()).map(|s| s.text.as_str())
    }

    /// Whether it is null or an empty plain scalar.
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(Scalar::is_null)
    }

    /// The value under `key`, if it is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_mapping()?.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// What it is, for messages: `a mapping`, `a sequence`, `null`, `a string`, `a number`, `a boolean`.
    pub fn describe(&self) -> &'static str {
        match &self.content {
            Content::Mapping(_) => "a mapping",
            Content::Sequence(_) => "a sequence",
            Content::Scalar(s) if s.is_null() => "null",
            Content::Scalar(s) if s.as_bool().is_some() => "a boolean",
            Content::Scalar(s) if s.as_f64().is_some() => "a number",
            Content::Scalar(_) => "a string",
        }
    }

    /// The plain JSON value; a mapping's later duplicate cannot occur, the parser refuses it.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.content {
            Content::Scalar(scalar) => scalar.to_json(),
            Content::Sequence(items) => items.iter().map(Node::to_json).collect(),
            Content::Mapping(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

/// Reads every document of a source; an empty document is a null scalar.
///
/// # Errors
/// The first syntax error, limit or duplicate key, located.
pub fn parse(source: &Source, limits: Limits) -> Result<Vec<Node>, Box<Diagnostic>> {
    if source.text.len() > limits.bytes {
        let message = format!("the file is {} bytes long; at most {} are read", source.text.len(), limits.bytes);
        return Err(Box::new(
            source.locate(Diagnostic::error("yaml-limit", message), &Location::new(source.file.clone(), 1, 1)),
        ));
    }
    // A byte order mark is allowed at the start of a stream.
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
    // Comments are events wherever another crate turns that feature on, and would stand where values are expected.
    let mut options = Options::default();
    options.set_emit_comments(false);
    let parser = Parser::new_from_str_with_options(text, options);
    let mut composer =
        Composer { source, limits, parser, anchors: HashMap::new(), nodes: 0, text: 0, depth: 0, kept: (0, 0) };
    let mut documents = Vec::new();
    loop {
        match composer.next()? {
            None | Some((Event::StreamEnd, _)) => return Ok(documents),
            Some((Event::DocumentStart(..), _)) => {
                composer.anchors.clear();
                composer.kept = (0, 0);
                let (event, span) = composer.expect_next()?;
                let document = if matches!(event, Event::DocumentEnd) {
                    composer.null(span)
                } else {
                    let node = composer.node(event, span)?;
                    // The end of the document follows its only node.
                    composer.next()?;
                    node
                };
                documents.push(document);
            }
            Some(_) => {}
        }
    }
}

struct Composer<'a> {
    source: &'a Source,
    limits: Limits,
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    /// The anchored node, its size in nodes and in bytes of text.
    anchors: HashMap<usize, (Rc<Node>, usize, usize)>,
    nodes: usize,
    text: usize,
    depth: usize,
    /// Nodes and bytes of text that are kept for aliases.
    kept: (usize, usize),
}

impl<'a> Composer<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Box<Diagnostic>> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok(pair)) => Ok(Some(pair)),
            Some(Err(error)) => {
                let marker = error.marker();
                let location = self.location(marker.line(), marker.col());
                Err(self.fail("yaml-syntax", format!("this is not valid YAML: {}", error.info()), &location))
            }
        }
    }

    fn expect_next(&mut self) -> Result<(Event<'a>, Span), Box<Diagnostic>> {
        match self.next()? {
            Some(pair) => Ok(pair),
            None => Err(self.fail("yaml-syntax", "the file ends in the middle of a value", &self.location(1, 0))),
        }
    }

    fn location(&self, line: usize, column: usize) -> Location {
        // The parser counts lines from 1 and columns from 0.
        let clip = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Location { file: self.source.file.clone(), line: clip(line.max(1)), column: clip(column.saturating_add(1)) }
    }

    fn at(&self, span: Span) -> Location {
        self.location(span.start.line(), span.start.col())
    }

    fn fail(&self, code: &'static str, message: impl Into<String>, location: &Location) -> Box<Diagnostic> {
        Box::new(self.source.locate(Diagnostic::error(code, message), location))
    }

    fn null(&self, span: Span) -> Node {
        Node {
            location: self.at(span),
            tag: None,
            content: Content::Scalar(Scalar { text: String::new(), plain: true }),
        }
    }

    fn count(&mut self, nodes: usize, text: usize, location: &Location) -> Result<(), Box<Diagnostic>> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.text = self.text.saturating_add(text);
        let text_limit = self.limits.bytes.saturating_mul(8);
        if self.text > text_limit {
            let message = format!("the document has more than {text_limit} bytes once its aliases are expanded");
            return Err(self.fail("yaml-limit", message, location));
        }
        if self.nodes > self.limits.nodes {
            let message =
                format!("the document has more than {} values once its aliases are expanded", self.limits.nodes);
            return Err(self.fail("yaml-limit", message, location));
        }
        Ok(())
    }

    fn enter(&mut self, location: &Location) -> Result<(), Box<Diagnostic>> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            let message = format!("collections are nested more than {} deep", self.limits.depth);
            return Err(self.fail("yaml-limit", message, location));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, span: Span) -> Result<Node, Box<Diagnostic>> {
        let location = self.at(span);
        let before = (self.nodes, self.text);
        self.count(1, if let Event::Scalar(text, ..) = &event { text.len() } else { 0 }, &location)?;
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = matches!(style, ScalarStyle::Plain);
                let tag = tag.map(tag_text);
                let plain = plain && tag.as_deref() != Some("tag:yaml.org,2002:str");
                let content = Content::Scalar(Scalar { text: text.into_owned(), plain });
                (Node { location: location.clone(), tag, content }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.enter(&location)?;
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.expect_next()?;
                    if matches!(event, Event::SequenceEnd) {
                        break;
                    }
                    items.push(self.node(event, span)?);
                }
                self.depth -= 1;
                (Node { location: location.clone(), tag: tag.map(tag_text), content: Content::Sequence(items) }, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.enter(&location)?;
                let entries = self.mapping()?;
                self.depth -= 1;
                (
                    Node { location: location.clone(), tag: tag.map(tag_text), content: Content::Mapping(entries) },
                    anchor,
                )
            }
            Event::Alias(id) => {
                let Some((node, nodes, text)) = self.anchors.get(&id).cloned() else {
                    return Err(self.fail("yaml-alias", "this alias refers to itself or to nothing", &location));
                };
                // Counted before it is copied, so that the copy that goes too far is never made.
                self.count(nodes, text, &location)?;
                (Node::clone(&node), 0)
            }
            _ => return Err(self.fail("yaml-syntax", "a value is expected here", &location)),
        };
        if anchor != 0 {
            let (nodes, text) = (self.nodes - before.0, self.text - before.1);
            self.keep(nodes, text, &location)?;
            self.anchors.insert(anchor, (Rc::new(node.clone()), nodes, text));
        }
        Ok(node)
    }

    /// Counts what an anchor holds, before it is copied.
    fn keep(&mut self, nodes: usize, text: usize, location: &Location) -> Result<(), Box<Diagnostic>> {
        self.kept = (self.kept.0.saturating_add(nodes), self.kept.1.saturating_add(text));
        if self.kept.0 > self.limits.nodes || self.kept.1 > self.limits.bytes.saturating_mul(8) {
            let message = format!("the anchors of the document hold more than {} values", self.limits.nodes);
            return Err(self.fail("yaml-limit", message, location));
        }
        Ok(())
    }

    fn mapping(&mut self) -> Result<Vec<Entry>, Box<Diagnostic>> {
        let mut own: Vec<Entry> = Vec::new();
        let mut seen: HashMap<String, Location> = HashMap::new();
        let mut merges: Vec<Node> = Vec::new();
        loop {
            let (event, span) = self.expect_next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key_location = self.at(span);
            let key = self.node(event, span)?;
            let Content::Scalar(Scalar { text: key, plain }) = key.content else {
                return Err(self.fail("yaml-key", "a key must be a scalar", &key_location));
            };
            let (event, span) = self.expect_next()?;
            let value = self.node(event, span)?;
            if plain && key == "<<" {
                merges.push(value);
                continue;
            }
            if let Some(first) = seen.insert(key.clone(), key_location.clone()) {
                let message = format!("the key \"{key}\" is given twice in one mapping; first on line {}", first.line);
                return Err(self.fail("yaml-duplicate-key", message, &key_location));
            }
            own.push(Entry { key, key_location, key_plain: plain, value, merged: false });
        }
        for merge in merges {
            self.merge(&mut own, &mut seen, merge)?;
        }
        Ok(own)
    }

    /// Merge keys: what the mapping says itself wins, then the earlier of several merged mappings.
    fn merge(
        &self,
        own: &mut Vec<Entry>,
        seen: &mut HashMap<String, Location>,
        merge: Node,
    ) -> Result<(), Box<Diagnostic>> {
        match merge.content {
            Content::Mapping(entries) => {
                for entry in entries {
                    if !seen.contains_key(&entry.key) {
                        seen.insert(entry.key.clone(), entry.key_location.clone());
                        own.push(Entry { merged: true, ..entry });
                    }
                }
                Ok(())
            }
            Content::Sequence(items) => items.into_iter().try_for_each(|item| self.merge(own, seen, item)),
            Content::Scalar(_) => {
                Err(self.fail("yaml-merge", "a merge key takes a mapping or a sequence of mappings", &merge.location))
            }
        }
    }
}

fn tag_text(tag: Cow<'_, granit_parser::Tag>) -> String {
    format!("{}{}", tag.handle(), tag.suffix())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(text: &str) -> Node {
        parse(&Source::new("f.yml", text), Limits::default()).unwrap().remove(0)
    }

    fn error(text: &str) -> String {
        parse(&Source::new("f.yml", text), Limits::default()).unwrap_err().to_string()
    }

    #[test]
    fn keeps_text_and_places() {
        let node = one("a: 1.10\nb:\n  - yes\n  - \"2\"\n");
        assert_eq!(node.get("a").unwrap().as_text(), Some("1.10"));
        let items = node.get("b").unwrap().as_sequence().unwrap();
        assert_eq!(items[1].location, Location::new("f.yml", 4, 5));
        assert_eq!(node.to_json(), serde_json::json!({"a": 1.1, "b": ["yes", "2"]}));
    }

    #[test]
    fn comments_may_stand_anywhere() {
        let text = "# a\na: 1 # b\nb: # c\n  - x # d\n  # e\n  - [y, # f\n     z]\n# g\nc: | # h\n  t # i\n# j\n";
        assert_eq!(one(text).to_json(), serde_json::json!({"a": 1, "b": ["x", ["y", "z"]], "c": "t # i\n"}));
        assert!(parse(&Source::new("f", "# only\n"), Limits::default()).unwrap().iter().all(Node::is_null));
    }

    #[test]
    fn merges_without_overriding_what_is_said() {
        let node = one("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\n");
        assert_eq!(node.get("y").unwrap().to_json(), serde_json::json!({"a": 1, "b": 3}));
        assert!(node.get("y").unwrap().as_mapping().unwrap().iter().any(|e| e.key == "a" && e.merged));
    }

    #[test]
    fn tags_and_documents() {
        let docs = parse(&Source::new("f", "--- !reset null\n---\n- !override [1]\n---\n"), Limits::default()).unwrap();
        assert_eq!(docs.len(), 3);
        assert_eq!(docs[0].tag.as_deref(), Some("!reset"));
        assert_eq!(docs[1].as_sequence().unwrap()[0].tag.as_deref(), Some("!override"));
        assert!(docs[2].is_null());
    }

    #[test]
    fn refuses_what_is_wrong_with_its_place() {
        assert_eq!(
            error("a: 1\nb: 2\na: 3\n"),
            "f.yml:3:1: the key \"a\" is given twice in one mapping; first on line 1"
        );
        assert!(error("a: [1, 2\n").starts_with("f.yml:"));
        assert!(error("a: *nope\n").starts_with("f.yml:1:"));
    }

    #[test]
    fn stops_alias_bombs_and_deep_nesting() {
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for i in 1..12 {
            let refs = vec![format!("*a{}", i - 1); 10].join(",");
            bomb.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
        }
        assert!(error(&bomb).contains("aliases are expanded"));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 100_000].join(","));
        assert!(error(&long).contains("bytes once its aliases are expanded"));
        assert!(error(&format!("{}{}", "[".repeat(200), "]".repeat(200))).contains("nested more than"));
    }

    #[test]
    fn stops_anchors_around_anchors() {
        // Each of the anchors would hold all that is inside it once more.
        let open: String = (0..90).map(|i| format!("&a{i} [")).collect();
        let inside = vec!["x"; 6_000].join(",");
        assert!(error(&format!("{open}{inside}{}", "]".repeat(90))).contains("anchors of the document hold more than"));
        let few: String = (0..10).map(|i| format!("&a{i} [")).collect();
        assert!(one(&format!("{few}{inside}{}", "]".repeat(10))).as_sequence().is_some());
        let open: String = (0..20).map(|i| format!("&a{i} [")).collect();
        let text = format!("{open}\"{}\"{}", "x".repeat(1 << 20), "]".repeat(20));
        assert!(error(&text).contains("anchors of the document hold more than"));
    }

    #[test]
    fn stops_merge_bombs() {
        let mut bomb = String::from("m0: &m0 {a: 1, b: 2, c: 3}\n");
        for i in 1..20 {
            let refs = vec![format!("*m{}", i - 1); 9].join(",");
            bomb.push_str(&format!("m{i}: &m{i} {{<<: [{refs}], k{i}: x}}\n"));
        }
        // Merged mappings fall together, so that this one stays small; what is read on the way does not.
        assert!(parse(&Source::new("f", bomb), Limits { nodes: 1_000, ..Limits::default() }).is_err());
        assert!(error("a: &a\n  <<: *a\n").contains("refers to itself or to nothing"));
        assert!(error("a: &a {b: *a}\n").contains("refers to itself or to nothing"));
        assert!(error("<<: 1\n").contains("a merge key takes a mapping"));
    }

    #[test]
    fn odd_bytes_are_read_or_refused() {
        assert_eq!(one("\u{feff}a: 1\r\nb: 2\r\n").to_json(), serde_json::json!({"a": 1, "b": 2}));
        assert!(error("a: \0\n").contains("not valid YAML"), "{}", error("a: \0\n"));
        assert_eq!(one("a: \"\\0\"\n").get("a").unwrap().as_text(), Some("\0"));
        let long = format!("{}: 1\n", "k".repeat(1 << 20));
        assert!(error(&long).contains("not valid YAML"), "a plain key has at most 1024 characters");
        let long = format!("? {}\n: 1\n", "k".repeat(1 << 20));
        assert_eq!(one(&long).as_mapping().unwrap()[0].key.len(), 1 << 20);
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,200}") {
            let _ = parse(&Source::new("f", text), Limits::default());
        }

        #[test]
        fn integers_keep_their_value(n in any::<i64>()) {
            let node = one(&format!("n: {n}\n"));
            prop_assert_eq!(node.get("n").unwrap().as_scalar().unwrap().as_i64(), Some(n));
        }
    }
}
