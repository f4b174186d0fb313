//! The YAML tree of a compose file after interpolation: every scalar knows whether a variable went into it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::compose::interpolate::interpolate;
use crate::diag::{Diagnostic, Location};
use crate::yaml::{Content, Node, Scalar};

/// A node of the tree. It has no `Debug`, since it may hold secrets.
#[derive(Clone, PartialEq)]
pub struct Tree {
    /// Where it starts.
    pub location: Location,
    /// A tag such as `!reset`.
    pub tag: Option<String>,
    /// Whether interpolation looked up a variable in this scalar.
    pub interpolated: bool,
    /// What it holds.
    pub content: TreeContent,
}

/// What a node holds.
#[derive(Clone, PartialEq)]
pub enum TreeContent {
    /// A scalar, null included.
    Scalar(Scalar),
    /// A sequence.
    Sequence(Vec<Tree>),
    /// A mapping in source order.
    Mapping(Vec<TreeEntry>),
}

/// A key and its value.
#[derive(Clone, PartialEq)]
pub struct TreeEntry {
    /// The key's text.
    pub key: String,
    /// Where the key stands.
    pub key_location: Location,
    /// The value.
    pub value: Tree,
}

impl Tree {
    /// A plain scalar that was made, not written, at `location`.
    pub fn text(text: impl Into<String>, location: Location, interpolated: bool) -> Self {
        let content = TreeContent::Scalar(Scalar { text: text.into(), plain: false });
        Self { location, tag: None, interpolated, content }
    }

    /// The scalar, if it is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        if let TreeContent::Scalar(scalar) = &self.content { Some(scalar) } else { None }
    }

    /// The entries, if it is a mapping.
    pub fn as_mapping(&self) -> Option<&[TreeEntry]> {
        if let TreeContent::Mapping(entries) = &self.content { Some(entries) } else { None }
    }

    /// The items, if it is a sequence.
    pub fn as_sequence(&self) -> Option<&[Tree]> {
        if let TreeContent::Sequence(items) = &self.content { Some(items) } else { None }
    }

    /// The text of a scalar that is not null.
    pub fn as_text(&self) -> Option<&str> {
        self.as_scalar().filter(|s| !s.is_null()).map(|s| s.text.as_str())
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(Scalar::is_null)
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        self.as_mapping()?.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// What it is, for messages.
    pub fn describe(&self) -> &'static str {
        match &self.content {
            TreeContent::Mapping(_) => "a mapping",
            TreeContent::Sequence(_) => "a sequence",
            TreeContent::Scalar(s) if s.is_null() => "null",
            TreeContent::Scalar(s) if s.as_bool().is_some() => "a boolean",
            TreeContent::Scalar(s) if s.as_f64().is_some() => "a number",
            TreeContent::Scalar(_) => "a string",
        }
    }
}

/// Keys below which a literal may be a secret, so that their lines are never shown.
const SECRETIVE: [&str; 12] = [
    "annotations",
    "args",
    "command",
    "content",
    "driver_opts",
    "entrypoint",
    "environment",
    "healthcheck",
    "labels",
    "options",
    "post_start",
    "pre_stop",
];

/// Bytes that all interpolated texts of a project may have together: one long variable may stand in many places.
const MAX_INTERPOLATED: usize = 16 * 1024 * 1024;

/// Turns YAML nodes into a tree while it interpolates.
pub struct Lowering<'a> {
    environment: &'a BTreeMap<String, String>,
    /// Bytes of interpolated texts so far.
    interpolated: usize,
    /// Findings whose lines are not resolved yet.
    pub findings: Vec<(Diagnostic, Location)>,
    /// Lines that may hold a secret.
    pub hidden: HashSet<(Arc<str>, u32)>,
    /// Variables reported as missing and where: an aliased value is lowered at each of its uses.
    reported: HashSet<(String, Location)>,
}

impl<'a> Lowering<'a> {
    /// Interpolates from `environment`.
    pub fn new(environment: &'a BTreeMap<String, String>) -> Self {
        Self { environment, interpolated: 0, findings: Vec::new(), hidden: HashSet::new(), reported: HashSet::new() }
    }

    /// The tree of `node`; what cannot be interpolated is an error among the findings and keeps its text.
    pub fn lower(&mut self, node: Node) -> Tree {
        self.node(node, false)
    }

    fn node(&mut self, node: Node, secretive: bool) -> Tree {
        let Node { location, tag, content } = node;
        let mut interpolated = false;
        let content = match content {
            Content::Scalar(scalar) => {
                if secretive {
                    self.hidden.insert((location.file.clone(), location.line));
                }
                let (scalar, looked_up) = self.scalar(scalar, &location);
                interpolated = looked_up;
                TreeContent::Scalar(scalar)
            }
            Content::Sequence(items) => {
                TreeContent::Sequence(items.into_iter().map(|item| self.node(item, secretive)).collect())
            }
            Content::Mapping(entries) => TreeContent::Mapping(
                entries
                    .into_iter()
                    .map(|entry| {
                        if secretive {
                            self.hidden.insert((entry.key_location.file.clone(), entry.key_location.line));
                        }
                        // Extensions often hold an environment that services take by an alias.
                        let secretive =
                            secretive || entry.key.starts_with("x-") || SECRETIVE.contains(&entry.key.as_str());
                        let value = self.node(entry.value, secretive);
                        TreeEntry { key: entry.key, key_location: entry.key_location, value }
                    })
                    .collect(),
            ),
        };
        Tree { location, tag, interpolated, content }
    }

    fn scalar(&mut self, scalar: Scalar, location: &Location) -> (Scalar, bool) {
        // Past the limit an error is among the findings, and no more is made.
        if !scalar.text.contains('$') || self.interpolated > MAX_INTERPOLATED {
            return (scalar, false);
        }
        match interpolate(&scalar.text, self.environment) {
            Ok(outcome) => {
                self.interpolated = self.interpolated.saturating_add(outcome.text.len());
                if self.interpolated > MAX_INTERPOLATED {
                    let message = format!("the interpolated texts have more than {MAX_INTERPOLATED} bytes together");
                    self.findings.push((Diagnostic::error("compose-limit", message), location.clone()));
                }
                for name in outcome.missing {
                    if !self.reported.insert((name.clone(), location.clone())) {
                        continue;
                    }
                    let message = format!("the variable {name} is not set; it is read as an empty text");
                    let finding = Diagnostic::warning("compose-variable-unset", message)
                        .help(format!("set {name} in .env or the environment, or give a default: ${{{name}:-…}}"));
                    self.findings.push((finding, location.clone()));
                }
                let replaced = Scalar { text: outcome.text, plain: scalar.plain };
                // A variable that is empty gives an empty text, never null.
                let plain = replaced.plain && !replaced.is_null();
                (Scalar { plain, ..replaced }, outcome.substituted)
            }
            Err(error) => {
                let finding = Diagnostic::error("compose-interpolation", error.to_string());
                self.findings.push((finding, location.clone()));
                (scalar, false)
            }
        }
    }
}
