//! Texts of the written files.

/// A text in YAML: plain where every reader takes it as that text, else in double quotes. A dollar sign is doubled, since
/// compose files interpolate.
pub fn quoted(text: &str) -> String {
    let text = text.replace('$', "$$");
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '.'))
        && text.len() > 1
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | ':' | '@'))
        && !text.ends_with(':')
        && !["true", "false", "null", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str());
    if plain {
        return text;
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                out.push_str(&format!("\\U{:08X}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A DNS-1123 label of at most `most` characters that resembles the text; `data` where nothing of it fits.
pub fn slug(text: &str, most: usize) -> String {
    let mut out = String::new();
    for c in text.to_ascii_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    out.truncate(most);
    let out = out.trim_matches('-');
    if out.is_empty() { "data".to_owned() } else { out.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kom::id::is_dns_label;
    use crate::yaml::{Limits, Source, parse};
    use proptest::prelude::*;

    #[test]
    fn slugs_resemble() {
        for (text, expected) in [
            ("pg_data", "pg-data"),
            ("Nextcloud Prod", "nextcloud-prod"),
            ("a-very-long-volume-name", "a-very-long-volu"),
            ("nginx/conf.d/default.conf", "nginx-conf-d-def"),
            ("__", "data"),
        ] {
            assert_eq!(slug(text, 16), expected);
        }
    }

    proptest! {
        #[test]
        fn quoted_texts_come_back(text in any::<String>()) {
            let yaml = format!("a: {}\nb: [{}]\n", quoted(&text), quoted(&text));
            let document = &parse(&Source::new("t", yaml), Limits::default()).unwrap()[0];
            let a = document.get("a").and_then(|node| node.as_text()).unwrap();
            prop_assert_eq!(a.replace("$$", "$"), text);
        }

        #[test]
        fn slugs_are_labels(text in any::<String>(), most in 1usize..40) {
            let slug = slug(&text, most.max(4));
            prop_assert!(is_dns_label(&slug, most.max(4)), "{slug}");
        }
    }
}
