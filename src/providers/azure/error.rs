//! From what ARM answers, or fails to answer, to a [`ProviderError`] that says what happened and what to do.

use std::error::Error;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::id::ArmId;
use crate::advice::Advice;
use crate::engine::provider::{ErrorClass, ProviderError};

/// Longest message that is kept of an answer.
const MESSAGE_LIMIT: usize = 2000;

/// Codes that come with 404 and do not mean that the object is missing: the question itself is wrong.
const NOT_MISSING: &[&str] = &[
    "SubscriptionNotFound",
    "InvalidSubscriptionId",
    "MissingSubscription",
    "InvalidResourceType",
    "InvalidResourceNamespace",
    "NoRegisteredProviderFound",
];

/// The error of an answer with a status that is no success. `method` tells whether it may have had an effect.
pub(super) fn of_answer(
    status: u16,
    request_id: Option<String>,
    content_type: &str,
    body: &[u8],
    writes: bool,
) -> ProviderError {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let (code, message) = parsed.as_ref().map_or((None, None), envelope);
    let explained = message.is_some();
    let mut message = message.unwrap_or_else(|| match code {
        Some(_) => format!("HTTP {status} without a message"),
        None if body.is_empty() => format!("HTTP {status} with an empty body"),
        None => format!("HTTP {status} with a body that is not an answer of Azure Resource Manager ({content_type})"),
    });
    truncate(&mut message);
    let code_text = code.as_deref().unwrap_or_default();
    let class = class_of(status, code_text, &message, writes);
    let hint = hint_for(status, code_text, &message).or((!explained && code.is_none())
        .then_some("something between here and Azure may have answered: check proxy and endpoint"));
    ProviderError { class, code, status: Some(status), message, request_id, hint: hint.map(Advice::from) }
}

/// The error inside the body of a long-running operation that failed. It had some effect: only a read can tell which.
pub(super) fn of_operation(body: &Value, request_id: Option<String>) -> ProviderError {
    let (code, message) = envelope(body);
    let status = body.get("status").and_then(Value::as_str).unwrap_or("Failed");
    let mut message = message.unwrap_or_else(|| format!("the operation ended as {status}, without an explanation"));
    truncate(&mut message);
    let hint = hint_for(0, code.as_deref().unwrap_or_default(), &message).map(Advice::from);
    ProviderError { class: ErrorClass::Ambiguous, code, status: None, message, request_id, hint }
}

/// Code and message of an error envelope: `{"error": {...}}`, or as DNS and storage write it, without the wrapper. The
/// messages of `details` follow, because the outer one often says nothing.
fn envelope(body: &Value) -> (Option<String>, Option<String>) {
    let error = body.get("error").filter(|error| error.is_object()).unwrap_or(body);
    let text = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let mut message = text(error, "message");
    for detail in error.get("details").and_then(Value::as_array).into_iter().flatten().take(5) {
        if let Some(more) = text(detail, "message")
            && !message.as_ref().is_some_and(|message| message.contains(&more))
        {
            message = Some(message.map_or_else(|| more.clone(), |message| format!("{message}; {more}")));
        }
    }
    (text(error, "code"), message)
}

fn truncate(message: &mut String) {
    if let Some((end, _)) = message.char_indices().nth(MESSAGE_LIMIT) {
        message.truncate(end);
        message.push('…');
    }
}

fn is_quota(code: &str, message: &str) -> bool {
    code.contains("Quota") || (code == "OperationNotAllowed" && message.to_ascii_lowercase().contains("quota"))
}

fn class_of(status: u16, code: &str, message: &str, writes: bool) -> ErrorClass {
    match status {
        401 | 403 => ErrorClass::Denied,
        409 if is_quota(code, message) || code == "ScopeLocked" => ErrorClass::Rejected,
        409 | 412 => ErrorClass::Conflict,
        408 | 500.. if writes => ErrorClass::Ambiguous,
        _ => ErrorClass::Rejected,
    }
}

fn hint_for(status: u16, code: &str, message: &str) -> Option<&'static str> {
    let hint = match code {
        _ if is_quota(code, message) => {
            "ask for more quota in the Azure portal (Subscriptions, Usage + quotas), or choose a \
             smaller size or another region"
        }
        "SkuNotAvailable" | "AllocationFailed" | "ZonalAllocationFailed" | "OverconstrainedAllocationRequest" => {
            "this size is not to be had there now: choose another size, zone or region"
        }
        "RequestDisallowedByPolicy" => {
            "an Azure Policy forbids this: change the manifest to what the policy allows, or ask \
             its owner for an exemption"
        }
        "AuthorizationFailed" | "LinkedAuthorizationFailed" => {
            "give the signed-in principal a role with this action at this scope (Contributor; for \
             role assignments also User Access Administrator)"
        }
        "OperationNotAllowed" if message.to_ascii_lowercase().contains("attached") => {
            "a machine still uses it: stop the app that has it mounted first"
        }
        "ScopeLocked" => "a management lock protects it: remove the lock first",
        "MissingSubscriptionRegistration" | "NoRegisteredProviderFound" => {
            "register the resource provider: az provider register --namespace NAMESPACE"
        }
        "SubscriptionNotFound" | "InvalidSubscriptionId" | "MissingSubscription" => {
            "check AZURE_SUBSCRIPTION_ID, and that the signed-in principal may see the subscription"
        }
        "InvalidAuthenticationTokenTenant" => {
            "the login belongs to another tenant than the subscription: az login --tenant TENANT"
        }
        "ResourceGroupBeingDeleted" => "its resource group is being deleted: wait until it is gone, then apply again",
        "PrincipalNotFound" => "the identity is not known everywhere yet: apply again in a minute",
        "ResourceGroupNotFound" | "ParentResourceNotFound" => "what it lives in does not exist: plan again",
        _ => match status {
            401 => {
                "the login has expired or is not accepted: sign in again (az login), or check the \
             credentials of AZURE_AUTH_METHOD"
            }
            403 => "the signed-in principal may not do this",
            429 => "Azure limits the rate of requests: try again later, or with a lower --parallelism",
            412 => "somebody else changed or made it in between: plan again",
            _ => return None,
        },
    };
    Some(hint)
}

/// What to do when somebody in the world has the name of a storage account: a name that most likely nobody has, as it is
/// written in the manifest.
pub(super) fn with_free_name(mut error: ProviderError, id: &ArmId) -> ProviderError {
    let taken = ["StorageAccountAlreadyTaken", "StorageAccountInAnotherResourceGroup"];
    if error.code.as_deref().is_some_and(|code| taken.contains(&code)) {
        let digest = Sha256::digest(id.key().as_bytes());
        let head: String = id.name().chars().take(16).collect();
        let tail: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let hint = format!(
            "names of storage accounts are one namespace for all of Azure; under spec of the App write another one:  \
             settings: {{AZURE_STORAGE_ACCOUNT_NAME: {head}{tail}}}"
        );
        error.hint = Some(hint.into());
    }
    error
}

/// Whether an error says that the object (or what it lives in) does not exist. An answer without an error code, such as
/// a proxy's page, proves nothing.
pub(super) fn is_missing(error: &ProviderError) -> bool {
    error.status == Some(404) && error.code.as_deref().is_some_and(|code| !NOT_MISSING.contains(&code))
}

/// Whether an error says that something else is being done to the object or its parent at the moment, or that an
/// identity made just now is not known everywhere yet: the same request will be accepted later.
pub(super) fn is_busy(error: &ProviderError) -> bool {
    let code = error.code.as_deref().unwrap_or_default();
    match error.status {
        Some(409) => {
            let message = error.message.to_ascii_lowercase();
            matches!(
                code,
                "AnotherOperationInProgress"
                    | "OperationInProgress"
                    | "StorageAccountOperationInProgress"
                    | "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity"
            ) || (matches!(code, "OperationNotAllowed" | "Conflict") && message.contains("in progress"))
        }
        Some(400) => code == "PrincipalNotFound",
        _ => false,
    }
}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    truncate(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(status: u16, body: &str) -> ProviderError {
        of_answer(status, None, "application/json", body.as_bytes(), true)
    }

    #[test]
    fn details_are_told_too() {
        let error = of(400, r#"{"error":{"code":"BadRequest","message":"no","details":[{"message":"because"}]}}"#);
        assert_eq!(error.message, "no; because");
        assert_eq!(of(404, r#"{"code":"NotFound","message":"gone"}"#).code.as_deref(), Some("NotFound"));
    }

    #[test]
    fn only_arm_can_say_that_something_is_missing() {
        assert!(is_missing(&of(404, r#"{"error":{"code":"ResourceNotFound","message":"m"}}"#)));
        assert!(!is_missing(&of(404, r#"{"error":{"code":"SubscriptionNotFound","message":"m"}}"#)));
        assert!(!is_missing(&of(404, "<html>Not Found</html>")));
        assert!(!is_missing(&of(404, "")));
    }

    #[test]
    fn quota_is_no_conflict() {
        let error = of(409, r#"{"error":{"code":"OperationNotAllowed","message":"exceeding approved Quota"}}"#);
        assert_eq!(error.class, ErrorClass::Rejected);
        assert!(error.hint.unwrap().contains("quota"));
        let busy = of(409, r#"{"error":{"code":"OperationNotAllowed","message":"Another operation is in progress"}}"#);
        assert!(is_busy(&busy) && busy.class == ErrorClass::Conflict);
    }

    #[test]
    fn a_server_that_fails_may_have_done_what_it_was_asked_for() {
        let class = |status, writes| of_answer(status, None, "application/json", b"{}", writes).class;
        for status in [408, 500, 502, 503, 504, 599] {
            assert_eq!(class(status, true), ErrorClass::Ambiguous, "{status}");
            assert_eq!(class(status, false), ErrorClass::Rejected, "{status}");
        }
        for status in [400, 404, 422, 429] {
            assert_eq!(class(status, true), ErrorClass::Rejected, "{status}");
        }
    }

    proptest! {
        #[test]
        fn nonsense_never_panics(status in 100u16..600, body in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = of_answer(status, None, "x", &body, true);
        }
    }
}
