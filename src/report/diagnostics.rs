//! Diagnostics of input files with their source lines.

use std::io::{self, Write};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde_json::{Value as Json, json};

use super::Style;
use super::escape::clean;
use super::facts::counted;
use super::line::{Ink, paint};
use super::typed::Commands;
use crate::diag::{Diagnostic, Diagnostics, Severity};

/// Writes every diagnostic, notes first and errors last (the end is what a terminal shows), each kind by file and line,
/// then a line with their counts. Nothing if there is none. Of each kind at most a hundred are written.
///
/// # Errors
/// The writer's own.
pub fn text(out: &mut dyn Write, diagnostics: &Diagnostics, style: &Style) -> io::Result<()> {
    if diagnostics.is_empty() {
        return Ok(());
    }
    let base = if style.color { Renderer::styled() } else { Renderer::plain() };
    let decor = if style.color && style.unicode { DecorStyle::Unicode } else { DecorStyle::Ascii };
    let renderer = base.decor_style(decor).term_width(style.width.max(40));
    let render = |diagnostic: &Diagnostic| render(&renderer, diagnostic, &style.commands);
    let sorted = sorted(diagnostics);
    for kind in sorted.chunk_by(|a, b| a.severity == b.severity) {
        for diagnostic in kind.iter().take(MOST) {
            for line in render(diagnostic).lines() {
                writeln!(out, "{}", line.trim_end())?;
            }
            writeln!(out)?;
        }
        let more = kind.len().saturating_sub(MOST);
        if let Some(last) = kind.last().filter(|_| more > 0) {
            let more = counted(more, &format!("more {}", noun(last.severity)));
            writeln!(out, "{} and {more}\n", style.ellipsis())?;
        }
    }
    let ink = if diagnostics.has_errors() { Ink::Danger } else { Ink::Changed };
    writeln!(out, "{}", paint(&counts(diagnostics), ink, style))
}

/// Findings of one kind that are written: who has more corrects these first.
const MOST: usize = 100;

fn noun(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// `3 errors, 1 warning`; what there is none of is left out.
pub fn counts(diagnostics: &Diagnostics) -> String {
    [Severity::Error, Severity::Warning, Severity::Note]
        .into_iter()
        .map(|severity| (diagnostics.count(severity), noun(severity)))
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| counted(count, noun))
        .collect::<Vec<_>>()
        .join(", ")
}

/// In the order of the text: notes first, errors last, each kind by place.
pub(super) fn sorted(diagnostics: &Diagnostics) -> Vec<&Diagnostic> {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort_by(|a, b| order(a, b));
    sorted
}

/// Which of two comes first.
pub(super) fn order(a: &Diagnostic, b: &Diagnostic) -> std::cmp::Ordering {
    a.severity.cmp(&b.severity).then_with(|| a.location.cmp(&b.location))
}

fn render(renderer: &Renderer, diagnostic: &Diagnostic, commands: &Commands) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let message: Vec<_> = diagnostic.message.lines().map(shown).collect();
    let mut group = level.primary_title(message.join("\n")).id(diagnostic.code).elements([] as [Origin<'_>; 0]);
    if let Some(location) = &diagnostic.location {
        let file = clean(&location.file);
        // Line numbers fit: every target has a usize of at least 32 bits.
        let line = location.line as usize;
        let source = diagnostic.source_line.as_deref().and_then(|source| source.lines().next());
        match source.filter(|source| source.len() <= LONGEST) {
            Some(source) => {
                let (source, start, end) = caret(source, location.column);
                let mark = AnnotationKind::Primary.span(start..end);
                group = group.element(Snippet::source(source).line_start(line).path(file).annotation(mark));
            }
            None => {
                let origin = Origin::path(file).line(line).char_column(location.column as usize);
                group = group.element(origin);
            }
        }
    }
    for help in diagnostic.help.iter().flat_map(|help| commands.lines(help)) {
        let help: Vec<_> = help.lines().map(shown).collect();
        group = group.element(Level::HELP.message(help.join("\n")));
    }
    renderer.render(&[group])
}

/// Characters of one line of a message: what is longer repeats a value that nobody reads to its end.
const LONGEST: usize = 2_000;

/// A line of a message, made harmless and cut where it goes on and on.
fn shown(line: &str) -> String {
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", clean(&line[..end])),
        None => clean(line).into_owned(),
    }
}

/// The line with unsafe characters written out, and the bytes of the word at a column: from there to the next blank or
/// colon, one character at least.
fn caret(source: &str, column: u32) -> (String, usize, usize) {
    let skip = column.saturating_sub(1) as usize;
    let start = source.char_indices().nth(skip).map_or(source.len(), |(at, _)| at);
    // Tabs stay as wide as one column, so that the caret stands under what it means.
    let tidy = |text: &str| clean(&text.replace('\t', " ")).into_owned();
    let rest = &source[start..];
    let first = rest.chars().next().map_or(0, char::len_utf8);
    let word = rest[first..].find([' ', '\t', ':', ',']).map_or(rest.len(), |at| first + at);
    let (head, word, tail) = (tidy(&source[..start]), tidy(&rest[..word]), tidy(&rest[word..]));
    let (from, to) = (head.len(), head.len() + word.len());
    (head + &word + &tail, from, to)
}

/// An array with one object per diagnostic in the order of the text: `severity` (`error`, `warning` or `note`), `code`
/// (stable), `message`, `file` (relative to the working directory), `line` and `column` (from 1; all three null where no
/// file is at fault), `help` (an array of texts). The source line is left out: it may be read at the place.
pub fn json(diagnostics: &Diagnostics, commands: &Commands) -> Json {
    let item = |diagnostic: &Diagnostic| {
        let severity = noun(diagnostic.severity);
        let location = diagnostic.location.as_ref();
        json!({
            "severity": severity,
            "code": diagnostic.code,
            "message": diagnostic.message,
            "file": location.map(|l| &*l.file),
            "line": location.map(|l| l.line),
            "column": location.map(|l| l.column),
            "help": diagnostic.help.iter().flat_map(|help| commands.lines(help)).collect::<Vec<_>>(),
        })
    };
    sorted(diagnostics).into_iter().map(item).collect()
}

/// Why a command failed, as one document.
pub fn problems(diagnostics: &Diagnostics, commands: &Commands) -> Json {
    json!({
        "format_version": super::json::FORMAT_VERSION,
        "type": "problems",
        "problems": json(diagnostics, commands),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Location;
    use crate::report::escape::is_unsafe;
    use proptest::prelude::*;

    fn printed(items: Vec<Diagnostic>) -> String {
        let mut all = Diagnostics::default();
        all.extend(items);
        let mut out = Vec::new();
        text(&mut out, &all, &Style::PLAIN).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_goes_on_and_on_is_cut() {
        let wide = Diagnostic::error("kom-value", "x".repeat(LONGEST + 1)).help("y".repeat(LONGEST));
        let text = printed(vec![wide]);
        assert!(text.contains(&format!("{}…", "x".repeat(LONGEST))) && text.contains(&"y".repeat(LONGEST)));
        let many = |count: usize| vec![Diagnostic::error("kom-value", "no"); count];
        assert!(printed(many(MOST + 2)).ends_with("no\n\n… and 2 more errors\n\n102 errors\n"));
        assert!(!printed(many(MOST)).contains("more"));
        // A line that is not shown keeps its place.
        let line = Some("z".repeat(LONGEST + 1));
        let text = printed(vec![Diagnostic::error("kom-value", "no").at(Location::new("f.yml", 3, 9), line)]);
        assert!(text.contains("--> f.yml:3:9") && !text.contains("zzz"), "{text}");
    }

    #[test]
    fn errors_come_last_with_their_lines_and_help() {
        let unknown = Diagnostic::error("kom-unknown-key", "unknown key \"zonee\" in Disk")
            .at(Location::new("kompoxapp.yml", 14, 5), Some("    zonee: \"1\"".into()))
            .help("did you mean \"zone\"?")
            .help("keys of other tools begin with x-");
        let missing = Diagnostic::error("kom-missing-file", "compose.yml cannot be read: no such file")
            .at(Location::new("kompoxapp.yml", 3, 7), None);
        let spot = Diagnostic::warning("kom-spot", "data apps on Spot nodes are evicted");
        insta::assert_snapshot!(printed(vec![unknown, spot, missing]), @r#"
        warning[kom-spot]: data apps on Spot nodes are evicted

        error[kom-missing-file]: compose.yml cannot be read: no such file
        --> kompoxapp.yml:3:7

        error[kom-unknown-key]: unknown key "zonee" in Disk
          --> kompoxapp.yml:14:5
           |
        14 |     zonee: "1"
           |     ^^^^^
           |
           = help: did you mean "zone"?
           = help: keys of other tools begin with x-

        2 errors, 1 warning
        "#);
    }

    #[test]
    fn nothing_is_printed_for_none() {
        assert_eq!(printed(vec![]), "");
        assert_eq!(json(&Diagnostics::default(), &Commands::PLAIN), json!([]));
    }

    proptest! {
        #[test]
        fn any_line_and_column_prints_safely(source in any::<String>(), column in 0u32..40, message in any::<String>()) {
            let diagnostic = Diagnostic::error("x", message).at(Location::new("f\u{1b}.yml", 1, column), Some(source));
            let text = printed(vec![diagnostic]);
            prop_assert!(!text.chars().any(|c| c != '\n' && is_unsafe(c)), "{text:?}");
        }
    }
}
