//! A call of the resource manager: a request in its transaction, with what it takes to serve it.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use rusqlite::Transaction;

use super::super::kube_api::KubernetesApi;
use super::answer::Failure;
use super::route::Route;
use super::store::Paging;

/// What the emulator is told at start.
#[derive(Clone)]
pub(in super::super) struct Settings {
    /// Entries of a list page.
    pub page_size: usize,
    /// The time a simple long-running operation takes.
    pub operation_delay: Duration,
    /// The world's token, which kubeconfigs carry.
    pub token: String,
}

/// A request as it came, and what belongs to it.
#[derive(Debug, Clone)]
pub(in super::super) struct Request {
    pub method: Method,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: http::HeaderMap,
    pub body: Bytes,
    /// Its number in the log.
    pub seq: i64,
    pub now_ms: i64,
    /// `http://<host>` as the client wrote it.
    pub base: String,
    /// The operation that it starts is to fail.
    pub fail: bool,
}

/// A request inside its transaction.
pub(super) struct Call<'a> {
    pub tx: &'a Transaction<'a>,
    pub kube: &'a dyn KubernetesApi,
    pub settings: &'a Settings,
    pub route: &'a Route,
    pub request: &'a Request,
}

impl std::ops::Deref for Call<'_> {
    type Target = Request;

    fn deref(&self) -> &Request {
        self.request
    }
}

impl Call<'_> {
    /// A query parameter; names are read without regard to case.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.request.query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The page of a list that is asked for.
    ///
    /// # Errors
    /// The page is none that a list gave.
    pub fn paging(&self) -> Result<Paging, Failure> {
        Paging::of(&format!("{}{}", self.base, self.path), &self.request.query, self.settings.page_size)
    }
}
