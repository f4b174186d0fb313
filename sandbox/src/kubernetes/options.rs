//! Parameters and headers of requests: what they ask for beside the path.

use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, USER_AGENT};
use serde_json::Value;

use super::super::kube_api::{JSON, KubeRequest};
use super::status::Status;
use super::verbs::{FieldValidation, PatchType, WriteOptions};

/// The last value of a query parameter.
pub fn parameter<'q>(query: &'q [(String, String)], name: &str) -> Option<&'q str> {
    query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn media_type(headers: &HeaderMap) -> &str {
    let given = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or(JSON);
    given.split(';').next().unwrap_or(given).trim()
}

/// Refuses a body in an encoding that the emulator does not read.
///
/// # Errors
/// 415.
pub fn check_media_type(headers: &HeaderMap) -> Result<(), Status> {
    match media_type(headers) {
        given if given.contains("protobuf") || given.contains("cbor") => Err(Status::unsupported_media_type(given)),
        _ => Ok(()),
    }
}

/// The type of a patch, by its media type.
///
/// # Errors
/// 415 for one that there is not.
pub fn patch_type(headers: &HeaderMap) -> Result<PatchType, Status> {
    match media_type(headers) {
        "application/merge-patch+json" => Ok(PatchType::Merge),
        "application/json-patch+json" => Ok(PatchType::Json),
        "application/strategic-merge-patch+json" => Ok(PatchType::Strategic),
        "application/apply-patch+yaml" => Ok(PatchType::Apply),
        other => Err(Status::unsupported_media_type(other)),
    }
}

/// The options of a write.
///
/// # Errors
/// 400 for a value that there is not.
pub fn write_options(request: &KubeRequest, patch: Option<PatchType>, body: &Value) -> Result<WriteOptions, Status> {
    // The options of a deletion are in its body, and its query counts only where there is none (`DeleteResource` in
    // `k8s.io/apiserver/pkg/endpoints/handlers/delete.go`).
    let dry_run = match request.method == Method::DELETE && !body.is_null() {
        true => body.pointer("/dryRun/0").and_then(Value::as_str),
        false => parameter(&request.query, "dryRun"),
    };
    let dry_run = match dry_run {
        None | Some("") => false,
        Some("All") => true,
        Some(other) => {
            return Err(Status::bad_request(format!(
                "dryRun: Unsupported value: {other:?}: supported values: \"All\""
            )));
        }
    };
    let force = parameter(&request.query, "force").is_some_and(|v| v == "true" || v == "1");
    if force && patch != Some(PatchType::Apply) {
        return Err(Status::bad_request("force: Forbidden: may not be specified for non-apply patch"));
    }
    let validation = match parameter(&request.query, "fieldValidation") {
        None | Some("" | "Warn") => FieldValidation::Warn,
        Some("Ignore") => FieldValidation::Ignore,
        Some("Strict") => FieldValidation::Strict,
        Some(other) => return Err(Status::bad_request(format!("fieldValidation: Unsupported value: {other:?}"))),
    };
    let agent = request.headers.get(USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or("unknown");
    let agent = agent.split(['/', ' ']).next().unwrap_or("unknown");
    let manager = match (parameter(&request.query, "fieldManager"), patch) {
        (Some(name), _) => name,
        // Server-side apply has no default: it is refused without a manager.
        (None, Some(PatchType::Apply)) => "",
        (None, _) => agent,
    };
    if manager.len() > 128 {
        return Err(Status::bad_request("fieldManager: Too long: may not be more than 128 bytes"));
    }
    Ok(WriteOptions { manager: manager.to_owned(), dry_run, force, validation })
}
