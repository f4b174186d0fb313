//! A text as a YAML scalar, byte for byte the same for the same text.

use std::fmt::Write as _;

/// Plain scalars that some reader takes for a boolean, null or a number.
const WORDS: [&str; 11] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", ".inf", ".nan"];

/// A text without quotes where every YAML reader takes it as that text, else in double quotes.
pub fn quoted_unless_plain(text: &str) -> String {
    let first = |c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '_');
    // `.5` is a number; `./data` and `.env` are not.
    let begins = match text.strip_prefix('.') {
        Some(rest) => rest.starts_with(|c: char| first(c) || c == '.'),
        None => text.starts_with(first),
    };
    let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '.' | ':' | '@' | '+');
    let plain = begins
        && text.chars().all(rest)
        && !text.ends_with(':')
        // The end of a document.
        && text != "..."
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { quoted(text) }
}

/// A text in double quotes: JSON's escapes are YAML's, but for what JSON leaves unescaped and YAML breaks lines at.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                // Writing to a text cannot fail.
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_where_nobody_reads_it_otherwise() {
        for plain in ["a", "a/b.c", "./data", "../x", ".env", "_x", "nginx:1.2", "a@b", "c++"] {
            assert_eq!(quoted_unless_plain(plain), plain);
        }
        for text in
            ["", "y", "No", "TRUE", "null", ".5", ".", "...", ".inf", ".NaN", "1", "-", "a:", "a b", "~", "a#b", "é"]
        {
            assert!(quoted_unless_plain(text).starts_with('"'), "{text}");
        }
        assert_eq!(quoted("a\"\\\n\t\r\u{1}\u{2028}"), r#""a\"\\\n\t\r\U00000001\U00002028""#);
    }
}
