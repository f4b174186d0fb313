//! Rules for Deployments, ReplicaSets and Jobs.

use serde_json::Value;

use super::super::selector::object_matches;
use super::super::store::{map, text};
use super::findings::Findings;
use super::metadata::{annotations, label_selector, labels};
use super::pods::pod_spec;

/// A Deployment or a ReplicaSet.
pub(super) fn workload(object: &Value, out: &mut Findings) {
    let selector = object.pointer("/spec/selector");
    match selector {
        None => out.required("spec.selector", ""),
        Some(selector) => {
            let size = |name: &str| match selector.get(name) {
                Some(Value::Object(map)) => map.len(),
                Some(Value::Array(list)) => list.len(),
                _ => 0,
            };
            if size("matchLabels") + size("matchExpressions") == 0 {
                out.invalid("spec.selector", selector, "empty selector is invalid for deployment");
            }
            label_selector(selector, "spec.selector", out);
        }
    }
    let Some(template) = object.pointer("/spec/template") else {
        out.required("spec.template.spec.containers", "");
        return;
    };
    let template_labels = template.pointer("/metadata/labels").unwrap_or(&Value::Null);
    if let Some(selector) = selector
        && !object_matches(selector, template_labels)
    {
        out.invalid("spec.template.metadata.labels", template_labels, "`selector` does not match template `labels`");
    }
    labels(template_labels.as_object(), "spec.template.metadata.labels", out);
    annotations(map(template, "/metadata/annotations"), "spec.template.metadata.annotations", out);
    for field in ["replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
        out.not_negative(format!("spec.{field}"), object.pointer(&format!("/spec/{field}")));
    }
    let number = |field: &str| object.pointer(&format!("/spec/{field}")).and_then(Value::as_i64);
    if let Some(deadline) = number("progressDeadlineSeconds")
        && deadline <= number("minReadySeconds").unwrap_or_default()
    {
        out.invalid("spec.progressDeadlineSeconds", &deadline.into(), "must be greater than minReadySeconds");
    }
    for field in ["maxSurge", "maxUnavailable"] {
        let value = object.pointer(&format!("/spec/strategy/rollingUpdate/{field}"));
        let percent = |text: &str| text.strip_suffix('%').is_some_and(|number| number.parse::<u32>().is_ok());
        if let Some(value) = value.filter(|value| value.as_str().is_some_and(|text| !percent(text))) {
            out.invalid(format!("spec.strategy.rollingUpdate.{field}"), value, "a percentage or a number is expected");
        }
    }
    if template.pointer("/spec/activeDeadlineSeconds").is_some() {
        let why = "activeDeadlineSeconds in ReplicaSet is not Supported";
        out.forbidden("spec.template.spec.activeDeadlineSeconds", why);
    }
    match text(object, "/spec/strategy/type") {
        "Recreate" if object.pointer("/spec/strategy/rollingUpdate").is_some() => {
            out.forbidden("spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'");
        }
        "" | "Recreate" | "RollingUpdate" => {}
        other => out.unsupported("spec.strategy.type", other, &["Recreate", "RollingUpdate"]),
    }
    if text(template, "/spec/restartPolicy") != "Always" && template.get("spec").is_some() {
        out.unsupported("spec.template.spec.restartPolicy", text(template, "/spec/restartPolicy"), &["Always"]);
    }
    pod_spec(template.pointer("/spec").unwrap_or(&Value::Null), "spec.template.spec", out);
}

/// A Job (`ValidateJob`).
pub(super) fn job(object: &Value, out: &mut Findings) {
    let Some(template) = object.pointer("/spec/template") else {
        out.required("spec.template.spec.containers", "");
        return;
    };
    for field in ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"] {
        out.not_negative(format!("spec.{field}"), object.pointer(&format!("/spec/{field}")));
    }
    let policies = ["Failed", "TerminatingOrFailed"];
    out.one_of("spec.podReplacementPolicy", text(object, "/spec/podReplacementPolicy"), &policies);
    labels(map(template, "/metadata/labels"), "spec.template.metadata.labels", out);
    annotations(map(template, "/metadata/annotations"), "spec.template.metadata.annotations", out);
    let policy = text(template, "/spec/restartPolicy");
    if !["OnFailure", "Never"].contains(&policy) {
        let at = "spec.template.spec.restartPolicy";
        match policy {
            "" => out.required(at, "valid values: \"OnFailure\", \"Never\""),
            other => out.unsupported(at, other, &["OnFailure", "Never"]),
        }
    }
    pod_spec(template.pointer("/spec").unwrap_or(&Value::Null), "spec.template.spec", out);
}
