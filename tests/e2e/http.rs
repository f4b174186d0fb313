//! A small HTTP client, and the sandbox as a server of its own that outlives the commands that use it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::project::Project;

/// How long a condition may take to come true.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// An answer.
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The whole head, as it was sent.
    #[allow(dead_code, reason = "tests/judge, which shares this file, reads it")]
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; panics with the body unless the request succeeded.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert!(self.status < 300, "{}: {text}", self.status);
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }
}

/// Sends one request; `address` is `host:port`, `head` are header lines.
pub fn send(address: &str, method: &str, path: &str, head: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in head {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let body = answer.split_off(end + 4);
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok()).expect("a status line");
    let body = if header(&head, "transfer-encoding").is_some() { dechunk(&body) } else { body };
    Answer { status, head, body }
}

/// The value of a header in a head.
pub fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut pairs = head.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn dechunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap().trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        whole.extend(&body[end + 2..end + 2 + size]);
        body = &body[end + 2 + size + 2..];
    }
    whole
}

/// Waits until `condition` gives a value.
#[track_caller]
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// `kompox sandbox serve`, ended with the value.
pub struct Served {
    process: Child,
    /// Its URL.
    pub endpoint: String,
    address: String,
}

impl Served {
    /// Serves the world that the project's own `--sandbox` uses.
    pub fn beside(project: &Project) -> Self {
        Self::start(project, &project.root().join(".kompox/sandbox"))
    }

    /// Serves the world in `data` on a free port.
    pub fn start(project: &Project, data: &Path) -> Self {
        Self::with(project, data, &[])
    }

    /// Serves the world that the project's own `--sandbox` uses, with a fault.
    #[allow(dead_code, reason = "tests/judge, which shares this file, has no faults")]
    pub fn with_fault(project: &Project, fault: &str) -> Self {
        Self::with(project, &project.root().join(".kompox/sandbox"), &["--fault", fault])
    }

    fn with(project: &Project, data: &Path, options: &[&str]) -> Self {
        let arguments = ["sandbox", "serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
        let mut command = project.command(&[&arguments, options].concat());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut endpoint = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
        let endpoint = endpoint.trim().to_owned();
        let address = endpoint.strip_prefix("http://").expect("the endpoint is printed").to_owned();
        Self { process, endpoint, address }
    }

    /// `host:port`
    #[allow(dead_code, reason = "tests/judge, which shares this file, needs it")]
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

    /// A merge patch of an object in a cluster, as `kubectl` sends it.
    pub fn kube_patch(&self, cluster: &str, path: &str, patch: &Value) {
        let path = format!("{path}?fieldManager=kubectl-edit");
        self.kube(cluster, "PATCH", &path, patch.to_string().as_bytes()).json();
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
            ("Content-Type", "application/merge-patch+json"),
        ];
        send(&self.address, method, &format!("{mount}{path}"), &head, body)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
