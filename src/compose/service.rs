//! One service of the merged tree into the typed model. Each key goes through the table in [`support`].

use std::collections::{BTreeMap, HashSet};

use crate::compose::env;
use crate::compose::files::FileError;
use crate::compose::merge::pairs_to_mapping;
use crate::compose::model::{
    Condition, Dependency, FileUse, Healthcheck, Located, Port, Resources, Service, Text, Tmpfs, is_secret_literal,
    is_secret_name,
};
use crate::compose::mounts;
use crate::compose::process;
use crate::compose::read::{Reader, local_file_error};
use crate::compose::resources;
use crate::compose::support::{self, SERVICE_KEYS, Verdict};
use crate::compose::syntax;
use crate::compose::tree::{Tree, TreeEntry};
use crate::diag::{Diagnostic, Location};

/// Ports of one service, ranges expanded.
const MAX_PORTS: usize = 2000;

/// Reads a service whose value is a mapping.
pub(super) fn read(reader: &mut Reader<'_>, entry: &TreeEntry) -> Service {
    let mut service = empty(&entry.key, &entry.key_location);
    let mut x_kompox = None;
    for field in entry.value.as_mapping().unwrap_or_default() {
        if field.key == "x-kompox" {
            x_kompox = Some(&field.value);
        }
        if field.key.starts_with("x-") {
            continue;
        }
        let Some(row) = support::service_key(&field.key) else {
            let known: Vec<&str> = SERVICE_KEYS.iter().map(|row| row.key).collect();
            reader.unknown_key(&format!("service {}", entry.key), field, &known);
            continue;
        };
        let message = || format!("{}: {} is not used: {}", entry.key, row.key, row.text);
        match row.verdict {
            Verdict::Mapped => mapped(reader, &mut service, field),
            Verdict::Noted => reader.note("compose-key-noted", message(), &field.key_location),
            Verdict::Warned => reader.warning("compose-key-warned", message(), &field.key_location),
            Verdict::Refused => {
                let message = format!("{}: {} cannot be used: {}", entry.key, row.key, row.text);
                reader.error("compose-key-refused", message, &field.key_location);
            }
        }
    }
    if let Some(tree) = x_kompox {
        resources::x_kompox_resources(reader, &mut service.resources, tree);
    }
    check_image(reader, &service);
    service
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
        depends_on: Vec::new(),
        resources: Resources::default(),
        restart: None,
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
        apparmor_unconfined: false,
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
            let message = format!("{}: build is not used, the image is pulled", service.name);
            reader.note("compose-key-noted", message, build);
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

/// Acts on a key whose verdict is [`Verdict::Mapped`].
fn mapped(reader: &mut Reader<'_>, service: &mut Service, field: &TreeEntry) {
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
        "ports" => service.ports = ports(reader, value),
        "expose" => service.expose = expose(reader, value),
        "volumes" => mounts::volumes(reader, service, value),
        "tmpfs" => tmpfs(reader, service, value),
        "shm_size" => shm(reader, service, value),
        "configs" => service.configs = file_uses(reader, value, "config", "/"),
        "secrets" => service.secrets = file_uses(reader, value, "secret", "/run/secrets/"),
        "healthcheck" => service.healthcheck = healthcheck(reader, value),
        "depends_on" => service.depends_on = depends_on(reader, value),
        "deploy" => resources::deploy(reader, service, value),
        "cpus" => resources::cpus(reader, &mut service.resources.limits, key, value),
        "mem_limit" => resources::memory(reader, &mut service.resources.limits, key, value),
        "mem_reservation" => resources::memory(reader, &mut service.resources.requests, key, value),
        "scale" => resources::one_replica(reader, &service.name, key, value),
        "restart" => {
            service.restart =
                reader.text(key, value).map(|value| Located { value, location: field.value.location.clone() });
        }
        "network_mode" => process::network_mode(reader, service, value),
        _ => process::runtime(reader, service, field),
    }
}

/// A command: a text is split as a shell would, a list is taken as it is. Null leaves the image's own.
fn words(reader: &mut Reader<'_>, what: &str, tree: &Tree) -> Option<Vec<Text>> {
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

/// Marks arguments whose flag or assignment is named like a secret, and URLs with a password.
fn mark_secret_arguments(mut words: Vec<Text>) -> Vec<Text> {
    let mut follows_secret_flag = false;
    for word in &mut words {
        let assigned = word
            .value
            .split_whitespace()
            .any(|part| part.split_once('=').is_some_and(|(name, value)| !value.is_empty() && is_secret_name(name)));
        word.sensitive |= assigned || is_secret_literal(&word.value) || follows_secret_flag;
        follows_secret_flag =
            word.value.starts_with('-') && !word.value.contains(['=', ' ']) && is_secret_name(&word.value)
                || word.value == "--requirepass";
    }
    words
}

fn environment(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    let pairs = pairs_to_mapping(tree.clone());
    for entry in reader.entries("environment", &pairs) {
        let name = &entry.key;
        if name.is_empty() || !name.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'=') {
            let message = format!("{}: environment has an entry without a usable name", service.name);
            reader.error("compose-environment", message, &entry.key_location);
            continue;
        }
        if entry.value.is_null() {
            match reader.environment.get(name) {
                Some(value) => {
                    service.environment.insert(name.clone(), Text::secret(value.clone()));
                }
                None => {
                    // A name that came by interpolation may be a value that lacks its name.
                    let shown = if entry.value.interpolated { "a variable" } else { name.as_str() };
                    let message =
                        format!("{}: {shown} is taken from the environment, where it is not set", service.name);
                    reader.warning("compose-variable-unset", message, &entry.key_location);
                }
            }
            continue;
        }
        let Some(text) = reader.text(name, &entry.value) else { continue };
        let boolean = entry.value.as_scalar().and_then(|scalar| scalar.as_bool());
        let value = boolean.map_or(text, |b| b.to_string());
        let sensitive = entry.value.interpolated || is_secret_name(name) || is_secret_literal(&value);
        service.environment.insert(name.clone(), Text { value, sensitive });
    }
}

fn env_files(reader: &mut Reader<'_>, service: &mut Service, field: &TreeEntry) {
    service.env_file_location = Some(field.key_location.clone());
    let single = std::slice::from_ref(&field.value);
    let items = if field.value.is_null() { &[] } else { field.value.as_sequence().unwrap_or(single) };
    let mut merged: Option<BTreeMap<String, String>> = None;
    for item in items {
        let (mut path, mut required, mut raw) = (None, true, false);
        if item.as_mapping().is_some() {
            for entry in reader.entries("env_file", item) {
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
                    _ => reader.unknown_key("env_file", entry, &["path", "required", "format"]),
                }
            }
        } else {
            path = reader.text("env_file", item);
        }
        let Some(path) = path else {
            if item.as_text().is_none() {
                reader.error("compose-env-file", "env_file: a path is missing", &item.location);
            }
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

fn ports(reader: &mut Reader<'_>, tree: &Tree) -> Vec<Port> {
    let mut ports: Vec<Port> = Vec::new();
    let mut seen = HashSet::new();
    for item in reader.list("ports", tree) {
        if ports.len() > MAX_PORTS {
            let message = format!("ports: a service may have at most {MAX_PORTS} ports");
            reader.error("compose-limit", message, &item.location);
            break;
        }
        let parsed = if item.as_mapping().is_some() {
            port_mapping(reader, item)
        } else {
            reader.text("ports", item).map(|text| syntax::ports(&text))
        };
        match parsed {
            Some(Ok(parsed)) => {
                for port in parsed {
                    // A later file may repeat a port.
                    if seen.insert(port.clone()) {
                        ports.push(Port {
                            host_ip: port.host_ip,
                            published: port.published,
                            target: port.target,
                            protocol: port.protocol,
                            location: item.location.clone(),
                        });
                    }
                }
            }
            Some(Err(message)) => reader.error("compose-port", format!("ports: {message}"), &item.location),
            None => {}
        }
    }
    ports
}

fn port_mapping(reader: &mut Reader<'_>, item: &Tree) -> Option<Result<Vec<syntax::PortSyntax>, String>> {
    let (mut ip, mut published, mut target) = (None, None, None);
    let mut protocol = Ok(crate::compose::model::Protocol::Tcp);
    for entry in reader.entries("ports", item) {
        match entry.key.as_str() {
            "target" => target = reader.text("target", &entry.value),
            "published" => published = reader.text("published", &entry.value).filter(|text| !text.is_empty()),
            "host_ip" => ip = reader.text("host_ip", &entry.value).filter(|text| !text.is_empty()),
            "protocol" => {
                if let Some(text) = reader.text("protocol", &entry.value) {
                    protocol = syntax::protocol(&text);
                }
            }
            // Written out by the loader.
            "mode" if entry.value.as_text() == Some("ingress") => {}
            "mode" | "app_protocol" | "name" => {
                let message = format!("ports: {} has no meaning here", entry.key);
                reader.note("compose-key-noted", message, &entry.key_location);
            }
            _ => reader.unknown_key(
                "ports",
                entry,
                &["target", "published", "host_ip", "protocol", "mode", "app_protocol", "name"],
            ),
        }
    }
    let Some(target) = target else {
        reader.error("compose-port", "ports: target is missing", &item.location);
        return None;
    };
    Some(protocol.and_then(|protocol| syntax::expand(ip, published.as_deref(), &target, protocol)))
}

fn expose(reader: &mut Reader<'_>, tree: &Tree) -> Vec<Port> {
    let mut ports = Vec::new();
    for (text, location) in reader.texts("expose", tree) {
        match syntax::ports(&text) {
            Ok(parsed) if parsed.iter().all(|port| port.published.is_none()) => {
                ports.extend(parsed.into_iter().map(|port| Port {
                    host_ip: None,
                    published: None,
                    target: port.target,
                    protocol: port.protocol,
                    location: location.clone(),
                }));
            }
            Ok(_) => reader.error("compose-port", "expose: only container ports may stand here", &location),
            Err(message) => reader.error("compose-port", format!("expose: {message}"), &location),
        }
    }
    ports
}

fn tmpfs(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    for (text, location) in reader.texts("tmpfs", tree) {
        let (target, options) = text.split_once(':').unwrap_or((&text, ""));
        let mut size = None;
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("size", value)) => match syntax::size_bytes(value) {
                    Some(bytes) => size = Some(bytes),
                    None => {
                        reader.error("compose-type", format!("tmpfs: \"{value}\" is no size"), &location);
                    }
                },
                _ => reader.note("compose-key-noted", format!("tmpfs: {option} has no meaning here"), &location),
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
    let Some(text) = reader.text("shm_size", tree) else { return };
    match syntax::size_bytes(&text) {
        Some(size) => {
            let location = tree.location.clone();
            service.tmpfs.push(Tmpfs { target: "/dev/shm".to_owned(), size: Some(size), location });
        }
        None => reader.error("compose-type", format!("shm_size: \"{text}\" is no size"), &tree.location),
    }
}

fn file_uses(reader: &mut Reader<'_>, tree: &Tree, kind: &str, folder: &str) -> Vec<FileUse> {
    let mut uses: Vec<FileUse> = Vec::new();
    for item in reader.list(kind, tree) {
        let (mut source, mut target, mut mode) = (None, None, None);
        if item.as_mapping().is_some() {
            for entry in reader.entries(kind, item) {
                match entry.key.as_str() {
                    "source" => source = reader.text("source", &entry.value),
                    "target" => target = reader.text("target", &entry.value),
                    "mode" => mode = file_mode(reader, &entry.value),
                    "uid" | "gid" => {
                        let message = format!("{kind}: {} has no meaning here; files belong to root", entry.key);
                        reader.note("compose-key-noted", message, &entry.key_location);
                    }
                    _ => reader.unknown_key(kind, entry, &["source", "target", "mode", "uid", "gid"]),
                }
            }
        } else {
            source = reader.text(kind, item);
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
        let one = FileUse { source, target, mode, location: item.location.clone() };
        match uses.iter_mut().find(|known| known.target == one.target) {
            Some(known) => *known = one,
            None => uses.push(one),
        }
    }
    uses
}

/// File mode bits: octal with a leading zero or in quotes, as YAML 1.1 and compose read them, else decimal.
fn file_mode(reader: &mut Reader<'_>, tree: &Tree) -> Option<u32> {
    let text = reader.text("mode", tree)?;
    let quoted = tree.as_scalar().is_some_and(|scalar| !scalar.plain);
    let digits = text.trim_start_matches("0o");
    let mode = if quoted || text.starts_with('0') { u32::from_str_radix(digits, 8).ok() } else { text.parse().ok() };
    let mode = mode.filter(|mode| *mode <= 0o777);
    if mode.is_none() {
        reader.error("compose-type", format!("mode: \"{text}\" is no file mode such as 0440"), &tree.location);
    }
    mode
}

fn healthcheck(reader: &mut Reader<'_>, tree: &Tree) -> Option<Healthcheck> {
    const KEYS: [&str; 7] = ["disable", "interval", "retries", "start_interval", "start_period", "test", "timeout"];
    // What docker assumes.
    let mut check =
        Healthcheck { command: Vec::new(), interval: 30, timeout: 30, retries: 3, start_period: 0, start_interval: 5 };
    let (mut disabled, mut tested) = (false, false);
    for entry in reader.entries("healthcheck", tree) {
        let key = entry.key.as_str();
        match key {
            "disable" => disabled = reader.boolean(key, &entry.value).unwrap_or(false),
            "interval" => check.interval = duration(reader, key, &entry.value).unwrap_or(30).max(1),
            "timeout" => check.timeout = duration(reader, key, &entry.value).unwrap_or(30).max(1),
            "start_period" => check.start_period = duration(reader, key, &entry.value).unwrap_or(0),
            "start_interval" => check.start_interval = duration(reader, key, &entry.value).unwrap_or(5).max(1),
            "retries" => check.retries = reader.integer(key, &entry.value).unwrap_or(3).max(1),
            "test" => {
                tested = true;
                match test(reader, &entry.value) {
                    Some(command) => check.command = command,
                    None => disabled = true,
                }
            }
            _ => reader.unknown_key("healthcheck", entry, &KEYS),
        }
    }
    if !tested && !disabled {
        let message = "healthcheck without a test uses the image's own, which Kubernetes does not know; it is not run";
        reader.warning("compose-healthcheck", message, &tree.location);
    }
    if disabled || check.command.is_empty() { None } else { Some(check) }
}

/// The command of a health check; none when it is switched off or wrong.
fn test(reader: &mut Reader<'_>, tree: &Tree) -> Option<Vec<Text>> {
    let shell = |text: &str, sensitive| {
        vec![Text::open("/bin/sh"), Text::open("-c"), Text { value: text.to_owned(), sensitive }]
    };
    if let Some(text) = tree.as_text() {
        return Some(mark_secret_arguments(shell(text, tree.interpolated)));
    }
    let items: Vec<(&str, bool)> = tree
        .as_sequence()
        .unwrap_or_default()
        .iter()
        .filter_map(|item| Some((item.as_text()?, item.interpolated)))
        .collect();
    match items.as_slice() {
        [("NONE", _)] => None,
        [("CMD", _), rest @ ..] if !rest.is_empty() => Some(mark_secret_arguments(
            rest.iter().map(|(text, sensitive)| Text { value: (*text).to_owned(), sensitive: *sensitive }).collect(),
        )),
        [("CMD-SHELL", _), (text, sensitive)] => Some(mark_secret_arguments(shell(text, *sensitive))),
        _ => {
            let message = "healthcheck: test must be a string or a list that starts with CMD, CMD-SHELL or NONE";
            reader.error("compose-healthcheck", message, &tree.location);
            None
        }
    }
}

pub(super) fn duration(reader: &mut Reader<'_>, key: &str, tree: &Tree) -> Option<i64> {
    let text = reader.text(key, tree)?;
    let seconds = syntax::duration_seconds(&text);
    if seconds.is_none() {
        // What interpolation puts into a health check is not shown.
        let shown = if tree.interpolated { "the value" } else { text.as_str() };
        let message = format!("{key}: {shown} is no duration such as 30s or 1m30s");
        reader.error("compose-type", message, &tree.location);
    }
    seconds
}

fn depends_on(reader: &mut Reader<'_>, tree: &Tree) -> Vec<Dependency> {
    let plain = |service: String, location: Location| Dependency {
        service,
        condition: Condition::Started,
        required: true,
        location,
    };
    if tree.as_mapping().is_none() {
        return reader.texts("depends_on", tree).into_iter().map(|(name, at)| plain(name, at)).collect();
    }
    let mut dependencies = Vec::new();
    for entry in reader.entries("depends_on", tree) {
        let mut dependency = plain(entry.key.clone(), entry.key_location.clone());
        for field in reader.entries("depends_on", &entry.value) {
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
                "restart" => reader.note(
                    "compose-key-noted",
                    "depends_on: restart has no meaning here; containers of one Pod restart by themselves",
                    &field.key_location,
                ),
                _ => reader.unknown_key("depends_on", field, &["condition", "required", "restart"]),
            }
        }
        dependencies.push(dependency);
    }
    dependencies
}
