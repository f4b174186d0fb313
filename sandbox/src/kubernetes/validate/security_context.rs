//! Rules for security contexts, of Pods and of their containers.

use std::collections::HashSet;

use serde_json::Value;

use super::super::store::{list, text};
use super::findings::Findings;

/// A Pod's securityContext.
pub(super) fn pod_security(context: &Value, path: &str, out: &mut Findings) {
    identities(context, path, out);
    let mut names = HashSet::new();
    for (i, sysctl) in list(context, "/sysctls").iter().enumerate() {
        let at = format!("{path}.sysctls[{i}].name");
        let name = text(sysctl, "/name");
        // Parts are told apart by dots or slashes.
        let part = |part: &str| {
            let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            let bytes = part.as_bytes();
            edge(bytes.first())
                && edge(bytes.last())
                && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
        };
        if name.is_empty() {
            out.required(at, "");
        } else if name.len() > 253 || !name.split(['.', '/']).all(part) {
            out.invalid(at, &name.into(), "must have at most 253 characters and name a kernel parameter");
        } else if !names.insert(name) {
            out.duplicate(at, name);
        }
    }
}

/// A container's securityContext.
pub(super) fn container_security(context: &Value, path: &str, out: &mut Findings) {
    identities(context, path, out);
    let is = |field: &str, wanted: bool| context.get(field).and_then(Value::as_bool) == Some(wanted);
    if is("privileged", true) && is("allowPrivilegeEscalation", false) {
        out.invalid(path, &"".into(), "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    }
    let added = list(context, "/capabilities/add").iter().any(|capability| capability == "CAP_SYS_ADMIN");
    if added && is("allowPrivilegeEscalation", false) {
        let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
        out.invalid(path, &"".into(), why);
    }
    out.one_of(format!("{path}.procMount"), text(context, "/procMount"), &["Default", "Unmasked"]);
}

/// Users, groups and profiles, which Pods and containers both have.
fn identities(context: &Value, path: &str, out: &mut Findings) {
    let mut check = |value: &Value, field: String| {
        if value.as_i64().is_some_and(|id| i32::try_from(id).is_err() || id < 0) {
            out.invalid(field, value, "must be between 0 and 2147483647, inclusive");
        }
    };
    for field in ["runAsUser", "runAsGroup", "fsGroup"] {
        if let Some(value) = context.get(field) {
            check(value, format!("{path}.{field}"));
        }
    }
    for (i, value) in list(context, "/supplementalGroups").iter().enumerate() {
        check(value, format!("{path}.supplementalGroups[{i}]"));
    }
    for profile in ["seccompProfile", "appArmorProfile"] {
        let Some(value) = context.get(profile) else { continue };
        let kind = text(value, "/type");
        if !["Localhost", "RuntimeDefault", "Unconfined"].contains(&kind) {
            let known = &["Localhost", "RuntimeDefault", "Unconfined"];
            out.unsupported(format!("{path}.{profile}.type"), kind, known);
        } else if kind == "Localhost" && text(value, "/localhostProfile").is_empty() {
            out.required(format!("{path}.{profile}.localhostProfile"), "must be set when the type is Localhost");
        }
    }
}
