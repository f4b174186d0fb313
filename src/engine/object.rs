//! Observed objects as text. A plan holds many thousand of them from the first look to the last check, and looks into
//! most of them once: a tree per object would cost several times the memory of its content.

use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value as Json};

use super::fields::Fields;
use super::parts::parts;
use super::value::Value;

/// An object as a provider gave it, secrets in clear; or that nothing was seen of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ObjectText(Option<Box<str>>);

impl ObjectText {
    /// Nothing was seen of it.
    pub const fn unseen() -> Self {
        Self(None)
    }

    /// Whether nothing was seen of it.
    pub fn is_unseen(&self) -> bool {
        self.0.is_none()
    }

    /// The whole object; null where nothing was seen of it. It is made anew each time.
    pub fn value(&self) -> Json {
        // The text was written from a value, so that it is one.
        self.0.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// What is at each of some JSON pointers, in their order; `None` for one that leads nowhere.
    pub fn parts(&self, pointers: &[&str]) -> Vec<Option<Json>> {
        parts(self.0.as_deref().unwrap_or("null"), pointers)
    }

    /// Whether the object has all of a value, to the letter; it may have more beside it in objects. `digest` is the keyed
    /// digest of a secret. Reads along the text and keeps nothing of it.
    pub fn has(&self, wanted: &Value, digest: &dyn Fn(&str) -> String) -> bool {
        let Some(text) = self.0.as_deref() else { return false };
        Wanted { value: wanted, digest }.deserialize(&mut serde_json::Deserializer::from_str(text)).is_ok()
    }
}

impl From<Json> for ObjectText {
    fn from(object: Json) -> Self {
        // Straight into bytes: a formatter would look at every piece again.
        let text = || serde_json::to_string(&object).unwrap_or_else(|_| object.to_string());
        Self((!object.is_null()).then(|| text().into()))
    }
}

impl fmt::Debug for ObjectText {
    /// Hides it: it may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_unseen() { "(unseen)" } else { "(object)" })
    }
}

/// A value that must be in what is read; an error where it is not.
struct Wanted<'a> {
    value: &'a Value,
    digest: &'a dyn Fn(&str) -> String,
}

impl Wanted<'_> {
    fn is<E: Error>(same: bool) -> Result<(), E> {
        if same { Ok(()) } else { Err(E::custom("it differs")) }
    }

    fn number<E: Error>(&self, number: Option<Number>) -> Result<(), E> {
        Self::is(matches!((self.value, number), (Value::Number(own), Some(other)) if *own == other))
    }
}

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what is wanted")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Self::is(matches!(self.value, Value::Null))
    }

    fn visit_bool<E: Error>(self, other: bool) -> Result<(), E> {
        Self::is(matches!(self.value, Value::Bool(own) if *own == other))
    }

    fn visit_u64<E: Error>(self, other: u64) -> Result<(), E> {
        self.number(Some(other.into()))
    }

    fn visit_i64<E: Error>(self, other: i64) -> Result<(), E> {
        self.number(Some(other.into()))
    }

    fn visit_f64<E: Error>(self, other: f64) -> Result<(), E> {
        self.number(Number::from_f64(other))
    }

    fn visit_str<E: Error>(self, other: &str) -> Result<(), E> {
        Self::is(match self.value {
            Value::String(own) => **own == *other,
            Value::Sensitive(secret) => secret.digest == (self.digest)(other),
            _ => false,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Value::Array(wanted) = self.value else { return Self::is(false) };
        for value in wanted {
            Self::is(items.next_element_seed(Wanted { value, digest: self.digest })?.is_some())?;
        }
        Self::is(items.next_element::<IgnoredAny>()?.is_none())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let Value::Object(wanted) = self.value else { return Self::is(false) };
        let mut missing = wanted.len();
        // The text was written from a map: no name comes twice.
        while let Some(found) = fields.next_key_seed(Named(wanted))? {
            match found {
                Some(value) => {
                    fields.next_value_seed(Wanted { value, digest: self.digest })?;
                    missing -= 1;
                }
                None => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Self::is(missing == 0)
    }
}

/// Reads the name of a field and gives the value that is wanted of it, if any is.
struct Named<'a>(&'a Fields<Value>);

impl<'de, 'a> DeserializeSeed<'de> for Named<'a> {
    type Value = Option<&'a Value>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Named<'a> {
    type Value = Option<&'a Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.get(name))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::engine::value::Sensitive;

    /// The same on trees, as it is meant.
    fn is_in(wanted: &Value, object: &Json, digest: &dyn Fn(&str) -> String) -> bool {
        match (wanted, object) {
            (Value::Object(a), Json::Object(b)) => {
                a.iter().all(|(key, value)| b.get(key).is_some_and(|other| is_in(value, other, digest)))
            }
            (Value::Array(a), Json::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_in(a, b, digest))
            }
            (Value::Sensitive(secret), Json::String(text)) => secret.digest == digest(text),
            (Value::Sensitive(_) | Value::Unknown(_), _) => false,
            (wanted, object) => *wanted == Value::from(object),
        }
    }

    fn keyed(text: &str) -> String {
        format!("hmac-sha256:{text}")
    }

    #[test]
    fn what_was_not_seen_has_nothing() {
        let unseen = ObjectText::from(Json::Null);
        assert!(unseen.is_unseen() && unseen.value().is_null());
        assert!(!unseen.has(&Value::Null, &keyed) && !unseen.has(&Value::object(), &keyed));
    }

    #[test]
    fn a_secret_is_known_by_its_digest_and_never_shown() {
        let mut wanted = Value::object();
        wanted.set(&["data"], Value::sensitive(Sensitive::digest_only(keyed("hunter2"))));
        let seen = ObjectText::from(json!({"data": "hunter2", "more": [1, {"a": null}]}));
        assert!(seen.has(&wanted, &keyed) && !format!("{seen:?}").contains("hunter2"));
        for other in [json!({"data": "hunter3"}), json!({"data": 2}), json!({}), json!(["hunter2"])] {
            assert!(!ObjectText::from(other).has(&wanted, &keyed));
        }
    }

    fn object() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Into::into),
            (-2i64..3).prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            "[a-b\u{e9}\"]{0,2}".prop_map(Into::into),
        ];
        let tree = leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Json::Array),
                prop::collection::btree_map("[a-c]", inner, 0..3)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        });
        prop::collection::btree_map("[a-c]", tree, 0..3).prop_map(|map| Json::Object(map.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn along_the_text_as_in_the_tree(wanted in object(), other in object()) {
            let (value, text) = (Value::from(&wanted), ObjectText::from(other.clone()));
            prop_assert_eq!(text.has(&value, &keyed), is_in(&value, &other, &keyed));
            prop_assert_eq!(text.value(), other);
            let own = ObjectText::from(wanted.clone());
            prop_assert!(own.has(&value, &keyed));
            prop_assert_eq!(own.value(), wanted);
        }
    }
}
