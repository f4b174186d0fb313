//! Messages to a chat. Where they go, only the environment says: the URL of a webhook is a credential, which an argument
//! would show to everybody on the machine.

use clap::ValueEnum;

use super::error::CliError;
use super::global::Global;
use super::web;
use crate::engine::plan::Plan;
use crate::report::notify::{Kind, drift};

/// The variable with the URL.
const VARIABLE: &str = "KOMPOX_NOTIFY_URL";

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Chat {
    /// An incoming webhook of Slack
    Slack,
    /// A workflow of Microsoft Teams that takes adaptive cards
    Teams,
    /// Any webhook: a JSON document
    Generic,
}

/// The webhook, checked before anything else is done.
pub struct Webhook {
    url: url::Url,
    kind: Kind,
}

impl Webhook {
    /// The one of the environment.
    ///
    /// # Errors
    /// There is none, or what is sent there could be read on the way.
    pub fn of(chat: Chat, global: &Global) -> Result<Self, CliError> {
        let failed = |why: &str| {
            CliError::new("notify", format!("--notify: {why}"))
                .help(format!("set the variable {VARIABLE} to the URL of the webhook; it is never an argument"))
        };
        let text = global.environment().remove(VARIABLE).filter(|text| !text.is_empty());
        let url = text.ok_or_else(|| failed(&format!("{VARIABLE} is not set")))?;
        let url = web::url(&url, VARIABLE).map_err(|why| failed(&why))?;
        let kind = match chat {
            Chat::Slack => Kind::Slack,
            Chat::Teams => Kind::Teams,
            Chat::Generic => Kind::Generic,
        };
        Ok(Self { url, kind })
    }

    /// Tells of drift.
    ///
    /// # Errors
    /// The webhook does not take it. The URL is not said.
    pub async fn tell(&self, plan: &Plan) -> Result<(), CliError> {
        let failed = |why: String| {
            CliError::new("notify", format!("--notify: the webhook does not take it: {why}")).help(format!(
                "look whether {VARIABLE} is the webhook's newest URL, and whether --notify names its kind; drift was looked for all the same"
            ))
        };
        let request = web::client()
            .map_err(failed)?
            .post(self.url.clone())
            .header("content-type", "application/json")
            .body(drift(plan, self.kind).to_string());
        let answer = request.send().await.map_err(|error| failed(error.without_url().to_string()))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(failed(format!("it answers {status}"))),
        }
    }
}
