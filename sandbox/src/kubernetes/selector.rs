//! Label selectors and field selectors of lists and watches.

use std::collections::BTreeMap;

use serde_json::Value;

use super::kinds::Resource;
use super::status::Status;

/// One requirement of a label selector.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
}

/// A parsed `labelSelector`; the empty one matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

impl LabelSelector {
    /// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    ///
    /// # Errors
    /// 400 when it is malformed.
    pub fn parse(text: &str) -> Result<Self, Status> {
        let bad = || Status::bad_request(format!("unable to parse requirement: invalid label selector {text:?}"));
        let mut requirements = Vec::new();
        for part in split_outside_parentheses(text) {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            let requirement = if let Some(key) = part.strip_prefix('!') {
                Requirement::Missing(key.trim().to_owned())
            } else if let Some(open) = part.find('(') {
                let list = part[open + 1..].strip_suffix(')').ok_or_else(bad)?;
                let values = list.split(',').map(|v| v.trim().to_owned()).collect();
                match part[..open].split_whitespace().collect::<Vec<_>>().as_slice() {
                    [key, "in"] => Requirement::In((*key).to_owned(), values),
                    [key, "notin"] => Requirement::NotIn((*key).to_owned(), values),
                    _ => return Err(bad()),
                }
            } else if let Some((key, value)) = part.split_once("!=") {
                Requirement::NotIn(key.trim().to_owned(), vec![value.trim().to_owned()])
            } else if let Some((key, value)) = part.split_once('=') {
                let value = value.strip_prefix('=').unwrap_or(value);
                Requirement::In(key.trim().to_owned(), vec![value.trim().to_owned()])
            } else {
                Requirement::Exists(part.to_owned())
            };
            if requirement.key().is_empty() || requirement.key().contains(char::is_whitespace) {
                return Err(bad());
            }
            requirements.push(requirement);
        }
        Ok(Self { requirements })
    }

    /// Whether it matches everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether labels, given as the JSON text of their map, match.
    ///
    /// # Errors
    /// The text is no JSON.
    pub fn matches_text(&self, labels: &str) -> Result<bool, serde_json::Error> {
        if self.is_empty() {
            return Ok(true);
        }
        let labels: BTreeMap<String, String> = serde_json::from_str(labels)?;
        Ok(self.requirements.iter().all(|r| r.matches(|key| labels.get(key).map(String::as_str))))
    }
}

impl Requirement {
    fn key(&self) -> &str {
        match self {
            Self::In(key, _) | Self::NotIn(key, _) | Self::Exists(key) | Self::Missing(key) => key,
        }
    }

    fn matches<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        match self {
            Self::In(key, values) => label(key).is_some_and(|have| values.iter().any(|v| v == have)),
            Self::NotIn(key, values) => label(key).is_none_or(|have| values.iter().all(|v| v != have)),
            Self::Exists(key) => label(key).is_some(),
            Self::Missing(key) => label(key).is_none(),
        }
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_u32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Whether `labels` satisfy a `LabelSelector` object (`matchLabels`, `matchExpressions`).
#[must_use]
pub fn object_matches(selector: &Value, labels: &Value) -> bool {
    let have = |key: &str| labels.get(key).and_then(Value::as_str);
    let pairs = selector.get("matchLabels").and_then(Value::as_object);
    let pairs = pairs.is_none_or(|map| map.iter().all(|(key, value)| have(key) == value.as_str()));
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    pairs && expressions.is_none_or(|list| list.iter().all(|e| expression_matches(e, have)))
}

/// Whether one `{key, operator, values}` holds (label selectors and node selector terms).
pub fn expression_matches<'l>(expression: &Value, have: impl Fn(&str) -> Option<&'l str>) -> bool {
    let key = expression.get("key").and_then(Value::as_str).unwrap_or_default();
    let values = expression.get("values").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let listed = |value: &str| values.iter().any(|v| v.as_str() == Some(value));
    match expression.get("operator").and_then(Value::as_str).unwrap_or_default() {
        "In" => have(key).is_some_and(listed),
        "NotIn" => !have(key).is_some_and(listed),
        "Exists" => have(key).is_some(),
        "DoesNotExist" => have(key).is_none(),
        _ => false,
    }
}

/// A parsed `fieldSelector`: path, value, and whether they are to be equal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<(String, String, bool)>,
}

impl FieldSelector {
    /// Reads `metadata.name=x,status.phase!=Running`.
    ///
    /// # Errors
    /// 400 when it is malformed or names a field the kind does not support.
    pub fn parse(resource: &Resource, text: &str) -> Result<Self, Status> {
        let mut terms = Vec::new();
        for part in text.split(',').filter(|p| !p.trim().is_empty()) {
            let bad = || Status::bad_request(format!("invalid field selector {part:?}"));
            let (path, value, equal) = match part.split_once("!=") {
                Some((path, value)) => (path, value, false),
                None => {
                    let (path, value) = part.split_once('=').ok_or_else(bad)?;
                    (path, value.strip_prefix('=').unwrap_or(value), true)
                }
            };
            let path = path.trim();
            let known = matches!(path, "metadata.name" | "metadata.namespace")
                || match resource.kind {
                    "Pod" => matches!(path, "status.phase" | "spec.nodeName" | "spec.serviceAccountName"),
                    "Secret" => path == "type",
                    "Namespace" => path == "status.phase",
                    "Event" => {
                        path.starts_with("involvedObject.")
                            || matches!(path, "reason" | "type" | "reportingComponent" | "source")
                    }
                    "ReplicaSet" => path == "status.replicas",
                    _ => false,
                };
            if !known {
                return Err(Status::bad_request(format!("field label not supported: {path}")));
            }
            terms.push((path.to_owned(), value.trim().to_owned(), equal));
        }
        Ok(Self { terms })
    }

    /// Whether it matches everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether the object, given as JSON text, matches.
    ///
    /// # Errors
    /// The text is no JSON.
    pub fn matches_text(&self, namespace: &str, name: &str, object: &str) -> Result<bool, serde_json::Error> {
        let mut parsed: Option<Value> = None;
        for (path, wanted, equal) in &self.terms {
            let found = match path.as_str() {
                "metadata.name" => name == wanted,
                "metadata.namespace" => namespace == wanted,
                _ => {
                    let object = match parsed.take() {
                        Some(object) => object,
                        None => serde_json::from_str(object)?,
                    };
                    let at = object.pointer(&format!("/{}", path.replace('.', "/"))).cloned().unwrap_or_default();
                    parsed = Some(object);
                    match at {
                        Value::String(text) => text == *wanted,
                        Value::Null => wanted.is_empty(),
                        Value::Bool(flag) => wanted == if flag { "true" } else { "false" },
                        other => wanted.parse::<i64>().ok().is_some_and(|number| other.as_i64() == Some(number)),
                    }
                }
            };
            if found != *equal {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_selectors_match_as_documented() {
        let labels = r#"{"app":"web","tier":"front"}"#;
        let cases = [
            ("app=web", true),
            ("app==web,tier!=back", true),
            ("app in (api, web),tier", true),
            ("app notin (web)", false),
            ("!missing", true),
            ("missing", false),
            ("missing!=x", true),
            ("", true),
        ];
        for (text, expected) in cases {
            let selector = LabelSelector::parse(text).unwrap();
            assert_eq!(selector.matches_text(labels).unwrap(), expected, "{text}");
        }
        for bad in ["a in b", "a in (b", "=x", "a b"] {
            assert!(LabelSelector::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn field_selectors_know_only_supported_fields() {
        let pods = super::super::kinds::by_plural("pods").unwrap();
        let selector = FieldSelector::parse(pods, "status.phase=Running,metadata.name!=b").unwrap();
        let pod = r#"{"status":{"phase":"Running"}}"#;
        assert!(selector.matches_text("ns", "a", pod).unwrap());
        assert!(!selector.matches_text("ns", "b", pod).unwrap());
        assert!(FieldSelector::parse(pods, "spec.foo=1").is_err());
    }
}
