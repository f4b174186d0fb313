use std::collections::BTreeMap;

use serde_json::json;

use super::*;

const FILE: &str = "kompoxapp.yml";

fn amounts(line: u32, pairs: &[(&str, &str)]) -> BTreeMap<String, Located<String>> {
    let located = |(column, (key, text)): (u32, &(&str, &str))| {
        ((*key).to_owned(), Located::new((*text).to_owned(), Location::new(FILE, line, column)))
    };
    (1..).zip(pairs).map(located).collect()
}

fn quota(pairs: &[(&str, &str)]) -> Quota {
    Quota { hard: amounts(7, pairs), location: Location::new(FILE, 6, 1) }
}

fn limits(parts: [&[(&str, &str)]; 4]) -> ContainerLimits {
    let [min, default_request, default, max] = parts;
    ContainerLimits {
        min: amounts(11, min),
        default_request: amounts(12, default_request),
        default: amounts(13, default),
        max: amounts(14, max),
        location: Location::new(FILE, 10, 1),
    }
}

fn object(kind: ObjectKind, name: &str, body: Value) -> RenderedObject {
    RenderedObject { body, sensitive: Vec::new(), kind, address_name: name.to_owned(), after: Vec::new(), origin: None }
}

fn deployment(name: &str, init: Value, containers: Value) -> RenderedObject {
    let spec = json!({"initContainers": init, "containers": containers});
    object(ObjectKind::Deployment, name, json!({"spec": {"template": {"spec": spec}}}))
}

fn web(requests: Value, limits: Value) -> RenderedObject {
    deployment("a-app", json!([]), json!([{"name": "web", "resources": {"requests": requests, "limits": limits}}]))
}

fn found(quota: Option<&Quota>, limits: Option<&ContainerLimits>, objects: Vec<RenderedObject>) -> Vec<String> {
    let rendered = Rendered { objects, hosts: Vec::new() };
    let line = |finding: Diagnostic| {
        format!("{finding} | {}", finding.help.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    };
    check(quota, limits, &rendered).into_iter().map(line).collect()
}

#[test]
fn what_fits_says_nothing() {
    let quota = quota(&[("requests.cpu", "1"), ("limits.cpu", "2"), ("memory", "1Gi"), ("pods", "1")]);
    let range = limits([&[], &[("memory", "512Mi")], &[], &[("cpu", "2")]]);
    let app = || vec![web(json!({"cpu": "1"}), json!({"cpu": "2000m"}))];
    assert_eq!(found(Some(&quota), Some(&range), app()), [] as [&str; 0]);
    assert_eq!(found(None, None, app()), [] as [&str; 0]);
}

#[test]
fn containers_without_a_request_are_named() {
    let quota = quota(&[("limits.memory", "1Gi"), ("requests.cpu", "1")]);
    let app = || {
        vec![deployment(
            "a-app",
            json!([{"name": "init-volume-subpaths"}]),
            json!([{"name": "web", "resources": {"limits": {"cpu": "1"}}}, {"name": "db"}]),
        )]
    };
    assert_eq!(
        found(Some(&quota), None, app()),
        [
            "kompoxapp.yml:7:1: with limits.memory in the quota every container needs a limit of memory, or no pod \
             starts | without one: a-app/init-volume-subpaths, a-app/web, a-app/db give them all one with limits: \
             {default: {memory: 128Mi}} beside quota, or each service its own with deploy.resources.limits in the \
             compose file",
            "kompoxapp.yml:7:2: with requests.cpu in the quota every container needs a request of cpu, or no pod \
             starts | without one: a-app/init-volume-subpaths, a-app/db give them all one with limits: \
             {defaultRequest: {cpu: 100m}} beside quota, or each service its own with deploy.resources.reservations in \
             the compose file",
        ]
    );
    // What the LimitRange gives is enough.
    let range = limits([&[], &[("cpu", "100m")], &[("memory", "128Mi")], &[]]);
    assert_eq!(found(Some(&quota), Some(&range), app()).len(), 1);
    let fits = self::quota(&[("limits.memory", "256Mi"), ("requests.cpu", "1100m")]);
    assert_eq!(found(Some(&fits), Some(&range), app()), [] as [&str; 0]);
}

#[test]
fn pods_are_summed_up_as_kubernetes_does() {
    let one = |cpu: &str| json!({"name": "c", "resources": {"requests": {"cpu": cpu}}});
    let sidecar = json!({"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "250m"}}});
    let needs = |objects: Vec<RenderedObject>| {
        let quota = quota(&[("cpu", "0")]);
        found(Some(&quota), None, objects).remove(0)
    };
    // Init containers run one after the other, before the rest.
    let app = deployment("a-app", json!([one("3"), one("1")]), json!([one("1"), one("1")]));
    assert!(needs(vec![app]).contains("the app's pods need 3 of cpu, but its quota allows 0"));
    let app = deployment("a-app", json!([one("1"), sidecar]), json!([one("1"), one("500m")]));
    let tools = deployment("a-tools", json!([]), json!([one("100m")]));
    assert_eq!(
        needs(vec![app, tools]),
        "kompoxapp.yml:7:1: the app's pods need 1850m of cpu, but its quota allows 0 | a-app 1750m, a-tools 100m; raise \
         cpu to 1850m or more, or let the services ask for less"
    );
}

#[test]
fn a_range_completes_itself() {
    // max is the default limit, and that the default request.
    let range = limits([&[], &[], &[], &[("memory", "1Gi")]]);
    let quota = quota(&[("requests.memory", "512Mi")]);
    let lines = found(Some(&quota), Some(&range), vec![web(json!({}), json!({}))]);
    assert!(lines[0].contains("need 1Gi of requests.memory, but its quota allows 512Mi"), "{lines:?}");
    // min is the default request where nothing else is.
    let range = limits([&[("memory", "64Mi")], &[], &[], &[]]);
    assert_eq!(found(Some(&quota), Some(&range), vec![web(json!({}), json!({}))]), [] as [&str; 0]);
}

#[test]
fn containers_outside_of_the_range_are_named() {
    let range = limits([&[("cpu", "100m")], &[], &[("memory", "256Mi")], &[("cpu", "2")]]);
    let lines = found(None, Some(&range), vec![web(json!({"cpu": "50m", "memory": "512Mi"}), json!({"cpu": "4"}))]);
    assert_eq!(
        lines,
        [
            "kompoxapp.yml:11:1: the container web of a-app asks for 50m of cpu, less than min.cpu (100m) | give the \
             service at least 100m, or lower min",
            "kompoxapp.yml:14:1: the container web of a-app asks for 4 of cpu, more than max.cpu (2) | give the service \
             at most 2, or raise max",
            "kompoxapp.yml:13:1: the container web of a-app requests 512Mi of memory, but its limit is 256Mi | a request \
             cannot exceed the limit: give the service a limit of its own, or raise default",
        ]
    );
}

#[test]
fn objects_are_counted() {
    let claim = |size: &str| {
        let spec = json!({"storageClassName": "fast", "resources": {"requests": {"storage": size}}});
        object(ObjectKind::PersistentVolumeClaim, "v", json!({"spec": spec}))
    };
    let objects = || {
        vec![
            web(json!({}), json!({})),
            object(ObjectKind::Service, "a-app", json!({})),
            object(ObjectKind::Service, "web", json!({})),
            claim("10Gi"),
            claim("1536Mi"),
        ]
    };
    for (key, short, enough) in [
        ("pods", "0", "1"),
        ("count/deployments.apps", "0", "1"),
        ("services", "1", "2"),
        ("persistentvolumeclaims", "1", "2"),
        ("requests.storage", "11Gi", "11776Mi"),
        ("fast.storageclass.storage.k8s.io/requests.storage", "11Gi", "12Gi"),
        ("fast.storageclass.storage.k8s.io/persistentvolumeclaims", "1", "2"),
        ("configmaps", "0", "1"),
        ("count/serviceaccounts", "0", "1"),
        ("slow.storageclass.storage.k8s.io/requests.storage", "", "0"),
        ("services.loadbalancers", "", "0"),
        ("count/jobs.batch", "", "0"),
        ("requests.nvidia.com/gpu", "", "0"),
    ] {
        assert_eq!(found(Some(&quota(&[(key, enough)])), None, objects()), [] as [&str; 0], "{key}");
        if !short.is_empty() {
            let lines = found(Some(&quota(&[(key, short)])), None, objects());
            assert!(
                lines.len() == 1 && lines[0].contains(&format!("of {key}, but its quota allows {short} |")),
                "{lines:?}"
            );
        }
    }
}
