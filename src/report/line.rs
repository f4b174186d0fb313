//! Lines of a report before they become text or Markdown.

use std::io::{self, Write};

use anstyle::{AnsiColor, Color, Style as Ansi};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::Style;
use super::escape::clean;
use crate::engine::address::ends;
use crate::engine::plan::Verb;

/// The meaning of a piece of text, from which its colour follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Plain,
    Bold,
    Dim,
    Added,
    Changed,
    Removed,
    Noted,
    Danger,
}

impl Ink {
    /// The colour of an action.
    pub(crate) fn of(action: Verb) -> Self {
        match action {
            Verb::NoOp | Verb::Read => Self::Dim,
            Verb::Create => Self::Added,
            Verb::Update => Self::Changed,
            Verb::Delete | Verb::Replace => Self::Removed,
            Verb::Import | Verb::Move | Verb::Forget | Verb::Refresh => Self::Noted,
        }
    }

    fn ansi(self) -> Ansi {
        let fg = |color: AnsiColor| Ansi::new().fg_color(Some(Color::Ansi(color)));
        match self {
            Self::Plain => Ansi::new(),
            Self::Bold => Ansi::new().bold(),
            Self::Dim => Ansi::new().dimmed(),
            Self::Added => fg(AnsiColor::Green),
            Self::Changed => fg(AnsiColor::Yellow),
            Self::Removed => fg(AnsiColor::Red),
            Self::Noted => fg(AnsiColor::Cyan),
            Self::Danger => fg(AnsiColor::Red).bold(),
        }
    }
}

/// Text with the codes of its colour around it, if colour is wanted. The text must be clean already.
pub(crate) fn paint(text: &str, ink: Ink, style: &Style) -> String {
    if !style.color || ink == Ink::Plain || text.is_empty() {
        return text.to_owned();
    }
    let ansi = ink.ansi();
    format!("{ansi}{text}{ansi:#}")
}

/// The end of an address or Resource ID that fits into so many columns, clean: what tells one from the other stands last.
pub(crate) fn fitted(address: &str, room: usize) -> String {
    const DOTS: &str = "…";
    let whole = clean(address);
    if whole.width() <= room {
        return whole.into_owned();
    }
    let fits = |end: &&str| end.width() + DOTS.width() < room;
    if let Some(end) = ends(&whole).take_while(fits).last() {
        return format!("{DOTS}/{end}");
    }
    // Not even kind and name fit: the end of the name.
    let mut left = room.saturating_sub(DOTS.width());
    let kept = whole.char_indices().rev().take_while(|(_, c)| {
        let fits = c.width().unwrap_or_default() <= left;
        left = left.saturating_sub(c.width().unwrap_or_default());
        fits
    });
    let start = kept.last().map_or(whole.len(), |(at, _)| at);
    format!("{DOTS}{}", &whole[start..])
}

/// One line: a mark, an indentation and pieces of clean text.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// `+`, `~`, `-/+`, … or nothing.
    pub(crate) mark: &'static str,
    /// Its colour.
    pub(crate) ink: Ink,
    /// 0 for an action, 1 for its fields, 2 for what is inside a field.
    pub(crate) level: usize,
    /// The text.
    pub(crate) spans: Vec<(Ink, String)>,
}

impl Line {
    pub(crate) fn new(mark: &'static str, ink: Ink, level: usize) -> Self {
        Self { mark, ink, level, spans: Vec::new() }
    }

    /// Adds a piece.
    pub(crate) fn with(mut self, ink: Ink, text: impl Into<String>) -> Self {
        self.spans.push((ink, text.into()));
        self
    }

    fn last_is_blank(&self) -> bool {
        self.spans.iter().all(|(_, text)| text.trim().is_empty())
    }

    /// Writes it for a terminal or a plain file.
    pub(crate) fn write_text(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let mark_width = if self.level == 0 { 3 } else { 1 };
        let mut text = " ".repeat(self.level * 4 + usize::from(self.level > 0) * 2);
        text.extend(std::iter::repeat_n(' ', mark_width - self.mark.chars().count().min(mark_width)));
        text.push_str(&paint(self.mark, self.ink, style));
        if !self.last_is_blank() {
            text.push(' ');
            self.push_spans(&mut text, style);
        }
        writeln!(out, "{}", text.trim_end())
    }

    /// The line for a ```diff fence: what decides its colour there is the first character.
    pub(crate) fn to_diff(&self) -> String {
        let sign = match self.mark {
            "+" => "+",
            "~" => "!",
            "-" => "-",
            "-/+" => "-/+",
            "+/-" => "+/-",
            _ => " ",
        };
        let mut text = sign.to_owned();
        text.push_str(&" ".repeat(self.level * 4));
        if sign == " " && !self.mark.is_empty() {
            text.push_str(self.mark);
        }
        text.push(' ');
        self.push_spans(&mut text, &Style::PLAIN);
        text.truncate(text.trim_end().len());
        text
    }

    fn push_spans(&self, text: &mut String, style: &Style) {
        for (ink, span) in &self.spans {
            text.push_str(&paint(span, *ink, style));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_end() {
        let address = "/ws/ops/prv/aks1/cls/c1/app/gitea/Deployment/gitea-app";
        for (room, expected) in [
            (80, address),
            (45, "…/cls/c1/app/gitea/Deployment/gitea-app"),
            (40, "…/cls/c1/app/gitea/Deployment/gitea-app"),
            (25, "…/Deployment/gitea-app"),
            (12, "…t/gitea-app"),
            (0, "…"),
        ] {
            assert_eq!(fitted(address, room), expected, "{room}");
        }
        assert_eq!(fitted("/ws/ops/prv/aks1", 10), "…/prv/aks1");
        assert_eq!(fitted("/ws/ops/k/日本語", 6), "…本語");
    }
}
