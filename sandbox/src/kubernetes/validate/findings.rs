//! What is wrong with one object, as the API server words it
//! (`k8s.io/apimachinery/pkg/util/validation/field/errors.go`).

use serde_json::Value;

use super::super::status::Cause;
use super::names::{SUBDOMAIN_RULE, is_dns_subdomain};

/// Collects what is wrong with one object.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) causes: Vec<Cause>,
}

impl Findings {
    pub(super) fn required(&mut self, field: impl Into<String>, hint: &str) {
        let message = if hint.is_empty() { "Required value".to_owned() } else { format!("Required value: {hint}") };
        self.causes.push(Cause { reason: "FieldValueRequired", message, field: field.into() });
    }

    pub(super) fn invalid(&mut self, field: impl Into<String>, value: &Value, why: &str) {
        let message = format!("Invalid value: {value}: {why}");
        self.causes.push(Cause { reason: "FieldValueInvalid", message, field: field.into() });
    }

    pub(super) fn unsupported(&mut self, field: impl Into<String>, value: &str, supported: &[&str]) {
        let list: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        let message = format!("Unsupported value: {value:?}: supported values: {}", list.join(", "));
        self.causes.push(Cause { reason: "FieldValueNotSupported", message, field: field.into() });
    }

    pub(super) fn duplicate(&mut self, field: impl Into<String>, value: &str) {
        let message = format!("Duplicate value: {value:?}");
        self.causes.push(Cause { reason: "FieldValueDuplicate", message, field: field.into() });
    }

    pub(super) fn too_long(&mut self, field: impl Into<String>, most: usize) {
        let message = format!("Too long: may not be more than {most} bytes");
        self.causes.push(Cause { reason: "FieldValueTooLong", message, field: field.into() });
    }

    /// A number that must not be negative.
    pub(super) fn not_negative(&mut self, field: impl Into<String>, value: Option<&Value>) {
        if let Some(value) = value.filter(|value| value.as_i64().is_some_and(|number| number < 0)) {
            self.invalid(field, value, "must be greater than or equal to 0");
        }
    }

    /// A name that other objects have.
    pub(super) fn subdomain(&mut self, field: impl Into<String>, name: &str) {
        if !is_dns_subdomain(name) {
            self.invalid(field, &name.into(), SUBDOMAIN_RULE);
        }
    }

    /// One of a few words, if there is any.
    pub(super) fn one_of(&mut self, field: impl Into<String>, word: &str, words: &[&str]) {
        if !word.is_empty() && !words.contains(&word) {
            self.unsupported(field, word, words);
        }
    }

    pub(super) fn not_found(&mut self, field: impl Into<String>, value: &str) {
        let message = format!("Not found: {value:?}");
        self.causes.push(Cause { reason: "FieldValueNotFound", message, field: field.into() });
    }

    pub(super) fn forbidden(&mut self, field: impl Into<String>, why: &str) {
        let message = format!("Forbidden: {why}");
        self.causes.push(Cause { reason: "FieldValueForbidden", message, field: field.into() });
    }
}
