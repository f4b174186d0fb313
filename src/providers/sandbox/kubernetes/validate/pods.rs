//! Rules for Pods and Pod templates.

use std::collections::HashSet;

use serde_json::Value;

use super::super::quantity::Quantity;
use super::super::store::text;
use super::{Findings, LABEL_RULE, is_dns_label, labels, list, map, port_number, protocol};

/// The specification of a Pod or of a template at `path`.
pub(super) fn pod_spec(spec: &Value, path: &str, out: &mut Findings) {
    let mut volumes = HashSet::new();
    for (i, volume) in list(spec, "/volumes").iter().enumerate() {
        let at = format!("{path}.volumes[{i}].name");
        let name = text(volume, "/name");
        if name.is_empty() {
            out.required(at, "");
        } else if !is_dns_label(name) {
            out.invalid(at, &name.into(), LABEL_RULE);
        } else if !volumes.insert(name) {
            out.duplicate(at, name);
        }
        if volume.as_object().is_some_and(|v| v.len() > 2) {
            out.forbidden(format!("{path}.volumes[{i}]"), "may not specify more than 1 volume type");
        }
        if volume.get("persistentVolumeClaim").is_some() && text(volume, "/persistentVolumeClaim/claimName").is_empty()
        {
            out.required(format!("{path}.volumes[{i}].persistentVolumeClaim.claimName"), "");
        }
    }
    if list(spec, "/containers").is_empty() {
        out.required(format!("{path}.containers"), "");
    }
    let mut names = HashSet::new();
    for field in ["initContainers", "containers"] {
        for (i, container) in list(spec, &format!("/{field}")).iter().enumerate() {
            container_rules(container, &format!("{path}.{field}[{i}]"), &volumes, &mut names, out);
        }
    }
    for (i, alias) in list(spec, "/hostAliases").iter().enumerate() {
        if text(alias, "/ip").parse::<std::net::IpAddr>().is_err() {
            out.invalid(format!("{path}.hostAliases[{i}].ip"), &alias["ip"], "must be a valid IP address");
        }
    }
    labels(map(spec, "/nodeSelector"), &format!("{path}.nodeSelector"), out);
}

fn container_rules<'v>(
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
    for (i, env) in list(container, "/env").iter().enumerate() {
        if text(env, "/name").is_empty() {
            out.required(format!("{path}.env[{i}].name"), "");
        }
        if !text(env, "/value").is_empty() && env.get("valueFrom").is_some() {
            let why = "may not be specified when `value` is not empty";
            out.invalid(format!("{path}.env[{i}].valueFrom"), &"".into(), why);
        }
    }
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
    let mut port_names = HashSet::new();
    for (i, port) in list(container, "/ports").iter().enumerate() {
        let at = format!("{path}.ports[{i}]");
        port_number(port.get("containerPort"), &format!("{at}.containerPort"), out);
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
    for kind in ["limits", "requests"] {
        for (name, amount) in map(container, &format!("/resources/{kind}")).into_iter().flatten() {
            let at = format!("{path}.resources.{kind}[{name}]");
            match amount.as_str().and_then(Quantity::parse) {
                Some(q) if q.milli >= 0 => {
                    let limit = container.pointer(&format!("/resources/limits/{}", name.replace('/', "~1")));
                    let limit = limit.and_then(Value::as_str).and_then(Quantity::parse);
                    if kind == "requests" && limit.is_some_and(|limit| limit.milli < q.milli) {
                        out.invalid(at, amount, &format!("must be less than or equal to {name} limit"));
                    }
                }
                _ => out.invalid(at, amount, "must be a quantity greater than or equal to 0"),
            }
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe_value) = container.get(probe) else { continue };
        let handlers =
            ["exec", "httpGet", "tcpSocket", "grpc"].iter().filter(|h| probe_value.get(**h).is_some()).count();
        match handlers {
            0 => out.required(format!("{path}.{probe}"), "must specify a handler type"),
            1 => {}
            _ => out.forbidden(format!("{path}.{probe}"), "may not specify more than 1 handler type"),
        }
    }
}

fn is_port_name(name: &str) -> bool {
    is_dns_label(name) && name.len() <= 15 && !name.contains("--") && name.bytes().any(|b| b.is_ascii_lowercase())
}

/// A Pod's specification is fixed but for images and a few fields more.
pub(super) fn pod_update(old: &Value, new: &Value, out: &mut Findings) {
    let fixed_part = |object: &Value| {
        let mut spec = object.pointer("/spec").cloned().unwrap_or_default();
        if let Some(map) = spec.as_object_mut() {
            for field in [
                "activeDeadlineSeconds",
                "terminationGracePeriodSeconds",
                "tolerations",
                "nodeName",
                "ephemeralContainers",
            ] {
                map.remove(field);
            }
            for field in ["containers", "initContainers"] {
                for container in map.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
                    if let Some(container) = container.as_object_mut() {
                        container.remove("image");
                    }
                }
            }
        }
        spec
    };
    if fixed_part(old) != fixed_part(new) {
        out.forbidden("spec", "pod updates may not change fields other than `spec.containers[*].image`");
    }
}
