//! What a record says of its object that a later run must not overlook: what must not happen to it, and how far it has
//! come.
//!
//! Both are read strictly: a key that is missing, unknown or of another type makes the record unreadable
//! ([`StateError::Corrupt`](crate::StateError::Corrupt)). Read leniently, whatever got lost would be a guard that no
//! longer holds.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What must not happen to an object. Kept in its record, so that deleting the block that protects it does not lift the
/// protection.
///
/// Every version wrote all four keys, so one that is missing was lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Protection {
    /// Keep the object and forget the record instead of deleting it.
    pub orphan: bool,
    /// Refuse any plan that deletes or replaces it.
    pub prevent_destroy: bool,
    /// Refuse any plan that changes it once it exists.
    pub read_only: bool,
    /// It existed before kompox knew it: never deleted, only forgotten.
    pub adopted: bool,
}

/// How far an object has come: who made it, who is at it, whether anybody saw it ready. A key that is absent says that there is nothing
/// to say; one that is not known was written by a version that may mean a guard by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// The run that last wrote the object, so that a resumed plan knows what is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The run that adopted the object but has not changed it yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importing: Option<String>,
    /// What changes when the object is deleted and made anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The run that began to change the object and has not seen the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changing: Option<String>,
    /// Nobody saw it become ready: the next plan waits for it again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unready: bool,
    /// Where it may work besides what it was applied to: a change began, and nobody saw its end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Held>,
    /// Whether kompox made it, or adopted it, only a state knew that was lost: it is never deleted, only forgotten. Unlike what
    /// was adopted it carries our mark, and all that is asked of what kompox made is asked of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unproven: bool,
    /// There is no object: a state that was lost may have known data by this address, and nobody knows which. None is made in its
    /// place until somebody adopts one, or forgets this record. Its physical id is the address.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
}

/// A place on a volume, and the part of an object that works in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The part: a container.
    pub part: String,
    /// The volume, by a name that is unique in its API.
    pub volume: String,
    /// The folder on it, empty for the whole.
    pub folder: String,
}

/// Serde would read a list as a struct too, field by field; only an object says what is what.
struct FromObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FromObject<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields))
    }
}

fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_map(FromObject(PhantomData))
}

impl<'de> Deserialize<'de> for Protection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Keys {
            orphan: bool,
            prevent_destroy: bool,
            read_only: bool,
            adopted: bool,
        }
        let Keys { orphan, prevent_destroy, read_only, adopted } = object(deserializer)?;
        Ok(Self { orphan, prevent_destroy, read_only, adopted })
    }
}

impl<'de> Deserialize<'de> for Progress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct Keys {
            run: Option<String>,
            importing: Option<String>,
            uid: Option<String>,
            changing: Option<String>,
            unready: bool,
            holds: Vec<Held>,
            unproven: bool,
            lost: bool,
        }
        let Keys { run, importing, uid, changing, unready, holds, unproven, lost } = object(deserializer)?;
        Ok(Self { run, importing, uid, changing, unready, holds, unproven, lost })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for number in 0..16 {
            let bit = |place: u32| number >> place & 1 == 1;
            let protection = Protection { orphan: bit(0), prevent_destroy: bit(1), read_only: bit(2), adopted: bit(3) };
            let text = serde_json::to_string(&protection).unwrap();
            assert_eq!(serde_json::from_str::<Protection>(&text).unwrap(), protection);
        }
        let full = Progress {
            run: Some("r".into()),
            importing: Some("i".into()),
            uid: Some("u".into()),
            changing: Some("c".into()),
            unready: true,
            holds: vec![Held { part: "p".into(), volume: "v".into(), folder: "f".into() }],
            unproven: true,
            lost: true,
        };
        for progress in [full, Progress::default()] {
            let text = serde_json::to_string(&progress).unwrap();
            assert_eq!(serde_json::from_str::<Progress>(&text).unwrap(), progress);
        }
        assert_eq!(serde_json::to_string(&Progress::default()).unwrap(), "{}");
    }

    #[test]
    fn what_cannot_be_read_never_reads_as_no_protection() {
        let whole = r#"{"adopted":false,"orphan":false,"prevent_destroy":false,"read_only":false}"#;
        assert_eq!(serde_json::from_str::<Protection>(whole).unwrap(), Protection::default());
        for text in [
            "null",
            "{}",
            "[]",
            "[false,false,false,false]",
            "false",
            "\"\"",
            r#"{"adopted":false,"orphan":false,"prevent_destroy":false}"#,
            r#"{"adopted":false,"orphan":false,"prevent_destroy":"always","read_only":false}"#,
            r#"{"adopted":false,"orphan":false,"prevent_destroy":null,"read_only":false}"#,
            r#"{"adopted":false,"orphan":false,"prevent_destroy":false,"read_only":false,"lock":true}"#,
            r#"{"adopted":false,"orphan":false,"preventDestroy":true,"read_only":false}"#,
        ] {
            assert!(serde_json::from_str::<Protection>(text).is_err(), "{text}");
        }
        for text in [
            "null",
            "[]",
            "true",
            r#"{"uid":1}"#,
            r#"{"unready":"yes"}"#,
            r#"{"later":1}"#,
            r#"{"holds":["v"]}"#,
            r#"{"unproven":"no"}"#,
            r#"{"lost":1}"#,
        ] {
            assert!(serde_json::from_str::<Progress>(text).is_err(), "{text}");
        }
    }
}
