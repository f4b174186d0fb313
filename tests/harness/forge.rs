//! A stub of a code host's API on loopback: comments of one pull request, issues, and files that a run left.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::http::header;

/// A request.
pub struct Request {
    pub method: String,
    /// Without the query.
    pub path: String,
    pub query: String,
    pub body: Vec<u8>,
}

impl Request {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A field of a body that is a form.
    pub fn field(&self, name: &str) -> String {
        let field = url::form_urlencoded::parse(&self.body).find(|(key, _)| key == name);
        field.map(|(_, value)| value.into_owned()).unwrap_or_default()
    }

    /// The last segment of the path, a number.
    pub fn number(&self) -> usize {
        self.path.rsplit('/').next().and_then(|text| text.parse().ok()).unwrap()
    }
}

/// What the code host knows.
#[derive(Default)]
pub struct Data {
    /// Bodies of comments; their ids are their places, from 1.
    pub comments: Vec<String>,
    /// Bodies of issues and whether they are open; their numbers are their places, from 1.
    pub issues: Vec<(String, bool)>,
    /// The archive, or the file, that the plan's run left.
    pub artifact: Vec<u8>,
    /// The commit that the pull request ends with.
    pub head: String,
    /// The commit that it became.
    pub merged: String,
    /// What came without the token.
    pub strangers: Vec<String>,
}

/// The numbers of everything open, with their bodies.
impl Data {
    /// The comments as `(id, body)`.
    pub fn comments(&self) -> impl Iterator<Item = (usize, &String)> {
        self.comments.iter().enumerate().map(|(at, body)| (at + 1, body))
    }

    /// The open issues.
    pub fn open(&self) -> Vec<usize> {
        (1..=self.issues.len()).filter(|number| self.issues[number - 1].1).collect()
    }
}

/// The token that every request must have in one of its headers.
pub const TOKEN: &str = "t0ken-of-the-run";

/// What answers: the body, or none where there is nothing.
pub type Answers = fn(&Request, &mut Data, &str) -> Option<Vec<u8>>;

/// A running stub; its thread ends with the process.
pub struct Forge {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    pub data: Arc<Mutex<Data>>,
}

impl Forge {
    pub fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let data = Arc::new(Mutex::new(Data { head: "a1".repeat(20), merged: "b2".repeat(20), ..Data::default() }));
        let (shared, here) = (Arc::clone(&data), url.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (request, head) = read(&stream);
                let mut data = shared.lock().unwrap();
                let answer = if head.contains(TOKEN) {
                    answers(&request, &mut data, &here)
                } else {
                    data.strangers.push(request.path.clone());
                    None
                };
                let status = if answer.is_some() { "200 OK" } else { "404 Not Found" };
                let body = answer.unwrap_or_default();
                let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        Self { url, data }
    }
}

fn read(stream: &TcpStream) -> (Request, String) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
    let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    if head.contains("100-continue") {
        let mut stream = stream;
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
    }
    reader.read_exact(&mut body).unwrap();
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    (Request { method: method.into(), path: path.into(), query: query.into(), body }, head)
}

/// A body of JSON.
fn said(value: Value) -> Option<Vec<u8>> {
    Some(value.to_string().into_bytes())
}

/// GitHub's REST API, version 2022-11-28, as far as the example calls it.
pub fn github(request: &Request, data: &mut Data, here: &str) -> Option<Vec<u8>> {
    let body = request.json();
    let text = || body["body"].as_str().unwrap_or_default().to_owned();
    let artifact = format!("{here}/archive");
    match (request.method.as_str(), request.path.strip_prefix("/repos/o/r").unwrap_or(&request.path)) {
        ("GET", "/pulls") if request.query.to_ascii_lowercase().contains("head=o%3atopic") => {
            said(json!([{"number": 7, "head": {"sha": data.head}}]))
        }
        ("GET", path) if path == format!("/commits/{}/pulls", data.merged) => {
            said(json!([{"number": 7, "head": {"sha": data.head}, "merge_commit_sha": data.merged}]))
        }
        ("GET", path) if path.starts_with("/commits/") => said(json!([])),
        ("GET", "/actions/workflows/kompox-plan.yml/runs") if request.query.contains(&data.head) => {
            said(json!({"workflow_runs": [{"id": 11}]}))
        }
        ("GET", "/actions/runs/11/artifacts") => {
            said(json!({"artifacts": [{"name": "kompox-plan", "archive_download_url": artifact}]}))
        }
        ("GET", "/archive") => Some(data.artifact.clone()),
        ("GET", "/issues/7/comments") => {
            let stranger = json!({"id": 99, "user": {"login": "mallory"}, "body": "<!-- kompox-plan -->\nDigest: <code>hmac-sha256:0</code>"});
            let ours = data
                .comments()
                .map(|(id, body)| json!({"id": id, "user": {"login": "github-actions[bot]"}, "body": body}));
            said(std::iter::once(stranger).chain(ours).collect())
        }
        ("POST", "/issues/7/comments") => {
            data.comments.push(text());
            said(json!({}))
        }
        ("PATCH", path) if path.starts_with("/issues/comments/") => {
            *data.comments.get_mut(request.number() - 1)? = text();
            said(json!({}))
        }
        ("GET", "/issues") if request.query == "labels=kompox-drift&state=open" => {
            said(data.open().iter().map(|n| json!({"number": n, "body": data.issues[n - 1].0})).collect())
        }
        ("POST", "/issues") => {
            data.issues.push((text(), true));
            said(json!({}))
        }
        ("POST", path) if path.starts_with("/issues/") && path.ends_with("/comments") => said(json!({})),
        ("PATCH", path) if path.starts_with("/issues/") => {
            let issue = data.issues.get_mut(request.number() - 1)?;
            *issue = if body["state"] == "closed" { (issue.0.clone(), false) } else { (text(), true) };
            said(json!({}))
        }
        _ => None,
    }
}

/// GitLab's REST API, version 4, as far as the example calls it.
pub fn gitlab(request: &Request, data: &mut Data, _: &str) -> Option<Vec<u8>> {
    match (request.method.as_str(), request.path.strip_prefix("/projects/5").unwrap_or(&request.path)) {
        ("GET", "/user") => said(json!({"id": 3})),
        ("GET", path) if path == format!("/repository/commits/{}/merge_requests", data.merged) => {
            said(json!([{"iid": 7, "state": "merged", "sha": data.head}]))
        }
        ("GET", path) if path.starts_with("/repository/commits/") => said(json!([])),
        ("GET", "/merge_requests/7/pipelines") => said(json!([{"id": 11, "status": "success", "sha": data.head}])),
        ("GET", "/pipelines/11/jobs") => said(json!([{"id": 13, "name": "plan"}, {"id": 14, "name": "comment"}])),
        ("GET", "/jobs/13/artifacts/out/p.kplan") => Some(data.artifact.clone()),
        ("GET", "/merge_requests/7/notes") => {
            let stranger = json!({"id": 99, "author": {"id": 4}, "body": "<!-- kompox-plan -->\nDigest: <code>hmac-sha256:0</code>"});
            let ours = data.comments().map(|(id, body)| json!({"id": id, "author": {"id": 3}, "body": body}));
            said(std::iter::once(stranger).chain(ours).collect())
        }
        ("POST", "/merge_requests/7/notes") => {
            data.comments.push(request.field("body"));
            said(json!({}))
        }
        ("PUT", path) if path.starts_with("/merge_requests/7/notes/") => {
            *data.comments.get_mut(request.number() - 1)? = request.field("body");
            said(json!({}))
        }
        ("GET", "/issues") if request.query == "labels=kompox-drift&state=opened" => {
            said(data.open().iter().map(|n| json!({"iid": n})).collect())
        }
        ("POST", "/issues") => {
            data.issues.push((request.field("description"), true));
            said(json!({}))
        }
        ("PUT", path) if path.starts_with("/issues/") => {
            let issue = data.issues.get_mut(request.number() - 1)?;
            let closed = request.field("state_event") == "close";
            *issue = if closed { (issue.0.clone(), false) } else { (request.field("description"), true) };
            said(json!({}))
        }
        _ => None,
    }
}

/// The REST API of Azure DevOps, version 7.1, as far as the example calls it.
pub fn azure(request: &Request, data: &mut Data, here: &str) -> Option<Vec<u8>> {
    let body = request.json();
    let (git, wit) = ("/p/_apis/git/repositories/r", "/p/_apis/wit");
    let path = request.path.strip_prefix(git).or(request.path.strip_prefix(wit)).unwrap_or(&request.path);
    let field = |name: &str| {
        let fields = body.as_array().into_iter().flatten();
        let found = fields.into_iter().find(|field| field["path"] == format!("/fields/System.{name}"));
        found.and_then(|field| field["value"].as_str()).unwrap_or_default().to_owned()
    };
    match (request.method.as_str(), path) {
        ("GET", "/pullrequests") => {
            said(json!({"value": [{"pullRequestId": 7, "lastMergeCommit": {"commitId": data.merged}}]}))
        }
        ("GET", "/pullRequests/7/threads") => {
            let ours = data.comments().map(|(id, body)| json!({"id": id, "comments": [{"id": 1, "content": body}]}));
            let system = json!({"id": 98, "comments": [{"id": 1}]});
            said(json!({"value": std::iter::once(system).chain(ours).collect::<Vec<_>>()}))
        }
        ("POST", "/pullRequests/7/threads") => {
            data.comments.push(body["comments"][0]["content"].as_str()?.to_owned());
            said(json!({}))
        }
        ("PATCH", path) if path.starts_with("/pullRequests/7/threads/") => {
            let thread: usize = path.split('/').nth(4)?.parse().ok()?;
            *data.comments.get_mut(thread - 1)? = body["content"].as_str()?.to_owned();
            said(json!({}))
        }
        ("GET", "/p/_apis/build/builds") if request.query.contains("branchName=refs/pull/7/merge") => {
            said(json!({"value": [{"id": 11}]}))
        }
        ("GET", "/p/_apis/build/builds/11/artifacts") => {
            said(json!({"resource": {"downloadUrl": format!("{here}/archive")}}))
        }
        ("GET", "/archive") => Some(data.artifact.clone()),
        ("POST", "/wiql") => {
            said(json!({"workItems": data.open().iter().map(|n| json!({"id": n})).collect::<Vec<_>>()}))
        }
        ("POST", "/workitems/$Issue") => {
            data.issues.push((field("Description"), true));
            said(json!({}))
        }
        ("PATCH", path) if path.starts_with("/workitems/") => {
            let issue = data.issues.get_mut(request.number() - 1)?;
            *issue = if field("State") == "Done" { (issue.0.clone(), false) } else { (field("Description"), true) };
            said(json!({}))
        }
        _ => None,
    }
}
