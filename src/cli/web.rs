//! Requests of commands that talk to a place which their user names: a webhook, a list of releases.

use std::time::Duration;

use crate::text::host::is_loopback;

/// How long such a place may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A URL to which nothing goes that could be read on the way; `name` is what the user knows it by.
///
/// # Errors
/// Why it is none, in words.
pub fn url(text: &str, name: &str) -> Result<url::Url, String> {
    let url = url::Url::parse(text).map_err(|_| format!("{name} is no URL"))?;
    if url.scheme() != "https" && !url.host_str().is_some_and(is_loopback) {
        return Err(format!("{name} must begin with https://"));
    }
    Ok(url)
}

/// A client that follows nobody elsewhere.
///
/// # Errors
/// The library's own words.
pub fn client() -> Result<reqwest::Client, String> {
    let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
    client.build().map_err(|error| error.to_string())
}
