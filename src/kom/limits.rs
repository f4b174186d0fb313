//! `quota` and `limits` of an App: what its Namespace may hold and use.
//!
//! Unlike elsewhere an unknown key is always an error here: what is ignored in a quota limits nothing.

use std::collections::BTreeMap;

use super::keys;
use super::model::{ContainerLimits, Located, Quota};
use super::reader::{Fields, Reader};
use crate::text::dns::is_subdomain;
use crate::text::suggest::closest;
use crate::yaml::{Entry, Node};
use kompox_rules::quantity;

/// What a quota limits by amount (core/v1 `ResourceName`).
pub(super) const QUOTA_AMOUNTS: [&str; 10] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "requests.storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];
/// What a quota limits by number (core/v1 `ResourceName`).
pub(super) const QUOTA_COUNTS: [&str; 7] = [
    "pods",
    "services",
    "services.loadbalancers",
    "services.nodeports",
    "persistentvolumeclaims",
    "configmaps",
    "secrets",
];

/// `count/<plural>[.<group>]`: objects of any kind, by number.
const COUNT_PREFIX: &str = "count/";
/// `<class>.storageclass.storage.k8s.io/…`: as the part behind it, for one StorageClass.
const CLASS_MARK: &str = ".storageclass.storage.k8s.io/";

/// Reads `spec.quota`; none where it is absent or names nothing.
pub(super) fn quota(reader: &mut Reader<'_>, spec: Fields<'_>) -> Option<Quota> {
    let node = spec.get("quota")?;
    reader.any_fields(node, "the quota of an App")?;
    let entries = node.as_mapping().unwrap_or_default();
    if entries.is_empty() {
        let help = "name what is limited, such as requests.cpu or pods, or take it out";
        reader.error("kom-value", "\"quota\" is empty", &node.location, help);
    }
    let hard: BTreeMap<_, _> = entries.iter().filter_map(|entry| quota_entry(reader, entry)).collect();
    (!hard.is_empty()).then(|| Quota { hard, location: node.location.clone() })
}

fn quota_entry(reader: &mut Reader<'_>, entry: &Entry) -> Option<(String, Located<String>)> {
    let key = entry.key.as_str();
    let count = QUOTA_COUNTS.contains(&key) || is_count(key);
    if !count && !QUOTA_AMOUNTS.contains(&key) && !is_class_amount(key) && !is_device(key) {
        let message = format!("a quota cannot limit \"{key}\"");
        let help = match closest(key, QUOTA_AMOUNTS.into_iter().chain(QUOTA_COUNTS)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!(
                "known are {}, {} and count/<plural>.<group>",
                QUOTA_AMOUNTS.join(", "),
                QUOTA_COUNTS.join(", ")
            ),
        };
        reader.error("kom-quota", message, &entry.key_location, help);
        return None;
    }
    let value = amount(reader, key, &entry.value)?;
    if count && value.value.parse::<u64>().is_err() {
        let message = format!("\"{key}\" cannot be \"{}\": it counts objects", value.value);
        reader.error("kom-quantity", message, &value.location, "write a whole number such as 10");
        return None;
    }
    Some((key.to_owned(), value))
}

fn is_count(key: &str) -> bool {
    let name = is_subdomain;
    key.strip_prefix(COUNT_PREFIX).is_some_and(name)
        || class_part(key).is_some_and(|part| part == "persistentvolumeclaims")
}

fn is_class_amount(key: &str) -> bool {
    class_part(key).is_some_and(|part| part == "requests.storage")
}

fn class_part(key: &str) -> Option<&str> {
    let (class, part) = key.split_once(CLASS_MARK)?;
    is_subdomain(class).then_some(part)
}

/// `requests.nvidia.com/gpu`: a quota knows only the requests of extended resources.
fn is_device(key: &str) -> bool {
    let device = |(domain, name): (&str, &str)| {
        domain.contains('.') && !domain.ends_with("kubernetes.io") && is_subdomain(domain) && is_subdomain(name)
    };
    key.strip_prefix("requests.").and_then(|rest| rest.split_once('/')).is_some_and(device)
}

/// Reads `spec.limits`; none where it is absent or names nothing.
pub(super) fn container_limits(reader: &mut Reader<'_>, spec: Fields<'_>) -> Option<ContainerLimits> {
    let node = spec.get("limits")?;
    let fields = reader.object(node, "the limits of an App", &keys::CONTAINER_LIMITS)?;
    let limits = ContainerLimits {
        min: amounts(reader, fields, "min"),
        default_request: amounts(reader, fields, "defaultRequest"),
        default: amounts(reader, fields, "default"),
        max: amounts(reader, fields, "max"),
        location: node.location.clone(),
    };
    let parts = [&limits.min, &limits.default_request, &limits.default, &limits.max];
    for resource in keys::AMOUNTS.names() {
        // The last written part of the order, and what it says.
        let mut before: Option<(&str, &Located<String>)> = None;
        for (key, part) in keys::CONTAINER_LIMITS.names().into_iter().zip(parts) {
            let Some(value) = part.get(resource) else { continue };
            if let Some((lower, least)) = before
                && quantity::parse_milli(&least.value).ok() > quantity::parse_milli(&value.value).ok()
            {
                let message = format!("{key}.{resource} is {}, less than {lower}.{resource}", value.value);
                let help = format!(
                    "{lower} is {} on line {}; min ≤ defaultRequest ≤ default ≤ max",
                    least.value, least.location.line
                );
                reader.error("kom-limits", message, &value.location, help);
            }
            before = Some((key, value));
        }
    }
    if parts.iter().all(|part| part.is_empty()) {
        let help = "give it min, defaultRequest, default or max, or take it out";
        reader.error("kom-value", "\"limits\" limits nothing", &node.location, help);
        return None;
    }
    Some(limits)
}

fn amounts(reader: &mut Reader<'_>, fields: Fields<'_>, key: &'static str) -> BTreeMap<String, Located<String>> {
    let Some(node) = fields.get(key) else { return BTreeMap::new() };
    if reader.any_fields(node, key).is_none() {
        return BTreeMap::new();
    }
    let known = keys::AMOUNTS.names();
    let entries = node.as_mapping().unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| {
            if known.contains(&entry.key.as_str()) {
                return Some((entry.key.clone(), amount(reader, &entry.key, &entry.value)?));
            }
            let message = format!("\"{key}\" cannot limit \"{}\"", entry.key);
            let help = match closest(&entry.key, known.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("known are {}", known.join(", ")),
            };
            reader.error("kom-limits", message, &entry.key_location, help);
            None
        })
        .collect()
}

fn amount(reader: &mut Reader<'_>, key: &str, node: &Node) -> Option<Located<String>> {
    let text = reader.text(node, &super::reader::quoted(key))?;
    match quantity::parse_milli(&text.value) {
        Ok(_) => Some(text),
        Err(error) => {
            let message = format!("\"{key}\" cannot be \"{}\": {error}", text.value);
            reader.error("kom-quantity", message, &text.location, "write a quantity such as 500m, 2 or 4Gi");
            None
        }
    }
}
