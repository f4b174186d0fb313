//! Namespace, ServiceAccount, Role, RoleBinding and NetworkPolicy of an app.

use serde_json::json;

use super::context::Context;
use super::input::Scope;
use super::object::{ObjectKind, RenderedObject};
use crate::compose::names;
use kompox_rules::pod_security;

/// The objects that come before everything else, in the order of creation.
pub(super) fn objects(cx: &Context<'_>) -> Vec<RenderedObject> {
    let mut binding = role_binding(cx);
    binding.after.push((ObjectKind::ServiceAccount, cx.app().to_owned()));
    binding.after.push((ObjectKind::Role, names::access(cx.app())));
    vec![namespace(cx), service_account(cx), role(cx), binding, network_policy(cx)]
}

fn namespace(cx: &Context<'_>) -> RenderedObject {
    let Scope { workspace, provider, cluster, app } = &cx.input.scope;
    let body = json!({
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
    });
    RenderedObject {
        body,
        sensitive: Vec::new(),
        kind: ObjectKind::Namespace,
        address_name: app.clone(),
        after: Vec::new(),
        origin: None,
    }
}

/// Has the Namespace take no Pods but such as those of its workloads: none that gets hold of its node, unless one of ours
/// does.
pub(super) fn secure(objects: &mut [RenderedObject]) {
    let templates = objects.iter().filter_map(|object| object.body.pointer("/spec/template"));
    let level = pod_security::level(templates.collect::<Vec<_>>());
    for namespace in objects.iter_mut().filter(|object| object.kind == ObjectKind::Namespace) {
        namespace.body["metadata"]["labels"][pod_security::ENFORCE] = level.into();
    }
}

fn service_account(cx: &Context<'_>) -> RenderedObject {
    cx.object(ObjectKind::ServiceAccount, cx.app(), cx.labels(), json!({}))
}

/// What people need to look after an app; the workload itself has no rights.
fn role(cx: &Context<'_>) -> RenderedObject {
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
    let kind = ObjectKind::Role;
    cx.object(kind, &names::access(cx.app()), cx.labels(), json!({ "rules": rules }))
}

/// Binds the role to the app's account, for which people take short-lived tokens; Pods do not run as it.
fn role_binding(cx: &Context<'_>) -> RenderedObject {
    let name = names::access(cx.app());
    let rest = json!({
        "subjects": [{ "kind": "ServiceAccount", "name": cx.app(), "namespace": cx.namespace }],
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
    });
    cx.object(ObjectKind::RoleBinding, &name, cx.labels(), rest)
}

fn network_policy(cx: &Context<'_>) -> RenderedObject {
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
    let rest = json!({ "spec": { "podSelector": {}, "policyTypes": ["Ingress"], "ingress": rules } });
    cx.object(ObjectKind::NetworkPolicy, cx.app(), cx.labels(), rest)
}
