//! Parts of a JSON text. An output or two are kept of an object of many fields: only these are made.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

/// What is at each of some JSON pointers ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)) in a text, in their order;
/// `None` for one that leads nowhere. Of a text that is no JSON to its end, nothing is given.
pub(super) fn parts(text: &str, pointers: &[&str]) -> Vec<Option<Json>> {
    let mut found = vec![None; pointers.len()];
    if pointers.is_empty() {
        return found;
    }
    let wanted = pointers.iter().copied().enumerate().collect();
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Below { wanted, found: &mut found }.deserialize(&mut reader).and_then(|()| reader.end());
    if read.is_err() {
        found.fill(None);
    }
    found
}

/// What is wanted of a value: of each pointer what is left of it here.
struct Below<'a> {
    wanted: Vec<(usize, &'a str)>,
    found: &'a mut [Option<Json>],
}

impl<'a> Below<'a> {
    /// What is wanted of the part with this name.
    fn of(&self, name: &str) -> Vec<(usize, &'a str)> {
        let rest = |pointer: &'a str| {
            let steps = pointer.strip_prefix('/')?;
            let (step, rest) = steps.split_at(steps.find('/').unwrap_or(steps.len()));
            (unescaped(step) == name).then_some(rest)
        };
        self.wanted.iter().filter_map(|(place, pointer)| Some((*place, rest(pointer)?))).collect()
    }
}

/// A step as the name that it stands for.
fn unescaped(step: &str) -> Cow<'_, str> {
    if step.contains('~') { step.replace("~1", "/").replace("~0", "~").into() } else { step.into() }
}

impl<'de> DeserializeSeed<'de> for Below<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.wanted.iter().all(|(_, rest)| !rest.is_empty()) {
            return deserializer.deserialize_any(self);
        }
        let whole: Json = serde::Deserialize::deserialize(deserializer)?;
        for (place, rest) in self.wanted {
            self.found[place] = whole.pointer(rest).cloned();
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Below<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(name) = fields.next_key::<Cow<'_, str>>()? {
            let wanted = self.of(&name);
            if wanted.is_empty() {
                fields.next_value::<IgnoredAny>()?;
            } else {
                fields.next_value_seed(Below { wanted, found: &mut *self.found })?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for place in 0.. {
            let wanted = self.of(&usize::to_string(&place));
            let next = Below { wanted, found: &mut *self.found };
            if items.next_element_seed(next)?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_part_is_found_wherever_it_is() {
        let object = json!({"a": {"b": [1, {"c": null}], "x/y~": "z"}, "": 3, "n": "text"});
        let pointers =
            ["/a/b/1/c", "/a/b/1", "/a", "/a/x~1y~0", "/", "", "/n/0", "/a/b/2", "/a/b/-", "/missing", "/a/b/01"];
        let expected: Vec<_> = pointers.iter().map(|pointer| object.pointer(pointer).cloned()).collect();
        assert_eq!(parts(&object.to_string(), &pointers), expected);
        assert_eq!(expected.iter().flatten().count(), 6);
    }

    #[test]
    fn a_text_that_ends_early_has_no_parts() {
        assert_eq!(parts(r#"{"a": 1, "b": "#, &["/a"]), [None]);
        assert_eq!(parts(r#"{"a": 1} x"#, &["/a"]), [None]);
        assert_eq!(parts("", &[]), []);
    }

    proptest! {
        #[test]
        fn as_in_the_tree(names in prop::collection::vec("[ab0-1]{1,2}", 1..4), values in prop::collection::vec(0..9u8, 4)) {
            let mut object = json!({});
            for (at, value) in values.iter().enumerate() {
                let name = &names[at % names.len()];
                object[name] = match value % 3 {
                    0 => json!(value),
                    1 => json!([value, {"a": value}]),
                    _ => json!({"a": [value], "0": {"b": value}}),
                };
            }
            let pointers: Vec<String> = names
                .iter()
                .flat_map(|name| ["", "/a", "/0", "/1/a", "/a/0", "/0/b", "/b"].map(|rest| format!("/{name}{rest}")))
                .collect();
            let pointers: Vec<&str> = pointers.iter().map(String::as_str).collect();
            let expected: Vec<_> = pointers.iter().map(|pointer| object.pointer(pointer).cloned()).collect();
            prop_assert_eq!(parts(&object.to_string(), &pointers), expected);
        }
    }
}
