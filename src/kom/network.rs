//! `networkPolicy` of Apps and Boxes: who else may connect.
//!
//! Unlike elsewhere an unknown key is always an error here: what is ignored in a policy may open or close a network.

use serde_json::{Map, Value, json};

use super::keys::{self, Object};
use super::model::Located;
use super::reader::{Fields, Reader};
use crate::yaml::Node;

/// The `ingressRules` of a `networkPolicy`, each as a Kubernetes NetworkPolicyIngressRule with protocols filled in.
pub(super) fn read(reader: &mut Reader<'_>, spec: Fields<'_>) -> Vec<Value> {
    let Some(node) = spec.get("networkPolicy") else { return Vec::new() };
    let Some(policy) = reader.object(node, "\"networkPolicy\"", &keys::NETWORK_POLICY) else { return Vec::new() };
    reader.list(policy, "ingressRules").iter().filter_map(|node| rule(reader, node)).collect()
}

/// The mapping, or nothing where it has a key that is not known.
fn strict<'n>(reader: &mut Reader<'_>, node: &'n Node, what: &'n str, object: &Object) -> Option<Fields<'n>> {
    let known = object.names();
    let fields = reader.any_fields(node, what)?;
    let mut valid = true;
    for entry in node.as_mapping().unwrap_or_default() {
        if !known.contains(&entry.key.as_str()) {
            let message = format!("{what} cannot have \"{}\"", entry.key);
            let help = format!("known are {}; nothing else is ignored in a policy", known.join(", "));
            reader.error("kom-network-policy", message, &entry.key_location, help);
            valid = false;
        }
    }
    valid.then_some(fields)
}

fn rule(reader: &mut Reader<'_>, node: &Node) -> Option<Value> {
    let fields = strict(reader, node, "an ingress rule of a network policy", &keys::POLICY_RULE)?;
    let peers = reader.list(fields, "from");
    if peers.is_empty() {
        let help = "name who may connect: from: [{namespaceSelector: {matchLabels: {…}}}]";
        reader.missing(fields, "from", help);
        return None;
    }
    let from: Vec<Value> = peers.iter().filter_map(|peer| self::peer(reader, peer)).collect();
    let ports: Vec<Value> = reader.list(fields, "ports").iter().filter_map(|port| self::port(reader, port)).collect();
    let mut rule = Map::new();
    rule.insert("from".into(), from.into());
    if !ports.is_empty() {
        rule.insert("ports".into(), ports.into());
    }
    Some(rule.into())
}

fn peer(reader: &mut Reader<'_>, node: &Node) -> Option<Value> {
    let fields = strict(reader, node, "a \"from\" item", &keys::POLICY_PEER)?;
    let selector = fields.raw("namespaceSelector");
    let Some(selector) = selector.filter(|selector| selector.as_mapping().is_none_or(|entries| !entries.is_empty()))
    else {
        return empty_selector(reader, fields);
    };
    let selector = strict(reader, selector, "\"namespaceSelector\"", &keys::SELECTOR)?;
    let labels = reader.scalars(selector, "matchLabels");
    let nodes = reader.list(selector, "matchExpressions");
    if labels.is_empty() && nodes.is_empty() {
        return empty_selector(reader, selector);
    }
    let expressions: Vec<Value> = nodes.iter().filter_map(|node| expression(reader, node)).collect();
    let mut json = Map::new();
    if !labels.is_empty() {
        let labels: Map<String, Value> = labels.into_iter().map(|(key, text)| (key, text.value.into())).collect();
        json.insert("matchLabels".into(), labels.into());
    }
    if !expressions.is_empty() {
        json.insert("matchExpressions".into(), expressions.into());
    }
    Some(json!({ "namespaceSelector": json }))
}

fn empty_selector(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Value> {
    let message = format!("{} selects every namespace", fields.what);
    let help = "name labels: namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: <namespace>}}";
    reader.error("kom-network-policy", message, fields.location, help);
    None
}

fn expression(reader: &mut Reader<'_>, node: &Node) -> Option<Value> {
    let fields = strict(reader, node, "a \"matchExpressions\" item", &keys::EXPRESSION)?;
    let key = reader.required_text(fields, "key", "name the label");
    // An expression that is dropped would let more namespaces in.
    reader.required_text(fields, "operator", "it is one of In, NotIn, Exists, DoesNotExist")?;
    let operator = reader.choice(fields, "operator", &keys::OPERATORS)?;
    let values: Vec<String> = reader.texts(fields, "values").into_iter().map(|Located { value, .. }| value).collect();
    let wants_values = matches!(operator, "In" | "NotIn");
    if wants_values == values.is_empty() {
        let message =
            format!("the operator {operator} takes {} values", if wants_values { "one or more" } else { "no" });
        reader.error("kom-network-policy", message, fields.location, "correct \"values\"");
        return None;
    }
    let mut json = json!({ "key": key?.value, "operator": operator });
    if wants_values {
        json["values"] = values.into();
    }
    Some(json)
}

fn port(reader: &mut Reader<'_>, node: &Node) -> Option<Value> {
    let fields = strict(reader, node, "a \"ports\" item", &keys::POLICY_PORT)?;
    let protocol = match fields.get("protocol") {
        Some(node) if node.as_text() != Some("") => reader.choice(fields, "protocol", &keys::PROTOCOLS),
        _ => Some("TCP"),
    };
    let Some(node) = fields.get("port") else {
        reader.missing(fields, "port", "a number from 1 to 65535");
        return None;
    };
    let port = reader.integer(node, "\"port\"", keys::PORTS.0, keys::PORTS.1)?;
    Some(json!({ "protocol": protocol?, "port": port }))
}
