//! Graphs for Graphviz and Mermaid. The order of the output is that of the input, so equal graphs give equal text.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use super::escape::clean;
use crate::engine::address::Address;
use crate::engine::plan::{Plan, Verb};

/// A node.
#[derive(Debug, Clone)]
pub struct Node {
    /// The object; nodes are grouped by its scope.
    pub address: Address,
    /// What is written on it.
    pub label: String,
    /// What a plan does to it, if a plan is shown.
    pub action: Option<Verb>,
}

/// A graph to draw.
#[derive(Debug, Clone, Default)]
pub struct GraphView {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// `(first, then)`: indices into `nodes`; the arrow goes from what is done first to what follows. Pairs beyond the
    /// nodes are not drawn.
    pub edges: Vec<(usize, usize)>,
}

impl GraphView {
    /// The changes of a plan and their order.
    pub fn of_plan(plan: &Plan) -> Self {
        let changes: Vec<_> = plan.actions.iter().filter(|planned| planned.action != Verb::NoOp).collect();
        let index: HashMap<&Address, usize> = changes.iter().enumerate().map(|(i, p)| (&p.address, i)).collect();
        let node = |address: &Address, action| Node {
            address: address.clone(),
            label: address.short().to_owned(),
            action: Some(action),
        };
        let mut edges: Vec<(usize, usize)> = Vec::new();
        for (then, planned) in changes.iter().enumerate() {
            edges.extend(planned.after_addresses.iter().filter_map(|first| Some((*index.get(first)?, then))));
        }
        edges.sort_unstable();
        edges.dedup();
        Self { nodes: changes.iter().map(|planned| node(&planned.address, planned.action)).collect(), edges }
    }

    /// The graph cut to `nodes` nodes and `edges` edges: deletions, replacements and updates stay longer than creations.
    /// Also the number of nodes left out.
    #[must_use]
    pub fn cut(&self, nodes: usize, edges: usize) -> (Self, usize) {
        let (view, _, left_out) = self.cut_to(nodes, edges);
        (view, left_out)
    }

    /// The same, with the numbers that the kept nodes had.
    #[must_use]
    pub(super) fn cut_to(&self, nodes: usize, edges: usize) -> (Self, Vec<usize>, usize) {
        let weight = |node: &Node| match node.action {
            Some(action) if action.deletes() => 0,
            Some(Verb::Update) => 1,
            _ => 2,
        };
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by_key(|i| weight(&self.nodes[*i]));
        order.truncate(nodes);
        order.sort_unstable();
        let place: HashMap<usize, usize> = order.iter().enumerate().map(|(new, old)| (*old, new)).collect();
        let kept = self.edges.iter().filter_map(|(a, b)| Some((*place.get(a)?, *place.get(b)?))).take(edges).collect();
        let view = Self { nodes: order.iter().map(|i| self.nodes[*i].clone()).collect(), edges: kept };
        (view, order, self.nodes.len().saturating_sub(nodes))
    }

    fn by_scope(&self) -> BTreeMap<&str, Vec<usize>> {
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            groups.entry(node.address.scope()).or_default().push(index);
        }
        groups
    }

    fn drawn(&self) -> impl Iterator<Item = &(usize, usize)> {
        self.edges.iter().filter(|(a, b)| a.max(b) < &self.nodes.len())
    }
}

/// Fill and border of an action.
fn colors(action: Verb) -> (&'static str, &'static str) {
    match action {
        Verb::Create => ("#dafbe1", "#1a7f37"),
        Verb::Update => ("#fff8c5", "#9a6700"),
        Verb::Delete | Verb::Replace => ("#ffebe9", "#cf222e"),
        Verb::Import | Verb::Move | Verb::Forget | Verb::Refresh => ("#ddf4ff", "#0969da"),
        Verb::NoOp | Verb::Read => ("#f6f8fa", "#59636e"),
    }
}

fn dot_text(text: &str) -> String {
    format!("\"{}\"", clean(text).replace('\\', "\\\\").replace('"', "\\\""))
}

/// Writes the graph in the language of Graphviz, with a cluster per scope.
///
/// # Errors
/// The writer's own.
pub fn dot(out: &mut dyn Write, view: &GraphView) -> io::Result<()> {
    writeln!(out, "digraph kompox {{\n  rankdir=LR;\n  node [shape=box, style=filled, fillcolor=white];")?;
    for (number, (scope, nodes)) in view.by_scope().into_iter().enumerate() {
        writeln!(out, "  subgraph cluster_{number} {{\n    label={};", dot_text(scope))?;
        for index in nodes {
            let node = &view.nodes[index];
            let look = match node.action {
                Some(action) => {
                    let (fill, border) = colors(action);
                    format!(", fillcolor=\"{fill}\", color=\"{border}\"")
                }
                None => String::new(),
            };
            let mark = node.action.map_or("", Verb::mark);
            let label = dot_text(format!("{mark} {}", node.label).trim_start());
            writeln!(out, "    n{index} [label={label}{look}];")?;
        }
        writeln!(out, "  }}")?;
    }
    for (first, then) in view.drawn() {
        writeln!(out, "  n{first} -> n{then};")?;
    }
    writeln!(out, "}}")
}

/// Text for a quoted Mermaid label: what it or Markdown inside it could read as markup is an entity.
fn mermaid_text(text: &str) -> String {
    let mut safe = String::from("\"");
    for c in clean(text).chars() {
        match c {
            // A dollar would begin a formula and a colon a picture (`fa:fa-ban`).
            '"' | '#' | '&' | '<' | '>' | '`' | '*' | '\\' | '@' | '{' | '}' | '[' | ']' | ';' | '%' | '$' | ':' => {
                safe.push_str(&format!("#{};", u32::from(c)));
            }
            _ => safe.push(c),
        }
    }
    safe.push('"');
    safe
}

/// Writes the graph as a Mermaid flowchart, with a subgraph per scope.
///
/// # Errors
/// The writer's own.
pub fn mermaid(out: &mut dyn Write, view: &GraphView) -> io::Result<()> {
    writeln!(out, "flowchart LR")?;
    for (number, (scope, nodes)) in view.by_scope().into_iter().enumerate() {
        writeln!(out, "  subgraph s{number}[{}]", mermaid_text(scope))?;
        for index in nodes {
            let node = &view.nodes[index];
            // The verb, not the mark: Mermaid takes a label that begins with `+ ` or `- ` for a list.
            let label = match node.action {
                Some(action) => format!("{} {}", action.word(), node.label),
                None => node.label.clone(),
            };
            writeln!(out, "    n{index}[{}]", mermaid_text(&label))?;
        }
        writeln!(out, "  end")?;
    }
    for (first, then) in view.drawn() {
        writeln!(out, "  n{first} --> n{then}")?;
    }
    let mut classes: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for (index, node) in view.nodes.iter().enumerate() {
        if let Some(action) = node.action {
            classes.entry(colors(action)).or_default().push(format!("n{index}"));
        }
    }
    for (number, ((fill, border), nodes)) in classes.into_iter().enumerate() {
        writeln!(out, "  classDef c{number} fill:{fill},stroke:{border},color:#1f2328")?;
        writeln!(out, "  class {} c{number}", nodes.join(","))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;
    use proptest::prelude::*;

    fn drawn(draw: fn(&mut dyn Write, &GraphView) -> io::Result<()>, view: &GraphView) -> String {
        let mut out = Vec::new();
        draw(&mut out, view).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn draws_the_changes_of_a_plan_by_scope() {
        let (view, left_out) = GraphView::of_plan(&testing::plan()).cut(5, 10);
        assert_eq!(left_out, testing::plan().actions.len() - 5);
        insta::assert_snapshot!(drawn(dot, &view), @r##"
        digraph kompox {
          rankdir=LR;
          node [shape=box, style=filled, fillcolor=white];
          subgraph cluster_0 {
            label="/ws/ops/prv/aks1/app/gitea";
            n0 [label="<- disk/data", fillcolor="#ddf4ff", color="#0969da"];
            n1 [label="+ disk/default", fillcolor="#dafbe1", color="#1a7f37"];
          }
          subgraph cluster_1 {
            label="/ws/ops/prv/aks1/cls/c1";
            n3 [label="-/+ agent-pool/npuser1", fillcolor="#ffebe9", color="#cf222e"];
          }
          subgraph cluster_2 {
            label="/ws/ops/prv/aks1/cls/c1/app/gitea";
            n2 [label="~ Deployment/gitea-app", fillcolor="#fff8c5", color="#9a6700"];
          }
          subgraph cluster_3 {
            label="/ws/ops/prv/aks1/cls/c1/app/old";
            n4 [label="- Service/old-app", fillcolor="#ffebe9", color="#cf222e"];
          }
        }
        "##);
        insta::assert_snapshot!(drawn(mermaid, &view), @r#"
        flowchart LR
          subgraph s0["/ws/ops/prv/aks1/app/gitea"]
            n0["import disk/data"]
            n1["create disk/default"]
          end
          subgraph s1["/ws/ops/prv/aks1/cls/c1"]
            n3["replace agent-pool/npuser1"]
          end
          subgraph s2["/ws/ops/prv/aks1/cls/c1/app/gitea"]
            n2["update Deployment/gitea-app"]
          end
          subgraph s3["/ws/ops/prv/aks1/cls/c1/app/old"]
            n4["delete Service/old-app"]
          end
          classDef c0 fill:#dafbe1,stroke:#1a7f37,color:#1f2328
          class n1 c0
          classDef c1 fill:#ddf4ff,stroke:#0969da,color:#1f2328
          class n0 c1
          classDef c2 fill:#ffebe9,stroke:#cf222e,color:#1f2328
          class n3,n4 c2
          classDef c3 fill:#fff8c5,stroke:#9a6700,color:#1f2328
          class n2 c3
        "#);
    }

    #[test]
    fn edges_to_nowhere_are_not_drawn() {
        let node = Node { address: Address::new("/ws/o", "k", "n"), label: "n".into(), action: None };
        let view = GraphView { nodes: vec![node], edges: vec![(0, 1), (7, 0)] };
        assert!(!drawn(dot, &view).contains("->"));
        assert!(!drawn(mermaid, &view).contains("-->"));
    }

    proptest! {
        #[test]
        fn no_label_ends_its_quotes(label in any::<String>()) {
            let node = Node { address: Address::new("/ws/o", "k", &label), label, action: Some(Verb::Create) };
            let view = GraphView { nodes: vec![node], edges: Vec::new() };
            for line in drawn(mermaid, &view).lines() {
                prop_assert!(line.matches('"').count() == 0 || line.matches('"').count() == 2);
                prop_assert!(line.matches('"').count() == 0 || line.ends_with("\"]"));
            }
            prop_assert_eq!(drawn(dot, &view).lines().count(), 8);
        }
    }
}
