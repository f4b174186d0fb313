//! What exists stays where it is: settings and renames that would put a recorded object somewhere else are errors here,
//! where the settings that keep it in its place can be named. The engine refuses what is left over.

use super::kinds;
use super::settings::{CLUSTER_NAME, RESOURCE_GROUP, SUBSCRIPTION};
use crate::diag::{Diagnostic, Location};
use crate::engine::graph::Node;
use crate::resources::scope::{Findings, StateView};

/// Finds every group, cluster and storage account that is recorded under another id than the manifests give it now.
pub(super) fn check(nodes: &[Node], findings: &mut Findings<'_>, state: &StateView) {
    let mut reported: Vec<String> = Vec::new();
    let placed = [&kinds::GROUP, &kinds::CLUSTER, &kinds::STORAGE_ACCOUNT];
    let is_placed = |node: &&Node| !node.read_only && placed.iter().any(|kind| std::ptr::eq(*kind, node.kind));
    for node in nodes.iter().filter(is_placed) {
        let Some(known) = state.known(&node.address) else { continue };
        let Some(wanted) = node.desired.get("id").and_then(|id| id.as_str()) else { continue };
        // The recorded id of an app's group wins over its name, so that it can be in another subscription only by its key.
        let key = (node.provider.host().is_none()).then(|| node.provider.authority());
        let moved =
            key.zip(subscription(&known.physical_id)).is_some_and(|(now, then)| !now.eq_ignore_ascii_case(then));
        if known.physical_id.eq_ignore_ascii_case(wanted) && !moved {
            continue;
        }
        let inside = format!("{}/", known.physical_id.to_ascii_lowercase());
        let is_reported = |outer: &String| inside.starts_with(outer.as_str());
        let outer_is_known = reported.iter().any(is_reported);
        reported.push(inside.clone());
        // What lies in a group that would move has been spoken of, unless its own name differs, too.
        if outer_is_known && last(&known.physical_id).eq_ignore_ascii_case(last(wanted)) {
            continue;
        }
        let now = match key {
            Some(key) if moved => in_subscription(wanted, key),
            _ => wanted.to_owned(),
        };
        let message = format!("{} is {}, and would be {now}: it cannot move", node.address, known.physical_id);
        let mut diagnostic = Diagnostic::error("place", message);
        if let Some(origin) = &node.origin {
            diagnostic = diagnostic.at(Location::new(origin.file.clone(), origin.line, origin.column), None);
        }
        for line in help(node, &known.physical_id, moved) {
            diagnostic = diagnostic.help(line);
        }
        findings.push(diagnostic);
    }
}

/// What keeps it where it is.
fn help(node: &Node, id: &str, moved: bool) -> Vec<String> {
    if moved {
        let then = subscription(id).unwrap_or_default();
        return vec![
            format!("nothing moves to another subscription; keep {}: {then}", SUBSCRIPTION.key),
            "for the other subscription declare a Provider of its own, with Clusters and Apps under it".to_owned(),
        ];
    }
    let setting = match node.kind {
        kind if std::ptr::eq(kind, &kinds::GROUP) => format!("{}: {}", RESOURCE_GROUP.key, last(id)),
        kind if std::ptr::eq(kind, &kinds::CLUSTER) => format!("{}: {}", CLUSTER_NAME.key, last(id)),
        _ => {
            return vec![
                "its name follows from those of Workspace, Provider and App: undo the rename, or copy the files to new volumes"
                    .to_owned(),
            ];
        }
    };
    vec![
        "undo the change of its name, or keep it under a new one; in settings: of the same document:".to_owned(),
        setting,
        "to make a new one instead, leave moved-from out and give it a Resource ID of its own".to_owned(),
    ]
}

fn subscription(id: &str) -> Option<&str> {
    let mut steps = id.split('/').skip(1);
    steps.next().filter(|step| step.eq_ignore_ascii_case("subscriptions"))?;
    steps.next()
}

/// The same id in another subscription.
fn in_subscription(id: &str, subscription: &str) -> String {
    let rest = id.splitn(4, '/').nth(3).unwrap_or_default();
    format!("/subscriptions/{subscription}/{rest}")
}

fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}
