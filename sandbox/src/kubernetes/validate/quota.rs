//! Rules for ResourceQuotas and LimitRanges.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::super::store::{list, map, text};
use super::findings::Findings;
use super::names::is_qualified_name;
use kompox_rules::quantity::Quantity;

/// Resources that need no domain before their name.
const STANDARD: [&str; 20] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "storage",
    "pods",
    "services",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "replicationcontrollers",
    "resourcequotas",
    "services.nodeports",
    "services.loadbalancers",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
];

/// A resource that containers ask for by whole units and cannot share.
pub(super) fn is_extended(name: &str) -> bool {
    name.contains('/') && !name.starts_with("kubernetes.io/")
}

/// The name of a resource, and an amount of it that is not negative.
pub(super) fn amount(name: &str, value: &Value, standard: &[&str], at: &str, out: &mut Findings) -> Option<Quantity> {
    let known = standard.contains(&name) || name.starts_with("hugepages-") || name.contains('/');
    if !is_qualified_name(name) || !known {
        out.invalid(at, &name.into(), "must be a standard resource type or fully qualified");
    }
    let quantity = value.as_str().and_then(|text| Quantity::parse(text).ok());
    match quantity {
        Some(quantity) if quantity.milli() >= 0 => {}
        _ => out.invalid(at, value, "must be a quantity greater than or equal to 0"),
    }
    quantity
}

/// A ResourceQuota.
pub(super) fn resource_quota(object: &Value, out: &mut Findings) {
    const SCOPES: [&str; 7] = [
        "BestEffort",
        "CrossNamespacePodAffinity",
        "NotBestEffort",
        "NotTerminating",
        "PriorityClass",
        "Terminating",
        "VolumeAttributesClass",
    ];
    for (name, value) in map(object, "/spec/hard").into_iter().flatten() {
        let at = format!("spec.hard[{name}]");
        let counted = name.strip_prefix("count/").is_some_and(|resource| !resource.is_empty());
        let known: Vec<&str> = STANDARD.into_iter().chain(counted.then_some(name.as_str())).collect();
        let quantity = amount(name, value, &known, &at, out);
        let measured = ["cpu", "memory", "storage"].iter().any(|unit| name.ends_with(unit));
        if !measured && quantity.is_some_and(|quantity| quantity.milli() % 1000 != 0) {
            out.invalid(at, value, "must be an integer");
        }
    }
    for scope in list(object, "/spec/scopes").iter().filter(|scope| !SCOPES.iter().any(|known| *scope == known)) {
        out.invalid("spec.scopes", scope, "unsupported scope");
    }
}

/// A LimitRange.
pub(super) fn limit_range(object: &Value, out: &mut Findings) {
    let mut kinds = HashSet::new();
    for (i, limit) in list(object, "/spec/limits").iter().enumerate() {
        let at = format!("spec.limits[{i}]");
        let kind = text(limit, "/type");
        if !["Pod", "Container", "PersistentVolumeClaim"].contains(&kind) {
            out.unsupported(format!("{at}.type"), kind, &["Pod", "Container", "PersistentVolumeClaim"]);
        } else if !kinds.insert(kind) {
            out.duplicate(format!("{at}.type"), kind);
        }
        let mut amounts: BTreeMap<(&str, &str), i128> = BTreeMap::new();
        for field in ["min", "defaultRequest", "default", "max"] {
            if kind == "Pod" && ["default", "defaultRequest"].contains(&field) && limit.get(field).is_some() {
                out.forbidden(format!("{at}.{field}"), "may not be specified when `type` is 'Pod'");
            }
            for (name, value) in map(limit, &format!("/{field}")).into_iter().flatten() {
                // A limit may be negative: then nothing fits.
                if let Some(quantity) = limit_amount(name, value, &format!("{at}.{field}[{name}]"), out) {
                    amounts.insert((name, field), quantity.milli());
                }
            }
        }
        // Each of these must not be more than each that follows it.
        for (first, then) in [
            ("min", "defaultRequest"),
            ("min", "default"),
            ("min", "max"),
            ("defaultRequest", "default"),
            ("defaultRequest", "max"),
            ("default", "max"),
        ] {
            for ((name, _), low) in amounts.iter().filter(|((_, field), _)| *field == first) {
                if amounts.get(&(*name, then)).is_some_and(|high| low > high) {
                    let value = &limit[first][*name];
                    out.invalid(format!("{at}.{first}[{name}]"), value, &format!("is greater than the {then} value"));
                }
            }
        }
    }
}

fn limit_amount(name: &str, value: &Value, at: &str, out: &mut Findings) -> Option<Quantity> {
    let known = ["cpu", "memory", "ephemeral-storage", "storage"].contains(&name) || name.starts_with("hugepages-");
    if !is_qualified_name(name) || !known && !name.contains('/') {
        out.invalid(at, &name.into(), "must be a standard resource for containers or fully qualified");
    }
    let quantity = value.as_str().and_then(|text| Quantity::parse(text).ok());
    if quantity.is_none() {
        out.invalid(at, value, "must be a quantity");
    }
    quantity
}
