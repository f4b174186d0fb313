//! The process of a service and its surroundings: user, capabilities, names, and other fields of container and Pod.

use super::reader::Reader;
use super::values::duration;
use super::verdict::{report, report_value};
use crate::compose::model::{Located, Service};
use crate::compose::support;
use crate::compose::tree::{Tree, TreeEntry};
use crate::diag::Diagnostic;
use crate::text::suggest::closest;
use kompox_rules::pod_security::SYSCTLS;

/// The largest id of a user or group that Kubernetes takes.
const MAX_ID: i64 = i32::MAX as i64;

/// The capabilities of Linux, without `CAP_`, and `ALL`.
const CAPABILITIES: [&str; 42] = [
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// Kernel parameters that every node lets a Pod set (Kubernetes, "Using sysctls in a Kubernetes Cluster") besides those that
/// the Pod Security level `baseline` knows.
const MORE_SAFE_SYSCTLS: [&str; 2] = ["net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"];

/// Keys about the process and its surroundings: security context, Pod fields.
pub(super) fn runtime(reader: &mut Reader<'_>, service: &mut Service, field: &TreeEntry) {
    let value = &field.value;
    let key = field.key.as_str();
    match key {
        "user" => user(reader, service, value),
        "group_add" => {
            for (text, location) in reader.texts(key, value) {
                match id(&text) {
                    Some(group) => service.group_add.push(group),
                    None => {
                        let message = format!("{}: group_add {text} is a name; only numbers work", service.name);
                        reader.warning("compose-user", message, &location);
                    }
                }
            }
        }
        "working_dir" => service.working_dir = reader.text(key, value),
        "tty" => service.tty = reader.boolean(key, value).unwrap_or(false),
        "stdin_open" => service.stdin_open = reader.boolean(key, value).unwrap_or(false),
        "stop_grace_period" => service.stop_grace_period = duration(reader, key, value),
        "read_only" => service.read_only = reader.boolean(key, value).unwrap_or(false),
        "privileged" => service.privileged = reader.boolean(key, value).unwrap_or(false),
        "cap_add" => service.cap_add = capabilities(reader, key, value),
        "cap_drop" => service.cap_drop = capabilities(reader, key, value),
        "security_opt" => security_opt(reader, service, value),
        "sysctls" => sysctls(reader, service, value),
        "cgroup" | "ipc" | "userns_mode" => {
            if let Some(text) = reader.text(key, value) {
                report_value(reader, &service.name, key, &text, &value.location);
            }
        }
        "pull_policy" => pull_policy(reader, service, value),
        // The table says that a key is mapped, but nobody maps it: never silent.
        other => {
            reader.warning("compose-key-warned", format!("{}: {other} is not used", service.name), &field.key_location)
        }
    }
}

fn id(text: &str) -> Option<i64> {
    if text == "root" { Some(0) } else { text.parse::<i64>().ok().filter(|id| (0..=MAX_ID).contains(id)) }
}

fn capabilities(reader: &mut Reader<'_>, key: &str, tree: &Tree) -> Vec<String> {
    let mut capabilities: Vec<String> = Vec::new();
    for (text, location) in reader.texts(key, tree) {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if !CAPABILITIES.contains(&name) {
            let mut finding = Diagnostic::error("compose-capability", format!("{key}: {text} is no capability"));
            if let Some(near) = closest(name, CAPABILITIES) {
                finding = finding.help(format!("did you mean \"{near}\"?"));
            }
            reader.push(finding, &location);
        } else if !capabilities.iter().any(|known| known == name) {
            capabilities.push(name.to_owned());
        }
    }
    capabilities
}

fn sysctls(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    for pair in reader.pairs("sysctls", tree) {
        let (name, location) = (pair.key.replace('/', "."), pair.location);
        let Some(value) = reader.value(&format!("{}: sysctls", service.name), pair).map(|text| text.value) else {
            continue;
        };
        // What is not of a Pod's own is refused by the node, after everything else was done.
        let own = name.starts_with("net.") || name.starts_with("fs.mqueue.");
        let own = own || name.starts_with("kernel.shm") || name.starts_with("kernel.msg") || name == "kernel.sem";
        let own = own && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !own {
            let finding = Diagnostic::error(
                "compose-sysctl",
                format!("{}: the kernel parameter {name} is that of the whole node", service.name),
            );
            reader.push(finding.help("take it out, and set it on the nodes if the service needs it"), location);
            continue;
        }
        if !SYSCTLS.contains(&name.as_str()) && !MORE_SAFE_SYSCTLS.contains(&name.as_str()) {
            let finding = Diagnostic::warning(
                "compose-sysctl",
                format!("{}: Pods that set {name} run only on nodes that allow it", service.name),
            );
            reader.push(finding.help("allow it on the node pool (kubelet: allowedUnsafeSysctls)"), location);
        }
        service.sysctls.insert(name, Located { value, location: location.clone() });
    }
}

fn user(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    let Some(text) = reader.text("user", tree) else { return };
    if text.is_empty() {
        return;
    }
    let (user, group) = match text.split_once(':') {
        Some((user, "")) => (id(user), None),
        Some((user, group)) => (id(user), Some(id(group))),
        None => (id(&text), None),
    };
    match (user, group) {
        (Some(user), None) => service.user = Some((user, None)),
        (Some(user), Some(Some(group))) => service.user = Some((user, Some(group))),
        _ => reader.push(
            Diagnostic::warning("compose-user", format!("{}: user {text} is a name; only numbers work", service.name))
                .help("write the numeric ids, such as user: \"1000:1000\""),
            &tree.location,
        ),
    }
}

fn security_opt(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    for (text, location) in reader.texts("security_opt", tree) {
        let (option, value) = text.split_once(['=', ':']).unwrap_or((&text, ""));
        match (option, value) {
            ("no-new-privileges", "" | "true") => service.no_new_privileges = true,
            ("no-new-privileges", "false") => {}
            ("seccomp", "unconfined") => service.seccomp_unconfined = true,
            ("apparmor", "unconfined") => service.apparmor = Some("Unconfined"),
            ("apparmor", "docker-default" | "runtime/default") => service.apparmor = Some("RuntimeDefault"),
            ("label", _) if value != "disable" => {
                let (field, label) = value.split_once(':').unwrap_or((value, ""));
                let known = ["user", "role", "type", "level"].into_iter().find(|known| *known == field);
                match known.filter(|_| !label.is_empty()) {
                    Some(field) => {
                        service.se_linux.insert(field, label.to_owned());
                    }
                    None => {
                        let message = format!("{}: security_opt {text} is not used", service.name);
                        reader.warning("compose-key-warned", message, &location);
                    }
                }
            }
            _ => {
                let row = support::service_key(&format!("security_opt: {option}={value}"))
                    .or_else(|| support::service_key(&format!("security_opt: {option}")));
                match row {
                    Some(row) => report(reader, &service.name, row, &location),
                    None => {
                        let message = format!("{}: security_opt {text} is not used", service.name);
                        reader.warning("compose-key-warned", message, &location);
                    }
                }
            }
        }
    }
}

fn pull_policy(reader: &mut Reader<'_>, service: &mut Service, tree: &Tree) {
    let Some(text) = reader.text("pull_policy", tree) else { return };
    let word = if text.starts_with("every_") { "every_" } else { text.as_str() };
    service.pull_policy = match word {
        "always" => Some("Always"),
        "never" => Some("Never"),
        "missing" | "if_not_present" => Some("IfNotPresent"),
        "build" => None,
        "daily" | "weekly" | "every_" => Some("Always"),
        _ => {
            let message = format!("{}: pull_policy {text} is not known", service.name);
            reader.error("compose-type", message, &tree.location);
            None
        }
    };
    report_value(reader, &service.name, "pull_policy", word, &tree.location);
}
