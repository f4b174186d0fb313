//! What the verbs and the controllers work with inside one transaction.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::apply::{Managers, Operation, Writer};
use super::disks::Disks;
use super::kinds::{Resource, by_plural};
use super::store::{Result, Store, is_deleting, key, metadata, text};
use super::{admission, appointments, defaults};

/// A cluster, in a transaction.
#[derive(Clone, Copy)]
pub struct Env<'t> {
    /// The cluster's objects.
    pub store: Store<'t>,
    /// How long things take to become ready, in milliseconds.
    pub delay_ms: i64,
    /// The disks of the cloud.
    pub disks: &'t dyn Disks,
}

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
        defaults::apply(resource.kind, object);
        admission::create(&self.store, resource, object)?;
        self.store.put(resource, object)?;
        self.changed(resource, None, object, now_ms)
    }

    /// Stores what a controller changed, with the fields under its name. Nothing happens when nothing changed.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn update(&self, resource: &Resource, old: &Value, new: Value, subresource: &str, now_ms: i64) -> Result<bool> {
        self.update_as("kube-controller-manager", (resource, subresource), old, new, now_ms)
    }

    /// The same for a controller that is a program of its own: who names no field manager is called as its user agent
    /// begins.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn update_as(
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
    ///
    /// # Errors
    /// Failures of the database.
    pub fn event(&self, about: &Value, reason: &str, message: &str, source: &str, now_ms: i64) -> Result<()> {
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
                appointments::volume_appeared(&self.store, new, now_ms + self.delay_ms)?;
            }
            "Service" if text(new, "/spec/type") == "LoadBalancer" && spec_changed => {
                schedule(now_ms + self.delay_ms)?;
            }
            "Ingress" if spec_changed => schedule(now_ms + self.delay_ms)?,
            "Node" => appointments::retry_pending(&self.store, "", now_ms)?,
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
            "Pod" => appointments::pod_ended(&self.store, self.disks, object, now_ms),
            "PersistentVolumeClaim" => appointments::claim_gone(&self.store, object, now_ms),
            "PersistentVolume" => appointments::volume_gone(&self.store, self.disks, object, now_ms),
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
}
