//! The few facts of a new object that a reviewer looks for, found by where ARM bodies and Kubernetes objects keep them.

use super::Style;
use super::escape::clean;
use super::value::{brief, inline};
use crate::engine::value::Value;

/// Facts shown of one object.
const MOST: usize = 6;
/// Characters of one fact.
const MOST_CHARS: usize = 72;
/// Items of a list, such as hosts.
const MOST_ITEMS: usize = 4;

/// How a fact is written.
enum Form {
    /// The value alone: `PremiumV2_LRS`.
    Bare,
    /// `name value`: `zone 1`.
    Named(&'static str),
    /// The value with a unit behind it: `10 GiB`.
    Unit(&'static str),
    /// How many entries there are: `3 keys`.
    Count(&'static str),
}

/// Places in the order of their weight; `*` is any item of a list.
const PLACES: &[(&str, Form)] = &[
    // Azure Resource Manager bodies.
    ("sku.name", Form::Bare),
    ("properties.diskSizeGB", Form::Unit("GiB")),
    ("properties.diskIOPSReadWrite", Form::Unit("IOPS")),
    ("properties.diskMBpsReadWrite", Form::Unit("MB/s")),
    ("zones", Form::Named("zone")),
    ("properties.kubernetesVersion", Form::Named("Kubernetes")),
    ("properties.vmSize", Form::Bare),
    ("properties.scaleSetPriority", Form::Bare),
    ("properties.availabilityZones", Form::Named("zone")),
    ("properties.minCount", Form::Named("min")),
    ("properties.maxCount", Form::Named("max")),
    ("properties.creationData.sourceResourceId", Form::Named("from")),
    ("properties.shareQuota", Form::Unit("GiB")),
    ("properties.roleDefinitionId", Form::Named("role")),
    ("properties.principalId", Form::Named("principal")),
    ("properties.level", Form::Bare),
    ("properties.subject", Form::Named("subject")),
    ("location", Form::Bare),
    // Kubernetes objects.
    ("spec.template.spec.containers.*.image", Form::Named("image")),
    ("spec.replicas", Form::Named("replicas")),
    ("spec.rules.*.host", Form::Named("host")),
    ("spec.type", Form::Bare),
    ("spec.ports.*.port", Form::Named("port")),
    ("spec.capacity.storage", Form::Bare),
    ("spec.resources.requests.storage", Form::Bare),
    ("spec.accessModes", Form::Bare),
    ("spec.storageClassName", Form::Named("class")),
    ("spec.csi.volumeHandle", Form::Named("handle")),
    ("spec.volumeName", Form::Named("volume")),
    ("spec.ingressClassName", Form::Named("class")),
    ("spec.policyTypes", Form::Bare),
    ("spec.controller", Form::Named("controller")),
    ("spec.hard", Form::Count("limit")),
    ("spec.limits.*.type", Form::Bare),
    ("type", Form::Bare),
    ("roleRef.name", Form::Named("role")),
    ("subjects.*.name", Form::Named("subject")),
    ("rules", Form::Count("rule")),
    ("data", Form::Count("key")),
    ("stringData", Form::Count("key")),
];

/// Two to six facts in one line; empty if the object says nothing of interest.
pub(crate) fn of(value: &Value, scope: &str, style: &Style) -> String {
    let mut facts = Vec::new();
    for (place, form) in PLACES {
        if facts.len() == MOST {
            break;
        }
        let mut found = Vec::new();
        collect(value, place, &mut found);
        if let Some(fact) = fact(&found, form, scope) {
            facts.push(brief(&fact, MOST_CHARS, style));
        }
    }
    if facts.is_empty() {
        leaves(value, scope, style, &mut String::new(), &mut facts);
    }
    facts.join(", ")
}

fn collect<'a>(value: &'a Value, place: &str, found: &mut Vec<&'a Value>) {
    let (step, rest) = place.split_once('.').map_or((place, None), |(step, rest)| (step, Some(rest)));
    let mut go = |inner: &'a Value| match rest {
        Some(rest) => collect(inner, rest, found),
        None => found.push(inner),
    };
    match value {
        Value::Array(items) if step == "*" => items.iter().for_each(&mut go),
        Value::Object(map) => {
            if let Some(inner) = map.get(step) {
                go(inner);
            }
        }
        _ => {}
    }
}

fn fact(found: &[&Value], form: &Form, scope: &str) -> Option<String> {
    if let Form::Count(noun) = form {
        let count = match found.first()? {
            Value::Object(map) => map.len(),
            Value::Array(items) => items.len(),
            _ => return None,
        };
        return Some(counted(count, noun));
    }
    let mut texts = Vec::new();
    for value in found {
        match value {
            Value::Array(items) => texts.extend(items.iter().filter_map(|item| plain(item, scope))),
            other => texts.extend(plain(other, scope)),
        }
    }
    if texts.is_empty() {
        return None;
    }
    let more = texts.len().saturating_sub(MOST_ITEMS);
    texts.truncate(MOST_ITEMS);
    if more > 0 {
        texts.push(format!("{more} more"));
    }
    let text = texts.join(" ");
    Some(match form {
        Form::Named(name) => format!("{name} {text}"),
        Form::Unit(unit) => format!("{text} {unit}"),
        Form::Bare | Form::Count(_) => text,
    })
}

/// A leaf without quotes, an ARM id by its last segment.
fn plain(value: &Value, scope: &str) -> Option<String> {
    match value {
        Value::Object(_) | Value::Array(_) | Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) if text.starts_with("/subscriptions/") => {
            Some(clean(text.rsplit('/').next().unwrap_or(text)).into_owned())
        }
        Value::String(text) => Some(clean(text).into_owned()),
        // What it waits for is named once, at the end of the plan, and at the field in an expanded one.
        Value::Unknown(_) => Some("(known after apply)".to_owned()),
        other => Some(inline(other, scope)),
    }
}

/// What every object has and no reviewer asks for.
const BOILERPLATE: [&str; 8] = ["apiVersion", "kind", "metadata", "tags", "name", "id", "identity", "status"];

/// The first leaves of an object that none of the places describes.
fn leaves(value: &Value, scope: &str, style: &Style, path: &mut String, facts: &mut Vec<String>) {
    let Value::Object(map) = value else { return };
    for (key, inner) in map {
        if facts.len() == MOST_ITEMS {
            return;
        }
        if path.is_empty() && BOILERPLATE.contains(&key) {
            continue;
        }
        let length = path.len();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&clean(key));
        if let Some(text) = plain(inner, scope) {
            facts.push(brief(&format!("{path} {text}"), MOST_CHARS, style));
        } else {
            leaves(inner, scope, style, path, facts);
        }
        path.truncate(length);
    }
}

/// `1 key`, `2 keys`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(json: serde_json::Value) -> String {
        of(&Value::from(json), "/ws/o", &Style::PLAIN)
    }

    #[test]
    fn says_what_a_reviewer_looks_for() {
        let deployment = serde_json::json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "gitea-app"},
            "spec": {"replicas": 1, "template": {"spec": {"containers": [{"image": "gitea/gitea:1.24"}, {"image": "postgres:17"}]}}},
        });
        assert_eq!(facts(deployment), "image gitea/gitea:1.24 postgres:17, replicas 1");
        let disk = serde_json::json!({
            "location": "japaneast", "sku": {"name": "PremiumV2_LRS"}, "zones": ["1"], "tags": {"a": "b"},
            "properties": {"diskSizeGB": 10, "creationData": {"createOption": "Empty"}},
        });
        assert_eq!(facts(disk), "PremiumV2_LRS, 10 GiB, zone 1, japaneast");
        assert_eq!(facts(serde_json::json!({"kind": "ConfigMap", "data": {"a": "1", "b": "2"}})), "2 keys");
    }

    #[test]
    fn falls_back_to_the_first_fields() {
        let odd =
            serde_json::json!({"kind": "Odd", "spec": {"mode": {"deep": "x\u{7}"}, "b": 2}, "metadata": {"name": "n"}});
        assert_eq!(facts(odd), "spec.b 2, spec.mode.deep x\\u{7}");
    }
}
