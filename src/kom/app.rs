//! The `spec` of an App, but for its volumes and network policy.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::model::{App, AppIngress, ComposeSource, Deployment, IngressRule, Located, Meta};
use super::objects::{cert_resolver, lifecycle};
use super::reader::{Fields, Reader};
use super::{keys, limits, network, volume};
use crate::diag::{Diagnostic, Location};
use crate::text::dns::{is_address, is_subdomain};
use crate::yaml::{Content, Node};
use kompox_rules::quantity;

const COMPOSE_HELP: &str = "write compose: file:compose.yml, or the compose definition itself";

/// Reads an App; none where its compose definition is missing or wrong.
pub(super) fn read(reader: &mut Reader<'_>, meta: Meta, spec: Fields<'_>) -> Option<App> {
    let compose = compose(reader, spec);
    // A profile may be the empty text, as `COMPOSE_PROFILES=a,` names it.
    let profiles = reader.list(spec, "profiles").iter();
    let profiles: Vec<_> = profiles.filter_map(|item| reader.text(item, "an item of \"profiles\"")).collect();
    let profiles = profiles.into_iter().map(|profile| profile.value).collect();
    let ingress = ingress(reader, spec);
    let volumes = volume::read(reader, spec);
    let deployment = deployment(reader, spec);
    let network_policy = network::read(reader, spec);
    let resources = resources(reader, spec);
    let quota = limits::quota(reader, spec);
    let limits = limits::container_limits(reader, spec);
    let settings = reader.settings(spec);
    let lifecycle = lifecycle(reader, spec);
    let base_dir = meta.file.parent().unwrap_or(Path::new("")).to_owned();
    Some(App {
        meta,
        compose: compose?,
        profiles,
        ingress,
        volumes,
        deployment,
        network_policy,
        resources,
        quota,
        limits,
        settings,
        lifecycle,
        base_dir,
    })
}

fn compose(reader: &mut Reader<'_>, spec: Fields<'_>) -> Option<ComposeSource> {
    let Some(node) = spec.get("compose") else {
        reader.missing(spec, "compose", COMPOSE_HELP);
        return None;
    };
    match &node.content {
        Content::Mapping(_) => Some(ComposeSource::InlineTree(node.clone())),
        Content::Sequence(items) => {
            let count = items.len();
            let files: Vec<_> = items.iter().filter_map(|item| file_reference(reader, item)).collect();
            if count == 0 {
                reader.error("kom-value", "\"compose\" is an empty list", &node.location, COMPOSE_HELP);
            }
            (count > 0 && files.len() == count).then_some(ComposeSource::File(files))
        }
        Content::Scalar(scalar) if scalar.text.starts_with("file:") => {
            Some(ComposeSource::File(vec![file_reference(reader, node)?]))
        }
        Content::Scalar(scalar) if scalar.text.contains([':', '\n']) => {
            let location = text_start(&node.location, &scalar.text);
            Some(ComposeSource::Inline { text: scalar.text.clone(), location })
        }
        Content::Scalar(scalar) => {
            let message = format!("\"compose\" is no compose definition: \"{}\"", scalar.text);
            let help = format!("for a file write compose: file:{}", scalar.text);
            reader.error("kom-value", message, &node.location, help);
            None
        }
    }
}

fn file_reference(reader: &mut Reader<'_>, node: &Node) -> Option<Located<String>> {
    let text = reader.text(node, "a compose file")?;
    match text.value.strip_prefix("file:") {
        Some(path) if !path.is_empty() => Some(Located::new(path.to_owned(), text.location)),
        _ => {
            let message = format!("\"{}\" does not name a compose file", text.value);
            reader.error("kom-value", message, &text.location, "write file: and a path, such as file:compose.yml");
            None
        }
    }
}

/// Where a scalar's text begins: the parser gives the first line of a block scalar that is not blank.
fn text_start(scalar: &Location, text: &str) -> Location {
    let blank_lines = text.bytes().take_while(|b| *b == b'\n').count();
    let line = scalar.line.saturating_sub(u32::try_from(blank_lines).unwrap_or(u32::MAX)).max(1);
    Location { line, ..scalar.clone() }
}

fn ingress(reader: &mut Reader<'_>, spec: Fields<'_>) -> AppIngress {
    let Some(node) = spec.get("ingress") else { return AppIngress::default() };
    if node.as_sequence().is_some() {
        let message = "\"ingress\" must be a mapping, not a list of rules";
        reader.error("kom-type", message, &node.location, "put the list under `rules:`");
        return AppIngress::default();
    }
    let Some(fields) = reader.object(node, "the ingress of an App", &keys::APP_INGRESS) else {
        return AppIngress::default();
    };
    AppIngress { cert_resolver: cert_resolver(reader, fields), rules: rules(reader, fields) }
}

fn rules(reader: &mut Reader<'_>, fields: Fields<'_>) -> Vec<IngressRule> {
    let mut rules: Vec<IngressRule> = Vec::new();
    let mut names: HashMap<String, Location> = HashMap::new();
    let mut ports: HashMap<u16, Location> = HashMap::new();
    let mut hosts: HashMap<String, (Location, usize)> = HashMap::new();
    for (index, node) in reader.list(fields, "rules").iter().enumerate() {
        let Some(fields) = reader.object(node, "an ingress rule", &keys::INGRESS_RULE) else { continue };
        let name = rule_name(reader, fields);
        let port = match fields.get("port") {
            Some(node) => reader
                .integer(node, "\"port\"", keys::PORTS.0, keys::PORTS.1)
                .and_then(|port| u16::try_from(port).ok())
                .map(|port| Located::new(port, node.location.clone())),
            None => {
                reader.missing(fields, "port", "write a host port that the compose file publishes");
                None
            }
        };
        let rule_hosts = rule_hosts(reader, fields, index, &mut hosts);
        let (Some(name), Some(port)) = (name, port) else { continue };
        if let Some(first) = names.get(&name.value) {
            reader.duplicate(&format!("the ingress rule \"{}\"", name.value), &name.location, first);
        }
        if let Some(first) = ports.get(&port.value) {
            let message = format!("two ingress rules have the port {}; first on line {}", port.value, first.line);
            reader.error("kom-duplicate", message, &port.location, "put all its hosts into one rule");
        }
        names.entry(name.value.clone()).or_insert(name.location);
        ports.entry(port.value).or_insert(port.location);
        rules.push(IngressRule {
            name: name.value,
            port: port.value,
            hosts: rule_hosts,
            location: node.location.clone(),
        });
    }
    rules
}

fn rule_name(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Located<String>> {
    let help = "1 to 15 of a-z, 0-9 and single \"-\", beginning with a letter, not ending with \"-\"";
    let name = reader.required_text(fields, "name", help)?;
    // ^[a-z]([-a-z0-9]{0,14})$, and as a Service port's name without "--" and "-" at the end (RFC 6335 section 5.1,
    // which the API server's IsValidPortName follows).
    let tail = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let valid = name.value.len() <= 15
        && name.value.starts_with(|c: char| c.is_ascii_lowercase())
        && name.value.bytes().all(tail)
        && !name.value.ends_with('-')
        && !name.value.contains("--");
    if valid {
        return Some(name);
    }
    let message = format!("\"{}\" cannot be the name of an ingress rule", name.value);
    reader.error("kom-name", message, &name.location, help);
    None
}

fn rule_hosts(
    reader: &mut Reader<'_>,
    fields: Fields<'_>,
    rule: usize,
    seen: &mut HashMap<String, (Location, usize)>,
) -> Vec<Located<String>> {
    let mut hosts = Vec::new();
    for host in reader.texts(fields, "hosts") {
        // `validateIngressRules` of Kubernetes, pkg/apis/networking/validation.
        if is_address(&host.value) {
            let message = format!("\"{}\" is an IP address, and an ingress host must be a DNS name", host.value);
            let help = "write a DNS name that leads there, such as git.example.com";
            reader.error("kom-host", message, &host.location, help);
            continue;
        }
        if !is_subdomain(host.value.strip_prefix("*.").unwrap_or(&host.value)) {
            let message = format!("\"{}\" is no host name", host.value);
            let lower = host.value.to_ascii_lowercase();
            let help = if lower != host.value && is_subdomain(&lower) {
                format!("write it in lower case: {lower}")
            } else {
                "write a DNS name such as git.example.com, without scheme, port, path or trailing dot".to_owned()
            };
            reader.error("kom-host", message, &host.location, help);
            continue;
        }
        match seen.get(&host.value) {
            Some((first, in_rule)) if *in_rule == rule => {
                let message = format!("the host {} is repeated; first on line {}", host.value, first.line);
                reader.report(Diagnostic::warning("kom-host", message).help("take one of them out"), &host.location);
                continue;
            }
            Some((first, _)) => {
                let message = format!("two ingress rules have the host {}; first on line {}", host.value, first.line);
                reader.error(
                    "kom-duplicate",
                    message,
                    &host.location,
                    "a host leads to one port: take one of them out",
                );
            }
            None => {
                seen.insert(host.value.clone(), (host.location.clone(), rule));
            }
        }
        hosts.push(host);
    }
    hosts
}

fn deployment(reader: &mut Reader<'_>, spec: Fields<'_>) -> Deployment {
    let Some(node) = spec.get("deployment") else { return Deployment::default() };
    let Some(fields) = reader.object(node, "the deployment of an App", &keys::DEPLOYMENT) else {
        return Deployment::default();
    };
    if let Some(at) = fields.key_location("selectors") {
        let help = "take it out; pools and zones say where the pods run";
        reader.error("kom-reserved", "\"deployment.selectors\" is reserved", at, help);
    }
    let (pools, single_pool) = one_or_many(reader, fields, "pool", "pools");
    let (zones, single_zone) = one_or_many(reader, fields, "zone", "zones");
    let text = |values: Vec<Located<String>>| values.into_iter().map(|value| value.value).collect();
    Deployment {
        zone_location: zones.first().map(|zone| zone.location.clone()),
        pools: text(pools),
        zones: text(zones),
        single_pool,
        single_zone,
        location: Some(node.location.clone()),
    }
}

fn one_or_many(reader: &mut Reader<'_>, fields: Fields<'_>, one: &str, many: &str) -> (Vec<Located<String>>, bool) {
    let single = reader.optional_text(fields, one);
    let mut values = reader.texts(fields, many);
    if let (Some(single), Some(at)) = (&single, fields.get(many).and(fields.key_location(many))) {
        let message = format!("\"{one}\" (line {}) and \"{many}\" exclude each other", single.location.line);
        reader.error("kom-exclusive", message, at, format!("keep \"{one}\" for one, or \"{many}\" for several"));
        return (values, false);
    }
    let is_single = single.is_some();
    values.extend(single);
    let mut seen: HashMap<String, Location> = HashMap::new();
    for value in &values {
        // Each becomes the value of a node label.
        if !is_label_value(&value.value) {
            let message = format!("\"{}\" cannot be a {one}", value.value);
            let help = "1 to 63 letters, digits, \"-\", \"_\" and \".\", a letter or digit first and last";
            reader.error("kom-value", message, &value.location, help);
        }
        match seen.get(&value.value) {
            Some(first) => reader.duplicate(&format!("the {one} \"{}\"", value.value), &value.location, first),
            None => {
                seen.insert(value.value.clone(), value.location.clone());
            }
        }
    }
    (values, is_single)
}

/// Whether a text, if it is one, can be the value of a label (Kubernetes documentation, "Labels and Selectors", Syntax).
fn is_label_value(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.len() <= 63 && text.bytes().all(inner) && (text.is_empty() || text.starts_with(edge) && text.ends_with(edge))
}

fn resources(reader: &mut Reader<'_>, spec: Fields<'_>) -> BTreeMap<String, Located<String>> {
    let mut resources = BTreeMap::new();
    let Some(node) = spec.get("resources") else { return resources };
    let Some(fields) = reader.object(node, "the resources of an App", &keys::RESOURCES) else { return resources };
    for (key, example) in [("cpu", "500m"), ("memory", "1Gi")] {
        let Some(text) = reader.optional_text(fields, key) else { continue };
        match quantity::parse_milli(&text.value) {
            Ok(0) => {
                let message = format!("\"{key}\" cannot be zero");
                reader.error("kom-quantity", message, &text.location, format!("write a quantity such as {example}"));
            }
            Ok(_) => {
                resources.insert(key.to_owned(), text);
            }
            Err(error) => {
                let message = format!("\"{key}\" cannot be \"{}\": {error}", text.value);
                reader.error("kom-quantity", message, &text.location, format!("write a quantity such as {example}"));
            }
        }
    }
    resources
}
