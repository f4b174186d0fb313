//! Interpolation of `${VAR}` in compose files and in the project's `.env` (Compose Specification, "Interpolation").

use std::collections::{BTreeMap, HashSet};

/// Bytes that one scalar may grow to.
const MAX_LENGTH: usize = 4 * 1024 * 1024;
/// Nesting of defaults in defaults.
const MAX_DEPTH: usize = 50;

/// A text after interpolation.
#[derive(Clone, PartialEq, Eq)]
pub struct Interpolated {
    /// The text.
    pub text: String,
    /// Whether a variable was looked up, so that the text counts as sensitive where secrets may stand.
    pub substituted: bool,
    /// Names that were not set and had no default.
    pub missing: Vec<String>,
}

/// Why a text cannot be interpolated. Never shows a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InterpolateError {
    /// A `${` that no name and closing brace follow.
    #[error("invalid interpolation; write \"$$\" for a dollar sign")]
    Invalid,
    /// `${NAME:?message}` or `${NAME?message}` and NAME is not there.
    #[error("the variable {name} is required{}{message}", if message.is_empty() { "" } else { ": " })]
    Required {
        /// The variable.
        name: String,
        /// The author's message.
        message: String,
    },
    /// The result is too long.
    #[error("the text grows beyond {MAX_LENGTH} bytes")]
    TooLong,
}

/// Replaces `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?error}`, `${NAME?error}`,
/// `${NAME:+other}`, `${NAME+other}` and `$$`. Defaults may nest and are looked at only when needed. A `$` that starts
/// none of these stays as it is.
///
/// # Errors
/// As [`InterpolateError`] says.
pub fn interpolate(text: &str, environment: &BTreeMap<String, String>) -> Result<Interpolated, InterpolateError> {
    interpolate_with(text, &|name| environment.get(name).map(String::as_str))
}

/// As [`interpolate`], with values from a function.
///
/// # Errors
/// As [`InterpolateError`] says.
pub fn interpolate_with<'e>(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<&'e str>,
) -> Result<Interpolated, InterpolateError> {
    let mut run = Run { lookup, substituted: false, missing: Vec::new(), reported: HashSet::new() };
    let text = run.expand(text, 0)?;
    Ok(Interpolated { text, substituted: run.substituted, missing: run.missing })
}

struct Run<'a, 'e> {
    lookup: &'a dyn Fn(&str) -> Option<&'e str>,
    substituted: bool,
    missing: Vec<String>,
    /// The names in `missing`: a text may hold a hundred thousand of them.
    reported: HashSet<String>,
}

impl Run<'_, '_> {
    fn expand(&mut self, text: &str, depth: usize) -> Result<String, InterpolateError> {
        if depth > MAX_DEPTH {
            return Err(InterpolateError::Invalid);
        }
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        // Where the line ends that was last looked at, and its last closing brace.
        let mut line = (0, None);
        while let Some(found) = text[at..].find('$') {
            out.push_str(&text[at..at + found]);
            let start = at + found + 1;
            let rest = &text[start..];
            if rest.starts_with('$') {
                out.push('$');
                at = start + 1;
            } else if rest.starts_with('{') {
                let end = braced_end(text, start, &mut line).ok_or(InterpolateError::Invalid)?;
                out.push_str(&self.braced(&text[start + 1..end], depth)?);
                at = end + 1;
            } else if let Some(name) = leading_name(rest) {
                let value = self.plain(name).unwrap_or_default();
                out.push_str(value);
                at = start + name.len();
            } else {
                out.push('$');
                at = start;
            }
            if out.len() > MAX_LENGTH {
                return Err(InterpolateError::TooLong);
            }
        }
        out.push_str(&text[at..]);
        Ok(out)
    }

    fn plain(&mut self, name: &str) -> Option<&str> {
        self.substituted = true;
        let value = (self.lookup)(name);
        if value.is_none() && self.reported.insert(name.to_owned()) {
            self.missing.push(name.to_owned());
        }
        value
    }

    fn braced(&mut self, inner: &str, depth: usize) -> Result<String, InterpolateError> {
        let name = leading_name(inner).ok_or(InterpolateError::Invalid)?;
        let operation = &inner[name.len()..];
        if operation.is_empty() {
            return Ok(self.plain(name).unwrap_or_default().to_owned());
        }
        // With a colon an empty value counts as none.
        let (colon, operation) = match operation.strip_prefix(':') {
            Some(rest) => (true, rest),
            None => (false, operation),
        };
        let value = (self.lookup)(name).filter(|value| !colon || !value.is_empty());
        self.substituted = true;
        let mut chars = operation.chars();
        let (operator, argument) = (chars.next(), chars.as_str());
        match (operator, value) {
            (Some('-' | '?'), Some(value)) => Ok(value.to_owned()),
            (Some('-'), None) | (Some('+'), Some(_)) => self.expand(argument, depth + 1),
            (Some('+'), None) => Ok(String::new()),
            (Some('?'), None) => {
                // The message is shown as written: what it refers to may be a secret.
                self.expand(argument, depth + 1)?;
                Err(InterpolateError::Required { name: name.to_owned(), message: argument.to_owned() })
            }
            _ => Err(InterpolateError::Invalid),
        }
    }
}

/// The index of the brace that closes the one at `open`. As in the reference loader every brace inside a default nests,
/// a default ends on its own line, and where the braces do not match it goes to the last one of the line.
fn braced_end(text: &str, open: usize, line: &mut (usize, Option<usize>)) -> Option<usize> {
    let name = leading_name(&text[open + 1..])?;
    let after = open + 1 + name.len();
    let bytes = text.as_bytes();
    if bytes.get(after) == Some(&b'}') {
        return Some(after);
    }
    let operator = if bytes.get(after) == Some(&b':') { after + 1 } else { after };
    if !matches!(bytes.get(operator), Some(b'-' | b'+' | b'?')) {
        return None;
    }
    if line.0 <= operator {
        let end = text[operator..].find('\n').map_or(text.len(), |found| operator + found);
        *line = (end, text[operator..end].rfind('}').map(|found| operator + found));
    }
    let last = line.1.filter(|last| *last > operator)?;
    let (mut depth, mut at) = (0usize, open);
    while at <= last {
        match bytes[at] {
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at);
                }
            }
            b'{' => {
                depth += 1;
                // Whatever follows an opening brace is not looked at.
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    Some(last)
}

fn leading_name(text: &str) -> Option<&str> {
    let length = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    let name = &text[..length];
    if name.is_empty() || name.as_bytes()[0].is_ascii_digit() { None } else { Some(name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(text: &str) -> Result<String, InterpolateError> {
        let environment = [("A", "1"), ("EMPTY", ""), ("B", "two")];
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        interpolate(text, &environment).map(|outcome| outcome.text)
    }

    #[test]
    fn operators() {
        for (text, expected) in [
            ("$A-${B}", "1-two"),
            ("${EMPTY:-x}${EMPTY-x}${NO:-y}${NO-z}", "xyz"),
            ("${NO:-${EMPTY:-${A}}}", "1"),
            ("${A:+set}${EMPTY:+set}${EMPTY+set}${NO+set}", "setset"),
            ("$$A $${A}", "$A ${A}"),
            ("${A:?no}${EMPTY?no}", "1"),
            ("${NO}$NO.", "."),
            ("${A:-${NO:?never looked at}}", "1"),
            ("no dollar", "no dollar"),
            ("$ a$1 $", "$ a$1 $"),
            ("${NO:-{\"a\":{\"b\":1}}}${A}", "{\"a\":{\"b\":1}}1"),
            ("${NO:-{}}", "{}"),
            ("${NO:-a\\$$b} ${A}\n${B}", "a\\$b 1\ntwo"),
        ] {
            assert_eq!(run(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn errors() {
        for text in ["${", "${}", "${1}", "${A", "${A!x}", "${A:}", "${A:-one\ntwo}", "${NO:-${}", "${NO:?${}}"] {
            assert_eq!(run(text), Err(InterpolateError::Invalid), "{text}");
        }
        let error = run("${NO:?say it}").unwrap_err();
        assert_eq!(error.to_string(), "the variable NO is required: say it");
        assert!(run("${EMPTY:?}").is_err());
    }

    #[test]
    fn knows_what_it_looked_up() {
        let environment = BTreeMap::new();
        assert!(!interpolate("$$x", &environment).unwrap().substituted);
        assert!(interpolate("${X:-d}", &environment).unwrap().substituted);
        assert_eq!(interpolate("$X$X$Y", &environment).unwrap().missing, ["X", "Y"]);
        assert!(interpolate("${X:-d}", &environment).unwrap().missing.is_empty());
    }

    proptest! {
        #[test]
        fn never_panics(text in "[\\PC${}:?+A-C-]{0,80}") {
            let _ = run(&text);
        }

        #[test]
        fn doubled_dollars_give_the_text_back(text in "\\PC{0,80}") {
            let escaped = text.replace('$', "$$");
            prop_assert_eq!(run(&escaped).unwrap(), text);
        }
    }
}
