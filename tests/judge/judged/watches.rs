//! Watches of what has happened already: the sandbox tells the same events as the API server, in the same order, to whoever
//! asks for all, for some labels, for a name. Not compared: bookmarks that come with time.

use serde_json::{Value, json};

use super::sequences::{comparable, differences};
use super::{later, say};
use crate::plane::Plane;

const NAMESPACE: &str = "judge-watches";
const MERGE: &str = "application/merge-patch+json";

fn config(name: &str, app: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": app}}, "data": {"x": "1"}})
}

/// The version that the story begins after. Of two objects one leaves a selection and comes back, goes slowly, and is made again.
/// All of it is told to whoever asks now: a server answers `resourceVersion=0` from a cache, which may still be behind.
fn happened(plane: &Plane) -> String {
    plane.ensure(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}));
    let all = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let send = |method: &str, name: &str, content_type: &str, body: Value| -> Value {
        let (status, answer) = plane.answer(method, &format!("{all}{name}"), content_type, &body);
        assert!((200..300).contains(&status), "{method} {name} {body}: {answer}");
        answer
    };
    let label = |app: Value| json!({"metadata": {"labels": {"app": app}}});
    let json = "application/json";
    let first = send("POST", "", json, config("before", "a"));
    send("POST", "", json, config("one", "a"));
    send("POST", "", json, config("two", "b"));
    send("PATCH", "/one", MERGE, json!({"data": {"x": "2"}}));
    send("PATCH", "/one", MERGE, label(json!("b")));
    send("PATCH", "/one", MERGE, json!({"data": {"x": "3"}}));
    send("PATCH", "/one", MERGE, label(json!("a")));
    send("PATCH", "/before", MERGE, label(Value::Null));
    send("PATCH", "/one", MERGE, json!({"metadata": {"finalizers": ["example.org/hold"]}}));
    send("DELETE", "/one", json, Value::Null);
    send("PATCH", "/one", MERGE, json!({"metadata": {"finalizers": null}}));
    send("POST", "", json, config("one", "c"));
    send("DELETE", "/two", json, Value::Null);
    // The cache waits for a version that it has not seen:
    // https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list
    let last = send("GET", "", json, Value::Null);
    let last = last["metadata"]["resourceVersion"].as_str().unwrap();
    send("GET", &format!("?resourceVersion={last}&resourceVersionMatch=NotOlderThan"), json, Value::Null);
    first["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

/// What is asked, where `@` is the version that the story begins after.
const ASKED: [&str; 10] = [
    "resourceVersion=@",
    "resourceVersion=@&labelSelector=app%3Da",
    "resourceVersion=@&labelSelector=app%20in%20(b,c)",
    "resourceVersion=@&labelSelector=!app",
    "resourceVersion=@&fieldSelector=metadata.name%3Done",
    "resourceVersion=@&fieldSelector=metadata.name!%3Done&labelSelector=app",
    "",
    "resourceVersion=0",
    "labelSelector=app%3Dc",
    "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
];

/// The events of a watch that lasts a second, or the refusal.
fn watched(plane: &Plane, asked: &str, from: &str) -> Value {
    let query = asked.replace('@', from);
    let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps?watch=true&timeoutSeconds=1&{query}");
    let (status, text) = plane.watch(&path);
    let events = text.lines().map(|line| {
        let mut event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let object = event["object"].take();
        json!({"type": event["type"], "object": comparable(object)})
    });
    json!({"status": status, "events": events.filter(told).collect::<Vec<_>>()})
}

/// Whether an event is compared: a cluster's own ConfigMap is in each Namespace.
fn told(event: &Value) -> bool {
    let is_timed = event["type"] == "BOOKMARK" && event["object"]["metadata"]["annotations"].is_null();
    !is_timed && event["object"]["metadata"]["name"] != "kube-root-ca.crt"
}

#[test]
fn what_happened_is_watched_alike() {
    if later() {
        return;
    }
    let answers: Vec<Vec<Value>> = Plane::all()
        .into_iter()
        .map(|plane| {
            let from = happened(plane);
            std::thread::scope(|scope| {
                let watches = ASKED.map(|asked| {
                    let from = &from;
                    scope.spawn(move || watched(plane, asked, from))
                });
                watches.into_iter().map(|watch| watch.join().unwrap()).collect()
            })
        })
        .collect();
    let [real, sandbox] = answers.as_slice() else { return };
    let mut found = Vec::new();
    for ((asked, real), sandbox) in ASKED.iter().zip(real).zip(sandbox) {
        assert!(!real["events"].is_null());
        differences(asked, real, sandbox, &mut found);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    say(&format!("{} watches", ASKED.len()), "the API server and the sandbox");
}
