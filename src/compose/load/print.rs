//! A canonical project as YAML that reads back to the same values.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Map, Value as Json};
use serde_saphyr::DoubleQuoted;

use super::scalar::{self, Value};
use crate::text::ci;
use crate::yaml::Scalar;

/// The text of a document, its `services` in the order of `services`. Its texts stay texts: what the loader would take
/// for a number, a date or the like is quoted.
///
/// # Errors
/// The serializer's own words.
pub(super) fn yaml(document: &Json, services: &[&str]) -> Result<String, String> {
    serde_saphyr::to_string(&Document(document, services)).map(ci::escape_quoted).map_err(|error| error.to_string())
}

struct Document<'a>(&'a Json, &'a [&'a str]);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(Json::Object(entries), order) = self else { return Part(self.0).serialize(serializer) };
        let mut map = serializer.serialize_map(Some(entries.len()))?;
        for (key, value) in entries {
            match value {
                Json::Object(services) if key == "services" => {
                    map.serialize_entry(key, &Services(services, order))?;
                }
                value => map.serialize_entry(&Text(key), &Part(value))?,
            }
        }
        map.end()
    }
}

/// Containers of a Pod stand in the order of the file.
struct Services<'a>(&'a Map<String, Json>, &'a [&'a str]);

impl Serialize for Services<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.1.iter().filter_map(|name| self.0.get_key_value(*name)) {
            map.serialize_entry(&Text(key), &Part(value))?;
        }
        map.end()
    }
}

struct Part<'a>(&'a Json);

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Json::String(text) => Text(text).serialize(serializer),
            Json::Array(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Part(item))?;
                }
                list.end()
            }
            Json::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(&Text(key), &Part(value))?;
                }
                map.end()
            }
            scalar => scalar.serialize(serializer),
        }
    }
}

struct Text<'a>(&'a str);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let plain = Scalar { text: self.0.to_owned(), plain: true };
        match scalar::value(&plain) {
            Value::Str(_) if !ci::is_command(self.0) => self.0.serialize(serializer),
            _ => DoubleQuoted(self.0).serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::compose::load::decode::raw;
    use crate::compose::load::parse::Lowering;
    use crate::yaml::{Limits, Source, parse};

    fn back(text: &str) -> Json {
        let node = parse(&Source::new("f", text), Limits::default()).unwrap().remove(0);
        raw(&Lowering::new(&Default::default(), 0).document(node).tree, false)
    }

    #[test]
    fn texts_stay_texts() {
        let texts = vec![
            "",
            "1.10",
            "0777",
            "0o17",
            "0x1F",
            "1_000",
            "1e3",
            "2024-01-02",
            "12:30",
            "yes",
            "true",
            "~",
            "null",
            ".inf",
            "-",
            "- a",
            "a: b",
            "a # b",
            "'",
            "\"",
            "\\",
            "a\nb\n",
            "\n\n",
            " a ",
            "a\tb",
            "<<",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a`",
            "{}",
            "[]",
            "|",
            ">",
            "\u{7f}",
            "é",
            "x-a",
        ];
        let document =
            json!({ "list": texts, "long": "word ".repeat(40), "keys": { "1.10": 1, "true": 2, "2024-01-02": 3 } });
        let text = yaml(&document, &[]).unwrap();
        assert_eq!(back(&text), document, "{text}");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(texts in proptest::collection::vec("[ -#%-~\n\té]{0,20}|[0-9_.:eExXoT+-]{0,12}", 0..6)) {
            let document = json!({ "list": texts, "map": { "a": texts } });
            let text = yaml(&document, &[]).unwrap();
            prop_assert_eq!(back(&text), document, "{}", text);
        }
    }
}
