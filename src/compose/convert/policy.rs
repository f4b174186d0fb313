//! Namespace, ServiceAccount, Role, RoleBinding and NetworkPolicy of an app.

use serde_json::{Value, json};

use crate::compose::convert::{Context, RenderedObject, Scope};
use crate::compose::names;
use crate::pod_security;

/// The objects that come before everything else, in the order of creation.
pub(super) fn objects(cx: &Context<'_>) -> Vec<RenderedObject> {
    let app = cx.app();
    let access = names::access(app);
    let namespace = cx.after_namespace();
    let plain = |kind: &str, name: &str, body: Value, after: Vec<(String, String)>| RenderedObject {
        body,
        sensitive: Vec::new(),
        address_kind: kind.to_owned(),
        address_name: name.to_owned(),
        after,
        origin: None,
    };
    vec![
        plain("Namespace", app, namespace_body(cx), Vec::new()),
        plain("ServiceAccount", app, service_account(cx), vec![namespace.clone()]),
        plain("Role", &access, role(cx, &access), vec![namespace.clone()]),
        plain(
            "RoleBinding",
            &access,
            role_binding(cx, &access),
            vec![namespace.clone(), ("ServiceAccount".to_owned(), app.to_owned()), ("Role".to_owned(), access.clone())],
        ),
        plain("NetworkPolicy", app, network_policy(cx), vec![namespace]),
    ]
}

fn namespace_body(cx: &Context<'_>) -> Value {
    let Scope { workspace, provider, cluster, app } = cx.input.scope;
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": cx.namespace,
            "labels": cx.labels(),
            "annotations": {
                "kompox.dev/app": format!("{workspace}/{provider}/{cluster}/{app}"),
                "kompox.dev/provider-driver": cx.input.provider_driver,
            },
        },
    })
}

/// Has the Namespace take no Pods but such as those of its workloads: none that gets hold of its node, unless one of ours
/// does.
pub(super) fn secure(objects: &mut [RenderedObject]) {
    let templates = objects.iter().filter_map(|object| object.body.pointer("/spec/template"));
    let level = pod_security::level(templates.collect::<Vec<_>>());
    for namespace in objects.iter_mut().filter(|object| object.address_kind == "Namespace") {
        namespace.body["metadata"]["labels"][pod_security::ENFORCE] = level.into();
    }
}

fn service_account(cx: &Context<'_>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": { "name": cx.app(), "namespace": cx.namespace, "labels": cx.labels() },
    })
}

/// What people need to look after an app; the workload itself has no rights.
fn role(cx: &Context<'_>, name: &str) -> Value {
    let rule = |group: &str, resources: &[&str], verbs: &[&str]| json!({ "apiGroups": [group], "resources": resources, "verbs": verbs });
    let view = ["get", "list", "watch"];
    let mut rules = vec![
        rule("", &["pods"], &view),
        rule("", &["pods/log"], &["get", "watch"]),
        rule("", &["pods/exec", "pods/portforward", "pods/attach"], &["create"]),
        rule("", &["events", "services", "endpoints"], &view),
        rule("apps", &["deployments", "replicasets"], &view),
        rule("", &["pods/ephemeralcontainers"], &["update"]),
    ];
    if cx.has_jobs {
        rules.push(rule("batch", &["jobs"], &view));
    }
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": { "name": name, "namespace": cx.namespace, "labels": cx.labels() },
        "rules": rules,
    })
}

/// Binds the role to the app's account, for which people take short-lived tokens; Pods do not run as it.
fn role_binding(cx: &Context<'_>, name: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": { "name": name, "namespace": cx.namespace, "labels": cx.labels() },
        "subjects": [{ "kind": "ServiceAccount", "name": cx.app(), "namespace": cx.namespace }],
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
    })
}

fn network_policy(cx: &Context<'_>) -> Value {
    let mut namespaces = vec!["kube-system"];
    let controller = cx.input.ingress.namespace.as_str();
    if !controller.is_empty() && controller != "kube-system" {
        namespaces.push(controller);
    }
    let mut rules = vec![json!({
        "from": [
            { "podSelector": {} },
            { "namespaceSelector": { "matchExpressions": [
                { "key": "kubernetes.io/metadata.name", "operator": "In", "values": namespaces },
            ] } },
        ],
    })];
    rules.extend(cx.input.network_rules.iter().cloned());
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": { "name": cx.app(), "namespace": cx.namespace, "labels": cx.labels() },
        "spec": { "podSelector": {}, "policyTypes": ["Ingress"], "ingress": rules },
    })
}
