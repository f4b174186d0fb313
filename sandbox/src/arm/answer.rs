//! Answers and failures of the resource manager, in its envelope.

use serde_json::{Value, json};

use super::super::world::WorldError;

/// The body of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Content {
    None,
    Json(Value),
    /// JSON text that is already written: lists are put together from stored text.
    Text(String),
}

/// A successful answer.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub content: Content,
    /// Whether the world was changed.
    pub effect: bool,
}

impl Answer {
    /// What a read gives.
    pub fn found(body: Value) -> Self {
        Self { status: 200, headers: Vec::new(), content: Content::Json(body), effect: false }
    }

    /// What a write gives.
    pub fn changed(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), content: Content::Json(body), effect: true }
    }

    /// An answer without a body.
    pub fn empty(status: u16, effect: bool) -> Self {
        Self { status, headers: Vec::new(), content: Content::None, effect }
    }

    /// Adds the headers of a long-running operation.
    #[must_use]
    pub fn with(mut self, headers: Vec<(&'static str, String)>) -> Self {
        self.headers.extend(headers);
        self
    }
}

/// Why a request was refused, or could not be served.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum Failure {
    /// The caller's fault, in the envelope of the API.
    #[error("{status} {code}: {message}")]
    Refused { status: u16, code: String, message: String },
    /// The world cannot be used.
    #[error(transparent)]
    World(#[from] WorldError),
}

impl Failure {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self::Refused { status, code: code.to_owned(), message: message.into() }
    }

    /// 400 `InvalidParameter`.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidParameter", message)
    }

    /// 409 `PropertyChangeNotAllowed`.
    pub fn immutable(property: &str) -> Self {
        Self::new(409, "PropertyChangeNotAllowed", format!("Changing property '{property}' is not allowed."))
    }

    /// 404 `ResourceNotFound`.
    pub fn missing(id: &str) -> Self {
        let group = id.split('/').nth(4).unwrap_or_default();
        let resource = id.split_once("/providers/").map_or(id, |(_, rest)| rest);
        Self::new(
            404,
            "ResourceNotFound",
            format!("The Resource '{resource}' under resource group '{group}' was not found."),
        )
    }

    /// 405.
    pub fn method() -> Self {
        Self::new(405, "MethodNotAllowed", "The resource does not support this HTTP method.")
    }

    /// Status and body of the answer.
    pub fn envelope(&self) -> (u16, Value) {
        let (status, code, message) = match self {
            Self::Refused { status, code, message } => (*status, code.as_str(), message.clone()),
            Self::World(error) => (500, "InternalServerError", error.to_string()),
        };
        (status, json!({ "error": { "code": code, "message": message } }))
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::World(error.into())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::World(error.into())
    }
}
