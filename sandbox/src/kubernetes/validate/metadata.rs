//! Rules for metadata, which all objects have, and for labels and what selects by them.

use serde_json::{Map, Value};

use super::super::kinds::Resource;
use super::super::store::{list, map, text};
use super::findings::Findings;
use super::names::{
    LABEL_1035_RULE, LABEL_RULE, SUBDOMAIN_RULE, is_dns_label, is_dns_subdomain, is_qualified_name, is_qualified_part,
};

/// The bytes that the annotations of an object may have in all.
const LONGEST_ANNOTATIONS: usize = 256 * 1024;

/// The metadata of any object; what its name may be goes by its kind.
pub(super) fn metadata(resource: &Resource, object: &Value, out: &mut Findings) {
    let name = text(object, "/metadata/name");
    let shown = Value::from(name);
    match resource.kind {
        _ if name.is_empty() => out.required("metadata.name", "name or generateName is required"),
        "Namespace" if !is_dns_label(name) => out.invalid("metadata.name", &shown, LABEL_RULE),
        "Service" if !is_dns_label(name) || name.starts_with(|c: char| c.is_ascii_digit()) => {
            out.invalid("metadata.name", &shown, LABEL_1035_RULE);
        }
        "Role" | "RoleBinding" | "ClusterRole" | "ClusterRoleBinding" => {
            let path_segment = !name.contains(['/', '%']) && name != "." && name != "..";
            if !path_segment {
                out.invalid("metadata.name", &shown, "may not contain '/' or '%'");
            }
        }
        _ if !is_dns_subdomain(name) => out.invalid("metadata.name", &shown, SUBDOMAIN_RULE),
        _ => {}
    }
    labels(map(object, "/metadata/labels"), "metadata.labels", out);
    annotations(map(object, "/metadata/annotations"), "metadata.annotations", out);
    for finalizer in list(object, "/metadata/finalizers") {
        let name = finalizer.as_str().unwrap_or_default();
        let standard = matches!(name, "orphan" | "foregroundDeletion" | "kubernetes");
        if !is_qualified_name(name) || !name.contains('/') && !standard {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            out.invalid("metadata.finalizers", finalizer, why);
        }
    }
}

/// Annotations at `field`.
pub(super) fn annotations(annotations: Option<&Map<String, Value>>, field: &str, out: &mut Findings) {
    let mut size = 0;
    for (key, value) in annotations.into_iter().flatten() {
        size += key.len() + value.as_str().map_or(0, str::len);
        if !is_qualified_name(&key.to_ascii_lowercase()) {
            out.invalid(field, &key.as_str().into(), "a qualified name is expected");
        }
    }
    if size > LONGEST_ANNOTATIONS {
        out.too_long(field, LONGEST_ANNOTATIONS);
    }
}

/// Labels at `field`, or what selects by their equality.
pub(super) fn labels(labels: Option<&Map<String, Value>>, field: &str, out: &mut Findings) {
    for (key, value) in labels.into_iter().flatten() {
        if !is_qualified_name(key) {
            out.invalid(
                field,
                &key.as_str().into(),
                "name part must consist of alphanumeric characters, '-', '_' or '.'",
            );
        }
        let text = value.as_str().unwrap_or_default();
        if !text.is_empty() && !is_qualified_part(text) {
            out.invalid(
                field,
                value,
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'",
            );
        }
    }
}

/// `matchLabels` and `matchExpressions`.
pub(super) fn label_selector(selector: &Value, path: &str, out: &mut Findings) {
    labels(map(selector, "/matchLabels"), &format!("{path}.matchLabels"), out);
    for (i, expression) in list(selector, "/matchExpressions").iter().enumerate() {
        requirement(
            expression,
            &format!("{path}.matchExpressions[{i}]"),
            &["In", "NotIn", "Exists", "DoesNotExist"],
            out,
        );
    }
}

/// One expression of a selector of labels or nodes.
pub(super) fn requirement(expression: &Value, path: &str, operators: &[&str], out: &mut Findings) {
    let key = text(expression, "/key");
    if !is_qualified_name(key) {
        out.invalid(format!("{path}.key"), &key.into(), "a qualified name is expected");
    }
    let values = list(expression, "/values").len();
    match text(expression, "/operator") {
        operator if !operators.contains(&operator) => out.unsupported(format!("{path}.operator"), operator, operators),
        "In" | "NotIn" if values == 0 => {
            out.required(format!("{path}.values"), "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if values > 0 => {
            out.forbidden(
                format!("{path}.values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            );
        }
        "Gt" | "Lt" if values != 1 => {
            out.required(format!("{path}.values"), "must be specified single value when `operator` is 'Lt' or 'Gt'");
        }
        _ => {}
    }
}
