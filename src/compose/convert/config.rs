//! ConfigMaps and Secrets: compose configs and secrets, and the env files of containers.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::components::Component;
use super::context::Context;
use super::object::{CONTENT_HASH, ObjectKind, RenderedObject, path};
use crate::compose::model::{FileObject, FileSource};
use crate::compose::names;
use crate::diag::Location;
use crate::text::dns;

/// Rendered ConfigMaps and Secrets of one component, and what its workload needs to know of them.
pub(super) struct FileSet {
    /// The component.
    component: String,
    /// ConfigMaps, then Secrets.
    pub(super) objects: Vec<RenderedObject>,
    /// Compose configs that are used, by name.
    pub(super) configs: BTreeMap<String, Mounted>,
    /// Compose secrets that are used, by name.
    pub(super) secrets: BTreeMap<String, Mounted>,
    /// Content hash by object name.
    pub(super) hashes: BTreeMap<String, String>,
}

/// A ConfigMap or Secret as a Pod refers to it.
pub(super) struct Mounted {
    /// Its part of the name of the Pod's volume.
    pub(super) name: String,
    /// Name of the object.
    pub(super) object: String,
    /// The key that holds the file.
    pub(super) key: String,
}

/// Renders what the services of a component use.
pub(super) fn objects(cx: &mut Context<'_>, component: &Component<'_>) -> FileSet {
    let project = cx.input.compose;
    let mut set = FileSet {
        component: component.name.clone(),
        objects: Vec::new(),
        configs: BTreeMap::new(),
        secrets: BTreeMap::new(),
        hashes: BTreeMap::new(),
    };
    let mut names_of: BTreeMap<String, String> = BTreeMap::new();
    for (name, config) in &project.configs {
        if !component.services.iter().any(|service| service.configs.iter().any(|file| file.source == *name)) {
            continue;
        }
        let Some(own) = kubernetes_name(cx, &mut names_of, "config", name, config) else { continue };
        let object = names::config_map(cx.app(), &component.name, &own);
        if let Some(mounted) = compose_file(cx, &mut set, "ConfigMap", name, (own, object), config) {
            set.configs.insert(name.clone(), mounted);
        }
    }
    let mut by_name: Vec<_> = component.services.iter().collect();
    by_name.sort_by(|a, b| a.name.cmp(&b.name));
    for service in by_name {
        let Some(values) = &service.env_file else { continue };
        let object = names::env_base(cx.app(), component.keeper(), &service.name);
        let values = values.iter().map(|(key, text)| (key.clone(), text.value.clone().into_bytes())).collect();
        secret(cx, &mut set, object, &values, service.env_file_location.clone());
    }
    let mut names_of: BTreeMap<String, String> = BTreeMap::new();
    for (name, compose_secret) in &project.secrets {
        if !component.services.iter().any(|service| service.secrets.iter().any(|file| file.source == *name)) {
            continue;
        }
        let Some(own) = kubernetes_name(cx, &mut names_of, "secret", name, compose_secret) else { continue };
        let object = names::secret(cx.app(), &component.name, &own);
        if let Some(mounted) = compose_file(cx, &mut set, "Secret", name, (own, object), compose_secret) {
            set.secrets.insert(name.clone(), mounted);
        }
    }
    set
}

/// The name of a config or secret inside Kubernetes names: `db_password` is `db-password` there.
fn kubernetes_name(
    cx: &mut Context<'_>,
    taken: &mut BTreeMap<String, String>,
    kind: &str,
    name: &str,
    file: &FileObject,
) -> Option<String> {
    let own = name.to_ascii_lowercase().replace(['_', '.'], "-");
    // The Pod volume is named cfg-<name> or sec-<name>.
    if !dns::is_label_within(&own, 59) {
        let message = format!("{name} cannot be part of a Kubernetes name; use lower case letters, digits and \"-\"");
        cx.error("compose-name", message, &file.location);
        return None;
    }
    if let Some(other) = taken.insert(own.clone(), name.to_owned()) {
        let message = format!("the {kind}s {other} and {name} would both be {own} in Kubernetes; rename one");
        cx.error("compose-name", message, &file.location);
        return None;
    }
    Some(own)
}

fn compose_file(
    cx: &mut Context<'_>,
    set: &mut FileSet,
    kind: &str,
    name: &str,
    (own, object): (String, String),
    file: &FileObject,
) -> Option<Mounted> {
    let (key, bytes) = match &file.source {
        FileSource::External(object) => {
            if !dns::is_subdomain(object) {
                let message = format!("{object} cannot be the name of a {kind} that exists already");
                cx.error("compose-name", message, &file.location);
                return None;
            }
            return Some(Mounted { name: own, object: object.clone(), key: name.to_owned() });
        }
        FileSource::Unreadable => return None,
        FileSource::Content { key, bytes } => (key.clone().unwrap_or_else(|| name.to_owned()), bytes),
    };
    let dots = key == "." || key.starts_with("..");
    if dots || key.len() > 253 || !key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        let message = format!(
            "{name}: the file name {key} cannot be a key; use letters, digits, \"-\", \"_\" and \".\", and no \"..\" in front"
        );
        cx.error("compose-name", message, &file.location);
        return None;
    }
    let values = BTreeMap::from([(key.clone(), bytes.value.clone())]);
    if kind == "Secret" {
        secret(cx, set, object.clone(), &values, Some(file.location.clone()));
    } else {
        config_map(cx, set, object.clone(), &key, &bytes.value, bytes.sensitive, &file.location);
    }
    Some(Mounted { name: own, object, key })
}

fn config_map(
    cx: &Context<'_>,
    set: &mut FileSet,
    object: String,
    key: &str,
    content: &[u8],
    sensitive: bool,
    location: &Location,
) {
    let hash = names::content_hash(&BTreeMap::from([(key, content)]));
    // The reader has checked that a config is UTF-8.
    let text = String::from_utf8_lossy(content);
    let mut hidden = vec![path(&[&"metadata", &"annotations", &CONTENT_HASH])];
    if sensitive {
        hidden.push(path(&[&"data", &key]));
    }
    let body = json!({ "data": { key: text } });
    set.add(cx, (ObjectKind::ConfigMap, object), body, hidden, hash, Some(location.clone()));
}

fn secret(
    cx: &Context<'_>,
    set: &mut FileSet,
    object: String,
    values: &BTreeMap<String, Vec<u8>>,
    origin: Option<Location>,
) {
    let hash = names::content_hash(values);
    let mut hidden = vec![path(&[&"metadata", &"annotations", &CONTENT_HASH])];
    hidden.extend(values.keys().map(|key| path(&[&"data", key])));
    let data: Map<String, Value> =
        values.iter().map(|(key, value)| (key.clone(), Value::String(STANDARD.encode(value)))).collect();
    let body = json!({ "type": "Opaque", "data": data });
    set.add(cx, (ObjectKind::Secret, object), body, hidden, hash, origin);
}

impl FileSet {
    /// Adds an object that carries the hash of its content.
    fn add(
        &mut self,
        cx: &Context<'_>,
        (kind, object): (ObjectKind, String),
        rest: Value,
        sensitive: Vec<Vec<String>>,
        hash: String,
        origin: Option<Location>,
    ) {
        let mut rendered = cx.object(kind, &object, cx.component_labels(&self.component), rest);
        rendered.body["metadata"]["annotations"] = json!({ CONTENT_HASH: hash });
        self.hashes.insert(object, hash);
        self.objects.push(RenderedObject { sensitive, origin, ..rendered });
    }
}
