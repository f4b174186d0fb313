//! The JSON Schema (2020-12) of KOM, for editors and other tools. It is made of the same tables that the readers take
//! their keys from (`super::keys`), so every document that loads without a warning about its keys is valid by it.
//!
//! What one document alone cannot tell (parents, unique names, ports of the compose file) is left to `kompox validate`.

use serde_json::{Map, Value, json};

use super::id::ResourceKind;
use super::keys::{self, Key, Object, Shape};
use super::keys::{ANNOTATION_PREFIX, ANNOTATIONS, API_VERSION, ID_ANNOTATION, MOVED_FROM_ANNOTATION};
use super::limits::{QUOTA_AMOUNTS, QUOTA_COUNTS};
use super::settings::Tables;
use crate::text::dns::LABEL_MAX;

/// The kind that gives a project its defaults; it is no object and has no ID.
const DEFAULTS: &str = "Defaults";

/// Names that [`of`] takes, in the order of the schema.
pub fn names() -> Vec<&'static str> {
    let kinds = ["workspace", "provider", "cluster", "app", "box", "defaults"];
    kinds.into_iter().chain(["all"]).collect()
}

/// The schema of one kind by its name in lower case, or with `all` that of any KOM document; `drivers` are the settings of
/// the drivers that there are. None for another name.
pub fn of(name: &str, drivers: &[&Tables]) -> Option<Value> {
    if name == "all" {
        let refs: Vec<Value> = kinds().map(|kind| json!({ "$ref": format!("#/$defs/{kind}") })).collect();
        let defs: Map<String, Value> = kinds().map(|kind| (kind.to_owned(), document(kind, drivers))).collect();
        return Some(json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "KOM, the Kompox Ops Manifest",
            "description": "One document; a file holds several, with --- between them.",
            "type": "object",
            "required": ["apiVersion", "kind"],
            "oneOf": refs,
            "$defs": defs,
        }));
    }
    let kind = kinds().find(|kind| kind.to_ascii_lowercase() == name)?;
    let mut schema = document(kind, drivers);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    Some(schema)
}

fn kinds() -> impl Iterator<Item = &'static str> {
    ResourceKind::ALL.into_iter().map(ResourceKind::name).chain([DEFAULTS])
}

fn document(kind: &str, drivers: &[&Tables]) -> Value {
    let resource = ResourceKind::ALL.into_iter().find(|resource| resource.name() == kind);
    let spec = resource.map_or(&keys::DEFAULTS, keys::spec);
    let mut properties = Map::new();
    let mut required = vec!["apiVersion", "kind"];
    for key in keys::DOCUMENT {
        let value = match key {
            "apiVersion" => json!({ "const": API_VERSION }),
            "kind" => json!({ "const": kind }),
            "metadata" => match resource {
                Some(resource) => metadata(resource),
                None => json!({ "description": "Optional here", "type": ["object", "null"] }),
            },
            "spec" => object(spec, drivers),
            // What other tools write is no business of ours.
            _ => json!({ "description": "Accepted and not read" }),
        };
        properties.insert(key.to_owned(), value);
    }
    if resource.is_some() {
        required.push("metadata");
    }
    if spec.keys.iter().any(|key| key.required) {
        required.push("spec");
    }
    json!({
        "title": kind,
        "description": spec.about,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn metadata(kind: ResourceKind) -> Value {
    let annotation = |annotation: &str| match annotation {
        ID_ANNOTATION => json!({
            "description": format!("The Resource ID: {}", example(kind)),
            "type": "string",
            "pattern": id_pattern(kind),
        }),
        MOVED_FROM_ANNOTATION => json!({
            "description": "The Resource ID before a rename",
            "type": ["string", "null"],
            "pattern": format!("^$|{}", id_pattern(kind)),
        }),
        _ => json!({ "description": "Recorded by the loader", "type": SCALAR }),
    };
    let annotations: Map<String, Value> =
        ANNOTATIONS.iter().map(|name| ((*name).to_owned(), annotation(name))).collect();
    json!({
        "type": "object",
        "properties": {
            "name": label("Its name, the last segment of its Resource ID", LABEL_MAX, true),
            "annotations": {
                "type": "object",
                "properties": annotations,
                "required": [ID_ANNOTATION],
                "propertyNames": { "anyOf": [
                    { "enum": ANNOTATIONS },
                    // Other domains belong to others.
                    { "not": { "pattern": format!("^{}", ANNOTATION_PREFIX.replace('.', "\\.")) } },
                ] },
                "additionalProperties": { "type": SCALAR },
            },
            "labels": {},
        },
        "required": ["name", "annotations"],
        "additionalProperties": false,
    })
}

const SCALAR: [&str; 4] = ["string", "number", "boolean", "null"];
/// A single value that must not be absent.
const PRESENT: [&str; 3] = ["string", "number", "boolean"];

fn label_pattern(max: usize) -> String {
    format!("[a-z0-9]([-a-z0-9]{{0,{}}}[a-z0-9])?", max.saturating_sub(2))
}

fn id_pattern(kind: ResourceKind) -> String {
    let label = label_pattern(LABEL_MAX);
    let segments = ResourceKind::ALL.into_iter().take_while(|outer| *outer <= kind);
    let path: String = segments.map(|outer| format!("/{}/{label}", outer.short())).collect();
    format!("^{path}$")
}

fn example(kind: ResourceKind) -> String {
    let segments = ResourceKind::ALL.into_iter().take_while(|outer| *outer <= kind);
    segments.map(|outer| format!("/{0}/<{0}>", outer.short())).collect()
}

fn label(about: &str, max: usize, required: bool) -> Value {
    let empty = if required { "" } else { "$|^" };
    let types: &[&str] = if required { &PRESENT } else { &SCALAR };
    json!({ "description": about, "type": types, "pattern": format!("^{empty}{}$", label_pattern(max)) })
}

fn object(object: &Object, drivers: &[&Tables]) -> Value {
    let required: Vec<&str> = object.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let properties: Map<String, Value> =
        object.keys.iter().map(|key| (key.name.to_owned(), self::key(key, drivers))).collect();
    let mut schema = json!({
        "description": object.about,
        "type": if required.is_empty() { json!(["object", "null"]) } else { json!("object") },
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

fn key(key: &Key, drivers: &[&Tables]) -> Value {
    let types: &[&str] = if key.required { &PRESENT } else { &SCALAR };
    let list = |items: Value| json!({ "type": if key.required { json!("array") } else { json!(["array", "null"]) }, "items": items });
    let mut schema = match &key.shape {
        Shape::Text if key.required => json!({ "type": types, "minLength": 1 }),
        Shape::Text => json!({ "type": types }),
        Shape::Label(max) => label(key.about, *max, key.required),
        Shape::Pattern(pattern) if key.required => json!({ "type": types, "pattern": pattern }),
        Shape::Pattern(pattern) => json!({ "type": types, "pattern": format!("^$|{pattern}") }),
        Shape::Choice(words) => {
            let absent = if key.required { vec![] } else { vec![json!(""), Value::Null] };
            let words: Vec<Value> = words().into_iter().map(Value::from).chain(absent).collect();
            json!({ "enum": words })
        }
        Shape::Boolean => json!({ "anyOf": [
            { "type": ["boolean", "null"] },
            // The other booleans of YAML 1.1, which are texts to YAML 1.2.
            { "enum": ["yes", "Yes", "YES", "on", "On", "ON", "no", "No", "NO", "off", "Off", "OFF"] },
        ] }),
        Shape::Integer(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Texts => list(json!({ "type": PRESENT, "minLength": 1 })),
        Shape::AnyTexts => list(json!({ "type": SCALAR })),
        Shape::Scalars => json!({ "type": ["object", "null"], "additionalProperties": { "type": SCALAR } }),
        Shape::Settings(levels) => {
            let mut known = Map::new();
            let all = drivers.iter().flat_map(|tables| levels.iter().flat_map(|level| tables.of(*level)));
            for setting in all {
                // Drivers, disks and shares may have one of a name.
                known
                    .entry(setting.key)
                    .and_modify(|one| one["description"] = about_both(one, &setting.described()))
                    .or_insert_with(|| json!({ "description": setting.described(), "type": SCALAR }));
            }
            json!({ "type": ["object", "null"], "properties": known, "additionalProperties": { "type": SCALAR } })
        }
        Shape::Quota => json!({
            "type": ["object", "null"],
            "propertyNames": { "anyOf": [
                { "enum": QUOTA_AMOUNTS.into_iter().chain(QUOTA_COUNTS).collect::<Vec<_>>() },
                { "pattern": "^count/" },
                { "pattern": "\\.storageclass\\.storage\\.k8s\\.io/" },
                { "pattern": "^requests\\..+\\..+/" },
            ] },
            "additionalProperties": { "type": PRESENT },
        }),
        Shape::Object(object) => self::object(object, drivers),
        Shape::Objects(object) => list(self::object(object, drivers)),
        Shape::Id(kind) => json!({ "type": ["string", "null"], "pattern": format!("^$|{}", id_pattern(*kind)) }),
        Shape::Reserved => return json!({ "description": key.about, "not": {} }),
        Shape::Compose => json!({ "anyOf": [
            { "type": "string", "pattern": "^file:[^\\n]" },
            { "type": "string", "pattern": "[:\\n]", "not": { "pattern": "^file:" } },
            { "type": "object" },
            { "type": "array", "minItems": 1, "items": { "type": "string", "pattern": "^file:[^\\n]" } },
        ] }),
    };
    schema["description"] = key.about.into();
    schema
}

fn about_both(one: &Value, other: &str) -> Value {
    match one["description"].as_str() {
        Some(said) if said != other => format!("{said}. Or: {other}").into(),
        _ => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_schema_that_is_one() {
        for name in names() {
            let schema = of(name, &[]).unwrap();
            assert!(jsonschema::meta::is_valid(&schema), "{name}");
            jsonschema::validator_for(&schema).unwrap();
        }
        assert_eq!(of("secret", &[]), None);
    }

    #[test]
    fn every_key_is_described() {
        fn walk(object: &Object) {
            assert!(!object.about.is_empty());
            for key in object.keys {
                assert!(!key.about.is_empty() && !key.about.ends_with('.'), "{}", key.name);
                match &key.shape {
                    Shape::Object(inner) | Shape::Objects(inner) => walk(inner),
                    _ => {}
                }
            }
        }
        ResourceKind::ALL.into_iter().for_each(|kind| walk(keys::spec(kind)));
        walk(&keys::DEFAULTS);
    }
}
