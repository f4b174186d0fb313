//! Graphs for Graphviz and Mermaid.

use std::io::{self, Write};

use crate::engine::action::Action;
use crate::engine::address::Address;
use crate::engine::plan::Plan;

/// A node.
#[derive(Debug, Clone)]
pub struct Node {
    /// The object; nodes are grouped by its scope.
    pub address: Address,
    /// What is written on it.
    pub label: String,
    /// What a plan does to it, if a plan is shown.
    pub action: Option<Action>,
}

/// A graph to draw.
#[derive(Debug, Clone, Default)]
pub struct GraphView {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// `(first, then)`: indices into `nodes`; the arrow goes from what is done first to what follows.
    pub edges: Vec<(usize, usize)>,
}

impl GraphView {
    /// The changes of a plan and their order.
    pub fn of_plan(plan: &Plan) -> Self {
        let _ = plan;
        Self::default()
    }
}

/// Writes the graph in the language of Graphviz, with a cluster per scope.
///
/// # Errors
/// The writer's own.
pub fn dot(out: &mut dyn Write, view: &GraphView) -> io::Result<()> {
    let _ = view;
    out.flush()
}

/// Writes the graph as a Mermaid flowchart, with a subgraph per scope.
///
/// # Errors
/// The writer's own.
pub fn mermaid(out: &mut dyn Write, view: &GraphView) -> io::Result<()> {
    let _ = view;
    out.flush()
}
