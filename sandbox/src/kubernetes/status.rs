//! Failures as the API server tells them: `Status` objects with code, reason and details (API conventions, "Response Status Kind").

use serde_json::{Map, Value, json};

use super::super::world::WorldError;
use super::kinds::Resource;

/// Why a request was not served.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The request is refused; the client gets this `Status`.
    #[error("{}", .0.message)]
    Status(Box<Status>),
    /// The world could not be read or written.
    #[error(transparent)]
    World(#[from] WorldError),
    /// Nothing failed, but the transaction is to be undone: the answer of a dry run.
    #[error("dry run")]
    DryRun {
        /// What would be there.
        object: Box<Value>,
        /// Whether it would be new.
        created: bool,
    },
}

impl From<rusqlite::Error> for ApiError {
    fn from(error: rusqlite::Error) -> Self {
        Self::World(error.into())
    }
}

impl From<serde_json::Error> for ApiError {
    fn from(error: serde_json::Error) -> Self {
        Self::World(error.into())
    }
}

/// One entry of `details.causes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The machine-readable cause, such as `FieldValueRequired`.
    pub reason: &'static str,
    /// The cause in words.
    pub message: String,
    /// The field at fault, such as `spec.selector`.
    pub field: String,
}

/// A `Status` with `status: Failure`.
#[derive(Debug, Clone)]
pub struct Status {
    /// The HTTP status code.
    pub code: u16,
    /// The machine-readable reason; empty when the server has none.
    pub reason: &'static str,
    /// The sentence for people.
    pub message: String,
    /// The object's name, group, kind (or plural) and uid, as far as known.
    pub details: Map<String, Value>,
    /// What exactly is wrong.
    pub causes: Vec<Cause>,
}

impl From<Status> for ApiError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

impl Status {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Map::new(), causes: Vec::new() }
    }

    fn about(mut self, resource: &Resource, name: &str) -> Self {
        self.details.insert("name".into(), name.into());
        if !resource.group.is_empty() {
            self.details.insert("group".into(), resource.group.into());
        }
        self.details.insert("kind".into(), resource.plural.into());
        self
    }

    /// The request itself makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// Server-side apply without the name of a manager.
    pub fn no_manager() -> Self {
        let message = "Required value: is required for apply patch";
        let whole = format!("PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: {message}");
        let mut status = Self::new(422, "Invalid", whole);
        status.details.insert("group".into(), "meta.k8s.io".into());
        status.details.insert("kind".into(), "PatchOptions".into());
        status.causes.push(Cause {
            reason: "FieldValueRequired",
            message: message.to_owned(),
            field: "fieldManager".to_owned(),
        });
        status
    }

    /// What is asked for cannot be done with the object as it is. The API server does not say what.
    pub fn unprocessable() -> Self {
        Self::new(422, "Invalid", "the server rejected our request due to an error in our request")
    }

    /// There is no such object.
    pub fn not_found(resource: &Resource, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} \"{name}\" not found", resource.qualified())).about(resource, name)
    }

    /// There is no such path.
    pub fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    /// Creating what exists.
    pub fn already_exists(resource: &Resource, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} \"{name}\" already exists", resource.qualified()))
            .about(resource, name)
    }

    /// A condition of a deletion does not hold. It names the kind where others name the plural (`BeforeDelete` in
    /// `k8s.io/apiserver/pkg/registry/rest/delete.go`).
    pub fn conflict_in_deletion(resource: &Resource, name: &str, why: &str) -> Self {
        let kind = match resource.group {
            "" => resource.kind.to_owned(),
            group => format!("{}.{group}", resource.kind),
        };
        let message = format!("Operation cannot be fulfilled on {kind} \"{name}\": {why}");
        let mut status = Self::new(409, "Conflict", message).about(resource, name);
        status.details.insert("kind".into(), resource.kind.into());
        status
    }

    /// Optimistic locking or a precondition failed.
    pub fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", resource.qualified());
        Self::new(409, "Conflict", message).about(resource, name)
    }

    /// The `resourceVersion` sent is not that of the stored object.
    pub fn modified(resource: &Resource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    /// Server-side apply met fields of other managers.
    pub fn apply_conflict(message: String, causes: Vec<Cause>) -> Self {
        let mut status = Self::new(409, "Conflict", message);
        status.causes = causes;
        status
    }

    /// The object breaks a rule of its kind.
    pub fn invalid(resource: &Resource, name: &str, causes: Vec<Cause>) -> Self {
        let shown: Vec<String> = causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
        let shown = match shown.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let kind = match resource.group {
            "" => resource.kind.to_owned(),
            group => format!("{}.{group}", resource.kind),
        };
        let mut status =
            Self::new(422, "Invalid", format!("{kind} \"{name}\" is invalid: {shown}")).about(resource, name);
        status.details.insert("kind".into(), resource.kind.into());
        status.causes = causes;
        status
    }

    /// Nothing is created in a Namespace that is going away.
    pub fn namespace_terminating(resource: &Resource, name: &str, namespace: &str) -> Self {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let message = format!("{} \"{name}\" is forbidden: {why}", resource.qualified());
        let mut status = Self::new(403, "Forbidden", message).about(resource, name);
        status.causes = vec![Cause {
            reason: "NamespaceTerminating",
            message: format!("namespace {namespace} is being terminated"),
            field: "metadata.namespace".into(),
        }];
        status
    }

    /// A built-in object that nobody may remove.
    pub fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        Self::new(403, "Forbidden", format!("{} \"{name}\" is forbidden: {why}", resource.qualified()))
            .about(resource, name)
    }

    /// The verb does not exist there.
    pub fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    /// The body is of a type that is not read.
    pub fn unsupported_media_type(given: &str) -> Self {
        let message = format!("the body of the request was in an unknown format - \"{given}\"");
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// A watch or list asked for a version that is gone.
    pub fn expired(asked: i64, oldest: i64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    /// What the API server answers when a step failed without a reason of its own.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    /// The `Status` object.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        let mut details = self.details.clone();
        if !self.causes.is_empty() {
            let causes =
                self.causes.iter().map(|c| json!({"reason": c.reason, "message": c.message, "field": c.field}));
            details.insert("causes".into(), causes.collect());
        }
        if !details.is_empty() {
            status["details"] = Value::Object(details);
        }
        status
    }
}

/// The `Status` of a deletion that is complete.
#[must_use]
pub fn deleted(resource: &Resource, name: &str, uid: &str) -> Value {
    let mut details = json!({"name": name, "kind": resource.plural, "uid": uid});
    if !resource.group.is_empty() {
        details["group"] = resource.group.into();
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
