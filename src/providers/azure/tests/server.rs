//! A scripted HTTP server on loopback: a list of expected requests with their answers, in any order where paths differ.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use url::Url;

/// What happens instead of a whole answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Reset,
    CutOff,
}

/// An answer; `{url}` in headers and body stands for the server's own URL.
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    fault: Fault,
}

/// A JSON answer.
pub fn json(status: u16, body: Value) -> Answer {
    text(status, &body.to_string()).with("content-type", "application/json")
}

/// Any answer.
pub fn text(status: u16, body: &str) -> Answer {
    Answer { status, headers: vec![("x-ms-request-id", "req-1".into())], body: body.into(), fault: Fault::None }
}

/// An error envelope.
pub fn refusal(status: u16, code: &str, message: &str) -> Answer {
    json(status, serde_json::json!({"error": {"code": code, "message": message}}))
}

/// The connection is closed without an answer.
pub fn reset() -> Answer {
    Answer { fault: Fault::Reset, ..text(200, "") }
}

/// The body ends in its middle.
pub fn cut_off() -> Answer {
    Answer { fault: Fault::CutOff, ..text(200, "{\"id\":") }
}

impl Answer {
    /// With a header.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A request that came.
#[derive(Clone)]
pub struct Seen {
    /// `METHOD PATH`.
    pub line: String,
    pub query: String,
    pub headers: http::HeaderMap,
    /// The body as text, and as JSON if it is.
    pub text: String,
    pub body: Value,
}

type Script = Vec<(String, Answer)>;

#[derive(Default)]
struct World {
    script: Script,
    seen: Vec<Seen>,
    unexpected: Vec<String>,
}

pub struct Server {
    pub url: Url,
    world: Arc<Mutex<World>>,
}

impl Server {
    /// Serves `script`: each entry once, `METHOD PATH` with its answer; entries of one line in their order.
    pub async fn start<const N: usize>(script: [(&str, Answer); N]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let script = script.into_iter().map(|(line, answer)| (line.to_owned(), answer)).collect();
        let world = Arc::new(Mutex::new(World { script, ..World::default() }));
        let (shared, base) = (world.clone(), url.as_str().trim_end_matches('/').to_owned());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (shared, base) = (shared.clone(), base.clone());
                let service = service_fn(move |request| answer(shared.clone(), base.clone(), request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service),
                );
            }
        });
        Self { url, world }
    }

    /// What came, in order; fails if anything unexpected came or something expected did not.
    pub fn finish(&self) -> Vec<Seen> {
        let world = self.world.lock().unwrap();
        let left: Vec<&String> = world.script.iter().map(|(line, _)| line).collect();
        assert!(
            world.unexpected.is_empty() && left.is_empty(),
            "unexpected: {:?}\nnot asked: {left:?}",
            world.unexpected
        );
        world.seen.clone()
    }

    /// How often each request came.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for seen in self.finish() {
            *counts.entry(seen.line).or_insert(0) += 1;
        }
        counts
    }
}

type Body = BoxBody<Bytes, std::io::Error>;

async fn answer(
    world: Arc<Mutex<World>>,
    base: String,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Body>, std::io::Error> {
    let line = format!("{} {}", request.method(), request.uri().path());
    let query = request.uri().query().unwrap_or_default().to_owned();
    let headers = request.headers().clone();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(&body).into_owned();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let answer = {
        let mut world = world.lock().unwrap();
        world.seen.push(Seen { line: line.clone(), query, headers, text, body });
        match world.script.iter().position(|(expected, _)| *expected == line) {
            Some(position) => world.script.remove(position).1,
            None => {
                world.unexpected.push(line);
                refusal(418, "Unexpected", "not in the script")
            }
        }
    };
    let fill = |text: &str| text.replace("{url}", &base);
    let body = Bytes::from(fill(&answer.body));
    let mut response = hyper::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, fill(value));
    }
    let broken = || std::io::Error::other("broken on purpose");
    let body: Body = match answer.fault {
        Fault::Reset => return Err(broken()),
        Fault::CutOff => StreamBody::new(stream::iter([Ok(Frame::data(body)), Err(broken())])).boxed(),
        Fault::None => Full::new(body).map_err(|never: Infallible| match never {}).boxed(),
    };
    Ok(response.body(body).unwrap())
}
