//! A small HTTP client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::patience;

/// An answer.
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The whole head, as it was sent.
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
    stream.set_read_timeout(Some(patience())).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in head {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut head).unwrap(), 0, "an answer has a head: {head}");
    }
    head.truncate(head.len() - 4);
    // Not every server closes the connection when it is asked to.
    let mut body = Vec::new();
    match header(&head, "content-length").map(|length| length.parse().expect("a number of bytes")) {
        Some(length) => stream.take(length).read_to_end(&mut body).unwrap(),
        None => stream.read_to_end(&mut body).unwrap(),
    };
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
