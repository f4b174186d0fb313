//! Values: JSON, plus *unknown* (an output of another object that is not known yet) and *sensitive* (a secret, of which
//! only a keyed digest ever leaves the process).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number};
use sha2::{Digest as _, Sha256};

use super::address::Address;
use super::fields::Fields;

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A key of an object.
    Key(String),
    /// An item of a list, by position.
    Index(usize),
    /// An item of a keyed list, by the value of its key (a container by its name).
    Item(String),
}

/// A place inside a value; prints as `spec.template.spec.containers[gitea].image`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(pub Vec<Segment>);

impl Path {
    /// The value itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// As the JSON pointer that `ignoreChanges` uses.
    pub fn to_pointer(&self) -> String {
        self.0.iter().fold(String::new(), |mut pointer, segment| {
            pointer.push('/');
            match segment {
                Segment::Key(key) | Segment::Item(key) => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
                Segment::Index(index) => pointer.push_str(&index.to_string()),
            }
            pointer
        })
    }

    /// One key further.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(Segment::Key(key.to_owned()))
    }

    /// One step further.
    #[must_use]
    pub fn then(&self, segment: Segment) -> Self {
        let mut path = self.clone();
        path.0.push(segment);
        path
    }

    /// Whether a pattern such as `spec.template.**` or `spec.ports.*.port` covers this place: `*` is any one step, a
    /// trailing `**` any number of steps. A pattern also covers everything below what it names when it ends in `**` only.
    pub fn matches(&self, pattern: &str) -> bool {
        let mut steps = self.0.iter();
        let mut parts = pattern.split('.').peekable();
        while let Some(part) = parts.next() {
            if part == "**" && parts.peek().is_none() {
                return true;
            }
            let Some(step) = steps.next() else { return false };
            let fits = part == "*"
                || match step {
                    Segment::Key(key) | Segment::Item(key) => key == part,
                    Segment::Index(index) => part.parse() == Ok(*index),
                };
            if !fits {
                return false;
            }
        }
        steps.next().is_none()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Item(item) => write!(f, "[{item}]")?,
                Segment::Key(key) if key.contains(['.', '/', '[', ' ']) => write!(f, "[\"{key}\"]")?,
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

impl Serialize for Path {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An output of another object: where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reference {
    /// The object whose output it is.
    pub address: Address,
    /// JSON pointer into that object's outputs, such as `/principalId`.
    pub output: String,
}

/// A secret. Its digest is kept; its text lives in this process only, and only where this process read it.
#[derive(Clone)]
pub struct Sensitive {
    /// `hmac-sha256:…` under the key of the state.
    pub digest: String,
    /// What may be seen of it: the text with its secrets covered. None where nothing may be seen.
    pub shown: Option<Arc<str>>,
    plain: Option<Arc<str>>,
}

impl Sensitive {
    /// A secret whose text is at hand.
    pub fn new(plain: impl Into<Arc<str>>, digest: String) -> Self {
        Self { digest, shown: None, plain: Some(plain.into()) }
    }

    /// A secret known by its digest only.
    pub fn digest_only(digest: String) -> Self {
        Self { digest, shown: None, plain: None }
    }

    /// A text some lines of which are secrets; none if none is. In place of each stands a part of its keyed digest, so that
    /// a change of it shows.
    pub fn lines(text: &str, digest: &dyn Fn(&str) -> String) -> Option<Self> {
        let covered = crate::text::secret::covered(text, &|secret| {
            let digest = digest(secret);
            let (_, hexadecimal) = digest.rsplit_once(':').unwrap_or(("", &digest));
            format!("(sensitive {})", hexadecimal.get(..8).unwrap_or(hexadecimal))
        })?;
        Some(Self { digest: digest(text), shown: Some(covered.into()), plain: None })
    }

    /// The same secret with its text at hand.
    #[must_use]
    pub fn with_plain(self, plain: impl Into<Arc<str>>) -> Self {
        Self { plain: Some(plain.into()), ..self }
    }

    /// The text, where this process has it.
    pub fn expose(&self) -> Option<&str> {
        self.plain.as_deref()
    }
}

impl PartialEq for Sensitive {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(sensitive)")
    }
}

/// A value of a plan. A large plan is made of millions: what is rare is kept elsewhere, what does not grow has no room to.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Value {
    /// Null.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    String(Box<str>),
    /// A list.
    Array(Box<[Value]>),
    /// An object; keys sorted, so that printing and digests are stable.
    Object(Fields<Value>),
    /// Not known before `Reference` is.
    Unknown(Box<Reference>),
    /// A secret.
    Sensitive(Box<Sensitive>),
}

/// Why a value cannot be sent to a provider yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveValueError {
    /// An output that it waits for is not there.
    #[error("the output {} of {} is not known", reference.output, reference.address)]
    Unknown {
        /// The output.
        reference: Reference,
    },
    /// A secret of which only the digest is at hand.
    #[error("the secret at {path} is not at hand; it is read from the project's own files only")]
    SecretMissing {
        /// Where it is needed.
        path: String,
    },
}

/// The key under which a sensitive value stands in stored JSON.
const SENSITIVE: &str = "$sensitive";
/// The key beside it under which stands what may be seen of it.
const SHOWN: &str = "$shown";
/// The key under which an unknown value stands in stored JSON.
const UNKNOWN: &str = "$unknown";

impl Value {
    /// An empty object.
    pub fn object() -> Self {
        Self::Object(Fields::new())
    }

    /// The output `output` (a JSON pointer) of another object.
    pub fn output(address: &Address, output: &str) -> Self {
        Self::Unknown(Box::new(Reference { address: address.clone(), output: output.to_owned() }))
    }

    /// A secret.
    pub fn sensitive(secret: Sensitive) -> Self {
        Self::Sensitive(Box::new(secret))
    }

    /// The value under `key`, if it is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Object(map) => map.get(key),
            _ => None,
        }
    }

    /// The value at keys `keys`, each one deeper.
    pub fn at(&self, keys: &[&str]) -> Option<&Value> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The text, if it is one (a secret is not).
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Puts `value` at `keys`, making objects on the way; what is there and no object is replaced.
    pub fn set(&mut self, keys: &[&str], value: Value) {
        let Some((first, rest)) = keys.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self, Self::Object(_)) {
            *self = Self::object();
        }
        if let Self::Object(map) = self {
            map.entry(first).set(rest, value);
        }
    }

    /// Whether it is null or an empty object or list: what an API leaves out.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Array(items) => items.is_empty(),
            Self::Object(map) => map.is_empty(),
            _ => false,
        }
    }

    /// Calls `visit` for every unknown leaf.
    pub fn references<'a>(&'a self, visit: &mut dyn FnMut(&'a Reference)) {
        match self {
            Self::Unknown(reference) => visit(reference),
            Self::Array(items) => items.iter().for_each(|item| item.references(visit)),
            Self::Object(map) => map.values().for_each(|value| value.references(visit)),
            _ => {}
        }
    }

    /// Whether anything in it is still unknown.
    pub fn has_unknown(&self) -> bool {
        let mut found = false;
        self.references(&mut |_| found = true);
        found
    }

    /// Replaces every unknown that `lookup` knows; the others stay.
    #[must_use]
    pub fn resolve(&self, lookup: &dyn Fn(&Reference) -> Option<Value>) -> Value {
        match self {
            Self::Unknown(reference) => lookup(reference).unwrap_or_else(|| self.clone()),
            Self::Array(items) => Self::Array(items.iter().map(|item| item.resolve(lookup)).collect()),
            Self::Object(map) => Self::Object(map.iter().map(|(key, value)| (key, value.resolve(lookup))).collect()),
            other => other.clone(),
        }
    }

    /// The plain JSON to send to a provider, secrets in clear. Never store or print the result.
    ///
    /// # Errors
    /// Something is unknown still, or a secret is not at hand.
    pub fn to_request(&self) -> Result<serde_json::Value, ResolveValueError> {
        self.request_at(&Path::root())
    }

    fn request_at(&self, path: &Path) -> Result<serde_json::Value, ResolveValueError> {
        Ok(match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Number(number) => serde_json::Value::Number(number.clone()),
            Self::String(text) => text.as_ref().into(),
            Self::Array(items) => {
                let items = items.iter().enumerate().map(|(i, item)| item.request_at(&path.then(Segment::Index(i))));
                serde_json::Value::Array(items.collect::<Result<_, _>>()?)
            }
            Self::Object(map) => {
                let entries = map.iter().map(|(key, value)| Ok((key.to_owned(), value.request_at(&path.key(key))?)));
                serde_json::Value::Object(entries.collect::<Result<Map<_, _>, ResolveValueError>>()?)
            }
            Self::Unknown(reference) => {
                return Err(ResolveValueError::Unknown { reference: reference.as_ref().clone() });
            }
            Self::Sensitive(secret) => match secret.expose() {
                Some(plain) => plain.into(),
                None => return Err(ResolveValueError::SecretMissing { path: path.to_string() }),
            },
        })
    }

    /// The form that may be stored: a secret is its digest, an unknown its reference. Keys that begin with `$` get one
    /// more, so that no user's key can be taken for either.
    pub fn to_stored(&self) -> serde_json::Value {
        let tagged =
            |key: &str, value: serde_json::Value| serde_json::Value::Object(Map::from_iter([(key.to_owned(), value)]));
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Number(number) => serde_json::Value::Number(number.clone()),
            Self::String(text) => text.as_ref().into(),
            Self::Array(items) => items.iter().map(Self::to_stored).collect(),
            Self::Object(map) => {
                let escape = |key: &str| if key.starts_with('$') { format!("${key}") } else { key.to_owned() };
                serde_json::Value::Object(map.iter().map(|(key, value)| (escape(key), value.to_stored())).collect())
            }
            Self::Unknown(reference) => {
                tagged(UNKNOWN, serde_json::json!({"address": reference.address, "output": reference.output}))
            }
            Self::Sensitive(secret) => {
                let mut stored = tagged(SENSITIVE, secret.digest.as_str().into());
                if let Some(shown) = &secret.shown {
                    stored[SHOWN] = shown.as_ref().into();
                }
                stored
            }
        }
    }

    /// The value whose stored form this is.
    pub fn from_stored(stored: &serde_json::Value) -> Self {
        if let serde_json::Value::Object(map) = stored
            && map.len() == 2
            && let (Some(digest), Some(shown)) = (map.get(SENSITIVE), map.get(SHOWN))
            && let (Some(digest), Some(shown)) = (digest.as_str(), shown.as_str())
        {
            let secret = Sensitive::digest_only(digest.to_owned());
            return Self::sensitive(Sensitive { shown: Some(shown.into()), ..secret });
        }
        if let serde_json::Value::Object(map) = stored
            && map.len() == 1
        {
            if let Some(serde_json::Value::String(digest)) = map.get(SENSITIVE) {
                return Self::sensitive(Sensitive::digest_only(digest.clone()));
            }
            if let Some(reference) = map.get(UNKNOWN).and_then(|value| serde_json::from_value(value.clone()).ok()) {
                return Self::Unknown(reference);
            }
        }
        Self::convert(
            stored,
            &|key| key.strip_prefix('$').filter(|rest| rest.starts_with('$')).unwrap_or(key),
            &Self::from_stored,
        )
    }

    fn convert(
        json: &serde_json::Value,
        unescape: &dyn Fn(&str) -> &str,
        inner: &dyn Fn(&serde_json::Value) -> Value,
    ) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => Self::Number(number.clone()),
            serde_json::Value::String(text) => Self::String(text.as_str().into()),
            serde_json::Value::Array(items) => Self::Array(items.iter().map(inner).collect()),
            serde_json::Value::Object(map) => {
                Self::Object(map.iter().map(|(key, value)| (unescape(key), inner(value))).collect())
            }
        }
    }

    /// Whether this text is the stored form of the value, to the letter. A no may be over-cautious (keys that begin with
    /// `$`), a yes never is.
    pub fn is_stored_as(&self, text: &str) -> bool {
        serde_json::to_string(&StoredForm(self)).is_ok_and(|own| own == text)
    }

    /// A digest of the stored form: equal values have equal digests, and no secret can be guessed from it because the
    /// stored form holds keyed digests only.
    pub fn digest(&self) -> String {
        digest_json(&self.to_stored())
    }
}

/// A value on its way to its stored form, without a tree in between.
struct StoredForm<'a>(&'a Value);

impl Serialize for StoredForm<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(number) => number.serialize(serializer),
            Value::String(text) => serializer.serialize_str(text),
            Value::Array(items) => serializer.collect_seq(items.iter().map(StoredForm)),
            Value::Object(fields) => serializer.collect_map(fields.iter().map(|(key, value)| {
                let escaped = if key.starts_with('$') { format!("${key}").into() } else { Cow::Borrowed(key) };
                (escaped, StoredForm(value))
            })),
            Value::Unknown(reference) => serializer.collect_map([(UNKNOWN, reference)]),
            Value::Sensitive(secret) => {
                let shown = secret.shown.as_deref().map(|shown| (SHOWN, shown));
                serializer.collect_map(std::iter::once((SENSITIVE, secret.digest.as_str())).chain(shown))
            }
        }
    }
}

/// SHA-256 of JSON with sorted keys, as `sha256:<hex>`.
pub fn digest_json(json: &serde_json::Value) -> String {
    let mut hasher = Sha256::new();
    // Serialising a JSON value whose keys are strings cannot fail, and serde_json keeps keys sorted.
    hasher.update(serde_json::to_vec(json).unwrap_or_default());
    format!("sha256:{}", hex(&hasher.finalize()))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)] as char, DIGITS[usize::from(b & 15)] as char]).collect()
}

impl From<&serde_json::Value> for Value {
    fn from(json: &serde_json::Value) -> Self {
        Self::convert(json, &|key| key, &|inner| Self::from(inner))
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => Self::Number(number),
            serde_json::Value::String(text) => Self::String(text.into()),
            serde_json::Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(map) => {
                Self::Object(map.into_iter().map(|(key, value)| (key, value.into())).collect())
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(value.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::object::ObjectText;
    use proptest::prelude::*;

    fn secret(text: &str) -> Value {
        Value::sensitive(Sensitive::new(text, format!("hmac-sha256:{}", text.len())))
    }

    #[test]
    fn stored_form_holds_no_secret_and_comes_back() {
        let mut value = Value::object();
        value.set(&["a", "$odd"], secret("hunter2"));
        value.set(&["b"], Value::output(&Address::new("/ws/o", "k", "n"), "/id"));
        let stored = value.to_stored();
        assert!(!stored.to_string().contains("hunter2"));
        assert_eq!(Value::from_stored(&stored), value);
        assert!(!format!("{value:?}").contains("hunter2"));
    }

    #[test]
    fn a_request_needs_every_unknown_and_secret() {
        let address = Address::new("/ws/o", "k", "n");
        let mut value = Value::object();
        value.set(&["id"], Value::output(&address, "/id"));
        assert!(value.has_unknown());
        assert!(value.to_request().is_err());
        let known = value.resolve(&|r| (r.output == "/id").then(|| "x".into()));
        assert_eq!(known.to_request().unwrap(), serde_json::json!({"id": "x"}));
        let digest_only = Value::sensitive(Sensitive::digest_only("d".into()));
        assert!(digest_only.to_request().is_err());
    }

    #[test]
    fn paths_print_and_match() {
        let path = Path(vec![
            Segment::Key("spec".into()),
            Segment::Key("containers".into()),
            Segment::Item("gitea".into()),
            Segment::Key("image".into()),
        ]);
        assert_eq!(path.to_string(), "spec.containers[gitea].image");
        assert!(path.matches("spec.containers.*.image"));
        assert!(path.matches("spec.**"));
        assert!(!path.matches("spec.containers"));
        assert_eq!(Path::root().key("metadata").key("a.b/c").to_string(), "metadata[\"a.b/c\"]");
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i32>().prop_map(Into::into),
            "\\PC{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::Array),
                prop::collection::btree_map("[$a-c]{1,3}|\\$sensitive|\\$unknown", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_stored_or_observed_is_known_again(json in json(), other in json()) {
            let (value, stranger) = (Value::from(&json), Value::from(&other));
            let digest = |text: &str| text.to_owned();
            let wrapped = Value::Object([("a".to_owned(), value.clone())].into_iter().collect());
            let seen = ObjectText::from(serde_json::json!({"a": json}));
            prop_assert!(seen.has(&wrapped, &digest));
            // The quick answer may be a cautious no, never a wrong yes.
            let stored = value.to_stored().to_string();
            prop_assert!(!stranger.is_stored_as(&stored) || stranger == value);
            prop_assert!(value.is_stored_as(&stored) || json.to_string().contains('$'));
        }

        #[test]
        fn any_json_survives_storage(json in json()) {
            let value = Value::from(&json);
            prop_assert_eq!(Value::from_stored(&value.to_stored()), value.clone());
            prop_assert_eq!(value.to_request().unwrap(), json);
        }
    }
}
