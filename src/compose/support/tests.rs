use std::collections::BTreeSet;

use serde_json::Value;

use std::fmt::Write as _;

use super::*;
use crate::text::document;

#[test]
fn tables_are_sorted_and_found() {
    for table in [SERVICE_KEYS, TOP_LEVEL_KEYS] {
        for pair in table.windows(2) {
            assert!(pair[0].key < pair[1].key, "{} {}", pair[0].key, pair[1].key);
        }
        assert!(table.iter().all(|row| !row.text.is_empty() && !row.text.contains('|')));
    }
    assert!(SERVICE_KEYS.iter().all(|row| service_key(row.key).is_some_and(|found| found.key == row.key)));
    assert!(service_key("nope").is_none());
    assert_eq!(service_value("network_mode", "service:db").map(|row| row.key), Some("network_mode: service"));
    assert_eq!(service_value("network_mode", "mine").map(|row| row.key), Some("network_mode"));
    assert!(service_names("ports").any(|name| name == "app_protocol"));
    assert!(service_names("").all(|name| !name.contains(['.', ' '])));
}

/// Every key of a schema below `path`, lists and names of users left out.
fn keys(schema: &Value, node: &Value, path: &str, depth: usize, found: &mut BTreeSet<String>) {
    if depth > 12 {
        return;
    }
    if let Some(reference) = node.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap();
        let target = schema.get("$defs").or_else(|| schema.get("definitions")).unwrap();
        keys(schema, &target[name], path, depth + 1, found);
    }
    for (name, value) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let inside = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        keys(schema, value, &inside, depth + 1, found);
        found.insert(inside);
    }
    for (pattern, value) in node.get("patternProperties").and_then(Value::as_object).into_iter().flatten() {
        if pattern != "^x-" {
            keys(schema, value, path, depth + 1, found);
        }
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        for value in node.get(choice).and_then(Value::as_array).into_iter().flatten() {
            keys(schema, value, path, depth + 1, found);
        }
    }
    if let Some(items) = node.get("items") {
        keys(schema, items, path, depth + 1, found);
    }
}

/// Keys without a row of their own, and without a row above that settles them.
fn unjudged(found: &BTreeSet<String>, row: fn(&str) -> Option<&'static Support>) -> Vec<&String> {
    let settled = |key: &str| {
        let mut above = key;
        while let Some((parent, _)) = above.rsplit_once('.') {
            if row(parent).is_some_and(|row| row.verdict != Verdict::Mapped) {
                return true;
            }
            above = parent;
        }
        false
    };
    found.iter().filter(|key| row(key).is_none() && !settled(key)).collect()
}

#[test]
fn every_key_of_the_schema_has_a_verdict() {
    let schema: Value = serde_json::from_str(include_str!("../load/compose-spec.json")).unwrap();
    let definitions = schema.get("$defs").or_else(|| schema.get("definitions")).unwrap();
    let (mut service, mut top) = (BTreeSet::new(), BTreeSet::new());
    keys(&schema, &definitions["service"], "", 0, &mut service);
    assert!(service.len() > 200, "{}", service.len());
    assert_eq!(unjudged(&service, service_key), Vec::<&String>::new());
    for (name, value) in schema["properties"].as_object().unwrap() {
        top.insert(name.clone());
        if name != "services" {
            keys(&schema, value, name, 0, &mut top);
        }
    }
    // `external: {name: x}` is how it was written once.
    let old = |key: &String| key.ends_with(".external.name");
    let left: Vec<_> = unjudged(&top, top_level_key).into_iter().filter(|key| !old(key)).collect();
    assert_eq!(left, Vec::<&String>::new());

    // Nothing in the table that the schema does not have.
    for (table, found) in [(SERVICE_KEYS, &service), (TOP_LEVEL_KEYS, &top)] {
        for row in table {
            let key = row.key.split(':').next().unwrap();
            assert!(found.contains(key), "{} is no key of the schema", row.key);
        }
    }
}

/// `KOMPOX_ACCEPT=1 cargo test --lib compose::support` writes the document anew.
#[test]
fn the_document_is_that_of_the_table() {
    document::is_that_of_its_tables("compose-support.md", &markdown(), "compose::support");
}

/// From good to bad.
const VERDICTS: [Verdict; 4] = [Verdict::Mapped, Verdict::Noted, Verdict::Warned, Verdict::Refused];

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Mapped => "mapped",
        Verdict::Noted => "noted",
        Verdict::Warned => "warned",
        Verdict::Refused => "refused",
    }
}

/// The table as `docs/compose-support.md` has it.
fn markdown() -> String {
    let mut out = String::from(
        "# What becomes of each compose key\n\n\
         <!-- Written from src/compose/support/table.rs; CONTRIBUTING.md says how. Do not edit. -->\n\n\
         Every key of the Compose Specification's schema, with what kompox makes of it:\n\n\
         - **mapped**: it becomes what the last column says, or says what happens anyway\n\
         - **noted**: it has no meaning in a cluster; `validate` prints a note\n\
         - **warned**: leaving it out may change behaviour; a warning, which `--strict` turns into an error\n\
         - **refused**: it cannot work; an error\n\n\
         A row holds for everything below its key that has no row of its own. `key: value` is a row for one value. Keys \
         that start with `x-` are ignored, but for `x-kompox`: its `resources` and `limits` are \
         `resources.requests` and `.limits` of the container, and win, `liveness: true` has a container that is \
         not healthy restarted, and `copyUp: true` and `chown: \"UID:GID\"` fill its folders of volumes from its image and \
         give them away, and `leaveOut: [/path]` says that a mount there, which a later file's list replaces, is not missed \
         (compose.md).\n\n\
         | | mapped | noted | warned | refused |\n|---|---|---|---|---|\n",
    );
    let tables = [("top level", TOP_LEVEL_KEYS), ("services", SERVICE_KEYS)];
    for (name, table) in tables {
        let counts = VERDICTS.map(|verdict| table.iter().filter(|row| row.verdict == verdict).count());
        let [mapped, noted, warned, refused] = counts;
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| {name} | {mapped} | {noted} | {warned} | {refused} |");
    }
    for (name, table) in tables {
        let (first, rest) = name.split_at(1);
        let _ = write!(out, "\n## {}{rest}\n\n| key | verdict | |\n|---|---|---|\n", first.to_uppercase());
        for row in table {
            let _ = writeln!(out, "| `{}` | {} | {} |", row.key, word(row.verdict), row.text);
        }
    }
    out
}
