//! The HTTP server: reads a request, logs it, lets due operations take effect, meets out faults, has it served, answers.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use super::arm::{self, Answer, Content, Failure, Route};
use super::clock::Clock;
use super::config::{Config, Latency};
use super::door::{self, Door, TOKEN_PREFIX};
use super::error::SandboxError;
use super::fault::{Fault, FaultRule, Faults, Subject};
use super::kube_api::{Body, KubeRequest, KubernetesApi, kubernetes_status};
use super::world::{World, WorldError};
use super::{control, log, standing};

/// The longest request body.
const LONGEST_BODY: usize = 16 << 20;

/// How long running requests may take when the server stops.
const GRACE: Duration = Duration::from_secs(2);

/// Where the API servers of clusters are.
const KUBERNETES: &str = "/kubernetes/";

const CONTROL: &str = "/_sandbox/";

type Reply = Response<UnsyncBoxBody<Bytes, std::io::Error>>;

/// The connection is to be reset instead of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is reset on purpose")]
struct Reset;

struct App {
    world: World,
    kube: Arc<dyn KubernetesApi>,
    settings: arm::Settings,
    faults: Faults,
    /// Requests that are served at the same time: more threads than processors, each with caches and memory of its own, and
    /// all but one waiting for the writer, cost more than they give.
    turns: Semaphore,
    latency: Latency,
    clock: Clock,
    token: String,
    token_required: bool,
}

/// A running server.
#[derive(Debug)]
pub(super) struct Handle {
    address: SocketAddr,
    token: String,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Handle {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    pub async fn stop(self) {
        self.stop.send_replace(true);
        // An error says that the task has ended already.
        let _ = self.accepting.await;
    }
}

/// Opens the world and starts to accept connections.
pub(super) async fn start(
    config: Config,
    listen: SocketAddr,
    kube: Arc<dyn KubernetesApi>,
) -> Result<Handle, SandboxError> {
    let cannot_listen = |source| SandboxError::Listen { address: listen, source };
    let listener = TcpListener::bind(listen).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    let schema = kube.schema();
    let data = config.data.clone();
    let (world, token) = blocking(move || {
        let world = World::open(&data, schema)?;
        world.write(log::prune)?;
        Ok::<_, WorldError>((world, door::token(&data)?))
    })
    .await
    .ok_or(SandboxError::Stopped)??;
    let app = Arc::new(App {
        world,
        kube,
        settings: arm::Settings {
            page_size: config.page_size,
            operation_delay: config.operation_delay,
            token: token.clone(),
        },
        turns: Semaphore::new(std::thread::available_parallelism().map_or(4, |all| 2 * usize::from(all))),
        faults: Faults::new(config.faults, config.seed),
        latency: config.latency,
        clock: config.clock,
        token: token.clone(),
        token_required: config.token_required,
    });
    let (stop, stopped) = watch::channel(false);
    let accepting = tokio::spawn(accept(app, listener, stopped));
    Ok(Handle { address, token, stop, accepting })
}

/// Runs database work where it may block; none when the runtime is shutting down or the work panicked.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

async fn accept(app: Arc<App>, listener: TcpListener, stopped: watch::Receiver<bool>) {
    let mut stopping = stopped.clone();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = is_stopped(&mut stopping) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let own = stream.local_addr().ok().filter(|_| !app.token_required);
                    let door = Arc::new(Door::new(&app.token, peer, own));
                    connections.spawn(serve_connection(Arc::clone(&app), door, stream, stopped.clone()));
                }
                // Out of file descriptors, or a client that left at once: try again a little later.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // Watches do not end by themselves; dropping the set closes what is left.
    let _ = tokio::time::timeout(GRACE, ended).await;
}

/// Returns when the server is to stop, which a dropped handle means too.
async fn is_stopped(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn serve_connection(app: Arc<App>, door: Arc<Door>, stream: TcpStream, mut stopped: watch::Receiver<bool>) {
    // Small answers are the rule; waiting to fill a packet would only cost time.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| serve(Arc::clone(&app), Arc::clone(&door), request));
    let mut connection = http1::Builder::new().keep_alive(true).serve_connection(TokioIo::new(stream), service);
    let mut stopping = false;
    let result = loop {
        tokio::select! {
            result = &mut connection => break result,
            () = is_stopped(&mut stopped), if !stopping => {
                stopping = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let resets = result.is_err_and(|error| error.source().is_some_and(<dyn Error>::is::<Reset>));
    if resets {
        // Without lingering, closing a connection resets it.
        let stream = connection.into_parts().io.into_inner();
        let _ = stream.set_zero_linger();
    }
}

/// What the faults that strike a request come to.
#[derive(Default)]
struct Strikes {
    delay: Duration,
    instead: Option<FaultRule>,
    fail: bool,
    reset_after: bool,
    truncate: bool,
}

impl Strikes {
    fn of(rules: Vec<&FaultRule>) -> Self {
        let mut strikes = Self::default();
        for rule in rules {
            match rule.fault {
                Fault::Latency(delay) => strikes.delay += delay,
                Fault::Fail => strikes.fail = true,
                Fault::ResetAfter => strikes.reset_after = true,
                Fault::Truncate => strikes.truncate = true,
                Fault::Status(_) | Fault::ResetBefore | Fault::Quota | Fault::Nonsense => {
                    strikes.instead.get_or_insert_with(|| rule.clone());
                }
            }
        }
        strikes
    }
}

/// What a path leads to.
enum Destination {
    Arm(Result<Route, Failure>),
    Kubernetes { cluster: Option<String>, path: String },
}

/// A request in parts.
struct Parts {
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
    host: String,
    now_ms: i64,
}

async fn serve(app: Arc<App>, door: Arc<Door>, request: Request<Incoming>) -> Result<Reply, Reset> {
    let (head, body) = request.into_parts();
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    if !is_loopback(&host) || head.headers.contains_key(ORIGIN) {
        // A page in a browser must not reach the sandbox, whatever name it resolves to loopback.
        return Ok(envelope(
            403,
            "Forbidden",
            "The sandbox is reached by its loopback address only, and not by web pages.",
        ));
    }
    // Before anything of the request is read or written down.
    let admitted = match door.knows(&head.headers) {
        Some(known) => known,
        None => blocking(move || door.is_of_same_user()).await == Some(true),
    };
    if !admitted {
        drain(body).await;
        return Ok(refusal(
            !head.uri.path().starts_with(KUBERNETES),
            0,
            401,
            "AuthenticationFailed",
            "Unauthorized",
            "Another user's sandbox is entered with its token, which is in the file `token` beside its world: kompox takes it from KOMPOX_SANDBOX_TOKEN, others send it as bearer token.",
        ));
    }
    let Ok(body) = Limited::new(body, LONGEST_BODY).collect().await else {
        return Ok(envelope(413, "RequestEntityTooLarge", "The request body is too long or broke off."));
    };
    let query = head.uri.query().unwrap_or_default();
    let parts = Parts {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: head.headers,
        body: body.to_bytes(),
        host,
        now_ms: app.clock.now_ms(),
    };
    if let Some(path) = parts.path.strip_prefix(CONTROL).map(str::to_owned) {
        let answer = blocking(move || {
            // What is shown is what a client would find now.
            let settled = app.world.write(|tx| arm::settle(tx, app.kube.as_ref(), parts.now_ms));
            settled.map(|_| {
                control::handle(&app.world, app.kube.as_ref(), &parts.method, &path, &parts.body, parts.now_ms)
            })
        });
        return Ok(match answer.await {
            Some(Ok((status, body))) => reply(status, "application/json", body.to_string()),
            Some(Err(error)) => envelope(500, "InternalServerError", &error.to_string()),
            None => envelope(500, "InternalServerError", "The sandbox is stopping."),
        });
    }
    let target = head.uri.path_and_query().map_or_else(|| parts.path.clone(), ToString::to_string);
    serve_logged(app, parts, target).await
}

/// Reads a body away, so that its sender gets to the answer.
async fn drain(mut body: Incoming) {
    let mut left = LONGEST_BODY;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        if length > left {
            return;
        }
        left -= length;
    }
}

/// Whether a `Host` header names this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What became of a request when it had been written down.
enum Begun {
    Served(Reply),
    /// It waits, or never gets to what it asks for.
    Held(Box<(i64, Parts, Destination)>),
}

async fn serve_logged(app: Arc<App>, parts: Parts, target: String) -> Result<Reply, Reset> {
    let destination = destination(&parts);
    let strikes = Strikes::of(app.faults.decide(&subject(&parts, &destination)));
    let reading = matches!(parts.method, Method::GET | Method::HEAD);
    let delay = strikes.delay + if reading { app.latency.read } else { app.latency.write };
    let at_once = delay.is_zero() && strikes.instead.is_none() && is_authorized(&parts.headers);
    let (work, fail) = (Arc::clone(&app), strikes.fail);
    let turn = if at_once { app.turns.acquire().await.ok() } else { None };
    let begun = blocking(move || {
        let seq = begin(&work, &parts, &target)?;
        // On this thread still: handing over costs more than most requests do.
        Ok::<_, WorldError>(match at_once {
            true => Begun::Served(respond(&work, parts, destination, seq, fail)),
            false => Begun::Held(Box::new((seq, parts, destination))),
        })
    });
    let begun = begun.await;
    drop(turn);
    let answer = match begun {
        Some(Ok(Begun::Served(answer))) => answer,
        Some(Ok(Begun::Held(held))) => match serve_held(&app, *held, delay, &strikes).await? {
            Ok(answer) => answer,
            Err(refused) => return Ok(refused),
        },
        Some(Err(error)) => return Ok(envelope(500, "InternalServerError", &error.to_string())),
        None => return Ok(envelope(500, "InternalServerError", "The sandbox is stopping.")),
    };
    if strikes.reset_after {
        return Err(Reset);
    }
    if strikes.truncate { truncated(answer).await } else { Ok(answer) }
}

/// Writes a request down, after what was due before it has taken effect; gives its number.
fn begin(app: &App, parts: &Parts, target: &str) -> Result<i64, WorldError> {
    let (changed, seq) = app.world.write_quietly(|tx| {
        let changed = arm::settle(tx, app.kube.as_ref(), parts.now_ms)?;
        Ok::<_, WorldError>((changed, log::begin(tx, parts.now_ms, parts.method.as_str(), target)?))
    })?;
    if changed {
        app.world.notify();
    }
    Ok(seq)
}

/// Serves a request after its delay; or gives, as an error, what it gets instead.
async fn serve_held(
    app: &Arc<App>,
    (seq, parts, destination): (i64, Parts, Destination),
    delay: Duration,
    strikes: &Strikes,
) -> Result<Result<Reply, Reply>, Reset> {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let is_arm = matches!(destination, Destination::Arm(_));
    if let Some(rule) = &strikes.instead {
        let outcome = struck(rule, is_arm, seq);
        let status = outcome.as_ref().ok().map(|reply| reply.status().as_u16());
        finish(app, seq, status).await;
        return outcome.map(Err);
    }
    if !is_authorized(&parts.headers) {
        finish(app, seq, Some(401)).await;
        return Ok(Err(refusal(
            is_arm,
            seq,
            401,
            "AuthenticationFailed",
            "Unauthorized",
            "Authentication failed. The sandbox takes any bearer token that begins with 'sandbox-'.",
        )));
    }
    let (work, fail) = (Arc::clone(app), strikes.fail);
    let served = blocking(move || respond(&work, parts, destination, seq, fail));
    Ok(served.await.ok_or_else(|| envelope(500, "InternalServerError", "The sandbox is stopping.")))
}

fn respond(app: &App, parts: Parts, destination: Destination, seq: i64, fail: bool) -> Reply {
    match destination {
        Destination::Arm(route) => serve_arm(app, parts, route, seq, fail),
        Destination::Kubernetes { cluster, path } => serve_kubernetes(app, parts, cluster, path, seq, fail),
    }
}

async fn finish(app: &Arc<App>, seq: i64, status: Option<u16>) {
    let app = Arc::clone(app);
    // The log then shows the request as running, which is as much as is known.
    let _ = blocking(move || app.world.write_quietly(|tx| log::finish(tx, seq, status, false))).await;
}

fn is_authorized(headers: &HeaderMap) -> bool {
    door::bearer(headers).is_some_and(|token| token.starts_with(TOKEN_PREFIX))
}

fn destination(parts: &Parts) -> Destination {
    match parts.path.strip_prefix(KUBERNETES) {
        Some(rest) => {
            let (mount, path) = rest.split_once('/').unwrap_or((rest, ""));
            Destination::Kubernetes { cluster: arm::cluster_of_mount(mount), path: format!("/{path}") }
        }
        None => Destination::Arm(arm::parse(&parts.path, parts.method == Method::POST)),
    }
}

/// What fault rules know a request as.
fn subject(parts: &Parts, destination: &Destination) -> Subject {
    let (resource, collection, watch) = match destination {
        Destination::Arm(Ok(route)) => {
            let (resource, collection) = route.subject();
            (resource, collection, false)
        }
        Destination::Arm(Err(_)) => (String::new(), false, false),
        Destination::Kubernetes { path, .. } => {
            let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
            let rest = words.get(if path.starts_with("/apis/") { 3 } else { 2 }..).unwrap_or_default();
            // `namespaces/x/pods/y` is about a Pod, `namespaces/x` about a Namespace.
            let rest = if rest.first() == Some(&"namespaces") && rest.len() > 2 { &rest[2..] } else { rest };
            let watch = parts.query.iter().any(|(key, value)| key == "watch" && (value == "true" || value == "1"));
            (rest.first().copied().unwrap_or_default().to_lowercase(), rest.len() == 1, watch)
        }
    };
    let verb = match parts.method {
        Method::GET if watch => "watch",
        Method::GET if collection => "list",
        Method::GET => "get",
        Method::HEAD => "head",
        Method::PUT => "put",
        Method::POST => "post",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "",
    };
    Subject { resource, verb }
}

fn serve_arm(app: &App, parts: Parts, route: Result<Route, Failure>, seq: i64, fail: bool) -> Reply {
    let request = arm::Request {
        method: parts.method,
        path: parts.path,
        query: parts.query,
        headers: parts.headers,
        body: parts.body,
        seq,
        now_ms: parts.now_ms,
        base: format!("http://{}", parts.host),
        fail,
    };
    let kube = app.kube.as_ref();
    let answer = route.and_then(|route| {
        let serve = |tx: &rusqlite::Transaction<'_>| arm::handle(tx, kube, &app.settings, &request, &route);
        if !arm::writes(&request.method) {
            return app.world.read(serve);
        }
        app.world.write(|tx| {
            let answer = serve(tx)?;
            if fail && answer.effect && !answer.headers.iter().any(|(name, _)| *name == "retry-after") {
                return Err(Failure::new(
                    500,
                    "InternalServerError",
                    "The sandbox was asked to let this operation fail.",
                ));
            }
            // In the same transaction: the log never misses an effect.
            log::finish(tx, seq, Some(answer.status), answer.effect)?;
            Ok(answer)
        })
    });
    let logged = arm::writes(&request.method) && answer.is_ok();
    let answer = answer.unwrap_or_else(|failure| {
        let (status, body) = failure.envelope();
        Answer { status, headers: Vec::new(), content: Content::Json(body), effect: false }
    });
    if !logged {
        // See `finish`.
        let _ = app.world.write_quietly(|tx| log::finish(tx, seq, Some(answer.status), false));
    }
    arm_reply(answer, &request.method, seq)
}

fn arm_reply(answer: Answer, method: &Method, seq: i64) -> Reply {
    let text = match answer.content {
        Content::None => String::new(),
        Content::Json(body) => body.to_string(),
        Content::Text(text) => text,
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = reply(status, "application/json; charset=utf-8", text);
    if answer.status == 204 {
        response.headers_mut().remove(CONTENT_TYPE);
    }
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    add_ids(response.headers_mut(), seq);
    // Subscription buckets of the real service; the sandbox never empties them, throttling is a fault.
    let bucket = match *method {
        Method::GET | Method::HEAD => "x-ms-ratelimit-remaining-subscription-reads",
        Method::DELETE => "x-ms-ratelimit-remaining-subscription-deletes",
        _ => "x-ms-ratelimit-remaining-subscription-writes",
    };
    response.headers_mut().insert(HeaderName::from_static(bucket), HeaderValue::from_static("199"));
    response
}

fn add_ids(headers: &mut HeaderMap, seq: i64) {
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("request/{seq}").as_bytes()).to_string();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(HeaderName::from_static("x-ms-request-id"), value.clone());
        headers.insert(HeaderName::from_static("x-ms-correlation-request-id"), value);
    }
}

fn serve_kubernetes(app: &App, parts: Parts, cluster: Option<String>, path: String, seq: i64, fail: bool) -> Reply {
    let cluster = cluster.and_then(|cluster| {
        if cluster.starts_with(standing::PREFIX) {
            return standing::ensure(&app.world, app.kube.as_ref(), &cluster, parts.now_ms).is_ok().then_some(cluster);
        }
        let serving = app.world.read(|tx| arm::serving(tx, &cluster)).unwrap_or(false);
        serving.then_some(cluster)
    });
    let writes = arm::writes(&parts.method) && !parts.query.iter().any(|(key, _)| key == "dryRun");
    let mut logged = false;
    let answer = match cluster {
        None => {
            let message = "there is no such cluster in the sandbox, or it is still being created";
            reply(
                StatusCode::SERVICE_UNAVAILABLE,
                "application/json",
                kubernetes_status(503, "ServiceUnavailable", message).to_string(),
            )
        }
        Some(_) if fail => {
            let message = "the sandbox was asked to let this request fail";
            reply(
                StatusCode::INTERNAL_SERVER_ERROR,
                "application/json",
                kubernetes_status(500, "InternalError", message).to_string(),
            )
        }
        Some(cluster) => {
            let request = KubeRequest {
                method: parts.method,
                path,
                query: parts.query,
                headers: parts.headers,
                body: parts.body,
                now_ms: parts.now_ms,
                seq: Some(seq),
            };
            let served = app.kube.handle(&app.world, &cluster, request);
            logged = served.logged;
            let body = match served.body {
                Body::Full(bytes) => Full::new(bytes).map_err(|never| match never {}).boxed_unsync(),
                Body::Stream(mut chunks) => {
                    let frames = stream::poll_fn(move |context| {
                        chunks.poll_recv(context).map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes))))
                    });
                    StreamBody::new(frames).boxed_unsync()
                }
            };
            let mut response = Response::new(body);
            *response.status_mut() = served.status;
            *response.headers_mut() = served.headers;
            if let Ok(content_type) = HeaderValue::from_str(&served.content_type) {
                response.headers_mut().insert(CONTENT_TYPE, content_type);
            }
            response
        }
    };
    if !logged {
        let effect = writes && answer.status().is_success();
        // See `finish`.
        let _ = app.world.write_quietly(|tx| log::finish(tx, seq, Some(answer.status().as_u16()), effect));
    }
    answer
}

/// The answer that a fault puts in place of the real one.
fn struck(rule: &FaultRule, is_arm: bool, seq: i64) -> Result<Reply, Reset> {
    let text = |status, code, reason, message| Ok(refusal(is_arm, seq, status, code, reason, message));
    let mut response: Result<Reply, Reset> = match rule.fault {
        Fault::ResetBefore => return Err(Reset),
        Fault::Nonsense => Ok(reply(
            StatusCode::OK,
            "text/html",
            "<html><body>This is not the answer you are looking for.</body></html>".into(),
        )),
        Fault::Quota if is_arm => text(
            409,
            "QuotaExceeded",
            "",
            "Operation could not be completed as it results in exceeding approved quota. Request a quota increase.",
        ),
        Fault::Quota => text(403, "", "Forbidden", "exceeded quota"),
        Fault::Status(429) => text(429, "TooManyRequests", "TooManyRequests", "The request is being throttled."),
        Fault::Status(503) => text(503, "ServerTimeout", "ServiceUnavailable", "The service is unavailable."),
        Fault::Status(409) => text(409, "Conflict", "Conflict", "The request conflicts with another operation."),
        Fault::Status(403) => text(
            403,
            "AuthorizationFailed",
            "Forbidden",
            "The client does not have authorization to perform this action.",
        ),
        Fault::Status(401) => text(401, "ExpiredAuthenticationToken", "Unauthorized", "The access token has expired."),
        _ => text(500, "InternalServerError", "InternalError", "The server encountered an internal error."),
    };
    if let Ok(response) = &mut response {
        let wait = match (rule.fault, rule.retry_after) {
            (_, Some(seconds)) => Some(seconds),
            (Fault::Status(429), None) => Some(1),
            _ => None,
        };
        if let Some(seconds) = wait {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
    }
    response
}

/// An error answer as the part that the request was for gives it.
fn refusal(is_arm: bool, seq: i64, status: u16, code: &str, reason: &str, message: &str) -> Reply {
    let mut response = if is_arm {
        envelope(status, code, message)
    } else {
        let status_code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        reply(status_code, "application/json", kubernetes_status(status, reason, message).to_string())
    };
    add_ids(response.headers_mut(), seq);
    if status == 401 {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn envelope(status: u16, code: &str, message: &str) -> Reply {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply(
        status,
        "application/json; charset=utf-8",
        json!({ "error": { "code": code, "message": message } }).to_string(),
    )
}

fn reply(status: StatusCode, content_type: &'static str, text: String) -> Reply {
    let mut response = Response::new(Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The same answer, which breaks off in the middle of its body.
async fn truncated(answer: Reply) -> Result<Reply, Reset> {
    let (mut head, body) = answer.into_parts();
    if hyper::body::Body::size_hint(&body).exact().is_none() {
        // A watch has no middle.
        return Err(Reset);
    }
    let Ok(body) = body.collect().await else { return Err(Reset) };
    let bytes = body.to_bytes();
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len().max(1)));
    let mut step = 0;
    let half = bytes.slice(..bytes.len() / 2);
    let frames = stream::poll_fn(move |context| {
        step += 1;
        match step {
            1 => Poll::Ready(Some(Ok(Frame::data(half.clone())))),
            // The pause lets the first half reach the client before the connection goes.
            2 => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            _ => Poll::Ready(Some(Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)))),
        }
    });
    Ok(Response::from_parts(head, StreamBody::new(frames).boxed_unsync()))
}
