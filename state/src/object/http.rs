//! Requests of `object_store`, sent by the client that the rest of the program has.

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::BodyExt;
use object_store::ClientOptions;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};

/// How long a connection and a whole request may take, in seconds: with the attempts that follow well below a lease.
const CONNECT: u64 = 5;
const REQUEST: u64 = 15;

/// Makes clients. One TLS library serves the whole program (`docs/dependencies.md`), so `object_store` brings none.
#[derive(Debug, Clone, Default)]
pub(super) struct Connector {
    /// How many requests were sent.
    #[cfg(test)]
    pub(super) sent: std::sync::Arc<std::sync::atomic::AtomicU64>,
    /// Leaves the condition of each creation away, so that the server does what one that knows no conditions does.
    #[cfg(test)]
    pub(super) drops_conditions: bool,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|allowed| allowed == "true");
        let client = reqwest::Client::builder()
            .https_only(!plain)
            // A signature is for one host.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(std::time::Duration::from_secs(CONNECT))
            .timeout(std::time::Duration::from_secs(REQUEST))
            .build()
            .map_err(|e| object_store::Error::Generic { store: "HTTP", source: e.into() })?;
        Ok(HttpClient::new(Client {
            client,
            #[cfg(test)]
            tested: self.clone(),
        }))
    }
}

#[derive(Debug)]
struct Client {
    client: reqwest::Client,
    #[cfg(test)]
    tested: Connector,
}

#[async_trait]
impl HttpService for Client {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        #[cfg(test)]
        let parts = self.tested.sees(parts);
        let body: Bytes = body.collect().await?.to_bytes();
        let request = reqwest::Request::try_from(http::Request::from_parts(parts, body)).map_err(failed)?;
        let response = self.client.execute(request).await.map_err(failed)?;
        let (status, version, headers) = (response.status(), response.version(), response.headers().clone());
        let bytes = response.bytes().await.map_err(failed)?;
        let mut answer = HttpResponse::new(bytes.into());
        *answer.status_mut() = status;
        *answer.version_mut() = version;
        *answer.headers_mut() = headers;
        Ok(answer)
    }
}

#[cfg(test)]
impl Connector {
    fn sees(&self, mut parts: http::request::Parts) -> http::request::Parts {
        self.sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if self.drops_conditions {
            parts.headers.remove("if-none-match");
            parts.headers.remove("x-goog-if-generation-match");
        }
        parts
    }
}

fn failed(e: reqwest::Error) -> HttpError {
    let kind = match &e {
        e if e.is_timeout() => HttpErrorKind::Timeout,
        e if e.is_connect() => HttpErrorKind::Connect,
        e if e.is_decode() => HttpErrorKind::Decode,
        // It may have been sent: whether trying again is right, is asked of the request's kind.
        _ => HttpErrorKind::Interrupted,
    };
    // Without its URL, which may have a signature in it.
    HttpError::new(kind, e.without_url())
}
