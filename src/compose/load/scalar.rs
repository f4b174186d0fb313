//! What a YAML scalar is once it is decoded, and how Go prints it: the reference loader compares and joins decoded
//! values, so `1.10` in an environment is `1.1` and `017` is `15`.

use crate::compose::tree::{Tree, TreeContent};
use crate::diag::Location;
use crate::yaml::Scalar;

/// A decoded scalar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::compose) enum Value<'a> {
    Null,
    Bool(bool),
    /// Every signed and unsigned 64 bit integer.
    Int(i128),
    Float(f64),
    Time(Timestamp),
    Str(&'a str),
}

/// A YAML timestamp.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::compose) struct Timestamp {
    date: (u16, u8, u8),
    time: (u8, u8, u8),
    nanos: u32,
    /// Minutes east of UTC.
    offset: i32,
}

/// Decodes a scalar by the rules of the reference's YAML library.
pub(super) fn value(scalar: &Scalar) -> Value<'_> {
    let text = scalar.text.as_str();
    if !scalar.plain {
        return Value::Str(text);
    }
    let Some(first) = text.bytes().next() else { return Value::Null };
    match text {
        "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        "-0" | "-0.0" => return Value::Float(-0.0),
        _ => {}
    }
    match first {
        b'.' => decimal(text).map_or(Value::Str(text), Value::Float),
        b'0'..=b'9' | b'+' | b'-' => {
            if let Some(time) = timestamp(text) {
                return Value::Time(time);
            }
            let digits = text.replace('_', "");
            if let Some(integer) = integer(&digits) {
                return Value::Int(integer);
            }
            decimal(&digits).map_or(Value::Str(text), Value::Float)
        }
        _ => Value::Str(text),
    }
}

/// Whether the reference has it as an integer: larger ones are of another type, which few values take.
pub(super) fn is_signed(number: i128) -> bool {
    i64::try_from(number).is_ok()
}

/// An integer with Go's prefixes: `0x`, `0b`, `0o`, and octal for a leading zero.
pub(super) fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if digits.is_empty() || digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, radix).ok()?;
    let signed = if negative { -magnitude } else { magnitude };
    let sign_given = text.starts_with(['+', '-']);
    let most = if sign_given { i128::from(i64::MAX) } else { i128::from(u64::MAX) };
    (signed >= i128::from(i64::MIN) && signed <= most).then_some(signed)
}

/// `[+-]?(.digits|digits[.digits])[e[+-]digits]`
fn decimal(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    if let Some(exponent) = exponent {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if exponent.is_empty() || !digits(exponent) {
            return None;
        }
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn timestamp(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let split = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let mut date = text[..split].split('-');
    let year: u16 = date.next()?.parse().ok()?;
    let (month, day) = (short(date.next()?)?, short(date.next()?)?);
    if date.next().is_some() || !(1..=12).contains(&month) || day == 0 || day > days(year, month) {
        return None;
    }
    let mut found = Timestamp { date: (year, month, day), time: (0, 0, 0), nanos: 0, offset: 0 };
    let Some(separator) = text[split..].chars().next() else { return Some(found) };
    let clock = &text[split + 1..];
    let clock = if separator == ' ' {
        clock
    } else if let Some(utc) = clock.strip_suffix('Z') {
        utc
    } else {
        let at = clock.rfind(['+', '-'])?;
        let (hours, minutes) = clock[at + 1..].split_once(':')?;
        if hours.len() != 2 || minutes.len() != 2 {
            return None;
        }
        let minutes = i32::from(short(hours)?) * 60 + i32::from(short(minutes)?);
        found.offset = if clock.as_bytes()[at] == b'-' { -minutes } else { minutes };
        &clock[..at]
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':');
    let (hour, minute, second) = (short(parts.next()?)?, short(parts.next()?)?, short(parts.next()?)?);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    found.time = (hour, minute, second);
    found.nanos = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(found)
}

fn short(text: &str) -> Option<u8> {
    ((1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn days(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

impl Timestamp {
    fn fraction(self) -> String {
        if self.nanos == 0 {
            return String::new();
        }
        format!(".{:09}", self.nanos).trim_end_matches('0').to_owned()
    }

    fn zone(self, colon: &str) -> String {
        let minutes = self.offset.abs();
        format!("{}{:02}{colon}{:02}", if self.offset < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
    }

    /// As Go prints it.
    fn printed(self) -> String {
        let ((y, mo, d), (h, mi, s)) = (self.date, self.time);
        let zone = self.zone("");
        let name = if self.offset == 0 { "UTC".to_owned() } else { zone.clone() };
        format!("{y:04}-{mo:02}-{d:02} {h:02}:{mi:02}:{s:02}{} {zone} {name}", self.fraction())
    }

    /// As JSON has it.
    pub(super) fn json(self) -> String {
        let ((y, mo, d), (h, mi, s)) = (self.date, self.time);
        let zone = if self.offset == 0 { "Z".to_owned() } else { self.zone(":") };
        format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}{}{zone}", self.fraction())
    }
}

/// A float in the shortest form that gives it back, with an exponent below 1e-4 and from 1e6 on.
pub(super) fn float(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            "NaN".into()
        } else if number > 0.0 {
            "+Inf".into()
        } else {
            "-Inf".into()
        };
    }
    let scientific = format!("{number:e}");
    let exponent: i32 = scientific.rsplit_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    if number != 0.0 && !(-4..6).contains(&exponent) {
        let mantissa = scientific.rsplit_once('e').map_or(scientific.as_str(), |(m, _)| m);
        return format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
    format!("{number}")
}

fn print(value: Value<'_>) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => float(value),
        Value::Time(value) => value.printed(),
        Value::Str(value) => value.to_owned(),
    }
}

/// The text of a decoded value as Go's `fmt` prints it.
pub(super) fn printed(tree: &Tree) -> String {
    match &tree.content {
        TreeContent::Scalar(scalar) => print(value(scalar)),
        TreeContent::Sequence(items) => {
            format!("[{}]", items.iter().map(printed).collect::<Vec<_>>().join(" "))
        }
        TreeContent::Mapping(entries) => {
            let mut parts: Vec<String> =
                entries.iter().map(|entry| format!("{}:{}", entry.key, printed(&entry.value))).collect();
            parts.sort();
            format!("map[{}]", parts.join(" "))
        }
    }
}

/// What is written, where that is a number, a boolean or a date that prints as another text.
pub(super) fn rewritten(scalar: &Scalar) -> Option<&str> {
    match value(scalar) {
        Value::Null | Value::Str(_) => None,
        value => Some(scalar.text.as_str()).filter(|text| print(value) != *text),
    }
}

/// Whether two trees hold the same decoded values.
pub(super) fn same(a: &Tree, b: &Tree) -> bool {
    match (&a.content, &b.content) {
        (TreeContent::Scalar(a), TreeContent::Scalar(b)) => value(a) == value(b),
        (TreeContent::Sequence(a), TreeContent::Sequence(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (TreeContent::Mapping(first), TreeContent::Mapping(second)) => {
            first.len() == second.len()
                && first.iter().zip(second).all(|(a, b)| {
                    let other = if a.key == b.key { Some(&b.value) } else { second_value(second, &a.key) };
                    other.is_some_and(|other| same(&a.value, other))
                })
        }
        _ => false,
    }
}

fn second_value<'t>(entries: &'t [crate::compose::tree::TreeEntry], key: &str) -> Option<&'t Tree> {
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}

impl Tree {
    /// The decoded value of a scalar.
    pub(in crate::compose) fn value(&self) -> Option<Value<'_>> {
        self.as_scalar().map(value)
    }

    /// The text that a scalar stands for; null stands for none.
    pub(in crate::compose) fn printed(&self) -> Option<String> {
        self.value().filter(|value| *value != Value::Null).map(print)
    }

    /// The text of a value that is a string.
    pub(super) fn as_str(&self) -> Option<&str> {
        match self.value() {
            Some(Value::Str(text)) => Some(text),
            _ => None,
        }
    }

    /// What it is, in the words of the JSON schema.
    pub(super) fn kind(&self) -> &'static str {
        match &self.content {
            TreeContent::Mapping(_) => "a mapping",
            TreeContent::Sequence(_) => "a list",
            TreeContent::Scalar(scalar) => match value(scalar) {
                Value::Null => "null",
                Value::Bool(_) => "a boolean",
                Value::Int(_) => "an integer",
                Value::Float(_) => "a number",
                Value::Time(_) => "a date",
                Value::Str(_) => "a string",
            },
        }
    }

    /// A scalar that is read as its decoded value, not as text.
    pub(super) fn literal(text: impl Into<String>, location: Location) -> Self {
        let content = TreeContent::Scalar(Scalar { text: text.into(), plain: true });
        Self { location, interpolated: false, content }
    }

    /// A null.
    pub(super) fn null(location: Location) -> Self {
        Self::literal("", location)
    }

    /// A mapping without entries.
    pub(super) fn mapping(location: Location, entries: Vec<crate::compose::tree::TreeEntry>) -> Self {
        Self { location, interpolated: false, content: TreeContent::Mapping(entries) }
    }

    /// A list.
    pub(super) fn list(location: Location, items: Vec<Tree>) -> Self {
        Self { location, interpolated: false, content: TreeContent::Sequence(items) }
    }

    /// The entries, to be changed.
    pub(super) fn entries_mut(&mut self) -> Option<&mut Vec<crate::compose::tree::TreeEntry>> {
        if let TreeContent::Mapping(entries) = &mut self.content { Some(entries) } else { None }
    }

    /// The items, to be changed.
    pub(super) fn items_mut(&mut self) -> Option<&mut Vec<Tree>> {
        if let TreeContent::Sequence(items) = &mut self.content { Some(items) } else { None }
    }

    /// The value under `key`, to be changed.
    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Tree> {
        self.entries_mut()?.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
    }

    /// Sets `key` of a mapping; of anything else it changes nothing.
    pub(super) fn set(&mut self, key: &str, value: Tree) {
        let key_location = self.location.clone();
        let Some(entries) = self.entries_mut() else { return };
        match entries.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => entry.value = value,
            None => {
                entries.push(crate::compose::tree::TreeEntry { key: key.to_owned(), key_location, value });
            }
        }
    }

    /// Takes `key` out of a mapping.
    pub(super) fn remove(&mut self, key: &str) -> Option<Tree> {
        let entries = self.entries_mut()?;
        let at = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(at).value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Tree {
        Tree::literal(text, Location::new("f", 1, 1))
    }

    #[test]
    fn decoded_values_print_as_in_go() {
        for (text, expected) in [
            ("1.10", "1.1"),
            ("1e3", "1000"),
            ("1e6", "1e+06"),
            ("1234567.5", "1.2345675e+06"),
            ("123456.5", "123456.5"),
            ("017", "15"),
            ("0o17", "15"),
            ("0x1F", "31"),
            ("1_000", "1000"),
            ("08", "8"),
            ("yes", "yes"),
            ("True", "true"),
            ("2024-01-02", "2024-01-02 00:00:00 +0000 UTC"),
            ("2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43.1 -0500 -0500"),
            ("12345678901234567890123", "1.2345678901234568e+22"),
            ("0.00001", "1e-05"),
            ("1.2.3", "1.2.3"),
            ("12:30", "12:30"),
            ("-", "-"),
            ("1e", "1e"),
            ("2024-13-01", "2024-13-01"),
            ("18446744073709551615", "18446744073709551615"),
            ("", "<nil>"),
        ] {
            assert_eq!(printed(&plain(text)), expected, "{text}");
        }
    }

    #[test]
    fn quoted_text_is_text() {
        let quoted = Tree::text("80", Location::new("f", 1, 1), false);
        assert_eq!(quoted.value(), Some(Value::Str("80")));
        assert!(!same(&quoted, &plain("80")));
        assert!(same(&plain("0x50"), &plain("80")));
    }
}
