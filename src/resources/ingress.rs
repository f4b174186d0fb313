//! The ingress controller of a cluster as plain objects (`resources.md`, "In-cluster, every driver"): no chart, so the plan
//! shows each of them.

use serde_json::{Value as Json, json};

use super::kinds::kubernetes as kinds;
use super::scope::{Builder, protection};
use crate::diag::Diagnostic;
use crate::engine::address::Address;
use crate::engine::kind::Kind;
use crate::engine::provider::ProviderKey;
use crate::engine::value::Value;
use crate::kom::model::{Cluster, ClusterIngress};
use kompox_rules::pod_security;

/// The image of the ingress controller. Pinned: a new one is a planned change.
const IMAGE: &str = "docker.io/library/traefik:v3.5.3";
/// The URL of Let's Encrypt's staging service, whose certificates browsers do not trust.
const ACME_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
/// The URL of Let's Encrypt's production service.
const ACME_PRODUCTION: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// What a driver adds to the ingress controller.
#[derive(Debug, Default)]
pub struct Additions {
    /// Labels of its ServiceAccount.
    pub account_labels: Vec<(&'static str, &'static str)>,
    /// Annotations of its ServiceAccount; they may hold outputs of other objects.
    pub account_annotations: Vec<(&'static str, Value)>,
    /// Labels of its Pod.
    pub pod_labels: Vec<(&'static str, &'static str)>,
    /// A label that its node must have.
    pub node_selector: Option<(&'static str, &'static str)>,
    /// Certificates from outside the cluster.
    pub mounted: Vec<Mounted>,
}

/// Certificates that are mounted from a vault: an object that says which, and the volume.
#[derive(Debug)]
pub struct Mounted {
    /// The kind of the object.
    pub kind: &'static Kind,
    /// Its `apiVersion`.
    pub api_version: &'static str,
    /// Its name.
    pub name: String,
    /// What it says.
    pub body: Json,
    /// Fields of it that are outputs of other objects.
    pub outputs: Vec<(&'static [&'static str], Value)>,
    /// The name of the volume.
    pub volume: String,
    /// The volume's source, in Kubernetes form.
    pub source: Json,
    /// Where it is mounted.
    pub folder: String,
    /// Its files, each a certificate with its key.
    pub files: Vec<String>,
}

/// What others refer to of an ingress controller.
#[derive(Debug)]
pub struct Installed {
    /// Its Service, which has the cluster's public address; none of one that others installed.
    pub service: Option<Address>,
    /// Its IngressClass, if that is ours.
    pub class: Option<Address>,
    /// The name of the class, which Ingresses say.
    pub class_name: String,
}

/// The IngressClass of the controller that kompox installs.
const CLASS: &str = "traefik";

/// A controller that is there: it is used, and nothing of it is touched.
pub fn existing(builder: &mut Builder<'_>, cluster: &Cluster) -> Installed {
    let ingress = &cluster.ingress;
    if let Some(resolver) = &ingress.cert_resolver {
        let message = format!(
            "the ingress controller is one that is there, and nobody knows whether it has a resolver \"{resolver}\""
        );
        let help = "without one of that name it answers with a certificate of its own, which browsers do not trust";
        let at = ingress.controller_location.as_ref().unwrap_or(&cluster.meta.location);
        builder.diagnostics.push(Diagnostic::warning("cert-resolver", message).at(at.clone(), None).help(help));
    }
    let class_name = ingress.class_name.as_ref().map_or_else(|| CLASS.to_owned(), |class| class.value.clone());
    Installed { service: None, class: None, class_name }
}

/// Adds the ingress controller's objects, in the cluster that `managed` is and the API `connection` speaks to.
pub fn expand(
    builder: &mut Builder<'_>,
    cluster: &Cluster,
    connection: &ProviderKey,
    managed: &Address,
    additions: Additions,
) -> Installed {
    let ingress = &cluster.ingress;
    if let Some(class) = &ingress.class_name {
        let message =
            format!("className is \"{}\", and the controller that kompox installs has its own class", class.value);
        let help = "set controller: existing to use the controller of that class, or take className out";
        let diagnostic = Diagnostic::error("ingress", message).at(class.location.clone(), None).help(help);
        builder.diagnostics.push(diagnostic);
    }
    let mut add = |kind: &'static Kind, body: Json, after: &[&Address], outputs: Outputs| {
        let name = body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let mut desired = builder.kubernetes(body, &[]);
        for (path, value) in outputs {
            desired.set(&path, value);
        }
        let at = Address::new(cluster.meta.id.as_str(), kind.name, &name);
        let node = builder.add(at.clone(), kind, connection, desired, &cluster.meta.location);
        node.depends_on = std::iter::once(managed).chain(after.iter().copied()).cloned().collect();
        node.protection = protection(cluster.protection.installation, &cluster.lifecycle, false);
        at
    };
    let ns = ingress.namespace.as_str();
    let deployment = deployment(ns, ingress, &additions);
    let mut space = object("v1", &kinds::NAMESPACE, None, ns, ingress, json!({}));
    // One of the cluster's own holds Pods of others.
    if ns != "default" && !ns.starts_with("kube-") {
        let level = pod_security::level(deployment.pointer("/spec/template"));
        space["metadata"]["labels"][pod_security::ENFORCE] = level.into();
    }
    let namespace = add(&kinds::NAMESPACE, space, &[], Vec::new());
    let kind = &kinds::SERVICE_ACCOUNT;
    let mut account = object("v1", kind, Some(ns), &ingress.service_account, ingress, json!({}));
    for (key, value) in additions.account_labels {
        account["metadata"]["labels"][key] = value.into();
    }
    let annotations = additions.account_annotations.into_iter();
    let annotations = annotations.map(|(key, value)| (vec!["metadata", "annotations", key], value)).collect();
    let account = add(kind, account, &[&namespace], annotations);
    let (role_name, rbac) = (format!("traefik-{ns}"), "rbac.authorization.k8s.io/v1");
    let role = object(rbac, &kinds::CLUSTER_ROLE, None, &role_name, ingress, cluster_role());
    let role = add(&kinds::CLUSTER_ROLE, role, &[], Vec::new());
    let binding = json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role_name},
        "subjects": [{"kind": "ServiceAccount", "name": ingress.service_account, "namespace": ns}],
    });
    let kind = &kinds::CLUSTER_ROLE_BINDING;
    let binding = add(kind, object(rbac, kind, None, &role_name, ingress, binding), &[&role, &account], Vec::new());
    let class = json!({"spec": {"controller": "traefik.io/ingress-controller"}});
    let kind = &kinds::INGRESS_CLASS;
    let class = add(kind, object("networking.k8s.io/v1", kind, None, CLASS, ingress, class), &[], Vec::new());
    let claim = json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let kind = &kinds::PERSISTENT_VOLUME_CLAIM;
    let claim = add(kind, object("v1", kind, Some(ns), "traefik", ingress, claim), &[&namespace], Vec::new());
    let config = json!({"data": {"dynamic.yml": dynamic_config(&additions.mounted)}});
    let kind = &kinds::CONFIG_MAP;
    let config = add(kind, object("v1", kind, Some(ns), "traefik", ingress, config), &[&namespace], Vec::new());
    let mut needs = vec![account, binding, claim, config];
    for Mounted { kind, api_version, name, body, outputs, .. } in additions.mounted {
        let body = object(api_version, kind, Some(ns), &name, ingress, body);
        let outputs = outputs.into_iter().map(|(path, value)| (path.to_vec(), value)).collect();
        needs.push(add(kind, body, &[&namespace], outputs));
    }
    let needs: Vec<&Address> = needs.iter().collect();
    add(&kinds::DEPLOYMENT, deployment, &needs, Vec::new());
    let service = object("v1", &kinds::SERVICE, Some(ns), "traefik", ingress, service(ns));
    let service = add(&kinds::SERVICE, service, &[&namespace], Vec::new());
    Installed { service: Some(service), class: Some(class), class_name: CLASS.to_owned() }
}

/// Fields that are outputs of other objects.
type Outputs = Vec<(Vec<&'static str>, Value)>;

fn service(namespace: &str) -> Json {
    json!({"spec": {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "selector": selector(namespace),
        "ports": [
            {"name": "web", "port": 80, "targetPort": "web", "protocol": "TCP"},
            {"name": "websecure", "port": 443, "targetPort": "websecure", "protocol": "TCP"},
        ],
    }})
}

fn selector(namespace: &str) -> Json {
    json!({"app.kubernetes.io/name": "traefik", "app.kubernetes.io/instance": format!("traefik-{namespace}")})
}

fn object(
    api_version: &str,
    kind: &Kind,
    namespace: Option<&str>,
    name: &str,
    ingress: &ClusterIngress,
    rest: Json,
) -> Json {
    let mut labels = selector(&ingress.namespace);
    labels["app.kubernetes.io/managed-by"] = "kompox".into();
    let mut body = rest;
    body["apiVersion"] = api_version.into();
    body["kind"] = kind.name.into();
    body["metadata"] = json!({"name": name, "labels": labels});
    if let Some(namespace) = namespace {
        body["metadata"]["namespace"] = namespace.into();
    }
    body
}

/// What Traefik's Kubernetes Ingress provider reads and writes.
fn cluster_role() -> Json {
    json!({"rules": [
        {"apiGroups": [""], "resources": ["services", "secrets", "nodes"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "ingressclasses"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses/status"], "verbs": ["update"]},
    ]})
}

/// The file provider's configuration: one certificate store entry for each mounted certificate.
fn dynamic_config(mounted: &[Mounted]) -> String {
    let mut text = String::from("tls:\n  certificates:");
    if mounted.is_empty() {
        text.push_str(" []\n");
        return text;
    }
    text.push('\n');
    for Mounted { folder, files, .. } in mounted {
        for file in files {
            text.push_str(&format!("    - certFile: {folder}/{file}\n      keyFile: {folder}/{file}\n"));
        }
    }
    text
}

fn deployment(namespace: &str, ingress: &ClusterIngress, additions: &Additions) -> Json {
    let mut args = vec![
        "--entryPoints.web.address=:8000".to_owned(),
        "--entryPoints.web.http.redirections.entryPoint.to=:443".to_owned(),
        "--entryPoints.web.http.redirections.entryPoint.scheme=https".to_owned(),
        "--entryPoints.websecure.address=:8443".to_owned(),
        "--entryPoints.traefik.address=:8080".to_owned(),
        "--ping=true".to_owned(),
        "--accesslog=true".to_owned(),
        "--providers.kubernetesingress=true".to_owned(),
        "--providers.kubernetesingress.ingressclass=traefik".to_owned(),
        format!("--providers.kubernetesingress.ingressendpoint.publishedservice={namespace}/traefik"),
        "--providers.file.directory=/config/traefik".to_owned(),
    ];
    for (resolver, server) in [("staging", ACME_STAGING), ("production", ACME_PRODUCTION)] {
        if let Some(email) = &ingress.cert_email {
            let option = |name: &str, value: &str| format!("--certificatesresolvers.{resolver}.acme.{name}={value}");
            args.extend([
                option("tlschallenge", "true"),
                option("email", email),
                option("caserver", server),
                option("storage", &format!("/data/acme-{resolver}.json")),
            ]);
        }
    }
    let mut mounts = vec![
        json!({"name": "data", "mountPath": "/data"}),
        json!({"name": "config", "mountPath": "/config/traefik", "readOnly": true}),
    ];
    let mut volumes = vec![
        json!({"name": "data", "persistentVolumeClaim": {"claimName": "traefik"}}),
        json!({"name": "config", "configMap": {"name": "traefik"}}),
    ];
    for Mounted { volume, source, folder, .. } in &additions.mounted {
        mounts.push(json!({"name": volume, "mountPath": folder, "readOnly": true}));
        let mut source = source.clone();
        source["name"] = volume.as_str().into();
        volumes.push(source);
    }
    let mut labels = selector(namespace);
    for (key, value) in &additions.pod_labels {
        labels[*key] = (*value).into();
    }
    let probe = json!({"httpGet": {"path": "/ping", "port": 8080}});
    let mut spec = json!({"spec": {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": selector(namespace)},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "serviceAccountName": ingress.service_account,
                "securityContext": {"fsGroup": 65532},
                "containers": [{
                    "name": "traefik",
                    "image": IMAGE,
                    "args": args,
                    "ports": [
                        {"name": "web", "containerPort": 8000, "protocol": "TCP"},
                        {"name": "websecure", "containerPort": 8443, "protocol": "TCP"},
                    ],
                    "readinessProbe": probe,
                    "livenessProbe": probe,
                    "volumeMounts": mounts,
                }],
                "volumes": volumes,
            },
        },
    }});
    if let Some((label, value)) = additions.node_selector {
        spec["spec"]["template"]["spec"]["nodeSelector"] = json!({label: value});
    }
    object("apps/v1", &kinds::DEPLOYMENT, Some(namespace), "traefik", ingress, spec)
}
