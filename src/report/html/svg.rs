//! A graph as SVG: alone, and inside of a page that brings the colours.

use std::fmt::Write as _;

use super::layout::Layout;
use crate::engine::plan::Verb;
use crate::report::Style;
use crate::report::escape::html;
use crate::report::graph::{GraphView, Node};
use crate::report::value::brief;

/// Pixels of a node, and between two.
const WIDTH: usize = 250;
const HEIGHT: usize = 40;
const GAP_X: usize = 90;
const GAP_Y: usize = 12;
const MARGIN: usize = 16;
/// Characters that fit into a node.
const MOST_LABEL: usize = 32;
const MOST_WHERE: usize = 38;

/// How it looks: by the colours of the page around it, else by those of daylight.
pub(super) const STYLE: &str = include_str!("graph.css");

/// The drawing as a file of its own.
pub(super) fn alone(view: &GraphView) -> String {
    let drawing = draw(view, "Graph", |_| None);
    let head = drawing.find('\n').map_or(drawing.len(), |end| end + 1);
    format!("{}<style>\n{STYLE}</style>\n{}", &drawing[..head], &drawing[head..])
}

/// The drawing. `change` gives the number of the change on the page that a node leads to, by the node's number.
pub(super) fn draw(view: &GraphView, name: &str, change: impl Fn(usize) -> Option<usize>) -> String {
    let layout = Layout::of(view.nodes.len(), view.edges.iter().copied());
    let (columns, rows) = layout.size();
    let (width, height) = (span(columns, WIDTH, GAP_X), span(rows, HEIGHT, GAP_Y));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"group\" tabindex=\"0\" \
         aria-label=\"{}\">\n",
        html(name)
    );
    for (first, then) in &layout.edges {
        push_edge(&mut svg, (*first, layout.places[*first]), (*then, layout.places[*then]));
    }
    for (number, node) in view.nodes.iter().enumerate() {
        push_node(&mut svg, number, node, layout.places[number], change(number));
    }
    svg.push_str("</svg>\n");
    svg
}

fn span(count: usize, size: usize, gap: usize) -> usize {
    count * size + count.saturating_sub(1) * gap + 2 * MARGIN
}

fn corner((column, row): (usize, usize)) -> (usize, usize) {
    (MARGIN + column * (WIDTH + GAP_X), MARGIN + row * (HEIGHT + GAP_Y))
}

fn push_edge(svg: &mut String, first: (usize, (usize, usize)), then: (usize, (usize, usize))) {
    let ((from, start), (to, end)) = ((first.0, corner(first.1)), (then.0, corner(then.1)));
    let (x1, y1, x2, y2) = (start.0 + WIDTH, start.1 + HEIGHT / 2, end.0, end.1 + HEIGHT / 2);
    let middle = (x1 + x2) / 2;
    // Writing to a string cannot fail.
    let _ = writeln!(
        svg,
        "<path class=\"edge\" data-from=\"{from}\" data-to=\"{to}\" d=\"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}\"/>"
    );
}

fn push_node(svg: &mut String, number: usize, node: &Node, place: (usize, usize), change: Option<usize>) {
    let (x, y) = corner(place);
    let verb = node.action.map_or("", Verb::word);
    let said = format!("{verb} {}", node.label);
    let (open, close) = match change {
        Some(change) => (format!("<a href=\"#change-{change}\">"), "</a>"),
        None => (String::new(), ""),
    };
    let mark = node.action.map_or("", Verb::mark);
    let label = brief(format!("{mark} {}", node.label).trim(), MOST_LABEL, &Style::PLAIN);
    let place = node.address.scope();
    // The end of a scope tells it apart; its beginning is the same everywhere.
    let cut = place.chars().count().saturating_sub(MOST_WHERE);
    let place: String = match cut {
        0 => place.to_owned(),
        _ => std::iter::once('…').chain(place.chars().skip(cut + 1)).collect(),
    };
    let _ = writeln!(
        svg,
        "{open}<g class=\"node {verb}\" data-node=\"{number}\" data-verb=\"{verb}\" data-text=\"{text}\">\
         <title>{title}</title><rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/>\
         <text x=\"{tx}\" y=\"{ty}\">{label}</text><text class=\"where\" x=\"{tx}\" y=\"{wy}\">{place}</text></g>{close}",
        text = html(&format!("{verb} {}", node.address.as_str()).to_lowercase()),
        title = html(&format!("{} ({})", said.trim(), node.address.scope())),
        tx = x + 10,
        ty = y + 17,
        wy = y + 32,
        label = html(&label),
        place = html(&place),
    );
}
