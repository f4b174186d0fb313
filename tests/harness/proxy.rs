//! An HTTP proxy between a run and its cloud. It numbers requests as they come and strikes at an exact one: before the
//! cloud saw it, after it took effect and nobody was told, or after the answer went out.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use rustix::process::{Pid, Signal, kill_process};

use super::{patience, within};

/// When, relative to a request, the strike falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The cloud never sees the request.
    Before,
    /// The cloud did it, and the answer is lost.
    Unanswered,
    /// The answer has just been sent.
    Answered,
}

impl Moment {
    pub const ALL: [Self; 3] = [Self::Before, Self::Unanswered, Self::Answered];
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    pub target: String,
}

impl Seen {
    /// Whether it is this method on a path that contains `part`.
    pub fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.target.contains(part)
    }
}

type Choice = Box<dyn FnMut(usize, &Seen) -> bool + Send>;

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    trap: Option<(Choice, Moment)>,
    victim: Option<u32>,
    sprung: bool,
    in_flight: usize,
}

/// A running proxy. It ends with the test's process.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Proxy {
    /// Starts one in front of `upstream`.
    pub fn start(upstream: &str) -> Self {
        let upstream: SocketAddr = upstream.trim_start_matches("http://").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = shared.clone();
                // A connection that breaks is what the tests are about.
                std::thread::spawn(move || drop(serve(&client, upstream, &shared)));
            }
        });
        Self { address, state }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Kills the victim at the first request for which `choice` (ordinal from 1, request) is true.
    pub fn trap(&self, moment: Moment, choice: impl FnMut(usize, &Seen) -> bool + Send + 'static) {
        let mut state = self.state.0.lock().unwrap();
        *state = State { in_flight: state.in_flight, trap: Some((Box::new(choice), moment)), ..State::default() };
    }

    /// Only counts from now on.
    pub fn watch(&self) {
        let mut state = self.state.0.lock().unwrap();
        *state = State { in_flight: state.in_flight, ..State::default() };
    }

    /// Names the process to be killed; a trap that is sprung before waits for this.
    pub fn victim(&self, pid: u32) {
        self.state.0.lock().unwrap().victim = Some(pid);
        self.state.1.notify_all();
    }

    /// Whether the trap has caught somebody.
    pub fn sprung(&self) -> bool {
        self.state.0.lock().unwrap().sprung
    }

    /// All requests since the last trap or watch.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.0.lock().unwrap().seen.clone()
    }

    /// Waits for a request that fits.
    pub fn until(&self, what: &str, choice: impl Fn(&Seen) -> bool) {
        within(what, || self.seen().iter().any(&choice));
    }

    /// Waits until the cloud works on nothing any more.
    pub fn quiet(&self) {
        within("requests of the killed process to end", || self.state.0.lock().unwrap().in_flight == 0);
    }
}

fn serve(client: &TcpStream, upstream: SocketAddr, shared: &Arc<(Mutex<State>, Condvar)>) -> io::Result<()> {
    let server = TcpStream::connect(upstream)?;
    for stream in [client, &server] {
        stream.set_nodelay(true)?;
    }
    let (mut requests, mut answers) = (BufReader::new(client), BufReader::new(&server));
    while let Some(request) = read_message(&mut requests, false)? {
        let line =
            String::from_utf8_lossy(request.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
        let mut words = line.split(' ').map(str::to_owned);
        let seen = Seen { method: words.next().unwrap_or_default(), target: words.next().unwrap_or_default() };
        let strike = {
            let mut state = shared.0.lock().unwrap();
            state.seen.push(seen.clone());
            state.in_flight += 1;
            let ordinal = state.seen.len();
            let struck = !state.sprung && state.trap.as_mut().is_some_and(|(choice, _)| choice(ordinal, &seen));
            state.sprung |= struck;
            state.trap.as_ref().map(|(_, moment)| *moment).filter(|_| struck)
        };
        let result = pass(client, &server, &mut answers, &request, strike, shared);
        shared.0.lock().unwrap().in_flight -= 1;
        if !result? {
            break;
        }
    }
    Ok(())
}

/// Passes one request on and its answer back; false when the connection is at its end.
fn pass(
    mut client: &TcpStream,
    mut server: &TcpStream,
    answers: &mut BufReader<&TcpStream>,
    request: &[u8],
    strike: Option<Moment>,
    shared: &Arc<(Mutex<State>, Condvar)>,
) -> io::Result<bool> {
    if strike == Some(Moment::Before) {
        kill(shared);
        return Ok(false);
    }
    server.write_all(request)?;
    let Some(answer) = read_message(answers, true)? else { return Ok(false) };
    if strike == Some(Moment::Unanswered) {
        kill(shared);
        return Ok(false);
    }
    client.write_all(&answer)?;
    if strike == Some(Moment::Answered) {
        kill(shared);
        return Ok(false);
    }
    Ok(true)
}

fn kill(shared: &Arc<(Mutex<State>, Condvar)>) {
    let (state, changed) = &**shared;
    let state = state.lock().unwrap();
    let (state, _) = changed.wait_timeout_while(state, patience(), |state| state.victim.is_none()).unwrap();
    let pid = state.victim.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).expect("a victim is named");
    // The child is not waited for yet, so its id is nobody else's.
    kill_process(pid, Signal::KILL).unwrap();
}

/// A whole HTTP/1.1 message with its body, or none at the end of the stream.
fn read_message(stream: &mut BufReader<&TcpStream>, answer: bool) -> io::Result<Option<Vec<u8>>> {
    let mut message = Vec::new();
    let (mut length, mut chunked) = (0, false);
    loop {
        let start = message.len();
        if stream.read_until(b'\n', &mut message)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&message[start..]).trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
    }
    assert!(answer || !chunked, "the proxy does not read chunked requests");
    let mut body = |length: u64, message: &mut Vec<u8>| -> io::Result<()> {
        let read = stream.take(length).read_to_end(message)?;
        if read as u64 == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    };
    if !chunked {
        body(length, &mut message)?;
        return Ok(Some(message));
    }
    loop {
        let start = message.len();
        while !message[start..].ends_with(b"\r\n") {
            body(1, &mut message)?;
        }
        let size = String::from_utf8_lossy(&message[start..]).trim().to_owned();
        let size = u64::from_str_radix(&size, 16).map_err(io::Error::other)?;
        body(size + 2, &mut message)?;
        if size == 0 {
            return Ok(Some(message));
        }
    }
}
