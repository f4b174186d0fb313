//! Commands that Kubernetes runs beside the process: health checks and hooks.

use super::reader::Reader;
use super::values::{MAX_COUNT, duration, mark_secret_arguments, variables, words};
use super::verdict::{known_entries, report_value};
use crate::compose::load::pairs::pairs;
use crate::compose::model::{Healthcheck, Hook, Service, Text};
use crate::compose::tree::Tree;
use crate::diag::Diagnostic;

pub(super) fn healthcheck(reader: &mut Reader<'_>, service: &str, tree: &Tree) -> Option<Healthcheck> {
    // What docker assumes.
    let mut check =
        Healthcheck { command: Vec::new(), interval: 30, timeout: 30, retries: 3, start_period: 0, start_interval: 5 };
    let (mut disabled, mut tested) = (false, false);
    for entry in known_entries(reader, service, "healthcheck", &[], tree) {
        let key = entry.key.as_str();
        match key {
            "disable" => disabled = reader.boolean(key, &entry.value).unwrap_or(false),
            "interval" => check.interval = positive(reader, key, &entry.value).unwrap_or(30),
            "timeout" => check.timeout = positive(reader, key, &entry.value).unwrap_or(30),
            "start_period" => check.start_period = duration(reader, key, &entry.value).unwrap_or(0),
            "start_interval" => check.start_interval = positive(reader, key, &entry.value).unwrap_or(5),
            "retries" => {
                check.retries = reader.integer(key, &entry.value).filter(|n| *n > 0).unwrap_or(3).min(MAX_COUNT)
            }
            "test" => {
                tested = true;
                match test(reader, &entry.value) {
                    Some(command) => check.command = command,
                    None => disabled = true,
                }
            }
            _ => {}
        }
    }
    if !tested && !disabled {
        let message = format!("{service}: healthcheck without a test uses the image's own, which is not run");
        let finding = Diagnostic::warning("compose-healthcheck", message).help("write the image's test out here");
        reader.push(finding, &tree.location);
    }
    if disabled || check.command.is_empty() { None } else { Some(check) }
}

/// Whether a container that is not healthy is to be restarted: what docker does not do by itself, but the container
/// `willfarrell/autoheal` for those with this label.
pub(super) fn liveness(reader: &mut Reader<'_>, service: &mut Service, labels: Option<&Tree>) {
    let labels = labels.and_then(pairs).unwrap_or_default();
    if let Some(label) = labels.iter().find(|label| label.key == "autoheal" && label.value.as_deref() == Some("true")) {
        service.liveness.get_or_insert_with(|| label.location.clone());
    }
    if let (Some(location), None) = (&service.liveness, &service.healthcheck) {
        let message = format!("{}: there is no health check whose failure could restart it", service.name);
        let finding = Diagnostic::warning("compose-healthcheck", message).help("give it a healthcheck with a test");
        reader.push(finding, &location.clone());
    }
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
        [("CMD" | "CMD-SHELL" | "NONE", _), ..] | [] => {
            let message = "healthcheck: test must be a string or a list that starts with CMD, CMD-SHELL or NONE";
            reader.error("compose-healthcheck", message, &tree.location);
            None
        }
        _ => {
            let message = "healthcheck: test must be a string or a list that starts with CMD, CMD-SHELL or NONE";
            reader.told("compose-healthcheck", message, &tree.location);
            None
        }
    }
}

/// A duration that is longer than nothing; zero stands for what docker assumes.
fn positive(reader: &mut Reader<'_>, key: &str, tree: &Tree) -> Option<i64> {
    duration(reader, key, tree).filter(|seconds| *seconds > 0)
}

/// `post_start` or `pre_stop`.
pub(super) fn hooks(reader: &mut Reader<'_>, service: &str, key: &str, tree: &Tree) -> Vec<Hook> {
    let mut hooks = Vec::new();
    for item in reader.list(key, tree) {
        let mut hook = Hook {
            command: Vec::new(),
            working_dir: None,
            environment: Default::default(),
            location: item.location.clone(),
        };
        let own = ["privileged"];
        for entry in known_entries(reader, service, key, &own, item) {
            match entry.key.as_str() {
                "command" => hook.command = words(reader, key, &entry.value).unwrap_or_default(),
                "working_dir" => hook.working_dir = reader.text("working_dir", &entry.value),
                "environment" => hook.environment = variables(reader, service, key, &entry.value),
                "privileged" if reader.boolean("privileged", &entry.value) == Some(true) => {
                    report_value(reader, service, &format!("{key}.privileged"), "true", &entry.key_location);
                }
                _ => {}
            }
        }
        if hook.command.iter().any(|word| word.value.contains('\0')) {
            reader.error("compose-command", format!("{service}: {key}: a word holds a NUL"), &item.location);
        } else if hook.command.is_empty() {
            reader.error("compose-command", format!("{service}: {key} has no command"), &item.location);
        } else {
            hooks.push(hook);
        }
    }
    hooks
}
