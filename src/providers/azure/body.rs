//! Bodies: from what is wanted and what is there to what is sent. Pure.

use serde_json::{Map, Value};

use crate::engine::diff;
use crate::engine::kind::{Kind, Rule};
use crate::engine::value::{Path, Segment};

use super::types::{self, ResourceType, Tags, Update};

/// Removes the fields that only a response may have.
pub(super) fn strip_read_only(body: &mut Value, kind: &ResourceType) {
    for field in kind.read_only() {
        remove_dotted(body, field);
    }
    // `properties: {}` of an identity and its like say nothing.
    if let Value::Object(map) = body
        && map.get("properties").and_then(Value::as_object).is_some_and(Map::is_empty)
    {
        map.remove("properties");
    }
}

fn remove_dotted(value: &mut Value, field: &str) {
    let (first, rest) = field.split_once('.').map_or((field, None), |(first, rest)| (first, Some(rest)));
    let (key, each) = first.strip_suffix("[]").map_or((first, false), |key| (key, true));
    let Value::Object(map) = value else { return };
    let Some(rest) = rest else {
        map.remove(key);
        return;
    };
    if key == "*" {
        map.values_mut().for_each(|member| remove_dotted(member, rest));
        return;
    }
    match map.get_mut(key) {
        Some(Value::Array(items)) if each => items.iter_mut().for_each(|item| remove_dotted(item, rest)),
        Some(inner) if !each => remove_dotted(inner, rest),
        _ => {}
    }
}

/// The map of tags of an object, if it has one.
pub(super) fn tags_of<'a>(object: &'a Value, tags: &Tags) -> Option<&'a Map<String, Value>> {
    tags.keys.iter().try_fold(object, |value, key| value.get(key)).and_then(Value::as_object)
}

/// Whether we write tags of this name, and so how it is spelled: in small letters.
fn is_our_tag(name: &str) -> bool {
    name == "managed-by" || name.starts_with("kompox-") || name.starts_with("kompox_")
}

/// Spells the tags of ours as we do. Names of tags are the same whatever their case, and services and policies change it
/// (<https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources>).
pub(super) fn spell_tags(object: &mut Value, kind: &ResourceType) {
    let Some(place) = &kind.tags else { return };
    let tags = place.keys.iter().try_fold(object, |value, key| value.get_mut(key)).and_then(Value::as_object_mut);
    let Some(tags) = tags else { return };
    let odd: Vec<String> = tags
        .keys()
        .filter(|name| {
            let spelled = name.to_ascii_lowercase();
            is_our_tag(&spelled) && spelled != **name
        })
        .cloned()
        .collect();
    for name in odd {
        if let Some(value) = tags.remove(&name) {
            tags.entry(name.to_ascii_lowercase()).or_insert(value);
        }
    }
}

/// The lineage that an object carries.
pub(super) fn lineage_of<'a>(object: &'a Value, kind: &ResourceType) -> Option<&'a str> {
    let tags = kind.tags.as_ref()?;
    // Services differ in whether they keep the case of a key.
    tags_of(object, tags)?
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(tags.lineage))
        .and_then(|(_, value)| value.as_str())
}

/// Marks a body as ours, where its type can carry a mark.
pub(super) fn set_lineage(body: &mut Value, kind: &ResourceType, lineage: &str) {
    let Some(tags) = &kind.tags else { return };
    let mut place = body;
    for key in tags.keys {
        if !place.get(key).is_some_and(Value::is_object) {
            let Value::Object(map) = place else { return };
            map.insert((*key).to_owned(), Value::Object(Map::new()));
        }
        match place.get_mut(key) {
            Some(next) => place = next,
            None => return,
        }
    }
    if let Value::Object(map) = place {
        map.retain(|key, _| !key.eq_ignore_ascii_case(tags.lineage));
        map.insert(tags.lineage.to_owned(), lineage.into());
    }
}

/// Lays `desired` over `live`: objects are merged, lists and everything else replaced, but for the list at
/// `merged_list`, whose items are merged by `name`.
pub(super) fn overlay(live: &mut Value, desired: &Value, kind: &ResourceType) {
    let merged = kind.merged_list.and_then(|pointer| {
        let wanted = desired.pointer(pointer)?.as_array()?;
        let mut items = live.pointer(pointer)?.as_array()?.clone();
        for item in wanted {
            match items.iter_mut().find(|found| found.get("name") == item.get("name")) {
                Some(found) => merge(found, item),
                None => items.push(item.clone()),
            }
        }
        Some((pointer, Value::Array(items)))
    });
    merge(live, desired);
    if let Some((pointer, items)) = merged
        && let Some(place) = live.pointer_mut(pointer)
    {
        *place = items;
    }
}

fn merge(live: &mut Value, desired: &Value) {
    match (live, desired) {
        (Value::Object(live), Value::Object(desired)) => {
            for (key, value) in desired {
                match live.get_mut(key) {
                    Some(inner) => merge(inner, value),
                    None => {
                        live.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (live, desired) => live.clone_from(desired),
    }
}

/// Takes out of a wish what an update must leave as it is: what others own once the object is there (the node count of an
/// autoscaled pool), what is there in another spelling, and a version that is older than the one that runs.
pub(super) fn leave(desired: &mut Value, live: &Value, kind: &Kind) {
    leave_at(&Path::root(), desired, live, kind);
}

/// Whether nothing of `desired` is left to be sent.
fn leave_at(path: &Path, desired: &mut Value, live: &Value, kind: &Kind) -> bool {
    if kind.any_rule(path, |rule| matches!(rule, Rule::Computed)) {
        return !live.is_null();
    }
    match (desired, live) {
        (Value::Object(wanted), Value::Object(seen)) => {
            wanted.retain(|key, value| seen.get(key).is_none_or(|live| !leave_at(&path.key(key), value, live, kind)));
            false
        }
        (Value::Array(wanted), Value::Array(seen)) => {
            let name_of =
                |item: &Value| kind.item_name(path, |key| item.get(key).and_then(Value::as_str).map(str::to_owned));
            for item in wanted {
                let Some(name) = name_of(item) else { continue };
                if let Some(live) = seen.iter().find(|live| name_of(live).as_ref() == Some(&name)) {
                    leave_at(&path.then(Segment::Item(name)), item, live, kind);
                }
            }
            false
        }
        (Value::String(wanted), Value::String(seen)) => {
            let older = kind.any_rule(path, |rule| matches!(rule, Rule::Release)) && diff::is_earlier(wanted, seen);
            let (wanted, seen) = (wanted.as_str().into(), seen.as_str().into());
            older || (wanted != seen && diff::same(kind, path, &wanted, &seen))
        }
        _ => false,
    }
}

/// AKS refuses a count outside the bounds of the autoscaler, even one that it chose under older bounds.
fn keep_within_bounds(object: &mut Value, kind: &ResourceType) {
    let pools: Vec<&mut Value> = match kind.name {
        types::CLUSTERS => object
            .pointer_mut("/properties/agentPoolProfiles")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .collect(),
        types::POOLS => object.get_mut("properties").into_iter().collect(),
        _ => return,
    };
    for pool in pools {
        let number = |key: &str| pool.get(key).and_then(Value::as_i64);
        if let (Some(true), Some(count), Some(least), Some(most)) = (
            pool.get("enableAutoScaling").and_then(Value::as_bool),
            number("count"),
            number("minCount"),
            number("maxCount"),
        ) && least <= most
            && !(least..=most).contains(&count)
        {
            pool["count"] = count.clamp(least, most).into();
        }
    }
}

/// Removes the field at `path`, if it is there.
pub(super) fn remove(body: &mut Value, path: &Path) {
    let Some((last, parents)) = path.0.split_last() else { return };
    let mut place = body;
    for segment in parents {
        let next = match (place, segment) {
            (Value::Object(map), Segment::Key(key) | Segment::Item(key)) => map.get_mut(key),
            (Value::Array(items), Segment::Index(index)) => items.get_mut(*index),
            (Value::Array(items), Segment::Item(name)) => items.iter_mut().find(|item| has_name(item, name)),
            _ => None,
        };
        match next {
            Some(next) => place = next,
            None => return,
        }
    }
    match (place, last) {
        (Value::Object(map), Segment::Key(key) | Segment::Item(key)) => {
            map.remove(key);
        }
        (Value::Array(items), Segment::Index(index)) if *index < items.len() => {
            items.remove(*index);
        }
        (Value::Array(items), Segment::Item(name)) => items.retain(|item| !has_name(item, name)),
        _ => {}
    }
}

fn has_name(item: &Value, name: &str) -> bool {
    item.get("name").and_then(Value::as_str) == Some(name)
}

/// Whether `live` already is what `desired` asks for. Letters, blanks and numbers written as text are compared as ARM
/// does: `East US` and `eastus` are the same.
pub(super) fn covers(live: &Value, desired: &Value) -> bool {
    match (live, desired) {
        (Value::Object(live), Value::Object(desired)) => desired.iter().all(|(key, value)| match live.get(key) {
            Some(inner) => covers(inner, value),
            None => says_nothing(value),
        }),
        (Value::Array(live), Value::Array(desired)) => {
            live.len() == desired.len() && live.iter().zip(desired).all(|(live, desired)| covers(live, desired))
        }
        (Value::String(live), Value::String(desired)) => same_text(live, desired),
        (Value::Number(live), Value::Number(desired)) => live.as_f64() == desired.as_f64(),
        (live, desired) => live == desired,
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(says_nothing),
        _ => false,
    }
}

fn same_text(a: &str, b: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|c| *c != ' ').flat_map(char::to_lowercase).collect::<String>();
    a == b || letters(a) == letters(b)
}

/// The body of an update: the live object without its read-only fields, with `desired` over it and `removed` taken out;
/// for a type that is patched, only what differs. `None` when there is nothing to send.
///
/// # Errors
/// The name of a field that differs and that the API cannot change in place.
pub(super) fn update(
    kind: &ResourceType,
    live: &Value,
    desired: &Value,
    removed: &[Path],
    lineage: &str,
) -> Result<Option<Value>, String> {
    let mut wanted = desired.clone();
    strip_read_only(&mut wanted, kind);
    let mut before = live.clone();
    strip_read_only(&mut before, kind);
    // A body never has two names that differ in case only.
    spell_tags(&mut before, kind);
    let mut after = before.clone();
    overlay(&mut after, &wanted, kind);
    for path in removed {
        remove(&mut after, path);
    }
    set_lineage(&mut after, kind, lineage);
    keep_within_bounds(&mut after, kind);
    let Update::Patch { top, properties } = kind.update else { return Ok((after != before).then_some(after)) };

    let differing = |before: &Value, after: &Value| -> Vec<String> {
        let empty = Map::new();
        let before = before.as_object().unwrap_or(&empty);
        let after = after.as_object().unwrap_or(&empty);
        let changed = after.iter().filter(|(key, value)| before.get(*key) != Some(value)).map(|(key, _)| key);
        changed.chain(before.keys().filter(|key| !after.contains_key(*key))).cloned().collect()
    };
    let mut patch = Map::new();
    for key in differing(&before, &after) {
        if key == "properties" {
            continue;
        }
        if top.contains(&key.as_str()) {
            patch.insert(key.clone(), after.get(&key).cloned().unwrap_or(Value::Null));
        } else if !is_same(before.get(&key), after.get(&key)) {
            return Err(key);
        }
    }
    let none = Value::Null;
    let (old, new) = (before.get("properties").unwrap_or(&none), after.get("properties").unwrap_or(&none));
    let mut inner = Map::new();
    for key in differing(old, new) {
        if properties.contains(&key.as_str()) {
            inner.insert(key.clone(), new.get(&key).cloned().unwrap_or(Value::Null));
        } else if !is_same(old.get(&key), new.get(&key)) {
            return Err(format!("properties.{key}"));
        }
    }
    if !inner.is_empty() {
        patch.insert("properties".to_owned(), Value::Object(inner));
    }
    Ok((!patch.is_empty()).then_some(Value::Object(patch)))
}

fn is_same(before: Option<&Value>, after: Option<&Value>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => covers(before, after),
        (None, Some(after)) => says_nothing(after),
        (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::types::{CLUSTERS, DISKS};
    use super::*;
    use crate::engine::kind::{Field, Sameness};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_cluster_keeps_pools_that_are_not_its_own_and_sends_nothing_read_only() {
        let kind = types::find(CLUSTERS).unwrap();
        let live = json!({
            "id": "x", "location": "eastus", "tags": {"theirs": "1"},
            "properties": {
                "provisioningState": "Succeeded", "fqdn": "f", "dnsPrefix": "d",
                "agentPoolProfiles": [
                    {"name": "npsystem", "count": 1, "eTag": "e", "provisioningState": "Succeeded"},
                    {"name": "npuser1", "count": 5},
                ],
            },
        });
        let desired = json!({"id": "x", "properties": {"agentPoolProfiles": [{"name": "npsystem", "count": 3}]}});
        let body = update(kind, &live, &desired, &[Path::root().key("properties").key("dnsPrefix")], "L").unwrap();
        assert_eq!(
            body.unwrap(),
            json!({
                "location": "eastus", "tags": {"theirs": "1", "kompox-lineage": "L"},
                "properties": {"agentPoolProfiles": [{"name": "npsystem", "count": 3}, {"name": "npuser1", "count": 5}]},
            })
        );
    }

    const fn rule(pattern: &'static str, rule: Rule) -> Field {
        Field { pattern, rule }
    }

    #[test]
    fn what_others_own_of_a_cluster_and_its_pools_is_sent_as_it_is() {
        let kind = types::find(CLUSTERS).unwrap();
        static CLUSTER: Kind = Kind {
            fields: &[
                rule("location", Rule::Same(Sameness::Location)),
                rule("properties.kubernetesVersion", Rule::Release),
                rule("properties.agentPoolProfiles", Rule::Keyed(&["name"])),
                rule("properties.agentPoolProfiles.*.count", Rule::Computed),
                rule("properties.agentPoolProfiles.*.vmSize", Rule::Same(Sameness::IgnoreCase)),
                rule("properties.agentPoolProfiles.*.orchestratorVersion", Rule::Release),
            ],
            ..Kind::plain("cluster")
        };
        // What AKS, a policy, an autoscaler and an administrator put there.
        let live = json!({
            "location": "eastus",
            "tags": {"cost-center": "7", "kompox-lineage": "L"},
            "identity": {"type": "SystemAssigned", "principalId": "p", "tenantId": "t"},
            "properties": {
                "kubernetesVersion": "1.33.4", "currentKubernetesVersion": "1.33.4",
                "addonProfiles": {
                    "azurepolicy": {"enabled": true, "identity": {"clientId": "c"}},
                    "omsagent": {"enabled": true, "config": {"logAnalyticsWorkspaceResourceID": "w"}, "identity": {}},
                },
                "networkProfile": {"outboundType": "loadBalancer", "loadBalancerProfile": {"managedOutboundIPs": {"count": 2}}},
                "linuxProfile": {"adminUsername": "a", "ssh": {"publicKeys": [{"keyData": "k"}]}},
                "autoUpgradeProfile": {"upgradeChannel": "patch"},
                "agentPoolProfiles": [
                    {"name": "npsystem", "count": 3, "minCount": 1, "maxCount": 3, "enableAutoScaling": true,
                     "orchestratorVersion": "1.33.4", "vmSize": "Standard_D2LDS_v6", "nodeTaints": ["t"],
                     "upgradeSettings": {"maxSurge": "33%"}},
                    {"name": "npuser1", "count": 5, "minCount": 0, "maxCount": 10, "enableAutoScaling": true},
                ],
            },
        });
        let mut desired = json!({
            "location": "East US", "tags": {"managed-by": "kompox"}, "identity": {"type": "SystemAssigned"},
            "properties": {
                "kubernetesVersion": "1.33",
                "addonProfiles": {"azurepolicy": {"enabled": true}},
                "networkProfile": {"networkPlugin": "azure"},
                "agentPoolProfiles": [{
                    "name": "npsystem", "count": 1, "minCount": 1, "maxCount": 4, "enableAutoScaling": true,
                    "orchestratorVersion": "1.33", "vmSize": "Standard_D2lds_v6",
                }],
            },
        });
        leave(&mut desired, &live, &CLUSTER);
        let body = update(kind, &live, &desired, &[], "L").unwrap().unwrap();
        let mut wanted = live.clone();
        strip_read_only(&mut wanted, kind);
        wanted["tags"]["managed-by"] = json!("kompox");
        wanted["properties"]["networkProfile"]["networkPlugin"] = json!("azure");
        wanted["properties"]["agentPoolProfiles"][0]["maxCount"] = json!(4);
        assert_eq!(body, wanted);
        assert!(body.pointer("/properties/addonProfiles/omsagent/identity").is_none());
        assert!(body.pointer("/properties/currentKubernetesVersion").is_none());
    }

    #[test]
    fn a_pool_keeps_its_count_within_new_bounds_and_its_later_version() {
        let kind = types::find("Microsoft.ContainerService/managedClusters/agentPools").unwrap();
        static POOL: Kind = Kind {
            fields: &[rule("properties.orchestratorVersion", Rule::Release), rule("properties.count", Rule::Computed)],
            ..Kind::plain("node-pool")
        };
        let live = json!({"properties": {
            "count": 5, "minCount": 0, "maxCount": 10, "enableAutoScaling": true, "orchestratorVersion": "1.34.1",
            "tags": {"kompox-lineage": "L"},
        }});
        let sent = |max: i32, version: &str| {
            let mut desired = json!({"properties": {"count": 1, "maxCount": max, "orchestratorVersion": version}});
            leave(&mut desired, &live, &POOL);
            update(kind, &live, &desired, &[], "L").unwrap().map(|body| {
                (body["properties"]["count"].as_i64().unwrap(), body["properties"]["orchestratorVersion"].clone())
            })
        };
        assert_eq!(sent(10, "1.34"), None);
        assert_eq!(sent(8, "1.34"), Some((5, json!("1.34.1"))));
        assert_eq!(sent(3, "1.33"), Some((3, json!("1.34.1"))));
        assert_eq!(sent(10, "1.35"), Some((5, json!("1.35"))));
    }

    #[test]
    fn a_disk_is_patched_with_what_differs_only() {
        let kind = types::find(DISKS).unwrap();
        let live = json!({
            "location": "eastus", "zones": ["1"], "tags": {"a": "1", "kompox-lineage": "L"},
            "sku": {"name": "Premium_LRS", "tier": "Premium"},
            "properties": {"diskSizeGB": 10, "creationData": {"createOption": "Empty"}, "uniqueId": "u"},
        });
        let same = json!({"location": "East US", "zones": ["1"], "sku": {"name": "Premium_LRS"}});
        assert_eq!(update(kind, &live, &same, &[], "L").unwrap(), None);
        let grown = json!({"tags": {"b": "2"}, "properties": {"diskSizeGB": 20}});
        assert_eq!(
            update(kind, &live, &grown, &[Path::root().key("tags").key("a")], "L").unwrap().unwrap(),
            json!({"tags": {"b": "2", "kompox-lineage": "L"}, "properties": {"diskSizeGB": 20}})
        );
        let moved = json!({"zones": ["2"]});
        assert_eq!(update(kind, &live, &moved, &[], "L"), Err("zones".to_owned()));
        let copied = json!({"properties": {"creationData": {"createOption": "Copy"}}});
        assert_eq!(update(kind, &live, &copied, &[], "L"), Err("properties.creationData".to_owned()));
    }

    #[test]
    fn a_tag_in_another_case_is_the_same_tag() {
        let kind = types::find(DISKS).unwrap();
        let live = json!({"tags": {"Managed-By": "kompox", "KOMPOX-Volume": "default", "Owner": "maria", "kompox-lineage": "L"}});
        let same = json!({"tags": {"managed-by": "kompox", "kompox-volume": "default"}});
        assert_eq!(update(kind, &live, &same, &[], "L").unwrap(), None);
        let other = json!({"tags": {"managed-by": "kompox", "kompox-volume": "data"}});
        assert_eq!(
            update(kind, &live, &other, &[], "L").unwrap().unwrap()["tags"],
            json!({"managed-by": "kompox", "kompox-volume": "data", "Owner": "maria", "kompox-lineage": "L"})
        );
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), any::<i8>().prop_map(Value::from), "[a-b]{0,2}".prop_map(Value::from)];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                prop::collection::btree_map("[a-c]|tags|properties|zones", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_laid_over_is_covered(mut live in any_json(), desired in any_json()) {
            let kind = types::find(DISKS).unwrap();
            overlay(&mut live, &desired, kind);
            prop_assert!(covers(&live, &desired));
        }

        #[test]
        fn updates_never_panic(live in any_json(), desired in any_json()) {
            for name in [DISKS, CLUSTERS] {
                let _ = update(types::find(name).unwrap(), &live, &desired, &[], "L");
            }
        }
    }
}
