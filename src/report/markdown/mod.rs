//! A plan as one pull-request comment: dangers and data first, then what users notice, then a folded block per app and
//! cluster and a small graph; cut from the least important end where it would be too long (`cli.md`, The engine).

mod folds;
mod head;
mod names;
mod words;

use self::folds::{Folds, folded, folded_list};
use super::About;
use super::escape::fence;
use super::facts::counted;
use super::graph::{self, GraphView};
use super::text;
use super::typed::Commands;
use crate::advice::{Command, Name};
use crate::engine::plan::Plan;

/// The longest comment that GitHub takes, in characters; counted here in bytes, which are never fewer.
pub const LIMIT: usize = 65_536;

/// The hidden first line by which a bot finds its comment again.
pub const MARKER: &str = "<!-- kompox-plan -->";

/// The same for a drift report, which must not take the place of a plan.
pub const DRIFT_MARKER: &str = "<!-- kompox-drift -->";

/// Nodes and edges of the graph: as many as are read at a glance.
const MOST_NODES: usize = 15;
const MOST_EDGES: usize = 40;
/// Bytes of what is not known yet.
const MOST_UNKNOWN: usize = 4_000;
/// Room for the sentences that say what was left out.
const RESERVE: usize = 1_000;

/// The comment, with commands as they are typed. No line of it is a command to a CI runner.
pub fn plan(plan: &Plan, about: &About<'_>, commands: &Commands) -> String {
    let comment = comment(plan, about, commands);
    crate::text::ci::harmless(&comment).into_owned()
}

fn comment(plan: &Plan, about: &About<'_>, commands: &Commands) -> String {
    let marker = if about.drift { DRIFT_MARKER } else { MARKER };
    let mut comment = head::head(plan, about, commands, marker);
    let room = LIMIT.saturating_sub(comment.len() + RESERVE);
    let mut folds = Folds::of(plan);
    let mut left_out = Vec::new();
    let mut graph = graph_block(plan);
    if folds.size() + graph.len() > room && !graph.is_empty() {
        graph.clear();
        left_out.push("the graph".to_owned());
    }
    let mut unknown = unknown_block(plan);
    if folds.size() + graph.len() + unknown.len() > room && !unknown.is_empty() {
        unknown.clear();
        left_out.push("what is not known yet".to_owned());
    }
    left_out.extend(folds.cut(room.saturating_sub(graph.len() + unknown.len())));
    folds.write(&mut comment);
    comment.push_str(&unknown);
    comment.push_str(&graph);
    if !left_out.is_empty() {
        let list = left_out.join(", ");
        let again = Command::new(if about.drift { Name::Drift } else { Name::Plan });
        let narrowed = commands.command(&text::narrowed(again.clone(), about.targets));
        let again = if narrowed.len() <= RESERVE / 2 { narrowed } else { commands.command(&again) };
        comment.push_str(&format!(
            "\n_A comment holds {LIMIT} characters, so this is left out: {list}. `{again}` shows everything._\n"
        ));
    }
    comment
}

/// What only the apply will tell; nothing where all is known.
fn unknown_block(plan: &Plan) -> String {
    let sections = text::not_known(plan);
    let mut items = Vec::new();
    let mut size = 0;
    for section in sections {
        for item in section.items {
            let item = words::prose(&format!("{} {item}", section.title.to_lowercase()));
            size += item.len();
            if size < MOST_UNKNOWN {
                items.push(item);
            }
        }
    }
    if items.is_empty() { String::new() } else { folded_list("Not known before the apply", &items) }
}

fn graph_block(plan: &Plan) -> String {
    let (view, left_out) = GraphView::of_plan(plan).cut(MOST_NODES, MOST_EDGES);
    if view.nodes.is_empty() {
        return String::new();
    }
    let mut drawn = Vec::new();
    // Writing to a vector cannot fail, and what is written is text.
    if graph::mermaid(&mut drawn, &view).is_err() {
        return String::new();
    }
    let title = match left_out {
        0 => "Graph".to_owned(),
        _ => format!("Graph ({} left out)", counted(left_out, "object")),
    };
    let drawn = String::from_utf8_lossy(&drawn);
    folded(&title, &fence(&drawn), "mermaid", &drawn)
}

#[cfg(test)]
mod tests;
