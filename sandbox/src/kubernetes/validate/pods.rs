//! Rules for Pods and Pod templates.

use std::collections::HashSet;
use std::net::IpAddr;

use serde_json::Value;

use super::super::store::{list, map, text};
use super::containers::container_rules;
use super::findings::Findings;
use super::metadata::{labels, requirement};
use super::names::{LABEL_RULE, is_config_key, is_dns_label, is_dns_subdomain, is_qualified_name};
use super::security_context::pod_security;
use kompox_rules::quantity::Quantity;

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
        volume_rules(volume, &format!("{path}.volumes[{i}]"), out);
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
    for (i, container) in list(spec, "/initContainers").iter().enumerate() {
        let at = format!("{path}.initContainers[{i}]");
        let policy = text(container, "/restartPolicy");
        out.one_of(format!("{at}.restartPolicy"), policy, &["Always", "Never", "OnFailure"]);
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            if policy != "Always" && container.get(probe).is_some() {
                let why = "may not be set for init containers without restartPolicy=Always";
                out.forbidden(format!("{at}.{probe}"), why);
            }
        }
    }
    for (i, alias) in list(spec, "/hostAliases").iter().enumerate() {
        if text(alias, "/ip").parse::<IpAddr>().is_err() {
            out.invalid(format!("{path}.hostAliases[{i}].ip"), &alias["ip"], "must be a valid IP address");
        }
        for (j, name) in list(alias, "/hostnames").iter().filter_map(Value::as_str).enumerate() {
            out.subdomain(format!("{path}.hostAliases[{i}].hostnames[{j}]"), name);
        }
    }
    dns(spec, path, out);
    if let Some(context) = spec.get("securityContext") {
        pod_security(context, &format!("{path}.securityContext"), out);
    }
    for (i, toleration) in list(spec, "/tolerations").iter().enumerate() {
        toleration_rules(toleration, &format!("{path}.tolerations[{i}]"), out);
    }
    node_affinity(spec, &format!("{path}.affinity.nodeAffinity"), out);
    let host = text(spec, "/hostname");
    if !host.is_empty() && !is_dns_label(host) {
        out.invalid(format!("{path}.hostname"), &host.into(), LABEL_RULE);
    }
    let account = text(spec, "/serviceAccountName");
    if !account.is_empty() {
        out.subdomain(format!("{path}.serviceAccountName"), account);
    }
    labels(map(spec, "/nodeSelector"), &format!("{path}.nodeSelector"), out);
}

fn volume_rules(volume: &Value, at: &str, out: &mut Findings) {
    if let Some(size) = volume.pointer("/emptyDir/sizeLimit")
        && size.as_str().and_then(|text| Quantity::parse(text).ok()).is_none_or(|size| size.milli() < 0)
    {
        out.invalid(format!("{at}.emptyDir.sizeLimit"), size, "must be a quantity greater than or equal to 0");
    }
    for (kind, name) in [("configMap", "name"), ("secret", "secretName")] {
        let Some(source) = volume.get(kind) else { continue };
        let at = format!("{at}.{kind}");
        if text(source, &format!("/{name}")).is_empty() {
            out.required(format!("{at}.{name}"), "");
        }
        file_mode(source.get("defaultMode"), &format!("{at}.defaultMode"), out);
        for (i, item) in list(source, "/items").iter().enumerate() {
            let at = format!("{at}.items[{i}]");
            match text(item, "/key") {
                "" => out.required(format!("{at}.key"), ""),
                key if !is_config_key(key) => out.invalid(format!("{at}.key"), &key.into(), "a config key is expected"),
                _ => {}
            }
            let target = text(item, "/path");
            if target.is_empty() {
                out.required(format!("{at}.path"), "");
            } else if target.starts_with('/') || target.split('/').any(|part| part == "..") {
                out.invalid(format!("{at}.path"), &target.into(), "must be a relative path without '..'");
            }
            file_mode(item.get("mode"), &format!("{at}.mode"), out);
        }
    }
}

fn file_mode(mode: Option<&Value>, at: &str, out: &mut Findings) {
    if let Some(mode) = mode.filter(|mode| !matches!(mode.as_i64(), Some(0..=0o777))) {
        out.invalid(at, mode, "must be a number between 0 and 0777 (octal), both inclusive");
    }
}

fn dns(spec: &Value, path: &str, out: &mut Findings) {
    const POLICIES: [&str; 4] = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"];
    out.one_of(format!("{path}.dnsPolicy"), text(spec, "/dnsPolicy"), &POLICIES);
    let path = format!("{path}.dnsConfig");
    let servers = list(spec, "/dnsConfig/nameservers");
    if servers.len() > 3 {
        out.invalid(
            format!("{path}.nameservers"),
            &spec["dnsConfig"]["nameservers"],
            "must not have more than 3 nameservers",
        );
    } else if servers.is_empty() && text(spec, "/dnsPolicy") == "None" {
        out.required(
            format!("{path}.nameservers"),
            "must provide at least one DNS nameserver when `dnsPolicy` is None",
        );
    }
    for (i, server) in servers.iter().enumerate() {
        if server.as_str().is_none_or(|server| server.parse::<IpAddr>().is_err()) {
            out.invalid(format!("{path}.nameservers[{i}]"), server, "must be a valid IP address");
        }
    }
    for (i, search) in list(spec, "/dnsConfig/searches").iter().filter_map(Value::as_str).enumerate() {
        // An underscore is common in search domains, and a dot may end them.
        let plain = search.strip_suffix('.').unwrap_or(search).replace('_', "-");
        if search != "." && !plain.split('.').all(|part| is_dns_subdomain(part.trim_matches('-'))) {
            out.subdomain(format!("{path}.searches[{i}]"), search);
        }
    }
    for (i, option) in list(spec, "/dnsConfig/options").iter().enumerate() {
        if text(option, "/name").is_empty() {
            out.required(format!("{path}.options[{i}]"), "must not be empty");
        }
    }
}

fn toleration_rules(toleration: &Value, at: &str, out: &mut Findings) {
    let (key, operator) = (text(toleration, "/key"), text(toleration, "/operator"));
    if !key.is_empty() && !is_qualified_name(key) {
        out.invalid(format!("{at}.key"), &key.into(), "a qualified name is expected");
    } else if key.is_empty() && operator != "Exists" {
        let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        out.invalid(format!("{at}.operator"), &operator.into(), why);
    }
    match operator {
        "Exists" if !text(toleration, "/value").is_empty() => {
            out.invalid(
                format!("{at}.operator"),
                &toleration["value"],
                "value must be empty when `operator` is 'Exists'",
            );
        }
        _ => out.one_of(format!("{at}.operator"), operator, &["Equal", "Exists", "Gt", "Lt"]),
    }
    let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    out.one_of(format!("{at}.effect"), text(toleration, "/effect"), &effects);
}

fn node_affinity(spec: &Value, path: &str, out: &mut Findings) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    let Some(required) = spec.pointer(&format!("/affinity/nodeAffinity/{REQUIRED}")) else { return };
    let terms = list(required, "/nodeSelectorTerms");
    if terms.is_empty() {
        let at = format!("{path}.{REQUIRED}.nodeSelectorTerms");
        out.required(at, "must have at least one node selector term");
    }
    let operators = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];
    for (i, term) in terms.iter().enumerate() {
        for (j, expression) in list(term, "/matchExpressions").iter().enumerate() {
            let at = format!("{path}.{REQUIRED}.nodeSelectorTerms[{i}].matchExpressions[{j}]");
            requirement(expression, &at, &operators, out);
        }
    }
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
