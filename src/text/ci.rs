//! Output that no CI runner takes for a command.
//!
//! A runner reads what its steps print, and a pull request decides what is in manifests, compose files and configs. A line
//! that GitHub's runner takes for a workflow command begins with `::` after blanks
//! (<https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs>, `TryParseV2`: `TrimStart`,
//! `StartsWith`), or holds `##[` anywhere (`TryParse`: `IndexOf`); Azure Pipelines looks for `##vso[` anywhere
//! (<https://github.com/microsoft/azure-pipelines-agent/blob/master/src/Microsoft.VisualStudio.Services.Agent/Command.cs>),
//! TeamCity for `##teamcity[`. Their lines end at a line feed and at a carriage return.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_saphyr::DoubleQuoted;

/// What stands for the first colon of `::`, written as reports write any character that would do harm.
const COLON: &str = "\\u{3a}";
/// What stands for the second `#` of a command.
const HASH: &str = "\\u{23}";

fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}')
}

/// Where the first character of a line is that a runner looks at: behind blanks, colours, and what has no width.
fn start(line: &str) -> usize {
    let mut rest = line;
    loop {
        let trimmed = rest.trim_start_matches(is_blank);
        let colour = trimmed.strip_prefix("\u{1b}[").and_then(|code| {
            let end = code.find(|c: char| ('\u{40}'..='\u{7e}').contains(&c))?;
            Some(&code[end + 1..])
        });
        match colour {
            Some(behind) => rest = behind,
            None => return line.len() - trimmed.len(),
        }
    }
}

/// Where the second `#` of each `##word[` is.
fn hashes(text: &str) -> impl Iterator<Item = usize> {
    // Every pair counts: the second of three is the first of a pair too.
    text.match_indices('#').map(|(at, _)| at).filter(|at| text[*at..].starts_with("##")).filter_map(|at| {
        let word = text[at + 2..].trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        word.starts_with('[').then_some(at + 1)
    })
}

/// Whether a runner would take a line of this text, wherever it is broken into lines, for a command.
pub fn is_command(text: &str) -> bool {
    let colons = || text.match_indices("::").any(|(at, _)| text[..at].chars().next_back().is_none_or(is_blank));
    hashes(text).next().is_some() || colons()
}

/// Text whose lines no runner takes for commands; all others stay to the letter.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains("::") && !text.contains("##") {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for line in text.split_inclusive(['\n', '\r']) {
        harmless_line(line, true, &mut safe);
    }
    Cow::Owned(safe)
}

fn harmless_line(line: &str, begins: bool, safe: &mut String) {
    let mut rest = 0;
    let at = start(line);
    if begins && line[at..].starts_with("::") {
        safe.push_str(&line[..at]);
        safe.push_str(COLON);
        rest = at + 1;
    }
    let behind = rest;
    for at in hashes(line).filter(|at| *at >= behind) {
        safe.push_str(&line[rest..at]);
        safe.push_str(HASH);
        rest = at + 1;
    }
    safe.push_str(&line[rest..]);
}

/// JSON whose texts no runner takes for commands, and which reads back to the same values: its lines never begin with a
/// colon, and a `#` is there in texts only, where it may be written as an escape.
pub fn harmless_json(json: &str) -> Cow<'_, str> {
    let mut rest = 0;
    let mut safe = String::new();
    for at in hashes(json) {
        safe.push_str(&json[rest..at]);
        safe.push_str("\\u0023");
        rest = at + 1;
    }
    if rest == 0 {
        return Cow::Borrowed(json);
    }
    safe.push_str(&json[rest..]);
    Cow::Owned(safe)
}

/// Writes lines through [`harmless`]; what has no line feed yet is written by a flush.
#[derive(Debug)]
pub struct Harmless<W: Write> {
    inner: W,
    pending: Vec<u8>,
    /// Whether the pending bytes begin a line.
    begins: bool,
}

impl<W: Write> Harmless<W> {
    /// Before another writer.
    pub fn new(inner: W) -> Self {
        Self { inner, pending: Vec::new(), begins: true }
    }

    fn pass(&mut self, upto: usize) -> io::Result<()> {
        let bytes: Vec<u8> = self.pending.drain(..upto).collect();
        let ends = bytes.ends_with(b"\n") || bytes.ends_with(b"\r");
        // What is not UTF-8 cannot have been made by us; it is passed on as it is seen on a terminal.
        let text = String::from_utf8_lossy(&bytes);
        let mut safe = String::with_capacity(text.len());
        for line in text.split_inclusive(['\n', '\r']) {
            harmless_line(line, self.begins, &mut safe);
            self.begins = line.ends_with(['\n', '\r']);
        }
        self.begins = ends || bytes.is_empty() && self.begins;
        self.inner.write_all(safe.as_bytes())
    }
}

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        if let Some(last) = self.pending.iter().rposition(|byte| *byte == b'\n') {
            self.pass(last + 1)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // A character of which only a part is there waits for the rest.
        let upto = match std::str::from_utf8(&self.pending) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.pending.len(),
        };
        self.pass(upto)?;
        self.inner.flush()
    }
}

/// A document as YAML. Texts that a runner would take for commands are in double quotes, on one line and with `#` as an
/// escape, so that they read back to the same.
///
/// # Errors
/// The serializer's own words.
pub fn yaml(document: &serde_json::Value) -> Result<String, String> {
    let text = serde_saphyr::to_string(document).map_err(|error| error.to_string())?;
    if matches!(harmless(&text), Cow::Borrowed(_)) || harmless(&text) == text {
        return Ok(text);
    }
    let text = serde_saphyr::to_string(&Quoting(document)).map_err(|error| error.to_string())?;
    Ok(escape_quoted(text))
}

/// Finishes YAML in which every text of which [`is_command`] holds is in double quotes.
pub fn escape_quoted(text: String) -> String {
    let mut rest = 0;
    let mut safe = String::new();
    for at in hashes(&text) {
        safe.push_str(&text[rest..at]);
        safe.push_str("\\x23");
        rest = at + 1;
    }
    if rest == 0 {
        return text;
    }
    safe.push_str(&text[rest..]);
    safe
}

struct Quoting<'a>(&'a serde_json::Value);

struct Quoted<'a>(&'a str);

impl Serialize for Quoted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if is_command(self.0) { DoubleQuoted(self.0).serialize(serializer) } else { self.0.serialize(serializer) }
    }
}

impl Serialize for Quoting<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            serde_json::Value::String(text) => Quoted(text).serialize(serializer),
            serde_json::Value::Array(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Quoting(item))?;
                }
                list.end()
            }
            serde_json::Value::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(&Quoted(key), &Quoting(value))?;
                }
                map.end()
            }
            scalar => scalar.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// What runners do with a line, in their own terms.
    fn runs(text: &str) -> bool {
        let v1 = |line: &str, open: &str| line.contains(open);
        text.split(['\n', '\r']).any(|line| {
            line.trim_start().starts_with("::") || ["##[", "##vso[", "##teamcity["].iter().any(|open| v1(line, open))
        })
    }

    #[test]
    fn only_commands_are_written_out() {
        for same in [
            "a::b",
            "std::io",
            "  a ::error::",
            "## heading",
            "# [x]",
            "##",
            "::1 is not here".trim_start_matches("::"),
        ] {
            assert_eq!(harmless(same), same);
        }
        assert_eq!(harmless("x\n   ::error file=a::b\n"), "x\n   \\u{3a}:error file=a::b\n");
        assert_eq!(harmless("\u{a0}\u{feff}::stop-commands::x"), "\u{a0}\u{feff}\\u{3a}:stop-commands::x");
        assert_eq!(harmless("\u{1b}[1m ::debug::x"), "\u{1b}[1m \\u{3a}:debug::x");
        assert_eq!(harmless("a\r::debug::x"), "a\r\\u{3a}:debug::x");
        assert_eq!(
            harmless("x ##vso[task.setvariable]y ###[group]"),
            "x #\\u{23}vso[task.setvariable]y ##\\u{23}[group]"
        );
    }

    #[test]
    fn a_writer_sees_whole_lines() {
        let mut out = Harmless::new(Vec::new());
        for piece in ["  :", ":error::x\nfine :", ": y\n:", ":"] {
            out.write_all(piece.as_bytes()).unwrap();
        }
        out.flush().unwrap();
        out.write_all(b"::z\n").unwrap();
        assert_eq!(String::from_utf8(out.inner).unwrap(), "  \\u{3a}:error::x\nfine :: y\n\\u{3a}:::z\n");
    }

    proptest! {
        #[test]
        fn nothing_that_is_printed_runs(text in "([ \t\r\n:#a\u{a0}\u{2003}\\[]|::|##|vso|##\\[){0,24}") {
            prop_assert!(!runs(&harmless(&text)), "{:?}", harmless(&text));
            let mut out = Harmless::new(Vec::new());
            for piece in text.as_bytes().chunks(3) {
                out.write_all(piece).unwrap();
            }
            out.flush().unwrap();
            prop_assert!(!runs(&String::from_utf8(out.inner).unwrap()));
        }

        #[test]
        fn data_reads_back_and_does_not_run(texts in proptest::collection::vec("([ \n:#a-c\\[]|::|##|vso|\\\\|\"){0,60}", 1..4)) {
            let document = json!({"list": texts, "map": {"k": texts.concat()}});
            let text = yaml(&document).unwrap();
            prop_assert!(!runs(&text), "{text}");
            prop_assert_eq!(serde_saphyr::from_str::<serde_json::Value>(&text).unwrap(), document.clone(), "{}", text);
            let text = serde_json::to_string_pretty(&document).unwrap();
            let text = harmless_json(&text);
            prop_assert!(!runs(&text), "{text}");
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), document);
        }
    }
}
