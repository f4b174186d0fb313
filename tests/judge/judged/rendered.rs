//! What other tests rendered: each object is applied twice, to the real API server and to the sandbox.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{later, say};
use crate::harness::skip;
use crate::plane::Plane;

/// The folder that tests render into; `.ci/run` makes it.
const FOLDER: &str = "KOMPOX_RENDERED_DIR";

/// How many renderings must have come, by the beginnings of their files' names. Fewer means that a hook is gone.
const AT_LEAST: &[(&str, usize)] = &[("unit.compose.convert.", 40), ("e2e.", 20)];

/// Where [`comparable`] puts the fields that we own.
const OWNED: &str = "(owned by kompox-converter)";

/// Objects that were rendered together.
struct Set {
    name: String,
    objects: Vec<Value>,
}

#[test]
fn what_tests_rendered_is_taken_and_a_second_apply_changes_nothing() {
    if later() {
        return;
    }
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        skip(&format!("what other tests rendered is not judged: {FOLDER} is not set"));
        return;
    };
    let sets = sets(&folder);
    for (beginning, least) in AT_LEAST {
        let came = sets.values().flatten().filter(|set| set.name.starts_with(beginning)).count();
        assert!(came >= *least, "{came} renderings of {beginning}*, and there should be {least} at least");
    }
    let distinct: Vec<&Set> = sets.values().map(|same| &same[0]).collect();
    let mut wrong = Vec::new();
    let mut kept: Vec<BTreeMap<(usize, usize), Value>> = Vec::new();
    let mut objects = 0;
    for plane in Plane::all() {
        let mut live = BTreeMap::new();
        objects = 0;
        for (number, set) in distinct.iter().enumerate() {
            for (index, object) in apart(&set.objects, number).iter().enumerate() {
                objects += 1;
                match twice(plane, object) {
                    Ok(object) => drop(live.insert((number, index), object)),
                    Err(why) => wrong.push(format!("{}: {}: {}: {why}", plane.name(), set.name, title(object))),
                }
            }
        }
        kept.push(live);
    }
    if let [real, sandbox] = kept.as_slice() {
        let mut differences: BTreeMap<String, String> = BTreeMap::new();
        for (place, object) in real {
            let Some(other) = sandbox.get(place) else { continue };
            for difference in differing(object, other, title_of_kind(object)) {
                let (at, _) = difference.split_once(' ').unwrap_or((&difference, ""));
                let example = format!("{difference} ({})", distinct[place.0].name);
                differences.entry(at.to_owned()).or_insert(example);
            }
        }
        wrong.extend(differences.into_values().map(|text| format!("real ≠ sandbox: {text}")));
    }
    assert!(wrong.is_empty(), "{} of {objects} objects:\n{}", wrong.len(), wrong.join("\n"));
    for plane in Plane::all() {
        say(&format!("{objects} objects in {} renderings of tests", distinct.len()), &plane.name());
    }
}

/// The renderings by what is in them; the same of several tests are in one entry.
fn sets(folder: &Path) -> BTreeMap<String, Vec<Set>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut sets: BTreeMap<String, Vec<Set>> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let objects: Vec<Value> = match file.extension().and_then(|extension| extension.to_str()) {
            Some("json") => serde_json::from_str(&text).unwrap(),
            _ => serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())),
        };
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if !objects.is_empty() {
            sets.entry(json!(objects).to_string()).or_default().push(Set { name, objects });
        }
    }
    sets
}

fn title(object: &Value) -> String {
    format!("{} {}", object["kind"].as_str().unwrap_or("?"), object["metadata"]["name"].as_str().unwrap_or("?"))
}

fn title_of_kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap_or("?")
}

/// The objects with Namespaces and cluster-wide names of their own, as long as they were.
fn apart(objects: &[Value], number: usize) -> Vec<Value> {
    let number = format!("j{number:04x}");
    let renamed = |name: &str| match name.get(5..) {
        Some(rest) => format!("{number}{rest}"),
        None => number.clone(),
    };
    let mut objects = objects.to_vec();
    for object in &mut objects {
        for pointer in ["/metadata/namespace", "/spec/claimRef/namespace"] {
            if let Some(Value::String(namespace)) = object.pointer_mut(pointer) {
                *namespace = renamed(namespace);
            }
        }
        for subject in object.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(Value::String(namespace)) = subject.get_mut("namespace") {
                *namespace = renamed(namespace);
            }
        }
        if object.pointer("/metadata/namespace").is_none()
            && let Some(Value::String(name)) = object.pointer_mut("/metadata/name")
        {
            *name = renamed(name);
        }
    }
    objects
}

/// Applies until nothing should change any more; gives the object, or what is wrong.
fn twice(plane: &Plane, object: &Value) -> Result<Value, String> {
    let refused = |(status, message): (u16, String)| format!("{status} {message}");
    let namespace = &object["metadata"]["namespace"];
    let mut first = match plane.apply(object) {
        Err((404, message)) if message.contains("namespaces") && namespace.is_string() => {
            plane.ensure(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
            plane.apply(object).map_err(refused)?
        }
        outcome => outcome.map_err(refused)?,
    };
    let mut second = plane.apply(object).map_err(refused)?;
    if object["kind"] == "PersistentVolumeClaim" {
        // The API server writes a claim anew with its first update, whatever is in it: only then its version stands still.
        first["metadata"]["resourceVersion"] = second["metadata"]["resourceVersion"].clone();
        if first == second {
            second = plane.apply(object).map_err(refused)?;
        }
    }
    // The sandbox's controllers act within the request; a real one's would act later, and none runs.
    if !plane.is_real() {
        (first, second) = (comparable(first), comparable(second));
    }
    match first == second {
        true => Ok(comparable(second)),
        false => Err(format!("a second apply changes {:?}", differing(&first, &second, "it").first())),
    }
}

/// The object without what every server chooses for itself, and with the fields that we own.
fn comparable(mut object: Value) -> Value {
    if object.get(OWNED).is_some() {
        return object;
    }
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    if let Some(Value::Object(annotations)) = object.pointer_mut("/metadata/annotations") {
        annotations.remove("deployment.kubernetes.io/revision");
        if annotations.is_empty() {
            object["metadata"].as_object_mut().unwrap().remove("annotations");
        }
    }
    let managed = object["metadata"]["managedFields"].take();
    let owned = managed.as_array().into_iter().flatten().find(|entry| entry["manager"] == "kompox-converter");
    let owned = owned.map(|entry| entry["fieldsV1"].clone()).unwrap_or_default();
    for (at, names) in [
        ("/metadata", &["uid", "resourceVersion", "creationTimestamp", "managedFields"][..]),
        ("/spec", &["clusterIP", "clusterIPs"]),
    ] {
        if let Some(Value::Object(map)) = object.pointer_mut(at) {
            map.retain(|name, value| !names.contains(&name.as_str()) || *value == "None" || *value == json!(["None"]));
        }
    }
    // A Job selects its Pods by its own uid.
    for at in ["/spec/selector/matchLabels", "/spec/template/metadata/labels"] {
        if let Some(Value::Object(labels)) = object.pointer_mut(at) {
            labels.retain(|name, _| !name.ends_with("controller-uid"));
        }
    }
    object[OWNED] = owned;
    object
}

/// The places where two values differ, with both.
fn differing(one: &Value, other: &Value, at: &str) -> Vec<String> {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let null = Value::Null;
            let below = |name: &String| {
                let (one, other) = (one.get(name).unwrap_or(&null), other.get(name).unwrap_or(&null));
                differing(one, other, &format!("{at}.{name}"))
            };
            names.into_iter().flat_map(below).collect()
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            one.iter().zip(other).flat_map(|(one, other)| differing(one, other, &format!("{at}[]"))).collect()
        }
        _ if one == other => Vec::new(),
        _ => vec![format!("{at} {one} ≠ {other}")],
    }
}
