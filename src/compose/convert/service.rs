//! One compose service as a container.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::context::Context;
use super::object::path;
use super::order::Role;
use crate::compose::model::{Healthcheck, Hook, Service, Text};
use crate::compose::names;
use crate::compose::syntax::Protocol;
use crate::diag::Diagnostic;
use crate::text::dns;

/// Name of the init container that makes folders in volumes.
pub const SUB_PATHS: &str = "init-volume-subpaths";

/// Name of the init container that holds the app's disks.
pub const FENCE: &str = "disk-fence";

/// Name of the init container that brings what the others copy with, and what the names of those begin with.
pub const COPY_UP: &str = "init-copy-up";

/// Whether a container is one of ours, which works for others: nothing of the app runs in it.
pub fn is_ours(name: &str) -> bool {
    [SUB_PATHS, FENCE].contains(&name) || name.starts_with(COPY_UP)
}

/// The image of the init containers that hold disks, make folders in volumes and bring a shell.
pub(super) const TOOLS_IMAGE: &str = "busybox:1.36";

/// A container and its leaves that must not be shown, relative to it.
pub(super) struct Container {
    pub(super) body: Value,
    pub(super) sensitive: Vec<Vec<String>>,
}

/// Service names become names of containers and of Services; both have rules.
pub(super) fn check_names(cx: &mut Context<'_>) {
    let app = cx.app().to_owned();
    for service in cx.services.clone() {
        let name = service.name.as_str();
        if !dns::is_letter_label(name) || is_ours(name) {
            let message = format!("{name} cannot be the name of a container and of a Kubernetes Service");
            let likely = name.to_ascii_lowercase().replace(['_', '.'], "-");
            let example = if dns::is_letter_label(&likely) { format!(", such as {likely}") } else { String::new() };
            let finding = Diagnostic::error("compose-name", message)
                .help(format!("use lower case letters, digits and \"-\", starting with a letter{example}"))
                .help("rename it also where others name it: in depends_on, links, and as a host in values");
            cx.push(finding, &service.location);
        }
        if [format!("{app}-app"), format!("{app}-box")].iter().any(|reserved| name.starts_with(reserved.as_str())) {
            let message = format!("the service name {name} is reserved: names that start with {app}-app or {app}-box");
            cx.error("compose-name", message, &service.location);
        }
    }
}

/// The container of a service, whose mounts were worked out before; `ends` says whether it runs once.
pub(super) fn container(
    cx: &mut Context<'_>,
    component: &str,
    service: &Service,
    (role, ends): (Role, bool),
    mounts: &[Value],
) -> Container {
    let mut body = Map::new();
    let mut sensitive = Vec::new();
    body.insert("name".to_owned(), service.name.clone().into());
    if let Some(image) = &service.image {
        body.insert("image".to_owned(), image.value.clone().into());
    }
    commands(cx, service, &mut body, &mut sensitive);
    environment(cx, component, service, &mut body, &mut sensitive);
    let ports = container_ports(service);
    if !ports.is_empty() {
        body.insert("ports".to_owned(), ports.into());
    }
    if !mounts.is_empty() {
        body.insert("volumeMounts".to_owned(), mounts.to_vec().into());
    }
    if let Some(resources) = resources(cx, service) {
        body.insert("resources".to_owned(), resources);
    }
    if let Some(context) = security_context(service) {
        body.insert("securityContext".to_owned(), context);
    }
    for (key, on) in [("tty", service.tty), ("stdin", service.stdin_open)] {
        if on {
            body.insert(key.to_owned(), true.into());
        }
    }
    if let Some(folder) = &service.working_dir {
        body.insert("workingDir".to_owned(), folder.clone().into());
    }
    if let Some(policy) = service.pull_policy {
        body.insert("imagePullPolicy".to_owned(), policy.into());
    }
    if role == Role::Sidecar {
        body.insert("restartPolicy".to_owned(), "Always".into());
    }
    if let Some(check) = &service.healthcheck {
        // Kubernetes knows no probes of containers that must end.
        if ends {
            let message = format!("{}: healthcheck is not used for a service that must complete", service.name);
            cx.push(Diagnostic::note("compose-key-noted", message), &service.location);
        } else {
            let readiness = cx.reached.contains(&service.name);
            let uses = ProbeUses { readiness, liveness: service.liveness.is_some() };
            probes(check, uses, &mut body, &mut sensitive);
        }
    }
    lifecycle(cx, service, role, &mut body, &mut sensitive);
    Container { body: Value::Object(body), sensitive }
}

/// `post_start` and `pre_stop`. Kubernetes knows one of each, and none for a container that must end.
fn lifecycle(
    cx: &mut Context<'_>,
    service: &Service,
    role: Role,
    body: &mut Map<String, Value>,
    sensitive: &mut Vec<Vec<String>>,
) {
    let mut lifecycle = Map::new();
    for (key, name, hooks) in
        [("post_start", "postStart", &service.post_start), ("pre_stop", "preStop", &service.pre_stop)]
    {
        let Some(first) = hooks.first() else { continue };
        if role == Role::Init {
            let message = format!("{}: {key} does not run for a service that must complete", service.name);
            cx.push(Diagnostic::warning("compose-key-warned", message), &first.location);
            continue;
        }
        let command = hook_command(hooks);
        for (index, _) in command.iter().enumerate().filter(|(_, word)| word.sensitive) {
            sensitive.push(path(&[&"lifecycle", &name, &"exec", &"command", &index]));
        }
        let words: Vec<&str> = command.iter().map(|word| word.value.as_str()).collect();
        lifecycle.insert(name.to_owned(), json!({ "exec": { "command": words } }));
    }
    if !lifecycle.is_empty() {
        body.insert("lifecycle".to_owned(), lifecycle.into());
    }
}

/// One command for all hooks of a kind: the only one as it is, else a script that runs one after another.
fn hook_command(hooks: &[Hook]) -> Vec<Text> {
    if let [only] = hooks
        && only.working_dir.is_none()
        && only.environment.is_empty()
    {
        return only.command.clone();
    }
    // Only a NUL cannot be quoted, and the reader has refused those.
    let quote = |text: &str| shlex::try_quote(text).map_or_else(|_| String::new(), |quoted| quoted.into_owned());
    let mut steps = Vec::new();
    let mut sensitive = false;
    for hook in hooks {
        let mut words: Vec<String> = Vec::new();
        if let Some(folder) = &hook.working_dir {
            words.push(format!("cd {} &&", quote(folder)));
        }
        if !hook.environment.is_empty() {
            words.push("env".to_owned());
            words.extend(hook.environment.iter().map(|(name, text)| quote(&format!("{name}={}", text.value))));
        }
        words.extend(hook.command.iter().map(|word| quote(&word.value)));
        sensitive |= hook.environment.values().chain(&hook.command).any(|text| text.sensitive);
        // Its own folder is that of no other.
        steps.push(format!("({})", words.join(" ")));
    }
    let script = Text { value: steps.join(" && "), sensitive };
    vec![Text::open("/bin/sh"), Text::open("-c"), script]
}

/// Kubernetes replaces `$(NAME)` and turns `$$` into `$` in commands, probes and environment; compose does neither.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '$' && matches!(chars.peek(), Some('$' | '(')) {
            out.push('$');
        }
    }
    out
}

fn commands(cx: &mut Context<'_>, service: &Service, body: &mut Map<String, Value>, sensitive: &mut Vec<Vec<String>>) {
    let mut put = |key: &str, words: &[Text]| {
        for (index, _) in words.iter().enumerate().filter(|(_, word)| word.sensitive) {
            sensitive.push(path(&[&key, &index]));
        }
        let words: Vec<Value> = words.iter().map(|word| literal(&word.value).into()).collect();
        body.insert(key.to_owned(), words.into());
    };
    // An entry point of one empty word clears the image's, as an empty list does.
    let entrypoint = service.entrypoint.as_deref().map(|words| match words {
        [only] if only.value.is_empty() => &[],
        words => words,
    });
    match (entrypoint, service.command.as_deref()) {
        // An emptied entry point: the command is the whole command line.
        (Some([]), Some(command)) if !command.is_empty() => put("command", command),
        (Some([]), _) | (None, Some([])) => {
            let message = format!("{}: an empty command leaves the image's own in place", service.name);
            cx.push(Diagnostic::warning("compose-command", message), &service.location);
        }
        (entrypoint, command) => {
            if let Some(words) = entrypoint {
                put("command", words);
            }
            if let Some(words) = command.filter(|words| !words.is_empty()) {
                put("args", words);
            }
        }
    }
}

fn environment(
    cx: &Context<'_>,
    component: &str,
    service: &Service,
    body: &mut Map<String, Value>,
    sensitive: &mut Vec<Vec<String>>,
) {
    let mut env = Vec::with_capacity(service.environment.len());
    for (index, (name, text)) in service.environment.iter().enumerate() {
        // Kubernetes keeps no empty value: a variable without one is the empty text.
        if text.value.is_empty() {
            env.push(json!({ "name": name }));
            continue;
        }
        if text.sensitive {
            sensitive.push(path(&[&"env", &index, &"value"]));
        }
        env.push(json!({ "name": name, "value": literal(&text.value) }));
    }
    if !env.is_empty() {
        body.insert("env".to_owned(), env.into());
    }
    body.insert(
        "envFrom".to_owned(),
        env_from(cx, component, &service.name)
            .map(|name| json!({ "secretRef": { "name": name, "optional": true } }))
            .to_vec()
            .into(),
    );
}

/// The Secrets that a container's environment comes from, the later one winning.
pub(super) fn env_from(cx: &Context<'_>, component: &str, container: &str) -> [String; 2] {
    [names::env_base(cx.app(), component, container), names::env_override(cx.app(), component, container)]
}

fn container_ports(service: &Service) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let ports = service.ports.iter().chain(&service.expose).map(|port| (port.target, port.protocol));
    let ports: Vec<(u16, Protocol)> = ports.filter(|port| seen.insert(*port)).collect();
    ports
        .into_iter()
        .map(|(port, protocol)| match protocol {
            Protocol::Tcp => json!({ "containerPort": port }),
            other => json!({ "containerPort": port, "protocol": other.name() }),
        })
        .collect()
}

/// The service's own resources; the app's defaults where it names none at all.
fn resources(cx: &Context<'_>, service: &Service) -> Option<Value> {
    let own = &service.resources;
    // Devices are counted apart from what everything needs.
    let none = own.requests.is_empty() && own.limits.keys().all(|name| name.contains('/'));
    let requests = if none { &cx.input.resources } else { &own.requests };
    let mut resources = Map::new();
    for (key, values) in [("requests", requests), ("limits", &own.limits)] {
        if !values.is_empty() {
            resources.insert(key.to_owned(), json!(values));
        }
    }
    if resources.is_empty() { None } else { Some(Value::Object(resources)) }
}

fn security_context(service: &Service) -> Option<Value> {
    let mut context = Map::new();
    if let Some((user, group)) = service.user {
        context.insert("runAsUser".to_owned(), user.into());
        if let Some(group) = group {
            context.insert("runAsGroup".to_owned(), group.into());
        }
    }
    if service.privileged {
        context.insert("privileged".to_owned(), true.into());
    }
    if service.read_only {
        context.insert("readOnlyRootFilesystem".to_owned(), true.into());
    }
    if service.no_new_privileges && !service.privileged {
        context.insert("allowPrivilegeEscalation".to_owned(), false.into());
    }
    let mut capabilities = Map::new();
    for (key, list) in [("add", &service.cap_add), ("drop", &service.cap_drop)] {
        if !list.is_empty() {
            capabilities.insert(key.to_owned(), json!(list));
        }
    }
    if !capabilities.is_empty() {
        context.insert("capabilities".to_owned(), capabilities.into());
    }
    if service.seccomp_unconfined {
        context.insert("seccompProfile".to_owned(), json!({ "type": "Unconfined" }));
    }
    if let Some(profile) = service.apparmor {
        context.insert("appArmorProfile".to_owned(), json!({ "type": profile }));
    }
    if !service.se_linux.is_empty() {
        context.insert("seLinuxOptions".to_owned(), json!(service.se_linux));
    }
    if context.is_empty() { None } else { Some(Value::Object(context)) }
}

/// How long a container may take to become healthy before Kubernetes kills it: docker waits for ever, and what is killed
/// while it makes or mends its data leaves it half made. A year is for ever, and far from the limits of the API (int32).
pub(super) const STARTUP_SECONDS: i64 = 365 * 24 * 60 * 60;

/// Docker marks a container whose check fails as unhealthy and lets it run. So the startup probe, until which nothing else
/// is asked and for which dependents wait, has no end; readiness is asked only where a sick container must get no
/// requests; and liveness, which kills, only where somebody asked for it.
fn probes(check: &Healthcheck, uses: ProbeUses, body: &mut Map<String, Value>, sensitive: &mut Vec<Vec<String>>) {
    // The kubelet expands the commands of probes as it does those of containers (`ExpandContainerCommandOnlyStatic` in
    // pkg/kubelet/prober/prober.go), but not those of hooks.
    let command: Vec<String> = check.command.iter().map(|word| literal(&word.value)).collect();
    let mut put = |key: &str, period: i64, failures: i64| {
        for (index, _) in check.command.iter().enumerate().filter(|(_, word)| word.sensitive) {
            sensitive.push(path(&[&key, &"exec", &"command", &index]));
        }
        let probe = json!({
            "exec": { "command": command },
            "periodSeconds": period,
            "timeoutSeconds": check.timeout,
            "failureThreshold": failures,
        });
        body.insert(key.to_owned(), probe);
    };
    // With a long interval it would be as long until anybody knows that it is up.
    let period = check.interval.min(check.start_interval);
    put("startupProbe", period, (STARTUP_SECONDS + period - 1) / period);
    for (key, wanted) in [("readinessProbe", uses.readiness), ("livenessProbe", uses.liveness)] {
        if wanted {
            put(key, check.interval, check.retries);
        }
    }
}

/// What a health check is asked for beside the start.
#[derive(Clone, Copy)]
struct ProbeUses {
    /// A sick container gets no requests.
    readiness: bool,
    /// A sick container is restarted.
    liveness: bool,
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn dollars_survive_kubernetes() {
        assert_eq!(literal("a$b $(date) $$ $"), "a$b $$(date) $$$ $");
        assert_eq!(literal("$$("), "$$$$(");
    }
}
