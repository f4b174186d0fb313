//! The YAML tree of a compose file after interpolation: every scalar knows whether a variable went into it.

use crate::diag::Location;
use crate::yaml::Scalar;

/// A node of the tree. It has no `Debug`, since it may hold secrets.
#[derive(Clone, PartialEq)]
pub struct Tree {
    /// Where it starts.
    pub location: Location,
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
        Self { location, interpolated, content }
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
