//! What Azure adds to the ingress controller: its identity, the system pool, certificates of key vaults.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::engine::address::Address;
use crate::engine::value::Value;
use crate::kom::model::ClusterIngress;
use crate::resources::ingress::{Additions, Mounted};
use crate::resources::kinds::kubernetes::SECRET_PROVIDER_CLASS;

/// Pods with this label get the token of their ServiceAccount's identity.
const USE: (&str, &str) = ("azure.workload.identity/use", "true");

/// What the ingress controller gets; `identity` is the one that it reads certificates as.
pub(super) fn additions(ingress: &ClusterIngress, identity: Option<&Address>) -> Additions {
    let annotations = identity.map_or_else(Vec::new, |identity| {
        vec![
            ("azure.workload.identity/client-id", Value::output(identity, "/properties/clientId")),
            ("azure.workload.identity/tenant-id", Value::output(identity, "/properties/tenantId")),
        ]
    });
    let mounted = vaults(ingress).into_iter().enumerate();
    Additions {
        account_labels: identity.map(|_| USE).into_iter().collect(),
        account_annotations: annotations,
        pod_labels: vec![USE],
        node_selector: Some(("kompox.dev/node-pool", "system")),
        mounted: mounted.map(|(number, (vault, secrets))| mounted_vault(number, &vault, &secrets, identity)).collect(),
    }
}

/// Vault and secret of a Key Vault secret's URL, `https://<vault>.vault.azure.net/secrets/<name>[/<version>]`.
pub(super) fn vault_secret(source: &str) -> Option<(&str, &str)> {
    let rest = source.strip_prefix("https://")?;
    let (host, path) = rest.split_once('/')?;
    let vault = host.split('.').next().filter(|vault| !vault.is_empty())?;
    let secret = path.strip_prefix("secrets/")?.split('/').next().filter(|secret| !secret.is_empty())?;
    Some((vault, secret))
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

fn mounted_vault(number: usize, vault: &str, secrets: &[(String, String)], identity: Option<&Address>) -> Mounted {
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
    let body = json!({"spec": {
        "provider": "azure",
        "parameters": {"usePodIdentity": "false", "keyvaultName": vault, "objects": objects},
        "secretObjects": synced,
    }});
    let outputs = identity.map_or_else(Vec::new, |identity| {
        vec![
            (CLIENT_ID, Value::output(identity, "/properties/clientId")),
            (TENANT_ID, Value::output(identity, "/properties/tenantId")),
        ]
    });
    let name = format!("traefik-kv-{vault}");
    let attributes = json!({"secretProviderClass": name});
    Mounted {
        kind: &SECRET_PROVIDER_CLASS,
        api_version: "secrets-store.csi.x-k8s.io/v1",
        name,
        body,
        outputs,
        volume: format!("kv-{number}"),
        source: json!({"csi": {
            "driver": "secrets-store.csi.k8s.io",
            "readOnly": true,
            "volumeAttributes": attributes,
        }}),
        folder: format!("/config/tls/{vault}"),
        files: secrets.iter().map(|(_, secret)| secret.clone()).collect(),
    }
}

const CLIENT_ID: &[&str] = &["spec", "parameters", "clientID"];
const TENANT_ID: &[&str] = &["spec", "parameters", "tenantId"];

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
