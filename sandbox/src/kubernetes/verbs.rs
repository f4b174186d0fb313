//! The verbs that change objects: create, update, patch, server-side apply, delete.

use serde_json::{Value, json};

use super::apply::{Managers, Operation, Writer};
use super::decode;
use super::env::Env;
use super::fieldset;
use super::kinds::{Resource, by_plural};
use super::lifecycle::{self, Propagation};
use super::patch;
use super::schema::Cursor;
use super::status::{self, ApiError, Status};
use super::store::{is_deleting, map_at, metadata, text};
use super::{admission, defaults, security, validate};

/// What a write is about.
#[derive(Debug, Clone, Copy)]
pub struct Target<'r> {
    /// The kind.
    pub resource: &'static Resource,
    /// The Namespace; empty for kinds of the cluster.
    pub namespace: &'r str,
    /// The object's name; empty for a creation.
    pub name: &'r str,
    /// The subresource; empty for the object itself.
    pub subresource: &'r str,
}

/// What to do with unknown fields (`fieldValidation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldValidation {
    /// Drop them in silence.
    Ignore,
    /// Drop them and say so in a header.
    Warn,
    /// Refuse them.
    Strict,
}

/// The options of a write.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// The field manager, of the query or the client's name.
    pub manager: String,
    /// `dryRun=All`.
    pub dry_run: bool,
    /// `force=true`, for server-side apply.
    pub force: bool,
    /// `fieldValidation`.
    pub validation: FieldValidation,
}

/// The type of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchType {
    /// `application/merge-patch+json`
    Merge,
    /// `application/json-patch+json`
    Json,
    /// `application/strategic-merge-patch+json`
    Strategic,
    /// `application/apply-patch+yaml`
    Apply,
}

/// The outcome of a write.
#[derive(Debug)]
pub struct Written {
    /// The object, or a `Status`.
    pub object: Value,
    /// Whether it is new.
    pub created: bool,
    /// Warnings for the client.
    pub warnings: Vec<String>,
}

/// The writes of one request, inside its transaction.
pub struct Writes<'t> {
    /// The cluster and its controllers.
    pub env: Env<'t>,
    /// The time of the request.
    pub now_ms: i64,
    /// The options of the request.
    pub options: WriteOptions,
}

enum Ownership {
    /// The managers follow from what changed.
    Update(Writer),
    /// Server-side apply worked them out.
    Applied(Managers),
}

type Result<T> = std::result::Result<T, ApiError>;

fn empty(target: &Target<'_>) -> Value {
    let mut object = json!({"apiVersion": target.resource.api_version(), "kind": target.resource.kind, "metadata": {}});
    name_it(&mut object, target);
    object
}

fn name_it(object: &mut Value, target: &Target<'_>) {
    let fields = metadata(object);
    fields.insert("name".into(), target.name.into());
    if target.resource.namespaced {
        fields.insert("namespace".into(), target.namespace.into());
    } else {
        fields.remove("namespace");
    }
}

impl Writes<'_> {
    fn writer(&self, target: &Target<'_>, operation: Operation) -> Writer {
        Writer {
            manager: self.options.manager.clone(),
            operation,
            api_version: target.resource.api_version(),
            subresource: target.subresource.to_owned(),
        }
    }

    fn now(&self) -> String {
        self.env.time(self.now_ms)
    }

    /// Reads an object a client sent, by the request's `fieldValidation`.
    fn decode(&self, resource: &Resource, object: Value, warnings: &mut Vec<String>) -> Result<Value> {
        let decoded = decode::object(resource, object)?;
        let told = decoded.unknown.iter().map(|field| format!("unknown field \"{field}\""));
        match self.options.validation {
            FieldValidation::Strict if !decoded.unknown.is_empty() => {
                let list: Vec<String> = told.collect();
                return Err(Status::bad_request(format!("strict decoding error: {}", list.join(", "))).into());
            }
            FieldValidation::Warn => warnings.extend(told),
            FieldValidation::Strict | FieldValidation::Ignore => {}
        }
        Ok(decoded.object)
    }

    /// The names in the object and in the path must agree.
    fn check_names(target: &Target<'_>, object: &Value) -> Result<()> {
        let name = text(object, "/metadata/name");
        if !target.name.is_empty() && !name.is_empty() && name != target.name {
            let why = format!("the name of the object ({name}) does not match the name on the URL ({})", target.name);
            return Err(Status::bad_request(why).into());
        }
        let namespace = text(object, "/metadata/namespace");
        if target.resource.namespaced && !namespace.is_empty() && namespace != target.namespace {
            let (given, expected) = (namespace, target.namespace);
            return Err(Status::bad_request(format!(
                "the namespace of the provided object does not match the namespace sent on the request ({given}, {expected})"
            ))
            .into());
        }
        Ok(())
    }

    fn found(&self, target: &Target<'_>) -> Result<Value> {
        let object = self.env.store.get(target.resource, target.namespace, target.name)?;
        Ok(object.ok_or_else(|| Status::not_found(target.resource, target.name))?)
    }

    fn answer(&self, object: Value, created: bool, warnings: Vec<String>) -> Result<Written> {
        if self.options.dry_run {
            return Err(ApiError::DryRun { object: Box::new(object), created });
        }
        Ok(Written { object, created, warnings })
    }

    /// POST of a new object.
    ///
    /// # Errors
    /// 400, 403, 404, 409 or 422 as the API server answers, and failures of the database.
    pub fn create(&self, target: &Target<'_>, given: Value) -> Result<Written> {
        let mut warnings = Vec::new();
        let mut object = self.decode(target.resource, given, &mut warnings)?;
        Self::check_names(target, &object)?;
        let prefix = text(&object, "/metadata/generateName").to_owned();
        let mut name = text(&object, "/metadata/name").to_owned();
        if name.is_empty() && !prefix.is_empty() {
            let uid = self.env.new_uid(target.resource, target.namespace, &prefix, self.now_ms)?;
            name = format!("{prefix}{}", Env::suffix(&uid));
        }
        let target = Target { name: &name, ..*target };
        name_it(&mut object, &target);
        metadata(&mut object).remove("managedFields");
        self.drop_status(&target, &mut object);
        defaults::apply(target.resource.kind, &mut object);
        let mut managers = Managers::default();
        let writer = self.writer(&target, Operation::Update);
        managers.updated(target.resource.kind, &writer, &empty(&target), &object, &self.now());
        let object = self.insert(&target, object, managers)?;
        self.answer(object, true, warnings)
    }

    /// Status is not written through the object itself.
    fn drop_status(&self, target: &Target<'_>, object: &mut Value) {
        if target.resource.status
            && let Some(map) = object.as_object_mut()
        {
            map.remove("status");
        }
    }

    fn insert(&self, target: &Target<'_>, mut object: Value, managers: Managers) -> Result<Value> {
        let resource = target.resource;
        let store = &self.env.store;
        decode::drop_empty(resource, &mut object);
        if resource.namespaced {
            let missing = || Status::not_found(namespaces_or(resource), target.namespace);
            let namespace = store.get(namespaces_or(resource), "", target.namespace)?.ok_or_else(missing)?;
            if is_deleting(&namespace) {
                return Err(Status::namespace_terminating(resource, target.name, target.namespace).into());
            }
        }
        if resource.kind == "Pod"
            && let Some(why) = security::forbidden(store, target.namespace, &object)?
        {
            return Err(Status::forbidden(resource, target.name, &why).into());
        }
        admission::create(store, resource, &mut object)?;
        let causes = validate::create(resource, &object);
        if !causes.is_empty() {
            return Err(Status::invalid(resource, target.name, causes).into());
        }
        if store.get_text(resource, target.namespace, target.name)?.is_some() {
            return Err(Status::already_exists(resource, target.name).into());
        }
        let uid = self.env.new_uid(resource, target.namespace, target.name, self.now_ms)?;
        let fields = metadata(&mut object);
        let given_version = fields.get("resourceVersion").cloned();
        for field in ["resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"] {
            fields.remove(field);
        }
        fields.insert("uid".into(), uid.to_string().into());
        fields.insert("creationTimestamp".into(), self.now().into());
        if resource.generation {
            fields.insert("generation".into(), 1.into());
        }
        if resource.kind == "Job" {
            admission::job_selector(&mut object);
        }
        if resource.status {
            // A structure in Go, which is never left out.
            map_at(&mut object, &[]).entry("status".to_owned()).or_insert_with(|| json!({}));
        }
        managers.store(&mut object);
        store.put(resource, &mut object)?;
        self.env.changed(resource, None, &object, self.now_ms)?;
        if self.options.dry_run {
            // No version is given out; what was sent stands in the answer.
            match given_version {
                Some(version) => metadata(&mut object).insert("resourceVersion".into(), version),
                None => metadata(&mut object).remove("resourceVersion"),
            };
        }
        Ok(object)
    }

    /// PUT of an object, its `status` or its `scale`.
    ///
    /// # Errors
    /// As [`Writes::create`].
    pub fn update(&self, target: &Target<'_>, given: Value) -> Result<Written> {
        let live = self.found(target)?;
        if target.subresource == "scale" {
            let replicas = given.pointer("/spec/replicas").cloned().unwrap_or_else(|| 0.into());
            return self.rescale(target, live, replicas);
        }
        let mut warnings = Vec::new();
        let mut object = self.decode(target.resource, given, &mut warnings)?;
        Self::check_names(target, &object)?;
        defaults::apply(target.resource.kind, &mut object);
        let writer = self.writer(target, Operation::Update);
        let object = self.replace(target, live, object, Ownership::Update(writer))?;
        self.answer(object, false, warnings)
    }

    fn rescale(&self, target: &Target<'_>, live: Value, replicas: Value) -> Result<Written> {
        let mut object = live.clone();
        map_at(&mut object, &["spec"]).insert("replicas".into(), replicas);
        let decoded = decode::object(target.resource, object)?;
        let writer = self.writer(target, Operation::Update);
        let object = self.replace(target, live, decoded.object, Ownership::Update(writer))?;
        self.answer(scale_of(&object), false, Vec::new())
    }

    /// PATCH of an object, its `status` or its `scale`.
    ///
    /// # Errors
    /// As [`Writes::create`].
    pub fn patch(&self, target: &Target<'_>, kind: PatchType, body: &Value) -> Result<Written> {
        if kind == PatchType::Apply {
            return self.apply(target, body);
        }
        let live = self.found(target)?;
        let mut object = if target.subresource == "scale" { scale_of(&live) } else { live.clone() };
        match kind {
            PatchType::Merge | PatchType::Apply => patch::merge(&mut object, body),
            PatchType::Json => patch::json_patch(&mut object, body).map_err(|e| match e {
                patch::PatchError::Malformed(_) => Status::bad_request(e.to_string()),
                // As the API server answers where a test fails or a path leads nowhere (`applyJSPatch`).
                _ => Status::unprocessable(),
            })?,
            PatchType::Strategic if target.resource.round_trip.is_none() => {
                return Err(Status::unsupported_media_type("application/strategic-merge-patch+json").into());
            }
            PatchType::Strategic => patch::strategic(&Cursor::root(target.resource.kind), &mut object, body)
                .map_err(|e| Status::bad_request(e.to_string()))?,
        }
        if target.subresource == "scale" {
            let replicas = object.pointer("/spec/replicas").cloned().unwrap_or_else(|| 0.into());
            return self.rescale(target, live, replicas);
        }
        let mut warnings = Vec::new();
        let mut object = self.decode(target.resource, object, &mut warnings)?;
        Self::check_names(target, &object)?;
        defaults::apply(target.resource.kind, &mut object);
        let writer = self.writer(target, Operation::Update);
        let object = self.replace(target, live, object, Ownership::Update(writer))?;
        self.answer(object, false, warnings)
    }

    fn apply(&self, target: &Target<'_>, config: &Value) -> Result<Written> {
        let resource = target.resource;
        if self.options.manager.is_empty() {
            return Err(Status::no_manager().into());
        }
        if config.pointer("/metadata/managedFields").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
            return Err(Status::bad_request("metadata.managedFields must be nil").into());
        }
        for field in ["apiVersion", "kind"] {
            if text(config, &format!("/{field}")).is_empty() {
                return Err(Status::bad_request(format!("the applied configuration lacks {field}")).into());
            }
        }
        let untyped = |why: String| {
            let object = format!(
                "{}/{}; {}/{}, Kind={}",
                text(config, "/metadata/namespace"),
                text(config, "/metadata/name"),
                resource.group,
                resource.version,
                resource.kind
            );
            Status::internal(format!("failed to create typed patch object ({object}): {why}"))
        };
        let decoded = match decode::object(resource, config.clone()) {
            Err(status) if status.message.contains("cannot be handled as a") => {
                return Err(untyped(status.message).into());
            }
            decoded => decoded?,
        };
        if let Some(field) = decoded.unknown.first() {
            return Err(untyped(format!(".{field}: field not declared in schema")).into());
        }
        let mut config = decoded.object;
        Self::check_names(target, &config)?;
        let cursor = Cursor::root(resource.kind);
        if let Some(why) = fieldset::bad_key(&cursor, &config, "") {
            return Err(untyped(why).into());
        }
        if target.subresource.is_empty() {
            self.drop_status(target, &mut config);
        }
        let writer = self.writer(target, Operation::Apply);
        let live = self.env.store.get(resource, target.namespace, target.name)?;
        let now = self.now();
        let Some(live) = live else {
            if !text(&config, "/metadata/uid").is_empty() {
                let why = "uid mismatch: the provided object specified a uid, and no existing object was found";
                return Err(Status::conflict(resource, target.name, why).into());
            }
            if !target.subresource.is_empty() {
                return Err(Status::not_found(resource, target.name).into());
            }
            let mut managers = Managers::default();
            let merged = managers.applied(resource.kind, &writer, &empty(target), &config, self.options.force, &now)?;
            let mut object = decode::object(resource, merged)?.object;
            name_it(&mut object, target);
            defaults::apply(resource.kind, &mut object);
            let object = self.insert(target, object, managers)?;
            return self.answer(object, true, Vec::new());
        };
        let mut managers = Managers::of(&live);
        if managers.is_empty() {
            managers.before_first_apply(resource.kind, &resource.api_version(), &live);
        }
        let merged = managers.applied(resource.kind, &writer, &live, &config, self.options.force, &now)?;
        let mut object = decode::object(resource, merged)?.object;
        // Conditions are nobody's fields: giving up all other metadata does not take them away.
        for condition in ["uid", "resourceVersion"] {
            if let Some(given) = config.pointer(&format!("/metadata/{condition}")) {
                metadata(&mut object).insert(condition.into(), given.clone());
            }
        }
        defaults::apply(resource.kind, &mut object);
        let object = self.replace(target, live, object, Ownership::Applied(managers))?;
        self.answer(object, false, Vec::new())
    }

    /// Puts `new` in the place of `live`. Nothing is written when nothing changed.
    fn replace(&self, target: &Target<'_>, live: Value, mut new: Value, ownership: Ownership) -> Result<Value> {
        let resource = target.resource;
        decode::drop_empty(resource, &mut new);
        let given = text(&new, "/metadata/resourceVersion");
        if !given.is_empty() && given != text(&live, "/metadata/resourceVersion") {
            return Err(Status::modified(resource, target.name).into());
        }
        let uid = text(&new, "/metadata/uid");
        if !uid.is_empty() && uid != text(&live, "/metadata/uid") {
            let why = format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                text(&live, "/metadata/uid")
            );
            return Err(Status::conflict(resource, target.name, &why).into());
        }
        let sent_managers = new.pointer("/metadata/managedFields").cloned();
        self.keep_server_fields(target, &live, &mut new);
        admission::update(&self.env.store, resource, &live, &mut new)?;
        let spec_changed = content_of(&live) != content_of(&new);
        if resource.generation && spec_changed && target.subresource != "status" {
            let generation = live.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0) + 1;
            metadata(&mut new).insert("generation".into(), generation.into());
        }
        let managers = match ownership {
            Ownership::Applied(managers) => managers,
            Ownership::Update(writer) => {
                let mut managers = match &sent_managers {
                    Some(Value::Array(list)) if list.len() == 1 && list[0] == json!({}) => Managers::default(),
                    Some(_) if !Managers::of(&new).is_empty() => Managers::of(&new),
                    _ => Managers::of(&live),
                };
                managers.updated(resource.kind, &writer, &live, &new, &self.now());
                managers
            }
        };
        let mut bare_live = live.clone();
        metadata(&mut bare_live).remove("managedFields");
        metadata(&mut new).remove("managedFields");
        if bare_live == new && managers.same_owners(&Managers::of(&live)) {
            return Ok(live);
        }
        let causes = validate::update(resource, &live, &new);
        if !causes.is_empty() {
            return Err(Status::invalid(resource, target.name, causes).into());
        }
        managers.store(&mut new);
        let gone = lifecycle::store_or_finish(&self.env, resource, &mut new, self.now_ms)?;
        if !gone {
            self.env.changed(resource, Some(&live), &new, self.now_ms)?;
        }
        if self.options.dry_run {
            metadata(&mut new).insert("resourceVersion".into(), live["metadata"]["resourceVersion"].clone());
        }
        Ok(new)
    }

    /// What a client cannot write through this request stays as it is.
    fn keep_server_fields(&self, target: &Target<'_>, live: &Value, new: &mut Value) {
        if target.subresource == "status" {
            let status = new.get("status").cloned();
            *new = live.clone();
            match status {
                Some(status) => drop(map_at(new, &[]).insert("status".into(), status)),
                None => drop(map_at(new, &[]).remove("status")),
            }
            return;
        }
        if target.resource.status {
            match live.get("status") {
                Some(status) => drop(map_at(new, &[]).insert("status".into(), status.clone())),
                None => drop(map_at(new, &[]).remove("status")),
            }
        }
        if target.resource.kind == "Namespace" {
            // Finalizers of the specification go through the `finalize` subresource only.
            map_at(new, &[]).insert("spec".into(), live["spec"].clone());
        }
        name_it(new, target);
        let fields = metadata(new);
        for field in [
            "uid",
            "creationTimestamp",
            "generation",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generateName",
            "resourceVersion",
        ] {
            match live.pointer(&format!("/metadata/{field}")) {
                Some(value) => drop(fields.insert(field.into(), value.clone())),
                None => drop(fields.remove(field)),
            }
        }
    }

    /// DELETE of an object. `body` is the `DeleteOptions`, or null.
    ///
    /// # Errors
    /// 404, 403, 409 on a failed precondition, and failures of the database.
    pub fn delete(&self, target: &Target<'_>, body: &Value, query: &[(String, String)]) -> Result<Written> {
        let live = self.found(target)?;
        let resource = target.resource;
        for (field, what) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
            let wanted = text(body, &format!("/preconditions/{field}"));
            let have = text(&live, &format!("/metadata/{field}"));
            if !wanted.is_empty() && wanted != have {
                let why = format!(
                    "the {what} in the precondition ({wanted}) does not match the {what} in record ({have}). The object might have been \
                     deleted and then recreated"
                );
                return Err(Status::conflict_in_deletion(resource, target.name, &why).into());
            }
        }
        if resource.kind == "Namespace" && matches!(target.name, "default" | "kube-system" | "kube-public") {
            return Err(Status::forbidden(resource, target.name, "this namespace may not be deleted").into());
        }
        let query = if body.is_null() { query } else { &[] };
        let from_query = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let policy = from_query("propagationPolicy").unwrap_or_else(|| text(body, "/propagationPolicy"));
        let propagation = match policy {
            "" | "Background" => Propagation::Background,
            "Foreground" => Propagation::Foreground,
            "Orphan" => Propagation::Orphan,
            other => return Err(Status::bad_request(format!("unknown propagationPolicy {other:?}")).into()),
        };
        let grace = from_query("gracePeriodSeconds").and_then(|g| g.parse().ok());
        let grace = grace.or_else(|| body.get("gracePeriodSeconds").and_then(Value::as_i64));
        let left = lifecycle::begin_delete(&self.env, resource, live.clone(), grace, propagation, self.now_ms)?;
        let object = match left {
            Some(object) => object,
            None if RETURNED_WHEN_DELETED.contains(&resource.kind) => live,
            None => status::deleted(resource, target.name, text(&live, "/metadata/uid")),
        };
        self.answer(object, false, Vec::new())
    }
}

/// The Namespaces' row of the table; it is always there, so `fallback` is never used.
fn namespaces_or(fallback: &'static Resource) -> &'static Resource {
    by_plural("namespaces").unwrap_or(fallback)
}

/// Kinds whose deletion is answered with the object (`ReturnDeletedObject` in `pkg/registry/*/*/storage/storage.go` of
/// Kubernetes); the others' with a `Status`.
const RETURNED_WHEN_DELETED: [&str; 7] =
    ["PersistentVolume", "PersistentVolumeClaim", "Pod", "ResourceQuota", "Service", "ServiceAccount", "StorageClass"];

/// Everything but metadata and status: what `metadata.generation` counts.
fn content_of(object: &Value) -> Vec<(&String, &Value)> {
    let map = object.as_object().into_iter().flatten();
    map.filter(|(name, _)| !matches!(name.as_str(), "metadata" | "status" | "apiVersion" | "kind")).collect()
}

/// The `Scale` of a workload.
#[must_use]
pub fn scale_of(object: &Value) -> Value {
    let fields = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"];
    let kept =
        fields.iter().filter_map(|f| Some(((*f).to_owned(), object.pointer(&format!("/metadata/{f}"))?.clone())));
    let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let selector: Vec<String> =
        labels.into_iter().flatten().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": Value::Object(kept.collect()),
        "spec": {"replicas": object.pointer("/spec/replicas").cloned().unwrap_or_else(|| 0.into())},
        "status": {
            "replicas": object.pointer("/status/replicas").cloned().unwrap_or_else(|| 0.into()),
            "selector": selector.join(","),
        },
    })
}
