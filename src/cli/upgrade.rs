//! `kompox upgrade`

use semver::Version;
use serde_json::{Value, json};

use super::error::{CliError, Exit};
use super::flow::session::VERSION;
use super::global::Global;
use super::ui::Ui;
use super::web;
use crate::report::escape::clean;

/// The variable with the address.
const VARIABLE: &str = "KOMPOX_RELEASES_URL";

/// The longest answer that is read.
const LIMIT: usize = 1 << 20;

/// Arguments of `upgrade`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nothing else asks for newer versions, and nothing is installed. The address is that of the newest release, as GitHub \
(…/repos/OWNER/NAME/releases/latest) and GitLab (…/projects/ID/releases/permalink/latest) answer it.\n\n\
Exit codes: 0 this is the newest, 2 there is a newer one, 1 error.\n\n\
Example:\n  kompox upgrade --check --releases https://git.example.com/api/v4/projects/1/releases/permalink/latest"
)]
pub struct Args {
    /// Look whether there is a newer version
    #[arg(long, required = true)]
    check: bool,
    /// Where to look; also KOMPOX_RELEASES_URL
    #[arg(long, value_name = "URL")]
    releases: Option<String>,
}

/// Runs `upgrade --check`.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let named = args.releases.clone().or_else(|| global.environment().remove(VARIABLE));
    let named = named.filter(|text| !text.is_empty()).ok_or_else(|| {
        CliError::new("upgrade", "no address is known at which releases are listed")
            .help(format!("name it with --releases URL or the variable {VARIABLE}"))
    })?;
    let newest = newest(&named).await.map_err(|why| {
        CliError::new("upgrade", format!("the newest version cannot be asked for: {why}"))
            .help("look whether the address answers with the newest release, as a forge's API does")
    })?;
    let mine = Version::parse(VERSION).map_err(|error| CliError::new("upgrade", error.to_string()))?;
    let is_newest = newest.version <= mine;
    if ui.json {
        ui.document(
            &json!({"version": VERSION, "newest": newest.version.to_string(), "is_newest": is_newest, "url": newest.page}),
        )?;
    } else {
        ui.show(|out| {
            if is_newest {
                return writeln!(out, "kompox {VERSION} is the newest.");
            }
            let page = newest.page.as_deref().map(|page| format!(": {}", clean(page))).unwrap_or_default();
            writeln!(out, "kompox {} is out, this is {VERSION}{page}", newest.version)
        })?;
    }
    Ok(if is_newest { Exit::Done } else { Exit::Changes })
}

/// The newest release.
#[derive(Debug)]
struct Release {
    version: Version,
    /// Where to read about it.
    page: Option<String>,
}

async fn newest(address: &str) -> Result<Release, String> {
    let url = web::url(address, "the address")?;
    // The API of GitHub refuses whoever does not say who it is.
    let request = web::client()?.get(url).header("user-agent", "kompox").header("accept", "application/json");
    let mut answer = request.send().await.map_err(|error| error.without_url().to_string())?;
    if !answer.status().is_success() {
        return Err(format!("it answers {}", answer.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| error.without_url().to_string())? {
        body.extend_from_slice(&chunk);
        if body.len() > LIMIT {
            return Err(format!("the answer is longer than {LIMIT} bytes"));
        }
    }
    release(&body)
}

/// What a forge says of a release: `tag_name` is its version, with or without a `v`
/// (<https://docs.github.com/en/rest/releases/releases#get-the-latest-release>,
/// <https://docs.gitlab.com/api/releases/#get-the-latest-release>).
fn release(body: &[u8]) -> Result<Release, String> {
    let answer: Value = serde_json::from_slice(body).map_err(|error| format!("the answer is no JSON: {error}"))?;
    let tag = answer["tag_name"].as_str().ok_or("the answer has no \"tag_name\"")?;
    let version = Version::parse(tag.trim_start_matches('v'))
        .map_err(|error| format!("\"tag_name\" is no version: {} ({error})", clean(tag)))?;
    let pages = [&answer["html_url"], &answer["_links"]["self"]];
    let page = pages.into_iter().find_map(Value::as_str).filter(|page| page.starts_with("https://"));
    Ok(Release { version, page: page.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_read_as_both_forges_tell_it() {
        let github = release(br#"{"tag_name": "v1.2.3", "html_url": "https://e/1"}"#).unwrap();
        assert_eq!((github.version.to_string(), github.page.as_deref()), ("1.2.3".to_owned(), Some("https://e/1")));
        let gitlab = release(br#"{"tag_name": "1.3.0-rc.1", "_links": {"self": "https://e/2"}}"#).unwrap();
        assert!(gitlab.version > github.version && gitlab.version < Version::new(1, 3, 0));
        assert_eq!(release(br#"{"tag_name": "v1.0.0", "html_url": "javascript:x"}"#).unwrap().page, None);
        for (body, why) in [("[]", "no \"tag_name\""), ("<html>", "no JSON"), (r#"{"tag_name": "new"}"#, "no version")]
        {
            assert!(release(body.as_bytes()).unwrap_err().contains(why), "{body}");
        }
    }
}
