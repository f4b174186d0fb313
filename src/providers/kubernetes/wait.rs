//! Waiting for readiness, and what was last seen when it did not come.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::api::Call;
use super::error::Subject;
use super::provider::KubernetesProvider;
use super::read::Lookup;
use super::ready::{self, Readiness};
use super::table::Location;
use crate::engine::provider::{ErrorClass, Progress, ProviderError};

/// How long the look at what went wrong may take after a timeout.
const LAST_LOOK: Duration = Duration::from_secs(10);

/// Every so many looks at an object that is not ready, its Pods are looked at too.
const PODS_EVERY: u32 = 5;

/// So many such looks in a row that find a ConfigMap or Secret missing end the wait: somebody may be about to make it.
const LACKING: u32 = 6;

/// So many such looks in a row that find what no waiting mends end the wait: one may have come at a bad moment.
const HOPELESS: u32 = 2;

/// How many times as long as ever the pause between two looks gets where many wait.
const LONGEST_PAUSE: usize = 4;

/// How many events a timeout shows.
const EVENTS: usize = 4;

/// Somebody who waits for an object of the cluster.
pub(super) struct Waiting<'p> {
    provider: &'p KubernetesProvider,
}

impl Waiting<'_> {
    /// Pauses before the next look, at most until the deadline. Those that wait are not counted among the actions that run
    /// at once: where there are more than may run, each looks less often.
    pub(super) async fn pause(&self, pause: Duration, deadline: Instant) {
        let provider = self.provider;
        let crowd = provider.waiting.load(Ordering::Relaxed) / provider.concurrency.max(1);
        // At most the bound, which is small.
        let pause = pause * u32::try_from(crowd.clamp(1, LONGEST_PAUSE)).unwrap_or(1);
        tokio::time::sleep(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.provider.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What was seen while an object was waited for.
#[derive(Default)]
struct Course {
    /// What it still lacks, in its own words.
    waiting: String,
    /// What stands in its way.
    trouble: Option<String>,
    /// Looks in a row that found something missing.
    lacking: u32,
    /// Looks in a row that found what no waiting mends.
    hopeless: u32,
    /// It will never be ready.
    failed: bool,
    /// Nobody wants to wait any longer.
    stopped: bool,
    /// Why the last look had no answer.
    unanswered: Option<ProviderError>,
}

impl Course {
    /// A closer look found this in its way, or nothing; `never` where no waiting mends it.
    fn has_trouble(&mut self, text: Option<String>, never: bool) {
        self.lacking = if text.as_deref().is_some_and(ready::is_lacking) { self.lacking + 1 } else { 0 };
        self.hopeless = if never { self.hopeless + 1 } else { 0 };
        self.trouble = text;
    }

    fn is_lacking(&self) -> bool {
        self.lacking >= LACKING
    }

    fn is_hopeless(&self) -> bool {
        self.hopeless >= HOPELESS
    }

    fn so_far(&self) -> String {
        match &self.trouble {
            Some(trouble) => format!("{}: {trouble}", self.waiting),
            None => self.waiting.clone(),
        }
    }

    /// The error at the end of a wait that was for nothing.
    fn end(self, subject: Subject<'_>, details: &[String]) -> ProviderError {
        let is_over = self.is_lacking() || self.is_hopeless();
        let late = match (is_over || self.failed, self.stopped) {
            (true, _) => "",
            (_, true) => " yet",
            _ => " in time",
        };
        let trouble =
            self.trouble.as_ref().filter(|_| is_over).map(|trouble| format!(": {trouble}")).unwrap_or_default();
        let what = subject.location.describe();
        let mut text = format!("{what} is not ready{late}: {}{}", self.waiting, subject.mask(&trouble));
        for line in details.iter().chain(self.unanswered.as_ref().map(|error| &error.message)) {
            text.push_str("\n  ");
            text.push_str(&subject.mask(line));
        }
        let error = ProviderError::new(ErrorClass::NotReady, text);
        match self.unanswered.as_ref().and_then(|error| error.hint.clone()) {
            Some(hint) => error.hint(hint),
            None => error.hint(self.hint(subject.location)),
        }
    }

    fn hint(&self, location: &Location) -> String {
        match (self.is_lacking(), location.namespace.as_deref()) {
            (true, Some(namespace)) => {
                format!("make what is missing in Namespace {namespace}, or correct its name; then run again")
            }
            (_, Some(namespace)) if self.failed => {
                let name = &location.name;
                format!(
                    "its log says more: kubectl -n {namespace} logs -l batch.kubernetes.io/job-name={name}; mend it, then \
                     kubectl -n {namespace} delete job {name} lets the next run start it again"
                )
            }
            (_, Some(_)) if location.resource.kind == "Job" => {
                "wait for it with the next run; a service that does not end needs restart: always".to_owned()
            }
            _ if self.is_hopeless() => "no waiting mends it: correct what it says, then apply again".to_owned(),
            _ if self.stopped => "the next run goes on waiting".to_owned(),
            _ => "mend what it says; the next run goes on waiting".to_owned(),
        }
    }
}

impl KubernetesProvider {
    /// Begins to wait: nothing is sent any more.
    pub(super) fn begin_to_wait(&self, progress: &dyn Progress) -> Waiting<'_> {
        progress.waiting();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting { provider: self }
    }

    /// Waits until an object that was just applied is ready, and gives it as it is then.
    ///
    /// # Errors
    /// It is not ready in time (says what was last seen), or was deleted meanwhile. Never one that says that the apply
    /// had no effect: it had.
    pub(super) async fn wait_ready(
        &self,
        subject: Subject<'_>,
        mut object: Value,
        deadline: Instant,
        progress: &dyn Progress,
    ) -> Result<Value, ProviderError> {
        let location = subject.location;
        let uid = object.pointer("/metadata/uid").cloned();
        let mut course = Course::default();
        let mut told = String::new();
        let mut runs = Runs::default();
        let waits = self.begin_to_wait(progress);
        for look in 0_u32.. {
            let readiness = ready::readiness(location.resource.kind, &object);
            let is_starting = readiness == Readiness::Ready && !self.has_settled(subject, &object, &mut runs).await;
            course.waiting = match readiness {
                Readiness::Ready if is_starting => "its containers have only just started".to_owned(),
                Readiness::Ready => return Ok(object),
                Readiness::Waiting(text) => text,
                Readiness::Failed(text) => {
                    course.failed = true;
                    course.waiting = text;
                    break;
                }
            };
            if course.stopped || Instant::now() >= deadline {
                break;
            }
            let look_closer = self.look_closer(subject, &object, look);
            match tokio::time::timeout_at(deadline, look_closer).await {
                Ok(Closer::Ready) => return Ok(object),
                Ok(Closer::Trouble { text, never }) => course.has_trouble(text, never),
                Ok(Closer::Unknown) | Err(_) => {}
            }
            let text = course.so_far();
            if text != told && course.unanswered.is_none() && (!is_starting || course.trouble.is_some()) {
                progress.status(&subject.mask(&text));
                told = text;
            }
            if course.is_lacking() || course.is_hopeless() {
                break;
            }
            let pause = if is_starting { self.poll.max(self.settle / 6) } else { self.poll };
            tokio::select! {
                () = waits.pause(pause, deadline) => {}
                // Nothing is being changed by waiting. One more look tells how far it has come.
                () = progress.stopped() => course.stopped = true,
            }
            match tokio::time::timeout_at(deadline, self.api.get(subject)).await {
                Ok(Ok(Lookup::Found(now))) if now.pointer("/metadata/uid") == uid.as_ref() => {
                    (object, course.unanswered) = (now, None);
                }
                Ok(Ok(_)) => {
                    let text = format!("{} was deleted while it was waited for", location.describe());
                    return Err(ProviderError::new(ErrorClass::Conflict, text).hint("plan again"));
                }
                // A server that cannot answer now may answer later, and credentials be renewed; the deadline ends it.
                Ok(Err(error)) => {
                    let error = ProviderError::from(error);
                    if error.message != told {
                        progress.status(&subject.mask(&error.message));
                        told.clone_from(&error.message);
                    }
                    course.unanswered = Some(error);
                }
                Err(_) => break,
            }
        }
        let last_look = if course.stopped { Duration::ZERO } else { LAST_LOOK };
        let mut details = Vec::new();
        // Where it takes too long, what was seen until then is told.
        let _ = tokio::time::timeout(last_look, self.last_seen(subject, &object, &mut details)).await;
        Err(course.end(subject, &details))
    }

    /// Whether what runs has run for a while: a container that ends at once, and is started again and again, is up in between.
    /// Whoever may not list Pods takes the word of the Deployment.
    async fn has_settled(&self, subject: Subject<'_>, object: &Value, seen: &mut Runs) -> bool {
        let ("Deployment", Some(namespace)) = (subject.location.resource.kind, subject.location.namespace.as_deref())
        else {
            return true;
        };
        let pods = self.api.pods(namespace, object).await;
        match ready::unproven_runs(&pods) {
            Some(runs) if runs.is_empty() => true,
            Some(runs) => {
                if seen.since.is_none() || seen.runs != runs {
                    *seen = Runs { runs, since: Some(Instant::now()) };
                }
                seen.since.is_some_and(|since| since.elapsed() >= self.settle)
            }
            None => {
                *seen = Runs::default();
                false
            }
        }
    }

    /// What the object alone does not tell of why it is not ready.
    async fn look_closer(&self, subject: Subject<'_>, object: &Value, look: u32) -> Closer {
        let location = subject.location;
        match (location.resource.kind, location.namespace.as_deref()) {
            ("PersistentVolumeClaim", _) if look == 1 => match self.storage_class(object).await {
                Some(class) if ready::waits_for_first_consumer(object, &class) => Closer::Ready,
                _ => Closer::Unknown,
            },
            ("Deployment" | "Job", Some(_)) if look % PODS_EVERY == 1 => {
                let (pods, events) = self.api.workload(location, object).await;
                let refused = ready::creation_trouble(object).filter(|_| pods.is_empty());
                // Pods of before the change say nothing of what comes after it; a Job never has others.
                let of_now = location.resource.kind == "Job" || ready::is_observed(object);
                let never = refused.is_some() || of_now && ready::is_hopeless(&pods);
                let of_pods = || ready::pods_trouble(&pods).or_else(|| ready::event_trouble(&events, &pods));
                Closer::Trouble { text: refused.or_else(of_pods), never }
            }
            ("PersistentVolumeClaim", Some(namespace)) if look % PODS_EVERY == 1 => {
                let events = self.api.events(namespace).await;
                let text = ready::event_details(&events, &[location.name.as_str()], 1).pop();
                Closer::Trouble { text, never: false }
            }
            _ => Closer::Unknown,
        }
    }

    async fn storage_class(&self, claim: &Value) -> Option<Value> {
        let name = claim.pointer("/spec/storageClassName")?.as_str().filter(|name| !name.is_empty())?;
        let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
        let reply = self.api.call(Call::get(format!("/apis/storage.k8s.io/v1/storageclasses/{name}"))).await;
        reply.ok().filter(|reply| reply.is_success()).map(|reply| reply.body)
    }

    /// Adds conditions, containers, events and what containers said, one line each.
    async fn last_seen(&self, subject: Subject<'_>, object: &Value, lines: &mut Vec<String>) {
        lines.extend(ready::conditions(object));
        let (pods, events) = self.api.workload(subject.location, object).await;
        lines.extend(ready::pod_details(&pods));
        let pod_names = pods.iter().filter_map(|pod| pod.pointer("/metadata/name")?.as_str());
        let names: Vec<&str> = std::iter::once(subject.location.name.as_str()).chain(pod_names).collect();
        lines.extend(ready::event_details(&events, &names, EVENTS));
        self.api.last_words(subject.location, &pods, self.poll, lines).await;
    }
}

/// The runs of containers, and since when we see them.
#[derive(Default)]
struct Runs {
    runs: Vec<String>,
    since: Option<Instant>,
}

/// What a closer look found.
enum Closer {
    /// There is nothing to wait for.
    Ready,
    /// What the Pods say, if anything is wrong with them.
    Trouble {
        /// In the words of Kubernetes.
        text: Option<String>,
        /// Whether no waiting mends it.
        never: bool,
    },
    /// Nothing.
    Unknown,
}
