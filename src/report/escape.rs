//! Making foreign text harmless: for terminals, HTML, Markdown and graph languages.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character could steer a terminal or turn the order of what is read: control characters (C0, DEL, C1), line
/// and paragraph separators, bidirectional controls, characters without width, and the two that XML does not allow.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// One line of text with every unsafe character written out: `\n`, `\t`, `\u{1b}`.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unsafe(c) {
            // Writing to a string cannot fail.
            let _ = write!(safe, "{}", c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Text of several lines as one, its lines joined by blanks; for messages of others in places that have one line.
pub fn one_line(text: &str) -> String {
    clean(&text.split_whitespace().collect::<Vec<_>>().join(" ")).into_owned()
}

/// Text for HTML and for Markdown outside of fences: everything that either could read as markup is an entity, and so is
/// `@` and `#`, so that no value notifies a person or links an issue.
pub fn html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 8);
    for c in clean(text).chars() {
        match c {
            '&' | '<' | '>' | '"' | '\'' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '#' | '|' | '~' | '@' | '!'
            | '\\' | '{' | '}' | '$' => {
                let _ = write!(safe, "&#{};", u32::from(c));
            }
            _ => safe.push(c),
        }
    }
    // A bare address such as https://… or www.… would become a link.
    safe.replace("://", "&#58;//").replace("www.", "www&#46;")
}

/// A fence that no line of `content` can close: one backtick more than its longest run, at least three.
pub fn fence(content: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for c in content.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    "`".repeat((longest + 1).max(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_out_what_steers_a_terminal() {
        assert_eq!(clean("plain é 日本"), "plain é 日本");
        assert_eq!(clean("a\u{1b}[31mb\r\n\u{9b}\u{202e}"), "a\\u{1b}[31mb\\r\\n\\u{9b}\\u{202e}");
    }

    #[test]
    fn lines_join() {
        assert_eq!(one_line(" a\n\tb\r\n\u{1b}c "), "a b \\u{1b}c");
    }

    #[test]
    fn markup_becomes_entities() {
        assert_eq!(html("<b>@me #1 `x`"), "&#60;b&#62;&#64;me &#35;1 &#96;x&#96;");
        assert_eq!(html("https://a"), "https&#58;//a");
    }

    #[test]
    fn a_fence_is_longer_than_any_run() {
        assert_eq!(fence("a"), "```");
        assert_eq!(fence("a ```` b"), "`````");
    }
}
