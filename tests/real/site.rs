//! The web app that keeps rows in PostgreSQL, seen from its users' side.
#![allow(dead_code, reason = "the tests of each driver use a part of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::harness::http::Answer;
use crate::harness::wait_for;

/// The web app behind a Service.
#[derive(Clone)]
pub struct Site {
    cluster: &'static Cluster,
    base: String,
}

impl Site {
    /// The web app behind this Service and port of a Namespace.
    pub fn new(cluster: &'static Cluster, namespace: &str, service: &str, port: u16) -> Self {
        let base = format!("/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy");
        Self { cluster, base }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Option<Answer> {
        let answer = self.cluster.request(method, &format!("{}{path}", self.base), body.as_bytes());
        (answer.status < 300).then_some(answer)
    }

    fn text(&self, path: &str) -> Option<String> {
        self.ask("GET", path, "").map(|answer| String::from_utf8(answer.body).unwrap())
    }

    /// Writes a row, once; it is committed when this returns.
    #[track_caller]
    pub fn write(&self, row: &str) {
        wait_for("a row to be written", || {
            // An answer that was lost says nothing of the row.
            let there = self.try_rows()?.iter().any(|one| one == row);
            (there || self.ask("POST", "/rows", row).is_some()).then_some(())
        });
    }

    /// All rows in the order they came, once the app answers.
    #[track_caller]
    pub fn rows(&self) -> Vec<String> {
        wait_for("the app to answer with its rows", || self.try_rows())
    }

    /// All rows, if the app answers now.
    pub fn try_rows(&self) -> Option<Vec<String>> {
        Some(self.text("/rows")?.lines().map(str::to_owned).collect())
    }

    /// The version that answers now.
    pub fn version(&self) -> Option<String> {
        self.text("/version").map(|text| text.trim().to_owned())
    }

    /// Begins to look whether the database answers through the app.
    pub fn watch(&self) -> Watch {
        let end = Arc::new(AtomicBool::new(false));
        let (site, ends) = (self.clone(), Arc::clone(&end));
        let looking = std::thread::spawn(move || {
            let (mut longest, mut since) = (Duration::ZERO, None);
            while !ends.load(Ordering::Relaxed) {
                match (site.ask("GET", "/healthz", "").is_some(), since) {
                    (true, Some(began)) => {
                        longest = longest.max(Instant::now().duration_since(began));
                        since = None;
                    }
                    (false, None) => since = Some(Instant::now()),
                    _ => {}
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            longest.max(since.map_or(Duration::ZERO, |began| began.elapsed()))
        });
        Watch { end, looking }
    }
}

/// Looks how long an app is away.
pub struct Watch {
    end: Arc<AtomicBool>,
    looking: std::thread::JoinHandle<Duration>,
}

impl Watch {
    /// The longest time that it was away.
    pub fn longest(self) -> Duration {
        self.end.store(true, Ordering::Relaxed);
        self.looking.join().unwrap()
    }
}
