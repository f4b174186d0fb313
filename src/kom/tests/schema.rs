//! The schema against the loader: what loads is valid, and what neither takes is refused by both.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::*;
use crate::kom::id::ResourceKind;
use crate::kom::keys::API_VERSION;
use crate::kom::keys::{self, Object, Shape};
use crate::kom::schema;
use crate::yaml::{Limits, parse};

static ALL: LazyLock<Validator> = LazyLock::new(|| {
    let schema = schema::of("all", &[]).unwrap();
    jsonschema::validator_for(&schema).unwrap()
});

/// Asserts that every document that loaded is valid, but where a key was warned about: editors mark it, too.
#[track_caller]
pub(super) fn assert_valid(loaded: &Loaded) {
    let unknown_keys = loaded.diagnostics.iter().any(|finding| finding.code == "kom-unknown-key");
    if unknown_keys {
        return;
    }
    for source in &loaded.sources {
        for document in parse(source, Limits::default()).unwrap() {
            let json = document.to_json();
            if json["apiVersion"] == API_VERSION {
                let faults: Vec<String> = ALL.iter_errors(&json).map(|error| error.to_string()).collect();
                assert_eq!(faults, [""; 0], "loaded from {}, but not valid: {json:#}", source.file);
            }
        }
    }
}

fn by_schema(text: &str) -> bool {
    let source = Source::new("t.yml", text);
    parse(&source, Limits::default())
        .unwrap()
        .iter()
        .all(|document| document.is_null() || ALL.is_valid(&document.to_json()))
}

#[test]
fn mistakes_are_marked() {
    let app = |spec: &str| document("App", APP, &format!("  compose: file:c.yml\n{spec}"));
    for text in [
        document("Workspace", "/ws/w", "  setings: {}"),
        document("Workspace", "/ws/w/prv/p", "  {}"),
        document("Provider", "/ws/w/prv/p", "  {}"),
        document("Provider", "/ws/w/prv/p", "  driver: akz"),
        document("Cluster", "/ws/w/prv/p/cls/c", "  existing: maybe"),
        document("Cluster", "/ws/w/prv/p/cls/c", "  protection: {provisioning: readonly}"),
        document("Cluster", "/ws/w/prv/p/cls/c", "  settings: {A: [b]}"),
        document("App", APP, "  {}"),
        document("App", APP, "  compose: compose.yml"),
        document("App", APP, "  compose: []"),
        app("  ingress: [{name: main, port: 80}]"),
        app("  ingress: {rules: [{name: Main, port: 80}]}"),
        app("  ingress: {rules: [{name: main, port: 0}]}"),
        app("  ingress: {rules: [{name: main}]}"),
        app("  volumes: [{name: a-name-of-17-chars}]"),
        app("  volumes: [{name: a, type: nfs}]"),
        app("  volumes: [{name: a, disks: [{zone: 1}]}]"),
        app("  volumes: [{name: a, deletionPolicy: delete}]"),
        app("  deployment: {selectors: {}}"),
        app("  networkPolicy: {ingressRules: [{}]}"),
        app("  networkPolicy: {ingressRules: [{from: [{podSelector: {}}]}]}"),
        document("Box", &format!("{APP}/box/b"), "  ingress: {}"),
        "apiVersion: ops.kompox.dev/v1alpha1\nkind: Defaults\nspec: {appId: /ws/w}\n".to_owned(),
        "apiVersion: ops.kompox.dev/v1alpha1\nkind: Volume\n".to_owned(),
        document("Workspace", "/ws/w", "  {}").replace("ops.kompox.dev/id", "ops.kompox.dev/ID"),
    ] {
        assert!(!by_schema(&text), "{text}");
    }
    assert!(by_schema(&(ground() + &app("  volumes: [{name: data, size: 10Gi}]"))));
}

/// Reads one document of this kind with this `spec`, and says whether there was an error.
fn by_loader(kind: ResourceKind, spec: &Value) -> bool {
    let id = ids(kind);
    let name = id.rsplit('/').next().unwrap();
    let document = json!({
        "apiVersion": API_VERSION, "kind": kind.name(),
        "metadata": { "name": name, "annotations": { "ops.kompox.dev/id": id } }, "spec": spec,
    });
    let parents: Vec<String> = ResourceKind::ALL
        .into_iter()
        .filter(|other| *other < kind)
        .map(|other| format!("{}\n---\n", minimal(other)))
        .collect();
    let text = format!("{}{document}\n", parents.concat());
    let folder = Folder::new(&[("kompoxapp.yml", &text)]);
    folder.load_with(&folder.request(), &LoadOptions { strict: true, ..LoadOptions::default() }).is_ok()
}

fn ids(kind: ResourceKind) -> String {
    ResourceKind::ALL
        .into_iter()
        .take_while(|outer| *outer <= kind)
        .map(|outer| format!("/{}/x", outer.short()))
        .collect()
}

fn minimal(kind: ResourceKind) -> Value {
    let spec = match kind {
        ResourceKind::Provider => json!({ "driver": "aks" }),
        ResourceKind::App => json!({ "compose": "file:c.yml" }),
        _ => json!({}),
    };
    json!({ "apiVersion": API_VERSION, "kind": kind.name(),
            "metadata": { "name": "x", "annotations": { "ops.kompox.dev/id": ids(kind) } }, "spec": spec })
}

/// A value that this shape takes.
fn sample(shape: &Shape) -> Option<Value> {
    Some(match shape {
        Shape::Text | Shape::Label(_) => json!("x"),
        Shape::Pattern(pattern) if pattern.contains('@') && pattern.contains("+@") => json!("a@b.c"),
        Shape::Pattern(_) => json!("x"),
        Shape::Choice(words) => json!(words()[0]),
        Shape::Boolean => json!(true),
        Shape::Integer(min, _) => json!(min),
        Shape::Texts | Shape::AnyTexts => json!(["x"]),
        Shape::Scalars | Shape::Settings(_) => json!({ "x": "y" }),
        Shape::Quota => json!({ "pods": 1 }),
        Shape::Compose => json!("file:c.yml"),
        Shape::Id(kind) => json!(ids(*kind)),
        Shape::Object(object) => filled(object),
        Shape::Objects(object) => json!([filled(object)]),
        Shape::Reserved => return None,
    })
}

/// A mapping with its required keys.
fn filled(object: &Object) -> Value {
    object
        .keys
        .iter()
        .filter(|key| key.required)
        .filter_map(|key| Some((key.name.to_owned(), sample(&key.shape)?)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Every key of every table, given values of every type at its place: where the schema refuses, so does the loader.
#[test]
fn what_the_schema_refuses_does_not_load() {
    let probes = [
        json!("x"),
        json!("X y"),
        json!(""),
        json!(7),
        json!(70_000),
        json!(-1),
        json!(1.5),
        json!(true),
        json!(null),
        json!([]),
        json!(["x"]),
        json!([["x"]]),
        json!([{ "nokey": 1 }]),
        json!({}),
        json!({ "nokey": 1 }),
        json!({ "x": { "y": 1 } }),
    ];
    /// Takes a key, and what puts a value at its place.
    type Visit<'a> = dyn FnMut(&str, &dyn Fn(Value) -> Value) + 'a;
    /// Puts a value at the place of a key, deep inside a spec.
    fn each(object: &'static Object, wrap: &dyn Fn(Value) -> Value, visit: &mut Visit<'_>) {
        for key in object.keys {
            let place = |value: Value| {
                let mut whole = filled(object);
                whole[key.name] = value;
                wrap(whole)
            };
            visit(key.name, &place);
            match &key.shape {
                Shape::Object(inner) => each(inner, &place, visit),
                Shape::Objects(inner) => each(inner, &|value| place(json!([value])), visit),
                _ => {}
            }
        }
    }
    let mut judged = 0;
    for kind in ResourceKind::ALL {
        each(keys::spec(kind), &|spec| spec, &mut |key, place| {
            for probe in &probes {
                let spec = place(probe.clone());
                let mut document = minimal(kind);
                document["spec"] = spec.clone();
                judged += 1;
                if !ALL.is_valid(&document) {
                    assert!(!by_loader(kind, &spec), "{kind} {key}: the loader takes what the schema refuses: {spec}");
                }
            }
        });
    }
    assert!(judged > 1000, "{judged}");
}
