//! The sandbox as a server of its own that outlives the commands that use it.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};

use base64::Engine as _;
use serde_json::{Value, json};

use super::http::{Answer, send};
use super::project::Project;
use super::wait_for;

/// `kompox sandbox serve`, ended with the value.
pub struct Cloud {
    process: Child,
    /// Its URL.
    pub endpoint: String,
    address: String,
}

impl Cloud {
    /// Serves the world that the project's own `--sandbox` uses.
    pub fn beside(project: &Project) -> Self {
        Self::start(project, &project.root().join(".kompox/sandbox"))
    }

    /// Serves the world in `data` on a free port.
    pub fn start(project: &Project, data: &Path) -> Self {
        Self::with(project, data, &[])
    }

    /// Serves the world that the project's own `--sandbox` uses, with a fault.
    pub fn with_fault(project: &Project, fault: &str) -> Self {
        Self::with(project, &project.root().join(".kompox/sandbox"), &["--fault", fault])
    }

    /// Serves the world in `data` with options of `sandbox serve`.
    pub fn with(project: &Project, data: &Path, options: &[&str]) -> Self {
        let arguments = ["sandbox", "serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
        let mut command = project.command(&[&arguments, options].concat());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut endpoint = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
        let endpoint = endpoint.trim().to_owned();
        let Some(address) = endpoint.strip_prefix("http://").map(str::to_owned) else {
            let mut errors = String::new();
            process.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
            panic!("no cloud with {options:?}: {errors}");
        };
        Self { process, endpoint, address }
    }

    /// `host:port`
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A request to the resource manager.
    pub fn arm(&self, method: &str, id: &str, body: &Value) -> Answer {
        let version = match id {
            id if id.contains("/Microsoft.Authorization/locks") => "2020-05-01",
            id if id.contains("/Microsoft.KeyVault/") => "2023-07-01",
            id if id.contains("/Microsoft.Compute/") => "2024-03-02",
            id if id.contains("/Microsoft.ContainerService/") => "2024-09-01",
            _ => "2021-04-01",
        };
        let head = [
            ("Host", self.address.as_str()),
            ("Authorization", "Bearer sandbox-x"),
            ("Content-Type", "application/json"),
        ];
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        send(&self.address, method, &format!("{id}?api-version={version}"), &head, &body)
    }

    /// Makes a resource and waits until it is there.
    pub fn make(&self, id: &str, body: &Value) {
        self.arm("PUT", id, body).json();
        wait_for(id, || {
            let state = &self.arm("GET", id, &Value::Null).json()["properties"]["provisioningState"];
            (state == "Succeeded").then_some(())
        });
    }

    /// Makes a disk, and the group that it is in.
    pub fn make_disk(&self, id: &str, zone: &str) {
        let group = &id[..id.find("/providers/").unwrap()];
        self.make(group, &json!({"location": "eastus"}));
        let body = json!({
            "location": "eastus",
            "zones": [zone],
            "sku": {"name": "PremiumV2_LRS"},
            "tags": {"made-by": "hand"},
            "properties": {"diskSizeGB": 10, "creationData": {"createOption": "Empty"}},
        });
        self.make(id, &body);
    }

    /// Changes an object as somebody else would.
    pub fn drift(&self, id: &str, patch: &Value) {
        let head = [("Host", self.address.as_str()), ("Content-Type", "application/json")];
        let body = json!({"id": id, "patch": patch}).to_string();
        send(&self.address, "POST", "/_sandbox/drift", &head, body.as_bytes()).json();
    }

    /// A merge patch of an object in a cluster, as `kubectl` sends it.
    pub fn kube_patch(&self, cluster: &str, path: &str, patch: &Value) {
        let path = format!("{path}?fieldManager=kubectl-edit");
        self.kube(cluster, "PATCH", &path, patch.to_string().as_bytes()).json();
    }

    /// Makes an object in a cluster.
    pub fn kube_make(&self, cluster: &str, collection: &str, object: &Value) {
        assert_eq!(self.kube(cluster, "POST", collection, object.to_string().as_bytes()).status, 201);
    }

    /// Deletes an object in a cluster.
    pub fn kube_delete(&self, cluster: &str, path: &str) {
        self.kube(cluster, "DELETE", path, b"").json();
    }

    /// A request to a cluster with the administrator's kubeconfig.
    fn kube(&self, cluster: &str, method: &str, path: &str, body: &[u8]) -> Answer {
        let answer = self.arm("POST", &format!("{cluster}/listClusterAdminCredential"), &Value::Null).json();
        let encoded = answer["kubeconfigs"][0]["value"].as_str().unwrap();
        let kubeconfig = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
        let kubeconfig: Value = serde_saphyr::from_str(std::str::from_utf8(&kubeconfig).unwrap()).unwrap();
        let server = kubeconfig["clusters"][0]["cluster"]["server"].as_str().unwrap();
        let mount = server.strip_prefix(&self.endpoint).expect("the cluster is served here");
        let token = format!("Bearer {}", kubeconfig["users"][0]["user"]["token"].as_str().unwrap());
        let head = [
            ("Host", self.address.as_str()),
            ("Authorization", token.as_str()),
            ("Content-Type", if method == "PATCH" { "application/merge-patch+json" } else { "application/json" }),
        ];
        send(&self.address, method, &format!("{mount}{path}"), &head, body)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // The world is in its file; nothing is lost.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
