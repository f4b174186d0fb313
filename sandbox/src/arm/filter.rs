//! `$filter` of lists.

use super::answer::Failure;

/// One part of a `$filter`.
pub(super) enum Clause {
    /// `property eq 'value'`.
    Equals(String, String),
    /// `name()`.
    Call(String),
}

/// The parts of a `$filter` that are joined by `and`.
///
/// # Errors
/// `InvalidFilter`.
pub(super) fn clauses(text: &str) -> Result<Vec<Clause>, Failure> {
    let mut rest = text.trim();
    let mut found = Vec::new();
    loop {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        if word.is_empty() {
            return Err(invalid_filter(text));
        }
        if let Some(tail) = tail.strip_prefix("()") {
            found.push(Clause::Call(word.to_owned()));
            rest = tail.trim_start();
        } else {
            let (value, tail) = tail
                .trim_start()
                .strip_prefix("eq")
                .and_then(|tail| tail.trim_start().strip_prefix('\''))
                .and_then(quoted)
                .ok_or_else(|| invalid_filter(text))?;
            found.push(Clause::Equals(word.to_owned(), value));
            rest = tail.trim_start();
        }
        match rest.strip_prefix("and ") {
            Some(tail) => rest = tail.trim_start(),
            None if rest.is_empty() => return Ok(found),
            None => return Err(invalid_filter(text)),
        }
    }
}

/// Text up to the closing quote, where two quotes stand for one; and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('\'')?;
        value.push_str(before);
        match after.strip_prefix('\'') {
            Some(tail) => {
                value.push('\'');
                rest = tail;
            }
            None => return Some((value, after)),
        }
    }
}

/// 400 `InvalidFilterInQueryString`.
pub(super) fn invalid_filter(text: &str) -> Failure {
    Failure::new(400, "InvalidFilterInQueryString", format!("Invalid $filter '{text}' specified in the query string."))
}
