//! Answers that are lists, read item by item: as a tree in memory a page is many times as long as its text.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Takes the items of a page.
pub(super) trait Items: Sync {
    /// A page begins; what came of one before it was no answer.
    fn begin(&self);

    /// Takes an item.
    fn take(&self, item: Item);
}

/// An object of a list. Who wrote its fields is often longer than the rest of it and seldom asked for: it stays text.
#[derive(Clone)]
pub(super) struct Item {
    /// The object without its `metadata.managedFields`.
    pub object: Value,
    /// These, as they were written.
    pub managed_fields: Option<Box<RawValue>>,
}

/// What is picked from the items of a page.
pub(super) struct Picked<T, F> {
    pick: F,
    page: Mutex<Vec<T>>,
}

impl<T, F: Fn(Item) -> Option<T>> Picked<T, F> {
    /// Nothing yet.
    pub(super) fn by(pick: F) -> Self {
        Self { pick, page: Mutex::default() }
    }

    /// What the page gave; nothing is left.
    pub(super) fn of_page(&self) -> Vec<T> {
        std::mem::take(&mut self.page.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T: Send, F: Fn(Item) -> Option<T> + Sync> Items for Picked<T, F> {
    fn begin(&self) {
        drop(self.of_page());
    }

    fn take(&self, item: Item) {
        let picked = (self.pick)(item);
        self.page.lock().unwrap_or_else(PoisonError::into_inner).extend(picked);
    }
}

/// Reads a page, hands its items over, and gives the rest of it: where there were items, even none, is a null.
///
/// # Errors
/// It is no list, or cut off; some of its items may have been handed over before that.
pub(super) fn read(text: &[u8], items: &dyn Items) -> serde_json::Result<Value> {
    items.begin();
    let mut reader = serde_json::Deserializer::from_slice(text);
    let rest = Page(items).deserialize(&mut reader)?;
    reader.end()?;
    Ok(rest)
}

struct Page<'a>(&'a dyn Items);

impl<'de> DeserializeSeed<'de> for Page<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Page<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut rest = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let value = if name == "items" {
                fields.next_value_seed(Each(self.0))?;
                Value::Null
            } else {
                fields.next_value()?
            };
            rest.insert(name, value);
        }
        Ok(Value::Object(rest))
    }
}

struct Each<'a>(&'a dyn Items);

impl<'de> DeserializeSeed<'de> for Each<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Each<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the items of a list")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element()? {
            self.0.take(item);
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut managed_fields = None;
        let object = Apart { managed_fields: &mut managed_fields, metadata: false }.deserialize(deserializer)?;
        Ok(Self { object, managed_fields })
    }
}

/// An object, or its metadata, of which the managed fields are kept apart.
struct Apart<'a> {
    managed_fields: &'a mut Option<Box<RawValue>>,
    /// It is the metadata, which has them.
    metadata: bool,
}

impl<'de> DeserializeSeed<'de> for Apart<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Apart<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.metadata { "the metadata of an object" } else { "an object of a list" })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let value = match (self.metadata, name.as_str()) {
                (true, "managedFields") => {
                    *self.managed_fields = Some(fields.next_value()?);
                    continue;
                }
                (false, "metadata") => {
                    let managed_fields = &mut *self.managed_fields;
                    fields.next_value_seed(Apart { managed_fields, metadata: true })?
                }
                _ => fields.next_value()?,
            };
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_all(text: &str) -> (Result<Value, String>, Vec<Value>) {
        let taken = Picked::by(|item| Some(item.object));
        let rest = read(text.as_bytes(), &taken);
        (rest.map_err(|error| error.to_string()), taken.of_page())
    }

    #[test]
    fn items_are_handed_over_and_the_rest_is_given() {
        let (rest, taken) =
            read_all(r#"{"kind": "PodList", "items": [{"a": 1}, {"a": 2}], "metadata": {"continue": "x"}}"#);
        assert_eq!(rest.unwrap(), json!({"kind": "PodList", "items": null, "metadata": {"continue": "x"}}));
        assert_eq!(taken, [json!({"a": 1}), json!({"a": 2})]);
        // Go writes a null for a list that was never made.
        assert_eq!(read_all(r#"{"items": null}"#), (Ok(json!({"items": null})), Vec::new()));
        assert_eq!(read_all(r#"{"items": []}"#), (Ok(json!({"items": null})), Vec::new()));
        // Whether something without items is an answer is for others to say.
        assert_eq!(read_all(r#"{"kind": "Status"}"#), (Ok(json!({"kind": "Status"})), Vec::new()));
    }

    #[test]
    fn who_wrote_the_fields_stays_as_it_was_written() {
        let taken = Picked::by(|item: Item| Some((item.object, item.managed_fields.map(|text| text.get().to_owned()))));
        let text = r#"{"items": [
            {"metadata": {"name": "n", "managedFields": [ {"manager": "m"}] , "uid": "u"}, "spec": {"managedFields": 1}},
            {"metadata": {}}, {}
        ]}"#;
        read(text.as_bytes(), &taken).unwrap();
        let first = json!({"metadata": {"name": "n", "uid": "u"}, "spec": {"managedFields": 1}});
        let managed = r#"[ {"manager": "m"}]"#.to_owned();
        assert_eq!(taken.of_page(), [(first, Some(managed)), (json!({"metadata": {}}), None), (json!({}), None)]);
        for text in [r#"{"items": [1]}"#, r#"{"items": [{"metadata": "x"}]}"#] {
            assert!(read_all(text).0.is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_list_or_cut_off_is_an_error() {
        let taken = Picked::by(|item: Item| item.object["a"].as_u64());
        assert!(read(br#"{"items": [{"a": 1}, {"a": 2}, {"#, &taken).is_err());
        // The next try begins anew.
        read(br#"{"items": [{"a": 1}, {"b": 2}]}"#, &taken).unwrap();
        assert_eq!(taken.of_page(), [1]);
        for text in ["", "[]", "null", r#"{"items": "x"}"#, r#"{"items": [{"a": 1}, {"a""#, r#"{"items": []} more"#] {
            assert!(read_all(text).0.is_err(), "{text}");
        }
    }
}
