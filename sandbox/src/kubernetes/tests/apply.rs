//! Server-side apply, ownership and its bookkeeping.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::apply::{Managers, Operation, Writer};
use super::super::fieldset::{Comparison, FieldSet};
use super::super::schema::Cursor;
use super::{Bench, DEPLOYMENTS, deployment};

fn at(name: &str, query: &str) -> String {
    format!("{DEPLOYMENTS}/{name}?{query}")
}

fn manager<'v>(object: &'v Value, name: &str) -> &'v Value {
    let list = object["metadata"]["managedFields"].as_array().unwrap();
    list.iter().find(|m| m["manager"] == name).unwrap_or(&Value::Null)
}

#[test]
fn apply_creates_then_changes_nothing_when_repeated() {
    let bench = Bench::new();
    bench.namespace("shop");
    let (code, first) = bench.apply(&at("web", "fieldManager=kompox"), &deployment("web"));
    assert_eq!(code, 201, "{first}");
    bench.get("/api/v1/nodes");
    bench.pass(60);
    let (_, settled) = bench.get(&at("web", ""));
    let (code, again) = bench.apply(&at("web", "fieldManager=kompox"), &deployment("web"));
    assert_eq!(code, 200);
    assert_eq!(again, settled);
    let fields = &manager(&again, "kompox")["fieldsV1"];
    let env = &fields["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"web\"}"]["f:env"];
    assert_eq!(env, &json!({"k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}}}));
    let ports = &fields["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"web\"}"]["f:ports"];
    assert_eq!(ports, &json!({"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}));
    assert_eq!(fields["f:spec"]["f:selector"], json!({}));
}

#[test]
fn a_changed_foreign_field_is_a_conflict_until_forced() {
    let bench = Bench::new();
    bench.namespace("shop");
    bench.apply(&at("web", "fieldManager=kompox"), &deployment("web"));
    let (code, scaled) = bench.merge(&at("web", "fieldManager=kubectl-edit"), &json!({"spec": {"replicas": 3}}));
    assert_eq!(code, 200, "{scaled}");
    assert_eq!(manager(&scaled, "kubectl-edit")["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
    assert!(manager(&scaled, "kompox")["fieldsV1"]["f:spec"].get("f:replicas").is_none());

    let before = bench.dump();
    let (code, conflict) = bench.apply(&at("web", "fieldManager=kompox"), &deployment("web"));
    assert_eq!(code, 409);
    let expected = json!([{
        "reason": "FieldManagerConflict", "field": ".spec.replicas", "message": "conflict with \"kubectl-edit\" using apps/v1",
    }]);
    assert_eq!(conflict["details"]["causes"], expected);
    assert_eq!(conflict["reason"], "Conflict");
    let said = "Apply failed with 1 conflict: conflict with \"kubectl-edit\" using apps/v1: .spec.replicas";
    assert_eq!(conflict["message"], said);
    let untouched = |before: Vec<_>| {
        before.into_iter().filter(|(_, p, _): &(String, String, Value)| p.contains("/deployments/")).collect::<Vec<_>>()
    };
    let spec =
        |list: Vec<(String, String, Value)>| list.into_iter().map(|(_, _, o)| o["spec"].clone()).collect::<Vec<_>>();
    assert_eq!(spec(untouched(bench.dump())), spec(untouched(before)));

    let (code, forced) = bench.apply(&at("web", "fieldManager=kompox&force=true"), &deployment("web"));
    assert_eq!(code, 200);
    assert_eq!(forced["spec"]["replicas"], 1);
    assert_eq!(manager(&forced, "kubectl-edit"), &Value::Null);
    assert_eq!(manager(&forced, "kompox")["fieldsV1"]["f:spec"]["f:replicas"], json!({}));
}

#[test]
fn fields_dropped_from_the_configuration_go_unless_shared() {
    let bench = Bench::new();
    bench.namespace("shop");
    bench.apply(&at("web", "fieldManager=a"), &deployment("web"));
    let shared =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"app": "web"}}});
    assert_eq!(bench.apply(&at("web", "fieldManager=b"), &shared).0, 200);

    let mut less = deployment("web");
    less["metadata"].as_object_mut().unwrap().remove("labels");
    let containers = less["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
    containers[0].as_object_mut().unwrap().remove("env");
    containers.pop();
    less["spec"].as_object_mut().unwrap().remove("replicas");
    let (code, object) = bench.apply(&at("web", "fieldManager=a"), &less);
    assert_eq!(code, 200, "{object}");
    assert_eq!(object["metadata"]["labels"], json!({"app": "web"}));
    let containers = object["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    assert_eq!(containers[0].get("env"), None);
    // The default takes the place of what nobody sets any more.
    assert_eq!(object["spec"]["replicas"], 1);
    // What the server filled in stays.
    assert_eq!(containers[0]["terminationMessagePolicy"], "File");
    assert_eq!(object["metadata"]["generation"], 2);

    let mut bare = shared.clone();
    bare["metadata"].as_object_mut().unwrap().remove("labels");
    let (_, object) = bench.apply(&at("web", "fieldManager=b"), &bare);
    assert_eq!(object["metadata"].get("labels"), None);
    assert_eq!(manager(&object, "b"), &Value::Null);
}

#[test]
fn ownership_moves_with_migrated_managed_fields() {
    let bench = Bench::new();
    bench.namespace("shop");
    bench.apply(&at("web", "fieldManager=kompoxops"), &deployment("web"));
    bench.pass(60);
    let (_, object) = bench.get(&at("web", ""));
    let mut fields = object["metadata"]["managedFields"].clone();
    assert_eq!((&fields[0]["manager"], &fields[0]["operation"]), (&json!("kompoxops"), &json!("Apply")));
    fields[0]["manager"] = "kompox-converter".into();
    let patch = json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": object["metadata"]["resourceVersion"]},
        {"op": "replace", "path": "/metadata/managedFields", "value": fields},
    ]);
    let (code, migrated) =
        bench.call(http::Method::PATCH, &at("web", "fieldManager=kompox"), "application/json-patch+json", &patch);
    assert_eq!(code, 200, "{migrated}");
    assert_eq!(manager(&migrated, "kompoxops"), &Value::Null);
    let mut less = deployment("web");
    less["metadata"].as_object_mut().unwrap().remove("labels");
    let (code, object) = bench.apply(&at("web", "fieldManager=kompox-converter"), &less);
    assert_eq!((code, object["metadata"].get("labels")), (200, None));
}

#[test]
fn an_updater_owns_what_it_changes_and_only_that() {
    let bench = Bench::new();
    bench.namespace("shop");
    let (_, created) = bench.post(&format!("{DEPLOYMENTS}?fieldManager=maker"), &deployment("web"));
    let fields = &manager(&created, "maker")["fieldsV1"];
    assert_eq!(fields["f:metadata"], json!({"f:labels": {".": {}, "f:app": {}}}));
    assert_eq!(fields["f:spec"]["f:revisionHistoryLimit"], json!({}));
    bench.pass(60);
    let mut changed = bench.get(&at("web", "")).1;
    changed["metadata"]["labels"]["tier"] = "front".into();
    let (code, object) = bench.put(&at("web", ""), &changed);
    assert_eq!(code, 200, "{object}");
    // Without a field manager the client's name counts.
    assert_eq!(manager(&object, "tester")["fieldsV1"], json!({"f:metadata": {"f:labels": {"f:tier": {}}}}));
    assert_eq!(object["metadata"]["generation"], 1);
    let (code, stale) = bench.put(&at("web", ""), &created);
    assert_eq!((code, stale["reason"].as_str()), (409, Some("Conflict")));
}

#[test]
fn a_dry_run_changes_nothing_and_shows_everything() {
    let bench = Bench::new();
    bench.namespace("shop");
    bench.get("/api/v1/nodes");
    let before = bench.dump();
    let (code, object) = bench.apply(&at("web", "fieldManager=a&dryRun=All"), &deployment("web"));
    assert!(code < 300);
    assert_eq!(object["spec"]["revisionHistoryLimit"], 10);
    assert_eq!(bench.dump(), before);
    bench.apply(&at("web", "fieldManager=a"), &deployment("web"));
    bench.get("/api/v1/nodes");
    let before = bench.dump();
    let mut other = deployment("web");
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2".into();
    let (_, object) = bench.apply(&at("web", "fieldManager=a&dryRun=All"), &other);
    assert_eq!(object["spec"]["template"]["spec"]["containers"][0]["image"], "nginx:2");
    assert_eq!(bench.call(http::Method::DELETE, &at("web", "dryRun=All"), "application/json", &Value::Null).0, 200);
    assert_eq!(bench.dump(), before);
}

#[test]
fn apply_refuses_what_it_cannot_own() {
    let bench = Bench::new();
    bench.namespace("shop");
    assert_eq!(bench.apply(&at("web", ""), &deployment("web")).0, 422);
    let mut unknown = deployment("web");
    unknown["spec"]["replica"] = 2.into();
    let (code, status) = bench.apply(&at("web", "fieldManager=a"), &unknown);
    assert_eq!(code, 500);
    assert!(status["message"].as_str().unwrap().ends_with(".spec.replica: field not declared in schema"));
    let mut twice = deployment("web");
    twice["spec"]["template"]["spec"]["containers"][1]["name"] = "web".into();
    assert_eq!(bench.apply(&at("web", "fieldManager=a"), &twice).0, 500);
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  a: b\n";
    let target = "/api/v1/namespaces/shop/configmaps/c?fieldManager=a";
    assert_eq!(bench.raw(http::Method::PATCH, target, "application/apply-patch+yaml", yaml).status, 201);
}

fn writer(name: &str) -> Writer {
    Writer {
        manager: name.into(),
        operation: Operation::Apply,
        api_version: "apps/v1".into(),
        subresource: String::new(),
    }
}

/// Objects of the shape of a Deployment, small enough that fields meet.
fn configuration() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec!["a", "b", "c"]);
    let labels = prop::collection::btree_map(word.clone(), word.clone(), 0..3);
    let env = prop::collection::btree_map(word.clone(), word.clone(), 0..3);
    let container = (
        word.clone(),
        prop::option::of(word.clone()),
        env,
        prop::option::of(prop::collection::vec(word.clone(), 0..3)),
    );
    let containers = prop::collection::vec(container, 0..3);
    (labels, prop::option::of(0..3_i64), containers, prop::collection::btree_set(word, 0..3)).prop_map(
        |(labels, replicas, containers, finalizers)| {
            let mut object = json!({"metadata": {}, "spec": {}});
            if !labels.is_empty() {
                object["metadata"]["labels"] = json!(labels);
            }
            if !finalizers.is_empty() {
                object["metadata"]["finalizers"] = json!(finalizers);
            }
            if let Some(replicas) = replicas {
                object["spec"]["replicas"] = replicas.into();
            }
            let mut list: Vec<Value> = Vec::new();
            for (name, image, env, args) in containers {
                if list.iter().any(|c| c["name"] == name) {
                    continue;
                }
                let mut container = json!({"name": name});
                if let Some(image) = image {
                    container["image"] = image.into();
                }
                if let Some(args) = args {
                    container["args"] = json!(args);
                }
                if !env.is_empty() {
                    container["env"] = env.iter().map(|(k, v)| json!({"name": k, "value": v})).collect();
                }
                list.push(container);
            }
            if !list.is_empty() {
                object["spec"]["template"] = json!({"spec": {"containers": list}});
            }
            object
        },
    )
}

fn run(managers: &mut Managers, name: &str, live: &Value, config: &Value, force: bool, now: &str) -> Option<Value> {
    let mut tried = managers.clone();
    let merged = tried.applied("Deployment", &writer(name), live, config, force, now).ok()?;
    *managers = tried;
    Some(merged)
}

proptest! {
    #[test]
    fn applying_twice_changes_nothing(live in configuration(), config in configuration()) {
        let mut managers = Managers::default();
        let once = run(&mut managers, "a", &live, &config, true, "t1").unwrap();
        let before = managers.clone();
        let twice = run(&mut managers, "a", &once, &config, false, "t2").unwrap();
        prop_assert_eq!(&twice, &once);
        prop_assert_eq!(managers, before);
    }

    #[test]
    fn what_was_applied_is_there_and_owned(live in configuration(), config in configuration()) {
        let cursor = Cursor::root("Deployment");
        let mut managers = Managers::default();
        let merged = run(&mut managers, "a", &live, &config, true, "t").unwrap();
        let wanted = FieldSet::of(&cursor, &config);
        let have = FieldSet::of(&cursor, &merged);
        let frame = FieldSet::of(&cursor, &json!({"metadata": {}, "spec": {}}));
        let lost = wanted.difference(&have).difference(&frame);
        prop_assert!(lost.is_empty(), "{:?}", lost.paths());
        let again = super::super::fieldset::merge(&cursor, &merged, &config);
        prop_assert_eq!(again, merged);
    }

    #[test]
    fn two_appliers_in_turn_leave_only_what_one_of_them_wants(
        first in configuration(), second in configuration(), third in configuration(),
    ) {
        let cursor = Cursor::root("Deployment");
        let empty = json!({"metadata": {}, "spec": {}});
        let mut managers = Managers::default();
        let one = run(&mut managers, "a", &empty, &first, true, "t").unwrap();
        let two = run(&mut managers, "b", &one, &second, true, "t").unwrap();
        let three = run(&mut managers, "a", &two, &third, true, "t").unwrap();
        let wanted = FieldSet::of(&cursor, &second).union(&FieldSet::of(&cursor, &third));
        let extra = FieldSet::of(&cursor, &three).difference(&wanted);
        prop_assert!(extra.paths().iter().all(|p| p == ".metadata" || p == ".spec"), "{:?}", extra.paths());
    }

    #[test]
    fn without_force_an_apply_never_changes_what_others_own(first in configuration(), second in configuration()) {
        let empty = json!({"metadata": {}, "spec": {}});
        let mut managers = Managers::default();
        let one = run(&mut managers, "a", &empty, &first, true, "t").unwrap();
        if let Some(two) = run(&mut managers, "b", &one, &second, false, "t") {
            let changes = Comparison::between(&Cursor::root("Deployment"), &one, &two);
            prop_assert!(changes.modified.paths().is_empty());
            prop_assert!(changes.removed.is_empty());
        }
    }

    #[test]
    fn nobody_owns_what_is_not_there(writes in prop::collection::vec((0..3_usize, any::<bool>(), configuration()), 1..6)) {
        let cursor = Cursor::root("Deployment");
        let mut managers = Managers::default();
        let mut live = json!({"metadata": {}, "spec": {}});
        for (who, applies, object) in writes {
            let mut next = if applies {
                run(&mut managers, ["a", "b", "c"][who], &live, &object, true, "t").unwrap()
            } else {
                let updater = Writer { operation: Operation::Update, ..writer(["a", "b", "c"][who]) };
                managers.updated("Deployment", &updater, &live, &object, "t");
                object
            };
            managers.clone().store(&mut next);
            prop_assert!(Managers::of(&next).same_owners(&managers));
            super::super::store::metadata(&mut next).remove("managedFields");
            live = next;
            // Every owned leaf is a leaf of the object; parents of kept fields may be owned beside.
            let have: Vec<String> = FieldSet::of(&cursor, &live).paths();
            for path in managers.all_fields().paths() {
                prop_assert!(have.iter().any(|h| h.starts_with(&path)) || path == ".spec", "{path} in {live}");
            }
        }
    }

    #[test]
    fn field_sets_survive_their_encoding(object in configuration()) {
        let set = FieldSet::of(&Cursor::root("Deployment"), &object);
        prop_assert_eq!(FieldSet::decode(&set.encode()).unwrap(), set);
    }

    #[test]
    fn set_arithmetic_holds(a in configuration(), b in configuration()) {
        let cursor = Cursor::root("Deployment");
        let (a, b) = (FieldSet::of(&cursor, &a), FieldSet::of(&cursor, &b));
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.intersection(&b), b.intersection(&a));
        prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
        prop_assert!(a.difference(&a).is_empty());
    }

    #[test]
    fn a_comparison_is_empty_exactly_for_equal_objects(a in configuration(), b in configuration()) {
        let changes = Comparison::between(&Cursor::root("Deployment"), &a, &b);
        let none = changes.added.is_empty() && changes.removed.is_empty() && changes.modified.is_empty();
        // The order of keyed lists and sets is not compared.
        if a == b {
            prop_assert!(none);
        } else if none {
            let sorted = |v: &Value| FieldSet::of(&Cursor::root("Deployment"), v);
            prop_assert_eq!(sorted(&a), sorted(&b));
        }
    }
}
