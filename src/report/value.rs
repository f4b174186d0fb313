//! Values and field changes as lines of text. No secret and no digest of one is ever written here.

use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};
use unicode_width::UnicodeWidthStr as _;

use super::Style;
use super::escape::{clean, is_unsafe};
use super::line::{Ink, Line};
use crate::engine::address::Address;
use crate::engine::plan::{Asked, Cause, FieldChange};
use crate::engine::value::{Reference, Value};

/// Lines around a change inside a longer text.
const CONTEXT: usize = 3;
/// Lines of one field shown without `expand`.
const MOST_LINES: usize = 40;
/// Characters of one text shown without `expand`.
const MOST_CHARS: usize = 300;
/// Sides longer than this are not compared line by line, whose cost grows with the product of their lengths.
const MOST_COMPARED: usize = 5_000;

/// How much of a plan to show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Show every field of what is created and whole texts, instead of a few facts and the lines around a change.
    pub expand: bool,
}

/// `kind/name` within its own scope, else the whole address.
pub(crate) fn relative(address: &Address, scope: &str) -> String {
    let text = if address.scope() == scope { address.short() } else { address.as_str() };
    clean(text).into_owned()
}

/// What stands for a value that is not known yet.
pub(crate) fn unknown(reference: &Reference, scope: &str) -> String {
    format!("(known after apply: waits for {})", relative(&reference.address, scope))
}

/// A text in double quotes, on one line.
fn quoted(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 2);
    safe.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => safe.extend(['\\', c]),
            c if is_unsafe(c) => safe.extend(c.escape_default()),
            c => safe.push(c),
        }
    }
    safe.push('"');
    safe
}

/// A key of an object: bare where nothing in it could be misread.
fn key_text(key: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '$' | '@');
    if !key.is_empty() && key.chars().all(plain) { key.to_owned() } else { quoted(key) }
}

/// A value on one line.
pub(crate) fn inline(value: &Value, scope: &str) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(|item| inline(item, scope)).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let entry = |(key, value): (&str, &Value)| format!("{}: {}", key_text(key), inline(value, scope));
            format!("{{{}}}", map.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::Unknown(reference) => unknown(reference, scope),
        Value::Sensitive(secret) => secret.shown.as_deref().map_or_else(|| "(sensitive)".to_owned(), quoted),
    }
}

/// The text of a value as it may be seen.
fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Sensitive(secret) => secret.shown.as_deref(),
        _ => None,
    }
}

/// A line of a nested value. Two lines are the same if text and secret are; only the text is printed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BlockLine {
    pub(crate) text: String,
    secret: Option<String>,
}

/// Whether a value is shown as a block of lines rather than on one.
fn is_nested(value: &Value) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) => !value.is_empty(),
        other => text_of(other).is_some_and(|text| text.trim_end_matches('\n').contains('\n')),
    }
}

/// A value as lines, nested by indentation, keys sorted.
pub(crate) fn block(value: &Value, scope: &str) -> Vec<BlockLine> {
    let mut lines = Vec::new();
    match text_of(value) {
        Some(text) if is_nested(value) => push_text(text, 0, &mut lines),
        _ => push_block(value, 0, scope, &mut lines),
    }
    lines
}

/// The two sides of a change as lines: as texts if both are, else as nested values.
fn sides(before: &Value, after: &Value, scope: &str) -> (Vec<BlockLine>, Vec<BlockLine>) {
    let (Some(old), Some(new)) = (text_of(before), text_of(after)) else {
        return (block(before, scope), block(after, scope));
    };
    let side = |text: &str, other: &str| {
        let mut lines = Vec::new();
        push_text(text, 0, &mut lines);
        if !text.ends_with('\n')
            && other.ends_with('\n')
            && let Some(last) = lines.last_mut()
        {
            last.text.push_str("  (no newline at the end)");
        }
        lines
    };
    (side(old, new), side(new, old))
}

fn push_text(text: &str, indent: usize, lines: &mut Vec<BlockLine>) {
    let pad = " ".repeat(indent);
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        let line = clean(line);
        let kept = line.trim_end();
        // Blanks at the end are written out: they may be all that changed, and reports end no line with one.
        let blanks: String = line[kept.len()..].chars().flat_map(char::escape_unicode).collect();
        lines.push(BlockLine { text: format!("{pad}{kept}{blanks}"), secret: None });
    }
}

fn push_block(value: &Value, indent: usize, scope: &str, lines: &mut Vec<BlockLine>) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                push_entry(format!("{pad}{}:", key_text(key)), value, indent + 2, scope, lines);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let first = lines.len();
                match item {
                    Value::Object(map) if !map.is_empty() => {
                        push_block(item, indent + 2, scope, lines);
                        // The dash stands where the first key's indentation was, which is blank.
                        lines[first].text.replace_range(indent..indent + 1, "-");
                    }
                    _ => push_entry(format!("{pad}-"), item, indent + 2, scope, lines),
                }
            }
        }
        leaf => push_entry(pad, leaf, indent, scope, lines),
    }
}

fn push_entry(head: String, value: &Value, indent: usize, scope: &str, lines: &mut Vec<BlockLine>) {
    match value {
        text if is_nested(text) && text_of(text).is_some() => {
            lines.push(BlockLine { text: format!("{head} |"), secret: None });
            push_text(text_of(text).unwrap_or_default(), indent, lines);
        }
        nested if is_nested(nested) => {
            lines.push(BlockLine { text: head, secret: None });
            push_block(nested, indent, scope, lines);
        }
        leaf => {
            let secret = if let Value::Sensitive(secret) = leaf { Some(secret.digest.clone()) } else { None };
            let gap = if head.trim().is_empty() { "" } else { " " };
            lines.push(BlockLine { text: format!("{head}{gap}{}", inline(leaf, scope)), secret });
        }
    }
}

/// A text cut to `most` characters, saying how long it was.
pub(crate) fn cut(text: String, most: usize, style: &Style) -> String {
    let count = text.chars().count();
    if count <= most { text } else { format!("{} ({count} characters)", brief(&text, most, style)) }
}

/// A text cut to `most` characters.
pub(crate) fn brief(text: &str, most: usize, style: &Style) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}{}", &text[..end], style.ellipsis()),
        None => text.to_owned(),
    }
}

/// Cuts two long texts to the part around their first difference, so that both still show it.
fn cut_pair(before: &str, after: &str, style: &Style) -> (String, String) {
    let same = before.chars().zip(after.chars()).take_while(|(a, b)| a == b).count();
    let skip = if same > MOST_CHARS / 2 { same - 30 } else { 0 };
    let window = |text: &str| {
        let dots = if skip > 0 { style.ellipsis() } else { "" };
        let rest: String = text.chars().skip(skip).collect();
        format!("{dots}{}", cut(rest, MOST_CHARS, style))
    };
    (window(before), window(after))
}

/// Why a field differs, if that is not simply what the manifests ask for.
pub(crate) fn cause(cause: &Cause) -> Option<String> {
    match cause {
        Cause::Manifest => None,
        Cause::Server => Some("the server decides it".to_owned()),
        Cause::Drift { writer, time, of_object } => {
            let mut text = "drift: changed".to_owned();
            if *of_object {
                text.push_str(" outside kompox; the object was last written");
            }
            match (writer, time) {
                (None, None) => text.push_str(" outside kompox"),
                (writer, time) => {
                    if let Some(writer) = writer {
                        text.push_str(" by ");
                        text.push_str(&clean(writer));
                    }
                    if let Some(time) = time {
                        text.push_str(" at ");
                        text.push_str(&clean(time));
                    }
                }
            }
            Some(text)
        }
    }
}

/// What the manifests ask for, if that is neither of the two sides.
fn third(asked: &Asked, scope: &str, style: &Style) -> Option<String> {
    match asked {
        Asked::NoThird | Asked::AsApplied => None,
        Asked::Other(None) => Some("the manifests no longer ask for it".to_owned()),
        Asked::Other(Some(value)) => {
            Some(format!("the manifests ask for {}", cut(inline(value, scope), MOST_CHARS, style)))
        }
    }
}

/// The lines of one changed field, at levels 1 and 2.
pub(crate) fn change(change: &FieldChange, scope: &str, options: Options, style: &Style) -> Vec<Line> {
    let (mark, ink) = match (&change.before, &change.after) {
        (None, _) => ("+", Ink::Added),
        (_, None) => ("-", Ink::Removed),
        _ => ("~", Ink::Changed),
    };
    let path = if change.path.0.is_empty() { "(all)".to_owned() } else { clean(&change.path.to_string()).into_owned() };
    let head = Line::new(mark, ink, 1).with(Ink::Plain, format!("{path}:"));
    let mut lines = Vec::new();
    let mut head = match (&change.before, &change.after) {
        (None, None) => head.with(Ink::Plain, " changed"),
        (Some(Value::Sensitive(old)), Some(Value::Sensitive(new))) if old.shown.is_none() || new.shown.is_none() => {
            head.with(Ink::Plain, " (sensitive) changed")
        }
        (Some(before), Some(after)) if is_nested(before) || is_nested(after) => {
            let (before, after) = sides(before, after, scope);
            compare(&before, &after, options, style, &mut lines);
            if lines.is_empty() { head.with(Ink::Plain, " changed") } else { head }
        }
        (Some(before), Some(after)) => {
            let (before, after) = (inline(before, scope), inline(after, scope));
            if path.width() + before.width() + after.width() + 14 <= style.width.max(40) {
                head.with(Ink::Plain, " ")
                    .with(Ink::Removed, before)
                    .with(Ink::Dim, format!(" {} ", style.arrow()))
                    .with(Ink::Added, after)
            } else {
                let (before, after) = if options.expand { (before, after) } else { cut_pair(&before, &after, style) };
                lines.push(Line::new("-", Ink::Removed, 2).with(Ink::Removed, before));
                lines.push(Line::new("+", Ink::Added, 2).with(Ink::Added, after));
                head
            }
        }
        (None, Some(value)) | (Some(value), None) => {
            if is_nested(value) {
                let side = block(value, scope);
                limited(side.into_iter().map(|line| (mark, ink, line.text)), options, style, &mut lines);
                head
            } else {
                let text = inline(value, scope);
                let text = if options.expand { text } else { cut(text, MOST_CHARS, style) };
                head.with(Ink::Plain, " ").with(ink, text)
            }
        }
    };
    if change.forces_replacement {
        head = head.with(Ink::Danger, "  forces replacement");
    }
    let remarks: Vec<String> = cause(&change.cause).into_iter().chain(third(&change.asked, scope, style)).collect();
    if !remarks.is_empty() {
        head = head.with(Ink::Dim, format!("  ({})", remarks.join("; ")));
    }
    lines.insert(0, head);
    lines
}

/// The lines of two blocks that differ, with context.
fn compare(before: &[BlockLine], after: &[BlockLine], options: Options, style: &Style, lines: &mut Vec<Line>) {
    if before.len() + after.len() > MOST_COMPARED {
        let text = format!("{} lines {} {} lines", before.len(), style.arrow(), after.len());
        lines.push(Line::new("", Ink::Plain, 2).with(Ink::Plain, text));
        return;
    }
    let groups = group_diff_ops(capture_diff_slices(Algorithm::Myers, before, after), CONTEXT);
    let mut shown: Vec<(&'static str, Ink, String)> = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        if number > 0 {
            shown.push(("", Ink::Dim, style.ellipsis().to_owned()));
        }
        for op in group {
            let (old, new) = (op.old_range(), op.new_range());
            if let DiffOp::Equal { .. } = op {
                shown.extend(before[old].iter().map(|line| ("", Ink::Dim, line.text.clone())));
                continue;
            }
            shown.extend(before[old].iter().map(|line| ("-", Ink::Removed, line.text.clone())));
            shown.extend(after[new].iter().map(|line| ("+", Ink::Added, line.text.clone())));
        }
    }
    limited(shown.into_iter(), options, style, lines);
}

/// Appends lines at level 2, no more than a reader wants to see unless all are asked for.
fn limited(
    shown: impl ExactSizeIterator<Item = (&'static str, Ink, String)>,
    options: Options,
    style: &Style,
    lines: &mut Vec<Line>,
) {
    let total = shown.len();
    let most = if options.expand || total <= MOST_LINES + 1 { total } else { MOST_LINES };
    for (mark, ink, text) in shown.take(most) {
        let text = if options.expand { text } else { cut(text, MOST_CHARS, style) };
        lines.push(Line::new(mark, ink, 2).with(ink, text));
    }
    if total > most {
        let text = format!("{} {} more lines", style.ellipsis(), total - most);
        lines.push(Line::new("", Ink::Dim, 2).with(Ink::Dim, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::value::{Path, Sensitive};
    use proptest::prelude::*;

    fn text_of(before: Option<Value>, after: Option<Value>, options: Options) -> String {
        let field = FieldChange {
            path: Path::root().key("data").key("app.ini"),
            before,
            after,
            asked: Asked::NoThird,
            cause: Cause::Manifest,
            forces_replacement: false,
        };
        change(&field, "/ws/o", options, &Style::PLAIN).iter().map(|line| line.to_diff() + "\n").collect()
    }

    fn json(value: serde_json::Value) -> Value {
        Value::from(value)
    }

    #[test]
    fn texts_of_many_lines_show_what_changed_and_three_lines_around() {
        let before: String = (1..=20).map(|n| format!("line {n}\n")).collect();
        let after = before.replace("line 9\n", "line nine\n").replace("line 20\n", "line 20");
        insta::assert_snapshot!(text_of(Some(before.into()), Some(after.into()), Options::default()), @r#"
        !     data["app.ini"]:
                  line 6
                  line 7
                  line 8
        -         line 9
        +         line nine
                  line 10
                  line 11
                  line 12
                  …
                  line 17
                  line 18
                  line 19
        -         line 20
        +         line 20  (no newline at the end)
        "#);
    }

    #[test]
    fn long_texts_show_both_sides_around_the_difference() {
        let before = "x".repeat(400) + "old";
        let after = "x".repeat(400) + "new";
        insta::assert_snapshot!(text_of(Some(before.into()), Some(after.into()), Options::default()), @r#"
        !     data["app.ini"]:
        -         …xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxold"
        +         …xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxnew"
        "#);
    }

    #[test]
    fn nested_values_compare_line_by_line_and_secrets_by_digest() {
        let secret = |digest: &str| Value::sensitive(Sensitive::digest_only(digest.into()));
        let mut before = json(serde_json::json!({"name": "db", "ports": [{"port": 1, "name": "a"}, 2], "none": {}}));
        let mut after = before.clone();
        before.set(&["password"], secret("hmac-sha256:aa"));
        after.set(&["password"], secret("hmac-sha256:bb"));
        let text = text_of(Some(before), Some(after), Options::default());
        assert!(!text.contains("hmac"));
        insta::assert_snapshot!(text, @r#"
        !     data["app.ini"]:
                  name: "db"
                  none: {}
        -         password: (sensitive)
        +         password: (sensitive)
                  ports:
                    - name: "a"
                      port: 1
        "#);
    }

    #[test]
    fn a_leaf_that_becomes_nested_shows_both_forms() {
        let text = text_of(Some("a".into()), Some(json(serde_json::json!({"b": 1}))), Options::default());
        insta::assert_snapshot!(text, @r#"
        !     data["app.ini"]:
        -         "a"
        +         b: 1
        "#);
    }

    #[test]
    fn blanks_at_the_end_of_a_line_are_seen() {
        let text = text_of(Some("a\nb\n".into()), Some("a \nb\n".into()), Options::default());
        insta::assert_snapshot!(text, @r#"
        !     data["app.ini"]:
        -         a
        +         a\u{20}
                  b
        "#);
    }

    #[test]
    fn only_the_beginning_of_many_new_lines_is_shown_unless_all_are_wanted() {
        let many: Value = (1..=60).map(|n| format!("{n}\n")).collect::<String>().into();
        assert_eq!(text_of(None, Some(many.clone()), Options::default()).lines().count(), 42);
        assert_eq!(text_of(None, Some(many), Options { expand: true }).lines().count(), 61);
    }

    proptest! {
        #[test]
        fn no_text_reaches_the_output_unescaped(before in any::<String>(), after in any::<String>()) {
            let text = text_of(Some(before.clone().into()), Some(after.into()), Options { expand: true });
            prop_assert!(!text.chars().any(|c| c != '\n' && is_unsafe(c)));
            let nested = json(serde_json::json!({ before.clone(): [{ before.clone(): before }] }));
            let text = text_of(None, Some(nested), Options { expand: true });
            prop_assert!(!text.chars().any(|c| c != '\n' && is_unsafe(c)));
        }
    }
}
