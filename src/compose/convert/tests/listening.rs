//! Ports that two services of a Pod seem to share.

use super::*;

fn shared(text: &str, boxes: &[&str]) -> String {
    let (scope, project) = (scope(), project(text));
    let mut input = input(&scope, &project);
    input.boxes = boxes
        .iter()
        .map(|name| BoxInput {
            name: (*name).to_owned(),
            image: None,
            command: Vec::new(),
            args: Vec::new(),
            network_rules: Vec::new(),
            location: None,
        })
        .collect();
    let (_, diagnostics) = convert(&input);
    let found = diagnostics.iter().filter(|finding| finding.code == "compose-port-shared");
    found
        .map(|finding| {
            format!("{finding}\n{}\n", finding.help.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        })
        .collect()
}

const WORKERS: &str = r#"
services:
  main:
    image: app
    ports: ["5678:5678"]
  worker:
    image: app
    healthcheck: {test: "wget -q http://localhost:5678/healthz"}
  main-runner:
    image: runner
    environment: {BROKER: "http://main:5679"}
  worker-runner:
    image: runner
    environment: {BROKER: "http://worker:5679"}
"#;

#[test]
fn what_addresses_and_health_checks_say_is_compared() {
    assert_eq!(
        shared(WORKERS, &[]),
        "compose.yml:6:3: main and worker seem to listen on one port, 5678, but they share one Pod\n\
         main: declares it at compose.yml:5:13\n\
         worker: its health check asks localhost:5678\n\
         let one of them listen on another port, or give it a Pod of its own with a Box named worker\n\
         compose.yml:6:3: main and worker seem to listen on one port, 5679, but they share one Pod\n\
         main: BROKER of main-runner names main:5679\n\
         worker: BROKER of worker-runner names worker:5679\n\
         let one of them listen on another port, or give it a Pod of its own with a Box named worker\n"
    );
}

#[test]
fn a_box_keeps_them_apart() {
    assert_eq!(shared(WORKERS, &["worker"]), "");
}

#[test]
fn services_of_one_network_and_jobs_do_not_collide() {
    let vpn = r#"
services:
  vpn: {image: vpn, ports: ["8080:8080"]}
  torrent:
    image: torrent
    network_mode: service:vpn
    healthcheck: {test: "curl -f localhost:8080"}
  job:
    image: job
    healthcheck: {test: "curl -f localhost:8080"}
  web:
    image: web
    depends_on: {job: {condition: service_completed_successfully}}
"#;
    assert_eq!(shared(vpn, &[]), "");
}

#[test]
fn values_that_are_not_shown_say_nothing() {
    let text = r#"
services:
  a: {image: a, expose: [9000]}
  b:
    image: b
    environment: {URL: "http://b:${TAG}9000", API_TOKEN: "b:9000", OPEN: "b:9001", IMAGE: "b:16"}
"#;
    assert_eq!(shared(text, &[]), "");
}

#[test]
fn aliases_lead_to_their_service() {
    let text = r#"
services:
  a: {image: a, container_name: first, expose: [9000], environment: {PEER: "second:9000"}}
  b: {image: b, container_name: second}
"#;
    assert!(shared(text, &[]).contains("b: PEER of a names second:9000"), "{}", shared(text, &[]));
}
