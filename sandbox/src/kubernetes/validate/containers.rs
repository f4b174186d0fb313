//! Rules for one container of a Pod.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::super::store::{list, map, text};
use super::findings::Findings;
use super::names::{LABEL_RULE, is_dns_label};
use super::ports::{is_port_name, port_name, port_number, protocol};
use super::quota::{amount, is_extended};
use super::security_context::container_security;
use kompox_rules::quantity::Quantity;

/// One container at `path`. `volumes` are the Pod's; `names` collects those of its containers.
pub(super) fn container_rules<'v>(
    container: &'v Value,
    path: &str,
    volumes: &HashSet<&str>,
    names: &mut HashSet<&'v str>,
    out: &mut Findings,
) {
    let name = text(container, "/name");
    if name.is_empty() {
        out.required(format!("{path}.name"), "");
    } else if !is_dns_label(name) {
        out.invalid(format!("{path}.name"), &name.into(), LABEL_RULE);
    } else if !names.insert(name) {
        out.duplicate(format!("{path}.name"), name);
    }
    if text(container, "/image").trim().is_empty() {
        out.required(format!("{path}.image"), "");
    }
    let policy = text(container, "/imagePullPolicy");
    if !matches!(policy, "" | "Always" | "IfNotPresent" | "Never") {
        out.unsupported(format!("{path}.imagePullPolicy"), policy, &["Always", "IfNotPresent", "Never"]);
    }
    out.one_of(
        format!("{path}.terminationMessagePolicy"),
        text(container, "/terminationMessagePolicy"),
        &["FallbackToLogsOnError", "File"],
    );
    environment(container, path, out);
    mounts(container, path, volumes, out);
    ports(container, path, out);
    resources(container, path, out);
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(value) = container.get(probe) {
            probe_rules(value, probe, &format!("{path}.{probe}"), out);
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(value) = container.pointer(&format!("/lifecycle/{hook}")) {
            handler(value, &["exec", "httpGet", "sleep", "tcpSocket"], &format!("{path}.lifecycle.{hook}"), out);
        }
    }
    if let Some(context) = container.get("securityContext") {
        container_security(context, &format!("{path}.securityContext"), out);
    }
}

fn environment(container: &Value, path: &str, out: &mut Findings) {
    for (i, env) in list(container, "/env").iter().enumerate() {
        match text(env, "/name") {
            "" => out.required(format!("{path}.env[{i}].name"), ""),
            name if !is_environment_name(name) => {
                out.invalid(format!("{path}.env[{i}].name"), &name.into(), ENVIRONMENT_RULE);
            }
            _ => {}
        }
        if env.get("valueFrom").and_then(Value::as_object).is_some_and(Map::is_empty) {
            let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
            out.invalid(format!("{path}.env[{i}].valueFrom"), &"".into(), why);
        }
        if !text(env, "/value").is_empty() && env.get("valueFrom").is_some() {
            let why = "may not be specified when `value` is not empty";
            out.invalid(format!("{path}.env[{i}].valueFrom"), &"".into(), why);
        }
    }
    for (i, from) in list(container, "/envFrom").iter().enumerate() {
        let at = format!("{path}.envFrom[{i}]");
        let prefix = text(from, "/prefix");
        if !prefix.is_empty() && !is_environment_name(prefix) {
            out.invalid(format!("{at}.prefix"), &prefix.into(), ENVIRONMENT_RULE);
        }
        match (from.get("secretRef"), from.get("configMapRef")) {
            (Some(reference), None) | (None, Some(reference)) => match text(reference, "/name") {
                "" => out.required(format!("{at}.name"), ""),
                name => out.subdomain(format!("{at}.name"), name),
            },
            (None, None) => out.invalid(at, &"".into(), "must specify one of: `configMapRef` or `secretRef`"),
            (Some(_), Some(_)) => out.invalid(at, &"".into(), "may not have more than one field specified at a time"),
        }
    }
}

fn mounts(container: &Value, path: &str, volumes: &HashSet<&str>, out: &mut Findings) {
    let mut mounts = HashSet::new();
    for (i, mount) in list(container, "/volumeMounts").iter().enumerate() {
        let at = format!("{path}.volumeMounts[{i}]");
        match text(mount, "/name") {
            "" => out.required(format!("{at}.name"), ""),
            name if !volumes.contains(name) => out.not_found(format!("{at}.name"), name),
            _ => {}
        }
        match text(mount, "/mountPath") {
            "" => out.required(format!("{at}.mountPath"), ""),
            target if !mounts.insert(target) => {
                out.invalid(format!("{at}.mountPath"), &target.into(), "must be unique");
            }
            _ => {}
        }
        let sub = text(mount, "/subPath");
        if sub.starts_with('/') || sub.split('/').any(|part| part == "..") {
            out.invalid(format!("{at}.subPath"), &sub.into(), "must be a relative path without '..'");
        }
    }
}

fn ports(container: &Value, path: &str, out: &mut Findings) {
    let mut port_names = HashSet::new();
    for (i, port) in list(container, "/ports").iter().enumerate() {
        let at = format!("{path}.ports[{i}]");
        port_number(port.get("containerPort"), &format!("{at}.containerPort"), out);
        if let Some(host) = port.get("hostPort").filter(|host| **host != 0) {
            port_number(Some(host), &format!("{at}.hostPort"), out);
        }
        let name = text(port, "/name");
        if !name.is_empty() {
            if !is_port_name(name) {
                out.invalid(format!("{at}.name"), &name.into(), "must be at most 15 lower case alphanumerics or '-'");
            } else if !port_names.insert(name) {
                out.duplicate(format!("{at}.name"), name);
            }
        }
        protocol(port, &at, out);
    }
}

const ENVIRONMENT_RULE: &str =
    "a valid environment variable name must consist only of printable ASCII characters other than '='";

fn is_environment_name(name: &str) -> bool {
    name.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=')
}

fn resources(container: &Value, path: &str, out: &mut Findings) {
    let limits = map(container, "/resources/limits");
    let limit_of = |name: &str| limits.and_then(|limits| limits.get(name));
    for kind in ["limits", "requests"] {
        for (name, value) in map(container, &format!("/resources/{kind}")).into_iter().flatten() {
            let at = format!("{path}.resources.{kind}[{name}]");
            let Some(quantity) = amount(name, value, &["cpu", "memory", "ephemeral-storage"], &at, out) else {
                continue;
            };
            if is_extended(name) && quantity.milli() % 1000 != 0 {
                out.invalid(at.clone(), value, "must be an integer");
            }
            if kind == "limits" {
                continue;
            }
            let limit = limit_of(name).and_then(Value::as_str).and_then(|text| Quantity::parse(text).ok());
            if limit.is_some_and(|limit| limit.milli() < quantity.milli()) {
                out.invalid(at, value, &format!("must be less than or equal to {name} limit"));
            } else if is_extended(name) && limit.is_none() {
                out.required(format!("{path}.resources.limits"), "Limit must be set for non overcommitable resources");
            }
        }
    }
}

fn probe_rules(value: &Value, probe: &str, path: &str, out: &mut Findings) {
    handler(value, &["exec", "httpGet", "tcpSocket", "grpc"], path, out);
    for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        out.not_negative(format!("{path}.{field}"), value.get(field));
    }
    if probe != "readinessProbe"
        && let Some(times) = value.get("successThreshold").filter(|times| times.as_i64().is_some_and(|times| times > 1))
    {
        out.invalid(format!("{path}.successThreshold"), times, "must be 1");
    }
}

/// What a probe or a hook does: exactly one thing.
fn handler(value: &Value, kinds: &[&str], path: &str, out: &mut Findings) {
    match kinds.iter().filter(|kind| value.get(**kind).is_some()).count() {
        0 => out.required(path, "must specify a handler type"),
        1 => {}
        _ => out.forbidden(path, "may not specify more than 1 handler type"),
    }
    if value.get("exec").is_some() && list(value, "/exec/command").is_empty() {
        out.required(format!("{path}.exec.command"), "");
    }
    for kind in ["httpGet", "tcpSocket", "grpc"] {
        let Some(port) = value.pointer(&format!("/{kind}/port")) else { continue };
        let at = format!("{path}.{kind}.port");
        match port {
            Value::String(name) => port_name(name, &at, out),
            _ if *port == 0 => out.invalid(at, port, "must be between 1 and 65535, inclusive"),
            _ => port_number(Some(port), &at, out),
        }
    }
    out.one_of(format!("{path}.httpGet.scheme"), text(value, "/httpGet/scheme"), &["HTTP", "HTTPS"]);
}
