//! Foreign text in Markdown, and lists of it that have a limit.

use crate::report::Style;
use crate::report::escape::{clean, html};
use crate::report::value::cut;

/// Characters of one line of a list, before escaping.
const MOST_ITEM: usize = 400;

/// What a code host makes a link, a picture or a message to somebody of, once the entities of the text are read: people,
/// issues, merge requests, labels, snippets, milestones. An entity alone does not keep it from that.
const MARKS: [char; 7] = ['@', '#', '!', '~', '$', '%', '&'];

/// A break that nobody sees, as code hosts take it inside a text.
const BREAK: &str = "&#8203;";

/// Text between words: nothing of it is markup, and it mentions nobody.
pub(super) fn prose(text: &str) -> String {
    let text = cut(clean(text).into_owned(), MOST_ITEM, &Style::PLAIN);
    let mut safe = String::with_capacity(text.len() + 16);
    let mut from = 0;
    for (at, c) in text.char_indices() {
        let rest = &text[at + c.len_utf8()..];
        let marks = MARKS.contains(&c) && rest.starts_with(|c: char| !c.is_whitespace());
        if marks || (c == ':' && is_picture(rest)) || (c == '-' && is_issue(&text[..at], rest)) {
            safe.push_str(&html(&text[from..at + c.len_utf8()]));
            safe.push_str(BREAK);
            from = at + c.len_utf8();
        }
    }
    safe.push_str(&html(&text[from..]));
    safe
}

/// Whether a colon before this begins the name of a picture: `:tada:`.
fn is_picture(rest: &str) -> bool {
    let name = rest.split_once(':').map_or("", |(name, _)| name);
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-'))
}

/// Whether `GH` and a number stand around a dash: an issue, too.
fn is_issue(before: &str, rest: &str) -> bool {
    let end = before.len().saturating_sub(2);
    before.get(end..).is_some_and(|word| word.eq_ignore_ascii_case("gh"))
        && rest.starts_with(|c: char| c.is_ascii_digit())
}

/// A name or a command as it is typed. Code hosts look for nothing in it.
pub(super) fn code(text: &str) -> String {
    format!("<code>{}</code>", literal(text))
}

/// Text inside of `code` and `pre`. Markdown makes links of mail addresses even there, wherever one is in one piece of text: a
/// comment that nobody sees, and nobody copies, makes two of it.
pub(super) fn literal(text: &str) -> String {
    html(text).replace("&#64;", "<!-- -->&#64;")
}

/// A titled list of no more than `most` bytes, saying how many items were left out; nothing if there are none. The items
/// are Markdown, a line each.
pub(super) fn titled(out: &mut String, title: &str, items: &[Vec<String>], most: usize) {
    if !items.is_empty() {
        out.push_str(&format!("**{}**\n\n", html(title)));
        list(out, "", items, most);
    }
}

/// Such a list without a title, each line with a prefix.
pub(super) fn list(out: &mut String, prefix: &str, items: &[Vec<String>], most: usize) {
    let start = out.len();
    for (number, lines) in items.iter().enumerate() {
        let item = format!("{prefix}- {}\n", lines.join("<br>"));
        if out.len() + item.len() > start + most {
            out.push_str(&format!("{prefix}- and {} more\n", items.len() - number));
            break;
        }
        out.push_str(&item);
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_mentions_anybody() {
        let cases = [
            ("ask @root", "ask &#64;&#8203;root"),
            ("as in #12 and GH-3", "as in &#35;&#8203;12 and GH-&#8203;3"),
            ("a :tada: b: c", "a :&#8203;tada: b: c"),
            ("50% of 3!", "50% of 3&#33;"),
            ("!7 ~bug $1 %\"m\"", "&#33;&#8203;7 &#126;&#8203;bug &#36;&#8203;1 %&#8203;&#34;m&#34;"),
        ];
        for (text, safe) in cases {
            assert_eq!(prose(text), safe);
        }
        assert_eq!(code("`a` <b>"), "<code>&#96;a&#96; &#60;b&#62;</code>");
        assert_eq!(code("a@b.c"), "<code>a<!-- -->&#64;b.c</code>");
    }
}
