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
    /// A `$` that starts neither a name, a brace nor `$$`.
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
/// `${NAME:+other}`, `${NAME+other}` and `$$`. Defaults may nest and are looked at only when needed.
///
/// # Errors
/// As [`InterpolateError`] says.
pub fn interpolate(text: &str, environment: &BTreeMap<String, String>) -> Result<Interpolated, InterpolateError> {
    let mut run = Run { environment, substituted: false, missing: Vec::new(), reported: HashSet::new() };
    let text = run.expand(text, 0)?;
    Ok(Interpolated { text, substituted: run.substituted, missing: run.missing })
}

struct Run<'a> {
    environment: &'a BTreeMap<String, String>,
    substituted: bool,
    missing: Vec<String>,
    /// The names in `missing`: a text may hold a hundred thousand of them.
    reported: HashSet<String>,
}

impl Run<'_> {
    fn expand(&mut self, text: &str, depth: usize) -> Result<String, InterpolateError> {
        if depth > MAX_DEPTH {
            return Err(InterpolateError::Invalid);
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some(inner) = rest.strip_prefix('{') {
                let end = closing_brace(inner).ok_or(InterpolateError::Invalid)?;
                out.push_str(&self.braced(&inner[..end], depth)?);
                rest = &inner[end + 1..];
            } else {
                let name = leading_name(rest).ok_or(InterpolateError::Invalid)?;
                out.push_str(&self.plain(name));
                rest = &rest[name.len()..];
            }
            if out.len() > MAX_LENGTH {
                return Err(InterpolateError::TooLong);
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    fn plain(&mut self, name: &str) -> String {
        self.substituted = true;
        match self.environment.get(name) {
            Some(value) => value.clone(),
            None => {
                if self.reported.insert(name.to_owned()) {
                    self.missing.push(name.to_owned());
                }
                String::new()
            }
        }
    }

    fn braced(&mut self, inner: &str, depth: usize) -> Result<String, InterpolateError> {
        let name = leading_name(inner).ok_or(InterpolateError::Invalid)?;
        let operation = &inner[name.len()..];
        if operation.is_empty() {
            return Ok(self.plain(name));
        }
        // With a colon an empty value counts as none.
        let (colon, operation) = match operation.strip_prefix(':') {
            Some(rest) => (true, rest),
            None => (false, operation),
        };
        let value = self.environment.get(name).filter(|value| !colon || !value.is_empty());
        self.substituted = true;
        let mut chars = operation.chars();
        let (operator, argument) = (chars.next(), chars.as_str());
        match (operator, value) {
            (Some('-' | '?'), Some(value)) => Ok(value.clone()),
            (Some('-'), None) | (Some('+'), Some(_)) => self.expand(argument, depth + 1),
            (Some('+'), None) => Ok(String::new()),
            (Some('?'), None) => {
                Err(InterpolateError::Required { name: name.to_owned(), message: argument.to_owned() })
            }
            _ => Err(InterpolateError::Invalid),
        }
    }
}

/// The index of the brace that closes an already opened `${`; only `${` nests, as in the reference loader.
fn closing_brace(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut open, mut at) = (1usize, 0usize);
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'}', _) => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
            }
            (b'$', Some(b'{')) => {
                open += 1;
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    None
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
        ] {
            assert_eq!(run(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn errors() {
        for text in ["$", "${", "${}", "${1}", "$1", "a$ b", "${A", "${A!x}", "${A:}"] {
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
