//! The graph of what should exist: one directed acyclic graph over all providers and clusters of a run.

use std::collections::{BTreeMap, HashMap};

use petgraph::Direction;
use petgraph::algo::{tarjan_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};

use super::address::Address;
use super::kind::Kind;
use super::plan::Origin;
use super::provider::{Find, ProviderKey, Target};
use super::value::{Path, Value};
use crate::parallel;

pub use kompox_state::Protection;

/// What a manifest says of protection. What it does not mention stays as the record has it; only an explicit `false`
/// lifts a protection, and only for later plans.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProtectionWish {
    /// Keep the object when the manifests drop it.
    pub orphan: bool,
    /// See [`Protection::prevent_destroy`].
    pub prevent_destroy: Option<bool>,
    /// See [`Protection::read_only`].
    pub read_only: Option<bool>,
}

impl ProtectionWish {
    /// Of an object that no manifest can protect.
    pub const UNPROTECTABLE: Self = Self { orphan: false, prevent_destroy: Some(false), read_only: Some(false) };

    /// The protection after an apply of this wish over what the record has.
    pub fn over(&self, recorded: &Protection) -> Protection {
        Protection {
            orphan: self.orphan,
            prevent_destroy: self.prevent_destroy.unwrap_or(recorded.prevent_destroy),
            read_only: self.read_only.unwrap_or(recorded.read_only),
            adopted: recorded.adopted,
        }
    }
}

/// One object that should exist.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its address.
    pub address: Address,
    /// Its schema.
    pub kind: &'static Kind,
    /// Which provider it belongs to.
    pub provider: ProviderKey,
    /// What it should be.
    pub desired: Value,
    /// What must exist before it, besides what `desired` refers to.
    pub depends_on: Vec<Address>,
    /// The line that asks for it.
    pub origin: Option<Origin>,
    /// Lines that ask for single fields, by pattern, where they stand elsewhere than `origin`.
    pub field_origins: Vec<(&'static str, Origin)>,
    /// How to find it when no record knows its id.
    pub find: Option<Find>,
    /// Tags that tell data from all other of its kind, wherever it is: what a command adopted carries them where it was.
    pub tags: BTreeMap<String, String>,
    /// Adopt the object with this provider id instead of making one.
    pub import: Option<String>,
    /// The address it had before a rename.
    pub moved_from: Option<Address>,
    /// What must not happen to it.
    pub protection: ProtectionWish,
    /// JSON pointers of fields whose changes are left alone.
    pub ignore_changes: Vec<String>,
    /// It is read, never written.
    pub read_only: bool,
}

impl Node {
    /// A wish for an object, of which nothing else is said.
    pub fn new(address: Address, kind: &'static Kind, provider: ProviderKey, desired: Value) -> Self {
        Self {
            address,
            kind,
            provider,
            desired,
            depends_on: Vec::new(),
            origin: None,
            field_origins: Vec::new(),
            find: None,
            tags: BTreeMap::new(),
            import: None,
            moved_from: None,
            protection: ProtectionWish::default(),
            ignore_changes: Vec::new(),
            read_only: false,
        }
    }

    /// The line that asks for a field.
    pub fn origin_of(&self, path: &Path) -> Option<&Origin> {
        let own = self.field_origins.iter().find(|(pattern, _)| path.matches(pattern));
        own.map(|(_, origin)| origin).or(self.origin.as_ref())
    }

    /// The node as a target to read or change.
    pub fn target(&self, physical_id: Option<String>) -> Target {
        Target { address: self.address.clone(), kind: self.kind, physical_id, find: self.find.clone() }
    }
}

/// Why nodes do not form a graph.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// Two nodes have one address.
    #[error("{address} is declared twice")]
    Duplicate {
        /// The address.
        address: Address,
        /// Where, as far as known.
        origins: Vec<Origin>,
    },
    /// A node needs what nobody declares.
    #[error("{address} depends on {missing}, which nothing declares")]
    Missing {
        /// The node.
        address: Address,
        /// What it needs.
        missing: Address,
        /// Where the node comes from.
        origin: Option<Origin>,
    },
    /// Nodes depend on each other in a circle.
    #[error("these depend on each other in a circle:\n{}", format_cycle(cycle))]
    Cycle {
        /// Each node of the circle with its origin; each needs the next, the last needs the first.
        cycle: Vec<(Address, Option<Origin>)>,
    },
}

fn format_cycle(cycle: &[(Address, Option<Origin>)]) -> String {
    let line = |(address, origin): &(Address, Option<Origin>)| match origin {
        Some(origin) => format!("  {address} ({origin})"),
        None => format!("  {address}"),
    };
    cycle.iter().map(line).collect::<Vec<_>>().join("\n    needs\n")
}

/// Nodes and the order between them.
#[derive(Debug, Default)]
pub struct Graph {
    dag: DiGraph<Node, ()>,
    index: HashMap<Address, NodeIndex>,
    order: Vec<NodeIndex>,
    /// By a node's index: something refers to it.
    referenced: Vec<bool>,
}

impl Graph {
    /// Builds the graph: edges come from `depends_on` and from references inside `desired`.
    ///
    /// # Errors
    /// A duplicate address, a dependency nobody declares, a cycle.
    pub fn new(nodes: Vec<Node>) -> Result<Self, GraphError> {
        let mut dag: DiGraph<Node, ()> = DiGraph::with_capacity(nodes.len(), nodes.len() * 2);
        let mut index = HashMap::with_capacity(nodes.len());
        for node in nodes {
            let address = node.address.clone();
            let origin = node.origin.clone();
            let id = dag.add_node(node);
            if let Some(first) = index.insert(address.clone(), id) {
                let first: &Node = &dag[first];
                let origins = first.origin.clone().into_iter().chain(origin).collect();
                return Err(GraphError::Duplicate { address, origins });
            }
        }
        let ids: Vec<NodeIndex> = dag.node_indices().collect();
        let needs = parallel::map(&ids, |id| needs(&dag[*id], &index));
        let mut referenced = vec![false; ids.len()];
        for (id, needs) in ids.into_iter().zip(needs) {
            for (need, refers) in needs? {
                referenced[need.index()] |= refers;
                dag.add_edge(need, id, ());
            }
        }
        let order = match toposort(&dag, None) {
            Ok(order) => order,
            Err(_) => return Err(GraphError::Cycle { cycle: find_cycle(&dag) }),
        };
        Ok(Self { dag, index, order, referenced })
    }

    /// The node of an address.
    pub fn get(&self, address: &Address) -> Option<&Node> {
        self.index.get(address).map(|id| &self.dag[*id])
    }

    /// Whether another node takes something from this one, besides waiting for it.
    pub fn is_referenced(&self, address: &Address) -> bool {
        self.index.get(address).is_some_and(|id| self.referenced[id.index()])
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.dag.node_count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All nodes, each after everything it depends on.
    pub fn iter(&self) -> impl Iterator<Item = &Node> {
        self.order.iter().map(|id| &self.dag[*id])
    }

    /// All nodes by levels: what a node depends on is on an earlier one. Each with its place in the order of
    /// [`iter`](Self::iter).
    pub fn levels(&self) -> Vec<Vec<(usize, &Node)>> {
        let mut level_of = vec![0; self.dag.node_count()];
        let mut levels: Vec<Vec<(usize, &Node)>> = Vec::new();
        for (place, id) in self.order.iter().enumerate() {
            let needs = self.dag.neighbors_directed(*id, Direction::Incoming);
            let level = needs.map(|need| level_of[need.index()] + 1).max().unwrap_or(0);
            level_of[id.index()] = level;
            // The level before is there, because what is on it came first.
            if levels.len() == level {
                levels.push(Vec::new());
            }
            levels[level].push((place, &self.dag[*id]));
        }
        levels
    }

    /// What a node directly depends on.
    pub fn dependencies<'a>(&'a self, address: &Address) -> Vec<&'a Address> {
        let Some(id) = self.index.get(address) else { return Vec::new() };
        let mut needs: Vec<_> =
            self.dag.neighbors_directed(*id, Direction::Incoming).map(|need| &self.dag[need].address).collect();
        needs.sort_unstable();
        needs
    }
}

/// What a node depends on, by address, each once, and whether it refers to it.
fn needs(node: &Node, index: &HashMap<Address, NodeIndex>) -> Result<Vec<(NodeIndex, bool)>, GraphError> {
    let mut needs: BTreeMap<&Address, bool> = node.depends_on.iter().map(|need| (need, false)).collect();
    node.desired.references(&mut |reference| {
        needs.insert(&reference.address, true);
    });
    let found = needs.into_iter().map(|(need, refers)| match index.get(need) {
        Some(id) => Ok((*id, refers)),
        None => {
            let (address, origin) = (node.address.clone(), node.origin.clone());
            Err(GraphError::Missing { address, missing: need.clone(), origin })
        }
    });
    found.collect()
}

/// One cycle of a graph that has one, in order.
fn find_cycle(dag: &DiGraph<Node, ()>) -> Vec<(Address, Option<Origin>)> {
    let describe = |id: NodeIndex| (dag[id].address.clone(), dag[id].origin.clone());
    for component in tarjan_scc(dag) {
        // The first declared, so that the message does not depend on how the components were found.
        let Some(start) = component.iter().copied().min() else { continue };
        if component.len() == 1 && !dag.contains_edge(start, start) {
            continue;
        }
        // Within a strongly connected component every step can be continued, so walking needs ends at a repeated node.
        let mut path = vec![start];
        loop {
            let here = path[path.len() - 1];
            let next = dag
                .neighbors_directed(here, Direction::Incoming)
                .filter(|candidate| component.contains(candidate))
                .min_by_key(|candidate| candidate.index());
            let Some(next) = next else { break };
            if let Some(position) = path.iter().position(|seen| *seen == next) {
                return path[position..].iter().map(|id| describe(*id)).collect();
            }
            path.push(next);
        }
    }
    Vec::new()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    static THING: Kind = Kind::plain("thing");

    pub(crate) fn node(name: &str, needs: &[&str]) -> Node {
        let address = |name: &str| Address::new("/ws/t", "thing", name);
        Node {
            depends_on: needs.iter().map(|need| address(need)).collect(),
            ..Node::new(address(name), &THING, "test".into(), Value::object())
        }
    }

    #[test]
    fn names_a_cycle_and_what_is_missing() {
        let cycle = Graph::new(vec![node("x", &[]), node("a", &["b", "x"]), node("b", &["c"]), node("c", &["a"])]);
        let text = cycle.unwrap_err().to_string();
        assert_eq!(
            text,
            "these depend on each other in a circle:\n  /ws/t/thing/a\n    needs\n  /ws/t/thing/b\n    needs\n  /ws/t/thing/c"
        );
        let missing = Graph::new(vec![node("a", &["nope"])]).unwrap_err().to_string();
        assert_eq!(missing, "/ws/t/thing/a depends on /ws/t/thing/nope, which nothing declares");
        assert!(Graph::new(vec![node("a", &[]), node("a", &[])]).unwrap_err().to_string().contains("declared twice"));
    }

    #[test]
    fn references_are_edges() {
        let mut b = node("b", &[]);
        b.desired.set(&["id"], Value::output(&Address::new("/ws/t", "thing", "a"), "/id"));
        let graph = Graph::new(vec![b, node("a", &[])]).unwrap();
        let names: Vec<_> = graph.iter().map(|n| n.address.name().to_owned()).collect();
        assert_eq!(names, ["a", "b"]);
        let referenced = |name: &str| graph.is_referenced(&Address::new("/ws/t", "thing", name));
        assert!(referenced("a") && !referenced("b") && !referenced("nope"));
        let graph = Graph::new(vec![node("b", &["a"]), node("a", &[])]).unwrap();
        assert!(
            !graph.is_referenced(&Address::new("/ws/t", "thing", "a")),
            "it waits for it, and takes nothing from it"
        );
    }

    proptest! {
        #[test]
        fn order_respects_every_edge(edges in prop::collection::vec((0_usize..30, 0_usize..30), 0..120)) {
            // Edges from higher to lower numbers only: acyclic by construction.
            let mut needs = vec![Vec::new(); 30];
            for (a, b) in edges {
                if a > b { needs[a].push(b.to_string()); }
            }
            let nodes = (0..30).map(|n| node(&n.to_string(), &needs[n].iter().map(String::as_str).collect::<Vec<_>>()));
            let graph = Graph::new(nodes.collect()).unwrap();
            let position: HashMap<_, _> = graph.iter().enumerate().map(|(i, n)| (n.address.clone(), i)).collect();
            for node in graph.iter() {
                for need in graph.dependencies(&node.address) {
                    prop_assert!(position[need] < position[&node.address]);
                }
            }
            let levels = graph.levels();
            let level: HashMap<_, _> =
                levels.iter().enumerate().flat_map(|(at, nodes)| nodes.iter().map(move |(place, n)| (&n.address, (at, *place)))).collect();
            prop_assert_eq!(level.len(), graph.len());
            for node in graph.iter() {
                prop_assert_eq!(level[&node.address].1, position[&node.address]);
                for need in graph.dependencies(&node.address) {
                    prop_assert!(level[need].0 < level[&node.address].0);
                }
            }
        }
    }
}
