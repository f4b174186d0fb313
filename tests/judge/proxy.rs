//! Stands between kompox and the sandbox: keeps what is applied to clusters, and puts real API servers in the place of
//! the sandbox's by handing out kubeconfigs that lead to them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::controlplane::{ControlPlane, TOKEN};
use crate::harness::http::{Answer, header, send};

/// What was applied: path with query, and body; the last of each path.
type Applied = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Real API servers by the names of their clusters; none, and the sandbox's stay.
pub type Planes = Arc<BTreeMap<String, ControlPlane>>;

/// Where the sandbox keeps its clusters' API servers, and the proxy the real ones.
const MOUNT: &str = "/kubernetes/";

pub struct Proxy {
    address: String,
    applied: Applied,
}

impl Proxy {
    /// Starts one; `sandbox` is `host:port`.
    pub fn start(sandbox: &str, planes: Planes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let applied = Applied::default();
        let (sandbox, own, record) = (sandbox.to_owned(), address.clone(), applied.clone());
        // Ends with the test's process: nothing waits for it.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (sandbox, own, planes, record) = (sandbox.clone(), own.clone(), planes.clone(), record.clone());
                std::thread::spawn(move || pass(stream, &sandbox, &own, &planes, &record));
            }
        });
        Self { address, applied }
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was applied so far.
    pub fn applied(&self) -> BTreeMap<String, Vec<u8>> {
        self.applied.lock().unwrap().clone()
    }

    /// A request of the administrator to a cluster.
    pub fn send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Answer {
        let token = format!("Bearer {TOKEN}");
        let mut head = vec![("Host", self.address.as_str()), ("Authorization", token.as_str())];
        if !content_type.is_empty() {
            head.push(("Content-Type", content_type));
        }
        send(&self.address, method, path, &head, body)
    }

    /// The object at a path.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        self.send("GET", path.split('?').next().unwrap(), "", b"").json()
    }
}

/// Reads one request, passes it on, and answers.
fn pass(mut stream: TcpStream, sandbox: &str, own: &str, planes: &Planes, applied: &Applied) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) if line == "\r\n" => break,
            Ok(_) => head.push_str(&line),
        }
    }
    let mut body = vec![0; header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let in_cluster = path.strip_prefix(MOUNT).and_then(|rest| rest.split_once('/'));
    if in_cluster.is_some() && method == "PATCH" && path.contains("fieldManager=kompox") && !path.contains("dryRun") {
        applied.lock().unwrap().insert(path.clone(), body.clone());
    }
    let real = in_cluster.and_then(|(cluster, rest)| Some((planes.get(cluster)?, rest)));
    let (status, headers, answer) = match real {
        Some((plane, rest)) => {
            let kind = header(&head, "content-type").unwrap_or_default();
            let (status, answer) = plane.send(&method, &format!("/{rest}"), kind, &body);
            (status, "Content-Type: application/json\r\n".to_owned(), answer)
        }
        None => {
            let pairs: Vec<(&str, &str)> = head
                .lines()
                .skip(1)
                .filter_map(|line| line.split_once(": "))
                .filter(|(name, _)| !["connection", "content-length"].contains(&name.to_ascii_lowercase().as_str()))
                .collect();
            let passed = send(sandbox, &method, &path, &pairs, &body);
            let keep = |line: &&str| {
                let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
                !["connection", "content-length", "transfer-encoding"].contains(&name.as_str())
            };
            let headers = passed.head.lines().skip(1).filter(keep).map(|line| format!("{line}\r\n")).collect();
            let answer = match path.split_once("/listClusterAdminCredential") {
                Some((id, _)) if passed.status == 200 && !planes.is_empty() => credential(id, own, planes),
                _ => passed.body,
            };
            (passed.status, headers, answer)
        }
    };
    let head = format!("HTTP/1.1 {status} -\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n", answer.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&answer));
}

/// A kubeconfig that leads through the proxy to the API server of the cluster that `id` names.
fn credential(id: &str, own: &str, planes: &Planes) -> Vec<u8> {
    let name = id.rsplit('/').next().unwrap_or_default();
    let cluster = planes.keys().find(|cluster| name.ends_with(cluster.as_str())).expect("a cluster for each");
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{own}{MOUNT}{cluster}")}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
    });
    let encoded = base64::engine::general_purpose::STANDARD.encode(kubeconfig.to_string());
    json!({"kubeconfigs": [{"name": "clusterAdmin", "value": encoded}]}).to_string().into_bytes()
}
