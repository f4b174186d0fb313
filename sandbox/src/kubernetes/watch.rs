//! Watches: the log of changes as a stream of JSON lines.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::super::world::{World, WorldError};
use super::emulator::Emulator;
use super::kinds::Resource;
use super::selector::{FieldSelector, LabelSelector};
use super::status::{ApiError, Status};
use super::store::{Event, Row, Store, at_version, with_type};

/// How often a watch looks by itself: changes of other processes and appointments that fall due are not announced.
const POLL: Duration = Duration::from_millis(200);
/// How long a watch lasts when the client does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// How often a client that asked for bookmarks gets one.
const BOOKMARKS: Duration = Duration::from_secs(60);

/// What a list or watch selects.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The kind.
    pub resource: &'static Resource,
    /// The Namespace; empty for all.
    pub namespace: String,
    /// The label selector.
    pub labels: LabelSelector,
    /// The field selector.
    pub fields: FieldSelector,
}

impl Selection {
    /// Whether an object belongs to it.
    ///
    /// # Errors
    /// The stored object is no JSON.
    pub fn matches(&self, row: &Row) -> Result<bool, WorldError> {
        Ok(self.labels.matches_text(&row.labels)?
            && (self.fields.is_empty() || self.fields.matches_text(&row.namespace, &row.name, &row.json)?))
    }

    /// The change as this selection sees it, with its object: one that does not belong to it any more is gone, and is told as it
    /// was (`convertToWatchEvent` in k8s.io/apiserver, pkg/storage/cacher/cache_watcher.go).
    fn sees(&self, event: &Event) -> Result<Option<(&'static str, String)>, WorldError> {
        let now = self.matches(&event.row)?;
        let before = event.old.as_ref().map(|old| Ok::<_, WorldError>((old, self.matches(old)?))).transpose()?;
        let json = || event.row.json.clone();
        Ok(match (event.kind.as_str(), before, now) {
            ("MODIFIED", Some((old, true)), false) => Some(("DELETED", at_version(&old.json, event.rv)?)),
            ("MODIFIED", Some((_, false)), true) => Some(("ADDED", json())),
            ("ADDED", _, true) => Some(("ADDED", json())),
            ("MODIFIED", _, true) => Some(("MODIFIED", json())),
            ("DELETED", _, true) => Some(("DELETED", json())),
            _ => None,
        })
    }
}

/// The parameters of a watch.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// Where to start; `None` or 0 starts with what exists.
    pub resource_version: Option<i64>,
    /// `allowWatchBookmarks`.
    pub bookmarks: bool,
    /// `sendInitialEvents`: what exists first, then a bookmark that says so.
    pub send_initial_events: bool,
    /// `timeoutSeconds`.
    pub timeout_seconds: Option<u64>,
}

fn line(kind: &str, object: &str) -> Bytes {
    Bytes::from(format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n"))
}

fn bookmark(resource: &Resource, rv: i64, initial_end: bool) -> Bytes {
    let mut metadata = json!({"resourceVersion": rv.to_string()});
    if initial_end {
        metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
    }
    let object = json!({"kind": resource.kind, "apiVersion": resource.api_version(), "metadata": metadata});
    line("BOOKMARK", &object.to_string())
}

/// Begins a watch: gives the first lines and the version it goes on from.
///
/// # Errors
/// 410 when the version is too old, and failures of the database.
fn begin(store: &Store<'_>, selection: &Selection, options: &WatchOptions) -> Result<(Vec<Bytes>, i64), ApiError> {
    let (current, compacted) = store.versions()?;
    let asked = options.resource_version.unwrap_or(0);
    if !options.send_initial_events && asked > 0 {
        if asked < compacted {
            return Err(Status::expired(asked, compacted).into());
        }
        return Ok((Vec::new(), asked));
    }
    let mut lines = Vec::new();
    store.scan(selection.resource, &selection.namespace, None, |row| {
        if selection.matches(&row)? {
            lines.push(line("ADDED", &with_type(selection.resource, &row.json)));
        }
        Ok(true)
    })?;
    if options.send_initial_events && options.bookmarks {
        lines.push(bookmark(selection.resource, current, true));
    }
    Ok((lines, current))
}

/// Starts a watch on a task of its own; the receiver gives its lines.
///
/// # Errors
/// 410 when the version is too old, and failures of the database.
pub fn start(
    emulator: &Emulator,
    world: &World,
    cluster: &str,
    selection: Selection,
    options: &WatchOptions,
    now_ms: i64,
) -> Result<mpsc::Receiver<Bytes>, ApiError> {
    // Subscribed before the first look, so that no change falls between the two.
    let changes = world.changes();
    let (lines, from) = world.read(|tx| begin(&Store { tx, cluster }, &selection, options))?;
    let (sender, receiver) = mpsc::channel(64);
    let timeout = options.timeout_seconds.map_or(DEFAULT_TIMEOUT, Duration::from_secs);
    let follower = Follower {
        emulator: emulator.clone(),
        world: world.clone(),
        cluster: cluster.to_owned(),
        selection,
        bookmarks: options.bookmarks,
        started: Instant::now(),
        started_ms: now_ms,
        timeout,
    };
    tokio::spawn(follower.run(sender, changes, lines, from));
    Ok(receiver)
}

struct Follower {
    emulator: Emulator,
    world: World,
    cluster: String,
    selection: Selection,
    bookmarks: bool,
    started: Instant,
    started_ms: i64,
    timeout: Duration,
}

impl Follower {
    async fn run(
        self,
        sender: mpsc::Sender<Bytes>,
        mut changes: tokio::sync::watch::Receiver<u64>,
        lines: Vec<Bytes>,
        mut from: i64,
    ) {
        for line in lines {
            if sender.send(line).await.is_err() {
                return;
            }
        }
        let follower = std::sync::Arc::new(self);
        let mut last_bookmark = Instant::now();
        while follower.started.elapsed() < follower.timeout && !sender.is_closed() {
            let looking = std::sync::Arc::clone(&follower);
            let news = tokio::task::spawn_blocking(move || looking.look(from)).await;
            let (lines, upto, go_on) = match news {
                Ok(Ok((lines, upto))) => (lines, upto, true),
                Ok(Err(error)) => (vec![failure(&error)], from, false),
                // The runtime is shutting down.
                Err(_) => return,
            };
            from = upto;
            for line in lines {
                if sender.send(line).await.is_err() {
                    return;
                }
            }
            if !go_on {
                return;
            }
            if follower.bookmarks && last_bookmark.elapsed() >= BOOKMARKS {
                last_bookmark = Instant::now();
                if sender.send(bookmark(follower.selection.resource, from, false)).await.is_err() {
                    return;
                }
            }
            let left = follower.timeout.saturating_sub(follower.started.elapsed());
            tokio::select! {
                () = tokio::time::sleep(POLL.min(left)) => {}
                _ = changes.changed() => {}
                () = sender.closed() => return,
            }
        }
    }

    fn look(&self, from: i64) -> Result<(Vec<Bytes>, i64), ApiError> {
        let elapsed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.emulator.keep_appointments(&self.world, &self.cluster, self.started_ms.saturating_add(elapsed))?;
        self.world.read(|tx| {
            let store = Store { tx, cluster: &self.cluster };
            if !store.exists()? {
                return Err(Status::no_such_path().into());
            }
            let (current, compacted) = store.versions()?;
            if from < compacted {
                return Err(Status::expired(from, compacted).into());
            }
            let mut lines = Vec::new();
            if current > from {
                for event in store.events_since(self.selection.resource, &self.selection.namespace, from)? {
                    if let Some((kind, json)) = self.selection.sees(&event)? {
                        lines.push(line(kind, &with_type(self.selection.resource, &json)));
                    }
                }
            }
            Ok((lines, current))
        })
    }
}

fn failure(error: &ApiError) -> Bytes {
    let status: Value = match error {
        ApiError::Status(status) => status.to_value(),
        other => Status::internal(other.to_string()).to_value(),
    };
    line("ERROR", &status.to_string())
}
