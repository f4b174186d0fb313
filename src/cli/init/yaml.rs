//! Texts of the written files.

use crate::text::scalar::quoted_unless_plain;

/// A text in YAML, with every dollar sign doubled, since compose files interpolate.
pub fn quoted(text: &str) -> String {
    quoted_unless_plain(&text.replace('$', "$$"))
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
    use crate::text::dns::is_label_within;
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
            prop_assert!(is_label_within(&slug, most.max(4)), "{slug}");
        }
    }
}
