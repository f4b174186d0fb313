//! The controllers of an emulated cluster. Nothing runs in the background: a change makes appointments (`kube_due`), and the next request
//! keeps those whose time has come, each as of its own time.

mod jobs;
mod network;
mod nodes;
mod volumes;
mod workloads;

use rusqlite::Transaction;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::super::world::WorldError;
use super::apply::{Managers, Operation, Writer};
use super::kinds::{Resource, by_plural};
use super::lifecycle::{self, is_deleting, key};
use super::store::{Store, metadata, text};

pub use nodes::{pool_changed, pool_deleted};

/// Attaches cloud disks to nodes when Pods that mount them start and end. The resource manager part implements it, so that a disk in use
/// cannot be deleted there.
pub trait Disks: Send + Sync {
    /// A Pod on `node` mounts the volume `handle` (a disk's ARM id, as in `spec.csi.volumeHandle`) with this host cache. Gives the reason
    /// when the disk cannot be attached (missing, attached elsewhere, another zone); the Pod then waits.
    ///
    /// # Errors
    /// Failures of the database.
    fn attach(
        &self,
        tx: &Transaction<'_>,
        cluster: &str,
        handle: &str,
        node: &str,
        caching: &str,
    ) -> Result<Option<String>>;

    /// The driver's part of a resize: the disk has at least `gib` afterwards. Gives the reason when it cannot.
    ///
    /// # Errors
    /// Failures of the database.
    fn grow(&self, tx: &Transaction<'_>, handle: &str, gib: i64) -> Result<Option<String>>;

    /// The driver's part of the reclaim policy `Delete`: the disk goes, unless a machine has it.
    ///
    /// # Errors
    /// Failures of the database.
    fn delete(&self, tx: &Transaction<'_>, handle: &str) -> Result<()>;

    /// The last Pod that mounted `handle` has ended.
    ///
    /// # Errors
    /// Failures of the database.
    fn detach(&self, tx: &Transaction<'_>, cluster: &str, handle: &str) -> Result<()>;
}

/// Volumes without a cloud behind them: every attachment succeeds and leaves no trace.
#[derive(Debug, Clone, Copy)]
pub struct NoDisks;

impl Disks for NoDisks {
    fn attach(&self, _: &Transaction<'_>, _: &str, _: &str, _: &str, _: &str) -> Result<Option<String>> {
        Ok(None)
    }

    fn grow(&self, _: &Transaction<'_>, _: &str, _: i64) -> Result<Option<String>> {
        Ok(None)
    }

    fn delete(&self, _: &Transaction<'_>, _: &str) -> Result<()> {
        Ok(())
    }

    fn detach(&self, _: &Transaction<'_>, _: &str, _: &str) -> Result<()> {
        Ok(())
    }
}

/// Appointments kept in one go. A loop of controllers would show here rather than hang a request.
const MAX_STEPS: usize = 100_000;

/// What the controllers work with inside one transaction.
#[derive(Clone, Copy)]
pub struct Env<'t> {
    /// The cluster's objects.
    pub store: Store<'t>,
    /// How long things take to become ready, in milliseconds.
    pub delay_ms: i64,
    /// The disks of the cloud.
    pub disks: &'t dyn Disks,
}

type Result<T> = std::result::Result<T, WorldError>;

impl Env<'_> {
    /// A time as the API writes it, to the second.
    #[must_use]
    pub fn time(&self, ms: i64) -> String {
        OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000))
            .ok()
            .and_then(|time| time.format(&Rfc3339).ok())
            .unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned())
    }

    /// A uid nobody had before in this world, made from the cluster's counter.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn new_uid(&self, resource: &Resource, namespace: &str, name: &str, now_ms: i64) -> Result<Uuid> {
        let serial = self.store.next_serial()?;
        let seed = format!("{}/{}/{namespace}/{name}/{serial}/{now_ms}", self.store.cluster, resource.plural);
        Ok(Uuid::new_v5(&Uuid::NAMESPACE_URL, seed.as_bytes()))
    }

    /// Five characters that tell names generated from one prefix apart.
    #[must_use]
    pub fn suffix(uid: &Uuid) -> String {
        const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
        uid.as_bytes().iter().take(5).map(|b| char::from(LETTERS[usize::from(*b) % LETTERS.len()])).collect()
    }

    /// Stores a new object of a controller, or of the cluster itself.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn create(&self, resource: &Resource, object: &mut Value, now_ms: i64) -> Result<()> {
        let (namespace, name) = key(object);
        let uid = self.new_uid(resource, &namespace, &name, now_ms)?;
        let fields = metadata(object);
        fields.insert("uid".into(), uid.to_string().into());
        fields.insert("creationTimestamp".into(), self.time(now_ms).into());
        if resource.generation {
            fields.insert("generation".into(), 1.into());
        }
        super::defaults::apply(resource.kind, object);
        super::admission::create(&self.store, resource, object)?;
        self.store.put(resource, object)?;
        self.changed(resource, None, object, now_ms)
    }

    /// Stores what a controller changed, with the fields under its name. Nothing happens when nothing changed.
    fn update(&self, resource: &Resource, old: &Value, new: Value, subresource: &str, now_ms: i64) -> Result<bool> {
        self.update_as("kube-controller-manager", (resource, subresource), old, new, now_ms)
    }

    /// The same for a controller that is a program of its own: who names no field manager is called as its user agent begins.
    fn update_as(
        &self,
        manager: &str,
        (resource, subresource): (&Resource, &str),
        old: &Value,
        mut new: Value,
        now_ms: i64,
    ) -> Result<bool> {
        if *old == new {
            return Ok(false);
        }
        let mut managers = Managers::of(&new);
        let writer = Writer {
            manager: manager.into(),
            operation: Operation::Update,
            api_version: resource.api_version(),
            subresource: subresource.into(),
        };
        managers.updated(resource.kind, &writer, old, &new, &self.time(now_ms));
        managers.store(&mut new);
        self.store.put(resource, &mut new)?;
        Ok(true)
    }

    /// Records an Event about an object, unless the same one is there already.
    fn event(&self, about: &Value, reason: &str, message: &str, source: &str, now_ms: i64) -> Result<()> {
        let (Some(events), Some(namespaces)) = (by_plural("events"), by_plural("namespaces")) else { return Ok(()) };
        let namespace = text(about, "/metadata/namespace");
        let alive = self.store.get(namespaces, "", namespace)?.is_some_and(|ns| !is_deleting(&ns));
        let seed = format!("{}/{reason}/{message}", text(about, "/metadata/uid"));
        let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, seed.as_bytes()).simple().to_string();
        let name = format!("{}.{}", text(about, "/metadata/name"), &id[..16]);
        if !alive || self.store.get_text(events, namespace, &name)?.is_some() {
            return Ok(());
        }
        let now = self.time(now_ms);
        let mut event = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {
                "apiVersion": about["apiVersion"], "kind": about["kind"], "namespace": namespace,
                "name": text(about, "/metadata/name"), "uid": text(about, "/metadata/uid"),
            },
            "reason": reason, "message": message, "type": "Warning", "count": 1,
            "source": {"component": source}, "firstTimestamp": now, "lastTimestamp": now,
        });
        self.create(events, &mut event, now_ms)
    }

    /// Makes the appointments that follow from an object being created (`old` is `None`) or changed.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn changed(&self, resource: &Resource, old: Option<&Value>, new: &Value, now_ms: i64) -> Result<()> {
        let (namespace, name) = key(new);
        let schedule = |due: i64| self.store.schedule(resource.plural, &namespace, &name, due);
        let spec_changed = old.is_none_or(|old| old.get("spec") != new.get("spec"));
        match resource.kind {
            "Deployment" | "Job" if spec_changed => schedule(now_ms)?,
            "Pod" if old.is_none() => schedule(now_ms)?,
            "PersistentVolumeClaim" if spec_changed => schedule(now_ms + self.delay_ms)?,
            "PersistentVolume" if spec_changed => {
                schedule(now_ms)?;
                volumes::volume_appeared(self, new, now_ms)?;
            }
            "Service" if text(new, "/spec/type") == "LoadBalancer" && spec_changed => {
                schedule(now_ms + self.delay_ms)?;
            }
            "Ingress" if spec_changed => schedule(now_ms + self.delay_ms)?,
            "Node" => workloads::retry_pending(self, "", now_ms)?,
            "Namespace" if old.is_none() => self.furnish(&name, now_ms)?,
            _ => {}
        }
        Ok(())
    }

    /// Makes the appointments that follow from an object being gone.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn removed(&self, resource: &Resource, object: &Value, now_ms: i64) -> Result<()> {
        match resource.kind {
            "Pod" => workloads::pod_ended(self, object, now_ms),
            "PersistentVolumeClaim" => volumes::claim_gone(self, object, now_ms),
            "PersistentVolume" => volumes::volume_gone(self, object, now_ms),
            _ => Ok(()),
        }
    }

    /// What every Namespace gets: its default ServiceAccount and the cluster's root certificate.
    fn furnish(&self, namespace: &str, now_ms: i64) -> Result<()> {
        let (Some(accounts), Some(maps)) = (by_plural("serviceaccounts"), by_plural("configmaps")) else {
            return Ok(());
        };
        let mut account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace},
        });
        let mut certificate = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt", "namespace": namespace},
            "data": {"ca.crt": ""},
        });
        for (resource, object) in [(accounts, &mut account), (maps, &mut certificate)] {
            let name = text(object, "/metadata/name");
            if self.store.get_text(resource, namespace, name)?.is_none() {
                self.create(resource, object, now_ms)?;
            }
        }
        Ok(())
    }

    /// Keeps every appointment that is due at `now_ms`.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn run_due(&self, now_ms: i64) -> Result<()> {
        for _ in 0..MAX_STEPS {
            let Some(due) = self.store.take_due(now_ms)? else { return Ok(()) };
            let Some(resource) = by_plural(&due.resource) else { continue };
            let Some(object) = self.store.get(resource, &due.namespace, &due.name)? else { continue };
            let at = due.due_ms;
            match resource.kind {
                "Deployment" => workloads::deployment(self, resource, object, at)?,
                "Job" => jobs::job(self, resource, object, at)?,
                "Pod" => workloads::pod(self, resource, object, at)?,
                "PersistentVolumeClaim" => volumes::claim(self, resource, object, at)?,
                "PersistentVolume" => volumes::volume(self, resource, object, at)?,
                "Service" => network::service(self, resource, &object, at)?,
                "Ingress" => network::ingress(self, resource, &object, at)?,
                "Namespace" if is_deleting(&object) => lifecycle::drain_namespace(self, resource, object, at)?,
                _ => self.collect(resource, object, at)?,
            }
        }
        Ok(())
    }

    /// Lets an object go that waited for its dependents.
    fn collect(&self, resource: &Resource, mut object: Value, now_ms: i64) -> Result<()> {
        if !is_deleting(&object) || !self.store.dependents(text(&object, "/metadata/uid"))?.is_empty() {
            return Ok(());
        }
        if lifecycle::drop_finalizer(&mut object, lifecycle::FOREGROUND) {
            lifecycle::store_or_finish(self, resource, &mut object, now_ms)?;
        }
        Ok(())
    }
}

/// Sets a condition by its type; the transition time changes only with the status.
fn set_condition(conditions: &mut Vec<Value>, kind: &str, status: bool, reason: &str, message: &str, now: &str) {
    let status = if status { "True" } else { "False" };
    let fresh = json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastUpdateTime": now, "lastTransitionTime": now,
    });
    match conditions.iter_mut().find(|c| text(c, "/type") == kind) {
        None => conditions.push(fresh),
        Some(have) if text(have, "/status") == status && text(have, "/reason") == reason => {
            have["message"] = message.into();
        }
        Some(have) => {
            let transition = have.get("lastTransitionTime").cloned();
            let same = text(have, "/status") == status;
            *have = fresh;
            if let (true, Some(transition)) = (same, transition) {
                have["lastTransitionTime"] = transition;
            }
        }
    }
}
