//! Rules for ports, which containers, Services and NetworkPolicies have.

use serde_json::Value;

use super::super::store::text;
use super::findings::Findings;
use super::names::is_dns_label;

/// A port that must be there.
pub(super) fn port_number(port: Option<&Value>, path: &str, out: &mut Findings) {
    match port.and_then(Value::as_i64) {
        Some(1..=65535) => {}
        Some(0) | None => out.required(path, ""),
        Some(_) => out.invalid(path, port.unwrap_or(&Value::Null), "must be between 1 and 65535, inclusive"),
    }
}

/// A name that a port may have: at most 15 lower case letters, digits and dashes, with a letter.
pub(super) fn is_port_name(name: &str) -> bool {
    is_dns_label(name) && name.len() <= 15 && !name.contains("--") && name.bytes().any(|b| b.is_ascii_lowercase())
}

/// A name in place of a number.
pub(super) fn port_name(name: &str, path: &str, out: &mut Findings) {
    if !is_port_name(name) {
        out.invalid(path, &name.into(), "must be at most 15 lower case alphanumerics or '-'");
    }
}

/// The protocol of the port at `path`, if it says one.
pub(super) fn protocol(port: &Value, path: &str, out: &mut Findings) {
    let given = text(port, "/protocol");
    if !matches!(given, "" | "TCP" | "UDP" | "SCTP") {
        out.unsupported(format!("{path}.protocol"), given, &["SCTP", "TCP", "UDP"]);
    }
}
