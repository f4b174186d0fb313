//! What people and machines read: plans, drift, diagnostics, progress, graphs and tables, as text, Markdown, HTML and JSON.
//!
//! Everything is written to writers that are given; nothing here asks the environment or the clock, and only the live display
//! ([`progress`]) the terminal. Values come from files and clouds that others can write, so every text passes [`escape`] before
//! it is printed: no control character and no bidirectional override of a value reaches a terminal. Secrets print as
//! `(sensitive)`; their keyed digests appear in JSON only.

mod ascii;
pub(crate) mod checks;
pub mod diagnostics;
pub(crate) mod drift;
pub mod escape;
mod facts;
pub(crate) mod graph;
pub(crate) mod html;
pub mod json;
mod line;
pub mod markdown;
pub(crate) mod notify;
pub(crate) mod progress;
mod quiet;
pub(crate) mod sarif;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod text;
pub mod typed;
mod value;

#[cfg(test)]
mod testing;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::kind::Kind;
use crate::engine::provider::ProviderKey;

/// What is known of a plan besides the plan.
#[derive(Debug, Clone, Copy, Default)]
pub struct About<'a> {
    /// It is printed as a drift report.
    pub drift: bool,
    /// What it was narrowed to with `--target`, as typed: what is done about it must reach no further.
    pub targets: &'a [String],
    /// It was saved.
    pub saved: Option<Saved<'a>>,
    /// Finds the schema of a kind, by which storage is known that starts empty.
    pub kinds: Option<Kinds>,
    /// How long updates have taken on average, by the name of the kind.
    pub updates: Option<&'a BTreeMap<String, Duration>>,
}

/// Finds the schema of a kind of a provider by its name.
pub type Kinds = fn(&ProviderKey, &str) -> Option<&'static Kind>;

/// A plan in its file.
#[derive(Debug, Clone, Copy)]
pub struct Saved<'a> {
    /// The file, as it was named on the command line.
    pub file: &'a str,
    /// The plan's digest.
    pub digest: &'a str,
}

pub(crate) use ascii::Ascii;

/// How text may look. The command line decides it from `--no-color`, `NO_COLOR`, `CI` and the terminal (`cli.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether to use ANSI colours.
    pub color: bool,
    /// Columns of the terminal; longer values get lines of their own.
    pub width: usize,
    /// Whether arrows and ellipses may be other than ASCII.
    pub unicode: bool,
    /// How commands in messages are typed.
    pub commands: typed::Commands,
}

impl Style {
    /// For files and pipes: no colour, 100 columns, Unicode.
    pub const PLAIN: Self = Self { color: false, width: 100, unicode: true, commands: typed::Commands::PLAIN };

    pub(crate) fn arrow(&self) -> &'static str {
        if self.unicode { "→" } else { "->" }
    }

    pub(crate) fn ellipsis(&self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }
}
