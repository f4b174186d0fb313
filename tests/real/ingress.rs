//! An ingress controller as a cluster of one's own may have it: nginx in a Pod on the first node, at its ports 80 and 443,
//! configured from the Ingresses of one class. It reads them once, when it starts.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::harness::wait_for;

/// The class that Ingresses of kompox say where nobody says another one.
const CLASS: &str = "traefik";

/// A controller that serves, until [`stop`](Self::stop).
pub struct Controller {
    cluster: &'static Cluster,
    node: String,
}

impl Controller {
    /// Starts one in a cluster that has none of that class.
    pub fn start(cluster: &'static Cluster) -> Self {
        let class = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": CLASS},
            "spec": {"controller": "kompox.test/nginx"},
        });
        let (key, certificate) = certificate();
        let tls = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": "ingress", "namespace": "default"}, "data": {"tls.key": key, "tls.crt": certificate},
        });
        let sites = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ingress", "namespace": "default"},
            "data": {"default.conf": sites(cluster)},
        });
        let mount = |name: &str, path: &str| json!({"name": name, "mountPath": path});
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ingress", "namespace": "default"},
            "spec": {
                "hostNetwork": true, "nodeName": "node1", "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": "nginx", "image": "nginx:1",
                    "readinessProbe": {"tcpSocket": {"port": 443}, "periodSeconds": 1},
                    "volumeMounts": [mount("sites", "/etc/nginx/conf.d"), mount("tls", "/tls")],
                }],
                "volumes": [
                    {"name": "sites", "configMap": {"name": "ingress"}},
                    {"name": "tls", "secret": {"secretName": "ingress"}},
                ],
            },
        });
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [class, tls, sites, pod]});
        cluster.apply(&list.to_string());
        cluster.kubectl(&["wait", "--for=condition=Ready", "pod/ingress", "--timeout=60s"]);
        let addresses = cluster.read("/api/v1/nodes/node1")["status"]["addresses"].clone();
        let mut addresses = addresses.as_array().unwrap().iter();
        let node = addresses.find(|one| one["type"] == "InternalIP").unwrap()["address"].as_str().unwrap().to_owned();
        Self { cluster, node }
    }

    /// What `curl https://HOST/PATH` answers, with the name leading to the cluster: its status, once it is not the controller's own.
    pub fn curl(&self, host: &str, path: &str) -> (String, String) {
        wait_for("the app to answer by its host", || {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--show-error", "--insecure", "--write-out", "\n%{http_code}"]);
            curl.args(["--resolve", &format!("{host}:443:{}", self.node), &format!("https://{host}{path}")]);
            let said = String::from_utf8(curl.output().unwrap().stdout).unwrap();
            let (body, code) = said.rsplit_once('\n')?;
            (!matches!(code, "000" | "502" | "504")).then(|| (code.to_owned(), body.to_owned()))
        })
    }

    /// Ends it.
    pub fn stop(self) {
        let all = ["delete", "pod/ingress", "secret/ingress", "configmap/ingress", "ingressclass/traefik"];
        self.cluster.kubectl(&all);
    }
}

/// A site for each host of each Ingress of the class.
fn sites(cluster: &Cluster) -> String {
    let list = cluster.read("/apis/networking.k8s.io/v1/ingresses");
    let ingresses = list["items"].as_array().unwrap().iter().filter(|one| one["spec"]["ingressClassName"] == CLASS);
    let tls = "  ssl_certificate /tls/tls.crt;\n  ssl_certificate_key /tls/tls.key;\n";
    let mut sites =
        format!("server {{\n  listen 80 default_server;\n  listen 443 ssl default_server;\n{tls}  return 404;\n}}\n");
    for ingress in ingresses {
        let namespace = ingress["metadata"]["namespace"].as_str().unwrap();
        for rule in ingress["spec"]["rules"].as_array().unwrap() {
            let host = rule["host"].as_str().unwrap();
            sites.push_str(&format!("server {{\n  listen 80;\n  listen 443 ssl;\n  server_name {host};\n{tls}"));
            for path in rule["http"]["paths"].as_array().unwrap() {
                let service = &path["backend"]["service"];
                let name = service["name"].as_str().unwrap();
                let address = cluster.read(&format!("/api/v1/namespaces/{namespace}/services/{name}"));
                let address = address["spec"]["clusterIP"].as_str().unwrap().to_owned();
                let (at, port) = (path["path"].as_str().unwrap(), port(cluster, namespace, name, &service["port"]));
                sites.push_str(&format!("  location {at} {{ proxy_pass http://{address}:{port}; }}\n"));
            }
            sites.push_str("}\n");
        }
    }
    sites
}

/// The number of a Service's port, which an Ingress names by number or name.
fn port(cluster: &Cluster, namespace: &str, service: &str, port: &Value) -> u64 {
    if let Some(number) = port["number"].as_u64() {
        return number;
    }
    let service = cluster.read(&format!("/api/v1/namespaces/{namespace}/services/{service}"));
    let mut ports = service["spec"]["ports"].as_array().unwrap().iter();
    ports.find(|one| one["name"] == port["name"]).unwrap()["port"].as_u64().unwrap()
}

/// A key and a certificate of nobody's, as a Secret has them.
fn certificate() -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=ingress", "-days", "2", "-keyout"]);
    let made = openssl.arg(at("key")).arg("-out").arg(at("certificate")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = |name: &str| STANDARD.encode(std::fs::read(at(name)).unwrap());
    (text("key"), text("certificate"))
}
