//! Whether an app fits into its own quota and limits.
//!
//! The API server takes the Deployment either way; what a quota or a LimitRange forbids are its Pods, so that an app that
//! does not fit never starts and the reason is in an event of a ReplicaSet. This says it before anything is sent. The
//! rules are those of the admission plugins `LimitRanger` and `ResourceQuota` of Kubernetes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::advice::Advice;
use crate::compose::convert::{ObjectKind, Rendered, RenderedObject};
use crate::compose::syntax::quantity_of_bytes;
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::kom::model::{ContainerLimits, Located, Quota};
use kompox_rules::quantity::parse_milli;

/// Amounts in thousandths by resource name.
type Amounts = BTreeMap<String, u128>;

/// What a container asks for, the LimitRange applied.
struct Container {
    name: String,
    /// Whether it ends before the others start.
    init: bool,
    requests: Amounts,
    limits: Amounts,
}

/// The Pod of a Deployment or Job; there is one each.
struct Pod {
    workload: String,
    containers: Vec<Container>,
}

/// Checks the rendered objects of an app against its `quota` and `limits`. Every error has the place in the manifest and
/// says what to do.
pub fn check(quota: Option<&Quota>, limits: Option<&ContainerLimits>, rendered: &Rendered) -> Diagnostics {
    let mut findings = Diagnostics::default();
    if quota.is_none() && limits.is_none() {
        return findings;
    }
    let range = Range::of(limits);
    let workloads = rendered.objects.iter().filter(|object| object.kind.runs_pods());
    let pods: Vec<Pod> = workloads.map(|object| pod(object, &range)).collect();
    if let Some(limits) = limits {
        for pod in &pods {
            for container in &pod.containers {
                check_container(&mut findings, limits, &range, pod, container);
            }
        }
    }
    for (key, allowed) in quota.iter().flat_map(|quota| &quota.hard) {
        check_quota(&mut findings, key, allowed, &pods, rendered);
    }
    findings
}

/// The parts of a LimitRange as the API server completes them (`SetDefaults_LimitRangeItem`).
#[derive(Default)]
struct Range {
    min: Amounts,
    default_request: Amounts,
    default: Amounts,
    max: Amounts,
}

impl Range {
    fn of(limits: Option<&ContainerLimits>) -> Self {
        let Some(limits) = limits else { return Self::default() };
        let amounts = |part: &BTreeMap<String, Located<String>>| -> Amounts {
            part.iter().filter_map(|(key, text)| Some((key.clone(), parse_milli(&text.value).ok()?))).collect()
        };
        let (min, max) = (amounts(&limits.min), amounts(&limits.max));
        let mut default = amounts(&limits.default);
        complete(&mut default, &max);
        let mut default_request = amounts(&limits.default_request);
        complete(&mut default_request, &default);
        complete(&mut default_request, &min);
        Self { min, default_request, default, max }
    }
}

fn complete(amounts: &mut Amounts, from: &Amounts) {
    for (resource, amount) in from {
        amounts.entry(resource.clone()).or_insert(*amount);
    }
}

fn pod(deployment: &RenderedObject, range: &Range) -> Pod {
    let spec = deployment.body.pointer("/spec/template/spec");
    let list = |key: &str| spec.and_then(|spec| spec.get(key)).and_then(Value::as_array).into_iter().flatten();
    let init = list("initContainers").map(|body| {
        // One that is always restarted runs beside the others (a sidecar).
        let sidecar = body.get("restartPolicy").and_then(Value::as_str) == Some("Always");
        container(body, !sidecar, range)
    });
    let containers = init.chain(list("containers").map(|body| container(body, false, range)));
    Pod { workload: deployment.address_name.clone(), containers: containers.collect() }
}

fn container(body: &Value, init: bool, range: &Range) -> Container {
    let amounts = |key: &str| -> Amounts {
        let amounts = body.pointer(key).and_then(Value::as_object).into_iter().flatten();
        amounts.filter_map(|(key, text)| Some((key.clone(), parse_milli(text.as_str()?).ok()?))).collect()
    };
    let (mut requests, mut limits) = (amounts("/resources/requests"), amounts("/resources/limits"));
    // A limit of its own is the request of a container that has none; only then the LimitRange gives the rest.
    complete(&mut requests, &limits);
    complete(&mut limits, &range.default);
    complete(&mut requests, &range.default_request);
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    Container { name, init, requests, limits }
}

fn check_container(
    findings: &mut Diagnostics,
    limits: &ContainerLimits,
    range: &Range,
    pod: &Pod,
    container: &Container,
) {
    let place = |part: &BTreeMap<String, Located<String>>, resource: &str| -> Location {
        part.get(resource).map_or(&limits.location, |text| &text.location).clone()
    };
    let mut refuse = |at: Location, message: String, help: String| {
        let message = format!("the container {} of {} {message}", container.name, pod.workload);
        findings.push(Diagnostic::error("quota", message).at(at, None).help(help));
    };
    for (resource, least) in &range.min {
        let asked = container.requests.get(resource).into_iter().chain(container.limits.get(resource)).min();
        if let Some(asked) = asked.filter(|asked| *asked < least) {
            let (asked, least) = (written(resource, *asked), written(resource, *least));
            let message = format!("asks for {asked} of {resource}, less than min.{resource} ({least})");
            refuse(place(&limits.min, resource), message, format!("give the service at least {least}, or lower min"));
        }
    }
    for (resource, most) in &range.max {
        let asked = container.requests.get(resource).into_iter().chain(container.limits.get(resource)).max();
        if let Some(asked) = asked.filter(|asked| *asked > most) {
            let (asked, most) = (written(resource, *asked), written(resource, *most));
            let message = format!("asks for {asked} of {resource}, more than max.{resource} ({most})");
            refuse(place(&limits.max, resource), message, format!("give the service at most {most}, or raise max"));
        }
    }
    for (resource, request) in &container.requests {
        let Some(limit) = container.limits.get(resource).filter(|limit| request > *limit) else { continue };
        // Above max already says the same.
        if range.max.get(resource).is_some_and(|most| request > most) {
            continue;
        }
        let (request, limit) = (written(resource, *request), written(resource, *limit));
        let message = format!("requests {request} of {resource}, but its limit is {limit}");
        let help = "a request cannot exceed the limit: give the service a limit of its own, or raise default";
        refuse(place(&limits.default, resource), message, help.to_owned());
    }
}

/// Which side of a container a quota key sums up, and of what.
fn compute(key: &str) -> Option<(bool, &str)> {
    match key {
        "cpu" | "memory" | "ephemeral-storage" => Some((true, key)),
        "requests.storage" => None,
        _ => match key.split_once('.') {
            Some(("requests", resource)) => Some((true, resource)),
            Some(("limits", resource)) => Some((false, resource)),
            _ => None,
        },
    }
}

fn check_quota(findings: &mut Diagnostics, key: &str, allowed: &Located<String>, pods: &[Pod], rendered: &Rendered) {
    // Read when the manifest was: it is a quantity.
    let Ok(most) = parse_milli(&allowed.value) else { return };
    let mut refuse = |message: String, help: Vec<String>| {
        let mut finding = Diagnostic::error("quota", message).at(allowed.location.clone(), None);
        finding.help.extend(help.into_iter().map(Advice::from));
        findings.push(finding);
    };
    let Some((is_request, resource)) = compute(key) else {
        let (used, what) = counted(key, rendered);
        if used > most {
            let (used, shown) = if key.ends_with("requests.storage") {
                (written("memory", used), written("memory", most))
            } else {
                (written("", used), written("", most))
            };
            let message = format!("the app needs {used} of {key}, but its quota allows {shown}");
            refuse(message, vec![format!("{what}; raise {key} to {used} or more")]);
        }
        return;
    };
    let side = |container: &Container| {
        let amounts = if is_request { &container.requests } else { &container.limits };
        amounts.get(resource).copied()
    };
    let silent: Vec<String> = pods
        .iter()
        .flat_map(|pod| pod.containers.iter().map(move |container| (pod, container)))
        .filter(|(_, container)| side(container).is_none())
        .map(|(pod, container)| format!("{}/{}", pod.workload, container.name))
        .collect();
    // A quota on a device does not make every container ask for one.
    if !silent.is_empty() && !resource.contains('/') {
        let (noun, part) = if is_request { ("request", "defaultRequest") } else { ("limit", "default") };
        let message = format!("with {key} in the quota every container needs a {noun} of {resource}, or no pod starts");
        let help = vec![
            format!("without one: {}", silent.join(", ")),
            format!("give them all one with limits: {{{part}: {{{resource}: {}}}}} beside quota,", example(resource)),
            format!(
                "or each service its own with deploy.resources.{} in the compose file",
                if is_request { "reservations" } else { "limits" }
            ),
        ];
        refuse(message, help);
        return;
    }
    let needs: Vec<(&str, u128)> = pods.iter().map(|pod| (pod.workload.as_str(), need(pod, side))).collect();
    let used = needs.iter().fold(0u128, |sum, (_, need)| sum.saturating_add(*need));
    if used > most {
        let used = written(resource, used);
        let each: Vec<String> =
            needs.iter().map(|(name, need)| format!("{name} {}", written(resource, *need))).collect();
        let message = format!("the app's pods need {used} of {key}, but its quota allows {}", written(resource, most));
        refuse(
            message,
            vec![format!("{}; raise {key} to {used} or more, or let the services ask for less", each.join(", "))],
        );
    }
}

/// What a Pod counts for: all that run together, or the largest one that runs before them.
fn need(pod: &Pod, side: impl Fn(&Container) -> Option<u128>) -> u128 {
    let amount = |container: &Container| side(container).unwrap_or(0);
    let (before, together): (Vec<_>, Vec<_>) = pod.containers.iter().partition(|container| container.init);
    let together = together.into_iter().map(amount).fold(0, u128::saturating_add);
    before.into_iter().map(amount).fold(together, u128::max)
}

/// How much of a key that counts the app's objects take, in thousandths, and what they are.
fn counted(key: &str, rendered: &Rendered) -> (u128, String) {
    if let Some((class, part)) = key.split_once(".storageclass.storage.k8s.io/") {
        let of_class = |claim: &&RenderedObject| {
            claim.body.pointer("/spec/storageClassName").and_then(Value::as_str) == Some(class)
        };
        let claims: Vec<_> = claims(rendered).filter(of_class).collect();
        return if part == "requests.storage" { storage(&claims) } else { number(claims.len(), 0, "volumes") };
    }
    let of_kind = |kind: ObjectKind| rendered.objects.iter().filter(|object| object.kind == kind).count();
    match key.strip_prefix("count/").unwrap_or(key) {
        "requests.storage" => storage(&claims(rendered).collect::<Vec<_>>()),
        "pods" => {
            let what = "one Pod for the compose services, one for each Box, and one for each service that ends";
            number(of_kind(ObjectKind::Deployment) + of_kind(ObjectKind::Job), 0, what)
        }
        "jobs.batch" => number(of_kind(ObjectKind::Job), 0, "one for each service that ends"),
        "replicasets.apps" => number(of_kind(ObjectKind::Deployment), 0, "one for each Deployment"),
        "deployments.apps" => {
            number(of_kind(ObjectKind::Deployment), 0, "one for the compose services and one for each Box")
        }
        "services" => {
            number(of_kind(ObjectKind::Service), 0, "one for the published ports and one for each compose service")
        }
        "persistentvolumeclaims" => number(of_kind(ObjectKind::PersistentVolumeClaim), 0, "one for each volume"),
        "secrets" => number(of_kind(ObjectKind::Secret), 0, "one for each env_file and secret"),
        // Kubernetes puts its certificate into every Namespace, and an account.
        "configmaps" => number(of_kind(ObjectKind::ConfigMap), 1, "one for each config, and kube-root-ca.crt"),
        "serviceaccounts" => {
            number(of_kind(ObjectKind::ServiceAccount), 1, "the app's own and the Namespace's default")
        }
        "ingresses.networking.k8s.io" => number(of_kind(ObjectKind::Ingress), 0, "hosts of the domain, and own hosts"),
        "networkpolicies.networking.k8s.io" => {
            number(of_kind(ObjectKind::NetworkPolicy), 0, "the app's and those of Boxes")
        }
        "roles.rbac.authorization.k8s.io" => number(of_kind(ObjectKind::Role), 0, "the app's"),
        "rolebindings.rbac.authorization.k8s.io" => number(of_kind(ObjectKind::RoleBinding), 0, "the app's"),
        "limitranges" => number(of_kind(ObjectKind::LimitRange), 0, "the app's own limits"),
        "resourcequotas" => number(of_kind(ObjectKind::ResourceQuota), 0, "the quota itself"),
        // Services of ours have cluster addresses only, and of other kinds the app makes none.
        _ => (0, String::new()),
    }
}

fn number(ours: usize, others: usize, what: &str) -> (u128, String) {
    // An app has far fewer objects than 128 bits count.
    ((ours.saturating_add(others) as u128).saturating_mul(1000), what.to_owned())
}

fn claims(rendered: &Rendered) -> impl Iterator<Item = &RenderedObject> {
    rendered.objects.iter().filter(|object| object.kind == ObjectKind::PersistentVolumeClaim)
}

fn storage(claims: &[&RenderedObject]) -> (u128, String) {
    let size = |claim: &&RenderedObject| {
        let text = claim.body.pointer("/spec/resources/requests/storage").and_then(Value::as_str);
        text.and_then(|text| parse_milli(text).ok()).unwrap_or(0)
    };
    (claims.iter().map(size).fold(0, u128::saturating_add), "the sizes of all volumes together".to_owned())
}

/// An amount in thousandths as a person writes it: `500m`, `2`, `8Gi`.
fn written(resource: &str, milli: u128) -> String {
    let whole = milli.is_multiple_of(1000).then_some(milli / 1000);
    let bytes = matches!(resource, "memory" | "ephemeral-storage");
    match whole.and_then(|whole| u64::try_from(whole).ok()) {
        Some(whole) if bytes => quantity_of_bytes(whole),
        Some(whole) => whole.to_string(),
        None => format!("{milli}m"),
    }
}

fn example(resource: &str) -> &'static str {
    match resource {
        "cpu" => "100m",
        "memory" => "128Mi",
        _ => "1Gi",
    }
}

#[cfg(test)]
mod tests;
