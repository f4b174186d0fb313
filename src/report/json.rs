//! Plans, events and summaries for machines.
//!
//! Every top object has `format_version`. Values are in the form in which they may be stored: a secret is
//! `{"$sensitive": "<keyed digest>"}`, with `$shown` beside it where some lines of it may be seen, an unknown `{"$unknown": {"address", "output"}}`, and a user's key that begins with
//! `$` has one more. Durations are whole milliseconds in fields that end in `_ms`. Fields that do not apply are `null`,
//! but for the sides of a change: a side that is not there is left out, because `null` is a value.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::About;
use super::escape::is_unsafe;
use super::typed::Commands;
use crate::engine::address::Address;
use crate::engine::event::{Event, SkipReason, Summary};
use crate::engine::plan::{Asked, Cause, Danger, FieldChange, Plan, PlannedAction, Verb};
use crate::engine::provider::ProviderError;

/// The shape's version; goes up when a field changes its meaning or goes away, not when one is added.
pub const FORMAT_VERSION: u32 = 1;

/// Writes JSON on one line, or indented, and a line feed. What could steer a terminal is written as `\u…`.
///
/// # Errors
/// The writer's own.
pub fn write(out: &mut dyn Write, json: &Json, indented: bool) -> io::Result<()> {
    let text = if indented { serde_json::to_string_pretty(json)? } else { serde_json::to_string(json)? };
    let text = crate::text::ci::harmless_json(&text);
    let mut rest = &*text;
    // Outside of strings JSON has no such characters but line feeds, so each one found may be written as an escape.
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| *c != '\n' && is_unsafe(*c)) {
        write!(out, "{}\\u{:04x}", &rest[..at], u32::from(c))?;
        rest = &rest[at + c.len_utf8()..];
    }
    writeln!(out, "{rest}")
}

/// The whole plan: `mode`, `empty`, `counts` (action → number), `unchanged`, `dangers`, `notes`, `restarts`, `hosts`, and
/// `actions` in execution order. `about` says what else is known of it: `type` is `drift` for a drift report, `digest` is
/// there if it was saved, `sandbox` if it is for the sandbox only.
pub fn plan(plan: &Plan, about: &About<'_>, commands: &Commands) -> Json {
    let says = |dangers: &[Danger]| dangers.iter().map(|one| danger(one, commands)).collect::<Vec<_>>();
    let hosts: Vec<Json> = plan.hosts.iter().map(|(address, host)| json!({"address": address, "host": host})).collect();
    json!({
        "format_version": FORMAT_VERSION,
        "type": if about.drift { "drift" } else { "plan" },
        "digest": about.saved.as_ref().map(|saved| saved.digest),
        "sandbox": plan.rehearsal,
        "offline": plan.offline,
        "mode": plan.mode,
        "engine_version": plan.engine_version,
        "lineage": plan.lineage,
        "inputs": plan.inputs,
        "empty": plan.is_empty(),
        "counts": counts(&plan.counts()),
        "unchanged": plan.unchanged,
        "dangers": says(&plan.dangers),
        "notes": says(&plan.notes),
        "restarts": plan.restarts,
        "hosts": hosts,
        "actions": plan.actions.iter().map(|planned| action(planned, commands)).collect::<Vec<_>>(),
    })
}

fn danger(danger: &Danger, commands: &Commands) -> Json {
    let help: Vec<String> = danger.help.iter().flat_map(|advice| commands.lines(advice)).collect();
    json!({"code": danger.code, "address": danger.address, "text": danger.text, "help": help})
}

fn counts(counts: &[(Verb, usize)]) -> Json {
    // An action serialises as a text; the fallback is never taken.
    let name = |action: Verb| serde_json::to_value(action).ok().and_then(|name| name.as_str().map(str::to_owned));
    Json::Object(
        counts.iter().filter_map(|(action, count)| Some((name(*action)?, Json::from(*count)))).collect::<Map<_, _>>(),
    )
}

fn action(planned: &PlannedAction, commands: &Commands) -> Json {
    json!({
        "address": planned.address,
        "kind": planned.kind,
        "provider": planned.provider,
        "action": planned.action,
        "reason": planned.reason,
        "origin": planned.origin,
        "physical_id": planned.physical_id,
        "uid": planned.uid,
        "after": planned.after.as_ref().map(|value| value.to_stored()),
        "changes": planned.changes.iter().map(change).collect::<Vec<_>>(),
        "desired_digest": planned.desired_digest,
        "after_addresses": planned.after_addresses,
        "unconfirmed": planned.unconfirmed,
        "force": planned.force,
        "moved_from": planned.moved_from,
        "who": planned.who.as_ref().map(|who| commands.lines(who).join("\n")),
    })
}

fn change(change: &FieldChange) -> Json {
    let mut map = Map::new();
    map.insert("path".to_owned(), change.path.to_string().into());
    let desired = match &change.asked {
        Asked::NoThird => &None,
        Asked::AsApplied => &change.before,
        Asked::Other(other) => other,
    };
    for (key, side) in [("before", &change.before), ("after", &change.after), ("desired", desired)] {
        if let Some(value) = side {
            map.insert(key.to_owned(), value.to_stored());
        }
    }
    let cause = match &change.cause {
        Cause::Manifest => json!({"by": "manifest"}),
        Cause::Server => json!({"by": "server"}),
        Cause::Drift { writer, time, of_object } => {
            json!({"by": "drift", "writer": writer, "time": time, "of_object": of_object})
        }
    };
    map.insert("cause".to_owned(), cause);
    map.insert("forces_replacement".to_owned(), change.forces_replacement.into());
    Json::Object(map)
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn error(error: &ProviderError, commands: &Commands) -> Json {
    json!({
        "class": error.class.as_str(),
        "code": error.code,
        "status": error.status,
        "message": error.message,
        "request_id": error.request_id,
        "hint": error.hint.as_ref().map(|hint| commands.lines(hint).join("\n")),
    })
}

fn because(reason: &SkipReason) -> Json {
    match reason {
        SkipReason::DependencyFailed(address) => json!({"reason": "dependency-failed", "address": address}),
        SkipReason::Interrupted => json!({"reason": "interrupted"}),
    }
}

/// One event, for one line of `--json` output; `type` says which. The last one, `ended`, has the summary.
pub fn event(event: &Event, commands: &Commands) -> Json {
    let mut json = match event {
        Event::Began { changes } => json!({"type": "began", "changes": changes}),
        Event::Reconciled { address, outcome } => {
            json!({"type": "reconciled", "address": address, "outcome": outcome})
        }
        Event::Started { address, action, at } => {
            json!({"type": "started", "address": address, "action": action, "at_ms": ms(*at)})
        }
        Event::Status { address, text } => json!({"type": "status", "address": address, "text": text}),
        Event::Retried { address, delay, reason } => {
            json!({"type": "retried", "address": address, "delay_ms": ms(*delay), "reason": reason})
        }
        Event::Finished { address, action, took } => {
            json!({"type": "finished", "address": address, "action": action, "took_ms": ms(*took)})
        }
        Event::Failed { address, action, took, error: why } => json!({
            "type": "failed", "address": address, "action": action, "took_ms": ms(*took), "error": error(why, commands),
        }),
        Event::Skipped { address, action, because: why } => {
            json!({"type": "skipped", "address": address, "action": action, "because": because(why)})
        }
        Event::Interrupted { graceful, running } => {
            json!({"type": "interrupted", "graceful": graceful, "running": running})
        }
        Event::Ended(end) => json!({"type": "ended", "summary": summary_fields(end, commands)}),
    };
    json["format_version"] = FORMAT_VERSION.into();
    json
}

fn summary_fields(summary: &Summary, commands: &Commands) -> Json {
    let failed = |(address, action, why): &(Address, Verb, ProviderError)| json!({"address": address, "action": action, "error": error(why, commands)});
    let skipped = |(address, action, why): &(Address, Verb, SkipReason)| json!({"address": address, "action": action, "because": because(why)});
    json!({
        "complete": summary.is_complete(),
        "done": counts(&summary.done),
        "failed": summary.failed.iter().map(failed).collect::<Vec<_>>(),
        "skipped": summary.skipped.iter().map(skipped).collect::<Vec<_>>(),
        "notes": summary.notes.iter().map(|(address, text)| json!({"address": address, "text": text})).collect::<Vec<_>>(),
        "interrupted": summary.interrupted,
        "open": summary.open,
        "took_ms": ms(summary.took),
    })
}

/// The end of a run: `complete`, `done` (action → number), `failed`, `skipped`, `interrupted`, `open`, `took_ms`.
pub fn summary(summary: &Summary, commands: &Commands) -> Json {
    let mut json = summary_fields(summary, commands);
    json["type"] = "summary".into();
    json["format_version"] = FORMAT_VERSION.into();
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    #[test]
    fn a_plan_keeps_its_shape() {
        let mut json = plan(&testing::plan(), &About::default(), &Commands::PLAIN);
        // One creation and one update show the shape; the others repeat it.
        if let Some(actions) = json["actions"].as_array_mut() {
            actions.retain(|action| {
                matches!(action["address"].as_str(), Some(a) if a.ends_with("gitea/disk/default") || a.ends_with("Deployment/gitea-app"))
            });
        }
        let mut out = Vec::new();
        write(&mut out, &json, true).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
        {
          "actions": [
            {
              "action": "create",
              "address": "/ws/ops/prv/aks1/app/gitea/disk/default",
              "after": {
                "location": "japaneast",
                "properties": {
                  "diskSizeGB": 10,
                  "encryptionKey": {
                    "$sensitive": "hmac-sha256:5ec2e7c"
                  }
                },
                "sku": {
                  "name": "PremiumV2_LRS"
                },
                "tags": {
                  "managed-by": "kompox"
                },
                "zones": [
                  "1"
                ]
              },
              "after_addresses": [],
              "changes": [],
              "desired_digest": null,
              "force": false,
              "kind": "disk",
              "moved_from": null,
              "origin": {
                "column": 3,
                "file": "kompoxapp.yml",
                "line": 14
              },
              "physical_id": null,
              "provider": "azure://s",
              "reason": "new",
              "uid": null,
              "unconfirmed": null,
              "who": null
            },
            {
              "action": "update",
              "address": "/ws/ops/prv/aks1/cls/c1/app/gitea/Deployment/gitea-app",
              "after": null,
              "after_addresses": [
                "/ws/ops/prv/aks1/cls/c1/app/gitea/PersistentVolumeClaim/default"
              ],
              "changes": [
                {
                  "after": "gitea/gitea:1.24",
                  "before": "gitea/gitea:1.23",
                  "cause": {
                    "by": "manifest"
                  },
                  "forces_replacement": false,
                  "path": "spec.containers[gitea].image"
                },
                {
                  "after": {
                    "$sensitive": "hmac-sha256:5ec2e7b"
                  },
                  "before": {
                    "$sensitive": "hmac-sha256:5ec2e7a"
                  },
                  "cause": {
                    "by": "manifest"
                  },
                  "forces_replacement": false,
                  "path": "spec.env.DB_PASSWORD"
                },
                {
                  "after": "[server]\nPORT = 3000\nHOST = b\n",
                  "before": "[server]\nPORT = 3000\nHOST = a\n",
                  "cause": {
                    "by": "manifest"
                  },
                  "forces_replacement": false,
                  "path": "data.app.ini"
                },
                {
                  "after": 1,
                  "before": 3,
                  "cause": {
                    "by": "drift",
                    "of_object": false,
                    "time": "2026-05-01T10:00:00Z",
                    "writer": "kubectl-edit"
                  },
                  "forces_replacement": false,
                  "path": "spec.replicas"
                },
                {
                  "after": false,
                  "cause": {
                    "by": "server"
                  },
                  "forces_replacement": false,
                  "path": "spec.paused"
                }
              ],
              "desired_digest": null,
              "force": false,
              "kind": "Deployment",
              "moved_from": null,
              "origin": {
                "column": 3,
                "file": "compose.yml",
                "line": 12
              },
              "physical_id": null,
              "provider": "azure://s",
              "reason": "image changed; another writer changed replicas",
              "uid": null,
              "unconfirmed": null,
              "who": null
            }
          ],
          "counts": {
            "create": 3,
            "delete": 1,
            "forget": 1,
            "import": 1,
            "move": 1,
            "read": 1,
            "replace": 1,
            "update": 1
          },
          "dangers": [
            {
              "address": "/ws/ops/prv/aks1/cls/c1/agent-pool/npuser1",
              "code": "pool-deleted",
              "help": [
                "drain it first: kubectl drain -l kompox.dev/node-zone=1"
              ],
              "text": "its nodes go away, with the Pods on them"
            }
          ],
          "digest": null,
          "empty": false,
          "engine_version": "0.1.0",
          "format_version": 1,
          "hosts": [
            {
              "address": "/ws/ops/prv/aks1/cls/c1/app/gitea/Ingress/gitea-app",
              "host": "gitea.example.com"
            }
          ],
          "inputs": {
            "kompoxapp.yml": "hmac-sha256:1234"
          },
          "lineage": "5b0c1f6e-0000-4000-8000-000000000000",
          "mode": "apply",
          "notes": [
            {
              "address": null,
              "code": "spot",
              "help": [],
              "text": "pool npuser2 uses Spot nodes: apps with data on them are evicted now and then"
            }
          ],
          "offline": false,
          "restarts": [
            {
              "address": "/ws/ops/prv/aks1/cls/c1/app/gitea/Deployment/gitea-app",
              "because": "its pod template changes"
            }
          ],
          "sandbox": false,
          "type": "plan",
          "unchanged": 120
        }
        "#);
    }

    #[test]
    fn an_event_is_one_line_without_control_characters() {
        let event = event(
            &Event::Status {
                address: testing::address("app/gitea", "Deployment", "gitea-app"),
                text: "waiting\n\u{1b}[31m \u{9b}2J \u{202e}".into(),
            },
            &Commands::PLAIN,
        );
        let mut out = Vec::new();
        write(&mut out, &event, false).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(!text.trim_end().contains(is_unsafe));
        assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), event);
    }

    #[test]
    fn the_end_of_a_run_says_why_something_failed() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&summary(&testing::failed_summary(), &Commands::PLAIN)).unwrap(), @r#"
        {
          "complete": false,
          "done": {
            "create": 20,
            "update": 1
          },
          "failed": [
            {
              "action": "create",
              "address": "/ws/ops/prv/aks1/app/gitea/disk/default",
              "error": {
                "class": "rejected",
                "code": "QuotaExceeded",
                "hint": "ask for a higher quota of the region, or free some",
                "message": "Operation could not be completed as it results in exceeding approved quota.\nLimit: 10",
                "request_id": "8b1f",
                "status": 409
              }
            }
          ],
          "format_version": 1,
          "interrupted": false,
          "notes": [],
          "open": [],
          "skipped": [
            {
              "action": "create",
              "address": "/ws/ops/prv/aks1/cls/c1/app/gitea/PersistentVolume/default",
              "because": {
                "address": "/ws/ops/prv/aks1/app/gitea/disk/default",
                "reason": "dependency-failed"
              }
            },
            {
              "action": "update",
              "address": "/ws/ops/prv/aks1/cls/c1/app/gitea/Deployment/gitea-app",
              "because": {
                "address": "/ws/ops/prv/aks1/app/gitea/disk/default",
                "reason": "dependency-failed"
              }
            }
          ],
          "took_ms": 34000,
          "type": "summary"
        }
        "#);
    }
}
