//! Where the nodes of a graph stand in a drawing: columns by the longest way from a beginning, rows near what they follow.
//! The same graph always gets the same places.

use petgraph::algo::toposort;
use petgraph::algo::tred::{dag_to_toposorted_adjacency_list, dag_transitive_reduction_closure};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{EdgeRef, IntoEdgeReferences};

/// Times that the rows are put near their neighbours, forth and back. More changes little.
const SWEEPS: usize = 6;

/// Column and row of each node, and the arrows worth drawing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// `(column, row)` by the number of the node.
    pub(super) places: Vec<(usize, usize)>,
    /// Arrows without those that a way over other nodes says already.
    pub(super) edges: Vec<(usize, usize)>,
}

impl Layout {
    /// Places `nodes` nodes. Arrows beyond the nodes and those of a circle, which no plan has, are not drawn.
    pub(super) fn of(nodes: usize, edges: impl Iterator<Item = (usize, usize)>) -> Self {
        let mut graph: DiGraph<(), (), u32> = DiGraph::with_capacity(nodes, 0);
        for _ in 0..nodes {
            graph.add_node(());
        }
        for (first, then) in edges.filter(|(first, then)| first != then && *first.max(then) < nodes) {
            graph.update_edge(NodeIndex::new(first), NodeIndex::new(then), ());
        }
        let Ok(order) = toposort(&graph, None) else {
            return Self { places: (0..nodes).map(|row| (0, row)).collect(), edges: Vec::new() };
        };
        let edges = reduced(&graph, &order);
        let columns = columns(nodes, &order, &edges);
        Self { places: rows(&columns, &edges), edges }
    }

    /// Columns and rows of the whole.
    pub(super) fn size(&self) -> (usize, usize) {
        let most = |of: fn(&(usize, usize)) -> usize| self.places.iter().map(|place| of(place) + 1).max().unwrap_or(0);
        (most(|place| place.0), most(|place| place.1))
    }
}

/// The arrows that no way over other nodes replaces, in order.
fn reduced(graph: &DiGraph<(), (), u32>, order: &[NodeIndex]) -> Vec<(usize, usize)> {
    let (sorted, _) = dag_to_toposorted_adjacency_list::<_, u32>(graph, order);
    let (reduction, _) = dag_transitive_reduction_closure(&sorted);
    let node = |position: u32| order[position as usize].index();
    let mut edges: Vec<(usize, usize)> =
        reduction.edge_references().map(|edge| (node(edge.source()), node(edge.target()))).collect();
    edges.sort_unstable();
    edges
}

fn columns(nodes: usize, order: &[NodeIndex], edges: &[(usize, usize)]) -> Vec<usize> {
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for (first, then) in edges {
        after[*first].push(*then);
    }
    let mut columns = vec![0; nodes];
    for node in order {
        for then in &after[node.index()] {
            columns[*then] = columns[*then].max(columns[node.index()] + 1);
        }
    }
    columns
}

/// Puts each column into the order of the middle of its neighbours, from the left and from the right in turn.
fn rows(columns: &[usize], edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let width = columns.iter().max().map_or(0, |last| last + 1);
    let mut by_column: Vec<Vec<usize>> = vec![Vec::new(); width];
    let mut row = vec![0; columns.len()];
    for (node, column) in columns.iter().enumerate() {
        row[node] = by_column[*column].len();
        by_column[*column].push(node);
    }
    let (mut before, mut after) = (vec![Vec::new(); columns.len()], vec![Vec::new(); columns.len()]);
    for (first, then) in edges {
        before[*then].push(*first);
        after[*first].push(*then);
    }
    for sweep in 0..SWEEPS {
        let forth = sweep % 2 == 0;
        let neighbours = if forth { &before } else { &after };
        for step in 0..width {
            let column = if forth { step } else { width - 1 - step };
            // Twice the middle and counted in whole numbers, so that equal middles keep the order that they had.
            let middle = |node: &usize| match neighbours[*node].as_slice() {
                [] => row[*node] * 2,
                near => near.iter().map(|other| row[*other] * 2).sum::<usize>() / near.len(),
            };
            by_column[column].sort_by_cached_key(middle);
            for (place, node) in by_column[column].iter().enumerate() {
                row[*node] = place;
            }
        }
    }
    columns.iter().copied().zip(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_follows_stands_right_of_it_and_near_it() {
        let layout = Layout::of(5, [(0, 2), (1, 3), (2, 4), (0, 4), (3, 4)].into_iter());
        assert_eq!(layout.places, [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]);
        assert_eq!(layout.edges, [(0, 2), (1, 3), (2, 4), (3, 4)], "0 → 4 is said by 0 → 2 → 4");
        assert_eq!(layout.size(), (3, 2));
    }

    #[test]
    fn nothing_and_circles_have_places_too() {
        assert_eq!(Layout::of(0, std::iter::empty()).size(), (0, 0));
        assert_eq!(Layout::of(2, [(0, 1), (1, 0)].into_iter()).places, [(0, 0), (0, 1)]);
    }

    proptest! {
        #[test]
        fn no_two_nodes_share_a_place_and_arrows_go_right(
            edges in prop::collection::vec((0_usize..30, 0_usize..30), 0..120)
        ) {
            let forward = edges.into_iter().map(|(a, b)| (a.min(b), a.max(b)));
            let layout = Layout::of(30, forward);
            let places: BTreeSet<_> = layout.places.iter().collect();
            prop_assert_eq!(places.len(), 30);
            for (first, then) in &layout.edges {
                prop_assert!(layout.places[*first].0 < layout.places[*then].0);
            }
        }
    }
}
