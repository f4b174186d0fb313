//! A plan as one pull-request comment: counts and dangers first, a folded block per app and cluster, a small graph; cut
//! from the least important end where it would be too long (`cli.md`, The engine).

use std::collections::BTreeSet;

use super::escape::{clean, fence, html};
use super::facts::counted;
use super::graph::{self, GraphView};
use super::line::Line;
use super::text::{self, Options};
use super::typed::Commands;
use super::value::cut;
use super::{About, Style};
use crate::advice::{Command, Name};
use crate::engine::plan::{Danger, Mode, Plan, PlannedAction};

/// The longest comment that GitHub takes, in characters; counted here in bytes, which are never fewer.
pub const LIMIT: usize = 65_536;

/// The hidden first line by which a bot finds its comment again.
pub const MARKER: &str = "<!-- kompox-plan -->";

/// The same for a drift report, which must not take the place of a plan.
pub const DRIFT_MARKER: &str = "<!-- kompox-drift -->";

/// Nodes and edges of the graph: as many as are read at a glance.
const MOST_NODES: usize = 16;
const MOST_EDGES: usize = 40;
/// Bytes of the lists at the top; together they leave room for what follows.
const MOST_DANGERS: usize = 20_000;
const MOST_NOTES: usize = 8_000;
const MOST_CLOSING: usize = 4_000;
/// Characters of one line of such a list, before escaping.
const MOST_ITEM: usize = 400;
/// Bytes of a command in such a list.
const MOST_COMMAND: usize = 2_000;
/// Room for the sentences that say what was left out.
const RESERVE: usize = 1_000;

/// The comment, with commands as they are typed. No line of it is a command to a CI runner.
pub fn plan(plan: &Plan, about: &About<'_>, commands: &Commands) -> String {
    let comment = comment(plan, about, commands);
    crate::text::ci::harmless(&comment).into_owned()
}

fn comment(plan: &Plan, about: &About<'_>, commands: &Commands) -> String {
    let head = head(plan, about, commands);
    let mut blocks = blocks(plan);
    let mut graph = graph_block(plan);
    let room = LIMIT.saturating_sub(head.len() + RESERVE);
    let mut size = graph.len() + blocks.iter().map(|block| block.text().len()).sum::<usize>();
    let mut left_out = Vec::new();
    if size > room && !graph.is_empty() {
        size -= graph.len();
        graph.clear();
        left_out.push("the graph".to_owned());
    }
    let shortened = shorten(&mut blocks, &mut size, room);
    if shortened > 0 {
        left_out.push(format!("details of {}", counted(shortened, "group")));
    }
    let mut comment = head;
    let mut used = 0;
    let mut dropped = 0;
    for block in &blocks {
        if used + block.text().len() > room {
            dropped += 1;
            continue;
        }
        used += block.text().len();
        comment.push_str(block.text());
    }
    if dropped > 0 {
        left_out.push(format!("{} altogether", counted(dropped, "group")));
    }
    comment.push_str(&graph);
    if !left_out.is_empty() {
        let list = left_out.join(", ");
        comment.push_str(&format!(
            "\n_A comment holds {LIMIT} characters, so this is left out: {list}. `{}` shows everything._\n",
            commands.command(&Command::new(if about.drift { Name::Drift } else { Name::Plan }))
        ));
    }
    comment
}

/// Shortens blocks until they fit: those without dangers first, the biggest first, from everything to a line per change,
/// then to one line. Says how many were shortened.
fn shorten(blocks: &mut [Block], size: &mut usize, room: usize) -> usize {
    let mut shortened = BTreeSet::new();
    for dangerous in [false, true] {
        for level in [1, 2] {
            let mut order: Vec<usize> = (0..blocks.len()).filter(|i| blocks[*i].dangerous == dangerous).collect();
            order.sort_by_key(|i| std::cmp::Reverse(blocks[*i].text().len()));
            for index in order {
                if *size <= room {
                    return shortened.len();
                }
                let block = &mut blocks[index];
                let before = block.text().len();
                if block.forms[level].len() < before {
                    block.form = level;
                    *size -= before - block.text().len();
                    shortened.insert(index);
                }
            }
        }
    }
    shortened.len()
}

/// The changes of one scope in three lengths: everything, a line per change, one line.
struct Block {
    forms: [String; 3],
    form: usize,
    dangerous: bool,
}

impl Block {
    fn text(&self) -> &str {
        &self.forms[self.form]
    }
}

fn blocks(plan: &Plan) -> Vec<Block> {
    let at_risk: BTreeSet<&str> =
        plan.dangers.iter().filter_map(|danger| danger.address.as_ref()).map(|address| address.scope()).collect();
    text::by_scope(plan)
        .into_iter()
        .map(|(scope, actions)| {
            let title = format!("<b>{}</b>: {}", html(scope), counts(&actions));
            let lines: Vec<Vec<Line>> =
                actions.iter().map(|planned| text::action_lines(planned, Options::default(), &Style::PLAIN)).collect();
            let all: String = lines.iter().flatten().map(|line| line.to_diff() + "\n").collect();
            let heads: String =
                lines.iter().filter_map(|lines| lines.first()).map(|line| line.to_diff() + "\n").collect();
            Block {
                forms: [
                    details(&title, "diff", &all),
                    details(&format!("{title} (fields left out)"), "diff", &heads),
                    format!("- {title} (details left out)\n"),
                ],
                form: 0,
                dangerous: at_risk.contains(scope) || actions.iter().any(|planned| planned.action.deletes()),
            }
        })
        .collect()
}

fn counts(actions: &[&PlannedAction]) -> String {
    let mut parts: Vec<(&str, usize)> = Vec::new();
    for planned in actions {
        let verb = planned.action.word();
        match parts.iter_mut().find(|(known, _)| *known == verb) {
            Some((_, count)) => *count += 1,
            None => parts.push((verb, 1)),
        }
    }
    parts.iter().map(|(verb, count)| format!("{count} to {verb}")).collect::<Vec<_>>().join(", ")
}

/// A folded block around a fence.
fn details(title: &str, language: &str, content: &str) -> String {
    let fence = fence(content);
    format!("<details><summary>{title}</summary>\n\n{fence}{language}\n{content}{fence}\n\n</details>\n")
}

fn head(plan: &Plan, about: &About<'_>, commands: &Commands) -> String {
    let (marker, title) = if about.drift { (DRIFT_MARKER, "drift") } else { (MARKER, "plan") };
    let mut head = format!("{marker}\n## kompox {title}\n\n");
    let sentence = text::sentence(plan, about.drift);
    head.push_str(&format!("**{}**\n\n", html(&sentence)));
    if about.drift && !plan.is_empty() {
        for (what, command) in text::drift_ways() {
            head.push_str(&format!("- {what}: `{}`\n", code(&commands.command(&command))));
        }
        head.push('\n');
    }
    if plan.rehearsal {
        head.push_str("Made with `--sandbox`: it is for the sandbox only.\n\n");
    }
    if let Some(saved) = &about.saved {
        let command = Command::new(Name::Apply).word(saved.file).word("--expect-digest").word(saved.digest);
        let command = code(&commands.command(&command));
        head.push_str(&format!("Digest: `{}`. To do exactly this:\n\n", code(saved.digest)));
        let fence = fence(&command);
        head.push_str(&format!("{fence}console\n{command}\n{fence}\n\n"));
    }
    if !plan.dangers.is_empty() {
        head.push_str("> [!CAUTION]\n");
        push_list(&mut head, "> ", plan.dangers.iter().map(|one| danger(one, commands)), MOST_DANGERS);
    }
    if plan.mode == Mode::Destroy {
        titled(&mut head, text::KEPT, text::kept(plan).iter().map(|one| danger(one, commands)), MOST_NOTES);
    }
    titled(&mut head, "Notes:", plan.notes.iter().map(|one| danger(one, commands)), MOST_NOTES);
    if !plan.is_empty() {
        for section in text::closing(plan) {
            let items = section.items.into_iter().map(|item| vec![item_text(&item)]);
            titled(&mut head, &section.title, items, MOST_CLOSING);
        }
    }
    head
}

/// A line of help. A command is useful as a whole only, so it is never cut where people write commands.
fn help_text(text: &str) -> String {
    if text.contains("kompox ") && text.len() < MOST_COMMAND { html(text) } else { item_text(text) }
}

/// Text for a code span or fence: one line, no backtick that could end it.
fn code(text: &str) -> String {
    clean(text).replace('`', "'")
}

fn item_text(text: &str) -> String {
    html(&cut(text.to_owned(), MOST_ITEM, &Style::PLAIN))
}

/// A danger as the lines of a list item: what it is, then each line of help.
fn danger(danger: &Danger, commands: &Commands) -> Vec<String> {
    let text = item_text(&danger.text);
    let first = match &danger.address {
        Some(address) => format!("<b>{}</b>: {text}", item_text(address.as_str())),
        None => text,
    };
    let help = danger.help.iter().flat_map(|advice| commands.lines(advice));
    let help = help.map(|line| format!("<code>{}</code>", help_text(&line)));
    std::iter::once(first).chain(help).collect()
}

fn titled(out: &mut String, title: &str, items: impl ExactSizeIterator<Item = Vec<String>>, most: usize) {
    if items.len() > 0 {
        out.push_str(&format!("**{}**\n\n", html(title)));
        push_list(out, "", items, most);
    }
}

/// A list of no more than `most` bytes, saying how many items were left out.
fn push_list(out: &mut String, prefix: &str, items: impl ExactSizeIterator<Item = Vec<String>>, most: usize) {
    let (total, start) = (items.len(), out.len());
    for (number, lines) in items.enumerate() {
        let item = format!("{prefix}- {}\n", lines.join("<br>"));
        if out.len() + item.len() > start + most {
            out.push_str(&format!("{prefix}- and {} more\n", total - number));
            break;
        }
        out.push_str(&item);
    }
    out.push('\n');
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
    details(&title, "mermaid", &String::from_utf8_lossy(&drawn))
}

#[cfg(test)]
#[path = "markdown_tests.rs"]
mod tests;
