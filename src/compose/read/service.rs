//! One service of the merged tree into the typed model. Each key goes through the table in [`support`].

use std::collections::BTreeMap;

use super::files::{env_files, file_uses};
use super::reader::Reader;
use super::values::{variables, words};
use super::verdict::{known_entries, report};
use super::{health, mounts, network, process, resources};
use crate::compose::model::{Condition, Dependency, Located, Resources, Service, Tmpfs};
use crate::compose::support::{self, Verdict};
use crate::compose::syntax;
use crate::compose::tree::{Tree, TreeEntry};
use crate::diag::{Diagnostic, Location};

/// Keys whose verdict depends on their value, or that more than the table is known of: their readers report.
const OWN_REPORT: [&str; 7] = ["build", "cgroup", "ipc", "links", "network_mode", "networks", "userns_mode"];
/// Keys that mean nothing when they are false.
const SWITCHES: [&str; 3] = ["init", "oom_kill_disable", "use_api_socket"];

/// Reads a service whose value is a mapping.
pub(super) fn read(reader: &mut Reader<'_>, entry: &TreeEntry) -> Service {
    let mut service = empty(&entry.key, &entry.key_location);
    let mut x_kompox = None;
    // By name, so that the order in the file decides about nothing.
    let mut fields: Vec<&TreeEntry> = entry.value.as_mapping().unwrap_or_default().iter().collect();
    fields.sort_by_key(|field| &field.key);
    for field in fields {
        let key = field.key.as_str();
        if key == "x-kompox" {
            x_kompox = Some(&field.value);
        }
        if key.starts_with("x-") {
            continue;
        }
        let Some(row) = support::service_key(key) else {
            let known: Vec<&str> = support::service_names("").collect();
            reader.unknown_key(&format!("service {}", entry.key), field, &known);
            continue;
        };
        if row.verdict == Verdict::Mapped || OWN_REPORT.contains(&key) {
            read_key(reader, &mut service, field);
        } else if !is_off(field) {
            report(reader, &entry.key, row, &field.key_location);
        }
    }
    resources::quota(&mut service, &entry.value, reader);
    if let Some(tree) = x_kompox {
        resources::x_kompox(reader, &mut service, tree);
    }
    health::liveness(reader, &mut service, entry.value.get("labels"));
    check_image(reader, &service);
    resources::check(reader, &service);
    service
}

/// Whether a key says nothing: it has no value, or it is a switch that is off.
fn is_off(field: &TreeEntry) -> bool {
    let switched_off = SWITCHES.contains(&field.key.as_str()) && field.value.as_text() == Some("false");
    field.value.is_null() || switched_off
}

fn empty(name: &str, location: &Location) -> Service {
    Service {
        name: name.to_owned(),
        location: location.clone(),
        image: None,
        build: None,
        command: None,
        entrypoint: None,
        environment: BTreeMap::new(),
        env_file: None,
        env_file_location: None,
        ports: Vec::new(),
        expose: Vec::new(),
        mounts: Vec::new(),
        tmpfs: Vec::new(),
        configs: Vec::new(),
        secrets: Vec::new(),
        healthcheck: None,
        liveness: None,
        copy_up: None,
        left_out: Vec::new(),
        owner: None,
        depends_on: Vec::new(),
        resources: Resources::default(),
        replicas: 1,
        restart: None,
        post_start: Vec::new(),
        pre_stop: Vec::new(),
        annotations: BTreeMap::new(),
        hostname: None,
        aliases: Vec::new(),
        network_of: None,
        user: None,
        group_add: Vec::new(),
        working_dir: None,
        tty: false,
        stdin_open: false,
        stop_grace_period: None,
        read_only: false,
        cap_add: Vec::new(),
        cap_drop: Vec::new(),
        privileged: false,
        no_new_privileges: false,
        seccomp_unconfined: false,
        apparmor: None,
        se_linux: BTreeMap::new(),
        sysctls: BTreeMap::new(),
        extra_hosts: Vec::new(),
        dns: Vec::new(),
        dns_search: Vec::new(),
        dns_opt: Vec::new(),
        pull_policy: None,
    }
}

fn check_image(reader: &mut Reader<'_>, service: &Service) {
    match (&service.image, &service.build) {
        (Some(_), Some(build)) => {
            if let Some(row) = support::service_key("build") {
                report(reader, &service.name, row, build);
            }
        }
        (None, Some(build)) => reader.push(
            Diagnostic::error("compose-image", format!("{} has only a build and no image", service.name))
                .help("build the image, push it to a registry and name it: image: registry.example.com/name:tag"),
            build,
        ),
        // The loader says so where there is neither.
        (None, None) | (Some(_), None) => {}
    }
}

/// Acts on a key that becomes something, or that the table alone does not judge.
fn read_key(reader: &mut Reader<'_>, service: &mut Service, field: &TreeEntry) {
    let value = &field.value;
    let key = field.key.as_str();
    match key {
        "image" => {
            service.image = reader
                .text(key, value)
                .filter(|image| !image.is_empty())
                .map(|image| Located { value: image, location: value.location.clone() });
        }
        "build" if !value.is_null() => service.build = Some(field.key_location.clone()),
        // What is left of `extends` names a service that says nothing.
        "build" | "profiles" | "extends" => {}
        "command" => service.command = words(reader, key, value),
        "entrypoint" => service.entrypoint = words(reader, key, value),
        "environment" => environment(reader, service, value),
        "env_file" => env_files(reader, service, field),
        "ports" => service.ports = network::ports(reader, &service.name, value),
        "expose" => service.expose = network::expose(reader, value),
        "networks" => network::networks(reader, service, field),
        "network_mode" => network::mode(reader, service, value),
        "links" => network::links(reader, service, field),
        "container_name" => network::container_name(reader, service, value),
        "hostname" => network::hostname(reader, service, value),
        "extra_hosts" => network::extra_hosts(reader, service, value),
        "dns" | "dns_search" | "dns_opt" => network::dns(reader, service, key, value),
        "volumes" => mounts::volumes(reader, service, value),
        "tmpfs" => tmpfs(reader, service, value),
        "shm_size" => shm(reader, service, value),
        "configs" => service.configs = file_uses(reader, service, value, "config", "/"),
        "secrets" => service.secrets = file_uses(reader, service, value, "secret", "/run/secrets/"),
        "healthcheck" => service.healthcheck = health::healthcheck(reader, &service.name, value),
        "post_start" => service.post_start = health::hooks(reader, &service.name, key, value),
        "pre_stop" => service.pre_stop = health::hooks(reader, &service.name, key, value),
        "annotations" => annotations(reader, service, value),
        "depends_on" => service.depends_on = depends_on(reader, &service.name, value),
        "deploy" => resources::deploy(reader, service, value),
        "gpus" => resources::devices(reader, service, "gpus", value),
        // Read together, once all keys are known.
        "cpu_quota" | "cpu_period" => {}
        "cpus" => resources::cpus(reader, &mut service.resources.limits, key, value),
        "mem_limit" => resources::memory(reader, &mut service.resources.limits, key, value),
        "mem_reservation" => resources::memory(reader, &mut service.resources.requests, key, value),
        "scale" => resources::replicas(reader, service, key, value),
        // What `deploy` says counts more.
        "restart" if service.restart.is_some() => {}
        "restart" => {
            service.restart =
                reader.text(key, value).map(|value| Located { value, location: field.value.location.clone() });
        }
        _ => process::runtime(reader, service, field),
    }
}

fn environment(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    service.environment = variables(reader, &service.name, "environment", tree);
}

fn annotations(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    for mut pair in reader.pairs("annotations", tree) {
        pair.value.get_or_insert_default();
        let (key, location) = (pair.key.clone(), pair.location.clone());
        if let Some(value) = reader.value(&format!("{}: annotations", service.name), pair) {
            service.annotations.insert(key, Located { value, location });
        }
    }
}

fn tmpfs(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    for (text, location) in reader.texts("tmpfs", tree) {
        let (target, options) = text.split_once(':').unwrap_or((&text, ""));
        let mut size = None;
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("size", value)) => match syntax::bytes(value).and_then(|bytes| u64::try_from(bytes).ok()) {
                    // Zero is no limit.
                    Some(bytes) => size = Some(bytes).filter(|bytes| *bytes > 0),
                    None => reader.error("compose-type", format!("tmpfs: \"{value}\" is no size"), &location),
                },
                _ => {
                    if let Some(row) = support::service_key("tmpfs: (other options)") {
                        report(reader, &format!("{}: {option}", service.name), row, &location);
                    }
                }
            }
        }
        if target.starts_with('/') {
            service.tmpfs.push(Tmpfs { target: target.to_owned(), size, location });
        } else {
            reader.error("compose-volume", format!("tmpfs: \"{target}\" is not absolute"), &location);
        }
    }
}

fn shm(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    if let Some(size) = reader.size("shm_size", tree).filter(|size| *size > 0) {
        let location = tree.location.clone();
        service.tmpfs.push(Tmpfs { target: "/dev/shm".to_owned(), size: Some(size), location });
    }
}

fn depends_on(reader: &mut Reader<'_>, service: &str, tree: &Tree) -> Vec<Dependency> {
    let mut dependencies = Vec::new();
    let mut entries = reader.entries("depends_on", tree);
    entries.sort_by_key(|entry| &entry.key);
    for entry in entries {
        let mut dependency = Dependency {
            service: entry.key.clone(),
            condition: Condition::Started,
            required: true,
            location: entry.key_location.clone(),
        };
        for field in known_entries(reader, service, "depends_on", &[], &entry.value) {
            match field.key.as_str() {
                "condition" => match reader.text("condition", &field.value).as_deref() {
                    Some("service_started") | None => {}
                    Some("service_healthy") => dependency.condition = Condition::Healthy,
                    Some("service_completed_successfully") => dependency.condition = Condition::Completed,
                    Some(other) => {
                        let message = format!("depends_on: the condition {other} is not known");
                        reader.push(
                            Diagnostic::error("compose-dependency", message)
                                .help("known are service_started, service_healthy, service_completed_successfully"),
                            &field.value.location,
                        );
                    }
                },
                "required" => dependency.required = reader.boolean("required", &field.value).unwrap_or(true),
                _ => {}
            }
        }
        dependencies.push(dependency);
    }
    dependencies
}
