//! A plan or a graph as one HTML file that needs no network: everything that a reviewer sees in the other formats, with
//! search, folds and a graph to move about in. It reads the same without its script.
//!
//! Texts come from manifests and clouds that others can write. Each passes [`html`], and the page's own policy lets no
//! style and no script run but the two that are built in.

mod layout;
mod svg;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::escape::html;
use super::facts::counted;
use super::graph::GraphView;
use super::line::{Ink, Line};
use super::text::{self, Options};
use super::typed::Commands;
use super::{About, Style};
use crate::engine::plan::{Danger, Mode, Plan, PlannedAction, Verb};

const SCRIPT: &str = include_str!("page.js");

/// Nodes and arrows of a drawing: what a browser still moves without a jerk.
const MOST_NODES: usize = 1_500;
const MOST_EDGES: usize = 6_000;

/// The page of a plan or of a drift report, with commands as they are typed.
pub fn plan(plan: &Plan, about: &About<'_>, commands: &Commands) -> String {
    let title = if about.drift { "kompox drift" } else { "kompox plan" };
    let mut body = format!("<header>\n<h1>{title}</h1>\n");
    push_head(&mut body, plan, about, commands);
    body.push_str("</header>\n<main id=\"main\">\n");
    push_says(&mut body, ("Dangers", "dangers"), &plan.dangers, commands);
    if plan.mode == Mode::Destroy {
        push_says(&mut body, (text::KEPT.trim_end_matches(':'), "notes"), &text::kept(plan), commands);
    }
    push_says(&mut body, ("Notes", "notes"), &plan.notes, commands);
    let view = GraphView::of_plan(plan);
    if !view.nodes.is_empty() {
        push_changes(&mut body, plan);
    }
    if !plan.is_empty() {
        for section in text::closing(plan) {
            let items: String = section.items.iter().map(|item| format!("<li>{}</li>\n", html(item))).collect();
            let _ = write!(
                body,
                "<section>\n<h2>{}</h2>\n<ul class=\"list\">\n{items}</ul>\n</section>\n",
                html(section.title.trim_end_matches(':'))
            );
        }
    }
    push_graph(&mut body, &view, Some);
    body.push_str("</main>\n");
    page(title, &body)
}

/// The page of a graph.
pub fn graph(view: &GraphView) -> String {
    let mut body = "<header>\n<h1>kompox graph</h1>\n".to_owned();
    let _ = writeln!(body, "<p class=\"sentence\">{}.</p>", counted(view.nodes.len(), "object"));
    body.push_str("</header>\n<main id=\"main\">\n");
    push_bar(&mut body, &[], false);
    push_graph(&mut body, view, |_| None);
    body.push_str("</main>\n");
    page("kompox graph", &body)
}

/// A graph as an SVG file.
pub fn svg(view: &GraphView) -> String {
    svg::alone(view)
}

/// The whole file. Its policy names what is built in by digest, so nothing else can run or look otherwise.
fn page(title: &str, body: &str) -> String {
    let style = format!("{}{}", include_str!("page.css"), svg::STYLE);
    let digest = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        digest(&style),
        digest(SCRIPT)
    );
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">To the content</a>\n\
         {body}<footer>\n<p><kbd>/</kbd> search, <kbd>Esc</kbd> clear, <kbd>o</kbd> open all, <kbd>c</kbd> close all. In the graph: \
         arrow keys, <kbd>+</kbd> <kbd>-</kbd> <kbd>0</kbd>, wheel and drag. <button id=\"theme\" type=\"button\">Light or dark</button></p>\n\
         </footer>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

fn push_head(body: &mut String, plan: &Plan, about: &About<'_>, commands: &Commands) {
    let sentence = text::sentence(plan, about.drift);
    let _ = writeln!(body, "<p class=\"sentence\">{}</p>", html(&sentence));
    for (option, why) in text::marks(plan) {
        let _ = writeln!(body, "<p class=\"warn\">Made with <code>{option}</code>: {why}.</p>");
    }
    if about.drift && !plan.is_empty() {
        for (what, command) in text::drift_ways(about.targets) {
            let _ = writeln!(body, "<p>{}: <code>{}</code></p>", html(what), html(&commands.command(&command)));
        }
    }
    if let Some((saved, command)) = text::exactly(plan, about) {
        let _ = writeln!(body, "<p>Digest: <code>{}</code>. To do exactly this:</p>", html(saved.digest));
        let _ = writeln!(body, "<pre tabindex=\"0\">{}</pre>", html(&commands.command(&command)));
    }
}

/// A titled list of dangers or notes, each with its code and what to do.
fn push_says(body: &mut String, (title, class): (&str, &str), says: &[Danger], commands: &Commands) {
    if says.is_empty() {
        return;
    }
    let _ = write!(
        body,
        "<section class=\"{class}\" aria-label=\"{title}\">\n<h2>{title} ({})</h2>\n<ul class=\"list\">\n",
        says.len()
    );
    for said in says {
        let _ = write!(body, "<li><span class=\"code\">{}</span>", html(&said.code));
        if let Some(address) = &said.address {
            let _ = write!(body, "<span class=\"address\">{}</span>: ", html(address.as_str()));
        }
        body.push_str(&html(&said.text));
        let help: Vec<String> =
            said.help.iter().flat_map(|advice| commands.lines(advice)).map(|line| html(&line)).collect();
        if !help.is_empty() {
            let _ = write!(body, "<pre class=\"help\" tabindex=\"0\">{}</pre>", help.join("\n"));
        }
        body.push_str("</li>\n");
    }
    body.push_str("</ul>\n</section>\n");
}

/// Search, the verbs to show, and how much is shown.
fn push_bar(body: &mut String, verbs: &[(Verb, usize)], folds: bool) {
    body.push_str(
        "<div class=\"bar\" role=\"search\">\n<label class=\"spoken\" for=\"search\">Search</label>\n\
         <input id=\"search\" type=\"search\" placeholder=\"Search ( / )\" autocomplete=\"off\" spellcheck=\"false\">\n",
    );
    for (verb, count) in verbs {
        let word = verb.word();
        let _ = writeln!(
            body,
            "<label><input type=\"checkbox\" name=\"verb\" value=\"{word}\" checked> {word} {count}</label>"
        );
    }
    if folds {
        body.push_str(
            "<button id=\"open\" type=\"button\">Open all</button>\n<button id=\"close\" type=\"button\">Close all</button>\n",
        );
    }
    body.push_str("<span id=\"count\" class=\"dim\" role=\"status\"></span>\n</div>\n");
}

fn push_changes(body: &mut String, plan: &Plan) {
    body.push_str("<section aria-label=\"Changes\">\n<h2>Changes</h2>\n");
    let counts: Vec<(Verb, usize)> = plan.counts().into_iter().filter(|(verb, _)| *verb != Verb::NoOp).collect();
    push_bar(body, &counts, true);
    // The numbers of the nodes of the graph, which has the changes in the order of the plan.
    let changes = plan.actions.iter().filter(|planned| planned.action != Verb::NoOp);
    let numbers: std::collections::HashMap<_, _> =
        changes.enumerate().map(|(number, planned)| (&planned.address, number)).collect();
    for (scope, actions) in text::by_scope(plan) {
        let _ = writeln!(
            body,
            "<details class=\"scope\" open>\n<summary><b class=\"address\">{}</b> <span class=\"dim\">{}</span></summary>",
            html(scope),
            counted(actions.len(), "change")
        );
        for planned in actions {
            push_change(body, planned, numbers.get(&planned.address).copied().unwrap_or_default());
        }
        body.push_str("</details>\n");
    }
    body.push_str("</section>\n");
}

/// One change: its head is always seen, its fields when it is opened.
fn push_change(body: &mut String, planned: &PlannedAction, number: usize) {
    let lines = text::action_lines(planned, Options { expand: true }, &Style::PLAIN);
    let verb = planned.action.word();
    let searched = format!("{verb} {} {}", planned.address.as_str(), planned.reason).to_lowercase();
    let _ = write!(
        body,
        "<details class=\"change {verb}\" id=\"change-{number}\" data-verb=\"{verb}\" data-text=\"{}\">\n<summary>\
         <span class=\"mark\" aria-hidden=\"true\">{}</span><span class=\"spoken\">{verb} </span>",
        html(&searched),
        html(planned.action.mark()),
    );
    if let Some(head) = lines.first() {
        push_spans(body, head);
    }
    body.push_str("</summary>\n");
    if lines.len() > 1 {
        body.push_str("<pre class=\"diff\" tabindex=\"0\">");
        for line in &lines[1..] {
            push_line(body, line);
        }
        body.push_str("</pre>\n");
    }
    body.push_str("</details>\n");
}

fn push_line(body: &mut String, line: &Line) {
    let indent = " ".repeat(line.level.saturating_sub(1) * 2);
    let mark = format!("{:<2}", line.mark);
    push_span(body, line.ink, &format!("{indent}{mark}"));
    push_spans(body, line);
    body.push('\n');
}

fn push_spans(body: &mut String, line: &Line) {
    for (ink, text) in &line.spans {
        push_span(body, *ink, text);
    }
}

fn push_span(body: &mut String, ink: Ink, text: &str) {
    let class = match ink {
        Ink::Plain | Ink::Bold => None,
        Ink::Dim => Some("i-dim"),
        Ink::Added => Some("i-added"),
        Ink::Changed => Some("i-changed"),
        Ink::Removed => Some("i-removed"),
        Ink::Noted => Some("i-noted"),
        Ink::Danger => Some("i-danger"),
    };
    match class {
        Some(class) => {
            let _ = write!(body, "<span class=\"{class}\">{}</span>", html(text));
        }
        None => body.push_str(&html(text)),
    }
}

/// The drawing with its tools; `change` gives the number of the change that a node stands for.
fn push_graph(body: &mut String, view: &GraphView, change: impl Fn(usize) -> Option<usize>) {
    if view.nodes.is_empty() {
        return;
    }
    let (drawn, kept, left_out) = view.cut_to(MOST_NODES, MOST_EDGES);
    body.push_str("<section aria-label=\"Graph\">\n<h2>Graph</h2>\n<p class=\"dim\">Arrows point to what comes later.");
    if left_out > 0 {
        let _ = write!(body, " {} left out, creations first.", counted(left_out, "object"));
    }
    body.push_str(
        "</p>\n<div class=\"tools\">\n<button id=\"nearer\" type=\"button\" aria-label=\"Zoom in\">+</button>\n\
         <button id=\"farther\" type=\"button\" aria-label=\"Zoom out\">−</button>\n\
         <button id=\"whole\" type=\"button\">Whole graph</button>\n</div>\n<div class=\"canvas\">\n",
    );
    let name = "Graph of what comes before what";
    body.push_str(&svg::draw(&drawn, name, |number| change(kept[number])));
    body.push_str("</div>\n</section>\n");
}

#[cfg(test)]
mod tests;
