//! Env files of apps: `.env`, YAML and JSON. Errors name a line or a key, never a value.
//!
//! Their rules are kompox's own: no interpolation, no names alone, few escapes, names that every environment takes.
//! What `docker compose` reads of such files, and of the project's `.env`, is in [`load::dotenv`](super::load::dotenv).

use std::collections::BTreeMap;

use crate::yaml::{self, Limits, Source};

/// Bytes of keys and values that one container's env files may have together.
pub const MAX_TOTAL: usize = 1_000_000;

/// What is wrong with an env file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// The bytes are no UTF-8.
    #[error("the file is not UTF-8 text")]
    NotText,
    /// A line without `=`.
    #[error("line {line}: \"=\" is missing")]
    NoEquals {
        /// From 1.
        line: usize,
    },
    /// A key that no environment takes.
    #[error("line {line}: a name must be letters, digits and \"_\" and not start with a digit")]
    BadKey {
        /// From 1.
        line: usize,
    },
    /// An opening quote without its end, or text after the end.
    #[error("line {line}: the quotes do not match")]
    BadQuotes {
        /// From 1.
        line: usize,
    },
    /// An escape that is not one of `\\ \" \n \r \t`.
    #[error("line {line}: unknown escape in double quotes; known are \\\\ \\\" \\n \\r \\t")]
    BadEscape {
        /// From 1.
        line: usize,
    },
    /// YAML or JSON that does not parse; the parser's own words could quote a value.
    #[error("line {line}: this is not valid {format}")]
    Syntax {
        /// From 1.
        line: usize,
        /// `YAML` or `JSON`.
        format: &'static str,
    },
    /// YAML or JSON that is no flat mapping.
    #[error("the file must be a flat mapping of names to strings, numbers or booleans")]
    NotFlat,
    /// A name in YAML or JSON that no environment takes.
    #[error("a name must be letters, digits and \"_\" and not start with a digit")]
    BadName,
    /// A value in YAML or JSON that is null, a list or a mapping.
    #[error("the value of {key} must be a string, a number or a boolean")]
    BadValue {
        /// Its key.
        key: String,
    },
    /// A control character other than tab and line breaks.
    #[error("the value of {key} holds a control character")]
    Control {
        /// Its key.
        key: String,
    },
    /// Everything together is too long.
    #[error("names and values have more than {MAX_TOTAL} bytes together")]
    TooLong,
}

/// How an env file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `KEY=value` lines with quotes and comments.
    Dotenv,
    /// `KEY=value` lines taken as they are (`format: raw`).
    Raw,
    /// A flat YAML mapping.
    Yaml,
    /// A flat JSON object.
    Json,
}

impl Format {
    /// By the file's extension.
    pub fn of(path: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        match name.rsplit_once('.') {
            Some((_, "yml" | "yaml")) => Self::Yaml,
            Some((_, "json")) => Self::Json,
            _ => Self::Dotenv,
        }
    }
}

/// Reads an env file. Values are taken as they are: `${}` means nothing here.
///
/// # Errors
/// As [`EnvError`] says.
pub fn parse(bytes: &[u8], format: Format) -> Result<BTreeMap<String, String>, EnvError> {
    let text = std::str::from_utf8(bytes).map_err(|_| EnvError::NotText)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let values = match format {
        Format::Dotenv => lines(text)?.into_iter().map(|entry| (entry.key, entry.value)).collect(),
        Format::Raw => raw(text)?,
        Format::Yaml => yaml_map(text)?,
        Format::Json => json_map(text)?,
    };
    check(&values)?;
    Ok(values)
}

/// Checks the merged values of one container.
///
/// # Errors
/// A control character, or more than [`MAX_TOTAL`] bytes.
pub fn check(values: &BTreeMap<String, String>) -> Result<(), EnvError> {
    let mut total = 0usize;
    for (key, value) in values {
        if value.chars().any(|c| c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r')) {
            return Err(EnvError::Control { key: key.clone() });
        }
        total = total.saturating_add(key.len()).saturating_add(value.len());
    }
    if total > MAX_TOTAL { Err(EnvError::TooLong) } else { Ok(()) }
}

struct EnvLine {
    key: String,
    value: String,
}

fn is_key(key: &str) -> bool {
    let bytes = key.as_bytes();
    bytes.first().is_some_and(|b| !b.is_ascii_digit()) && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

fn lines(text: &str) -> Result<Vec<EnvLine>, EnvError> {
    let mut entries = Vec::new();
    let mut rest = text;
    let mut line = 0usize;
    while !rest.is_empty() {
        line += 1;
        let (current, following) = rest.split_once('\n').unwrap_or((rest, ""));
        let trimmed = current.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            rest = following;
            continue;
        }
        let equals = current.find('=').ok_or(EnvError::NoEquals { line })?;
        let key = current[..equals].trim();
        let key = key.strip_prefix("export ").unwrap_or(key).trim();
        if !is_key(key) {
            return Err(EnvError::BadKey { line });
        }
        let value = current[equals + 1..].trim_start_matches([' ', '\t']);
        match value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            Some(quote) => {
                // Quoted values may span lines: certificates and keys do.
                let body = &rest[current.len() - value.len() + 1..];
                let (value, used) = quoted(body, quote, line)?;
                let after = &body[used..];
                let (tail, next) = after.split_once('\n').unwrap_or((after, ""));
                let tail = tail.trim();
                if !tail.is_empty() && !tail.starts_with('#') {
                    return Err(EnvError::BadQuotes { line });
                }
                entries.push(EnvLine { key: key.to_owned(), value });
                line += body[..used].matches('\n').count();
                rest = next;
            }
            None => {
                entries.push(EnvLine { key: key.to_owned(), value: uncommented(value).to_owned() });
                rest = following;
            }
        }
    }
    Ok(entries)
}

/// An unquoted value ends at ` #` and loses its trailing blanks, as in the reference loader.
fn uncommented(value: &str) -> &str {
    let bytes = value.as_bytes();
    let end = (0..bytes.len())
        .find(|&at| bytes[at] == b'#' && (at == 0 || matches!(bytes[at - 1], b' ' | b'\t')))
        .unwrap_or(bytes.len());
    value[..end].trim_end()
}

/// The value up to the closing quote and how many bytes it took, the quote included.
fn quoted(body: &str, quote: char, line: usize) -> Result<(String, usize), EnvError> {
    let mut value = String::new();
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Ok((value, at + 1));
        }
        if c == '\\' && quote == '"' {
            match chars.next() {
                Some((_, e @ ('\\' | '"'))) => value.push(e),
                Some((_, 'n')) => value.push('\n'),
                Some((_, 'r')) => value.push('\r'),
                Some((_, 't')) => value.push('\t'),
                _ => return Err(EnvError::BadEscape { line }),
            }
        } else {
            value.push(c);
        }
    }
    Err(EnvError::BadQuotes { line })
}

fn raw(text: &str) -> Result<BTreeMap<String, String>, EnvError> {
    let mut values = BTreeMap::new();
    for (index, current) in text.lines().enumerate() {
        if current.trim().is_empty() || current.trim_start().starts_with('#') {
            continue;
        }
        let line = index + 1;
        let (key, value) = current.split_once('=').ok_or(EnvError::NoEquals { line })?;
        if !is_key(key.trim()) {
            return Err(EnvError::BadKey { line });
        }
        values.insert(key.trim().to_owned(), value.to_owned());
    }
    Ok(values)
}

fn yaml_map(text: &str) -> Result<BTreeMap<String, String>, EnvError> {
    let source = Source::new("env", text);
    let documents = yaml::parse(&source, Limits::default()).map_err(|error| EnvError::Syntax {
        line: error.location.as_ref().map_or(1, |location| location.line as usize),
        format: "YAML",
    })?;
    let mut values = BTreeMap::new();
    let document = match documents.as_slice() {
        [] => return Ok(values),
        [one] if one.is_null() => return Ok(values),
        [one] => one,
        _ => return Err(EnvError::NotFlat),
    };
    for entry in document.as_mapping().ok_or(EnvError::NotFlat)? {
        if !is_key(&entry.key) {
            return Err(EnvError::BadName);
        }
        let scalar = entry.value.as_scalar().filter(|scalar| !scalar.is_null());
        let scalar = scalar.ok_or_else(|| EnvError::BadValue { key: entry.key.clone() })?;
        let value = scalar.as_bool().map_or_else(|| scalar.text.clone(), |b| b.to_string());
        values.insert(entry.key.clone(), value);
    }
    Ok(values)
}

fn json_map(text: &str) -> Result<BTreeMap<String, String>, EnvError> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| EnvError::Syntax { line: error.line(), format: "JSON" })?;
    let serde_json::Value::Object(map) = value else { return Err(EnvError::NotFlat) };
    let mut values = BTreeMap::new();
    for (key, value) in map {
        if !is_key(&key) {
            return Err(EnvError::BadName);
        }
        let text = match value {
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::Bool(value) => value.to_string(),
            _ => return Err(EnvError::BadValue { key }),
        };
        values.insert(key, text);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dotenv(text: &str) -> Result<BTreeMap<String, String>, EnvError> {
        parse(text.as_bytes(), Format::Dotenv)
    }

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn dotenv_forms() {
        let text = "# comment\r\n\nA=1\r\nexport B = two words  \nC=\"q \\\"x\\\" \\n\\t\\\\\" # c\nD='$X ${Y} \\n'\nE=\nF=a#b #c\n\
                    G=${NOT}\nH=\"-----BEGIN\nline\n-----END\"\nI=a=b";
        let expected = map(&[
            ("A", "1"),
            ("B", "two words"),
            ("C", "q \"x\" \n\t\\"),
            ("D", "$X ${Y} \\n"),
            ("E", ""),
            ("F", "a#b"),
            ("G", "${NOT}"),
            ("H", "-----BEGIN\nline\n-----END"),
            ("I", "a=b"),
        ]);
        assert_eq!(dotenv(text).unwrap(), expected);
    }

    #[test]
    fn dotenv_errors_name_lines_and_no_values() {
        assert_eq!(dotenv("A=1\nhunter2"), Err(EnvError::NoEquals { line: 2 }));
        assert_eq!(dotenv("1A=x"), Err(EnvError::BadKey { line: 1 }));
        assert_eq!(dotenv("A=\"x"), Err(EnvError::BadQuotes { line: 1 }));
        assert_eq!(dotenv("A='x' y"), Err(EnvError::BadQuotes { line: 1 }));
        assert_eq!(dotenv("A=\"\\q\""), Err(EnvError::BadEscape { line: 1 }));
        assert_eq!(dotenv("A=\"a\nb\"\nB"), Err(EnvError::NoEquals { line: 3 }));
        assert_eq!(dotenv("A=x\u{1}"), Err(EnvError::Control { key: "A".into() }));
        assert_eq!(dotenv(&format!("A={}", "x".repeat(MAX_TOTAL))), Err(EnvError::TooLong));
        assert_eq!(parse(&[0xff, 0xfe], Format::Dotenv), Err(EnvError::NotText));
    }

    #[test]
    fn yaml_and_json() {
        let expected = map(&[("A", "1.10"), ("B", "true"), ("C", "x y")]);
        assert_eq!(parse(b"A: 1.10\nB: True\nC: x y\n", Format::Yaml).unwrap(), expected);
        let expected = map(&[("A", "1"), ("B", "true"), ("C", "x y")]);
        assert_eq!(parse(br#"{"A": 1, "B": true, "C": "x y"}"#, Format::Json).unwrap(), expected);
        assert_eq!(parse(b"A: [1]", Format::Yaml), Err(EnvError::BadValue { key: "A".into() }));
        assert_eq!(parse(b"A: ~", Format::Yaml), Err(EnvError::BadValue { key: "A".into() }));
        assert_eq!(parse(b"- A", Format::Yaml), Err(EnvError::NotFlat));
        assert_eq!(
            parse(b"{\"A\": \"hunter2\"", Format::Json).unwrap_err().to_string(),
            "line 1: this is not valid JSON"
        );
        assert_eq!(parse(b"", Format::Yaml).unwrap(), map(&[]));
        assert_eq!(Format::of("a/b.YML"), Format::Yaml);
        assert_eq!(Format::of("compose-gitea.env"), Format::Dotenv);
        assert_eq!(parse(b"A='x'\n", Format::Raw).unwrap(), map(&[("A", "'x'")]));
    }

    proptest! {
        #[test]
        fn never_panics(text in "(\\PC|\n|\"|'|=|\\\\){0,120}") {
            for format in [Format::Dotenv, Format::Raw, Format::Yaml, Format::Json] {
                let _ = parse(text.as_bytes(), format);
            }
        }

        #[test]
        fn quoted_values_come_back(value in "[ -~\n\t]{0,60}") {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t");
            let parsed = dotenv(&format!("K=\"{escaped}\"\n")).unwrap();
            prop_assert_eq!(&parsed["K"], &value);
        }
    }
}
