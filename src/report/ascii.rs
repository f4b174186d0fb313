//! What a terminal shows whose character set is not UTF-8.

use std::borrow::Cow;
use std::io::{self, Write};

/// Text in ASCII alone: signs of ours as one would type them, everything else written out as escapes are elsewhere.
pub(crate) fn ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if c.is_ascii() => plain.push(c),
            '→' => plain.push_str("->"),
            '…' => plain.push_str("..."),
            '−' | '–' | '—' => plain.push('-'),
            '•' => plain.push('*'),
            'µ' | 'μ' => plain.push('u'),
            // The rules beside a line of source.
            '│' => plain.push('|'),
            other => plain.extend(other.escape_unicode()),
        }
    }
    Cow::Owned(plain)
}

/// Writes text through [`ascii`]. Each write must end where a character ends.
pub(crate) struct Ascii<W: Write>(pub(crate) W);

impl<W: Write> Write for Ascii<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(ascii(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_ascii_and_says_what_it_was() {
        let mut out = Vec::new();
        Ascii(&mut out).write_all("zone 1 → 2 … é 日\n".as_bytes()).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "zone 1 -> 2 ... \\u{e9} \\u{65e5}\n");
        assert!(matches!(ascii("plain"), Cow::Borrowed("plain")));
    }
}
