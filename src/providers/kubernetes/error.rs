//! What a refusal means, in the engine's terms, and without a secret in it.

use std::borrow::Cow;

use base64::Engine as _;
use serde_json::Value;

use super::api::Reply;
use super::table::Location;
use crate::advice::Advice;
use crate::engine::kind::Kind;
use crate::engine::provider::{Conflict, ErrorClass, ProviderError};
use crate::engine::value::{Path, Segment};

/// Shorter values are not searched for in messages: they would blot out ordinary words.
const SHORTEST_HIDDEN: usize = 4;

/// What a request is about: says what messages may show.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The object.
    pub location: &'a Location,
    /// Its schema.
    pub kind: &'a Kind,
    /// What was sent, if anything was.
    pub desired: Option<&'a Value>,
}

/// Why objects of a kind cannot be listed, and which right is needed to list them.
pub fn unlisted(what: &str, right: &str, reply: &Reply) -> ProviderError {
    let text = format!("{what} cannot be listed: {}", reply.message());
    let error = ProviderError { status: Some(reply.status), ..ProviderError::new(ErrorClass::Denied, text) };
    error.hint(format!("the account needs the right to list {right}"))
}

/// What a 404 says is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The object.
    Object,
    /// Its Namespace.
    Namespace,
    /// The kind: the add-on that brings it is not installed.
    Kind,
}

impl Subject<'_> {
    /// What a 404 means. An API server names what it did not find; a kind that it does not serve has no name to give.
    pub fn missing(&self, reply: &Reply) -> Missing {
        match (reply.text("/details/name"), reply.text("/details/kind")) {
            (Some(_), Some("namespaces" | "Namespace")) if self.location.resource.kind != "Namespace" => {
                Missing::Namespace
            }
            (Some(_), _) => Missing::Object,
            (None, _) if reply.message().contains(&format!("\"{}\" not found", self.location.name)) => Missing::Object,
            _ => Missing::Kind,
        }
    }

    /// The error of an answer that is no success to a request about this object; `verb` says what for.
    pub fn refused(&self, verb: &str, reply: &Reply) -> ProviderError {
        self.refused_as(&format!("{verb} of {}", self.location.describe()), reply)
    }

    /// The same for a request about more than this object.
    pub fn refused_as(&self, what: &str, reply: &Reply) -> ProviderError {
        let (class, hint) = self.judge(reply);
        let code = reply.reason().map(str::to_owned);
        let shown = code.as_deref().map(|code| format!(" {code}")).unwrap_or_default();
        let tries = if reply.attempts > 1 { format!(" after {} tries", reply.attempts) } else { String::new() };
        let words = self.words(reply);
        let message = format!("the {what} was answered with {}{shown}{tries}: {words}", reply.status);
        ProviderError {
            class: if reply.may_have_acted { ErrorClass::Ambiguous } else { class },
            code,
            status: Some(reply.status),
            message: message.trim_end_matches([':', ' ']).to_owned(),
            request_id: reply.request_id.clone(),
            hint,
        }
    }

    fn judge(&self, reply: &Reply) -> (ErrorClass, Option<Advice>) {
        let hint = |text: &str| Some(Advice::from(text));
        let location = self.location;
        match reply.status {
            401 => {
                (ErrorClass::Denied, hint("the credentials are not accepted: fetch the cluster's credentials again"))
            }
            403 if is_forbidden_by_rights(reply) => {
                let plural = location.resource.plural;
                (
                    ErrorClass::Denied,
                    Some(format!("grant the right, then check it with: kubectl auth can-i '*' {plural}").into()),
                )
            }
            403 if reply.has_cause("NamespaceTerminating") => {
                (ErrorClass::Conflict, hint("the Namespace is being deleted: run again when it is gone"))
            }
            403 => (ErrorClass::Rejected, hint("a policy or quota of the cluster refuses this object")),
            404 => match self.missing(reply) {
                Missing::Namespace => (ErrorClass::Rejected, hint("the Namespace does not exist")),
                Missing::Kind => (
                    ErrorClass::Rejected,
                    Some(
                        format!(
                            "the cluster does not serve {} ({}): install the add-on that brings it",
                            location.resource.kind,
                            location.resource.api_version()
                        )
                        .into(),
                    ),
                ),
                Missing::Object => (ErrorClass::Conflict, hint("it is gone: plan again")),
            },
            409 if !conflicts(reply).is_empty() => (
                ErrorClass::Conflict,
                hint(
                    "another writer owns these fields: change them there, or take them with --force-conflicts ADDRESS",
                ),
            ),
            409 | 410 | 412 => (ErrorClass::Conflict, hint("it was changed meanwhile: plan again")),
            // The uid that we send to hold on to the object just looked at.
            422 if reply
                .causes()
                .iter()
                .any(|cause| cause.get("field").and_then(Value::as_str) == Some("metadata.uid")) =>
            {
                (ErrorClass::Conflict, hint("another object has this name now: plan again"))
            }
            422 if reply.body.to_string().contains("field is immutable") => (
                ErrorClass::Rejected,
                hint("the field cannot change in place: delete and create it with --replace ADDRESS"),
            ),
            500 if reply.is_undecodable() => {
                (ErrorClass::Rejected, hint("a field has a value of the wrong type or form"))
            }
            _ => (ErrorClass::Rejected, None),
        }
    }

    /// The API's own words, as far as they may be shown.
    fn words(&self, reply: &Reply) -> String {
        let causes = reply.causes();
        if reply.status == 409 && !conflicts(reply).is_empty() {
            let named = |conflict: &Conflict| format!("{} is owned by \"{}\"", conflict.field, conflict.writer);
            return conflicts(reply).iter().map(named).collect::<Vec<_>>().join(", ");
        }
        if matches!(reply.status, 400 | 422) && !causes.is_empty() {
            return causes.iter().map(|cause| self.cause(cause)).collect::<Vec<_>>().join("; ");
        }
        let names_no_value = matches!(reply.status, 401 | 404 | 409) || is_forbidden_by_rights(reply);
        if self.location.resource.kind == "Secret" && !names_no_value {
            return "(the answer is not shown: it may quote the secret)".to_owned();
        }
        self.mask(reply.message()).into_owned()
    }

    fn cause(&self, cause: &Value) -> String {
        let text = |key: &str| cause.get(key).and_then(Value::as_str).unwrap_or("");
        let field = text("field");
        if self.hides(field) {
            return format!("{field}: {} (the value is not shown)", text("reason"));
        }
        format!("{field}: {}", self.mask(text("message")))
    }

    /// Whether what the API calls `field` may hold a secret.
    fn hides(&self, field: &str) -> bool {
        match self.location.resource.kind {
            "Secret" => true,
            "ConfigMap" => field.starts_with("data") || field.starts_with("binaryData"),
            _ => {
                let is_variable = field.contains(".env[") && field.contains("].value");
                is_variable || field.contains(".command") || field.contains(".args")
            }
        }
    }

    /// A text without the values of what was sent that may be secrets.
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut hidden = Vec::new();
        if let Some(desired) = self.desired {
            self.collect_hidden(desired, &mut Path::root(), &mut hidden);
        }
        // The longest first: one may be a part of another.
        hidden.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
        hidden.iter().fold(Cow::Borrowed(text), |text, value| {
            if text.contains(value.as_str()) { Cow::Owned(text.replace(value.as_str(), "(sensitive)")) } else { text }
        })
    }

    fn collect_hidden(&self, value: &Value, at: &mut Path, hidden: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, below) in map {
                    at.0.push(Segment::Key(key.clone()));
                    self.collect_hidden(below, at, hidden);
                    at.0.pop();
                }
            }
            Value::Array(items) => {
                for (index, below) in items.iter().enumerate() {
                    at.0.push(Segment::Index(index));
                    self.collect_hidden(below, at, hidden);
                    at.0.pop();
                }
            }
            Value::String(text) if text.len() >= SHORTEST_HIDDEN && self.may_be_secret(at) => {
                let base64 = base64::engine::general_purpose::STANDARD;
                let quoted = Value::String(text.clone()).to_string();
                hidden.push(quoted.trim_matches('"').to_owned());
                // The API turns `stringData` into `data`, and its errors may quote either form.
                hidden.push(base64.encode(text));
                if let Ok(Ok(plain)) = base64.decode(text).map(String::from_utf8)
                    && plain.len() >= SHORTEST_HIDDEN
                {
                    hidden.push(plain);
                }
                hidden.push(text.clone());
            }
            _ => {}
        }
    }

    fn may_be_secret(&self, at: &Path) -> bool {
        let key = |position: usize| match at.0.get(position) {
            Some(Segment::Key(key)) => key.as_str(),
            _ => "",
        };
        if matches!(key(0), "data" | "stringData" | "binaryData") {
            return true;
        }
        let in_container = at.0.iter().enumerate().any(|(position, _)| match key(position) {
            "command" | "args" => true,
            "env" => key(position + 2) == "value",
            _ => false,
        });
        in_container || self.kind.is_sensitive(at)
    }
}

/// Whether a 403 comes from access rights (RBAC, Azure RBAC), not from admission.
pub fn is_forbidden_by_rights(reply: &Reply) -> bool {
    reply.status == 403 && reply.message().contains("User \"") && reply.message().contains(" cannot ")
}

/// The fields that other managers own, from a 409 of server-side apply.
pub fn conflicts(reply: &Reply) -> Vec<Conflict> {
    let text = |cause: &Value, key: &str| cause.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let is_conflict = |cause: &&Value| cause.get("reason").and_then(Value::as_str) == Some("FieldManagerConflict");
    let conflict = |cause: &Value| {
        // `conflict with "kubectl-edit" using apps/v1 at 2026-…`: the quoted part is the manager.
        let message = text(cause, "message");
        let writer = message.split('"').nth(1).map_or_else(|| message.clone(), str::to_owned);
        Conflict { field: text(cause, "field").trim_start_matches('.').to_owned(), writer }
    };
    reply.causes().iter().filter(is_conflict).map(conflict).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn a_secret_is_masked_in_every_form_that_the_api_quotes(secret in "[ -~]{4,12}", around in "[a-z]{0,3}") {
            let location = Location::parse("/apis/apps/v1/namespaces/n/deployments/d").unwrap();
            let kind = Kind::plain("Deployment");
            let desired = json!({"spec": {"containers": [{"env": [{"name": "A", "value": secret.as_str()}]}]}});
            let subject = Subject { location: &location, kind: &kind, desired: Some(&desired) };
            let base64 = base64::engine::general_purpose::STANDARD.encode(&secret);
            let quoted = json!(secret.as_str()).to_string();
            let text = subject.mask(&format!("{around}{secret}{around} {base64} {quoted}")).into_owned();
            let shown = text.replace("(sensitive)", "");
            // What is left is what stood around it; a secret of such words only cannot be told from them.
            prop_assert!(!shown.contains(&secret) || format!("{around}{around} \"\"").contains(&secret), "{}", text);
            prop_assert!(!shown.contains(&base64));
        }
    }

    #[test]
    fn names_of_variables_and_short_words_stay_readable() {
        let location = Location::parse("/apis/apps/v1/namespaces/n/deployments/d").unwrap();
        let kind = Kind::plain("Deployment");
        let desired = json!({"spec": {"containers": [{"name": "gitea", "env": [{"name": "DEBUG", "value": "1"}]}]}});
        let subject = Subject { location: &location, kind: &kind, desired: Some(&desired) };
        let text = "container gitea: DEBUG is 1";
        assert_eq!(subject.mask(text), text);
    }
}
