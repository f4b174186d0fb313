//! One service of the merged tree into the typed model. Each key goes through the table in [`support`].

use std::collections::BTreeMap;

use crate::compose::env;
use crate::compose::files::FileError;
use crate::compose::gate::Gate;
use crate::compose::health;
use crate::compose::load::scalar::Value;
use crate::compose::model::{
    Condition, Dependency, FileUse, Located, Resources, Service, Text, Tmpfs, secret_arguments,
};
use crate::compose::mounts;
use crate::compose::network;
use crate::compose::process;
use crate::compose::read::{Reader, local_file_error};
use crate::compose::resources;
use crate::compose::support::{self, Support, Verdict};
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

/// Says what the table says of a key that is not mapped.
pub(super) fn report(reader: &mut Reader<'_>, service: &str, row: &Support, location: &Location) {
    let unused = || format!("{service}: {} is not used: {}", row.key, row.text);
    match row.verdict {
        Verdict::Mapped => {}
        Verdict::Noted => reader.note("compose-key-noted", unused(), location),
        Verdict::Warned => reader.warning("compose-key-warned", unused(), location),
        Verdict::Refused => {
            let message = format!("{service}: {} cannot be used: {}", row.key, row.text);
            reader.error("compose-key-refused", message, location);
        }
    }
}

/// Says what the table says of a key with this value.
pub(super) fn report_value(reader: &mut Reader<'_>, service: &str, key: &str, value: &str, location: &Location) {
    if let Some(row) = support::service_value(key, value) {
        report(reader, service, row, location);
    }
}

/// The entries of a mapping under `path` that are mapped, or that `own` names; what becomes of the others is said here.
pub(super) fn known_entries<'t>(
    reader: &mut Reader<'_>,
    service: &str,
    path: &str,
    own: &[&str],
    tree: &'t Tree,
) -> Vec<&'t TreeEntry> {
    let mut entries = reader.entries(path, tree);
    entries.retain(|entry| match support::service_key(&format!("{path}.{}", entry.key)) {
        None => {
            let known: Vec<&str> = support::service_names(path).collect();
            reader.unknown_key(path, entry, &known);
            false
        }
        Some(row) if row.verdict == Verdict::Mapped || own.contains(&entry.key.as_str()) => true,
        Some(row) => {
            if !entry.value.is_null() && entry.value.as_mapping().is_none_or(|entries| !entries.is_empty()) {
                report(reader, service, row, &entry.key_location);
            }
            false
        }
    });
    entries
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
        (None, None) => {
            let finding = Diagnostic::error("compose-image", format!("{} has no image", service.name));
            reader.push(finding.help("name one: image: registry.example.com/name:tag"), &service.location);
        }
        (Some(_), None) => {}
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

/// A command: a text is split as a shell would, a list is taken as it is. Null leaves the image's own.
pub(super) fn words(reader: &mut Reader<'_>, what: &str, tree: &Tree) -> Option<Vec<Text>> {
    if tree.is_null() {
        return None;
    }
    if let Some(items) = tree.as_sequence() {
        let words = items
            .iter()
            .filter_map(|item| {
                // In a list, null can only be meant as an empty argument.
                let value = if item.is_null() { String::new() } else { reader.text(what, item)? };
                Some(Text { value, sensitive: item.interpolated })
            })
            .collect();
        return Some(mark_secret_arguments(words));
    }
    let text = reader.text(what, tree)?;
    if syntax::is_cut(&text) {
        let message = format!("{what} ends at the first `;`, `&`, `|`, `<` or `>`; the rest is not run");
        let finding = Diagnostic::warning("compose-command", message);
        reader.push(finding.help("run a shell: [\"sh\", \"-c\", \"…\"]"), &tree.location);
    }
    match syntax::words(&text) {
        Some(words) => Some(mark_secret_arguments(
            words.into_iter().map(|value| Text { value, sensitive: tree.interpolated }).collect(),
        )),
        None => {
            reader.error("compose-command", format!("{what}: the quotes do not match"), &tree.location);
            None
        }
    }
}

/// Marks the words of a command line that may be secret.
pub(super) fn mark_secret_arguments(mut words: Vec<Text>) -> Vec<Text> {
    let secret = secret_arguments(words.iter().map(|word| word.value.as_str()));
    for (word, secret) in words.iter_mut().zip(secret) {
        word.sensitive |= secret;
    }
    words
}

fn environment(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    service.environment = variables(reader, &service.name, "environment", tree);
}

/// Names that one message lists.
const SHOWN: usize = 8;

/// Variables by name: a mapping, or a list of `NAME=value`. Those without a value come from the environment of kompox.
pub(super) fn variables(reader: &mut Reader<'_>, service: &str, what: &str, tree: &Tree) -> BTreeMap<String, Text> {
    let mut variables = BTreeMap::new();
    let mut unset: Vec<(String, &Location)> = Vec::new();
    for mut pair in reader.pairs(what, tree) {
        if pair.key.is_empty() || !pair.key.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'=') {
            let message = format!("{service}: {what} has an entry without a usable name");
            reader.error("compose-environment", message, pair.location);
            continue;
        }
        if pair.value.is_none() {
            let Some(value) = reader.environment.get(&pair.key) else {
                // A name that came by interpolation may be a value that lacks its name.
                if !pair.interpolated && reader.gate.withholds(&pair.key) {
                    let message = format!(
                        "{service}: the variable {} is set, but compose files may not read it: it is left out of {what}",
                        pair.key
                    );
                    let finding = Diagnostic::warning("compose-variable-withheld", message);
                    reader.push(finding.help(Gate::help(&pair.key)), pair.location);
                    continue;
                }
                let shown = if pair.interpolated { "a variable".to_owned() } else { pair.key };
                unset.push((shown, pair.location));
                continue;
            };
            (pair.value, pair.interpolated) = (Some(value.clone()), true);
        }
        let key = pair.key.clone();
        if let Some(value) = reader.value(&format!("{service}: {what}"), pair) {
            variables.insert(key, value);
        }
    }
    if let [(first, location), more @ ..] = unset.as_slice() {
        // Leaving them out is what such an entry is for: no warning, and one line for all of them.
        let names: Vec<&str> =
            std::iter::once(first).chain(more.iter().map(|(name, _)| name)).map(String::as_str).take(SHOWN).collect();
        let rest = unset.len() - names.len();
        let rest = if rest == 0 { String::new() } else { format!(" and {rest} more") };
        let message =
            format!("{service}: not set in the environment, and left out of {what}: {}{rest}", names.join(", "));
        reader.note("compose-variable-unset", message, location);
    }
    variables
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

fn env_files(reader: &mut Reader<'_>, service: &mut Service, field: &TreeEntry) {
    service.env_file_location = Some(field.key_location.clone());
    let mut merged: Option<BTreeMap<String, String>> = None;
    for item in reader.list("env_file", &field.value) {
        let (mut path, mut required, mut raw) = (None, true, false);
        for entry in known_entries(reader, &service.name, "env_file", &[], item) {
            match entry.key.as_str() {
                "path" => path = reader.text("path", &entry.value),
                "required" => required = reader.boolean("required", &entry.value).unwrap_or(true),
                "format" => match reader.text("format", &entry.value).as_deref() {
                    Some("raw") => raw = true,
                    None | Some("") => {}
                    Some(other) => {
                        let message = format!("env_file: the format {other} is not known; only raw is");
                        reader.error("compose-env-file", message, &entry.value.location);
                    }
                },
                _ => {}
            }
        }
        let Some(path) = path else {
            reader.error("compose-env-file", "env_file: a path is missing", &item.location);
            continue;
        };
        let bytes = match reader.files.read(&path) {
            Ok(bytes) => bytes,
            Err(FileError::NotFound) if !required => continue,
            Err(error) => {
                local_file_error(reader, "env_file", &path, &error, &item.location);
                continue;
            }
        };
        let format = if raw { env::Format::Raw } else { env::Format::of(&path) };
        match env::parse(&bytes, format) {
            Ok(values) => merged.get_or_insert_default().extend(values),
            Err(error) => {
                let finding = Diagnostic::error("compose-env-file", format!("env_file {path}: {error}"));
                reader.push(finding.help(format!("correct {path}; its values are never shown")), &item.location);
            }
        }
    }
    if let Some(Err(error)) = merged.as_ref().map(env::check) {
        let message = format!("{}: env_file: {error}", service.name);
        reader.error("compose-env-file", message, &field.key_location);
    }
    service.env_file = merged.map(|values| values.into_iter().map(|(key, value)| (key, Text::secret(value))).collect());
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

fn file_uses(reader: &mut Reader<'_>, service: &Service, tree: &Tree, kind: &str, folder: &str) -> Vec<FileUse> {
    let mut uses: Vec<FileUse> = Vec::new();
    for item in reader.list(kind, tree) {
        let (mut source, mut target, mut mode) = (None, None, None);
        for entry in known_entries(reader, &service.name, &format!("{kind}s"), &[], item) {
            match entry.key.as_str() {
                "source" => source = reader.text("source", &entry.value),
                "target" => target = reader.text("target", &entry.value),
                "mode" => mode = file_mode(reader, &entry.value),
                _ => {}
            }
        }
        let Some(source) = source else {
            reader.error("compose-undefined", format!("{kind}: its source is missing"), &item.location);
            continue;
        };
        let target = match target {
            Some(target) if target.starts_with('/') => target,
            Some(target) => format!("{folder}{target}"),
            None => format!("{folder}{source}"),
        };
        if !mounts::is_target(&target) {
            let message = format!("{kind}: nothing can be mounted at \"{target}\"");
            reader.error("compose-target", message, &item.location);
            continue;
        }
        let one = FileUse { source, target, mode, location: item.location.clone() };
        match uses.iter_mut().find(|known| known.target == one.target) {
            Some(known) => *known = one,
            None => uses.push(one),
        }
    }
    uses
}

/// File mode bits: a number as YAML has it, or the digits of an octal one.
fn file_mode(reader: &mut Reader<'_>, tree: &Tree) -> Option<u32> {
    let mode = match tree.value() {
        Some(Value::Int(number)) => u32::try_from(number).ok(),
        Some(Value::Str(text)) => u32::from_str_radix(text, 8).ok(),
        _ => None,
    };
    let mode = mode.filter(|mode| *mode <= 0o777);
    if mode.is_none() && !tree.is_null() {
        let text = tree.as_text().unwrap_or_default();
        reader.error("compose-type", format!("mode: \"{text}\" is no file mode such as 0440"), &tree.location);
    }
    mode
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
