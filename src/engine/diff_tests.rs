use super::*;
use crate::engine::kind::Field;
use crate::engine::object::ObjectText;
use proptest::prelude::*;
use serde_json::json;

static KIND: Kind = Kind {
    fields: &[
        Field { pattern: "zone", rule: Rule::Immutable },
        Field { pattern: "size", rule: Rule::GrowOnly },
        Field { pattern: "cpu", rule: Rule::Same(Sameness::Quantity) },
        Field { pattern: "location", rule: Rule::Same(Sameness::Location) },
        Field { pattern: "data.*", rule: Rule::Sensitive },
        Field { pattern: "containers", rule: Rule::Keyed(&["name"]) },
        Field { pattern: "containers.*.env", rule: Rule::Keyed(&["name"]) },
        Field { pattern: "ports", rule: Rule::Keyed(&["port", "protocol"]) },
        Field { pattern: "ports.*.protocol", rule: Rule::Default("TCP") },
        Field { pattern: "zones", rule: Rule::Set },
        Field { pattern: "status.**", rule: Rule::Computed },
        Field { pattern: "protocol", rule: Rule::Default("TCP") },
    ],
    ..Kind::plain("thing")
};

fn changes(last: Option<serde_json::Value>, observed: serde_json::Value, desired: serde_json::Value) -> Vec<String> {
    let (last, observed, desired) = (last.map(Value::from), Value::from(observed), Value::from(desired));
    let sides =
        Sides { kind: &KIND, last: last.as_ref(), observed: &observed, desired: &desired, ignore: &[], writers: &[] };
    diff(&sides)
        .into_iter()
        .map(|change| {
            let show = |value: Option<Value>| value.map_or("-".to_owned(), |v| v.to_stored().to_string());
            let cause = match change.cause {
                Cause::Drift { .. } => " drift",
                Cause::Manifest => "",
                Cause::Server => " server",
            };
            let force = if change.forces_replacement { " replace" } else { "" };
            format!("{}: {} -> {}{cause}{force}", change.path, show(change.before), show(change.after))
        })
        .collect()
}

#[test]
fn what_the_server_adds_is_no_change() {
    assert!(
        changes(None, json!({"a": 1, "etag": "x", "status": {"s": 1}}), json!({"a": 1, "status": {"s": 2}})).is_empty()
    );
    assert!(changes(None, json!({}), json!({"tags": {}, "list": [], "protocol": "TCP"})).is_empty());
}

#[test]
fn the_same_written_differently_is_no_change() {
    let observed = json!({"cpu": "0.5", "location": "eastus", "zones": ["2", "1"]});
    assert!(changes(None, observed, json!({"cpu": "500m", "location": "East US", "zones": ["1", "2"]})).is_empty());
}

#[test]
fn three_sides_tell_drift_from_manifest() {
    let got = changes(Some(json!({"r": 1, "i": "a"})), json!({"r": 3, "i": "a"}), json!({"r": 1, "i": "b"}));
    assert_eq!(got, [r#"i: "a" -> "b""#, "r: 3 -> 1 drift"]);
}

#[test]
fn what_was_ours_and_is_no_longer_wanted_goes_but_not_its_neighbours() {
    let got = changes(
        Some(json!({"tags": {"a": "1", "b": "2"}})),
        json!({"tags": {"a": "1", "b": "2", "c": "3"}}),
        json!({"tags": {"a": "1"}}),
    );
    assert_eq!(got, [r#"tags.b: "2" -> -"#]);
}

#[test]
fn keyed_lists_are_compared_by_key() {
    let observed = json!({"containers": [{"name": "sidecar"}, {"name": "app", "image": "a:1", "env": [{"name": "X", "value": "1"}]}]});
    let desired = json!({"containers": [{"name": "app", "image": "a:2", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]}]});
    let got =
        changes(Some(json!({"containers": [{"name": "app", "image": "a:1"}, {"name": "gone"}]})), observed, desired);
    assert_eq!(
        got,
        [r#"containers[app].env[Y]: - -> {"name":"Y","value":"2"}"#, r#"containers[app].image: "a:1" -> "a:2""#,]
    );
}

#[test]
fn immutable_and_shrinking_fields_force_replacement() {
    assert_eq!(
        changes(None, json!({"zone": "1", "size": 10}), json!({"zone": "2", "size": 20})),
        ["size: 10 -> 20", r#"zone: "1" -> "2" replace"#]
    );
    assert_eq!(changes(None, json!({"size": 10}), json!({"size": 5})), ["size: 10 -> 5 replace"]);
}

#[test]
fn ignored_fields_are_left_alone() {
    let (observed, desired) = (Value::from(json!({"a": {"b/c": 1}})), Value::from(json!({"a": {"b/c": 2}})));
    let ignore = ["/a/b~1c".to_owned()];
    let sides =
        Sides { kind: &KIND, last: None, observed: &observed, desired: &desired, ignore: &ignore, writers: &[] };
    assert!(diff(&sides).is_empty());
}

#[test]
fn masks_what_schema_or_wish_call_secret() {
    let mut like = Value::object();
    like.set(&["args"], Value::Array([Value::sensitive(Sensitive::digest_only("x".into()))].into()));
    let digest = |text: &str| format!("d{}", text.len());
    let masked = mask(&KIND, &json!({"data": {"k": "hunter2"}, "args": ["hunter2", "b"]}), &[&like], &digest);
    assert!(!masked.to_stored().to_string().contains("hunter2"));
    assert_eq!(masked.at(&["data", "k"]), Some(&Value::sensitive(Sensitive::digest_only("d7".into()))));
}

#[test]
fn a_drift_names_the_most_specific_writer() {
    let writer = |name: &str, path: Path| Writer { name: name.into(), time: Some("t".into()), paths: vec![path] };
    let writers = [writer("us", Path::root().key("spec")), writer("kubectl", Path::root().key("spec").key("replicas"))];
    let (one, three) = (Value::from(json!({"spec": {"replicas": 1}})), Value::from(json!({"spec": {"replicas": 3}})));
    let sides =
        Sides { kind: &KIND, last: Some(&one), observed: &three, desired: &one, ignore: &[], writers: &writers };
    let expected = Cause::Drift { writer: Some("kubectl".into()), time: Some("t".into()), of_object: false };
    assert_eq!(diff(&sides)[0].cause, expected);
    assert_eq!(diff_observed(&sides, &one)[0].cause, expected);
}

#[test]
fn quantities() {
    for (a, b) in
        [("500m", "0.5"), ("1Gi", "1073741824"), ("1e3", "1k"), ("1E", "1000P"), ("+1.5Ki", "1536"), ("2000e-3", "2")]
    {
        assert!(same_written(Sameness::Quantity, &Value::from(json!(a)), &Value::from(json!(b))), "{a} {b}");
    }
    for bad in ["", "m", "1.2.3", "1Qi", "--1", "1e", "Gi"] {
        assert!(!same_written(Sameness::Quantity, &Value::from(json!(bad)), &Value::from(json!(bad))), "{bad}");
    }
}

fn tree() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Into::into),
        (0..5_i64).prop_map(Into::into),
        "[a-c]{1,2}".prop_map(Into::into)
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(serde_json::Value::Array),
            prop::collection::btree_map("[p-s]", inner, 1..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_differs_from_itself(value in tree()) {
        prop_assert!(changes(Some(value.clone()), value.clone(), value).is_empty());
    }

    #[test]
    fn applying_what_is_wanted_leaves_nothing(observed in tree(), desired in tree()) {
        // Whatever was there: once the observed side is the desired one, there is nothing left to do.
        prop_assert!(changes(Some(observed), desired.clone(), desired).is_empty());
    }

    #[test]
    fn a_difference_is_found(a in tree(), b in tree()) {
        if changes(Some(a.clone()), a.clone(), b.clone()).is_empty() {
            // Only fields beside ours may differ.
            prop_assert!(same(&KIND, &Path::root(), &Value::from(b), &Value::from(a)));
        }
    }
}

/// A digest that shows what it is of.
fn keyed(text: &str) -> String {
    format!("digest of {text}")
}

#[test]
fn secrets_of_keyed_lists_are_masked_by_key_wherever_they_stand() {
    let secret = |text: &str| Value::sensitive(Sensitive::new(text, keyed(text)));
    let mut like = Value::from(json!({"containers": [{"name": "a", "value": ""}, {"name": "b", "value": "open"}]}));
    if let Value::Object(map) = &mut like
        && let Some(Value::Array(items)) = map.get_mut("containers")
    {
        items[0].set(&["value"], secret("hidden"));
    }
    // The server lists them the other way round.
    let observed = json!({"containers": [{"name": "b", "value": "open"}, {"name": "a", "value": "hidden"}]});
    let masked = mask(&KIND, &observed, &[&like], &|text| keyed(text));
    let stored = masked.to_stored();
    assert_eq!(stored["containers"][0]["value"], "open");
    assert_eq!(stored["containers"][1]["value"], json!({"$sensitive": keyed("hidden")}));
}

#[test]
fn a_secret_is_masked_whatever_type_it_has_where_it_is_observed() {
    let mut like = Value::from(json!({}));
    like.set(&["pin"], Value::sensitive(Sensitive::new("1234", keyed("1234"))));
    for observed in [json!(1234), json!(true), json!({"deep": "1234"}), json!(["1234"])] {
        let masked = mask(&KIND, &json!({"pin": observed}), &[&like], &|text| keyed(text));
        let stored = masked.to_stored();
        assert_eq!(stored["pin"], json!({"$sensitive": keyed(&observed.to_string())}), "{observed}");
    }
    assert_eq!(mask(&KIND, &json!({"pin": null}), &[&like], &|text| keyed(text)).to_stored()["pin"], json!(null));
}

#[test]
fn a_secret_that_somebody_changed_outside_is_seen() {
    let mut desired = Value::from(json!({"name": "s"}));
    desired.set(&["data"], Value::sensitive(Sensitive::new("old", keyed("old"))));
    assert!(ObjectText::from(json!({"name": "s", "data": "old", "more": 1})).has(&desired, &|text| keyed(text)));
    for other in [json!("new"), json!(""), json!(null), json!(1)] {
        assert!(!ObjectText::from(json!({"name": "s", "data": other})).has(&desired, &|text| keyed(text)), "{other}");
    }
    assert!(!ObjectText::from(json!({"name": "s"})).has(&desired, &|text| keyed(text)));
}

#[test]
fn items_are_told_apart_by_all_of_their_keys() {
    let (tcp, udp) =
        (json!({"port": 53, "protocol": "TCP", "to": 53}), json!({"port": 53, "protocol": "UDP", "to": 53}));
    let both = json!({"ports": [tcp, udp]});
    let only_tcp = json!({"ports": [{"port": 53, "to": 53}]});
    let appeared = changes(Some(only_tcp.clone()), only_tcp.clone(), both.clone());
    assert_eq!(appeared, [r#"ports[53/UDP]: - -> {"port":53,"protocol":"UDP","to":53}"#]);
    let gone = changes(Some(both.clone()), both.clone(), only_tcp);
    assert_eq!(gone, [r#"ports[53/UDP]: {"port":53,"protocol":"UDP","to":53} -> -"#]);
    let moved = json!({"ports": [{"port": 53, "to": 53}, {"port": 53, "protocol": "UDP", "to": 5354}]});
    assert_eq!(changes(Some(both.clone()), both.clone(), moved), ["ports[53/UDP].to: 53 -> 5354"]);
    // The same in another order, and with the default left out.
    let turned = json!({"ports": [{"port": 53, "protocol": "UDP", "to": 53}, {"port": 53, "to": 53}]});
    assert!(changes(Some(both.clone()), both, turned).is_empty());
}

#[test]
fn a_secret_of_one_item_does_not_mask_another_of_the_same_number() {
    let wish = Value::from(json!({"ports": [{"port": 53, "protocol": "UDP"}]}));
    let seen = json!({"ports": [{"port": 53, "protocol": "TCP", "to": 1}, {"port": 53, "protocol": "UDP", "to": 2}]});
    let kept = project(&KIND, &mask(&KIND, &seen, &[&wish], &|text| text.to_owned()), &[&wish]);
    // One that nobody knows is kept whole, the other as far as it is ours.
    assert_eq!(
        kept.to_stored(),
        json!({"ports": [{"port": 53, "protocol": "TCP", "to": 1}, {"port": 53, "protocol": "UDP"}]})
    );
}

#[test]
fn the_order_of_a_keyed_list_counts_where_it_means_something() {
    static ORDERED: Kind = Kind {
        fields: &[
            Field { pattern: "env", rule: Rule::Keyed(&["name"]) },
            Field { pattern: "env", rule: Rule::Ordered },
        ],
        ..Kind::plain("thing")
    };
    let list = |names: &[&str]| {
        Value::from(json!({"env": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()}))
    };
    let moves = |last: &[&str], observed: &[&str], desired: &[&str]| {
        let (last, observed, desired) = (list(last), list(observed), list(desired));
        let sides = Sides {
            kind: &ORDERED,
            last: Some(&last),
            observed: &observed,
            desired: &desired,
            ignore: &[],
            writers: &[],
        };
        diff(&sides).into_iter().map(|change| (change.path.to_string(), change.cause)).collect::<Vec<_>>()
    };
    assert_eq!(moves(&["a", "b"], &["a", "b"], &["b", "a"]), [("env".to_owned(), Cause::Manifest)]);
    let drift = Cause::UNTOLD;
    assert_eq!(moves(&["a", "b"], &["b", "a"], &["a", "b"]), [("env".to_owned(), drift)]);
    // What others put between is nobody's order.
    assert!(moves(&["a", "b"], &["a", "theirs", "b"], &["a", "b"]).is_empty());
    assert_eq!(moves(&["a", "b"], &["a", "b"], &["a"]).len(), 1);
}
