//! The ingress controller of a cluster as plain objects (`resources.md`, "In-cluster, every driver"): no chart, so the plan
//! shows each of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::kinds;
use super::scope::{Builder, protection};
use crate::engine::address::Address;
use crate::engine::value::Value;
use crate::kom::model::{Cluster, ClusterIngress};
use kompox_rules::pod_security;

/// The image of the ingress controller. Pinned: a new one is a planned change.
const IMAGE: &str = "docker.io/library/traefik:v3.5.3";
/// The URL of Let's Encrypt's staging service, whose certificates browsers do not trust.
const ACME_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
/// The URL of Let's Encrypt's production service.
const ACME_PRODUCTION: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Vault and secret of a Key Vault secret's URL, `https://<vault>.vault.azure.net/secrets/<name>[/<version>]`.
pub fn vault_secret(source: &str) -> Option<(&str, &str)> {
    let rest = source.strip_prefix("https://")?;
    let (host, path) = rest.split_once('/')?;
    let vault = host.split('.').next().filter(|vault| !vault.is_empty())?;
    let secret = path.strip_prefix("secrets/")?.split('/').next().filter(|secret| !secret.is_empty())?;
    Some((vault, secret))
}

/// Adds the ingress controller's objects. Gives the address of its Service, which has the cluster's public address, and
/// of the IngressClass, which Ingresses name.
pub fn expand(
    builder: &mut Builder<'_>,
    cluster: &Cluster,
    connection: &Arc<str>,
    managed: &Address,
    identity: Option<&Address>,
) -> (Address, Address) {
    let ingress = &cluster.ingress;
    let scope = cluster.meta.id.as_str();
    let address = |kind: &str, name: &str| Address::new(scope, kind, name);
    let namespace = address("Namespace", &ingress.namespace);
    let class = address("IngressClass", "traefik");
    let account = address("ServiceAccount", &ingress.service_account);
    let mut add = |body: Json, after: &[&Address], extra: &dyn Fn(&mut Value)| {
        let kind_name = body["kind"].as_str().unwrap_or_default().to_owned();
        let name = body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        // Every body below is of a kind that the table has; a test expands them all.
        let Some(kind) = kinds::find(&kind_name) else { return address(&kind_name, &name) };
        let mut desired = builder.kubernetes(body, &[]);
        extra(&mut desired);
        let at = address(&kind_name, &name);
        let node = builder.add(at.clone(), kind, connection, desired, &cluster.meta.location);
        node.depends_on = std::iter::once(managed).chain(after.iter().copied()).cloned().collect();
        node.protection = protection(cluster.protection.installation, &cluster.lifecycle, false);
        at
    };
    let plain = |_: &mut Value| {};
    let ns = ingress.namespace.as_str();
    let deployment = deployment(ns, ingress);
    let mut space = object("v1", "Namespace", None, ns, ingress, json!({}));
    // One of the cluster's own holds Pods of others.
    if ns != "default" && !ns.starts_with("kube-") {
        let level = pod_security::level(deployment.pointer("/spec/template"));
        space["metadata"]["labels"][pod_security::ENFORCE] = level.into();
    }
    add(space, &[], &plain);
    let mut service_account = object("v1", "ServiceAccount", Some(ns), &ingress.service_account, ingress, json!({}));
    if identity.is_some() {
        service_account["metadata"]["labels"]["azure.workload.identity/use"] = "true".into();
    }
    add(service_account, &[&namespace], &|desired: &mut Value| {
        if let Some(identity) = identity {
            let annotation = |key| ["metadata", "annotations", key];
            desired
                .set(&annotation("azure.workload.identity/client-id"), Value::output(identity, "/properties/clientId"));
            desired
                .set(&annotation("azure.workload.identity/tenant-id"), Value::output(identity, "/properties/tenantId"));
        }
    });
    add(
        object("rbac.authorization.k8s.io/v1", "ClusterRole", None, &format!("traefik-{ns}"), ingress, cluster_role()),
        &[],
        &plain,
    );
    let role = address("ClusterRole", &format!("traefik-{ns}"));
    let binding = json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": format!("traefik-{ns}")},
        "subjects": [{"kind": "ServiceAccount", "name": ingress.service_account, "namespace": ns}],
    });
    let binding =
        object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", None, &format!("traefik-{ns}"), ingress, binding);
    let binding = add(binding, &[&role, &account], &plain);
    let class_spec = json!({"spec": {"controller": "traefik.io/ingress-controller"}});
    add(object("networking.k8s.io/v1", "IngressClass", None, "traefik", ingress, class_spec), &[], &plain);
    let claim = json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let claim = add(object("v1", "PersistentVolumeClaim", Some(ns), "traefik", ingress, claim), &[&namespace], &plain);
    let config = json!({"data": {"dynamic.yml": dynamic_config(ingress)}});
    let config = add(object("v1", "ConfigMap", Some(ns), "traefik", ingress, config), &[&namespace], &plain);
    let mut needs = vec![account.clone(), binding, claim, config];
    for (vault, secrets) in vaults(ingress) {
        let body = secret_provider(ns, &vault, &secrets, ingress);
        let class = add(body, &[&namespace], &|desired: &mut Value| {
            if let Some(identity) = identity {
                desired.set(&["spec", "parameters", "clientID"], Value::output(identity, "/properties/clientId"));
                desired.set(&["spec", "parameters", "tenantId"], Value::output(identity, "/properties/tenantId"));
            }
        });
        needs.push(class);
    }
    let needs: Vec<&Address> = needs.iter().collect();
    add(deployment, &needs, &plain);
    let service = json!({"spec": {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "selector": selector(ns),
        "ports": [
            {"name": "web", "port": 80, "targetPort": "web", "protocol": "TCP"},
            {"name": "websecure", "port": 443, "targetPort": "websecure", "protocol": "TCP"},
        ],
    }});
    let service = add(object("v1", "Service", Some(ns), "traefik", ingress, service), &[&namespace], &plain);
    (service, class)
}

fn selector(namespace: &str) -> Json {
    json!({"app.kubernetes.io/name": "traefik", "app.kubernetes.io/instance": format!("traefik-{namespace}")})
}

fn object(api: &str, kind: &str, namespace: Option<&str>, name: &str, ingress: &ClusterIngress, rest: Json) -> Json {
    let mut labels = selector(&ingress.namespace);
    labels["app.kubernetes.io/managed-by"] = "kompox".into();
    let mut body = rest;
    body["apiVersion"] = api.into();
    body["kind"] = kind.into();
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

/// Certificates by vault: name of the certificate and of the secret.
fn vaults(ingress: &ClusterIngress) -> BTreeMap<String, Vec<(String, String)>> {
    let mut vaults: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for certificate in &ingress.certificates {
        if let Some((vault, secret)) = vault_secret(&certificate.source) {
            vaults.entry(vault.to_owned()).or_default().push((certificate.name.clone(), secret.to_owned()));
        }
    }
    vaults
}

fn mount_path(vault: &str) -> String {
    format!("/config/tls/{vault}")
}

/// The file provider's configuration: one certificate store entry for each mounted certificate.
fn dynamic_config(ingress: &ClusterIngress) -> String {
    let mut text = String::from("tls:\n  certificates:");
    let vaults = vaults(ingress);
    if vaults.is_empty() {
        text.push_str(" []\n");
        return text;
    }
    text.push('\n');
    for (vault, secrets) in &vaults {
        let folder = mount_path(vault);
        for (_, secret) in secrets {
            text.push_str(&format!("    - certFile: {folder}/{secret}\n      keyFile: {folder}/{secret}\n"));
        }
    }
    text
}

fn secret_provider(namespace: &str, vault: &str, secrets: &[(String, String)], ingress: &ClusterIngress) -> Json {
    let mut objects = String::from("array:\n");
    for (_, secret) in secrets {
        objects.push_str(&format!("  - |\n    objectName: {secret}\n    objectType: secret\n"));
    }
    let synced: Vec<Json> = secrets
        .iter()
        .map(|(name, secret)| {
            json!({"secretName": format!("tls-{name}"), "type": "kubernetes.io/tls", "data": [
                {"objectName": secret, "key": "tls.key"},
                {"objectName": secret, "key": "tls.crt"},
            ]})
        })
        .collect();
    let spec = json!({"spec": {
        "provider": "azure",
        "parameters": {"usePodIdentity": "false", "keyvaultName": vault, "objects": objects},
        "secretObjects": synced,
    }});
    let name = format!("traefik-kv-{vault}");
    object("secrets-store.csi.x-k8s.io/v1", "SecretProviderClass", Some(namespace), &name, ingress, spec)
}

fn deployment(namespace: &str, ingress: &ClusterIngress) -> Json {
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
    for (number, vault) in vaults(ingress).keys().enumerate() {
        let name = format!("kv-{number}");
        mounts.push(json!({"name": name, "mountPath": mount_path(vault), "readOnly": true}));
        let attributes = json!({"secretProviderClass": format!("traefik-kv-{vault}")});
        let csi = json!({"driver": "secrets-store.csi.k8s.io", "readOnly": true, "volumeAttributes": attributes});
        volumes.push(json!({"name": name, "csi": csi}));
    }
    let mut labels = selector(namespace);
    labels["azure.workload.identity/use"] = "true".into();
    let probe = json!({"httpGet": {"path": "/ping", "port": 8080}});
    let spec = json!({"spec": {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": selector(namespace)},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "serviceAccountName": ingress.service_account,
                "nodeSelector": {"kompox.dev/node-pool": "system"},
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
    object("apps/v1", "Deployment", Some(namespace), "traefik", ingress, spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_vault_urls() {
        assert_eq!(vault_secret("https://kv1.vault.azure.net/secrets/wild"), Some(("kv1", "wild")));
        assert_eq!(vault_secret("https://kv1.vault.azure.net/secrets/wild/abc"), Some(("kv1", "wild")));
        for bad in [
            "http://kv1/secrets/a",
            "https://kv1.vault.azure.net/keys/a",
            "https:///secrets/a",
            "https://kv1/secrets/",
            "",
        ] {
            assert_eq!(vault_secret(bad), None, "{bad}");
        }
    }
}
