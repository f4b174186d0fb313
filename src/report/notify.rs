//! Drift as a message to a chat: a line for each app that somebody changed.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::escape::clean;
use super::facts::counted;
use super::text;
use crate::engine::plan::Plan;

/// Which message a webhook takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An incoming webhook of Slack: `text` in mrkdwn.
    Slack,
    /// A workflow of Microsoft Teams that takes an adaptive card.
    Teams,
    /// What programs read.
    Generic,
}

/// The message about the drift of a plan.
pub fn drift(plan: &Plan, kind: Kind) -> Json {
    let mut apps: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for planned in text::drifted(plan) {
        let (objects, fields) = apps.entry(text::owner(planned.address.scope())).or_default();
        *objects += 1;
        *fields += text::drifted_fields(plan, planned).count();
    }
    let line = |(owner, (objects, fields)): (&String, &(usize, usize))| {
        format!("{}: {} of {}", clean(owner), counted(*fields, "field"), counted(*objects, "object"))
    };
    let lines: Vec<String> = apps.iter().map(line).collect();
    let sentence = text::sentence(plan, true);
    match kind {
        Kind::Slack => {
            // https://api.slack.com/reference/surfaces/formatting#escaping: with these nothing mentions or links.
            let escaped = |text: &String| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let lines: Vec<String> = lines.iter().map(|line| format!("• {}", escaped(line))).collect();
            json!({"text": format!("{sentence}\n{}", lines.join("\n"))})
        }
        Kind::Teams => {
            let block = |text: &str| json!({"type": "TextBlock", "text": escaped_card(text), "wrap": true});
            let body: Vec<Json> =
                std::iter::once(block(&sentence)).chain(lines.iter().map(|line| block(line))).collect();
            let content = json!({
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard", "version": "1.4", "body": body,
            });
            let card = json!({"contentType": "application/vnd.microsoft.card.adaptive", "content": content});
            json!({"type": "message", "attachments": [card]})
        }
        Kind::Generic => {
            let app = |(app, (objects, fields)): (&String, &(usize, usize))| json!({"app": app, "objects": objects, "fields": fields});
            json!({
                "format_version": super::json::FORMAT_VERSION,
                "type": "drift-notification",
                "text": sentence,
                "apps": apps.iter().map(app).collect::<Vec<_>>(),
            })
        }
    }
}

/// Text of a card, which may have some Markdown: links, emphasis and lists begin with one of these.
fn escaped_card(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        if matches!(c, '\\' | '[' | ']' | '*' | '_' | '<' | '>' | '`' | '#') {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    #[test]
    fn a_message_has_a_line_for_each_app() {
        let plan = testing::drift_plan();
        let slack = drift(&plan, Kind::Slack);
        insta::assert_snapshot!(slack["text"].as_str().unwrap(), @r"
        Drift: 2 fields of 3 objects.
        • /ws/ops/prv/aks1/app/gitea: 2 fields of 3 objects
        ");
        let teams = drift(&plan, Kind::Teams);
        assert_eq!(teams["attachments"][0]["content"]["body"].as_array().unwrap().len(), 2);
        let generic = drift(&plan, Kind::Generic);
        assert_eq!(generic["apps"][0], json!({"app": "/ws/ops/prv/aks1/app/gitea", "objects": 3, "fields": 2}));
    }

    #[test]
    fn no_name_calls_anybody() {
        let mut plan = testing::drift_plan();
        plan.actions.truncate(1);
        plan.actions[0].address = testing::address("app/<!channel>[x](https:/e)", "disk", "d");
        let text = drift(&plan, Kind::Slack).to_string();
        assert!(text.contains("&lt;!channel&gt;") && !text.contains("<!channel>"), "{text}");
        let card = drift(&plan, Kind::Teams).to_string();
        assert!(card.contains(r"\\<!channel\\>\\[x\\]("), "{card}");
    }
}
