//! Objects of one state: a few calls, and what they say when they fail.

use std::error::Error;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::error::StateError;
use crate::place::{Objects, Place};

/// What the operating system said, where that is what went wrong.
fn io_error(error: &object_store::Error) -> Option<ErrorKind> {
    causes(error).find_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind)
}

/// The innermost cause.
fn told(error: &object_store::Error) -> String {
    causes(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

fn causes(error: &object_store::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |error: &&(dyn Error + 'static)| (*error).source())
}

/// How many objects are read or deleted at once.
const AT_ONCE: usize = 16;

/// How long an object is created again that a server says exists and does not show, and the first pause in between. S3
/// answers 409 to a creation while another one of the same name is under way, which `object_store` reports as existing
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>).
const SETTLING: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

/// The objects below a prefix.
#[derive(Clone)]
pub(super) struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    place: Place,
}

/// How an object that may exist only once came to be, or not.
pub(super) enum Created {
    /// By this call.
    Now,
    /// Somebody else was first; what they wrote.
    Before(Bytes),
}

impl Bucket {
    pub(super) fn new(store: Arc<dyn ObjectStore>, prefix: Path, place: Place) -> Self {
        Self { store, prefix, place }
    }

    pub(super) fn place(&self) -> Place {
        self.place.clone()
    }

    /// Where an object is, for messages.
    pub(super) fn name(&self, at: &str) -> String {
        self.path(at).to_string()
    }

    fn path(&self, at: &str) -> Path {
        at.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// The bytes of an object, `None` when there is none.
    pub(super) async fn get(&self, at: &str) -> Result<Option<Bytes>, StateError> {
        let found = match self.store.get(&self.path(at)).await {
            Ok(found) => found.bytes().await,
            Err(e) => Err(e),
        };
        match found {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(self.failed(e)),
        }
    }

    /// The bytes of all of these, in their order.
    pub(super) async fn get_all(&self, names: Vec<String>) -> Result<Vec<Option<Bytes>>, StateError> {
        futures::stream::iter(names)
            .map(|name| {
                let bucket = self.clone();
                async move { bucket.get(&name).await }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Writes an object, over whatever there is.
    pub(super) async fn put(&self, at: &str, bytes: Vec<u8>) -> Result<(), StateError> {
        self.store.put(&self.path(at), PutPayload::from(bytes)).await.map(drop).map_err(|e| self.failed(e))
    }

    /// Makes an object that does not exist yet. Whoever's it is in the end, is settled by reading it: an answer may be lost,
    /// and an attempt that is repeated may meet itself. `is_ours` knows what this call wrote.
    ///
    /// # Errors
    /// [`StateError::Unsettled`] when even that is not known: it may come to be later.
    pub(super) async fn create(
        &self,
        at: &str,
        bytes: Vec<u8>,
        is_ours: impl Fn(&[u8]) -> bool + Send,
    ) -> Result<Created, StateError> {
        let path = self.path(at);
        let payload = PutPayload::from(bytes);
        let begun = Instant::now();
        let mut pause = PAUSE;
        loop {
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            let failed = match self.store.put_opts(&path, payload.clone(), options).await {
                Ok(_) => return Ok(Created::Now),
                Err(
                    e @ (object_store::Error::NotFound { .. }
                    | object_store::Error::PermissionDenied { .. }
                    | object_store::Error::Unauthenticated { .. }
                    | object_store::Error::NotImplemented { .. }),
                ) => return Err(self.failed(e)),
                Err(e) => self.failed(e),
            };
            if self.is_folder() {
                return self.settle_in_folder(at, failed, is_ours).await;
            }
            match self.get(at).await {
                Ok(Some(found)) if is_ours(&found) => return Ok(Created::Now),
                Ok(Some(found)) => return Ok(Created::Before(found)),
                // The same bytes again: whichever attempt is the one that comes through, it is ours.
                Ok(None) | Err(_) if begun.elapsed() < SETTLING => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Ok(None) | Err(_) => {
                    let what = format!("{} may or may not be written", self.name(at));
                    return Err(StateError::Unsettled { place: self.place(), what, source: Box::new(failed) });
                }
            }
        }
    }

    /// What became of an object that could not be made in a folder: there nothing comes to be later.
    async fn settle_in_folder(
        &self,
        at: &str,
        failed: StateError,
        is_ours: impl Fn(&[u8]) -> bool,
    ) -> Result<Created, StateError> {
        match self.get(at).await {
            Ok(Some(found)) if !is_ours(&found) => Ok(Created::Before(found)),
            Ok(None) => Err(failed),
            // It has its name, and may not have reached the disk.
            Ok(Some(_)) | Err(_) => {
                let what = format!("{} may or may not outlive a power cut", self.name(at));
                Err(StateError::Unsettled { place: self.place(), what, source: Box::new(failed) })
            }
        }
    }

    fn is_folder(&self) -> bool {
        matches!(&self.place, Place::Objects(objects) if matches!(**objects, Objects::Folder(_)))
    }

    /// The names below a folder that come after `after`, sorted.
    pub(super) async fn list(&self, folder: &str, after: Option<&str>) -> Result<Vec<String>, StateError> {
        let prefix = self.path(folder);
        let found = match after {
            Some(after) => self.store.list_with_offset(Some(&prefix), &prefix.clone().join(after)),
            None => self.store.list(Some(&prefix)),
        };
        let name = |meta: object_store::ObjectMeta| meta.location.filename().map(str::to_owned);
        let found: Vec<Option<String>> = found.map_ok(name).try_collect().await.map_err(|e| self.failed(e))?;
        let mut names: Vec<String> = found.into_iter().flatten().collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Deletes these; one that is not there is deleted already.
    pub(super) async fn delete(&self, names: Vec<String>) -> Result<(), StateError> {
        futures::stream::iter(names)
            .map(|name| {
                let bucket = self.clone();
                async move {
                    match bucket.store.delete(&bucket.path(&name)).await {
                        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                        Err(e) => Err(bucket.failed(e)),
                    }
                }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    fn failed(&self, source: object_store::Error) -> StateError {
        use object_store::Error::{NotFound, NotImplemented, PermissionDenied, Unauthenticated};
        let io = io_error(&source).filter(|_| self.is_folder());
        let hint = match &source {
            _ if matches!(io, Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)) => {
                let help = format!("make the folder {} and what is in it writable", self.place);
                return StateError::ReadOnly { place: self.place(), reason: told(&source), help };
            }
            _ if matches!(io, Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded)) => {
                "the disk is full: free some space and run the command again"
            }
            _ if io.is_some() => "check the folder and the disk",
            NotFound { .. } => "the bucket, container or folder must exist: check its name in `.kompox/config.yml`",
            PermissionDenied { .. } => {
                "the identity that is signed in must be allowed to read, write, list and delete there"
            }
            Unauthenticated { .. } => "check the credentials of the environment",
            NotImplemented { .. } => "this kind of storage cannot keep a state",
            _ => {
                "check the network, the name in `.kompox/config.yml` and, for a server of your own, the variable with its endpoint"
            }
        };
        StateError::Backend { place: self.place(), hint, source: source.into() }
    }
}
