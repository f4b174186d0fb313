//! The texts of a project: what is loaded, and what messages show of it.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::diag::{Diagnostic, Location};
use crate::text::secret::may_hold_secret;
use crate::yaml::{Node, Source};

/// One compose file, in the order of merging.
#[derive(Debug, Clone)]
pub enum Input {
    /// Its text.
    Text(Source),
    /// A mapping that stands inside another document, and that document's text for messages.
    Tree(Node, Source),
}

impl Input {
    /// Its text, or that of the document it stands in.
    pub fn source(&self) -> &Source {
        match self {
            Self::Text(source) | Self::Tree(_, source) => source,
        }
    }
}

/// Longer lines help nobody, and a copy of one in each of its findings would cost the square of its length.
const LONGEST_LINE: usize = 1_000;

/// The source texts of a project, and which of their lines are not to be shown.
#[derive(Clone, Default)]
pub struct Sources {
    texts: Vec<IndexedText>,
    hidden: HashSet<(Arc<str>, u32)>,
}

#[derive(Clone)]
struct IndexedText {
    source: Source,
    /// Where each line starts, so that many messages do not read the text as often.
    starts: Vec<usize>,
}

impl Sources {
    /// Sources in merge order; `hidden` are the lines that may hold a secret.
    pub fn new(sources: Vec<Source>, hidden: HashSet<(Arc<str>, u32)>) -> Self {
        let index = |source: Source| {
            let breaks = source.text.match_indices('\n').map(|(at, _)| at + 1);
            let starts = std::iter::once(0).chain(breaks).collect();
            IndexedText { source, starts }
        };
        Self { texts: sources.into_iter().map(index).collect(), hidden }
    }

    /// Places a diagnostic and shows its line, unless that may hold a secret.
    pub fn locate(&self, diagnostic: Diagnostic, location: &Location) -> Diagnostic {
        let hidden = self.hidden.contains(&(location.file.clone(), location.line));
        diagnostic.at(location.clone(), if hidden { None } else { self.line(location) })
    }

    fn line(&self, location: &Location) -> Option<String> {
        let text = self.texts.iter().find(|text| text.source.file == location.file)?;
        let start = *text.starts.get((location.line as usize).checked_sub(1)?)?;
        text.source
            .text
            .get(start..)?
            .lines()
            .next()
            .filter(|line| line.len() <= LONGEST_LINE && !may_hold_secret(line))
            .map(str::to_owned)
    }

    /// The texts, in merge order.
    pub fn texts(&self) -> impl Iterator<Item = &Source> {
        self.texts.iter().map(|text| &text.source)
    }

    /// Names of the files, in merge order.
    pub fn files(&self) -> impl Iterator<Item = &Arc<str>> {
        self.texts.iter().map(|text| &text.source.file)
    }
}

impl fmt::Debug for Sources {
    /// Names only: a compose file may hold literal secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.files()).finish()
    }
}
