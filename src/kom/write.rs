//! Writing located YAML back as text: what was read as a boolean, a number or a text is read as the same again.

use crate::text::scalar;
use crate::yaml::{Content, Node, Scalar};

/// Documents with `---` between them. Anchors and merge keys are written out, comments are not kept.
pub(super) fn documents(documents: &[Node]) -> String {
    let mut text = String::new();
    for (index, document) in documents.iter().enumerate() {
        if index > 0 {
            text.push_str("---\n");
        }
        block(&mut text, document, 0);
    }
    text
}

/// A value that begins on its own line, `indent` columns in.
fn block(text: &mut String, node: &Node, indent: usize) {
    match &node.content {
        Content::Mapping(entries) if !entries.is_empty() => {
            for entry in entries {
                pad(text, indent);
                text.push_str(&scalar::quoted_unless_plain(&entry.key));
                text.push(':');
                after(text, &entry.value, indent);
            }
        }
        Content::Sequence(items) if !items.is_empty() => {
            for item in items {
                pad(text, indent);
                text.push('-');
                after_dash(text, item, indent);
            }
        }
        _ => {
            pad(text, indent);
            let value = inline(node, indent);
            text.push_str(&value);
            text.push('\n');
        }
    }
}

/// What follows `key:`.
fn after(text: &mut String, node: &Node, indent: usize) {
    match &node.content {
        Content::Mapping(entries) if !entries.is_empty() => {
            text.push('\n');
            block(text, node, indent + 2);
        }
        Content::Sequence(items) if !items.is_empty() => {
            text.push('\n');
            block(text, node, indent + 2);
        }
        _ => line(text, node, indent),
    }
}

/// What follows `-`: a mapping begins on the same line.
fn after_dash(text: &mut String, node: &Node, indent: usize) {
    match &node.content {
        Content::Mapping(entries) if !entries.is_empty() => {
            let mut inner = String::new();
            block(&mut inner, node, indent + 2);
            text.push(' ');
            text.push_str(inner.trim_start_matches(' '));
        }
        Content::Sequence(items) if !items.is_empty() => {
            text.push('\n');
            block(text, node, indent + 2);
        }
        _ => line(text, node, indent),
    }
}

fn line(text: &mut String, node: &Node, indent: usize) {
    let value = inline(node, indent);
    if !value.is_empty() {
        text.push(' ');
        text.push_str(&value);
    }
    text.push('\n');
}

fn pad(text: &mut String, indent: usize) {
    text.extend(std::iter::repeat_n(' ', indent));
}

fn inline(node: &Node, indent: usize) -> String {
    match &node.content {
        Content::Mapping(_) => "{}".to_owned(),
        Content::Sequence(_) => "[]".to_owned(),
        Content::Scalar(scalar) => written(scalar, node.tag.is_some(), indent),
    }
}

fn written(value: &Scalar, tagged: bool, indent: usize) -> String {
    let text = value.text.as_str();
    if value.is_null() {
        return String::new();
    }
    if value.plain && !tagged && !text.contains('\n') {
        return text.to_owned();
    }
    if let Some(literal) = literal(text, indent) {
        return literal;
    }
    if tagged { scalar::quoted(text) } else { scalar::quoted_unless_plain(text) }
}

/// A text of several lines as a literal block, where that keeps every character.
fn literal(text: &str, indent: usize) -> Option<String> {
    let lines = text.strip_suffix('\n').unwrap_or(text);
    let fits = lines.contains('\n')
        && !lines.starts_with([' ', '\n', '\t'])
        && !lines.ends_with('\n')
        && text.chars().all(|c| c == '\n' || c == '\t' || (!c.is_control() && c != '\u{feff}' && c != '\u{85}'))
        && !text.contains(['\u{2028}', '\u{2029}']);
    if !fits {
        return None;
    }
    let mut block = if text.ends_with('\n') { "|".to_owned() } else { "|-".to_owned() };
    for line in lines.split('\n') {
        block.push('\n');
        if !line.is_empty() {
            pad(&mut block, indent + 2);
            block.push_str(line);
        }
    }
    Some(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Limits, Source, parse};
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<Node> {
        parse(&Source::new("t.yml", text), Limits::default()).unwrap()
    }

    #[test]
    fn what_is_written_reads_as_the_same() {
        let text = "a: 1\nb: '1'\nc: yes\nd:\ne: {}\nf: []\ng: [1, {x: y, z: [a, [b]]}]\nh: |\n  one\n   two\n\n  three\n\
                    i: \"a: b\"\nj: 'http://x#y'\n\"k l\": ~\nm: |-\n  x\n  y\nn: \"\\ttab\\n\"\n";
        let first = read(text);
        let written = documents(&first);
        let again = read(&written);
        assert_eq!(first[0].to_json(), again[0].to_json(), "{written}");
        assert_eq!(documents(&again), written);
    }

    proptest! {
        #[test]
        fn a_scalar_comes_back_as_that_text(text in "\\PC{0,12}|[a-zA-Z0-9./:_+@-]{0,8}|.{0,8}") {
            let yaml = format!("a: {0}\nb: [{0}]\n", scalar::quoted_unless_plain(&text));
            prop_assert_eq!(read(&yaml)[0].to_json(), serde_json::json!({"a": text, "b": [text]}));
        }

        #[test]
        fn any_text_comes_back(text in any::<String>(), key in "[a-zA-Z0-9 :#'\"-]{1,12}") {
            let content = Content::Scalar(Scalar { text: text.clone(), plain: false });
            let location = crate::diag::Location::new("t.yml", 1, 1);
            let value = Node { location: location.clone(), tag: None, content };
            let entry = crate::yaml::Entry { key: key.clone(), key_location: location.clone(), value, merged: false, key_plain: false };
            let node = Node { location, tag: None, content: Content::Mapping(vec![entry]) };
            let written = documents(&[node]);
            let again = read(&written);
            prop_assert_eq!(again[0].get(&key).and_then(|node| node.as_scalar()).map(|s| s.text.as_str()), Some(text.as_str()), "{}", written);
        }
    }
}
