//! What is wrong is told once, by whoever checks it.

use std::collections::BTreeMap;

use super::*;
use crate::compose::files::NoFiles;
use crate::compose::support::service_names;
use crate::diag::Severity;

/// The errors about a text, each with its code, its place and its help.
fn errors(text: &str) -> Vec<String> {
    let gate = Gate::new(BTreeMap::new(), None);
    let files = NoFiles::new("there are none");
    let inputs = vec![Input::Text(Source::new("compose.yml", text))];
    let (project, findings) = read(ReadRequest { inputs, profiles: &[], gate: &gate, files: &files });
    assert_eq!(project.is_some(), !findings.has_errors(), "{text}");
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors
        .map(|finding| {
            format!(
                "{} {finding} {}",
                finding.code,
                finding.help.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            )
        })
        .collect()
}

fn service(rest: &str) -> String {
    format!("services: {{web: {{image: x, {rest}}}, db: {{image: x}}}}\n")
}

#[test]
fn what_is_wrong_is_told_once() {
    for (text, expected) in [
        (
            service("mem_limit: lots"),
            "compose-type compose.yml:1:39: services.web.mem_limit: \"lots\" is no size such as",
        ),
        (service("cpus: many"), "compose-type compose.yml:1:34: services.web.cpus"),
        (
            service("stop_grace_period: soon"),
            "compose-type compose.yml:1:47: services.web.stop_grace_period: \"soon\" is no",
        ),
        (service("command: 'a \"b'"), "compose-command compose.yml:1:37: services.web.command is no command line"),
        (service("healthcheck: {test: [a]}"), "compose-healthcheck compose.yml:1:48: healthcheck: test must be"),
        (service("healthcheck: {test: [CMD]}"), "compose-healthcheck compose.yml:1:48: healthcheck: test must be"),
        (service("depends_on: [dbx]"), "which is no service did you mean \"db\"?"),
        (service("configs: [c]"), "compose-undefined compose.yml:1:38: web uses the config c, which the file does not"),
        (service("deploy: {replicas: -1}"), "compose-scale compose.yml:1:47: web: the number of replicas must be 0"),
        (service("secrets: [s]") + "secrets: {s: {driver: d}}", "compose-file-source compose.yml:2:11: secret"),
        ("services: {web: {}}".to_owned(), "compose-image compose.yml:1:12: web has no image"),
    ] {
        let told = errors(&text);
        assert!(told.len() == 1 && told[0].contains(expected), "{text}{told:#?}");
    }
}

#[test]
fn a_wrong_type_hides_nothing_else() {
    let told = errors(&service("mem_limit: lots, configs: [c], cap_add: [NOPE]"));
    assert_eq!(told.len(), 3, "{told:#?}");
}

#[test]
fn what_the_loader_takes_is_judged_here() {
    for rest in ["mem_limit: -1", "cpus: -1", "stop_grace_period: -1s", "x-kompox: {liveness: 7}", "x-kompox: []"] {
        let told = errors(&service(rest));
        assert!(told.len() == 1 && told[0].starts_with("compose-type"), "{rest}: {told:#?}");
    }
}

#[test]
fn no_value_of_any_key_is_wrong_twice() {
    let values = ["x", "-1", "1.5", "true", "[]", "{}", "[x]", "[[]]", "[{}]", "{x: y}", "{x: {}}", "{x: [y]}", "''"];
    let mut twice = Vec::new();
    for (key, value) in service_names("").flat_map(|key| values.map(|value| (key, value))) {
        let told = errors(&service(&format!("{key}: {value}")));
        let mut places: Vec<&str> = told.iter().filter_map(|told| told.split(": ").next()).collect();
        places.sort_unstable();
        places.dedup();
        // A limit without either number lacks two keys.
        if places.len() < told.len() && key != "ulimits" {
            twice.push((key, value, told));
        }
    }
    assert!(twice.is_empty(), "{twice:#?}");
}

#[test]
fn names_with_capital_letters_are_small_ones() {
    let gate = Gate::new(BTreeMap::new(), None);
    let files = NoFiles::new("there are none");
    let text = "services:\n  Web: {image: x, depends_on: [DB], links: ['DB:Data']}\n  DB: {image: x}\n  \
                side: {image: x, network_mode: 'service:Web'}\n";
    let inputs = vec![Input::Text(Source::new("compose.yml", text))];
    let (project, found) = read(ReadRequest { inputs, profiles: &[], gate: &gate, files: &files });
    let services = project.expect("no error").services;
    let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["web", "db", "side"]);
    assert!(services[0].depends_on.iter().all(|dependency| dependency.service == "db"));
    let alias = &services[0].aliases[0];
    assert_eq!((alias.name.as_str(), alias.service.as_str()), ("data", "db"));
    assert_eq!(services[2].network_of.as_ref().map(|network| network.value.as_str()), Some("web"));
    let notes: Vec<String> =
        found.iter().filter(|one| one.code == "compose-name").map(|one| format!("{:?} {one}", one.severity)).collect();
    assert_eq!(
        notes,
        [
            "Note compose.yml:2:3: Web: its container is called web; as a host, Web leads to it as well",
            "Note compose.yml:3:3: DB: its container is called db; as a host, DB leads to it as well",
        ]
    );
    let told = errors("services:\n  web: {image: x}\n  Web: {image: x}\n");
    assert_eq!(
        told,
        ["compose-name compose.yml:3:3: Web and another service would both be the container web the other one is at \
          compose.yml:2:3; rename one of them"]
    );
}
