//! `.env` files, env files and label files as `docker compose` reads them. Errors name a line, never a value.
//!
//! The env files of an app's services have rules of their own: [`env`](crate::compose::env).

use std::collections::BTreeMap;

use crate::compose::env::MAX_TOTAL;
use crate::compose::interpolate::{InterpolateError, interpolate_with};

/// What is wrong with such a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DotenvError {
    /// The bytes are no UTF-8.
    #[error("the file is not UTF-8 text")]
    NotText,
    /// A character that a name may not hold.
    #[error("line {line}: a name may only hold letters, digits, \"_\", \".\", \"-\", \"[\" and \"]\"")]
    Name {
        /// From 1.
        line: usize,
    },
    /// An opening quote without its end.
    #[error("line {line}: the quotes do not match")]
    Quotes {
        /// From 1.
        line: usize,
    },
    /// Everything together is too long: each line may double the one before.
    #[error("names and values have more than {MAX_TOTAL} bytes together")]
    TooLong,
    /// A reference that cannot be resolved.
    #[error("line {line}: {error}")]
    Interpolation {
        /// From 1.
        line: usize,
        /// Why.
        error: InterpolateError,
    },
}

/// Reads a file into `values`, where later lines win. Unquoted and double-quoted values refer to `lookup` first and to
/// the values so far then; a name without a value takes that of `lookup`, and is left out where there is none.
///
/// # Errors
/// As [`DotenvError`] says.
pub fn parse<'e>(
    bytes: &[u8],
    values: &mut BTreeMap<String, String>,
    lookup: &dyn Fn(&str) -> Option<&'e str>,
) -> Result<(), DotenvError> {
    let text = std::str::from_utf8(bytes).map_err(|_| DotenvError::NotText)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rest = text;
    let mut total = 0usize;
    let line_of = |rest: &str| text[..text.len() - rest.len()].matches('\n').count() + 1;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(());
        }
        if rest.starts_with('#') {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
            continue;
        }
        let line = rest;
        rest = exported(rest);
        if rest.is_empty() {
            return Err(DotenvError::Name { line: line_of(line) });
        }
        let (key, after) = key(rest).ok_or_else(|| DotenvError::Name { line: line_of(line) })?;
        match after {
            After::Nothing(left) => {
                if let Some(value) = lookup(key) {
                    values.insert(key.to_owned(), value.to_owned());
                }
                rest = left;
            }
            After::Value(left) => {
                let (value, left) = value(left, values, lookup).map_err(|error| match error {
                    Wrong::Quotes => DotenvError::Quotes { line: line_of(left) },
                    Wrong::Interpolation(error) => DotenvError::Interpolation { line: line_of(left), error },
                })?;
                total = total.saturating_add(key.len()).saturating_add(value.len());
                if total > MAX_TOTAL {
                    return Err(DotenvError::TooLong);
                }
                values.insert(key.to_owned(), value);
                rest = left;
            }
        }
    }
}

/// Reads a file of the format `raw` into `values`: what follows `=` is taken as it is, a name alone takes the value of
/// `lookup` or is left out.
///
/// # Errors
/// A line without a name or with a blank in it.
pub fn raw<'e>(
    bytes: &[u8],
    values: &mut BTreeMap<String, String>,
    lookup: &dyn Fn(&str) -> Option<&'e str>,
) -> Result<(), DotenvError> {
    let text = std::str::from_utf8(bytes).map_err(|_| DotenvError::NotText)?;
    for (at, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').map_or((line, None), |(key, value)| (key, Some(value)));
        if key.is_empty() || key.contains([' ', '\t']) {
            return Err(DotenvError::Name { line: at + 1 });
        }
        if let Some(value) = value.or_else(|| lookup(key)) {
            values.insert(key.to_owned(), value.to_owned());
        }
    }
    Ok(())
}

/// The project's environment: the process's, completed by files of which later ones win.
///
/// # Errors
/// As [`DotenvError`] says.
pub fn complete(
    process: &BTreeMap<String, String>,
    values: &mut BTreeMap<String, String>,
    bytes: &[u8],
) -> Result<(), DotenvError> {
    let before = values.clone();
    parse(bytes, values, &|name| process.get(name).or_else(|| before.get(name)).map(String::as_str))
}

fn exported(text: &str) -> &str {
    match text.strip_prefix("export") {
        Some(rest) if rest.starts_with(char::is_whitespace) => rest.trim_start_matches(is_blank),
        _ => text,
    }
}

enum After<'t> {
    Value(&'t str),
    Nothing(&'t str),
}

/// A name and what follows it; none where a character stands that no name has.
fn key(text: &str) -> Option<(&str, After<'_>)> {
    for (at, c) in text.char_indices() {
        if is_blank(c) || c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']') {
            continue;
        }
        if !matches!(c, '=' | ':' | '\n') {
            return None;
        }
        let key = text[..at].trim_end();
        if key.contains(' ') {
            return None;
        }
        let left = text[at + 1..].trim_start_matches(is_blank);
        return Some((key, if c == '\n' { After::Nothing(left) } else { After::Value(left) }));
    }
    // The reference reads a last line without its end as a name without a value, under the empty name.
    Some(("", After::Nothing("")))
}

enum Wrong {
    Quotes,
    Interpolation(InterpolateError),
}

fn value<'t, 'e>(
    text: &'t str,
    values: &BTreeMap<String, String>,
    lookup: &dyn Fn(&str) -> Option<&'e str>,
) -> Result<(String, &'t str), Wrong> {
    let expand = |text: &str| expanded(text, values, lookup).map_err(Wrong::Interpolation);
    let quote = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => quote,
        _ => {
            let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
            let value = line.split_once(" #").map_or(line, |(value, _)| value).trim_end();
            return Ok((expand(value)?, rest));
        }
    };
    let mut chars = text[1..].char_indices();
    let mut value = String::new();
    let mut escaped = false;
    let end = loop {
        let (at, c) = chars.next().ok_or(Wrong::Quotes)?;
        if c == quote && !escaped {
            break at + 2;
        }
        if c == '\\' && !escaped {
            escaped = true;
            continue;
        }
        if escaped && c != quote {
            value.push('\\');
        }
        escaped = false;
        value.push(c);
    };
    let value = if quote == '"' { expand(&unescaped(&value))? } else { value };
    Ok((value, &text[end..]))
}

fn expanded<'e>(
    text: &str,
    values: &BTreeMap<String, String>,
    lookup: &dyn Fn(&str) -> Option<&'e str>,
) -> Result<String, InterpolateError> {
    if !text.contains('$') {
        return Ok(text.to_owned());
    }
    interpolate_with(text, &|name| lookup(name).or_else(|| values.get(name).map(String::as_str)))
        .map(|outcome| outcome.text)
}

/// Shell escapes; `\$` becomes `$$`, which interpolation then takes for a dollar sign.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let Some(c) = after.chars().next() else {
            rest = &rest[at..];
            break;
        };
        rest = &after[c.len_utf8()..];
        match c {
            'a' => out.push('\u{7}'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\u{b}'),
            '"' => out.push('"'),
            '\\' => out.push('\\'),
            '$' => out.push_str("$$"),
            '0' => {
                let digits = rest.bytes().take(3).take_while(u8::is_ascii_digit).count();
                let octal = (digits == 3).then(|| u32::from_str_radix(&rest[..3], 8).ok()).flatten();
                match octal.filter(|code| *code < 256).and_then(char::from_u32) {
                    Some(c) => {
                        out.push(c);
                        rest = &rest[3..];
                    }
                    None => out.push_str("\\0"),
                }
            }
            other => out.extend(['\\', other]),
        }
    }
    out.push_str(rest);
    out
}

fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<BTreeMap<String, String>, DotenvError> {
        let process = BTreeMap::from([("P".to_owned(), "proc".to_owned())]);
        let mut values = BTreeMap::new();
        complete(&process, &mut values, text.as_bytes())?;
        Ok(values)
    }

    #[test]
    fn a_file_cannot_double_its_way_to_the_memory() {
        let lines: String = (1..60).map(|i| format!("A{i}=${{A{0}}}${{A{0}}}\n", i - 1)).collect();
        assert_eq!(read(&format!("A0=xxxxxxxx\n{lines}")), Err(DotenvError::TooLong));
    }

    #[test]
    fn forms() {
        let text = "# c\nA=1\nexport B = two  # c\nC=\"x\\ty ${A}\\$z\"\nD='raw $A \\n'\nP\nNONE\nE: yaml\nF=a#b\n\
                    G=\"a\nb\"\nH=$P$A${NO:-d}\nI=";
        let values = read(text).unwrap();
        let expected = [
            ("A", "1"),
            ("B", "two"),
            ("C", "x\ty 1$z"),
            ("D", "raw $A \\n"),
            ("E", "yaml"),
            ("F", "a#b"),
            ("G", "a\nb"),
            ("H", "proc1d"),
            ("I", ""),
            ("P", "proc"),
        ];
        let expected = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(values, expected);
    }

    #[test]
    fn errors_name_lines_and_no_values() {
        assert_eq!(read("A=1\nhunter!2=x"), Err(DotenvError::Name { line: 2 }));
        assert_eq!(read("A=1\nB=\"x"), Err(DotenvError::Quotes { line: 2 }));
        assert!(matches!(read("\nA=${"), Err(DotenvError::Interpolation { line: 2, .. })));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[\\PC\n=\"'$#:\\\\ ]{0,80}") {
            let _ = read(&text);
        }
    }
}
